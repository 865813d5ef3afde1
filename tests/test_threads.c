/*
 * One handle, many threads: appends, cursors, scans, lists and figures side by side, while another handle compacts.
 * Also for ThreadSanitizer.
 */
#include "support/scratch.h"
#include "support/work.h"

#include "engine/store.h"

#include <pthread.h>

enum { WRITERS = 4, READERS = 4 };

/* ThreadSanitizer: a child of a fork has no other threads, and cannot join them. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
    return "report_thread_leaks=0";
}

typedef struct {
    varve *store;
    work_book *book;
    uint32_t number;
    bool good;
} party;

static uint32_t batches(void) {
    return work_long() ? 2000 : 60;
}

static void *write_all(void *context) {
    party *p = context;
    p->good = true;
    for (uint32_t i = 0; p->good && i < batches(); i++)
        p->good = work_append(p->store, p->book, p->number, i, work_mix(p->number, i, 6) % 8 == 0 ? VARVE_GROUP : VARVE_NONE);
    return NULL;
}

/* What a cursor or scan gave holds until its own next call, whatever the others do. */
static bool payload_stays(varve *store) {
    varve_cursor *cursor;
    varve_event event;
    bool good = true;
    int more = varve_cursor_store(store, 0, 0, &cursor);
    if (more < 0)
        return work_wrong("cursor: %s", varve_last_error(store));
    for (int i = 0; good && i < 200 && (more = varve_cursor_next(cursor, &event)) == 1; i++) {
        varve_stats stats = {.size = sizeof stats};
        char before[64];
        size_t size = event.payload_size < sizeof before ? event.payload_size : sizeof before;
        memcpy(before, event.payload, size);
        if (i % 50 == 0)
            good = varve_stat(store, &stats) == VARVE_OK;
        good = good && memcmp(before, event.payload, size) == 0;
    }
    varve_cursor_close(&cursor);
    return good && more >= 0;
}

static bool list_all(varve *store) {
    varve_list *list;
    varve_session session;
    int more = varve_session_list(store, NULL, &list);
    if (more < 0)
        return work_wrong("list: %s", varve_last_error(store));
    while ((more = varve_list_next(list, &session)) == 1)
        if (session.session_id.size == 0)
            return work_wrong("a session without id");
    varve_list_close(&list);
    return more == 0;
}

static void *read_all(void *context) {
    party *p = context;
    p->good = true;
    while (p->good && atomic_load(&p->book->stop) == 0)
        p->good = work_holds(p->store, p->book, 0, true, NULL) && payload_stays(p->store) && list_all(p->store);
    return NULL;
}

static void *follow(void *context) {
    party *p = context;
    uint64_t at = 0;
    p->good = true;
    while (p->good && atomic_load(&p->book->stop) == 0)
        p->good = varve_wait(p->store, &at, 20) >= 0;
    return NULL;
}

static void *compact(void *context) {
    party *p = context;
    varve *store = NULL;
    p->good = work_open(NULL, p->store->path, 0, &store);
    while (p->good && atomic_load(&p->book->stop) == 0)
        p->good = varve_compact(store, NULL, NULL) == VARVE_OK || work_wrong("compact: %s", varve_last_error(store));
    varve_close(&store);
    return NULL;
}

static void a_handle_serves_many_threads(void **state) {
    (void)state;
    char *path = scratch_new();
    work_book *book = work_book_new();
    varve *store = NULL;
    assert_true(work_open(NULL, path, 0, &store));
    enum { ALL = WRITERS + READERS + 2 };
    pthread_t thread[ALL];
    party parties[ALL];
    for (uint32_t i = 0; i < ALL; i++) {
        parties[i] = (party){store, book, i, false};
        void *(*body)(void *) = i < WRITERS ? write_all : i < WRITERS + READERS ? read_all : i == ALL - 1 ? compact : follow;
        assert_int_equal(pthread_create(&thread[i], NULL, body, &parties[i]), 0);
    }
    bool good = true;
    for (uint32_t i = 0; i < ALL; i++) {
        if (i == WRITERS)
            atomic_store(&book->stop, 1);
        pthread_join(thread[i], NULL);
        good = good && parties[i].good;
    }
    assert_true(good);
    assert_true(work_holds(store, book, WRITERS, false, NULL));
    assert_true(work_verifies(store, 0));
    varve_close(&store);
    scratch_free(path);
    work_book_free(book);
}

/* ---- Each its own error ---- */

typedef struct {
    varve *store;
    char name[32];
    bool good;
} asker;

static void *ask_for_what_is_not(void *context) {
    asker *a = context;
    varve_session session;
    char expected[64];
    snprintf(expected, sizeof expected, "no session '%s'", a->name);
    a->good = true;
    for (int i = 0; a->good && i < 500; i++)
        a->good = varve_session_find(a->store, varve_cstr(NULL), varve_cstr(a->name), &session) == VARVE_E_NOT_FOUND &&
                  strcmp(varve_last_error(a->store), expected) == 0;
    return NULL;
}

static void each_thread_is_told_its_own_error(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    scratch_append(store, "s", "assistant", 1);
    pthread_t thread[6];
    asker askers[6];
    for (int i = 0; i < 6; i++) {
        askers[i].store = store;
        snprintf(askers[i].name, sizeof askers[i].name, "nobody-%d", i);
        assert_int_equal(pthread_create(&thread[i], NULL, ask_for_what_is_not, &askers[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(thread[i], NULL);
        assert_true(askers[i].good);
    }
    varve_close(&store);
    scratch_free(path);
}

/* A child that was made while another thread was inside finds no lock that nobody will open. */
static void a_fork_among_threads_is_noticed(void **state) {
    (void)state;
    char *path = scratch_new();
    work_book *book = work_book_new();
    varve *store = NULL;
    assert_true(work_open(NULL, path, 0, &store));
    party writer = {store, book, 0, false};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_all, &writer), 0);
    bool good = true;
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            uint64_t at = 0;
            varve_session session;
            bool told = varve_session_find(store, varve_cstr(NULL), varve_cstr("x"), &session) == VARVE_E_FORKED &&
                        varve_wait(store, &at, -1) == VARVE_E_FORKED && varve_sync(store) == VARVE_E_FORKED;
            varve_close(&store);
            _exit(told ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        good = good && work_succeeded(status);
    }
    pthread_join(thread, NULL);
    assert_true(good && writer.good);
    assert_true(work_holds(store, book, 1, false, NULL));
    varve_close(&store);
    scratch_free(path);
    work_book_free(book);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_serves_many_threads),
        cmocka_unit_test(each_thread_is_told_its_own_error),
        cmocka_unit_test(a_fork_among_threads_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Following a store: who waits for it to grow is woken by whoever appends, sees every event once and in order, resumes by
 * lsn, and outlives rotation, compaction and the writer's death.
 */
#include "support/deaths.h"
#include "support/scratch.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

static work_book *book;

/* A wake-up that is not sent makes the test hang. */
static void endless_wait(void *word, uint32_t seen, int64_t nanoseconds) {
    (void)nanoseconds;
    ve_os_system.wait(word, seen, INT64_C(3600000000000));
}

static int no_bell_openat(int dir, const char *name, int flags, unsigned mode) {
    if (strcmp(name, "CONTROL") == 0 && (flags & O_ACCMODE) == O_RDWR) {
        errno = EACCES;
        return -1;
    }
    return ve_os_system.openat(dir, name, flags, mode);
}

typedef struct {
    const char *path;
    const ve_os *os;
    uint32_t flags, events;
} party;

static varve *open_as(const party *p) {
    varve_options options;
    varve *store = NULL;
    varve_options_init(&options);
    options.flags = p->flags;
    options.segment_size = 64 << 10;
    assert_int_equal(ve_open(p->os, p->path, &options, &store), VARVE_OK);
    return store;
}

/* Reads what lies behind *last; events are numbered by their seq in the one session. */
static bool read_on(varve *store, uint64_t *last, uint64_t *seq) {
    varve_cursor *cursor;
    varve_event event;
    int more;
    if (varve_cursor_store(store, *last + 1, 0, &cursor) < 0)
        return work_wrong("cursor: %s", varve_last_error(store));
    while ((more = varve_cursor_next(cursor, &event)) == 1) {
        if (event.seq != *seq + 1)
            return work_wrong("seq %llu behind %llu", (unsigned long long)event.seq, (unsigned long long)*seq);
        *seq = event.seq;
        *last = event.lsn;
    }
    varve_cursor_close(&cursor);
    return more == 0 || work_wrong("cursor: %s", varve_last_error(store));
}

static bool follow(void *context) {
    const party *p = context;
    varve *store = open_as(p);
    uint64_t at = 0, last = 0, seq = 0;
    while (seq < p->events) {
        atomic_store(&book->counter[0], seq + 1); /* so far, and alive */
        int result = varve_wait(store, &at, -1);
        if (result != 1)
            return work_wrong("wait: %d %s", result, varve_last_error(store));
        if (!read_on(store, &last, &seq))
            return false;
    }
    varve_close(&store);
    return true;
}

static pid_t start(bool (*body)(void *context), party *p) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        _exit(body(p) ? 0 : 1);
    }
    return child;
}

static void check_end(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    assert_true(work_succeeded(status));
}

static void append_to(varve *store, const char *session, uint32_t count) {
    static char payload[2000];
    for (uint32_t i = 0; i < count; i++) {
        varve_event event = scratch_event(session, "assistant");
        event.payload = payload;
        event.payload_size = sizeof payload;
        varve_batch *batch;
        assert_true(varve_batch_new(&batch) >= 0 && varve_batch_add(batch, &event) >= 0);
        assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
        varve_batch_free(&batch);
    }
}

static void append_events(varve *store, uint32_t count) {
    append_to(store, "s", count);
}

static bool append_one_and_die(void *context) {
    varve *store = open_as(context);
    append_events(store, 1);
    kill(getpid(), SIGKILL);
    return false;
}

static void followers_see_everything(const ve_os *os, uint32_t flags) {
    char *path = scratch_new();
    party writer = {path, &ve_os_system, 0, 0}, reader = {path, os, flags, 201};
    varve *store = open_as(&writer);
    append_events(store, 1);
    memset(book, 0, sizeof *book);
    pid_t child = start(follow, &reader);
    for (uint32_t i = 1; i < 200; i++) { /* one by one: each has to be waited for */
        while (atomic_load(&book->counter[0]) < i + 1 && waitpid(child, NULL, WNOHANG) == 0)
            usleep(10);
        append_events(store, 1);
        if (i % 60 == 0)
            assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
    }
    assert_true(work_killed(work_in_child(append_one_and_die, &writer)));
    check_end(child);
    varve_close(&store);
    scratch_free(path);
}

static void a_follower_is_woken_by_every_append(void **state) {
    (void)state;
    static ve_os os;
    os = ve_os_system;
    os.wait = endless_wait;
    followers_see_everything(&os, VARVE_OPEN_READ_ONLY);
    followers_see_everything(&os, 0);
}

static void who_may_not_ring_looks_now_and_then(void **state) {
    (void)state;
    static ve_os os;
    os = ve_os_system;
    os.openat = no_bell_openat;
    followers_see_everything(&os, VARVE_OPEN_READ_ONLY);
}

static void a_follower_may_come_and_go(void **state) {
    (void)state;
    char *path = scratch_new();
    party p = {path, &ve_os_system, VARVE_OPEN_READ_ONLY, 0};
    varve *store = scratch_open(path, 64 << 10);
    uint64_t last = 0, seq = 0;
    for (int round = 0; round < 10; round++) {
        append_events(store, 37);
        if (round % 3 == 2)
            assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
        varve *reader = open_as(&p);
        uint64_t at = 0;
        assert_int_equal(varve_wait(reader, &at, 0), 1);
        assert_true(read_on(reader, &last, &seq));
        assert_int_equal(seq, 37 * (round + 1));
        assert_int_equal(varve_wait(reader, &at, 0), 0);
        varve_close(&reader);
    }
    varve_close(&store);
    scratch_free(path);
}

static void time_passes_and_snapshots_do_not_grow(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    append_events(store, 1);
    uint64_t at = 0;
    assert_int_equal(varve_wait(store, &at, 0), 1);
    assert_int_equal(at, ve_tail(store));
    assert_int_equal(varve_wait(store, &at, 5), 0);
    party p = {path, &ve_os_system, VARVE_OPEN_NO_INDEX, 0};
    varve *snapshot = open_as(&p);
    assert_int_equal(varve_wait(snapshot, &at, 0), VARVE_E_READ_ONLY);
    assert_non_null(strstr(varve_last_error(snapshot), "snapshot"));
    varve_close(&snapshot);
    varve_close(&store);
    scratch_free(path);
}

/* Whoever removes CONTROL makes the next writer begin a new one; who waits on the old one finds out. */
static void a_new_control_is_followed(void **state) {
    (void)state;
    char *path = scratch_new(), name[300];
    party p = {path, &ve_os_system, VARVE_OPEN_READ_ONLY, 0};
    varve *store = scratch_open(path, 0);
    append_events(store, 1);
    varve *reader = open_as(&p);
    uint64_t at = 0, last = 0, seq = 0;
    assert_int_equal(varve_wait(reader, &at, 0), 1);
    snprintf(name, sizeof name, "%s/CONTROL", path);
    assert_int_equal(unlink(name), 0);
    append_events(store, 1);
    assert_int_equal(varve_wait(reader, &at, -1), 1);
    assert_true(read_on(reader, &last, &seq));
    assert_int_equal(seq, 2);
    varve_close(&reader);
    varve_close(&store);
    scratch_free(path);
}

/* A writer dies behind each store to a shared page in turn. Whatever it had published is there to be seen at once, with
 * its name and by the session too, though the index does not know of it yet. */
static uint64_t store_to_die_at;
static char session_to_die_in[20];

static bool append_one_and_die_at_a_store(void *context) {
    const party *p = context;
    party dying = {p->path, &deaths_os, 0, 0};
    varve *store = open_as(&dying);
    deaths_at_store(store_to_die_at);
    append_to(store, session_to_die_in, 1);
    deaths_unwatch();
    varve_close(&store);
    return true;
}

static uint64_t last_of_session(varve *store, const char *session) {
    varve_cursor *cursor;
    varve_event event;
    uint64_t last = 0;
    int result = varve_cursor_session(store, varve_cstr(NULL), varve_cstr(session), 0, 0, &cursor);
    assert_true(result == VARVE_OK || result == VARVE_E_NOT_FOUND);
    while (result == VARVE_OK && varve_cursor_next(cursor, &event) == 1)
        last = event.lsn;
    varve_cursor_close(&cursor);
    return last;
}

/* The last event's lsn and session. */
static uint64_t last_of_store(varve *store, char session[20]) {
    varve_cursor *cursor;
    varve_event event;
    uint64_t last = 0;
    assert_int_equal(varve_cursor_store(store, UINT64_MAX, VARVE_CURSOR_BACKWARD, &cursor), VARVE_OK);
    if (varve_cursor_next(cursor, &event) == 1) {
        assert_non_null(event.machine_id.ptr);
        snprintf(session, 20, "%.*s", (int)event.session_id.size, event.session_id.ptr);
        last = event.lsn;
    }
    varve_cursor_close(&cursor);
    return last;
}

/* 'sessions': so many take turns; each is new at first. */
static void die_at_each_store(uint64_t sessions) {
    char *path = scratch_new(), session[20] = "";
    party p = {path, &ve_os_system, VARVE_OPEN_READ_ONLY, 0}, writer = {path, &ve_os_system, 0, 0};
    varve *store = open_as(&writer);
    append_to(store, "s0", 3);
    varve_close(&store);
    uint32_t behind = 0;
    varve *reader = open_as(&p);
    for (store_to_die_at = 1; store_to_die_at < 2000; store_to_die_at++) {
        snprintf(session_to_die_in, sizeof session_to_die_in, "s%u", (unsigned)(store_to_die_at % sessions));
        uint64_t before = last_of_store(reader, session);
        int status = work_in_child(append_one_and_die_at_a_store, &p);
        behind += ve_word(&reader->control->applied) < ve_word(&reader->control->tail);
        uint64_t last = last_of_store(reader, session);
        assert_string_equal(last == before ? session_to_die_in : session, session_to_die_in);
        assert_int_equal(last_of_session(reader, session), last);
        if (!work_killed(status))
            break;
    }
    varve_close(&reader);
    assert_true(behind > 2);
    store = open_as(&writer);
    append_events(store, 1);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void what_is_published_is_seen_before_the_index_follows(void **state) {
    (void)state;
    if (!deaths_can_watch())
        skip();
    die_at_each_store(1);
    die_at_each_store(UINT64_MAX);
}

int main(void) {
    work_in_memory();
    book = work_book_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_is_woken_by_every_append),
        cmocka_unit_test(who_may_not_ring_looks_now_and_then),
        cmocka_unit_test(a_follower_may_come_and_go),
        cmocka_unit_test(time_passes_and_snapshots_do_not_grow),
        cmocka_unit_test(a_new_control_is_followed),
        cmocka_unit_test(what_is_published_is_seen_before_the_index_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Writers, readers and compactors in processes of their own: whoever looks sees whole batches, each session's seq without a
 * gap and every payload as it was written; at the end everything is there once. Compactors are killed now and then.
 */
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/work.h"

#include <sched.h>
#include <signal.h>

enum { WRITERS = 2, READERS = 3 };

typedef struct {
    const char *path;
    work_book *book; /* counter 0: rounds of readers; 1: of compactors; stop: the writers are done */
    uint32_t number;
} party;

static uint32_t batches(void) {
    return work_long() ? 4000 : 500;
}

static bool write_all(void *context) {
    const party *p = context;
    bool good = true;
    for (uint32_t number = 0; good && number < batches();) { /* a handle is opened anew now and then */
        varve *store = NULL;
        good = work_open(NULL, p->path, 0, &store);
        for (uint32_t stay = 1 + work_mix(p->number, number, 5) % 150; good && stay > 0 && number < batches(); stay--, number++)
            good = work_append(store, p->book, p->number, number, work_mix(p->number, number, 6) % 8 == 0 ? VARVE_GROUP : VARVE_NONE);
        varve_close(&store);
        uint64_t rounds = atomic_load(&p->book->counter[1]); /* so that each has its turn */
        while (good && atomic_load(&p->book->counter[1]) == rounds)
            usleep(100);
    }
    return good;
}

/* The numbers in front are checked by work_holds. */
static bool payloads_hold(varve *store) {
    varve_cursor *cursor;
    varve_event event;
    int result = varve_cursor_store(store, UINT64_MAX, VARVE_CURSOR_BACKWARD, &cursor);
    if (result < 0)
        return work_wrong("backward: %d %s", result, varve_last_error(store));
    bool good = true;
    uint64_t lsn = UINT64_MAX;
    while (good && (result = varve_cursor_next(cursor, &event)) == 1) {
        const char *at = event.payload, *end = at + event.payload_size;
        good = at != NULL && event.lsn < lsn;
        lsn = event.lsn;
        while (good && at < end && *at != 'x')
            at++;
        for (; good && at < end; at++)
            good = *at == 'x';
    }
    if (!good || result < 0)
        good = work_wrong("backward, at %llx: %d %s", (unsigned long long)lsn, result, result < 0 ? varve_last_error(store) : "");
    varve_cursor_close(&cursor);
    return good;
}

static bool read_until_stopped(void *context) {
    const party *p = context;
    static const uint32_t flags[READERS] = {VARVE_OPEN_READ_ONLY, VARVE_OPEN_NO_INDEX, 0};
    bool good = true;
    while (good && atomic_load(&p->book->stop) == 0) {
        varve *store = NULL;
        varve_options options;
        char error[300] = "";
        varve_options_init(&options);
        options.flags = flags[p->number];
        options.error = error;
        options.error_size = sizeof error;
        int result = varve_open(p->path, &options, &store);
        good = result == VARVE_OK || work_wrong("reader %u: open: %d %s", p->number, result, error);
        for (int round = 0; round < 6 && good && atomic_load(&p->book->stop) == 0; round++) {
            /* A snapshot need not have what was acknowledged since. */
            bool all = round == 0 && flags[p->number] != VARVE_OPEN_NO_INDEX;
            good = work_holds(store, p->book, all ? WRITERS : 0, true, NULL) && payloads_hold(store);
            atomic_fetch_add(&p->book->counter[0], 1);
        }
        varve_close(&store);
        if (!good)
            work_wrong("reader %u", p->number);
    }
    return good;
}

static bool compact_until_stopped(void *context) {
    const party *p = context;
    bool good = true;
    for (uint32_t round = 0; good && atomic_load(&p->book->stop) == 0; round++) {
        varve *store = NULL;
        varve_compact_options compact;
        varve_compact_options_init(&compact);
        compact.flags = round % 9 == 8 ? VARVE_COMPACT_ALL : 0;
        good = work_open(NULL, p->path, 0, &store);
        for (int i = 0; i < 5 && good; i++) {
            int result = varve_compact(store, &compact, NULL);
            good = result == VARVE_OK || work_wrong("compact: %d %s", result, varve_last_error(store));
            atomic_fetch_add(&p->book->counter[1], 1);
        }
        varve_close(&store);
    }
    return good;
}

static pid_t start(bool (*body)(void *context), party *p) {
    pid_t child = fork();
    if (child == 0) {
        alarm(120); /* who waits for one that has failed */
        _exit(body(p) ? 0 : 1);
    }
    return child;
}

/* Kills the compactor once it has done something; another one takes its place. */
static pid_t replace(pid_t compactor, party *p, uint32_t turn) {
    uint64_t rounds = atomic_load(&p->book->counter[1]);
    while (atomic_load(&p->book->counter[1]) < rounds + 3 && waitpid(compactor, NULL, WNOHANG) == 0)
        sched_yield();
    for (volatile uint32_t spin = work_mix(turn, 7, 7) % 3000000; spin > 0; spin--)
        continue;
    kill(compactor, SIGKILL);
    int status = 0;
    waitpid(compactor, &status, 0);
    assert_true(work_killed(status));
    return start(compact_until_stopped, p);
}

static void run_together(bool kills) {
    work_book *book = work_book_new();
    char *path = scratch_new();
    party parties[WRITERS + READERS + 1];
    pid_t children[WRITERS + READERS + 1];
    varve *store = NULL;
    assert_true(work_open(NULL, path, 0, &store));
    varve_close(&store);
    for (uint32_t i = 0; i <= WRITERS + READERS; i++) {
        parties[i] = (party){path, book, i < WRITERS ? i : i - WRITERS};
        children[i] = start(i < WRITERS             ? write_all
                            : i < WRITERS + READERS ? read_until_stopped
                                                    : compact_until_stopped,
                            &parties[i]);
    }
    pid_t *compactor = &children[WRITERS + READERS];
    uint32_t done = 0, turn = 0;
    int status;
    bool good = true;
    while (done < WRITERS) {
        if (kills)
            *compactor = replace(*compactor, &parties[WRITERS + READERS], turn++);
        if (waitpid(children[done], &status, kills ? WNOHANG : 0) != children[done])
            continue;
        good = work_succeeded(status) && good;
        done++;
    }
    uint64_t rounds = atomic_load(&book->counter[0]);
    while (atomic_load(&book->counter[0]) < rounds + READERS && waitpid(children[WRITERS], &status, WNOHANG) == 0)
        sched_yield();
    atomic_store(&book->stop, 1);
    for (uint32_t i = WRITERS; i <= WRITERS + READERS; i++)
        good = (waitpid(children[i], &status, 0) < 0 || work_succeeded(status)) && good;
    assert_true(good);
    assert_true(atomic_load(&book->counter[1]) > 5);
    assert_true(work_open(NULL, path, 0, &store));
    assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
    assert_true(tidy_store(path) && work_holds(store, book, WRITERS, false, NULL) && work_verifies(store, 0));
    varve_close(&store);
    scratch_free(path);
    work_book_free(book);
}

static void readers_see_whole_batches_while_others_write_and_compact(void **state) {
    (void)state;
    run_together(false);
}

static void killed_compactors_are_not_noticed(void **state) {
    (void)state;
    run_together(true);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_batches_while_others_write_and_compact),
        cmocka_unit_test(killed_compactors_are_not_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

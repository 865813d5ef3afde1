/*
 * The death of a writer, at any moment: what was acknowledged is there once, a batch is there whole or
 * not at all, seq has no gap, verify --deep finds nothing, and the next writer goes on.
 *
 * Deaths come at random moments, at each system call, and at each store to a shared page (deaths.h).
 * VARVE_LONG takes all of them instead of a sample.
 */
#include "support/deaths.h"
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include <signal.h>
#include <sys/mman.h>

typedef struct {
    const char *path;
    work_book *book;
    uint32_t writer;
    bool recovery; /* the child only opens and appends once, in another boot */
    bool halfway;
    uint64_t call, store;
} death;

/* ---- At random moments ---- */

static bool append_for_ever(void *context) {
    death *d = context;
    varve *store;
    return work_open(NULL, d->path, 0, &store) && work_run(store, d->book, d->writer, 0, UINT32_MAX);
}

static void nothing_is_lost_or_torn_by_kill_at_random_moments(void **state) {
    (void)state;
    work_book *book = work_book_new();
    char *path = scratch_new();
    uint32_t rounds = work_long() ? 120 : 25;
    for (uint32_t round = 0; round < rounds; round++) {
        death d = {.path = path, .book = book, .writer = round};
        pid_t child = fork();
        if (child == 0)
            _exit(append_for_ever(&d) ? 0 : 1);
        uint32_t until = work_mix(round, 1, 2) % 30;
        while (atomic_load(&book->acked[round]) < until && waitpid(child, NULL, WNOHANG) == 0)
            continue;
        for (volatile uint32_t spin = work_mix(round, 3, 4) % 200000; spin > 0; spin--)
            continue;
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        assert_true(work_goes_on(path, book, round + 1, WORK_WRITERS - 1));
    }
    scratch_free(path);
    work_book_free(book);
}

/* ---- At each call, at each store ---- */

/* Creates a store, appends to it, begins new segments, syncs. */
static bool live_and_die(void *context) {
    death *d = context;
    varve *store;
    deaths_boot(d->recovery ? 7 : 0);
    deaths_at_call(d->call, d->halfway);
    bool good = work_open(&deaths_os, d->path, 0, &store) &&
                work_run(store, d->book, d->writer, atomic_load(&d->book->acked[d->writer]), d->recovery ? 1 : 3);
    for (uint32_t number = 3; number < 24 && good && !d->recovery; number++)
        good = work_append(store, d->book, d->writer, number, VARVE_NONE);
    good = good && (d->recovery || varve_sync(store) == VARVE_OK);
    varve_close(&store);
    atomic_store(&d->book->counter[0], deaths_calls());
    return good;
}

/* Dies in the child's life; returns false when the child's life was too short for it. */
static bool dies(death *d, bool (*life)(void *context)) {
    int status = work_in_child(life, d);
    if (!work_killed(status))
        assert_true(work_succeeded(status));
    return work_killed(status);
}

static void check_after(const death *d, char *path) {
    bool good = work_goes_on(path, d->book, 2, 2);
    if (good && d->call != 0) { /* and the machine dies too: what was found once is found by reading the log */
        tree_remove(path, "CONTROL");
        good = work_goes_on(path, d->book, 3, 3) || work_wrong("without CONTROL");
    }
    if (!good)
        print_error("death at call %llu%s, store %llu\n", (unsigned long long)d->call, d->halfway ? " (halfway)" : "",
                    (unsigned long long)d->store);
    assert_true(good);
}

static void nothing_is_lost_or_torn_by_a_death_at_any_system_call(void **state) {
    (void)state;
    uint64_t step = work_long() ? 1 : 5, last = 2;
    for (int halfway = 0; halfway < 2; halfway++)
        for (uint64_t call = 1; call <= last; call += call < 60 ? 1 : step) {
            death d = {.book = work_book_new(), .path = scratch_new(), .writer = 0, .call = call, .halfway = halfway == 1};
            bool died = dies(&d, live_and_die);
            last = died ? call + step : 0;
            if (died)
                check_after(&d, (char *)(uintptr_t)d.path);
            work_book_free(d.book);
            scratch_free((char *)(uintptr_t)d.path);
        }
}

static void nothing_is_lost_or_torn_by_a_death_in_the_recovery_from_a_death(void **state) {
    (void)state;
    uint64_t step = work_long() ? 7 : 41, again_step = work_long() ? 1 : 7;
    for (uint64_t call = 30; call != 0; call += step) {
        uint64_t again = 1 + call % again_step;
        for (bool second = true; second; again += again_step) {
            death d = {.book = work_book_new(), .path = scratch_new(), .writer = 0, .call = call, .halfway = true};
            bool first = dies(&d, live_and_die);
            death r = {.book = d.book, .path = d.path, .writer = 1, .call = again, .halfway = true, .recovery = true};
            second = first && dies(&r, live_and_die);
            check_after(second ? &r : &d, (char *)(uintptr_t)d.path);
            if (!first)
                call = UINT64_MAX - step + 1; /* enough */
            work_book_free(d.book);
            scratch_free((char *)(uintptr_t)d.path);
        }
    }
}

enum { APPENDS_WATCHED = 9 };

/* Stores are watched in the last appends: one that adds rows, one that begins a segment. */
static bool append_and_die_at_a_store(void *context) {
    death *d = context;
    varve *store;
    deaths_boot(d->recovery ? 7 : 0);
    if (d->recovery)
        deaths_at_store(d->store);
    bool good = work_open(&deaths_os, d->path, 0, &store) && (d->recovery || work_run(store, d->book, d->writer, 0, 11));
    if (good && !d->recovery)
        deaths_at_store(d->store);
    good = good && work_run(store, d->book, d->writer, atomic_load(&d->book->acked[d->writer]), d->recovery ? 1 : APPENDS_WATCHED);
    deaths_unwatch();
    varve_close(&store);
    return good;
}

enum { JUMPS_MAX = 200000 };
static struct jumps {
    uint64_t count;
    uint32_t at[JUMPS_MAX]; /* numbers of the stores that do not follow the one before */
} *jumps;                   /* shared with the child */

static void note_jump(uint64_t number) {
    if (jumps->count < JUMPS_MAX)
        jumps->at[jumps->count++] = (uint32_t)number;
}

static bool count_stores(void *context) {
    deaths_each_store(note_jump);
    return append_and_die_at_a_store(context);
}

static bool dies_at_store(bool recovery, uint64_t store) {
    death d = {.book = work_book_new(), .path = scratch_new()};
    char *path = (char *)(uintptr_t)d.path;
    if (recovery) { /* the first one lives to the end: its store is opened in another boot */
        assert_false(dies(&d, append_and_die_at_a_store));
        d.recovery = true;
        d.writer = 1;
    }
    d.store = store;
    bool died = dies(&d, append_and_die_at_a_store);
    check_after(&d, path);
    work_book_free(d.book);
    scratch_free(path);
    return died;
}

/* Dies before and behind every 'step'-th store that begins something, and in the midst of what follows it; in the last
 * 'whole'-th part of them at each. */
static void die_at_stores(bool recovery, uint64_t most, uint64_t whole) {
    if (!deaths_can_watch())
        skip();
    void *shared = mmap(NULL, sizeof *jumps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    jumps = shared;
    death d = {.book = work_book_new(), .path = scratch_new()};
    if (recovery) {
        assert_true(work_succeeded(work_in_child(append_and_die_at_a_store, &d)));
        d.recovery = true;
        d.writer = 1;
    }
    assert_true(work_succeeded(work_in_child(count_stores, &d)));
    work_book_free(d.book);
    scratch_free((char *)(uintptr_t)d.path);
    uint64_t step = work_long() ? 1 : 1 + jumps->count / most, died = 0, each_from = jumps->count - jumps->count / whole;
    assert_true(jumps->count > 50);
    for (uint64_t j = 0; j + 1 < jumps->count; j += j < each_from ? step : 1) {
        uint32_t at = jumps->at[j], following = jumps->at[j + 1] - at;
        died += dies_at_store(recovery, at);
        if (following > 1)
            died += dies_at_store(recovery, at + 1 + work_mix(at, 5, 6) % (following - 1));
    }
    assert_true(died > 20);
    munmap(jumps, sizeof *jumps);
}

static void nothing_is_lost_or_torn_by_a_death_between_any_two_stores_of_an_append(void **state) {
    (void)state;
    die_at_stores(false, 90, APPENDS_WATCHED); /* (which is one append) */
}

static void nothing_is_lost_or_torn_by_a_death_between_any_two_stores_of_a_recovery(void **state) {
    (void)state;
    die_at_stores(true, 20, 20);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_or_torn_by_kill_at_random_moments),
        cmocka_unit_test(nothing_is_lost_or_torn_by_a_death_at_any_system_call),
        cmocka_unit_test(nothing_is_lost_or_torn_by_a_death_in_the_recovery_from_a_death),
        cmocka_unit_test(nothing_is_lost_or_torn_by_a_death_between_any_two_stores_of_an_append),
        cmocka_unit_test(nothing_is_lost_or_torn_by_a_death_between_any_two_stores_of_a_recovery),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%llu deaths\n", (unsigned long long)work_deaths());
    return result;
}

/*
 * Several processes append at once, others read meanwhile: every event is there once, batches are whole,
 * seq has no gap, at each moment at which a reader looks and at the end; also when writers are killed.
 * VARVE_LONG: eight writers for ten seconds instead of four for one and a half.
 */
#include "support/scratch.h"
#include "support/work.h"

#include <signal.h>
#include <time.h>

enum { SEGMENT = 1 << 20, SLOTS = 8 };

typedef struct {
    const char *path;
    work_book *book;
    uint32_t writer;
} party;

/* Short stays and long ones: a handle is opened anew every few hundred batches. */
static bool write_until_stopped(void *context) {
    party *p = context;
    bool good = true;
    uint32_t number = 0;
    while (good && atomic_load(&p->book->stop) == 0) {
        varve *store;
        good = work_open(NULL, p->path, SEGMENT, &store);
        for (uint32_t stay = work_mix(p->writer, number, 8) % 400; good && stay > 0 && atomic_load(&p->book->stop) == 0; stay--)
            good = work_append(store, p->book, p->writer, number,
                               work_mix(p->writer, stay, 9) % 16 == 0 ? VARVE_GROUP : VARVE_NONE),
            number++;
        if (good)
            varve_close(&store);
    }
    return good;
}

static bool read_until_stopped(void *context) {
    party *p = context;
    bool good = true;
    while (good && atomic_load(&p->book->stop) == 0) {
        varve_options options;
        varve_options_init(&options);
        options.flags = VARVE_OPEN_READ_ONLY;
        varve *store;
        if (varve_open(p->path, &options, &store) < 0)
            return work_wrong("a reader cannot open the store");
        work_found found, before = {.events = 0};
        for (int round = 0; round < 3 && good; round++) {
            /* One that found no index to follow has a snapshot: what it shows is whole, but need not be all. */
            good = work_holds(store, p->book, round == 0 ? p->writer : 0, true, &found);
            if (good && found.events < before.events)
                good = work_wrong("a reader has seen %llu events and then %llu", (unsigned long long)before.events,
                                  (unsigned long long)found.events);
            before = found;
        }
        varve_close(&store);
        atomic_fetch_add(&p->book->counter[0], 1);
    }
    return good;
}

static pid_t start(bool (*body)(void *context), party *p) {
    pid_t child = fork();
    if (child == 0)
        _exit(body(p) ? 0 : 1);
    return child;
}

static double seconds_since(const struct timespec *begin) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

/* Kills a writer, the youngest or the oldest, once it has done something, and puts another in its place. */
static void replace_one(party *parties, pid_t *slots, uint32_t slot, const char *path, work_book *book, uint32_t *writers) {
    while (atomic_load(&book->acked[parties[slot].writer]) < 20 && waitpid(slots[slot], NULL, WNOHANG) == 0)
        continue;
    for (volatile uint32_t spin = work_mix(*writers, 1, 1) % 100000; spin > 0; spin--)
        continue;
    kill(slots[slot], SIGKILL);
    int status = 0;
    waitpid(slots[slot], &status, 0);
    assert_true(work_killed(status));
    parties[slot] = (party){path, book, (*writers)++};
    slots[slot] = start(write_until_stopped, &parties[slot]);
}

static void run_together(bool kills) {
    uint32_t slots = work_long() ? SLOTS : 4, writers = slots;
    double length = work_long() ? 10 : 1.5;
    work_book *book = work_book_new();
    char *path = scratch_new();
    party parties[SLOTS], reader = {path, book, slots};
    pid_t children[SLOTS];
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    varve *store = NULL;
    assert_true(work_open(NULL, path, SEGMENT, &store));
    varve_close(&store);
    for (uint32_t s = 0; s < slots; s++) {
        parties[s] = (party){path, book, s};
        children[s] = start(write_until_stopped, &parties[s]);
    }
    pid_t reading = start(read_until_stopped, &reader);
    while (seconds_since(&begin) < length)
        if (kills && writers < WORK_WRITERS - 2)
            replace_one(parties, children, work_mix(writers, 2, 2) % slots, path, book, &writers);
        else
            usleep(10000);
    atomic_store(&book->stop, 1);
    int status = -1;
    for (uint32_t s = 0; s < slots; s++) {
        assert_int_equal(waitpid(children[s], &status, 0), children[s]);
        assert_true(work_succeeded(status));
    }
    waitpid(reading, &status, 0);
    assert_true(work_succeeded(status));
    assert_true(work_open(NULL, path, SEGMENT, &store));
    assert_true(work_holds(store, book, writers, false, NULL) || kills); /* the last to die has left something to redo */
    varve_close(&store);
    assert_true(work_goes_on(path, book, writers, WORK_WRITERS - 1));
    scratch_free(path);
    work_book_free(book);
}

static void writers_at_once_lose_nothing_and_readers_see_whole_batches(void **state) {
    (void)state;
    run_together(false);
}

static void writers_killed_at_once_lose_nothing_and_readers_see_whole_batches(void **state) {
    (void)state;
    run_together(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_at_once_lose_nothing_and_readers_see_whole_batches),
        cmocka_unit_test(writers_killed_at_once_lose_nothing_and_readers_see_whole_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Everything at once: eight writers, four readers, two followers, a compactor that also makes snapshots; any of them is
 * killed at any moment, by choice also where it hurts; is stopped for a while; forks. At the end every acknowledged event is
 * there once, every session's seq is without a gap, the followers have seen every event once and in order, verify --deep
 * finds nothing, and nothing is left over.
 *
 *   torture [SECONDS [SEED]]      VARVE_TORTURE_SECONDS: likewise; else 30 under CI, 600 with VARVE_LONG, 8
 */
#include "support/peril.h"
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

enum { LONE = 5, THREADS = 3, WRITERS = LONE + THREADS, READERS = 4, FOLLOWERS = 2, SEGMENT = 1 << 20 };
enum { LONE_0, SHARED = LONE, READER_0, FOLLOWER_0 = READER_0 + READERS, COMPACTOR = FOLLOWER_0 + FOLLOWERS, PARTIES };

/* What a follower has seen, kept so that one that is killed leaves the state before or behind an event. */
typedef struct {
    work_line line[2];
    _Atomic uint32_t current;
} follower_state;

typedef struct {
    _Atomic uint64_t rounds[PARTIES], forks, compactions, snapshots, looks, unconfirmed, hung;
    follower_state follower[FOLLOWERS];
} board_state;

typedef struct {
    const char *path, *snapshot;
    work_book *book;
    board_state *board;
    ve_os os;
    uint32_t seed, number; /* of the party */
} party;

static uint32_t draw(uint32_t *state) { /* xorshift */
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static bool is_over(const party *p) {
    return atomic_load(&p->book->stop) != 0;
}

static void rest(uint32_t microseconds) {
    usleep(microseconds);
}

static int open_as(const party *p, uint32_t flags, varve **ret_store) {
    varve_options options;
    char error[300] = "";
    varve_options_init(&options);
    options.flags = flags;
    options.segment_size = SEGMENT;
    options.machine_id = varve_cstr("here");
    options.lock_timeout_ms = -1;
    options.close_budget = (p->seed & 7) == 0 && flags == 0 ? 1 << 20 : 0;
    options.error = error;
    options.error_size = sizeof error;
    int result = ve_open(&p->os, p->path, &options, ret_store);
    if (result < 0)
        work_wrong("party %u: open: %d %s", p->number, result, error);
    return result;
}

/* ---- Writers ---- */

/* The child of a fork must not use the handle; the parent goes on. */
static bool fork_away(party *p, varve *store) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        uint64_t tail = 0;
        varve *inherited = store;
        bool good = varve_wait(store, &tail, 0) == VARVE_E_FORKED && varve_sync(store) == VARVE_E_FORKED;
        varve_close(&inherited);
        _exit(good ? 0 : 1);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    atomic_fetch_add(&p->board->forks, 1);
    return work_succeeded(status) || work_wrong("the child of a fork ended with status %x", status);
}

/* Appends batches of one writer for a while, from where the store says that he was. */
static bool append_some(party *p, varve *store, uint32_t writer, uint32_t count, bool forks) {
    uint32_t number, state = work_mix(p->seed, writer, 77) | 1;
    if (!work_resume(store, writer, &number))
        return false;
    for (; count > 0 && !is_over(p); count--) {
        uint32_t chance = draw(&state);
        int result = work_try(store, p->book, writer, number, chance % 8 == 0 ? VARVE_GROUP : VARVE_NONE);
        if (result != VARVE_OK && result != VARVE_E_SYNC_FAILED)
            return work_wrong("writer %u, batch %u: %d %s", writer, number, result, varve_last_error(store));
        atomic_fetch_add(&p->board->unconfirmed, result == VARVE_E_SYNC_FAILED);
        number++;
        if (result != VARVE_OK && !work_resume(store, writer, &number)) /* it is there, or was refused */
            return false;
        if (forks && chance / 8 % 256 == 0 && !fork_away(p, store))
            return false;
        if (chance / 2048 % 16 == 0)
            rest(chance % 20000);
        atomic_fetch_add(&p->board->rounds[p->number], 1);
    }
    return true;
}

static bool write_alone(party *p) {
    bool good = true;
    while (good && !is_over(p)) {
        varve *store;
        good = open_as(p, 0, &store) == VARVE_OK;
        good = good && append_some(p, store, p->number, 1 + draw(&p->seed) % 400, true);
        if (good)
            varve_close(&store);
        rest(draw(&p->seed) % 100000);
    }
    return good;
}

typedef struct {
    party *p;
    varve *store;
    uint32_t writer, count;
    bool good;
} thread_work;

static void *append_in_thread(void *argument) {
    thread_work *work = argument;
    party own = *work->p;
    own.seed = work_mix(own.seed, work->writer, work->count);
    work->good = append_some(&own, work->store, work->writer, work->count, work->writer == LONE);
    return NULL;
}

/* Several threads with one handle. */
static bool write_together(party *p) {
    bool good = true;
    while (good && !is_over(p)) {
        varve *store;
        pthread_t thread[THREADS];
        thread_work work[THREADS];
        good = open_as(p, 0, &store) == VARVE_OK;
        uint32_t begun = 0;
        for (; good && begun < THREADS; begun++) {
            work[begun] = (thread_work){p, store, LONE + begun, 1 + draw(&p->seed) % 400, false};
            if (pthread_create(&thread[begun], NULL, append_in_thread, &work[begun]) != 0)
                break;
        }
        for (uint32_t i = 0; i < begun; i++) {
            pthread_join(thread[i], NULL);
            good = good && work[i].good;
        }
        if (good)
            varve_close(&store);
        rest(draw(&p->seed) % 100000);
    }
    return good;
}

/* ---- Readers ---- */

/* From the end back: whole records, falling lsns. */
static bool look_back(varve *store, uint32_t count) {
    varve_cursor *cursor;
    varve_event event;
    uint64_t lsn = UINT64_MAX;
    int result = varve_cursor_store(store, UINT64_MAX, VARVE_CURSOR_BACKWARD, &cursor);
    if (result < 0)
        return work_wrong("backward: %d %s", result, varve_last_error(store));
    bool good = true;
    while (good && count-- > 0 && (result = varve_cursor_next(cursor, &event)) == 1) {
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

static bool look_at_list(varve *store) {
    varve_session_filter filter;
    varve_session session;
    varve_list *list;
    varve_session_filter_init(&filter);
    filter.limit = 100;
    int result = varve_session_list(store, &filter, &list);
    if (result < 0)
        return work_wrong("list: %d %s", result, varve_last_error(store));
    bool good = true;
    while (good && (result = varve_list_next(list, &session)) == 1)
        good = session.session_id.size > 0 && session.last_seq >= session.events;
    if (!good || result < 0)
        good = work_wrong("list: %d %s", result, result < 0 ? varve_last_error(store) : "a session of too few records");
    varve_list_close(&list);
    return good;
}

static bool read_on(party *p) {
    static const uint32_t flags[READERS] = {VARVE_OPEN_READ_ONLY, VARVE_OPEN_NO_INDEX, 0, VARVE_OPEN_READ_ONLY};
    uint32_t kind = flags[p->number - READER_0];
    bool good = true;
    while (good && !is_over(p)) {
        varve *store;
        good = open_as(p, kind, &store) == VARVE_OK;
        for (uint32_t round = 0; good && round < 6 && !is_over(p); round++) {
            /* One that found no index to follow has a snapshot, which need not have what was acknowledged since. */
            bool all = round == 0 && kind != VARVE_OPEN_NO_INDEX;
            if (draw(&p->seed) % 4 == 0)
                good = work_holds(store, p->book, all ? WRITERS : 0, true, NULL);
            good = good && look_back(store, 2000) && look_at_list(store);
            atomic_fetch_add(&p->board->rounds[p->number], 1);
            atomic_fetch_add(&p->board->looks, 1);
        }
        if (good)
            varve_close(&store);
        rest(draw(&p->seed) % 20000);
    }
    return good || work_wrong("reader %u", p->number - READER_0);
}

/* ---- Followers ---- */

static bool take_events(party *p, varve *store, follower_state *state) {
    uint32_t current = atomic_load(&state->current);
    varve_cursor *cursor;
    varve_event event;
    uint64_t after = state->line[current].lsn == 0 ? 0 : state->line[current].lsn + 1;
    int result = varve_cursor_store(store, after, 0, &cursor);
    if (result < 0)
        return work_wrong("follower: %d %s", result, varve_last_error(store));
    bool good = true;
    while (good && (result = varve_cursor_next(cursor, &event)) == 1) {
        work_line *next = &state->line[1 - current];
        *next = state->line[current];
        good = work_next(next, &event);
        if (good)
            atomic_store(&state->current, current = 1 - current);
        atomic_fetch_add(&p->board->rounds[p->number], 1);
    }
    if (good && result < 0)
        good = work_wrong("follower, behind %llx: %d %s", (unsigned long long)state->line[current].lsn, result,
                          varve_last_error(store));
    varve_cursor_close(&cursor);
    return good;
}

static bool follow(party *p) {
    uint32_t which = p->number - FOLLOWER_0;
    varve *store;
    uint64_t tail = 0;
    bool good = open_as(p, which == 0 ? 0 : VARVE_OPEN_READ_ONLY, &store) == VARVE_OK;
    while (good && !is_over(p)) {
        int result = varve_wait(store, &tail, 1000);
        if (result == VARVE_E_READ_ONLY && which != 0) { /* opened while the store was put in order: a snapshot */
            varve_close(&store);
            good = open_as(p, VARVE_OPEN_READ_ONLY, &store) == VARVE_OK;
            continue;
        }
        good = result >= 0 || work_wrong("follower: wait: %d %s", result, varve_last_error(store));
        good = good && take_events(p, store, &p->board->follower[which]);
    }
    if (good)
        varve_close(&store);
    return good;
}

/* ---- The compactor ---- */

static bool tidy_up(party *p) {
    bool good = true;
    while (good && !is_over(p)) {
        varve *store;
        varve_compact_options compact;
        varve_compact_options_init(&compact);
        uint32_t chance = draw(&p->seed);
        compact.flags = chance % 32 == 0 ? VARVE_COMPACT_ALL : 0;
        good = open_as(p, 0, &store) == VARVE_OK;
        int result = good ? varve_compact(store, &compact, NULL) : VARVE_OK;
        if (result != VARVE_OK && result != VARVE_E_SYNC_FAILED)
            good = work_wrong("compact: %d %s", result, varve_last_error(store));
        atomic_fetch_add(&p->board->compactions, 1);
        varve_retention retention = {.size = sizeof retention, .flags = VARVE_RETAIN_DRY_RUN, .before = INT64_MAX};
        varve_retained retained = {.size = sizeof retained};
        if (good && chance / 32 % 4 == 0 && (result = varve_retain(store, &retention, &retained)) < 0)
            good = work_wrong("retain: %d %s", result, varve_last_error(store));
        if (good && chance / 128 % 2 == 0 && (result = varve_snapshot(store, p->snapshot, 0, NULL)) < 0)
            good = work_wrong("snapshot: %d %s", result, varve_last_error(store));
        atomic_fetch_add(&p->board->snapshots, chance / 128 % 2 == 0);
        atomic_fetch_add(&p->board->rounds[p->number], 1);
        if (good)
            varve_close(&store);
        rest(chance % 20000);
    }
    return good;
}

/* ---- Who kills, stops, and puts others in their places ---- */

static bool run(party *p) {
    return p->number < SHARED       ? write_alone(p)
           : p->number == SHARED    ? write_together(p)
           : p->number < FOLLOWER_0 ? read_on(p)
           : p->number < COMPACTOR  ? follow(p)
                                    : tidy_up(p);
}

static pid_t start(party *p) {
    pid_t parent = getpid(), child = fork();
    if (child < 0) { /* never a process id to send signals to */
        work_wrong("no process can be made");
        exit(3);
    }
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    _exit(run(p) ? 0 : 1);
}

typedef struct {
    party parties[PARTIES];
    pid_t child[PARTIES];
    uint64_t kills, stops, restarts;
    uint32_t seed;
    bool good;
} director;

/* Puts another one in the place of each who is dead. */
static void replace_the_dead(director *d) {
    for (uint32_t i = 0; i < PARTIES; i++) {
        int status = 0;
        if (waitpid(d->child[i], &status, WNOHANG) != d->child[i])
            continue;
        if (!work_killed(status))
            d->good = work_wrong("party %u ended with status %x", i, status);
        d->parties[i].seed = draw(&d->seed);
        d->child[i] = start(&d->parties[i]);
        d->restarts++;
    }
}

static void strike(director *d) {
    uint32_t chance = draw(&d->seed), who = draw(&d->seed) % PARTIES, where = 1 + draw(&d->seed) % (PERILS - 1);
    switch (chance % 8) {
    case 0:
    case 1:
        kill(d->child[who], SIGKILL);
        atomic_fetch_add(&peril->killed[PERIL_ANY], 1);
        break;
    case 2:
    case 3:
    case 4:
        atomic_store(&peril->here[where], where == PERIL_PLACING ? 1 + chance / 8 % 60 : 1 + chance / 8 % 2);
        break;
    case 5:
    case 6:
        kill(d->child[who], SIGSTOP);
        rest(chance % 16 == 5 ? 100000 : chance / 16 % 10000);
        kill(d->child[who], SIGCONT);
        d->stops++;
        break;
    default:
        if (chance / 8 % 4 == 0)
            atomic_store(&peril->fail, 1);
    }
}

static double seconds_since(const struct timespec *begin) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

static bool finish(director *d, const party *p) {
    for (int i = 0; i < PERILS; i++)
        atomic_store(&peril->here[i], 0);
    atomic_store(&peril->fail, 0);
    atomic_store(&p->book->stop, 1);
    for (uint32_t i = 0; i < PARTIES; i++) {
        int status = -1;
        kill(d->child[i], SIGCONT);
        while (waitpid(d->child[i], &status, 0) < 0 && errno == EINTR)
            continue;
        if (!work_succeeded(status) && !work_killed(status))
            d->good = work_wrong("party %u ended with status %x", i, status);
    }
    return d->good;
}

static bool followers_saw_all(const party *p, varve *store, const work_found *found) {
    for (uint32_t f = 0; f < FOLLOWERS; f++) {
        follower_state *state = &p->board->follower[f];
        party last = *p;
        last.number = FOLLOWER_0 + f;
        if (!take_events(&last, store, state)) /* what came behind his end */
            return false;
        const work_line *line = &state->line[atomic_load(&state->current)];
        if (line->events != found->events || memcmp(line->batches, found->batches, sizeof line->batches) != 0)
            return work_wrong("follower %u saw %llu events, there are %llu", f, (unsigned long long)line->events,
                              (unsigned long long)found->events);
    }
    return true;
}

static bool check(const party *p, work_found *found) {
    varve *store = NULL, *copy = NULL;
    for (uint32_t w = 0; w < WRITERS; w++)
        found->batches[w] = 0;
    if (!work_open(NULL, p->path, SEGMENT, &store))
        return false;
    /* So that whoever died last is cleared up after. */
    varve_batch *batch;
    bool good = varve_batch_new(&batch) >= 0 && varve_append(store, batch, VARVE_GROUP, NULL) == VARVE_OK;
    varve_batch_free(&batch);
    good = good && work_holds(store, p->book, WRITERS, false, found) && followers_saw_all(p, store, found) && work_verifies(store, 0);
    good = good && varve_compact(store, NULL, NULL) == VARVE_OK && tidy_store(p->path) && work_verifies(store, 0);
    if (good && varve_snapshot(store, p->snapshot, 0, NULL) < 0)
        good = work_wrong("snapshot: %s", varve_last_error(store));
    varve_close(&store);
    work_found copied = {.events = 0};
    good = good && work_open(NULL, p->snapshot, SEGMENT, &copy) && work_holds(copy, p->book, WRITERS, false, &copied) &&
           work_verifies(copy, 0);
    varve_close(&copy);
    if (good && copied.events != found->events)
        good = work_wrong("the snapshot has %llu events of %llu", (unsigned long long)copied.events, (unsigned long long)found->events);
    return good;
}

static void report(const director *d, const board_state *board, const work_found *found, double seconds) {
    uint64_t kills = 0, batches = 0;
    for (int i = 0; i < PERILS; i++) {
        printf("%8llu killed %s\n", (unsigned long long)atomic_load(&peril->killed[i]), peril_names[i]);
        kills += atomic_load(&peril->killed[i]);
    }
    for (int w = 0; w < WRITERS; w++)
        batches += found->batches[w];
    printf("%8llu kills survived; %llu stopped for a while, %llu forks, %llu syncs failed, %llu appends not confirmed\n",
           (unsigned long long)kills, (unsigned long long)d->stops, (unsigned long long)atomic_load(&board->forks),
           (unsigned long long)atomic_load(&peril->failed), (unsigned long long)atomic_load(&board->unconfirmed));
    printf("%8llu batches, %llu events, %llu sessions; %llu looks of readers, %llu compactions, %llu snapshots; %.1f s\n",
           (unsigned long long)batches, (unsigned long long)found->events, (unsigned long long)found->sessions,
           (unsigned long long)atomic_load(&board->looks), (unsigned long long)atomic_load(&board->compactions),
           (unsigned long long)atomic_load(&board->snapshots), seconds);
}

static double how_long(int count, char **word) {
    const char *said = getenv("VARVE_TORTURE_SECONDS");
    if (count > 1)
        return atof(word[1]);
    return said != NULL && said[0] != 0 ? atof(said) : work_long() ? 600 : getenv("CI") != NULL ? 30 : 8;
}

int main(int count, char **word) {
    double length = how_long(count, word);
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    static director d;
    d.seed = count > 2 ? (uint32_t)strtoul(word[2], NULL, 0) : (uint32_t)begin.tv_nsec | 1;
    d.good = true;
    uint32_t seed = d.seed;
    work_in_memory();
    char *path = scratch_new(), *snapshot = scratch_new();
    work_book *book = work_book_new();
    board_state *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (book == NULL || board == MAP_FAILED || !peril_begin())
        return 3;
    printf("seed %u, %.0f s, in %s\n", seed, length, path);
    fflush(NULL);
    for (uint32_t i = 0; i < PARTIES; i++) {
        d.parties[i] = (party){path, snapshot, book, board, peril_os(), draw(&d.seed), i};
        d.child[i] = start(&d.parties[i]);
    }
    while (d.good && seconds_since(&begin) < length) {
        rest(1000 + draw(&d.seed) % 50000);
        strike(&d);
        replace_the_dead(&d);
    }
    work_found found = {.events = 0};
    bool good = finish(&d, &d.parties[0]) && check(&d.parties[0], &found);
    report(&d, board, &found, seconds_since(&begin));
    if (!good) {
        fprintf(stderr, "torture has failed; the store is left in %s, its snapshot in %s; again: torture %.0f %u\n", path, snapshot,
                length, seed);
        return 1;
    }
    scratch_free(path);
    scratch_free(snapshot);
    work_book_free(book);
    munmap(board, sizeof *board);
    peril_end();
    return 0;
}

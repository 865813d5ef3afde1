/*
 * Group commit: who needs the disk while another syncs waits for the next sync, one for all; those who wait for a lock or
 * a sync are woken; without futexes all goes on, if slower. Nothing here depends on how long anything takes.
 */
#include "support/scratch.h"
#include "support/work.h"

#include "engine/store.h"

#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>

enum { MANY = 8 };

/* Shared by threads and processes alike. */
typedef struct {
    _Atomic uint32_t syncs, published, done, sleeping;
    _Atomic bool hold; /* the first sync does not return before MANY events are published */
} board_state;

static board_state *board;

static int counted_fdatasync(int fd) {
    if (atomic_fetch_add(&board->syncs, 1) == 0)
        while (atomic_load(&board->hold) && atomic_load(&board->published) < MANY)
            sched_yield();
    return ve_os_system.fdatasync(fd);
}

/* Counts those whose batch was published: they have released LOCK.append. */
static int counted_flock(int fd, int operation) {
    int result = ve_os_system.flock(fd, operation);
    if (operation == LOCK_UN)
        atomic_fetch_add(&board->published, 1);
    return result;
}

/* Nobody gets up by himself: a wake-up that is not sent makes the test hang. */
static void endless_wait(void *word, uint32_t seen, int64_t nanoseconds) {
    (void)nanoseconds;
    atomic_fetch_add(&board->sleeping, 1);
    ve_os_system.wait(word, seen, INT64_C(3600000000000));
    atomic_fetch_sub(&board->sleeping, 1);
}

static void no_wait(void *word, uint32_t seen, int64_t nanoseconds) {
    (void)word, (void)seen, (void)nanoseconds;
    usleep(50);
}

static void no_wake(void *word, int count) {
    (void)word, (void)count;
}

static ve_os table(bool futex) {
    ve_os os = ve_os_system;
    os.fdatasync = counted_fdatasync;
    os.wait = futex ? endless_wait : no_wait;
    os.wake = futex ? ve_os_system.wake : no_wake;
    return os;
}

static void begin(void) {
    memset(board, 0, sizeof *board);
}

static bool append_one(varve *store, uint32_t number, varve_durability durability) {
    char session[32];
    varve_batch *batch;
    snprintf(session, sizeof session, "of-%u", number);
    varve_event event = scratch_event(session, "assistant");
    bool good = varve_batch_new(&batch) >= 0 && varve_batch_add(batch, &event) >= 0 &&
                varve_append(store, batch, durability, NULL) == VARVE_OK;
    if (!good)
        work_wrong("append: %s", varve_last_error(store));
    varve_batch_free(&batch);
    return good;
}

/* ---- One sync for all ---- */

typedef struct {
    varve *store;
    uint32_t number;
    bool good;
} thread_work;

static void *append_in_thread(void *argument) {
    thread_work *work = argument;
    work->good = append_one(work->store, work->number, VARVE_GROUP);
    return NULL;
}

static void threads_share_a_sync(bool futex) {
    static ve_os os;
    os = table(futex);
    os.flock = counted_flock;
    char *path = scratch_new();
    varve *store = NULL;
    pthread_t thread[MANY];
    thread_work work[MANY];
    assert_true(work_open(&os, path, 0, &store));
    assert_true(append_one(store, 1000, VARVE_GROUP)); /* the first segment is begun, the directories are synced */
    begin();
    atomic_store(&board->hold, true);
    for (uint32_t i = 0; i < MANY; i++) {
        work[i] = (thread_work){store, i, false};
        assert_int_equal(pthread_create(&thread[i], NULL, append_in_thread, &work[i]), 0);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        pthread_join(thread[i], NULL);
        assert_true(work[i].good);
    }
    assert_int_equal(atomic_load(&board->syncs), 2); /* the first one's, and one for all others */
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(store, &stats), VARVE_OK);
    assert_true(stats.synced_lsn == stats.tail_lsn && stats.events == MANY + 1);
    assert_true(stats.lock[VARVE_LOCK_SYNC].waits < MANY); /* who comes when all is synced does not wait */
    assert_int_equal(stats.lock[VARVE_LOCK_SYNC].holder, 0);
    varve_close(&store);
    scratch_free(path);
}

static void threads_of_a_handle_share_a_sync(void **state) {
    (void)state;
    threads_share_a_sync(true);
}

static void without_futexes_too(void **state) {
    (void)state;
    threads_share_a_sync(false);
}

static pid_t start(const ve_os *os, const char *path, bool (*body)(varve *store, uint32_t number), uint32_t number) {
    fflush(NULL);
    pid_t child = fork();
    if (child != 0)
        return child;
    alarm(120);
    varve *store = NULL;
    bool good = work_open(os, path, 0, &store) && body(store, number);
    varve_close(&store);
    _exit(good ? 0 : 1);
}

static void finish(const pid_t *child, int count) {
    bool good = true;
    for (int i = 0; i < count; i++) {
        int status = -1;
        waitpid(child[i], &status, 0);
        good = work_succeeded(status) && good;
    }
    assert_true(good);
}

static bool append_durably(varve *store, uint32_t number) {
    return append_one(store, number, VARVE_GROUP);
}

static void processes_share_a_sync(void **state) {
    (void)state;
    static ve_os os;
    os = table(true);
    os.flock = counted_flock;
    char *path = scratch_new();
    varve *store = NULL;
    pid_t child[MANY];
    assert_true(work_open(&os, path, 0, &store));
    assert_true(append_one(store, 1000, VARVE_GROUP));
    begin();
    atomic_store(&board->hold, true);
    for (uint32_t i = 0; i < MANY; i++)
        child[i] = start(&os, path, append_durably, i);
    finish(child, MANY);
    assert_int_equal(atomic_load(&board->syncs), 2);
    scratch_check_seq(store, "of-3", 1);
    varve_close(&store);
    scratch_free(path);
}

/* ---- Nobody is forgotten ---- */

static bool append_many(varve *store, uint32_t number) {
    bool good = true;
    for (uint32_t i = 0; good && i < (work_long() ? 20000u : 1500u); i++)
        good = append_one(store, number, i % 16 == 0 ? VARVE_GROUP : VARVE_NONE);
    return good;
}

static void many_append(bool futex) {
    static ve_os os;
    os = table(futex);
    char *path = scratch_new(), session[32];
    varve *store = NULL;
    pid_t child[MANY];
    begin();
    assert_true(work_open(&os, path, 0, &store));
    for (uint32_t i = 0; i < MANY; i++)
        child[i] = start(&os, path, append_many, i);
    finish(child, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(session, sizeof session, "of-%u", i);
        scratch_check_seq(store, session, work_long() ? 20000 : 1500);
    }
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void who_waits_is_woken(void **state) {
    (void)state;
    many_append(true);
}

/* Where nobody can be woken, locks are polled. */
static void without_futexes_nobody_is_lost(void **state) {
    (void)state;
    many_append(false);
}

static bool append_once(varve *store, uint32_t number) {
    return append_one(store, number, VARVE_NONE);
}

/* One who is woken wakes the next when he is done, though nobody has come to wait since. */
static void sleepers_are_woken_one_by_one(void **state) {
    (void)state;
    static ve_os os;
    os = table(true);
    char *path = scratch_new();
    varve *store = NULL;
    pid_t child[MANY];
    begin();
    assert_true(work_open(&os, path, 0, &store));
    assert_int_equal(ve_lock(store, store->lock_append, "LOCK.append"), VARVE_OK);
    for (uint32_t i = 0; i < MANY; i++)
        child[i] = start(&os, path, append_once, i);
    while (atomic_load(&board->sleeping) < MANY)
        sched_yield();
    ve_unlock(store, store->lock_append);
    finish(child, MANY);
    scratch_check_seq(store, "of-5", 1);
    varve_close(&store);
    scratch_free(path);
}

/* ---- Who has it ---- */

static void who_holds_a_lock_is_told(void **state) {
    (void)state;
    char *path = scratch_new(), error[300] = "", holder[40];
    varve *store = NULL, *other = NULL;
    assert_true(work_open(NULL, path, 0, &store));
    varve_options options;
    varve_options_init(&options);
    options.lock_timeout_ms = 20;
    options.error = error;
    options.error_size = sizeof error;
    assert_int_equal(varve_open(path, &options, &other), VARVE_OK);
    assert_int_equal(ve_lock(store, store->lock_append, "LOCK.append"), VARVE_OK);
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(other, &stats), VARVE_OK);
    assert_int_equal(stats.lock[VARVE_LOCK_APPEND].holder, getpid());
    assert_true(stats.lock[VARVE_LOCK_APPEND].since > 0);
    uint64_t waits = stats.lock[VARVE_LOCK_APPEND].waits;
    varve_batch *batch;
    varve_event event = scratch_event("s", "assistant");
    assert_true(varve_batch_new(&batch) >= 0 && varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(other, batch, VARVE_NONE, NULL), VARVE_E_BUSY);
    snprintf(holder, sizeof holder, "process %d", (int)getpid());
    assert_non_null(strstr(varve_last_error(other), holder));
    assert_non_null(strstr(varve_last_error(other), "LOCK.append"));
    ve_unlock(store, store->lock_append);
    assert_int_equal(varve_append(other, batch, VARVE_NONE, NULL), VARVE_OK);
    assert_int_equal(varve_stat(other, &stats), VARVE_OK);
    assert_int_equal(stats.lock[VARVE_LOCK_APPEND].holder, 0);
    uint64_t counted = 0;
    for (int i = 0; i < VARVE_WAIT_BUCKETS; i++)
        counted += stats.lock[VARVE_LOCK_APPEND].bucket[i];
    assert_int_equal(counted, stats.lock[VARVE_LOCK_APPEND].waits);
    assert_int_equal(stats.lock[VARVE_LOCK_APPEND].waits, waits + 1);
    assert_true(stats.lock[VARVE_LOCK_APPEND].longest >= 20000000);
    varve_batch_free(&batch);
    varve_close(&other);
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    work_in_memory();
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_of_a_handle_share_a_sync),
        cmocka_unit_test(without_futexes_too),
        cmocka_unit_test(processes_share_a_sync),
        cmocka_unit_test(who_waits_is_woken),
        cmocka_unit_test(sleepers_are_woken_one_by_one),
        cmocka_unit_test(without_futexes_nobody_is_lost),
        cmocka_unit_test(who_holds_a_lock_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

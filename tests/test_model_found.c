/*
 * What the model (tests/model/) found in the engine: each of its ways to a loss, taken by the engine itself.
 */
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>

static bool append_one(varve *store, const char *session, varve_durability durability, int expected) {
    varve_batch *batch;
    varve_event event = scratch_event(session, "assistant");
    bool good = varve_batch_new(&batch) >= 0 && varve_batch_add(batch, &event) >= 0;
    int result = good ? varve_append(store, batch, durability, NULL) : VARVE_E_NO_MEMORY;
    varve_batch_free(&batch);
    return result == expected || work_wrong("append to %s: %d %s", session, result, varve_last_error(store));
}

/* ---- Who is woken tries ---- */

static struct {
    varve *holder; /* lets go of LOCK.append while the other sleeps */
    int64_t late;  /* how much later it is then */
    int sleeps;
} nap;

static int64_t shifted_monotonic(void) {
    return ve_os_system.monotonic() + nap.late;
}

static void eventful_wait(void *word, uint32_t seen, int64_t nanoseconds) {
    (void)word, (void)seen, (void)nanoseconds;
    nap.sleeps++;
    nap.late = INT64_C(3600000000000);
    ve_unlock(nap.holder, nap.holder->lock_append);
}

static void who_is_woken_too_late_takes_the_lock_if_it_is_free(void **state) {
    (void)state;
    static ve_os os;
    os = ve_os_system;
    os.monotonic = shifted_monotonic;
    os.wait = eventful_wait;
    char *path = scratch_new();
    varve *store = NULL;
    varve_options options;
    assert_true(work_open(NULL, path, 0, &nap.holder));
    varve_options_init(&options);
    options.lock_timeout_ms = 10000;
    assert_int_equal(ve_open(&os, path, &options, &store), VARVE_OK);
    assert_int_equal(ve_lock(nap.holder, nap.holder->lock_append, "LOCK.append"), VARVE_OK);
    assert_true(append_one(store, "s", VARVE_NONE, VARVE_OK)); /* or the wake-up, of which there is one, would be lost */
    assert_int_equal(nap.sleeps, 1);
    varve_close(&store);
    varve_close(&nap.holder);
    scratch_free(path);
}

/* ---- A disk that loses what it does not take ---- */

typedef struct {
    _Atomic bool kill;       /* the next sync ends its process */
    _Atomic int fail;        /* this one of the syncs from now on fails */
    _Atomic int fail_directory;
    _Atomic bool lose_at_copy; /* once a mended copy is made, what was to be copied is gone */
    _Atomic uint64_t lost_at;  /* offset in segment 1 */
    _Atomic uint64_t below;    /* a write before this offset of segment 1 is one that is repeated */
    _Atomic uint32_t repeated, unlocked; /* so many; of them without LOCK.append */
    char path[300];
} disk_state;

static disk_state *disk;

static void lose(void) {
    char name[400];
    static const uint8_t zeros[64];
    snprintf(name, sizeof name, "%s/seg/00000001.log", disk->path);
    int fd = open(name, O_RDWR);
    if (pwrite(fd, zeros, sizeof zeros, (off_t)atomic_load(&disk->lost_at)) != sizeof zeros)
        work_wrong("nothing was lost");
    close(fd);
}

static bool is_due(_Atomic int *count) {
    if (atomic_load(count) == 0 || atomic_fetch_sub(count, 1) > 1)
        return false;
    errno = EIO;
    return true;
}

static int lossy_fdatasync(int fd) {
    if (atomic_exchange(&disk->kill, false)) {
        lose();
        kill(getpid(), SIGKILL);
    }
    return is_due(&disk->fail) ? -1 : ve_os_system.fdatasync(fd);
}

static int lossy_fsync(int fd) {
    return is_due(&disk->fail_directory) ? -1 : ve_os_system.fsync(fd);
}

static int lossy_openat(int dir, const char *name, int flags, unsigned mode) {
    if (strncmp(name, "tmp.0", 5) == 0 && atomic_exchange(&disk->lose_at_copy, false))
        lose();
    return ve_os_system.openat(dir, name, flags, mode);
}

static ssize_t lossy_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    if (offset >= VF_SEGMENT_HEADER && (uint64_t)offset < atomic_load(&disk->below)) {
        char name[400];
        snprintf(name, sizeof name, "%s/LOCK.append", disk->path);
        int lock = open(name, O_RDWR);
        atomic_fetch_add(&disk->repeated, 1);
        atomic_fetch_add(&disk->unlocked, flock(lock, LOCK_EX | LOCK_NB) == 0);
        close(lock);
    }
    return ve_os_system.pwritev(fd, parts, count, offset);
}

static ve_os lossy_os(void) {
    ve_os os = ve_os_system;
    os.fdatasync = lossy_fdatasync;
    os.fsync = lossy_fsync;
    os.openat = lossy_openat;
    os.pwritev = lossy_pwritev;
    return os;
}

typedef struct {
    ve_os os;
    varve *store;
    char *path;
} bench;

static void begin(bench *b) {
    memset(disk, 0, sizeof *disk);
    b->os = lossy_os();
    b->path = scratch_new();
    b->store = NULL;
    snprintf(disk->path, sizeof disk->path, "%s", b->path);
    assert_true(work_open(&b->os, b->path, 0, &b->store));
    assert_true(append_one(b->store, "first", VARVE_GROUP, VARVE_OK));
}

static void end(bench *b) {
    varve_close(&b->store);
    scratch_free(b->path);
}

static uint64_t tail_of(varve *store) {
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(store, &stats), VARVE_OK);
    return stats.tail_lsn;
}

/* Another process appends durably, and dies when its bytes are to come to disk. */
static bool append_and_die(void *context) {
    const bench *b = context;
    varve *store = NULL;
    if (!work_open(&b->os, b->path, 0, &store))
        return false;
    atomic_store(&disk->kill, true);
    append_one(store, "dead", VARVE_GROUP, VARVE_OK);
    return false;
}

static int in_dead_leaders_sync(int fd) {
    /* While it syncs somebody else appends: what he wrote is lost with the rest. */
    varve *other = NULL;
    if (atomic_load(&disk->kill)) {
        work_open(NULL, disk->path, 0, &other);
        atomic_store(&disk->lost_at, vf_lsn_offset(ve_tail(other)));
        append_one(other, "behind", VARVE_NONE, VARVE_OK);
        varve_close(&other);
    }
    return lossy_fdatasync(fd);
}

static void what_was_written_while_a_dead_leader_synced_is_looked_at(void **state) {
    (void)state;
    bench b;
    begin(&b);
    b.os.fdatasync = in_dead_leaders_sync;
    assert_true(work_killed(work_in_child(append_and_die, &b)));
    assert_true(append_one(b.store, "heir", VARVE_GROUP, VARVE_E_SYNC_FAILED)); /* "behind" is lost, though not behind syncing */
    end(&b);
}

static void no_batch_is_under_way_while_it_is_written_again(void **state) {
    (void)state;
    bench b;
    begin(&b);
    uint64_t tail = tail_of(b.store);
    atomic_store(&disk->lost_at, vf_lsn_offset(tail) + 4096); /* nothing is there */
    assert_true(work_killed(work_in_child(append_and_die, &b)));
    atomic_store(&disk->below, vf_lsn_offset(tail_of(b.store)));
    assert_true(append_one(b.store, "heir", VARVE_GROUP, VARVE_OK));
    assert_true(atomic_load(&disk->repeated) > 0);
    assert_int_equal(atomic_load(&disk->unlocked), 0);
    scratch_check_seq(b.store, "dead", 1);
    scratch_check_seq(b.store, "heir", 1);
    scratch_verify(b.store);
    end(&b);
}

/* ---- Mending ---- */

static void nobody_appends_to_a_file_that_was_replaced(void **state) {
    (void)state;
    bench b;
    varve *mender = NULL;
    begin(&b);
    assert_true(work_open(&b.os, b.path, 0, &mender));
    atomic_store(&disk->fail, 1);
    assert_true(append_one(b.store, "a", VARVE_GROUP, VARVE_E_SYNC_FAILED)); /* this handle has the segment open */
    atomic_store(&disk->fail_directory, 1);
    assert_true(append_one(mender, "b", VARVE_GROUP, VARVE_E_SYNC_FAILED)); /* mended half */
    assert_true(append_one(b.store, "a", VARVE_NONE, VARVE_OK));
    varve_close(&mender);
    assert_true(work_open(NULL, b.path, 0, &mender));
    scratch_check_seq(mender, "a", 2);
    assert_true(append_one(mender, "b", VARVE_GROUP, VARVE_OK));
    scratch_verify(mender);
    varve_close(&mender);
    end(&b);
}

static void what_is_lost_while_it_is_copied_is_not_confirmed(void **state) {
    (void)state;
    bench b;
    begin(&b);
    atomic_store(&disk->lost_at, vf_lsn_offset(tail_of(b.store)));
    atomic_store(&disk->fail, 1);
    assert_true(append_one(b.store, "a", VARVE_GROUP, VARVE_E_SYNC_FAILED));
    atomic_store(&disk->lose_at_copy, true);
    assert_true(append_one(b.store, "b", VARVE_GROUP, VARVE_E_SYNC_FAILED));
    assert_false(atomic_load(&disk->lose_at_copy));
    end(&b);
}

/* A compaction needs what it packs on disk: it mends too. */
static void a_compaction_mends_first(void **state) {
    (void)state;
    bench b;
    begin(&b);
    atomic_store(&disk->fail, 1);
    assert_true(append_one(b.store, "a", VARVE_GROUP, VARVE_E_SYNC_FAILED));
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = VARVE_COMPACT_ALL;
    char left[400]; /* by a mender that died */
    snprintf(left, sizeof left, "%s/seg/tmp.00000001", b.path);
    int fd = open(left, O_WRONLY | O_CREAT, 0600);
    close(fd);
    assert_int_equal(varve_compact(b.store, &options, NULL), VARVE_OK);
    assert_true(tidy_store(b.path));
    scratch_check_seq(b.store, "a", 1);
    scratch_verify(b.store);
    assert_true(append_one(b.store, "a", VARVE_GROUP, VARVE_OK));
    end(&b);
}

/* ---- (Found beside it) Threads of a handle ---- */

static struct {
    varve *store;
    pthread_t thread;
    _Atomic bool started, slept;
    int result;
} idle;

static void noted_sleep(int64_t nanoseconds) {
    atomic_store(&idle.slept, true);
    ve_os_system.sleep(nanoseconds);
}

static void *sync_meanwhile(void *tail) {
    idle.result = ve_sync_to(idle.store, *(uint64_t *)tail);
    return NULL;
}

/* A thread that puts the store in order has no page of words just now, when another one waits for the disk. */
static int no_control_openat(int dir, const char *name, int flags, unsigned mode) {
    static uint64_t tail;
    if (idle.store != NULL && strcmp(name, "CONTROL") == 0 && !atomic_exchange(&idle.started, true)) {
        tail = 1;
        if (pthread_create(&idle.thread, NULL, sync_meanwhile, &tail) == 0)
            while (!atomic_load(&idle.slept))
                sched_yield();
    }
    return ve_os_system.openat(dir, name, flags, mode);
}

static void who_waits_for_the_disk_waits_for_the_words_too(void **state) {
    (void)state;
    static ve_os os;
    os = ve_os_system;
    os.openat = no_control_openat;
    os.sleep = noted_sleep;
    char *path = scratch_new(), name[400];
    varve *store = NULL;
    assert_true(work_open(&os, path, 0, &store));
    assert_true(append_one(store, "a", VARVE_GROUP, VARVE_OK));
    snprintf(name, sizeof name, "%s/CONTROL", path);
    assert_int_equal(unlink(name), 0);
    idle.store = store;
    assert_true(append_one(store, "a", VARVE_GROUP, VARVE_OK));
    assert_true(atomic_load(&idle.started));
    pthread_join(idle.thread, NULL);
    assert_int_equal(idle.result, VARVE_OK);
    scratch_check_seq(store, "a", 2);
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    work_in_memory();
    disk = mmap(NULL, sizeof *disk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_woken_too_late_takes_the_lock_if_it_is_free),
        cmocka_unit_test(what_was_written_while_a_dead_leader_synced_is_looked_at),
        cmocka_unit_test(no_batch_is_under_way_while_it_is_written_again),
        cmocka_unit_test(nobody_appends_to_a_file_that_was_replaced),
        cmocka_unit_test(what_is_lost_while_it_is_copied_is_not_confirmed),
        cmocka_unit_test(a_compaction_mends_first),
        cmocka_unit_test(who_waits_for_the_disk_waits_for_the_words_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A sync that failed, and a leader that died: nothing is acknowledged that is not on disk, nothing published is taken back,
 * and what the disk did not confirm is written anew before anything more is acknowledged; also when that fails, or is cut
 * off by a death at any call.
 */
#include "support/deaths.h"
#include "support/scratch.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>

/* What the disk is to do, for all processes. */
typedef struct {
    _Atomic int fail;          /* so many syncs fail from now on; -1: all */
    _Atomic bool die;          /* the next sync is the end of its process */
    _Atomic uint64_t rewritten; /* bytes written before 'below' */
    _Atomic uint64_t below;
    _Atomic uint32_t published, wanted; /* a sync that fails does so once so many are published */
} disk_state;

static disk_state *disk;
static const ve_os *under = &ve_os_system;

static int moody_fdatasync(int fd) {
    if (atomic_load(&disk->die)) {
        atomic_store(&disk->die, false);
        kill(getpid(), SIGKILL);
    }
    if (atomic_load(&disk->fail) != 0) {
        while (atomic_load(&disk->published) < atomic_load(&disk->wanted))
            sched_yield();
        if (atomic_load(&disk->fail) > 0)
            atomic_fetch_sub(&disk->fail, 1);
        errno = EIO;
        return -1;
    }
    return under->fdatasync(fd);
}

static ssize_t watched_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    if ((uint64_t)offset < atomic_load(&disk->below))
        atomic_fetch_add(&disk->rewritten, parts[0].iov_len);
    return under->pwritev(fd, parts, count, offset);
}

/* Who lets go of LOCK.append has published. */
static int counted_flock(int fd, int operation) {
    int result = under->flock(fd, operation);
    if (operation == LOCK_UN)
        atomic_fetch_add(&disk->published, 1);
    return result;
}

static ve_os moody_os(const ve_os *base) {
    under = base;
    ve_os os = *base;
    os.fdatasync = moody_fdatasync;
    os.pwritev = watched_pwritev;
    os.flock = counted_flock;
    return os;
}

static int append_one(varve *store, const char *session, varve_durability durability) {
    varve_batch *batch;
    varve_event event = scratch_event(session, "assistant");
    assert_true(varve_batch_new(&batch) >= 0 && varve_batch_add(batch, &event) >= 0);
    int result = varve_append(store, batch, durability, NULL);
    varve_batch_free(&batch);
    return result;
}

static varve_stats stats_of(varve *store) {
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(store, &stats), VARVE_OK);
    return stats;
}

static ino_t inode_of(const char *path, uint32_t number) {
    char name[300];
    struct stat file;
    snprintf(name, sizeof name, "%s/seg/%08u.log", path, number);
    assert_int_equal(stat(name, &file), 0);
    return file.st_ino;
}

static void begin(void) {
    memset(disk, 0, sizeof *disk);
}

static void what_failed_is_written_anew(void **state) {
    (void)state;
    begin();
    static ve_os os;
    os = moody_os(&ve_os_system);
    char *path = scratch_new();
    varve *store = NULL, *other = NULL;
    assert_true(work_open(&os, path, 0, &store));
    assert_true(work_open(&os, path, 0, &other));
    assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_OK);
    uint64_t synced = stats_of(store).synced_lsn;
    atomic_store(&disk->fail, 1);
    assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_E_SYNC_FAILED);
    assert_int_equal(stats_of(store).synced_lsn, synced);
    scratch_check_seq(store, "a", 2); /* it is there */
    assert_int_equal(append_one(other, "a", VARVE_NONE), VARVE_OK);
    ino_t before = inode_of(path, 1);
    assert_int_equal(append_one(other, "a", VARVE_GROUP), VARVE_OK);
    varve_stats stats = stats_of(store);
    assert_true(stats.synced_lsn == stats.tail_lsn && vf_lsn_segment(stats.tail_lsn) == 2);
    assert_true(inode_of(path, 1) != before);
    scratch_check_seq(store, "a", 4);
    scratch_check_seq(other, "a", 4);
    assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_OK);
    scratch_verify(store);
    varve_close(&other);
    varve_close(&store);
    scratch_free(path);
}

static void a_disk_that_stays_broken_confirms_nothing(void **state) {
    (void)state;
    begin();
    static ve_os os;
    os = moody_os(&ve_os_system);
    char *path = scratch_new(), command[400];
    varve *store = NULL;
    assert_true(work_open(&os, path, 0, &store));
    assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_OK);
    atomic_store(&disk->fail, -1);
    assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_E_SYNC_FAILED);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_E_SYNC_FAILED);
        assert_non_null(strstr(varve_last_error(store), "nothing was appended"));
        assert_int_equal(varve_sync(store), VARVE_E_SYNC_FAILED);
    }
    scratch_check_seq(store, "a", 2); /* what was refused is not there */
    snprintf(command, sizeof command, "%s/seg/tmp.00000001", path);
    assert_int_equal(access(command, F_OK), -1);
    atomic_store(&disk->fail, 0);
    assert_int_equal(varve_sync(store), VARVE_OK);
    varve_stats stats = stats_of(store);
    assert_int_equal(stats.synced_lsn, stats.tail_lsn);
    scratch_check_seq(store, "a", 2);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* All who waited for the sync that failed are told. */
static void *append_in_thread(void *store) {
    return (void *)(intptr_t)append_one(store, "a", VARVE_GROUP);
}

static void nobody_is_told_what_is_not_so(void **state) {
    (void)state;
    begin();
    static ve_os os;
    os = moody_os(&ve_os_system);
    char *path = scratch_new();
    varve *store = NULL;
    assert_true(work_open(&os, path, 0, &store));
    assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_OK);
    atomic_store(&disk->published, 0);
    atomic_store(&disk->wanted, 8);
    atomic_store(&disk->fail, 1); /* those that come next would do well */
    pthread_t thread[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, append_in_thread, store), 0);
    for (int i = 0; i < 8; i++) {
        void *result;
        pthread_join(thread[i], &result);
        assert_int_equal((intptr_t)result, VARVE_E_SYNC_FAILED);
    }
    assert_int_equal(append_one(store, "b", VARVE_GROUP), VARVE_OK);
    scratch_check_seq(store, "a", 9);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* ---- A leader dies ---- */

typedef struct {
    const char *path;
    const ve_os *os;
} party;

static bool append_and_die(void *context) {
    const party *p = context;
    varve *store = NULL;
    if (!work_open(p->os, p->path, 0, &store))
        return false;
    atomic_store(&disk->die, true);
    append_one(store, "a", VARVE_GROUP);
    return false;
}

static void what_a_dead_leader_was_at_is_written_again(void **state) {
    (void)state;
    begin();
    static ve_os os;
    os = moody_os(&ve_os_system);
    char *path = scratch_new();
    varve *store = NULL;
    assert_true(work_open(&os, path, 0, &store));
    assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_OK);
    party p = {path, &os};
    assert_true(work_killed(work_in_child(append_and_die, &p)));
    varve_stats stats = stats_of(store);
    assert_true(stats.synced_lsn < stats.tail_lsn);
    atomic_store(&disk->below, vf_lsn_offset(stats.tail_lsn));
    assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_OK);
    /* with what came behind it: its own record, as it was published by then */
    assert_int_equal(atomic_load(&disk->rewritten), stats_of(store).tail_lsn - stats.synced_lsn);
    scratch_check_seq(store, "a", 3);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* The system had dropped what the disk did not take: what cannot be written again is not acknowledged. */
static void what_is_lost_with_a_dead_leader_is_not_acknowledged(void **state) {
    (void)state;
    begin();
    static ve_os os;
    os = moody_os(&ve_os_system);
    char *path = scratch_new(), name[300];
    varve *store = NULL;
    assert_true(work_open(&os, path, 0, &store));
    assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_OK);
    party p = {path, &os};
    assert_true(work_killed(work_in_child(append_and_die, &p)));
    varve_stats stats = stats_of(store);
    snprintf(name, sizeof name, "%s/seg/00000001.log", path);
    int fd = open(name, O_RDWR);
    uint8_t kept[16], other[16];
    off_t at = (off_t)vf_lsn_offset(stats.synced_lsn);
    assert_int_equal(pread(fd, kept, 16, at + 80), 16);
    for (int i = 0; i < 16; i++)
        other[i] = (uint8_t)~kept[i];
    assert_int_equal(pwrite(fd, other, 16, at + 80), 16);
    assert_int_equal(append_one(store, "b", VARVE_GROUP), VARVE_E_SYNC_FAILED);
    assert_int_equal(stats_of(store).synced_lsn, stats.synced_lsn);
    assert_int_equal(append_one(store, "b", VARVE_GROUP), VARVE_E_SYNC_FAILED); /* nor can it be mended */
    scratch_check_seq(store, "b", 1);
    assert_int_equal(pwrite(fd, kept, 16, at + 80), 16);
    close(fd);
    assert_int_equal(append_one(store, "b", VARVE_GROUP), VARVE_OK);
    scratch_check_seq(store, "a", 2);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* ---- Mending is cut off ---- */

static struct {
    uint64_t at;
    uint64_t calls;
} death;

static bool mend_and_die(void *context) {
    const party *p = context;
    varve *store = NULL;
    if (!work_open(p->os, p->path, 0, &store))
        return false;
    deaths_at_call(death.at, false);
    bool good = append_one(store, "c", VARVE_GROUP) == VARVE_OK;
    deaths_at_call(0, false);
    varve_close(&store);
    return good;
}

static void a_death_while_mending_loses_nothing(void **state) {
    (void)state;
    static ve_os os;
    os = moody_os(&deaths_os);
    for (death.at = 1;; death.at++) {
        begin();
        char *path = scratch_new();
        varve *store = NULL;
        party p = {path, &os};
        assert_true(work_open(&os, path, 0, &store));
        assert_int_equal(append_one(store, "a", VARVE_GROUP), VARVE_OK);
        for (int i = 0; i < 40; i++) { /* over two segments */
            varve_event event = scratch_event("a", "assistant");
            static char payload[3000];
            event.payload = payload;
            event.payload_size = sizeof payload;
            event.present |= VARVE_HAS_PAYLOAD;
            varve_batch *batch;
            assert_true(varve_batch_new(&batch) >= 0 && varve_batch_add(batch, &event) >= 0);
            assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
            varve_batch_free(&batch);
        }
        atomic_store(&disk->fail, 1);
        assert_int_equal(append_one(store, "b", VARVE_GROUP), VARVE_E_SYNC_FAILED);
        int status = work_in_child(mend_and_die, &p);
        bool died = work_killed(status);
        assert_true(died || work_succeeded(status));
        assert_int_equal(append_one(store, "d", VARVE_GROUP), VARVE_OK);
        varve_stats stats = stats_of(store);
        assert_true(stats.synced_lsn == stats.tail_lsn);
        scratch_check_seq(store, "a", 41);
        scratch_check_seq(store, "b", 1);
        scratch_check_seq(store, "d", 1);
        scratch_verify(store);
        varve_close(&store);
        assert_true(work_open(NULL, path, 0, &store)); /* what a dead one left is swept by the next compaction */
        assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
        char name[300];
        for (int number = 1; number < 5; number++) {
            snprintf(name, sizeof name, "%s/seg/tmp.%08d", path, number);
            assert_int_equal(access(name, F_OK), -1);
        }
        scratch_verify(store);
        varve_close(&store);
        scratch_free(path);
        if (!died)
            break;
    }
    assert_true(death.at > 20);
}

int main(void) {
    work_in_memory();
    disk = mmap(NULL, sizeof *disk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_failed_is_written_anew),
        cmocka_unit_test(a_disk_that_stays_broken_confirms_nothing),
        cmocka_unit_test(nobody_is_told_what_is_not_so),
        cmocka_unit_test(what_a_dead_leader_was_at_is_written_again),
        cmocka_unit_test(what_is_lost_with_a_dead_leader_is_not_acknowledged),
        cmocka_unit_test(a_death_while_mending_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

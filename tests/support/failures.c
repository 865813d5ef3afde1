/*
 * Failing calls. See failures.h.
 */
#include "support/failures.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t calls, call_to_fail;
static int number, descriptors, maps;
static bool until_told, syncs_only;
static uint8_t boot;
static int64_t told_now;

void failures_at(uint64_t n, int error, bool lasting) {
    calls = 0;
    call_to_fail = n;
    number = error;
    until_told = lasting;
    syncs_only = false;
}

void failures_of_syncs(uint64_t n, int error) {
    failures_at(n, error, false);
    syncs_only = true;
}

uint64_t failures_calls(void) {
    return calls;
}

void failures_boot(uint8_t other) {
    boot = other;
}

void failures_now(int64_t now) {
    told_now = now;
}

int failures_descriptors(void) {
    return descriptors;
}

int failures_maps(void) {
    return maps;
}

/* Whether this call fails. 'grows': it wants room on the disk. */
static bool fails(bool grows, bool sync) {
    if (number == FAILURES_MEMORY)
        return false;
    calls += !syncs_only || sync;
    bool due = call_to_fail != 0 && (until_told ? grows && calls >= call_to_fail : calls == call_to_fail && (!syncs_only || sync));
    if (due && number == FAILURES_SHORT)
        return false;
    if (due)
        errno = number;
    return due;
}

/* Whether the call that was just asked about moves only half of its bytes. */
static bool is_short(void) {
    return call_to_fail != 0 && calls == call_to_fail && number == FAILURES_SHORT;
}

bool failures_of_memory(void) {
    if (number != FAILURES_MEMORY || ++calls != call_to_fail)
        return false;
    errno = ENOMEM;
    return true;
}

static int failing_openat(int dir, const char *name, int flags, unsigned mode) {
    bool makes = (flags & O_CREAT) != 0 && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
    int fd = fails(makes, false) ? -1 : ve_os_system.openat(dir, name, flags, mode);
    descriptors += fd >= 0;
    return fd;
}

static int failing_close(int fd) {
    descriptors--;
    int result = ve_os_system.close(fd); /* it is closed in any case */
    return fails(false, false) ? -1 : result;
}

static ssize_t failing_pread(int fd, void *to, size_t size, int64_t offset) {
    if (fails(false, false))
        return -1;
    return ve_os_system.pread(fd, to, is_short() ? size / 2 : size, offset);
}

static ssize_t failing_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    if (fails(true, false))
        return -1;
    struct iovec half = {parts->iov_base, parts->iov_len / 2};
    return is_short() ? ve_os_system.pwritev(fd, &half, 1, offset) : ve_os_system.pwritev(fd, parts, count, offset);
}

static ssize_t failing_copy(int from, int to, int64_t offset, size_t size) {
    return fails(true, false) ? -1 : ve_os_system.copy(from, to, offset, is_short() ? size / 2 : size);
}

static int failing_sync(int fd) {
    (void)fd; /* nothing here outlives the machine */
    return fails(false, true) ? -1 : 0;
}

static int failing_allocate(int fd, int64_t offset, int64_t size) {
    return fails(true, false) ? -1 : ve_os_system.allocate(fd, offset, size);
}

static void *failing_mmap(uint64_t size, int protection, int flags, int fd, int64_t offset) {
    void *at = fails(false, false) ? MAP_FAILED : ve_os_system.mmap(size, protection, flags, fd, offset);
    maps += at != MAP_FAILED;
    return at;
}

static int failing_flock(int fd, int operation) {
    bool failed = fails(false, false);
    return failed && (operation != LOCK_UN || number == EINTR) ? -1 : ve_os_system.flock(fd, operation);
}

static int failing_fstat(int fd, struct stat *ret_stat) {
    return fails(false, false) ? -1 : ve_os_system.fstat(fd, ret_stat);
}

static int failing_fstatat(int dir, const char *name, struct stat *ret_stat, int flags) {
    return fails(false, false) ? -1 : ve_os_system.fstatat(dir, name, ret_stat, flags);
}

static int failing_linkat(int from_dir, const char *from, int to_dir, const char *to) {
    return fails(true, false) ? -1 : ve_os_system.linkat(from_dir, from, to_dir, to);
}

static int failing_renameat(int from_dir, const char *from, int to_dir, const char *to) {
    return fails(true, false) ? -1 : ve_os_system.renameat(from_dir, from, to_dir, to);
}

static int failing_unlinkat(int dir, const char *name, int flags) {
    return fails(false, false) ? -1 : ve_os_system.unlinkat(dir, name, flags);
}

static int failing_mkdirat(int dir, const char *name, unsigned mode) {
    return fails(true, false) ? -1 : ve_os_system.mkdirat(dir, name, mode);
}

static int failing_list(int dir, int (*each)(void *context, const char *name), void *context) {
    return fails(false, false) ? -1 : ve_os_system.list(dir, each, context);
}

static int failing_room(int fd, uint64_t *ret_free) {
    return fails(false, false) ? -1 : ve_os_system.room(fd, ret_free);
}

static int failing_kind(int fd, uint32_t *ret_kind) {
    return fails(false, false) ? -1 : ve_os_system.kind(fd, ret_kind);
}

static int failing_chmod(int fd, unsigned mode) {
    return fails(false, false) ? -1 : ve_os_system.chmod(fd, mode);
}

static int failing_chown(int fd, uint32_t user, uint32_t group) {
    return fails(false, false) ? -1 : ve_os_system.chown(fd, user, group);
}

static uint32_t plain_user(void) {
    return ve_os_system.user();
}

static int plain_wipe_on_fork(void *at, size_t size) {
    return ve_os_system.wipe_on_fork(at, size);
}

/* The same in each run, so that calls come in the same order. */
static int failing_random(void *to, size_t size) {
    static uint64_t state = 1;
    if (fails(false, false))
        return -1;
    for (size_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)to)[i] = (uint8_t)(state >> 56);
    }
    return 0;
}

static int failing_munmap(void *at, size_t size) {
    maps--;
    return ve_os_system.munmap(at, size);
}

static int64_t failing_now(void) {
    return told_now != 0 ? told_now : ve_os_system.now();
}

static int64_t plain_monotonic(void) {
    return ve_os_system.monotonic();
}

static void plain_sleep(int64_t nanoseconds) {
    ve_os_system.sleep(nanoseconds);
}

static void plain_wait(void *word, uint32_t seen, int64_t nanoseconds) {
    ve_os_system.wait(word, seen, nanoseconds);
}

static void plain_wake(void *word, int count) {
    ve_os_system.wake(word, count);
}

static uint32_t plain_process(void) {
    return ve_os_system.process();
}

static int failing_boot_id(uint8_t ret_id[16]) {
    if (fails(false, false))
        return -1;
    if (boot == 0)
        return ve_os_system.boot_id(ret_id);
    memset(ret_id, boot, 16);
    return 0;
}

const ve_os failures_os = {
    .openat = failing_openat,
    .close = failing_close,
    .pread = failing_pread,
    .pwritev = failing_pwritev,
    .copy = failing_copy,
    .fdatasync = failing_sync,
    .fsync = failing_sync,
    .allocate = failing_allocate,
    .mmap = failing_mmap,
    .munmap = failing_munmap,
    .flock = failing_flock,
    .fstat = failing_fstat,
    .fstatat = failing_fstatat,
    .linkat = failing_linkat,
    .renameat = failing_renameat,
    .unlinkat = failing_unlinkat,
    .mkdirat = failing_mkdirat,
    .list = failing_list,
    .room = failing_room,
    .kind = failing_kind,
    .chmod = failing_chmod,
    .chown = failing_chown,
    .user = plain_user,
    .wipe_on_fork = plain_wipe_on_fork,
    .random = failing_random,
    .now = failing_now,
    .monotonic = plain_monotonic,
    .sleep = plain_sleep,
    .wait = plain_wait,
    .wake = plain_wake,
    .process = plain_process,
    .boot_id = failing_boot_id,
};

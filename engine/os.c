/*
 * The real operating system behind the table of os.h.
 */
#include "engine/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#ifdef __linux__
#    include <linux/futex.h>
#    include <sys/syscall.h>
#endif
#include <time.h>
#include <unistd.h>

enum { WAIT_BLIND = 200000 }; /* ns: where nobody can be woken */

static int os_openat(int dir, const char *name, int flags, unsigned mode) {
    return openat(dir, name, flags | O_CLOEXEC, (mode_t)mode);
}

static ssize_t os_pread(int fd, void *to, size_t size, int64_t offset) {
    return pread(fd, to, size, (off_t)offset);
}

static ssize_t os_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    return pwritev(fd, parts, count, (off_t)offset);
}

static ssize_t os_copy(int from, int to, int64_t offset, size_t size) {
    off_t in = (off_t)offset, out = (off_t)offset;
    return copy_file_range(from, &in, to, &out, size, 0);
}

static int os_allocate(int fd, int64_t offset, int64_t size) {
    int error = posix_fallocate(fd, (off_t)offset, (off_t)size);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

static void *os_mmap(uint64_t size, int protection, int flags, int fd, int64_t offset) {
    if (size > SIZE_MAX / 2) { /* a process of 32 bits has no such room */
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *map = mmap(NULL, (size_t)size, protection, flags, fd, (off_t)offset);
    /* Some file systems share no memory at all; their files can be read like this. */
    if (map == MAP_FAILED && errno == ENODEV && protection == PROT_READ && flags == MAP_SHARED)
        map = mmap(NULL, (size_t)size, protection, MAP_PRIVATE, fd, (off_t)offset);
    return map;
}

static int os_fstatat(int dir, const char *name, struct stat *ret_stat, int flags) {
    return fstatat(dir, name, ret_stat, flags);
}

static int os_linkat(int from_dir, const char *from, int to_dir, const char *to) {
    return linkat(from_dir, from, to_dir, to, 0);
}

static int os_mkdirat(int dir, const char *name, unsigned mode) {
    return mkdirat(dir, name, (mode_t)mode);
}

static int os_list(int dir, int (*each)(void *context, const char *name), void *context) {
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (stream == NULL) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(stream)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = each(context, entry->d_name);
    if (result == 0 && errno != 0)
        result = -1;
    closedir(stream);
    return result;
}

static int os_room(int fd, uint64_t *ret_free) {
    struct statvfs status;
    if (fstatvfs(fd, &status) < 0)
        return -1;
    *ret_free = (uint64_t)status.f_bavail * status.f_frsize;
    return 0;
}

static int os_kind(int fd, uint32_t *ret_kind) {
    struct statfs status;
    if (fstatfs(fd, &status) < 0)
        return -1;
    *ret_kind = (uint32_t)status.f_type;
    return 0;
}

static int os_chmod(int fd, unsigned mode) {
    return fchmod(fd, (mode_t)mode);
}

static int os_chown(int fd, uint32_t user, uint32_t group) {
    return fchown(fd, (uid_t)user, (gid_t)group);
}

static uint32_t os_user(void) {
    return (uint32_t)geteuid();
}

static uint32_t os_process(void) {
    return (uint32_t)getpid();
}

static int os_wipe_on_fork(void *at, size_t size) {
#ifdef MADV_WIPEONFORK
    return madvise(at, size, MADV_WIPEONFORK);
#else
    (void)at, (void)size;
    errno = EINVAL;
    return -1;
#endif
}

static int os_random(void *to, size_t size) {
    return getrandom(to, size, 0) == (ssize_t)size ? 0 : -1;
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t os_now(void) {
    return clock_ns(CLOCK_REALTIME);
}

static int64_t os_monotonic(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

static void os_sleep(int64_t nanoseconds) {
    struct timespec t = {.tv_sec = (time_t)(nanoseconds / 1000000000),
                         .tv_nsec = (long)(nanoseconds % 1000000000)};
    nanosleep(&t, NULL);
}

#ifdef __linux__
/* Where a long has 32 bits there are two calls: the older one takes times of 32 bits. */
#    ifdef SYS_futex_time64
enum { FUTEX = sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex };
#    else
enum { FUTEX = SYS_futex };
#    endif

static void os_wait(void *word, uint32_t seen, int64_t nanoseconds) {
    struct timespec t = {.tv_sec = (time_t)(nanoseconds / 1000000000),
                         .tv_nsec = (long)(nanoseconds % 1000000000)};
    if (syscall(FUTEX, word, FUTEX_WAIT, seen, &t, NULL, 0) < 0 && errno != EAGAIN &&
        errno != ETIMEDOUT && errno != EINTR)
        os_sleep(nanoseconds < WAIT_BLIND ? nanoseconds : WAIT_BLIND);
}

static void os_wake(void *word, int count) {
    syscall(FUTEX, word, FUTEX_WAKE, count, NULL, NULL, 0);
}
#else
static void os_wait(void *word, uint32_t seen, int64_t nanoseconds) {
    (void)word, (void)seen;
    os_sleep(nanoseconds < WAIT_BLIND ? nanoseconds : WAIT_BLIND);
}

static void os_wake(void *word, int count) {
    (void)word, (void)count;
}
#endif

/* Reads the kernel's boot id (a UUID in text) into 16 bytes. */
static int os_boot_id(uint8_t ret_id[16]) {
    char text[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    int digits = 0;
    for (ssize_t i = 0; i < size && digits < 32; i++) {
        int c = (unsigned char)text[i];
        int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (value < 0)
            continue;
        ret_id[digits / 2] = (uint8_t)(digits % 2 == 0 ? value << 4 : ret_id[digits / 2] | value);
        digits++;
    }
    return digits == 32 ? 0 : -1;
}

const ve_os ve_os_system = {
    .openat = os_openat,
    .close = close,
    .pread = os_pread,
    .pwritev = os_pwritev,
    .copy = os_copy,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .allocate = os_allocate,
    .mmap = os_mmap,
    .munmap = munmap,
    .flock = flock,
    .fstat = fstat,
    .fstatat = os_fstatat,
    .linkat = os_linkat,
    .renameat = renameat,
    .unlinkat = unlinkat,
    .mkdirat = os_mkdirat,
    .list = os_list,
    .room = os_room,
    .kind = os_kind,
    .chmod = os_chmod,
    .chown = os_chown,
    .user = os_user,
    .process = os_process,
    .wipe_on_fork = os_wipe_on_fork,
    .random = os_random,
    .now = os_now,
    .monotonic = os_monotonic,
    .sleep = os_sleep,
    .wait = os_wait,
    .wake = os_wake,
    .boot_id = os_boot_id,
};

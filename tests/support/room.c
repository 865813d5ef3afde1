/*
 * Counting room. See room.h.
 */
#include "support/room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

enum { BLOCK = 4096 };
static uint64_t left;
static ve_os made;

void room_set(uint64_t bytes) {
    left = bytes;
}

uint64_t room_left(void) {
    return left;
}

static uint64_t blocks(uint64_t size) {
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

/* Size of a file that counts. Those without a name lie elsewhere: what they take is nothing. */
static uint64_t size_of(int fd) {
    struct stat file;
    bool counts = ve_os_system.fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink > 0;
    return counts ? (uint64_t)file.st_size : UINT64_MAX - BLOCK;
}

static bool take(uint64_t from, uint64_t to) {
    uint64_t need = to > from ? blocks(to) - blocks(from) : 0;
    if (need > left) {
        errno = ENOSPC;
        return false;
    }
    left -= need;
    return true;
}

static ssize_t room_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    uint64_t size = size_of(fd), end = (uint64_t)offset, most = blocks(size) < UINT64_MAX - left ? blocks(size) + left : UINT64_MAX;
    for (int i = 0; i < count; i++)
        end += parts[i].iov_len;
    if (end > most && most > (uint64_t)offset) { /* what fits */
        struct iovec first = {parts->iov_base, parts->iov_len < most - (uint64_t)offset ? parts->iov_len : (size_t)(most - (uint64_t)offset)};
        take(size, (uint64_t)offset + first.iov_len);
        return ve_os_system.pwritev(fd, &first, 1, offset);
    }
    return take(size, end) ? ve_os_system.pwritev(fd, parts, count, offset) : -1;
}

static int room_allocate(int fd, int64_t offset, int64_t size) {
    return take(size_of(fd), (uint64_t)(offset + size)) ? ve_os_system.allocate(fd, offset, size) : -1;
}

static int room_openat(int dir, const char *name, int flags, unsigned mode) {
    struct stat file;
    bool there = ve_os_system.fstatat(dir, name, &file, AT_SYMLINK_NOFOLLOW) == 0;
    int fd = ve_os_system.openat(dir, name, flags, mode);
    if (fd >= 0 && there && (flags & O_TRUNC) != 0 && S_ISREG(file.st_mode))
        left += blocks((uint64_t)file.st_size);
    return fd;
}

static int room_unlinkat(int dir, const char *name, int flags) {
    struct stat file;
    bool counts = ve_os_system.fstatat(dir, name, &file, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 1;
    int result = ve_os_system.unlinkat(dir, name, flags);
    if (result == 0 && counts)
        left += blocks((uint64_t)file.st_size);
    return result;
}

static int room_room(int fd, uint64_t *ret_free) {
    (void)fd;
    *ret_free = left;
    return 0;
}

const ve_os *room_os(void) {
    made = ve_os_system;
    made.pwritev = room_pwritev;
    made.allocate = room_allocate;
    made.openat = room_openat;
    made.unlinkat = room_unlinkat;
    made.room = room_room;
    return &made;
}

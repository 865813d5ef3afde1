/*
 * Files in and out of memory. See evict.h.
 */
#include "bench/support/evict.h"

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

/* Holes are left out: a map that is larger than what it holds lies in a file that is mostly hole.
 */
static int warm_file(const char *path, const struct stat *file, int kind, struct FTW *place) {
    static char bytes[1 << 18];
    (void)file, (void)place;
    int fd = kind == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    off_t at = fd < 0 ? -1 : lseek(fd, 0, SEEK_DATA);
    while (at >= 0) {
        off_t end = lseek(fd, at, SEEK_HOLE);
        while (at < end && pread(fd, bytes, sizeof bytes, at) > 0)
            at += (off_t)sizeof bytes;
        at = lseek(fd, end, SEEK_DATA);
    }
    if (fd >= 0)
        close(fd);
    return 0;
}

static int forget_file(const char *path, const struct stat *file, int kind, struct FTW *place) {
    (void)file, (void)place;
    int fd = kind == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    return 0;
}

int evict_warm(const char *path) {
    return nftw(path, warm_file, 16, FTW_PHYS);
}

int evict_sync(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result = fd < 0 ? -1 : syncfs(fd);
    if (fd >= 0)
        close(fd);
    return result;
}

int evict_cold(const char *path) {
    return nftw(path, forget_file, 16, FTW_PHYS);
}

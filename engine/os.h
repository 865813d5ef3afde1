/*
 * The one door to the operating system: every system call of the engine goes through this table, so
 * that tests can count, fail, or replace each. Calls behave as their POSIX namesakes: -1 and errno.
 */
#ifndef VARVE_ENGINE_OS_H
#define VARVE_ENGINE_OS_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef struct ve_os {
    int (*openat)(int dir, const char *name, int flags, unsigned mode);
    int (*close)(int fd);
    ssize_t (*pread)(int fd, void *to, size_t size, int64_t offset);
    ssize_t (*pwritev)(int fd, const struct iovec *parts, int count, int64_t offset);
    /* copy_file_range at one offset in both files: what the file systems can share is not copied. */
    ssize_t (*copy)(int from, int to, int64_t offset, size_t size);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*allocate)(int fd, int64_t offset, int64_t size); /* posix_fallocate; 0 or -1 and errno */
    void *(*mmap)(uint64_t size, int protection, int flags, int fd, int64_t offset);
    int (*munmap)(void *at, size_t size);
    int (*flock)(int fd, int operation);
    int (*fstat)(int fd, struct stat *ret_stat);
    int (*fstatat)(int dir, const char *name, struct stat *ret_stat, int flags);
    int (*linkat)(int from_dir, const char *from, int to_dir, const char *to);
    int (*renameat)(int from_dir, const char *from, int to_dir, const char *to);
    int (*unlinkat)(int dir, const char *name, int flags);
    int (*mkdirat)(int dir, const char *name, unsigned mode);
    /* Calls 'each' with the name of every entry but . and ..; a non-zero answer stops and is
     * returned. */
    int (*list)(int dir, int (*each)(void *context, const char *name), void *context);
    /* Bytes that may still be written to the file system of 'fd'. */
    int (*room)(int fd, uint64_t *ret_free);
    int (*kind)(int fd, uint32_t *ret_kind); /* fstatfs: f_type of the file system of 'fd' */
    int (*chmod)(int fd, unsigned mode);
    int (*chown)(int fd, uint32_t user, uint32_t group);
    uint32_t (*user)(void); /* effective user id */
    /* From now on a child finds the pages zeroed; -1 where the kernel cannot do that. */
    int (*wipe_on_fork)(void *at, size_t size);
    int (*random)(void *to, size_t size);
    int64_t (*now)(void);       /* ns since 1970 */
    int64_t (*monotonic)(void); /* ns */
    void (*sleep)(int64_t nanoseconds);
    /* Sleeps while the word, which other processes may share, has the value 'seen' (as its bytes lie), until it is woken or so
     * much time has passed. May return sooner: the caller looks again. */
    void (*wait)(void *word, uint32_t seen, int64_t nanoseconds);
    void (*wake)(void *word, int count); /* so many of those who sleep on it */
    uint32_t (*process)(void);           /* its id */
    int (*boot_id)(uint8_t ret_id[16]); /* of the running kernel; -1 if it has none */
} ve_os;

extern const ve_os ve_os_system;

#endif

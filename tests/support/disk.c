/*
 * The system calls of a simulated disk. See disk.h.
 */
#include "support/disk_model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FDS = 4096, DEVICE = 0xD15C };
static disk_object *of_fd[FDS]; /* NULL: not below a disk's root */
static disk *current;

disk *disk_use(disk *d) {
    disk *before = current;
    current = d;
    return before;
}

void disk_watch(disk *d, void (*at)(void *context, bool sync), void *context) {
    d->at = at;
    d->context = context;
}

void disk_clock(disk *d, int64_t now) {
    d->clock = now;
}

void disk_fail_sync(disk *d, uint64_t n, bool lasting) {
    d->syncs = 0;
    d->sync_to_fail = n;
    d->fails_on = lasting;
}

void disk_lie(disk *d, bool lies) {
    d->lies = lies;
}

void disk_break_write(disk *d) {
    d->breaks_write = true;
}

uint64_t disk_syncs(const disk *d) {
    return d->syncs;
}

static void tell(disk *d, bool sync) {
    if (d != NULL && d->at != NULL)
        d->at(d->context, sync);
}

/* ---- Names ---- */

static disk_object *at_fd(int fd) {
    return fd >= 0 && fd < FDS ? of_fd[fd] : NULL;
}

/* What a name means now; NULL: nothing, or what is none of the disk's. */
static disk_object *at_name(const disk *d, int dir, const char *name) {
    struct stat file;
    return d != NULL && fstatat(dir, name, &file, AT_SYMLINK_NOFOLLOW) == 0 ? disk_find(d, &file) : NULL;
}

/* The directory in which a name lies; NULL: none of the disk's. */
static disk_object *directory_of(const disk *d, int dir, const char *name, const char **ret_base) {
    char path[400];
    const char *slash = strrchr(name, '/');
    *ret_base = slash == NULL ? name : slash + 1;
    if (slash == NULL)
        return at_fd(dir);
    snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
    return at_name(d, dir, path);
}

static disk *disk_of(int dir) {
    return at_fd(dir) != NULL ? at_fd(dir)->owner : dir == AT_FDCWD ? current : NULL;
}

static disk_move move_of(disk_object *directory, const char *base, disk_object *what) {
    disk_move move = {.directory = {directory}, .what = {what}};
    disk_need(strlen(base) < DISK_NAME, base);
    strcpy(move.name[0], base);
    return move;
}

static int disk_openat(int dir, const char *name, int flags, unsigned mode) {
    disk *d = disk_of(dir);
    const char *base;
    disk_object *o = at_name(d, dir, name), *directory = directory_of(d, dir, name, &base);
    bool makes = (flags & O_CREAT) != 0 && o == NULL && directory != NULL, empties = o != NULL && (flags & O_TRUNC) != 0;
    if (makes || empties)
        tell(d, false);
    if (empties)
        disk_shadow(o);
    int fd = ve_os_system.openat(dir, name, flags, mode);
    if (fd < 0)
        return fd;
    if (makes) {
        o = disk_add(d, directory->pin, base, 0);
        disk_shadow(o);
        disk_wait(d, move_of(directory, base, o));
    }
    if (empties)
        disk_note(o, (disk_change){.kind = DISK_EMPTY});
    disk_need(fd < FDS, "too many descriptors");
    of_fd[fd] = o;
    return fd;
}

static int disk_close(int fd) {
    if (at_fd(fd) != NULL)
        of_fd[fd] = NULL;
    return ve_os_system.close(fd);
}

static int disk_linkat(int from_dir, const char *from, int to_dir, const char *to) {
    disk *d = disk_of(to_dir);
    const char *base;
    disk_object *o = at_name(disk_of(from_dir), from_dir, from), *directory = directory_of(d, to_dir, to, &base);
    tell(d, false);
    int result = ve_os_system.linkat(from_dir, from, to_dir, to);
    if (result == 0 && o != NULL && directory != NULL)
        disk_wait(d, move_of(directory, base, o));
    return result;
}

static int disk_renameat(int from_dir, const char *from, int to_dir, const char *to) {
    disk *d = disk_of(to_dir);
    const char *from_base, *to_base;
    disk_object *o = at_name(d, from_dir, from), *out = directory_of(d, from_dir, from, &from_base),
                *in = directory_of(d, to_dir, to, &to_base);
    tell(d, false);
    int result = ve_os_system.renameat(from_dir, from, to_dir, to);
    if (result == 0 && o != NULL) {
        disk_need(out != NULL && in != NULL && !o->directory, "a rename across disks");
        disk_move move = move_of(out, from_base, NULL);
        move.directory[1] = in;
        strcpy(move.name[1], to_base);
        move.what[1] = o;
        disk_wait(d, move);
    }
    return result;
}

static int disk_unlinkat(int dir, const char *name, int flags) {
    disk *d = disk_of(dir);
    const char *base;
    disk_object *o = at_name(d, dir, name), *directory = directory_of(d, dir, name, &base);
    if (o != NULL)
        tell(d, false);
    int result = ve_os_system.unlinkat(dir, name, flags);
    if (result == 0 && o != NULL && directory != NULL)
        disk_wait(d, move_of(directory, base, NULL));
    return result;
}

static int disk_mkdirat(int dir, const char *name, unsigned mode) {
    disk *d = disk_of(dir);
    const char *base;
    disk_object *directory = directory_of(d, dir, name, &base);
    tell(d, false);
    int result = ve_os_system.mkdirat(dir, name, mode);
    if (result == 0 && directory != NULL)
        disk_wait(d, move_of(directory, base, disk_add(d, directory->pin, base, 0)));
    return result;
}

/* ---- Bytes ---- */

static disk_object *before_change(int fd) {
    disk_object *o = at_fd(fd);
    if (o != NULL) {
        tell(o->owner, false);
        disk_shadow(o);
    }
    return o;
}

static void wrote(disk_object *o, int64_t offset, ssize_t size) {
    if (o == NULL || size <= 0)
        return;
    disk_change change = {.kind = DISK_WRITE, .offset = (uint64_t)offset, .size = (uint64_t)size, .bytes = malloc((size_t)size)};
    disk_need(change.bytes != NULL && pread(o->pin, change.bytes, (size_t)size, (off_t)offset) == size, "pread");
    disk_note(o, change);
}

static ssize_t disk_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    disk_object *o = before_change(fd);
    ssize_t done = ve_os_system.pwritev(fd, parts, count, offset);
    wrote(o, offset, done);
    if (o != NULL && o->owner->breaks_write) {
        o->owner->breaks_write = false;
        errno = EIO;
        return -1;
    }
    return done;
}

static ssize_t disk_copy(int from, int to, int64_t offset, size_t size) {
    disk_object *o = before_change(to);
    ssize_t done = ve_os_system.copy(from, to, offset, size);
    wrote(o, offset, done);
    return done;
}

static int disk_allocate(int fd, int64_t offset, int64_t size) {
    disk_object *o = before_change(fd);
    int result = ve_os_system.allocate(fd, offset, size);
    if (result == 0 && o != NULL)
        disk_note(o, (disk_change){.kind = DISK_EXTEND, .offset = (uint64_t)offset, .size = (uint64_t)size});
    return result;
}

static void *disk_mmap(uint64_t size, int protection, int flags, int fd, int64_t offset) {
    disk_object *o = at_fd(fd);
    if (o != NULL && (protection & PROT_WRITE) != 0 && (flags & MAP_SHARED) != 0) {
        disk_shadow(o);
        o->mapped = true;
    }
    return ve_os_system.mmap(size, protection, flags, fd, offset);
}

static int disk_sync(int fd) {
    disk_object *o = at_fd(fd);
    disk *d = o == NULL ? NULL : o->owner;
    tell(d, true);
    if (o == NULL || d->lies)
        return 0;
    d->syncs++;
    if (d->sync_to_fail != 0 && (d->syncs == d->sync_to_fail || (d->fails_on && d->syncs > d->sync_to_fail))) {
        disk_forget(o);
        errno = EIO;
        return -1;
    }
    if (o->directory)
        disk_confirm_directory(o);
    else
        disk_confirm_file(o);
    return 0;
}

/* ---- What it tells ---- */

static void disguise(const disk *d, struct stat *file) {
    const disk_object *o = d == NULL ? NULL : disk_find(d, file);
    if (o != NULL) {
        file->st_dev = DEVICE;
        file->st_ino = o->number;
    }
}

static int disk_fstat(int fd, struct stat *ret_stat) {
    int result = ve_os_system.fstat(fd, ret_stat);
    if (result == 0 && at_fd(fd) != NULL)
        disguise(at_fd(fd)->owner, ret_stat);
    return result;
}

static int disk_fstatat(int dir, const char *name, struct stat *ret_stat, int flags) {
    int result = ve_os_system.fstatat(dir, name, ret_stat, flags);
    if (result == 0)
        disguise(disk_of(dir), ret_stat);
    return result;
}

static ssize_t disk_pread(int fd, void *to, size_t size, int64_t offset) {
    return ve_os_system.pread(fd, to, size, offset);
}

static int disk_munmap(void *at, size_t size) {
    return ve_os_system.munmap(at, size);
}

static int disk_flock(int fd, int operation) {
    return ve_os_system.flock(fd, operation);
}

static int disk_list(int dir, int (*each)(void *context, const char *name), void *context) {
    return ve_os_system.list(dir, each, context);
}

static int disk_room(int fd, uint64_t *ret_free) {
    (void)fd;
    *ret_free = 1 << 30;
    return 0;
}

static int disk_random(void *to, size_t size) {
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = (uint8_t)disk_draw(&current->random_state);
    return 0;
}

static int64_t disk_now(void) {
    return current->clock += 1000;
}

static void disk_sleep(int64_t nanoseconds) {
    current->clock += nanoseconds;
}

static void disk_wait_on(void *word, uint32_t seen, int64_t nanoseconds) {
    (void)word, (void)seen;
    disk_sleep(nanoseconds);
}

static void disk_wake(void *word, int count) {
    (void)word, (void)count;
}

static uint32_t disk_process(void) {
    return 1;
}

static int disk_kind(int fd, uint32_t *ret_kind) {
    return ve_os_system.kind(fd, ret_kind);
}

/* Modes and owners are not followed: they are there at once. */
static int disk_chmod(int fd, unsigned mode) {
    return ve_os_system.chmod(fd, mode);
}

static int disk_chown(int fd, uint32_t user, uint32_t group) {
    return ve_os_system.chown(fd, user, group);
}

static uint32_t disk_user(void) {
    return ve_os_system.user();
}

static int disk_wipe_on_fork(void *at, size_t size) {
    return ve_os_system.wipe_on_fork(at, size);
}

static int disk_boot_id(uint8_t ret_id[16]) {
    memset(ret_id, current->boot, 16);
    return 0;
}

const ve_os disk_os = {
    .openat = disk_openat,
    .close = disk_close,
    .pread = disk_pread,
    .pwritev = disk_pwritev,
    .copy = disk_copy,
    .fdatasync = disk_sync,
    .fsync = disk_sync,
    .allocate = disk_allocate,
    .mmap = disk_mmap,
    .munmap = disk_munmap,
    .flock = disk_flock,
    .fstat = disk_fstat,
    .fstatat = disk_fstatat,
    .linkat = disk_linkat,
    .renameat = disk_renameat,
    .unlinkat = disk_unlinkat,
    .mkdirat = disk_mkdirat,
    .list = disk_list,
    .room = disk_room,
    .kind = disk_kind,
    .chmod = disk_chmod,
    .chown = disk_chown,
    .user = disk_user,
    .wipe_on_fork = disk_wipe_on_fork,
    .random = disk_random,
    .now = disk_now,
    .monotonic = disk_now,
    .sleep = disk_sleep,
    .wait = disk_wait_on,
    .wake = disk_wake,
    .process = disk_process,
    .boot_id = disk_boot_id,
};

/*
 * The place that a store lies in: whether locks and shared memory hold there for all who may come,
 * and whether others may write to its directories. Writers are refused where they do not hold;
 * readers read the log. New files are made here, for those who are to be let in to them. SPEC.md
 * "Where a store may lie".
 */
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

enum { KIND_FUSE = 0x65735546, NAME_MAX_SIZE = 64 };

_Static_assert(VE_PROBE_AT >= offsetof(vf_control, reserved3), "the probe's word of CONTROL");
_Static_assert(VE_PROBE_AT >= offsetof(vf_store_file, reserved), "the probe's word of STORE");

/* ---- Which file system ---- */

/* Those that several machines may have at once: a lock may not reach the others, and their memory
 * is not this one's. */
static const struct {
    uint32_t kind;
    const char *name;
} remote[] = {
    {0x6969, "NFS"},        {0xFF534D42, "CIFS"},   {0xFE534D42, "SMB"},
    {0x517B, "SMB"},        {0x01021997, "9p"},     {0x00C36400, "Ceph"},
    {0x5346414F, "AFS"},    {0x6B414653, "AFS"},    {0x73757245, "Coda"},
    {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"},   {0x01161970, "GFS2"},
    {0x7461636F, "OCFS2"},  {0x19830326, "BeeGFS"}, {0x20030528, "OrangeFS"},
    {0xAAD7AAEA, "PanFS"},  {0x564C, "NCP"},        {0xBEEFDEAD, "StorNext"},
    {0x61636673, "ACFS"},   {0x786F4256, "vboxsf"}, {0xBACBACBC, "vmhgfs"},
};

/* FUSE file systems that this machine alone has: on its own disk, or above a directory of its own.
 * Any other may reach out to another machine. */
static const char *const local_fuse[] = {"fuseblk",   "fuse.fuse-overlayfs", "fuse.fuse2fs",
                                         "fuse.ext2", "fuse.gocryptfs",      "fuse.encfs",
                                         "fuse.cryfs"};

typedef struct {
    char device[32]; /* as mountinfo writes it: "0:42" */
    char word[NAME_MAX_SIZE];
    size_t size;
    int words;         /* of the line, so far */
    bool fits, behind; /* the device's line; behind the "-" */
} mount_reader;

/* A line is "id parent device root point options fields... - type source options": true at the type
 * of the device. */
static bool take_mount_byte(mount_reader *m, char c) {
    if (c != ' ' && c != '\n') {
        if (m->size + 1 < sizeof m->word)
            m->word[m->size++] = c;
        return false;
    }
    m->word[m->size] = 0;
    bool found = m->fits && m->behind;
    if (++m->words == 3)
        m->fits = strcmp(m->word, m->device) == 0;
    m->behind = m->behind || (m->words > 6 && strcmp(m->word, "-") == 0);
    if (!found)
        m->size = 0;
    if (c == '\n') {
        m->words = 0;
        m->fits = m->behind = false;
    }
    return found;
}

/* The type's name as it was mounted; "FUSE" if that is not to be had. */
static void name_of_fuse(varve *store, char ret_name[NAME_MAX_SIZE]) {
    const ve_os *os = store->os;
    struct stat status;
    mount_reader m = {.size = 0};
    char bytes[4096];
    bool found = false;
    snprintf(ret_name, NAME_MAX_SIZE, "FUSE");
    int fd = os->fstat(store->dir, &status) < 0
                 ? -1
                 : os->openat(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY, 0);
    if (fd < 0)
        return;
    snprintf(m.device, sizeof m.device, "%u:%u", major(status.st_dev), minor(status.st_dev));
    int64_t at = 0;
    for (ssize_t got = 1; got > 0 && !found; at += got) {
        got = os->pread(fd, bytes, sizeof bytes, at);
        for (ssize_t i = 0; i < got && !found; i++)
            found = take_mount_byte(&m, bytes[i]);
    }
    os->close(fd);
    if (found)
        snprintf(ret_name, NAME_MAX_SIZE, "%s", m.word);
}

/* 1 and its name: other machines may have it too; 0: they may not; -1 and errno. */
static int is_remote(varve *store, char ret_name[NAME_MAX_SIZE]) {
    uint32_t kind;
    if (store->os->kind(store->dir, &kind) < 0)
        return -1;
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        if (remote[i].kind == kind) {
            snprintf(ret_name, NAME_MAX_SIZE, "%s", remote[i].name);
            return 1;
        }
    if (kind != KIND_FUSE)
        return 0;
    name_of_fuse(store, ret_name);
    for (size_t i = 0; i < sizeof local_fuse / sizeof *local_fuse; i++)
        if (strcmp(ret_name, local_fuse[i]) == 0)
            return 0;
    return 1;
}

/* ---- Whose directories ---- */

static int refuse_user(varve *store, const char *name, const struct stat *status) {
    return ve_fail(
        store, VARVE_E_UNSUITABLE,
        "%s%s: belongs to user %u, and this process is user %u: writing is refused; run as "
        "that user, or allow it with --shared (VARVE_OPEN_SHARED)",
        store->path, name, status->st_uid, store->os->user());
}

static int check_directory(varve *store, const char *name, const struct stat *status) {
    if (status->st_uid != store->os->user())
        return refuse_user(store, name, status);
    if ((status->st_mode & 022) != 0)
        return ve_fail(
            store, VARVE_E_UNSUITABLE,
            "%s%s: other users may write to it (mode %04o): writing is refused; chmod go-w "
            "it, or allow it with --shared (VARVE_OPEN_SHARED)",
            store->path, name, status->st_mode & 07777u);
    return VARVE_OK;
}

static int check_user(varve *store, const struct stat *top) {
    static const char *const below[] = {"/seg", "/idx"};
    int result = check_directory(store, "", top);
    bool others_come_in = (top->st_mode & 011) != 0; /* else it does not matter what lies below */
    for (size_t i = 0; i < 2 && result == VARVE_OK && others_come_in; i++) {
        struct stat status;
        if (store->os->fstatat(store->dir, below[i] + 1, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(status.st_mode)) /* what is none is refused when it is opened */
            result = check_directory(store, below[i], &status);
    }
    return result;
}

/* Those whom the store's directory lets in get into what is made in it. */
static int share_with(varve *store, const struct stat *top) {
    if ((top->st_mode & S_ISVTX) != 0 && (top->st_mode & 022) != 0)
        return ve_fail(
            store, VARVE_E_UNSUITABLE,
            "%s: the sticky bit keeps its users from replacing each other's files: writing "
            "is refused; chmod -t it",
            store->path);
    store->share = (ve_share){.on = true,
                              .mode = top->st_mode & 077,
                              .directory = top->st_mode & S_ISGID,
                              .user = top->st_uid,
                              .group = top->st_gid};
    store->share.give = store->os->user() == 0 && top->st_uid != 0; /* root's would be his alone */
    return VARVE_OK;
}

int ve_place_check(varve *store, uint32_t flags) {
    char name[NAME_MAX_SIZE];
    struct stat top;
    store->alone = (flags & VARVE_OPEN_ALONE) != 0;
    int far = store->alone ? 0 : is_remote(store, name);
    if (store->read_only) {
        store->distrust = far != 0;
        if (far > 0)
            ve_say(
                store,
                "%s: lies on %s: its shared memory is not trusted, the log is read instead; if no "
                "other machine writes here, --alone (VARVE_OPEN_ALONE) is quicker",
                store->path, name);
        return VARVE_OK;
    }
    if (far < 0 || store->os->fstat(store->dir, &top) < 0)
        return ve_fail_os(store, "%s: cannot be looked at", store->path);
    if (far > 0)
        return ve_fail(store, VARVE_E_UNSUITABLE,
                       "%s: lies on %s, where locks and shared memory may not hold against other "
                       "machines: writing is refused; keep the store on a local disk, or say that "
                       "nobody else uses it with --alone (VARVE_OPEN_ALONE)",
                       store->path, name);
    return (flags & VARVE_OPEN_SHARED) != 0 ? share_with(store, &top) : check_user(store, &top);
}

/* ---- Whether it works ---- */

static int no_locks(varve *store, const char *how) {
    return ve_fail(
        store, VARVE_E_UNSUITABLE,
        "%s: locks do not work on its file system (%s): writing is refused; keep the store "
        "on a local disk, or say that nobody else uses it with --alone (VARVE_OPEN_ALONE)",
        store->path, how);
}

int ve_probe_lock(varve *store, int held, const char *name) {
    const ve_os *os = store->os;
    if (store->alone)
        return VARVE_OK;
    if (held >= 0 && os->flock(held, LOCK_EX | LOCK_NB) < 0 && errno != EWOULDBLOCK)
        return no_locks(store, strerror(errno));
    int other = os->openat(store->dir, name, O_RDWR | O_NOFOLLOW, 0);
    if (other < 0)
        return ve_fail_os(store, "%s/%s: cannot be opened", store->path, name);
    int number = 0;
    if (os->flock(other, LOCK_EX | LOCK_NB) == 0)
        number = -1;
    else if (errno != EWOULDBLOCK && errno != EINTR)
        number = errno;
    os->close(other);
    return number == 0
               ? VARVE_OK
               : no_locks(store, number < 0 ? "two have the same one at once" : strerror(number));
}

/* What is written to the file shows in the map. */
static int probe_reading(varve *store, int fd, const void *map, uint64_t value) {
    const le64 *there = (const le64 *)(const void *)((const uint8_t *)map + VE_PROBE_AT);
    le64 word;
    vf_put64(&word, value);
    if (ve_write_all(store->os, fd, &word, sizeof word, VE_PROBE_AT) < 0)
        return ve_fail_os(store, "%s: a file cannot be written", store->path);
    return ve_word(there) == value
               ? VARVE_OK
               : ve_fail(
                     store, VARVE_E_UNSUITABLE,
                     "%s: what is written to a file does not show in memory on its file system: "
                     "writing is refused; keep the store on a local disk",
                     store->path);
}

/* Who is alone writes to no map, but reads what he wrote. */
static int probe_alone(varve *store, int fd) {
    void *map = store->os->mmap(VE_PROBE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return ve_fail_os(store, "%s: a file cannot be mapped", store->path);
    volatile uint8_t *page = map;
    (void)page[VE_PROBE_AT]; /* it is there before it changes */
    int result = probe_reading(store, fd, map, 0x4B4F4F4C);
    if (result == VARVE_OK)
        result = probe_reading(store, fd, map, 0);
    store->os->munmap(map, VE_PROBE_SIZE);
    return result;
}

int ve_probe_map(varve *store, int fd, void *map) {
    if (map == NULL)
        return probe_alone(store, fd);
    le64 *there = (le64 *)(void *)((uint8_t *)map + VE_PROBE_AT), word;
    int result = probe_reading(store, fd, map, 0x4B4F4F4C); /* any value but zero */
    if (result < 0)
        return result;
    ve_set_word(there, 0x4E454553);
    bool holds = ve_read_all(store->os, fd, &word, sizeof word, VE_PROBE_AT) == 0 &&
                 vf_get64(word) == 0x4E454553;
    ve_set_word(there, 0);
    result = probe_reading(store, fd, map, 0);
    if (result == VARVE_OK && !holds)
        result =
            ve_fail(store, VARVE_E_UNSUITABLE,
                    "%s: what is written to memory does not show in its file on this file system: "
                    "writing is refused; keep the store on a local disk",
                    store->path);
    return result;
}

int ve_probe_file(varve *store, int fd, const char *name) {
    int result = ve_probe_lock(store, fd, name);
    if (result < 0)
        return result;
    void *map = NULL;
    if (!store->alone)
        map = store->os->mmap(VE_PROBE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return ve_place_no_maps(store);
    result = ve_probe_map(store, fd, map);
    if (map != NULL)
        store->os->munmap(map, VE_PROBE_SIZE);
    return result;
}

int ve_place_no_maps(varve *store) {
    if (errno != ENODEV && errno != EINVAL)
        return ve_fail_os(store, "%s: a file cannot be mapped", store->path);
    return ve_fail(
        store, VARVE_E_UNSUITABLE,
        "%s: its file system has no shared memory (%s): writing is refused; keep the store on "
        "a local disk, or say that nobody else uses it with --alone (VARVE_OPEN_ALONE)",
        store->path, strerror(errno));
}

/* ---- Making files ---- */

/* What cannot be given is kept: whoever is not let in is told so when he opens it. */
static void let_in(const ve_os *os, const ve_share *share, int fd, unsigned mode) {
    if (share->give)
        (void)os->chown(fd, share->user, share->group);
    (void)os->chmod(fd, mode);
}

int ve_make_file(const ve_os *os, const ve_share *share, int dir, const char *name, int flags) {
    flags |= O_CREAT | O_NOFOLLOW;
    if (!share->on)
        return os->openat(dir, name, flags, 0600);
    /* Only what was made here is changed: another name may be that of any file. */
    int fd = -1;
    for (int i = 0; i < 100 && fd < 0; i++) {
        fd = os->openat(dir, name, flags | O_EXCL, 0600);
        if (fd >= 0)
            let_in(os, share, fd, 0600 | (share->mode & 066));
        else if (errno != EEXIST || (flags & O_EXCL) != 0 ||
                 ((fd = os->openat(dir, name, flags & ~O_CREAT, 0)) < 0 && errno != ENOENT))
            break;
    }
    return fd;
}

int ve_make_directory(const ve_os *os, const ve_share *share, int dir, const char *name) {
    if (os->mkdirat(dir, name, 0700) < 0)
        return errno == EEXIST ? 0 : -1;
    int fd = share->on ? os->openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0) : -1;
    if (fd >= 0) {
        let_in(os, share, fd, 0700 | share->mode | share->directory);
        os->close(fd);
    }
    return 0;
}

int ve_open_directory(varve *store, const char *name, bool make) {
    const ve_os *os = store->os;
    if (make && ve_make_directory(os, &store->share, store->dir, name) < 0)
        return ve_fail_os(store, "%s/%s: cannot be made", store->path, name);
    int fd = os->openat(store->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    struct stat status;
    if (fd < 0 && errno == ENOTDIR) { /* so the kernel calls a link here */
        if (os->fstatat(store->dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISLNK(status.st_mode))
            errno = ELOOP;
        else
            errno = ENOTDIR;
    }
    return fd >= 0 ? fd : ve_fail_os(store, "%s/%s: cannot be opened", store->path, name);
}

int ve_quarantine(varve *store, int dir, const char *name) {
    char to[128];
    int there = ve_open_directory(store, "quarantine", true);
    if (there < 0)
        return there;
    snprintf(to, sizeof to, "%s.%lld", name, (long long)store->os->now());
    int result = store->os->renameat(dir, name, there, to) < 0
                     ? ve_fail_os(store, "%s: %s cannot be moved to quarantine", store->path, name)
                     : VARVE_OK;
    store->os->close(there);
    return result;
}

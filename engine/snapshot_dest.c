/*
 * The directory of a snapshot: whether it may be written to, and what is to go from it. Only what
 * is empty, or a snapshot of the same store that went no way of its own, is touched at all.
 */
#include "engine/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Opening ---- */

/* Whether the directory is the source's, or lies in it. */
static bool is_inside(const ve_snapshot *s) {
    enum { DEPTH_MAX = 4096 };
    const ve_os *os = s->store->os;
    struct stat source, here, before = {0};
    int fd = os->openat(s->to->dir, ".", O_PATH | O_DIRECTORY, 0);
    bool inside = false;
    if (os->fstat(s->store->dir, &source) < 0)
        source = before;
    for (int depth = 0; fd >= 0 && !inside && depth < DEPTH_MAX; depth++) {
        if (os->fstat(fd, &here) < 0 ||
            (here.st_dev == before.st_dev && here.st_ino == before.st_ino))
            break; /* the root is its own parent */
        inside = here.st_dev == source.st_dev && here.st_ino == source.st_ino;
        before = here;
        int up = os->openat(fd, "..", O_PATH | O_DIRECTORY, 0);
        os->close(fd);
        fd = up;
    }
    if (fd >= 0)
        os->close(fd);
    return inside;
}

int ve_snapshot_open(ve_snapshot *s, const char *path) {
    const ve_os *os = s->store->os;
    bool made = false;
    int dir = os->openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0 && errno == ENOENT) {
        made = os->mkdirat(AT_FDCWD, path, 0700) == 0;
        if (!made && errno != EEXIST)
            return ve_fail_os(s->store, "%s: cannot be made", path);
        dir = os->openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    }
    if (dir < 0)
        return ve_fail_os(s->store, "%s: cannot be opened", path);
    s->to = ve_open_bare(s->store, dir, path);
    if (s->to == NULL) {
        os->close(dir);
        return ve_fail(s->store, VARVE_E_NO_MEMORY, "no memory");
    }
    if (!is_inside(s))
        return VARVE_OK;
    if (made)
        os->unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
    return ve_fail(s->store, VARVE_E_ARGUMENT,
                   "%s: is the store itself or lies in it: choose another place", path);
}

/* ---- What it is ---- */

typedef struct {
    bool store, control, other;
} contents;

static int note_name(void *context, const char *name) {
    contents *c = context;
    if (strcmp(name, "STORE") == 0)
        c->store = true;
    else if (strcmp(name, "CONTROL") == 0)
        c->control = true;
    else if (strcmp(name, VE_SNAPSHOT_STORE) != 0 && strcmp(name, VE_SNAPSHOT_FILE) != 0 &&
             strcmp(name, "LOCK.append") != 0)
        c->other = true;
    return 0;
}

static int own_way(ve_snapshot *s, const char *what) {
    return ve_fail(s->store, VARVE_E_EXISTS,
                   "%s: %s: it is no snapshot of %s any more: choose another place", s->to->path,
                   what, s->store->path);
}

/* Passes on what the directory's own handle says. */
static int of_dest(ve_snapshot *s, int error) {
    return error < 0 ? ve_fail(s->store, error, "%s", ve_error(s->to)) : error;
}

/* Whether a raw segment of the snapshot is what the source has, as far as both have it. What a full
 * one has behind its end means nothing. */
static int check_segment(ve_snapshot *s, uint32_t number, bool last) {
    static const char differs[] = "its log is not that of the store";
    struct stat ours, theirs;
    char name[16];
    ve_segment_name(name, number);
    if (s->store->os->fstatat(s->to->log.dir, name, &ours, AT_SYMLINK_NOFOLLOW) < 0)
        return VARVE_OK;
    if (s->store->os->fstatat(s->from->log.dir, name, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
        ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
        return VARVE_OK;
    uint64_t size = (uint64_t)ours.st_size;
    if (vf_lsn(number, size > UINT32_MAX ? UINT32_MAX : (uint32_t)size) > s->tail)
        return own_way(s, "it has more than the store");
    if (number < s->from->layout->first_raw)
        return VARVE_OK; /* packed since, and to go */
    const ve_segment *a = ve_log_segment(s->from, number), *b = ve_log_segment(s->to, number);
    if (a == NULL)
        return VARVE_OK; /* a compaction took it away meanwhile */
    if (b == NULL || a->salt != b->salt || (last && size > ve_snapshot_end(s, number)))
        return own_way(s, differs);
    int same = last ? ve_snapshot_same(s, s->from->log.dir, s->to->log.dir, name, 0, size) : 1;
    return same == 0                               ? own_way(s, differs)
           : same == VARVE_E_NOT_FOUND || same > 0 ? VARVE_OK
                                                   : same;
}

static int check_log(ve_snapshot *s) {
    varve *to = s->to;
    for (uint32_t number = 1; number <= to->log.count; number++)
        ve_log_forget(to, number); /* looked at before it was locked */
    int result = to->log.dir >= 0 ? VARVE_OK : ve_log_open(to);
    if (result == VARVE_OK)
        result = ve_layout_read(to);
    if (result == VARVE_OK)
        result = ve_log_refresh(to);
    if (result < 0)
        return of_dest(s, result);
    uint64_t ours = to->layout->generation, theirs = s->from->layout->generation;
    if (ours > theirs || to->layout->packed_end > s->tail)
        return own_way(s, "it was compacted, or has more than the store");
    char name[32];
    ve_manifest_name(name, ours);
    int same = ours != 0 && ours == theirs
                   ? ve_snapshot_same(s, s->from->dir, to->dir, name, 0, VF_MANIFEST_HEADER)
                   : 1; /* its sum stands there */
    if (same == 0)
        return own_way(s, "it was compacted");
    if (same < 0 && same != VARVE_E_NOT_FOUND)
        return same;
    for (uint32_t number = 1; number <= to->log.count && result == VARVE_OK; number++)
        result = check_segment(s, number, number == to->log.count);
    return result;
}

int ve_snapshot_inspect(ve_snapshot *s) {
    varve *to = s->to;
    contents c = {0};
    if (to->os->list(to->dir, note_name, &c) < 0)
        return ve_fail_os(s->store, "%s: cannot be listed", to->path);
    s->made = c.store;
    int known = ve_read_identity(to, c.store ? "STORE" : VE_SNAPSHOT_STORE);
    bool ours = known == VARVE_OK && memcmp(to->ident.uuid, s->store->ident.uuid, 16) == 0;
    if (c.store && known < 0)
        return of_dest(s, known);
    if (c.store && !ours)
        return ve_fail(s->store, VARVE_E_EXISTS, "%s: holds another store: choose another place",
                       to->path);
    if (c.control)
        return own_way(s, "it was written to");
    s->begun = ours;
    if (c.store)
        return check_log(s);
    return !c.other || ours
               ? VARVE_OK
               : ve_fail(s->store, VARVE_E_EXISTS,
                         "%s: is not empty and no snapshot: choose another place", to->path);
}

/* ---- Clearing away ---- */

static uint64_t number_of(const char *name, const char *end) {
    char *at;
    unsigned long long number = name[0] >= '0' && name[0] <= '9' ? strtoull(name, &at, 10) : 0;
    return number != 0 && strcmp(at, end) == 0 ? number : 0;
}

static int remove_one(ve_snapshot *s, int dir, const char *name, bool counts) {
    if (s->store->os->unlinkat(dir, name, 0) < 0 && errno != ENOENT)
        return -1;
    s->done.removed_files += counts;
    return 0;
}

static int clear_segment(void *context, const char *name) {
    ve_snapshot *s = context;
    const ve_layout *layout = s->from->layout;
    uint64_t raw = number_of(name, ".log"), packed = number_of(name, ".seg");
    bool gone = raw != 0 && raw < layout->first_raw;
    if (packed != 0) {
        gone = true;
        for (size_t i = 0; i < layout->files; i++)
            gone = gone && layout->file[i]->number != packed;
    }
    return gone ? remove_one(s, s->to->log.dir, name, true) : 0;
}

static int clear_name(void *context, const char *name) {
    ve_snapshot *s = context;
    char kept[32];
    ve_manifest_name(kept, s->from->layout->generation);
    bool manifest = strncmp(name, "manifest.", 9) == 0 && strcmp(name, kept) != 0;
    return manifest || strncmp(name, "tmp.", 4) == 0 ? remove_one(s, s->to->dir, name, manifest)
                                                     : 0;
}

int ve_snapshot_sweep(ve_snapshot *s) {
    const ve_os *os = s->store->os;
    if (os->list(s->to->log.dir, clear_segment, s) < 0 || os->list(s->to->dir, clear_name, s) < 0 ||
        os->fsync(s->to->log.dir) < 0 || os->fsync(s->to->dir) < 0)
        return ve_fail_os(s->store, "%s: what is not needed any more cannot be removed",
                          s->to->path);
    return VARVE_OK;
}

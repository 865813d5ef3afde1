/*
 * One file of a snapshot: shared where the file systems can do that, else copied. It gets its name
 * only when it is whole and on disk, and an existing file is replaced, never written to: it may be
 * the source's as well.
 */
#include "engine/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { COPY_BUFFER = 1 << 20, ENDS = 4096 };

uint64_t ve_snapshot_end(const ve_snapshot *s, uint32_t number) {
    if (number == vf_lsn_segment(s->tail))
        return vf_lsn_offset(s->tail);
    uint64_t end = ve_log_end(s->from, number);
    return vf_lsn_segment(end) == number ? vf_lsn_offset(end) : UINT32_MAX;
}

/* ---- Bytes ---- */

static int open_to_read(ve_snapshot *s, int dir, const char *name, int *ret_fd) {
    *ret_fd = s->store->os->openat(dir, name, O_RDONLY | O_NOFOLLOW, 0);
    if (*ret_fd >= 0)
        return VARVE_OK;
    return errno == ENOENT
               ? ve_fail(s->store, VARVE_E_NOT_FOUND, "%s: %s is missing", s->store->path, name)
               : ve_fail_os(s->store, "%s: %s cannot be opened", s->store->path, name);
}

/* What cannot be copied inside the system goes through memory: 0, or -1 and errno. */
static int copy_bytes(const ve_os *os, int from, int to, uint64_t size) {
    uint64_t at = 0;
    while (at < size) {
        size_t piece = size - at < 1 << 30 ? (size_t)(size - at) : 1 << 30;
        ssize_t done = os->copy(from, to, (int64_t)at, piece);
        if (done <= 0 && !(done < 0 && errno == EINTR))
            break;
        at += done > 0 ? (uint64_t)done : 0;
    }
    uint8_t *buffer = at < size ? malloc(COPY_BUFFER) : NULL;
    if (at < size && buffer == NULL) {
        errno = ENOMEM;
        return -1;
    }
    int failed = 0;
    for (size_t piece; at < size && !failed; at += piece) {
        piece = size - at < COPY_BUFFER ? (size_t)(size - at) : COPY_BUFFER;
        failed = ve_read_all(os, from, buffer, piece, at) < 0 ||
                 ve_write_all(os, to, buffer, piece, at) < 0;
    }
    free(buffer);
    return failed ? -1 : 0;
}

int ve_snapshot_same(ve_snapshot *s, int dir_a, int dir_b, const char *name, uint64_t from,
                     uint64_t to) {
    const ve_os *os = s->store->os;
    int a = -1, b = -1, result = open_to_read(s, dir_a, name, &a);
    if (result == VARVE_OK)
        result = open_to_read(s, dir_b, name, &b);
    uint8_t *buffer = result == VARVE_OK ? malloc((size_t)2 * COPY_BUFFER) : NULL;
    if (result == VARVE_OK && buffer == NULL)
        result = ve_fail(s->store, VARVE_E_NO_MEMORY, "no memory");
    if (result == VARVE_OK)
        result = 1;
    for (size_t piece; from < to && result == 1; from += piece) {
        piece = to - from < COPY_BUFFER ? (size_t)(to - from) : COPY_BUFFER;
        if (ve_read_all(os, a, buffer, piece, from) < 0 ||
            ve_read_all(os, b, buffer + COPY_BUFFER, piece, from) < 0)
            result = ve_fail_os(s->store, "%s: cannot be compared with %s at %s", s->store->path,
                                s->to->path, name);
        else
            result = memcmp(buffer, buffer + COPY_BUFFER, piece) == 0;
    }
    free(buffer);
    if (a >= 0)
        os->close(a);
    if (b >= 0)
        os->close(b);
    return result;
}

/* ---- Files ---- */

static int copy_file(ve_snapshot *s, int dir, const char *name, const char *to, uint64_t size) {
    const ve_os *os = s->store->os;
    struct stat file;
    int in, out, result = open_to_read(s, dir, name, &in);
    if (result < 0)
        return result;
    os->unlinkat(s->to->dir, to,
                 0); /* what a killed snapshot left may be a link to a file of the source */
    out = os->openat(s->to->dir, to, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (out < 0 || os->fstat(in, &file) < 0) {
        result = ve_fail_os(s->store, "%s/%s: cannot be made", s->to->path, to);
    } else {
        size = (uint64_t)file.st_size < size ? (uint64_t)file.st_size : size;
        /* So that the source does not lose in a power cut what the snapshot has. Writers have seen
         * to that already; they would not be told again what is told here. */
        bool failed = s->store->read_only && os->fdatasync(in) < 0;
        if (failed)
            result =
                ve_fail_os(s->store, "%s: %s is not confirmed by the disk", s->store->path, name);
        else if (copy_bytes(os, in, out, size) < 0 || os->fsync(out) < 0)
            result = ve_fail_os(s->store, "%s: %s cannot be copied", s->to->path, name);
    }
    os->close(in);
    if (out >= 0)
        os->close(out);
    if (result < 0)
        os->unlinkat(s->to->dir, to, 0);
    else
        s->done.copied_bytes += size;
    return result;
}

int ve_snapshot_copy(ve_snapshot *s, const char *from, const char *to, uint64_t size) {
    return copy_file(s, s->from->dir, from, to, size);
}

/* Whether a sync says something of all bytes of a file. After one that failed the system takes for
 * written what was not, and answers the next one with success: only a copy is on disk then. */
static bool can_be_confirmed(const ve_snapshot *s, const char *name) {
    const vf_control *control = s->from->control;
    if (control == NULL || strstr(name, ".log") == NULL)
        return true;
    if (strtoul(name, NULL, 10) < vf_lsn_segment(ve_word(&control->synced)))
        return true;
    return ve_word(&control->syncing) == 0 && ve_word(&control->sync_failed) == 0;
}

/* The same file under both names; 0: that cannot be done here. */
static int link_file(ve_snapshot *s, const char *name) {
    const ve_os *os = s->store->os;
    int fd, failed;
    os->unlinkat(s->to->dir, VE_SNAPSHOT_FILE, 0);
    if (os->linkat(s->from->log.dir, name, s->to->dir, VE_SNAPSHOT_FILE) < 0)
        return errno == ENOENT ? ve_fail(s->store, VARVE_E_NOT_FOUND, "%s/seg/%s: is missing",
                                         s->store->path, name)
                               : 0;
    int result = open_to_read(s, s->to->dir, VE_SNAPSHOT_FILE, &fd);
    if (result < 0)
        return result;
    failed = os->fsync(fd) < 0;
    result = failed ? ve_fail_os(s->store, "%s/seg/%s: cannot be synced", s->store->path, name)
             : can_be_confirmed(s, name) ? 1
                                         : 0;
    os->close(fd);
    return result;
}

/* Whether the file that is there already is what would be put there. Sealed files are told by their
 * ends: a raw segment's salt and a packed one's sums stand there. */
static int is_there(ve_snapshot *s, const char *name, uint64_t size, uint64_t ours) {
    if (ours != size)
        return 0;
    int same =
        ve_snapshot_same(s, s->from->log.dir, s->to->log.dir, name, 0, size < ENDS ? size : ENDS);
    if (same == 1 && size > ENDS)
        same = ve_snapshot_same(s, s->from->log.dir, s->to->log.dir, name, size - ENDS, size);
    return same;
}

int ve_snapshot_put(ve_snapshot *s, const char *name, uint64_t size, bool sealed) {
    const ve_os *os = s->store->os;
    struct stat theirs, ours;
    if (os->fstatat(s->from->log.dir, name, &theirs, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT
                   ? ve_fail(s->store, VARVE_E_NOT_FOUND, "%s/seg/%s: is missing", s->store->path,
                             name)
                   : ve_fail_os(s->store, "%s/seg/%s: cannot be looked at", s->store->path, name);
    bool there = os->fstatat(s->to->log.dir, name, &ours, AT_SYMLINK_NOFOLLOW) == 0;
    bool shared = there && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
    int linked = 0;
    size = (uint64_t)theirs.st_size < size ? (uint64_t)theirs.st_size : size;
    if (sealed && !shared && (linked = link_file(s, name)) < 0)
        return linked;
    int same = shared ? sealed : 0;
    if (!shared && linked == 0 && there)
        same = is_there(s, name, size, (uint64_t)ours.st_size);
    if (same < 0)
        return same;
    if (same == 1) {
        s->done.unchanged_files++;
        return VARVE_OK;
    }
    if (linked == 0) {
        int result = copy_file(s, s->from->log.dir, name, VE_SNAPSHOT_FILE, size);
        if (result < 0)
            return result;
    }
    *(linked == 1 ? &s->done.linked_files : &s->done.copied_files) += 1;
    if (os->renameat(s->to->dir, VE_SNAPSHOT_FILE, s->to->log.dir, name) < 0 ||
        os->fsync(s->to->log.dir) < 0)
        return ve_fail_os(s->store, "%s/seg/%s: cannot be put in place", s->to->path, name);
    return VARVE_OK;
}

/*
 * Snapshots: the store's files as they are at one moment, in a directory of their own, while others
 * append and compact. What is sealed is shared; the active segment is copied up to the tail. The
 * order of writes is such that the directory is at every moment the former snapshot, or that and
 * some of what follows it. SPEC.md "Snapshots".
 */
#include "engine/snapshot.h"

#include <errno.h>
#include <fcntl.h>

/* The manifest in force and the tail, in this order: the log reaches at least as far as what is
 * packed. */
static int look(ve_snapshot *s) {
    varve *store = s->store;
    varve_close(&s->from);
    int dir = store->os->openat(store->dir, ".", O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        return ve_fail_os(store, "%s: cannot be opened", store->path);
    varve *from = s->from = ve_open_bare(store, dir, store->path);
    if (from == NULL) {
        store->os->close(dir);
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    }
    from->ident = store->ident;
    from->segment_size = store->segment_size;
    int result = ve_log_open(from);
    if (result == VARVE_OK)
        result = ve_control_open(from);
    if (result == VARVE_OK &&
        from->control == NULL) { /* nobody has written since the handle was opened */
        result = ve_layout_read(from);
        s->tail = from->private_tail = ve_tail(store);
    } else if (result == VARVE_OK) {
        uint64_t generation;
        do { /* one that is gone was replaced */
            generation = ve_word(&from->control->manifest);
            result = ve_layout_at(from, generation);
        } while (result == VARVE_E_NOT_FOUND && ve_word(&from->control->manifest) != generation);
        s->tail = ve_tail(from);
    }
    if (result < 0)
        return ve_fail(store, result == VARVE_E_NOT_FOUND ? VARVE_E_CORRUPT : result, "%s",
                       ve_error(from)[0] != 0 ? ve_error(from) : "no manifest holds");
    s->tail = s->tail > from->layout->packed_end ? s->tail : from->layout->packed_end;
    return VARVE_OK;
}

/* What the snapshot has should not be lost in the store, or that goes on as another one. Only a
 * writer can tell others what the disk says; if it says no, the snapshot is made of copies. */
static void sync_source(ve_snapshot *s) {
    if (!s->store->read_only && s->store->control != NULL && varve_sync(s->store) < 0)
        ve_say(s->store, "%s", ve_error(s->store));
}

/* ---- In the order in which they are written ---- */

static int begin(ve_snapshot *s) {
    varve *to = s->to;
    if (!s->begun) {
        int result = ve_snapshot_copy(s, "STORE", VE_SNAPSHOT_FILE, VF_STORE_SIZE);
        if (result < 0)
            return result;
        if (to->os->renameat(to->dir, VE_SNAPSHOT_FILE, to->dir, VE_SNAPSHOT_STORE) < 0 ||
            to->os->fsync(to->dir) < 0)
            return ve_fail_os(s->store, "%s/%s: cannot be put in place", to->path,
                              VE_SNAPSHOT_STORE);
        s->begun = true;
    }
    if (!s->made && ((to->os->mkdirat(to->dir, "seg", 0700) < 0 && errno != EEXIST) ||
                     to->os->fsync(to->dir) < 0 ||
                     ve_sync_parent(to) < 0)) /* STORE must not be there without them */
        return ve_fail_os(s->store, "%s/seg: cannot be made", to->path);
    int result = to->log.dir >= 0 ? VARVE_OK : ve_log_open(to);
    return result < 0 ? ve_fail(s->store, result, "%s", ve_error(to)) : VARVE_OK;
}

/* Packed segments before the manifest that names them; nothing of the former snapshot goes yet. */
static int put_packed(ve_snapshot *s) {
    const ve_layout *layout = s->from->layout;
    char name[16], manifest[32];
    for (size_t i = 0; i < layout->files; i++) {
        ve_packed_name(name, layout->file[i]->number);
        int result = ve_snapshot_put(s, name, layout->file[i]->file_size, true);
        if (result < 0)
            return result;
    }
    struct stat file;
    const ve_os *os = s->store->os;
    ve_manifest_name(manifest, layout->generation);
    if (layout->generation == 0 ||
        (s->made && os->fstatat(s->to->dir, manifest, &file, AT_SYMLINK_NOFOLLOW) == 0))
        return VARVE_OK; /* the same: that was looked at */
    int result = ve_snapshot_copy(s, manifest, VE_SNAPSHOT_FILE, UINT64_MAX);
    if (result == VARVE_OK &&
        (os->renameat(s->to->dir, VE_SNAPSHOT_FILE, s->to->dir, manifest) < 0 ||
         os->fsync(s->to->dir) < 0))
        result = ve_fail_os(s->store, "%s/%s: cannot be put in place", s->to->path, manifest);
    return result;
}

/* Raw segments one after the other, so that there is never a gap. Whoever appends goes on in the
 * last one. */
static int put_raw(ve_snapshot *s) {
    char name[16];
    uint32_t last = vf_lsn_segment(s->tail);
    int result = VARVE_OK;
    for (uint32_t number = s->from->layout->first_raw; number <= last && result == VARVE_OK;
         number++) {
        ve_segment_name(name, number);
        result = ve_snapshot_put(s, name, ve_snapshot_end(s, number), number != last);
    }
    return result;
}

/* From here on it is a store. */
static int finish(ve_snapshot *s) {
    const ve_os *os = s->store->os;
    if (!s->made && os->renameat(s->to->dir, VE_SNAPSHOT_STORE, s->to->dir, "STORE") < 0)
        return ve_fail_os(s->store, "%s/STORE: cannot be put in place", s->to->path);
    if (!s->made && os->fsync(s->to->dir) < 0)
        return ve_fail_os(s->store, "%s: cannot be synced", s->to->path);
    return ve_snapshot_sweep(s);
}

/* Looks twice: what may not be touched gets no lock file either. */
static int take_over(ve_snapshot *s) {
    varve *to = s->to;
    int result = ve_snapshot_inspect(s);
    if (result < 0)
        return result;
    result = ve_open_lock(to, "LOCK.append", &to->lock_append);
    if (result == VARVE_OK)
        result = ve_lock(to, to->lock_append, "LOCK.append");
    if (result < 0)
        return ve_fail(s->store, result, "%s", ve_error(to));
    return ve_snapshot_inspect(s);
}

static int bring(ve_snapshot *s) {
    int result = VARVE_OK;
    uint64_t missed = 0;
    bool again = false;
    do { /* a compaction may take files away: what it made is there then */
        result = look(s);
        if (result == VARVE_OK && again && s->from->layout->generation == missed)
            return ve_fail(s->store, VARVE_E_CORRUPT,
                           "%s: files of the log are missing: run varve verify", s->store->path);
        if (result == VARVE_OK)
            sync_source(s);
        if (result == VARVE_OK && !s->to->locked)
            result = take_over(s);
        if (result == VARVE_OK)
            result = begin(s);
        if (result == VARVE_OK)
            result = put_packed(s);
        if (result == VARVE_OK)
            result = put_raw(s);
        missed = s->from != NULL && s->from->layout != NULL ? s->from->layout->generation : 0;
        again = result == VARVE_E_NOT_FOUND;
    } while (again);
    return result == VARVE_OK ? finish(s) : result;
}

int varve_snapshot(varve *store, const char *dest, uint32_t flags, varve_snapshot_result *ret) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (dest == NULL || dest[0] == 0 || flags != 0)
        return ve_fail(store, VARVE_E_ARGUMENT, "a snapshot wants a directory, and no flags");
    ve_snapshot s = {.store = store, .done = {.size = sizeof s.done}};
    result = ve_snapshot_open(&s, dest);
    if (result == VARVE_OK)
        result = bring(&s);
    s.done.tail_lsn = s.tail;
    varve_close(&s.from);
    varve_close(&s.to);
    if (result == VARVE_OK && ret != NULL)
        memcpy(ret, &s.done,
               ret->size != 0 && ret->size < sizeof s.done ? ret->size : sizeof s.done);
    return result;
}

/*
 * The plan of a repair carried out: files get their names back, go to quarantine/, or are replaced
 * by what they should be; then the store is opened as a writer would after a crash, what is damaged
 * in raw segments is packed, and all is looked at once more. SPEC.md "Repair".
 */
#include "engine/recover.h"
#include "engine/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Files ---- */

/* A name in quarantine/ that is free. */
static void name_aside(ve_repair *r, const char *base, char *to, size_t room) {
    varve *store = r->store;
    struct stat status;
    int64_t now = store->os->now();
    do
        snprintf(to, room, "%s.%lld", base, (long long)now++);
    while (store->os->fstatat(r->aside, to, &status, AT_SYMLINK_NOFOLLOW) == 0);
}

int ve_repair_away(ve_repair *r, const char *name) {
    varve *store = r->store;
    const char *base;
    char to[100];
    int dir = ve_repair_at(r, name, &base);
    name_aside(r, base, to, sizeof to);
    if (store->os->renameat(dir, base, r->aside, to) < 0)
        return ve_fail_os(store, "%s/%s: cannot be moved to quarantine", store->path, name);
    r->done.moved++;
    return VARVE_OK;
}

static int sync_all(ve_repair *r) {
    varve *store = r->store;
    bool failed = store->os->fsync(store->log.dir) < 0 || store->os->fsync(r->aside) < 0 ||
                  store->os->fsync(store->dir) < 0;
    return failed ? ve_fail_os(store, "%s: cannot be synced", store->path) : VARVE_OK;
}

static int copy_to(ve_repair *r, int from, int to, uint64_t size) {
    enum { PIECE = 1 << 20 };
    uint8_t *buffer = malloc(PIECE);
    int failed = buffer == NULL;
    for (uint64_t at = 0; at < size && !failed;) {
        size_t piece = size - at < PIECE ? (size_t)(size - at) : PIECE;
        failed = ve_read_all(r->store->os, from, buffer, piece, at) < 0 ||
                 ve_write_all(r->store->os, to, buffer, piece, at) < 0;
        at += piece;
    }
    free(buffer);
    return failed ? -1 : 0;
}

/* Puts other bytes under a name at once: all of them ('bytes'), or those of the file with one put
 * right. What was there stays in quarantine/. */
static int replace(ve_repair *r, const char *name, const void *bytes, uint64_t size, uint64_t at,
                   uint8_t byte) {
    varve *store = r->store;
    const ve_os *os = store->os;
    char aside[100];
    const char *base;
    int dir = ve_repair_at(r, name, &base);
    os->unlinkat(store->dir, "tmp.repair", 0);
    int out = ve_make_file(os, &store->share, store->dir, "tmp.repair", O_RDWR | O_EXCL);
    int in = os->openat(dir, base, O_RDONLY | O_NOFOLLOW, 0);
    bool failed = out < 0 || (bytes == NULL && in < 0);
    if (!failed && bytes != NULL)
        failed = ve_write_all(os, out, bytes, (size_t)size, 0) < 0;
    else if (!failed)
        failed = copy_to(r, in, out, size) < 0 || ve_write_all(os, out, &byte, 1, at) < 0;
    failed = failed || os->fsync(out) < 0;
    name_aside(r, base, aside, sizeof aside);
    if (!failed && in >= 0)
        failed = os->linkat(dir, base, r->aside, aside) < 0;
    failed = failed || os->renameat(store->dir, "tmp.repair", dir, base) < 0;
    int result =
        failed ? ve_fail_os(store, "%s/%s: cannot be replaced", store->path, name) : VARVE_OK;
    r->done.moved += !failed && in >= 0;
    if (in >= 0)
        os->close(in);
    if (out >= 0)
        os->close(out);
    if (failed)
        os->unlinkat(store->dir, "tmp.repair", 0);
    return result;
}

/* 1: there is something under this name, 0: there is not. */
static int is_there(ve_repair *r, const char *name) {
    struct stat status;
    const char *base;
    int dir = ve_repair_at(r, name, &base);
    if (r->store->os->fstatat(dir, base, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT
               ? 0
               : ve_fail_os(r->store, "%s/%s: cannot be looked at", r->store->path, name);
}

/* Files that are other segments than their names say: each goes to its own name, by way of
 * quarantine/ if another one is still there. A repair that is cut off leaves it there, under a name
 * that the next one knows. */
static int put_in_place(ve_repair *r) {
    varve *store = r->store;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < r->count; i++) {
            ve_found *f = &r->found[i];
            char to[48];
            if (f->fate != VE_FATE_PLACE)
                continue;
            snprintf(to, sizeof to, "seg/%08u.%s", f->own, f->packed ? "seg" : "log");
            int taken = is_there(r, to), stale = 0;
            if (taken < 0)
                return taken;
            if (taken && (round == 1 || f->aside))
                continue;
            if (taken) {
                snprintf(to, sizeof to, "quarantine/%08u.%s.moved", f->own,
                         f->packed ? "seg" : "log");
                if ((stale = is_there(r, to)) == 1)
                    stale = ve_repair_away(r, to); /* nothing is written over */
                if (stale < 0)
                    return stale;
            }
            const char *from_base, *to_base;
            int from = ve_repair_at(r, f->name, &from_base), in = ve_repair_at(r, to, &to_base);
            if (store->os->renameat(from, from_base, in, to_base) < 0)
                return ve_fail_os(store, "%s/%s: cannot be renamed", store->path, f->name);
            memcpy(f->name, to, sizeof to);
            f->aside = taken;
            f->fate = taken ? VE_FATE_PLACE : VE_FATE_STAYS;
            f->number = f->own;
        }
    return VARVE_OK;
}

static int put_identity(ve_repair *r) {
    varve *store = r->store;
    uint8_t bytes[VF_STORE_SIZE];
    struct stat status;
    memcpy(bytes, &store->ident, sizeof bytes);
    if (!r->make_identity)
        return VARVE_OK;
    if (store->os->fstatat(store->dir, "STORE", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISREG(status.st_mode)) {
        int result = ve_repair_away(r, "STORE");
        if (result < 0)
            return result;
    }
    return replace(r, "STORE", bytes, sizeof bytes, 0, 0);
}

int ve_repair_files(ve_repair *r) {
    varve *store = r->store;
    int result = VARVE_OK;
    if (r->aside < 0)
        r->aside = ve_open_directory(store, "quarantine", true);
    if (r->aside >= 0 && store->log.dir < 0)
        store->log.dir = ve_open_directory(store, "seg", true);
    if (r->aside < 0 || store->log.dir < 0)
        result = r->aside < 0 ? r->aside : store->log.dir;
    if (result == VARVE_OK)
        result = put_identity(r);
    for (size_t i = 0; i < r->count && result == VARVE_OK; i++)
        if (r->found[i].fate == VE_FATE_AWAY)
            result = ve_repair_away(r, r->found[i].name);
    if (result == VARVE_OK)
        result = put_in_place(r);
    if (result == VARVE_OK)
        result = sync_all(r);
    for (size_t i = 0; i < r->count && result == VARVE_OK; i++) {
        const ve_found *f = &r->found[i];
        if (f->flipped && f->fate == VE_FATE_STAYS)
            result = replace(r, f->name, NULL, f->size, f->flip_at, f->flip_byte);
    }
    for (size_t i = 0; i < r->manifests && result == VARVE_OK; i++) {
        const ve_found_manifest *m = &r->manifest[i];
        struct stat status;
        if (m->flipped &&
            store->os->fstatat(store->dir, m->name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            result = replace(r, m->name, NULL, (uint64_t)status.st_size, m->flip_at, m->flip_byte);
    }
    if (result == VARVE_OK)
        result = sync_all(r);
    if (result == VARVE_OK)
        result = ve_repair_pack(r);
    for (size_t i = 0; i < r->parts && result == VARVE_OK;
         i++) { /* only now: they may be needed no more */
        const ve_found *f = r->part[i].from;
        if (r->part[i].anew && f != NULL && !f->whole)
            result = ve_repair_away(r, f->name);
    }
    for (size_t i = 0; i < r->manifests && result == VARVE_OK; i++)
        if (!r->manifest[i].holds)
            result = ve_repair_away(r, r->manifest[i].name);
    return result == VARVE_OK ? sync_all(r) : result;
}

/* ---- The store, open ---- */

static void say(void *context, const char *line) {
    const ve_repair *r = context;
    if (r->options->log != NULL)
        r->options->log(r->options->log_context, line);
}

/* A handle that writes, in place of the one that looked. */
static int reopen(ve_repair *r) {
    varve *old = r->store;
    int dir = old->os->openat(old->dir, ".", O_RDONLY | O_DIRECTORY, 0);
    varve *store = dir < 0 ? NULL : ve_open_bare(old, dir, old->path);
    if (store == NULL) {
        if (dir >= 0)
            old->os->close(dir);
        return dir < 0 ? ve_fail_os(old, "%s: cannot be opened", old->path)
                       : ve_fail(old, VARVE_E_NO_MEMORY, "no memory");
    }
    store->read_only = false;
    store->temp_dir = old->temp_dir;
    store->lock_append = old->lock_append;
    store->lock_compact = old->lock_compact;
    store->share = old->share;
    store->alone = old->alone;
    store->log_line = say;
    store->log_context = r;
    store->repairing = store->locked = true;
    store->published = r->published;
    old->temp_dir = NULL;
    old->lock_append = old->lock_compact = -1;
    for (size_t i = 0; i < r->count; i++)
        ve_repair_close(r, &r->found[i]);
    old->reading = NULL;
    varve_close(&r->store);
    r->store = store;
    int result = ve_read_identity(store, "STORE");
    return result == VARVE_OK ? ve_log_open(store) : result;
}

/* So that nobody believes what CONTROL says. */
static int discard_control(ve_repair *r) {
    static const le64 not_valid;
    varve *store = r->store;
    int fd = store->os->openat(store->dir, "CONTROL", O_RDWR | O_NOFOLLOW, 0);
    if (fd < 0 && errno == ENOENT)
        return VARVE_OK;
    if (fd < 0 && (errno == ELOOP || errno == EISDIR)) /* no file at all */
        return ve_repair_away(r, "CONTROL");
    struct stat status;
    bool failed = fd < 0 || store->os->fstat(fd, &status) < 0 ||
                  (status.st_size >= VF_CONTROL_SIZE &&
                   ve_write_all(store->os, fd, &not_valid, sizeof not_valid,
                                offsetof(vf_control, state)) < 0);
    int result =
        failed ? ve_fail_os(store, "%s/CONTROL: cannot be written", store->path) : VARVE_OK;
    if (fd >= 0)
        store->os->close(fd);
    return result;
}

/* As after a crash: CONTROL is not believed, the log is walked to its end, the index made anew. */
static int recover(ve_repair *r) {
    varve *store = r->store;
    bool anew = r->log_changed || r->control_due || r->make_identity;
    int result = anew ? discard_control(r) : VARVE_OK;
    if (result == VARVE_OK)
        result = ve_recover(store);
    if (result == VARVE_OK && r->index_due && !anew)
        result = ve_rebuild(store, ve_word(&store->control->tail));
    return result;
}

static int pack_raw(ve_repair *r) {
    varve *store = r->store;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    /* A sync of a raw segment may have failed: what can be read of it is on disk when it is packed.
     */
    ve_set_word(&store->control->sync_failed, 0);
    int result = ve_pack_raw(store);
    ve_hold_end(store, &own, before);
    for (size_t i = 0; i < r->count && result == VARVE_OK; i++) {
        char name[32];
        struct stat status;
        const ve_found *f = &r->found[i];
        snprintf(name, sizeof name, "seg/%08u.log", f->own);
        if (f->packed || !f->damaged || f->own >= store->layout->first_raw ||
            store->os->fstatat(store->log.dir, name + 4, &status, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        result = ve_repair_away(r, name);
        ve_log_forget(store, f->own);
    }
    return result;
}

/* All that is known to be lost, so that it is not told again. */
static int write_told(ve_repair *r) {
    varve *store = r->store;
    ve_ranges all = {0};
    int result = VARVE_OK;
    const ve_ranges *lists[] = {&r->told, &r->lost};
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count && result == VARVE_OK; i++)
            result = ve_ranges_add(store, &all, vf_get64(lists[l]->at[i].from),
                                   vf_get64(lists[l]->at[i].to));
    for (size_t f = 0; f < store->layout->files && result == VARVE_OK; f++) {
        ve_packed *file;
        result = ve_layout_file(store, store->layout->file[f]->first, &file);
        for (uint32_t i = 0; result == 1 && i < vf_get32(file->footer.holes.count); i++) {
            const vf_hole *hole = vf_packed_item(file->map, &file->footer.holes, i, sizeof *hole);
            int added = ve_ranges_add(store, &all, vf_get64(hole->from), vf_get64(hole->to));
            result = added < 0 ? added : 1;
        }
        result = result < 0 ? result : VARVE_OK;
    }
    for (uint32_t n = store->layout->first_raw;
         n <= vf_lsn_segment(ve_tail(store)) && result == VARVE_OK; n++) {
        const ve_segment *segment = ve_log_segment(store, n);
        if (segment != NULL && segment->hole_from != 0)
            result = ve_ranges_add(store, &all, segment->hole_from, segment->hole_to);
    }
    ve_ranges_order(&all);
    bool same = all.count == r->told.count;
    for (size_t i = 0; i < all.count && same; i++)
        same = vf_get64(all.at[i].from) == vf_get64(r->told.at[i].from) &&
               vf_get64(all.at[i].to) == vf_get64(r->told.at[i].to);
    if (result == VARVE_OK && !same)
        result = ve_told_write(store, &all);
    ve_ranges_free(&all);
    return result;
}

typedef struct {
    ve_repair *r;
    bool index, tells;
} checking;

static void note_fault(void *context, const varve_finding *finding) {
    checking *c = context;
    c->index = c->index || finding->error == VARVE_E_INDEX;
    bool fault = finding->error != 0 &&
                 finding->error != VARVE_E_SYNC_FAILED; /* the next append mends that */
    if (c->tells && fault)
        ve_repair_tell(c->r, VARVE_REPAIR_LEFT, finding->file, finding->offset, "%s",
                       finding->what);
}

static int check(ve_repair *r) {
    varve *store = r->store;
    checking c = {.r = r};
    store->repairing = false; /* index rows that are damaged would be stepped over */
    int result = varve_verify(store, VARVE_VERIFY_DEEP, note_fault, &c);
    if (result > 0 && c.index) {
        result = ve_rebuild(store, ve_word(&store->control->tail));
        if (result == VARVE_OK)
            result = varve_verify(store, VARVE_VERIFY_DEEP, note_fault, &c);
    }
    c.tells = true;
    if (result > 0)
        result = varve_verify(store, VARVE_VERIFY_DEEP, note_fault, &c);
    return result < 0 ? result : VARVE_OK;
}

int ve_repair_finish(ve_repair *r) {
    int result = reopen(r);
    if (result == VARVE_OK)
        result = recover(r);
    if (result == VARVE_OK && r->raw_damaged)
        result = pack_raw(r);
    if (result < 0)
        return result;
    if (ve_mend(r->store) < 0) /* a sync had failed */
        ve_repair_tell(r, VARVE_REPAIR_LEFT, "CONTROL", offsetof(vf_control, sync_failed), "%s",
                       ve_error(r->store));
    vf_control *control = r->store->control;
    uint64_t tail = ve_word(&control->tail);
    /* Handles that were open before may have other files under the names of raw segments. */
    if (r->log_changed && tail > r->store->layout->packed_end && ve_word(&control->rotating) == 0)
        ve_set_word(&control->rotating, (uint64_t)vf_lsn_segment(tail) + 1);
    result = write_told(r);
    return result == VARVE_OK ? check(r) : result;
}

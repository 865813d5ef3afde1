/*
 * varve_repair: looks at all there is with both locks held, tells what is wrong and what becomes of
 * it, and unless it only tells, does that. SPEC.md "Repair".
 */
#include "engine/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- The directory and its locks ---- */

static int open_directory(ve_repair *r, const ve_os *os, const char *path) {
    varve like = {.os = os,
                  .lock_timeout_ms =
                      r->options->lock_timeout_ms == 0 ? 10000 : r->options->lock_timeout_ms};
    int dir = os->openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    int number = errno;
    varve *store = r->store = ve_open_bare(&like, dir, path);
    if (store == NULL) {
        if (dir >= 0)
            os->close(dir);
        return VARVE_E_NO_MEMORY;
    }
    errno = number;
    if (dir < 0)
        return errno == ENOENT
                   ? ve_fail(store, VARVE_E_NOT_FOUND, "%s: there is no store here", path)
                   : ve_fail_os(store, "%s: cannot be opened", path);
    const char *temp = r->options->temp_dir != NULL ? r->options->temp_dir : getenv("TMPDIR");
    store->temp_dir = strdup(temp != NULL && temp[0] != 0 ? temp : "/tmp");
    store->log_line = r->options->log;
    store->log_context = r->options->log_context;
    struct stat status;
    bool store_there = os->fstatat(dir, "STORE", &status, AT_SYMLINK_NOFOLLOW) == 0;
    bool seg_there = os->fstatat(dir, "seg", &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (!store_there && !seg_there)
        return ve_fail(store, VARVE_E_NOT_FOUND, "%s: there is no store here", path);
    if (!store_there && os->fstatat(dir, "tmp.snapshot", &status, AT_SYMLINK_NOFOLLOW) == 0)
        return ve_fail(store, VARVE_E_NOT_A_STORE,
                       "%s: is a snapshot that was not finished: make it again from its store",
                       path);
    if (store->temp_dir == NULL)
        return VARVE_E_NO_MEMORY;
    store->read_only = r->dry;
    int result = ve_place_check(store, r->options->flags);
    store->read_only = true;
    return result;
}

/* Whoever only tells makes no lock files. */
static int lock(ve_repair *r, const char *name, int *fd) {
    varve *store = r->store;
    if (!r->dry) {
        int result = ve_open_lock(store, name, fd);
        return result < 0 ? result : ve_lock(store, *fd, name);
    }
    *fd = store->os->openat(store->dir, name, O_RDONLY | O_NOFOLLOW, 0);
    if (*fd < 0)
        return errno == ENOENT ? VARVE_OK
                               : ve_fail_os(store, "%s/%s: cannot be opened", store->path, name);
    return ve_lock(store, *fd, name);
}

/* ---- Looking ---- */

/* What CONTROL tells of the end of the log, also if the segment in which that lies is gone. */
static int look_at_control(ve_repair *r) {
    varve *store = r->store;
    vf_control page;
    struct stat status;
    uint8_t boot[16];
    int result = ve_control_open(store);
    if (result < 0)
        return result;
    r->control_believed = store->control != NULL;
    int fd = store->os->openat(store->dir, "CONTROL", O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    bool there = fd >= 0 && store->os->fstat(fd, &status) == 0 &&
                 status.st_size >= VF_CONTROL_SIZE &&
                 ve_read_all(store->os, fd, &page, sizeof page, 0) == 0 &&
                 memcmp(page.magic, VF_CONTROL_MAGIC, 8) == 0 &&
                 memcmp(page.store_uuid, store->ident.uuid, 16) == 0;
    if (fd >= 0)
        store->os->close(fd);
    if (there)
        r->known_tail = vf_get64(page.tail);
    bool now = there && store->os->boot_id(boot) == 0 && memcmp(page.boot_id, boot, 16) == 0 &&
               vf_get64(page.device) == (uint64_t)status.st_dev &&
               vf_get64(page.inode) == (uint64_t)status.st_ino && vf_get64(page.state) == 1;
    /* One of the chain words names the tail, too: a tail that is damaged itself says nothing. */
    uint32_t mark = there ? vf_chain_mark(vf_get64(page.tail)) : 0;
    bool named =
        there && (vf_get64(page.chain) >> 32 == mark || vf_get64(page.chain_other) >> 32 == mark);
    if (!named) {
        r->known_tail = 0;
        r->control_believed = false;
        ve_control_let_go(store);
    }
    if (now && named)
        r->published = vf_get64(page.tail);
    r->nobodys = fd < 0 && store->os->fstatat(store->dir, "idx", &status, AT_SYMLINK_NOFOLLOW) < 0;
    /* (otherwise it is not known what was confirmed: recovery syncs all it finds) */
    r->sync_due = r->control_believed && ve_word(&store->control->sync_failed) != 0;
    if (r->sync_due)
        ve_repair_tell(r, VARVE_REPAIR_MENDED, "CONTROL", offsetof(vf_control, sync_failed),
                       "a sync has failed: what it left unconfirmed is written anew");
    if (!r->control_believed && !r->nobodys)
        ve_repair_tell(r, VARVE_REPAIR_MENDED, "CONTROL", 0, "%s: made anew",
                       fd < 0   ? "is missing"
                       : !there ? "is damaged, or of another store"
                       : !named ? "is damaged"
                       : now    ? "tells of a segment that is not there"
                                : "is of another boot, or a copy, or half made");
    r->control_due = !r->control_believed && !r->nobodys;
    return VARVE_OK;
}

typedef struct {
    ve_repair *r;
    bool index, control;
} faults;

static void note_fault(void *context, const varve_finding *finding) {
    faults *f = context;
    bool control = finding->error == VARVE_E_CORRUPT && strcmp(finding->file, "CONTROL") == 0;
    if (finding->error == 0 || finding->error == VARVE_E_SYNC_FAILED)
        return;
    if (control && !f->control)
        ve_repair_tell(f->r, VARVE_REPAIR_MENDED, finding->file, finding->offset, "%s: made anew",
                       finding->what);
    else if (finding->error == VARVE_E_INDEX && !f->index)
        ve_repair_tell(f->r, VARVE_REPAIR_MENDED, finding->file, finding->offset,
                       "%s: the index is made anew", finding->what);
    else if (!control && finding->error != VARVE_E_INDEX)
        ve_repair_tell(f->r, VARVE_REPAIR_LEFT, finding->file, finding->offset, "%s",
                       finding->what);
    f->control = f->control || control;
    f->index = f->index || finding->error == VARVE_E_INDEX;
}

/* Where nothing else is wrong the index is held against the log. */
static int look_at_index(ve_repair *r) {
    varve *store = r->store;
    faults f = {.r = r};
    int result = ve_index_open(store, &store->index, ve_word(&store->control->index_generation));
    if (result == VARVE_E_INDEX || ve_is_damage(result)) {
        ve_repair_tell(r, VARVE_REPAIR_MENDED, "idx", 0, "is missing or damaged: made anew");
        r->index_due = true;
        return VARVE_OK;
    }
    store->reading = NULL;
    if (result == VARVE_OK)
        result = varve_verify(store, VARVE_VERIFY_DEEP, note_fault, &f);
    if (result == VARVE_E_INDEX) {
        ve_repair_tell(r, VARVE_REPAIR_MENDED, "idx", 0, "is damaged: made anew");
        f.index = true;
        result = VARVE_OK;
    }
    r->index_due = f.index;
    r->control_due = f.control;
    return result < 0 ? result : VARVE_OK;
}

static int look(ve_repair *r) {
    varve *store = r->store;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    int result = ve_repair_identity(r);
    if (result == VARVE_OK)
        result = ve_repair_census(r);
    if (result == VARVE_OK)
        result = look_at_control(r);
    if (result == VARVE_OK)
        result = ve_told_read(store, &r->told);
    if (result == VARVE_OK)
        result = ve_repair_choose(r);
    if (result == VARVE_OK) {
        store->reading = store->layout;
        store->repairing = true;
        result = ve_repair_raw(r);
    }
    if (result == VARVE_OK)
        result = ve_repair_lost_blocks(r);
    if (result == VARVE_OK)
        result = ve_repair_lost_sessions(r);
    if (result == VARVE_OK)
        result = ve_repair_rows(r);
    if (result == VARVE_OK && r->make_identity && !r->flip_identity)
        result = ve_repair_machine(r);
    store->repairing = false;
    bool nothing = !r->log_changed && r->control_believed && !r->control_due && !r->make_identity &&
                   !r->make_seg;
    if (result == VARVE_OK && nothing && r->lost.count == 0)
        result = look_at_index(r);
    ve_hold_end(store, &own, before);
    return result;
}

/* ---- All of it ---- */

static bool is_due(const ve_repair *r) {
    return r->log_changed || r->sync_due || r->control_due || r->index_due || r->make_identity ||
           r->make_seg || r->lost.count > 0;
}

static int run(ve_repair *r, const ve_os *os, const char *path) {
    int result = open_directory(r, os, path);
    if (result == VARVE_OK)
        result = lock(r, "LOCK.compact", &r->store->lock_compact);
    if (result == VARVE_OK)
        result = lock(r, "LOCK.append", &r->store->lock_append);
    if (result < 0)
        return result;
    r->store->locked = true; /* (also if there was no file to be locked) */
    result = look(r);
    if (result < 0 || r->dry || !is_due(r))
        return result;
    r->store->repairing = true;
    result = ve_repair_files(r);
    return result == VARVE_OK ? ve_repair_finish(r) : result;
}

static void end(ve_repair *r) {
    for (size_t i = 0; i < r->count; i++)
        ve_repair_close(r, &r->found[i]);
    for (size_t i = 0; i < r->parts; i++)
        ve_ranges_free(&r->part[i].lost);
    ve_ranges_free(&r->told);
    ve_ranges_free(&r->lost);
    ve_ranges_free(&r->gaps);
    free(r->found);
    free(r->manifest);
    free(r->named);
    free(r->part);
    if (r->aside >= 0)
        r->store->os->close(r->aside);
    if (r->store != NULL)
        r->store->reading = NULL;
    varve_close(&r->store);
}

int ve_repair_store(const ve_os *os, const char *path, const varve_options *options, uint32_t flags,
                    void (*tell)(void *context, const varve_repair_step *step), void *context,
                    varve_repaired *ret_repaired) {
    varve_options defaults;
    varve_options_init(&defaults);
    options = options == NULL ? &defaults : options;
    ve_repair r = {.options = options,
                   .aside = -1,
                   .dry = (flags & VARVE_REPAIR_DRY_RUN) != 0,
                   .tell = tell,
                   .context = context,
                   .done = {.size = sizeof r.done}};
    if (path == NULL || options->size < sizeof defaults ||
        (options->machine_id.ptr != NULL &&
         (options->machine_id.size == 0 || options->machine_id.size > VF_MACHINE_MAX)))
        return VARVE_E_ARGUMENT;
    int result = run(&r, os, path);
    if (result < 0 && options->error != NULL && options->error_size > 0)
        snprintf(options->error, options->error_size, "%s",
                 r.store != NULL && ve_error(r.store)[0] != 0 ? ve_error(r.store)
                                                              : varve_strerror(result));
    if (result >= 0 && ret_repaired != NULL)
        memcpy(ret_repaired, &r.done,
               ret_repaired->size != 0 && ret_repaired->size < sizeof r.done ? ret_repaired->size
                                                                             : sizeof r.done);
    end(&r);
    return result < 0 ? result : VARVE_OK;
}

int varve_repair(const char *path, const varve_options *options, uint32_t flags,
                 void (*tell)(void *context, const varve_repair_step *step), void *context,
                 varve_repaired *ret_repaired) {
    return ve_repair_store(&ve_os_system, path, options, flags, tell, context, ret_repaired);
}

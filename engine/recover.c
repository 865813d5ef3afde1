/*
 * Recovery. A dead process: finish its index change, fold what it published. A dead machine, a
 * copy, a lost CONTROL: walk the log to its end, then make the index anew. Nothing is deleted; what
 * was never acknowledged and cannot follow is moved to quarantine/. SPEC.md "Recovery".
 */
#include "engine/recover.h"
#include "engine/fold.h"
#include "engine/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- Putting things in order, under the lock ---- */

static int quarantine(varve *store, uint32_t number) {
    char name[16];
    struct stat file;
    ve_segment_name(name, number);
    if (store->os->fstatat(store->log.dir, name, &file, AT_SYMLINK_NOFOLLOW) < 0 ||
        file.st_size == 0)
        return VARVE_OK; /* none, or one that was only just made */
    int result = ve_quarantine(store, store->log.dir, name);
    if (result < 0)
        return result;
    ve_say(store, "%s/seg/%s: does not follow the log's end: moved to quarantine/", store->path,
           name);
    ve_log_forget(store, number);
    return VARVE_OK;
}

static int begin_control(varve *store, const ve_log_state *state) {
    int result = ve_control_create(store);
    if (result < 0)
        return result;
    vf_control *control = store->control;
    ve_set_word(&control->chain, 0);
    ve_set_word(&control->chain_other, 0);
    ve_publish(store, state->tail, state->chain, state->last_record);
    ve_set_word(
        &control->synced,
        state->witness); /* as it was: a death before the hole is written down must find it again */
    ve_set_word(&control->last_sync_record, 0);
    ve_set_word(&control->applied, 0);
    ve_set_word(&control->manifest, store->layout->generation);
    ve_set_word(&control->rotating, state->packed ? (uint64_t)store->layout->first_raw : 0);
    ve_set_word(&control->ready_size, vf_lsn_offset(state->tail));
    return VARVE_OK;
}

/* What was found is worth knowing, also when all is well again. */
static void report(varve *store, const ve_log_state *state) {
    if (state->hole_from != 0)
        ve_say(store,
               "%s/seg/%08u.log offset %u: data that the disk had acknowledged is damaged; what is "
               "whole around it is "
               "served; run varve verify",
               store->path, vf_lsn_segment(state->hole_from), vf_lsn_offset(state->hole_from));
    if (state->known_tail > state->tail && state->hole_from == 0 && state->torn == 0)
        ve_say(store,
               "%s/seg/%08u.log offset %u: the log ends here; it had gone on to segment %u offset "
               "%u, which had not been "
               "acknowledged",
               store->path, vf_lsn_segment(state->tail), vf_lsn_offset(state->tail),
               vf_lsn_segment(state->known_tail), vf_lsn_offset(state->known_tail));
    if (state->torn != 0)
        ve_say(store,
               "%s/seg/%08u.log offset %u: an unfinished append was cut off here; it had not been "
               "acknowledged",
               store->path, vf_lsn_segment(state->tail), vf_lsn_offset(state->tail));
}

static int from_scratch(varve *store) {
    ve_log_state state;
    int result = ve_find_end(store, &state);
    if (result == VARVE_OK)
        result = begin_control(store, &state);
    if (result < 0)
        return result;
    report(store, &state);
    for (uint32_t number = store->log.count; state.abandon != 0 && number >= state.abandon;
         number--)
        if (number >= store->layout->first_raw && (result = quarantine(store, number)) < 0)
            return result;
    bool shared = !state.packed && ve_segment_is_shared(store, vf_lsn_segment(state.tail));
    if (state.tail == 0 || state.hole_from != 0 || state.torn != 0 || shared) {
        uint32_t next = state.tail == 0 ? 1 : vf_lsn_segment(state.tail) + 1;
        result = quarantine(store, next); /* a file with this number that nobody could follow */
        if (result == VARVE_OK)
            result = ve_segment_begin(store, next, state.tail, state.chain, state.hole_from,
                                      state.hole_to);
    }
    if (result == VARVE_OK && state.witness > ve_word(&store->control->tail))
        ve_set_word(&store->control->synced, state.tail);
    if (result == VARVE_OK)
        result = ve_rebuild(store, ve_word(&store->control->tail));
    /* What was found is what counts from now on: on disk, and witnessed, so that damage to it can
     * be told later. */
    if (result == VARVE_OK && ve_sync_to(store, ve_word(&store->control->tail)) < 0)
        ve_say(store, "%s", ve_error(store));
    return result;
}

int ve_recover(varve *store) {
    int result = ve_control_open(store); /* another process may have done it meanwhile */
    if (result < 0)
        return result;
    if (store->control == NULL)
        return from_scratch(store);
    if ((result = ve_layout_follow(store)) < 0)
        return result;
    result = ve_index_open(store, &store->index, ve_word(&store->control->index_generation));
    if (result == VARVE_OK)
        return VARVE_OK;
    return ve_rebuild(store, ve_word(&store->control->tail));
}

/* ---- The index anew ---- */

static int note_generation(void *context, const char *name) {
    char *end;
    unsigned long long number = strtoull(name, &end, 10);
    if (*end == 0 && number > *(uint64_t *)context)
        *(uint64_t *)context = number;
    return 0;
}

static int remove_file(void *context, const char *name) {
    const ve_index *index = context;
    index->os->unlinkat(index->dir, name, 0);
    return 0;
}

static void remove_generation(varve *store, int idx, const char *name) {
    ve_index at = {.os = store->os,
                   .dir = store->os->openat(idx, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)};
    if (at.dir < 0)
        return;
    store->os->list(at.dir, remove_file, &at);
    store->os->close(at.dir);
    store->os->unlinkat(idx, name, AT_REMOVEDIR);
}

typedef struct {
    varve *store;
    int idx;
    uint64_t keep;
} sweep;

static int remove_older(void *context, const char *name) {
    sweep *s = context;
    char *end;
    unsigned long long number = strtoull(name, &end, 10);
    if (*end == 0 && number != s->keep)
        remove_generation(s->store, s->idx, name);
    return 0;
}

/* The rows that packed segments carry, then what the log says behind them. */
int ve_fold_all(varve *store, ve_index *index, uint64_t tail) {
    uint64_t from;
    int result = ve_changes_load(store, index, &from);
    return result == VARVE_OK && from < tail ? ve_fold_range(store, index, from, tail, NULL)
                                             : result;
}

void ve_remove_indexes(varve *store, uint64_t keep) {
    int dir = store->os->openat(store->dir, "idx", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    sweep s = {store, dir, keep};
    if (dir < 0)
        return;
    store->os->list(dir, remove_older, &s);
    store->os->close(dir);
}

static int make_anew(varve *store, uint64_t generation, uint64_t tail) {
    ve_index_close(&store->index);
    int result = ve_index_create(store, &store->index, generation, store->private_control);
    if (result < 0)
        return result;
    uint8_t *redo = store->index.redo; /* a death while rebuilding is answered by rebuilding */
    store->index.redo = NULL;
    result = ve_fold_all(store, &store->index, tail);
    store->index.redo = redo;
    return result;
}

int ve_rebuild(varve *store, uint64_t tail) {
    const ve_os *os = store->os;
    uint64_t highest = ve_word(
        &store->control
             ->index_generation); /* also if its directory was removed: handles have it open */
    int dir = ve_open_directory(store, "idx", true);
    if (dir < 0)
        return dir;
    int result = os->list(dir, note_generation, &highest) < 0
                     ? ve_fail_os(store, "%s/idx: cannot be listed", store->path)
                     : VARVE_OK;
    os->close(dir);
    if (result < 0)
        return result;
    result = make_anew(store, highest + 1, tail);
    if (result == VARVE_E_NO_SPACE) { /* without the one that is to be replaced there may be */
        ve_set_word(&store->control->state, 0);
        ve_index_close(&store->index);
        ve_remove_indexes(store, 0);
        result = make_anew(store, highest + 1, tail);
    }
    if (result == VARVE_OK) {
        ve_set_word(&store->control->index_generation, highest + 1);
        ve_set_word(&store->control->applied, tail);
        ve_set_word(&store->control->state, 1);
        ve_remove_indexes(store, highest + 1);
    } else if (result == VARVE_E_NO_SPACE) {
        ve_index_close(&store->index);
        ve_remove_indexes(store, 0);
    }
    return result;
}

/* Whether some records are gone, or lost, so that events alone do not tell everything. */
static int is_trimmed(varve *store, bool *ret_trimmed) {
    const ve_layout *layout = ve_layout_now(store);
    *ret_trimmed = false;
    for (size_t i = 0; layout != NULL && i < layout->files && !*ret_trimmed; i++) {
        ve_packed *file;
        int found = ve_layout_file(store, layout->file[i]->first, &file);
        if (found < 0)
            return found;
        *ret_trimmed = vf_get32(file->footer.holes.count) > 0;
        for (uint32_t s = 0; s < vf_get32(file->footer.sessions.count) && !*ret_trimmed; s++) {
            const vf_packed_session *session =
                vf_packed_item(file->map, &file->footer.sessions, s, VF_PACKED_SESSION);
            *ret_trimmed = (vf_get32(session->flags) & VF_RUN_DROPPED) != 0;
        }
    }
    return VARVE_OK;
}

int ve_private_index(varve *store, ve_index *index, uint64_t *tail, bool events) {
    ve_layout *layout = NULL, *before = store->reading;
    bool trimmed = false;
    int result = ve_index_create(store, index, 0, true);
    if (result == VARVE_OK)
        result = ve_layout_keep(store, *tail, &layout); /* a compaction may go on meanwhile */
    if (result < 0)
        return result;
    store->reading = layout;
    if (events)
        result = is_trimmed(store, &trimmed);
    uint64_t from = ve_log_first(store);
    if (result == VARVE_OK && (!events || trimmed))
        result = ve_changes_load(store, index, &from);
    if (*tail < from) /* appended and packed since: the rows count it */
        *tail = from;
    if (result == VARVE_OK && from < *tail)
        result = ve_fold_range(store, index, from, *tail, NULL);
    store->reading = before;
    if (index != &store->index) /* else it is the handle's snapshot: kept until that is closed */
        ve_layout_release(store, layout);
    return result;
}

int ve_catch_up(varve *store) {
    vf_control *control = store->control;
    store->trouble = 0;
    ve_hold_drop(store, &store->own_hold);
    if (store->given_up) /* nobody else was here */
        return ve_word(&control->applied) < ve_word(&control->tail)
                   ? ve_fold_range(store, &store->index, ve_word(&control->applied),
                                   ve_word(&control->tail), &control->applied)
                   : VARVE_OK;
    if (control == NULL || ve_word(&control->state) != 1 || !ve_control_is_current(store))
        return ve_recover(store);
    int followed = ve_layout_follow(store);
    if (followed < 0)
        return followed;
    if (ve_word(&control->manifest) == 0 &&
        store->layout->generation != 0) { /* the word is damaged */
        ve_say(store, "%s/CONTROL: says that nothing is packed: it is set right", store->path);
        ve_set_word(&control->manifest, store->layout->generation);
    }
    if (!ve_tail_holds(store)) {
        if (store->trouble < 0)
            return ve_fail(store, store->trouble, "%s: the log's end cannot be looked at",
                           store->path);
        ve_say(store, "%s/CONTROL: is damaged: the log is read to find its end", store->path);
        return from_scratch(store);
    }
    int result = VARVE_OK; /* (checks of the index come behind the redo: a dead writer may have left
                              it half changed) */
    if (!store->index.open || store->index.generation != ve_word(&control->index_generation))
        result = ve_index_open(store, &store->index, ve_word(&control->index_generation));
    uint64_t applied = 0, tail = ve_word(&control->tail);
    if (result == VARVE_OK)
        result = ve_redo(store, &store->index, &applied);
    if (result == 1) { /* a writer died while it put a group in place */
        if (applied > ve_word(&control->applied))
            ve_set_word(&control->applied, applied);
        ve_set_word(&((vf_redo_header *)(void *)store->index.redo)->state, 0);
        result = VARVE_OK;
    }
    if (result == VARVE_OK && !ve_heads_hold(&store->index))
        result = ve_fail(store, VARVE_E_INDEX,
                         "%s/idx: the sizes of the tables do not fit together", store->path);
    if (result == VARVE_OK && ve_word(&control->applied) < tail)
        result = ve_fold_range(store, &store->index, ve_word(&control->applied), tail,
                               &control->applied);
    if (result != VARVE_E_INDEX)
        return result;
    ve_say(store, "%s: the index is unfit (%s): it is made anew", store->path, ve_error(store));
    return ve_rebuild(store, tail);
}

int varve_reindex(varve *store) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (store->read_only)
        return ve_fail(store, VARVE_E_READ_ONLY, "%s: opened for reading only", store->path);
    if ((result = ve_lock(store, store->lock_append, "LOCK.append")) < 0)
        return result;
    result = ve_rebuild(store, ve_word(&store->control->tail));
    ve_unlock(store, store->lock_append);
    return result;
}

int ve_follow_index(varve *store) {
    int result = ve_layout_follow(store);
    if (result < 0 || store->control == NULL)
        return result;
    uint64_t generation = ve_word(&store->control->index_generation);
    for (int i = 0; i < 100 && (!store->index.open || store->index.generation != generation); i++) {
        result = ve_index_open(store, &store->index, generation);
        if (result < 0 && generation == ve_word(&store->control->index_generation))
            return result;
        generation = ve_word(&store->control->index_generation);
    }
    return VARVE_OK;
}

bool ve_await_index(varve *store, uint64_t tail, int times, int64_t pause) {
    for (; ve_applied(store) < tail; times--) {
        if (times <= 0)
            return false;
        store->os->sleep(pause);
    }
    return true;
}

/*
 * Recovery. A dead process: finish its index change, fold what it published. A dead machine, a
 * copy, a lost CONTROL: walk the log to its end, then make the index anew. Nothing is deleted; what
 * was never acknowledged and cannot follow is moved to quarantine/. SPEC.md "Recovery".
 */
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- Walking a log whose end is not known ---- */

typedef struct {
    varve *store;
    uint64_t (*record)(void *context, uint64_t lsn, const vf_frame *frame,
                       const uint8_t *bytes); /* != 0: stop */
    uint64_t (*damage)(void *context, uint64_t from, uint64_t to);
    void *context;
} walker;

/* Bytes of segment 'number' that its records may take: named by a successor, else the whole file.
 */
static uint64_t walk_limit(varve *store, const ve_segment *segment) {
    ve_segment *next =
        segment->number < store->log.count ? ve_log_segment(store, segment->number + 1) : NULL;
    if (next != NULL && vf_lsn_segment(next->prev_end) == segment->number)
        return vf_lsn_offset(next->prev_end);
    return segment->file_size;
}

static bool all_zero(const uint8_t *bytes, uint64_t size) {
    for (uint64_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static int walk_segment(walker *w, const ve_segment *segment) {
    uint64_t named = walk_limit(w->store, segment);
    uint64_t end = named < segment->file_size ? named : segment->file_size,
             offset = VF_SEGMENT_HEADER;
    bool last = named == segment->file_size && segment->number == w->store->log.count,
         chained = true;
    uint32_t chain = segment->first_chain;
    vf_frame frame;
    while (offset < end) {
        uint64_t lsn = vf_lsn(segment->number, (uint32_t)offset);
        const uint8_t *at = segment->map + offset;
        if (vf_record_check(at, (size_t)(end - offset), segment->salt, lsn, chained ? &chain : NULL,
                            &frame) == VF_OK) {
            if (w->record(w->context, lsn, &frame, at) != 0)
                return 1;
            chain = (uint32_t)vf_get64(frame.header_sum);
            chained = true;
            offset += vf_get32(frame.length);
            continue;
        }
        uint64_t from = offset;
        do
            offset += VF_RECORD_ALIGN;
        while (offset + VF_FRAME_SIZE <= end &&
               vf_record_check(segment->map + offset, (size_t)(end - offset), segment->salt,
                               vf_lsn(segment->number, (uint32_t)offset), NULL, &frame) != VF_OK);
        offset = offset + VF_FRAME_SIZE <= end ? offset : end;
        chained = false;
        if (last && offset == end && all_zero(at, end - from))
            return 0; /* zeros written ahead: the plain end */
        if (w->damage(w->context, lsn, vf_lsn(segment->number, (uint32_t)offset)) != 0)
            return 1;
    }
    if (end < named) /* cut off before the end that its successor names */
        return w->damage(w->context, vf_lsn(segment->number, (uint32_t)end),
                         vf_lsn(segment->number + 1, VF_SEGMENT_HEADER)) != 0;
    return 0;
}

static int walk_log(walker *w) {
    w->store->trouble = 0;
    int result = ve_log_refresh(w->store);
    for (uint32_t number = 1; result == 0 && number <= w->store->log.count; number++) {
        ve_segment *segment = ve_log_segment(w->store, number);
        if (segment != NULL && (result = ve_log_measure(w->store, segment)) == VARVE_OK)
            result = walk_segment(w, segment);
        else if (segment != NULL)
            return result;
        else if (w->store->trouble < 0)
            return w->store->trouble; /* not damage: it could not be looked at */
        else                          /* offset 0: not even its header */
            result = w->damage(w->context, vf_lsn(number, 0),
                               vf_lsn(number + 1, VF_SEGMENT_HEADER)) != 0;
    }
    return result < 0 ? result : VARVE_OK;
}

static uint64_t note_witness(void *context, uint64_t lsn, const vf_frame *frame,
                             const uint8_t *bytes) {
    uint64_t *witness = context;
    if (frame->kind == VF_KIND_SYNC &&
        vf_get32(frame->length) >= VF_FRAME_SIZE + sizeof(vf_sync_fixed)) {
        vf_sync_fixed body;
        memcpy(&body, bytes + VF_FRAME_SIZE, sizeof body);
        uint64_t synced = vf_get64(body.synced);
        if (synced > *witness && synced <= lsn)
            *witness = synced;
    }
    return 0;
}

static uint64_t pass_over(void *context, uint64_t from, uint64_t to) {
    (void)context, (void)from, (void)to;
    return 0;
}

static uint64_t follow(void *context, uint64_t lsn, const vf_frame *frame, const uint8_t *bytes) {
    ve_log_state *state = context;
    (void)bytes;
    state->open_end = lsn + vf_get32(frame->length);
    state->open_chain = (uint32_t)vf_get64(frame->header_sum);
    state->open_record = lsn;
    if ((frame->flags & VF_FRAME_BATCH_END) != 0) {
        state->last_record = lsn;
        state->tail = state->open_end;
        state->chain = state->open_chain;
    }
    return 0;
}

static uint64_t judge(void *context, uint64_t from, uint64_t to) {
    ve_log_state *state = context;
    if (from >= state->witness) { /* never acknowledged: the log ends with the last whole batch */
        state->torn = to - from > UINT32_MAX ? UINT32_MAX : to - from;
        state->abandon =
            vf_lsn_offset(from) == 0 ? vf_lsn_segment(from) : vf_lsn_segment(state->tail) + 1;
        return 1;
    }
    state->hole_from = state->hole_from == 0 ? from : state->hole_from;
    state->hole_to = to;
    if (state->open_end > state->tail) { /* what is whole is served */
        state->tail = state->open_end;
        state->last_record = state->open_record;
    }
    state->chain = state->open_chain;
    return 0;
}

/* What a CONTROL page tells that is otherwise not believed: 'synced' is a witness, the tail is
 * worth a line. */
static void ask_old_control(varve *store, ve_log_state *state) {
    vf_control page;
    int fd = store->os->openat(store->dir, "CONTROL", O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return;
    if (ve_read_all(store->os, fd, &page, sizeof page, 0) == 0 &&
        memcmp(page.magic, VF_CONTROL_MAGIC, 8) == 0 &&
        memcmp(page.store_uuid, store->ident.uuid, 16) == 0) {
        state->witness = vf_get64(page.synced);
        state->known_tail = vf_get64(page.tail);
    }
    store->os->close(fd);
}

int ve_find_end(varve *store, ve_log_state *ret_state) {
    ve_log_state state = {0};
    ask_old_control(store, &state);
    walker w = {store, note_witness, pass_over, &state.witness};
    int result = walk_log(&w);
    if (result < 0)
        return result;
    if (store->log.count > 0) {
        ve_segment *first = ve_log_segment(store, 1);
        if (first != NULL) {
            state.tail = state.open_end = vf_lsn(1, VF_SEGMENT_HEADER);
            state.chain = state.open_chain = first->first_chain;
        }
        w = (walker){store, follow, judge, &state};
        result = walk_log(&w);
    }
    /* A segment that was begun but holds nothing yet. */
    ve_segment *last = store->log.count > 0 ? ve_log_segment(store, store->log.count) : NULL;
    if (result == VARVE_OK && state.abandon == 0 && last != NULL &&
        vf_lsn_segment(state.tail) < last->number) {
        state.tail = vf_lsn(last->number, VF_SEGMENT_HEADER);
        state.chain = last->first_chain;
        state.last_record = 0;
    }
    if (result == VARVE_OK && state.torn == 0 &&
        state.open_end > state.tail) { /* a batch without its end */
        state.torn = state.open_end - state.tail;
        state.abandon = vf_lsn_segment(state.tail) + 1;
    }
    if (state.tail == 0 &&
        state.hole_from != 0) /* the first segment's header is lost with all that is known of it */
        state.tail = vf_lsn(1, VF_SEGMENT_HEADER);
    if (result == VARVE_OK && state.tail != 0 &&
        state.witness > state.tail) { /* acknowledged, and gone with the end of a file */
        state.hole_from = state.hole_from == 0 ? state.tail : state.hole_from;
        uint64_t next = vf_lsn(vf_lsn_segment(state.tail) + 1,
                               VF_SEGMENT_HEADER); /* where appending will go on */
        state.hole_to = state.witness < next ? state.witness : next;
    }
    *ret_state = state;
    return result;
}

/* ---- Putting things in order, under the lock ---- */

static int quarantine(varve *store, uint32_t number) {
    char from[32], to[64];
    if (store->os->mkdirat(store->dir, "quarantine", 0700) < 0 && errno != EEXIST)
        return ve_fail_os(store, "%s/quarantine: cannot be made", store->path);
    snprintf(from, sizeof from, "seg/%08u.log", number);
    snprintf(to, sizeof to, "quarantine/%08u.log.%lld", number, (long long)store->os->now());
    struct stat file;
    if (store->os->fstatat(store->dir, from, &file, AT_SYMLINK_NOFOLLOW) < 0 || file.st_size == 0)
        return VARVE_OK; /* none, or one that was only just made */
    if (store->os->renameat(store->dir, from, store->dir, to) < 0)
        return ve_fail_os(store, "%s/%s: cannot be moved to quarantine", store->path, from);
    ve_say(store, "%s/%s: does not follow the log's end: moved to %s", store->path, from, to);
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
    ve_set_word(&control->rotating, 0);
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
        if ((result = quarantine(store, number)) < 0)
            return result;
    if (state.tail == 0 || state.hole_from != 0 || state.torn != 0) {
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
        ve_say(store, "%s", store->error);
    return result;
}

int ve_recover(varve *store) {
    int result = ve_control_open(store); /* another process may have done it meanwhile */
    if (result < 0)
        return result;
    if (store->control == NULL)
        return from_scratch(store);
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

static void remove_generation(varve *store, const char *name) {
    char path[300];
    snprintf(path, sizeof path, "idx/%s", name);
    ve_index at = {.os = store->os,
                   .dir =
                       store->os->openat(store->dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)};
    if (at.dir < 0)
        return;
    store->os->list(at.dir, remove_file, &at);
    store->os->close(at.dir);
    store->os->unlinkat(store->dir, path, AT_REMOVEDIR);
}

typedef struct {
    varve *store;
    uint64_t keep;
} sweep;

static int remove_older(void *context, const char *name) {
    sweep *s = context;
    char *end;
    unsigned long long number = strtoull(name, &end, 10);
    if (*end == 0 && number != s->keep)
        remove_generation(s->store, name);
    return 0;
}

int ve_rebuild(varve *store, uint64_t tail) {
    const ve_os *os = store->os;
    uint64_t highest = ve_word(
        &store->control
             ->index_generation); /* also if its directory was removed: handles have it open */
    if (os->mkdirat(store->dir, "idx", 0700) < 0 && errno != EEXIST)
        return ve_fail_os(store, "%s/idx: cannot be made", store->path);
    int dir = os->openat(store->dir, "idx", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (dir < 0 || os->list(dir, note_generation, &highest) < 0) {
        if (dir >= 0)
            os->close(dir);
        return ve_fail_os(store, "%s/idx: cannot be listed", store->path);
    }
    ve_index_close(&store->index);
    int result = ve_index_create(store, &store->index, highest + 1, false);
    if (result == VARVE_OK) {
        uint8_t *redo = store->index.redo; /* a death while rebuilding is answered by rebuilding */
        store->index.redo = NULL;
        result = ve_fold_range(store, &store->index, ve_log_first(store), tail, NULL);
        store->index.redo = redo;
    }
    if (result == VARVE_OK) {
        ve_set_word(&store->control->index_generation, highest + 1);
        ve_set_word(&store->control->applied, tail);
        ve_set_word(&store->control->state, 1);
        sweep s = {store, highest + 1};
        os->list(dir, remove_older, &s);
    }
    os->close(dir);
    return result;
}

int ve_private_index(varve *store, ve_index *index, uint64_t tail) {
    int result = ve_index_create(store, index, 0, true);
    return result == VARVE_OK ? ve_fold_range(store, index, ve_log_first(store), tail, NULL)
                              : result;
}

int ve_catch_up(varve *store) {
    vf_control *control = store->control;
    store->trouble = 0;
    if (control == NULL || ve_word(&control->state) != 1 || !ve_control_is_current(store))
        return ve_recover(store);
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
    ve_say(store, "%s: the index is unfit (%s): it is made anew", store->path, store->error);
    return ve_rebuild(store, tail);
}

int varve_reindex(varve *store) {
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
    if (store->control == NULL)
        return VARVE_OK;
    uint64_t generation = ve_word(&store->control->index_generation);
    for (int i = 0; i < 100 && (!store->index.open || store->index.generation != generation); i++) {
        int result = ve_index_open(store, &store->index, generation);
        if (result < 0 && generation == ve_word(&store->control->index_generation))
            return result;
        generation = ve_word(&store->control->index_generation);
    }
    return VARVE_OK;
}

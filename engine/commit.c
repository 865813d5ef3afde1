/*
 * Append: lock, write the whole batch with one call at the tail, publish the tail, then let the
 * index follow. Until the tail is published nobody sees the batch; afterwards nobody can lose it.
 * SPEC.md "Commit".
 */
#include "engine/array.h"
#include "engine/batch.h"
#include "engine/fold.h"
#include "engine/plan.h"
#include "engine/recover.h"

#include <errno.h>
#include <stdlib.h>

enum { PIECES_MAX = 1000, AHEAD_MIN = 64 << 10, AHEAD_MAX = 1 << 20 };

/* Place in the log: the active segment, or a new one if the batch does not fit. */
static int make_place(ve_plan *p) {
    varve *store = p->store;
    vf_control *control = store->control;
    uint64_t tail = ve_word(&control->tail);
    uint32_t number = vf_lsn_segment(tail), offset = vf_lsn_offset(tail);
    bool full = offset > VF_SEGMENT_HEADER && offset + p->bytes > store->segment_size;
    if (!full && ve_word(&control->rotating) == 0)
        return ve_segment_write(store, number);
    if (number >= VF_SEGMENT_NUMBER_MAX)
        return ve_fail(store, VARVE_E_TOO_BIG, "%s: no segment numbers are left", store->path);
    uint64_t applied = ve_word(&control->applied);
    int result = ve_segment_begin(store, number + 1, tail, ve_chain(store), 0, 0);
    if (result == VARVE_OK && applied == tail)
        ve_set_word(&control->applied, ve_word(&control->tail));
    return result;
}

/* Fills in what depends on the place: seq, prev, chain, sums. Returns the chain value behind the
 * last record. */
static uint32_t seal(ve_plan *p, uint64_t lsn, uint64_t salt, uint32_t chain) {
    for (size_t i = 0; i < p->count; i++) {
        vf_frame *frame = (vf_frame *)(void *)p->pieces[i].at;
        if (i + 2 < p->count)
            __builtin_prefetch(p->pieces[i + 2].at, 1);
        if (p->pieces[i].session != UINT32_MAX) {
            ve_batch_session *session = &p->batch->sessions[p->pieces[i].session];
            frame->session = session->key;
            vf_put64(&frame->seq, ++session->last_seq);
            vf_put64(&frame->prev, session->last_lsn);
            session->last_lsn = lsn;
            if (frame->kind == VF_KIND_SESSION || frame->kind == VF_KIND_FORK) {
                vf_fixed *fixed = (vf_fixed *)(void *)(p->pieces[i].at + VF_FRAME_SIZE);
                if (vf_get64(fixed->prev_set) != session->last_set) { /* the batch has several */
                    vf_put64(&fixed->prev_set, session->last_set);
                    vf_put32(&frame->body_sum,
                             vf_body_sum(fixed, p->pieces[i].length - VF_FRAME_SIZE));
                }
                session->last_set = lsn;
            }
        }
        if (i + 1 == p->count)
            frame->flags |= VF_FRAME_BATCH_END;
        chain = (uint32_t)vf_frame_seal(frame, salt, lsn, chain);
        lsn += p->pieces[i].length;
    }
    return chain;
}

/* One pwritev of everything. What a failure leaves behind the tail is overwritten by the next
 * batch. */
static int write_pieces(ve_plan *p, uint64_t offset) {
    struct iovec *parts = malloc((p->count + 1) * sizeof *parts);
    uint8_t *whole = NULL;
    size_t count = 0;
    if (parts == NULL)
        return ve_fail(p->store, VARVE_E_NO_MEMORY, "no memory");
    for (size_t i = 0; i < p->count; i++) {
        struct iovec *last = count > 0 ? &parts[count - 1] : NULL;
        if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == p->pieces[i].at)
            last->iov_len += p->pieces[i].length;
        else
            parts[count++] = (struct iovec){p->pieces[i].at, p->pieces[i].length};
    }
    if (count > PIECES_MAX) {
        uint8_t *at = whole = malloc((size_t)p->bytes);
        for (size_t i = 0; whole != NULL && i < p->count; at += p->pieces[i++].length)
            memcpy(at, p->pieces[i].at, p->pieces[i].length);
        parts[0] = (struct iovec){whole, (size_t)p->bytes};
        count = 1;
    }
    ssize_t done = -1;
    errno = ENOMEM;
    if (parts[0].iov_base != NULL)
        do
            done = p->store->os->pwritev(p->store->write_fd, parts, (int)count, (int64_t)offset);
        while (done < 0 && errno == EINTR);
    if (done >= 0 && (uint64_t)done < p->bytes)
        errno = ENOSPC;
    int result = done >= 0 && (uint64_t)done == p->bytes
                     ? VARVE_OK
                     : ve_fail_os(p->store, "%s/seg/%08u.log: cannot be written", p->store->path,
                                  p->store->write_segment);
    free(parts);
    free(whole);
    return result;
}

/* Zeros behind the tail, so that the next syncs need not change the file's extents: what small
 * batches wait for. For a large one they would be as many bytes again. A failure is no matter. */
static void write_ahead(ve_plan *p, uint64_t end) {
    static const uint8_t zeros[64 << 10];
    vf_control *control = p->store->control;
    uint64_t ready = ve_word(&control->ready_size);
    if (end <= ready)
        return;
    uint64_t ahead = end / 4 < AHEAD_MIN ? AHEAD_MIN : end / 4 > AHEAD_MAX ? AHEAD_MAX : end / 4;
    uint64_t upto = (end + ahead) & ~(uint64_t)4095;
    upto = upto > p->store->segment_size ? p->store->segment_size : upto;
    for (uint64_t at = end; at < upto;) {
        size_t size = upto - at < sizeof zeros ? (size_t)(upto - at) : sizeof zeros;
        if (ve_write_all(p->store->os, p->store->write_fd, zeros, size, at) < 0)
            return;
        at += size;
    }
    ve_set_word(&control->ready_size, upto > end ? upto : end);
}

static int commit(ve_plan *p, varve_durability durability, uint64_t *ret_first, uint64_t *ret_end) {
    varve *store = p->store;
    vf_control *control = store->control;
    int result = make_place(p);
    if (result < 0)
        return result;
    uint64_t tail = ve_word(&control->tail), end = tail + p->bytes;
    ve_segment *segment = ve_log_segment(store, vf_lsn_segment(tail));
    if (segment == NULL)
        return store->trouble < 0 ? store->trouble : VARVE_E_CORRUPT;
    if (vf_lsn_offset(tail) + p->bytes > UINT32_MAX)
        return ve_fail(store, VARVE_E_TOO_BIG, "the batch does not fit a segment");
    uint32_t chain = seal(p, tail, segment->salt, ve_chain(store));
    if ((result = write_pieces(p, vf_lsn_offset(tail))) < 0)
        return result;
    if (segment->file_size < vf_lsn_offset(end) && vf_lsn_offset(end) <= segment->map_size)
        segment->file_size = vf_lsn_offset(end); /* it need not be looked at again */
    if (((vf_frame *)(void *)p->pieces[0].at)->kind == VF_KIND_SYNC)
        ve_set_word(&control->last_sync_record, ve_word(&control->synced));
    ve_publish(store, end, chain, end - p->pieces[p->count - 1].length);
    *ret_first = tail;
    *ret_end = end;
    /* The batch is in. That the index cannot follow now (no room) is the next writer's trouble, not
     * this caller's. */
    store->own.next = p->pieces;
    store->own.at = tail;
    store->own.end = end;
    if (ve_fold_range(store, &store->index, tail, end, &control->applied) < 0)
        ve_say(store, "the index could not follow: %s", ve_error(store));
    store->own.end = 0;
    if (durability == VARVE_GROUP && p->bytes < AHEAD_MIN)
        write_ahead(p, vf_lsn_offset(end));
    return VARVE_OK;
}

static int append_locked(ve_plan *p, varve_durability durability, uint64_t *ret_first,
                         uint64_t *ret_end) {
    int result = ve_catch_up(p->store);
    if (result == VARVE_OK && durability == VARVE_GROUP)
        result = ve_mend(p->store);
    if (result == VARVE_OK)
        result = ve_plan_make(p);
    if (result == VARVE_E_INDEX) { /* damage to the index is the index's end, not the append's */
        ve_say(p->store, "%s: the index is damaged (%s): it is made anew", p->store->path,
               ve_error(p->store));
        result = ve_rebuild(p->store, ve_word(&p->store->control->tail));
        ve_plan_free(p);
        *p = (ve_plan){.store = p->store, .batch = p->batch, .now = p->now};
        ve_uid_free(p->store);
        if (result == VARVE_OK)
            result = ve_plan_make(p);
    }
    *ret_first = *ret_end = result == VARVE_OK ? ve_word(&p->store->control->tail) : 0;
    if (result == VARVE_OK && p->count > 0)
        result = commit(p, durability, ret_first, ret_end);
    if (result < 0)
        ve_uid_free(p->store); /* it may hold uids that were not stored */
    return result;
}

/* All but the wait for the disk. */
static int append(varve *store, varve_batch *batch, varve_durability durability,
                  varve_appended *ret, uint64_t *ret_end) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (store->read_only)
        return ve_fail(store, VARVE_E_READ_ONLY, "%s: opened for reading only", store->path);
    if (batch == NULL || (ret != NULL && ret->size < sizeof *ret))
        return ve_fail(store, VARVE_E_ARGUMENT, "no batch, or a result of another size");
    if (!ve_grow(&batch->duplicate, &batch->duplicate_room, batch->count + 1, 1))
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    ve_plan p = {.store = store, .batch = batch, .now = store->os->now()};
    uint64_t first = 0;
    result = durability == VARVE_GROUP ? ve_sync_ready(store) : VARVE_OK;
    if (result == VARVE_OK && (result = ve_plan_keys(&p)) == VARVE_OK &&
        (result = ve_lock(store, store->lock_append, "LOCK.append")) == VARVE_OK) {
        result = append_locked(&p, durability, &first, ret_end);
        ve_unlock(store, store->lock_append);
        if (store->control != NULL)
            ve_wake_next(store, &store->control->wake, &store->control->waiters, VE_WAKE_ALL);
    }
    ve_plan_free(&p);
    if (result < 0)
        return result;
    if (ret != NULL) {
        ret->stored = p.stored;
        ret->duplicates = p.duplicates;
        ret->first_lsn = first;
        ret->end_lsn = *ret_end;
        ret->is_duplicate = batch->duplicate;
    }
    return VARVE_OK;
}

int varve_append(varve *store, varve_batch *batch, varve_durability durability,
                 varve_appended *ret) {
    uint64_t end = 0;
    int result = append(store, batch, durability, ret, &end);
    /* A duplicate is only stored when its original is: so wait for all that is published. */
    if (result == VARVE_OK && durability == VARVE_GROUP && ve_sync_to(store, end) < 0)
        return VARVE_E_SYNC_FAILED; /* whatever kept it from being synced: it is in the store */
    return result;
}

/* A writer that died may have published what is not in the index yet. Who goes on from a state
 * would append it twice. */
static int take_in(varve *store) {
    if (store->read_only || store->control == NULL ||
        ve_word(&store->control->applied) >= ve_word(&store->control->tail))
        return VARVE_OK;
    int result = ve_lock(store, store->lock_append, "LOCK.append");
    if (result < 0)
        return result;
    result = ve_catch_up(store);
    ve_unlock(store, store->lock_append);
    return result;
}

int varve_cursor_state(varve *store, varve_str name, void *ret_state, size_t room) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (name.ptr == NULL)
        return ve_fail(store, VARVE_E_ARGUMENT, "no name");
    if ((result = take_in(store)) < 0 || (result = ve_follow_index(store)) < 0)
        return result;
    store->trouble = 0;
    uint32_t row = ve_find(&store->index, VF_TABLE_CURSORS,
                           vf_string_key(VF_SPACE_CURSOR, name.ptr, name.size));
    vf_cursor_row image;
    if (row == UINT32_MAX)
        return store->trouble < 0
                   ? ve_fail(store, store->trouble, "%s/idx: cannot be looked at", store->path)
                   : ve_fail(store, VARVE_E_NOT_FOUND, "no such cursor");
    if ((result = ve_need_row(store, VF_TABLE_CURSORS, row, true, &image)) < 0)
        return result;
    static const vf_key nobody;
    ve_record record;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    vf_key key;
    vf_text found = {0}, state = {0};
    result = ve_log_record(store, &nobody, vf_get64(image.lsn), &record);
    if (result == VARVE_OK &&
        (record.frame.kind != VF_KIND_CURSOR ||
         vf_cursor_decode(record.body, record.body_size, &key, &found, &state) != VF_OK))
        result =
            ve_fail(store, VARVE_E_INDEX,
                    "%s/idx: a cursor's row names another record: run varve reindex", store->path);
    if (result == VARVE_OK && found.size == 0)
        result = ve_fail(store, VARVE_E_NOT_FOUND, "no such cursor"); /* it was forgotten */
    if (result == VARVE_OK && state.size > 0 && ret_state != NULL)
        memcpy(ret_state, state.ptr, state.size < room ? state.size : room);
    ve_hold_end(store, &own, before);
    return result < 0 ? result : (int)state.size;
}

/*
 * Where a mark of another store belongs in this one; under the lock, as part of an append's plan.
 * A session's records may stand here in another order, with those of more stores between them, so a
 * mark finds its place by the uids of the records that it speaks of. SPEC.md "Merging".
 */
#include "engine/array.h"
#include "engine/batch.h"
#include "engine/plan.h"

#include <stdlib.h>

/* ---- Forks ---- */

int ve_place_fork(ve_plan *p, ve_batch_session *child, ve_batch_record *record) {
    const ve_batch_session *parent = &p->batch->sessions[p->batch->sessions[record->parent].same];
    bool first = vf_key_is_zero(record->at);
    record->fell_back = true;
    if (child->defined || child->introduced || !parent->defined)
        return VARVE_OK;
    /* Along prev, also through what a rewind of the parent hides by now: the child saw it. */
    for (uint64_t lsn = parent->last_lsn; lsn != 0;) {
        ve_record at;
        ve_hold own = {0}, *before = ve_hold_use(p->store, &own);
        int result = ve_log_record(p->store, NULL, lsn, &at);
        vf_key uid = {{0}};
        if (result == VARVE_OK)
            uid = ve_uid_of(p->store, &at, NULL);
        ve_hold_end(p->store, &own, before);
        if (result < 0)
            return ve_is_damage(result) ? VARVE_OK : result;
        uint64_t prev = at.frame.kind == VF_KIND_BASE ? 0 : vf_get64(at.frame.prev);
        if (first ? prev == 0 : vf_key_equal(uid, record->at)) {
            child->last_lsn = lsn;
            child->last_seq = vf_get64(at.frame.seq);
            child->introduced = true;
            record->fell_back = false;
            return VARVE_OK;
        }
        lsn = prev;
    }
    return VARVE_OK;
}

/* ---- Rewinds ---- */

/* A record that the session shows now. */
typedef struct {
    uint64_t lsn, seq;
    uint8_t kind;
    bool own;  /* not of the session that it was forked from */
    bool goes; /* the rewind hides it */
} shown;

static int by_key(const void *a, const void *b) {
    return vf_key_compare(*(const vf_key *)a, *(const vf_key *)b);
}

/* What the session shows, newest first, down to the record before the last that goes (or to the
 * first of all). 'ret_last': of those that go, UINT64_MAX = none. */
static int look_back(ve_plan *p, const ve_batch_session *session, const ve_batch_record *record,
                     shown **ret_list, size_t *ret_count, size_t *ret_last) {
    size_t room = 0;
    *ret_count = 0;
    *ret_last = SIZE_MAX;
    for (uint64_t lsn = session->last_lsn; lsn != 0;) {
        vf_frame frame;
        ve_record at;
        vf_key uid = {{0}};
        ve_hold own = {0}, *before = ve_hold_use(p->store, &own);
        int result = ve_log_record(p->store, NULL, lsn, &at);
        if (result == VARVE_OK)
            uid = ve_uid_of(p->store, &at, NULL);
        frame = at.frame;
        ve_hold_end(p->store, &own, before);
        if (result < 0)
            return ve_is_damage(result) ? VARVE_OK : result;
        if (!ve_grow(ret_list, &room, *ret_count + 1, sizeof **ret_list))
            return ve_fail(p->store, VARVE_E_NO_MEMORY, "no memory");
        bool goes = frame.kind == VF_KIND_EVENT && record->hide_count > 0 &&
                    bsearch(&uid, record->hide, record->hide_count, sizeof uid, by_key) != NULL;
        if (goes)
            *ret_last = *ret_count;
        (*ret_list)[(*ret_count)++] = (shown){.lsn = lsn,
                                              .seq = vf_get64(frame.seq),
                                              .kind = frame.kind,
                                              .own = vf_key_equal(frame.session, session->key),
                                              .goes = goes};
        if ((result = ve_log_older(p->store, lsn, &frame, &lsn)) < 0)
            return ve_is_damage(result) ? VARVE_OK : result;
    }
    return VARVE_OK;
}

/* Appends an event again that the rewind hides and should not. */
static int repeat(ve_plan *p, uint64_t lsn, uint32_t number) {
    vf_body body;
    ve_record from;
    bool origin;
    int result = ve_log_record(p->store, NULL, lsn, &from);
    if (result < 0)
        return result;
    vf_frame frame = from.frame;
    vf_key uid = ve_uid_of(p->store, &from, &origin);
    if ((result = ve_record_body(p->store, &from, &body)) < 0)
        return result;
    uint32_t length =
        (uint32_t)vf_padded(VF_FRAME_SIZE + vf_body_size(body.str, body.payload_size));
    uint8_t *at = ve_plan_room(p, length);
    if (at == NULL)
        return ve_fail(p->store, VARVE_E_NO_MEMORY, "no memory");
    vf_fixed fixed = body.fixed;
    fixed.uid = uid;
    vf_put64(&fixed.present, vf_get64(fixed.present) | VF_HAS_UID);
    vf_put32(&fixed.flags,
             vf_get32(fixed.flags) | VF_EV_REPEATED | (origin ? (uint32_t)VF_EV_ORIGIN : 0));
    vf_body_encode(at + VF_FRAME_SIZE, &fixed, body.str, body.payload, body.payload_size);
    vf_frame *out = (vf_frame *)(void *)at;
    out->kind = frame.kind;
    out->type = frame.type;
    out->time = frame.time;
    out->flags = frame.flags & VF_FRAME_HAS_TIME;
    vf_put32(&out->length, length);
    vf_put32(&out->body_sum, vf_body_sum(at + VF_FRAME_SIZE, length - VF_FRAME_SIZE));
    return ve_plan_add(p, at, length, number);
}

/* Going back leads from a rewind to one record: behind it all is hidden. What lies there and was
 * not meant (it came from elsewhere) follows the rewind once more. */
static int place_rewind(ve_plan *p, ve_batch_record *record, uint32_t number) {
    const ve_batch_session *session = &p->batch->sessions[number];
    shown *list = NULL;
    size_t count = 0, last = SIZE_MAX;
    int result = look_back(p, session, record, &list, &count, &last);
    size_t keep = last == SIZE_MAX ? 0 : last + 1;
    while (keep < count && list[keep].kind == VF_KIND_REWIND)
        keep++;
    if (result == VARVE_OK && keep < count) {
        uint8_t *at = p->batch->arena + record->offset;
        vf_mark_fixed *mark = (vf_mark_fixed *)(void *)(at + VF_FRAME_SIZE);
        vf_put64(&mark->seq, list[keep].seq);
        vf_put64(&mark->to, list[keep].lsn);
        vf_put32(&((vf_frame *)(void *)at)->body_sum,
                 vf_body_sum(mark, record->length - VF_FRAME_SIZE));
        result = ve_plan_add(p, at, record->length, number);
        for (size_t i = keep; i > 0 && result == VARVE_OK; i--)
            if (list[i - 1].kind == VF_KIND_EVENT && list[i - 1].own && !list[i - 1].goes)
                result = repeat(p, list[i - 1].lsn, number);
    } else {
        record->fell_back = true; /* the way back is damaged */
    }
    free(list);
    return result;
}

int ve_place_mark(ve_plan *p, size_t i, uint32_t number) {
    ve_batch_record *record = &p->batch->records[i];
    ve_batch_session *session = &p->batch->sessions[number];
    uint8_t *at = p->batch->arena + record->offset;
    if (!session->defined) {
        record->fell_back = true;
        return VARVE_OK;
    }
    if (record->kind == VF_KIND_REWIND)
        return place_rewind(p, record, number);
    if (session->deleted) {
        p->batch->duplicate[i] = 1;
        p->duplicates++;
        return VARVE_OK;
    }
    session->deleted = true;
    vf_put_i64(&((vf_mark_fixed *)(void *)(at + VF_FRAME_SIZE))->activity, session->last_time);
    vf_put32(&((vf_frame *)(void *)at)->body_sum,
             vf_body_sum(at + VF_FRAME_SIZE, record->length - VF_FRAME_SIZE));
    return ve_plan_add(p, at, record->length, number);
}

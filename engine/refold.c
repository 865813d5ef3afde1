/*
 * Folding a session again: its life cycle, when an event came late to it; all of it, when a REWIND
 * hides what was folded already.
 */
#include "engine/array.h"
#include "engine/fold.h"
#include "engine/store.h"

#include <stdlib.h>

/* ---- Life cycles that events came late to ---- */

typedef struct {
    vf_frame frame;
    vf_body body; /* fixed part only */
    uint64_t lsn;
    int life;
} life_event;

static uint32_t sum_of(varve *store, const life_event *event) {
    ve_record record;
    uint32_t sum = 0;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    if (ve_log_record(store, &event->frame.session, event->lsn, &record) == VARVE_OK)
        ve_record_sum(store, &record, &sum);
    ve_hold_end(store, &own, before);
    return sum;
}

static int by_canon(const void *a, const void *b, void *context) {
    const life_event *p = a, *q = b;
    int order = ve_canonical(&p->frame, &p->body, &q->frame, &q->body);
    if (order != 0)
        return order;
    uint32_t x = sum_of(context, p), y = sum_of(context, q);
    return x < y ? -1 : x > y;
}

static void replay_life(vf_hot *hot, vf_cold *cold, const life_event *events, size_t count) {
    bool ended = false, started = false, has_end = false;
    int64_t last_started = 0, last_ended = 0, first_ended = 0;
    uint32_t revivals = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t time = vf_get_i64(events[i].frame.time);
        if (events[i].life == VE_LIFE_END) {
            first_ended = has_end ? first_ended : time;
            has_end = ended = true;
            last_ended = time;
            continue;
        }
        revivals += ended;
        if (ended || events[i].life == VE_LIFE_START) {
            last_started = time;
            started = true;
        }
        ended = false;
        last_ended = 0;
    }
    uint32_t flags =
        vf_get32(hot->flags) & ~(uint32_t)(VF_SR_ENDED | VF_SR_HAS_END | VF_SR_STARTED);
    flags |= (ended ? VF_SR_ENDED : 0u) | (has_end ? VF_SR_HAS_END : 0u) |
             (started ? VF_SR_STARTED : 0u);
    vf_put32(&hot->flags, flags);
    vf_put32(&hot->revivals, revivals);
    vf_put_i64(&hot->last_ended, last_ended);
    vf_put_i64(&hot->first_ended, first_ended);
    if (started)
        vf_put_i64(&hot->last_started, last_started);
    if (count > 0) {
        vf_put64(&cold->ref[VF_REF_LIFECYCLE], events[count - 1].lsn);
        cold->lifecycle_time = events[count - 1].frame.time;
    }
}

/* Records of a trimmed session may be gone, or go at any moment: it is never folded again, so that
 * the result is the same in either case. */
static bool is_final(const vf_hot *hot) {
    return ve_le_flag(hot->flags, VF_SR_TRIMMED);
}

int ve_lifecycle(varve *store, ve_index *index, ve_group *group, uint32_t row) {
    (void)group;
    ve_group_row *session = ve_group_get(store, index, VF_TABLE_SESSIONS, row);
    if (session == NULL || is_final(ve_hot(session)))
        return session == NULL ? VARVE_E_INDEX : VARVE_OK;
    life_event *events = NULL;
    size_t count = 0, room = 0;
    vf_key key = ve_hot(session)->key;
    uint64_t lsn = vf_get64(ve_hot(session)->last_lsn);
    while (lsn != 0) {
        vf_frame frame;
        vf_body body = {0};
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        bool whole = ve_log_frame(store, &key, lsn, &frame) == VARVE_OK &&
                     (frame.kind != VF_KIND_EVENT ||
                      ve_log_body(store, &key, lsn, &frame, &body) == VARVE_OK);
        ve_hold_end(store, &own, before);
        if (!whole)
            break; /* damage: what lies before it cannot be reached */
        if (frame.kind ==
            VF_KIND_BASE) { /* the life before is not known any more: it stays as it is */
            free(events);
            return VARVE_OK;
        }
        if (!vf_key_equal(frame.session, key))
            break; /* a fork that was rewound into what it shares: this is the parent's life */
        int life = ve_life_of(&frame, &body);
        if (life != VE_LIFE_NONE) {
            if (!ve_grow(&events, &room, count + 1, sizeof *events)) {
                free(events);
                return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
            }
            events[count++] =
                (life_event){.frame = frame, .body.fixed = body.fixed, .lsn = lsn, .life = life};
        }
        if (frame.kind == VF_KIND_FORK || ve_log_older(store, lsn, &frame, &lsn) < 0)
            break; /* what lies before a fork is the parent's life */
    }
    if (count > 1)
        qsort_r(events, count, sizeof *events, by_canon, store);
    replay_life(ve_hot(session), ve_cold(session), events, count);
    free(events);
    return VARVE_OK;
}

/* ---- All of a session ---- */

/* Whether what an event costs (or that it asked) shows under its source. */
static bool pays(const vf_frame *frame, const vf_fixed *fixed) {
    uint64_t carries = VF_HAS_COST | (((uint64_t)1 << VF_TOKENS) - 1) * VF_HAS_TOKENS;
    return (vf_get64(fixed->present) & carries) != 0 ||
           vf_get16(frame->type) == VF_TYPE_API_REQUEST;
}

/* The session's own records that count now, newest first: no events that a later REWIND hides.
 * 'ret_paid': sources of hidden events that cost something, a bit each. */
static int collect_visible(varve *store, const vf_key *session, uint64_t lsn, uint64_t **ret_lsns,
                           size_t *ret_count, bool *ret_dropped, uint8_t *ret_paid) {
    uint64_t *lsns = NULL, keep = UINT64_MAX;
    size_t count = 0, room = 0;
    while (lsn != 0) {
        vf_frame frame;
        vf_mark_fixed mark;
        ve_record record;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        bool whole = ve_log_record(store, session, lsn, &record) == VARVE_OK;
        vf_fixed fixed = {0};
        bool marks = whole && record.frame.kind == VF_KIND_REWIND && ve_record_mark(&record, &mark);
        bool has_fixed = whole && ve_record_fixed(store, &record, &fixed);
        frame = record.frame;
        ve_hold_end(store, &own, before);
        if (!whole)
            break;
        if (marks) {
            keep = vf_get64(mark.seq) < keep ? vf_get64(mark.seq) : keep;
        } else if (frame.kind != VF_KIND_EVENT || vf_get64(frame.seq) <= keep) {
            if (!ve_grow(&lsns, &room, count + 1, sizeof *lsns)) {
                free(lsns);
                return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
            }
            lsns[count++] = lsn;
        } else if (has_fixed && pays(&frame, &fixed)) {
            *ret_paid |= (uint8_t)(1u << fixed.source % VF_SOURCES);
        }
        *ret_dropped = *ret_dropped || frame.kind == VF_KIND_BASE;
        if (frame.kind == VF_KIND_FORK || frame.kind == VF_KIND_BASE)
            break;
        lsn = vf_get64(frame.prev);
    }
    *ret_lsns = lsns;
    *ret_count = count;
    return VARVE_OK;
}

/* Takes back what follows from the records one by one; what was paid stays, under the sources that
 * it came by, and who the session is. */
static void clear(varve *store, vf_hot *hot, vf_cold *cold, uint8_t sources) {
    vf_frame frame;
    vf_body body;
    for (int counter = 0; counter < VE_COUNTERS; counter++) {
        uint64_t absolute = vf_get64(cold->ref[VF_REF_ABSOLUTE + counter]);
        if (absolute != 0 && ve_log_ref(store, &hot->key, absolute, &frame, &body) == VARVE_OK)
            ve_absolute(cold, &body, counter, -1);
    }
    for (int s = 0; s < VF_SOURCES; s++) {
        vf_partial *partial = &cold->by_source[s], kept = *partial;
        *partial = (vf_partial){0};
        memcpy(partial->tokens, kept.tokens, sizeof partial->tokens);
        partial->cost = kept.cost;
        partial->costed = kept.costed;
        partial->api_requests = kept.api_requests;
    }
    le64 tombstone = cold->ref[VF_REF_TOMBSTONE], identity = cold->ref[VF_REF_IDENTITY],
         last_set = cold->ref[VF_REF_LAST_SET], parent = cold->ref[VF_REF_PARENT];
    memset(cold->ref, 0, sizeof cold->ref);
    cold->ref[VF_REF_IDENTITY] = identity;
    cold->ref[VF_REF_TOMBSTONE] = tombstone;
    cold->ref[VF_REF_LAST_SET] = last_set;
    cold->ref[VF_REF_PARENT] = parent;
    memset(&cold->lifecycle_time, 0, sizeof cold->lifecycle_time);
    uint32_t stays = VF_SR_DEFINED | VF_SR_TRIMMED | VF_SR_FORGOTTEN | VF_SR_DELETED | VF_SR_CYCLE |
                     VF_SR_REWOUND;
    vf_hot before = *hot;
    vf_hot cleared = {.head = before.head,
                      .key = before.key,
                      .last_seq = before.last_seq,
                      .last_lsn = before.last_lsn,
                      .cost = before.cost,
                      .cost_children = before.cost_children,
                      .parent = before.parent,
                      .children = before.children,
                      .sources = sources,
                      .height = before.height};
    memcpy(cleared.tokens, before.tokens, sizeof cleared.tokens);
    vf_put32(&cleared.flags, vf_get32(before.flags) & stays);
    *hot = cleared;
}

int ve_refold(varve *store, ve_index *index, ve_group *group, uint32_t row) {
    ve_group_row *session = ve_group_get(store, index, VF_TABLE_SESSIONS, row);
    uint64_t *lsns = NULL;
    size_t count = 0;
    bool dropped = false;
    uint8_t paid = 0;
    if (session == NULL || is_final(ve_hot(session)))
        return session == NULL ? VARVE_E_INDEX : VARVE_OK;
    int result = collect_visible(store, &ve_hot(session)->key, vf_get64(ve_hot(session)->last_lsn),
                                 &lsns, &count, &dropped, &paid);
    if (result < 0 || dropped) { /* what is gone cannot be counted again: the counters stay */
        free(lsns);
        return result;
    }
    clear(store, ve_hot(session), ve_cold(session), paid);
    while (count > 0 && result == VARVE_OK) {
        ve_record record;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        if (ve_log_record(store, &ve_hot(session)->key, lsns[--count], &record) == VARVE_OK)
            result = ve_fold_record(store, index, group, session, &record, true);
        ve_hold_end(store, &own, before);
    }
    free(lsns);
    session->dirty = true;
    return result;
}

/*
 * What is due once a group: life cycles that events came late to, counters resolved by source
 * priority, roll-ups; and the loop that folds a range of the log group by group.
 */
#include "engine/store.h"

#include <stdlib.h>

/* Groups are put in place when they are this large: one more record must still fit the redo area, mostly. */
enum { GROUP_FULL = 192 << 10 };

static void add_partial(vf_hot *hot, const vf_partial *partial, bool *cost) {
    for (int t = 0; t < VF_TOKENS; t++)
        vf_put_i64(&hot->tokens[t], vf_get_i64(hot->tokens[t]) + vf_get_i64(partial->tokens[t]));
    vf_put_i64(&hot->cost, vf_get_i64(hot->cost) + vf_get_i64(partial->cost));
    *cost = *cost || vf_get32(partial->costed) > 0;
    const le32 *from[] = {&partial->user_messages, &partial->assistant_messages, &partial->tool_calls, &partial->api_requests,
                          &partial->api_errors,    &partial->compactions,        &partial->turns};
    le32 *to[] = {&hot->user_messages, &hot->assistant_messages, &hot->tool_calls, &hot->api_requests,
                  &hot->api_errors,    &hot->compactions,        &hot->turns};
    for (size_t i = 0; i < sizeof to / sizeof *to; i++)
        vf_put32(to[i], vf_get32(*to[i]) + vf_get32(*from[i]));
}

/* The hot counters: of the best source (transcript > otel > hook), and of the API, which stands by itself. */
static void resolve(vf_hot *hot, const vf_cold *cold) {
    int best = VF_SOURCE_API;
    for (int s = VF_SOURCE_HOOK; s < VF_SOURCES; s++)
        if ((hot->sources >> s & 1) != 0)
            best = s;
    hot->best_source = (uint8_t)best;
    memset(hot->tokens, 0, sizeof hot->tokens);
    vf_put_i64(&hot->cost, 0);
    memset(&hot->user_messages, 0, sizeof(le32) * 7);
    bool cost = false;
    add_partial(hot, &cold->by_source[VF_SOURCE_API], &cost);
    if (best != VF_SOURCE_API)
        add_partial(hot, &cold->by_source[best], &cost);
    uint32_t flags = vf_get32(hot->flags) & ~(uint32_t)VF_SR_HAS_COST;
    vf_put32(&hot->flags, cost ? flags | VF_SR_HAS_COST : flags);
    if ((flags & VF_SR_STARTED) == 0)
        hot->last_started = hot->first_started;
}
_Static_assert(offsetof(vf_hot, turns) - offsetof(vf_hot, user_messages) == 6 * sizeof(le32), "counters stand together");

int ve_fold_settle(varve *store, ve_index *index, ve_group *group, uint64_t upto) {
    (void)upto;
    for (size_t i = 0; i < group->count; i++)
        if (group->rows[i].refold) {
            int result = ve_lifecycle(store, index, group, group->rows[i].row);
            if (result < 0)
                return result;
            group->rows[i].refold = false;
        }
    for (size_t i = 0; i < group->count; i++) { /* roll-ups add rows behind, which need none */
        ve_group_row *row = &group->rows[i];
        if (!row->dirty)
            continue;
        vf_hot *hot = ve_hot(row);
        int64_t before = vf_get_i64(hot->cost);
        resolve(hot, ve_cold(row));
        row->dirty = false;
        int result = ve_roll_up(store, index, group, row->row, vf_get_i64(hot->cost) - before);
        if (result < 0)
            return result;
    }
    return VARVE_OK;
}

/* Puts the group in place and says so. */
static int finish(varve *store, ve_index *index, uint64_t upto, le64 *applied) {
    int result = ve_fold_settle(store, index, &store->group, upto);
    if (result == VARVE_OK)
        result = ve_group_place(store, index, &store->group, upto);
    if (result < 0)
        return result;
    if (applied != NULL)
        ve_set_word(applied, upto);
    if (index->redo != NULL)
        ve_set_word(&((vf_redo_header *)(void *)index->redo)->state, 0);
    ve_group_begin(&store->group);
    return VARVE_OK;
}

int ve_fold_range(varve *store, ve_index *index, uint64_t from, uint64_t to, le64 *applied) {
    uint64_t lsn = from, at;
    vf_frame frame;
    const uint8_t *bytes;
    int found, result = VARVE_OK;
    ve_group_begin(&store->group);
    while ((found = ve_log_next(store, lsn, to, &at, &frame, &bytes, NULL)) == 1) {
        result = ve_fold(store, index, &store->group, at, &frame, bytes);
        lsn = at + vf_get32(frame.length);
        if (result == VARVE_OK && store->group.size > GROUP_FULL)
            result = finish(store, index, lsn, applied);
        if (result < 0)
            return result;
    }
    return found < 0 ? found : finish(store, index, to, applied);
}

/* ---- Names ---- */

int ve_intern(varve *store, ve_index *index, ve_group *group, vf_text name, uint32_t *ret_name) {
    uint32_t size = name.size > VF_NAME_MAX ? VF_NAME_MAX : name.size;
    vf_key key = vf_string_key(VF_SPACE_NAME, name.ptr, size);
    uint32_t row = ve_group_find(index, group, VF_TABLE_NAMES, key);
    if (row == UINT32_MAX) {
        ve_group_row *added = ve_group_add(store, index, VF_TABLE_NAMES, key);
        if (added == NULL)
            return VARVE_E_NO_MEMORY;
        vf_name_row *image = (vf_name_row *)(void *)added->image;
        vf_put32(&image->size, size);
        memcpy(image->text, name.ptr, size);
        row = added->row;
    }
    *ret_name = row + 1;
    return VARVE_OK;
}

/* ---- Life cycles that events came late to ---- */

typedef struct {
    vf_frame frame;
    vf_body body; /* fixed part only */
    uint64_t lsn;
    int life;
} life_event;

static int by_canon(const void *a, const void *b) {
    const life_event *p = a, *q = b;
    return ve_canonical(&p->frame, &p->body, &q->frame, &q->body);
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
    uint32_t flags = vf_get32(hot->flags) & ~(uint32_t)(VF_SR_ENDED | VF_SR_HAS_END | VF_SR_STARTED);
    flags |= (ended ? VF_SR_ENDED : 0u) | (has_end ? VF_SR_HAS_END : 0u) | (started ? VF_SR_STARTED : 0u);
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

int ve_lifecycle(varve *store, ve_index *index, ve_group *group, uint32_t row) {
    (void)group;
    ve_group_row *session = ve_group_get(store, index, VF_TABLE_SESSIONS, row);
    if (session == NULL)
        return VARVE_E_INDEX;
    life_event *events = NULL;
    size_t count = 0, room = 0;
    uint64_t lsn = vf_get64(ve_hot(session)->last_lsn);
    while (lsn != 0) {
        vf_frame frame;
        vf_body body;
        if (ve_log_body(store, lsn, &frame, &body) < 0)
            break; /* damage: what lies before it cannot be reached */
        int life = ve_life_of(&frame, &body);
        if (life != VE_LIFE_NONE) {
            if (!ve_grow(&events, &room, count + 1, sizeof *events)) {
                free(events);
                return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
            }
            events[count++] = (life_event){.frame = frame, .body.fixed = body.fixed, .lsn = lsn, .life = life};
        }
        lsn = vf_get64(frame.prev);
    }
    if (count > 1)
        qsort(events, count, sizeof *events, by_canon);
    replay_life(ve_hot(session), ve_cold(session), events, count);
    free(events);
    return VARVE_OK;
}

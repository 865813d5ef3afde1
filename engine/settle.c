/*
 * What is due once a group: life cycles that events came late to, counters resolved by source
 * priority, roll-ups; and the loop that folds a range of the log group by group.
 */
#include "engine/fold.h"
#include "engine/store.h"

#include <stdlib.h>

/* Groups are put in place when they are this large: the last record's changes, and roll-ups through
 * the ancestors of all, must still fit the redo area, mostly. */
enum { GROUP_FULL = 192 << 10 };

static void add32(le32 *counter, le32 n) {
    uint32_t sum = vf_get32(*counter) + vf_get32(n);
    vf_put32(counter, sum < vf_get32(n) ? UINT32_MAX : sum);
}

static void add64(le64 *counter, le64 n) {
    int64_t sum = vf_get_i64(*counter), more = ve_sum(n);
    vf_put_i64(counter, more > INT64_MAX - sum ? INT64_MAX : sum + more);
}

/* What was paid, and for how many requests. */
static void add_paid(vf_hot *hot, const vf_partial *partial, bool *cost) {
    for (int t = 0; t < VF_TOKENS; t++)
        add64(&hot->tokens[t], partial->tokens[t]);
    add64(&hot->cost, partial->cost);
    *cost = *cost || vf_get32(partial->costed) > 0;
    add32(&hot->api_requests, partial->api_requests);
    add32(&hot->api_errors, partial->api_errors);
}

/* What was said and done. */
static void add_done(vf_hot *hot, const vf_partial *partial) {
    add32(&hot->user_messages, partial->user_messages);
    add32(&hot->assistant_messages, partial->assistant_messages);
    add32(&hot->tool_calls, partial->tool_calls);
    add32(&hot->compactions, partial->compactions);
    add32(&hot->turns, partial->turns);
}

/* The hot counters: of the best source, and of the API, which stands by itself. A transcript knows
 * all; without one telemetry knows best what was paid, and hooks what was done. */
static void resolve(vf_hot *hot, const vf_cold *cold) {
    static const uint8_t paid[] = {VF_SOURCE_TRANSCRIPT, VF_SOURCE_OTEL, VF_SOURCE_HOOK};
    static const uint8_t done[] = {VF_SOURCE_TRANSCRIPT, VF_SOURCE_HOOK, VF_SOURCE_OTEL};
    uint8_t best = VF_SOURCE_API, knows = VF_SOURCE_API;
    for (int i = 2; i >= 0; i--) {
        best = (hot->sources >> paid[i] & 1) != 0 ? paid[i] : best;
        knows = (hot->sources >> done[i] & 1) != 0 ? done[i] : knows;
    }
    hot->best_source = best;
    memset(hot->tokens, 0, sizeof hot->tokens);
    vf_put_i64(&hot->cost, 0);
    memset(&hot->user_messages, 0, sizeof(le32) * 7);
    bool cost = false;
    add_paid(hot, &cold->by_source[VF_SOURCE_API], &cost);
    add_done(hot, &cold->by_source[VF_SOURCE_API]);
    if (best != VF_SOURCE_API) {
        add_paid(hot, &cold->by_source[best], &cost);
        add_done(hot, &cold->by_source[knows]);
    }
    uint32_t flags = vf_get32(hot->flags) & ~(uint32_t)VF_SR_HAS_COST;
    vf_put32(&hot->flags, cost ? flags | VF_SR_HAS_COST : flags);
    if ((flags & VF_SR_STARTED) == 0)
        hot->last_started = hot->first_started;
}
_Static_assert(offsetof(vf_hot, turns) - offsetof(vf_hot, user_messages) == 6 * sizeof(le32),
               "counters stand together");

int ve_fold_settle(varve *store, ve_index *index, ve_group *group) {
    for (size_t i = 0; i < group->count; i++) {
        ve_group_row *row = &group->rows[i];
        int result = row->rewound ? ve_refold(store, index, group, row->row) : VARVE_OK;
        if (result == VARVE_OK && row->refold)
            result = ve_lifecycle(store, index, group, row->row);
        if (result < 0)
            return result;
        row->rewound = row->refold = false;
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
    int result = ve_fold_settle(store, index, &store->group);
    if (store->trouble < 0) /* it says more than that a row was not to be had */
        result = store->trouble;
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
    uint64_t lsn = from;
    ve_record record;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    int found, result = VARVE_OK;
    ve_group_begin(&store->group);
    store->trouble = 0;
    while ((found = ve_log_next(store, lsn, to, &record, NULL)) == 1) {
        result = ve_fold(store, index, &store->group, &record);
        lsn = record.lsn + vf_get32(record.frame.length);
        if (store->trouble < 0) /* something that is there was not found: the fold would be wrong */
            result = store->trouble;
        if (result == VARVE_OK && store->group.size > GROUP_FULL)
            result = finish(store, index, lsn, applied);
        ve_hold_drop(store, &own);
        if (result < 0)
            break;
    }
    if (found >= 0 && result == VARVE_OK)
        result = finish(store, index, to, applied);
    ve_hold_end(store, &own, before);
    return found < 0 ? found : result;
}

/* ---- Names ---- */

/* Whether a name of the index is this one. */
static bool is_name(ve_index *index, uint32_t number, const char *text, uint32_t size) {
    if (number == 0 || number > ve_rows(index, VF_TABLE_NAMES))
        return false;
    const vf_name_row *row =
        (const void *)ve_item(index, VF_TABLE_NAMES, VF_PART_ROWS, number - 1, false);
    return row != NULL && vf_get32(row->size) == size && memcmp(row->text, text, size) == 0;
}

int ve_intern(varve *store, ve_index *index, ve_group *group, vf_text name, uint32_t guess,
              uint32_t *ret_name) {
    uint32_t size = name.size > VF_NAME_MAX ? VF_NAME_MAX : name.size;
    if (is_name(index, guess, name.ptr, size)) {
        *ret_name = guess;
        return VARVE_OK;
    }
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

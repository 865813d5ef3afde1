/*
 * What a store tells, as one number. See digest.h.
 */
#include "support/digest.h"

#include "format/hash.h"

static uint64_t add_text(uint64_t sum, varve_str text) {
    sum = vf_sum64(&text.size, sizeof text.size, sum + (text.ptr != NULL));
    return text.ptr == NULL ? sum : vf_sum64(text.ptr, text.size, sum);
}

static uint64_t of_event(const varve_event *e) {
    uint64_t numbers[] = {e->lsn, e->seq, (uint64_t)e->time, e->present, e->flags, (uint64_t)e->cost, e->position,
                          e->charge_part, e->source, e->role, e->charge_kind, e->eol, e->record, (uint64_t)e->pid};
    uint64_t sum = vf_sum64(numbers, sizeof numbers, 1);
    sum = vf_sum64(e->tokens, sizeof e->tokens, sum);
    sum = vf_sum64(&e->uid, sizeof e->uid, sum);
    sum = vf_sum64(&e->charge, sizeof e->charge, sum);
    sum = add_text(add_text(add_text(sum, e->session_id), e->machine_id), e->type);
    for (int i = 0; i < VARVE_STRS; i++)
        sum = add_text(sum, e->str[i]);
    return add_text(sum, (varve_str){e->payload, e->payload_size});
}

uint64_t digest_log(varve *store, uint64_t limit, uint64_t *ret_count) {
    varve_cursor *cursor;
    varve_event event;
    uint64_t sum = 3;
    int more;
    *ret_count = 0;
    if (varve_cursor_store(store, 0, VARVE_CURSOR_SETTINGS, &cursor) < 0)
        return 0;
    while ((more = varve_cursor_next(cursor, &event)) == 1 && event.lsn < limit) {
        uint64_t one = of_event(&event);
        sum = vf_sum64(&one, sizeof one, sum);
        ++*ret_count;
    }
    varve_cursor_close(&cursor);
    return more < 0 ? 0 : sum;
}

static uint64_t of_session(const varve_session *s) {
    uint64_t numbers[] = {s->last_seq, s->last_lsn, s->events, s->payload_bytes, (uint64_t)s->cost,
                          (uint64_t)s->cost_children, (uint64_t)s->context, s->flags, s->sources, s->status,
                          s->best_source, s->user_messages, s->assistant_messages, s->tool_calls, s->api_requests,
                          s->revivals, s->children, (uint64_t)s->first_started, (uint64_t)s->last_activity,
                          (uint64_t)s->status_time, s->row};
    uint64_t sum = vf_sum64(numbers, sizeof numbers, 5);
    sum = vf_sum64(s->tokens, sizeof s->tokens, sum);
    sum = add_text(add_text(add_text(sum, s->session_id), s->machine_id), s->first_text);
    for (int i = 0; i < VARVE_STRS; i++)
        sum = add_text(sum, s->str[i]);
    return sum;
}

/* Charges come in no order that is promised. */
static int add_usage(void *context, const varve_usage *u) {
    uint64_t numbers[] = {u->session_row, u->kind, u->source, u->has_time, u->has_cost, (uint64_t)u->time, u->price_table, (uint64_t)u->cost};
    uint64_t sum = vf_sum64(numbers, sizeof numbers, 7);
    *(uint64_t *)context += add_text(vf_sum64(u->tokens, sizeof u->tokens, sum), u->model);
    return 0;
}

uint64_t digest_of(varve *store) {
    varve_scan *scan;
    varve_session session;
    uint64_t count, sum = digest_log(store, UINT64_MAX, &count), usage = 0;
    if (sum == 0 || varve_scan_open(store, &scan) < 0)
        return 0;
    int more;
    while ((more = varve_scan_next(scan, &session)) == 1) {
        uint64_t one = of_session(&session);
        sum = vf_sum64(&one, sizeof one, sum);
    }
    varve_scan_close(&scan);
    if (more < 0 || varve_usage_each(store, add_usage, &usage) < 0)
        return 0;
    return vf_sum64(&usage, sizeof usage, sum);
}

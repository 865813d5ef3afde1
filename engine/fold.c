/*
 * The fold: one record of the log into the rows of its session. Every field has one class:
 * additive, first wins, last wins, least or greatest time; so that the result does not depend on
 * arrival. SPEC.md "Session fold", "Order".
 */
#include "engine/fold.h"
#include "engine/store.h"

#include <stdlib.h>

/* ---- Canonical order ---- */

static int compare64(int64_t a, int64_t b) {
    return a < b ? -1 : a > b;
}

/* A uid that only says where a record was first stored has no say in the order: it would make that
 * of a copy another one than that of the record itself. */
static vf_key ordering_uid(const vf_body *body) {
    return (vf_get32(body->fixed.flags) & VF_EV_ORIGIN) == 0 ? body->fixed.uid : (vf_key){{0}};
}

int ve_canonical(const vf_frame *a, const vf_body *a_body, const vf_frame *b,
                 const vf_body *b_body) {
    int order = compare64(vf_get_i64(a->time), vf_get_i64(b->time));
    if (order == 0)
        order = (int)a_body->fixed.source - (int)b_body->fixed.source;
    if (order == 0) {
        uint64_t p = vf_get64(a_body->fixed.position), q = vf_get64(b_body->fixed.position);
        order = p < q ? -1 : p > q;
    }
    return order != 0 ? order : vf_key_compare(ordering_uid(a_body), ordering_uid(b_body));
}

/* How the record stands to another one: most references of a row name the same. */
typedef struct {
    uint64_t other; /* 0 = none was looked at */
    int order;
} comparison;

/* One record being folded. */
typedef struct {
    varve *store;
    ve_index *index;
    ve_group *group;
    uint64_t lsn;
    const vf_frame *frame;
    const vf_body *body;
    const ve_record *from;
    const vf_key *session; /* whose row it goes into */
    bool paid;             /* folded again: what it cost is counted already */
    comparison *latest;
} record;

/* Order of two records that are alike in all else. */
static int by_sum(const record *r, uint64_t other, int *ret_order) {
    uint32_t mine = 0, its = 0;
    int result = ve_record_sum(r->store, r->from, &mine);
    if (result == VARVE_OK)
        result = ve_log_ref_sum(r->store, r->session, other, &its);
    *ret_order = mine < its ? -1 : mine > its;
    return result;
}

/* Order of the record and the one at 'other': most often told by the time alone. */
static int compare_with(const record *r, uint64_t other, int *ret_order) {
    vf_frame frame;
    int result = ve_log_ref(r->store, r->session, other, &frame, NULL);
    if (result < 0)
        return result;
    *ret_order = compare64(vf_get_i64(r->frame->time), vf_get_i64(frame.time));
    if (*ret_order != 0)
        return VARVE_OK;
    vf_body body;
    result = ve_log_ref(r->store, r->session, other, &frame, &body);
    if (result == VARVE_OK)
        *ret_order = ve_canonical(r->frame, r->body, &frame, &body);
    return result < 0 || *ret_order != 0 ? result : by_sum(r, other, ret_order);
}

static int against(const record *r, uint64_t other, int *ret_order) {
    if (r->latest->other == other) {
        *ret_order = r->latest->order;
        return VARVE_OK;
    }
    int result = compare_with(r, other, ret_order);
    if (result == VARVE_OK)
        *r->latest = (comparison){other, *ret_order};
    return result;
}

/* Whether the other one was folded lately and happened before this one. */
static bool is_later(const record *r, uint64_t other) {
    const ve_met *met = r->store->met;
    if (met == NULL)
        return false;
    met += ve_met_slot(other);
    return met->lsn == other && met->time < vf_get_i64(r->frame->time);
}

/* Whether the record replaces the one that a reference names. A record that was lost to damage is
 * replaced. */
static bool wins(const record *r, uint64_t ref, bool last) {
    int order = 0;
    if (ref == 0 || (last && is_later(r, ref)) || against(r, ref, &order) < 0)
        return true;
    return last ? order > 0 : order < 0;
}

static bool take(const record *r, vf_cold *cold, vf_ref ref, bool last) {
    if (!wins(r, vf_get64(cold->ref[ref]), last))
        return false;
    vf_put64(&cold->ref[ref], r->lsn);
    return true;
}

/* ---- Fields that are a text or a number of the record itself ---- */

enum { FROM_EVENT = 1, FROM_SET = 2, FROM_BOTH = 3 };
static const struct {
    uint8_t ref, str, from;
    bool last;
} text_fields[] = {
    {VF_REF_TITLE, VF_STR_TITLE, FROM_BOTH, true},
    {VF_REF_CWD, VF_STR_CWD, FROM_BOTH, true},
    {VF_REF_GIT_BRANCH, VF_STR_GIT_BRANCH, FROM_BOTH, true},
    {VF_REF_MODEL, VF_STR_MODEL, FROM_BOTH, true},
    {VF_REF_TRANSCRIPT_PATH, VF_STR_TRANSCRIPT_PATH, FROM_BOTH, true},
    {VF_REF_PERMISSION_MODE, VF_STR_PERMISSION_MODE, FROM_BOTH, true},
    {VF_REF_FRAMEWORK, VF_STR_FRAMEWORK, FROM_BOTH, true},
    {VF_REF_VERSION, VF_STR_VERSION, FROM_BOTH, true},
    {VF_REF_PROJECT, VF_STR_PROJECT, FROM_BOTH, true},
    {VF_REF_GOAL, VF_STR_GOAL, FROM_SET, true},
    {VF_REF_CALLBACKS, VF_STR_CALLBACKS, FROM_SET, true},
    {VF_REF_GIT_DIR, VF_STR_GIT_DIR, FROM_BOTH, true},
    {VF_REF_GIT_WORKTREE, VF_STR_GIT_WORKTREE, FROM_BOTH, true},
    {VF_REF_GITHUB_REPO, VF_STR_GITHUB_REPO, FROM_BOTH, true},
    {VF_REF_SUBAGENT_TYPE, VF_STR_SUBAGENT_TYPE, FROM_SET, false},
    {VF_REF_PARENT_TOOL_CALL, VF_STR_PARENT_TOOL_CALL, FROM_SET, false},
};
static const struct {
    uint8_t ref;
    uint32_t present;
} number_fields[] = {
    {VF_REF_GITHUB_ISSUE, VF_HAS_GITHUB_ISSUE},
    {VF_REF_GITHUB_PR, VF_HAS_GITHUB_PR},
    {VF_REF_GIT_ADDITIONS, VF_HAS_GIT_ADDITIONS},
    {VF_REF_GIT_DELETIONS, VF_HAS_GIT_DELETIONS},
};

static int fold_fields(const record *r, vf_hot *hot, vf_cold *cold) {
    bool set = r->frame->kind != VF_KIND_EVENT;
    uint64_t present = vf_get64(r->body->fixed.present);
    for (size_t i = 0; i < sizeof text_fields / sizeof *text_fields; i++) {
        vf_text text = r->body->str[text_fields[i].str];
        if (text.ptr == NULL || (text_fields[i].from & (set ? FROM_SET : FROM_EVENT)) == 0)
            continue;
        if (text_fields[i].ref == VF_REF_MODEL &&
            (r->body->fixed.charge_kind == VF_CHARGE_AGENT_PROGRESS ||
             (r->body->fixed.source == VF_SOURCE_OTEL &&
              (vf_get32(r->body->fixed.flags) & VF_EV_SIDECHAIN) != 0)))
            continue; /* a subagent's model */
        le32 *name = text_fields[i].ref == VF_REF_MODEL       ? &hot->model
                     : text_fields[i].ref == VF_REF_FRAMEWORK ? &hot->framework
                                                              : NULL;
        uint32_t number = 0;
        if (name != NULL) { /* also if it does not win now: numbers are given as names first come */
            int result = ve_intern(r->store, r->index, r->group, text, vf_get32(*name), &number);
            if (result < 0)
                return result;
        }
        if (take(r, cold, (vf_ref)text_fields[i].ref, text_fields[i].last) && name != NULL)
            vf_put32(name, number);
    }
    for (size_t i = 0; i < sizeof number_fields / sizeof *number_fields; i++)
        if ((present & number_fields[i].present) != 0)
            take(r, cold, (vf_ref)number_fields[i].ref, true);
    if ((present & VF_HAS_PID) != 0 && take(r, cold, VF_REF_PID, true)) {
        hot->pid = r->body->fixed.pid;
        hot->process_start = r->body->fixed.process_start;
        uint32_t flags =
            (vf_get32(hot->flags) | VF_SR_HAS_PID) & ~(uint32_t)VF_SR_HAS_PROCESS_START;
        vf_put32(&hot->flags,
                 (present & VF_HAS_PROCESS_START) != 0 ? flags | VF_SR_HAS_PROCESS_START : flags);
    }
    return VARVE_OK;
}

/* ---- Status and life cycle ---- */

static uint8_t status_of_type(uint16_t type) {
    switch (type) {
    case VF_TYPE_SESSION_START:
    case VF_TYPE_STOP:
        return VF_STATUS_IDLE;
    case VF_TYPE_USER_PROMPT:
    case VF_TYPE_PRE_TOOL:
    case VF_TYPE_POST_TOOL:
        return VF_STATUS_BUSY;
    case VF_TYPE_PERMISSION:
        return VF_STATUS_WAIT;
    case VF_TYPE_SESSION_END:
        return VF_STATUS_DONE;
    default:
        return VF_STATUS_NONE;
    }
}

int ve_life_of(const vf_frame *frame, const vf_body *body) {
    (void)body;
    if (frame->kind != VF_KIND_EVENT || (frame->flags & VF_FRAME_HAS_TIME) == 0)
        return VE_LIFE_NONE;
    switch (vf_get16(frame->type)) {
    case VF_TYPE_SESSION_START:
        return VE_LIFE_START;
    case VF_TYPE_SESSION_END:
        return VE_LIFE_END;
    case VF_TYPE_USER_PROMPT:
    case VF_TYPE_PRE_TOOL:
    case VF_TYPE_POST_TOOL:
    case VF_TYPE_PERMISSION:
    case VF_TYPE_SUBAGENT_START:
    case VF_TYPE_API_REQUEST:
    case VF_TYPE_USER:
    case VF_TYPE_ASSISTANT:
        return VE_LIFE_ACTIVITY;
    default:
        return VE_LIFE_NONE;
    }
}

static void set_flag(vf_hot *hot, uint32_t flag, bool on) {
    uint32_t flags = vf_get32(hot->flags);
    vf_put32(&hot->flags, on ? flags | flag : flags & ~flag);
}

static void fold_status(const record *r, vf_hot *hot, vf_cold *cold) {
    uint8_t status = r->body->fixed.status;
    if (status == VF_STATUS_NONE && r->frame->kind == VF_KIND_EVENT &&
        (r->frame->flags & VF_FRAME_HAS_TIME) != 0)
        status = status_of_type(vf_get16(r->frame->type));
    if (status == VF_STATUS_NONE || !take(r, cold, VF_REF_STATUS, true))
        return;
    hot->status = status;
    hot->status_time = r->frame->time;
    set_flag(hot, VF_SR_HAS_STATUS_TIME, true);
}

static void step_life(vf_hot *hot, int life, int64_t time) {
    bool ended = ve_le_flag(hot->flags, VF_SR_ENDED);
    if (life == VE_LIFE_END) {
        set_flag(hot, VF_SR_ENDED, true);
        vf_put_i64(&hot->last_ended, time);
        return;
    }
    if (ended) {
        set_flag(hot, VF_SR_ENDED, false);
        vf_put_i64(&hot->last_ended, 0);
        vf_put32(&hot->revivals, vf_get32(hot->revivals) + 1);
    }
    if (ended || life == VE_LIFE_START) {
        vf_put_i64(&hot->last_started, time);
        set_flag(hot, VF_SR_STARTED, true);
    }
}

/* Follows the life cycle while events come in order; one that comes late marks the session to be
 * folded again. */
static void fold_life(const record *r, ve_group_row *session) {
    vf_hot *hot = ve_hot(session);
    vf_cold *cold = ve_cold(session);
    int life = ve_life_of(r->frame, r->body);
    if (life == VE_LIFE_NONE)
        return;
    int64_t time = vf_get_i64(r->frame->time);
    bool had_end = ve_le_flag(hot->flags, VF_SR_HAS_END);
    if (life == VE_LIFE_END && (!had_end || time < vf_get_i64(hot->first_ended))) {
        vf_put_i64(&hot->first_ended, time);
        set_flag(hot, VF_SR_HAS_END, true);
    }
    uint64_t ref = vf_get64(cold->ref[VF_REF_LIFECYCLE]);
    bool in_order = ref == 0 || time > vf_get_i64(cold->lifecycle_time) ||
                    (time == vf_get_i64(cold->lifecycle_time) && wins(r, ref, true));
    if (in_order) {
        step_life(hot, life, time);
        vf_put64(&cold->ref[VF_REF_LIFECYCLE], r->lsn);
        vf_put_i64(&cold->lifecycle_time, time);
    } else if (life == VE_LIFE_END || (had_end && time >= vf_get_i64(hot->first_ended))) {
        session->refold = true;
    } else if (life == VE_LIFE_START &&
               (!ve_le_flag(hot->flags, VF_SR_STARTED) || time > vf_get_i64(hot->last_started))) {
        vf_put_i64(&hot->last_started, time);
        set_flag(hot, VF_SR_STARTED, true);
    }
}

/* ---- Counters ---- */

/* Stops at the largest number. */
static void add32(le32 *counter, uint32_t n) {
    uint32_t sum = vf_get32(*counter) + n;
    vf_put32(counter, sum < n ? UINT32_MAX : sum);
}

/* A number that must not be negative counts as 0 if it is. */
static uint32_t not_below_zero(le32 number) {
    return vf_get_i32(number) < 0 ? 0 : vf_get32(number);
}

static void fold_counts(const record *r, ve_group_row *session) {
    vf_hot *hot = ve_hot(session);
    const vf_fixed *fixed = &r->body->fixed;
    vf_partial *partial = &ve_cold(session)->by_source[fixed->source];
    uint32_t flags = vf_get32(fixed->flags);
    uint64_t present = vf_get64(fixed->present);
    uint16_t type = vf_get16(r->frame->type);
    vf_put64(&partial->events, vf_get64(partial->events) + 1);
    add32(&partial->user_messages,
          (flags & VF_EV_USER_MESSAGE) != 0 || type == VF_TYPE_USER_PROMPT);
    add32(&partial->assistant_messages, (flags & VF_EV_ASSISTANT_MESSAGE) != 0);
    add32(&partial->api_errors, (flags & VF_EV_API_ERROR) != 0 || type == VF_TYPE_API_ERROR);
    add32(&partial->compactions, (flags & VF_EV_COMPACTION) != 0 || type == VF_TYPE_PRE_COMPACT);
    add32(&partial->turns, (flags & VF_EV_TURN) != 0 || type == VF_TYPE_TURN_END);
    if ((present & VF_HAS_TOOL_CALLS) != 0)
        add32(&partial->tool_calls, not_below_zero(fixed->tool_calls));
    else
        add32(&partial->tool_calls, type == VF_TYPE_PRE_TOOL);
    vf_put64(&hot->events, vf_get64(hot->events) + 1);
    vf_put64(&hot->payload_bytes, vf_get64(hot->payload_bytes) + r->body->payload_size);
    hot->sources |= (uint8_t)(1u << fixed->source);
    uint32_t set = (flags & VF_EV_OUTPUT_LOWER_BOUND) != 0 ? VF_SR_OUTPUT_LOWER_BOUND : 0;
    set |= (flags & VF_EV_UNPRICED) != 0 ? VF_SR_UNPRICED : 0;
    set |= fixed->source == VF_SOURCE_TRANSCRIPT ? VF_SR_TRANSCRIPT : 0;
    vf_put32(&hot->flags, vf_get32(hot->flags) | set);
    session->dirty = true;
}

static void fold_times(const record *r, vf_hot *hot) {
    if ((r->frame->flags & VF_FRAME_HAS_TIME) == 0)
        return;
    int64_t time = vf_get_i64(r->frame->time);
    bool first = !ve_le_flag(hot->flags, VF_SR_HAS_TIME);
    if (first || time < vf_get_i64(hot->first_started))
        vf_put_i64(&hot->first_started, time);
    if (first || time > vf_get_i64(hot->last_activity))
        vf_put_i64(&hot->last_activity, time);
    set_flag(hot, VF_SR_HAS_TIME, true);
}

/* First and last message of the user: what a transcript says comes before what a hook said. */
static void fold_texts(const record *r, vf_cold *cold) {
    bool user = (vf_get32(r->body->fixed.flags) & VF_EV_USER_MESSAGE) != 0 ||
                vf_get16(r->frame->type) == VF_TYPE_USER_PROMPT;
    if (!user || r->body->str[VF_STR_TEXT].ptr == NULL)
        return;
    uint64_t first = vf_get64(cold->ref[VF_REF_FIRST_TEXT]);
    vf_frame frame;
    vf_body body;
    bool known = first != 0 && ve_log_ref(r->store, r->session, first, &frame, &body) == VARVE_OK;
    bool here = r->body->fixed.source == VF_SOURCE_TRANSCRIPT;
    bool there = known ? body.fixed.source == VF_SOURCE_TRANSCRIPT : here;
    bool is_first = here;
    if (here == there) /* (what was read just now need not be read again) */
        is_first = !(known && vf_get_i64(frame.time) < vf_get_i64(r->frame->time)) &&
                   wins(r, first, false);
    if (is_first)
        vf_put64(&cold->ref[VF_REF_FIRST_TEXT], r->lsn);
    take(r, cold, VF_REF_LAST_TEXT, true);
}

static void fold_context(const record *r, vf_hot *hot, vf_cold *cold) {
    const vf_fixed *fixed = &r->body->fixed;
    uint64_t present = vf_get64(fixed->present);
    if ((present & (VF_HAS_TOKENS << VF_TOK_INPUT)) == 0 ||
        (vf_get32(fixed->flags) & VF_EV_SIDECHAIN) != 0 || fixed->charge_kind != VF_CHARGE_MESSAGE)
        return;
    int64_t context = 0;
    for (int t = VF_TOK_INPUT; t <= VF_TOK_CACHE_WRITE_1H; t++) {
        int64_t tokens = t == VF_TOK_OUTPUT ? 0 : vf_get_i64(fixed->tokens[t]);
        if (tokens > 0)
            context = tokens > INT64_MAX - context ? INT64_MAX : context + tokens;
    }
    if (context == 0 ||
        !take(r, cold, VF_REF_CONTEXT, true)) /* zero: an error made by the agent itself */
        return;
    vf_put_i64(&hot->context, context);
    set_flag(hot, VF_SR_HAS_CONTEXT, true);
}

static int fold_event(const record *r, ve_group_row *session) {
    vf_hot *hot = ve_hot(session);
    vf_cold *cold = ve_cold(session);
    fold_times(r, hot);
    fold_counts(r, session);
    fold_texts(r, cold);
    fold_context(r, hot, cold);
    fold_status(r, hot, cold);
    fold_life(r, session);
    int result = fold_fields(r, hot, cold);
    bool repeated = (vf_get32(r->body->fixed.flags) & VF_EV_REPEATED) != 0;
    if (result == VARVE_OK && !r->paid && !repeated)
        result = ve_charge(r->store, r->index, r->group, session, r->frame, r->body);
    return result;
}

/* ---- SESSION records ---- */

static int session_row(varve *store, ve_index *index, ve_group *group, vf_key key,
                       ve_group_row **ret_row) {
    uint32_t row = ve_group_find(index, group, VF_TABLE_SESSIONS, key);
    if (row != UINT32_MAX) {
        *ret_row = ve_group_get(store, index, VF_TABLE_SESSIONS, row);
    } else {
        *ret_row = ve_group_add(store, index, VF_TABLE_SESSIONS, key);
        if (*ret_row != NULL)
            vf_put64(&ve_hot(*ret_row)->last_seq, UINT64_MAX);
    }
    return *ret_row == NULL ? VARVE_E_INDEX : VARVE_OK;
}

static int fold_parent(const record *r, ve_group_row *session) {
    vf_text id = r->body->str[VF_STR_PARENT_ID];
    vf_text machine = r->body->str[VF_STR_PARENT_MACHINE];
    if (machine.ptr == NULL)
        machine = r->body->str[VF_STR_MACHINE_ID];
    if (ve_le_flag(ve_hot(session)->flags, VF_SR_FORGOTTEN))
        return VARVE_OK; /* whose child it was is not known any more: what was rolled up stays there
                          */
    if (id.ptr == NULL || machine.ptr == NULL || !take(r, ve_cold(session), VF_REF_PARENT, false))
        return VARVE_OK;
    vf_key key = vf_session_key(machine.ptr, machine.size, id.ptr, id.size);
    ve_group_row *parent;
    int result = session_row(r->store, r->index, r->group, key, &parent);
    if (result < 0)
        return result;
    if (vf_get64(ve_cold(parent)->ref[VF_REF_IDENTITY]) == 0)
        vf_put64(&ve_cold(parent)->ref[VF_REF_IDENTITY], r->lsn);
    return ve_link_parent(r->store, r->index, r->group, session->row, parent->row);
}

static bool says(const vf_body *body, int counter) {
    uint64_t bit = counter < VF_TOKENS          ? (uint64_t)VF_HAS_TOKENS << counter
                   : counter == VE_COUNTER_COST ? VF_HAS_COST
                                                : VF_HAS_TURN;
    return (vf_get64(body->fixed.present) & bit) != 0;
}

void ve_absolute(vf_cold *cold, const vf_body *body, int counter, int sign) {
    vf_partial *api = &cold->by_source[VF_SOURCE_API];
    if (!says(body, counter))
        return;
    if (counter == VE_COUNTER_TURNS) {
        uint32_t turns = not_below_zero(body->fixed.turn);
        vf_put32(&api->turns, vf_get32(api->turns) + (uint32_t)sign * turns);
        return;
    }
    bool cost = counter == VE_COUNTER_COST;
    le64 *sum = cost ? &api->cost : &api->tokens[counter];
    le64 said = cost ? body->fixed.cost : body->fixed.tokens[counter];
    if (vf_get_i64(said) > 0)
        vf_put64(sum, vf_get64(*sum) + (uint64_t)sign * vf_get64(said));
    if (cost)
        vf_put32(&api->costed, vf_get32(api->costed) + (uint32_t)sign);
}

/* Counters that are said outright replace those that were said before, each by itself. */
static void fold_absolute(const record *r, ve_group_row *session) {
    vf_cold *cold = ve_cold(session);
    for (int counter = 0; counter < VE_COUNTERS; counter++) {
        uint64_t before = vf_get64(cold->ref[VF_REF_ABSOLUTE + counter]);
        if (!says(r->body, counter) || !take(r, cold, (vf_ref)(VF_REF_ABSOLUTE + counter), true))
            continue;
        vf_frame frame;
        vf_body body;
        if (before != 0 && ve_log_ref(r->store, r->session, before, &frame, &body) == VARVE_OK)
            ve_absolute(cold, &body, counter, -1);
        ve_absolute(cold, r->body, counter, 1);
    }
}

/* Whether who the session is stood in a record that was lost to damage. */
static bool is_nameless(const record *r, const vf_hot *hot, const vf_cold *cold) {
    uint64_t lsn = vf_get64(cold->ref[VF_REF_IDENTITY]);
    vf_frame frame;
    return lsn != 0 && !ve_le_flag(hot->flags, VF_SR_FORGOTTEN) &&
           ve_is_damage(ve_log_ref(r->store, r->session, lsn, &frame, NULL));
}

static int fold_set(const record *r, ve_group_row *session) {
    vf_hot *hot = ve_hot(session);
    vf_cold *cold = ve_cold(session);
    const vf_fixed *fixed = &r->body->fixed;
    uint32_t flags = vf_get32(fixed->flags);
    session->dirty = true;
    fold_times(r, hot);
    if (!ve_le_flag(hot->flags,
                    VF_SR_FORGOTTEN)) /* else what it would replace is not known any more */
        fold_absolute(r, session);
    if (!ve_le_flag(hot->flags, VF_SR_DEFINED) || is_nameless(r, hot, cold)) {
        set_flag(hot, VF_SR_DEFINED, true);
        vf_put64(&cold->ref[VF_REF_IDENTITY], r->lsn);
    }
    vf_put64(&cold->ref[VF_REF_LAST_SET], r->lsn);
    if (fixed->session_type != VF_SESSION_NONE && take(r, cold, VF_REF_SESSION_TYPE, true))
        hot->session_type = fixed->session_type;
    if (fixed->mode != VF_MODE_NONE && take(r, cold, VF_REF_MODE, true))
        hot->mode = fixed->mode;
    if (fixed->channel != VF_CHANNEL_NONE && take(r, cold, VF_REF_CHANNEL, true))
        hot->channel = fixed->channel;
    if ((flags & VF_EV_EOL_SET) != 0 && take(r, cold, VF_REF_EOL, true)) {
        hot->eol = fixed->eol;
        set_flag(hot, VF_SR_EOL_SET, true);
    }
    if ((flags & VF_EV_HIDDEN) != 0)
        set_flag(hot, VF_SR_HIDDEN, true);
    if (r->body->str[VF_STR_LABELS].ptr != NULL)
        set_flag(hot, VF_SR_LABELS, true);
    fold_status(r, hot, cold);
    int result = fold_fields(r, hot, cold);
    return result == VARVE_OK ? fold_parent(r, session) : result;
}

/* ---- Other records ---- */

static int fold_cursor(varve *store, ve_index *index, ve_group *group, const ve_record *from) {
    vf_key key;
    vf_text name, state;
    if (from->body == NULL ||
        vf_cursor_decode(from->body, from->body_size, &key, &name, &state) != VF_OK)
        return VARVE_OK;
    uint32_t row = ve_group_find(index, group, VF_TABLE_CURSORS, key);
    ve_group_row *cursor = row != UINT32_MAX ? ve_group_get(store, index, VF_TABLE_CURSORS, row)
                                             : ve_group_add(store, index, VF_TABLE_CURSORS, key);
    if (cursor == NULL)
        return VARVE_E_INDEX;
    vf_put64(&((vf_cursor_row *)(void *)cursor->image)->lsn, from->lsn);
    return VARVE_OK;
}

static void fold_tombstone(const ve_record *from, vf_hot *hot, vf_cold *cold) {
    vf_mark_fixed mark;
    if (!ve_record_mark(from, &mark))
        return;
    set_flag(hot, vf_get64(mark.seq) == UINT64_MAX ? VF_SR_DELETED : VF_SR_TRIMMED, true);
    if (vf_get64(mark.to) == VF_GONE_FORGOTTEN) { /* its numbers stay: they were paid */
        memset(cold->ref, 0, sizeof cold->ref);
        set_flag(hot, VF_SR_FORGOTTEN, true);
        set_flag(hot, VF_SR_LABELS, false);
        vf_put32(&hot->model, 0);
        vf_put32(&hot->framework, 0);
    }
    vf_put64(&cold->ref[VF_REF_TOMBSTONE], from->lsn);
}

int ve_fold(varve *store, ve_index *index, ve_group *group, const ve_record *from) {
    const vf_frame *frame = &from->frame;
    uint64_t lsn = from->lsn;
    if (frame->kind == VF_KIND_CURSOR)
        return fold_cursor(store, index, group, from);
    if (vf_key_is_zero(frame->session))
        return VARVE_OK;
    ve_group_row *session;
    int result = session_row(store, index, group, frame->session, &session);
    if (result < 0)
        return result;
    vf_hot *hot = ve_hot(session);
    if (vf_get64(hot->last_lsn) >= lsn)
        return VARVE_OK; /* folded already: what is applied was said to be less than it is */
    if (frame->kind == VF_KIND_TOMBSTONE) { /* what is due is done while the records are there */
        if (session->rewound)
            result = ve_refold(store, index, group, session->row);
        if (result == VARVE_OK && session->refold)
            result = ve_lifecycle(store, index, group, session->row);
        if (result < 0)
            return result;
        session->rewound = session->refold = false;
    }
    hot->last_seq = frame->seq;
    vf_put64(&hot->last_lsn, lsn);
    if (frame->kind == VF_KIND_REWIND) {
        session->rewound = true;
        set_flag(hot, VF_SR_REWOUND, true);
    }
    if (frame->kind == VF_KIND_TOMBSTONE)
        fold_tombstone(from, hot, ve_cold(session));
    return ve_fold_record(store, index, group, session, from, false);
}

int ve_fold_record(varve *store, ve_index *index, ve_group *group, ve_group_row *session,
                   const ve_record *from, bool paid) {
    const vf_frame *frame = &from->frame;
    vf_body body;
    vf_key key = ve_hot(session)->key;
    bool set = frame->kind == VF_KIND_SESSION || frame->kind == VF_KIND_FORK;
    if ((frame->kind != VF_KIND_EVENT && !set) || ve_record_body(store, from, &body) < 0)
        return VARVE_OK;
    comparison latest = {0};
    record r = {.latest = &latest,
                .store = store,
                .index = index,
                .group = group,
                .lsn = from->lsn,
                .frame = frame,
                .body = &body,
                .from = from,
                .session = &key,
                .paid = paid};
    if (store->met == NULL && store->folded++ >= VE_MET_FROM)
        store->met = calloc(VE_MET, sizeof *store->met); /* NULL: it is looked up each time */
    if (store->met != NULL)
        store->met[ve_met_slot(r.lsn)] = (ve_met){r.lsn, vf_get_i64(frame->time)};
    return set ? fold_set(&r, session) : fold_event(&r, session);
}

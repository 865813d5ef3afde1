/*
 * Reading session records: the dense rows as they stand in the index, with the texts that the log
 * holds.
 */
#include "engine/array.h"
#include "engine/fold.h"
#include "engine/read.h"
#include "engine/recover.h"
#include "engine/store.h"

#include <stdlib.h>

struct varve_scan {
    varve *store;
    uint64_t next;
    bool strings;
    char *labels;
    size_t labels_room;
    ve_hold hold;      /* what was given last, */
    ve_layout *layout; /* and by what it was read */
};

/* Which record gives which text of a session. */
static const struct {
    uint8_t ref, str;
} session_texts[] = {
    {VF_REF_TITLE, VF_STR_TITLE},
    {VF_REF_CWD, VF_STR_CWD},
    {VF_REF_GIT_BRANCH, VF_STR_GIT_BRANCH},
    {VF_REF_MODEL, VF_STR_MODEL},
    {VF_REF_TRANSCRIPT_PATH, VF_STR_TRANSCRIPT_PATH},
    {VF_REF_PERMISSION_MODE, VF_STR_PERMISSION_MODE},
    {VF_REF_STATUS, VF_STR_STATUS},
    {VF_REF_PID, VF_STR_BOOT_ID},
    {VF_REF_PID, VF_STR_PID_NAMESPACE},
    {VF_REF_FRAMEWORK, VF_STR_FRAMEWORK},
    {VF_REF_GOAL, VF_STR_GOAL},
    {VF_REF_MODE, VF_STR_MODE},
    {VF_REF_CHANNEL, VF_STR_CHANNEL},
    {VF_REF_SESSION_TYPE, VF_STR_SESSION_TYPE},
    {VF_REF_PARENT, VF_STR_PARENT_ID},
    {VF_REF_PARENT, VF_STR_PARENT_MACHINE},
    {VF_REF_PARENT_TOOL_CALL, VF_STR_PARENT_TOOL_CALL},
    {VF_REF_SUBAGENT_TYPE, VF_STR_SUBAGENT_TYPE},
    {VF_REF_CALLBACKS, VF_STR_CALLBACKS},
    {VF_REF_GIT_DIR, VF_STR_GIT_DIR},
    {VF_REF_GIT_WORKTREE, VF_STR_GIT_WORKTREE},
    {VF_REF_GITHUB_REPO, VF_STR_GITHUB_REPO},
    {VF_REF_VERSION, VF_STR_VERSION},
    {VF_REF_PROJECT, VF_STR_PROJECT},
};

int varve_scan_open(varve *store, varve_scan **ret_scan) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result == VARVE_OK)
        result = ve_follow_index(store);
    if (result < 0)
        return result;
    varve_scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    scan->store = store;
    scan->strings = true;
    *ret_scan = scan;
    return VARVE_OK;
}

void varve_scan_close(varve_scan **scan) {
    if (scan == NULL || *scan == NULL)
        return;
    VE_TURN((*scan)->store);
    free((*scan)->labels);
    ve_hold_free((*scan)->store, &(*scan)->hold);
    ve_layout_release((*scan)->store, (*scan)->layout);
    free(*scan);
    *scan = NULL;
}

void varve_scan_strings(varve_scan *scan, int want) {
    scan->strings = want != 0;
}

int varve_scan_rewind(varve_scan *scan) {
    VE_TURN(scan->store);
    int result = ve_enter(scan->store);
    scan->next = 0;
    return result < 0 ? result : ve_follow_index(scan->store);
}

static void fill_numbers(const vf_hot *hot, uint64_t row, varve_session *ret) {
    memset(ret, 0, sizeof *ret);
    ret->size = sizeof *ret;
    memcpy(&ret->key, &hot->key, sizeof ret->key);
    ret->row = row;
    uint32_t flags = vf_get32(hot->flags);
    ret->flags = flags & ~(uint32_t)(VF_SR_DEFINED | VF_SR_STARTED);
    if ((flags & VF_SR_DEFINED) == 0)
        ret->flags |= VARVE_SS_STUB;
    ret->sources = hot->sources;
    ret->status = hot->status;
    ret->session_type = hot->session_type;
    ret->mode = hot->mode;
    ret->channel = hot->channel;
    ret->best_source = hot->best_source;
    ret->eol = hot->eol;
    ret->first_started = vf_get_i64(hot->first_started);
    ret->last_started = vf_get_i64(hot->last_started);
    ret->first_ended = vf_get_i64(hot->first_ended);
    ret->last_ended = vf_get_i64(hot->last_ended);
    ret->last_activity = vf_get_i64(hot->last_activity);
    ret->status_time = vf_get_i64(hot->status_time);
    for (int t = 0; t < VF_TOKENS; t++)
        ret->tokens[t] = vf_get_i64(hot->tokens[t]);
    ret->cost = vf_get_i64(hot->cost);
    ret->cost_children = ve_sum(hot->cost_children);
    ret->context = vf_get_i64(hot->context);
    ret->process_start = vf_get_i64(hot->process_start);
    ret->pid = vf_get_i32(hot->pid);
    ret->user_messages = vf_get32(hot->user_messages);
    ret->assistant_messages = vf_get32(hot->assistant_messages);
    ret->tool_calls = vf_get32(hot->tool_calls);
    ret->api_requests = vf_get32(hot->api_requests);
    ret->api_errors = vf_get32(hot->api_errors);
    ret->compactions = vf_get32(hot->compactions);
    ret->turns = vf_get32(hot->turns);
    ret->revivals = vf_get32(hot->revivals);
    ret->children = vf_get32(hot->children);
    ret->events = vf_get64(hot->events);
    ret->payload_bytes = vf_get64(hot->payload_bytes);
    ret->last_seq = vf_get64(hot->last_seq);
    ret->last_lsn = vf_get64(hot->last_lsn);
    uint32_t parent = vf_get32(hot->parent);
    ret->parent_row = parent == 0 ? UINT64_MAX : parent - 1;
}
_Static_assert((int)VF_SR_DEFINED == (int)VARVE_SS_STUB, "the bit is turned round");
_Static_assert((int)VF_SR_ENDED == (int)VARVE_SS_ENDED, "flags agree");
_Static_assert((int)VF_SR_TRANSCRIPT == (int)VARVE_SS_TRANSCRIPT, "flags agree");
_Static_assert((int)VF_SR_HAS_PROCESS_START == (int)VARVE_SS_HAS_PROCESS_START, "flags agree");
_Static_assert((int)VF_SR_CYCLE == (int)VARVE_SS_CYCLE, "flags agree");

static void fill_counters(const vf_partial *partial, varve_counters *ret) {
    for (int t = 0; t < VF_TOKENS; t++)
        ret->tokens[t] = ve_sum(partial->tokens[t]);
    ret->cost = ve_sum(partial->cost);
    ret->user_messages = vf_get32(partial->user_messages);
    ret->assistant_messages = vf_get32(partial->assistant_messages);
    ret->tool_calls = vf_get32(partial->tool_calls);
    ret->api_requests = vf_get32(partial->api_requests);
    ret->api_errors = vf_get32(partial->api_errors);
    ret->compactions = vf_get32(partial->compactions);
    ret->turns = vf_get32(partial->turns);
    ret->costed = vf_get32(partial->costed);
    ret->events = vf_get64(partial->events);
}

static varve_str str_of(const vf_body *body, int str) {
    return (varve_str){body->str[str].ptr, body->str[str].size};
}

/* A record that a row refers to: 1; 0 if there is none, or it was lost to damage; or an error. */
static int load(varve *store, const vf_key *session, uint64_t lsn, vf_frame *ret_frame,
                vf_body *ret_body) {
    int result =
        lsn == 0 ? VARVE_E_NOT_FOUND : ve_log_ref(store, session, lsn, ret_frame, ret_body);
    return result == VARVE_OK ? 1 : ve_is_damage(result) ? 0 : result;
}

static int fill_texts(varve *store, const vf_key *session, const vf_cold *cold,
                      varve_session *ret) {
    vf_frame frame;
    vf_body body;
    uint64_t loaded = 0;
    int there = 0;
    for (size_t i = 0; i < sizeof session_texts / sizeof *session_texts; i++) {
        uint64_t lsn = vf_get64(cold->ref[session_texts[i].ref]);
        if (lsn == 0 || lsn != loaded)
            there = load(store, session, lsn, &frame, &body);
        if (there < 0)
            return there;
        loaded = there == 1 ? lsn : 0;
        if (there == 1)
            ret->str[session_texts[i].str] = str_of(&body, session_texts[i].str);
    }
    static const struct {
        uint8_t ref;
        uint32_t present;
    } numbers[] = {{VF_REF_GITHUB_ISSUE, VF_HAS_GITHUB_ISSUE},
                   {VF_REF_GITHUB_PR, VF_HAS_GITHUB_PR},
                   {VF_REF_GIT_ADDITIONS, VF_HAS_GIT_ADDITIONS},
                   {VF_REF_GIT_DELETIONS, VF_HAS_GIT_DELETIONS}};
    int32_t *values[] = {&ret->github_issue, &ret->github_pr, &ret->git_additions,
                         &ret->git_deletions};
    for (int i = 0; i < 4; i++) {
        uint64_t lsn = vf_get64(cold->ref[numbers[i].ref]);
        if ((there = load(store, session, lsn, &frame, &body)) < 0)
            return there;
        if (there == 0)
            continue;
        const le32 *from[] = {&body.fixed.github_issue, &body.fixed.github_pr,
                              &body.fixed.git_additions, &body.fixed.git_deletions};
        *values[i] = vf_get_i32(*from[i]);
        ret->present |= numbers[i].present;
    }
    there = load(store, session, vf_get64(cold->ref[VF_REF_FIRST_TEXT]), &frame, &body);
    if (there == 1)
        ret->first_text = str_of(&body, VF_STR_TEXT);
    if (there >= 0)
        there = load(store, session, vf_get64(cold->ref[VF_REF_LAST_TEXT]), &frame, &body);
    if (there == 1)
        ret->last_text = str_of(&body, VF_STR_TEXT);
    return there < 0 ? there : VARVE_OK;
}

/* ---- Labels: each SESSION record may set some and take some away; the later one decides, key by
 * key ---- */

typedef struct {
    const char *key, *value; /* value NULL: taken away */
    size_t key_size, value_size;
    int64_t time;
    uint64_t lsn;
} label;

static int by_label(const void *a, const void *b) {
    const label *p = a, *q = b;
    int order = memcmp(p->key, q->key, p->key_size < q->key_size ? p->key_size : q->key_size);
    if (order == 0 && p->key_size != q->key_size)
        order = p->key_size < q->key_size ? -1 : 1;
    if (order == 0 && p->time != q->time)
        order = p->time > q->time ? -1 : 1; /* newest first */
    return order != 0 ? order : p->lsn > q->lsn ? -1 : p->lsn < q->lsn;
}

static bool take_labels(label **labels, size_t *count, size_t *room, vf_text text, int64_t time,
                        uint64_t lsn) {
    for (const char *at = text.ptr, *end = text.ptr + text.size; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end == NULL ? end : line_end;
        const char *equals = memchr(at, '=', (size_t)(line_end - at));
        if (!ve_grow(labels, room, *count + 1, sizeof **labels))
            return false;
        label *l = &(*labels)[*count];
        *l = (label){.key = at,
                     .key_size = (size_t)((equals == NULL ? line_end : equals) - at),
                     .time = time,
                     .lsn = lsn};
        if (equals != NULL) {
            l->value = equals + 1;
            l->value_size = (size_t)(line_end - l->value);
        }
        *count += l->key_size > 0;
        at = line_end + 1;
    }
    return true;
}

/* Writes what is set now as lines, by key, into the scan's own memory. */
static bool write_labels(varve_scan *scan, const label *labels, size_t count, varve_str *ret) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        bool first = i == 0 || labels[i].key_size != labels[i - 1].key_size ||
                     memcmp(labels[i].key, labels[i - 1].key, labels[i].key_size) != 0;
        if (!first || labels[i].value == NULL)
            continue;
        size_t need = size + labels[i].key_size + labels[i].value_size + 2;
        if (!ve_grow(&scan->labels, &scan->labels_room, need, 1))
            return false;
        if (size > 0)
            scan->labels[size++] = '\n';
        memcpy(scan->labels + size, labels[i].key, labels[i].key_size);
        size += labels[i].key_size;
        scan->labels[size++] = '=';
        memcpy(scan->labels + size, labels[i].value, labels[i].value_size);
        size += labels[i].value_size;
    }
    if (size > 0)
        *ret = (varve_str){scan->labels, size};
    return true;
}

int ve_scan_labels(varve_scan *scan, const vf_cold *cold, varve_str *ret_labels) {
    varve *store = scan->store;
    const vf_hot *hot = (const vf_hot *)(const void *)((const uint8_t *)cold - VF_HOT_SIZE);
    label *labels = NULL;
    size_t count = 0, room = 0;
    bool good = true;
    int there = 1;
    uint64_t next;
    for (uint64_t lsn = vf_get64(cold->ref[VF_REF_LAST_SET]); good && lsn != 0; lsn = next) {
        vf_frame frame;
        vf_body body;
        if ((there = load(store, &hot->key, lsn, &frame, &body)) != 1)
            break;
        if (body.str[VF_STR_LABELS].ptr != NULL)
            good = take_labels(&labels, &count, &room, body.str[VF_STR_LABELS],
                               vf_get_i64(frame.time), lsn);
        next = vf_get64(body.fixed.prev_set);
        if (next >= lsn)
            break; /* a crafted record: the way back never ends */
    }
    if (good && there >= 0 && count > 0) {
        qsort(labels, count, sizeof *labels, by_label);
        good = write_labels(scan, labels, count, ret_labels);
    }
    free(labels);
    if (there < 0)
        return there;
    return good ? VARVE_OK : ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
}

/* A parent that was deleted, or was lost with a part of the index, is none any more. */
static void forget_deleted_parent(varve *store, varve_session *session) {
    vf_hot hot;
    if (session->parent_row == UINT64_MAX ||
        ve_read_row(&store->index, VF_TABLE_SESSIONS, (uint32_t)session->parent_row, false, &hot) <
            0 ||
        !(ve_le_flag(hot.flags, VF_SR_DELETED) ||
          ve_no_row(VF_TABLE_SESSIONS, (const uint8_t *)&hot)))
        return;
    session->parent_row = UINT64_MAX;
    session->str[VF_STR_PARENT_ID] = session->str[VF_STR_PARENT_MACHINE] = (varve_str){NULL, 0};
}

/* 1 and the session in a row, 0 if there is none. */
static int read_session(varve_scan *scan, uint64_t row, varve_session *ret_session) {
    varve *store = scan->store;
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    int result = ve_need_row(store, VF_TABLE_SESSIONS, row, true, image);
    if (result < 0)
        return result;
    if (ve_no_row(VF_TABLE_SESSIONS, image))
        return 0;
    const vf_hot *hot = (const vf_hot *)(const void *)image;
    const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
    varve_session session;
    fill_numbers(hot, row, &session);
    for (int s = 0; s < VF_SOURCES; s++)
        fill_counters(&cold->by_source[s], &session.by_source[s]);
    result = ve_identity(store, cold, &session.machine_id, &session.session_id);
    if (ve_is_damage(
            result)) /* its name was lost: the numbers are there, and the others must be listed */
        result = VARVE_OK;
    if (result == VARVE_OK && scan->strings)
        result = fill_texts(store, &hot->key, cold, &session);
    if (result == VARVE_OK && scan->strings && (session.flags & VARVE_SS_LABELS) != 0)
        result = ve_scan_labels(scan, cold, &session.str[VF_STR_LABELS]);
    forget_deleted_parent(store, &session);
    if (result < 0)
        return result;
    *ret_session = session;
    return 1;
}

/* The same, with what it gives kept until the scan's next call. */
static int get_row(varve_scan *scan, uint64_t row, varve_session *ret_session) {
    varve *store = scan->store;
    ve_hold *before = ve_hold_use(store, &scan->hold);
    ve_hold_drop(store, &scan->hold);
    ve_layout_release(store, scan->layout);
    scan->layout = ve_layout_hold(store);
    int found = read_session(scan, row, ret_session);
    ve_layout_hold_on(store, scan->layout);
    store->hold = before;
    return found;
}

int varve_scan_get_row(varve_scan *scan, uint64_t row, varve_session *ret_session) {
    VE_TURN(scan->store);
    varve *store = scan->store;
    int found = ve_enter(store);
    if (found == VARVE_OK && row < ve_rows(&store->index, VF_TABLE_SESSIONS))
        found = get_row(scan, row, ret_session);
    if (found == 0)
        return ve_fail(store, VARVE_E_NOT_FOUND, "no session in row %llu", (unsigned long long)row);
    return found < 0 ? found : VARVE_OK;
}

int varve_scan_next(varve_scan *scan, varve_session *ret_session) {
    VE_TURN(scan->store);
    int found = ve_enter(scan->store);
    while (found == 0 && scan->next < ve_rows(&scan->store->index, VF_TABLE_SESSIONS)) {
        found = get_row(scan, scan->next, ret_session);
        scan->next += found >= 0;
    }
    return found;
}

int ve_look_up(varve *store, vf_table table, vf_key key, uint32_t *ret_row) {
    store->trouble = 0;
    *ret_row = ve_find(&store->index, table, key);
    if (*ret_row == UINT32_MAX && store->trouble < 0)
        return ve_fail(store, store->trouble, "%s/idx: cannot be looked at", store->path);
    return VARVE_OK;
}

int ve_ask_for(varve *store, varve_str machine_id, varve_str session_id, vf_key *ret_key) {
    int result = ve_enter(store);
    if (result == VARVE_OK)
        result = ve_follow_index(store);
    if (result < 0)
        return result;
    if (session_id.ptr == NULL || session_id.size == 0)
        return ve_fail(store, VARVE_E_ARGUMENT, "no session id");
    varve_str machine = machine_id.ptr != NULL ? machine_id : store->machine;
    *ret_key = vf_session_key(machine.ptr, machine.size, session_id.ptr, session_id.size);
    return VARVE_OK;
}

static int find_row(varve *store, varve_str machine_id, varve_str session_id, uint32_t *ret_row) {
    vf_key key;
    int result = ve_ask_for(store, machine_id, session_id, &key);
    if (result == VARVE_OK)
        result = ve_look_up(store, VF_TABLE_SESSIONS, key, ret_row);
    if (result == VARVE_OK && *ret_row == UINT32_MAX)
        result = ve_fail(store, VARVE_E_NOT_FOUND, "no session '%.*s'", (int)session_id.size,
                         session_id.ptr);
    return result;
}

int varve_scan_get(varve_scan *scan, varve_str machine_id, varve_str session_id,
                   varve_session *ret_session) {
    VE_TURN(scan->store);
    uint32_t row;
    int result = find_row(scan->store, machine_id, session_id, &row);
    return result < 0 ? result : varve_scan_get_row(scan, row, ret_session);
}

int varve_session_find(varve *store, varve_str machine_id, varve_str session_id,
                       varve_session *ret_session) {
    VE_TURN(store);
    uint32_t row;
    int result = find_row(store, machine_id, session_id, &row);
    vf_hot hot;
    if (result < 0 || (result = ve_need_row(store, VF_TABLE_SESSIONS, row, false, &hot)) < 0)
        return result;
    fill_numbers(&hot, row, ret_session);
    return VARVE_OK;
}

/*
 * Cursors: events of one session by seq, or of the store by lsn, as they were when the cursor was opened.
 *
 * A session's records are chained backwards. To read forwards without keeping every position, one walk
 * back notes the lsn of each STRIDE-th record; then each stretch is walked back again and read forwards.
 */
#include "engine/store.h"

#include <stdlib.h>

enum { STRIDE = 4096 };

struct varve_cursor {
    varve *store;
    uint32_t flags;
    uint64_t limit;          /* tail of the snapshot */
    bool by_session, scanning;
    vf_key session;
    uint64_t at;             /* store, scanning: next lsn; backward: lsn of the next record, 0 = done */
    uint64_t from_seq;
    uint64_t *marks;         /* lsn of the last record of each stretch, newest first */
    size_t mark_count, marks_room;
    uint64_t stretch[STRIDE];
    size_t stretch_count, stretch_at;
};

static bool wanted_kind(const varve_cursor *cursor, uint8_t kind) {
    bool setting = kind == VF_KIND_SESSION || kind == VF_KIND_FORK || kind == VF_KIND_REWIND || kind == VF_KIND_TOMBSTONE;
    return kind == VF_KIND_EVENT || (setting && (cursor->flags & VARVE_CURSOR_SETTINGS) != 0);
}

/* ---- Decoding ---- */

static varve_str text(vf_text from) {
    return (varve_str){from.ptr, from.size};
}

static int fill_event(varve_cursor *cursor, uint64_t lsn, const vf_frame *frame, const uint8_t *bytes, varve_event *ret) {
    vf_body body;
    if (frame->kind == VF_KIND_REWIND || frame->kind == VF_KIND_TOMBSTONE) {
        varve_event_init(ret);
        ret->time = vf_get_i64(frame->time);
        ret->record = frame->kind;
        ret->lsn = lsn;
        ret->seq = vf_get64(frame->seq);
        return VARVE_OK;
    }
    vf_result result = vf_body_decode(bytes + VF_FRAME_SIZE, vf_get32(frame->length) - VF_FRAME_SIZE, &body);
    if (result != VF_OK)
        return ve_fail(cursor->store, VARVE_E_CORRUPT, "%s/seg/%08u.log offset %u: %s", cursor->store->path,
                       vf_lsn_segment(lsn), vf_lsn_offset(lsn), vf_result_text(result));
    const vf_fixed *fixed = &body.fixed;
    varve_event_init(ret);
    for (int i = 0; i < VF_STRS; i++)
        ret->str[i] = text(body.str[i]);
    const char *name = vf_type_name(vf_get16(frame->type));
    ret->type = name != NULL ? varve_cstr(name) : text(body.str[VF_STR_TYPE]);
    ret->payload = body.payload;
    ret->payload_size = body.payload_size;
    ret->present = (uint32_t)(vf_get64(fixed->present) & VF_HAS_KNOWN);
    ret->present |= (frame->flags & VF_FRAME_HAS_TIME) != 0 ? (uint32_t)VARVE_HAS_TIME : 0;
    ret->flags = vf_get32(fixed->flags) & VF_EV_KNOWN;
    ret->time = vf_get_i64(frame->time);
    for (int t = 0; t < VF_TOKENS; t++)
        ret->tokens[t] = vf_get_i64(fixed->tokens[t]);
    ret->cost = vf_get_i64(fixed->cost);
    ret->duration = vf_get_i64(fixed->duration);
    ret->process_start = vf_get_i64(fixed->process_start);
    memcpy(&ret->uid, &fixed->uid, sizeof ret->uid);
    memcpy(&ret->charge, &fixed->charge, sizeof ret->charge);
    ret->charge_part = vf_get64(fixed->charge_part);
    ret->position = vf_get64(fixed->position);
    ret->pid = vf_get_i32(fixed->pid);
    ret->turn = vf_get_i32(fixed->turn);
    ret->tool_calls = vf_get_i32(fixed->tool_calls);
    ret->github_issue = vf_get_i32(fixed->github_issue);
    ret->github_pr = vf_get_i32(fixed->github_pr);
    ret->git_additions = vf_get_i32(fixed->git_additions);
    ret->git_deletions = vf_get_i32(fixed->git_deletions);
    ret->price_table = vf_get32(fixed->price_table);
    ret->source = fixed->source;
    ret->role = fixed->role;
    ret->charge_kind = fixed->charge_kind;
    ret->eol = fixed->eol;
    ret->status = fixed->status;
    ret->session_type = fixed->session_type;
    ret->mode = fixed->mode;
    ret->channel = fixed->channel;
    ret->record = frame->kind;
    ret->lsn = lsn;
    ret->seq = vf_get64(frame->seq);
    return VARVE_OK;
}

/* Whose event it is: from the session's identity record. */
static int fill_identity(varve_cursor *cursor, const vf_frame *frame, varve_event *ret) {
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    vf_key key = cursor->by_session ? cursor->session : frame->session; /* a fork shows its parent's events as its own */
    uint32_t row = ve_find(&cursor->store->index, VF_TABLE_SESSIONS, key);
    if (row == UINT32_MAX)
        return VARVE_OK; /* the index does not follow yet */
    int result = ve_read_row(&cursor->store->index, VF_TABLE_SESSIONS, row, true, image);
    if (result < 0)
        return ve_fail(cursor->store, result, "%s/idx: row %u of table sessions is damaged: run varve reindex",
                       cursor->store->path, row);
    return ve_identity(cursor->store, (const vf_cold *)(const void *)(image + VF_HOT_SIZE), &ret->machine_id, &ret->session_id);
}

static int give(varve_cursor *cursor, uint64_t lsn, const vf_frame *frame, const uint8_t *bytes, varve_event *ret_event) {
    int result = fill_event(cursor, lsn, frame, bytes, ret_event);
    if (result == VARVE_OK)
        result = fill_identity(cursor, frame, ret_event);
    return result == VARVE_OK ? 1 : result;
}

/* ---- Opening ---- */

/* Walks back from the newest record, noting the end of each stretch. A broken chain makes the cursor scan. */
static int note_stretches(varve_cursor *cursor, uint64_t last_lsn) {
    uint64_t lsn = last_lsn, count = 0;
    vf_key expected = cursor->session;
    bool any = false; /* behind a FORK the records are the parent's */
    while (lsn != 0) {
        vf_frame frame;
        uint64_t older = 0;
        bool good = ve_log_frame(cursor->store, lsn, &frame) == VARVE_OK && (any || vf_key_equal(frame.session, expected)) &&
                    ve_log_older(cursor->store, lsn, &frame, &older) == VARVE_OK;
        if (!good) {
            cursor->scanning = true;
            cursor->at = ve_log_first(cursor->store);
            return VARVE_OK;
        }
        expected = frame.session;
        any = frame.kind == VF_KIND_FORK;
        if (lsn < cursor->limit && vf_get64(frame.seq) < cursor->from_seq)
            break;
        if (lsn < cursor->limit && count++ % STRIDE == 0) {
            if (!ve_grow(&cursor->marks, &cursor->marks_room, cursor->mark_count + 1, sizeof *cursor->marks))
                return ve_fail(cursor->store, VARVE_E_NO_MEMORY, "no memory");
            cursor->marks[cursor->mark_count++] = lsn;
        }
        lsn = older;
    }
    return VARVE_OK;
}

static varve_cursor *new_cursor(varve *store, uint32_t flags) {
    varve_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return NULL;
    cursor->store = store;
    cursor->flags = flags;
    cursor->limit = ve_tail(store);
    return cursor;
}

int varve_cursor_session(varve *store, varve_str machine_id, varve_str session_id, uint64_t from_seq, uint32_t flags,
                         varve_cursor **ret_cursor) {
    int result = ve_enter(store);
    if (result == VARVE_OK)
        result = ve_follow_index(store);
    if (result < 0)
        return result;
    if (session_id.ptr == NULL || session_id.size == 0)
        return ve_fail(store, VARVE_E_ARGUMENT, "no session id");
    varve_str machine = machine_id.ptr != NULL ? machine_id : store->machine;
    vf_key key = vf_session_key(machine.ptr, machine.size, session_id.ptr, session_id.size);
    varve_cursor *cursor = new_cursor(store, flags);
    if (cursor == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    uint32_t row = ve_find(&store->index, VF_TABLE_SESSIONS, key);
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    if (row == UINT32_MAX)
        result = ve_fail(store, VARVE_E_NOT_FOUND, "no session '%.*s'", (int)session_id.size, session_id.ptr);
    else if ((result = ve_read_row(&store->index, VF_TABLE_SESSIONS, row, true, image)) < 0)
        ve_fail(store, result, "%s/idx: row %u of table sessions is damaged: run varve reindex", store->path, row);
    cursor->by_session = true;
    cursor->session = key;
    cursor->from_seq = from_seq;
    uint64_t last = result < 0 ? 0 : vf_get64(((const vf_hot *)(const void *)image)->last_lsn);
    if (result == VARVE_OK && (flags & VARVE_CURSOR_BACKWARD) != 0)
        cursor->at = last;
    else if (result == VARVE_OK)
        result = note_stretches(cursor, last);
    if (result < 0) {
        varve_cursor_close(&cursor);
        return result;
    }
    *ret_cursor = cursor;
    return VARVE_OK;
}

int varve_cursor_store(varve *store, uint64_t from_lsn, uint32_t flags, varve_cursor **ret_cursor) {
    int result = ve_enter(store);
    if (result == VARVE_OK)
        result = ve_follow_index(store);
    if (result < 0)
        return result;
    if ((flags & VARVE_CURSOR_BACKWARD) != 0)
        return ve_fail(store, VARVE_E_ARGUMENT, "the store is read forwards only");
    varve_cursor *cursor = new_cursor(store, flags);
    if (cursor == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    cursor->scanning = true;
    cursor->at = from_lsn < ve_log_first(store) ? ve_log_first(store) : from_lsn;
    *ret_cursor = cursor;
    return VARVE_OK;
}

void varve_cursor_close(varve_cursor **cursor_at) {
    varve_cursor *cursor = cursor_at == NULL ? NULL : *cursor_at;
    if (cursor == NULL)
        return;
    free(cursor->marks);
    free(cursor);
    *cursor_at = NULL;
}

/* ---- Reading ---- */

static int next_scanning(varve_cursor *cursor, varve_event *ret_event) {
    uint64_t lsn;
    vf_frame frame;
    const uint8_t *bytes;
    int found;
    while ((found = ve_log_next(cursor->store, cursor->at, cursor->limit, &lsn, &frame, &bytes, NULL)) == 1) {
        cursor->at = lsn + vf_get32(frame.length);
        bool mine = !cursor->by_session || (vf_key_equal(frame.session, cursor->session) && vf_get64(frame.seq) >= cursor->from_seq);
        if (mine && wanted_kind(cursor, frame.kind))
            return give(cursor, lsn, &frame, bytes, ret_event);
    }
    return found;
}

static int next_backward(varve_cursor *cursor, varve_event *ret_event) {
    while (cursor->at != 0) {
        uint64_t lsn = cursor->at;
        vf_frame frame;
        const uint8_t *bytes;
        int result = ve_log_record(cursor->store, lsn, &frame, &bytes);
        if (result < 0)
            return result;
        if ((result = ve_log_older(cursor->store, lsn, &frame, &cursor->at)) < 0)
            return result;
        if (lsn < cursor->limit && vf_get64(frame.seq) <= cursor->from_seq && wanted_kind(cursor, frame.kind))
            return give(cursor, lsn, &frame, bytes, ret_event);
    }
    return 0;
}

/* Takes the next stretch: its records' positions, newest first in the walk, read from the end. */
static int load_stretch(varve_cursor *cursor) {
    uint64_t lsn = cursor->marks[--cursor->mark_count];
    cursor->stretch_count = 0;
    for (size_t i = 0; i < STRIDE && lsn != 0; i++) {
        vf_frame frame;
        int result = ve_log_frame(cursor->store, lsn, &frame);
        if (result < 0)
            return result;
        if (vf_get64(frame.seq) < cursor->from_seq)
            break;
        cursor->stretch[cursor->stretch_count++] = lsn;
        if ((result = ve_log_older(cursor->store, lsn, &frame, &lsn)) < 0)
            return result;
    }
    cursor->stretch_at = cursor->stretch_count;
    return VARVE_OK;
}

static int next_forward(varve_cursor *cursor, varve_event *ret_event) {
    for (;;) {
        if (cursor->stretch_at == 0) {
            if (cursor->mark_count == 0)
                return 0;
            int result = load_stretch(cursor);
            if (result < 0)
                return result;
            continue;
        }
        uint64_t lsn = cursor->stretch[--cursor->stretch_at];
        vf_frame frame;
        const uint8_t *bytes;
        int result = ve_log_record(cursor->store, lsn, &frame, &bytes);
        if (result < 0)
            return result;
        if (wanted_kind(cursor, frame.kind))
            return give(cursor, lsn, &frame, bytes, ret_event);
    }
}

int varve_cursor_next(varve_cursor *cursor, varve_event *ret_event) {
    int result = ve_enter(cursor->store);
    if (result < 0)
        return result;
    if (cursor->scanning)
        return next_scanning(cursor, ret_event);
    return (cursor->flags & VARVE_CURSOR_BACKWARD) != 0 ? next_backward(cursor, ret_event) : next_forward(cursor, ret_event);
}

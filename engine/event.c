/*
 * A record as the event that the interface shows: its fields, and whose it is.
 */
#include "engine/array.h"
#include "engine/fold.h"
#include "engine/read.h"
#include "engine/store.h"

static varve_str text(vf_text from) {
    return (varve_str){from.ptr, from.size};
}

/* Of a record that stands in an open block only the strings that it has are looked at. */
static bool take_packed(const ve_record *record, vf_fixed *ret_fixed, varve_event *ret) {
    const vf_unit *unit = &record->unit->unit;
    const vf_unit_record *from = &unit->record[record->place];
    if (vf_unit_fixed(unit, record->place, record->line_key, ret_fixed) != VF_OK)
        return false;
    const char *data = unit->data == NULL ? "" : (const char *)unit->data;
    const vf_unit_str *str = unit->str + from->str_first;
    varve_event_init(ret);
    for (uint32_t s = 0; s < from->strs && str[s].id < VF_STRS; s++)
        ret->str[str[s].id] = (varve_str){data + str[s].at, str[s].size};
    if ((vf_get64(ret_fixed->present) & VF_HAS_PAYLOAD) != 0) {
        ret->payload = data + from->data_at;
        ret->payload_size = from->data_size;
    }
    return true;
}

static int take_whole(varve *store, const ve_record *record, vf_fixed *ret_fixed,
                      varve_event *ret) {
    vf_body body;
    int result = ve_record_body(store, record, &body);
    if (result < 0)
        return result;
    varve_event_init(ret);
    *ret_fixed = body.fixed;
    for (int i = 0; i < VF_STRS; i++)
        ret->str[i] = text(body.str[i]);
    ret->payload = body.payload;
    ret->payload_size = body.payload_size;
    return VARVE_OK;
}

static int fill(varve *store, const ve_record *record, varve_event *ret) {
    const vf_frame *frame = &record->frame;
    uint64_t lsn = record->lsn;
    vf_fixed parts;
    const vf_fixed *fixed = &parts;
    if (frame->kind == VF_KIND_REWIND || frame->kind == VF_KIND_TOMBSTONE) {
        varve_event_init(ret);
        ret->time = vf_get_i64(frame->time);
        ret->record = frame->kind;
        ret->lsn = lsn;
        ret->seq = vf_get64(frame->seq);
        return VARVE_OK;
    }
    if (record->body != NULL || !take_packed(record, &parts, ret)) {
        int result = take_whole(store, record, &parts, ret);
        if (result < 0)
            return result;
    }
    const char *name = vf_type_name(vf_get16(frame->type));
    ret->type = name != NULL ? varve_cstr(name) : ret->str[VF_STR_TYPE];
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

/* Keeps a session's identity for the events that follow; without memory it is looked up again. */
static void remember(ve_hold *hold, vf_key key, varve_event *event) {
    varve_str machine = event->machine_id, id = event->session_id;
    hold->knows = ve_grow(&hold->identity, &hold->identity_room, machine.size + id.size + 1, 1);
    if (!hold->knows)
        return;
    memcpy(hold->identity, machine.ptr, machine.size);
    memcpy(hold->identity + machine.size, id.ptr, id.size);
    hold->who = key;
    hold->machine_size = machine.size;
    hold->id_size = id.size;
}

/* The name of a session that is published and not in the index yet, which it follows as far as
 * 'applied' said before it was asked. */
static int find_identity(varve *store, vf_key key, uint64_t applied, varve_event *ret) {
    uint64_t tail = ve_tail(store);
    ve_record record;
    vf_body body;
    int found = 0;
    while (applied < tail && (found = ve_log_next(store, applied, tail, &record, NULL)) == 1) {
        applied = record.lsn + vf_get32(record.frame.length);
        uint8_t kind = record.frame.kind;
        if ((kind != VF_KIND_SESSION && kind != VF_KIND_FORK) ||
            !vf_key_equal(record.frame.session, key) || ve_record_body(store, &record, &body) < 0 ||
            body.str[VF_STR_SESSION_ID].ptr == NULL || body.str[VF_STR_MACHINE_ID].ptr == NULL)
            continue;
        vf_text machine = body.str[VF_STR_MACHINE_ID], id = body.str[VF_STR_SESSION_ID];
        ret->machine_id = (varve_str){machine.ptr, machine.size};
        ret->session_id = (varve_str){id.ptr, id.size};
        remember(store->hold, key, ret);
        return VARVE_OK;
    }
    return found < 0 ? found : VARVE_OK; /* its name was lost; the event is there */
}

/* Whose event it is: from the session's identity record. */
static int fill_identity(varve *store, vf_key key, varve_event *ret) {
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    ve_hold *hold = store->hold; /* mostly it is the session of the event before */
    if (hold->knows && vf_key_equal(hold->who, key)) {
        ret->machine_id = (varve_str){hold->identity, hold->machine_size};
        ret->session_id = (varve_str){hold->identity + hold->machine_size, hold->id_size};
        return VARVE_OK;
    }
    uint64_t applied = ve_applied(store);
    int before = store->trouble;
    store->trouble = 0;
    uint32_t row = ve_find(&store->index, VF_TABLE_SESSIONS, key);
    int trouble = store->trouble;
    store->trouble = before;
    if (row == UINT32_MAX && trouble < 0 && trouble != VARVE_E_INDEX)
        return ve_fail(store, trouble, "%s/idx: cannot be looked at: %s", store->path,
                       varve_strerror(trouble));
    if (row == UINT32_MAX)
        return find_identity(store, key, applied, ret);
    int result = ve_need_row(store, VF_TABLE_SESSIONS, row, true, image);
    if (result < 0)
        return result;
    result = ve_identity(store, (const vf_cold *)(const void *)(image + VF_HOT_SIZE),
                         &ret->machine_id, &ret->session_id);
    if (ve_is_damage(result))
        return VARVE_OK; /* its name was lost; the event is there */
    if (result == VARVE_OK)
        remember(hold, key, ret);
    return result;
}

int ve_event_fill(varve *store, vf_key shown_by, const ve_record *record, varve_event *ret) {
    int result = fill(store, record, ret);
    return result < 0 ? result : fill_identity(store, shown_by, ret);
}

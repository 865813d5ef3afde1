/*
 * Batches: events encoded into one arena, complete but for what only the append can know (session
 * key, seq, chain, sums of the header). Nothing here touches the store.
 */
#include "engine/batch.h"
#include "engine/array.h"
#include "engine/store.h"

#include <stdlib.h>

#define SAME(a, b) _Static_assert((int)(a) == (int)(b), "public and on-disk numbers agree")
SAME(VARVE_STRS, VF_STRS);
SAME(VARVE_STR_FRAMEWORK, VF_STR_FRAMEWORK);
SAME(VARVE_STR_TEXT, VF_STR_TEXT);
SAME(VARVE_STR_VERSION, VF_STR_VERSION);
SAME(VARVE_STR_GITHUB_REPO, VF_STR_GITHUB_REPO);
SAME(VARVE_STR_PARENT_ID, VF_STR_PARENT_ID);
SAME(VARVE_STR_LABELS, VF_STR_LABELS);
SAME(VARVE_STR_CHANNEL, VF_STR_CHANNEL);
SAME(VARVE_STR_SUBTYPE, VF_STR_SUBTYPE);
SAME(VARVE_TOKENS, VF_TOKENS);
SAME(VARVE_TOK_CACHE_WRITE_1H, VF_TOK_CACHE_WRITE_1H);
SAME(VARVE_HAS_COST, VF_HAS_COST);
SAME(VARVE_HAS_GIT_DELETIONS, VF_HAS_GIT_DELETIONS);
SAME(VARVE_HAS_PAYLOAD, VF_HAS_PAYLOAD);
SAME(VARVE_HAS_SIDECHAIN, VF_HAS_SIDECHAIN);
SAME(VARVE_EV_UNPRICED, VF_EV_UNPRICED);
SAME(VARVE_EV_EOL_SET, VF_EV_EOL_SET);
SAME(VARVE_EV_HIDDEN, VF_EV_HIDDEN);
SAME(VARVE_EV_REPEATED, VF_EV_REPEATED);
SAME(VARVE_SOURCES, VF_SOURCES);
SAME(VARVE_CHARGES, VF_CHARGES);
SAME(VARVE_STATUS_UNKNOWN, VF_STATUS_UNKNOWN);
SAME(VARVE_SESSION_SUBAGENT, VF_SESSION_SUBAGENT);
SAME(VARVE_CHANNEL_ACP, VF_CHANNEL_ACP);
SAME(VARVE_RECORD_SESSION, VF_KIND_SESSION);
SAME(VARVE_RECORD_FORK, VF_KIND_FORK);
SAME(VARVE_RECORD_REWIND, VF_KIND_REWIND);
SAME(VARVE_RECORD_DELETE, VF_KIND_TOMBSTONE);
SAME(sizeof(varve_key), sizeof(vf_key));

enum { SESSION_ID_MAX = 1024 };

varve_str varve_cstr(const char *text) {
    return (varve_str){text, text == NULL ? 0 : strlen(text)};
}

void varve_event_init(varve_event *event) {
    memset(event, 0, sizeof *event);
    event->size = sizeof *event;
}

int varve_batch_new(varve_batch **ret_batch) {
    varve_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return VARVE_E_NO_MEMORY;
    *ret_batch = batch;
    return VARVE_OK;
}

void varve_batch_free(varve_batch **batch_at) {
    varve_batch *batch = batch_at == NULL ? NULL : *batch_at;
    if (batch == NULL)
        return;
    free(batch->arena);
    free(batch->texts);
    free(batch->records);
    free(batch->sessions);
    free(batch->slots);
    free(batch->duplicate);
    free(batch);
    *batch_at = NULL;
}

void varve_batch_clear(varve_batch *batch) {
    batch->size = batch->texts_size = batch->count = batch->session_count = 0;
    batch->last_session = 0;
    batch->trust = false;
    if (batch->slots != NULL)
        memset(batch->slots, 0, batch->slots_room * sizeof *batch->slots);
}

size_t varve_batch_count(const varve_batch *batch) {
    return batch->count;
}

size_t varve_batch_bytes(const varve_batch *batch) {
    return batch->size;
}

void varve_batch_trust_uids(varve_batch *batch, int trust) {
    batch->trust = trust != 0;
}

static bool same_text(const varve_batch *batch, size_t at, size_t size, varve_str text) {
    return size == text.size && memcmp(batch->texts + at, text.ptr, size) == 0;
}

static bool same_session(const varve_batch *batch, uint32_t number, varve_str id,
                         varve_str machine) {
    const ve_batch_session *s = &batch->sessions[number];
    if (!same_text(batch, s->id_at, s->id_size, id) || s->has_machine != (machine.ptr != NULL))
        return false;
    return machine.ptr == NULL || same_text(batch, s->machine_at, s->machine_size, machine);
}

/* Room for the batch's sessions in its hash, at most half full; all are put in again when it grows.
 */
static bool grow_slots(varve_batch *batch) {
    if (batch->session_count * 2 + 2 <= batch->slots_room)
        return true;
    size_t room = batch->slots_room == 0 ? 64 : batch->slots_room * 2;
    uint32_t *slots = calloc(room, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < batch->session_count; i++) {
        size_t at = (size_t)batch->sessions[i].hash & (room - 1);
        while (slots[at] != 0)
            at = (at + 1) & (room - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(batch->slots);
    batch->slots = slots;
    batch->slots_room = room;
    return true;
}

/* Number of the session in the batch, noting it if it is new; < 0: error. */
static int batch_session(varve_batch *batch, const varve_event *event) {
    varve_str id = event->session_id, machine = event->machine_id;
    if (id.ptr == NULL || id.size == 0)
        return VARVE_E_ARGUMENT;
    if (id.size > SESSION_ID_MAX ||
        (machine.ptr != NULL && (machine.size == 0 || machine.size > VF_MACHINE_MAX)))
        return VARVE_E_TOO_BIG;
    if (batch->session_count > 0 && same_session(batch, batch->last_session, id, machine))
        return (int)batch->last_session;
    size_t machine_size = machine.ptr == NULL ? 0 : machine.size;
    size_t need = batch->texts_size + id.size + machine_size;
    if (!grow_slots(batch) || !ve_grow(&batch->texts, &batch->texts_room, need, 1) ||
        !ve_grow(&batch->sessions, &batch->sessions_room, batch->session_count + 1,
                 sizeof *batch->sessions))
        return VARVE_E_NO_MEMORY;
    uint64_t hash =
        vf_sum64(id.ptr, id.size, machine.ptr == NULL ? 0 : vf_sum64(machine.ptr, machine.size, 1));
    size_t slot = (size_t)hash & (batch->slots_room - 1);
    for (; batch->slots[slot] != 0; slot = (slot + 1) & (batch->slots_room - 1))
        if (same_session(batch, batch->slots[slot] - 1, id, machine)) {
            batch->last_session = batch->slots[slot] - 1;
            return (int)batch->last_session;
        }
    ve_batch_session *added = &batch->sessions[batch->session_count];
    *added = (ve_batch_session){.id_at = batch->texts_size,
                                .id_size = id.size,
                                .has_machine = machine.ptr != NULL,
                                .machine_at = batch->texts_size + id.size,
                                .machine_size = machine_size,
                                .hash = hash};
    memcpy(batch->texts + added->id_at, id.ptr, id.size);
    if (machine_size > 0)
        memcpy(batch->texts + added->machine_at, machine.ptr, machine_size);
    batch->texts_size = need;
    batch->last_session = (uint32_t)batch->session_count++;
    batch->slots[slot] = batch->last_session + 1;
    return (int)batch->last_session;
}

/* Room for one more record of 'body' bytes; its frame and padding are zero. NULL: no memory. */
static uint8_t *new_record(varve_batch *batch, uint8_t kind, uint64_t body,
                           ve_batch_record **ret_record) {
    size_t length = (size_t)vf_padded(VF_FRAME_SIZE + body); /* a batch is 1 GiB at most */
    if (!ve_grow(&batch->arena, &batch->room, batch->size + length, 1) ||
        !ve_grow(&batch->records, &batch->records_room, batch->count + 1, sizeof *batch->records))
        return NULL;
    ve_batch_record *record = &batch->records[batch->count];
    *record = (ve_batch_record){
        .offset = batch->size, .length = (uint32_t)length, .kind = kind, .session = UINT32_MAX};
    uint8_t *at = batch->arena + batch->size;
    memset(at, 0, VF_FRAME_SIZE);
    memset(at + VF_FRAME_SIZE + body, 0, length - VF_FRAME_SIZE - (size_t)body);
    *ret_record = record;
    return at;
}

static uint32_t cut_text(varve_str text, size_t limit) {
    size_t size = text.size < limit ? text.size : limit;
    while (size < text.size && size > 0 && ((uint8_t)text.ptr[size] & 0xC0) == 0x80)
        size--;
    return (uint32_t)size;
}

static void fill_fixed(const varve_event *event, vf_fixed *fixed) {
    *fixed = (vf_fixed){.source = event->source,
                        .role = event->role,
                        .charge_kind = event->charge_kind,
                        .eol = event->eol,
                        .session_type = event->session_type,
                        .mode = event->mode,
                        .status = event->status,
                        .channel = event->channel};
    uint64_t present = event->present & VF_HAS_KNOWN & ~(uint64_t)VF_HAS_PAYLOAD;
    vf_put64(
        &fixed->present,
        present |
            (event->payload != NULL || (event->present & VARVE_HAS_PAYLOAD) ? VF_HAS_PAYLOAD : 0));
    vf_put32(&fixed->flags, event->flags & VF_EV_KNOWN);
    for (int t = 0; t < VF_TOKENS; t++)
        vf_put_i64(&fixed->tokens[t],
                   (present & (uint64_t)VF_HAS_TOKENS << t) != 0 ? event->tokens[t] : 0);
    vf_put_i64(&fixed->cost, (present & VF_HAS_COST) != 0 ? event->cost : 0);
    vf_put_i64(&fixed->duration, (present & VF_HAS_DURATION) != 0 ? event->duration : 0);
    vf_put_i64(&fixed->process_start,
               (present & VF_HAS_PROCESS_START) != 0 ? event->process_start : 0);
    if ((present & VF_HAS_UID) != 0)
        memcpy(&fixed->uid, &event->uid, sizeof fixed->uid);
    if ((present & VF_HAS_CHARGE) != 0) {
        memcpy(&fixed->charge, &event->charge, sizeof fixed->charge);
        vf_put64(&fixed->charge_part, event->charge_part);
    }
    vf_put64(&fixed->position, (present & VF_HAS_POSITION) != 0 ? event->position : 0);
    vf_put_i32(&fixed->pid, (present & VF_HAS_PID) != 0 ? event->pid : 0);
    vf_put32(&fixed->price_table, (present & VF_HAS_COST) != 0 ? event->price_table : 0);
    vf_put_i32(&fixed->turn, (present & VF_HAS_TURN) != 0 ? event->turn : 0);
    vf_put_i32(&fixed->tool_calls, (present & VF_HAS_TOOL_CALLS) != 0 ? event->tool_calls : 0);
    vf_put_i32(&fixed->github_issue,
               (present & VF_HAS_GITHUB_ISSUE) != 0 ? event->github_issue : 0);
    vf_put_i32(&fixed->github_pr, (present & VF_HAS_GITHUB_PR) != 0 ? event->github_pr : 0);
    vf_put_i32(&fixed->git_additions,
               (present & VF_HAS_GIT_ADDITIONS) != 0 ? event->git_additions : 0);
    vf_put_i32(&fixed->git_deletions,
               (present & VF_HAS_GIT_DELETIONS) != 0 ? event->git_deletions : 0);
}

static int add(varve_batch *batch, const varve_event *event, uint8_t kind) {
    if (batch == NULL || event == NULL || event->size < sizeof *event ||
        event->source >= VF_SOURCES || event->charge_kind >= VF_CHARGES ||
        event->eol > VF_EOL_JOINED)
        return VARVE_E_ARGUMENT;
    if (kind == VF_KIND_EVENT && (event->type.ptr == NULL || event->type.size == 0))
        return VARVE_E_ARGUMENT;
    if (event->payload == NULL && event->payload_size > 0)
        return VARVE_E_ARGUMENT;
    if (event->payload_size > VF_PAYLOAD_MAX)
        return VARVE_E_TOO_BIG;
    vf_text str[VF_STRS] = {{0}};
    for (int i = 0; i < VF_STRS; i++) {
        varve_str text = event->str[i];
        if (text.ptr == NULL)
            continue;
        if (text.size > (1u << 20) && i != VF_STR_TEXT)
            return VARVE_E_TOO_BIG;
        str[i] = (vf_text){text.ptr,
                           i == VF_STR_TEXT ? cut_text(text, VF_TEXT_MAX) : (uint32_t)text.size};
    }
    str[VF_STR_SESSION_ID] = str[VF_STR_MACHINE_ID] = str[VF_STR_TYPE] = str[VF_STR_CURSOR_NAME] =
        (vf_text){0};
    uint16_t type = kind == VF_KIND_EVENT ? vf_type_number(event->type.ptr, event->type.size) : 0;
    if (kind == VF_KIND_EVENT && type == 0)
        str[VF_STR_TYPE] = (vf_text){event->type.ptr, cut_text(event->type, 256)};
    uint64_t size = vf_body_size(str, (uint32_t)event->payload_size);
    if (size == 0 || batch->size + size > VF_BATCH_MAX - (1 << 20))
        return VARVE_E_TOO_BIG;
    int session = batch_session(batch, event);
    if (session < 0)
        return session;
    ve_batch_record *record;
    uint8_t *at = new_record(batch, kind, size, &record);
    if (at == NULL)
        return VARVE_E_NO_MEMORY;
    vf_fixed fixed;
    fill_fixed(event, &fixed);
    vf_body_encode(at + VF_FRAME_SIZE, &fixed, str, event->payload, (uint32_t)event->payload_size);
    vf_frame *frame = (vf_frame *)(void *)at;
    frame->kind = kind;
    frame->flags = (event->present & VARVE_HAS_TIME) != 0 ? VF_FRAME_HAS_TIME : 0;
    vf_put16(&frame->type, type);
    vf_put32(&frame->length, record->length);
    vf_put_i64(&frame->time, event->time);
    record->stamp = event->time == 0 && frame->flags == 0;
    if (kind == VF_KIND_EVENT) /* a SESSION record is completed when it is appended */
        vf_put32(&frame->body_sum, vf_body_sum(at + VF_FRAME_SIZE, record->length - VF_FRAME_SIZE));
    record->session = (uint32_t)session;
    record->has_uid = (event->present & VARVE_HAS_UID) != 0;
    record->trusted = batch->trust;
    record->uid = fixed.uid;
    batch->size += record->length;
    return (int)batch->count++;
}

int varve_batch_add(varve_batch *batch, const varve_event *event) {
    return add(batch, event, VF_KIND_EVENT);
}

int varve_batch_set(varve_batch *batch, const varve_event *event) {
    return add(batch, event, VF_KIND_SESSION);
}

int varve_batch_fork(varve_batch *batch, const varve_event *child, varve_str parent_machine,
                     varve_str parent_session, uint64_t parent_seq) {
    if (batch == NULL || child == NULL || child->size < sizeof *child)
        return VARVE_E_ARGUMENT;
    varve_event named = *child;
    named.session_id = parent_session;
    named.machine_id = parent_machine;
    int parent = batch_session(batch, &named);
    if (parent < 0)
        return parent;
    named = *child;
    named.str[VARVE_STR_PARENT_ID] = parent_session;
    named.str[VARVE_STR_PARENT_MACHINE] = parent_machine;
    named.session_type = VARVE_SESSION_FORKED;
    int number = add(batch, &named, VF_KIND_FORK);
    if (number >= 0) {
        batch->records[number].seq = parent_seq;
        batch->records[number].parent = (uint32_t)parent;
    }
    return number;
}

static int add_mark(varve_batch *batch, uint8_t kind, varve_str machine, varve_str id,
                    uint64_t seq) {
    varve_event named;
    if (batch == NULL)
        return VARVE_E_ARGUMENT;
    varve_event_init(&named);
    named.session_id = id;
    named.machine_id = machine;
    int session = batch_session(batch, &named);
    if (session < 0)
        return session;
    ve_batch_record *record;
    uint8_t *at = new_record(batch, kind, sizeof(vf_mark_fixed), &record);
    if (at == NULL)
        return VARVE_E_NO_MEMORY;
    vf_frame *frame = (vf_frame *)(void *)at;
    frame->kind = kind;
    vf_put32(&frame->length, record->length);
    vf_mark_fixed mark = {0};
    vf_put64(&mark.seq, seq);
    memcpy(at + VF_FRAME_SIZE, &mark, sizeof mark);
    record->session = (uint32_t)session;
    record->seq = seq;
    record->stamp = true;
    batch->size += record->length;
    return (int)batch->count++;
}

int varve_batch_rewind(varve_batch *batch, varve_str machine_id, varve_str session_id,
                       uint64_t keep_seq) {
    return add_mark(batch, VF_KIND_REWIND, machine_id, session_id, keep_seq);
}

int varve_batch_delete(varve_batch *batch, varve_str machine_id, varve_str session_id) {
    return add_mark(batch, VF_KIND_TOMBSTONE, machine_id, session_id, UINT64_MAX);
}

int ve_batch_tombstone(varve_batch *batch, varve_str machine_id, varve_str session_id,
                       uint64_t last_seq, uint64_t why) {
    int number = add_mark(batch, VF_KIND_TOMBSTONE, machine_id, session_id, last_seq);
    if (number < 0)
        return number;
    vf_mark_fixed *mark =
        (vf_mark_fixed *)(void *)(batch->arena + batch->records[number].offset + VF_FRAME_SIZE);
    vf_put64(&mark->to, why);
    return number;
}

int ve_batch_blank_cursor(varve_batch *batch, vf_key key) {
    ve_batch_record *record;
    vf_cursor_fixed fixed = {.key = key};
    uint8_t *at = new_record(batch, VF_KIND_CURSOR, sizeof fixed, &record);
    if (at == NULL)
        return VARVE_E_NO_MEMORY;
    memcpy(at + VF_FRAME_SIZE, &fixed, sizeof fixed);
    vf_frame *frame = (vf_frame *)(void *)at;
    frame->kind = VF_KIND_CURSOR;
    vf_put32(&frame->length, record->length);
    vf_put32(&frame->body_sum, vf_body_sum(at + VF_FRAME_SIZE, record->length - VF_FRAME_SIZE));
    batch->size += record->length;
    return (int)batch->count++;
}

int varve_batch_cursor(varve_batch *batch, varve_str name, const void *state, size_t state_size) {
    if (batch == NULL || name.ptr == NULL || name.size == 0)
        return VARVE_E_ARGUMENT;
    if (name.size > VF_CURSOR_NAME_MAX || state_size > VF_CURSOR_STATE_MAX)
        return VARVE_E_TOO_BIG;
    ve_batch_record *record;
    uint8_t *at = new_record(batch, VF_KIND_CURSOR,
                             sizeof(vf_cursor_fixed) + name.size + state_size, &record);
    if (at == NULL)
        return VARVE_E_NO_MEMORY;
    vf_cursor_fixed fixed = {.key = vf_string_key(VF_SPACE_CURSOR, name.ptr, name.size)};
    vf_put32(&fixed.name_size, (uint32_t)name.size);
    vf_put32(&fixed.state_size, (uint32_t)state_size);
    memcpy(at + VF_FRAME_SIZE, &fixed, sizeof fixed);
    memcpy(at + VF_FRAME_SIZE + sizeof fixed, name.ptr, name.size);
    if (state_size > 0)
        memcpy(at + VF_FRAME_SIZE + sizeof fixed + name.size, state, state_size);
    vf_frame *frame = (vf_frame *)(void *)at;
    frame->kind = VF_KIND_CURSOR;
    vf_put32(&frame->length, record->length);
    vf_put32(&frame->body_sum, vf_body_sum(at + VF_FRAME_SIZE, record->length - VF_FRAME_SIZE));
    batch->size += record->length;
    return (int)batch->count++;
}

/* ---- Records of another store ---- */

static int carry_mark(varve_batch *batch, const ve_carried *carried) {
    const varve_event *event = &carried->event;
    int number = add_mark(batch, event->record, event->machine_id, event->session_id, UINT64_MAX);
    if (number < 0)
        return number;
    ve_batch_record *record = &batch->records[number];
    uint8_t *at = batch->arena + record->offset;
    vf_put_i64(&((vf_frame *)(void *)at)->time, event->time);
    if (event->record == VF_KIND_REWIND) {
        ((vf_mark_fixed *)(void *)(at + VF_FRAME_SIZE))->uid = carried->uid;
        record->uid = carried->uid;
        record->has_uid = true;
    }
    return number;
}

int ve_batch_carry(varve_batch *batch, const ve_carried *carried) {
    varve_event event = carried->event;
    int number, parent = 0;
    event.present |= VARVE_HAS_UID;
    memcpy(&event.uid, &carried->uid, sizeof event.uid);
    event.flags |= carried->is_origin ? (uint32_t)VARVE_EV_ORIGIN : 0;
    event.flags &= ~(uint32_t)VARVE_EV_REPEATED; /* if it is not known it was not paid here */
    if (event.record == VF_KIND_REWIND || event.record == VF_KIND_TOMBSTONE) {
        number = carry_mark(batch, carried);
    } else {
        if (event.record == VF_KIND_FORK) {
            varve_event named = event; /* without a parent: of itself, where no place is found */
            if (event.str[VARVE_STR_PARENT_ID].size > 0)
                named.session_id = event.str[VARVE_STR_PARENT_ID];
            if (event.str[VARVE_STR_PARENT_MACHINE].ptr != NULL)
                named.machine_id = event.str[VARVE_STR_PARENT_MACHINE];
            if ((parent = batch_session(batch, &named)) < 0)
                return parent;
        }
        number = add(batch, &event, event.record);
    }
    if (number < 0)
        return number;
    ve_batch_record *record = &batch->records[number];
    record->parent = (uint32_t)parent;
    record->stamp = false;
    record->carried = true;
    record->at = carried->at;
    record->hide = carried->hide;
    record->hide_count = carried->hide_count;
    return number;
}

/* ---- Keys ---- */

static varve_key public_key(vf_key key) {
    varve_key out;
    memcpy(&out, &key, sizeof out);
    return out;
}

static vf_key session_key(varve_str machine, varve_str id) {
    return vf_session_key(machine.ptr, machine.ptr == NULL ? 0 : machine.size, id.ptr,
                          id.ptr == NULL ? 0 : id.size);
}

varve_key varve_line_uid(varve_str machine_id, varve_str session_id, const void *line, size_t size,
                         uint64_t nth) {
    (void)machine_id;
    return public_key(vf_line_uid(session_key((varve_str){0}, session_id), line, size, nth));
}

varve_key varve_name_uid(varve_str machine_id, varve_str session_id, varve_str name) {
    (void)machine_id;
    return public_key(
        vf_line_uid(session_key((varve_str){0}, session_id), name.ptr, name.size, UINT64_MAX));
}

varve_key varve_charge_key(varve_str message_id) {
    return public_key(vf_string_key(VF_SPACE_CHARGE, message_id.ptr, message_id.size));
}

uint64_t varve_charge_part(varve_str request_id) {
    return vf_charge_part(request_id.ptr, request_id.size);
}

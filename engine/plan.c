/*
 * The plan of an append. See plan.h. SPEC.md "Commit".
 */
#include "engine/plan.h"
#include "engine/array.h"
#include "engine/batch.h"
#include "engine/fold.h"
#include "engine/read.h"

#include <stdlib.h>

enum { SYNC_RECORD_AFTER = 16 << 10 }; /* bytes acknowledged since the last SYNC record */

uint8_t *ve_plan_room(ve_plan *p, size_t size) {
    uint8_t *block = calloc(1, size);
    if (block == NULL ||
        !ve_grow(&p->more_side, &p->more_room, p->side_count + 1, sizeof *p->more_side)) {
        free(block);
        return NULL;
    }
    p->more_side[p->side_count++] = block;
    return block;
}

void ve_plan_free(ve_plan *p) {
    for (size_t i = 0; i < p->side_count; i++)
        free(p->more_side[i]);
    free(p->more_side);
    free(p->pieces);
}

int ve_plan_add(ve_plan *p, uint8_t *at, uint32_t length, uint32_t session) {
    if (!ve_grow(&p->pieces, &p->room, p->count + 1, sizeof *p->pieces))
        return ve_fail(p->store, VARVE_E_NO_MEMORY, "no memory");
    p->pieces[p->count++] = (ve_piece){at, length, session};
    p->bytes += length;
    return VARVE_OK;
}

static vf_text machine_of(const ve_plan *p, const ve_batch_session *session) {
    if (session->has_machine)
        return (vf_text){p->batch->texts + session->machine_at, (uint32_t)session->machine_size};
    return (vf_text){p->store->machine.ptr, (uint32_t)p->store->machine.size};
}

/* A SESSION record with identity and, if 'body' is given, attributes. */
static int add_session_record(ve_plan *p, uint8_t kind, uint32_t number, const vf_body *body,
                              int64_t time, uint8_t flags) {
    ve_batch_session *session = &p->batch->sessions[number];
    vf_text str[VF_STRS] = {{0}};
    vf_fixed fixed = {.source = VF_SOURCE_API};
    if (body != NULL) {
        memcpy(str, body->str, sizeof str);
        fixed = body->fixed;
    }
    str[VF_STR_SESSION_ID] =
        (vf_text){p->batch->texts + session->id_at, (uint32_t)session->id_size};
    str[VF_STR_MACHINE_ID] = machine_of(p, session);
    vf_put64(&fixed.prev_set, session->last_set);
    uint32_t payload = body == NULL ? 0 : body->payload_size;
    uint64_t size = vf_body_size(str, payload);
    uint32_t length = (uint32_t)vf_padded(VF_FRAME_SIZE + size);
    uint8_t *at = size == 0 ? NULL : ve_plan_room(p, length);
    if (at == NULL)
        return ve_fail(p->store, size == 0 ? VARVE_E_TOO_BIG : VARVE_E_NO_MEMORY,
                       "a session's attributes are too large");
    vf_body_encode(at + VF_FRAME_SIZE, &fixed, str, body == NULL ? NULL : body->payload, payload);
    vf_frame *frame = (vf_frame *)(void *)at;
    frame->kind = kind;
    frame->flags = flags;
    vf_put32(&frame->length, length);
    vf_put_i64(&frame->time, time);
    vf_put32(&frame->body_sum, vf_body_sum(at + VF_FRAME_SIZE, length - VF_FRAME_SIZE));
    return ve_plan_add(p, at, length, number);
}

static int add_sync_record(ve_plan *p) {
    vf_control *control = p->store->control;
    uint64_t synced = ve_word(&control->synced), witnessed = ve_word(&control->last_sync_record);
    if (synced <= witnessed || synced - witnessed < SYNC_RECORD_AFTER)
        return VARVE_OK;
    enum { LENGTH = VF_FRAME_SIZE + sizeof(vf_sync_fixed) };
    uint8_t *at = ve_plan_room(p, LENGTH);
    if (at == NULL)
        return ve_fail(p->store, VARVE_E_NO_MEMORY, "no memory");
    vf_sync_fixed body = {0};
    vf_put64(&body.synced, synced);
    memcpy(at + VF_FRAME_SIZE, &body, sizeof body);
    vf_frame *frame = (vf_frame *)(void *)at;
    frame->kind = VF_KIND_SYNC;
    vf_put32(&frame->length, LENGTH);
    vf_put32(&frame->body_sum, vf_body_sum(&body, sizeof body));
    return ve_plan_add(p, at, LENGTH, UINT32_MAX);
}

/* ---- Before the lock ---- */

static int by_key(const void *a, const void *b) {
    const ve_batch_session *const *p = a, *const *q = b;
    int order = vf_key_compare((*p)->key, (*q)->key);
    return order != 0 ? order : *p < *q ? -1 : *p > *q;
}

/* Keys, and which sessions of the batch are one: a machine may be named or be the store's own. */
int ve_plan_keys(ve_plan *p) {
    size_t count = p->batch->session_count;
    ve_batch_session *sessions = p->batch->sessions;
    bool named = false;
    for (size_t i = 0; i < count; i++) {
        vf_text machine = machine_of(p, &sessions[i]);
        sessions[i].key = vf_session_key(machine.ptr, machine.size,
                                         p->batch->texts + sessions[i].id_at, sessions[i].id_size);
        sessions[i].same = (uint32_t)i;
        named = named || sessions[i].has_machine;
    }
    if (!named)
        return VARVE_OK; /* then the ids tell them apart already */
    ve_batch_session **sorted = malloc((count + 1) * sizeof *sorted);
    if (sorted == NULL)
        return ve_fail(p->store, VARVE_E_NO_MEMORY, "no memory");
    for (size_t i = 0; i < count; i++)
        sorted[i] = &sessions[i];
    qsort(sorted, count, sizeof *sorted, by_key);
    for (size_t i = 1; i < count; i++)
        if (vf_key_equal(sorted[i]->key, sorted[i - 1]->key))
            sorted[i]->same = sorted[i - 1]->same;
    free(sorted);
    return VARVE_OK;
}

/* ---- Under the lock ---- */

static bool same(varve_str a, const char *b, size_t size) {
    return a.size == size && memcmp(a.ptr, b, size) == 0;
}

/* What the store knows of the batch's sessions. */
static int find_sessions(ve_plan *p) {
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    for (size_t i = 0; i < p->batch->session_count; i++) {
        ve_batch_session *session = &p->batch->sessions[i];
        session->known = session->defined = session->introduced = session->deleted = false;
        session->nameless = false;
        session->last_seq = UINT64_MAX;
        session->last_lsn = session->last_set = session->gone_below = 0;
        session->last_time = INT64_MIN;
        uint32_t row = ve_find(&p->store->index, VF_TABLE_SESSIONS, session->key);
        if (row == UINT32_MAX)
            continue;
        int read = ve_need_row(p->store, VF_TABLE_SESSIONS, row, true, image);
        if (read < 0)
            return read;
        const vf_hot *hot = (const vf_hot *)(const void *)image;
        const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
        varve_str machine, id;
        vf_text wanted = machine_of(p, session);
        int named = ve_identity(p->store, cold, &machine, &id);
        if (named == VARVE_OK && (!same(id, p->batch->texts + session->id_at, session->id_size) ||
                                  !same(machine, wanted.ptr, wanted.size)))
            return ve_fail(p->store, VARVE_E_CONFLICT,
                           "session '%.*s': another session has the same hash; it is refused",
                           (int)session->id_size, p->batch->texts + session->id_at);
        session->known = true;
        session->defined = ve_le_flag(hot->flags, VF_SR_DEFINED);
        session->deleted = ve_le_flag(hot->flags, VF_SR_DELETED);
        session->nameless = session->defined && !session->deleted && ve_is_damage(named) &&
                            !ve_le_flag(hot->flags, VF_SR_FORGOTTEN) &&
                            vf_get64(cold->ref[VF_REF_IDENTITY]) != 0;
        session->last_seq = vf_get64(hot->last_seq);
        session->last_lsn = vf_get64(hot->last_lsn);
        session->last_set = vf_get64(cold->ref[VF_REF_LAST_SET]);
        if (ve_le_flag(hot->flags, VF_SR_HAS_TIME))
            session->last_time = vf_get_i64(hot->last_activity);
        session->gone_below = session->deleted ? 0 : ve_said_gone(p->store, hot, cold);
    }
    return VARVE_OK;
}

static int is_gone(const ve_plan *p, const ve_batch_session *session, uint64_t seq) {
    return ve_fail(p->store, VARVE_E_NOT_FOUND,
                   "session '%.*s': its events up to seq %llu are gone", (int)session->id_size,
                   p->batch->texts + session->id_at, (unsigned long long)seq);
}

/* A session that begins with another's records: its own follow the parent's in seq and chain. */
static int resolve_fork(ve_plan *p, ve_batch_session *child, const ve_batch_record *record) {
    const ve_batch_session *parent = &p->batch->sessions[p->batch->sessions[record->parent].same];
    if (child->defined || child->introduced)
        return ve_fail(p->store, VARVE_E_EXISTS, "session '%.*s' exists already",
                       (int)child->id_size, p->batch->texts + child->id_at);
    if (!parent->defined)
        return ve_fail(p->store, VARVE_E_NOT_FOUND, "no session '%.*s' to fork",
                       (int)parent->id_size, p->batch->texts + parent->id_at);
    uint64_t seq = record->seq, lsn = parent->last_lsn;
    vf_frame frame;
    int result = ve_log_frame(p->store, &parent->key, lsn, &frame);
    while (result == VARVE_OK && seq == UINT64_MAX &&
           frame.kind == VF_KIND_REWIND) /* what is to be seen ends before it */
        if ((result = ve_log_older(p->store, lsn, &frame, &lsn)) == VARVE_OK)
            result = ve_log_frame(p->store, NULL, lsn, &frame);
    if (result < 0)
        return result;
    seq = seq == UINT64_MAX ? vf_get64(frame.seq) : seq;
    if (seq < parent->gone_below)
        return is_gone(p, parent, seq);
    result = ve_log_seek(p->store, &frame.session, lsn, seq, &child->last_lsn);
    child->last_seq = seq;
    child->introduced = result == VARVE_OK;
    return result;
}

static int add_mark(ve_plan *p, ve_batch_record *record, ve_batch_session *session, uint32_t number,
                    uint8_t *at) {
    vf_frame *frame = (vf_frame *)(void *)at;
    if (!session->defined)
        return ve_fail(p->store, VARVE_E_NOT_FOUND, "no session '%.*s'", (int)session->id_size,
                       p->batch->texts + session->id_at);
    if (frame->kind == VF_KIND_REWIND && (session->deleted || record->seq < session->gone_below))
        return is_gone(p, session, session->deleted ? session->last_seq : record->seq);
    if (record->unless_new && session->last_seq != record->expected) {
        record->fell_back = true;
        return VARVE_OK;
    }
    vf_mark_fixed *mark = (vf_mark_fixed *)(void *)(at + VF_FRAME_SIZE);
    if (frame->kind == VF_KIND_TOMBSTONE)
        vf_put_i64(&mark->activity, session->last_time);
    if (frame->kind == VF_KIND_REWIND) {
        uint64_t to;
        int result = ve_log_seek(p->store, &session->key, session->last_lsn, record->seq, &to);
        if (result < 0)
            return result;
        vf_put64(&mark->to, to);
    }
    vf_put32(&frame->body_sum, vf_body_sum(at + VF_FRAME_SIZE, record->length - VF_FRAME_SIZE));
    return ve_plan_add(p, at, record->length, number);
}

static int add_record(ve_plan *p, size_t i) {
    ve_batch_record *record = &p->batch->records[i];
    uint8_t *at = p->batch->arena + record->offset;
    vf_frame *frame = (vf_frame *)(void *)at;
    if (record->stamp) { /* a moment of the session's life if it is an event; else it only gives the
                            order */
        vf_put_i64(&frame->time, p->now++); /* one after the other, as they came */
        frame->flags |= record->kind == VF_KIND_EVENT ? VF_FRAME_HAS_TIME : 0;
        record->stamp = false;
    }
    frame->flags &= (uint8_t)~VF_FRAME_BATCH_END;
    record->fell_back = false;
    if (record->session == UINT32_MAX)
        return ve_plan_add(p, at, record->length, UINT32_MAX);
    uint32_t number = p->batch->sessions[record->session].same;
    ve_batch_session *session = &p->batch->sessions[number];
    if (record->kind == VF_KIND_REWIND || record->kind == VF_KIND_TOMBSTONE)
        return record->carried ? ve_place_mark(p, i, number)
                               : add_mark(p, record, session, number, at);
    int result = VARVE_OK;
    if (record->kind == VF_KIND_FORK)
        result =
            record->carried ? ve_place_fork(p, session, record) : resolve_fork(p, session, record);
    uint8_t kind = record->fell_back ? VF_KIND_SESSION : record->kind;
    bool unknown = !session->defined && !session->introduced;
    if (result == VARVE_OK && kind != VF_KIND_FORK && (unknown || session->nameless)) {
        session->introduced = session->introduced || unknown;
        session->nameless = false;
        result = add_session_record(p, VF_KIND_SESSION, number, NULL, vf_get_i64(frame->time), 0);
    }
    if (result < 0)
        return result;
    if (record->kind == VF_KIND_EVENT)
        return ve_plan_add(p, at, record->length, number);
    vf_body body;
    if (vf_body_decode(at + VF_FRAME_SIZE, record->length - VF_FRAME_SIZE, &body) != VF_OK)
        return ve_fail(p->store, VARVE_E_ARGUMENT, "a record of the batch cannot be read back");
    return add_session_record(p, kind, number, &body, vf_get_i64(frame->time), frame->flags);
}

int ve_plan_make(ve_plan *p) {
    p->store->trouble = 0;
    int result = find_sessions(p);
    if (result == VARVE_OK) {
        memset(p->batch->duplicate, 0, p->batch->count);
        result = ve_uid_check(p->store, p->batch);
    }
    if (result == VARVE_OK)
        result = add_sync_record(p);
    size_t first = p->count;
    for (size_t i = 0; i < p->batch->count && result == VARVE_OK; i++) {
        if (p->batch->duplicate[i]) {
            p->duplicates++;
            continue;
        }
        p->stored += p->batch->records[i].kind == VF_KIND_EVENT;
        result = add_record(p, i);
    }
    if (result == VARVE_OK &&
        p->store->trouble < 0) /* something was not found that may be there: nothing is written */
        result = ve_fail(p->store, p->store->trouble,
                         "%s: the index or the log could not be looked at: %s", p->store->path,
                         varve_strerror(p->store->trouble));
    if (result == VARVE_OK && p->count == first)
        p->count = 0; /* nothing new: no SYNC record either */
    if (result == VARVE_OK && p->bytes > VF_BATCH_MAX)
        result = ve_fail(p->store, VARVE_E_TOO_BIG, "the batch is larger than 1 GiB");
    return result;
}

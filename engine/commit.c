/*
 * Append: lock, write the whole batch with one call at the tail, publish the tail, then let the
 * index follow. Until the tail is published nobody sees the batch; afterwards nobody can lose it.
 * SPEC.md "Commit".
 */
#include "engine/store.h"

#include <errno.h>
#include <stdlib.h>

enum { PIECES_MAX = 1000, SYNC_RECORD_AFTER = 16 << 10, AHEAD_MIN = 64 << 10, AHEAD_MAX = 1 << 20 };

/* The batch as it will be written: records of the side arena (identities, attributes, SYNC) and of
 * the batch's own. */
typedef struct {
    uint8_t *at;
    uint32_t length;
    uint32_t session;
} piece;

typedef struct {
    varve *store;
    varve_batch *batch;
    piece *pieces;
    size_t count, room;
    uint8_t **more_side; /* blocks of the side arena */
    size_t side_count, more_room;
    uint64_t bytes;
    int64_t now;
    size_t stored, duplicates;
} plan;

static uint8_t *side_room(plan *p, size_t size) {
    uint8_t *block = calloc(1, size);
    if (block == NULL ||
        !ve_grow(&p->more_side, &p->more_room, p->side_count + 1, sizeof *p->more_side)) {
        free(block);
        return NULL;
    }
    p->more_side[p->side_count++] = block;
    return block;
}

static void free_plan(plan *p) {
    for (size_t i = 0; i < p->side_count; i++)
        free(p->more_side[i]);
    free(p->more_side);
    free(p->pieces);
}

static int add_piece(plan *p, uint8_t *at, uint32_t length, uint32_t session) {
    if (!ve_grow(&p->pieces, &p->room, p->count + 1, sizeof *p->pieces))
        return ve_fail(p->store, VARVE_E_NO_MEMORY, "no memory");
    p->pieces[p->count++] = (piece){at, length, session};
    p->bytes += length;
    return VARVE_OK;
}

static vf_text machine_of(const plan *p, const ve_batch_session *session) {
    if (session->has_machine)
        return (vf_text){p->batch->texts + session->machine_at, (uint32_t)session->machine_size};
    return (vf_text){p->store->machine.ptr, (uint32_t)p->store->machine.size};
}

/* A SESSION record with identity and, if 'body' is given, attributes. */
static int add_session_record(plan *p, uint8_t kind, uint32_t number, const vf_body *body,
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
    uint8_t *at = size == 0 ? NULL : side_room(p, length);
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
    return add_piece(p, at, length, number);
}

static int add_sync_record(plan *p) {
    vf_control *control = p->store->control;
    uint64_t synced = ve_word(&control->synced), witnessed = ve_word(&control->last_sync_record);
    if (synced <= witnessed || synced - witnessed < SYNC_RECORD_AFTER)
        return VARVE_OK;
    enum { LENGTH = VF_FRAME_SIZE + sizeof(vf_sync_fixed) };
    uint8_t *at = side_room(p, LENGTH);
    if (at == NULL)
        return ve_fail(p->store, VARVE_E_NO_MEMORY, "no memory");
    vf_sync_fixed body = {0};
    vf_put64(&body.synced, synced);
    memcpy(at + VF_FRAME_SIZE, &body, sizeof body);
    vf_frame *frame = (vf_frame *)(void *)at;
    frame->kind = VF_KIND_SYNC;
    vf_put32(&frame->length, LENGTH);
    vf_put32(&frame->body_sum, vf_body_sum(&body, sizeof body));
    return add_piece(p, at, LENGTH, UINT32_MAX);
}

/* ---- Before the lock ---- */

static int by_key(const void *a, const void *b) {
    const ve_batch_session *const *p = a, *const *q = b;
    int order = vf_key_compare((*p)->key, (*q)->key);
    return order != 0 ? order : *p < *q ? -1 : *p > *q;
}

/* Keys, and which sessions of the batch are one: a machine may be named or be the store's own. */
static int find_keys(plan *p) {
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
static int find_sessions(plan *p) {
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    for (size_t i = 0; i < p->batch->session_count; i++) {
        ve_batch_session *session = &p->batch->sessions[i];
        session->known = session->defined = session->introduced = false;
        session->last_seq = UINT64_MAX;
        session->last_lsn = session->last_set = 0;
        uint32_t row = ve_find(&p->store->index, VF_TABLE_SESSIONS, session->key);
        if (row == UINT32_MAX)
            continue;
        if (ve_read_row(&p->store->index, VF_TABLE_SESSIONS, row, true, image) < 0)
            return ve_fail(p->store, VARVE_E_INDEX, "%s/idx: row %u of table sessions is damaged",
                           p->store->path, row);
        const vf_hot *hot = (const vf_hot *)(const void *)image;
        const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
        varve_str machine, id;
        vf_text wanted = machine_of(p, session);
        if (ve_identity(p->store, cold, &machine, &id) == VARVE_OK &&
            (!same(id, p->batch->texts + session->id_at, session->id_size) ||
             !same(machine, wanted.ptr, wanted.size)))
            return ve_fail(p->store, VARVE_E_CONFLICT,
                           "session '%.*s': another session has the same hash; it is refused",
                           (int)session->id_size, p->batch->texts + session->id_at);
        session->known = true;
        session->defined = ve_le_flag(hot->flags, VF_SR_DEFINED);
        session->last_seq = vf_get64(hot->last_seq);
        session->last_lsn = vf_get64(hot->last_lsn);
        session->last_set = vf_get64(cold->ref[VF_REF_LAST_SET]);
    }
    return VARVE_OK;
}

/* A session that begins with another's records: its own follow the parent's in seq and chain. */
static int resolve_fork(plan *p, ve_batch_session *child, const ve_batch_record *record) {
    const ve_batch_session *parent = &p->batch->sessions[p->batch->sessions[record->parent].same];
    if (child->defined || child->introduced)
        return ve_fail(p->store, VARVE_E_EXISTS, "session '%.*s' exists already",
                       (int)child->id_size, p->batch->texts + child->id_at);
    if (!parent->defined)
        return ve_fail(p->store, VARVE_E_NOT_FOUND, "no session '%.*s' to fork",
                       (int)parent->id_size, p->batch->texts + parent->id_at);
    uint64_t seq = record->seq, lsn = parent->last_lsn;
    vf_frame frame;
    int result = ve_log_frame(p->store, lsn, &frame);
    while (result == VARVE_OK && seq == UINT64_MAX &&
           frame.kind == VF_KIND_REWIND) /* what is to be seen ends before it */
        if ((result = ve_log_older(p->store, lsn, &frame, &lsn)) == VARVE_OK)
            result = ve_log_frame(p->store, lsn, &frame);
    if (result < 0)
        return result;
    seq = seq == UINT64_MAX ? vf_get64(frame.seq) : seq;
    result = ve_log_seek(p->store, lsn, seq, &child->last_lsn);
    child->last_seq = seq;
    child->introduced = result == VARVE_OK;
    return result;
}

static int add_mark(plan *p, const ve_batch_record *record, ve_batch_session *session,
                    uint32_t number, uint8_t *at) {
    vf_frame *frame = (vf_frame *)(void *)at;
    if (!session->defined)
        return ve_fail(p->store, VARVE_E_NOT_FOUND, "no session '%.*s'", (int)session->id_size,
                       p->batch->texts + session->id_at);
    if (frame->kind == VF_KIND_REWIND) {
        vf_mark_fixed *mark = (vf_mark_fixed *)(void *)(at + VF_FRAME_SIZE);
        uint64_t to;
        int result = ve_log_seek(p->store, session->last_lsn, record->seq, &to);
        if (result < 0)
            return result;
        vf_put64(&mark->to, to);
    }
    vf_put32(&frame->body_sum, vf_body_sum(at + VF_FRAME_SIZE, record->length - VF_FRAME_SIZE));
    return add_piece(p, at, record->length, number);
}

static int add_record(plan *p, size_t i) {
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
    if (record->session == UINT32_MAX)
        return add_piece(p, at, record->length, UINT32_MAX);
    uint32_t number = p->batch->sessions[record->session].same;
    ve_batch_session *session = &p->batch->sessions[number];
    if (record->kind == VF_KIND_REWIND || record->kind == VF_KIND_TOMBSTONE)
        return add_mark(p, record, session, number, at);
    int result = VARVE_OK;
    if (record->kind == VF_KIND_FORK) {
        result = resolve_fork(p, session, record);
    } else if (!session->defined && !session->introduced) {
        session->introduced = true;
        result = add_session_record(p, VF_KIND_SESSION, number, NULL, vf_get_i64(frame->time), 0);
    }
    if (result < 0)
        return result;
    if (record->kind == VF_KIND_EVENT)
        return add_piece(p, at, record->length, number);
    vf_body body;
    if (vf_body_decode(at + VF_FRAME_SIZE, record->length - VF_FRAME_SIZE, &body) != VF_OK)
        return ve_fail(p->store, VARVE_E_ARGUMENT, "a record of the batch cannot be read back");
    return add_session_record(p, record->kind, number, &body, vf_get_i64(frame->time),
                              frame->flags);
}

static int make_plan(plan *p) {
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

/* Place in the log: the active segment, or a new one if the batch does not fit. */
static int make_place(plan *p) {
    varve *store = p->store;
    vf_control *control = store->control;
    uint64_t tail = ve_word(&control->tail);
    uint32_t number = vf_lsn_segment(tail), offset = vf_lsn_offset(tail);
    bool full = offset > VF_SEGMENT_HEADER && offset + p->bytes > store->segment_size;
    if (!full && ve_word(&control->rotating) == 0)
        return ve_segment_write(store, number);
    if (number >= VF_SEGMENT_NUMBER_MAX)
        return ve_fail(store, VARVE_E_TOO_BIG, "%s: no segment numbers are left", store->path);
    uint64_t applied = ve_word(&control->applied);
    int result = ve_segment_begin(store, number + 1, tail, ve_chain(store), 0, 0);
    if (result == VARVE_OK && applied == tail)
        ve_set_word(&control->applied, ve_word(&control->tail));
    return result;
}

/* Fills in what depends on the place: seq, prev, chain, sums. Returns the chain value behind the
 * last record. */
static uint32_t seal(plan *p, uint64_t lsn, uint64_t salt, uint32_t chain) {
    for (size_t i = 0; i < p->count; i++) {
        vf_frame *frame = (vf_frame *)(void *)p->pieces[i].at;
        if (p->pieces[i].session != UINT32_MAX) {
            ve_batch_session *session = &p->batch->sessions[p->pieces[i].session];
            frame->session = session->key;
            vf_put64(&frame->seq, ++session->last_seq);
            vf_put64(&frame->prev, session->last_lsn);
            session->last_lsn = lsn;
            if (frame->kind == VF_KIND_SESSION || frame->kind == VF_KIND_FORK) {
                vf_fixed *fixed = (vf_fixed *)(void *)(p->pieces[i].at + VF_FRAME_SIZE);
                if (vf_get64(fixed->prev_set) != session->last_set) { /* the batch has several */
                    vf_put64(&fixed->prev_set, session->last_set);
                    vf_put32(&frame->body_sum,
                             vf_body_sum(fixed, p->pieces[i].length - VF_FRAME_SIZE));
                }
                session->last_set = lsn;
            }
        }
        if (i + 1 == p->count)
            frame->flags |= VF_FRAME_BATCH_END;
        chain = (uint32_t)vf_frame_seal(frame, salt, lsn, chain);
        lsn += p->pieces[i].length;
    }
    return chain;
}

/* One pwritev of everything. What a failure leaves behind the tail is overwritten by the next
 * batch. */
static int write_pieces(plan *p, uint64_t offset) {
    struct iovec *parts = malloc((p->count + 1) * sizeof *parts);
    uint8_t *whole = NULL;
    size_t count = 0;
    if (parts == NULL)
        return ve_fail(p->store, VARVE_E_NO_MEMORY, "no memory");
    for (size_t i = 0; i < p->count; i++) {
        struct iovec *last = count > 0 ? &parts[count - 1] : NULL;
        if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == p->pieces[i].at)
            last->iov_len += p->pieces[i].length;
        else
            parts[count++] = (struct iovec){p->pieces[i].at, p->pieces[i].length};
    }
    if (count > PIECES_MAX) {
        uint8_t *at = whole = malloc((size_t)p->bytes);
        for (size_t i = 0; whole != NULL && i < p->count; at += p->pieces[i++].length)
            memcpy(at, p->pieces[i].at, p->pieces[i].length);
        parts[0] = (struct iovec){whole, (size_t)p->bytes};
        count = 1;
    }
    ssize_t done = -1;
    errno = ENOMEM;
    if (parts[0].iov_base != NULL)
        do
            done = p->store->os->pwritev(p->store->write_fd, parts, (int)count, (int64_t)offset);
        while (done < 0 && errno == EINTR);
    if (done >= 0 && (uint64_t)done < p->bytes)
        errno = ENOSPC;
    int result = done >= 0 && (uint64_t)done == p->bytes
                     ? VARVE_OK
                     : ve_fail_os(p->store, "%s/seg/%08u.log: cannot be written", p->store->path,
                                  p->store->write_segment);
    free(parts);
    free(whole);
    return result;
}

/* Zeros behind the tail, so that the next syncs need not change the file's extents. A failure is no
 * matter. */
static void write_ahead(plan *p, uint64_t end) {
    static const uint8_t zeros[64 << 10];
    vf_control *control = p->store->control;
    uint64_t ready = ve_word(&control->ready_size);
    if (end <= ready)
        return;
    uint64_t ahead = end / 4 < AHEAD_MIN ? AHEAD_MIN : end / 4 > AHEAD_MAX ? AHEAD_MAX : end / 4;
    uint64_t upto = (end + ahead) & ~(uint64_t)4095;
    upto = upto > p->store->segment_size ? p->store->segment_size : upto;
    for (uint64_t at = end; at < upto;) {
        size_t size = upto - at < sizeof zeros ? (size_t)(upto - at) : sizeof zeros;
        if (ve_write_all(p->store->os, p->store->write_fd, zeros, size, at) < 0)
            return;
        at += size;
    }
    ve_set_word(&control->ready_size, upto > end ? upto : end);
}

static int commit(plan *p, varve_durability durability, uint64_t *ret_first, uint64_t *ret_end) {
    varve *store = p->store;
    vf_control *control = store->control;
    int result = make_place(p);
    if (result < 0)
        return result;
    uint64_t tail = ve_word(&control->tail), end = tail + p->bytes;
    ve_segment *segment = ve_log_segment(store, vf_lsn_segment(tail));
    if (segment == NULL)
        return VARVE_E_CORRUPT;
    if (vf_lsn_offset(tail) + p->bytes > UINT32_MAX)
        return ve_fail(store, VARVE_E_TOO_BIG, "the batch does not fit a segment");
    uint32_t chain = seal(p, tail, segment->salt, ve_chain(store));
    if ((result = write_pieces(p, vf_lsn_offset(tail))) < 0)
        return result;
    if (((vf_frame *)(void *)p->pieces[0].at)->kind == VF_KIND_SYNC)
        ve_set_word(&control->last_sync_record, ve_word(&control->synced));
    ve_publish(store, end, chain, end - p->pieces[p->count - 1].length);
    *ret_first = tail;
    *ret_end = end;
    /* The batch is in. That the index cannot follow now (no room) is the next writer's trouble, not
     * this caller's. */
    if (ve_fold_range(store, &store->index, tail, end, &control->applied) < 0)
        ve_say(store, "the index could not follow: %s", store->error);
    if (durability == VARVE_GROUP)
        write_ahead(p, vf_lsn_offset(end));
    return VARVE_OK;
}

static int append_locked(plan *p, varve_durability durability, uint64_t *ret_first,
                         uint64_t *ret_end) {
    int result = ve_catch_up(p->store);
    if (result == VARVE_OK && durability == VARVE_GROUP &&
        ve_word(&p->store->control->sync_failed) != 0)
        result =
            ve_fail(p->store, VARVE_E_SYNC_FAILED,
                    "%s: an earlier sync failed: nothing can be confirmed; nothing was appended",
                    p->store->path);
    if (result == VARVE_OK)
        result = make_plan(p);
    if (result == VARVE_E_INDEX) { /* damage to the index is the index's end, not the append's */
        ve_say(p->store, "%s: the index is damaged (%s): it is made anew", p->store->path,
               p->store->error);
        result = ve_rebuild(p->store, ve_word(&p->store->control->tail));
        free_plan(p);
        *p = (plan){.store = p->store, .batch = p->batch, .now = p->now};
        ve_uid_free(p->store);
        if (result == VARVE_OK)
            result = make_plan(p);
    }
    *ret_first = *ret_end = result == VARVE_OK ? ve_word(&p->store->control->tail) : 0;
    if (result == VARVE_OK && p->count > 0)
        result = commit(p, durability, ret_first, ret_end);
    if (result < 0)
        ve_uid_free(p->store); /* it may hold uids that were not stored */
    return result;
}

int varve_append(varve *store, varve_batch *batch, varve_durability durability,
                 varve_appended *ret) {
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (store->read_only)
        return ve_fail(store, VARVE_E_READ_ONLY, "%s: opened for reading only", store->path);
    if (batch == NULL || (ret != NULL && ret->size < sizeof *ret))
        return ve_fail(store, VARVE_E_ARGUMENT, "no batch, or a result of another size");
    if (!ve_grow(&batch->duplicate, &batch->duplicate_room, batch->count + 1, 1))
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    plan p = {.store = store, .batch = batch, .now = store->os->now()};
    uint64_t first = 0, end = 0;
    if ((result = find_keys(&p)) == VARVE_OK &&
        (result = ve_lock(store, store->lock_append, "LOCK.append")) == VARVE_OK) {
        result = append_locked(&p, durability, &first, &end);
        ve_unlock(store, store->lock_append);
    }
    free_plan(&p);
    if (result < 0)
        return result;
    if (ret != NULL) {
        ret->stored = p.stored;
        ret->duplicates = p.duplicates;
        ret->first_lsn = first;
        ret->end_lsn = end;
        ret->is_duplicate = batch->duplicate;
    }
    /* A duplicate is only stored when its original is: so wait for all that is published. */
    if (durability == VARVE_GROUP && ve_sync_to(store, end) < 0)
        return VARVE_E_SYNC_FAILED; /* whatever kept it from being synced: it is in the store */
    return VARVE_OK;
}

int varve_cursor_state(varve *store, varve_str name, void *ret_state, size_t room) {
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (name.ptr == NULL)
        return ve_fail(store, VARVE_E_ARGUMENT, "no name");
    if ((result = ve_follow_index(store)) < 0)
        return result;
    store->trouble = 0;
    uint32_t row = ve_find(&store->index, VF_TABLE_CURSORS,
                           vf_string_key(VF_SPACE_CURSOR, name.ptr, name.size));
    vf_cursor_row image;
    if (row == UINT32_MAX)
        return store->trouble < 0
                   ? ve_fail(store, store->trouble, "%s/idx: cannot be looked at", store->path)
                   : ve_fail(store, VARVE_E_NOT_FOUND, "no such cursor");
    if ((result = ve_read_row(&store->index, VF_TABLE_CURSORS, row, true, &image)) < 0)
        return ve_fail(store, result,
                       "%s/idx: row %u of table cursors is damaged: run varve reindex", store->path,
                       row);
    vf_frame frame;
    const uint8_t *bytes;
    if ((result = ve_log_record(store, vf_get64(image.lsn), &frame, &bytes)) < 0)
        return result;
    vf_key key;
    vf_text found, state;
    if (frame.kind != VF_KIND_CURSOR ||
        vf_cursor_decode(bytes + VF_FRAME_SIZE, vf_get32(frame.length) - VF_FRAME_SIZE, &key,
                         &found, &state) != VF_OK)
        return ve_fail(store, VARVE_E_INDEX,
                       "%s/idx: a cursor's row names another record: run varve reindex",
                       store->path);
    if (state.size > 0 && ret_state != NULL)
        memcpy(ret_state, state.ptr, state.size < room ? state.size : room);
    return (int)state.size;
}

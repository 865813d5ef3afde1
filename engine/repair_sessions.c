/*
 * Whose records were in the parts of the log that are lost, as far as the records before and behind
 * tell: seq has no gap but there.
 */
#include "engine/repair.h"

#include <stdlib.h>

typedef struct {
    vf_key key;
    uint64_t last_seq;
} last_of;

typedef struct {
    ve_repair *r;
    last_of *slot; /* open addressing; zero key = free */
    size_t room, count;
} lasts;

static last_of *slot_of(const lasts *l, vf_key key) {
    uint64_t hash;
    memcpy(&hash, key.b, sizeof hash);
    size_t at = (size_t)hash & (l->room - 1);
    while (!vf_key_is_zero(l->slot[at].key) && !vf_key_equal(l->slot[at].key, key))
        at = (at + 1) & (l->room - 1);
    return &l->slot[at];
}

static int remember(lasts *l, vf_key key, uint64_t last_seq) {
    if (l->count * 2 >= l->room) {
        lasts more = {.r = l->r, .room = l->room == 0 ? 1024 : l->room * 2};
        if ((more.slot = calloc(more.room, sizeof *more.slot)) == NULL)
            return ve_fail(l->r->store, VARVE_E_NO_MEMORY, "no memory");
        for (size_t i = 0; i < l->room; i++)
            if (!vf_key_is_zero(l->slot[i].key))
                *slot_of(&more, l->slot[i].key) = l->slot[i];
        more.count = l->count;
        free(l->slot);
        *l = more;
    }
    last_of *slot = slot_of(l, key);
    l->count += vf_key_is_zero(slot->key) != 0;
    *slot = (last_of){key, last_seq};
    return VARVE_OK;
}

/* A session goes on with this record: what is missing before it, if it was in one of the gaps. */
static void look_before(const lasts *l, const vf_frame *frame) {
    uint64_t prev = vf_get64(frame->prev), seq = vf_get64(frame->seq);
    if (vf_key_is_zero(frame->session) || frame->kind == VF_KIND_BASE ||
        frame->kind == VF_KIND_FORK || prev == 0 ||
        !ve_ranges_have(&l->r->gaps, prev, prev + VF_RECORD_ALIGN))
        return;
    const last_of *last = l->room == 0 ? NULL : slot_of(l, frame->session);
    uint64_t due = last == NULL || vf_key_is_zero(last->key) ? 0 : last->last_seq + 1;
    if (due < seq)
        ve_repair_lose_session(l->r, frame->session, due, seq - 1);
}

static int frame_of(varve *store, ve_packed *file, uint32_t id, vf_frame *ret_frame) {
    ve_record record;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    int result = ve_packed_id(store, file, id, false, &record);
    ve_hold_end(store, &own, before);
    if (result == VARVE_OK)
        *ret_frame = record.frame;
    return result;
}

/* Whether some of a run's records may lie behind a gap that lies behind others of them. */
static bool has_gap(const ve_repair *r, const vf_packed_session *run) {
    for (size_t i = 0; i < r->gaps.count; i++)
        if (vf_get64(r->gaps.at[i].from) < vf_get64(run->last_lsn) &&
            vf_get64(r->gaps.at[i].to) > vf_get64(run->first_lsn))
            return true;
    return false;
}

/* The first record that can be read, and if there is no gap within the run, the last: else all. */
static int look_at_run(lasts *l, ve_packed *file, const vf_packed_session *run) {
    varve *store = l->r->store;
    uint32_t first = vf_get32(run->first), end = first + vf_get32(run->records), id = first;
    bool all = has_gap(l->r, run), any = false;
    vf_frame frame;
    for (; id < end && (all || !any); id++) {
        int result = frame_of(store, file, id, &frame);
        if (ve_is_damage(result))
            continue;
        if (result == VARVE_OK) {
            any = true;
            look_before(l, &frame);
            result = remember(l, run->key, vf_get64(frame.seq));
        }
        if (result < 0)
            return result;
    }
    int result = VARVE_E_CORRUPT;
    for (uint32_t last = end; last > id && ve_is_damage(result); last--)
        result = frame_of(store, file, last - 1, &frame);
    if (result == VARVE_OK)
        result = remember(l, run->key, vf_get64(frame.seq));
    return ve_is_damage(result) ? VARVE_OK : result;
}

static int look_at_packed(lasts *l, ve_packed *file) {
    int result = VARVE_OK;
    for (uint32_t i = 0; i < vf_get32(file->footer.sessions.count) && result == VARVE_OK; i++) {
        const vf_packed_session *run =
            vf_packed_item(file->map, &file->footer.sessions, i, VF_PACKED_SESSION);
        if (!vf_key_is_zero(run->key))
            result = look_at_run(l, file, run);
    }
    return result;
}

static int look_at_records(lasts *l) {
    varve *store = l->r->store;
    uint64_t lsn = vf_lsn(store->layout->first_raw, VF_SEGMENT_HEADER);
    ve_record record;
    int found = 0;
    while (lsn < l->r->tail && (found = ve_log_next(store, lsn, l->r->tail, &record, NULL)) == 1) {
        lsn = record.lsn + vf_get32(record.frame.length);
        if (vf_key_is_zero(record.frame.session))
            continue;
        look_before(l, &record.frame);
        int result = remember(l, record.frame.session, vf_get64(record.frame.seq));
        if (result < 0)
            return result;
    }
    return found < 0 ? found : VARVE_OK;
}

/* Sessions that did not go on behind a gap: an index that can be believed knows where they ended.
 */
static int look_at_index(lasts *l) {
    varve *store = l->r->store;
    if (!l->r->control_believed || store->control == NULL ||
        ve_index_open(store, &store->index, ve_word(&store->control->index_generation)) < 0)
        return VARVE_OK;
    uint64_t rows = ve_rows(&store->index, VF_TABLE_SESSIONS);
    for (uint64_t row = 0; row < rows; row++) {
        vf_hot hot;
        if (ve_read_row(&store->index, VF_TABLE_SESSIONS, (uint32_t)row, false, &hot) < 0 ||
            vf_key_is_zero(hot.key) || vf_get64(hot.last_lsn) == 0)
            continue;
        uint64_t lsn = vf_get64(hot.last_lsn), seq = vf_get64(hot.last_seq);
        const last_of *last = l->room == 0 ? NULL : slot_of(l, hot.key);
        uint64_t due = last == NULL || vf_key_is_zero(last->key) ? 0 : last->last_seq + 1;
        if (ve_ranges_have(&l->r->gaps, lsn, lsn + VF_RECORD_ALIGN) && due <= seq)
            ve_repair_lose_session(l->r, hot.key, due, seq);
    }
    return VARVE_OK;
}

int ve_repair_lost_sessions(ve_repair *r) {
    lasts l = {.r = r};
    int result = VARVE_OK;
    if (r->gaps.count == 0)
        return VARVE_OK;
    ve_ranges_order(&r->gaps);
    for (size_t f = 0; f < r->store->layout->files && result == VARVE_OK; f++)
        result = look_at_packed(&l, r->store->layout->file[f]);
    if (result == VARVE_OK)
        result = look_at_records(&l);
    if (result == VARVE_OK)
        result = look_at_index(&l);
    free(l.slot);
    return result;
}

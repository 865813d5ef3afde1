/*
 * The raw segments of a damaged store: where the log ends, which bytes before that do not hold; and
 * whose records were there, as far as the records before and behind tell.
 */
#include "engine/repair.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- Segments ---- */

static bool is_there(const ve_found *f) {
    return !f->packed && f->own != 0 && f->fate != VE_FATE_AWAY &&
           (!f->aside || f->fate == VE_FATE_PLACE);
}

/* A segment that is to get another name, or another header: as it will be. */
static int place(ve_repair *r, const ve_found *f) {
    varve *store = r->store;
    ve_log_segment(store, f->own);
    if (store->trouble < 0)
        return store->trouble;
    ve_segment *segment = store->log.segment[f->own - 1];
    if (segment->map != NULL)
        return VARVE_OK;
    const char *base;
    int dir = ve_repair_at(r, f->name, &base);
    int fd = store->os->openat(dir, base, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return ve_fail_os(store, "%s/%s: cannot be opened", store->path, f->name);
    uint64_t size = f->size < UINT32_MAX ? f->size : UINT32_MAX;
    void *map = store->os->mmap((size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    store->os->close(fd);
    if (map == MAP_FAILED)
        return ve_fail_os(store, "%s/%s: cannot be mapped", store->path, f->name);
    segment->map = map;
    segment->map_size = (size_t)size;
    segment->file_size = size;
    segment->placed = true;
    segment->salt = vf_get64(f->header.salt);
    segment->first_chain = vf_segment_chain(&f->header);
    segment->prev_end = vf_get64(f->header.prev_end);
    segment->prev_chain = vf_get32(f->header.prev_chain);
    segment->hole_from = vf_get64(f->header.hole_from);
    segment->hole_to = vf_get64(f->header.hole_to);
    return VARVE_OK;
}

static int place_all(ve_repair *r) {
    varve *store = r->store;
    store->trouble = 0;
    store->log.listed = true;
    uint32_t highest = store->layout->first_raw - 1;
    for (size_t i = 0; i < r->count; i++) {
        const ve_found *f = &r->found[i];
        if (!is_there(f) || f->own < store->layout->first_raw)
            continue;
        int result = place(r, f);
        if (result < 0)
            return result;
        if (f->own >= highest) {
            highest = f->own;
            if (vf_get64(f->header.prev_end) > r->published)
                r->published = vf_get64(f->header.prev_end);
        }
    }
    if (highest > 0 && highest >= store->log.count) /* so many there are, also if none of them is */
        ve_log_segment(store, highest);
    return VARVE_OK;
}

/* ---- Damage ---- */

static int lose_raw(ve_repair *r, uint64_t from, uint64_t to) {
    char file[32];
    uint32_t first = vf_lsn_segment(from), last = vf_lsn_segment(to);
    bool missing = true;
    if (vf_lsn_offset(from) <= VF_SEGMENT_HEADER)
        from = vf_lsn(first, 0);
    if (vf_lsn_offset(to) <= VF_SEGMENT_HEADER && last > first)
        last--;
    for (size_t i = 0; i < r->count; i++)
        if (is_there(&r->found[i]) && r->found[i].own >= first && r->found[i].own <= last) {
            r->found[i].damaged = true;
            missing = missing && r->found[i].own != first;
        }
    r->raw_damaged = true;
    if (ve_ranges_have(&r->told, from, to))
        return VARVE_OK;
    snprintf(file, sizeof file, "seg/%08u.log", first);
    int result = ve_ranges_add(r->store, &r->gaps, from, to);
    return result < 0
               ? result
               : ve_repair_lose(r, file, vf_lsn_offset(from), from, to,
                                first == vf_lsn_segment(to) ? to - from : 0,
                                missing ? "the segment is missing" : "no whole record stands here");
}

static int look_for_damage(ve_repair *r) {
    varve *store = r->store;
    uint64_t lsn = vf_lsn(store->layout->first_raw, VF_SEGMENT_HEADER), damage = 0;
    ve_record record;
    int found = 0, result = VARVE_OK;
    while (lsn < r->tail && result == VARVE_OK &&
           (found = ve_log_next(store, lsn, r->tail, &record, &damage)) == 1) {
        if (damage != 0)
            result = lose_raw(r, damage, record.lsn);
        lsn = record.lsn + vf_get32(record.frame.length);
    }
    if (result == VARVE_OK && found == 0 && damage != 0)
        result = lose_raw(r, damage, r->tail);
    return found < 0 ? found : result;
}

/* What recovery or a compaction found to be lost, and nobody told yet. */
static int lose_known_holes(ve_repair *r) {
    varve *store = r->store;
    char file[32];
    int result = VARVE_OK;
    for (size_t p = 0; p < r->parts; p++) {
        const ve_packed *packed = r->part[p].from == NULL ? NULL : r->part[p].from->file;
        for (uint32_t i = 0; packed != NULL && i < vf_get32(packed->footer.holes.count); i++) {
            const vf_hole *hole =
                vf_packed_item(packed->map, &packed->footer.holes, i, sizeof *hole);
            uint64_t from = vf_get64(hole->from), to = vf_get64(hole->to);
            if (ve_ranges_have(&r->told, from, to))
                continue;
            snprintf(file, sizeof file, "seg/%08u.seg", packed->number);
            if ((result = ve_ranges_add(store, &r->gaps, from, to)) < 0 ||
                (result = ve_repair_lose(r, file, 0, from, to, 0,
                                         "was damaged before it was packed")) < 0)
                return result;
        }
    }
    for (size_t i = 0; i < r->count && result == VARVE_OK; i++) {
        const ve_found *f = &r->found[i];
        uint64_t from = vf_get64(f->header.hole_from), to = vf_get64(f->header.hole_to);
        bool known = ve_ranges_have(&r->told, from, to);
        if (!is_there(f) || f->own < store->layout->first_raw || from == 0 || known)
            continue;
        for (size_t l = 0; l < r->lost.count && !known; l++) /* it is damaged still */
            known = vf_get64(r->lost.at[l].from) < to && vf_get64(r->lost.at[l].to) > from;
        if (known) {
            result = ve_ranges_add(store, &r->lost, from, to);
            continue;
        }
        if ((result = ve_ranges_add(store, &r->gaps, from, to)) == VARVE_OK)
            result = ve_repair_lose(r, f->name, 80, from, to, 0, "recovery found it gone");
    }
    return result;
}

int ve_repair_raw(ve_repair *r) {
    varve *store = r->store;
    ve_log_state state = {0};
    int result = place_all(r);
    if (result < 0)
        return result;
    store->published = r->published;
    store->private_tail = store->layout->packed_end;
    bool holds = store->control != NULL && ve_tail_holds(store);
    if (store->trouble < 0)
        return ve_fail(store, store->trouble, "%s: the log's end cannot be looked at", store->path);
    if (holds) {
        r->tail = ve_tail(store);
    } else {
        if (r->control_believed)
            ve_repair_tell(r, VARVE_REPAIR_MENDED, "CONTROL", 72,
                           "the log does not end where it says: made anew");
        r->control_due = !r->nobodys;
        ve_control_let_go(store);
        if ((result = ve_find_end_here(store, &state)) < 0)
            return result;
        r->tail = state.tail;
    }
    store->private_tail = r->tail;
    result = look_for_damage(r);
    if (result == VARVE_OK && state.hole_to > r->tail && r->tail != 0) {
        uint64_t from = state.hole_from > r->tail ? state.hole_from : r->tail;
        if ((result = ve_ranges_add(store, &r->gaps, from, state.hole_to)) == VARVE_OK)
            result = ve_repair_lose(r, "seg", 0, from, state.hole_to, 0, "the log went on here");
        r->log_changed = true;
    }
    if (result == VARVE_OK)
        result = lose_known_holes(r);
    if (r->raw_damaged) {
        ve_repair_tell(r, VARVE_REPAIR_MENDED, "seg", 0,
                       "raw segments are damaged: what is whole is packed, the damaged files go to "
                       "quarantine/");
        r->log_changed = true;
    }
    return result;
}

/* ---- Sessions ---- */

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

/* ---- Whose machine it was ---- */

int ve_repair_machine(ve_repair *r) {
    enum { MACHINES = 16 };
    varve *store = r->store;
    struct {
        char id[VF_MACHINE_MAX];
        uint32_t size, count;
    } machine[MACHINES] = {{{0}, 0, 0}};
    uint64_t lsn = ve_log_first(store);
    ve_record record;
    size_t best = 0;
    int found = 0;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    if (r->options->machine_id.ptr != NULL) {
        machine[0].size = (uint32_t)r->options->machine_id.size;
        memcpy(machine[0].id, r->options->machine_id.ptr, r->options->machine_id.size);
        lsn = r->tail;
    }
    while (lsn < r->tail && (found = ve_log_next(store, lsn, r->tail, &record, NULL)) == 1) {
        vf_body body;
        lsn = record.lsn + vf_get32(record.frame.length);
        if (record.frame.kind == VF_KIND_SESSION && vf_get64(record.frame.seq) == 0 &&
            ve_record_body(store, &record, &body) == VARVE_OK &&
            body.str[VF_STR_MACHINE_ID].size - 1 < VF_MACHINE_MAX) {
            vf_text id = body.str[VF_STR_MACHINE_ID];
            size_t m = 0;
            while (m < MACHINES - 1 && machine[m].size != 0 &&
                   (machine[m].size != id.size || memcmp(machine[m].id, id.ptr, id.size) != 0))
                m++;
            if (machine[m].size == 0) {
                machine[m].size = (uint32_t)id.size;
                memcpy(machine[m].id, id.ptr, id.size);
            }
            machine[m].count++;
            best = machine[m].count > machine[best].count ? m : best;
        }
        ve_hold_drop(store, &own);
    }
    ve_hold_end(store, &own, before);
    if (found < 0)
        return found;
    vf_store_file *file = &store->ident;
    memcpy(file->machine, machine[best].id, machine[best].size);
    vf_put32(&file->machine_size, machine[best].size);
    vf_store_seal(file);
    store->machine = (varve_str){(const char *)file->machine, machine[best].size};
    ve_repair_tell(r, VARVE_REPAIR_MENDED, "STORE", 72,
                   "the machine id that is taken is that of %s: '%.*s'",
                   r->options->machine_id.ptr != NULL ? "the call" : "most sessions",
                   (int)machine[best].size, machine[best].id);
    return VARVE_OK;
}

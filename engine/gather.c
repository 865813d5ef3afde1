/*
 * The records of a job, by session: those of packed segments lie together already, those of raw
 * ones are noted first. Besides, the records that the sessions' rows name are pinned: kept once
 * more without payload, so that lists need not open the blocks. SPEC.md "Compaction".
 */
#include "engine/array.h"
#include "engine/fold.h"
#include "engine/pack.h"

#include <stdlib.h>

typedef struct {
    ve_pack *pack;
    ve_job *job;
    ve_gathered *raw; /* by row, then lsn */
    size_t count, room, at;
    uint32_t *next; /* by file: the next of its sessions */
    uint32_t *stub; /* rows of those that are known by a record in the job's range */
    size_t stubs, stubs_room, stub_at;
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    bool known; /* image holds the row of the session */
    uint64_t *pins;
    size_t pin_count, pins_room;
    uint64_t below;              /* records of the session with a lower seq are left out, */
    uint64_t rows_lsn;           /* if packed rows hold what they count */
    uint64_t base_lsn, base_seq; /* the last one that was; lsn 0 = none, or it was said */
    int64_t base_time;           /* the latest that the session had by then; INT64_MIN = none */
} gathering;

static int no_memory(varve *store) {
    return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
}

/* ---- Raw segments: which record is whose ---- */

static int by_row(const void *a, const void *b) {
    const ve_gathered *p = a, *q = b;
    if (p->row != q->row)
        return p->row < q->row ? -1 : 1;
    return p->lsn < q->lsn ? -1 : p->lsn > q->lsn;
}

/* The one behind it must be on disk, or it may be lost and this one be the last again. */
bool ve_is_last_cursor(varve *store, const ve_record *record) {
    vf_key key;
    vf_text name, state;
    vf_cursor_row image;
    if (record->body == NULL ||
        vf_cursor_decode(record->body, record->body_size, &key, &name, &state) != VF_OK)
        return true;
    uint32_t row = ve_find(&store->index, VF_TABLE_CURSORS, key);
    return row == UINT32_MAX ||
           ve_read_row(&store->index, VF_TABLE_CURSORS, row, true, &image) < 0 ||
           vf_get64(image.lsn) <= record->lsn ||
           vf_get64(image.lsn) >= ve_word(&store->control->synced);
}

/* A parent that is known by name only has no records; its name stands in this child's. */
static int note_stub(gathering *g, uint32_t child) {
    varve *store = g->job->store;
    vf_hot hot;
    if (ve_read_row(&store->index, VF_TABLE_SESSIONS, child, false, &hot) < 0)
        return VARVE_OK; /* told when its turn comes */
    uint32_t parent = vf_get32(hot.parent);
    if (parent == 0 || ve_read_row(&store->index, VF_TABLE_SESSIONS, parent - 1, false, &hot) < 0 ||
        ve_le_flag(hot.flags, VF_SR_DEFINED))
        return VARVE_OK;
    if (!ve_grow(&g->raw, &g->room, g->count + 1, sizeof *g->raw))
        return no_memory(store);
    g->raw[g->count++] = (ve_gathered){.row = parent - 1};
    return VARVE_OK;
}

static int note_raw(gathering *g) {
    ve_job *job = g->job;
    varve *store = job->store;
    vf_key last = {{0}};
    uint32_t last_row = UINT32_MAX;
    uint64_t lsn = vf_lsn(job->raw_first, VF_SEGMENT_HEADER), damage;
    ve_record record;
    int found, result = VARVE_OK;
    for (uint32_t n = job->raw_first; n <= job->raw_last; n++) {
        const ve_segment *segment = ve_log_segment(store, n);
        if (segment != NULL && segment->hole_from != 0 &&
            (result = ve_pack_hole(g->pack, segment->hole_from, segment->hole_to)) < 0)
            return result;
    }
    while ((found = ve_log_next(store, lsn, job->end_lsn, &record, &damage)) == 1) {
        if (damage != 0 && (result = ve_pack_hole(g->pack, damage, record.lsn)) < 0)
            return result;
        lsn = record.lsn + vf_get32(record.frame.length);
        job->read_bytes += vf_get32(record.frame.length);
        bool own = !vf_key_is_zero(record.frame.session);
        if (record.frame.kind == VF_KIND_SYNC ||
            (record.frame.kind == VF_KIND_CURSOR && !ve_is_last_cursor(store, &record)))
            continue; /* what they witness is on disk; what they said was said again */
        if (own && !vf_key_equal(last, record.frame.session)) {
            last = record.frame.session;
            last_row = ve_find(&store->index, VF_TABLE_SESSIONS, last);
            if (last_row == UINT32_MAX)
                return ve_fail(store, VARVE_E_INDEX,
                               "%s/idx: a session of the log is not in it: run varve reindex",
                               store->path);
        }
        if (!ve_grow(&g->raw, &g->room, g->count + 1, sizeof *g->raw))
            return no_memory(store);
        g->raw[g->count++] = (ve_gathered){own ? last_row : UINT32_MAX, record.lsn};
        if ((record.frame.kind == VF_KIND_SESSION || record.frame.kind == VF_KIND_FORK) &&
            (result = note_stub(g, last_row)) < 0)
            return result;
    }
    if (found == 0 && damage != 0)
        result = ve_pack_hole(g->pack, damage, job->end_lsn);
    if (g->count > 1)
        qsort(g->raw, g->count, sizeof *g->raw, by_row);
    return found < 0 ? found : result;
}

/* Stubs have no records of their own. The one that names them may be left out, as it is another
 * session's: so it is pinned for them. */
static int note_stubs(gathering *g) {
    ve_job *job = g->job;
    varve *store = job->store;
    uint64_t rows = ve_rows(&store->index, VF_TABLE_SESSIONS);
    for (uint64_t row = 0; row < rows; row++) {
        const vf_hot *hot = (const vf_hot *)(const void *)g->image;
        const vf_cold *cold = (const vf_cold *)(const void *)(g->image + VF_HOT_SIZE);
        if (ve_read_row(&store->index, VF_TABLE_SESSIONS, (uint32_t)row, false, g->image) < 0)
            continue; /* told when it is its turn */
        if (ve_le_flag(hot->flags, VF_SR_DEFINED) ||
            ve_read_row(&store->index, VF_TABLE_SESSIONS, (uint32_t)row, true, g->image) < 0)
            continue;
        uint64_t lsn = vf_get64(cold->ref[VF_REF_IDENTITY]);
        if (lsn < job->first_lsn || lsn >= job->end_lsn)
            continue;
        if (!ve_grow(&g->stub, &g->stubs_room, g->stubs + 1, sizeof *g->stub))
            return no_memory(store);
        g->stub[g->stubs++] = (uint32_t)row;
    }
    return VARVE_OK;
}

/* ---- One session ---- */

static const vf_cold *cold_of(const gathering *g) {
    return (const vf_cold *)(const void *)(g->image + VF_HOT_SIZE);
}

static const vf_hot *hot_of(const gathering *g) {
    return (const vf_hot *)(const void *)g->image;
}

static int pin(gathering *g, uint64_t lsn) {
    for (size_t i = 0; i < g->pin_count; i++)
        if (g->pins[i] == lsn)
            return VARVE_OK;
    if (!ve_grow(&g->pins, &g->pins_room, g->pin_count + 1, sizeof *g->pins))
        return no_memory(g->job->store);
    g->pins[g->pin_count++] = lsn;
    return VARVE_OK;
}

/* What the session's row names within the job's range. */
static int note_pins(gathering *g) {
    bool deleted = g->known && ve_le_flag(hot_of(g)->flags, VF_SR_DELETED);
    g->pin_count = 0;
    for (int ref = 0; g->known && ref < VF_REFS; ref++) {
        bool counts = ref >= VF_REF_ABSOLUTE && ref < VF_REF_ABSOLUTE + VE_COUNTERS;
        if (deleted && !counts && ref != VF_REF_IDENTITY && ref != VF_REF_PARENT)
            continue; /* who it was still orders what was paid, what it said outright and as whose
                         child stays paid there */
        uint64_t lsn = vf_get64(cold_of(g)->ref[ref]);
        int result = lsn >= g->job->first_lsn && lsn < g->job->end_lsn ? pin(g, lsn) : VARVE_OK;
        if (result < 0)
            return result;
    }
    return VARVE_OK;
}

static int by_number(const void *a, const void *b) {
    uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
    return p < q ? -1 : p > q;
}

/* A stub is known by the record of a child: not if that is to be forgotten. */
static bool names_forgotten(const gathering *g, const ve_record *record) {
    varve *store = g->job->store;
    vf_hot hot;
    if (vf_key_equal(record->frame.session, hot_of(g)->key))
        return false;
    uint32_t row = ve_find(&store->index, VF_TABLE_SESSIONS, record->frame.session);
    return row != UINT32_MAX &&
           ve_read_row(&store->index, VF_TABLE_SESSIONS, row, false, &hot) == VARVE_OK &&
           ve_le_flag(hot.flags, VF_SR_FORGOTTEN);
}

static int write_pins(gathering *g) {
    varve *store = g->job->store;
    if (g->pin_count > 1)
        qsort(g->pins, g->pin_count, sizeof *g->pins, by_number);
    for (size_t i = 0; i < g->pin_count; i++) {
        ve_record record;
        ve_packed *file;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        int packed = ve_layout_file(store, g->pins[i], &file), result = packed;
        /* (where records are gone, a BASE record may stand in the main area) */
        if (packed == 1 &&
            ve_is_damage(result = ve_packed_pin(store, file, &hot_of(g)->key, g->pins[i], &record)))
            result = ve_packed_record(store, file, &hot_of(g)->key, g->pins[i], true, &record);
        else if (packed == 0)
            result = ve_log_raw(store, g->pins[i], true, &record);
        if (result == VARVE_OK && record.frame.kind != VF_KIND_BASE && !names_forgotten(g, &record))
            result = ve_pack_record(g->pack, VE_AREA_PINS, &record);
        ve_hold_end(store, &own, before);
        if (result < 0 && !ve_is_damage(result))
            return result;
    }
    return VARVE_OK;
}

/* In place of what was left out: a record that says up to where, and how late that was. */
static int write_base(gathering *g) {
    ve_record base = {.lsn = g->base_lsn, .body = (const uint8_t *)""};
    if (g->base_lsn == 0)
        return VARVE_OK;
    g->base_lsn = 0;
    vf_put32(&base.frame.length, VF_FRAME_SIZE);
    base.frame.kind = VF_KIND_BASE;
    vf_put64(&base.frame.seq, g->base_seq);
    if (g->base_time != INT64_MIN) {
        base.frame.flags = VF_FRAME_HAS_TIME;
        vf_put_i64(&base.frame.time, g->base_time);
    }
    return ve_pack_record(g->pack, VE_AREA_MAIN, &base);
}

/* Labels are put together from all records that set some. */
static bool may_label(const gathering *g, uint8_t kind) {
    bool setting = kind == VF_KIND_SESSION || kind == VF_KIND_FORK;
    return setting && g->known &&
           (vf_get32(hot_of(g)->flags) & (VF_SR_LABELS | VF_SR_DELETED)) == VF_SR_LABELS;
}

/* The records themselves may be gone already. */
static int keep_labels(gathering *g, ve_packed *file, const vf_packed_session *run) {
    uint32_t first = vf_get32(run->pins_first), end = first + vf_get32(run->pins);
    int result = VARVE_OK;
    for (uint32_t id = first; id < end && result == VARVE_OK; id++) {
        ve_hold own = {0}, *before = ve_hold_use(g->job->store, &own);
        const ve_unit *unit = ve_unit_get(g->job->store, file, VE_AREA_PINS, id, false, &result);
        if (unit != NULL) {
            const vf_unit_record *record = &unit->unit.record[id - unit->first];
            result = vf_key_is_zero(record->frame.session) && may_label(g, record->frame.kind)
                         ? pin(g, record->lsn)
                         : VARVE_OK;
        }
        ve_hold_end(g->job->store, &own, before);
    }
    return result;
}

static int take(gathering *g, const ve_record *record) {
    if (record->frame.kind == VF_KIND_CURSOR && !ve_is_last_cursor(g->job->store, record))
        return VARVE_OK; /* what it said was said again */
    if (may_label(g, record->frame.kind)) {
        int pinned = pin(g, record->lsn);
        if (pinned < 0)
            return pinned;
    }
    bool gone = vf_get64(record->frame.seq) < g->below && record->lsn < g->rows_lsn;
    if (gone || record->frame.kind == VF_KIND_BASE) {
        g->base_lsn = record->lsn;
        g->base_seq = vf_get64(record->frame.seq);
        if ((record->frame.flags & VF_FRAME_HAS_TIME) != 0 &&
            vf_get_i64(record->frame.time) > g->base_time)
            g->base_time = vf_get_i64(record->frame.time);
        return VARVE_OK;
    }
    int result = write_base(g);
    return result == VARVE_OK ? ve_pack_record(g->pack, VE_AREA_MAIN, record) : result;
}

static int write_session(gathering *g, uint32_t row, const vf_packed_session *const *run) {
    ve_job *job = g->job;
    varve *store = job->store;
    vf_key key = {{0}}, line_key = {{0}};
    g->known = row != UINT32_MAX;
    if (g->known) {
        int result = ve_need_row(store, VF_TABLE_SESSIONS, row, true, g->image);
        if (result < 0)
            return result;
        varve_str machine, id;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        key = hot_of(g)->key;
        if (ve_identity(store, cold_of(g), &machine, &id) == VARVE_OK)
            line_key = vf_session_key(NULL, 0, id.ptr, id.size);
        ve_hold_end(store, &own, before);
    }
    g->below =
        g->known && job->gone != NULL ? ve_gone_below(job->gone, row, hot_of(g), cold_of(g)) : 0;
    g->base_lsn = 0;
    g->base_time = INT64_MIN;
    vf_mark_fixed mark; /* it knows of what is left out elsewhere too */
    if (g->below > 0 && ve_tombstone(store, hot_of(g), cold_of(g), &mark))
        g->base_time = vf_get_i64(mark.activity);
    int result = ve_pack_session(g->pack, key, line_key, row);
    if (result == VARVE_OK)
        result = note_pins(g);
    for (size_t f = 0; f < job->files && result == VARVE_OK && g->known; f++)
        result = run[f] != NULL ? keep_labels(g, job->file[f], run[f]) : VARVE_OK;
    for (size_t f = 0; f < job->files && result == VARVE_OK; f++) {
        /* Where all of them go, their frames are enough. */
        bool data = g->below != UINT64_MAX || job->file[f]->end > g->rows_lsn;
        for (uint32_t i = 0; run[f] != NULL && i < vf_get32(run[f]->records) && result == VARVE_OK;
             i++) {
            ve_record record;
            ve_hold own = {0}, *before = ve_hold_use(store, &own);
            result = ve_packed_id(store, job->file[f], vf_get32(run[f]->first) + i, data, &record);
            if (result == VARVE_OK)
                result = take(g, &record);
            ve_hold_end(store, &own, before);
        }
    }
    for (; g->at < g->count && g->raw[g->at].row == row && result == VARVE_OK; g->at++) {
        if (g->raw[g->at].lsn == 0)
            continue; /* a stub */
        ve_record record;
        result = ve_log_raw(store, g->raw[g->at].lsn, true, &record);
        if (result == VARVE_OK)
            result = take(g, &record);
    }
    if (result == VARVE_OK)
        result = write_base(g);
    return result == VARVE_OK ? write_pins(g) : result;
}

/* ---- All sessions, by row ---- */

static const vf_packed_session *session_of(const ve_packed *file, uint32_t place) {
    return place < vf_get32(file->footer.sessions.count)
               ? vf_packed_item(file->map, &file->footer.sessions, place, VF_PACKED_SESSION)
               : NULL;
}

/* The next row of all: the least that any source has. False: there is none. */
static bool next_row(gathering *g, uint32_t *ret_row) {
    bool any = false;
    uint32_t row = UINT32_MAX;
    for (size_t f = 0; f < g->job->files; f++) {
        const vf_packed_session *session = session_of(g->job->file[f], g->next[f]);
        if (session != NULL && (!any || vf_get32(session->row) < row)) {
            row = vf_get32(session->row);
            any = true;
        }
    }
    if (g->at < g->count && (!any || g->raw[g->at].row < row)) {
        row = g->raw[g->at].row;
        any = true;
    }
    if (g->stub_at < g->stubs && (!any || g->stub[g->stub_at] < row)) {
        row = g->stub[g->stub_at];
        any = true;
    }
    *ret_row = row;
    return any;
}

int ve_gather(ve_pack *pack, ve_job *job) {
    gathering g = {.pack = pack, .job = job, .rows_lsn = ve_rows_lsn(job->store->layout)};
    if (vf_get64(pack->footer.rows_lsn) > g.rows_lsn)
        g.rows_lsn = vf_get64(pack->footer.rows_lsn);
    const vf_packed_session **run = calloc(job->files + 1, sizeof *run);
    g.next = calloc(job->files + 1, sizeof *g.next);
    int result = run == NULL || g.next == NULL ? no_memory(job->store) : VARVE_OK;
    if (result == VARVE_OK && job->raw_first != 0)
        result = note_raw(&g);
    for (size_t f = 0; f < job->files && result == VARVE_OK; f++) {
        const vf_packed_footer *footer = &job->file[f]->footer;
        job->read_bytes += job->file[f]->file_size;
        for (uint32_t i = 0; i < vf_get32(footer->holes.count) && result == VARVE_OK; i++) {
            const vf_hole *hole =
                vf_packed_item(job->file[f]->map, &footer->holes, i, sizeof *hole);
            result = ve_pack_hole(pack, vf_get64(hole->from), vf_get64(hole->to));
        }
    }
    if (result == VARVE_OK && job->gone != NULL && job->gone->any)
        result = note_stubs(&g);
    uint32_t row;
    while (result == VARVE_OK && next_row(&g, &row)) {
        for (size_t f = 0; f < job->files; f++) {
            run[f] = session_of(job->file[f], g.next[f]);
            if (run[f] != NULL && vf_get32(run[f]->row) == row)
                g.next[f]++;
            else
                run[f] = NULL;
        }
        result = write_session(&g, row, run);
        g.stub_at += g.stub_at < g.stubs && g.stub[g.stub_at] == row;
    }
    free(g.raw);
    free(g.stub);
    free(g.next);
    free(g.pins);
    free(run);
    return result;
}

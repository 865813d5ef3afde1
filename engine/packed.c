/*
 * Records of packed segments: by session and lsn, by lsn alone, in order of arrival.
 */
#include "engine/store.h"

#include <stdlib.h>

enum {
    ARRIVALS_KEPT = 4,
    SCAN_BYTES_MAX = 128 << 20
}; /* files whose order of arrival is kept at a time */

static const vf_packed_session *run_at(const ve_packed *file, uint32_t place) {
    return vf_packed_item(file->map, &file->footer.sessions, place, VF_PACKED_SESSION);
}

/* The run that a record of the main area belongs to: the runs lie one behind the other. */
static const vf_packed_session *run_of(const ve_packed *file, uint32_t id) {
    uint32_t low = 0, high = vf_get32(file->footer.sessions.count);
    while (high - low >
           1) { /* the last that begins at or before it; empty ones begin where the next does */
        uint32_t middle = low + (high - low) / 2;
        if (vf_get32(run_at(file, middle)->first) <= id)
            low = middle;
        else
            high = middle;
    }
    while (low > 0 && vf_get32(run_at(file, low)->records) == 0)
        low--;
    return run_at(file, low);
}

static void fill(const vf_packed_session *run, const ve_unit *unit, uint32_t id, bool data,
                 ve_record *ret) {
    uint32_t place = id - unit->first;
    const vf_unit_record *from = &unit->unit.record[place];
    *ret = (ve_record){.lsn = from->lsn,
                       .frame = from->frame,
                       .unit = unit,
                       .place = place,
                       .line_key = run->line_key};
    if (vf_key_is_zero(ret->frame.session)) /* else a pin of another session's record */
        ret->frame.session = run->key;
    if (data && from->whole) {
        ret->body = unit->unit.data + from->data_at;
        ret->body_size = from->data_size;
    }
}

static int lsn_at(varve *store, ve_packed *file, ve_area area, uint32_t id, uint64_t *ret_lsn) {
    int error;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    const ve_unit *unit = ve_unit_get(store, file, area, id, false, &error);
    if (unit != NULL)
        *ret_lsn = unit->unit.record[id - unit->first].lsn;
    ve_hold_end(store, &own, before);
    return unit == NULL ? error : VARVE_OK;
}

/* The id of the record with an lsn among 'count' from 'first' on, whose lsns rise. */
static int search(varve *store, ve_packed *file, ve_area area, uint32_t first, uint32_t count,
                  uint64_t lsn, uint32_t *ret_id) {
    uint64_t at = 0;
    int result;
    if (area == VE_AREA_MAIN) /* mostly it is beside the last */
        for (int step = -1; step <= 1; step++) {
            uint32_t id = file->hint + (uint32_t)step;
            if (id - first >= count)
                continue;
            if ((result = lsn_at(store, file, area, id, &at)) < 0)
                return result;
            if (at == lsn) {
                *ret_id = file->hint = id;
                return VARVE_OK;
            }
        }
    uint32_t low = first, high = first + count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((result = lsn_at(store, file, area, middle, &at)) < 0)
            return result;
        if (at == lsn) {
            *ret_id = middle;
            file->hint = area == VE_AREA_MAIN ? middle : file->hint;
            return VARVE_OK;
        }
        if (at < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return VARVE_E_NOT_FOUND;
}

int ve_packed_id(varve *store, ve_packed *file, uint32_t id, bool data, ve_record *ret_record) {
    int error;
    const ve_unit *unit = ve_unit_get(store, file, VE_AREA_MAIN, id, data, &error);
    if (unit == NULL)
        return error;
    fill(run_of(file, id), unit, id, data, ret_record);
    return VARVE_OK;
}

int ve_packed_step(varve *store, ve_packed *file, uint32_t id, const ve_unit **unit,
                   ve_record *ret_record) {
    if (*unit == NULL || id - (*unit)->first >= (*unit)->unit.count || ret_record->unit != *unit) {
        ve_hold_drop(store, store->hold);
        int result = ve_packed_id(store, file, id, true, ret_record);
        *unit = result == VARVE_OK ? ret_record->unit : NULL;
        return result;
    }
    vf_key session = ret_record->frame.session, line_key = ret_record->line_key;
    const vf_unit_record *from = &(*unit)->unit.record[id - (*unit)->first];
    ret_record->lsn = from->lsn;
    ret_record->frame = from->frame;
    ret_record->frame.session = session;
    ret_record->line_key = line_key;
    ret_record->place = id - (*unit)->first;
    ret_record->body = from->whole ? (*unit)->unit.data + from->data_at : NULL;
    ret_record->body_size = from->whole ? from->data_size : 0;
    return VARVE_OK;
}

int ve_packed_stretch(varve *store, ve_packed *file, const vf_key *session, uint64_t lsn,
                      uint32_t *ret_first, uint32_t *ret_last, uint64_t *ret_older) {
    uint32_t place = vf_packed_find(file->map, &file->footer, *session);
    if (place == UINT32_MAX)
        return 0;
    const vf_packed_session *run = run_at(file, place);
    uint32_t first = vf_get32(run->first), records = vf_get32(run->records);
    if ((vf_get32(run->flags) & VF_RUN_MARKS) != 0 || records == 0)
        return 0;
    if (lsn == vf_get64(run->last_lsn)) {
        *ret_last = first + records - 1;
    } else {
        int result = search(store, file, VE_AREA_MAIN, first, records, lsn, ret_last);
        if (result < 0)
            return result == VARVE_E_NOT_FOUND ? 0 : result;
    }
    int error;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    const ve_unit *unit = ve_unit_get(store, file, VE_AREA_MAIN, first, false, &error);
    if (unit != NULL) {
        const vf_frame *frame = &unit->unit.record[first - unit->first].frame;
        error = frame->kind == VF_KIND_FORK ? 0 : 1; /* behind a fork others' records follow */
        if (error == 1) {
            *ret_older = frame->kind == VF_KIND_BASE ? 0 : vf_get64(frame->prev);
            *ret_first = first;
        }
    }
    ve_hold_end(store, &own, before);
    return unit == NULL && ve_is_damage(error) ? 0 : error;
}

/* ---- Order of arrival ---- */

static int by_lsn(const void *a, const void *b) {
    const ve_arrival *p = a, *q = b;
    return p->lsn < q->lsn ? -1 : p->lsn > q->lsn;
}

/* Forgets the order of a file that was not asked for longest, if there are many. */
static void forget_oldest(varve *store) {
    ve_packed *oldest = NULL;
    int kept = 0;
    for (ve_layout *layout = store->oldest; layout != NULL; layout = layout->newer)
        for (size_t i = 0; i < layout->files; i++) {
            ve_packed *file = layout->file[i];
            kept += file->arrival != NULL;
            if (file->arrival != NULL &&
                (oldest == NULL || file->arrival_used < oldest->arrival_used))
                oldest = file;
        }
    if (kept < ARRIVALS_KEPT || oldest == NULL)
        return;
    free(oldest->arrival);
    oldest->arrival = NULL;
}

static int make_arrival(varve *store, ve_packed *file) {
    file->arrival_used = ++store->units.clock;
    if (file->arrival != NULL)
        return VARVE_OK;
    forget_oldest(store);
    uint64_t records = vf_get64(file->footer.records);
    ve_arrival *arrival = records < SIZE_MAX / sizeof *arrival
                              ? malloc((size_t)(records + 1) * sizeof *arrival)
                              : NULL;
    if (arrival == NULL)
        return store->trouble = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    uint32_t count = 0, blocks = vf_get32(file->footer.blocks.count);
    file->arrival_hole = 0;
    for (uint32_t b = 0; b < blocks; b++) {
        const vf_block_entry *entry =
            vf_packed_item(file->map, &file->footer.blocks, b, VF_BLOCK_ENTRY);
        uint32_t first = vf_get32(entry->first);
        int error;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        const ve_unit *unit = ve_unit_get(store, file, VE_AREA_MAIN, first, false, &error);
        for (uint32_t i = 0; unit != NULL && i < unit->unit.count && count < records; i++)
            arrival[count++] = (ve_arrival){unit->unit.record[i].lsn, first + i};
        ve_hold_end(store, &own, before);
        if (unit == NULL && !ve_is_damage(error)) {
            free(arrival);
            return error;
        }
        if (unit == NULL)
            file->arrival_hole = file->first;
    }
    if (count > 1)
        qsort(arrival, count, sizeof *arrival, by_lsn);
    file->arrival = arrival;
    file->arrivals = count;
    file->arrival_hint = 0;
    return VARVE_OK;
}

/* Place of the first record at or behind an lsn in the order of arrival. */
static uint32_t arrival_of(ve_packed *file, uint64_t lsn) {
    uint32_t hint = file->arrival_hint;
    for (uint32_t at = hint; at <= hint + 2 && at < file->arrivals; at++) /* mostly the next */
        if (file->arrival[at].lsn >= lsn && (at == 0 || file->arrival[at - 1].lsn < lsn))
            return file->arrival_hint = at;
    uint32_t low = 0, high = file->arrivals;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (file->arrival[middle].lsn < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return file->arrival_hint = low;
}

int ve_packed_next(varve *store, ve_packed *file, uint64_t lsn, bool data, ve_record *ret_record,
                   uint64_t *ret_damage) {
    int result = make_arrival(store, file);
    if (result < 0)
        return result;
    store->units.bytes_max = SCAN_BYTES_MAX; /* many sessions take turns */
    if (file->arrival_hole != 0 && lsn <= file->first)
        *ret_damage = file->arrival_hole;
    for (uint32_t at = arrival_of(file, lsn); at < file->arrivals; at++) {
        result = ve_packed_id(store, file, file->arrival[at].id, data, ret_record);
        if (result == VARVE_OK) {
            file->arrival_hint = at;
            return 1;
        }
        if (!ve_is_damage(result))
            return result;
        *ret_damage = *ret_damage != 0 ? *ret_damage : file->arrival[at].lsn;
    }
    return 0;
}

/* ---- By lsn ---- */

int ve_packed_record(varve *store, ve_packed *file, const vf_key *session, uint64_t lsn, bool data,
                     ve_record *ret_record) {
    uint32_t id = UINT32_MAX;
    int result = VARVE_E_NOT_FOUND;
    if (session != NULL) {
        uint32_t place = vf_packed_find(file->map, &file->footer, *session);
        if (place != UINT32_MAX) {
            const vf_packed_session *run = run_at(file, place);
            if (lsn >= vf_get64(run->first_lsn) && lsn <= vf_get64(run->last_lsn))
                result = search(store, file, VE_AREA_MAIN, vf_get32(run->first),
                                vf_get32(run->records), lsn, &id);
        }
    }
    if (result == VARVE_E_NOT_FOUND) {
        if ((result = make_arrival(store, file)) < 0)
            return result;
        store->units.bytes_max = SCAN_BYTES_MAX; /* from anywhere: blocks will be wanted again */
        uint32_t at = arrival_of(file, lsn);
        result = VARVE_E_NOT_FOUND;
        if (at < file->arrivals && file->arrival[at].lsn == lsn) {
            id = file->arrival[at].id;
            result = VARVE_OK;
        }
    }
    if (result == VARVE_E_NOT_FOUND)
        return ve_fail(store, VARVE_E_NOT_FOUND,
                       "%s/seg/%08u.seg: has no record of segment %u offset %u", store->path,
                       file->number, vf_lsn_segment(lsn), vf_lsn_offset(lsn));
    return result < 0 ? result : ve_packed_id(store, file, id, data, ret_record);
}

int ve_packed_pin(varve *store, ve_packed *file, const vf_key *session, uint64_t lsn,
                  ve_record *ret_record) {
    uint32_t id, place = vf_packed_find(file->map, &file->footer, *session);
    if (place == UINT32_MAX)
        return VARVE_E_NOT_FOUND;
    const vf_packed_session *run = run_at(file, place);
    int result =
        search(store, file, VE_AREA_PINS, vf_get32(run->pins_first), vf_get32(run->pins), lsn, &id);
    if (result < 0)
        return result;
    const ve_unit *unit = ve_unit_get(store, file, VE_AREA_PINS, id, true, &result);
    if (unit == NULL)
        return result;
    fill(run, unit, id, true, ret_record);
    return VARVE_OK;
}

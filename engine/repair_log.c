/*
 * The raw segments of a damaged store: where the log ends, which bytes before that do not hold; and
 * whose records were there, as far as the records before and behind tell.
 */
#include "engine/recover.h"
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

/*
 * Between and behind the packed segments of a damaged store: what none has is lost, and a file
 * without records stands for it; raw segments that the log cannot have are stray.
 */
#include "engine/repair.h"

#include <stdio.h>

enum { GAP_MAX = 1000 }; /* raw segments: as in log.c */

const ve_found *ve_repair_raw_segment(const ve_repair *r, uint32_t number) {
    for (size_t i = 0; i < r->count; i++)
        if (!r->found[i].packed && r->found[i].own == number && r->found[i].fate != VE_FATE_AWAY)
            if (!r->found[i].aside || r->found[i].fate == VE_FATE_PLACE)
                return &r->found[i];
    return NULL;
}

/* A last part that is damaged is not needed if the raw segments that were packed in it are still
 * there. */
static void leave_to_raw(ve_repair *r) {
    while (r->parts > 0) {
        const ve_part_of_log *last = &r->part[r->parts - 1];
        uint64_t before = r->parts > 1 ? r->part[r->parts - 2].end : 0;
        uint32_t first = vf_lsn_segment(before) + 1, n = first;
        if (!last->anew || last->first > (before == 0 ? vf_lsn(1, 0) : before))
            return;
        while (n <= vf_lsn_segment(last->end) && ve_repair_raw_segment(r, n) != NULL)
            n++;
        if (n <= vf_lsn_segment(last->end))
            return;
        ve_repair_tell(r, VARVE_REPAIR_MENDED, last->from == NULL ? "seg" : last->from->name, 0,
                       "what is damaged is still there in raw segments: these are taken");
        if (last->from != NULL)
            last->from->chosen = false;
        r->parts--;
        r->log_changed = true;
    }
}

/* Adds parts without records where nothing is. */
static int fill(ve_repair *r, uint64_t from, uint64_t to, const char *what) {
    bool covered;
    int result = from < to ? ve_repair_cover(r, from, to, &covered) : VARVE_OK;
    if (result < 0 || from >= to)
        return result;
    ve_repair_sort_parts(r);
    size_t parts = r->parts;
    for (size_t i = 0; i <= parts && result == VARVE_OK; i++) {
        uint64_t next = i < parts && r->part[i].first < to ? r->part[i].first : to;
        if (i < parts && r->part[i].end <= from)
            continue;
        if (from < next) {
            if (ve_repair_add_part(r, from, next, NULL) == NULL)
                return VARVE_E_NO_MEMORY;
            result = ve_ranges_add(r->store, &r->gaps, from, next);
            if (result == VARVE_OK)
                result = ve_repair_lose(r, "seg", 0, from, next, 0, what);
        }
        if (next == to)
            break;
        from = r->part[i].end;
    }
    ve_repair_sort_parts(r);
    return result;
}

/* Of a part whose footer was lost only the records tell the range: it goes on to the ends of the
 * raw segments in which these lie. */
static bool is_vague(const ve_repair *r, const ve_part_of_log *part) {
    return part->from != NULL && part->from->range_unknown && r->named_generation == 0;
}

static void reach_back(ve_part_of_log *part, uint64_t end) {
    bool next = vf_lsn_segment(part->first) <= vf_lsn_segment(end) + 1;
    part->first = next ? end : vf_lsn(vf_lsn_segment(part->first), 0);
}

static void reach_on(ve_part_of_log *part, uint64_t next) {
    uint32_t last = vf_lsn_segment(part->end);
    part->end = vf_lsn_segment(next) == last ? next : vf_lsn(last, UINT32_MAX - 7);
}

static int fill_gaps(ve_repair *r) {
    uint64_t end = vf_lsn(1, 0);
    int result = VARVE_OK;
    for (size_t i = 0; i < r->parts && result == VARVE_OK; i++) {
        ve_part_of_log *part = &r->part[i];
        if (is_vague(r, part))
            reach_back(part, end);
        if (is_vague(r, part) && i + 1 < r->parts)
            reach_on(part, r->part[i + 1].first);
        if (part->first > end) {
            uint64_t to = part->first;
            result = fill(r, end, to, "no packed segment has what was here");
            for (i = 0; i < r->parts && r->part[i].first < to; i++)
                continue; /* to the same part, at its new place */
        }
        end = r->part[i].end;
    }
    uint64_t named_end = r->named_count > 0 ? vf_get64(r->named[r->named_count - 1].end_lsn) : 0;
    if (result < 0 || named_end <= end) /* else the last is missing */
        return result;
    uint32_t n = r->parts > 0 ? vf_lsn_segment(end) + 1 : 1;
    while (n <= vf_lsn_segment(named_end) && ve_repair_raw_segment(r, n) != NULL)
        n++;
    return n > vf_lsn_segment(named_end) /* its raw segments are there */
               ? VARVE_OK
               : fill(r, end, named_end, "no packed segment has what was here");
}

/* The raw segment with the lowest number above one. */
static ve_found *next_raw(ve_repair *r, uint32_t above) {
    ve_found *next = NULL;
    for (size_t i = 0; i < r->count; i++) {
        ve_found *f = &r->found[i];
        bool there = !f->packed && f->own > above && f->fate != VE_FATE_AWAY &&
                     (!f->aside || f->fate == VE_FATE_PLACE);
        if (there && (next == NULL || f->own < next->own))
            next = f;
    }
    return next;
}

/* Raw segments that the log cannot have are stray; what is missing before the first of the others
 * was packed, or is lost. */
static int look_behind(ve_repair *r) {
    uint64_t end = r->parts > 0 ? r->part[r->parts - 1].end : 0;
    uint32_t highest = vf_lsn_segment(end), known = vf_lsn_segment(r->known_tail);
    const ve_found *first = NULL;
    for (ve_found *f = next_raw(r, highest); f != NULL; f = next_raw(r, f->own)) {
        bool far = f->own - highest > GAP_MAX && f->own > known && (r->parts > 0 || first != NULL);
        bool beyond = r->control_believed && f->own > known + 1;
        if (far || beyond) {
            f->fate = VE_FATE_AWAY;
            r->log_changed = true;
            ve_repair_tell(r, VARVE_REPAIR_MENDED, f->name, 0,
                           "lies far behind the log's end: goes to quarantine/");
            continue;
        }
        first = first == NULL ? f : first;
        highest = f->own;
    }
    if (first == NULL)
        return VARVE_OK;
    uint64_t to = vf_get64(first->header.prev_end);
    if (r->parts > 0 && is_vague(r, &r->part[r->parts - 1])) {
        reach_on(&r->part[r->parts - 1], to);
        end = r->part[r->parts - 1].end;
    }
    if (first->own == vf_lsn_segment(end) + 1)
        return VARVE_OK;
    return fill(r, end == 0 ? vf_lsn(1, 0) : end, to, "segments are missing");
}

int ve_repair_gaps(ve_repair *r) {
    leave_to_raw(r);
    int result = fill_gaps(r);
    return result == VARVE_OK ? look_behind(r) : result;
}

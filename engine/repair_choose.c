/*
 * Which packed files are to hold the log: those that the newest manifest names, as far as they are
 * there; where they are not, or no manifest holds, others that cover the range, the newest first.
 * What none has is lost, and a file without records stands for it.
 */
#include "engine/array.h"
#include "engine/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- Parts ---- */

ve_part_of_log *ve_repair_add_part(ve_repair *r, uint64_t first, uint64_t end, ve_found *from) {
    if (!ve_grow(&r->part, &r->parts_room, r->parts + 1, sizeof *r->part)) {
        ve_fail(r->store, VARVE_E_NO_MEMORY, "no memory");
        return NULL;
    }
    ve_part_of_log *part = &r->part[r->parts++];
    *part = (ve_part_of_log){.first = first, .end = end, .from = from};
    part->anew = from == NULL || !from->whole;
    if (from != NULL)
        from->chosen = true;
    return part;
}

static bool overlaps(const ve_repair *r, uint64_t first, uint64_t end) {
    for (size_t i = 0; i < r->parts; i++)
        if (first < r->part[i].end && end > r->part[i].first)
            return true;
    return false;
}

static int by_first(const void *a, const void *b) {
    uint64_t p = ((const ve_part_of_log *)a)->first, q = ((const ve_part_of_log *)b)->first;
    return p < q ? -1 : p > q;
}

void ve_repair_sort_parts(ve_repair *r) {
    if (r->parts > 1)
        qsort(r->part, r->parts, sizeof *r->part, by_first);
}

/* Of the files that are whole and lie within a range, and are nowhere else, the newest. */
static ve_found *newest_within(ve_repair *r, uint64_t first, uint64_t end) {
    ve_found *newest = NULL;
    for (size_t i = 0; i < r->count; i++) {
        ve_found *f = &r->found[i];
        if (f->file == NULL || !f->whole || f->chosen || f->fate == VE_FATE_AWAY ||
            f->file->first < first || f->file->end > end ||
            overlaps(r, f->file->first, f->file->end))
            continue;
        newest = newest == NULL || f->own > newest->own ? f : newest;
    }
    return newest;
}

/* Takes other files for as much of a range as they cover. *ret_covered: all of it. */
int ve_repair_cover(ve_repair *r, uint64_t first, uint64_t end, bool *ret_covered) {
    size_t before = r->parts;
    uint64_t covered = 0;
    for (ve_found *f; (f = newest_within(r, first, end)) != NULL;
         covered += f->file->end - f->file->first)
        if (ve_repair_add_part(r, f->file->first, f->file->end, f) == NULL)
            return VARVE_E_NO_MEMORY;
    /* (lsns are no bytes, but ranges that lie beside each other add up all the same) */
    *ret_covered = r->parts > before && covered == end - first;
    return VARVE_OK;
}

static void give_back(ve_repair *r, size_t parts) {
    while (r->parts > parts)
        r->part[--r->parts].from->chosen = false;
}

static ve_found *file_named(ve_repair *r, const vf_manifest_entry *entry) {
    for (size_t i = 0; i < r->count; i++)
        if (r->found[i].packed && r->found[i].own == vf_get32(entry->number) &&
            r->found[i].fate != VE_FATE_AWAY && r->found[i].file != NULL)
            return &r->found[i];
    return NULL;
}

/* Whether it is the file that the manifest means, not one of a copy of the store that went its own
 * way. */
static bool is_meant(const ve_found *f, const vf_manifest_entry *entry) {
    bool there =
        f->file->first == vf_get64(entry->first_lsn) && f->file->end == vf_get64(entry->end_lsn);
    if (f->range_unknown)
        return true;
    return there &&
           (!f->whole || (f->size == vf_get64(entry->size) && f->sum == vf_get64(entry->sum)));
}

static int choose_named(ve_repair *r) {
    char name[32];
    for (size_t i = 0; i < r->named_count; i++) {
        const vf_manifest_entry *entry = &r->named[i];
        ve_found *f = file_named(r, entry);
        if (f != NULL && is_meant(f, entry) && f->whole &&
            ve_repair_add_part(r, f->file->first, f->file->end, f) == NULL)
            return VARVE_E_NO_MEMORY;
    }
    for (size_t i = 0; i < r->named_count; i++) {
        const vf_manifest_entry *entry = &r->named[i];
        uint64_t first = vf_get64(entry->first_lsn), end = vf_get64(entry->end_lsn);
        ve_found *f = file_named(r, entry);
        size_t before = r->parts;
        bool covered = false;
        if (f != NULL && f->chosen)
            continue;
        if (f != NULL && !is_meant(f, entry)) {
            ve_repair_tell(r, VARVE_REPAIR_MENDED, f->name, 0,
                           "is not the file that the manifest names: goes to quarantine/");
            f->fate = VE_FATE_AWAY;
            f = NULL;
        }
        int result = ve_repair_cover(r, first, end, &covered);
        if (result < 0)
            return result;
        snprintf(name, sizeof name, "seg/%08u.seg", vf_get32(entry->number));
        if (covered || f == NULL)
            ve_repair_tell(r, VARVE_REPAIR_MENDED, name, 0, "is missing or damaged: %s",
                           covered ? "older files have all of it"
                                   : "a file without it takes its place");
        if (covered || f == NULL)
            continue; /* gaps that are left are filled in the end */
        give_back(r, before);
        if (ve_repair_add_part(r, first, end, f) == NULL)
            return VARVE_E_NO_MEMORY;
    }
    return VARVE_OK;
}

/* Without a manifest: the newest that there are. */
static int choose_newest(ve_repair *r) {
    for (;;) {
        ve_found *newest = NULL;
        for (size_t i = 0; i < r->count; i++) {
            ve_found *f = &r->found[i];
            if (f->file == NULL || f->chosen || f->fate == VE_FATE_AWAY ||
                overlaps(r, f->file->first, f->file->end))
                continue;
            newest = newest == NULL || f->own > newest->own ? f : newest;
        }
        if (newest == NULL)
            return VARVE_OK;
        if (ve_repair_add_part(r, newest->file->first, newest->file->end, newest) == NULL)
            return VARVE_E_NO_MEMORY;
    }
}

/* ---- All of it ---- */

/* A number that no file and no manifest has. */
static int next_generation(ve_repair *r) {
    uint64_t highest = r->named_generation, far = VF_SEGMENT_NUMBER_MAX / 2;
    for (size_t i = 0; i < r->manifests; i++) /* (one that does not hold may have any number) */
        if (r->manifest[i].generation > highest &&
            (r->manifest[i].holds || r->manifest[i].generation < far))
            highest = r->manifest[i].generation;
    for (size_t i = 0; i < r->count; i++)
        if (r->found[i].packed && r->found[i].fate != VE_FATE_AWAY) {
            bool counts = r->found[i].own != 0 || r->found[i].number < far;
            highest = counts && r->found[i].number > highest ? r->found[i].number : highest;
            highest = r->found[i].own > highest ? r->found[i].own : highest;
        }
    if (r->store->control != NULL) {
        uint64_t told = ve_word(&r->store->control->manifest);
        highest = told > highest && told < far ? told : highest;
    }
    for (size_t i = 0; i < r->manifests; i++) /* newest first; none is written over */
        if (r->manifest[i].generation > highest &&
            r->manifest[i].generation <= highest + r->parts + 1) {
            highest = r->manifest[i].generation;
            i = (size_t)-1;
        }
    r->generation = highest + 1;
    if (highest + r->parts + 2 > VF_SEGMENT_NUMBER_MAX)
        return ve_fail(r->store, VARVE_E_TOO_BIG, "%s: no numbers for packed segments are left",
                       r->store->path);
    return VARVE_OK;
}

/* What the raw segment behind the last part says. */
static uint32_t chain_behind(const ve_repair *r, const ve_part_of_log *part) {
    if (part->from != NULL && !part->from->range_unknown)
        return vf_get32(part->from->file->footer.end_chain);
    for (size_t i = 0; i < r->count; i++)
        if (!r->found[i].packed && r->found[i].own == vf_lsn_segment(part->end) + 1 &&
            r->found[i].fate != VE_FATE_AWAY)
            return vf_get32(r->found[i].header.prev_chain);
    return 0;
}

/* In place of a packed segment that is to be written without records. */
static ve_packed *stand_in(ve_repair *r, const ve_part_of_log *part) {
    ve_packed *file = calloc(1, sizeof *file);
    void *map = file == NULL
                    ? MAP_FAILED
                    : r->store->os->mmap(4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        free(file);
        return NULL;
    }
    *file = (ve_packed){.first = part->first,
                        .end = part->end,
                        .file_size = 4096,
                        .refs = 1,
                        .map = map,
                        .checked = true};
    vf_put32(&file->footer.end_chain, part->end_chain);
    return file;
}

/* The plan's files as a layout to read by. */
static int lay_out(ve_repair *r) {
    varve *store = r->store;
    ve_layout *layout = calloc(1, sizeof *layout);
    if (layout != NULL)
        layout->file = calloc(r->parts + 1, sizeof(ve_packed *));
    if (layout == NULL || layout->file == NULL) {
        free(layout);
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    }
    for (size_t i = 0; i < r->parts; i++) {
        ve_found *f = r->part[i].from;
        layout->packed_end = r->part[i].end;
        r->part[i].end_chain = chain_behind(r, &r->part[i]);
        if (f == NULL) {
            layout->file[layout->files] = stand_in(r, &r->part[i]);
            if (layout->file[layout->files++] == NULL) {
                layout->files--;
                store->oldest = store->layout = layout;
                return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
            }
            continue;
        }
        f->file->first = r->part[i].first;
        f->file->end = r->part[i].end;
        f->file->refs++;
        layout->file[layout->files++] = f->file;
    }
    layout->generation = r->named_generation;
    layout->first_raw = vf_lsn_segment(layout->packed_end) + 1;
    store->oldest = store->layout = layout;
    return VARVE_OK;
}

/* What is not taken may be all there is left of something: it is not left to the next compaction,
 * which would remove it. */
static void put_away(ve_repair *r) {
    bool certain = r->named_generation != 0 || r->never_packed;
    uint64_t end = r->parts > 0 ? r->part[r->parts - 1].end : 0;
    for (size_t i = 0; i < r->count; i++) {
        ve_found *f = &r->found[i];
        if (!f->packed || f->chosen || f->aside || f->fate == VE_FATE_AWAY)
            continue;
        bool lost_beside = false;
        for (size_t p = 0; p < r->parts && f->file != NULL; p++)
            lost_beside = lost_beside || (r->part[p].anew && f->file->first < r->part[p].end &&
                                          f->file->end > r->part[p].first);
        bool named = false; /* but it cannot be read */
        for (size_t n = 0; n < r->named_count; n++)
            named = named || vf_get32(r->named[n].number) == f->number;
        if (certain && !lost_beside && !named)
            continue; /* what a compaction left that was cut off */
        f->fate = VE_FATE_AWAY;
        r->log_changed = true;
        ve_repair_tell(r, VARVE_REPAIR_MENDED, f->name, 0, "is not needed%s: goes to quarantine/",
                       f->file == NULL ? ", and cannot be read" : "");
    }
    for (size_t i = 0; i < r->count; i++) { /* raw segments that were packed, but not well */
        ve_found *f = &r->found[i];
        if (f->packed || f->own == 0 || f->own > vf_lsn_segment(end) || f->fate != VE_FATE_STAYS ||
            f->aside)
            continue;
        for (size_t p = 0; p < r->parts; p++)
            if (r->part[p].anew && f->own >= vf_lsn_segment(r->part[p].first) &&
                f->own <= vf_lsn_segment(r->part[p].end) && f->fate == VE_FATE_STAYS) {
                f->fate = VE_FATE_AWAY;
                ve_repair_tell(r, VARVE_REPAIR_MENDED, f->name, 0,
                               "was packed already: goes to quarantine/");
            }
    }
}

int ve_repair_choose(ve_repair *r) {
    int result = ve_repair_manifests(r);
    /* Raw segments go only when a manifest is there: with the first of them nothing was packed yet.
     */
    r->never_packed = r->manifests == 0 && ve_repair_raw_segment(r, 1) != NULL;
    if (result == VARVE_OK && !r->never_packed)
        result = r->named_generation != 0 ? choose_named(r) : choose_newest(r);
    ve_repair_sort_parts(r);
    if (result == VARVE_OK)
        result = ve_repair_gaps(r);
    if (result == VARVE_OK)
        result = next_generation(r);
    if (result < 0)
        return result;
    put_away(r);
    bool same = r->parts == r->named_count;
    for (size_t i = 0; i < r->parts && same; i++)
        same = !r->part[i].anew && r->part[i].from->own == vf_get32(r->named[i].number);
    r->manifest_due = !same;
    if (r->manifest_due && r->named_generation == 0)
        ve_repair_tell(r, VARVE_REPAIR_MENDED, "manifest", 0,
                       "is %s: made anew from the packed segments that are there, %zu",
                       r->manifests == 0 ? "missing" : "damaged", r->parts);
    r->log_changed = r->log_changed || r->manifest_due;
    return lay_out(r);
}

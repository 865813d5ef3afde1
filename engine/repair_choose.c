/*
 * Which packed files are to hold the log: those that the newest manifest names, as far as they are
 * there; where they are not, or no manifest holds, others that cover the range, the newest first.
 * What none has is lost, and a file without records stands for it.
 */
#include "engine/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { GAP_MAX = 1000 }; /* raw segments: as in log.c */

/* ---- Manifests ---- */

static int note_manifest(void *context, const char *name) {
    ve_repair *r = context;
    char *end;
    if (strncmp(name, "manifest.", 9) != 0 || name[9] < '1' || name[9] > '9' || strlen(name) > 40)
        return 0;
    ve_found_manifest m = {.generation = strtoull(name + 9, &end, 10)};
    if (*end != 0)
        return 0;
    snprintf(m.name, sizeof m.name, "%s", name);
    if (!ve_grow(&r->manifest, &r->manifests_room, r->manifests + 1, sizeof *r->manifest)) {
        errno = ENOMEM;
        return -1;
    }
    r->manifest[r->manifests++] = m;
    return 0;
}

static int newest_first(const void *a, const void *b) {
    uint64_t p = ((const ve_found_manifest *)a)->generation,
             q = ((const ve_found_manifest *)b)->generation;
    return p > q ? -1 : p < q;
}

typedef struct {
    const varve *store;
    uint64_t generation;
    vf_manifest_header header;
    vf_result result;
} manifest_check;

static bool is_manifest(void *context, const uint8_t *bytes, size_t size) {
    manifest_check *c = context;
    c->result = vf_manifest_check(bytes, size, &c->header);
    return c->result == VF_OK && memcmp(c->header.store_uuid, c->store->ident.uuid, 16) == 0 &&
           vf_get64(c->header.generation) == c->generation;
}

static int read_manifest(ve_repair *r, ve_found_manifest *m) {
    varve *store = r->store;
    struct stat status;
    manifest_check check = {.store = store, .generation = m->generation};
    int fd = store->os->openat(store->dir, m->name, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0 && errno == ELOOP)
        return VARVE_OK;
    if (fd < 0 || store->os->fstat(fd, &status) < 0) {
        int result = ve_fail_os(store, "%s/%s: cannot be looked at", store->path, m->name);
        if (fd >= 0)
            store->os->close(fd);
        return result;
    }
    size_t at, size = (size_t)status.st_size;
    uint8_t *bytes = NULL;
    int result = VARVE_OK;
    if (S_ISREG(status.st_mode) && size >= VF_MANIFEST_HEADER && size <= VF_MANIFEST_MAX) {
        if ((bytes = malloc(size)) == NULL)
            result = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
        else if (ve_read_all(store->os, fd, bytes, size, 0) < 0)
            result = ve_fail_os(store, "%s/%s: cannot be read", store->path, m->name);
    }
    store->os->close(fd);
    if (result == VARVE_OK && bytes != NULL) {
        m->holds = is_manifest(&check, bytes, size);
        if (check.result == VF_BAD_VERSION) {
            result = ve_fail(store, VARVE_E_VERSION, "%s/%s: %s", store->path, m->name,
                             vf_result_text(check.result));
        } else if (!m->holds && check.result != VF_OK && r->named_generation == 0 &&
                   ve_find_flip(bytes, size, is_manifest, &check, &at)) {
            m->holds = m->flipped = true;
            m->flip_at = at;
            m->flip_byte = bytes[at];
        }
    }
    if (result == VARVE_OK && m->holds && r->named_generation == 0) {
        size_t count = vf_get32(check.header.entries);
        r->named = calloc(count + 1, sizeof *r->named);
        if (r->named == NULL)
            result = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
        else
            memcpy(r->named, bytes + VF_MANIFEST_HEADER, count * sizeof *r->named);
        r->named_count = result == VARVE_OK ? count : 0;
        r->named_generation = m->generation;
    }
    free(bytes);
    return result;
}

static int read_manifests(ve_repair *r) {
    varve *store = r->store;
    if (store->os->list(store->dir, note_manifest, r) < 0)
        return ve_fail_os(store, "%s: cannot be listed", store->path);
    if (r->manifests > 1)
        qsort(r->manifest, r->manifests, sizeof *r->manifest, newest_first);
    for (size_t i = 0; i < r->manifests; i++) {
        int result = read_manifest(r, &r->manifest[i]);
        if (result < 0)
            return result;
    }
    for (size_t i = 0; i < r->manifests; i++) {
        const ve_found_manifest *m = &r->manifest[i];
        if (m->flipped)
            ve_repair_tell(r, VARVE_REPAIR_MENDED, m->name, m->flip_at,
                           "one bit is flipped: put right");
        else if (!m->holds)
            ve_repair_tell(r, VARVE_REPAIR_MENDED, m->name, 0,
                           "is damaged, or of another store: goes to quarantine/");
        r->log_changed = r->log_changed || m->flipped || !m->holds;
    }
    return VARVE_OK;
}

/* ---- Parts ---- */

static ve_part_of_log *add_part(ve_repair *r, uint64_t first, uint64_t end, ve_found *from) {
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
static int cover(ve_repair *r, uint64_t first, uint64_t end, bool *ret_covered) {
    size_t before = r->parts;
    uint64_t covered = 0;
    for (ve_found *f; (f = newest_within(r, first, end)) != NULL;
         covered += f->file->end - f->file->first)
        if (add_part(r, f->file->first, f->file->end, f) == NULL)
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
            add_part(r, f->file->first, f->file->end, f) == NULL)
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
        int result = cover(r, first, end, &covered);
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
        if (add_part(r, first, end, f) == NULL)
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
        if (add_part(r, newest->file->first, newest->file->end, newest) == NULL)
            return VARVE_E_NO_MEMORY;
    }
}

/* ---- Raw segments behind them ---- */

static const ve_found *raw_segment(const ve_repair *r, uint32_t number) {
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
        while (n <= vf_lsn_segment(last->end) && raw_segment(r, n) != NULL)
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
    int result = from < to ? cover(r, from, to, &covered) : VARVE_OK;
    if (result < 0 || from >= to)
        return result;
    qsort(r->part, r->parts, sizeof *r->part, by_first);
    size_t parts = r->parts;
    for (size_t i = 0; i <= parts && result == VARVE_OK; i++) {
        uint64_t next = i < parts && r->part[i].first < to ? r->part[i].first : to;
        if (i < parts && r->part[i].end <= from)
            continue;
        if (from < next) {
            if (add_part(r, from, next, NULL) == NULL)
                return VARVE_E_NO_MEMORY;
            result = ve_ranges_add(r->store, &r->gaps, from, next);
            if (result == VARVE_OK)
                result = ve_repair_lose(r, "seg", 0, from, next, 0, what);
        }
        if (next == to)
            break;
        from = r->part[i].end;
    }
    qsort(r->part, r->parts, sizeof *r->part, by_first);
    return result;
}

static int fill_gaps(ve_repair *r) {
    uint64_t end = vf_lsn(1, 0);
    int result = VARVE_OK;
    for (size_t i = 0; i < r->parts && result == VARVE_OK; i++) {
        ve_part_of_log *part = &r->part[i];
        if (part->from != NULL && part->from->range_unknown && r->named_generation == 0)
            part->first = end; /* a range that is not known goes as far as it can */
        if (part->from != NULL && part->from->range_unknown && r->named_generation == 0 &&
            i + 1 < r->parts)
            part->end = r->part[i + 1].first;
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
    while (n <= vf_lsn_segment(named_end) && raw_segment(r, n) != NULL)
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
    if (first == NULL || first->own == vf_lsn_segment(end) + 1)
        return VARVE_OK;
    uint64_t to = vf_get64(first->header.prev_end);
    if (r->parts > 0 && r->part[r->parts - 1].from != NULL &&
        r->part[r->parts - 1].from->range_unknown && r->named_generation == 0) {
        r->part[r->parts - 1].end = to;
        return VARVE_OK;
    }
    return fill(r, end == 0 ? vf_lsn(1, 0) : end, to, "segments are missing");
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
    int result = read_manifests(r);
    /* Raw segments go only when a manifest is there: with the first of them nothing was packed yet.
     */
    r->never_packed = r->manifests == 0 && raw_segment(r, 1) != NULL;
    if (result == VARVE_OK && !r->never_packed)
        result = r->named_generation != 0 ? choose_named(r) : choose_newest(r);
    if (r->parts > 1)
        qsort(r->part, r->parts, sizeof *r->part, by_first);
    if (result == VARVE_OK)
        leave_to_raw(r);
    if (result == VARVE_OK)
        result = fill_gaps(r);
    if (result == VARVE_OK)
        result = look_behind(r);
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

/*
 * Manifests as a compaction writes them, and what it clears away behind them.
 */
#include "engine/array.h"
#include "engine/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

/* Complete or not there. */
int ve_write_whole(varve *store, const char *name, const uint8_t *bytes, size_t size) {
    const ve_os *os = store->os;
    const char *temporary = "tmp.manifest"; /* one compaction at a time */
    int fd = ve_make_file(os, &store->share, store->dir, temporary, O_RDWR | O_TRUNC);
    if (fd < 0)
        return ve_fail_os(store, "%s/%s: cannot be made", store->path, temporary);
    bool failed = ve_write_all(os, fd, bytes, size, 0) < 0 || os->fsync(fd) < 0 ||
                  os->renameat(store->dir, temporary, store->dir, name) < 0;
    int result =
        failed ? ve_fail_os(store, "%s/%s: cannot be written", store->path, name) : VARVE_OK;
    os->close(fd);
    if (failed)
        os->unlinkat(store->dir, temporary, 0);
    if (result == VARVE_OK && os->fsync(store->dir) < 0)
        result = ve_fail_os(store, "%s: cannot be synced", store->path);
    return result;
}

/* The entry that a file has in the layout in force. */
static vf_manifest_entry entry_of(const ve_packed *file) {
    vf_manifest_entry entry = {.time_min = file->footer.time_min,
                               .time_max = file->footer.time_max,
                               .tier = file->footer.tier,
                               .events = file->footer.events};
    vf_put64(&entry.first_lsn, file->first);
    vf_put64(&entry.end_lsn, file->end);
    vf_put64(&entry.size, file->file_size);
    vf_put64(&entry.sum, file->sum);
    vf_put32(&entry.number, file->number);
    return entry;
}

/* Seals and writes a manifest of which the entries stand in 'bytes' behind the header. */
static int write_manifest(varve *store, uint64_t generation, uint8_t *bytes, size_t count) {
    size_t size = VF_MANIFEST_HEADER + count * VF_MANIFEST_ENTRY;
    vf_manifest_header header = {0};
    memcpy(header.store_uuid, store->ident.uuid, 16);
    vf_put64(&header.generation, generation);
    vf_put32(&header.entries, (uint32_t)count);
    memcpy(bytes, &header, sizeof header);
    char name[32];
    ve_manifest_name(name, generation);
    if (size > VF_MANIFEST_MAX)
        return ve_fail(store, VARVE_E_TOO_BIG, "%s: too many packed segments for a manifest",
                       store->path);
    vf_manifest_seal(bytes, size);
    return ve_write_whole(store, name, bytes, size);
}

int ve_manifest_put(varve *store, uint64_t generation, const vf_manifest_entry *entries,
                    size_t count) {
    uint8_t *bytes = calloc(count + 1, VF_MANIFEST_ENTRY);
    if (bytes == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    if (count > 0)
        memcpy(bytes + VF_MANIFEST_HEADER, entries, count * sizeof *entries);
    int result = write_manifest(store, generation, bytes, count);
    free(bytes);
    return result;
}

int ve_manifest_write(varve *store, uint64_t generation, const vf_manifest_entry *entry) {
    const ve_layout *layout = store->layout;
    size_t room = VF_MANIFEST_HEADER + (layout->files + 1) * VF_MANIFEST_ENTRY, count = 0;
    uint64_t first = vf_get64(entry->first_lsn), end = vf_get64(entry->end_lsn);
    bool placed = false;
    uint8_t *bytes = calloc(1, room);
    if (bytes == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    for (size_t i = 0; i <= layout->files; i++) {
        const ve_packed *file = i < layout->files ? layout->file[i] : NULL;
        vf_manifest_entry one;
        if (!placed && (file == NULL || file->first >= first)) {
            memcpy(bytes + VF_MANIFEST_HEADER + count++ * VF_MANIFEST_ENTRY, entry, sizeof *entry);
            placed = true;
        }
        if (file == NULL || (file->first >= first && file->end <= end))
            continue; /* it is in the new one */
        one = entry_of(file);
        memcpy(bytes + VF_MANIFEST_HEADER + count++ * VF_MANIFEST_ENTRY, &one, sizeof one);
    }
    int result = write_manifest(store, generation, bytes, count);
    free(bytes);
    return result;
}

/* ---- Clearing away ---- */

typedef struct {
    varve *store;
    uint64_t *removed;
    char (*name)[32];
    size_t count, room;
} clearing;

static int note_name(void *context, const char *name) {
    clearing *c = context;
    if (strlen(name) >= sizeof *c->name)
        return 0;
    if (!ve_grow(&c->name, &c->room, c->count + 1, sizeof *c->name)) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(c->name[c->count++], name, strlen(name) + 1);
    return 0;
}

static uint64_t number_of(const char *name, const char *end) {
    char *at;
    unsigned long long number = name[0] >= '0' && name[0] <= '9' ? strtoull(name, &at, 10) : 0;
    return number != 0 && strcmp(at, end) == 0 ? number : 0;
}

static bool in_force(const ve_layout *layout, uint64_t number) {
    for (size_t i = 0; i < layout->files; i++)
        if (layout->file[i]->number == number)
            return true;
    return false;
}

/* Whether a part of a raw segment could not be read when it was packed. */
static bool in_hole(const ve_layout *layout, uint64_t number) {
    for (size_t f = 0; f < layout->files; f++) {
        const ve_packed *file = layout->file[f];
        if (number < vf_lsn_segment(file->first) || number > vf_lsn_segment(file->end))
            continue;
        for (uint32_t i = 0; i < vf_get32(file->footer.holes.count); i++) {
            const vf_hole *hole = vf_packed_item(file->map, &file->footer.holes, i, sizeof *hole);
            if (number >= vf_lsn_segment(vf_get64(hole->from)) &&
                number <= vf_lsn_segment(vf_get64(hole->to)))
                return true;
        }
    }
    return false;
}

static int remove_one(clearing *c, int dir, const char *name) {
    varve *store = c->store;
    struct stat file;
    if (store->os->fstatat(dir, name, &file, AT_SYMLINK_NOFOLLOW) < 0)
        return VARVE_OK;
    if (store->os->unlinkat(dir, name, 0) < 0 && errno != ENOENT)
        return ve_fail_os(store, "%s: %s cannot be removed", store->path, name);
    *c->removed += (uint64_t)file.st_size;
    return VARVE_OK;
}

/* A raw segment of which a part could not be read goes out of the way, not away. */
static int set_aside(clearing *c, const char *name) {
    varve *store = c->store;
    int result = ve_quarantine(store, store->log.dir, name);
    if (result == VARVE_OK)
        ve_say(store,
               "%s/seg/%s: is damaged in part; what is whole was packed, the file moved to "
               "quarantine/",
               store->path, name);
    return result;
}

static int clear_segments(clearing *c) {
    varve *store = c->store;
    const ve_layout *layout = store->layout;
    c->count = 0;
    if (store->os->list(store->log.dir, note_name, c) < 0)
        return ve_fail_os(store, "%s/seg: cannot be listed", store->path);
    int result = VARVE_OK;
    for (size_t i = 0; i < c->count && result == VARVE_OK; i++) {
        uint64_t raw = number_of(c->name[i], ".log"), packed = number_of(c->name[i], ".seg");
        /* A raw segment was to be mended, and the mender died; no other is at it once it is packed.
         */
        bool mended = strncmp(c->name[i], "tmp.", 4) == 0 &&
                      strtoull(c->name[i] + 4, NULL, 10) < layout->first_raw;
        if (mended || (packed != 0 && !in_force(layout, packed)))
            result = remove_one(c, store->log.dir, c->name[i]);
        else if (raw != 0 && raw < layout->first_raw)
            result = in_hole(layout, raw) ? set_aside(c, c->name[i])
                                          : remove_one(c, store->log.dir, c->name[i]);
    }
    return result;
}

int ve_manifest_sweep(varve *store, uint64_t *removed) {
    clearing c = {.store = store, .removed = removed};
    char kept[32];
    ve_manifest_name(kept, store->layout->generation);
    int result = VARVE_OK;
    /* First the manifests, so that none is there whose segments are not. */
    if (store->os->list(store->dir, note_name, &c) < 0)
        result = ve_fail_os(store, "%s: cannot be listed", store->path);
    for (size_t i = 0; i < c.count && result == VARVE_OK; i++) {
        bool manifest = strncmp(c.name[i], "manifest.", 9) == 0 && strcmp(c.name[i], kept) != 0;
        if (manifest || strncmp(c.name[i], "tmp.", 4) == 0)
            result = remove_one(&c, store->dir, c.name[i]);
    }
    if (result == VARVE_OK)
        result = clear_segments(&c);
    free(c.name);
    return result;
}

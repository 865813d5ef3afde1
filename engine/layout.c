/*
 * Which files hold the log: the manifest in force names the packed segments, the raw ones follow.
 * Cursors keep the layout that they began with, and with it its files, until they are closed.
 * SPEC.md "Manifest and packed segments".
 */
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

void ve_packed_name(char ret_name[16], uint32_t number) {
    snprintf(ret_name, 16, "%08u.seg", number);
}

void ve_manifest_name(char ret_name[32], uint64_t generation) {
    snprintf(ret_name, 32, "manifest.%llu", (unsigned long long)generation);
}

/* ---- Packed segments ---- */

void ve_packed_release(varve *store, ve_packed *file) {
    if (file == NULL || --file->refs > 0)
        return;
    ve_units_forget(store, file);
    if (file->map != NULL)
        store->os->munmap((void *)(uintptr_t)file->map, (size_t)file->file_size);
    free(file->arrival);
    free(file);
}

/* Maps a packed segment; what stands in it is looked at when it is needed. */
static int map_file(varve *store, ve_packed *file) {
    if (file->map != NULL)
        return VARVE_OK;
    char name[16];
    struct stat status;
    ve_packed_name(name, file->number);
    int fd = store->os->openat(store->log.dir, name, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return errno == ENOENT
                   ? ve_fail(store, VARVE_E_NOT_FOUND, "%s/seg/%s: is missing", store->path, name)
                   : ve_fail_os(store, "%s/seg/%s: cannot be opened", store->path, name);
    void *map = MAP_FAILED;
    int result = VARVE_OK;
    if (store->os->fstat(fd, &status) < 0)
        result = ve_fail_os(store, "%s/seg/%s: cannot be looked at", store->path, name);
    else if ((uint64_t)status.st_size != file->file_size)
        result = ve_fail(store, VARVE_E_CORRUPT,
                         "%s/seg/%s: has another size than the manifest says", store->path, name);
    else if ((map = store->os->mmap(file->file_size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        result = ve_fail_os(store, "%s/seg/%s: cannot be mapped", store->path, name);
    store->os->close(fd);
    if (result == VARVE_OK)
        file->map = map;
    return result;
}

/* Mapped, and its header, footer and tables hold. */
static int open_file(varve *store, ve_packed *file) {
    int read_only = 0, result = map_file(store, file);
    if (result < 0 || file->checked)
        return result;
    vf_result check =
        vf_packed_check(file->map, (size_t)file->file_size, &file->footer, &read_only);
    if (check == VF_OK && (memcmp(file->footer.store_uuid, store->ident.uuid, 16) != 0 ||
                           vf_get32(file->footer.number) != file->number ||
                           vf_get64(file->footer.first_lsn) != file->first ||
                           vf_get64(file->footer.end_lsn) != file->end))
        return ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%08u.seg: belongs to another store or place",
                       store->path, file->number);
    if (check != VF_OK)
        return ve_fail(store, check == VF_BAD_VERSION ? VARVE_E_VERSION : VARVE_E_CORRUPT,
                       "%s/seg/%08u.seg: %s", store->path, file->number, vf_result_text(check));
    file->checked = true;
    return VARVE_OK;
}

/* ---- Manifests ---- */

typedef struct {
    uint64_t highest, below;
} newest;

static int note_manifest(void *context, const char *name) {
    newest *n = context;
    char *end;
    if (strncmp(name, "manifest.", 9) != 0 || name[9] < '1' || name[9] > '9')
        return 0;
    unsigned long long number = strtoull(name + 9, &end, 10);
    if (*end == 0 && number < n->below && number > n->highest)
        n->highest = number;
    return 0;
}

/* The whole manifest in memory. VARVE_E_NOT_FOUND: it is gone, or does not hold. */
static int read_manifest(varve *store, uint64_t generation, uint8_t **ret_bytes,
                         vf_manifest_header *ret_header) {
    char name[32];
    struct stat status;
    ve_manifest_name(name, generation);
    int fd = store->os->openat(store->dir, name, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return errno == ENOENT ? VARVE_E_NOT_FOUND
                               : ve_fail_os(store, "%s/%s: cannot be opened", store->path, name);
    uint8_t *bytes = NULL;
    int result = VARVE_E_NOT_FOUND;
    if (store->os->fstat(fd, &status) == 0 && status.st_size >= VF_MANIFEST_HEADER &&
        status.st_size <= VF_MANIFEST_MAX) {
        bytes = malloc((size_t)status.st_size);
        if (bytes == NULL)
            result = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
        else if (ve_read_all(store->os, fd, bytes, (size_t)status.st_size, 0) == 0)
            result = VARVE_OK;
    }
    store->os->close(fd);
    if (result == VARVE_OK &&
        (vf_manifest_check(bytes, (size_t)status.st_size, ret_header) != VF_OK ||
         memcmp(ret_header->store_uuid, store->ident.uuid, 16) != 0 ||
         vf_get64(ret_header->generation) != generation)) {
        ve_say(store, "%s/%s: is damaged, or of another store", store->path, name);
        result = VARVE_E_NOT_FOUND;
    }
    if (result < 0)
        free(bytes);
    else
        *ret_bytes = bytes;
    return result;
}

static ve_packed *known_file(const varve *store, const vf_manifest_entry *entry) {
    for (const ve_layout *layout = store->oldest; layout != NULL; layout = layout->newer)
        for (size_t i = 0; i < layout->files; i++)
            if (layout->file[i]->number == vf_get32(entry->number))
                return layout->file[i];
    return NULL;
}

static void free_layout(varve *store, ve_layout *layout) {
    for (size_t i = 0; i < layout->files; i++)
        ve_packed_release(store, layout->file[i]);
    free(layout->file);
    free(layout);
}

/* Makes the layout that a manifest describes; VARVE_E_NOT_FOUND if a file of it is gone, unless
 * that is 'lost' and the others are to be served. */
static int make_layout(varve *store, const uint8_t *bytes, const vf_manifest_header *header,
                       bool lost, ve_layout **ret) {
    ve_layout *layout = calloc(1, sizeof *layout);
    size_t count = header == NULL ? 0 : vf_get32(header->entries);
    if (layout != NULL)
        layout->file = calloc(count + 1, sizeof(ve_packed *));
    if (layout == NULL || layout->file == NULL) {
        free(layout);
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    }
    int result = VARVE_OK;
    for (size_t i = 0; i < count && result == VARVE_OK; i++) {
        vf_manifest_entry entry;
        memcpy(&entry, bytes + VF_MANIFEST_HEADER + i * VF_MANIFEST_ENTRY, sizeof entry);
        ve_packed *file = known_file(store, &entry);
        if (file == NULL && (file = calloc(1, sizeof *file)) != NULL) {
            file->number = vf_get32(entry.number);
            file->first = vf_get64(entry.first_lsn);
            file->end = vf_get64(entry.end_lsn);
            file->file_size = vf_get64(entry.size);
            file->sum = vf_get64(entry.sum);
        }
        if (file == NULL) {
            result = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
            break;
        }
        file->refs++;
        layout->file[layout->files++] = file;
        char name[16];
        struct stat status;
        ve_packed_name(name, file->number);
        if (file->map == NULL && !lost &&
            store->os->fstatat(store->log.dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            result =
                errno == ENOENT
                    ? ve_fail(store, VARVE_E_NOT_FOUND, "%s/seg/%s: is missing", store->path, name)
                    : ve_fail_os(store, "%s/seg/%s: cannot be looked at", store->path, name);
    }
    layout->generation = header == NULL ? 0 : vf_get64(header->generation);
    layout->packed_end = layout->files == 0 ? 0 : layout->file[layout->files - 1]->end;
    layout->first_raw = vf_lsn_segment(layout->packed_end) + 1;
    if (result < 0)
        free_layout(store, layout);
    else
        *ret = layout;
    return result;
}

static bool is_needed(const varve *store, uint32_t number) {
    for (const ve_layout *layout = store->oldest; layout != NULL; layout = layout->newer)
        if (number >= layout->first_raw && (layout == store->layout || number <= layout->last_raw))
            return true;
    return false;
}

/* Layouts that nobody uses go, also those between others; and with them the raw segments that are
 * packed since and that no other one needs. */
static void sweep(varve *store) {
    uint32_t first = store->oldest->first_raw;
    bool any = false;
    for (ve_layout **at = &store->oldest; *at != store->layout;) {
        ve_layout *gone = *at;
        if (gone->refs > 0) {
            at = &gone->newer;
            continue;
        }
        *at = gone->newer;
        free_layout(store, gone);
        any = true;
    }
    for (uint32_t number = first; any && number < store->layout->first_raw; number++)
        if (number <= store->log.count && !is_needed(store, number))
            ve_log_forget(store, number);
}

/* Who keeps a layout needs raw segments up to this one. */
static void need_raw(ve_layout *layout, uint64_t tail) {
    uint32_t number = vf_lsn_segment(tail);
    layout->last_raw = number > layout->last_raw ? number : layout->last_raw;
}

static void put_in_force(varve *store, ve_layout *layout) {
    if (store->layout != NULL)
        store->layout->newer = layout;
    else
        store->oldest = layout;
    store->layout = layout;
    if (store->write_fd >= 0 && store->write_segment < layout->first_raw) {
        store->os->close(store->write_fd); /* nothing is appended to it any more */
        store->write_fd = -1;
    }
    sweep(store);
}

int ve_layout_read(varve *store) {
    enum { TRIES = 100 };
    int result = VARVE_E_NOT_FOUND;
    bool any = false;
    for (int i = 0; i <= TRIES && result == VARVE_E_NOT_FOUND; i++) {
        newest n = {.below = UINT64_MAX}; /* another compaction may take away what was listed */
        any = false;
        do {
            n.highest = 0;
            if (store->os->list(store->dir, note_manifest, &n) < 0)
                return ve_fail_os(store, "%s: cannot be listed", store->path);
            uint8_t *bytes = NULL;
            vf_manifest_header header;
            ve_layout *layout = NULL;
            n.below = n.highest;
            if (n.highest == 0)
                break;
            any = true;
            if (store->layout != NULL && store->layout->generation == n.highest)
                return VARVE_OK;
            result = read_manifest(store, n.highest, &bytes, &header);
            if (result == VARVE_OK) {
                result = make_layout(store, bytes, &header, i == TRIES, &layout);
                free(bytes);
            }
            if (result == VARVE_OK)
                put_in_force(store, layout);
        } while (result == VARVE_E_NOT_FOUND);
        if (!any) {
            ve_layout *layout;
            if (store->layout != NULL && store->layout->generation == 0)
                return VARVE_OK;
            if ((result = make_layout(store, NULL, NULL, false, &layout)) == VARVE_OK)
                put_in_force(store, layout);
            return result;
        }
        if (result == VARVE_E_NOT_FOUND && i < TRIES)
            store->os->sleep(1000000);
    }
    return result == VARVE_E_NOT_FOUND
               ? ve_fail(store, VARVE_E_CORRUPT, "%s: no manifest holds", store->path)
               : result;
}

int ve_layout_at(varve *store, uint64_t generation) {
    uint8_t *bytes = NULL;
    vf_manifest_header header;
    ve_layout *layout;
    int result = generation == 0 ? VARVE_OK : read_manifest(store, generation, &bytes, &header);
    if (result == VARVE_OK)
        result = make_layout(store, bytes, generation == 0 ? NULL : &header, false, &layout);
    if (result == VARVE_OK)
        put_in_force(store, layout);
    free(bytes);
    return result;
}

/* Whether the log can begin with raw segment 1, as it does until something is packed. */
static bool begins_raw(const varve *store) {
    char name[16];
    struct stat status;
    ve_segment_name(name, 1);
    return vf_lsn_segment(ve_tail(store)) == 1 ||
           store->os->fstatat(store->log.dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

int ve_layout_follow(varve *store) {
    if (store->control == NULL)
        return store->layout != NULL ? VARVE_OK : ve_layout_read(store);
    uint64_t generation = ve_word(&store->control->manifest);
    if (store->layout != NULL && store->layout->generation == generation)
        return VARVE_OK;
    ve_layout *layout;
    if (generation != 0 || !begins_raw(store)) /* a 0 that cannot be is no word of a compaction */
        return ve_layout_read(store);
    int result = make_layout(store, NULL, NULL, false, &layout);
    if (result == VARVE_OK)
        put_in_force(store, layout);
    return result;
}

ve_layout *ve_layout_now(varve *store) {
    if (store->reading != NULL)
        return store->reading;
    if (store->layout == NULL) {
        int result = ve_layout_follow(store);
        if (result < 0) {
            store->trouble = result;
            return NULL;
        }
    }
    return store->layout;
}

int ve_layout_file(varve *store, uint64_t lsn, ve_packed **ret_file) {
    const ve_layout *layout = ve_layout_now(store);
    if (layout == NULL)
        return store->trouble < 0 ? store->trouble : VARVE_E_CORRUPT;
    if (lsn >= layout->packed_end)
        return 0;
    size_t low = 0, high = layout->files;
    while (low < high) { /* the first that ends behind it */
        size_t middle = (low + high) / 2;
        if (layout->file[middle]->end <= lsn)
            low = middle + 1;
        else
            high = middle;
    }
    ve_packed *file = layout->file[low];
    if (lsn < file->first)
        return ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%08u.seg: nothing is kept of offset %u",
                       store->path, vf_lsn_segment(lsn), vf_lsn_offset(lsn));
    int result = open_file(store, file);
    if (result < 0) {
        if (!ve_is_damage(result))
            store->trouble = result;
        return result;
    }
    *ret_file = file;
    return 1;
}

/* Maps all that a layout needs up to 'tail', as long as it is now. VARVE_E_NOT_FOUND: something is
 * gone. */
static int map_layout(varve *store, ve_layout *layout, uint64_t tail) {
    int result = VARVE_OK;
    for (size_t f = 0; f < layout->files && result == VARVE_OK; f++)
        result = map_file(store, layout->file[f]);
    for (uint32_t number = layout->first_raw; number <= vf_lsn_segment(tail) && result == VARVE_OK;
         number++) {
        ve_segment *segment = ve_log_segment(store, number);
        if (segment == NULL && store->trouble < 0)
            return store->trouble;
        uint64_t end = number == vf_lsn_segment(tail) ? tail : ve_log_end(store, number);
        if (segment == NULL)
            result = VARVE_E_NOT_FOUND;
        else if (vf_lsn_offset(end) > segment->file_size)
            result = ve_log_measure(store, segment);
    }
    return result;
}

int ve_layout_keep(varve *store, uint64_t tail, ve_layout **ret_layout) {
    enum { TRIES = 100 };
    int result = ve_layout_follow(store);
    for (int i = 0; i < TRIES && result == VARVE_OK; i++) {
        ve_layout *layout = store->layout;
        layout->refs++; /* what is mapped stays, also when another one comes into force */
        need_raw(layout, tail);
        result = map_layout(store, layout, tail);
        if (ve_is_damage(result)) { /* a compaction may be at it */
            result = ve_layout_read(store);
            if (result == VARVE_OK && store->layout != layout) {
                ve_layout_release(store, layout);
                continue;
            }
            if (ve_is_damage(result)) /* it is lost; what is there is served */
                result = VARVE_OK;
        }
        if (result < 0) {
            ve_layout_release(store, layout);
            return result;
        }
        *ret_layout = layout;
        return VARVE_OK;
    }
    return result < 0 ? result
                      : ve_fail(store, VARVE_E_CORRUPT,
                                "%s: packed segments are replaced again and again", store->path);
}

ve_layout *ve_layout_hold(varve *store) {
    ve_layout *layout = ve_layout_now(store);
    if (layout != NULL) {
        layout->refs++;
        need_raw(layout, ve_tail(store));
    }
    return layout;
}

void ve_layout_hold_on(varve *store, ve_layout *layout) {
    if (layout != NULL)
        need_raw(layout, ve_tail(store));
}

bool ve_layout_moved(varve *store) {
    ve_layout *before = store->layout;
    if (store->reading != NULL || before == NULL ||
        (store->control != NULL && ve_word(&store->control->manifest) == before->generation))
        return false;
    if (store->kept == NULL)
        store->kept = ve_layout_hold(store);
    return ve_layout_read(store) == VARVE_OK && store->layout != before;
}

void ve_layout_release(varve *store, ve_layout *layout) {
    if (layout == NULL)
        return;
    layout->refs--;
    sweep(store);
}

void ve_layout_close(varve *store) {
    while (store->oldest != NULL) {
        ve_layout *gone = store->oldest;
        store->oldest = gone->newer;
        free_layout(store, gone);
    }
    store->layout = NULL;
}

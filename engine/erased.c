/*
 * Looking through every file of a store, and through the opened blocks of packed segments, for
 * pieces of what a forgotten session said. What other sessions said too stays with them, and is
 * counted apart. SPEC.md "Forgetting".
 */
#include "engine/array.h"
#include "engine/forget.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

typedef struct {
    ve_forgetting *f;
    uint64_t hits;
    const ve_unit *unit; /* whose data is looked through */
    const ve_packed *file;
} looking;

static void count_hit(void *context, size_t at) {
    looking *l = context;
    (void)at;
    l->hits++;
}

static void look(ve_forgetting *f, const uint8_t *bytes, size_t size, looking *l) {
    f->done.bytes += size;
    ve_needles_search(&f->needles, bytes, size, count_hit, l);
}

/* ---- Packed segments: block by block ---- */

/* Records of another session that say the same keep what is theirs. */
static int look_at_area(ve_forgetting *f, ve_packed *file, ve_area area) {
    varve *store = f->store;
    const vf_array *blocks = area == VE_AREA_MAIN ? &file->footer.blocks : &file->footer.pins;
    uint32_t sessions = vf_get32(file->footer.sessions.count);
    uint64_t hits = 0, own = 0;
    for (uint32_t b = 0; b < vf_get32(blocks->count); b++) {
        const vf_block_entry *entry = vf_packed_item(file->map, blocks, b, VF_BLOCK_ENTRY);
        int error;
        looking l = {.f = f};
        ve_hold hold = {0}, *before = ve_hold_use(store, &hold);
        const ve_unit *unit = ve_unit_get(store, file, area, vf_get32(entry->first), true, &error);
        if (unit != NULL)
            look(f, unit->unit.data, unit->unit.data_size, &l);
        ve_hold_end(store, &hold, before);
        if (unit == NULL && !ve_is_damage(error))
            return error;
        hits += l.hits;
    }
    /* All that is left in the areas must be other sessions' records. */
    for (uint32_t i = 0; i < sessions; i++) {
        const vf_packed_session *session =
            vf_packed_item(file->map, &file->footer.sessions, i, VF_PACKED_SESSION);
        if (!ve_is_forgotten_row(f, vf_get32(session->row)))
            continue;
        bool base = (vf_get32(session->flags) & VF_RUN_DROPPED) != 0;
        own += area == VE_AREA_PINS ? vf_get32(session->pins)
                                    : vf_get32(session->records) - (base ? 1 : 0);
    }
    f->done.shared += own == 0 ? hits : 0;
    f->done.found += own == 0 ? 0 : hits + own;
    return VARVE_OK;
}

static int look_at_packed(ve_forgetting *f) {
    const ve_layout *layout = f->store->layout;
    int result = VARVE_OK;
    for (size_t i = 0; i < layout->files && result == VARVE_OK; i++) {
        ve_packed *file;
        int found = ve_layout_file(f->store, layout->file[i]->first, &file);
        if (found < 0)
            return found;
        looking l = {.f = f};
        const vf_packed_footer *footer = &file->footer; /* tables stand plain */
        look(f, file->map + vf_get64(footer->tables_at),
             (size_t)(file->file_size - vf_get64(footer->tables_at)), &l);
        f->done.found += l.hits;
        result = look_at_area(f, file, VE_AREA_MAIN);
        if (result == VARVE_OK)
            result = look_at_area(f, file, VE_AREA_PINS);
    }
    return result;
}

/* ---- Other files: as they lie ---- */

typedef struct {
    ve_forgetting *f;
    int dir;
    const char *below; /* name of the directory, for what is told */
    bool quarantine, segments;
    char (*name)[64];
    size_t count, room;
} folder;

static int note_name(void *context, const char *name) {
    folder *at = context;
    if (strlen(name) >= sizeof *at->name)
        return 0;
    if (!ve_grow(&at->name, &at->room, at->count + 1, sizeof *at->name)) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(at->name[at->count++], name, strlen(name) + 1);
    return 0;
}

static int look_at_file(folder *at, const char *name) {
    varve *store = at->f->store;
    const ve_os *os = store->os;
    struct stat status;
    looking l = {.f = at->f};
    int fd = os->openat(at->dir, name, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return VARVE_OK; /* a directory's turn comes by itself; what is gone is gone */
    if (os->fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        void *map = os->mmap((uint64_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
            os->close(fd);
            return ve_fail_os(store, "%s/%s: cannot be mapped", at->below, name);
        }
        look(at->f, map, (size_t)status.st_size, &l);
        if (at->quarantine) /* elsewhere their keys may stand */
            ve_needles_search(&at->f->keys, map, (size_t)status.st_size, count_hit, &l);
        os->munmap(map, (size_t)status.st_size);
    }
    os->close(fd);
    if (l.hits == 0)
        return VARVE_OK;
    if (at->quarantine) {
        if (os->unlinkat(at->dir, name, 0) < 0)
            return ve_fail_os(store, "%s/%s: cannot be removed", at->below, name);
        at->f->done.quarantined++;
        return VARVE_OK;
    }
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    if (at->segments && strcmp(end, ".log") == 0 && number >= store->layout->first_raw) {
        at->f->done.shared += l.hits; /* begun since: all of it is newer than the tombstone */
        return VARVE_OK;
    }
    ve_say(store, "%s/%s: holds pieces of what was to be forgotten", at->below, name);
    at->f->done.found += l.hits;
    return VARVE_OK;
}

static bool is_packed(const char *name) {
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".seg") == 0;
}

static int look_at_folder(ve_forgetting *f, const char *name) {
    varve *store = f->store;
    folder at = {.f = f,
                 .below = name,
                 .quarantine = strcmp(name, "quarantine") == 0,
                 .segments = strcmp(name, "seg") == 0};
    at.dir = store->os->openat(store->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (at.dir < 0)
        return errno == ENOENT ? VARVE_OK
                               : ve_fail_os(store, "%s/%s: cannot be opened", store->path, name);
    int result = store->os->list(at.dir, note_name, &at) < 0
                     ? ve_fail_os(store, "%s/%s: cannot be listed", store->path, name)
                     : VARVE_OK;
    for (size_t i = 0; i < at.count && result == VARVE_OK; i++)
        if (!is_packed(at.name[i]))
            result = look_at_file(&at, at.name[i]);
    store->os->close(at.dir);
    free(at.name);
    return result;
}

int ve_erased(ve_forgetting *f) {
    char idx[32];
    snprintf(idx, sizeof idx, "idx/%llu", (unsigned long long)f->store->index.generation);
    f->done.needles = f->needles.count;
    int result = look_at_packed(f);
    const char *const folders[] = {".", "seg", idx, "quarantine"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders && result == VARVE_OK; i++)
        result = look_at_folder(f, folders[i]);
    return result;
}

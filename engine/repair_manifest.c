/*
 * The manifests of a damaged store: the newest that holds says which packed segments are in force.
 */
#include "engine/array.h"
#include "engine/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

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
    int fd = store->os->openat(store->dir, m->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0 && (errno == ELOOP || errno == ENXIO))
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
    if (result == VARVE_OK && bytes != NULL && m->holds && r->named_generation == 0) {
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

int ve_repair_manifests(ve_repair *r) {
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

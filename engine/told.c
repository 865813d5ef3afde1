/*
 * Ranges of the log, and the file LOST: those of which a repair has told that they are lost. Verify
 * names these, and takes them for no fault. SPEC.md "LOST".
 */
#include "engine/told.h"
#include "engine/array.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* ---- Ranges ---- */

int ve_ranges_add(varve *store, ve_ranges *ranges, uint64_t from, uint64_t to) {
    if (to <= from)
        return VARVE_OK;
    if (!ve_grow(&ranges->at, &ranges->room, ranges->count + 1, sizeof *ranges->at))
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    vf_put64(&ranges->at[ranges->count].from, from);
    vf_put64(&ranges->at[ranges->count++].to, to);
    return VARVE_OK;
}

static int by_from(const void *a, const void *b) {
    uint64_t p = vf_get64(((const vf_hole *)a)->from), q = vf_get64(((const vf_hole *)b)->from);
    return p < q ? -1 : p > q;
}

void ve_ranges_order(ve_ranges *ranges) {
    size_t kept = 0;
    if (ranges->count > 1)
        qsort(ranges->at, ranges->count, sizeof *ranges->at, by_from);
    for (size_t i = 0; i < ranges->count; i++) {
        vf_hole *last = kept > 0 ? &ranges->at[kept - 1] : NULL;
        if (last != NULL && vf_get64(ranges->at[i].from) <= vf_get64(last->to)) {
            if (vf_get64(ranges->at[i].to) > vf_get64(last->to))
                last->to = ranges->at[i].to;
        } else {
            ranges->at[kept++] = ranges->at[i];
        }
    }
    ranges->count = kept;
}

bool ve_ranges_have(const ve_ranges *ranges, uint64_t from, uint64_t to) {
    size_t low = 0, high = ranges->count;
    while (low < high) { /* the first that ends behind 'from' */
        size_t middle = low + (high - low) / 2;
        if (vf_get64(ranges->at[middle].to) <= from)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ranges->count && vf_get64(ranges->at[low].from) <= from &&
           vf_get64(ranges->at[low].to) >= to;
}

void ve_ranges_free(ve_ranges *ranges) {
    free(ranges->at);
    *ranges = (ve_ranges){0};
}

/* ---- LOST ---- */

int ve_told_read(varve *store, ve_ranges *ret_ranges) {
    struct stat status;
    vf_lost_header header;
    uint8_t *bytes = NULL;
    *ret_ranges = (ve_ranges){0};
    int fd = store->os->openat(store->dir, "LOST", O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP
                   ? VARVE_OK
                   : ve_fail_os(store, "%s/LOST: cannot be opened", store->path);
    int result = VARVE_OK;
    size_t size = 0;
    if (store->os->fstat(fd, &status) < 0)
        result = ve_fail_os(store, "%s/LOST: cannot be looked at", store->path);
    else if (status.st_size >= VF_LOST_HEADER && status.st_size <= VF_LOST_MAX)
        size = (size_t)status.st_size;
    if (size > 0 && (bytes = malloc(size)) == NULL)
        result = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    if (bytes != NULL && ve_read_all(store->os, fd, bytes, size, 0) < 0)
        result = ve_fail_os(store, "%s/LOST: cannot be read", store->path);
    store->os->close(fd);
    /* One that is damaged says nothing: what is lost is told again. */
    if (result == VARVE_OK && bytes != NULL && vf_lost_check(bytes, size, &header) == VF_OK &&
        memcmp(header.store_uuid, store->ident.uuid, 16) == 0)
        for (uint32_t i = 0; i < vf_get32(header.entries) && result == VARVE_OK; i++) {
            vf_hole one;
            memcpy(&one, bytes + VF_LOST_HEADER + (size_t)i * VF_LOST_ENTRY, sizeof one);
            result = ve_ranges_add(store, ret_ranges, vf_get64(one.from), vf_get64(one.to));
        }
    free(bytes);
    return result;
}

int ve_told_write(varve *store, const ve_ranges *ranges) {
    size_t size = VF_LOST_HEADER + ranges->count * VF_LOST_ENTRY;
    vf_lost_header header = {0};
    if (size > VF_LOST_MAX)
        return ve_fail(store, VARVE_E_TOO_BIG, "%s: too much is lost to be listed", store->path);
    uint8_t *bytes = calloc(1, size);
    if (bytes == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    memcpy(header.store_uuid, store->ident.uuid, 16);
    vf_put32(&header.entries, (uint32_t)ranges->count);
    memcpy(bytes, &header, sizeof header);
    if (ranges->count > 0)
        memcpy(bytes + VF_LOST_HEADER, ranges->at, ranges->count * VF_LOST_ENTRY);
    vf_lost_seal(bytes, size);
    int result = ve_write_whole(store, "LOST", bytes, size);
    free(bytes);
    return result;
}

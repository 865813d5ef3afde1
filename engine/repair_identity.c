/*
 * Whose store it is: STORE, put right if one bit of it was flipped, else made anew from what the
 * other files say.
 */
#include "engine/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static bool is_identity(void *context, const uint8_t *bytes, size_t size) {
    return vf_store_check(bytes, size, context, NULL) == VF_OK;
}

static void take_identity(varve *store) {
    store->hash_seed = vf_get64(store->ident.hash_seed);
    store->segment_size = vf_get32(store->ident.segment_size);
    store->machine =
        (varve_str){(const char *)store->ident.machine, vf_get32(store->ident.machine_size)};
}

typedef struct {
    varve *store;
    int dir;
    const char *below;
    bool any;
    uint8_t uuid[16];
    char first[64]; /* the file that told it */
    int result;
    uint64_t sealed; /* bytes of the largest raw segment */
    int64_t created;
} asking;

static int uuid_says(asking *a, const char *name, const uint8_t uuid[16]) {
    if (a->any && memcmp(a->uuid, uuid, 16) != 0) {
        a->result = ve_fail(a->store, VARVE_E_NOT_A_STORE,
                            "%s: STORE is lost, and %s and %s%s are of different stores: move the "
                            "other store's files away",
                            a->store->path, a->first, a->below, name);
        return 1;
    }
    if (!a->any)
        snprintf(a->first, sizeof a->first, "%.20s%.40s", a->below, name);
    memcpy(a->uuid, uuid, 16);
    a->any = true;
    return 0;
}

/* Which store a file with a header that holds says to be of. */
static int ask_file(void *context, const char *name) {
    asking *a = context;
    uint8_t bytes[VF_SEGMENT_HEADER];
    struct stat status;
    vf_segment_header segment;
    vf_packed_header packed;
    vf_manifest_header manifest;
    const char *end = strchr(name, '.');
    if (end == NULL || (strcmp(end, ".log") != 0 && strcmp(end, ".seg") != 0 &&
                        strncmp(name, "manifest.", 9) != 0))
        return 0;
    int fd = a->store->os->openat(a->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return 0;
    size_t size = 0;
    if (a->store->os->fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        size = (size_t)status.st_size < sizeof bytes ? (size_t)status.st_size : sizeof bytes;
    int result = 0;
    if (size > 0 && ve_read_all(a->store->os, fd, bytes, size, 0) < 0) {
        a->result = ve_fail_os(a->store, "%s/%s%s: cannot be read", a->store->path, a->below, name);
        result = 1;
    } else if (strcmp(end, ".log") == 0 && vf_segment_check(bytes, size, &segment, NULL) == VF_OK) {
        result = uuid_says(a, name, segment.store_uuid);
        if ((uint64_t)status.st_size > a->sealed)
            a->sealed = (uint64_t)status.st_size;
        if (a->created == 0 || vf_get_i64(segment.created) < a->created)
            a->created = vf_get_i64(segment.created);
    } else if (strcmp(end, ".seg") == 0 &&
               vf_packed_header_check(bytes, size, &packed, NULL) == VF_OK) {
        result = uuid_says(a, name, packed.store_uuid);
    } else if (vf_manifest_check(bytes, size, &manifest) == VF_OK) {
        result = uuid_says(a, name, manifest.store_uuid);
    }
    a->store->os->close(fd);
    return result;
}

/* A new STORE for files that all say the same uuid. */
static int make_identity(ve_repair *r) {
    varve *store = r->store;
    asking a = {.store = store, .dir = store->dir, .below = ""};
    if (store->os->list(store->dir, ask_file, &a) < 0)
        return ve_fail_os(store, "%s: cannot be listed", store->path);
    a.dir = store->os->openat(store->dir, "seg", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    a.below = "seg/";
    if (a.dir >= 0 && a.result == VARVE_OK && store->os->list(a.dir, ask_file, &a) < 0)
        a.result = ve_fail_os(store, "%s/seg: cannot be listed", store->path);
    if (a.dir >= 0)
        store->os->close(a.dir);
    if (a.result < 0)
        return a.result;
    if (!a.any)
        return ve_fail(store, VARVE_E_NOT_A_STORE,
                       "%s: STORE is missing or damaged, and no file tells whose store this was",
                       store->path);
    vf_store_file *file = &store->ident;
    *file = (vf_store_file){0};
    memcpy(file->magic, VF_STORE_MAGIC, sizeof file->magic);
    vf_features_fill(&file->features);
    memcpy(file->uuid, a.uuid, 16);
    if (store->os->random(&file->hash_seed, sizeof file->hash_seed) < 0)
        return ve_fail_os(store, "%s: no random numbers", store->path);
    vf_put_i64(&file->created, a.created);
    uint64_t size = (a.sealed + 4095) & ~(uint64_t)4095;
    size = a.sealed == 0                ? VF_SEGMENT_SIZE_DEFAULT
           : size < VF_SEGMENT_SIZE_MIN ? VF_SEGMENT_SIZE_MIN
           : size > VF_SEGMENT_SIZE_MAX ? VF_SEGMENT_SIZE_MAX
                                        : size;
    vf_put32(&file->segment_size, (uint32_t)size);
    r->make_identity = true;
    take_identity(store);
    return VARVE_OK;
}

int ve_repair_may_only_be_read(ve_repair *r, const char *name) {
    return ve_fail(r->store, VARVE_E_VERSION,
                   "%s/%s: has features with which this program may only read it", r->store->path,
                   name);
}

int ve_repair_identity(ve_repair *r) {
    varve *store = r->store;
    uint8_t bytes[VF_STORE_SIZE];
    struct stat status;
    size_t at;
    int result = ve_read_identity(store, "STORE"), read_only = 0;
    if (result == VARVE_OK && vf_features_check(&store->ident.features, &read_only) == VF_OK &&
        read_only)
        return ve_repair_may_only_be_read(r, "STORE");
    if (result != VARVE_E_NOT_FOUND && result != VARVE_E_NOT_A_STORE)
        return result;
    int fd = store->os->openat(store->dir, "STORE", O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    bool whole = fd >= 0 && store->os->fstat(fd, &status) == 0 &&
                 (size_t)status.st_size >= sizeof bytes &&
                 ve_read_all(store->os, fd, bytes, sizeof bytes, 0) == 0;
    if (fd >= 0)
        store->os->close(fd);
    if (whole && ve_find_flip(bytes, sizeof bytes, is_identity, &store->ident, &at)) {
        ve_repair_tell(r, VARVE_REPAIR_MENDED, "STORE", at, "one bit is flipped: put right");
        r->make_identity = r->flip_identity = true;
        take_identity(store);
        return VARVE_OK;
    }
    result = make_identity(r);
    if (result == VARVE_OK)
        ve_repair_tell(r, VARVE_REPAIR_MENDED, "STORE", 0,
                       "is %s: made anew; its uuid stands in the segments",
                       fd < 0 ? "missing" : "damaged");
    return result;
}

int ve_repair_machine(ve_repair *r) {
    enum { MACHINES = 16 };
    varve *store = r->store;
    struct {
        char id[VF_MACHINE_MAX];
        uint32_t size, count;
    } machine[MACHINES] = {{{0}, 0, 0}};
    uint64_t lsn = ve_log_first(store);
    ve_record record;
    size_t best = 0;
    int found = 0;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    if (r->options->machine_id.ptr != NULL) {
        machine[0].size = (uint32_t)r->options->machine_id.size;
        memcpy(machine[0].id, r->options->machine_id.ptr, r->options->machine_id.size);
        lsn = r->tail;
    }
    while (lsn < r->tail && (found = ve_log_next(store, lsn, r->tail, &record, NULL)) == 1) {
        vf_body body;
        lsn = record.lsn + vf_get32(record.frame.length);
        if (record.frame.kind == VF_KIND_SESSION && vf_get64(record.frame.seq) == 0 &&
            ve_record_body(store, &record, &body) == VARVE_OK &&
            body.str[VF_STR_MACHINE_ID].size - 1 < VF_MACHINE_MAX) {
            vf_text id = body.str[VF_STR_MACHINE_ID];
            size_t m = 0;
            while (m < MACHINES - 1 && machine[m].size != 0 &&
                   (machine[m].size != id.size || memcmp(machine[m].id, id.ptr, id.size) != 0))
                m++;
            if (machine[m].size == 0) {
                machine[m].size = (uint32_t)id.size;
                memcpy(machine[m].id, id.ptr, id.size);
            }
            machine[m].count++;
            best = machine[m].count > machine[best].count ? m : best;
        }
        ve_hold_drop(store, &own);
    }
    ve_hold_end(store, &own, before);
    if (found < 0)
        return found;
    vf_store_file *file = &store->ident;
    memcpy(file->machine, machine[best].id, machine[best].size);
    vf_put32(&file->machine_size, machine[best].size);
    vf_store_seal(file);
    store->machine = (varve_str){(const char *)file->machine, machine[best].size};
    ve_repair_tell(r, VARVE_REPAIR_MENDED, "STORE", 72,
                   "the machine id that is taken is that of %s: '%.*s'",
                   r->options->machine_id.ptr != NULL ? "the call" : "most sessions",
                   (int)machine[best].size, machine[best].id);
    return VARVE_OK;
}

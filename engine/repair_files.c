/*
 * What lies in a damaged store's directory: which segment each file is, whatever its name says, and
 * whether it can be read. A structure that a sum guards and of which one bit was flipped is put
 * right: the sum tells which bit.
 */
#include "engine/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

bool ve_find_flip(uint8_t *bytes, size_t size,
                  bool (*holds)(void *context, const uint8_t *bytes, size_t size), void *context,
                  size_t *ret_at) {
    enum { SIZE_MOST = 64 << 10 }; /* each bit is tried with a sum over all: seconds, not more */
    for (size_t at = 0; at < size && size <= SIZE_MOST; at++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t)(1u << bit);
            if (holds(context, bytes, size)) {
                *ret_at = at;
                return true;
            }
            bytes[at] ^= (uint8_t)(1u << bit);
        }
    return false;
}

/* ---- STORE ---- */

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
    int fd = a->store->os->openat(a->dir, name, O_RDONLY | O_NOFOLLOW, 0);
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

static int may_only_be_read(ve_repair *r, const char *name) {
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
        return may_only_be_read(r, "STORE");
    if (result != VARVE_E_NOT_FOUND && result != VARVE_E_NOT_A_STORE)
        return result;
    int fd = store->os->openat(store->dir, "STORE", O_RDONLY | O_NOFOLLOW, 0);
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

/* ---- Raw segments ---- */

typedef struct {
    const varve *store;
    vf_segment_header *header;
    uint32_t number;
} raw_header;

static bool is_our_header(void *context, const uint8_t *bytes, size_t size) {
    raw_header *h = context;
    return vf_segment_check(bytes, size, h->header, NULL) == VF_OK &&
           memcmp(h->header->store_uuid, h->store->ident.uuid, 16) == 0 &&
           vf_get32(h->header->number) == h->number;
}

static int look_at_raw(ve_repair *r, ve_found *f, int fd) {
    varve *store = r->store;
    uint8_t bytes[VF_SEGMENT_HEADER];
    size_t at, size = f->size < sizeof bytes ? (size_t)f->size : sizeof bytes;
    if (size > 0 && ve_read_all(store->os, fd, bytes, size, 0) < 0)
        return ve_fail_os(store, "%s/%s: cannot be read", store->path, f->name);
    int read_only = 0;
    vf_result result = vf_segment_check(bytes, size, &f->header, &read_only);
    raw_header wanted = {store, &f->header, f->number};
    if (result == VF_BAD_VERSION)
        return ve_fail(store, VARVE_E_VERSION, "%s/%s: %s", store->path, f->name,
                       vf_result_text(result));
    if (result == VF_OK && read_only)
        return may_only_be_read(r, f->name);
    if (result == VF_SHORT || result == VF_END) {
        f->begun = false;
        return VARVE_OK;
    }
    f->begun = true;
    if (result == VF_OK && memcmp(f->header.store_uuid, store->ident.uuid, 16) == 0)
        f->own = vf_get32(f->header.number);
    else if (result == VF_OK)
        f->foreign = true;
    else if (ve_find_flip(bytes, size, is_our_header, &wanted, &at)) {
        f->own = f->number;
        f->flipped = true;
        f->flip_at = at;
        f->flip_byte = bytes[at];
    }
    return VARVE_OK;
}

/* ---- Names ---- */

/* The number in a name of eight digits with an end; 0: it is no such name. */
static uint32_t number_in(const char *name, const char *end) {
    uint32_t number = 0;
    for (int i = 0; i < 8; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        number = number * 10 + (uint32_t)(name[i] - '0');
    }
    return strcmp(name + 8, end) == 0 ? number : 0;
}

typedef struct {
    ve_repair *r;
    const char *below;
    bool aside;
} listing;

static int note_file(void *context, const char *name) {
    listing *l = context;
    ve_repair *r = l->r;
    ve_found f = {.fate = VE_FATE_STAYS};
    const char *const ends[] = {l->aside ? ".log.moved" : ".log", l->aside ? ".seg.moved" : ".seg"};
    uint32_t raw = number_in(name, ends[0]), packed = number_in(name, ends[1]);
    if (raw == 0 && packed == 0)
        return 0;
    f.packed = packed != 0;
    f.number = raw + packed;
    f.aside = l->aside;
    snprintf(f.name, sizeof f.name, "%s%s", l->below, name);
    if (!ve_grow(&r->found, &r->room, r->count + 1, sizeof *r->found)) {
        errno = ENOMEM;
        return -1;
    }
    r->found[r->count++] = f;
    return 0;
}

static int note_files(ve_repair *r, const char *below, bool aside) {
    varve *store = r->store;
    listing l = {r, below, aside};
    int dir = aside ? r->aside : store->log.dir;
    return dir >= 0 && store->os->list(dir, note_file, &l) < 0
               ? ve_fail_os(store, "%s/%s: cannot be listed", store->path, below)
               : VARVE_OK;
}

int ve_repair_at(const ve_repair *r, const char *name, const char **ret_base) {
    bool seg = strncmp(name, "seg/", 4) == 0, aside = strncmp(name, "quarantine/", 11) == 0;
    *ret_base = name + (seg ? 4 : aside ? 11 : 0);
    return seg ? r->store->log.dir : aside ? r->aside : r->store->dir;
}

/* A directory of the store, if it is there: a link is not followed. */
static int open_if_there(ve_repair *r, const char *name, int *ret_dir) {
    varve *store = r->store;
    struct stat status;
    *ret_dir = -1;
    if (store->os->fstatat(store->dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? VARVE_OK
                               : ve_fail_os(store, "%s/%s: cannot be looked at", store->path, name);
    int dir = ve_open_directory(store, name, false);
    *ret_dir = dir < 0 ? -1 : dir;
    return dir < 0 ? dir : VARVE_OK;
}

static int by_name(const void *a, const void *b) {
    const ve_found *p = a, *q = b;
    if (p->packed != q->packed)
        return p->packed ? 1 : -1;
    if (p->aside != q->aside)
        return p->aside ? 1 : -1;
    return p->number < q->number ? -1 : p->number > q->number;
}

static int look(ve_repair *r, ve_found *f) {
    varve *store = r->store;
    struct stat status;
    const char *base;
    int dir = ve_repair_at(r, f->name, &base);
    int fd = store->os->openat(dir, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0 && errno == ELOOP)
        return VARVE_OK; /* a link: none of ours */
    if (fd < 0 || store->os->fstat(fd, &status) < 0) {
        int result = ve_fail_os(store, "%s/%s: cannot be looked at", store->path, f->name);
        if (fd >= 0)
            store->os->close(fd);
        return result;
    }
    int result = VARVE_OK;
    f->size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    if (S_ISREG(status.st_mode))
        result = f->packed ? ve_repair_look(r, f, fd) : look_at_raw(r, f, fd);
    store->os->close(fd);
    return result;
}

/* ---- Fates ---- */

static ve_found *in_place(ve_repair *r, bool packed, uint32_t number) {
    for (size_t i = 0; i < r->count; i++) {
        ve_found *f = &r->found[i];
        bool lies_there = f->own == f->number && !f->aside && f->fate == VE_FATE_STAYS;
        if (f->packed == packed && f->own == number && (lies_there || f->fate == VE_FATE_PLACE))
            return f;
    }
    return NULL;
}

/* Whether some file says that it is this raw segment. */
static bool is_claimed(const ve_repair *r, uint32_t number) {
    for (size_t i = 0; i < r->count; i++)
        if (!r->found[i].packed && r->found[i].own == number)
            return true;
    return false;
}

static const char *what_it_is(const ve_found *f) {
    return f->packed ? "packed segment" : "segment";
}

static void decide(ve_repair *r, ve_found *f, uint32_t last) {
    if (f->own == f->number && !f->aside)
        return;
    if (f->own == 0 && !f->packed && !f->begun && f->number == last && !is_claimed(r, last))
        return; /* made ready, and not begun */
    if (f->own == 0 && (f->aside || (f->packed && !f->foreign)))
        return; /* (of packed ones the manifest tells what they were) */
    if (f->own != 0 && in_place(r, f->packed, f->own) == NULL) {
        f->fate = VE_FATE_PLACE;
        ve_repair_tell(r, VARVE_REPAIR_MENDED, f->name, 0, "is %s %u: gets its own name back",
                       what_it_is(f), f->own);
    } else if (f->aside) {
        return; /* it was put back, or there is another one: it lies where it should */
    } else {
        f->fate = VE_FATE_AWAY;
        if (f->own != 0)
            ve_repair_tell(r, VARVE_REPAIR_MENDED, f->name, 0,
                           "is %s %u once more: goes to quarantine/", what_it_is(f), f->own);
        else
            ve_repair_tell(r, VARVE_REPAIR_MENDED, f->name, 0, "%s: goes to quarantine/",
                           f->foreign  ? "is of another store"
                           : f->packed ? "cannot be read as a packed segment"
                           : f->begun  ? "its header is damaged, and nothing of it can be read"
                                       : "has no header");
    }
    r->log_changed = true;
}

int ve_repair_census(ve_repair *r) {
    varve *store = r->store;
    int result = open_if_there(r, "seg", &store->log.dir);
    if (result == VARVE_OK)
        result = open_if_there(r, "quarantine", &r->aside);
    if (result == VARVE_OK && store->log.dir < 0) {
        ve_repair_tell(r, VARVE_REPAIR_MENDED, "seg", 0, "is missing: made anew, empty");
        r->make_seg = true;
    }
    if (result == VARVE_OK)
        result = note_files(r, "seg/", false);
    if (result == VARVE_OK)
        result = note_files(r, "quarantine/", true);
    if (r->count > 1)
        qsort(r->found, r->count, sizeof *r->found, by_name);
    uint32_t last = 0;
    for (size_t i = 0; i < r->count && result == VARVE_OK; i++)
        result = look(r, &r->found[i]);
    for (size_t i = 0; i < r->count; i++)
        if (!r->found[i].packed && r->found[i].number > last && !r->found[i].aside)
            last = r->found[i].number;
    for (size_t i = 0; i < r->count && result == VARVE_OK; i++)
        decide(r, &r->found[i], last);
    for (size_t i = 0; i < r->count && result == VARVE_OK; i++)
        if (r->found[i].flipped && r->found[i].fate == VE_FATE_STAYS) {
            ve_repair_tell(r, VARVE_REPAIR_MENDED, r->found[i].name, r->found[i].flip_at,
                           "one bit is flipped: put right");
            r->log_changed = true;
        }
    return result;
}

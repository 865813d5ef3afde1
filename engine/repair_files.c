/*
 * What lies in a damaged store's directory: which segment each file is, whatever its name says, and
 * whether it can be read. A structure that a sum guards and of which one bit was flipped is put
 * right: the sum tells which bit.
 */
#include "engine/array.h"
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
        return ve_repair_may_only_be_read(r, f->name);
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
    f->odd = fd < 0 && (errno == ELOOP || errno == ENXIO); /* a link, or a socket */
    if (f->odd)
        return VARVE_OK;
    if (fd < 0 || store->os->fstat(fd, &status) < 0) {
        int result = ve_fail_os(store, "%s/%s: cannot be looked at", store->path, f->name);
        if (fd >= 0)
            store->os->close(fd);
        return result;
    }
    int result = VARVE_OK;
    f->odd = !S_ISREG(status.st_mode);
    f->size = f->odd ? 0 : (uint64_t)status.st_size;
    if (!f->odd)
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
    bool raw = !f->packed && !f->odd;
    if (f->own == 0 && raw && !f->begun && f->number == last && !is_claimed(r, last))
        return; /* made ready, and not begun */
    if (f->own == 0 && (f->aside || (f->packed && !f->foreign && !f->odd)))
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
                           f->odd       ? "is no file"
                           : f->foreign ? "is of another store"
                           : f->packed  ? "cannot be read as a packed segment"
                           : f->begun   ? "its header is damaged, and nothing of it can be read"
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

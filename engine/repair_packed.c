/*
 * A packed segment as far as it can be read: what a sum shows to be one flipped bit is put right in
 * memory, a header is made again from the footer, a footer from the tables, and each block is
 * opened to see whether it holds.
 */
#include "engine/repair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { SUMMED_FROM = 16 };

/* ---- Header, footer, tables ---- */

static bool header_holds(void *context, const uint8_t *bytes, size_t size) {
    return vf_packed_header_check(bytes, size, context, NULL) == VF_OK;
}

static bool footer_holds(void *context, const uint8_t *bytes, size_t size) {
    vf_packed_footer *footer = context;
    memcpy(footer, bytes, sizeof *footer);
    return memcmp(footer->magic, VF_PACKED_END_MAGIC, 8) == 0 &&
           vf_sum64(bytes + SUMMED_FROM, size - SUMMED_FROM, 0) == vf_get64(footer->sum);
}

typedef struct {
    uint64_t sum;
} summed;

static bool sum_holds(void *context, const uint8_t *bytes, size_t size) {
    return vf_sum64(bytes, size, 0) == ((const summed *)context)->sum;
}

typedef struct {
    ve_found *f;
    uint8_t *bytes;
    size_t size;
    int flips; /* that were put right */
    bool made; /* or something was made anew, so that the file is not what it was */
} opening;

static void note_flip(opening *o, uint64_t at) {
    o->f->flipped = ++o->flips == 1;
    o->f->flip_at = at;
    o->f->flip_byte = o->bytes[at];
}

/* Header and footer put right, or made anew. False: neither tells what file this is. */
static bool mend_ends(ve_repair *r, opening *o, vf_packed_header *header,
                      vf_packed_footer *footer) {
    uint8_t *at = o->bytes + o->size - VF_PACKED_FOOTER;
    size_t flip;
    bool begins = header_holds(header, o->bytes, VF_PACKED_HEADER);
    bool ends = footer_holds(footer, at, VF_PACKED_FOOTER);
    if (!begins && ve_find_flip(o->bytes, VF_PACKED_HEADER, header_holds, header, &flip)) {
        begins = true;
        note_flip(o, flip);
    }
    if (!ends && ve_find_flip(at, VF_PACKED_FOOTER, footer_holds, footer, &flip)) {
        ends = true;
        note_flip(o, o->size - VF_PACKED_FOOTER + flip);
    }
    if (!begins && ends) {
        *header = (vf_packed_header){.number = footer->number};
        memcpy(header->store_uuid, footer->store_uuid, 16);
        vf_put_i64(&header->created, r->store->os->now());
        vf_packed_header_seal(header);
        memcpy(o->bytes, header, sizeof *header);
        o->made = true;
    }
    if (begins && !ends && memcmp(header->store_uuid, r->store->ident.uuid, 16) == 0) {
        if (!ve_find_footer(o->bytes, o->size, header, footer))
            return true;
        memcpy(at, footer, sizeof *footer);
        o->f->range_unknown = true;
        o->made = true;
    }
    return begins || ends;
}

static void mend_tables(opening *o, const vf_packed_footer *footer) {
    uint64_t from = vf_get64(footer->tables_at), to = o->size - VF_PACKED_FOOTER;
    summed wanted = {vf_get64(footer->tables_sum)};
    size_t flip;
    if (from >= VF_PACKED_HEADER && from <= to && o->bytes != NULL &&
        ve_find_flip(o->bytes + from, (size_t)(to - from), sum_holds, &wanted, &flip))
        note_flip(o, from + flip);
}

/* ---- Blocks ---- */

static int check_area(ve_repair *r, ve_found *f, ve_area area, const vf_array *blocks) {
    varve *store = r->store;
    for (uint32_t b = 0; b < vf_get32(blocks->count); b++) {
        const vf_block_entry *entry = vf_packed_item(f->file->map, blocks, b, VF_BLOCK_ENTRY);
        int error;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        const ve_unit *unit =
            ve_unit_get(store, f->file, area, vf_get32(entry->first), true, &error);
        ve_hold_end(store, &own, before);
        if (unit == NULL && !ve_is_damage(error))
            return error;
        bool *hold = area == VE_AREA_MAIN ? &f->blocks_hold : &f->pins_hold;
        *hold = *hold && unit != NULL;
    }
    return VARVE_OK;
}

static int check_blocks(ve_repair *r, ve_found *f, const opening *o) {
    ve_packed *file = f->file;
    f->blocks_hold = f->pins_hold = true;
    int result = check_area(r, f, VE_AREA_MAIN, &file->footer.blocks);
    if (result == VARVE_OK)
        result = check_area(r, f, VE_AREA_PINS, &file->footer.pins);
    int rows = result == VARVE_OK ? ve_changes_hold(r->store, file) : VARVE_OK;
    if (rows < 0 && !ve_is_damage(rows))
        return rows;
    f->rows_hold = rows == VARVE_OK && !f->range_unknown;
    f->sum = file->sum = vf_sum64(file->map, o->size, 0);
    f->whole =
        f->blocks_hold && f->pins_hold && f->rows_hold && !o->made && o->flips <= 1 &&
        vf_sum64(file->map, o->size - VF_PACKED_FOOTER, 0) == vf_get64(file->footer.file_sum);
    f->flipped = f->flipped && f->whole;
    return result;
}

/* ---- The file ---- */

static int take(ve_repair *r, ve_found *f, opening *o) {
    vf_packed_header header;
    vf_packed_footer footer;
    int read_only;
    bool told = mend_ends(r, o, &header, &footer);
    vf_result result = vf_packed_check(o->bytes, o->size, &footer, &read_only);
    if (result == VF_BAD_SUM && told) {
        mend_tables(o, &footer);
        result = vf_packed_check(o->bytes, o->size, &footer, &read_only);
    }
    if (result == VF_BAD_VERSION || (result == VF_OK && read_only))
        return ve_fail(
            r->store, VARVE_E_VERSION,
            "%s/%s: made by a version, or with a feature, that this program must not write",
            r->store->path, f->name);
    bool ours = told && memcmp(header.store_uuid, r->store->ident.uuid, 16) == 0;
    f->foreign = told && !ours;
    f->flipped = f->flipped && ours;
    if (result != VF_OK || !ours)
        return VARVE_OK;
    ve_packed *file = calloc(1, sizeof *file);
    if (file == NULL)
        return ve_fail(r->store, VARVE_E_NO_MEMORY, "no memory");
    *file = (ve_packed){.number = vf_get32(footer.number),
                        .first = vf_get64(footer.first_lsn),
                        .end = vf_get64(footer.end_lsn),
                        .file_size = o->size,
                        .refs = 1,
                        .map = o->bytes,
                        .footer = footer,
                        .checked = true};
    f->own = file->number;
    f->file = file;
    return check_blocks(r, f, o);
}

int ve_repair_look(ve_repair *r, ve_found *f, int fd) {
    varve *store = r->store;
    opening o = {.f = f, .size = (size_t)f->size};
    if (o.size < VF_PACKED_HEADER + VF_PACKED_FOOTER)
        return VARVE_OK;
    void *map = store->os->mmap(o.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return ve_fail_os(store, "%s/%s: cannot be mapped", store->path, f->name);
    o.bytes = map;
    int result = take(r, f, &o);
    if (f->file == NULL)
        store->os->munmap(map, o.size);
    return result;
}

void ve_repair_close(ve_repair *r, ve_found *f) {
    ve_packed_release(r->store, f->file);
    f->file = NULL;
}

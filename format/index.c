/*
 * Places in the index: where a key's word belongs, in which chunk an item lies, how large rows are;
 * and the redo area, whose bytes are checked as if a stranger had written them.
 */
#include "format/index.h"

typedef struct {
    uint32_t item_size, base, cap;
} geometry;

/* Chunk files begin small, for a store that holds little, and end at 2 to 6 MiB: an append waits until
 * one is made. */
static const geometry parts[VF_TABLES][VF_PARTS] = {
    [VF_TABLE_SESSIONS] = {[VF_PART_ROWS] = {VF_HOT_SIZE, 64, 16384},
                           [VF_PART_COLD] = {VF_COLD_SIZE, 64, 8192},
                           [VF_PART_WORDS] = {VF_BUCKET_SIZE, 64, 65536},
                           [VF_PART_OVERFLOW] = {VF_BUCKET_SIZE, 64, 65536},
                           [VF_PART_CHANGED] = {sizeof(le64), 512, 524288}},
    [VF_TABLE_USAGE] = {[VF_PART_ROWS] = {VF_USAGE_SIZE, 256, 32768},
                        [VF_PART_WORDS] = {VF_BUCKET_SIZE, 64, 65536},
                        [VF_PART_OVERFLOW] = {VF_BUCKET_SIZE, 64, 65536},
                        [VF_PART_CHANGED] = {sizeof(le64), 512, 524288}},
    [VF_TABLE_CURSORS] = {[VF_PART_ROWS] = {VF_CURSOR_ROW_SIZE, 64, 65536},
                          [VF_PART_WORDS] = {VF_BUCKET_SIZE, 64, 65536},
                          [VF_PART_OVERFLOW] = {VF_BUCKET_SIZE, 64, 65536}},
    [VF_TABLE_NAMES] = {[VF_PART_ROWS] = {VF_NAME_ROW_SIZE, 32, 32768},
                        [VF_PART_WORDS] = {VF_BUCKET_SIZE, 64, 65536},
                        [VF_PART_OVERFLOW] = {VF_BUCKET_SIZE, 64, 65536}},
};

const char *vf_table_name(vf_table table) {
    static const char *const names[VF_TABLES] = {"sessions", "usage", "cursors", "names"};
    return (unsigned)table < VF_TABLES ? names[table] : NULL;
}

char vf_part_letter(vf_part part) {
    static const char letters[VF_PARTS] = {'r', 'c', 'w', 'o', 'l'};
    if ((unsigned)part >= VF_PARTS)
        return '\0';
    return letters[part];
}

uint32_t vf_table_geometry(vf_table table, vf_part part, uint64_t *ret_base, uint64_t *ret_cap) {
    if ((unsigned)table >= VF_TABLES || (unsigned)part >= VF_PARTS ||
        parts[table][part].item_size == 0)
        return 0;
    *ret_base = parts[table][part].base;
    *ret_cap = parts[table][part].cap;
    return parts[table][part].item_size;
}

uint32_t vf_layout_sum(void) {
    le32 figures[VF_TABLES][VF_PARTS][3];
    for (int t = 0; t < VF_TABLES; t++)
        for (int p = 0; p < VF_PARTS; p++) {
            vf_put32(&figures[t][p][0], parts[t][p].item_size);
            vf_put32(&figures[t][p][1], parts[t][p].base);
            vf_put32(&figures[t][p][2], parts[t][p].cap);
        }
    return (uint32_t)vf_sum64(figures, sizeof figures, 0);
}

uint32_t vf_row_size(vf_table table) {
    if ((unsigned)table >= VF_TABLES)
        return 0;
    return parts[table][VF_PART_ROWS].item_size + parts[table][VF_PART_COLD].item_size;
}

uint32_t vf_key_tag(vf_key key, uint64_t hash_seed) {
    return (uint32_t)(vf_sum64(key.b, sizeof key.b, hash_seed) >> 32);
}

uint32_t vf_bucket_of(uint32_t tag, uint32_t buckets) {
    uint32_t mask = buckets > 0 ? buckets - 1 : 0; /* becomes the least 2^n - 1 that is not below */
    mask |= mask >> 1;
    mask |= mask >> 2;
    mask |= mask >> 4;
    mask |= mask >> 8;
    mask |= mask >> 16;
    uint32_t bucket = tag & mask;
    return bucket < buckets ? bucket : tag & (mask >> 1);
}

void vf_chunk_of(uint64_t item, uint64_t base, uint64_t cap, uint32_t *ret_chunk,
                 uint64_t *ret_first, uint64_t *ret_count) {
    uint32_t chunk = 0;
    uint64_t first = 0, count = base > 0 ? base : 1;
    while (item - first >= count && count < cap) {
        first += count;
        count = first < cap ? first : cap;
        chunk++;
    }
    uint64_t further = (item - first) / count; /* chunks of 'cap' items */
    *ret_chunk = chunk + (uint32_t)further;
    *ret_first = first + further * count;
    *ret_count = count;
}

static uint32_t redo_size(const uint8_t *bytes) {
    vf_redo_header header;
    memcpy(&header, bytes, sizeof header);
    return vf_get32(header.size);
}

int vf_redo_next(const uint8_t *bytes, size_t size, size_t *at, vf_redo_entry *ret_entry,
                 const uint8_t **ret_image) {
    if (size < VF_REDO_HEADER)
        return 0;
    size_t end = redo_size(bytes);
    if (end > size)
        end = size;
    size_t from = *at == 0 ? VF_REDO_HEADER : *at;
    vf_redo_entry entry;
    if (from > end || end - from < sizeof entry)
        return 0;
    memcpy(&entry, bytes + from, sizeof entry);
    uint32_t table = vf_get32(entry.table);
    uint32_t image_size = vf_get32(entry.size);
    if (table >= VF_TABLES || image_size != vf_row_size((vf_table)table) ||
        vf_get32(entry.fresh) > 1 || image_size > end - from - sizeof entry)
        return 0;
    *ret_entry = entry;
    *ret_image = bytes + from + sizeof entry;
    *at = from + sizeof entry + image_size;
    return 1;
}

vf_result vf_redo_check(const uint8_t *bytes, size_t size) {
    vf_redo_header header;
    if (size < sizeof header)
        return VF_SHORT;
    memcpy(&header, bytes, sizeof header);
    uint64_t state = vf_get64(header.state);
    uint32_t used = vf_get32(header.size);
    if (state == 0)
        return VF_END;
    if (used < VF_REDO_HEADER || used > VF_REDO_SIZE || used % 8 != 0)
        return VF_BAD_FIELD;
    if (used > size)
        return VF_SHORT;
    if (vf_sum64(bytes + 16, used - 16, state) != vf_get64(header.sum))
        return VF_BAD_SUM;
    uint32_t entries = 0;
    size_t at = 0;
    vf_redo_entry entry;
    const uint8_t *image;
    while (vf_redo_next(bytes, used, &at, &entry, &image))
        entries++;
    if (at == 0)
        at = VF_REDO_HEADER;
    return at == used && entries == vf_get32(header.entries) ? VF_OK : VF_BAD_FIELD;
}

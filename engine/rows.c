/*
 * Rows of the index: how one is put in place, when it was last changed, and loading rows that were
 * kept elsewhere into an index that is being made. SPEC.md "Index".
 */
#include "engine/store.h"

#include <assert.h>

/* ---- Rows that are not there ---- */

/* A single usage row has no key either. */
bool ve_no_row(vf_table table, const uint8_t *image) {
    const vf_usage *usage = (const vf_usage *)(const void *)image;
    return vf_key_is_zero(ve_row_key(table, image)) &&
           (table != VF_TABLE_USAGE || (usage->flags & VF_UR_SINGLE) == 0);
}

/* Usage rows that name no message, and those behind the first of a message, are not found by key;
 * nor is what is not there. */
static bool wordless(vf_table table, const uint8_t *image) {
    return ve_no_row(table, image) ||
           (table == VF_TABLE_USAGE &&
            (((const vf_usage *)(const void *)image)->flags & (VF_UR_SINGLE | VF_UR_LINKED)) != 0);
}

/* ---- Putting in place ---- */

/* Copies one image over its row: 'version' is odd meanwhile. */
static void copy_row(vf_table table, uint8_t *hot, uint8_t *cold, const uint8_t *image) {
    _Atomic uint32_t *version = (_Atomic uint32_t *)(void *)hot;
    uint32_t before = VF_SWAP32(atomic_load_explicit(version, memory_order_relaxed)) & ~1u;
    atomic_store_explicit(version, VF_SWAP32(before + 1), memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    size_t hot_size = table == VF_TABLE_SESSIONS ? VF_HOT_SIZE : vf_row_size(table);
    memcpy(hot + 4, image + 4, hot_size - 4);
    if (cold != NULL)
        memcpy(cold, image + hot_size, VF_COLD_SIZE);
    atomic_store_explicit(version, VF_SWAP32(before + 2), memory_order_release);
}

/* Groups take in rows that they only look at: these stay as they are. */
static bool is_same(vf_table table, const uint8_t *hot, const uint8_t *cold, const uint8_t *image) {
    size_t hot_size = table == VF_TABLE_SESSIONS ? VF_HOT_SIZE : vf_row_size(table);
    return (vf_get32(((const vf_row_head *)(const void *)hot)->version) & 1) == 0 &&
           memcmp(hot + 4, image + 4, hot_size - 4) == 0 &&
           (cold == NULL || memcmp(cold, image + hot_size, VF_COLD_SIZE) == 0);
}

static bool has_part(const ve_index *index, vf_table table, vf_part part) {
    return index->table[table].part[part].item_size > 0;
}

static int no_room(varve *store, const ve_index *index, vf_table table) {
    return ve_fail_os(store, "%s/idx: no room for table %s",
                      index->dir < 0 ? index->temp_dir : store->path, vf_table_name(table));
}

int ve_place_row(varve *store, ve_index *index, vf_table table, uint32_t row, bool fresh,
                 const uint8_t *image, uint64_t changed) {
    uint8_t *at[VF_PARTS] = {NULL};
    static const vf_part parts[] = {VF_PART_ROWS, VF_PART_COLD, VF_PART_CHANGED};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (has_part(index, table, parts[i]) &&
            (at[parts[i]] = ve_item(index, table, parts[i], row, true)) == NULL)
            return no_room(store, index, table);
    assert(at[VF_PART_ROWS] != NULL); /* a table has rows */
    if (!fresh && is_same(table, at[VF_PART_ROWS], at[VF_PART_COLD], image))
        return VARVE_OK;
    if (at[VF_PART_CHANGED] != NULL) /* first: who reads the new row finds it changed */
        ve_set_word((le64 *)(void *)at[VF_PART_CHANGED], changed);
    copy_row(table, at[VF_PART_ROWS], at[VF_PART_COLD], image);
    if (!fresh)
        return VARVE_OK;
    if (!wordless(table, image) && ve_insert(index, table, ve_row_key(table, image), row) < 0)
        return no_room(store, index, table);
    vf_table_head *head = index->table[table].head;
    if (ve_word(&head->rows) <
        (uint64_t)row + 1) /* a scan meets no row that cannot be found by its key */
        ve_set_word(&head->rows, (uint64_t)row + 1);
    return VARVE_OK;
}

/* ---- When a row changed ---- */

/* Where it is said: sessions and usage have a part for it, a cursor's row has its record's lsn, and
 * names never change. */
static vf_part where_said(const ve_index *index, vf_table table) {
    return has_part(index, table, VF_PART_CHANGED) ? VF_PART_CHANGED : VF_PART_ROWS;
}

static uint64_t said(vf_table table, uint64_t row, const uint8_t *item) {
    if (table == VF_TABLE_NAMES)
        return row + 1;
    if (table != VF_TABLE_CURSORS)
        return ve_word((const le64 *)(const void *)item);
    uint64_t lsn = ve_word(&((const vf_cursor_row *)(const void *)item)->lsn);
    return lsn == 0 ? 0 : lsn + 1;
}

uint64_t ve_changed(ve_index *index, vf_table table, uint32_t row) {
    const uint8_t *item = row < ve_rows(index, table)
                              ? ve_item(index, table, where_said(index, table), row, false)
                              : NULL;
    return item == NULL ? 0 : said(table, row, item);
}

/* The next row from 'at' on that changed behind 'since'; 'rows' if there is none, UINT64_MAX if a
 * chunk is missing. */
static uint64_t next_changed(ve_index *index, vf_table table, uint64_t since, uint64_t at,
                             uint64_t rows) {
    vf_part part_number = where_said(index, table);
    const ve_part *part = &index->table[table].part[part_number];
    while (at < rows) {
        uint32_t chunk;
        uint64_t first, count;
        vf_chunk_of(at, part->base, part->cap, &chunk, &first, &count);
        const uint8_t *item = ve_item(index, table, part_number, at, false);
        if (item == NULL)
            return UINT64_MAX;
        for (uint64_t end = first + count < rows ? first + count : rows; at < end;
             at++, item += part->item_size)
            if (said(table, at, item) > since)
                return at;
    }
    return rows;
}

int ve_changed_rows(varve *store, ve_index *index, vf_table table, uint64_t since, uint64_t *at,
                    uint32_t room, uint32_t *ret_numbers, uint8_t *ret_images,
                    uint32_t *ret_count) {
    uint64_t rows = ve_rows(index, table);
    uint32_t size = vf_row_size(table), count = 0;
    if (table == VF_TABLE_NAMES && *at < since)
        *at = since;
    while (count < room && *at < rows) {
        uint64_t row = next_changed(index, table, since, *at, rows);
        if (row == rows) {
            *at = rows;
            break;
        }
        uint8_t *image = ret_images + (size_t)count * size;
        int result = row == UINT64_MAX ? VARVE_E_INDEX
                                       : ve_read_row(index, table, (uint32_t)row, true, image);
        if (result < 0)
            return ve_row_failed(store, table, row == UINT64_MAX ? *at : row, result);
        memset(image, 0, sizeof(vf_row_head));
        ret_numbers[count] = (uint32_t)row;
        count += !ve_no_row(table, image);
        *at = row + 1;
    }
    *ret_count = count;
    return VARVE_OK;
}

/* ---- Loading ---- */

bool ve_row_loaded(ve_index *index, vf_table table, uint32_t row) {
    if (row >= ve_rows(index, table))
        return false;
    const uint8_t *item = ve_item(index, table, where_said(index, table), row, false);
    if (item == NULL)
        return false;
    return has_part(index, table, VF_PART_CHANGED)
               ? said(table, row, item) != 0
               : vf_get32(((const vf_row_head *)(const void *)item)->version) != 0;
}

/* Chunks up to that of 'row', so that rows that are left out can be read too: as not there. */
static bool make_chunks(ve_index *index, vf_table table, uint32_t row) {
    for (uint32_t p = 0; p < VF_PARTS; p++) {
        const ve_part *part = &index->table[table].part[p];
        if (part->item_size == 0 || p == VF_PART_WORDS || p == VF_PART_OVERFLOW)
            continue;
        for (uint64_t at = ve_rows(index, table); at <= row;) {
            uint32_t chunk;
            uint64_t first, count;
            if (ve_item(index, table, p, at, true) == NULL)
                return false;
            vf_chunk_of(at, part->base, part->cap, &chunk, &first, &count);
            at = first + count;
        }
    }
    return true;
}

int ve_load_row(varve *store, ve_index *index, vf_table table, uint32_t row, const uint8_t *image,
                uint64_t changed) {
    uint8_t copy[VF_HOT_SIZE + VF_COLD_SIZE];
    vf_row_head head = {0};
    if (row == UINT32_MAX || changed == 0)
        return ve_fail(store, VARVE_E_CORRUPT, "no row of table %s can be that",
                       vf_table_name(table));
    if (!make_chunks(index, table, row))
        return no_room(store, index, table);
    memcpy(copy, image, vf_row_size(table));
    vf_put32(&head.sum, ve_row_sum(table, row, copy));
    memcpy(copy, &head, sizeof head);
    return ve_place_row(store, index, table, row, true, copy, changed);
}

#include "engine/store.h"
int ve_changed_rows(varve *store, ve_index *index, vf_table table, uint64_t since, uint64_t *at,
                    uint32_t room, uint32_t *ret_numbers, uint8_t *ret_images, uint32_t *ret_count) {
    uint64_t rows = ve_rows(index, table);
    (void)since;
    *ret_count = 0;
    for (; *at < rows && *ret_count < room; ++*at) {
        int result = ve_read_row(index, table, (uint32_t)*at, true, ret_images + (size_t)*ret_count * vf_row_size(table));
        if (result < 0)
            return ve_fail(store, result, "row");
        ret_numbers[(*ret_count)++] = (uint32_t)*at;
    }
    return VARVE_OK;
}
bool ve_row_loaded(ve_index *index, vf_table table, uint32_t row) {
    if (row >= ve_rows(index, table)) return false;
    const uint8_t *at = ve_item(index, table, VF_PART_ROWS, row, true);
    static const uint8_t zero[64];
    return memcmp(at + 8, zero, 24) != 0;
}
int ve_load_row(varve *store, ve_index *index, vf_table table, uint32_t row, const uint8_t *image,
                uint64_t changed) {
    (void)changed;
    uint8_t *hot = ve_item(index, table, VF_PART_ROWS, row, true);
    uint8_t *cold = table == VF_TABLE_SESSIONS ? ve_item(index, table, VF_PART_COLD, row, true) : NULL;
    uint8_t copy[1024];
    memcpy(copy, image, vf_row_size(table));
    memset(copy, 0, 8);
    vf_put32(&((vf_row_head *)(void *)copy)->sum, ve_row_sum(table, row, copy));
    size_t hs = table == VF_TABLE_SESSIONS ? VF_HOT_SIZE : vf_row_size(table);
    memcpy(hot, copy, hs);
    if (cold) memcpy(cold, copy + hs, VF_COLD_SIZE);
    bool wordless = table == VF_TABLE_USAGE &&
           (((const vf_usage *)(const void *)image)->flags & (VF_UR_SINGLE | VF_UR_LINKED)) != 0;
    if (!wordless && ve_insert(index, table, ve_row_key(table, copy), row) < 0)
        return ve_fail_os(store, "insert");
    if (ve_word(&index->table[table].head->rows) <= row)
        ve_set_word(&index->table[table].head->rows, (uint64_t)row + 1);
    return VARVE_OK;
}

/*
 * An index that grows: as many chunks as there are rows for, and a redo area that begins small and
 * is as long as the groups need it, whoever made it longer.
 */
#include "tests/support/scratch.h"
#include "tests/support/tree.h"

#include "engine/store.h"

#include <errno.h>

static size_t redo_bytes(const varve *store) {
    struct stat file;
    assert_int_equal(store->os->fstatat(store->index.dir, "REDO", &file, 0), 0);
    return (size_t)file.st_size;
}

/* One batch: so many sessions, each with a charged event. */
static void append_sessions(varve *store, const char *prefix, int first, int count) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    for (int i = first; i < first + count; i++) {
        char id[32];
        snprintf(id, sizeof id, "%s%d", prefix, i);
        varve_event event = scratch_event(id, "ApiRequest");
        event.present = VARVE_HAS_TOKENS | VARVE_HAS_COST;
        event.tokens[0] = event.cost = 5;
        assert_true(varve_batch_add(batch, &event) >= 0);
    }
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

/* As if a writer had died before it copied the last group's first row, which REDO still has. */
static uint32_t die_in_last_group(varve *store) {
    vf_redo_entry entry;
    const uint8_t *image;
    size_t at = 0, size;
    assert_int_equal(ve_redo_check(&store->index, &size), VF_END);
    ve_set_word(&((vf_redo_header *)(void *)store->index.redo)->state, ve_tail(store));
    assert_int_equal(ve_redo_check(&store->index, &size), VF_OK);
    do
        assert_int_equal(vf_redo_next(store->index.redo, size, &at, &entry, &image), 1);
    while (vf_get32(entry.table) != VF_TABLE_SESSIONS);
    uint32_t row = vf_get32(entry.row);
    uint8_t *hot = ve_item(&store->index, VF_TABLE_SESSIONS, VF_PART_ROWS, row, false);
    hot[0] |= 1; /* the version is odd */
    memset(hot + 100, 0xFF, 100);
    return row;
}

static void the_redo_area_begins_small_and_grows_with_the_groups(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    for (int i = 0; i < 20; i++)
        append_sessions(store, "a", 0, 5);
    assert_int_equal(redo_bytes(store), VF_REDO_MIN);
    append_sessions(store, "b", 0, 40);
    assert_int_equal(redo_bytes(store), 64 << 10);
    append_sessions(store, "c", 0, 1000);
    assert_int_equal(redo_bytes(store), 256 << 10);
    append_sessions(store, "d", 0, 1);
    assert_int_equal(redo_bytes(store), 256 << 10);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_large_group_is_finished_by_who_knew_the_redo_area_small(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *dies = scratch_open(path, 0), *other = scratch_open(path, 0), *reader;
    scratch_append(dies, "x", "x", 1);
    scratch_append(other, "x", "x", 1);
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    assert_int_equal(varve_open(path, &options, &reader), VARVE_OK);
    append_sessions(dies, "a", 0, 150);
    assert_true(redo_bytes(dies) > VF_REDO_MIN);
    uint32_t row = die_in_last_group(dies);
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    assert_int_equal(ve_read_row(&reader->index, VF_TABLE_SESSIONS, row, true, image), VARVE_OK);
    assert_int_equal(vf_get64(((vf_hot *)(void *)image)->events), 1);
    scratch_append(other, "x", "x", 1);
    assert_int_equal(other->index.generation, 1);
    scratch_verify(other);
    append_sessions(other, "a", 0, 150);
    row = die_in_last_group(other);
    scratch_append(dies, "x", "x", 1);
    assert_int_equal(dies->index.generation, 1);
    scratch_verify(dies);
    varve_close(&reader);
    varve_close(&other);
    varve_close(&dies);
    scratch_free(path);
}

static void a_redo_area_that_was_cut_off_costs_the_index(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    append_sessions(store, "a", 0, 150);
    die_in_last_group(store);
    tree_truncate(path, "idx/1/REDO", VF_REDO_MIN);
    scratch_append(store, "x", "x", 1);
    assert_int_equal(store->index.generation, 2);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* Roll-ups through the ancestors of many sessions are more than the redo area may have. */
static void a_group_that_is_too_large_is_put_in_place_all_the_same(void **state) {
    (void)state;
    enum { CHAINS = 150, DEPTH = 9 };
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_batch *batch;
    for (int depth = 0; depth < DEPTH; depth++) {
        assert_int_equal(varve_batch_new(&batch), VARVE_OK);
        for (int i = 0; i < CHAINS; i++) {
            char id[32], parent[32];
            snprintf(id, sizeof id, "%d %d", depth, i);
            snprintf(parent, sizeof parent, "%d %d", depth + 1, i);
            varve_event event = scratch_event(id, "x");
            event.str[VARVE_STR_PARENT_ID] = varve_cstr(parent);
            assert_true(varve_batch_set(batch, &event) >= 0);
        }
        assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
        varve_batch_free(&batch);
    }
    append_sessions(store, "0 ", 0, CHAINS);
    assert_int_equal(ve_word(&((vf_redo_header *)(void *)store->index.redo)->state), 0);
    assert_true(redo_bytes(store) <= VF_REDO_SIZE);
    assert_int_equal(scratch_session(store, "9 149").cost_children, 5);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static bool disk_is_full;
static int allocate_or_not(int fd, int64_t offset, int64_t size) {
    if (!disk_is_full)
        return ve_os_system.allocate(fd, offset, size);
    errno = ENOSPC;
    return -1;
}

static void without_room_for_a_longer_redo_area_the_index_follows(void **state) {
    (void)state;
    char *path = scratch_new();
    ve_os os = ve_os_system;
    os.allocate = allocate_or_not;
    varve *store;
    assert_int_equal(ve_open(&os, path, NULL, &store), VARVE_OK);
    for (int i = 0; i < 60; i += 5)
        append_sessions(store, "a", i, 5);
    disk_is_full = true;
    append_sessions(store, "a", 0, 60);
    append_sessions(store, "a", 0, 60);
    assert_int_equal(scratch_session(store, "a59").cost, 15);
    assert_int_equal(redo_bytes(store), VF_REDO_MIN);
    assert_int_equal(ve_word(&((vf_redo_header *)(void *)store->index.redo)->state), 0);
    disk_is_full = false;
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_part_has_as_many_chunks_as_its_items_need(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    static const uint64_t items[] = {100, 10000000, 100000000, 20000000};
    ve_index index;
    assert_int_equal(ve_index_create(store, &index, 0, true), VARVE_OK);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++)
        for (uint32_t part = VF_PART_ROWS; part <= VF_PART_COLD; part++) {
            uint8_t *item = ve_item(&index, VF_TABLE_SESSIONS, part, items[i], true);
            assert_non_null(item);
            item[0] = (uint8_t)(i + 1);
        }
    assert_true(index.table[VF_TABLE_SESSIONS].part[VF_PART_COLD].chunks > 12000);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++)
        assert_int_equal(ve_item(&index, VF_TABLE_SESSIONS, VF_PART_COLD, items[i], false)[0],
                         i + 1);
    size_t room = index.table[VF_TABLE_SESSIONS].part[VF_PART_COLD].room;
    assert_null(ve_item(&index, VF_TABLE_SESSIONS, VF_PART_COLD, UINT32_MAX, false));
    assert_int_equal(index.table[VF_TABLE_SESSIONS].part[VF_PART_COLD].room, room);
    ve_index_close(&index);
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_redo_area_begins_small_and_grows_with_the_groups),
        cmocka_unit_test(a_large_group_is_finished_by_who_knew_the_redo_area_small),
        cmocka_unit_test(a_redo_area_that_was_cut_off_costs_the_index),
        cmocka_unit_test(a_group_that_is_too_large_is_put_in_place_all_the_same),
        cmocka_unit_test(without_room_for_a_longer_redo_area_the_index_follows),
        cmocka_unit_test(a_part_has_as_many_chunks_as_its_items_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What sessions' records name is pinned: kept once more beside the index rows of each packed segment, so that lists need
 * not open the blocks of events; also when packed segments are merged, again and again.
 */
#include "support/history.h"
#include "support/scratch.h"
#include "support/work.h"

#include "engine/fold.h"
#include "engine/store.h"

static void compact(varve *store, uint32_t flags) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = flags;
    assert_int_equal(varve_compact(store, &options, NULL), VARVE_OK);
}

/* Whether a session has a run in the file: a stub has none. */
static bool has_run(const ve_packed *file, vf_key key) {
    return vf_packed_find(file->map, &file->footer, key) != UINT32_MAX;
}

/* Every record that a session's row names in a packed segment, 'of' how many. */
static uint64_t count_pinned(varve *store, uint64_t *of) {
    uint64_t pinned = 0;
    *of = 0;
    for (uint32_t row = 0; row < ve_rows(&store->index, VF_TABLE_SESSIONS); row++) {
        uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
        assert_int_equal(ve_read_row(&store->index, VF_TABLE_SESSIONS, row, true, image), VARVE_OK);
        const vf_hot *hot = (const vf_hot *)(const void *)image;
        const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
        for (int ref = 0; ref < VF_REFS; ref++) {
            uint64_t lsn = vf_get64(cold->ref[ref]);
            ve_packed *file;
            ve_record record;
            bool deleted = ve_le_flag(hot->flags, VF_SR_DELETED); /* of such only who it was stays */
            if (lsn == 0 || (deleted && ref != VF_REF_IDENTITY) || ve_layout_file(store, lsn, &file) != 1 || !has_run(file, hot->key))
                continue;
            ++*of;
            pinned += ve_packed_pin(store, file, &hot->key, lsn, &record) == VARVE_OK;
        }
    }
    return pinned;
}

static void what_rows_name_is_pinned_however_often_it_is_packed(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    uint64_t of;
    assert_true(history_open(path, 0, &store));
    for (uint32_t number = 0; number < 120; number++)
        history_add(store, 501, number, NULL);
    compact(store, VARVE_COMPACT_ALL);
    uint64_t pinned = count_pinned(store, &of);
    assert_int_equal(pinned, of);
    assert_true(of > 100);
    for (uint32_t round = 0; round < 3; round++) { /* what rows name lies in the segments that are merged, too */
        scratch_append(store, "another", "Stop", 1);
        compact(store, VARVE_COMPACT_ALL);
        assert_int_equal(store->layout->files, 1);
        pinned = count_pinned(store, &of);
        assert_int_equal(pinned, of);
    }
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_rows_name_is_pinned_however_often_it_is_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

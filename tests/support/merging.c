/*
 * Stores that are merged. See merging.h.
 */
#include "tests/support/merging.h"

varve *merging_open(const char *path, const char *machine) {
    varve_options options;
    varve_options_init(&options);
    options.machine_id = varve_cstr(machine);
    options.segment_size = 64 << 10;
    varve *store = NULL;
    assert_int_equal(varve_open(path, &options, &store), VARVE_OK);
    return store;
}

varve *merging_new(char **ret_path, const char *machine) {
    *ret_path = scratch_new();
    return merging_open(*ret_path, machine);
}

void merging_end(varve **store, char *path) {
    scratch_verify(*store);
    varve_close(store);
    scratch_free(path);
}

varve_stats merging_stats(varve *store) {
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(store, &stats), VARVE_OK);
    return stats;
}

varve_merged merging_merge(varve *store, varve *from) {
    varve_merged merged = {.size = sizeof merged};
    int result = varve_merge(store, from, &merged);
    if (result < 0)
        print_error("%s\n", varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    assert_true(merging_stats(store).synced_lsn >= merging_stats(store).tail_lsn);
    return merged;
}

void merging_adds_nothing(varve **store_at, const char *path, varve *from) {
    varve_close(store_at);
    varve *store = *store_at = merging_open(path, NULL);
    uint64_t tail = merging_stats(store).tail_lsn;
    varve_merged merged = merging_merge(store, from);
    assert_int_equal(merging_stats(store).tail_lsn, tail);
    assert_int_equal(merged.sessions + merged.events + merged.settings + merged.forks +
                         merged.rewinds + merged.deletions + merged.not_carried,
                     0);
}

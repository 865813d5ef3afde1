/*
 * Stores of another version, or with features that are not known, are refused: for reading or for writing as
 * their words say, and unchanged. A segment that must not be read is not taken for a damaged one.
 */
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

/* A store of two segments. */
static void make_store(const char *path, work_book *book, bool synced) {
    varve *store = NULL;
    assert_true(work_open(NULL, path, 0, &store));
    for (uint32_t number = 0; number < 18; number++)
        assert_true(work_append(store, book, 0, number, VARVE_NONE));
    if (synced)
        assert_int_equal(varve_sync(store), VARVE_OK);
    varve_close(&store);
}

static int open_result(const char *path, uint32_t flags) {
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    varve *store = NULL;
    int result = varve_open(path, &options, &store);
    varve_close(&store);
    return result;
}

/* STORE's sum over what stands behind it. */
static void seal_bytes(uint8_t *bytes) {
    le64 sum;
    vf_put64(&sum, vf_sum64(bytes + 16, 4096 - 16, 0));
    memcpy(bytes + 8, &sum, sizeof sum);
}

static void check_feature(const char *path, const char *file, size_t offset, int for_reading, int for_writing) {
    uint8_t bytes[4096], changed[4096];
    tree_read(path, file, bytes, sizeof bytes, 0);
    memcpy(changed, bytes, sizeof changed);
    changed[offset] |= 0x40;
    seal_bytes(changed);
    tree_write(path, file, changed, sizeof changed, 0);
    uint64_t sum = tree_sum(path);
    int result = open_result(path, VARVE_OPEN_READ_ONLY);
    if (result != for_reading)
        print_error("%s byte %zu: opened for reading: %d\n", file, offset, result);
    assert_int_equal(result, for_reading);
    result = open_result(path, 0);
    if (result != for_writing)
        print_error("%s byte %zu: opened for writing: %d\n", file, offset, result);
    assert_int_equal(result, for_writing);
    if (for_writing != VARVE_OK)
        assert_true(tree_sum(path) == sum); /* what must not be written is not */
    tree_write(path, file, bytes, sizeof bytes, 0);
}

static void a_store_of_another_version_or_with_unknown_features_is_refused(void **state) {
    (void)state;
    work_book *book = work_book_new();
    char *path = scratch_new();
    make_store(path, book, false);
    check_feature(path, "STORE", 16, VARVE_OK, VARVE_OK);                   /* compat */
    check_feature(path, "STORE", 21, VARVE_OK, VARVE_E_VERSION);            /* read_compat */
    check_feature(path, "STORE", 26, VARVE_E_VERSION, VARVE_E_VERSION);     /* incompat */
    check_feature(path, "STORE", 28, VARVE_E_VERSION, VARVE_E_VERSION);     /* major */
    check_feature(path, "STORE", 30, VARVE_OK, VARVE_OK);                   /* minor */
    scratch_free(path);
    work_book_free(book);
}

static void a_segment_of_another_version_is_refused_and_not_taken_for_damage(void **state) {
    (void)state;
    work_book *book = work_book_new();
    for (int synced = 0; synced < 2; synced++) {
        char *path = scratch_new();
        make_store(path, book, synced == 1);
        tree_remove(path, "CONTROL");
        check_feature(path, "seg/00000002.log", 26, VARVE_E_VERSION, VARVE_E_VERSION);
        check_feature(path, "seg/00000001.log", 28, VARVE_E_VERSION, VARVE_E_VERSION);
        scratch_free(path);
    }
    work_book_free(book);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_of_another_version_or_with_unknown_features_is_refused),
        cmocka_unit_test(a_segment_of_another_version_is_refused_and_not_taken_for_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

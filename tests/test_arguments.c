/*
 * What a caller may get wrong: impossible arguments are refused with VARVE_E_ARGUMENT or VARVE_E_TOO_BIG, a handle for
 * reading with VARVE_E_READ_ONLY, each with a line that says why; nothing is changed by it.
 */
#include "support/scratch.h"
#include "support/tree.h"

#define REFUSED(store, call)                                            \
    do {                                                                \
        assert_int_equal(call, VARVE_E_ARGUMENT);                       \
        if (varve_last_error(store)[0] == 0)                            \
            fail_msg("no line says why: %s", #call);                    \
    } while (0)

static void every_error_has_a_text_of_its_own(void **state) {
    (void)state;
    static const int errors[] = {VARVE_OK, VARVE_E_ARGUMENT, VARVE_E_TOO_BIG, VARVE_E_READ_ONLY, VARVE_E_NOT_FOUND, VARVE_E_EXISTS,
                                 VARVE_E_FORKED, VARVE_E_CONFLICT, VARVE_E_BUSY, VARVE_E_IO, VARVE_E_NO_SPACE, VARVE_E_NO_MEMORY,
                                 VARVE_E_DENIED, VARVE_E_UNSUITABLE, VARVE_E_SYNC_FAILED, VARVE_E_NOT_A_STORE, VARVE_E_VERSION,
                                 VARVE_E_CORRUPT, VARVE_E_INDEX};
    size_t count = sizeof errors / sizeof *errors;
    for (size_t i = 0; i < count; i++) {
        assert_string_not_equal(varve_strerror(errors[i]), varve_strerror(-999));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(varve_strerror(errors[i]), varve_strerror(errors[j]));
    }
    assert_string_equal(varve_strerror(-999), "unknown error");
    assert_string_equal(varve_last_error(NULL), "");
}

static void a_batch_takes_in_nothing_that_is_impossible(void **state) {
    (void)state;
    static char large[(1 << 20) + 1];
    varve_batch *batch;
    varve_event event = scratch_event("s", "user"), bad = event;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_int_equal(varve_batch_add(NULL, &event), VARVE_E_ARGUMENT);
    assert_int_equal(varve_batch_add(batch, NULL), VARVE_E_ARGUMENT);
    bad.size--;
    assert_int_equal(varve_batch_add(batch, &bad), VARVE_E_ARGUMENT);
    assert_int_equal(varve_batch_fork(batch, &bad, varve_cstr(NULL), varve_cstr("s"), 0), VARVE_E_ARGUMENT);
    assert_int_equal(varve_batch_fork(NULL, &event, varve_cstr(NULL), varve_cstr("s"), 0), VARVE_E_ARGUMENT);
    assert_int_equal(varve_batch_fork(batch, &event, varve_cstr(NULL), varve_cstr(NULL), 0), VARVE_E_ARGUMENT);
    bad = event;
    bad.payload_size = 1;
    assert_int_equal(varve_batch_add(batch, &bad), VARVE_E_ARGUMENT); /* of no bytes */
    bad = event;
    bad.source = VARVE_SOURCES;
    assert_int_equal(varve_batch_add(batch, &bad), VARVE_E_ARGUMENT);
    bad = event;
    bad.str[VARVE_STR_TITLE] = (varve_str){large, sizeof large};
    assert_int_equal(varve_batch_add(batch, &bad), VARVE_E_TOO_BIG);
    bad.str[VARVE_STR_TITLE].size--;
    assert_int_equal(varve_batch_add(batch, &bad), 0);
    varve_batch_clear(batch);
    assert_int_equal(varve_batch_rewind(NULL, varve_cstr(NULL), varve_cstr("s"), 0), VARVE_E_ARGUMENT);
    assert_int_equal(varve_batch_rewind(batch, varve_cstr(NULL), varve_cstr(NULL), 0), VARVE_E_ARGUMENT);
    assert_int_equal(varve_batch_delete(batch, varve_cstr(NULL), varve_cstr(NULL)), VARVE_E_ARGUMENT);
    assert_int_equal(varve_batch_cursor(NULL, varve_cstr("i"), "", 0), VARVE_E_ARGUMENT);
    assert_int_equal(varve_batch_cursor(batch, varve_cstr(NULL), "", 0), VARVE_E_ARGUMENT);
    assert_int_equal(varve_batch_cursor(batch, varve_cstr(""), "", 0), VARVE_E_ARGUMENT);
    assert_int_equal(varve_batch_cursor(batch, (varve_str){large, 4097}, "", 0), VARVE_E_TOO_BIG);
    assert_int_equal(varve_batch_cursor(batch, varve_cstr("i"), large, 4097), VARVE_E_TOO_BIG);
    assert_int_equal(varve_batch_count(batch), 0);
    assert_int_equal(varve_batch_bytes(batch), 0);
    assert_int_equal(varve_batch_cursor(batch, (varve_str){large, 4096}, large, 4096), 0);
    varve_batch_free(&batch);
    varve_batch_free(&batch);
    varve_batch_free(NULL);
}

static void a_text_is_cut_between_characters(void **state) {
    (void)state;
    static char text[20000];
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_batch *batch;
    varve_event event = scratch_event("s", "user");
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[0] = 'x'; /* so that characters begin at odd places */
    memmove(text + 1, text + 2, sizeof text - 2);
    event.str[VARVE_STR_TEXT] = (varve_str){text, sizeof text - 1};
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_int_equal(varve_batch_add(batch, &event), 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_cursor *cursor;
    assert_int_equal(varve_cursor_store(store, 0, 0, &cursor), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event), 1);
    size_t size = event.str[VARVE_STR_TEXT].size;
    assert_in_range(size, 100, sizeof text - 2);
    assert_int_equal(size % 2, 1);
    varve_cursor_close(&cursor);
    varve_batch_free(&batch);
    varve_close(&store);
    scratch_free(path);
}

static void a_store_refuses_what_is_impossible(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0), *other = NULL;
    scratch_append(store, "s", "user", 2);
    uint64_t sum = tree_sum(path);
    varve_batch *batch;
    varve_appended appended = {.size = 1};
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    REFUSED(store, varve_append(store, NULL, VARVE_NONE, NULL));
    REFUSED(store, varve_append(store, batch, VARVE_NONE, &appended));
    REFUSED(store, varve_cursor_state(store, varve_cstr(NULL), NULL, 0));
    varve_compact_options packing;
    varve_compact_options_init(&packing);
    packing.block = 4095;
    REFUSED(store, varve_compact(store, &packing, NULL));
    packing.block = (64 << 20) + 1;
    REFUSED(store, varve_compact(store, &packing, NULL));
    packing.block = 0;
    packing.level = 20;
    REFUSED(store, varve_compact(store, &packing, NULL));
    varve_retention asked = {.size = sizeof asked};
    varve_retained retained = {.size = sizeof retained};
    REFUSED(store, varve_retain(store, NULL, &retained));
    REFUSED(store, varve_retain(store, &asked, NULL));
    asked.size--;
    REFUSED(store, varve_retain(store, &asked, &retained));
    varve_merged merged = {.size = 1};
    REFUSED(store, varve_merge(store, NULL, NULL));
    REFUSED(store, varve_merge(store, store, NULL));
    REFUSED(store, varve_merge(store, store, &merged));
    REFUSED(store, varve_snapshot(store, NULL, 0, NULL));
    REFUSED(store, varve_snapshot(store, "", 0, NULL));
    REFUSED(store, varve_snapshot(store, "x", 1, NULL));
    REFUSED(store, varve_forget(store, varve_cstr(NULL), varve_cstr(NULL), 0, NULL));
    varve_options options;
    varve_options_init(&options);
    assert_int_equal(varve_open(NULL, &options, &other), VARVE_E_ARGUMENT);
    assert_int_equal(varve_open(path, &options, NULL), VARVE_E_ARGUMENT);
    options.segment_size = (64 << 10) + 512;
    assert_int_equal(varve_open(path, &options, &other), VARVE_E_ARGUMENT);
    options.segment_size = 0;
    options.machine_id = varve_cstr("");
    assert_int_equal(varve_open(path, &options, &other), VARVE_E_ARGUMENT);
    options.size--;
    assert_int_equal(varve_open(path, &options, &other), VARVE_E_ARGUMENT);
    assert_int_equal(varve_repair(NULL, NULL, 0, NULL, NULL, NULL), VARVE_E_ARGUMENT);
    assert_null(other);
    assert_true(tree_sum(path) == sum);
    varve_batch_free(&batch);
    varve_close(&store);
    scratch_free(path);
}

static void a_handle_for_reading_writes_nothing(void **state) {
    (void)state;
    char *path = scratch_new(), *from_path = scratch_new();
    varve *store = scratch_open(path, 0), *from = scratch_open(from_path, 0);
    scratch_append(store, "s", "user", 2);
    scratch_append(from, "t", "user", 2);
    varve_close(&store);
    uint64_t sum = tree_sum(path);
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    assert_int_equal(varve_open(path, &options, &store), VARVE_OK);
    varve_batch *batch;
    varve_event event = scratch_event("s", "user");
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_int_equal(varve_batch_add(batch, &event), 0);
    varve_retention asked = {.size = sizeof asked, .before = INT64_MAX};
    varve_retained retained = {.size = sizeof retained};
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_E_READ_ONLY);
    assert_int_equal(varve_sync(store), VARVE_E_READ_ONLY);
    assert_int_equal(varve_compact(store, NULL, NULL), VARVE_E_READ_ONLY);
    assert_int_equal(varve_retain(store, &asked, &retained), VARVE_E_READ_ONLY);
    assert_int_equal(varve_forget(store, varve_cstr(NULL), varve_cstr("s"), 0, NULL), VARVE_E_READ_ONLY);
    assert_int_equal(varve_merge(store, from, NULL), VARVE_E_READ_ONLY);
    assert_int_equal(varve_reconcile(store, 0, NULL, NULL), VARVE_E_READ_ONLY);
    assert_int_equal(varve_reindex(store), VARVE_E_READ_ONLY);
    asked.flags = VARVE_RETAIN_DRY_RUN; /* what only tells does not write */
    assert_int_equal(varve_retain(store, &asked, &retained), VARVE_OK);
    assert_int_equal(varve_reconcile(store, VARVE_RECONCILE_DRY_RUN, NULL, NULL), VARVE_OK);
    assert_true(tree_sum(path) == sum);
    varve_batch_free(&batch);
    varve_close(&store);
    varve_close(&from);
    scratch_free(from_path);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_text_of_its_own),
        cmocka_unit_test(a_batch_takes_in_nothing_that_is_impossible),
        cmocka_unit_test(a_text_is_cut_between_characters),
        cmocka_unit_test(a_store_refuses_what_is_impossible),
        cmocka_unit_test(a_handle_for_reading_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

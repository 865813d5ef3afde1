/*
 * Repair where it is not plain what was there: after retention, without witnesses, beside what a compaction had not cleared
 * away, after a recovery that had found damage, with files of a copy of the store; and what LOST is for.
 */
#include "support/mending.h"
#include "support/scratch.h"
#include "support/tree.h"

#include "engine/repair.h"

static mending_store w;
static mending_report report;

static int make(void **state) {
    (void)state;
    mending_make(&w, 2);
    return 0;
}

static int unmake(void **state) {
    (void)state;
    mending_free(&w);
    return 0;
}

static bool told(const char *words) {
    if (strstr(report.text, words) != NULL)
        return true;
    print_error("it does not say '%s':\n%s", words, report.text);
    return false;
}

static const mending_due nothing_lost = {.lossless = true, .reads_same = true};

static void check(char *copy, const mending_due *due) {
    bool good = mending_mends(&w, copy, due, &report);
    scratch_free(copy);
    assert_true(good);
}

/* Flips a bit in the first block of index rows of the n-th packed segment. */
static void flip_rows(const char *path, size_t n) {
    varve *store = scratch_open(path, 0);
    char name[32];
    ve_packed *file = NULL;
    const ve_layout *layout = ve_layout_now(store);
    assert_true(n < layout->files && ve_layout_file(store, layout->file[n]->first, &file) == 1);
    const vf_block_entry *entry = vf_packed_item(file->map, &file->footer.rows, 0, VF_BLOCK_ENTRY);
    size_t at = (size_t)vf_get64(entry->offset) + vf_get32(entry->fixed_size) / 2;
    snprintf(name, sizeof name, "seg/%08u.seg", file->number);
    varve_close(&store);
    tree_flip(path, name, at, 1);
}

/* ---- Rows that no events tell ---- */

static void of_rows_that_are_lost_after_retention_what_can_be_told_is_counted(void **state) {
    (void)state;
    for (int power = 0; power < 2; power++) {
        char *copy = mending_copy(&w);
        varve *store = NULL;
        varve_retention retention = {.size = sizeof retention, .flags = VARVE_RETAIN_KEEP_SESSIONS, .before = INT64_MAX};
        varve_retained done = {.size = sizeof done};
        varve_stats before = {.size = sizeof before}, after = {.size = sizeof after};
        assert_true(work_open(NULL, copy, 0, &store));
        int result = varve_retain(store, &retention, &done);
        assert_true(result == VARVE_OK && done.events > 0);
        scratch_append(store, "later", "x", 5);
        assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
        assert_int_equal(varve_stat(store, &before), VARVE_OK);
        varve_close(&store);
        flip_rows(copy, 0);
        if (power == 1) {
            tree_remove(copy, "CONTROL");
            tree_remove(copy, "idx");
        }
        mending_repair(NULL, copy, 0, &report);
        assert_true(report.result == VARVE_OK && report.done.lost == 1 && told("events that they counted are gone"));
        assert_true(work_open(NULL, copy, 0, &store));
        assert_true(work_verifies(store, 0));
        assert_int_equal(varve_stat(store, &after), VARVE_OK);
        assert_int_equal(after.sessions, before.sessions);
        scratch_append(store, "later", "x", 5);
        scratch_check_seq(store, "later", 10);
        varve_compact_options all;
        varve_compact_options_init(&all);
        all.flags = VARVE_COMPACT_ALL;
        assert_int_equal(varve_compact(store, &all, NULL), VARVE_OK);
        assert_true(work_verifies(store, 0));
        varve_close(&store);
        mending_repair(NULL, copy, 0, &report);
        assert_string_equal(report.text, "");
        scratch_free(copy);
    }
}

/* ---- Without a witness ---- */

static void what_follows_a_lost_segment_is_served_though_the_disk_never_confirmed_it(void **state) {
    (void)state;
    char *path = scratch_new();
    work_book *book = work_book_new();
    varve *store = NULL;
    assert_true(work_open(NULL, path, 0, &store));
    for (uint32_t i = 0; i < 60; i++)
        assert_true(work_append(store, book, 0, i, VARVE_NONE));
    uint32_t last = vf_lsn_segment(ve_tail(store));
    assert_true(last >= 4);
    varve_close(&store);
    tree_remove(path, "CONTROL");
    tree_remove(path, "seg/00000002.log");
    mending_repair(NULL, path, 0, &report);
    assert_true(report.result == VARVE_OK && told("seg/00000002.log:0: the segment is missing"));
    assert_true(work_open(NULL, path, 0, &store));
    varve_cursor *cursor;
    varve_event event;
    uint64_t highest = 0;
    assert_int_equal(varve_cursor_store(store, 0, 0, &cursor), VARVE_OK);
    while (varve_cursor_next(cursor, &event) == 1)
        highest = event.lsn;
    varve_cursor_close(&cursor);
    assert_int_equal(vf_lsn_segment(highest), last);
    assert_true(work_verifies(store, 0));
    varve_close(&store);
    scratch_free(path);
    work_book_free(book);
}

/* What was never published is not taken for damage: an append that was cut off. */
static void a_torn_tail_is_no_loss(void **state) {
    (void)state;
    char *copy = mending_copy(&w), name[32];
    snprintf(name, sizeof name, "seg/%08u.log", w.last_raw);
    varve *store = scratch_open(copy, 0);
    uint64_t tail = ve_tail(store);
    varve_close(&store);
    uint8_t junk[500];
    memset(junk, 0x5a, sizeof junk);
    tree_write(copy, name, junk, sizeof junk, vf_lsn_offset(tail));
    tree_remove(copy, "CONTROL");
    check(copy, &nothing_lost);
}

/* The next durable append would do it as well. */
static void what_a_failed_sync_left_unconfirmed_is_written_anew(void **state) {
    (void)state;
    char *copy = mending_copy(&w);
    varve *store = scratch_open(copy, 0);
    ve_set_word(&store->control->sync_failed, w.last_raw);
    varve_close(&store);
    check(copy, &nothing_lost);
    assert_true(told("a sync has failed"));
}

/* ---- Beside what a compaction had not cleared away ---- */

static void raw_segments_that_are_still_there_stand_in_for_a_packed_one(void **state) {
    (void)state;
    for (int how = 0; how < 3; how++) {
        char *copy = mending_copy(&w);
        scratch_run("mkdir '%s.raw' && cp '%s'/seg/*.log '%s.raw'", copy, copy, copy);
        varve *store = scratch_open(copy, 0);
        assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
        uint32_t number = store->layout->file[store->layout->files - 1]->number;
        varve_close(&store);
        scratch_run("cp '%s.raw'/* '%s/seg' && rm -r '%s.raw'", copy, copy, copy);
        if (how == 0)
            scratch_run("rm '%s/seg/%08u.seg'", copy, number);
        else
            scratch_run("truncate -s %d '%s/seg/%08u.seg'", how == 1 ? 100 : 9000, copy, number);
        check(copy, &nothing_lost);
    }
}

/* ---- What was lost before ---- */

static void what_a_recovery_found_lost_is_told_once(void **state) {
    (void)state;
    char *copy = mending_copy(&w), name[32];
    snprintf(name, sizeof name, "seg/%08u.log", w.first_raw);
    tree_flip(copy, name, 20000, 3);
    tree_remove(copy, "CONTROL");
    varve *store = scratch_open(copy, 0);
    assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
    assert_true(varve_verify(store, 0, NULL, NULL) > 0);
    varve_close(&store);
    mending_due due = {.from = vf_lsn(w.first_raw, 0), .to = vf_lsn(w.first_raw + 1, 0)};
    assert_true(mending_mends(&w, copy, &due, &report));
    assert_true(told("was damaged before it was packed") && told("LOST here/"));
    /* LOST itself is no more than that. */
    tree_flip(copy, "LOST", 70, 1);
    mending_repair(NULL, copy, 0, &report);
    assert_true(report.result == VARVE_OK && report.done.lost > 0 && report.done.left == 0);
    mending_repair(NULL, copy, 0, &report);
    assert_string_equal(report.text, "");
    tree_remove(copy, "LOST");
    store = scratch_open(copy, 0);
    assert_true(varve_verify(store, 0, NULL, NULL) > 0);
    varve_close(&store);
    scratch_free(copy);
}

/* ---- Another copy's files ---- */

static void a_file_of_a_copy_that_went_its_own_way_does_not_take_the_place_of_its_own(void **state) {
    (void)state;
    char *copy = mending_copy(&w), *twin = mending_copy(&w);
    uint32_t number = 0;
    for (int i = 0; i < 2; i++) {
        varve *store = scratch_open(i == 0 ? twin : copy, 0);
        scratch_append(store, i == 0 ? "twin" : "own", "x", 20);
        assert_int_equal(varve_sync(store), VARVE_OK);
        assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
        number = store->layout->file[store->layout->files - 1]->number;
        varve_close(&store);
    }
    scratch_run("cp '%s/seg/%08u.seg' '%s/seg'", twin, number, copy);
    mending_repair(NULL, copy, 0, &report);
    assert_true(report.result == VARVE_OK && report.done.lost > 0 && told("is not the file that the manifest names"));
    mending_due due = {.from = w.end[1], .to = UINT64_MAX};
    bool good = mending_goes_on(&w, copy, &due);
    scratch_free(copy);
    scratch_free(twin);
    assert_true(good);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_rows_that_are_lost_after_retention_what_can_be_told_is_counted),
        cmocka_unit_test(what_follows_a_lost_segment_is_served_though_the_disk_never_confirmed_it),
        cmocka_unit_test(a_torn_tail_is_no_loss),
        cmocka_unit_test(what_a_failed_sync_left_unconfirmed_is_written_anew),
        cmocka_unit_test(raw_segments_that_are_still_there_stand_in_for_a_packed_one),
        cmocka_unit_test(what_a_recovery_found_lost_is_told_once),
        cmocka_unit_test(a_file_of_a_copy_that_went_its_own_way_does_not_take_the_place_of_its_own),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}

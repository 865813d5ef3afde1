/*
 * Repair: whatever is lost or damaged, what is good is served afterwards, the rest lies in quarantine/, what is lost is told,
 * a dry run tells the same and changes nothing, and a second repair has nothing to do. VARVE_LONG: more of each.
 */
#include "support/mending.h"
#include "support/scratch.h"
#include "support/tree.h"

#include "engine/repair.h"

static mending_store w; /* three packed segments, three raw ones or more */

static int make(void **state) {
    (void)state;
    mending_make(&w, 3);
    return 0;
}

static int unmake(void **state) {
    (void)state;
    mending_free(&w);
    return 0;
}

static const mending_due nothing_lost = {.lossless = true, .reads_same = true};

static void packed_name(char name[32], size_t i) {
    snprintf(name, 32, "seg/%08u.seg", w.number[i]);
}

static void raw_name(char name[32], uint32_t number) {
    snprintf(name, 32, "seg/%08u.log", number);
}

static mending_report report;

static void check(char *copy, const mending_due *due) {
    bool good = mending_mends(&w, copy, due, &report);
    scratch_free(copy);
    assert_true(good);
}

static bool told(const char *words) {
    if (strstr(report.text, words) != NULL)
        return true;
    print_error("it does not say '%s':\n%s", words, report.text);
    return false;
}

static void a_store_without_damage_is_not_changed(void **state) {
    (void)state;
    uint64_t sum = tree_sum(w.path);
    for (uint32_t flags = 0; flags < 2; flags++) {
        mending_repair(NULL, w.path, flags, &report);
        assert_int_equal(report.result, VARVE_OK);
        assert_string_equal(report.text, "");
        assert_true(tree_sum(w.path) == sum);
    }
}

/* ---- CONTROL and the index ---- */

static void find_rows(void *context, const char *name, size_t size) {
    (void)size;
    if (strstr(name, "sessions.r.") != NULL)
        snprintf(context, 300, "%s", name);
}

static void an_index_that_is_lost_or_damaged_is_made_anew(void **state) {
    (void)state;
    char name[300];
    char *copy = mending_copy(&w);
    tree_remove(copy, "idx");
    check(copy, &nothing_lost);
    for (size_t at = 20; at < 256; at += work_long() ? 1 : 113) {
        copy = mending_copy(&w);
        tree_each(copy, find_rows, name);
        tree_flip(copy, name, at, 2);
        check(copy, &nothing_lost);
        assert_true(told("made anew"));
    }
}

static void rows_that_say_something_else_than_the_events_are_made_anew(void **state) {
    (void)state;
    char *copy = mending_copy(&w);
    varve *store = NULL;
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    assert_true(work_open(NULL, copy, 0, &store));
    assert_int_equal(ve_read_row(&store->index, VF_TABLE_SESSIONS, 0, true, image), VARVE_OK);
    vf_hot *hot = (vf_hot *)(void *)image;
    vf_put64(&hot->payload_bytes, 1); /* with a sum that holds */
    vf_row_head head = {0};
    vf_put32(&head.sum, ve_row_sum(VF_TABLE_SESSIONS, 0, image));
    memcpy(image, &head, sizeof head);
    assert_int_equal(ve_place_row(store, &store->index, VF_TABLE_SESSIONS, 0, false, image,
                                  ve_changed(&store->index, VF_TABLE_SESSIONS, 0)),
                     VARVE_OK);
    varve_close(&store);
    check(copy, &nothing_lost);
}

static void a_CONTROL_that_is_lost_or_damaged_is_made_anew(void **state) {
    (void)state;
    char *copy = mending_copy(&w);
    tree_remove(copy, "CONTROL");
    check(copy, &nothing_lost);
    assert_true(told("CONTROL"));
    copy = mending_copy(&w);
    tree_truncate(copy, "CONTROL", 100);
    check(copy, &nothing_lost);
    static const size_t offsets[] = {0, 26, 64, 74, 76, 105};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        copy = mending_copy(&w);
        tree_flip(copy, "CONTROL", offsets[i], 4);
        check(copy, &nothing_lost);
    }
}

static void what_is_no_file_at_all_goes_away(void **state) {
    (void)state;
    char name[32];
    raw_name(name, w.last_raw + 1);
    static const char *const makes[] = {"ln -s /dev/zero", "mkdir", "mkfifo"};
    for (size_t i = 0; i < 3; i++) {
        char *copy = mending_copy(&w);
        tree_remove(copy, "CONTROL");
        if (i < 2)
            scratch_run("cd '%s' && %s CONTROL", copy, makes[i]);
        scratch_run("cd '%s' && %s %s", copy, makes[i], name);
        scratch_run("cd '%s' && %s seg/00000200.seg && %s manifest.77", copy, makes[i], makes[i]);
        mending_repair(NULL, copy, 0, &report);
        bool good = report.result == VARVE_OK && report.done.lost == 0 && mending_goes_on(&w, copy, &nothing_lost);
        if (!good)
            print_error("%s: %s\n", makes[i], report.text);
        scratch_free(copy);
        assert_true(good);
    }
}

/* Neither CONTROL nor an index: that is no damage, and a snapshot that is repaired stays one. */
static void a_snapshot_is_not_changed(void **state) {
    (void)state;
    char *copy = scratch_new();
    varve *store = scratch_open(w.path, 0);
    varve_snapshot_result done = {.size = sizeof done};
    assert_int_equal(varve_snapshot(store, copy, 0, &done), VARVE_OK);
    mending_repair(NULL, copy, 0, &report); /* makes lock files */
    uint64_t sum = tree_sum(copy);
    for (uint32_t flags = 0; flags < 2; flags++) {
        mending_repair(NULL, copy, flags, &report);
        assert_int_equal(report.result, VARVE_OK);
        assert_string_equal(report.text, "");
        assert_true(tree_sum(copy) == sum);
    }
    assert_int_equal(varve_snapshot(store, copy, 0, &done), VARVE_OK);
    varve_close(&store);
    tree_remove(copy, w.manifest);
    check(copy, &nothing_lost);
}

/* ---- STORE ---- */

static void what_may_only_be_read_is_refused(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        char *copy = mending_copy(&w), name[32] = "STORE";
        uint8_t bytes[VF_SEGMENT_HEADER];
        vf_store_file file;
        vf_segment_header header;
        if (i >= 2)
            raw_name(name, w.last_raw);
        tree_read(copy, name, bytes, sizeof bytes, 0);
        memcpy(&file, bytes, sizeof file);
        memcpy(&header, bytes, sizeof header);
        vf_features *features = i >= 2 ? &header.features : &file.features;
        vf_put32(i % 2 == 0 ? &features->read_compat : &features->incompat, 1);
        void *at = i >= 2 ? (void *)&header : (void *)&file;
        vf_put64(i >= 2 ? &header.sum : &file.sum, vf_sum64((uint8_t *)at + 16, sizeof file - 16, 0));
        tree_write(copy, name, at, sizeof file, 0);
        tree_remove(copy, w.manifest);
        uint64_t sum = tree_sum(copy);
        mending_repair(NULL, copy, 0, &report);
        assert_int_equal(report.result, VARVE_E_VERSION);
        assert_true(tree_sum(copy) == sum);
        scratch_free(copy);
    }
}

static void a_STORE_with_a_flipped_bit_is_put_right(void **state) {
    (void)state;
    for (size_t at = 0; at < 250; at += work_long() ? 1 : 67) {
        char *copy = mending_copy(&w);
        tree_flip(copy, "STORE", at, (int)(at % 8));
        check(copy, &nothing_lost);
    }
}

static void a_STORE_that_is_lost_is_made_of_the_segments(void **state) {
    (void)state;
    uint8_t damaged[5000];
    memset(damaged, 7, sizeof damaged);
    for (int i = 0; i < 2; i++) {
        char *copy = mending_copy(&w);
        if (i == 0)
            tree_remove(copy, "STORE");
        else
            tree_write(copy, "STORE", damaged, 4096, 0);
        mending_repair(NULL, copy, 0, &report);
        assert_int_equal(report.done.lost, 0);
        assert_true(told("'here'"));
        assert_true(i == 0 || mending_kept(copy, damaged, 4096));
        varve *store = scratch_open(copy, 0);
        assert_str(varve_machine_id(store), "here");
        varve_close(&store);
        assert_true(mending_goes_on(&w, copy, &nothing_lost));
        scratch_free(copy);
    }
}

static void without_anything_that_tells_whose_it_is_a_store_is_refused(void **state) {
    (void)state;
    char *copy = mending_copy(&w), name[32];
    tree_remove(copy, "STORE");
    mending_store other;
    mending_make(&other, 0);
    raw_name(name, w.last_raw + 1);
    scratch_run("cp '%s/seg/00000001.log' '%s/%s'", other.path, copy, name);
    uint64_t sum = tree_sum(copy);
    mending_repair(NULL, copy, 0, &report);
    assert_int_equal(report.result, VARVE_E_NOT_A_STORE);
    assert_true(told("different stores"));
    assert_true(tree_sum(copy) == sum);
    scratch_run("rm -r '%s'; mkdir '%s' '%s/seg'", copy, copy, copy);
    mending_repair(NULL, copy, 0, &report);
    assert_int_equal(report.result, VARVE_E_NOT_A_STORE);
    scratch_run("rmdir '%s/seg'; rm -f '%s/'LOCK*", copy, copy);
    mending_repair(NULL, copy, 0, &report);
    assert_int_equal(report.result, VARVE_E_NOT_FOUND);
    mending_free(&other);
    scratch_free(copy);
}

/* ---- Manifests ---- */

static void a_manifest_that_is_lost_is_made_of_the_packed_segments(void **state) {
    (void)state;
    char *copy = mending_copy(&w);
    tree_remove(copy, w.manifest);
    check(copy, &nothing_lost);
    assert_true(told("made anew"));
    copy = mending_copy(&w);
    tree_remove(copy, w.manifest);
    tree_remove(copy, "CONTROL");
    tree_remove(copy, "idx");
    check(copy, &nothing_lost);
    uint8_t zeros[64] = {0};
    copy = mending_copy(&w);
    tree_write(copy, w.manifest, zeros, sizeof zeros, 16);
    check(copy, &nothing_lost);
    assert_true(told("goes to quarantine/"));
}

static void a_manifest_with_a_flipped_bit_is_put_right(void **state) {
    (void)state;
    for (size_t at = 0; at < 256; at += work_long() ? 1 : 79) {
        char *copy = mending_copy(&w);
        tree_flip(copy, w.manifest, at, (int)(at % 8));
        check(copy, &nothing_lost);
        assert_true(told("put right"));
    }
}

static void what_a_compaction_left_is_not_taken_in(void **state) {
    (void)state;
    char *copy = mending_copy(&w), name[32];
    packed_name(name, 1);
    tree_remove(copy, w.manifest);
    scratch_run("head -c 3000 '%s/%s' > '%s/seg/00000077.seg'", copy, name, copy); /* unfinished */
    check(copy, &nothing_lost);
    /* Superseded: the manifest is lost, and files that were merged into one are still there. */
    copy = mending_copy(&w);
    scratch_run("mkdir '%s.old'; cp '%s'/seg/*.seg '%s.old'", copy, copy, copy);
    varve *store = scratch_open(copy, 0);
    varve_compact_options all;
    varve_compact_options_init(&all);
    all.flags = VARVE_COMPACT_ALL;
    assert_int_equal(varve_compact(store, &all, NULL), VARVE_OK);
    varve_close(&store);
    scratch_run("cp -n '%s.old'/* '%s/seg'; rm -r '%s.old'; rm '%s'/manifest.*", copy, copy, copy, copy);
    check(copy, &nothing_lost);
    assert_true(told("1"));
}

static void what_a_killed_compaction_left_is_no_damage(void **state) {
    (void)state;
    char *copy = mending_copy(&w), name[32];
    packed_name(name, 1);
    scratch_run("head -c 3000 '%s/%s' > '%s/seg/00000077.seg'", copy, name, copy);
    uint64_t sum = tree_sum(copy);
    mending_repair(NULL, copy, 0, &report);
    assert_string_equal(report.text, "");
    assert_true(tree_sum(copy) == sum);
    scratch_free(copy);
}

/* ---- Packed segments ---- */

static void a_flipped_bit_around_the_blocks_is_put_right(void **state) {
    (void)state;
    char name[32];
    for (uint32_t i = 0; i < (work_long() ? 300 : 6); i++) {
        char *copy = mending_copy(&w);
        size_t f = i % 3, at;
        packed_name(name, f);
        if (i % 4 == 0)
            at = i % VF_PACKED_HEADER;
        else if (i % 4 == 1)
            at = w.tables_at[f] + work_mix(i, 1, 5) % (w.size[f] - VF_PACKED_FOOTER - w.tables_at[f]);
        else
            at = w.size[f] - 1 - work_mix(i, 2, 6) % VF_PACKED_FOOTER;
        tree_flip(copy, name, at, (int)(i % 8));
        check(copy, &nothing_lost);
        assert_true(told("put right"));
    }
}

static void a_header_that_is_lost_is_made_again(void **state) {
    (void)state;
    char name[32];
    uint8_t zeros[VF_PACKED_HEADER] = {0};
    for (size_t f = 0; f < 3; f++) {
        char *copy = mending_copy(&w);
        packed_name(name, f);
        tree_write(copy, name, zeros, sizeof zeros, 0);
        check(copy, &nothing_lost);
    }
}

static void a_footer_that_is_lost_is_made_of_the_tables(void **state) {
    (void)state;
    char name[32];
    uint8_t zeros[VF_PACKED_FOOTER] = {0};
    for (size_t f = 0; f < 3; f++)
        for (int manifest = (int)f % 2; manifest < 2; manifest++) {
            char *copy = mending_copy(&w);
            packed_name(name, f);
            tree_write(copy, name, zeros, sizeof zeros, w.size[f] - sizeof zeros);
            if (manifest == 1)
                tree_remove(copy, w.manifest);
            check(copy, &nothing_lost);
        }
}

static void a_damaged_block_costs_what_stood_there(void **state) {
    (void)state;
    char name[32];
    size_t lost = 0;
    for (uint32_t i = 0; i < (work_long() ? 100 : 5); i++) {
        size_t f = i % 3;
        size_t at = VF_PACKED_HEADER + work_mix(i, 3, 41) % (w.tables_at[f] - VF_PACKED_HEADER);
        uint8_t *bytes = malloc(w.size[f]);
        char *copy = mending_copy(&w);
        packed_name(name, f);
        tree_flip(copy, name, at, (int)(i % 8));
        if (i % 2 == 0) {
            tree_remove(copy, "CONTROL");
            tree_remove(copy, "idx");
        }
        tree_read(copy, name, bytes, w.size[f], 0);
        mending_due due = {.from = w.first[f], .to = w.end[f]};
        bool good = mending_mends(&w, copy, &due, &report) && mending_kept(copy, bytes, w.size[f]);
        lost += report.done.lost > 0;
        assert_true(report.done.lost == 0 || report.done.lost_bytes > 0);
        scratch_free(copy);
        free(bytes);
        assert_true(good);
    }
    assert_true(lost > 0);
}

static void lost_records_are_named_by_session_and_seq(void **state) {
    (void)state;
    char name[32];
    char *copy = mending_copy(&w);
    varve *store = scratch_open(copy, 0);
    ve_packed *file;
    assert_int_equal(ve_layout_file(store, w.first[1], &file), 1);
    const vf_block_entry *entry = vf_packed_item(file->map, &file->footer.blocks, 0, VF_BLOCK_ENTRY);
    size_t at = (size_t)vf_get64(entry->offset) + 8;
    uint32_t records = vf_get32(entry->count);
    varve_close(&store);
    packed_name(name, 1);
    tree_flip(copy, name, at, 1);
    mending_due due = {.from = w.first[1], .to = w.end[1]};
    assert_true(mending_mends(&w, copy, &due, &report));
    assert_true(told("LOST here/shared-0 ") && told("LOST here/own-0-1 "));
    assert_true(report.done.lost_records > records / 2 && report.done.lost_records <= records);
    scratch_free(copy);
}

static void rows_that_are_lost_are_folded_from_the_events(void **state) {
    (void)state;
    char name[32];
    for (size_t f = 0; f < 3; f++)
        for (int power = 0; power < 2; power++) {
            char *copy = mending_copy(&w);
            varve *store = scratch_open(copy, 0);
            ve_packed *file;
            assert_int_equal(ve_layout_file(store, w.first[f], &file), 1);
            const vf_block_entry *entry = vf_packed_item(file->map, &file->footer.rows, 0, VF_BLOCK_ENTRY);
            size_t at = (size_t)vf_get64(entry->offset) + vf_get32(entry->fixed_size) / 2;
            varve_close(&store);
            packed_name(name, f);
            tree_flip(copy, name, at, 1);
            if (power == 1) {
                tree_remove(copy, "CONTROL");
                tree_remove(copy, "idx");
            }
            check(copy, &nothing_lost);
            assert_true(told("made again from the events"));
        }
}

static void a_packed_segment_that_is_missing_costs_what_it_held(void **state) {
    (void)state;
    char name[32];
    for (size_t f = 0; f < 3; f++)
        for (int more = work_long() ? 0 : (int)f; more < 5; more += work_long() ? 1 : 2) {
            char *copy = mending_copy(&w);
            packed_name(name, f);
            if (more == 3) /* cut: its tables are lost, and with them whose the records were */
                tree_truncate(copy, name, w.tables_at[f]);
            else
                tree_remove(copy, name);
            if (more >= 1) {
                tree_remove(copy, "CONTROL");
                tree_remove(copy, "idx");
            }
            if (more == 2)
                tree_remove(copy, w.manifest);
            if (more == 4)
                tree_truncate(copy, w.manifest, 80);
            mending_due due = {.from = w.first[f], .to = w.end[f]};
            check(copy, &due);
            assert_true(report.done.lost > 0 && told("LOST here/shared-"));
        }
}

/* Who it was stood in the first record: the next one that comes says it again. */
static void a_session_whose_name_is_lost_is_named_by_what_comes_next(void **state) {
    (void)state;
    char name[32];
    for (int power = 0; power < 2; power++) {
        char *copy = mending_copy(&w);
        packed_name(name, 0);
        tree_remove(copy, name);
        mending_repair(NULL, copy, 0, &report);
        assert_true(report.result == VARVE_OK && report.done.lost > 0);
        varve *store = scratch_open(copy, 0);
        scratch_append(store, "shared-1", "x", 2);
        scratch_append(store, "shared-1", "y", 1);
        if (power == 1) {
            varve_close(&store);
            tree_remove(copy, "CONTROL");
            tree_remove(copy, "idx");
            store = scratch_open(copy, 0);
        }
        varve_session session = scratch_session(store, "shared-1");
        assert_str(session.session_id, "shared-1");
        assert_true(work_verifies(store, 0));
        varve_close(&store);
        scratch_free(copy);
    }
}

/* ---- Raw segments ---- */

static void a_raw_segment_that_is_missing_costs_what_it_held(void **state) {
    (void)state;
    char name[32];
    for (uint32_t n = w.first_raw; n < w.last_raw; n++)
        for (int power = (int)n % 2; power < (work_long() ? 2 : 1 + (int)n % 2); power++) {
            char *copy = mending_copy(&w);
            raw_name(name, n);
            tree_remove(copy, name);
            if (power == 1) {
                tree_remove(copy, "CONTROL");
                tree_remove(copy, "idx");
            }
            mending_due due = {.from = vf_lsn(n, 0), .to = vf_lsn(n + 1, 0)};
            check(copy, &due);
            assert_true(report.done.lost > 0 && told("LOST here/shared-"));
        }
}

static void the_last_raw_segment_that_is_missing_costs_what_it_held(void **state) {
    (void)state;
    char name[32];
    char *copy = mending_copy(&w);
    raw_name(name, w.last_raw);
    tree_remove(copy, name);
    mending_due due = {.from = vf_lsn(w.last_raw, 0), .to = vf_lsn(w.last_raw + 1, 0)};
    check(copy, &due);
    assert_true(report.done.lost > 0);
}

static void damage_in_a_raw_segment_costs_what_stood_there(void **state) {
    (void)state;
    char name[32];
    for (uint32_t i = 0; i < (work_long() ? 60 : 4); i++) {
        uint32_t n = w.first_raw + i % 2;
        char *copy = mending_copy(&w);
        static uint8_t bytes[64 << 10];
        raw_name(name, n);
        for (uint32_t flips = 0; flips < 1 + i % 3; flips++)
            tree_flip(copy, name, 6000 + work_mix(i, flips, 34) % 40000, 3);
        if (i % 2 == 1) {
            tree_remove(copy, "CONTROL");
            tree_remove(copy, "idx");
        }
        tree_read(copy, name, bytes, 60000, 0);
        mending_due due = {.from = vf_lsn(n, 5000), .to = vf_lsn(n, 60000)};
        bool good = mending_mends(&w, copy, &due, &report);
        assert_true(good && report.done.lost > 0 && report.done.lost_bytes > 0);
        assert_true(told("LOST here/"));
        scratch_free(copy);
    }
}

static void a_raw_header_with_a_flipped_bit_is_put_right(void **state) {
    (void)state;
    char name[32];
    for (uint32_t i = 0; i < (work_long() ? 100 : 5); i++) {
        char *copy = mending_copy(&w);
        raw_name(name, w.first_raw + i % (w.last_raw + 1 - w.first_raw));
        tree_flip(copy, name, i < 6 ? 64 + i : i * 11 % 4096, (int)(i % 8));
        check(copy, &nothing_lost);
        assert_true(told("put right"));
    }
}

static void a_raw_header_that_is_lost_costs_the_segment(void **state) {
    (void)state;
    char name[32];
    uint8_t junk[512];
    memset(junk, 0xa5, sizeof junk);
    char *copy = mending_copy(&w);
    raw_name(name, w.first_raw + 1);
    tree_write(copy, name, junk, sizeof junk, 0);
    mending_due due = {.from = vf_lsn(w.first_raw + 1, 0), .to = vf_lsn(w.first_raw + 2, 0)};
    check(copy, &due);
    assert_true(told("header is damaged"));
}

/* ---- Files that are where they should not be ---- */

static void exchanged_files_get_their_names_back(void **state) {
    (void)state;
    char a[32], b[32], c[32];
    raw_name(a, w.first_raw);
    raw_name(b, w.first_raw + 1);
    raw_name(c, w.first_raw + 2);
    for (int i = 0; i < 4; i++) {
        char *copy = mending_copy(&w);
        if (i >= 2) {
            packed_name(a, 0);
            packed_name(b, 1);
            packed_name(c, 2);
        }
        scratch_run("cd '%s' && mv %s x && mv %s %s && mv x %s", copy, a, b, a, b);
        if (i % 2 == 1)
            scratch_run("cd '%s' && mv %s x && mv %s %s && mv x %s", copy, b, c, b, c);
        check(copy, &nothing_lost);
        assert_true(told("gets its own name back"));
    }
}

static void strangers_go_to_quarantine(void **state) {
    (void)state;
    char name[32];
    mending_store other;
    mending_make(&other, 1);
    char *copy = mending_copy(&w);
    raw_name(name, w.first_raw + 1); /* in the place of one of its own */
    scratch_run("mv '%s/%s' '%s/seg/00000900.log'; cp '%s/seg/%08u.log' '%s/%s'", copy, name, copy, other.path,
                other.last_raw, copy, name);
    scratch_run("cp '%s/seg/%08u.log' '%s/seg/%08u.log'", other.path, other.last_raw, copy, w.last_raw + 1);
    scratch_run("cp '%s/seg/%08u.seg' '%s/seg/00000500.seg'", other.path, other.number[0], copy);
    check(copy, &nothing_lost);
    assert_true(told("another store") && told("own name back"));
    vf_segment_header header; /* in the place of one that is missing, and of the same number */
    raw_name(name, w.first_raw);
    copy = mending_copy(&w);
    tree_read(copy, name, &header, sizeof header, 0);
    header.store_uuid[0] ^= 1;
    vf_segment_seal(&header);
    tree_write(copy, name, &header, sizeof header, 0);
    mending_due due = {.from = vf_lsn(w.first_raw, 0), .to = vf_lsn(w.first_raw + 1, 0)};
    check(copy, &due);
    assert_true(told("another store") && told("LOST here/shared-"));
    mending_free(&other);
    copy = mending_copy(&w);
    raw_name(name, w.first_raw); /* duplicates */
    scratch_run("cp '%s/%s' '%s/seg/99999999.log'; cp '%s/%s' '%s/seg/%08u.log'", copy, name, copy, copy, name, copy,
                w.last_raw + 1);
    check(copy, &nothing_lost);
    assert_true(told("once more"));
}

static void a_packed_segment_of_a_copy_that_went_its_own_way_is_not_taken_in(void **state) {
    (void)state;
    char name[32];
    char *copy = mending_copy(&w), *twin = mending_copy(&w);
    varve *store = scratch_open(twin, 0);
    varve_compact_options options;
    varve_compact_options_init(&options);
    for (int i = 0; i < 3; i++) { /* until it has packed segments with other bytes under the same numbers */
        scratch_append(store, "twin", "x", 20);
        options.flags = VARVE_COMPACT_ALL;
        assert_int_equal(varve_compact(store, &options, NULL), VARVE_OK);
    }
    uint32_t number = store->layout->file[0]->number;
    varve_close(&store);
    packed_name(name, 2);
    scratch_run("cp '%s/seg/%08u.seg' '%s/seg/%08u.seg'", twin, number, copy, number);
    mending_repair(NULL, copy, 0, &report); /* superseded, for all that is known: left to the next compaction */
    assert_int_equal(report.done.lost, 0);
    assert_true(mending_goes_on(&w, copy, &nothing_lost));
    scratch_free(twin);
    scratch_free(copy);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_without_damage_is_not_changed),
        cmocka_unit_test(an_index_that_is_lost_or_damaged_is_made_anew),
        cmocka_unit_test(rows_that_say_something_else_than_the_events_are_made_anew),
        cmocka_unit_test(a_CONTROL_that_is_lost_or_damaged_is_made_anew),
        cmocka_unit_test(what_is_no_file_at_all_goes_away),
        cmocka_unit_test(a_snapshot_is_not_changed),
        cmocka_unit_test(what_may_only_be_read_is_refused),
        cmocka_unit_test(a_STORE_with_a_flipped_bit_is_put_right),
        cmocka_unit_test(a_STORE_that_is_lost_is_made_of_the_segments),
        cmocka_unit_test(without_anything_that_tells_whose_it_is_a_store_is_refused),
        cmocka_unit_test(a_manifest_that_is_lost_is_made_of_the_packed_segments),
        cmocka_unit_test(a_manifest_with_a_flipped_bit_is_put_right),
        cmocka_unit_test(what_a_compaction_left_is_not_taken_in),
        cmocka_unit_test(what_a_killed_compaction_left_is_no_damage),
        cmocka_unit_test(a_flipped_bit_around_the_blocks_is_put_right),
        cmocka_unit_test(a_header_that_is_lost_is_made_again),
        cmocka_unit_test(a_footer_that_is_lost_is_made_of_the_tables),
        cmocka_unit_test(a_damaged_block_costs_what_stood_there),
        cmocka_unit_test(lost_records_are_named_by_session_and_seq),
        cmocka_unit_test(rows_that_are_lost_are_folded_from_the_events),
        cmocka_unit_test(a_packed_segment_that_is_missing_costs_what_it_held),
        cmocka_unit_test(a_session_whose_name_is_lost_is_named_by_what_comes_next),
        cmocka_unit_test(a_raw_segment_that_is_missing_costs_what_it_held),
        cmocka_unit_test(the_last_raw_segment_that_is_missing_costs_what_it_held),
        cmocka_unit_test(damage_in_a_raw_segment_costs_what_stood_there),
        cmocka_unit_test(a_raw_header_with_a_flipped_bit_is_put_right),
        cmocka_unit_test(a_raw_header_that_is_lost_costs_the_segment),
        cmocka_unit_test(exchanged_files_get_their_names_back),
        cmocka_unit_test(strangers_go_to_quarantine),
        cmocka_unit_test(a_packed_segment_of_a_copy_that_went_its_own_way_is_not_taken_in),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}

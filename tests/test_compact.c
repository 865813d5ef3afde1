/*
 * Packing changes nothing that can be read: random histories go into two stores, of which one is compacted at random
 * moments; everything that both answer is the same, from the living handle, without the index, from a copy, and after
 * the index and CONTROL were lost; and appending goes on. VARVE_LONG takes many more histories.
 */
#include "support/dump.h"
#include "support/history.h"
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/pack.h"

typedef struct {
    char *path, *twin_path;
    varve *store, *twin; /* the twin is never compacted */
    uint32_t seed, next; /* batch */
} pair;

static void pair_open(pair *p, uint32_t seed) {
    *p = (pair){.path = scratch_new(), .twin_path = scratch_new(), .seed = seed};
    assert_true(history_open(p->path, 0, &p->store));
    assert_true(history_open(p->twin_path, 0, &p->twin));
}

static void pair_close(pair *p) {
    varve_close(&p->store);
    varve_close(&p->twin);
    scratch_free(p->path);
    scratch_free(p->twin_path);
}

/* Appends a batch to both, or one again that was there. */
static void add(pair *p, uint32_t number) {
    varve_appended done = {.size = sizeof done}, twin_done = done;
    int result = history_add(p->store, p->seed, number, &done), twin = history_add(p->twin, p->seed, number, &twin_done);
    if (result != twin)
        print_error("seed %u batch %u: %d %s\n", p->seed, number, result, varve_last_error(p->store));
    assert_int_equal(result, twin);
    assert_int_equal(done.stored, twin_done.stored);
    assert_int_equal(done.duplicates, twin_done.duplicates);
    if (number < p->next && result == VARVE_OK && history_is_import(p->seed, number))
        assert_int_equal(done.stored, 0);
}

static void add_some(pair *p, uint32_t count) {
    for (uint32_t i = 0; i < count; i++, p->next++) {
        add(p, p->next);
        if (work_mix(p->seed, p->next, 21) % 12 == 0)
            add(p, work_mix(p->seed, p->next, 22) % (p->next + 1));
    }
}

static varve_compacted compact(varve *store, uint32_t flags, uint64_t budget) {
    varve_compact_options options;
    varve_compacted done = {.size = sizeof done};
    varve_compact_options_init(&options);
    options.flags = flags;
    options.budget = budget;
    int result = varve_compact(store, &options, &done);
    if (result < 0)
        print_error("compact: %s\n", varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    return done;
}

static void same(const char *name, const pair *p, varve *store, uint32_t what) {
    char *expected = dump_store(p->twin, what, p->next), *found = dump_store(store, what, p->next);
    bool equal = dump_equal(name, expected, found);
    if (!equal)
        print_error("%s: seed %u, %u batches\n", name, p->seed, p->next);
    free(expected);
    free(found);
    assert_true(equal);
}

static uint32_t packed_files(const varve *store) {
    return (uint32_t)store->layout->files;
}

/* ---- Random histories ---- */

static void compact_somehow(pair *p, uint32_t how) {
    uint32_t flags = how % 5 == 0 ? VARVE_COMPACT_ALL : 0u;
    uint64_t budget = how % 3 == 0 ? 1 + how % 100000 : 0;
    varve_compacted done = compact(p->store, flags, budget);
    if (how % 7 == 0) /* to the end, in small portions */
        for (int i = 0; done.more && i < 1000; i++)
            done = compact(p->store, flags, 1);
    assert_true(budget != 0 || !done.more);
}

static void live(pair *p, uint32_t steps, uint32_t what) {
    for (uint32_t step = 0; step < steps; step++) {
        uint32_t how = work_mix(p->seed, step, 23);
        add_some(p, how % 9);
        if (how / 9 % 3 == 0)
            continue;
        compact_somehow(p, how / 27);
        same("compacted", p, p->store, what);
        if (how % 4 == 0)
            scratch_verify(p->store);
    }
    scratch_verify(p->store);
}

static void whatever_is_packed_reads_as_if_it_were_not(void **state) {
    (void)state;
    for (uint32_t seed = 1; seed <= (work_long() ? 60 : 4); seed++) {
        pair p;
        pair_open(&p, seed);
        live(&p, 24, DUMP_ALL);
        assert_true(packed_files(p.store) > 0 && vf_lsn_segment(ve_tail(p.store)) > 5);
        same("at the end", &p, p.store, DUMP_ALL);
        pair_close(&p);
    }
}

/* ---- Read anew, without what follows from the log ---- */

static void opens_the_same(pair *p, const char *name, const char *path, uint32_t flags) {
    varve *store;
    uint64_t sum = tree_sum(path);
    assert_true(history_open(path, flags, &store));
    same(name, p, store, DUMP_ALL);
    scratch_verify(store);
    varve_close(&store);
    if ((flags & (VARVE_OPEN_READ_ONLY | VARVE_OPEN_NO_INDEX)) != 0)
        assert_int_equal(tree_sum(path), sum);
}

static void the_index_is_made_anew_of_what_is_packed(void **state) {
    (void)state;
    for (uint32_t seed = 101; seed <= (work_long() ? 130 : 103); seed++) {
        pair p;
        pair_open(&p, seed);
        live(&p, 14, DUMP_RECORDS);
        if (seed % 3 == 0) /* nothing is raw: the next segment is yet to be begun */
            compact(p.store, VARVE_COMPACT_ALL, 0);
        opens_the_same(&p, "for reading", p.path, VARVE_OPEN_READ_ONLY);
        opens_the_same(&p, "without index", p.path, VARVE_OPEN_NO_INDEX);
        char *copy = scratch_new();
        tree_copy(p.path, copy, false);
        tree_remove(copy, "CONTROL");
        tree_remove(copy, "idx");
        opens_the_same(&p, "a copy for reading", copy, VARVE_OPEN_READ_ONLY);
        opens_the_same(&p, "a copy", copy, 0);
        scratch_free(copy);
        pair_close(&p);
    }
}

static void appending_and_packing_go_on_when_CONTROL_and_index_were_lost(void **state) {
    (void)state;
    for (uint32_t seed = 201; seed <= (work_long() ? 230 : 203); seed++) {
        pair p;
        pair_open(&p, seed);
        for (uint32_t loss = 0; loss < 6; loss++) {
            live(&p, 4, DUMP_RECORDS);
            if (loss == 2 || loss == 5)
                compact(p.store, VARVE_COMPACT_ALL, 0);
            varve_close(&p.store);
            if (loss % 3 != 1)
                tree_remove(p.path, "CONTROL");
            if (loss % 3 != 0)
                tree_remove(p.path, "idx");
            assert_true(history_open(p.path, 0, &p.store));
            same("behind the loss", &p, p.store, DUMP_RECORDS);
        }
        live(&p, 4, DUMP_ALL);
        pair_close(&p);
    }
}

static void reindexing_changes_nothing(void **state) {
    (void)state;
    pair p;
    pair_open(&p, 301);
    for (int i = 0; i < 3; i++) {
        live(&p, 6, DUMP_RECORDS);
        assert_int_equal(varve_reindex(p.store), VARVE_OK);
        same("reindexed", &p, p.store, DUMP_ALL);
    }
    scratch_verify(p.store);
    pair_close(&p);
}

/* ---- What a compaction answers ---- */

/* A writer that was told so packs when it closes, one that was not does not. */
static void a_closing_writer_packs_what_it_was_told_to(void **state) {
    (void)state;
    for (uint64_t budget = 0; budget <= 1 << 20; budget += 1 << 20) {
        char *path = scratch_new();
        varve_options options;
        varve *store;
        varve_stats stats = {.size = sizeof stats};
        varve_options_init(&options);
        options.segment_size = 64 << 10;
        options.close_budget = budget;
        assert_int_equal(varve_open(path, &options, &store), VARVE_OK);
        for (uint32_t number = 0; number < 100; number++)
            history_add(store, 78, number, NULL);
        varve_close(&store);
        assert_int_equal(varve_open(path, NULL, &store), VARVE_OK);
        assert_int_equal(varve_stat(store, &stats), VARVE_OK);
        assert_int_equal(stats.packed_segments > 0, budget > 0);
        varve_close(&store);
        scratch_free(path);
    }
}

/* Packed segments without index rows are merged: what a deleted session said there is still to be counted. */
static void what_no_rows_count_yet_is_packed_whole(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    varve_batch *batch;
    assert_true(history_open(path, 0, &store));
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    varve_event event = scratch_event("s", "user"), set = scratch_event("s", "");
    event.present = VARVE_HAS_COST;
    event.cost = 7;
    event.str[VARVE_STR_MODEL] = varve_cstr("a-model");
    set.str[VARVE_STR_PARENT_ID] = varve_cstr("parent");
    assert_true(varve_batch_add(batch, &event) >= 0 && varve_batch_set(batch, &set) >= 0);
    set = scratch_event("parent", "");
    assert_true(varve_batch_set(batch, &set) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    for (int i = 0; i < 4; i++)
        scratch_append(store, "other", "Stop", 150);
    compact(store, VARVE_COMPACT_ALL, 1);
    compact(store, VARVE_COMPACT_ALL, 1);
    assert_int_equal(packed_files(store), 2);
    varve_batch_clear(batch);
    assert_true(varve_batch_delete(batch, varve_cstr(NULL), varve_cstr("s")) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_GROUP, NULL), VARVE_OK);
    varve_batch_free(&batch);
    ve_gone gone;
    varve_compacted done = {.size = sizeof done};
    assert_int_equal(ve_pack_lock(store), VARVE_OK);
    assert_int_equal(ve_gone_open(&gone, store), VARVE_OK);
    ve_job job = {.store = store, .gone = &gone, .file = store->layout->file, .files = 2};
    assert_int_equal(ve_pack_job(store, &job, false, VF_TIER_COLD, 0, &done), VARVE_OK);
    ve_gone_close(&gone);
    ve_unlock(store, store->lock_compact);
    assert_int_equal(packed_files(store), 1);
    assert_int_equal(vf_get64(store->layout->file[0]->footer.rows_lsn), 0);
    assert_int_equal(varve_reindex(store), VARVE_OK);
    assert_int_equal(scratch_session(store, "parent").cost_children, 7);
    scratch_verify(store);
    compact(store, VARVE_COMPACT_ALL, 0);
    assert_int_equal(varve_reindex(store), VARVE_OK);
    assert_int_equal(scratch_session(store, "parent").cost_children, 7);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* Everything is packed, also where it does not fit one piece: the budget is the size of a piece. */
static void everything_is_packed_in_pieces(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    varve_stats stats = {.size = sizeof stats};
    assert_true(history_open(path, 0, &store));
    for (uint32_t number = 0; number < 200; number++)
        history_add(store, 77, number, NULL);
    for (int i = 0; i < 100 && compact(store, VARVE_COMPACT_ALL, 300000).more; i++)
        continue;
    assert_int_equal(varve_stat(store, &stats), VARVE_OK);
    assert_int_equal(stats.segments, 0);
    assert_true(stats.packed_segments > 1);
    varve_close(&store);
    scratch_free(path);
}

static void a_budget_ends_a_compaction_and_the_next_goes_on(void **state) {
    (void)state;
    pair p;
    pair_open(&p, 401);
    for (int i = 0; i < 5; i++) { /* five packed segments and something raw */
        add_some(&p, 30);
        assert_int_equal(compact(p.store, 0, 1).made, 1);
    }
    add_some(&p, 30);
    varve_compacted done = compact(p.store, 0, 1);
    assert_true(done.made == 1 && done.more && done.raw_segments > 0);
    same("in portions", &p, p.store, DUMP_RECORDS | DUMP_EVENTS);
    done = compact(p.store, 0, 0);
    assert_true(done.made >= 1 && !done.more && done.packed_segments >= 4 && done.removed_bytes > 0);
    assert_int_equal(compact(p.store, 0, 0).made, 0);
    done = compact(p.store, VARVE_COMPACT_ALL, 0);
    assert_true(done.made == 1 && packed_files(p.store) == 1);
    assert_int_equal(compact(p.store, VARVE_COMPACT_ALL, 0).made, 0);
    same("as one", &p, p.store, DUMP_ALL);
    pair_close(&p);
}

/* Behind a large record a block is begun, and all that goes into it is an event without any text. */
static void a_block_without_texts_is_packed(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    assert_true(history_open(path, 0, &store));
    scratch_append(store, "large", "Stop", 1);
    scratch_append(store, "bare", "Stop", 1);
    compact(store, VARVE_COMPACT_ALL, 0);
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    varve_event event = scratch_event("large", "Stop");
    event.payload = calloc(1, 3 << 20);
    event.payload_size = 3 << 20;
    assert_true(varve_batch_add(batch, &event) >= 0);
    free((void *)(uintptr_t)event.payload);
    event = scratch_event("bare", "Stop");
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
    scratch_append(store, "large", "Stop", 400); /* a segment is full */
    assert_int_equal(compact(store, 0, 0).made, 1);
    scratch_check_seq(store, "bare", 2);
    scratch_check_seq(store, "large", 402);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* Numbers go on for ever, and what is packed leaves a gap before those that are still there. */
static void a_thousand_packed_segments_are_no_gap_in_the_log(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    varve_batch *batch;
    assert_true(history_open(path, 0, &store));
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    varve_event event = scratch_event("large", "Stop");
    event.payload_size = 61000;
    event.payload = calloc(1, event.payload_size);
    assert_true(varve_batch_add(batch, &event) >= 0);
    free((void *)(uintptr_t)event.payload);
    for (int i = 0; i < 1010; i++) {
        assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
        if (i % 200 == 0)
            compact(store, 0, 0);
    }
    compact(store, 0, 0);
    assert_true(vf_lsn_segment(ve_tail(store)) > 1005);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
    varve_close(&store);
    tree_remove(path, "CONTROL");
    tree_remove(path, "idx");
    assert_true(history_open(path, 0, &store));
    scratch_check_seq(store, "large", 1011);
    scratch_append(store, "large", "Stop", 1);
    scratch_check_seq(store, "large", 1012);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void who_may_only_read_does_not_compact(void **state) {
    (void)state;
    pair p;
    pair_open(&p, 402);
    add_some(&p, 10);
    varve *store;
    assert_true(history_open(p.path, VARVE_OPEN_READ_ONLY, &store));
    assert_int_equal(varve_compact(store, NULL, NULL), VARVE_E_READ_ONLY);
    varve_close(&store);
    pair_close(&p);
}

static void an_empty_store_has_nothing_to_compact(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    assert_true(history_open(path, 0, &store));
    assert_int_equal(compact(store, 0, 0).made, 0);
    assert_int_equal(compact(store, VARVE_COMPACT_ALL, 0).made, 0);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_packed_reads_as_if_it_were_not),
        cmocka_unit_test(the_index_is_made_anew_of_what_is_packed),
        cmocka_unit_test(appending_and_packing_go_on_when_CONTROL_and_index_were_lost),
        cmocka_unit_test(reindexing_changes_nothing),
        cmocka_unit_test(a_closing_writer_packs_what_it_was_told_to),
        cmocka_unit_test(everything_is_packed_in_pieces),
        cmocka_unit_test(what_no_rows_count_yet_is_packed_whole),
        cmocka_unit_test(a_budget_ends_a_compaction_and_the_next_goes_on),
        cmocka_unit_test(a_block_without_texts_is_packed),
        cmocka_unit_test(a_thousand_packed_segments_are_no_gap_in_the_log),
        cmocka_unit_test(who_may_only_read_does_not_compact),
        cmocka_unit_test(an_empty_store_has_nothing_to_compact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

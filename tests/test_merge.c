/*
 * What merging promises: whatever is merged, in whatever order, how often, through which stores and
 * with whatever deaths in between, the session records are those that one store would have.
 */
#include "tests/support/deaths.h"
#include "tests/support/merging.h"
#include "tests/support/work.h"

enum { STORES = LIVES_STORES, ORDERS = 6, STEPS = 160, SEEDS = 24 };
static const int orders[ORDERS][STORES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                           {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* ---- Any order, again and again ---- */

static void merged_stores_are_the_same_in_any_order(void **state) {
    (void)state;
    uint64_t seeds = work_long() ? SEEDS * 20 : SEEDS;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        lives h = {.seed = seed, .branches = seed % 2 == 0};
        char *path[STORES], *merged_path[ORDERS], *one_path;
        varve *store[STORES], *merged[ORDERS], *one = merging_new(&one_path, "home");
        for (uint32_t i = 0; i < STORES; i++) {
            store[i] = merging_new(&path[i], "home");
            lives_run(store[i], &h, i, 0, STEPS / 2);
            if (!h.branches)
                lives_run(one, &h, i, 0, STEPS);
        }
        for (int k = 0; k < ORDERS; k++) /* some are merged halfway already */
            merged[k] = merging_new(&merged_path[k], NULL);
        for (int k = 0; k < ORDERS && seed % 4 >= 2; k++)
            for (int i = 0; i < k % 4; i++)
                merging_merge(merged[k], store[orders[k][i]]);
        for (uint32_t i = 0; i < STORES; i++)
            lives_run(store[i], &h, i, STEPS / 2, STEPS);
        for (int k = 0; k < ORDERS; k++) {
            for (int i = 0; i < STORES; i++)
                merging_merge(merged[k], store[orders[k][i]]);
            for (int i = 0; i < STORES; i++)
                merging_adds_nothing(&merged[k], merged_path[k], store[orders[k][i]]);
            if (k > 0)
                lives_same(merged[0], merged[k]);
        }
        if (!h.branches)
            lives_same(one, merged[0]);
        for (int i = 0; i < STORES; i++) { /* and back */
            merging_merge(store[i], merged[i]);
            lives_same(merged[0], store[i]);
            merging_adds_nothing(&merged[i], merged_path[i], store[i]);
            merging_adds_nothing(&store[i], path[i], merged[ORDERS - 1]);
        }
        for (int i = 0; i < STORES; i++)
            merging_end(&store[i], path[i]);
        for (int k = 0; k < ORDERS; k++)
            merging_end(&merged[k], merged_path[k]);
        merging_end(&one, one_path);
    }
}

/* ---- Deaths ---- */

typedef struct {
    const char *path, *from[STORES];
    uint64_t call;
} death;

static bool merge_and_die(void *context) {
    death *d = context;
    varve *store, *from;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    bool good = work_open(&deaths_os, d->path, 0, &store);
    deaths_at_call(d->call, true);
    for (int i = 0; i < STORES && good; i++) {
        good = varve_open(d->from[i], &options, &from) == VARVE_OK &&
               varve_merge(store, from, NULL) == VARVE_OK;
        varve_close(&from);
    }
    varve_close(&store);
    return good;
}

/* What is there came first with whoever was not disturbed. */
static void is_prefix(varve *store, varve *whole) {
    varve_cursor *cursor[2];
    varve_event a, b;
    assert_int_equal(varve_cursor_store(store, 0, VARVE_CURSOR_SETTINGS, &cursor[0]), VARVE_OK);
    assert_int_equal(varve_cursor_store(whole, 0, VARVE_CURSOR_SETTINGS, &cursor[1]), VARVE_OK);
    while (varve_cursor_next(cursor[0], &a) == 1) {
        assert_int_equal(varve_cursor_next(cursor[1], &b), 1);
        assert_int_equal(a.record, b.record);
        assert_int_equal(a.time, b.time);
        assert_memory_equal(&a.uid, &b.uid, sizeof a.uid);
    }
    varve_cursor_close(&cursor[0]);
    varve_cursor_close(&cursor[1]);
}

static void a_merge_that_dies_leaves_a_prefix_and_the_next_goes_on(void **state) {
    (void)state;
    char *path[STORES], *whole_path;
    varve *store[STORES], *whole = merging_new(&whole_path, NULL);
    lives h = {.seed = 6, .branches = true};
    death d = {.call = 1};
    for (uint32_t i = 0; i < STORES; i++) {
        store[i] = merging_new(&path[i], "home");
        lives_run(store[i], &h, i, 0, STEPS);
        d.from[i] = path[i];
        merging_merge(whole, store[i]);
    }
    for (bool died = true; died; d.call += work_long() ? 1 : 43) {
        char *here_path;
        varve *here = merging_new(&here_path, NULL);
        varve_close(&here);
        d.path = here_path;
        int status = work_in_child(merge_and_die, &d);
        died = work_killed(status);
        assert_true(died || work_succeeded(status));
        here = merging_open(here_path, NULL);
        is_prefix(here, whole);
        scratch_verify(here);
        for (int i = 0; i < STORES; i++)
            merging_merge(here, store[i]);
        lives_same(whole, here);
        merging_end(&here, here_path);
    }
    for (int i = 0; i < STORES; i++)
        merging_end(&store[i], path[i]);
    merging_end(&whole, whole_path);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_stores_are_the_same_in_any_order),
        cmocka_unit_test(a_merge_that_dies_leaves_a_prefix_and_the_next_goes_on),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%llu deaths\n", (unsigned long long)work_deaths());
    return result;
}

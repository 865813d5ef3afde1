/*
 * Disks that fail, and disks that lie. A sync that fails is told, what was appended can be read, and what is acknowledged later
 * outlives a power cut with all that was before it. If a disk confirms what it has not written, the loss of what was
 * acknowledged is reported whenever anything that is left tells of it.
 */
#include "support/failures.h"
#include "support/power.h"
#include "support/scratch.h"
#include "support/work.h"

#include <errno.h>

/* One life in which the n-th sync fails. */
static power life_with(const char *steps, uint64_t n, bool fails_on, uint32_t seed, uint32_t calls_per_cut, power *sum) {
    power p = {.steps = steps, .seed = seed, .calls_per_cut = calls_per_cut, .syncs_per_cut = 24, .depth = 2, .sync_to_fail = n,
               .fails_on = fails_on};
    bool good = power_run(&p);
    if (!good)
        print_error("with sync %llu failing\n", (unsigned long long)n);
    assert_true(good);
    sum->cuts += p.cuts;
    sum->failed += p.failed;
    sum->mended += p.mended;
    return p;
}

/* Where it is the step 'most_in' that it makes fail (0: none), power is cut more often. */
static void each_sync_fails(const char *steps, uint64_t most, bool fails_on, char most_in) {
    power sum = {0};
    for (uint64_t n = 1; n <= most; n++)
        if (life_with(steps, n, fails_on, (uint32_t)n, 240, &sum).failed_in == most_in && most_in != 0)
            for (uint32_t seed = 1; seed <= 5; seed++)
                life_with(steps, n, fails_on, seed, 5, &sum);
    print_message("%s: %llu steps failed, %llu confirmed afterwards, %llu power cuts\n", steps, (unsigned long long)sum.failed,
                  (unsigned long long)sum.mended, (unsigned long long)sum.cuts);
    assert_true(sum.failed > most / 3 && (fails_on || sum.mended > 0));
}

static void a_sync_that_fails_is_told_and_what_follows_is_not_confirmed_for_it(void **state) {
    (void)state;
    each_sync_fails("gaagagaaaaagyagaag", work_long() ? 24 : 14, false, 0);
    each_sync_fails("gaagagaaaaagyag", work_long() ? 20 : 5, true, 0);
}

static void a_sync_that_fails_within_a_longer_task_costs_nothing(void **state) {
    (void)state;
    each_sync_fails("aaagacagsaaCagraagfas", work_long() ? 90 : 30, false, 0);
    each_sync_fails("aaaaaaaaaaaaagccag", 16, false, 'c'); /* a manifest that was not confirmed, and nothing more to pack */
}

static void a_lie_of_the_disk_is_told_when_anything_tells_of_it(void **state) {
    (void)state;
    power sum = {0};
    uint32_t seeds = work_long() ? 400 : 20;
    const char *seed = getenv("VARVE_SEED");
    for (uint32_t i = seed == NULL ? 1 : (uint32_t)strtoul(seed, NULL, 10), n = 0; n < (seed == NULL ? seeds : 1); n++, i++) {
        power p = {.steps = "gagaggaaggagaggaaaggaagagagaggga", .seed = i, .lies_from = 2 + i % 12};
        assert_true(power_run(&p));
        sum.cuts += p.cuts;
        sum.told += p.told;
        sum.untold += p.untold;
    }
    print_message("%llu power cuts: %llu losses told, %llu of which nothing is left to tell\n", (unsigned long long)sum.cuts,
                  (unsigned long long)sum.told, (unsigned long long)sum.untold);
    assert_true(sum.told > 20);
}

/* A reader cannot have it written anew, nor tell others what the disk says to it. */
static void a_reader_shares_nothing_with_a_snapshot_that_is_not_confirmed(void **state) {
    (void)state;
    char *path = scratch_new(), copy[300];
    work_book *book = work_book_new();
    varve *store = NULL, *reader = NULL;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    varve_snapshot_result done = {.size = sizeof done};
    snprintf(copy, sizeof copy, "%s-copy", path);
    failures_at(0, 0, false);
    assert_true(work_open(&failures_os, path, 0, &store));
    for (uint32_t i = 0; i < 30; i++)
        assert_true(work_append(store, book, 0, i, VARVE_NONE));
    failures_of_syncs(1, EIO);
    assert_int_equal(varve_sync(store), VARVE_E_SYNC_FAILED);
    failures_at(0, 0, false);
    assert_int_equal(varve_open(path, &options, &reader), VARVE_OK);
    assert_int_equal(varve_snapshot(reader, copy, 0, &done), VARVE_OK);
    assert_true(done.linked_files == 0 && done.copied_files >= 3);
    assert_int_equal(varve_sync(store), VARVE_OK);
    scratch_run("rm -r '%s'", copy);
    assert_int_equal(varve_snapshot(reader, copy, 0, &done), VARVE_OK);
    assert_true(done.linked_files >= 3 && done.copied_files == 1);
    varve_close(&reader);
    varve_close(&store);
    work_book_free(book);
    scratch_free(path);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sync_that_fails_is_told_and_what_follows_is_not_confirmed_for_it),
        cmocka_unit_test(a_sync_that_fails_within_a_longer_task_costs_nothing),
        cmocka_unit_test(a_reader_shares_nothing_with_a_snapshot_that_is_not_confirmed),
        cmocka_unit_test(a_lie_of_the_disk_is_told_when_anything_tells_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

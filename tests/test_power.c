/*
 * Power cuts: whatever of all that waits for the disk is found afterwards, the store holds what some number of whole appends
 * made of it, all that was acknowledged among them; session records are those of just these events; and it goes on. Power is
 * cut again while it is read, and again. See support/disk.h for what a cut may do, support/power.h for the steps.
 *
 * VARVE_SEED repeats one seed; VARVE_LONG takes many, and cuts more often.
 */
#include "support/power.h"
#include "support/scratch.h"
#include "support/work.h"

#include <time.h>

static uint64_t all_cuts, all_recoveries;

static void live(const char *steps, uint32_t seeds) {
    const char *told = getenv("VARVE_SEED");
    const char *times = getenv("VARVE_TIMES");
    uint32_t first = told != NULL ? (uint32_t)strtoul(told, NULL, 10) : 1;
    uint32_t count = told != NULL ? 1 : work_long() ? seeds * (times != NULL ? (uint32_t)strtoul(times, NULL, 10) : 40) : seeds;
    uint64_t cuts = 0, recoveries = 0;
    for (uint32_t seed = first; seed < first + count; seed++) {
        power p = {.steps = steps, .seed = seed, .calls_per_cut = 12, .syncs_per_cut = 2, .depth = 3};
        assert_true(power_run(&p));
        cuts += p.cuts;
        recoveries += p.recoveries;
    }
    print_message("%s: %llu power cuts, %llu recoveries\n", steps, (unsigned long long)cuts, (unsigned long long)recoveries);
    all_cuts += cuts;
    all_recoveries += recoveries;
}

static void appends_and_new_segments(void **state) {
    (void)state;
    live("gaaagalagyaaaagagaaaoalaagaagyaaagaaalaaaagalgaaagaoaag", 1);
}

static void forks_rewinds_and_deletions(void **state) {
    (void)state;
    live("gaagbgaawagaxbaagaawgobaagxaaagwbay", 1);
}

static void compactions(void **state) {
    (void)state;
    live("aaagaacagaaacaaaagcaaaaaagcaaagcaaaaagCaaaaaaaapgaaaaaaaaaaaappaaC", 1);
}

static void deletions_and_compactions(void **state) {
    (void)state;
    live("aaaaaaaaagCaxcaxcaaxcxcCxcag", 1);
}

static void retentions(void **state) {
    (void)state;
    live("aagaaaagaarcaaagaaaaarCaaagaakaaacaagaaaaakaC", 1);
}

static void forgetting(void **state) {
    (void)state;
    live("aagaaagafaaagcaaaafaaagaCaaafag", 1);
}

static void snapshots(void **state) {
    (void)state;
    live("aagsaaaasaagaascaaagsaCsaaaacaaaasaas", 1);
}

static void merges(void **state) {
    (void)state;
    live("aagaamaacagmaaagCmaaag", 1);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_new_segments),
        cmocka_unit_test(forks_rewinds_and_deletions),
        cmocka_unit_test(compactions),
        cmocka_unit_test(deletions_and_compactions),
        cmocka_unit_test(retentions),
        cmocka_unit_test(forgetting),
        cmocka_unit_test(snapshots),
        cmocka_unit_test(merges),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%llu power cuts, %llu recoveries\n", (unsigned long long)all_cuts, (unsigned long long)all_recoveries);
    return result;
}

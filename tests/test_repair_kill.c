/*
 * A repair that dies at any system call, or of which any call fails: whatever it had done, another repair finishes, the store
 * then answers as if it had been repaired at once, and no descriptor is lost. VARVE_LONG takes every call, else a sample.
 */
#include "support/deaths.h"
#include "support/dump.h"
#include "support/failures.h"
#include "support/mending.h"
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/repair.h"

#include <errno.h>

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

/* ---- Damage ---- */

static void exchanged_and_without_manifest(const char *path) {
    scratch_run("cd '%s/seg' && mv %08u.log x && mv %08u.log %08u.log && mv x %08u.log", path, w.first_raw, w.first_raw + 1,
                w.first_raw, w.first_raw + 1);
    tree_remove(path, w.manifest);
}

static void identity_and_headers_lost(const char *path) {
    char name[32];
    uint8_t zeros[VF_PACKED_HEADER] = {0};
    tree_remove(path, "STORE");
    tree_remove(path, "CONTROL");
    snprintf(name, sizeof name, "seg/%08u.seg", w.number[0]);
    tree_write(path, name, zeros, sizeof zeros, 0);
    snprintf(name, sizeof name, "seg/%08u.log", w.last_raw);
    tree_flip(path, name, 66, 3);
}

static void packed_and_raw_damaged(const char *path) {
    char name[32];
    snprintf(name, sizeof name, "seg/%08u.seg", w.number[1]);
    tree_flip(path, name, VF_PACKED_HEADER + w.tables_at[1] / 3, 1);
    snprintf(name, sizeof name, "seg/%08u.log", w.first_raw);
    tree_flip(path, name, 20000, 1);
    tree_flip(path, w.manifest, 70, 1);
}

static void missing_and_stray(const char *path) {
    char name[32];
    snprintf(name, sizeof name, "seg/%08u.seg", w.number[0]);
    tree_remove(path, name);
    snprintf(name, sizeof name, "seg/%08u.log", w.first_raw + 1);
    scratch_run("mv '%s/%s' '%s/seg/00009000.log'; head -c 5000 /dev/zero | tr '\\0' 'x' > '%s/%s'", path, name, path, path, name);
}

static void index_lost(const char *path) {
    tree_remove(path, "idx");
}

typedef struct {
    const char *name;
    void (*damage)(const char *path);
    char *path, *dump;
} scenario;

static scenario scenarios[] = {
    {.name = "exchanged and without manifest", .damage = exchanged_and_without_manifest},
    {.name = "identity and headers lost", .damage = identity_and_headers_lost},
    {.name = "packed and raw damaged", .damage = packed_and_raw_damaged},
    {.name = "missing and stray", .damage = missing_and_stray},
    {.name = "index lost", .damage = index_lost},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

static char *dump_of(const char *path) {
    varve *store = NULL;
    if (!work_open(NULL, path, 0, &store))
        return NULL;
    char *dump = work_verifies(store, 0) ? dump_store(store, DUMP_RECORDS | DUMP_EVENTS, 1) : NULL;
    varve_close(&store);
    return dump;
}

static void prepare(scenario *s) {
    s->path = mending_copy(&w);
    s->damage(s->path);
    char *repaired = scratch_new();
    tree_copy(s->path, repaired, access(s->path, F_OK) == 0);
    mending_repair(NULL, repaired, 0, &report);
    s->dump = report.result == VARVE_OK ? dump_of(repaired) : NULL;
    if (s->dump == NULL)
        print_error("%s: %s", s->name, report.text);
    assert_non_null(s->dump);
    scratch_free(repaired);
}

static void drop(scenario *s) {
    scratch_free(s->path);
    free(s->dump);
}

/* Another repair finishes; then there is nothing more to do. */
static bool finishes(const scenario *s, const char *path) {
    mending_repair(NULL, path, 0, &report);
    if (report.result < 0 || report.done.left > 0)
        return work_wrong("the second repair:\n%s", report.text);
    char *found = dump_of(path);
    bool good = found != NULL && dump_equal("repaired", s->dump, found);
    free(found);
    mending_repair(NULL, path, 0, &report);
    if (good && (report.result < 0 || report.text[0] != 0))
        good = work_wrong("the third repair:\n%s", report.text);
    return good;
}

/* ---- Deaths ---- */

typedef struct {
    const char *path;
    uint64_t call;
    bool halfway;
} death;

static bool repair_and_die(void *context) {
    const death *d = context;
    deaths_at_call(d->call, d->halfway);
    mending_repair(&deaths_os, d->path, 0, &report);
    deaths_at_call(0, false);
    return report.result == VARVE_OK || work_wrong("%s", report.text);
}

static bool die_at(const scenario *s, uint64_t call) {
    char *path = scratch_new();
    tree_copy(s->path, path, true);
    death d = {path, call, call % 2 == 0};
    int status = work_in_child(repair_and_die, &d);
    bool good = (work_killed(status) || work_succeeded(status)) && finishes(s, path);
    if (!good)
        print_error("death at call %llu of a repair: %s\n", (unsigned long long)call, s->name);
    scratch_free(path);
    assert_true(good);
    return work_killed(status);
}

static void a_repair_that_dies_at_any_call_is_finished_by_another(void **state) {
    (void)state;
    uint64_t step = work_long() ? 1 : 47;
    for (size_t i = 0; i < SCENARIOS; i++) {
        scenario *s = &scenarios[i];
        prepare(s);
        for (uint64_t call = 1 + i; die_at(s, call); call += step)
            continue;
        drop(s);
    }
}

/* ---- Failures ---- */

static bool fail_at(const scenario *s, uint64_t call, int error, bool lasting) {
    char *path = scratch_new();
    tree_copy(s->path, path, true);
    int before = tidy_descriptors();
    failures_at(call, error, lasting);
    mending_repair(&failures_os, path, 0, &report);
    bool reached = failures_calls() >= call;
    failures_at(0, 0, false);
    bool good = tidy_descriptors() == before || work_wrong("%d descriptors, %d before", tidy_descriptors(), before);
    good = good && finishes(s, path);
    if (!good)
        print_error("call %llu of a repair fails%s (%s): %s\n", (unsigned long long)call, lasting ? " for good" : "",
                    strerror(error), s->name);
    scratch_free(path);
    assert_true(good);
    return reached;
}

static void fail_everywhere(int error, bool lasting, uint64_t start) {
    uint64_t step = work_long() ? 1 : 97;
    for (size_t i = 0; i < SCENARIOS; i++) {
        scenario *s = &scenarios[i];
        prepare(s);
        for (uint64_t call = start + i; fail_at(s, call, error, lasting); call += step)
            continue;
        drop(s);
    }
}

static void any_call_of_a_repair_may_fail(void **state) {
    (void)state;
    fail_everywhere(EIO, false, 1);
}

static void any_call_of_a_repair_may_lack_memory(void **state) {
    (void)state;
    fail_everywhere(ENOMEM, false, 12);
}

static void the_disk_may_be_full_from_any_call_of_a_repair_on(void **state) {
    (void)state;
    fail_everywhere(ENOSPC, true, 25);
}

/* ---- Others ---- */

static void a_repair_waits_for_writers_and_says_so(void **state) {
    (void)state;
    char *path = mending_copy(&w), error[300] = "";
    varve *store = scratch_open(path, 0);
    varve_options options;
    varve_options_init(&options);
    options.lock_timeout_ms = 5;
    options.error = error;
    options.error_size = sizeof error;
    assert_int_equal(ve_lock(store, store->lock_append, "LOCK.append"), VARVE_OK);
    for (uint32_t flags = 0; flags < 2; flags++)
        assert_int_equal(varve_repair(path, &options, flags, NULL, NULL, NULL), VARVE_E_BUSY);
    assert_non_null(strstr(error, "LOCK.append"));
    ve_unlock(store, store->lock_append);
    assert_int_equal(varve_repair(path, &options, 0, NULL, NULL, NULL), VARVE_OK);
    varve_close(&store);
    scratch_free(path);
}

/* Handles that were open all the while: what they append is not lost with files that went to quarantine. */
static void writers_that_were_there_before_go_on(void **state) {
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        scenario *s = &scenarios[i];
        if (s->damage == identity_and_headers_lost) /* another hash seed: it is another store to them */
            continue;
        char *path = mending_copy(&w);
        varve *store = NULL, *later = NULL;
        assert_true(work_open(NULL, path, 0, &store));
        scratch_append(store, "living", "x", 1);
        s->damage(path);
        mending_repair(NULL, path, 0, &report);
        assert_int_equal(report.result, VARVE_OK);
        scratch_append(store, "living", "x", 2);
        assert_true(work_open(NULL, path, 0, &later));
        scratch_append(later, "living", "x", 3);
        scratch_append(store, "living", "x", 4);
        bool good = work_verifies(later, 0);
        if (!good)
            print_error("%s\n", s->name);
        assert_true(good);
        scratch_check_seq(later, "living", 10);
        scratch_check_seq(store, "living", 10);
        varve_close(&store);
        varve_close(&later);
        scratch_free(path);
    }
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repair_that_dies_at_any_call_is_finished_by_another),
        cmocka_unit_test(any_call_of_a_repair_may_fail),
        cmocka_unit_test(any_call_of_a_repair_may_lack_memory),
        cmocka_unit_test(the_disk_may_be_full_from_any_call_of_a_repair_on),
        cmocka_unit_test(a_repair_waits_for_writers_and_says_so),
        cmocka_unit_test(writers_that_were_there_before_go_on),
    };
    int result = cmocka_run_group_tests(tests, make, unmake);
    printf("%llu deaths\n", (unsigned long long)work_deaths());
    return result;
}

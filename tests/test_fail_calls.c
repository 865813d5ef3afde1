/*
 * System calls that fail, the n-th for every n, and memory that is not there, in everything that is done to a store: what was
 * asked for is done or is not, and if not a line says why; the store answers as before, to the same handle and to others; done
 * again it succeeds; nothing acknowledged is missing. No descriptor, map or lock is left. Then the same in the recovery from
 * what a failure left.
 *
 * VARVE_LONG takes every call with every error, else a sample.
 */
#include "support/dump.h"
#include "support/failures.h"
#include "support/power.h"
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/recover.h"
#include "engine/store.h"

#include <errno.h>

static const int errors[] = {EIO, ENOSPC, EDQUOT, EINTR, EMFILE, ENOMEM, FAILURES_SHORT, FAILURES_MEMORY};
enum { ERRORS = sizeof errors / sizeof *errors };
static uint64_t tried;

/* A store after some steps, and the step that is to fail. */
typedef struct {
    const char *steps;
    uint32_t step; /* the last one */
    char letter;
    char *path, base[300];
    char *before, *after; /* what the store tells */
} scene;

typedef struct {
    const scene *s;
    char *path, snapshot[320];
    uint64_t call;
    int error;
    bool reached;
} trial;

static int open_at(const char *path, uint32_t flags, char error[300], varve **ret_store) {
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    options.segment_size = 64 << 10;
    options.machine_id = varve_cstr("here");
    options.lock_timeout_ms = 1; /* who must wait for a lock has met one that was left */
    options.error = error;
    options.error_size = 300;
    error[0] = 0;
    return ve_open(&failures_os, path, &options, ret_store);
}

static bool opens(const char *path, uint32_t flags, varve **ret_store) {
    char error[300];
    int result = open_at(path, flags, error, ret_store);
    return result == VARVE_OK || work_wrong("open: %d %s", result, error);
}

static int step(const scene *s, const char *snapshot, varve *store) {
    failures_now(power_minute(s->step + 10));
    power_place place = {s->steps, s->step, s->base, snapshot};
    return power_step(store, &place);
}

/* The index of what was appended could not be made: whoever writes next does it, before anything else. */
static bool follows(varve *store) {
    if (ve_control(store) == NULL || ve_word(&ve_control(store)->applied) == ve_word(&ve_control(store)->tail))
        return true;
    int result = ve_lock(store, store->lock_append, "LOCK.append");
    if (result == VARVE_OK) {
        result = ve_catch_up(store);
        ve_unlock(store, store->lock_append);
    }
    return result == VARVE_OK || work_wrong("the index does not follow: %d %s", result, varve_last_error(store));
}

/* As before the step or as after it; *ret_done: which. */
static bool tells(const scene *s, const char *who, varve *store, bool *ret_done) {
    if (!follows(store))
        return false;
    char *told = power_told(store);
    bool before = strcmp(told, s->before) == 0, after = strcmp(told, s->after) == 0;
    *ret_done = after;
    if (!before && !after && !power_is_long(s->letter)) {
        dump_equal("before", s->before, told);
        dump_equal("after", s->after, told);
        work_wrong("%s tells something that is neither; tail %llx applied %llx", who, (unsigned long long)ve_tail(store), (unsigned long long)ve_word(&store->control->applied));
    }
    free(told);
    return before || after || power_is_long(s->letter);
}

static bool finishes(const trial *t, const char *who, varve *store) {
    bool done;
    if (!tells(t->s, who, store, &done))
        return false;
    bool appends = strchr("agbwx", t->s->letter) != NULL;
    int result = done && appends ? VARVE_OK : step(t->s, t->snapshot, store);
    if (result < 0)
        return work_wrong("%s: again: %d %s", who, result, varve_last_error(store));
    char *told = power_told(store);
    bool good = dump_equal(who, t->s->after, told);
    free(told);
    return good && work_verifies_but_for_a_sync(store);
}

/* The handle that failed answers; another one finishes what was asked for; then the first one sees it, and appends. */
static bool goes_on(const trial *t, varve *store) {
    bool done;
    varve *other = NULL;
    bool good = tells(t->s, "the handle that failed", store, &done) && opens(t->path, 0, &other) &&
                finishes(t, "another handle", other) && finishes(t, "the handle that failed", store);
    int result = good ? power_append(store, "a", 0, VARVE_GROUP) : VARVE_OK;
    if (result < 0)
        good = work_wrong("append: %d %s", result, varve_last_error(store));
    good = good && work_verifies(store, 0);
    varve_close(&other);
    return good;
}

static bool gives_back(int descriptors) {
    if (failures_descriptors() != 0 || failures_maps() != 0 || tidy_descriptors() != descriptors)
        return work_wrong("%d descriptors and %d maps are left, %d descriptors in all of %d", failures_descriptors(), failures_maps(),
                          tidy_descriptors(), descriptors);
    return true;
}

static void name_it(const trial *t, const char *what) {
    tried++;
    print_error("%s %llu of the last step of %s: %s\n", what, (unsigned long long)t->call, t->s->steps,
                t->error == FAILURES_SHORT    ? "half of the bytes"
            : t->error == FAILURES_MEMORY ? "no memory"
                                          : strerror(t->error));
}

static void begin_trial(trial *t, const scene *s, uint64_t call, int error) {
    *t = (trial){.s = s, .path = scratch_new(), .call = call, .error = error};
    tree_copy(s->path, t->path, true);
    snprintf(t->snapshot, sizeof t->snapshot, "%.*s/snapshot", (int)(strlen(t->path) - strlen("/store")), t->path);
}

/* ---- A step ---- */

/* Batches, and stores that are merged, answer without this one; all else leaves a line. */
static bool says_why(const trial *t, const varve *store, int result) {
    const char *line = varve_last_error(store);
    bool elsewhere = result == VARVE_E_NO_MEMORY && t->error == FAILURES_MEMORY && strchr("agbwxm", t->s->letter) != NULL;
    return (line[0] != 0 || elsewhere) && strchr(line, '\n') == NULL;
}

static bool fails_once(const scene *s, uint64_t call, int error) {
    trial t;
    varve *store = NULL;
    int descriptors = tidy_descriptors();
    begin_trial(&t, s, call, error);
    failures_at(0, 0, false);
    bool good = opens(t.path, 0, &store);
    failures_at(call, error, false);
    int result = good ? step(s, t.snapshot, store) : 0;
    t.reached = failures_calls() >= call;
    failures_at(0, 0, false);
    if (good && result < 0 && !says_why(&t, store, result))
        good = work_wrong("no line says why: %d", result);
    good = good && goes_on(&t, store);
    varve_close(&store);
    good = good && gives_back(descriptors);
    if (!good)
        name_it(&t, "call");
    assert_true(good);
    scratch_free(t.path);
    tried++;
    return t.reached;
}

static void scene_begin(scene *s, const char *steps) {
    varve *store = NULL;
    char snapshot[320];
    *s = (scene){.steps = steps, .step = (uint32_t)strlen(steps) - 1, .path = scratch_new()};
    s->letter = steps[s->step];
    snprintf(s->base, sizeof s->base, "%.*s", (int)(strlen(s->path) - strlen("/store")), s->path);
    snprintf(snapshot, sizeof snapshot, "%s/snapshot", s->base);
    failures_at(0, 0, false);
    assert_true(power_make_others(steps, s->base) && opens(s->path, 0, &store));
    for (uint32_t i = 0; i < s->step; i++) {
        power_place place = {steps, i, s->base, snapshot};
        assert_int_equal(power_step(store, &place), VARVE_OK);
    }
    s->before = power_told(store);
    varve_close(&store);
    char *copy = scratch_new();
    tree_copy(s->path, copy, true);
    snprintf(snapshot, sizeof snapshot, "%.*s/snapshot", (int)(strlen(copy) - strlen("/store")), copy);
    assert_true(opens(copy, 0, &store));
    assert_int_equal(step(s, snapshot, store), VARVE_OK);
    s->after = power_told(store);
    varve_close(&store);
    scratch_free(copy);
}

static void scene_end(scene *s) {
    free(s->before);
    free(s->after);
    scratch_free(s->path);
}

/* How far apart those that fail are in the short form: what is asked for less often fails more often. */
static uint64_t step_of(uint64_t step_size, int error) {
    return work_long() ? 1 : error == FAILURES_MEMORY ? 1 + step_size / 6 : error == FAILURES_SHORT ? 1 + step_size / 11 : step_size;
}

static void fail_in(const char *steps, uint64_t step_size) {
    scene s;
    scene_begin(&s, steps);
    uint64_t calls = 0;
    for (int e = 0; e < ERRORS; e++) {
        uint64_t step = step_of(step_size, errors[e]);
        for (uint64_t call = 1 + (uint64_t)e * 3 % step; fails_once(&s, call, errors[e]); call += step)
            calls = call > calls ? call : calls;
    }
    print_message("%s: %llu calls\n", steps, (unsigned long long)calls);
    assert_true(calls > 2 || strchr("y", s.letter) != NULL);
    scene_end(&s);
}

static void an_append_that_fails_is_as_if_it_never_was_or_is_there(void **state) {
    (void)state;
    fail_in("aaaaga", 9);
    fail_in("aaaagag", 9);
    fail_in("aaaaaaaaaag", 11);
    fail_in("aaaay", 2);
    fail_in("aab", 7);
}

static void a_compaction_that_fails_changes_nothing(void **state) {
    (void)state;
    fail_in("aaaaaaaaaaaaaaac", 29);
    fail_in("aaaaaaaaaacaaaaaaaaaC", 31);
}

static void a_retention_that_fails_is_finished_by_the_next(void **state) {
    (void)state;
    fail_in("aaaaaaaaaacaaaaaar", 43);
    fail_in("aaaaaaaaaacaaaaaak", 43);
}

static void an_erasure_that_fails_is_finished_by_the_next(void **state) {
    (void)state;
    fail_in("aaaaaaaaaacaaaaaaf", 47);
}

static void a_snapshot_that_fails_is_completed_by_the_next(void **state) {
    (void)state;
    fail_in("aaaaaaaaaacaaaaaas", 23);
}

static void a_merge_that_fails_is_finished_by_the_next(void **state) {
    (void)state;
    fail_in("aaagaam", 13);
}

/* ---- Opening ---- */

/* How a store is found. */
typedef enum { NO_STORE, AS_IT_WAS, OTHER_BOOT, NO_INDEX, READ_ONLY, READ_ONLY_OTHER_BOOT, STATES } found_as;

static void set_state(trial *t, found_as state) {
    failures_boot(state == OTHER_BOOT || state == READ_ONLY_OTHER_BOOT ? 9 : 0);
    if (state == NO_INDEX)
        tree_remove(t->path, "idx");
    if (state == NO_STORE)
        scratch_run("rm -r '%s'", t->path);
}

static bool open_fails_once(const scene *s, found_as state, uint64_t call, int error) {
    trial t;
    varve *store = NULL;
    char why[300];
    int descriptors = tidy_descriptors();
    begin_trial(&t, s, call, error);
    set_state(&t, state);
    uint32_t flags = state >= READ_ONLY ? VARVE_OPEN_READ_ONLY : 0;
    failures_at(call, error, false);
    int result = open_at(t.path, flags, why, &store);
    t.reached = failures_calls() >= call;
    failures_at(0, 0, false);
    bool done = false, good = result == VARVE_OK || (why[0] != 0 && strchr(why, '\n') == NULL) || work_wrong("no line says why: %d", result);
    if (good && result == VARVE_OK && state != NO_STORE)
        good = tells(s, "the handle", store, &done) && work_verifies_but_for_a_sync(store);
    varve_close(&store);
    good = good && gives_back(descriptors) && opens(t.path, 0, &store);
    if (good)
        good = state == NO_STORE ? power_append(store, "a", 0, VARVE_GROUP) == VARVE_OK && work_verifies(store, 0)
                                 : finishes(&t, "the next handle", store);
    varve_close(&store);
    failures_boot(0);
    if (!good)
        print_error("found as %d: ", state), name_it(&t, "opening before");
    assert_true(good);
    scratch_free(t.path);
    tried++;
    return t.reached;
}

static void open_failing(const char *steps, uint64_t step_size) {
    scene s;
    scene_begin(&s, steps);
    for (found_as state = NO_STORE; state < STATES; state++)
        for (int e = 0; e < ERRORS; e++) {
            uint64_t step = step_of(step_size, errors[e]);
            for (uint64_t call = 1 + (uint64_t)(e * 5 + (int)state) % step; open_fails_once(&s, state, call, errors[e]); call += step)
                continue;
        }
    scene_end(&s);
}

static void an_opening_that_fails_says_why_and_the_next_succeeds(void **state) {
    (void)state;
    open_failing("aagaaa", 17);
    open_failing("aaaaaaaaaacaaaaaaaa", 41);
}

/* What a failed step left is found by another boot, and its recovery fails as well. */
static bool recovery_fails(const scene *s, uint64_t call, int error, uint64_t again, bool *ret_reached) {
    trial t;
    varve *store = NULL;
    char why[300];
    int descriptors = tidy_descriptors();
    begin_trial(&t, s, call, error);
    bool good = opens(t.path, 0, &store);
    failures_at(call, error, false);
    if (good)
        step(s, t.snapshot, store);
    *ret_reached = failures_calls() >= call;
    failures_at(0, 0, false);
    varve_close(&store);
    failures_boot(9);
    failures_at(again, error, false);
    int result = good ? open_at(t.path, 0, why, &store) : 0;
    t.reached = failures_calls() >= again;
    failures_at(0, 0, false);
    good = good && (result == VARVE_OK || why[0] != 0 || work_wrong("no line says why: %d", result));
    varve_close(&store);
    failures_boot(10);
    good = good && gives_back(descriptors) && opens(t.path, 0, &store) && finishes(&t, "the next handle", store);
    varve_close(&store);
    failures_boot(0);
    if (!good)
        print_error("recovery call %llu, after ", (unsigned long long)again), name_it(&t, "call");
    assert_true(good);
    scratch_free(t.path);
    tried++;
    return t.reached;
}

static void a_recovery_that_fails_is_done_by_the_next(void **state) {
    (void)state;
    static const char *const lives[] = {"aagaaaaag", "aaaaaaaaaacaaaaaaaC", "aaaaaaaaaacaaaaaaf"};
    for (size_t i = 0; i < 3; i++) {
        scene s;
        scene_begin(&s, lives[i]);
        bool reached = true;
        uint64_t step_size = i == 0 ? 17 : 61;
        for (uint64_t call = 2, n = 0; reached; call += work_long() ? 1 + step_size / 8 : step_size, n++)
            for (uint64_t again = 1 + n % 7; recovery_fails(&s, call, errors[n % ERRORS], again, &reached) && reached;)
                again += work_long() ? 5 : 37;
        scene_end(&s);
    }
}

static int say_how_many(void **state) {
    (void)state;
    print_message("%llu failing calls\n", (unsigned long long)tried);
    return 0;
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_append_that_fails_is_as_if_it_never_was_or_is_there),
        cmocka_unit_test(a_compaction_that_fails_changes_nothing),
        cmocka_unit_test(a_retention_that_fails_is_finished_by_the_next),
        cmocka_unit_test(an_erasure_that_fails_is_finished_by_the_next),
        cmocka_unit_test(a_snapshot_that_fails_is_completed_by_the_next),
        cmocka_unit_test(a_merge_that_fails_is_finished_by_the_next),
        cmocka_unit_test(an_opening_that_fails_says_why_and_the_next_succeeds),
        cmocka_unit_test(a_recovery_that_fails_is_done_by_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, say_how_many);
}

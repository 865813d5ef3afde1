/*
 * A retention, or an erasure, that dies at any system call: the store opens, nothing is missing that was to stay, the next
 * one finishes, and then nothing is left over. Also when CONTROL and the index are lost with the machine. VARVE_LONG takes
 * every call, else a sample.
 */
#include "support/canary.h"
#include "support/deaths.h"
#include "support/dump.h"
#include "support/figures.h"
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

enum { ROUNDS = 4, KEPT = 4 };
static const char *const kept_ids[KEPT] = {"young", "fork", "forked", "none"};
static const char *const word[] = {"canary-of-what-is-forgotten"};

typedef enum { DROP, KEEP, FORGET } deed;

typedef struct {
    char *path, *figures, *shown[KEPT];
} template_store;

static int64_t hours(int n) {
    return 1700000000000000000 + (int64_t)n * 3600000000000;
}

static void say(varve_batch *batch, const char *id, int hour, int n, const char *text) {
    char payload[600];
    varve_event event = scratch_event(id, "user");
    event.time = hours(hour);
    event.present = VARVE_HAS_TIME | VARVE_HAS_UID | VARVE_HAS_TOKENS | VARVE_HAS_COST;
    event.tokens[0] = n + 1;
    event.cost = 100 * (n + 1);
    event.payload_size = (size_t)snprintf(payload, sizeof payload, "%s %d %0*d", text, n, 400 + n % 100, n * n);
    event.payload = payload;
    event.uid = varve_line_uid(varve_cstr("m"), event.session_id, payload, event.payload_size, 0);
    assert_true(varve_batch_add(batch, &event) >= 0);
}

static void live(varve *store, int round) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    for (int n = round * 30; n < round * 30 + 30; n++) {
        say(batch, "old", 1, n, word[0]);
        say(batch, "older", 1, n, "older");
        say(batch, "forked", 2, n, "forked");
        say(batch, "young", 20, n, "young");
        say(batch, "none", 20, n, "none");
    }
    varve_event set = scratch_event("old", "");
    set.str[VARVE_STR_TITLE] = varve_cstr(word[0]);
    set.str[VARVE_STR_TRANSCRIPT_PATH] = varve_cstr(word[0]);
    set.str[VARVE_STR_PARENT_ID] = varve_cstr("young");
    assert_true(varve_batch_set(batch, &set) >= 0);
    if (round == 1) {
        varve_event child = scratch_event("fork", "");
        assert_true(varve_batch_fork(batch, &child, varve_cstr(NULL), varve_cstr("forked"), 20) >= 0);
        say(batch, "fork", 20, 1, "fork");
    }
    assert_true(varve_batch_cursor(batch, varve_cstr("input canary-of-what-is-forgotten"), "x", 1) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static bool open_store(const ve_os *os, const char *path, varve **ret_store) {
    varve_options options;
    varve_options_init(&options);
    options.segment_size = 64 << 10;
    options.machine_id = varve_cstr("m");
    int result = ve_open(os, path, &options, ret_store);
    return result == VARVE_OK || work_wrong("open: %d", result);
}

static void template_make(template_store *t, bool packed) {
    varve *store;
    *t = (template_store){.path = scratch_new()};
    assert_true(open_store(&ve_os_system, t->path, &store));
    for (int round = 0; round < ROUNDS; round++) {
        live(store, round);
        if (packed && round % 2 == 0)
            assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
    }
    t->figures = figures_of(store);
    for (int i = 0; i < KEPT; i++)
        t->shown[i] = figures_shown(store, varve_cstr(NULL), varve_cstr(kept_ids[i]));
    varve_close(&store);
}

static void template_free(template_store *t) {
    free(t->figures);
    for (int i = 0; i < KEPT; i++)
        free(t->shown[i]);
    scratch_free(t->path);
}

static int do_it(varve *store, deed what) {
    varve_retention asked = {.size = sizeof asked, .before = hours(10), .flags = what == KEEP ? VARVE_RETAIN_KEEP_SESSIONS : 0u};
    varve_retained done = {.size = sizeof done};
    varve_forgotten forgotten = {.size = sizeof forgotten};
    if (what != FORGET)
        return varve_retain(store, &asked, &done);
    int result = varve_forget(store, varve_cstr(NULL), varve_cstr("old"), VARVE_FORGET_NOW, &forgotten);
    return result == VARVE_OK && forgotten.found != 0 ? VARVE_E_CORRUPT : result;
}

/* ---- The death ---- */

typedef struct {
    const template_store *t;
    const char *path;
    deed what;
    uint64_t call;
    bool halfway, power;
} death;

static bool do_it_and_die(void *context) {
    const death *d = context;
    varve *store;
    if (!open_store(&deaths_os, d->path, &store))
        return false;
    deaths_at_call(d->call, d->halfway);
    int result = do_it(store, d->what);
    deaths_at_call(0, false);
    varve_close(&store);
    return result == VARVE_OK;
}

static bool unharmed(const death *d, varve *store, const char *when) {
    char *figures = figures_of(store);
    bool good = dump_equal(when, d->t->figures, figures);
    free(figures);
    for (int i = 0; i < KEPT && good; i++) {
        char *shown = figures_shown(store, varve_cstr(NULL), varve_cstr(kept_ids[i]));
        good = dump_equal(when, d->t->shown[i], shown);
        free(shown);
    }
    return good && work_verifies(store, 0);
}

static bool finishes(const death *d, varve *store) {
    int result = do_it(store, d->what);
    if (result < 0)
        return work_wrong("the second one: %d %s", result, varve_last_error(store));
    if (d->what == FORGET)
        return canary_count(d->path, word, 1, true) == 0;
    varve_cursor *cursor = NULL;
    varve_event event;
    bool left = false;
    result = varve_cursor_store(store, 0, 0, &cursor);
    while (result >= 0 && (result = varve_cursor_next(cursor, &event)) == 1)
        left = left || (event.session_id.size >= 3 && memcmp(event.session_id.ptr, "old", 3) == 0);
    varve_cursor_close(&cursor);
    return !left || work_wrong("events of an old session are left");
}

static bool die_at(const template_store *t, deed what, uint64_t call, bool halfway, bool power) {
    char *path = scratch_new();
    tree_copy(t->path, path, true);
    death d = {t, path, what, call, halfway, power};
    int status = work_in_child(do_it_and_die, &d);
    assert_true(work_killed(status) || work_succeeded(status));
    if (power) {
        tree_remove(path, "CONTROL");
        tree_remove(path, "idx");
    }
    varve *store = NULL;
    bool good = open_store(&ve_os_system, path, &store);
    if (power) /* a segment that was being begun */
        scratch_run("rm -f '%s'/quarantine/*", path);
    good = good && unharmed(&d, store, "after the death") && finishes(&d, store) &&
                unharmed(&d, store, "after the second one") && tidy_store(path);
    if (good && varve_reindex(store) < 0)
        good = work_wrong("reindex: %s", varve_last_error(store));
    good = good && unharmed(&d, store, "with a new index");
    varve_close(&store);
    if (!good)
        print_error("death at call %llu%s of %d%s\n", (unsigned long long)call, halfway ? " (halfway)" : "", what,
                    power ? ", and of the machine" : "");
    scratch_free(path);
    assert_true(good);
    return work_killed(status);
}

static void die_everywhere(bool power) {
    uint64_t step = work_long() ? 1 : 9;
    for (int packed = 0; packed < 2; packed++) {
        template_store t;
        template_make(&t, packed == 1);
        for (deed what = DROP; what <= FORGET; what++)
            for (uint64_t call = 1 + what; die_at(&t, what, call, call % 2 == 0, power); call += step)
                continue;
        template_free(&t);
    }
}

static void a_death_at_any_call_harms_nothing_and_the_next_finishes(void **state) {
    (void)state;
    die_everywhere(false);
}

static void a_death_of_the_machine_at_any_call_harms_nothing(void **state) {
    (void)state;
    die_everywhere(true);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_death_at_any_call_harms_nothing_and_the_next_finishes),
        cmocka_unit_test(a_death_of_the_machine_at_any_call_harms_nothing),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%llu deaths\n", (unsigned long long)work_deaths());
    return result;
}

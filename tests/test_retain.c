/*
 * Retention: what was not active for long goes, what it counted stays, and what shares or follows it is not touched. On
 * random histories, packed or not. VARVE_LONG takes many more.
 */
#include "support/dump.h"
#include "support/figures.h"
#include "support/history.h"
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/batch.h"
#include "engine/store.h"

enum { BATCHES = 90, SESSIONS_MAX = 100 };

static varve_retained retain(varve *store, int64_t before, uint32_t flags) {
    varve_retention asked = {.size = sizeof asked, .flags = flags, .before = before};
    varve_retained done = {.size = sizeof done};
    int result = varve_retain(store, &asked, &done);
    if (result < 0)
        print_error("retain: %d %s\n", result, varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    return done;
}

static void compact(varve *store, uint32_t flags) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = flags;
    assert_int_equal(varve_compact(store, &options, NULL), VARVE_OK);
}

static void equal(const char *name, uint32_t seed, char *expected, char *found) {
    bool good = dump_equal(name, expected, found);
    if (!good)
        print_error("%s: seed %u\n", name, seed);
    free(expected);
    free(found);
    assert_true(good);
}

/* ---- One store before and after ---- */

typedef struct {
    char *path;
    varve *store;
    uint32_t seed, batches, flags;
    int64_t before;
    varve_retained done;
    /* as it was: */
    char *figures, *texts;
    varve_totals totals;
    size_t sessions;
    struct {
        char machine[16], id[32], *shown;
        uint32_t flags;
        uint64_t last_seq, own, bytes;
    } was[SESSIONS_MAX];
} life;

static varve_totals totals_of(varve *store) {
    varve_totals totals = {.size = sizeof totals};
    assert_int_equal(varve_session_totals(store, &totals), VARVE_OK);
    return totals;
}

static void remember(life *l) {
    varve_scan *scan;
    varve_session s;
    l->figures = figures_of(l->store);
    l->texts = figures_texts(l->store);
    l->totals = totals_of(l->store);
    assert_int_equal(varve_scan_open(l->store, &scan), VARVE_OK);
    while (varve_scan_next(scan, &s) == 1) {
        size_t i = l->sessions++;
        assert_true(i < SESSIONS_MAX);
        snprintf(l->was[i].machine, sizeof l->was[i].machine, "%.*s", (int)s.machine_id.size, s.machine_id.ptr);
        snprintf(l->was[i].id, sizeof l->was[i].id, "%.*s", (int)s.session_id.size, s.session_id.ptr);
        l->was[i].flags = s.flags;
        l->was[i].last_seq = s.last_seq;
        if ((s.flags & (VARVE_SS_STUB | VARVE_SS_DELETED)) != 0)
            continue;
        l->was[i].own = figures_events(l->store, &s, true, &l->was[i].bytes);
        l->was[i].shown = figures_shown(l->store, s.machine_id, s.session_id);
    }
    varve_scan_close(&scan);
}

static void live(life *l, uint32_t seed) {
    *l = (life){.path = scratch_new(), .seed = seed};
    assert_true(history_open(l->path, 0, &l->store));
    for (; l->batches < BATCHES; l->batches++) {
        history_add(l->store, seed, l->batches, NULL);
        if (seed % 3 != 0 && work_mix(seed, l->batches, 31) % 25 == 0)
            compact(l->store, work_mix(seed, l->batches, 32) % 4 == 0 ? VARVE_COMPACT_ALL : 0u);
    }
}

/* Drops a part of what there is; the dry run counts the same. */
static void age(life *l, uint32_t flags, uint32_t percent) {
    remember(l);
    l->flags = flags;
    l->before = figures_moment(l->store, percent);
    varve_retained dry = retain(l->store, l->before, flags | VARVE_RETAIN_DRY_RUN);
    l->done = retain(l->store, l->before, flags);
    assert_true(l->done.sessions == dry.sessions && l->done.events == dry.events && l->done.payload_bytes == dry.payload_bytes &&
                l->done.shared == dry.shared);
}

static void end(life *l) {
    for (size_t i = 0; i < l->sessions; i++)
        free(l->was[i].shown);
    free(l->figures);
    free(l->texts);
    varve_close(&l->store);
    scratch_free(l->path);
}

static varve_session session_at(varve *store, size_t row) {
    varve_scan *scan;
    varve_session session;
    assert_int_equal(varve_scan_open(store, &scan), VARVE_OK);
    assert_int_equal(varve_scan_get_row(scan, row, &session), VARVE_OK);
    varve_scan_close(&scan);
    return session;
}

static bool went(const life *l, const varve_session *now, size_t row) {
    uint32_t flag = (l->flags & VARVE_RETAIN_KEEP_SESSIONS) != 0 ? VARVE_SS_TRIMMED : VARVE_SS_DELETED;
    return ((now->flags & ~l->was[row].flags) & flag) != 0;
}

/* What went is what was counted; what stays shows all that it showed. */
static void check_events(const life *l, varve *store) {
    uint64_t sessions = 0, events = 0, bytes = 0;
    for (size_t row = 0; row < l->sessions; row++) {
        varve_session now = session_at(store, row);
        if (went(l, &now, row)) {
            uint64_t none = 0;
            sessions++;
            events += l->was[row].own;
            bytes += l->was[row].bytes;
            now.machine_id = varve_cstr(l->was[row].machine);
            now.session_id = varve_cstr(l->was[row].id);
            assert_int_equal(figures_events(store, &now, false, &none), 0);
        } else if (l->was[row].shown != NULL) {
            varve_str machine = varve_cstr(l->was[row].machine), id = varve_cstr(l->was[row].id);
            equal("what stays", l->seed, strdup(l->was[row].shown), figures_shown(store, machine, id));
        }
    }
    assert_int_equal(sessions, l->done.sessions);
    assert_int_equal(events, l->done.events);
    assert_int_equal(bytes, l->done.payload_bytes);
}

/* Records of what went stand in no file any more. */
static void check_records(const life *l) {
    varve_cursor *cursor;
    varve_event event;
    assert_int_equal(varve_cursor_store(l->store, 0, 0, &cursor), VARVE_OK);
    while (varve_cursor_next(cursor, &event) == 1)
        for (size_t row = 0; row < l->sessions; row++) {
            varve_session now = {0};
            now.flags = l->was[row].flags;
            if (strlen(l->was[row].id) != event.session_id.size || strlen(l->was[row].machine) != event.machine_id.size ||
                memcmp(l->was[row].id, event.session_id.ptr, event.session_id.size) != 0 ||
                memcmp(l->was[row].machine, event.machine_id.ptr, event.machine_id.size) != 0)
                continue;
            now = session_at(l->store, row);
            assert_false(went(l, &now, row));
        }
    varve_cursor_close(&cursor);
}

static void check(const life *l, varve *store) {
    equal("figures", l->seed, strdup(l->figures), figures_of(store));
    if ((l->flags & VARVE_RETAIN_KEEP_SESSIONS) != 0) {
        equal("texts", l->seed, strdup(l->texts), figures_texts(store));
        varve_totals totals = totals_of(store);
        assert_memory_equal(&totals, &l->totals, sizeof totals);
    }
    check_events(l, store);
    scratch_verify(store);
}

static void each_life(void (*body)(life *l), uint32_t first, uint32_t many) {
    for (uint32_t seed = first; seed < first + (work_long() ? many * 12 : many); seed++)
        for (uint32_t flags = 0; flags <= VARVE_RETAIN_KEEP_SESSIONS; flags++) {
            life l;
            live(&l, seed);
            age(&l, flags, 30 + seed % 3 * 30);
            body(&l);
            end(&l);
        }
}

/* ---- Promises ---- */

static uint64_t gone_in_all;

static void all_stays_but_the_events(life *l) {
    gone_in_all += l->done.events;
    check(l, l->store);
    check_records(l);
    assert_true(tidy_store(l->path));
    uint64_t sum = tree_sum(l->path);
    varve_retained again = retain(l->store, l->before, l->flags);
    assert_true(again.sessions == 0 && again.events == 0 && again.written_bytes == 0);
    assert_int_equal(tree_sum(l->path), sum);
    compact(l->store, VARVE_COMPACT_ALL);
    check(l, l->store);
}

static void what_is_old_goes_and_what_it_counted_stays(void **state) {
    (void)state;
    gone_in_all = 0;
    each_life(all_stays_but_the_events, 1, 6);
    assert_true(gone_in_all > 1000);
}

static void comes_again(life *l) {
    for (uint32_t number = 0; number < l->batches; number++) {
        varve_appended done = {.size = sizeof done};
        if (!history_is_import(l->seed, number) || history_add(l->store, l->seed, number, &done) < 0)
            continue;
        if (done.stored != 0)
            print_error("seed %u, batch %u\n", l->seed, number);
        assert_int_equal(done.stored, 0);
    }
    check(l, l->store);
    varve_close(&l->store); /* a handle that remembers nothing */
    assert_true(history_open(l->path, 0, &l->store));
    for (uint32_t number = 0; number < l->batches; number++) {
        varve_appended done = {.size = sizeof done};
        if (history_is_import(l->seed, number) && history_add(l->store, l->seed, number, &done) == VARVE_OK)
            assert_int_equal(done.stored, 0);
    }
    check(l, l->store);
}

static void what_is_taken_in_again_adds_nothing(void **state) {
    (void)state;
    each_life(comes_again, 101, 4);
}

static void made_anew(life *l) {
    assert_int_equal(varve_reindex(l->store), VARVE_OK);
    check(l, l->store);
    varve_close(&l->store);
    tree_remove(l->path, "CONTROL");
    tree_remove(l->path, "idx");
    assert_true(history_open(l->path, VARVE_OPEN_READ_ONLY, &l->store));
    check(l, l->store);
    varve_close(&l->store);
    assert_true(history_open(l->path, 0, &l->store));
    check(l, l->store);
    char *copy = scratch_new();
    varve *other;
    assert_int_equal(varve_snapshot(l->store, copy, 0, NULL), VARVE_OK);
    assert_true(history_open(copy, 0, &other));
    check(l, other);
    varve_close(&other);
    scratch_free(copy);
}

static void the_index_made_anew_and_a_snapshot_say_the_same(void **state) {
    (void)state;
    each_life(made_anew, 201, 3);
}

/* The next batches of the history go on in whatever is there: with rewinds, forks, late events, labels. */
static void goes_on(life *l) {
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 15; i++)
            history_add(l->store, l->seed, l->batches++, NULL);
        scratch_verify(l->store);
        char *figures = figures_of(l->store), *texts = figures_texts(l->store);
        assert_int_equal(varve_reindex(l->store), VARVE_OK);
        equal("anew", l->seed, strdup(figures), figures_of(l->store));
        if (round % 2 == 0)
            compact(l->store, round == 2 ? VARVE_COMPACT_ALL : 0u);
        else
            retain(l->store, figures_moment(l->store, 40), l->flags | VARVE_RETAIN_KEEP_SESSIONS);
        equal("figures", l->seed, figures, figures_of(l->store));
        equal("texts", l->seed, texts, figures_texts(l->store));
        scratch_verify(l->store);
        assert_int_equal(varve_reindex(l->store), VARVE_OK);
        scratch_verify(l->store);
    }
}

static void life_goes_on_in_what_was_trimmed(void **state) {
    (void)state;
    each_life(goes_on, 301, 4);
}

/* ---- One session ---- */

static int64_t hours(int n) {
    return 1700000000000000000 + (int64_t)n * 3600000000000;
}

static varve_appended say(varve *store, const char *id, int hour, const char *text, bool timed) {
    varve_batch *batch;
    varve_appended done = {.size = sizeof done};
    varve_event event = scratch_event(id, "user");
    event.time = hours(hour);
    event.present = VARVE_HAS_UID | (timed ? VARVE_HAS_TIME : 0u);
    event.uid = varve_name_uid(varve_cstr("here"), varve_cstr(id), varve_cstr(text));
    event.str[VARVE_STR_TEXT] = varve_cstr(text);
    event.flags = VARVE_EV_USER_MESSAGE;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, &done), VARVE_OK);
    varve_batch_free(&batch);
    return done;
}

static void set(varve *store, const char *id, int str, const char *text) {
    varve_batch *batch;
    varve_event event = scratch_event(id, "");
    event.str[str] = varve_cstr(text);
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_set(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static int rewind_to(varve *store, const char *id, uint64_t seq) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_rewind(batch, varve_cstr(NULL), varve_cstr(id), seq) >= 0);
    int result = varve_append(store, batch, VARVE_NONE, NULL);
    varve_batch_free(&batch);
    return result;
}

static int fork_of(varve *store, const char *id, const char *parent, uint64_t seq) {
    varve_batch *batch;
    varve_event child = scratch_event(id, "");
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_fork(batch, &child, varve_cstr(NULL), varve_cstr(parent), seq) >= 0);
    int result = varve_append(store, batch, VARVE_NONE, NULL);
    varve_batch_free(&batch);
    return result;
}

static uint64_t shown(varve *store, const char *id) {
    uint64_t bytes = 0;
    varve_session session = scratch_session(store, id);
    session.session_id = varve_cstr(id);
    session.machine_id = varve_cstr("here");
    return figures_events(store, &session, false, &bytes);
}

static void a_trimmed_session_goes_on(void **state) {
    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        char *path = scratch_new();
        varve *store;
        assert_true(history_open(path, 0, &store));
        say(store, "old", 1, "odd", true);
        say(store, "old", 5, "even", true);
        set(store, "old", VARVE_STR_LABELS, "team=a\nround=1");
        set(store, "old", VARVE_STR_TITLE, "The old one");
        set(store, "old", VARVE_STR_LABELS, "round=2");
        say(store, "old", 3, "first", true);
        if (packed)
            compact(store, VARVE_COMPACT_ALL);
        uint64_t seq = scratch_session(store, "old").last_seq;
        assert_int_equal(retain(store, hours(6), VARVE_RETAIN_KEEP_SESSIONS).events, 3);
        assert_int_equal(scratch_session(store, "old").last_seq, seq + 1); /* the tombstone's */
        assert_int_equal(say(store, "old", 5, "odd", true).stored, 0);
        assert_int_equal(say(store, "old", 5, "of then, and not known", true).stored, 0);
        assert_int_equal(say(store, "old", 9, "without time", false).stored, 0);
        assert_int_equal(shown(store, "old"), 0);
        assert_int_equal(say(store, "old", 9, "new", true).stored, 1);
        assert_int_equal(say(store, "old", 8, "new too, and late", true).stored, 1);
        assert_int_equal(say(store, "old", 9, "new", true).duplicates, 1);
        varve_scan *scan;
        varve_session session;
        assert_int_equal(varve_scan_open(store, &scan), VARVE_OK);
        assert_int_equal(varve_scan_get(scan, varve_cstr(NULL), varve_cstr("old"), &session), VARVE_OK);
        assert_str(session.str[VARVE_STR_TITLE], "The old one");
        assert_str(session.str[VARVE_STR_LABELS], "round=2\nteam=a");
        assert_str(session.first_text, "odd");
        assert_str(session.last_text, "new");
        assert_int_equal(session.last_seq, seq + 3);
        assert_int_equal(session.events, 5);
        varve_scan_close(&scan);
        assert_int_equal(shown(store, "old"), 2);
        assert_int_equal(rewind_to(store, "old", 2), VARVE_E_NOT_FOUND); /* gone */
        assert_int_equal(fork_of(store, "fork", "old", 2), VARVE_E_NOT_FOUND);
        assert_int_equal(fork_of(store, "fork", "old", seq + 2), VARVE_OK);
        assert_int_equal(shown(store, "fork"), 1);
        assert_int_equal(rewind_to(store, "old", seq + 2), VARVE_OK);
        assert_int_equal(shown(store, "old"), 1);
        scratch_verify(store);
        varve_retained done = retain(store, hours(20), VARVE_RETAIN_KEEP_SESSIONS | VARVE_RETAIN_DRY_RUN);
        assert_int_equal(done.sessions, 0); /* the fork has no time: it is not old, and shares it */
        assert_int_equal(done.shared, 1);
        say(store, "fork", 19, "of the fork", true);
        done = retain(store, hours(20), VARVE_RETAIN_KEEP_SESSIONS);
        assert_true(done.sessions == 2 && done.events == 2 && done.shared == 0);
        assert_true(shown(store, "old") == 0 && shown(store, "fork") == 0);
        set(store, "old", VARVE_STR_LABELS, "round=3");
        compact(store, VARVE_COMPACT_ALL);
        assert_int_equal(varve_reindex(store), VARVE_OK);
        assert_int_equal(varve_scan_open(store, &scan), VARVE_OK);
        assert_int_equal(varve_scan_get(scan, varve_cstr(NULL), varve_cstr("old"), &session), VARVE_OK);
        assert_str(session.str[VARVE_STR_LABELS], "round=3\nteam=a");
        varve_scan_close(&scan);
        scratch_verify(store);
        varve_close(&store);
        scratch_free(path);
    }
}

static void live_event(varve *store, const char *id, int hour, const char *type) {
    varve_batch *batch;
    varve_event event = scratch_event(id, type);
    event.time = hours(hour);
    event.present = VARVE_HAS_TIME;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

/* A retention died before it packed anything: what comes then must not depend on whether the records are gone yet. */
static void what_is_said_to_be_gone_counts_as_gone(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    varve_batch *batch;
    assert_true(history_open(path, 0, &store));
    live_event(store, "old", 1, "SessionStart");
    live_event(store, "old", 5, "SessionEnd");
    live_event(store, "old", 10, "user");
    scratch_append(store, "other", "Stop", 400);
    compact(store, 0);
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    uint64_t last_seq = scratch_session(store, "old").last_seq;
    assert_true(ve_batch_tombstone(batch, varve_cstr(NULL), varve_cstr("old"), last_seq, VF_GONE_OLD) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_GROUP, NULL), VARVE_OK);
    varve_batch_free(&batch);
    scratch_append(store, "other", "Stop", 400);
    compact(store, 0);
    assert_int_equal(store->layout->files, 2);
    assert_int_equal(shown(store, "old"), 3); /* they are there yet */
    assert_int_equal(rewind_to(store, "old", 2), VARVE_E_NOT_FOUND);
    assert_int_equal(fork_of(store, "fork", "old", 2), VARVE_E_NOT_FOUND);
    live_event(store, "old", 6, "user"); /* would have begun its second life */
    assert_int_equal(scratch_session(store, "old").last_started, hours(10));
    char *figures = figures_of(store), *texts = figures_texts(store);
    retain(store, hours(0), 0);
    assert_int_equal(shown(store, "old"), 1);
    scratch_verify(store);
    assert_int_equal(varve_reindex(store), VARVE_OK);
    equal("figures", 0, figures, figures_of(store));
    equal("texts", 0, texts, figures_texts(store));
    varve_close(&store);
    scratch_free(path);
}

/* Both are old: the parent is not kept for a fork that goes with it; one that is younger keeps all that it shows. */
static void a_fork_keeps_what_it_shares_while_it_is_young(void **state) {
    (void)state;
    for (uint32_t flags = 0; flags <= VARVE_RETAIN_KEEP_SESSIONS; flags++) {
        char *path = scratch_new();
        varve *store;
        varve_stats stats = {.size = sizeof stats};
        assert_true(history_open(path, 0, &store));
        for (int i = 1; i <= 4; i++)
            say(store, "parent", i, i % 2 == 0 ? "even" : "odd", true);
        say(store, "parent", 4, "more", true);
        assert_int_equal(fork_of(store, "child", "parent", 2), VARVE_OK);
        assert_int_equal(fork_of(store, "grandchild", "child", UINT64_MAX), VARVE_OK);
        say(store, "child", 10, "of the child", true);
        say(store, "grandchild", 20, "of the grandchild", true);
        varve_retained done = retain(store, hours(15), flags);
        assert_true(done.sessions == 0 && done.shared == 2);
        assert_true(shown(store, "child") == 3 && shown(store, "grandchild") == 3);
        done = retain(store, hours(25), flags);
        assert_true(done.sessions == 3 && done.shared == 0 && done.events == 5);
        assert_int_equal(varve_stat(store, &stats), VARVE_OK);
        varve_cursor *cursor;
        varve_event event;
        assert_int_equal(varve_cursor_store(store, 0, 0, &cursor), VARVE_OK);
        assert_int_equal(varve_cursor_next(cursor, &event), 0); /* none is left */
        varve_cursor_close(&cursor);
        assert_int_equal(retain(store, hours(25), flags).sessions, 0);
        scratch_verify(store);
        varve_close(&store);
        scratch_free(path);
    }
}

static void a_fork_keeps_what_it_shares_with_a_deleted_parent(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    varve_batch *batch;
    varve_compact_options all;
    varve_compact_options_init(&all);
    all.flags = VARVE_COMPACT_ALL;
    assert_true(history_open(path, 0, &store));
    for (int i = 1; i <= 4; i++)
        say(store, "parent", i, i % 2 == 0 ? "even" : "odd", true);
    assert_int_equal(fork_of(store, "child", "parent", 2), VARVE_OK);
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_delete(batch, varve_cstr(NULL), varve_cstr("parent")) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_GROUP, NULL), VARVE_OK);
    varve_batch_free(&batch);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(varve_compact(store, &all, NULL), VARVE_OK);
        assert_int_equal(shown(store, "child"), 2);
        say(store, "another", 5 + round, "so that there is something to pack", true);
    }
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* A session that is shown by name only, as the parent of one that goes, keeps its name. */
static void a_stub_keeps_its_name(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    assert_true(history_open(path, 0, &store));
    say(store, "child", 1, "something", true);
    set(store, "child", VARVE_STR_PARENT_ID, "known by name only");
    for (int packed = 0; packed < 3; packed++) {
        retain(store, hours(2), 0);
        varve_scan *scan;
        varve_session session;
        assert_int_equal(varve_scan_open(store, &scan), VARVE_OK);
        assert_int_equal(varve_scan_get_row(scan, 1, &session), VARVE_OK);
        assert_true((session.flags & VARVE_SS_STUB) != 0);
        assert_str(session.session_id, "known by name only");
        varve_scan_close(&scan);
        if (packed == 0)
            assert_int_equal(varve_reindex(store), VARVE_OK);
        say(store, "other", 9, "x", true);
        compact(store, VARVE_COMPACT_ALL);
    }
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* Something comes to an old session while retention is on its way. */
static varve *meanwhile;
static int64_t late_now(void) {
    varve *store = meanwhile;
    meanwhile = NULL;
    if (store != NULL)
        say(store, "old", 50, "still here", true);
    return hours(60);
}

static void what_comes_meanwhile_keeps_its_session(void **state) {
    (void)state;
    for (uint32_t flags = 0; flags <= VARVE_RETAIN_KEEP_SESSIONS; flags++) {
        char *path = scratch_new();
        varve *store, *other;
        assert_true(history_open(path, 0, &other));
        ve_os os = ve_os_system;
        os.now = late_now; /* asked before the lock is taken */
        varve_options options;
        varve_options_init(&options);
        assert_int_equal(ve_open(&os, path, &options, &store), VARVE_OK);
        say(store, "old", 1, "long ago", true);
        say(store, "older", 1, "long ago", true);
        meanwhile = other;
        varve_retained done = retain(store, hours(10), flags);
        assert_null(meanwhile);
        assert_true(done.sessions == 1 && done.events == 1);
        assert_int_equal(shown(store, "old"), 2);
        scratch_verify(store);
        varve_close(&store);
        varve_close(&other);
        scratch_free(path);
    }
}

static void merged(life *l) {
    char *path = scratch_new();
    varve *other;
    varve_merged done = {.size = sizeof done};
    assert_true(history_open(path, 0, &other));
    for (uint32_t number = 0; number < 30; number++)
        history_add(other, l->seed, number, NULL);
    assert_int_equal(varve_merge(other, l->store, &done), VARVE_OK);
    scratch_verify(other);
    assert_int_equal(varve_merge(other, l->store, &done), VARVE_OK);
    assert_int_equal(done.events + done.settings + done.forks + done.rewinds + done.deletions, 0);
    assert_int_equal(varve_merge(l->store, other, &done), VARVE_OK); /* what it dropped itself does not come back */
    for (size_t row = 0; row < l->sessions; row++) {
        varve_session now = session_at(l->store, row);
        uint64_t bytes = 0;
        now.machine_id = varve_cstr(l->was[row].machine);
        now.session_id = varve_cstr(l->was[row].id);
        if (went(l, &now, row))
            assert_int_equal(figures_events(l->store, &now, true, &bytes), 0);
    }
    scratch_verify(l->store);
    compact(l->store, VARVE_COMPACT_ALL);
    scratch_verify(l->store);
    varve_close(&other);
    scratch_free(path);
}

static void stores_are_merged_without_what_they_dropped(void **state) {
    (void)state;
    each_life(merged, 401, 3);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_old_goes_and_what_it_counted_stays),
        cmocka_unit_test(what_is_taken_in_again_adds_nothing),
        cmocka_unit_test(the_index_made_anew_and_a_snapshot_say_the_same),
        cmocka_unit_test(a_trimmed_session_goes_on),
        cmocka_unit_test(what_is_said_to_be_gone_counts_as_gone),
        cmocka_unit_test(a_fork_keeps_what_it_shares_while_it_is_young),
        cmocka_unit_test(a_fork_keeps_what_it_shares_with_a_deleted_parent),
        cmocka_unit_test(a_stub_keeps_its_name),
        cmocka_unit_test(what_comes_meanwhile_keeps_its_session),
        cmocka_unit_test(life_goes_on_in_what_was_trimmed),
        cmocka_unit_test(stores_are_merged_without_what_they_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

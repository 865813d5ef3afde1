/*
 * What the fold promises: session records and totals follow from the set of events, not from the
 * order or the batches in which they came. Random histories are appended in several orders and
 * compared.
 */
#include "tests/support/lives.h"
#include "tests/support/scratch.h"

#include <stdbool.h>

enum { SESSIONS = 200, EVENTS = 4000, FEW = 12 };

typedef struct {
    uint64_t state;
} randomness;

static uint32_t below(randomness *r, uint32_t limit) {
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (uint32_t)((r->state >> 16) % limit);
}

static uint32_t sessions = SESSIONS; /* how many of them a history uses */
static char ids[SESSIONS][32];
static char texts[64][32];

/* A random event; everything that it holds is a function of r, so that it can be made again. */
static varve_event random_event(randomness *r, int n) {
    static const char *const types[] = {"SessionStart", "SessionEnd",  "UserPromptSubmit",
                                        "PreToolUse",   "PostToolUse", "PermissionRequest",
                                        "Stop",         "ApiRequest",  "user",
                                        "assistant",    "Notification"};
    varve_event event = scratch_event(ids[below(r, sessions)], types[below(r, 11)]);
    event.source = (uint8_t)below(r, VARVE_SOURCES);
    event.present = VARVE_HAS_POSITION | (below(r, 10) > 0 ? VARVE_HAS_TIME : 0);
    event.time = 1000000000 + (int64_t)below(r, 150) * 1000; /* equal times are common */
    event.position = (uint64_t)n;
    event.str[VARVE_STR_MODEL] =
        below(r, 3) == 0 ? varve_cstr(texts[below(r, 4)]) : varve_cstr(NULL);
    event.str[VARVE_STR_CWD] =
        below(r, 3) == 0 ? varve_cstr(texts[below(r, 64)]) : varve_cstr(NULL);
    event.str[VARVE_STR_TITLE] =
        below(r, 20) == 0 ? varve_cstr(texts[below(r, 64)]) : varve_cstr(NULL);
    event.str[VARVE_STR_TEXT] = varve_cstr(texts[below(r, 64)]);
    if (below(r, 3) == 0)
        event.flags |= VARVE_EV_USER_MESSAGE;
    if (below(r, 5) == 0)
        event.flags |= VARVE_EV_SIDECHAIN;
    if (below(r, 9) == 0) {
        event.present |= VARVE_HAS_PID | VARVE_HAS_GITHUB_PR;
        event.pid = (int32_t)below(r, 1000);
        event.github_pr = (int32_t)below(r, 1000);
    }
    if (below(r, 2) == 0) {
        event.present |= VARVE_HAS_TOKENS * 15 | VARVE_HAS_COST;
        for (int t = 0; t < 4; t++)
            event.tokens[t] = below(r, 50);
        event.cost = below(r, 1000);
        event.charge_kind = (uint8_t)below(r, VARVE_CHARGES);
        if (below(r, 4) > 0) {
            char message[32];
            snprintf(message, sizeof message, "msg%u", below(r, 30));
            event.present |= VARVE_HAS_CHARGE;
            event.charge = varve_charge_key(varve_cstr(message));
            event.charge_part = below(r, 3);
        }
    }
    if (below(r, 3) == 0) { /* such an event is met again: see fill */
        char name[32];
        snprintf(name, sizeof name, "uid %d", n);
        event.present |= VARVE_HAS_UID;
        event.uid = varve_name_uid(varve_cstr(NULL), event.session_id, varve_cstr(name));
    }
    return event;
}

/* Every 40th of a history sets attributes instead: a parent among the sessions before it, a title,
 * a goal, counters. */
static varve_event random_set(randomness *r, int n) {
    uint32_t child = 1 + below(r, sessions - 1);
    varve_event event = scratch_event(ids[child], "");
    event.present = VARVE_HAS_TIME;
    event.time = 1000000000 + n * 1000; /* no two at once: they have no position to order them by */
    event.session_type = below(r, 2) == 0 ? VARVE_SESSION_SUBAGENT : VARVE_SESSION_FORKED;
    event.str[VARVE_STR_PARENT_ID] = varve_cstr(ids[below(r, child)]);
    event.str[VARVE_STR_GOAL] = varve_cstr(texts[below(r, 64)]);
    event.str[VARVE_STR_LABELS] = varve_cstr(below(r, 2) == 0 ? "run=1\nscore=2" : "run=3\nscore");
    if (below(r, 2) == 0) {
        event.present |= VARVE_HAS_COST | VARVE_HAS_TOKENS;
        event.cost = below(r, 100);
        event.tokens[0] = below(r, 100);
    }
    return event;
}

static void add_random(varve_batch *batch, uint64_t seed, int n) {
    randomness r = {seed * 1000003 + (uint64_t)n * 7919 + 1};
    for (int warm = 0; warm < 5; warm++)
        below(&r, 2);
    varve_event event = n % 40 == 39 ? random_set(&r, n) : random_event(&r, n);
    int added = n % 40 == 39 ? varve_batch_set(batch, &event) : varve_batch_add(batch, &event);
    assert_true(added >= 0);
    if ((event.present & VARVE_HAS_UID) != 0 && below(&r, 2) == 0)
        assert_true(varve_batch_add(batch, &event) >= 0);
}

static varve *fill(const char *path, uint64_t seed, const int *order, int count,
                   uint32_t batch_limit) {
    varve *store = scratch_open(path, 64 << 10);
    randomness batches = {seed * 31 + batch_limit};
    varve_batch *batch;
    varve_batch_new(&batch);
    for (int i = 0; i < count;) {
        varve_batch_clear(batch);
        for (uint32_t n = 1 + below(&batches, batch_limit); n > 0 && i < count; n--, i++)
            add_random(batch, seed, order[i]);
        assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    }
    varve_batch_free(&batch);
    return store;
}

/* All but what names places: row, lsn, seq. */
static void same_session(varve *one, varve *other, const char *id) {
    lives_same_session(one, other, varve_cstr("m"), varve_cstr(id));
}

/* Appends every record of one store to another, as a program would that unites them. */
static void append_all(varve *from, varve *to) {
    varve_cursor *cursor;
    varve_event event;
    varve_batch *batch;
    varve_batch_new(&batch);
    assert_int_equal(varve_cursor_store(from, 0, VARVE_CURSOR_SETTINGS, &cursor), VARVE_OK);
    while (varve_cursor_next(cursor, &event) == 1) {
        bool identity = event.record == VARVE_RECORD_SESSION && event.seq == 0;
        if (!identity)
            assert_true((event.record == VARVE_RECORD_SESSION
                             ? varve_batch_set(batch, &event)
                             : varve_batch_add(batch, &event)) >= 0);
        if (varve_batch_count(batch) >= 100) {
            assert_int_equal(varve_append(to, batch, VARVE_NONE, NULL), VARVE_OK);
            varve_batch_clear(batch);
        }
    }
    assert_int_equal(varve_append(to, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_cursor_close(&cursor);
    varve_batch_free(&batch);
}

static void shuffle(int *order, int count, uint64_t seed) {
    randomness r = {seed + 99};
    for (int i = count - 1; i > 0; i--) {
        int j = (int)below(&r, (uint32_t)i + 1), keep = order[i];
        order[i] = order[j];
        order[j] = keep;
    }
}

static varve *open_with_machine(const char *path) {
    varve_options options;
    varve_options_init(&options);
    options.machine_id = varve_cstr("m");
    options.segment_size = 64 << 10;
    varve *store = NULL;
    assert_int_equal(varve_open(path, &options, &store), VARVE_OK);
    return store;
}

static void records_do_not_depend_on_order_or_batches(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        /* Few sessions meet each other more often; the last history has them all. */
        sessions = seed < 12 ? FEW : SESSIONS;
        const int count = seed < 12 ? EVENTS / 10 : EVENTS;
        char *path[2] = {scratch_new(), scratch_new()};
        varve *store[2];
        int order[EVENTS];
        for (int i = 0; i < count; i++)
            order[i] = i;
        for (int i = 0; i < 2; i++) {
            store[i] = open_with_machine(path[i]);
            varve_close(&store[i]);
        }
        store[0] = fill(path[0], seed, order, count, 1);
        shuffle(order, count, seed);
        store[1] = fill(path[1], seed, order, count, 150);
        for (uint32_t s = 0; s < sessions; s++)
            same_session(store[0], store[1], ids[s]);
        for (int i = 0; i < 2; i++) {
            scratch_verify(store[i]);
            varve_close(&store[i]);
            scratch_free(path[i]);
        }
    }
}

typedef struct {
    int64_t tokens, cost;
} totals;

static int add_usage(void *context, const varve_usage *usage) {
    totals *sum = context;
    for (int t = 0; t < VARVE_TOK_REASONING; t++)
        sum->tokens += usage->tokens[t];
    sum->cost += usage->cost;
    return 0;
}

static void two_stores_united_hold_what_one_would(void **state) {
    (void)state;
    sessions = SESSIONS;
    char *path[4];
    varve *store[4];
    int order[EVENTS];
    for (int i = 0; i < EVENTS; i++)
        order[i] = i;
    shuffle(order, EVENTS, 5);
    for (int i = 0; i < 4; i++) {
        path[i] = scratch_new();
        store[i] = open_with_machine(path[i]);
    }
    for (int i = 0; i < 3; i++) { /* all of it; one part; the other */
        varve_close(&store[i]);
        store[i] = fill(path[i], 42, i == 2 ? order + EVENTS / 3 : order,
                        i == 0   ? EVENTS
                        : i == 1 ? EVENTS / 3
                                 : EVENTS - EVENTS / 3,
                        30);
    }
    append_all(store[2], store[3]);
    append_all(store[1], store[3]);
    for (uint32_t s = 0; s < SESSIONS; s++)
        same_session(store[0], store[3], ids[s]);
    scratch_verify(store[3]);
    for (int i = 0; i < 4; i++) {
        varve_close(&store[i]);
        scratch_free(path[i]);
    }
}

static void usage_adds_up_to_what_the_sessions_show(void **state) {
    (void)state;
    char *path = scratch_new();
    int order[EVENTS];
    for (int i = 0; i < EVENTS; i++)
        order[i] = i % 40 == 39 ? 0 : i; /* counters that are said outright have no usage row */
    varve *store = fill(path, 77, order, EVENTS, 20);
    totals rows = {0}, shown = {0};
    assert_int_equal(varve_usage_each(store, add_usage, &rows), 0);
    varve_scan *scan;
    varve_session session;
    assert_int_equal(varve_scan_open(store, &scan), VARVE_OK);
    while (varve_scan_next(scan, &session) == 1) {
        for (int t = 0; t < VARVE_TOK_REASONING; t++)
            shown.tokens += session.tokens[t];
        shown.cost += session.cost;
    }
    varve_scan_close(&scan);
    assert_true(rows.tokens > 0);
    assert_int_equal(rows.tokens, shown.tokens);
    assert_int_equal(rows.cost, shown.cost);
    varve_close(&store);
    scratch_free(path);
}

/* ---- Children ---- */

static void set_parent(varve *store, const char *child, const char *parent) {
    varve_batch *batch;
    varve_batch_new(&batch);
    varve_event event = scratch_event(child, "");
    event.type = varve_cstr(NULL);
    event.session_type = VARVE_SESSION_SUBAGENT;
    event.str[VARVE_STR_PARENT_ID] = varve_cstr(parent);
    assert_true(varve_batch_set(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void spend(varve *store, const char *id, int64_t cost) {
    varve_batch *batch;
    varve_batch_new(&batch);
    varve_event event = scratch_event(id, "ApiRequest");
    event.present = VARVE_HAS_COST;
    event.cost = cost;
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void a_childs_cost_is_in_every_ancestor_whichever_came_first(void **state) {
    (void)state;
    for (int turn = 0; turn < 6; turn++) {
        char *path = scratch_new();
        varve *store = scratch_open(path, 0);
        for (int step = 0; step < 6; step++) {
            switch ((step * (turn % 2 == 0 ? 1 : 5) + turn) % 6) {
            case 0:
                set_parent(store, "child", "parent");
                break;
            case 1:
                set_parent(store, "parent", "root");
                break;
            case 2:
                spend(store, "child", 7);
                break;
            case 3:
                spend(store, "parent", 100);
                break;
            case 4:
                spend(store, "root", 1000);
                break;
            default:
                spend(store, "child", 3);
                break;
            }
        }
        assert_int_equal(scratch_session(store, "root").cost_children, 110);
        assert_int_equal(scratch_session(store, "root").cost, 1000);
        assert_int_equal(scratch_session(store, "parent").cost_children, 10);
        assert_int_equal(scratch_session(store, "child").cost_children, 0);
        scratch_verify(store);
        varve_close(&store);
        scratch_free(path);
    }
}

static void a_parent_known_by_name_only_is_a_stub_until_it_speaks(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    set_parent(store, "child", "parent");
    spend(store, "child", 5);
    varve_session stub = scratch_session(store, "parent");
    assert_true((stub.flags & VARVE_SS_STUB) != 0);
    assert_int_equal(stub.cost_children, 5);
    assert_str(stub.session_id, "parent");
    scratch_append(store, "parent", "user", 1);
    assert_true((scratch_session(store, "parent").flags & VARVE_SS_STUB) == 0);
    scratch_check_seq(store, "parent", 1);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_cycle_of_parents_is_cut_at_the_same_place_in_any_order(void **state) {
    (void)state;
    char cut = 0;
    for (int turn = 0; turn < 3; turn++) {
        char *path = scratch_new();
        varve *store = open_with_machine(path);
        static const char *const names[] = {"a", "b", "c"};
        for (int i = 0; i < 3; i++)
            set_parent(store, names[(turn + i) % 3], names[(turn + i + 1) % 3]);
        for (int i = 0; i < 3; i++)
            spend(store, names[i], 1);
        int cuts = 0;
        for (int i = 0; i < 3; i++)
            if ((scratch_session(store, names[i]).flags & VARVE_SS_CYCLE) != 0) {
                cuts++;
                assert_true(cut == 0 || cut == names[i][0]);
                cut = names[i][0];
                assert_int_equal(scratch_session(store, names[i]).cost_children, 2);
            }
        assert_int_equal(cuts, 1);
        scratch_verify(store);
        varve_close(&store);
        scratch_free(path);
    }
}

static void set_parent_at(varve *store, const char *child, const char *parent, int64_t time) {
    varve_batch *batch;
    varve_batch_new(&batch);
    varve_event event = scratch_event(child, "");
    event.type = varve_cstr(NULL);
    event.str[VARVE_STR_PARENT_ID] = varve_cstr(parent);
    event.present |= VARVE_HAS_TIME;
    event.time = time;
    assert_true(varve_batch_set(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void a_cut_link_is_made_when_an_earlier_parent_opens_the_cycle(void **state) {
    (void)state;
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) { /* who turns out to have been somebody else's child all along */
        char *path = scratch_new();
        varve *store = open_with_machine(path);
        for (int n = 0; n < 3; n++) {
            set_parent_at(store, names[n], names[(n + 1) % 3], 100);
            spend(store, names[n], 1);
        }
        set_parent_at(store, names[i], "d", 50);
        for (int n = 0; n < 3; n++) {
            varve_session session = scratch_session(store, names[n]);
            assert_true((session.flags & VARVE_SS_CYCLE) == 0);
            assert_true(session.parent_row != UINT64_MAX);
            assert_int_equal(session.cost_children, (n + 3 - i - 1) % 3 == 0 ? 0 : n == i ? 2 : 1);
        }
        assert_int_equal(scratch_session(store, "d").cost_children, 3);
        scratch_verify(store);
        varve_close(&store);
        scratch_free(path);
    }
}

/* ---- Life cycle ---- */

static void at(varve *store, const char *type, int64_t time) {
    varve_batch *batch;
    varve_batch_new(&batch);
    varve_event event = scratch_event("s", type);
    event.source = VARVE_SOURCE_HOOK;
    event.present = VARVE_HAS_TIME;
    event.time = time;
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void a_session_that_goes_on_after_its_end_was_revived(void **state) {
    (void)state;
    static const struct {
        const char *type;
        int64_t time;
    } steps[] = {{"SessionStart", 10}, {"UserPromptSubmit", 20}, {"SessionEnd", 30},
                 {"SessionStart", 40}, {"SessionEnd", 50},       {"UserPromptSubmit", 60}};
    for (int turn = 0; turn < 12; turn++) {
        char *path = scratch_new();
        varve *store = scratch_open(path, 0);
        for (int i = 0; i < 6; i++) {
            int step = turn < 6 ? (i + turn) % 6 : (11 - i + turn) % 6;
            at(store, steps[step].type, steps[step].time);
        }
        varve_session session = scratch_session(store, "s");
        assert_int_equal(session.revivals, 2);
        assert_int_equal(session.first_started, 10);
        assert_int_equal(session.last_started, 60);
        assert_int_equal(session.first_ended, 30);
        assert_int_equal(session.last_ended, 0);
        assert_int_equal(session.last_activity, 60);
        assert_int_equal(session.status, VARVE_STATUS_BUSY);
        assert_true((session.flags & VARVE_SS_ENDED) == 0);
        scratch_verify(store);
        varve_close(&store);
        scratch_free(path);
    }
}

int main(void) {
    for (int i = 0; i < SESSIONS; i++)
        snprintf(ids[i], sizeof ids[i], "session-%d", i);
    for (int i = 0; i < 64; i++)
        snprintf(texts[i], sizeof texts[i], "text %d", i);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_do_not_depend_on_order_or_batches),
        cmocka_unit_test(two_stores_united_hold_what_one_would),
        cmocka_unit_test(usage_adds_up_to_what_the_sessions_show),
        cmocka_unit_test(a_childs_cost_is_in_every_ancestor_whichever_came_first),
        cmocka_unit_test(a_parent_known_by_name_only_is_a_stub_until_it_speaks),
        cmocka_unit_test(a_cycle_of_parents_is_cut_at_the_same_place_in_any_order),
        cmocka_unit_test(a_cut_link_is_made_when_an_earlier_parent_opens_the_cycle),
        cmocka_unit_test(a_session_that_goes_on_after_its_end_was_revived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Random histories. See lives.h.
 */
#include "tests/support/lives.h"
#include "tests/support/scratch.h"

enum { SESSIONS = 9, FORKS = 4, POOL = 150, TEXTS = 16 };

typedef struct {
    uint64_t state;
} randomness;

static uint32_t below(randomness *r, uint32_t limit) {
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (uint32_t)((r->state >> 16) % limit);
}

static randomness random_of(uint64_t seed, uint64_t what) {
    randomness r = {seed * 1000003 + what * 7919 + 1};
    for (int warm = 0; warm < 8; warm++)
        below(&r, 2);
    return r;
}

static const char *text_of(randomness *r) {
    static const char *const texts[TEXTS] = {
        "ash", "birch",   "cedar", "dogwood", "elm",   "fir",    "gum", "holly",
        "ivy", "juniper", "kapok", "larch",   "maple", "nutmeg", "oak", "pine"};
    return texts[below(r, TEXTS)];
}

static const char *session_id(uint32_t number) {
    static const char *const ids[SESSIONS + FORKS] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6",
                                                      "s7", "s8", "f0", "f1", "f2", "f3"};
    return ids[number];
}

/* Some sessions are of another machine than the store's own. */
static varve_event event_of(uint32_t session, const char *type) {
    varve_event event = scratch_event(session_id(session), type);
    event.machine_id = varve_cstr(session % 3 == 2 ? "elsewhere" : NULL);
    return event;
}

static void append(varve *store, varve_batch *batch, bool may_fail) {
    int result = varve_append(store, batch, VARVE_NONE, NULL);
    if (may_fail && (result == VARVE_E_NOT_FOUND || result == VARVE_E_EXISTS))
        return; /* there was nothing to branch off */
    if (result < 0)
        print_error("%s\n", varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
}

/* ---- Steps ---- */

/* One of the events that all stores may meet ('pool'), with a uid; or one of this store's own.
 * Equal times, and equal places in a file, are common. */
static void add_event(varve_batch *batch, randomness *r, uint32_t sessions, int pool) {
    static const char *const types[] = {"SessionStart",      "SessionEnd", "UserPromptSubmit",
                                        "PreToolUse",        "Stop",       "ApiRequest",
                                        "PermissionRequest", "assistant",  "an-odd-type"};
    varve_event event = event_of(below(r, sessions), types[below(r, 9)]);
    event.source = pool >= 0 ? VARVE_SOURCE_TRANSCRIPT : (uint8_t)below(r, VARVE_SOURCE_TRANSCRIPT);
    event.present = below(r, 10) > 0 ? VARVE_HAS_TIME : 0;
    event.time = 1000000000 + (int64_t)below(r, 40) * 1000;
    event.str[VARVE_STR_TEXT] = varve_cstr(text_of(r));
    event.str[VARVE_STR_CWD] = varve_cstr(below(r, 2) == 0 ? text_of(r) : NULL);
    event.str[VARVE_STR_TITLE] = varve_cstr(below(r, 4) == 0 ? text_of(r) : NULL);
    event.str[VARVE_STR_MODEL] = varve_cstr(below(r, 3) == 0 ? text_of(r) : NULL);
    event.flags = below(r, 3) == 0 ? VARVE_EV_USER_MESSAGE : 0;
    event.flags |= below(r, 5) == 0 ? VARVE_EV_SIDECHAIN : 0;
    if (below(r, 4) == 0) {
        event.present |= VARVE_HAS_PID;
        event.pid = (int32_t)below(r, 1000);
    }
    if (below(r, 2) == 0) { /* a charge that may come again in any session of any store */
        event.present |= VARVE_HAS_TOKENS * 15 | VARVE_HAS_COST;
        for (int t = 0; t < 4; t++)
            event.tokens[t] = below(r, 1000);
        event.cost = below(r, 100000);
        if (below(r, 4) > 0) {
            event.present |= VARVE_HAS_CHARGE;
            event.charge = varve_charge_key(varve_cstr(text_of(r)));
            event.charge_part = below(r, 3);
            event.charge_kind = (uint8_t)below(r, VARVE_CHARGES);
        }
    }
    char name[32];
    snprintf(name, sizeof name, "{\"n\":%d}", pool);
    event.payload = name;
    event.payload_size = strlen(name);
    if (pool >= 0) {
        event.present |= VARVE_HAS_UID | VARVE_HAS_POSITION;
        event.position = (uint64_t)pool;
        event.uid = varve_name_uid(varve_cstr(NULL), event.session_id, varve_cstr(name));
    }
    assert_true(varve_batch_add(batch, &event) >= 0);
}

static void add_attributes(varve_batch *batch, randomness *r, int64_t moment) {
    uint32_t child = 1 + below(r, SESSIONS - 1), parent = below(r, child);
    varve_event event = event_of(child, "");
    event.present = VARVE_HAS_TIME;
    event.time = 1000000000 + (int64_t)below(r, 40) * 1000;
    event.str[VARVE_STR_GOAL] = varve_cstr(below(r, 2) == 0 ? text_of(r) : NULL);
    event.str[VARVE_STR_TITLE] = varve_cstr(below(r, 3) == 0 ? text_of(r) : NULL);
    if (below(r, 2) == 0) {
        event.str[VARVE_STR_PARENT_ID] = varve_cstr(session_id(parent));
        event.str[VARVE_STR_PARENT_MACHINE] = varve_cstr(parent % 3 == 2 ? "elsewhere" : "home");
        event.session_type = VARVE_SESSION_SUBAGENT;
    }
    if (below(r, 3) == 0) { /* labels of one time are told apart by their arrival */
        event.time = 2000000000 + moment;
        event.str[VARVE_STR_LABELS] =
            varve_cstr(below(r, 2) == 0 ? "run=1\nscore=2" : "run=3\nscore");
    }
    if (below(r, 3) == 0) {
        event.present |= VARVE_HAS_COST | VARVE_HAS_TOKENS;
        event.cost = below(r, 100);
        event.tokens[0] = below(r, 100);
    }
    assert_true(varve_batch_set(batch, &event) >= 0);
}

static void branch(varve *store, varve_batch *batch, randomness *r) {
    uint32_t session = below(r, SESSIONS + FORKS), child = SESSIONS + below(r, FORKS);
    varve_event event = event_of(session, ""), forked = event_of(child, "");
    varve_session found;
    if (varve_session_find(store, event.machine_id, event.session_id, &found) < 0 ||
        found.last_seq == UINT64_MAX)
        return;
    uint64_t seq =
        found.last_seq - below(r, (uint32_t)(found.last_seq < 6 ? found.last_seq + 1 : 6));
    uint32_t what = below(r, 8);
    if (what == 0) {
        assert_true(varve_batch_delete(batch, event.machine_id, event.session_id) >= 0);
    } else if (what < 4) {
        forked.str[VARVE_STR_TITLE] = varve_cstr(text_of(r));
        varve_str machine = varve_cstr(session % 3 == 2 ? "elsewhere" : "home");
        assert_true(varve_batch_fork(batch, &forked, machine, event.session_id,
                                     below(r, 2) == 0 ? UINT64_MAX : seq) >= 0);
    } else {
        assert_true(varve_batch_rewind(batch, event.machine_id, event.session_id, seq) >= 0);
    }
}

void lives_run(varve *store, const lives *h, uint32_t number, int first, int end) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    for (int n = first; n < end; n++) {
        randomness r = random_of(h->seed * LIVES_STORES + number, (uint64_t)n + POOL);
        uint32_t what = below(&r, 20);
        varve_batch_clear(batch);
        if (what < 2) {
            add_attributes(batch, &r, n * LIVES_STORES + (int64_t)number);
        } else if (what < 5 && h->branches) {
            branch(store, batch, &r);
        } else if (what < 12) {
            int pool = (int)below(&r, POOL);
            randomness same = random_of(h->seed, (uint64_t)pool);
            add_event(batch, &same, SESSIONS, pool);
        } else {
            add_event(batch, &r, SESSIONS + (h->branches ? FORKS : 0), -1);
        }
        append(store, batch, h->branches);
    }
    varve_batch_free(&batch);
}

/* ---- Comparing ---- */

static void same_text(varve_str a, varve_str b) {
    assert_int_equal(a.ptr == NULL, b.ptr == NULL);
    assert_int_equal(a.size, b.size);
    if (a.size > 0)
        assert_memory_equal(a.ptr, b.ptr, a.size);
}

void lives_same_session(varve *one, varve *other, varve_str machine, varve_str id) {
    varve_scan *scan[2];
    varve_session session[2];
    varve *store[2] = {one, other};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(varve_scan_open(store[i], &scan[i]), VARVE_OK);
        assert_int_equal(varve_scan_get(scan[i], machine, id, &session[i]), VARVE_OK);
    }
    for (int s = 0; s < VARVE_STRS; s++)
        same_text(session[0].str[s], session[1].str[s]);
    same_text(session[0].first_text, session[1].first_text);
    same_text(session[0].last_text, session[1].last_text);
    for (int i = 0; i < 2; i++) {
        varve_session *s = &session[i];
        memset(s->str, 0, sizeof s->str);
        s->first_text = s->last_text = s->session_id = s->machine_id = varve_cstr(NULL);
        s->row = s->last_lsn = s->last_seq = s->parent_row = 0;
    }
    assert_memory_equal(session[0].by_source, session[1].by_source, sizeof session[0].by_source);
    assert_memory_equal(&session[0], &session[1], sizeof session[0]);
    varve_scan_close(&scan[0]);
    varve_scan_close(&scan[1]);
}

typedef struct {
    uint64_t count, payloads, tokens;
    int64_t cost;
} totals;

static int add_usage(void *context, const varve_usage *usage) {
    totals *sum = context;
    for (int t = 0; t < VARVE_TOKENS; t++)
        sum->tokens += (uint64_t)usage->tokens[t];
    sum->cost += usage->cost;
    sum->count++;
    return 0;
}

/* Sums that do not depend on the order: of what is to be seen, and of what was paid. */
static totals totals_of(varve *store) {
    totals sum = {0};
    varve_event_filter filter;
    varve_cursor *cursor;
    varve_event event;
    assert_int_equal(varve_usage_each(store, add_usage, &sum), 0);
    varve_event_filter_init(&filter);
    assert_int_equal(varve_event_list(store, &filter, &cursor), VARVE_OK);
    while (varve_cursor_next(cursor, &event) == 1) {
        varve_key key = varve_line_uid(varve_cstr(NULL), event.session_id, event.payload,
                                       event.payload_size, (uint64_t)event.time);
        uint64_t part;
        memcpy(&part, &key, sizeof part);
        sum.payloads += part;
        sum.count++;
    }
    varve_cursor_close(&cursor);
    return sum;
}

void lives_same(varve *one, varve *other) {
    varve_stats stats[2] = {{.size = sizeof stats[0]}, {.size = sizeof stats[0]}};
    assert_int_equal(varve_stat(one, &stats[0]), VARVE_OK);
    assert_int_equal(varve_stat(other, &stats[1]), VARVE_OK);
    assert_int_equal(stats[0].sessions, stats[1].sessions);
    assert_int_equal(stats[0].stubs, stats[1].stubs);
    varve_scan *scan;
    varve_session session;
    assert_int_equal(varve_scan_open(one, &scan), VARVE_OK);
    while (varve_scan_next(scan, &session) == 1)
        lives_same_session(one, other, session.machine_id, session.session_id);
    varve_scan_close(&scan);
    totals a = totals_of(one), b = totals_of(other);
    assert_int_equal(a.tokens, b.tokens);
    assert_int_equal(a.cost, b.cost);
    assert_int_equal(a.count, b.count);
    assert_int_equal(a.payloads, b.payloads);
}

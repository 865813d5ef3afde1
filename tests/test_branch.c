/*
 * Forks, rewinds, deletions: one record each, nothing copied, nothing lost.
 */
#include "tests/support/scratch.h"

static void one(varve *store, int (*fill)(varve_batch *batch, const void *what), const void *what,
                int expected) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(fill(batch, what) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), expected);
    varve_batch_free(&batch);
}

typedef struct {
    const char *session, *parent;
    uint64_t seq;
} branch;

static int fill_fork(varve_batch *batch, const void *what) {
    const branch *b = what;
    varve_event child = scratch_event(b->session, "");
    return varve_batch_fork(batch, &child, varve_cstr(NULL), varve_cstr(b->parent), b->seq);
}

static int fill_rewind(varve_batch *batch, const void *what) {
    const branch *b = what;
    return varve_batch_rewind(batch, varve_cstr(NULL), varve_cstr(b->session), b->seq);
}

static int fill_delete(varve_batch *batch, const void *what) {
    return varve_batch_delete(batch, varve_cstr(NULL), varve_cstr(((const branch *)what)->session));
}

static int fill_one(varve_batch *batch, const void *what) {
    const varve_event *event = what;
    return event->type.size > 0 ? varve_batch_add(batch, event) : varve_batch_set(batch, event);
}

static void fork_at(varve *store, const char *child, const char *parent, uint64_t seq,
                    int expected) {
    one(store, fill_fork, &(branch){child, parent, seq}, expected);
}

static void rewind_to(varve *store, const char *session, uint64_t seq, int expected) {
    one(store, fill_rewind, &(branch){session, NULL, seq}, expected);
}

static void delete_session(varve *store, const char *session, int expected) {
    one(store, fill_delete, &(branch){session, NULL, 0}, expected);
}

static void say(varve *store, const char *session, const char *text) {
    varve_batch *batch;
    varve_batch_new(&batch);
    varve_event event = scratch_event(session, "user");
    event.flags = VARVE_EV_USER_MESSAGE;
    event.present = VARVE_HAS_COST;
    event.cost = 10;
    event.str[VARVE_STR_TEXT] = varve_cstr(text);
    event.str[VARVE_STR_TITLE] = varve_cstr(text);
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

/* The session's texts, joined, forwards and backwards. */
static void reads(varve *store, const char *session, const char *expected) {
    for (int backward = 0; backward < 2; backward++) {
        char got[256] = "";
        varve_cursor *cursor;
        varve_event event;
        assert_int_equal(varve_cursor_session(store, varve_cstr(NULL), varve_cstr(session),
                                              backward ? UINT64_MAX : 0,
                                              backward ? VARVE_CURSOR_BACKWARD : 0, &cursor),
                         VARVE_OK);
        while (varve_cursor_next(cursor, &event) == 1) {
            assert_str(event.session_id, session);
            size_t size = strlen(got);
            memmove(got + (backward ? event.str[VARVE_STR_TEXT].size : 0), got, size + 1);
            memcpy(got + (backward ? 0 : size), event.str[VARVE_STR_TEXT].ptr,
                   event.str[VARVE_STR_TEXT].size);
            got[size + event.str[VARVE_STR_TEXT].size] = 0;
        }
        varve_cursor_close(&cursor);
        assert_string_equal(got, expected);
    }
}

static void a_fork_has_its_parents_events_and_then_its_own(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    say(store, "p", "a");
    say(store, "p", "b");
    say(store, "p", "c");
    fork_at(store, "child", "p", 2, VARVE_OK);
    fork_at(store, "twin", "p", UINT64_MAX, VARVE_OK);
    say(store, "child", "X");
    say(store, "p", "d");
    reads(store, "child", "abX");
    reads(store, "twin", "abc");
    reads(store, "p", "abcd");
    fork_at(store, "grandchild", "child", UINT64_MAX, VARVE_OK);
    say(store, "grandchild", "Y");
    say(store, "child", "Z");
    reads(store, "grandchild", "abXY");
    varve_session child = scratch_session(store, "child");
    assert_int_equal(child.session_type, VARVE_SESSION_FORKED);
    assert_int_equal(child.events, 2); /* its own; what it shares is its parent's */
    assert_str(child.str[VARVE_STR_PARENT_ID], "p");
    fork_at(store, "child", "p", 2, VARVE_E_EXISTS);
    fork_at(store, "other", "p", 99, VARVE_E_NOT_FOUND);
    fork_at(store, "other", "nobody", 1, VARVE_E_NOT_FOUND);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_uid_of_the_parent_is_none_of_the_fork(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    varve_event event = scratch_event("p", "user");
    event.present = VARVE_HAS_UID;
    event.uid = varve_name_uid(varve_cstr(NULL), varve_cstr("p"), varve_cstr("met"));
    one(store, fill_one, &event, VARVE_OK);
    fork_at(store, "child", "p", UINT64_MAX, VARVE_OK);
    event.session_id = varve_cstr("child");
    one(store, fill_one, &event, VARVE_OK);
    one(store, fill_one, &event, VARVE_OK);
    assert_int_equal(scratch_session(store, "child").events, 1);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_deleted_parent_changes_nothing_in_its_fork(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    say(store, "p", "a");
    say(store, "p", "b");
    fork_at(store, "child", "p", UINT64_MAX, VARVE_OK);
    say(store, "child", "X");
    delete_session(store, "p", VARVE_OK);
    assert_true((scratch_session(store, "p").flags & VARVE_SS_DELETED) != 0);
    reads(store, "child", "abX");
    assert_null(scratch_session(store, "child").str[VARVE_STR_PARENT_ID].ptr);
    delete_session(store, "nobody", VARVE_E_NOT_FOUND);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_rewind_hides_what_came_after_and_keeps_what_was_paid(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    for (const char *text = "a\0b\0c\0d\0"; *text != 0; text += 2)
        say(store, "s", text);
    fork_at(store, "fork", "s", UINT64_MAX, VARVE_OK);
    rewind_to(store, "s", 2, VARVE_OK);
    reads(store, "s", "ab");
    varve_session session = scratch_session(store, "s");
    assert_int_equal(session.user_messages, 2);
    assert_int_equal(session.events, 2);
    assert_int_equal(session.cost, 40);
    assert_str(session.last_text, "b");
    assert_str(session.str[VARVE_STR_TITLE], "b");
    say(store, "s", "e");
    reads(store, "s", "abe");
    rewind_to(store, "s", 3, VARVE_E_NOT_FOUND); /* hidden already */
    rewind_to(store, "s", 1, VARVE_OK);
    reads(store, "s", "a");
    say(store, "s", "f");
    reads(store, "s", "af");
    reads(store, "fork", "abcd"); /* a later rewind of the parent does not reach it */
    assert_int_equal(scratch_session(store, "s").user_messages, 2);
    assert_int_equal(scratch_session(store, "s").cost, 60);
    scratch_verify(store);
    varve_close(&store);
    store = scratch_open(path, 0);
    assert_int_equal(varve_reindex(store), VARVE_OK);
    reads(store, "s", "af");
    assert_str(scratch_session(store, "s").last_text, "f");
    varve_close(&store);
    scratch_free(path);
}

static void a_fork_can_be_rewound_into_what_it_shares(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    for (const char *text = "a\0b\0c\0"; *text != 0; text += 2)
        say(store, "p", text);
    fork_at(store, "child", "p", UINT64_MAX, VARVE_OK);
    say(store, "child", "X");
    rewind_to(store, "child", 1, VARVE_OK);
    reads(store, "child", "a");
    say(store, "child", "Y");
    reads(store, "child", "aY");
    fork_at(store, "grandchild", "child", UINT64_MAX, VARVE_OK);
    reads(store, "grandchild", "aY");
    rewind_to(store, "grandchild", 1, VARVE_OK);
    fork_at(store, "last", "grandchild", UINT64_MAX, VARVE_OK);
    reads(store, "last", "a");
    reads(store, "p", "abc");
    assert_int_equal(scratch_session(store, "child").events, 1);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static varve_event priced(const char *session, uint8_t source, int64_t time, int64_t cost) {
    varve_event event = scratch_event(session, "ApiRequest");
    event.source = source;
    event.present = VARVE_HAS_TIME | VARVE_HAS_COST | VARVE_HAS_CHARGE;
    event.time = time;
    event.cost = cost;
    event.present |= VARVE_HAS_TOKENS;
    event.tokens[0] = cost;
    event.charge = varve_charge_key(varve_cstr("message"));
    return event;
}

/* What a rewind leaves must not depend on what came in the same batch of the index, or later. */
static void a_rewind_leaves_the_same_whenever_it_is_folded(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    varve_event event = priced("s", VARVE_SOURCE_HOOK, 10, 5);
    one(store, fill_one, &event, VARVE_OK);
    rewind_to(store, "s", 0, VARVE_OK); /* s was first, so it is charged what the next line tells */
    event = priced("other", VARVE_SOURCE_TRANSCRIPT, 20, 50);
    one(store, fill_one, &event, VARVE_OK);
    assert_int_equal(scratch_session(store, "s").sources, 1 << VARVE_SOURCE_HOOK);
    assert_int_equal(scratch_session(store, "s").by_source[VARVE_SOURCE_TRANSCRIPT].cost, 50);
    scratch_verify(store);
    event = scratch_event("t", "user");
    event.present = VARVE_HAS_TIME;
    event.time = 20;
    event.str[VARVE_STR_MODEL] = varve_cstr("later");
    one(store, fill_one, &event, VARVE_OK);
    event.type = varve_cstr(NULL);
    event.time = 10;
    event.str[VARVE_STR_MODEL] = varve_cstr("earlier");
    one(store, fill_one, &event, VARVE_OK);
    rewind_to(store, "t", 0, VARVE_OK);
    assert_str(scratch_session(store, "t").str[VARVE_STR_MODEL], "earlier");
    event = scratch_event("u", "user");
    event.str[VARVE_STR_MODEL] = varve_cstr("a third");
    one(store, fill_one, &event, VARVE_OK);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static int fill_labels(varve_batch *batch, const void *what) {
    varve_event event = scratch_event("s", "");
    event.str[VARVE_STR_LABELS] = varve_cstr(what);
    return varve_batch_set(batch, &event);
}

static void labels_are_set_and_taken_away_one_by_one(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    one(store, fill_labels, "run=7\ntask=sort\nscore=0.5", VARVE_OK);
    one(store, fill_labels, "score=0.9\ntask", VARVE_OK);
    one(store, fill_labels, "empty=\nb=2", VARVE_OK);
    varve_scan *scan;
    varve_session session;
    assert_int_equal(varve_scan_open(store, &scan), VARVE_OK);
    assert_int_equal(varve_scan_get(scan, varve_cstr(NULL), varve_cstr("s"), &session), VARVE_OK);
    assert_str(session.str[VARVE_STR_LABELS], "b=2\nempty=\nrun=7\nscore=0.9");
    varve_scan_close(&scan);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static int fill_absolute(varve_batch *batch, const void *what) {
    varve_event event = scratch_event("z", "");
    event.present =
        VARVE_HAS_TOKENS << VARVE_TOK_INPUT | VARVE_HAS_COST | VARVE_HAS_TURN | VARVE_HAS_TIME;
    event.tokens[VARVE_TOK_INPUT] = *(const int64_t *)what;
    event.cost = *(const int64_t *)what * 2;
    event.turn = (int32_t) * (const int64_t *)what;
    event.time = 1000 + *(const int64_t *)what;
    return varve_batch_set(batch, &event);
}

static void counters_that_are_said_outright_replace_each_other(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    int64_t figures[] = {100, 300, 200}; /* the last in time wins, not the last to come */
    for (int i = 0; i < 3; i++)
        one(store, fill_absolute, &figures[i], VARVE_OK);
    varve_session session = scratch_session(store, "z");
    assert_int_equal(session.tokens[VARVE_TOK_INPUT], 300);
    assert_int_equal(session.cost, 600);
    assert_int_equal(session.turns, 300);
    assert_int_equal(session.first_started, 1100);
    assert_int_equal(session.last_activity, 1300);
    assert_int_equal(session.events, 0);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_has_its_parents_events_and_then_its_own),
        cmocka_unit_test(a_uid_of_the_parent_is_none_of_the_fork),
        cmocka_unit_test(a_deleted_parent_changes_nothing_in_its_fork),
        cmocka_unit_test(a_rewind_hides_what_came_after_and_keeps_what_was_paid),
        cmocka_unit_test(a_fork_can_be_rewound_into_what_it_shares),
        cmocka_unit_test(a_rewind_leaves_the_same_whenever_it_is_folded),
        cmocka_unit_test(labels_are_set_and_taken_away_one_by_one),
        cmocka_unit_test(counters_that_are_said_outright_replace_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

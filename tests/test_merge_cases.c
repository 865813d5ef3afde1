/*
 * Merging, one thing at a time: rewinds, forks, copies of a store, what stays behind, what is
 * refused.
 */
#include "tests/support/merging.h"

static void say(varve *store, const char *session, const char *text) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    varve_event event = scratch_event(session, "user");
    event.source = VARVE_SOURCE_HOOK;
    event.present = VARVE_HAS_COST;
    event.cost = 10;
    event.str[VARVE_STR_TEXT] = varve_cstr(text);
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void say_all(varve *store, const char *session, const char *letters) {
    for (char text[2] = {*letters}; *text != 0; *text = *++letters)
        say(store, session, text);
}

static void fork_at(varve *store, const char *child, const char *parent, uint64_t seq) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    varve_event event = scratch_event(child, "");
    event.str[VARVE_STR_TITLE] = varve_cstr("a fork");
    assert_true(varve_batch_fork(batch, &event, varve_cstr(NULL), varve_cstr(parent), seq) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void rewind_to(varve *store, const char *session, uint64_t seq) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_rewind(batch, varve_cstr(NULL), varve_cstr(session), seq) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void delete_session(varve *store, const char *session) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_delete(batch, varve_cstr(NULL), varve_cstr(session)) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

/* The session's texts, joined. */
static void reads(varve *store, const char *session, const char *expected) {
    char got[64] = "";
    varve_cursor *cursor;
    varve_event event;
    assert_int_equal(
        varve_cursor_session(store, varve_cstr("home"), varve_cstr(session), 0, 0, &cursor),
        VARVE_OK);
    while (varve_cursor_next(cursor, &event) == 1)
        strncat(got, event.str[VARVE_STR_TEXT].ptr, event.str[VARVE_STR_TEXT].size);
    varve_cursor_close(&cursor);
    assert_string_equal(got, expected);
}

static varve_session session_of(varve *store, const char *id) {
    varve_session session;
    assert_int_equal(varve_session_find(store, varve_cstr("home"), varve_cstr(id), &session),
                     VARVE_OK);
    return session;
}

static void a_merged_rewind_hides_what_it_hid_and_nothing_else(void **state) {
    (void)state;
    char *path[3];
    varve *from = merging_new(&path[0], "home"), *here = merging_new(&path[1], "home"),
          *third = merging_new(&path[2], NULL);
    say_all(from, "s", "abc");
    merging_merge(here, from);
    say_all(here, "s", "xy");
    rewind_to(from, "s", 1);
    say_all(from, "s", "d");
    varve_merged merged = merging_merge(here, from);
    assert_int_equal(merged.rewinds, 1);
    assert_int_equal(merged.events, 1);
    assert_int_equal(merged.duplicates, 3);
    reads(here, "s", "axyd");
    assert_int_equal(session_of(here, "s").cost, 60);
    assert_int_equal(session_of(here, "s").events, 4);
    merging_adds_nothing(&here, path[1], from);
    merging_merge(third, here); /* x and y stand there twice, once behind the rewind */
    reads(third, "s", "axyd");
    lives_same(here, third);
    merging_merge(from, third);
    lives_same(here, from);
    rewind_to(here, "s", 1); /* what is shown again can be hidden again */
    reads(here, "s", "a");
    merging_merge(third, here);
    reads(third, "s", "a");
    assert_int_equal(session_of(third, "s").cost, 60);
    merging_end(&from, path[0]);
    merging_end(&here, path[1]);
    merging_end(&third, path[2]);
}

static void a_merged_fork_goes_on_from_what_it_shares(void **state) {
    (void)state;
    char *path[3];
    varve *from = merging_new(&path[0], "home"), *here = merging_new(&path[1], NULL),
          *other = merging_new(&path[2], "home");
    say_all(from, "p", "abc");
    fork_at(from, "child", "p", 2);
    fork_at(from, "twin", "child", UINT64_MAX); /* from nothing but what child shares */
    fork_at(from, "fresh", "p", 0);
    say_all(from, "child", "X");
    say_all(from, "fresh", "Y");
    rewind_to(from, "p", 1);
    rewind_to(from, "child", 1);
    say_all(from, "child", "Z");
    varve_merged merged = merging_merge(here, from);
    assert_int_equal(merged.sessions, 4);
    assert_int_equal(merged.forks, 3);
    assert_int_equal(merged.rewinds, 2);
    assert_int_equal(merged.not_carried, 0);
    reads(here, "p", "a");
    reads(here, "child", "aZ");
    reads(here, "twin", "ab");
    reads(here, "fresh", "Y");
    fork_at(from, "late", "twin", UINT64_MAX); /* what it shares is hidden in p by now */
    merged = merging_merge(here, from);
    assert_int_equal(merged.forks, 1);
    reads(here, "late", "ab");
    say_all(other, "child", "Q"); /* a session in its own right */
    merged = merging_merge(other, from);
    assert_int_equal(merged.not_carried, 1);
    assert_int_equal(merged.forks, 3);
    reads(other, "child", "QZ");
    assert_int_equal(session_of(other, "child").session_type, VARVE_SESSION_FORKED);
    merging_adds_nothing(&other, path[2], from);
    merging_merge(here, other);
    reads(here, "child", "aZQ");
    lives_same(here, other);
    merging_end(&from, path[0]);
    merging_end(&here, path[1]);
    merging_end(&other, path[2]);
}

static void a_fork_shares_what_its_parent_lost_meanwhile(void **state) {
    (void)state;
    char *path[2];
    varve *from = merging_new(&path[0], "home"), *here = merging_new(&path[1], "home");
    say_all(from, "p", "ab");
    merging_merge(here, from);
    rewind_to(here, "p", 1);
    fork_at(from, "child", "p", 2);
    delete_session(from, "p");
    fork_at(from, "orphan", "p", UINT64_MAX);
    varve_merged merged = merging_merge(here, from);
    assert_int_equal(merged.forks, 2);
    assert_int_equal(merged.deletions, 1);
    assert_true((session_of(here, "p").flags & VARVE_SS_DELETED) != 0);
    reads(here, "p", "a");
    reads(here, "child", "ab");
    reads(here, "orphan", "ab");
    merging_end(&from, path[0]);
    merging_end(&here, path[1]);
}

static void what_a_fork_shares_here_is_not_made_its_own_by_a_rewind(void **state) {
    (void)state;
    char *path[2];
    varve *from = merging_new(&path[0], "home"), *here = merging_new(&path[1], "home");
    say_all(from, "p", "ab");
    merging_merge(here, from);
    say_all(here, "p", "x"); /* between what child will share */
    say_all(from, "p", "c");
    fork_at(from, "child", "p", UINT64_MAX);
    say_all(from, "child", "X");
    merging_merge(here, from);
    reads(here, "child", "abxcX");
    rewind_to(from, "child", 1);
    say_all(from, "child", "Y");
    merging_merge(here, from);
    reads(here, "p", "abxc");
    reads(here, "child", "aY");
    assert_int_equal(session_of(here, "child").events, 1);
    assert_int_equal(session_of(here, "p").events, 4);
    merging_end(&from, path[0]);
    merging_end(&here, path[1]);
}

static void copies_of_a_store_that_went_on_apart_can_be_merged(void **state) {
    (void)state;
    char *path[2] = {scratch_new(), scratch_new()};
    varve *one = merging_open(path[0], "home");
    say_all(one, "s", "abc");
    varve_close(&one);
    scratch_run("rm '%s/CONTROL' && cp -r '%s' '%s'", path[0], path[0], path[1]);
    one = merging_open(path[0], NULL);
    varve *other = merging_open(path[1], NULL);
    say_all(one, "s", "uvw"); /* at the same lsns as */
    say_all(other, "s", "xyz");
    varve_merged merged = merging_merge(one, other);
    assert_int_equal(merged.events, 3);
    assert_int_equal(merged.duplicates, 3);
    reads(one, "s", "abcuvwxyz");
    merging_merge(other, one);
    reads(other, "s", "abcxyzuvw");
    lives_same(one, other);
    merging_end(&one, path[0]);
    merging_end(&other, path[1]);
}

static void many_events_come_in_batches_and_inputs_stay_behind(void **state) {
    (void)state;
    char *path[2];
    varve *from = merging_new(&path[0], "home"), *here = merging_new(&path[1], NULL);
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    scratch_append(from, "s", "user", 20000);
    scratch_append(from, "t", "user", 3);
    assert_true(varve_batch_cursor(batch, varve_cstr("input"), "9", 1) >= 0);
    assert_int_equal(varve_append(from, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_merged merged = merging_merge(here, from);
    assert_int_equal(merged.events, 20003);
    assert_int_equal(merged.sessions, 2);
    assert_int_equal(varve_cursor_state(here, varve_cstr("input"), NULL, 0), VARVE_E_NOT_FOUND);
    merging_adds_nothing(&here, path[1], from);
    varve_batch_free(&batch);
    merging_end(&from, path[0]);
    merging_end(&here, path[1]);
}

static void what_cannot_be_merged_is_refused(void **state) {
    (void)state;
    char *path[2];
    varve *store = merging_new(&path[0], NULL), *other = merging_new(&path[1], NULL);
    say(store, "s", "a");
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    varve *again, *reader;
    assert_int_equal(varve_open(path[0], &options, &again), VARVE_OK);
    assert_int_equal(varve_open(path[1], &options, &reader), VARVE_OK);
    varve_merged small = {.size = 8};
    assert_int_equal(varve_merge(store, store, NULL), VARVE_E_ARGUMENT);
    assert_int_equal(varve_merge(store, again, NULL), VARVE_E_ARGUMENT); /* by another handle */
    assert_int_equal(varve_merge(other, NULL, NULL), VARVE_E_ARGUMENT);
    assert_int_equal(varve_merge(other, again, &small), VARVE_E_ARGUMENT);
    assert_int_equal(varve_merge(reader, again, NULL), VARVE_E_READ_ONLY);
    assert_int_equal(varve_merge(other, again, NULL), VARVE_OK);
    assert_int_equal(merging_stats(other).events, 1);
    varve_close(&again);
    varve_close(&reader);
    merging_end(&store, path[0]);
    merging_end(&other, path[1]);
}

static void attributes_with_a_uid_are_set_once(void **state) {
    (void)state;
    char *path;
    varve *store = merging_new(&path, NULL);
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    varve_event event = scratch_event("s", "");
    event.present = VARVE_HAS_UID;
    event.uid = varve_name_uid(varve_cstr(NULL), event.session_id, varve_cstr("once"));
    uint64_t tail = 0;
    for (int i = 0; i < 3; i++) {
        varve_batch_clear(batch);
        assert_true(varve_batch_set(batch, &event) >= 0);
        assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
        assert_true(i == 0 || merging_stats(store).tail_lsn == tail);
        tail = merging_stats(store).tail_lsn;
    }
    varve_batch_free(&batch);
    merging_end(&store, path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merged_rewind_hides_what_it_hid_and_nothing_else),
        cmocka_unit_test(a_merged_fork_goes_on_from_what_it_shares),
        cmocka_unit_test(a_fork_shares_what_its_parent_lost_meanwhile),
        cmocka_unit_test(what_a_fork_shares_here_is_not_made_its_own_by_a_rewind),
        cmocka_unit_test(copies_of_a_store_that_went_on_apart_can_be_merged),
        cmocka_unit_test(many_events_come_in_batches_and_inputs_stay_behind),
        cmocka_unit_test(what_cannot_be_merged_is_refused),
        cmocka_unit_test(attributes_with_a_uid_are_set_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

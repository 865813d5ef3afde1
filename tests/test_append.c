/*
 * What an append promises: everything of a batch or nothing, seq without a gap, a known uid once,
 * identities kept apart, and a store that another handle reads the same.
 */
#include "engine/varve.h"

#include "tests/support/scratch.h"

static void one_event_can_be_read_back_as_it_was_appended(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    varve_event event;
    varve_event_init(&event);
    event.session_id = varve_cstr("session-1");
    event.type = varve_cstr("SomethingNew");
    event.str[VARVE_STR_CWD] = varve_cstr("/home/user");
    event.str[VARVE_STR_MODEL] = varve_cstr("");
    event.payload = "{\"a\":1}";
    event.payload_size = 7;
    event.present = VARVE_HAS_TIME | VARVE_HAS_PID | VARVE_HAS_DURATION |
                    (VARVE_HAS_TOKENS << VARVE_TOK_OUTPUT);
    event.time = 1700000000123456789;
    event.pid = -1;
    event.duration = 0;
    event.tokens[VARVE_TOK_OUTPUT] = 42;
    assert_int_equal(varve_batch_add(batch, &event), 0);
    varve_appended done = {.size = sizeof done};
    assert_int_equal(varve_append(store, batch, VARVE_GROUP, &done), VARVE_OK);
    assert_int_equal(done.stored, 1);

    varve_cursor *cursor;
    assert_int_equal(
        varve_cursor_session(store, varve_cstr(NULL), varve_cstr("session-1"), 0, 0, &cursor),
        VARVE_OK);
    varve_event got;
    assert_int_equal(varve_cursor_next(cursor, &got), 1);
    assert_str(got.session_id, "session-1");
    assert_str(got.type, "SomethingNew");
    assert_str(got.str[VARVE_STR_CWD], "/home/user");
    assert_non_null(got.str[VARVE_STR_MODEL].ptr); /* empty is not absent */
    assert_int_equal(got.str[VARVE_STR_MODEL].size, 0);
    assert_null(got.str[VARVE_STR_TITLE].ptr);
    assert_int_equal(got.payload_size, 7);
    assert_memory_equal(got.payload, "{\"a\":1}", 7);
    assert_int_equal(got.present, event.present | VARVE_HAS_PAYLOAD);
    assert_int_equal(got.time, event.time);
    assert_int_equal(got.pid, -1);
    assert_int_equal(got.tokens[VARVE_TOK_OUTPUT], 42);
    assert_int_equal(got.seq, 1); /* 0 is the session's identity */
    assert_int_equal(varve_cursor_next(cursor, &got), 0);
    varve_cursor_close(&cursor);
    scratch_verify(store);
    varve_batch_free(&batch);
    varve_close(&store);
    assert_null(store);
    scratch_free(path);
}

static void a_known_uid_adds_nothing_in_one_batch_or_the_next_or_another_handle(void **state) {
    (void)state;
    char *path = scratch_new();
    for (int round = 0; round < 3; round++) {
        varve *store = scratch_open(path, 0);
        varve_batch *batch;
        varve_batch_new(&batch);
        for (int i = 0; i < 20; i++) {
            char line[32];
            int size = snprintf(line, sizeof line, "line %d", i % 10);
            varve_event event = scratch_event("s", "user");
            event.present |= VARVE_HAS_UID;
            event.uid = varve_line_uid(varve_cstr(NULL), varve_cstr("s"), line, (size_t)size, 0);
            assert_true(varve_batch_add(batch, &event) >= 0);
        }
        varve_appended done = {.size = sizeof done};
        assert_int_equal(varve_append(store, batch, VARVE_NONE, &done), VARVE_OK);
        assert_int_equal(done.stored, round == 0 ? 10 : 0);
        assert_int_equal(done.duplicates, round == 0 ? 10 : 20);
        assert_int_equal(done.is_duplicate[10], 1);
        scratch_verify(store);
        varve_batch_free(&batch);
        varve_close(&store);
    }
    scratch_free(path);
}

static void two_events_without_uid_both_count_however_alike(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    for (int i = 0; i < 3; i++)
        scratch_append(store, "s", "PreToolUse", 1);
    assert_int_equal(scratch_session(store, "s").events, 3);
    assert_int_equal(scratch_session(store, "s").tool_calls, 3);
    varve_close(&store);
    scratch_free(path);
}

static void segments_rotate_and_every_record_stays_in_place(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    for (int i = 0; i < 300; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%d", i % 7);
        scratch_append(store, id, "user", 5);
    }
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(store, &stats), VARVE_OK);
    assert_true(stats.segments > 3);
    assert_int_equal(stats.events, 1500);
    for (int s = 0; s < 7; s++) {
        char id[16];
        snprintf(id, sizeof id, "s%d", s);
        scratch_check_seq(store, id, (s < 300 % 7 ? 43u : 42u) * 5u);
    }
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_batch_larger_than_a_segment_gets_one_of_its_own(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    scratch_append(store, "s", "user", 1);
    char *payload = calloc(1, 1 << 20);
    varve_batch *batch;
    varve_batch_new(&batch);
    varve_event event = scratch_event("s", "user");
    event.payload = payload;
    event.payload_size = 1 << 20;
    varve_batch_add(batch, &event);
    assert_int_equal(varve_append(store, batch, VARVE_GROUP, NULL), VARVE_OK);
    scratch_append(store, "s", "user", 1);
    scratch_check_seq(store, "s", 3);
    scratch_verify(store);
    varve_batch_free(&batch);
    free(payload);
    varve_close(&store);
    scratch_free(path);
}

static void a_session_reads_backwards_and_from_any_seq(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    for (int i = 0; i < 100; i++)
        scratch_append(store, i % 2 == 0 ? "a" : "b", "user", 100);
    varve_cursor *cursor;
    varve_event event;
    for (uint64_t from = 1; from < 5000; from += 613) {
        assert_int_equal(
            varve_cursor_session(store, varve_cstr(NULL), varve_cstr("a"), from, 0, &cursor),
            VARVE_OK);
        for (uint64_t seq = from; seq <= 5000; seq++) {
            assert_int_equal(varve_cursor_next(cursor, &event), 1);
            assert_int_equal(event.seq, seq);
        }
        assert_int_equal(varve_cursor_next(cursor, &event), 0);
        varve_cursor_close(&cursor);
        assert_int_equal(varve_cursor_session(store, varve_cstr(NULL), varve_cstr("a"), from,
                                              VARVE_CURSOR_BACKWARD, &cursor),
                         VARVE_OK);
        for (uint64_t seq = from; seq >= 1; seq--) {
            assert_int_equal(varve_cursor_next(cursor, &event), 1);
            assert_int_equal(event.seq, seq);
        }
        assert_int_equal(varve_cursor_next(cursor, &event), 0);
        varve_cursor_close(&cursor);
    }
    varve_close(&store);
    scratch_free(path);
}

static void a_cursor_sees_the_store_as_it_was_when_it_was_opened(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    scratch_append(store, "s", "user", 10);
    varve_cursor *all, *one;
    assert_int_equal(varve_cursor_store(store, 0, 0, &all), VARVE_OK);
    assert_int_equal(varve_cursor_session(store, varve_cstr(NULL), varve_cstr("s"), 0, 0, &one),
                     VARVE_OK);
    for (int i = 0; i < 100; i++)
        scratch_append(store, "s", "user", 10);
    varve_event event;
    int seen[2] = {0};
    while (varve_cursor_next(all, &event) == 1)
        seen[0]++;
    while (varve_cursor_next(one, &event) == 1)
        seen[1]++;
    assert_int_equal(seen[0], 10);
    assert_int_equal(seen[1], 10);
    varve_cursor_close(&all);
    varve_cursor_close(&one);
    varve_close(&store);
    scratch_free(path);
}

static void a_reader_without_index_folds_the_same_sessions_from_the_log(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    for (int i = 0; i < 50; i++)
        scratch_append(store, i % 3 == 0 ? "a" : "b", "user", 20);
    varve_session before = scratch_session(store, "b");
    varve_close(&store);
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_NO_INDEX;
    assert_int_equal(varve_open(path, &options, &store), VARVE_OK);
    varve_session after = scratch_session(store, "b");
    assert_int_equal(before.events, after.events);
    assert_int_equal(before.last_lsn, after.last_lsn);
    assert_memory_equal(before.by_source, after.by_source, sizeof before.by_source);
    varve_batch *batch;
    varve_batch_new(&batch);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_E_READ_ONLY);
    varve_batch_free(&batch);
    varve_close(&store);
    scratch_free(path);
}

static void bad_events_are_refused_and_change_nothing(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_batch *batch;
    varve_batch_new(&batch);
    varve_event event;
    varve_event_init(&event);
    assert_int_equal(varve_batch_add(batch, &event),
                     VARVE_E_ARGUMENT); /* neither session nor type */
    event = scratch_event("s", "user");
    event.type = varve_cstr(NULL);
    assert_int_equal(varve_batch_add(batch, &event), VARVE_E_ARGUMENT);
    event = scratch_event("s", "user");
    event.source = VARVE_SOURCES;
    assert_int_equal(varve_batch_add(batch, &event), VARVE_E_ARGUMENT);
    event = scratch_event("s", "user");
    event.payload = "";
    event.payload_size = ((size_t)256 << 20) + 1;
    assert_int_equal(varve_batch_add(batch, &event), VARVE_E_TOO_BIG);
    char *id = malloc(1026);
    memset(id, 'x', 1025);
    id[1025] = 0;
    event = scratch_event(id, "user");
    assert_int_equal(varve_batch_add(batch, &event), VARVE_E_TOO_BIG);
    event.session_id.size = 1024;
    assert_int_equal(varve_batch_add(batch, &event), 0);
    assert_int_equal(varve_batch_count(batch), 1);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    free(id);
    varve_batch_free(&batch);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_machine_that_is_not_named_is_the_stores_own_whatever_its_size(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    for (int i = 0; i < 2; i++) {
        varve_batch *batch;
        varve_batch_new(&batch);
        varve_event event = scratch_event("s", "user");
        event.machine_id = (varve_str){NULL, i == 0 ? 0 : 1 << 20};
        assert_int_equal(varve_batch_add(batch, &event), 0);
        assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
        varve_batch_free(&batch);
    }
    assert_int_equal(scratch_session(store, "s").events, 2);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_handle_does_not_work_in_a_child_process(void **state) {
    (void)state;
    if (!scratch_can_wipe())
        skip();
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    scratch_append(store, "s", "user", 1);
    pid_t child = fork();
    if (child == 0) {
        varve_session session;
        _exit(varve_session_find(store, varve_cstr(NULL), varve_cstr("s"), &session) ==
                      VARVE_E_FORKED
                  ? 0
                  : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    scratch_append(store, "s", "user", 1);
    varve_close(&store);
    scratch_free(path);
}

static void cursors_of_inputs_keep_what_was_said_last(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    char found[16];
    assert_int_equal(varve_cursor_state(store, varve_cstr("file:a"), found, sizeof found),
                     VARVE_E_NOT_FOUND);
    for (int i = 0; i < 3; i++) {
        varve_batch *batch;
        varve_batch_new(&batch);
        char text[16];
        int size = snprintf(text, sizeof text, "at %d", i);
        assert_true(varve_batch_cursor(batch, varve_cstr("file:a"), text, (size_t)size) >= 0);
        assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
        varve_batch_free(&batch);
    }
    assert_int_equal(varve_cursor_state(store, varve_cstr("file:a"), found, sizeof found), 4);
    assert_memory_equal(found, "at 2", 4);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_event_can_be_read_back_as_it_was_appended),
        cmocka_unit_test(a_known_uid_adds_nothing_in_one_batch_or_the_next_or_another_handle),
        cmocka_unit_test(two_events_without_uid_both_count_however_alike),
        cmocka_unit_test(segments_rotate_and_every_record_stays_in_place),
        cmocka_unit_test(a_batch_larger_than_a_segment_gets_one_of_its_own),
        cmocka_unit_test(a_session_reads_backwards_and_from_any_seq),
        cmocka_unit_test(a_cursor_sees_the_store_as_it_was_when_it_was_opened),
        cmocka_unit_test(a_reader_without_index_folds_the_same_sessions_from_the_log),
        cmocka_unit_test(bad_events_are_refused_and_change_nothing),
        cmocka_unit_test(a_machine_that_is_not_named_is_the_stores_own_whatever_its_size),
        cmocka_unit_test(a_handle_does_not_work_in_a_child_process),
        cmocka_unit_test(cursors_of_inputs_keep_what_was_said_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Queries of events: each filter on both sides of its boundary, orders, several sessions, what is hidden, and
 * following a store by the last lsn that was seen.
 */
#include "tests/support/scratch.h"

static varve_event_filter everything(void) {
    varve_event_filter filter;
    varve_event_filter_init(&filter);
    return filter;
}

enum { LONG = 1 << 16 };

/* The texts of the events that a filter gives, joined; the lsn of the last. */
static char *list(varve *store, const varve_event_filter *filter, uint64_t *ret_last) {
    static char got[LONG];
    varve_cursor *cursor;
    varve_event event;
    size_t size = 0;
    int more;
    int result = varve_event_list(store, filter, &cursor);
    if (result < 0)
        print_error("%s\n", varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    while ((more = varve_cursor_next(cursor, &event)) == 1) {
        varve_str text = event.str[VARVE_STR_TEXT];
        size += (size_t)snprintf(got + size, sizeof got - size, "%.*s", (int)text.size, text.ptr != NULL ? text.ptr : "");
        if (ret_last != NULL)
            *ret_last = event.lsn;
    }
    assert_int_equal(more, 0);
    varve_cursor_close(&cursor);
    got[size] = 0;
    return got;
}

static void gives(varve *store, varve_event_filter filter, const char *expected) {
    uint64_t count = 99;
    assert_string_equal(list(store, &filter, NULL), expected);
    assert_int_equal(varve_event_count(store, &filter, &count), VARVE_OK);
    if (filter.limit == 0)
        assert_int_equal(count, strlen(expected));
}

static void append(varve *store, varve_event event) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static varve_event saying(const char *session, const char *text) {
    varve_event event = scratch_event(session, "user");
    event.str[VARVE_STR_TEXT] = varve_cstr(text);
    return event;
}

static void say(varve *store, const char *session, const char *text) {
    append(store, saying(session, text));
}

/* ---- Filters ---- */

static void fields_of_the_event(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    static const struct {
        const char *text, *session, *type, *mode, *framework;
        uint8_t source, role;
    } made[] = {
        {"a", "s", "ApiRequest", "plan", "codex", VARVE_SOURCE_OTEL, VARVE_ROLE_NONE},
        {"b", "s", "Own", "plan2", NULL, VARVE_SOURCE_HOOK, VARVE_ROLE_USER}, /* its session's: codex */
        {"c", "t", "Own2", "", NULL, VARVE_SOURCE_API, VARVE_ROLE_ASSISTANT},
        {"d", "t", "user", NULL, "code", VARVE_SOURCE_TRANSCRIPT, VARVE_ROLE_TOOL},
        {"e", "u", "ApiError", NULL, NULL, VARVE_SOURCE_TRANSCRIPT, VARVE_ROLE_USER},
    };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        varve_event event = saying(made[i].session, made[i].text);
        event.type = varve_cstr(made[i].type);
        event.str[VARVE_STR_PERMISSION_MODE] = varve_cstr(made[i].mode);
        event.str[VARVE_STR_FRAMEWORK] = varve_cstr(made[i].framework);
        event.source = made[i].source;
        event.role = made[i].role;
        append(store, event);
    }
    varve_str types[] = {varve_cstr("Own"), varve_cstr("user"), varve_cstr("nothing")};
    varve_event_filter filter = everything();
    gives(store, filter, "abcde");
    filter.types = types;
    filter.type_count = 1;
    gives(store, filter, "b");
    filter.type_count = 3;
    gives(store, filter, "bd");
    filter.types = types + 2;
    filter.type_count = 1;
    gives(store, filter, "");
    filter = everything();
    filter.permission_mode = varve_cstr("plan");
    gives(store, filter, "a");
    filter.permission_mode = varve_cstr("");
    gives(store, filter, "c");
    filter = everything();
    filter.framework = varve_cstr("codex");
    gives(store, filter, "ab");
    filter.framework = varve_cstr("code");
    gives(store, filter, "cd");
    filter.framework = varve_cstr("cod");
    gives(store, filter, "");
    filter = everything();
    filter.sources = 1u << VARVE_SOURCE_API;
    gives(store, filter, "c");
    filter.sources |= 1u << VARVE_SOURCE_OTEL;
    gives(store, filter, "ac");
    filter = everything();
    filter.roles = 1u << VARVE_ROLE_NONE | 1u << VARVE_ROLE_TOOL;
    gives(store, filter, "ad");
    filter = everything();
    filter.flags = VARVE_EVENTS_API_REQUESTS;
    gives(store, filter, "a");
    filter.flags = VARVE_EVENTS_NO_API_REQUESTS;
    gives(store, filter, "bcde");
    varve_event event = saying("s", "f"); /* its own framework counts before its session's, codex */
    event.str[VARVE_STR_FRAMEWORK] = varve_cstr("zed");
    event.present = VARVE_HAS_TIME;
    event.time = 1;
    append(store, event);
    filter = everything();
    filter.framework = varve_cstr("zed");
    gives(store, filter, "f");
    filter.framework = varve_cstr("codex");
    gives(store, filter, "ab");
    varve_close(&store);
    scratch_free(path);
}

static void times_and_lsns(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    for (int i = 0; i < 5; i++) {
        varve_event event = saying(i % 2 ? "s" : "t", (const char *[]){"a", "b", "c", "d", "e"}[i]);
        event.present = VARVE_HAS_TIME;
        event.time = (const int64_t[]){30, 10, 20, 10, 40}[i];
        append(store, event);
    }
    varve_event event = saying("s", "x"); /* has a place in order, but no time */
    event.time = 15;
    append(store, event);
    varve_event_filter filter = everything();
    filter.after_time = 20;
    gives(store, filter, "ace");
    filter.after_time = 21;
    gives(store, filter, "ae");
    filter.before_time = 40;
    gives(store, filter, "a");
    filter.before_time = 41;
    gives(store, filter, "ae");
    filter = everything();
    filter.before_time = 11;
    gives(store, filter, "bd");
    filter.before_time = 10;
    gives(store, filter, "");
    filter.after_time = 11;
    filter.before_time = 20;
    gives(store, filter, "");
    filter = everything();
    filter.flags = VARVE_EVENTS_BY_TIME;
    gives(store, filter, "bdxcae");
    for (uint64_t limit = 1; limit < 8; limit++) {
        char expected[] = "bdxcae";
        filter.limit = limit;
        expected[limit < 6 ? limit : 6] = 0;
        gives(store, filter, expected);
    }
    filter.flags |= VARVE_EVENTS_REVERSE;
    filter.limit = 5;
    gives(store, filter, "eacxd");
    filter = everything();
    filter.limit = 3;
    uint64_t third = 0;
    assert_string_equal(list(store, &filter, &third), "abc");
    for (int reverse = 0; reverse < 2; reverse++) {
        filter = everything();
        filter.flags = reverse ? (uint32_t)VARVE_EVENTS_REVERSE : 0u;
        filter.after_lsn = third;
        gives(store, filter, reverse ? "xed" : "dex");
        filter.after_lsn = third - 1;
        gives(store, filter, reverse ? "xedc" : "cdex");
        filter.after_lsn = third + 1;
        gives(store, filter, reverse ? "xed" : "dex");
        filter.after_lsn = 0;
        filter.before_lsn = third;
        gives(store, filter, reverse ? "ba" : "ab");
        filter.before_lsn = third + 1;
        gives(store, filter, reverse ? "cba" : "abc");
        filter.after_lsn = UINT64_MAX;
        gives(store, filter, "");
        varve_str ids[] = {varve_cstr("t"), varve_cstr("s")};
        filter = everything();
        filter.flags = reverse ? (uint32_t)VARVE_EVENTS_REVERSE : 0u;
        filter.session_ids = ids;
        filter.session_count = 1;
        gives(store, filter, reverse ? "eca" : "ace");
        filter.after_lsn = third;
        gives(store, filter, "e");
        filter.after_lsn = third - 1;
        filter.session_count = 2;
        gives(store, filter, reverse ? "xedc" : "cdex");
        filter.before_lsn = third + 1;
        gives(store, filter, "c");
        filter = everything();
        filter.flags = reverse ? (uint32_t)VARVE_EVENTS_REVERSE : 0u;
        filter.session_ids = ids + 1;
        filter.session_count = 1;
        filter.from_seq = 2;
        gives(store, filter, reverse ? "db" : "dx");
    }
    varve_close(&store);
    scratch_free(path);
}

static void backwards_over_many_segments(void **state) {
    (void)state;
    char *path = scratch_new(), forwards[LONG], text[2] = "a";
    varve *store = scratch_open(path, 64 << 10);
    char *payload = calloc(1, 5000);
    for (int i = 0; i < 100; i++) {
        text[0] = (char)('A' + i % 50);
        varve_event event = saying(i % 3 ? "s" : "t", text);
        event.payload = payload;
        event.payload_size = 5000;
        append(store, event);
    }
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(store, &stats), VARVE_OK);
    assert_true(stats.segments > 5);
    varve_event_filter filter = everything();
    uint64_t last = 0, lsn = 0;
    strcpy(forwards, list(store, &filter, &last));
    assert_int_equal(strlen(forwards), 100);
    filter.flags = VARVE_EVENTS_REVERSE;
    for (uint64_t limit = 0; limit < 120; limit += 7) {
        filter.limit = limit;
        const char *got = list(store, &filter, &lsn);
        assert_int_equal(strlen(got), limit == 0 || limit > 100 ? 100 : limit);
        for (size_t i = 0; got[i] != 0; i++)
            assert_int_equal(got[i], forwards[99 - i]);
        if (limit > 0 && limit <= 100) { /* what is behind it, from there on */
            varve_event_filter rest = everything();
            rest.after_lsn = lsn;
            assert_string_equal(list(store, &rest, NULL), forwards + 101 - limit);
        }
    }
    varve_cursor *cursor;
    varve_event event;
    assert_int_equal(varve_cursor_store(store, last, VARVE_CURSOR_BACKWARD, &cursor), VARVE_OK);
    for (size_t i = 100; i-- > 0;) {
        assert_int_equal(varve_cursor_next(cursor, &event), 1);
        assert_int_equal(event.str[VARVE_STR_TEXT].ptr[0], forwards[i]);
    }
    assert_int_equal(varve_cursor_next(cursor, &event), 0);
    varve_cursor_close(&cursor);
    assert_int_equal(varve_cursor_store(store, last - 3, 0, &cursor), VARVE_OK); /* no record begins there */
    assert_int_equal(varve_cursor_next(cursor, &event), 1);
    assert_int_equal(event.lsn, last);
    varve_cursor_close(&cursor);
    free(payload);
    varve_close(&store);
    scratch_free(path);
}

/* ---- Sessions ---- */

static void mark(varve *store, const char *child, const char *session, uint64_t seq) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    if (child != NULL) {
        varve_event event = scratch_event(child, "");
        assert_true(varve_batch_fork(batch, &event, varve_cstr(NULL), varve_cstr(session), seq) >= 0);
    } else if (seq != UINT64_MAX) {
        assert_true(varve_batch_rewind(batch, varve_cstr(NULL), varve_cstr(session), seq) >= 0);
    } else {
        assert_true(varve_batch_delete(batch, varve_cstr(NULL), varve_cstr(session)) >= 0);
    }
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void what_is_hidden_is_not_there_unless_asked_for(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    say(store, "p", "a");
    say(store, "p", "b");
    say(store, "p", "c");
    mark(store, "f", "p", UINT64_MAX);
    say(store, "f", "X");
    mark(store, NULL, "p", 1); /* hides b, c */
    say(store, "p", "d");
    say(store, "p", "e");
    mark(store, NULL, "p", 5); /* hides e */
    say(store, "p", "g");
    say(store, "gone", "h");
    mark(store, NULL, "gone", UINT64_MAX);
    for (int round = 0; round < 2; round++) {
        varve_event_filter filter = everything();
        gives(store, filter, "aXdg");
        filter.flags = VARVE_EVENTS_REVERSE;
        gives(store, filter, "gdXa");
        filter.flags = VARVE_EVENTS_HIDDEN;
        gives(store, filter, "abcXdegh");
        varve_str ids[] = {varve_cstr("f"), varve_cstr("p"), varve_cstr("gone")};
        filter.session_ids = ids;
        filter.session_count = 1;
        gives(store, filter, "abcX"); /* what it shares stays its own */
        filter.session_count = 2;
        gives(store, filter, "aabcXdg");
        filter.session_ids = ids + 2;
        filter.session_count = 1;
        filter.flags = 0;
        gives(store, filter, "h");
        filter.session_ids = ids;
        varve_cursor *cursor;
        varve_event event;
        assert_int_equal(varve_event_list(store, &filter, &cursor), VARVE_OK);
        while (varve_cursor_next(cursor, &event) == 1)
            assert_str(event.session_id, "f");
        varve_cursor_close(&cursor);
        assert_int_equal(varve_reindex(store), VARVE_OK);
    }
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void sessions_of_several_machines_and_of_nobody(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_event event = saying("s", "a");
    append(store, event);
    event = saying("s", "b");
    event.machine_id = varve_cstr("box");
    append(store, event);
    say(store, "s", "c");
    varve_str ids[] = {varve_cstr("s"), varve_cstr("s")}, machines[] = {varve_cstr("box"), varve_cstr(NULL)};
    varve_event_filter filter = everything();
    filter.session_ids = ids;
    filter.session_count = 1;
    gives(store, filter, "ac");
    filter.machine_ids = machines;
    gives(store, filter, "b");
    filter.session_count = 2;
    gives(store, filter, "abc");
    filter.flags = VARVE_EVENTS_SETTINGS;
    uint64_t count = 0;
    assert_int_equal(varve_event_count(store, &filter, &count), VARVE_OK);
    assert_int_equal(count, 5); /* and who they are */
    machines[0] = varve_cstr("nowhere");
    varve_cursor *cursor = NULL;
    assert_int_equal(varve_event_list(store, &filter, &cursor), VARVE_E_NOT_FOUND);
    assert_null(cursor);
    filter = everything();
    filter.from_seq = 1;
    assert_int_equal(varve_event_list(store, &filter, &cursor), VARVE_E_ARGUMENT);
    assert_int_equal(varve_event_count(store, NULL, &count), VARVE_OK);
    assert_int_equal(count, 3);
    varve_close(&store);
    scratch_free(path);
}

static void a_store_is_followed_by_the_last_lsn(void **state) {
    (void)state;
    char *path = scratch_new(), seen[LONG] = "", text[2] = "a";
    varve *other = scratch_open(path, 64 << 10), *store = scratch_open(path, 0);
    varve_event_filter filter = everything();
    char *payload = calloc(1, 3000);
    for (int i = 0; i < 200; i++) {
        text[0] = (char)('A' + i % 50);
        varve_event event = saying(i % 7 ? "s" : "t", text);
        event.payload = payload;
        event.payload_size = (size_t)(i * 37 % 3000);
        append(other, event);
        if (i % 3 == 0)
            strcat(seen, list(store, &filter, &filter.after_lsn));
    }
    strcat(seen, list(store, &filter, &filter.after_lsn));
    assert_string_equal(list(store, &filter, NULL), "");
    filter.after_lsn = 0;
    assert_string_equal(list(store, &filter, NULL), seen);
    assert_int_equal(strlen(seen), 200);
    free(payload);
    varve_close(&store);
    varve_close(&other);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_the_event),
        cmocka_unit_test(times_and_lsns),
        cmocka_unit_test(backwards_over_many_segments),
        cmocka_unit_test(what_is_hidden_is_not_there_unless_asked_for),
        cmocka_unit_test(sessions_of_several_machines_and_of_nobody),
        cmocka_unit_test(a_store_is_followed_by_the_last_lsn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

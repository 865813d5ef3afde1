/*
 * What a hostile program may append: times at the ends of int64, counts that overflow, names of any bytes and of any size.
 * Nothing overflows in silence, nothing breaks, and what is read back is what was said.
 */
#include "support/scratch.h"
#include "support/tree.h"

#include "engine/varve.h"
#include "format/files.h"
#include "format/frame.h"

#include <stdbool.h>

static void append(varve *store, const varve_event *event, bool set) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true((set ? varve_batch_set(batch, event) : varve_batch_add(batch, event)) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static int refusal(const varve_event *event) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    int result = varve_batch_add(batch, event);
    varve_batch_free(&batch);
    return result;
}

/* ---- Times ---- */

static void at(varve *store, const char *id, const char *type, int64_t time) {
    varve_event event = scratch_event(id, type);
    event.present |= VARVE_HAS_TIME;
    event.time = time;
    append(store, &event, false);
}

static uint64_t count_listed(varve *store, varve_session_filter *filter) {
    uint64_t count = 0;
    assert_int_equal(varve_session_count(store, filter, &count), VARVE_OK);
    return count;
}

static void times_at_both_ends_keep_their_order_and_do_not_overflow(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    at(store, "all", "SessionStart", INT64_MIN);
    at(store, "all", "UserPromptSubmit", 0);
    at(store, "all", "SessionEnd", INT64_MAX);
    at(store, "early", "SessionEnd", INT64_MIN);
    at(store, "late", "SessionStart", INT64_MAX);
    varve_session all = scratch_session(store, "all");
    assert_int_equal(all.first_started, INT64_MIN);
    assert_int_equal(all.last_activity, INT64_MAX);
    assert_int_equal(all.last_ended, INT64_MAX);
    assert_int_equal(varve_session_duration(&all), INT64_MAX); /* the nearest that fits */
    varve_session_filter filter;
    varve_session_filter_init(&filter);
    filter.active_since = INT64_MAX;
    assert_int_equal(count_listed(store, &filter), 2);
    varve_session_filter_init(&filter);
    filter.started_before = INT64_MIN + 1;
    assert_int_equal(count_listed(store, &filter), 2);
    varve_event_filter events;
    varve_event_filter_init(&events);
    events.flags = VARVE_EVENTS_BY_TIME;
    varve_cursor *cursor;
    varve_event event;
    int64_t before = INT64_MIN;
    int count = 0;
    assert_int_equal(varve_event_list(store, &events, &cursor), VARVE_OK);
    for (; varve_cursor_next(cursor, &event) == 1; count++) {
        assert_true(event.time >= before);
        before = event.time;
    }
    assert_int_equal(count, 5);
    varve_cursor_close(&cursor);
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = VARVE_COMPACT_ALL;
    assert_int_equal(varve_compact(store, &options, NULL), VARVE_OK);
    all = scratch_session(store, "all");
    assert_int_equal(all.first_started, INT64_MIN);
    assert_int_equal(all.last_activity, INT64_MAX);
    scratch_verify(store);
    varve_close(&store);
    static const char *const commands[] = {"sessions --all",         "show all",          "usage daily",
                                           "events --order time",    "messages",          "reconcile",
                                           "gc --older-than 1d -n",  "export all",        "sessions --as zeph",
                                           "sessions --order start", "usage monthly --tz America/St_Johns"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        scratch_run("'%s' --store '%s' %s >/dev/null", VARVE_TEST_TOOL, path, commands[i]);
        scratch_run("'%s' --store '%s' --format jsonl %s >/dev/null", VARVE_TEST_TOOL, path, commands[i]);
    }
    scratch_free(path);
}

static void retention_takes_what_is_before_the_last_moment(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    at(store, "early", "SessionEnd", INT64_MIN);
    at(store, "late", "SessionStart", INT64_MAX);
    varve_retained retained = {.size = sizeof retained};
    varve_retention retention = {.size = sizeof retention, .before = INT64_MIN};
    assert_int_equal(varve_retain(store, &retention, &retained), VARVE_OK);
    assert_int_equal(retained.sessions, 0);
    retention.before = INT64_MAX;
    assert_int_equal(varve_retain(store, &retention, &retained), VARVE_OK);
    assert_int_equal(retained.sessions, 1);
    at(store, "late", "SessionEnd", INT64_MAX);
    assert_int_equal(scratch_session(store, "late").events, 2);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* ---- Counts ---- */

static void spend(varve *store, const char *id, int64_t tokens, int64_t cost, int32_t calls) {
    varve_event event = scratch_event(id, "ApiRequest");
    event.present |= VARVE_HAS_TOKENS | VARVE_HAS_TOKENS << VARVE_TOK_CACHE_READ | VARVE_HAS_COST | VARVE_HAS_TOOL_CALLS;
    event.tokens[VARVE_TOK_INPUT] = event.tokens[VARVE_TOK_CACHE_READ] = tokens;
    event.cost = cost;
    event.tool_calls = calls;
    append(store, &event, false);
}

static void sums_stop_at_the_largest_number(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_event link = scratch_event("child", "");
    link.type = varve_cstr(NULL);
    link.str[VARVE_STR_PARENT_ID] = varve_cstr("big");
    append(store, &link, true);
    for (int i = 0; i < 2; i++) {
        spend(store, "big", INT64_MAX, INT64_MAX, INT32_MAX);
        spend(store, "child", INT64_MAX, INT64_MAX, INT32_MAX);
    }
    spend(store, "big", 0, 0, INT32_MAX);
    for (int anew = 0; anew < 2; anew++) {
        varve_session big = scratch_session(store, "big");
        assert_int_equal(big.tokens[VARVE_TOK_INPUT], INT64_MAX);
        assert_int_equal(big.by_source[VARVE_SOURCE_API].tokens[VARVE_TOK_CACHE_READ], INT64_MAX);
        assert_int_equal(big.by_source[VARVE_SOURCE_API].cost, INT64_MAX);
        assert_int_equal(big.cost, INT64_MAX);
        assert_int_equal(big.cost_children, INT64_MAX);
        assert_int_equal(big.tool_calls, UINT32_MAX);
        assert_int_equal(varve_session_total_tokens(&big), INT64_MAX);
        scratch_verify(store);
        assert_int_equal(varve_reindex(store), VARVE_OK);
    }
    spend(store, "context", INT64_MAX, 0, 0);
    assert_int_equal(scratch_session(store, "context").context, INT64_MAX);
    varve_totals totals = {.size = sizeof totals};
    assert_int_equal(varve_session_totals(store, &totals), VARVE_OK);
    varve_close(&store);
    scratch_free(path);
}

static void negative_counts_are_none(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    spend(store, "below", 7, 9, 3);
    spend(store, "below", INT64_MIN, INT64_MIN, INT32_MIN);
    spend(store, "below", -1, -1, -1);
    varve_event said = scratch_event("below", "");
    said.type = varve_cstr(NULL);
    said.present |= VARVE_HAS_TOKENS << VARVE_TOK_OUTPUT | VARVE_HAS_COST | VARVE_HAS_TURN;
    said.tokens[VARVE_TOK_OUTPUT] = INT64_MIN;
    said.cost = -5;
    said.turn = INT32_MIN;
    append(store, &said, true);
    for (int anew = 0; anew < 2; anew++) {
        varve_session below = scratch_session(store, "below");
        assert_int_equal(below.tokens[VARVE_TOK_INPUT], 7);
        assert_int_equal(below.tokens[VARVE_TOK_OUTPUT], 0);
        assert_int_equal(below.cost, 9);
        assert_int_equal(below.tool_calls, 3);
        assert_int_equal(below.turns, 0);
        assert_int_equal(below.context, 14);
        scratch_verify(store);
        said.turn = 4; /* what was said before is replaced */
        said.cost = 6;
        append(store, &said, true);
        below = scratch_session(store, "below");
        assert_int_equal(below.turns, 4);
        assert_int_equal(below.cost, 15);
        said.turn = INT32_MIN;
        said.cost = INT64_MIN;
        append(store, &said, true);
    }
    varve_close(&store);
    scratch_free(path);
}

/* ---- Names ---- */

static void names_of_any_bytes_come_back(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } names[] = {{"two\nlines\r\n", 11}, {"a\0b", 3},  {"\xFF\xFE\x80", 3}, {"", 0},
                 {"../../etc/passwd", 16}, {"\x1b[2J\a", 5}, {" ", 1},           {"-n", 2}};
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    char *large = calloc(1, 1 << 20);
    assert_non_null(large);
    memset(large, '\n', 1 << 20);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        varve_str name = {names[i].bytes, names[i].size};
        varve_event event = scratch_event("", "user");
        event.session_id = name;
        if (name.size == 0) {
            assert_int_equal(refusal(&event), VARVE_E_ARGUMENT);
            continue;
        }
        event.machine_id = name;
        event.type = name;
        event.str[VARVE_STR_MODEL] = event.str[VARVE_STR_CWD] = name;
        event.str[VARVE_STR_TITLE] = (varve_str){large, 1 << 20};
        append(store, &event, false);
        varve_scan *scan;
        varve_session session;
        assert_int_equal(varve_scan_open(store, &scan), VARVE_OK);
        assert_int_equal(varve_scan_get(scan, name, name, &session), VARVE_OK);
        assert_int_equal(session.session_id.size, name.size);
        assert_memory_equal(session.session_id.ptr, name.ptr, name.size);
        assert_memory_equal(session.str[VARVE_STR_MODEL].ptr, name.ptr, name.size);
        assert_int_equal(session.str[VARVE_STR_TITLE].size, 1 << 20);
        varve_scan_close(&scan);
    }
    free(large);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void names_beyond_the_limits_are_refused(void **state) {
    (void)state;
    size_t room = (1 << 20) + 1;
    char *text = malloc(room);
    assert_non_null(text);
    memset(text, 'x', room);
    varve_event event = scratch_event("s", "user"), good = event;
    event.session_id = (varve_str){text, 1025};
    assert_true(refusal(&event) < 0);
    event.session_id = (varve_str){text, 65536};
    assert_true(refusal(&event) < 0);
    event = good;
    event.machine_id = (varve_str){text, 129};
    assert_true(refusal(&event) < 0);
    event = good;
    event.str[VARVE_STR_CWD] = (varve_str){text, room};
    assert_true(refusal(&event) < 0);
    event.str[VARVE_STR_CWD].size--;
    assert_int_equal(refusal(&event), 0);
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    event.type = (varve_str){text, 70000}; /* is cut */
    append(store, &event, false);
    varve_cursor *cursor;
    assert_int_equal(varve_cursor_store(store, 0, 0, &cursor), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event), 1);
    assert_int_equal(event.type.size, 256);
    varve_cursor_close(&cursor);
    varve_close(&store);
    scratch_free(path);
    free(text);
}

/* ---- Keys ---- */

/* Two ids with one key are not to be had, so the name in a session's identity record is changed instead. */
static void another_session_with_the_same_key_is_refused(void **state) {
    (void)state;
    static const char name[] = "seg/00000001.log";
    char *path = scratch_new();
    uint8_t bytes[16 << 10] = {0};
    vf_segment_header header;
    vf_frame frame;
    varve_stats stats = {.size = sizeof stats};
    varve *store = scratch_open(path, 0);
    scratch_append(store, "blue", "user", 1);
    assert_int_equal(varve_stat(store, &stats), VARVE_OK);
    size_t end = vf_lsn_offset(stats.tail_lsn);
    assert_true(end < sizeof bytes);
    varve_close(&store);
    tree_remove(path, "CONTROL");
    tree_read(path, name, bytes, end, 0);
    assert_int_equal(vf_segment_check(bytes, sizeof bytes, &header, NULL), VF_OK);
    uint32_t chain = vf_segment_chain(&header), at = VF_SEGMENT_HEADER;
    for (; vf_frame_check(bytes + at, end - at, vf_get64(header.salt), vf_lsn(1, at), NULL, &frame) == VF_OK;
         at += vf_get32(frame.length)) {
        size_t size = vf_get32(frame.length) - VF_FRAME_SIZE;
        uint8_t *body = bytes + at + VF_FRAME_SIZE, *id = memmem(body, size, "blue", 4);
        if (id != NULL)
            memcpy(id, "pink", 4);
        vf_put32(&frame.body_sum, vf_body_sum(body, size));
        chain = (uint32_t)vf_frame_seal(&frame, vf_get64(header.salt), vf_lsn(1, at), chain);
        memcpy(bytes + at, &frame, sizeof frame);
    }
    tree_write(path, name, bytes, end, 0);
    store = scratch_open(path, 0);
    varve_batch *batch;
    varve_event event = scratch_event("blue", "user");
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_E_CONFLICT);
    assert_non_null(strstr(varve_last_error(store), "blue"));
    varve_batch_free(&batch);
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_at_both_ends_keep_their_order_and_do_not_overflow),
        cmocka_unit_test(retention_takes_what_is_before_the_last_moment),
        cmocka_unit_test(sums_stop_at_the_largest_number),
        cmocka_unit_test(negative_counts_are_none),
        cmocka_unit_test(names_of_any_bytes_come_back),
        cmocka_unit_test(names_beyond_the_limits_are_refused),
        cmocka_unit_test(another_session_with_the_same_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

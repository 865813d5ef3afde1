/*
 * Claude Code transcripts: what an entry says as an event, and what its place in the file adds.
 * Links the tools: claude_*, json_pick, json_value, prices*, text, cli.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/claude.h"
#include "tools/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UUIDS "\"parentUuid\":null,\"uuid\":\"u-1\",\"sessionId\":\"s-1\""
#define ENTRY "{" UUIDS ",\"type\":\"system\"}"

static struct claude_reader *reader;

static int set_up(void **state) {
    (void)state;
    reader = claude_reader_new(prices_builtin());
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    claude_reader_free(&reader);
    return 0;
}

/* ---- Helpers ---- */

static struct claude_object read_line(const char *line) {
    struct claude_object object;
    size_t used = 0;
    assert_int_equal(claude_read(reader, line, strlen(line), &object, &used), 1);
    assert_int_equal(used, strlen(line));
    return object;
}

static void expect_str(const varve_event *event, int id, const char *wanted) {
    const varve_str *have = &event->str[id];
    if (!wanted) {
        assert_null(have->ptr);
        return;
    }
    assert_int_equal(have->size, strlen(wanted));
    assert_memory_equal(have->ptr, wanted, have->size);
}

/* ---- Entries ---- */

static void an_answer_carries_tokens_cost_and_charge(void **state) {
    (void)state;
    struct claude_object object = read_line(
        "{" UUIDS
        ",\"isSidechain\":false,\"cwd\":\"D:\\\\src\",\"version\":\"2.1.34\",\"gitBranch\":"
        "\"main\","
        "\"message\":{\"model\":\"claude-opus-4-6\",\"id\":\"msg_1\",\"role\":\"assistant\","
        "\"content\":["
        "{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":"
        "\"Task\","
        "\"input\":{\"subagent_type\":\"Explore\"}},{\"name\":\"Bash\",\"type\":\"tool_use\","
        "\"id\":\"toolu_2\"}],"
        "\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":10,\"cache_creation_input_"
        "tokens\":100,"
        "\"cache_read_input_tokens\":1000,\"cache_creation\":{\"ephemeral_5m_input_tokens\":60,"
        "\"ephemeral_1h_input_tokens\":40},\"output_tokens\":7}},\"requestId\":\"req_1\",\"type\":"
        "\"assistant\","
        "\"timestamp\":\"2026-01-22T05:17:14.270Z\"}");
    const varve_event *event = &object.event;
    assert_true(object.record && object.claude && object.known && object.priced);
    assert_int_equal(event->role, VARVE_ROLE_ASSISTANT);
    assert_int_equal(event->source, VARVE_SOURCE_TRANSCRIPT);
    assert_int_equal(event->time, INT64_C(1769059034270000000));
    assert_int_equal(event->tokens[VARVE_TOK_INPUT], 10);
    assert_int_equal(event->tokens[VARVE_TOK_CACHE_WRITE_5M], 60);
    assert_int_equal(event->tokens[VARVE_TOK_CACHE_WRITE_1H], 40);
    assert_int_equal(event->tokens[VARVE_TOK_CACHE_READ], 1000);
    assert_int_equal(event->tokens[VARVE_TOK_OUTPUT], 7);
    assert_int_equal(event->cost, 10 * 5000 + 7 * 25000 + 60 * 6250 + 40 * 10000 + 1000 * 500);
    assert_int_equal(event->price_table, 20260724);
    assert_int_equal(event->charge_kind, VARVE_CHARGE_MESSAGE);
    assert_true(event->present & VARVE_HAS_CHARGE);
    varve_key charge = varve_charge_key(varve_cstr("msg_1"));
    assert_memory_equal(&event->charge, &charge, sizeof charge);
    assert_int_equal(event->charge_part, varve_charge_part(varve_cstr("req_1")));
    assert_int_equal(event->tool_calls, 2);
    expect_str(event, VARVE_STR_TOOL_NAME, "Task");
    expect_str(event, VARVE_STR_TOOL_USE_ID, "toolu_1");
    expect_str(event, VARVE_STR_SUBAGENT_TYPE, "Explore");
    expect_str(event, VARVE_STR_CWD, "D:\\src");
    expect_str(event, VARVE_STR_NATIVE_ID, "u-1");
    expect_str(event, VARVE_STR_NATIVE_PARENT, NULL);
    expect_str(event, VARVE_STR_FINISH_REASON, "tool_use");
    expect_str(event, VARVE_STR_FRAMEWORK, "claude_code");
    assert_int_equal(event->flags, VARVE_EV_ASSISTANT_MESSAGE | VARVE_EV_OUTPUT_LOWER_BOUND);
}

static void texts_of_events_are_utf8(void **state) {
    (void)state;
    struct claude_object object = read_line(
        "{" UUIDS ",\"type\":\"user\",\"cwd\":\"a\xff\",\"gitBranch\":\"\\ud83d\\u00e9\"}");
    expect_str(&object.event, VARVE_STR_CWD, "a\xef\xbf\xbd");
    assert_true(text_valid(object.event.str[VARVE_STR_GIT_BRANCH].ptr,
                           object.event.str[VARVE_STR_GIT_BRANCH].size));
}

static void a_subagents_usage_is_of_another_kind(void **state) {
    (void)state;
    struct claude_object object =
        read_line("{" UUIDS
                  ",\"type\":\"progress\",\"data\":{\"type\":\"agent_progress\",\"agentId\":\"a1\","
                  "\"message\":"
                  "{\"type\":\"assistant\",\"requestId\":\"req_2\",\"message\":{\"id\":\"msg_2\","
                  "\"model\":\"claude-opus-4-6\","
                  "\"usage\":{\"input_tokens\":1,\"cache_creation_input_tokens\":5}}}},"
                  "\"parentToolUseID\":\"toolu_9\"}");
    assert_int_equal(object.event.charge_kind, VARVE_CHARGE_AGENT_PROGRESS);
    assert_int_equal(object.event.tokens[VARVE_TOK_CACHE_WRITE_5M], 5);
    expect_str(&object.event, VARVE_STR_MESSAGE_ID, "msg_2");
    expect_str(&object.event, VARVE_STR_REQUEST_ID, "req_2");
    expect_str(&object.event, VARVE_STR_TOOL_USE_ID, "toolu_9");
    expect_str(&object.event, VARVE_STR_SUBTYPE, "agent_progress");
}

static void what_was_won_back_is_charged_as_recovered(void **state) {
    (void)state;
    struct claude_state file = {0};
    struct claude_piece piece;
    const char *line =
        ENTRY "{" UUIDS
              ",\"type\":\"assistant\",\"message\":{\"id\":\"m\",\"model\":\"claude-opus-5\","
              "\"usage\":{\"input_tokens\":1}}}";
    claude_line(reader, line, strlen(line), false);
    assert_int_equal(claude_next(reader, &piece), 1);
    assert_int_equal(claude_next(reader, &piece), 1);
    varve_event event = piece.object->event;
    claude_place(&file, &piece, &event);
    assert_int_equal(event.charge_kind, VARVE_CHARGE_RECOVERED);
    assert_true(event.flags & VARVE_EV_RECOVERED);
}

static void the_programs_own_words_are_not_charged(void **state) {
    (void)state;
    struct claude_object object = read_line(
        "{" UUIDS
        ",\"type\":\"assistant\",\"isApiErrorMessage\":true,\"message\":{\"id\":\"x\","
        "\"model\":\"<synthetic>\",\"content\":[{\"type\":\"text\",\"text\":\"API Error: 529\"}],"
        "\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}}");
    assert_int_equal(object.event.present & (VARVE_HAS_CHARGE | VARVE_HAS_TOKENS | VARVE_HAS_COST),
                     0);
    assert_int_equal(object.event.flags, VARVE_EV_API_ERROR);
    expect_str(&object.event, VARVE_STR_ERROR, "API Error: 529");
    expect_str(&object.event, VARVE_STR_MODEL, NULL);
}

static void a_model_without_a_price_says_so(void **state) {
    (void)state;
    struct claude_object object =
        read_line("{" UUIDS
                  ",\"type\":\"assistant\",\"message\":{\"model\":\"llama-9\","
                  "\"usage\":{\"input_tokens\":1}}}");
    assert_int_equal(object.event.flags & VARVE_EV_UNPRICED, VARVE_EV_UNPRICED);
    assert_int_equal(object.event.present & (VARVE_HAS_COST | VARVE_HAS_CHARGE), 0);
}

static uint32_t flags_of(const char *line) {
    return read_line(line).event.flags;
}

static void only_what_a_user_said_is_a_message_of_the_user(void **state) {
    (void)state;
#define USER(more, content) \
    "{" UUIDS more ",\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":" content "}}"
    struct claude_object object = read_line(USER("", "\"h\\u00e9llo\""));
    assert_int_equal(object.event.flags, VARVE_EV_USER_MESSAGE);
    expect_str(&object.event, VARVE_STR_TEXT, "h\xc3\xa9llo");
    object =
        read_line(USER("",
                       "[{\"text\":\"<ide_opened_file>f</ide_opened_file>\",\"type\":\"text\"},"
                       "{\"type\":\"text\",\"text\":\"fix it\"},{\"type\":\"image\"}]"));
    expect_str(&object.event, VARVE_STR_TEXT, "fix it");
    assert_int_equal(flags_of(USER("", "[{\"type\":\"image\"}]")), VARVE_EV_USER_MESSAGE);
    assert_int_equal(
        flags_of(USER("", "[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"x\"}]")),
        0);
    assert_int_equal(flags_of(USER(",\"isMeta\":true", "\"x\"")), 0);
    assert_int_equal(flags_of(USER(",\"isCompactSummary\":true", "\"x\"")), 0);
    assert_int_equal(flags_of(USER(",\"origin\":{\"kind\":\"task-notification\"}", "\"x\"")), 0);
    assert_int_equal(flags_of(USER(",\"origin\":{\"kind\":\"human\"}", "\"x\"")),
                     VARVE_EV_USER_MESSAGE);
    assert_int_equal(flags_of(USER("", "\"<command-name>/clear</command-name>\"")), 0);
    assert_int_equal(flags_of(USER("", "\"<local-command-stdout></local-command-stdout>\"")), 0);
    assert_int_equal(flags_of(USER("", "\"[Request interrupted by user]\"")), 0);
    assert_int_equal(flags_of(USER("", "\"  \"")), 0);
}

static void a_side_chain_speaks_only_in_its_own_file(void **state) {
    (void)state;
    const char *line = USER(",\"isSidechain\":true", "\"do this\"");
    for (int subagent = 0; subagent < 2; subagent++) {
        struct claude_state file = {.subagent = subagent != 0};
        struct claude_piece piece;
        claude_line(reader, line, strlen(line), false);
        assert_int_equal(claude_next(reader, &piece), 1);
        varve_event event = piece.object->event;
        claude_place(&file, &piece, &event);
        assert_int_equal((event.flags & VARVE_EV_USER_MESSAGE) != 0, subagent);
        assert_true(event.flags & VARVE_EV_SIDECHAIN);
        expect_str(&event, VARVE_STR_TEXT, subagent ? "do this" : NULL);
    }
}

static void long_texts_are_cut_at_a_characters_end(void **state) {
    (void)state;
    size_t room = 64 << 10, size = 0;
    char *line = malloc(room);
    assert_non_null(line);
    size =
        (size_t)snprintf(line, room, "{" UUIDS ",\"type\":\"user\",\"message\":{\"content\":\"x");
    for (int i = 0; i < 10000; i++) {
        memcpy(line + size, "\xc3\xa9", 2);
        size += 2;
    }
    memcpy(line + size, "\"}}", 4);
    struct claude_object object = read_line(line);
    assert_int_equal(object.event.str[VARVE_STR_TEXT].size, CLAUDE_TEXT_MAX - 1);
    free(line);
}

static void a_tool_result_names_the_call_that_it_answers(void **state) {
    (void)state;
    struct claude_object object = read_line(USER(
        "",
        "[{\"tool_use_id\":\"toolu_7\",\"type\":\"tool_result\",\"content\":[{\"type\":\"text\","
        "\"text\":\"no prompt\"}]}]"));
    assert_int_equal(object.event.role, VARVE_ROLE_TOOL);
    expect_str(&object.event, VARVE_STR_TOOL_USE_ID, "toolu_7");
    expect_str(&object.event, VARVE_STR_TEXT, NULL);
}

static void system_lines_count_errors_compactions_and_turns(void **state) {
    (void)state;
    struct claude_object object = read_line(
        "{" UUIDS ",\"type\":\"system\",\"subtype\":\"turn_duration\",\"durationMs\":93005}");
    assert_int_equal(object.event.flags, VARVE_EV_TURN);
    assert_int_equal(object.event.duration, 93005);
    assert_int_equal(flags_of("{" UUIDS ",\"type\":\"system\",\"subtype\":\"compact_boundary\"}"),
                     VARVE_EV_COMPACTION);
    object = read_line(
        "{" UUIDS
        ",\"type\":\"system\",\"subtype\":\"api_error\",\"error\":{\"message\":\"gone\"}}");
    assert_int_equal(object.event.flags, VARVE_EV_API_ERROR);
    expect_str(&object.event, VARVE_STR_ERROR, "gone");
}

static varve_event place(struct claude_state *file, const char *line) {
    struct claude_piece piece;
    claude_line(reader, line, strlen(line), false);
    assert_int_equal(claude_next(reader, &piece), 1);
    varve_event event = piece.object->event;
    claude_place(file, &piece, &event);
    return event;
}

static void an_answer_counts_on_its_first_line(void **state) {
    (void)state;
#define ANSWER(id) "{" UUIDS ",\"type\":\"assistant\",\"message\":{\"id\":\"" id "\"}}"
    struct claude_state file = {0};
    assert_true(place(&file, ANSWER("a")).flags & VARVE_EV_ASSISTANT_MESSAGE);
    assert_false(place(&file, ANSWER("a")).flags & VARVE_EV_ASSISTANT_MESSAGE);
    assert_int_equal(place(&file, ENTRY).flags, 0);
    assert_false(place(&file, ANSWER("a")).flags & VARVE_EV_ASSISTANT_MESSAGE);
    assert_true(place(&file, ANSWER("b")).flags & VARVE_EV_ASSISTANT_MESSAGE);
}

static void a_line_without_a_time_stays_at_its_place(void **state) {
    (void)state;
    struct claude_state file = {0};
    varve_event event = place(&file, ENTRY);
    assert_int_equal(event.time, 1);
    assert_int_equal(event.present & VARVE_HAS_TIME, 0);
    place(&file, "{" UUIDS ",\"type\":\"mode\",\"timestamp\":\"1970-01-01T00:00:05Z\"}");
    event = place(&file, ENTRY);
    assert_int_equal(event.time, INT64_C(5000000000));
    assert_int_equal(event.present & VARVE_HAS_TIME, 0);
}

static void a_title_of_the_users_holds_and_a_summary_gives_none(void **state) {
    (void)state;
    struct claude_state file = {0};
    varve_event event =
        place(&file, "{\"type\":\"ai-title\",\"aiTitle\":\"guess\",\"sessionId\":\"s\"}");
    expect_str(&event, VARVE_STR_TITLE, "guess");
    event =
        place(&file, "{\"type\":\"custom-title\",\"customTitle\":\"mine\",\"sessionId\":\"s\"}");
    expect_str(&event, VARVE_STR_TITLE, "mine");
    event = place(&file, "{\"type\":\"ai-title\",\"aiTitle\":\"again\",\"sessionId\":\"s\"}");
    expect_str(&event, VARVE_STR_TITLE, NULL);
    event = place(&file, "{\"type\":\"summary\",\"summary\":\"of another\",\"leafUuid\":\"u\"}");
    expect_str(&event, VARVE_STR_TITLE, NULL);
}

static void other_agents_lines_are_not_taken_for_claudes(void **state) {
    (void)state;
    static const char *const foreign[] = {
        "{\"timestamp\":\"2026-06-17T10:07:16.815Z\",\"type\":\"session_meta\",\"payload\":{\"id\":"
        "\"x\"}}",
        "{\"type\":\"session.start\",\"data\":{\"sessionId\":\"x\"},\"id\":\"a\",\"parentId\":"
        "null}",
        "{\"uuid\":\"e\",\"parentUuid\":null,\"sessionId\":\"6\",\"type\":\"user\",\"message\":{"
        "\"role\":\"user\",\"parts\":[]}}",
        "{\"type\":\"session\",\"version\":3,\"id\":\"x\",\"cwd\":\"/\"}",
        "{\"hook_event_name\":\"Stop\",\"session_id\":\"x\"}",
    };
    static const char *const ours[] = {
        ENTRY,
        "{\"type\":\"summary\",\"summary\":\"x\",\"leafUuid\":\"u\"}",
        "{\"type\":\"file-history-snapshot\",\"messageId\":\"x\",\"snapshot\":{}}",
        "{\"type\":\"custom-title\",\"customTitle\":\"x\",\"sessionId\":\"s\"}",
        "{\"type\":\"user\",\"message\":{\"content\":\"x\"}}",
    };
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        assert_false(read_line(foreign[i]).claude);
    }
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        assert_true(read_line(ours[i]).claude);
    }
}

static void unknown_types_are_kept_by_name(void **state) {
    (void)state;
    struct claude_object object = read_line("{" UUIDS ",\"type\":\"new-thing\"}");
    assert_false(object.known);
    assert_int_equal(object.event.type.size, 9);
    object = read_line("{\"a\":1}");
    assert_memory_equal(object.event.type.ptr, "untyped", 7);
}

static void times_are_read_to_the_nanosecond(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t wanted;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-22T05:17:14.270Z", INT64_C(1769059034270000000)},
        {"2024-02-29T23:59:59.123456789Z", INT64_C(1709251199123456789)},
        {"2024-03-01T01:59:59+02:00", INT64_C(1709251199000000000)},
        {"2000-12-31 00:00:00.5-0130", INT64_C(978226200500000000)},
    };
    int64_t time = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(claude_time(cases[i].text, strlen(cases[i].text), &time), 1);
        assert_int_equal(time, cases[i].wanted);
    }
    static const char *const bad[] = {"",
                                      "2026-01-22",
                                      "2026-13-01T00:00:00Z",
                                      "2026-01-22T05:17:14",
                                      "x",
                                      "2026-01-22T05:17:14.Z",
                                      "2026-01-22T05:17:14Zx",
                                      "1969-12-31T23:59:59Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(claude_time(bad[i], strlen(bad[i]), &time), 0);
    }
}

static void versions_with_too_low_output_counts_are_known(void **state) {
    (void)state;
    assert_true(claude_output_too_low(varve_cstr("2.1.12")));
    assert_true(claude_output_too_low(varve_cstr("2.1.114")));
    assert_false(claude_output_too_low(varve_cstr("2.1.11")));
    assert_false(claude_output_too_low(varve_cstr("2.1.115")));
    assert_false(claude_output_too_low(varve_cstr("2.0.50")));
    assert_false(claude_output_too_low(varve_cstr("2.1")));
    assert_false(claude_output_too_low(varve_cstr(NULL)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_carries_tokens_cost_and_charge),
        cmocka_unit_test(a_subagents_usage_is_of_another_kind),
        cmocka_unit_test(what_was_won_back_is_charged_as_recovered),
        cmocka_unit_test(the_programs_own_words_are_not_charged),
        cmocka_unit_test(a_model_without_a_price_says_so),
        cmocka_unit_test(only_what_a_user_said_is_a_message_of_the_user),
        cmocka_unit_test(a_side_chain_speaks_only_in_its_own_file),
        cmocka_unit_test(long_texts_are_cut_at_a_characters_end),
        cmocka_unit_test(a_tool_result_names_the_call_that_it_answers),
        cmocka_unit_test(system_lines_count_errors_compactions_and_turns),
        cmocka_unit_test(an_answer_counts_on_its_first_line),
        cmocka_unit_test(a_line_without_a_time_stays_at_its_place),
        cmocka_unit_test(a_title_of_the_users_holds_and_a_summary_gives_none),
        cmocka_unit_test(other_agents_lines_are_not_taken_for_claudes),
        cmocka_unit_test(unknown_types_are_kept_by_name),
        cmocka_unit_test(times_are_read_to_the_nanosecond),
        cmocka_unit_test(versions_with_too_low_output_counts_are_known),
        cmocka_unit_test(texts_of_events_are_utf8),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

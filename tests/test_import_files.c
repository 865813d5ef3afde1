/*
 * varve import on files that grow, change, are copied and end in the middle. Goes through the
 * command itself and reads the store back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/import.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char top[64]; /* of this test: store/, and files */

static const char *below(const char *name) {
    static char path[4][256];
    static unsigned turn;
    char *made = path[turn++ % 4];
    snprintf(made, sizeof path[0], "%s/%s", top, name);
    return made;
}

static int set_up(void **state) {
    (void)state;
    snprintf(top, sizeof top, "/tmp/varve-import-XXXXXX");
    return mkdtemp(top) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", top);
    return system(command); /* NOLINT(cert-env33-c): the path is our own */
}

static void put(const char *name, const char *text) {
    char command[512];
    const char *path = below(name);
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", path);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void import_name(const char *name, int answer) {
    char import[] = "import", check[] = "--check", path[256];
    snprintf(path, sizeof path, "%s", below(name));
    char *arguments[] = {import, check, path, NULL};
    struct cli cli = {.store_path = below("store")};
    assert_int_equal(cmd_import(&cli, 3, arguments), answer);
    varve_close(&cli.store);
}

/* What the session's events hold, each with its end as a letter (l, c, n, j), and its record. */
static char lines[4096];
static varve_session record;

static varve *open_store(void) {
    varve_options options;
    varve *store = NULL;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    assert_int_equal(varve_open(below("store"), &options, &store), 0);
    return store;
}

static void read_session(const char *name) {
    varve *store = open_store();
    varve_cursor *cursor = NULL;
    varve_str machine = {NULL, 0};
    size_t used = 0;
    record = (varve_session){.size = sizeof record};
    assert_int_equal(varve_session_find(store, machine, varve_cstr(name), &record), 0);
    assert_int_equal(varve_cursor_session(store, machine, varve_cstr(name), 0, 0, &cursor), 0);
    varve_event event;
    varve_event_init(&event);
    while (varve_cursor_next(cursor, &event) == 1) {
        used +=
            (size_t)snprintf(lines + used, sizeof lines - used, "%.*s%c", (int)event.payload_size,
                             (const char *)event.payload, "lcnj"[event.eol]);
    }
    lines[used] = '\0';
    varve_cursor_close(&cursor);
    varve_close(&store);
}

#define LINE(id)                                                                                \
    "{\"type\":\"user\",\"sessionId\":\"S\",\"uuid\":\"" id "\",\"message\":{\"content\":\"" id \
    "\"}}"

static void importing_again_or_from_a_copy_adds_nothing(void **state) {
    (void)state;
    put("a.jsonl", LINE("1") "\n" LINE("1") "\n\n" LINE("2") "\n");
    import_name("a.jsonl", EXIT_OKAY);
    read_session("S");
    varve_session first = record;
    assert_string_equal(lines, LINE("1") "l" LINE("1") "ll" LINE("2") "l");
    import_name("a.jsonl", EXIT_OKAY);
    put("b.jsonl", LINE("1") "\n" LINE("1") "\n\n" LINE("2") "\n");
    import_name("b.jsonl", EXIT_OKAY);
    read_session("S");
    assert_int_equal(record.events, 4);
    assert_int_equal(record.last_seq, first.last_seq);
    assert_int_equal(record.user_messages, 3);
}

static void a_file_that_grew_is_read_on(void **state) {
    (void)state;
    put("a.jsonl", LINE("1") "\r\n" LINE("2") "\r\n{\"type\":\"us");
    import_name("a.jsonl", EXIT_OKAY);
    read_session("S");
    assert_string_equal(lines, LINE("1") "c" LINE("2") "c");
    put("a.jsonl", LINE("1") "\r\n" LINE("2") "\r\n" LINE("3"));
    import_name("a.jsonl", EXIT_OKAY);
    read_session("S");
    assert_string_equal(lines, LINE("1") "c" LINE("2") "c" LINE("3") "n");
    put("a.jsonl", LINE("1") "\r\n" LINE("2") "\r\n" LINE("3") "\r\n");
    import_name("a.jsonl", EXIT_OKAY);
    read_session("S");
    assert_int_equal(record.events, 3);
    assert_true(record.flags & VARVE_SS_EOL_SET);
    assert_int_equal(record.eol, VARVE_EOL_CRLF);
}

static void a_copy_that_is_whole_ends_the_last_line(void **state) {
    (void)state;
    put("a.jsonl", LINE("1") "\n" LINE("2"));
    put("b.jsonl", LINE("1") "\n" LINE("2") "\n");
    import_name("a.jsonl", EXIT_OKAY);
    import_name("b.jsonl", EXIT_OKAY);
    read_session("S");
    assert_int_equal(record.events, 2);
    assert_int_equal(record.eol, VARVE_EOL_LF);
}

static void a_line_that_grew_into_two_is_taken_apart_there(void **state) {
    (void)state;
    put("a.jsonl", LINE("1"));
    import_name("a.jsonl", EXIT_OKAY);
    put("a.jsonl", LINE("1") LINE("2") "\n" LINE("3") "\n");
    import_name("a.jsonl", EXIT_OKAY);
    import_name("a.jsonl", EXIT_OKAY);
    read_session("S");
    assert_string_equal(lines, LINE("1") "n" LINE("2") "l" LINE("3") "l");
}

static void a_file_changed_in_front_is_read_again_without_repeats(void **state) {
    (void)state;
    put("a.jsonl", LINE("1") "\n" LINE("2") "\n");
    import_name("a.jsonl", EXIT_OKAY);
    put("a.jsonl", LINE("9") "\n" LINE("2") "\n" LINE("3") "\n");
    import_name("a.jsonl", EXIT_OKAY);
    put("a.jsonl", LINE("9") "\n");
    import_name("a.jsonl", EXIT_OKAY);
    read_session("S");
    assert_string_equal(lines, LINE("1") "l" LINE("2") "l" LINE("9") "l" LINE("3") "l");
}

static void lines_without_a_session_belong_to_the_files_first(void **state) {
    (void)state;
    put("stem.jsonl", "{\"type\":\"summary\",\"leafUuid\":\"u\"}\n\n" LINE(
                          "1") "\n{\"type\":\"mode\",\"uuid\":\"m\"}\n");
    import_name("stem.jsonl", EXIT_OKAY);
    read_session("S");
    assert_int_equal(record.events, 4);
    put("other.jsonl", "{\"type\":\"summary\",\"leafUuid\":\"u\"}\n");
    import_name("other.jsonl", EXIT_OKAY);
    read_session("other");
    assert_int_equal(record.events, 1);
}

static void a_subagents_file_is_a_session_below_its_parent(void **state) {
    (void)state;
    put("projects/-p/S.jsonl", LINE("1") "\n");
    put("projects/-p/S/subagents/workflows/w/agent-a.jsonl", LINE("2") "\n");
    put("projects/-p/T/subagents/agent-b.jsonl", "{\"type\":\"summary\",\"leafUuid\":\"u\"}\n");
    import_name("projects", EXIT_OKAY);
    read_session("S");
    uint64_t parent = record.row;
    assert_int_equal(record.events, 1);
    assert_int_equal(record.children, 1);
    read_session("S/agent-a");
    assert_int_equal(record.session_type, VARVE_SESSION_SUBAGENT);
    assert_int_equal(record.parent_row, parent);
    assert_int_equal(record.user_messages, 1);
    read_session("T/agent-b");
    read_session("T");
    assert_true(record.flags & VARVE_SS_STUB);
}

static void the_path_tells_the_project_and_the_parent(void **state) {
    (void)state;
    struct source source;
    put("projects/x/projects/-home-me/T/subagents/agent-b.jsonl", "");
    assert_int_equal(
        source_open(&source, below("projects/x/projects/-home-me/T/subagents/agent-b.jsonl")), 0);
    assert_string_equal(source.stem, "agent-b");
    assert_string_equal(source.project, "-home-me");
    assert_string_equal(source.above, "T");
    assert_true(source.subagent);
    source_close(&source);
    put("subagents/projects/-p/T.jsonl", "");
    assert_int_equal(source_open(&source, below("subagents/projects/-p/T.jsonl")), 0);
    assert_string_equal(source.project, "-p");
    assert_false(source.subagent);
    source_close(&source);
}

static void what_cannot_be_read_is_told_and_the_rest_goes_on(void **state) {
    (void)state;
    put("d/a.jsonl", LINE("1") "\n");
    put("d/codex.jsonl", "{\"timestamp\":\"x\",\"type\":\"session_meta\",\"payload\":{}}\n");
    put("d/empty.jsonl", "");
    assert_int_equal(symlink(below("d"), below("d/again")), 0);
    import_name("d", EXIT_OKAY);
    import_name("nowhere.jsonl", EXIT_CANNOT);
    read_session("S");
    assert_int_equal(record.events, 1);
}

/* ---- Parts ---- */

static void a_state_is_read_as_written_and_others_are_not(void **state) {
    (void)state;
    struct mark mark = {.position = 7,
                        .size = 1ull << 40,
                        .mtime = -3,
                        .flags = MARK_NO_EOL,
                        .last_time = 5,
                        .session = "S",
                        .last_session = "S/agent",
                        .hash = {1, 2},
                        .last_uid = {{9}}};
    struct mark have;
    uint8_t bytes[MARK_STATE_MAX];
    size_t size = mark_encode(&mark, bytes);
    assert_int_equal(mark_decode(bytes, size, &have), 1);
    assert_int_equal(have.size, mark.size);
    assert_int_equal(have.mtime, -3);
    assert_string_equal(have.last_session, "S/agent");
    assert_memory_equal(have.last_uid.b, mark.last_uid.b, 16);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(mark_decode(bytes, cut, &have), 0);
    }
    bytes[0]++;
    assert_int_equal(mark_decode(bytes, size, &have), 0);
}

static void lines_are_read_whatever_their_length(void **state) {
    (void)state;
    size_t size = 3 << 20, at = 0, total = 0;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    for (size_t step = 1; at + step < size; step = step * 3 / 2 + 1) {
        at += step;
        text[at] = '\n';
    }
    int fd = open(below("lines"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    struct line_reader *reader = line_reader_new();
    struct line line;
    line_start(reader, fd, 0);
    while (line_next(reader, &line) == 1) {
        assert_int_equal(line.position, total);
        assert_memory_equal(line.text, text + total, line.size);
        total = (size_t)line.end;
        line_take(reader, &line);
    }
    assert_int_equal(total, size);
    assert_int_equal(line.eol, VARVE_EOL_NONE);
    uint8_t whole[16], part[16];
    line_hash(reader, whole);
    line_start(reader, fd, 0);
    line_limit(reader, at + 1);
    while (line_next(reader, &line) == 1) {
        line_take(reader, &line);
    }
    assert_int_equal(line_position(reader), at + 1);
    line_limit(reader, UINT64_MAX);
    assert_int_equal(line_next(reader, &line), 1);
    line_take(reader, &line);
    line_hash(reader, part);
    assert_memory_equal(whole, part, 16);
    line_reader_free(&reader);
    close(fd);
    free(text);
}

static void occurrences_are_counted_from_nought(void **state) {
    (void)state;
    struct seen seen = {0};
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(seen_again(&seen, i * UINT64_C(0x9e3779b97f4a7c15)), 0);
    }
    assert_int_equal(seen_again(&seen, 17 * UINT64_C(0x9e3779b97f4a7c15)), 1);
    assert_int_equal(seen_again(&seen, 17 * UINT64_C(0x9e3779b97f4a7c15)), 2);
    seen_clear(&seen);
    assert_int_equal(seen_again(&seen, 5), 0);
    seen_free(&seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(importing_again_or_from_a_copy_adds_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_grew_is_read_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_that_is_whole_ends_the_last_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_that_grew_into_two_is_taken_apart_there, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_changed_in_front_is_read_again_without_repeats,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_without_a_session_belong_to_the_files_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_subagents_file_is_a_session_below_its_parent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_path_tells_the_project_and_the_parent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_told_and_the_rest_goes_on, set_up,
                                        tear_down),
        cmocka_unit_test(a_state_is_read_as_written_and_others_are_not),
        cmocka_unit_test_setup_teardown(lines_are_read_whatever_their_length, set_up, tear_down),
        cmocka_unit_test(occurrences_are_counted_from_nought),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Claude Code transcripts: how a line, sound or damaged, is taken apart. Links the tools: claude_*,
 * json_pick, json_value, prices*, text, cli.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/claude.h"

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

/* The line's pieces as letters (blank, whole, recovered, unparsed), and the pieces between bars. */
static void split(const char *text, size_t size, char *ret_kinds, char *ret_cut, size_t room) {
    struct claude_piece piece;
    size_t kinds = 0, cut = 0;
    claude_line(reader, text, size, false);
    while (claude_next(reader, &piece)) {
        ret_kinds[kinds++] = "bwru"[piece.kind];
        assert_true(kinds < 64 && cut + piece.size + 2 < room);
        assert_int_equal(piece.object != NULL,
                         piece.kind == CLAUDE_WHOLE || piece.kind == CLAUDE_RECOVERED);
        memcpy(ret_cut + cut, piece.text, piece.size);
        cut += piece.size;
        ret_cut[cut++] = '|';
        assert_int_equal(piece.last, piece.text + piece.size == text + size);
    }
    ret_kinds[kinds] = '\0';
    ret_cut[cut] = '\0';
}

static void expect(const char *line, const char *kinds, const char *cut) {
    char have_kinds[64], have_cut[2048];
    split(line, strlen(line), have_kinds, have_cut, sizeof have_cut);
    assert_string_equal(have_kinds, kinds);
    if (cut) {
        assert_string_equal(have_cut, cut);
    }
}

/* ---- Lines ---- */

static void a_sound_line_is_one_piece(void **state) {
    (void)state;
    expect(ENTRY, "w", ENTRY "|");
    expect("  " ENTRY " \t", "w", "  " ENTRY " \t|");
    expect("{\"a\":1}", "w", NULL);
    expect("", "b", "|");
    expect(" \t", "b", " \t|");
}

static void glued_entries_are_taken_apart(void **state) {
    (void)state;
    expect(ENTRY ENTRY, "rr", ENTRY "|" ENTRY "|");
    expect(ENTRY "  " ENTRY " ", "rr", ENTRY "  |" ENTRY " |");
    expect(ENTRY "x" ENTRY, "rur", ENTRY "|x|" ENTRY "|");
}

static void an_entry_behind_a_cut_one_is_won_back(void **state) {
    (void)state;
    expect(
        "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"ab" ENTRY, "ur",
        "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"ab|" ENTRY "|");
    expect("\"},\"uuid\":\"x\"}" ENTRY, "ur", NULL);
    expect(ENTRY "{\"parentUuid\":\"a", "ru", NULL);
}

static void parts_of_a_cut_entry_are_no_entries(void **state) {
    (void)state; /* a block of content has a type, and is whole, but is nothing by itself */
    expect("{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"}", "u",
           NULL);
    expect("{\"uuid\":\"a\",\"m\":{\"usage\":{\"input_tokens\":1}},\"x", "u", NULL);
}

static void what_is_no_object_is_kept_as_it_is(void **state) {
    (void)state;
    expect("[" ENTRY "]", "u", NULL);
    expect("123", "u", "123|");
    expect(
        "\""
        "text\"",
        "u", NULL);
    expect("nonsense", "u", NULL);
    expect("\xff\xfe", "u", NULL);
    expect("}{", "u", NULL);
}

static void runs_of_nul_are_kept_around_entries(void **state) {
    (void)state;
    static const char line[] = "\0\0\0" ENTRY "\0\0";
    char kinds[64], cut[512];
    split(line, sizeof line - 1, kinds, cut, sizeof cut);
    assert_string_equal(kinds, "uru");
}

static void bytes_that_are_no_utf8_and_lone_surrogates_do_not_make_a_line_bad(void **state) {
    (void)state;
    expect("{" UUIDS ",\"type\":\"user\",\"cwd\":\"\xff\\ud83d\"}", "w", NULL);
}

static void pieces_always_add_up_to_the_line(void **state) {
    (void)state;
    static const char *const parts[] = {ENTRY,
                                        "{",
                                        "}",
                                        "\"",
                                        "{\"type\":\"x\"",
                                        ENTRY,
                                        " ",
                                        "[",
                                        ",",
                                        "\\",
                                        "{\"type\":\"user\",\"message\":{\"content\":\"hi\"}}"};
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char line[2048], cut[4096];
        size_t size = 0, at = 0;
        for (int i = 0; i < 8; i++) {
            seed = seed * 1664525u + 1013904223u;
            const char *part = parts[(seed >> 16) % (sizeof parts / sizeof *parts)];
            memcpy(line + size, part, strlen(part));
            size += strlen(part);
        }
        struct claude_piece piece;
        claude_line(reader, line, size, (seed & 1) != 0);
        while (claude_next(reader, &piece)) {
            assert_ptr_equal(piece.text, line + at);
            memcpy(cut + at, piece.text, piece.size);
            at += piece.size;
        }
        assert_int_equal(at, size);
        assert_memory_equal(cut, line, size);
    }
}

static void damage_of_any_size_is_searched_in_bounded_time(void **state) {
    (void)state;
    size_t size = 4 << 20;
    char *line = malloc(size);
    assert_non_null(line);
    for (size_t i = 0; i < size; i++) {
        line[i] = "{\"a\":"[i % 5];
    }
    struct claude_piece piece;
    claude_line(reader, line, size, false);
    assert_int_equal(claude_next(reader, &piece), 1);
    assert_int_equal(piece.kind, CLAUDE_UNPARSED);
    assert_int_equal(piece.size, size);
    free(line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_line_is_one_piece),
        cmocka_unit_test(glued_entries_are_taken_apart),
        cmocka_unit_test(an_entry_behind_a_cut_one_is_won_back),
        cmocka_unit_test(parts_of_a_cut_entry_are_no_entries),
        cmocka_unit_test(what_is_no_object_is_kept_as_it_is),
        cmocka_unit_test(runs_of_nul_are_kept_around_entries),
        cmocka_unit_test(bytes_that_are_no_utf8_and_lone_surrogates_do_not_make_a_line_bad),
        cmocka_unit_test(pieces_always_add_up_to_the_line),
        cmocka_unit_test(damage_of_any_size_is_searched_in_bounded_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

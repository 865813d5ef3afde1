/*
 * Text for people: any bytes become harmless, valid UTF-8, money and numbers are exact.
 */
#include "tools/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BAD "\xEF\xBF\xBD"

static void assert_line(const char *text, size_t size, const char *wanted) {
    char line[256];
    size_t used = text_line(line, sizeof line, text, size);
    assert_string_equal(line, wanted);
    assert_int_equal(used, strlen(wanted));
}

static void utf8_is_read_strictly(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "\xC3\xA9",
                                       "\xE4\xBD\xA0",
                                       "\xF0\x9F\x98\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xF4\x8F\xBF\xBF",
                                       "plain text of more than eight bytes \xC2\x80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(text_valid(good[i], strlen(good[i])));
    }
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC3",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xED\xBF\xBF",
                                      "\xE4\xBD",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFF",
                                      "twelve bytes\xFF",
                                      "seven \xC3 and more of it"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(text_valid(bad[i], strlen(bad[i])));
    }
}

static void every_character_survives_a_round_trip(void **state) {
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char bytes[4];
        uint32_t back = 0;
        size_t size = text_put(bytes, code);
        int surrogate = code >= 0xD800 && code <= 0xDFFF;
        size_t read = text_next(bytes, bytes + size, &back);
        assert_true(surrogate ? back == UINT32_MAX : back == code && read == size);
        for (size_t cut = 1; cut < size; cut++) { /* never past the end */
            assert_true(text_next(bytes, bytes + cut, &back) <= cut && back == UINT32_MAX);
        }
    }
}

static void a_line_is_harmless(void **state) {
    (void)state;
    assert_line("plain", 5, "plain");
    assert_line("  two\n\t lines \r\n", 16, "two lines");
    assert_line("\x1B[31mred\x07", 9, BAD "[31mred" BAD);
    assert_line("nul\0here", 8, "nul" BAD "here");
    assert_line("c1 \xC2\x9B", 5, "c1 " BAD);
    assert_line("rtl \xE2\x80\xAE!", 8, "rtl " BAD "!");
    assert_line("bad \xFF\xED\xA0\x80", 8, "bad " BAD BAD BAD BAD);
    assert_line("cut \xE4\xBD", 6, "cut " BAD);
    assert_line("", 0, "");
}

static void a_line_that_does_not_fit_ends_at_a_characters_end(void **state) {
    (void)state;
    const char *text = "a\xE4\xBD\xA0 \xF0\x9F\x98\x80z";
    for (size_t room = 1; room < 16; room++) {
        char line[16];
        size_t used = text_line(line, room, text, strlen(text));
        assert_true(used < room);
        assert_int_equal(line[used], 0);
        assert_true(text_valid(line, used));
    }
}

static void widths_are_those_of_a_terminal(void **state) {
    (void)state;
    assert_int_equal(text_width("abc", 3), 3);
    assert_int_equal(text_width("\xE4\xBD\xA0\xE5\xA5\xBD", 6), 4);
    assert_int_equal(text_width("\xF0\x9F\x98\x80", 4), 2);
    assert_int_equal(text_width("e\xCC\x81", 3), 1);
    assert_int_equal(text_fit("\xE4\xBD\xA0\xE5\xA5\xBD", 6, 3), 3);
    assert_int_equal(text_fit("abc", 3, 9), 3);
}

static void assert_money(int64_t nanos, const char *exact, const char *rounded) {
    char text[TEXT_MONEY];
    text_money(text, nanos);
    assert_string_equal(text, exact);
    text_money_short(text, nanos);
    assert_string_equal(text, rounded);
}

static void money_is_exact_to_the_nano_dollar(void **state) {
    (void)state;
    assert_money(0, "0", "0.0000");
    assert_money(1, "0.000000001", "0.0000");
    assert_money(-1, "-0.000000001", "0.0000");
    assert_money(INT64_C(328432799400), "328.4327994", "328.4328");
    assert_money(INT64_C(1000000000), "1", "1.0000");
    assert_money(INT64_C(10000000000), "10", "10.0000");
    assert_money(INT64_C(-1234567500000000), "-1234567.5", "-1,234,567.5000");
    assert_money(INT64_MAX, "9223372036.854775807", "9,223,372,036.8548");
    assert_money(INT64_MIN, "-9223372036.854775808", "-9,223,372,036.8548");
}

static void numbers_are_grouped_by_thousands(void **state) {
    (void)state;
    char text[TEXT_GROUPED];
    text_grouped(text, 999);
    assert_string_equal(text, "999");
    text_grouped(text, -1000);
    assert_string_equal(text, "-1,000");
    text_grouped(text, INT64_MIN);
    assert_string_equal(text, "-9,223,372,036,854,775,808");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_read_strictly),
        cmocka_unit_test(every_character_survives_a_round_trip),
        cmocka_unit_test(a_line_is_harmless),
        cmocka_unit_test(a_line_that_does_not_fit_ends_at_a_characters_end),
        cmocka_unit_test(widths_are_those_of_a_terminal),
        cmocka_unit_test(money_is_exact_to_the_nano_dollar),
        cmocka_unit_test(numbers_are_grouped_by_thousands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

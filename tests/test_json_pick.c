/*
 * Picking places out of JSON, and numbers as scaled integers. Links the tools: json_pick,
 * json_value, cli, text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/json_pick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char picked[256];

static void note(void *context, int id, enum pick_kind kind, const char *text, size_t size) {
    (void)context;
    size_t used = strlen(picked);
    snprintf(picked + used, sizeof picked - used, "%d%c%.*s ", id, "0ftnsoaek"[kind], (int)size,
             text ? text : "");
}

static void wanted_places_are_picked_in_any_order(void **state) {
    (void)state;
    static const struct pick_rule rules[] = {
        {"a", 1}, {"b.c", 2}, {"d[].e", 3}, {"d[]", 4}, {"f.*", 5}};
    struct json_pick *pick = json_pick_new(rules, 5, note, NULL);
    const char *text =
        " {\"x\":{\"a\":\"no\",\"y\":[[\"\\u0041\"]]},\"d\":[{\"e\":1.5},7,{\"q\":{}, \"e\":null}],"
        "\"f\":{\"k\":3},\"b\":{\"c\":\"\\u0041b\"},\"a\":true} tail";
    size_t used = 0;
    picked[0] = '\0';
    assert_int_equal(json_pick_object(pick, text, strlen(text), &used), 1);
    assert_int_equal(used, strlen(text) - 5);
    assert_string_equal(picked, "4o 3n1.5 4e 4n7 4o 30 4e 5kk 5n3 2sAb 1t ");
    json_pick_free(&pick);
}

static void a_reader_goes_on_after_any_fault(void **state) {
    (void)state;
    static const struct pick_rule rules[] = {{"a", 1}};
    static const char *const bad[] = {
        "", "{", "{\"a\":tru", "{\"a\" 1}", "[]", "{\"a\":\"\x01\"}", "{]}", "{\"a\":\"x"};
    struct json_pick *pick = json_pick_new(rules, 1, note, NULL);
    size_t used = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(json_pick_object(pick, bad[i], strlen(bad[i]), &used), 0);
        picked[0] = '\0';
        assert_int_equal(json_pick_object(pick, "{\"a\":1}", 7, &used), 1);
        assert_string_equal(picked, "1n1 ");
    }
    json_pick_free(&pick);
}

static void nesting_is_bounded(void **state) {
    (void)state;
    size_t used = 0, size = 5 + 2 * 100000 + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', 100000);
    memset(text + 5 + 100000, ']', 100000);
    text[size - 1] = '}';
    struct json_pick *pick = json_pick_new(NULL, 0, note, NULL);
    assert_int_equal(json_pick_object(pick, text, size, &used), 0);
    assert_int_equal(json_is_value(text + 5, size - 6), 0);
    assert_int_equal(json_is_value("[[1,\"a\"]]", 9), 1);
    json_pick_free(&pick);
    free(text);
}

static void numbers_are_scaled_exactly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int power;
        int64_t wanted;
    } cases[] = {
        {"0", 0, 0},
        {"12", 0, 12},
        {"-3", 0, -3},
        {"3e-06", 12, 3000000},
        {"0.000003", 12, 3000000},
        {"1.875e-05", 12, 18750000},
        {"2.5", 0, 3},
        {"0.4999", 0, 0},
        {"1E2", 0, 100},
        {"5e-13", 12, 1},
        {"4e-13", 12, 0},
        {"1e30", 0, INT64_MAX},
        {"6.0", 3, 6000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t have = -1;
        assert_int_equal(json_scaled(cases[i].text, strlen(cases[i].text), cases[i].power, &have),
                         1);
        assert_int_equal(have, cases[i].wanted);
    }
    int64_t untouched = 7;
    assert_int_equal(json_scaled("1x", 2, 0, &untouched), 0);
    assert_int_equal(json_scaled("", 0, 0, &untouched), 0);
    assert_int_equal(json_scaled("1e", 2, 0, &untouched), 0);
    assert_int_equal(untouched, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanted_places_are_picked_in_any_order),
        cmocka_unit_test(a_reader_goes_on_after_any_fault),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(numbers_are_scaled_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

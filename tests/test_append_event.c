/*
 * The reader of event objects: money from its decimal digits, whole numbers, where values end, and
 * that any bytes are judged without harm. Links the tools: append_*, json_*, keep, names, when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/append_event.h"
#include "tools/json_pick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct append_object object;

static const char *read_text(struct append_reader *reader, const char *text) {
    return append_read(reader, text, strlen(text), &object);
}

static void money_is_exact(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t nanos;
    } cases[] = {
        {"0", 0},
        {"0.1", 100000000},
        {"0.034217080000000004", 34217080},
        {"3.000000000e-9", 3},
        {"0.0000000004999999999999999999999999", 0},
        {"0.0000000005", 1},
        {"1234567890.123456789", 1234567890123456789},
        {"9223372036.854775806", INT64_MAX - 1},
        {"1e3", 1000000000000},
    };
    struct append_reader *reader = append_reader_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"session_id\":\"s\",\"event_type\":\"X\",\"cost_usd\":%s}",
                 cases[i].text);
        assert_null(read_text(reader, text));
        assert_int_equal(object.event.cost, cases[i].nanos);
        assert_true(object.event.present & VARVE_HAS_COST);
    }
    int64_t number = 0;
    assert_int_equal(json_scaled("9223372036854775809", 19, 0, &number), 1);
    assert_int_equal(number, INT64_MAX); /* held: nothing is made of digits that do not fit */
    assert_int_equal(json_scaled("92233720368547758091", 20, -1, &number), 1);
    assert_int_equal(number, INT64_MAX);
    append_reader_free(&reader);
}

static void whole_numbers_fit_or_are_none(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t number;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"-7", -7},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"",
                                      "-",
                                      "1.0",
                                      "1e3",
                                      "+1",
                                      " 1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999"};
    int64_t number = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(json_whole(good[i].text, strlen(good[i].text), &number), 1);
        assert_int_equal(number, good[i].number);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(json_whole(bad[i], strlen(bad[i]), &number), 0);
    }
}

static void a_value_ends_where_it_ends(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {"{\"a\":\"}\\\"]\"}, 1", 12},
        {"[[1],{}] ", 8},
        {"\"a\\\\\",\"b\"", 5},
        {"12,", 2},
        {"true}", 4},
        {"null\n,", 4},
        {"-1.5e3]", 6},
        {"{\"a", 3},
        {"[1", 2},
        {"\"a\\", 3},
        {"", 0},
        {"}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = strlen(cases[i].text);
        char *exact = malloc(size + 1); /* so that reading past the end is seen */
        assert_non_null(exact);
        memcpy(exact, cases[i].text, size);
        char *own = realloc(exact, size ? size : 1);
        assert_int_equal(json_span(own, size), cases[i].size);
        free(own);
    }
}

static void a_reader_goes_on_after_any_fault(void **state) {
    (void)state;
    static const char good[] =
        "{\"session_id\":\"s\",\"event_type\":\"X\",\"labels\":{\"a\":\"1\",\"b\":null,\"c\":\"\"},"
        "\"payload\":[{\"p\":\"}\"}],\"metadata\":{\"m\":1},\"un\\u006bnown\":{\"k\":[1]},"
        "\"text\":\"\\u00fc\\ud83d\\ude00\",\"pid\":7,\"cost_usd\":0.5,\"tool_calls\":[1,{}]}";
    struct append_reader *reader = append_reader_new();
    for (size_t size = 0; size < sizeof good - 1; size++) { /* cut anywhere */
        char *exact = malloc(size ? size : 1);
        assert_non_null(exact);
        memcpy(exact, good, size);
        assert_non_null(append_read(reader, exact, size, &object));
        free(exact);
    }
    unsigned seed = 7;
    for (int i = 0; i < 20000; i++) { /* and changed anywhere */
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (int k = 0; k < 3; k++) {
            seed = seed * 1103515245u + 12345u;
            text[(seed >> 8) % (sizeof good - 1)] = "{}[]\",:\\0e.-n\x80"[(seed >> 4) % 14];
        }
        const char *why = append_read(reader, text, sizeof good - 1, &object);
        assert_true(why == NULL || strchr(why, '\n') == NULL);
    }
    assert_null(read_text(reader, good));
    assert_int_equal(object.event.tool_calls, 2);
    assert_int_equal(object.event.payload_size, 11);
    assert_memory_equal(object.event.payload, "[{\"p\":\"}\"}]", 11);
    varve_str labels = object.set.str[VARVE_STR_LABELS];
    assert_int_equal(labels.size, 8);
    assert_memory_equal(labels.ptr, "a=1\nb\nc=", 8);
    varve_str metadata = object.event.str[VARVE_STR_METADATA];
    static const char want[] =
        "{\"m\":1,\"_fields\":{\"un\\u006bnown\":{\"k\":[1]},\"tool_calls\":[1,{}]}}";
    assert_int_equal(metadata.size, sizeof want - 1);
    assert_memory_equal(metadata.ptr, want, sizeof want - 1);
    append_reader_free(&reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_is_exact),
        cmocka_unit_test(whole_numbers_fit_or_are_none),
        cmocka_unit_test(a_value_ends_where_it_ends),
        cmocka_unit_test(a_reader_goes_on_after_any_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

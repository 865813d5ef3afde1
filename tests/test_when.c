/*
 * Times: what is parsed is what is printed, impossible times are refused, and a day is what the
 * zone's calendars show, across changes of the clock too.
 */
#include "tools/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, int64_t *ret_ns) {
    return when_parse(text, strlen(text), ret_ns);
}

static void assert_prints(int64_t ns, const char *wanted) {
    char text[WHEN_ROOM];
    assert_int_equal(when_print(text, ns), strlen(wanted));
    assert_string_equal(text, wanted);
}

static void assert_day(const char *time, const char *wanted) {
    int64_t ns = 0;
    char text[WHEN_ROOM];
    assert_int_equal(parse(time, &ns), 0);
    when_print_day(text, when_day(ns));
    assert_string_equal(text, wanted);
}

static void prints_milliseconds_and_finer_only_if_needed(void **state) {
    (void)state;
    assert_prints(0, "1970-01-01T00:00:00.000Z");
    assert_prints(1, "1970-01-01T00:00:00.000000001Z");
    assert_prints(1000, "1970-01-01T00:00:00.000001Z");
    assert_prints(-1000000, "1969-12-31T23:59:59.999Z");
    assert_prints(INT64_C(1763627400123000000), "2025-11-20T08:30:00.123Z");
    assert_prints(INT64_MAX, "2262-04-11T23:47:16.854775807Z");
    assert_prints(INT64_MIN, "1677-09-21T00:12:43.145224192Z");
}

static void what_was_printed_is_parsed_to_the_same(void **state) {
    (void)state;
    uint64_t random = 88172645463325252;
    for (int i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        int64_t ns = (int64_t)random / (i % 3 ? 1 : 1000000000), back = 0;
        if (ns > INT64_MAX - 2000000000 || ns < INT64_MIN + 2000000000) {
            continue; /* the last second of each end is refused */
        }
        char text[WHEN_ROOM];
        size_t size = when_print(text, ns);
        assert_int_equal(when_parse(text, size, &back), 0);
        assert_true(back == ns);
    }
}

static void offsets_and_fractions_are_understood(void **state) {
    (void)state;
    static const char *const same[] = {
        "2025-11-20T08:30:00.5Z",           "2025-11-20T08:30:00,500Z",
        "2025-11-20t08:30:00.500000000z",   "2025-11-20 08:30:00.5+00:00",
        "2025-11-20T09:30:00.5+01:00",      "2025-11-20T00:30:00.5-0800",
        "2025-11-20T14:15:00.5+05:45",      "2025-11-19T22:30:00.5-10",
        "2025-11-20T08:30:00.50000000099Z",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        int64_t ns = 0;
        assert_int_equal(parse(same[i], &ns), 0);
        assert_true(ns == INT64_C(1763627400500000000));
    }
    int64_t ns = 0;
    assert_int_equal(parse("2016-12-31T23:59:60Z", &ns), 0); /* a leap second: the next one */
    assert_prints(ns, "2017-01-01T00:00:00.000Z");
    assert_int_equal(parse("2024-02-29T00:00Z", &ns), 0);
}

static void what_is_no_time_is_refused_and_changes_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "2025",
        "2025-11-20",
        "2025-11-20T08:30:00",
        "2025-13-01T00:00:00Z",
        "2025-00-01T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2025-11-31T00:00:00Z",
        "2025-11-20T24:00:00Z",
        "2025-11-20T08:60:00Z",
        "2025-11-20T08:30:61Z",
        "2025-11-20T08:30:00.Z",
        "2025-11-20T08:30:00ZZ",
        "2025-11-20T08:30:00+1:00",
        "2025-11-20T08:30:00+24:00",
        "2025-11-20T08:30:00+01:60",
        "2025-11-20T08:30:00+01:",
        " 2025-11-20T08:30:00Z",
        "2025-11-20T08:30:00Z ",
        "20251120T083000Z",
        "2025-11-20X08:30:00Z",
        "-025-11-20T08:30:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2262-04-11T23:47:17Z",
        "1677-09-21T00:12:42Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ns = 42;
        assert_int_equal(parse(bad[i], &ns), -1);
        assert_true(ns == 42);
    }
}

static void days_and_months_are_numbered_without_a_gap(void **state) {
    (void)state;
    char text[WHEN_ROOM], before[WHEN_ROOM] = "";
    int64_t month = when_month_of(-110000);
    for (int64_t day = -110000; day < 110000; day++) { /* 1668 to 2271 */
        when_print_day(text, day);
        assert_true(strcmp(text, before) > 0);
        memcpy(before, text, sizeof before);
        int64_t of_day = when_month_of(day);
        assert_true(of_day == month || of_day == month + 1);
        assert_int_equal(of_day != month, strcmp(text + 8, "01") == 0 && day > -110000);
        month = of_day;
        char name[WHEN_ROOM];
        when_print_month(name, month);
        assert_memory_equal(name, text, 7);
    }
    when_print_day(text, 0);
    assert_string_equal(text, "1970-01-01");
    when_print_month(text, -1);
    assert_string_equal(text, "1969-12");
}

static void a_bound_is_a_day_or_a_time(void **state) {
    (void)state;
    int64_t value = 0;
    assert_int_equal(when_parse_bound("1970-01-02", &value), WHEN_DAY);
    assert_int_equal(value, 1);
    assert_int_equal(when_parse_bound("1970-01-02T00:00:01", &value), WHEN_TIME);
    assert_true(value == INT64_C(86401000000000));
    assert_int_equal(when_parse_bound("1970-01-02T00:00:01+00:01", &value), WHEN_TIME);
    assert_true(value == INT64_C(86341000000000));
    assert_int_equal(when_parse_bound("yesterday", &value), -1);
    assert_int_equal(when_parse_bound("1970-01-02T", &value), -1);
}

static void zones_that_are_none_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "Nowhere/Atlantis",
        "/etc/passwd",
        "../../etc/passwd",
        "Europe/Berlin\n",
        "Europe",
        "zone.tab",
        "EST5EDT4,M3.2.0,M11.1.0x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(when_zone(bad[i]), -1);
    }
    assert_int_equal(when_zone("UTC"), 0);
    assert_day("2025-11-20T23:59:59Z", "2025-11-20");
}

static void days_follow_the_zone_across_changes_of_the_clock(void **state) {
    (void)state;
    if (when_zone("Europe/Berlin") < 0) {
        skip(); /* this machine has no time zones */
    }
    assert_day("2025-07-01T21:59:59Z", "2025-07-01"); /* UTC+2 */
    assert_day("2025-07-01T22:00:00Z", "2025-07-02");
    assert_day("2025-12-01T22:30:00Z", "2025-12-01"); /* UTC+1 */
    assert_day("2025-12-01T23:00:00Z", "2025-12-02");
    assert_day("2025-03-29T23:00:00Z", "2025-03-30"); /* the day of 23 hours */
    assert_day("2025-03-30T21:59:59Z", "2025-03-30");
    assert_day("2025-03-30T22:00:00Z", "2025-03-31");
    int64_t value = 0;
    char text[WHEN_ROOM];
    assert_int_equal(when_parse_bound("2025-07-01T12:00:00", &value), WHEN_TIME);
    when_print(text, value);
    assert_string_equal(text, "2025-07-01T10:00:00.000Z");
    assert_int_equal(when_parse_bound("2025-07-01T12:00:00Z", &value), WHEN_TIME);
    when_print(text, value);
    assert_string_equal(text, "2025-07-01T12:00:00.000Z");

    assert_int_equal(when_zone("America/St_Johns"), 0);
    assert_day("2025-01-01T03:29:59Z", "2024-12-31"); /* UTC-3:30 */
    assert_day("2025-01-01T03:30:00Z", "2025-01-01");
    assert_int_equal(when_zone("Pacific/Apia"), 0);
    assert_day("2011-12-30T09:59:59Z", "2011-12-29"); /* 30 December did not take place */
    assert_day("2011-12-30T10:00:00Z", "2011-12-31");
    assert_int_equal(when_zone("UTC"), 0);
    assert_day("2025-01-01T00:00:00Z", "2025-01-01");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_milliseconds_and_finer_only_if_needed),
        cmocka_unit_test(what_was_printed_is_parsed_to_the_same),
        cmocka_unit_test(offsets_and_fractions_are_understood),
        cmocka_unit_test(what_is_no_time_is_refused_and_changes_nothing),
        cmocka_unit_test(days_and_months_are_numbered_without_a_gap),
        cmocka_unit_test(a_bound_is_a_day_or_a_time),
        cmocka_unit_test(zones_that_are_none_are_refused),
        cmocka_unit_test(days_follow_the_zone_across_changes_of_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

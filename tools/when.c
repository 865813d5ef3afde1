/*
 * Days are counted from 1970-01-01 in the Gregorian calendar, before it too. A year is reckoned
 * from 1 March, so that the leap day is its last: then a day's place in the year follows from the
 * month by one multiplication.
 */
#include "tools/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 86400, ERA_DAYS = 146097 /* 400 years */ };
#define SECOND_NS INT64_C(1000000000)

struct date {
    int64_t year;
    int month, day;
};

static int64_t floor_div(int64_t number, int64_t by) {
    return number / by - (number % by < 0);
}

/* ---- The calendar ---- */

static int64_t day_of(struct date date) {
    int64_t year = date.month > 2 ? date.year : date.year - 1;
    int64_t era = floor_div(year, 400), of_era = year - era * 400;
    int64_t month = (date.month + 9) % 12; /* March = 0 */
    int64_t of_year = (153 * month + 2) / 5 + date.day - 1;
    /* 719468 days lie between 0000-03-01 and 1970-01-01 */
    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct date date_of(int64_t day) {
    int64_t from_march = day + 719468;
    int64_t era = floor_div(from_march, ERA_DAYS), of_era = from_march - era * ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct date date = {.day = (int)(of_year - (153 * month + 2) / 5 + 1)};
    date.month = (int)(month < 10 ? month + 3 : month - 9);
    date.year = era * 400 + year + (date.month <= 2);
    return date;
}

static int is_date(struct date date) {
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (date.month < 1 || date.month > 12 || date.day < 1 || date.day > lengths[date.month - 1]) {
        return 0;
    }
    return date_of(day_of(date)).day == date.day; /* 29 February only where there is one */
}

/* ---- Printing ---- */

size_t when_print_day(char ret_text[WHEN_ROOM], int64_t day) {
    struct date date = date_of(day);
    return (size_t)snprintf(ret_text, WHEN_ROOM, "%04" PRId64 "-%02d-%02d", date.year, date.month,
                            date.day);
}

int64_t when_month_of(int64_t day) {
    struct date date = date_of(day);
    return (date.year - 1970) * 12 + date.month - 1;
}

size_t when_print_month(char ret_text[WHEN_ROOM], int64_t month) {
    int64_t years = floor_div(month, 12);
    return (size_t)snprintf(ret_text, WHEN_ROOM, "%04" PRId64 "-%02d", years + 1970,
                            (int)(month - years * 12) + 1);
}

/* The time of day and what follows it; 'seconds' are those of the zone's clock. */
static size_t print_clock(char ret_text[WHEN_ROOM], int64_t seconds, int nanos, const char *zone) {
    int64_t day = floor_div(seconds, DAY_S);
    int second = (int)(seconds - day * DAY_S);
    size_t used = when_print_day(ret_text, day);
    int digits = nanos % 1000 ? 9 : nanos % 1000000 ? 6 : 3;
    int fraction = digits == 9 ? nanos : digits == 6 ? nanos / 1000 : nanos / 1000000;
    used += (size_t)snprintf(ret_text + used, WHEN_ROOM - used, "T%02d:%02d:%02d.%0*d%s",
                             second / 3600, second / 60 % 60, second % 60, digits, fraction, zone);
    return used;
}

static int nanos_of(int64_t ns) {
    return (int)((ns % SECOND_NS + SECOND_NS) % SECOND_NS);
}

size_t when_print(char ret_text[WHEN_ROOM], int64_t ns) {
    return print_clock(ret_text, floor_div(ns, SECOND_NS), nanos_of(ns), "Z");
}

/* The machine's zone is asked for once: what $TZ says, or a file. */
static void know_zone(void) {
    static int known;
    if (!known) {
        tzset();
        known = 1;
    }
}

size_t when_print_local(char ret_text[WHEN_ROOM], int64_t ns) {
    int64_t seconds = floor_div(ns, SECOND_NS);
    time_t clock = (time_t)seconds;
    struct tm local;
    char zone[32] = "Z";
    know_zone();
    if (!localtime_r(&clock, &local)) {
        return when_print(ret_text, ns);
    }
    int offset = (int)local.tm_gmtoff, minutes = (offset < 0 ? -offset : offset) / 60;
    if (offset != 0) {
        (void)snprintf(zone, sizeof zone, "%c%02d:%02d", offset < 0 ? '-' : '+', minutes / 60,
                       minutes % 60);
    }
    return print_clock(ret_text, seconds + offset, nanos_of(ns), zone);
}

const char *when_zone_title(void) {
    know_zone();
    return timezone == 0 && !daylight && strcmp(tzname[0], "UTC") == 0 ? "UTC" : "local";
}

/* ---- Parsing ---- */

struct parts {
    struct date date;
    int second; /* of the day; 86,400 in a leap second at its end */
    int nanos;
    int offset; /* seconds east of UTC */
    int has_time, has_offset;
};

struct input {
    const char *at, *end;
};

/* Reads exactly so many digits, or returns -1. */
static int digits(struct input *in, int count) {
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (in->at == in->end || *in->at < '0' || *in->at > '9') {
            return -1;
        }
        number = number * 10 + (*in->at++ - '0');
    }
    return number;
}

/* Takes the character if it stands there. */
static int take(struct input *in, char wanted) {
    if (in->at < in->end && *in->at == wanted) {
        in->at++;
        return 1;
    }
    return 0;
}

static int parse_offset(struct input *in, struct parts *parts) {
    if (in->at == in->end) {
        return 0;
    }
    parts->has_offset = 1;
    if (take(in, 'Z') || take(in, 'z')) {
        return in->at == in->end ? 0 : -1;
    }
    int west = take(in, '-');
    if (!west && !take(in, '+')) {
        return -1;
    }
    int hours = digits(in, 2), minutes = 0;
    if (in->at < in->end) {
        take(in, ':');
        minutes = digits(in, 2);
    }
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || in->at != in->end) {
        return -1;
    }
    parts->offset = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return 0;
}

static int parse_clock(struct input *in, struct parts *parts) {
    int hour = digits(in, 2), colon = take(in, ':'), minute = digits(in, 2), second = 0;
    if (hour < 0 || hour > 23 || !colon || minute < 0 || minute > 59) {
        return -1;
    }
    if (take(in, ':')) {
        second = digits(in, 2);
        if (second < 0 || second > 60) {
            return -1;
        }
        if (take(in, '.') || take(in, ',')) {
            int digit = digits(in, 1);
            if (digit < 0) {
                return -1;
            }
            for (int unit = 100000000; digit >= 0; unit /= 10) {
                parts->nanos += digit * unit; /* what is finer than 1 ns is dropped */
                digit = in->at < in->end && *in->at >= '0' && *in->at <= '9' ? digits(in, 1) : -1;
            }
        }
    }
    parts->has_time = 1;
    parts->second = hour * 3600 + minute * 60 + second;
    return parse_offset(in, parts);
}

static int parse_parts(const char *text, size_t size, struct parts *ret_parts) {
    struct input in = {text, text + size};
    struct parts parts = {0};
    parts.date.year = digits(&in, 4);
    int first = take(&in, '-');
    parts.date.month = digits(&in, 2);
    int second = take(&in, '-');
    parts.date.day = digits(&in, 2);
    if (parts.date.year < 0 || !first || !second || !is_date(parts.date)) {
        return -1;
    }
    if (in.at < in.end) {
        if (!take(&in, 'T') && !take(&in, 't') && !take(&in, ' ')) {
            return -1;
        }
        if (parse_clock(&in, &parts) < 0) {
            return -1;
        }
    }
    *ret_parts = parts;
    return 0;
}

static int to_ns(int64_t seconds, int nanos, int64_t *ret_ns) {
    const int64_t limit = INT64_MAX / SECOND_NS;
    if (seconds <= -limit || seconds >= limit) {
        return -1;
    }
    *ret_ns = seconds * SECOND_NS + nanos;
    return 0;
}

int when_parse(const char *text, size_t size, int64_t *ret_ns) {
    struct parts parts;
    if (parse_parts(text, size, &parts) < 0 || !parts.has_time || !parts.has_offset) {
        return -1;
    }
    return to_ns(day_of(parts.date) * DAY_S + parts.second - parts.offset, parts.nanos, ret_ns);
}

/* ---- The zone ---- */

static int zone_is_utc = 1;

static int zone_exists(const char *name) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    if (!*name || *name == '/' || name[strspn(name, plain)] != '\0') {
        return 0;
    }
    const char *folder = getenv("TZDIR");
    char path[512], magic[4] = "";
    int size = snprintf(path, sizeof path, "%s/%s",
                        folder && *folder ? folder : "/usr/share/zoneinfo", name);
    FILE *file = size > 0 && (size_t)size < sizeof path ? fopen(path, "rb") : NULL;
    if (!file) {
        return 0;
    }
    int good = fread(magic, 1, sizeof magic, file) == sizeof magic && !memcmp(magic, "TZif", 4);
    (void)fclose(file);
    return good;
}

int when_zone(const char *name) {
    if (strcmp(name, "UTC") == 0) {
        zone_is_utc = 1;
        return 0;
    }
    if (strcmp(name, "local") != 0) {
        char value[256];
        int size = snprintf(value, sizeof value, ":%s", name);
        if (size < 0 || (size_t)size >= sizeof value || !zone_exists(name) ||
            setenv("TZ", value, 1) < 0) {
            return -1;
        }
    }
    tzset();
    zone_is_utc = 0;
    return 0;
}

int64_t when_day(int64_t ns) {
    int64_t seconds = floor_div(ns, SECOND_NS);
    time_t clock = (time_t)seconds;
    struct tm local;
    if (zone_is_utc || !localtime_r(&clock, &local)) {
        return floor_div(seconds, DAY_S);
    }
    return day_of((struct date){local.tm_year + 1900, local.tm_mon + 1, local.tm_mday});
}

int when_parse_bound(const char *text, int64_t *ret_value) {
    struct parts parts;
    if (parse_parts(text, strlen(text), &parts) < 0) {
        return -1;
    }
    int64_t day = day_of(parts.date);
    if (!parts.has_time) {
        *ret_value = day;
        return WHEN_DAY;
    }
    int64_t seconds = day * DAY_S + parts.second - parts.offset;
    if (!parts.has_offset && !zone_is_utc) {
        struct tm local = {.tm_isdst = -1};
        local.tm_year = (int)parts.date.year - 1900;
        local.tm_mon = parts.date.month - 1;
        local.tm_mday = parts.date.day;
        local.tm_sec = parts.second % 60;
        local.tm_min = parts.second / 60 % 60;
        local.tm_hour = parts.second / 3600;
        seconds = mktime(&local);
    }
    return to_ns(seconds, parts.nanos, ret_value) < 0 ? -1 : WHEN_TIME;
}

/*
 * Times: nanoseconds since 1970 UTC to and from ISO 8601, and calendar days in a time zone. All but
 * the zone is plain arithmetic: the C library's time zones are touched only after when_zone, and to
 * print a time for people.
 */
#ifndef TOOLS_WHEN_H
#define TOOLS_WHEN_H

#include <stddef.h>
#include <stdint.h>

enum { WHEN_ROOM = 40 };

/* "2025-11-20T08:30:00.123Z": to the millisecond, finer if need be. Returns the length. */
size_t when_print(char ret_text[WHEN_ROOM], int64_t ns);
/* The same in the zone of the machine ($TZ), or of when_zone: "2025-11-20T09:30:00.123+01:00". */
size_t when_print_local(char ret_text[WHEN_ROOM], int64_t ns);
/* What a column of such times says of its zone: "UTC" or "local". */
const char *when_zone_title(void);
/* "2025-11-20", from the number of the day (0 = 1970-01-01). */
size_t when_print_day(char ret_text[WHEN_ROOM], int64_t day);
/* "2025-11", from the number of the month (0 = January 1970). */
size_t when_print_month(char ret_text[WHEN_ROOM], int64_t month);
int64_t when_month_of(int64_t day);

/* A date and a time with Z or an offset: "2025-11-20T08:30:00.123456789+01:00". 0, or -1 if it is
 * none, or lies outside what 64 bits of nanoseconds hold (1677 to 2262). */
int when_parse(const char *text, size_t size, int64_t *ret_ns);

/* Sets the zone of what follows: an IANA name, "UTC" (as at first) or "local". 0, or -1 if this
 * machine does not know it. */
int when_zone(const char *name);
/* The number of the day that the zone's calendars show at that time. */
int64_t when_day(int64_t ns);

/* A date, or a time (in the zone if it names no offset). WHEN_DAY: *ret_value is a day's number;
 * WHEN_TIME: nanoseconds; or -1. */
enum { WHEN_DAY = 1, WHEN_TIME = 2 };
int when_parse_bound(const char *text, int64_t *ret_value);

#endif

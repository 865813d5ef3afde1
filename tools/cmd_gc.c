/*
 * varve gc: what a retention would drop, counted. Dropping it comes with packed segments.
 */
#include "tools/out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help[] =
    "usage: varve gc --older-than AGE --dry-run\n"
    "\n"
    "Counts the sessions whose last activity is older than AGE, and their events. Sessions "
    "without\n"
    "any time are not old. This version only counts: without --dry-run it does nothing and exits\n"
    "3, as deleting comes with packed segments.\n"
    "\n"
    "options:\n"
    "  --older-than AGE   a whole number and s, m, h, d or w: 90d, 12h\n"
    "  --dry-run, -n      count, and drop nothing\n"
    "\n"
    "example:\n"
    "  varve gc --older-than 90d --dry-run\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

/* An age in ns; -1: it is none. One beyond what can be reckoned with is as good as for ever. */
static int64_t parse_age(const char *text) {
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    char *end = NULL;
    if (*text < '0' || *text > '9') {
        return -1;
    }
    unsigned long long number = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (end[0] == units[i].unit && end[1] == '\0') {
            int64_t unit_ns = units[i].seconds * 1000000000;
            uint64_t most = (uint64_t)(INT64_MAX / unit_ns);
            return number > most ? INT64_MAX : (int64_t)number * unit_ns;
        }
    }
    return -1;
}

struct found {
    uint64_t sessions, events, payload_bytes;
};

static int count_older(varve *store, int64_t before, struct found *ret_found) {
    varve_scan *scan = NULL;
    varve_session session = {.size = sizeof session};
    int more = varve_scan_open(store, &scan);
    if (more >= 0) {
        varve_scan_strings(scan, 0);
    }
    while (more >= 0 && (more = varve_scan_next(scan, &session)) == 1) {
        int has_time = (session.flags & VARVE_SS_HAS_TIME) != 0;
        if (has_time && !(session.flags & VARVE_SS_STUB) && session.last_activity < before) {
            ret_found->sessions++;
            ret_found->events += session.events;
            ret_found->payload_bytes += session.payload_bytes;
        }
    }
    varve_scan_close(&scan);
    return more;
}

int cmd_gc(struct cli *cli, int argc, char **argv) {
    const char *older_than = NULL;
    int dry_run = 0;
    const struct cli_option options[] = {
        {.name = "older-than", .ret_text = &older_than},
        {.name = "dry-run", .letter = 'n', .ret_flag = &dry_run},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1) {
        return cli_usage("gc takes no operand: '%s'", argv[1]);
    }
    if (!older_than) {
        return cli_usage("gc wants --older-than AGE, such as 90d");
    }
    int64_t age = parse_age(older_than);
    if (age < 0) {
        return cli_usage("--older-than wants an age such as 90d or 12h, not '%s'", older_than);
    }
    if (!dry_run) {
        return cli_fail(cli,
                        "gc cannot delete in this version: that comes with packed segments; "
                        "--dry-run counts");
    }
    answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t before = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    before = before < INT64_MIN + age ? INT64_MIN : before - age;
    struct found found = {0};
    int error = count_older(cli->store, before, &found);
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    struct out *out = out_record(cli);
    out_begin(out);
    out_time(out, "older_than", before);
    out_number(out, "sessions", (int64_t)found.sessions);
    out_number(out, "events", (int64_t)found.events);
    out_number(out, "payload_bytes", (int64_t)found.payload_bytes);
    out_bool(out, "is_dry_run", 1);
    (void)out_end(out);
    out_close(&out);
    return EXIT_OKAY;
}

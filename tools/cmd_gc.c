/*
 * varve gc: retention. Counts first, and drops only what it counted.
 */
#include "tools/out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help[] =
    "usage: varve gc --older-than AGE [--keep-sessions] [--dry-run]\n"
    "\n"
    "Drops the sessions whose last activity is older than AGE, with their events: what it counts, "
    "and\n"
    "no more. Sessions without any time are not old; those that a younger fork shares stay. What "
    "was\n"
    "dropped cost what it cost: usage and the roll-ups of parents stay as they are. Taking a dropped\n"
    "transcript in again adds nothing.\n"
    "\n"
    "options:\n"
    "  --older-than AGE   a whole number and s, m, h, d or w: 90d, 12h\n"
    "  --keep-sessions    drop the events only: lists go on showing the sessions, with their figures\n"
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

int cmd_gc(struct cli *cli, int argc, char **argv) {
    const char *older_than = NULL;
    int dry_run = 0, keep = 0;
    const struct cli_option options[] = {
        {.name = "older-than", .ret_text = &older_than},
        {.name = "keep-sessions", .ret_flag = &keep},
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
    answer = cli_open(cli, dry_run ? VARVE_OPEN_READ_ONLY : VARVE_OPEN_NO_CREATE);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t before = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    before = before < INT64_MIN + age ? INT64_MIN : before - age;
    varve_retention asked = {.size = sizeof asked, .before = before};
    asked.flags = (keep ? (uint32_t)VARVE_RETAIN_KEEP_SESSIONS : 0u) |
                  (dry_run ? (uint32_t)VARVE_RETAIN_DRY_RUN : 0u);
    varve_retained done = {.size = sizeof done};
    int error = varve_retain(cli->store, &asked, &done);
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    struct out *out = out_record(cli);
    out_begin(out);
    out_time(out, "older_than", before);
    out_number(out, "sessions", (int64_t)done.sessions);
    out_number(out, "events", (int64_t)done.events);
    out_bytes(out, "payload_bytes", done.payload_bytes);
    out_number(out, "shared", (int64_t)done.shared);
    if (!dry_run) {
        out_bytes(out, "written_bytes", done.written_bytes);
        out_bytes(out, "removed_bytes", done.removed_bytes);
    }
    out_bool(out, "is_dry_run", dry_run);
    (void)out_end(out);
    out_close(&out);
    return EXIT_OKAY;
}

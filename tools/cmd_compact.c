/*
 * varve compact: packs the log, merges packed segments.
 */
#include "tools/out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: varve compact [--all] [--budget BYTES] [--block BYTES] [--level N]\n"
    "\n"
    "Packs what the log holds: events clustered by session and compressed. Without --all only what "
    "is\n"
    "due: full raw segments, and groups of packed segments of like size, which become one. Appends "
    "and\n"
    "reads go on meanwhile. Events of deleted sessions are left out, unless a fork shares them.\n"
    "\n"
    "options:\n"
    "  --all, -a        everything, into the cold tier: smallest on disk\n"
    "  --budget BYTES   begin nothing more once so much was read: 500M, 2G, or bytes\n"
    "  --block BYTES    data of a block: 4K to 64M; 256K without --all, 4M with it. Larger is smaller\n"
    "                   on disk, and slower to open for one event\n"
    "  --level N        of zstd, 1 to 19; 3 without --all, 9 with it\n"
    "\n"
    "example:\n"
    "  varve compact --all\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

/* Bytes, with K, M, G or T behind; -1: it is none. */
static int64_t parse_bytes(const char *text) {
    static const char units[] = "KMGT";
    char *end = NULL;
    if (*text < '0' || *text > '9') {
        return -1;
    }
    unsigned long long number = strtoull(text, &end, 10);
    uint64_t factor = 1;
    if (*end != '\0') {
        const char *unit = strchr(units, *end);
        if (!unit || end[1] != '\0') {
            return -1;
        }
        factor = 1ull << (10 * (unit - units + 1));
    }
    return number > (uint64_t)INT64_MAX / factor ? INT64_MAX : (int64_t)(number * factor);
}

int cmd_compact(struct cli *cli, int argc, char **argv) {
    const char *budget = NULL, *block = NULL, *level = NULL;
    int all = 0;
    const struct cli_option options[] = {
        {.name = "all", .letter = 'a', .ret_flag = &all},
        {.name = "budget", .ret_text = &budget},
        {.name = "block", .ret_text = &block},
        {.name = "level", .ret_text = &level},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1) {
        return cli_usage("compact takes no operand: '%s'", argv[1]);
    }
    varve_compact_options asked;
    varve_compact_options_init(&asked);
    asked.flags = all ? VARVE_COMPACT_ALL : 0;
    if (budget) {
        int64_t bytes = parse_bytes(budget);
        if (bytes <= 0) {
            return cli_usage("--budget wants bytes such as 500M or 2G, not '%s'", budget);
        }
        asked.budget = (uint64_t)bytes;
    }
    if (block) {
        int64_t bytes = parse_bytes(block);
        if (bytes < 4 << 10 || bytes > 64 << 20) {
            return cli_usage("--block wants 4K to 64M, not '%s'", block);
        }
        asked.block = (uint32_t)bytes;
    }
    if (level) {
        int64_t number = parse_bytes(level);
        if (number < 1 || number > 19) {
            return cli_usage("--level wants a number from 1 to 19, not '%s'", level);
        }
        asked.level = (int)number;
    }
    answer = cli_open(cli, VARVE_OPEN_NO_CREATE);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_compacted done = {.size = sizeof done};
    int error = varve_compact(cli->store, &asked, &done);
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    struct out *out = out_record(cli);
    out_begin(out);
    out_number(out, "raw_segments", (int64_t)done.raw_segments);
    out_number(out, "packed_segments", (int64_t)done.packed_segments);
    out_number(out, "made", (int64_t)done.made);
    out_bytes(out, "read_bytes", done.read_bytes);
    out_bytes(out, "written_bytes", done.written_bytes);
    out_bytes(out, "removed_bytes", done.removed_bytes);
    out_bool(out, "is_complete", !done.more);
    (void)out_end(out);
    out_close(&out);
    return EXIT_OKAY;
}

/*
 * varve stats: what the store holds, and what it weighs.
 */
#include "tools/out.h"

static const char help[] =
    "usage: varve stats\n"
    "\n"
    "Shows how many sessions and events the store holds, and its size. charges: requests that "
    "were\n"
    "paid for, each counted once. tail_lsn: where the next record goes; synced_lsn: what lies "
    "before\n"
    "it is known to be on disk. quarantined: damaged files that were set aside, not removed.\n"
    "\n"
    "example:\n"
    "  varve --format jsonl stats | jq .log_bytes\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

/* Bytes that were written for a hundred bytes of log that is packed: once as log, then by
 * compaction. */
static int64_t amplification(const varve_stats *stats) {
    double packed = (double)stats->packed_total;
    return stats->packed_total == 0
               ? 100
               : (int64_t)(100 + 100 * (double)stats->written_total / packed);
}

static void print_stats(struct cli *cli, const varve_stats *stats) {
    struct out *out = out_record(cli);
    out_begin(out);
    out_word(out, "store", cli->store_path);
    out_text(out, "machine_id", varve_machine_id(cli->store));
    out_number(out, "sessions", (int64_t)stats->sessions);
    out_number(out, "stubs", (int64_t)stats->stubs);
    out_number(out, "events", (int64_t)stats->events);
    out_number(out, "charges", (int64_t)stats->charges);
    out_number(out, "inputs", (int64_t)stats->cursors);
    out_number(out, "segments", stats->segments);
    out_number(out, "packed_segments", stats->packed_segments);
    out_number(out, "log_bytes", (int64_t)stats->log_bytes);
    out_number(out, "packed_bytes", (int64_t)stats->packed_bytes);
    out_number(out, "packed_total", (int64_t)stats->packed_total);
    out_number(out, "written_total", (int64_t)stats->written_total);
    out_number(out, "write_amplification_percent", amplification(stats));
    out_number(out, "index_bytes", (int64_t)stats->index_bytes);
    out_number(out, "payload_bytes", (int64_t)stats->payload_bytes);
    out_numeral(out, "tail_lsn", stats->tail_lsn);
    out_numeral(out, "synced_lsn", stats->synced_lsn);
    out_number(out, "quarantined", stats->quarantined);
    (void)out_end(out);
    out_close(&out);
}

int cmd_stats(struct cli *cli, int argc, char **argv) {
    int answer = cli_parse(help, NULL, 0, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1) {
        return cli_usage("stats takes no operand: '%s'", argv[1]);
    }
    answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_stats stats = {.size = sizeof stats};
    int error = varve_stat(cli->store, &stats);
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    print_stats(cli, &stats);
    return EXIT_OKAY;
}

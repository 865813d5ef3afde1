/*
 * varve stats: what the store holds, and what it weighs.
 */
#include "tools/out.h"

#include <stdio.h>

static const char help[] =
    "usage: varve stats\n"
    "\n"
    "Shows how many sessions and events the store holds, and its size. charges: requests that "
    "were\n"
    "paid for, each counted once. tail_lsn: where the next record goes; synced_lsn: what lies "
    "before\n"
    "it is known to be on disk. quarantined: damaged files that were set aside, not removed.\n"
    "\n"
    "Of each lock, since the machine was started: how often it was taken and waited for (for the\n"
    "disk: how often one sync served several), the longest wait and all waits by length (the\n"
    "number of those shorter than so many microseconds, but not than half of that), and which\n"
    "process holds it now, as far as that can be told.\n"
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

static void print_lock(struct out *out, const char *name, const varve_lock_stats *lock) {
    out_object(out, name);
    out_number(out, "taken", (int64_t)lock->taken);
    out_number(out, "waits", (int64_t)lock->waits);
    out_number(out, "waited_us", (int64_t)(lock->waited / 1000));
    out_number(out, "longest_us", (int64_t)(lock->longest / 1000));
    out_object(out, "waits_below_us");
    for (int i = 0; i < VARVE_WAIT_BUCKETS; i++) {
        char below[24];
        snprintf(below, sizeof below, "%llu", 2ull << i);
        if (lock->bucket[i] > 0) {
            out_number(out, below, (int64_t)lock->bucket[i]);
        }
    }
    out_object_end(out);
    if (lock->holder != 0) {
        out_number(out, "holder", lock->holder);
        out_time(out, "since", lock->since);
    }
    out_object_end(out);
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
    out_bytes(out, "log_bytes", stats->log_bytes);
    out_bytes(out, "packed_bytes", stats->packed_bytes);
    out_bytes(out, "packed_total", stats->packed_total);
    out_bytes(out, "written_total", stats->written_total);
    out_number(out, "write_amplification_percent", amplification(stats));
    out_bytes(out, "index_bytes", stats->index_bytes);
    out_bytes(out, "payload_bytes", stats->payload_bytes);
    out_numeral(out, "tail_lsn", stats->tail_lsn);
    out_numeral(out, "synced_lsn", stats->synced_lsn);
    out_number(out, "quarantined", stats->quarantined);
    print_lock(out, "append_lock", &stats->lock[VARVE_LOCK_APPEND]);
    print_lock(out, "sync_lock", &stats->lock[VARVE_LOCK_SYNC]);
    print_lock(out, "compact_lock", &stats->lock[VARVE_LOCK_COMPACT]);
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

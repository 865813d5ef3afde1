/*
 * varve snapshot: a store in another directory that is this one at one moment.
 */
#include "tools/out.h"

static const char help[] =
    "usage: varve snapshot DIR\n"
    "\n"
    "Makes in DIR a store that has everything this one has now, or brings a snapshot that was made\n"
    "there before up to date. Appends and compactions go on meanwhile. On the same file system it\n"
    "shares the files that never change again, and takes next to no room; on another one it copies\n"
    "those that are new. DIR may be copied elsewhere with any tool, and opened as a store: once it\n"
    "is written to it is a store of its own, and is not brought up to date any more.\n"
    "\n"
    "example:\n"
    "  varve snapshot /backup/varve && varve --store /backup/varve verify --deep\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

int cmd_snapshot(struct cli *cli, int argc, char **argv) {
    int answer = cli_parse(help, NULL, 0, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc != 2 || argv[1][0] == '\0') {
        return cli_usage("snapshot takes one directory");
    }
    answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_snapshot_result done = {.size = sizeof done};
    int error = varve_snapshot(cli->store, argv[1], 0, &done);
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    struct out *out = out_record(cli);
    out_begin(out);
    out_number(out, "linked_files", (int64_t)done.linked_files);
    out_number(out, "copied_files", (int64_t)done.copied_files);
    out_number(out, "unchanged_files", (int64_t)done.unchanged_files);
    out_number(out, "removed_files", (int64_t)done.removed_files);
    out_bytes(out, "copied_bytes", done.copied_bytes);
    out_numeral(out, "tail_lsn", done.tail_lsn);
    (void)out_end(out);
    out_close(&out);
    return EXIT_OKAY;
}

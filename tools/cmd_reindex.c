/*
 * varve reindex: the index is made anew from the log, which is the only truth.
 */
#include "tools/out.h"

static const char help[] =
    "usage: varve reindex\n"
    "\n"
    "Throws the store's index away and makes it anew from the log. Nothing is lost by it: all "
    "that\n"
    "the index holds follows from the log. Needed only when 'varve verify' finds the index "
    "damaged.\n"
    "\n"
    "example:\n"
    "  varve verify || varve reindex\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

int cmd_reindex(struct cli *cli, int argc, char **argv) {
    int answer = cli_parse(help, NULL, 0, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1) {
        return cli_usage("reindex takes no operand: '%s'", argv[1]);
    }
    answer = cli_open(cli, VARVE_OPEN_NO_CREATE);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_stats stats = {.size = sizeof stats};
    int error = varve_reindex(cli->store);
    if (error >= 0) {
        error = varve_stat(cli->store, &stats);
    }
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    struct out *out = out_record(cli);
    out_begin(out);
    out_number(out, "sessions", (int64_t)stats.sessions);
    out_number(out, "events", (int64_t)stats.events);
    out_number(out, "charges", (int64_t)stats.charges);
    out_bytes(out, "index_bytes", stats.index_bytes);
    (void)out_end(out);
    out_close(&out);
    return EXIT_OKAY;
}

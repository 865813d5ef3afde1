/*
 * varve forget: hides a session, and removes what it said from every file.
 */
#include "tools/find.h"
#include "tools/out.h"

static const char help[] =
    "usage: varve forget [--now] [--forks] [--machine ID] SESSION\n"
    "\n"
    "Hides a session at once and for good. Its texts and payloads go when the files that hold them "
    "are\n"
    "packed again: with --now that is done at once, and then every file is looked through for "
    "pieces of\n"
    "what it said. Numbers stay, for what it cost was paid. It does not come back by an import.\n"
    "Snapshots and other copies of the store are not touched: they are yours to remove.\n"
    "\n"
    "options:\n"
    "  --now              rewrite what holds it, and prove that it is gone\n"
    "  --forks            its forks, which share its events, are forgotten too\n"
    "  --machine ID, -m   the session of this machine only\n"
    "\n"
    "example:\n"
    "  varve forget --now 0f8fad5b-d9cb-469f-a165-70867728950e\n"
    "\n"
    "exit codes: 0 done, 1 pieces of it were found afterwards, 2 wrong usage, 3 could not do it\n";

static int tell(struct cli *cli, const varve_forgotten *done, int now) {
    struct out *out = out_record(cli);
    out_begin(out);
    out_number(out, "sessions", (int64_t)done->sessions);
    out_number(out, "inputs", (int64_t)done->inputs);
    out_bool(out, "is_erased", now && done->found == 0);
    if (now) {
        out_number(out, "files", (int64_t)done->files);
        out_number(out, "quarantined", (int64_t)done->quarantined);
        out_number(out, "needles", (int64_t)done->needles);
        out_number(out, "bytes", (int64_t)done->bytes);
        out_number(out, "shared", (int64_t)done->shared);
        out_number(out, "found", (int64_t)done->found);
    }
    (void)out_end(out);
    out_close(&out);
    return now && done->found > 0 ? EXIT_FOUND : EXIT_OKAY;
}

int cmd_forget(struct cli *cli, int argc, char **argv) {
    const char *machine = NULL;
    int now = 0, forks = 0;
    const struct cli_option options[] = {
        {.name = "now", .ret_flag = &now},
        {.name = "forks", .ret_flag = &forks},
        {.name = "machine", .letter = 'm', .ret_text = &machine},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc != 2) {
        return cli_usage(argc < 2 ? "forget wants a session" : "forget takes one session");
    }
    answer = cli_open(cli, VARVE_OPEN_NO_CREATE);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_scan *scan = NULL;
    varve_session session;
    answer = find_open(cli, argv[1], machine, &scan, &session);
    if (answer == EXIT_OKAY) {
        varve_forgotten done = {.size = sizeof done};
        uint32_t flags = (now ? (uint32_t)VARVE_FORGET_NOW : 0u) |
                         (forks ? (uint32_t)VARVE_FORGET_FORKS : 0u);
        int error =
            varve_forget(cli->store, session.machine_id, session.session_id, flags, &done);
        answer = error < 0 ? cli_fail_store(cli, error) : tell(cli, &done, now);
    }
    varve_scan_close(&scan);
    return answer;
}

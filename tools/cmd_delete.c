/*
 * varve delete: one record that hides a session. Its events go when they are packed.
 */
#include "tools/change.h"

static const char help[] =
    "usage: varve delete SESSION [--machine ID]\n"
    "\n"
    "Hides a session: lists leave it out, and its id is not used again. Its children lose their\n"
    "parent; forks keep what they share with it. Its events go when varve compact packs them, and\n"
    "what it cost was paid and stays counted. See varve forget for erasing it at once.\n"
    "\n"
    "options:\n"
    "  --machine ID, -m   the session of this machine only\n"
    "\n"
    "example:\n"
    "  varve delete 3f2a9c1e\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it (no such session, deleted already)\n";

int cmd_delete(struct cli *cli, int argc, char **argv) {
    const char *machine = NULL;
    const struct cli_option options[] = {
        {.name = "machine", .letter = 'm', .ret_text = &machine},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc != 2) {
        return cli_usage(argc < 2 ? "delete wants a session" : "delete takes one session");
    }
    varve_scan *scan = NULL;
    varve_session session;
    answer = change_open(cli, argv[1], machine, &scan, &session);
    if (answer == EXIT_OKAY) {
        varve_batch *batch = change_batch();
        int added = varve_batch_delete(batch, session.machine_id, session.session_id);
        answer = change_append(cli, &batch, added);
    }
    if (answer == EXIT_OKAY) {
        struct out *out = change_tell(cli, session.session_id, session.machine_id);
        out_bool(out, "is_deleted", 1);
        out_number(out, "children", session.children);
        change_told(&out);
    }
    varve_scan_close(&scan);
    return answer;
}

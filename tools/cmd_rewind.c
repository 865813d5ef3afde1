/*
 * varve rewind: one record that hides what a session came to after a point.
 */
#include "tools/change.h"
#include "tools/message.h"

static const char help[] =
    "usage: varve rewind SESSION --to SEQ | --to-message N [--machine ID]\n"
    "\n"
    "Hides a session's events behind a point from every view; the next event goes on from there.\n"
    "What they cost was paid and stays. Nothing undoes it. Forks of the session do not change.\n"
    "\n"
    "options:\n"
    "  --to SEQ           the last event that stays, as 'varve events' numbers them\n"
    "  --to-message N     the last message that stays, as 'varve export' numbers them: messages "
    "of\n"
    "                     role user or assistant from 1 on. 0 = none stays\n"
    "  --machine ID, -m   the session of this machine only\n"
    "\n"
    "example:\n"
    "  varve rewind 3f2a9c1e --to-message 4\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it (no such session, event or message)\n";

static int rewind_to(struct cli *cli, varve_scan *scan, const varve_session *session,
                     uint64_t seq) {
    varve_session after = {.size = sizeof after};
    uint64_t row = session->row, events = session->events;
    varve_batch *batch = change_batch();
    int added = varve_batch_rewind(batch, session->machine_id, session->session_id, seq);
    int answer = change_append(cli, &batch, added);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    int error = varve_scan_get_row(scan, row, &after);
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    struct out *out = change_tell(cli, after.session_id, after.machine_id);
    out_numeral(out, "to_seq", seq);
    out_number(out, "hidden_events", events > after.events ? (int64_t)(events - after.events) : 0);
    out_number(out, "events", (int64_t)after.events);
    change_told(&out);
    return EXIT_OKAY;
}

int cmd_rewind(struct cli *cli, int argc, char **argv) {
    const char *machine = NULL;
    uint64_t to = UINT64_MAX, message = UINT64_MAX;
    const struct cli_option options[] = {
        {.name = "to", .ret_number = &to},
        {.name = "to-message", .ret_number = &message},
        {.name = "machine", .letter = 'm', .ret_text = &machine},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc != 2) {
        return cli_usage(argc < 2 ? "rewind wants a session" : "rewind takes one session");
    }
    if ((to == UINT64_MAX) == (message == UINT64_MAX)) {
        return cli_usage("rewind wants either --to or --to-message");
    }
    varve_scan *scan = NULL;
    varve_session session;
    answer = change_open(cli, argv[1], machine, &scan, &session);
    if (answer == EXIT_OKAY && message != UINT64_MAX) {
        answer = message_seq(cli, &session, message, &to);
    }
    if (answer == EXIT_OKAY) {
        answer = rewind_to(cli, scan, &session, to);
    }
    varve_scan_close(&scan);
    return answer;
}

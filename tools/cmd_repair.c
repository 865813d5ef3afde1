/*
 * varve repair: makes a damaged store serve what is good, and tells what is lost.
 */
#include "tools/out.h"
#include "tools/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: varve repair [--dry-run] [--machine ID]\n"
    "\n"
    "Makes a damaged store serve what is good, also one that every other command refuses. What is not\n"
    "good goes to quarantine/ below the store: nothing is deleted. Tells each thing that is mended,\n"
    "each part of the log that is lost, and of which sessions, from which seq to which. Others wait\n"
    "meanwhile. May be killed: the next call finishes. A store without damage is not changed.\n"
    "\n"
    "options:\n"
    "  --dry-run      change nothing: tell what would be done. Do that first\n"
    "  --machine ID   if STORE is lost: the machine id of sessions that name none; else that which\n"
    "                 most sessions have\n"
    "\n"
    "In jsonl each line has kind (mended, lost, left), file, offset, what, bytes; of lost records also\n"
    "session_id, machine_id, session_key, first_seq, last_seq; the last line has mended, moved, lost,\n"
    "lost_bytes, lost_records, left, dry_run. Bytes and records that are not known count as 0.\n"
    "\n"
    "example:\n"
    "  varve verify || varve repair --dry-run\n"
    "\n"
    "exit codes: 0 nothing to do, or all is mended without loss; 1 something is lost, or could not be\n"
    "mended; 2 wrong usage, 3 could not do it\n";

struct report {
    struct cli *cli;
    struct out *out; /* jsonl, else NULL */
};

static void print_json(struct out *out, const varve_repair_step *step) {
    static const char *const kinds[] = {"mended", "lost", "left"};
    out_begin(out);
    out_word(out, "kind", kinds[step->kind]);
    out_word(out, "file", step->file);
    out_numeral(out, "offset", step->offset);
    out_word(out, "what", step->what);
    if (step->kind == VARVE_REPAIR_LOST) {
        out_numeral(out, "bytes", step->bytes);
    }
    if (step->has_session) {
        out_text(out, "session_id", step->session_id);
        out_text(out, "machine_id", step->machine_id);
        out_hex(out, "session_key", step->session.b, sizeof step->session.b);
        out_numeral(out, "first_seq", step->first_seq);
        out_numeral(out, "last_seq", step->last_seq);
    }
    (void)out_end(out);
}

static void tell(void *context, const varve_repair_step *step) {
    static const char *const kinds[] = {"", "LOST: ", "not mended: "};
    struct report *report = context;
    if (report->out) {
        print_json(report->out, step);
        return;
    }
    char file[600], what[1200], session[1200] = "session without a name";
    text_line(file, sizeof file, step->file ? step->file : "", step->file ? strlen(step->file) : 0);
    text_line(what, sizeof what, step->what ? step->what : "", step->what ? strlen(step->what) : 0);
    if (step->session_id.ptr) {
        size_t used = (size_t)snprintf(session, sizeof session, "session ");
        text_line(session + used, sizeof session - used, step->session_id.ptr, step->session_id.size);
    }
    printf("%s", kinds[step->kind]);
    if (step->has_session) {
        printf("%s: ", session);
    } else if (*file) {
        printf("%s:%" PRIu64 ": ", file, step->offset);
    }
    printf("%s", what);
    if (step->bytes) {
        printf(" (%" PRIu64 " bytes)", step->bytes);
    }
    printf("\n");
}

static void summarise(const struct report *report, const varve_repaired *done, int dry) {
    struct out *out = report->out;
    if (out) {
        out_begin(out);
        out_numeral(out, "mended", done->mended);
        out_numeral(out, "moved", done->moved);
        out_numeral(out, "lost", done->lost);
        out_numeral(out, "lost_bytes", done->lost_bytes);
        out_numeral(out, "lost_records", done->lost_records);
        out_numeral(out, "left", done->left);
        out_bool(out, "dry_run", dry);
        (void)out_end(out);
        return;
    }
    const char *path = report->cli->store_path;
    if (done->mended == 0 && done->lost == 0 && done->left == 0) {
        printf("%s: nothing to repair\n", path);
        return;
    }
    printf("%s: %" PRIu64 " mended, %" PRIu64 " lost, %" PRIu64 " not to be mended", path, done->mended, done->lost,
           done->left);
    if (dry) {
        printf("; dry run: nothing was changed\n");
    } else {
        printf("; %" PRIu64 " file%s in quarantine/\n", done->moved, done->moved == 1 ? " more" : "s more");
    }
}

int cmd_repair(struct cli *cli, int argc, char **argv) {
    int dry = 0;
    const char *machine = NULL;
    const struct cli_option options[] = {{.name = "dry-run", .ret_flag = &dry},
                                         {.name = "machine", .ret_text = &machine}};
    int answer = cli_parse(help, options, 2, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1) {
        return cli_usage("repair takes no operand: '%s'", argv[1]);
    }
    if (machine && (!*machine || strlen(machine) > 128)) {
        return cli_usage("--machine wants 1 to 128 bytes");
    }
    char why[1024] = "";
    varve_options open;
    varve_options_init(&open);
    open.machine_id = varve_cstr(machine);
    open.flags = cli->place_flags;
    open.lock_timeout_ms = cli->lock_timeout_ms;
    open.error = why;
    open.error_size = sizeof why;
    struct report report = {.cli = cli, .out = cli->jsonl ? out_record(cli) : NULL};
    varve_repaired done = {.size = sizeof done};
    int error = varve_repair(cli->store_path, &open, dry ? VARVE_REPAIR_DRY_RUN : 0, tell, &report, &done);
    if (error == VARVE_OK) {
        summarise(&report, &done, dry);
    }
    out_close(&report.out);
    if (error < 0) {
        return cli_fail(cli, "%s", why[0] ? why : varve_strerror(error));
    }
    return done.lost > 0 || done.left > 0 ? EXIT_FOUND : EXIT_OKAY;
}

/*
 * varve reconcile: sessions that look alive while their process is dead get the status unknown.
 */
#include "tools/names.h"
#include "tools/out.h"
#include "tools/session_fields.h"

static const char help[] =
    "usage: varve reconcile [--dry-run]\n"
    "\n"
    "Looks at each session that has a pid, has not ended, and is not over by its status. If its\n"
    "process is gone, the status becomes unknown, and a row tells of it. Gone is a process that "
    "does\n"
    "not live; whose pid belongs to a process that started at another time; or that ran on this\n"
    "machine before it was booted anew. One that runs is never touched, and neither is one that\n"
    "cannot be judged from here (of another machine or pid namespace).\n"
    "\n"
    "options:\n"
    "  --dry-run, -n   tell, and change nothing\n"
    "  --all, -a       rows for the sessions that are left as they are too\n"
    "\n"
    "example:\n"
    "  varve reconcile --dry-run\n"
    "  varve --format jsonl reconcile | jq -r .session_id\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

static const struct out_column columns[] = {
    {"session_id", "session", OUT_CUT | OUT_KEEP},
    {"pid", "pid", OUT_RIGHT},
    {"process", "process", 0},
    {"status_before", "status before", 0},
    {"status", "status", 0},
    {"last_activity_at", "last activity", OUT_SPARE | OUT_TIME},
};

struct told {
    struct out *out;
    int all;
    int64_t gone, running, foreign;
};

static int tell(void *context, const varve_session *session, int process) {
    struct told *told = context;
    int gone = process == VARVE_PROCESS_GONE;
    told->gone += gone;
    told->running += process == VARVE_PROCESS_RUNNING;
    told->foreign += process == VARVE_PROCESS_FOREIGN;
    if (!gone && !told->all) {
        return 0;
    }
    varve_str before = name_status(session->status, session->str[VARVE_STR_STATUS]);
    out_begin(told->out);
    out_text(told->out, "session_id", session->session_id);
    out_text(told->out, "machine_id", session->machine_id);
    out_numeral(told->out, "pid", (uint64_t)(uint32_t)session->pid);
    out_word(told->out, "process",
             gone                               ? "gone"
             : process == VARVE_PROCESS_RUNNING ? "running"
                                                : "elsewhere");
    out_text(told->out, "status_before", before);
    out_text(told->out, "status", gone ? varve_cstr("unknown") : before);
    fields_time(told->out, "last_activity_at", (session->flags & VARVE_SS_HAS_TIME) != 0,
                session->last_activity);
    (void)out_end(told->out); /* what is done is done whether or not it can be told */
    return 0;
}

int cmd_reconcile(struct cli *cli, int argc, char **argv) {
    struct told told = {0};
    int dry_run = 0;
    const struct cli_option options[] = {
        {.name = "dry-run", .letter = 'n', .ret_flag = &dry_run},
        {.name = "all", .letter = 'a', .ret_flag = &told.all},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1) {
        return cli_usage("reconcile takes no operand: '%s'", argv[1]);
    }
    answer = cli_open(cli, dry_run ? VARVE_OPEN_READ_ONLY : VARVE_OPEN_NO_CREATE);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    told.out = out_rows(cli, columns, sizeof columns / sizeof *columns);
    int result = varve_reconcile(cli->store, dry_run ? VARVE_RECONCILE_DRY_RUN : 0, tell, &told);
    out_close(&told.out);
    if (result < 0) {
        return cli_fail_store(cli, result);
    }
    if (!cli->jsonl) {
        cli_note(cli, "%lld gone%s, %lld running, %lld elsewhere", (long long)told.gone,
                 dry_run ? " (dry run: nothing was changed)" : "", (long long)told.running,
                 (long long)told.foreign);
    }
    return EXIT_OKAY;
}

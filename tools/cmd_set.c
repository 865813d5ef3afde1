/*
 * varve set: attributes of a session, said outright. One record; what is not named stays.
 */
#include "tools/change.h"
#include "tools/set_values.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: varve set SESSION [options]\n"
    "\n"
    "Sets attributes of a session; what is not named stays as it is. A session is made only with\n"
    "--create, and SESSION is then its whole id. It is no event: nothing is counted.\n"
    "Figures that are set show in 'sessions' and 'show', not in 'usage', which adds up events.\n"
    "\n"
    "options:\n"
    "  --create               make the session if there is none, created now\n"
    "  --at TIME              what is set holds from TIME on (what was set for later stays), and\n"
    "                         TIME belongs to the session's life; with --create: created then\n"
    "  --machine ID, -m       the session of this machine\n"
    "  --title T, --goal G, --cwd P, --transcript-path P\n"
    "  --status S             idle, busy, wait, done, active, completed, failed, cancelled,\n"
    "                         unknown, or any other name; likewise the next three\n"
    "  --mode M               interactive, autonomous, acp\n"
    "  --channel C            cli, tui, telegram, discord, slack, acp\n"
    "  --session-type T       main, forked, subagent\n"
    "  --parent ID            its parent, --parent-tool-call ID, --subagent-type T: the first "
    "that\n"
    "                         is said stays\n"
    "  --callbacks FILE|JSON  an array of objects\n"
    "  --label K=V            a label; --unlabel K takes it away. Both may be given again and "
    "again\n"
    "  --github-repo O/R, --github-issue N, --github-pr N\n"
    "  --git-dir P, --worktree P, --git-branch B, --additions N, --deletions N\n"
    "  --pid N                its process, which runs here, or ran: --process-start SECONDS since\n"
    "                         1970 (asked for if it is not said), --boot-id ID (this one)\n"
    "  --hidden               lists leave it out from now on\n"
    "  --absolute             the figures below are totals: each replaces what was said of it "
    "before,\n"
    "                         beside what events add up to. They are so without it too\n"
    "  --input-tokens N, --output-tokens N, --reasoning-tokens N (part of output), --turns N,\n"
    "  --cost-usd X           exact to 9 decimals\n"
    "\n"
    "example:\n"
    "  varve set eval-17 --create --title 'sort, run 7' --label run=7 --label task=sort\n"
    "  varve set eval-17 --status completed --input-tokens 1200 --cost-usd 0.0173\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it (no such session, deleted)\n";

/* Finds the session, or names the one to be made. */
static int find(struct cli *cli, const struct set_said *said, const char *id, varve_scan **ret_scan,
                varve_session *ret_session, int *ret_created) {
    *ret_created = 0;
    if (!said->create) {
        return change_open(cli, id, said->machine, ret_scan, ret_session);
    }
    int answer = cli_open(cli, 0);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    *ret_session = (varve_session){.size = sizeof *ret_session};
    int error = varve_scan_open(cli->store, ret_scan);
    if (error >= 0) {
        error = varve_scan_get(*ret_scan, varve_cstr(said->machine), varve_cstr(id), ret_session);
    }
    if (error >= 0 && !(ret_session->flags & VARVE_SS_STUB)) {
        return change_refused(cli, ret_session);
    }
    if (error < 0 && error != VARVE_E_NOT_FOUND) {
        return cli_fail_store(cli, error);
    }
    *ret_created = 1;
    ret_session->session_id = varve_cstr(id);
    ret_session->machine_id =
        said->machine ? varve_cstr(said->machine) : varve_machine_id(cli->store);
    return EXIT_OKAY;
}

static int set_session(struct cli *cli, const struct set_said *said, struct set_wish *wish,
                       const char *id) {
    varve_scan *scan = NULL;
    varve_session session;
    int created = 0;
    int answer = find(cli, said, id, &scan, &session, &created);
    if (answer == EXIT_OKAY) {
        wish->event.session_id = session.session_id;
        wish->event.machine_id = session.machine_id;
        if (created) {
            set_created(said, &wish->event);
        }
        varve_batch *batch = change_batch();
        int added = varve_batch_set(batch, &wish->event);
        answer = change_append(cli, &batch, added);
    }
    if (answer == EXIT_OKAY) {
        struct out *out = change_tell(cli, session.session_id, session.machine_id);
        out_bool(out, "created", created);
        change_told(&out);
    }
    varve_scan_close(&scan);
    return answer;
}

int cmd_set(struct cli *cli, int argc, char **argv) {
    const uint64_t no = UINT64_MAX;
    struct set_said said = {.tokens = {no, no, no, no, no, no},
                            .turns = no,
                            .issue = no,
                            .pr = no,
                            .additions = no,
                            .deletions = no,
                            .pid = no,
                            .process_start = no};
    const struct cli_option options[] = {
        {.name = "create", .ret_flag = &said.create},
        {.name = "at", .ret_text = &said.at},
        {.name = "machine", .letter = 'm', .ret_text = &said.machine},
        {.name = "title", .ret_text = &said.str[VARVE_STR_TITLE]},
        {.name = "goal", .ret_text = &said.str[VARVE_STR_GOAL]},
        {.name = "cwd", .ret_text = &said.str[VARVE_STR_CWD], .values = "DIR"},
        {.name = "transcript-path", .ret_text = &said.str[VARVE_STR_TRANSCRIPT_PATH], .values = "FILE"},
        {.name = "status", .ret_text = &said.enums[SET_STATUS], .values = "idle busy wait done active completed failed cancelled unknown"},
        {.name = "mode", .ret_text = &said.enums[SET_MODE], .values = "interactive autonomous acp"},
        {.name = "channel", .ret_text = &said.enums[SET_CHANNEL], .values = "cli tui telegram discord slack acp"},
        {.name = "session-type", .ret_text = &said.enums[SET_SESSION_TYPE], .values = "main forked subagent"},
        {.name = "parent", .ret_text = &said.str[VARVE_STR_PARENT_ID], .values = "SESSION"},
        {.name = "parent-tool-call", .ret_text = &said.str[VARVE_STR_PARENT_TOOL_CALL]},
        {.name = "subagent-type", .ret_text = &said.str[VARVE_STR_SUBAGENT_TYPE]},
        {.name = "callbacks", .ret_text = &said.callbacks, .values = "FILE"},
        {.name = "label", .ret_texts = &said.labels},
        {.name = "unlabel", .ret_texts = &said.unlabels},
        {.name = "github-repo", .ret_text = &said.str[VARVE_STR_GITHUB_REPO]},
        {.name = "github-issue", .ret_number = &said.issue},
        {.name = "github-pr", .ret_number = &said.pr},
        {.name = "git-dir", .ret_text = &said.str[VARVE_STR_GIT_DIR], .values = "DIR"},
        {.name = "worktree", .ret_text = &said.str[VARVE_STR_GIT_WORKTREE], .values = "DIR"},
        {.name = "git-branch", .ret_text = &said.str[VARVE_STR_GIT_BRANCH]},
        {.name = "additions", .ret_number = &said.additions},
        {.name = "deletions", .ret_number = &said.deletions},
        {.name = "pid", .ret_number = &said.pid},
        {.name = "process-start", .ret_number = &said.process_start},
        {.name = "boot-id", .ret_text = &said.str[VARVE_STR_BOOT_ID]},
        {.name = "hidden", .ret_flag = &said.hidden},
        {.name = "absolute", .ret_flag = &said.absolute},
        {.name = "input-tokens", .ret_number = &said.tokens[VARVE_TOK_INPUT]},
        {.name = "output-tokens", .ret_number = &said.tokens[VARVE_TOK_OUTPUT]},
        {.name = "reasoning-tokens", .ret_number = &said.tokens[VARVE_TOK_REASONING]},
        {.name = "turns", .ret_number = &said.turns},
        {.name = "cost-usd", .ret_text = &said.cost},
    };
    struct set_wish wish = {0};
    int said_any = argc > 2;
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer == CLI_GO_ON && (argc != 2 || !*argv[1])) {
        answer = argc > 2 ? cli_usage("set takes one session: '%s'", argv[2])
                          : cli_usage("set wants a session");
    } else if (answer == CLI_GO_ON && !said_any) {
        answer = cli_usage("set wants something to set");
    }
    if (answer == CLI_GO_ON) {
        answer = set_take(cli, &said, &wish);
    }
    if (answer == CLI_GO_ON) {
        answer = set_session(cli, &said, &wish, argv[1]);
    }
    free(wish.labels);
    free(wish.callbacks);
    free(said.labels.texts);
    free(said.unlabels.texts);
    return answer;
}

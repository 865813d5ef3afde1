/*
 * varve show: everything that the store knows of one session.
 */
#include "tools/find.h"
#include "tools/names.h"
#include "tools/session_fields.h"
#include "tools/view.h"

static const char help[] =
    "usage: varve show SESSION [--machine ID] [--as MODEL]\n"
    "\n"
    "Shows everything known about a session. SESSION is its id, or the beginning of it, 4 "
    "characters\n"
    "or more, if no other session's id begins so. A subagent may be named by its own part of the "
    "id.\n"
    "\n"
    "options:\n"
    "  --machine ID, -m   the session of this machine only\n"
    "  --as MODEL         in the shape of another session model, as JSON: mix-python-1,\n"
    "                     mix-python, mix-typescript, mi6 or zeph\n"
    "\n"
    "example:\n"
    "  varve show 3f2a9c1e\n"
    "  varve --format jsonl show 3f2a9c1e | jq .by_source\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it (no such session, or several)\n";

static void print_identity(struct out *out, const varve_session *session) {
    const varve_str *str = session->str;
    out_text(out, "session_id", session->session_id);
    out_text(out, "machine_id", session->machine_id);
    out_hex(out, "key", session->key.b, sizeof session->key.b);
    out_numeral(out, "row", session->row);
    out_text(out, "parent_session_id", str[VARVE_STR_PARENT_ID]);
    out_text(out, "parent_machine_id", str[VARVE_STR_PARENT_MACHINE]);
    out_text(out, "parent_tool_call_id", str[VARVE_STR_PARENT_TOOL_CALL]);
    out_number(out, "children", session->children);
    out_text(out, "session_type",
             name_session_type(session->session_type, str[VARVE_STR_SESSION_TYPE]));
    out_text(out, "subagent_type", str[VARVE_STR_SUBAGENT_TYPE]);
    out_text(out, "agent_id", str[VARVE_STR_AGENT_ID]);
    out_text(out, "title", str[VARVE_STR_TITLE]);
    out_text(out, "goal", str[VARVE_STR_GOAL]);
    out_text(out, "project", str[VARVE_STR_PROJECT]);
    out_text(out, "framework", str[VARVE_STR_FRAMEWORK]);
    out_text(out, "version", str[VARVE_STR_VERSION]);
    out_text(out, "model", str[VARVE_STR_MODEL]);
    out_text(out, "permission_mode", str[VARVE_STR_PERMISSION_MODE]);
    out_text(out, "mode", name_mode(session->mode, str[VARVE_STR_MODE]));
    out_text(out, "channel", name_channel(session->channel, str[VARVE_STR_CHANNEL]));
}

static void print_life(struct out *out, const varve_session *session) {
    uint32_t flags = session->flags;
    int has_time = (flags & VARVE_SS_HAS_TIME) != 0;
    out_text(out, "status", name_status(session->status, session->str[VARVE_STR_STATUS]));
    fields_time(out, "status_at", (flags & VARVE_SS_HAS_STATUS_TIME) != 0, session->status_time);
    fields_time(out, "first_started_at", has_time, session->first_started);
    fields_time(out, "last_started_at", has_time, session->last_started);
    fields_time(out, "first_ended_at", (flags & VARVE_SS_HAS_ENDED) != 0, session->first_ended);
    fields_time(out, "last_ended_at", (flags & VARVE_SS_ENDED) != 0, session->last_ended);
    fields_time(out, "last_activity_at", has_time, session->last_activity);
    out_number(out, "revivals", session->revivals);
    if (flags & VARVE_SS_HAS_PID) {
        out_numeral(out, "pid", (uint64_t)(uint32_t)session->pid);
    } else {
        out_null(out, "pid");
    }
    fields_time(out, "process_started_at", (flags & VARVE_SS_HAS_PROCESS_START) != 0,
                fields_seconds(session->process_start));
    out_text(out, "boot_id", session->str[VARVE_STR_BOOT_ID]);
    out_text(out, "pid_namespace", session->str[VARVE_STR_PID_NAMESPACE]);
}

static void print_git_number(struct out *out, const varve_session *session, const char *name,
                             uint32_t has, int32_t number) {
    if (session->present & has) {
        out_number(out, name, number);
    } else {
        out_null(out, name);
    }
}

static void print_place(struct out *out, const varve_session *session) {
    const varve_str *str = session->str;
    out_text(out, "cwd", str[VARVE_STR_CWD]);
    out_text(out, "transcript_path", str[VARVE_STR_TRANSCRIPT_PATH]);
    out_text(out, "git_dir", str[VARVE_STR_GIT_DIR]);
    out_text(out, "git_branch", str[VARVE_STR_GIT_BRANCH]);
    out_text(out, "git_worktree", str[VARVE_STR_GIT_WORKTREE]);
    out_text(out, "github_repo", str[VARVE_STR_GITHUB_REPO]);
    print_git_number(out, session, "github_issue", VARVE_HAS_GITHUB_ISSUE, session->github_issue);
    print_git_number(out, session, "github_pr", VARVE_HAS_GITHUB_PR, session->github_pr);
    print_git_number(out, session, "git_additions", VARVE_HAS_GIT_ADDITIONS,
                     session->git_additions);
    print_git_number(out, session, "git_deletions", VARVE_HAS_GIT_DELETIONS,
                     session->git_deletions);
}

static void print_source(struct out *out, const varve_counters *counters) {
    out_number(out, "events", (int64_t)counters->events);
    out_number(out, "user_messages", counters->user_messages);
    out_number(out, "assistant_messages", counters->assistant_messages);
    out_number(out, "tool_calls", counters->tool_calls);
    out_number(out, "api_requests", counters->api_requests);
    out_number(out, "api_errors", counters->api_errors);
    out_number(out, "turns", counters->turns);
    out_number(out, "compactions", counters->compactions);
    for (unsigned i = 0; i < VARVE_TOKENS; i++) {
        out_number(out, name_token_class(i), counters->tokens[i]);
    }
    if (counters->costed > 0) {
        out_money(out, "cost_usd", counters->cost);
    } else {
        out_null(out, "cost_usd");
    }
}

static void print_sources(struct out *out, const varve_session *session) {
    int best = (session->sources >> session->best_source & 1) != 0;
    out_word(out, "best_source", best ? name_source(session->best_source) : NULL);
    out_object(out, "by_source");
    for (unsigned i = 0; i < VARVE_SOURCES; i++) {
        if (session->sources >> i & 1) {
            out_object(out, name_source(i));
            print_source(out, &session->by_source[i]);
            out_object_end(out);
        }
    }
    out_object_end(out);
}

static void print_flags(struct out *out, const varve_session *session) {
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {
        {VARVE_SS_STUB, "is_stub"},       {VARVE_SS_ENDED, "is_ended"},
        {VARVE_SS_HIDDEN, "is_hidden"},   {VARVE_SS_DELETED, "is_deleted"},
        {VARVE_SS_CYCLE, "is_cut_cycle"}, {VARVE_SS_TRANSCRIPT, "has_transcript"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        out_bool(out, names[i].name, (session->flags & names[i].flag) != 0);
    }
    out_word(out, "last_line_end",
             session->flags & VARVE_SS_EOL_SET ? name_eol(session->eol) : NULL);
}

static void print_session(struct out *out, const varve_session *session) {
    const varve_str *str = session->str;
    out_begin(out);
    print_identity(out, session);
    print_life(out, session);
    print_place(out, session);
    fields_counts(out, session);
    fields_tokens(out, session->tokens);
    fields_cost(out, session);
    print_sources(out, session);
    print_flags(out, session);
    out_bytes(out, "payload_bytes", session->payload_bytes);
    if (session->last_lsn != 0) { /* one that is known by name only has no records */
        out_numeral(out, "last_seq", session->last_seq);
        out_numeral(out, "last_lsn", session->last_lsn);
    }
    out_json(out, "labels", str[VARVE_STR_LABELS]);
    out_json(out, "callbacks", str[VARVE_STR_CALLBACKS]);
    out_json(out, "metadata", str[VARVE_STR_METADATA]);
    out_text(out, "first_user_message", session->first_text);
    out_text(out, "last_user_message", session->last_text);
    (void)out_end(out);
}

int cmd_show(struct cli *cli, int argc, char **argv) {
    const char *machine = NULL, *as = NULL;
    enum view_model model;
    const struct cli_option options[] = {
        {.name = "machine", .letter = 'm', .ret_text = &machine},
        {.name = "as", .ret_text = &as, .values = "mix-python-1 mix-python mix-typescript mi6 zeph"},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc != 2) {
        return cli_usage(argc < 2 ? "show wants a session" : "show takes one session");
    }
    answer = view_named(as, &model);
    if (answer == CLI_GO_ON) {
        answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
    }
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_scan *scan = NULL;
    varve_session session;
    answer = find_open(cli, argv[1], machine, &scan, &session);
    if (answer == EXIT_OKAY) {
        struct out *out = model != VIEW_NONE ? view_out(cli) : out_record(cli);
        if (model != VIEW_NONE) {
            (void)view_print(out, model, &session);
        } else {
            print_session(out, &session);
        }
        out_close(&out);
    }
    varve_scan_close(&scan);
    return answer;
}

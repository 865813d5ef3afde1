/*
 * varve sessions: one row a session, in the order that is asked for, page by page.
 */
#include "tools/names.h"
#include "tools/query.h"
#include "tools/session_fields.h"
#include "tools/view.h"

static const char help[] =
    "usage: varve sessions [options]\n"
    "\n"
    "Lists sessions, newest activity first; those without any time come last. Subagents, hidden and\n"
    "deleted sessions, and those known only because a child names them, are left out.\n"
    "\n"
    "options, which sessions:\n"
    QUERY_SESSION_HELP
    "options, in which order, how many, how:\n"
    "  --order ORDER          activity (newest first), start (newest first), cost (with that of all\n"
    "                         sessions below; dearest first), arrival (first come first); equal\n"
    "                         ones by session id\n"
    "  --limit N, -n N        at most N (0 = no limit)\n"
    "  --offset N             not the first N\n"
    "  --page                 with --limit: say where the next page begins. In JSON the last line is\n"
    "                         then {\"next\":TOKEN}, or {\"next\":null} on the last page\n"
    "  --after TOKEN          the page that begins there. Pages stay whole while sessions are added:\n"
    "                         only one whose own place changes may be met twice or not at all\n"
    "  --as MODEL             in the shape of another session model, as JSON, one object a line:\n"
    "                         mix-python-1, mix-python, mix-typescript (newest start first), mi6,\n"
    "                         zeph\n"
    "\n"
    QUERY_WHEN_HELP
    "In jsonl each row has the whole record but for what differs from store to store ('varve show'\n"
    "has that too). cost_usd is the session's own cost, children_cost_usd that of all sessions below.\n"
    "\n"
    "example:\n"
    "  varve sessions --limit 20 --label run=7 --order cost\n"
    "  varve --format jsonl sessions --limit 100 --page --project /home/me/project\n"
    "  varve sessions --as mi6 --status wait | jq -r .cwd\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

static const struct out_column columns[] = {
    {"session_id", "session", OUT_CUT | OUT_KEEP},
    {"last_activity_at", "last activity", OUT_TIME},
    {"project", "project", OUT_CUT | OUT_SPARE},
    {"model", "model", OUT_CUT | OUT_SPARE},
    {"user_messages", "user", OUT_RIGHT | OUT_SPARE},
    {"events", "events", OUT_RIGHT | OUT_SPARE},
    {"total_tokens", "tokens", OUT_RIGHT},
    {"total_cost_usd", "cost $", OUT_RIGHT},
    {"label", "title or first message", OUT_CUT},
};

/* ---- Rows ---- */

static int print_session(struct out *out, const varve_session *session, int table) {
    int has_time = (session->flags & VARVE_SS_HAS_TIME) != 0;
    const varve_str *str = session->str;
    out_begin(out);
    out_text(out, "session_id", session->session_id);
    out_text(out, "parent_session_id", str[VARVE_STR_PARENT_ID]);
    out_text(out, "session_type",
             name_session_type(session->session_type, str[VARVE_STR_SESSION_TYPE]));
    out_text(out, "title", str[VARVE_STR_TITLE]);
    out_text(out, "project", str[VARVE_STR_PROJECT]);
    out_text(out, "framework", str[VARVE_STR_FRAMEWORK]);
    out_text(out, "model", str[VARVE_STR_MODEL]);
    out_text(out, "cwd", str[VARVE_STR_CWD]);
    out_text(out, "git_branch", str[VARVE_STR_GIT_BRANCH]);
    out_text(out, "status", name_status(session->status, str[VARVE_STR_STATUS]));
    fields_time(out, "first_started_at", has_time, session->first_started);
    fields_time(out, "last_activity_at", has_time, session->last_activity);
    fields_counts(out, session);
    fields_tokens(out, session->tokens);
    fields_cost(out, session);
    out_text(out, "first_user_message", session->first_text);
    out_text(out, "last_user_message", session->last_text);
    if (table) {
        int titled = str[VARVE_STR_TITLE].size > 0;
        out_text(out, "label", titled ? str[VARVE_STR_TITLE] : session->first_text);
    }
    return out_end(out);
}

struct wish {
    enum view_model model;
    struct query_sessions sessions;
    const char *order, *after, *as;
    uint64_t limit, offset;
    int page;
    varve_session_filter filter;
};

/* Where the next page begins: the last line of JSON, beside a table a line for people. */
static void print_next(struct cli *cli, struct out *out, const struct wish *wish, int more,
                       varve_place place) {
    char word[QUERY_PLACE_ROOM];
    query_print_place(word, wish->filter.order, place);
    if (cli->jsonl || wish->model != VIEW_NONE) {
        out_begin(out);
        out_word(out, "next", more ? word : NULL);
        (void)out_end(out);
    } else if (more) {
        cli_note(cli, "there are more: go on with --after %s", word);
    }
}

static int print_all(struct cli *cli, struct wish *wish) {
    varve_list *list = NULL;
    uint64_t left = wish->limit ? wish->limit : UINT64_MAX;
    /* one more tells whether there is a next page */
    wish->filter.limit = wish->limit && wish->page ? wish->limit + 1 : wish->limit;
    int error = varve_session_list(cli->store, &wish->filter, &list), done = 0;
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    struct out *out = wish->model != VIEW_NONE
                          ? view_out(cli)
                          : out_rows(cli, columns, sizeof columns / sizeof *columns);
    varve_session session = {.size = sizeof session};
    varve_place place = varve_list_place(list);
    while (left-- > 0 && !done && (error = varve_list_next(list, &session)) == 1) {
        place = varve_list_place(list);
        done = wish->model != VIEW_NONE ? view_print(out, wish->model, &session)
                                        : print_session(out, &session, !cli->jsonl);
    }
    if (error >= 0 && wish->page && !done) {
        error = error == 1 ? varve_list_next(list, &session) : error;
        if (error >= 0) {
            print_next(cli, out, wish, error == 1, place);
        }
    }
    out_close(&out);
    varve_list_close(&list);
    return error < 0 ? cli_fail_store(cli, error) : EXIT_OKAY;
}

/* What was said, before the store is opened. */
static int read_wish(struct wish *wish) {
    varve_session_filter *filter = &wish->filter;
    int answer = view_named(wish->as, &wish->model);
    if (answer == CLI_GO_ON) {
        answer = query_session_filter(&wish->sessions, filter);
    }
    if (wish->model != VIEW_NONE) { /* no model knows these */
        filter->flags &= ~(uint32_t)(VARVE_LIST_STUBS | VARVE_LIST_DELETED);
    }
    filter->order = view_order(wish->model);
    filter->offset = wish->offset;
    if (answer == CLI_GO_ON && wish->order) {
        answer = query_order(wish->order, &filter->order);
    }
    if (answer == CLI_GO_ON && wish->after) {
        answer = query_read_place(wish->after, filter->order, &filter->after);
    }
    if (answer == CLI_GO_ON && wish->page && !wish->limit) {
        answer = cli_usage("--page wants --limit: how long a page is");
    }
    return answer;
}

int cmd_sessions(struct cli *cli, int argc, char **argv) {
    struct wish wish = {.sessions = query_sessions_none};
    struct cli_option options[QUERY_SESSION_OPTIONS + 6] = {
        {.name = "limit", .letter = 'n', .ret_number = &wish.limit},
        {.name = "offset", .ret_number = &wish.offset},
        {.name = "order", .ret_text = &wish.order, .values = "activity start cost arrival"},
        {.name = "after", .ret_text = &wish.after},
        {.name = "page", .ret_flag = &wish.page},
        {.name = "as", .ret_text = &wish.as, .values = "mix-python-1 mix-python mix-typescript mi6 zeph"},
    };
    query_session_options(&wish.sessions, options + 6);
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer == CLI_GO_ON && argc > 1) {
        answer = cli_usage("sessions takes no operand: '%s'", argv[1]);
    }
    if (answer == CLI_GO_ON) {
        answer = read_wish(&wish);
    }
    if (answer == CLI_GO_ON) {
        answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
        if (answer == EXIT_OKAY) {
            answer = query_session_parent(cli, &wish.sessions, &wish.filter);
        }
        if (answer == EXIT_OKAY) {
            answer = print_all(cli, &wish);
        }
    }
    query_sessions_free(&wish.sessions);
    return answer;
}

/*
 * varve sessions: one row a session, newest activity first. Memory holds 16 bytes a session; the
 * records are read again in the order in which they are printed.
 */
#include "tools/names.h"
#include "tools/session_fields.h"
#include "tools/view.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: varve sessions [--all] [--limit N] [--as MODEL]\n"
    "\n"
    "Lists the sessions, newest activity first; those without any time come last. Subagents, "
    "hidden\n"
    "and deleted sessions, and those known only because a child names them, are left out.\n"
    "\n"
    "options:\n"
    "  --all, -a       all of them\n"
    "  --limit N, -n   at most N (0 = no limit)\n"
    "  --as MODEL      in the shape of another session model, as JSON, one object a line:\n"
    "                  mix-python-1, mix-python, mix-typescript (newest start first), mi6, zeph\n"
    "\n"
    "In jsonl each row has the whole record but for what differs from store to store ('varve "
    "show'\n"
    "has that too). cost_usd is the session's own cost, children_cost_usd that of all sessions "
    "below.\n"
    "\n"
    "example:\n"
    "  varve sessions --limit 20\n"
    "  varve --format jsonl sessions --all | jq -r 'select(.total_cost_usd > 5) | .session_id'\n"
    "  varve sessions --as mi6 | jq -r 'select(.status == \"wait\") | .cwd'\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

static const struct out_column columns[] = {
    {"session_id", "session", OUT_CUT | OUT_KEEP},
    {"last_activity_at", "last activity (UTC)", 0},
    {"project", "project", OUT_CUT | OUT_SPARE},
    {"model", "model", OUT_CUT | OUT_SPARE},
    {"user_messages", "user", OUT_RIGHT | OUT_SPARE},
    {"events", "events", OUT_RIGHT | OUT_SPARE},
    {"total_tokens", "tokens", OUT_RIGHT},
    {"total_cost_usd", "cost $", OUT_RIGHT},
    {"label", "title or first message", OUT_CUT},
};

struct entry {
    int64_t time; /* that the list is ordered by; INT64_MIN = none */
    uint64_t row;
};

struct list {
    enum view_model model;
    int all;
    struct entry *entries;
    size_t count, room;
};

/* Newest first. */
static int compare_entries(const void *a, const void *b) {
    const struct entry *left = a, *right = b;
    if (left->time != right->time) {
        return left->time < right->time ? 1 : -1;
    }
    return left->row < right->row ? -1 : left->row > right->row;
}

static int collect(struct cli *cli, varve_scan *scan, struct list *list) {
    varve_session session = {.size = sizeof session};
    int more;
    varve_scan_strings(scan, 0);
    while ((more = varve_scan_next(scan, &session)) == 1) {
        if (!view_lists(list->model, &session, list->all)) {
            continue;
        }
        if (list->count == list->room) {
            list->room = list->room ? list->room * 2 : 1024;
            list->entries = cli_grow(list->entries, list->room, sizeof *list->entries);
        }
        list->entries[list->count++] =
            (struct entry){view_order(list->model, &session), session.row};
    }
    varve_scan_strings(scan, 1);
    if (more < 0) {
        return cli_fail_store(cli, more);
    }
    if (list->count > 1) {
        qsort(list->entries, list->count, sizeof *list->entries, compare_entries);
    }
    return EXIT_OKAY;
}

/* ---- Equal times: by session id, so that stores with the same sessions list them alike ---- */

struct named {
    uint64_t row;
    char *id; /* session id, machine id */
    size_t size, machine_at;
};

static int compare_named(const void *a, const void *b) {
    const struct named *left = a, *right = b;
    size_t shorter = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->id, right->id, shorter);
    return order ? order : left->size < right->size ? -1 : left->size > right->size;
}

static int sort_equals(struct cli *cli, varve_scan *scan, struct entry *entries, size_t count) {
    struct named *named = cli_grow(NULL, count, sizeof *named);
    int error = 0;
    size_t used = 0;
    for (; used < count && error >= 0; used++) {
        varve_session session = {.size = sizeof session};
        error = varve_scan_get_row(scan, entries[used].row, &session);
        varve_str id = error < 0 ? (varve_str){NULL, 0} : session.session_id;
        varve_str machine = error < 0 ? (varve_str){NULL, 0} : session.machine_id;
        struct named *one = &named[used];
        *one = (struct named){.row = entries[used].row, .size = id.size + 1 + machine.size};
        one->id = cli_alloc(one->size);
        memcpy(one->id, id.size ? id.ptr : "", id.size);
        one->id[id.size] = '\0';
        memcpy(one->id + id.size + 1, machine.size ? machine.ptr : "", machine.size);
    }
    if (error >= 0) {
        qsort(named, count, sizeof *named, compare_named);
    }
    for (size_t i = 0; i < used; i++) {
        entries[i].row = named[i].row;
        free(named[i].id);
    }
    free(named);
    return error < 0 ? cli_fail_store(cli, error) : EXIT_OKAY;
}

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

static int print_all(struct cli *cli, varve_scan *scan, struct list *list, uint64_t limit) {
    struct out *out = list->model != VIEW_NONE
                          ? view_out(cli)
                          : out_rows(cli, columns, sizeof columns / sizeof *columns);
    int answer = EXIT_OKAY, done = 0;
    size_t sorted = 0; /* entries before it are in their final order */
    for (size_t i = 0; i < list->count && i < limit && answer == EXIT_OKAY && !done; i++) {
        if (i == sorted) {
            while (sorted < list->count && list->entries[sorted].time == list->entries[i].time) {
                sorted++;
            }
            if (sorted - i > 1) {
                answer = sort_equals(cli, scan, list->entries + i, sorted - i);
            }
        }
        varve_session session = {.size = sizeof session};
        int error =
            answer == EXIT_OKAY ? varve_scan_get_row(scan, list->entries[i].row, &session) : 0;
        if (error < 0) {
            answer = cli_fail_store(cli, error);
        } else if (answer == EXIT_OKAY) {
            done = list->model != VIEW_NONE ? view_print(out, list->model, &session)
                                            : print_session(out, &session, !cli->jsonl);
        }
    }
    out_close(&out);
    return answer;
}

int cmd_sessions(struct cli *cli, int argc, char **argv) {
    struct list list = {0};
    const char *as = NULL;
    uint64_t limit = 0;
    const struct cli_option options[] = {
        {.name = "all", .letter = 'a', .ret_flag = &list.all},
        {.name = "limit", .letter = 'n', .ret_number = &limit},
        {.name = "as", .ret_text = &as},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1) {
        return cli_usage("sessions takes no operand: '%s'", argv[1]);
    }
    answer = view_named(as, &list.model);
    if (answer == CLI_GO_ON) {
        answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
    }
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_scan *scan = NULL;
    int error = varve_scan_open(cli->store, &scan);
    answer = error < 0 ? cli_fail_store(cli, error) : collect(cli, scan, &list);
    if (answer == EXIT_OKAY) {
        answer = print_all(cli, scan, &list, limit ? limit : UINT64_MAX);
    }
    varve_scan_close(&scan);
    free(list.entries);
    return answer;
}

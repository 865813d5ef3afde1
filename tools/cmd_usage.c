/*
 * varve usage: tokens and cost of what was paid, each request counted once: in all, by day, month,
 * session, model, project or label.
 */
#include "tools/find.h"
#include "tools/query.h"
#include "tools/usage_report.h"
#include "tools/when.h"

#include <string.h>

static const char help[] =
    "usage: varve usage [total|daily|monthly|session|model|project|label:KEY] [options]\n"
    "\n"
    "Adds up tokens and cost. Each request counts once, however many lines, files or sessions "
    "repeat\n"
    "it, and is shown by the session that made it first.\n"
    "\n"
    "options:\n"
    "  --since WHEN       not what was before; WHEN is YYYY-MM-DD or "
    "YYYY-MM-DDTHH:MM:SS[Z|+HH:MM]\n"
    "  --until WHEN       not what came after; a day is counted to its end\n"
    "  --tz ZONE          time zone of days and of times without an offset: UTC (as at first), an\n"
    "                     IANA name such as Europe/Berlin, or local\n"
    "  --session ID       only what this session shows (without its subagents)\n"
    "  --project P, --framework F, --label KEY=VALUE\n"
    "                     only of sessions of this project, this framework, with this label (KEY\n"
    "                     alone: with any value of it; again: with all)\n"
    "\n"
    "For projects, frameworks and labels a subagent's usage is that of the session that it worked\n"
    "for.\n"
    "\n"
    "Usage without a time counts under no date, and not at all with --since or --until. In jsonl\n"
    "cost_usd is null where nothing has a price; unpriced_tokens are those that the cost leaves "
    "out;\n"
    "output_is_lower_bound says that the agent recorded too few output tokens; reasoning_tokens "
    "are\n"
    "part of output_tokens. The row of total has by_kind: what message lines say, what progress\n"
    "lines of subagents add to it, and what only lines won back from damaged files say.\n"
    "\n"
    "example:\n"
    "  varve usage daily --since 2025-11-01 --tz Europe/Berlin\n"
    "  varve --format jsonl usage total | jq .by_kind.message\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

struct bound {
    int kind; /* 0 = none, WHEN_DAY or WHEN_TIME */
    int64_t value;
};

struct asked {
    struct usage_report report;
    struct query_sessions sessions;
    varve_session_filter filter;
    struct bound since, until;
    uint64_t session_row; /* UINT64_MAX = all */
};

/* Where 'usage' lies as the bound counts: its day, or its time. */
static int64_t measure(const struct bound *bound, const varve_usage *usage, int64_t day) {
    return bound->kind == WHEN_DAY ? day : usage->time;
}

static int is_in_time(const struct asked *asked, const varve_usage *usage, int64_t day) {
    const struct bound *since = &asked->since, *until = &asked->until;
    if (!usage->has_time) {
        return !since->kind && !until->kind;
    }
    if (since->kind && measure(since, usage, day) < since->value) {
        return 0;
    }
    return !until->kind || measure(until, usage, day) <= until->value;
}

static int take(void *context, const varve_usage *usage) {
    struct asked *asked = context;
    if ((asked->session_row != UINT64_MAX && asked->session_row != usage->session_row) ||
        !usage_scope_has(&asked->report.scope, usage->session_row)) {
        return 0;
    }
    enum usage_grouping grouping = asked->report.grouping;
    int by_day = grouping == USAGE_DAILY || grouping == USAGE_MONTHLY ||
                 asked->since.kind == WHEN_DAY || asked->until.kind == WHEN_DAY;
    int64_t day = by_day && usage->has_time ? when_day(usage->time) : 0;
    if (is_in_time(asked, usage, day)) {
        usage_report_add(&asked->report, usage, day);
    }
    return 0;
}

/* ---- What was asked for ---- */

struct words {
    const char *report, *since, *until, *zone, *session;
};

static int read_grouping(const char *word, struct usage_report *report) {
    const char *names[USAGE_GROUPINGS];
    for (unsigned i = 0; i < USAGE_GROUPINGS; i++) {
        names[i] = usage_grouping_name((enum usage_grouping)i);
        size_t size = strlen(names[i]);
        int labelled = i == USAGE_LABEL && strncmp(word, names[i], size) == 0 && word[size];
        if (labelled || (i != USAGE_LABEL && strcmp(word, names[i]) == 0)) {
            report->grouping = (enum usage_grouping)i;
            report->label = labelled ? word + size : NULL;
            return CLI_GO_ON;
        }
    }
    const char *nearest = cli_nearest(word, names, USAGE_GROUPINGS);
    if (nearest) {
        return cli_usage("no report '%s': did you mean '%s'?", word,
                         strcmp(nearest, "label:") == 0 ? "label:KEY" : nearest);
    }
    return cli_usage(
        "no report '%s': there are total, daily, monthly, session, model, project, label:KEY",
        word);
}

static int read_bound(const char *option, const char *word, struct bound *ret_bound) {
    if (!word) {
        return CLI_GO_ON;
    }
    ret_bound->kind = when_parse_bound(word, &ret_bound->value);
    if (ret_bound->kind > 0) {
        return CLI_GO_ON;
    }
    return cli_usage("--%s wants YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, not '%s'", option, word);
}

static int read_words(const struct words *words, struct asked *asked) {
    if (words->zone && when_zone(words->zone) < 0) {
        return cli_usage(
            "unknown time zone '%s': --tz wants UTC, local, or a name that "
            "/usr/share/zoneinfo has",
            words->zone);
    }
    int answer = words->report ? read_grouping(words->report, &asked->report) : CLI_GO_ON;
    if (answer == CLI_GO_ON) {
        answer = read_bound("since", words->since, &asked->since);
    }
    if (answer == CLI_GO_ON) {
        answer = read_bound("until", words->until, &asked->until);
    }
    return answer == CLI_GO_ON ? query_session_filter(&asked->sessions, &asked->filter) : answer;
}

/* Which sessions are in, and their headings, if that was asked for. */
static int make_scope(struct cli *cli, struct asked *asked) {
    struct usage_report *report = &asked->report;
    const struct query_sessions *sessions = &asked->sessions;
    int filters = sessions->project || sessions->framework || sessions->labels.count > 0;
    int heads = report->grouping == USAGE_PROJECT || report->grouping == USAGE_LABEL;
    if (!filters && !heads) {
        return EXIT_OKAY;
    }
    int answer = usage_scope_make(cli, filters ? &asked->filter : NULL, &report->scope);
    return answer == EXIT_OKAY && heads
               ? usage_scope_head(cli, &report->scope, report->label, &report->groups)
               : answer;
}

static int report_usage(struct cli *cli, const char *session_id, struct asked *asked) {
    varve_scan *scan = NULL;
    int answer = EXIT_OKAY, error = 0;
    if (session_id) {
        varve_session session;
        answer = find_open(cli, session_id, NULL, &scan, &session);
        asked->session_row = session.row;
    } else {
        error = varve_scan_open(cli->store, &scan);
    }
    if (answer == EXIT_OKAY && error >= 0) {
        answer = make_scope(cli, asked);
    }
    if (answer == EXIT_OKAY && error >= 0) {
        error = varve_usage_each(cli->store, take, asked);
    }
    if (error < 0) {
        answer = cli_fail_store(cli, error);
    } else if (answer == EXIT_OKAY) {
        answer = usage_report_print(cli, &asked->report, scan);
    }
    varve_scan_close(&scan);
    usage_report_free(&asked->report);
    return answer;
}

int cmd_usage(struct cli *cli, int argc, char **argv) {
    struct words words = {0};
    struct asked asked = {.session_row = UINT64_MAX, .sessions = query_sessions_none};
    const struct cli_option options[] = {
        {.name = "since", .ret_text = &words.since},
        {.name = "until", .ret_text = &words.until},
        {.name = "tz", .ret_text = &words.zone, .values = "UTC local"},
        {.name = "session", .ret_text = &words.session, .values = "SESSION"},
        {.name = "project", .ret_text = &asked.sessions.project},
        {.name = "framework", .ret_text = &asked.sessions.framework},
        {.name = "label", .ret_texts = &asked.sessions.labels},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer == CLI_GO_ON && argc > 2) {
        answer = cli_usage("usage takes one report: '%s'", argv[2]);
    }
    words.report = argc == 2 ? argv[1] : NULL;
    if (answer == CLI_GO_ON) {
        answer = read_words(&words, &asked);
    }
    if (answer == CLI_GO_ON) {
        answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
        answer = answer == EXIT_OKAY ? report_usage(cli, words.session, &asked) : answer;
    }
    query_sessions_free(&asked.sessions);
    return answer;
}

/*
 * varve events: the events of some sessions or of the whole store. By lsn it streams: memory holds
 * one event.
 */
#include "tools/event_fields.h"
#include "tools/query.h"

#include <string.h>
#include <time.h>

static const char help[] =
    "usage: varve events [SESSION...] [options]\n"
    "\n"
    "Prints the events of a session by seq (its own order), or of several, or of the whole store, by\n"
    "lsn (order of arrival). SESSION may be cut to the first 4 characters or more.\n"
    "\n"
    "options, which events:\n"
    QUERY_EVENT_HELP
    "  --from-seq N           of a session: begin at this seq\n"
    "  --from-lsn N           of the store: begin at this lsn (--from N says the same)\n"
    "  --all, -a              also the records that set attributes (record: \"session\")\n"
    "options, in which order, how many, how:\n"
    "  --order ORDER          lsn, or time: an event without a time stands behind the one that was\n"
    "                         before it in its source. By time, keep memory small with --limit\n"
    "  --reverse, -r          backwards, from the last (or from --from-seq, --from-lsn)\n"
    "  --limit N, -n N        at most N (0 = no limit)\n"
    "  --follow, -f           then wait for more, and print what comes as soon as it is there\n"
    "  --no-payload           jsonl: leave the payloads out (a table never has them)\n"
    "\n"
    QUERY_WHEN_HELP
    "In jsonl a payload that is JSON stands as that value, any other as a string in which what is\n"
    "not UTF-8 is U+FFFD ('varve restore' gives the bytes). An event has a field for each thing that\n"
    "it carries, and none for what it does not.\n"
    "\n"
    "example:\n"
    "  varve events 3f2a9c1e --reverse --limit 5\n"
    "  varve --format jsonl events --type assistant --no-payload | jq .output_tokens\n"
    "  varve --format jsonl events --follow --from-lsn 4294971392\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

static const struct out_column columns[] = {
    {"lsn", "lsn", OUT_RIGHT | OUT_SPARE},
    {"seq", "seq", OUT_RIGHT},
    {"time", "time", OUT_TIME},
    {"session_id", "session", OUT_CUT | OUT_KEEP},
    {"type", "type", OUT_CUT | OUT_KEEP},
    {"source", "source", OUT_SPARE},
    {"tokens", "tokens", OUT_RIGHT | OUT_SPARE},
    {"payload_bytes", "bytes", OUT_RIGHT | OUT_SPARE},
    {"about", "about", OUT_CUT},
};

struct wish {
    struct query_events events;
    uint64_t from_seq, from_lsn, limit, left;
    const char *order;
    int reverse, all, no_payload, follow;
    varve_event_filter filter;
};

/* Prints what the filter finds, of which *last is then the last lsn; counts down a limit. 0, 1: enough, or
 * negative. */
static int print_found(struct cli *cli, struct wish *wish, struct out *out, uint64_t *last) {
    varve_cursor *cursor = NULL;
    int error = varve_event_list(cli->store, &wish->filter, &cursor), done = 0;
    if (error < 0) {
        return error;
    }
    varve_event event;
    varve_event_init(&event);
    while (!done && (error = varve_cursor_next(cursor, &event)) == 1) {
        out_begin(out);
        event_fields(out, &event, cli->jsonl && !wish->no_payload);
        if (!cli->jsonl) {
            event_table_fields(out, &event);
        }
        done = out_end(out);
        *last = event.lsn > *last ? event.lsn : *last;
        if (wish->limit > 0 && --wish->left == 0) {
            done = 1;
        }
        varve_event_init(&event);
    }
    varve_cursor_close(&cursor);
    return error < 0 ? error : done;
}

/* Where no writer has been since the machine was started, there is nothing yet to wait on. */
static int wait_for_writer(struct cli *cli) {
    struct timespec half = {.tv_nsec = 500000000};
    nanosleep(&half, NULL);
    varve_close(&cli->store);
    return cli_open(cli, VARVE_OPEN_READ_ONLY);
}

static int print_all(struct cli *cli, struct wish *wish) {
    struct out *out = out_rows(cli, columns, sizeof columns / sizeof *columns);
    uint64_t last = wish->filter.after_lsn, tail = 0;
    int error = 0, answer = EXIT_OKAY;
    wish->left = wish->limit;
    do {
        int grown = wish->follow ? varve_wait(cli->store, &tail, -1) : 1;
        error = grown < 0 && grown != VARVE_E_READ_ONLY ? grown
                                                        : print_found(cli, wish, out, &last);
        if (error != 0 || !wish->follow || out_flush(out)) {
            break;
        }
        if (grown < 0) {
            answer = wait_for_writer(cli);
        } else if (tail - 1 > last) { /* up to there everything was looked at */
            last = tail - 1;
        }
        wish->filter.after_lsn = last;
        wish->filter.limit = wish->left;
    } while (answer == EXIT_OKAY);
    out_close(&out);
    return error < 0 ? cli_fail_store(cli, error) : answer;
}

/* What was said, before the store is opened. */
static int read_wish(struct wish *wish, int sessions) {
    varve_event_filter *filter = &wish->filter;
    int answer = query_event_filter(&wish->events, filter);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (sessions && wish->from_lsn != QUERY_NONE) {
        return cli_usage("--from-lsn is for the whole store: with a session say --from-seq");
    }
    if (!sessions && (wish->from_seq != QUERY_NONE || wish->events.machine)) {
        return cli_usage("--from-seq and --machine want a session");
    }
    if (wish->from_lsn != QUERY_NONE && wish->events.after != QUERY_NONE) {
        return cli_usage("--from-lsn and --after say the same: take one of them");
    }
    if (wish->order && strcmp(wish->order, "lsn") != 0 && strcmp(wish->order, "time") != 0) {
        return cli_usage("--order wants lsn or time, not '%s'", wish->order);
    }
    int by_time = wish->order && *wish->order == 't';
    filter->flags |= (by_time ? VARVE_EVENTS_BY_TIME : 0u) |
                     (wish->reverse ? VARVE_EVENTS_REVERSE : 0u) |
                     (wish->all ? VARVE_EVENTS_SETTINGS : 0u);
    if (wish->follow && (by_time || wish->reverse)) {
        return cli_usage("--follow goes forward by lsn: without --order time and --reverse");
    }
    filter->limit = wish->limit;
    if (wish->from_seq != QUERY_NONE) {
        filter->from_seq = wish->from_seq;
    }
    if (wish->from_lsn != QUERY_NONE && wish->reverse) {
        filter->before_lsn = wish->from_lsn + 1;
    } else if (wish->from_lsn != QUERY_NONE && wish->from_lsn > 0) {
        filter->after_lsn = wish->from_lsn - 1;
    }
    return CLI_GO_ON;
}

int cmd_events(struct cli *cli, int argc, char **argv) {
    struct wish wish = {
        .events = query_events_none, .from_seq = QUERY_NONE, .from_lsn = QUERY_NONE};
    struct cli_option options[QUERY_EVENT_OPTIONS + 9] = {
        {.name = "from-seq", .ret_number = &wish.from_seq},
        {.name = "from-lsn", .ret_number = &wish.from_lsn},
        {.name = "reverse", .letter = 'r', .ret_flag = &wish.reverse},
        {.name = "limit", .letter = 'n', .ret_number = &wish.limit},
        {.name = "order", .ret_text = &wish.order, .values = "lsn time"},
        {.name = "all", .letter = 'a', .ret_flag = &wish.all},
        {.name = "no-payload", .ret_flag = &wish.no_payload},
        {.name = "follow", .letter = 'f', .ret_flag = &wish.follow},
        {.name = "from", .ret_number = &wish.from_lsn},
    };
    query_event_options(&wish.events, options + 9);
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer == CLI_GO_ON) {
        answer = read_wish(&wish, argc > 1);
    }
    if (answer == CLI_GO_ON) {
        answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
        if (answer == EXIT_OKAY) {
            answer = query_event_sessions(cli, &wish.events, argv + 1, (size_t)argc - 1,
                                          &wish.filter);
        }
        if (answer == EXIT_OKAY) {
            answer = print_all(cli, &wish);
        }
    }
    query_events_free(&wish.events);
    return answer;
}

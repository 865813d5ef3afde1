/*
 * varve events: the events of one session in the order of their places in it, or of the whole store
 * in the order of their arrival. Streams: memory holds one event.
 */
#include "tools/event_fields.h"
#include "tools/find.h"

#include <string.h>

static const char help[] =
    "usage: varve events [SESSION] [options]\n"
    "\n"
    "Prints the events of a session by seq (its own order), or all events by lsn (order of "
    "arrival).\n"
    "SESSION may be cut to the first 4 characters or more.\n"
    "\n"
    "options:\n"
    "  --from-seq N    of a session: begin at this seq\n"
    "  --from-lsn N    of the store: begin at this lsn\n"
    "  --reverse, -r   of a session: backwards, from the last (or from --from-seq)\n"
    "  --limit N, -n   at most N (0 = no limit)\n"
    "  --type T, -t    only events of this type\n"
    "  --all, -a       also the records that set attributes (record: \"session\")\n"
    "  --no-payload    jsonl: leave the payloads out (a table never has them)\n"
    "  --machine ID    the session of this machine only\n"
    "\n"
    "In jsonl a payload that is JSON stands as that value, any other as a string in which what is\n"
    "not UTF-8 is U+FFFD ('varve restore' gives the bytes). An event has a field for each thing "
    "that\n"
    "it carries, and none for what it does not.\n"
    "\n"
    "example:\n"
    "  varve events 3f2a9c1e --reverse --limit 5\n"
    "  varve --format jsonl events --type assistant --no-payload | jq .output_tokens\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

static const struct out_column columns[] = {
    {"lsn", "lsn", OUT_RIGHT | OUT_SPARE},
    {"seq", "seq", OUT_RIGHT},
    {"time", "time (UTC)", 0},
    {"session_id", "session", OUT_CUT | OUT_KEEP},
    {"type", "type", OUT_CUT | OUT_KEEP},
    {"source", "source", OUT_SPARE},
    {"tokens", "tokens", OUT_RIGHT | OUT_SPARE},
    {"payload_bytes", "bytes", OUT_RIGHT | OUT_SPARE},
    {"about", "about", OUT_CUT},
};

struct wish {
    const char *session, *machine, *type;
    uint64_t from_seq, from_lsn, limit;
    int reverse, all, no_payload;
};

static int open_cursor(struct cli *cli, const struct wish *wish, varve_cursor **ret_cursor) {
    uint32_t flags =
        (wish->reverse ? VARVE_CURSOR_BACKWARD : 0u) | (wish->all ? VARVE_CURSOR_SETTINGS : 0u);
    int error;
    if (wish->session) {
        varve_scan *scan = NULL;
        varve_session session;
        int answer = find_open(cli, wish->session, wish->machine, &scan, &session);
        if (answer != EXIT_OKAY) {
            varve_scan_close(&scan);
            return answer;
        }
        uint64_t from = wish->from_seq != UINT64_MAX ? wish->from_seq
                        : wish->reverse              ? UINT64_MAX
                                                     : 0;
        error = varve_cursor_session(cli->store, session.machine_id, session.session_id, from,
                                     flags, ret_cursor);
        varve_scan_close(&scan);
    } else {
        uint64_t from = wish->from_lsn != UINT64_MAX ? wish->from_lsn : 0;
        error = varve_cursor_store(cli->store, from, flags, ret_cursor);
    }
    return error < 0 ? cli_fail_store(cli, error) : EXIT_OKAY;
}

static int is_wanted(const varve_event *event, const char *type) {
    return !type || (event->type.ptr && event->type.size == strlen(type) &&
                     memcmp(event->type.ptr, type, event->type.size) == 0);
}

static int print_all(struct cli *cli, const struct wish *wish, varve_cursor *cursor) {
    struct out *out = out_rows(cli, columns, sizeof columns / sizeof *columns);
    uint64_t limit = wish->limit ? wish->limit : UINT64_MAX, count = 0;
    int more = 1, done = 0;
    varve_event event;
    while (count < limit && !done) {
        varve_event_init(&event);
        more = varve_cursor_next(cursor, &event);
        if (more != 1) {
            break;
        }
        if (!is_wanted(&event, wish->type)) {
            continue;
        }
        out_begin(out);
        event_fields(out, &event, cli->jsonl && !wish->no_payload);
        if (!cli->jsonl) {
            event_table_fields(out, &event);
        }
        done = out_end(out);
        count++;
    }
    out_close(&out);
    return more < 0 ? cli_fail_store(cli, more) : EXIT_OKAY;
}

int cmd_events(struct cli *cli, int argc, char **argv) {
    struct wish wish = {.from_seq = UINT64_MAX, .from_lsn = UINT64_MAX};
    const struct cli_option options[] = {
        {.name = "from-seq", .ret_number = &wish.from_seq},
        {.name = "from-lsn", .ret_number = &wish.from_lsn},
        {.name = "reverse", .letter = 'r', .ret_flag = &wish.reverse},
        {.name = "limit", .letter = 'n', .ret_number = &wish.limit},
        {.name = "type", .letter = 't', .ret_text = &wish.type},
        {.name = "all", .letter = 'a', .ret_flag = &wish.all},
        {.name = "no-payload", .ret_flag = &wish.no_payload},
        {.name = "machine", .letter = 'm', .ret_text = &wish.machine},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 2) {
        return cli_usage("events takes one session: '%s'", argv[2]);
    }
    wish.session = argc == 2 ? argv[1] : NULL;
    if (wish.session && wish.from_lsn != UINT64_MAX) {
        return cli_usage("--from-lsn is for the whole store: with a session say --from-seq");
    }
    if (!wish.session && (wish.from_seq != UINT64_MAX || wish.reverse || wish.machine)) {
        return cli_usage("--from-seq, --reverse and --machine want a session");
    }
    answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_cursor *cursor = NULL;
    answer = open_cursor(cli, &wish, &cursor);
    if (answer == EXIT_OKAY) {
        answer = print_all(cli, &wish, cursor);
    }
    varve_cursor_close(&cursor);
    return answer;
}

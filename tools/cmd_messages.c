/*
 * varve messages: what users said, over all sessions, newest first. Memory holds as many entries of
 * 32 bytes as twice limit and offset together; texts are read again when they are printed. Sessions
 * whose last activity is older than all that is held are not read.
 */
#include "tools/find.h"
#include "tools/message.h"
#include "tools/out.h"
#include "tools/session_fields.h"

#include <stdlib.h>

static const char help[] =
    "usage: varve messages [--limit N] [--offset N] [--session ID] [--all]\n"
    "\n"
    "Prints what users said, in all sessions, newest first; messages without a time come last. "
    "What\n"
    "forks share stands there once, under the session that said it first. Deleted sessions and "
    "what\n"
    "a rewind hides are left out.\n"
    "\n"
    "options:\n"
    "  --limit N, -n      at most N (100 if it is not said; 0 = no limit)\n"
    "  --offset N         leave out the newest N\n"
    "  --session ID, -s   of this session only, with what it shares with its parent\n"
    "  --machine ID, -m   the session of this machine only\n"
    "  --all, -a          of subagents and hidden sessions too\n"
    "\n"
    "example:\n"
    "  varve messages --limit 20\n"
    "  varve --format jsonl messages --offset 100 | jq -r .text\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

static const struct out_column columns[] = {
    {"session_id", "session", OUT_CUT | OUT_KEEP},
    {"seq", "seq", OUT_RIGHT | OUT_SPARE},
    {"time", "time", OUT_TIME},
    {"text", "message", OUT_CUT},
};

struct entry {
    int64_t time; /* INT64_MIN = none */
    uint64_t lsn;
    uint64_t row; /* of the session */
};

/* The newest 'want' of what was given so far stand first when it was sorted; the rest is room. */
struct newest {
    struct entry *entries;
    size_t count, room;
    uint64_t want;
    int full; /* 'want' are held: what is older than 'bound' is of no use */
    struct entry bound;
};

/* Newest first; the same message in several sessions: the one that came first is its own. */
static int compare_entries(const void *a, const void *b) {
    const struct entry *left = a, *right = b;
    if (left->time != right->time) {
        return left->time < right->time ? 1 : -1;
    }
    if (left->lsn != right->lsn) {
        return left->lsn < right->lsn ? 1 : -1;
    }
    return left->row < right->row ? -1 : left->row > right->row;
}

static void settle(struct newest *newest) {
    size_t kept = 0;
    if (newest->count > 1) {
        qsort(newest->entries, newest->count, sizeof *newest->entries, compare_entries);
    }
    for (size_t i = 0; i < newest->count && kept < newest->want; i++) {
        if (kept == 0 || newest->entries[i].lsn != newest->entries[kept - 1].lsn) {
            newest->entries[kept++] = newest->entries[i];
        }
    }
    newest->count = kept;
    newest->full = kept > 0 && kept == newest->want;
    if (newest->full) {
        newest->bound = newest->entries[kept - 1];
    }
}

static void consider(struct newest *newest, struct entry entry) {
    if (newest->full && compare_entries(&entry, &newest->bound) > 0) {
        return;
    }
    if (newest->count == newest->room) {
        settle(newest);
        if (newest->count >
            newest->room / 2) { /* after a settling half of it is free, or it grows */
            newest->room *= 2;
        }
        newest->room = newest->room ? newest->room : 1024;
        newest->entries = cli_grow(newest->entries, newest->room, sizeof *newest->entries);
    }
    newest->entries[newest->count++] = entry;
}

static int collect_session(struct cli *cli, const varve_session *session, struct newest *newest) {
    uint32_t sources = 0;
    varve_cursor *cursor = NULL;
    varve_event event;
    varve_event_init(&event);
    int more = message_sources(cli->store, session, &sources);
    if (more >= 0) {
        more = varve_cursor_session(cli->store, session->machine_id, session->session_id,
                                    UINT64_MAX, VARVE_CURSOR_BACKWARD, &cursor);
    }
    while (more >= 0 && (more = varve_cursor_next(cursor, &event)) == 1) {
        if (message_of_user(&event, sources) && event.str[VARVE_STR_TEXT].ptr) {
            int64_t time = event.present & VARVE_HAS_TIME ? event.time : INT64_MIN;
            consider(newest, (struct entry){time, event.lsn, session->row});
        }
    }
    varve_cursor_close(&cursor);
    return more < 0 ? cli_fail_store(cli, more) : EXIT_OKAY;
}

static int is_wanted(const varve_session *session, int all, const struct newest *newest) {
    if (session->flags & (VARVE_SS_STUB | VARVE_SS_DELETED) || !(all || fields_listed(session))) {
        return 0;
    }
    if (session->user_messages == 0 && session->session_type != VARVE_SESSION_FORKED) {
        return 0;
    }
    int has_time = (session->flags & VARVE_SS_HAS_TIME) != 0;
    return !(newest->full && has_time && session->last_activity < newest->bound.time);
}

/* From the session that came last, as it most likely holds the newest. */
static int collect_all(struct cli *cli, varve_scan *scan, int all, struct newest *newest) {
    varve_session session = {.size = sizeof session};
    uint64_t rows = 0;
    int more, answer = EXIT_OKAY;
    varve_scan_strings(scan, 0);
    while ((more = varve_scan_next(scan, &session)) == 1) {
        rows = session.row + 1;
    }
    while (more >= 0 && answer == EXIT_OKAY && rows > 0) {
        more = varve_scan_get_row(scan, --rows, &session);
        if (more >= 0 && is_wanted(&session, all, newest)) {
            answer = collect_session(cli, &session, newest);
        }
    }
    return more < 0 ? cli_fail_store(cli, more) : answer;
}

static int print_entry(struct cli *cli, varve_scan *scan, struct out *out,
                       const struct entry *entry, int *ret_done) {
    varve_session session = {.size = sizeof session};
    varve_cursor *cursor = NULL;
    varve_event event;
    varve_event_init(&event);
    int error = varve_scan_get_row(scan, entry->row, &session);
    if (error >= 0) {
        error = varve_cursor_store(cli->store, entry->lsn, 0, &cursor);
    }
    if (error >= 0 && (error = varve_cursor_next(cursor, &event)) == 1 && event.lsn == entry->lsn) {
        out_begin(out);
        out_text(out, "session_id", session.session_id);
        out_text(out, "machine_id", session.machine_id);
        out_numeral(out, "seq", event.seq);
        out_numeral(out, "lsn", event.lsn);
        fields_time(out, "time", (event.present & VARVE_HAS_TIME) != 0, event.time);
        out_text(out, "text", event.str[VARVE_STR_TEXT]);
        *ret_done = out_end(out);
    }
    varve_cursor_close(&cursor);
    return error < 0 ? cli_fail_store(cli, error) : EXIT_OKAY;
}

struct wish {
    const char *session, *machine;
    uint64_t limit, offset;
    int all;
};

static int run(struct cli *cli, varve_scan *scan, const struct wish *wish) {
    struct newest newest = {.want = UINT64_MAX};
    int answer, done = 0;
    if (wish->limit && wish->limit < UINT64_MAX - wish->offset) {
        newest.want = wish->limit + wish->offset;
    }
    if (wish->session) {
        varve_session session = {.size = sizeof session};
        answer = find_session(cli, scan, wish->session, wish->machine, &session);
        if (answer == EXIT_OKAY && session.flags & VARVE_SS_DELETED) {
            answer = cli_fail(cli, "session '%.*s' is deleted", (int)session.session_id.size,
                              session.session_id.ptr);
        }
        answer = answer == EXIT_OKAY ? collect_session(cli, &session, &newest) : answer;
    } else {
        answer = collect_all(cli, scan, wish->all, &newest);
    }
    settle(&newest);
    varve_scan_strings(scan, 0);
    struct out *out = out_rows(cli, columns, sizeof columns / sizeof *columns);
    for (uint64_t i = wish->offset; i < newest.count && answer == EXIT_OKAY && !done; i++) {
        answer = print_entry(cli, scan, out, &newest.entries[i], &done);
    }
    out_close(&out);
    free(newest.entries);
    return answer;
}

int cmd_messages(struct cli *cli, int argc, char **argv) {
    struct wish wish = {.limit = 100};
    const struct cli_option options[] = {
        {.name = "limit", .letter = 'n', .ret_number = &wish.limit},
        {.name = "offset", .ret_number = &wish.offset},
        {.name = "session", .letter = 's', .ret_text = &wish.session, .values = "SESSION"},
        {.name = "machine", .letter = 'm', .ret_text = &wish.machine},
        {.name = "all", .letter = 'a', .ret_flag = &wish.all},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1) {
        return cli_usage("messages takes no operand: '%s'; one session's: --session", argv[1]);
    }
    if (wish.machine && !wish.session) {
        return cli_usage("--machine wants --session");
    }
    answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_scan *scan = NULL;
    int error = varve_scan_open(cli->store, &scan);
    answer = error < 0 ? cli_fail_store(cli, error) : run(cli, scan, &wish);
    varve_scan_close(&scan);
    return answer;
}

/*
 * The options that say which sessions or events are wanted, the same for every command that takes
 * them, and how they become the engine's filters.
 */
#ifndef TOOLS_QUERY_H
#define TOOLS_QUERY_H

#include "tools/cli.h"

/* ---- Sessions ---- */

struct query_sessions {
    const char *machine, *framework, *project, *model, *repo, *cwd, *parent;
    const char *active_since, *started_after, *started_before;
    uint64_t issue, pr; /* QUERY_NONE = not asked for */
    struct cli_texts labels, statuses;
    int active, all;
    char *label_lines; /* made from labels */
};
#define QUERY_NONE UINT64_MAX
enum { QUERY_SESSION_OPTIONS = 16 };
extern const struct query_sessions query_sessions_none;

#define QUERY_SESSION_HELP                                                                         \
    "  --machine, -m, --framework, --project, --model, --repo, --cwd TEXT\n"                       \
    "                         of this machine, framework, ...; exactly\n"                          \
    "  --label KEY=VALUE      with this label; KEY alone: with any value of it. Again: with all\n" \
    "  --status S             with this status (idle, busy, wait, done, active, completed,\n"      \
    "                         failed, cancelled, unknown, none, or a word of its own). Again: or\n" \
    "  --issue N, --pr N      of this GitHub issue, this pull request\n"                           \
    "  --active               that have not ended\n"                                               \
    "  --active-since WHEN    with activity at that time or later\n"                               \
    "  --started-after WHEN   that began at that time or later\n"                                  \
    "  --started-before WHEN  that began before that time\n"                                       \
    "  --parent SESSION       that are children of this one, subagents too\n"                      \
    "  --all, -a              also subagents, hidden and deleted sessions, and those that are\n"   \
    "                         known only because a child names them\n"
#define QUERY_WHEN_HELP                                                                            \
    "WHEN is YYYY-MM-DD (its first moment, UTC) or YYYY-MM-DDTHH:MM:SS[Z|+HH:MM].\n"

/* Fills in QUERY_SESSION_OPTIONS options. */
void query_session_options(struct query_sessions *asked, struct cli_option *ret_options);
/* What was said, as a filter. CLI_GO_ON, or a line on stderr and EXIT_USAGE. */
int query_session_filter(struct query_sessions *asked, varve_session_filter *ret_filter);
/* The part of it that wants the open store. 0, or a line on stderr and EXIT_CANNOT. */
int query_session_parent(struct cli *cli, const struct query_sessions *asked,
                         varve_session_filter *filter);
void query_sessions_free(struct query_sessions *asked);

/* "activity", ...: VARVE_ORDER_*. CLI_GO_ON, or a line on stderr and EXIT_USAGE. */
int query_order(const char *word, uint32_t *ret_order);
/* A place in an order as one word, and back. */
enum { QUERY_PLACE_ROOM = 64 };
void query_print_place(char ret_word[QUERY_PLACE_ROOM], uint32_t order, varve_place place);
int query_read_place(const char *word, uint32_t order, varve_place *ret_place);

/* ---- Events ---- */

struct query_events {
    struct cli_texts types;
    const char *machine, *permission_mode, *framework, *source, *role;
    const char *after_time, *before_time, *api_requests;
    uint64_t after, before; /* lsn; QUERY_NONE = not asked for */
    int hidden;
    varve_str *texts; /* types, session ids, their machines */
    size_t sessions, operands;
};
enum { QUERY_EVENT_OPTIONS = 11 };
extern const struct query_events query_events_none;

#define QUERY_EVENT_HELP                                                                           \
    "  --type T, -t           of this type. Again: or of that\n"                                   \
    "  --permission-mode M    in this permission mode\n"                                           \
    "  --framework F          of this framework: the event's own, or else its session's\n"         \
    "  --source S             of this source: api, hook, otel, transcript\n"                       \
    "  --role R               of this role: user, assistant, system, tool\n"                       \
    "  --api-requests X       only: only those of type ApiRequest; none: all but those\n"          \
    "  --after-time WHEN      at that time or later; events without a time are left out\n"         \
    "  --before-time WHEN     before that time; likewise\n"                                        \
    "  --after LSN            that came after the one with this lsn (to follow a store: the last\n" \
    "                         lsn that was seen)\n"                                                \
    "  --machine ID, -m       the SESSION of this machine only\n"                                  \
    "  --hidden               of the whole store: also what rewinds hide, and of deleted sessions\n"

/* Fills in QUERY_EVENT_OPTIONS options. */
void query_event_options(struct query_events *asked, struct cli_option *ret_options);
int query_event_filter(struct query_events *asked, varve_event_filter *ret_filter);
/* The sessions that the operands name, which wants the open store. */
int query_event_sessions(struct cli *cli, struct query_events *asked, char **operands, size_t count,
                         varve_event_filter *filter);
void query_events_free(struct query_events *asked);

/* WHEN as nanoseconds. CLI_GO_ON, or a line on stderr and EXIT_USAGE. NULL leaves *ret_ns. */
int query_time(const char *option, const char *word, int64_t *ret_ns);

#endif

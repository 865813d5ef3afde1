/*
 * varve count: how many sessions or events fit, by the same options as those that list them.
 */
#include "tools/out.h"
#include "tools/query.h"

#include <string.h>

static const char help[] =
    "usage: varve count sessions [options]\n"
    "       varve count events [SESSION...] [options]\n"
    "\n"
    "Counts what 'varve sessions' or 'varve events' lists with the same options.\n"
    "\n"
    "options of sessions:\n" QUERY_SESSION_HELP
    "options of events:\n" QUERY_EVENT_HELP
    "\n" QUERY_WHEN_HELP
    "\n"
    "example:\n"
    "  varve count sessions --status wait --active\n"
    "  varve count events --type ApiRequest --after-time 2025-11-20\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

static int print(struct cli *cli, int error, uint64_t count) {
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    struct out *out = out_record(cli);
    out_begin(out);
    out_number(out, "count", count > INT64_MAX ? INT64_MAX : (int64_t)count);
    (void)out_end(out);
    out_close(&out);
    return EXIT_OKAY;
}

static int count_sessions(struct cli *cli, int argc, char **argv) {
    struct query_sessions asked = query_sessions_none;
    struct cli_option options[QUERY_SESSION_OPTIONS];
    varve_session_filter filter;
    query_session_options(&asked, options);
    int answer = cli_parse(help, options, QUERY_SESSION_OPTIONS, &argc, argv);
    if (answer == CLI_GO_ON && argc > 1) {
        answer = cli_usage("count sessions takes no operand: '%s'", argv[1]);
    }
    if (answer == CLI_GO_ON) {
        answer = query_session_filter(&asked, &filter);
    }
    if (answer == CLI_GO_ON) {
        answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
        if (answer == EXIT_OKAY) {
            answer = query_session_parent(cli, &asked, &filter);
        }
        if (answer == EXIT_OKAY) {
            uint64_t count = 0;
            int error = varve_session_count(cli->store, &filter, &count);
            answer = print(cli, error, count);
        }
    }
    query_sessions_free(&asked);
    return answer;
}

static int count_events(struct cli *cli, int argc, char **argv) {
    struct query_events asked = query_events_none;
    struct cli_option options[QUERY_EVENT_OPTIONS];
    varve_event_filter filter;
    query_event_options(&asked, options);
    int answer = cli_parse(help, options, QUERY_EVENT_OPTIONS, &argc, argv);
    if (answer == CLI_GO_ON && argc == 1 && asked.machine) {
        answer = cli_usage("--machine wants a session");
    }
    if (answer == CLI_GO_ON) {
        answer = query_event_filter(&asked, &filter);
    }
    if (answer == CLI_GO_ON) {
        answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
        if (answer == EXIT_OKAY) {
            answer = query_event_sessions(cli, &asked, argv + 1, (size_t)argc - 1, &filter);
        }
        if (answer == EXIT_OKAY) {
            uint64_t count = 0;
            int error = varve_event_count(cli->store, &filter, &count);
            answer = print(cli, error, count);
        }
    }
    query_events_free(&asked);
    return answer;
}

int cmd_count(struct cli *cli, int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "sessions") == 0) {
        return count_sessions(cli, argc - 1, argv + 1);
    }
    if (strcmp(what, "events") == 0) {
        return count_events(cli, argc - 1, argv + 1);
    }
    if (*what == '-') { /* --help, or an option too early */
        int answer = cli_parse(help, NULL, 0, &argc, argv);
        return answer == CLI_GO_ON ? cli_usage("count what? sessions or events") : answer;
    }
    return cli_usage("count what? sessions or events, not '%s'", what);
}

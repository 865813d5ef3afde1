/*
 * varve fork: a new session that begins with another one's events. One record; nothing is copied.
 */
#include "tools/change.h"
#include "tools/message.h"

#include <string.h>
#include <time.h>

static const char help[] =
    "usage: varve fork PARENT CHILD [--at SEQ | --at-message N] [--title T] [--machine ID]\n"
    "\n"
    "Makes the session CHILD, which begins with the events of PARENT and goes on from there by\n"
    "itself. They are shared, not copied: it takes one record, however long PARENT is, and CHILD\n"
    "can be read when PARENT is rewound or deleted. CHILD has PARENT's title, project and working\n"
    "directory, until it is said otherwise; counts and costs are its own, from zero.\n"
    "\n"
    "options:\n"
    "  --at SEQ           the last event that is shared, as 'varve events' numbers them\n"
    "  --at-message N     the last message that is shared, as 'varve export' numbers them: "
    "messages\n"
    "                     of role user or assistant from 1 on. 0 = none is\n"
    "  --title T          CHILD's title\n"
    "  --machine ID, -m   the session PARENT of this machine only; CHILD is on the same\n"
    "\n"
    "example:\n"
    "  varve fork 3f2a9c1e second-try --at-message 4\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it (no such session, event or message; "
    "there\n"
    "is a session CHILD)\n";

struct wish {
    const char *child, *title;
    uint64_t at; /* UINT64_MAX = all */
};

static int64_t now(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int fork_session(struct cli *cli, const varve_session *parent, const struct wish *wish) {
    static const unsigned taken[] = {VARVE_STR_TITLE, VARVE_STR_PROJECT, VARVE_STR_CWD};
    varve_event child;
    varve_event_init(&child);
    child.session_id = varve_cstr(wish->child);
    child.machine_id = parent->machine_id;
    child.present = VARVE_HAS_TIME;
    child.time = now();
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        child.str[taken[i]] = parent->str[taken[i]];
    }
    if (wish->title) {
        child.str[VARVE_STR_TITLE] = varve_cstr(wish->title);
    }
    varve_batch *batch = change_batch();
    int added = varve_batch_fork(batch, &child, parent->machine_id, parent->session_id, wish->at);
    return change_append(cli, &batch, added);
}

/* The child's first own record follows the last one that it shares. */
static int tell(struct cli *cli, varve_scan *scan, const varve_session *parent,
                const struct wish *wish) {
    char parent_id[1025];
    size_t size = parent->session_id.size < sizeof parent_id ? parent->session_id.size : 0;
    memcpy(parent_id, parent->session_id.ptr, size);
    varve_session child = {.size = sizeof child};
    char machine[200];
    size_t machine_size = parent->machine_id.size < sizeof machine ? parent->machine_id.size : 0;
    memcpy(machine, parent->machine_id.ptr, machine_size);
    int error =
        varve_scan_get(scan, (varve_str){machine, machine_size}, varve_cstr(wish->child), &child);
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    struct out *out = change_tell(cli, child.session_id, child.machine_id);
    out_text(out, "parent_session_id", (varve_str){parent_id, size});
    out_numeral(out, "at_seq", wish->at != UINT64_MAX ? wish->at : child.last_seq - 1);
    change_told(&out);
    return EXIT_OKAY;
}

int cmd_fork(struct cli *cli, int argc, char **argv) {
    const char *machine = NULL;
    struct wish wish = {.at = UINT64_MAX};
    uint64_t message = UINT64_MAX;
    const struct cli_option options[] = {
        {.name = "at", .ret_number = &wish.at},
        {.name = "at-message", .ret_number = &message},
        {.name = "title", .ret_text = &wish.title},
        {.name = "machine", .letter = 'm', .ret_text = &machine},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc != 3) {
        return cli_usage("fork wants a session and the id of the new one");
    }
    wish.child = argv[2];
    if (!*wish.child) {
        return cli_usage("the new session's id is empty");
    }
    if (wish.at != UINT64_MAX && message != UINT64_MAX) {
        return cli_usage("fork wants --at or --at-message, not both");
    }
    varve_scan *scan = NULL;
    varve_session parent;
    answer = change_open(cli, argv[1], machine, &scan, &parent);
    if (answer == EXIT_OKAY && message != UINT64_MAX) {
        answer = message_seq(cli, &parent, message, &wish.at);
    }
    if (answer == EXIT_OKAY) {
        answer = fork_session(cli, &parent, &wish);
    }
    if (answer == EXIT_OKAY) {
        answer = tell(cli, scan, &parent, &wish);
    }
    varve_scan_close(&scan);
    return answer;
}

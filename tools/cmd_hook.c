/*
 * varve hook: one payload of a Claude Code hook into the store. It stands in the way of an agent:
 * it is quick, waits for nobody for long, and its exit code blocks nothing.
 */
#include "tools/hook.h"
#include "tools/hook_event.h"
#include "tools/json_pick.h"
#include "tools/process.h"
#include "tools/slurp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "usage: varve hook [OPTION]... <PAYLOAD\n"
    "       varve hook install --print\n"
    "\n"
    "Reads one payload of a Claude Code hook from standard input and appends it as an event, with\n"
    "the time of its arrival. A payload with a tool use id that is stored already adds nothing; "
    "one\n"
    "without always counts. Prints nothing. It never fails its caller: if the event cannot be "
    "stored,\n"
    "one line on stderr says why, and the exit code is 0.\n"
    "\n"
    "'install --print' prints the settings that make Claude Code call it. It changes no file.\n"
    "\n"
    "options:\n"
    "  --durability HOW   group: on disk when the command ends (the default); none: not awaited\n"
    "  --agent NAME       whose hook it is: claude (the default), or the name of another agent\n"
    "                     that hands over payloads of the same shape\n"
    "  --strict           exit with 1 or 3 on failure\n"
    "\n"
    "example:\n"
    "  varve hook install --print\n"
    "\n"
    "exit codes: 0; with --strict 1 if the payload is none, 3 if it could not be stored\n";

enum { LOCK_TIMEOUT_MS = 2000 };

struct hook {
    struct cli *cli;
    varve_durability durability;
    const char *agent;
};

static bool one_of(const char *said, const char *one, const char *other) {
    return strcmp(said, one) == 0 || strcmp(said, other) == 0;
}

/* ---- The event ---- */

static void put_process(varve_event *event) {
    event->pid = (int32_t)getppid();
    if (event->pid <= 0) { /* the agent lives in another pid namespace */
        return;
    }
    event->present |= VARVE_HAS_PID;
    process_here(event);
    if (process_start(event->pid, &event->process_start) == 0) {
        event->present |= VARVE_HAS_PROCESS_START;
    }
}

static void put_arrival(varve_event *event) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    event->time = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    event->present |= VARVE_HAS_TIME;
}

static int store(struct hook *hook, const varve_event *event) {
    struct cli *cli = hook->cli;
    varve_batch *batch = NULL;
    cli->lock_timeout_ms = LOCK_TIMEOUT_MS;
    int answer = cli_open(cli, 0);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    int error = varve_batch_new(&batch);
    if (error >= 0) {
        error = varve_batch_add(batch, event);
    }
    if (error >= 0) {
        error = varve_append(cli->store, batch, hook->durability, NULL);
    }
    varve_batch_free(&batch);
    if (error == VARVE_E_BUSY) {
        return cli_fail(cli, "hook: the event is not stored: the store was busy for 2 seconds");
    }
    if (error == VARVE_E_ARGUMENT || error == VARVE_E_TOO_BIG) {
        return cli_fail(cli, "hook: the event is not stored: %s", varve_strerror(error));
    }
    return error < 0 ? cli_fail_store(cli, error) : EXIT_OKAY;
}

static int take(struct hook *hook, const char *text, size_t size) {
    struct hook_reader *reader = hook_reader_new();
    struct hook_object object;
    size_t blank = json_blank(text, size), used = 0;
    text += blank;
    size -= blank;
    int whole = hook_read(reader, text, size, &object, &used);
    int answer = EXIT_FOUND;
    if (size == 0) {
        cli_note(hook->cli, "hook: standard input is empty: it wants the payload of a hook");
    } else if (!whole || used + json_blank(text + used, size - used) != size) {
        cli_note(hook->cli, "hook: the payload is not one JSON object");
    } else if (object.why) {
        cli_note(hook->cli, "hook: %s", object.why);
    } else {
        varve_event *event = &object.event;
        put_arrival(event);
        put_process(event);
        if (strcmp(hook->agent, "claude") != 0) {
            event->str[VARVE_STR_FRAMEWORK] = varve_cstr(hook->agent);
        }
        if (object.uid_name.ptr) {
            varve_str own = {NULL, 0};
            event->uid = varve_name_uid(own, event->session_id, object.uid_name);
            event->present |= VARVE_HAS_UID;
        }
        event->payload = text;
        event->payload_size = used;
        event->present |= VARVE_HAS_PAYLOAD;
        answer = store(hook, event);
    }
    hook_reader_free(&reader);
    return answer;
}

/* ---- The command ---- */

static int run(struct hook *hook) {
    char *text = NULL;
    size_t size = 0;
    int own = 0;
    if (isatty(STDIN_FILENO)) {
        return cli_fail(hook->cli, "hook: wants the payload of a hook on standard input");
    }
    int error = slurp(STDIN_FILENO, &text, &size, &own);
    if (error == -EFBIG) {
        cli_note(hook->cli, "hook: the payload is longer than 256 MiB");
        return EXIT_FOUND;
    }
    if (error < 0) {
        return cli_fail(hook->cli, "hook: cannot read standard input: %s", strerror(-error));
    }
    int answer = take(hook, text, size);
    if (own) {
        free(text);
    }
    return answer;
}

static int run_with(struct cli *cli, int argc, char **argv) {
    int strict = 0;
    const char *durability = "group", *agent = "claude";
    const struct cli_option options[] = {
        {.name = "durability", .ret_text = &durability, .values = "group none"},
        {.name = "agent", .ret_text = &agent},
        {.name = "strict", .ret_flag = &strict},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1) {
        return cli_usage("hook takes no operand but install: '%s'", argv[1]);
    }
    if (!one_of(durability, "group", "none")) {
        return cli_usage("--durability wants none or group, not '%s'", durability);
    }
    if (!*agent || strlen(agent) > 64) {
        return cli_usage("--agent wants a short name");
    }
    struct hook hook = {.cli = cli, .agent = agent};
    hook.durability = strcmp(durability, "none") == 0 ? VARVE_NONE : VARVE_GROUP;
    return run(&hook);
}

int cmd_hook(struct cli *cli, int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "install") == 0) {
        return hook_install(cli, argc - 1, argv + 1);
    }
    bool strict = false;
    for (int i = 1; i < argc; i++) {
        strict = strict || strcmp(argv[i], "--strict") == 0;
    }
    int answer = run_with(cli, argc, argv);
    /* 2 would stop the agent's tool call: wrong usage is no exception */
    return answer == EXIT_USAGE && strict ? EXIT_CANNOT : answer;
}

int hook_forgives(int argc, char **argv) {
    bool hook = false, strict = false, install = false;
    for (int i = 1, words = 0; i < argc; i++) {
        bool option = argv[i][0] == '-';
        if (option) {
            strict = strict || strcmp(argv[i], "--strict") == 0;
            i +=
                words == 0 && (strcmp(argv[i], "--store") == 0 || strcmp(argv[i], "--format") == 0);
            continue;
        }
        hook = hook || (words == 0 && strcmp(argv[i], "hook") == 0);
        install = install || (words == 1 && strcmp(argv[i], "install") == 0);
        words++;
    }
    return hook && !strict && !install;
}

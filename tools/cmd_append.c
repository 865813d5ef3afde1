/*
 * varve append: events that a program made, one JSON object a line, into the store.
 */
#include "tools/append_event.h"
#include "tools/cli.h"
#include "tools/import_lines.h"
#include "tools/json_pick.h"
#include "tools/out.h"
#include "tools/process.h"
#include "tools/slurp.h"
#include "tools/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: varve append [OPTION]... [FILE]\n"
    "\n"
    "Appends events, one JSON object a line, from FILE or standard input (also -). docs/EVENTS.md "
    "tells\n"
    "the fields; the least is {\"session_id\": \"s\", \"event_type\": \"UserPromptSubmit\"}. An "
    "event\n"
    "without \"timestamp\" happens now. Fields that are not known are kept. An event with a "
    "\"uid\" that\n"
    "its session has adds nothing, so that a retry does no harm. {\"session_id\": \"s\", "
    "\"set\": {...}}\n"
    "sets what a session carries: \"title\", \"labels\", \"status\", \"goal\", ...\n"
    "\n"
    "A line that is no such object is told on stderr, and nothing of it is stored; the others "
    "are.\n"
    "Of a pipe that goes on, what has come is stored whenever nothing more is there.\n"
    "\n"
    "options:\n"
    "  --one              one object, over any number of lines; waits for a lock 2 seconds at "
    "most\n"
    "  --durability HOW   group: on disk when the command ends (the default); none: not awaited\n"
    "  --strict           all or nothing: the first bad line stops, and nothing is stored\n"
    "\n"
    "Prints what was done; with --one only for --format jsonl or csv.\n"
    "\n"
    "example:\n"
    "  varve append --one <<< '{\"session_id\": \"s\", \"event_type\": \"Stop\"}'\n"
    "\n"
    "exit codes: 0 done, 1 lines were bad, 2 wrong usage, 3 something could not be read or stored\n";

enum {
    BATCH_BYTES = 1 << 20,
    BATCH_RECORDS = 1000,
    STRICT_BYTES = 768 << 20, /* a batch has room for that and the largest event */
    LOCK_TIMEOUT_MS = 2000,
};

struct append {
    struct cli *cli;
    int one, strict;
    varve_durability durability;
    struct append_reader *reader;
    varve_batch *batch;
    size_t sets; /* in the batch */
    bool unsynced;
    uint64_t line, bad, events, duplicates, settings;
};

/* ---- Storing ---- */

/* Stores the batch. 0, or VARVE_E_* (told). */
static int flush(struct append *in, varve_durability durability) {
    varve_appended done = {.size = sizeof done};
    if (varve_batch_count(in->batch) == 0) {
        return 0;
    }
    int error = varve_append(in->cli->store, in->batch, durability, &done);
    varve_batch_clear(in->batch);
    if (error < 0) {
        cli_fail_store(in->cli, error);
        return error;
    }
    in->events += done.stored;
    in->duplicates += done.duplicates;
    in->settings += in->sets;
    in->sets = 0;
    in->unsynced = durability == VARVE_NONE;
    return 0;
}

static int settle(struct append *in) {
    int error = flush(in, in->unsynced ? VARVE_NONE : in->durability);
    if (error == 0 && in->unsynced && in->durability == VARVE_GROUP) {
        in->unsynced = false;
        error = varve_sync(in->cli->store);
        if (error < 0) {
            cli_fail_store(in->cli, error);
        }
    }
    return error;
}

/* ---- Lines ---- */

static void bad_line(struct append *in, const char *why) {
    in->bad++;
    cli_note(in->cli, "append: line %llu: %s", (unsigned long long)in->line, why);
}

/* Where its process lives, if the event does not say so and is of here and of now. */
static void place_process(varve_event *event) {
    const uint32_t known = VARVE_HAS_PROCESS_START, timed = VARVE_HAS_TIME;
    bool told = event->machine_id.ptr || event->str[VARVE_STR_BOOT_ID].ptr ||
                event->str[VARVE_STR_PID_NAMESPACE].ptr;
    if (!told && ((event->present & known) || !(event->present & timed))) {
        process_fill(event);
    }
}

/* 0, or VARVE_E_*: the store can take no more (told). */
static int take_object(struct append *in, const char *text, size_t size) {
    struct append_object object;
    const char *why = append_read(in->reader, text, size, &object);
    if (why) {
        bad_line(in, why);
        return 0;
    }
    int error = 0;
    if (object.has_event) {
        place_process(&object.event);
        error = varve_batch_add(in->batch, &object.event);
    }
    if (error >= 0 && object.has_set) {
        place_process(&object.set);
        error = varve_batch_set(in->batch, &object.set);
        in->sets += error >= 0;
    }
    if (error == VARVE_E_ARGUMENT || error == VARVE_E_TOO_BIG) {
        bad_line(in, varve_strerror(error));
        return 0;
    }
    if (error < 0) {
        cli_fail(in->cli, "append: %s", varve_strerror(error));
        return error;
    }
    if (in->strict && varve_batch_bytes(in->batch) > STRICT_BYTES) {
        bad_line(in, "--strict takes all input as one batch, and this is more than one holds");
        return 0;
    }
    bool full = varve_batch_bytes(in->batch) >= BATCH_BYTES ||
                varve_batch_count(in->batch) >= BATCH_RECORDS;
    return full && !in->strict ? flush(in, VARVE_NONE) : 0;
}

/* Whether the input has nothing more for the moment. */
static bool is_idle(int fd, const struct line_reader *lines) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return !line_ready(lines) && poll(&poller, 1, 0) == 0;
}

static int take_lines(struct append *in, int fd, struct line_reader *lines) {
    struct line line;
    int got = 0, error = 0;
    line_stream(lines, fd);
    while (error == 0 && !(in->strict && in->bad > 0)) {
        if (!in->strict && is_idle(fd, lines) && (error = settle(in)) < 0) {
            break;
        }
        got = line_next(lines, &line);
        if (got <= 0) {
            break;
        }
        in->line++;
        if (line.too_long) {
            bad_line(in, "longer than 256 MiB");
        } else if (json_blank(line.text, line.size) < line.size) {
            error = take_object(in, line.text, line.size);
        }
        line_take(lines, &line);
        if (line.too_long && line.eol == VARVE_EOL_NONE) {
            break;
        }
    }
    if (got < 0) {
        return cli_fail(in->cli, "append: cannot read the input: %s", strerror(-got));
    }
    return error < 0 ? EXIT_CANNOT : EXIT_OKAY;
}

static int take_one(struct append *in, int fd) {
    char *text = NULL;
    size_t size = 0;
    int own = 0, error = slurp(fd, &text, &size, &own);
    in->line = 1;
    if (error == -EFBIG) {
        bad_line(in, "longer than 256 MiB");
        return EXIT_OKAY;
    }
    if (error < 0) {
        return cli_fail(in->cli, "append: cannot read the input: %s", strerror(-error));
    }
    error = take_object(in, text, size);
    if (own) {
        free(text);
    }
    return error < 0 ? EXIT_CANNOT : EXIT_OKAY;
}

/* ---- The command ---- */

static void report(const struct append *in) {
    const struct {
        const char *name, *what;
        uint64_t count;
    } counts[] = {
        {"events_added", "events added", in->events},
        {"duplicates", "events that were known", in->duplicates},
        {"settings", "sessions that were set", in->settings},
        {"bad_lines", "bad lines, not stored", in->bad},
    };
    enum { COUNTS = sizeof counts / sizeof *counts };
    if (!in->cli->jsonl && !in->cli->csv) {
        for (size_t i = 0; i < COUNTS && !in->one; i++) {
            char grouped[TEXT_GROUPED];
            text_grouped(grouped, (int64_t)counts[i].count);
            if (i == 0 || counts[i].count > 0) {
                printf("%15s  %s\n", grouped, counts[i].what);
            }
        }
        return;
    }
    struct out *out = out_record(in->cli);
    out_begin(out);
    for (size_t i = 0; i < COUNTS; i++) {
        out_number(out, counts[i].name, (int64_t)counts[i].count);
    }
    (void)out_end(out);
    out_close(&out);
}

static int run(struct append *in, int fd) {
    if (in->one) {
        in->cli->lock_timeout_ms = LOCK_TIMEOUT_MS;
    }
    int answer = cli_open(in->cli, 0);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    if (varve_batch_new(&in->batch) < 0) {
        return cli_fail(in->cli, "out of memory");
    }
    in->reader = append_reader_new();
    if (in->one) {
        answer = take_one(in, fd);
    } else {
        struct line_reader *lines = line_reader_new();
        answer = take_lines(in, fd, lines);
        line_reader_free(&lines);
    }
    bool dropped = in->strict && (in->bad > 0 || answer != EXIT_OKAY);
    if (!dropped && settle(in) < 0) {
        answer = EXIT_CANNOT;
    }
    append_reader_free(&in->reader);
    varve_batch_free(&in->batch);
    report(in);
    return answer == EXIT_OKAY && in->bad > 0 ? EXIT_FOUND : answer;
}

int cmd_append(struct cli *cli, int argc, char **argv) {
    struct append in = {.cli = cli};
    const char *durability = "group";
    const struct cli_option options[] = {
        {.name = "one", .ret_flag = &in.one},
        {.name = "strict", .ret_flag = &in.strict},
        {.name = "durability", .ret_text = &durability, .values = "group none"},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 2) {
        return cli_usage("append takes one input, not '%s' too", argv[2]);
    }
    if (strcmp(durability, "group") != 0 && strcmp(durability, "none") != 0) {
        return cli_usage("--durability wants none or group, not '%s'", durability);
    }
    in.durability = strcmp(durability, "group") == 0 ? VARVE_GROUP : VARVE_NONE;
    bool standard = argc < 2 || strcmp(argv[1], "-") == 0;
    int fd = standard ? STDIN_FILENO : open(argv[1], O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return cli_fail(cli, "cannot read %s: %s", argv[1], strerror(errno));
    }
    answer = run(&in, fd);
    if (!standard) {
        close(fd);
    }
    return answer;
}

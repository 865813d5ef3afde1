/*
 * varve restore: the lines of a session's transcript, each with the end that it had, as the file
 * was before it was imported. A file is written beside its place and moved there when it is on
 * disk.
 */
#include "tools/file_out.h"
#include "tools/find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: varve restore SESSION [-o FILE]\n"
    "\n"
    "Writes a session's transcript again, byte for byte, to standard output or to FILE. Lines of\n"
    "several files of one session stand in the order in which they were first met, each once.\n"
    "\n"
    "options:\n"
    "  -o FILE, --output   write FILE: it appears when it is complete, or not at all\n"
    "  --machine ID, -m    the session of this machine only\n"
    "\n"
    "example:\n"
    "  varve restore 3f2a9c1e -o session.jsonl\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it (no such session, no transcript in it)\n";

static int put(FILE *file, const void *bytes, size_t size) {
    if (size == 0 || fwrite(bytes, 1, size, file) == size) {
        return 0;
    }
    (void)cli_stdout_failed(); /* keeps errno, if it is standard output */
    return -1;
}

static int put_end(FILE *file, unsigned eol) {
    switch (eol) {
    case VARVE_EOL_LF:
        return put(file, "\n", 1);
    case VARVE_EOL_CRLF:
        return put(file, "\r\n", 2);
    default:
        return 0;
    }
}

/* What restoring has come to. */
struct progress {
    uint64_t lines;
    unsigned eol; /* of the line before: whether it ended at all shows when the next one comes */
    uint64_t end; /* where that line ended in its file, UINT64_MAX = unknown */
    int error;    /* VARVE_E_*, from reading */
    int write_failed;
};

/* The end of the line before 'event'. If it had none when it was taken, the file was read again
 * when it had grown, and how much lies between the lines tells what was put there. */
static unsigned end_before(const struct progress *progress, const varve_event *event) {
    if (progress->eol != VARVE_EOL_NONE) {
        return progress->eol;
    }
    int known = progress->end != UINT64_MAX && (event->present & VARVE_HAS_POSITION);
    if (known && event->position == progress->end && (event->flags & VARVE_EV_RECOVERED)) {
        return VARVE_EOL_JOINED;
    }
    return known && event->position == progress->end + 2 ? VARVE_EOL_CRLF : VARVE_EOL_LF;
}

/* Writes one line, and before it the end of the one before. 0, or errno. */
static int put_line(FILE *file, struct progress *progress, const varve_event *event) {
    if ((progress->lines > 0 && put_end(file, end_before(progress, event)) < 0) ||
        put(file, event->payload, event->payload_size) < 0) {
        return errno ? errno : EIO;
    }
    int known = (event->present & VARVE_HAS_POSITION) != 0;
    progress->end = known ? event->position + event->payload_size : UINT64_MAX;
    progress->eol = event->eol;
    progress->lines++;
    return 0;
}

/* Writes the lines; 'file' is opened by the first. */
static FILE *put_lines(varve_cursor *cursor, struct file_out *target, struct progress *progress) {
    varve_event event;
    FILE *file = NULL;
    for (;;) {
        varve_event_init(&event);
        int more = varve_cursor_next(cursor, &event);
        if (more != 1) {
            progress->error = more;
            return file;
        }
        if (event.record == VARVE_RECORD_SESSION && (event.flags & VARVE_EV_EOL_SET)) {
            progress->eol = event.eol; /* the line before was seen again, with an end */
        }
        if (event.record != VARVE_RECORD_EVENT || event.source != VARVE_SOURCE_TRANSCRIPT ||
            !(event.present & VARVE_HAS_PAYLOAD)) {
            continue;
        }
        if (!file && !(file = file_out_open(target))) {
            return NULL;
        }
        progress->write_failed = put_line(file, progress, &event);
        if (progress->write_failed) {
            return file;
        }
    }
}

static int restore(struct cli *cli, const varve_session *session, varve_cursor *cursor,
                   struct file_out *target) {
    struct progress progress = {0};
    FILE *file = put_lines(cursor, target, &progress);
    if (progress.error < 0) {
        return cli_fail_store(cli, progress.error);
    }
    if (!file && progress.lines == 0 && !target->failed) {
        return cli_fail(cli, "nothing to restore: no transcript was imported for session %.*s",
                        (int)session->session_id.size, session->session_id.ptr);
    }
    if (file && !progress.write_failed && put_end(file, progress.eol) < 0) {
        progress.write_failed = errno;
    }
    if (target->to_stdout && (progress.write_failed || cli_stdout_failed())) {
        return EXIT_OKAY; /* main tells of it */
    }
    return file_out_finish(cli, target, progress.write_failed);
}

int cmd_restore(struct cli *cli, int argc, char **argv) {
    const char *machine = NULL, *output = NULL;
    const struct cli_option options[] = {
        {.name = "output", .letter = 'o', .ret_text = &output, .values = "FILE"},
        {.name = "machine", .letter = 'm', .ret_text = &machine},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc != 2) {
        return cli_usage(argc < 2 ? "restore wants a session" : "restore takes one session");
    }
    if (output && !*output) {
        return cli_usage("--output wants a file");
    }
    answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_scan *scan = NULL;
    varve_session session;
    answer = find_open(cli, argv[1], machine, &scan, &session);
    if (answer == EXIT_OKAY) {
        varve_cursor *cursor = NULL;
        int error = varve_cursor_session(cli->store, session.machine_id, session.session_id, 0,
                                         VARVE_CURSOR_SETTINGS, &cursor);
        if (error < 0) {
            answer = cli_fail_store(cli, error);
        } else {
            struct file_out target = {.path = output};
            answer = restore(cli, &session, cursor, &target);
            file_out_abandon(&target);
        }
        varve_cursor_close(&cursor);
    }
    varve_scan_close(&scan);
    return answer;
}

/*
 * The frame that subcommands stand in: opening the store, lines on stderr, and whether what was
 * printed has been written. Errors are one line: what, where, what to do.
 */
#include "tools/cli.h"

#include "tools/text.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *current_command; /* for the hint of cli_usage */

void cli_command(const char *name) {
    current_command = name;
}

/* ---- Lines on stderr ---- */

static void complain(const char *fmt, va_list arguments) {
    char text[2048], line[2048];
    int size = vsnprintf(text, sizeof text, fmt, arguments);
    if (size < 0) {
        return;
    }
    size_t used = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    text_line(line, sizeof line, text, used);
    fprintf(stderr, "varve: %s\n", line);
}

int cli_fail(const struct cli *cli, const char *fmt, ...) {
    (void)cli;
    va_list arguments;
    va_start(arguments, fmt);
    complain(fmt, arguments);
    va_end(arguments);
    return EXIT_CANNOT;
}

int cli_fail_store(const struct cli *cli, int error) {
    const char *said = cli->store ? varve_last_error(cli->store) : NULL;
    return cli_fail(cli, "%s", said && *said ? said : varve_strerror(error));
}

void cli_note(const struct cli *cli, const char *fmt, ...) {
    (void)cli;
    va_list arguments;
    va_start(arguments, fmt);
    complain(fmt, arguments);
    va_end(arguments);
}

int cli_usage(const char *fmt, ...) {
    va_list arguments;
    va_start(arguments, fmt);
    complain(fmt, arguments);
    va_end(arguments);
    if (current_command) {
        fprintf(stderr, "Try 'varve %s --help'.\n", current_command);
    } else {
        fputs("Try 'varve --help'.\n", stderr);
    }
    return EXIT_USAGE;
}

/* ---- Standard output ---- */

static int stdout_error; /* errno of the first write that failed */

int cli_stdout_failed(void) {
    if (stdout_error == 0 && ferror(stdout)) {
        stdout_error = errno ? errno : EIO;
    }
    return stdout_error != 0;
}

int cli_stdout_finish(const struct cli *cli, int answer) {
    if (!cli_stdout_failed() && fflush(stdout) != 0) {
        stdout_error = errno;
    }
    if (stdout_error == 0 || stdout_error == EPIPE) {
        return answer;
    }
    return cli_fail(cli, "cannot write to standard output: %s", strerror(stdout_error));
}

/* ---- Memory ---- */

void *cli_alloc(size_t size) {
    return cli_grow(NULL, size, 1);
}

void *cli_grow(void *memory, size_t count, size_t size) {
    void *grown = reallocarray(memory, count ? count : 1, size ? size : 1);
    if (!grown) {
        fputs("varve: out of memory\n", stderr);
        exit(EXIT_CANNOT);
    }
    return grown;
}

/* ---- The store ---- */

/* Makes the directories above 'path', for the owner alone. 0, or errno. */
static int make_parents(const char *path) {
    char above[PATH_MAX];
    size_t size = strlen(path);
    if (size >= sizeof above) {
        return ENAMETOOLONG;
    }
    memcpy(above, path, size + 1);
    while (size > 1 && above[size - 1] == '/') {
        above[--size] = '\0';
    }
    char *last = strrchr(above, '/');
    if (!last || last == above) {
        return 0;
    }
    *last = '\0';
    struct stat there;
    if (stat(above, &there) == 0) {
        return 0;
    }
    for (char *at = above + 1;; at++) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        char kept = *at;
        *at = '\0';
        if (mkdir(above, 0700) < 0 && errno != EEXIST) {
            return errno;
        }
        *at = kept;
        if (kept == '\0') {
            return 0;
        }
    }
}

static char open_error[1024];

const char *cli_open_error(int error) {
    return open_error[0] ? open_error : varve_strerror(error);
}

static void tell(void *context, const char *line) {
    cli_note(context, "%s", line);
}

int cli_try_open(struct cli *cli, uint32_t open_flags) {
    varve_options options;
    varve_options_init(&options);
    options.flags = open_flags | cli->place_flags;
    options.lock_timeout_ms = cli->lock_timeout_ms;
    options.log = tell;
    options.log_context = cli;
    open_error[0] = '\0';
    options.error = open_error;
    options.error_size = sizeof open_error;
    return varve_open(cli->store_path, &options, &cli->store);
}

int cli_open(struct cli *cli, uint32_t open_flags) {
    const char *path = cli->store_path;
    if (!(open_flags & (VARVE_OPEN_READ_ONLY | VARVE_OPEN_NO_CREATE))) {
        int error = make_parents(path);
        if (error) {
            return cli_fail(cli, "cannot make the directories above %s: %s", path, strerror(error));
        }
    }
    int error = cli_try_open(cli, open_flags);
    if (error == VARVE_E_NOT_FOUND) {
        return cli_fail(cli,
                        "no store at %s: name one with --store or $VARVE_STORE, or make it with "
                        "'varve import'",
                        path);
    }
    if (error < 0) {
        return cli_fail(cli, "%s", cli_open_error(error));
    }
    return EXIT_OKAY;
}

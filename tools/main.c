/*
 * varve: the command. Takes the global options out of the arguments, wherever they stand, finds the
 * subcommand, and sees to it that what was printed has really been written.
 */
#include "tools/cli.h"
#include "tools/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name;
    int (*run)(struct cli *cli, int argc, char **argv);
    const char *operands; /* for completion: words, or FILE, DIR, SESSION; NULL = none */
    const char *what;
} commands[] = {
    {"import", cmd_import, "FILE",
     "take in transcripts, logged hook payloads, telemetry"},
    {"append", cmd_append, "FILE",
     "append events that a program made, as JSON Lines"},
    {"hook", cmd_hook, "install",
     "append one payload of a Claude Code hook"},
    {"sessions", cmd_sessions, NULL,
     "list the sessions, newest activity first"},
    {"show", cmd_show, "SESSION",
     "everything known about one session"},
    {"events", cmd_events, "SESSION",
     "the events of a session, or of the whole store"},
    {"messages", cmd_messages, NULL,
     "what users said, over all sessions, newest first"},
    {"export", cmd_export, "SESSION",
     "a session with all its messages as one JSON object"},
    {"count", cmd_count, "sessions events",
     "how many sessions or events fit"},
    {"usage", cmd_usage, "total daily monthly session model project label:",
     "tokens and cost: total, by day, month, session, model, project, label"},
    {"restore", cmd_restore, "SESSION",
     "write a session's transcript again, byte for byte"},
    {"set", cmd_set, "SESSION",
     "set attributes of a session, or create it"},
    {"fork", cmd_fork, "SESSION",
     "a new session that begins as another one did"},
    {"rewind", cmd_rewind, "SESSION",
     "hide what a session came to after a point"},
    {"delete", cmd_delete, "SESSION",
     "hide a session"},
    {"merge", cmd_merge, "DIR",
     "append what other stores hold"},
    {"reconcile", cmd_reconcile, NULL,
     "mark the sessions whose process has died"},
    {"compact", cmd_compact, NULL,
     "pack the log, merge packed segments"},
    {"gc", cmd_gc, NULL,
     "drop sessions that are old"},
    {"forget", cmd_forget, "SESSION",
     "erase what a session said"},
    {"snapshot", cmd_snapshot, "DIR",
     "make a copy of the store in a directory, or bring it up to date"},
    {"stats", cmd_stats, NULL,
     "what the store holds, and its size"},
    {"verify", cmd_verify, NULL,
     "read the whole store and report damage"},
    {"repair", cmd_repair, NULL,
     "make a damaged store serve what is good"},
    {"reindex", cmd_reindex, NULL,
     "make the store's index anew from its log"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int print_help(void) {
    fputs(
        "usage: varve [--store DIR] [--format table|jsonl|csv] COMMAND ...\n"
        "\n"
        "Keeps the sessions of AI agents in flat files.\n"
        "\n"
        "commands:\n",
        stdout);
    for (size_t i = 0; i < COMMANDS; i++) {
        printf("  %-10s %s\n", commands[i].name, commands[i].what);
    }
    fputs(
        "\n"
        "options (before or after COMMAND):\n"
        "  --store DIR      the store; else $VARVE_STORE, else $XDG_DATA_HOME/varve, else\n"
        "                   ~/.local/share/varve\n"
        "  --format FORMAT  table: for people (the default), times in this machine's zone; jsonl: one\n"
        "                   JSON object a line; csv: comma-separated values, a line of names first.\n"
        "                   The last two have exact figures, and times in UTC\n"
        "  --alone          nobody else uses the store meanwhile: also where locks may not hold (NFS,\n"
        "                   SMB, 9p, ...); without it such a store can only be read\n"
        "  --shared         other users may write to the store's directory (or it is theirs): what is\n"
        "                   made in it lets in whom the directory lets in\n"
        "  --help           this page; after a command, the page of the command\n"
        "  --version        the version\n"
        "\n"
        "example:\n"
        "  varve import ~/.claude/projects && varve sessions && varve usage daily\n"
        "\n"
        "exit codes: 0 done, 1 found something wrong, 2 wrong usage, 3 could not do it\n",
        stdout);
    return EXIT_OKAY;
}

/* The options that may stand anywhere, as --help=options lists those of a command. */
static int list_globals(void) {
    fputs(
        "store - DIR\n"
        "format - table jsonl csv\n"
        "alone - -\n"
        "shared - -\n"
        "help h -\n"
        "version - -\n",
        stdout);
    return EXIT_OKAY;
}

/* For completion: name, operands, and what it does, a line each. */
static int list_commands(void) {
    for (size_t i = 0; i < COMMANDS; i++) {
        printf("%s\t%s\t%s\n", commands[i].name, commands[i].operands ? commands[i].operands : "-",
               commands[i].what);
    }
    return EXIT_OKAY;
}

/* Moves the value of a global option at argv[*at] to *ret_value. 1 if it was that option. */
static int take_global(const char *name, int argc, char **argv, int *at, const char **ret_value) {
    const char *said = argv[*at];
    size_t size = strlen(name);
    if (strncmp(said, name, size) != 0 || (said[size] != '\0' && said[size] != '=')) {
        return 0;
    }
    if (said[size] == '=') {
        *ret_value = said + size + 1;
    } else if (*at + 1 < argc) {
        *ret_value = argv[++*at];
    } else {
        *ret_value = NULL;
    }
    return 1;
}

/* Takes the global options out of argv; what remains begins with the command. */
static int take_globals(struct cli *cli, int *argc, char **argv) {
    int kept = 0, open = 1;
    const char *format = "table";
    for (int i = 1; i < *argc; i++) {
        if (open && strcmp(argv[i], "--") == 0) {
            open = 0;
        }
        if (open && take_global("--store", *argc, argv, &i, &cli->store_path)) {
            if (!cli->store_path || !*cli->store_path) {
                return cli_usage("--store wants a directory");
            }
        } else if (open && strcmp(argv[i], "--alone") == 0) {
            cli->place_flags |= VARVE_OPEN_ALONE;
        } else if (open && strcmp(argv[i], "--shared") == 0) {
            cli->place_flags |= VARVE_OPEN_SHARED;
        } else if (open && take_global("--format", *argc, argv, &i, &format)) {
            int known = format && (strcmp(format, "table") == 0 || strcmp(format, "jsonl") == 0 ||
                                   strcmp(format, "csv") == 0);
            if (!known) {
                return cli_usage("--format wants table, jsonl or csv");
            }
        } else {
            argv[kept++] = argv[i];
        }
    }
    cli->jsonl = strcmp(format, "jsonl") == 0;
    cli->csv = strcmp(format, "csv") == 0;
    *argc = kept;
    argv[kept] = NULL;
    return CLI_GO_ON;
}

/* Where the store lies if no option said so. NULL if nothing in the environment tells. */
static const char *usual_store(void) {
    const char *path = getenv("VARVE_STORE");
    if (path && *path) {
        return path;
    }
    const char *base = getenv("XDG_DATA_HOME"), *below = "/varve";
    if (!base || *base != '/') { /* a relative one is to be ignored */
        base = getenv("HOME");
        below = "/.local/share/varve";
    }
    if (!base || !*base) {
        return NULL;
    }
    static char joined[PATH_MAX];
    int size = snprintf(joined, sizeof joined, "%s%s", base, below);
    return size > 0 && (size_t)size < sizeof joined ? joined : NULL;
}

static const struct command *find_command(const char *name) {
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
        names[i] = commands[i].name;
    }
    const char *nearest = cli_nearest(name, names, COMMANDS);
    if (nearest) {
        cli_usage("unknown command '%s': did you mean '%s'?", name, nearest);
    } else {
        cli_usage("unknown command '%s'", name);
    }
    return NULL;
}

/* A file opened where a standard stream was closed would take what is printed: no place is left
 * free, and what stands there fails to be written, as it should. */
static void fill_standard_streams(void) {
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
        }
    }
}

static int run(struct cli *cli, int argc, char **argv) {
    int answer = take_globals(cli, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    const char *first = argc > 0 ? argv[0] : NULL;
    if (first && strcmp(first, "help") == 0 && argc == 2 && strcmp(argv[1], "--list") == 0) {
        return list_commands();
    }
    if (first && strcmp(first, "help") == 0 && argc == 2 && strcmp(argv[1], "--globals") == 0) {
        return list_globals();
    }
    if (first && strcmp(first, "help") == 0 && argc > 1) { /* as COMMAND --help */
        argv[0] = argv[1];
        static char ask[] = "--help";
        argv[1] = ask;
        argc = 2;
    } else if (first && (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 ||
                         strcmp(first, "help") == 0)) {
        return print_help();
    } else if (first && strcmp(first, "--version") == 0) {
        printf("varve %s\n", varve_version());
        return EXIT_OKAY;
    }
    if (!first) {
        return cli_usage("no command given");
    }
    if (*first == '-') {
        return cli_usage("unknown option '%s'", first);
    }
    const struct command *command = find_command(argv[0]);
    if (!command) {
        return EXIT_USAGE;
    }
    if (!cli->store_path && !(cli->store_path = usual_store())) {
        return cli_fail(cli, "where is the store? $HOME does not say: use --store DIR");
    }
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    cli->color = !cli->jsonl && !cli->csv && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0 &&
                 isatty(STDOUT_FILENO);
    cli_command(command->name);
    return command->run(cli, argc, argv);
}

int main(int argc, char **argv) {
    static char buffer[1 << 16];
    struct cli cli = {0};
    fill_standard_streams();
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that has gone away shows as EPIPE */
    (void)setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    int forgives = hook_forgives(argc, argv);
    int answer = run(&cli, argc, argv);
    (void)cli_stdout_failed(); /* now, while errno is its own */
    varve_close(&cli.store);
    answer = cli_stdout_finish(&cli, answer);
    return forgives ? EXIT_OKAY : answer;
}

/*
 * What every subcommand of `varve` shares: the global options, opening the store, the one-line
 * errors, exit codes, and a small table-driven option parser.
 */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include "engine/varve.h"

#include <stddef.h>
#include <stdint.h>

struct cli {
    const char *store_path; /* --store, $VARVE_STORE, or the user's data directory */
    int jsonl, csv;         /* --format; neither: for people */
    int color;              /* stdout is a terminal that may be given colour */
    uint32_t place_flags;   /* --alone, --shared: VARVE_OPEN_* of every opening */
    int lock_timeout_ms;    /* of cli_open: longest wait for a lock, 0 = as the engine has it */
    varve *store;           /* set by cli_open, closed by main */
};

enum { EXIT_OKAY = 0, EXIT_FOUND = 1, EXIT_USAGE = 2, EXIT_CANNOT = 3 };

/* Opens the store with VARVE_OPEN_* flags. Without READ_ONLY and NO_CREATE the directories above it
 * are made too. 0, or prints why not and returns EXIT_CANNOT. */
int cli_open(struct cli *cli, uint32_t open_flags);
/* The same, silent: 0 or VARVE_E_*, and the line that says why. */
int cli_try_open(struct cli *cli, uint32_t open_flags);
const char *cli_open_error(int error);

#if defined(__GNUC__)
#    define CLI_FORMAT(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#    define CLI_FORMAT(fmt, first)
#endif

/* One line "varve: ..." on stderr: what, where, what to do. Control characters are made harmless.
 * Returns EXIT_CANNOT. */
int cli_fail(const struct cli *cli, const char *fmt, ...) CLI_FORMAT(2, 3);
/* The line for a call of the engine that returned 'error'. Returns EXIT_CANNOT. */
int cli_fail_store(const struct cli *cli, int error);
/* A line worth knowing, on stderr. */
void cli_note(const struct cli *cli, const char *fmt, ...) CLI_FORMAT(2, 3);
/* One line on stderr, and how to get help. Returns EXIT_USAGE. */
int cli_usage(const char *fmt, ...) CLI_FORMAT(1, 2);

/* Whether what was printed could not all be written: printing more is in vain. */
int cli_stdout_failed(void);
/* Writes out what is buffered. Returns 'answer', or EXIT_CANNOT with a line if it was not to be
 * written, but for a reader that went away: it has what it wanted. */
int cli_stdout_finish(const struct cli *cli, int answer);

/* Memory or the end of the process (EXIT_CANNOT, with a line). Freed with free(). */
void *cli_alloc(size_t size);
void *cli_grow(void *memory, size_t count, size_t size);

/* The values of an option that may be given again and again. */
struct cli_texts {
    const char **texts; /* freed with free() */
    size_t count;
};

/* One option of a subcommand; exactly one of the ret_ pointers is set. */
struct cli_option {
    const char *name;            /* without the dashes */
    char letter;                 /* its short form, 0 = none */
    int *ret_flag;               /* takes no value: set to 1 */
    const char **ret_text;       /* takes a value */
    struct cli_texts *ret_texts; /* takes a value each time */
    uint64_t *ret_number;        /* takes a whole number, not negative */
    const char *values;          /* for completion: words, or FILE, DIR, SESSION; NULL = any */
};
enum { CLI_GO_ON = -1 };
/* Takes the options out of argv (they may stand anywhere before "--"), so that argv[1] up to *argc
 * are the operands. Answers --help by printing 'help', and --help=options with a line for each
 * option: its name, letter ("-" = none), and values ("-" = takes none, "*" = any). Returns CLI_GO_ON,
 * or the exit code to return at once. */
int cli_parse(const char *help, const struct cli_option *options, size_t count, int *argc,
              char **argv);
/* The names that differ least from 'word' and not by much, or NULL. names[count - 1] may be last.
 */
const char *cli_nearest(const char *word, const char *const *names, size_t count);
/* Which subcommand cli_usage speaks of. */
void cli_command(const char *name);

/* The subcommands: argv[0] is the name. They return the exit code. */
int cmd_append(struct cli *cli, int argc, char **argv);
int cmd_count(struct cli *cli, int argc, char **argv);
int cmd_delete(struct cli *cli, int argc, char **argv);
int cmd_events(struct cli *cli, int argc, char **argv);
int cmd_export(struct cli *cli, int argc, char **argv);
int cmd_fork(struct cli *cli, int argc, char **argv);
int cmd_compact(struct cli *cli, int argc, char **argv);
int cmd_forget(struct cli *cli, int argc, char **argv);
int cmd_gc(struct cli *cli, int argc, char **argv);
int cmd_hook(struct cli *cli, int argc, char **argv);
int cmd_import(struct cli *cli, int argc, char **argv);
int cmd_merge(struct cli *cli, int argc, char **argv);
int cmd_messages(struct cli *cli, int argc, char **argv);
int cmd_reconcile(struct cli *cli, int argc, char **argv);
int cmd_reindex(struct cli *cli, int argc, char **argv);
int cmd_repair(struct cli *cli, int argc, char **argv);
int cmd_restore(struct cli *cli, int argc, char **argv);
int cmd_rewind(struct cli *cli, int argc, char **argv);
int cmd_sessions(struct cli *cli, int argc, char **argv);
int cmd_set(struct cli *cli, int argc, char **argv);
int cmd_show(struct cli *cli, int argc, char **argv);
int cmd_snapshot(struct cli *cli, int argc, char **argv);
int cmd_stats(struct cli *cli, int argc, char **argv);
int cmd_usage(struct cli *cli, int argc, char **argv);
int cmd_verify(struct cli *cli, int argc, char **argv);

#endif

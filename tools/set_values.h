/*
 * What 'varve set' reads its options' values with. Each returns CLI_GO_ON, or a line on stderr and
 * the exit code.
 */
#ifndef TOOLS_SET_VALUES_H
#define TOOLS_SET_VALUES_H

#include "tools/cli.h"

enum set_enum { SET_STATUS, SET_SESSION_TYPE, SET_MODE, SET_CHANNEL, SET_ENUMS };

/* What was said, before it is read. */
struct set_said {
    const char *machine, *at, *callbacks, *cost;
    const char *enums[SET_ENUMS];
    const char *str[VARVE_STRS];
    struct cli_texts labels, unlabels;
    uint64_t tokens[VARVE_TOKENS]; /* UINT64_MAX: was not said; likewise the next ones */
    uint64_t turns, issue, pr, additions, deletions, pid, process_start;
    int create, hidden, absolute;
};

/* What it comes to. */
struct set_wish {
    varve_event event;
    char *labels, *callbacks; /* freed with free() */
};

/* Reads all that was said, so that what is wrong is found before the store is opened. */
int set_take(const struct cli *cli, const struct set_said *said, struct set_wish *wish);
/* A session that is made has a time: that of its creation. */
void set_created(const struct set_said *said, varve_event *event);

/* ---- Values ---- */

/* A status, mode, channel or session type: its number; or VARVE_ENUM_NAMED, and the text is it. */
int set_enum(enum set_enum which, const char *text, varve_event *event);

/* "run=7" and keys to be taken away, as lines in *ret_owned; NULL if there are none. */
int set_labels(const struct cli_texts *set, const struct cli_texts *unset, char **ret_owned);

/* A JSON array of objects: the text itself, or that of the file which it names. */
int set_callbacks(const struct cli *cli, const char *text, char **ret_owned);

/* Dollars as a decimal number, to nano-dollars exactly. */
int set_dollars(const char *text, int64_t *ret_nanos);

/* A time or a date (UTC). */
int set_time(const char *text, int64_t *ret_ns);

#endif

/*
 * Which sessions a report of usage takes in, and under which heading each of them stands. What a
 * subagent spent stands with the session that it worked for.
 */
#ifndef TOOLS_USAGE_SCOPE_H
#define TOOLS_USAGE_SCOPE_H

#include "tools/sums.h"

struct usage_scope {
    uint64_t rows;    /* sessions that were there when it was made; 0 = all are in */
    uint32_t *top;    /* by row: the session that it worked for, or itself */
    uint8_t *in;      /* by row, of tops: whether they fit; NULL = all do */
    uint32_t *headed; /* by row, of tops: group + 1; NULL = none asked for */
};

/* The sessions that fit the filter. 0, or a line on stderr and EXIT_CANNOT. */
int usage_scope_make(struct cli *cli, const varve_session_filter *filter,
                     struct usage_scope *ret_scope);
/* Headings: the value of a label, or with NULL the project. They become groups. */
int usage_scope_head(struct cli *cli, struct usage_scope *scope, const char *label,
                     struct groups *groups);
/* Whether the session in this row counts. */
int usage_scope_has(const struct usage_scope *scope, uint64_t row);
/* Its group. */
struct group *usage_scope_group(const struct usage_scope *scope, uint64_t row,
                                struct groups *groups);
void usage_scope_free(struct usage_scope *scope);

#endif

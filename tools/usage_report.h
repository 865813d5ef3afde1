/*
 * A report of usage: which one, what has been added up for it, and its printing.
 */
#ifndef TOOLS_USAGE_REPORT_H
#define TOOLS_USAGE_REPORT_H

#include "tools/usage_scope.h"

enum usage_grouping {
    USAGE_TOTAL,
    USAGE_DAILY,
    USAGE_MONTHLY,
    USAGE_SESSION,
    USAGE_MODEL,
    USAGE_PROJECT,
    USAGE_LABEL,
    USAGE_GROUPINGS
};
/* "daily", ...; the name of USAGE_LABEL is followed by the label's key */
const char *usage_grouping_name(enum usage_grouping grouping);

struct usage_report {
    enum usage_grouping grouping;
    const char *label; /* USAGE_LABEL: which */
    struct usage_scope scope;
    struct sums kinds[VARVE_CHARGES];
    struct groups groups;   /* by day, month (INT64_MAX = no time), row of the session, model, project or label */
    struct groups unpriced; /* models that lack a price */
};

void usage_report_add(struct usage_report *report, const varve_usage *usage, int64_t day);
/* Prints it. Returns the exit code. */
int usage_report_print(struct cli *cli, struct usage_report *report, varve_scan *scan);
void usage_report_free(struct usage_report *report);

#endif

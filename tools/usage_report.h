/*
 * A report of usage: which one, what has been added up for it, and its printing.
 */
#ifndef TOOLS_USAGE_REPORT_H
#define TOOLS_USAGE_REPORT_H

#include "tools/sums.h"

enum usage_grouping {
    USAGE_TOTAL,
    USAGE_DAILY,
    USAGE_MONTHLY,
    USAGE_SESSION,
    USAGE_MODEL,
    USAGE_GROUPINGS
};
/* "daily", ... */
const char *usage_grouping_name(enum usage_grouping grouping);

struct usage_report {
    enum usage_grouping grouping;
    struct sums kinds[VARVE_CHARGES];
    struct groups groups;   /* by day, month (INT64_MAX = no time), row of the session, or model */
    struct groups unpriced; /* models that lack a price */
};

void usage_report_add(struct usage_report *report, const varve_usage *usage, int64_t day);
/* Prints it. Returns the exit code. */
int usage_report_print(struct cli *cli, struct usage_report *report, varve_scan *scan);
void usage_report_free(struct usage_report *report);

#endif

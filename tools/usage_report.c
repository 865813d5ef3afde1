/*
 * The rows of a usage report, and what people must know beside them: models without a price, and
 * output that was recorded too low.
 */
#include "tools/usage_report.h"

#include "tools/names.h"
#include "tools/text.h"
#include "tools/when.h"

#include <stdio.h>
#include <string.h>

/* For each report: its name, the field that says which row, and that column's title. */
static const struct {
    const char *name, *field, *title;
} groupings[USAGE_GROUPINGS] = {
    [USAGE_TOTAL] = {"total", "kind", "kind"},
    [USAGE_DAILY] = {"daily", "date", "date"},
    [USAGE_MONTHLY] = {"monthly", "month", "month"},
    [USAGE_SESSION] = {"session", "session_id", "session"},
    [USAGE_MODEL] = {"model", "model", "model"},
    [USAGE_PROJECT] = {"project", "project", "project"},
    [USAGE_LABEL] = {"label:", "value", NULL},
};

const char *usage_grouping_name(enum usage_grouping grouping) {
    return groupings[grouping].name;
}

/* ---- Adding up ---- */

static struct group *group_of(struct usage_report *report, const varve_usage *usage, int64_t day) {
    switch (report->grouping) {
    case USAGE_MODEL:
        return groups_by_name(&report->groups, usage->model);
    case USAGE_PROJECT:
    case USAGE_LABEL:
        return usage_scope_group(&report->scope, usage->session_row, &report->groups);
    case USAGE_SESSION:
        return groups_by_key(&report->groups, (int64_t)usage->session_row);
    case USAGE_DAILY:
        return groups_by_key(&report->groups, usage->has_time ? day : INT64_MAX);
    case USAGE_MONTHLY:
        return groups_by_key(&report->groups, usage->has_time ? when_month_of(day) : INT64_MAX);
    default:
        return NULL;
    }
}

void usage_report_add(struct usage_report *report, const varve_usage *usage, int64_t day) {
    struct sums one = {0};
    sums_add(&one, usage);
    unsigned kind = usage->kind < VARVE_CHARGES ? usage->kind : VARVE_CHARGE_MESSAGE;
    sums_merge(&report->kinds[kind], &one);
    struct group *group = group_of(report, usage, day);
    if (group) {
        sums_merge(&group->sums, &one);
    }
    if (one.unpriced != 0) {
        sums_merge(&groups_by_name(&report->unpriced, usage->model)->sums, &one);
    }
}

void usage_report_free(struct usage_report *report) {
    groups_free(&report->groups);
    groups_free(&report->unpriced);
    usage_scope_free(&report->scope);
}

/* ---- Total ---- */

static void print_kinds(struct out *out, const struct usage_report *report) {
    for (unsigned i = 0; i < VARVE_CHARGES; i++) {
        out_begin(out);
        out_word(out, "kind", name_charge_kind(i));
        sums_fields(out, &report->kinds[i]);
        (void)out_end(out);
    }
}

static void print_total(struct out *out, const struct usage_report *report,
                        const struct sums *total) {
    out_begin(out);
    sums_fields(out, total);
    out_object(out, "by_kind");
    for (unsigned i = 0; i < VARVE_CHARGES; i++) {
        out_object(out, name_charge_kind(i));
        sums_fields(out, &report->kinds[i]);
        out_object_end(out);
    }
    out_object_end(out);
    out_array(out, "unpriced_models");
    for (size_t i = 0; i < report->unpriced.count; i++) {
        const struct group *group = &report->unpriced.all[i];
        out_text(out, NULL, (varve_str){group->name, group->name_size});
    }
    out_array_end(out);
    (void)out_end(out);
}

/* ---- Groups ---- */

static int print_session(struct out *out, varve_scan *scan, const struct group *group) {
    varve_session session = {.size = sizeof session};
    int error = varve_scan_get_row(scan, (uint64_t)group->key, &session);
    if (error < 0) {
        return error;
    }
    out_begin(out);
    out_text(out, "session_id", session.session_id);
    out_text(out, "parent_session_id", session.str[VARVE_STR_PARENT_ID]);
    out_text(out, "title", session.str[VARVE_STR_TITLE]);
    return 0;
}

static int is_named(enum usage_grouping grouping) {
    return grouping == USAGE_MODEL || grouping == USAGE_PROJECT || grouping == USAGE_LABEL;
}

/* A heading under which nothing was spent, or left out by the filters: no row. */
static int is_empty(const struct sums *sums) {
    static const struct sums none;
    return memcmp(sums, &none, sizeof none) == 0;
}

static void print_named(struct out *out, const struct usage_report *report,
                        const struct group *group) {
    enum usage_grouping grouping = report->grouping;
    char text[WHEN_ROOM];
    varve_str name = {NULL, 0};
    if (is_named(grouping)) {
        name = (varve_str){group->name, group->name_size};
    } else if (group->key != INT64_MAX) {
        name.size = grouping == USAGE_MONTHLY ? when_print_month(text, group->key)
                                              : when_print_day(text, group->key);
        name.ptr = text;
    }
    out_begin(out);
    if (grouping == USAGE_LABEL) {
        out_word(out, "label", report->label);
    }
    out_text(out, groupings[grouping].field, name);
}

static int print_groups(struct cli *cli, struct out *out, struct usage_report *report,
                        varve_scan *scan) {
    if (report->grouping == USAGE_DAILY || report->grouping == USAGE_MONTHLY) {
        groups_sort_by_key(&report->groups);
    } else {
        groups_sort_by_cost(&report->groups);
    }
    for (size_t i = 0; i < report->groups.count; i++) {
        const struct group *group = &report->groups.all[i];
        if (report->scope.headed && is_empty(&group->sums)) {
            continue;
        }
        if (report->grouping == USAGE_SESSION) {
            int error = print_session(out, scan, group);
            if (error < 0) {
                return cli_fail_store(cli, error);
            }
        } else {
            print_named(out, report, group);
        }
        sums_fields(out, &group->sums);
        if (out_end(out)) {
            break;
        }
    }
    return EXIT_OKAY;
}

/* ---- The report ---- */

static void tell_gaps(struct cli *cli, const struct usage_report *report,
                      const struct sums *total) {
    (void)fflush(stdout); /* this comes after the table */
    for (size_t i = 0; i < report->unpriced.count; i++) {
        const struct group *group = &report->unpriced.all[i];
        char tokens[TEXT_GROUPED];
        text_grouped(tokens, group->sums.unpriced);
        if (group->name_size == 0) {
            cli_note(cli, "%s tokens of events without a model are not in the cost", tokens);
        } else {
            cli_note(cli, "no price for model '%.*s': its %s tokens are not in the cost",
                     (int)group->name_size, group->name, tokens);
        }
    }
    if (total->lower_bound) {
        cli_note(cli,
                 "output tokens, and so the cost, are a lower bound: some sessions come from an "
                 "agent that recorded too few");
    }
}

int usage_report_print(struct cli *cli, struct usage_report *report, varve_scan *scan) {
    const struct out_column columns[] = {
        {groupings[report->grouping].field,
         report->grouping == USAGE_LABEL ? report->label : groupings[report->grouping].title,
         OUT_CUT | OUT_KEEP},
        {"input_tokens", "input", OUT_RIGHT},
        {"output_tokens", "output", OUT_RIGHT},
        {"cache_write_tokens", "cache write", OUT_RIGHT | OUT_SPARE},
        {"cache_read_tokens", "cache read", OUT_RIGHT | OUT_SPARE},
        {"total_tokens", "total", OUT_RIGHT},
        {"cost_usd", "cost $", OUT_RIGHT},
    };
    struct sums total = {0};
    for (unsigned i = 0; i < VARVE_CHARGES; i++) {
        sums_merge(&total, &report->kinds[i]);
    }
    groups_sort_by_cost(&report->unpriced);
    int answer = EXIT_OKAY;
    struct out *out = out_rows(cli, columns, sizeof columns / sizeof *columns);
    if (report->grouping != USAGE_TOTAL) {
        answer = print_groups(cli, out, report, scan);
    } else if (cli->jsonl) {
        print_total(out, report, &total);
    } else if (!cli->csv) {
        print_kinds(out, report);
    }
    /* a table ends with its sum; CSV has it only if it was asked for */
    if (!cli->jsonl && (!cli->csv || report->grouping == USAGE_TOTAL) && answer == EXIT_OKAY) {
        out_rule(out);
        out_begin(out);
        out_word(out, columns[0].field, "total");
        sums_fields(out, &total);
        (void)out_end(out);
    }
    out_close(&out);
    if (!cli->jsonl && answer == EXIT_OKAY) {
        tell_gaps(cli, report, &total);
    }
    return answer;
}

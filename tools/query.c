/*
 * Options about sessions. What can be wrong with a value is said before the store is opened.
 */
#include "tools/query.h"

#include "tools/find.h"
#include "tools/names.h"
#include "tools/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct query_sessions query_sessions_none = {.issue = QUERY_NONE, .pr = QUERY_NONE};

void query_session_options(struct query_sessions *asked, struct cli_option *ret_options) {
    const struct cli_option options[QUERY_SESSION_OPTIONS] = {
        {.name = "machine", .letter = 'm', .ret_text = &asked->machine},
        {.name = "framework", .ret_text = &asked->framework},
        {.name = "project", .ret_text = &asked->project},
        {.name = "model", .ret_text = &asked->model},
        {.name = "repo", .ret_text = &asked->repo},
        {.name = "cwd", .ret_text = &asked->cwd, .values = "DIR"},
        {.name = "parent", .ret_text = &asked->parent, .values = "SESSION"},
        {.name = "issue", .ret_number = &asked->issue},
        {.name = "pr", .ret_number = &asked->pr},
        {.name = "label", .ret_texts = &asked->labels},
        {.name = "status", .ret_texts = &asked->statuses, .values = "idle busy wait done active completed failed cancelled unknown none"},
        {.name = "active", .ret_flag = &asked->active},
        {.name = "active-since", .ret_text = &asked->active_since},
        {.name = "started-after", .ret_text = &asked->started_after},
        {.name = "started-before", .ret_text = &asked->started_before},
        {.name = "all", .letter = 'a', .ret_flag = &asked->all},
    };
    memcpy(ret_options, options, sizeof options);
}

int query_time(const char *option, const char *word, int64_t *ret_ns) {
    const int64_t day_ns = INT64_C(86400000000000);
    if (!word) {
        return CLI_GO_ON;
    }
    int64_t value = 0;
    int kind = when_parse_bound(word, &value);
    if (kind == WHEN_DAY && value > INT64_MIN / day_ns && value < INT64_MAX / day_ns) {
        *ret_ns = value * day_ns;
    } else if (kind == WHEN_TIME) {
        *ret_ns = value;
    } else {
        return cli_usage("--%s wants YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, not '%s'", option, word);
    }
    return CLI_GO_ON;
}

static int read_github(const char *option, uint64_t number, int32_t *ret_number) {
    if (number == QUERY_NONE) {
        return CLI_GO_ON;
    }
    if (number == 0 || number > INT32_MAX) {
        return cli_usage("--%s wants a number from 1 to %d, not '%" PRIu64 "'", option, INT32_MAX,
                         number);
    }
    *ret_number = (int32_t)number;
    return CLI_GO_ON;
}

/* Labels as the engine takes them: a line each. */
static int read_labels(struct query_sessions *asked, varve_session_filter *filter) {
    size_t size = 0;
    for (size_t i = 0; i < asked->labels.count; i++) {
        const char *label = asked->labels.texts[i];
        if (*label == '\0' || *label == '=' || strchr(label, '\n')) {
            return cli_usage("--label wants KEY=VALUE or KEY, on one line, not '%s'", label);
        }
        size_t more = strlen(label);
        asked->label_lines = cli_grow(asked->label_lines, size + more + 1, 1);
        memcpy(asked->label_lines + size, label, more);
        size += more;
        asked->label_lines[size++] = '\n';
    }
    filter->labels = (varve_str){asked->label_lines, size};
    return CLI_GO_ON;
}

static int read_statuses(const struct query_sessions *asked, varve_session_filter *filter) {
    for (size_t i = 0; i < asked->statuses.count; i++) {
        const char *word = asked->statuses.texts[i];
        uint32_t bit = strcmp(word, "none") == 0 ? 1u << VARVE_STATUS_NONE : 0;
        for (unsigned s = VARVE_STATUS_NONE + 1; s <= VARVE_STATUS_UNKNOWN && !bit; s++) {
            bit = strcmp(word, name_status(s, (varve_str){NULL, 0}).ptr) == 0 ? 1u << s : 0;
        }
        filter->statuses |= bit;
        if (bit) {
            continue;
        }
        if (*word == '\0' || filter->status_name.ptr) {
            return cli_usage("--status takes one word of its own beside those it knows: '%s'",
                             word);
        }
        filter->status_name = varve_cstr(word); /* the set is open */
    }
    return CLI_GO_ON;
}

int query_session_filter(struct query_sessions *asked, varve_session_filter *ret_filter) {
    varve_session_filter *f = ret_filter;
    varve_session_filter_init(f);
    f->machine_id = varve_cstr(asked->machine);
    f->framework = varve_cstr(asked->framework);
    f->project = varve_cstr(asked->project);
    f->model = varve_cstr(asked->model);
    f->github_repo = varve_cstr(asked->repo);
    f->cwd = varve_cstr(asked->cwd);
    f->flags = asked->active ? VARVE_LIST_ACTIVE : 0u;
    if (asked->all) {
        f->flags |= VARVE_LIST_SUBAGENTS | VARVE_LIST_STUBS | VARVE_LIST_HIDDEN |
                    VARVE_LIST_DELETED;
    }
    int answer = read_github("issue", asked->issue, &f->github_issue);
    if (answer == CLI_GO_ON) {
        answer = read_github("pr", asked->pr, &f->github_pr);
    }
    if (answer == CLI_GO_ON) {
        answer = query_time("active-since", asked->active_since, &f->active_since);
    }
    if (answer == CLI_GO_ON) {
        answer = query_time("started-after", asked->started_after, &f->started_after);
    }
    if (answer == CLI_GO_ON) {
        answer = query_time("started-before", asked->started_before, &f->started_before);
    }
    if (answer == CLI_GO_ON) {
        answer = read_statuses(asked, f);
    }
    return answer == CLI_GO_ON ? read_labels(asked, f) : answer;
}

int query_session_parent(struct cli *cli, const struct query_sessions *asked,
                         varve_session_filter *filter) {
    if (!asked->parent) {
        return EXIT_OKAY;
    }
    varve_scan *scan = NULL;
    varve_session session;
    int answer = find_open(cli, asked->parent, NULL, &scan, &session);
    filter->parent_row = session.row;
    varve_scan_close(&scan);
    return answer;
}

void query_sessions_free(struct query_sessions *asked) {
    free(asked->labels.texts);
    free(asked->statuses.texts);
    free(asked->label_lines);
}

/* ---- Orders and places ---- */

static const char *const orders[] = {
    [VARVE_ORDER_ARRIVAL] = "arrival",
    [VARVE_ORDER_START] = "start",
    [VARVE_ORDER_ACTIVITY] = "activity",
    [VARVE_ORDER_COST] = "cost",
};
enum { ORDERS = sizeof orders / sizeof *orders };

int query_order(const char *word, uint32_t *ret_order) {
    for (uint32_t i = 0; i < ORDERS; i++) {
        if (strcmp(orders[i], word) == 0) {
            *ret_order = i;
            return CLI_GO_ON;
        }
    }
    return cli_usage("--order wants activity, start, cost or arrival, not '%s'", word);
}

void query_print_place(char ret_word[QUERY_PLACE_ROOM], uint32_t order, varve_place place) {
    (void)snprintf(ret_word, QUERY_PLACE_ROOM, "%s:%" PRId64 ":%" PRIu64, orders[order],
                   place.value, place.row);
}

int query_read_place(const char *word, uint32_t order, varve_place *ret_place) {
    varve_place place;
    char again[QUERY_PLACE_ROOM];
    const char *first = strchr(word, ':'), *second = first ? strchr(first + 1, ':') : NULL;
    if (second) {
        place.value = strtoll(first + 1, NULL, 10);
        place.row = strtoull(second + 1, NULL, 10);
        query_print_place(again, order, place);
        if (strcmp(word, again) == 0) { /* every other way to write it is none */
            *ret_place = place;
            return CLI_GO_ON;
        }
    }
    return cli_usage("--after wants what --page printed for the order '%s', not '%s'",
                     orders[order], word);
}

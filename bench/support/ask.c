/*
 * Questions to a store. See ask.h.
 */
#include "bench/support/ask.h"

#include "bench/support/measure.h"
#include "bench/support/workload.h"

#include <string.h>

double ask_open(const char *path, varve **ret_store) {
    double begun = measure_now();
    return varve_open(path, NULL, ret_store) < 0 ? -1 : measure_now() - begun;
}

double ask_list(varve *store, uint64_t limit, ask_sum *ret_sum) {
    varve_session_filter filter;
    varve_session session = {.size = sizeof session};
    varve_list *list;
    ask_sum sum = {0};
    int result;
    varve_session_filter_init(&filter);
    filter.order = VARVE_ORDER_START;
    filter.limit = limit;
    double begun = measure_now();
    if (varve_session_list(store, &filter, &list) < 0)
        return -1;
    while ((result = varve_list_next(list, &session)) > 0) {
        sum.rows++;
        sum.sum += session.first_text.size + session.str[VARVE_STR_CWD].size;
    }
    varve_list_close(&list);
    *ret_sum = sum;
    return result < 0 ? -1 : measure_now() - begun;
}

double ask_show(varve *store, uint64_t number) {
    char id[WORKLOAD_ID_ROOM];
    varve_session session = {.size = sizeof session};
    varve_scan *scan;
    workload_session_id(number, id);
    double begun = measure_now();
    if (varve_scan_open(store, &scan) < 0)
        return -1;
    int result = varve_scan_get(scan, varve_cstr(NULL), varve_cstr(id), &session);
    varve_scan_close(&scan);
    return result < 0 ? -1 : measure_now() - begun;
}

static int replay_one(varve *store, uint64_t number, ask_sum *sum) {
    char id[WORKLOAD_ID_ROOM];
    varve_cursor *cursor;
    varve_event event;
    int result;
    workload_session_id(number, id);
    if (varve_cursor_session(store, varve_cstr(NULL), varve_cstr(id), 0, 0, &cursor) < 0)
        return -1;
    while ((result = varve_cursor_next(cursor, &event)) > 0) {
        sum->events++;
        sum->bytes += event.payload_size;
        sum->sum += event.payload_size > 0 ? *(const uint8_t *)event.payload : 0;
    }
    varve_cursor_close(&cursor);
    sum->rows++;
    return result;
}

double ask_replay(varve *store, uint64_t sessions, uint64_t seed, uint64_t count,
                  ask_sum *ret_sum) {
    ask_sum sum = {0};
    int result = 0;
    double begun = measure_now();
    for (uint64_t i = 0; i < (seed != 0 ? count : sessions) && result == 0; i++)
        result = replay_one(store, seed != 0 ? measure_random(&seed) % sessions : i, &sum);
    *ret_sum = sum;
    return result < 0 ? -1 : measure_now() - begun;
}

double ask_scan(varve *store, ask_sum *ret_sum) {
    varve_totals totals;
    double begun = measure_now();
    if (varve_session_totals(store, &totals) < 0)
        return -1;
    double took = measure_now() - begun;
    *ret_sum = (ask_sum){.rows = totals.sessions,
                         .events = totals.events,
                         .bytes = totals.payload_bytes,
                         .sum = (uint64_t)(totals.cost + totals.tokens[VARVE_TOK_INPUT] +
                                           totals.tokens[VARVE_TOK_OUTPUT])};
    return took;
}

enum { DAYS = 1024, MODELS = 16 };
typedef struct report {
    char name[MODELS][64];
    size_t name_size[MODELS], models;
    struct {
        int64_t tokens[VARVE_TOKENS], cost;
    } by[DAYS][MODELS];
    ask_sum sum;
} report;

static size_t model_number(report *r, varve_str model) {
    size_t i = 0;
    while (i < r->models &&
           (r->name_size[i] != model.size || memcmp(r->name[i], model.ptr, model.size) != 0))
        i++;
    if (i < r->models || i == MODELS || model.size > sizeof r->name[0])
        return i < MODELS ? i : MODELS - 1;
    if (model.size > 0)
        memcpy(r->name[i], model.ptr, model.size);
    r->name_size[i] = model.size;
    return r->models++;
}

static int add_usage(void *context, const varve_usage *usage) {
    report *r = context;
    uint64_t day = (uint64_t)usage->time / UINT64_C(86400000000000) % DAYS;
    size_t model = model_number(r, usage->model);
    for (int i = 0; i < VARVE_TOKENS; i++)
        r->by[day][model].tokens[i] += usage->tokens[i];
    r->by[day][model].cost += usage->cost;
    r->sum.rows++;
    r->sum.sum += (uint64_t)usage->cost;
    return 0;
}

double ask_usage(varve *store, ask_sum *ret_sum) {
    static report r;
    memset(&r, 0, sizeof r);
    double begun = measure_now();
    if (varve_usage_each(store, add_usage, &r) != 0)
        return -1;
    double took = measure_now() - begun;
    *ret_sum = r.sum;
    return took;
}

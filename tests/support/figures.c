/*
 * Figures of a store as text. See figures.h.
 */
#include "support/figures.h"

#include "support/dump.h"
#include "support/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int put_usage(void *context, const varve_usage *u) {
    fprintf(context, "usage %llu %d %d day %lld %.*s %lld", (unsigned long long)u->session_row, u->kind, u->source,
            (long long)(u->time / 86400000000000), (int)u->model.size, u->model.ptr == NULL ? "" : u->model.ptr, (long long)u->cost);
    for (int t = 0; t < VARVE_TOKENS; t++)
        fprintf(context, " %lld", (long long)u->tokens[t]);
    fputc('\n', context);
    return 0;
}

static void put_numbers(FILE *to, const varve_session *s) {
    fprintf(to, "session %llu cost %lld+%lld events %llu bytes %llu activity %lld %lld ended %lld %lld context %lld n%u,%u,%u,%u,%u,%u,%u,%u",
            (unsigned long long)s->row, (long long)s->cost, (long long)s->cost_children, (unsigned long long)s->events,
            (unsigned long long)s->payload_bytes, (long long)s->first_started, (long long)s->last_activity,
            (long long)s->first_ended, (long long)s->last_ended, (long long)s->context, s->user_messages, s->assistant_messages,
            s->tool_calls, s->api_requests, s->api_errors, s->compactions, s->turns, s->revivals);
    for (int i = 0; i < VARVE_SOURCES; i++) {
        const varve_counters *c = &s->by_source[i];
        fprintf(to, " (%llu %lld %u %u", (unsigned long long)c->events, (long long)c->cost, c->costed, c->user_messages);
        for (int t = 0; t < VARVE_TOKENS; t++)
            fprintf(to, " %lld", (long long)c->tokens[t]);
        fputc(')', to);
    }
    fputc('\n', to);
}

char *figures_of(varve *store) {
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    varve_scan *scan = NULL;
    varve_session session;
    int result = varve_scan_open(store, &scan);
    if (result == VARVE_OK)
        varve_scan_strings(scan, 0);
    while (result >= 0 && (result = varve_scan_next(scan, &session)) == 1)
        put_numbers(to, &session);
    varve_scan_close(&scan);
    if (result >= 0)
        result = varve_usage_each(store, put_usage, to);
    if (result < 0)
        fprintf(to, "fails: %d %s\n", result, varve_last_error(store));
    fclose(to);
    return text;
}

char *figures_texts(varve *store) {
    char *records = dump_store(store, DUMP_RECORDS, 1), *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    for (char *line = strtok(records, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *events = strncmp(line, "session ", 8) == 0 ? strstr(line, " events ") : NULL;
        char *seq = events == NULL ? NULL : strstr(events, " seq "), *cost = seq == NULL ? NULL : strstr(seq, " cost ");
        if (cost == NULL) {
            fprintf(to, "%s\n", strncmp(line, "input ", 6) == 0 ? "" : line);
            continue;
        }
        char *flags = events;
        while (flags > line && flags[-1] != ' ')
            flags--;
        fprintf(to, "%.*s%.*s%s\n", (int)(flags - line), line, (int)(seq - events), events, cost);
    }
    fclose(to);
    free(records);
    return text;
}

uint64_t figures_events(varve *store, const varve_session *session, bool own, uint64_t *ret_bytes) {
    varve_cursor *cursor = NULL;
    varve_event event;
    uint64_t count = 0;
    int result = varve_cursor_session(store, session->machine_id, session->session_id, 0, VARVE_CURSOR_SETTINGS, &cursor);
    while (result >= 0 && (result = varve_cursor_next(cursor, &event)) == 1) {
        if (own && event.record == VARVE_RECORD_FORK) /* what was before it is shared */
            count = *ret_bytes = 0;
        if (event.record != VARVE_RECORD_EVENT)
            continue;
        count++;
        *ret_bytes += event.payload_size;
    }
    varve_cursor_close(&cursor);
    if (result < 0)
        work_wrong("events: %d %s", result, varve_last_error(store));
    return result < 0 ? UINT64_MAX : count;
}

char *figures_shown(varve *store, varve_str machine, varve_str id) {
    static const uint32_t ways[] = {0, VARVE_CURSOR_BACKWARD};
    char *text = NULL, line[900];
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    for (int way = 0; way < 2; way++) {
        varve_cursor *cursor = NULL;
        varve_event event;
        int result = varve_cursor_session(store, machine, id, way == 0 ? 0 : UINT64_MAX, ways[way], &cursor);
        while (result >= 0 && (result = varve_cursor_next(cursor, &event)) == 1) {
            dump_event(line, sizeof line, &event);
            fprintf(to, "%s\n", line);
        }
        varve_cursor_close(&cursor);
        if (result < 0)
            fprintf(to, "fails: %d %s\n", result, varve_last_error(store));
    }
    fclose(to);
    return text;
}

static int by_time(const void *a, const void *b) {
    int64_t p = *(const int64_t *)a, q = *(const int64_t *)b;
    return p < q ? -1 : p > q;
}

int64_t figures_moment(varve *store, uint32_t percent) {
    static int64_t times[4000];
    size_t count = 0;
    varve_scan *scan = NULL;
    varve_session session;
    if (varve_scan_open(store, &scan) < 0)
        return 0;
    varve_scan_strings(scan, 0);
    while (count < 4000 && varve_scan_next(scan, &session) == 1)
        if ((session.flags & VARVE_SS_HAS_TIME) != 0)
            times[count++] = session.last_activity;
    varve_scan_close(&scan);
    qsort(times, count, sizeof *times, by_time);
    return count == 0 ? 0 : times[count * percent / 101];
}

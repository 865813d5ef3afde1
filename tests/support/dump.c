/*
 * What a store answers, as text. See dump.h.
 */
#include "support/dump.h"

#include "format/hash.h"
#include "support/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 900, SESSIONS_MAX = 4000 };

typedef struct {
    varve *store;
    FILE *to;
    uint32_t seed;
    char (*id)[1100], (*machine)[140];
    bool *deleted;
    size_t sessions;
} dump;

/* ---- One event, one session ---- */

static size_t put_str(char *at, size_t room, int i, varve_str str) {
    if (str.ptr == NULL)
        return 0;
    bool short_one = str.size < 24 && memchr(str.ptr, 0, str.size) == NULL;
    int size = short_one ? snprintf(at, room, " %d='%.*s'", i, (int)str.size, str.ptr)
                         : snprintf(at, room, " %d=%zu:%08llx", i, str.size,
                                    (unsigned long long)vf_sum64(str.ptr, str.size, 0) & 0xFFFFFFFF);
    return (size_t)size < room ? (size_t)size : room - 1;
}

/* Numbers that are not in the line themselves. */
static uint64_t sum_of(const varve_event *e) {
    int64_t numbers[] = {e->time, e->tokens[0], e->tokens[1], e->tokens[2], e->tokens[3], e->tokens[4], e->tokens[5], e->cost,
                         e->duration, e->process_start, (int64_t)e->charge_part, (int64_t)e->position, e->pid, e->turn,
                         e->tool_calls, e->github_issue, e->github_pr, e->git_additions, e->git_deletions, e->price_table,
                         e->source, e->role, e->charge_kind, e->eol, e->status, e->session_type, e->mode, e->channel};
    uint64_t sum = vf_sum64(numbers, sizeof numbers, 0);
    sum = vf_sum64(&e->uid, sizeof e->uid, sum);
    return vf_sum64(&e->charge, sizeof e->charge, sum);
}

void dump_event(char *to, size_t room, const varve_event *e) {
    int used = snprintf(to, room, "%llu k%d %.*s/%.*s %.*s p%x f%x #%016llx", (unsigned long long)e->seq, e->record,
                        (int)e->machine_id.size, e->machine_id.ptr, (int)(e->session_id.size < 60 ? e->session_id.size : 60),
                        e->session_id.ptr, (int)e->type.size, e->type.ptr, e->present, e->flags, (unsigned long long)sum_of(e));
    size_t at = (size_t)used < room ? (size_t)used : room - 1;
    if (e->payload != NULL)
        at += (size_t)snprintf(to + at, room - at, " %zu:%08llx", e->payload_size,
                               (unsigned long long)vf_sum64(e->payload, e->payload_size, 0) & 0xFFFFFFFF);
    for (int i = 0; i < VARVE_STRS && at + 1 < room; i++)
        at += put_str(to + at, room - at, i, e->str[i]);
}

static void put_session(dump *d, const varve_session *s, bool texts) {
    char line[4 * LINE];
    size_t at = 0;
    int64_t numbers[] = {s->first_started, texts ? s->last_started : 0, s->first_ended, texts ? s->last_ended : 0, /* life cycle */
                         s->last_activity, texts ? s->status_time : 0,
                         s->tokens[0], s->tokens[1], s->tokens[2], s->tokens[3], s->tokens[4], s->tokens[5], texts ? s->process_start : 0,
                         texts ? s->pid : 0, texts ? s->github_issue : 0, texts ? s->github_pr : 0, /* stand in records too */
                         texts ? s->git_additions : 0, texts ? s->git_deletions : 0, texts ? s->present : 0, s->sources,
                         texts ? s->status : 0, texts ? s->session_type : 0, texts ? s->mode : 0, texts ? s->channel : 0,
                         s->best_source, texts ? s->eol : 0};
    fprintf(d->to, "session %llu %.*s/%.*s f%x events %llu bytes %llu seq %lld cost %lld+%lld context %lld parent %lld n%u,%u,%u,%u,%u,%u,%u,%u,%u",
            (unsigned long long)s->row, (int)s->machine_id.size, s->machine_id.ptr, (int)s->session_id.size, s->session_id.ptr,
            texts ? s->flags : s->flags & ~(uint32_t)VARVE_SS_ENDED, (unsigned long long)s->events, (unsigned long long)s->payload_bytes, (long long)s->last_seq,
            (long long)s->cost, (long long)s->cost_children, texts ? (long long)s->context : 0, (long long)s->parent_row, s->user_messages,
            s->assistant_messages, s->tool_calls, s->api_requests, s->api_errors, s->compactions, s->turns, texts ? s->revivals : 0, s->children);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        fprintf(d->to, " %lld", (long long)numbers[i]);
    for (int i = 0; i < VARVE_SOURCES; i++) {
        const varve_counters *c = &s->by_source[i];
        fprintf(d->to, " (%llu %lld %u %u %u %u %u %u %u %u", (unsigned long long)c->events, (long long)c->cost, c->costed,
                c->user_messages, c->assistant_messages, c->tool_calls, c->api_requests, c->api_errors, c->compactions, c->turns);
        for (int t = 0; t < VARVE_TOKENS; t++)
            fprintf(d->to, " %lld", (long long)c->tokens[t]);
        fprintf(d->to, ")");
    }
    line[0] = 0;
    for (int i = 0; texts && i < VARVE_STRS; i++)
        at += put_str(line + at, sizeof line - at, i, s->str[i]);
    if (texts)
        at += put_str(line + at, sizeof line - at, 100, s->first_text);
    if (texts)
        at += put_str(line + at, sizeof line - at, 101, s->last_text);
    fprintf(d->to, "%s\n", line);
}

/* ---- Sessions ---- */

static void failed(dump *d, const char *what, int result) {
    if (result < 0)
        fprintf(d->to, "%s fails: %d %s\n", what, result, varve_last_error(d->store));
}

static void copy_text(char *to, size_t room, varve_str text) {
    size_t size = text.size < room ? text.size : room - 1;
    if (size > 0)
        memcpy(to, text.ptr, size);
    to[size] = 0;
}

static void put_sessions(dump *d, bool write) {
    varve_scan *scan;
    varve_session session;
    int result = varve_scan_open(d->store, &scan);
    if (result < 0) {
        failed(d, "scan", result);
        return;
    }
    while ((result = varve_scan_next(scan, &session)) == 1) {
        bool deleted = (session.flags & VARVE_SS_DELETED) != 0;
        if (write)
            put_session(d, &session, !deleted);
        if ((session.flags & VARVE_SS_STUB) != 0 || d->sessions == SESSIONS_MAX)
            continue;
        copy_text(d->id[d->sessions], sizeof *d->id, session.session_id);
        copy_text(d->machine[d->sessions], sizeof *d->machine, session.machine_id);
        d->deleted[d->sessions++] = deleted;
    }
    failed(d, "scan", result);
    varve_scan_close(&scan);
}

static bool is_deleted(const dump *d, const varve_event *event) {
    for (size_t i = 0; i < d->sessions; i++)
        if (d->deleted[i] && strlen(d->id[i]) == event->session_id.size && event->session_id.size > 0 &&
            memcmp(d->id[i], event->session_id.ptr, event->session_id.size) == 0 &&
            strlen(d->machine[i]) == event->machine_id.size &&
            (event->machine_id.size == 0 || memcmp(d->machine[i], event->machine_id.ptr, event->machine_id.size) == 0))
            return true;
    return false;
}

static int put_usage(void *context, const varve_usage *u) {
    dump *d = context;
    fprintf(d->to, "usage %llu %d %d %d%d%d %lld %.*s %u %lld", (unsigned long long)u->session_row, u->kind, u->source, u->has_time,
            u->has_cost, u->lower_bound, (long long)u->time, (int)u->model.size, u->model.ptr == NULL ? "" : u->model.ptr,
            u->price_table, (long long)u->cost);
    for (int t = 0; t < VARVE_TOKENS; t++)
        fprintf(d->to, " %lld", (long long)u->tokens[t]);
    fputc('\n', d->to);
    return 0;
}

static void put_counts(dump *d) {
    varve_stats stats = {.size = sizeof stats};
    failed(d, "stat", varve_stat(d->store, &stats));
    fprintf(d->to, "stat %llu %llu %llu %llu %llu\n", (unsigned long long)stats.sessions, (unsigned long long)stats.stubs,
            (unsigned long long)stats.events, (unsigned long long)stats.charges, (unsigned long long)stats.cursors);
    failed(d, "usage", varve_usage_each(d->store, put_usage, d));
    for (int i = 0; i < 6; i++) {
        char name[32], state[4097] = "";
        snprintf(name, sizeof name, "input-%d", i);
        int size = varve_cursor_state(d->store, varve_cstr(name), state, sizeof state);
        fprintf(d->to, "input %s %d %08llx\n", name, size,
                size < 0 ? 0 : (unsigned long long)vf_sum64(state, (size_t)size, 0) & 0xFFFFFFFF);
    }
}

/* ---- Events ---- */

static uint64_t put_all(dump *d, const char *what, varve_cursor *cursor, bool all, uint64_t wanted, uint64_t *ret_lsn) {
    varve_event event;
    char line[LINE];
    uint64_t count = 0, last = 0;
    int result;
    while ((result = varve_cursor_next(cursor, &event)) == 1) {
        if (!all && is_deleted(d, &event))
            continue;
        if (count == wanted && ret_lsn != NULL)
            *ret_lsn = event.lsn;
        dump_event(line, sizeof line, &event);
        fprintf(d->to, "%s %s\n", what, line);
        if (event.lsn == last)
            fprintf(d->to, "%s: an lsn comes twice\n", what);
        last = event.lsn;
        count++;
    }
    failed(d, what, result);
    varve_cursor_close(&cursor);
    return count;
}

static uint64_t session_events(dump *d, size_t i, uint64_t from, uint32_t flags, const char *what) {
    varve_cursor *cursor;
    int result = varve_cursor_session(d->store, varve_cstr(d->machine[i]), varve_cstr(d->id[i]), from, flags, &cursor);
    fprintf(d->to, "%s of %s/%.60s from %lld\n", what, d->machine[i], d->id[i], (long long)from);
    failed(d, what, result);
    return result < 0 ? 0 : put_all(d, what, cursor, true, 0, NULL);
}

static uint64_t store_events(dump *d, uint64_t from, uint32_t flags, uint64_t wanted, uint64_t *ret_lsn, const char *what) {
    varve_cursor *cursor;
    int result = varve_cursor_store(d->store, from, flags, &cursor);
    fprintf(d->to, "%s of the store\n", what);
    failed(d, what, result);
    return result < 0 ? 0 : put_all(d, what, cursor, false, wanted, ret_lsn);
}

static void put_events(dump *d) {
    for (size_t i = 0; i < d->sessions; i++) {
        if (d->deleted[i])
            continue;
        uint64_t events = session_events(d, i, 0, VARVE_CURSOR_SETTINGS, "forward");
        session_events(d, i, UINT64_MAX, VARVE_CURSOR_BACKWARD, "backward");
        uint64_t seq = work_mix(d->seed, (uint32_t)i, 1) % (events + 2);
        session_events(d, i, seq, 0, "forward");
        session_events(d, i, seq, VARVE_CURSOR_BACKWARD | VARVE_CURSOR_SETTINGS, "backward");
    }
    uint64_t lsn = 0, count = store_events(d, 0, VARVE_CURSOR_SETTINGS, UINT64_MAX, NULL, "all");
    store_events(d, UINT64_MAX, VARVE_CURSOR_BACKWARD, work_mix(d->seed, 1, 1) % (count + 1), &lsn, "all back");
    store_events(d, lsn, 0, 0, NULL, "from there");
    store_events(d, lsn, VARVE_CURSOR_BACKWARD, 0, NULL, "back from there");
}

/* ---- Queries ---- */

static void put_query(dump *d, const char *what, const varve_event_filter *filter, bool all) {
    varve_cursor *cursor;
    int result = varve_event_list(d->store, filter, &cursor);
    fprintf(d->to, "%s\n", what);
    failed(d, what, result);
    uint64_t given = result < 0 ? 0 : put_all(d, what, cursor, all, 0, NULL), count = 0;
    if (!all || filter->limit != 0)
        return;
    failed(d, what, varve_event_count(d->store, filter, &count));
    if (count != given)
        fprintf(d->to, "%s: %llu counted, %llu given\n", what, (unsigned long long)count, (unsigned long long)given);
}

static void put_queries(dump *d) {
    varve_event_filter filter;
    varve_event_filter_init(&filter);
    filter.flags = VARVE_EVENTS_BY_TIME;
    put_query(d, "by time", &filter, true);
    filter.flags |= VARVE_EVENTS_REVERSE | VARVE_EVENTS_SETTINGS;
    filter.limit = 40;
    put_query(d, "by time, newest", &filter, true);
    varve_event_filter_init(&filter);
    filter.flags = VARVE_EVENTS_HIDDEN | VARVE_EVENTS_REVERSE;
    put_query(d, "hidden too", &filter, false);
    varve_str types[] = {varve_cstr("assistant"), varve_cstr("of-no-number")};
    varve_event_filter_init(&filter);
    filter.types = types;
    filter.type_count = 2;
    filter.sources = 1u << VARVE_SOURCE_TRANSCRIPT | 1u << VARVE_SOURCE_API;
    put_query(d, "types", &filter, true);
    varve_event_filter_init(&filter);
    filter.after_time = 1700000000000000000 + (int64_t)(work_mix(d->seed, 2, 2) % 1000) * 1000000000;
    filter.framework = varve_cstr("claude_code");
    put_query(d, "framework", &filter, true);
    varve_str ids[2] = {varve_cstr("s-1"), varve_cstr("s-2")};
    varve_event_filter_init(&filter);
    filter.session_ids = ids;
    filter.session_count = 2;
    filter.flags = VARVE_EVENTS_REVERSE;
    filter.roles = 1u << VARVE_ROLE_USER | 1u << VARVE_ROLE_NONE;
    put_query(d, "two sessions", &filter, false);
}

static void put_lists(dump *d) {
    for (uint32_t order = VARVE_ORDER_ARRIVAL; order <= VARVE_ORDER_COST; order++) {
        varve_session_filter filter;
        varve_list *list;
        varve_session session;
        varve_session_filter_init(&filter);
        filter.order = order;
        filter.flags = order % 2 == 0 ? (uint32_t)(VARVE_LIST_STUBS | VARVE_LIST_SUBAGENTS | VARVE_LIST_HIDDEN) : 0u;
        if (order == VARVE_ORDER_ACTIVITY)
            filter.labels = varve_cstr("team=a");
        int result = varve_session_list(d->store, &filter, &list);
        fprintf(d->to, "list %u\n", order);
        failed(d, "list", result);
        if (result < 0)
            continue;
        while ((result = varve_list_next(list, &session)) == 1)
            put_session(d, &session, true);
        failed(d, "list", result);
        varve_list_close(&list);
    }
}

char *dump_store(varve *store, uint32_t what, uint32_t seed) {
    char *text = NULL;
    size_t size = 0;
    dump d = {.store = store, .seed = seed};
    d.to = open_memstream(&text, &size);
    d.id = calloc(SESSIONS_MAX, sizeof *d.id);
    d.machine = calloc(SESSIONS_MAX, sizeof *d.machine);
    d.deleted = calloc(SESSIONS_MAX, sizeof *d.deleted);
    put_sessions(&d, (what & DUMP_RECORDS) != 0);
    if ((what & DUMP_RECORDS) != 0)
        put_counts(&d);
    if ((what & DUMP_EVENTS) != 0)
        put_events(&d);
    if ((what & DUMP_QUERIES) != 0) {
        put_queries(&d);
        put_lists(&d);
    }
    fclose(d.to);
    free(d.id);
    free(d.machine);
    free(d.deleted);
    return text;
}

bool dump_equal(const char *name, const char *expected, const char *found) {
    const char *a = expected, *b = found, *line_a = a, *line_b = b;
    uint64_t line = 1;
    for (; *a != 0 && *a == *b; a++, b++)
        if (*a == '\n') {
            line++;
            line_a = a + 1;
            line_b = b + 1;
        }
    if (*a == *b)
        return true;
    return work_wrong("%s: line %llu is\n  %.*s\nwhere there should be\n  %.*s", name, (unsigned long long)line,
                      (int)strcspn(line_b, "\n"), line_b, (int)strcspn(line_a, "\n"), line_a);
}

/*
 * Events by filter and order.
 *
 * They come from one cursor over the store, or from one for each session that is named, merged by
 * lsn. What the frame tells is looked at first, then whether the event is hidden, then the body.
 */
#include "engine/array.h"
#include "engine/heap.h"
#include "engine/read.h"
#include "engine/recover.h"
#include "engine/store.h"

#include <stdlib.h>

/* Where the rewinds of a session lie, and what each one kept. */
typedef struct {
    vf_key session;
    uint64_t *lsn, *keep;
    size_t count, room[2];
} rewinds;

typedef struct {
    varve_cursor *cursor;
    vf_key session;  /* zero: of all */
    ve_record place; /* its next record */
    bool loaded, done;
} source;

/* 24 bytes an event that waits for its turn. */
typedef struct {
    int64_t time;
    uint64_t lsn;
    uint32_t source;
} entry;

struct ve_query {
    varve *store;
    varve_event_filter filter;
    source *sources;
    size_t source_count;
    rewinds *rewound;
    size_t rewound_count, rewound_room;
    vf_key last; /* whose row was looked at last */
    uint32_t last_flags;
    uint32_t last_framework;
    uint32_t framework; /* names row + 1 of the one that is asked for; 0 = nobody has it */
    uint64_t tail;      /* what was hidden later is there */
    bool collected;
    ve_heap heap;
    uint64_t left;
};

void varve_event_filter_init(varve_event_filter *filter) {
    *filter = (varve_event_filter){.size = sizeof *filter,
                                   .after_time = INT64_MIN,
                                   .before_time = INT64_MAX,
                                   .before_lsn = UINT64_MAX};
}

static bool equal(varve_str a, varve_str b) {
    return a.ptr != NULL && a.size == b.size && memcmp(a.ptr, b.ptr, a.size) == 0;
}

static bool has_flag(const ve_query *query, uint32_t flag) {
    return (query->filter.flags & flag) != 0;
}

/* ---- What is hidden ---- */

/* A session's row; zeros if it has none. */
static int read_row(varve *store, vf_key session, ve_session_image *ret) {
    uint32_t row;
    int result = ve_look_up(store, VF_TABLE_SESSIONS, session, &row);
    memset(ret, 0, sizeof *ret);
    if (result < 0 || row == UINT32_MAX)
        return result;
    return ve_need_row(store, VF_TABLE_SESSIONS, row, true, ret);
}

/* Flags and framework of a session's row. */
static int look_at(ve_query *query, vf_key session) {
    if (query->last_flags != 0 && vf_key_equal(query->last, session))
        return VARVE_OK;
    ve_session_image row;
    int result = read_row(query->store, session, &row);
    if (result < 0)
        return result;
    query->last = session;
    query->last_flags = vf_get32(row.hot.flags);
    if (vf_get64(row.cold.ref[VF_REF_TOMBSTONE]) >= query->tail)
        query->last_flags &= ~(uint32_t)VF_SR_DELETED;
    query->last_framework = vf_get32(row.hot.framework);
    return VARVE_OK;
}

/* Notes a session's rewinds: its records are walked back once. Behind a FORK they are the parent's.
 */
static int walk_rewinds(ve_query *query, rewinds *of) {
    varve *store = query->store;
    ve_session_image row;
    vf_frame frame;
    int result = read_row(store, of->session, &row);
    if (result < 0)
        return result;
    for (uint64_t lsn = vf_get64(row.hot.last_lsn); lsn != 0; lsn = vf_get64(frame.prev)) {
        if ((result = ve_log_frame(store, &of->session, lsn, &frame)) < 0)
            return ve_is_damage(result) ? VARVE_OK : result;
        if (frame.kind == VF_KIND_FORK || frame.kind == VF_KIND_BASE)
            break;
        if (frame.kind != VF_KIND_REWIND || lsn >= query->tail)
            continue;
        vf_mark_fixed mark;
        ve_record record;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        bool whole = ve_log_record(store, &of->session, lsn, &record) == VARVE_OK &&
                     ve_record_mark(&record, &mark);
        ve_hold_end(store, &own, before);
        if (!whole)
            continue;
        if (!ve_grow(&of->lsn, &of->room[0], of->count + 1, sizeof *of->lsn) ||
            !ve_grow(&of->keep, &of->room[1], of->count + 1, sizeof *of->keep))
            return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
        of->lsn[of->count] = lsn;
        of->keep[of->count++] = vf_get64(mark.seq);
    }
    return VARVE_OK;
}

/* The walk begins with what the session has now, which may be newer than what the cursor reads by.
 */
static int note_rewinds(ve_query *query, rewinds *of) {
    ve_layout *reading = query->store->reading;
    query->store->reading = NULL;
    int result = walk_rewinds(query, of);
    query->store->reading = reading;
    return result;
}

/* 1 if a rewind behind the event hides it. */
static int is_rewound(ve_query *query, const ve_record *place) {
    rewinds *of = NULL;
    for (size_t i = 0; i < query->rewound_count && of == NULL; i++)
        if (vf_key_equal(query->rewound[i].session, place->frame.session))
            of = &query->rewound[i];
    if (of == NULL) {
        if (!ve_grow(&query->rewound, &query->rewound_room, query->rewound_count + 1,
                     sizeof *query->rewound))
            return ve_fail(query->store, VARVE_E_NO_MEMORY, "no memory");
        of = &query->rewound[query->rewound_count++];
        *of = (rewinds){.session = place->frame.session};
        int result = note_rewinds(query, of);
        if (result < 0)
            return result;
    }
    for (size_t i = 0; i < of->count; i++)
        if (of->lsn[i] > place->lsn && of->keep[i] < vf_get64(place->frame.seq))
            return 1;
    return 0;
}

/* ---- What fits ---- */

/* What the frame tells, and for types without a number the body. */
static bool frame_fits(const ve_query *query, const ve_record *place, varve_str named) {
    const varve_event_filter *f = &query->filter;
    bool by_time = f->after_time != INT64_MIN || f->before_time != INT64_MAX;
    int64_t time = vf_get_i64(place->frame.time);
    if (by_time && ((place->frame.flags & VF_FRAME_HAS_TIME) == 0 || time < f->after_time ||
                    (f->before_time != INT64_MAX && time >= f->before_time)))
        return false;
    uint16_t number = vf_get16(place->frame.type);
    bool request = place->frame.kind == VF_KIND_EVENT && number == VF_TYPE_API_REQUEST;
    if ((has_flag(query, VARVE_EVENTS_API_REQUESTS) && !request) ||
        (has_flag(query, VARVE_EVENTS_NO_API_REQUESTS) && request))
        return false;
    const char *name = vf_type_name(number);
    bool fits = f->type_count == 0;
    for (size_t i = 0; i < f->type_count && !fits; i++)
        fits = equal(name != NULL ? varve_cstr(name) : named, f->types[i]);
    return fits;
}

static bool in_mask(uint32_t mask, uint8_t value) {
    return mask == 0 || (mask & 1u << (value & 31)) != 0;
}

static bool body_fits(const ve_query *query, const vf_body *body) {
    const varve_event_filter *f = &query->filter;
    varve_str mode = {body->str[VF_STR_PERMISSION_MODE].ptr,
                      body->str[VF_STR_PERMISSION_MODE].size};
    varve_str framework = {body->str[VF_STR_FRAMEWORK].ptr, body->str[VF_STR_FRAMEWORK].size};
    if (!in_mask(f->sources, body->fixed.source) || !in_mask(f->roles, body->fixed.role) ||
        (f->permission_mode.ptr != NULL && !equal(mode, f->permission_mode)))
        return false;
    if (f->framework.ptr == NULL)
        return true;
    if (framework.ptr != NULL)
        return equal(framework, f->framework);
    return query->framework != 0 && query->last_framework == query->framework;
}

/* 1 or 0, or an error. 'shown_by': the session that it was asked of, zero if all were. */
static int fits(ve_query *query, const ve_record *place, vf_key shown_by) {
    const varve_event_filter *f = &query->filter;
    bool any = vf_key_is_zero(shown_by);
    bool has_body = place->frame.kind != VF_KIND_REWIND && place->frame.kind != VF_KIND_TOMBSTONE;
    bool by_body = f->sources != 0 || f->roles != 0 || f->permission_mode.ptr != NULL ||
                   f->framework.ptr != NULL;
    bool unnamed = f->type_count > 0 && vf_get16(place->frame.type) == 0;
    vf_body body;
    if ((by_body || unnamed) && (!has_body || ve_record_body(query->store, place, &body) < 0))
        return 0;
    varve_str named = {NULL, 0};
    if (unnamed)
        named = (varve_str){body.str[VF_STR_TYPE].ptr, body.str[VF_STR_TYPE].size};
    if (!frame_fits(query, place, named))
        return 0;
    bool hides = any && !has_flag(query, VARVE_EVENTS_HIDDEN);
    int result = hides || f->framework.ptr != NULL
                     ? look_at(query, any ? place->frame.session : shown_by)
                     : VARVE_OK;
    if (result < 0 || (by_body && !body_fits(query, &body)))
        return result;
    if (!hides)
        return 1;
    if ((query->last_flags & VF_SR_DELETED) != 0)
        return 0;
    result = (query->last_flags & VF_SR_REWOUND) != 0 && place->frame.kind == VF_KIND_EVENT
                 ? is_rewound(query, place)
                 : 0;
    return result < 0 ? result : !result;
}

/* The next that fits of one source: 1, or 0 at its end. */
static int next_of(ve_query *query, source *from, ve_record *ret) {
    int found;
    while ((found = ve_cursor_next(from->cursor, ret)) == 1) {
        int fit = fits(query, ret, from->session);
        if (fit != 0)
            return fit;
    }
    return found;
}

/* The next that fits of all sources, by lsn. */
static int next_merged(ve_query *query, ve_record *ret, uint32_t *ret_source) {
    source *best = NULL;
    bool reverse = has_flag(query, VARVE_EVENTS_REVERSE) && !has_flag(query, VARVE_EVENTS_BY_TIME);
    for (size_t i = 0; i < query->source_count; i++) {
        source *one = &query->sources[i];
        if (!one->loaded && !one->done) {
            int found = next_of(query, one, &one->place);
            if (found < 0)
                return found;
            one->loaded = found == 1;
            one->done = found == 0;
        }
        if (one->loaded && (best == NULL || (reverse ? one->place.lsn > best->place.lsn
                                                     : one->place.lsn < best->place.lsn)))
            best = one;
    }
    if (best == NULL)
        return 0;
    *ret = best->place;
    *ret_source = (uint32_t)(best - query->sources);
    best->loaded = false;
    return 1;
}

/* ---- By time ---- */

static int before(void *context, void *a_item, void *b_item) {
    const ve_query *query = context;
    const entry *a = a_item, *b = b_item;
    if (has_flag(query, VARVE_EVENTS_REVERSE)) {
        a = b_item;
        b = a_item;
    }
    if (a->time != b->time)
        return a->time < b->time;
    return a->lsn != b->lsn ? a->lsn < b->lsn : a->source < b->source;
}

static int collect(ve_query *query) {
    query->heap = (ve_heap){.item_size = sizeof(entry), .before = before, .context = query};
    query->heap.limit = query->filter.limit < SIZE_MAX ? (size_t)query->filter.limit : 0;
    ve_record place;
    uint32_t from;
    int found;
    while ((found = next_merged(query, &place, &from)) == 1) {
        entry one = {.time = vf_get_i64(place.frame.time), .lsn = place.lsn, .source = from};
        if (!ve_heap_add(&query->heap, &one))
            return ve_fail(query->store, VARVE_E_NO_MEMORY, "no memory");
    }
    query->collected = true;
    return found;
}

static int next_by_time(ve_query *query, ve_record *ret, uint32_t *ret_source) {
    entry one;
    int result = query->collected ? VARVE_OK : collect(query);
    if (result < 0 || !ve_heap_take(&query->heap, &one))
        return result;
    *ret_source = one.source;
    ve_hold_drop(query->store, query->store->hold);
    result = ve_log_record(query->store, NULL, one.lsn, ret);
    return result < 0 ? result : 1;
}

int ve_query_next(ve_query *query, varve_event *ret_event) {
    ve_record place;
    uint32_t from = 0;
    if (query->left == 0)
        return 0;
    for (;;) {
        bool by_time = has_flag(query, VARVE_EVENTS_BY_TIME);
        int found =
            by_time ? next_by_time(query, &place, &from) : next_merged(query, &place, &from);
        if (found == 1) {
            vf_key asked = query->sources[from].session;
            vf_key shown_by = vf_key_is_zero(asked) ? place.frame.session : asked;
            found = ve_event_fill(query->store, shown_by, &place, ret_event);
            query->left -= found == VARVE_OK;
            found = found == VARVE_OK ? 1 : found;
        }
        if (!ve_is_damage(found)) /* that is stepped over */
            return found;
    }
}

/* ---- Opening ---- */

void ve_query_close(ve_query *query) {
    if (query == NULL)
        return;
    for (size_t i = 0; i < query->source_count; i++)
        varve_cursor_close(&query->sources[i].cursor);
    for (size_t i = 0; i < query->rewound_count; i++) {
        free(query->rewound[i].lsn);
        free(query->rewound[i].keep);
    }
    free(query->rewound);
    free(query->sources);
    free(query->heap.items);
    free(query);
}

static int open_sources(ve_query *query) {
    varve *store = query->store;
    const varve_event_filter *f = &query->filter;
    bool back = has_flag(query, VARVE_EVENTS_REVERSE) && !has_flag(query, VARVE_EVENTS_BY_TIME);
    uint32_t flags = back ? VARVE_CURSOR_BACKWARD : 0u;
    flags |= has_flag(query, VARVE_EVENTS_SETTINGS) ? (uint32_t)VARVE_CURSOR_SETTINGS : 0u;
    size_t count = f->session_count > 0 ? f->session_count : 1;
    query->sources = calloc(count, sizeof *query->sources);
    if (query->sources == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    uint64_t seq = back && f->from_seq == 0 ? UINT64_MAX : f->from_seq;
    if (f->session_count == 0) {
        query->source_count = 1;
        int result =
            ve_cursor_store(store, f->after_lsn, f->before_lsn, flags, &query->sources[0].cursor);
        if (result == VARVE_OK)
            ve_cursor_times(query->sources[0].cursor, f->after_time, f->before_time);
        return result;
    }
    for (size_t i = 0; i < count; i++) {
        varve_str id = f->session_ids[i];
        varve_str machine = f->machine_ids != NULL && f->machine_ids[i].ptr != NULL
                                ? f->machine_ids[i]
                                : store->machine;
        source *one = &query->sources[query->source_count++];
        one->session = vf_session_key(machine.ptr, machine.size, id.ptr, id.size);
        int result = ve_cursor_session(store, one->session, seq, f->after_lsn, f->before_lsn, flags,
                                       &one->cursor);
        if (result == VARVE_E_NOT_FOUND)
            ve_fail(store, result, "no session '%.*s'", (int)id.size, id.ptr);
        if (result < 0)
            return result;
    }
    return VARVE_OK;
}

static int open_query(varve *store, const varve_event_filter *filter, ve_query **ret_query) {
    enum { WAITS = 100, WAIT_NS = 100000 };
    int result = ve_enter(store);
    if (result == VARVE_OK)
        result = ve_follow_index(store);
    if (result < 0)
        return result;
    ve_query *query = calloc(1, sizeof *query);
    if (query == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    query->store = store;
    query->tail = ve_tail(store);
    varve_event_filter *f = &query->filter;
    varve_event_filter_init(f);
    if (filter != NULL)
        memcpy(f, filter, filter->size < sizeof *f ? filter->size : sizeof *f);
    if (f->framework.ptr != NULL) {
        ve_await_index(store, query->tail, WAITS, WAIT_NS); /* the rows say which a session has */
        size_t size = f->framework.size < VF_NAME_MAX ? f->framework.size : VF_NAME_MAX;
        result =
            ve_look_up(store, VF_TABLE_NAMES, vf_string_key(VF_SPACE_NAME, f->framework.ptr, size),
                       &query->framework);
        query->framework++; /* of UINT32_MAX: none */
    }
    if (result == VARVE_OK && f->session_count == 0 && f->from_seq != 0)
        result = ve_fail(store, VARVE_E_ARGUMENT, "from_seq wants sessions");
    if (result == VARVE_OK)
        result = open_sources(query);
    if (result < 0)
        ve_query_close(query);
    else
        *ret_query = query;
    return result;
}

int varve_event_list(varve *store, const varve_event_filter *filter, varve_cursor **ret_cursor) {
    VE_TURN(store);
    ve_query *query;
    int result = open_query(store, filter, &query);
    if (result < 0)
        return result;
    query->left = query->filter.limit > 0 ? query->filter.limit : UINT64_MAX;
    if ((result = ve_cursor_query(store, query, ret_cursor)) < 0)
        ve_query_close(query);
    return result;
}

int varve_event_count(varve *store, const varve_event_filter *filter, uint64_t *ret_count) {
    VE_TURN(store);
    ve_query *query;
    int result = open_query(store, filter, &query);
    if (result < 0)
        return result;
    ve_record place;
    uint32_t from;
    uint64_t count = 0;
    while ((result = next_merged(query, &place, &from)) == 1)
        count++;
    ve_query_close(query);
    if (result < 0)
        return result;
    *ret_count = count;
    return VARVE_OK;
}

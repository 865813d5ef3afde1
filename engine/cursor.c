/*
 * Cursors: events of one session by seq, or of the store by lsn, as they were when the cursor was
 * opened.
 *
 * A session's records are chained backwards. To read forwards without keeping every position, one
 * walk back notes the lsn of each STRIDE-th record; then each stretch is walked back again and read
 * forwards. The store's records are not chained backwards: to read them so, each segment is read
 * forwards for the lsns of its records, which are then taken from the last.
 */
#include "engine/array.h"
#include "engine/read.h"
#include "engine/recover.h"
#include "engine/store.h"

#include <stdlib.h>

enum { STRIDE = 4096 };

typedef struct {
    uint64_t lsn;
    vf_key session; /* whose record it is */
    ve_packed
        *file; /* set: the records [first, last] of a packed segment, which follow each other */
    uint32_t first, last;
} mark;

struct varve_cursor {
    varve *store;
    uint32_t flags;
    uint64_t tail;  /* of the snapshot */
    uint64_t limit; /* only records that begin before it */
    uint64_t after; /* only records behind it */
    bool by_session, scanning;
    vf_key session;
    uint64_t at; /* store, scanning: next lsn; backward: lsn of the next record, 0 = done */
    uint64_t from_seq;
    uint32_t segment; /* store, backward: those up to this one are still to be read */
    mark *marks; /* the last record of each stretch, newest first; store, backward: each record */
    size_t mark_count, marks_room;
    vf_key whose;                    /* going back: whose record the next one should be, */
    bool foreign;                    /* unless this is set */
    mark run;                        /* packed records that are being given */
    uint64_t floor;                  /* the last of these: what is older was given */
    int64_t after_time, before_time; /* nothing else is wanted: packed segments that hold nothing of
                                        it are left out */
    const ve_unit *unit;
    ve_record last; /* the one that was given of it */
    mark *stretch;  /* the records of one stretch, newest first */
    size_t stretch_count, stretch_at, stretch_room;
    size_t walked;   /* the stretch is that of this mark (+1): the walk that noted it ended there */
    ve_query *query; /* set: what is given comes from there */
    ve_layout *layout; /* its files are kept */
    ve_hold hold;      /* what was given last */
};

/* With the events these are the records that a session's chain leads through. */
static bool is_setting(uint8_t kind) {
    return kind == VF_KIND_SESSION || kind == VF_KIND_FORK || kind == VF_KIND_REWIND ||
           kind == VF_KIND_TOMBSTONE;
}

static bool wanted_kind(const varve_cursor *cursor, uint8_t kind) {
    return kind == VF_KIND_EVENT ||
           (is_setting(kind) && (cursor->flags & VARVE_CURSOR_SETTINGS) != 0);
}

/* ---- Opening ---- */

/* A packed segment has a session's records in one piece: they need not be walked. */
static int packed_run(varve_cursor *cursor, mark *run, uint64_t *ret_older) {
    int found = ve_layout_file(cursor->store, run->lsn, &run->file);
    if (found == 1)
        found = ve_packed_stretch(cursor->store, run->file, &run->session, run->lsn, &run->first,
                                  &run->last, ret_older);
    return found;
}

static int add_mark(varve_cursor *cursor, const mark *at) {
    if (!ve_grow(&cursor->marks, &cursor->marks_room, cursor->mark_count + 1,
                 sizeof *cursor->marks))
        return ve_fail(cursor->store, VARVE_E_NO_MEMORY, "no memory");
    cursor->marks[cursor->mark_count++] = *at;
    return VARVE_OK;
}

static int add_to_stretch(varve_cursor *cursor, uint64_t lsn, vf_key session) {
    if (!ve_grow(&cursor->stretch, &cursor->stretch_room, cursor->stretch_count + 1,
                 sizeof *cursor->stretch))
        return ve_fail(cursor->store, VARVE_E_NO_MEMORY, "no memory");
    cursor->stretch[cursor->stretch_count++] = (mark){.lsn = lsn, .session = session};
    return VARVE_OK;
}

/* Walks back from the newest record, noting the end of each stretch, and of the last one every
 * record: that is the first to be given. A broken chain makes the cursor scan. */
static int note_stretches(varve_cursor *cursor, uint64_t last_lsn) {
    uint64_t lsn = last_lsn, count = 0;
    vf_key of = cursor->session;
    bool any =
        false; /* behind a FORK, and where a fork was rewound to, the records may be the parent's */
    while (lsn != 0) {
        vf_frame frame;
        uint64_t older = 0;
        int result = ve_log_frame(cursor->store, any ? NULL : &of, lsn, &frame);
        if (result == VARVE_OK && !any && !vf_key_equal(frame.session, of))
            result = VARVE_E_CORRUPT;
        if (result == VARVE_OK)
            result = ve_log_older(cursor->store, lsn, &frame, &older);
        if (result < 0 && !ve_is_damage(result))
            return result;
        if (result < 0) {
            cursor->scanning = true;
            cursor->at = ve_log_first(cursor->store);
            return VARVE_OK;
        }
        of = frame.session;
        any = frame.kind == VF_KIND_FORK || frame.kind == VF_KIND_REWIND;
        if (lsn <= cursor->after || (lsn < cursor->limit && vf_get64(frame.seq) < cursor->from_seq))
            break;
        mark run = {.lsn = lsn, .session = of};
        int packed = any ? 0 : packed_run(cursor, &run, &older);
        if (packed < 0)
            return packed;
        result = VARVE_OK;
        if (packed == 1) {
            if ((result = add_mark(cursor, &run)) < 0)
                return result;
            count = 0; /* raw records begin a stretch of their own */
            lsn = older;
            continue;
        }
        if (lsn < cursor->limit) {
            if (count++ % STRIDE == 0) {
                result = add_mark(cursor, &(mark){.lsn = lsn, .session = frame.session});
                cursor->stretch_count = 0;
                cursor->walked = cursor->mark_count;
            }
            if (result < 0 || (result = add_to_stretch(cursor, lsn, frame.session)) < 0)
                return result;
        }
        lsn = older;
    }
    return VARVE_OK;
}

static int new_cursor(varve *store, uint32_t flags, varve_cursor **ret_cursor) {
    varve_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    cursor->store = store;
    cursor->after_time = INT64_MIN;
    cursor->before_time = INT64_MAX;
    cursor->flags = flags;
    cursor->limit = cursor->tail = ve_tail(store);
    int result = ve_layout_keep(store, cursor->tail, &cursor->layout);
    if (result < 0)
        free(cursor);
    else
        *ret_cursor = cursor;
    return result;
}

/* What is published stands in the log before the session's row knows of it: the last record of the
 * session behind 'from', or *last as it was. */
static int find_newest(varve_cursor *cursor, uint64_t from, uint64_t *last) {
    ve_record record;
    int found = 0;
    while (from < cursor->tail &&
           (found = ve_log_next(cursor->store, from, cursor->tail, &record, NULL)) == 1) {
        from = record.lsn + vf_get32(record.frame.length);
        uint8_t kind = record.frame.kind;
        if ((kind == VF_KIND_EVENT || is_setting(kind)) &&
            vf_key_equal(record.frame.session, cursor->session))
            *last = record.lsn;
    }
    return found < 0 ? found : VARVE_OK;
}

int ve_cursor_session(varve *store, vf_key key, uint64_t from_seq, uint64_t after, uint64_t limit,
                      uint32_t flags, varve_cursor **ret_cursor) {
    vf_hot hot = {0};
    uint32_t row;
    uint64_t applied = ve_applied(store);
    int result = ve_look_up(store, VF_TABLE_SESSIONS, key, &row);
    if (result < 0)
        return result;
    varve_cursor *cursor;
    if (row != UINT32_MAX && (result = ve_need_row(store, VF_TABLE_SESSIONS, row, false, &hot)) < 0)
        return result;
    if ((result = new_cursor(store, flags, &cursor)) < 0)
        return result;
    cursor->by_session = true;
    cursor->session = cursor->whose = key;
    cursor->from_seq = from_seq;
    cursor->after = after;
    cursor->limit = limit < cursor->limit ? limit : cursor->limit;
    uint64_t last = vf_get64(hot.last_lsn);
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    result = find_newest(cursor, applied, &last);
    ve_hold_end(store, &own, before);
    if (result == VARVE_OK && row == UINT32_MAX && last == 0)
        result = ve_fail(store, VARVE_E_NOT_FOUND, "no such session");
    if ((flags & VARVE_CURSOR_BACKWARD) != 0)
        cursor->at = last;
    else if (result == VARVE_OK)
        result = note_stretches(cursor, last);
    if (result < 0)
        varve_cursor_close(&cursor);
    else
        *ret_cursor = cursor;
    return result;
}

int ve_cursor_store(varve *store, uint64_t after, uint64_t limit, uint32_t flags,
                    varve_cursor **ret_cursor) {
    varve_cursor *cursor;
    int result = new_cursor(store, flags, &cursor);
    if (result < 0)
        return result;
    vf_frame frame;
    cursor->scanning = true;
    cursor->after = after;
    cursor->limit = limit < cursor->limit ? limit : cursor->limit;
    cursor->segment = vf_lsn_segment(cursor->limit);
    if (after < ve_log_first(store))
        cursor->at = ve_log_first(store);
    else if (after >= cursor->limit)
        cursor->at = cursor->limit;
    else if (after % VF_RECORD_ALIGN == 0 && ve_log_frame(store, NULL, after, &frame) == VARVE_OK)
        cursor->at = after + vf_get32(frame.length); /* nothing need be looked for */
    else
        cursor->at = (after / VF_RECORD_ALIGN + 1) * VF_RECORD_ALIGN;
    *ret_cursor = cursor;
    return VARVE_OK;
}

int ve_cursor_query(varve *store, ve_query *query, varve_cursor **ret_cursor) {
    varve_cursor *cursor;
    int result = new_cursor(store, 0, &cursor);
    if (result < 0)
        return result;
    cursor->query = query;
    *ret_cursor = cursor;
    return VARVE_OK;
}

int varve_cursor_session(varve *store, varve_str machine_id, varve_str session_id,
                         uint64_t from_seq, uint32_t flags, varve_cursor **ret_cursor) {
    VE_TURN(store);
    vf_key key;
    int result = ve_ask_for(store, machine_id, session_id, &key);
    if (result < 0)
        return result;
    result = ve_cursor_session(store, key, from_seq, 0, UINT64_MAX, flags, ret_cursor);
    if (result == VARVE_E_NOT_FOUND)
        ve_fail(store, result, "no session '%.*s'", (int)session_id.size, session_id.ptr);
    return result;
}

int varve_cursor_store(varve *store, uint64_t from_lsn, uint32_t flags, varve_cursor **ret_cursor) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result == VARVE_OK)
        result = ve_follow_index(store);
    if (result < 0)
        return result;
    bool backward = (flags & VARVE_CURSOR_BACKWARD) != 0;
    uint64_t after = backward || from_lsn == 0 ? 0 : from_lsn - 1;
    return ve_cursor_store(store, after,
                           backward && from_lsn < UINT64_MAX ? from_lsn + 1 : UINT64_MAX, flags,
                           ret_cursor);
}

void varve_cursor_close(varve_cursor **cursor_at) {
    varve_cursor *cursor = cursor_at == NULL ? NULL : *cursor_at;
    if (cursor == NULL)
        return;
    VE_TURN(cursor->store);
    ve_query_close(cursor->query);
    ve_hold_free(cursor->store, &cursor->hold);
    ve_layout_release(cursor->store, cursor->layout);
    free(cursor->stretch);
    free(cursor->marks);
    free(cursor);
    *cursor_at = NULL;
}

/* ---- Reading ---- */

void ve_cursor_times(varve_cursor *cursor, int64_t after, int64_t before) {
    cursor->after_time = after;
    cursor->before_time = before;
}

/* Goes on behind packed segments that hold nothing of the time that is asked for. */
static void skip_by_time(varve_cursor *cursor) {
    const vf_packed_footer *footer;
    ve_packed *file;
    while (ve_layout_file(cursor->store, cursor->at, &file) == 1) {
        footer = &file->footer;
        if (vf_get_i64(footer->time_max) >= cursor->after_time &&
            (cursor->before_time == INT64_MAX ||
             vf_get_i64(footer->time_min) < cursor->before_time))
            return;
        cursor->at = file->end;
    }
}

static int next_scanning(varve_cursor *cursor, ve_record *ret) {
    int found;
    if (cursor->after_time != INT64_MIN || cursor->before_time != INT64_MAX)
        skip_by_time(cursor);
    while ((found = ve_log_next(cursor->store, cursor->at, cursor->tail, ret, NULL)) == 1) {
        if (ret->lsn >= cursor->limit)
            return 0;
        cursor->at = ret->lsn + vf_get32(ret->frame.length);
        bool mine = !cursor->by_session ||
                    (vf_key_equal(ret->frame.session, cursor->session) &&
                     vf_get64(ret->frame.seq) >= cursor->from_seq && ret->lsn > cursor->after);
        if (mine && wanted_kind(cursor, ret->frame.kind))
            return 1;
        ve_hold_drop(cursor->store, &cursor->hold);
    }
    return found;
}

/* Notes the lsns of the last segment that was not read yet. */
static int note_segment(varve_cursor *cursor) {
    uint32_t number = cursor->segment--;
    uint64_t at = vf_lsn(number, VF_SEGMENT_HEADER), end = vf_lsn(number + 1, 0);
    end = end < cursor->tail ? end : cursor->tail;
    if (at <= cursor->after || at < ve_log_first(cursor->store))
        cursor->segment = 0;
    ve_record record;
    int found;
    while ((found = ve_log_next(cursor->store, at, end, &record, NULL)) == 1 &&
           record.lsn < cursor->limit) {
        at = record.lsn + vf_get32(record.frame.length);
        ve_hold_drop(cursor->store, &cursor->hold);
        bool mine = !cursor->by_session || (vf_key_equal(record.frame.session, cursor->session) &&
                                            vf_get64(record.frame.seq) <= cursor->from_seq);
        if (record.lsn <= cursor->after || !mine || !wanted_kind(cursor, record.frame.kind))
            continue;
        int result = add_mark(cursor, &(mark){.lsn = record.lsn, .session = record.frame.session});
        if (result < 0)
            return result;
    }
    return found < 0 ? found : VARVE_OK;
}

static int next_scanning_backward(varve_cursor *cursor, ve_record *ret) {
    for (;;) {
        if (cursor->mark_count == 0 && cursor->segment == 0)
            return 0;
        int result = cursor->mark_count == 0 ? note_segment(cursor) : VARVE_OK;
        if (result < 0)
            return result;
        if (cursor->mark_count == 0)
            continue;
        const mark *at = &cursor->marks[--cursor->mark_count];
        result = ve_log_record(cursor->store, &at->session, at->lsn, ret);
        if (!ve_is_damage(result))
            return result < 0 ? result : 1;
    }
}

/* Whose record one is expected to be, going back: behind a FORK, and where a REWIND leads, it may
 * be the parent's. */
static const vf_key *expected(const varve_cursor *cursor) {
    return cursor->foreign ? NULL : &cursor->whose;
}

static void expect(varve_cursor *cursor, const vf_frame *frame) {
    cursor->whose = frame->session;
    cursor->foreign = frame->kind == VF_KIND_FORK || frame->kind == VF_KIND_REWIND;
}

static int next_backward(varve_cursor *cursor, ve_record *ret) {
    while (cursor->at > cursor->after) {
        uint64_t lsn = cursor->at;
        ve_hold_drop(cursor->store, &cursor->hold);
        int result = ve_log_record(cursor->store, expected(cursor), lsn, ret);
        bool whole = result == VARVE_OK;
        if (ve_is_damage(result)) /* a damaged body: its frame still tells what came before */
            result = ve_log_frame(cursor->store, expected(cursor), lsn, &ret->frame);
        if (result == VARVE_OK)
            result = ve_log_older(cursor->store, lsn, &ret->frame, &cursor->at);
        if (ve_is_damage(result)) { /* the way back is lost: what lies before is looked for */
            cursor->scanning = true;
            cursor->limit = lsn < cursor->limit ? lsn : cursor->limit;
            cursor->segment = vf_lsn_segment(lsn);
            return next_scanning_backward(cursor, ret);
        }
        if (result < 0) {
            cursor->at = 0;
            return result;
        }
        expect(cursor, &ret->frame);
        if (whole && lsn < cursor->limit && vf_get64(ret->frame.seq) <= cursor->from_seq &&
            wanted_kind(cursor, ret->frame.kind))
            return 1;
    }
    return 0;
}

/* Takes the next stretch: its records' positions, newest first in the walk, read from the end. */
static int load_stretch(varve_cursor *cursor) {
    uint64_t lsn = cursor->marks[--cursor->mark_count].lsn;
    if (cursor->walked == cursor->mark_count + 1) {
        cursor->stretch_at = cursor->stretch_count;
        cursor->walked = 0;
        return VARVE_OK;
    }
    cursor->stretch_count = 0;
    cursor->whose = cursor->marks[cursor->mark_count].session;
    cursor->foreign = false;
    for (size_t i = 0; i < STRIDE && lsn != 0 && lsn > cursor->floor; i++) {
        vf_frame frame;
        int result = ve_log_frame(cursor->store, expected(cursor), lsn, &frame);
        if (result < 0)
            return result;
        if (lsn <= cursor->after || vf_get64(frame.seq) < cursor->from_seq)
            break;
        expect(cursor, &frame);
        if ((result = add_to_stretch(cursor, lsn, frame.session)) < 0)
            return result;
        if ((result = ve_log_older(cursor->store, lsn, &frame, &lsn)) < 0)
            return result;
    }
    cursor->stretch_at = cursor->stretch_count;
    return VARVE_OK;
}

/* The next packed record of the run that is being given: 1, or 0 at its end. */
static int next_of_run(varve_cursor *cursor, ve_record *ret) {
    while (cursor->run.file != NULL) {
        mark *run = &cursor->run;
        int result =
            ve_packed_step(cursor->store, run->file, run->first, &cursor->unit, &cursor->last);
        run->first++;
        if (run->first > run->last)
            run->file = NULL;
        if (ve_is_damage(result))
            continue; /* stepped over, as everywhere */
        if (result < 0)
            return result;
        if (cursor->last.lsn > cursor->after && cursor->last.lsn < cursor->limit &&
            vf_get64(cursor->last.frame.seq) >= cursor->from_seq &&
            wanted_kind(cursor, cursor->last.frame.kind)) {
            *ret = cursor->last;
            return 1;
        }
    }
    return 0;
}

static int next_forward(varve_cursor *cursor, ve_record *ret) {
    for (;;) {
        int found = next_of_run(cursor, ret);
        if (found != 0)
            return found;
        if (cursor->stretch_at == 0) {
            if (cursor->mark_count == 0)
                return 0;
            const mark *next = &cursor->marks[cursor->mark_count - 1];
            if (next->file != NULL) {
                cursor->run = *next;
                cursor->floor = next->lsn;
                cursor->unit = NULL;
                cursor->mark_count--;
                continue;
            }
            int result = load_stretch(cursor);
            if (result < 0)
                return result;
            continue;
        }
        const mark *at = &cursor->stretch[--cursor->stretch_at];
        if (cursor->stretch_at > 0)
            ve_log_expect(cursor->store, at[-1].lsn);
        ve_hold_drop(cursor->store, &cursor->hold);
        int result = ve_log_record(cursor->store, &at->session, at->lsn, ret);
        if (ve_is_damage(result))
            continue; /* as everywhere: what is damaged is stepped over, verify tells of it */
        if (result < 0)
            return result;
        if (wanted_kind(cursor, ret->frame.kind))
            return 1;
    }
}

static int next_record(varve_cursor *cursor, ve_record *ret) {
    bool backward = (cursor->flags & VARVE_CURSOR_BACKWARD) != 0;
    if (cursor->scanning)
        return backward ? next_scanning_backward(cursor, ret) : next_scanning(cursor, ret);
    return backward ? next_backward(cursor, ret) : next_forward(cursor, ret);
}

int ve_cursor_next(varve_cursor *cursor, ve_record *ret) {
    varve *store = cursor->store;
    ve_layout *reading = store->reading;
    ve_hold *before = ve_hold_use(store, &cursor->hold);
    store->reading = cursor->layout;
    if (cursor->run.file == NULL) /* else the next one is in the same block, most likely */
        ve_hold_drop(store, &cursor->hold);
    int result = next_record(cursor, ret);
    store->reading = reading;
    store->hold = before;
    return result;
}

static int next_event(varve_cursor *cursor, varve_event *ret_event) {
    if (cursor->query != NULL)
        return ve_query_next(cursor->query, ret_event);
    for (;;) {
        ve_record record;
        int result = ve_cursor_next(cursor, &record);
        if (result != 1)
            return result;
        /* a fork shows its parent's events as its own */
        vf_key shown_by = cursor->by_session ? cursor->session : record.frame.session;
        result = ve_event_fill(cursor->store, shown_by, &record, ret_event);
        if (!ve_is_damage(result))
            return result < 0 ? result : 1;
    }
}

int varve_cursor_next(varve_cursor *cursor, varve_event *ret_event) {
    VE_TURN(cursor->store);
    varve *store = cursor->store;
    int result = ve_enter(store);
    if (result < 0)
        return result;
    ve_layout *reading = store->reading;
    ve_hold *before = ve_hold_use(store, &cursor->hold);
    store->reading = cursor->layout;
    if (cursor->run.file == NULL)
        ve_hold_drop(store, &cursor->hold);
    result = next_event(cursor, ret_event);
    store->reading = reading;
    store->hold = before;
    return result;
}

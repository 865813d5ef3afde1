/*
 * Merging: what another store holds, appended to this one. Every record counts by its effective uid
 * (ve_uid_of), which its copies carry wherever they go: so a store can be merged again and again,
 * in any order and through any other store, and a merge that was cut off is finished by the next.
 * SPEC.md "Merging".
 */
#include "engine/array.h"
#include "engine/batch.h"
#include "engine/read.h"
#include "engine/recover.h"
#include "engine/store.h"

#include <stdlib.h>

enum { BATCH_RECORDS = 8192, BATCH_BYTES = 8 << 20, WAITS = 1000, WAIT_NS = 100000 };

typedef struct {
    vf_key *key;
    size_t count, room;
} keys;

typedef struct {
    varve *store, *from;
    varve_batch *batch;
    varve_batch *mark; /* a mark stands in a batch by itself: it is placed by what is stored */
    /* A rewind waits for the events that were appended again behind it: these it did not hide. */
    bool rewinding;
    vf_key rewound; /* its session */
    keys hide, spare;
    varve_merged sum;
} merging;

static int no_memory(merging *m) {
    return ve_fail(m->store, VARVE_E_NO_MEMORY, "no memory");
}

/* What went wrong with the other store is told by this one's handle. */
static int from_failed(merging *m, int error) {
    return ve_fail(m->store, error, "%s", ve_error(m->from));
}

/* ---- Appending ---- */

static void count(merging *m, const varve_batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        const ve_batch_record *record = &batch->records[i];
        uint8_t kind = record->kind;
        m->sum.not_carried += record->fell_back && !batch->duplicate[i];
        if (batch->duplicate[i])
            m->sum.duplicates++;
        else if (kind == VF_KIND_EVENT)
            m->sum.events++;
        else if (kind == VF_KIND_SESSION || (kind == VF_KIND_FORK && record->fell_back))
            m->sum.settings++;
        else if (!record->fell_back)
            *(kind == VF_KIND_FORK     ? &m->sum.forks
              : kind == VF_KIND_REWIND ? &m->sum.rewinds
                                       : &m->sum.deletions) += 1;
    }
    for (size_t i = 0; i < batch->session_count; i++)
        m->sum.sessions += batch->sessions[i].introduced;
}

static int flush(merging *m, varve_batch *batch) {
    if (batch->count == 0)
        return VARVE_OK;
    int result = varve_append(m->store, batch, VARVE_NONE, NULL); /* synced in the end */
    if (result == VARVE_OK)
        count(m, batch);
    varve_batch_clear(batch);
    return result;
}

static int add(merging *m, varve_batch *batch, const ve_carried *carried) {
    int number = ve_batch_carry(batch, carried);
    if (number >= 0)
        return VARVE_OK;
    return ve_fail(m->store, number, "%s: the record at lsn %llu cannot be appended: %s",
                   m->from->path, (unsigned long long)carried->event.lsn, varve_strerror(number));
}

/* ---- Rewinds ---- */

static bool put_key(keys *list, vf_key key) {
    if (!ve_grow(&list->key, &list->room, list->count + 1, sizeof *list->key))
        return false;
    list->key[list->count++] = key;
    return true;
}

static int by_key(const void *a, const void *b) {
    return vf_key_compare(*(const vf_key *)a, *(const vf_key *)b);
}

/* uids of the events that a rewind took out of view: from the record before it back to 'to'. */
static int collect_hidden(merging *m, const ve_record *rewind) {
    uint64_t to, lsn = vf_get64(rewind->frame.prev);
    m->hide.count = m->spare.count = 0;
    int result = ve_log_older(m->from, rewind->lsn, &rewind->frame, &to);
    while (result == VARVE_OK && lsn > to) {
        ve_record at;
        ve_hold own = {0}, *before = ve_hold_use(m->from, &own);
        bool good = true;
        result = ve_log_record(m->from, &rewind->frame.session, lsn, &at);
        if (result == VARVE_OK && at.frame.kind == VF_KIND_EVENT)
            good = put_key(&m->hide, ve_uid_of(m->from, &at, NULL));
        ve_hold_end(m->from, &own, before);
        if (result < 0)
            break;
        if (!good)
            return no_memory(m);
        result = ve_log_older(m->from, lsn, &at.frame, &lsn);
    }
    return result < 0 && !ve_is_damage(result) ? from_failed(m, result) : VARVE_OK;
}

static int finish_rewind(merging *m) {
    if (!m->rewinding)
        return VARVE_OK;
    keys *hide = &m->hide, *spare = &m->spare;
    m->rewinding = false;
    if (spare->count > 0)
        qsort(spare->key, spare->count, sizeof *spare->key, by_key);
    size_t kept = 0;
    for (size_t i = 0; i < hide->count; i++)
        if (spare->count == 0 ||
            bsearch(&hide->key[i], spare->key, spare->count, sizeof *spare->key, by_key) == NULL)
            hide->key[kept++] = hide->key[i];
    hide->count = kept;
    if (kept > 0)
        qsort(hide->key, kept, sizeof *hide->key, by_key);
    m->mark->records[0].hide = hide->key;
    m->mark->records[0].hide_count = kept;
    int result = flush(m, m->batch);
    return result == VARVE_OK ? flush(m, m->mark) : result;
}

/* ---- Records ---- */

/* An identity is made with the first record of a session; one that says more is carried as
 * attributes. */
static bool is_bare_identity(const varve_event *event) {
    if (event->record != VF_KIND_SESSION || event->seq != 0 || event->present != 0 ||
        event->flags != 0 || event->status != 0 || event->session_type != 0 || event->mode != 0 ||
        event->channel != 0)
        return false;
    for (int i = 0; i < VARVE_STRS; i++)
        if (event->str[i].ptr != NULL && i != VF_STR_SESSION_ID && i != VF_STR_MACHINE_ID)
            return false;
    return true;
}

/* uid of the last record that a child shares with its parent; zero if that is the first of all. */
static int find_shared(merging *m, const ve_record *fork, vf_key *ret_uid) {
    uint64_t lsn = vf_get64(fork->frame.prev);
    for (;;) {
        ve_record at;
        ve_hold own = {0}, *before = ve_hold_use(m->from, &own);
        int result = ve_log_record(m->from, NULL, lsn, &at);
        vf_key uid = {{0}};
        if (result == VARVE_OK && vf_get64(at.frame.prev) != 0)
            uid = ve_uid_of(m->from, &at, NULL);
        ve_hold_end(m->from, &own, before);
        if (ve_is_damage(result)) { /* the fork's own uid: nothing that it shares has that */
            *ret_uid = ve_uid_of(m->from, fork, NULL);
            return VARVE_OK;
        }
        if (result < 0)
            return from_failed(m, result);
        *ret_uid = uid;
        if (at.frame.kind != VF_KIND_TOMBSTONE) /* that may have been there before: it has no uid */
            return VARVE_OK;
        lsn = vf_get64(at.frame.prev);
    }
}

static int carry(merging *m, const ve_record *place, ve_carried *carried) {
    uint8_t kind = place->frame.kind;
    carried->uid = ve_uid_of(m->from, place, &carried->is_origin);
    if (m->rewinding) {
        bool again = kind == VF_KIND_EVENT && (carried->event.flags & VARVE_EV_REPEATED) != 0 &&
                     vf_key_equal(place->frame.session, m->rewound);
        if (again && !put_key(&m->spare, carried->uid))
            return no_memory(m);
        int result = again ? VARVE_OK : finish_rewind(m);
        if (result < 0)
            return result;
    }
    if (kind == VF_KIND_EVENT || kind == VF_KIND_SESSION) {
        int result = add(m, m->batch, carried);
        bool full = m->batch->count >= BATCH_RECORDS || m->batch->size >= BATCH_BYTES;
        return result == VARVE_OK && full ? flush(m, m->batch) : result;
    }
    int result = flush(m, m->batch);
    if (result == VARVE_OK && kind == VF_KIND_FORK)
        result = find_shared(m, place, &carried->at);
    if (result == VARVE_OK && kind == VF_KIND_REWIND)
        result = collect_hidden(m, place);
    if (result == VARVE_OK)
        result = add(m, m->mark, carried);
    if (result < 0)
        return result;
    m->rewinding = kind == VF_KIND_REWIND;
    m->rewound = place->frame.session;
    return m->rewinding ? VARVE_OK : flush(m, m->mark);
}

static int look_at(merging *m, const ve_record *place) {
    ve_carried carried = {.is_origin = false};
    varve_event *event = &carried.event;
    vf_mark_fixed mark;
    if (place->frame.kind == VF_KIND_TOMBSTONE &&
        (!ve_record_mark(place, &mark) || vf_get64(mark.seq) != UINT64_MAX))
        return VARVE_OK; /* what its retention dropped is its own affair */
    int result = ve_event_fill(m->from, place->frame.session, place, event);
    bool known = result == VARVE_OK && event->session_id.ptr != NULL &&
                 (event->record != VF_KIND_EVENT || event->type.size > 0);
    if (result < 0 && !ve_is_damage(result))
        return from_failed(m, result);
    if (!known) { /* whose it is was lost to damage, or its type is of a later version */
        m->sum.not_carried++;
        return VARVE_OK;
    }
    return is_bare_identity(event) ? VARVE_OK : carry(m, place, &carried);
}

/* ---- The whole ---- */

/* The log of the other store as far as its index knows it: that says whose a record is. */
static int open_cursor(merging *m, varve_cursor **ret_cursor) {
    varve *from = m->from;
    int result = ve_enter(from);
    if (result == VARVE_OK)
        result = ve_follow_index(from);
    if (result < 0)
        return from_failed(m, result);
    uint64_t tail = ve_tail(from);
    if (!ve_await_index(from, tail, WAITS, WAIT_NS))
        return ve_fail(m->store, VARVE_E_BUSY,
                       "%s: its index does not follow its log now: try again later", from->path);
    result = ve_cursor_store(from, 0, tail, VARVE_CURSOR_SETTINGS, ret_cursor);
    return result < 0 ? from_failed(m, result) : VARVE_OK;
}

static int check(varve *store, varve *from, const varve_merged *ret_merged) {
    struct stat here, there;
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (from == NULL || (ret_merged != NULL && ret_merged->size < sizeof *ret_merged))
        return ve_fail(store, VARVE_E_ARGUMENT, "no store to merge, or a result of another size");
    if (store->read_only)
        return ve_fail(store, VARVE_E_READ_ONLY, "%s: opened for reading only", store->path);
    if (store->os->fstat(store->dir, &here) < 0 || from->os->fstat(from->dir, &there) < 0)
        return ve_fail_os(store, "%s: cannot be looked at", store->path);
    if (here.st_dev == there.st_dev && here.st_ino == there.st_ino)
        return ve_fail(store, VARVE_E_ARGUMENT, "%s: a store cannot be merged into itself",
                       from->path);
    return VARVE_OK;
}

int varve_merge(varve *store, varve *from, varve_merged *ret_merged) {
    VE_TURN(store);
    int result = check(store, from, ret_merged), more = 0;
    if (result < 0)
        return result;
    VE_TURN_AS(other, from);
    merging m = {.store = store, .from = from, .sum.size = sizeof m.sum};
    varve_cursor *cursor = NULL;
    ve_record place;
    if (varve_batch_new(&m.batch) < 0 || varve_batch_new(&m.mark) < 0)
        result = no_memory(&m);
    if (result == VARVE_OK)
        result = open_cursor(&m, &cursor);
    while (result == VARVE_OK && (more = ve_cursor_next(cursor, &place)) == 1)
        result = look_at(&m, &place);
    if (result == VARVE_OK && more < 0)
        result = from_failed(&m, more);
    if (result == VARVE_OK)
        result = finish_rewind(&m);
    if (result == VARVE_OK)
        result = flush(&m, m.batch);
    if (result == VARVE_OK) /* also what was there already: its first copy may not be on disk yet */
        result = varve_sync(store);
    varve_cursor_close(&cursor);
    varve_batch_free(&m.batch);
    varve_batch_free(&m.mark);
    free(m.hide.key);
    free(m.spare.key);
    if (result == VARVE_OK && ret_merged != NULL)
        *ret_merged = m.sum;
    return result;
}

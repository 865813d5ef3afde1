/*
 * uids: has the session this event already? The uids of a session are collected by walking its
 * records backwards, once per handle and session; later calls only walk what has come since. A
 * session with more uids than may be kept is walked for each batch instead. The uids of records
 * that are gone are not known any more: there time tells. SPEC.md "uid".
 */
#include "engine/batch.h"
#include "engine/fold.h"
#include "engine/store.h"

#include <stdlib.h>

enum { KEEP_MAX = 1 << 20 }; /* uids kept per handle: 32 MiB of table */

static void drop(ve_uids *set) {
    free(set->slot);
    *set = (ve_uids){0};
}

void ve_uid_free(varve *store) {
    for (int i = 0; store->uids != NULL && i < VE_UID_SETS; i++)
        drop(&store->uids[i]);
    free(store->uids);
    store->uids = NULL;
}

static size_t place(const ve_uids *set, vf_key uid) {
    uint64_t hash;
    memcpy(&hash, uid.b, sizeof hash);
    size_t at = (size_t)hash & (set->room - 1);
    while (!vf_key_is_zero(set->slot[at]) && !vf_key_equal(set->slot[at], uid))
        at = (at + 1) & (set->room - 1);
    return at;
}

static bool grow(ve_uids *set) {
    if (set->count * 2 < set->room)
        return true;
    ve_uids more = *set;
    more.room = set->room == 0 ? (size_t)256 : set->room * 2;
    more.slot = calloc(more.room, sizeof *more.slot);
    if (more.slot == NULL)
        return false;
    for (size_t i = 0; i < set->room; i++)
        if (!vf_key_is_zero(set->slot[i]))
            more.slot[place(&more, set->slot[i])] = set->slot[i];
    free(set->slot);
    set->slot = more.slot;
    set->room = more.room;
    return true;
}

static bool put(ve_uids *set, vf_key uid) {
    if (vf_key_is_zero(uid))
        return true;
    if (!grow(set))
        return false;
    size_t at = place(set, uid);
    set->count += vf_key_is_zero(set->slot[at]) != 0;
    set->slot[at] = uid;
    return true;
}

static bool has(const ve_uids *set, vf_key uid) {
    return set->room > 0 && !vf_key_is_zero(uid) && vf_key_equal(set->slot[place(set, uid)], uid);
}

/* NULL: no memory. */
static ve_uids *set_of(varve *store, vf_key session) {
    if (store->uids == NULL && (store->uids = calloc(VE_UID_SETS, sizeof *store->uids)) == NULL)
        return NULL;
    ve_uids *oldest = &store->uids[0];
    for (int i = 0; i < VE_UID_SETS; i++) {
        ve_uids *set = &store->uids[i];
        if (set->used != 0 && vf_key_equal(set->session, session)) {
            set->used = ++store->uid_clock;
            return set;
        }
        if (set->used < oldest->used)
            oldest = set;
    }
    drop(oldest);
    oldest->session = session;
    oldest->used = ++store->uid_clock;
    return oldest;
}

static void make_room(varve *store, const ve_uids *keep) {
    size_t total = 0;
    for (int i = 0; i < VE_UID_SETS; i++)
        total += store->uids[i].count;
    for (int i = 0; i < VE_UID_SETS && total > (size_t)KEEP_MAX; i++)
        if (&store->uids[i] != keep) {
            total -= store->uids[i].count;
            drop(&store->uids[i]);
        }
}

vf_key ve_uid_of(varve *store, const ve_record *record, bool *ret_origin) {
    vf_key uid = {{0}};
    bool origin = false;
    vf_fixed fixed;
    vf_mark_fixed mark;
    if (record->frame.kind == VF_KIND_REWIND && ve_record_mark(record, &mark)) {
        uid = mark.uid;
    } else if (ve_record_fixed(store, record, &fixed)) {
        if ((vf_get64(fixed.present) & VF_HAS_UID) != 0)
            uid = fixed.uid;
        origin = (vf_get32(fixed.flags) & VF_EV_ORIGIN) != 0;
    }
    if (vf_key_is_zero(uid)) {
        uid = vf_origin_uid(store->ident.uuid, record->lsn, vf_get_i64(record->frame.time));
        origin = true;
    }
    if (ret_origin != NULL)
        *ret_origin = origin;
    return uid;
}

/* Gives 'each' the uid of every record of the session from 'lsn' back to, not including, 'until'.
 * Notes in 'set' where records are gone. */
static int walk(varve *store, const vf_key *session, uint64_t lsn, uint64_t until, ve_uids *set,
                bool (*each)(void *context, vf_key uid), void *context) {
    while (lsn != 0 && lsn != until) {
        ve_record record;
        vf_key uid;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        int result = ve_log_record(store, session, lsn, &record);
        if (result == VARVE_OK)
            uid = ve_uid_of(store, &record, NULL);
        ve_hold_end(store, &own, before);
        if (result < 0 && !ve_is_damage(result))
            return result;
        if (result < 0)
            return VARVE_OK; /* damage: what lies before it cannot be reached; a duplicate is better
                                than a loss */
        if (record.frame.kind == VF_KIND_BASE) {
            bool timed = (record.frame.flags & VF_FRAME_HAS_TIME) != 0;
            set->gone = true;
            set->gone_until = timed ? vf_get_i64(record.frame.time) : INT64_MIN;
            break;
        }
        if (!each(context, uid))
            return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
        if (record.frame.kind == VF_KIND_FORK)
            break; /* the uids before it are the parent's */
        lsn = vf_get64(record.frame.prev);
    }
    return VARVE_OK;
}

static bool collect(void *context, vf_key uid) {
    return put(context, uid);
}

/* For sessions too large to keep: the batch's own uids, of which those that are met are marked. */
typedef struct {
    ve_uids *wanted, *met;
} meeting;

static bool meet(void *context, vf_key uid) {
    meeting *m = context;
    return !has(m->wanted, uid) || put(m->met, uid);
}

static uint32_t session_of(const varve_batch *batch, size_t record) {
    uint32_t session = batch->records[record].session;
    return session == UINT32_MAX ? session : batch->sessions[session].same;
}

static int check_large(varve *store, varve_batch *batch, uint32_t session, uint64_t last_lsn,
                       ve_uids *ret_met) {
    ve_uids wanted = {0};
    int result = VARVE_OK;
    for (size_t i = 0; i < batch->count && result == VARVE_OK; i++)
        if (session_of(batch, i) == session && batch->records[i].has_uid &&
            !put(&wanted, batch->records[i].uid))
            result = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    meeting m = {&wanted, ret_met};
    if (result == VARVE_OK)
        result = walk(store, &batch->sessions[session].key, last_lsn, 0, ret_met, meet, &m);
    drop(&wanted);
    return result;
}

/* Whether an event would have stood among the records of its session that are gone: what is new is
 * later. All that a deleted session had counts as gone, packed again or not; but what is merged
 * into it is told by its uids while they are there, so that the order of merges makes no
 * difference. */
static bool is_gone(const ve_uids *set, const vf_hot *hot, const varve_batch *batch,
                    const ve_batch_record *record) {
    const vf_frame *frame = (const vf_frame *)(const void *)(batch->arena + record->offset);
    bool deleted = hot != NULL && ve_le_flag(hot->flags, VF_SR_DELETED) && !record->carried;
    if ((!set->gone && !deleted) || record->kind != VF_KIND_EVENT || record->stamp)
        return false;
    int64_t time = vf_get_i64(frame->time);
    return (frame->flags & VF_FRAME_HAS_TIME) == 0 || (set->gone && time <= set->gone_until) ||
           (deleted && ve_le_flag(hot->flags, VF_SR_HAS_TIME) &&
            time <= vf_get_i64(hot->last_activity));
}

static int check_session(varve *store, varve_batch *batch, uint32_t number) {
    const ve_batch_session *session = &batch->sessions[number];
    ve_uids *set = set_of(store, session->key);
    ve_uids met = {0};
    vf_hot hot;
    if (set == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    uint32_t row =
        session->known ? ve_find(&store->index, VF_TABLE_SESSIONS, session->key) : UINT32_MAX;
    bool read = row != UINT32_MAX &&
                ve_read_row(&store->index, VF_TABLE_SESSIONS, row, false, &hot) == VARVE_OK;
    bool large = read && vf_get64(hot.events) > KEEP_MAX;
    int result = large
                     ? check_large(store, batch, number, session->last_lsn, &met)
                     : walk(store, &session->key, session->last_lsn, set->upto, set, collect, set);
    if (result == VARVE_OK && !large) {
        set->upto = session->last_lsn;
        make_room(store, set);
    }
    for (size_t i = 0; i < batch->count && result == VARVE_OK; i++) {
        const ve_batch_record *record = &batch->records[i];
        if (!record->has_uid || session_of(batch, i) != number)
            continue;
        const ve_uids *known = large ? &met : set;
        if (!record->trusted &&
            (has(known, record->uid) || is_gone(known, read ? &hot : NULL, batch, record)))
            batch->duplicate[i] = 1;
        else if (!put(large ? &met : set, record->uid)) /* the same uid later in the batch */
            result = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    }
    drop(&met);
    return result;
}

int ve_uid_check(varve *store, varve_batch *batch) {
    for (size_t i = 0; i < batch->session_count; i++)
        batch->sessions[i].checked = false;
    for (size_t i = 0; i < batch->count; i++) {
        const ve_batch_record *record = &batch->records[i];
        if (!record->has_uid || record->trusted || batch->sessions[session_of(batch, i)].checked)
            continue;
        batch->sessions[session_of(batch, i)].checked = true;
        int result = check_session(store, batch, session_of(batch, i));
        if (result < 0)
            return result;
    }
    return VARVE_OK;
}

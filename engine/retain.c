/*
 * Retention: sessions that were not active for long. A TOMBSTONE says of each what is gone; then
 * the files that hold their records are packed again without them. SPEC.md "Retention".
 */
#include "engine/array.h"
#include "engine/batch.h"
#include "engine/fold.h"
#include "engine/pack.h"
#include "engine/read.h"
#include "engine/recover.h"

#include <stdlib.h>

enum { BATCH_RECORDS = 1024 };

typedef struct {
    uint32_t row;
    uint64_t last_seq;
    uint64_t events, payload_bytes; /* that are there yet */
    bool said;
} old_session;

typedef struct {
    varve *store;
    varve_retention asked;
    ve_gone gone;
    old_session *old;
    size_t count, room;
    varve_retained done;
} retention;

static bool is_old(const retention *r, const vf_hot *hot, const vf_cold *cold) {
    uint32_t flags = vf_get32(hot->flags);
    bool keeps = (r->asked.flags & VARVE_RETAIN_KEEP_SESSIONS) != 0;
    return (flags & VF_SR_DEFINED) != 0 && (flags & VF_SR_HAS_TIME) != 0 &&
           (flags & VF_SR_DELETED) == 0 && vf_get_i64(hot->last_activity) < r->asked.before &&
           !(keeps && (flags & VF_SR_TRIMMED) != 0 && /* and nothing came since */
             vf_get64(cold->ref[VF_REF_TOMBSTONE]) == vf_get64(hot->last_lsn));
}

/* Events and their payloads that an earlier retention has not dropped. */
static int count_left(varve *store, const vf_hot *hot, const vf_cold *cold, old_session *old) {
    uint64_t below = ve_said_gone(store, hot, cold);
    int result = VARVE_OK;
    if (below == 0) {
        old->events = vf_get64(hot->events);
        old->payload_bytes = vf_get64(hot->payload_bytes);
        return VARVE_OK;
    }
    for (uint64_t lsn = vf_get64(hot->last_lsn); lsn != 0 && result == VARVE_OK;) {
        ve_record record;
        vf_fixed fixed;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        result = ve_log_record(store, &hot->key, lsn, &record);
        if (result == VARVE_OK && vf_get64(record.frame.seq) < below)
            lsn = 0;
        if (result == VARVE_OK && lsn != 0 && record.frame.kind == VF_KIND_EVENT &&
            ve_record_fixed(store, &record, &fixed)) {
            old->events++;
            old->payload_bytes += vf_get32(fixed.payload_size);
        }
        if (result == VARVE_OK && lsn != 0)
            result = ve_log_older(store, lsn, &record.frame, &lsn);
        ve_hold_end(store, &own, before);
    }
    return ve_is_damage(result) ? VARVE_OK : result;
}

static void count(retention *r, const old_session *old, int sign) {
    r->done.sessions += (uint64_t)sign;
    r->done.events += (uint64_t)sign * old->events;
    r->done.payload_bytes += (uint64_t)sign * old->payload_bytes;
}

/* Which forks there would be, if the old sessions were gone, is asked from the youngest on: a fork
 * that is old itself does not keep its parent. */
static int find_old(retention *r) {
    varve *store = r->store;
    uint64_t rows = ve_rows(&store->index, VF_TABLE_SESSIONS);
    int result = ve_gone_open_as(&r->gone, store, r->asked.before);
    for (uint64_t row = 0; row < rows && result == VARVE_OK; row++) {
        uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
        const vf_hot *hot = (const vf_hot *)(const void *)image;
        const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
        if ((result = ve_need_row(store, VF_TABLE_SESSIONS, row, true, image)) < 0)
            return result;
        if (!is_old(r, hot, cold))
            continue;
        if (ve_gone_shared(&r->gone, (uint32_t)row)) {
            r->done.shared++;
            continue;
        }
        if (!ve_grow(&r->old, &r->room, r->count + 1, sizeof *r->old))
            return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
        old_session *old = &r->old[r->count++];
        *old = (old_session){.row = (uint32_t)row, .last_seq = vf_get64(hot->last_seq)};
        result = count_left(store, hot, cold, old);
        count(r, old, 1);
    }
    return result;
}

/* Those of which something has come meanwhile are not old any more: the append has left them out.
 */
static int append(retention *r, varve_batch *batch, const size_t *whose) {
    int result = batch->count > 0 ? varve_append(r->store, batch, VARVE_GROUP, NULL) : VARVE_OK;
    for (size_t i = 0; i < batch->count && result == VARVE_OK; i++) {
        r->old[whose[i]].said = true;
        if (batch->records[i].fell_back)
            count(r, &r->old[whose[i]], -1);
    }
    varve_batch_clear(batch);
    return result;
}

/* Notes in the log what goes. A session whose name was lost to damage stays. */
static int say_so(retention *r) {
    varve *store = r->store;
    bool keeps = (r->asked.flags & VARVE_RETAIN_KEEP_SESSIONS) != 0;
    size_t whose[BATCH_RECORDS] = {0};
    varve_batch *batch = NULL;
    int result = ve_batch_answer(store, varve_batch_new(&batch));
    for (size_t i = 0; i < r->count && result >= 0; i++) {
        uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
        const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
        old_session *old = &r->old[i];
        if (old->said)
            continue;
        varve_str machine = {0}, id = {0};
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        int found = ve_read_row(&store->index, VF_TABLE_SESSIONS, old->row, true, image);
        if (found == VARVE_OK)
            found = ve_identity(store, cold, &machine, &id);
        bool named = found == VARVE_OK, lost = ve_is_damage(found) || found == VARVE_E_INDEX;
        if (!named && !lost)
            result = ve_fail(store, found, "%s: who a session is cannot be read", store->path);
        if (named)
            result = ve_batch_answer(store, ve_batch_tombstone(batch, machine, id,
                                                               keeps ? old->last_seq : UINT64_MAX,
                                                               VF_GONE_OLD));
        if (named && result >= 0) {
            whose[result] = i;
            batch->records[result].unless_new = true;
            batch->records[result].expected = old->last_seq;
        } else if (lost) {
            old->said = true;
            count(r, old, -1);
        }
        ve_hold_end(store, &own, before);
        if (result >= 0 && batch->count == BATCH_RECORDS)
            result = append(r, batch, whose);
    }
    if (result >= 0)
        result = append(r, batch, whose);
    varve_batch_free(&batch);
    return result < 0 ? result : VARVE_OK;
}

static int drop(retention *r) {
    varve *store = r->store;
    varve_compacted packed = {.size = sizeof packed};
    int result = say_so(r);
    if (result == VARVE_E_NO_SPACE) { /* what is to make room finds none */
        result = ve_give_up_index(store);
        if (result == VARVE_OK)
            result = say_so(r);
    }
    if (result == VARVE_OK)
        result = ve_pack_gone(store, false, &packed);
    r->done.removed_bytes = packed.removed_bytes;
    r->done.written_bytes = packed.written_bytes;
    int back = ve_take_index_back(store);
    return result == VARVE_OK ? back : result;
}

int varve_retain(varve *store, const varve_retention *asked, varve_retained *ret_retained) {
    VE_TURN(store);
    retention r = {.store = store, .done.size = sizeof r.done};
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (asked == NULL || asked->size < sizeof *asked || ret_retained == NULL ||
        ret_retained->size < sizeof *ret_retained)
        return ve_fail(store, VARVE_E_ARGUMENT, "no retention, or a result of another size");
    r.asked = *asked;
    bool dry = (asked->flags & VARVE_RETAIN_DRY_RUN) != 0;
    if (store->read_only && !dry)
        return ve_fail(store, VARVE_E_READ_ONLY, "%s: opened for reading only", store->path);
    if ((result = ve_follow_index(store)) < 0)
        return result;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    result = find_old(&r);
    if (result == VARVE_OK && !dry)
        result = drop(&r);
    ve_hold_end(store, &own, before);
    ve_gone_close(&r.gone);
    free(r.old);
    if (result == VARVE_OK)
        *ret_retained = r.done;
    return result;
}

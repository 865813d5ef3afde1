/*
 * Retention: sessions that were not active for long. A TOMBSTONE says of each what is gone; then the
 * files that hold their records are packed again without them. SPEC.md "Retention".
 */
#include "engine/pack.h"

#include <stdlib.h>

enum { BATCH_RECORDS = 1024 };

typedef struct {
    uint32_t row;
    uint64_t last_seq;
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

/* Which forks there would be, if the old sessions were gone, is asked from the youngest on: a fork that is old itself does
 * not keep its parent. */
static int find_old(retention *r) {
    varve *store = r->store;
    uint64_t rows = ve_rows(&store->index, VF_TABLE_SESSIONS);
    int result = ve_gone_open_as(&r->gone, store, r->asked.before);
    for (uint64_t row = 0; row < rows && result == VARVE_OK; row++) {
        uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
        const vf_hot *hot = (const vf_hot *)(const void *)image;
        const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
        if (ve_read_row(&store->index, VF_TABLE_SESSIONS, (uint32_t)row, true, image) < 0)
            return ve_fail(store, VARVE_E_INDEX,
                           "%s/idx: row %llu of table sessions is damaged: run varve reindex",
                           store->path, (unsigned long long)row);
        if (!is_old(r, hot, cold))
            continue;
        if (ve_gone_shared(&r->gone, (uint32_t)row)) {
            r->done.shared++;
            continue;
        }
        if (!ve_grow(&r->old, &r->room, r->count + 1, sizeof *r->old))
            return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
        r->old[r->count++] = (old_session){(uint32_t)row, vf_get64(hot->last_seq)};
        r->done.sessions++;
        r->done.events += vf_get64(hot->events);
        r->done.payload_bytes += vf_get64(hot->payload_bytes);
    }
    return result;
}

/* Notes in the log what goes. A session whose name was lost to damage stays. */
static int say_so(retention *r) {
    varve *store = r->store;
    bool keeps = (r->asked.flags & VARVE_RETAIN_KEEP_SESSIONS) != 0;
    varve_batch *batch = NULL;
    int result = varve_batch_new(&batch);
    for (size_t i = 0; i < r->count && result >= 0; i++) {
        uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
        const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
        varve_str machine, id;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        if (ve_read_row(&store->index, VF_TABLE_SESSIONS, r->old[i].row, true, image) == VARVE_OK &&
            is_old(r, (const vf_hot *)(const void *)image, cold) &&
            ve_identity(store, cold, &machine, &id) == VARVE_OK)
            result = ve_batch_tombstone(batch, machine, id,
                                        keeps ? r->old[i].last_seq : UINT64_MAX, VF_GONE_OLD);
        ve_hold_end(store, &own, before);
        if (result >= 0 && (varve_batch_count(batch) == BATCH_RECORDS || i + 1 == r->count)) {
            if (varve_batch_count(batch) > 0)
                result = varve_append(store, batch, VARVE_GROUP, NULL);
            varve_batch_clear(batch);
        }
    }
    varve_batch_free(&batch);
    return result < 0 ? result : VARVE_OK;
}

int varve_retain(varve *store, const varve_retention *asked, varve_retained *ret_retained) {
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
    if (result == VARVE_OK && !dry && r.count > 0) {
        varve_compacted packed = {.size = sizeof packed};
        result = say_so(&r);
        if (result == VARVE_OK)
            result = ve_pack_gone(store, &packed);
        r.done.removed_bytes = packed.removed_bytes;
        r.done.written_bytes = packed.written_bytes;
    }
    ve_hold_end(store, &own, before);
    ve_gone_close(&r.gone);
    free(r.old);
    if (result == VARVE_OK)
        *ret_retained = r.done;
    return result;
}

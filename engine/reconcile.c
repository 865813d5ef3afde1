/*
 * Reconciling: sessions that look alive while their process is dead. What was not written down when
 * a process died is written down here, once, by whoever asks.
 */
#include "engine/batch.h"
#include "engine/read.h"
#include "engine/store.h"

enum { BATCH_RECORDS = 1024 };

/* Over, as its status says; or said in words that only its program understands. */
static bool is_over(const varve_session *session) {
    switch (session->status) {
    case VARVE_STATUS_NONE:
    case VARVE_STATUS_IDLE:
    case VARVE_STATUS_BUSY:
    case VARVE_STATUS_WAIT:
    case VARVE_STATUS_ACTIVE:
        return (session->flags & VARVE_SS_ENDED) != 0;
    default:
        return true;
    }
}

/* A pid of another boot says nothing about another machine; but a session of the store's own
 * machine ran where the store lies, and two running boots cannot share a store (SPEC.md "CONTROL"):
 * its boot is over. */
static int judge(varve *store, const varve_session *session) {
    int process = varve_session_process(store, session);
    varve_str own = store->machine, machine = session->machine_id;
    if (process == VARVE_PROCESS_FOREIGN && machine.size == own.size &&
        memcmp(machine.ptr, own.ptr, own.size) == 0 &&
        ve_boot_of(store->os, session->str[VARVE_STR_BOOT_ID]) == VE_BOOT_OTHER)
        process = VARVE_PROCESS_GONE;
    return process;
}

/* The status follows the last thing that is known of the session, so that whatever comes after that
 * wins, also if it was on its way while the process was judged. */
static int set_unknown(varve_batch *batch, const varve_session *session) {
    varve_event event;
    int64_t last = INT64_MIN;
    if ((session->flags & VARVE_SS_HAS_TIME) != 0)
        last = session->last_activity;
    if ((session->flags & VARVE_SS_HAS_STATUS_TIME) != 0 && session->status_time > last)
        last = session->status_time;
    varve_event_init(&event);
    event.session_id = session->session_id;
    event.machine_id = session->machine_id;
    event.status = VARVE_STATUS_UNKNOWN;
    event.time = last == INT64_MIN || last == INT64_MAX ? 0 : last + 1;
    return varve_batch_set(batch, &event);
}

static int flush(varve *store, varve_batch *batch) {
    int result =
        varve_batch_count(batch) > 0 ? varve_append(store, batch, VARVE_GROUP, NULL) : VARVE_OK;
    varve_batch_clear(batch);
    return result;
}

typedef struct {
    varve *store;
    varve_batch *batch;
    uint32_t flags;
    int (*each)(void *context, const varve_session *session, int process);
    void *context;
    int gone;
} reconciliation;

static int look_at(reconciliation *r, const varve_session *session) {
    if ((session->flags & (VARVE_SS_STUB | VARVE_SS_DELETED)) != 0 ||
        (session->flags & VARVE_SS_HAS_PID) == 0 || is_over(session))
        return VARVE_OK;
    int process = judge(r->store, session), result = VARVE_OK;
    if (process < 0 || process == VARVE_PROCESS_NONE)
        return process;
    if (process == VARVE_PROCESS_GONE) {
        r->gone++;
        if ((r->flags & VARVE_RECONCILE_DRY_RUN) == 0)
            result = ve_batch_answer(r->store, set_unknown(r->batch, session));
    }
    if (result >= 0 && varve_batch_count(r->batch) >= BATCH_RECORDS)
        result = flush(r->store, r->batch);
    if (result < 0)
        return result;
    return r->each != NULL ? r->each(r->context, session, process) : VARVE_OK;
}

int varve_reconcile(varve *store, uint32_t flags,
                    int (*each)(void *context, const varve_session *session, int process),
                    void *context) {
    VE_TURN(store);
    reconciliation r = {.store = store, .flags = flags, .each = each, .context = context};
    varve_scan *scan = NULL;
    varve_session session = {.size = sizeof session};
    int result = ve_enter(store);
    if (result == VARVE_OK && store->read_only && (flags & VARVE_RECONCILE_DRY_RUN) == 0)
        result = ve_fail(store, VARVE_E_READ_ONLY, "%s: opened for reading only", store->path);
    if (result == VARVE_OK && varve_batch_new(&r.batch) < 0)
        result = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    if (result == VARVE_OK)
        result = varve_scan_open(store, &scan);
    int more = 0;
    while (result == VARVE_OK && (more = varve_scan_next(scan, &session)) == 1)
        result = look_at(&r, &session);
    if (result == VARVE_OK)
        result = more;
    varve_scan_close(&scan);
    if (r.batch != NULL) { /* what was told is done, also when it was stopped */
        int flushed = flush(store, r.batch);
        result = result >= 0 && flushed < 0 ? flushed : result;
    }
    varve_batch_free(&r.batch);
    return result == VARVE_OK ? r.gone : result;
}

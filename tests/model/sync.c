/*
 * Waiting for the disk, and leading. See inside.h.
 */
#include "model/inside.h"

#include <string.h>

/* ---- Leading ---- */

/* One step of trying to lead: 1 leads, 0 does not. */
bool model_try_lead(model_state *s, int handle, int actor) {
    if (s->leading[handle] != 0 || s->sync_holder != 0)
        return false;
    s->leading[handle] = (uint8_t)(1 + actor);
    s->sync_holder = (uint8_t)(1 + handle);
    return true;
}

void model_step_waiter(const explorer *x, const model_state *s, int actor) {
    model_state n = *s;
    model_actor *a = &n.actor[actor];
    int handle = x->config->handle[actor];
    const char *what = model_step_names[a->at];
    switch (a->at) {
    case STEP_SYNC_READ_WAKE:
        a->changed &= (uint8_t)~(1 << WAIT_SYNC);
        a->at = a->begun ? STEP_SYNC_SAY_WAITING : STEP_SYNC_LOOK;
        break;
    case STEP_SYNC_SAY_WAITING:
        n.waiting[WAIT_SYNC] = 1;
        a->at = STEP_SYNC_LOOK;
        break;
    case STEP_SYNC_LOOK:
        a->at = STEP_SYNC_LOOK_FAILED;
        if (n.synced >= a->need)
            model_acknowledge(x, &n, a);
        break;
    case STEP_SYNC_LOOK_FAILED: /* the append fails, if the sync did */
        a->at = n.sync_failed && (x->config->bugs & BUG_SYNC_AGAIN) == 0 ? STEP_START : STEP_SYNC_TRY;
        break;
    case STEP_SYNC_TRY:
        if ((x->config->bugs & BUG_LEAD_IN_STEPS) != 0) {
            a->at = n.leading[handle] != 0 ? STEP_SYNC_SLEEP : STEP_SYNC_TRY_LOCK;
            n.leading[handle] = n.leading[handle] != 0 ? n.leading[handle] : (uint8_t)(1 + actor);
        } else {
            a->at = model_try_lead(&n, handle, actor) ? STEP_LEAD_LOOK : STEP_SYNC_SLEEP;
        }
        a->back = STEP_START;
        break;
    case STEP_SYNC_TRY_LOCK:
        a->at = n.sync_holder == 0 ? STEP_LEAD_LOOK : STEP_SYNC_TRY_UNDO;
        n.sync_holder = n.sync_holder == 0 ? (uint8_t)(1 + handle) : n.sync_holder;
        break;
    case STEP_SYNC_TRY_UNDO:
        n.leading[handle] = 0;
        a->at = STEP_SYNC_SLEEP;
        break;
    case STEP_SYNC_SLEEP: /* the first time: once more, with 'waiting' set */
        if (a->begun)
            model_sleep_at(a, WAIT_SYNC);
        else
            a->at = STEP_SYNC_READ_WAKE;
        a->begun = 1;
        break;
    default:
        return;
    }
    model_emit(x, &n, what, actor);
}

static void end_sync(const explorer *x, const model_state *s, int actor, bool dies) {
    model_state n = *s;
    model_actor *a = &n.actor[actor];
    model_segment *segment = model_segment_at(&n, a->number);
    int next = a->number + 1 <= model_segment_of(a->target) ? STEP_LEAD_BEGIN_SYNC : STEP_LEAD_DIRECTORY;
    model_to_disk(segment, a->snap);
    segment->dirty &= (uint8_t)~a->snap;
    a->number++;
    a->at = dies ? STEP_DEAD : (uint8_t)next;
    model_emit(x, &n, dies ? "dies in a sync that succeeds" : "sync done", actor);
    if (s->sync_failures == 0 || s->actor[actor].snap == 0)
        return;
    n = *s;
    n.sync_failures--;
    model_segment_at(&n, a->number)->dirty &= (uint8_t)~a->snap; /* the system drops what it could not write */
    a->at = dies ? STEP_DEAD : STEP_LEAD_FAILED;
    model_emit(x, &n, dies ? "dies in a sync that fails" : "sync failed", actor);
}

void model_step_leader(const explorer *x, const model_state *s, int actor) {
    model_state n = *s;
    model_actor *a = &n.actor[actor];
    int handle = x->config->handle[actor];
    uint32_t bugs = x->config->bugs;
    const char *what = model_step_names[a->at];
    switch (a->at) {
    case STEP_LEAD_LOOK:
        a->begun = n.synced >= a->need; /* from here on: whether it is acknowledged */
        a->at = a->begun ? STEP_RESIGN : STEP_LEAD_LOOK_FAILED;
        break;
    case STEP_LEAD_LOOK_FAILED:
        a->at = n.sync_failed && (bugs & BUG_SYNC_AGAIN) == 0 ? STEP_RESIGN : STEP_LEAD_TAIL;
        break;
    case STEP_LEAD_TAIL:
        a->target = n.tail;
        a->number = (uint8_t)model_first_unsynced(&n);
        if (n.syncing <= n.synced || (bugs & BUG_IGNORE_SYNCING) != 0) {
            a->at = STEP_LEAD_SYNCING;
        } else if ((bugs & (BUG_REWRITE_OPEN | BUG_REWRITE_LESS)) != 0) {
            a->at = STEP_REWRITE_CHECK;
            a->snap = (bugs & BUG_REWRITE_LESS) != 0 ? n.syncing : n.tail;
        } else { /* to be put right under LOCK.append first */
            a->at = STEP_RESIGN;
            a->back = STEP_ORPHAN;
        }
        break;
    case STEP_LEAD_SYNCING:
        n.syncing = a->target;
        a->number = (uint8_t)model_first_unsynced(&n);
        a->at = STEP_LEAD_BEGIN_SYNC;
        break;
    case STEP_LEAD_BEGIN_SYNC:
        a->snap = model_segment_at(&n, a->number)->dirty;
        a->at = STEP_LEAD_END_SYNC;
        break;
    case STEP_LEAD_END_SYNC:
        end_sync(x, s, actor, false);
        return;
    case STEP_LEAD_DIRECTORY:
        if ((n.synced == 0 || model_segment_of(n.synced) != model_segment_of(a->target)) && (bugs & BUG_NO_DIRECTORY_SYNC) == 0)
            for (int number = 1; number <= SEGMENTS; number++)
                if (n.segment[number - 1].header[0] != 0)
                    n.segment[number - 1].named = 1;
        a->at = STEP_LEAD_SYNCED;
        break;
    case STEP_LEAD_SYNCED:
        n.synced = (bugs & BUG_SYNCED_LATE) != 0 ? n.tail : a->target;
        a->begun = 1;
        a->at = STEP_LEAD_CLEAR;
        break;
    case STEP_LEAD_FAILED:
        n.sync_failed = 1;
        a->at = STEP_LEAD_CLEAR;
        break;
    case STEP_LEAD_CLEAR:
        n.syncing = 0;
        a->at = STEP_RESIGN;
        break;
    case STEP_RESIGN: /* the lock, then the handle, then who waits */
        n.sync_holder = 0;
        if ((bugs & BUG_LEAD_IN_STEPS) == 0)
            n.leading[handle] = 0;
        a->at = STEP_RESIGN_HANDLE;
        break;
    case STEP_RESIGN_HANDLE:
        if (n.leading[handle] == 1 + actor)
            n.leading[handle] = 0;
        a->at = (bugs & BUG_LEADER_NO_WAKE) != 0 ? STEP_RESIGN_WAKE : STEP_RESIGN_LOOK;
        break;
    case STEP_RESIGN_LOOK:
        a->at = n.waiting[WAIT_SYNC] ? STEP_RESIGN_WORD : STEP_RESIGN_WAKE;
        a->snap = n.waiting[WAIT_SYNC];
        n.waiting[WAIT_SYNC] = 0;
        break;
    case STEP_RESIGN_WORD:
        model_change_word(&n, WAIT_SYNC);
        a->at = STEP_RESIGN_WAKE;
        break;
    case STEP_RESIGN_WAKE:
        if (a->snap && (bugs & BUG_LEADER_NO_WAKE) == 0)
            model_wake_all(&n, WAIT_SYNC);
        if (a->back == STEP_START && a->begun)
            model_acknowledge(x, &n, a);
        else
            a->at = a->back;
        a->snap = 0;
        break;
    default:
        return;
    }
    model_emit(x, &n, what, actor);
}

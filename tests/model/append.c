/*
 * An append up to its publication, and followers. See inside.h.
 */
#include "model/inside.h"

#include <string.h>

/* ---- Appending ---- */

static bool someone_follows(const explorer *x) {
    return x->config->followers > 0;
}

void model_begin_append(model_state *s, model_actor *a, const model_config *config, int actor) {
    a->left--;
    a->durable = config->durable[actor] >> a->left & 1;
    a->slept = a->batch = a->mended = a->begun = a->orphan = 0;
    a->at = STEP_TRY;
    s->turn[config->handle[actor]] = (uint8_t)(1 + actor);
}

/* Where the log ends, as the disk has it: CONTROL anew. */
static void recover(model_state *s) {
    uint8_t found;
    bool torn = false;
    s->tail = model_walk(s, &found);
    for (int number = model_segment_of(s->tail); number <= SEGMENTS; number++) {
        model_segment *segment = number == 0 ? NULL : model_segment_at(s, number);
        if (segment != NULL && number > model_segment_of(s->tail)) {
            *segment = (model_segment){.version = (uint8_t)(segment->version + 1)}; /* to quarantine */
            continue;
        }
        for (int cell = model_cell_of(s->tail); segment != NULL && cell < CELLS; cell++)
            torn = torn || segment->cell[cell] != 0;
    }
    s->synced = s->syncing = s->applied = s->sync_failed = 0;
    s->rotating = torn || s->tail == 0;
}

static void wake_one(const explorer *x, const model_state *s, int actor) {
    bool any = false;
    for (int other = 0; other < ACTORS; other++) {
        if (!model_sleeps_at(&s->actor[other], WAIT_APPEND))
            continue;
        model_state n = *s;
        any = true;
        model_get_up(&n.actor[other]);
        n.actor[actor].at = STEP_BELL_LOOK;
        model_emit(x, &n, "wakes one", actor);
    }
    if (any)
        return;
    model_state n = *s;
    n.actor[actor].at = STEP_BELL_LOOK;
    model_emit(x, &n, "wakes nobody", actor);
}

void model_step_lock(const explorer *x, const model_state *s, int actor) {
    model_state n = *s;
    model_actor *a = &n.actor[actor];
    int handle = x->config->handle[actor];
    uint32_t bugs = x->config->bugs;
    const char *what = model_step_names[a->at];
    switch (a->at) {
    case STEP_START:
        if (a->left > 0 && n.turn[handle] != 0)
            return;
        if (a->left > 0)
            model_begin_append(&n, a, x->config, actor);
        else
            a->at = STEP_END;
        break;
    case STEP_TRY:
    case STEP_TRY_AGAIN: {
        bool again = a->at == STEP_TRY_AGAIN;
        if (n.append_holder != 0) {
            a->at = again ? STEP_SLEEP : STEP_READ_WAKE;
            break;
        }
        n.append_holder = (uint8_t)(1 + handle);
        a->at = STEP_CATCH_UP;
        break;
    }
    case STEP_READ_WAKE:
        if (a->slept && s->give_ups > 0 && (bugs & BUG_GIVE_UP_WOKEN) != 0) {
            model_state g = *s;
            g.give_ups--;
            g.actor[actor].at = STEP_START;
            g.turn[handle] = 0;
            model_emit(x, &g, "gives up when woken", actor);
        }
        a->changed &= (uint8_t)~(1 << WAIT_APPEND);
        a->at = a->slept && (bugs & BUG_WAITING_ONCE) != 0 ? STEP_TRY_AGAIN : STEP_SAY_WAITING;
        break;
    case STEP_SAY_WAITING:
        n.waiting[WAIT_APPEND] = 1;
        a->at = (bugs & BUG_NO_SECOND_LOOK) != 0 && !a->slept ? STEP_SLEEP : STEP_TRY_AGAIN;
        break;
    case STEP_SLEEP:
        if (s->give_ups > 0) {
            model_state g = *s;
            g.give_ups--;
            g.actor[actor].at = STEP_START;
            g.turn[handle] = 0;
            model_emit(x, &g, "gives up", actor);
        }
        a->slept = 1;
        model_sleep_at(a, WAIT_APPEND);
        break;
    default:
        return;
    }
    model_emit(x, &n, what, actor);
}

void model_step_locked(const explorer *x, const model_state *s, int actor) {
    model_state n = *s;
    model_actor *a = &n.actor[actor];
    uint32_t bugs = x->config->bugs;
    const char *what = model_step_names[a->at];
    int number = model_segment_of(n.tail), cell = model_cell_of(n.tail);
    switch (a->at) {
    case STEP_CATCH_UP:
        if (!n.valid)
            recover(&n);
        n.valid = 1;
        n.applied = n.tail;
        a->at = a->orphan || (a->durable && n.sync_failed && (bugs & BUG_SYNC_AGAIN) == 0) ? STEP_MEND_READ_WAKE : STEP_PLACE;
        break;
    case STEP_PLACE:
        a->at = n.rotating || cell == CELLS ? STEP_BEGIN_ROTATING : STEP_WRITE;
        if (a->at == STEP_BEGIN_ROTATING && number == SEGMENTS)
            a->at = STEP_UNLOCK;
        break;
    case STEP_BEGIN_ROTATING:
        n.rotating = 1;
        a->at = STEP_BEGIN_CLEAR;
        if (number == SEGMENTS) { /* the model's end, only after mending */
            a->at = STEP_RESIGN;
            a->back = STEP_UNLOCK;
        }
        break;
    case STEP_BEGIN_CLEAR:
        if (n.tail != 0 && cell < CELLS) {
            model_open_segment(&n, a, number);
            if (model_segment_at(&n, number)->cell[cell] != 0)
                model_put_cell(&n, a, cell, 0);
        }
        a->at = STEP_BEGIN_HEADER;
        break;
    case STEP_BEGIN_HEADER:
        model_segment_at(&n, number + 1)->header[0] = (uint8_t)(1 + cell);
        model_segment_at(&n, number + 1)->header[1] = model_chain_at(&n, n.tail);
        model_segment_at(&n, number + 1)->dirty |= HEADER_BIT;
        a->file = (uint8_t)(number + 1);
        a->version = model_segment_at(&n, number + 1)->version;
        a->at = STEP_BEGIN_PUBLISH;
        break;
    case STEP_BEGIN_PUBLISH:
        n.applied = n.applied == n.tail ? model_lsn(number + 1, 0) : n.applied; /* (nobody may look meanwhile) */
        n.tail = model_lsn(number + 1, 0);
        a->at = STEP_BEGIN_DONE;
        break;
    case STEP_BEGIN_DONE:
        n.rotating = 0;
        a->at = a->mended ? STEP_MEND_SYNC : STEP_PLACE;
        a->mended = 0;
        break;
    case STEP_WRITE:
        if (a->batch == 0) {
            a->batch = ++n.batches;
            n.before[a->batch - 1] = model_chain_at(&n, n.tail);
            a->target = n.tail;
            if ((bugs & BUG_PUBLISH_FIRST) != 0) {
                a->at = STEP_PUBLISH;
                break;
            }
        }
        model_open_segment(&n, a, model_segment_of(a->target));
        model_put_cell(&n, a, model_cell_of(a->target), a->batch);
        a->at = (bugs & BUG_PUBLISH_FIRST) != 0 ? STEP_FOLD : STEP_PUBLISH;
        if ((bugs & BUG_FOLD_FIRST) != 0)
            n.applied = (uint8_t)(n.tail + 1);
        break;
    case STEP_PUBLISH:
        model_segment_at(&n, number)->published[cell] = a->batch;
        n.tail = a->need = model_lsn(number, cell + 1);
        a->at = (bugs & BUG_PUBLISH_FIRST) != 0 ? STEP_WRITE : STEP_FOLD;
        break;
    case STEP_FOLD:
        n.applied = n.tail;
        a->at = (bugs & BUG_WAKE_FIRST) != 0 ? STEP_WAKE_LOOK : STEP_UNLOCK;
        break;
    case STEP_UNLOCK:
        n.append_holder = 0;
        a->at = (bugs & BUG_WAKE_FIRST) != 0 ? STEP_BELL_LOOK : STEP_WAKE_LOOK;
        break;
    default:
        return;
    }
    model_emit(x, &n, what, actor);
}

void model_step_wake(const explorer *x, const model_state *s, int actor) {
    model_state n = *s;
    model_actor *a = &n.actor[actor];
    uint32_t bugs = x->config->bugs;
    const char *what = model_step_names[a->at];
    switch (a->at) {
    case STEP_WAKE_LOOK:
        a->at = n.waiting[WAIT_APPEND] && (bugs & BUG_NO_WAKE) == 0 ? STEP_WAKE_WORD : STEP_BELL_LOOK;
        if ((bugs & BUG_WAKE_FIRST) != 0 && a->at == STEP_BELL_LOOK)
            a->at = STEP_UNLOCK;
        n.waiting[WAIT_APPEND] = 0;
        break;
    case STEP_WAKE_WORD:
        model_change_word(&n, WAIT_APPEND);
        a->at = STEP_WAKE_ONE;
        if ((bugs & BUG_WAKE_FIRST) != 0) { /* all in one step: it is enough */
            model_wake_all(&n, WAIT_APPEND);
            a->at = STEP_UNLOCK;
        }
        break;
    case STEP_WAKE_ONE:
        wake_one(x, s, actor);
        return;
    case STEP_BELL_LOOK:
        a->at = someone_follows(x) && n.waiting[WAIT_BELL] && (bugs & BUG_NO_FOLLOWER_WAKE) == 0 ? STEP_BELL_WORD : STEP_APPENDED;
        n.waiting[WAIT_BELL] = 0;
        break;
    case STEP_BELL_WORD:
        model_change_word(&n, WAIT_BELL);
        a->at = STEP_BELL_WAKE;
        break;
    case STEP_BELL_WAKE:
        model_wake_all(&n, WAIT_BELL);
        a->at = STEP_APPENDED;
        break;
    case STEP_APPENDED:
        n.turn[x->config->handle[actor]] = 0;
        a->begun = a->orphan = 0;
        a->at = a->durable && a->batch != 0 ? STEP_SYNC_READ_WAKE : STEP_START;
        if (a->at == STEP_SYNC_READ_WAKE && (bugs & BUG_ACK_EARLY) != 0)
            model_acknowledge(x, &n, a);
        break;
    default:
        return;
    }
    model_emit(x, &n, what, actor);
}

void model_step_follower(const explorer *x, const model_state *s, int actor) {
    model_state n = *s;
    model_actor *a = &n.actor[actor];
    const char *what = model_step_names[a->at];
    switch (a->at) {
    case STEP_FOLLOW_READ_WAKE:
        a->changed &= (uint8_t)~(1 << WAIT_BELL);
        a->at = STEP_FOLLOW_SAY_WAITING;
        break;
    case STEP_FOLLOW_SAY_WAITING:
        n.waiting[WAIT_BELL] = 1;
        a->at = STEP_FOLLOW_LOOK;
        break;
    case STEP_FOLLOW_LOOK:
        a->at = n.tail != a->seen ? STEP_FOLLOW_READ_WAKE : STEP_FOLLOW_SLEEP;
        a->seen = n.tail;
        break;
    case STEP_FOLLOW_SLEEP:
        model_sleep_at(a, WAIT_BELL);
        break;
    default:
        return;
    }
    model_emit(x, &n, what, actor);
}

/*
 * What a failed sync, or the death of a leader, leaves to be written anew. See inside.h.
 */
#include "model/inside.h"

#include <string.h>

/* ---- After a leader's death ---- */

void model_step_heir(const explorer *x, const model_state *s, int actor) {
    model_state n = *s;
    model_actor *a = &n.actor[actor];
    uint32_t bugs = x->config->bugs;
    int handle = x->config->handle[actor];
    const char *what = model_step_names[a->at];
    switch (a->at) {
    case STEP_ORPHAN: /* both locks are taken, in the order of one who mends */
        if (n.turn[handle] != 0)
            return;
        n.turn[handle] = (uint8_t)(1 + actor);
        a->slept = 0;
        a->orphan = 1;
        a->at = STEP_TRY;
        break;
    case STEP_REWRITE_CHECK:
    case STEP_REWRITE: { /* one segment at a step: writes, and checks what it wrote */
        bool checks_first = (bugs & BUG_CHECK_FIRST) != 0;
        if ((!checks_first || a->at == STEP_REWRITE_CHECK) && !model_holds(&n, a->number, n.synced, a->snap)) {
            n.sync_failed = 1;
            a->snap = 0;
            a->at = STEP_RESIGN;
            break;
        }
        if (checks_first && a->at == STEP_REWRITE_CHECK) {
            a->at = STEP_REWRITE;
            break;
        }
        int first = a->number == model_segment_of(n.synced) ? model_cell_of(n.synced) : 0;
        int end = a->number == model_segment_of(a->snap) ? model_cell_of(a->snap) : model_cells_of(&n, a->number);
        for (int cell = first; cell < end; cell++)
            model_segment_at(&n, a->number)->dirty |= (uint8_t)(1 << cell);
        if (n.synced == 0 || a->number > model_segment_of(n.synced))
            model_segment_at(&n, a->number)->dirty |= HEADER_BIT;
        a->at = a->number++ < model_segment_of(a->snap) ? STEP_REWRITE_CHECK : a->orphan ? STEP_REWRITTEN : STEP_LEAD_SYNCING;
        a->snap = a->at == STEP_REWRITE_CHECK ? a->snap : 0;
        break;
    }
    case STEP_REWRITTEN: /* now it is as if nobody had synced */
        n.syncing = 0;
        a->at = STEP_RESIGN;
        break;
    default:
        return;
    }
    model_emit(x, &n, what, actor);
}

/* ---- Mending ---- */

/* A step that may fail: then all stays as it was, and the append is refused. */
static void refuse(const explorer *x, const model_state *s, int actor) {
    model_state n = *s;
    if (s->sync_failures == 0)
        return;
    n.sync_failures--;
    n.actor[actor].at = STEP_RESIGN;
    n.actor[actor].back = STEP_UNLOCK;
    model_emit(x, &n, "the disk refuses to be mended", actor);
}

void model_step_mender(const explorer *x, const model_state *s, int actor) {
    model_state n = *s;
    model_actor *a = &n.actor[actor];
    const char *what = model_step_names[a->at];
    switch (a->at) {
    case STEP_MEND_READ_WAKE:
        a->changed &= (uint8_t)~(1 << WAIT_SYNC);
        a->at = STEP_MEND_SAY_WAITING;
        break;
    case STEP_MEND_SAY_WAITING:
        n.waiting[WAIT_SYNC] = 1;
        a->at = STEP_MEND_TRY;
        break;
    case STEP_MEND_TRY:
        a->at = model_try_lead(&n, x->config->handle[actor], actor) ? STEP_MEND_LOOK : STEP_MEND_SLEEP;
        break;
    case STEP_MEND_SLEEP:
        model_sleep_at(a, WAIT_SYNC);
        break;
    case STEP_MEND_LOOK:
        a->back = a->orphan ? STEP_UNLOCK : STEP_PLACE;
        a->number = (uint8_t)model_first_unsynced(&n);
        if (a->orphan) { /* unless somebody was faster */
            a->snap = n.tail;
            a->at = n.sync_failed || n.syncing <= n.synced ? STEP_RESIGN : STEP_REWRITE_CHECK;
            break;
        }
        a->at = !n.sync_failed ? STEP_RESIGN : (x->config->bugs & BUG_MEND_OPEN) != 0 ? STEP_MEND_CHECK : STEP_MEND_ROTATING;
        break;
    case STEP_MEND_ROTATING:
        n.rotating = 1;
        a->at = STEP_MEND_CHECK;
        break;
    case STEP_MEND_CHECK: /* copies, and checks the copy; or checks, and copies then */
        a->at = (x->config->bugs & BUG_CHECK_FIRST) != 0 ? STEP_MEND_COPY : STEP_MEND_RENAME;
        if (!model_holds(&n, a->number, n.synced, n.tail)) {
            a->at = STEP_RESIGN;
            a->back = STEP_UNLOCK;
            break;
        }
        refuse(x, s, actor);
        break;
    case STEP_MEND_COPY:
        a->at = STEP_MEND_RENAME;
        a->snap = 1; /* what is there now, whatever it is */
        for (int cell = 0; cell < model_cells_of(&n, a->number); cell++)
            a->snap &= model_segment_at(&n, a->number)->cell[cell] == model_segment_at(&n, a->number)->published[cell];
        a->snap = !a->snap;
        break;
    case STEP_MEND_RENAME: {
        model_segment *segment = model_segment_at(&n, a->number);
        segment->version++;
        segment->renamed = 1;
        segment->dirty = 0;
        for (int cell = 0; cell < CELLS; cell++)
            segment->cell[cell] = cell >= model_cells_of(&n, a->number) || a->snap ? 0 : segment->published[cell];
        a->snap = 0;
        a->at = a->number++ < model_segment_of(n.tail) ? STEP_MEND_CHECK : STEP_MEND_DIRECTORY;
        break;
    }
    case STEP_MEND_DIRECTORY:
        refuse(x, s, actor);
        for (int number = 1; number <= SEGMENTS; number++) {
            model_segment *segment = model_segment_at(&n, number);
            if (segment->renamed)
                model_to_disk(segment, (uint8_t)~segment->dirty);
            segment->renamed = 0;
            segment->named = segment->header[0] != 0;
        }
        a->at = STEP_BEGIN_ROTATING;
        a->mended = 1;
        break;
    case STEP_MEND_SYNC: {
        model_segment *segment = model_segment_at(&n, model_segment_of(n.tail));
        uint8_t dirty = segment->dirty;
        if (s->sync_failures > 0) {
            model_state f = *s;
            model_segment_at(&f, model_segment_of(n.tail))->dirty = 0;
            refuse(x, &f, actor);
        }
        model_to_disk(segment, dirty);
        segment->dirty = 0;
        segment->named = 1;
        a->at = STEP_MEND_SYNCED;
        break;
    }
    case STEP_MEND_SYNCED:
        n.synced = n.tail;
        a->at = STEP_MEND_SYNCING;
        break;
    case STEP_MEND_SYNCING:
        n.syncing = 0;
        a->at = STEP_MEND_DONE;
        break;
    case STEP_MEND_DONE:
        n.sync_failed = 0;
        a->at = STEP_RESIGN;
        break;
    default:
        return;
    }
    model_emit(x, &n, what, actor);
}

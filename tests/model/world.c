/*
 * Where the model begins and ends; deaths, the power, the passing of time. See inside.h.
 */
#include "model/inside.h"

#include <string.h>

/* ---- Death, power, time ---- */

/* All threads of the process die: its locks are dropped, its words stay. */
static void bury(const model_config *config, model_state *s, int handle) {
    s->deaths--;
    s->alone = 1;
    for (int a = 0; a < ACTORS; a++)
        if (config->handle[a] == handle && model_is_alive(&s->actor[a]))
            s->actor[a] = (model_actor){.at = STEP_DEAD};
    s->append_holder = s->append_holder == 1 + handle ? 0 : s->append_holder;
    s->sync_holder = s->sync_holder == 1 + handle ? 0 : s->sync_holder;
    s->turn[handle] = s->leading[handle] = 0;
}

static void die(const explorer *x, const model_state *s, int handle) {
    int syncing = -1;
    bool any = false;
    for (int a = 0; a < x->config->writers; a++) {
        if (x->config->handle[a] != handle || !model_is_alive(&s->actor[a]))
            continue;
        any = any || s->actor[a].at != STEP_START;
        if (s->actor[a].at == STEP_LEAD_END_SYNC)
            syncing = a;
    }
    bool mortal = x->config->mortal == 0 || (x->config->mortal >> handle & 1) != 0;
    if (s->deaths == 0 || !any || !mortal)
        return;
    model_state n = *s;
    bury(x->config, &n, handle);
    model_emit(x, &n, "dies", handle);
    if (syncing < 0)
        return;
    n = *s; /* the system goes on with what was under way */
    uint8_t snap = n.actor[syncing].snap;
    model_segment *segment = model_segment_at(&n, n.actor[syncing].number);
    model_to_disk(segment, snap);
    segment->dirty &= (uint8_t)~snap;
    bury(x->config, &n, handle);
    model_emit(x, &n, "dies in a sync that succeeds", handle);
    if (s->sync_failures == 0 || snap == 0)
        return;
    n = *s;
    model_segment_at(&n, n.actor[syncing].number)->dirty &= (uint8_t)~snap;
    n.sync_failures--;
    bury(x->config, &n, handle);
    model_emit(x, &n, "dies in a sync that fails", handle);
}

static void start_again(const explorer *x, model_state *s) {
    for (int i = 0; i < ACTORS; i++) {
        uint8_t left = s->actor[i].left, at = s->actor[i].at;
        bool writer = i < x->config->writers, other = i >= x->config->writers + x->config->followers;
        s->actor[i] = (model_actor){.left = left};
        s->actor[i].at = other ? STEP_END : !writer ? STEP_FOLLOW_READ_WAKE : at == STEP_DEAD || left == 0 ? STEP_END : STEP_START;
    }
    memset(s->turn, 0, sizeof s->turn);
    memset(s->leading, 0, sizeof s->leading);
    memset(s->waiting, 0, sizeof s->waiting);
    s->append_holder = s->sync_holder = s->valid = s->alone = 0;
    s->tail = s->synced = s->syncing = s->applied = s->rotating = s->sync_failed = 0;
}

/* One thing after the other may have come to disk, or not. */
static void lose(const explorer *x, model_state *s, int number) {
    if (number > SEGMENTS) {
        model_state n = *s;
        uint8_t found;
        start_again(x, &n);
        model_walk(&n, &found);
        if ((n.acked & ~found) != 0)
            n.broken = INV_LOST;
        for (int i = 0; i < SEGMENTS; i++)
            memset(n.segment[i].published, 0, CELLS);
        x->each(x->context, &n, "the power fails", -1);
        return;
    }
    model_segment *segment = model_segment_at(s, number), was = *segment;
    for (int kept = segment->named ? 1 : 0; kept < 2; kept++)           /* the name */
        for (int renamed = 0; renamed <= (segment->renamed ? 1 : 0); renamed++) /* the new file under it */
            for (int which = 0; which < HEADER_BIT * 2; which++) {
                if ((which & ~was.dirty) != 0)
                    continue;
                *segment = was;
                if (renamed)
                    model_to_disk(segment, (uint8_t)~was.dirty);
                model_to_disk(segment, (uint8_t)which);
                memcpy(segment->header, segment->disk_header, 2);
                memcpy(segment->cell, segment->disk, CELLS);
                segment->dirty = segment->renamed = segment->lost = 0;
                segment->named = 1;
                if (!kept || segment->header[0] == 0)
                    *segment = (model_segment){.version = was.version};
                memset(segment->published, 0, CELLS);
                lose(x, s, number + 1);
                *segment = was;
            }
}

/* What is not dirty may be read from the disk at any time. */
static void evict(const explorer *x, const model_state *s) {
    if (s->sync_failures == x->config->sync_failures)
        return; /* then it is the same */
    for (int number = 1; number <= SEGMENTS; number++)
        for (int cell = 0; cell < CELLS; cell++) {
            const model_segment *segment = &s->segment[number - 1];
            if ((segment->dirty >> cell & 1) != 0 || segment->renamed || segment->cell[cell] == segment->disk[cell])
                continue;
            model_state n = *s;
            n.segment[number - 1].cell[cell] = segment->disk[cell];
            n.segment[number - 1].lost |= (uint8_t)(1 << cell);
            model_emit(x, &n, "what a failed sync lost is read from disk", -1);
        }
}

static void begin_published(const model_config *config, model_state *s, int actor) {
    model_actor *a = &s->actor[actor];
    model_segment *segment = model_segment_at(s, 1);
    int cell = s->batches;
    model_begin_append(s, a, config, actor);
    s->turn[config->handle[actor]] = 0;
    s->valid = 1;
    segment->header[0] = 1;
    segment->cell[cell] = segment->published[cell] = a->batch = ++s->batches;
    s->before[cell] = (uint8_t)(cell == 0 ? CHAIN_OF_HEADER + 1 : s->batches - 1);
    segment->dirty |= (uint8_t)(HEADER_BIT | 1 << cell);
    s->tail = s->applied = a->need = model_lsn(1, s->batches);
    a->at = STEP_SYNC_READ_WAKE;
}

void model_begin(const model_config *config, model_state *s) {
    memset(s, 0, sizeof *s);
    s->deaths = config->deaths;
    s->sync_failures = config->sync_failures;
    s->power_cuts = config->power_cuts;
    s->give_ups = config->give_ups;
    for (int a = 0; a < ACTORS; a++) {
        s->actor[a].left = a < config->writers ? config->appends[a] : 0;
        s->actor[a].at = a < config->writers                        ? STEP_START
                         : a < config->writers + config->followers ? STEP_FOLLOW_READ_WAKE
                                                                   : STEP_END;
    }
    for (int a = 0; a < config->writers; a++)
        if ((config->published >> a & 1) != 0)
            begin_published(config, s, a);
}

bool model_done(const model_config *config, const model_state *s) {
    for (int a = 0; a < config->writers; a++)
        if (model_is_alive(&s->actor[a]))
            return false;
    for (int a = config->writers; a < config->writers + config->followers; a++)
        if (s->actor[a].seen != s->tail)
            return false;
    return true;
}

void model_step(const model_config *config, const model_state *state,
                void (*each)(void *context, const model_state *next, const char *what, int actor), void *context) {
    explorer x = {config, each, context};
    model_state s = *state;
    s.acknowledged = 0;
    for (int a = 0; a < ACTORS; a++) {
        model_step_lock(&x, &s, a);
        model_step_locked(&x, &s, a);
        model_step_wake(&x, &s, a);
        model_step_waiter(&x, &s, a);
        model_step_leader(&x, &s, a);
        model_step_heir(&x, &s, a);
        model_step_mender(&x, &s, a);
        model_step_follower(&x, &s, a);
        if (config->timed && (model_sleeps_at(&s.actor[a], WAIT_APPEND) || model_sleeps_at(&s.actor[a], WAIT_SYNC) ||
                              model_sleeps_at(&s.actor[a], WAIT_BELL))) {
            model_state n = s;
            model_get_up(&n.actor[a]);
            model_emit(&x, &n, "sleeps no longer than 5 ms", a);
        }
    }
    for (int handle = 0; handle < ACTORS; handle++)
        die(&x, &s, handle);
    evict(&x, &s);
    if (s.power_cuts > 0) {
        s.power_cuts--;
        lose(&x, &s, 1);
    }
}

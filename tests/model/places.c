/*
 * The log of the model, words and sleepers, and what must hold. See inside.h.
 */
#include "model/inside.h"

#include <string.h>

#undef NAME
#define NAME(name) #name,
const char *const model_step_names[] = {STEPS(NAME)};
#undef NAME


const char *const model_invariants[INVARIANTS] = {
    "nothing",
    "a published tail never covers unwritten bytes",
    "a lock is held by at most one",
    "a durable append is acknowledged only when it is on disk, and never by a sync that failed",
    "synced is never ahead of the disk, nor of the tail",
    "no acknowledged append is lost with the power",
    "the index is never ahead of the tail",
    "nobody sleeps for ever: what is begun can be finished",
};


/* ---- Places in the log ---- */

uint8_t model_lsn(int segment, int cell) {
    return (uint8_t)(segment * (CELLS + 1) + cell);
}

int model_segment_of(uint8_t at) {
    return at / (CELLS + 1);
}

int model_cell_of(uint8_t at) {
    return at % (CELLS + 1);
}

model_segment *model_segment_at(model_state *s, int number) {
    return &s->segment[number - 1];
}

/* Cells of a segment that lie before the tail. */
int model_cells_of(const model_state *s, int number) {
    if (number == model_segment_of(s->tail))
        return model_cell_of(s->tail);
    return number < model_segment_of(s->tail) ? s->segment[number].header[0] - 1 : 0;
}

uint8_t model_chain_at(const model_state *s, uint8_t at) {
    if (at == 0)
        return 0;
    int cell = model_cell_of(at), number = model_segment_of(at);
    return cell == 0 ? (uint8_t)(CHAIN_OF_HEADER + number) : s->segment[number - 1].published[cell - 1];
}

/* Walks the log as recovery does: the end, and which batches it has. Marks them as published. */
uint8_t model_walk(model_state *s, uint8_t *ret_found) {
    uint8_t chain = 0, end = 0;
    *ret_found = 0;
    for (int number = 1; number <= SEGMENTS; number++) {
        model_segment *segment = model_segment_at(s, number);
        bool follows = number == 1 ? segment->header[0] != 0
                                   : segment->header[0] == 1 + model_cell_of(end) && segment->header[1] == chain;
        if (!follows)
            break;
        int limit = number < SEGMENTS && segment[1].header[0] != 0 ? segment[1].header[0] - 1 : CELLS, cell = 0;
        chain = (uint8_t)(CHAIN_OF_HEADER + number);
        while (cell < limit && segment->cell[cell] != 0 && s->before[segment->cell[cell] - 1] == chain) {
            chain = segment->published[cell] = segment->cell[cell];
            *ret_found |= (uint8_t)(1 << (chain - 1));
            cell++;
        }
        end = model_lsn(number, cell);
        if (number < SEGMENTS && segment[1].header[0] != 0 && cell < limit)
            break;
    }
    return end;
}

bool model_is_on_disk(const model_state *s, uint8_t upto) {
    for (int number = 1; number <= model_segment_of(upto); number++) {
        const model_segment *segment = &s->segment[number - 1];
        int cells = number == model_segment_of(upto) ? model_cell_of(upto) : model_cells_of(s, number);
        if (!segment->named || memcmp(segment->disk_header, segment->header, 2) != 0)
            return false;
        for (int cell = 0; cell < cells; cell++) { /* of two files of the name: in both */
            bool new_file = !segment->renamed ||
                            ((segment->dirty >> cell & 1) == 0 && segment->cell[cell] == segment->published[cell]);
            if (segment->disk[cell] != segment->published[cell] || !new_file)
                return false;
        }
    }
    return true;
}

/* Whether records of [from, to) in a segment hold. */
bool model_holds(const model_state *s, int number, uint8_t from, uint8_t to) {
    const model_segment *segment = &s->segment[number - 1];
    int first = number == model_segment_of(from) ? model_cell_of(from) : 0;
    int end = number == model_segment_of(to) ? model_cell_of(to) : model_cells_of(s, number);
    for (int cell = first; cell < end; cell++)
        if (segment->cell[cell] != segment->published[cell])
            return false;
    return true;
}

/* ---- What must hold ---- */

static bool is_leading(uint8_t at) {
    return (at >= STEP_LEAD_LOOK && at <= STEP_RESIGN) || (at >= STEP_REWRITE_CHECK && at <= STEP_REWRITTEN) || (at >= STEP_MEND_LOOK && at <= STEP_MEND_DONE);
}

static bool is_appending(uint8_t at) { /* (not: who writes again, which may be done wrong without) */
    return (at >= STEP_CATCH_UP && at <= STEP_UNLOCK) || (at >= STEP_MEND_READ_WAKE && at <= STEP_MEND_DONE);
}

static int what_is_broken(const explorer *x, const model_state *s) {
    int appending = 0, leading = 0;
    for (int a = 0; a < ACTORS; a++) {
        appending += is_appending(s->actor[a].at);
        leading += is_leading(s->actor[a].at);
    }
    if (appending > 1 || leading > 1)
        return INV_ONE_HOLDER;
    if (s->broken != 0)
        return s->broken;
    if (!s->valid)
        return INV_NONE;
    for (int number = 1; number <= model_segment_of(s->tail); number++)
        for (int cell = 0; cell < model_cells_of(s, number); cell++) {
            const model_segment *segment = &s->segment[number - 1];
            bool lost = (segment->lost >> cell & 1) != 0;
            if (segment->published[cell] == 0 || (segment->cell[cell] != segment->published[cell] && !lost))
                return INV_UNWRITTEN;
        }
    if (s->applied > s->tail)
        return INV_INDEX;
    if ((x->config->bugs & BUG_UNSEEN) != 0)
        return INV_NONE;
    if (s->synced > s->tail || (s->synced != 0 && !model_is_on_disk(s, s->synced)))
        return INV_SYNCED;
    return INV_NONE;
}

void model_emit(const explorer *x, model_state *next, const char *what, int actor) {
    next->broken = (uint8_t)what_is_broken(x, next);
    x->each(x->context, next, what, actor);
}

/* ---- Words, locks, files ---- */

void model_change_word(model_state *s, int place) {
    for (int a = 0; a < ACTORS; a++)
        s->actor[a].changed |= (uint8_t)(1 << place);
}

static uint8_t asleep_at(int place) {
    static const uint8_t at[] = {STEP_ASLEEP, STEP_SYNC_ASLEEP, STEP_FOLLOW_ASLEEP};
    return at[place];
}

bool model_sleeps_at(const model_actor *a, int place) {
    return a->at == asleep_at(place) || (place == WAIT_SYNC && a->at == STEP_MEND_ASLEEP);
}

void model_get_up(model_actor *a) {
    a->slept = a->at == STEP_ASLEEP ? 1 : a->slept;
    a->at = a->at == STEP_ASLEEP         ? STEP_READ_WAKE
            : a->at == STEP_SYNC_ASLEEP  ? STEP_SYNC_READ_WAKE
            : a->at == STEP_MEND_ASLEEP  ? STEP_MEND_READ_WAKE
                                         : STEP_FOLLOW_READ_WAKE;
}

void model_wake_all(model_state *s, int place) {
    for (int a = 0; a < ACTORS; a++)
        if (model_sleeps_at(&s->actor[a], place))
            model_get_up(&s->actor[a]);
}

/* Sleeps if the word still has the value that was read. */
void model_sleep_at(model_actor *a, int place) {
    uint8_t at = a->at == STEP_MEND_SLEEP ? STEP_MEND_ASLEEP : asleep_at(place);
    bool changed = (a->changed >> place & 1) != 0;
    a->at = at;
    if (changed)
        model_get_up(a);
}

/* Opens the segment that the tail lies in, unless it has one of that number open. */
void model_open_segment(const model_state *s, model_actor *a, int number) {
    if (a->file == number)
        return;
    a->file = (uint8_t)number;
    a->version = s->segment[number - 1].version;
}

void model_put_cell(model_state *s, const model_actor *a, int cell, uint8_t value) {
    model_segment *segment = model_segment_at(s, a->file);
    if (a->version != segment->version)
        return; /* that file has no name any more */
    segment->cell[cell] = value;
    segment->dirty |= (uint8_t)(1 << cell);
}

void model_to_disk(model_segment *segment, uint8_t which) {
    for (int cell = 0; cell < CELLS; cell++)
        if ((which >> cell & 1) != 0)
            segment->disk[cell] = segment->cell[cell];
    if ((which & HEADER_BIT) != 0)
        memcpy(segment->disk_header, segment->header, 2);
}

int model_first_unsynced(const model_state *s) {
    return s->synced == 0 ? 1 : model_segment_of(s->synced);
}

void model_acknowledge(const explorer *x, model_state *s, model_actor *a) {
    if ((x->config->bugs & BUG_UNSEEN) == 0 && !model_is_on_disk(s, a->need))
        s->broken = INV_ACK;
    if (a->batch != 0)
        s->acked |= (uint8_t)(1 << (a->batch - 1));
    s->acknowledged = 1;
    a->at = STEP_START;
}

bool model_is_alive(const model_actor *a) {
    return a->at != STEP_END && a->at != STEP_DEAD;
}

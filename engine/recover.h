/*
 * After a death: where the log ends, and an index that follows it. SPEC.md "Recovery".
 */
#ifndef VARVE_ENGINE_RECOVER_H
#define VARVE_ENGINE_RECOVER_H

#include "engine/store.h"

/* Under the lock: brings control, log end and index to a state that can be appended to. */
int ve_recover(varve *store);
/* Finds the end of the log without CONTROL. */
typedef struct ve_log_state {
    uint64_t tail;
    uint32_t chain;
    uint64_t hole_from, hole_to; /* acknowledged data that is damaged */
    uint64_t torn; /* bytes behind the tail that look like the remains of records; 0 = none */
    uint32_t
        abandon; /* segments from this number on hold only what was never acknowledged; 0 = none */
    uint64_t witness;  /* everything before it was acknowledged by the disk */
    uint64_t open_end; /* behind the last whole record, its batch complete or not */
    uint32_t open_chain;
    uint64_t last_record; /* lsn of the record that ends at the tail, 0 = none in its segment */
    uint64_t open_record;
    uint64_t known_tail; /* where a CONTROL that is not believed saw the end, 0 = unknown */
    bool packed;         /* the log ends with what is packed: a new segment is to be begun */
} ve_log_state;
int ve_find_end(varve *store, ve_log_state *ret_state);
/* The same by the layout in force. */
int ve_find_end_here(varve *store, ve_log_state *ret_state);
int ve_rebuild(varve *store,
               uint64_t tail); /* a new index generation from the log; under the lock */
/* Folds the log into an empty index: what packed rows say, then the records behind them. */
int ve_fold_all(varve *store, ve_index *index, uint64_t tail);
/* Removes what idx/ has, but for generation 'keep' (0 = none). */
void ve_remove_indexes(varve *store, uint64_t keep);
/* An index of one's own, up to *tail, or further if packed rows count more: *tail says so then. 'events': folded from all
 * events, if none of them is gone, whatever rows packed segments carry. */
int ve_private_index(varve *store, ve_index *index, uint64_t *tail, bool events);
/* For readers: the index that CONTROL names now. */
int ve_follow_index(varve *store);
/* Waits so many times so long (ns) for it to follow up to 'tail', as it does at once while the writer lives. Whether it
 * does. */
bool ve_await_index(varve *store, uint64_t tail, int times, int64_t pause);
/* Under the lock, before anything is appended: finishes what a dead writer left. */
int ve_catch_up(varve *store);

#endif

/*
 * What the parts of the model share. See model.h.
 */
#ifndef VARVE_TESTS_MODEL_INSIDE_H
#define VARVE_TESTS_MODEL_INSIDE_H

#include "model/model.h"

#define STEPS(X)                                                                                                      \
    X(END) X(DEAD)                                                                                                    \
    /* an append: the lock */                                                                                         \
    X(START) X(TRY) X(READ_WAKE) X(SAY_WAITING) X(TRY_AGAIN) X(SLEEP) X(ASLEEP)                                       \
    /* under it */                                                                                                    \
    X(CATCH_UP) X(PLACE) X(BEGIN_ROTATING) X(BEGIN_CLEAR) X(BEGIN_HEADER) X(BEGIN_PUBLISH) X(BEGIN_DONE)              \
    X(WRITE) X(PUBLISH) X(FOLD) X(UNLOCK) X(WAKE_LOOK) X(WAKE_WORD) X(WAKE_ONE)                                       \
    X(BELL_LOOK) X(BELL_WORD) X(BELL_WAKE) X(APPENDED)                                                                \
    /* waiting for the disk, or leading */                                                                            \
    X(SYNC_READ_WAKE) X(SYNC_SAY_WAITING) X(SYNC_LOOK) X(SYNC_LOOK_FAILED) X(SYNC_TRY) X(SYNC_TRY_LOCK)               \
    X(SYNC_TRY_UNDO) X(SYNC_SLEEP) X(SYNC_ASLEEP)                                                                     \
    X(LEAD_LOOK) X(LEAD_LOOK_FAILED) X(LEAD_TAIL) X(LEAD_SYNCING) X(LEAD_BEGIN_SYNC)                  \
    X(LEAD_END_SYNC) X(LEAD_DIRECTORY) X(LEAD_SYNCED) X(LEAD_FAILED) X(LEAD_CLEAR)                                    \
    X(RESIGN) X(RESIGN_HANDLE) X(RESIGN_LOOK) X(RESIGN_WORD) X(RESIGN_WAKE)                                           \
    /* after a leader's death */                                                                                       \
    X(ORPHAN) X(REWRITE_CHECK) X(REWRITE) X(REWRITTEN)                                                                \
    /* mending */                                                                                                     \
    X(MEND_READ_WAKE) X(MEND_SAY_WAITING) X(MEND_TRY) X(MEND_SLEEP) X(MEND_ASLEEP) X(MEND_LOOK) X(MEND_ROTATING)      \
    X(MEND_CHECK) X(MEND_COPY) X(MEND_RENAME) X(MEND_DIRECTORY) X(MEND_SYNC) X(MEND_SYNCED) X(MEND_SYNCING) X(MEND_DONE)            \
    /* a follower */                                                                                                  \
    X(FOLLOW_READ_WAKE) X(FOLLOW_SAY_WAITING) X(FOLLOW_LOOK) X(FOLLOW_SLEEP) X(FOLLOW_ASLEEP)

#define NAME(name) STEP_##name,
enum { STEPS(NAME) STEP_COUNT };
#undef NAME
enum { WAIT_APPEND, WAIT_SYNC, WAIT_BELL }; /* places to wait */
enum { HEADER_BIT = 1 << CELLS, CHAIN_OF_HEADER = 32 };

typedef struct {
    const model_config *config;
    void (*each)(void *context, const model_state *next, const char *what, int actor);
    void *context;
} explorer;

extern const char *const model_step_names[];

/* ---- places.c: the log, words, sleepers; what must hold ---- */

/* An lsn: the segment's number, from 1, and how many of its cells lie before it. 0 = before all. */
uint8_t model_lsn(int segment, int cell);
int model_segment_of(uint8_t at);
int model_cell_of(uint8_t at);
model_segment *model_segment_at(model_state *s, int number);
int model_cells_of(const model_state *s, int number); /* cells of a segment that lie before the tail */
uint8_t model_chain_at(const model_state *s, uint8_t at);
/* Walks the log as recovery does: the end, and which batches it has. Marks them as published. */
uint8_t model_walk(model_state *s, uint8_t *ret_found);
bool model_is_on_disk(const model_state *s, uint8_t upto);
/* Whether the records of [from, to) in a segment hold. */
bool model_holds(const model_state *s, int number, uint8_t from, uint8_t to);
/* Looks what is broken in it, and gives it to the explorer. */
void model_emit(const explorer *x, model_state *next, const char *what, int actor);

bool model_is_alive(const model_actor *a);
void model_change_word(model_state *s, int place);
bool model_sleeps_at(const model_actor *a, int place);
void model_get_up(model_actor *a);
void model_wake_all(model_state *s, int place);
void model_sleep_at(model_actor *a, int place); /* if the word still has the value that was read */
/* Opens a segment for writing, unless the actor has one of that number open. */
void model_open_segment(const model_state *s, model_actor *a, int number);
void model_put_cell(model_state *s, const model_actor *a, int cell, uint8_t value);
void model_to_disk(model_segment *segment, uint8_t which);
int model_first_unsynced(const model_state *s); /* segment */
/* Acknowledges the append, which must be on disk. */
void model_acknowledge(const explorer *x, model_state *s, model_actor *a);

/* ---- Steps: each does nothing unless the actor stands at one of its own ---- */

void model_begin_append(model_state *s, model_actor *a, const model_config *config, int actor);
void model_step_lock(const explorer *x, const model_state *s, int actor); /* append.c */
void model_step_locked(const explorer *x, const model_state *s, int actor);
void model_step_wake(const explorer *x, const model_state *s, int actor);
void model_step_follower(const explorer *x, const model_state *s, int actor);
void model_step_waiter(const explorer *x, const model_state *s, int actor); /* sync.c */
void model_step_leader(const explorer *x, const model_state *s, int actor);
void model_step_heir(const explorer *x, const model_state *s, int actor); /* mend.c */
void model_step_mender(const explorer *x, const model_state *s, int actor);
bool model_try_lead(model_state *s, int handle, int actor);

#endif

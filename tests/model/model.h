/*
 * A model of what SPEC.md says under "Commit", "Waiting" and "Recovery", small enough to be explored whole: a few threads
 * of a few processes append, sync, follow, and die at any step; the power fails at any step.
 *
 * Modelled are the words of CONTROL, the locks (flock: dropped by death), sleeping and waking, which bytes are written,
 * which are on disk, what a failed sync loses, and the files behind names (a mended segment is another file). A batch is
 * one cell of a segment; a segment has CELLS of them and a header. Not modelled: the content of records (a batch holds if
 * it stands where it was written, behind the record that it was sealed behind), packing, and damage to what was on disk.
 */
#ifndef VARVE_TESTS_MODEL_H
#define VARVE_TESTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { ACTORS = 3, SEGMENTS = 4, CELLS = 2, BATCHES = 8 };

/* What may be done wrong; each must be found. */
enum {
    BUG_PUBLISH_FIRST = 1 << 0,   /* publish before write */
    BUG_NO_WAKE = 1 << 1,         /* a released LOCK.append wakes nobody */
    BUG_LEADER_NO_WAKE = 1 << 2,  /* nor does a leader that is done */
    BUG_NO_FOLLOWER_WAKE = 1 << 3,
    BUG_WAITING_ONCE = 1 << 4,    /* who has slept does not set 'waiting' again */
    BUG_WAKE_FIRST = 1 << 5,      /* wake before unlock */
    BUG_NO_SECOND_LOOK = 1 << 6,  /* sleep without a try after 'waiting' was set */
    BUG_IGNORE_SYNCING = 1 << 7,  /* a leader does not look at what a dead one left in 'syncing' */
    BUG_SYNCED_LATE = 1 << 8,     /* synced is set to the tail as it is after the sync */
    BUG_SYNC_AGAIN = 1 << 9,      /* sync_failed is not looked at: the same file is synced again */
    BUG_FOLD_FIRST = 1 << 10,     /* the index follows before the tail is published */
    BUG_MEND_OPEN = 1 << 11,      /* a segment is replaced while others may still append to the old file */
    BUG_GIVE_UP_WOKEN = 1 << 12,  /* who is woken gives up without trying, and wakes nobody in his place */
    BUG_LEAD_IN_STEPS = 1 << 13,  /* a thread that only tries to lead keeps others of its handle from trying */
    BUG_NO_DIRECTORY_SYNC = 1 << 14, /* a new segment's name is not synced */
    BUG_ACK_EARLY = 1 << 15,      /* acknowledged when published */
    BUG_CHECK_FIRST = 1 << 16,    /* what is written anew is checked before it is copied, not in the copy */
    BUG_REWRITE_OPEN = 1 << 17,   /* after a leader's death: [synced, tail) is written again while others append */
    BUG_REWRITE_LESS = 1 << 18,   /* likewise, and only up to syncing */
    BUG_UNSEEN = 1 << 19,         /* no bug: INV_ACK and INV_SYNCED are not looked at, to see what comes of it */
};

typedef struct {
    const char *name;
    uint32_t bugs;
    uint8_t writers;          /* actors that append; then followers */
    uint8_t followers;
    uint8_t handle[ACTORS];   /* actors with the same number are threads of one process with one handle */
    uint8_t appends[ACTORS];
    uint8_t durable[ACTORS];  /* bit n: the n-th append from the last one */
    uint8_t published;        /* bits: actors whose first append is published when it begins, and only to be synced */
    bool timed;               /* sleepers also wake by themselves */
    uint8_t mortal;           /* bits: handles of processes that may die; 0 = all */
    uint8_t deaths, sync_failures, power_cuts, give_ups; /* at most so many */
} model_config;

/* Invariants. */
enum {
    INV_NONE,
    INV_UNWRITTEN,   /* a published tail covers bytes that were not written */
    INV_ONE_HOLDER,  /* a lock has two holders */
    INV_ACK,         /* a durable append is acknowledged while it is not on disk */
    INV_SYNCED,      /* synced covers what is not on disk, or is ahead of the tail */
    INV_LOST,        /* the power fails, and what was acknowledged is not found again */
    INV_INDEX,       /* the index is ahead of the tail */
    INV_STUCK,       /* a state from which the work cannot be finished: a wake-up is lost */
    INVARIANTS,
};
extern const char *const model_invariants[INVARIANTS];

typedef struct {
    uint64_t states, edges;
    uint64_t acks, ends;   /* transitions that acknowledge; states in which all is done */
    int broken;            /* INV_* */
    int length;            /* steps of the shortest way there */
} model_result;

/* Explores all states. 'trace': prints the way to what is broken. */
model_result model_explore(const model_config *config, bool trace);

/* ---- Between steps.c and explore.c ---- */

typedef struct {
    uint8_t header[2];      /* 0 = none, else 1 + cells of the segment before; and its last batch + 1. As written */
    uint8_t disk_header[2]; /* on disk */
    uint8_t cell[CELLS];    /* batch + 1 that stands there, as who reads sees it */
    uint8_t disk[CELLS];
    uint8_t published[CELLS];
    uint8_t dirty;          /* bits: cells, then CELLS: header: a sync would write it */
    uint8_t named;          /* the name is on disk */
    uint8_t lost;           /* bits: cells of which a failed sync has lost what was written */
    uint8_t renamed;        /* another file has the name, and the directory was not synced since */
    uint8_t version;        /* of the file */
} model_segment;

typedef struct {
    uint8_t at;             /* where it stands: STEP_* of steps.c */
    uint8_t left, slept, durable, need, target, snap, number, batch, begun, back, mended, orphan;
    uint8_t file, version;  /* segment that it has open for writing */
    uint8_t changed;        /* bits: the futex word of LOCK.append, LOCK.sync, the page changed since it was read */
    uint8_t seen;           /* follower: the tail that it saw */
} model_actor;

typedef struct {
    uint8_t tail, synced, syncing, sync_failed, applied, rotating, valid;
    uint8_t append_holder, sync_holder; /* 0 = free, else 1 + handle */
    uint8_t turn[ACTORS], leading[ACTORS]; /* by handle: 0, or 1 + actor */
    uint8_t waiting[3];     /* LOCK.append, LOCK.sync, the page */
    uint8_t batches, acked; /* so many were sealed; bits */
    uint8_t before[BATCHES];/* what a batch was sealed behind */
    uint8_t deaths, sync_failures, power_cuts, give_ups; /* left */
    uint8_t alone;          /* somebody died: a wake-up may have died with him */
    uint8_t broken;         /* INV_* that the step here broke */
    uint8_t acknowledged;   /* the step here acknowledged */
    model_segment segment[SEGMENTS];
    model_actor actor[ACTORS];
} model_state;

void model_begin(const model_config *config, model_state *state);
/* Calls 'each' with every state that may follow and a word on the step. */
void model_step(const model_config *config, const model_state *state,
                void (*each)(void *context, const model_state *next, const char *what, int actor), void *context);
bool model_done(const model_config *config, const model_state *state);

#endif

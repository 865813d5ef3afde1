/*
 * A store that gets ever more sessions and charges, and how long each append takes. See growth.c.
 */
#ifndef VARVE_BENCH_GROWING_H
#define VARVE_BENCH_GROWING_H

#include "bench/support/measure.h"
#include "engine/varve.h"

#include <stdint.h>

/* A round: this many sessions, so many of them by single appends, the rest in one batch. */
enum { GROWING_ROUND = 100, GROWING_SINGLES = 10, GROWING_ID_ROOM = 37, GROWING_PAUSES = 16 };
enum { GROWING_SINGLE, GROWING_BATCH, GROWING_KINDS };

typedef struct growing_pause {
    double seconds, user, system;
    uint64_t sessions;
    int kind;
    long faults, major, waits, preempted;
} growing_pause;

typedef struct growing {
    varve *store;
    varve_batch *batch;
    uint64_t sessions, charges, each; /* so far; charges a session */
    double seconds;                   /* of all appends */
    measure_spread all[GROWING_KINDS], last[GROWING_KINDS];
    double worst_cpu; /* of all, the processor's seconds: what others took from us is not in it */
    growing_pause pause[GROWING_PAUSES]; /* the longest, longest first */
} growing;

void growing_id(uint64_t number, char ret_id[GROWING_ID_ROOM]);
int growing_begin(growing *grow, const char *path, uint64_t charges_each);
int growing_round(growing *grow); /* VARVE_E_* */
void growing_end(growing *grow);

#endif

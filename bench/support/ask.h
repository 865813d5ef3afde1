/*
 * What programs ask of a store, timed: each gives seconds, or -1 (varve_last_error says why).
 */
#ifndef VARVE_BENCH_ASK_H
#define VARVE_BENCH_ASK_H

#include "engine/varve.h"

#include <stdint.h>

typedef struct ask_sum {
    uint64_t rows, events, bytes; /* what was met */
    uint64_t sum;                 /* of something of each, so that each was looked at */
} ask_sum;

/* A handle that has seen nothing yet. */
double ask_open(const char *path, varve **ret_store);
/* The newest sessions with their texts; and one by its id. */
double ask_list(varve *store, uint64_t limit, ask_sum *ret_sum);
double ask_show(varve *store, uint64_t number);
/* The events of sessions of the workload, each payload looked at: all from number 0 on, or 'count'
 * of them by chance (seed not 0). */
double ask_replay(varve *store, uint64_t sessions, uint64_t seed, uint64_t count, ask_sum *ret_sum);
/* The numbers of all records. */
double ask_scan(varve *store, ask_sum *ret_sum);
/* Tokens and cost by day and model. */
double ask_usage(varve *store, ask_sum *ret_sum);

#endif

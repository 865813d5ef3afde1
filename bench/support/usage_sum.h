/*
 * Tokens and cost by day and model: what a report of usage adds up.
 */
#ifndef VARVE_BENCH_USAGE_SUM_H
#define VARVE_BENCH_USAGE_SUM_H

#include "engine/varve.h"

#include <stdint.h>

enum { USAGE_DAYS = 1024, USAGE_MODELS = 16, USAGE_NAME = 64 };

typedef struct usage_sum {
    char name[USAGE_MODELS][USAGE_NAME];
    uint32_t models;
    uint64_t charges;
    int64_t tokens, cost; /* input and output; of all */
    struct {
        int64_t tokens[VARVE_TOKENS], cost;
    } by[USAGE_DAYS][USAGE_MODELS];
} usage_sum;

void usage_sum_add(usage_sum *sum, int64_t time, varve_str model, const int64_t *tokens,
                   int64_t cost);

#endif

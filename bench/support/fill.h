/*
 * Appends a workload to a store, in batches of 1,000 that are not synced one by one.
 */
#ifndef VARVE_BENCH_FILL_H
#define VARVE_BENCH_FILL_H

#include "bench/support/workload.h"

typedef struct fill_sum {
    uint64_t events, bytes; /* of payload */
    double seconds;         /* in the library: without making the events */
    double worst;           /* of these, the longest append */
} fill_sum;

/* Goes on until 'bytes' of payload were added, or the workload ends. Adds to 'sum'. VARVE_E_*. */
int fill_store(varve *store, workload *work, uint64_t bytes, fill_sum *sum);

#endif

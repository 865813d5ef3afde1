/*
 * Many writers or readers at once: threads, or processes that are forked before anything is opened.
 */
#ifndef VARVE_BENCH_CREW_H
#define VARVE_BENCH_CREW_H

#include "bench/worker/worker.h"

/* What one of them is told and tells; in memory that all share. */
typedef struct crew_member {
    const options *o;
    uint64_t number;
    double begun, ended; /* of its work, without what it prepared */
    measure_spread spread;
    engine_sum appended;
    int result;
} crew_member;

/* Runs 'work' for each: it prepares, calls crew_start, and works. NULL: no memory. Members hold
 * until crew_free. */
crew_member *crew_run(const options *o, uint64_t count, int (*job)(crew_member *member));
/* Waits until all are there. A member that failed before comes here too. */
void crew_start(crew_member *member);
void crew_free(crew_member **crew, uint64_t count);

#endif

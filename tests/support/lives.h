/*
 * Random histories of several stores that know of the same sessions: what one of them does in its
 * n-th step follows from the history's seed alone, so that it can be done again elsewhere.
 */
#ifndef VARVE_TESTS_LIVES_H
#define VARVE_TESTS_LIVES_H

#include "engine/varve.h"

#include <stdbool.h>

typedef struct {
    uint64_t seed;
    bool branches; /* forks, rewinds and deletions too: these depend on what the store has */
} lives;

enum { LIVES_STORES = 3 };

/* Does steps [first, end) of store 'number'. */
void lives_run(varve *store, const lives *h, uint32_t number, int first, int end);

/* The same session records in both but for places (row, lsn, seq), the same events to be seen. */
void lives_same(varve *one, varve *other);
/* Two records of a session, likewise. */
void lives_same_session(varve *one, varve *other, varve_str machine, varve_str id);

#endif

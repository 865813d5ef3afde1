/*
 * The records of the sessions that a batch touches: each is loaded once, folded in memory, and
 * stored once when the batch ends. What a peer's program that is written with care would do.
 */
#ifndef VARVE_BENCH_FOLDING_H
#define VARVE_BENCH_FOLDING_H

#include "bench/support/record.h"

#include <stddef.h>

typedef struct folding folding;

folding *folding_new(void); /* NULL: no memory */
void folding_free(folding **fold);
void folding_clear(folding *fold);
/* The record of the event's session in this batch. The first time 'load' fills it: 1 = there is
 * one, 0 = none (the record is begun), -1 = failed. NULL: failed, or no memory. The pointer holds
 * until the next call. */
record *folding_take(folding *fold, varve_str session, int (*load)(void *context, record *rec),
                     void *context);
size_t folding_count(const folding *fold);
const record *folding_at(const folding *fold, size_t i);
int folding_is_new(const folding *fold, size_t i); /* it was not there before */

#endif

/*
 * All that a store tells, as one number: two stores that tell the same have the same.
 */
#ifndef VARVE_TESTS_DIGEST_H
#define VARVE_TESTS_DIGEST_H

#include "engine/varve.h"

/* Events and settings with their places, session records, usage. 0: it could not be read. */
uint64_t digest_of(varve *store);
/* The log's records up to and with the last one before 'limit' (UINT64_MAX: all), and how many these are. */
uint64_t digest_log(varve *store, uint64_t limit, uint64_t *ret_count);

#endif

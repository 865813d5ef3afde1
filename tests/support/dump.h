/*
 * All that a store answers, as text: two stores that hold the same give the same text, whatever files it lies in.
 * Places in the log (lsn) are not in it, nor the events and texts of deleted sessions, which packing may leave out.
 */
#ifndef VARVE_TESTS_DUMP_H
#define VARVE_TESTS_DUMP_H

#include "engine/varve.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DUMP_RECORDS = 1 << 0, /* session records, usage, states of inputs, counts */
    DUMP_EVENTS = 1 << 1,  /* of each session and of the store, forward and backward, from places that 'seed' chooses */
    DUMP_QUERIES = 1 << 2, /* event lists by filter, order and time; lists of sessions */
    DUMP_ALL = DUMP_RECORDS | DUMP_EVENTS | DUMP_QUERIES,
};
/* The text, to be freed. An error of the store is a line of it. */
char *dump_store(varve *store, uint32_t what, uint32_t seed);
/* One event in a line, without its lsn. */
void dump_event(char *to, size_t room, const varve_event *event);
/* Whether two dumps are equal; if not, says where they differ first. */
bool dump_equal(const char *name, const char *expected, const char *found);

#endif

/*
 * Ranges of the log, and those of which a repair has told that they are lost: the file LOST.
 */
#ifndef VARVE_ENGINE_TOLD_H
#define VARVE_ENGINE_TOLD_H

#include "engine/pack.h"

typedef struct {
    vf_hole *at; /* once they are in order they rise, and do not touch */
    size_t count, room;
} ve_ranges;

int ve_ranges_add(varve *store, ve_ranges *ranges, uint64_t from, uint64_t to);
void ve_ranges_order(ve_ranges *ranges);
/* Whether one of the ranges, which are in order, has all of [from, to). */
bool ve_ranges_have(const ve_ranges *ranges, uint64_t from, uint64_t to);
void ve_ranges_free(ve_ranges *ranges);

/* What LOST says, in order; nothing if there is none, or if it is damaged. */
int ve_told_read(varve *store, ve_ranges *ret_ranges);
int ve_told_write(varve *store, const ve_ranges *ranges);

#endif

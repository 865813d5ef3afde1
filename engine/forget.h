/*
 * What forgetting a session needs to know: whom it takes along, and what they said.
 */
#ifndef VARVE_ENGINE_FORGET_H
#define VARVE_ENGINE_FORGET_H

#include "engine/needles.h"
#include "engine/pack.h"

typedef struct {
    varve *store;
    uint32_t *row; /* sessions that are forgotten */
    size_t count, room;
    ve_needles needles; /* pieces of their texts and payloads */
    ve_needles keys;    /* theirs, which stand in each of their records */
    char *paths; /* of their transcripts, each ended by a zero */
    size_t paths_size, paths_room;
    varve_forgotten done;
} ve_forgetting;

bool ve_is_forgotten_row(const ve_forgetting *forgetting, uint32_t row);
/* Looks through every byte of the store, blocks opened, for what they said; removes what quarantine/ has of it. */
int ve_erased(ve_forgetting *forgetting);

#endif

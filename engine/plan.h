/*
 * The plan of an append: the records of a batch that are new to the store, with those that the
 * store adds to them (identities, completed attributes, SYNC), in the order in which they will be
 * written.
 */
#ifndef VARVE_ENGINE_PLAN_H
#define VARVE_ENGINE_PLAN_H

#include "engine/batch.h"
#include "engine/store.h"

/* The batch as it will be written: records of the side arena (identities, attributes, SYNC) and of
 * the batch's own. */
typedef struct ve_piece {
    uint8_t *at;
    uint32_t length;
    uint32_t session;
} ve_piece;

typedef struct {
    varve *store;
    varve_batch *batch;
    ve_piece *pieces;
    size_t count, room;
    uint8_t **more_side; /* blocks of the side arena */
    size_t side_count, more_room;
    uint64_t bytes;
    int64_t now;
    size_t stored, duplicates;
} ve_plan;

/* Before the lock: the sessions' keys. */
int ve_plan_keys(ve_plan *p);
/* Under the lock: looks the sessions up, leaves out what is known, completes what is not. */
int ve_plan_make(ve_plan *p);
void ve_plan_free(ve_plan *p);
/* Zeroed room that lasts as long as the plan; NULL: no memory. A record in it is then added. */
uint8_t *ve_plan_room(ve_plan *p, size_t size);
int ve_plan_add(ve_plan *p, uint8_t *at, uint32_t length, uint32_t session);

/* merge_place.c: where a mark of another store belongs in this one. */

/* A FORK that was carried: says where the child goes on from, or falls back. */
int ve_place_fork(ve_plan *p, ve_batch_session *child, ve_batch_record *record);
/* A REWIND or TOMBSTONE that was carried: adds it, with what must follow it. */
int ve_place_mark(ve_plan *p, size_t i, uint32_t number);

#endif

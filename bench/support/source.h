/*
 * Where events come from: the workload, or as many sessions as wanted with one small event each, to
 * see what looking one of them up takes. The same for the same spec.
 */
#ifndef VARVE_BENCH_SOURCE_H
#define VARVE_BENCH_SOURCE_H

#include "bench/support/workload.h"

typedef struct source_spec {
    uint64_t seed, events;
    int wide; /* a session for each event */
} source_spec;

typedef struct source source;

int source_open(const source_spec *spec, source **ret_source); /* -1: no memory */
int source_next(source *from, varve_event *ret_event);         /* as workload_next */
uint64_t source_session(const source *from); /* number of the session of the event given last */
void source_close(source **from);
/* The id of a session, by its number from 0. */
void source_id(const source_spec *spec, uint64_t number, char ret_id[WORKLOAD_ID_ROOM]);

/*
 * Batches of events whose bytes stay until the next batch is made, so that making them is not in
 * what is measured. 'count' is smaller at the end, and 0 behind it.
 */
typedef struct source_batch {
    varve_event *events;
    size_t count, room;
    char *bytes; /* of all texts and payloads */
    size_t size;
    uint64_t sessions; /* one more than the highest number of all batches so far */
} source_batch;

/* 'warm' bytes are touched, so that they do not count as the engine's memory. */
int source_batch_open(size_t room, size_t warm, source_batch *ret_batch);
int source_batch_fill(source_batch *batch, source *from);
void source_batch_close(source_batch *batch);

#endif

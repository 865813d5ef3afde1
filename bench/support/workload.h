/*
 * The workload that all measurements share: transcripts of agents as a stream of events, 64
 * sessions at a time, the same for the same seed. A million events are about 10,000 sessions of 20
 * to 500 events and 1.84 GB of JSON (median about 600 bytes), a fifth of them with tokens and cost.
 * calibrate prints its figures, and what zstd makes of it.
 */
#ifndef VARVE_BENCH_WORKLOAD_H
#define VARVE_BENCH_WORKLOAD_H

#include "engine/varve.h"

#include <stddef.h>
#include <stdint.h>

enum { WORKLOAD_ACTIVE = 64, WORKLOAD_ID_ROOM = 37, WORKLOAD_PAYLOAD_MAX = 256 * 1024 };

typedef struct workload workload;

/* 'events' of them. -1 if there is no memory. */
int workload_open(uint64_t seed, uint64_t events, workload **ret_workload);
/* 1 and the next event, whose pointers hold until the next call; 0 = that was all. */
int workload_next(workload *work, varve_event *ret_event);
/* Of the event given last: the number of its session, from 0, and whether it was its last. */
uint64_t workload_session(const workload *work);
int workload_ended(const workload *work);
uint64_t workload_sessions(const workload *work); /* how many have begun */
/* The id of a session of any workload. */
void workload_session_id(uint64_t number, char ret_id[WORKLOAD_ID_ROOM]);
void workload_close(workload **work);

#endif

/*
 * The session record that every peer keeps: about 300 bytes, brought up to date in the transaction
 * that appends the session's events. Varve keeps its own, which holds more.
 */
#ifndef VARVE_BENCH_RECORD_H
#define VARVE_BENCH_RECORD_H

#include "engine/varve.h"

#include <stdint.h>

enum { RECORD_ID = 40 };

typedef struct record {
    char session[RECORD_ID]; /* ends with a zero */
    uint64_t number;         /* for engines that give sessions a number */
    uint64_t events, bytes;
    int64_t tokens[VARVE_TOKENS], cost; /* of charged events */
    int64_t first_time, last_time;
    uint32_t user_messages, assistant_messages, tool_calls, requests;
    char model[32], cwd[80], branch[24], version[16];
} record;
_Static_assert(sizeof(record) == 304, "about 300 bytes, and no padding");

/* What a look-up gives out. */
typedef struct record_view {
    uint64_t events, bytes;
    int64_t tokens, cost; /* input and output tokens */
} record_view;

/* A record without events has the id only. 'session' shorter than RECORD_ID. */
void record_begin(record *rec, varve_str session);
void record_fold(record *rec, const varve_event *event);
void record_look(const record *rec, record_view *ret_view);

/* What stands before the payload in a peer's event. */
typedef struct event_head {
    int64_t time, cost, tokens[VARVE_TOKENS];
    uint32_t present, flags;
    char type[16], model[32];
} event_head;
_Static_assert(sizeof(event_head) == 120, "no padding");
void event_head_make(event_head *head, const varve_event *event);

#endif

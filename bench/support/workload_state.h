/*
 * What the files of the workload share. See workload.h.
 */
#ifndef VARVE_BENCH_WORKLOAD_STATE_H
#define VARVE_BENCH_WORKLOAD_STATE_H

#include "bench/support/workload.h"
#include "bench/support/workload_text.h"

enum { LINE_PROJECTS = 12, LINE_MODELS = 4 };

typedef struct line_session {
    uint64_t number;
    uint32_t left, done; /* events */
    uint32_t project, branch, version, model;
    int64_t context; /* tokens */
    char id[WORKLOAD_ID_ROOM];
    char uuid[WORKLOAD_ID_ROOM],
        parent[WORKLOAD_ID_ROOM]; /* of the last event, and the one before */
    char message[32], request[32], tool_use[32];
    const char *tool;
    text_past past;
} line_session;

struct workload {
    uint64_t random, left, sessions;
    int64_t time; /* ms */
    int64_t day;  /* of 'date' */
    char date[32];
    const line_session *last;
    line_session session[WORKLOAD_ACTIVE];
    text_pool pool;
    text_past project[LINE_PROJECTS];
    char payload[WORKLOAD_PAYLOAD_MAX];
};

void workload_hex(char *at, uint64_t bits, size_t digits);
void workload_uuid(char at[WORKLOAD_ID_ROOM], uint64_t high, uint64_t low);
/* Fills 'event' with the session's next line, in which about 'size' bytes are said. */
void line_make(workload *work, line_session *session, size_t size, varve_event *ret_event);

#endif

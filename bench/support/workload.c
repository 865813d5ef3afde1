/*
 * Sessions and their events. See workload.h; the text inside is made in workload_text.c, the JSON
 * around it in workload_line.c.
 */
#include "bench/support/workload_state.h"

#include <stdlib.h>
#include <string.h>

/* Sizes of what is said inside an event, by percentile: between them a straight line. */
static const struct {
    uint32_t share, size; /* of 10,000 */
} sizes[] = {{0, 4},        {1000, 8},     {5000, 16},    {6000, 60},
             {7000, 330},   {8200, 1150},  {9000, 2950},  {9500, 5800},
             {9800, 11800}, {9950, 28000}, {9990, 61000}, {10000, 150000}};

static uint32_t body_size(uint64_t *random) {
    uint32_t share = (uint32_t)text_below(random, 10000);
    size_t i = 1;
    while (share >= sizes[i].share)
        i++;
    uint64_t span = sizes[i].share - sizes[i - 1].share, over = share - sizes[i - 1].share;
    return sizes[i - 1].size + (uint32_t)((sizes[i].size - sizes[i - 1].size) * over / span);
}

void workload_hex(char *at, uint64_t bits, size_t digits) {
    for (size_t i = 0; i < digits; i++, bits >>= 4)
        at[i] = "0123456789abcdef"[bits & 15];
}

void workload_uuid(char at[WORKLOAD_ID_ROOM], uint64_t high, uint64_t low) {
    workload_hex(at, high, 8);
    workload_hex(at + 9, high >> 32, 4);
    workload_hex(at + 14, high >> 48, 4);
    workload_hex(at + 19, low, 4);
    workload_hex(at + 24, low >> 16, 12);
    at[8] = at[13] = at[18] = at[23] = '-';
    at[14] = '4';
    at[36] = 0;
}

void workload_session_id(uint64_t number, char ret_id[WORKLOAD_ID_ROOM]) {
    uint64_t state = number * 0x2545f4914f6cdd1du + 1;
    uint64_t high = text_random(&state);
    workload_uuid(ret_id, high, text_random(&state));
}

/* 20 to 500 events, 100 on average: most sessions are short. */
static uint32_t session_length(uint64_t *random) {
    uint64_t cube = 1 << 16;
    for (int i = 0; i < 3; i++)
        cube = cube * text_below(random, 1 << 16) >> 16;
    uint64_t share = cube + text_below(random, 1 << 16) / 12;
    uint64_t length = 20 + (share * 480 >> 16);
    return (uint32_t)(length > 500 ? 500 : length);
}

static void begin_session(workload *work, line_session *session) {
    uint64_t *random = &work->random;
    session->number = work->sessions++;
    session->left = session_length(random);
    session->done = 0;
    workload_session_id(session->number, session->id);
    workload_uuid(session->uuid, text_random(random), text_random(random));
    session->project = (uint32_t)text_below(random, LINE_PROJECTS);
    session->branch = (uint32_t)text_below(random, 4);
    session->version = (uint32_t)text_below(random, 5);
    session->model = (uint32_t)text_below(random, LINE_MODELS);
    session->context = 15000;
    session->past.end = session->past.fill = 0;
}

int workload_open(uint64_t seed, uint64_t events, workload **ret_workload) {
    workload *work = calloc(1, sizeof *work);
    if (work == NULL)
        return -1;
    work->random = seed * 0x9e3779b97f4a7c15u + 88172645463325252u;
    work->left = events;
    work->time = INT64_C(1735689600000); /* 2025-01-01 */
    text_prepare(&work->pool, work->random);
    for (size_t p = 0; p < LINE_PROJECTS; p++) {
        text_past *past = &work->project[p];
        char *bytes = past->bytes;
        char *end = text_fresh(&work->pool, &work->random, TEXT_CODE, bytes, TEXT_PAST - 100);
        past->fill = (uint32_t)(end - bytes);
    }
    for (size_t s = 0; s < WORKLOAD_ACTIVE; s++)
        begin_session(work, &work->session[s]);
    *ret_workload = work;
    return 0;
}

int workload_next(workload *work, varve_event *ret_event) {
    if (work->left == 0)
        return 0;
    work->left--;
    line_session *session = &work->session[text_below(&work->random, WORKLOAD_ACTIVE)];
    if (session->left == 0)
        begin_session(work, session);
    session->left--;
    work->last = session;
    work->time += (int64_t)text_below(&work->random, 4000) + 1;
    line_make(work, session, body_size(&work->random), ret_event);
    session->done++;
    return 1;
}

uint64_t workload_session(const workload *work) {
    return work->last->number;
}

int workload_ended(const workload *work) {
    return work->last->left == 0;
}

uint64_t workload_sessions(const workload *work) {
    return work->sessions;
}

void workload_close(workload **work) {
    free(*work);
    *work = NULL;
}

/*
 * Growing a store. See growing.h.
 */
#include "bench/support/growing.h"

#include "bench/support/workload.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

_Static_assert((int)GROWING_ID_ROOM == (int)WORKLOAD_ID_ROOM, "ids are those of the workload");

void growing_id(uint64_t number, char ret_id[GROWING_ID_ROOM]) {
    workload_session_id(number, ret_id);
}

int growing_begin(growing *grow, const char *path, uint64_t charges_each) {
    memset(grow, 0, sizeof *grow);
    grow->each = charges_each > 0 ? charges_each : 1;
    int result = varve_open(path, NULL, &grow->store);
    return result < 0 ? result : varve_batch_new(&grow->batch);
}

static int add_charge(growing *grow, uint64_t session) {
    static const char payload[] =
        "{\"type\":\"assistant\",\"message\":{\"role\":\"assistant\","
        "\"content\":[{\"type\":\"text\",\"text\":\"Done.\"}]}}";
    char id[GROWING_ID_ROOM], message[32];
    varve_event event;
    growing_id(session, id);
    int size = snprintf(message, sizeof message, "msg_%llu", (unsigned long long)grow->charges);
    varve_event_init(&event);
    event.session_id = (varve_str){id, sizeof id - 1};
    event.type = varve_cstr("assistant");
    event.source = VARVE_SOURCE_TRANSCRIPT;
    event.role = VARVE_ROLE_ASSISTANT;
    event.flags = VARVE_EV_ASSISTANT_MESSAGE;
    event.time = INT64_C(1735689600000000000) + (int64_t)grow->charges * 1000000;
    event.present = VARVE_HAS_TIME | VARVE_HAS_PAYLOAD | VARVE_HAS_COST | VARVE_HAS_CHARGE |
                    1u << VARVE_TOK_INPUT | 1u << VARVE_TOK_OUTPUT;
    event.tokens[VARVE_TOK_INPUT] = 10;
    event.tokens[VARVE_TOK_OUTPUT] = 200;
    event.cost = 5050000;
    event.str[VARVE_STR_MODEL] = varve_cstr("claude-opus-4-5-20251101");
    event.str[VARVE_STR_CWD] = varve_cstr("/home/user/src/varve");
    event.charge = varve_charge_key((varve_str){message, (size_t)size});
    event.payload = payload;
    event.payload_size = sizeof payload - 1;
    grow->charges++;
    return varve_batch_add(grow->batch, &event);
}

static double seconds_of(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void keep_pause(growing *grow, const growing_pause *pause) {
    int at = GROWING_PAUSES;
    while (at > 0 && pause->seconds > grow->pause[at - 1].seconds)
        at--;
    if (at == GROWING_PAUSES)
        return;
    memmove(&grow->pause[at + 1], &grow->pause[at],
            (size_t)(GROWING_PAUSES - 1 - at) * sizeof *grow->pause);
    grow->pause[at] = *pause;
}

static int append(growing *grow, int kind) {
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    double begun = measure_now();
    int result = varve_append(grow->store, grow->batch, VARVE_NONE, NULL);
    double took = measure_now() - begun;
    getrusage(RUSAGE_SELF, &after);
    varve_batch_clear(grow->batch);
    grow->seconds += took;
    measure_spread_add(&grow->all[kind], took);
    measure_spread_add(&grow->last[kind], took);
    growing_pause pause = {.seconds = took,
                           .user = seconds_of(after.ru_utime) - seconds_of(before.ru_utime),
                           .system = seconds_of(after.ru_stime) - seconds_of(before.ru_stime),
                           .sessions = grow->sessions,
                           .kind = kind,
                           .faults = after.ru_minflt - before.ru_minflt,
                           .major = after.ru_majflt - before.ru_majflt,
                           .waits = after.ru_nvcsw - before.ru_nvcsw,
                           .preempted = after.ru_nivcsw - before.ru_nivcsw};
    double cpu = pause.user + pause.system;
    grow->worst_cpu = cpu > grow->worst_cpu ? cpu : grow->worst_cpu;
    keep_pause(grow, &pause);
    return result;
}

/* Sessions that begin by a single append get their other charges in the batch. */
int growing_round(growing *grow) {
    uint64_t first = grow->sessions;
    int result = 0;
    for (uint64_t i = 0; i < GROWING_SINGLES && result >= 0; i++) {
        result = add_charge(grow, first + i);
        if (result >= 0)
            result = append(grow, GROWING_SINGLE);
        grow->sessions++;
    }
    for (uint64_t i = 0; i < GROWING_ROUND && result >= 0; i++)
        for (uint64_t c = i < GROWING_SINGLES ? 1 : 0; c < grow->each && result >= 0; c++)
            result = add_charge(grow, first + i);
    if (result >= 0)
        result = append(grow, GROWING_BATCH);
    grow->sessions = first + GROWING_ROUND;
    return result;
}

void growing_end(growing *grow) {
    varve_batch_free(&grow->batch);
    varve_close(&grow->store);
}

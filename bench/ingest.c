/*
 * How fast events go in: batches of 1,000 over 64 active sessions, beside one write of the same bytes.
 */
#include "engine/varve.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static char payload[1 << 16];

static size_t payload_size(void) {
    uint64_t r = next_random() % 100;
    return r < 50 ? 300 + next_random() % 400 : r < 90 ? 600 + next_random() % 2000 : 2000 + next_random() % 20000;
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "/tmp/varve-bench";
    int events = argc > 2 ? atoi(argv[2]) : 300000;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (char)('a' + next_random() % 26);
    varve *store;
    if (varve_open(path, NULL, &store) < 0)
        return 3;
    varve_batch *batch;
    varve_batch_new(&batch);
    uint64_t bytes = 0;
    double begun = now(), worst = 0, building = 0;
    int session[64];
    for (int i = 0; i < 64; i++)
        session[i] = i;
    int sessions = 64;
    for (int done = 0; done < events;) {
        varve_batch_clear(batch);
        double t = now();
        for (int i = 0; i < 1000; i++, done++) {
            char id[48];
            int slot = (int)(next_random() % 64);
            if (next_random() % 100 == 0)
                session[slot] = sessions++;
            snprintf(id, sizeof id, "0f8fad5b-d9cb-469f-a165-%012d", session[slot]);
            varve_event event;
            varve_event_init(&event);
            event.session_id = varve_cstr(id);
            event.type = varve_cstr(i % 5 == 0 ? "ApiRequest" : "PostToolUse");
            event.time = 1700000000000000000 + (int64_t)done * 1000000;
            event.present = VARVE_HAS_TIME;
            event.str[VARVE_STR_CWD] = varve_cstr("/home/user/project");
            event.str[VARVE_STR_MODEL] = varve_cstr("claude-opus-4-5");
            if (i % 5 == 0) {
                event.present |= VARVE_HAS_TOKENS * 15 | VARVE_HAS_COST;
                event.tokens[0] = 10;
                event.tokens[1] = 200;
                event.cost = 12345;
            }
            event.payload_size = payload_size();
            event.payload = payload + next_random() % 20000;
            bytes += event.payload_size;
            varve_batch_add(batch, &event);
        }
        building += now() - t;
        t = now();
        if (varve_append(store, batch, VARVE_NONE, NULL) < 0)
            return fprintf(stderr, "%s\n", varve_last_error(store)), 3;
        worst = now() - t > worst ? now() - t : worst;
    }
    double took = now() - begun;
    printf("%d events, %.0f MB of payload, %d sessions: %.0f events/s, building %.2f s of %.2f s, worst batch %.1f ms\n", events, (double)bytes / 1e6,
           sessions, events / took, building, took, worst * 1e3);
    varve_batch_free(&batch);
    varve_close(&store);
    return 0;
}

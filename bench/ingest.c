/*
 * How fast events go in: batches of 1,000 over 64 active sessions, in turn with a plain write of
 * the same payloads. Also fills a store for the other measurements.
 *
 *   ingest STORE [EVENTS]
 */
#include "bench/support/measure.h"
#include "engine/varve.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BATCH = 1000, ACTIVE = 64 };
static uint64_t seed = 88172645463325252u;
static char text[1 << 16];

static uint64_t below(uint64_t limit) {
    return measure_random(&seed) % limit;
}

/* Median about 600 bytes, mean about 2 KB. */
static size_t payload_size(void) {
    uint64_t r = below(100);
    return (size_t)(r < 50 ? 300 + below(400) : r < 90 ? 600 + below(2000) : 2000 + below(20000));
}

static int add_event(varve_batch *batch, int number, int session, uint64_t *bytes,
                     struct iovec *part) {
    char id[64];
    varve_event event;
    snprintf(id, sizeof id, "0f8fad5b-d9cb-469f-a165-%012d", session);
    varve_event_init(&event);
    event.session_id = varve_cstr(id);
    event.type = varve_cstr(number % 5 == 0 ? "ApiRequest" : "PostToolUse");
    event.time = 1700000000000000000 + (int64_t)number * 1000000;
    event.present = VARVE_HAS_TIME;
    event.str[VARVE_STR_CWD] = varve_cstr("/home/user/project");
    event.str[VARVE_STR_MODEL] = varve_cstr("claude-opus-4-5");
    if (number % 5 == 0) {
        event.present |= VARVE_HAS_TOKENS * 15 | VARVE_HAS_COST;
        event.tokens[VARVE_TOK_INPUT] = 10;
        event.tokens[VARVE_TOK_OUTPUT] = 200;
        event.cost = 12345;
    }
    event.payload_size = payload_size();
    event.payload = text + below(20000);
    *bytes += event.payload_size;
    *part = (struct iovec){(void *)(uintptr_t)event.payload, event.payload_size};
    return varve_batch_add(batch, &event);
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : NULL;
    int events = argc > 2 ? atoi(argv[2]) : 300000;
    varve *store;
    varve_batch *batch;
    if (path == NULL || varve_open(path, NULL, &store) < 0 || varve_batch_new(&batch) < 0) {
        fprintf(stderr, "usage: ingest STORE [EVENTS]\n");
        return 2;
    }
    char plain[4096];
    snprintf(plain, sizeof plain, "%s.plain", path);
    int fd = open(plain, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + below(26));
    int session[ACTIVE], sessions = 0;
    for (int i = 0; i < ACTIVE; i++)
        session[i] = sessions++;
    double building = 0, appending = 0, writing = 0, worst = 0;
    uint64_t bytes = 0;
    for (int done = 0; done < events;) {
        struct iovec parts[BATCH];
        varve_batch_clear(batch);
        double begun = measure_now();
        for (int i = 0; i < BATCH; i++, done++) {
            int slot = (int)below(ACTIVE);
            if (below(100) == 0)
                session[slot] = sessions++;
            if (add_event(batch, done, session[slot], &bytes, &parts[i]) < 0)
                return 3;
        }
        double built = measure_now();
        if (varve_append(store, batch, VARVE_NONE, NULL) < 0) {
            fprintf(stderr, "ingest: %s\n", varve_last_error(store));
            return 3;
        }
        double appended = measure_now();
        if (writev(fd, parts, BATCH) < 0)
            return 3;
        double written = measure_now();
        building += built - begun;
        appending += appended - built;
        writing += written - appended;
        worst = appended - begun > worst ? appended - begun : worst;
    }
    printf("%d events, %.0f MB of payload, %d sessions, batches of %d, not synced:\n", events,
           (double)bytes / 1e6, sessions, BATCH);
    printf("  varve          %9.0f events/s (worst batch %.1f ms)\n",
           events / (building + appending), worst * 1e3);
    printf("  write() alone  %9.0f events/s, ratio %.2f\n", events / writing,
           writing / (building + appending));
    close(fd);
    unlink(plain);
    varve_batch_free(&batch);
    varve_close(&store);
    return 0;
}

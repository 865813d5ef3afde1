/*
 * What a fork takes, beside an append of one event to the same session: medians, not synced. A fork
 * at the end is one record; one further back first walks there, along the session's records.
 *
 *   fork STORE [EVENTS] [ROUNDS]
 */
#include "bench/support/measure.h"
#include "engine/varve.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1000, ROUNDS_MAX = 2000, LONG = 0, SHORT = 1 };
static const char *const parents[] = {"long", "short"};

static int append_events(varve *store, varve_batch *batch, const char *session, int count) {
    static const char payload[] =
        "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"go on\"}}";
    varve_event event;
    varve_batch_clear(batch);
    varve_event_init(&event);
    event.session_id = varve_cstr(session);
    event.type = varve_cstr("user");
    event.payload = payload;
    event.payload_size = sizeof payload - 1;
    for (int i = 0; i < count; i++)
        if (varve_batch_add(batch, &event) < 0)
            return -1;
    return varve_append(store, batch, VARVE_NONE, NULL);
}

static int fork_session(varve *store, varve_batch *batch, const char *parent, uint64_t seq) {
    static int number;
    char id[32];
    varve_event child;
    varve_batch_clear(batch);
    varve_event_init(&child);
    snprintf(id, sizeof id, "child-%d", number++);
    child.session_id = varve_cstr(id);
    if (varve_batch_fork(batch, &child, varve_cstr(NULL), varve_cstr(parent), seq) < 0)
        return -1;
    return varve_append(store, batch, VARVE_NONE, NULL);
}

int main(int argc, char **argv) {
    enum { APPEND, FORK_LONG, FORK_SHORT, FORK_MIDDLE, FIGURES };
    static const char *const names[] = {"append one event", "fork, long parent, at its end",
                                        "fork, parent of one event",
                                        "fork, long parent, in the middle"};
    static double figures[FIGURES][ROUNDS_MAX];
    int events = argc > 2 ? atoi(argv[2]) : 100000, rounds = argc > 3 ? atoi(argv[3]) : 500;
    varve *store = NULL;
    varve_batch *batch = NULL;
    if (argc < 2 || varve_open(argv[1], NULL, &store) < 0 || varve_batch_new(&batch) < 0) {
        fprintf(stderr, "usage: fork STORE [EVENTS] [ROUNDS]\n");
        return 2;
    }
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    int result = append_events(store, batch, parents[SHORT], 1);
    for (int done = 0; done < events && result >= 0; done += BATCH)
        result = append_events(store, batch, parents[LONG], BATCH);
    for (int i = 0; i < rounds && result >= 0; i++)
        for (int f = 0; f < FIGURES && result >= 0; f++) {
            double begun = measure_now();
            if (f == APPEND)
                result = append_events(store, batch, parents[LONG], 1);
            else
                result = fork_session(store, batch, parents[f == FORK_SHORT ? SHORT : LONG],
                                      f == FORK_MIDDLE ? (uint64_t)events / 2 : UINT64_MAX);
            figures[f][i] = measure_now() - begun;
        }
    if (result < 0)
        fprintf(stderr, "fork: %s\n", varve_last_error(store));
    else
        printf("a session of %d events, %d rounds, not synced, medians:\n", events, rounds);
    for (int f = 0; f < FIGURES && result >= 0; f++)
        printf("  %-34s %9.1f us\n", names[f], measure_median(figures[f], (size_t)rounds) * 1e6);
    varve_batch_free(&batch);
    varve_close(&store);
    return result < 0 ? 3 : 0;
}

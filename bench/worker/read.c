/*
 * Reading: look-ups, replay, scan, usage. See worker.h. A worker reads a store that it has not
 * made: what the library keeps in memory is not there yet.
 */
#include "bench/worker/worker.h"

#include "bench/support/evict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 1000 };

static int begin(const options *o, void **ret_handle) {
    if (engine_this.load == NULL && evict_warm(o->path) < 0)
        return failed("reading the files");
    if (engine_this.open(o->path, engine_this.load == NULL ? ENGINE_READ : 0, ret_handle) < 0)
        return failed("open");
    return engine_this.load != NULL && engine_this.load(*ret_handle, &o->spec) < 0 ? failed("load")
                                                                                   : 0;
}

/* Ids of sessions by chance, written one behind the other. */
static char *make_ids(const options *o, uint64_t sessions, uint64_t count) {
    char *ids = calloc(count, WORKLOAD_ID_ROOM);
    uint64_t random = o->spec.seed * 88172645463325252u + 1;
    for (uint64_t i = 0; i < count && ids != NULL; i++)
        source_id(&o->spec, measure_random(&random) % sessions, ids + i * WORKLOAD_ID_ROOM);
    return ids;
}

/* Seconds; -1. */
static double look_up_all(void *handle, const char *ids, uint64_t count) {
    uint64_t events = 0;
    record_view view;
    double begun = measure_now();
    for (uint64_t i = 0; i < count; i++) {
        if (engine_this.get(handle, ids + i * WORKLOAD_ID_ROOM, &view) < 0)
            return failed("get");
        events += view.events;
    }
    double took = measure_now() - begun;
    return events >= count ? took : failed("a session without events");
}

int phase_look_up(const options *o) {
    void *handle;
    double took[ROUNDS_MAX];
    int rounds = o->rounds < ROUNDS_MAX ? o->rounds : ROUNDS_MAX;
    char *ids = make_ids(o, o->expected.sessions, o->count);
    if (ids == NULL || begin(o, &handle) < 0)
        return -1;
    double first = look_up_all(handle, ids, o->count);
    for (int r = 0; r < rounds && first >= 0; r++)
        if ((took[r] = look_up_all(handle, ids, o->count)) < 0)
            return -1;
    if (first < 0)
        return -1;
    tell("first_ns", first / (double)o->count * 1e9);
    tell("ns", measure_median(took, (size_t)rounds) / (double)o->count * 1e9);
    engine_this.close(handle);
    free(ids);
    return 0;
}

/* Each by a handle of its own, with nothing of the store in memory: open and get. */
int phase_look_up_cold(const options *o) {
    double took[ROUNDS_MAX];
    int rounds = o->rounds < ROUNDS_MAX ? o->rounds : ROUNDS_MAX;
    char *ids = make_ids(o, o->expected.sessions, (uint64_t)rounds);
    if (evict_sync(o->path) < 0)
        return failed("syncing the files");
    for (int r = 0; r < rounds && ids != NULL; r++) {
        void *handle;
        if (evict_cold(o->path) < 0)
            return failed("evicting the files");
        double begun = measure_now();
        if (engine_this.open(o->path, ENGINE_READ, &handle) < 0)
            return failed("open");
        if (look_up_all(handle, ids + r * WORKLOAD_ID_ROOM, 1) < 0)
            return -1;
        took[r] = measure_now() - begun;
        engine_this.close(handle);
    }
    if (ids == NULL)
        return -1;
    tell("open_get_ms", measure_median(took, (size_t)rounds) * 1e3);
    free(ids);
    return 0;
}

/* All sessions in the order of their ids' numbers. */
static double replay_all(const options *o, void *handle) {
    engine_sum sum = {0}, expected = o->expected;
    char id[WORKLOAD_ID_ROOM];
    double begun = measure_now();
    for (uint64_t s = 0; s < expected.sessions; s++) {
        source_id(&o->spec, s, id);
        if (engine_this.replay(handle, id, &sum) < 0)
            return failed("replay");
    }
    double took = measure_now() - begun;
    expected.sessions = 0;
    expected.tokens = expected.cost = 0;
    return check_sum("replay", &expected, &sum) < 0 ? -1 : took;
}

int phase_replay(const options *o) {
    void *handle;
    if (begin(o, &handle) < 0)
        return -1;
    double first = replay_all(o, handle), again = first < 0 ? -1 : replay_all(o, handle);
    if (again < 0)
        return -1;
    tell("events_s", (double)o->expected.events / first);
    tell("mb_s", (double)o->expected.bytes / 1e6 / first);
    tell("again_events_s", (double)o->expected.events / again);
    engine_this.close(handle);
    return 0;
}

static double scan_once(const options *o, void *handle) {
    engine_sum sum = {0}, expected = o->expected;
    double begun = measure_now();
    if (engine_this.scan(handle, &sum) < 0)
        return failed("scan");
    double took = measure_now() - begun;
    expected.check = 0;
    return check_sum("scan", &expected, &sum) < 0 ? -1 : took;
}

int phase_scan(const options *o) {
    void *handle;
    double took[ROUNDS_MAX];
    int rounds = o->rounds < ROUNDS_MAX ? o->rounds : ROUNDS_MAX;
    if (begin(o, &handle) < 0)
        return -1;
    double first = scan_once(o, handle);
    for (int r = 0; r < rounds && first >= 0; r++)
        if ((took[r] = scan_once(o, handle)) < 0)
            return -1;
    if (first < 0)
        return -1;
    tell("first_ms", first * 1e3);
    tell("ms", measure_median(took, (size_t)rounds) * 1e3);
    engine_this.close(handle);
    return 0;
}

int phase_count(const options *o) {
    void *handle;
    engine_sum sum = {0};
    if (engine_this.open(o->path, ENGINE_READ, &handle) < 0)
        return failed("open");
    if (engine_this.scan(handle, &sum) < 0)
        return failed("scan");
    tell_count("sessions", sum.sessions);
    tell_count("events", sum.events);
    engine_this.close(handle);
    return 0;
}

static double usage_once(const options *o, void *handle, usage_sum *usage) {
    memset(usage, 0, sizeof *usage);
    double begun = measure_now();
    if (engine_this.usage(handle, usage) < 0)
        return failed("usage");
    double took = measure_now() - begun;
    engine_sum sum = {.tokens = usage->tokens, .cost = usage->cost};
    engine_sum expected = {.tokens = o->expected.tokens, .cost = o->expected.cost};
    return check_sum("usage", &expected, &sum) < 0 ? -1 : took;
}

int phase_usage(const options *o) {
    static usage_sum usage;
    void *handle;
    double took[ROUNDS_MAX];
    int rounds = o->rounds < ROUNDS_MAX ? o->rounds : ROUNDS_MAX;
    if (engine_this.usage == NULL || begin(o, &handle) < 0)
        return -1;
    double first = usage_once(o, handle, &usage);
    for (int r = 0; r < rounds && first >= 0; r++)
        if ((took[r] = usage_once(o, handle, &usage)) < 0)
            return -1;
    if (first < 0)
        return -1;
    tell("first_ms", first * 1e3);
    tell("ms", measure_median(took, (size_t)rounds) * 1e3);
    engine_this.close(handle);
    return 0;
}

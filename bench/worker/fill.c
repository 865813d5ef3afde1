/*
 * Appending: in batches that are not synced, with the sync at the end; durable; as a store grows.
 * See worker.h. What is appended is made beforehand, batch by batch, and not in what is measured.
 */
#include "bench/worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMORY_EVERY = 16, WARM = 16 << 20, GIGABYTE = 1000000000 };

typedef struct filling {
    const options *o;
    void *handle;
    source *from;
    source_batch batch;
    engine_sum expected;
    double seconds, worst;
    uint64_t batches, memory, memory_before;
} filling;

static void see_memory(filling *f) {
    uint64_t memory = measure_memory("RssAnon");
    memory = memory > f->memory_before ? memory - f->memory_before : 0;
    f->memory = memory > f->memory ? memory : f->memory;
}

static int begin(filling *f, const options *o, unsigned flags) {
    f->o = o;
    if (source_open(&o->spec, &f->from) < 0 || source_batch_open(o->batch, WARM, &f->batch) < 0)
        return failed("no memory");
    f->memory_before = measure_memory("RssAnon");
    return engine_this.open(o->path, flags, &f->handle) < 0 ? failed("open") : 0;
}

/* 1 = appended, 0 = there is no more. */
static int one_batch(filling *f) {
    if (!source_batch_fill(&f->batch, f->from))
        return 0;
    double begun = measure_now();
    if (engine_this.append(f->handle, f->batch.events, f->batch.count, f->o->durable) < 0)
        return failed("append");
    double took = measure_now() - begun;
    f->seconds += took;
    f->worst = took > f->worst ? took : f->worst;
    expect_batch(&f->expected, &f->batch);
    if (f->batches++ % MEMORY_EVERY == 0)
        see_memory(f);
    return 1;
}

/* Reads the records back: they must add up to what was appended. */
static int check(filling *f, const char *what) {
    engine_sum sum = {0}, expected = f->expected;
    expected.sessions = 0; /* the last of them may not have an event yet */
    if (engine_this.can & ENGINE_LIMIT)
        return 0;
    expected.check = 0;
    if (engine_this.scan(f->handle, &sum) < 0)
        return failed("scan");
    return check_sum(what, &expected, &sum);
}

static void end(filling *f) {
    engine_this.close(f->handle);
    source_close(&f->from);
    source_batch_close(&f->batch);
}

static void tell_expected(const filling *f) {
    tell_count("events", f->expected.events);
    tell_count("bytes", f->expected.bytes);
    tell_count("check", f->expected.check);
    tell_count("tokens", (uint64_t)f->expected.tokens);
    tell_count("cost", (uint64_t)f->expected.cost);
    tell_count("sessions", f->batch.sessions);
    char id[WORKLOAD_ID_ROOM];
    source_id(&f->o->spec, f->batch.sessions / 2, id);
    tell_text("session", id); /* one that is there */
}

/* With --gigabytes: goes on up to so many of payload, packs at each (varve's way to stay small),
 * and tells what an event took in each. */
static int grow(filling *f) {
    double seconds = 0;
    uint64_t events = 0;
    for (uint64_t g = 1; g <= f->o->gigabytes; g++) {
        char name[32];
        int more = 1;
        while (more > 0 && f->expected.bytes < g * GIGABYTE)
            more = one_batch(f);
        if (more < 0 || check(f, "growing") < 0)
            return -1;
        snprintf(name, sizeof name, "ns_event_gb_%llu", (unsigned long long)g);
        tell(name, (f->seconds - seconds) / (double)(f->expected.events - events) * 1e9);
        if (engine_this.pack != NULL && engine_this.pack(f->handle, 0) < 0)
            return failed("pack");
        seconds = f->seconds;
        events = f->expected.events;
    }
    return 0;
}

int phase_fill(const options *o) {
    filling f = {.o = o};
    int more = 1;
    if (begin(&f, o, 0) < 0)
        return -1;
    if (o->gigabytes > 0 && grow(&f) < 0)
        return -1;
    while (more > 0 && o->gigabytes == 0)
        more = one_batch(&f);
    if (more < 0)
        return -1;
    see_memory(&f);
    double begun = measure_now();
    if (engine_this.sync(f.handle) < 0)
        return failed("sync");
    double synced = measure_now() - begun;
    if (check(&f, "fill") < 0)
        return -1;
    tell("events_s", (double)f.expected.events / f.seconds);
    tell("events_s_synced", (double)f.expected.events / (f.seconds + synced));
    tell("worst_batch_ms", f.worst * 1e3);
    tell("private_mb", (double)f.memory / 1e6);
    tell_expected(&f);
    end(&f);
    return 0;
}

int phase_durable(const options *o) {
    filling f = {.o = o};
    options durable = *o;
    durable.durable = 1;
    if (begin(&f, &durable, ENGINE_DURABLE) < 0)
        return -1;
    measure_spread spread = {0};
    int more = 1;
    while (more > 0) {
        double before = f.seconds;
        more = one_batch(&f);
        if (more > 0)
            measure_spread_add(&spread, f.seconds - before);
    }
    if (more < 0 || check(&f, "durable") < 0)
        return -1;
    tell("events_s", (double)f.expected.events / f.seconds);
    tell("p50_us", measure_spread_at(&spread, 0.5) * 1e6);
    tell("p99_us", measure_spread_at(&spread, 0.99) * 1e6);
    end(&f);
    return 0;
}

/*
 * Many writers at once, each with sessions of its own, one event after another. And a writer beside
 * readers. See worker.h.
 */
#include "bench/worker/crew.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { MIXED_BATCH = 100 };

/* Sessions that no other writer has: the first digits of the id are the writer's. */
static void make_own(source_batch *batch, uint64_t writer) {
    for (size_t i = 0; i < batch->count; i++) {
        char *id = (char *)(uintptr_t)batch->events[i].session_id.ptr;
        for (int d = 0; d < 4; d++)
            id[d] = "0123456789abcdef"[writer >> (4 * d) & 15];
    }
}

/* A batch of 'count' events of the writer's own. */
static int make_events(const options *o, uint64_t writer, uint64_t count, source_batch *ret_batch) {
    source *from;
    uint64_t seed =
        o->spec.seed << 32 | writer << 8 | 0xff; /* mixed: seeds that are close share events */
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111ebu;
    source_spec spec = {.seed = seed ^ seed >> 31, .events = count};
    if (source_batch_open(count, 0, ret_batch) < 0 || source_open(&spec, &from) < 0)
        return failed("no memory");
    source_batch_fill(ret_batch, from);
    make_own(ret_batch, writer);
    source_close(&from);
    return 0;
}

static int write_one_by_one(crew_member *m) {
    const options *o = m->o;
    source_batch batch;
    void *handle = NULL;
    unsigned flags = ENGINE_SHARED | (o->durable ? ENGINE_DURABLE : 0);
    int result = make_events(o, m->number, o->count, &batch);
    if (result == 0)
        result = engine_this.open(o->path, flags, &handle) < 0 ? failed("open") : 0;
    crew_start(m);
    for (uint64_t i = 0; i < batch.count && result == 0; i++) {
        double begun = measure_now();
        result =
            engine_this.append(handle, &batch.events[i], 1, o->durable) < 0 ? failed("append") : 0;
        measure_spread_add(&m->spread, measure_now() - begun);
    }
    m->ended = measure_now();
    expect_batch(&m->appended, &batch);
    if (handle != NULL)
        engine_this.close(handle);
    source_batch_close(&batch);
    return result;
}

static int sum_store(const options *o, engine_sum *ret_sum) {
    void *handle;
    if (engine_this.open(o->path, ENGINE_READ, &handle) < 0)
        return failed("open");
    int result = engine_this.scan(handle, ret_sum) < 0 ? failed("scan") : 0;
    engine_this.close(handle);
    return result;
}

static int check_store(const options *o, const engine_sum *expected) {
    engine_sum sum = {0}, wanted = *expected;
    wanted.check = wanted.sessions = 0;
    if (engine_this.can & ENGINE_LIMIT)
        return 0;
    return sum_store(o, &sum) < 0 ? -1 : check_sum("writers", &wanted, &sum);
}

static void add_sum(engine_sum *sum, const engine_sum *more) {
    sum->events += more->events;
    sum->bytes += more->bytes;
    sum->tokens += more->tokens;
    sum->cost += more->cost;
}

/* The store is made first, so that no writer has to. */
int phase_writers(const options *o) {
    static measure_spread spread;
    engine_sum appended = {0};
    double begun = 1e300, ended = 0;
    if (phase_prepare(o) < 0)
        return -1;
    crew_member *crew = crew_run(o, o->writers, write_one_by_one);
    if (crew == NULL)
        return failed("a writer failed");
    for (uint64_t i = 0; i < o->writers; i++) {
        begun = crew[i].begun < begun ? crew[i].begun : begun;
        ended = crew[i].ended > ended ? crew[i].ended : ended;
        measure_spread_merge(&spread, &crew[i].spread);
        add_sum(&appended, &crew[i].appended);
    }
    crew_free(&crew, o->writers);
    if (check_store(o, &appended) < 0)
        return -1;
    tell("events_s", (double)appended.events / (ended - begun));
    tell("p50_us", measure_spread_at(&spread, 0.5) * 1e6);
    tell("p99_us", measure_spread_at(&spread, 0.99) * 1e6);
    tell("p999_us", measure_spread_at(&spread, 0.999) * 1e6);
    return 0;
}

/* ---- A writer beside readers: threads, each with its handle; the first of them writes ---- */

enum { WRITE = 1, READ = 2 };
static struct {
    int who;
    uint64_t round;
    atomic_int done;               /* the writer is */
    atomic_uint_fast64_t replayed; /* sessions */
} mixed;

static int write_batches(crew_member *m) {
    const options *o = m->o;
    source_batch batch;
    void *handle = NULL;
    int result = make_events(o, 0x100 + mixed.round, o->count, &batch);
    if (result == 0)
        result = engine_this.open(o->path, 0, &handle) < 0 ? failed("open") : 0;
    crew_start(m);
    for (size_t i = 0; i < batch.count && result == 0; i += MIXED_BATCH) {
        size_t some = batch.count - i < MIXED_BATCH ? batch.count - i : MIXED_BATCH;
        result = engine_this.append(handle, batch.events + i, some, 0) < 0 ? failed("append") : 0;
    }
    m->ended = measure_now();
    atomic_store(&mixed.done, 1);
    expect_batch(&m->appended, &batch);
    if (handle != NULL)
        engine_this.close(handle);
    source_batch_close(&batch);
    return result;
}

/* Sessions by chance, until the writer is done, or a number of them. */
static int read_sessions(crew_member *m) {
    const options *o = m->o;
    void *handle = NULL;
    uint64_t random = m->number * 88172645463325252u + 12345, count = 0;
    int result = engine_this.open(o->path, 0, &handle) < 0 ? failed("open") : 0;
    crew_start(m);
    while (result == 0 && (mixed.who & WRITE ? !atomic_load(&mixed.done) : count < o->count / 20)) {
        engine_sum sum = {0};
        record_view view;
        char id[WORKLOAD_ID_ROOM];
        source_id(&o->spec, measure_random(&random) % o->expected.sessions, id);
        if (engine_this.get(handle, id, &view) < 0 || engine_this.replay(handle, id, &sum) < 0)
            result = failed("replay");
        else if (sum.events != view.events)
            result = failed("a session whose events are not those of its record");
        count++;
    }
    m->ended = measure_now();
    atomic_fetch_add(&mixed.replayed, count);
    if (handle != NULL)
        engine_this.close(handle);
    return result;
}

static int read_or_write(crew_member *m) {
    return mixed.who & WRITE && m->number == 0 ? write_batches(m) : read_sessions(m);
}

/* Events and sessions a second. */
static int mix(const options *o, int who, engine_sum *appended, double *ret_events,
               double *ret_sessions) {
    uint64_t count = (who & WRITE ? 1 : 0) + (who & READ ? o->readers : 0);
    mixed.who = who;
    mixed.round++;
    atomic_store(&mixed.done, 0);
    atomic_store(&mixed.replayed, 0);
    crew_member *crew = crew_run(o, count, read_or_write);
    if (crew == NULL)
        return failed("a reader or writer failed");
    const crew_member *first = &crew[0], *last = &crew[count - 1];
    if (ret_events != NULL)
        *ret_events = (double)first->appended.events / (first->ended - first->begun);
    if (ret_sessions != NULL)
        *ret_sessions = (double)atomic_load(&mixed.replayed) / (last->ended - last->begun);
    add_sum(appended, &first->appended);
    crew_free(&crew, count);
    return 0;
}

int phase_mixed(const options *o) {
    options threads = *o;
    engine_sum appended = {0};
    double write_alone, read_alone, write, read;
    threads.threads = 1;
    if (sum_store(o, &appended) < 0 || mix(&threads, WRITE, &appended, &write_alone, NULL) < 0 ||
        mix(&threads, READ, &appended, NULL, &read_alone) < 0 ||
        mix(&threads, WRITE | READ, &appended, &write, &read) < 0 || check_store(o, &appended) < 0)
        return -1;
    tell("write_alone", write_alone);
    tell("write_beside", write);
    tell("read_alone", read_alone);
    tell("read_beside", read);
    return 0;
}

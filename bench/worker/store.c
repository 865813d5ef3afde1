/*
 * The store as a whole: packing, its size on disk, zstd beside it, and processes that do one thing
 * with it. See worker.h.
 */
#include "bench/worker/worker.h"

#include "bench/support/blocks.h"

#include <stdlib.h>
#include <string.h>

int phase_pack(const options *o) {
    void *handle;
    if (engine_this.pack == NULL || engine_this.open(o->path, 0, &handle) < 0)
        return failed("open");
    double cpu = measure_cpu(), begun = measure_now();
    if (engine_this.pack(handle, o->cold) < 0)
        return failed("pack");
    tell("mb_s", (double)o->expected.bytes / 1e6 / (measure_now() - begun));
    tell("mb_s_cpu", (double)o->expected.bytes / 1e6 / (measure_cpu() - cpu));
    engine_this.close(handle);
    return 0;
}

int phase_disk(const options *o) {
    uint64_t disk = measure_disk(o->path);
    tell_count("disk", disk);
    tell("ratio", (double)disk / (double)o->expected.bytes);
    return 0;
}

static void look(void *sum, const void *bytes, size_t size) {
    engine_saw(sum, bytes, size);
}

/* Once as every reader here does, which looks at what it has read, and once without. */
int phase_zstd(const options *o) {
    blocks all;
    engine_sum sum = {0};
    double took[64], alone[64];
    int rounds = o->rounds < 64 ? o->rounds : 64;
    if (blocks_make(o->spec.seed, o->spec.events, 1, &all) != 0)
        return failed("no memory");
    for (int r = 0; r < rounds; r++)
        if ((took[r] = blocks_unpack(&all, look, &sum)) < 0 || (alone[r] = blocks_unpack(&all, NULL, NULL)) < 0)
            return failed("zstd");
    tell("mb_s", (double)all.payload / 1e6 / measure_median(took, (size_t)rounds));
    tell("alone_mb_s", (double)all.payload / 1e6 / measure_median(alone, (size_t)rounds));
    tell_count("check", sum.check); /* so that the look is not left out */
    tell("pack_mb_s", (double)all.payload / 1e6 / all.packing_cpu);
    tell("ratio", (double)all.stored / (double)all.payload);
    blocks_free(&all);
    return 0;
}

/* The file of the limits, with its zeros. */
int phase_prepare(const options *o) {
    void *handle;
    if (engine_this.open(o->path, ENGINE_DURABLE | ENGINE_SHARED, &handle) < 0)
        return failed("open");
    engine_this.close(handle);
    return 0;
}

int phase_get(const options *o) {
    void *handle;
    record_view view;
    if (o->session == NULL || engine_this.open(o->path, ENGINE_READ, &handle) < 0)
        return failed("open");
    if (engine_this.get(handle, o->session, &view) < 0 || view.events == 0)
        return failed("get");
    engine_this.close(handle);
    return 0;
}

/* One event of 4 KiB, as a hook would. */
int phase_append(const options *o) {
    static char payload[4096];
    void *handle;
    varve_event event;
    unsigned flags = ENGINE_SHARED | (o->durable ? ENGINE_DURABLE : 0);
    if (engine_this.open(o->path, flags, &handle) < 0)
        return failed("open");
    memset(payload, 'x', sizeof payload);
    varve_event_init(&event);
    event.session_id =
        varve_cstr(o->session != NULL ? o->session : "0f8fad5b-d9cb-469f-a165-000000000001");
    event.type = varve_cstr("PreToolUse");
    event.present = VARVE_HAS_PAYLOAD;
    event.payload = payload;
    event.payload_size = sizeof payload;
    if (engine_this.append(handle, &event, 1, o->durable) < 0)
        return failed("append");
    engine_this.close(handle);
    return 0;
}

/*
 * How fast events go in: batches of 1,000 of the workload, 64 sessions at a time, in turn with a
 * plain write of the same payloads. Also fills a store for the other measurements.
 *
 *   ingest STORE [EVENTS]
 */
#include "bench/support/backing.h"
#include "bench/support/measure.h"
#include "bench/support/workload.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 1000, SEED = 1 };

typedef struct run {
    varve *store;
    varve_batch *batch;
    workload *work;
    int fd;         /* of the plain file */
    char *payloads; /* of a batch, one behind the other */
    size_t room;
    uint64_t events, bytes;
    double building, appending, writing, worst;
} run;

/* Only the library's part of building is timed, not the workload's. */
static int build(run *r, size_t *ret_size) {
    varve_event event;
    size_t size = 0;
    varve_batch_clear(r->batch);
    for (int i = 0; i < BATCH && workload_next(r->work, &event); i++) {
        double begun = measure_now();
        if (varve_batch_add(r->batch, &event) < 0)
            return -1;
        r->building += measure_now() - begun;
        if (size + event.payload_size > r->room) {
            size_t room = 2 * (size + event.payload_size);
            char *grown = realloc(r->payloads, room);
            if (grown == NULL)
                return -1;
            r->payloads = grown;
            r->room = room;
        }
        memcpy(r->payloads + size, event.payload, event.payload_size);
        size += event.payload_size;
        r->events++;
    }
    r->bytes += size;
    *ret_size = size;
    return 0;
}

/* 1 = go on, 0 = done, -1 = failed. */
static int one_batch(run *r) {
    size_t size;
    double built_before = r->building;
    if (build(r, &size) < 0)
        return -1;
    if (size == 0)
        return 0;
    double begun = measure_now();
    if (varve_append(r->store, r->batch, VARVE_NONE, NULL) < 0)
        return -1;
    double appended = measure_now();
    for (size_t done = 0; done < size;) {
        ssize_t written = write(r->fd, r->payloads + done, size - done);
        if (written < 0)
            return -1;
        done += (size_t)written;
    }
    r->writing += measure_now() - appended;
    r->appending += appended - begun;
    double took = appended - begun + r->building - built_before;
    r->worst = took > r->worst ? took : r->worst;
    return 1;
}

int main(int argc, char **argv) {
    static run r;
    const char *path = argc > 1 ? argv[1] : NULL;
    uint64_t events = argc > 2 ? strtoull(argv[2], NULL, 10) : 300000;
    char plain[4096];
    if (path == NULL || varve_open(path, NULL, &r.store) < 0 || varve_batch_new(&r.batch) < 0 ||
        workload_open(SEED, events, &r.work) < 0) {
        fprintf(stderr, "usage: ingest STORE [EVENTS]\n");
        return 2;
    }
    snprintf(plain, sizeof plain, "%s.plain", path);
    r.fd = open(plain, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    backing_begin(UINT64_C(5) << 30);
    int more = r.fd < 0 ? -1 : 1;
    while (more > 0)
        more = one_batch(&r);
    if (more < 0) {
        fprintf(stderr, "ingest: %s\n", varve_last_error(r.store));
    } else {
        double count = (double)r.events, took = r.building + r.appending;
        printf("%.0f events, %.0f MB of payload, %.0f sessions, batches of %d, not synced:\n",
               count, (double)r.bytes / 1e6, (double)workload_sessions(r.work), BATCH);
        printf("  varve          %9.0f events/s (worst batch %.1f ms)\n", count / took,
               r.worst * 1e3);
        printf("  write() alone  %9.0f events/s, ratio %.2f\n", count / r.writing,
               r.writing / took);
    }
    backing_end();
    if (r.fd >= 0)
        close(r.fd);
    unlink(plain);
    free(r.payloads);
    workload_close(&r.work);
    varve_batch_free(&r.batch);
    varve_close(&r.store);
    return more < 0 ? 3 : 0;
}

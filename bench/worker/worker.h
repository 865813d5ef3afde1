/*
 * A worker: the phases of the benchmark with one engine, one phase a process. varve-bench runs
 * workers and reads what they print: one JSON object of figures.
 */
#ifndef VARVE_BENCH_WORKER_H
#define VARVE_BENCH_WORKER_H

#include "bench/engines/engine.h"
#include "bench/support/measure.h"

#include <stdint.h>

typedef struct options {
    const char *path, *session;
    source_spec spec;
    uint64_t batch, count, writers, readers, gigabytes;
    int durable, threads, cold, rounds;
    engine_sum expected; /* by --expect-*: what the store holds */
} options;

/* Phases: 0 or -1, after a line on stderr. */
int phase_fill(const options *o);         /* appends the source; and its sync */
int phase_durable(const options *o);      /* 'count' events in durable batches */
int phase_look_up(const options *o);      /* 'count' look-ups a round, warm */
int phase_look_up_cold(const options *o); /* the same one by one, nothing of the store in memory */
int phase_replay(const options *o); /* all sessions by a handle that has seen nothing, then again */
int phase_scan(const options *o);
int phase_count(const options *o); /* what the records say */
int phase_usage(const options *o);
int phase_pack(const options *o);
int phase_disk(const options *o);
int phase_writers(const options *o); /* many at once */
int phase_mixed(const options *o);   /* a writer and readers, alone and together */
int phase_zstd(const options *o);    /* zstd's own speed on blocks of the same payloads */
int phase_prepare(const options *o); /* a store for new processes */
int phase_get(const options *o);     /* a process that does one thing: prints nothing */
int phase_append(const options *o);

/* Figures as they become known; the first opens the object, tell_end ends it. */
void tell(const char *figure, double value);
void tell_count(const char *figure, uint64_t value);
void tell_text(const char *figure, const char *value); /* of plain letters */
void tell_end(void);
int failed(const char *what); /* prints the engine's last error; -1 */
/* Whether what was read is what was appended: -1 and a line if not. Zeros in 'expected' are not
 * compared. */
int check_sum(const char *what, const engine_sum *expected, const engine_sum *sum);
/* Adds what a batch holds to what a store must hold in the end. */
void expect_batch(engine_sum *expected, const source_batch *batch);

#endif

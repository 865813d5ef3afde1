/*
 * What packing costs and gains, each figure beside its limit in the same run: packing and replay
 * beside zstd alone on the same payloads clustered by session, the scan of session records beside a
 * sum over an array. Medians of several rounds. The store is made, and is taken away at the end.
 *
 *   packed STORE [EVENTS] [ROUNDS]
 */
#include "bench/support/ask.h"
#include "bench/support/backing.h"
#include "bench/support/blocks.h"
#include "bench/support/fill.h"
#include "bench/support/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SEED = 1, ROUNDS_MAX = 16, REPEATS = 5, SCANS = 51 };

typedef struct run {
    const char *path;
    varve *store;
    uint64_t events, sessions;
    fill_sum filled;
    blocks limit, same; /* payloads only; with the strings of their events */
    double pack[ROUNDS_MAX], pack_cpu[ROUNDS_MAX], zstd[ROUNDS_MAX], ratio[ROUNDS_MAX]; /* MB/s */
} run;

static int failed(const run *r, const char *what) {
    fprintf(stderr, "packed: %s: %s\n", what, varve_last_error(r->store));
    return -1;
}

static void tell(const char *what, double figure, const char *unit) {
    printf("%-44s %12.3f %s\n", what, figure, unit);
    fflush(stdout);
}

static void tell_beside(const char *what, double figure, double limit, double ratio,
                        const char *unit) {
    printf("%-44s %12.3f %-9s limit %12.3f  ratio %6.3f\n", what, figure, unit, limit, ratio);
    fflush(stdout);
}

static int fill(run *r) {
    workload *work;
    r->filled = (fill_sum){0};
    if (ask_open(r->path, &r->store) < 0 || workload_open(SEED, r->events, &work) < 0)
        return failed(r, "cannot be opened");
    int result = fill_store(r->store, work, UINT64_MAX / 2, &r->filled);
    r->sessions = workload_sessions(work);
    while (r->sessions > 0 && ask_show(r->store, r->sessions - 1) < 0)
        r->sessions--; /* begun, but without an event yet */
    workload_close(&work);
    return result < 0 ? failed(r, "append") : 0;
}

/* Packs until there is no more to do. Megabytes of payload a second, by clock and by processor. */
static int pack(run *r, uint32_t flags, double *ret_speed, double *ret_speed_cpu) {
    varve_compact_options options;
    varve_compacted done = {.size = sizeof done};
    varve_compact_options_init(&options);
    options.flags = flags;
    double cpu = measure_cpu(), begun = measure_now();
    uint64_t made = 0;
    do {
        if (varve_compact(r->store, &options, &done) < 0)
            return failed(r, "compact");
        made += done.made;
    } while (done.more);
    *ret_speed = (double)r->filled.bytes / 1e6 / (measure_now() - begun);
    *ret_speed_cpu = (double)r->filled.bytes / 1e6 / (measure_cpu() - cpu);
    if (made == 0)
        printf("nothing was packed\n");
    return 0;
}

static void tell_disk(const run *r, const char *what) {
    char path[4096], text[64];
    snprintf(path, sizeof path, "%s/seg", r->path);
    snprintf(text, sizeof text, "segments / payload, %s", what);
    tell(text, (double)measure_disk(path) / (double)r->filled.bytes, "");
    snprintf(path, sizeof path, "%s/idx", r->path);
    snprintf(text, sizeof text, "index / payload, %s", what);
    tell(text, (double)measure_disk(path) / (double)r->filled.bytes, "");
}

/* All sessions, by a handle that has seen nothing yet, in turn with zstd. */
static int replay(run *r, const char *what) {
    double speed[REPEATS], rate[REPEATS], limit[REPEATS], ratio[REPEATS];
    ask_sum sum;
    char text[64];
    varve_close(&r->store);
    for (int i = 0; i < REPEATS; i++) {
        double took = -1, unpacked;
        if (ask_open(r->path, &r->store) < 0 ||
            (took = ask_replay(r->store, r->sessions, 0, 0, &sum)) < 0)
            return failed(r, "replay");
        if (sum.bytes != r->filled.bytes || (unpacked = blocks_unpack(&r->same, NULL, NULL)) < 0) {
            fprintf(stderr, "packed: what was replayed is not what was appended\n");
            return -1;
        }
        varve_close(&r->store);
        speed[i] = (double)sum.bytes / 1e6 / took;
        rate[i] = (double)sum.events / 1e6 / took;
        limit[i] = (double)r->limit.raw / 1e6 / unpacked;
        ratio[i] = speed[i] / limit[i];
    }
    snprintf(text, sizeof text, "replay, %s", what);
    tell_beside(text, measure_median(speed, REPEATS), measure_median(limit, REPEATS),
                measure_median(ratio, REPEATS), "MB/s");
    tell(text, measure_median(rate, REPEATS), "M events/s");
    return ask_open(r->path, &r->store) < 0 ? failed(r, "open") : 0;
}

/* The least that a scan could do: the same fields of rows of 256 bytes that lie in memory. */
typedef struct row {
    uint8_t before[88];
    int64_t tokens[VARVE_TOKENS], cost;
    uint8_t between[24];
    uint32_t counters[7], other;
    uint8_t behind[32];
    uint64_t events, bytes, last;
} row;
_Static_assert(sizeof(row) == 256, "as large as the part of a record that lists read");

static uint64_t sum_rows(const row *rows, uint64_t count) {
    row all = {.events = 0};
    uint64_t sum = 0, counters[7] = {0};
    for (uint64_t i = 0; i < count; i++) {
        for (int t = 0; t < VARVE_TOKENS; t++)
            all.tokens[t] += rows[i].tokens[t];
        for (int c = 0; c < 7; c++)
            counters[c] += rows[i].counters[c];
        all.cost += rows[i].cost;
        all.events += rows[i].events;
        all.bytes += rows[i].bytes;
    }
    for (int t = 0; t < VARVE_TOKENS; t++)
        sum += (uint64_t)all.tokens[t];
    for (int c = 0; c < 7; c++)
        sum += counters[c];
    return sum + all.events + all.bytes + (uint64_t)all.cost;
}

static int scan(run *r) {
    uint64_t seen = 0;
    double took[SCANS], limit[SCANS], ratio[SCANS];
    row *rows = calloc(r->sessions + 1, sizeof *rows);
    ask_sum sum;
    int result = rows == NULL ? -1 : 0;
    for (uint64_t i = 0; i < r->sessions && rows != NULL; i++)
        rows[i].events = i;
    for (int i = 0; i < SCANS && result == 0; i++) {
        took[i] = ask_scan(r->store, &sum) * 1e3;
        double begun = measure_now();
        seen += sum_rows(rows, r->sessions);
        limit[i] = (measure_now() - begun) * 1e3;
        ratio[i] = took[i] / limit[i];
        result = took[i] < 0 || sum.events != r->filled.events ? failed(r, "scan") : 0;
    }
    free(rows);
    if (result == 0 && seen > 0)
        tell_beside("scan of all session records", measure_median(took, SCANS),
                    measure_median(limit, SCANS), measure_median(ratio, SCANS), "ms");
    return result;
}

/* Usage is asked again by the same handle, the rest by one that has seen nothing. */
static int ask(run *r) {
    double usage[REPEATS], opened[REPEATS], listed[REPEATS], shown[REPEATS];
    ask_sum sum = {0}, rows = {0};
    for (int i = 0; i < REPEATS; i++) {
        if ((usage[i] = ask_usage(r->store, &rows) * 1e3) < 0)
            return failed(r, "usage");
    }
    for (int i = 0; i < REPEATS; i++) {
        varve_close(&r->store);
        if ((opened[i] = ask_open(r->path, &r->store) * 1e3) < 0 ||
            (listed[i] = ask_list(r->store, 100, &sum) * 1e3) < 0 ||
            (shown[i] = ask_show(r->store, r->sessions / 2) * 1e3) < 0)
            return failed(r, "list");
    }
    printf("%-44s %12llu\n", "rows of usage", (unsigned long long)rows.rows);
    tell("usage by day and model", measure_median(usage, REPEATS), "ms");
    tell("open", measure_median(opened, REPEATS), "ms");
    tell("newest 100 sessions with texts", measure_median(listed, REPEATS), "ms");
    tell("show one session", measure_median(shown, REPEATS), "ms");
    return sum.rows > 0 ? 0 : -1;
}

/* Fills and packs; in the last round asks before and after. */
static int one_round(run *r, int i, int last) {
    blocks_free(&r->limit);
    blocks_free(&r->same);
    if (fill(r) < 0 || blocks_make(SEED, r->events, 0, &r->limit) != 0 ||
        blocks_make(SEED, r->events, 1, &r->same) != 0)
        return -1;
    if (last) {
        tell("appended", (double)r->filled.events / r->filled.seconds, "events/s");
        tell("zstd / payload", (double)r->limit.stored / (double)r->limit.raw, "");
        tell_disk(r, "raw");
        if (replay(r, "raw") < 0)
            return -1;
    }
    if (pack(r, 0, &r->pack[i], &r->pack_cpu[i]) < 0)
        return -1;
    r->zstd[i] = (double)r->limit.raw / 1e6 / r->limit.packing_cpu;
    r->ratio[i] = r->pack_cpu[i] / r->zstd[i];
    return 0;
}

static int measure(run *r, int rounds) {
    for (int i = 0; i < rounds; i++) {
        if (one_round(r, i, i == rounds - 1) < 0)
            return -1;
        if (i < rounds - 1) {
            varve_close(&r->store);
            measure_remove(r->path);
        }
    }
    size_t count = (size_t)rounds;
    tell_beside("packing, of processor time", measure_median(r->pack_cpu, count),
                measure_median(r->zstd, count), measure_median(r->ratio, count), "MB/s");
    tell("packing, by the clock", measure_median(r->pack, count), "MB/s");
    tell_disk(r, "hot");
    if (replay(r, "hot") < 0 || scan(r) < 0 || ask(r) < 0)
        return -1;
    double speed, speed_cpu;
    if (pack(r, VARVE_COMPACT_ALL, &speed, &speed_cpu) < 0)
        return -1;
    tell("packing all anew, of processor time", speed_cpu, "MB/s");
    tell_disk(r, "cold");
    return replay(r, "cold");
}

int main(int argc, char **argv) {
    static run r;
    int rounds = argc > 3 ? atoi(argv[3]) : 3;
    r.path = argc > 1 ? argv[1] : NULL;
    r.events = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    if (r.path == NULL || r.events == 0 || access(r.path, F_OK) == 0) {
        fprintf(stderr, "usage: packed STORE [EVENTS] [ROUNDS]    STORE must not exist\n");
        return 2;
    }
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    backing_begin(UINT64_C(4) << 30);
    int result = measure(&r, rounds);
    varve_close(&r.store);
    blocks_free(&r.limit);
    blocks_free(&r.same);
    measure_remove(r.path);
    backing_end();
    return result < 0 ? 3 : 0;
}

/*
 * A store that grows large by the workload and is packed as it goes: what appending, packing and
 * each question take at 1, 2, 5, 10, 20, ... GB of payload. The store is left there.
 *
 *   large STORE GIGABYTES
 *
 * One line a figure: gigabytes, what, figure, unit, between tabs.
 */
#include "bench/support/ask.h"
#include "bench/support/backing.h"
#include "bench/support/fill.h"
#include "bench/support/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SEED = 1, REPLAYED = 100, REPEATS = 5 };
#define GIGABYTE UINT64_C(1000000000)

typedef struct growth {
    const char *path;
    varve *store;
    workload *work;
    fill_sum filled, before; /* in all, and when figures were printed last */
    double packing, packing_cpu;
    uint64_t gigabytes;
} growth;

static int failed(const growth *g, const char *what) {
    fprintf(stderr, "large: %s: %s\n", what, varve_last_error(g->store));
    return -1;
}

static void tell(const growth *g, const char *what, double figure, const char *unit) {
    printf("%6llu\t%-34s\t%14.3f\t%s\n", (unsigned long long)g->gigabytes, what, figure, unit);
    fflush(stdout);
}

static int pack(growth *g) {
    varve_compact_options options;
    varve_compacted done = {.size = sizeof done};
    varve_compact_options_init(&options);
    double cpu = measure_cpu(), begun = measure_now();
    do {
        if (varve_compact(g->store, &options, &done) < 0)
            return failed(g, "compact");
    } while (done.more);
    g->packing += measure_now() - begun;
    g->packing_cpu += measure_cpu() - cpu;
    return 0;
}

static void tell_growth(growth *g) {
    double events = (double)(g->filled.events - g->before.events);
    tell(g, "events", (double)g->filled.events, "");
    tell(g, "append, since the last figures",
         (g->filled.seconds - g->before.seconds) / events * 1e9, "ns/event");
    tell(g, "longest append of 1,000", g->filled.worst * 1e3, "ms");
    tell(g, "compaction, since the last figures", g->packing * 1e3, "ms");
    tell(g, "compaction, of processor time", g->packing_cpu * 1e3, "ms");
    double disk = (double)measure_disk(g->path);
    tell(g, "disk", disk / 1e6, "MB");
    tell(g, "disk / payload", disk / (double)g->filled.bytes, "");
    g->before = g->filled;
    g->filled.worst = 0;
    g->packing = g->packing_cpu = 0;
}

/* By handles that have seen nothing yet: medians. */
static int tell_answers(growth *g) {
    double opened[REPEATS], listed[REPEATS], shown[REPEATS], replayed[REPEATS], usage[REPEATS];
    uint64_t sessions = workload_sessions(g->work) - WORKLOAD_ACTIVE; /* each has events */
    ask_sum list = {0}, replay = {0}, rows = {0};
    for (int i = 0; i < REPEATS; i++) {
        varve_close(&g->store);
        if ((opened[i] = ask_open(g->path, &g->store) * 1e3) < 0 ||
            (shown[i] = ask_show(g->store, sessions / 2) * 1e3) < 0 ||
            (listed[i] = ask_list(g->store, 100, &list) * 1e3) < 0 ||
            (replayed[i] =
                 ask_replay(g->store, sessions, 7919 + (uint64_t)i, REPLAYED, &replay) * 1e3) < 0 ||
            (usage[i] = ask_usage(g->store, &rows) * 1e3) < 0)
            return failed(g, "ask");
    }
    tell(g, "open", measure_median(opened, REPEATS), "ms");
    tell(g, "show one session", measure_median(shown, REPEATS), "ms");
    tell(g, "newest 100 sessions with texts", measure_median(listed, REPEATS), "ms");
    tell(g, "replay of 100 sessions", measure_median(replayed, REPEATS), "ms");
    tell(g, "events of these", (double)replay.events, "");
    tell(g, "usage by day and model", measure_median(usage, REPEATS), "ms");
    tell(g, "rows of usage", (double)rows.rows, "");
    tell(g, "memory of its own (RssAnon)", (double)measure_memory("RssAnon") / 1e6, "MB");
    tell(g, "mapped files (RssFile)", (double)measure_memory("RssFile") / 1e6, "MB");
    return 0;
}

static int is_milestone(uint64_t gigabytes) {
    while (gigabytes >= 10 && gigabytes % 10 == 0)
        gigabytes /= 10;
    return gigabytes == 1 || gigabytes == 2 || gigabytes == 5;
}

int main(int argc, char **argv) {
    static growth g;
    uint64_t most = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    g.path = argc > 1 ? argv[1] : NULL;
    if (most == 0 || access(g.path, F_OK) == 0) {
        fprintf(stderr, "usage: large STORE GIGABYTES    STORE must not exist\n");
        return 2;
    }
    backing_begin(UINT64_C(4) << 30);
    int result = 0;
    if (ask_open(g.path, &g.store) < 0 || workload_open(SEED, UINT64_MAX, &g.work) < 0)
        result = failed(&g, "cannot be opened");
    if (result == 0)
        tell(&g, "memory of its own (RssAnon)", (double)measure_memory("RssAnon") / 1e6, "MB");
    while (result == 0 && g.gigabytes < most) {
        uint64_t missing = (g.gigabytes + 1) * GIGABYTE - g.filled.bytes;
        if (fill_store(g.store, g.work, missing, &g.filled) < 0)
            result = failed(&g, "append");
        g.gigabytes++;
        if (result == 0)
            result = pack(&g);
        if (result == 0 && (is_milestone(g.gigabytes) || g.gigabytes == most)) {
            tell_growth(&g);
            result = tell_answers(&g);
        }
    }
    if (g.work != NULL)
        workload_close(&g.work);
    varve_close(&g.store);
    backing_end();
    return result < 0 ? 3 : 0;
}

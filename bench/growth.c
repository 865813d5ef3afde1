/*
 * What a store of many sessions does to those who append and look up: sessions of two charged
 * events, most of them in batches, every tenth by single appends, each append timed.
 *
 *   growth STORE [SESSIONS] [CHARGES]     by default 10,000,000, and two charges a session
 *
 * Prints a block of figures at each power of ten and tenth of the way, then the longest pauses of
 * all and what the system did in them. "last" are the 10,000 sessions just before.
 */
#include "bench/support/backing.h"
#include "bench/support/growing.h"
#include "bench/support/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOKUPS = 20000, REPEATS = 5, WINDOW = 10000 };

static void tell(uint64_t sessions, const char *what, double figure, const char *unit) {
    printf("%10llu  %-34s %14.3f %s\n", (unsigned long long)sessions, what, figure, unit);
}

static void tell_spread(uint64_t sessions, const char *what, const measure_spread *spread) {
    printf("%10llu  %-34s p50 %10.1f  p99 %10.1f  p99.9 %10.1f  max %10.1f us  of %llu\n",
           (unsigned long long)sessions, what, measure_spread_at(spread, 0.5) * 1e6,
           measure_spread_at(spread, 0.99) * 1e6, measure_spread_at(spread, 0.999) * 1e6,
           spread->worst * 1e6, (unsigned long long)spread->count);
}

/* Random sessions by their ids, which are written beforehand: the first round warms up. */
static int look_up(varve *store, uint64_t sessions) {
    static char ids[LOOKUPS][GROWING_ID_ROOM];
    static uint64_t random = 88172645463325252u;
    double took[REPEATS + 1];
    varve_session session = {.size = sizeof session};
    for (int i = 0; i < LOOKUPS; i++)
        growing_id(measure_random(&random) % sessions, ids[i]);
    for (int r = 0; r <= REPEATS; r++) {
        double begun = measure_now();
        for (int i = 0; i < LOOKUPS; i++) {
            varve_str id = {ids[i], GROWING_ID_ROOM - 1};
            if (varve_session_find(store, varve_cstr(NULL), id, &session) < 0)
                return -1;
        }
        took[r] = (measure_now() - begun) / LOOKUPS * 1e9;
    }
    tell(sessions, "look-up, other sessions, first", took[0], "ns");
    tell(sessions, "look-up, warm", measure_median(took + 1, REPEATS), "ns");
    return 0;
}

static int checkpoint(growing *grow, const char *path) {
    char index[4096];
    uint64_t sessions = grow->sessions;
    snprintf(index, sizeof index, "%s/idx", path);
    tell_spread(sessions, "single append, last", &grow->last[GROWING_SINGLE]);
    tell_spread(sessions, "batch, last", &grow->last[GROWING_BATCH]);
    tell_spread(sessions, "single append, all", &grow->all[GROWING_SINGLE]);
    tell_spread(sessions, "batch, all", &grow->all[GROWING_BATCH]);
    tell(sessions, "longest append, of processor time", grow->worst_cpu * 1e6, "us");
    tell(sessions, "appending, all", grow->seconds, "s");
    tell(sessions, "memory of its own (RssAnon)", (double)measure_memory("RssAnon") / 1e6, "MB");
    tell(sessions, "mapped files (RssFile)", (double)measure_memory("RssFile") / 1e6, "MB");
    tell(sessions, "largest resident (VmHWM)", (double)measure_memory("VmHWM") / 1e6, "MB");
    tell(sessions, "index on disk", (double)measure_disk(index) / 1e6, "MB");
    tell(sessions, "charges", (double)grow->charges, "");
    int result = look_up(grow->store, sessions);
    fflush(stdout);
    return result;
}

static void tell_pauses(const growing *grow) {
    printf("the longest pauses: after how many sessions, and what the system counted meanwhile\n");
    for (int i = 0; i < GROWING_PAUSES && grow->pause[i].seconds > 0; i++) {
        const growing_pause *p = &grow->pause[i];
        printf(
            "  %10.1f us  %10llu  %-6s  faults %5ld, on disk %3ld  waits %3ld  preempted %3ld  "
            "user %7.1f  system %7.1f us\n",
            p->seconds * 1e6, (unsigned long long)p->sessions,
            p->kind == GROWING_SINGLE ? "single" : "batch", p->faults, p->major, p->waits,
            p->preempted, p->user * 1e6, p->system * 1e6);
    }
}

/* The next power of ten or tenth of the way, whole rounds. */
static uint64_t next_checkpoint(uint64_t now, uint64_t sessions) {
    uint64_t power = WINDOW, tenth = sessions / 10 > WINDOW ? sessions / 10 : sessions;
    while (power <= now)
        power *= 10;
    uint64_t part = (now / tenth + 1) * tenth;
    uint64_t next = part < power ? part : power;
    return next - next % GROWING_ROUND > now ? next - next % GROWING_ROUND : next + GROWING_ROUND;
}

int main(int argc, char **argv) {
    static growing grow;
    const char *path = argc > 1 ? argv[1] : NULL;
    uint64_t sessions = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000000;
    uint64_t charges = argc > 3 ? strtoull(argv[3], NULL, 10) : 2 * sessions;
    if (path == NULL || sessions < WINDOW || access(path, F_OK) == 0) {
        fprintf(stderr,
                "usage: growth STORE [SESSIONS] [CHARGES]    STORE must not exist\n"
                "at least 10,000 sessions\n");
        return 2;
    }
    backing_begin(UINT64_C(4) << 30);
    int result = growing_begin(&grow, path, (charges + sessions - 1) / sessions);
    uint64_t next = WINDOW;
    while (result >= 0 && grow.sessions < sessions) {
        if (grow.sessions + WINDOW == next || grow.sessions == 0)
            memset(grow.last, 0, sizeof grow.last);
        result = growing_round(&grow);
        if (result >= 0 && (grow.sessions == next || grow.sessions >= sessions)) {
            result = checkpoint(&grow, path);
            next = next_checkpoint(grow.sessions, sessions);
        }
    }
    tell_pauses(&grow);
    if (result < 0)
        fprintf(stderr, "growth: %s\n", varve_last_error(grow.store));
    growing_end(&grow);
    backing_end();
    return result < 0 ? 3 : 0;
}

/*
 * What the workload is like: sizes, tokens, how fast it is made, and what zstd makes of it, by
 * session in blocks of 256 KiB and in arrival order in blocks of 1 MiB. Meant is: 1.84 GB a million
 * events, median 600, mean 1,840; level 1 5.7 by session and 4.3 as it arrives, level 3 6.25
 * and 5.2.
 *
 *   calibrate [EVENTS] [BLOCK-KIB [LEVELS]]    KiB 0: as said; the first so many of levels 1, 3, 9,
 * 19 calibrate --print EVENTS                   the payloads, one a line
 */
#include "bench/support/clustered.h"
#include "bench/support/measure.h"
#include "bench/support/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { LEVELS = 4, SEED = 1, BLOCK_SESSION = 256 << 10, BLOCK_ARRIVAL = 1 << 20 };
static const int levels[LEVELS] = {1, 3, 9, 19};

typedef struct trial {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
    char *packed, *again;
    size_t room, room_again;
    uint64_t raw, stored;
    double packing, unpacking;
    int level;
} trial;

static int try_block(void *context, const void *bytes, size_t size) {
    trial *t = context;
    double begun = measure_now();
    size_t stored = ZSTD_compressCCtx(t->compressor, t->packed, t->room, bytes, size, t->level);
    double packed = measure_now();
    size_t again = ZSTD_decompressDCtx(t->decompressor, t->again, t->room_again, t->packed, stored);
    t->unpacking += measure_now() - packed;
    t->packing += packed - begun;
    t->raw += size;
    t->stored += stored;
    return again == size ? 0 : -1;
}

static int try_order(uint64_t events, size_t block, int level, int by_session, trial *t) {
    workload *work;
    varve_event event;
    t->level = level;
    t->raw = t->stored = 0;
    t->packing = t->unpacking = 0;
    clustered *cluster = clustered_open(block, try_block, t);
    if (cluster == NULL || workload_open(SEED, events, &work) < 0)
        return -1;
    int result = 0;
    while (result == 0 && workload_next(work, &event)) /* arrival order: one session, that ends */
        result = clustered_add(cluster, by_session ? workload_session(work) : 0, event.payload,
                               event.payload_size, by_session ? workload_ended(work) : 1);
    if (result == 0)
        result = clustered_finish(cluster);
    clustered_close(&cluster);
    workload_close(&work);
    if (result == 0)
        printf("zstd -%-2d %-10s ratio %5.2f (%.3f)  pack %4.0f MB/s  unpack %5.0f MB/s\n", level,
               by_session ? "by session" : "arrival", (double)t->raw / (double)t->stored,
               (double)t->stored / (double)t->raw, (double)t->raw / t->packing / 1e6,
               (double)t->raw / t->unpacking / 1e6);
    fflush(stdout);
    return result;
}

static int print_shape(uint64_t events) {
    workload *work;
    varve_event event;
    double *size = malloc(events * sizeof *size);
    if (size == NULL || workload_open(SEED, events, &work) < 0)
        return -1;
    uint64_t charged = 0, count = 0;
    double bytes = 0, begun = measure_now();
    while (workload_next(work, &event)) {
        size[count++] = (double)event.payload_size;
        bytes += (double)event.payload_size;
        charged += (event.present & VARVE_HAS_CHARGE) != 0;
    }
    double took = measure_now() - begun;
    double median = measure_median(size, count);
    printf("%.0f events, %.0f sessions, %.0f MB, made at %.0f MB/s\n", (double)count,
           (double)workload_sessions(work), bytes / 1e6, bytes / took / 1e6);
    printf(
        "payload bytes: median %.0f, mean %.0f, p90 %.0f, p99 %.0f, max %.0f; tokens on %.1f%%\n",
        median, bytes / (double)count, measure_quantile(size, count, 0.9),
        measure_quantile(size, count, 0.99), size[count - 1],
        100 * (double)charged / (double)count);
    workload_close(&work);
    free(size);
    return 0;
}

static int print_payloads(uint64_t events) {
    workload *work;
    varve_event event;
    if (workload_open(SEED, events, &work) < 0)
        return -1;
    while (workload_next(work, &event)) {
        fwrite(event.payload, 1, event.payload_size, stdout);
        putchar('\n');
    }
    workload_close(&work);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--print") == 0)
        return print_payloads(strtoull(argv[2], NULL, 10)) < 0 ? 3 : 0;
    uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    size_t asked = argc > 2 ? strtoull(argv[2], NULL, 10) << 10 : 0;
    int tried = argc > 3 ? atoi(argv[3]) : 2;
    if (events == 0 || tried > LEVELS) {
        fprintf(stderr, "usage: calibrate [EVENTS] [BLOCK-KIB [LEVELS]]\n");
        return 2;
    }
    trial t = {.room_again = asked > BLOCK_ARRIVAL ? asked : BLOCK_ARRIVAL};
    t.room = ZSTD_compressBound(t.room_again);
    t.packed = malloc(t.room);
    t.again = malloc(t.room_again);
    t.compressor = ZSTD_createCCtx();
    t.decompressor = ZSTD_createDCtx();
    int result = print_shape(events);
    for (int i = 0; i < tried && result == 0; i++)
        for (int by_session = 0; by_session < 2 && result == 0; by_session++) {
            size_t block = by_session ? BLOCK_SESSION : BLOCK_ARRIVAL;
            result = try_order(events, asked != 0 ? asked : block, levels[i], by_session, &t);
        }
    if (result != 0)
        fprintf(stderr, "calibrate: out of memory, or zstd failed\n");
    ZSTD_freeCCtx(t.compressor);
    ZSTD_freeDCtx(t.decompressor);
    free(t.packed);
    free(t.again);
    return result == 0 ? 0 : 3;
}

/*
 * What zstd alone does with the payloads of a workload, clustered by session: the limit of packing
 * and of reading what was packed.
 */
#ifndef VARVE_BENCH_BLOCKS_H
#define VARVE_BENCH_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

enum { BLOCKS_SIZE = 256 << 10, BLOCKS_LEVEL = 3 };

typedef struct blocks {
    uint64_t raw, stored;        /* bytes */
    uint64_t payload;            /* of them */
    double packing, packing_cpu; /* seconds spent in zstd */
    struct {
        char *bytes;
        size_t size;
    } * block;
    size_t count, room;
} blocks;

/* Compresses the payloads of a workload into memory, each behind the strings of its event that are its own if 'strings' is
 * set: what a reader of events has to decompress. Non-zero: no memory. */
int blocks_make(uint64_t seed, uint64_t events, int strings, blocks *ret_blocks);
/* Seconds that decompressing all of them takes, into one buffer with one context; -1 = failed. 'look' (NULL = not) is given
 * each block: what a reader does with the payloads. */
double blocks_unpack(const blocks *all, void (*look)(void *context, const void *bytes, size_t size), void *context);
void blocks_free(blocks *all);

#endif

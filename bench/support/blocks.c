/*
 * Blocks by zstd alone. See blocks.h.
 */
#include "bench/support/blocks.h"

#include "bench/support/clustered.h"
#include "bench/support/measure.h"
#include "bench/support/workload.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

typedef struct packer {
    blocks *all;
    ZSTD_CCtx *context;
    char *packed;
    size_t room;
} packer;

static int pack_block(void *context, const void *bytes, size_t size) {
    packer *p = context;
    blocks *all = p->all;
    double cpu = measure_cpu(), begun = measure_now();
    size_t stored = ZSTD_compressCCtx(p->context, p->packed, p->room, bytes, size, BLOCKS_LEVEL);
    all->packing += measure_now() - begun;
    all->packing_cpu += measure_cpu() - cpu;
    if (all->count == all->room) {
        size_t room = all->room == 0 ? 256 : all->room * 2;
        void *grown = realloc(all->block, room * sizeof *all->block);
        if (grown == NULL)
            return -1;
        all->block = grown;
        all->room = room;
    }
    char *copy = ZSTD_isError(stored) ? NULL : malloc(stored);
    if (copy == NULL)
        return -1;
    memcpy(copy, p->packed, stored);
    all->block[all->count].bytes = copy;
    all->block[all->count++].size = stored;
    all->raw += size;
    all->stored += stored;
    return 0;
}

/* Strings that are much the same in all events of a session are written once, and no limit. */
static int is_own(int str) {
    return str == VARVE_STR_TEXT || str == VARVE_STR_NATIVE_ID || str == VARVE_STR_NATIVE_PARENT ||
           str == VARVE_STR_REQUEST_ID || str == VARVE_STR_MESSAGE_ID ||
           str == VARVE_STR_TOOL_USE_ID || str == VARVE_STR_TOOL_NAME;
}

static int add_event(clustered *cluster, workload *work, const varve_event *event, int strings) {
    static char bytes[1 << 20];
    size_t size = 0;
    for (int s = 0; s < VARVE_STRS && strings; s++)
        if (is_own(s) && event->str[s].ptr != NULL) {
            memcpy(bytes + size, event->str[s].ptr, event->str[s].size);
            size += event->str[s].size;
        }
    if (event->payload_size > sizeof bytes - size)
        return -1;
    memcpy(bytes + size, event->payload, event->payload_size);
    return clustered_add(cluster, workload_session(work), bytes, size + event->payload_size,
                         workload_ended(work));
}

int blocks_make(uint64_t seed, uint64_t events, int strings, blocks *ret_blocks) {
    *ret_blocks = (blocks){0};
    size_t room = ZSTD_compressBound(BLOCKS_SIZE);
    packer p = {ret_blocks, ZSTD_createCCtx(), malloc(room), room};
    clustered *cluster = clustered_open(BLOCKS_SIZE, pack_block, &p);
    workload *work = NULL;
    varve_event event;
    int result = cluster == NULL || p.context == NULL || p.packed == NULL ||
                         workload_open(seed, events, &work) < 0
                     ? -1
                     : 0;
    while (result == 0 && workload_next(work, &event)) {
        ret_blocks->payload += event.payload_size;
        result = add_event(cluster, work, &event, strings);
    }
    if (result == 0)
        result = clustered_finish(cluster);
    if (work != NULL)
        workload_close(&work);
    clustered_close(&cluster);
    ZSTD_freeCCtx(p.context);
    free(p.packed);
    return result;
}

double blocks_unpack(const blocks *all, void (*look)(void *context, const void *bytes, size_t size), void *context) {
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    char *bytes = malloc(BLOCKS_SIZE);
    uint64_t done = 0;
    double begun = measure_now();
    for (size_t i = 0; i < all->count && bytes != NULL && zstd != NULL; i++) {
        size_t size = ZSTD_decompressDCtx(zstd, bytes, BLOCKS_SIZE, all->block[i].bytes, all->block[i].size);
        if (ZSTD_isError(size))
            continue;
        done += size;
        if (look != NULL)
            look(context, bytes, size);
    }
    double took = measure_now() - begun;
    ZSTD_freeDCtx(zstd);
    free(bytes);
    return done == all->raw ? took : -1;
}

void blocks_free(blocks *all) {
    for (size_t i = 0; i < all->count; i++)
        free(all->block[i].bytes);
    free(all->block);
    *all = (blocks){0};
}

/*
 * Payloads by session, in blocks. See clustered.h.
 */
#include "bench/support/clustered.h"

#include <stdlib.h>
#include <string.h>

enum { OPEN_MAX = 64 };

typedef struct pile {
    uint64_t session;
    size_t size, room;
    char *bytes;
} pile;

struct clustered {
    size_t block, fill;
    int (*each)(void *context, const void *bytes, size_t size);
    void *context;
    char *bytes;
    pile open[OPEN_MAX]; /* with size 0: free */
};

clustered *clustered_open(size_t block, int (*each)(void *context, const void *bytes, size_t size),
                          void *context) {
    clustered *cluster = calloc(1, sizeof *cluster);
    if (cluster == NULL)
        return NULL;
    cluster->block = block;
    cluster->each = each;
    cluster->context = context;
    cluster->bytes = malloc(block);
    if (cluster->bytes == NULL)
        clustered_close(&cluster);
    return cluster;
}

static int flush_block(clustered *cluster) {
    size_t size = cluster->fill;
    cluster->fill = 0;
    return size == 0 ? 0 : cluster->each(cluster->context, cluster->bytes, size);
}

static int flush_pile(clustered *cluster, pile *from) {
    for (size_t done = 0; done < from->size;) {
        size_t room = cluster->block - cluster->fill, left = from->size - done;
        size_t size = left < room ? left : room;
        memcpy(cluster->bytes + cluster->fill, from->bytes + done, size);
        cluster->fill += size;
        done += size;
        if (cluster->fill == cluster->block && flush_block(cluster) != 0)
            return -1;
    }
    from->size = 0;
    return 0;
}

int clustered_add(clustered *cluster, uint64_t session, const void *bytes, size_t size, int last) {
    pile *to = NULL;
    for (size_t i = 0; i < OPEN_MAX; i++) {
        pile *p = &cluster->open[i];
        if (p->size > 0 && p->session == session) {
            to = p;
            break;
        }
        if (p->size == 0 && to == NULL)
            to = p;
    }
    if (to == NULL)
        return -1;
    if (to->size + size > to->room) {
        size_t room = (to->size + size) * 2;
        char *grown = realloc(to->bytes, room);
        if (grown == NULL)
            return -1;
        to->bytes = grown;
        to->room = room;
    }
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
    to->session = session;
    return last ? flush_pile(cluster, to) : 0;
}

int clustered_finish(clustered *cluster) {
    for (size_t i = 0; i < OPEN_MAX; i++)
        if (flush_pile(cluster, &cluster->open[i]) != 0)
            return -1;
    return flush_block(cluster);
}

void clustered_close(clustered **cluster) {
    if (*cluster != NULL) {
        for (size_t i = 0; i < OPEN_MAX; i++)
            free((*cluster)->open[i].bytes);
        free((*cluster)->bytes);
    }
    free(*cluster);
    *cluster = NULL;
}

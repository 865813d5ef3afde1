/*
 * Records of a batch. See folding.h.
 */
#include "bench/support/folding.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

typedef struct place {
    record rec;
    uint64_t hash;
    int is_new;
} place;

struct folding {
    place *place;
    uint32_t *bucket; /* number of a place and one; 0 = free */
    size_t count, room, buckets;
};

folding *folding_new(void) {
    return calloc(1, sizeof(folding));
}

void folding_free(folding **fold) {
    if (*fold != NULL) {
        free((*fold)->place);
        free((*fold)->bucket);
    }
    free(*fold);
    *fold = NULL;
}

void folding_clear(folding *fold) {
    if (fold->count > 0)
        memset(fold->bucket, 0, fold->buckets * sizeof *fold->bucket);
    fold->count = 0;
}

static int grow(folding *fold) {
    size_t room = fold->room == 0 ? 128 : fold->room * 2, buckets = room * 2;
    place *places = realloc(fold->place, room * sizeof *places);
    if (places != NULL)
        fold->place = places;
    uint32_t *bucket = calloc(buckets, sizeof *bucket);
    if (places == NULL || bucket == NULL) {
        free(bucket);
        return -1;
    }
    free(fold->bucket);
    fold->bucket = bucket;
    fold->room = room;
    fold->buckets = buckets;
    for (size_t i = 0; i < fold->count; i++) {
        size_t at = places[i].hash & (buckets - 1);
        while (bucket[at] != 0)
            at = (at + 1) & (buckets - 1);
        bucket[at] = (uint32_t)i + 1;
    }
    return 0;
}

record *folding_take(folding *fold, varve_str session, int (*load)(void *context, record *rec),
                     void *context) {
    if (session.size >= RECORD_ID || (fold->count == fold->room && grow(fold) < 0))
        return NULL;
    uint64_t hash = XXH3_64bits(session.ptr, session.size);
    size_t at = hash & (fold->buckets - 1);
    for (; fold->bucket[at] != 0; at = (at + 1) & (fold->buckets - 1)) {
        place *p = &fold->place[fold->bucket[at] - 1];
        if (p->hash == hash && memcmp(p->rec.session, session.ptr, session.size) == 0 &&
            p->rec.session[session.size] == 0)
            return &p->rec;
    }
    place *p = &fold->place[fold->count];
    record_begin(&p->rec, session);
    int found = load(context, &p->rec);
    if (found < 0)
        return NULL;
    p->hash = hash;
    p->is_new = !found;
    fold->bucket[at] = (uint32_t)++fold->count;
    return &p->rec;
}

size_t folding_count(const folding *fold) {
    return fold->count;
}

const record *folding_at(const folding *fold, size_t i) {
    return &fold->place[i].rec;
}

int folding_is_new(const folding *fold, size_t i) {
    return fold->place[i].is_new;
}

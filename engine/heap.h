/*
 * Items that are added in any order and taken in another.
 */
#ifndef VARVE_ENGINE_HEAP_H
#define VARVE_ENGINE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Items that are added in any order and taken in that which 'before' says (1: a comes before b; it
 * may note things in the items). With a limit only the first so many are kept. */
typedef struct ve_heap {
    uint8_t *items;
    size_t count, room, item_size;
    size_t limit; /* 0 = none */
    bool first;   /* the root is the first of all (when taking), not the last */
    int (*before)(void *context, void *a, void *b);
    void *context;
} ve_heap;
enum { VE_HEAP_ITEM_MAX = 32 };
bool ve_heap_add(ve_heap *heap, void *item); /* false: no memory */
bool ve_heap_take(ve_heap *heap,
                  void *ret); /* false: none is left. Nothing may be added any more */

#endif

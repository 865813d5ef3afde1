/*
 * A binary heap of small items. While items are added its root is the last of them in order, so
 * that with a limit whatever is not among the first is thrown away at once; to take them it is
 * turned round.
 */
#include "engine/array.h"
#include "engine/heap.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *item(const ve_heap *heap, size_t at) {
    return heap->items + at * heap->item_size;
}

/* Whether the item at 'a' must stand above that at 'b'. */
static bool above(const ve_heap *heap, size_t a, size_t b) {
    return heap->first ? heap->before(heap->context, item(heap, a), item(heap, b)) != 0
                       : heap->before(heap->context, item(heap, b), item(heap, a)) != 0;
}

static void swap(ve_heap *heap, size_t a, size_t b) {
    uint8_t held[VE_HEAP_ITEM_MAX];
    memcpy(held, item(heap, a), heap->item_size);
    memcpy(item(heap, a), item(heap, b), heap->item_size);
    memcpy(item(heap, b), held, heap->item_size);
}

static void sink(ve_heap *heap, size_t at) {
    for (size_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && above(heap, child + 1, child))
            child++;
        if (!above(heap, child, at))
            return;
        swap(heap, at, child);
    }
}

static void rise(ve_heap *heap, size_t at) {
    for (; at > 0 && above(heap, at, (at - 1) / 2); at = (at - 1) / 2)
        swap(heap, at, (at - 1) / 2);
}

bool ve_heap_add(ve_heap *heap, void *more) {
    if (heap->limit > 0 && heap->count == heap->limit) {
        if (heap->before(heap->context, more, item(heap, 0)) != 0) {
            memcpy(item(heap, 0), more, heap->item_size);
            sink(heap, 0);
        }
        return true;
    }
    if (!ve_grow(&heap->items, &heap->room, heap->count + 1, heap->item_size))
        return false;
    memcpy(item(heap, heap->count++), more, heap->item_size);
    if (heap->limit > 0) /* without a limit order is made when it is needed */
        rise(heap, heap->count - 1);
    return true;
}

bool ve_heap_take(ve_heap *heap, void *ret) {
    if (!heap->first) {
        heap->first = true;
        for (size_t at = heap->count / 2; at-- > 0;)
            sink(heap, at);
    }
    if (heap->count == 0)
        return false;
    memcpy(ret, item(heap, 0), heap->item_size);
    memcpy(item(heap, 0), item(heap, --heap->count), heap->item_size);
    sink(heap, 0);
    return true;
}

/*
 * Arrays that grow.
 */
#include "engine/array.h"

#include <stdlib.h>
#include <string.h>

bool ve_grow(void *array, size_t *room, size_t need, size_t item_size) {
    if (need <= *room)
        return true;
    size_t more = need + need / 2 + 16;
    void *grown = realloc(*(void **)array, more * item_size);
    if (grown == NULL)
        return false;
    memcpy(array, &grown, sizeof grown);
    *room = more;
    return true;
}

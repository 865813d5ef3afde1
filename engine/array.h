/*
 * Arrays that grow.
 */
#ifndef VARVE_ENGINE_ARRAY_H
#define VARVE_ENGINE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Grows an array to hold 'need' items; false: no memory. */
bool ve_grow(void *array, size_t *room, size_t need, size_t item_size);

#endif

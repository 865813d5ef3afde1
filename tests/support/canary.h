/*
 * Looking for bytes in a store's files: as they lie, and in opened parts of packed segments.
 */
#ifndef VARVE_TESTS_CANARY_H
#define VARVE_TESTS_CANARY_H

#include <stdbool.h>
#include <stdint.h>

/* Places below 'path' where one of these stands; each is told if 'tell'. */
uint64_t canary_count(const char *path, const char *const *words, int count, bool tell);

#endif

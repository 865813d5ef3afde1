/*
 * What the tests of format/ share: random bytes that come out alike in every run, and copies on the
 * heap of exactly the size given, so that a sanitizer sees every byte read beyond them.
 */
#ifndef VARVE_TESTS_TEST_FORMAT_HELP_H
#define VARVE_TESTS_TEST_FORMAT_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    uint64_t state;
} randomness;

/* splitmix64 */
static inline uint64_t random_u64(randomness *r) {
    uint64_t n = r->state += 0x9E3779B97F4A7C15u;
    n = (n ^ n >> 30) * 0xBF58476D1CE4E5B9u;
    n = (n ^ n >> 27) * 0x94D049BB133111EBu;
    return n ^ n >> 31;
}

static inline uint32_t random_below(randomness *r, uint32_t limit) {
    return (uint32_t)(random_u64(r) % limit);
}

static inline void random_bytes(randomness *r, void *to, size_t size) {
    uint8_t *at = to;
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)random_u64(r);
}

/* The first 'size' bytes on the heap; to be freed. */
static inline uint8_t *exact_copy(const void *bytes, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

#endif

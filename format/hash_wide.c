/*
 * XXH3 of long inputs by registers of 256 bits: the same sums, two to three times as fast from the
 * cache. This file alone is compiled for processors that have them; who calls it asks first.
 */
#define XXH_INLINE_ALL
#include "format/hash_wide.h"

#include <xxhash.h>

uint64_t vf_sum64_wide(const void *data, size_t size, uint64_t seed) {
    return XXH3_64bits_withSeed(data, size, seed);
}

/* vf_sum64 for processors with AVX2, where VF_WIDE says that the compiler can make it. */
#ifndef VARVE_FORMAT_HASH_WIDE_H
#define VARVE_FORMAT_HASH_WIDE_H

#include <stddef.h>
#include <stdint.h>

uint64_t vf_sum64_wide(const void *data, size_t size, uint64_t seed);

#endif

/*
 * One payload compressed by itself, for peers that do not compress: contexts and buffers are kept.
 */
#ifndef VARVE_BENCH_SQUEEZE_H
#define VARVE_BENCH_SQUEEZE_H

#include <stddef.h>

typedef struct squeeze squeeze;

/* *own is made when NULL. What they give holds until the next call of the same function. */
int squeeze_pack(squeeze **own, const void *bytes, size_t size, const void **ret_packed,
                 size_t *ret_size);
int squeeze_unpack(squeeze **own, const void *packed, size_t size, const void **ret_bytes,
                   size_t *ret_size);
void squeeze_free(squeeze **own);

#endif

/*
 * Images of one size turned round: byte j of all of them stands together, as plane j, and planes that
 * are zero throughout are left out. Of use to blocks only. SPEC.md "Blocks".
 */
#ifndef VARVE_FORMAT_PLANES_H
#define VARVE_FORMAT_PLANES_H

#include <stddef.h>
#include <stdint.h>

enum { VF_PLANES_MAX = 1024 }; /* bytes of an image at most */

/* Sets any[j] to the union of the bytes j of n images; width is a multiple of 8. */
void vf_planes_any(const uint8_t *images, size_t stride, uint32_t n, uint32_t width, uint8_t *any);
/* Bit j of the bitmap, (width + 7) / 8 bytes: any[j] is not zero. */
void vf_planes_bitmap(const uint8_t *any, uint32_t width, uint8_t *bitmap);
/* The columns whose bit is set, in order; returns how many. UINT32_MAX: there are bits beyond the width. */
uint32_t vf_planes_list(const uint8_t *bitmap, uint32_t width, uint16_t *ret_columns);
/* Writes the planes of these columns, n bytes each. */
void vf_planes_gather(const uint8_t *images, size_t stride, uint32_t n, const uint16_t *columns,
                      uint32_t count, uint8_t *planes);
/* Puts the planes' bytes into images [from, end) of n, 'images' being the first of them. Bytes of other columns stay. */
void vf_planes_spread(const uint8_t *planes, uint32_t n, uint32_t from, uint32_t end,
                      const uint16_t *columns, uint32_t count, uint8_t *images, size_t stride);

#endif

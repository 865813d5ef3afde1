/*
 * Turns images round, a few at a time: what is written or read with a stride stays in the nearest
 * cache then.
 */
#include "format/planes.h"

#include <assert.h>
#include <string.h>

enum { TILE = 64 }; /* images */

void vf_planes_any(const uint8_t *images, size_t stride, uint32_t n, uint32_t width, uint8_t *any) {
    uint64_t words[VF_PLANES_MAX / 8] = {0}; /* eight columns at once */
    assert(width % 8 == 0 && width <= VF_PLANES_MAX);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *image = images + i * stride;
        uint64_t word;
        for (uint32_t w = 0; w < width / 8; w++) {
            memcpy(&word, image + (size_t)w * 8, sizeof word);
            words[w] |= word;
        }
    }
    memcpy(any, words, width);
}

void vf_planes_bitmap(const uint8_t *any, uint32_t width, uint8_t *bitmap) {
    memset(bitmap, 0, (width + 7) / 8);
    for (uint32_t j = 0; j < width; j++) {
        if (any[j] != 0)
            bitmap[j / 8] = (uint8_t)(bitmap[j / 8] | 1u << j % 8);
    }
}

uint32_t vf_planes_list(const uint8_t *bitmap, uint32_t width, uint16_t *ret_columns) {
    uint32_t count = 0;
    for (uint32_t j = 0; j < width; j++) {
        if ((bitmap[j / 8] >> j % 8 & 1) != 0)
            ret_columns[count++] = (uint16_t)j;
    }
    return width % 8 != 0 && bitmap[width / 8] >> width % 8 != 0 ? UINT32_MAX : count;
}

void vf_planes_gather(const uint8_t *images, size_t stride, uint32_t n, const uint16_t *columns,
                      uint32_t count, uint8_t *planes) {
    for (uint32_t from = 0; from < n; from += TILE) {
        uint32_t end = n - from < TILE ? n : from + TILE;
        for (uint32_t c = 0; c < count; c++) {
            const uint8_t *image = images + from * stride + columns[c];
            uint8_t *plane = planes + (size_t)c * n;
            for (uint32_t i = from; i < end; i++, image += stride)
                plane[i] = *image;
        }
    }
}

void vf_planes_spread(const uint8_t *planes, uint32_t n, uint32_t from, uint32_t end,
                      const uint16_t *columns, uint32_t count, uint8_t *images, size_t stride) {
    for (; from < end; from += TILE) {
        uint32_t stop = end - from < TILE ? end : from + TILE;
        for (uint32_t c = 0; c < count; c++) {
            const uint8_t *plane = planes + (size_t)c * n;
            uint8_t *image = images + columns[c];
            for (uint32_t i = from; i < stop; i++, image += stride)
                *image = plane[i];
        }
        images += TILE * stride;
    }
}

/*
 * Blocks of index rows: rows of one table, turned round like records. Numbers are told as the
 * distance from the row before, so that a table that stands whole has ones there.
 */
#include "format/packed.h"
#include "format/planes.h"

#include <assert.h>

enum { HEAD = 8, NUMBER = 4, ROW_HEAD = 8 }; /* bytes; a row's own head is not kept */
_Static_assert(NUMBER + VF_ROW_SIZE_MAX - ROW_HEAD <= VF_PLANES_MAX, "a row and its number fit");

static uint32_t width_of(uint32_t row_size) {
    assert(row_size > ROW_HEAD && row_size <= VF_ROW_SIZE_MAX);
    return NUMBER + row_size - ROW_HEAD;
}

static size_t planes_at(uint32_t width) {
    return HEAD + (width + 7) / 8;
}

size_t vf_rows_max(uint32_t count, uint32_t row_size) {
    uint32_t width = width_of(row_size);
    return planes_at(width) + (size_t)count * width;
}

static uint32_t distance(const uint32_t *numbers, uint32_t i) {
    return i == 0 ? numbers[0] : numbers[i] - numbers[i - 1];
}

/* How many of these columns, which are in order, are of the number. */
static uint32_t number_columns(const uint16_t *columns, uint32_t count) {
    uint32_t n = 0;
    while (n < count && columns[n] < NUMBER)
        n++;
    return n;
}

size_t vf_rows_encode(const uint32_t *numbers, const uint8_t *images, uint32_t count,
                      uint32_t row_size, uint8_t *at) {
    uint8_t any[VF_PLANES_MAX];
    uint16_t columns[VF_PLANES_MAX];
    uint32_t width = width_of(row_size), distances = 0;
    le32 words[2];
    vf_put32(&words[0], count);
    vf_put32(&words[1], width);
    memcpy(at, words, sizeof words);
    for (uint32_t i = 0; i < count; i++)
        distances |= distance(numbers, i);
    for (uint32_t j = 0; j < NUMBER; j++)
        any[j] = (uint8_t)(distances >> 8 * j);
    vf_planes_any(images + ROW_HEAD, row_size, count, width - NUMBER, any + NUMBER);
    vf_planes_bitmap(any, width, at + HEAD);
    uint32_t set = vf_planes_list(at + HEAD, width, columns);
    uint32_t of_number = number_columns(columns, set);
    uint8_t *planes = at + planes_at(width);
    for (uint32_t c = 0; c < of_number; c++) {
        for (uint32_t i = 0; i < count; i++)
            planes[(size_t)c * count + i] = (uint8_t)(distance(numbers, i) >> 8 * columns[c]);
    }
    vf_planes_gather(images + ROW_HEAD - NUMBER, row_size, count, columns + of_number,
                     set - of_number, planes + (size_t)of_number * count);
    return planes_at(width) + (size_t)set * count;
}

/* Adds the distances up: they rise, and none is beyond what a number can be. */
static int numbers_hold(uint32_t *numbers, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        if (numbers[i] == 0 || numbers[i] > UINT32_MAX - numbers[i - 1])
            return 0;
        numbers[i] += numbers[i - 1];
    }
    return 1;
}

vf_result vf_rows_decode(const uint8_t *bytes, size_t size, uint32_t count, uint32_t row_size,
                         uint32_t *ret_numbers, uint8_t *ret_images) {
    uint16_t columns[VF_PLANES_MAX];
    uint32_t width = width_of(row_size);
    le32 words[2];
    if (size < planes_at(width))
        return VF_SHORT;
    memcpy(words, bytes, sizeof words);
    if (vf_get32(words[0]) != count || vf_get32(words[1]) != width)
        return VF_BAD_FIELD;
    uint32_t set = vf_planes_list(bytes + HEAD, width, columns);
    if (set == UINT32_MAX)
        return VF_BAD_FIELD;
    uint64_t need = planes_at(width) + (uint64_t)set * count;
    if (size != need)
        return size < need ? VF_SHORT : VF_BAD_FIELD;
    memset(ret_numbers, 0, count * sizeof *ret_numbers);
    memset(ret_images, 0, (size_t)count * row_size);
    const uint8_t *planes = bytes + planes_at(width);
    uint32_t of_number = number_columns(columns, set);
    for (uint32_t c = 0; c < of_number; c++) {
        for (uint32_t i = 0; i < count; i++)
            ret_numbers[i] |= (uint32_t)planes[(size_t)c * count + i] << 8 * columns[c];
    }
    vf_planes_spread(planes + (size_t)of_number * count, count, 0, count, columns + of_number,
                     set - of_number, ret_images + ROW_HEAD - NUMBER, row_size);
    return numbers_hold(ret_numbers, count) ? VF_OK : VF_BAD_FIELD;
}

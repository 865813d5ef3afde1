/*
 * Parts of blocks as they lie in a file, and blocks of index rows: what was stored comes back, and
 * any change of a stored byte is found.
 */
#include "format/index.h"
#include "format/packed.h"
#include "tests/test_format_help.h"

#define ZSTD_STATIC_LINKING_ONLY /* for a context without memory */
#include <zstd.h>

enum { PLAIN_MAX = 20000 };
static const uint64_t OFFSET = 0x123456789A8u;

typedef struct {
    ZSTD_CCtx *pack;
    ZSTD_DCtx *open;
} contexts;

static int begin(void **state) {
    static contexts both;
    both = (contexts){ZSTD_createCCtx(), ZSTD_createDCtx()};
    *state = &both;
    return both.pack == NULL || both.open == NULL;
}

static int end(void **state) {
    contexts *both = *state;
    ZSTD_freeCCtx(both->pack);
    ZSTD_freeDCtx(both->open);
    return 0;
}

/* Packs; the result is on the heap in exactly its size. */
static uint8_t *pack(contexts *both, const uint8_t *plain, size_t plain_size, size_t *ret_size) {
    size_t room = vf_part_bound(plain_size);
    uint8_t *at = malloc(room);
    assert_non_null(at);
    *ret_size = vf_part_pack(both->pack, 3, plain, plain_size, at, room);
    assert_in_range(*ret_size, 1, plain_size);
    uint8_t *stored = exact_copy(at, *ret_size);
    free(at);
    return stored;
}

/* Opens into memory of exactly plain_size, which is compared with 'plain' if it holds. */
static vf_result open_part(contexts *both, const uint8_t *stored, size_t size, uint32_t sum,
                           const uint8_t *plain, size_t plain_size) {
    uint8_t *at = malloc(plain_size + 1);
    assert_non_null(at);
    at[plain_size] = 0xEE;
    vf_result result = vf_part_open(both->open, stored, size, OFFSET, sum, at, plain_size);
    assert_int_equal(at[plain_size], 0xEE);
    if (result == VF_OK && plain != NULL)
        assert_memory_equal(at, plain, plain_size);
    free(at);
    return result;
}

static void parts_come_back(void **state) {
    static uint8_t plain[PLAIN_MAX];
    randomness r = {41};
    for (int round = 0; round < 300; round++) {
        size_t size, plain_size = 1 + random_below(&r, PLAIN_MAX);
        if (round % 2 == 0)
            random_bytes(&r, plain, plain_size); /* cannot be made smaller */
        else
            for (size_t i = 0; i < plain_size; i++)
                plain[i] = (uint8_t)random_below(&r, 3);
        uint8_t *stored = pack(*state, plain, plain_size, &size);
        if (round % 2 == 0)
            assert_int_equal(size, plain_size);
        else if (plain_size > 100)
            assert_true(size < plain_size);
        uint32_t sum = vf_part_sum(stored, size, OFFSET);
        assert_int_equal(sum, (uint32_t)vf_sum64(stored, size, OFFSET));
        assert_int_not_equal(sum, vf_part_sum(stored, size, OFFSET + 8));
        assert_int_equal(open_part(*state, stored, size, sum, plain, plain_size), VF_OK);
        free(stored);
    }
    assert_int_equal(open_part(*state, plain, 0, 7, NULL, 0), VF_OK);
    assert_int_equal(open_part(*state, plain, 0, 7, NULL, 1), VF_BAD_FIELD);
}

static void *give_once(void *given, size_t size) {
    return *(int *)given ? NULL : (*(int *)given = 1, malloc(size));
}

static void take_back(void *given, void *at) {
    (void)given;
    free(at);
}

static void a_part_that_no_memory_is_left_to_pack_is_not_made(void **state) {
    (void)state;
    int given = 0;
    uint8_t plain[100] = {1}, at[1000];
    ZSTD_CCtx *context = ZSTD_createCCtx_advanced((ZSTD_customMem){give_once, take_back, &given});
    assert_non_null(context);
    assert_true(vf_part_bound(sizeof plain) <= sizeof at);
    assert_int_equal(vf_part_pack(context, 3, plain, sizeof plain, at, sizeof at), 0);
    ZSTD_freeCCtx(context);
}

static void a_flipped_bit_is_found(void **state) {
    static uint8_t plain[PLAIN_MAX];
    randomness r = {42};
    for (int random = 0; random < 2; random++) {
        size_t size, plain_size = random ? 300 : 3000;
        for (size_t i = 0; i < plain_size; i++)
            plain[i] = (uint8_t)(random ? random_u64(&r) : i % 7 * random_below(&r, 2));
        uint8_t *stored = pack(*state, plain, plain_size, &size);
        uint32_t sum = vf_part_sum(stored, size, OFFSET);
        for (size_t bit = 0; bit < size * 8; bit++) {
            stored[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(open_part(*state, stored, size, sum, NULL, plain_size), VF_BAD_SUM);
            stored[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t cut = 1; cut < size; cut++) {
            uint8_t *less = exact_copy(stored, cut);
            assert_int_equal(open_part(*state, less, cut, sum, NULL, plain_size), VF_BAD_SUM);
            free(less);
        }
        assert_int_equal(open_part(*state, stored, size, sum + 1, NULL, plain_size), VF_BAD_SUM);
        free(stored);
    }
}

/* Sums that hold over bytes that are not a part. */
static void what_is_no_part_is_refused(void **state) {
    static uint8_t plain[3000], two[4000];
    size_t size;
    memset(plain, 'x', sizeof plain);
    uint8_t *stored = pack(*state, plain, sizeof plain, &size);
    uint32_t sum = vf_part_sum(stored, size, OFFSET);
    assert_int_equal(open_part(*state, stored, size, sum, NULL, sizeof plain - 1), VF_BAD_FIELD);
    assert_int_equal(open_part(*state, stored, size, sum, NULL, sizeof plain + 1), VF_BAD_FIELD);
    assert_int_equal(open_part(*state, stored, size, sum, NULL, size - 1), VF_BAD_FIELD);
    memcpy(two, stored, size); /* two frames, where there is to be one */
    memcpy(two + size, stored, size);
    sum = vf_part_sum(two, 2 * size, OFFSET);
    assert_int_equal(open_part(*state, two, 2 * size, sum, NULL, 2 * sizeof plain), VF_BAD_FIELD);
    sum = vf_part_sum(stored, 3, OFFSET); /* too short for a frame's magic */
    assert_int_equal(open_part(*state, stored, 3, sum, NULL, sizeof plain), VF_BAD_FIELD);
    randomness r = {43};
    for (int round = 0; round < 5000; round++) {
        uint8_t *broken = exact_copy(stored, size);
        broken[random_below(&r, (uint32_t)size)] ^= (uint8_t)(1 + random_below(&r, 255));
        sum = vf_part_sum(broken, size, OFFSET);
        open_part(*state, broken, size, sum, NULL, sizeof plain);
        free(broken);
    }
    free(stored);
}

typedef struct {
    uint32_t *numbers;
    uint8_t *images;
    uint8_t *bytes;
    size_t size;
} rows;

static rows make_rows(randomness *r, uint32_t count, uint32_t row_size) {
    rows made = {malloc(count * sizeof(uint32_t)), calloc(count, row_size), NULL, 0};
    uint8_t *at = malloc(vf_rows_max(count, row_size));
    assert_true(made.numbers != NULL && made.images != NULL && at != NULL);
    uint32_t number = random_below(r, 3) == 0 ? random_below(r, 1u << 31) : 0;
    uint32_t step = random_below(r, 2) == 0 ? 1 : 1 + random_below(r, 70000);
    for (uint32_t i = 0; i < count; i++) {
        made.numbers[i] = number;
        number += 1 + random_below(r, step);
        for (uint32_t j = 0; j < row_size; j++)
            if (j % 5 != 0)
                made.images[(size_t)i * row_size + j] = (uint8_t)random_u64(r);
    }
    made.size = vf_rows_encode(made.numbers, made.images, count, row_size, at);
    assert_true(made.size <= vf_rows_max(count, row_size));
    made.bytes = exact_copy(at, made.size);
    free(at);
    for (uint32_t i = 0; i < count; i++) /* heads are not kept */
        memset(made.images + (size_t)i * row_size, 0, 8);
    return made;
}

static void free_rows(rows *made) {
    free(made->numbers);
    free(made->images);
    free(made->bytes);
}

static vf_result decode_rows(const uint8_t *bytes, size_t size, uint32_t count, uint32_t row_size,
                             const rows *expected) {
    uint32_t *numbers = malloc((count + 1) * sizeof(uint32_t));
    uint8_t *images = malloc((size_t)count * row_size + 1);
    assert_true(numbers != NULL && images != NULL);
    vf_result result = vf_rows_decode(bytes, size, count, row_size, numbers, images);
    if (result == VF_OK && expected != NULL) {
        assert_memory_equal(numbers, expected->numbers, count * sizeof *numbers);
        assert_memory_equal(images, expected->images, (size_t)count * row_size);
    }
    free(numbers);
    free(images);
    return result;
}

static void rows_come_back(void **state) {
    (void)state;
    randomness r = {44};
    for (int round = 0; round < 60; round++) {
        uint32_t row_size = vf_row_size((vf_table)(round % VF_TABLES));
        uint32_t count = round < 4 ? VF_ROWS_MAX : 1 + random_below(&r, 200);
        rows made = make_rows(&r, count, row_size);
        assert_int_equal(decode_rows(made.bytes, made.size, count, row_size, &made), VF_OK);
        free_rows(&made);
    }
}

static void rows_are_checked(void **state) {
    (void)state;
    enum { COUNT = 9 };
    randomness r = {45};
    uint32_t row_size = vf_row_size(VF_TABLE_USAGE);
    rows made = make_rows(&r, COUNT, row_size);
    for (size_t cut = 0; cut < made.size; cut++) {
        uint8_t *less = exact_copy(made.bytes, cut);
        assert_int_equal(decode_rows(less, cut, COUNT, row_size, NULL), VF_SHORT);
        free(less);
    }
    assert_int_equal(decode_rows(made.bytes, made.size, COUNT - 1, row_size, NULL), VF_BAD_FIELD);
    assert_int_equal(decode_rows(made.bytes, made.size, COUNT, row_size - 8, NULL), VF_BAD_FIELD);
    for (size_t bit = 0; bit < made.size * 8; bit++) {
        made.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        decode_rows(made.bytes, made.size, COUNT, row_size, NULL);
        made.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    made.bytes[8 + 15] |= 0x80; /* a column beyond the width, 124 */
    assert_int_equal(decode_rows(made.bytes, made.size, COUNT, row_size, NULL), VF_BAD_FIELD);
    free_rows(&made);

    uint8_t bytes[8 + 16 + 2 * 4] = {2, 0, 0, 0, 124, 0, 0, 0, 0x0F}; /* two rows, numbers only */
    rows expected = {(uint32_t[]){1, 0xFFFFFFFE}, (uint8_t[256]){0}, NULL, 0};
    static const uint8_t planes[] = {1, 0xFD, 0, 0xFF, 0, 0xFF, 0, 0xFF};
    memcpy(bytes + 24, planes, sizeof planes);
    assert_int_equal(decode_rows(bytes, sizeof bytes, 2, row_size, &expected), VF_OK);
    bytes[24] = 3; /* beyond 2^32 */
    assert_int_equal(decode_rows(bytes, sizeof bytes, 2, row_size, NULL), VF_BAD_FIELD);
    for (int i = 0; i < 4; i++)
        bytes[24 + 2 * i + 1] = 0; /* the same number again */
    assert_int_equal(decode_rows(bytes, sizeof bytes, 2, row_size, NULL), VF_BAD_FIELD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_back),
        cmocka_unit_test(a_part_that_no_memory_is_left_to_pack_is_not_made),
        cmocka_unit_test(a_flipped_bit_is_found),
        cmocka_unit_test(what_is_no_part_is_refused),
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(rows_are_checked),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

/*
 * Fixed parts that somebody wrote who means no good: whatever the bytes, a block opens or it does
 * not, and of one that opens every body can be read.
 */
#include "tests/test_format_packed.h"

enum { PAYLOAD_AT = 10, COLUMN_ROOM = 4096 };

/* An image by image account of a fixed part, to be changed and written anew. */
typedef struct {
    uint32_t count;
    uint8_t image[20][VF_IMAGE_SIZE];
    uint8_t stream[128];
    uint32_t stream_size;
    uint32_t data_size;
} plan;

static packed_block write_plan(const plan *p) {
    static uint8_t bytes[COLUMN_ROOM];
    size_t size = VF_BLOCK_HEAD;
    le32 words[2];
    memset(bytes, 0, sizeof bytes);
    vf_put32(&words[0], p->count);
    vf_put32(&words[1], p->stream_size);
    memcpy(bytes, words, sizeof words);
    for (uint32_t j = 0; j < VF_IMAGE_SIZE; j++) {
        uint8_t any = 0;
        for (uint32_t i = 0; i < p->count; i++)
            any |= p->image[i][j];
        if (any == 0)
            continue;
        bytes[8 + j / 8] = (uint8_t)(bytes[8 + j / 8] | 1u << j % 8);
        for (uint32_t i = 0; i < p->count; i++)
            bytes[size++] = p->image[i][j];
    }
    memcpy(bytes + size, p->stream, p->stream_size);
    size += p->stream_size;
    packed_block block = {exact_copy(bytes, size), size, calloc(1, p->data_size + 1), p->data_size};
    assert_non_null(block.data);
    return block;
}

/* Opens it, and if it opens, reads all there is. */
static vf_result read_block(const packed_block *block) {
    vf_unit unit;
    vf_result result = open_block(block, &unit);
    for (uint32_t i = 0; result == VF_OK && i < unit.count; i++) {
        vf_body body;
        uint8_t *raw = malloc(vf_unit_length(&unit, i));
        assert_non_null(raw);
        vf_unit_body(&unit, i, LINE_KEY, &body);
        vf_unit_raw_body(&unit, i, LINE_KEY, raw);
        free(raw);
    }
    close_unit(&unit);
    return result;
}

static vf_result read_plan(const plan *p) {
    packed_block block = write_plan(p);
    vf_result result = read_block(&block);
    free_block(&block);
    return result;
}

/* Two events with a payload of 3 bytes; the first has two strings of 4 bytes, the second repeats
 * one. */
static plan good_plan(void) {
    static const uint8_t stream[] = {9 << 1, 4, (100 << 1 & 0x7F) | 0x80, 1, 4, 9 << 1 | 1};
    plan p = {.count = 2, .data_size = 14};
    for (uint32_t i = 0; i < 2; i++) {
        p.image[i][1] = 16;
        p.image[i][12] = VF_KIND_EVENT;
        p.image[i][64 + 2] = VF_HAS_PAYLOAD >> 16;
        p.image[i][236] = 3;
        p.image[i][240] = (uint8_t)(2 - i);
    }
    memcpy(p.stream, stream, sizeof stream);
    p.stream_size = sizeof stream;
    return p;
}

static void bad(const plan *p) {
    assert_int_equal(read_plan(p), VF_BAD_FIELD);
}

static void fields_of_records_are_checked(void **state) {
    (void)state;
    plan good = good_plan(), p;
    assert_int_equal(read_plan(&good), VF_OK);
    static const struct {
        uint16_t at;
        uint8_t value;
    } refused[] = {
        {12, 0},    {12, VF_KIND_CURSOR},
        {12, 99},   {13, 4},
        {8, 63},    {8, 64 + 4},
        {8, 72},    {11, 0x80},
        {56, 1},    {59, 1},
        {244, 1},   {247, 1},
        {72, 4},    {74, 3},
        {75, 4},    {66, 0},
        {242, 16},  {243, 1},
        {239, 16},  {236, 4},
        {236, 2},   {240, 1},
        {240, 3},   {241, 1},
        {48, 0xFF}, {242, VF_LEFT_UID | VF_LEFT_PAYLOAD},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        p = good;
        p.image[0][refused[i].at] = refused[i].value;
        if (refused[i].at == 48) /* prev behind the record */
            memset(p.image[0] + 48, 0xFF, 8);
        if (read_plan(&p) != VF_BAD_FIELD)
            fail_msg("offset %u value %u was let pass", refused[i].at, refused[i].value);
    }
}

static void what_was_left_out_has_something_to_be_made_of(void **state) {
    (void)state;
    static const uint8_t left[] = {VF_LEFT_CHARGE,
                                   VF_LEFT_CHARGE_PART}; /* no MESSAGE_ID, no REQUEST_ID */
    for (size_t i = 0; i < sizeof left; i++) {
        plan p = good_plan();
        p.image[0][242] = left[i];
        assert_int_equal(read_plan(&p), VF_OK); /* it opens */
        packed_block block = write_plan(&p);
        vf_unit unit;
        vf_fixed fixed;
        vf_body body;
        uint8_t raw[512];
        assert_int_equal(open_block(&block, &unit), VF_OK);
        assert_int_equal(vf_unit_fixed(&unit, 0, LINE_KEY, &fixed), VF_BAD_FIELD);
        assert_int_equal(vf_unit_body(&unit, 0, LINE_KEY, &body), VF_BAD_FIELD);
        assert_int_equal(vf_unit_raw_body(&unit, 0, LINE_KEY, raw), VF_BAD_FIELD);
        assert_int_equal(vf_unit_body(&unit, 1, LINE_KEY, &body), VF_OK);
        close_unit(&unit);
        free_block(&block);
    }
}

/* Strings of a record that are as large as the block's data may be, and the record would be larger
 * than any can be. */
static void a_record_longer_than_any_is_refused(void **state) {
    (void)state;
    vf_unit_record record[2];
    vf_unit_str str[3];
    for (uint32_t more = 0; more < 2; more++) {
        uint32_t size = VF_RECORD_MAX - VF_IMAGE_SIZE - 2 * VF_STR_ENTRY_SIZE - 4 - 8 + 8 * more;
        const uint8_t stream[] = {9 << 1,
                                  4,
                                  10 << 1,
                                  (uint8_t)(size | 0x80),
                                  (uint8_t)(size >> 7 | 0x80),
                                  (uint8_t)(size >> 14 | 0x80),
                                  (uint8_t)(size >> 21 | 0x80),
                                  (uint8_t)(size >> 28),
                                  9 << 1 | 1};
        plan p = good_plan();
        memcpy(p.stream, stream, sizeof stream);
        p.stream_size = sizeof stream;
        packed_block block = write_plan(&p);
        vf_unit unit = {.record = record, .str = str};
        vf_result result = vf_unit_open(block.fixed, block.fixed_size, size + 10, &unit);
        assert_int_equal(result, more ? VF_BAD_FIELD : VF_OK);
        if (result == VF_OK)
            assert_int_equal(vf_unit_length(&unit, 0), VF_RECORD_MAX);
        free_block(&block);
    }
}

static void the_stream_is_checked(void **state) {
    (void)state;
    plan good = good_plan(), p = good;
    p.data_size++;
    bad(&p);
    p.data_size -= 2;
    bad(&p);
    p = good;
    p.stream[0] = 0; /* id 0 */
    bad(&p);
    p = good;
    p.stream[0] |= 1; /* the same as nothing */
    bad(&p);
    p = good;
    p.stream[2] |= 1; /* ids of 64 and above are never the same */
    bad(&p);
    p = good;
    p.stream[2] = 9 << 1; /* ids rise */
    p.stream[3] = 0;
    bad(&p);
    p = good;
    p.stream[1] = 12; /* beyond the data */
    bad(&p);
    p = good;
    p.stream_size--;
    bad(&p);
    p = good;
    p.stream[p.stream_size++] = 0; /* something left over */
    bad(&p);
    p = good;
    memset(p.stream + 2, 0xFF, sizeof p.stream - 2); /* numbers that do not end */
    p.stream_size = sizeof p.stream;
    bad(&p);
    memset(p.stream + 2, 0x80, sizeof p.stream - 2);
    bad(&p);
    p = good;
    p.stream[5] = 42 << 1 | 1; /* the same as one that this block has not */
    bad(&p);
}

/* Strings that no block has room for, but which come to what it has if 2^32 is left out. */
static void sizes_do_not_wrap_round(void **state) {
    (void)state;
    static const uint8_t large[] = {9 << 1, 0x80, 0x80, 0x80, 0x80, 1}; /* 2^28 bytes */
    plan p = {.count = 17, .data_size = 14};
    for (uint32_t i = 0; i < p.count; i++) {
        p.image[i][1] = 16;
        p.image[i][12] = VF_KIND_EVENT;
        p.image[i][240] = 1;
        memcpy(p.stream + p.stream_size, large, sizeof large);
        p.stream_size += i < 16 ? (uint32_t)sizeof large : 2;
    }
    p.stream[p.stream_size - 1] = 14;
    bad(&p);
}

static void heads_are_checked(void **state) {
    (void)state;
    plan p = good_plan();
    packed_block block = write_plan(&p);
    for (size_t size = 0; size < block.fixed_size; size++) {
        packed_block cut = {exact_copy(block.fixed, size), size, block.data, block.data_size};
        vf_unit unit = {0};
        assert_int_equal(read_block(&cut), VF_SHORT);
        assert_int_equal(vf_unit_open(cut.fixed, size, (uint32_t)cut.data_size, &unit), VF_SHORT);
        free(cut.fixed);
    }
    packed_block more = {malloc(block.fixed_size + 1), block.fixed_size + 1, block.data,
                         block.data_size};
    assert_non_null(more.fixed);
    memcpy(more.fixed, block.fixed, block.fixed_size);
    more.fixed[block.fixed_size] = 0;
    assert_int_equal(read_block(&more), VF_BAD_FIELD);
    free(more.fixed);
    block.fixed[0] = 0; /* no records */
    assert_int_equal(read_block(&block), VF_BAD_FIELD);
    block.fixed[2] = 0xFF;
    assert_int_equal(read_block(&block), VF_BAD_FIELD);
    free_block(&block);
}

static void broken_blocks_do_no_harm(void **state) {
    (void)state;
    randomness r = {31};
    plan p = good_plan();
    packed_block good = write_plan(&p);
    for (size_t bit = 0; bit < good.fixed_size * 8; bit++) {
        packed_block block = {exact_copy(good.fixed, good.fixed_size), good.fixed_size, good.data,
                              good.data_size};
        block.fixed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        read_block(&block);
        free(block.fixed);
    }
    for (int round = 0; round < 20000; round++) {
        packed_block block = {exact_copy(good.fixed, good.fixed_size), good.fixed_size, good.data,
                              good.data_size};
        for (uint32_t n = 1 + random_below(&r, 6); n > 0; n--)
            block.fixed[random_below(&r, (uint32_t)good.fixed_size)] = (uint8_t)random_u64(&r);
        read_block(&block);
        free(block.fixed);
    }
    free_block(&good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_records_are_checked),
        cmocka_unit_test(what_was_left_out_has_something_to_be_made_of),
        cmocka_unit_test(a_record_longer_than_any_is_refused),
        cmocka_unit_test(the_stream_is_checked),
        cmocka_unit_test(sizes_do_not_wrap_round),
        cmocka_unit_test(heads_are_checked),
        cmocka_unit_test(broken_blocks_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

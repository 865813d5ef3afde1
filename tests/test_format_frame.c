/*
 * Frames: what was sealed is accepted at its place and nowhere else; each check answers in its
 * turn; no bytes whatsoever are read beyond, and no single flipped bit passes.
 */
#include "format/frame.h"
#include "tests/test_format_help.h"

enum { BODY = 40, LENGTH = VF_FRAME_SIZE + BODY };
static const uint64_t SALT = 0x1122334455667788u;
static const uint32_t CHAIN = 0xCAFEBABE;

typedef struct {
    uint8_t bytes[LENGTH];
} record;

static vf_frame plain_frame(const uint8_t *body) {
    vf_frame frame = {.kind = VF_KIND_EVENT, .flags = VF_FRAME_BATCH_END};
    vf_put32(&frame.length, LENGTH);
    vf_put16(&frame.type, 7);
    memset(frame.session.b, 9, sizeof frame.session.b);
    vf_put64(&frame.seq, 3);
    vf_put_i64(&frame.time, -5);
    vf_put64(&frame.prev, vf_lsn(1, 4096));
    vf_put32(&frame.body_sum, vf_body_sum(body, BODY));
    return frame;
}

static uint64_t lsn_of_test(void) {
    return vf_lsn(2, 8192);
}

static record make_record(void) {
    record made;
    uint8_t body[BODY];
    for (int i = 0; i < BODY; i++)
        body[i] = (uint8_t)i;
    vf_frame frame = plain_frame(body);
    vf_frame_seal(&frame, SALT, lsn_of_test(), CHAIN);
    memcpy(made.bytes, &frame, sizeof frame);
    memcpy(made.bytes + sizeof frame, body, sizeof body);
    return made;
}

/* Checks bytes as a reader that walks would. */
static vf_result check(const void *bytes, size_t size) {
    vf_frame frame;
    return vf_record_check(bytes, size, SALT, lsn_of_test(), &CHAIN, &frame);
}

/* A frame with one value changed before it was sealed. */
static vf_result check_sealed(vf_frame frame) {
    uint8_t bytes[LENGTH] = {0};
    vf_frame out;
    vf_frame_seal(&frame, SALT, lsn_of_test(), CHAIN);
    memcpy(bytes, &frame, sizeof frame);
    return vf_frame_check(bytes, sizeof frame, SALT, lsn_of_test(), &CHAIN, &out);
}

static void a_sealed_record_comes_back_as_it_was(void **state) {
    (void)state;
    record made = make_record();
    vf_frame frame;
    assert_int_equal(vf_record_check(made.bytes, LENGTH, SALT, lsn_of_test(), &CHAIN, &frame),
                     VF_OK);
    assert_memory_equal(&frame, made.bytes, sizeof frame);
    assert_int_equal(vf_get32(frame.chain), CHAIN);
    assert_int_equal(vf_get_i64(frame.time), -5);
    assert_int_equal(vf_lsn_segment(vf_get64(frame.prev)), 1);
    assert_int_equal(vf_lsn_offset(vf_get64(frame.prev)), 4096);
}

static void sealing_returns_the_sum_that_the_next_record_is_chained_to(void **state) {
    (void)state;
    uint8_t body[BODY] = {0};
    vf_frame frame = plain_frame(body);
    uint64_t sum = vf_frame_seal(&frame, SALT, lsn_of_test(), CHAIN);
    assert_int_equal(sum, vf_get64(frame.header_sum));
    assert_int_equal(sum, vf_sum64((uint8_t *)&frame + 8, 56, vf_frame_seed(SALT, lsn_of_test())));
}

static void the_seed_depends_on_salt_and_place_and_their_order(void **state) {
    (void)state;
    assert_int_not_equal(vf_frame_seed(1, 2), vf_frame_seed(2, 1));
    assert_int_not_equal(vf_frame_seed(1, 2), vf_frame_seed(1, 3));
    assert_int_not_equal(vf_frame_seed(3, 3), vf_frame_seed(5, 5)); /* an xor would be 0 in both */
    static const uint8_t words[16] = {1, 0, 0, 0, 0, 0, 0, 0, 2};
    assert_int_equal(vf_frame_seed(1, 2), vf_sum64(words, sizeof words, 0));
}

static void a_record_is_refused_at_another_place_or_in_another_segment(void **state) {
    (void)state;
    record made = make_record();
    vf_frame frame;
    assert_int_equal(vf_record_check(made.bytes, LENGTH, SALT, vf_lsn(2, 8200), &CHAIN, &frame),
                     VF_BAD_SUM);
    assert_int_equal(vf_record_check(made.bytes, LENGTH, SALT, vf_lsn(3, 8192), &CHAIN, &frame),
                     VF_BAD_SUM);
    assert_int_equal(vf_record_check(made.bytes, LENGTH, SALT + 1, lsn_of_test(), &CHAIN, &frame),
                     VF_BAD_SUM);
}

static void a_whole_record_behind_another_one_is_refused_by_its_chain(void **state) {
    (void)state;
    record made = make_record();
    uint32_t other = CHAIN ^ 1;
    vf_frame frame;
    assert_int_equal(vf_record_check(made.bytes, LENGTH, SALT, lsn_of_test(), &other, &frame),
                     VF_BAD_CHAIN);
    assert_int_equal(vf_record_check(made.bytes, LENGTH, SALT, lsn_of_test(), NULL, &frame), VF_OK);
}

static void checks_are_made_in_their_order(void **state) {
    (void)state;
    uint8_t zeros[VF_FRAME_SIZE] = {0};
    assert_int_equal(check(zeros, VF_FRAME_SIZE - 1), VF_SHORT);
    assert_int_equal(check(zeros, VF_FRAME_SIZE), VF_END);
    zeros[VF_FRAME_SIZE - 1] = 1;
    assert_int_equal(check(zeros, VF_FRAME_SIZE), VF_BAD_SUM);

    uint8_t body[BODY] = {0};
    vf_frame frame = plain_frame(body);
    frame.kind = 0;
    assert_int_equal(check_sealed(frame), VF_BAD_FIELD); /* before the chain is looked at */
    uint8_t bytes[VF_FRAME_SIZE];
    vf_frame_seal(&frame, SALT, lsn_of_test(), CHAIN + 1);
    memcpy(bytes, &frame, sizeof bytes);
    assert_int_equal(check(bytes, sizeof bytes), VF_BAD_FIELD);

    record made = make_record(); /* the chain before the length of what is there */
    uint32_t other = 0;
    assert_int_equal(
        vf_record_check(made.bytes, VF_FRAME_SIZE, SALT, lsn_of_test(), &other, &frame),
        VF_BAD_CHAIN);
    made.bytes[LENGTH - 1] ^= 1; /* the length before the body */
    assert_int_equal(check(made.bytes, LENGTH - 1), VF_SHORT);
    assert_int_equal(check(made.bytes, LENGTH), VF_BAD_SUM);
}

static void impossible_values_are_refused_on_both_sides_of_each_limit(void **state) {
    (void)state;
    uint8_t body[BODY] = {0};
    const struct {
        uint32_t length;
        vf_result want;
    } lengths[] = {{0, VF_BAD_FIELD},
                   {VF_FRAME_SIZE - 8, VF_BAD_FIELD},
                   {VF_FRAME_SIZE, VF_OK},
                   {VF_FRAME_SIZE + 4, VF_BAD_FIELD},
                   {VF_FRAME_SIZE + 7, VF_BAD_FIELD},
                   {VF_FRAME_SIZE + 8, VF_OK},
                   {VF_RECORD_MAX, VF_OK},
                   {VF_RECORD_MAX + 8, VF_BAD_FIELD},
                   {UINT32_MAX - 7, VF_BAD_FIELD}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        vf_frame frame = plain_frame(body);
        vf_put32(&frame.length, lengths[i].length);
        assert_int_equal(check_sealed(frame), lengths[i].want);
    }
    const uint64_t prevs[] = {0, lsn_of_test() - 8, lsn_of_test(), lsn_of_test() + 8, UINT64_MAX};
    for (size_t i = 0; i < 5; i++) { /* a walk back along prev comes to an end */
        vf_frame frame = plain_frame(body);
        vf_put64(&frame.prev, prevs[i]);
        assert_int_equal(check_sealed(frame), i < 2 ? VF_OK : VF_BAD_FIELD);
    }
    for (unsigned flags = 0; flags <= UINT8_MAX; flags++) {
        vf_frame frame = plain_frame(body);
        frame.flags = (uint8_t)flags;
        assert_int_equal(check_sealed(frame), flags <= VF_FRAME_FLAGS_KNOWN ? VF_OK : VF_BAD_FIELD);
    }
    for (unsigned kind = 0; kind <= UINT8_MAX;
         kind++) { /* unknown kinds are skipped, not refused */
        vf_frame frame = plain_frame(body);
        frame.kind = (uint8_t)kind;
        assert_int_equal(check_sealed(frame), kind == 0 ? VF_BAD_FIELD : VF_OK);
    }
}

static void a_record_that_is_cut_anywhere_is_refused(void **state) {
    (void)state;
    record made = make_record();
    for (size_t size = 0; size < LENGTH; size++) {
        uint8_t *cut = exact_copy(made.bytes, size);
        assert_int_equal(check(cut, size), VF_SHORT);
        free(cut);
    }
}

static void every_single_flipped_bit_is_refused(void **state) {
    (void)state;
    record made = make_record();
    for (size_t bit = 0; bit < (size_t)LENGTH * 8; bit++) {
        record bad = made;
        bad.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(check(bad.bytes, LENGTH), VF_BAD_SUM);
    }
}

static void failure_leaves_the_output_alone(void **state) {
    (void)state;
    record made = make_record();
    vf_frame frame, before;
    memset(&frame, 0x5A, sizeof frame);
    before = frame;
    made.bytes[LENGTH - 1] ^= 1;
    assert_int_equal(vf_record_check(made.bytes, LENGTH, SALT, lsn_of_test(), &CHAIN, &frame),
                     VF_BAD_SUM);
    assert_memory_equal(&frame, &before, sizeof frame);
}

static void any_bytes_are_answered(void **state) {
    (void)state;
    randomness r = {7};
    for (int round = 0; round < 20000; round++) {
        uint8_t noise[200];
        size_t size = random_below(&r, sizeof noise);
        random_bytes(&r, noise, size);
        uint8_t *bytes = exact_copy(noise, size);
        vf_result got = check(bytes, size);
        assert_true(size < VF_FRAME_SIZE ? got == VF_SHORT : got == VF_BAD_SUM);
        free(bytes);
    }
}

static void every_result_has_a_text(void **state) {
    (void)state;
    for (int result = VF_OK; result <= VF_BAD_VERSION; result++)
        assert_string_not_equal(vf_result_text((vf_result)result), "unknown result");
    assert_string_equal(vf_result_text((vf_result)(VF_BAD_VERSION + 1)), "unknown result");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_record_comes_back_as_it_was),
        cmocka_unit_test(sealing_returns_the_sum_that_the_next_record_is_chained_to),
        cmocka_unit_test(the_seed_depends_on_salt_and_place_and_their_order),
        cmocka_unit_test(a_record_is_refused_at_another_place_or_in_another_segment),
        cmocka_unit_test(a_whole_record_behind_another_one_is_refused_by_its_chain),
        cmocka_unit_test(checks_are_made_in_their_order),
        cmocka_unit_test(impossible_values_are_refused_on_both_sides_of_each_limit),
        cmocka_unit_test(a_record_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(every_single_flipped_bit_is_refused),
        cmocka_unit_test(failure_leaves_the_output_alone),
        cmocka_unit_test(any_bytes_are_answered),
        cmocka_unit_test(every_result_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Sums and keys are what SPEC.md says they are: each is made here again from the bytes that SPEC.md
 * lists, by plain calls of xxHash. A key that came out otherwise would orphan what stores hold.
 */
#include "format/hash.h"
#include "format/le.h"
#include "tests/test_format_help.h"

#include <xxhash.h>

enum { LONG = 5000 };

/* Canonical XXH3-128 of bytes. */
static vf_key plain_key(const void *bytes, size_t size) {
    XXH128_canonical_t canonical;
    vf_key key;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
    memcpy(key.b, canonical.digest, sizeof key.b);
    return key;
}

static size_t put_u32(uint8_t *at, uint32_t n) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(n >> 8 * i);
    return 4;
}

static size_t put_u64(uint8_t *at, uint64_t n) {
    put_u32(at, (uint32_t)n);
    put_u32(at + 4, (uint32_t)(n >> 32));
    return 8;
}

static void assert_key(vf_key got, vf_key want) {
    assert_memory_equal(got.b, want.b, sizeof want.b);
}

static void session_key_is_the_hash_of_both_names_with_their_lengths(void **state) {
    (void)state;
    randomness r = {1};
    uint8_t text[2 * LONG], bytes[2 * LONG + 8];
    random_bytes(&r, text, sizeof text);
    const size_t sizes[] = {0, 1, 16, 128, 129, 240, 241, 1024, 1144, 1145, 1271, 1272, 1273, LONG};
    const size_t count = sizeof sizes / sizeof *sizes;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            size_t used = put_u32(bytes, (uint32_t)sizes[i]);
            memcpy(bytes + used, text, sizes[i]);
            used += sizes[i];
            used += put_u32(bytes + used, (uint32_t)sizes[j]);
            memcpy(bytes + used, text + LONG, sizes[j]);
            used += sizes[j];
            assert_key(vf_session_key((char *)text, sizes[i], (char *)text + LONG, sizes[j]),
                       plain_key(bytes, used));
        }
    }
}

static void moving_the_border_between_machine_and_session_changes_the_key(void **state) {
    (void)state;
    vf_key a = vf_session_key("ab", 2, "c", 1);
    vf_key b = vf_session_key("a", 1, "bc", 2);
    assert_false(vf_key_equal(a, b));
    assert_int_not_equal(vf_key_compare(a, b), 0);
    assert_int_equal(vf_key_compare(a, b) < 0, vf_key_compare(b, a) > 0);
}

static void string_key_is_the_hash_of_its_space_and_text(void **state) {
    (void)state;
    randomness r = {2};
    uint8_t bytes[LONG + 4];
    random_bytes(&r, bytes, sizeof bytes);
    const size_t sizes[] = {0, 1, 100, 1275, 1276, 1277, LONG};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put_u32(bytes, VF_SPACE_CURSOR);
        assert_key(vf_string_key(VF_SPACE_CURSOR, bytes + 4, sizes[i]),
                   plain_key(bytes, sizes[i] + 4));
    }
    assert_false(
        vf_key_equal(vf_string_key(VF_SPACE_CHARGE, "x", 1), vf_string_key(VF_SPACE_NAME, "x", 1)));
    assert_key(vf_string_key(VF_SPACE_CHARGE, NULL, 0), vf_string_key(VF_SPACE_CHARGE, "", 0));
}

static void line_uid_is_the_hash_of_session_number_and_line(void **state) {
    (void)state;
    randomness r = {3};
    uint8_t bytes[LONG + 24];
    random_bytes(&r, bytes, sizeof bytes);
    vf_key session;
    memcpy(session.b, bytes, sizeof session.b);
    const size_t sizes[] = {0, 1, 200, 1255, 1256, 1257, LONG};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put_u64(bytes + 16, 0x0102030405060708u + i);
        assert_key(vf_line_uid(session, bytes + 24, sizes[i], 0x0102030405060708u + i),
                   plain_key(bytes, sizes[i] + 24));
    }
    assert_false(vf_key_equal(vf_line_uid(session, "{}", 2, 0), vf_line_uid(session, "{}", 2, 1)));
}

static void origin_uid_is_the_hash_of_store_place_and_time(void **state) {
    (void)state;
    uint8_t bytes[4 + 16 + 8 + 8], uuid[16];
    randomness r = {4};
    random_bytes(&r, uuid, sizeof uuid);
    put_u32(bytes, 4);
    memcpy(bytes + 4, uuid, sizeof uuid);
    put_u64(bytes + 20, 0x0000000100001118u);
    put_u64(bytes + 28, (uint64_t)-5);
    assert_key(vf_origin_uid(uuid, 0x0000000100001118u, -5), plain_key(bytes, sizeof bytes));
}

static void a_sum_of_parts_is_that_of_the_whole(void **state) {
    (void)state;
    uint8_t bytes[LONG];
    randomness r = {5};
    random_bytes(&r, bytes, sizeof bytes);
    for (size_t first = 0; first < 300; first += 37) {
        const vf_piece parts[] = {{bytes, first},
                                  {NULL, 0},
                                  {bytes + first, 11},
                                  {bytes + first + 11, LONG - first - 11}};
        assert_int_equal(vf_sum64_parts(parts, 4), vf_sum64(bytes, LONG, 0));
    }
}

static void known_answers_stay_known(void **state) {
    (void)state;
    /* From the published vectors of XXH3: the empty input, and its canonical 128-bit form. */
    assert_int_equal(vf_sum64("", 0, 0), 0x2D06800538D394C2u);
    randomness r = {3};
    uint8_t bytes[LONG];
    random_bytes(&r, bytes, sizeof bytes);
    for (size_t size = 0; size <= LONG; size += size < 1100 ? 1 : 97)
        for (uint64_t seed = 0; seed < 3; seed++)
            assert_int_equal(vf_sum64(bytes, size, seed), XXH3_64bits_withSeed(bytes, size, seed));
    static const uint8_t empty[16] = {0x99, 0xAA, 0x06, 0xD3, 0x01, 0x47, 0x98, 0xD8,
                                      0x60, 0x01, 0xC3, 0x24, 0x46, 0x8D, 0x49, 0x7F};
    vf_key key = plain_key("", 0);
    assert_memory_equal(key.b, empty, sizeof empty);
    assert_int_not_equal(vf_sum64("a", 1, 0), vf_sum64("a", 1, 1));
}

static void only_the_key_of_zeros_is_zero(void **state) {
    (void)state;
    vf_key key = {{0}};
    assert_true(vf_key_is_zero(key));
    for (size_t i = 0; i < sizeof key.b; i++) {
        vf_key one = key;
        one.b[i] = 1;
        assert_false(vf_key_is_zero(one));
        assert_false(vf_key_equal(one, key));
        assert_true(vf_key_compare(key, one) < 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_key_is_the_hash_of_both_names_with_their_lengths),
        cmocka_unit_test(moving_the_border_between_machine_and_session_changes_the_key),
        cmocka_unit_test(string_key_is_the_hash_of_its_space_and_text),
        cmocka_unit_test(line_uid_is_the_hash_of_session_number_and_line),
        cmocka_unit_test(origin_uid_is_the_hash_of_store_place_and_time),
        cmocka_unit_test(a_sum_of_parts_is_that_of_the_whole),
        cmocka_unit_test(known_answers_stay_known),
        cmocka_unit_test(only_the_key_of_zeros_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

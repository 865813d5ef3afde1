/*
 * Bodies: what was encoded comes back, absent stays apart from empty and zero, unknown strings and
 * values survive, and whoever wrote the bytes cannot make the decoder read beyond them.
 */
#include "format/body.h"
#include "tests/test_format_help.h"

enum { ROOM = 8192 };

/* A body as it lies in a record: padded with zeros to a multiple of 8. */
typedef struct {
    uint8_t bytes[ROOM];
    size_t size;
} body_bytes;

static vf_text text(const char *s) {
    return (vf_text){s, (uint32_t)strlen(s)};
}

static void encode(body_bytes *out, const vf_fixed *fixed, const vf_text *str,
                   const char *payload) {
    uint32_t payload_size = payload == NULL ? 0 : (uint32_t)strlen(payload);
    memset(out->bytes, 0, sizeof out->bytes);
    out->size = (size_t)vf_padded(vf_body_size(str, payload_size));
    assert_in_range(out->size, VF_FIXED_SIZE, ROOM);
    vf_body_encode(out->bytes, fixed, str, (const uint8_t *)payload, payload_size);
}

static vf_result decode(const body_bytes *in, vf_body *ret_body) {
    return vf_body_decode(in->bytes, in->size, ret_body);
}

static uint32_t sum_of(const body_bytes *b) {
    return (uint32_t)vf_sum64(b->bytes, b->size, 0);
}

/* A body with a few strings and a payload: 192 + 3 * 8 + 2 + 0 + 4 + 5 = 227 bytes, padded to 232.
 */
static void encode_sample(body_bytes *out) {
    vf_fixed fixed = {0};
    vf_text str[VF_STRS] = {{NULL, 0}};
    vf_put64(&fixed.present, VF_HAS_PAYLOAD | VF_HAS_PID);
    vf_put_i32(&fixed.pid, -3);
    fixed.source = VF_SOURCE_HOOK;
    str[VF_STR_TOOL_NAME] = text("ls");
    str[VF_STR_CWD] = text("");
    str[VF_STR_SUBTYPE] = text("last");
    encode(out, &fixed, str, "bytes");
}

static void patch_fixed(body_bytes *b, const vf_fixed *fixed) {
    memcpy(b->bytes, fixed, sizeof *fixed);
}

static vf_fixed get_fixed(const body_bytes *b) {
    vf_fixed fixed;
    memcpy(&fixed, b->bytes, sizeof fixed);
    return fixed;
}

static vf_str_entry get_entry(const body_bytes *b, size_t i) {
    vf_str_entry entry;
    memcpy(&entry, b->bytes + VF_FIXED_SIZE + i * VF_STR_ENTRY_SIZE, sizeof entry);
    return entry;
}

static void put_entry(body_bytes *b, size_t i, const vf_str_entry *entry) {
    memcpy(b->bytes + VF_FIXED_SIZE + i * VF_STR_ENTRY_SIZE, entry, sizeof *entry);
}

static void what_was_encoded_comes_back(void **state) {
    (void)state;
    randomness r = {11};
    for (int round = 0; round < 2000; round++) {
        vf_fixed fixed;
        vf_text str[VF_STRS] = {{NULL, 0}};
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
        random_bytes(&r, &fixed, sizeof fixed);
        fixed.source %= VF_SOURCES;
        fixed.charge_kind %= VF_CHARGES;
        fixed.eol %= 4;
        for (int id = 1; id < VF_STRS; id++)
            if (random_below(&r, 3) == 0)
                str[id] = (vf_text){letters, random_below(&r, sizeof letters)};
        const char *payload = random_below(&r, 2) ? "payload" : NULL;
        uint64_t bit = VF_HAS_PAYLOAD;
        vf_put64(&fixed.present,
                 payload ? vf_get64(fixed.present) | bit : vf_get64(fixed.present) & ~bit);
        body_bytes b;
        vf_body body;
        encode(&b, &fixed, str, payload);
        assert_int_equal(decode(&b, &body), VF_OK);
        for (int id = 1; id < VF_STRS; id++) {
            assert_int_equal(body.str[id].ptr == NULL, str[id].ptr == NULL);
            assert_int_equal(body.str[id].size, str[id].size);
            if (str[id].ptr != NULL)
                assert_memory_equal(body.str[id].ptr, letters, str[id].size);
        }
        assert_memory_equal(&body.fixed, &fixed, offsetof(vf_fixed, payload_size));
        assert_memory_equal(&body.fixed.prev_set, &fixed.prev_set, sizeof fixed.prev_set);
        assert_int_equal(body.payload == NULL, payload == NULL);
        assert_int_equal(body.payload_size, payload == NULL ? 0 : 7);
        if (payload != NULL)
            assert_memory_equal(body.payload, payload, 7);
        assert_null(body.unknown_strings);
    }
}

static void a_content_sum_does_not_see_where_a_copy_came_from(void **state) {
    (void)state;
    body_bytes original, copy;
    vf_body body;
    encode_sample(&original);
    assert_int_equal(decode(&original, &body), VF_OK);
    assert_int_equal(vf_body_content_sum(&body), sum_of(&original));
    vf_fixed fixed = get_fixed(&original);
    vf_put64(&fixed.present, vf_get64(fixed.present) | VF_HAS_UID);
    memset(&fixed.uid, 7, sizeof fixed.uid);
    vf_put64(&fixed.prev_set, 4096);
    for (int own = 0; own < 2; own++) { /* a uid of its own belongs to what a record says */
        copy = original;
        vf_put32(&fixed.flags, VF_EV_REPEATED | (own ? 0u : (uint32_t)VF_EV_ORIGIN));
        patch_fixed(&copy, &fixed);
        assert_int_equal(decode(&copy, &body), VF_OK);
        if (own)
            assert_int_not_equal(vf_body_content_sum(&body), sum_of(&original));
        else
            assert_int_equal(vf_body_content_sum(&body), sum_of(&original));
    }
}

static void absent_and_empty_stay_apart(void **state) {
    (void)state;
    vf_fixed fixed = {0};
    vf_text str[VF_STRS] = {{NULL, 0}};
    body_bytes b;
    vf_body body;
    encode(&b, &fixed, str, NULL);
    assert_int_equal(b.size, VF_FIXED_SIZE);
    assert_int_equal(decode(&b, &body), VF_OK);
    assert_null(body.payload);
    assert_null(body.str[VF_STR_TITLE].ptr);

    vf_put64(&fixed.present, VF_HAS_PAYLOAD);
    str[VF_STR_TITLE] = text("");
    encode(&b, &fixed, str, "");
    assert_int_equal(decode(&b, &body), VF_OK);
    assert_non_null(body.payload);
    assert_int_equal(body.payload_size, 0);
    assert_non_null(body.str[VF_STR_TITLE].ptr);
    assert_int_equal(body.str[VF_STR_TITLE].size, 0);
}

static void a_payload_is_never_written_without_its_bit(void **state) {
    (void)state;
    vf_fixed fixed = {0};
    vf_text str[VF_STRS] = {{NULL, 0}};
    body_bytes b;
    vf_body body;
    encode(&b, &fixed, str, "x");
    assert_int_equal(decode(&b, &body), VF_OK);
    assert_int_equal(body.payload_size, 1);
    assert_non_null(body.payload);
}

static void unknown_strings_bits_and_enum_values_are_let_through(void **state) {
    (void)state;
    body_bytes b;
    encode_sample(&b);
    vf_str_entry entry = get_entry(&b, 2);
    vf_put16(&entry.id, VF_STRS); /* the first id that this version does not know */
    put_entry(&b, 2, &entry);
    vf_fixed fixed = get_fixed(&b);
    vf_put64(&fixed.present, vf_get64(fixed.present) | ~(uint64_t)VF_HAS_KNOWN);
    vf_put32(&fixed.flags, UINT32_MAX);
    fixed.role = fixed.status = fixed.mode = fixed.channel = fixed.session_type = 200;
    patch_fixed(&b, &fixed);
    vf_body body;
    assert_int_equal(decode(&b, &body), VF_OK);
    assert_ptr_equal(body.unknown_strings, b.bytes + VF_FIXED_SIZE + 2 * VF_STR_ENTRY_SIZE);
    assert_null(body.str[VF_STR_SUBTYPE].ptr);
    assert_memory_equal(body.str[VF_STR_TOOL_NAME].ptr, "ls", 2);
    assert_memory_equal(body.payload, "bytes", 5);
    vf_put16(&entry.id, UINT16_MAX);
    put_entry(&b, 2, &entry);
    assert_int_equal(decode(&b, &body), VF_OK);
}

static void closed_values_are_refused_beyond_their_last(void **state) {
    (void)state;
    body_bytes b;
    vf_body body;
    for (unsigned value = 0; value <= UINT8_MAX; value++) {
        encode_sample(&b);
        vf_fixed fixed = get_fixed(&b);
        fixed.source = (uint8_t)value;
        patch_fixed(&b, &fixed);
        assert_int_equal(decode(&b, &body), value < VF_SOURCES ? VF_OK : VF_BAD_FIELD);
        fixed.source = 0;
        fixed.charge_kind = (uint8_t)value;
        patch_fixed(&b, &fixed);
        assert_int_equal(decode(&b, &body), value < VF_CHARGES ? VF_OK : VF_BAD_FIELD);
        fixed.charge_kind = 0;
        fixed.eol = (uint8_t)value;
        patch_fixed(&b, &fixed);
        assert_int_equal(decode(&b, &body), value <= VF_EOL_JOINED ? VF_OK : VF_BAD_FIELD);
    }
}

static void a_directory_that_does_not_add_up_is_refused(void **state) {
    (void)state;
    vf_body body;
    body_bytes good;
    encode_sample(&good);
    assert_int_equal(decode(&good, &body), VF_OK);
    const struct {
        size_t entry;
        uint16_t id, reserved;
        uint32_t size;
    } bad[] = {
        {0, 0, 0, 2},                /* no such id */
        {1, VF_STR_TOOL_NAME, 0, 0}, /* an id twice */
        {1, VF_STR_TOOL_NAME - 1, 0, 0},
        {0, VF_STR_TOOL_NAME, 1, 2}, /* reserved */
        {0, VF_STR_TOOL_NAME, 0, 1}, /* sizes below their sum, above it, far above it */
        {0, VF_STR_TOOL_NAME, 0, 3},
        {2, VF_STR_SUBTYPE, 0, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        body_bytes b = good;
        vf_str_entry entry;
        vf_put16(&entry.id, bad[i].id);
        vf_put16(&entry.reserved, bad[i].reserved);
        vf_put32(&entry.size, bad[i].size);
        put_entry(&b, bad[i].entry, &entry);
        assert_int_equal(decode(&b, &body), VF_BAD_FIELD);
    }
    /* Together they are what is said, but for 2^32. */
    static const uint32_t beyond[] = {8, UINT32_MAX - 5, 4};
    body_bytes b = good;
    for (size_t i = 0; i < 3; i++) {
        vf_str_entry entry = get_entry(&b, i);
        vf_put32(&entry.size, beyond[i]);
        put_entry(&b, i, &entry);
    }
    assert_int_equal(decode(&b, &body), VF_BAD_FIELD);
}

static void sizes_that_do_not_fit_the_record_are_refused(void **state) {
    (void)state;
    vf_body body;
    body_bytes good;
    encode_sample(&good);
    const struct {
        uint32_t payload, strings_size;
        uint16_t strings, reserved;
    } bad[] = {
        {13, 6, 3, 0}, /* one byte more than there is */
        {4, 6, 3, 0},  /* the payload's last byte would be padding, and is not zero */
        {5, 5, 3, 0},
        {5, 7, 3, 0},
        {5, 6, 2, 0},
        {5, 6, 4, 0},
        {5, 6, 3, 1},
        {UINT32_MAX, 6, 3, 0},
        {5, UINT32_MAX, 3, 0},
        {5, 6, UINT16_MAX, 0},
        {UINT32_MAX, UINT32_MAX, UINT16_MAX, 0},
        {VF_PAYLOAD_MAX + 1, 6, 3, 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        body_bytes b = good;
        vf_fixed fixed = get_fixed(&b);
        vf_put32(&fixed.payload_size, bad[i].payload);
        vf_put32(&fixed.strings_size, bad[i].strings_size);
        vf_put16(&fixed.strings, bad[i].strings);
        vf_put16(&fixed.reserved, bad[i].reserved);
        patch_fixed(&b, &fixed);
        assert_int_equal(decode(&b, &body), VF_BAD_FIELD);
    }
    body_bytes b = good; /* a payload that is said not to be there */
    vf_fixed fixed = get_fixed(&b);
    vf_put64(&fixed.present, 0);
    patch_fixed(&b, &fixed);
    assert_int_equal(decode(&b, &body), VF_BAD_FIELD);
}

static void padding_is_at_most_seven_zero_bytes(void **state) {
    (void)state;
    vf_fixed fixed = {0};
    vf_text str[VF_STRS] = {{NULL, 0}};
    body_bytes b;
    vf_body body;
    vf_put64(&fixed.present, VF_HAS_PAYLOAD);
    for (size_t padding = 0; padding <= 8; padding++) {
        encode(&b, &fixed, str, "12345678");
        b.size = VF_FIXED_SIZE + 8 + padding;
        assert_int_equal(decode(&b, &body), padding <= 7 ? VF_OK : VF_BAD_FIELD);
        for (size_t i = 0; i < padding; i++) {
            b.bytes[VF_FIXED_SIZE + 8 + i] = 1;
            assert_int_equal(decode(&b, &body), VF_BAD_FIELD);
            b.bytes[VF_FIXED_SIZE + 8 + i] = 0;
        }
    }
}

static void a_body_that_is_cut_anywhere_is_refused(void **state) {
    (void)state;
    body_bytes b;
    vf_body body;
    encode_sample(&b);
    size_t used = (size_t)vf_body_size((const vf_text[VF_STRS]){{NULL, 0}}, 0) + 3 * 8 + 6 + 5;
    for (size_t size = 0; size <= b.size; size++) {
        uint8_t *cut = exact_copy(b.bytes, size);
        assert_int_equal(vf_body_decode(cut, size, &body), size < used ? VF_BAD_FIELD : VF_OK);
        free(cut);
    }
}

static void body_size_tells_what_no_record_holds(void **state) {
    (void)state;
    vf_text str[VF_STRS] = {{NULL, 0}};
    const uint32_t most = VF_RECORD_MAX - VF_FRAME_SIZE - VF_FIXED_SIZE;
    assert_int_equal(vf_body_size(str, 0), VF_FIXED_SIZE);
    assert_int_equal(vf_body_size(str, VF_PAYLOAD_MAX), (uint64_t)VF_FIXED_SIZE + VF_PAYLOAD_MAX);
    assert_int_equal(vf_body_size(str, VF_PAYLOAD_MAX + 1), 0);
    str[VF_STR_METADATA] = (vf_text){"", most - VF_STR_ENTRY_SIZE};
    assert_int_equal(vf_body_size(str, 0), (uint64_t)VF_RECORD_MAX - VF_FRAME_SIZE);
    assert_int_equal(vf_body_size(str, 1), 0);
    str[VF_STR_METADATA].size++;
    assert_int_equal(vf_body_size(str, 0), 0);
    for (int id = 1; id < VF_STRS; id++)
        str[id] = (vf_text){"", UINT32_MAX};
    assert_int_equal(vf_body_size(str, 0), 0);
}

/* Decodes a copy of exactly this size and touches all that the result points to. */
static vf_result decode_and_touch(const uint8_t *bytes, size_t size) {
    uint8_t *copy = exact_copy(bytes, size);
    vf_body body;
    vf_result result = vf_body_decode(copy, size, &body);
    if (result == VF_OK) {
        volatile uint8_t sum = 0;
        for (uint32_t i = 0; i < body.payload_size; i++)
            sum = (uint8_t)(sum + body.payload[i]);
        for (int id = 0; id < VF_STRS; id++)
            for (uint32_t i = 0; i < body.str[id].size; i++)
                sum = (uint8_t)(sum + (uint8_t)body.str[id].ptr[i]);
    }
    free(copy);
    return result;
}

static void any_bytes_are_answered_within_their_bounds(void **state) {
    (void)state;
    randomness r = {13};
    body_bytes good;
    encode_sample(&good);
    int accepted = 0;
    for (int round = 0; round < 50000; round++) {
        body_bytes b = good;
        for (uint32_t i = random_below(&r, 4); i > 0; i--) {
            static const uint8_t values[] = {0, 1, 2, 0x7F, 0x80, 0xFF};
            b.bytes[random_below(&r, (uint32_t)b.size)] = values[random_below(&r, sizeof values)];
        }
        vf_result result = decode_and_touch(b.bytes, b.size);
        assert_true(result == VF_OK || result == VF_BAD_FIELD);
        accepted += result == VF_OK;
    }
    assert_in_range(accepted, 1000, 49000); /* both answers were met often */
    for (int round = 0; round < 20000; round++) {
        uint8_t noise[400];
        size_t size = random_below(&r, sizeof noise);
        random_bytes(&r, noise, size);
        decode_and_touch(noise, size);
    }
}

static void every_single_flipped_bit_is_harmless(void **state) {
    (void)state;
    body_bytes good;
    encode_sample(&good);
    for (size_t bit = 0; bit < good.size * 8; bit++) {
        body_bytes b = good;
        b.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        decode_and_touch(b.bytes, b.size);
    }
}

/* ---- CURSOR ---- */

typedef struct {
    uint8_t bytes[VF_CURSOR_NAME_MAX + VF_CURSOR_STATE_MAX + 64];
    size_t size;
} cursor_bytes;

static void make_cursor(cursor_bytes *out, uint32_t name_size, uint32_t state_size) {
    memset(out, 0, sizeof *out);
    vf_cursor_fixed fixed = {0};
    memset(out->bytes + sizeof fixed, 'n', name_size);
    memset(out->bytes + sizeof fixed + name_size, 's', state_size);
    fixed.key = vf_string_key(VF_SPACE_CURSOR, out->bytes + sizeof fixed, name_size);
    vf_put32(&fixed.name_size, name_size);
    vf_put32(&fixed.state_size, state_size);
    memcpy(out->bytes, &fixed, sizeof fixed);
    out->size = (size_t)vf_padded(sizeof fixed + name_size + state_size);
}

static void a_cursor_comes_back_up_to_its_limits(void **state) {
    (void)state;
    static cursor_bytes c;
    const uint32_t sizes[] = {0, 1, 7, 8, 4095, 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            vf_key key;
            vf_text name, put;
            make_cursor(&c, sizes[i], sizes[j]);
            assert_int_equal(vf_cursor_decode(c.bytes, c.size, &key, &name, &put), VF_OK);
            assert_int_equal(name.size, sizes[i]);
            assert_int_equal(put.size, sizes[j]);
            assert_ptr_equal(put.ptr, c.bytes + 24 + sizes[i]);
            assert_memory_equal(key.b, c.bytes, sizeof key.b);
        }
    }
}

static void a_cursor_that_does_not_hold_is_refused(void **state) {
    (void)state;
    static cursor_bytes c, bad;
    vf_key key;
    vf_text name, put;
    make_cursor(&c, VF_CURSOR_NAME_MAX, 1);
    c.bytes[16]++; /* one more than a name may have */
    assert_int_equal(vf_cursor_decode(c.bytes, sizeof c.bytes, &key, &name, &put), VF_BAD_FIELD);
    make_cursor(&c, 5, VF_CURSOR_STATE_MAX);
    c.bytes[20]++;
    assert_int_equal(vf_cursor_decode(c.bytes, sizeof c.bytes, &key, &name, &put), VF_BAD_FIELD);
    make_cursor(&c, 5, 3); /* 24 + 8 bytes: no padding */
    for (size_t size = 0; size < c.size; size++) {
        uint8_t *cut = exact_copy(c.bytes, size);
        assert_int_equal(vf_cursor_decode(cut, size, &key, &name, &put), VF_BAD_FIELD);
        free(cut);
    }
    for (size_t bit = 0; bit < (24 + 5) * 8; bit++) { /* key, sizes, name: each bit matters */
        bad = c;
        bad.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(vf_cursor_decode(bad.bytes, bad.size, &key, &name, &put), VF_BAD_FIELD);
    }
    make_cursor(&c, 5, 4);
    c.bytes[c.size - 1] = 1; /* padding */
    assert_int_equal(vf_cursor_decode(c.bytes, c.size, &key, &name, &put), VF_BAD_FIELD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_comes_back),
        cmocka_unit_test(a_content_sum_does_not_see_where_a_copy_came_from),
        cmocka_unit_test(absent_and_empty_stay_apart),
        cmocka_unit_test(a_payload_is_never_written_without_its_bit),
        cmocka_unit_test(unknown_strings_bits_and_enum_values_are_let_through),
        cmocka_unit_test(closed_values_are_refused_beyond_their_last),
        cmocka_unit_test(a_directory_that_does_not_add_up_is_refused),
        cmocka_unit_test(sizes_that_do_not_fit_the_record_are_refused),
        cmocka_unit_test(padding_is_at_most_seven_zero_bytes),
        cmocka_unit_test(a_body_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(body_size_tells_what_no_record_holds),
        cmocka_unit_test(any_bytes_are_answered_within_their_bounds),
        cmocka_unit_test(every_single_flipped_bit_is_harmless),
        cmocka_unit_test(a_cursor_comes_back_up_to_its_limits),
        cmocka_unit_test(a_cursor_that_does_not_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Blocks of records: what was packed comes back, byte for byte and as the decoder of raw bodies
 * would tell it, whatever the records hold.
 */
#include "tests/test_format_packed.h"

#include <stdio.h>

/* Sometimes what the block leaves out follows from the rest, sometimes it does not. */
static void random_keys(randomness *r, vf_fixed *fixed, const some_string *str, uint32_t count,
                        const uint8_t *payload, uint32_t payload_size) {
    if (random_below(r, 2) == 0)
        fixed->uid = vf_line_uid(LINE_KEY, payload, payload_size, 0);
    for (uint32_t i = 0; i < count; i++) {
        if (str[i].id == VF_STR_MESSAGE_ID && random_below(r, 4) != 0)
            fixed->charge = vf_string_key(VF_SPACE_CHARGE, str[i].ptr, str[i].size);
        if (str[i].id == VF_STR_REQUEST_ID && random_below(r, 4) != 0)
            vf_put64(&fixed->charge_part, vf_charge_part(str[i].ptr, str[i].size));
    }
    if (random_below(r, 4) == 0)
        vf_put64(&fixed->charge_part, 0);
}

static uint32_t random_strings(randomness *r, some_string *str) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    static const uint16_t high[] = {42, 43, 44, 62, 63, 64, 65, 127, 128, 8191, 8192, 65534, 65535};
    uint32_t count = 0, next_high = 0;
    for (uint16_t id = 1; id < 42; id++) {
        if (random_below(r, 5) == 0)
            str[count++] = (some_string){id, letters + random_below(r, 3), random_below(r, 3) * 8};
        if (count == STRINGS_MAX - 4)
            break;
    }
    while (count < STRINGS_MAX && next_high < sizeof high / sizeof *high) {
        if (random_below(r, 12) == 0)
            str[count++] = (some_string){high[next_high], letters, random_below(r, 2) * 3};
        next_high++;
    }
    return count;
}

static void random_body(randomness *r, raw_record *record, uint64_t lsn) {
    vf_fixed fixed = {0};
    some_string str[STRINGS_MAX];
    uint8_t payload[PAYLOAD_MAX];
    uint32_t count = random_below(r, 6) == 0 ? 0 : random_strings(r, str);
    uint32_t payload_size = random_below(r, 3) == 0 ? 0 : random_below(r, PAYLOAD_MAX);
    random_bytes(r, payload, payload_size);
    if (random_below(r, 4) == 0)
        random_bytes(r, &fixed, sizeof fixed);
    else
        vf_put64(&fixed.present, random_u64(r) & random_u64(r));
    fixed.source %= VF_SOURCES;
    fixed.charge_kind %= VF_CHARGES;
    fixed.eol = (uint8_t)random_below(r, VF_EOL_JOINED + 1);
    uint64_t present = vf_get64(fixed.present);
    if (payload_size > 0)
        present |= VF_HAS_PAYLOAD;
    vf_put64(&fixed.present, present);
    if (random_below(r, 2) == 0)
        vf_put64(&fixed.position, lsn + random_below(r, 1000));
    switch (random_below(r, 6)) {
    case 0:
        vf_put64(&fixed.prev_set, 0);
        break;
    case 1:
        vf_put64(&fixed.prev_set, lsn);
        break;
    case 2:
        vf_put64(&fixed.prev_set, lsn - 8 * (1 + random_below(r, 100)));
        break;
    default:
        break;
    }
    random_keys(r, &fixed, str, count, payload, payload_size);
    make_body(record, &fixed, str, count, payload, payload_size);
    if (random_below(r, 20) == 0) /* most of these do not decode any more */
        record->body[random_below(r, (uint32_t)record->size)] ^=
            (uint8_t)(1 + random_below(r, 255));
}

static void random_record(randomness *r, raw_record *record, uint64_t lsn,
                          const raw_record *before) {
    static const uint8_t kinds[] = {
        VF_KIND_EVENT, VF_KIND_EVENT,     VF_KIND_EVENT, VF_KIND_SESSION,
        VF_KIND_FORK,  VF_KIND_TOMBSTONE, VF_KIND_SYNC,  99};
    memset(record, 0, sizeof *record);
    record->lsn = lsn;
    record->frame.kind = kinds[random_below(r, sizeof kinds)];
    record->frame.flags = (uint8_t)random_below(r, VF_FRAME_FLAGS_KNOWN + 1);
    vf_put16(&record->frame.type, (uint16_t)random_below(r, 70));
    vf_put64(&record->frame.seq, before == NULL || random_below(r, 5) == 0
                                     ? random_u64(r)
                                     : vf_get64(before->frame.seq) + 1);
    vf_put64(&record->frame.time, random_u64(r) >> random_below(r, 64));
    vf_put64(&record->frame.prev, before != NULL && random_below(r, 3) != 0 ? before->lsn
                                  : random_below(r, 2) == 0                 ? 0
                                                                            : random_u64(r) % lsn);
    if (record->frame.kind == VF_KIND_EVENT || record->frame.kind == VF_KIND_SESSION ||
        record->frame.kind == VF_KIND_FORK) {
        random_body(r, record, lsn);
    } else {
        record->size = 8 * random_below(r, 30);
        record->body = malloc(record->size + 1);
        assert_non_null(record->body);
        random_bytes(r, record->body, record->size);
    }
    finish_frame(record);
}

static void random_records(randomness *r, raw_records *raw, uint32_t count) {
    uint64_t lsn = vf_lsn(1 + random_below(r, 3), VF_SEGMENT_HEADER);
    raw->count = count;
    for (uint32_t i = 0; i < count; i++) {
        random_record(r, &raw->record[i], lsn, i == 0 ? NULL : &raw->record[i - 1]);
        lsn += 8 * (1 + random_below(r, 1000));
    }
}

static void check_frame(const raw_record *raw, const vf_unit_record *record, int pin) {
    vf_frame expected = raw->frame;
    memset(&expected.header_sum, 0, sizeof expected.header_sum);
    memset(&expected.chain, 0, sizeof expected.chain);
    if (!pin) {
        memset(&expected.session, 0, sizeof expected.session);
        memset(&expected.body_sum, 0, sizeof expected.body_sum);
    }
    assert_memory_equal(&record->frame, &expected, sizeof expected);
    assert_int_equal(record->lsn, raw->lsn);
}

static void check_text(vf_text got, vf_text expected) {
    assert_int_equal(got.ptr == NULL, expected.ptr == NULL);
    assert_int_equal(got.size, expected.size);
    if (expected.size > 0)
        assert_memory_equal(got.ptr, expected.ptr, expected.size);
}

/* Both ways to a body must tell the same; of a pin all but the payload. */
static void check_body(const vf_unit *unit, uint32_t i, const raw_record *raw, int pin) {
    vf_body got, expected;
    uint8_t kind = raw->frame.kind;
    int has_body = kind == VF_KIND_EVENT || kind == VF_KIND_SESSION || kind == VF_KIND_FORK;
    vf_result result = has_body ? vf_body_decode(raw->body, raw->size, &expected) : VF_BAD_FIELD;
    assert_int_equal(vf_unit_body(unit, i, LINE_KEY, &got), result);
    if (result != VF_OK) {
        assert_true(unit->record[i].whole);
        return;
    }
    assert_memory_equal(&got.fixed, &expected.fixed, sizeof expected.fixed);
    for (unsigned id = 0; id < VF_STRS; id++)
        check_text(got.str[id], expected.str[id]);
    int left_out = pin && expected.payload_size > 0 && !unit->record[i].whole;
    assert_int_equal(got.payload != NULL, expected.payload != NULL && !left_out);
    assert_int_equal(got.payload_size, left_out ? 0 : expected.payload_size);
    if (got.payload_size > 0)
        assert_memory_equal(got.payload, expected.payload, expected.payload_size);
}

static void check_raw_body(const vf_unit *unit, uint32_t i, const raw_record *raw) {
    assert_int_equal(vf_unit_length(unit, i), VF_FRAME_SIZE + raw->size);
    uint8_t *body = malloc(raw->size + 1);
    assert_non_null(body);
    memset(body, 0xEE, raw->size + 1);
    int left_out =
        !unit->record[i].whole && (vf_get16(unit->record[i].fixed.reserved) & VF_LEFT_PAYLOAD) != 0;
    assert_int_equal(vf_unit_raw_body(unit, i, LINE_KEY, body), left_out ? VF_BAD_FIELD : VF_OK);
    if (!left_out && raw->size > 0)
        assert_memory_equal(body, raw->body, raw->size);
    assert_int_equal(body[raw->size], 0xEE);
    free(body);
}

static void check_records(const raw_records *raw, int pin) {
    packed_block block;
    vf_unit unit;
    pack_records(raw, pin, &block);
    assert_int_equal(open_block(&block, &unit), VF_OK);
    assert_int_equal(unit.count, raw->count);
    for (uint32_t i = 0; i < raw->count; i++) {
        check_frame(&raw->record[i], &unit.record[i], pin);
        check_body(&unit, i, &raw->record[i], pin);
        check_raw_body(&unit, i, &raw->record[i]);
    }
    close_unit(&unit);
    free_block(&block);
}

static void what_was_packed_comes_back(void **state) {
    (void)state;
    static raw_records raw;
    randomness r = {21};
    for (int round = 0; round < 400; round++) {
        random_records(&r, &raw, 1 + random_below(&r, round % 20 == 0 ? RECORDS_MAX : 8));
        check_records(&raw, 0);
        free_records(&raw);
    }
}

static void pins_come_back_without_their_payload(void **state) {
    (void)state;
    static raw_records raw;
    randomness r = {22};
    for (int round = 0; round < 100; round++) {
        random_records(&r, &raw, 1 + random_below(&r, 50));
        check_records(&raw, 1);
        free_records(&raw);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back),
        cmocka_unit_test(pins_come_back_without_their_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

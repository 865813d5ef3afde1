/*
 * Blocks of records: what was packed comes back, byte for byte and as the decoder of raw bodies
 * would tell it, whatever the records hold.
 */
#include "tests/test_format_packed.h"

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
    assert_int_equal(vf_unit_raw_body(unit, i, LINE_KEY, body), VF_OK);
    uint8_t *expected = malloc(raw->size + 1);
    assert_non_null(expected);
    memcpy(expected, raw->body, raw->size);
    vf_body parts;
    if (left_out && vf_body_decode(raw->body, raw->size, &parts) == VF_OK) /* zeros stand in its place */
        memset(expected + ((const uint8_t *)parts.payload - raw->body), 0, parts.payload_size);
    assert_memory_equal(body, expected, raw->size);
    free(expected);
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

static raw_record plain_event(uint64_t lsn, const vf_fixed *fixed, const some_string *str,
                              uint32_t count, const void *payload, uint32_t size) {
    raw_record record = {.frame = {.kind = VF_KIND_EVENT}, .lsn = lsn};
    make_body(&record, fixed, str, count, payload, size);
    finish_frame(&record);
    return record;
}

static void what_follows_from_the_rest_is_left_out(void **state) {
    (void)state;
    static raw_records raw;
    const some_string str[] = {
        {VF_STR_CWD, "/home", 5}, {VF_STR_REQUEST_ID, "req_1", 5}, {VF_STR_MESSAGE_ID, "msg_1", 5}};
    vf_fixed fixed = {0};
    vf_put64(&fixed.present, VF_HAS_PAYLOAD | VF_HAS_UID | VF_HAS_CHARGE | VF_HAS_POSITION);
    fixed.uid = vf_line_uid(LINE_KEY, "line", 4, 0);
    fixed.charge = vf_string_key(VF_SPACE_CHARGE, "msg_1", 5);
    vf_put64(&fixed.charge_part, vf_charge_part("req_1", 5));
    raw.count = 2;
    raw.record[0] = plain_event(4096, &fixed, str, 3, "line", 4);
    vf_put64(&fixed.position, 5); /* behind "line\n" */
    raw.record[1] = plain_event(8192, &fixed, str, 3, "line", 4);
    vf_put64(&raw.record[1].frame.seq, 1);
    vf_put64(&raw.record[1].frame.prev, 4096);

    packed_block block;
    vf_unit unit;
    pack_records(&raw, 0, &block);
    assert_int_equal(block.data_size, 15 + 4 + 4); /* the strings of the second are the same */
    assert_memory_equal(block.data, "/homereq_1msg_1lineline", 23);
    /* columns 1 (lsn), 12 (kind), 65 and 66 (present), 236, 240, 242; stream 6 + 3 */
    assert_int_equal(block.fixed_size, VF_BLOCK_HEAD + 7 * 2 + 9);
    assert_int_equal(open_block(&block, &unit), VF_OK);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(vf_get16(unit.record[i].fixed.reserved),
                         VF_LEFT_UID | VF_LEFT_CHARGE | VF_LEFT_CHARGE_PART);
    close_unit(&unit);
    free_block(&block);
    check_records(&raw, 0);

    pack_records(&raw, 1, &block);
    assert_int_equal(open_block(&block, &unit), VF_OK);
    assert_int_equal(vf_get16(unit.record[0].fixed.reserved),
                     VF_LEFT_CHARGE | VF_LEFT_CHARGE_PART | VF_LEFT_PAYLOAD);
    assert_true(vf_key_equal(unit.record[0].fixed.uid, fixed.uid));
    close_unit(&unit);
    free_block(&block);
    free_records(&raw);
}

/* Empty is not absent, also where there is nothing to point to. */
static void a_block_without_data_opens(void **state) {
    (void)state;
    static raw_records raw;
    const some_string str[] = {{VF_STR_CWD, "", 0}, {VF_STR_MODEL, "", 0}, {300, "", 0}};
    vf_fixed fixed = {0};
    vf_put64(&fixed.present, VF_HAS_PAYLOAD);
    raw.count = 2;
    for (uint32_t i = 0; i < 2; i++)
        raw.record[i] = plain_event(4096 * (1 + i), &fixed, str, 3, "", 0);
    packed_block block;
    vf_unit unit;
    vf_body body;
    pack_records(&raw, 0, &block);
    assert_int_equal(block.data_size, 0);
    assert_int_equal(open_block(&block, &unit), VF_OK);
    unit.data = NULL;
    assert_int_equal(vf_unit_body(&unit, 1, LINE_KEY, &body), VF_OK);
    assert_true(body.payload != NULL && body.str[VF_STR_MODEL].ptr != NULL);
    assert_null(body.str[VF_STR_TITLE].ptr);
    close_unit(&unit);
    free_block(&block);
    check_records(&raw, 0);
    free_records(&raw);
}

static void a_huge_record_is_a_block_of_its_own(void **state) {
    (void)state;
    enum { HUGE_PAYLOAD = 48 << 20, MANY = 65535 };
    static raw_records raw;
    vf_fixed fixed = {0};
    vf_put64(&fixed.present, VF_HAS_PAYLOAD | VF_HAS_UID);
    uint8_t *payload = malloc(HUGE_PAYLOAD);
    some_string *str = calloc(MANY, sizeof *str);
    assert_true(payload != NULL && str != NULL);
    memset(payload, 'x', HUGE_PAYLOAD);
    for (uint32_t i = 0; i < MANY; i++)
        str[i] = (some_string){(uint16_t)(i + 1), "abc", i % 3};
    fixed.uid = vf_line_uid(LINE_KEY, payload, HUGE_PAYLOAD, 0);
    raw.count = 1;
    raw.record[0] = plain_event(4096, &fixed, str, MANY, payload, HUGE_PAYLOAD);
    check_records(&raw, 0);
    free_records(&raw);
    free(payload);
    free(str);
}

static void what_does_not_fit_is_not_added(void **state) {
    (void)state;
    vf_fixed fixed = {0};
    const some_string str[] = {{VF_STR_CWD, "/home", 5}};
    vf_put64(&fixed.present, VF_HAS_PAYLOAD);
    raw_record r = plain_event(4096, &fixed, str, 1, "payload", 7);
    static uint8_t images[2 * VF_IMAGE_SIZE], stream[512], data[512];
    static vf_block block;
    block.images = images;
    block.stream = stream;
    block.data = data;
    block.images_room = 1;
    block.stream_room = block.data_room = r.size;
    vf_block_begin(&block);
    block.data_room--;
    assert_int_equal(vf_block_add(&block, r.lsn, &r.frame, r.body, r.size, LINE_KEY, 0), VF_SHORT);
    block.data_room++;
    block.stream_room--;
    assert_int_equal(vf_block_add(&block, r.lsn, &r.frame, r.body, r.size, LINE_KEY, 0), VF_SHORT);
    block.stream_room++;
    assert_int_equal(block.count + block.data_size + block.stream_size, 0);
    assert_int_equal(vf_block_add(&block, r.lsn, &r.frame, r.body, r.size, LINE_KEY, 0), VF_OK);
    block.stream_room = block.data_room = 512;
    assert_int_equal(vf_block_add(&block, r.lsn, &r.frame, r.body, r.size, LINE_KEY, 0), VF_SHORT);
    block.images_room = 2;
    assert_int_equal(vf_block_add(&block, r.lsn + 8, &r.frame, r.body, r.size, LINE_KEY, 0), VF_OK);
    free(r.body);
}

static void frames_that_cannot_be_are_refused(void **state) {
    (void)state;
    vf_fixed fixed = {0};
    raw_record r = plain_event(4096, &fixed, NULL, 0, NULL, 0);
    static uint8_t images[VF_IMAGE_SIZE], room[512];
    static vf_block block;
    block.images = images;
    block.images_room = 1;
    block.stream = block.data = room;
    block.stream_room = block.data_room = sizeof room;
    vf_block_begin(&block);
    for (int i = 0; i < 5; i++) {
        vf_frame frame = r.frame;
        if (i == 0)
            frame.kind = 0;
        if (i == 1)
            frame.flags = 4;
        if (i == 2)
            vf_put64(&frame.prev, r.lsn);
        if (i == 3)
            vf_put32(&frame.length, (uint32_t)r.size);
        if (i == 4)
            vf_put32(&frame.length, (uint32_t)r.size + 65);
        size_t size = i == 4 ? r.size + 1 : r.size;
        assert_int_equal(vf_block_add(&block, r.lsn, &frame, r.body, size, LINE_KEY, 0),
                         VF_BAD_FIELD);
    }
    assert_int_equal(block.count, 0);
    free(r.body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back),
        cmocka_unit_test(pins_come_back_without_their_payload),
        cmocka_unit_test(what_follows_from_the_rest_is_left_out),
        cmocka_unit_test(a_block_without_data_opens),
        cmocka_unit_test(a_huge_record_is_a_block_of_its_own),
        cmocka_unit_test(what_does_not_fit_is_not_added),
        cmocka_unit_test(frames_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

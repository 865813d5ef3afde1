/*
 * Records to be packed, and blocks made of them, for the tests of packed segments: frames and
 * bodies as they stand in a raw segment, with what the block leaves out made to follow sometimes.
 */
#ifndef VARVE_TESTS_TEST_FORMAT_PACKED_H
#define VARVE_TESTS_TEST_FORMAT_PACKED_H

#include "format/packed.h"
#include "tests/test_format_help.h"

enum { RECORDS_MAX = 600, STRINGS_MAX = 16, TEXT_MAX = 40, PAYLOAD_MAX = 700 };

typedef struct {
    vf_frame frame;
    uint64_t lsn;
    uint8_t *body; /* on the heap, of exactly its size */
    size_t size;
} raw_record;

typedef struct {
    raw_record record[RECORDS_MAX];
    uint32_t count;
} raw_records;

typedef struct {
    uint8_t *fixed;
    size_t fixed_size;
    uint8_t *data;
    size_t data_size;
} packed_block;

static const vf_key LINE_KEY = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

/* Strings and payload that a record is made of. */
typedef struct {
    uint16_t id;
    const char *ptr;
    uint32_t size;
} some_string;

/* The body as it stands in a record, padded; unlike vf_body_encode it knows any id. */
static inline void make_body(raw_record *record, const vf_fixed *fixed, const some_string *str,
                             uint32_t count, const uint8_t *payload, uint32_t payload_size) {
    size_t strings_size = 0;
    for (uint32_t i = 0; i < count; i++)
        strings_size += str[i].size;
    record->size = (size_t)vf_padded(VF_FIXED_SIZE + count * sizeof(vf_str_entry) + strings_size +
                                     payload_size);
    record->body = calloc(1, record->size);
    assert_non_null(record->body);
    vf_fixed out = *fixed;
    vf_put32(&out.payload_size, payload_size);
    vf_put16(&out.strings, (uint16_t)count);
    vf_put16(&out.reserved, 0);
    vf_put32(&out.strings_size, (uint32_t)strings_size);
    memcpy(record->body, &out, sizeof out);
    uint8_t *at = record->body + sizeof out;
    for (uint32_t i = 0; i < count; i++) {
        vf_str_entry entry = {0};
        vf_put16(&entry.id, str[i].id);
        vf_put32(&entry.size, str[i].size);
        memcpy(at, &entry, sizeof entry);
        at += sizeof entry;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (str[i].size > 0)
            memcpy(at, str[i].ptr, str[i].size);
        at += str[i].size;
    }
    if (payload_size > 0)
        memcpy(at, payload, payload_size);
}

static inline void finish_frame(raw_record *record) {
    vf_put32(&record->frame.length, (uint32_t)(VF_FRAME_SIZE + record->size));
    vf_put32(&record->frame.body_sum, vf_body_sum(record->body, record->size));
}

/* Sometimes what the block leaves out follows from the rest, sometimes it does not. */
static inline void random_keys(randomness *r, vf_fixed *fixed, const some_string *str,
                               uint32_t count, const uint8_t *payload, uint32_t payload_size) {
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

static inline uint32_t random_strings(randomness *r, some_string *str) {
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

static inline void random_body(randomness *r, raw_record *record, uint64_t lsn) {
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

static inline void random_record(randomness *r, raw_record *record, uint64_t lsn,
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

static inline void random_records(randomness *r, raw_records *raw, uint32_t count) {
    uint64_t lsn = vf_lsn(1 + random_below(r, 3), VF_SEGMENT_HEADER);
    raw->count = count;
    for (uint32_t i = 0; i < count; i++) {
        random_record(r, &raw->record[i], lsn, i == 0 ? NULL : &raw->record[i - 1]);
        lsn += 8 * (1 + random_below(r, 1000));
    }
}

/* A block of the records, its parts on the heap in exactly their size. Rooms are those that
 * vf_block_needs says. */
static inline void pack_records(const raw_records *raw, int pin, packed_block *ret) {
    static vf_block block; /* a little large for the stack */
    size_t stream_room = 0, data_room = 0;
    for (uint32_t i = 0; i < raw->count; i++) {
        size_t stream, data;
        vf_block_needs(raw->record[i].size, &stream, &data);
        stream_room += stream;
        data_room += data;
    }
    block.images_room = raw->count;
    block.images = malloc(raw->count * (size_t)VF_IMAGE_SIZE);
    block.stream_room = stream_room;
    block.stream = malloc(stream_room + 1);
    block.data_room = data_room;
    block.data = malloc(data_room + 1);
    assert_true(block.images != NULL && block.stream != NULL && block.data != NULL);
    vf_block_begin(&block);
    for (uint32_t i = 0; i < raw->count; i++) {
        const raw_record *r = &raw->record[i];
        assert_int_equal(vf_block_add(&block, r->lsn, &r->frame, r->body, r->size, LINE_KEY, pin),
                         VF_OK);
    }
    uint8_t *fixed = malloc(vf_block_fixed_max(&block));
    assert_non_null(fixed);
    ret->fixed_size = vf_block_fixed(&block, fixed);
    assert_true(ret->fixed_size <= vf_block_fixed_max(&block));
    ret->fixed = exact_copy(fixed, ret->fixed_size);
    ret->data_size = block.data_size;
    ret->data = exact_copy(block.data, block.data_size);
    free(fixed);
    free(block.images);
    free(block.stream);
    free(block.data);
}

/* Opens a block; 'unit' gets memory of exactly the size that is said. */
static inline vf_result open_block(const packed_block *block, vf_unit *unit) {
    uint32_t records, strs;
    memset(unit, 0, sizeof *unit);
    vf_result result = vf_unit_measure(block->fixed, block->fixed_size, &records, &strs);
    if (result != VF_OK)
        return result;
    unit->record = malloc(records * sizeof *unit->record);
    unit->str = malloc(strs > 0 ? strs * sizeof *unit->str : 1);
    assert_true(unit->record != NULL && unit->str != NULL);
    result = vf_unit_open(block->fixed, block->fixed_size, (uint32_t)block->data_size, unit);
    if (result == VF_OK) {
        assert_int_equal(unit->count, records);
        assert_int_equal(unit->strs, strs);
        unit->data = block->data;
    }
    return result;
}

static inline void close_unit(vf_unit *unit) {
    free(unit->record);
    free(unit->str);
}

static inline void free_block(packed_block *block) {
    free(block->fixed);
    free(block->data);
}

static inline void free_records(raw_records *raw) {
    for (uint32_t i = 0; i < raw->count; i++)
        free(raw->record[i].body);
    raw->count = 0;
}

#endif

/*
 * The worked examples of SPEC.md and the code cannot drift apart: the segment and the packed block
 * that SPEC.md prints as hex are made here by format/, compared byte by byte, and read back.
 */
#include "format/body.h"
#include "format/files.h"
#include "format/packed.h"
#include "tests/test_format_help.h"

#include <ctype.h>
#include <stdio.h>

#ifdef VARVE_SOURCE_DIR
#    define SPEC VARVE_SOURCE_DIR "/SPEC.md"
#else
#    define SPEC "SPEC.md"
#endif

enum { SEGMENT_MAX = 8192, LINE_MAX_SIZE = 256, RECORDS = 2 };
static const char SEGMENT_FENCE[] = "```hex\n", BLOCK_FENCE[] = "```hex block\n";

static const char MACHINE[] = "host", SESSION[] = "demo", PROMPT[] = "hi", PAYLOAD[] = "{\"a\":1}";
static const uint64_t SALT = 0x1122334455667788u;
static const int64_t TIME_NS = 1700000000000000000; /* 2023-11-14T22:13:20Z */

typedef struct {
    uint8_t bytes[SEGMENT_MAX];
    uint32_t size;
    uint32_t chain;
} segment;

static vf_text text(const char *s) {
    return (vf_text){s, (uint32_t)strlen(s)};
}

static void begin_segment(segment *s) {
    vf_segment_header header = {0};
    for (uint8_t i = 0; i < 16; i++)
        header.store_uuid[i] = i;
    vf_put32(&header.number, 1);
    vf_put64(&header.salt, SALT);
    vf_put_i64(&header.created, TIME_NS);
    vf_segment_seal(&header);
    memset(s, 0, sizeof *s);
    memcpy(s->bytes, &header, sizeof header);
    s->size = VF_SEGMENT_HEADER;
    s->chain = vf_segment_chain(&header);
}

static void add_record(segment *s, vf_frame frame, const vf_fixed *fixed, const vf_text *str,
                       const char *payload) {
    uint32_t payload_size = payload == NULL ? 0 : (uint32_t)strlen(payload);
    uint64_t body_size = vf_body_size(str, payload_size);
    uint32_t length = (uint32_t)vf_padded(VF_FRAME_SIZE + body_size);
    uint8_t *at = s->bytes + s->size;
    assert_true(s->size + length <= SEGMENT_MAX);
    vf_body_encode(at + VF_FRAME_SIZE, fixed, str, (const uint8_t *)payload, payload_size);
    vf_put32(&frame.length, length);
    frame.session = vf_session_key(MACHINE, strlen(MACHINE), SESSION, strlen(SESSION));
    vf_put_i64(&frame.time, TIME_NS);
    vf_put32(&frame.body_sum, vf_body_sum(at + VF_FRAME_SIZE, length - VF_FRAME_SIZE));
    s->chain = (uint32_t)vf_frame_seal(&frame, SALT, vf_lsn(1, s->size), s->chain);
    memcpy(at, &frame, sizeof frame);
    s->size += length;
}

/* Segment 1 with one batch: the identity of a session, then the prompt of a user, told by a hook.
 */
static void make_segment(segment *s) {
    begin_segment(s);
    vf_text identity[VF_STRS] = {{NULL, 0}};
    vf_fixed fixed = {0};
    identity[VF_STR_SESSION_ID] = text(SESSION);
    identity[VF_STR_MACHINE_ID] = text(MACHINE);
    vf_frame frame = {.kind = VF_KIND_SESSION};
    uint64_t first = vf_lsn(1, s->size);
    add_record(s, frame, &fixed, identity, NULL);

    vf_text prompt[VF_STRS] = {{NULL, 0}};
    prompt[VF_STR_TEXT] = text(PROMPT);
    vf_put64(&fixed.present, VF_HAS_PAYLOAD | VF_HAS_PID);
    vf_put_i32(&fixed.pid, 4242);
    fixed.source = VF_SOURCE_HOOK;
    fixed.role = VF_ROLE_USER;
    frame = (vf_frame){.kind = VF_KIND_EVENT, .flags = VF_FRAME_BATCH_END | VF_FRAME_HAS_TIME};
    vf_put16(&frame.type, VF_TYPE_USER_PROMPT);
    vf_put64(&frame.seq, 1);
    vf_put64(&frame.prev, first);
    add_record(s, frame, &fixed, prompt, PAYLOAD);
}

static FILE *open_spec(void) {
    FILE *file = fopen(SPEC, "r");
    if (file == NULL) { /* beside the directory of this source */
        char path[1024];
        const char *slash = strrchr(__FILE__, '/');
        int size = slash == NULL ? 0 : (int)(slash - __FILE__) + 1;
        snprintf(path, sizeof path, "%.*s../SPEC.md", size, __FILE__);
        file = fopen(path, "r");
    }
    return file;
}

/* Reads "offset  bytes ; remark" into the picture. Returns the number of bytes, -1 if it is no such
 * line. */
static int read_line(const char *line, uint8_t *picture, uint8_t *seen) {
    char *at;
    unsigned long offset = strtoul(line, &at, 16);
    int count = 0;
    if (at == line)
        return -1;
    for (;;) {
        while (*at == ' ')
            at++;
        if (!isxdigit((unsigned char)at[0]))
            return count;
        if (!isxdigit((unsigned char)at[1]) || offset >= SEGMENT_MAX || seen[offset])
            return -1;
        char digits[3] = {at[0], at[1], 0};
        picture[offset] = (uint8_t)strtoul(digits, NULL, 16);
        seen[offset++] = 1;
        at += 2;
        count++;
    }
}

/* The picture that SPEC.md prints: what it does not print is zero. Returns the number of printed
 * bytes. */
static int read_spec(const char *fence, uint8_t *picture) {
    static uint8_t seen[SEGMENT_MAX];
    char line[LINE_MAX_SIZE];
    int inside = 0, printed = 0;
    FILE *file = open_spec();
    assert_non_null(file);
    memset(picture, 0, SEGMENT_MAX);
    memset(seen, 0, sizeof seen);
    while (fgets(line, sizeof line, file) != NULL) {
        if (!inside) {
            inside = strcmp(line, fence) == 0;
            continue;
        }
        if (strcmp(line, "```\n") == 0) {
            inside = 0;
            continue;
        }
        int count = read_line(line, picture, seen);
        if (count < 0)
            fail_msg("SPEC.md: not a line of the example: %s", line);
        printed += count;
    }
    fclose(file);
    return printed;
}

static void the_example_in_the_specification_is_what_the_code_writes(void **state) {
    (void)state;
    static segment s;
    static uint8_t picture[SEGMENT_MAX];
    make_segment(&s);
    assert_true(read_spec(SEGMENT_FENCE, picture) > 300);
    for (uint32_t i = 0; i < SEGMENT_MAX; i++) {
        if (picture[i] != s.bytes[i])
            fail_msg("SPEC.md: byte %08x is printed as %02x, the code writes %02x", i, picture[i],
                     s.bytes[i]);
    }
}

static void the_example_reads_as_the_specification_says(void **state) {
    (void)state;
    static uint8_t picture[SEGMENT_MAX];
    vf_segment_header header;
    vf_frame frame;
    vf_body body;
    read_spec(SEGMENT_FENCE, picture);
    assert_int_equal(vf_segment_check(picture, SEGMENT_MAX, &header, NULL), VF_OK);
    uint64_t lsn = vf_lsn(1, VF_SEGMENT_HEADER);
    uint32_t chain = vf_segment_chain(&header);
    const uint8_t *at = picture + VF_SEGMENT_HEADER;
    assert_int_equal(vf_record_check(at, SEGMENT_MAX - VF_SEGMENT_HEADER, vf_get64(header.salt),
                                     lsn, &chain, &frame),
                     VF_OK);
    assert_int_equal(frame.kind, VF_KIND_SESSION);
    uint32_t length = vf_get32(frame.length);
    assert_int_equal(vf_body_decode(at + VF_FRAME_SIZE, length - VF_FRAME_SIZE, &body), VF_OK);
    assert_memory_equal(body.str[VF_STR_SESSION_ID].ptr, SESSION, 4);
    assert_memory_equal(body.str[VF_STR_MACHINE_ID].ptr, MACHINE, 4);

    chain = (uint32_t)vf_get64(frame.header_sum);
    at += length;
    lsn += length;
    assert_int_equal(vf_record_check(at, SEGMENT_MAX - VF_SEGMENT_HEADER - length,
                                     vf_get64(header.salt), lsn, &chain, &frame),
                     VF_OK);
    assert_int_equal(vf_get64(frame.prev), vf_lsn(1, VF_SEGMENT_HEADER));
    assert_int_equal(frame.flags, VF_FRAME_BATCH_END | VF_FRAME_HAS_TIME);
    length = vf_get32(frame.length);
    assert_int_equal(vf_body_decode(at + VF_FRAME_SIZE, length - VF_FRAME_SIZE, &body), VF_OK);
    assert_int_equal(body.payload_size, sizeof PAYLOAD - 1);
    assert_memory_equal(body.payload, PAYLOAD, sizeof PAYLOAD - 1);
    assert_memory_equal(body.str[VF_STR_TEXT].ptr, PROMPT, sizeof PROMPT - 1);

    chain = (uint32_t)vf_get64(frame.header_sum);
    assert_int_equal(vf_frame_check(at + length, VF_FRAME_SIZE, vf_get64(header.salt), lsn + length,
                                    &chain, &frame),
                     VF_END);
}

/* The records of the segment as a block: its fixed part, and behind it its data part, both plain.
 */
static size_t make_block(const segment *s, uint8_t *at, size_t *ret_fixed) {
    static uint8_t images[RECORDS * VF_IMAGE_SIZE], stream[SEGMENT_MAX], data[SEGMENT_MAX];
    static vf_block block;
    const vf_key line_key = vf_session_key("", 0, SESSION, strlen(SESSION));
    block.images = images;
    block.images_room = RECORDS;
    block.stream = stream;
    block.data = data;
    block.stream_room = block.data_room = SEGMENT_MAX;
    vf_block_begin(&block);
    for (uint32_t offset = VF_SEGMENT_HEADER, length; offset < s->size; offset += length) {
        vf_frame frame;
        memcpy(&frame, s->bytes + offset, sizeof frame);
        length = vf_get32(frame.length);
        assert_int_equal(vf_block_add(&block, vf_lsn(1, offset), &frame,
                                      s->bytes + offset + VF_FRAME_SIZE, length - VF_FRAME_SIZE,
                                      line_key, 0),
                         VF_OK);
    }
    assert_true(vf_block_fixed_max(&block) + block.data_size <= SEGMENT_MAX);
    *ret_fixed = vf_block_fixed(&block, at);
    memcpy(at + *ret_fixed, block.data, block.data_size);
    return *ret_fixed + block.data_size;
}

static void the_block_in_the_specification_is_what_the_code_writes(void **state) {
    (void)state;
    static segment s;
    static uint8_t picture[SEGMENT_MAX], block[SEGMENT_MAX];
    size_t fixed_size;
    make_segment(&s);
    size_t size = make_block(&s, block, &fixed_size);
    assert_int_equal(read_spec(BLOCK_FENCE, picture), size);
    assert_memory_equal(picture, block, size);
}

static void the_block_opens_to_the_segments_records(void **state) {
    (void)state;
    static segment s;
    static uint8_t block[SEGMENT_MAX], body[SEGMENT_MAX];
    vf_unit_record record[RECORDS];
    vf_unit_str str[3];
    vf_unit unit = {.record = record, .str = str};
    uint32_t records, strs;
    size_t fixed_size;
    make_segment(&s);
    size_t size = make_block(&s, block, &fixed_size);
    assert_int_equal(vf_unit_measure(block, fixed_size, &records, &strs), VF_OK);
    assert_int_equal(records, RECORDS);
    assert_int_equal(strs, 3);
    assert_int_equal(vf_unit_open(block, fixed_size, (uint32_t)(size - fixed_size), &unit), VF_OK);
    unit.data = block + fixed_size;
    const uint8_t *at = s.bytes + VF_SEGMENT_HEADER;
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint32_t length = vf_unit_length(&unit, i);
        assert_int_equal(record[i].lsn, vf_lsn(1, (uint32_t)(at - s.bytes)));
        assert_memory_equal(&record[i].frame.length, at + 8, 8); /* and kind, flags, type */
        assert_memory_equal(&record[i].frame.seq, at + 32, 24);  /* and time, prev */
        vf_key none = {{0}};
        assert_int_equal(vf_unit_raw_body(&unit, i, none, body), VF_OK);
        assert_memory_equal(body, at + VF_FRAME_SIZE, length - VF_FRAME_SIZE);
        at += length;
    }
}

static int print_bytes(const char *which) {
    static segment s;
    static uint8_t block[SEGMENT_MAX];
    size_t size, fixed_size;
    make_segment(&s);
    if (strcmp(which, "--bytes") == 0)
        return fwrite(s.bytes, 1, s.size, stdout) == s.size ? 0 : 3;
    size = make_block(&s, block, &fixed_size);
    return fwrite(block, 1, size, stdout) == size ? 0 : 3;
}

int main(int argc, char **argv) {
    if (argc == 2) /* --bytes, --block: the examples as they are, to print them anew */
        return print_bytes(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_in_the_specification_is_what_the_code_writes),
        cmocka_unit_test(the_example_reads_as_the_specification_says),
        cmocka_unit_test(the_block_in_the_specification_is_what_the_code_writes),
        cmocka_unit_test(the_block_opens_to_the_segments_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

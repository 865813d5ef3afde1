/*
 * Fuzzes packed segments: decoders of blocks, parts, rows and files get any bytes; and records made
 * of the input are packed, must come back as they were, and the block is then broken where the
 * input says. The first byte of the input chooses; its highest bit says that sums be mended first.
 */
#include "format/index.h"
#include "format/packed.h"

#include <stdlib.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

enum { MEND = 0x80, RECORDS_MAX = 24, STRINGS_MAX = 8, READ_MAX = 1 << 20 };
static const vf_key LINE_KEY = {{1, 2, 3}};

typedef struct {
    const uint8_t *at;
    size_t left;
} source;

typedef struct {
    vf_frame frame;
    uint64_t lsn;
    uint8_t body[4096];
    size_t size;
} raw_record;

/* Reads every byte, so that a sanitizer sees a range that is not ours. */
static void touch(const void *ptr, size_t size) {
    volatile uint8_t sink = 0;
    const uint8_t *bytes = ptr;
    for (size_t i = 0; i < size; i++)
        sink = (uint8_t)(sink + bytes[i]);
}

static void require(int holds) {
    if (!holds)
        abort();
}

static void *room(size_t size) {
    void *bytes = malloc(size > 0 ? size : 1);
    require(bytes != NULL);
    return bytes;
}

/* The next bytes of the input, zeros when there are none left. */
static void take(source *from, void *to, size_t size) {
    size_t n = size < from->left ? size : from->left;
    memset(to, 0, size);
    if (n > 0)
        memcpy(to, from->at, n);
    from->at += n;
    from->left -= n;
}

static uint8_t take_byte(source *from) {
    uint8_t byte;
    take(from, &byte, 1);
    return byte;
}

static void read_record(const vf_unit *unit, uint32_t i, size_t *budget) {
    vf_body body;
    size_t size = vf_unit_length(unit, i) - VF_FRAME_SIZE;
    if (vf_unit_body(unit, i, LINE_KEY, &body) == VF_OK && size <= *budget) {
        touch(body.payload, body.payload_size);
        for (unsigned id = 0; id < VF_STRS; id++)
            touch(body.str[id].ptr, body.str[id].size);
        require(body.fixed.source < VF_SOURCES && body.fixed.charge_kind < VF_CHARGES);
    }
    if (size > *budget)
        return;
    *budget -= size;
    uint8_t *raw = room(size);
    if (vf_unit_raw_body(unit, i, LINE_KEY, raw) == VF_OK) {
        touch(raw, size);
        if (!unit->record[i].whole) /* what was taken apart is a body */
            require(vf_body_decode(raw, size, &body) == VF_OK);
    }
    free(raw);
}

/* Opens a block; of one that opens everything is read. */
static vf_result open_block(const uint8_t *fixed, size_t size, const uint8_t *data,
                            size_t data_size, vf_unit *unit) {
    uint32_t records, strs;
    size_t budget = READ_MAX;
    memset(unit, 0, sizeof *unit);
    vf_result result = vf_unit_measure(fixed, size, &records, &strs);
    if (result != VF_OK)
        return result;
    unit->record = room(records * sizeof *unit->record);
    unit->str = room(strs * sizeof *unit->str);
    result = vf_unit_open(fixed, size, (uint32_t)data_size, unit);
    if (result != VF_OK)
        return result;
    require(unit->count == records && unit->strs == strs);
    unit->data = data;
    for (uint32_t i = 0; i < unit->count; i++)
        read_record(unit, i, &budget);
    return VF_OK;
}

static void close_unit(vf_unit *unit) {
    free(unit->record);
    free(unit->str);
}

/* Two bytes say where the data begins. */
static void fuzz_unit(source *from) {
    le16 word;
    vf_unit unit;
    take(from, &word, sizeof word);
    size_t size = vf_get16(word) < from->left ? vf_get16(word) : from->left;
    uint8_t *fixed = room(size), *data = room(from->left);
    take(from, fixed, size);
    size_t data_size = from->left;
    take(from, data, data_size);
    open_block(fixed, size, data, data_size, &unit);
    close_unit(&unit);
    free(fixed);
    free(data);
}

/* A body that decodes, of what the input has. */
static size_t make_body(source *from, uint8_t *at) {
    vf_fixed fixed;
    uint8_t how = take_byte(from), count = take_byte(from) % STRINGS_MAX;
    memset(&fixed, 0, sizeof fixed);
    if ((how & 1) != 0)
        take(from, &fixed, sizeof fixed);
    fixed.source %= VF_SOURCES;
    fixed.charge_kind %= VF_CHARGES;
    fixed.eol %= 4;
    vf_put16(&fixed.reserved, 0);
    vf_put16(&fixed.strings, count);
    uint8_t *entry_at = at + sizeof fixed, *text = entry_at + count * sizeof(vf_str_entry);
    uint8_t *strings = text;
    unsigned id = 0;
    for (uint8_t i = 0; i < count; i++) {
        vf_str_entry entry = {0};
        uint8_t step = take_byte(from), size = take_byte(from) % 40;
        id += step > 200 ? step * 20u : 1u + step % 20;
        vf_put16(&entry.id, (uint16_t)id);
        vf_put32(&entry.size, size);
        memcpy(entry_at + i * sizeof entry, &entry, sizeof entry);
        take(from, text, size);
        if (id == VF_STR_MESSAGE_ID && (how & 2) != 0)
            fixed.charge = vf_string_key(VF_SPACE_CHARGE, text, size);
        if (id == VF_STR_REQUEST_ID && (how & 4) != 0)
            vf_put64(&fixed.charge_part, vf_charge_part(text, size));
        text += size;
    }
    uint8_t payload_size = take_byte(from);
    take(from, text, payload_size);
    vf_put32(&fixed.strings_size, (uint32_t)(text - strings));
    vf_put32(&fixed.payload_size, payload_size);
    uint64_t present = vf_get64(fixed.present) | (how & 0x38u) << 6; /* uid, charge, position */
    vf_put64(&fixed.present, present | (payload_size > 0 ? VF_HAS_PAYLOAD : 0));
    if ((how & 0x40) != 0)
        fixed.uid = vf_line_uid(LINE_KEY, text, payload_size, 0);
    memcpy(at, &fixed, sizeof fixed);
    size_t size = (size_t)(text - at) + payload_size;
    memset(text + payload_size, 0, (size_t)vf_padded(size) - size);
    return (size_t)vf_padded(size);
}

static void make_record(source *from, raw_record *record, uint64_t lsn) {
    static const uint8_t kinds[] = {VF_KIND_EVENT, VF_KIND_EVENT, VF_KIND_SESSION, VF_KIND_CURSOR,
                                    VF_KIND_FORK,  VF_KIND_BASE,  VF_KIND_EVENT,   200};
    memset(&record->frame, 0, sizeof record->frame);
    take(from, &record->frame.seq, 4);
    take(from, &record->frame.time, 4);
    take(from, &record->frame.prev, 8);
    uint8_t how = take_byte(from);
    vf_put64(&record->frame.prev, vf_get64(record->frame.prev) % lsn);
    record->lsn = lsn;
    record->frame.kind = kinds[how % 8];
    record->frame.flags = how >> 3 & VF_FRAME_FLAGS_KNOWN;
    if ((how & 0x80) == 0) {
        record->size = make_body(from, record->body);
    } else {
        record->size = 8u * (take_byte(from) % 40u);
        take(from, record->body, record->size);
    }
    vf_put32(&record->frame.length, (uint32_t)(VF_FRAME_SIZE + record->size));
    vf_put32(&record->frame.body_sum, vf_body_sum(record->body, record->size));
}

static void compare(const vf_unit *unit, const raw_record *raw, uint32_t count, int pin) {
    require(unit->count == count);
    for (uint32_t i = 0; i < count; i++) {
        const vf_unit_record *record = &unit->record[i];
        uint8_t *body = room(raw[i].size);
        require(record->lsn == raw[i].lsn && vf_unit_length(unit, i) - 64 == raw[i].size);
        require(memcmp(&record->frame.kind, &raw[i].frame.kind, 4) == 0);
        require(memcmp(&record->frame.seq, &raw[i].frame.seq, 24) == 0);
        vf_result result = vf_unit_raw_body(unit, i, LINE_KEY, body);
        require(result == VF_OK || pin);
        size_t size = raw[i].size;
        if (pin && !record->whole) { /* comes without payload */
            vf_fixed fixed;
            memcpy(&fixed, raw[i].body, sizeof fixed);
            size = sizeof fixed + vf_get16(fixed.strings) * sizeof(vf_str_entry) + vf_get32(fixed.strings_size);
        }
        if (result == VF_OK && size > 0)
            require(memcmp(body, raw[i].body, size) == 0);
        free(body);
    }
}

static void fuzz_block(source *from, int pin) {
    static raw_record raw[RECORDS_MAX]; /* too much for the stack */
    static uint8_t images[RECORDS_MAX * VF_IMAGE_SIZE], stream[RECORDS_MAX * 4096],
        data[RECORDS_MAX * 4096];
    static vf_block block;
    block.images = images;
    block.images_room = RECORDS_MAX;
    block.stream = stream;
    block.data = data;
    block.stream_room = block.data_room = sizeof data;
    vf_block_begin(&block);
    uint32_t count = 1 + take_byte(from) % RECORDS_MAX;
    uint64_t lsn = vf_lsn(1, VF_SEGMENT_HEADER);
    for (uint32_t i = 0; i < count; i++, lsn += 8u * (1u + take_byte(from))) {
        make_record(from, &raw[i], lsn);
        require(vf_block_add(&block, lsn, &raw[i].frame, raw[i].body, raw[i].size, LINE_KEY, pin) ==
                VF_OK);
    }
    uint8_t *made = room(vf_block_fixed_max(&block));
    size_t size = vf_block_fixed(&block, made);
    uint8_t *fixed = room(size), *copy = room(block.data_size);
    memcpy(fixed, made, size);
    memcpy(copy, data, block.data_size);
    vf_unit unit;
    require(open_block(fixed, size, copy, block.data_size, &unit) == VF_OK);
    compare(&unit, raw, count, pin);
    close_unit(&unit);
    while (from->left > 0) {
        le16 at;
        take(from, &at, sizeof at);
        fixed[vf_get16(at) % size] ^= take_byte(from);
    }
    open_block(fixed, size, copy, block.data_size, &unit);
    close_unit(&unit);
    free(made);
    free(fixed);
    free(copy);
}

static void fuzz_rows(source *from) {
    uint8_t how = take_byte(from);
    uint32_t row_size = vf_row_size((vf_table)(how % VF_TABLES)), count = 1u + take_byte(from);
    uint32_t *numbers = room(count * sizeof *numbers);
    uint8_t *images = room((size_t)count * row_size), *again = room(vf_rows_max(count, row_size));
    uint8_t *bytes = room(from->left);
    size_t size = from->left;
    take(from, bytes, size);
    if (vf_rows_decode(bytes, size, count, row_size, numbers, images) == VF_OK) {
        size_t encoded = vf_rows_encode(numbers, images, count, row_size, again);
        require(encoded <= size); /* less, if there are columns that could have been left out */
        require(encoded < size || memcmp(again, bytes, size) == 0);
    }
    free(numbers);
    free(images);
    free(again);
    free(bytes);
}

static void put_sum(uint8_t *at, uint64_t sum) {
    le64 word;
    vf_put64(&word, sum);
    memcpy(at, &word, sizeof word);
}

static void mend(uint8_t *bytes, size_t size) {
    if (size < VF_PACKED_HEADER + VF_PACKED_FOOTER)
        return;
    uint8_t *end = bytes + size - VF_PACKED_FOOTER;
    vf_packed_footer footer;
    memcpy(bytes, VF_PACKED_MAGIC, 8);
    memcpy(end, VF_PACKED_END_MAGIC, 8);
    memcpy(end + 16, bytes + 16, 36); /* features, store, number */
    put_sum(bytes + 8, vf_sum64(bytes + 16, VF_PACKED_HEADER - 16, 0));
    memcpy(&footer, end, sizeof footer);
    uint64_t from = vf_get64(footer.tables_at), to = size - VF_PACKED_FOOTER;
    if (from <= to)
        put_sum(end + offsetof(vf_packed_footer, tables_sum), vf_sum64(bytes + from, to - from, 0));
    put_sum(end + 8, vf_sum64(end + 16, VF_PACKED_FOOTER - 16, 0));
}

static void fuzz_file(source *from, int mended) {
    vf_packed_footer footer;
    int read_only;
    size_t size = from->left;
    uint8_t *bytes = room(size);
    take(from, bytes, size);
    if (mended)
        mend(bytes, size);
    if (vf_packed_check(bytes, size, &footer, &read_only) == VF_OK) {
        for (uint32_t i = 0; i < vf_get32(footer.sessions.count); i++) {
            vf_packed_session session;
            const void *item = vf_packed_item(bytes, &footer.sessions, i, VF_PACKED_SESSION);
            memcpy(&session, item, sizeof session);
            require(vf_packed_find(bytes, &footer, session.key) == i);
            require(vf_get32(session.records) == 0 ||
                    vf_packed_block_of(bytes, &footer.blocks, vf_get32(session.first)) !=
                        UINT32_MAX);
        }
    }
    free(bytes);
}

static void fuzz_part(source *from) {
    static ZSTD_DCtx *zstd; /* dear to make */
    if (zstd == NULL)
        zstd = ZSTD_createDCtx();
    le16 word;
    take(from, &word, sizeof word);
    size_t size = from->left, plain_size = vf_get16(word);
    uint8_t *stored = room(size), *plain = room(plain_size);
    take(from, stored, size);
    if (vf_part_open(zstd, stored, size, 64, vf_part_sum(stored, size, 64), plain, plain_size) ==
        VF_OK)
        touch(plain, plain_size);
    free(stored);
    free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    if (size == 0)
        return 0;
    source from = {input + 1, size - 1};
    int high = (input[0] & MEND) != 0;
    switch (input[0] % 5) {
    case 0:
        fuzz_unit(&from);
        break;
    case 1:
        fuzz_block(&from, high);
        break;
    case 2:
        fuzz_rows(&from);
        break;
    case 3:
        fuzz_file(&from, high);
        break;
    default:
        fuzz_part(&from);
        break;
    }
    return 0;
}

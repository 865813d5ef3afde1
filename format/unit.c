/*
 * Opens blocks of records. This is done for every block that a query touches, so it does no more
 * than put bytes in their places and add up: what takes hashing waits until a body is asked for.
 */
#include "format/packed.h"
#include "format/planes.h"

enum { TILE = 64, CODE_MAX = 0x1FFFF }; /* of a string: id << 1 | same */

_Static_assert(offsetof(vf_unit_record, fixed) == offsetof(vf_unit_record, frame) + VF_FRAME_SIZE,
               "a record begins with its image");

/* Where everything lies in a fixed part. */
typedef struct {
    uint32_t count, set;
    uint16_t columns[VF_IMAGE_SIZE];
    const uint8_t *planes, *stream;
    uint32_t stream_size;
} layout;

/* What is known while going from record to record. */
typedef struct {
    uint64_t lsn, seq, time,
        position;            /* of the record before; position: where the next is expected */
    const uint8_t *at, *end; /* stream */
    uint32_t strs;
    uint32_t data_used, data_size;
    struct {
        uint32_t at, size;
        uint32_t known;
    } last[VF_BLOCK_IDS];
} reader;

static int must_be_zero(uint16_t column) {
    return (column >= offsetof(vf_frame, chain) && column < offsetof(vf_frame, body_sum)) ||
           (column >= VF_FRAME_SIZE + offsetof(vf_fixed, strings_size) &&
            column < VF_FRAME_SIZE + offsetof(vf_fixed, prev_set));
}

static vf_result find_parts(const uint8_t *fixed, size_t size, layout *ret) {
    le32 words[2];
    if (size < VF_BLOCK_HEAD)
        return VF_SHORT;
    memcpy(words, fixed, sizeof words);
    ret->count = vf_get32(words[0]);
    ret->stream_size = vf_get32(words[1]);
    if (size > VF_BLOCK_FIXED_MAX || ret->count == 0 || ret->count > VF_BLOCK_RECORDS_MAX)
        return VF_BAD_FIELD;
    ret->set = vf_planes_list(fixed + sizeof words, VF_IMAGE_SIZE, ret->columns);
    for (uint32_t c = 0; c < ret->set; c++) {
        if (must_be_zero(ret->columns[c]))
            return VF_BAD_FIELD;
    }
    uint64_t stream_at = VF_BLOCK_HEAD + (uint64_t)ret->set * ret->count;
    uint64_t need = stream_at + ret->stream_size;
    if (size != need)
        return size < need ? VF_SHORT : VF_BAD_FIELD;
    ret->planes = fixed + VF_BLOCK_HEAD;
    ret->stream = fixed + stream_at;
    return VF_OK;
}

vf_result vf_unit_measure(const uint8_t *fixed, size_t size, uint32_t *ret_records,
                          uint32_t *ret_strs) {
    enum { STRINGS = VF_FRAME_SIZE + offsetof(vf_fixed, strings) };
    layout parts;
    vf_result result = find_parts(fixed, size, &parts);
    if (result != VF_OK)
        return result;
    uint64_t strs = 0;
    for (uint32_t c = 0; c < parts.set; c++) {
        if (parts.columns[c] != STRINGS && parts.columns[c] != STRINGS + 1)
            continue;
        const uint8_t *plane = parts.planes + (size_t)c * parts.count;
        uint64_t sum = 0;
        for (uint32_t i = 0; i < parts.count; i++)
            sum += plane[i];
        strs += parts.columns[c] == STRINGS ? sum : sum << 8;
    }
    if (strs > parts.stream_size) /* each takes a byte at least */
        return VF_BAD_FIELD;
    *ret_records = parts.count;
    *ret_strs = (uint32_t)strs;
    return VF_OK;
}

/* The rest of a number of more than one byte; 0: it ends too late, or is above 2^32 - 1. */
static int take_long(reader *r, uint32_t *n) {
    uint64_t value = *n & 0x7F;
    for (unsigned shift = 7; shift < 35; shift += 7) {
        if (r->at == r->end)
            return 0;
        uint8_t byte = *r->at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *n = (uint32_t)value;
            return value <= UINT32_MAX;
        }
    }
    return 0;
}

static inline int take_varint(reader *r, uint32_t *n) {
    if (r->at == r->end)
        return 0;
    *n = *r->at++;
    return *n < 0x80 || take_long(r, n);
}

/* The strings of a record; adds up their sizes. */
static int take_strings(reader *r, uint32_t count, vf_unit_str *str, uint64_t *ret_size) {
    uint64_t total = 0;
    uint32_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code, size;
        if (!take_varint(r, &code) || code > CODE_MAX)
            return 0;
        uint32_t id = code >> 1;
        if (id <= before)
            return 0;
        before = id;
        str[i].id = (uint16_t)id;
        if ((code & 1) != 0) {
            if (id >= VF_BLOCK_IDS || !r->last[id].known)
                return 0;
            str[i].at = r->last[id].at;
            str[i].size = r->last[id].size;
            total += r->last[id].size;
            continue;
        }
        if (!take_varint(r, &size) || size > r->data_size - r->data_used)
            return 0;
        str[i].at = r->data_used;
        str[i].size = size;
        if (id < VF_BLOCK_IDS) {
            r->last[id].at = r->data_used;
            r->last[id].size = size;
            r->last[id].known = 1;
        }
        r->data_used += size;
        total += size;
    }
    *ret_size = total;
    return 1;
}

static int take_data(reader *r, vf_unit_record *record, uint32_t size) {
    if (size > r->data_size - r->data_used)
        return 0;
    record->data_at = r->data_used;
    record->data_size = size;
    r->data_used += size;
    return 1;
}

static int fixed_holds(const vf_fixed *fixed) {
    unsigned left = vf_get16(fixed->reserved);
    uint64_t present = vf_get64(fixed->present);
    uint32_t payload_size = vf_get32(fixed->payload_size);
    int has_payload = (present & VF_HAS_PAYLOAD) != 0;
    return fixed->source < VF_SOURCES && fixed->charge_kind < VF_CHARGES &&
           fixed->eol <= VF_EOL_JOINED && payload_size <= VF_PAYLOAD_MAX &&
           (payload_size == 0 || has_payload) && (left & ~(unsigned)VF_LEFT_KNOWN) == 0 &&
           ((left & VF_LEFT_UID) == 0 || (has_payload && (left & VF_LEFT_PAYLOAD) == 0));
}

static int take_fixed(reader *r, vf_unit_record *record, vf_unit_str *str) {
    vf_fixed *fixed = &record->fixed;
    if (!fixed_holds(fixed))
        return 0;
    uint32_t count = vf_get16(fixed->strings), payload_size = vf_get32(fixed->payload_size);
    uint64_t strings_size;
    if (!take_strings(r, count, str, &strings_size) ||
        !take_data(r, record, (vf_get16(fixed->reserved) & VF_LEFT_PAYLOAD) ? 0 : payload_size))
        return 0;
    uint64_t length =
        VF_IMAGE_SIZE + (uint64_t)count * VF_STR_ENTRY_SIZE + strings_size + payload_size;
    if (length > VF_RECORD_MAX)
        return 0;
    vf_put32(&record->frame.length, (uint32_t)vf_padded(length));
    vf_put32(&fixed->strings_size, (uint32_t)strings_size);
    if ((vf_get64(fixed->present) & VF_HAS_POSITION) != 0) {
        uint64_t position = r->position + vf_get64(fixed->position);
        unsigned end = fixed->eol == VF_EOL_LF ? 1 : fixed->eol == VF_EOL_CRLF ? 2 : 0;
        vf_put64(&fixed->position, position);
        r->position = position + payload_size + end;
    }
    uint64_t prev_set = vf_get64(fixed->prev_set);
    if (prev_set != 0)
        vf_put64(&fixed->prev_set, record->lsn - prev_set);
    record->str_first = r->strs;
    record->strs = (uint16_t)count;
    r->strs += count;
    return 1;
}

static int take_whole(reader *r, vf_unit_record *record, uint32_t length) {
    record->whole = 1;
    record->str_first = r->strs;
    return length >= VF_FRAME_SIZE && length <= VF_RECORD_MAX && length % VF_RECORD_ALIGN == 0 &&
           vf_get16(record->fixed.strings) == 0 && take_data(r, record, length - VF_FRAME_SIZE);
}

/* A record whose image is in its place. */
static int take_record(reader *r, vf_unit_record *record, vf_unit_str *str) {
    vf_frame *frame = &record->frame;
    uint64_t lsn = r->lsn + vf_get64(frame->header_sum);
    uint64_t back = vf_get64(frame->prev), prev = back == 0 ? r->lsn : lsn - back;
    if (prev >= lsn || frame->kind == 0 || (frame->flags & ~VF_FRAME_FLAGS_KNOWN) != 0)
        return 0;
    record->lsn = r->lsn = lsn;
    r->seq += vf_get64(frame->seq) + 1;
    r->time += vf_get64(frame->time);
    vf_put64(&frame->header_sum, 0);
    vf_put64(&frame->seq, r->seq);
    vf_put64(&frame->time, r->time);
    vf_put64(&frame->prev, prev);
    uint32_t length = vf_get32(frame->length);
    if (length != 0)
        return take_whole(r, record, length);
    return (frame->kind == VF_KIND_EVENT || frame->kind == VF_KIND_SESSION ||
            frame->kind == VF_KIND_FORK) &&
           take_fixed(r, record, str);
}

vf_result vf_unit_open(const uint8_t *fixed, size_t size, uint32_t data_size, vf_unit *unit) {
    layout parts;
    vf_result result = find_parts(fixed, size, &parts);
    if (result != VF_OK)
        return result;
    reader r = {.seq = UINT64_MAX,
                .at = parts.stream,
                .end = parts.stream + parts.stream_size,
                .data_size = data_size};
    for (uint32_t from = 0; from < parts.count; from += TILE) {
        uint32_t end = parts.count - from < TILE ? parts.count : from + TILE;
        vf_unit_record *record = unit->record + from;
        memset(record, 0, (end - from) * sizeof *record);
        vf_planes_spread(parts.planes, parts.count, from, end, parts.columns, parts.set,
                         (uint8_t *)record, sizeof *record);
        for (uint32_t i = from; i < end; i++, record++) {
            if (!take_record(&r, record, unit->str + r.strs))
                return VF_BAD_FIELD;
        }
    }
    if (r.at != r.end || r.data_used != data_size)
        return VF_BAD_FIELD;
    unit->count = parts.count;
    unit->strs = r.strs;
    unit->data_size = data_size;
    return VF_OK;
}

/*
 * Makes blocks of records. What can be foretold from the record before, or follows from other
 * bytes of the record, is left out: a column that is zero in all records takes no room, and one
 * that nearly is takes next to none once it is compressed.
 */
#include "format/packed.h"
#include "format/planes.h"

/* An entry of a directory has 8 bytes; in the stream it takes 3 for the id and 5 for the size at
 * most. */
enum { STREAM_ENTRY_MAX = 8, STRINGS_MAX = 65535 };
#define STREAM_MAX \
    (VF_BLOCK_FIXED_MAX - VF_BLOCK_HEAD - (uint32_t)VF_IMAGE_SIZE * VF_BLOCK_RECORDS_MAX)

typedef struct {
    vf_frame frame;
    vf_fixed fixed;
} image;
_Static_assert(sizeof(image) == VF_IMAGE_SIZE, "an image is frame and fixed part");

void vf_block_begin(vf_block *block) {
    block->stream_size = 0;
    block->data_size = 0;
    block->count = 0;
    block->last_lsn = 0;
    block->last_seq = UINT64_MAX; /* so that a first record's seq stands as it is */
    block->last_time = 0;
    block->next_position = 0;
    memset(block->last, 0, sizeof block->last);
}

void vf_block_needs(size_t body_size, size_t *ret_stream, size_t *ret_data) {
    size_t most = (size_t)STRINGS_MAX * STREAM_ENTRY_MAX;
    *ret_stream = body_size < most ? body_size : most;
    *ret_data = body_size;
}

static int has_room(const vf_block *block, size_t body_size) {
    size_t stream_room = block->stream_room < STREAM_MAX ? block->stream_room : STREAM_MAX;
    size_t data_room = block->data_room < VF_BLOCK_DATA_MAX ? block->data_room : VF_BLOCK_DATA_MAX;
    size_t stream, data;
    vf_block_needs(body_size, &stream, &data);
    return block->count < block->images_room && block->count < VF_BLOCK_RECORDS_MAX &&
           block->stream_size <= stream_room && stream <= stream_room - block->stream_size &&
           block->data_size <= data_room && data <= data_room - block->data_size;
}

static int frame_holds(const vf_frame *frame, uint64_t lsn, size_t body_size) {
    uint32_t length = vf_get32(frame->length);
    return length >= VF_FRAME_SIZE && length <= VF_RECORD_MAX && length % VF_RECORD_ALIGN == 0 &&
           length - VF_FRAME_SIZE == body_size && frame->kind != 0 &&
           (frame->flags & ~VF_FRAME_FLAGS_KNOWN) == 0 && vf_get64(frame->prev) < lsn;
}

/* What can be left out must come back as it was: a prev_set that is the record's own lsn would not.
 */
static int can_be_taken_apart(const vf_frame *frame, uint64_t lsn, const uint8_t *body,
                              size_t body_size, vf_body *ret_body) {
    return (frame->kind == VF_KIND_EVENT || frame->kind == VF_KIND_SESSION ||
            frame->kind == VF_KIND_FORK) &&
           vf_body_decode(body, body_size, ret_body) == VF_OK &&
           vf_get64(ret_body->fixed.prev_set) != lsn;
}

static void put_data(vf_block *block, const void *bytes, size_t size) {
    if (size > 0)
        memcpy(block->data + block->data_size, bytes, size);
    block->data_size += size;
}

static void put_varint(vf_block *block, uint32_t n) {
    while (n >= 0x80) {
        block->stream[block->stream_size++] = (uint8_t)(n | 0x80);
        n >>= 7;
    }
    block->stream[block->stream_size++] = (uint8_t)n;
}

static void put_string(vf_block *block, uint16_t id, const uint8_t *text, uint32_t size) {
    int kept = id < VF_BLOCK_IDS;
    int same = kept && block->last[id].known && block->last[id].size == size &&
               (size == 0 || memcmp(block->data + block->last[id].at, text, size) == 0);
    put_varint(block, (uint32_t)id << 1 | (uint32_t)same);
    if (same)
        return;
    put_varint(block, size);
    if (kept) {
        block->last[id].at = (uint32_t)block->data_size;
        block->last[id].size = size;
        block->last[id].known = 1;
    }
    put_data(block, text, size);
}

/* The strings of a body that decodes, of known and unknown ids. */
static void put_strings(vf_block *block, const uint8_t *body, uint32_t count) {
    const uint8_t *entry_at = body + VF_FIXED_SIZE;
    const uint8_t *text = entry_at + (size_t)count * VF_STR_ENTRY_SIZE;
    for (uint32_t i = 0; i < count; i++) {
        vf_str_entry entry;
        memcpy(&entry, entry_at + (size_t)i * VF_STR_ENTRY_SIZE, sizeof entry);
        put_string(block, vf_get16(entry.id), text, vf_get32(entry.size));
        text += vf_get32(entry.size);
    }
}

/* Leaves out the keys that follow from payload and strings. Returns VF_LEFT_*. */
static uint16_t leave_keys(vf_fixed *fixed, const vf_body *body, vf_key line_key, int pin) {
    uint64_t present = vf_get64(fixed->present);
    const vf_text *message = &body->str[VF_STR_MESSAGE_ID],
                  *request = &body->str[VF_STR_REQUEST_ID];
    uint16_t left = 0;
    if ((present & VF_HAS_UID) != 0 && body->payload != NULL && !pin &&
        vf_key_equal(fixed->uid, vf_line_uid(line_key, body->payload, body->payload_size, 0))) {
        memset(&fixed->uid, 0, sizeof fixed->uid);
        left |= VF_LEFT_UID;
    }
    if ((present & VF_HAS_CHARGE) != 0 && message->ptr != NULL &&
        vf_key_equal(fixed->charge, vf_string_key(VF_SPACE_CHARGE, message->ptr, message->size))) {
        memset(&fixed->charge, 0, sizeof fixed->charge);
        left |= VF_LEFT_CHARGE;
    }
    uint64_t part = vf_get64(fixed->charge_part);
    if (part != 0 && part == vf_charge_part(request->ptr, request->size)) {
        vf_put64(&fixed->charge_part, 0);
        left |= VF_LEFT_CHARGE_PART;
    }
    if (pin && body->payload_size > 0)
        left |= VF_LEFT_PAYLOAD;
    return left;
}

static uint64_t behind_line(const vf_fixed *fixed, uint64_t position) {
    unsigned end = fixed->eol == VF_EOL_LF ? 1 : fixed->eol == VF_EOL_CRLF ? 2 : 0;
    return position + vf_get32(fixed->payload_size) + end;
}

static void put_fixed(vf_block *block, vf_fixed *ret, uint64_t lsn, const vf_body *body,
                      vf_key line_key, int pin) {
    vf_fixed fixed = body->fixed;
    uint16_t left = leave_keys(&fixed, body, line_key, pin);
    if ((vf_get64(fixed.present) & VF_HAS_POSITION) != 0) {
        uint64_t position = vf_get64(fixed.position);
        vf_put64(&fixed.position, position - block->next_position);
        block->next_position = behind_line(&fixed, position);
    }
    uint64_t prev_set = vf_get64(fixed.prev_set);
    vf_put64(&fixed.prev_set, prev_set == 0 ? 0 : lsn - prev_set);
    vf_put16(&fixed.reserved, left);
    vf_put32(&fixed.strings_size, 0);
    *ret = fixed;
}

static void put_frame(vf_block *block, vf_frame *ret, uint64_t lsn, const vf_frame *frame,
                      int whole, int pin) {
    uint64_t seq = vf_get64(frame->seq), time = vf_get64(frame->time), prev = vf_get64(frame->prev);
    vf_put64(&ret->header_sum, lsn - block->last_lsn); /* the lsn takes the sum's place */
    if (whole)
        ret->length = frame->length;
    ret->kind = frame->kind;
    ret->flags = frame->flags;
    ret->type = frame->type;
    vf_put64(&ret->seq, seq - block->last_seq - 1);
    vf_put64(&ret->time, time - block->last_time);
    vf_put64(&ret->prev, prev == block->last_lsn ? 0 : lsn - prev);
    if (pin) {
        ret->session = frame->session;
        ret->body_sum = frame->body_sum;
    }
    block->last_lsn = lsn;
    block->last_seq = seq;
    block->last_time = time;
}

vf_result vf_block_add(vf_block *block, uint64_t lsn, const vf_frame *frame, const uint8_t *body,
                       size_t body_size, vf_key line_key, int pin) {
    image made;
    vf_body parts;
    if (!frame_holds(frame, lsn, body_size))
        return VF_BAD_FIELD;
    if (!has_room(block, body_size))
        return VF_SHORT;
    memset(&made, 0, sizeof made);
    int whole = !can_be_taken_apart(frame, lsn, body, body_size, &parts);
    put_frame(block, &made.frame, lsn, frame, whole, pin);
    if (whole) {
        put_data(block, body, body_size);
    } else {
        put_fixed(block, &made.fixed, lsn, &parts, line_key, pin);
        put_strings(block, body, vf_get16(parts.fixed.strings));
        if (!pin)
            put_data(block, parts.payload, parts.payload_size);
    }
    memcpy(block->images + (size_t)block->count * VF_IMAGE_SIZE, &made, sizeof made);
    block->count++;
    return VF_OK;
}

size_t vf_block_fixed_max(const vf_block *block) {
    return VF_BLOCK_HEAD + (size_t)block->count * VF_IMAGE_SIZE + block->stream_size;
}

size_t vf_block_fixed(const vf_block *block, uint8_t *at) {
    uint8_t any[VF_IMAGE_SIZE];
    uint16_t columns[VF_IMAGE_SIZE];
    le32 words[2];
    vf_put32(&words[0], block->count);
    vf_put32(&words[1], (uint32_t)block->stream_size);
    memcpy(at, words, sizeof words);
    vf_planes_any(block->images, VF_IMAGE_SIZE, block->count, VF_IMAGE_SIZE, any);
    vf_planes_bitmap(any, VF_IMAGE_SIZE, at + sizeof words);
    uint32_t count = vf_planes_list(at + sizeof words, VF_IMAGE_SIZE, columns);
    vf_planes_gather(block->images, VF_IMAGE_SIZE, block->count, columns, count,
                     at + VF_BLOCK_HEAD);
    size_t size = VF_BLOCK_HEAD + (size_t)count * block->count;
    if (block->stream_size > 0)
        memcpy(at + size, block->stream, block->stream_size);
    return size + block->stream_size;
}

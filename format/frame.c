/*
 * Seals and checks the frame of a record. The order of the checks is part of the format: nothing in
 * a frame is believed before its sum holds, and no body is touched before its length is believed.
 */
#include "format/frame.h"

/* What the header sum covers: everything behind itself. */
enum { SUMMED_FROM = 8 };

const char *vf_result_text(vf_result result) {
    switch (result) {
    case VF_OK:
        return "ok";
    case VF_END:
        return "nothing written here";
    case VF_SHORT:
        return "cut off";
    case VF_BAD_SUM:
        return "checksum mismatch";
    case VF_BAD_FIELD:
        return "impossible value";
    case VF_BAD_CHAIN:
        return "does not follow the record before";
    case VF_BAD_MAGIC:
        return "not a file of this store";
    case VF_BAD_VERSION:
        return "version or feature that this program does not know";
    }
    return "unknown result";
}

uint64_t vf_frame_seed(uint64_t salt, uint64_t lsn) {
    le64 words[2];
    vf_put64(&words[0], salt);
    vf_put64(&words[1], lsn);
    return vf_sum64(words, sizeof words, 0);
}

uint64_t vf_frame_seal(vf_frame *frame, uint64_t salt, uint64_t lsn, uint32_t chain) {
    vf_put32(&frame->chain, chain);
    uint64_t sum = vf_sum64((const uint8_t *)frame + SUMMED_FROM, VF_FRAME_SIZE - SUMMED_FROM,
                            vf_frame_seed(salt, lsn));
    vf_put64(&frame->header_sum, sum);
    return sum;
}

uint32_t vf_body_sum(const void *body, size_t size) {
    return (uint32_t)vf_sum64(body, size, 0);
}

static int all_zero(const uint8_t *bytes, size_t size) {
    uint8_t seen = 0;
    for (size_t i = 0; i < size; i++)
        seen |= bytes[i];
    return seen == 0;
}

vf_result vf_frame_check(const uint8_t *bytes, size_t size, uint64_t salt, uint64_t lsn,
                         const uint32_t *chain, vf_frame *ret_frame) {
    if (size < VF_FRAME_SIZE)
        return VF_SHORT;
    vf_frame frame;
    memcpy(&frame, bytes, sizeof frame);
    uint64_t sum =
        vf_sum64(bytes + SUMMED_FROM, VF_FRAME_SIZE - SUMMED_FROM, vf_frame_seed(salt, lsn));
    if (sum != vf_get64(frame.header_sum)) /* asked first, for speed: zeros have no valid sum */
        return all_zero(bytes, VF_FRAME_SIZE) ? VF_END : VF_BAD_SUM;
    uint32_t length = vf_get32(frame.length);
    if (length < VF_FRAME_SIZE || length % VF_RECORD_ALIGN != 0 || length > VF_RECORD_MAX ||
        frame.kind == 0 || (frame.flags & ~VF_FRAME_FLAGS_KNOWN) != 0 ||
        vf_get64(frame.prev) >= lsn) /* a walk back along prev comes to an end */
        return VF_BAD_FIELD;
    if (chain != NULL && vf_get32(frame.chain) != *chain)
        return VF_BAD_CHAIN;
    *ret_frame = frame;
    return VF_OK;
}

vf_result vf_record_check(const uint8_t *bytes, size_t size, uint64_t salt, uint64_t lsn,
                          const uint32_t *chain, vf_frame *ret_frame) {
    vf_frame frame;
    vf_result result = vf_frame_check(bytes, size, salt, lsn, chain, &frame);
    if (result != VF_OK)
        return result;
    uint32_t length = vf_get32(frame.length);
    if (size < length)
        return VF_SHORT;
    if (vf_body_sum(bytes + VF_FRAME_SIZE, length - VF_FRAME_SIZE) != vf_get32(frame.body_sum))
        return VF_BAD_SUM;
    *ret_frame = frame;
    return VF_OK;
}

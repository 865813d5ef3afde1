/*
 * Takes record bodies apart and puts them together. A decoder gets bytes whose sum held, which says
 * that nothing broke them, not that whoever wrote them meant well: every size is checked before it
 * is used, and what is open (enums, presence bits, unknown strings) is let through as it stands.
 */
#include "format/body.h"

#include <stdbool.h>

#include <assert.h>

enum { PADDING_MAX = VF_RECORD_ALIGN - 1 };

/* Room for the body in a record of the greatest length. */
#define BODY_MAX ((uint64_t)VF_RECORD_MAX - VF_FRAME_SIZE)

static int is_padding(const uint8_t *bytes, size_t size) {
    if (size > PADDING_MAX)
        return 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return 0;
    }
    return 1;
}

uint64_t vf_body_size(const vf_text str[VF_STRS], uint32_t payload_size) {
    uint64_t size = VF_FIXED_SIZE + (uint64_t)payload_size;
    for (size_t id = 1; id < VF_STRS; id++)
        size += str[id].ptr != NULL ? VF_STR_ENTRY_SIZE + (uint64_t)str[id].size : 0;
    return payload_size > VF_PAYLOAD_MAX || size > BODY_MAX ? 0 : size;
}

void vf_body_encode(uint8_t *at, const vf_fixed *fixed, const vf_text str[VF_STRS],
                    const uint8_t *payload, uint32_t payload_size) {
    uint8_t there[VF_STRS]; /* the strings that there are */
    uint16_t count = 0;
    uint32_t strings_size = 0;
    for (unsigned id = 1; id < VF_STRS; id++) {
        there[count] = (uint8_t)id;
        count = (uint16_t)(count + (str[id].ptr != NULL));
    }
    uint8_t *entry_at = at + VF_FIXED_SIZE, *text_at = entry_at + count * sizeof(vf_str_entry);
    for (unsigned i = 0; i < count; i++) {
        const vf_text *text = &str[there[i]];
        vf_str_entry entry = {0};
        vf_put16(&entry.id, there[i]);
        vf_put32(&entry.size, text->size);
        memcpy(entry_at + i * sizeof entry, &entry, sizeof entry);
        memcpy(text_at, text->ptr, text->size);
        text_at += text->size;
        strings_size += text->size;
    }
    vf_fixed out = *fixed;
    if (payload_size > 0) { /* without the bit these bytes would be taken for damage */
        assert(payload != NULL);
        memcpy(text_at, payload, payload_size);
        vf_put64(&out.present, vf_get64(out.present) | VF_HAS_PAYLOAD);
    }
    vf_put32(&out.payload_size, payload_size);
    vf_put16(&out.strings, count);
    vf_put16(&out.reserved, 0);
    vf_put32(&out.strings_size, strings_size);
    memcpy(at, &out, sizeof out);
}

uint32_t vf_body_content_sum(const vf_body *body) {
    static const uint8_t zeros[VF_RECORD_ALIGN];
    vf_fixed fixed = body->fixed;
    uint32_t flags = vf_get32(fixed.flags);
    if ((flags & VF_EV_ORIGIN) != 0) {
        memset(&fixed.uid, 0, sizeof fixed.uid);
        vf_put64(&fixed.present, vf_get64(fixed.present) & ~(uint64_t)VF_HAS_UID);
    }
    vf_put32(&fixed.flags, flags & ~(uint32_t)(VF_EV_ORIGIN | VF_EV_REPEATED));
    vf_put64(&fixed.prev_set, 0);
    vf_str_entry entries[VF_STRS] = {0};
    vf_piece parts[VF_STRS + 4];
    size_t count = 2, size = VF_FIXED_SIZE;
    uint16_t strings = 0;
    for (unsigned id = 1; id < VF_STRS; id++) {
        if (body->str[id].ptr == NULL)
            continue;
        vf_put16(&entries[strings].id, (uint16_t)id);
        vf_put32(&entries[strings++].size, body->str[id].size);
        parts[count++] = (vf_piece){body->str[id].ptr, body->str[id].size};
        size += VF_STR_ENTRY_SIZE + body->str[id].size;
    }
    size += body->payload_size;
    parts[0] = (vf_piece){&fixed, sizeof fixed};
    parts[1] = (vf_piece){entries, strings * sizeof *entries};
    parts[count++] = (vf_piece){body->payload, body->payload == NULL ? 0 : body->payload_size};
    parts[count++] =
        (vf_piece){zeros, (size_t)vf_padded(VF_FRAME_SIZE + size) - VF_FRAME_SIZE - size};
    return (uint32_t)vf_sum64_parts(parts, count);
}

/* The directory of strings at 'bytes': ids rise, sizes add up to 'strings_size', which is known to
 * fit. */
static vf_result decode_strings(const uint8_t *bytes, uint32_t count, uint32_t strings_size,
                                vf_body *body) {
    const char *text = (const char *)bytes + (size_t)count * VF_STR_ENTRY_SIZE;
    uint32_t left = strings_size;
    uint16_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        vf_str_entry entry;
        const uint8_t *at = bytes + (size_t)i * VF_STR_ENTRY_SIZE;
        memcpy(&entry, at, sizeof entry);
        uint16_t id = vf_get16(entry.id);
        uint32_t size = vf_get32(entry.size);
        if (id <= last || vf_get16(entry.reserved) != 0 || size > left)
            return VF_BAD_FIELD;
        if (id < VF_STRS)
            body->str[id] = (vf_text){text, size};
        else if (body->unknown_strings == NULL)
            body->unknown_strings = at;
        last = id;
        text += size;
        left -= size;
    }
    return left == 0 ? VF_OK : VF_BAD_FIELD;
}

vf_result vf_body_decode(const uint8_t *bytes, size_t size, vf_body *ret_body) {
    if (size < VF_FIXED_SIZE)
        return VF_BAD_FIELD;
    vf_body body = {0};
    memcpy(&body.fixed, bytes, sizeof body.fixed);
    const vf_fixed *fixed = &body.fixed;
    if (fixed->source >= VF_SOURCES || fixed->charge_kind >= VF_CHARGES ||
        fixed->eol > VF_EOL_JOINED || vf_get16(fixed->reserved) != 0)
        return VF_BAD_FIELD;

    uint32_t count = vf_get16(fixed->strings);
    uint32_t strings_size = vf_get32(fixed->strings_size);
    uint32_t payload_size = vf_get32(fixed->payload_size);
    int has_payload = (vf_get64(fixed->present) & VF_HAS_PAYLOAD) != 0;
    uint64_t directory = (uint64_t)count * VF_STR_ENTRY_SIZE;
    uint64_t used = VF_FIXED_SIZE + directory + strings_size + payload_size; /* below 2^34 */
    if (payload_size > VF_PAYLOAD_MAX || (payload_size > 0 && !has_payload) || used > size ||
        !is_padding(bytes + used, size - (size_t)used))
        return VF_BAD_FIELD;
    vf_result result = decode_strings(bytes + VF_FIXED_SIZE, count, strings_size, &body);
    if (result != VF_OK)
        return result;
    body.payload = has_payload ? bytes + used - payload_size : NULL;
    body.payload_size = payload_size;
    *ret_body = body;
    return VF_OK;
}

vf_result vf_cursor_decode(const uint8_t *bytes, size_t size, vf_key *ret_key, vf_text *ret_name,
                           vf_text *ret_state) {
    vf_cursor_fixed fixed;
    if (size < sizeof fixed)
        return VF_BAD_FIELD;
    memcpy(&fixed, bytes, sizeof fixed);
    uint32_t name_size = vf_get32(fixed.name_size);
    uint32_t state_size = vf_get32(fixed.state_size);
    if (name_size > VF_CURSOR_NAME_MAX || state_size > VF_CURSOR_STATE_MAX)
        return VF_BAD_FIELD;
    size_t used = sizeof fixed + name_size + state_size;
    if (used > size || !is_padding(bytes + used, size - used))
        return VF_BAD_FIELD;
    const char *name = (const char *)bytes + sizeof fixed;
    bool forgotten = name_size == 0 && state_size == 0;
    if (!forgotten && !vf_key_equal(fixed.key, vf_string_key(VF_SPACE_CURSOR, name, name_size)))
        return VF_BAD_FIELD;
    *ret_key = fixed.key;
    *ret_name = (vf_text){name, name_size};
    *ret_state = (vf_text){name + name_size, state_size};
    return VF_OK;
}

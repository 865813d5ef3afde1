/*
 * Bodies of an open block's records: as they are read, and byte for byte as they stood in the log.
 */
#include "format/packed.h"

uint32_t vf_unit_length(const vf_unit *unit, uint32_t i) {
    return vf_get32(unit->record[i].frame.length);
}

/* Something to point to also where the block has no data: an empty string is not an absent one. */
static const uint8_t *data_at(const vf_unit *unit, uint32_t at) {
    static const uint8_t none[1];
    return unit->data == NULL ? none : unit->data + at;
}

static const vf_unit_str *find_string(const vf_unit *unit, const vf_unit_record *record,
                                      unsigned id) {
    const vf_unit_str *str = unit->str + record->str_first;
    for (uint32_t i = 0; i < record->strs && str[i].id <= id; i++) {
        if (str[i].id == id)
            return &str[i];
    }
    return NULL;
}

/* The fixed part as it stood in the log: makes what was left out. */
static vf_result make_fixed(const vf_unit *unit, const vf_unit_record *record, vf_key line_key,
                            vf_fixed *ret_fixed) {
    unsigned left = vf_get16(record->fixed.reserved);
    *ret_fixed = record->fixed;
    vf_put16(&ret_fixed->reserved, 0);
    if ((left & VF_LEFT_UID) != 0)
        ret_fixed->uid =
            vf_line_uid(line_key, data_at(unit, record->data_at), record->data_size, 0);
    if ((left & VF_LEFT_CHARGE) != 0) {
        const vf_unit_str *message = find_string(unit, record, VF_STR_MESSAGE_ID);
        if (message == NULL)
            return VF_BAD_FIELD;
        ret_fixed->charge =
            vf_string_key(VF_SPACE_CHARGE, data_at(unit, message->at), message->size);
    }
    if ((left & VF_LEFT_CHARGE_PART) != 0) {
        const vf_unit_str *request = find_string(unit, record, VF_STR_REQUEST_ID);
        if (request == NULL)
            return VF_BAD_FIELD;
        vf_put64(&ret_fixed->charge_part,
                 vf_charge_part(data_at(unit, request->at), request->size));
    }
    return VF_OK;
}

/* A whole body is one that could not be taken apart, which says nothing against reading it. */
static vf_result whole_body(const vf_unit *unit, const vf_unit_record *record, vf_body *ret_body) {
    uint8_t kind = record->frame.kind;
    if (kind != VF_KIND_EVENT && kind != VF_KIND_SESSION && kind != VF_KIND_FORK)
        return VF_BAD_FIELD;
    return vf_body_decode(data_at(unit, record->data_at), record->data_size, ret_body);
}

vf_result vf_unit_fixed(const vf_unit *unit, uint32_t i, vf_key line_key, vf_fixed *ret_fixed) {
    const vf_unit_record *record = &unit->record[i];
    return record->whole ? VF_BAD_FIELD : make_fixed(unit, record, line_key, ret_fixed);
}

vf_result vf_unit_body(const vf_unit *unit, uint32_t i, vf_key line_key, vf_body *ret_body) {
    const vf_unit_record *record = &unit->record[i];
    if (record->whole)
        return whole_body(unit, record, ret_body);
    memset(ret_body, 0, sizeof *ret_body);
    vf_result result = make_fixed(unit, record, line_key, &ret_body->fixed);
    if (result != VF_OK)
        return result;
    const vf_unit_str *str = unit->str + record->str_first;
    for (uint32_t s = 0; s < record->strs && str[s].id < VF_STRS; s++)
        ret_body->str[str[s].id] = (vf_text){(const char *)data_at(unit, str[s].at), str[s].size};
    if ((vf_get64(record->fixed.present) & VF_HAS_PAYLOAD) != 0 &&
        (vf_get16(record->fixed.reserved) & VF_LEFT_PAYLOAD) == 0) {
        ret_body->payload = data_at(unit, record->data_at);
        ret_body->payload_size = record->data_size;
    }
    return VF_OK;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t size) {
    if (size > 0)
        memcpy(at, bytes, size);
    return at + size;
}

vf_result vf_unit_raw_body(const vf_unit *unit, uint32_t i, vf_key line_key, uint8_t *at) {
    const vf_unit_record *record = &unit->record[i];
    const uint8_t *end = at + (vf_unit_length(unit, i) - VF_FRAME_SIZE);
    if (record->whole) {
        put(at, data_at(unit, record->data_at), record->data_size);
        return VF_OK;
    }
    vf_fixed fixed;
    if (make_fixed(unit, record, line_key, &fixed) != VF_OK)
        return VF_BAD_FIELD;
    at = put(at, &fixed, sizeof fixed);
    const vf_unit_str *str = unit->str + record->str_first;
    for (uint32_t s = 0; s < record->strs; s++) {
        vf_str_entry entry = {0};
        vf_put16(&entry.id, str[s].id);
        vf_put32(&entry.size, str[s].size);
        at = put(at, &entry, sizeof entry);
    }
    for (uint32_t s = 0; s < record->strs; s++)
        at = put(at, data_at(unit, str[s].at), str[s].size);
    at = put(at, data_at(unit, record->data_at), record->data_size);
    memset(at, 0, (size_t)(end - at)); /* the padding, and the payload that was left out */
    return VF_OK;
}

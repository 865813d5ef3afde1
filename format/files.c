/*
 * Checks and seals STORE, segment headers and manifests. Each check goes from "is this ours at all"
 * over "is it whole" to "may we read it": a newer version is told apart from damage. Reserved bytes
 * are written as zero and not looked at: a later minor version may give them a meaning.
 */
#include "format/files.h"

#include <assert.h>

/* What the sum of each of these structures covers: everything behind magic and sum. */
enum { SUMMED_FROM = 16 };

static uint64_t sum_of(const uint8_t *bytes, size_t size) {
    return vf_sum64(bytes + SUMMED_FROM, size - SUMMED_FROM, 0);
}

vf_result vf_features_check(const vf_features *features, int *ret_read_only) {
    if (vf_get16(features->version_major) != VF_VERSION_MAJOR ||
        (vf_get32(features->incompat) & ~(uint32_t)VF_INCOMPAT_KNOWN) != 0)
        return VF_BAD_VERSION;
    if (ret_read_only != NULL)
        *ret_read_only = (vf_get32(features->read_compat) & ~(uint32_t)VF_READ_COMPAT_KNOWN) != 0;
    return VF_OK;
}

void vf_features_fill(vf_features *features) {
    vf_put32(&features->compat, VF_COMPAT_KNOWN);
    vf_put32(&features->read_compat, VF_READ_COMPAT_KNOWN);
    vf_put32(&features->incompat, VF_INCOMPAT_KNOWN);
    vf_put16(&features->version_major, VF_VERSION_MAJOR);
    vf_put16(&features->version_minor, VF_VERSION_MINOR);
}

void vf_store_seal(vf_store_file *file) {
    memcpy(file->magic, VF_STORE_MAGIC, sizeof file->magic);
    vf_features_fill(&file->features);
    vf_put64(&file->sum, sum_of((const uint8_t *)file, sizeof *file));
}

static int store_fields_hold(const vf_store_file *file) {
    uint32_t segment_size = vf_get32(file->segment_size);
    return segment_size >= VF_SEGMENT_SIZE_MIN && segment_size <= VF_SEGMENT_SIZE_MAX &&
           vf_get32(file->machine_size) <= VF_MACHINE_MAX;
}

vf_result vf_store_check(const uint8_t *bytes, size_t size, vf_store_file *ret_file,
                         int *ret_read_only) {
    vf_store_file file;
    if (size < sizeof file)
        return VF_SHORT;
    memcpy(&file, bytes, sizeof file);
    if (memcmp(file.magic, VF_STORE_MAGIC, sizeof file.magic) != 0)
        return VF_BAD_MAGIC;
    if (sum_of(bytes, sizeof file) != vf_get64(file.sum))
        return VF_BAD_SUM;
    int read_only;
    vf_result result = vf_features_check(&file.features, &read_only);
    if (result != VF_OK)
        return result;
    if (!store_fields_hold(&file))
        return VF_BAD_FIELD;
    *ret_file = file;
    if (ret_read_only != NULL)
        *ret_read_only = read_only;
    return VF_OK;
}

void vf_segment_seal(vf_segment_header *header) {
    memcpy(header->magic, VF_SEGMENT_MAGIC, sizeof header->magic);
    vf_features_fill(&header->features);
    vf_put64(&header->sum, sum_of((const uint8_t *)header, sizeof *header));
}

/* The predecessor is the segment with the number before; its end lies behind its header. */
static int predecessor_holds(const vf_segment_header *header) {
    uint32_t number = vf_get32(header->number);
    uint64_t prev_end = vf_get64(header->prev_end);
    if (number == 1)
        return prev_end == 0 && vf_get32(header->prev_chain) == 0;
    return vf_lsn_segment(prev_end) == number - 1 && vf_lsn_offset(prev_end) >= VF_SEGMENT_HEADER &&
           prev_end % VF_RECORD_ALIGN == 0;
}

static int segment_fields_hold(const vf_segment_header *header) {
    uint32_t number = vf_get32(header->number);
    uint64_t hole_from = vf_get64(header->hole_from);
    uint64_t hole_to = vf_get64(header->hole_to);
    if (number == 0 || number > VF_SEGMENT_NUMBER_MAX || vf_get64(header->salt) == 0 ||
        !predecessor_holds(header))
        return 0;
    if (hole_from == 0 && hole_to == 0)
        return 1;
    return hole_from != 0 && hole_from < hole_to && hole_to <= vf_lsn(number, VF_SEGMENT_HEADER);
}

static int all_zero(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return 0;
    }
    return 1;
}

vf_result vf_segment_check(const uint8_t *bytes, size_t size, vf_segment_header *ret_header,
                           int *ret_read_only) {
    vf_segment_header header;
    if (size < sizeof header)
        return VF_SHORT;
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, VF_SEGMENT_MAGIC, sizeof header.magic) != 0)
        return all_zero(bytes, sizeof header) ? VF_END : VF_BAD_MAGIC;
    if (sum_of(bytes, sizeof header) != vf_get64(header.sum))
        return VF_BAD_SUM;
    int read_only;
    vf_result result = vf_features_check(&header.features, &read_only);
    if (result != VF_OK)
        return result;
    if (!segment_fields_hold(&header))
        return VF_BAD_FIELD;
    *ret_header = header;
    if (ret_read_only != NULL)
        *ret_read_only = read_only;
    return VF_OK;
}

uint32_t vf_segment_chain(const vf_segment_header *header) {
    return (uint32_t)vf_get64(header->sum);
}

static int manifest_entries_hold(const uint8_t *bytes, uint32_t count) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        vf_manifest_entry entry;
        memcpy(&entry, bytes + (size_t)i * VF_MANIFEST_ENTRY, sizeof entry);
        uint64_t first = vf_get64(entry.first_lsn);
        if (first < end || vf_get64(entry.end_lsn) <= first || vf_get32(entry.number) == 0 ||
            vf_get32(entry.tier) > 1 ||
            vf_lsn_segment(vf_get64(entry.end_lsn)) > VF_SEGMENT_NUMBER_MAX)
            return 0;
        end = vf_get64(entry.end_lsn);
    }
    return 1;
}

vf_result vf_manifest_check(const uint8_t *bytes, size_t size, vf_manifest_header *ret_header) {
    vf_manifest_header header;
    if (size < sizeof header)
        return VF_SHORT;
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, VF_MANIFEST_MAGIC, sizeof header.magic) != 0)
        return VF_BAD_MAGIC;
    if (sum_of(bytes, size) != vf_get64(header.sum))
        return VF_BAD_SUM;
    vf_result result = vf_features_check(&header.features, NULL);
    if (result != VF_OK)
        return result;
    uint32_t count = vf_get32(header.entries);
    if (size > VF_MANIFEST_MAX ||
        size != VF_MANIFEST_HEADER + (uint64_t)count * VF_MANIFEST_ENTRY ||
        !manifest_entries_hold(bytes + VF_MANIFEST_HEADER, count))
        return VF_BAD_FIELD;
    *ret_header = header;
    return VF_OK;
}

void vf_manifest_seal(uint8_t *bytes, size_t size) {
    vf_manifest_header header;
    assert(size >= sizeof header && size <= VF_MANIFEST_MAX);
    memcpy(&header, bytes, sizeof header);
    memcpy(header.magic, VF_MANIFEST_MAGIC, sizeof header.magic);
    vf_features_fill(&header.features);
    memcpy(bytes, &header, sizeof header);
    vf_put64(&header.sum, sum_of(bytes, size));
    memcpy(bytes, &header, sizeof header);
}

static int lost_entries_hold(const uint8_t *bytes, uint32_t count) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        le64 from, to;
        memcpy(&from, bytes + (size_t)i * VF_LOST_ENTRY, sizeof from);
        memcpy(&to, bytes + (size_t)i * VF_LOST_ENTRY + sizeof from, sizeof to);
        if (vf_get64(from) <= end || vf_get64(to) <= vf_get64(from))
            return 0;
        end = vf_get64(to);
    }
    return 1;
}

vf_result vf_lost_check(const uint8_t *bytes, size_t size, vf_lost_header *ret_header) {
    vf_lost_header header;
    if (size < sizeof header)
        return VF_SHORT;
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, VF_LOST_MAGIC, sizeof header.magic) != 0)
        return VF_BAD_MAGIC;
    if (sum_of(bytes, size) != vf_get64(header.sum))
        return VF_BAD_SUM;
    vf_result result = vf_features_check(&header.features, NULL);
    if (result != VF_OK)
        return result;
    uint32_t count = vf_get32(header.entries);
    if (size > VF_LOST_MAX || size != VF_LOST_HEADER + (uint64_t)count * VF_LOST_ENTRY ||
        !lost_entries_hold(bytes + VF_LOST_HEADER, count))
        return VF_BAD_FIELD;
    *ret_header = header;
    return VF_OK;
}

void vf_lost_seal(uint8_t *bytes, size_t size) {
    vf_lost_header header;
    assert(size >= sizeof header && size <= VF_LOST_MAX);
    memcpy(&header, bytes, sizeof header);
    memcpy(header.magic, VF_LOST_MAGIC, sizeof header.magic);
    vf_features_fill(&header.features);
    memcpy(bytes, &header, sizeof header);
    vf_put64(&header.sum, sum_of(bytes, size));
    memcpy(bytes, &header, sizeof header);
}

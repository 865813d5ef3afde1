/*
 * Fuzzes everything in format/ that reads bytes, but packed segments, which fuzz_packed.c does. The
 * first byte of the input chooses the decoder; its highest bit says that sums be mended first, so
 * that the checks behind them are reached too.
 */
#include "format/body.h"
#include "format/files.h"
#include "format/index.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

enum { MEND = 0x80, MEND_FROM = 16 };
static const uint64_t SALT = 3, LSN = ((uint64_t)1 << 32) + 4096;

/* Reads every byte, so that a sanitizer sees a range that is not ours. */
static void touch(const void *ptr, size_t size) {
    volatile uint8_t sink = 0;
    const uint8_t *bytes = ptr;
    for (size_t i = 0; i < size; i++)
        sink = (uint8_t)(sink + bytes[i]);
}

/* What is promised must hold, also where no sanitizer watches. */
static void require(int holds) {
    if (!holds)
        abort();
}

static void put_sum(uint8_t *at, uint64_t sum) {
    le64 word;
    vf_put64(&word, sum);
    memcpy(at, &word, sizeof word);
}

static void mend_file(uint8_t *bytes, size_t size, size_t summed) {
    if (summed > size)
        summed = size;
    if (summed > MEND_FROM)
        put_sum(bytes + 8, vf_sum64(bytes + MEND_FROM, summed - MEND_FROM, 0));
}

static void fuzz_body(const uint8_t *bytes, size_t size) {
    vf_body body;
    if (vf_body_decode(bytes, size, &body) != VF_OK)
        return;
    touch(body.payload, body.payload_size);
    for (unsigned id = 0; id < VF_STRS; id++)
        touch(body.str[id].ptr, body.str[id].size);
    if (body.unknown_strings != NULL) {
        touch(body.unknown_strings, VF_STR_ENTRY_SIZE);
        return; /* which vf_body_encode cannot write */
    }
    uint64_t again = vf_body_size(body.str, body.payload_size);
    uint8_t *copy = malloc((size_t)again);
    require(again >= VF_FIXED_SIZE && again <= size && copy != NULL);
    vf_body_encode(copy, &body.fixed, body.str, body.payload, body.payload_size);
    require(memcmp(copy, bytes, (size_t)again) == 0); /* one encoding for each body */
    free(copy);
}

static void fuzz_cursor(const uint8_t *bytes, size_t size) {
    vf_key key;
    vf_text name, state;
    if (vf_cursor_decode(bytes, size, &key, &name, &state) != VF_OK)
        return;
    touch(name.ptr, name.size);
    touch(state.ptr, state.size);
}

static void fuzz_record(uint8_t *bytes, size_t size, int mend) {
    vf_frame frame;
    if (mend && size >= sizeof frame) {
        memcpy(&frame, bytes, sizeof frame);
        uint32_t length = vf_get32(frame.length);
        if (length >= sizeof frame && length <= size)
            vf_put32(&frame.body_sum, vf_body_sum(bytes + sizeof frame, length - sizeof frame));
        vf_frame_seal(&frame, SALT, LSN, vf_get32(frame.chain));
        memcpy(bytes, &frame, sizeof frame);
    }
    const uint32_t chain = 0;
    vf_frame_check(bytes, size, SALT, LSN, &chain, &frame);
    if (vf_record_check(bytes, size, SALT, LSN, NULL, &frame) != VF_OK)
        return;
    size_t body_size = vf_get32(frame.length) - sizeof frame;
    touch(bytes + sizeof frame, body_size);
    fuzz_body(bytes + sizeof frame, body_size);
    fuzz_cursor(bytes + sizeof frame, body_size);
}

static void fuzz_files(uint8_t *bytes, size_t size, int mend) {
    vf_store_file store;
    vf_segment_header segment;
    vf_manifest_header manifest;
    vf_lost_header lost;
    int read_only;
    if (mend)
        mend_file(bytes, size, VF_STORE_SIZE);
    vf_store_check(bytes, size, &store, &read_only);
    vf_segment_check(bytes, size, &segment, &read_only);
    if (mend)
        mend_file(bytes, size, size);
    if (vf_manifest_check(bytes, size, &manifest) == VF_OK)
        require(size ==
                VF_MANIFEST_HEADER + (size_t)vf_get32(manifest.entries) * VF_MANIFEST_ENTRY);
    if (vf_lost_check(bytes, size, &lost) == VF_OK)
        require(size == VF_LOST_HEADER + (size_t)vf_get32(lost.entries) * VF_LOST_ENTRY);
}

static void fuzz_redo(uint8_t *bytes, size_t size, int mend) {
    vf_redo_header header;
    if (mend && size >= sizeof header) {
        memcpy(&header, bytes, sizeof header);
        uint32_t used = vf_get32(header.size);
        if (used >= sizeof header && used <= size)
            put_sum(bytes + 8,
                    vf_sum64(bytes + MEND_FROM, used - MEND_FROM, vf_get64(header.state)));
    }
    uint32_t entries = 0;
    size_t at = 0;
    vf_redo_entry entry;
    const uint8_t *image;
    while (vf_redo_next(bytes, size, &at, &entry, &image)) {
        require(vf_get32(entry.size) == vf_row_size((vf_table)vf_get32(entry.table)));
        touch(image, vf_get32(entry.size));
        entries++;
    }
    memset(&header, 0, sizeof header);
    memcpy(&header, bytes, size < sizeof header ? size : sizeof header);
    if (vf_redo_check(bytes, size) == VF_OK)
        require(entries == vf_get32(header.entries));
}

static int less_by_row(void *context, uint32_t a, uint32_t b) {
    (void)context;
    return a < b;
}

static void fuzz_settle(const uint8_t *bytes, size_t size) {
    vf_usage rows[VF_USAGE_CHAIN_MAX];
    vf_share shares[VF_USAGE_CHAIN_MAX], reversed_shares[VF_USAGE_CHAIN_MAX];
    size_t count =
        size / VF_USAGE_SIZE < VF_USAGE_CHAIN_MAX ? size / VF_USAGE_SIZE : VF_USAGE_CHAIN_MAX;
    memcpy(rows, bytes, count * VF_USAGE_SIZE);
    memset(shares, 0, sizeof shares);
    memset(reversed_shares, 0, sizeof reversed_shares);
    size_t made = vf_settle(rows, count, less_by_row, NULL, shares);
    require(made <= count && (made > 0 || count == 0));
    for (size_t i = 0; i < count / 2; i++) {
        vf_usage kept = rows[i];
        rows[i] = rows[count - 1 - i];
        rows[count - 1 - i] = kept;
    }
    require(vf_settle(rows, count, less_by_row, NULL, reversed_shares) == made);
    for (size_t i = 0; i < made; i++)
        require(shares[i].owner == reversed_shares[i].owner &&
                shares[i].kind == reversed_shares[i].kind &&
                shares[i].cost == reversed_shares[i].cost &&
                memcmp(shares[i].tokens, reversed_shares[i].tokens, sizeof shares[i].tokens) == 0);
}

static void fuzz_places(const uint8_t *bytes, size_t size) {
    le64 words[3] = {{{0}}};
    memcpy(words, bytes, size < sizeof words ? size : sizeof words);
    uint64_t item = vf_get64(words[0]), base = vf_get64(words[1]) & 0xFFFF,
             cap = vf_get64(words[2]);
    uint32_t chunk;
    uint64_t first, count;
    vf_chunk_of(item, base, cap, &chunk, &first, &count);
    require(first <= item && item - first < count);
    uint32_t buckets = (uint32_t)cap;
    require(buckets == 0 || vf_bucket_of((uint32_t)item, buckets) < buckets);
    uint16_t type = vf_type_number((const char *)bytes, size);
    require(type == 0 ||
            (strlen(vf_type_name(type)) == size && memcmp(vf_type_name(type), bytes, size) == 0));
    vf_type_name((uint16_t)item);
    vf_str_name((unsigned)item);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    if (size == 0)
        return 0;
    uint8_t *bytes =
        malloc(size); /* of exactly what is left, and one more so that it is never empty */
    require(bytes != NULL);
    uint8_t *at = bytes + 1;
    memcpy(bytes, input, size);
    size--;
    int mend = (input[0] & MEND) != 0;
    switch (input[0] % 7) {
    case 0:
        fuzz_record(at, size, mend);
        break;
    case 1:
        fuzz_body(at, size);
        break;
    case 2:
        fuzz_cursor(at, size);
        break;
    case 3:
        fuzz_files(at, size, mend);
        break;
    case 4:
        fuzz_redo(at, size, mend);
        break;
    case 5:
        fuzz_settle(at, size);
        break;
    default:
        fuzz_places(at, size);
        break;
    }
    free(bytes);
    return 0;
}

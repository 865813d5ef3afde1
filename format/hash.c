/*
 * Sums and keys, all by xxHash. Short inputs are gathered in a buffer and hashed at once, long ones
 * are streamed: the result is the same, the streaming state merely costs more to set up.
 */
#define XXH_STATIC_LINKING_ONLY /* XXH3_state_t on the stack: nothing here allocates */
#include "format/hash.h"
#include "format/hash_wide.h"
#include "format/le.h"

#ifdef VF_WIDE
#    include <sys/platform/x86.h> /* what the C library knows already: to ask the processor takes long in a virtual machine */
#endif
#include <xxhash.h>

enum { SHORT_MAX = 240 }; /* longer ones are hashed by stripes */
enum { GATHER_MAX = 1280 }; /* holds the identity of a session with names of the greatest length */

static vf_key canonical(XXH128_hash_t hash) {
    XXH128_canonical_t bytes;
    vf_key key;
    XXH128_canonicalFromHash(&bytes, hash);
    _Static_assert(sizeof bytes.digest == sizeof key.b, "a key is a canonical XXH3-128");
    memcpy(key.b, bytes.digest, sizeof key.b);
    return key;
}

static vf_key stream_parts(const vf_piece *parts, size_t count) {
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > 0)
            XXH3_128bits_update(&state, parts[i].ptr, parts[i].size);
    }
    return canonical(XXH3_128bits_digest(&state));
}

static vf_key hash_parts(const vf_piece *parts, size_t count) {
    uint8_t bytes[GATHER_MAX];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > sizeof bytes - used)
            return stream_parts(parts, count);
        if (parts[i].size > 0)
            memcpy(bytes + used, parts[i].ptr, parts[i].size);
        used += parts[i].size;
    }
    return canonical(XXH3_128bits(bytes, used));
}

uint64_t vf_sum64(const void *data, size_t size, uint64_t seed) {
#ifdef VF_WIDE
    if (size > SHORT_MAX && CPU_FEATURE_ACTIVE(AVX2))
        return vf_sum64_wide(data, size, seed);
#endif
    return XXH3_64bits_withSeed(data, size, seed);
}

uint64_t vf_sum64_parts(const vf_piece *parts, size_t count) {
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > 0)
            XXH3_64bits_update(&state, parts[i].ptr, parts[i].size);
    }
    return XXH3_64bits_digest(&state);
}

vf_key vf_session_key(const char *machine, size_t machine_size, const char *id, size_t id_size) {
    le32 machine_length, id_length;
    vf_put32(&machine_length, (uint32_t)machine_size);
    vf_put32(&id_length, (uint32_t)id_size);
    const vf_piece parts[] = {
        {&machine_length, sizeof machine_length},
        {machine, machine_size},
        {&id_length, sizeof id_length},
        {id, id_size},
    };
    return hash_parts(parts, sizeof parts / sizeof *parts);
}

vf_key vf_string_key(uint32_t space, const void *text, size_t size) {
    le32 number;
    vf_put32(&number, space);
    const vf_piece parts[] = {{&number, sizeof number}, {text, size}};
    return hash_parts(parts, sizeof parts / sizeof *parts);
}

uint64_t vf_charge_part(const void *request_id, size_t size) {
    if (request_id == NULL || size == 0)
        return 0;
    uint64_t sum = vf_sum64(request_id, size, VF_SPACE_CHARGE);
    return sum == 0 ? 1 : sum;
}

vf_key vf_line_uid(vf_key session, const void *line, size_t size, uint64_t nth) {
    le64 number;
    vf_put64(&number, nth);
    const vf_piece parts[] = {{session.b, sizeof session.b}, {&number, sizeof number}, {line, size}};
    return hash_parts(parts, sizeof parts / sizeof *parts);
}

vf_key vf_origin_uid(const uint8_t store_uuid[16], uint64_t lsn, int64_t time) {
    le32 space;
    le64 place, when;
    vf_put32(&space, VF_SPACE_ORIGIN);
    vf_put64(&place, lsn);
    vf_put_i64(&when, time);
    const vf_piece parts[] = {
        {&space, sizeof space}, {store_uuid, 16}, {&place, sizeof place}, {&when, sizeof when}};
    return hash_parts(parts, sizeof parts / sizeof *parts);
}

int vf_key_is_zero(vf_key key) {
    static const vf_key zero;
    return memcmp(key.b, zero.b, sizeof key.b) == 0;
}

int vf_key_equal(vf_key a, vf_key b) {
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

int vf_key_compare(vf_key a, vf_key b) {
    return memcmp(a.b, b.b, sizeof a.b);
}

/*
 * Little-endian integers as they lie on disk.
 *
 * Each is a struct of bytes: it has no alignment, cannot be used as a number by mistake, and is
 * read and written only through the accessors below (compilers turn them into one move).
 */
#ifndef VARVE_FORMAT_LE_H
#define VARVE_FORMAT_LE_H

#include <stdint.h>
#include <string.h>

typedef struct { uint8_t b[2]; } le16;
typedef struct { uint8_t b[4]; } le32;
typedef struct { uint8_t b[8]; } le64;

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define VF_SWAP16(x) __builtin_bswap16(x)
#define VF_SWAP32(x) __builtin_bswap32(x)
#define VF_SWAP64(x) __builtin_bswap64(x)
#else
#define VF_SWAP16(x) (x)
#define VF_SWAP32(x) (x)
#define VF_SWAP64(x) (x)
#endif

static inline uint16_t vf_get16(le16 v) {
    uint16_t n;
    memcpy(&n, v.b, sizeof n);
    return VF_SWAP16(n);
}

static inline uint32_t vf_get32(le32 v) {
    uint32_t n;
    memcpy(&n, v.b, sizeof n);
    return VF_SWAP32(n);
}

static inline uint64_t vf_get64(le64 v) {
    uint64_t n;
    memcpy(&n, v.b, sizeof n);
    return VF_SWAP64(n);
}

static inline int32_t vf_get_i32(le32 v) {
    return (int32_t)vf_get32(v);
}

static inline int64_t vf_get_i64(le64 v) {
    return (int64_t)vf_get64(v);
}

static inline void vf_put16(le16 *at, uint16_t n) {
    n = VF_SWAP16(n);
    memcpy(at->b, &n, sizeof n);
}

static inline void vf_put32(le32 *at, uint32_t n) {
    n = VF_SWAP32(n);
    memcpy(at->b, &n, sizeof n);
}

static inline void vf_put64(le64 *at, uint64_t n) {
    n = VF_SWAP64(n);
    memcpy(at->b, &n, sizeof n);
}

static inline void vf_put_i32(le32 *at, int32_t n) {
    vf_put32(at, (uint32_t)n);
}

static inline void vf_put_i64(le64 *at, int64_t n) {
    vf_put64(at, (uint64_t)n);
}

#endif

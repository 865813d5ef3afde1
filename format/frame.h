/*
 * The frame: the 64 bytes that begin every record of a raw segment. SPEC.md "Frame".
 *
 * A record is frame, body, and zero bytes up to a multiple of 8. Its place in the log is its lsn:
 * segment number << 32 | byte offset in the segment. The header sum is seeded with the segment's
 * salt and the lsn, so bytes from another place, store or time never pass for a record.
 */
#ifndef VARVE_FORMAT_FRAME_H
#define VARVE_FORMAT_FRAME_H

#include "format/hash.h"
#include "format/le.h"

#include <stddef.h>

enum { VF_FRAME_SIZE = 64, VF_RECORD_ALIGN = 8 };
#define VF_PAYLOAD_MAX ((uint32_t)256 << 20)                 /* bytes of payload of one event */
#define VF_RECORD_MAX (VF_PAYLOAD_MAX + ((uint32_t)16 << 20)) /* bytes of one record, padded */
#define VF_BATCH_MAX ((uint64_t)1 << 30)                     /* bytes of one batch, padded */

/* Kinds of records. A reader skips kinds that it does not know, by length. */
typedef enum {
    VF_KIND_EVENT = 1,     /* something that happened in a session */
    VF_KIND_SESSION = 2,   /* identity of a session (seq 0) or attributes set on it */
    VF_KIND_CURSOR = 3,    /* how far an input has been taken; belongs to no session */
    VF_KIND_FORK = 4,      /* child of a parent up to a seq */
    VF_KIND_REWIND = 5,    /* hides the session's events above a seq */
    VF_KIND_TOMBSTONE = 6, /* hides a session, or says which seqs retention dropped */
    VF_KIND_BASE = 7,      /* folded session before what retention dropped */
    VF_KIND_SYNC = 8,      /* how far the disk had acknowledged; belongs to no session */
} vf_kind;

enum {
    VF_FRAME_BATCH_END = 1 << 0, /* last record of its batch: without it none of the batch counts */
    VF_FRAME_HAS_TIME = 1 << 1,  /* 'time' is the event's own; else it only gives its place in order */
    VF_FRAME_FLAGS_KNOWN = 3,
};

typedef struct {
    le64 header_sum;  /*  0 XXH3-64 of bytes 8..63, seeded: vf_frame_seed */
    le32 length;      /*  8 bytes of the whole record, padding included; multiple of 8, >= 64 */
    uint8_t kind;     /* 12 vf_kind */
    uint8_t flags;    /* 13 VF_FRAME_* */
    le16 type;        /* 14 event type; 0 = named by string VF_STR_TYPE */
    vf_key session;   /* 16 zero: belongs to no session */
    le64 seq;         /* 32 place in its session, from 0 */
    le64 time;        /* 40 ns since 1970 UTC, signed */
    le64 prev;        /* 48 lsn of the session's previous record, always before this one; 0 = none */
    le32 chain;       /* 56 low half of the header sum of the record before; first: of the segment header */
    le32 body_sum;    /* 60 low half of XXH3-64 of bytes 64..length-1 */
} vf_frame;

_Static_assert(sizeof(vf_frame) == VF_FRAME_SIZE, "frame size");
_Static_assert(offsetof(vf_frame, length) == 8, "frame.length");
_Static_assert(offsetof(vf_frame, type) == 14, "frame.type");
_Static_assert(offsetof(vf_frame, session) == 16, "frame.session");
_Static_assert(offsetof(vf_frame, seq) == 32, "frame.seq");
_Static_assert(offsetof(vf_frame, time) == 40, "frame.time");
_Static_assert(offsetof(vf_frame, prev) == 48, "frame.prev");
_Static_assert(offsetof(vf_frame, chain) == 56, "frame.chain");
_Static_assert(offsetof(vf_frame, body_sum) == 60, "frame.body_sum");

static inline uint64_t vf_lsn(uint32_t segment, uint32_t offset) {
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): it takes 64 bits for 32 */
    return (uint64_t)segment << 32 | offset;
}
static inline uint32_t vf_lsn_segment(uint64_t lsn) {
    return (uint32_t)(lsn >> 32);
}
static inline uint32_t vf_lsn_offset(uint64_t lsn) {
    return (uint32_t)lsn;
}
/* n rounded up to the record alignment. */
static inline uint64_t vf_padded(uint64_t n) {
    return (n + (VF_RECORD_ALIGN - 1)) & ~(uint64_t)(VF_RECORD_ALIGN - 1);
}

/* Results of the checks, in the order in which they are made. */
typedef enum {
    VF_OK = 0,
    VF_END = 1,          /* nothing here: only zero bytes where a header would stand */
    VF_SHORT = 2,        /* the bytes end before the structure does */
    VF_BAD_SUM = 3,      /* a sum over these bytes does not hold */
    VF_BAD_FIELD = 4,    /* the sum holds, a value in it is impossible */
    VF_BAD_CHAIN = 5,    /* a whole record, but not the successor of the one before */
    VF_BAD_MAGIC = 6,    /* not one of our files */
    VF_BAD_VERSION = 7,  /* written by a version or with a feature that this code must not read */
} vf_result;
const char *vf_result_text(vf_result result);

uint64_t vf_frame_seed(uint64_t salt, uint64_t lsn);
/* Fills in chain and header sum (all else is set, body sum too); returns the header sum. */
uint64_t vf_frame_seal(vf_frame *frame, uint64_t salt, uint64_t lsn, uint32_t chain);
uint32_t vf_body_sum(const void *body, size_t size);

/* Checks a frame at 'bytes', of which 'size' can be read: SHORT, END, BAD_SUM, BAD_FIELD, BAD_CHAIN.
 * chain == NULL: not checked (a record found by its lsn, not by walking). The body is not looked at. */
vf_result vf_frame_check(const uint8_t *bytes, size_t size, uint64_t salt, uint64_t lsn,
                         const uint32_t *chain, vf_frame *ret_frame);
/* The same and the body's sum: 'size' must hold the whole record, else SHORT. */
vf_result vf_record_check(const uint8_t *bytes, size_t size, uint64_t salt, uint64_t lsn,
                          const uint32_t *chain, vf_frame *ret_frame);

#endif

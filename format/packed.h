/*
 * Packed segments, seg/<number>.seg: immutable files that hold a range of the log clustered by
 * session, and the rows of the index as they were at its end. SPEC.md "Manifest and packed segments".
 *
 *   header, blocks, tables, footer
 *
 * A block holds records (or index rows) of fixed size, turned round: byte j of all of them stands
 * together, and columns that are zero throughout are left out. What varies in size (strings,
 * payloads) stands in a second part, so that the fixed parts can be read alone. Each part is one zstd
 * frame, or plain where zstd does not make it smaller.
 *
 * Nothing here allocates or does I/O: whoever calls hands in the buffers.
 */
#ifndef VARVE_FORMAT_PACKED_H
#define VARVE_FORMAT_PACKED_H

#include "format/body.h"
#include "format/files.h"

/* ---- File ---- */

#define VF_PACKED_MAGIC "VARVESEG"
#define VF_PACKED_END_MAGIC "VARVEEND"
enum { VF_PACKED_HEADER = 64, VF_PACKED_FOOTER = 512 };
enum { VF_TIER_HOT = 0, VF_TIER_COLD = 1 };

typedef struct {
    uint8_t magic[8];       /*  0 VF_PACKED_MAGIC */
    le64 sum;               /*  8 XXH3-64 of bytes 16..63, seed 0 */
    vf_features features;   /* 16 */
    uint8_t store_uuid[16]; /* 32 */
    le32 number;            /* 48 as in the file's name; the generation of the manifest that brought it in */
    le32 reserved;          /* 52 zero */
    le64 created;           /* 56 ns since 1970 */
} vf_packed_header;
_Static_assert(sizeof(vf_packed_header) == VF_PACKED_HEADER, "packed header");

/* An array of fixed-size items in the file. */
typedef struct {
    le64 offset; /* 0 in the file, a multiple of 8 */
    le32 count;  /* 8 items */
    le32 reserved;
} vf_array;
_Static_assert(sizeof(vf_array) == 16, "array");

typedef struct {
    uint8_t magic[8];        /*   0 VF_PACKED_END_MAGIC */
    le64 sum;                /*   8 XXH3-64 of bytes 16..511 of the footer, seed 0 */
    vf_features features;    /*  16 */
    uint8_t store_uuid[16];  /*  32 */
    le32 number;             /*  48 */
    le32 tier;               /*  52 VF_TIER_* */
    le64 first_lsn;          /*  56 the records are those of [first_lsn, end_lsn) */
    le64 end_lsn;            /*  64 where the last raw segment that is in it ended: the next one's prev_end */
    le64 rows_lsn;           /*  72 the index rows are those of the log up to here; 0 = it has none */
    le32 end_chain;          /*  80 chain value at end_lsn */
    le32 reserved0;          /*  84 zero */
    le64 time_min;           /*  88 of records with HAS_TIME; above time_max: there is none */
    le64 time_max;           /*  96 */
    le64 records;            /* 104 in the main area */
    le64 events;             /* 112 of them of kind EVENT */
    le64 payload_bytes;      /* 120 of these */
    le64 raw_bytes;          /* 128 bytes of the raw segments that were packed */
    le64 tables_at;          /* 136 offset of the first table: blocks end here */
    le64 tables_sum;         /* 144 XXH3-64 of bytes tables_at..footer, seed 0 */
    le64 file_sum;           /* 152 XXH3-64 of all bytes before the footer, seed 0 */
    le64 table_rows[8];      /* 160 rows of each index table at rows_lsn, by vf_table */
    vf_array sessions;       /* 224 vf_packed_session, by row, the run without session last */
    vf_array by_key;         /* 240 le32: places in sessions, by key */
    vf_array blocks;         /* 256 vf_block_entry: the main area, by id */
    vf_array pins;           /* 272 vf_block_entry: the pins, by id */
    vf_array rows;           /* 288 vf_block_entry: index rows; of a row that stands twice the later counts */
    vf_array holes;          /* 304 vf_hole */
    le64 written_total;      /* 320 bytes that compaction has ever written in this store, this file included */
    le64 packed_total;       /* 328 bytes of raw segments that were ever packed in it */
    uint8_t reserved1[176];  /* 336 zero */
} vf_packed_footer;
_Static_assert(sizeof(vf_packed_footer) == VF_PACKED_FOOTER, "packed footer");
_Static_assert(offsetof(vf_packed_footer, table_rows) == 160, "footer.table_rows");
_Static_assert(offsetof(vf_packed_footer, holes) == 304, "footer.holes");

enum { /* flags of a run */
    VF_RUN_MARKS = 1u << 0,   /* has REWIND records: going back is not just taking the record before */
    VF_RUN_DROPPED = 1u << 1, /* its first record is a BASE record: what was before it is gone */
};

/* A session's run: its records here lie together, in the order of their seq. */
typedef struct {
    vf_key key;         /*  0 zero: records that belong to no session */
    vf_key line_key;    /* 16 session key with an empty machine id: for uids of lines */
    le32 row;           /* 32 row of the session in the index; all ones for the run without session */
    le32 flags;         /* 36 VF_RUN_* */
    le32 first;         /* 40 id of its first record in the main area */
    le32 records;       /* 44 may be 0: it has pins only */
    le64 first_seq;     /* 48 */
    le64 first_lsn;     /* 56 of its records; 0 if there are none */
    le64 last_lsn;      /* 64 */
    le32 pins_first;    /* 72 id of its first pin */
    le32 pins;          /* 76 */
    le64 payload_bytes; /* 80 */
    le64 events;        /* 88 */
} vf_packed_session;
enum { VF_PACKED_SESSION = 96 };
_Static_assert(sizeof(vf_packed_session) == VF_PACKED_SESSION, "packed session");
_Static_assert(offsetof(vf_packed_session, first_seq) == 48, "packed session.first_seq");

/* A block: its fixed part lies at 'offset', what varies in size directly behind. */
typedef struct {
    le64 offset;      /*  0 */
    le32 fixed_size;  /*  8 bytes in the file */
    le32 data_size;   /* 12 bytes in the file; 0 = it has none */
    le32 fixed_plain; /* 16 bytes when decompressed; the same as fixed_size: it stands plain */
    le32 data_plain;  /* 20 likewise */
    le32 fixed_sum;   /* 24 low half of XXH3-64 of the bytes in the file, seed = offset of these bytes */
    le32 data_sum;    /* 28 */
    le32 first;       /* 32 id of its first record; blocks of rows: vf_table */
    le32 count;       /* 36 records or rows */
} vf_block_entry;
enum { VF_BLOCK_ENTRY = 40 };
_Static_assert(sizeof(vf_block_entry) == VF_BLOCK_ENTRY, "block entry");

typedef struct {
    le64 from, to; /* bytes of the log that were damaged when it was packed */
} vf_hole;
_Static_assert(sizeof(vf_hole) == 16, "hole");

void vf_packed_header_seal(vf_packed_header *header);
/* SHORT, BAD_MAGIC, BAD_SUM, BAD_VERSION, BAD_FIELD (number 0). */
vf_result vf_packed_header_check(const uint8_t *bytes, size_t size, vf_packed_header *ret_header, int *ret_read_only);
void vf_packed_footer_seal(vf_packed_footer *footer);
/* A whole file in memory or mapped: header, footer and tables; the blocks are not looked at. Of the header, of the footer:
 * SHORT, BAD_MAGIC, BAD_SUM, BAD_VERSION, BAD_FIELD; then BAD_SUM (tables), BAD_FIELD: every array within [tables_at, footer),
 * on a multiple of 8; every block before tables_at, with a count above 0, plain sizes that a block may have, ids that go on
 * without a gap from 0; runs within records, pins within the pins' blocks; by_key a permutation in order; rows rising;
 * ranges that are in order. */
vf_result vf_packed_check(const uint8_t *bytes, size_t size, vf_packed_footer *ret_footer, int *ret_read_only);
/* Item i of an array of a checked file. */
static inline const void *vf_packed_item(const uint8_t *file, const vf_array *array, uint32_t i, uint32_t item_size) {
    return file + vf_get64(array->offset) + (uint64_t)i * item_size;
}
/* Place of a key's run among the sessions, UINT32_MAX if it has none. By binary search over by_key. */
uint32_t vf_packed_find(const uint8_t *file, const vf_packed_footer *footer, vf_key key);
/* Place of the block that holds record 'id' in one of the arrays blocks, pins; UINT32_MAX if there is none. */
uint32_t vf_packed_block_of(const uint8_t *file, const vf_array *blocks, uint32_t id);

/* ---- Blocks of records ---- */

enum { VF_IMAGE_SIZE = VF_FRAME_SIZE + VF_FIXED_SIZE }; /* 256: a record's fixed bytes */
enum { VF_BLOCK_RECORDS_MAX = 16384 };
/* Bytes of a part, decompressed. A block of one record fits, however large that is. */
#define VF_BLOCK_FIXED_MAX ((uint32_t)64 << 20)
#define VF_BLOCK_DATA_MAX (VF_RECORD_MAX + ((uint32_t)16 << 20))
enum { VF_BLOCK_HEAD = 8 + VF_IMAGE_SIZE / 8 }; /* of a fixed part: records, bytes of the stream, bitmap */
enum { VF_BLOCK_IDS = 64 };                     /* strings with an id below are not repeated in a block */

/* Stand in the record's reserved field (offset 242) while it is packed: what is left out and made again. */
enum {
    VF_LEFT_UID = 1 << 0,         /* the uid is that of the line (nth 0) that the payload is */
    VF_LEFT_CHARGE = 1 << 1,      /* the charge is the key of string MESSAGE_ID */
    VF_LEFT_CHARGE_PART = 1 << 2, /* the part is that of string REQUEST_ID */
    VF_LEFT_PAYLOAD = 1 << 3,     /* a pin: the payload stands in the main area only; body_sum is kept */
    VF_LEFT_KNOWN = (1 << 4) - 1,
};

/* A string of a record: where it stands in the block's data. */
typedef struct {
    uint32_t at, size;
    uint16_t id;
} vf_unit_str;

/* A record in an open block. */
typedef struct {
    vf_frame frame;       /* as in the raw segment, but header_sum, session (it is the run's) and chain are 0, and body_sum
                           * too unless it is a pin */
    vf_fixed fixed;       /* unless 'whole'; 'reserved' holds VF_LEFT_*: vf_unit_body puts it right */
    uint8_t whole;        /* its body stands in the data as it was: other kinds than EVENT, SESSION, FORK, and of these
                           * what cannot be taken apart */
    uint64_t lsn;
    uint32_t data_at;     /* of its payload, or of its whole body */
    uint32_t data_size;   /* 0 for a pin whose payload was left out: see fixed.payload_size */
    uint32_t str_first;   /* its strings among the block's */
    uint16_t strs;
} vf_unit_record;

/* An open block. All memory is the caller's. */
typedef struct {
    vf_unit_record *record;
    uint32_t count;
    vf_unit_str *str;
    uint32_t strs;
    const uint8_t *data;   /* NULL until it is wanted */
    uint32_t data_size;
} vf_unit;

/* How much a fixed part (decompressed) needs: records (which the caller compares with the entry's count), strings. OK, SHORT
 * or BAD_FIELD. Any bytes in. */
vf_result vf_unit_measure(const uint8_t *fixed, size_t size, uint32_t *ret_records, uint32_t *ret_strs);
/* Opens a fixed part that vf_unit_measure let pass. 'record' and 'str' of the unit have room for what it said; the rest is
 * filled in, but 'data', which need not be there yet: 'data_size' is that of the decompressed data part. OK, SHORT or
 * BAD_FIELD. Lsns that do not rise are let pass, but prev is before its record, numbers of closed sets are known, and every
 * place that is named lies within the data, which is used up exactly. Any bytes in. */
vf_result vf_unit_open(const uint8_t *fixed, size_t size, uint32_t data_size, vf_unit *unit);
/* A record's body, as vf_body_decode gives it: pointers lie in the unit's data (which must be there). 'line_key' is the
 * run's. Strings whose id is not known are left out here, and the payload of a pin is NULL, though fixed.payload_size tells
 * what it was. OK, or BAD_FIELD: a kind without such a body, one that does not decode, or what was left out cannot be made. */
vf_result vf_unit_body(const vf_unit *unit, uint32_t i, vf_key line_key, vf_body *ret_body);
/* Only its fixed part, with what was left out made again. OK, or BAD_FIELD: it is kept whole, or that cannot be made. */
vf_result vf_unit_fixed(const vf_unit *unit, uint32_t i, vf_key line_key, vf_fixed *ret_fixed);
/* The record's length as in the log, padding included. */
uint32_t vf_unit_length(const vf_unit *unit, uint32_t i);
/* Writes the record's body as it stood in the log (length - 64 bytes), also strings of unknown ids: for sums and for
 * repacking. 'at' has vf_unit_length - 64 bytes of room. OK, or BAD_FIELD: what was left out cannot be made. In place of a
 * pin's payload, which stands in the main area only, zeros are put. */
vf_result vf_unit_raw_body(const vf_unit *unit, uint32_t i, vf_key line_key, uint8_t *at);

/* ---- Making blocks of records ---- */

/* A block being made. The caller owns the memory: 'images' for 'images_room' records, 'stream' and 'data' of so many
 * bytes; vf_block_needs says how much a record takes at most. */
typedef struct {
    uint8_t *images;  /* VF_IMAGE_SIZE each */
    size_t images_room; /* records */
    uint8_t *stream;  /* of the strings */
    size_t stream_size, stream_room;
    uint8_t *data;
    size_t data_size, data_room;
    uint32_t count;
    uint64_t last_lsn, last_seq, last_time, next_position; /* of the record before */
    struct { uint32_t at, size; uint8_t known; } last[VF_BLOCK_IDS]; /* strings by id, in data */
} vf_block;

void vf_block_begin(vf_block *block); /* empty; memory is kept */
/* Most that the record with this body (length - 64 bytes) adds to stream and data. */
void vf_block_needs(size_t body_size, size_t *ret_stream, size_t *ret_data);
/* Adds a record: its frame, and its body as it stands in a raw segment ('body_size' = length - 64 bytes). A body of kind
 * EVENT, SESSION or FORK that does not decode is kept whole, as one of another kind is. 'pin': without payload, with
 * body_sum. SHORT: no room; BAD_FIELD: not a frame that vf_frame_check lets pass. Nothing was added then. An empty block with
 * the room that vf_block_needs says takes any record. */
vf_result vf_block_add(vf_block *block, uint64_t lsn, const vf_frame *frame, const uint8_t *body, size_t body_size,
                       vf_key line_key, int pin);
/* Bytes of the fixed part at most; and the fixed part itself (returns its size). 'at' has so much room. */
size_t vf_block_fixed_max(const vf_block *block);
size_t vf_block_fixed(const vf_block *block, uint8_t *at);

/* ---- Blocks of index rows ---- */

/* Rows of a table, each u32 row number and the row's image (sessions: hot and cold) without its first 8 bytes; turned round
 * like records. Row numbers rise within a block. */
enum { VF_ROWS_MAX = 4096, VF_ROW_SIZE_MAX = 1024 };
size_t vf_rows_max(uint32_t count, uint32_t row_size);
/* 'numbers' and 'images' (row_size each, a multiple of 8) of 'count' rows; returns the bytes written to 'at'. */
size_t vf_rows_encode(const uint32_t *numbers, const uint8_t *images, uint32_t count, uint32_t row_size, uint8_t *at);
/* OK, SHORT or BAD_FIELD (count or size not as said, numbers that do not rise). The first 8 bytes of each image are zero.
 * Any bytes in. */
vf_result vf_rows_decode(const uint8_t *bytes, size_t size, uint32_t count, uint32_t row_size, uint32_t *ret_numbers,
                         uint8_t *ret_images);

/* ---- zstd ---- */

typedef struct ZSTD_CCtx_s ZSTD_CCtx;
typedef struct ZSTD_DCtx_s ZSTD_DCtx;
size_t vf_part_bound(size_t plain_size);
/* Compresses a part, or copies it if that is not larger: returns the bytes at 'at' (room: vf_part_bound), 0: zstd failed.
 * A part of no bytes is not stored at all. */
size_t vf_part_pack(ZSTD_CCtx *zstd, int level, const uint8_t *plain, size_t plain_size, uint8_t *at, size_t room);
uint32_t vf_part_sum(const uint8_t *stored, size_t size, uint64_t offset);
/* Checks the sum, then decompresses into 'plain' (plain_size bytes): OK, BAD_SUM, BAD_FIELD. Any bytes in. No bytes
 * (size and plain_size 0) are OK and have no sum. */
vf_result vf_part_open(ZSTD_DCtx *zstd, const uint8_t *stored, size_t size, uint64_t offset, uint32_t sum, uint8_t *plain,
                       size_t plain_size);

#endif

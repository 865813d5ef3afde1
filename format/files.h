/*
 * The store's small files and headers: STORE, raw segment header, CONTROL page, manifest.
 * SPEC.md "Files". Each has magic, version words, feature words and a sum; each check says why it fails.
 */
#ifndef VARVE_FORMAT_FILES_H
#define VARVE_FORMAT_FILES_H

#include "format/frame.h"

/*
 * Feature words, as in ext4: a bit that the code does not know in
 *   compat:      is no matter;
 *   read_compat: may be read, must not be written;
 *   incompat:    must not even be read.
 */
typedef struct {
    le32 compat;
    le32 read_compat;
    le32 incompat;
    le16 version_major; /* another one must not be read */
    le16 version_minor;
} vf_features;
_Static_assert(sizeof(vf_features) == 16, "features");
enum { VF_VERSION_MAJOR = 0, VF_VERSION_MINOR = 2 };
enum { VF_COMPAT_KNOWN = 0, VF_READ_COMPAT_KNOWN = 0, VF_INCOMPAT_KNOWN = 0 };
/* OK or BAD_VERSION; *ret_read_only is set when it may be read but not written. */
vf_result vf_features_check(const vf_features *features, int *ret_read_only);
void vf_features_fill(vf_features *features);

/* STORE: identity, written once. The rest of its 4096 bytes is zero. */
enum { VF_STORE_SIZE = 4096, VF_MACHINE_MAX = 128 };
#define VF_STORE_MAGIC "VARVESTO"
typedef struct {
    uint8_t magic[8];        /*   0 */
    le64 sum;                /*   8 XXH3-64 of bytes 16..4095, seed 0 */
    vf_features features;    /*  16 */
    uint8_t uuid[16];        /*  32 random */
    le64 hash_seed;          /*  48 random; places keys in the index */
    le64 created;            /*  56 ns since 1970 */
    le32 segment_size;       /*  64 bytes at which a raw segment is full */
    le32 machine_size;       /*  68 bytes of 'machine' */
    uint8_t machine[VF_MACHINE_MAX]; /* 72 machine id of sessions that name none */
    uint8_t reserved[3896];  /* 200 zero */
} vf_store_file;
_Static_assert(sizeof(vf_store_file) == VF_STORE_SIZE, "STORE size");
_Static_assert(offsetof(vf_store_file, features) == 16, "STORE.features");
_Static_assert(offsetof(vf_store_file, uuid) == 32, "STORE.uuid");
_Static_assert(offsetof(vf_store_file, segment_size) == 64, "STORE.segment_size");
_Static_assert(offsetof(vf_store_file, machine) == 72, "STORE.machine");
enum { VF_SEGMENT_SIZE_MIN = 64 << 10, VF_SEGMENT_SIZE_MAX = 1 << 30, VF_SEGMENT_SIZE_DEFAULT = 64 << 20 };
void vf_store_seal(vf_store_file *file);
/* SHORT, BAD_MAGIC, BAD_SUM, BAD_VERSION, BAD_FIELD in this order. */
vf_result vf_store_check(const uint8_t *bytes, size_t size, vf_store_file *ret_file, int *ret_read_only);

/* Header of a raw segment, its first 4096 bytes. Records begin behind it. */
enum { VF_SEGMENT_HEADER = 4096, VF_SEGMENT_NUMBER_MAX = 99999999 /* eight digits in the file's name */ };
#define VF_SEGMENT_MAGIC "VARVELOG"
typedef struct {
    uint8_t magic[8];       /*   0 */
    le64 sum;               /*   8 XXH3-64 of bytes 16..4095, seed 0 */
    vf_features features;   /*  16 */
    uint8_t store_uuid[16]; /*  32 */
    le32 number;            /*  48 segment number, from 1 */
    le32 prev_chain;        /*  52 chain value at the predecessor's end (0 for segment 1) */
    le64 prev_end;          /*  56 lsn at which the predecessor ends, 0 for segment 1 */
    le64 salt;              /*  64 random, not zero; seeds the header sums of the records */
    le64 created;           /*  72 ns since 1970 */
    le64 hole_from;         /*  80 damage that recovery found: lsn of the first byte not served, */
    le64 hole_to;           /*  88 and of the first served again; 0, 0 = none */
    uint8_t reserved[4000]; /*  96 zero */
} vf_segment_header;
_Static_assert(sizeof(vf_segment_header) == VF_SEGMENT_HEADER, "segment header size");
_Static_assert(offsetof(vf_segment_header, store_uuid) == 32, "segment.store_uuid");
_Static_assert(offsetof(vf_segment_header, prev_end) == 56, "segment.prev_end");
_Static_assert(offsetof(vf_segment_header, salt) == 64, "segment.salt");
_Static_assert(offsetof(vf_segment_header, hole_to) == 88, "segment.hole_to");
void vf_segment_seal(vf_segment_header *header);
/* SHORT, END (all zero: made ready, not begun), BAD_MAGIC, BAD_SUM, BAD_VERSION, BAD_FIELD. */
vf_result vf_segment_check(const uint8_t *bytes, size_t size, vf_segment_header *ret_header, int *ret_read_only);
/* Chain value of a segment's first record. */
uint32_t vf_segment_chain(const vf_segment_header *header);

/*
 * CONTROL: one mapped page, shared by all processes. Volatile: after another boot, or when the file
 * was copied (device or inode differ from what stands in it), only 'synced' is believed, and only as a
 * witness that what lies before it had reached the disk once.
 * The 64-bit words at offsets 64.. are read and written atomically in place.
 */
enum { VF_CONTROL_SIZE = 4096 };
enum { VF_LOCK_APPEND, VF_LOCK_SYNC, VF_LOCK_COMPACT, VF_LOCKS };
enum { VF_WAIT_BUCKETS = 24 };
typedef struct {
    le32 wake;      /*  0 futex word: changes when the lock was released and somebody waited */
    le32 waiting;   /*  4 not 0: somebody may wait on 'wake' */
    le32 holder;    /*  8 process id of the holder, 0 = none: a hint */
    le32 reserved0; /* 12 zero */
    le64 since;     /* 16 ns since 1970: when it was taken */
    le64 taken;     /* 24 how often */
    le64 waits;     /* 32 how often somebody waited for it, */
    le64 waited;    /* 40 how long in sum, ns, */
    le64 longest;   /* 48 and at most */
    le64 reserved1; /* 56 zero */
    le64 bucket[VF_WAIT_BUCKETS]; /* 64 waits of [2^n, 2^(n+1)) us */
} vf_lock_words;
#define VF_CONTROL_MAGIC "VARVECTL"
typedef struct {
    uint8_t magic[8];       /*   0 */
    uint8_t store_uuid[16]; /*   8 */
    uint8_t boot_id[16];    /*  24 of the kernel that the page lives under */
    le64 device;            /*  40 of CONTROL itself */
    le64 inode;             /*  48 */
    le32 version_major;     /*  56 */
    le32 reserved0;         /*  60 zero */
    le64 state;             /*  64 0 = not valid (being made or rebuilt), 1 = valid */
    le64 tail;              /*  72 lsn behind the last published record */
    le64 synced;            /*  80 everything before it is on disk */
    le64 applied;           /*  88 everything before it is in the index */
    le64 chain;             /*  96 chain value at a tail: vf_chain_mark(tail) << 32 | value. Of this word and */
    le64 index_generation;  /* 104 the index lies in idx/<generation> */
    le64 last_sync_record;  /* 112 'synced' of the last SYNC record written */
    le64 sync_failed;       /* 120 segment on which an fsync failed, 0 = none */
    le64 ready_size;        /* 128 bytes of the active segment that are written already (zero ahead) */
    le64 rotating;          /* 136 number of a segment that is being begun, 0 = none: its predecessor is closed */
    le64 chain_other;       /* 144 this one, that counts whose mark is that of the tail in force */
    le64 last_record;       /* 152 lsn of the last record before the tail, 0 = the segment is empty: belongs to chain */
    le64 last_record_other; /* 160 and this one to chain_other */
    le64 manifest;          /* 168 generation of the manifest in force, 0 = nothing is packed */
    le64 syncing;           /* 176 the tail up to which a sync is under way, 0 = none */
    uint8_t reserved1[8];   /* 184 zero */
    le32 wake;              /* 192 futex word: changes with a publication for which somebody waits */
    le32 waiters;           /* 196 not 0: somebody may wait on 'wake' */
    uint8_t reserved2[56];  /* 200 zero */
    vf_lock_words lock[VF_LOCKS]; /* 256 */
    uint8_t reserved3[3072];/* 1024 zero */
} vf_control;
_Static_assert(sizeof(vf_lock_words) == 256, "words of a lock");
_Static_assert(offsetof(vf_lock_words, bucket) == 64, "waits by length");
_Static_assert(offsetof(vf_control, syncing) == 176, "CONTROL.syncing");
_Static_assert(offsetof(vf_control, lock) == 256, "CONTROL.lock");
_Static_assert(sizeof(vf_control) == VF_CONTROL_SIZE, "CONTROL size");
_Static_assert(offsetof(vf_control, state) == 64, "CONTROL.state");
_Static_assert(offsetof(vf_control, tail) == 72, "CONTROL.tail");
_Static_assert(offsetof(vf_control, synced) == 80, "CONTROL.synced");
_Static_assert(offsetof(vf_control, applied) == 88, "CONTROL.applied");
_Static_assert(offsetof(vf_control, index_generation) == 104, "CONTROL.index_generation");
_Static_assert(offsetof(vf_control, manifest) == 168, "CONTROL.manifest");
_Static_assert(offsetof(vf_control, wake) == 192, "CONTROL.wake");

static inline uint32_t vf_chain_mark(uint64_t tail) {
    return vf_lsn_segment(tail) << 29 | vf_lsn_offset(tail) / VF_RECORD_ALIGN;
}

/* manifest.<generation>: the packed segments, in lsn order. Header, then entries. */
enum { VF_MANIFEST_HEADER = 64, VF_MANIFEST_ENTRY = 64, VF_MANIFEST_MAX = 1 << 20 };
#define VF_MANIFEST_MAGIC "VARVEMAN"
typedef struct {
    uint8_t magic[8];       /*  0 */
    le64 sum;               /*  8 XXH3-64 of bytes 16..end, seed 0 */
    vf_features features;   /* 16 */
    uint8_t store_uuid[16]; /* 32 */
    le64 generation;        /* 48 */
    le32 entries;           /* 56 */
    le32 reserved;          /* 60 zero */
} vf_manifest_header;
typedef struct {
    le64 first_lsn; /*  0 */
    le64 end_lsn;   /*  8 entries do not overlap and rise */
    le64 size;      /* 16 bytes of the file */
    le64 sum;       /* 24 of the whole file */
    le64 time_min;  /* 32 ns; min > max: no event has a time */
    le64 time_max;  /* 40 */
    le32 number;    /* 48 seg/<number>.seg */
    le32 tier;      /* 52 0 hot, 1 cold */
    le64 events;    /* 56 */
} vf_manifest_entry;
_Static_assert(sizeof(vf_manifest_header) == VF_MANIFEST_HEADER, "manifest header");
_Static_assert(sizeof(vf_manifest_entry) == VF_MANIFEST_ENTRY, "manifest entry");
/* Checks a whole manifest in memory: SHORT, BAD_MAGIC, BAD_SUM, BAD_VERSION, BAD_FIELD. */
vf_result vf_manifest_check(const uint8_t *bytes, size_t size, vf_manifest_header *ret_header);
void vf_manifest_seal(uint8_t *bytes, size_t size);

/* LOST: parts of the log that a repair has told to be lost, so that they are known. Header, then ranges. */
enum { VF_LOST_HEADER = 64, VF_LOST_ENTRY = 16, VF_LOST_MAX = 16 << 20 };
#define VF_LOST_MAGIC "VARVELST"
typedef struct {
    uint8_t magic[8];       /*  0 */
    le64 sum;               /*  8 XXH3-64 of bytes 16..end, seed 0 */
    vf_features features;   /* 16 */
    uint8_t store_uuid[16]; /* 32 */
    le32 entries;           /* 48 of 16 bytes: le64 from, to; they rise, with something between */
    le32 reserved0;         /* 52 zero */
    le64 reserved1;         /* 56 zero */
} vf_lost_header;
_Static_assert(sizeof(vf_lost_header) == VF_LOST_HEADER, "LOST header");
/* A whole file in memory: SHORT, BAD_MAGIC, BAD_SUM, BAD_VERSION, BAD_FIELD. */
vf_result vf_lost_check(const uint8_t *bytes, size_t size, vf_lost_header *ret_header);
void vf_lost_seal(uint8_t *bytes, size_t size);

#endif

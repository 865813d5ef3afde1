/*
 * The index: tables of fixed-size rows with a linear hash of 8-byte words over them, and the redo
 * area that makes a change of several rows atomic against the death of a writer. SPEC.md "Index".
 *
 * All of it follows from the log and may be thrown away. Rows never move and tables never shrink.
 */
#ifndef VARVE_FORMAT_INDEX_H
#define VARVE_FORMAT_INDEX_H

#include "format/frame.h"
#include "format/kinds.h"

/* idx/<generation>/<table>.<part>.<chunk>; part: r rows, c cold rows, w words, o overflow buckets, l when a row changed. */
typedef enum { VF_TABLE_SESSIONS = 0, VF_TABLE_USAGE = 1, VF_TABLE_CURSORS = 2, VF_TABLE_NAMES = 3, VF_TABLES = 4 } vf_table;

typedef enum {
    VF_PART_ROWS = 0,
    VF_PART_COLD = 1,
    VF_PART_WORDS = 2,
    VF_PART_OVERFLOW = 3,
    VF_PART_CHANGED = 4, /* by row: lsn that 'applied' had when the group that last changed it was in place, 0 = no such row */
    VF_PARTS = 5,
} vf_part;
const char *vf_table_name(vf_table table); /* "sessions", "usage", "cursors", "names"; NULL if there is none */
char vf_part_letter(vf_part part);         /* 'r', 'c', 'w', 'o', 'l'; 0 if there is none */
/* Geometry of a part, for vf_chunk_of. Returns the bytes of one item (hot row, cold row, bucket, overflow bucket,
 * change), or 0 if the table has no such part: only sessions have cold rows, only sessions and usage say when rows changed. */
uint32_t vf_table_geometry(vf_table table, vf_part part, uint64_t *ret_base, uint64_t *ret_cap);
/* Sum over the geometry of all parts: an index of another layout is not read. */
uint32_t vf_layout_sum(void);

/* A bucket: seven words and the number (+1) of an overflow bucket. Word: tag << 32 | row number + 1; 0 = free. */
enum { VF_BUCKET_WORDS = 7, VF_BUCKET_SIZE = 64 };
typedef struct {
    le64 word[VF_BUCKET_WORDS]; /* 0 */
    le64 overflow;              /* 56 overflow bucket + 1, 0 = none */
} vf_bucket;
_Static_assert(sizeof(vf_bucket) == VF_BUCKET_SIZE, "bucket");
/* A table splits its next bucket while rows > buckets * 4. */
enum { VF_BUCKET_LOAD = 4 };

/* Tag of a key: it chooses bucket and word. */
uint32_t vf_key_tag(vf_key key, uint64_t hash_seed);
/* Linear hashing: bucket of a tag among 'buckets' (> 0). */
uint32_t vf_bucket_of(uint32_t tag, uint32_t buckets);

/* Chunk k of a part holds items [first(k), first(k) + count(k)): chunk 0 'base' items, chunk k >= 1 as
 * many as all before it, until a chunk is 'cap' items long: from there on all have 'cap'. base > 0, cap >= base. */
void vf_chunk_of(uint64_t item, uint64_t base, uint64_t cap, uint32_t *ret_chunk, uint64_t *ret_first, uint64_t *ret_count);

/* idx/<generation>/TABLES: one mapped page, how far each table is filled. */
enum { VF_TABLES_SIZE = 4096 };
#define VF_TABLES_MAGIC "VARVEIDX"
typedef struct {
    le64 rows;     /* 0 */
    le64 buckets;  /* 8 */
    le64 overflow; /* 16 overflow buckets in use */
    le64 keyed;    /* 24 rows that have a word */
} vf_table_head;
typedef struct {
    uint8_t magic[8];        /*  0 */
    uint8_t store_uuid[16];  /*  8 */
    le32 version_major;      /* 24 */
    le32 layout_sum;         /* 28 vf_layout_sum */
    vf_table_head table[8];  /* 32 by vf_table */
    uint8_t reserved[3808];  /* 288 zero */
} vf_tables;
_Static_assert(sizeof(vf_tables) == VF_TABLES_SIZE, "TABLES");

/* Every row begins so. 'version' is odd while a writer copies the row; 'sum' covers all behind the head. */
typedef struct {
    le32 version; /* 0 not part of what follows from the log */
    le32 sum;     /* 4 low half of XXH3-64, seed = row number, of the row from byte 8 on (session: and of the whole cold row) */
} vf_row_head;

/* ---- Session row, hot: what lists, filters and sums read; already resolved by source priority. ---- */

enum { /* flags of a session row */
    VF_SR_DEFINED = 1u << 0,     /* has its identity record; else a stub: known by name only */
    VF_SR_ENDED = 1u << 1,       /* last lifecycle event was an end */
    VF_SR_HAS_END = 1u << 2,     /* has ever ended: first_ended holds */
    VF_SR_HAS_TIME = 1u << 3,    /* some event had a time: first_started, last_activity hold */
    VF_SR_HAS_COST = 1u << 4,
    VF_SR_HAS_CONTEXT = 1u << 5,
    VF_SR_TRANSCRIPT = 1u << 6,  /* a transcript has been taken */
    VF_SR_OUTPUT_LOWER_BOUND = 1u << 7,
    VF_SR_UNPRICED = 1u << 8,
    VF_SR_HIDDEN = 1u << 9,
    VF_SR_DELETED = 1u << 10,
    VF_SR_HAS_STATUS_TIME = 1u << 11,
    VF_SR_HAS_PID = 1u << 12,
    VF_SR_HAS_PROCESS_START = 1u << 13,
    VF_SR_LABELS = 1u << 14,     /* has labels: in its SESSION records */
    VF_SR_EOL_SET = 1u << 15,    /* eol holds for the last line of the transcript */
    VF_SR_CYCLE = 1u << 16,      /* its parent link closed a cycle (or was too deep) and was cut */
    VF_SR_STARTED = 1u << 17,    /* last_started is of a start or a revival; else it is first_started */
    VF_SR_REWOUND = 1u << 18,    /* a REWIND hides events of it */
    VF_SR_TRIMMED = 1u << 19,    /* a TOMBSTONE says that its older records are gone, or will be */
    VF_SR_FORGOTTEN = 1u << 20,  /* nothing of it is to stay but numbers */
};

typedef struct {
    vf_row_head head;          /*   0 */
    vf_key key;                /*   8 */
    le64 last_seq;             /*  24 seq of the last record; all ones = none yet */
    le64 last_lsn;             /*  32 lsn of the last record, 0 = none */
    le64 first_started;        /*  40 ns */
    le64 last_started;         /*  48 */
    le64 first_ended;          /*  56 */
    le64 last_ended;           /*  64 */
    le64 last_activity;        /*  72 */
    le64 status_time;          /*  80 */
    le64 tokens[VF_TOKENS];    /*  88 best source + api */
    le64 cost;                 /* 136 nano-dollars, own */
    le64 cost_children;        /* 144 nano-dollars, of all descendants */
    le64 context;              /* 152 tokens */
    le32 flags;                /* 160 VF_SR_* */
    le32 parent;               /* 164 session row + 1, 0 = none */
    le32 user_messages;        /* 168 */
    le32 assistant_messages;   /* 172 */
    le32 tool_calls;           /* 176 */
    le32 api_requests;         /* 180 */
    le32 api_errors;           /* 184 */
    le32 compactions;          /* 188 */
    le32 turns;                /* 192 */
    le32 revivals;             /* 196 */
    le32 model;                /* 200 names row + 1, 0 = none */
    le32 framework;            /* 204 names row + 1 */
    le32 pid;                  /* 208 int32 */
    le32 children;             /* 212 direct ones */
    le64 process_start;        /* 216 s since 1970 */
    uint8_t status;            /* 224 VF_STATUS_* */
    uint8_t mode;              /* 225 VF_MODE_* */
    uint8_t channel;           /* 226 VF_CHANNEL_* */
    uint8_t session_type;      /* 227 VF_SESSION_* */
    uint8_t best_source;       /* 228 VF_SOURCE_* */
    uint8_t eol;               /* 229 VF_EOL_* */
    uint8_t sources;           /* 230 bit per source that has been seen */
    uint8_t reserved0;         /* 231 zero */
    le64 events;               /* 232 EVENT records */
    le64 payload_bytes;        /* 240 of all payloads */
    le32 height;               /* 248 generations below it: the longest line of descendants that was ever linked */
    le32 reserved;             /* 252 zero */
} vf_hot;
enum { VF_HOT_SIZE = 256 };
_Static_assert(sizeof(vf_hot) == VF_HOT_SIZE, "hot row");
_Static_assert(offsetof(vf_hot, tokens) == 88, "hot.tokens");
_Static_assert(offsetof(vf_hot, flags) == 160, "hot.flags");
_Static_assert(offsetof(vf_hot, process_start) == 216, "hot.process_start");
_Static_assert(offsetof(vf_hot, events) == 232, "hot.events");

/* ---- Session row, cold: counters by source, and which record gave each field. ---- */

typedef struct {
    le64 tokens[VF_TOKENS];  /*  0 */
    le64 cost;               /* 48 */
    le32 user_messages;      /* 56 */
    le32 assistant_messages; /* 60 */
    le32 tool_calls;         /* 64 */
    le32 api_requests;       /* 68 */
    le32 api_errors;         /* 72 */
    le32 compactions;        /* 76 */
    le32 turns;              /* 80 */
    le32 costed;             /* 84 usage rows owned that carry a cost: none = cost absent */
    le64 events;             /* 88 */
} vf_partial;
_Static_assert(sizeof(vf_partial) == 96, "partial");

/* Which record gave a field: its lsn, 0 = none. The value stands in that record. Class: F first wins
 * (least in canonical order), L last wins. */
typedef enum {
    VF_REF_IDENTITY = 0,       /* F the SESSION record with the identity (a stub: the child's that names it) */
    VF_REF_LAST_SET = 1,       /* the session's last SESSION record, by lsn; they are chained by prev_set */
    VF_REF_TOMBSTONE = 2,      /* L the last TOMBSTONE record, by lsn */
    VF_REF_TITLE = 3,          /* L */
    VF_REF_FIRST_TEXT = 4,     /* F first user message; a transcript's before a hook's */
    VF_REF_LAST_TEXT = 5,      /* L */
    VF_REF_CWD = 6,            /* L */
    VF_REF_GIT_BRANCH = 7,     /* L */
    VF_REF_MODEL = 8,          /* L */
    VF_REF_TRANSCRIPT_PATH = 9,/* L */
    VF_REF_PERMISSION_MODE = 10, /* L */
    VF_REF_STATUS = 11,        /* L */
    VF_REF_CONTEXT = 12,       /* L last request outside sidechains: mix's "last request" too */
    VF_REF_PID = 13,           /* L */
    VF_REF_FRAMEWORK = 14,     /* L */
    VF_REF_GOAL = 15,          /* L */
    VF_REF_MODE = 16,          /* L */
    VF_REF_CHANNEL = 17,       /* L */
    VF_REF_SESSION_TYPE = 18,  /* L */
    VF_REF_PARENT = 19,        /* F */
    VF_REF_PARENT_TOOL_CALL = 20, /* F */
    VF_REF_SUBAGENT_TYPE = 21, /* F */
    VF_REF_CALLBACKS = 22,     /* L */
    VF_REF_GIT_DIR = 23,       /* L */
    VF_REF_GIT_WORKTREE = 24,  /* L */
    VF_REF_GITHUB_REPO = 25,   /* L */
    VF_REF_GITHUB_ISSUE = 26,  /* L */
    VF_REF_GITHUB_PR = 27,     /* L */
    VF_REF_GIT_ADDITIONS = 28, /* L */
    VF_REF_GIT_DELETIONS = 29, /* L */
    VF_REF_LIFECYCLE = 30,     /* L last start, end or activity that decided 'ended' */
    VF_REF_VERSION = 31,       /* L */
    VF_REF_PROJECT = 32,       /* L */
    VF_REF_EOL = 33,           /* L SESSION record that says how the last line ends */
    VF_REF_ABSOLUTE = 34,      /* L 34..39 by token class, 40 cost, 41 turns: SESSION records that say these outright */
    VF_REFS = 46,
} vf_ref;

typedef struct {
    vf_row_head head;                 /*   0 zero: version and sum of the hot row stand for both */
    vf_partial by_source[VF_SOURCES]; /*   8 */
    le64 ref[VF_REFS];                /* 392 by vf_ref */
    le64 lifecycle_time;              /* 760 time of the event that VF_REF_LIFECYCLE names */
} vf_cold;
enum { VF_COLD_SIZE = 768 };
_Static_assert(sizeof(vf_cold) == VF_COLD_SIZE, "cold row");
_Static_assert(offsetof(vf_cold, ref) == 392, "cold.ref");

/* ---- Usage row: one for each (message id, request id, kind, chain), and one for each event with tokens
 * or cost that names no message. Rows of one message are linked. ---- */

enum { /* flags of a usage row */
    VF_UR_TIME = 1 << 0,       /* 'time' holds */
    VF_UR_OWNER_TIME = 1 << 1,
    VF_UR_COST = 1 << 2,       /* 'cost' holds */
    VF_UR_LOWER_BOUND = 1 << 3,
    VF_UR_SINGLE = 1 << 4,     /* names no message: stands for itself, has no word */
    VF_UR_LINKED = 1 << 5,     /* not the first row of its message: reached through "next" */
};

typedef struct {
    vf_row_head head;       /*   0 */
    vf_key message;         /*   8 key of the message id; zero: single */
    le64 request;           /*  24 of the request id, 0 = none */
    le64 time;              /*  32 of the line with the largest total, ties to the earliest */
    le64 tokens[VF_TOKENS]; /*  40 of that line */
    le64 cost;              /*  88 of that line, nano-dollars */
    le64 owner_time;        /*  96 of the least owner: (time, session id) */
    le32 owner;             /* 104 session row */
    le32 model;             /* 108 names row + 1, 0 = none */
    le32 price_table;       /* 112 */
    le32 next;              /* 116 next row of the message + 1, 0 = last */
    uint8_t kind;           /* 120 VF_CHARGE_* */
    uint8_t sidechain;      /* 121 0 main chain, 1 sidechain */
    uint8_t source;         /* 122 VF_SOURCE_* */
    uint8_t flags;          /* 123 VF_UR_* */
    le32 reserved;          /* 124 zero */
} vf_usage;
enum { VF_USAGE_SIZE = 128, VF_USAGE_CHAIN_MAX = 32 };
/* Longest line of ancestors that roll-ups follow; a link that would make a longer one is cut. */
enum { VF_DEPTH_MAX = 64 };
_Static_assert(sizeof(vf_usage) == VF_USAGE_SIZE, "usage row");
_Static_assert(offsetof(vf_usage, owner) == 104, "usage.owner");
_Static_assert(offsetof(vf_usage, kind) == 120, "usage.kind");

/* Where the last CURSOR record of an input lies. */
typedef struct {
    vf_row_head head; /*  0 */
    vf_key key;       /*  8 */
    le64 lsn;         /* 24 */
} vf_cursor_row;
enum { VF_CURSOR_ROW_SIZE = 32 };
_Static_assert(sizeof(vf_cursor_row) == VF_CURSOR_ROW_SIZE, "cursor row");

/* An interned name (model, framework); longer ones are cut. */
enum { VF_NAME_ROW_SIZE = 128, VF_NAME_MAX = 100 };
typedef struct {
    vf_row_head head;          /*   0 */
    vf_key key;                /*   8 vf_string_key(VF_SPACE_NAME, text) */
    le32 size;                 /*  24 */
    uint8_t text[VF_NAME_MAX]; /*  28 */
} vf_name_row;
_Static_assert(sizeof(vf_name_row) == VF_NAME_ROW_SIZE, "name row");

/* ---- Redo: idx/<generation>/REDO. A group of row images that belong together. ---- */

/* The file has VF_REDO_MIN bytes at first, and is doubled when a group needs more, up to VF_REDO_SIZE. */
enum { VF_REDO_MIN = 16 << 10, VF_REDO_SIZE = 1 << 20, VF_REDO_HEADER = 64 };
typedef struct {
    le64 state;   /*  0 0 = empty; else the lsn that 'applied' has once the group is in place */
    le64 sum;     /*  8 XXH3-64 of bytes 16..size-1, seed = state */
    le32 size;    /* 16 bytes in use, header included */
    le32 entries; /* 20 */
    uint8_t reserved[40]; /* 24 zero */
} vf_redo_header;
_Static_assert(sizeof(vf_redo_header) == VF_REDO_HEADER, "redo header");
typedef struct {
    le32 table; /* 0 vf_table */
    le32 row;   /* 4 */
    le32 size;  /* 8 bytes of image behind this: the row (session: hot and cold), a multiple of 8 */
    le32 fresh; /* 12 1 = the row is new: its word follows, the table grows */
} vf_redo_entry;
_Static_assert(sizeof(vf_redo_entry) == 16, "redo entry");
/* Any bytes in: SHORT, END (empty), BAD_FIELD (size), SHORT, BAD_SUM, BAD_FIELD (entries). */
vf_result vf_redo_check(const uint8_t *bytes, size_t size);
/* Walks it: at == 0 begins; returns 1 and the entry, or 0 at the end. Stays within 'size' even if unchecked. */
int vf_redo_next(const uint8_t *bytes, size_t size, size_t *at, vf_redo_entry *ret_entry, const uint8_t **ret_image);

/* Size of a table's row images (sessions: hot + cold). */
uint32_t vf_row_size(vf_table table);

/* ---- Settlement of a message's charge: a pure function of its usage rows. SPEC.md "Charges". ---- */

typedef struct {
    uint32_t owner;         /* session row that shows the charge */
    uint8_t kind;           /* VF_CHARGE_* */
    uint8_t source;
    uint8_t flags;          /* VF_UR_TIME, VF_UR_COST, VF_UR_LOWER_BOUND */
    uint8_t first;          /* 1 = first share of its charge: there is one for each request that was paid */
    uint32_t model;
    uint32_t price_table;
    int64_t time;
    int64_t tokens[VF_TOKENS]; /* what this kind counts beyond the earlier kinds */
    int64_t cost;
} vf_share;

/* 1 if line a rather than line b gives the figure (time, model, tokens, cost) of a usage row or of a kind: larger total
 * (negative counts are nothing, sums stop at INT64_MAX); earlier time; larger tokens, class by class; larger cost; then
 * smaller model, price table, source, flag LOWER_BOUND. What is absent comes last. A total order over what is shown:
 * with it the choice among the lines of one row does not depend on their order either. */
int vf_usage_before(const vf_usage *a, const vf_usage *b);

/* 'less(context, a, b)' orders two session rows by session id. Up to VF_USAGE_CHAIN_MAX rows in, up to as many
 * shares out; returns their number. The result does not depend on the order of the rows. */
size_t vf_settle(const vf_usage *rows, size_t count, int (*less)(void *context, uint32_t a, uint32_t b), void *context,
                 vf_share *ret_shares);

#endif

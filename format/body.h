/*
 * The body of EVENT and SESSION records: 192 bytes at fixed offsets, then a directory of strings,
 * the strings, the payload. SPEC.md "Body".
 *
 * Absent is not zero: a number counts only if its presence bit is set. The payload is the source's
 * own bytes. Offsets in comments are counted from the record's first byte, frame included.
 */
#ifndef VARVE_FORMAT_BODY_H
#define VARVE_FORMAT_BODY_H

#include "format/frame.h"
#include "format/kinds.h"

enum { VF_FIXED_SIZE = 192, VF_STR_ENTRY_SIZE = 8 };

enum { /* presence bits */
    VF_HAS_TOKENS = 1ull << 0, /* bits 0..5: one a token class, VF_TOK_* */
    VF_HAS_COST = 1ull << 6,
    VF_HAS_DURATION = 1ull << 7,
    VF_HAS_PROCESS_START = 1ull << 8,
    VF_HAS_UID = 1ull << 9,
    VF_HAS_CHARGE = 1ull << 10,
    VF_HAS_POSITION = 1ull << 11,
    VF_HAS_PID = 1ull << 12,
    VF_HAS_TURN = 1ull << 13,
    VF_HAS_TOOL_CALLS = 1ull << 14,
    VF_HAS_GITHUB_ISSUE = 1ull << 15,
    VF_HAS_GITHUB_PR = 1ull << 16,
    VF_HAS_GIT_ADDITIONS = 1ull << 17,
    VF_HAS_GIT_DELETIONS = 1ull << 18,
    VF_HAS_PAYLOAD = 1ull << 19, /* an empty payload is not an absent one */
    VF_HAS_SIDECHAIN = 1ull << 20,
    VF_HAS_KNOWN = (1ull << 21) - 1,
};

enum { /* body flags */
    VF_EV_SIDECHAIN = 1u << 0,
    VF_EV_RECOVERED = 1u << 1,       /* won back from a damaged line */
    VF_EV_OUTPUT_LOWER_BOUND = 1u << 2, /* the output count is known to be too low */
    VF_EV_USER_MESSAGE = 1u << 3,    /* counts as a message of the user */
    VF_EV_ASSISTANT_MESSAGE = 1u << 4, /* counts as a message of the assistant */
    VF_EV_API_ERROR = 1u << 5,       /* counts as a failed request */
    VF_EV_COMPACTION = 1u << 6,      /* counts as a compaction of the context */
    VF_EV_TURN = 1u << 7,            /* counts as a completed turn */
    VF_EV_UNPRICED = 1u << 8,        /* carries tokens of a model without a price */
    VF_EV_EOL_SET = 1u << 9,         /* SESSION: the last line turned out to end as 'eol' says */
    VF_EV_STUB = 1u << 10,           /* SESSION: known only by name */
    VF_EV_HIDDEN = 1u << 11,         /* SESSION: lists leave it out */
    VF_EV_ORIGIN = 1u << 12,         /* the uid says where the record was first stored, not what it is */
    VF_EV_REPEATED = 1u << 13,       /* appended again behind a REWIND that was not meant for it: it is paid already */
    VF_EV_KNOWN = (1u << 14) - 1,
};

typedef struct {
    le64 present;       /*  64 VF_HAS_* */
    uint8_t source;     /*  72 VF_SOURCE_* */
    uint8_t role;       /*  73 VF_ROLE_* */
    uint8_t charge_kind;/*  74 VF_CHARGE_* */
    uint8_t eol;        /*  75 VF_EOL_* */
    le32 flags;         /*  76 VF_EV_* */
    le64 tokens[VF_TOKENS]; /* 80 VF_TOK_*, int64 */
    le64 cost;          /* 128 int64, nano-dollars */
    le64 duration;      /* 136 int64, ms */
    le64 process_start; /* 144 int64, seconds since 1970 */
    vf_key uid;         /* 152 */
    vf_key charge;      /* 168 key of the message id */
    le64 charge_part;   /* 184 of the request id, 0 = has none */
    le64 position;      /* 192 byte offset in the source */
    le32 pid;           /* 200 int32 */
    le32 price_table;   /* 204 number of the table that made 'cost', 0 = the source's own figure */
    le32 turn;          /* 208 int32 */
    le32 tool_calls;    /* 212 int32, calls that this event makes */
    le32 github_issue;  /* 216 int32 */
    le32 github_pr;     /* 220 int32 */
    le32 git_additions; /* 224 int32 */
    le32 git_deletions; /* 228 int32 */
    uint8_t session_type; /* 232 VF_SESSION_*; 0 = not said, for these four */
    uint8_t mode;       /* 233 VF_MODE_* */
    uint8_t status;     /* 234 VF_STATUS_* */
    uint8_t channel;    /* 235 VF_CHANNEL_* */
    le32 payload_size;  /* 236 bytes */
    le16 strings;       /* 240 entries of the directory */
    le16 reserved;      /* 242 zero */
    le32 strings_size;  /* 244 bytes of all strings */
    le64 prev_set;      /* 248 SESSION: lsn of the session's previous SESSION record, 0 = none */
} vf_fixed;

typedef struct {
    le16 id;       /* 0 vf_str_id, rising from entry to entry */
    le16 reserved; /* 2 zero */
    le32 size;     /* 4 bytes */
} vf_str_entry;

#define VF_AT(field, offset) _Static_assert(offsetof(vf_fixed, field) + VF_FRAME_SIZE == offset, "body." #field)
_Static_assert(sizeof(vf_fixed) == VF_FIXED_SIZE, "fixed part");
_Static_assert(sizeof(vf_str_entry) == VF_STR_ENTRY_SIZE, "string entry");
VF_AT(present, 64);
VF_AT(source, 72);
VF_AT(flags, 76);
VF_AT(tokens, 80);
VF_AT(cost, 128);
VF_AT(duration, 136);
VF_AT(process_start, 144);
VF_AT(uid, 152);
VF_AT(charge, 168);
VF_AT(charge_part, 184);
VF_AT(position, 192);
VF_AT(pid, 200);
VF_AT(price_table, 204);
VF_AT(turn, 208);
VF_AT(tool_calls, 212);
VF_AT(github_issue, 216);
VF_AT(git_deletions, 228);
VF_AT(session_type, 232);
VF_AT(payload_size, 236);
VF_AT(strings, 240);
VF_AT(strings_size, 244);
VF_AT(prev_set, 248);
#undef VF_AT

typedef struct {
    const char *ptr; /* not terminated; NULL = absent */
    uint32_t size;
} vf_text;

/* A body taken apart. Pointers lie in the bytes that were given to vf_body_decode. */
typedef struct {
    vf_fixed fixed;
    vf_text str[VF_STRS];  /* indexed by vf_str_id */
    const uint8_t *payload; /* NULL = absent */
    uint32_t payload_size;
    const uint8_t *unknown_strings; /* first directory entry with an id that this version does not know, or NULL */
} vf_body;

/* Bytes of a body with these strings and payload, unpadded, or 0 if that is more than a record holds. */
uint64_t vf_body_size(const vf_text str[VF_STRS], uint32_t payload_size);
/* Writes the body ('at' has room for vf_body_size bytes); fills in strings, strings_size, payload_size. */
void vf_body_encode(uint8_t *at, const vf_fixed *fixed, const vf_text str[VF_STRS], const uint8_t *payload,
                    uint32_t payload_size);
/* Any bytes in: OK or BAD_FIELD. 'size' = record length - 64 (padding included). */
vf_result vf_body_decode(const uint8_t *bytes, size_t size, vf_body *ret_body);

/* Body sum of what the record says, wherever it stands and however it came there: as if it had no prev_set, none of the
 * flags ORIGIN and REPEATED, and with ORIGIN no uid. */
uint32_t vf_body_content_sum(const vf_body *body);

/* Body of a CURSOR record: 24 bytes, the name, the state. Without both: nothing is known of the input any more, not even
 * what it was called. */
typedef struct {
    vf_key key;          /* 64 vf_string_key(VF_SPACE_CURSOR, name) */
    le32 name_size;      /* 80 */
    le32 state_size;     /* 84 */
} vf_cursor_fixed;
_Static_assert(sizeof(vf_cursor_fixed) == 24, "cursor body");
enum { VF_CURSOR_STATE_MAX = 4096, VF_CURSOR_NAME_MAX = 4096 };
vf_result vf_cursor_decode(const uint8_t *bytes, size_t size, vf_key *ret_key, vf_text *ret_name, vf_text *ret_state);

/* Body of a SYNC record: everything before 'synced' was acknowledged by the disk. */
typedef struct {
    le64 synced;   /* 64 lsn */
    le64 reserved; /* 72 zero */
} vf_sync_fixed;
_Static_assert(sizeof(vf_sync_fixed) == 16, "sync body");

/* Body of REWIND and TOMBSTONE records. (A FORK record has the body of a SESSION record.) */
typedef struct {
    union {
        vf_key uid;      /* 64 REWIND: of the record in the store where it was first, zero = this one */
        le64 activity;   /* 64 TOMBSTONE: the session's last activity by then, least = it had no time */
    };
    le64 seq;        /* 80 REWIND: the last seq that stays; TOMBSTONE: the last that is gone, all ones = the whole session */
    le64 first;      /* 88 TOMBSTONE: the first that is gone */
    le64 to;         /* 96 REWIND: lsn of the record with that seq: going back, reading jumps there; TOMBSTONE: VF_GONE_* */
} vf_mark_fixed;
_Static_assert(sizeof(vf_mark_fixed) == 40, "mark body");
/* Why records are gone: deleted by whoever used the store; too old; not even the texts of the session's row may stay. */
enum { VF_GONE_DELETED = 0, VF_GONE_OLD = 1, VF_GONE_FORGOTTEN = 2 };

#endif

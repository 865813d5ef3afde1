/*
 * Varve: a log-structured store for the sessions of AI agents. Public interface.
 *
 *     varve *store;
 *     if (varve_open("/tmp/store", NULL, &store) < 0) ...
 *     varve_batch *batch;
 *     varve_batch_new(&batch);
 *     varve_event event;
 *     varve_event_init(&event);
 *     event.session_id = varve_cstr("session-1");
 *     event.type = varve_cstr("UserPromptSubmit");
 *     event.str[VARVE_STR_TEXT] = varve_cstr("hello");
 *     varve_batch_add(batch, &event);
 *     varve_append(store, batch, VARVE_GROUP, NULL);
 *     varve_batch_free(&batch);
 *     varve_close(&store);
 *
 * Conventions
 *  1. Functions that can fail return int: 0 or a positive count, or a negative VARVE_E_* (varve_strerror;
 *     varve_last_error says what and where). Outputs are named ret_ and are untouched on failure.
 *  2. Handles are opaque. What makes one takes a pointer to it; what ends one nulls it, and takes NULL.
 *  3. Structs that may grow begin with their size: fill them with their _init function.
 *  4. Text is UTF-8 with a length, not terminated; ptr NULL = absent, which is not the same as empty.
 *  5. Times are int64 nanoseconds since 1970 UTC, money int64 nano-dollars, tokens int64, sizes bytes.
 *     Token classes are disjoint, except that reasoning is part of output.
 *
 * Caveats
 *  - Any number of processes and handles per store. One handle may be used by several threads, a batch, cursor, scan or
 *    list by one at a time: calls on a handle and on what it made wait for each other, all but the wait for the disk in
 *    varve_append and varve_sync, and varve_wait, where threads are together. What takes long (varve_compact, varve_verify,
 *    varve_merge, ...) keeps the others waiting: give it a handle of its own, as readers that are to run side by side.
 *    No call may be under way when the handle is closed. varve_last_error is that of the calling thread.
 *  - After fork() the child must not use a handle that it inherited: calls answer VARVE_E_FORKED. Closing is fine.
 *  - To be written the store must lie on a file system with working flock() and shared memory maps, of this machine alone
 *    (not NFS, SMB, 9p, ...), in directories that no other user may write: else VARVE_E_UNSUITABLE, unless a flag allows it.
 *    Reading works everywhere. Symbolic links inside a store are not followed.
 *  - Pointers in what a cursor or scan gives out hold until its next call.
 *  - The library starts no thread, installs no signal handler, prints nothing, and never repairs while reading.
 */
#ifndef VARVE_H
#define VARVE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VARVE_API __attribute__((visibility("default")))
#else
#define VARVE_API
#endif

/* ---- Errors ---- */

enum {
    VARVE_OK = 0,
    /* the caller's: nothing was changed */
    VARVE_E_ARGUMENT = -1,   /* an argument is impossible */
    VARVE_E_TOO_BIG = -2,    /* payload over 256 MiB, batch over 1 GiB, name too long */
    VARVE_E_READ_ONLY = -3,  /* the handle or the store may only be read */
    VARVE_E_NOT_FOUND = -4,  /* no such store, session, or cursor */
    VARVE_E_EXISTS = -5,
    VARVE_E_FORKED = -6,     /* the handle belongs to the parent process */
    VARVE_E_CONFLICT = -7,   /* another session has this identity's hash */
    VARVE_E_BUSY = -8,       /* the lock was not to be had in time */
    /* the system's: errno is in varve_last_error */
    VARVE_E_IO = -20,
    VARVE_E_NO_SPACE = -21,
    VARVE_E_NO_MEMORY = -22,
    VARVE_E_DENIED = -23,
    VARVE_E_UNSUITABLE = -24, /* the file system or directory cannot carry a store safely */
    VARVE_E_SYNC_FAILED = -25, /* the disk did not confirm: published, not durable */
    /* the store's */
    VARVE_E_NOT_A_STORE = -40,
    VARVE_E_VERSION = -41,   /* made by a version, or with a feature, that this one must not read or write */
    VARVE_E_CORRUPT = -42,   /* damage to the log */
    VARVE_E_INDEX = -43,     /* damage to the index: varve_reindex makes it anew */
};
VARVE_API const char *varve_strerror(int error);
VARVE_API const char *varve_version(void);

/* ---- Text and events ---- */

typedef struct varve_str {
    const char *ptr;
    size_t size;
} varve_str;
VARVE_API varve_str varve_cstr(const char *text); /* NULL gives the absent text */

/* Indexes of varve_event.str and varve_session.str (SPEC.md "Strings"). */
enum {
    VARVE_STR_FRAMEWORK = 2, VARVE_STR_TOOL_USE_ID = 3, VARVE_STR_SPAWNED_AGENT = 4, VARVE_STR_TOOL_NAME = 5,
    VARVE_STR_SUBAGENT_TYPE = 6, VARVE_STR_PERMISSION_MODE = 7, VARVE_STR_TRANSCRIPT_PATH = 8, VARVE_STR_CWD = 9,
    VARVE_STR_GIT_BRANCH = 10, VARVE_STR_MODEL = 11,
    VARVE_STR_TEXT = 12,     /* what a user said; cut to 16 KiB at a character's end when stored */
    VARVE_STR_METADATA = 13, /* JSON */
    VARVE_STR_FINISH_REASON = 14, VARVE_STR_NATIVE_ID = 15, VARVE_STR_NATIVE_PARENT = 16, VARVE_STR_REQUEST_ID = 17,
    VARVE_STR_MESSAGE_ID = 18, VARVE_STR_AGENT_ID = 19, VARVE_STR_VERSION = 20, VARVE_STR_TITLE = 21,
    VARVE_STR_ERROR = 22, VARVE_STR_GIT_DIR = 23, VARVE_STR_GIT_WORKTREE = 24, VARVE_STR_GITHUB_REPO = 25,
    VARVE_STR_PARENT_ID = 28, VARVE_STR_PARENT_MACHINE = 29, VARVE_STR_PARENT_TOOL_CALL = 30, VARVE_STR_GOAL = 31,
    VARVE_STR_CALLBACKS = 32, /* JSON array */
    VARVE_STR_LABELS = 33,    /* lines "key=value"; "key" alone takes it away. Read: all that are set, by key */
    VARVE_STR_STATUS = 34, VARVE_STR_SESSION_TYPE = 35, VARVE_STR_MODE = 36, VARVE_STR_CHANNEL = 37,
    VARVE_STR_BOOT_ID = 38, VARVE_STR_PID_NAMESPACE = 39, VARVE_STR_PROJECT = 40, VARVE_STR_SUBTYPE = 42,
    VARVE_STRS = 43,
};

/* Token classes: indexes of tokens[]. */
enum { VARVE_TOK_INPUT, VARVE_TOK_OUTPUT, VARVE_TOK_CACHE_READ, VARVE_TOK_CACHE_WRITE_5M, VARVE_TOK_CACHE_WRITE_1H,
       VARVE_TOK_REASONING, VARVE_TOKENS };

/* Bits of varve_event.present: which numbers an event carries. */
enum {
    VARVE_HAS_TOKENS = 1 << 0, /* bits 0..5, one a token class */
    VARVE_HAS_COST = 1 << 6, VARVE_HAS_DURATION = 1 << 7, VARVE_HAS_PROCESS_START = 1 << 8, VARVE_HAS_UID = 1 << 9,
    VARVE_HAS_CHARGE = 1 << 10, VARVE_HAS_POSITION = 1 << 11, VARVE_HAS_PID = 1 << 12, VARVE_HAS_TURN = 1 << 13,
    VARVE_HAS_TOOL_CALLS = 1 << 14, VARVE_HAS_GITHUB_ISSUE = 1 << 15, VARVE_HAS_GITHUB_PR = 1 << 16,
    VARVE_HAS_GIT_ADDITIONS = 1 << 17, VARVE_HAS_GIT_DELETIONS = 1 << 18, VARVE_HAS_PAYLOAD = 1 << 19,
    VARVE_HAS_SIDECHAIN = 1 << 20, /* whether it is one was said: see VARVE_EV_SIDECHAIN */
    VARVE_HAS_TIME = 1 << 24,  /* 'time' is the event's own. Without it 'time' only gives its place in order */
};

enum { /* varve_event.flags */
    VARVE_EV_SIDECHAIN = 1 << 0, VARVE_EV_RECOVERED = 1 << 1, VARVE_EV_OUTPUT_LOWER_BOUND = 1 << 2,
    VARVE_EV_USER_MESSAGE = 1 << 3, VARVE_EV_ASSISTANT_MESSAGE = 1 << 4, VARVE_EV_API_ERROR = 1 << 5,
    VARVE_EV_COMPACTION = 1 << 6, VARVE_EV_TURN = 1 << 7, VARVE_EV_UNPRICED = 1 << 8,
    VARVE_EV_EOL_SET = 1 << 9, /* attributes only: the transcript's last line ends as 'eol' says */
    VARVE_EV_HIDDEN = 1 << 11, /* attributes only: lists leave the session out */
    VARVE_EV_ORIGIN = 1 << 12, /* read: the uid says where it was first stored (varve_merge); a copy keeps the flag */
    VARVE_EV_REPEATED = 1 << 13, /* read: stands here again, because a merged rewind had to step over it; paid once */
};

enum { VARVE_SOURCE_API, VARVE_SOURCE_HOOK, VARVE_SOURCE_OTEL, VARVE_SOURCE_TRANSCRIPT, VARVE_SOURCES };
enum { VARVE_ROLE_NONE, VARVE_ROLE_USER, VARVE_ROLE_ASSISTANT, VARVE_ROLE_SYSTEM, VARVE_ROLE_TOOL };
enum { VARVE_CHARGE_MESSAGE, VARVE_CHARGE_AGENT_PROGRESS, VARVE_CHARGE_RECOVERED, VARVE_CHARGES };
enum { VARVE_EOL_LF, VARVE_EOL_CRLF, VARVE_EOL_NONE, VARVE_EOL_JOINED }; /* how a line ended in its source */
/* 255 = another one, named by the string of the same name. */
enum { VARVE_STATUS_NONE, VARVE_STATUS_IDLE, VARVE_STATUS_BUSY, VARVE_STATUS_WAIT, VARVE_STATUS_DONE,
       VARVE_STATUS_ACTIVE, VARVE_STATUS_COMPLETED, VARVE_STATUS_FAILED, VARVE_STATUS_CANCELLED, VARVE_STATUS_UNKNOWN };
enum { VARVE_SESSION_UNSAID, VARVE_SESSION_MAIN, VARVE_SESSION_FORKED, VARVE_SESSION_SUBAGENT };
enum { VARVE_MODE_NONE, VARVE_MODE_INTERACTIVE, VARVE_MODE_AUTONOMOUS, VARVE_MODE_ACP };
enum { VARVE_CHANNEL_NONE, VARVE_CHANNEL_CLI, VARVE_CHANNEL_TUI, VARVE_CHANNEL_TELEGRAM, VARVE_CHANNEL_DISCORD,
       VARVE_CHANNEL_SLACK, VARVE_CHANNEL_ACP };
enum { VARVE_ENUM_NAMED = 255 };

enum { VARVE_RECORD_EVENT = 1, VARVE_RECORD_SESSION = 2, VARVE_RECORD_FORK = 4, VARVE_RECORD_REWIND = 5, VARVE_RECORD_DELETE = 6 };

typedef struct varve_key {
    uint8_t b[16];
} varve_key;

/*
 * An event, as it is appended and as it is read. Zero is a fit value for whatever is not set
 * (varve_event_init). The caller's bytes are copied by varve_batch_add.
 */
typedef struct varve_event {
    size_t size;
    varve_str session_id;        /* required; at most 1,024 bytes */
    varve_str machine_id;        /* absent = the store's own; at most 128 bytes */
    varve_str type;              /* required to append an event: "PreToolUse", "assistant", ...: an open set; cut to 256 bytes */
    varve_str str[VARVE_STRS];   /* by VARVE_STR_* */
    const void *payload;         /* the source's own bytes; VARVE_HAS_PAYLOAD */
    size_t payload_size;         /* at most 256 MiB */
    uint32_t present;            /* VARVE_HAS_* */
    uint32_t flags;              /* VARVE_EV_* */
    int64_t time;                /* ns. Neither time nor VARVE_HAS_TIME: appended events are stamped with now */
    int64_t tokens[VARVE_TOKENS];
    int64_t cost;                /* nano-dollars */
    int64_t duration;            /* ms */
    int64_t process_start;       /* s since 1970 */
    varve_key uid;               /* the same event met again: varve_line_uid, varve_name_uid. A uid that the session
                                    already has adds nothing */
    varve_key charge;            /* the message that is paid for: varve_charge_key. The same charge counts once */
    uint64_t charge_part;        /* the request of that message, 0 = unknown: varve_charge_part */
    uint64_t position;           /* byte offset in the source */
    int32_t pid;
    int32_t turn;
    int32_t tool_calls;          /* how many tool calls this event makes */
    int32_t github_issue, github_pr, git_additions, git_deletions;
    uint32_t price_table;        /* number of the table that made 'cost', 0 = the source's own figure */
    uint8_t source;              /* VARVE_SOURCE_* */
    uint8_t role;                /* VARVE_ROLE_* */
    uint8_t charge_kind;         /* VARVE_CHARGE_* */
    uint8_t eol;                 /* VARVE_EOL_* */
    uint8_t status, session_type, mode, channel; /* VARVE_STATUS_* ...: set by varve_batch_set */
    /* filled in when read */
    uint8_t record;              /* VARVE_RECORD_* */
    uint64_t lsn;                /* place in the store: rises with arrival */
    uint64_t seq;                /* place in its session, from 0 (the record with its identity) without a gap */
} varve_event;
VARVE_API void varve_event_init(varve_event *event);

/* Key of the line with these bytes that is the nth (from 0) of its kind in its file; and of any name (a tool use
 * id with its event type, a position in a log). Both only mean something within the session. */
VARVE_API varve_key varve_line_uid(varve_str machine_id, varve_str session_id, const void *line, size_t size, uint64_t nth);
VARVE_API varve_key varve_name_uid(varve_str machine_id, varve_str session_id, varve_str name);
VARVE_API varve_key varve_charge_key(varve_str message_id);
VARVE_API uint64_t varve_charge_part(varve_str request_id); /* 0 for an absent or empty one */

/* ---- Opening ---- */

typedef struct varve varve;

enum {
    VARVE_OPEN_READ_ONLY = 1 << 0, /* needs read permission only; takes no lock; writes nothing into the store */
    VARVE_OPEN_NO_CREATE = 1 << 1, /* VARVE_E_NOT_FOUND if there is no store */
    VARVE_OPEN_NO_INDEX = 1 << 2,  /* read-only: do not believe the store's index, make a private one from the log */
    VARVE_OPEN_ALONE = 1 << 3,     /* no other machine uses the store meanwhile and, where there are no locks, no other
                                      process: it is written also where locks or shared memory may not hold, and read by index */
    VARVE_OPEN_SHARED = 1 << 4,    /* other users may write to its directory, or it is theirs: new files let in whom it lets in */
};

typedef struct varve_options {
    size_t size;
    uint32_t flags;         /* VARVE_OPEN_* */
    uint32_t segment_size;  /* bytes of a raw segment, for a new store; 0 = 64 MiB */
    varve_str machine_id;   /* of a new store; absent = random */
    int lock_timeout_ms;    /* longest wait for a lock: VARVE_E_BUSY; 0 = 10 s, -1 = for ever */
    uint64_t close_budget;  /* a writer that closes compacts so many bytes first, if as much is there; 0 = never */
    const char *temp_dir;   /* for private indexes; NULL = $TMPDIR or /tmp */
    void (*log)(void *context, const char *line); /* what a person may want to know (recovery, damage); NULL = nobody */
    void *log_context;
    char *error;            /* room for one line that says why varve_open failed; NULL = not wanted */
    size_t error_size;
} varve_options;
VARVE_API void varve_options_init(varve_options *options);

/* Opens the store in directory 'path', making it if need be. Options may be NULL. The first writer after a crash of
 * the machine reads the log once to find its end and to make the index. */
VARVE_API int varve_open(const char *path, const varve_options *options, varve **ret_store);
VARVE_API void varve_close(varve **store);
/* The calling thread's last failure on this handle in one line: what, where (file, offset), what to do. Holds until its
 * next call. */
VARVE_API const char *varve_last_error(const varve *store);
VARVE_API varve_str varve_machine_id(const varve *store);

/* ---- Appending ---- */

typedef struct varve_batch varve_batch;

typedef enum varve_durability {
    VARVE_NONE = 0,  /* survives the death of the process, not of the machine */
    VARVE_GROUP = 1, /* returns when on disk; concurrent callers share one sync */
} varve_durability;

VARVE_API int varve_batch_new(varve_batch **ret_batch);
VARVE_API void varve_batch_free(varve_batch **batch);
VARVE_API void varve_batch_clear(varve_batch *batch); /* empty, memory kept */
/* Adds a copy. Returns the index of the record in the batch. */
VARVE_API int varve_batch_add(varve_batch *batch, const varve_event *event);
/* Sets attributes of a session (strings, status, session_type, mode, channel, github_*, git_*, parent): what is present
 * in 'event' is set, all else stays. Makes the session if there is none. Not an event: counts nothing. With VARVE_HAS_TIME
 * 'time' is a moment of the session's life (its creation, its last activity). Tokens, cost and turn are absolute: they
 * replace what was set before, and stand beside what the session's API events add up to. */
VARVE_API int varve_batch_set(varve_batch *batch, const varve_event *event);
/* A new session that begins with the parent's events up to and with 'parent_seq' (UINT64_MAX: all) and goes on from there:
 * one record, nothing is copied. 'child' names it and may set attributes. VARVE_E_EXISTS, VARVE_E_NOT_FOUND when appended. */
VARVE_API int varve_batch_fork(varve_batch *batch, const varve_event *child, varve_str parent_machine, varve_str parent_session,
                               uint64_t parent_seq);
/* Hides the session's events above 'keep_seq' from every view; what they cost was paid and stays. VARVE_E_NOT_FOUND when
 * appended: no such event is to be seen, or the session is deleted. */
VARVE_API int varve_batch_rewind(varve_batch *batch, varve_str machine_id, varve_str session_id, uint64_t keep_seq);
/* Hides the session. Its children lose their parent; forks keep what they share with it. */
VARVE_API int varve_batch_delete(varve_batch *batch, varve_str machine_id, varve_str session_id);
/* Says how far input 'name' has been taken; replaces what was said before. At most 4,096 bytes each. */
VARVE_API int varve_batch_cursor(varve_batch *batch, varve_str name, const void *state, size_t state_size);
VARVE_API size_t varve_batch_count(const varve_batch *batch);
VARVE_API size_t varve_batch_bytes(const varve_batch *batch);
/* The uids of the events from here on are new for sure (an input that continues a verified prefix): not looked up. */
VARVE_API void varve_batch_trust_uids(varve_batch *batch, int trust);

typedef struct varve_appended {
    size_t size;
    size_t stored;       /* events that were added */
    size_t duplicates;   /* events whose uid the session had */
    uint64_t first_lsn, end_lsn; /* what was written lies in [first, end) */
    const uint8_t *is_duplicate; /* one byte a record of the batch; holds until the batch changes */
} varve_appended;

/* Appends a batch: all or none of it, also after a crash. Assigns seq and lsn. The batch can be used again after
 * varve_batch_clear. ret may be NULL (else set ret->size). VARVE_E_SYNC_FAILED: it is in the store and seen by
 * readers, but the disk has not confirmed it; the next durable append writes it anew first, and is refused with the same
 * error, storing nothing, if that fails. VARVE_E_BUSY: others kept the lock for as long as lock_timeout_ms; nothing was
 * appended. */
VARVE_API int varve_append(varve *store, varve_batch *batch, varve_durability durability, varve_appended *ret);
/* Everything that was published when the call began is on disk when it returns. */
VARVE_API int varve_sync(varve *store);

/* Waits until the log has grown: its end is not *at any more. 1 and the end in *at; 0 after timeout_ms (-1: never). Begin
 * with 0. To follow a store: wait, then read what lies behind the event that was read last, again and again; appends wake
 * who waits within microseconds, or a millisecond if the handle may not write to CONTROL. A change of *at without an event
 * is possible. VARVE_E_READ_ONLY: the handle reads a snapshot, which does not grow. */
VARVE_API int varve_wait(varve *store, uint64_t *at, int timeout_ms);

/* State of an input: returns its size and copies at most 'room' bytes. VARVE_E_NOT_FOUND if nothing was said. A handle that
 * may write is told what the log says now, also if the last writer died before the index followed. */
VARVE_API int varve_cursor_state(varve *store, varve_str name, void *ret_state, size_t room);

/* ---- Sessions ---- */

enum { /* varve_session.flags */
    VARVE_SS_STUB = 1 << 0,       /* known by name only: a child named it */
    VARVE_SS_ENDED = 1 << 1, VARVE_SS_HAS_ENDED = 1 << 2, /* ended now; has ever ended */
    VARVE_SS_HAS_TIME = 1 << 3,   /* some event had a time */
    VARVE_SS_HAS_COST = 1 << 4, VARVE_SS_HAS_CONTEXT = 1 << 5,
    VARVE_SS_TRANSCRIPT = 1 << 6, /* a transcript was taken */
    VARVE_SS_OUTPUT_LOWER_BOUND = 1 << 7, VARVE_SS_UNPRICED = 1 << 8, VARVE_SS_HIDDEN = 1 << 9, VARVE_SS_DELETED = 1 << 10,
    VARVE_SS_HAS_STATUS_TIME = 1 << 11, VARVE_SS_HAS_PID = 1 << 12, VARVE_SS_HAS_PROCESS_START = 1 << 13,
    VARVE_SS_LABELS = 1 << 14, VARVE_SS_EOL_SET = 1 << 15, VARVE_SS_CYCLE = 1 << 16,
    VARVE_SS_REWOUND = 1 << 18,   /* a rewind hides events of it */
    VARVE_SS_TRIMMED = 1 << 19,   /* its older events were dropped by retention, or will be */
    VARVE_SS_FORGOTTEN = 1 << 20, /* only numbers are left of it */
};

typedef struct varve_counters {
    int64_t tokens[VARVE_TOKENS];
    int64_t cost;      /* nano-dollars */
    uint32_t user_messages, assistant_messages, tool_calls, api_requests, api_errors, compactions, turns;
    uint32_t costed;   /* charges with a cost: 0 = cost is absent */
    uint64_t events;
} varve_counters;

typedef struct varve_session {
    size_t size;
    varve_key key;
    uint64_t row;                /* number of the session in the store, from 0, in order of arrival */
    varve_str session_id, machine_id;
    varve_str str[VARVE_STRS];   /* by VARVE_STR_*: MODEL, CWD, TITLE, PARENT_ID, ...; only if asked for: varve_scan_strings */
    varve_str first_text, last_text; /* first and last message of the user; likewise */
    uint32_t flags;              /* VARVE_SS_* */
    uint32_t sources;            /* bit 1 << VARVE_SOURCE_* for each source seen */
    uint8_t status, session_type, mode, channel, best_source, eol;
    int64_t first_started, last_started, first_ended, last_ended, last_activity, status_time; /* ns */
    int64_t tokens[VARVE_TOKENS]; /* of the best source, and of the API */
    int64_t cost, cost_children; /* nano-dollars: own, and of all descendants */
    int64_t context;             /* tokens */
    int64_t process_start;       /* s */
    int32_t pid;
    int32_t github_issue, github_pr, git_additions, git_deletions;
    uint32_t present;            /* VARVE_HAS_GITHUB_ISSUE ... VARVE_HAS_GIT_DELETIONS: which of these hold */
    uint32_t user_messages, assistant_messages, tool_calls, api_requests, api_errors, compactions, turns, revivals, children;
    uint64_t events, payload_bytes;
    uint64_t last_seq, last_lsn;
    uint64_t parent_row;         /* UINT64_MAX = no parent */
    varve_counters by_source[VARVE_SOURCES];
} varve_session;

typedef struct varve_scan varve_scan;
/* Reads session records: one by identity, or all in order of arrival. What a scan gives out is one consistent record
 * each; its texts hold until the scan's next call. */
VARVE_API int varve_scan_open(varve *store, varve_scan **ret_scan);
VARVE_API void varve_scan_close(varve_scan **scan);
VARVE_API void varve_scan_strings(varve_scan *scan, int want); /* 0: numbers and identity only (quicker); 1: all, as at first */
VARVE_API int varve_scan_next(varve_scan *scan, varve_session *ret_session);   /* 1 = one, 0 = no more */
VARVE_API int varve_scan_rewind(varve_scan *scan);
VARVE_API int varve_scan_get(varve_scan *scan, varve_str machine_id, varve_str session_id, varve_session *ret_session);
VARVE_API int varve_scan_get_row(varve_scan *scan, uint64_t row, varve_session *ret_session);
/* Sums over all sessions but stubs and deleted ones: the quickest scan. Sums that go beyond int64 wrap. */
typedef struct varve_totals {
    size_t size;
    uint64_t sessions, events, payload_bytes;
    int64_t tokens[VARVE_TOKENS];
    int64_t cost;      /* nano-dollars */
    uint64_t user_messages, assistant_messages, tool_calls, api_requests, api_errors, compactions, turns;
} varve_totals;
VARVE_API int varve_session_totals(varve *store, varve_totals *ret_totals);
/* Without texts and identity: the quickest look-up. */
VARVE_API int varve_session_find(varve *store, varve_str machine_id, varve_str session_id, varve_session *ret_session);

/* ---- Views ---- */

/* What programs ask of a session's record. All but the first two are pure: they only look at 'session'. Those that look
 * at its texts (framework, boot id, pid namespace) want a record that was read with its texts. */
enum { VARVE_PROCESS_NONE = 0, /* the record names no process */
       VARVE_PROCESS_GONE = 1, /* it is not alive, or its pid belongs to another process now */
       VARVE_PROCESS_FOREIGN = 2, /* not to be judged from here: another or an unsaid pid namespace, or an unsaid boot */
       VARVE_PROCESS_RUNNING = 3 };
/* Asks the operating system about the session's process: VARVE_PROCESS_* or VARVE_E_*. A pid of an earlier boot of
 * this machine is FOREIGN too: which machine a boot id belongs to cannot be told. A zombie is GONE. Where the record
 * says when the process started, a process that started at another time (2 s are let pass) is another one. */
VARVE_API int varve_session_process(varve *store, const varve_session *session);
VARVE_API int varve_session_is_process_running(varve *store, const varve_session *session); /* 1 if RUNNING, else 0 */
VARVE_API int varve_session_is_active(const varve_session *session); /* 1 unless it has ended and was not revived */
VARVE_API int64_t varve_session_total_tokens(const varve_session *session); /* all classes but reasoning (in output) */
/* ns from the first start to the last end, or to the last activity if it has not ended; 0 without times. */
VARVE_API int64_t varve_session_duration(const varve_session *session);
/* Whose figures the record shows: "transcript", else "otel", else "hook"; "api" if none of these was seen. */
VARVE_API const char *varve_session_metrics_source(const varve_session *session);
VARVE_API int varve_session_should_otel_update_tokens(const varve_session *session); /* 1 while there is no transcript */
VARVE_API int varve_session_should_hook_update_counts(const varve_session *session); /* likewise */
VARVE_API int varve_session_uses_shared_process(const varve_session *session); /* 1: one process, many sessions (cursor) */
VARVE_API int varve_session_is_amp(const varve_session *session); /* 1: framework amp, which has no hooks and no telemetry */

/* ---- Events ---- */

typedef struct varve_cursor varve_cursor;
enum {
    VARVE_CURSOR_BACKWARD = 1 << 0,
    VARVE_CURSOR_SETTINGS = 1 << 1, /* the records that set attributes as well (VARVE_RECORD_SESSION) */
};
/* Events of one session by seq, from 'from_seq' on (backward: down from it; UINT64_MAX = from the last). A cursor sees
 * the store as it was when it was opened. */
VARVE_API int varve_cursor_session(varve *store, varve_str machine_id, varve_str session_id, uint64_t from_seq, uint32_t flags,
                                   varve_cursor **ret_cursor);
/* All events by lsn, from 'from_lsn' on (0 = the first; backward: down from it), also what rewinds hide. */
VARVE_API int varve_cursor_store(varve *store, uint64_t from_lsn, uint32_t flags, varve_cursor **ret_cursor);
VARVE_API int varve_cursor_next(varve_cursor *cursor, varve_event *ret_event); /* 1 = one, 0 = no more */
VARVE_API void varve_cursor_close(varve_cursor **cursor);

/* ---- Queries ---- */

/* What is asked of sessions and of events: what is not asked for stays as _init leaves it. Times are from 'after' on and
 * before 'before'. Texts must be equal, byte for byte, and hold as long as the list; a mask has the bits
 * 1u << (number & 31) of the values that are wanted, so that bit 31 is that of VARVE_ENUM_NAMED; 0 = any. */
/* First come first, and streams; newest first_started, newest last_activity, largest cost + cost_children first. */
enum { VARVE_ORDER_ARRIVAL, VARVE_ORDER_START, VARVE_ORDER_ACTIVITY, VARVE_ORDER_COST };
enum { VARVE_LIST_ACTIVE = 1 << 0, /* only those that have not ended */
       /* left out unless asked for; subagents also come when parent or session_types is asked for */
       VARVE_LIST_SUBAGENTS = 1 << 1, VARVE_LIST_STUBS = 1 << 2, VARVE_LIST_HIDDEN = 1 << 3, VARVE_LIST_DELETED = 1 << 4 };
/* Place of a session in an order: where the next page goes on. row UINT64_MAX = before all. */
typedef struct varve_place { int64_t value; uint64_t row; } varve_place;
typedef struct varve_session_filter {
    size_t size;
    uint32_t flags;          /* VARVE_LIST_* */
    uint32_t order;          /* VARVE_ORDER_*; without time or cost last; ties by session id, then machine id */
    varve_str machine_id, framework, project, model, github_repo, cwd;
    varve_str labels;        /* lines "key=value", or "key" (has it, whatever it says): all of them must hold */
    uint64_t parent_row;     /* UINT64_MAX = any; or by id; VARVE_E_NOT_FOUND if there is no such session: */
    varve_str parent_id, parent_machine;
    uint32_t statuses, session_types; /* masks */
    varve_str status_name;   /* a status that has no number: as well as those of the mask */
    int64_t active_since, started_after, started_before; /* sessions without time are not there */
    int32_t github_issue, github_pr; /* 0 = any */
    uint64_t limit, offset;  /* 0 = none; the offset is from 'after' */
    varve_place after;       /* only what comes behind it */
} varve_session_filter;
VARVE_API void varve_session_filter_init(varve_session_filter *filter);

/* Sessions in an order, chosen when the list is opened and read when they are given. Memory: with a limit 16 bytes for
 * each of limit + offset sessions, without one for each that fits. Pages that go on from varve_list_place stay whole
 * while others append: only a session whose own place changes may be met twice or not at all. filter NULL = all. */
typedef struct varve_list varve_list;
VARVE_API int varve_session_list(varve *store, const varve_session_filter *filter, varve_list **ret_list);
VARVE_API void varve_list_strings(varve_list *list, int want); /* as varve_scan_strings */
VARVE_API int varve_list_next(varve_list *list, varve_session *ret_session); /* 1 = one, 0 = no more */
VARVE_API varve_place varve_list_place(const varve_list *list); /* of the session given last */
VARVE_API void varve_list_close(varve_list **list);
/* How many fit; order, limit, offset and after are not looked at. */
VARVE_API int varve_session_count(varve *store, const varve_session_filter *filter, uint64_t *ret_count);

enum { VARVE_EVENTS_SETTINGS = 1 << 0, /* as VARVE_CURSOR_SETTINGS */
       VARVE_EVENTS_HIDDEN = 1 << 1,   /* also what rewinds hide, and of deleted sessions (those that are named are there) */
       VARVE_EVENTS_REVERSE = 1 << 2, VARVE_EVENTS_BY_TIME = 1 << 3, /* else by lsn; ties by lsn */
       VARVE_EVENTS_API_REQUESTS = 1 << 4, VARVE_EVENTS_NO_API_REQUESTS = 1 << 5 }; /* only, none of type ApiRequest */
typedef struct varve_event_filter {
    size_t size;
    uint32_t flags;              /* VARVE_EVENTS_* */
    const varve_str *session_ids, *types; /* arrays; without any: of all */
    size_t session_count, type_count;
    const varve_str *machine_ids; /* of session_ids; NULL, or one absent = the store's own */
    varve_str permission_mode;   /* the event's */
    varve_str framework;         /* the event's, or else its session's */
    uint32_t sources, roles;     /* masks */
    int64_t after_time, before_time; /* events without a time of their own are not there */
    uint64_t after_lsn, before_lsn;  /* neither itself: tail by the last lsn seen */
    uint64_t from_seq, limit;    /* with session_ids: from this seq on (reverse: down from it); 0 = all, 0 = none */
} varve_event_filter;
VARVE_API void varve_event_filter_init(varve_event_filter *filter);
/* A cursor for varve_cursor_next. By lsn it streams; by time it keeps 24 bytes for each event up to the limit. */
VARVE_API int varve_event_list(varve *store, const varve_event_filter *filter, varve_cursor **ret_cursor);
VARVE_API int varve_event_count(varve *store, const varve_event_filter *filter, uint64_t *ret_count); /* limit not looked at */

/* ---- Usage ---- */

typedef struct varve_usage {
    size_t size;
    uint64_t session_row;      /* who shows it */
    uint8_t kind;              /* VARVE_CHARGE_* */
    uint8_t source;            /* VARVE_SOURCE_* */
    uint8_t has_time, has_cost, lower_bound;
    int64_t time;              /* ns */
    varve_str model;           /* holds until the next call */
    uint32_t price_table;
    int64_t tokens[VARVE_TOKENS];
    int64_t cost;              /* nano-dollars */
} varve_usage;
/* Calls 'each' for what every charge counts: once, at its owner, and only from the owner's best source and the API.
 * A non-zero answer stops and is returned. */
VARVE_API int varve_usage_each(varve *store, int (*each)(void *context, const varve_usage *usage), void *context);

/* ---- Care ---- */

enum { VARVE_LOCK_APPEND, VARVE_LOCK_SYNC, VARVE_LOCK_COMPACT, VARVE_LOCKS };
enum { VARVE_WAIT_BUCKETS = 24 };
/* Of a lock, since the machine was started or CONTROL made. LOCK.sync: waits for another's sync count. */
typedef struct varve_lock_stats {
    uint64_t taken, waits;       /* how often; of these, or instead, how often it was waited for */
    uint64_t waited, longest;    /* ns, all waits and the longest */
    uint64_t bucket[VARVE_WAIT_BUCKETS]; /* waits of [2^n, 2^(n+1)) microseconds; the ends hold the rest */
    uint32_t holder;             /* process that has it now, as it knows itself; 0 = none. A hint: it may be gone */
    int64_t since;               /* ns, of the holder */
} varve_lock_stats;
typedef struct varve_stats {
    size_t size;
    uint64_t sessions, stubs, events, charges, cursors;
    uint64_t tail_lsn, synced_lsn;
    uint32_t segments;         /* raw ones */
    uint64_t log_bytes, index_bytes, payload_bytes; /* log_bytes: raw and packed segments as they lie on disk */
    uint32_t quarantined;      /* files in quarantine/ */
    uint32_t packed_segments;
    uint64_t packed_bytes;     /* of them on disk */
    uint64_t packed_total, written_total; /* bytes of raw segments ever packed, and bytes ever written by compaction */
    varve_lock_stats lock[VARVE_LOCKS]; /* zeros where CONTROL is not to be believed */
} varve_stats;
VARVE_API int varve_stat(varve *store, varve_stats *ret_stats);

/* ---- Packing ---- */

/* The log is written in raw segments, as events arrive. Compaction packs them: clustered by session, compressed, with the
 * index as it was at their end; merges packed segments; and leaves out what deleted sessions held, unless a fork shares it.
 * It runs while others append and read, one at a time (VARVE_E_BUSY), and can be killed at any moment: the next one goes on.
 * It writes new files first, so that it needs room (VARVE_E_NO_SPACE, nothing changed); see SPEC.md "Compaction" for what it
 * chooses. */
enum { VARVE_COMPACT_ALL = 1 << 0 }; /* everything, into the cold tier: smaller, slower to make and to open at random */
typedef struct varve_compact_options {
    size_t size;
    uint32_t flags;  /* VARVE_COMPACT_* */
    uint64_t budget; /* bytes: jobs of at most so much raw log (one segment at least), none begun once so much was read;
                      * 0 = no limit */
    uint32_t block;  /* bytes of data of a block, 4 KiB to 64 MiB; 0 = 256 KiB hot, 4 MiB cold. Larger: smaller on disk, and
                      * more to decompress for one event */
    int level;       /* of zstd, 1 to 19; 0 = 3 hot, 9 cold */
} varve_compact_options;
VARVE_API void varve_compact_options_init(varve_compact_options *options);
typedef struct varve_compacted {
    size_t size;
    uint64_t raw_segments, packed_segments; /* that were taken in */
    uint64_t made;                          /* packed segments written */
    uint64_t read_bytes, written_bytes, removed_bytes;
    int more;                               /* the budget ended it: there is more to do */
} varve_compacted;
/* Options and ret may be NULL. */
VARVE_API int varve_compact(varve *store, const varve_compact_options *options, varve_compacted *ret_compacted);

/* ---- Retention and erasure ---- */

/* Drops sessions whose last activity is before a moment (those without any time are not old; those whose records a fork
 * that stays shares are kept): hides them, and packs again what holds their records. What they cost stays counted: in
 * usage, and in their parents' roll-ups. What is taken in again of a dropped session adds nothing: events with a uid that
 * are not later than what went, or have no time of their own. What was cut off is finished by the next call, which also
 * drops what deleted sessions left. Works on a full disk: then the index gives up its room meanwhile, and nobody else
 * appends until the call is over. */
enum { VARVE_RETAIN_KEEP_SESSIONS = 1 << 0, /* drop the events, keep the session records, with their texts */
       VARVE_RETAIN_DRY_RUN = 1 << 1 };     /* count only */
typedef struct varve_retention {
    size_t size;
    uint32_t flags;      /* VARVE_RETAIN_* */
    int64_t before;      /* ns */
} varve_retention;
typedef struct varve_retained {
    size_t size;
    uint64_t sessions, events, payload_bytes; /* that go, or would go */
    uint64_t shared;                          /* sessions as old that stay, for the sake of forks */
    uint64_t removed_bytes, written_bytes;    /* of files */
} varve_retained;
VARVE_API int varve_retain(varve *store, const varve_retention *retention, varve_retained *ret_retained);

/* Forgets a session: hides it at once; with VARVE_FORGET_NOW rewrites every file that holds its texts or payloads, and then
 * looks through all of them for what is left. Numbers stay (what it cost was paid), and its hash, so that it does not come
 * back by an import. So do words of the trade (names of models and frameworks, kept once for all sessions), and its id where
 * children name it as their parent. Pieces of 16 bytes are looked for; shorter texts go as well, but are too common to tell
 * anything. VARVE_E_CONFLICT while a fork shares its records, unless the forks go with it. What snapshots, copies and open
 * cursors hold is their owners' affair. */
enum { VARVE_FORGET_NOW = 1 << 0, VARVE_FORGET_FORKS = 1 << 1 };
typedef struct varve_forgotten {
    size_t size;
    uint64_t sessions, inputs;    /* forgotten: with forks; and inputs named after them */
    uint64_t files, quarantined;  /* packed again; removed from quarantine/ */
    uint64_t needles, bytes;      /* pieces of text that were looked for, and bytes that were looked through */
    uint64_t shared;              /* pieces that stand in other sessions' records too, and stay there */
    uint64_t found;               /* pieces that were found elsewhere: must be 0 */
} varve_forgotten;
VARVE_API int varve_forget(varve *store, varve_str machine_id, varve_str session_id, uint32_t flags,
                           varve_forgotten *ret_forgotten);

typedef struct varve_finding {
    size_t size;
    int error;                 /* VARVE_E_CORRUPT, VARVE_E_INDEX; 0 = worth knowing, no fault */
    const char *file;          /* below the store's directory */
    uint64_t offset;
    const char *what;          /* one line */
} varve_finding;
enum { VARVE_VERIFY_DEEP = 1 << 0 }; /* fold all events again: the index must come out the same */
/* Reads everything and tells each finding. Returns the number of faults. Repairs nothing. */
VARVE_API int varve_verify(varve *store, uint32_t flags, void (*tell)(void *context, const varve_finding *finding), void *context);
enum { VARVE_RECONCILE_DRY_RUN = 1 << 0 }; /* tell only */
/* Asks the operating system after the process of each session that has not ended and is not over by its status. If it is
 * gone (not alive, or of another boot of the store's machine), the status becomes unknown, unless an event comes meanwhile.
 * Calls 'each' (may be NULL) with the session as it was and VARVE_PROCESS_GONE, or FOREIGN or RUNNING, which are never
 * touched; a non-zero answer stops and is returned. Else the number of those gone. */
VARVE_API int varve_reconcile(varve *store, uint32_t flags, int (*each)(void *context, const varve_session *session, int process),
                              void *context);
typedef struct varve_merged {
    size_t size;
    uint64_t sessions;         /* that were not known here */
    uint64_t events, settings, forks, rewinds, deletions; /* that were added; settings: records that set attributes */
    uint64_t duplicates;       /* records that were here already */
    uint64_t not_carried;      /* see below */
} varve_merged;
/* Appends what another store holds, and makes it durable. 'from' may be open for reading only, and is not changed.
 * What is here already adds nothing: events with a uid by that, all else by where it was first stored, which its
 * copies tell (VARVE_EV_ORIGIN); so stores may be merged again, in any order, and through each other. Sessions keep
 * their machine id. Deletions are taken over. A rewind hides here what it hid there, no more and no less: events from
 * elsewhere that it must step over are appended behind it once more. A fork goes on from the record that it shares
 * with its parent; if the child exists here in its own right, or that record is not found, it comes as attributes,
 * its own events follow, and it counts as not carried. So does what damage has left without a session or a place. How
 * far inputs were taken (varve_cursor_state) is not taken over: that is known only where they were read. Other
 * processes may write to both stores. When it fails, what came before is here, and the next merge goes on.
 * VARVE_E_ARGUMENT: both are the same store. VARVE_E_BUSY: the index of 'from' does not follow its log. VARVE_E_CONFLICT:
 * as varve_append. ret may be NULL (else set ret->size). */
VARVE_API int varve_merge(varve *store, varve *from, varve_merged *ret_merged);
/* Throws the index away and makes it anew from the log. */
VARVE_API int varve_reindex(varve *store);

/* Makes a damaged store serve what is good, moves what is not to its quarantine/, and tells what is lost. Works on stores that
 * varve_open refuses; waits for other writers as options say, and keeps them out meanwhile. Deletes nothing. What is wrong
 * with a file in one bit is put right. Killed at any moment, another call finishes; on a store without damage it changes
 * nothing. What was told as lost stands in the file LOST from then on, so that varve_verify takes it for known. Of options
 * machine_id is used if STORE is lost. 'tell' (may be NULL) is called for each thing that is mended, or would be. */
enum { VARVE_REPAIR_DRY_RUN = 1 << 0 }; /* tell only: nothing is changed */
enum { VARVE_REPAIR_MENDED, /* without loss */
       VARVE_REPAIR_LOST,   /* a part of the log, or records of a session, are not served any more */
       VARVE_REPAIR_LEFT }; /* cannot be mended */
typedef struct varve_repair_step {
    size_t size;
    int kind;                /* VARVE_REPAIR_* */
    const char *file;        /* below the store's directory */
    uint64_t offset;
    uint64_t bytes;          /* LOST: that are not served, 0 = not known */
    const char *what;        /* one line: what is wrong, and what becomes of it */
    int has_session;         /* LOST: these records of a session: */
    varve_key session;
    varve_str session_id, machine_id; /* absent: its name is lost too */
    uint64_t first_seq, last_seq;
} varve_repair_step;
typedef struct varve_repaired {
    size_t size;
    uint64_t mended;         /* things that were put in order; 0 = there was nothing to do */
    uint64_t moved;          /* files that went to quarantine/ */
    uint64_t lost, lost_bytes, lost_records; /* parts of the log; as far as it can be told */
    uint64_t left;           /* what could not be mended */
} varve_repaired;
VARVE_API int varve_repair(const char *path, const varve_options *options, uint32_t flags,
                           void (*tell)(void *context, const varve_repair_step *step), void *context,
                           varve_repaired *ret_repaired);

/* Makes a store in directory 'dest' that has everything published when the call began, or brings one that was made so up to
 * date, while others append and compact; any handle will do. Files that never change again are hard links, where they cannot
 * be they share their blocks or are copied; only the segment that is being written is copied again each time. On disk when
 * it returns; killed at any moment, dest is what it was or more, and another call completes it. VARVE_E_EXISTS: dest holds
 * something else, or was written to since and is a store of its own; nothing was changed. flags 0; ret may be NULL. */
typedef struct varve_snapshot_result {
    size_t size;
    uint64_t linked_files, copied_files, unchanged_files; /* segments */
    uint64_t removed_files, copied_bytes;
    uint64_t tail_lsn; /* the snapshot has everything before it */
} varve_snapshot_result;
VARVE_API int varve_snapshot(varve *store, const char *dest, uint32_t flags, varve_snapshot_result *ret);

#ifdef __cplusplus
}
#endif

#endif

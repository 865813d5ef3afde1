/*
 * The store's inside: what one open handle holds, and how the parts of the engine call each other.
 *
 *  store, control, lock    opening and closing; the page of words; waiting for a lock
 *  turn, wait              a handle's threads and their errors; waiting for the log to grow
 *  sync, mend              one sync for all who wait; what the disk did not confirm, written anew
 *  place                   whether a store may be written where it lies; making files
 *  log, segment            raw segments as readers, and as writers, see them
 *  layout, packed, unit    which files hold the log; packed segments; their open blocks
 *  record                  records of either, by lsn
 *  batch, plan, commit     what is to be appended; what an append writes; the append
 *  uid                     the same event met again
 *  merge, merge_place      another store's records; where its marks belong in this one
 *  recover, find_end       after a death; where the log ends
 *  table, rows, group      mapped tables and their linear hash; one row; changes that belong together
 *  fold, settle, refold    one record into the session rows; what is due once a group; all again
 *  charge, family          usage rows and what they count; parents, children, roll-ups
 *  cursor, event, scan     reading events and session records
 *  query, query_fit, query_events, heap, usage, totals   by filter, order, page; what was paid
 *  view, reconcile         a session record's methods; sessions whose process is gone
 *  compact, pack, gather, changes, manifest   packing (pack.h); gone, retain, forget, erased: erasure
 *  full                    what frees room where there is none
 *  snapshot                the files as they are, in another directory (snapshot.h)
 *  repair*, told           a damaged store serves what is good (repair.h); what is known to be lost (told.h)
 *  verify, stat, errors, os   reading everything; figures; texts; the system calls
 */
#ifndef VARVE_ENGINE_STORE_H
#define VARVE_ENGINE_STORE_H

#include "engine/os.h"
#include "engine/varve.h"
#include "format/body.h"
#include "format/files.h"
#include "format/index.h"
#include "format/packed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* ---- Log ---- */

typedef struct ve_segment {
    uint32_t number;
    uint64_t salt;
    uint32_t first_chain; /* chain value of its first record */
    uint64_t prev_end;    /* from its header */
    uint32_t prev_chain;
    uint64_t hole_from, hole_to;
    const uint8_t *map; /* NULL = not mapped */
    size_t map_size;    /* reserved addresses; may go beyond the file's end */
    uint64_t file_size; /* when last looked at */
    bool placed;        /* by a repair: it is another file than its number says, and is not looked at again */
} ve_segment;

typedef struct ve_log {
    ve_segment **segment; /* by number - 1; each stays where it is */
    uint32_t count;       /* highest number seen */
    uint32_t room;
    int dir;        /* seg/ */
    bool listed;    /* a repair has said which there are */
    void **retired; /* mappings that were replaced; kept until close for pointers given out */
    size_t *retired_size;
    uint32_t *retired_number; /* whose mapping it was */
    size_t retired_count;
} ve_log;

/* ---- Packed segments ---- */

typedef struct ve_arrival {
    uint64_t lsn;
    uint32_t id;
} ve_arrival;

/* A packed segment; shared by the layouts that it is part of. */
typedef struct ve_packed {
    uint32_t number;
    uint64_t first, end; /* its records are those of [first, end) */
    uint64_t file_size, sum;
    uint32_t refs; /* of layouts, and of open blocks that are in use */
    const uint8_t *map; /* NULL = not opened yet */
    vf_packed_footer footer;
    bool checked;        /* the footer and tables hold */
    ve_arrival *arrival; /* its records by lsn; NULL = not made yet */
    uint32_t arrivals;
    uint64_t arrival_used;
    uint64_t arrival_hole; /* lsn of a record of a block that cannot be read; 0 = all can */
    uint32_t hint, arrival_hint; /* where the last look-up ended */
} ve_packed;

/* Which files hold the log, as a manifest says: packed segments up to packed_end, raw ones from first_raw on. Those that
 * cursors still use are kept behind the one in force. */
typedef struct ve_layout {
    uint64_t generation;
    uint64_t packed_end; /* 0 = nothing is packed */
    uint32_t first_raw;
    uint32_t last_raw; /* of the raw segments that those who keep it need */
    ve_packed **file;
    size_t files;
    uint32_t refs;
    struct ve_layout *newer;
} ve_layout;

/* An open block of a packed segment, kept for the next who asks. */
typedef enum { VE_AREA_MAIN, VE_AREA_PINS } ve_area;
typedef struct ve_unit {
    vf_unit unit;
    ve_packed *file;
    ve_area area;
    uint32_t block, first; /* place among the area's blocks; id of its first record */
    uint32_t refs;
    uint64_t used;
    size_t bytes;
    uint8_t *memory, *data;
    size_t data_room;
    struct ve_unit *next; /* of the same hash */
} ve_unit;

/* What must stay where it is: units that a caller has pointers into. */
typedef struct ve_hold {
    ve_unit **unit;
    size_t count, room;
    bool knows; /* whose events were given last, and who that is: machine id, then session id */
    vf_key who;
    char *identity;
    size_t machine_size, id_size, identity_room;
} ve_hold;

enum { VE_UNIT_SLOTS = 1024 };
typedef struct ve_units {
    ve_unit **slot; /* VE_UNIT_SLOTS of them; NULL: no unit was asked for yet */
    size_t bytes;
    uint64_t clock;
    size_t bytes_max;
    ZSTD_DCtx *zstd;
    uint8_t *scratch; /* a fixed part, decompressed */
    size_t scratch_room;
    uint8_t *spare; /* memory of a unit that was let go */
    size_t spare_room;
} ve_units;

/* Whom new files let in besides their owner. */
typedef struct ve_share {
    bool on;            /* VARVE_OPEN_SHARED; else nobody */
    unsigned mode;      /* permissions of group and others, as the store's directory has them */
    unsigned directory; /* S_ISGID, if it has that */
    bool give;          /* new files are given to the directory's owner: */
    uint32_t user, group;
} ve_share;

/* ---- Index ---- */

typedef struct ve_part {
    uint8_t **chunk; /* mapped chunks, NULL = not yet */
    uint32_t chunks; /* one past the highest that is mapped */
    size_t room;
    uint32_t item_size;
    uint64_t base, cap;
} ve_part;

typedef struct ve_table {
    ve_part part[VF_PARTS]; /* by vf_part */
    vf_table_head *head;    /* in the TABLES page */
} ve_table;

typedef struct ve_index {
    const ve_os *os;
    const ve_share *share;
    int *trouble; /* the store's: set when a part could not be mapped, so that "not found" is not
                     believed */
    int dir;      /* idx/<generation>, or -1: chunks are unlinked files in temp_dir */
    const char *temp_dir;
    uint64_t generation;
    bool writable;
    bool in_memory; /* no files at all */
    bool open;
    uint64_t hash_seed;
    vf_tables *tables; /* mapped */
    uint8_t *redo;     /* mapped, with addresses for VF_REDO_SIZE bytes; NULL for private indexes */
    size_t redo_size;  /* bytes of it that are known to be there */
    ve_table table[VF_TABLES];
} ve_index;

/* ---- Group: rows changed together ---- */

typedef struct ve_group_row {
    uint32_t table, row;
    uint8_t *image; /* hot row, followed by cold row for sessions */
    bool fresh;
    bool dirty;   /* session: counters by source changed, to be resolved */
    bool refold;  /* session: its life cycle must be folded again */
    bool rewound; /* session: all of it must be folded again, without what is hidden now */
} ve_group_row;

typedef struct ve_group {
    uint8_t *buffer; /* a redo area being built: header, entries */
    size_t size;
    ve_group_row *rows;
    size_t count;
    uint32_t *slots;           /* hash of (table, row) -> index + 1 */
    uint32_t *keys;            /* hash of (table, key) of the new rows -> index + 1 */
    size_t slots_room;         /* of both */
    uint32_t fresh[VF_TABLES]; /* new rows in this group */
} ve_group;

/* ---- uids of sessions that were appended to, so that each is collected once ---- */

typedef struct ve_uids {
    vf_key session;
    uint64_t upto; /* the session's last lsn that is in the set */
    vf_key *slot;  /* open addressing; zero = free */
    size_t room, count;
    uint64_t used; /* for choosing whom to drop */
    bool gone;     /* records before those in the set are gone; the latest of their times: */
    int64_t gone_until;
} ve_uids;
enum { VE_UID_SETS = 256 }; /* a merge may meet records of many sessions in turn */

/* What went wrong, for one thread. */
enum { VE_ERROR_SIZE = 512 };
typedef struct ve_error_text {
    _Atomic uintptr_t thread; /* 0 = nobody's yet */
    struct ve_error_text *_Atomic next;
    char text[VE_ERROR_SIZE];
} ve_error_text;

/* A record that was folded lately, and when it happened. */
enum { VE_MET = 4096, VE_MET_FROM = 100 };
typedef struct {
    uint64_t lsn; /* 0 = none */
    int64_t time;
} ve_met;

struct varve {
    const ve_os *os;
    pthread_mutex_t turn; /* of the thread that is inside; recursive */
    ve_error_text errors;
    uint32_t process;
    char *path;
    char *temp_dir;
    int dir, lock_append, lock_sync, lock_compact;
    bool read_only;
    bool no_index;
    bool alone;    /* the user says that nobody else writes: locks may be missing */
    bool distrust; /* read-only: CONTROL and idx/ may be seen as they once were, so they are not believed */
    bool private_control; /* no shared memory here: CONTROL and the index are this process's own */
    ve_share share;
    bool locked; /* this handle holds the append lock */
    bool given_up; /* the index is in memory only, and both locks are held: full.c */
    bool repairing;  /* a repair holds both locks: what is replaced is not cleared away, index rows that are damaged are
                      stepped over */
    size_t rows_files; /* of a repair: index rows are taken from so many packed segments less one, from the first on; 0 = from all */
    uint64_t published; /* of a repair: everything before it was in the store, so that damage to it is no torn tail */
    int lock_timeout_ms;
    uint64_t close_budget; /* bytes to compact when the handle is closed */
    uint32_t pack_block;   /* what the compaction that runs was told; 0 = as its tier says */
    int pack_level;
    void (*log_line)(void *context, const char *line);
    void *log_context;
    unsigned char *fork_mark; /* a page that the kernel wipes in a child */
    bool fork_asks;           /* it cannot: the process id tells */

    vf_store_file ident;
    uint64_t hash_seed;
    uint32_t segment_size;
    varve_str machine;

    vf_control *control;   /* mapped; NULL: none, or not to be believed (read-only). Out of turn: ve_control */
    vf_control **old_controls; /* that other threads may still look at */
    size_t old_control_count, old_controls_room;
    vf_control *bell; /* a reader's: the page once more, to say that it waits */
    bool no_bell;
    pthread_mutex_t lead; /* of who tries to lead, or ends it: */
    bool leading; /* a thread of this handle has LOCK.sync */
    uint64_t private_tail; /* used when control is NULL */
    struct {
        const struct ve_piece *next; /* at lsn 'at' */
        uint64_t at, end;
    } own; /* what this handle is just appending: folded as it lies in memory, not read through again */
    ve_met *met; /* VE_MET of them, by ve_met_slot; NULL = none yet: who folds little does without */
    uint32_t folded; /* records until then */

    ve_log log;
    ve_layout *oldest, *layout; /* all that are in use; the one in force. NULL = not read yet */
    ve_layout *reading;         /* the one that a cursor reads by; NULL = the one in force */
    ve_layout *kept;            /* kept until the next call, as what it gave may be in use */
    ve_units units;
    ve_hold own_hold, *hold; /* hold: where what is read is kept */
    int write_fd; /* the active segment, -1 = not open */
    uint32_t write_segment;
    ve_index index;
    ve_group group;
    ve_uids *uids; /* VE_UID_SETS of them; NULL: none was asked for yet */
    uint64_t uid_clock;
    atomic_bool starved; /* memory was missing since this was set to false */
    int trouble; /* VARVE_E_*: the system failed while something was looked up: what was not found
                    may be there */
};

static inline size_t ve_met_slot(uint64_t lsn) {
    return (size_t)((lsn / VF_RECORD_ALIGN * 0x9E3779B97F4A7C15u) >> 40) % VE_MET;
}

/* ---- turn.c ---- */

bool ve_turn_begin(varve *store);
varve *ve_turn_take(varve *store); /* NULL: the handle is the parent process's */
void ve_turn_leave(varve **taken);
bool ve_turn_end(varve *store); /* false: another thread is inside, for ever if this is a child */
/* First of all in every public call that touches the handle: other threads wait until it returns. */
#define VE_TURN(store) VE_TURN_AS(turn, store)
#define VE_TURN_AS(name, store) \
    varve *name __attribute__((cleanup(ve_turn_leave), unused)) = ve_turn_take(store)
char *ve_error(varve *store); /* this thread's text, VE_ERROR_SIZE */
void ve_errors_free(varve *store);
/* Keeps the line for varve_last_error and returns 'error', which is below 0. */
int ve_fail(varve *store, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for a failed system call: chooses the error by errno, adds its text. */
int ve_fail_os(varve *store, const char *format, ...) __attribute__((format(printf, 2, 3)));
#ifdef __clang_analyzer__ /* it sees one file at a time, and takes what fails for what may have succeeded */
static inline int ve_below_0(int error) {
    if (error >= 0)
        __builtin_unreachable();
    return error;
}
#    define ve_fail(...) ve_below_0(ve_fail(__VA_ARGS__))
#    define ve_fail_os(...) ve_below_0(ve_fail_os(__VA_ARGS__))
#endif
void ve_say(varve *store, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 0, or VARVE_E_FORKED. Every public call begins with it, in its turn. */
int ve_enter(varve *store);

/* ---- store.c ---- */

/* So that the store's directory itself outlives a power cut. */
int ve_sync_parent(varve *store);
int ve_open_lock(varve *store, const char *name, int *fd);
/* Reads the identity from STORE, or from a file that is to become it: VARVE_E_NOT_FOUND if there is none. */
int ve_read_identity(varve *store, const char *name);
/* A handle for the files in 'dir' alone, which it takes over: without identity, locks, CONTROL, index. NULL: no memory. */
varve *ve_open_bare(const varve *like, int dir, const char *path);
int ve_open(const ve_os *os, const char *path, const varve_options *options, varve **ret_store);
/* pread and pwritev until all is done or an error stands in errno (a short file gives EIO). */
int ve_read_all(const ve_os *os, int fd, void *to, size_t size, uint64_t offset);
int ve_write_all(const ve_os *os, int fd, const void *from, size_t size, uint64_t offset);

/* ---- place.c ---- */

/* Writers: VARVE_E_UNSUITABLE if the store's directory is no place to write in. Readers: whether CONTROL is to be believed.
 * Takes over what the flags (VARVE_OPEN_*) allow. */
int ve_place_check(varve *store, uint32_t flags);
/* Whether locks exclude: the file 'name' is open as 'held', and locked or may be. */
int ve_probe_lock(varve *store, int held, const char *name);
/* Whether what is written shows in memory, and the other way round: 'map' is VE_PROBE_SIZE bytes of the file (NULL: it can
 * only be mapped to be read), of which the word at VE_PROBE_AT means nothing; it is zero in the end. */
enum { VE_PROBE_SIZE = 4096, VE_PROBE_AT = 4088 };
int ve_probe_map(varve *store, int fd, void *map);
/* Both, with a new file. */
int ve_probe_file(varve *store, int fd, const char *name);
/* The error for a file that could not be mapped, by errno. */
int ve_place_no_maps(varve *store);
/* Opens a file, makes it if need be, lets those in who are to be; flags without O_CREAT. -1 and errno. */
int ve_make_file(const ve_os *os, const ve_share *share, int dir, const char *name, int flags);
/* Likewise; one that is there is as good. 0, or -1 and errno. */
int ve_make_directory(const ve_os *os, const ve_share *share, int dir, const char *name);
/* Opens a directory of the store, never through a link; makes it if need be. */
int ve_open_directory(varve *store, const char *name, bool make);
/* Moves a file out of the way. */
int ve_quarantine(varve *store, int dir, const char *name);

/* ---- control.c ---- */

int ve_control_open(varve *store);   /* sets store->control if there is one to be believed */
int ve_control_create(varve *store); /* under the lock: makes or re-makes it, state 0 */
void ve_control_let_go(varve *store); /* it stays mapped for threads that look at it */
void ve_control_retire(varve *store, vf_control *control);
void ve_control_close(varve *store);
vf_control *ve_control(const varve *store); /* store->control, also out of turn */
/* Words that processes share: load and acquire, store and release. */
static inline uint64_t ve_word(const le64 *word) {
    const _Atomic uint64_t *at = (const _Atomic uint64_t *)(const void *)word;
    uint64_t value = atomic_load_explicit(at, memory_order_acquire);
    return VF_SWAP64(value);
}
static inline void ve_set_word(le64 *word, uint64_t value) {
    _Atomic uint64_t *at = (_Atomic uint64_t *)(void *)word;
    atomic_store_explicit(at, VF_SWAP64(value), memory_order_release);
}
uint32_t ve_word32(const le32 *word);         /* atomic */
uint32_t ve_futex(const le32 *word);          /* as its bytes lie */
void ve_set_word32(le32 *word, uint32_t value);
uint32_t ve_swap_word32(le32 *word, uint32_t value); /* returns what it was */
uint64_t ve_tail(const varve *store);
uint64_t ve_applied(const varve *store); /* how far the shared index follows; without CONTROL: all the way */
/* Chain value at the tail; and the moment at which a new tail, with its chain value, is there for
 * all. */
uint32_t ve_chain(const varve *store);
void ve_publish(varve *store, uint64_t tail, uint32_t chain, uint64_t last_record);
/* Whether the last record in the log ends where CONTROL says, with the chain value that it says. */
bool ve_tail_holds(varve *store);
/* Whether the page that is mapped is still the store's CONTROL. */
bool ve_control_is_current(const varve *store);

/* ---- lock.c, sync.c, mend.c, wait.c ---- */

enum { VE_SLEEP_MAX = 5000000, VE_WAKE_ALL = INT32_MAX }; /* ns between two looks */
int ve_lock(varve *store, int fd, const char *name);
int ve_try_lock(varve *store, int fd, const char *name); /* 1: taken, 0: somebody else has it */
void ve_unlock(varve *store, int fd);
void ve_note_holder(varve *store, vf_lock_words *words);
void ve_note_wait(vf_lock_words *words, int64_t begun, int64_t now);
void ve_add_word(le64 *word, uint64_t more);
/* Wakes so many of those who said that they wait. */
void ve_wake_next(varve *store, le32 *wake, le32 *waiting, int count);
void ve_bell_close(varve *store);
/* So that ve_sync_to can be called out of turn. */
int ve_sync_ready(varve *store);
/* Everything before 'need' is on disk when it returns: one sync for all who ask at the time. */
int ve_sync_to(varve *store, uint64_t need);
/* Leads: LOCK.sync is taken, and no other thread of the handle has it. ve_resign gives it back. */
int ve_lead(varve *store);
void ve_resign(varve *store);
/* Under LOCK.append: if a sync has failed, what it left unconfirmed is written anew and synced. VARVE_E_SYNC_FAILED: that
 * failed too. */
int ve_mend(varve *store);
/* A leader died: what he may have lost is written once more where it is. Takes both locks; not while LOCK.sync is held. */
int ve_inherit(varve *store);

/* ---- log.c, record.c ---- */

/* A record of the log, raw or packed. Its bytes stay where they are as long as the hold that was in use keeps them. */
typedef struct ve_record {
    uint64_t lsn;
    vf_frame frame;      /* of a packed record: header_sum, chain and body_sum are 0 */
    const uint8_t *body; /* behind the frame; NULL: a packed one that was taken apart */
    uint32_t body_size;
    const ve_unit *unit; /* packed */
    uint32_t place;      /* in the unit */
    vf_key line_key;
} ve_record;

void ve_segment_name(char ret_name[16], uint32_t number);
int ve_log_open(varve *store);
void ve_log_close(varve *store);
/* Looks for raw segments behind those that are known. */
int ve_log_refresh(varve *store);
/* Looks how long a segment's file is now. */
int ve_log_measure(varve *store, ve_segment *segment);
/* Damage (or loss) of the log itself, as against a failure of the system to look at it. */
bool ve_is_damage(int error);
/* Forgets what is known of a segment: it was moved away, or is begun anew. */
void ve_log_forget(varve *store, uint32_t number);
/* Its file was replaced by one that holds the same: what is read from here on comes from there. */
void ve_log_renew(varve *store, uint32_t number);
/* A raw segment that can be read up to 'end' bytes, mapped; NULL and the reason in varve_last_error. */
ve_segment *ve_log_segment(varve *store, uint32_t number);
/* lsn at which a raw segment ends for readers: named by its successor, or the tail. */
uint64_t ve_log_end(varve *store, uint32_t number);
/* A record of a raw segment: whole, or its frame only. */
int ve_log_raw(varve *store, uint64_t lsn, bool whole, ve_record *ret);
/* The record at 'lsn', whole and checked. VARVE_E_CORRUPT if there is none. 'session': whose it should be, if that is
 * known (NULL = not): packed segments are looked through more quickly then. */
int ve_log_record(varve *store, const vf_key *session, uint64_t lsn, ve_record *ret_record);
/* The frame only. */
int ve_log_frame(varve *store, const vf_key *session, uint64_t lsn, vf_frame *ret_frame);
/* The record and its body. */
int ve_log_body(varve *store, const vf_key *session, uint64_t lsn, vf_frame *ret_frame, vf_body *ret_body);
/* The same for a record that a session's row names: packed ones are found among the session's pins, without their payload.
 * ret_body NULL: the frame is enough. */
int ve_log_ref(varve *store, const vf_key *session, uint64_t lsn, vf_frame *ret_frame, vf_body *ret_body);
/* ve_record_sum of such a record. */
int ve_log_ref_sum(varve *store, const vf_key *session, uint64_t lsn, uint32_t *ret_sum);
int ve_record_body(varve *store, const ve_record *record, vf_body *ret_body);
/* The fixed part of its body; false: it has none. */
bool ve_record_fixed(varve *store, const ve_record *record, vf_fixed *ret_fixed);
/* The record there is read soon: its first bytes are fetched into the processor's cache. */
void ve_log_expect(const varve *store, uint64_t lsn);
/* Sum of what it says, the same for its copies: the last word in canonical order. */
int ve_record_sum(varve *store, const ve_record *record, uint32_t *ret_sum);
/* The mark of a REWIND or TOMBSTONE; false: it is too short. */
bool ve_record_mark(const ve_record *record, vf_mark_fixed *ret_mark);
/* Next record at or behind 'lsn' and before 'limit': 1 and the record, 0 at the end. Damage is stepped
 * over; *ret_damage (may be NULL) is then the lsn at which it began, else 0. */
int ve_log_next(varve *store, uint64_t lsn, uint64_t limit, ve_record *ret_record, uint64_t *ret_damage);
/* The lowest lsn at which a record may stand. */
uint64_t ve_log_first(varve *store);
/* lsn of the record before this one in its session, as a reader sees it: REWIND jumps. 0 = none. */
int ve_log_older(varve *store, uint64_t lsn, const vf_frame *frame, uint64_t *ret_older);
/* lsn of the record with this seq, going back from 'lsn'; VARVE_E_NOT_FOUND if it is hidden or
 * none. */
int ve_log_seek(varve *store, const vf_key *session, uint64_t lsn, uint64_t seq, uint64_t *ret_lsn);

/* ---- layout.c ---- */

/* The layout to read by: of the cursor that is being read, or the one in force. NULL and the reason in
 * varve_last_error. */
ve_layout *ve_layout_now(varve *store);
/* Takes in a newer manifest, if there is one. */
int ve_layout_follow(varve *store);
/* Reads the manifest in force anew, whatever CONTROL says. */
int ve_layout_read(varve *store);
/* Reads the manifest of a generation, 0 = none; VARVE_E_NOT_FOUND: it or a file of it is gone. */
int ve_layout_at(varve *store, uint64_t generation);
/* Keeps the files of the layout in force, and the raw segments behind them up to 'tail', until they are let go. */
int ve_layout_keep(varve *store, uint64_t tail, ve_layout **ret_layout);
/* The same for what the caller has read by it so far: its mappings stay. May give NULL. */
ve_layout *ve_layout_hold(varve *store);
/* And for what was read since, whichever is in force now. */
void ve_layout_hold_on(varve *store, ve_layout *layout);
/* Something could not be read: whether a compaction has moved it, and a newer layout is in force now. */
bool ve_layout_moved(varve *store);
void ve_layout_release(varve *store, ve_layout *layout);
void ve_layout_close(varve *store);
void ve_packed_release(varve *store, ve_packed *file);
/* The packed segment that holds 'lsn', opened and checked: 1; 0: it is not in a packed one; or an error. */
int ve_layout_file(varve *store, uint64_t lsn, ve_packed **ret_file);
void ve_packed_name(char ret_name[16], uint32_t number);
void ve_manifest_name(char ret_name[32], uint64_t generation);

/* ---- unit.c ---- */

/* The open block with record 'id' of an area; kept by the hold in use. NULL and the reason: *ret_error. */
ve_unit *ve_unit_get(varve *store, ve_packed *file, ve_area area, uint32_t id, bool data, int *ret_error);
/* From here on what is read is kept by 'hold'. Returns the one that was in use before. */
ve_hold *ve_hold_use(varve *store, ve_hold *hold);
void ve_hold_drop(varve *store, ve_hold *hold); /* lets go of what it keeps */
void ve_hold_free(varve *store, ve_hold *hold);
/* Ends a hold of one's own, and goes back to the one before. */
void ve_hold_end(varve *store, ve_hold *hold, ve_hold *before);
void ve_units_forget(varve *store, const ve_packed *file); /* it is about to be closed */
void ve_units_close(varve *store);

/* ---- packed.c ---- */

/* The record at an lsn of an opened file: VARVE_OK, VARVE_E_NOT_FOUND, or damage. 'data': its body is wanted too. */
int ve_packed_record(varve *store, ve_packed *file, const vf_key *session, uint64_t lsn, bool data, ve_record *ret_record);
/* The same among the pins of a session. */
int ve_packed_pin(varve *store, ve_packed *file, const vf_key *session, uint64_t lsn, ve_record *ret_record);
/* The record with an id of the main area. */
int ve_packed_id(varve *store, ve_packed *file, uint32_t id, bool data, ve_record *ret_record);
/* Where a session's records go on, back from the one at 'lsn', in one stretch of an opened file: 1, the ids of the first and
 * of that at 'lsn', and the lsn of the record before the first (0 = none); 0: they have to be walked one by one. */
int ve_packed_stretch(varve *store, ve_packed *file, const vf_key *session, uint64_t lsn, uint32_t *ret_first, uint32_t *ret_last,
                      uint64_t *ret_older);
/* The same record as ve_packed_id, quicker if *unit (which the hold in use keeps) has it; else *unit is replaced, and what
 * was held is let go. */
int ve_packed_step(varve *store, ve_packed *file, uint32_t id, const ve_unit **unit, ve_record *ret_record);
/* The first record at or behind an lsn, in order of arrival: 1, or 0: there is none in this file. */
int ve_packed_next(varve *store, ve_packed *file, uint64_t lsn, bool data, ve_record *ret_record, uint64_t *ret_damage);

/* ---- table.c ---- */

int ve_index_create(varve *store, ve_index *index, uint64_t generation, bool private_files);
int ve_index_in_memory(varve *store, ve_index *index);
int ve_index_open(varve *store, ve_index *index, uint64_t generation);
void ve_index_close(ve_index *index);
uint64_t ve_rows(const ve_index *index, vf_table table); /* 0 if the index is not open */
/* Whether the tables' sizes are possible together; a damaged one would make appends grow or lose
 * things. */
bool ve_heads_hold(const ve_index *index);
/* Address of an item, NULL if its chunk is not there. 'make' creates the chunk (writers). */
uint8_t *ve_item(ve_index *index, vf_table table, uint32_t part, uint64_t item, bool make);
/* Row of a key, or UINT32_MAX; store->trouble is set if it could not be looked for. */
uint32_t ve_find(ve_index *index, vf_table table, vf_key key);
/* Adds the word for a row (if it is not there) and splits buckets that are due. */
int ve_insert(ve_index *index, vf_table table, vf_key key, uint32_t row);
/* A consistent copy of a row (sessions: hot, then cold if wanted). VARVE_E_INDEX if its sum does
 * not hold. Zeros if it is not there: ve_no_row. */
int ve_read_row(ve_index *index, vf_table table, uint32_t row, bool cold, void *ret_row);
/* The same, of the store's own index, and says what is wrong. */
int ve_need_row(varve *store, vf_table table, uint64_t row, bool cold, void *ret_row);
int ve_row_failed(varve *store, vf_table table, uint64_t row, int error);
uint32_t ve_row_sum(vf_table table, uint32_t row, const uint8_t *image);
uint64_t ve_index_bytes(const ve_index *index);
/* Makes room for a group in the redo area. false: it is too large, or there is no room. */
bool ve_redo_room(ve_index *index, size_t need);
/* What stands in the redo area, and how much of it there is to be looked at. */
vf_result ve_redo_check(const ve_index *index, size_t *ret_size);
vf_key ve_row_key(vf_table table, const uint8_t *image);

/* ---- rows.c ---- */

/* Whether an image (as ve_read_row gives it) is that of a row that is not there: a number that was
 * left out when rows were loaded. */
bool ve_no_row(vf_table table, const uint8_t *image);
/* Puts an image, its sum included, in place; a fresh row gets its word, and is counted. */
int ve_place_row(varve *store, ve_index *index, vf_table table, uint32_t row, bool fresh,
                 const uint8_t *image, uint64_t changed);
/* When a row changed. Sessions, usage: lsn that 'applied' had when the group that last changed it
 * was in place. Cursors: 1 behind the lsn of the record. Names, which never change: row + 1. So a
 * row is to be taken for new by who knows the index up to an lsn (of names: so many rows) if this
 * lies above. 0: the row is not there. */
uint64_t ve_changed(ve_index *index, vf_table table, uint32_t row);
/* Copies up to 'room' rows with ve_changed > since, going on from row *at: numbers, which rise, and
 * images (vf_row_size each, the first 8 bytes zero). *ret_count = 0 at the end. Each is consistent
 * by itself; that they belong to one moment is the caller's care. */
int ve_changed_rows(varve *store, ve_index *index, vf_table table, uint64_t since, uint64_t *at,
                    uint32_t room, uint32_t *ret_numbers, uint8_t *ret_images, uint32_t *ret_count);
/* Puts an image (its first 8 bytes are ignored) at its number into an index that nobody else sees
 * yet. Rows may come in any order; what is left out is not there. 'changed' > 0: as ve_changed,
 * ignored for cursors and names. All chunks up to the row are made: the caller knows that there can
 * be so many. */
int ve_load_row(varve *store, ve_index *index, vf_table table, uint32_t row, const uint8_t *image,
                uint64_t changed);
bool ve_row_loaded(ve_index *index, vf_table table, uint32_t row);

/* ---- group.c ---- */

void ve_group_begin(ve_group *group);
/* Image of a row in the group, taken in if need be; NULL: no memory, or damage. Holds until
 * the group ends. */
ve_group_row *ve_group_get(varve *store, ve_index *index, vf_table table, uint32_t row);
ve_group_row *ve_group_add(varve *store, ve_index *index, vf_table table, vf_key key);
/* As ve_find, with the group's new rows. */
uint32_t ve_group_find(ve_index *index, ve_group *group, vf_table table, vf_key key);
/* Puts the group in place: redo first (if the index has one), then the rows, words, counts. */
int ve_group_place(varve *store, ve_index *index, ve_group *group, uint64_t applied);
void ve_group_free(ve_group *group);
/* Finishes what a dead writer left in the redo area. 1 if there was something; VARVE_E_INDEX if it
 * cannot be. */
int ve_redo(varve *store, ve_index *index, uint64_t *ret_applied);

/* ---- fold.c, lifecycle.c, family.c, charge.c ---- */

/* One record into the group's rows. */
int ve_fold(varve *store, ve_index *index, ve_group *group, const ve_record *from);
/* What is due once a group: life cycles, resolved counters, roll-ups. */
int ve_fold_settle(varve *store, ve_index *index, ve_group *group);
/* Folds the log from 'from' to 'to' into the index, group by group. 'applied': word to move along,
 * or NULL. */
int ve_fold_range(varve *store, ve_index *index, uint64_t from, uint64_t to, le64 *applied);
int ve_charge(varve *store, ve_index *index, ve_group *group, ve_group_row *session,
              const vf_frame *frame, const vf_body *body);
int ve_link_parent(varve *store, ve_index *index, ve_group *group, uint32_t child, uint32_t parent);
int ve_roll_up(varve *store, ve_index *index, ve_group *group, uint32_t child, int64_t delta);
int ve_lifecycle(varve *store, ve_index *index, ve_group *group, uint32_t row);
/* Folds a session again after a REWIND: counts and fields, not what was paid. */
int ve_refold(varve *store, ve_index *index, ve_group *group, uint32_t row);
/* One record of a session into its row; 'paid': without charges. */
int ve_fold_record(varve *store, ve_index *index, ve_group *group, ve_group_row *session,
                   const ve_record *from, bool paid);
/* Adds (sign 1) or takes back (-1) a counter that a SESSION record says outright, if it does: a
 * token class, cost, turns. */
enum { VE_COUNTER_COST = VF_TOKENS, VE_COUNTER_TURNS, VE_COUNTERS };
void ve_absolute(vf_cold *cold, const vf_body *body, int counter, int sign);
/* 'guess': the number that it most likely has, 0 = none. */
int ve_intern(varve *store, ve_index *index, ve_group *group, vf_text name, uint32_t guess, uint32_t *ret_name);
/* -1, 0, 1: canonical order of two records (SPEC.md "Order") as far as time, source, position and uid tell. */
int ve_canonical(const vf_frame *a, const vf_body *a_body, const vf_frame *b,
                 const vf_body *b_body);
/* Whether an event takes part in the life cycle: starts, ends, activity. */
enum { VE_LIFE_NONE = 0, VE_LIFE_START = 1, VE_LIFE_ACTIVITY = 2, VE_LIFE_END = 3 };
int ve_life_of(const vf_frame *frame, const vf_body *body);
/* Identity text of a session row, of which 'cold' is the cold part behind the hot one; pointers into the log. */
int ve_identity(varve *store, const vf_cold *cold, varve_str *ret_machine, varve_str *ret_id);
int ve_compare_identity(varve_str a_machine, varve_str a_id, varve_str b_machine,
                        varve_str b_id); /* id, then machine */
/* Identity of a session row through the group, for ordering owners. */
int ve_session_less(varve *store, ve_index *index, ve_group *group, uint32_t a, uint32_t b);

static inline vf_hot *ve_hot(const ve_group_row *row) {
    return (vf_hot *)(void *)row->image;
}
static inline vf_cold *ve_cold(const ve_group_row *row) {
    return (vf_cold *)(void *)(row->image + VF_HOT_SIZE);
}
/* Sums are kept modulo 2^64, so that what is taken back leaves no trace; one that is negative has gone beyond what can be
 * shown. */
static inline int64_t ve_sum(le64 sum) {
    return vf_get_i64(sum) < 0 ? INT64_MAX : vf_get_i64(sum);
}
static inline bool ve_le_flag(le32 word, uint32_t flag) {
    return (vf_get32(word) & flag) != 0;
}

/* ---- recover.c ---- */

/* Under the lock: brings control, log end and index to a state that can be appended to. */
int ve_recover(varve *store);
/* Finds the end of the log without CONTROL. */
typedef struct ve_log_state {
    uint64_t tail;
    uint32_t chain;
    uint64_t hole_from, hole_to; /* acknowledged data that is damaged */
    uint64_t torn; /* bytes behind the tail that look like the remains of records; 0 = none */
    uint32_t
        abandon; /* segments from this number on hold only what was never acknowledged; 0 = none */
    uint64_t witness;  /* everything before it was acknowledged by the disk */
    uint64_t open_end; /* behind the last whole record, its batch complete or not */
    uint32_t open_chain;
    uint64_t last_record; /* lsn of the record that ends at the tail, 0 = none in its segment */
    uint64_t open_record;
    uint64_t known_tail; /* where a CONTROL that is not believed saw the end, 0 = unknown */
    bool packed;         /* the log ends with what is packed: a new segment is to be begun */
} ve_log_state;
int ve_find_end(varve *store, ve_log_state *ret_state);
/* The same by the layout in force. */
int ve_find_end_here(varve *store, ve_log_state *ret_state);
int ve_rebuild(varve *store,
               uint64_t tail); /* a new index generation from the log; under the lock */
/* Folds the log into an empty index: what packed rows say, then the records behind them. */
int ve_fold_all(varve *store, ve_index *index, uint64_t tail);
/* Removes what idx/ has, but for generation 'keep' (0 = none). */
void ve_remove_indexes(varve *store, uint64_t keep);
/* An index of one's own, up to *tail, or further if packed rows count more: *tail says so then. 'events': folded from all
 * events, if none of them is gone, whatever rows packed segments carry. */
int ve_private_index(varve *store, ve_index *index, uint64_t *tail, bool events);
/* For readers: the index that CONTROL names now. */
int ve_follow_index(varve *store);
/* Waits so many times so long (ns) for it to follow up to 'tail', as it does at once while the writer lives. Whether it
 * does. */
bool ve_await_index(varve *store, uint64_t tail, int times, int64_t pause);
/* Under the lock, before anything is appended: finishes what a dead writer left. */
int ve_catch_up(varve *store);

/* ---- batch.c ---- */

typedef struct ve_batch_session {
    size_t id_at, id_size, machine_at, machine_size; /* in the batch's texts */
    bool has_machine;                                /* else the store's */
    uint64_t hash;                                   /* of both texts */
    vf_key key;    /* this and what follows: for the append that is under way */
    uint32_t same; /* the first session of the batch with this key: itself, most often */
    bool known, defined, introduced, deleted, checked;
    bool nameless; /* its identity was lost to damage: it is said again */
    uint64_t last_seq, last_lsn, last_set;
    int64_t last_time;   /* last activity, INT64_MIN = none */
    uint64_t gone_below; /* records with a lower seq are gone, or will be */
} ve_batch_session;

typedef struct ve_batch_record {
    size_t offset; /* in the arena */
    uint32_t length;
    uint32_t session; /* index; UINT32_MAX = none */
    vf_key uid;
    uint8_t kind;
    bool has_uid, trusted;
    bool stamp;      /* gets the time of the append */
    uint64_t seq;    /* FORK: the parent's last that is shared; REWIND: the last that stays */
    uint32_t parent; /* FORK: session of the batch */
    bool unless_new; /* TOMBSTONE: only if 'expected' is the session's last seq */
    uint64_t expected;
    /* Of another store (ve_batch_carry): */
    bool carried;
    bool fell_back; /* by the append: a FORK that became a SESSION record, a mark without place or in vain */
    vf_key at;      /* FORK: uid of the last record that is shared; zero: the first of the chain */
    const vf_key *hide; /* REWIND: uids of what it hides, sorted; the caller's */
    size_t hide_count;
} ve_batch_record;

struct varve_batch {
    uint8_t *arena;
    size_t size, room;
    char *texts;
    size_t texts_size, texts_room;
    ve_batch_record *records;
    size_t count, records_room;
    ve_batch_session *sessions;
    size_t session_count, sessions_room;
    uint32_t last_session;
    uint32_t *slots; /* by hash of the texts, then by key: session + 1 */
    size_t slots_room;
    bool trust;
    uint8_t *duplicate; /* one byte a record */
    size_t duplicate_room;
};
/* Says that a session's records up to a seq (all ones: the whole session) are gone; VF_GONE_*. Returns the index of the
 * record in the batch. */
int ve_batch_tombstone(varve_batch *batch, varve_str machine_id, varve_str session_id,
                       uint64_t last_seq, uint64_t why);
/* Says that nothing is known of an input any more. */
int ve_batch_blank_cursor(varve_batch *batch, vf_key key);
/* Hands on what a batch answered, which knows no store; a failure becomes the store's error. */
int ve_batch_answer(varve *store, int result);
/* Grows an array to hold 'need' items; false: no memory. */
bool ve_grow(void *array, size_t *room, size_t need, size_t item_size);

/* A record of another store, for a batch. */
typedef struct ve_carried {
    varve_event event; /* as a cursor gave it */
    vf_key uid;
    bool is_origin; /* the uid was made of its place */
    vf_key at;
    const vf_key *hide; /* these as in ve_batch_record */
    size_t hide_count;
} ve_carried;
/* Adds it with its uid and its own time, also where that is none. Texts are copied, 'hide' is not.
 */
int ve_batch_carry(varve_batch *batch, const ve_carried *carried);

/* ---- uid.c ---- */

/* uid of a record of a session: its own, else that of its place. 'ret_origin' (may be NULL): it is
 * one of its or another place. */
vf_key ve_uid_of(varve *store, const ve_record *record, bool *ret_origin);
/* Marks the batch's records whose uid their session has already. When the append then fails,
 * ve_uid_free must forget what was learnt. */
int ve_uid_check(varve *store, varve_batch *batch);
void ve_uid_free(varve *store);

/* ---- cursor.c, event.c ---- */

/* Records behind 'after' and before 'limit' (UINT64_MAX: the tail); of a session besides by
 * from_seq, as varve.h says. */
int ve_cursor_session(varve *store, vf_key key, uint64_t from_seq, uint64_t after, uint64_t limit,
                      uint32_t flags, varve_cursor **ret_cursor);
int ve_cursor_store(varve *store, uint64_t after, uint64_t limit, uint32_t flags,
                    varve_cursor **ret_cursor);
/* Only records with a time from 'after' on and before 'before' are wanted; others may be given. */
void ve_cursor_times(varve_cursor *cursor, int64_t after, int64_t before);
int ve_cursor_next(varve_cursor *cursor, ve_record *ret); /* 1 = one, 0 = no more */
int ve_event_fill(varve *store, vf_key shown_by, const ve_record *record, varve_event *ret);

/* ---- full.c ---- */

/* The index lives in memory from here on, its files make room; until it is taken back nobody else appends or compacts. */
int ve_give_up_index(varve *store);
int ve_take_index_back(varve *store);

/* ---- gone.c ---- */

/* Of a session's records those with a seq below this are said to be gone (all ones: it is deleted); 0 = none. */
uint64_t ve_said_gone(varve *store, const vf_hot *hot, const vf_cold *cold);

/* ---- query_fit.c ---- */

typedef struct ve_fit {
    varve *store;
    varve_scan *scan; /* to be closed in any case */
    varve_session_filter filter;
    uint32_t framework, model; /* names row + 1; 0 = any */
    bool nothing;              /* a name that nobody has */
} ve_fit;
int ve_fit_open(ve_fit *fits, varve *store, const varve_session_filter *filter);
/* Whether the session fits: 1 or 0, or an error. Its hot row in any case. */
int ve_fit_row(ve_fit *fits, uint32_t row, vf_hot *ret_hot);
/* Who it is; a name that was lost to damage is empty. */
int ve_identity_known(varve *store, const vf_cold *cold, varve_str *ret_machine, varve_str *ret_id);

/* A session's row as ve_read_row gives it whole. */
typedef struct ve_session_image {
    vf_hot hot;
    vf_cold cold;
} ve_session_image;

/* ---- query_events.c ---- */

typedef struct ve_query ve_query;
/* A cursor that gives what the query gives, and ends it. */
int ve_cursor_query(varve *store, ve_query *query, varve_cursor **ret_cursor);
int ve_query_next(ve_query *query, varve_event *ret_event);
void ve_query_close(ve_query *query);

/* ---- scan.c ---- */

/* Begins a call that names a session: its key; machine absent = the store's own. */
int ve_ask_for(varve *store, varve_str machine_id, varve_str session_id, vf_key *ret_key);
/* Row of a key: 0 and UINT32_MAX if there is none; an error if it could not be looked for. */
int ve_look_up(varve *store, vf_table table, vf_key key, uint32_t *ret_row);

/* Labels of a session, as varve_session has them; they hold until the scan's next call. */
int ve_scan_labels(varve_scan *scan, const vf_cold *cold, varve_str *ret_labels);

/* ---- heap.c ---- */

/* Items that are added in any order and taken in that which 'before' says (1: a comes before b; it
 * may note things in the items). With a limit only the first so many are kept. */
typedef struct ve_heap {
    uint8_t *items;
    size_t count, room, item_size;
    size_t limit; /* 0 = none */
    bool first;   /* the root is the first of all (when taking), not the last */
    int (*before)(void *context, void *a, void *b);
    void *context;
} ve_heap;
enum { VE_HEAP_ITEM_MAX = 32 };
bool ve_heap_add(ve_heap *heap, void *item); /* false: no memory */
bool ve_heap_take(ve_heap *heap,
                  void *ret); /* false: none is left. Nothing may be added any more */

/* ---- segment.c ---- */

/* Under the lock: begins segment 'number' behind 'prev_end' and makes it the one that is written.
 */
int ve_segment_begin(varve *store, uint32_t number, uint64_t prev_end, uint32_t prev_chain,
                     uint64_t hole_from, uint64_t hole_to);
/* Opens segment 'number' for writing, if another one is open or none. */
int ve_segment_write(varve *store, uint32_t number);
/* Whether the file has other links: a snapshot may have it too, so it is never written to. */
bool ve_segment_is_shared(varve *store, uint32_t number);

/* ---- view.c ---- */

typedef enum { VE_BOOT_UNSAID, VE_BOOT_OWN, VE_BOOT_OTHER } ve_boot;
/* Which boot a text names: the running one, or another. */
ve_boot ve_boot_of(const ve_os *os, varve_str text);

#endif

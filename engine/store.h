/*
 * The store's inside: what one open handle holds, and how the parts of the engine call each other.
 *
 *  this header   store, turn, control, lock: opening, a handle's threads and errors, the page of words; sync, mend, wait:
 *                one sync for all who wait, what the disk did not confirm, waiting for the log to grow; full: making room
 *  place.h       place: whether a store may be written where it lies; making files
 *  log.h         log, segment, record: raw segments as readers and as writers see them; records by lsn
 *  packed.h      layout, packed, unit: which files hold the log; packed segments; their open blocks
 *  index.h       table, rows, group: mapped tables and their linear hash; one row; changes that belong together
 *  fold.h        fold, settle, refold, lifecycle, charge, family: records into session and usage rows
 *  recover.h     recover, find_end: after a death; where the log ends
 *  batch.h       batch, uid: what is to be appended; the same event met again. plan.h, commit: what an append writes
 *  read.h        cursor, event, scan, query*, usage, totals, view, reconcile: events, session records, what was paid
 *  pack.h        compact, pack, gather, changes, manifest: packing; gone, retain, forget, erased: erasure
 *  snapshot.h    the files as they are, in another directory. merge, merge_place: another store's records in this one
 *  repair.h      repair*: a damaged store serves what is good; told.h: what is known to be lost
 *  array.h, heap.h, os.h   arrays that grow; a heap; the system calls. verify, stat, errors: reading all; figures; texts
 */
#ifndef VARVE_ENGINE_STORE_H
#define VARVE_ENGINE_STORE_H

#include "engine/index.h"
#include "engine/os.h"
#include "engine/packed.h"
#include "engine/place.h"
#include "engine/varve.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* What went wrong, for one thread. */
enum { VE_ERROR_SIZE = 512 };
typedef struct ve_error_text {
    _Atomic uintptr_t thread; /* 0 = nobody's yet */
    struct ve_error_text *_Atomic next;
    char text[VE_ERROR_SIZE];
} ve_error_text;

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
    struct ve_met *met; /* VE_MET of them, by ve_met_slot; NULL = none yet: who folds little does without */
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
    struct ve_uids *uids; /* VE_UID_SETS of them; NULL: none was asked for yet */
    uint64_t uid_clock;
    atomic_bool starved; /* memory was missing since this was set to false */
    int trouble; /* VARVE_E_*: the system failed while something was looked up: what was not found
                    may be there */
};

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

/* ---- full.c ---- */

/* The index lives in memory from here on, its files make room; until it is taken back nobody else appends or compacts. */
int ve_give_up_index(varve *store);
int ve_take_index_back(varve *store);

#endif

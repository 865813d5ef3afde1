/*
 * A batch: what is to be appended, and what tells that it is there already. SPEC.md "uid".
 */
#ifndef VARVE_ENGINE_BATCH_H
#define VARVE_ENGINE_BATCH_H

#include "engine/store.h"

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

/* uids of sessions that were appended to, so that each is collected once. */
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

/* uid of a record of a session: its own, else that of its place. 'ret_origin' (may be NULL): it is
 * one of its or another place. */
vf_key ve_uid_of(varve *store, const ve_record *record, bool *ret_origin);
/* Marks the batch's records whose uid their session has already. When the append then fails,
 * ve_uid_free must forget what was learnt. */
int ve_uid_check(varve *store, varve_batch *batch);
void ve_uid_free(varve *store);

#endif

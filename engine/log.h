/*
 * The log: raw segments as readers and as writers see them, and a record of either kind by its lsn.
 * SPEC.md "Raw segments", "Frame".
 */
#ifndef VARVE_ENGINE_LOG_H
#define VARVE_ENGINE_LOG_H

#include "engine/varve.h"
#include "format/body.h"
#include "format/files.h"

#include <stdbool.h>

/* ---- Raw segments ---- */

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

/* ---- log.c, record.c ---- */

/* A record of the log, raw or packed. Its bytes stay where they are as long as the hold that was in use keeps them. */
typedef struct ve_record {
    uint64_t lsn;
    vf_frame frame;      /* of a packed record: header_sum, chain and body_sum are 0 */
    const uint8_t *body; /* behind the frame; NULL: a packed one that was taken apart */
    uint32_t body_size;
    const struct ve_unit *unit; /* packed */
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

/* ---- segment.c ---- */

/* Under the lock: begins segment 'number' behind 'prev_end' and makes it the one that is written.
 */
int ve_segment_begin(varve *store, uint32_t number, uint64_t prev_end, uint32_t prev_chain,
                     uint64_t hole_from, uint64_t hole_to);
/* Opens segment 'number' for writing, if another one is open or none. */
int ve_segment_write(varve *store, uint32_t number);
/* Whether the file has other links: a snapshot may have it too, so it is never written to. */
bool ve_segment_is_shared(varve *store, uint32_t number);

#endif

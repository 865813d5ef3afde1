/*
 * Making packed segments. A compaction is one job: adjacent packed segments and raw ones behind them go into a new packed
 * segment, which a new manifest puts in force; then the old files go. SPEC.md "Compaction".
 */
#ifndef VARVE_ENGINE_PACK_H
#define VARVE_ENGINE_PACK_H

#include "engine/store.h"

/* ---- pack.c: a packed segment being written ---- */

/* One of its two record areas, or its index rows. */
typedef struct {
    vf_block block;
    vf_block_entry *entry; /* of the blocks that are written */
    size_t entries, room;
    uint32_t ids; /* records so far */
    size_t target; /* bytes of data at which a block is full */
} ve_pack_area;

typedef struct {
    varve *store;
    int fd;
    uint32_t number, tier;
    int level;
    uint64_t at; /* bytes written */
    ZSTD_CCtx *zstd;
    uint8_t *plain, *stored; /* scratch: a fixed part; a part as it stands in the file */
    size_t plain_room, stored_room;
    ve_pack_area area[2]; /* by ve_area */
    vf_block_entry *rows;
    size_t row_blocks, rows_room;
    vf_packed_session *session;
    size_t sessions, sessions_room;
    vf_hole *hole;
    size_t holes, holes_room;
    vf_packed_footer footer; /* ranges, counts: filled in as it goes */
    bool in_session;
} ve_pack;

/* Begins seg/<number>.seg. Whatever fails, ve_pack_abandon must follow. */
int ve_pack_begin(ve_pack *pack, varve *store, uint32_t number, uint32_t tier);
/* The records that follow are of this session; they come in the order of their seq. Sessions come in the order of their
 * rows, the run without session (row UINT32_MAX) last. One without records and pins leaves no trace. */
int ve_pack_session(ve_pack *pack, vf_key key, vf_key line_key, uint32_t row);
int ve_pack_record(ve_pack *pack, ve_area where, const ve_record *record);
/* Rows of the index: of one table, numbers rising within a call. */
int ve_pack_rows(ve_pack *pack, vf_table table, const uint32_t *numbers, const uint8_t *images, uint32_t count);
int ve_pack_hole(ve_pack *pack, uint64_t from, uint64_t to);
/* Writes what is left, tables and footer, and syncs the file. */
int ve_pack_finish(ve_pack *pack, vf_manifest_entry *ret_entry);
/* Frees what it holds; removes the file unless it was finished. */
void ve_pack_end(ve_pack *pack, bool keep);

/* ---- changes.c: rows of the index that changed ---- */

/* What was copied under the lock, to be written behind what was written without it. */
typedef struct {
    uint32_t *numbers[VF_TABLES];
    uint8_t *images[VF_TABLES];
    size_t count[VF_TABLES], numbers_room[VF_TABLES], images_room[VF_TABLES];
    uint64_t rows[VF_TABLES]; /* of each table at that moment */
} ve_changes;

/* Writes the rows that changed since 'since', as they are now. */
int ve_changes_write(ve_pack *pack, uint64_t since);
/* Under the lock: copies those that changed since. */
int ve_changes_copy(varve *store, uint64_t since, ve_changes *changes);
int ve_changes_put(ve_pack *pack, const ve_changes *changes);
void ve_changes_free(ve_changes *changes);
/* Writes the rows of packed segments as one: of each row the newest. */
int ve_changes_merge(ve_pack *pack, ve_packed *const *file, size_t files);
/* Whether all index rows of a packed segment can be read: VARVE_OK, or damage. */
int ve_changes_hold(varve *store, const ve_packed *file);
/* Puts the rows of all packed segments into an index that is being made; *ret_from: the log is to be folded from there. */
int ve_changes_load(varve *store, ve_index *index, uint64_t *ret_from);

/* ---- gather.c: the records of a job, by session ---- */

typedef struct {
    uint32_t row;
    uint64_t lsn; /* 0: the row has its turn, but no record here */
} ve_gathered;

/* Adjacent packed segments, and raw ones directly behind them. */
typedef struct {
    varve *store;
    ve_packed **file; /* adjacent, oldest first */
    size_t files;
    uint32_t raw_first, raw_last; /* raw segments; raw_first 0 = none */
    uint64_t first_lsn, end_lsn;
    uint64_t read_bytes;
    const struct ve_gone *gone; /* which sessions' records are to be left out; NULL = none */
} ve_job;

int ve_gather(ve_pack *pack, ve_job *job);

/* ---- gone.c: what tombstones say ---- */

/* Sessions whose records tombstones say are gone. */
typedef struct ve_gone {
    varve *store;
    bool any;         /* some session has a tombstone */
    uint8_t *shared;  /* a bit a row: a fork that is still there goes through its records */
    uint64_t rows;
    bool erasing; /* words count as well that stand elsewhere than in the records */
} ve_gone;

/* Looks which sessions forks share. */
int ve_gone_open(ve_gone *gone, varve *store);
/* The same as if the sessions that were not active since 'before' were deleted. */
int ve_gone_open_as(ve_gone *gone, varve *store, int64_t before);
void ve_gone_close(ve_gone *gone);
/* The session's last TOMBSTONE; false: it has none, or it is gone itself. */
bool ve_tombstone(varve *store, const vf_hot *hot, const vf_cold *cold, vf_mark_fixed *ret_mark);
/* Of a session's records those with a seq below this are gone; 0 = none is. */
uint64_t ve_gone_below(const ve_gone *gone, uint32_t row, const vf_hot *hot, const vf_cold *cold);
/* Up to where packed rows hold what the log says: only records before it may be left out. */
uint64_t ve_rows_lsn(const ve_layout *layout);
/* Bytes in a packed segment that are gone. */
uint64_t ve_gone_bytes(const ve_gone *gone, ve_packed *file);
/* Whether a tombstone that is not packed yet says that something is gone. */
int ve_gone_raw(const ve_gone *gone, bool *ret_any);
bool ve_gone_shared(const ve_gone *gone, uint32_t row);
/* The session that a fork begins in: its row, or UINT32_MAX if it is none. *ret_left: the fork has dropped where it begins. */
int ve_fork_parent(varve *store, uint32_t row, uint32_t *ret_parent, bool *ret_left);
/* Whether a CURSOR record is the last of its input: the others say nothing any more. */
bool ve_is_last_cursor(varve *store, const ve_record *record);

/* ---- compact.c ---- */

/* Takes LOCK.compact, and brings the handle up to date. */
int ve_pack_lock(varve *store);
/* Does a job and puts it in force. 'last': it ends with the log as it is when it gets there. */
int ve_pack_job(varve *store, ve_job *job, bool last, uint32_t tier, uint64_t raw_bytes, varve_compacted *done);
/* Packs again whatever holds records that tombstones say are gone. 'erasing': or any word of a forgotten session. */
int ve_pack_gone(varve *store, bool erasing, varve_compacted *done);
/* Packs all raw segments; both locks are held. */
int ve_pack_raw(varve *store);
/* Removes what is not in force any more. */
int ve_pack_clear(varve *store, uint64_t *removed);

/* ---- manifest.c ---- */

/* Writes a file of the store's directory whole, under LOCK.compact: what stood under the name is replaced at once. */
int ve_write_whole(varve *store, const char *name, const uint8_t *bytes, size_t size);

/* Puts files in force: writes manifest.<generation> with the layout's files, of which those in [first_lsn, end_lsn) are
 * replaced by 'entry', and syncs it. */
int ve_manifest_write(varve *store, uint64_t generation, const vf_manifest_entry *entry);
/* The same for these files and no others; they stand in the order of the log. */
int ve_manifest_put(varve *store, uint64_t generation, const vf_manifest_entry *entries, size_t count);
/* Removes what no manifest names any more: packed segments, raw ones that are packed, older manifests, left-overs. Raw
 * segments that were damaged go to quarantine instead. Adds the bytes that it removed to *removed. All files of the layout
 * in force must be open. */
int ve_manifest_sweep(varve *store, uint64_t *removed);

#endif

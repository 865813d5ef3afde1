/*
 * Packed segments as readers see them: which files hold the log, their records, their open blocks and
 * who keeps those. SPEC.md "Manifest and packed segments".
 */
#ifndef VARVE_ENGINE_PACKED_H
#define VARVE_ENGINE_PACKED_H

#include "engine/log.h"
#include "format/packed.h"

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

#endif

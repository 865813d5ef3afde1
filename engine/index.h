/*
 * The index: mapped tables, their rows, and groups of row changes that belong together.
 * SPEC.md "Index", "Redo".
 */
#ifndef VARVE_ENGINE_INDEX_H
#define VARVE_ENGINE_INDEX_H

#include "engine/os.h"
#include "engine/place.h"
#include "engine/varve.h"
#include "format/index.h"

#include <stdbool.h>

/* ---- Tables ---- */

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

/* ---- Groups ---- */

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

#endif

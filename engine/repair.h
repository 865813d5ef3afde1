/*
 * Repair of a damaged store: what is there is looked at first, and a plan made; then the plan is carried out, in steps each
 * of which leaves a store that another repair finishes. SPEC.md "Repair".
 */
#ifndef VARVE_ENGINE_REPAIR_H
#define VARVE_ENGINE_REPAIR_H

#include "engine/told.h"

/* ---- Files of seg/ ---- */

typedef enum {
    VE_FATE_STAYS,
    VE_FATE_AWAY,  /* to quarantine/ */
    VE_FATE_PLACE, /* it is another segment than its name says: gets its own name */
} ve_fate;

typedef struct {
    char name[48]; /* below the store's directory */
    uint32_t number; /* that its name says */
    uint32_t own;    /* that it says itself; 0: it is none of this store's, or cannot be told */
    bool packed, foreign;
    bool odd;   /* no file at all */
    bool aside; /* lies in quarantine/ to be put back: a repair was cut off */
    uint64_t size;
    ve_fate fate;
    bool flipped; /* one bit is to be put right: */
    uint64_t flip_at;
    uint8_t flip_byte;
    /* raw: */
    bool begun, damaged; /* has a header; records of it do not hold */
    vf_segment_header header;
    /* packed, if it can be read: */
    ve_packed *file; /* mapped; what is put right is so in memory */
    bool whole;      /* as it stands in the file, or with the flipped bit put right */
    bool blocks_hold, pins_hold, rows_hold; /* its records; its pins; its index rows */
    bool range_unknown;          /* its footer was lost */
    uint64_t sum;
    bool chosen;
} ve_found;

/* A range of the log that packed segments are to hold, and from which file its records come. */
typedef struct {
    uint64_t first, end;
    ve_found *from; /* NULL: all that was in it is lost */
    bool anew;      /* a new file is to be written */
    bool all_rows;  /* with the whole index in it */
    bool no_rows;
    uint32_t end_chain;
    ve_ranges lost;
    vf_manifest_entry entry;
} ve_part_of_log;

typedef struct {
    char name[48];
    uint64_t generation;
    bool holds;
    bool flipped;
    uint64_t flip_at;
    uint8_t flip_byte;
} ve_found_manifest;

typedef struct {
    varve *store; /* what is looked at: reads only, its layout is the plan's */
    const varve_options *options;
    bool dry;
    void (*tell)(void *context, const varve_repair_step *step);
    void *context;
    varve_repaired done;
    int aside; /* quarantine/, -1 = not open */
    ve_found *found;
    size_t count, room;
    ve_found_manifest *manifest;
    size_t manifests, manifests_room;
    vf_manifest_entry *named; /* by the newest manifest that holds */
    size_t named_count;
    uint64_t named_generation; /* 0 = none holds */
    ve_part_of_log *part;      /* of the log that is packed, by lsn */
    size_t parts, parts_room;
    uint64_t generation;  /* the next number that nothing has */
    uint64_t known_tail;  /* that CONTROL tells; 0 = nothing */
    bool control_believed;
    bool nobodys; /* neither CONTROL nor an index: a snapshot, or a copy. Its first writer makes them */
    bool make_identity, flip_identity;
    bool make_seg, never_packed;
    bool manifest_due, sync_due, log_changed, raw_damaged, control_due, index_due;
    uint64_t tail;         /* where the log ends */
    uint64_t published;    /* everything before it was in the store */
    ve_ranges told, lost;  /* what former repairs told of; what this one tells of */
    ve_ranges gaps;        /* those of them of which it is not known yet whose records were there */
} ve_repair;

/* ---- repair.c ---- */

int ve_repair_store(const ve_os *os, const char *path, const varve_options *options, uint32_t flags,
                    void (*tell)(void *context, const varve_repair_step *step), void *context,
                    varve_repaired *ret_repaired);

/* ---- repair_tell.c ---- */

void ve_repair_tell(ve_repair *r, int kind, const char *file, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* A range of the log that is not served; bytes 0 = not known. It is added to what is lost. */
int ve_repair_lose(ve_repair *r, const char *file, uint64_t offset, uint64_t from, uint64_t to, uint64_t bytes,
                   const char *what);
/* Records of a session in it. */
void ve_repair_lose_session(ve_repair *r, vf_key key, uint64_t first_seq, uint64_t last_seq);

/* ---- repair_identity.c ---- */

/* Whose store it is: reads STORE, or finds out. */
int ve_repair_identity(ve_repair *r);
/* The machine id that most sessions have, for a STORE that was lost. */
int ve_repair_machine(ve_repair *r);
int ve_repair_may_only_be_read(ve_repair *r, const char *name); /* VARVE_E_VERSION, and says so */

/* ---- repair_files.c: what is there ---- */

int ve_repair_census(ve_repair *r);
/* The open directory in which a file lies, and its name there. No link is followed on the way. */
int ve_repair_at(const ve_repair *r, const char *name, const char **ret_base);
/* The bit with which 'holds' is content, put right in 'bytes': whether there is one. */
bool ve_find_flip(uint8_t *bytes, size_t size, bool (*holds)(void *context, const uint8_t *bytes, size_t size),
                  void *context, size_t *ret_at);

/* ---- repair_packed.c ---- */

/* Opens a packed segment as far as it can be; what is wrong with it stands in 'found'. */
int ve_repair_look(ve_repair *r, ve_found *found, int fd);
void ve_repair_close(ve_repair *r, ve_found *found);
/* Finds the tables of a file whose footer is lost, and makes the footer again. */
bool ve_find_footer(const uint8_t *bytes, size_t size, const vf_packed_header *header, vf_packed_footer *ret_footer);

/* ---- repair_manifest.c, repair_choose.c, repair_gaps.c: which packed files are to hold the log ---- */

int ve_repair_manifests(ve_repair *r);
int ve_repair_choose(ve_repair *r);
/* What is between and behind those that were chosen. */
int ve_repair_gaps(ve_repair *r);
/* Another part, from a file or (NULL) without records. NULL: no memory. */
ve_part_of_log *ve_repair_add_part(ve_repair *r, uint64_t first, uint64_t end, ve_found *from);
void ve_repair_sort_parts(ve_repair *r);
/* Takes other files for as much of a range as they cover. *ret_covered: all of it. */
int ve_repair_cover(ve_repair *r, uint64_t first, uint64_t end, bool *ret_covered);
/* The raw segment with a number, wherever it lies; NULL: it is missing. */
const ve_found *ve_repair_raw_segment(const ve_repair *r, uint32_t number);

/* ---- repair_log.c, repair_sessions.c: raw segments, and what is lost of sessions ---- */

int ve_repair_raw(ve_repair *r);
int ve_repair_lost_sessions(ve_repair *r);

/* ---- repair_salvage.c, repair_rows.c: packed files written anew ---- */

/* What is lost of the parts. */
int ve_repair_lost_blocks(ve_repair *r);
/* Whether index rows are lost, and how they are had again. */
int ve_repair_rows(ve_repair *r);
/* Writes the new files and the manifest. */
int ve_repair_pack(ve_repair *r);

/* ---- repair_apply.c ---- */

/* Puts the files in order. */
int ve_repair_files(ve_repair *r);
/* Opens what is there for writing, packs what is damaged, makes the index. */
int ve_repair_finish(ve_repair *r);
/* Moves a file to quarantine/. */
int ve_repair_away(ve_repair *r, const char *name);

#endif

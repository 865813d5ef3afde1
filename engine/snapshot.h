/*
 * A snapshot being made: the source's files as they are now, and the directory that gets them. SPEC.md "Snapshots".
 */
#ifndef VARVE_ENGINE_SNAPSHOT_H
#define VARVE_ENGINE_SNAPSHOT_H

#include "engine/store.h"

typedef struct {
    varve *store;  /* whose snapshot it is: keeps the errors */
    varve *from;   /* its files, by the manifest in force and the tail at one moment; without any effect on the handle */
    uint64_t tail; /* where the snapshot ends */
    varve *to;     /* the directory */
    bool begun;    /* it is told apart from a directory that is none of ours */
    bool made;     /* it is a snapshot already; else STORE comes last */
    varve_snapshot_result done;
} ve_snapshot;

#define VE_SNAPSHOT_STORE "tmp.snapshot" /* becomes STORE; until then it tells whose snapshot is being made here */
#define VE_SNAPSHOT_FILE "tmp.file"      /* one file at a time, until it is whole and synced */

/* ---- snapshot_dest.c ---- */

/* Opens the directory, making it if need be. */
int ve_snapshot_open(ve_snapshot *s, const char *path);
/* Whether it may be written to: it is empty, or a snapshot of this store that nobody wrote to. Changes nothing. */
int ve_snapshot_inspect(ve_snapshot *s);
/* Removes what no manifest names any more, and left-overs. */
int ve_snapshot_sweep(ve_snapshot *s);

/* ---- snapshot_file.c ---- */

/* Bytes of a raw segment that belong to the log. */
uint64_t ve_snapshot_end(const ve_snapshot *s, uint32_t number);
/* Puts a file of seg/ in place, synced. 'sealed': it never changes again, and may be shared; else the first 'size' bytes of
 * it are copied. VARVE_E_NOT_FOUND: a compaction took it away. */
int ve_snapshot_put(ve_snapshot *s, const char *name, uint64_t size, bool sealed);
/* The first 'size' bytes of a file in the store's directory (all of it: UINT64_MAX) into a new file of the snapshot's, synced. */
int ve_snapshot_copy(ve_snapshot *s, const char *from, const char *to, uint64_t size);
/* Whether two files have the same bytes in [from, to): 1 or 0, or an error. */
int ve_snapshot_same(ve_snapshot *s, int dir_a, int dir_b, const char *name, uint64_t from, uint64_t to);

#endif

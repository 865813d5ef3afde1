/*
 * A system in which a process is killed at a chosen point, by whoever comes there next: a table of system calls that looks at
 * words in shared memory. Also syncs that take a while, or fail.
 */
#ifndef VARVE_TESTS_PERIL_H
#define VARVE_TESTS_PERIL_H

#include "engine/os.h"

#include <stdatomic.h>
#include <stdbool.h>

enum {
    PERIL_ANY,       /* not by the table: from outside */
    PERIL_WRITTEN,   /* a batch is written and not published */
    PERIL_PLACING,   /* a few microseconds later: rows are placed, buckets split */
    PERIL_BEGINNING, /* a segment is being begun */
    PERIL_LEADING,   /* as commit leader, before its sync, or behind it */
    PERIL_MANIFEST,  /* a compaction's rename, before or behind it */
    PERIL_REMOVING,  /* a file is being removed */
    PERIL_SNAPSHOT,  /* a file of a snapshot is being linked or put in place */
    PERIL_MENDING,   /* a mended segment takes the place of the old one, before or behind it */
    PERILS,
};

typedef struct peril_board {
    _Atomic uint32_t here[PERILS];  /* 1: who comes here next dies; 2: behind the call, if that makes a
                                       difference; PERIL_PLACING: so many microseconds later */
    _Atomic uint32_t fail;          /* so many syncs of the log fail */
    _Atomic uint64_t killed[PERILS], failed;
} peril_board;

extern const char *const peril_names[PERILS];
extern peril_board *peril; /* in shared memory; made by peril_begin */
ve_os peril_os(void);
bool peril_begin(void);
void peril_end(void);

#endif

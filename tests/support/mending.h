/*
 * Damaged stores and their repair: a store of packed and raw segments whose events are known, and what must hold of it when
 * it was damaged and repaired.
 */
#ifndef VARVE_TESTS_MENDING_H
#define VARVE_TESTS_MENDING_H

#include "engine/os.h"
#include "engine/varve.h"
#include "support/work.h"

#include <stdbool.h>

enum { MENDING_EVENTS = 8000, MENDING_LINE = 400, MENDING_FILES = 8, MENDING_TEXT = 16 << 10 };

typedef struct {
    uint64_t lsn[MENDING_EVENTS];
    char line[MENDING_EVENTS][MENDING_LINE];
    size_t count;
} mending_events;

typedef struct {
    char *path, *dump;
    work_book *book;
    mending_events all;
    size_t packed;                         /* files */
    uint32_t number[MENDING_FILES];        /* of the packed ones, */
    uint64_t first[MENDING_FILES], end[MENDING_FILES];
    size_t size[MENDING_FILES], tables_at[MENDING_FILES];
    char manifest[32];
    uint32_t first_raw, last_raw;
} mending_store;

/* 'packed' packed segments, and at least three raw ones. */
void mending_make(mending_store *w, size_t packed);
void mending_free(mending_store *w);
char *mending_copy(const mending_store *w);

/* What a repair told: lines of "kind file what", and its counts. */
typedef struct {
    int result;
    varve_repaired done;
    char text[MENDING_TEXT];
} mending_report;
void mending_repair(const ve_os *os, const char *path, uint32_t flags, mending_report *ret);

typedef struct {
    bool lossless;         /* nothing may be missing */
    bool reads_same;       /* and all that the store answers is as before */
    uint64_t from, to;     /* else: only what lies in here may be */
    uint64_t from2, to2;   /* or in here */
    bool may_lack_records; /* session records may differ from what the events tell */
} mending_due;
/* A dry run changes nothing and tells the same; a repair mends; another one changes nothing; verify finds nothing; what was
 * not damaged is there; appending, compaction and retention go on; also when CONTROL and the index are lost. */
bool mending_mends(const mending_store *w, const char *path, const mending_due *due, mending_report *ret);
/* The part of it that follows the repair. */
bool mending_goes_on(const mending_store *w, const char *path, const mending_due *due);
/* Whether quarantine/ has a file with these bytes. */
bool mending_kept(const char *path, const void *bytes, size_t size);

#endif

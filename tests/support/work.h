/*
 * Work that can be checked afterwards: numbered batches of numbered events by numbered writers, and a
 * book in shared memory that says which batches were acknowledged, and outlives the death of a writer.
 * Nothing here asserts, so that child processes can use all of it: false, and the reason on stderr.
 */
#ifndef VARVE_TESTS_WORK_H
#define VARVE_TESTS_WORK_H

#include "engine/os.h"
#include "engine/varve.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { WORK_WRITERS = 256, WORK_BATCH_MAX = 20 };

typedef struct work_book {
    _Atomic uint32_t acked[WORK_WRITERS]; /* batches 0 .. acked - 1 of a writer were acknowledged */
    _Atomic uint32_t stop;
    _Atomic uint64_t counter[8];          /* for the test's own use */
} work_book;

/* What work_holds counted. */
typedef struct work_found {
    uint32_t batches[WORK_WRITERS];
    uint64_t events, sessions;
} work_found;

work_book *work_book_new(void);
void work_book_free(work_book *book);

/* Says why and returns false. */
bool work_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Opens for writing with this system table (NULL: the system's own); 64 KiB segments if 'segment_size' is 0. */
bool work_open(const ve_os *os, const char *path, uint32_t segment_size, varve **ret_store);
/* Appends batch 'number' of a writer and enters it in the book. */
bool work_append(varve *store, work_book *book, uint32_t writer, uint32_t number, varve_durability durability);
/* The same, but says nothing: what varve_append did, VARVE_E_EXISTS if some of it was there. */
int work_try(varve *store, work_book *book, uint32_t writer, uint32_t number, varve_durability durability);
/* The batch behind the last that the store has of a writer. */
bool work_resume(varve *store, uint32_t writer, uint32_t *ret_number);
/* Appends batches first .. first + count - 1, durability mixed. */
bool work_run(varve *store, work_book *book, uint32_t writer, uint32_t first, uint32_t count);

/* Where one stands who reads all events in the order of their lsns; it begins with zeros. */
typedef struct work_line {
    uint32_t batches[WORK_WRITERS]; /* that were read whole */
    uint32_t writer, number, i, size; /* the batch that is read, and how much of it was */
    uint64_t lsn, events;
} work_line;
/* The next event is the one that is due: batches whole and in order, nothing twice, nothing left out. */
bool work_next(work_line *line, const varve_event *event);

/*
 * Everything acknowledged is there once, batches are whole and in order, seq has no gap, cursors of inputs stand at
 * the last batch. 'live': writers are at work meanwhile, so there may be more than the book says.
 */
bool work_holds(varve *store, work_book *book, uint32_t writers, bool live, work_found *ret_found);
/* verify --deep has 'faults' faults; findings are printed if it has not. */
bool work_verifies(varve *store, int faults);
/* The same, but that it may tell of a sync that failed and was not made up for. */
bool work_verifies_but_for_a_sync(varve *store);
/* Opens for writing, checks, appends a batch as writer 'next', checks again. */
bool work_goes_on(const char *path, work_book *book, uint32_t writers, uint32_t next);
/* Runs 'body' in a child under a time limit; its exit status as waitpid tells it. */
int work_in_child(bool (*body)(void *context), void *context);
uint64_t work_deaths(void);     /* how many of these were killed until now */
bool work_killed(int status);   /* ended by SIGKILL */
bool work_succeeded(int status);
/* Numbers that look random and are the same in each run. */
uint32_t work_mix(uint32_t a, uint32_t b, uint32_t c);
void work_in_memory(void); /* scratch stores lie in memory from here on, where there is a place for that */
bool work_long(void); /* VARVE_LONG is set: take the time */

#endif

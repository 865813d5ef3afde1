/*
 * A system of which chosen calls fail: the n-th from now, or from the n-th on all that need room on the disk; or come back
 * with half of the bytes. And what it has given out that was not given back.
 */
#ifndef VARVE_TESTS_FAILURES_H
#define VARVE_TESTS_FAILURES_H

#include "engine/os.h"

#include <stdbool.h>

extern const ve_os failures_os;

/* As an errno. SHORT: of the calls that move bytes the n-th moves half of them; others do not count. MEMORY: not calls
 * count, but what is asked of malloc and its like, and the n-th of these finds no memory; for programs that are linked with
 * tests/fail_memory.c. */
enum { FAILURES_SHORT = 100000, FAILURES_MEMORY };

/* The n-th call from now fails with this errno (0: none does). 'lasting': instead, from that call on no byte can be
 * written and no file be made. Giving up a lock never fails but for EINTR: no system does that. */
void failures_at(uint64_t n, int error, bool lasting);
uint64_t failures_calls(void); /* so far */
bool failures_memory(void);    /* asked by whoever allocates: whether there is none */
/* Only calls to sync count, and fail. */
void failures_of_syncs(uint64_t n, int error);
/* The boot id that the table tells: 0 is the system's own, any other number another boot. */
void failures_boot(uint8_t other);
void failures_now(int64_t now); /* what the clock says from now on; 0: the system's */
int failures_descriptors(void); /* opened through the table, and not closed */
int failures_maps(void);        /* mapped, and not unmapped */
int failures_blocks(void);      /* of memory, not freed; for programs that are linked with tests/fail_memory.c */

#endif

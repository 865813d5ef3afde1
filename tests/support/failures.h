/*
 * A system of which chosen calls fail: the n-th from now, or from the n-th on all that need room on the disk; or come back
 * with half of the bytes. And what it has given out that was not given back.
 */
#ifndef VARVE_TESTS_FAILURES_H
#define VARVE_TESTS_FAILURES_H

#include "engine/os.h"

#include <stdbool.h>

extern const ve_os failures_os;

enum {
    FAILURES_SHORT = 100000, /* as an errno: a call that moves bytes moves half of them; others do not fail */
    FAILURES_MEMORY          /* not a call: the n-th piece of memory that is asked for is not to be had */
};

/* The n-th call from now fails with this errno (0: none does). 'lasting': instead, from that call on no byte can be
 * written and no file be made. Giving up a lock never fails but for EINTR: no system does that. */
void failures_at(uint64_t n, int error, bool lasting);
uint64_t failures_calls(void); /* so far */
/* For who gives out memory: whether there is none this time. */
bool failures_of_memory(void);
/* Only calls to sync count, and fail. */
void failures_of_syncs(uint64_t n, int error);
/* The boot id that the table tells: 0 is the system's own, any other number another boot. */
void failures_boot(uint8_t other);
void failures_now(int64_t now); /* what the clock says from now on; 0: the system's */
int failures_descriptors(void); /* opened through the table, and not closed */
int failures_maps(void);        /* mapped, and not unmapped */

#endif

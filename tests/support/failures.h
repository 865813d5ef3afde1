/*
 * A system of which chosen calls fail: the n-th from now, or from the n-th on all that need room on the disk.
 */
#ifndef VARVE_TESTS_FAILURES_H
#define VARVE_TESTS_FAILURES_H

#include "engine/os.h"

#include <stdbool.h>

extern const ve_os failures_os;

/* The n-th call from now fails with this errno (0: none does). 'lasting': instead, from that call on no byte can be
 * written and no file be made. */
void failures_at(uint64_t n, int error, bool lasting);
uint64_t failures_calls(void); /* so far */
/* Only calls to sync count, and fail. */
void failures_of_syncs(uint64_t n, int error);

#endif

/*
 * Keeps memory backed on a virtual machine that hands free pages to its host within seconds: a page
 * used again afterwards costs about 10 us, against 0.3 us while it is backed, and figures that need
 * memory come out anywhere. A helper process holds touched memory and gives it back ahead of need.
 */
#ifndef VARVE_BENCH_BACKING_H
#define VARVE_BENCH_BACKING_H

#include <stdint.h>

/* Holds up to 'bytes' until the end, or until this process dies: it waits until the memory is
 * touched, and takes no more than three quarters of what is free. -1 if there can be no helper. */
int backing_begin(uint64_t bytes);
void backing_end(void);

#endif

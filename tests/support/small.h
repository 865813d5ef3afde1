/*
 * A small file system of its own for a test that fills it.
 */
#ifndef VARVE_TESTS_SMALL_H
#define VARVE_TESTS_SMALL_H

#include <stdbool.h>

/* Puts a file system of so many MiB on a directory: mounted by the machine's administrator, or in a user namespace of this
 * process (once: all that it starts sees it). NULL: neither can be done here; else how it was done, in words. */
const char *small_mount(const char *place, int megabytes);
void small_unmount(void); /* the one that was mounted last, if any */
/* Fills what is left with a file of no use, until no block is free. */
bool small_fill(const char *place);

#endif

/*
 * What lies in a store's directory, and what a process holds open.
 */
#ifndef VARVE_TESTS_TIDY_H
#define VARVE_TESTS_TIDY_H

#include <stdbool.h>

/* Nothing but STORE, locks, CONTROL, one manifest and its packed segments, the raw segments behind them without a gap, one
 * generation of the index, an empty quarantine. Says what else there is. */
bool tidy_store(const char *path);
int tidy_descriptors(void); /* that this process has open */
/* Mappings of this process of files that were removed, and whose name contains 'part'. */
int tidy_removed_maps(const char *part);

#endif

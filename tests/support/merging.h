/*
 * Stores that are merged: making them, merging them, what must hold whenever that is done.
 */
#ifndef VARVE_TESTS_MERGING_H
#define VARVE_TESTS_MERGING_H

#include "tests/support/lives.h"
#include "tests/support/scratch.h"

varve *merging_open(const char *path, const char *machine);
/* A store in a directory of its own; machine NULL = random. */
varve *merging_new(char **ret_path, const char *machine);
/* verify --deep finds nothing; closes and removes it. */
void merging_end(varve **store, char *path);

varve_stats merging_stats(varve *store);
/* It succeeds, and all is on disk then. */
varve_merged merging_merge(varve *store, varve *from);
/* Merging adds nothing, and says so; by a handle that remembers nothing: the store is opened anew. */
void merging_adds_nothing(varve **store, const char *path, varve *from);

#endif

/*
 * Random histories: numbered batches of everything that can be appended. A batch follows from seed and number alone, so
 * that stores that get the same batches hold the same.
 */
#ifndef VARVE_TESTS_HISTORY_H
#define VARVE_TESTS_HISTORY_H

#include "engine/varve.h"

#include <stdbool.h>

/* Opens with a clock that history_add tells, 64 KiB segments, machine id "here"; flags as VARVE_OPEN_*. */
bool history_open(const char *path, uint32_t flags, varve **ret_store);
/* Appends a batch. Returns what varve_append does; refusals (a fork that is there already) are no failure. */
int history_add(varve *store, uint32_t seed, uint32_t number, varve_appended *ret);
/* A batch whose events all have a uid: appended again it adds nothing. */
bool history_is_import(uint32_t seed, uint32_t number);

#endif

/*
 * Scratch stores for tests: made in a temporary directory, filled, checked, removed.
 */
#ifndef VARVE_TESTS_SCRATCH_H
#define VARVE_TESTS_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/varve.h"

#define assert_str(text, expected)                                \
    do {                                                          \
        assert_int_equal((text).size, strlen(expected));          \
        assert_memory_equal((text).ptr, (expected), (text).size); \
    } while (0)

/* A path for a store, in a directory of its own; scratch_free removes all of it. */
char *scratch_new(void);
void scratch_free(char *path);
/* Opens for writing; segment_size 0 = the default. */
varve *scratch_open(const char *path, uint32_t segment_size);
/* An event without time of its own, payload or uid. */
varve_event scratch_event(const char *session, const char *type);
/* Appends a batch of 'count' such events, each with a small payload. */
void scratch_append(varve *store, const char *session, const char *type, int count);
/* False where the system says that it wipes a page in a child, and does not: under qemu. */
bool scratch_can_wipe(void);
varve_session scratch_session(varve *store, const char *id);
/* The session has 'events' events, their seq without a gap from 1. */
void scratch_check_seq(varve *store, const char *id, uint64_t events);
/* verify --deep finds nothing. */
void scratch_verify(varve *store);
/* Runs a shell command made from a format; fails the test unless it exits 0. */
void scratch_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

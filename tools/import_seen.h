/*
 * How often a thing was met, by its 64-bit hash: 12 bytes a place, at most three quarters of the
 * places taken. For lines of a file and for names of sessions.
 */
#ifndef TOOLS_IMPORT_SEEN_H
#define TOOLS_IMPORT_SEEN_H

#include <stddef.h>
#include <stdint.h>

struct seen {
    uint64_t *hash; /* 0 = free */
    uint32_t *count;
    size_t room, used;
};

/* How often it was met before; from now on once more. */
uint32_t seen_again(struct seen *seen, uint64_t hash);
void seen_clear(struct seen *seen);
void seen_free(struct seen *seen);

#endif

/*
 * Looking for pieces of text in bytes: many pieces at once. Used to show that nothing of a forgotten session is left.
 */
#ifndef VARVE_ENGINE_NEEDLES_H
#define VARVE_ENGINE_NEEDLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece is known by its first bytes: shorter texts are too common to show anything. */
enum { VE_NEEDLE_SIZE = 16, VE_NEEDLES_MAX = 1 << 18, VE_NEEDLE_BITS = 22 };

typedef struct {
    uint8_t (*piece)[VE_NEEDLE_SIZE];
    size_t count, room;
    uint32_t *slot; /* by hash of the first 8 bytes: piece + 1 */
    size_t slots;
    uint64_t seen[1 << (VE_NEEDLE_BITS - 6)]; /* a bit by hash: most offsets are told by it */
} ve_needles;

/* Takes the text's first bytes; false: no memory. Short ones are left out. */
bool ve_needles_add(ve_needles *needles, const void *text, size_t size);
/* Takes pieces from within, for payloads: many begin and end alike. */
bool ve_needles_add_within(ve_needles *needles, const void *text, size_t size);
/* Calls 'found' for each place where a piece stands. */
void ve_needles_search(const ve_needles *needles, const uint8_t *bytes, size_t size,
                       void (*found)(void *context, size_t at), void *context);
void ve_needles_free(ve_needles *needles);

#endif

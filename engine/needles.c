/*
 * Many pieces of text, looked for at once: eight bytes at each offset are hashed; what no piece
 * begins with is told by one bit.
 */
#include "engine/needles.h"
#include "engine/array.h"

#include "engine/store.h"

#include <stdlib.h>

static uint64_t hash_at(const uint8_t *at) {
    uint64_t first;
    memcpy(&first, at, sizeof first);
    return first * 0x9E3779B97F4A7C15u;
}

static bool grow_slots(ve_needles *n) {
    if (n->count * 2 + 2 <= n->slots)
        return true;
    size_t slots = n->slots == 0 ? 1024 : n->slots * 2;
    uint32_t *slot = calloc(slots, sizeof *slot);
    if (slot == NULL)
        return false;
    for (size_t i = 0; i < n->count; i++) {
        size_t at = (size_t)(hash_at(n->piece[i]) >> 40) & (slots - 1);
        while (slot[at] != 0)
            at = (at + 1) & (slots - 1);
        slot[at] = (uint32_t)i + 1;
    }
    free(n->slot);
    n->slot = slot;
    n->slots = slots;
    return true;
}

/* Number of the piece that stands at these bytes, or -1. */
static int64_t piece_at(const ve_needles *n, const uint8_t *at) {
    for (size_t s = (size_t)(hash_at(at) >> 40) & (n->slots - 1); n->slot[s] != 0;
         s = (s + 1) & (n->slots - 1))
        if (memcmp(n->piece[n->slot[s] - 1], at, VE_NEEDLE_SIZE) == 0)
            return n->slot[s] - 1;
    return -1;
}

static bool add_piece(ve_needles *n, const uint8_t *at) {
    if (n->count == VE_NEEDLES_MAX || (n->slots > 0 && piece_at(n, at) >= 0))
        return true;
    if (!grow_slots(n) || !ve_grow(&n->piece, &n->room, n->count + 1, sizeof *n->piece))
        return false;
    memcpy(n->piece[n->count++], at, VE_NEEDLE_SIZE);
    uint64_t hash = hash_at(at);
    n->seen[hash >> (70 - VE_NEEDLE_BITS)] |= 1ull << (hash >> (64 - VE_NEEDLE_BITS) & 63);
    size_t s = (size_t)(hash >> 40) & (n->slots - 1);
    while (n->slot[s] != 0)
        s = (s + 1) & (n->slots - 1);
    n->slot[s] = (uint32_t)n->count;
    return true;
}

bool ve_needles_add(ve_needles *needles, const void *text, size_t size) {
    return size < VE_NEEDLE_SIZE || add_piece(needles, text);
}

bool ve_needles_add_within(ve_needles *needles, const void *text, size_t size) {
    const uint8_t *bytes = text;
    if (size < (size_t)4 * VE_NEEDLE_SIZE)
        return ve_needles_add(needles, text, size);
    return add_piece(needles, bytes + size / 4) && add_piece(needles, bytes + size / 2) &&
           add_piece(needles, bytes + size / 4 * 3);
}

void ve_needles_search(const ve_needles *n, const uint8_t *bytes, size_t size,
                       void (*found)(void *context, size_t at), void *context) {
    if (n->count == 0)
        return;
    for (size_t at = 0; at + VE_NEEDLE_SIZE <= size; at++) {
        uint64_t hash = hash_at(bytes + at);
        if ((n->seen[hash >> (70 - VE_NEEDLE_BITS)] >> (hash >> (64 - VE_NEEDLE_BITS) & 63) & 1) !=
                0 &&
            piece_at(n, bytes + at) >= 0)
            found(context, at);
    }
}

void ve_needles_free(ve_needles *needles) {
    free(needles->piece);
    free(needles->slot);
    *needles = (ve_needles){0};
}

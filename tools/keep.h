/*
 * Texts that are picked out of JSON, kept until the next object is read: where they lie in the
 * bytes that were read, or copied if they had to be decoded or mended.
 */
#ifndef TOOLS_KEEP_H
#define TOOLS_KEEP_H

#include "engine/varve.h"

struct keep_block;
struct keep {
    const char *begin, *end;   /* of the bytes that are being read */
    struct keep_block *blocks; /* the newest first */
};

/* What was kept before is forgotten. */
void keep_begin(struct keep *keep, const char *text, size_t size);
/* The text, which is UTF-8 and at most 'most' bytes, cut at a character's end. */
varve_str keep_text(struct keep *keep, const char *text, size_t size, size_t most);
/* Room for so many bytes. */
char *keep_room(struct keep *keep, size_t size);
void keep_free(struct keep *keep);

#endif

/*
 * Text for the workload: phrases of English and of source code, escaped for JSON, chosen so that
 * they compress about as well as transcripts of agents do. See workload.h.
 */
#ifndef VARVE_BENCH_WORKLOAD_TEXT_H
#define VARVE_BENCH_WORKLOAD_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum {
    TEXT_PHRASES = 8192, /* of each kind; a power of two */
    TEXT_ROOM = 64,      /* of a phrase. What is written may run over its end by as much */
    TEXT_PAST = 1 << 16, /* of what a session or a project has seen so far */
};
typedef enum text_kind { TEXT_PROSE, TEXT_CODE, TEXT_KINDS } text_kind;

typedef struct text_pool {
    char phrase[TEXT_KINDS][TEXT_PHRASES][TEXT_ROOM];
    uint8_t size[TEXT_KINDS][TEXT_PHRASES];
} text_pool;

/* What was said before, to be quoted: the files of a project, the past of a session. */
typedef struct text_past {
    uint32_t end; /* where the next text goes */
    uint32_t fill;
    char bytes[TEXT_PAST];
} text_past;

uint64_t text_random(uint64_t *state);
uint64_t text_below(uint64_t *state, uint64_t limit); /* limit below 2^32 */
void text_prepare(text_pool *pool, uint64_t seed);
/* Writes phrases until there are 'want' bytes, up to TEXT_ROOM more; returns the end. */
char *text_fresh(const text_pool *pool, uint64_t *random, text_kind kind, char *at, size_t want);
/* The inside of a JSON string of about 'want' bytes: fresh phrases, and quotes from itself, from
 * the session's past (to which it is added) and from the project's. */
char *text_body(const text_pool *pool, uint64_t *random, text_past *session,
                const text_past *project, char *at, size_t want);
void text_remember(text_past *past, const char *text, size_t size);

#endif

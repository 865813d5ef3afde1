/*
 * Phrases, and bodies made of them. See workload_text.h. The shares below were found by trying:
 * calibrate prints what zstd makes of them.
 */
#include "bench/support/workload_text.h"

#include <stdio.h>
#include <string.h>

/* Of 256 pieces of a body, how many repeat what the body, the session and the project have said. */
enum { SHARE_SELF = 10, SHARE_SESSION = 104, SHARE_PROJECT = 4 };
/* One in so many phrases is a number that nothing else repeats. */
enum { NUMBER_IN = 20 };

static const char *const words[] = {
    "the",       "of",       "and",       "to",       "in",       "is",      "that",
    "for",       "it",       "with",      "as",       "this",     "are",     "be",
    "on",        "not",      "from",      "by",       "which",    "when",    "file",
    "test",      "function", "error",     "value",    "returns",  "check",   "before",
    "after",     "because",  "should",    "instead",  "change",   "handler", "request",
    "response",  "session",  "message",   "buffer",   "index",    "config",  "option",
    "default",   "missing",  "failing",   "update",   "remove",   "create",  "directory",
    "path",      "module",   "import",    "export",   "class",    "method",  "property",
    "schema",    "record",   "table",     "column",   "query",    "cache",   "token",
    "server",    "client",   "socket",    "thread",   "process",  "signal",  "timeout",
    "retry",     "queue",    "stream",    "reader",   "writer",   "parser",  "lexer",
    "encoder",   "decoder",  "length",    "offset",   "pointer",  "memory",  "address",
    "segment",   "header",   "footer",    "checksum", "version",  "release", "branch",
    "commit",    "merge",    "conflict",  "review",   "comment",  "now",     "then",
    "there",     "only",     "first",     "last",     "next",     "same",    "other",
    "both",      "each",     "every",     "another",  "without",  "within",  "between",
    "looking",   "running",  "reading",   "writing",  "building", "adding",  "fixing",
    "using",     "issue",    "problem",   "solution", "approach", "design",  "detail",
    "example",   "summary",  "user",      "account",  "password", "email",   "payment",
    "order",     "product",  "customer",  "button",   "dialog",   "layout",  "render",
    "component", "state",    "effect",    "context",  "array",    "object",  "string",
    "number",    "boolean",  "integer",   "float",    "double",   "count",   "total",
    "limit",     "average",  "minimum",   "maximum",  "median",   "figure",  "correct",
    "wrong",     "clean",    "broken",    "simple",   "complex",  "small",   "large",
    "database",  "network",  "storage",   "device",   "kernel",   "driver",  "package",
    "library",   "deploy",   "monitor",   "metric",   "logger",   "tracer",  "profile",
    "budget",    "policy",   "iterate",   "validate", "compute",  "resolve", "dispatch",
    "register",  "publish",  "subscribe",
};
enum { WORDS = sizeof words / sizeof words[0] };

static const char *const lines[] = {
    "    if (%s == NULL)\\n        return %s;\\n",
    "    const %s = await this.%s();\\n",
    "    for (size_t i = 0; i < %s; i++)\\n        %s[i] = 0;\\n",
    "import { %s } from '../lib/%s';\\n",
    "        self.%s = %s\\n",
    "    def %s(self, %s):\\n",
    "    return %s->%s;\\n",
    "\\t%s, err := %s(ctx)\\n",
    "\\tif err != nil {\\n\\t\\treturn %s, err\\n\\t}\\n%s",
    "  expect(%s).toEqual(%s);\\n",
    "/src/%s/%s.ts:",
    "      \\\"%s\\\": \\\"%s\\\",\\n",
    "<div className=\\\"%s-%s\\\">\\n",
    "    let mut %s = %s::new();\\n",
    "-rw-r--r-- 1 user user %s_%s\\n",
    "+    assert_eq!(%s, %s);\\n",
    "-    %s = %s + 1;\\n",
    "    /* %s of the %s */\\n",
    "PASS tests/%s_%s.test.js\\n",
    "warning: unused variable: `%s_%s`\\n",
};
enum { LINES = sizeof lines / sizeof lines[0] };

uint64_t text_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t text_below(uint64_t *state, uint64_t limit) {
    return ((text_random(state) >> 32) * limit) >> 32;
}

/* Common words far more often than rare ones. */
static const char *some_word(uint64_t *random) {
    return words[text_below(random, text_below(random, WORDS) + 1)];
}

static int prose_phrase(uint64_t *random, char *out, size_t room) {
    int size = 0;
    uint64_t count = 2 + text_below(random, 4);
    out[0] = 0;
    for (uint64_t i = 0; i < count; i++) {
        int more = snprintf(out + size, room - (size_t)size, "%s ", some_word(random));
        if (size + more >= (int)room)
            break;
        size += more;
    }
    if (text_below(random, 8) == 0)
        memcpy(out + size - 1, ". ", 3), size++;
    return size;
}

static int code_phrase(uint64_t *random, char *out, size_t room) {
    char name[2][24];
    for (int i = 0; i < 2; i++)
        snprintf(name[i], sizeof name[i], "%.10s%s%.10s", words[text_below(random, WORDS)],
                 text_below(random, 2) ? "_" : "", some_word(random));
    char line[128];
    int size = snprintf(line, sizeof line, lines[text_below(random, LINES)], name[0], name[1]);
    if (size >= (int)room) { /* cut, but not inside an escape */
        size = (int)room - 1;
        while (line[size - 1] == '\\')
            size--;
    }
    memcpy(out, line, (size_t)size);
    return size;
}

void text_prepare(text_pool *pool, uint64_t seed) {
    uint64_t random = seed;
    for (size_t i = 0; i < TEXT_PHRASES; i++) {
        int prose = prose_phrase(&random, pool->phrase[TEXT_PROSE][i], TEXT_ROOM - 2);
        int code = code_phrase(&random, pool->phrase[TEXT_CODE][i], TEXT_ROOM);
        pool->size[TEXT_PROSE][i] = (uint8_t)prose;
        pool->size[TEXT_CODE][i] = (uint8_t)code;
    }
}

static char *put_number(char *at, uint64_t bits) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 7; i++, bits >>= 4)
        at[i] = digits[bits & 15];
    at[7] = ' ';
    return at + 8;
}

char *text_fresh(const text_pool *pool, uint64_t *random, text_kind kind, char *at, size_t want) {
    const char(*phrase)[TEXT_ROOM] = pool->phrase[kind];
    const uint8_t *size = pool->size[kind];
    for (const char *end = at + want; at < end;) {
        uint64_t r = text_random(random);
        if ((r >> 32) % NUMBER_IN == 0) {
            at = put_number(at, r);
            continue;
        }
        /* The product of two random numbers: low phrases are the common ones. */
        size_t i = (size_t)(((r & 0xffff) * ((r >> 16) & 0xffff)) * TEXT_PHRASES >> 32);
        memcpy(at, phrase[i], TEXT_ROOM);
        at += size[i];
    }
    return at;
}

/* A quote may begin or end inside an escape: then its edge becomes a space. */
static char *put_quote(char *at, const char *from, size_t size) {
    memcpy(at, from, size);
    if (at[0] == '"')
        at[0] = ' ';
    if (at[size - 1] == '\\')
        at[size - 1] = ' ';
    return at + size;
}

void text_remember(text_past *past, const char *text, size_t size) {
    if (size > TEXT_PAST)
        size = TEXT_PAST;
    if (past->end + size > TEXT_PAST)
        past->end = 0;
    memcpy(past->bytes + past->end, text, size);
    past->end += (uint32_t)size;
    past->fill = past->end > past->fill ? past->end : past->fill;
}

char *text_body(const text_pool *pool, uint64_t *random, text_past *session,
                const text_past *project, char *at, size_t want) {
    char *const begun = at;
    text_kind kind = text_below(random, 3) == 0 ? TEXT_PROSE : TEXT_CODE;
    while ((size_t)(at - begun) < want) {
        uint64_t r = text_below(random, 256), done = (uint64_t)(at - begun), left = want - done;
        uint64_t size = 60 + text_below(random, want < 2000 ? 300 : 1500), fill = done;
        const char *from = begun;
        if (r >= SHARE_SELF && r < SHARE_SELF + SHARE_SESSION)
            from = session->bytes, fill = session->fill;
        else if (r >= SHARE_SELF && r < SHARE_SELF + SHARE_SESSION + SHARE_PROJECT)
            from = project->bytes, fill = project->fill;
        else if (r >= SHARE_SELF)
            fill = 0;
        size = size < left ? size : left;
        if (fill > 2 * size)
            at = put_quote(at, from + text_below(random, fill - size), (size_t)size);
        else
            at = text_fresh(pool, random, kind, at, (size_t)size / 2 + 1);
    }
    text_remember(session, begun, (size_t)(at - begun));
    return at;
}

/*
 * A buffer that slides over the file and grows with the longest line.
 */
#include "tools/import_lines.h"

#include "engine/varve.h"
#include "tools/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

/* Reading begins with small blocks: a look ahead is mostly over after the first. */
enum { BLOCK_FIRST = 32 << 10, BLOCK = 1 << 20, KEPT = 4 << 20 };

struct line_reader {
    int fd;
    bool stream; /* read, not pread */
    char *buffer;
    size_t room, begin, end; /* what was read and not taken is [begin, end) */
    size_t scanned;          /* up to here, from 'begin', is no newline */
    uint64_t offset;         /* of 'begin' in the file */
    uint64_t limit;
    size_t block; /* how much is read next */
    XXH3_state_t *hash, *hash_before;
};

struct line_reader *line_reader_new(void) {
    struct line_reader *reader = cli_alloc(sizeof *reader);
    memset(reader, 0, sizeof *reader);
    reader->fd = -1;
    reader->hash = XXH3_createState();
    reader->hash_before = XXH3_createState();
    if (!reader->hash || !reader->hash_before) {
        cli_fail(NULL, "out of memory");
        exit(EXIT_CANNOT);
    }
    return reader;
}

void line_reader_free(struct line_reader **reader) {
    if (*reader) {
        free((*reader)->buffer);
        XXH3_freeState((*reader)->hash);
        XXH3_freeState((*reader)->hash_before);
        free(*reader);
        *reader = NULL;
    }
}

void line_start(struct line_reader *reader, int fd, uint64_t position) {
    if (!reader->buffer || reader->room > KEPT) {
        free(reader->buffer);
        reader->room = BLOCK;
        reader->buffer = cli_alloc(reader->room);
    }
    reader->fd = fd;
    reader->stream = false;
    reader->begin = reader->end = reader->scanned = 0;
    reader->offset = position;
    reader->limit = UINT64_MAX;
    reader->block = BLOCK_FIRST;
    XXH3_128bits_reset(reader->hash);
}

void line_stream(struct line_reader *reader, int fd) {
    line_start(reader, fd, 0);
    reader->stream = true;
}

bool line_ready(const struct line_reader *reader) {
    return memchr(reader->buffer + reader->begin, '\n', reader->end - reader->begin) != NULL;
}

void line_limit(struct line_reader *reader, uint64_t limit) {
    uint64_t have = reader->offset + (reader->end - reader->begin);
    if (limit < have) {
        reader->end = reader->begin + (size_t)(limit > reader->offset ? limit - reader->offset : 0);
    }
    reader->limit = limit;
    reader->scanned = 0;
}

/* Reads more behind what is there. 1, 0 at the end, or -errno. */
static int fill(struct line_reader *reader) {
    uint64_t at = reader->offset + (reader->end - reader->begin);
    if (at >= reader->limit) {
        return 0;
    }
    if (reader->begin > 0 && reader->room - reader->end < BLOCK / 2) {
        memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
        reader->end -= reader->begin;
        reader->begin = 0;
    }
    if (reader->end == reader->room) {
        reader->room *= 2;
        reader->buffer = cli_grow(reader->buffer, reader->room, 1);
    }
    size_t wanted = reader->room - reader->end;
    wanted = wanted > reader->block ? reader->block : wanted;
    reader->block = reader->block < BLOCK ? reader->block * 2 : BLOCK;
    if (wanted > reader->limit - at) {
        wanted = (size_t)(reader->limit - at);
    }
    for (;;) {
        char *to = reader->buffer + reader->end;
        ssize_t got = reader->stream ? read(reader->fd, to, wanted)
                                     : pread(reader->fd, to, wanted, (off_t)at);
        if (got >= 0) {
            reader->end += (size_t)got;
            return got > 0;
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
}

static void drop(struct line_reader *reader, size_t size) {
    XXH3_128bits_update(reader->hash, reader->buffer + reader->begin, size);
    reader->begin += size;
    reader->offset += size;
    reader->scanned = 0;
}

/* Passes over a line that is too long. One without an end is put back: it may still be written. */
static int pass_over(struct line_reader *reader, struct line *ret_line) {
    uint64_t position = reader->offset;
    XXH3_copyState(reader->hash_before, reader->hash);
    for (;;) {
        char *from = reader->buffer + reader->begin;
        char *newline = memchr(from, '\n', reader->end - reader->begin);
        drop(reader, newline ? (size_t)(newline - from) + 1 : reader->end - reader->begin);
        if (newline) {
            *ret_line = (struct line){NULL, 0, position, reader->offset, VARVE_EOL_LF, true};
            return 1;
        }
        reader->begin = reader->end = 0;
        int more = fill(reader);
        if (more <= 0) {
            reader->offset = position;
            XXH3_copyState(reader->hash, reader->hash_before);
            *ret_line = (struct line){NULL, 0, position, position, VARVE_EOL_NONE, true};
            return more < 0 ? more : 1;
        }
    }
}

int line_next(struct line_reader *reader, struct line *ret_line) {
    char *newline = NULL;
    for (;;) {
        size_t have = reader->end - reader->begin;
        char *from = reader->buffer + reader->begin;
        if (have > reader->scanned) {
            newline = memchr(from + reader->scanned, '\n', have - reader->scanned);
        }
        if (newline) {
            break;
        }
        reader->scanned = have;
        if (have > (size_t)IMPORT_LINE_MAX + 1) {
            return pass_over(reader, ret_line);
        }
        int more = fill(reader);
        if (more < 0) {
            return more;
        }
        if (more == 0) {
            break;
        }
    }
    const char *text = reader->buffer + reader->begin;
    size_t size = newline ? (size_t)(newline - text) : reader->end - reader->begin;
    if (!newline && size > 0 && text[size - 1] == '\r') { /* half of a line's end */
        size--;
    }
    if (size == 0 && !newline) {
        return 0;
    }
    uint64_t end = reader->offset + size + (newline != NULL);
    *ret_line = (struct line){text, size, reader->offset, end, VARVE_EOL_NONE, false};
    if (newline) {
        bool crlf = size > 0 && text[size - 1] == '\r';
        ret_line->eol = crlf ? VARVE_EOL_CRLF : VARVE_EOL_LF;
        ret_line->size -= crlf;
    }
    if (ret_line->size > IMPORT_LINE_MAX) {
        return pass_over(reader, ret_line);
    }
    return 1;
}

void line_take(struct line_reader *reader, const struct line *line) {
    if (!line->too_long) {
        drop(reader, (size_t)(line->end - line->position));
    }
}

uint64_t line_position(const struct line_reader *reader) {
    return reader->offset;
}

void line_hash(const struct line_reader *reader, uint8_t ret_hash[16]) {
    XXH128_canonical_t plain;
    XXH128_canonicalFromHash(&plain, XXH3_128bits_digest(reader->hash));
    memcpy(ret_hash, plain.digest, 16);
}

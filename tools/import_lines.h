/*
 * Lines of a file, read in blocks, with a hash over all that was taken. Memory is bounded by the
 * longest line; one that is longer than an event may be is passed over.
 */
#ifndef TOOLS_IMPORT_LINES_H
#define TOOLS_IMPORT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IMPORT_LINE_MAX = 256 << 20 };

struct line {
    const char *text; /* without its end; holds until the next line_next */
    size_t size;
    uint64_t position; /* of its first byte in the file */
    uint64_t end;      /* of the byte behind it and its end */
    uint8_t eol;       /* VARVE_EOL_LF, CRLF or NONE */
    bool too_long;     /* it was passed over: has no text */
};

struct line_reader;
struct line_reader *line_reader_new(void);
void line_reader_free(struct line_reader **reader);

/* Reads 'fd' (by pread) from 'position' on; the hash covers what comes from there. */
void line_start(struct line_reader *reader, int fd, uint64_t position);
/* The same for a pipe, which can be read only once: lines come as they arrive. */
void line_stream(struct line_reader *reader, int fd);
/* Whether line_next has a whole line without waiting for more. */
bool line_ready(const struct line_reader *reader);
/* The file ends at 'limit' for now; UINT64_MAX = where it really ends. */
void line_limit(struct line_reader *reader, uint64_t limit);
/* The next line: 1, 0 at the end, or -errno. A line that has no end yet comes with VARVE_EOL_NONE.
 * Without line_take the same line comes again. */
int line_next(struct line_reader *reader, struct line *ret_line);
void line_take(struct line_reader *reader, const struct line *line);
/* Where the next line begins, and the hash of all that was taken. */
uint64_t line_position(const struct line_reader *reader);
void line_hash(const struct line_reader *reader, uint8_t ret_hash[16]);

#endif

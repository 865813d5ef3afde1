/*
 * What a command prints: the same calls give JSON Lines, comma-separated values, an aligned table,
 * or lines of "name value". A row is begun, its fields are given one by one, and it is ended. JSON
 * gets every field; a table and its CSV only those that it has a column for (null is a dash); lines
 * only those that are not null. Programs (JSON, CSV) get figures exactly and times in UTC, people
 * get them rounded, and times in their zone.
 */
#ifndef TOOLS_OUT_H
#define TOOLS_OUT_H

#include "tools/cli.h"

struct out;

enum {
    OUT_RIGHT = 1 << 0, /* a number */
    OUT_CUT = 1 << 1,   /* may be cut to fit the terminal */
    OUT_KEEP = 1 << 2,  /* cut only when cutting the others was not enough */
    OUT_SPARE = 1 << 3, /* left out when cutting was not enough */
    OUT_TIME = 1 << 4,  /* a time: the title goes on with the zone */
};
struct out_column {
    const char *field; /* name of the field that it shows */
    const char *title;
    int flags;
};

/* Rows: a table or CSV of these columns, or JSON Lines. The columns must outlive it. */
struct out *out_rows(const struct cli *cli, const struct out_column *columns, size_t count);
/* One thing: lines of "name value", or one JSON object a row, or CSV of all its fields. */
struct out *out_record(const struct cli *cli);
/* Prints what is still held back. */
void out_close(struct out **out);

void out_begin(struct out *out);
/* 0, or 1 if standard output takes no more and going on is in vain. */
int out_end(struct out *out);
/* All that was ended is on standard output when it returns. As out_end. */
int out_flush(struct out *out);
/* A table draws a line before the next row. */
void out_rule(struct out *out);

/* Named parts of a row. Items of an array have the name NULL. */
void out_object(struct out *out, const char *name);
void out_object_end(struct out *out);
void out_array(struct out *out, const char *name);
void out_array_end(struct out *out);

void out_null(struct out *out, const char *name);
void out_bool(struct out *out, const char *name, int value);
void out_number(struct out *out, const char *name, int64_t value);   /* a quantity */
void out_numeral(struct out *out, const char *name, uint64_t value); /* a name made of digits */
void out_bytes(struct out *out, const char *name, uint64_t bytes);   /* a size */
void out_money(struct out *out, const char *name, int64_t nanos);
void out_time(struct out *out, const char *name, int64_t ns);
void out_word(struct out *out, const char *name, const char *word); /* NULL = null */
void out_text(struct out *out, const char *name, varve_str text);   /* absent = null */
void out_hex(struct out *out, const char *name, const uint8_t *bytes, size_t size);
/* Bytes that are JSON are given as that value; any others as a string. */
void out_json(struct out *out, const char *name, varve_str bytes);

#endif

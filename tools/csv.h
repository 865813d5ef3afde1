/*
 * Comma-separated values: a line of names, then a line a row. What is null is nothing between its
 * commas, an empty text is "". Rows have the given columns; without any, the names that the first
 * row comes with, those of parts joined by dots.
 */
#ifndef TOOLS_CSV_H
#define TOOLS_CSV_H

#include "tools/out.h"

struct csv;

/* The columns must outlive it; NULL and 0: those of the first row. */
struct csv *csv_new(const struct out_column *columns, size_t count);
/* Prints the names if no row did. */
void csv_free(struct csv **csv);
void csv_begin(struct csv *csv);
/* text NULL = null. Control characters and what is not UTF-8 become U+FFFD. */
void csv_cell(struct csv *csv, const char *name, const char *text, size_t size);
void csv_end(struct csv *csv);
/* Between these two, names stand below 'name' (NULL: the next number, from 0). */
void csv_part(struct csv *csv, const char *name);
void csv_part_end(struct csv *csv);

#endif

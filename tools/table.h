/*
 * A table for people. The first rows are held back to see how wide the columns must be; from then
 * on each row is printed at once, so that memory stays bounded however long the table is.
 */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include "tools/out.h"

struct table;

struct table *table_new(const struct out_column *columns, size_t count, int color);
/* Prints what is held back (the titles at least). */
void table_free(struct table **table);
void table_begin(struct table *table);
/* The text must be harmless and valid UTF-8. Fields without a column are passed over. */
void table_cell(struct table *table, const char *field, const char *text, size_t size);
void table_end(struct table *table);
void table_rule(struct table *table);
/* Prints the rows that are held back, if there are any: the widths are settled with them. */
void table_flush(struct table *table);

#endif

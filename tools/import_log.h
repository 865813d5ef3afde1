/*
 * The import of files that are no transcripts.
 */
#ifndef TOOLS_IMPORT_LOG_H
#define TOOLS_IMPORT_LOG_H

#include "tools/import.h"

/* What the file's first objects show it to be: SOURCE_HOOKS, SOURCE_OTEL, SOURCE_OTHER, or -errno;
 * and whether each object has a line of its own. */
int log_probe(const struct source *source, bool *ret_lines);
/* Takes the file. 0 or VARVE_E_*; *ret_unread is -errno if it could not be read. */
int log_import(struct file *f, int *ret_unread);

#endif

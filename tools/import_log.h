/*
 * The import of files that are no transcripts.
 */
#ifndef TOOLS_IMPORT_LOG_H
#define TOOLS_IMPORT_LOG_H

#include "tools/import.h"

/* What the file's first objects show it to be: SOURCE_HOOKS, SOURCE_OTEL, SOURCE_OTHER, or -errno;
 * and whether each object has a line of its own. */
int log_probe(const struct source *source, bool *ret_lines);
/* A piece of a file, and what became of it. */
struct log_text {
    struct file *f;
    const char *text;
    size_t size;
    uint64_t position; /* of 'text' in the file */
    uint64_t line;     /* of its beginning */
    int error;         /* VARVE_E_* of the store */
    bool bad;
};
/* Takes all objects that are in it, and tells what is none. 0 or VARVE_E_*. */
int log_take_text(struct log_text *t);
/* Takes the file. 0 or VARVE_E_*; *ret_unread is -errno if it could not be read. */
int log_import(struct file *f, int *ret_unread);

#endif

/*
 * A file that appears whole or not at all: written without a name or beside its place, synced, then
 * moved there.
 */
#ifndef TOOLS_FILE_OUT_H
#define TOOLS_FILE_OUT_H

#include "tools/cli.h"

#include <stdio.h>

struct file_out {
    const char *path; /* NULL or "-" = standard output */
    FILE *file;
    char *real;   /* where the file is to be: symbolic links followed */
    char *beside; /* the file while it is written, or when it gets its name */
    int unnamed;  /* it has no name yet; neither: written in place (a device, a pipe) */
    int to_stdout;
    int failed; /* errno */
};

/* What to write to, or NULL: file_out_finish tells why. */
FILE *file_out_open(struct file_out *out);
/* Puts it in place, unless 'error' (an errno of writing) says that it is not whole. Returns the
 * exit code, and prints the line if it could not be done. */
int file_out_finish(struct cli *cli, struct file_out *out, int error);
/* Frees, and removes what was not finished. */
void file_out_abandon(struct file_out *out);

#endif

/*
 * All of a file or pipe in memory, for inputs that are one JSON document.
 */
#ifndef TOOLS_SLURP_H
#define TOOLS_SLURP_H

#include <stddef.h>

enum { SLURP_MAX = 256 << 20 };

/* Reads 'fd' to its end. 0, -EFBIG for more than SLURP_MAX bytes, or -errno. *ret_text is freed
 * with free() if *ret_own says so: what is short lies in memory of slurp's own, until its next
 * call. */
int slurp(int fd, char **ret_text, size_t *ret_size, int *ret_own);

#endif

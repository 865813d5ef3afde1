/*
 * A store's directory as a tree of files: sum, copy, change.
 */
#ifndef VARVE_TESTS_TREE_H
#define VARVE_TESTS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sum over names, sizes, modes and bytes of everything below, without the words of CONTROL by which processes wait. */
uint64_t tree_sum(const char *path);
/* Calls 'each' for every file below 'path', with its name below it. */
void tree_each(const char *path, void (*each)(void *context, const char *name, size_t size), void *context);
/* Copies a tree. 'same': CONTROL is made to believe that it is still the same file, as if nothing had happened. */
void tree_copy(const char *from, const char *to, bool same);
/* Makes the CONTROL of a copy believe that it is still the same file. */
void tree_adopt(const char *path);
void tree_remove(const char *path, const char *name);
void tree_truncate(const char *path, const char *name, size_t size);
void tree_flip(const char *path, const char *name, size_t offset, int bit);
void tree_read(const char *path, const char *name, void *to, size_t size, size_t offset);
void tree_write(const char *path, const char *name, const void *from, size_t size, size_t offset);

#endif

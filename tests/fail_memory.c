/*
 * Memory that is not there when failures.h says so: the linker puts these in place of malloc and its like, in the engine,
 * in what it is linked with statically, and in the test (CMakeLists.txt).
 */
#include "support/failures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
char *__wrap_strdup(const char *text);

static void *none(void) {
    errno = ENOMEM;
    return NULL;
}

void *__wrap_malloc(size_t size) {
    return failures_memory() ? none() : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return failures_memory() ? none() : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size) {
    return failures_memory() ? none() : __real_realloc(at, size);
}

char *__wrap_strdup(const char *text) {
    return failures_memory() ? none() : __real_strdup(text);
}

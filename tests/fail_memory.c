/*
 * Memory that is not there when failures.h says so: the linker puts these in place of malloc and its like, in the engine,
 * in what it is linked with statically, and in the test (CMakeLists.txt).
 */
#include "support/failures.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_int blocks;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *at);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *at);

int failures_blocks(void) {
    return blocks;
}

static void *none(void) {
    errno = ENOMEM;
    return NULL;
}

static void *given(void *at) {
    blocks += at != NULL;
    return at;
}

void *__wrap_malloc(size_t size) {
    return failures_memory() ? none() : given(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return failures_memory() ? none() : given(__real_calloc(count, size));
}

void *__wrap_realloc(void *at, size_t size) {
    if (failures_memory())
        return none();
    return at == NULL ? given(__real_realloc(at, size)) : __real_realloc(at, size);
}

char *__wrap_strdup(const char *text) {
    return failures_memory() ? none() : given(__real_strdup(text));
}

void __wrap_free(void *at) {
    blocks -= at != NULL;
    __real_free(at);
}

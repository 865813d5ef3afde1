/*
 * A handle's threads: one at a time is inside; each has an error text of its own. And the beginning
 * of every public call.
 */
#include "engine/batch.h"
#include "engine/store.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Turns ---- */

static bool is_ours(const varve *store) {
    return (store->fork_mark == NULL || store->fork_mark[0] == 1) &&
           (!store->fork_asks || store->process == store->os->process());
}

varve *ve_turn_take(varve *store) {
    if (!is_ours(
            store)) /* another thread of the parent may have held it when this child was made */
        return NULL;
    pthread_mutex_lock(&store->turn);
    return store;
}

void ve_turn_leave(varve **taken) {
    if (*taken != NULL)
        pthread_mutex_unlock(&(*taken)->turn);
}

bool ve_turn_begin(varve *store) {
    pthread_mutexattr_t kind;
    if (pthread_mutexattr_init(&kind) != 0)
        return false;
    bool made = pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE) == 0 &&
                pthread_mutex_init(&store->turn, &kind) == 0;
    pthread_mutexattr_destroy(&kind);
    if (made && pthread_mutex_init(&store->lead, NULL) != 0) {
        pthread_mutex_destroy(&store->turn);
        made = false;
    }
    return made;
}

bool ve_turn_end(varve *store) {
    if (pthread_mutex_trylock(&store->turn) != 0)
        return false;
    pthread_mutex_unlock(&store->turn);
    return true;
}

int ve_enter(varve *store) {
    if (is_ours(store)) {
        ve_layout_release(store, store->kept);
        store->kept = NULL;
        return VARVE_OK;
    }
    return ve_fail(store, VARVE_E_FORKED,
                   "%s: this handle belongs to the parent process: open the store again",
                   store->path);
}

/* ---- Errors ---- */

char *ve_error(varve *store) {
    uintptr_t me = (uintptr_t)pthread_self();
    ve_error_text *at = &store->errors, *next;
    for (;; at = next) {
        uintptr_t whose = atomic_load_explicit(&at->thread, memory_order_relaxed);
        if (whose == me || (whose == 0 && atomic_compare_exchange_strong(&at->thread, &whose, me)))
            return at->text;
        next = atomic_load(&at->next);
        if (next != NULL)
            continue;
        ve_error_text *own = calloc(1, sizeof *own);
        if (own == NULL)
            return store->errors.text; /* better another thread's than none */
        atomic_store(&own->thread, me);
        if (atomic_compare_exchange_strong(&at->next, &next, own))
            return own->text;
        free(own); /* another thread was first: its text is 'next' */
    }
}

void ve_errors_free(varve *store) {
    for (ve_error_text *at = atomic_load(&store->errors.next), *next; at != NULL; at = next) {
        next = atomic_load(&at->next);
        free(at);
    }
}

const char *varve_last_error(const varve *store) {
    return store == NULL ? "" : ve_error((varve *)(uintptr_t)store);
}

int(ve_fail)(varve *store, int error, const char *format, ...) {
    assert(error < 0);
    char text[VE_ERROR_SIZE]; /* the text may quote itself */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(ve_error(store), text, strlen(text) + 1);
    store->starved |= error == VARVE_E_NO_MEMORY;
    return error;
}

int ve_batch_answer(varve *store, int result) {
    return result >= 0 ? result : ve_fail(store, result, "%s", varve_strerror(result));
}

static int error_of_errno(int number) {
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return VARVE_E_NO_SPACE;
    case ENOMEM:
        return VARVE_E_NO_MEMORY;
    case EACCES:
    case EPERM:
    case EROFS:
        return VARVE_E_DENIED;
    case ELOOP:
        return VARVE_E_UNSUITABLE;
    case EUCLEAN:
        return VARVE_E_INDEX; /* what the index says cannot be */
    default:
        return VARVE_E_IO;
    }
}

int(ve_fail_os)(varve *store, const char *format, ...) {
    int number = errno;
    char text[VE_ERROR_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (used >= 0 && (size_t)used < sizeof text)
        snprintf(text + used, sizeof text - (size_t)used, ": %s",
                 number == ELOOP ? "a symbolic link, which is not followed" : strerror(number));
    memcpy(ve_error(store), text, strlen(text) + 1);
    return error_of_errno(number);
}

void ve_say(varve *store, const char *format, ...) {
    if (store->log_line == NULL)
        return;
    char line[VE_ERROR_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    store->log_line(store->log_context, line);
}

/*
 * Varve by its public interface. See engine.h.
 */
#include "bench/engines/engine.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct handle {
    varve *store;
    varve_batch *batch;
    int is_shared;
} handle;

/* Threads that append together share one handle of the store, as a program would. */
static struct {
    pthread_mutex_t lock;
    varve *store;
    int users;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local char error_line[400];

static const char *error(void) {
    return error_line;
}

static int fail(const handle *h) {
    strncpy(error_line, varve_last_error(h->store), sizeof error_line - 1);
    return -1;
}

static int open_shared(const char *path, const varve_options *options, varve **ret_store) {
    pthread_mutex_lock(&shared.lock);
    int result = shared.users > 0 ? 0 : varve_open(path, options, &shared.store);
    shared.users += result == 0;
    *ret_store = shared.store;
    pthread_mutex_unlock(&shared.lock);
    return result;
}

static int open_store(const char *path, unsigned flags, void **ret_handle) {
    handle *h = calloc(1, sizeof *h);
    varve_options options;
    varve_options_init(&options);
    options.error = error_line;
    options.error_size = sizeof error_line;
    options.flags = flags & ENGINE_READ ? VARVE_OPEN_READ_ONLY : 0;
    if (h == NULL)
        return -1;
    h->is_shared = (flags & ENGINE_SHARED) != 0;
    int result = h->is_shared ? open_shared(path, &options, &h->store)
                              : varve_open(path, &options, &h->store);
    if (result < 0) {
        free(h);
        return -1;
    }
    *ret_handle = h;
    return 0;
}

static void close_store(void *context) {
    handle *h = context;
    varve_batch_free(&h->batch);
    if (h->is_shared) {
        pthread_mutex_lock(&shared.lock);
        if (--shared.users == 0)
            varve_close(&shared.store);
        pthread_mutex_unlock(&shared.lock);
    } else {
        varve_close(&h->store);
    }
    free(h);
}

static int append(void *context, const varve_event *events, size_t count, int durable) {
    handle *h = context;
    if (h->batch == NULL && varve_batch_new(&h->batch) < 0)
        return fail(h);
    varve_batch_clear(h->batch);
    for (size_t i = 0; i < count; i++)
        if (varve_batch_add(h->batch, &events[i]) < 0)
            return fail(h);
    return varve_append(h->store, h->batch, durable ? VARVE_GROUP : VARVE_NONE, NULL) < 0 ? fail(h)
                                                                                          : 0;
}

static int sync_store(void *context) {
    handle *h = context;
    return varve_sync(h->store) < 0 ? fail(h) : 0;
}

static int get(void *context, const char *session, record_view *ret_view) {
    handle *h = context;
    varve_session found;
    found.size = sizeof found;
    if (varve_session_find(h->store, varve_cstr(NULL), varve_cstr(session), &found) < 0)
        return fail(h);
    ret_view->events = found.events;
    ret_view->bytes = found.payload_bytes;
    ret_view->tokens = found.tokens[VARVE_TOK_INPUT] + found.tokens[VARVE_TOK_OUTPUT];
    ret_view->cost = found.cost;
    return 0;
}

static int replay(void *context, const char *session, engine_sum *sum) {
    handle *h = context;
    varve_cursor *cursor;
    varve_event event;
    int result;
    if (varve_cursor_session(h->store, varve_cstr(NULL), varve_cstr(session), 0, 0, &cursor) < 0)
        return fail(h);
    while ((result = varve_cursor_next(cursor, &event)) > 0)
        engine_saw(sum, event.payload, event.payload_size);
    varve_cursor_close(&cursor);
    return result < 0 ? fail(h) : 0;
}

static int scan(void *context, engine_sum *ret_sum) {
    handle *h = context;
    varve_totals totals = {.size = sizeof totals};
    if (varve_session_totals(h->store, &totals) < 0)
        return fail(h);
    ret_sum->sessions = totals.sessions;
    ret_sum->events = totals.events;
    ret_sum->bytes = totals.payload_bytes;
    ret_sum->tokens = totals.tokens[VARVE_TOK_INPUT] + totals.tokens[VARVE_TOK_OUTPUT];
    ret_sum->cost = totals.cost;
    return 0;
}

static int add_usage(void *context, const varve_usage *usage) {
    usage_sum_add(context, usage->time, usage->model, usage->tokens, usage->cost);
    return 0;
}

static int sum_usage(void *context, usage_sum *ret_usage) {
    handle *h = context;
    return varve_usage_each(h->store, add_usage, ret_usage) < 0 ? fail(h) : 0;
}

static int pack(void *context, int cold) {
    handle *h = context;
    varve_compact_options options;
    varve_compacted done = {.size = sizeof done};
    varve_compact_options_init(&options);
    options.flags = cold ? VARVE_COMPACT_ALL : 0;
    do {
        if (varve_compact(h->store, &options, &done) < 0)
            return fail(h);
    } while (done.more);
    return 0;
}

const engine engine_this = {
    .name = "varve",
    .about = "this store",
    .can = ENGINE_PROCESSES | ENGINE_COMPRESSES | ENGINE_SURVIVES | ENGINE_MANY | ENGINE_ATOMIC,
    .version = varve_version,
    .error = error,
    .open = open_store,
    .close = close_store,
    .append = append,
    .sync = sync_store,
    .get = get,
    .replay = replay,
    .scan = scan,
    .usage = sum_usage,
    .pack = pack,
};

/*
 * RocksDB and LevelDB have nearly the same C interface: their engines are this file, included after
 * DB(name) was defined as the function's full name, and db_options, db_open and db_cleanup were
 * written. Events are "e", session, place; records "s", session. See engine.h.
 */
#include "bench/engines/engine.h"

#include "bench/support/folding.h"

#include <endian.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct event_key { /* ordered as bytes */
    char kind, session[RECORD_ID - 1];
    uint64_t seq; /* big endian */
} event_key;

typedef struct handle {
    DB(writebatch_t) * batch;
    folding *fold;
    char *value;
    size_t room;
    int durable;
} handle;

/* One process may have the database open, once: all handles of its threads share it. */
static struct {
    pthread_mutex_t lock;
    DB(t) * db;
    DB(options_t) * options;
    DB(writeoptions_t) * plain, *durable;
    DB(readoptions_t) * read, *stream;
    int users;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local char error_line[400];

static const char *error(void) {
    return error_line;
}

static int check(char *message) {
    if (message == NULL)
        return 0;
    snprintf(error_line, sizeof error_line, "%s", message);
    DB(free)(message);
    return -1;
}

static int open_shared(const char *path, unsigned flags) {
    char *message = NULL;
    shared.options = db_options(flags);
    shared.plain = DB(writeoptions_create)();
    shared.durable = DB(writeoptions_create)();
    shared.read = DB(readoptions_create)();
    shared.stream = DB(readoptions_create)();
    DB(writeoptions_set_sync)(shared.durable, 1);
    DB(readoptions_set_fill_cache)(shared.stream, 0);
    shared.db = db_open(shared.options, path, flags, &message);
    return check(message);
}

static void close_shared(void) {
    if (shared.db != NULL)
        DB(close)(shared.db);
    shared.db = NULL;
    DB(writeoptions_destroy)(shared.plain);
    DB(writeoptions_destroy)(shared.durable);
    DB(readoptions_destroy)(shared.read);
    DB(readoptions_destroy)(shared.stream);
    DB(options_destroy)(shared.options);
    db_cleanup();
}

static void close_db(void *context) {
    handle *h = context;
    DB(writebatch_destroy)(h->batch);
    folding_free(&h->fold);
    free(h->value);
    free(h);
    pthread_mutex_lock(&shared.lock);
    if (--shared.users == 0)
        close_shared();
    pthread_mutex_unlock(&shared.lock);
}

static int open_db(const char *path, unsigned flags, void **ret_handle) {
    handle *h = calloc(1, sizeof *h);
    if (h == NULL || (h->fold = folding_new()) == NULL)
        return -1;
    h->batch = DB(writebatch_create)();
    h->durable = (flags & ENGINE_DURABLE) != 0;
    pthread_mutex_lock(&shared.lock);
    int result = shared.users++ > 0 ? 0 : open_shared(path, flags);
    pthread_mutex_unlock(&shared.lock);
    *ret_handle = h;
    if (result < 0)
        close_db(h);
    return result;
}

/* 1 = found. */
static int find(const char *session, record *rec) {
    char key[1 + RECORD_ID] = "s", *message = NULL;
    size_t size = strnlen(session, RECORD_ID - 1), found = 0;
    memcpy(key + 1, session, size);
    char *value = DB(get)(shared.db, shared.read, key, 1 + size, &found, &message);
    if (value != NULL && found == sizeof *rec)
        memcpy(rec, value, sizeof *rec);
    DB(free)(value);
    return check(message) < 0 ? -1 : value != NULL;
}

static int load(void *context, record *rec) {
    (void)context;
    char id[RECORD_ID];
    memcpy(id, rec->session, sizeof id);
    return find(id, rec);
}

static int put_event(handle *h, const varve_event *event) {
    record *rec = folding_take(h->fold, event->session_id, load, h);
    if (rec == NULL)
        return -1;
    event_key key = {.kind = 'e', .seq = htobe64(rec->events)};
    memcpy(key.session, rec->session, sizeof key.session);
    size_t size = sizeof(event_head) + event->payload_size;
    if (size > h->room) {
        free(h->value);
        h->room = size * 2;
        h->value = malloc(h->room);
        if (h->value == NULL)
            return -1;
    }
    event_head head;
    event_head_make(&head, event);
    memcpy(h->value, &head, sizeof head);
    memcpy(h->value + sizeof head, event->payload, event->payload_size);
    DB(writebatch_put)(h->batch, (char *)&key, sizeof key, h->value, size);
    record_fold(rec, event);
    return 0;
}

static int append(void *context, const varve_event *events, size_t count, int durable) {
    handle *h = context;
    folding_clear(h->fold);
    DB(writebatch_clear)(h->batch);
    for (size_t i = 0; i < count; i++)
        if (put_event(h, &events[i]) < 0)
            return -1;
    for (size_t i = 0; i < folding_count(h->fold); i++) {
        const record *rec = folding_at(h->fold, i);
        char key[1 + RECORD_ID] = "s";
        size_t size = strnlen(rec->session, RECORD_ID - 1);
        memcpy(key + 1, rec->session, size);
        DB(writebatch_put)(h->batch, key, 1 + size, (const char *)rec, sizeof *rec);
    }
    char *message = NULL;
    DB(write)(shared.db, durable ? shared.durable : shared.plain, h->batch, &message);
    return check(message);
}

/* An empty batch that is synced carries the log with it. */
static int sync_db(void *context) {
    handle *h = context;
    char *message = NULL;
    DB(writebatch_clear)(h->batch);
    DB(writebatch_put)(h->batch, "z", 1, "", 0);
    DB(write)(shared.db, shared.durable, h->batch, &message);
    return check(message);
}

static int get(void *context, const char *session, record_view *ret_view) {
    (void)context;
    record rec;
    int found = find(session, &rec);
    if (found > 0)
        record_look(&rec, ret_view);
    else if (found == 0)
        snprintf(error_line, sizeof error_line, "no such session");
    return found > 0 ? 0 : -1;
}

/* Every value whose key begins so. */
static int each_value(const char *prefix, size_t prefix_size,
                      void (*each)(void *context, const char *value, size_t size), void *context) {
    DB(iterator_t) *at = DB(create_iterator)(shared.db, shared.stream);
    char *message = NULL;
    for (DB(iter_seek)(at, prefix, prefix_size); DB(iter_valid)(at); DB(iter_next)(at)) {
        size_t key_size, size;
        const char *key = DB(iter_key)(at, &key_size);
        if (key_size < prefix_size || memcmp(key, prefix, prefix_size) != 0)
            break;
        const char *value = DB(iter_value)(at, &size);
        each(context, value, size);
    }
    DB(iter_get_error)(at, &message);
    DB(iter_destroy)(at);
    return check(message);
}

static void see_event(void *context, const char *value, size_t size) {
    engine_saw(context, value + sizeof(event_head), size - sizeof(event_head));
}

static int replay(void *context, const char *session, engine_sum *sum) {
    (void)context;
    event_key key = {.kind = 'e', .seq = 0};
    memcpy(key.session, session, strnlen(session, sizeof key.session));
    return each_value((char *)&key, sizeof key - sizeof key.seq, see_event, sum);
}

static void add_record(void *context, const char *value, size_t size) {
    engine_sum *sum = context;
    record rec;
    record_view view;
    memcpy(&rec, value, size < sizeof rec ? size : sizeof rec);
    record_look(&rec, &view);
    sum->sessions++;
    sum->events += view.events;
    sum->bytes += view.bytes;
    sum->tokens += view.tokens;
    sum->cost += view.cost;
}

static int scan(void *context, engine_sum *ret_sum) {
    (void)context;
    memset(ret_sum, 0, sizeof *ret_sum);
    return each_value("s", 1, add_record, ret_sum);
}

static void add_event(void *context, const char *value, size_t size) {
    event_head head;
    memcpy(&head, value, size < sizeof head ? size : sizeof head);
    if (head.present & VARVE_HAS_CHARGE)
        usage_sum_add(context, head.time, varve_cstr(head.model), head.tokens, head.cost);
}

static int sum_usage(void *context, usage_sum *ret_usage) {
    (void)context;
    return each_value("e", 1, add_event, ret_usage);
}

static int pack(void *context, int cold) {
    (void)context, (void)cold;
    DB(compact_range)(shared.db, NULL, 0, NULL, 0);
    return 0;
}

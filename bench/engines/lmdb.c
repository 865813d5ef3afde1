/*
 * LMDB: events by session and place, records by session, in one environment. Not durable: NOSYNC
 * with a writable map, its quickest mode, which may leave a broken file when the system crashes.
 * See engine.h.
 */
#include "bench/engines/engine.h"

#include "bench/support/folding.h"

#include <endian.h>
#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAP_GIB = 128 };

typedef struct event_key { /* ordered as bytes */
    char session[RECORD_ID];
    uint64_t seq; /* big endian */
} event_key;

typedef struct handle {
    MDB_env *env;
    MDB_txn *txn, *reader; /* of the append that runs; kept for look-ups */
    folding *fold;
} handle;

/* A process must open an environment once only: all handles of its threads share it. */
static struct {
    pthread_mutex_t lock;
    MDB_env *env;
    MDB_dbi events, sessions;
    int users;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local char error_line[400];

static const char *error(void) {
    return error_line;
}

static int fail(int code) {
    snprintf(error_line, sizeof error_line, "%s", mdb_strerror(code));
    return -1;
}

static void close_env(void *context) {
    handle *h = context;
    if (h->reader != NULL)
        mdb_txn_abort(h->reader);
    folding_free(&h->fold);
    free(h);
    pthread_mutex_lock(&shared.lock);
    if (--shared.users == 0) {
        mdb_env_close(shared.env);
        shared.env = NULL;
    }
    pthread_mutex_unlock(&shared.lock);
}

static int open_tables(unsigned flags) {
    MDB_txn *txn;
    unsigned make = flags & ENGINE_READ ? 0 : MDB_CREATE;
    int code = mdb_txn_begin(shared.env, NULL, flags & ENGINE_READ ? MDB_RDONLY : 0, &txn);
    if (code != 0)
        return code;
    if ((code = mdb_dbi_open(txn, "event", make, &shared.events)) == 0 &&
        (code = mdb_dbi_open(txn, "session", make, &shared.sessions)) == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return code;
}

static int open_shared(const char *path, unsigned flags) {
    unsigned mode = MDB_NORDAHEAD | MDB_NOTLS;
    if (flags & ENGINE_READ)
        mode |= MDB_RDONLY;
    else if (!(flags & ENGINE_DURABLE))
        mode |= MDB_NOSYNC | MDB_WRITEMAP;
    mkdir(path, 0700);
    int code = mdb_env_create(&shared.env);
    if (code == 0)
        code = mdb_env_set_maxdbs(shared.env, 2);
    if (code == 0)
        code = mdb_env_set_mapsize(shared.env, (size_t)MAP_GIB << 30);
    if (code == 0)
        code = mdb_env_open(shared.env, path, mode, 0600);
    if (code == 0)
        code = open_tables(flags);
    if (code != 0 && shared.env != NULL)
        mdb_env_close(shared.env);
    return code;
}

static int open_env(const char *path, unsigned flags, void **ret_handle) {
    handle *h = calloc(1, sizeof *h);
    if (h == NULL || (h->fold = folding_new()) == NULL)
        return fail(ENOMEM);
    pthread_mutex_lock(&shared.lock);
    int code = shared.users > 0 ? 0 : open_shared(path, flags);
    if (code == 0)
        shared.users++;
    pthread_mutex_unlock(&shared.lock);
    h->env = shared.env;
    *ret_handle = h;
    return code != 0 ? fail(code) : 0;
}

static int load(void *context, record *rec) {
    handle *h = context;
    MDB_val key = {RECORD_ID, rec->session}, value;
    int code = mdb_get(h->txn, shared.sessions, &key, &value);
    if (code == 0)
        memcpy(rec, value.mv_data, sizeof *rec);
    return code == 0 ? 1 : code == MDB_NOTFOUND ? 0 : fail(code);
}

static int put_event(handle *h, const varve_event *event) {
    record *rec = folding_take(h->fold, event->session_id, load, h);
    if (rec == NULL)
        return -1;
    event_key name;
    memcpy(name.session, rec->session, sizeof name.session);
    name.seq = htobe64(rec->events);
    MDB_val key = {sizeof name, &name}, value = {sizeof(event_head) + event->payload_size, NULL};
    int code = mdb_put(h->txn, shared.events, &key, &value, MDB_RESERVE);
    if (code != 0)
        return fail(code);
    event_head head;
    event_head_make(&head, event);
    memcpy(value.mv_data, &head, sizeof head);
    memcpy((char *)value.mv_data + sizeof head, event->payload, event->payload_size);
    record_fold(rec, event);
    return 0;
}

static int append(void *context, const varve_event *events, size_t count, int durable) {
    handle *h = context;
    (void)durable; /* as it was opened */
    folding_clear(h->fold);
    int result = 0, code = mdb_txn_begin(h->env, NULL, 0, &h->txn);
    if (code != 0)
        return fail(code);
    for (size_t i = 0; i < count && result == 0; i++)
        result = put_event(h, &events[i]);
    for (size_t i = 0; i < folding_count(h->fold) && result == 0; i++) {
        record rec = *folding_at(h->fold, i);
        MDB_val key = {RECORD_ID, rec.session}, value = {sizeof rec, &rec};
        if ((code = mdb_put(h->txn, shared.sessions, &key, &value, 0)) != 0)
            result = fail(code);
    }
    if (result < 0) {
        mdb_txn_abort(h->txn);
        return -1;
    }
    code = mdb_txn_commit(h->txn);
    return code != 0 ? fail(code) : 0;
}

static int sync_env(void *context) {
    handle *h = context;
    int code = mdb_env_sync(h->env, 1);
    return code != 0 ? fail(code) : 0;
}

/* A reader is kept and renewed, as is usual: that costs least. */
static int begin_read(handle *h) {
    int code = h->reader == NULL ? mdb_txn_begin(h->env, NULL, MDB_RDONLY, &h->reader)
                                 : mdb_txn_renew(h->reader);
    return code != 0 ? fail(code) : 0;
}

static int get(void *context, const char *session, record_view *ret_view) {
    handle *h = context;
    char id[RECORD_ID] = "";
    memcpy(id, session, strnlen(session, RECORD_ID - 1));
    MDB_val key = {RECORD_ID, id}, value;
    if (begin_read(h) < 0)
        return -1;
    int code = mdb_get(h->reader, shared.sessions, &key, &value);
    if (code == 0) {
        record rec;
        memcpy(&rec, value.mv_data, sizeof rec);
        record_look(&rec, ret_view);
    }
    mdb_txn_reset(h->reader);
    return code != 0 ? fail(code) : 0;
}

static int replay(void *context, const char *session, engine_sum *sum) {
    handle *h = context;
    event_key name = {.seq = 0};
    memcpy(name.session, session, strnlen(session, RECORD_ID - 1));
    MDB_val key = {sizeof name, &name}, value;
    MDB_cursor *cursor;
    if (begin_read(h) < 0)
        return -1;
    int code = mdb_cursor_open(h->reader, shared.events, &cursor);
    if (code == 0) {
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        for (; code == 0 && memcmp(key.mv_data, name.session, RECORD_ID) == 0;
             code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
            engine_saw(sum, (char *)value.mv_data + sizeof(event_head),
                       value.mv_size - sizeof(event_head));
        mdb_cursor_close(cursor);
    }
    mdb_txn_reset(h->reader);
    return code != 0 && code != MDB_NOTFOUND ? fail(code) : 0;
}

/* Every value of a table. */
static int each_value(handle *h, MDB_dbi table, void (*each)(void *context, const void *value),
                      void *context) {
    MDB_val key, value;
    MDB_cursor *cursor;
    if (begin_read(h) < 0)
        return -1;
    int code = mdb_cursor_open(h->reader, table, &cursor);
    if (code == 0) {
        for (code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); code == 0;
             code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
            each(context, value.mv_data);
        mdb_cursor_close(cursor);
    }
    mdb_txn_reset(h->reader);
    return code != MDB_NOTFOUND ? fail(code) : 0;
}

static void add_record(void *context, const void *value) {
    engine_sum *sum = context;
    record rec;
    record_view view;
    memcpy(&rec, value, sizeof rec);
    record_look(&rec, &view);
    sum->sessions++;
    sum->events += view.events;
    sum->bytes += view.bytes;
    sum->tokens += view.tokens;
    sum->cost += view.cost;
}

static int scan(void *context, engine_sum *ret_sum) {
    handle *h = context;
    memset(ret_sum, 0, sizeof *ret_sum);
    return each_value(h, shared.sessions, add_record, ret_sum);
}

static void add_event(void *context, const void *value) {
    event_head head;
    memcpy(&head, value, sizeof head);
    if (head.present & VARVE_HAS_CHARGE)
        usage_sum_add(context, head.time, varve_cstr(head.model), head.tokens, head.cost);
}

static int sum_usage(void *context, usage_sum *ret_usage) {
    handle *h = context;
    return each_value(h, shared.events, add_event, ret_usage);
}

static const char *version(void) {
    static char text[32];
    int major, minor, patch;
    mdb_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    return text;
}

const engine engine_this = {
    .name = "lmdb",
    .about =
        "LMDB, NOSYNC + WRITEMAP: may be broken after a crash of the system (durable: its default)",
    .can = ENGINE_PROCESSES | ENGINE_MANY | ENGINE_ATOMIC,
    .version = version,
    .error = error,
    .open = open_env,
    .close = close_env,
    .append = append,
    .sync = sync_env,
    .get = get,
    .replay = replay,
    .scan = scan,
    .usage = sum_usage,
};

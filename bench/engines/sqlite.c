/*
 * SQLite in WAL mode. Events in the order of arrival, payload in the row, with an index by session
 * and place: quicker here than a B-tree by session and place, and so are pages of 16 KiB. Sessions
 * in a table with an index by id. With ENGINE_ZSTD each payload is compressed by itself. See
 * engine.h.
 */
#include "bench/engines/engine.h"

#include "bench/support/folding.h"
#ifdef ENGINE_ZSTD
#    include "bench/support/squeeze.h"
#endif

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    SEQ_BITS = 24,
    FIND,
    STORE,
    ADD,
    PUT,
    BEGIN,
    COMMIT,
    ROLLBACK,
    REPLAY,
    SCAN,
    USAGE,
    STATEMENTS
};

static const char *const text[STATEMENTS] = {
    [FIND] = "SELECT record FROM session WHERE id = ?1",
    [STORE] = "UPDATE session SET record = ?2 WHERE number = ?1",
    [ADD] = "INSERT INTO session (number, id, record) VALUES (?1, ?2, ?3)",
    [PUT] = "INSERT INTO event VALUES (?1, ?2, ?3)",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [REPLAY] = "SELECT head, payload FROM event WHERE place >= ?1 AND place < ?2 ORDER BY place",
    [SCAN] = "SELECT record FROM session",
    [USAGE] = "SELECT head FROM event",
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS session (number INTEGER PRIMARY KEY, id TEXT UNIQUE, record BLOB);"
    "CREATE TABLE IF NOT EXISTS event (place INTEGER, head BLOB, payload BLOB);"
    "CREATE UNIQUE INDEX IF NOT EXISTS event_place ON event (place);";

typedef struct handle {
    sqlite3 *base;
    sqlite3_stmt *statement[STATEMENTS];
    folding *fold;
    int64_t sessions; /* numbers given out, while a transaction runs */
#ifdef ENGINE_ZSTD
    squeeze *squeeze;
#endif
} handle;

static _Thread_local char error_line[400];

static const char *error(void) {
    return error_line;
}

static int fail(const handle *h) {
    snprintf(error_line, sizeof error_line, "%s", sqlite3_errmsg(h->base));
    return -1;
}

/* Made when it is first wanted: a process that does one thing prepares what it needs. */
static sqlite3_stmt *prepare(handle *h, int number) {
    sqlite3_stmt **s = &h->statement[number];
    if (*s == NULL)
        sqlite3_prepare_v3(h->base, text[number], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
    return *s;
}

static int run(handle *h, int number) {
    sqlite3_stmt *s = prepare(h, number);
    int result = sqlite3_step(s);
    sqlite3_reset(s);
    return result == SQLITE_DONE ? 0 : fail(h);
}

static void close_base(void *context) {
    handle *h = context;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(h->statement[i]);
    sqlite3_close(h->base);
    folding_free(&h->fold);
#ifdef ENGINE_ZSTD
    squeeze_free(&h->squeeze);
#endif
    free(h);
}

static int open_base(const char *path, unsigned flags, void **ret_handle) {
    handle *h = calloc(1, sizeof *h);
    char settings[400], file[4096];
    if (h == NULL)
        return -1;
    snprintf(file, sizeof file, "%s/base", path);
    if (!(flags & ENGINE_READ))
        mkdir(path, 0700);
    int mode =
        flags & ENGINE_READ ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    snprintf(settings, sizeof settings,
             "PRAGMA page_size=16384; PRAGMA busy_timeout=60000; PRAGMA journal_mode=WAL; PRAGMA "
             "synchronous=%s; "
             "PRAGMA cache_size=-262144; PRAGMA mmap_size=%lld; PRAGMA wal_autocheckpoint=4000;",
             flags & ENGINE_DURABLE ? "FULL" : "NORMAL", flags & ENGINE_READ ? 1LL << 36 : 0LL);
    if (sqlite3_open_v2(file, &h->base, mode | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_exec(h->base, settings, NULL, NULL, NULL) != SQLITE_OK ||
        (!(flags & ENGINE_READ) && sqlite3_exec(h->base, schema, NULL, NULL, NULL) != SQLITE_OK) ||
        (h->fold = folding_new()) == NULL) {
        fail(h);
        close_base(h);
        return -1;
    }
    *ret_handle = h;
    return 0;
}

static int load(void *context, record *rec) {
    handle *h = context;
    sqlite3_stmt *s = prepare(h, FIND);
    sqlite3_bind_text(s, 1, rec->session, -1, SQLITE_STATIC);
    int result = sqlite3_step(s);
    if (result == SQLITE_ROW)
        memcpy(rec, sqlite3_column_blob(s, 0), sizeof *rec);
    sqlite3_reset(s);
    if (result == SQLITE_DONE && h->sessions < 0) {
        sqlite3_stmt *last = NULL;
        sqlite3_prepare_v2(h->base, "SELECT max(number) FROM session", -1, &last, NULL);
        if (sqlite3_step(last) == SQLITE_ROW)
            h->sessions = sqlite3_column_int64(last, 0);
        sqlite3_finalize(last);
    }
    if (result == SQLITE_DONE)
        rec->number = (uint64_t)++h->sessions;
    return result == SQLITE_ROW ? 1 : result == SQLITE_DONE ? 0 : fail(h);
}

static int put_event(handle *h, const varve_event *event) {
    record *rec = folding_take(h->fold, event->session_id, load, h);
    if (rec == NULL)
        return -1;
    event_head head;
    event_head_make(&head, event);
    const void *payload = event->payload;
    size_t size = event->payload_size;
#ifdef ENGINE_ZSTD
    if (squeeze_pack(&h->squeeze, event->payload, event->payload_size, &payload, &size) < 0)
        return -1;
#endif
    sqlite3_stmt *s = prepare(h, PUT);
    sqlite3_bind_int64(s, 1, (int64_t)(rec->number << SEQ_BITS | rec->events));
    sqlite3_bind_blob(s, 2, &head, sizeof head, SQLITE_STATIC);
    sqlite3_bind_blob64(s, 3, payload, size, SQLITE_STATIC);
    record_fold(rec, event);
    return run(h, PUT);
}

static int store_record(handle *h, size_t i) {
    const record *rec = folding_at(h->fold, i);
    int is_new = folding_is_new(h->fold, i);
    sqlite3_stmt *s = prepare(h, is_new ? ADD : STORE);
    sqlite3_bind_int64(s, 1, (int64_t)rec->number);
    if (is_new)
        sqlite3_bind_text(s, 2, rec->session, -1, SQLITE_STATIC);
    sqlite3_bind_blob(s, is_new ? 3 : 2, rec, sizeof *rec, SQLITE_STATIC);
    return run(h, is_new ? ADD : STORE);
}

static int append(void *context, const varve_event *events, size_t count, int durable) {
    handle *h = context;
    (void)durable; /* as it was opened */
    folding_clear(h->fold);
    h->sessions = -1;
    int result = run(h, BEGIN);
    if (result < 0)
        return -1;
    for (size_t i = 0; i < count && result == 0; i++)
        result = put_event(h, &events[i]);
    for (size_t i = 0; i < folding_count(h->fold) && result == 0; i++)
        result = store_record(h, i);
    if (result == 0)
        return run(h, COMMIT);
    run(h, ROLLBACK);
    return -1;
}

static int sync_base(void *context) {
    handle *h = context;
    return sqlite3_wal_checkpoint_v2(h->base, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL) == SQLITE_OK
               ? 0
               : fail(h);
}

static int find(handle *h, const char *session, record *rec) {
    sqlite3_stmt *s = prepare(h, FIND);
    sqlite3_bind_text(s, 1, session, -1, SQLITE_STATIC);
    int result = sqlite3_step(s);
    if (result == SQLITE_ROW)
        memcpy(rec, sqlite3_column_blob(s, 0), sizeof *rec);
    sqlite3_reset(s);
    return result == SQLITE_ROW ? 0 : fail(h);
}

static int get(void *context, const char *session, record_view *ret_view) {
    record rec;
    if (find(context, session, &rec) < 0)
        return -1;
    record_look(&rec, ret_view);
    return 0;
}

static int saw(handle *h, engine_sum *sum, const void *payload, size_t size) {
#ifdef ENGINE_ZSTD
    if (squeeze_unpack(&h->squeeze, payload, size, &payload, &size) < 0)
        return -1;
#else
    (void)h;
#endif
    engine_saw(sum, payload, size);
    return 0;
}

static int replay(void *context, const char *session, engine_sum *sum) {
    handle *h = context;
    record rec;
    int result = find(h, session, &rec), row = 0;
    sqlite3_stmt *s = prepare(h, REPLAY);
    sqlite3_bind_int64(s, 1, (int64_t)(rec.number << SEQ_BITS));
    sqlite3_bind_int64(s, 2, (int64_t)((rec.number + 1) << SEQ_BITS));
    while (result == 0 && (row = sqlite3_step(s)) == SQLITE_ROW)
        result = saw(h, sum, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    sqlite3_reset(s);
    return result < 0 || row != SQLITE_DONE ? fail(h) : 0;
}

static int scan(void *context, engine_sum *ret_sum) {
    handle *h = context;
    sqlite3_stmt *s = prepare(h, SCAN);
    int row;
    memset(ret_sum, 0, sizeof *ret_sum);
    while ((row = sqlite3_step(s)) == SQLITE_ROW) {
        record_view view;
        record rec;
        memcpy(&rec, sqlite3_column_blob(s, 0), sizeof rec);
        record_look(&rec, &view);
        ret_sum->sessions++;
        ret_sum->events += view.events;
        ret_sum->bytes += view.bytes;
        ret_sum->tokens += view.tokens;
        ret_sum->cost += view.cost;
    }
    sqlite3_reset(s);
    return row == SQLITE_DONE ? 0 : fail(h);
}

static int sum_usage(void *context, usage_sum *ret_usage) {
    handle *h = context;
    sqlite3_stmt *s = prepare(h, USAGE);
    int row;
    while ((row = sqlite3_step(s)) == SQLITE_ROW) {
        event_head head;
        memcpy(&head, sqlite3_column_blob(s, 0), sizeof head);
        if (head.present & VARVE_HAS_CHARGE)
            usage_sum_add(ret_usage, head.time, varve_cstr(head.model), head.tokens, head.cost);
    }
    sqlite3_reset(s);
    return row == SQLITE_DONE ? 0 : fail(h);
}

const engine engine_this = {
#ifdef ENGINE_ZSTD
    .name = "sqlite-zstd",
    .about = "SQLite, WAL, each payload compressed by itself (zstd -1)",
    .can = ENGINE_PROCESSES | ENGINE_COMPRESSES | ENGINE_SURVIVES | ENGINE_MANY | ENGINE_ATOMIC,
#else
    .name = "sqlite",
    .about = "SQLite, WAL, synchronous=NORMAL (durable: FULL)",
    .can = ENGINE_PROCESSES | ENGINE_SURVIVES | ENGINE_MANY | ENGINE_ATOMIC,
#endif
    .version = sqlite3_libversion,
    .error = error,
    .open = open_base,
    .close = close_base,
    .append = append,
    .sync = sync_base,
    .get = get,
    .replay = replay,
    .scan = scan,
    .usage = sum_usage,
};

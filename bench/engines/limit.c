/*
 * No store: what the machine itself can do with the same bytes, by plain system calls and from
 * memory. Appending: write of a batch (with ENGINE_XXH3 also a sum of each payload); durable or
 * shared by processes: over zeros that were written before, with fdatasync and flock as asked.
 * Looking up: a hash table in memory; in a new process a pread. Replay: payloads that lie in
 * memory, by session. Scan: an array of rows of 256 bytes. See engine.h.
 */
#include "bench/engines/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

enum { ZEROS = 64 << 20, OWN = 64 << 10 };

/* As large as the part of a record that scans read. */
typedef struct row {
    char id[40];
    uint64_t hash;
    uint8_t before[40];
    int64_t tokens[VARVE_TOKENS], cost;
    uint8_t between[24];
    uint32_t counters[7], other;
    uint64_t events, bytes, first; /* number of its first payload */
    uint8_t behind[32];
} row;
_Static_assert(sizeof(row) == 256, "no padding");

typedef struct handle {
    int fd, over, shared, durable;
    off_t at;
    struct iovec *part;
    size_t parts;
    uint64_t sum;
    row *rows; /* loaded */
    uint64_t count, events, buckets;
    uint32_t *bucket; /* number of a row and one */
    char *payloads;
    size_t payloads_room;
    struct {
        uint64_t at, size;
    } * payload;
} handle;

static _Thread_local char error_line[400];

static const char *error(void) {
    return error_line;
}

static int fail(const char *what) {
    snprintf(error_line, sizeof error_line, "%s: %s", what, strerror(errno));
    return -1;
}

static int write_zeros(int fd) {
    struct stat file;
    if (fstat(fd, &file) < 0 || file.st_size >= ZEROS)
        return 0;
    char *zeros = calloc(1, 1 << 20);
    int result = zeros == NULL ? -1 : 0;
    for (off_t at = 0; at < ZEROS && result == 0; at += 1 << 20)
        result = pwrite(fd, zeros, 1 << 20, at) == 1 << 20 ? 0 : -1;
    free(zeros);
    return result == 0 ? fsync(fd) : -1;
}

static int open_file(const char *path, unsigned flags, void **ret_handle) {
    static atomic_uint handles;
    handle *h = calloc(1, sizeof *h);
    if (h == NULL)
        return fail("no memory");
    h->shared = (flags & ENGINE_SHARED) != 0;
    h->durable = (flags & ENGINE_DURABLE) != 0;
    h->over = h->shared || h->durable;
    h->fd = open(path, (flags & ENGINE_READ ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0600);
    if (h->fd < 0 || (h->over && write_zeros(h->fd) < 0))
        return fail(path);
    if (h->shared) /* a place of its own */
        h->at =
            (off_t)((unsigned)getpid() * 7 + atomic_fetch_add(&handles, 1)) % (ZEROS / OWN) * OWN;
    *ret_handle = h;
    return 0;
}

static void close_file(void *context) {
    handle *h = context;
    close(h->fd);
    free(h->part);
    free(h->rows);
    free(h->bucket);
    free(h->payload);
    if (h->payloads != NULL)
        munmap(h->payloads, h->payloads_room);
    free(h);
}

static int make_parts(handle *h, const varve_event *events, size_t count) {
    if (count > h->parts) {
        free(h->part);
        h->part = calloc(count, sizeof *h->part);
        h->parts = h->part == NULL ? 0 : count;
    }
    for (size_t i = 0; i < count && h->part != NULL; i++) {
        h->part[i] = (struct iovec){(void *)(uintptr_t)events[i].payload, events[i].payload_size};
#ifdef ENGINE_XXH3
        h->sum += XXH3_64bits(events[i].payload, events[i].payload_size);
#endif
    }
    return h->part == NULL ? fail("no memory") : 0;
}

static int write_parts(handle *h, size_t count) {
    for (size_t i = 0; i < count; i += IOV_MAX) {
        size_t some = count - i < IOV_MAX ? count - i : IOV_MAX, size = 0;
        for (size_t p = i; p < i + some; p++)
            size += h->part[p].iov_len;
        if (h->over && !h->shared && h->at + (off_t)size > ZEROS)
            h->at = 0;
        if (pwritev(h->fd, h->part + i, (int)some, h->at) != (ssize_t)size)
            return fail("write");
        h->at += h->shared ? 0 : (off_t)size;
    }
    return 0;
}

static int append(void *context, const varve_event *events, size_t count, int durable) {
    handle *h = context;
    if (make_parts(h, events, count) < 0)
        return -1;
    if (h->shared && flock(h->fd, LOCK_EX) < 0)
        return fail("flock");
    int result = write_parts(h, count);
    if (h->shared)
        flock(h->fd, LOCK_UN);
    if (result == 0 && durable && fdatasync(h->fd) < 0)
        return fail("fdatasync");
    return result;
}

static int sync_file(void *context) {
    handle *h = context;
    return fdatasync(h->fd) < 0 ? fail("fdatasync") : 0;
}

static uint64_t find_bucket(const handle *h, const char *id, uint64_t hash) {
    uint64_t at = hash & (h->buckets - 1);
    while (h->bucket[at] != 0) {
        const row *r = &h->rows[h->bucket[at] - 1];
        if (r->hash == hash && memcmp(r->id, id, WORKLOAD_ID_ROOM) == 0)
            break;
        at = (at + 1) & (h->buckets - 1);
    }
    return at;
}

/* First time through: rows and how many payloads each has. */
static int count_rows(handle *h, const source_spec *spec) {
    source *from;
    varve_event event;
    if (source_open(spec, &from) < 0)
        return fail("no memory");
    for (uint64_t room = 0; source_next(from, &event);) {
        uint64_t number = source_session(from);
        if (number >= room) {
            room = number * 2 + 1024;
            h->rows = realloc(h->rows, room * sizeof *h->rows);
            if (h->rows == NULL)
                return fail("no memory");
            memset(h->rows + h->count, 0, (room - h->count) * sizeof *h->rows);
        }
        h->count = number >= h->count ? number + 1 : h->count;
        row *r = &h->rows[number];
        r->events++;
        r->bytes += event.payload_size;
        for (int t = 0; t < VARVE_TOKENS && event.present & VARVE_HAS_CHARGE; t++)
            r->tokens[t] += event.tokens[t];
        r->cost += event.present & VARVE_HAS_CHARGE ? event.cost : 0;
        h->events++;
        h->payloads_room += event.payload_size;
    }
    source_close(&from);
    return 0;
}

static int make_table(handle *h, const source_spec *spec) {
    for (h->buckets = 1024; h->buckets < 2 * h->count;)
        h->buckets *= 2;
    h->bucket = calloc(h->buckets, sizeof *h->bucket);
    for (uint64_t i = 0; i < h->count && h->bucket != NULL; i++) {
        source_id(spec, i, h->rows[i].id);
        h->rows[i].hash = XXH3_64bits(h->rows[i].id, WORKLOAD_ID_ROOM - 1);
        h->bucket[find_bucket(h, h->rows[i].id, h->rows[i].hash)] = (uint32_t)i + 1;
    }
    return h->bucket == NULL ? fail("no memory") : 0;
}

/* Second time: each payload to its place. */
static int place_payloads(handle *h, const source_spec *spec) {
    source *from;
    varve_event event;
    uint64_t *next = calloc(h->count + 1, sizeof *next),
             *bytes = calloc(h->count + 1, sizeof *bytes);
    h->payload = calloc(h->events + 1, sizeof *h->payload);
    h->payloads_room += 4096;
    h->payloads =
        mmap(NULL, h->payloads_room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (next == NULL || bytes == NULL || h->payload == NULL || h->payloads == MAP_FAILED ||
        source_open(spec, &from) < 0)
        return fail("no memory");
    for (uint64_t i = 0; i < h->count; i++) {
        h->rows[i].first = next[i];
        next[i + 1] = next[i] + h->rows[i].events;
        bytes[i + 1] = bytes[i] + h->rows[i].bytes;
    }
    while (source_next(from, &event)) {
        uint64_t number = source_session(from), p = next[number]++;
        h->payload[p].at = bytes[number];
        h->payload[p].size = event.payload_size;
        memcpy(h->payloads + bytes[number], event.payload, event.payload_size);
        bytes[number] += event.payload_size;
    }
    source_close(&from);
    free(next);
    free(bytes);
    return 0;
}

static int load(void *context, const source_spec *spec) {
    handle *h = context;
    return count_rows(h, spec) < 0 || make_table(h, spec) < 0 ? -1 : place_payloads(h, spec);
}

static const row *find(const handle *h, const char *session) {
    uint64_t at = find_bucket(h, session, XXH3_64bits(session, WORKLOAD_ID_ROOM - 1));
    return h->bucket[at] == 0 ? NULL : &h->rows[h->bucket[at] - 1];
}

static int get(void *context, const char *session, record_view *ret_view) {
    handle *h = context;
    if (h->rows == NULL) { /* a new process */
        char bytes[4096];
        memset(ret_view, 0, sizeof *ret_view);
        ret_view->events = 1;
        return pread(h->fd, bytes, sizeof bytes, 0) < 0 ? fail("pread") : 0;
    }
    const row *r = find(h, session);
    if (r == NULL)
        return fail("no such session");
    ret_view->events = r->events;
    ret_view->bytes = r->bytes;
    ret_view->tokens = r->tokens[VARVE_TOK_INPUT] + r->tokens[VARVE_TOK_OUTPUT];
    ret_view->cost = r->cost;
    return 0;
}

static int replay(void *context, const char *session, engine_sum *sum) {
    handle *h = context;
    const row *r = h->rows == NULL ? NULL : find(h, session);
    for (uint64_t i = 0; r != NULL && i < r->events; i++)
        engine_saw(sum, h->payloads + h->payload[r->first + i].at, h->payload[r->first + i].size);
    return r == NULL ? fail("no such session") : 0;
}

static volatile uint64_t seen; /* so that all is added up */

static int scan(void *context, engine_sum *ret_sum) {
    handle *h = context;
    row all = {.events = 0};
    for (uint64_t i = 0; i < h->count; i++) {
        const row *r = &h->rows[i];
        for (int t = 0; t < VARVE_TOKENS; t++)
            all.tokens[t] += r->tokens[t];
        for (int c = 0; c < 7; c++)
            all.counters[c] += r->counters[c];
        all.cost += r->cost;
        all.events += r->events;
        all.bytes += r->bytes;
    }
    for (int c = 0; c < 7; c++)
        seen += all.counters[c];
    for (int t = 0; t < VARVE_TOKENS; t++)
        seen += (uint64_t)all.tokens[t];
    *ret_sum = (engine_sum){.sessions = h->count,
                            .events = all.events,
                            .bytes = all.bytes,
                            .tokens = all.tokens[VARVE_TOK_INPUT] + all.tokens[VARVE_TOK_OUTPUT],
                            .cost = all.cost};
    return 0;
}

static const char *version(void) {
    return "";
}

const engine engine_this = {
#ifdef ENGINE_XXH3
    .name = "limit-xxh3",
    .about = "write, and XXH3 of each payload",
#else
    .name = "limit",
    .about = "plain system calls, and memory",
#endif
    .can = ENGINE_PROCESSES | ENGINE_LIMIT | ENGINE_MANY,
    .version = version,
    .error = error,
    .open = open_file,
    .close = close_file,
    .append = append,
    .sync = sync_file,
    .get = get,
    .replay = replay,
    .scan = scan,
    .load = load,
};

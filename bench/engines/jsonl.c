/*
 * Plain files, as agents write them today: a JSONL file for each session, opened with O_APPEND, and
 * beside it a small file with the session's record, written over. No transaction spans the two: a
 * crash may leave one without the other. See engine.h.
 */
#include "bench/engines/engine.h"

#include "bench/support/folding.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

typedef struct handle {
    int dir;
    folding *fold;
    char *bytes;
    size_t room;
} handle;

static _Thread_local char error_line[400];

static const char *error(void) {
    return error_line;
}

static int fail(const char *what) {
    snprintf(error_line, sizeof error_line, "%s: %s", what, strerror(errno));
    return -1;
}

static int open_dir(const char *path, unsigned flags, void **ret_handle) {
    handle *h = calloc(1, sizeof *h);
    if (!(flags & ENGINE_READ))
        mkdir(path, 0700);
    if (h == NULL || (h->fold = folding_new()) == NULL ||
        (h->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return fail(path);
    *ret_handle = h;
    return 0;
}

static void close_dir(void *context) {
    handle *h = context;
    close(h->dir);
    folding_free(&h->fold);
    free(h->bytes);
    free(h);
}

static int open_one(const handle *h, const char *session, const char *suffix, int flags) {
    char name[RECORD_ID + 16];
    snprintf(name, sizeof name, "%s%s", session, suffix);
    return openat(h->dir, name, flags | O_CLOEXEC, 0600);
}

/* 1 = whole, 0 = it has none yet. */
static int read_record(int fd, record *rec) {
    record found;
    ssize_t size = pread(fd, &found, sizeof found, 0);
    if (size == (ssize_t)sizeof found)
        *rec = found;
    return size < 0 ? fail("read") : size == (ssize_t)sizeof found;
}

static int begin_record(void *context, record *rec) {
    (void)context, (void)rec;
    return 0;
}

/* Writes the lines and closes. */
static int put_lines(int fd, struct iovec *part, size_t parts, int durable) {
    int result = fd < 0 ? -1 : 0;
    for (size_t i = 0; i < parts && result == 0; i += IOV_MAX) {
        size_t some = parts - i < IOV_MAX ? parts - i : IOV_MAX, size = 0;
        for (size_t p = i; p < i + some; p++)
            size += part[p].iov_len;
        if (writev(fd, part + i, (int)some) != (ssize_t)size)
            result = -1;
    }
    if (result == 0 && durable)
        result = fdatasync(fd);
    if (fd >= 0)
        close(fd);
    return result == 0 ? 0 : fail("write");
}

/* The lines of one session of the batch, in one write, while its record is locked. */
static int append_session(handle *h, const char *session, const varve_event *events, size_t count,
                          struct iovec *part, int durable) {
    size_t parts = 0, id = strlen(session);
    record rec;
    int fd = open_one(h, session, ".record", O_RDWR | O_CREAT);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return fail(session);
    record_begin(&rec, varve_cstr(session));
    int result = read_record(fd, &rec) < 0 ? -1 : 0;
    for (size_t i = 0; i < count; i++)
        if (events[i].session_id.size == id && memcmp(events[i].session_id.ptr, session, id) == 0) {
            record_fold(&rec, &events[i]);
            part[parts++] =
                (struct iovec){(void *)(uintptr_t)events[i].payload, events[i].payload_size};
            part[parts++] = (struct iovec){(void *)(uintptr_t) "\n", 1};
        }
    if (result == 0)
        result = put_lines(open_one(h, session, ".jsonl", O_WRONLY | O_APPEND | O_CREAT), part,
                           parts, durable);
    if (result == 0 && pwrite(fd, &rec, sizeof rec, 0) != (ssize_t)sizeof rec)
        result = fail("write");
    if (result == 0 && durable && fdatasync(fd) < 0)
        result = fail("fdatasync");
    close(fd);
    return result;
}

static int append(void *context, const varve_event *events, size_t count, int durable) {
    handle *h = context;
    int result = 0;
    struct iovec *part = malloc(2 * count * sizeof *part);
    folding_clear(h->fold);
    for (size_t i = 0; i < count && part != NULL && result == 0; i++) /* which sessions there are */
        result = folding_take(h->fold, events[i].session_id, begin_record, NULL) == NULL ? -1 : 0;
    for (size_t i = 0; i < folding_count(h->fold) && part != NULL && result == 0; i++)
        result = append_session(h, folding_at(h->fold, i)->session, events, count, part, durable);
    free(part);
    return part == NULL ? -1 : result;
}

static int sync_dir(void *context) {
    handle *h = context;
    return syncfs(h->dir) < 0 ? fail("syncfs") : 0;
}

static int get(void *context, const char *session, record_view *ret_view) {
    record rec;
    int fd = open_one(context, session, ".record", O_RDONLY);
    int found = fd < 0 ? 0 : read_record(fd, &rec);
    if (fd >= 0)
        close(fd);
    if (found <= 0)
        return fail(session);
    record_look(&rec, ret_view);
    return 0;
}

static int replay(void *context, const char *session, engine_sum *sum) {
    handle *h = context;
    struct stat file;
    int fd = open_one(h, session, ".jsonl", O_RDONLY);
    if (fd < 0 || fstat(fd, &file) < 0)
        return fail(session);
    size_t size = (size_t)file.st_size;
    if (size > h->room) {
        free(h->bytes);
        h->room = size * 2;
        h->bytes = malloc(h->room);
    }
    if (h->bytes == NULL || read(fd, h->bytes, size) != (ssize_t)size)
        return fail(session);
    close(fd);
    for (char *at = h->bytes, *end = h->bytes + size, *line; at < end; at = line + 1) {
        line = memchr(at, '\n', (size_t)(end - at));
        if (line == NULL)
            return fail("a line without its end");
        engine_saw(sum, at, (size_t)(line - at));
    }
    return 0;
}

static int scan(void *context, engine_sum *ret_sum) {
    handle *h = context;
    DIR *dir = fdopendir(openat(h->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *entry;
    int result = dir == NULL ? fail("opendir") : 0;
    memset(ret_sum, 0, sizeof *ret_sum);
    while (result == 0 && (entry = readdir(dir)) != NULL) {
        char *suffix = strstr(entry->d_name, ".record");
        record_view view;
        if (suffix == NULL)
            continue;
        *suffix = 0;
        result = get(h, entry->d_name, &view);
        ret_sum->sessions++;
        ret_sum->events += view.events;
        ret_sum->bytes += view.bytes;
        ret_sum->tokens += view.tokens;
        ret_sum->cost += view.cost;
    }
    if (dir != NULL)
        closedir(dir);
    return result;
}

static const char *version(void) {
    return "";
}

const engine engine_this = {
    .name = "jsonl",
    .about = "a JSONL file and a record file for each session, O_APPEND; no transactions",
    .can = ENGINE_PROCESSES,
    .version = version,
    .error = error,
    .open = open_dir,
    .close = close_dir,
    .append = append,
    .sync = sync_dir,
    .get = get,
    .replay = replay,
    .scan = scan,
};

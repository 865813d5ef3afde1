/*
 * What a process costs that does one thing with a store and ends: append one event durably, look up
 * one session. Beside it the least that any program needs for the same: open, lock, write, sync.
 *
 *   oneshot append STORE N | oneshot find STORE ID | oneshot raw-append FILE | oneshot raw-read FILE
 */
#include "engine/varve.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int append(const char *path, const char *number, varve_durability durability) {
    static char payload[4096];
    varve *store = NULL;
    varve_batch *batch = NULL;
    varve_event event;
    char id[64];
    memset(payload, 'x', sizeof payload);
    if (varve_open(path, NULL, &store) < 0 || varve_batch_new(&batch) < 0)
        return 3;
    varve_event_init(&event);
    snprintf(id, sizeof id, "session-%s", number);
    event.session_id = varve_cstr(id);
    event.type = varve_cstr("PreToolUse");
    event.payload = payload;
    event.payload_size = sizeof payload;
    int failed = varve_batch_add(batch, &event) < 0 || varve_append(store, batch, durability, NULL) < 0;
    varve_batch_free(&batch);
    varve_close(&store);
    return failed ? 3 : 0;
}

static int find(const char *path, const char *id) {
    varve *store = NULL;
    varve_options options;
    varve_session session;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    if (varve_open(path, &options, &store) < 0)
        return 3;
    int found = varve_session_find(store, varve_cstr(NULL), varve_cstr(id), &session);
    varve_close(&store);
    return found < 0 ? 1 : 0;
}

/* Overwrites bytes that are there already, as a store does that has zeros written ahead. */
static int raw_append(const char *path, int sync) {
    static char bytes[4096 + 320];
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return 3;
    memset(bytes, 'x', sizeof bytes);
    off_t at = (off_t)(getpid() % 4096) * 4096;
    int failed = pwrite(fd, bytes, sizeof bytes, at) != (ssize_t)sizeof bytes || (sync && fdatasync(fd) < 0);
    close(fd);
    return failed ? 3 : 0;
}

static int raw_read(const char *path) {
    char bytes[4096];
    int fd = open(path, O_RDONLY);
    int failed = fd < 0 || pread(fd, bytes, sizeof bytes, 0) < 0;
    close(fd);
    return failed ? 3 : 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 2 ? argv[1] : "";
    if (strcmp(what, "append") == 0 && argc == 4)
        return append(argv[2], argv[3], VARVE_GROUP);
    if (strcmp(what, "append-none") == 0 && argc == 4)
        return append(argv[2], argv[3], VARVE_NONE);
    if (strcmp(what, "find") == 0 && argc == 4)
        return find(argv[2], argv[3]);
    if (strcmp(what, "raw-append") == 0)
        return raw_append(argv[2], 1);
    if (strcmp(what, "raw-append-none") == 0)
        return raw_append(argv[2], 0);
    if (strcmp(what, "raw-read") == 0)
        return raw_read(argv[2]);
    fprintf(stderr, "usage: oneshot append|append-none STORE N, find STORE ID, raw-append|raw-append-none|raw-read FILE\n");
    return 2;
}

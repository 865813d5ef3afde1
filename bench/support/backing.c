/*
 * The helper that keeps memory backed. See backing.h.
 */
#include "bench/support/backing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 16 << 20, CHUNKS_MAX = 2048, PAGE = 4096 };
/* How far it gives back ahead of need: pages that were freed last are used first. Not farther,
 * since what lies there for long is handed to the host. And how much more than that is taken in
 * again. */
static const uint64_t ahead = UINT64_C(128) << 20, slack = UINT64_C(128) << 20;
static pid_t helper;

/* In bytes; 0 = not told. */
static uint64_t system_memory(const char *name) {
    char text[4096];
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[size < 0 ? 0 : size] = 0;
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10) * 1024;
}

static char *take(void) {
    char *chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED)
        return NULL;
    for (size_t at = 0; at < CHUNK; at += PAGE)
        chunk[at] = 1;
    return chunk;
}

/* Holds memory, gives back as much as others consume, and takes in again what they give up. */
static void hold(uint64_t bytes, int ready) {
    static char *chunks[CHUNKS_MAX];
    size_t held = 0, limit = (size_t)(bytes / CHUNK);
    limit = limit < CHUNKS_MAX ? limit : CHUNKS_MAX;
    while (held < limit && (chunks[held] = take()) != NULL)
        held++;
    uint64_t level = system_memory("MemFree:") + ahead;
    for (;;) {
        uint64_t is_free = system_memory("MemFree:");
        if (is_free < level && held > 0) {
            munmap(chunks[--held], CHUNK);
        } else if (is_free > level + slack && held < limit && (chunks[held] = take()) != NULL) {
            held++;
        } else {
            if (ready >= 0)
                close(ready);
            ready = -1;
            usleep(1000);
        }
    }
}

int backing_begin(uint64_t bytes) {
    int ends[2];
    uint64_t most = system_memory("MemAvailable:") / 4 * 3;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    pid_t parent = getpid();
    fflush(NULL);
    helper = fork();
    if (helper == 0) {
        close(ends[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd >= 0 && write(fd, "1000", 4) == 4)
            close(fd);
        if (getppid() == parent)
            hold(bytes < most ? bytes : most, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    char byte;
    ssize_t closed = helper < 0 ? -1 : read(ends[0], &byte, 1);
    close(ends[0]);
    return closed == 0 ? 0 : -1;
}

void backing_end(void) {
    if (helper > 0 && kill(helper, SIGKILL) == 0)
        waitpid(helper, NULL, 0);
    helper = 0;
}

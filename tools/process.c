/*
 * What /proc tells, read with as few calls as can be: a hook lives for a millisecond.
 */
#include "tools/process.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static size_t read_file(const char *path, char *ret_text, size_t room) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, ret_text, room - 1);
    if (fd >= 0) {
        close(fd);
    }
    size_t size = got < 0 ? 0 : (size_t)got;
    ret_text[size] = '\0';
    return size;
}

/* Clock ticks from the boot to the start: the 22nd field. The second, in parentheses, is the
 * program's name and may hold anything. */
static int start_ticks(int32_t pid, int64_t *ret_ticks) {
    enum { NAME = 2, START = 22 };
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_file(path, text, sizeof text) == 0) {
        return -1;
    }
    const char *at = strrchr(text, ')');
    for (int field = NAME; at && field < START; field++) {
        at = strchr(at + 1, ' ');
    }
    if (!at) {
        return -1;
    }
    char *end = NULL;
    long long ticks = strtoll(at + 1, &end, 10);
    if (end == at + 1 || ticks < 0) {
        return -1;
    }
    *ret_ticks = ticks;
    return 0;
}

int process_start(int32_t pid, int64_t *ret_seconds) {
    struct timespec now, up;
    int64_t ticks = 0;
    long per_second = sysconf(_SC_CLK_TCK);
    if (per_second <= 0 || clock_gettime(CLOCK_REALTIME, &now) < 0 ||
        clock_gettime(CLOCK_BOOTTIME, &up) < 0 || start_ticks(pid, &ticks) < 0) {
        return -1;
    }
    int64_t booted = now.tv_sec - up.tv_sec - (now.tv_nsec < up.tv_nsec);
    *ret_seconds = booted + ticks / per_second;
    return 0;
}

void process_here(varve_event *event) {
    static char boot[64], space[64];
    size_t size = read_file("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    while (size > 0 && boot[size - 1] == '\n') {
        size--;
    }
    ssize_t linked = readlink("/proc/self/ns/pid", space, sizeof space);
    if (size > 0 && linked > 0 && (size_t)linked < sizeof space) {
        event->str[VARVE_STR_BOOT_ID] = (varve_str){boot, size};
        event->str[VARVE_STR_PID_NAMESPACE] = (varve_str){space, (size_t)linked};
    }
}

void process_fill(varve_event *event) {
    enum { TOLERANCE_S = 2 };
    int64_t start = 0;
    bool said = (event->present & VARVE_HAS_PROCESS_START) != 0;
    if (!(event->present & VARVE_HAS_PID) || event->pid <= 0 ||
        process_start(event->pid, &start) < 0) {
        return;
    }
    if (!said) {
        event->process_start = start;
        event->present |= VARVE_HAS_PROCESS_START;
    }
    if (event->process_start >= start - TOLERANCE_S &&
        event->process_start <= start + TOLERANCE_S) {
        process_here(event);
    }
}

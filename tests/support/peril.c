/*
 * Dying where others may die. See peril.h.
 */
#include "support/peril.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 4096, LOG_FILE = 1, APPEND_LOCK = 2 };
static _Atomic uint8_t kind_of[FILES_MAX]; /* by descriptor */
static _Thread_local bool appending;       /* holds LOCK.append */
peril_board *peril;

const char *const peril_names[PERILS] = {
    "anywhere",
    "between write and publish",
    "placing rows, splitting buckets",
    "beginning a segment",
    "as commit leader, in its sync",
    "at a compaction's rename",
    "removing a file",
    "making a snapshot",
    "mending a segment",
};

bool peril_begin(void) {
    void *board = mmap(NULL, sizeof *peril, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    peril = board == MAP_FAILED ? NULL : board;
    return peril != NULL;
}

void peril_end(void) {
    munmap(peril, sizeof *peril);
    peril = NULL;
}

static void die(int where) {
    atomic_fetch_add(&peril->killed[where], 1);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void before(int where) {
    uint32_t one = 1;
    if (atomic_load_explicit(&peril->here[where], memory_order_relaxed) == 1 &&
        atomic_compare_exchange_strong(&peril->here[where], &one, 0))
        die(where);
}

static void behind(int where) {
    if (atomic_load_explicit(&peril->here[where], memory_order_relaxed) != 0 && atomic_exchange(&peril->here[where], 0) != 0)
        die(where);
}

/* The clock kills while the engine goes on. */
static void soon(int where) {
    uint32_t wanted = atomic_load_explicit(&peril->here[where], memory_order_relaxed);
    if (wanted == 0 || !atomic_compare_exchange_strong(&peril->here[where], &wanted, 0))
        return;
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec time = {.it_value = {.tv_nsec = (long)wanted * 1000}};
    atomic_fetch_add(&peril->killed[where], 1);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 || timer_settime(timer, 0, &time, NULL) < 0)
        kill(getpid(), SIGKILL);
}

static bool ends_with(const char *name, const char *end) {
    size_t size = strlen(name), tail = strlen(end);
    return size >= tail && strcmp(name + size - tail, end) == 0;
}

static int is(int fd) {
    return fd >= 0 && fd < FILES_MAX ? atomic_load_explicit(&kind_of[fd], memory_order_relaxed) : 0;
}

static int perilous_openat(int dir, const char *name, int flags, unsigned mode) {
    int fd = ve_os_system.openat(dir, name, flags, mode);
    if (fd >= 0 && fd < FILES_MAX)
        atomic_store(&kind_of[fd], ends_with(name, ".log") ? LOG_FILE : strcmp(name, "LOCK.append") == 0 ? APPEND_LOCK : 0);
    return fd;
}

static int perilous_flock(int fd, int operation) {
    int result = ve_os_system.flock(fd, operation);
    if (is(fd) == APPEND_LOCK && result == 0)
        appending = operation != LOCK_UN;
    return result;
}

static ssize_t perilous_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    bool log = is(fd) == LOG_FILE && appending;
    if (log && offset == 0)
        before(PERIL_BEGINNING);
    ssize_t done = ve_os_system.pwritev(fd, parts, count, offset);
    if (log)
        behind(offset == 0 ? PERIL_BEGINNING : PERIL_WRITTEN);
    if (log && offset != 0)
        soon(PERIL_PLACING);
    return done;
}

/* A disk that takes its time, so that others come to wait for one who leads. */
static int perilous_fdatasync(int fd) {
    bool log = is(fd) == LOG_FILE;
    uint32_t left = atomic_load_explicit(&peril->fail, memory_order_relaxed);
    if (log)
        before(PERIL_LEADING);
    if (log && left > 0 && atomic_compare_exchange_strong(&peril->fail, &left, left - 1)) {
        atomic_fetch_add(&peril->failed, 1);
        errno = EIO;
        return -1;
    }
    if (log)
        ve_os_system.sleep(200000);
    int result = ve_os_system.fdatasync(fd);
    if (log)
        behind(PERIL_LEADING);
    return result;
}

static int perilous_renameat(int from_dir, const char *from, int to_dir, const char *to) {
    int where = strcmp(from, "tmp.manifest") == 0                  ? PERIL_MANIFEST
                : strncmp(from, "tmp.0", 5) == 0 && strlen(from) == 12 ? PERIL_MENDING
                                                                   : PERIL_SNAPSHOT;
    before(where);
    int result = ve_os_system.renameat(from_dir, from, to_dir, to);
    behind(where);
    return result;
}

static int perilous_linkat(int from_dir, const char *from, int to_dir, const char *to) {
    before(PERIL_SNAPSHOT);
    int result = ve_os_system.linkat(from_dir, from, to_dir, to);
    behind(PERIL_SNAPSHOT);
    return result;
}

static int perilous_unlinkat(int dir, const char *name, int flags) {
    before(PERIL_REMOVING);
    int result = ve_os_system.unlinkat(dir, name, flags);
    behind(PERIL_REMOVING);
    return result;
}

ve_os peril_os(void) {
    ve_os os = ve_os_system;
    os.openat = perilous_openat;
    os.flock = perilous_flock;
    os.pwritev = perilous_pwritev;
    os.fdatasync = perilous_fdatasync;
    os.renameat = perilous_renameat;
    os.linkat = perilous_linkat;
    os.unlinkat = perilous_unlinkat;
    return os;
}

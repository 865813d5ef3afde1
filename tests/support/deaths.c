/*
 * Dying at a chosen call or store. See deaths.h.
 *
 * Shared pages are write-protected while they are watched. A store faults; the handler opens the pages
 * and lets the processor do this one instruction; the trap behind it closes them again.
 */
#include "support/deaths.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { MAPS_MAX = 512 };
static struct {
    uint8_t *at;
    size_t size;
} maps[MAPS_MAX];
static int map_count;
static bool watching;
static uint64_t calls, call_to_die, stores;
static bool die_halfway;
static uint8_t boot;
static void (*each_store)(uint64_t number);

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void called(void) {
    if (++calls == call_to_die)
        die();
}

void deaths_at_call(uint64_t n, bool halfway) {
    calls = 0;
    call_to_die = n;
    die_halfway = halfway;
}

uint64_t deaths_calls(void) {
    return calls;
}

void deaths_boot(uint8_t number) {
    boot = number;
}

/* ---- Stores ---- */

static void protect_all(int protection) {
    for (int i = 0; i < map_count; i++)
        mprotect(maps[i].at, maps[i].size, protection);
}

uint64_t deaths_stores(void) {
    return stores;
}

#if defined(__x86_64__)
static uint64_t store_to_die;
static uintptr_t last_store;
static int open_map = -1; /* for the instruction that is being stepped over */

bool deaths_can_watch(void) {
    return getenv("VARVE_VALGRIND") == NULL; /* which runs no instruction alone */
}

/* The instruction that copies a run of bytes would be stepped byte by byte: it is done here instead, as one store, of
 * which a death may leave the first half. */
static bool copied_whole(greg_t *registers) {
    const uint8_t *code = (const uint8_t *)(uintptr_t)registers[REG_RIP];
    if (code[0] != 0xF3 || code[1] != 0xA4) /* rep movsb */
        return false;
    size_t size = (size_t)registers[REG_RCX];
    bool dies = stores + 1 == store_to_die;
    memcpy((void *)(uintptr_t)registers[REG_RDI], (const void *)(uintptr_t)registers[REG_RSI], dies ? size / 2 : size);
    if (dies)
        die();
    stores++;
    registers[REG_RDI] += (greg_t)size;
    registers[REG_RSI] += (greg_t)size;
    registers[REG_RCX] = 0;
    registers[REG_RIP] += 2;
    return true;
}

static void stored(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    uintptr_t at = (uintptr_t)info->si_addr;
    int map = 0;
    while (map < map_count && at - (uintptr_t)maps[map].at >= maps[map].size)
        map++;
    if (!watching || map == map_count) {
        signal(number, SIG_DFL); /* a real fault: meet it again without a handler */
        return;
    }
    if (++stores == store_to_die)
        die();
    if (each_store != NULL && at - last_store > 64)
        each_store(stores);
    last_store = at;
    mprotect(maps[map].at, maps[map].size, PROT_READ | PROT_WRITE);
    open_map = map;
    if (!copied_whole(registers)) {
        registers[REG_EFL] |= 0x100;
        return;
    }
    mprotect(maps[map].at, maps[map].size, PROT_READ);
}

static void stepped(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    registers[REG_EFL] &= ~0x100;
    if (watching && open_map >= 0)
        mprotect(maps[open_map].at, maps[open_map].size, PROT_READ);
    open_map = -1;
}

void deaths_at_store(uint64_t n) {
    struct sigaction action = {.sa_sigaction = stored, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    action.sa_sigaction = stepped;
    sigaction(SIGTRAP, &action, NULL);
    stores = 0;
    store_to_die = n;
    watching = true;
    protect_all(PROT_READ);
}
#else
bool deaths_can_watch(void) {
    return false;
}

void deaths_at_store(uint64_t n) {
    (void)n;
}
#endif

void deaths_each_store(void (*each)(uint64_t number)) {
    each_store = each;
}

void deaths_unwatch(void) {
    watching = false;
    protect_all(PROT_READ | PROT_WRITE);
}

static void *dying_mmap(uint64_t size, int protection, int flags, int fd, int64_t offset) {
    called();
    bool shared = (flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0 && map_count < MAPS_MAX;
    void *at = ve_os_system.mmap(size, protection & ~(shared && watching ? PROT_WRITE : 0), flags, fd, offset);
    if (shared && at != MAP_FAILED) {
        maps[map_count].at = at;
        maps[map_count++].size = (size_t)size;
    }
    return at;
}

static int dying_munmap(void *at, size_t size) {
    called();
    for (int i = 0; i < map_count; i++)
        if (maps[i].at == at)
            maps[i--] = maps[--map_count];
    return ve_os_system.munmap(at, size);
}

/* ---- Calls ---- */

static ssize_t dying_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    if (++calls == call_to_die) {
        size_t total = 0;
        for (int i = 0; i < count; i++)
            total += parts[i].iov_len;
        for (size_t left = total / 2; die_halfway && left > 0; parts++) {
            struct iovec part = {parts->iov_base, parts->iov_len < left ? parts->iov_len : left};
            ve_os_system.pwritev(fd, &part, 1, offset);
            offset += (int64_t)part.iov_len;
            left -= part.iov_len;
        }
        die();
    }
    return ve_os_system.pwritev(fd, parts, count, offset);
}

static ssize_t dying_copy(int from, int to, int64_t offset, size_t size) {
    if (++calls == call_to_die) {
        if (die_halfway)
            ve_os_system.copy(from, to, offset, size / 2);
        die();
    }
    return ve_os_system.copy(from, to, offset, size);
}

static int dying_openat(int dir, const char *name, int flags, unsigned mode) {
    called();
    return ve_os_system.openat(dir, name, flags, mode);
}

static int dying_close(int fd) {
    called();
    return ve_os_system.close(fd);
}

static ssize_t dying_pread(int fd, void *to, size_t size, int64_t offset) {
    called();
    return ve_os_system.pread(fd, to, size, offset);
}

/* The death of a process loses nothing that was written: the disk need not be waited for. */
static int dying_fdatasync(int fd) {
    called();
    (void)fd;
    return 0;
}

static int dying_fsync(int fd) {
    called();
    (void)fd;
    return 0;
}

static int dying_allocate(int fd, int64_t offset, int64_t size) {
    called();
    return ve_os_system.allocate(fd, offset, size);
}

static int dying_flock(int fd, int operation) {
    called();
    return ve_os_system.flock(fd, operation);
}

static int dying_fstat(int fd, struct stat *ret_stat) {
    called();
    return ve_os_system.fstat(fd, ret_stat);
}

static int dying_fstatat(int dir, const char *name, struct stat *ret_stat, int flags) {
    called();
    return ve_os_system.fstatat(dir, name, ret_stat, flags);
}

static int dying_linkat(int from_dir, const char *from, int to_dir, const char *to) {
    called();
    return ve_os_system.linkat(from_dir, from, to_dir, to);
}

static int dying_renameat(int from_dir, const char *from, int to_dir, const char *to) {
    called();
    return ve_os_system.renameat(from_dir, from, to_dir, to);
}

static int dying_unlinkat(int dir, const char *name, int flags) {
    called();
    return ve_os_system.unlinkat(dir, name, flags);
}

static int dying_mkdirat(int dir, const char *name, unsigned mode) {
    called();
    return ve_os_system.mkdirat(dir, name, mode);
}

static int dying_list(int dir, int (*each)(void *context, const char *name), void *context) {
    called();
    return ve_os_system.list(dir, each, context);
}

static int dying_room(int fd, uint64_t *ret_free) {
    called();
    return ve_os_system.room(fd, ret_free);
}

static int dying_kind(int fd, uint32_t *ret_kind) {
    called();
    return ve_os_system.kind(fd, ret_kind);
}

static int dying_chmod(int fd, unsigned mode) {
    called();
    return ve_os_system.chmod(fd, mode);
}

static int dying_chown(int fd, uint32_t user, uint32_t group) {
    called();
    return ve_os_system.chown(fd, user, group);
}

static uint32_t plain_user(void) {
    return ve_os_system.user();
}

static int plain_wipe_on_fork(void *at, size_t size) {
    return ve_os_system.wipe_on_fork(at, size);
}

static int dying_random(void *to, size_t size) {
    called();
    return ve_os_system.random(to, size);
}

static int64_t plain_now(void) {
    return ve_os_system.now();
}

static int64_t plain_monotonic(void) {
    return ve_os_system.monotonic();
}

static void plain_sleep(int64_t nanoseconds) {
    ve_os_system.sleep(nanoseconds);
}

static void plain_wait(void *word, uint32_t seen, int64_t nanoseconds) {
    ve_os_system.wait(word, seen, nanoseconds);
}

static void plain_wake(void *word, int count) {
    ve_os_system.wake(word, count);
}

static uint32_t plain_process(void) {
    return ve_os_system.process();
}

static int told_boot_id(uint8_t ret_id[16]) {
    called();
    if (boot == 0)
        return ve_os_system.boot_id(ret_id);
    memset(ret_id, boot, 16);
    return 0;
}

const ve_os deaths_os = {
    .openat = dying_openat,
    .close = dying_close,
    .pread = dying_pread,
    .pwritev = dying_pwritev,
    .copy = dying_copy,
    .fdatasync = dying_fdatasync,
    .fsync = dying_fsync,
    .allocate = dying_allocate,
    .mmap = dying_mmap,
    .munmap = dying_munmap,
    .flock = dying_flock,
    .fstat = dying_fstat,
    .fstatat = dying_fstatat,
    .linkat = dying_linkat,
    .renameat = dying_renameat,
    .unlinkat = dying_unlinkat,
    .mkdirat = dying_mkdirat,
    .list = dying_list,
    .room = dying_room,
    .kind = dying_kind,
    .chmod = dying_chmod,
    .chown = dying_chown,
    .user = plain_user,
    .wipe_on_fork = plain_wipe_on_fork,
    .random = dying_random,
    .now = plain_now,
    .monotonic = plain_monotonic,
    .sleep = plain_sleep,
    .wait = plain_wait,
    .wake = plain_wake,
    .process = plain_process,
    .boot_id = told_boot_id,
};

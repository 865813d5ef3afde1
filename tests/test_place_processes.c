/*
 * Processes in odd places: a child that was forked with a handle, a writer that is stopped at any of its calls, containers with
 * process ids of their own on one store.
 */
#include "engine/store.h"
#include "support/scratch.h"
#include "support/work.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>

/* ---- Fork ---- */

static ve_os os;
static const char *path_now;
static varve *store_now;
static int forks_left, forks_failed;

static int cannot_wipe(void *at, size_t size) {
    (void)at, (void)size;
    errno = EINVAL;
    return -1;
}

/* Whether somebody holds this lock. */
static bool is_held(const char *path, const char *name) {
    char full[400];
    snprintf(full, sizeof full, "%s/%s", path, name);
    int fd = open(full, O_RDWR | O_CLOEXEC);
    bool held = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0;
    close(fd);
    return held;
}

static bool is_forked(int result, const char *what) {
    return result == VARVE_E_FORKED || work_wrong("%s answers %d in a child", what, result);
}

typedef struct {
    varve *store;
    varve_cursor *cursor;
    varve_scan *scan;
    varve_list *list;
} handles;

/* Every kind of call; then all is closed. */
static bool use_in_child(handles *h) {
    varve *store = h->store;
    varve_batch *batch;
    varve_event event = scratch_event("s", "Stop");
    varve_session session;
    varve_cursor *cursor;
    varve_scan *scan;
    varve_list *list;
    varve_stats stats = {.size = sizeof stats};
    uint64_t count, tail = 0;
    char state[16];
    varve_compact_options compact;
    varve_compact_options_init(&compact);
    if (varve_batch_new(&batch) < 0 || varve_batch_add(batch, &event) < 0)
        return work_wrong("no batch");
    varve_str id = varve_cstr("s"), own = varve_cstr(NULL);
    bool good = is_forked(varve_append(store, batch, VARVE_GROUP, NULL), "append") &&
                is_forked(varve_append(store, batch, VARVE_NONE, NULL), "append") && is_forked(varve_sync(store), "sync") &&
                is_forked(varve_compact(store, &compact, NULL), "compact") && is_forked(varve_reindex(store), "reindex") &&
                is_forked(varve_verify(store, 0, NULL, NULL), "verify") && is_forked(varve_stat(store, &stats), "stat") &&
                is_forked(varve_snapshot(store, "/nowhere/at/all", 0, NULL), "snapshot") &&
                is_forked(varve_forget(store, own, id, 0, NULL), "forget") && is_forked(varve_wait(store, &tail, 0), "wait") &&
                is_forked(varve_cursor_state(store, id, state, sizeof state), "cursor_state") &&
                is_forked(varve_session_find(store, own, id, &session), "session_find") &&
                is_forked(varve_cursor_store(store, 0, 0, &cursor), "cursor_store") &&
                is_forked(varve_cursor_session(store, own, id, 0, 0, &cursor), "cursor_session") &&
                is_forked(varve_event_list(store, NULL, &cursor), "event_list") &&
                is_forked(varve_event_count(store, NULL, &count), "event_count") &&
                is_forked(varve_scan_open(store, &scan), "scan_open") && is_forked(varve_scan_next(h->scan, &session), "scan_next") &&
                is_forked(varve_scan_rewind(h->scan), "scan_rewind") &&
                is_forked(varve_scan_get(h->scan, own, id, &session), "scan_get") &&
                is_forked(varve_session_list(store, NULL, &list), "session_list") &&
                is_forked(varve_session_count(store, NULL, &count), "session_count") &&
                is_forked(varve_list_next(h->list, &session), "list_next") &&
                is_forked(varve_cursor_next(h->cursor, &event), "cursor_next");
    if (good && strstr(varve_last_error(store), "belongs to the parent process: open the store again") == NULL)
        good = work_wrong("the line is: %s", varve_last_error(store));
    varve_batch_free(&batch);
    varve_cursor_close(&h->cursor);
    varve_scan_close(&h->scan);
    varve_list_close(&h->list);
    varve_close(&h->store);
    return good;
}

static bool use_and_open_anew(void *context) {
    handles *h = context;
    char path[300];
    snprintf(path, sizeof path, "%s", h->store->path);
    varve *own = NULL;
    bool good = use_in_child(h) && work_open(NULL, path, 0, &own);
    if (good)
        scratch_append(own, "s", "Stop", 1);
    varve_close(&own);
    return good;
}

static void open_at(const char *path, uint64_t close_budget, varve **ret_store) {
    varve_options options;
    varve_options_init(&options);
    options.close_budget = close_budget; /* what a child closes is not compacted by it */
    assert_int_equal(ve_open(&os, path, &options, ret_store), VARVE_OK);
}

static void a_child_is_told_and_its_parent_goes_on(void **state) {
    (void)state;
    os = ve_os_system;
    for (int old_kernel = 0; old_kernel < 2; old_kernel++) {
        char *path = scratch_new();
        handles h = {0};
        if (old_kernel)
            os.wipe_on_fork = cannot_wipe;
        open_at(path, 1 << 30, &h.store);
        scratch_append(h.store, "s", "Stop", 10);
        assert_int_equal(varve_cursor_store(h.store, 0, 0, &h.cursor), VARVE_OK);
        assert_int_equal(varve_scan_open(h.store, &h.scan), VARVE_OK);
        assert_int_equal(varve_session_list(h.store, NULL, &h.list), VARVE_OK);
        for (uint64_t i = 0; i < 3; i++) {
            assert_true(work_succeeded(work_in_child(use_and_open_anew, &h)));
            scratch_append(h.store, "s", "Stop", 1);
            assert_int_equal(scratch_session(h.store, "s").events, 12 + 2 * i);
        }
        varve_event event;
        varve_session session;
        assert_int_equal(varve_cursor_next(h.cursor, &event), 1);
        assert_int_equal(varve_scan_next(h.scan, &session), 1);
        assert_int_equal(varve_list_next(h.list, &session), 1);
        varve_cursor_close(&h.cursor);
        varve_scan_close(&h.scan);
        varve_list_close(&h.list);
        scratch_check_seq(h.store, "s", 16);
        scratch_verify(h.store);
        varve_close(&h.store);
        scratch_free(path);
    }
}

/* The lock is the parent's and the child's at once; only the parent may let it go. */
static ssize_t forking_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    if (forks_left > 0 && is_held(path_now, "LOCK.append")) {
        forks_left--;
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            varve_batch *batch;
            varve_event event = scratch_event("s", "Stop");
            bool good = varve_batch_new(&batch) == VARVE_OK && varve_batch_add(batch, &event) >= 0 &&
                        is_forked(varve_append(store_now, batch, VARVE_GROUP, NULL), "append");
            if (forks_left % 2 == 0)
                varve_close(&store_now);
            _exit(good ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        forks_failed += !work_succeeded(status) || !is_held(path_now, "LOCK.append");
    }
    return ve_os_system.pwritev(fd, parts, count, offset);
}

static void a_child_does_not_let_go_of_its_parents_lock(void **state) {
    (void)state;
    char *path = scratch_new();
    os = ve_os_system;
    os.pwritev = forking_pwritev;
    path_now = path;
    open_at(path, 0, &store_now);
    for (int i = 0; i < 10; i++) {
        forks_left = 1 + i % 2;
        scratch_append(store_now, "s", "Stop", 1);
        assert_int_equal(forks_left, i % 2); /* it was within an append */
        assert_int_equal(forks_failed, 0);
        assert_false(is_held(path, "LOCK.append"));
    }
    forks_left = 0;
    assert_int_equal(scratch_session(store_now, "s").events, 10);
    varve_close(&store_now);
    scratch_free(path);
}

/* A child that lives on keeps none of its parent's locks. */
static void a_child_that_stays_keeps_nobody_waiting(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0), *other = NULL;
    scratch_append(store, "s", "Stop", 1);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(pipes[1]);
        _exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1); /* until its parent is gone from here */
    }
    close(pipes[0]);
    for (int i = 0; i < 20; i++) {
        scratch_append(store, "s", "Stop", 1);
        assert_int_equal(varve_sync(store), VARVE_OK);
        assert_false(is_held(path, "LOCK.append"));
        assert_false(is_held(path, "LOCK.sync"));
        other = scratch_open(path, 0);
        scratch_append(other, "s", "Stop", 1);
        assert_int_equal(varve_sync(other), VARVE_OK);
        varve_close(&other);
    }
    assert_int_equal(scratch_session(store, "s").events, 41);
    varve_close(&store);
    other = scratch_open(path, 0);
    scratch_append(other, "s", "Stop", 1);
    varve_close(&other);
    close(pipes[1]);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(work_succeeded(status));
    scratch_free(path);
}

/* ---- A writer that is stopped ---- */

typedef struct {
    _Atomic int held[3]; /* locks that the writer has: append, sync, compact */
    _Atomic uint64_t calls;
} stopped_book;

static stopped_book *stopped;
static uint64_t stop_at;
static int lock_fd[3];

static void maybe_stop(void) {
    if (atomic_fetch_add(&stopped->calls, 1) + 1 == stop_at)
        raise(SIGSTOP);
}

static int stopping_openat(int dir, const char *name, int flags, unsigned mode) {
    static const char *const names[] = {"LOCK.append", "LOCK.sync", "LOCK.compact"};
    maybe_stop();
    int fd = ve_os_system.openat(dir, name, flags, mode);
    for (int i = 0; i < 3; i++)
        if (fd >= 0 && strcmp(name, names[i]) == 0)
            lock_fd[i] = fd;
    return fd;
}

/* Before it is taken and after it was let go it is not held. */
static int stopping_flock(int fd, int operation) {
    bool lets_go = (operation & LOCK_UN) != 0;
    maybe_stop();
    int result = ve_os_system.flock(fd, operation);
    for (int i = 0; i < 3 && result == 0; i++)
        if (fd == lock_fd[i])
            atomic_store(&stopped->held[i], !lets_go);
    maybe_stop();
    return result;
}

static ssize_t stopping_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    maybe_stop();
    return ve_os_system.pwritev(fd, parts, count, offset);
}

static int stopping_fdatasync(int fd) {
    maybe_stop();
    return ve_os_system.fdatasync(fd);
}

static int stopping_fsync(int fd) {
    maybe_stop();
    return ve_os_system.fsync(fd);
}

static void *stopping_mmap(uint64_t size, int protection, int flags, int fd, int64_t offset) {
    maybe_stop();
    return ve_os_system.mmap(size, protection, flags, fd, offset);
}

static int stopping_close(int fd) {
    maybe_stop();
    return ve_os_system.close(fd);
}

static int stopping_fstatat(int dir, const char *name, struct stat *ret_stat, int flags) {
    maybe_stop();
    return ve_os_system.fstatat(dir, name, ret_stat, flags);
}

static bool add_one(const ve_os *with, const char *path, const char *session, int timeout_ms, varve_durability durability,
                    int *ret_result, char line[500]) {
    varve_options options;
    varve_batch *batch = NULL;
    varve *store = NULL;
    varve_event event = scratch_event(session, "Stop");
    varve_options_init(&options);
    options.lock_timeout_ms = timeout_ms;
    options.error = line;
    options.error_size = 500;
    line[0] = 0;
    *ret_result = ve_open(with, path, &options, &store);
    if (*ret_result < 0)
        return false;
    if (varve_batch_new(&batch) == VARVE_OK && varve_batch_add(batch, &event) >= 0)
        *ret_result = varve_append(store, batch, durability, NULL);
    if (*ret_result < 0)
        snprintf(line, 500, "%s", varve_last_error(store));
    varve_batch_free(&batch);
    varve_close(&store);
    return *ret_result == VARVE_OK;
}

typedef struct {
    const char *path;
    varve_durability durability;
} stay;

static bool stay_a_while(void *context) {
    const stay *s = context;
    char line[500];
    int result;
    os = ve_os_system;
    os.openat = stopping_openat;
    os.flock = stopping_flock;
    os.pwritev = stopping_pwritev;
    os.fdatasync = stopping_fdatasync;
    os.fsync = stopping_fsync;
    os.mmap = stopping_mmap;
    os.close = stopping_close;
    os.fstatat = stopping_fstatat;
    lock_fd[0] = lock_fd[1] = lock_fd[2] = -1;
    for (int i = 0; i < 3; i++)
        if (!add_one(&os, s->path, "stopped", -1, s->durability, &result, line))
            return work_wrong("the stopped one: %d %s", result, line);
    return true;
}

static void look_around(const char *path, uint64_t others, const char *when) {
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    varve *store = NULL;
    varve_cursor *cursor;
    varve_event event;
    uint64_t count = 0;
    if (varve_open(path, &options, &store) < 0)
        fail_msg("%s: cannot be read", when);
    assert_int_equal(varve_cursor_session(store, varve_cstr(NULL), varve_cstr("other"), 0, 0, &cursor), VARVE_OK);
    while (varve_cursor_next(cursor, &event) == 1)
        count++;
    varve_cursor_close(&cursor);
    varve_close(&store);
    assert_int_equal(count, others);
}

/* At any call: outside of the locks nobody notices; within LOCK.append others give up in time, and are told. Who holds
 * LOCK.sync keeps those who want their events on disk waiting, and nobody else. */
static void stop_everywhere(varve_durability durability) {
    char *path = scratch_new(), line[500];
    uint64_t others = 1, stays = 0, outside = 0, inside = 0;
    varve *store = scratch_open(path, 0);
    scratch_append(store, "other", "Stop", 1);
    assert_int_equal(varve_sync(store), VARVE_OK);
    varve_close(&store);
    for (bool more = true; more; stays++) {
        memset(stopped, 0, sizeof *stopped);
        stop_at = stays + 1;
        stay s = {path, durability};
        int status = -1, result;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not stay behind, stopped */
            _exit(stay_a_while(&s) ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, WUNTRACED), child);
        more = WIFSTOPPED(status);
        if (more && atomic_load(&stopped->held[0])) {
            inside++;
            assert_false(add_one(&ve_os_system, path, "other", 1, VARVE_NONE, &result, line));
            if (result != VARVE_E_BUSY)
                print_error("stopped at call %llu: %d %s\n", (unsigned long long)stop_at, result, line);
            assert_int_equal(result, VARVE_E_BUSY);
            assert_non_null(strstr(line, "/LOCK.append: "));
            assert_non_null(strstr(line, "held it for 1 ms; try again"));
        } else if (more) {
            outside++;
            bool synced = !atomic_load(&stopped->held[1]);
            others++;
            if (!add_one(&ve_os_system, path, "other", 20000, synced ? VARVE_GROUP : VARVE_NONE, &result, line))
                fail_msg("stopped at call %llu: %d %s", (unsigned long long)stop_at, result, line);
        }
        look_around(path, others, "while it is stopped");
        if (more) {
            kill(child, SIGCONT);
            assert_int_equal(waitpid(child, &status, 0), child);
        }
        assert_true(work_succeeded(status));
    }
    assert_true(stays > 50 && outside > 10 && inside > 5);
    store = scratch_open(path, 0);
    scratch_check_seq(store, "stopped", 3 * stays);
    scratch_check_seq(store, "other", others);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_stopped_writer_stops_nobody_unless_it_holds_the_lock(void **state) {
    (void)state;
    stopped = mmap(NULL, sizeof *stopped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    stop_everywhere(VARVE_NONE);
    stop_everywhere(VARVE_GROUP);
}

/* ---- Containers ---- */

enum { CONTAINERS = 2, WRITERS = 4, BATCHES = 60 };

typedef struct {
    const char *path;
    work_book *book; /* counter 0: containers with process ids of their own; 1: with a /proc of their own; 2: writers there */
    uint32_t number;
} container;

/* All begin at once, when all are there. */
static bool write_there(const container *c, uint32_t writer) {
    atomic_fetch_add(&c->book->counter[2], 1);
    while (atomic_load(&c->book->counter[2]) < CONTAINERS * WRITERS)
        sched_yield();
    bool good = true;
    for (uint32_t number = 0; good && number < BATCHES;) {
        varve *store = NULL;
        good = work_open(NULL, c->path, 0, &store);
        for (uint32_t stays = 1 + work_mix(writer, number, 3) % 20; good && stays > 0 && number < BATCHES; stays--, number++)
            good = work_append(store, c->book, writer, number, work_mix(writer, number, 4) % 8 == 0 ? VARVE_GROUP : VARVE_NONE);
        varve_close(&store);
    }
    return good;
}

/* The first process of its container: 1, where that may be. */
static bool live_in(const container *c) {
    pid_t children[WRITERS];
    bool good = true;
    if (getpid() == 1) {
        atomic_fetch_add(&c->book->counter[0], 1);
        if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
            mount("proc", "/proc", "proc", 0, NULL) == 0)
            atomic_fetch_add(&c->book->counter[1], 1);
    }
    for (uint32_t w = 0; w < WRITERS; w++) {
        children[w] = fork();
        if (children[w] == 0)
            _exit(write_there(c, c->number * WRITERS + w) ? 0 : 1);
    }
    for (uint32_t w = 0; w < WRITERS; w++) {
        int status = -1;
        while (waitpid(children[w], &status, 0) < 0 && errno == EINTR)
            continue;
        good = work_succeeded(status) && good;
    }
    return good;
}

/* As it would be for a user who is not root: one who is root within. */
static void become_root_within(uid_t user, gid_t group) {
    char line[64];
    static const char *const files[] = {"/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map"};
    for (int i = 0; i < 3; i++) {
        int fd = open(files[i], O_WRONLY);
        int size = i == 0 ? snprintf(line, sizeof line, "deny") : snprintf(line, sizeof line, "0 %u 1", i == 1 ? user : group);
        if (fd >= 0 && write(fd, line, (size_t)size) < 0)
            fprintf(stderr, "%s cannot be written\n", files[i]);
        close(fd);
    }
}

static bool contain(void *context) {
    uid_t user = geteuid();
    gid_t group = getegid();
    if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0)
        become_root_within(user, group);
    pid_t first = fork(); /* the one who asked stays outside */
    if (first == 0) {
        alarm(60);
        _exit(live_in(context) ? 0 : 1);
    }
    int status = -1;
    waitpid(first, &status, 0);
    return work_succeeded(status);
}

static void containers_on_one_store_lose_nothing(void **state) {
    (void)state;
    char *path = scratch_new();
    work_book *book = work_book_new();
    container c[CONTAINERS];
    pid_t children[CONTAINERS];
    varve *store = NULL;
    assert_true(work_open(NULL, path, 0, &store));
    varve_close(&store);
    fflush(NULL);
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        c[i] = (container){path, book, i};
        children[i] = fork();
        if (children[i] == 0)
            _exit(contain(&c[i]) ? 0 : 1);
    }
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(work_succeeded(status));
    }
    if (atomic_load(&book->counter[0]) < CONTAINERS)
        print_message("no process ids of their own were to be had here: the writers shared one space\n");
    else if (atomic_load(&book->counter[1]) < CONTAINERS)
        print_message("no /proc of their own could be mounted here\n");
    for (uint32_t w = 0; w < CONTAINERS * WRITERS; w++)
        assert_int_equal(atomic_load(&book->acked[w]), BATCHES);
    assert_true(work_open(NULL, path, 0, &store));
    assert_true(work_holds(store, book, CONTAINERS * WRITERS, false, NULL));
    assert_true(work_verifies(store, 0));
    varve_close(&store);
    work_book_free(book);
    scratch_free(path);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_is_told_and_its_parent_goes_on),
        cmocka_unit_test(a_child_does_not_let_go_of_its_parents_lock),
        cmocka_unit_test(a_child_that_stays_keeps_nobody_waiting),
        cmocka_unit_test(a_stopped_writer_stops_nobody_unless_it_holds_the_lock),
        cmocka_unit_test(containers_on_one_store_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * One flipped bit, anywhere in a store: verify finds it, or it is harmless: everything reads as before, and an
 * append and another verify are clean. Never a crash, never a hang.
 * Every byte of headers and first records, a sample elsewhere; VARVE_LONG: all bytes.
 */
#include "support/deaths.h"
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { CASES_MAX = 400000, BATCHES = 18, WRITER = 100 };

typedef struct {
    char name[60];
    uint32_t offset;
    bool may_lie_low; /* CONTROL and the index: a harmless flip must stay so when appending goes on */
} flip;

static struct {
    const char *path;
    char *copy; /* where each flip is made */
    work_book *book;
    uint64_t dump; /* of the store as it should be */
    flip flips[CASES_MAX];
    uint32_t count;
} all;

/* Shared with the children: how far they are. */
static struct {
    _Atomic uint32_t at, failures, found, harmless;
} *progress;

/* ---- All that a store says ---- */

static void add(uint64_t *sum, const void *bytes, size_t size) {
    *sum = vf_sum64(bytes, size, *sum + size);
}

static void add_text(uint64_t *sum, varve_str text) {
    uint64_t size = text.ptr == NULL ? UINT64_MAX : text.size;
    add(sum, &size, sizeof size);
    if (text.ptr != NULL)
        add(sum, text.ptr, text.size);
}

/* Pointers are replaced by what they point to. */
static void add_event(uint64_t *sum, varve_event event) {
    add(sum, event.payload, event.payload_size);
    varve_str *texts[] = {&event.session_id, &event.machine_id, &event.type};
    for (size_t i = 0; i < 3; i++) {
        add_text(sum, *texts[i]);
        texts[i]->ptr = NULL;
    }
    for (int i = 0; i < VARVE_STRS; i++) {
        add_text(sum, event.str[i]);
        event.str[i].ptr = NULL;
    }
    event.payload = NULL;
    add(sum, &event, sizeof event);
}

static void add_session(uint64_t *sum, varve_session session) {
    varve_str *texts[] = {&session.session_id, &session.machine_id, &session.first_text, &session.last_text};
    for (size_t i = 0; i < 4; i++) {
        add_text(sum, *texts[i]);
        texts[i]->ptr = NULL;
    }
    for (int i = 0; i < VARVE_STRS; i++) {
        add_text(sum, session.str[i]);
        session.str[i].ptr = NULL;
    }
    add(sum, &session, sizeof session);
}

static int add_usage(void *context, const varve_usage *usage) {
    varve_usage copy = *usage;
    add_text(context, copy.model);
    copy.model.ptr = NULL;
    add(context, &copy, sizeof copy);
    return 0;
}

static int dump_session(varve *store, varve_str id, uint32_t flags, uint64_t *sum) {
    varve_cursor *cursor;
    varve_event event;
    int result = varve_cursor_session(store, varve_cstr(NULL), id, flags != 0 ? UINT64_MAX : 0, flags, &cursor);
    if (result < 0)
        return result;
    while ((result = varve_cursor_next(cursor, &event)) == 1)
        add_event(sum, event);
    varve_cursor_close(&cursor);
    return result;
}

/* Reads everything in every way; the sum of it, or an error. */
static int dump(varve *store, uint64_t *ret_sum) {
    uint64_t sum = 0;
    varve_scan *scan;
    varve_session session;
    varve_cursor *cursor;
    varve_event event;
    int result = varve_cursor_store(store, 0, VARVE_CURSOR_SETTINGS, &cursor), failed;
    if (result < 0)
        return result;
    while ((result = varve_cursor_next(cursor, &event)) == 1)
        add_event(&sum, event);
    varve_cursor_close(&cursor);
    if ((failed = varve_scan_open(store, &scan)) < 0)
        return failed;
    while ((failed = varve_scan_next(scan, &session)) == 1) {
        char id[64];
        add_session(&sum, session);
        snprintf(id, sizeof id, "%.*s", (int)session.session_id.size, session.session_id.ptr);
        int one = dump_session(store, varve_cstr(id), 0, &sum), other = dump_session(store, varve_cstr(id), VARVE_CURSOR_BACKWARD, &sum);
        result = result < 0 ? result : one < 0 ? one : other;
    }
    varve_scan_close(&scan);
    char state[16] = "";
    int size = varve_cursor_state(store, varve_cstr("input-0"), state, sizeof state);
    add(&sum, state, sizeof state);
    result = result < 0 ? result : failed < 0 ? failed : size < 0 ? size : varve_usage_each(store, add_usage, &sum);
    *ret_sum = sum;
    return result;
}

/* ---- One flip ---- */

/* A disk with little room: a store that has lost its measure must not take all there is. */
enum { ROOM = 64 << 20 };
static int64_t taken;

static int allocate_little(int fd, int64_t offset, int64_t size) {
    taken += size;
    if (taken <= ROOM)
        return deaths_os.allocate(fd, offset, size);
    errno = ENOSPC;
    return -1;
}

static int open_quietly(const char *path, uint32_t flags, varve **ret_store) {
    static ve_os os;
    os = deaths_os; /* does not wait for the disk */
    os.allocate = allocate_little;
    taken = 0;
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    return ve_open(&os, path, &options, ret_store);
}

/* Found by verify in some way of opening. Reads everything all the same. */
static bool is_found(const char *path, uint32_t flags, bool *ret_same) {
    varve *store;
    uint64_t sum = 0;
    *ret_same = false;
    if (open_quietly(path, flags, &store) < 0)
        return true;
    int faults = varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL);
    int read = dump(store, &sum);
    *ret_same = read == 0 && sum == all.dump;
    varve_close(&store);
    return faults != 0;
}

/* Appending goes on: nothing is lost, verify is clean; or the append or verify finds what is wrong. */
static bool stays_harmless(const char *path, bool found_before) {
    varve *store;
    if (open_quietly(path, 0, &store) < 0)
        return found_before || work_wrong("cannot be opened for writing");
    atomic_store(&all.book->acked[WRITER], 0);
    bool good = work_run(store, all.book, WRITER, 0, 25);
    int faults = varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL);
    if (!found_before)
        good = good && work_holds(store, all.book, WRITER + 1, false, NULL) && work_verifies(store, 0);
    else
        good = good || faults != 0;
    varve_close(&store);
    return good;
}

static bool check_flip(const flip *f, uint32_t number) {
    const char *path = all.copy;
    bool same, same_again;
    tree_copy(all.path, path, true);
    tree_flip(path, f->name, f->offset, (int)(work_mix(number, f->offset, 1) % 8));
    bool found = is_found(path, VARVE_OPEN_READ_ONLY, &same);
    bool good = found || same || work_wrong("not found, and reads otherwise");
    found = is_found(path, VARVE_OPEN_NO_INDEX, &same_again) || found;
    if (good && !found && !same_again)
        good = work_wrong("not found, and reads otherwise without index");
    if (good && f->may_lie_low)
        good = stays_harmless(path, found);
    atomic_fetch_add(found ? &progress->found : &progress->harmless, 1);
    if (!good)
        work_wrong("-> %s byte %u bit %u", f->name, f->offset, work_mix(number, f->offset, 1) % 8);
    tree_remove(path, "");
    return good;
}

/* ---- All of them ---- */

static void choose(void *context, const char *name, size_t size) {
    (void)context;
    bool log = strncmp(name, "seg/", 4) == 0, store = strcmp(name, "STORE") == 0, control = strcmp(name, "CONTROL") == 0;
    bool tables = strstr(name, "/TABLES") != NULL, redo = strstr(name, "/REDO") != NULL;
    if (strncmp(name, "LOCK", 4) == 0)
        return;
    size_t dense = store || control ? 210 : log ? 96 : tables ? 300 : redo ? 40 : 0;
    size_t stride = redo ? 9973 : log ? 293 : store || control || tables ? 997 : 389;
    for (size_t at = 0; at < size && all.count < CASES_MAX; at++) {
        bool first_records = log && at >= 4096 && at < 4096 + 350;
        if (!work_long() && at >= dense && !first_records && at % stride != 0)
            continue;
        flip *f = &all.flips[all.count++];
        snprintf(f->name, sizeof f->name, "%s", name);
        f->offset = (uint32_t)at;
        f->may_lie_low = !log && !store;
    }
}

/* A child takes case after case until one fails; the next child goes on behind it. */
static bool take_cases(void) {
    struct rlimit limit = {ROOM, ROOM};
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
    for (uint32_t at; (at = atomic_load(&progress->at)) < all.count; atomic_store(&progress->at, at + 1)) {
        alarm(20);
        if (!check_flip(&all.flips[at], at))
            return false;
    }
    return true;
}

static void a_flipped_bit_is_found_or_harmless(void **state) {
    (void)state;
    all.book = work_book_new();
    all.path = scratch_new();
    all.copy = scratch_new();
    varve *store = NULL;
    assert_true(work_open(NULL, all.path, 0, &store));
    assert_true(work_run(store, all.book, 0, 0, BATCHES));
    assert_int_equal(varve_sync(store), VARVE_OK);
    assert_int_equal(dump(store, &all.dump), 0);
    varve_close(&store);
    void *shared = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    progress = shared;
    tree_each(all.path, choose, NULL);
    while (atomic_load(&progress->at) < all.count) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            _exit(take_cases() ? 0 : 1);
        int status = -1;
        waitpid(child, &status, 0);
        uint32_t at = atomic_load(&progress->at);
        if (work_succeeded(status))
            break;
        if (access(all.copy, F_OK) == 0)
            tree_remove(all.copy, "");
        if (WIFSIGNALED(status))
            print_error("%s byte %u: signal %d\n", all.flips[at].name, all.flips[at].offset, WTERMSIG(status));
        atomic_fetch_add(&progress->failures, 1);
        atomic_store(&progress->at, at + 1);
    }
    print_message("%u flips: %u found, %u harmless, %u wrong\n", all.count, atomic_load(&progress->found),
                  atomic_load(&progress->harmless), atomic_load(&progress->failures));
    assert_int_equal(atomic_load(&progress->failures), 0);
    assert_true(atomic_load(&progress->found) > 500 && atomic_load(&progress->harmless) > 10);
    scratch_free((char *)(uintptr_t)all.path);
    scratch_free(all.copy);
    work_book_free(all.book);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_is_found_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

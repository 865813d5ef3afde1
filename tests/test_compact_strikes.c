/*
 * A compaction that another process does from beginning to end between any two system calls of a reader: packing changes
 * nothing that can be read, so the reader's answers are those of a store that nobody touches; where something is appended
 * before it, they are those of one moment. VARVE_LONG strikes at every call, else at a sample.
 */
#include "support/dump.h"
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

static struct {
    const char *path;
    uint64_t calls, at; /* strikes at this call; 0 = never */
    bool busy;
    bool appends;   /* before it compacts */
    uint64_t later; /* calls from the one to the other */
} strike;

static void compact(const char *path, uint32_t flags) {
    varve *store = NULL;
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = flags;
    assert_true(work_open(NULL, path, 0, &store));
    assert_int_equal(varve_compact(store, &options, NULL), VARVE_OK);
    varve_close(&store);
}

static void append(const char *path) {
    work_book *book = work_book_new();
    varve *store = NULL;
    assert_true(work_open(NULL, path, 0, &store));
    assert_true(work_run(store, book, 0, 50, 20));
    varve_close(&store);
    work_book_free(book);
}

static void called(void) {
    if (strike.busy || strike.at == 0)
        return;
    strike.busy = true;
    if (++strike.calls == strike.at && strike.appends)
        append(strike.path);
    if (strike.calls == strike.at + strike.later) { /* packs what is raw, then all into one */
        compact(strike.path, 0);
        compact(strike.path, VARVE_COMPACT_ALL);
    }
    strike.busy = false;
}

static int striking_openat(int dir, const char *name, int flags, unsigned mode) {
    called();
    return ve_os_system.openat(dir, name, flags, mode);
}

static int striking_fstat(int fd, struct stat *ret_stat) {
    called();
    return ve_os_system.fstat(fd, ret_stat);
}

static int striking_fstatat(int dir, const char *name, struct stat *ret_stat, int flags) {
    called();
    return ve_os_system.fstatat(dir, name, ret_stat, flags);
}

static void *striking_mmap(uint64_t size, int protection, int flags, int fd, int64_t offset) {
    called();
    return ve_os_system.mmap(size, protection, flags, fd, offset);
}

static int striking_list(int dir, int (*each)(void *context, const char *name), void *context) {
    called();
    return ve_os_system.list(dir, each, context);
}

static char *make_store(void) {
    char *path = scratch_new();
    work_book *book = work_book_new();
    varve *store = NULL;
    assert_true(work_open(NULL, path, 0, &store));
    assert_true(work_run(store, book, 0, 0, 20));
    assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
    assert_true(work_run(store, book, 0, 20, 30));
    varve_close(&store);
    work_book_free(book);
    return path;
}

/* Opens the store for a reader who is struck at call 'at', 0 = never. */
static varve *open_struck(const char *path, uint32_t flags, uint64_t at) {
    static ve_os os;
    char error[300] = "";
    varve *store = NULL;
    varve_options options;
    os = ve_os_system;
    os.openat = striking_openat;
    os.fstat = striking_fstat;
    os.fstatat = striking_fstatat;
    os.mmap = striking_mmap;
    os.list = striking_list;
    varve_options_init(&options);
    options.flags = flags;
    options.error = error;
    options.error_size = sizeof error;
    strike.path = path;
    strike.calls = 0;
    strike.at = at;
    int result = ve_open(&os, path, &options, &store);
    if (result < 0)
        print_error("open: %s\n", error);
    assert_int_equal(result, VARVE_OK);
    return store;
}

/* Opens and reads; the answer, and whether the strike came before the end. */
static char *answer(const char *from, uint32_t flags, bool opened_before, uint64_t at, bool *ret_struck) {
    char *path = scratch_new();
    tree_copy(from, path, true);
    varve *store = open_struck(path, flags, opened_before ? 0 : at);
    if (opened_before) {
        strike.calls = 0;
        strike.at = at;
    }
    char *text = dump_store(store, DUMP_ALL, 1);
    *ret_struck = strike.calls >= at;
    strike.at = 0;
    varve_close(&store);
    scratch_free(path);
    return text;
}

static void strike_everywhere(uint32_t flags, bool opened_before) {
    char *path = make_store();
    bool struck = true;
    char *expected = answer(path, flags, opened_before, 0, &struck);
    uint64_t step = work_long() ? 1 : 3;
    struck = true;
    for (uint64_t at = 1; struck; at += step) {
        char *found = answer(path, flags, opened_before, at, &struck), name[80];
        snprintf(name, sizeof name, "struck at call %llu, flags %u", (unsigned long long)at, flags);
        bool equal = dump_equal(name, expected, found);
        free(found);
        assert_true(equal);
    }
    free(expected);
    scratch_free(path);
}

static void a_reader_answers_the_same_whenever_a_compaction_comes(void **state) {
    (void)state;
    strike_everywhere(VARVE_OPEN_READ_ONLY, false);
    strike_everywhere(VARVE_OPEN_READ_ONLY, true);
}

static void a_reader_without_index_answers_the_same_whenever_a_compaction_comes(void **state) {
    (void)state;
    strike_everywhere(VARVE_OPEN_NO_INDEX, false);
}

static void a_writer_answers_the_same_whenever_a_compaction_comes(void **state) {
    (void)state;
    strike_everywhere(0, true);
}

static void check_one_moment(uint32_t flags, bool exact, uint64_t later) {
    char *from = make_store();
    work_book *book = work_book_new();
    bool struck = true;
    strike.appends = true;
    strike.later = later;
    for (uint64_t at = 1; struck; at += work_long() ? 1 : 3) {
        char *path = scratch_new();
        tree_copy(from, path, true);
        varve *store = open_struck(path, flags, at);
        bool good = work_holds(store, book, 0, !exact, NULL);
        struck = strike.calls >= at;
        strike.at = 0;
        varve_close(&store);
        scratch_free(path);
        if (!good)
            print_error("struck at call %llu\n", (unsigned long long)at);
        assert_true(good);
    }
    strike.appends = false;
    strike.later = 0;
    work_book_free(book);
    scratch_free(from);
}

static void what_is_appended_and_packed_meanwhile_is_seen_whole_or_not(void **state) {
    (void)state;
    for (uint64_t later = 0; later < 3; later++) {
        check_one_moment(VARVE_OPEN_NO_INDEX, true, later);
        check_one_moment(VARVE_OPEN_READ_ONLY, false, later);
        check_one_moment(0, false, later);
    }
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_answers_the_same_whenever_a_compaction_comes),
        cmocka_unit_test(a_reader_without_index_answers_the_same_whenever_a_compaction_comes),
        cmocka_unit_test(a_writer_answers_the_same_whenever_a_compaction_comes),
        cmocka_unit_test(what_is_appended_and_packed_meanwhile_is_seen_whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

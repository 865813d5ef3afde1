/*
 * A compaction of which any system call fails: it says so or goes on without, nothing is missing, neither descriptors nor
 * memory are lost, and the next compaction finishes and leaves nothing over. VARVE_LONG takes every call, else a sample.
 */
#include "support/dump.h"
#include "support/failures.h"
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>

enum { BATCHES = 100 };

/* Three packed segments and three raw ones, all on disk. */
static char *make_store(work_book *book, char **ret_dump) {
    char *path = scratch_new();
    varve *store = NULL;
    uint32_t batch = 0;
    assert_true(work_open(NULL, path, 0, &store));
    for (int i = 0; i < 3; i++, batch += 20) {
        assert_true(work_run(store, book, 0, batch, 20));
        assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
    }
    assert_true(work_run(store, book, 0, batch, BATCHES - batch));
    assert_int_equal(varve_sync(store), VARVE_OK);
    *ret_dump = dump_store(store, DUMP_RECORDS | DUMP_EVENTS, 1);
    varve_close(&store);
    return path;
}

static int compact(varve *store, uint32_t flags) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = flags;
    return varve_compact(store, &options, NULL);
}

static bool answers(const char *when, varve *store, const char *expected) {
    char *found = dump_store(store, DUMP_RECORDS | DUMP_EVENTS, 1);
    bool equal = dump_equal(when, expected, found);
    free(found);
    return equal;
}

/* The same handle goes on, then another one. */
static bool goes_on(varve *store, const char *path, work_book *book, uint32_t flags, const char *dump) {
    int result;
    varve *other = NULL;
    bool good = answers("the same handle", store, dump) && work_open(NULL, path, 0, &other) && answers("another handle", other, dump);
    varve_close(&other);
    if (good && (result = compact(store, flags)) < 0)
        good = work_wrong("the second compaction: %d %s", result, varve_last_error(store));
    good = good && answers("packed", store, dump) && tidy_store(path) && work_verifies(store, 0);
    atomic_store(&book->acked[1], 0);
    good = good && work_append(store, book, 1, 0, VARVE_GROUP) && work_holds(store, book, 2, false, NULL);
    atomic_store(&book->acked[1], 0);
    return good;
}

typedef struct {
    const char *path, *dump;
    work_book *book;
    uint32_t flags;
    int error;
    bool lasting;
} failing;

/* Whether the call was reached. */
static bool fail_at(const failing *f, uint64_t call) {
    char *path = scratch_new();
    tree_copy(f->path, path, true);
    varve *store = NULL;
    int before = tidy_descriptors();
    failures_at(0, 0, false);
    assert_true(work_open(&failures_os, path, 0, &store));
    failures_at(call, f->error, f->lasting);
    int result = compact(store, f->flags);
    bool reached = failures_calls() >= call;
    failures_at(0, 0, false);
    bool told = result == VARVE_OK || varve_last_error(store)[0] != 0;
    bool good = (told || work_wrong("no word about %d", result)) && goes_on(store, path, f->book, f->flags, f->dump);
    varve_close(&store);
    if (good && tidy_descriptors() != before)
        good = work_wrong("%d descriptors, %d before", tidy_descriptors(), before);
    if (!good)
        print_error("call %llu of a compaction (flags %u) fails%s: %s, result %d\n", (unsigned long long)call, f->flags,
                    f->lasting ? " for good" : "", strerror(f->error), result);
    scratch_free(path);
    assert_true(good);
    return reached;
}

static void fail_everywhere(int error, bool lasting, uint64_t start) {
    failing f = {.book = work_book_new(), .error = error, .lasting = lasting};
    char *dump;
    char *path = make_store(f.book, &dump);
    f.path = path;
    f.dump = dump;
    for (f.flags = 0; f.flags <= VARVE_COMPACT_ALL; f.flags++)
        for (uint64_t call = start; fail_at(&f, call); call += work_long() ? 1 : 5)
            continue;
    free(dump);
    scratch_free(path);
    work_book_free(f.book);
}

static void any_call_may_fail(void **state) {
    (void)state;
    fail_everywhere(EIO, false, 1);
}

static void any_call_may_find_no_room(void **state) {
    (void)state;
    fail_everywhere(ENOSPC, false, 2);
}

static void the_disk_may_be_full_from_any_call_on(void **state) {
    (void)state;
    fail_everywhere(ENOSPC, true, 3);
}

static void what_the_disk_does_not_confirm_is_not_packed(void **state) {
    (void)state;
    char *path = scratch_new();
    work_book *book = work_book_new();
    varve *store = NULL;
    failures_at(0, 0, false);
    assert_true(work_open(&failures_os, path, 0, &store));
    for (uint32_t i = 0; i < 40; i++)
        assert_true(work_append(store, book, 0, i, VARVE_NONE));
    failures_of_syncs(1, EIO);
    assert_int_equal(compact(store, 0), VARVE_E_SYNC_FAILED);
    failures_at(0, 0, false);
    assert_int_equal(store->layout->files, 0);
    assert_true(work_holds(store, book, 1, false, NULL));
    varve_close(&store);
    scratch_free(path);
    work_book_free(book);
}

static int unconfirmed(int fd) {
    (void)fd;
    errno = EIO;
    return -1;
}

/* The deletion might be lost with the power, and what it was about would be gone. */
static void nothing_is_dropped_before_what_says_so_is_on_disk(void **state) {
    (void)state;
    char *path = scratch_new();
    ve_os os = ve_os_system;
    varve_batch *batch;
    varve *store = NULL;
    assert_true(work_open(&os, path, 0, &store));
    scratch_append(store, "goes", "user", 50);
    scratch_append(store, "stays", "user", 50);
    assert_int_equal(compact(store, VARVE_COMPACT_ALL), VARVE_OK);
    uint64_t generation = store->layout->generation;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_delete(batch, varve_cstr(NULL), varve_cstr("goes")) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
    os.fdatasync = unconfirmed;
    assert_int_equal(compact(store, 0), VARVE_E_SYNC_FAILED);
    assert_int_equal(store->layout->generation, generation);
    os.fdatasync = ve_os_system.fdatasync;
    assert_int_equal(compact(store, 0), VARVE_OK); /* half of the packed segment is gone */
    assert_true(store->layout->generation > generation);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static int no_room(int fd, uint64_t *ret_free) {
    (void)fd;
    *ret_free = 1000;
    return 0;
}

static void without_room_nothing_is_changed(void **state) {
    (void)state;
    work_book *book = work_book_new();
    char *dump;
    char *path = make_store(book, &dump);
    varve *store = NULL;
    ve_os os = ve_os_system;
    os.room = no_room;
    assert_true(work_open(&os, path, 0, &store));
    varve_close(&store); /* (opening may count segments) */
    uint64_t sum = tree_sum(path);
    assert_true(work_open(&os, path, 0, &store));
    assert_int_equal(compact(store, 0), VARVE_E_NO_SPACE);
    assert_int_equal(compact(store, VARVE_COMPACT_ALL), VARVE_E_NO_SPACE);
    assert_int_equal(tree_sum(path), sum);
    assert_true(answers("without room", store, dump));
    varve_close(&store);
    free(dump);
    scratch_free(path);
    work_book_free(book);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_may_fail),
        cmocka_unit_test(any_call_may_find_no_room),
        cmocka_unit_test(the_disk_may_be_full_from_any_call_on),
        cmocka_unit_test(what_the_disk_does_not_confirm_is_not_packed),
        cmocka_unit_test(nothing_is_dropped_before_what_says_so_is_on_disk),
        cmocka_unit_test(without_room_nothing_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

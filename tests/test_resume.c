/*
 * A writer dies at any store to a shared page; whoever goes on in his place asks how far the input was taken, and is told
 * what the log has: nothing is appended twice, nothing left out.
 */
#include "support/deaths.h"
#include "support/scratch.h"
#include "support/work.h"

typedef struct {
    const char *path;
    work_book *book;
    uint64_t store;
} life;

static bool append_and_die(void *context) {
    const life *l = context;
    varve *store;
    if (!work_open(&deaths_os, l->path, 0, &store))
        return false;
    deaths_at_store(l->store);
    bool good = work_append(store, l->book, 0, 1, VARVE_NONE);
    deaths_unwatch();
    atomic_store(&l->book->counter[0], deaths_stores());
    varve_close(&store);
    return good;
}

static void who_goes_on_is_told_what_the_log_has(void **state) {
    (void)state;
    if (!deaths_can_watch())
        skip();
    uint64_t both = 0, one = 0, step = work_long() ? 1 : 7;
    for (uint64_t at = 1; at != 0; at += step) {
        work_book *book = work_book_new();
        char *path = scratch_new();
        varve *store = NULL;
        work_found found;
        uint32_t next;
        assert_true(work_open(NULL, path, 0, &store) && work_append(store, book, 0, 0, VARVE_NONE));
        varve_close(&store);
        life l = {path, book, at};
        int status = work_in_child(append_and_die, &l);
        assert_true(work_killed(status) || work_succeeded(status));
        assert_true(work_open(NULL, path, 0, &store));
        assert_true(work_resume(store, 0, &next));
        assert_true(next == 1 || next == 2);
        *(next == 1 ? &one : &both) += 1;
        assert_true(work_append(store, book, 0, next, VARVE_NONE));
        assert_true(work_holds(store, book, 1, false, &found)); /* each batch once */
        assert_int_equal(found.batches[0], next + 1);
        varve_close(&store);
        scratch_free(path);
        work_book_free(book);
        if (work_succeeded(status))
            break;
    }
    assert_true(one > 0 && both > 10);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_goes_on_is_told_what_the_log_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A compaction that dies at any system call: whatever it had done, the store opens and answers as before, in processes that
 * live on as well; the next compaction finishes, and then nothing is left over. Also when CONTROL and the index are lost
 * with the machine. VARVE_LONG takes every call, else a sample.
 */
#include "support/deaths.h"
#include "support/dump.h"
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

/* Three packed segments (or none), and raw ones: both kinds of job are due. */
typedef struct {
    char *path, *dump;
    work_book *book;
    uint32_t batches;
} template_store;

static char *dump_of(varve *store) {
    return dump_store(store, DUMP_RECORDS | DUMP_EVENTS, 1);
}

static void template_make(template_store *t, bool packed) {
    varve *store = NULL;
    *t = (template_store){.path = scratch_new(), .book = work_book_new()};
    assert_true(work_open(NULL, t->path, 0, &store));
    for (int i = 0; i < 3 && packed; i++, t->batches += 20) {
        assert_true(work_run(store, t->book, 0, t->batches, 20));
        assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
    }
    assert_int_equal(store->layout->files, packed ? 3 : 0);
    for (uint32_t i = 0; i < 40; i++, t->batches++)
        assert_true(work_append(store, t->book, 0, t->batches, VARVE_NONE));
    assert_true(vf_lsn_segment(ve_tail(store)) > store->layout->first_raw + 1);
    t->dump = dump_of(store);
    varve_close(&store);
}

static void template_free(template_store *t) {
    free(t->dump);
    scratch_free(t->path);
    work_book_free(t->book);
}

static bool compacts(varve *store, uint32_t flags) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = flags;
    int result = varve_compact(store, &options, NULL);
    return result == VARVE_OK || work_wrong("compact: %d %s", result, varve_last_error(store));
}

static bool answers(const char *when, varve *store, const char *expected) {
    char *found = dump_of(store);
    bool equal = dump_equal(when, expected, found);
    free(found);
    return equal;
}

/* ---- The death ---- */

typedef struct {
    const template_store *t;
    const char *path;
    uint32_t flags;
    uint64_t call;
    bool halfway;
} death;

static bool compact_and_die(void *context) {
    const death *d = context;
    varve *store;
    if (!work_open(&deaths_os, d->path, 0, &store))
        return false;
    deaths_at_call(d->call, d->halfway);
    bool good = compacts(store, d->flags);
    deaths_at_call(0, false);
    varve_close(&store);
    return good;
}

/* Answers as before; a second compaction finishes, and appending goes on. */
static bool goes_on(const death *d, varve *store) {
    uint32_t writer = 1;
    bool good = answers("after the death", store, d->t->dump) && compacts(store, d->flags) &&
                answers("after the second compaction", store, d->t->dump) && work_verifies(store, 0) && tidy_store(d->path);
    atomic_store(&d->t->book->acked[writer], 0);
    good = good && work_append(store, d->t->book, writer, 0, VARVE_NONE) && work_holds(store, d->t->book, 2, false, NULL) &&
           compacts(store, VARVE_COMPACT_ALL) && tidy_store(d->path) && work_holds(store, d->t->book, 2, false, NULL);
    atomic_store(&d->t->book->acked[writer], 0);
    return good;
}

typedef bool after_death(const death *d, varve *alive, varve *reading);

static bool opened_again(const death *d, varve *alive, varve *reading) {
    (void)alive, (void)reading;
    varve *store = NULL;
    bool good = work_open(NULL, d->path, 0, &store) && goes_on(d, store);
    varve_close(&store);
    return good;
}

static bool opened_after_a_power_cut(const death *d, varve *alive, varve *reading) {
    tree_remove(d->path, "CONTROL");
    tree_remove(d->path, "idx");
    return opened_again(d, alive, reading);
}

static bool read_only_after_a_power_cut(const death *d, varve *alive, varve *reading) {
    (void)alive, (void)reading;
    tree_remove(d->path, "CONTROL");
    varve *store = NULL;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    uint64_t sum = tree_sum(d->path);
    if (varve_open(d->path, &options, &store) < 0)
        return work_wrong("a reader cannot open it");
    bool good = answers("read without CONTROL", store, d->t->dump);
    varve_close(&store);
    return good && (tree_sum(d->path) == sum || work_wrong("reading has changed the store"));
}

/* Handles that were there before: they answer, a compaction by another one clears up, they still answer, and append. */
static bool seen_by_the_living(const death *d, varve *alive, varve *reading) {
    bool looks = d->call / 2 % 2 == 0; /* else they know nothing yet of what is about to go */
    bool good = !looks || (answers("a living writer", alive, d->t->dump) && answers("a living reader", reading, d->t->dump));
    varve *store = NULL;
    good = good && work_open(NULL, d->path, 0, &store) && compacts(store, d->flags);
    varve_close(&store);
    return good && answers("a living writer, later", alive, d->t->dump) &&
           answers("a living reader, later", reading, d->t->dump) && goes_on(d, alive);
}

/* The living one appends before anybody clears up. */
static bool appended_to_by_the_living(const death *d, varve *alive, varve *reading) {
    uint32_t writer = 1;
    atomic_store(&d->t->book->acked[writer], 0);
    bool looks = d->call / 2 % 2 == 0;
    bool good = work_append(alive, d->t->book, writer, 0, VARVE_GROUP) &&
                (!looks || (work_holds(alive, d->t->book, 2, false, NULL) && work_holds(reading, d->t->book, 2, false, NULL)));
    varve *store = NULL;
    good = good && work_open(NULL, d->path, 0, &store) && work_holds(store, d->t->book, 2, false, NULL) &&
           compacts(store, d->flags) && tidy_store(d->path) && work_verifies(store, 0);
    varve_close(&store);
    good = good && work_append(alive, d->t->book, writer, 1, VARVE_NONE) && work_holds(reading, d->t->book, 2, false, NULL) &&
           work_holds(alive, d->t->book, 2, false, NULL);
    atomic_store(&d->t->book->acked[writer], 0);
    return good;
}

/* Dies at a call; false when the compaction was over before. */
static bool die_at(const template_store *t, uint32_t flags, uint64_t call, bool halfway, after_death *after) {
    char *path = scratch_new();
    tree_copy(t->path, path, true);
    varve *alive = NULL, *reading = NULL;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    if (after == seen_by_the_living || after == appended_to_by_the_living)
        assert_true(work_open(NULL, path, 0, &alive) && varve_open(path, &options, &reading) == VARVE_OK);
    death d = {t, path, flags, call, halfway};
    int status = work_in_child(compact_and_die, &d);
    assert_true(work_killed(status) || work_succeeded(status));
    bool good = after(&d, alive, reading);
    if (!good)
        print_error("death at call %llu%s of a compaction (flags %u)\n", (unsigned long long)call, halfway ? " (halfway)" : "",
                    flags);
    varve_close(&alive);
    varve_close(&reading);
    scratch_free(path);
    assert_true(good);
    return work_killed(status);
}

static void die_everywhere(after_death *after, uint32_t start) {
    uint64_t step = work_long() ? 1 : 7;
    for (int packed = 0; packed < 2; packed++) {
        template_store t;
        template_make(&t, packed == 1);
        for (uint32_t flags = 0; flags <= VARVE_COMPACT_ALL; flags++)
            for (uint64_t call = 1 + start % step; die_at(&t, flags, call, call % 2 == 0, after); call += step)
                continue;
        template_free(&t);
    }
}

static void a_death_at_any_call_loses_nothing_and_leaves_nothing(void **state) {
    (void)state;
    die_everywhere(opened_again, 0);
}

static void a_death_of_the_machine_at_any_call_loses_nothing_and_leaves_nothing(void **state) {
    (void)state;
    die_everywhere(opened_after_a_power_cut, 1);
}

static void a_store_without_CONTROL_is_read_whatever_a_dead_compaction_left(void **state) {
    (void)state;
    die_everywhere(read_only_after_a_power_cut, 2);
}

/* The compaction that clears up dies as well, then the machine. */
static bool opened_after_a_second_death(const death *d, varve *alive, varve *reading) {
    for (uint64_t call = 20 + d->call % 3; call < 400; call += work_long() ? 19 : 61) {
        death again = *d;
        char *copy = scratch_new();
        tree_copy(d->path, copy, true);
        again.path = copy;
        again.call = call;
        bool over = !work_killed(work_in_child(compact_and_die, &again));
        bool good = opened_after_a_power_cut(&again, alive, reading);
        scratch_free(copy);
        if (!good)
            return work_wrong("the second death at call %llu", (unsigned long long)call);
        if (over)
            break;
    }
    return true;
}

static void a_death_behind_a_death_loses_nothing_and_leaves_nothing(void **state) {
    (void)state;
    template_store t;
    template_make(&t, false);
    uint64_t step = work_long() ? 3 : 17;
    for (uint64_t call = 3; die_at(&t, 0, call, false, opened_after_a_second_death); call += step)
        continue;
    template_free(&t);
}

static void a_death_at_any_call_is_not_noticed_by_the_living(void **state) {
    (void)state;
    die_everywhere(seen_by_the_living, 3);
}

static void the_living_append_whatever_a_dead_compaction_left(void **state) {
    (void)state;
    die_everywhere(appended_to_by_the_living, 0);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_death_at_any_call_loses_nothing_and_leaves_nothing),
        cmocka_unit_test(a_death_of_the_machine_at_any_call_loses_nothing_and_leaves_nothing),
        cmocka_unit_test(a_store_without_CONTROL_is_read_whatever_a_dead_compaction_left),
        cmocka_unit_test(a_death_behind_a_death_loses_nothing_and_leaves_nothing),
        cmocka_unit_test(a_death_at_any_call_is_not_noticed_by_the_living),
        cmocka_unit_test(the_living_append_whatever_a_dead_compaction_left),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%llu deaths\n", (unsigned long long)work_deaths());
    return result;
}

/*
 * What a fork costs: one record, however long the parent is; and it reads back as the parent does.
 */
#include "tests/support/scratch.h"

enum { EVENTS = 100000, BATCH = 5000, FORKED_AT = 99000 };

static void fill(varve *store) {
    for (int done = 0; done < EVENTS; done += BATCH)
        scratch_append(store, "parent", "user", BATCH);
}

static varve_appended fork_at(varve *store, const char *child, uint64_t seq) {
    varve_batch *batch;
    varve_appended appended = {.size = sizeof appended};
    varve_event event = scratch_event(child, "");
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_fork(batch, &event, varve_cstr(NULL), varve_cstr("parent"), seq) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, &appended), VARVE_OK);
    varve_batch_free(&batch);
    return appended;
}

/* All records of the store from 'from_lsn' on. */
static int records_from(varve *store, uint64_t from_lsn) {
    varve_cursor *cursor;
    varve_event event;
    int count = 0, more;
    varve_event_init(&event);
    assert_int_equal(varve_cursor_store(store, from_lsn, VARVE_CURSOR_SETTINGS, &cursor), VARVE_OK);
    while ((more = varve_cursor_next(cursor, &event)) == 1)
        count++;
    assert_int_equal(more, 0);
    varve_cursor_close(&cursor);
    return count;
}

/* Two sessions give the same records, up to and with 'last_seq', and the second no more. */
static void check_same(varve *store, const char *first, const char *second, uint64_t last_seq) {
    varve_cursor *a, *b;
    varve_event of_a, of_b;
    uint64_t count = 0;
    varve_event_init(&of_a);
    varve_event_init(&of_b);
    assert_int_equal(varve_cursor_session(store, varve_cstr(NULL), varve_cstr(first), 0, 0, &a), VARVE_OK);
    assert_int_equal(varve_cursor_session(store, varve_cstr(NULL), varve_cstr(second), 0, 0, &b), VARVE_OK);
    while (varve_cursor_next(b, &of_b) == 1) {
        assert_int_equal(varve_cursor_next(a, &of_a), 1);
        assert_true(of_a.seq == of_b.seq && of_a.lsn == of_b.lsn);
        assert_int_equal(of_a.payload_size, of_b.payload_size);
        assert_memory_equal(of_a.payload, of_b.payload, of_a.payload_size);
        count++;
    }
    assert_int_equal(count, last_seq);
    assert_int_equal(of_b.seq, last_seq);
    varve_cursor_close(&a);
    varve_cursor_close(&b);
}

static void a_fork_is_one_record_however_long_the_parent(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    fill(store);
    scratch_append(store, "short", "user", 1);
    assert_int_equal(varve_stat(store, &before), VARVE_OK);
    varve_appended all = fork_at(store, "all", UINT64_MAX);
    varve_appended part = fork_at(store, "part", FORKED_AT);
    assert_int_equal(varve_stat(store, &after), VARVE_OK);
    assert_int_equal(records_from(store, all.first_lsn), 2);
    assert_true(all.end_lsn - all.first_lsn < 1024);
    assert_true(part.end_lsn - part.first_lsn < 1024);
    assert_true(part.first_lsn == all.end_lsn && after.tail_lsn == part.end_lsn);
    assert_int_equal(after.events, before.events); /* none is counted twice */
    assert_int_equal(after.payload_bytes, before.payload_bytes);
    check_same(store, "parent", "all", EVENTS);
    check_same(store, "parent", "part", FORKED_AT);
    scratch_append(store, "part", "user", 1);
    varve_session child = scratch_session(store, "part");
    assert_int_equal(child.events, 1);
    assert_int_equal(child.last_seq, FORKED_AT + 2); /* its FORK record, its event */
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_is_one_record_however_long_the_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The same event met again, where uids are not looked up as usual: in a session too large to keep its uids in memory, and
 * where a caller vouches for them.
 */
#include "support/scratch.h"

#include "engine/store.h"

static varve_event event_of(const char *uid) {
    varve_event event = scratch_event("s", "user");
    event.present |= VARVE_HAS_UID;
    event.uid = varve_name_uid(varve_cstr("here"), varve_cstr("s"), varve_cstr(uid));
    return event;
}

/* Appends events with these uids; how many were new. */
static size_t append(varve *store, const char *const *uids, size_t count, int trust) {
    varve_batch *batch;
    varve_appended done = {.size = sizeof done};
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    varve_batch_trust_uids(batch, trust);
    for (size_t i = 0; i < count; i++) {
        varve_event event = event_of(uids[i]);
        assert_int_equal(varve_batch_add(batch, &event), (int)i);
    }
    assert_int_equal(varve_append(store, batch, VARVE_NONE, &done), VARVE_OK);
    assert_int_equal(done.stored + done.duplicates, count);
    varve_batch_free(&batch);
    return done.stored;
}

/* The row says that there are more events than anybody keeps the uids of. */
static void make_large(varve *store) {
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    vf_hot *hot = (vf_hot *)(void *)image;
    assert_int_equal(ve_read_row(&store->index, VF_TABLE_SESSIONS, 0, true, image), VARVE_OK);
    vf_put64(&hot->events, 1 << 21);
    vf_row_head head = {0};
    vf_put32(&head.sum, ve_row_sum(VF_TABLE_SESSIONS, 0, image));
    memcpy(image, &head, sizeof head);
    assert_int_equal(ve_place_row(store, &store->index, VF_TABLE_SESSIONS, 0, false, image, ve_changed(&store->index, VF_TABLE_SESSIONS, 0)),
                     VARVE_OK);
}

static void a_session_too_large_to_keep_takes_in_no_event_twice(void **state) {
    (void)state;
    static const char *const first[] = {"a", "b", "c"}, *const more[] = {"d", "b", "e", "d"};
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    assert_int_equal(append(store, first, 3, 0), 3);
    make_large(store);
    assert_int_equal(append(store, more, 4, 0), 2); /* b was there, d comes twice */
    assert_int_equal(append(store, more, 4, 0), 0);
    assert_int_equal(varve_compact(store, &(varve_compact_options){.size = sizeof(varve_compact_options)}, NULL), VARVE_OK);
    assert_int_equal(append(store, first, 3, 0), 0);
    varve_close(&store);
    scratch_free(path);
}

static void uids_that_a_caller_vouches_for_are_not_looked_up(void **state) {
    (void)state;
    static const char *const uids[] = {"a", "b"};
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    assert_int_equal(append(store, uids, 2, 1), 2);
    assert_int_equal(append(store, uids, 2, 0), 0); /* what was stored like this is known all the same */
    assert_int_equal(append(store, uids, 2, 1), 2); /* the caller was wrong */
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_too_large_to_keep_takes_in_no_event_twice),
        cmocka_unit_test(uids_that_a_caller_vouches_for_are_not_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

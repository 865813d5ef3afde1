/*
 * What the model (tests/model/) found in the engine: each of its ways to a loss, taken by the engine itself.
 */
#include "support/scratch.h"
#include "support/work.h"

#include "engine/store.h"

#include <sys/file.h>

static bool append_one(varve *store, const char *session, varve_durability durability, int expected) {
    varve_batch *batch;
    varve_event event = scratch_event(session, "assistant");
    bool good = varve_batch_new(&batch) >= 0 && varve_batch_add(batch, &event) >= 0;
    int result = good ? varve_append(store, batch, durability, NULL) : VARVE_E_NO_MEMORY;
    varve_batch_free(&batch);
    return result == expected || work_wrong("append to %s: %d %s", session, result, varve_last_error(store));
}

/* ---- Who is woken tries ---- */

static struct {
    varve *holder; /* lets go of LOCK.append while the other sleeps */
    int64_t late;  /* how much later it is then */
    int sleeps;
} nap;

static int64_t shifted_monotonic(void) {
    return ve_os_system.monotonic() + nap.late;
}

static void eventful_wait(void *word, uint32_t seen, int64_t nanoseconds) {
    (void)word, (void)seen, (void)nanoseconds;
    nap.sleeps++;
    nap.late = INT64_C(3600000000000);
    ve_unlock(nap.holder, nap.holder->lock_append);
}

static void who_is_woken_too_late_takes_the_lock_if_it_is_free(void **state) {
    (void)state;
    static ve_os os;
    os = ve_os_system;
    os.monotonic = shifted_monotonic;
    os.wait = eventful_wait;
    char *path = scratch_new();
    varve *store = NULL;
    varve_options options;
    assert_true(work_open(NULL, path, 0, &nap.holder));
    varve_options_init(&options);
    options.lock_timeout_ms = 10000;
    assert_int_equal(ve_open(&os, path, &options, &store), VARVE_OK);
    assert_int_equal(ve_lock(nap.holder, nap.holder->lock_append, "LOCK.append"), VARVE_OK);
    assert_true(append_one(store, "s", VARVE_NONE, VARVE_OK)); /* or the wake-up, of which there is one, would be lost */
    assert_int_equal(nap.sleeps, 1);
    varve_close(&store);
    varve_close(&nap.holder);
    scratch_free(path);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_woken_too_late_takes_the_lock_if_it_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

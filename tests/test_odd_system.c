/*
 * Systems and neighbours that are not as usual: no unnamed temporary files, a process that keeps LOCK.sync, a writer that
 * stands still at a row.
 */
#include "support/scratch.h"

#include "engine/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

static ve_os os;
static int refused, named;

static int openat_without_unnamed(int dir, const char *name, int flags, unsigned mode) {
    if ((flags & O_TMPFILE) == O_TMPFILE) {
        refused++;
        errno = EOPNOTSUPP;
        return -1;
    }
    named += strstr(name, "/varve.") != NULL;
    return ve_os_system.openat(dir, name, flags, mode);
}

static void a_private_index_needs_no_unnamed_files(void **state) {
    (void)state;
    char *path = scratch_new(), temp[300];
    varve *store = scratch_open(path, 0);
    scratch_append(store, "s", "user", 3);
    varve_close(&store);
    snprintf(temp, sizeof temp, "%s-temp", path);
    assert_int_equal(mkdir(temp, 0700), 0);
    os = ve_os_system;
    os.openat = openat_without_unnamed;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_NO_INDEX;
    options.temp_dir = temp;
    assert_int_equal(ve_open(&os, path, &options, &store), VARVE_OK);
    assert_int_equal(scratch_session(store, "s").events, 3);
    assert_true(refused > 0 && named == refused);
    scratch_run("test -z \"$(ls -A '%s')\"", temp); /* nothing is left there, even now */
    varve_close(&store);
    scratch_run("rmdir '%s'", temp);
    scratch_free(path);
}

static void who_waits_too_long_for_a_sync_is_told_and_its_event_is_there(void **state) {
    (void)state;
    char *path = scratch_new(), name[300];
    varve_options options;
    varve_options_init(&options);
    options.lock_timeout_ms = 1;
    varve *store;
    varve_batch *batch;
    varve_event event = scratch_event("s", "user");
    assert_int_equal(varve_open(path, &options, &store), VARVE_OK);
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_int_equal(varve_batch_add(batch, &event), 0);
    assert_int_equal(varve_append(store, batch, VARVE_GROUP, NULL), VARVE_OK);
    snprintf(name, sizeof name, "%s/LOCK.sync", path);
    int fd = open(name, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    varve_batch_clear(batch);
    assert_int_equal(varve_batch_add(batch, &event), 0);
    assert_int_equal(varve_append(store, batch, VARVE_GROUP, NULL), VARVE_E_SYNC_FAILED);
    assert_non_null(strstr(varve_last_error(store), "LOCK.sync"));
    assert_int_equal(scratch_session(store, "s").events, 2);
    assert_int_equal(varve_sync(store), VARVE_E_BUSY);
    close(fd);
    assert_int_equal(varve_sync(store), VARVE_OK);
    varve_batch_free(&batch);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* A row's version is odd while it is written. Whoever adds up rows must not count it half-way, nor wait for the dead. */
static void sums_over_rows_step_around_a_writer_that_died_at_one(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_totals totals = {.size = sizeof totals};
    scratch_append(store, "s", "user", 3);
    scratch_append(store, "t", "user", 2);
    assert_int_equal(varve_session_totals(store, &totals), VARVE_OK);
    assert_int_equal(totals.events, 5);
    uint8_t *row = ve_item(&store->index, VF_TABLE_SESSIONS, VF_PART_ROWS, 0, false);
    assert_non_null(row);
    row[0] ^= 1;
    totals.events = 77;
    assert_int_equal(varve_session_totals(store, &totals), VARVE_E_INDEX);
    assert_non_null(strstr(varve_last_error(store), "row 0"));
    assert_int_equal(totals.events, 77);
    row[0] ^= 1;
    assert_int_equal(varve_session_totals(store, &totals), VARVE_OK);
    assert_int_equal(totals.events, 5);
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_private_index_needs_no_unnamed_files),
        cmocka_unit_test(who_waits_too_long_for_a_sync_is_told_and_its_event_is_there),
        cmocka_unit_test(sums_over_rows_step_around_a_writer_that_died_at_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

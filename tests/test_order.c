/*
 * The order of the steps of an append, as others see it: whatever is written, and whenever the disk is asked, a reader that
 * comes at that moment sees whole batches, none that is not written yet, none more when it is; and nothing counts as on disk,
 * and nobody is told so, before the disk has answered. What a signal interrupts is made again.
 */
#include "support/scratch.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

enum { BATCHES = 60 };

static ve_os os;
static const char *place;
static work_book *book;
static bool wrong, busy; /* busy: looking, which may write too */
static uint64_t looks, syncs;

/* How many batches a reader sees that comes now. */
static uint32_t seen(const char *when) {
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    varve *reader = NULL;
    work_found found = {0};
    bool good = varve_open(place, &options, &reader) == VARVE_OK && work_holds(reader, book, 1, true, &found);
    varve_close(&reader);
    if (!good)
        wrong = !work_wrong("seen %s of batch %u", when, atomic_load(&book->acked[0]));
    looks++;
    return found.batches[0];
}

static ssize_t watched_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    if (busy || wrong)
        return ve_os_system.pwritev(fd, parts, count, offset);
    busy = true;
    uint32_t before = seen("before a write"), acked = atomic_load(&book->acked[0]);
    ssize_t done = ve_os_system.pwritev(fd, parts, count, offset);
    uint32_t after = seen("after a write");
    if (before != after || before < acked || before > acked + 1)
        wrong = !work_wrong("%u batches before a write and %u after it, %u acknowledged", before, after, acked);
    busy = false;
    return done;
}

static varve *writer;

static int watched_fdatasync(int fd) {
    uint64_t before = ve_word(&writer->control->synced);
    int result = ve_os_system.fdatasync(fd);
    syncs++;
    if (before != ve_word(&writer->control->synced) || before >= ve_word(&writer->control->tail))
        wrong = !work_wrong("synced is %llx before the disk has answered", (unsigned long long)before);
    return result;
}

static void nobody_sees_a_batch_before_it_is_written_and_published(void **state) {
    (void)state;
    char *path = scratch_new();
    book = work_book_new();
    place = path;
    os = ve_os_system;
    assert_true(work_open(&os, path, 0, &writer) && work_append(writer, book, 0, 0, VARVE_GROUP));
    os.pwritev = watched_pwritev;
    os.fdatasync = watched_fdatasync;
    for (uint32_t number = 1; number < BATCHES && !wrong; number++)
        assert_true(work_append(writer, book, 0, number, number % 3 == 0 ? VARVE_GROUP : VARVE_NONE));
    assert_false(wrong);
    assert_true(looks > BATCHES && syncs > BATCHES / 4);
    assert_true(vf_lsn_segment(ve_word(&writer->control->tail)) > 1); /* a segment was begun meanwhile */
    varve_close(&writer);
    work_book_free(book);
    scratch_free(path);
}

/* ---- Who waits while another one syncs ---- */

static ve_os leads, waits;
static varve *leader, *waiter;
static pthread_t leading;
static _Atomic bool begun, in_sync, sleeps, told, told_early;

static void *lead(void *nothing) {
    (void)nothing;
    return varve_sync(leader) == VARVE_OK ? NULL : leader;
}

/* The disk does not answer before the other one sleeps, or was told. */
static int slow_fdatasync(int fd) {
    atomic_store(&in_sync, true);
    while (!atomic_load(&sleeps) && !atomic_load(&told))
        sched_yield();
    atomic_store(&told_early, atomic_load(&told));
    return ve_os_system.fdatasync(fd);
}

/* Before it tries to lead, with its batch published, the other one does. */
static int late_flock(int fd, int operation) {
    if (fd == waiter->lock_sync && !atomic_exchange(&begun, true)) {
        if (pthread_create(&leading, NULL, lead, NULL) != 0)
            abort();
        while (!atomic_load(&in_sync))
            sched_yield();
    }
    return ve_os_system.flock(fd, operation);
}

static void seen_wait(void *word, uint32_t number, int64_t nanoseconds) {
    atomic_store(&sleeps, true);
    ve_os_system.wait(word, number, nanoseconds);
}

static void nobody_is_told_while_another_one_still_waits_for_the_disk(void **state) {
    (void)state;
    char *path = scratch_new();
    void *failed = NULL;
    book = work_book_new();
    leads = waits = ve_os_system;
    assert_true(work_open(&leads, path, 0, &leader) && work_append(leader, book, 0, 0, VARVE_GROUP));
    assert_true(work_open(&waits, path, 0, &waiter) && work_append(waiter, book, 0, 1, VARVE_GROUP));
    leads.fdatasync = slow_fdatasync;
    waits.flock = late_flock;
    waits.wait = seen_wait;
    bool appended = work_append(waiter, book, 0, 2, VARVE_GROUP);
    atomic_store(&told, true);
    assert_int_equal(pthread_join(leading, &failed), 0);
    assert_true(appended && failed == NULL);
    assert_false(atomic_load(&told_early));
    varve_close(&waiter);
    varve_close(&leader);
    work_book_free(book);
    scratch_free(path);
}

/* ---- A signal ---- */

static uint64_t interrupted;

static ssize_t interrupted_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    if (interrupted++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    return ve_os_system.pwritev(fd, parts, count, offset);
}

static void a_write_that_a_signal_interrupts_is_made_again(void **state) {
    (void)state;
    char *path = scratch_new();
    book = work_book_new();
    os = ve_os_system;
    assert_true(work_open(&os, path, 0, &writer));
    os.pwritev = interrupted_pwritev;
    assert_true(work_run(writer, book, 0, 0, BATCHES) && work_holds(writer, book, 1, false, NULL));
    assert_true(interrupted > BATCHES);
    varve_close(&writer);
    work_book_free(book);
    scratch_free(path);
}

/* ---- What is there already ---- */

static void append_named(varve *store, varve_durability durability, uint64_t duplicates) {
    varve_batch *batch;
    varve_event event = scratch_event("s", "user");
    varve_appended appended = {.size = sizeof appended};
    event.present |= VARVE_HAS_UID;
    event.uid.b[3] = 7;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, durability, &appended), VARVE_OK);
    assert_int_equal(appended.duplicates, duplicates);
    varve_batch_free(&batch);
}

static void a_duplicate_is_acknowledged_when_its_original_is_on_disk(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    append_named(store, VARVE_NONE, 0);
    assert_true(ve_word(&store->control->synced) < ve_word(&store->control->tail));
    append_named(store, VARVE_GROUP, 1);
    assert_true(ve_word(&store->control->synced) == ve_word(&store->control->tail));
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_sees_a_batch_before_it_is_written_and_published),
        cmocka_unit_test(nobody_is_told_while_another_one_still_waits_for_the_disk),
        cmocka_unit_test(a_write_that_a_signal_interrupts_is_made_again),
        cmocka_unit_test(a_duplicate_is_acknowledged_when_its_original_is_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Snapshots: a store that is another one as it was at one moment; brought up to date with what is new; shared files are
 * written to by nobody; what is none of ours is not touched.
 */
#include "support/deaths.h"
#include "support/digest.h"
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/pack.h"

#include <errno.h>
#include <fcntl.h>

typedef struct {
    char *path;     /* the source */
    char dest[300]; /* beside it */
    work_book *book;
    varve *store;
    uint32_t next; /* batch of writer 0 */
} place;

static void append(place *p, uint32_t batches) {
    assert_true(work_run(p->store, p->book, 0, p->next, batches));
    p->next += batches;
}

static void compact(place *p, uint32_t flags) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = flags;
    assert_int_equal(varve_compact(p->store, &options, NULL), VARVE_OK);
}

static uint32_t segment_now(const place *p) {
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(p->store, &stats), VARVE_OK);
    return vf_lsn_segment(stats.tail_lsn);
}

/* A store with packed and raw segments, of which several are full. */
static void begin(place *p, const ve_os *os) {
    *p = (place){.path = scratch_new(), .book = work_book_new()};
    snprintf(p->dest, sizeof p->dest, "%.*ssnap", (int)(strlen(p->path) - strlen("store")), p->path);
    assert_true(work_open(os, p->path, 0, &p->store));
    append(p, 30);
    compact(p, 0);
    append(p, 40);
}

static void end(place *p) {
    varve_close(&p->store);
    work_book_free(p->book);
    scratch_free(p->path);
}

static varve_snapshot_result take(varve *store, const char *dest) {
    varve_snapshot_result done = {.size = sizeof done};
    int result = varve_snapshot(store, dest, 0, &done);
    if (result < 0)
        print_error("%s\n", varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    return done;
}

static varve *read_only(const ve_os *os, const char *path) {
    varve *store = NULL;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    assert_int_equal(ve_open(os, path, &options, &store), VARVE_OK);
    return store;
}

/* The snapshot tells all that the source does, and is sound. */
static void check_same(place *p, const char *dest) {
    varve *copy = read_only(&ve_os_system, dest);
    assert_int_not_equal(digest_of(copy), 0);
    assert_int_equal(digest_of(copy), digest_of(p->store));
    scratch_verify(copy);
    varve_close(&copy);
}

static struct stat stat_of(const char *path, const char *name) {
    struct stat file = {0};
    char at[600];
    snprintf(at, sizeof at, "%s/%s", path, name);
    assert_int_equal(stat(at, &file), 0);
    return file;
}

static bool is_there(const char *path, const char *name) {
    char at[600];
    snprintf(at, sizeof at, "%s/%s", path, name);
    return access(at, F_OK) == 0;
}

/* ---- What it holds ---- */

static void a_snapshot_is_the_store_at_that_moment(void **state) {
    (void)state;
    place p;
    begin(&p, NULL);
    uint32_t last = segment_now(&p), first = p.store->layout->first_raw;
    assert_true(last >= first + 2);
    varve_snapshot_result done = take(p.store, p.dest);
    assert_int_equal(done.linked_files, p.store->layout->files + (last - first));
    assert_int_equal(done.copied_files, 1);
    assert_int_equal(done.unchanged_files + done.removed_files, 0);
    assert_int_equal(done.tail_lsn, ve_tail(p.store));
    assert_false(is_there(p.dest, "CONTROL") || is_there(p.dest, "idx") || is_there(p.dest, "tmp.snapshot"));
    check_same(&p, p.dest);
    end(&p);
}

static void everything_packed_and_nothing_at_all_are_taken_too(void **state) {
    (void)state;
    place p;
    begin(&p, NULL);
    compact(&p, VARVE_COMPACT_ALL);
    assert_int_equal(take(p.store, p.dest).copied_files, 0);
    check_same(&p, p.dest);
    end(&p);
    char *empty = scratch_new();
    varve *store = scratch_open(empty, 0);
    char dest[300];
    snprintf(dest, sizeof dest, "%s-snap", empty);
    take(store, dest);
    varve *copy = scratch_open(dest, 0);
    scratch_append(copy, "s", "user", 3);
    scratch_verify(copy);
    varve_close(&copy);
    varve_close(&store);
    scratch_free(empty);
}

static void a_handle_that_only_reads_takes_one_also_of_a_snapshot(void **state) {
    (void)state;
    place p;
    char second[320];
    begin(&p, NULL);
    varve *reader = read_only(&ve_os_system, p.path);
    append(&p, 12); /* behind the moment at which it was opened */
    take(reader, p.dest);
    check_same(&p, p.dest);
    varve_close(&reader);
    reader = read_only(&ve_os_system, p.dest); /* no CONTROL there */
    uint64_t before = tree_sum(p.dest);
    snprintf(second, sizeof second, "%s-2", p.dest);
    take(reader, second);
    check_same(&p, second);
    assert_int_equal(tree_sum(p.dest), before);
    place q = {.book = p.book}; /* a writer comes behind the moment at which it was opened */
    assert_true(work_open(NULL, p.dest, 0, &q.store) && work_run(q.store, p.book, 1, 0, 12));
    take(reader, second);
    check_same(&q, second);
    varve_close(&q.store);
    varve_close(&reader);
    end(&p);
}

/* ---- Brought up to date ---- */

static void an_update_takes_what_is_new(void **state) {
    (void)state;
    place p;
    char name[32], old[32];
    begin(&p, NULL);
    take(p.store, p.dest);
    varve_snapshot_result done = take(p.store, p.dest);
    assert_int_equal(done.linked_files + done.copied_files + done.removed_files + done.copied_bytes, 0);
    uint32_t was = segment_now(&p), first = p.store->layout->first_raw;
    snprintf(old, sizeof old, "seg/%08u.log", first);
    struct stat before = stat_of(p.dest, old);
    append(&p, 40);
    uint32_t is = segment_now(&p);
    assert_true(is >= was + 2);
    done = take(p.store, p.dest);
    assert_int_equal(done.linked_files, is - was); /* and the one that was copied while it was written */
    assert_int_equal(done.copied_files, 1);
    assert_int_equal(done.copied_bytes, vf_lsn_offset(done.tail_lsn));
    assert_int_equal(done.unchanged_files, p.store->layout->files + (was - first));
    assert_int_equal(stat_of(p.dest, old).st_ino, before.st_ino);
    for (uint32_t number = first; number <= is; number++) {
        snprintf(name, sizeof name, "seg/%08u.log", number);
        bool same = stat_of(p.dest, name).st_ino == stat_of(p.path, name).st_ino;
        assert_int_equal(same, number != is);
    }
    check_same(&p, p.dest);
    compact(&p, 0);
    done = take(p.store, p.dest);
    assert_int_equal(done.linked_files, 1);
    assert_int_equal(done.removed_files, is - first + 1 + 1); /* and the former manifest */
    assert_false(is_there(p.dest, old));
    check_same(&p, p.dest);
    end(&p);
}

static void a_copy_of_a_snapshot_is_brought_up_to_date_too(void **state) {
    (void)state;
    place p;
    char moved[320];
    begin(&p, NULL);
    take(p.store, p.dest);
    snprintf(moved, sizeof moved, "%s-moved", p.dest);
    tree_copy(p.dest, moved, false);
    check_same(&p, moved);
    append(&p, 20);
    take(p.store, moved);
    check_same(&p, moved);
    end(&p);
}

static void what_the_source_does_later_leaves_a_snapshot_as_it_was(void **state) {
    (void)state;
    place p;
    begin(&p, NULL);
    take(p.store, p.dest);
    uint64_t before = tree_sum(p.dest);
    append(&p, 30);
    compact(&p, 0);
    append(&p, 10);
    compact(&p, VARVE_COMPACT_ALL);
    append(&p, 10);
    assert_int_equal(tree_sum(p.dest), before);
    varve *copy = read_only(&ve_os_system, p.dest);
    scratch_verify(copy);
    varve_close(&copy);
    end(&p);
}

static void a_snapshot_that_is_written_to_leaves_the_source_as_it_was(void **state) {
    (void)state;
    for (int all = 0; all < 2; all++) {
        place p, q;
        begin(&p, NULL);
        if (all == 1)
            compact(&p, VARVE_COMPACT_ALL);
        take(p.store, p.dest);
        assert_int_equal(varve_sync(p.store), VARVE_OK);
        uint64_t before = tree_sum(p.path), told = digest_of(p.store);
        q = (place){.path = p.dest, .book = p.book};
        assert_true(work_open(NULL, p.dest, 0, &q.store));
        assert_true(work_run(q.store, p.book, 1, 0, 25));
        compact(&q, 0);
        assert_true(work_run(q.store, p.book, 1, 25, 5));
        compact(&q, VARVE_COMPACT_ALL);
        assert_true(work_run(q.store, p.book, 1, 30, 2));
        assert_true(work_holds(q.store, p.book, 2, false, NULL));
        scratch_verify(q.store);
        varve_close(&q.store);
        assert_int_equal(tree_sum(p.path), before);
        assert_int_equal(digest_of(p.store), told);
        scratch_verify(p.store);
        assert_int_equal(varve_snapshot(p.store, p.dest, 0, NULL), VARVE_E_EXISTS); /* it went its own way */
        append(&p, 3);
        scratch_verify(p.store);
        end(&p);
    }
}

/* ---- Other file systems ---- */

static int no_link(int from_dir, const char *from, int to_dir, const char *to) {
    (void)from_dir, (void)from, (void)to_dir, (void)to;
    errno = EXDEV;
    return -1;
}

static ssize_t no_copy(int from, int to, int64_t offset, size_t size) {
    (void)from, (void)to, (void)offset, (void)size;
    errno = EXDEV;
    return -1;
}

/* Sealed files are copied once. */
static void check_copies(place *p, const char *dest) {
    varve_snapshot_result done = take(p->store, dest);
    uint64_t sealed = p->store->layout->files + segment_now(p) - p->store->layout->first_raw;
    assert_int_equal(done.linked_files, 0);
    assert_int_equal(done.copied_files, sealed + 1);
    check_same(p, dest);
    uint32_t was = segment_now(p);
    append(p, 20);
    done = take(p->store, dest);
    assert_int_equal(done.unchanged_files, sealed);
    assert_int_equal(done.copied_files, segment_now(p) - was + 1);
    check_same(p, dest);
    compact(p, 0);
    take(p->store, dest);
    check_same(p, dest);
    done = take(p->store, dest);
    assert_int_equal(done.copied_bytes, 0);
}

static void what_cannot_be_linked_is_copied(void **state) {
    (void)state;
    ve_os os = ve_os_system;
    os.linkat = no_link;
    for (int i = 0; i < 2; i++) {
        place p;
        begin(&p, NULL);
        p.store->os = &os;
        check_copies(&p, p.dest);
        p.store->os = &ve_os_system;
        end(&p);
        os.copy = no_copy;
    }
}

static void what_is_large_is_copied_in_pieces(void **state) {
    (void)state;
    static char payload[3 << 20];
    ve_os os = ve_os_system;
    os.linkat = no_link;
    os.copy = no_copy;
    place p;
    begin(&p, NULL);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (char)(i * 7919 >> 9);
    varve_batch *batch;
    varve_event event = scratch_event("large", "user");
    event.payload = payload;
    event.payload_size = sizeof payload;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(p.store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
    p.store->os = &os;
    take(p.store, p.dest);
    p.store->os = &ve_os_system;
    check_same(&p, p.dest);
    end(&p);
}

static void a_packed_segment_is_never_made_over_a_file_that_exists(void **state) {
    (void)state;
    place p;
    ve_pack pack;
    char name[32], at[400];
    begin(&p, NULL);
    take(p.store, p.dest);
    snprintf(name, sizeof name, "seg/%08u.log", p.store->layout->first_raw);
    snprintf(at, sizeof at, "%s/seg/00000077.seg", p.path); /* as if it were a left-over */
    scratch_run("ln '%s/%s' '%s'", p.dest, name, at);
    uint64_t before = tree_sum(p.dest);
    assert_int_equal(ve_pack_begin(&pack, p.store, 77, VF_TIER_HOT), VARVE_OK);
    ve_pack_end(&pack, false);
    assert_int_equal(tree_sum(p.dest), before);
    end(&p);
}

static void a_snapshot_lies_on_another_file_system(void **state) {
    (void)state;
    struct stat here, there;
    place p;
    char dest[] = "/dev/shm/varve-test-XXXXXX";
    begin(&p, NULL);
    if (stat(p.path, &here) < 0 || stat("/dev/shm", &there) < 0 || here.st_dev == there.st_dev || mkdtemp(dest) == NULL) {
        end(&p);
        skip();
    }
    check_copies(&p, dest);
    scratch_run("rm -rf '%s'", dest);
    end(&p);
}

/* ---- Refusals ---- */

static void refuse(place *p, const char *dest, int error, const char *words) {
    uint64_t before = is_there(dest, "") ? tree_sum(dest) : 0;
    int result = varve_snapshot(p->store, dest, 0, NULL);
    if (result != error || strstr(varve_last_error(p->store), words) == NULL || strchr(varve_last_error(p->store), '\n') != NULL)
        print_error("%s for %s: %d %s\n", dest, words, result, varve_last_error(p->store));
    assert_int_equal(result, error);
    assert_non_null(strstr(varve_last_error(p->store), words));
    assert_int_equal(is_there(dest, "") ? tree_sum(dest) : 0, before);
}

static void what_is_none_of_ours_is_refused(void **state) {
    (void)state;
    place p;
    char at[400];
    begin(&p, NULL);
    assert_int_equal(varve_sync(p.store), VARVE_OK);
    refuse(&p, p.path, VARVE_E_ARGUMENT, "lies in it");
    snprintf(at, sizeof at, "%s/seg", p.path);
    refuse(&p, at, VARVE_E_ARGUMENT, "lies in it");
    snprintf(at, sizeof at, "%s/backup", p.path);
    refuse(&p, at, VARVE_E_ARGUMENT, "lies in it");
    assert_false(is_there(p.path, "backup"));
    snprintf(at, sizeof at, "%s/no/such", p.dest);
    refuse(&p, at, VARVE_E_IO, "cannot be made");
    snprintf(at, sizeof at, "%s/..", p.path);
    refuse(&p, at, VARVE_E_EXISTS, "is not empty and no snapshot");
    snprintf(at, sizeof at, "%s-other", p.path);
    varve *other = scratch_open(at, 0);
    refuse(&p, at, VARVE_E_EXISTS, "holds another store");
    varve_close(&other);
    scratch_run("mkdir -p '%s/seg' && touch '%s/seg/00000001.log'", p.dest, p.dest);
    refuse(&p, p.dest, VARVE_E_EXISTS, "is not empty and no snapshot");
    scratch_run("cp '%s/STORE' '%s/tmp.snapshot'", at, p.dest); /* half made, of another store */
    refuse(&p, p.dest, VARVE_E_EXISTS, "is not empty and no snapshot");
    assert_int_equal(varve_snapshot(p.store, "", 0, NULL), VARVE_E_ARGUMENT);
    assert_int_equal(varve_snapshot(p.store, NULL, 0, NULL), VARVE_E_ARGUMENT);
    assert_int_equal(varve_snapshot(p.store, p.dest, 1, NULL), VARVE_E_ARGUMENT);
    end(&p);
}

static void what_went_its_own_way_is_refused(void **state) {
    (void)state;
    place p;
    varve *copy;
    char name[32], ahead[320];
    begin(&p, NULL);
    take(p.store, p.dest);
    snprintf(ahead, sizeof ahead, "%s-2", p.dest);
    tree_copy(p.dest, ahead, false);
    assert_true(work_open(NULL, ahead, 0, &copy));
    refuse(&p, ahead, VARVE_E_EXISTS, "it was written to");
    assert_true(work_run(copy, p.book, 1, 0, 1));
    varve_close(&copy);
    tree_remove(ahead, "CONTROL");
    refuse(&p, ahead, VARVE_E_EXISTS, "has more than the store");
    append(&p, 2); /* as far as that or farther, but not the same */
    refuse(&p, ahead, VARVE_E_EXISTS, "is not that of the store");
    assert_true(work_open(NULL, ahead, 0, &copy));
    assert_true(work_run(copy, p.book, 1, 1, 30));
    varve_close(&copy);
    tree_remove(ahead, "CONTROL");
    refuse(&p, ahead, VARVE_E_EXISTS, "");
    assert_true(work_open(NULL, ahead, 0, &copy));
    assert_int_equal(varve_compact(copy, NULL, NULL), VARVE_OK);
    varve_close(&copy);
    tree_remove(ahead, "CONTROL");
    refuse(&p, ahead, VARVE_E_EXISTS, "it was compacted");
    snprintf(name, sizeof name, "seg/%08u.log", segment_now(&p));
    uint64_t size = (uint64_t)stat_of(p.dest, name).st_size;
    tree_flip(p.dest, name, (size_t)size - 9, 3); /* its own file, and the end that recovery would cut off */
    refuse(&p, p.dest, VARVE_E_EXISTS, "is not that of the store");
    end(&p);
}

static void one_at_a_time_and_beside_nobody_who_opens_it(void **state) {
    (void)state;
    place p;
    begin(&p, NULL);
    take(p.store, p.dest);
    varve *copy = read_only(&ve_os_system, p.dest);
    assert_int_equal(ve_open_lock(copy, "LOCK.append", &copy->lock_append), VARVE_OK);
    assert_int_equal(ve_lock(copy, copy->lock_append, "LOCK.append"), VARVE_OK);
    p.store->lock_timeout_ms = 50;
    refuse(&p, p.dest, VARVE_E_BUSY, "LOCK.append");
    varve_close(&copy);
    take(p.store, p.dest);
    end(&p);
}

static void a_log_with_a_missing_segment_is_not_passed_off_as_whole(void **state) {
    (void)state;
    place p;
    char name[32];
    begin(&p, NULL);
    take(p.store, p.dest);
    uint64_t before = tree_sum(p.dest);
    append(&p, 25);
    snprintf(name, sizeof name, "seg/%08u.log", segment_now(&p) - 1);
    tree_remove(p.path, name);
    assert_int_equal(varve_snapshot(p.store, p.dest, 0, NULL), VARVE_E_CORRUPT);
    varve *copy = read_only(&ve_os_system, p.dest);
    scratch_verify(copy);
    varve_close(&copy);
    assert_int_not_equal(before, 0);
    end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_is_the_store_at_that_moment),
        cmocka_unit_test(everything_packed_and_nothing_at_all_are_taken_too),
        cmocka_unit_test(a_handle_that_only_reads_takes_one_also_of_a_snapshot),
        cmocka_unit_test(an_update_takes_what_is_new),
        cmocka_unit_test(a_copy_of_a_snapshot_is_brought_up_to_date_too),
        cmocka_unit_test(what_the_source_does_later_leaves_a_snapshot_as_it_was),
        cmocka_unit_test(a_snapshot_that_is_written_to_leaves_the_source_as_it_was),
        cmocka_unit_test(what_cannot_be_linked_is_copied),
        cmocka_unit_test(what_is_large_is_copied_in_pieces),
        cmocka_unit_test(a_packed_segment_is_never_made_over_a_file_that_exists),
        cmocka_unit_test(a_snapshot_lies_on_another_file_system),
        cmocka_unit_test(what_is_none_of_ours_is_refused),
        cmocka_unit_test(what_went_its_own_way_is_refused),
        cmocka_unit_test(one_at_a_time_and_beside_nobody_who_opens_it),
        cmocka_unit_test(a_log_with_a_missing_segment_is_not_passed_off_as_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A full disk: a retention makes room where there is none, and appends go on; a compaction refuses in one line and leaves
 * nothing over. On a counted disk, and on a small file system where one can be mounted.
 */
#include "support/deaths.h"
#include "support/dump.h"
#include "support/figures.h"
#include "support/room.h"
#include "support/scratch.h"
#include "support/small.h"
#include "support/tidy.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>

enum { SESSIONS = 40, EVENTS = 20 };

static int64_t hours(int n) {
    return 1700000000000000000 + (int64_t)n * 3600000000000;
}

static bool open_store(const ve_os *os, const char *path, varve **ret_store) {
    char error[300] = "";
    varve_options options;
    varve_options_init(&options);
    options.segment_size = 256 << 10;
    options.machine_id = varve_cstr("m");
    options.error = error;
    options.error_size = sizeof error;
    int result = ve_open(os, path, &options, ret_store);
    return result == VARVE_OK || work_wrong("open: %d %s", result, error);
}

/* Events of the session of a number, as old as it is; what they say does not become much smaller. */
static int append(varve *store, int number, varve_durability durability) {
    char id[32], payload[800];
    varve_batch *batch;
    snprintf(id, sizeof id, "session-%d", number % SESSIONS);
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    for (uint32_t n = 0; n < EVENTS; n++) {
        varve_event event = scratch_event(id, "user");
        event.time = hours(number % SESSIONS);
        event.present = VARVE_HAS_TIME | VARVE_HAS_TOKENS | VARVE_HAS_COST;
        event.tokens[0] = event.cost = n + 1;
        for (uint32_t i = 0; i < sizeof payload; i++)
            payload[i] = (char)(' ' + work_mix((uint32_t)number, n, i) % 90);
        event.payload = payload;
        event.payload_size = sizeof payload;
        assert_true(varve_batch_add(batch, &event) >= 0);
    }
    int result = varve_append(store, batch, durability, NULL);
    varve_batch_free(&batch);
    return result;
}

/* Until nothing goes in any more. */
static int fill(varve *store, int number, bool pack) {
    int result = VARVE_OK;
    for (; number < 100000 && result == VARVE_OK; number++) {
        result = append(store, number, number % 7 == 0 ? VARVE_GROUP : VARVE_NONE);
        if (pack && number % 40 == 39)
            varve_compact(store, NULL, NULL); /* as long as it finds room */
    }
    assert_int_equal(result, VARVE_E_NO_SPACE);
    return number;
}

/* Also what is left at the tail of the active segment. */
static void fill_up(varve *store) {
    varve_batch *batch;
    varve_event event = scratch_event("last", "Stop");
    int result;
    do {
        assert_int_equal(varve_batch_new(&batch), VARVE_OK);
        assert_true(varve_batch_add(batch, &event) >= 0);
        result = varve_append(store, batch, VARVE_NONE, NULL);
        varve_batch_free(&batch);
    } while (result == VARVE_OK);
    assert_int_equal(result, VARVE_E_NO_SPACE);
}

static int retain(varve *store, uint32_t flags, varve_retained *done) {
    varve_retention asked = {.size = sizeof asked, .flags = flags, .before = hours(SESSIONS / 2)};
    *done = (varve_retained){.size = sizeof *done};
    int result = varve_retain(store, &asked, done);
    if (result < 0)
        print_error("retain: %d %s\n", result, varve_last_error(store));
    return result;
}

static void same(const char *what, char *expected, char *found) {
    bool equal = dump_equal(what, expected, found);
    free(expected);
    free(found);
    assert_true(equal);
}

/* All that is published, also what the index had no room to follow. */
static void tell(const char *path, char **ret_figures, char **ret_shown) {
    varve *reader;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_NO_INDEX;
    assert_int_equal(varve_open(path, &options, &reader), VARVE_OK);
    *ret_figures = figures_of(reader);
    *ret_shown = figures_shown(reader, varve_cstr("m"), varve_cstr("session-30"));
    varve_close(&reader);
}

/* A full store is freed of what is old; it goes on, and so do others. */
static void make_room(varve *store, const ve_os *os, const char *path, uint32_t flags, int number) {
    varve_retained done;
    char *figures, *shown;
    tell(path, &figures, &shown);
    assert_int_equal(retain(store, flags, &done), VARVE_OK);
    assert_int_equal(done.sessions, SESSIONS / 2);
    assert_true(done.removed_bytes > done.written_bytes);
    same("figures", figures, figures_of(store));
    same("what stays", shown, figures_shown(store, varve_cstr(NULL), varve_cstr("session-30")));
    assert_true(tidy_store(path));
    scratch_verify(store);
    assert_int_equal(retain(store, flags, &done), VARVE_OK);
    assert_int_equal(done.sessions, 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(append(store, number / SESSIONS * SESSIONS + 30, VARVE_GROUP), VARVE_OK);
    varve *other;
    assert_true(open_store(os, path, &other));
    scratch_verify(other);
    assert_int_equal(append(other, 31, VARVE_GROUP), VARVE_OK);
    varve_close(&other);
    scratch_verify(store);
}

/* ---- A counted disk ---- */

static void a_retention_makes_room_where_there_is_none(void **state) {
    (void)state;
    for (int packed = 0; packed < 2; packed++)
        for (uint32_t flags = 0; flags <= VARVE_RETAIN_KEEP_SESSIONS; flags++) {
            char *path = scratch_new();
            varve *store;
            room_set(8 << 20);
            assert_true(open_store(room_os(), path, &store));
            int number = fill(store, 0, packed == 1);
            fill_up(store);
            room_set(0);
            make_room(store, room_os(), path, flags, number);
            varve_close(&store);
            scratch_free(path);
        }
}

static void a_session_is_erased_where_there_is_no_room(void **state) {
    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        char *path = scratch_new();
        varve *store;
        varve_forgotten done = {.size = sizeof done};
        room_set(8 << 20);
        assert_true(open_store(room_os(), path, &store));
        fill(store, 0, packed == 1);
        fill_up(store);
        room_set(0);
        char *figures, *shown;
        tell(path, &figures, &shown);
        int result = varve_forget(store, varve_cstr(NULL), varve_cstr("session-3"), VARVE_FORGET_NOW, &done);
        if (result < 0)
            print_error("forget: %s\n", varve_last_error(store));
        assert_int_equal(result, VARVE_OK);
        assert_true(done.sessions == 1 && done.found == 0);
        same("figures", figures, figures_of(store));
        same("what stays", shown, figures_shown(store, varve_cstr(NULL), varve_cstr("session-30")));
        assert_true(tidy_store(path));
        scratch_verify(store);
        assert_int_equal(append(store, 31, VARVE_GROUP), VARVE_OK);
        varve_close(&store);
        scratch_free(path);
    }
}

static void a_compaction_without_room_refuses_and_leaves_nothing(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    room_set(8 << 20);
    assert_true(open_store(room_os(), path, &store));
    fill(store, 0, false);
    room_set(0);
    assert_int_equal(varve_compact(store, NULL, NULL), VARVE_E_NO_SPACE); /* (makes the lock file) */
    for (uint64_t room = 0; room <= 256 << 10; room += 64 << 10) {
        for (uint32_t flags = 0; flags <= VARVE_COMPACT_ALL; flags++) {
            room_set(room);
            char *figures = figures_of(store);
            uint64_t sum = tree_sum(path);
            varve_compact_options options;
            varve_compact_options_init(&options);
            options.flags = flags;
            assert_int_equal(varve_compact(store, &options, NULL), VARVE_E_NO_SPACE);
            assert_true(strlen(varve_last_error(store)) > 0 && strchr(varve_last_error(store), '\n') == NULL);
            assert_int_equal(room_left(), room);
            assert_int_equal(tree_sum(path), sum);
            same("figures", figures, figures_of(store));
        }
    }
    varve_close(&store);
    scratch_free(path);
}

/* A segment of which most is gone is packed again in the room that the rest takes. */
static void a_rewriting_that_shrinks_is_not_refused(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store;
    varve_batch *batch;
    room_set(64 << 20);
    assert_true(open_store(room_os(), path, &store));
    for (int i = 0; i < 400; i++)
        assert_int_equal(append(store, i / 5 * SESSIONS + i % 5, VARVE_NONE), VARVE_OK); /* five sessions */
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = VARVE_COMPACT_ALL;
    assert_int_equal(varve_compact(store, &options, NULL), VARVE_OK);
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    for (int i = 0; i < 4; i++) {
        char id[32];
        snprintf(id, sizeof id, "session-%d", i);
        assert_true(varve_batch_delete(batch, varve_cstr(NULL), varve_cstr(id)) >= 0);
    }
    assert_int_equal(varve_append(store, batch, VARVE_GROUP, NULL), VARVE_OK);
    varve_batch_free(&batch);
    assert_int_equal(store->layout->files, 1);
    uint64_t size = store->layout->file[0]->file_size;
    room_set(size / 2);
    varve_compacted done = {.size = sizeof done};
    int result = varve_compact(store, NULL, &done);
    if (result < 0)
        print_error("%s\n", varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    assert_int_equal(done.made, 1);
    assert_true(store->layout->file[0]->file_size < size / 3);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* ---- A death while the index is given up ---- */

typedef struct {
    const char *path;
    uint64_t call;
    bool halfway;
} death;

static ve_os dying;
static uint64_t left_to_write;

/* Nothing can be written until something was removed: so that the index has to go. */
static ssize_t full_pwritev(int fd, const struct iovec *parts, int count, int64_t offset) {
    if (left_to_write == 0) {
        errno = ENOSPC;
        return -1;
    }
    return deaths_os.pwritev(fd, parts, count, offset);
}

static int full_unlinkat(int dir, const char *name, int flags) {
    int result = deaths_os.unlinkat(dir, name, flags);
    left_to_write += result == 0 && strchr(name, '.') != NULL;
    return result;
}

static bool retain_and_die(void *context) {
    const death *d = context;
    varve *store;
    varve_retained done;
    dying = deaths_os;
    dying.pwritev = full_pwritev;
    dying.unlinkat = full_unlinkat;
    left_to_write = 1;
    if (!open_store(&dying, d->path, &store))
        return false;
    left_to_write = 0;
    deaths_at_call(d->call, d->halfway);
    int result = retain(store, VARVE_RETAIN_KEEP_SESSIONS, &done);
    deaths_at_call(0, false);
    varve_close(&store);
    return result == VARVE_OK;
}

/* 'alive': another writer has the store open all the while, with the index that was given up. */
static bool dies_at(const char *path, uint64_t call, bool alive, const char *figures, const char *shown) {
    char *copy = scratch_new();
    varve *store = NULL, *living = NULL;
    varve_retained done;
    tree_copy(path, copy, true);
    if (alive)
        assert_true(open_store(&ve_os_system, copy, &living));
    death d = {copy, call, call % 2 == 0};
    int status = work_in_child(retain_and_die, &d);
    assert_true(work_killed(status) || work_succeeded(status));
    if (alive) {
        assert_int_equal(append(living, 31, VARVE_NONE), VARVE_OK);
        scratch_verify(living);
    }
    assert_true(open_store(&ve_os_system, copy, &store));
    if (!alive)
        same("figures", strdup(figures), figures_of(store));
    same("what stays", strdup(shown), figures_shown(store, varve_cstr(NULL), varve_cstr("session-30")));
    scratch_verify(store);
    assert_int_equal(retain(store, VARVE_RETAIN_KEEP_SESSIONS, &done), VARVE_OK);
    if (!alive)
        same("figures, later", strdup(figures), figures_of(store));
    scratch_verify(store);
    assert_true(tidy_store(copy));
    varve_close(&store);
    varve_close(&living);
    scratch_free(copy);
    return work_killed(status);
}

static void a_death_without_index_loses_nothing(void **state) {
    (void)state;
    for (int way = 0; way < 4; way++) {
        char *path = scratch_new();
        varve *store;
        assert_true(open_store(&ve_os_system, path, &store));
        for (int i = 0; i < 80; i++)
            assert_int_equal(append(store, i, VARVE_NONE), VARVE_OK);
        if (way % 2 == 0)
            assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
        char *figures = figures_of(store), *shown = figures_shown(store, varve_cstr(NULL), varve_cstr("session-30"));
        varve_close(&store);
        for (uint64_t call = 1 + (uint64_t)way; dies_at(path, call, way >= 2, figures, shown); call += work_long() ? 1 : 17)
            continue;
        free(figures);
        free(shown);
        scratch_free(path);
    }
}

/* ---- A small file system ---- */

static int unmount(void **state) {
    (void)state;
    small_unmount();
    return 0;
}

static void refuses_to_compact(varve *store) {
    char *figures = figures_of(store);
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = VARVE_COMPACT_ALL;
    assert_int_equal(varve_compact(store, &options, NULL), VARVE_E_NO_SPACE);
    assert_true(varve_last_error(store)[0] != 0 && strchr(varve_last_error(store), '\n') == NULL);
    same("figures", figures, figures_of(store));
}

static void a_retention_makes_room_on_a_full_file_system(void **state) {
    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        char *path = scratch_new(), place[300];
        snprintf(place, sizeof place, "%.*s", (int)(strlen(path) - strlen("/store")), path);
        const char *how = small_mount(place, 8);
        const ve_os *os = how != NULL ? &ve_os_system : room_os();
        print_message("%s of 8 MiB\n", how != NULL ? how : "a counted disk (nothing can be mounted here)");
        room_set(8 << 20);
        varve *store;
        assert_true(open_store(os, path, &store));
        int number = fill(store, 0, packed == 1);
        fill_up(store);
        assert_true(how == NULL || small_fill(place));
        room_set(0);
        refuses_to_compact(store);
        make_room(store, os, path, packed == 1 ? VARVE_RETAIN_KEEP_SESSIONS : 0u, number);
        varve_close(&store);
        small_unmount();
        scratch_free(path);
    }
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retention_makes_room_where_there_is_none),
        cmocka_unit_test(a_session_is_erased_where_there_is_no_room),
        cmocka_unit_test(a_compaction_without_room_refuses_and_leaves_nothing),
        cmocka_unit_test(a_rewriting_that_shrinks_is_not_refused),
        cmocka_unit_test(a_death_without_index_loses_nothing),
        cmocka_unit_test_teardown(a_retention_makes_room_on_a_full_file_system, unmount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

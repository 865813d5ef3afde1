/*
 * Symbolic links in a store are not followed: whatever file or directory of a store or of a snapshot is replaced by a link, what it
 * leads to stays as it was, and nothing is made where it leads; what cannot be done without it is told in one line.
 */
#include "engine/store.h"
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { NAMES = 200 };

typedef struct {
    char name[NAMES][64];
    size_t count;
} names;

static char line[1200];

static void keep_line(void *context, const char *text) {
    (void)context;
    snprintf(line, sizeof line, "%s", text);
}

/* All that a store can have: packed and raw segments, locks, a manifest, an index, something in quarantine. */
static void make_store(const char *path) {
    varve *store = scratch_open(path, 64 << 10);
    for (int i = 0; i < 30; i++)
        scratch_append(store, i % 2 == 0 ? "a" : "b", "Stop", 40);
    varve_compact_options options;
    varve_compact_options_init(&options);
    assert_int_equal(varve_compact(store, &options, NULL), VARVE_OK);
    for (int i = 0; i < 30; i++)
        scratch_append(store, "c", "Stop", 20);
    assert_int_equal(varve_sync(store), VARVE_OK);
    varve_close(&store);
}

static void note(void *context, const char *name, size_t size) {
    names *n = context;
    (void)size;
    assert_true(n->count < NAMES && strlen(name) < sizeof *n->name);
    snprintf(n->name[n->count++], sizeof *n->name, "%s", name);
}

static void names_of(const char *path, names *ret) {
    static const char *const directories[] = {"seg", "idx", "idx/1", "quarantine"};
    ret->count = 0;
    tree_each(path, note, ret);
    for (size_t i = 0; i < 4; i++) {
        char full[400];
        snprintf(full, sizeof full, "%s/%s", path, directories[i]);
        if (access(full, F_OK) == 0)
            note(ret, directories[i], 0);
    }
}

/* Moves a part of the store to where the link leads ('dangling': away), and puts the link in its place. */
static void plant(const char *path, const char *name, const char *target, bool dangling) {
    scratch_run("mkdir -p '%s' && mv '%s/%s' '%s/it' && ln -s '%s/it' '%s/%s'", target, path, name, target, target, path, name);
    if (dangling)
        scratch_run("rm -rf '%s/it'", target);
}

static void is_told(int result, const char *error, const char *name) {
    if (result >= 0)
        return;
    bool good = strchr(error, '\n') == NULL && strlen(error) < 500 && strlen(error) > 10;
    if (!good)
        print_error("%s: %d '%s'\n", name, result, error);
    assert_true(good);
}

/* Everything that may touch files, in the order of 'turn'. Answers how many of these failed. */
static int do_all(const char *path, const char *name) {
    varve_options options;
    char error[500] = "";
    varve *store = NULL;
    varve_options_init(&options);
    options.error = error;
    options.error_size = sizeof error;
    options.lock_timeout_ms = 100;
    options.log = keep_line;
    int result = varve_open(path, &options, &store), failed = result < 0;
    is_told(result, error, name);
    for (int step = 0; step < 7 && store != NULL; step++) {
        varve_batch *batch = NULL;
        varve_event event = scratch_event("a", "Stop");
        varve_compact_options compact;
        varve_compact_options_init(&compact);
        compact.flags = step == 4 ? VARVE_COMPACT_ALL : 0;
        switch (step) {
        case 0:
            assert_int_equal(varve_batch_new(&batch), VARVE_OK);
            assert_true(varve_batch_add(batch, &event) >= 0);
            result = varve_append(store, batch, VARVE_GROUP, NULL);
            varve_batch_free(&batch);
            break;
        case 1:
            result = varve_sync(store);
            break;
        case 2:
        case 4:
            result = varve_compact(store, &compact, NULL);
            break;
        case 3:
            result = varve_reindex(store);
            break;
        case 5:
            result = varve_forget(store, varve_cstr(NULL), varve_cstr("b"), 0, NULL);
            break;
        default:
            result = varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL);
            result = result > 0 ? VARVE_OK : result;
        }
        is_told(result, varve_last_error(store), name);
        failed += result < 0;
    }
    varve_close(&store);
    return failed;
}

static int read_all(const char *path, const char *name) {
    varve_options options;
    char error[500] = "";
    varve *store = NULL;
    varve_cursor *cursor = NULL;
    varve_event event;
    varve_options_init(&options);
    varve_event_init(&event);
    options.flags = VARVE_OPEN_READ_ONLY;
    options.error = error;
    options.error_size = sizeof error;
    options.log = keep_line;
    int result = varve_open(path, &options, &store);
    is_told(result, error, name);
    if (result < 0)
        return 1;
    result = varve_cursor_store(store, 0, 0, &cursor);
    while (result == VARVE_OK && (result = varve_cursor_next(cursor, &event)) == 1)
        result = VARVE_OK;
    is_told(result, varve_last_error(store), name);
    varve_cursor_close(&cursor);
    varve_close(&store);
    return result < 0;
}

/* A store that was closed as it should be, one whose machine died, and one that is to be recovered and has a torn end. */
typedef enum { CLOSED, REBOOTED, TORN, CONDITIONS } condition;

static void bring_about(const char *path, condition c) {
    if (c == CLOSED)
        return;
    if (c == TORN) {
        static const char rest[100] = "what a writer left that died";
        names n;
        names_of(path, &n);
        for (size_t i = n.count; i-- > 0;)
            if (strncmp(n.name[i], "seg/", 4) == 0 && strstr(n.name[i], ".log") != NULL) {
                vf_control page;
                tree_read(path, "CONTROL", &page, sizeof page, 0);
                tree_write(path, n.name[i], rest, sizeof rest, vf_lsn_offset(vf_get64(page.tail)));
                scratch_run("head -c 5000 /dev/urandom > '%s/seg/%08u.log'", path, vf_lsn_segment(vf_get64(page.tail)) + 1);
                break;
            }
    }
    tree_remove(path, "CONTROL");
}

static void a_link_in_place_of_any_file_leads_nowhere(void **state) {
    (void)state;
    char *made = scratch_new();
    make_store(made);
    for (condition c = 0; c < CONDITIONS; c++) {
        names n;
        char *sample = scratch_new();
        tree_copy(made, sample, true);
        bring_about(sample, c);
        names_of(sample, &n);
        assert_true(n.count > 20);
        for (size_t i = 0; i < 2 * n.count; i++) {
            const char *name = n.name[i / 2];
            char *path = scratch_new(), target[300];
            snprintf(target, sizeof target, "%s/../target", path);
            tree_copy(sample, path, false);
            plant(path, name, target, i % 2 == 1);
            tree_adopt(path);
            uint64_t before = tree_sum(target);
            int unread = read_all(path, name), failed = do_all(path, name);
            if (tree_sum(target) != before)
                print_error("%s: what the link leads to was changed (%d)\n", name, c);
            assert_int_equal(tree_sum(target), before);
            /* Without these nothing can be done; the index, and what lies in quarantine, are not needed. */
            bool index = strncmp(name, "idx/", 4) == 0;
            bool vital = strcmp(name, "STORE") == 0 || strcmp(name, "seg") == 0 || strcmp(name, "LOCK.append") == 0 ||
                         strcmp(name, "CONTROL") == 0 || strcmp(name, "idx") == 0 || strncmp(name, "manifest.", 9) == 0;
            if ((vital && failed == 0) || (index && failed != 0) || (index && unread != 0))
                print_error("%s (%d): %d failures: %s\n", name, c, failed, line);
            assert_true(!vital || failed > 0);
            assert_true(!index || (failed == 0 && unread == 0));
            scratch_free(path);
        }
        scratch_free(sample);
    }
    scratch_free(made);
}

static void the_line_says_that_it_is_a_link(void **state) {
    (void)state;
    static const char *const vital[] = {"STORE", "LOCK.append", "CONTROL", "seg", "idx"};
    for (size_t i = 0; i < sizeof vital / sizeof *vital; i++) {
        char *path = scratch_new(), target[300], error[500] = "", words[400];
        varve *store = NULL;
        varve_options options;
        varve_options_init(&options);
        options.error = error;
        options.error_size = sizeof error;
        make_store(path);
        snprintf(target, sizeof target, "%s/../target", path);
        plant(path, vital[i], target, false);
        assert_int_equal(varve_open(path, &options, &store), VARVE_E_UNSUITABLE);
        snprintf(words, sizeof words, "%s/%s: cannot be opened: a symbolic link, which is not followed", path, vital[i]);
        assert_string_equal(error, words);
        scratch_free(path);
    }
}

/* The store itself may be reached through one: that is the user's own word. */
static void the_store_may_be_named_by_a_link(void **state) {
    (void)state;
    char *path = scratch_new(), link[300];
    make_store(path);
    snprintf(link, sizeof link, "%s/../link", path);
    scratch_run("ln -s store '%s'", link);
    assert_int_equal(do_all(link, "the store"), 0);
    assert_int_equal(read_all(link, "the store"), 0);
    scratch_free(path);
}

static void what_goes_to_quarantine_goes_through_no_link(void **state) {
    (void)state;
    char *path = scratch_new(), target[300];
    make_store(path);
    snprintf(target, sizeof target, "%s/../target", path);
    plant(path, "quarantine", target, false);
    bring_about(path, TORN);
    uint64_t before = tree_sum(target);
    varve *store = NULL;
    char error[500] = "";
    varve_options options;
    varve_options_init(&options);
    options.error = error;
    options.error_size = sizeof error;
    assert_int_equal(varve_open(path, &options, &store), VARVE_E_UNSUITABLE);
    assert_non_null(strstr(error, "/quarantine: cannot be opened: a symbolic link"));
    assert_int_equal(tree_sum(target), before);
    scratch_run("rm '%s/quarantine'", path); /* it is made when it is needed */
    store = scratch_open(path, 0);
    varve_close(&store);
    scratch_run("test -n \"$(ls '%s/quarantine')\"", path);
    scratch_free(path);
}

static int snapshot_to(const char *path, const char *dest) {
    varve *store = NULL;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    assert_int_equal(varve_open(path, &options, &store), VARVE_OK);
    int result = varve_snapshot(store, dest, 0, NULL);
    is_told(result, varve_last_error(store), dest);
    varve_close(&store);
    return result;
}

/* Both when it is brought up to date and while it is made: tmp.* are its own then. */
static void a_snapshot_goes_through_no_link(void **state) {
    (void)state;
    char *path = scratch_new(), *first = scratch_new();
    make_store(path);
    assert_int_equal(snapshot_to(path, first), VARVE_OK);
    varve *store = scratch_open(path, 0);
    for (int i = 0; i < 40; i++)
        scratch_append(store, "d", "Stop", 40);
    varve_close(&store);
    names n;
    names_of(first, &n);
    note(&n, "tmp.file", 0);
    note(&n, "tmp.snapshot", 0);
    for (size_t i = 0; i < 2 * n.count; i++) {
        const char *name = n.name[i / 2];
        char *dest = scratch_new(), target[300];
        snprintf(target, sizeof target, "%s/../target", dest);
        scratch_run("cp -a '%s' '%s'", first, dest);
        if (strncmp(name, "tmp.", 4) == 0)
            scratch_run("rm -rf '%s/STORE' && echo mine > '%s/%s'", dest, dest, name);
        plant(dest, name, target, i % 2 == 1);
        uint64_t before = tree_sum(target), source = tree_sum(path);
        (void)snapshot_to(path, dest);
        if (tree_sum(target) != before)
            print_error("%s: what the link leads to was changed\n", name);
        assert_int_equal(tree_sum(target), before);
        assert_int_equal(tree_sum(path), source);
        scratch_free(dest);
    }
    for (size_t i = 0; i < 2 * n.count; i++) { /* links in the store whose snapshot is made */
        const char *name = n.name[i / 2];
        if (strncmp(name, "tmp.", 4) == 0 || strcmp(name, "STORE") == 0 || strcmp(name, "seg") == 0 || strncmp(name, "manifest", 8) == 0)
            continue;
        char *from = scratch_new(), *dest = scratch_new(), target[300];
        snprintf(target, sizeof target, "%s/../target", from);
        tree_copy(path, from, false);
        plant(from, name, target, i % 2 == 1);
        uint64_t before = tree_sum(target);
        varve_options options;
        varve_options_init(&options);
        options.flags = VARVE_OPEN_READ_ONLY;
        store = NULL;
        if (varve_open(from, &options, &store) == VARVE_OK) {
            int result = varve_snapshot(store, dest, 0, NULL);
            is_told(result, varve_last_error(store), name);
            varve_close(&store);
        }
        assert_int_equal(tree_sum(target), before);
        scratch_run("! find '%s' -type l 2>/dev/null | grep -v tmp.file | grep .", dest);
        scratch_free(from);
        scratch_free(dest);
    }
    scratch_free(path);
    scratch_free(first);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_in_place_of_any_file_leads_nowhere),
        cmocka_unit_test(the_line_says_that_it_is_a_link),
        cmocka_unit_test(the_store_may_be_named_by_a_link),
        cmocka_unit_test(what_goes_to_quarantine_goes_through_no_link),
        cmocka_unit_test(a_snapshot_goes_through_no_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

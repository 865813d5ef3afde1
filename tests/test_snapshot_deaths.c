/*
 * Snapshots that are cut off, and those that are taken while others append and compact: what was there before is there, or
 * more of the same log without a gap; another call completes it; and whoever writes to what is half made leaves the source
 * alone.
 */
#include "support/deaths.h"
#include "support/digest.h"
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>
#include <signal.h>

/* ---- Deaths ---- */

typedef struct {
    uint64_t tail, sum, count;
} log_state;

typedef struct {
    char *base;              /* directory of both, as they are before each death */
    char path[300], dest[300];
    work_book *book;
    bool first, linkless;
    log_state former;
    uint64_t source, told;   /* sum of its files, all that it tells */
    uint64_t call;
} scene;

static varve *open_to_read(const char *path) {
    varve *store = NULL;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    return varve_open(path, &options, &store) == VARVE_OK ? store : NULL;
}

static log_state state_of(varve *store, uint64_t limit) {
    log_state state = {.tail = ve_tail(store)};
    state.sum = digest_log(store, limit, &state.count);
    return state;
}

static int no_link(int from_dir, const char *from, int to_dir, const char *to) {
    (void)from_dir, (void)from, (void)to_dir, (void)to;
    errno = EXDEV;
    return -1;
}

static bool snapshot_and_die(void *context) {
    scene *s = context;
    static ve_os os;
    varve *store;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    os = deaths_os;
    if (s->linkless)
        os.linkat = no_link;
    if (ve_open(&os, s->path, &options, &store) < 0)
        return work_wrong("the source does not open");
    deaths_at_call(s->call, true);
    int result = varve_snapshot(store, s->dest, 0, NULL);
    deaths_at_call(0, false);
    if (result < 0)
        work_wrong("snapshot: %d %s", result, varve_last_error(store));
    varve_close(&store);
    return result == VARVE_OK;
}

/* At least the former one, and nothing but what the source has. */
static bool reads_as_a_prefix(const scene *s) {
    varve *copy = open_to_read(s->dest), *source = open_to_read(s->path);
    bool good = source != NULL && (copy != NULL || s->first);
    if (good && copy != NULL) {
        log_state now = state_of(copy, UINT64_MAX), then = state_of(copy, s->former.tail);
        log_state whole = state_of(source, now.tail);
        if (then.sum != s->former.sum || then.count != s->former.count)
            good = work_wrong("it has not what it had: %llu of %llu records", (unsigned long long)then.count, (unsigned long long)s->former.count);
        else if (now.sum != whole.sum || now.count != whole.count)
            good = work_wrong("its log is not that of the source: %llu of %llu records", (unsigned long long)now.count, (unsigned long long)whole.count);
        good = good && (!s->first || now.tail == ve_tail(source) || work_wrong("half made, and a store")) && work_verifies(copy, 0);
    }
    varve_close(&copy);
    varve_close(&source);
    return good;
}

static bool is_completed(const scene *s) {
    varve *source = open_to_read(s->path), *copy = NULL;
    int result = source == NULL ? VARVE_E_IO : varve_snapshot(source, s->dest, 0, NULL);
    bool good = result == VARVE_OK && (copy = open_to_read(s->dest)) != NULL;
    if (!good)
        work_wrong("again: %d %s", result, source == NULL ? "" : varve_last_error(source));
    good = good && digest_of(copy) == s->told && work_verifies(copy, 0);
    varve_close(&copy);
    varve_close(&source);
    char command[700];
    snprintf(command, sizeof command, "cd '%s' && test -z \"$(find . -name 'tmp.*')\"", s->dest);
    return good && system(command) == 0;
}

/* Goes on where it ended, over the end of a segment, and packs all. */
static bool is_written_to(const scene *s) {
    varve *copy;
    work_book *book = work_book_new();
    varve_compact_options all;
    varve_compact_options_init(&all);
    all.flags = VARVE_COMPACT_ALL;
    bool good = work_open(NULL, s->dest, 0, &copy);
    if (good) {
        good = work_run(copy, book, 9, 0, 12) && varve_compact(copy, NULL, NULL) == VARVE_OK && work_run(copy, book, 9, 12, 2) &&
               varve_compact(copy, &all, NULL) == VARVE_OK && work_run(copy, book, 9, 14, 1) && work_verifies(copy, 0);
        varve_close(&copy);
    }
    work_book_free(book);
    return good;
}

static bool is_sound_after(const scene *s, bool write) {
    char at[400];
    snprintf(at, sizeof at, "%s/STORE", s->dest);
    bool good = reads_as_a_prefix(s);
    good = good && (write && access(at, F_OK) == 0 ? is_written_to(s) : is_completed(s));
    return good && (tree_sum(s->path) == s->source || work_wrong("the source has changed"));
}

/* Puts both back as they were before; hard links stay such. */
static void set_scene(const scene *s) {
    scratch_run("rm -rf '%s/run' && cp -a '%s/before' '%s/run'", s->base, s->base, s->base);
    tree_adopt(s->path);
}

static void die_everywhere(scene *s) {
    varve *store;
    set_scene(s);
    assert_non_null(store = open_to_read(s->path));
    s->told = digest_of(store);
    varve_close(&store);
    bool died = true;
    uint64_t step = work_long() ? 1 : 3;
    for (s->call = 1; died; s->call += s->call < 60 ? 1 : step)
        for (int write = 0; write < 2 && died; write++) {
            if (!work_long() && write != (int)(s->call / 3 % 2))
                continue;
            set_scene(s);
            s->source = tree_sum(s->path);
            int status = work_in_child(snapshot_and_die, s);
            died = work_killed(status);
            assert_true(died || work_succeeded(status));
            bool good = is_sound_after(s, write == 1);
            if (!good)
                print_error("death at call %llu, then %s\n", (unsigned long long)s->call, write ? "written to" : "completed");
            assert_true(good);
        }
    assert_true(s->call > 60);
}

/* A source with packed and raw segments, beside it its snapshot as it was some time before, or none. */
static void make_scene(scene *s, bool first, bool compacted) {
    varve *store;
    *s = (scene){.base = scratch_new(), .book = work_book_new(), .first = first};
    s->base[strlen(s->base) - strlen("/store")] = 0;
    char path[300], dest[300];
    snprintf(path, sizeof path, "%s/before/store", s->base);
    snprintf(dest, sizeof dest, "%s/before/snap", s->base);
    snprintf(s->path, sizeof s->path, "%s/run/store", s->base);
    snprintf(s->dest, sizeof s->dest, "%s/run/snap", s->base);
    scratch_run("mkdir '%s/before'", s->base);
    assert_true(work_open(&deaths_os, path, 0, &store) && work_run(store, s->book, 0, 0, 14));
    assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
    assert_true(work_run(store, s->book, 0, 14, 14));
    if (!first) {
        assert_int_equal(varve_snapshot(store, dest, 0, NULL), VARVE_OK);
        s->former = state_of(store, UINT64_MAX);
        assert_true(work_run(store, s->book, 0, 28, 8));
        if (compacted)
            assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
        assert_true(work_run(store, s->book, 0, 36, 24));
    }
    varve_close(&store);
}

static void end_scene(scene *s) {
    work_book_free(s->book);
    strcat(s->base, "/store");
    scratch_free(s->base);
}

static void a_death_leaves_no_store_or_a_whole_one_when_it_is_made(void **state) {
    (void)state;
    scene s;
    make_scene(&s, true, false);
    s.former.sum = 3; /* of no records */
    die_everywhere(&s);
    end_scene(&s);
}

static void a_death_leaves_what_was_there_or_more_when_it_is_brought_up_to_date(void **state) {
    (void)state;
    scene s;
    for (int compacted = 0; compacted < 2; compacted++) {
        make_scene(&s, false, compacted == 1);
        die_everywhere(&s);
        end_scene(&s);
    }
}

static void a_death_in_copying_is_no_worse(void **state) {
    (void)state;
    scene s;
    make_scene(&s, false, true);
    s.linkless = true;
    die_everywhere(&s);
    end_scene(&s);
}

/* ---- Beside others ---- */

static varve *other;
static int links;

/* A compaction of everything comes between. */
static int link_after_a_compaction(int from_dir, const char *from, int to_dir, const char *to) {
    varve_compact_options all;
    varve_compact_options_init(&all);
    all.flags = VARVE_COMPACT_ALL;
    if (++links == 2 || links == 4)
        assert_int_equal(varve_compact(other, &all, NULL), VARVE_OK);
    return ve_os_system.linkat(from_dir, from, to_dir, to);
}

static void files_that_a_compaction_takes_away_meanwhile_are_there_packed(void **state) {
    (void)state;
    for (int read_only = 0; read_only < 2; read_only++) {
        scene s;
        make_scene(&s, false, true);
        set_scene(&s);
        ve_os os = ve_os_system;
        os.linkat = link_after_a_compaction;
        links = 0;
        varve *store = read_only ? open_to_read(s.path) : NULL;
        assert_true(work_open(NULL, s.path, 0, &other) && (read_only || work_open(NULL, s.path, 0, &store)));
        store->os = &os;
        assert_int_equal(varve_snapshot(store, s.dest, 0, NULL), VARVE_OK);
        assert_true(links > 2);
        varve *copy = open_to_read(s.dest);
        assert_int_equal(digest_of(copy), digest_of(other));
        scratch_verify(copy);
        varve_close(&copy);
        varve_close(&other);
        store->os = &ve_os_system;
        varve_close(&store);
        end_scene(&s);
    }
}

static scene *updated;

/* The snapshot is brought up to date when its first raw segment is about to be read. */
static int open_after_an_update(int dir, const char *name, int flags, unsigned mode) {
    scene *s = updated;
    if (s != NULL && strlen(name) > 4 && strcmp(name + strlen(name) - 4, ".log") == 0) {
        updated = NULL;
        varve *source = open_to_read(s->path);
        assert_int_equal(varve_snapshot(source, s->dest, 0, NULL), VARVE_OK);
        varve_close(&source);
    }
    return ve_os_system.openat(dir, name, flags, mode);
}

static void who_opens_a_snapshot_that_changes_meanwhile_sees_no_less(void **state) {
    (void)state;
    scene s;
    make_scene(&s, false, true);
    set_scene(&s);
    ve_os os = ve_os_system;
    os.openat = open_after_an_update;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    updated = &s;
    varve *copy;
    assert_int_equal(ve_open(&os, s.dest, &options, &copy), VARVE_OK);
    assert_null(updated);
    log_state now = state_of(copy, s.former.tail);
    assert_int_equal(now.count, s.former.count);
    assert_int_equal(now.sum, s.former.sum);
    scratch_verify(copy);
    copy->os = &ve_os_system;
    varve_close(&copy);
    end_scene(&s);
}

static bool append_for_ever(void *context) {
    scene *s = context;
    varve *store;
    bool good = work_open(NULL, s->path, 0, &store);
    for (uint32_t number = 0; good && atomic_load(&s->book->stop) == 0;)
        if (number / 40 <= atomic_load(&s->book->counter[1])) /* not so far ahead that the check takes long */
            good = work_run(store, s->book, 1, number++, 1);
        else
            usleep(1000);
    varve_close(&store);
    return good;
}

static bool compact_for_ever(void *context) {
    scene *s = context;
    varve *store;
    varve_compact_options options;
    varve_compact_options_init(&options);
    bool good = work_open(NULL, s->path, 0, &store);
    for (uint32_t number = 0; good && atomic_load(&s->book->stop) == 0; number++) {
        options.flags = number % 5 == 4 ? VARVE_COMPACT_ALL : 0;
        good = varve_compact(store, &options, NULL) == VARVE_OK || work_wrong("compact: %s", varve_last_error(store));
    }
    varve_close(&store);
    return good;
}

/* What was acknowledged when it began is there; batches are whole; its index comes out the same. */
static bool take_many(void *context) {
    scene *s = context;
    varve *store = NULL, *copy = NULL;
    work_book *then = work_book_new();
    bool good = true;
    for (int turn = 0; turn < (work_long() ? 200 : 25) && good; turn++) {
        char dest[320];
        atomic_store(&s->book->counter[1], (uint64_t)turn);
        snprintf(dest, sizeof dest, "%s-%d", s->dest, turn % 10 == 0 ? turn : 1);
        good = store != NULL || (store = open_to_read(s->path)) != NULL;
        for (uint32_t w = 0; w < 2; w++)
            atomic_store(&then->acked[w], atomic_load(&s->book->acked[w]));
        good = good && (varve_snapshot(store, dest, 0, NULL) == VARVE_OK || work_wrong("%s", varve_last_error(store)));
        good = good && (copy = open_to_read(dest)) != NULL && work_holds(copy, then, 2, true, NULL) && work_verifies(copy, 0);
        varve_close(&copy);
        if (turn % 2 == 1)
            varve_close(&store);
    }
    varve_close(&store);
    work_book_free(then);
    atomic_store(&s->book->stop, 1);
    return good;
}

static void snapshots_of_a_store_in_use_are_whole(void **state) {
    (void)state;
    scene s;
    make_scene(&s, true, false);
    set_scene(&s);
    bool (*body[])(void *) = {append_for_ever, compact_for_ever};
    pid_t child[2];
    fflush(NULL);
    for (int i = 0; i < 2; i++)
        if ((child[i] = fork()) == 0) {
            alarm(work_long() ? 600 : 120);
            _exit(body[i](&s) ? 0 : 1);
        }
    bool good = take_many(&s);
    for (int i = 0; i < 2; i++) {
        int status = 0;
        waitpid(child[i], &status, 0);
        good = good && work_succeeded(status);
    }
    assert_true(good);
    end_scene(&s);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_death_leaves_no_store_or_a_whole_one_when_it_is_made),
        cmocka_unit_test(a_death_leaves_what_was_there_or_more_when_it_is_brought_up_to_date),
        cmocka_unit_test(a_death_in_copying_is_no_worse),
        cmocka_unit_test(files_that_a_compaction_takes_away_meanwhile_are_there_packed),
        cmocka_unit_test(who_opens_a_snapshot_that_changes_meanwhile_sees_no_less),
        cmocka_unit_test(snapshots_of_a_store_in_use_are_whole),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%llu deaths\n", (unsigned long long)work_deaths());
    return result;
}

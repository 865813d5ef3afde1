/*
 * Forgetting: after VARVE_FORGET_NOW nothing that a session said stands in any file of the store, wherever it had got to;
 * other sessions are unharmed; what is said about it is true.
 */
#include "support/canary.h"
#include "support/figures.h"
#include "support/history.h"
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/forget.h"

#include <fcntl.h>
#include <sys/stat.h>

/* One for each place; a short one of each too. */
static const char *const canaries[] = {
    "canary-of-a-payload-0123456789", "canary-of-a-title-0123456789",  "canary-of-a-directory-0123456789",
    "canary-of-a-transcript-012345",  "canary-of-a-message-0123456789", "canary-of-a-label-0123456789",
    "canary-of-metadata-0123456789",  "canary-of-a-goal-0123456789",    "Cnry-pay", "Cnry-ttl", "Cnry-cwd", "Cnry-txt",
    "Cnry-lbl", "Cnry-met", "Cnry-gol", "canary-of-a-left-over-01234567", "Cnry-lft",
};
enum { CANARIES = sizeof canaries / sizeof *canaries };

static void append(varve *store, varve_batch *batch) {
    int result = varve_append(store, batch, VARVE_NONE, NULL);
    if (result < 0)
        print_error("append: %d %s\n", result, varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    varve_batch_free(&batch);
}

static varve_batch *new_batch(void) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    return batch;
}

/* An event with a canary in all that an event carries; 'plain': with other words. */
static varve_event event_of(const char *id, bool plain, bool brief) {
    varve_event e = scratch_event(id, "user");
    int short_ones = brief ? 8 : 0;
    e.payload = plain ? "{\"said\":\"nothing of note\"}" : brief ? "Cnry-pay" : canaries[0];
    e.payload_size = strlen(e.payload);
    e.str[VARVE_STR_TITLE] = varve_cstr(plain ? "A title" : canaries[short_ones + 1]);
    e.str[VARVE_STR_CWD] = varve_cstr(plain ? "/somewhere" : canaries[short_ones + 2]);
    e.str[VARVE_STR_TEXT] = varve_cstr(plain ? "hello" : brief ? "Cnry-txt" : canaries[4]);
    e.str[VARVE_STR_METADATA] = varve_cstr(plain ? "{}" : brief ? "Cnry-met" : canaries[6]);
    if (!plain)
        e.str[VARVE_STR_TRANSCRIPT_PATH] = varve_cstr(canaries[3]);
    e.str[VARVE_STR_MODEL] = varve_cstr("a-model-of-the-trade");
    e.str[VARVE_STR_FRAMEWORK] = varve_cstr("claude_code");
    e.flags = VARVE_EV_USER_MESSAGE;
    e.present = VARVE_HAS_TOKENS | VARVE_HAS_TIME;
    e.tokens[0] = 10;
    e.time = 1700000000000000000;
    return e;
}

static void say(varve *store, const char *id, bool plain) {
    varve_batch *batch = new_batch();
    for (int brief = 0; brief < 2; brief++) {
        varve_event e = event_of(id, plain, brief == 1);
        assert_true(varve_batch_add(batch, &e) >= 0);
    }
    append(store, batch);
}

static void set(varve *store, const char *id, bool plain, const char *parent) {
    varve_batch *batch = new_batch();
    for (int brief = 0; brief < 2; brief++) {
        varve_event e = scratch_event(id, "");
        char labels[80];
        snprintf(labels, sizeof labels, "team=%s", plain ? "a" : brief ? "Cnry-lbl" : canaries[5]);
        e.str[VARVE_STR_LABELS] = varve_cstr(labels);
        e.str[VARVE_STR_GOAL] = varve_cstr(plain ? "a goal" : brief ? "Cnry-gol" : canaries[7]);
        e.str[VARVE_STR_TITLE] = varve_cstr(plain ? "A title" : brief ? "Cnry-ttl" : canaries[1]);
        e.str[VARVE_STR_PARENT_ID] = varve_cstr(parent);
        assert_true(varve_batch_set(batch, &e) >= 0);
    }
    append(store, batch);
}

static void take_input(varve *store, const char *name, const char *state) {
    varve_batch *batch = new_batch();
    assert_true(varve_batch_cursor(batch, varve_cstr(name), state, strlen(state)) >= 0);
    append(store, batch);
}

static int fork_of(varve *store, const char *id, const char *parent) {
    varve_batch *batch = new_batch();
    varve_event child = scratch_event(id, "");
    child.str[VARVE_STR_TITLE] = varve_cstr(strcmp(parent, "bystander") == 0 ? canaries[1] : "a fork");
    assert_true(varve_batch_fork(batch, &child, varve_cstr(NULL), varve_cstr(parent), 2) >= 0);
    int result = varve_append(store, batch, VARVE_NONE, NULL);
    varve_batch_free(&batch);
    return result;
}

static void delete(varve *store, const char *id) {
    varve_batch *batch = new_batch();
    assert_true(varve_batch_delete(batch, varve_cstr(NULL), varve_cstr(id)) >= 0);
    append(store, batch);
}

static void compact(varve *store, uint32_t flags) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = flags;
    assert_int_equal(varve_compact(store, &options, NULL), VARVE_OK);
}

/* Fills raw segments, so that the next compaction packs what is in them. */
static void fill(varve *store) {
    for (int i = 0; i < 3; i++)
        scratch_append(store, "bystander", "Stop", 300);
}

static varve_forgotten forget(varve *store, const char *id, uint32_t flags, int expected) {
    varve_forgotten done = {.size = sizeof done};
    int result = varve_forget(store, varve_cstr(NULL), varve_cstr(id), flags, &done);
    if (result != expected)
        print_error("forget: %d %s\n", result, varve_last_error(store));
    assert_int_equal(result, expected);
    return done;
}

typedef struct {
    char *path;
    varve *store;
} place;

static void open_place(place *p) {
    *p = (place){.path = scratch_new()};
    assert_true(history_open(p->path, 0, &p->store));
    say(p->store, "bystander", true);
    set(p->store, "bystander", true, NULL);
}

static void close_place(place *p) {
    varve_close(&p->store);
    scratch_free(p->path);
}

static bool is_clean(const place *p) {
    return canary_count(p->path, canaries, CANARIES, true) == 0;
}

/* Nothing is left, and the others are as they were. */
static void forgotten(place *p, const char *id, uint32_t flags) {
    varve_str bystander = varve_cstr("bystander");
    char *before = figures_shown(p->store, varve_cstr(NULL), bystander), *figures = figures_of(p->store);
    assert_true(canary_count(p->path, canaries, CANARIES, false) > 0);
    varve_forgotten done = forget(p->store, id, flags | VARVE_FORGET_NOW, VARVE_OK);
    assert_int_equal(done.found, 0);
    assert_true(done.bytes > 0);
    assert_true(is_clean(p));
    char *after = figures_shown(p->store, varve_cstr(NULL), bystander), *now = figures_of(p->store);
    assert_string_equal(before, after);
    assert_string_equal(figures, now); /* what it cost was paid */
    free(before), free(after), free(figures), free(now);
    scratch_verify(p->store);
    assert_true(tidy_store(p->path));
    varve_close(&p->store); /* nor does it come back with the log */
    tree_remove(p->path, "CONTROL");
    tree_remove(p->path, "idx");
    assert_true(history_open(p->path, 0, &p->store));
    assert_true(is_clean(p));
    scratch_verify(p->store);
}

/* ---- Wherever it stands ---- */

static void nothing_is_left_in_raw_segments(void **state) {
    (void)state;
    place p;
    open_place(&p);
    say(p.store, "s", false);
    set(p.store, "s", false, NULL);
    fill(p.store);
    say(p.store, "s", false);
    forgotten(&p, "s", 0);
    close_place(&p);
}

static void nothing_is_left_in_packed_segments_of_both_tiers(void **state) {
    (void)state;
    for (int tier = 0; tier < 3; tier++) {
        place p;
        open_place(&p);
        for (int i = 0; i < 4; i++) {
            say(p.store, "s", false);
            set(p.store, "s", false, NULL);
            fill(p.store);
            compact(p.store, tier == 1 || (tier == 2 && i == 1) ? VARVE_COMPACT_ALL : 0u);
        }
        assert_true(p.store->layout->files > 0);
        forgotten(&p, "s", 0);
        close_place(&p);
    }
}

/* The records are gone already; the pins, with the texts of the row, are not. */
static void nothing_is_left_in_pins(void **state) {
    (void)state;
    for (int way = 0; way < 2; way++) {
        place p;
        open_place(&p);
        if (way == 0) /* its first record, which stays when it is deleted, says more than who it is */
            assert_int_equal(fork_of(p.store, "s", "bystander"), VARVE_OK);
        set(p.store, "s", false, NULL);
        say(p.store, "s", false);
        fill(p.store);
        compact(p.store, VARVE_COMPACT_ALL);
        if (way == 0) {
            delete(p.store, "s");
            fill(p.store);
            compact(p.store, VARVE_COMPACT_ALL);
        } else {
            varve_retention asked = {.size = sizeof asked, .flags = VARVE_RETAIN_KEEP_SESSIONS, .before = 1700000000000000001};
            varve_retained done = {.size = sizeof done};
            assert_int_equal(varve_retain(p.store, &asked, &done), VARVE_OK);
        }
        forgotten(&p, "s", 0);
        close_place(&p);
    }
}

/* The record of a child is what a stub is known by: it is pinned there. */
static void nothing_is_left_where_a_stub_was_named(void **state) {
    (void)state;
    for (int way = 0; way < 3; way++) {
        place p;
        open_place(&p);
        set(p.store, "agent", false, "parent");
        say(p.store, "agent", false);
        fill(p.store);
        if (way > 0)
            compact(p.store, VARVE_COMPACT_ALL);
        if (way == 2) {
            delete(p.store, "agent");
            fill(p.store);
            compact(p.store, VARVE_COMPACT_ALL);
        }
        forgotten(&p, "agent", 0);
        close_place(&p);
    }
}

static void nothing_is_left_in_names_of_inputs(void **state) {
    (void)state;
    char name[200], state_of[200];
    snprintf(name, sizeof name, "file:%s", canaries[3]);
    snprintf(state_of, sizeof state_of, "at 1 of %s", canaries[0]);
    for (int way = 0; way < 3; way++) {
        place p;
        open_place(&p);
        say(p.store, "s", false);
        take_input(p.store, name, state_of);
        take_input(p.store, "another input", "at 7");
        fill(p.store);
        if (way > 0)
            compact(p.store, 0);
        take_input(p.store, name, state_of);
        if (way == 2)
            compact(p.store, VARVE_COMPACT_ALL);
        forgotten(&p, "s", 0);
        char found[64];
        assert_int_equal(varve_cursor_state(p.store, varve_cstr(name), found, sizeof found), VARVE_E_NOT_FOUND);
        assert_int_equal(varve_cursor_state(p.store, varve_cstr("another input"), found, sizeof found), 4);
        close_place(&p);
    }
}

static void copy_to_quarantine(const place *p) {
    scratch_run("mkdir -p '%s/quarantine' && cp '%s/seg/00000001.log' '%s/quarantine/00000001.log.1700000000'", p->path, p->path,
                p->path);
}

static void nothing_is_left_in_quarantine(void **state) {
    (void)state;
    for (int way = 0; way < 2; way++) {
        place p;
        open_place(&p);
        if (way == 0) { /* with words that are too short to be looked for */
            varve_batch *batch = new_batch();
            varve_event e = scratch_event("s", "user");
            e.payload = "Cnry-pay";
            e.payload_size = 8;
            assert_true(varve_batch_add(batch, &e) >= 0);
            append(p.store, batch);
        } else {
            say(p.store, "s", false);
        }
        copy_to_quarantine(&p);
        fill(p.store);
        compact(p.store, 0);
        if (way == 1) /* nobody knows what it said any more */
            delete(p.store, "s");
        if (way == 1)
            compact(p.store, VARVE_COMPACT_ALL);
        varve_forgotten done = forget(p.store, "s", VARVE_FORGET_NOW, VARVE_OK);
        assert_true(done.quarantined == 1 && done.found == 0);
        assert_true(is_clean(&p));
        close_place(&p);
    }
}

/* What does not speak of it stays in quarantine. */
static void quarantine_of_others_stays(void **state) {
    (void)state;
    place p;
    open_place(&p);
    copy_to_quarantine(&p);
    say(p.store, "s", false);
    assert_int_equal(forget(p.store, "s", VARVE_FORGET_NOW, VARVE_OK).quarantined, 0);
    struct stat file;
    char name[400];
    snprintf(name, sizeof name, "%s/quarantine/00000001.log.1700000000", p.path);
    assert_int_equal(stat(name, &file), 0);
    close_place(&p);
}

/* A writer died before its batch was published: it lies behind the tail. */
static void nothing_is_left_behind_the_tail(void **state) {
    (void)state;
    place p;
    open_place(&p);
    say(p.store, "s", false);
    uint64_t tail = ve_tail(p.store);
    char name[64], text[200];
    snprintf(name, sizeof name, "seg/%08u.log", vf_lsn_segment(tail));
    snprintf(text, sizeof text, "%s Cnry-lft", canaries[15]);
    tree_write(p.path, name, text, strlen(text), vf_lsn_offset(tail) + 640);
    forgotten(&p, "s", 0);
    close_place(&p);
}

static void nothing_is_left_after_many_compactions(void **state) {
    (void)state;
    place p;
    open_place(&p);
    for (int i = 0; i < 12; i++) {
        say(p.store, "s", false);
        if (i % 3 == 0)
            set(p.store, "s", false, NULL);
        fill(p.store);
        compact(p.store, i % 5 == 4 ? VARVE_COMPACT_ALL : 0u);
    }
    forgotten(&p, "s", 0);
    close_place(&p);
}

/* ---- Who is asked, and who goes along ---- */

static void forks_are_asked_for(void **state) {
    (void)state;
    place p;
    open_place(&p);
    say(p.store, "s", false);
    assert_int_equal(fork_of(p.store, "fork", "s"), VARVE_OK);
    say(p.store, "fork", false);
    assert_int_equal(fork_of(p.store, "fork of it", "fork"), VARVE_OK);
    fill(p.store);
    compact(p.store, 0);
    forget(p.store, "s", VARVE_FORGET_NOW, VARVE_E_CONFLICT);
    forget(p.store, "fork", 0, VARVE_E_CONFLICT);
    assert_int_equal(scratch_session(p.store, "s").flags & (VARVE_SS_DELETED | VARVE_SS_FORGOTTEN), 0);
    forgotten(&p, "s", VARVE_FORGET_FORKS);
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(p.store, &stats), VARVE_OK);
    close_place(&p);
}

/* A fork that was deleted itself shares nothing, unless one that is there goes through it. */
static void a_deleted_fork_is_not_asked_for(void **state) {
    (void)state;
    place p;
    open_place(&p);
    say(p.store, "s", false);
    assert_int_equal(fork_of(p.store, "fork", "s"), VARVE_OK);
    assert_int_equal(fork_of(p.store, "fork of it", "fork"), VARVE_OK);
    delete(p.store, "fork");
    forget(p.store, "s", VARVE_FORGET_NOW, VARVE_E_CONFLICT);
    delete(p.store, "fork of it");
    forgotten(&p, "s", 0);
    close_place(&p);
}

static void a_session_may_be_forgotten_again(void **state) {
    (void)state;
    for (uint32_t first = 0; first <= VARVE_FORGET_NOW; first++) {
        place p;
        open_place(&p);
        say(p.store, "s", false);
        set(p.store, "s", false, NULL);
        fill(p.store);
        compact(p.store, 0);
        assert_int_equal(forget(p.store, "s", first, VARVE_OK).sessions, 1);
        assert_true(first == VARVE_FORGET_NOW || canary_count(p.path, canaries, CANARIES, false) > 0);
        varve_forgotten done = forget(p.store, "s", VARVE_FORGET_NOW, VARVE_OK);
        assert_true(done.sessions == 0 && done.found == 0);
        assert_true(is_clean(&p));
        say(p.store, "s", false); /* live events under the same name */
        set(p.store, "s", false, NULL);
        forgotten(&p, "s", 0);
        forget(p.store, "nobody", VARVE_FORGET_NOW, VARVE_E_NOT_FOUND);
        close_place(&p);
    }
}

/* What it cost stays with the parent that it had, whatever is said of it later. */
static void a_gone_child_keeps_its_parent(void **state) {
    (void)state;
    for (int forgets = 0; forgets < 2; forgets++) {
        place p;
        open_place(&p);
        varve_batch *batch = new_batch();
        varve_event e = event_of("s", false, false), late = scratch_event("s", "");
        e.present |= VARVE_HAS_COST;
        e.cost = 7;
        assert_true(varve_batch_add(batch, &e) >= 0);
        append(p.store, batch);
        set(p.store, "s", false, "bystander");
        varve_event outright = scratch_event("s", "");
        outright.present = VARVE_HAS_COST;
        outright.cost = 50;
        batch = new_batch();
        assert_true(varve_batch_set(batch, &outright) >= 0);
        append(p.store, batch);
        assert_int_equal(scratch_session(p.store, "bystander").cost_children, 57);
        if (forgets) {
            forgotten(&p, "s", 0);
        } else {
            delete(p.store, "s");
            fill(p.store);
            compact(p.store, VARVE_COMPACT_ALL);
        }
        late.str[VARVE_STR_PARENT_ID] = varve_cstr("another");
        late.present = VARVE_HAS_COST; /* in place of what was said before */
        late.cost = 100;
        late.time = 1800000000000000000;
        batch = new_batch();
        assert_true(varve_batch_set(batch, &late) >= 0);
        append(p.store, batch);
        assert_int_equal(scratch_session(p.store, "bystander").cost_children, forgets ? 57 : 107);
        batch = new_batch();
        assert_true(varve_batch_rewind(batch, varve_cstr(NULL), varve_cstr("s"), 1) >= 0);
        assert_int_equal(varve_append(p.store, batch, VARVE_NONE, NULL), VARVE_E_NOT_FOUND);
        varve_batch_free(&batch);
        scratch_verify(p.store);
        close_place(&p);
    }
}

/* What others said too stays theirs, and is counted. */
static void what_others_said_too_stays(void **state) {
    (void)state;
    place p;
    open_place(&p);
    say(p.store, "s", false);
    say(p.store, "other", false);
    fill(p.store);
    compact(p.store, 0);
    varve_forgotten done = forget(p.store, "s", VARVE_FORGET_NOW, VARVE_OK);
    assert_true(done.shared > 0 && done.found == 0);
    assert_true(canary_count(p.path, canaries, CANARIES, false) > 0);
    forgotten(&p, "other", 0);
    close_place(&p);
}

/* ---- An erasure that fails is noticed ---- */

static bool keeps_files;
static int keeping_unlinkat(int dir, const char *name, int flags) {
    size_t size = strlen(name);
    bool segment = size > 4 && (strcmp(name + size - 4, ".log") == 0);
    return keeps_files && segment ? 0 : ve_os_system.unlinkat(dir, name, flags);
}

static void what_is_left_is_noticed(void **state) {
    (void)state;
    place p;
    open_place(&p);
    varve_close(&p.store);
    ve_os os = ve_os_system;
    os.unlinkat = keeping_unlinkat;
    varve_options options;
    varve_options_init(&options);
    assert_int_equal(ve_open(&os, p.path, &options, &p.store), VARVE_OK);
    say(p.store, "s", false);
    keeps_files = true;
    varve_forgotten done = forget(p.store, "s", VARVE_FORGET_NOW, VARVE_OK);
    keeps_files = false;
    assert_true(done.found > 0);
    close_place(&p);
}

/* As after an erasure that has left out a file, or the pins: all is there yet. */
static void what_is_left_in_packed_segments_is_noticed(void **state) {
    (void)state;
    for (int pins_only = 0; pins_only < 2; pins_only++) {
        place p;
        uint32_t row = 1;
        open_place(&p);
        set(p.store, "s", false, NULL);
        say(p.store, "s", false);
        fill(p.store);
        compact(p.store, VARVE_COMPACT_ALL);
        varve_retention asked = {.size = sizeof asked, .flags = VARVE_RETAIN_KEEP_SESSIONS, .before = 1700000000000000001};
        varve_retained done = {.size = sizeof done};
        if (pins_only)
            assert_int_equal(varve_retain(p.store, &asked, &done), VARVE_OK);
        ve_forgetting *f = calloc(1, sizeof *f);
        f->store = p.store;
        f->row = &row;
        f->count = 1;
        assert_int_equal(ve_erased(f), VARVE_OK);
        assert_true(f->done.found > 0);
        free(f);
        close_place(&p);
    }
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_in_raw_segments),
        cmocka_unit_test(nothing_is_left_in_packed_segments_of_both_tiers),
        cmocka_unit_test(nothing_is_left_in_pins),
        cmocka_unit_test(nothing_is_left_where_a_stub_was_named),
        cmocka_unit_test(nothing_is_left_in_names_of_inputs),
        cmocka_unit_test(nothing_is_left_in_quarantine),
        cmocka_unit_test(quarantine_of_others_stays),
        cmocka_unit_test(nothing_is_left_behind_the_tail),
        cmocka_unit_test(nothing_is_left_after_many_compactions),
        cmocka_unit_test(forks_are_asked_for),
        cmocka_unit_test(a_deleted_fork_is_not_asked_for),
        cmocka_unit_test(a_session_may_be_forgotten_again),
        cmocka_unit_test(a_gone_child_keeps_its_parent),
        cmocka_unit_test(what_others_said_too_stays),
        cmocka_unit_test(what_is_left_is_noticed),
        cmocka_unit_test(what_is_left_in_packed_segments_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

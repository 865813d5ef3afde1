/*
 * Damage to packed segments and manifests, and to raw segments before they are packed: nothing crashes or hangs, nothing is
 * served that was not written, what is whole is served, verify tells of the rest, and a compaction throws nothing away.
 * VARVE_LONG flips many more bits.
 */
#include "support/dump.h"
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

enum { EVENTS_MAX = 8000, LINE = 400 };

typedef struct {
    uint64_t lsn[EVENTS_MAX];
    char line[EVENTS_MAX][LINE];
    size_t count;
} events;

typedef struct {
    char *path;
    work_book *book;
    events all;
    uint64_t first, end; /* of the second packed segment */
    uint32_t number;
    char name[32], manifest[32]; /* its file; the manifest */
    size_t size, manifest_size, tables_at;
} whole_store;

static bool compacts(varve *store) {
    int result = varve_compact(store, NULL, NULL);
    return result == VARVE_OK || work_wrong("compact: %d %s", result, varve_last_error(store));
}

/* All events of the store, or of a session; false: an error. */
static bool list_events(varve *store, const char *session, events *ret) {
    varve_cursor *cursor;
    varve_event event;
    int result = session == NULL ? varve_cursor_store(store, 0, 0, &cursor)
                                 : varve_cursor_session(store, varve_cstr(NULL), varve_cstr(session), 0, 0, &cursor);
    ret->count = 0;
    if (result < 0)
        return work_wrong("cursor: %d %s", result, varve_last_error(store));
    while ((result = varve_cursor_next(cursor, &event)) == 1 && ret->count < EVENTS_MAX) {
        ret->lsn[ret->count] = event.lsn;
        dump_event(ret->line[ret->count++], LINE, &event);
    }
    varve_cursor_close(&cursor);
    return result == 0 || work_wrong("cursor: %d %s", result, varve_last_error(store));
}

static void make_store(whole_store *w, bool packed) {
    varve *store = NULL;
    uint32_t batch = 0;
    *w = (whole_store){.path = scratch_new(), .book = work_book_new()};
    assert_true(work_open(NULL, w->path, 0, &store));
    for (int i = 0; i < 3 && packed; i++, batch += 40) {
        assert_true(work_run(store, w->book, 0, batch, 40));
        assert_true(compacts(store));
    }
    assert_true(work_run(store, w->book, 0, batch, 40));
    assert_int_equal(varve_sync(store), VARVE_OK);
    assert_true(list_events(store, NULL, &w->all) && w->all.count < EVENTS_MAX);
    if (packed) {
        const ve_packed *file = store->layout->file[1];
        assert_int_equal(store->layout->files, 3);
        w->first = file->first;
        w->end = file->end;
        w->number = file->number;
        w->size = (size_t)file->file_size;
        snprintf(w->name, sizeof w->name, "seg/%08u.seg", file->number);
        ve_manifest_name(w->manifest, store->layout->generation);
        w->manifest_size = VF_MANIFEST_HEADER + 3 * VF_MANIFEST_ENTRY;
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(ve_layout_file(store, store->layout->file[i]->first, &(ve_packed *){NULL}), 1);
        w->tables_at = (size_t)vf_get64(file->footer.tables_at);
    }
    varve_close(&store);
}

static void free_store(whole_store *w) {
    scratch_free(w->path);
    work_book_free(w->book);
}

/* ---- What a damaged store must still do ---- */

/* Nothing but what was written; what does not lie in [from, to) is all there. *ret_lost: how much is not. */
static bool served(const whole_store *w, varve *store, uint64_t from, uint64_t to, size_t *ret_lost) {
    static events found;
    *ret_lost = 0;
    if (!list_events(store, NULL, &found))
        return false;
    size_t at = 0;
    for (size_t i = 0; i < found.count; i++, at++) {
        for (; at < w->all.count && w->all.lsn[at] < found.lsn[i]; at++, ++*ret_lost)
            if (w->all.lsn[at] < from || w->all.lsn[at] >= to)
                return work_wrong("the event at %llx is not served", (unsigned long long)w->all.lsn[at]);
        if (at == w->all.count || w->all.lsn[at] != found.lsn[i] || strcmp(w->all.line[at], found.line[i]) != 0)
            return work_wrong("the event at %llx was never written", (unsigned long long)found.lsn[i]);
    }
    *ret_lost += w->all.count - at;
    return true;
}

static bool sessions_read(varve *store) {
    static events found;
    varve_scan *scan;
    varve_session session;
    int result = varve_scan_open(store, &scan);
    if (result < 0)
        return work_wrong("scan: %d %s", result, varve_last_error(store));
    bool good = true;
    while (good && (result = varve_scan_next(scan, &session)) == 1) {
        char id[64];
        snprintf(id, sizeof id, "%.*s", (int)session.session_id.size, session.session_id.ptr);
        good = session.session_id.ptr == NULL || list_events(store, id, &found);
    }
    if (result < 0)
        good = work_wrong("scan: %d %s", result, varve_last_error(store));
    varve_scan_close(&scan);
    return good;
}

/* A session of which nothing lies in the damaged file. */
static bool others_are_whole(const whole_store *w, varve *store) {
    static events found;
    size_t due = 0;
    if (!list_events(store, "own-0-0", &found)) /* of the first forty batches */
        return false;
    for (size_t i = 0; i < w->all.count; i++)
        due += strstr(w->all.line[i], "/own-0-0 ") != NULL;
    return found.count == due || work_wrong("own-0-0 has %zu events of %zu", found.count, due);
}

typedef struct {
    const whole_store *w;
    const char *path;
    bool may_refuse; /* the store may be refused, in words */
} damage;

static bool opened(const damage *d, uint32_t flags, varve **ret_store) {
    char error[300] = "";
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    options.error = error;
    options.error_size = sizeof error;
    int result = varve_open(d->path, &options, ret_store);
    *ret_store = result < 0 ? NULL : *ret_store;
    return result == VARVE_OK || ((d->may_refuse || flags == VARVE_OPEN_NO_INDEX) && error[0] != 0) ||
           work_wrong("open (flags %u): %d %s", flags, result, error);
}

static bool reads(const damage *d, uint32_t flags) {
    varve *store;
    size_t lost = 0;
    if (!opened(d, flags, &store))
        return false;
    if (store == NULL)
        return true;
    bool good = served(d->w, store, d->w->first, d->w->end, &lost) && sessions_read(store) &&
                (flags == VARVE_OPEN_NO_INDEX || others_are_whole(d->w, store));
    int faults = varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL);
    if (good && faults <= 0)
        good = work_wrong("verify (flags %u) finds %d faults; %zu events are lost", flags, faults, lost);
    varve_close(&store);
    return good;
}

static bool writes(const damage *d) {
    varve *store;
    size_t lost, more;
    if (!opened(d, 0, &store))
        return false;
    if (store == NULL)
        return true;
    bool good = served(d->w, store, d->w->first, d->w->end, &lost) && others_are_whole(d->w, store);
    varve_compact_options all;
    varve_compact_options_init(&all);
    all.flags = VARVE_COMPACT_ALL;
    varve_compact(store, NULL, NULL); /* whatever they answer */
    varve_compact(store, &all, NULL);
    good = good && served(d->w, store, d->w->first, d->w->end, &more) && others_are_whole(d->w, store) &&
           (more == lost || work_wrong("%zu events were lost, and after compactions %zu", lost, more));
    good = good && (lost == 0 || varve_verify(store, 0, NULL, NULL) > 0 || /* (what stands twice was mended) */ work_wrong("after compactions verify finds nothing"));
    good = good && work_append(store, d->w->book, 5, 0, VARVE_NONE);
    varve_close(&store);
    return good;
}

static bool read_and_write(void *context) {
    const damage *d = context;
    return reads(d, VARVE_OPEN_READ_ONLY) && reads(d, VARVE_OPEN_NO_INDEX) && writes(d);
}

static int failures;

static void check(const whole_store *w, char *copy, bool may_refuse, const char *what, size_t at) {
    damage d = {w, copy, may_refuse};
    int status = work_in_child(read_and_write, &d);
    if (!work_succeeded(status))
        print_error("%s %zu: status %x\n", what, at, (unsigned)status);
    failures += !work_succeeded(status);
    scratch_free(copy);
}

static char *copy_of(const whole_store *w) {
    char *copy = scratch_new();
    tree_copy(w->path, copy, true);
    return copy;
}

/* ---- Packed segments and manifests ---- */

static void flip_in(const whole_store *w, size_t from, size_t to, size_t samples, const char *what) {
    samples *= work_long() ? 20 : 1;
    for (uint32_t i = 0; i < samples; i++) {
        size_t at = from + work_mix((uint32_t)from, i, 31) % (to - from);
        char *copy = copy_of(w);
        tree_flip(copy, w->name, at, (int)(work_mix((uint32_t)at, i, 32) % 8));
        check(w, copy, false, what, at);
    }
}

static void flipped_bits_of_a_packed_segment_cost_what_stands_there(void **state) {
    (void)state;
    static whole_store w;
    make_store(&w, true);
    failures = 0;
    flip_in(&w, 0, VF_PACKED_HEADER, 3, "header");
    flip_in(&w, VF_PACKED_HEADER, w.tables_at, 16, "block");
    flip_in(&w, w.tables_at, w.size - VF_PACKED_FOOTER, 6, "table");
    flip_in(&w, w.size - VF_PACKED_FOOTER, w.size, 6, "footer");
    free_store(&w);
    assert_int_equal(failures, 0);
}

static void a_packed_segment_that_is_cut_or_gone_costs_what_it_held(void **state) {
    (void)state;
    static whole_store w;
    make_store(&w, true);
    failures = 0;
    size_t lengths[] = {0, 1, VF_PACKED_HEADER, w.size / 2, w.size - VF_PACKED_FOOTER, w.size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *copy = copy_of(&w);
        tree_truncate(copy, w.name, lengths[i]);
        check(&w, copy, false, "cut at", lengths[i]);
    }
    char *copy = copy_of(&w);
    tree_remove(copy, w.name);
    check(&w, copy, false, "removed", 0);
    free_store(&w);
    assert_int_equal(failures, 0);
}

/* Without a manifest what is packed cannot be placed: the store is refused, in words, and nothing of it is touched. */
static void a_damaged_manifest_is_told_and_nothing_is_touched(void **state) {
    (void)state;
    static whole_store w;
    make_store(&w, true);
    for (uint32_t i = 0; i < (work_long() ? 300 : 12); i++) {
        char *copy = copy_of(&w);
        size_t at = work_mix(i, 1, 33) % w.manifest_size;
        tree_flip(copy, w.manifest, at, (int)(i % 8));
        damage d = {&w, copy, true};
        varve *store;
        assert_true(opened(&d, VARVE_OPEN_READ_ONLY, &store));
        varve_close(&store);
        assert_true(opened(&d, 0, &store));
        varve_close(&store);
        tree_flip(copy, w.manifest, at, (int)(i % 8)); /* mended */
        assert_true(opened(&d, 0, &store));
        size_t lost;
        assert_true(served(&w, store, 0, 0, &lost) && lost == 0);
        scratch_verify(store);
        varve_close(&store);
        scratch_free(copy);
    }
    free_store(&w);
}

/* ---- Raw segments before they are packed ---- */

static void find_in_quarantine(void *context, const char *name, size_t size) {
    (void)size;
    *(int *)context += strncmp(name, "quarantine/00000002.log", 23) == 0;
}

static void what_is_whole_of_a_damaged_raw_segment_is_packed(void **state) {
    (void)state;
    static whole_store w;
    make_store(&w, false);
    w.first = vf_lsn(2, 0);
    w.end = vf_lsn(3, 0);
    for (uint32_t i = 0; i < (work_long() ? 60 : 8); i++) {
        char *copy = copy_of(&w);
        damage d = {&w, copy, false};
        size_t lost = 0, later = 0;
        int kept = 0;
        varve *store;
        for (int flips = 0; flips < 1 + (int)i % 3; flips++)
            tree_flip(copy, "seg/00000002.log", 6000 + work_mix(i, (uint32_t)flips, 34) % 40000, 3);
        assert_true(opened(&d, 0, &store));
        assert_true(served(&w, store, w.first, w.end, &lost) && varve_verify(store, 0, NULL, NULL) > 0);
        assert_true(compacts(store) && served(&w, store, w.first, w.end, &later));
        assert_int_equal(lost, later);
        assert_true(varve_verify(store, 0, NULL, NULL) > 0);
        tree_each(copy, find_in_quarantine, &kept);
        assert_int_equal(kept, 1);
        varve_close(&store);
        tree_remove(copy, "CONTROL");
        tree_remove(copy, "idx");
        assert_true(opened(&d, 0, &store));
        assert_true(served(&w, store, w.first, w.end, &later) && sessions_read(store));
        assert_int_equal(lost, later);
        assert_true(work_append(store, w.book, 6, 0, VARVE_NONE));
        varve_close(&store);
        scratch_free(copy);
    }
    free_store(&w);
}

/* What recovery found is noted in a segment's header: packing meets the same damage once more. */
static void what_recovery_found_damaged_is_packed_too(void **state) {
    (void)state;
    static whole_store w;
    make_store(&w, false);
    w.first = vf_lsn(2, 0);
    w.end = vf_lsn(3, 0);
    for (uint32_t i = 0; i < (work_long() ? 60 : 8); i++) {
        char *copy = copy_of(&w);
        damage d = {&w, copy, false};
        size_t lost = 0, later = 0;
        varve *store;
        for (uint32_t flips = 0; flips < 1 + i % 3; flips++)
            tree_flip(copy, "seg/00000002.log", 6000 + work_mix(i, flips, 34) % 40000, 3);
        tree_remove(copy, "idx");
        tree_flip(copy, "CONTROL", offsetof(vf_control, boot_id), 1); /* another boot: 'synced' is a witness */
        assert_true(opened(&d, 0, &store));
        assert_true(served(&w, store, w.first, w.end, &lost) && lost > 0 && varve_verify(store, 0, NULL, NULL) > 0);
        assert_true(compacts(store) && served(&w, store, w.first, w.end, &later));
        assert_int_equal(lost, later);
        varve_close(&store);
        tree_remove(copy, "CONTROL");
        assert_true(opened(&d, 0, &store));
        assert_true(served(&w, store, w.first, w.end, &later) && sessions_read(store));
        assert_int_equal(lost, later);
        assert_true(work_append(store, w.book, 6, 0, VARVE_NONE));
        varve_close(&store);
        scratch_free(copy);
    }
    free_store(&w);
}

/* ---- An index that does not fit ---- */

/* All that was written first is there, whatever came later. */
static bool all_there(const whole_store *w, varve *store) {
    static events found;
    size_t at = 0;
    if (!list_events(store, NULL, &found))
        return false;
    for (size_t i = 0; i < found.count && at < w->all.count; i++)
        at += w->all.lsn[at] == found.lsn[i] && strcmp(w->all.line[at], found.line[i]) == 0;
    return at == w->all.count || work_wrong("the event at %llx is not there", (unsigned long long)w->all.lsn[at]);
}

/* CONTROL says that nothing is packed, which cannot be: the log's first raw segment is gone. */
static void a_CONTROL_that_forgets_what_is_packed_is_not_believed(void **state) {
    (void)state;
    static whole_store w;
    make_store(&w, true);
    damage d = {&w, w.path, false};
    for (int opened_before = 0; opened_before < 2; opened_before++) {
        varve *store = NULL, *reader = NULL;
        le64 word = {0};
        if (opened_before)
            assert_true(opened(&d, 0, &store) && opened(&d, VARVE_OPEN_READ_ONLY, &reader));
        tree_write(w.path, "CONTROL", &word, sizeof word, offsetof(vf_control, manifest));
        if (!opened_before)
            assert_true(opened(&d, VARVE_OPEN_READ_ONLY, &reader) && opened(&d, 0, &store));
        assert_true(all_there(&w, reader));
        assert_true(work_run(store, w.book, 0, (uint32_t)(160 + 40 * opened_before), 40)); /* sessions that are there go on */
        tree_read(w.path, "CONTROL", &word, sizeof word, offsetof(vf_control, manifest));
        assert_int_equal(vf_get64(word), store->layout->generation);
        assert_true(all_there(&w, store) && all_there(&w, reader));
        assert_int_equal(varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL), 0);
        varve_close(&reader);
        varve_close(&store);
    }
    free_store(&w);
}

static void a_file_made_of_a_damaged_index_does_not_take_the_logs_place(void **state) {
    (void)state;
    static whole_store w;
    static const uint8_t nothing[4096];
    const varve_compact_options options = {.size = sizeof options, .flags = VARVE_COMPACT_ALL};
    make_store(&w, true);
    tree_write(w.path, "idx/1/sessions.w.0", nothing, sizeof nothing, 0); /* no session is found any more */
    damage d = {&w, w.path, false};
    varve *store;
    assert_true(opened(&d, 0, &store));
    assert_true(work_append(store, w.book, 0, 160, VARVE_NONE)); /* begins sessions again that are there */
    uint64_t generation = store->layout->generation;
    assert_int_equal(varve_compact(store, &options, NULL), VARVE_E_INDEX);
    assert_int_equal(store->layout->generation, generation);
    for (int anew = 0; anew < 2; anew++) {
        assert_int_equal(varve_reindex(store), VARVE_OK);
        assert_true(all_there(&w, store));
        assert_int_equal(varve_compact(store, &options, NULL), VARVE_OK);
        assert_true(all_there(&w, store));
        varve_close(&store);
        assert_true(opened(&d, 0, &store));
    }
    varve_close(&store);
    free_store(&w);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flipped_bits_of_a_packed_segment_cost_what_stands_there),
        cmocka_unit_test(a_packed_segment_that_is_cut_or_gone_costs_what_it_held),
        cmocka_unit_test(a_damaged_manifest_is_told_and_nothing_is_touched),
        cmocka_unit_test(what_is_whole_of_a_damaged_raw_segment_is_packed),
        cmocka_unit_test(what_recovery_found_damaged_is_packed_too),
        cmocka_unit_test(a_CONTROL_that_forgets_what_is_packed_is_not_believed),
        cmocka_unit_test(a_file_made_of_a_damaged_index_does_not_take_the_logs_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

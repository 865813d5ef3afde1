/*
 * Readers and writers while others compact: a cursor sees the store as it was when it was opened, whatever is packed, merged
 * and removed meanwhile; a scan gives whole records; what is opened later sees what is there then; and files that were
 * removed are not kept longer than they are read.
 */
#include "support/dump.h"
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/work.h"

#include "engine/store.h"

enum { ROUNDS = 5, BATCHES = 25 };

typedef struct {
    char *path;
    work_book *book;
    varve *store; /* appends and compacts */
    uint32_t batches;
} scene;

static void scene_open(scene *s) {
    *s = (scene){.path = scratch_new(), .book = work_book_new()};
    assert_true(work_open(NULL, s->path, 0, &s->store));
}

static void scene_close(scene *s) {
    varve_close(&s->store);
    scratch_free(s->path);
    work_book_free(s->book);
}

static void grow(scene *s, uint32_t batches) {
    for (uint32_t i = 0; i < batches; i++, s->batches++)
        assert_true(work_append(s->store, s->book, 0, s->batches, VARVE_NONE));
}

static void compact(varve *store, uint32_t flags) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = flags;
    int result = varve_compact(store, &options, NULL);
    if (result < 0)
        print_error("compact: %s\n", varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
}

/* Packs, merges, and packs all: of what was there when it began not a file is left. */
static void compact_on(scene *s) {
    for (int round = 0; round < ROUNDS; round++) {
        grow(s, BATCHES);
        compact(s->store, round == 2 ? (uint32_t)VARVE_COMPACT_ALL : 0u);
    }
}

static varve *open_reading(const char *path, uint32_t flags) {
    varve *store = NULL;
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    assert_int_equal(varve_open(path, &options, &store), VARVE_OK);
    return store;
}

/* ---- Cursors of every kind ---- */

enum { KINDS = 9 };
typedef struct {
    varve_cursor *cursor;
    char *text;
    size_t size;
    FILE *to;
    bool ended;
} reading;

static varve_cursor *open_kind(varve *store, int kind) {
    static const varve_str ids[] = {{"shared-1", 8}, {"shared-2", 8}};
    varve_cursor *cursor = NULL;
    varve_event_filter filter;
    varve_event_filter_init(&filter);
    int result = VARVE_OK;
    if (kind == 0)
        result = varve_cursor_store(store, 0, VARVE_CURSOR_SETTINGS, &cursor);
    else if (kind == 1)
        result = varve_cursor_store(store, UINT64_MAX, VARVE_CURSOR_BACKWARD, &cursor);
    else if (kind == 2)
        result = varve_cursor_session(store, varve_cstr(NULL), ids[0], 0, VARVE_CURSOR_SETTINGS, &cursor);
    else if (kind == 3)
        result = varve_cursor_session(store, varve_cstr(NULL), ids[0], UINT64_MAX, VARVE_CURSOR_BACKWARD, &cursor);
    else if (kind >= 4) {
        filter.session_ids = kind == 4 || kind == 8 ? ids : NULL;
        filter.session_count = kind == 4 || kind == 8 ? 2 : 0;
        filter.flags = kind == 5   ? (uint32_t)VARVE_EVENTS_BY_TIME
                       : kind == 6 ? (uint32_t)(VARVE_EVENTS_BY_TIME | VARVE_EVENTS_REVERSE)
                       : kind == 8 ? (uint32_t)VARVE_EVENTS_REVERSE
                                   : 0u;
        filter.sources = kind == 7 ? 1u << VARVE_SOURCE_API : 0;
        result = varve_event_list(store, &filter, &cursor);
    }
    if (result < 0)
        print_error("kind %d: %s\n", kind, varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    return cursor;
}

/* Reads on, 'count' events at most. */
static void read_on(varve *store, reading *r, uint64_t count) {
    varve_event event;
    char line[900];
    int result = 1;
    for (uint64_t i = 0; i < count && !r->ended && (result = varve_cursor_next(r->cursor, &event)) == 1; i++) {
        dump_event(line, sizeof line, &event);
        fprintf(r->to, "%llx %s\n", (unsigned long long)event.lsn, line);
    }
    if (result < 0)
        print_error("reading on: %s\n", varve_last_error(store));
    assert_true(result >= 0);
    r->ended = r->ended || result == 0;
}

static void open_all(varve *store, reading *readings) {
    for (int kind = 0; kind < KINDS; kind++) {
        readings[kind] = (reading){.cursor = open_kind(store, kind)};
        readings[kind].to = open_memstream(&readings[kind].text, &readings[kind].size);
    }
}

static void read_all_on(varve *store, reading *readings, uint64_t count) {
    for (int kind = 0; kind < KINDS; kind++)
        read_on(store, &readings[kind], count);
}

static void close_all(reading *readings) {
    for (int kind = 0; kind < KINDS; kind++) {
        varve_cursor_close(&readings[kind].cursor);
        fclose(readings[kind].to);
    }
}

static void free_all(reading *readings) {
    for (int kind = 0; kind < KINDS; kind++)
        free(readings[kind].text);
}

/* What the cursors give at once, before anything changes. */
static void read_at_once(varve *store, reading *ret) {
    open_all(store, ret);
    read_all_on(store, ret, UINT64_MAX);
    close_all(ret);
}

static void same_readings(const char *what, const reading *expected, const reading *found) {
    bool good = true;
    for (int kind = 0; kind < KINDS; kind++) {
        char name[100];
        snprintf(name, sizeof name, "%s, cursor of kind %d", what, kind);
        good = dump_equal(name, expected[kind].text, found[kind].text) && good;
    }
    assert_true(good);
}

/* Cursors of 'of', at their beginning or in the midst, live through compactions by another handle. */
/* A retention for which everything is old. */
static void drop_all(varve *store, uint32_t flags) {
    varve_retention asked = {.size = sizeof asked, .flags = flags, .before = INT64_MAX};
    varve_retained done = {.size = sizeof done};
    int result = varve_retain(store, &asked, &done);
    if (result < 0)
        print_error("retain: %s\n", varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    assert_true(done.sessions > 0);
}

static void live_through(scene *s, varve *of, const char *name, uint64_t before) {
    reading expected[KINDS], found[KINDS];
    read_at_once(s->store, expected);
    open_all(of, found);
    read_all_on(of, found, before);
    for (int round = 0; round < ROUNDS; round++) {
        grow(s, BATCHES);
        compact(s->store, round == 2 ? (uint32_t)VARVE_COMPACT_ALL : 0u);
        if (round >= 3)
            drop_all(s->store, round == 3 ? (uint32_t)VARVE_RETAIN_KEEP_SESSIONS : 0u);
        read_all_on(of, found, 7);
    }
    read_all_on(of, found, UINT64_MAX);
    close_all(found);
    same_readings(name, expected, found);
    free_all(expected);
    free_all(found);
}

static void cursors_see_their_snapshot_through_five_compactions(void **state) {
    (void)state;
    scene s;
    scene_open(&s);
    grow(&s, 40);
    varve *other = NULL;
    assert_true(work_open(NULL, s.path, 0, &other));
    live_through(&s, s.store, "the compacting handle", 0);
    live_through(&s, s.store, "the compacting handle, begun", 10);
    live_through(&s, other, "another writer", 0);
    live_through(&s, other, "another writer, begun", 3);
    varve_close(&other);
    other = open_reading(s.path, VARVE_OPEN_READ_ONLY);
    live_through(&s, other, "a reader", 0);
    live_through(&s, other, "a reader, begun", 50);
    varve_close(&other);
    other = open_reading(s.path, VARVE_OPEN_NO_INDEX);
    live_through(&s, other, "a reader without index", 0);
    varve_close(&other);
    scene_close(&s);
}

/* The active segment has grown since the reader saw it first, and is gone when it is read. Opening a cursor over the store
 * does not look into it. */
static void a_cursor_reads_a_segment_that_grew_before_it_was_removed(void **state) {
    (void)state;
    scene s;
    scene_open(&s);
    grow(&s, 8);
    varve *other = open_reading(s.path, VARVE_OPEN_READ_ONLY);
    reading expected[KINDS];
    read_at_once(other, expected);
    free_all(expected);
    for (int i = 0; i < 3; i++) {
        grow(&s, 4);
        read_at_once(s.store, expected);
        reading found = {.cursor = open_kind(other, 0)};
        found.to = open_memstream(&found.text, &found.size);
        compact(s.store, VARVE_COMPACT_ALL);
        grow(&s, 30);
        compact(s.store, 0);
        read_on(other, &found, UINT64_MAX);
        varve_cursor_close(&found.cursor);
        fclose(found.to);
        assert_true(dump_equal("a segment that grew", expected[0].text, found.text));
        free_all(expected);
        free(found.text);
    }
    varve_close(&other);
    scene_close(&s);
}

static void what_is_opened_later_sees_what_is_there(void **state) {
    (void)state;
    scene s;
    scene_open(&s);
    varve *writer = NULL, *reader;
    grow(&s, 30);
    assert_true(work_open(NULL, s.path, 0, &writer));
    reader = open_reading(s.path, VARVE_OPEN_READ_ONLY);
    for (int i = 0; i < 3; i++) {
        compact_on(&s);
        char *expected = dump_store(s.store, DUMP_RECORDS | DUMP_EVENTS, 1);
        char *by_writer = dump_store(writer, DUMP_RECORDS | DUMP_EVENTS, 1), *by_reader = dump_store(reader, DUMP_RECORDS | DUMP_EVENTS, 1);
        assert_true(dump_equal("a writer", expected, by_writer) && dump_equal("a reader", expected, by_reader));
        free(expected);
        free(by_writer);
        free(by_reader);
    }
    varve_close(&writer);
    varve_close(&reader);
    scene_close(&s);
}

/* A reader without index shows one moment for ever. */
static void a_snapshot_of_a_handle_outlives_compactions(void **state) {
    (void)state;
    scene s;
    scene_open(&s);
    grow(&s, 40);
    varve *other = open_reading(s.path, VARVE_OPEN_NO_INDEX);
    char *expected = dump_store(s.store, DUMP_RECORDS | DUMP_EVENTS, 1);
    compact_on(&s);
    char *found = dump_store(other, DUMP_RECORDS | DUMP_EVENTS, 1);
    assert_true(dump_equal("a reader without index", expected, found));
    free(expected);
    free(found);
    varve_close(&other);
    scene_close(&s);
}

/* ---- Scans ---- */

static void take(char *to, size_t room, const varve_session *session) {
    snprintf(to, room, "%.*s/%.*s '%.*s' '%.*s'", (int)session->machine_id.size, session->machine_id.ptr,
             (int)session->session_id.size, session->session_id.ptr, (int)session->str[VARVE_STR_MODEL].size,
             session->str[VARVE_STR_MODEL].ptr, (int)session->str[VARVE_STR_TITLE].size, session->str[VARVE_STR_TITLE].ptr);
}

/* The texts of a scan hold until its next call, though the same handle compacts, appends and reads meanwhile. */
static void scan_through(scene *s, varve *of) {
    varve_scan *scan;
    varve_session session;
    varve_list *list;
    char before[300], after[300];
    assert_int_equal(varve_scan_open(of, &scan), VARVE_OK);
    assert_int_equal(varve_session_list(of, NULL, &list), VARVE_OK);
    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(varve_scan_next(scan, &session), 1);
        assert_true(session.session_id.ptr != NULL && session.machine_id.ptr != NULL);
        take(before, sizeof before, &session);
        grow(s, BATCHES);
        compact(s->store, round == 2 ? (uint32_t)VARVE_COMPACT_ALL : 0u);
        varve_session listed;
        assert_int_equal(varve_list_next(list, &listed), 1);
        assert_non_null(listed.session_id.ptr);
        if (of != s->store) { /* it follows */
            varve_stats stats = {.size = sizeof stats};
            assert_int_equal(varve_stat(of, &stats), VARVE_OK);
        }
        take(after, sizeof after, &session);
        assert_string_equal(before, after);
    }
    int result;
    while ((result = varve_scan_next(scan, &session)) == 1)
        assert_non_null(session.session_id.ptr);
    assert_int_equal(result, 0);
    varve_list_close(&list);
    varve_scan_close(&scan);
}

static void scans_give_whole_records_through_five_compactions(void **state) {
    (void)state;
    scene s;
    scene_open(&s);
    grow(&s, 60);
    varve *writer = NULL, *reader = open_reading(s.path, VARVE_OPEN_READ_ONLY);
    assert_true(work_open(NULL, s.path, 0, &writer));
    scan_through(&s, s.store);
    scan_through(&s, writer);
    scan_through(&s, reader);
    varve_close(&writer);
    varve_close(&reader);
    scene_close(&s);
}

/* ---- What is not kept ---- */

static void append_large(varve *store) {
    varve_batch *batch;
    varve_event event = scratch_event("large", "Stop");
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    event.payload = calloc(1, 300000);
    event.payload_size = 300000;
    assert_true(varve_batch_add(batch, &event) >= 0);
    free((void *)(uintptr_t)event.payload);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void removed_files_are_let_go_with_the_last_cursor(void **state) {
    (void)state;
    scene s;
    scene_open(&s);
    varve *other = NULL;
    assert_true(work_open(NULL, s.path, 0, &other));
    grow(&s, 40);
    reading read[KINDS];
    open_all(other, read);
    read_all_on(other, read, 5);
    compact_on(&s);
    assert_true(tidy_removed_maps("/seg/") > 0); /* the cursors need them */
    close_all(read);
    free_all(read);
    assert_true(work_append(other, s.book, 1, 0, VARVE_NONE));
    scratch_session(other, "shared-1");
    assert_int_equal(tidy_removed_maps("/seg/"), 0);
    scratch_run("test $(ls -l /proc/%d/fd | grep -c 'seg/.*deleted') = 0", (int)getpid());
    append_large(other); /* its segment grows beyond what was mapped */
    scratch_check_seq(other, "large", 1);
    compact_on(&s);
    scratch_check_seq(other, "large", 1);
    assert_int_equal(tidy_removed_maps("/seg/"), 0);
    assert_true(tidy_store(s.path));
    varve_close(&other);
    scene_close(&s);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursors_see_their_snapshot_through_five_compactions),
        cmocka_unit_test(a_cursor_reads_a_segment_that_grew_before_it_was_removed),
        cmocka_unit_test(what_is_opened_later_sees_what_is_there),
        cmocka_unit_test(a_snapshot_of_a_handle_outlives_compactions),
        cmocka_unit_test(scans_give_whole_records_through_five_compactions),
        cmocka_unit_test(removed_files_are_let_go_with_the_last_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

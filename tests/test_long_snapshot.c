/*
 * One who holds a snapshot while much is appended and compacted: his cursor sees what was there when it was opened, and what
 * he and the writer hold on to (descriptors, mapped files, memory of their own) does not grow with what was written, though
 * both go on reading what is new; in the end nothing is held of files that are gone.
 * VARVE_LONG: 10 GB, in segments of 64 MiB, instead of 100 MB in segments of 1 MiB.
 */
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/work.h"

#include "engine/store.h"

enum { SESSIONS = 20, BATCH = 64, PAYLOAD = 8 << 10, ROUNDS = 40 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SHORT = 30, MEMORY_MORE = 1 << 30 }; /* what was freed is kept for a while */
#else
enum { SHORT = 100, MEMORY_MORE = 320 << 20 }; /* each handle keeps up to 128 MB of open blocks */
#endif

typedef struct {
    varve *writer, *reader;
    varve_cursor *held[2]; /* of the reader, of the writer: opened at the beginning, closed at the end */
    varve_scan *scan;      /* likewise */
    uint64_t number, read[2], seen, seen_lsn;
    int descriptors, maps, removed, files;
    uint64_t memory; /* bytes */
} scene;

static uint64_t own_memory(void) {
    char line[200];
    unsigned long long kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL && sscanf(line, "RssAnon: %llu", &kilobytes) != 1)
        continue;
    if (status != NULL)
        fclose(status);
    return kilobytes << 10;
}

static int maps_of(const char *part) {
    char line[1000];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        count += strstr(line, part) != NULL;
    if (maps != NULL)
        fclose(maps);
    return count;
}

static void append_bytes(scene *s, uint64_t bytes) {
    static char payload[PAYLOAD];
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    for (uint64_t done = 0; done < bytes; done += BATCH * PAYLOAD) {
        varve_batch_clear(batch);
        for (int i = 0; i < BATCH; i++) {
            char session[32];
            snprintf(session, sizeof session, "s-%u", (unsigned)(s->number % SESSIONS));
            varve_event event = scratch_event(session, "assistant");
            for (size_t at = 0; at < PAYLOAD; at += 512) /* a part of it does not compress */
                snprintf(payload + at, 64, "%llu %zu %u", (unsigned long long)s->number, at, work_mix((uint32_t)s->number, (uint32_t)at, 5));
            event.payload = payload;
            event.payload_size = PAYLOAD;
            event.present |= VARVE_HAS_PAYLOAD;
            assert_true(varve_batch_add(batch, &event) >= 0);
            s->number++;
        }
        assert_int_equal(varve_append(s->writer, batch, done == 0 ? VARVE_GROUP : VARVE_NONE, NULL), VARVE_OK);
    }
    varve_batch_free(&batch);
}

static bool step(scene *s, int which) {
    varve_event event;
    int result = varve_cursor_next(s->held[which], &event);
    assert_true(result >= 0);
    if (result == 0)
        return false;
    assert_int_equal(strtoull(event.payload, NULL, 10), s->read[which]);
    s->read[which]++;
    return true;
}

/* The reader goes on with what is new, and both have sessions listed. */
static void look_around(scene *s) {
    varve_cursor *cursor;
    varve_event event;
    varve_session session;
    uint64_t count;
    int result;
    assert_int_equal(varve_cursor_store(s->reader, s->seen_lsn + 1, 0, &cursor), VARVE_OK);
    while ((result = varve_cursor_next(cursor, &event)) == 1) {
        s->seen_lsn = event.lsn;
        s->seen++;
    }
    assert_int_equal(result, 0);
    varve_cursor_close(&cursor);
    assert_int_equal(s->seen, s->number);
    varve *const all[] = {s->reader, s->writer};
    for (int i = 0; i < 2; i++) {
        varve_list *list;
        assert_int_equal(varve_session_list(all[i], NULL, &list), VARVE_OK);
        varve_list_strings(list, 1);
        for (count = 0; varve_list_next(list, &session) == 1; count++)
            continue;
        assert_int_equal(count, SESSIONS);
        varve_list_close(&list);
    }
}

/* What a scan gave, and what it was read from, holds until its next call: that is this. */
static void scan_on(scene *s) {
    varve_session session;
    assert_int_equal(varve_scan_get(s->scan, varve_cstr(NULL), varve_cstr("s-7"), &session), VARVE_OK);
}

static void compact(scene *s, bool all) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = all ? VARVE_COMPACT_ALL : 0;
    assert_int_equal(varve_compact(s->writer, &options, NULL), VARVE_OK);
}

static void measure(scene *s) {
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(s->writer, &stats), VARVE_OK);
    s->files = (int)(stats.packed_segments + stats.segments);
    s->descriptors = tidy_descriptors();
    s->maps = maps_of("/seg/");
    s->removed = tidy_removed_maps("/seg/");
    s->memory = own_memory();
}

static void what_is_held_does_not_grow_with_what_is_written(void **state) {
    (void)state;
    uint64_t bytes = work_long() ? 10ull << 30 : (uint64_t)SHORT << 20, round_bytes = bytes / ROUNDS;
    uint32_t segment = work_long() ? 64 << 20 : 1 << 20;
    char *path = scratch_new();
    scene s = {.number = 0}, early = {.number = 0};
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    assert_true(work_open(NULL, path, segment, &s.writer));
    append_bytes(&s, round_bytes);
    assert_int_equal(varve_open(path, &options, &s.reader), VARVE_OK);
    uint64_t before = s.number;
    assert_int_equal(varve_cursor_store(s.reader, 0, 0, &s.held[0]), VARVE_OK);
    assert_int_equal(varve_cursor_store(s.writer, 0, 0, &s.held[1]), VARVE_OK);
    assert_int_equal(varve_scan_open(s.reader, &s.scan), VARVE_OK);
    for (int round = 1; round < ROUNDS; round++) {
        append_bytes(&s, round_bytes);
        assert_true(step(&s, 0) && step(&s, 1));
        look_around(&s);
        compact(&s, work_long() && round % 16 == 15);
        scan_on(&s);
        measure(&s);
        if (round == 8)
            early = s;
        if (work_long() || round == 8 || round == ROUNDS - 1)
            printf("%6llu MB in %d files: %d descriptors, %d mappings, of these %d of files removed, %llu MB of memory\n",
                   (unsigned long long)(s.number * PAYLOAD >> 20), s.files, s.descriptors, s.maps, s.removed,
                   (unsigned long long)(s.memory >> 20));
        fflush(stdout);
        if (round <= 8)
            continue;
        assert_true(s.descriptors <= early.descriptors);
        assert_true(s.maps - s.removed <= 2 * s.files);
        assert_true(s.removed <= early.removed + 8);
        assert_true(s.memory <= early.memory + MEMORY_MORE);
    }
    while (step(&s, 0) && step(&s, 1))
        continue;
    assert_int_equal(s.read[0], before);
    varve_cursor_close(&s.held[0]);
    varve_cursor_close(&s.held[1]);
    varve_scan_close(&s.scan);
    append_bytes(&s, 1);
    look_around(&s);
    compact(&s, false);
    look_around(&s);
    assert_int_equal(tidy_removed_maps("/seg/"), 0);
    assert_true(tidy_store(path));
    varve_close(&s.reader);
    assert_int_equal(varve_verify(s.writer, work_long() ? 0 : VARVE_VERIFY_DEEP, NULL, NULL), 0);
    varve_close(&s.writer);
    scratch_free(path);
}

int main(void) {
    if (!work_long())
        work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_held_does_not_grow_with_what_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

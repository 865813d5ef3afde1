/*
 * Recovery: what is lost with CONTROL, the index, the boot, or the end of a file. Everything before the loss is
 * kept, batches that were never acknowledged go as a whole, the loss is told, reading changes nothing, and
 * appending goes on.
 */
#include "support/deaths.h"
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

/* ---- Records of a store, to compare ---- */

enum { ITEMS_MAX = 4000 };
typedef struct {
    uint64_t lsn, end, batch_end, sum;
} item;
typedef struct {
    item item[ITEMS_MAX];
    size_t count;
    uint64_t tail;
} items;

static void list_items(varve *store, items *ret) {
    uint64_t lsn = ve_log_first(store), at;
    ve_record record;
    size_t batch = 0;
    ret->count = 0;
    ret->tail = ve_tail(store);
    while (ret->count < ITEMS_MAX && ve_log_next(store, lsn, ret->tail, &record, NULL) == 1) {
        at = record.lsn;
        lsn = at + vf_get32(record.frame.length);
        ret->item[ret->count++] = (item){at, lsn, lsn, vf_get64(record.frame.header_sum)};
        for (size_t i = batch; i < ret->count; i++)
            ret->item[i].batch_end = lsn;
        batch = (record.frame.flags & VF_FRAME_BATCH_END) != 0 ? ret->count : batch;
    }
}

static bool has_item(const items *list, const item *wanted) {
    for (size_t i = 0; i < list->count; i++)
        if (list->item[i].lsn == wanted->lsn)
            return list->item[i].sum == wanted->sum;
    return false;
}

/* ---- Opening in many states ---- */

typedef struct {
    const char *path;
    work_book *book;
    uint64_t from, to; /* bytes that were lost, as lsns; from == to: none */
    bool later_too;    /* all behind them may go as well */
    bool whole;        /* nothing there was acknowledged: batches go as a whole */
    bool silent;       /* nothing can tell that there was more */
    uint8_t boot;
} loss;

static int lines;
static void count_line(void *context, const char *line) {
    (void)context, (void)line;
    lines++;
}

static bool writing_forbidden;
static int reading_openat(int dir, const char *name, int flags, unsigned mode) {
    bool writes = (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) != O_RDONLY && (flags & O_TMPFILE) != O_TMPFILE;
    writing_forbidden = writing_forbidden || writes;
    return deaths_os.openat(dir, name, flags, mode);
}

static int forbidden_flock(int fd, int operation) {
    writing_forbidden = true;
    return deaths_os.flock(fd, operation);
}

static bool open_to(const loss *l, uint32_t flags, varve **ret_store) {
    char error[300] = "";
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    options.log = count_line;
    options.error = error;
    options.error_size = sizeof error;
    ve_os os = deaths_os;
    static ve_os reading;
    if ((flags & VARVE_OPEN_READ_ONLY) != 0) {
        os.openat = reading_openat;
        os.flock = forbidden_flock;
    }
    reading = os;
    deaths_boot(l->boot);
    writing_forbidden = false;
    int result = ve_open(&reading, l->path, &options, ret_store);
    if (writing_forbidden)
        return work_wrong("opened for reading: something was opened for writing, or locked");
    return result == VARVE_OK || work_wrong("open: %d %s", result, error);
}

/* One session, or the whole store (NULL), reads from end to end; seq rises. */
static bool cursor_reads(varve *store, const char *id) {
    varve_cursor *cursor;
    varve_event event;
    uint64_t events = 0, seq = 0;
    int result = id == NULL ? varve_cursor_store(store, 0, 0, &cursor)
                            : varve_cursor_session(store, varve_cstr(NULL), varve_cstr(id), 0, 0, &cursor);
    if (result < 0)
        return work_wrong("cursor of %s: %d %s", id == NULL ? "the store" : id, result, varve_last_error(store));
    bool good = true;
    while (good && (result = varve_cursor_next(cursor, &event)) == 1) {
        good = id == NULL || events == 0 || event.seq > seq;
        seq = event.seq;
        events++;
    }
    if (result < 0 || !good)
        work_wrong("cursor of %s, behind seq %llu: %d %s", id == NULL ? "the store" : id, (unsigned long long)seq, result,
                   result < 0 ? varve_last_error(store) : "");
    varve_cursor_close(&cursor);
    return good && result == 0;
}

/* Everything that is there can be read; a session whose identity was lost has no name. */
static bool sessions_read(varve *store) {
    varve_scan *scan;
    varve_session session;
    bool good = cursor_reads(store, NULL) && varve_scan_open(store, &scan) == VARVE_OK;
    int result = 0;
    if (!good)
        return false;
    while (good && (result = varve_scan_next(scan, &session)) == 1) {
        char id[64];
        snprintf(id, sizeof id, "%.*s", (int)session.session_id.size, session.session_id.ptr);
        good = session.session_id.ptr == NULL || cursor_reads(store, id);
    }
    if (good && result < 0)
        good = work_wrong("scan: %d %s", result, varve_last_error(store));
    varve_scan_close(&scan);
    return good;
}

/* What was before the loss is there, and nothing but what was. */
static bool kept(const loss *l, const items *before, const items *after, size_t *ret_lost) {
    *ret_lost = 0;
    for (size_t i = 0; i < before->count; i++) {
        const item *one = &before->item[i];
        bool there = has_item(after, one), whole_before = one->batch_end <= l->from;
        bool whole_behind = one->lsn >= l->to && !l->later_too && l->to != l->from;
        if (!there && (whole_before || whole_behind || l->from == l->to))
            return work_wrong("the record at %llx is lost", (unsigned long long)one->lsn);
        if (there && l->whole && !whole_before && !whole_behind && l->from != l->to)
            return work_wrong("the record at %llx is there, its batch is not", (unsigned long long)one->lsn);
        *ret_lost += !there;
    }
    return true;
}

static bool nothing_new(const items *before, const items *after) {
    for (size_t i = 0; i < after->count; i++)
        if (!has_item(before, &after->item[i]))
            return work_wrong("the record at %llx was never written", (unsigned long long)after->item[i].lsn);
    return true;
}

static bool reads(const loss *l, const items *before, uint32_t flags) {
    static items after;
    varve *store;
    size_t lost = 0;
    uint64_t sum = tree_sum(l->path);
    lines = 0;
    bool good = open_to(l, VARVE_OPEN_READ_ONLY | flags, &store);
    if (good) {
        list_items(store, &after);
        good = kept(l, before, &after, &lost) && nothing_new(before, &after) && sessions_read(store);
        int faults = varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL);
        if (good && faults < 0)
            good = work_wrong("verify: %d %s", faults, varve_last_error(store));
        varve_close(&store);
    }
    if (tree_sum(l->path) != sum)
        good = work_wrong("reading has changed the store");
    return good;
}

static bool writes(const loss *l, const items *before) {
    static items after;
    varve *store;
    size_t lost = 0;
    lines = 0;
    if (!open_to(l, 0, &store))
        return false;
    list_items(store, &after);
    bool good = kept(l, before, &after, &lost) && nothing_new(before, &after) && sessions_read(store);
    int said = lines, faults = varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL);
    int shallow = varve_verify(store, 0, NULL, NULL);
    if (good && lost > 0 && said == 0 && faults == 0 && !l->silent)
        good = work_wrong("%zu records are lost, and nothing is said", lost);
    if (good && (faults < 0 || (lost == 0 && faults > 0 && l->from == l->to)))
        good = work_verifies(store, 0);
    uint32_t writer = 200;
    good = good && work_run(store, l->book, writer, 0, 40); /* on into the next segment */
    varve_close(&store);
    good = good && open_to(l, 0, &store);
    if (!good)
        return false;
    list_items(store, &after);
    good = kept(l, before, &after, &lost) && sessions_read(store) && (faults > 0 || work_verifies(store, 0));
    good = good && (faults == 0 || varve_verify(store, 0, NULL, NULL) == shallow || work_wrong("verify finds more than before"));
    varve_close(&store);
    return good;
}

static bool reads_and_writes(void *context) {
    const loss *l = ((void **)context)[0];
    const items *before = ((void **)context)[1];
    return reads(l, before, 0) && reads(l, before, VARVE_OPEN_NO_INDEX) && writes(l, before);
}

static int failures; /* all are met before the test fails */

static void check_loss(loss *l, items *before, const char *what, size_t length) {
    void *context[] = {l, before};
    int status = work_in_child(reads_and_writes, context);
    if (!work_succeeded(status))
        print_error("after %s %zu: from %llx to %llx, boot %d, status %x\n", what, length, (unsigned long long)l->from,
                    (unsigned long long)l->to, l->boot, (unsigned)status);
    failures += !work_succeeded(status);
}

/* A store of two segments and a bit; every append waited for, or none. */
static void make_store(const char *path, work_book *book, bool synced, uint32_t batches, items *ret) {
    varve *store = NULL;
    assert_true(work_open(NULL, path, 0, &store));
    for (uint32_t number = 0; number < batches; number++)
        assert_true(work_append(store, book, 0, number, VARVE_NONE));
    if (synced)
        assert_int_equal(varve_sync(store), VARVE_OK);
    list_items(store, ret);
    assert_true(ret->count < ITEMS_MAX && vf_lsn_segment(ret->tail) == 2);
    varve_close(&store);
}

enum { BATCHES = 18 };

/* ---- What can be lost without loss ---- */

static void find_chunk(void *context, const char *name, size_t size) {
    (void)size;
    if (strstr(name, "sessions.c.") != NULL)
        snprintf(context, 300, "%s", name);
}

static void find_tables(void *context, const char *name, size_t size) {
    (void)size;
    if (strstr(name, "/TABLES") != NULL)
        snprintf(context, 300, "%s", name);
}

static void nothing_is_lost_with_the_boot_CONTROL_the_index_or_by_copying(void **state) {
    (void)state;
    static items before;
    work_book *book = work_book_new();
    char *path = scratch_new(), name[300] = "";
    make_store(path, book, false, BATCHES, &before);
    static const char *const losses[] = {"boot", "CONTROL", "idx", "copy", "TABLES", "chunk", "CONTROL and idx", "LOCK.append"};
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        for (int read_only_mode = 0; read_only_mode < 2; read_only_mode++) {
            char *copy = scratch_new();
            tree_copy(path, copy, strcmp(losses[i], "copy") != 0);
            loss l = {.path = copy, .book = book, .boot = i == 0 ? 9 : 0};
            if (strstr(losses[i], "CONTROL") != NULL)
                tree_remove(copy, "CONTROL");
            if (strstr(losses[i], "idx") != NULL)
                tree_remove(copy, "idx");
            if (strcmp(losses[i], "TABLES") == 0 || strcmp(losses[i], "chunk") == 0) {
                tree_each(copy, i == 4 ? find_tables : find_chunk, name);
                tree_remove(copy, name);
            }
            if (strcmp(losses[i], "LOCK.append") == 0)
                tree_remove(copy, "LOCK.append");
            if (read_only_mode == 1) { /* a directory that may only be read */
                scratch_run("chmod -R a-w '%s'", copy);
                assert_true(reads(&l, &before, 0));
                scratch_run("chmod -R u+w '%s'", copy);
            } else {
                check_loss(&l, &before, losses[i], 0);
            }
            scratch_free(copy);
        }
    scratch_free(path);
    work_book_free(book);
    assert_int_equal(failures, 0);
}

/* ---- A segment cut off at any length ---- */

typedef enum { BELIEVED, OTHER_BOOT, NO_CONTROL, NO_INDEX, STATES } store_state;

static bool worth_a_cut(const items *before, uint32_t segment, size_t length) {
    if (length % 997 == 0 || length < 3 || (length > 4090 && length < 4170))
        return true;
    for (size_t i = 0; i < before->count; i++) {
        const item *one = &before->item[i];
        uint64_t at = vf_lsn(segment, (uint32_t)length);
        bool border = i % (work_long() ? 1 : 37) == 0 || one->end == before->tail;
        uint64_t reach = work_long() ? 300 : one->end == before->tail ? 66 : 1;
        if (border && at + reach >= one->lsn && at <= one->lsn + reach)
            return true;
        if (border && at + reach >= one->end && at <= one->end + reach)
            return true;
    }
    return false;
}

static bool at_border(const items *before, uint64_t cut) {
    for (size_t i = 0; i < before->count; i++)
        if (before->item[i].batch_end == cut)
            return true;
    return false;
}

/* What is left of the record that was cut is nothing but zeros, as if written ahead: one byte of a sum may be. */
static bool leaves_zeros(const char *path, const char *name, const items *before, uint64_t cut) {
    uint64_t border = vf_lsn(vf_lsn_segment(cut), VF_SEGMENT_HEADER);
    for (size_t i = 0; i < before->count; i++)
        if (before->item[i].end <= cut && before->item[i].end > border)
            border = before->item[i].end;
    char whole[512];
    snprintf(whole, sizeof whole, "%s/%s", path, name);
    FILE *file = fopen(whole, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)vf_lsn_offset(border), SEEK_SET), 0);
    int c, any = 0;
    while ((c = fgetc(file)) != EOF)
        any |= c;
    fclose(file);
    return any == 0;
}

static void cut_and_check(const char *path, work_book *book, items *before, uint32_t segment, size_t length, bool synced, store_state s) {
    char *copy = scratch_new(), name[32];
    snprintf(name, sizeof name, "seg/%08u.log", segment);
    tree_copy(path, copy, true);
    tree_truncate(copy, name, length);
    if (s >= NO_CONTROL)
        tree_remove(copy, "CONTROL");
    if (s == NO_INDEX)
        tree_remove(copy, "idx");
    bool last = segment == vf_lsn_segment(before->tail);
    uint64_t end = last ? before->tail : vf_lsn(segment + 1, 0), cut = vf_lsn(segment, (uint32_t)length);
    loss l = {.path = copy, .book = book, .from = cut, .to = cut < end ? end : cut, .boot = s == OTHER_BOOT ? 9 : 0};
    l.from = cut < vf_lsn(segment, VF_SEGMENT_HEADER) ? vf_lsn(segment, 0) : cut;
    if (l.to == cut)
        l.from = l.to = 0;
    bool witnessed = synced && s < NO_CONTROL;
    l.later_too = !last && !witnessed;
    l.whole = last && !witnessed;
    l.silent = last && s >= NO_CONTROL && (length < VF_SEGMENT_HEADER || length == VF_SEGMENT_HEADER || at_border(before, cut) ||
                                            leaves_zeros(copy, name, before, cut));
    check_loss(&l, before, synced ? "a cut (synced) at" : "a cut at", length);
    scratch_free(copy);
}

static void cut_everywhere(bool synced) {
    static items before;
    work_book *book = work_book_new();
    char *path = scratch_new();
    make_store(path, book, synced, BATCHES, &before);
    uint32_t turn = 0;
    failures = 0;
    for (uint32_t segment = 1; segment <= 2; segment++)
        for (size_t length = 0; length < 65536; length++)
            if (worth_a_cut(&before, segment, length))
                for (int s = 0; s < STATES; s++)
                    if (work_long() || turn++ % 11 == 0)
                        cut_and_check(path, book, &before, segment, length, synced, (store_state)s);
    scratch_free(path);
    work_book_free(book);
    assert_int_equal(failures, 0);
}

static void a_segment_cut_anywhere_loses_what_lies_behind_and_whole_batches(void **state) {
    (void)state;
    cut_everywhere(false);
}

static void a_segment_cut_anywhere_before_what_the_disk_had_confirmed_is_told(void **state) {
    (void)state;
    cut_everywhere(true);
}

static void a_store_of_which_all_is_packed_goes_on_when_control_is_lost(void **state) {
    (void)state;
    char *path = scratch_new();
    varve_compact_options all;
    varve_compact_options_init(&all);
    all.flags = VARVE_COMPACT_ALL;
    varve *store = scratch_open(path, 0);
    scratch_append(store, "s", "user", 5);
    assert_int_equal(varve_compact(store, &all, NULL), VARVE_OK);
    varve_close(&store);
    tree_remove(path, "CONTROL");
    store = scratch_open(path, 0);
    scratch_append(store, "s", "user", 5);
    scratch_check_seq(store, "s", 10);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void append_large(varve *store, int count) {
    static char payload[64 << 10]; /* a segment of its own */
    for (int i = 0; i < count; i++) {
        varve_batch *batch;
        varve_event event = scratch_event("s", "user");
        event.payload = payload;
        event.payload_size = sizeof payload;
        assert_int_equal(varve_batch_new(&batch), VARVE_OK);
        assert_true(varve_batch_add(batch, &event) >= 0);
        assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
        varve_batch_free(&batch);
    }
}

static void raw_segments_behind_many_that_are_packed_are_found_when_control_is_lost(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    append_large(store, 1010); /* more than a gap that is stepped over */
    assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
    append_large(store, 3);
    varve_close(&store);
    tree_remove(path, "CONTROL");
    store = scratch_open(path, 0);
    scratch_check_seq(store, "s", 1013);
    append_large(store, 1);
    scratch_check_seq(store, "s", 1014);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* Spoils the last record, in another boot each time. */
static void spoil_the_end(const char *path, uint8_t boot, varve **ret_store) {
    static items found;
    char name[32];
    varve *store = NULL;
    deaths_boot((uint8_t)(boot - 1));
    assert_true(work_open(&deaths_os, path, 0, &store));
    list_items(store, &found);
    varve_close(&store);
    uint64_t at = found.item[found.count - 1].lsn;
    snprintf(name, sizeof name, "seg/%08u.log", vf_lsn_segment(at));
    tree_flip(path, name, vf_lsn_offset(at) + 40, 3);
    deaths_boot(boot);
    assert_true(work_open(&deaths_os, path, 0, ret_store));
}

static void a_segment_that_was_confirmed_while_it_was_empty_is_not_missed(void **state) {
    (void)state;
    char *path = scratch_new();
    work_book *book = work_book_new();
    varve *store = NULL;
    deaths_boot(20);
    assert_true(work_open(&deaths_os, path, 0, &store));
    assert_true(work_append(store, book, 0, 0, VARVE_GROUP) && work_append(store, book, 0, 1, VARVE_NONE));
    varve_close(&store);
    spoil_the_end(path, 21, &store); /* the log goes on in a second segment, which is synced */
    assert_int_equal(ve_tail(store), vf_lsn(2, VF_SEGMENT_HEADER));
    atomic_store(&book->acked[0], 1);
    assert_true(work_append(store, book, 0, 1, VARVE_NONE));
    varve_close(&store);
    spoil_the_end(path, 22, &store); /* what was in it had not been acknowledged */
    atomic_store(&book->acked[0], 1);
    assert_true(work_verifies(store, 0) && work_holds(store, book, 1, false, NULL));
    assert_true(work_append(store, book, 0, 1, VARVE_NONE));
    assert_true(work_verifies(store, 0) && work_holds(store, book, 1, false, NULL));
    varve_close(&store);
    deaths_boot(0);
    scratch_free(path);
    work_book_free(book);
}

static ssize_t pwritev_a_header_and_die(int fd, const struct iovec *parts, int count, int64_t offset) {
    ssize_t done = ve_os_system.pwritev(fd, parts, count, offset);
    if (offset == 0)
        kill(getpid(), SIGKILL);
    return done;
}

static bool begin_a_segment_and_die(void *path) {
    ve_os os = ve_os_system;
    varve *store = NULL;
    os.pwritev = pwritev_a_header_and_die;
    if (work_open(&os, path, 0, &store))
        append_large(store, 1);
    return false;
}

/* The header names the end of the segment before: what came behind that would be lost when the log is read. */
static void nobody_appends_to_a_segment_whose_successor_was_being_begun(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 64 << 10);
    scratch_append(store, "s", "user", 5);
    varve_close(&store);
    assert_true(work_killed(work_in_child(begin_a_segment_and_die, path)));
    store = scratch_open(path, 0);
    scratch_append(store, "s", "user", 5);
    varve_close(&store);
    tree_remove(path, "CONTROL");
    store = scratch_open(path, 0);
    scratch_check_seq(store, "s", 10);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void what_was_folded_already_is_not_folded_again(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    scratch_append(store, "s", "user", 5);
    ve_set_word(&store->control->applied, vf_lsn(1, VF_SEGMENT_HEADER)); /* as if its writer had died there */
    scratch_append(store, "s", "user", 5);
    scratch_check_seq(store, "s", 10);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static int openat_but_for_one(int dir, const char *name, int flags, unsigned mode) {
    if (strcmp(name, "00000002.log") != 0)
        return ve_os_system.openat(dir, name, flags, mode);
    errno = EMFILE;
    return -1;
}

static void what_cannot_be_opened_now_is_not_taken_for_damage(void **state) {
    (void)state;
    char *path = scratch_new();
    ve_os os = ve_os_system;
    os.openat = openat_but_for_one;
    varve *store = scratch_open(path, 64 << 10);
    append_large(store, 3);
    varve_close(&store);
    tree_remove(path, "CONTROL");
    assert_int_equal(ve_open(&os, path, NULL, &store), VARVE_E_IO);
    store = scratch_open(path, 0);
    scratch_check_seq(store, "s", 3);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* CONTROL is gone, and with it what it knew of the disk; a SYNC record in the log says how far that had confirmed. */
static void damage_to_what_a_SYNC_record_witnesses_is_told_and_noted(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    append_large(store, 1);
    assert_int_equal(varve_sync(store), VARVE_OK);
    uint64_t confirmed = ve_tail(store);
    append_large(store, 1);
    varve_close(&store);
    tree_remove(path, "CONTROL");
    tree_flip(path, "seg/00000001.log", VF_SEGMENT_HEADER + 600, 1);
    store = scratch_open(path, 0);
    assert_int_equal(varve_verify(store, 0, NULL, NULL) > 0, 1);
    assert_int_equal(scratch_session(store, "s").events, 1); /* what is whole behind it is served */
    const ve_segment *next = ve_log_segment(store, 2);
    assert_non_null(next); /* nobody goes on in the damaged one */
    assert_true(next->hole_from > vf_lsn(1, 0) && next->hole_from < next->hole_to && next->hole_to <= confirmed);
    varve_close(&store);
    scratch_free(path);
}

/* A copy whose files are of different moments: what it has of CONTROL and of the index was true of another store. */
static void a_copy_believes_neither_the_page_nor_the_index(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    scratch_append(store, "s", "user", 5);
    scratch_run("cp -r '%s/idx' '%s-idx'", path, path);
    scratch_append(store, "s", "user", 5);
    varve_close(&store);
    scratch_run("cp -r '%s' '%s-copy' && rm -r '%s-copy/idx' && cp -r '%s-idx' '%s-copy/idx'", path, path, path, path, path);
    scratch_run("rm -r '%s' && mv '%s-copy' '%s'", path, path, path);
    store = scratch_open(path, 0);
    scratch_check_seq(store, "s", 10);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static int note_entry(void *context, const char *name) {
    (void)name;
    ++*(int *)context;
    return 0;
}

static void what_cannot_follow_the_end_is_kept_in_quarantine(void **state) {
    (void)state;
    char *path = scratch_new();
    char aside[300];
    int kept = 0;
    varve *store = scratch_open(path, 64 << 10);
    append_large(store, 3);
    varve_close(&store);
    tree_remove(path, "CONTROL");
    tree_flip(path, "seg/00000002.log", VF_SEGMENT_HEADER + 40, 1); /* never confirmed: a torn tail */
    store = scratch_open(path, 0);
    scratch_check_seq(store, "s", 1);
    snprintf(aside, sizeof aside, "%s/quarantine", path);
    int dir = open(aside, O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0 && ve_os_system.list(dir, note_entry, &kept) == 0);
    close(dir);
    assert_true(kept > 0);
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_with_the_boot_CONTROL_the_index_or_by_copying),
        cmocka_unit_test(a_segment_cut_anywhere_loses_what_lies_behind_and_whole_batches),
        cmocka_unit_test(a_segment_cut_anywhere_before_what_the_disk_had_confirmed_is_told),
        cmocka_unit_test(a_store_of_which_all_is_packed_goes_on_when_control_is_lost),
        cmocka_unit_test(raw_segments_behind_many_that_are_packed_are_found_when_control_is_lost),
        cmocka_unit_test(a_segment_that_was_confirmed_while_it_was_empty_is_not_missed),
        cmocka_unit_test(nobody_appends_to_a_segment_whose_successor_was_being_begun),
        cmocka_unit_test(what_was_folded_already_is_not_folded_again),
        cmocka_unit_test(what_cannot_be_opened_now_is_not_taken_for_damage),
        cmocka_unit_test(damage_to_what_a_SYNC_record_witnesses_is_told_and_noted),
        cmocka_unit_test(a_copy_believes_neither_the_page_nor_the_index),
        cmocka_unit_test(what_cannot_follow_the_end_is_kept_in_quarantine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Damaged stores and their repair. See mending.h.
 */
#include "support/mending.h"

#include "engine/repair.h"
#include "support/dump.h"
#include "support/scratch.h"
#include "support/tree.h"

static bool list_events(varve *store, mending_events *ret) {
    varve_cursor *cursor;
    varve_event event;
    int result = varve_cursor_store(store, 0, 0, &cursor);
    ret->count = 0;
    if (result < 0)
        return work_wrong("cursor: %d %s", result, varve_last_error(store));
    while ((result = varve_cursor_next(cursor, &event)) == 1 && ret->count < MENDING_EVENTS) {
        ret->lsn[ret->count] = event.lsn;
        dump_event(ret->line[ret->count++], MENDING_LINE, &event);
    }
    varve_cursor_close(&cursor);
    return result == 0 || work_wrong("cursor: %d %s", result, varve_last_error(store));
}

void mending_make(mending_store *w, size_t packed) {
    varve *store = NULL;
    uint32_t batch = 0;
    *w = (mending_store){.path = scratch_new(), .book = work_book_new(), .packed = packed};
    assert_true(work_open(NULL, w->path, 0, &store));
    for (size_t i = 0; i < packed; i++, batch += 40) {
        assert_true(work_run(store, w->book, 0, batch, 40));
        assert_int_equal(varve_compact(store, NULL, NULL), VARVE_OK);
    }
    assert_true(work_run(store, w->book, 0, batch, 60));
    assert_int_equal(varve_sync(store), VARVE_OK);
    assert_true(work_run(store, w->book, 0, batch + 60, 1)); /* so that a SYNC record says so */
    assert_true(list_events(store, &w->all) && w->all.count < MENDING_EVENTS);
    assert_int_equal(store->layout->files, packed);
    for (size_t i = 0; i < packed; i++) {
        ve_packed *file = store->layout->file[i];
        assert_int_equal(ve_layout_file(store, file->first, &(ve_packed *){NULL}), 1);
        w->number[i] = file->number;
        w->first[i] = file->first;
        w->end[i] = file->end;
        w->size[i] = (size_t)file->file_size;
        w->tables_at[i] = (size_t)vf_get64(file->footer.tables_at);
    }
    ve_manifest_name(w->manifest, store->layout->generation);
    w->first_raw = store->layout->first_raw;
    w->last_raw = vf_lsn_segment(ve_tail(store));
    assert_true(w->last_raw >= w->first_raw + 2);
    w->dump = dump_store(store, DUMP_RECORDS | DUMP_EVENTS, 1);
    varve_close(&store);
}

void mending_free(mending_store *w) {
    free(w->dump);
    scratch_free(w->path);
    work_book_free(w->book);
}

char *mending_copy(const mending_store *w) {
    char *copy = scratch_new();
    tree_copy(w->path, copy, true);
    return copy;
}

/* ---- Repair ---- */

static void note(void *context, const varve_repair_step *step) {
    static const char *const kinds[] = {"mended", "LOST", "LEFT"};
    mending_report *report = context;
    size_t used = strlen(report->text), room = sizeof report->text - used;
    if (step->has_session)
        snprintf(report->text + used, room, "%s %.*s/%.*s %llu..%llu\n", kinds[step->kind], (int)step->machine_id.size,
                 step->machine_id.ptr == NULL ? "" : step->machine_id.ptr, (int)step->session_id.size,
                 step->session_id.ptr == NULL ? "" : step->session_id.ptr, (unsigned long long)step->first_seq,
                 (unsigned long long)step->last_seq);
    else
        snprintf(report->text + used, room, "%s %s:%llu: %s\n", kinds[step->kind], step->file,
                 (unsigned long long)step->offset, step->what);
}

void mending_repair(const ve_os *os, const char *path, uint32_t flags, mending_report *ret) {
    char error[300] = "";
    varve_options options;
    varve_options_init(&options);
    options.error = error;
    options.error_size = sizeof error;
    *ret = (mending_report){.done = {.size = sizeof ret->done}};
    ret->result = ve_repair_store(os != NULL ? os : &ve_os_system, path, &options, flags, note, ret, &ret->done);
    size_t used = strlen(ret->text);
    if (ret->result < 0)
        snprintf(ret->text + used, sizeof ret->text - used, "failed: %d %s\n", ret->result, error);
}

/* ---- What must hold ---- */

static bool may_lack(const mending_due *due, uint64_t lsn) {
    return !due->lossless && ((lsn >= due->from && lsn < due->to) || (lsn >= due->from2 && lsn < due->to2));
}

/* The same event, but for the name of its session, which may be lost. */
static bool same_line(const char *a, const char *b, bool names) {
    const char *p = strchr(a, '/'), *q = strchr(b, '/');
    if (names || p == NULL || q == NULL)
        return strcmp(a, b) == 0;
    bool nameless = q[1] == ' ';
    p += strcspn(p, " ");
    q += strcspn(q, " ");
    return strcmp(p, q) == 0 && (nameless || strcmp(a, b) == 0);
}

/* What lies from 'limit' on was appended since. */
static bool served(const mending_store *w, varve *store, const mending_due *due, uint64_t limit, size_t *ret_lost) {
    static mending_events found;
    size_t at = 0;
    *ret_lost = 0;
    if (!list_events(store, &found))
        return false;
    for (size_t i = 0; i < found.count; i++, at++) {
        if (found.lsn[i] >= limit)
            break;
        for (; at < w->all.count && w->all.lsn[at] < found.lsn[i]; at++, ++*ret_lost)
            if (!may_lack(due, w->all.lsn[at]))
                return work_wrong("the event at %llx is not served", (unsigned long long)w->all.lsn[at]);
        if (at == w->all.count)
            return work_wrong("the event at %llx was never written", (unsigned long long)found.lsn[i]);
        if (w->all.lsn[at] != found.lsn[i] || !same_line(w->all.line[at], found.line[i], due->lossless))
            return work_wrong("the event at %llx was never written", (unsigned long long)found.lsn[i]);
    }
    for (; at < w->all.count; at++, ++*ret_lost)
        if (!may_lack(due, w->all.lsn[at]))
            return work_wrong("the event at %llx is not served", (unsigned long long)w->all.lsn[at]);
    return true;
}

/* How many events of a session there are, and the sum of their places; -1: an error. */
static int count_events(varve *store, const char *id, uint32_t flags, uint64_t *ret_sum) {
    varve_cursor *cursor;
    varve_event event;
    int result = varve_cursor_session(store, varve_cstr(NULL), varve_cstr(id),
                                      (flags & VARVE_CURSOR_BACKWARD) != 0 ? UINT64_MAX : 0, flags, &cursor), count = 0;
    *ret_sum = 0;
    if (result < 0)
        return -1;
    while ((result = varve_cursor_next(cursor, &event)) == 1 && ++count > 0)
        *ret_sum += event.lsn;
    varve_cursor_close(&cursor);
    return result < 0 ? -1 : count;
}

/* Each session reads forward and backward, and gives the same events. */
static bool sessions_read(varve *store) {
    varve_scan *scan;
    varve_session session;
    uint64_t sum, other;
    int result = varve_scan_open(store, &scan);
    bool good = result == VARVE_OK;
    while (good && (result = varve_scan_next(scan, &session)) == 1) {
        char id[64];
        snprintf(id, sizeof id, "%.*s", (int)session.session_id.size, session.session_id.ptr == NULL ? "" : session.session_id.ptr);
        if (session.session_id.ptr == NULL)
            continue;
        int count = count_events(store, id, 0, &sum);
        good = count >= 0 && count_events(store, id, VARVE_CURSOR_BACKWARD, &other) == count && sum == other;
        if (!good)
            work_wrong("session %s: %d events", id, count);
    }
    if (!good || result < 0)
        good = work_wrong("sessions: %d %s", result, varve_last_error(store));
    varve_scan_close(&scan);
    return good;
}

static bool answers(const mending_store *w, varve *store, const mending_due *due, uint64_t limit, const char *when) {
    size_t lost;
    bool good = served(w, store, due, limit, &lost) && sessions_read(store) && work_verifies(store, 0);
    if (good && due->reads_same) {
        char *found = dump_store(store, DUMP_RECORDS | DUMP_EVENTS, 1);
        good = dump_equal(when, w->dump, found);
        free(found);
    }
    return good || work_wrong("  %s", when);
}

static bool compacts(varve *store, uint32_t flags) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = flags;
    int result = varve_compact(store, &options, NULL);
    return result == VARVE_OK || work_wrong("compact: %d %s", result, varve_last_error(store));
}

static bool retains(varve *store) {
    varve_retention retention = {.size = sizeof retention, .flags = VARVE_RETAIN_DRY_RUN, .before = 1};
    varve_retained done = {.size = sizeof done};
    int result = varve_retain(store, &retention, &done);
    return result == VARVE_OK || work_wrong("retain: %d %s", result, varve_last_error(store));
}

bool mending_goes_on(const mending_store *w, const char *path, const mending_due *due) {
    varve *store = NULL;
    varve_stats stats = {.size = sizeof stats};
    mending_due later = *due;
    later.reads_same = false;
    atomic_store(&w->book->acked[7], 0);
    if (!work_open(NULL, path, 0, &store) || varve_stat(store, &stats) < 0)
        return false;
    uint64_t limit = stats.tail_lsn;
    bool good = answers(w, store, due, limit, "repaired") && work_append(store, w->book, 7, 0, VARVE_GROUP) &&
                work_append(store, w->book, 7, 1, VARVE_NONE) && answers(w, store, &later, limit, "appended to") &&
                compacts(store, 0) && answers(w, store, &later, limit, "packed") && retains(store) &&
                compacts(store, VARVE_COMPACT_ALL) && answers(w, store, &later, limit, "packed cold");
    varve_close(&store);
    if (!good)
        return false;
    tree_remove(path, "CONTROL");
    tree_remove(path, "idx");
    good = work_open(NULL, path, 0, &store) && answers(w, store, &later, limit, "opened after a power cut") &&
           work_append(store, w->book, 7, 2, VARVE_GROUP);
    varve_close(&store);
    return good;
}

static bool same_report(const mending_report *a, const mending_report *b) {
    return (strcmp(a->text, b->text) == 0 && a->done.mended == b->done.mended && a->done.lost == b->done.lost) ||
           work_wrong("the dry run tells:\n%sand the repair:\n%s", a->text, b->text);
}

bool mending_mends(const mending_store *w, const char *path, const mending_due *due, mending_report *ret) {
    static mending_report dry, again;
    uint64_t sum = tree_sum(path);
    mending_repair(NULL, path, VARVE_REPAIR_DRY_RUN, &dry);
    if (tree_sum(path) != sum)
        return work_wrong("a dry run has changed the store:\n%s", dry.text);
    mending_repair(NULL, path, 0, ret);
    if (ret->result < 0)
        return work_wrong("repair:\n%s", ret->text);
    bool good = same_report(&dry, ret);
    if (good && (ret->done.mended + ret->done.lost == 0 || ret->done.left > 0 || (due->lossless && ret->done.lost > 0)))
        good = work_wrong("%llu mended, %llu lost, %llu left", (unsigned long long)ret->done.mended,
                          (unsigned long long)ret->done.lost, (unsigned long long)ret->done.left);
    sum = tree_sum(path);
    mending_repair(NULL, path, 0, &again);
    if (good && (again.result < 0 || again.done.mended + again.done.lost + again.done.left > 0))
        good = work_wrong("a second repair finds:\n%s", again.text);
    if (good && tree_sum(path) != sum)
        good = work_wrong("a second repair changes something");
    good = good && mending_goes_on(w, path, due);
    return good || work_wrong("the repair told:\n%s", ret->text);
}

/* ---- Quarantine ---- */

typedef struct {
    const char *path;
    const void *bytes;
    size_t size;
    bool found;
} looking;

static void look_at(void *context, const char *name, size_t size) {
    looking *l = context;
    if (strncmp(name, "quarantine/", 11) != 0 || size != l->size || l->found)
        return;
    void *bytes = malloc(size + 1);
    tree_read(l->path, name, bytes, size, 0);
    l->found = memcmp(bytes, l->bytes, size) == 0;
    free(bytes);
}

bool mending_kept(const char *path, const void *bytes, size_t size) {
    looking l = {path, bytes, size, false};
    tree_each(path, look_at, &l);
    return l.found;
}

/*
 * Verification: reads everything, tells each finding, repairs nothing. SPEC.md gives the checks.
 */
#include "engine/fold.h"
#include "engine/recover.h"
#include "engine/told.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>

typedef struct {
    varve *store;
    void (*tell)(void *context, const varve_finding *finding);
    void *context;
    int faults;
    bool damaged; /* one of them is more than a sync that failed */
    uint64_t tail;
    ve_ranges told; /* what a repair has told to be lost: known, no fault */
} verification;

static void tell(verification *v, int error, const char *file, uint64_t offset, const char *format,
                 ...) __attribute__((format(printf, 5, 6)));
static bool is_starved(const verification *v) {
    return v->store->starved || v->store->trouble == VARVE_E_NO_MEMORY;
}

static void tell(verification *v, int error, const char *file, uint64_t offset, const char *format,
                 ...) {
    if (error != 0 && is_starved(v)) /* it may be no fault: the call fails */
        return;
    char what[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    v->faults += error != 0;
    v->damaged = v->damaged || (error != 0 && error != VARVE_E_SYNC_FAILED);
    varve_finding finding = {
        .size = sizeof finding, .error = error, .file = file, .offset = offset, .what = what};
    if (v->tell != NULL)
        v->tell(v->context, &finding);
}

/* ---- The log ---- */

/* What a part of the log that is lost counts as: a fault, unless a repair has told of it. */
static int is_known(const verification *v, uint64_t from, uint64_t to) {
    return ve_ranges_have(&v->told, from, to) ? 0 : VARVE_E_CORRUPT;
}

static void check_session_chain(verification *v, const char *file, uint64_t lsn,
                                const vf_frame *frame) {
    uint64_t prev = vf_get64(frame->prev), seq = vf_get64(frame->seq);
    if (vf_key_is_zero(frame->session)) {
        if (prev != 0 || seq != 0)
            tell(v, VARVE_E_CORRUPT, file, vf_lsn_offset(lsn),
                 "a record without session has a place in one");
        return;
    }
    if (prev == 0) {
        uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
        const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
        uint32_t row = ve_find(&v->store->index, VF_TABLE_SESSIONS, frame->session);
        if (seq != 0 || frame->kind != VF_KIND_SESSION)
            tell(v, VARVE_E_CORRUPT, file, vf_lsn_offset(lsn),
                 "a session begins with seq %llu, or without its identity",
                 (unsigned long long)seq);
        else if (row != UINT32_MAX &&
                 ve_read_row(&v->store->index, VF_TABLE_SESSIONS, row, true, image) == VARVE_OK &&
                 vf_get64(cold->ref[VF_REF_IDENTITY]) != lsn && /* 0: it is forgotten */
                 vf_get64(cold->ref[VF_REF_IDENTITY]) != 0)
            tell(v, VARVE_E_CORRUPT, file, vf_lsn_offset(lsn),
                 "a session begins again: its events before are cut off from it");
        return;
    }
    vf_frame before;
    const vf_key *whose = frame->kind == VF_KIND_FORK ? NULL : &frame->session;
    if (prev >= lsn || ve_log_frame(v->store, whose, prev, &before) < 0) {
        if (prev >= lsn || !ve_ranges_have(&v->told, prev, prev + VF_RECORD_ALIGN))
            tell(v, VARVE_E_CORRUPT, file, vf_lsn_offset(lsn),
                 "the session's record before this one (seq %llu) cannot be read",
                 (unsigned long long)seq - 1);
    } else if ((frame->kind != VF_KIND_FORK && !vf_key_equal(before.session, frame->session)) ||
               vf_get64(before.seq) + 1 != seq)
        tell(v, VARVE_E_CORRUPT, file, vf_lsn_offset(lsn),
             "seq %llu does not follow the session's record before", (unsigned long long)seq);
}

static void check_record(verification *v, const char *file, const ve_record *record) {
    const vf_frame *frame = &record->frame;
    uint64_t lsn = record->lsn;
    int result = VARVE_OK;
    vf_body body;
    vf_key key;
    vf_text name, state;
    if (frame->kind == VF_KIND_EVENT || frame->kind == VF_KIND_SESSION ||
        frame->kind == VF_KIND_FORK)
        result = ve_record_body(v->store, record, &body);
    else if (frame->kind == VF_KIND_CURSOR &&
             (record->body == NULL ||
              vf_cursor_decode(record->body, record->body_size, &key, &name, &state) != VF_OK))
        result = VARVE_E_CORRUPT;
    if (result < 0)
        tell(v, VARVE_E_CORRUPT, file, vf_lsn_offset(lsn), "a record's body cannot be taken apart");
    if (frame->kind != VF_KIND_BASE) /* what was before it is gone */
        check_session_chain(v, file, lsn, frame);
}

/* Reads a segment record by record; returns the chain value at its end. */
static uint32_t check_segment(verification *v, uint32_t number, const char *file) {
    ve_segment *segment = ve_log_segment(v->store, number);
    if (segment == NULL) {
        tell(v, VARVE_E_CORRUPT, file, 0, "%s", ve_error(v->store));
        return 0;
    }
    uint64_t end = ve_log_end(v->store, number), lsn = vf_lsn(number, VF_SEGMENT_HEADER);
    uint32_t chain = segment->first_chain;
    bool batch_open = false;
    ve_record record;
    uint64_t damage;
    if (segment->hole_from != 0)
        tell(v, is_known(v, segment->hole_from, segment->hole_to), file, 80,
             "recovery found acknowledged data damaged from segment %u offset %u to segment %u "
             "offset %u",
             vf_lsn_segment(segment->hole_from), vf_lsn_offset(segment->hole_from),
             vf_lsn_segment(segment->hole_to), vf_lsn_offset(segment->hole_to));
    for (;;) {
        int found = ve_log_next(v->store, lsn, end, &record, &damage);
        if (damage != 0)
            tell(v, VARVE_E_CORRUPT, file, vf_lsn_offset(damage),
                 "no whole record stands here; %llu bytes are not served",
                 (unsigned long long)((found == 1 ? record.lsn : end) - damage));
        if (found != 1)
            break;
        if (damage == 0 && vf_get32(record.frame.chain) != chain)
            tell(v, VARVE_E_CORRUPT, file, vf_lsn_offset(record.lsn),
                 "a record does not follow the one before it");
        check_record(v, file, &record);
        chain = (uint32_t)vf_get64(record.frame.header_sum);
        batch_open = (record.frame.flags & VF_FRAME_BATCH_END) == 0;
        lsn = record.lsn + vf_get32(record.frame.length);
    }
    bool known =
        ve_ranges_have(&v->told, end, end + VF_RECORD_ALIGN); /* what is lost goes on here */
    if (batch_open && segment->hole_from == 0 && !known)
        tell(v, VARVE_E_CORRUPT, file, vf_lsn_offset(end),
             "the segment's last batch is not complete");
    return chain;
}

/* Reads a packed segment whole, then record by record. */
static void check_packed(verification *v, ve_packed *packed) {
    char file[32];
    ve_record record;
    uint64_t lsn = packed->first, damage = 0;
    snprintf(file, sizeof file, "seg/%08u.seg", packed->number);
    if (ve_layout_file(v->store, packed->first, &packed) != 1) {
        tell(v, VARVE_E_CORRUPT, file, 0, "%s", ve_error(v->store));
        return;
    }
    size_t body = (size_t)packed->file_size - VF_PACKED_FOOTER;
    if (vf_sum64(packed->map, body, 0) != vf_get64(packed->footer.file_sum) ||
        vf_sum64(packed->map, (size_t)packed->file_size, 0) != packed->sum)
        tell(v, VARVE_E_CORRUPT, file, 0, "the sum over the file does not hold");
    for (uint32_t i = 0; i < vf_get32(packed->footer.holes.count); i++) {
        const vf_hole *hole =
            vf_packed_item(packed->map, &packed->footer.holes, i, sizeof(vf_hole));
        uint64_t from = vf_get64(hole->from), to = vf_get64(hole->to);
        tell(v, is_known(v, from, to), file, 0,
             "was damaged before it was packed, from segment %u offset %u to segment %u offset %u",
             vf_lsn_segment(from), vf_lsn_offset(from), vf_lsn_segment(to), vf_lsn_offset(to));
    }
    while (ve_log_next(v->store, lsn, packed->end, &record, &damage) == 1) {
        if (damage != 0)
            tell(v, VARVE_E_CORRUPT, file, 0, "records of a block are not served: %s",
                 ve_error(v->store));
        check_record(v, file, &record);
        lsn = record.lsn + 1;
        ve_hold_drop(v->store, v->store->hold);
    }
    if (damage != 0)
        tell(v, VARVE_E_CORRUPT, file, 0, "records of a block are not served: %s",
             ve_error(v->store));
}

static void check_log(verification *v) {
    ve_layout *layout = ve_layout_now(v->store);
    if (layout == NULL) {
        tell(v, VARVE_E_CORRUPT, "manifest", 0, "%s", ve_error(v->store));
        return;
    }
    uint64_t end = vf_lsn(1, 0);
    for (size_t i = 0; i < layout->files; end = layout->file[i++]->end) {
        uint64_t first = layout->file[i]->first;
        if (first > end)
            tell(v, is_known(v, end, first), "manifest", 0,
                 "no packed segment holds what lies from segment %u offset %u to segment %u offset "
                 "%u",
                 vf_lsn_segment(end), vf_lsn_offset(end), vf_lsn_segment(first),
                 vf_lsn_offset(first));
        check_packed(v, layout->file[i]);
    }
    uint32_t last = vf_lsn_segment(v->tail), chain = 0;
    char file[32];
    if (layout->files > 0 && layout->file[layout->files - 1]->checked)
        chain = vf_get32(layout->file[layout->files - 1]->footer.end_chain);
    for (uint32_t number = layout->first_raw; number <= last; number++) {
        snprintf(file, sizeof file, "seg/%08u.log", number);
        ve_segment *segment = ve_log_segment(v->store, number);
        if (segment != NULL && number > 1 && segment->hole_from == 0 &&
            segment->prev_chain != chain)
            tell(v, VARVE_E_CORRUPT, file, 52,
                 "the segment does not follow the end of the one before it");
        chain = check_segment(v, number, file);
    }
    if (v->store->control != NULL && ve_word(&v->store->control->tail) == v->tail &&
        ve_chain(v->store) != chain)
        tell(v, VARVE_E_CORRUPT, "CONTROL", offsetof(vf_control, chain),
             "the chain value at the tail is wrong");
}

/* A writer may be between its write and its publication: what holds at one moment holds. */
static bool tail_holds(varve *store) {
    for (int i = 0; i < 200; i++) {
        if (ve_tail_holds(store))
            return true;
        store->os->sleep(500000);
    }
    return false;
}

static void check_control(verification *v) {
    const vf_control *control = v->store->control;
    if (control == NULL) {
        tell(v, 0, "CONTROL", 0,
             "there is none to be believed here: the log was read to its end instead");
        return;
    }
    uint64_t witnessed = ve_word(&control->last_sync_record), synced = ve_word(&control->synced);
    if (synced >
        ve_word(&control->tail)) /* read in the order in which they grow behind each other */
        tell(v, VARVE_E_CORRUPT, "CONTROL", offsetof(vf_control, synced),
             "more is said to be on disk than was written");
    if (witnessed > synced)
        tell(v, VARVE_E_CORRUPT, "CONTROL", offsetof(vf_control, last_sync_record),
             "more was witnessed than was synced");
    if (!tail_holds(v->store))
        tell(v, VARVE_E_CORRUPT, "CONTROL", offsetof(vf_control, tail),
             "the log does not end where CONTROL says; the next writer finds its end");
    if (v->store->index.open && !ve_heads_hold(&v->store->index))
        tell(v, VARVE_E_INDEX, "idx", 0, "the sizes of the tables do not fit together");
    if (ve_word(&control->rotating) > (uint64_t)vf_lsn_segment(v->tail) + 1)
        tell(v, VARVE_E_CORRUPT, "CONTROL", offsetof(vf_control, rotating),
             "a segment far ahead is said to be begun");
    if (ve_word(&control->sync_failed) != 0)
        tell(v, VARVE_E_SYNC_FAILED, "CONTROL", offsetof(vf_control, sync_failed),
             "a sync of segment %llu failed", (unsigned long long)ve_word(&control->sync_failed));
}

/* ---- The index ---- */

static void index_fault(verification *v, vf_table table, uint64_t row, const char *what) {
    char file[64];
    snprintf(file, sizeof file, "idx/%llu/%s", (unsigned long long)v->store->index.generation,
             vf_table_name(table));
    tell(v, VARVE_E_INDEX, file, row, "row %llu: %s", (unsigned long long)row, what);
}

/* When a row changed lies behind what it knows, and not behind the tail. */
static void check_changed(verification *v, vf_table table, uint32_t row, const uint8_t *image) {
    if (table != VF_TABLE_SESSIONS && table != VF_TABLE_USAGE)
        return;
    uint64_t changed = ve_changed(&v->store->index, table, row), last = 0;
    if (table == VF_TABLE_SESSIONS)
        last = vf_get64(((const vf_hot *)(const void *)image)->last_lsn);
    if (changed <= last || changed > ve_tail(v->store))
        index_fault(v, table, row, "it cannot have changed when it is said to have");
}

/* Whether a word may name this row. */
static bool is_there(ve_index *index, vf_table table, uint32_t row) {
    const uint8_t *at = ve_item(index, table, VF_PART_ROWS, row, false);
    return at != NULL && !vf_key_is_zero(ve_row_key(table, at));
}

static void check_rows(verification *v, vf_table table) {
    ve_index *index = &v->store->index;
    uint64_t rows = ve_rows(index, table);
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    for (uint64_t row = 0; row < rows && v->faults < 1000; row++) {
        if (ve_read_row(index, table, (uint32_t)row, true, image) < 0) {
            index_fault(v, table, row, "cannot be read, or its sum does not hold");
            continue;
        }
        if (ve_no_row(table, image))
            continue;
        check_changed(v, table, (uint32_t)row, image);
        const vf_usage *usage = (const vf_usage *)(const void *)image;
        if (table == VF_TABLE_USAGE && (usage->flags & (VF_UR_SINGLE | VF_UR_LINKED)) != 0)
            continue;
        if (ve_find(index, table, ve_row_key(table, image)) != row)
            index_fault(v, table, row, "is not found by its key");
    }
}

static void check_words(verification *v, vf_table table) {
    ve_index *index = &v->store->index;
    uint64_t buckets = ve_word(&index->table[table].head->buckets),
             overflow = ve_word(&index->table[table].head->overflow);
    uint64_t rows = ve_rows(index, table);
    for (uint64_t b = 0; b < buckets + overflow && v->faults < 1000; b++) {
        bool spill = b >= buckets;
        const vf_bucket *bucket = (const vf_bucket *)(const void *)ve_item(
            index, table, spill ? VF_PART_OVERFLOW : VF_PART_WORDS, spill ? b - buckets : b, false);
        if (bucket == NULL) {
            index_fault(v, table, b, "a bucket of this number is missing");
            return;
        }
        if (ve_word(&bucket->overflow) > overflow)
            index_fault(v, table, b, "a bucket of this number goes on where nothing is");
        for (int i = 0; i < VF_BUCKET_WORDS; i++) {
            uint64_t word = ve_word(&bucket->word[i]);
            if (word != 0 && ((uint32_t)word == 0 || (uint32_t)word > rows ||
                              !is_there(index, table, (uint32_t)word - 1)))
                index_fault(v, table, b, "a bucket of this number names a row that is not there");
        }
    }
}

/* Row of the same thing in the index made anew. Inputs may have come in another order: only their
 * last records are kept. */
static uint32_t other_row(verification *v, ve_index *again, vf_table table, uint64_t row,
                          const uint8_t *image) {
    uint32_t found =
        table == VF_TABLE_CURSORS ? ve_find(again, table, ve_row_key(table, image)) : (uint32_t)row;
    if (found == UINT32_MAX)
        index_fault(v, table, row, "folding the log does not give it");
    return found == UINT32_MAX ? (uint32_t)row : found;
}

/* Of a deleted session records may be gone that later ones were held against: only what it counts
 * is told by all. */
static uint32_t first_difference(vf_table table, const uint8_t *a, const uint8_t *b) {
    const vf_hot *hot = (const vf_hot *)(const void *)a;
    uint32_t size = vf_row_size(table), at = 8;
    bool deleted = table == VF_TABLE_SESSIONS && ve_le_flag(hot->flags, VF_SR_DELETED);
    while (at < size && a[at] == b[at]) {
        at++;
        if (deleted && at == offsetof(vf_hot, first_started))
            at = offsetof(vf_hot, tokens);
        if (deleted && at == offsetof(vf_hot, context))
            return size;
    }
    return at;
}

static void compare_rows(verification *v, ve_index *again, vf_table table) {
    ve_index *index = &v->store->index;
    uint64_t rows = ve_rows(index, table), expected = ve_rows(again, table);
    uint8_t a[VF_HOT_SIZE + VF_COLD_SIZE], b[VF_HOT_SIZE + VF_COLD_SIZE];
    if (rows != expected)
        index_fault(v, table, rows,
                    "the table ends here; folding the log gives another number of rows");
    for (uint64_t row = 0; row < rows && row < expected && v->faults < 1000; row++) {
        if (ve_read_row(index, table, (uint32_t)row, true, a) < 0 ||
            ve_read_row(again, table, other_row(v, again, table, row, a), true, b) < 0)
            continue; /* told already */
        uint32_t at = first_difference(table, a, b);
        if (at < vf_row_size(table)) {
            char what[100];
            snprintf(what, sizeof what, "byte %u is not what folding the log gives", at);
            index_fault(v, table, row, what);
        }
    }
}

/* Keeps writers out while the index is compared with the log: a shared lock, where the file system
 * has locks. */
static int hold_writers(varve *store) {
    int fd = store->os->openat(store->dir, "LOCK.append", O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return -1;
    for (int i = 0; i < 10000; i++) {
        if (store->os->flock(fd, LOCK_SH | LOCK_NB) == 0)
            return fd;
        if (errno != EWOULDBLOCK && errno != EINTR)
            break;
        store->os->sleep(1000000);
    }
    store->os->close(fd);
    return -1;
}

static int check_index(verification *v, bool deep) {
    varve *store = v->store;
    ve_index again = {.dir = -1};
    uint64_t again_tail = v->tail;
    int result = deep ? ve_private_index(store, &again, &again_tail, true) : VARVE_OK;
    int lock = store->control != NULL && !store->locked ? hold_writers(store) : -1;
    if (result == VARVE_OK)
        result = ve_follow_index(store);
    uint64_t tail = ve_tail(store);
    if (result == VARVE_OK && deep && tail > again_tail)
        result = ve_fold_range(store, &again, again_tail, tail, NULL);
    bool behind = store->control != NULL && ve_word(&store->control->applied) < tail;
    if (behind)
        tell(v, 0, "CONTROL", offsetof(vf_control, applied),
             "a writer died before the index followed; the next one makes it follow");
    for (uint32_t t = 0; t < VF_TABLES && result == VARVE_OK && !behind; t++) {
        check_rows(v, (vf_table)t);
        check_words(v, (vf_table)t);
        if (deep)
            compare_rows(v, &again, (vf_table)t);
    }
    if (lock >= 0)
        store->os->close(lock);
    ve_index_close(&again);
    return result;
}

static void check_identity(verification *v) {
    uint8_t bytes[VF_STORE_SIZE];
    vf_store_file file;
    int read_only;
    int fd = v->store->os->openat(v->store->dir, "STORE", O_RDONLY | O_NOFOLLOW, 0);
    bool good = fd >= 0 && ve_read_all(v->store->os, fd, bytes, sizeof bytes, 0) == 0 &&
                vf_store_check(bytes, sizeof bytes, &file, &read_only) == VF_OK &&
                memcmp(&file, &v->store->ident, sizeof file) == 0;
    if (fd >= 0)
        v->store->os->close(fd);
    if (!good)
        tell(v, VARVE_E_CORRUPT, "STORE", 0, "has changed since it was opened, or cannot be read");
}

int varve_verify(varve *store, uint32_t flags,
                 void (*tell_one)(void *context, const varve_finding *finding), void *context) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result < 0)
        return result;
    verification v = {.store = store, .tell = tell_one, .context = context, .tail = ve_tail(store)};
    ve_layout *layout = NULL;
    store->starved = false;
    store->trouble = 0;
    if ((result = ve_told_read(store, &v.told)) == VARVE_OK)
        result = ve_layout_keep(store, v.tail, &layout);
    if (result < 0) {
        ve_ranges_free(&v.told);
        return result;
    }
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    store->reading = layout;
    check_identity(&v);
    check_control(&v);
    check_log(&v);
    store->reading = NULL;
    ve_layout_release(store, layout);
    ve_hold_end(store, &own, before);
    bool deep = (flags & VARVE_VERIFY_DEEP) != 0;
    if (deep && v.damaged)
        tell(&v, 0, "idx", 0, "is not compared with the log, of which a part is damaged");
    result = check_index(&v, deep && !v.damaged);
    ve_ranges_free(&v.told);
    if (result == VARVE_OK && is_starved(&v))
        result = ve_fail(store, VARVE_E_NO_MEMORY, "no memory: not everything was looked at");
    return result < 0 ? result : v.faults;
}

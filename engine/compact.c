/*
 * Compaction: what is to be packed, and each job from its first byte to the removal of what it
 * replaced. Appends and reads go on meanwhile: the append lock is held only to close the active
 * segment and to copy the rows that changed since the last look, and to name the new manifest in
 * CONTROL. SPEC.md "Compaction".
 */
#include "engine/pack.h"
#include "engine/recover.h"

#include <stdlib.h>

enum { GROUP_FILES = 4, HOLLOW_PERCENT = 25 };
static const uint64_t piece_bytes = 1ull << 30; /* of raw log, in one packed segment */
static const uint64_t cold_bytes = 256 << 20; /* from so much raw log on a merged segment is cold */

void varve_compact_options_init(varve_compact_options *options) {
    *options = (varve_compact_options){.size = sizeof *options};
}

/* ---- What there is ---- */

/* A job that was chosen: files [first, first + files) of the layout, and raw segments behind them.
 */
typedef struct {
    size_t first, files;
    uint32_t raw_first, raw_last; /* raw_first 0 = none */
    bool last;                    /* with all that the log has: it carries the index rows */
    uint32_t tier;
    uint64_t bytes; /* of raw log in it */
} choice;

static uint64_t raw_size(varve *store, uint32_t number) {
    uint64_t end = ve_log_end(store, number);
    return vf_lsn_segment(end) == number ? vf_lsn_offset(end) : 0;
}

static bool has_records(varve *store, uint32_t number) {
    return raw_size(store, number) > VF_SEGMENT_HEADER;
}

/* Raw segments from 'from' on, at least one, while all that is taken is no more than 'most' bytes.
 */
static void take_raw(varve *store, uint32_t from, uint64_t most, choice *c) {
    uint32_t last = vf_lsn_segment(ve_tail(store));
    for (uint32_t n = from; n <= last; n++) {
        uint64_t size = raw_size(store, n);
        if (c->bytes + size > most && (c->raw_first != 0 || c->files > 0))
            return;
        c->raw_first = c->raw_first == 0 ? n : c->raw_first;
        c->raw_last = n;
        c->bytes += size;
    }
    c->last = true;
}

static uint64_t file_bytes(const ve_packed *file) {
    return vf_get64(file->footer.raw_bytes);
}

/* Whether so much of a packed segment is gone that it is worth writing it again. */
static bool is_hollow(const ve_gone *gone, ve_packed *file, unsigned percent) {
    uint64_t bytes = ve_gone_bytes(gone, file),
             all = vf_get64(file->footer.payload_bytes) +
                   vf_get64(file->footer.records) * VF_IMAGE_SIZE;
    return bytes > 0 && bytes >= all / 100 * percent;
}

/* Everything, cold, in pieces as large as may be, from the first on. */
static bool choose_all(varve *store, const ve_gone *gone, uint64_t most, choice *c) {
    const ve_layout *layout = store->layout;
    uint32_t last = vf_lsn_segment(ve_tail(store));
    bool raw = false;
    for (uint32_t n = layout->first_raw; n <= last && !raw; n++)
        raw = has_records(store, n);
    for (size_t i = 0;;) {
        *c = (choice){.first = i, .tier = VF_TIER_COLD};
        while (i < layout->files &&
               (c->files == 0 || c->bytes + file_bytes(layout->file[i]) <= most)) {
            c->bytes += file_bytes(layout->file[i++]);
            c->files++;
        }
        if (i == layout->files && raw)
            take_raw(store, layout->first_raw, most, c);
        bool cold = c->files == 1 && vf_get32(layout->file[c->first]->footer.tier) == VF_TIER_COLD;
        if (c->raw_first != 0 || c->files > 1 || (c->files == 1 && !cold) ||
            (cold && is_hollow(gone, layout->file[c->first], 0)))
            return true;
        if (i == layout->files && (c->files == 0 || !raw))
            return false; /* else the raw segments are a group of their own */
    }
}

/* A packed segment of which so much is gone. */
static bool choose_hollow(varve *store, const ve_gone *gone, unsigned percent, choice *c) {
    const ve_layout *layout = store->layout;
    for (size_t i = 0; i < layout->files; i++)
        if (is_hollow(gone, layout->file[i], percent)) {
            *c = (choice){.first = i, .files = 1, .bytes = file_bytes(layout->file[i])};
            c->tier = vf_get32(layout->file[i]->footer.tier);
            return true;
        }
    return false;
}

/* Raw segments as soon as one is full; else a segment that is hollow; else the newest group of
 * packed ones that are alike in size. */
static bool choose_due(varve *store, const ve_gone *gone, uint64_t most, choice *c) {
    const ve_layout *layout = store->layout;
    *c = (choice){.first = layout->files, .tier = VF_TIER_HOT};
    if (vf_lsn_segment(ve_tail(store)) > layout->first_raw) {
        take_raw(store, layout->first_raw, most, c);
        return true;
    }
    if (choose_hollow(store, gone, HOLLOW_PERCENT, c))
        return true;
    for (size_t end = layout->files; end >= GROUP_FILES; end--) {
        uint64_t sum = 0, largest = 0;
        size_t first = end;
        while (first > 0 && sum + file_bytes(layout->file[first - 1]) <= most) {
            uint64_t size = file_bytes(layout->file[first - 1]);
            if (end - first >= GROUP_FILES - 1 && size > sum)
                break; /* larger than all behind it: its turn comes when they have grown */
            sum += size;
            largest = size > largest ? size : largest;
            first--;
        }
        if (end - first >= GROUP_FILES && largest * 2 <= sum) {
            *c = (choice){.first = first, .files = end - first, .bytes = sum};
            c->tier = sum >= cold_bytes ? VF_TIER_COLD : VF_TIER_HOT;
            return true;
        }
    }
    return false;
}

/* ---- One job ---- */

/* Closes the active segment: what is appended from now on goes into the next one, which whoever
 * appends first begins. */
static int close_active(varve *store, ve_job *job, ve_pack *pack, ve_changes *changes,
                        uint64_t since) {
    int result = ve_lock(store, store->lock_append, "LOCK.append");
    if (result < 0)
        return result;
    result = ve_catch_up(store);
    if (result == VARVE_OK) {
        vf_control *control = store->control;
        uint64_t tail = ve_word(&control->tail);
        job->end_lsn = tail;
        job->raw_last = vf_lsn_segment(tail);
        vf_put32(&pack->footer.end_chain, ve_chain(store));
        ve_set_word(&control->rotating, (uint64_t)vf_lsn_segment(tail) + 1);
        result = ve_changes_copy(store, since, changes);
    }
    ve_unlock(store, store->lock_append);
    return result;
}

/* The rows of the index that the new segment carries: those of the segments that it replaces, and
 * if it ends with the log those that changed since. */
static int write_rows(ve_pack *pack, ve_job *job, bool last) {
    varve *store = job->store;
    ve_changes changes = {0};
    uint64_t since = ve_rows_lsn(store->layout), rows_lsn = 0;
    for (size_t i = 0; i < job->files; i++)
        if (vf_get64(job->file[i]->footer.rows_lsn) > rows_lsn) {
            rows_lsn = vf_get64(job->file[i]->footer.rows_lsn);
            memcpy(pack->footer.table_rows, job->file[i]->footer.table_rows,
                   sizeof pack->footer.table_rows);
        }
    int result = job->files > 0 ? ve_changes_merge(pack, job->file, job->files) : VARVE_OK;
    if (result == VARVE_OK && last) {
        uint64_t then = ve_word(&store->control->applied);
        result = ve_changes_write(pack, since);
        if (result == VARVE_OK)
            result = close_active(store, job, pack, &changes, then > since ? then : since);
        if (result == VARVE_OK)
            result = ve_sync_to(store, job->end_lsn);
        if (result == VARVE_OK)
            result = ve_changes_put(pack, &changes);
        for (int t = 0; t < VF_TABLES; t++)
            vf_put64(&pack->footer.table_rows[t], changes.rows[t]);
        rows_lsn = job->end_lsn;
        ve_changes_free(&changes);
    }
    vf_put64(&pack->footer.rows_lsn, rows_lsn);
    return result;
}

/* Where a job that does not end with the log ends: where the raw segment behind it begins, or its
 * last file. */
static int find_end(ve_pack *pack, ve_job *job) {
    varve *store = job->store;
    if (job->raw_first == 0) {
        const ve_packed *file = job->file[job->files - 1];
        job->end_lsn = file->end;
        pack->footer.end_chain = file->footer.end_chain;
        return VARVE_OK;
    }
    const ve_segment *next = ve_log_segment(store, job->raw_last + 1);
    if (next == NULL)
        return VARVE_E_CORRUPT;
    job->end_lsn = next->prev_end;
    vf_put32(&pack->footer.end_chain, next->prev_chain);
    return ve_sync_to(store, job->end_lsn);
}

/* What a job may take until what it replaces is gone; of a file of which a part is gone, the rest.
 */
static uint64_t room_for(const ve_job *job, uint64_t raw_bytes) {
    uint64_t wanted = raw_bytes / 2;
    for (size_t i = 0; i < job->files; i++) {
        const ve_packed *file = job->file[i];
        uint64_t all =
            vf_get64(file->footer.payload_bytes) + vf_get64(file->footer.records) * VF_IMAGE_SIZE;
        uint64_t gone = job->gone == NULL ? 0 : ve_gone_bytes(job->gone, job->file[i]);
        double left = all == 0 || gone >= all ? 0 : (double)(all - gone) / (double)all;
        wanted += (uint64_t)(left * (double)file->file_size);
    }
    return wanted;
}

static int check_room(varve *store, const ve_job *job, uint64_t raw_bytes) {
    uint64_t room, wanted = (job->raw_first != 0 ? 1 << 20 : 64 << 10) + room_for(job, raw_bytes);
    if (store->given_up || store->os->room(store->dir, &room) < 0)
        return VARVE_OK; /* writing tells */
    return room >= wanted
               ? VARVE_OK
               : ve_fail(
                     store, VARVE_E_NO_SPACE,
                     "%s: compaction wants %llu bytes of room, %llu are free: nothing was changed",
                     store->path, (unsigned long long)wanted, (unsigned long long)room);
}

static void add_totals(ve_pack *pack, const varve *store, uint64_t raw_bytes) {
    uint64_t written = 0, packed = 0;
    for (size_t i = 0; i < store->layout->files; i++) {
        const vf_packed_footer *footer = &store->layout->file[i]->footer;
        written =
            vf_get64(footer->written_total) > written ? vf_get64(footer->written_total) : written;
        packed = vf_get64(footer->packed_total) > packed ? vf_get64(footer->packed_total) : packed;
    }
    vf_put64(&pack->footer.written_total, written); /* finishing adds the file itself */
    vf_put64(&pack->footer.packed_total, packed + raw_bytes);
}

/* Names the new manifest, so that all follow; then what it replaced goes. */
static int put_in_force(varve *store, uint64_t generation, const vf_manifest_entry *entry,
                        uint64_t *removed) {
    int result = ve_manifest_write(store, generation, entry);
    if (result == VARVE_OK)
        result = ve_lock(store, store->lock_append, "LOCK.append");
    if (result < 0)
        return result;
    result = ve_catch_up(store);
    if (result == VARVE_OK) {
        ve_set_word(&store->control->manifest, generation);
        result = ve_layout_follow(store);
    }
    ve_unlock(store, store->lock_append);
    if (store->repairing) /* the next compaction does */
        return result;
    return result == VARVE_OK ? ve_pack_clear(store, removed) : result;
}

int ve_pack_clear(varve *store, uint64_t *removed) {
    int result = VARVE_OK;
    for (size_t i = 0; i < store->layout->files && result == VARVE_OK; i++) {
        ve_packed *file;
        int found = ve_layout_file(store, store->layout->file[i]->first, &file);
        result = found < 0 ? found : VARVE_OK;
    }
    return result == VARVE_OK ? ve_manifest_sweep(store, removed) : result;
}

int ve_pack_job(varve *store, ve_job *job, bool last, uint32_t tier, uint64_t raw_bytes,
                varve_compacted *done) {
    ve_pack pack;
    vf_manifest_entry entry;
    uint64_t generation = store->layout->generation + 1, gathered = 0;
    int result = check_room(store, job, raw_bytes);
    if (result < 0)
        return result;
    job->first_lsn = job->files > 0             ? job->file[0]->first
                     : store->layout->files > 0 ? store->layout->packed_end
                                                : vf_lsn(job->raw_first, 0);
    result = ve_pack_begin(&pack, store, (uint32_t)generation, tier);
    for (size_t i = 0; i < job->files; i++)
        gathered += file_bytes(job->file[i]);
    if (result == VARVE_OK)
        result = write_rows(&pack, job, last);
    if (result == VARVE_OK && !last)
        result = find_end(&pack, job);
    if (result == VARVE_OK)
        result = ve_gather(&pack, job);
    add_totals(&pack, store, raw_bytes);
    vf_put64(&pack.footer.first_lsn, job->first_lsn);
    vf_put64(&pack.footer.end_lsn, job->end_lsn);
    vf_put64(&pack.footer.raw_bytes, gathered + raw_bytes);
    if (result == VARVE_OK)
        result = ve_pack_finish(&pack, &entry);
    done->written_bytes += result == VARVE_OK ? pack.at : 0;
    ve_pack_end(&pack, result == VARVE_OK);
    if (result < 0)
        return result;
    done->made++;
    done->packed_segments += job->files;
    done->raw_segments += job->raw_first == 0 ? 0 : job->raw_last - job->raw_first + 1;
    done->read_bytes += job->read_bytes;
    return put_in_force(store, generation, &entry, &done->removed_bytes);
}

static int run(varve *store, const choice *c, const ve_gone *gone, varve_compacted *done) {
    ve_job job = {.store = store,
                  .gone = gone,
                  .file = store->layout->file + c->first,
                  .files = c->files,
                  .raw_first = c->raw_first,
                  .raw_last = c->raw_last};
    uint64_t raw_bytes = 0;
    for (uint32_t n = c->raw_first; n != 0 && n <= c->raw_last; n++)
        raw_bytes += raw_size(store, n);
    for (size_t i = 0; i < store->layout->files;
         i++) { /* all must be readable before anything goes */
        ve_packed *file;
        int found = ve_layout_file(store, store->layout->file[i]->first, &file);
        if (found < 0)
            return found;
    }
    return ve_pack_job(store, &job, c->last, c->tier, raw_bytes, done);
}

/* Under both locks: a compaction that died may have left a manifest that CONTROL does not name yet.
 * Who opens the store now follows it, and what it replaced is about to go: so all others must
 * follow too. */
static int adopt(varve *store) {
    int result = ve_layout_read(store);
    uint64_t generation = result < 0 ? 0 : store->layout->generation;
    if (result < 0 || ve_word(&store->control->manifest) == generation)
        return result;
    if (store->os->fsync(store->dir) < 0)
        return ve_fail_os(store, "%s: cannot be synced", store->path);
    ve_set_word(&store->control->manifest, generation);
    return VARVE_OK;
}

int ve_pack_lock(varve *store) {
    int result = ve_open_lock(store, "LOCK.compact", &store->lock_compact);
    if (result == VARVE_OK)
        result = ve_lock(store, store->lock_compact, "LOCK.compact");
    if (result < 0)
        return result;
    result = ve_lock(store, store->lock_append, "LOCK.append");
    if (result == VARVE_OK) {
        result = ve_catch_up(store);
        if (result == VARVE_OK)
            result = ve_mend(store); /* only what is on disk is packed */
        if (result == VARVE_OK)
            result = adopt(store);
        ve_unlock(store, store->lock_append);
    }
    if (result < 0)
        ve_unlock(store, store->lock_compact);
    return result;
}

/* One job after the other until nothing is left that is gone. */
static int pack_gone(varve *store, const ve_gone *gone, bool raw, varve_compacted *done) {
    int result = VARVE_OK;
    while (result == VARVE_OK) {
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        choice c = {.first = store->layout->files, .tier = VF_TIER_HOT};
        if (raw)
            take_raw(store, store->layout->first_raw, piece_bytes, &c);
        bool any = c.raw_first != 0 || choose_hollow(store, gone, 0, &c);
        raw = raw && !c.last;
        result = any ? run(store, &c, gone, done) : VARVE_OK;
        ve_hold_end(store, &own, before);
        if (!any)
            break;
    }
    return result;
}

/* The packed segment of which least is left, of those larger than 'least' by that (0: all). False:
 * there is none. */
static bool choose_smallest(varve *store, const ve_gone *gone, uint64_t *least, choice *c) {
    const ve_layout *layout = store->layout;
    uint64_t best = UINT64_MAX;
    for (size_t i = 0; i < layout->files; i++) {
        ve_job job = {.store = store, .gone = gone, .file = layout->file + i, .files = 1};
        uint64_t left = room_for(&job, 0) + 1;
        if (!is_hollow(gone, layout->file[i], 0) || left <= *least || left >= best)
            continue;
        best = left;
        *c = (choice){.first = i, .files = 1, .bytes = file_bytes(layout->file[i])};
        c->tier = vf_get32(layout->file[i]->footer.tier);
    }
    *least = best;
    return best != UINT64_MAX;
}

/* The same in small steps, those first that take least: each makes room for the next. */
static int pack_gone_in_steps(varve *store, const ve_gone *gone, bool raw, varve_compacted *done) {
    int result = VARVE_OK;
    uint64_t least = 0;
    for (;;) {
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        choice c = {.first = store->layout->files, .tier = VF_TIER_HOT};
        bool hollow = choose_smallest(store, gone, &least, &c);
        if (!hollow) {
            c = (choice){.first = store->layout->files, .tier = VF_TIER_HOT};
            if (raw)
                take_raw(store, store->layout->first_raw, 1, &c);
        }
        bool any = hollow || c.raw_first != 0;
        result = any ? run(store, &c, gone, done) : result;
        ve_hold_end(store, &own, before);
        if (!any || (result < 0 && (result != VARVE_E_NO_SPACE || !hollow)))
            return result;
        if (result == VARVE_OK) {
            raw = raw && !(c.raw_first != 0 && c.last);
            least = 0;
        }
    }
}

int ve_pack_raw(varve *store) {
    ve_gone none = {.store = store};
    varve_compacted done = {.size = sizeof done};
    return pack_gone(store, &none, true, &done);
}

static int pack_gone_locked(varve *store, bool erasing, varve_compacted *done) {
    ve_gone gone = {0};
    bool raw = erasing;
    int result = ve_pack_clear(store, &done->removed_bytes);
    if (result == VARVE_OK)
        result = ve_gone_open(&gone, store);
    gone.erasing = erasing;
    if (result == VARVE_OK && !raw)
        result = ve_gone_raw(&gone, &raw);
    if (result == VARVE_OK)
        result = store->given_up ? pack_gone_in_steps(store, &gone, raw, done)
                                 : pack_gone(store, &gone, raw, done);
    ve_gone_close(&gone);
    return result;
}

static int pack_gone_once(varve *store, bool erasing, varve_compacted *done) {
    int result = ve_pack_lock(store);
    if (result < 0)
        return result;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    result = pack_gone_locked(store, erasing, done);
    ve_hold_end(store, &own, before);
    ve_unlock(store, store->lock_compact);
    return result;
}

int ve_pack_gone(varve *store, bool erasing, varve_compacted *done) {
    bool given_up = store->given_up;
    int result = pack_gone_once(store, erasing, done);
    if (result != VARVE_E_NO_SPACE || given_up)
        return result;
    result = ve_give_up_index(store);
    if (result == VARVE_OK)
        result = pack_gone_once(store, erasing, done);
    int back = ve_take_index_back(store);
    return result == VARVE_OK ? back : result;
}

int varve_compact(varve *store, const varve_compact_options *options,
                  varve_compacted *ret_compacted) {
    VE_TURN(store);
    varve_compact_options asked;
    varve_compacted done = {.size = sizeof done};
    int result = ve_enter(store);
    if (result < 0)
        return result;
    varve_compact_options_init(&asked);
    if (options != NULL)
        memcpy(&asked, options, options->size < sizeof asked ? options->size : sizeof asked);
    if (store->read_only)
        return ve_fail(store, VARVE_E_READ_ONLY, "%s: opened for reading only", store->path);
    if ((asked.block != 0 && (asked.block < 4 << 10 || asked.block > 64 << 20)) ||
        asked.level < 0 || asked.level > 19)
        return ve_fail(store, VARVE_E_ARGUMENT,
                       "a block has 4 KiB to 64 MiB, and zstd levels go from 1 to 19");
    if ((result = ve_pack_lock(store)) < 0)
        return result;
    store->pack_block = asked.block;
    store->pack_level = asked.level;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    ve_gone gone = {0};
    result = ve_pack_clear(store, &done.removed_bytes); /* what a killed one left */
    if (result == VARVE_OK)
        result = ve_gone_open(&gone, store);
    uint64_t most = asked.budget != 0 && asked.budget < piece_bytes ? asked.budget : piece_bytes;
    while (result == VARVE_OK) {
        choice c;
        bool due = (asked.flags & VARVE_COMPACT_ALL) != 0 ? choose_all(store, &gone, most, &c)
                                                          : choose_due(store, &gone, most, &c);
        if (!due)
            break;
        if (asked.budget != 0 && done.read_bytes >= asked.budget) {
            done.more = 1;
            break;
        }
        result = run(store, &c, &gone, &done);
        ve_hold_drop(store, &own);
    }
    ve_gone_close(&gone);
    ve_hold_end(store, &own, before);
    ve_unlock(store, store->lock_compact);
    store->pack_block = 0;
    store->pack_level = 0;
    if (result == VARVE_OK && ret_compacted != NULL)
        memcpy(ret_compacted, &done,
               ret_compacted->size != 0 && ret_compacted->size < sizeof done ? ret_compacted->size
                                                                             : sizeof done);
    return result;
}

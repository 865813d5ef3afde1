/*
 * Statistics: what the store holds, and what it takes on disk.
 */
#include "engine/fold.h"
#include "engine/recover.h"
#include "engine/store.h"

#include <fcntl.h>

static int count_entry(void *context, const char *name) {
    (void)name;
    ++*(uint32_t *)context;
    return 0;
}

static int stat_segments(varve *store, varve_stats *stats) {
    const ve_layout *layout = ve_layout_now(store);
    if (layout == NULL)
        return VARVE_E_CORRUPT;
    for (size_t i = 0; i < layout->files; i++) {
        ve_packed *file = layout->file[i];
        stats->packed_segments++;
        stats->packed_bytes += file->file_size;
        int found = ve_layout_file(store, file->first, &file);
        if (ve_is_damage(found))
            continue; /* verify tells */
        if (found < 0)
            return found;
        uint64_t written = vf_get64(file->footer.written_total),
                 packed = vf_get64(file->footer.packed_total);
        stats->written_total = written > stats->written_total ? written : stats->written_total;
        stats->packed_total = packed > stats->packed_total ? packed : stats->packed_total;
    }
    stats->log_bytes = stats->packed_bytes;
    for (uint32_t number = layout->first_raw; number <= vf_lsn_segment(stats->tail_lsn); number++) {
        char name[16];
        struct stat file;
        ve_segment_name(name, number);
        if (store->os->fstatat(store->log.dir, name, &file, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        stats->segments++;
        stats->log_bytes += (uint64_t)file.st_size;
    }
    return VARVE_OK;
}

static void stat_locks(const vf_control *control, varve_stats *stats) {
    for (int i = 0; control != NULL && i < VF_LOCKS; i++) {
        const vf_lock_words *words = &control->lock[i];
        varve_lock_stats *lock = &stats->lock[i];
        lock->taken = ve_word(&words->taken);
        lock->waits = ve_word(&words->waits);
        lock->waited = ve_word(&words->waited);
        lock->longest = ve_word(&words->longest);
        for (int b = 0; b < VF_WAIT_BUCKETS; b++)
            lock->bucket[b] = ve_word(&words->bucket[b]);
        lock->holder = ve_word32(&words->holder);
        lock->since = lock->holder != 0 ? (int64_t)ve_word(&words->since) : 0;
    }
}
_Static_assert((int)VF_LOCKS == (int)VARVE_LOCKS && (int)VF_WAIT_BUCKETS == (int)VARVE_WAIT_BUCKETS,
               "locks agree");

int varve_stat(varve *store, varve_stats *ret_stats) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result == VARVE_OK)
        result = ve_follow_index(store);
    if (result < 0)
        return result;
    varve_stats stats = {.size = sizeof stats};
    uint64_t rows = ve_rows(&store->index, VF_TABLE_SESSIONS);
    for (uint64_t row = 0; row < rows; row++) {
        vf_hot hot;
        if ((result = ve_need_row(store, VF_TABLE_SESSIONS, row, false, &hot)) < 0)
            return result;
        if (ve_no_row(VF_TABLE_SESSIONS, (const uint8_t *)&hot))
            continue;
        bool defined = ve_le_flag(hot.flags, VF_SR_DEFINED);
        stats.sessions += defined;
        stats.stubs += !defined;
        stats.events += vf_get64(hot.events);
        stats.payload_bytes += vf_get64(hot.payload_bytes);
    }
    stats.charges = ve_rows(&store->index, VF_TABLE_USAGE);
    stats.cursors = ve_rows(&store->index, VF_TABLE_CURSORS);
    stats.tail_lsn = ve_tail(store);
    stats.synced_lsn = store->control != NULL ? ve_word(&store->control->synced) : 0;
    stat_locks(store->control, &stats);
    stats.index_bytes = ve_index_bytes(&store->index);
    if ((result = stat_segments(store, &stats)) < 0)
        return result;
    int fd = store->os->openat(store->dir, "quarantine", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd >= 0) {
        store->os->list(fd, count_entry, &stats.quarantined);
        store->os->close(fd);
    }
    size_t room = ret_stats->size;
    stats.size = room;
    memcpy(ret_stats, &stats, room != 0 && room < sizeof stats ? room : sizeof stats);
    return VARVE_OK;
}

/*
 * Raw segments as writers see them: beginning one, writing zeros ahead, syncing. SPEC.md "Commit".
 */
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>

static int open_segment(varve *store, uint32_t number, int flags) {
    char name[16];
    ve_segment_name(name, number);
    return store->os->openat(store->log.dir, name, flags | O_NOFOLLOW, 0600);
}

int ve_segment_write(varve *store, uint32_t number) {
    if (store->write_fd >= 0 && store->write_segment == number)
        return VARVE_OK;
    if (store->write_fd >= 0)
        store->os->close(store->write_fd);
    store->write_fd = open_segment(store, number, O_RDWR);
    store->write_segment = number;
    return store->write_fd >= 0 ? VARVE_OK
                                : ve_fail_os(store, "%s/seg/%08u.log: cannot be opened for writing",
                                             store->path, number);
}

bool ve_segment_is_shared(varve *store, uint32_t number) {
    char name[16];
    struct stat file;
    ve_segment_name(name, number);
    return store->os->fstatat(store->log.dir, name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
           file.st_nlink > 1;
}

/* Clears the frame at the old end, so that a dead writer's left-over there cannot pass for records;
 * but not in a file that is another store's too. */
static int close_predecessor(varve *store, uint64_t prev_end) {
    static const uint8_t zero[VF_FRAME_SIZE];
    uint32_t number = vf_lsn_segment(prev_end);
    char name[16];
    struct stat file;
    ve_segment_name(name, number);
    if (store->os->fstatat(store->log.dir, name, &file, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return VARVE_OK; /* it was lost */
    if (ve_segment_is_shared(store, number))
        return VARVE_OK;
    int result = ve_segment_write(store, number);
    if (result < 0)
        return result;
    if (store->os->fstat(store->write_fd, &file) == 0 &&
        (uint64_t)file.st_size > vf_lsn_offset(prev_end) &&
        ve_write_all(store->os, store->write_fd, zero, sizeof zero, vf_lsn_offset(prev_end)) < 0)
        return ve_fail_os(store, "%s/seg/%08u.log: cannot be written", store->path, number);
    return VARVE_OK;
}

int ve_segment_begin(varve *store, uint32_t number, uint64_t prev_end, uint32_t prev_chain,
                     uint64_t hole_from, uint64_t hole_to) {
    vf_segment_header header = {0};
    ve_set_word(&store->control->rotating,
                number); /* from here on nobody appends to the predecessor */
    /* Where acknowledged data was damaged, nothing is touched. */
    int result = prev_end == 0 || hole_from != 0 ? VARVE_OK : close_predecessor(store, prev_end);
    if (result < 0)
        return result;
    memcpy(header.magic, VF_SEGMENT_MAGIC, 8);
    vf_features_fill(&header.features);
    memcpy(header.store_uuid, store->ident.uuid, 16);
    vf_put32(&header.number, number);
    vf_put32(&header.prev_chain, prev_chain);
    vf_put64(&header.prev_end, prev_end);
    uint64_t salt = 0;
    while (salt == 0)
        if (store->os->random(&salt, sizeof salt) < 0)
            return ve_fail_os(store, "%s: no random numbers", store->path);
    vf_put64(&header.salt, salt);
    vf_put_i64(&header.created, store->os->now());
    vf_put64(&header.hole_from, hole_from);
    vf_put64(&header.hole_to, hole_to);
    vf_segment_seal(&header);
    if (store->write_fd >= 0)
        store->os->close(store->write_fd);
    store->write_fd = open_segment(store, number, O_RDWR | O_CREAT);
    store->write_segment = number;
    if (store->write_fd < 0)
        return ve_fail_os(store, "%s/seg/%08u.log: cannot be made", store->path, number);
    if (ve_write_all(store->os, store->write_fd, &header, sizeof header, 0) < 0)
        return ve_fail_os(store, "%s/seg/%08u.log: cannot be written", store->path, number);
    ve_log_forget(store, number); /* it may have been looked at before */
    ve_set_word(&store->control->ready_size, VF_SEGMENT_HEADER);
    ve_publish(store, vf_lsn(number, VF_SEGMENT_HEADER), vf_segment_chain(&header), 0);
    ve_set_word(&store->control->rotating, 0);
    return VARVE_OK;
}

static int sync_failed(varve *store, uint32_t number) {
    int number_of_error = errno;
    ve_set_word(&store->control->sync_failed, number);
    errno = number_of_error;
    ve_fail_os(store,
               "%s/seg/%08u.log: the disk did not confirm; what was appended is there but may not "
               "survive a power cut",
               store->path, number);
    return VARVE_E_SYNC_FAILED;
}

/* Syncs every segment from that of 'from' to that of 'to', and the directory if files are new. */
static int sync_segments(varve *store, uint64_t from, uint64_t to) {
    uint32_t first = from == 0 ? 1 : vf_lsn_segment(from), last = vf_lsn_segment(to);
    for (uint32_t number = first; number <= last; number++) {
        int fd = store->write_fd >= 0 && store->write_segment == number
                     ? store->write_fd
                     : open_segment(store, number, O_RDWR);
        if (fd < 0 && errno == ENOENT && number != last)
            continue; /* it was lost: verify tells */
        if (fd < 0)
            return ve_fail_os(store, "%s/seg/%08u.log: cannot be opened", store->path, number);
        int failed = store->os->fdatasync(fd) < 0;
        int number_of_error = errno;
        if (fd != store->write_fd)
            store->os->close(fd);
        errno = number_of_error;
        if (failed)
            return sync_failed(store, number);
    }
    if ((from == 0 || first != last) && store->os->fsync(store->log.dir) < 0)
        return sync_failed(store, last);
    /* The first sync of all: whoever made the store may have died before its own were done. */
    if (from == 0 && (store->os->fsync(store->dir) < 0 || ve_sync_parent(store) < 0))
        return sync_failed(store, last);
    return VARVE_OK;
}

int ve_sync_to(varve *store, uint64_t need) {
    if (ve_word(&store->control->synced) >= need)
        return VARVE_OK;
    int result = ve_open_lock(store, "LOCK.sync", &store->lock_sync);
    if (result == VARVE_OK)
        result = ve_lock(store, store->lock_sync, "LOCK.sync");
    if (result < 0)
        return result;
    uint64_t synced = ve_word(&store->control->synced), tail = ve_word(&store->control->tail);
    if (synced < need) { /* else whoever held the lock before has synced for us */
        if (ve_word(&store->control->sync_failed) != 0)
            result = ve_fail(store, VARVE_E_SYNC_FAILED,
                             "%s: an earlier sync failed: nothing more is confirmed until the "
                             "machine was restarted or the disk mended",
                             store->path);
        else
            result = sync_segments(store, synced, tail);
        if (result == VARVE_OK)
            ve_set_word(&store->control->synced, tail);
    }
    ve_unlock(store, store->lock_sync);
    return result;
}

int varve_sync(varve *store) {
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (store->read_only || store->control == NULL)
        return ve_fail(store, VARVE_E_READ_ONLY, "%s: opened for reading only", store->path);
    return ve_sync_to(store, ve_word(&store->control->tail));
}

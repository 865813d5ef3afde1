/*
 * Raw segments as writers see them: beginning and opening one. SPEC.md "Commit".
 */
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>

static int open_segment(varve *store, uint32_t number, bool make) {
    char name[16];
    ve_segment_name(name, number);
    return make ? ve_make_file(store->os, &store->share, store->log.dir, name, O_RDWR)
                : store->os->openat(store->log.dir, name, O_RDWR | O_NOFOLLOW, 0);
}

int ve_segment_write(varve *store, uint32_t number) {
    if (store->write_fd >= 0 && store->write_segment == number)
        return VARVE_OK;
    if (store->write_fd >= 0)
        store->os->close(store->write_fd);
    store->write_fd = open_segment(store, number, false);
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
    store->write_fd = open_segment(store, number, true);
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

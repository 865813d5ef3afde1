/*
 * What the disk did not confirm is written anew: in place after a leader's death, into files of
 * their own after a sync that failed. SPEC.md "Commit".
 */
#include "engine/recover.h"
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

/* A raw segment, mapped by itself: what a handle has mapped is the business of its turns. */
typedef struct {
    uint32_t number;
    int fd;
    const uint8_t *map;
    uint32_t end; /* of its records, and of what is mapped */
    uint64_t salt;
} sheet;

static void close_sheet(varve *store, sheet *s) {
    if (s->map != NULL)
        store->os->munmap((void *)(uintptr_t)s->map, s->end);
    if (s->fd >= 0)
        store->os->close(s->fd);
}

/* Offset at which the segment before 'number' ends. */
static int end_before(varve *store, uint32_t number, uint32_t *ret_end) {
    uint8_t bytes[VF_SEGMENT_HEADER];
    vf_segment_header header;
    char name[16];
    int read_only;
    ve_segment_name(name, number);
    int fd = store->os->openat(store->log.dir, name, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return ve_fail_os(store, "%s/seg/%s: cannot be opened", store->path, name);
    bool good = ve_read_all(store->os, fd, bytes, sizeof bytes, 0) == 0 &&
                vf_segment_check(bytes, sizeof bytes, &header, &read_only) == VF_OK &&
                vf_lsn_segment(vf_get64(header.prev_end)) == number - 1;
    store->os->close(fd);
    if (!good)
        return ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%s: does not follow its predecessor",
                       store->path, name);
    *ret_end = vf_lsn_offset(vf_get64(header.prev_end));
    return VARVE_OK;
}

/* Opens one up to 'upto', which lies in it or behind it. VARVE_E_NOT_FOUND: there is no such file.
 */
static int open_sheet(varve *store, uint32_t number, uint64_t upto, int flags, sheet *s) {
    const ve_os *os = store->os;
    char name[16];
    struct stat file;
    vf_segment_header header;
    int read_only, result = VARVE_OK;
    ve_segment_name(name, number);
    *s = (sheet){.number = number, .end = vf_lsn_offset(upto)};
    s->fd = os->openat(store->log.dir, name, flags | O_NOFOLLOW, 0);
    if (s->fd < 0)
        return errno == ENOENT
                   ? ve_fail(store, VARVE_E_NOT_FOUND, "%s/seg/%s: is missing", store->path, name)
                   : ve_fail_os(store, "%s/seg/%s: cannot be opened", store->path, name);
    if (number < vf_lsn_segment(upto) && (result = end_before(store, number + 1, &s->end)) < 0)
        return result;
    if (os->fstat(s->fd, &file) < 0)
        return ve_fail_os(store, "%s/seg/%s: cannot be looked at", store->path, name);
    if (s->end < VF_SEGMENT_HEADER || (uint64_t)file.st_size < s->end)
        return ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%s: ends too early", store->path, name);
    void *map = os->mmap(s->end, PROT_READ, MAP_SHARED, s->fd, 0);
    if (map == MAP_FAILED)
        return ve_fail_os(store, "%s/seg/%s: cannot be mapped", store->path, name);
    s->map = map;
    if (vf_segment_check(s->map, s->end, &header, &read_only) != VF_OK ||
        memcmp(header.store_uuid, store->ident.uuid, 16) != 0 || vf_get32(header.number) != number)
        return ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%s: its header does not hold", store->path,
                       name);
    s->salt = vf_get64(header.salt);
    return VARVE_OK;
}

/* Of what is written anew, when it was: until then the system may drop what the disk did not take
 * from memory, and read the file as it was before. */
static int check_sheet(varve *store, const sheet *s, uint32_t from) {
    vf_frame frame;
    vf_segment_header header;
    int read_only;
    if (vf_segment_check(s->map, s->end, &header, &read_only) != VF_OK ||
        vf_get64(header.salt) != s->salt)
        return ve_fail(store, VARVE_E_CORRUPT,
                       "%s/seg/%08u.log: its header was lost before the disk confirmed it",
                       store->path, s->number);
    for (uint32_t at = from; at < s->end; at += vf_get32(frame.length))
        if (vf_record_check(s->map + at, s->end - at, s->salt, vf_lsn(s->number, at), NULL,
                            &frame) != VF_OK)
            return ve_fail(store, VARVE_E_CORRUPT,
                           "%s/seg/%08u.log offset %u: was lost before the disk confirmed it",
                           store->path, s->number, at);
    return VARVE_OK;
}

/* Where what lies behind 'from' begins in a segment. */
static uint32_t begin_in(uint32_t number, uint64_t from) {
    uint32_t offset = number == vf_lsn_segment(from) ? vf_lsn_offset(from) : 0;
    return offset < VF_SEGMENT_HEADER ? VF_SEGMENT_HEADER : offset;
}

/* ---- In place ---- */

/* Writes the records of [from, to) once more where they are; each must hold. */
static int rewrite(varve *store, uint64_t from, uint64_t to) {
    uint32_t first = from == 0 ? 1 : vf_lsn_segment(from);
    int result = VARVE_OK;
    for (uint32_t number = first; number <= vf_lsn_segment(to) && result == VARVE_OK; number++) {
        sheet s;
        uint32_t begin = begin_in(number, from);
        uint32_t at = number == vf_lsn_segment(from) ? begin : 0; /* else its header too */
        result = open_sheet(store, number, to, O_RDWR, &s);
        if (result == VARVE_OK && s.end > at &&
            ve_write_all(store->os, s.fd, s.map + at, s.end - at, at) < 0)
            result = ve_fail_os(store, "%s/seg/%08u.log: cannot be written", store->path, number);
        if (result == VARVE_OK)
            result = check_sheet(store, &s, begin);
        close_sheet(store, &s);
        if (result == VARVE_E_NOT_FOUND) /* packed meanwhile, and on disk so */
            result = VARVE_OK;
    }
    return result;
}

/* The dead leader's sync may have failed on all that was written when it ran, also behind
 * 'syncing'. */
static int write_again(varve *store) {
    vf_control *control = store->control;
    uint64_t synced = ve_word(&control->synced), tail = ve_word(&control->tail);
    if (ve_word(&control->sync_failed) != 0 || ve_word(&control->syncing) <= synced)
        return VARVE_OK; /* somebody was faster */
    int result = rewrite(store, synced, tail);
    if (result == VARVE_OK)
        ve_set_word(&control->syncing, 0); /* as if nobody had synced it yet */
    else if (ve_is_damage(result))
        ve_set_word(&control->sync_failed, vf_lsn_segment(tail));
    return result;
}

/* Under LOCK.append: a batch that is written, but not published yet, may have been lost as well,
 * and nobody could tell. */
int ve_inherit(varve *store) {
    VE_TURN(store);
    bool locked = store->locked;
    int result = locked ? VARVE_OK : ve_lock(store, store->lock_append, "LOCK.append");
    if (result < 0)
        return result;
    if (!locked)
        result = ve_catch_up(store);
    if (result == VARVE_OK && (result = ve_lead(store)) == VARVE_OK) {
        result = write_again(store);
        ve_resign(store);
    }
    if (!locked)
        ve_unlock(store, store->lock_append);
    return result;
}

/* ---- Into new files ---- */

/* The copy is whole, and on disk. */
static int copy_to(varve *store, const sheet *s, uint32_t from, const char *temporary) {
    const ve_os *os = store->os;
    int fd = ve_make_file(os, &store->share, store->log.dir, temporary, O_RDWR | O_TRUNC);
    if (fd < 0)
        return ve_fail_os(store, "%s/seg/%s: cannot be made", store->path, temporary);
    int result = VARVE_OK;
    sheet copy = {.number = s->number, .fd = fd, .end = s->end, .salt = s->salt};
    void *map = MAP_FAILED;
    if (ve_write_all(os, fd, s->map, s->end, 0) < 0)
        result = ve_fail_os(store, "%s/seg/%s: cannot be written", store->path, temporary);
    else if ((map = os->mmap(s->end, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        result = ve_fail_os(store, "%s/seg/%s: cannot be mapped", store->path, temporary);
    copy.map = map == MAP_FAILED ? NULL : map;
    if (result == VARVE_OK)
        result = check_sheet(store, &copy, from);
    if (result == VARVE_OK && os->fdatasync(fd) < 0)
        result = ve_fail_os(store, "%s/seg/%s: cannot be synced", store->path, temporary);
    close_sheet(store, &copy);
    return result;
}

static int mend_segment(varve *store, uint32_t number, uint64_t from, uint64_t tail) {
    char name[16], temporary[32];
    sheet s;
    ve_segment_name(name, number);
    snprintf(temporary, sizeof temporary, "tmp.%08u", number);
    int result = open_sheet(store, number, tail, O_RDONLY, &s);
    if (result == VARVE_OK)
        result = copy_to(store, &s, begin_in(number, from), temporary);
    close_sheet(store, &s);
    if (result == VARVE_OK &&
        store->os->renameat(store->log.dir, temporary, store->log.dir, name) < 0)
        result = ve_fail_os(store, "%s/seg/%s: cannot be replaced", store->path, name);
    if (result < 0 && result != VARVE_E_NOT_FOUND)
        store->os->unlinkat(store->log.dir, temporary, 0);
    return result == VARVE_E_NOT_FOUND ? VARVE_OK : result;
}

/* Leading, under LOCK.append. */
static int mend(varve *store) {
    vf_control *control = store->control;
    uint64_t synced = ve_word(&control->synced), tail = ve_word(&control->tail),
             applied = ve_word(&control->applied);
    uint32_t first = synced == 0 ? 1 : vf_lsn_segment(synced), last = vf_lsn_segment(tail);
    int result = VARVE_OK;
    first = first < store->layout->first_raw ? store->layout->first_raw : first;
    /* From here on nobody appends to the file that he has open, also if this is cut off. */
    ve_set_word(&control->rotating, (uint64_t)last + 1);
    for (uint32_t number = first; number <= last && result == VARVE_OK; number++)
        result = mend_segment(store, number, synced, tail);
    if (result == VARVE_OK && store->os->fsync(store->log.dir) < 0)
        result = ve_fail_os(store, "%s/seg: cannot be synced", store->path);
    if (result < 0)
        return result;
    result = ve_segment_begin(store, last + 1, tail, ve_chain(store), 0, 0);
    if (result == VARVE_OK && applied == tail)
        ve_set_word(&control->applied, ve_word(&control->tail));
    if (result == VARVE_OK &&
        (store->os->fdatasync(store->write_fd) < 0 || store->os->fsync(store->log.dir) < 0 ||
         (synced == 0 && (store->os->fsync(store->dir) < 0 || ve_sync_parent(store) < 0))))
        result = ve_fail_os(store, "%s/seg/%08u.log: cannot be synced", store->path, last + 1);
    if (result < 0)
        return result;
    ve_set_word(&control->synced, ve_word(&control->tail));
    ve_set_word(&control->syncing, 0);
    ve_set_word(&control->sync_failed, 0);
    for (uint32_t number = first; number <= last; number++)
        ve_log_renew(store, number);
    ve_say(store,
           "%s: a sync had failed: what it left unconfirmed was written anew, and is on disk",
           store->path);
    return VARVE_OK;
}

int ve_mend(varve *store) {
    if (ve_word(&store->control->sync_failed) == 0)
        return VARVE_OK;
    int result = ve_lead(store);
    if (result < 0)
        return result;
    if (ve_word(&store->control->sync_failed) != 0) /* else somebody was faster */
        result = mend(store);
    ve_resign(store);
    if (result == VARVE_OK)
        return VARVE_OK;
    char why[VE_ERROR_SIZE];
    snprintf(why, sizeof why, "%s", ve_error(store));
    return ve_fail(store, VARVE_E_SYNC_FAILED,
                   "%s: a sync has failed, and what it left unconfirmed could not be written anew "
                   "(%.300s): nothing was appended",
                   store->path, why);
}

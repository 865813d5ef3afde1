/*
 * Durability: one fdatasync for all who wait at the time, whatever thread or process they are.
 * SPEC.md "Commit" and "Waiting".
 */
#include "engine/recover.h"
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

enum { LOOK_EVERY = 100000 }; /* ns */

int ve_sync_ready(varve *store) {
    return ve_open_lock(store, "LOCK.sync", &store->lock_sync);
}

/* Tries to lead: 1, 0 (somebody else does), or an error. A thread that tries in vain keeps no other
 * of its handle from trying: that one would sleep, and nobody would know. */
static int try_lead(varve *store) {
    pthread_mutex_lock(&store->lead);
    int taken = 0; /* if another thread of this handle leads: the lock would be given to both */
    if (!store->leading)
        taken = ve_try_lock(store, store->lock_sync, "LOCK.sync");
    store->leading = store->leading || taken == 1;
    pthread_mutex_unlock(&store->lead);
    return taken;
}

void ve_resign(varve *store) {
    vf_control *control = ve_control(store);
    vf_lock_words *words = control == NULL ? NULL : &control->lock[VF_LOCK_SYNC];
    if (words != NULL)
        ve_set_word32(&words->holder, 0);
    pthread_mutex_lock(&store->lead);
    while (store->os->flock(store->lock_sync, LOCK_UN) < 0 && errno == EINTR)
        continue;
    store->leading = false; /* before anybody is woken, or he would find it taken */
    pthread_mutex_unlock(&store->lead);
    if (words != NULL)
        ve_wake_next(store, &words->wake, &words->waiting, VE_WAKE_ALL);
}

/* ---- One who leads ---- */

static int sync_failed(varve *store, vf_control *control, uint32_t number) {
    int number_of_error = errno;
    ve_set_word(&control->sync_failed, number);
    errno = number_of_error;
    ve_fail_os(store,
               "%s/seg/%08u.log: the disk did not confirm; what was appended is there but may not "
               "survive a power cut",
               store->path, number);
    return VARVE_E_SYNC_FAILED;
}

/* Syncs every segment from that of 'from' to that of 'to', and the directory if files are new. */
static int sync_segments(varve *store, vf_control *control, uint64_t from, uint64_t to) {
    const ve_os *os = store->os;
    uint32_t first = from == 0 ? 1 : vf_lsn_segment(from), last = vf_lsn_segment(to);
    for (uint32_t number = first; number <= last; number++) {
        char name[16];
        ve_segment_name(name, number);
        int fd = os->openat(store->log.dir, name, O_RDWR | O_NOFOLLOW, 0);
        if (fd < 0 && errno == ENOENT && number != last)
            continue; /* it was lost: verify tells; or packed, and on disk */
        if (fd < 0)
            return ve_fail_os(store, "%s/seg/%08u.log: cannot be opened", store->path, number);
        bool failed = os->fdatasync(fd) < 0;
        int number_of_error = errno;
        os->close(fd);
        errno = number_of_error;
        if (failed)
            return sync_failed(store, control, number);
    }
    if ((from == 0 || first != last) && os->fsync(store->log.dir) < 0)
        return sync_failed(store, control, last);
    /* The first sync of all: whoever made the store may have died before its own were done. */
    if (from == 0 && (os->fsync(store->dir) < 0 || ve_sync_parent(store) < 0))
        return sync_failed(store, control, last);
    return VARVE_OK;
}

static int unconfirmed(varve *store) {
    return ve_fail(store, VARVE_E_SYNC_FAILED,
                   "%s: a sync has failed: what was appended is there but not confirmed",
                   store->path);
}

enum { ORPHANED = 1 };

/* Syncs all that is published now. 'need': as far as the caller wants it. ORPHANED: whoever led
 * before has died; nobody knows what the disk said. */
static int lead(varve *store, vf_control *control, uint64_t need) {
    uint64_t synced = ve_word(&control->synced), cut = ve_word(&control->syncing);
    if (synced >= need) /* whoever led before has done it */
        return VARVE_OK;
    if (ve_word(&control->sync_failed) != 0)
        return unconfirmed(store);
    if (cut > synced)
        return ORPHANED;
    uint64_t tail = ve_word(&control->tail);
    ve_set_word(&control->syncing, tail);
    int result = sync_segments(store, control, synced, tail);
    if (result == VARVE_OK)
        ve_set_word(&control->synced, tail);
    if (result == VARVE_OK || result == VARVE_E_SYNC_FAILED)
        ve_set_word(&control->syncing, 0);
    return result;
}

/* ---- All who wait ---- */

static bool is_late(const varve *store, int64_t begun) {
    return store->lock_timeout_ms >= 0 &&
           store->os->monotonic() - begun > (int64_t)store->lock_timeout_ms * 1000000;
}

static int late(varve *store) {
    const vf_control *control = ve_control(store);
    return ve_fail(
        store, VARVE_E_BUSY,
        "%s/LOCK.sync: process %u (as it seems) has held it for %d ms: what was appended "
        "is there but not confirmed",
        store->path, control == NULL ? 0 : ve_word32(&control->lock[VF_LOCK_SYNC].holder),
        store->lock_timeout_ms);
}

/* The page. It is gone for a while if another thread of the handle puts the store in order. NULL:
 * that takes too long. */
static vf_control *wait_for_control(varve *store) {
    vf_control *control = ve_control(store);
    int64_t begun = control == NULL ? store->os->monotonic() : 0;
    while (control == NULL && !is_late(store, begun)) {
        store->os->sleep(LOOK_EVERY);
        control = ve_control(store);
    }
    return control;
}

static int wait_or_lead(varve *store, uint64_t need, int64_t *begun) {
    const ve_os *os = store->os;
    for (;;) {
        vf_control *control = wait_for_control(store);
        if (control == NULL)
            return late(store);
        vf_lock_words *words = &control->lock[VF_LOCK_SYNC];
        uint32_t seen = ve_futex(&words->wake);
        if (*begun != 0)
            ve_swap_word32(&words->waiting, 1);
        atomic_thread_fence(memory_order_seq_cst);
        if (ve_word(&control->synced) >= need)
            return VARVE_OK;
        if (ve_word(&control->sync_failed) != 0)
            return unconfirmed(store);
        int leading = try_lead(store);
        if (leading < 0)
            return leading;
        if (leading == 1) {
            int result = lead(store, control, need);
            ve_resign(store);
            if (result != ORPHANED || (result = ve_inherit(store)) < 0)
                return result;
            continue;
        }
        if (*begun == 0) {
            *begun = os->monotonic(); /* once more, with 'waiting' set */
            continue;
        }
        if (is_late(store, *begun))
            return late(store);
        os->wait(&words->wake, seen, VE_SLEEP_MAX);
    }
}

int ve_sync_to(varve *store, uint64_t need) {
    vf_control *control = ve_control(store);
    if (control != NULL && ve_word(&control->synced) >= need)
        return VARVE_OK;
    int64_t begun = 0;
    int result = store->lock_sync < 0 ? ve_sync_ready(store) : VARVE_OK;
    if (result == VARVE_OK)
        result = wait_or_lead(store, need, &begun);
    if (begun != 0 && (control = ve_control(store)) != NULL)
        ve_note_wait(&control->lock[VF_LOCK_SYNC], begun, store->os->monotonic());
    return result;
}

int ve_lead(varve *store) {
    int result = ve_sync_ready(store);
    int64_t begun = 0;
    while (result == VARVE_OK) {
        vf_lock_words *words = &ve_control(store)->lock[VF_LOCK_SYNC];
        uint32_t seen = ve_futex(&words->wake);
        ve_swap_word32(&words->waiting, 1);
        int leading = try_lead(store);
        if (leading != 0)
            return leading < 0 ? leading : VARVE_OK;
        begun = begun == 0 ? store->os->monotonic() : begun;
        if (is_late(store, begun))
            return late(store);
        store->os->wait(&words->wake, seen, VE_SLEEP_MAX);
    }
    return result;
}

/* What is to be done in turn: 1 and the tail up to which to sync, or an error. */
static int begin_sync(varve *store, uint64_t *ret_tail) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (store->read_only || store->control == NULL)
        return ve_fail(store, VARVE_E_READ_ONLY, "%s: opened for reading only", store->path);
    *ret_tail = ve_word(&store->control->tail);
    if (ve_word(&store->control->sync_failed) == 0)
        return ve_sync_ready(store);
    if ((result = ve_lock(store, store->lock_append, "LOCK.append")) < 0)
        return result;
    result = ve_catch_up(store);
    if (result == VARVE_OK)
        result = ve_mend(store);
    ve_unlock(store, store->lock_append);
    return result;
}

int varve_sync(varve *store) {
    uint64_t tail = 0;
    int result = begin_sync(store, &tail);
    return result == VARVE_OK ? ve_sync_to(store, tail) : result;
}

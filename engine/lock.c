/*
 * flock with a bounded wait. The kernel drops the lock when its holder dies: nobody steals it, and
 * nobody sleeps in flock itself; between two tries a futex word of CONTROL is slept on. Who holds a
 * lock and how long others waited is written down for people to see. SPEC.md "Waiting".
 */
#include "engine/store.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>

enum { TRIES = 3 }; /* before one sleeps: the lock is held for microseconds mostly */

/* The words of a lock in CONTROL; NULL: there is none yet. */
static vf_lock_words *words_of(varve *store, int fd) {
    vf_control *control = ve_control(store);
    if (control == NULL || store->read_only)
        return NULL;
    return fd == store->lock_append    ? &control->lock[VF_LOCK_APPEND]
           : fd == store->lock_sync    ? &control->lock[VF_LOCK_SYNC]
           : fd == store->lock_compact ? &control->lock[VF_LOCK_COMPACT]
                                       : NULL;
}

void ve_add_word(le64 *word, uint64_t more) {
    _Atomic uint64_t *at = (_Atomic uint64_t *)(void *)word;
    uint64_t was = atomic_load_explicit(at, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(at, &was, VF_SWAP64(VF_SWAP64(was) + more),
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

void ve_note_wait(vf_lock_words *words, int64_t begun, int64_t now) {
    uint64_t waited = now > begun ? (uint64_t)(now - begun) : 0, us = waited / 1000;
    int bucket = 0;
    while (us > 1 && bucket < VF_WAIT_BUCKETS - 1) {
        us >>= 1;
        bucket++;
    }
    ve_add_word(&words->waits, 1);
    ve_add_word(&words->waited, waited);
    ve_add_word(&words->bucket[bucket], 1);
    if (waited > ve_word(&words->longest)) /* a hint: two at once may lose the longer */
        ve_set_word(&words->longest, waited);
}

void ve_note_holder(varve *store, vf_lock_words *words) {
    ve_set_word32(&words->holder, store->process);
    ve_set_word(&words->since, (uint64_t)store->os->now());
    ve_set_word(&words->taken, ve_word(&words->taken) + 1); /* by the holder alone */
}

/* Who is to be blamed, as far as that was written down. */
static int busy(varve *store, vf_lock_words *words, const char *name, int64_t begun) {
    char holder[80] = "another process has";
    uint32_t process = words == NULL ? 0 : ve_word32(&words->holder);
    if (process != 0)
        snprintf(holder, sizeof holder, "process %u (as it seems) has", process);
    if (words != NULL)
        ve_note_wait(words, begun, store->os->monotonic());
    return ve_fail(store, VARVE_E_BUSY, "%s/%s: %s held it for %d ms; try again", store->path, name,
                   holder, store->lock_timeout_ms);
}

/* 1: taken, 0: somebody else has it, or an error. */
static int try_lock(varve *store, int fd, const char *name) {
    while (store->os->flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR && store->alone)
            return 1; /* there are no locks, and nobody else */
        if (errno != EINTR)
            return ve_fail_os(store,
                              "%s/%s: cannot be locked; this file system may not carry a store",
                              store->path, name);
    }
    return 1;
}

int ve_lock(varve *store, int fd, const char *name) {
    const ve_os *os = store->os;
    bool held = store->given_up || store->repairing;
    if (held && (fd == store->lock_append || fd == store->lock_compact))
        return VARVE_OK;
    vf_lock_words *words = words_of(store, fd);
    int taken = try_lock(store, fd, name);
    int64_t begun = 0, pause = 20000;
    for (int i = 0; taken == 0; i++) {
        begun = i == 0 ? os->monotonic() : begun;
        words = words_of(store, fd);
        uint32_t seen = words == NULL ? 0 : ve_futex(&words->wake);
        bool last = words != NULL && i >= TRIES; /* try before the sleep */
        if (last) /* so it is set, for others that may sleep still, when one who slept has the lock
                   */
            ve_swap_word32(&words->waiting, 1);
        taken = try_lock(store, fd, name);
        if (taken != 0)
            break;
        /* Not before the try: who was woken is the only one who was. */
        if (store->lock_timeout_ms >= 0 &&
            os->monotonic() - begun > (int64_t)store->lock_timeout_ms * 1000000)
            return busy(store, words, name, begun);
        if (last) {
            os->wait(&words->wake, seen, VE_SLEEP_MAX);
        } else if (words == NULL) {
            os->sleep(pause);
            pause = pause < 500000 ? pause + pause / 4 : pause;
        }
    }
    if (taken < 0)
        return taken;
    if (words != NULL) {
        ve_note_holder(store, words);
        if (begun != 0)
            ve_note_wait(words, begun, os->monotonic());
    }
    if (fd == store->lock_append)
        store->locked = true;
    return VARVE_OK;
}

int ve_try_lock(varve *store, int fd, const char *name) {
    int taken = try_lock(store, fd, name);
    vf_lock_words *words = words_of(store, fd);
    if (taken == 1 && words != NULL)
        ve_note_holder(store, words);
    return taken;
}

void ve_wake_next(varve *store, le32 *wake, le32 *waiting, int count) {
    atomic_thread_fence(memory_order_seq_cst);
    if (ve_word32(waiting) == 0 || ve_swap_word32(waiting, 0) == 0)
        return;
    _Atomic uint32_t *at = (_Atomic uint32_t *)(void *)wake;
    atomic_fetch_add(at, 1); /* only that it changes counts */
    store->os->wake(wake, count);
}

void ve_unlock(varve *store, int fd) {
    bool held = store->given_up || store->repairing;
    if (held && (fd == store->lock_append || fd == store->lock_compact))
        return;
    if (fd == store->lock_append)
        store->locked = false;
    vf_lock_words *words = words_of(store, fd);
    if (words != NULL)
        ve_set_word32(&words->holder, 0);
    while (store->os->flock(fd, LOCK_UN) < 0 && errno == EINTR)
        continue;
    if (words != NULL)
        ve_wake_next(store, &words->wake, &words->waiting, 1);
}

/*
 * Waiting for the log to grow. SPEC.md "Waiting".
 */
#include "engine/store.h"

#include <fcntl.h>
#include <sys/mman.h>

enum {
    LOOK_EVERY = 1000000,
    LOOK_ANEW = 100000000
}; /* ns: without a bell; whether CONTROL is still the same file */

/* The page with the words to wait on, which a reader's own mapping may not write. NULL: looking now
 * and then must do. */
static vf_control *bell_of(varve *store) {
    if (!store->read_only)
        return ve_control(store);
    if (store->bell != NULL || store->no_bell)
        return store->bell;
    if (!ve_control_can_retire(store))
        return NULL;
    int fd = store->os->openat(store->dir, "CONTROL", O_RDWR | O_NOFOLLOW, 0);
    struct stat file;
    void *map = MAP_FAILED;
    if (fd >= 0 && store->os->fstat(fd, &file) == 0 && file.st_size >= VF_CONTROL_SIZE &&
        (uint64_t)file.st_ino == vf_get64(ve_control(store)->inode))
        map = store->os->mmap(VF_CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        store->os->close(fd);
    store->no_bell = map == MAP_FAILED;
    store->bell = map == MAP_FAILED ? NULL : map;
    return store->bell;
}

/* What is to be looked at, in this turn: VARVE_OK, or an error. */
static int look(varve *store, bool anew, vf_control **ret_control, vf_control **ret_bell) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if (anew && ve_control(store) != NULL && !ve_control_is_current(store)) {
        ve_bell_close(store);
        result = ve_control_open(store); /* another process has begun a new one */
    }
    if (result == VARVE_OK && ve_control(store) == NULL)
        result = store->read_only
                     ? ve_fail(store, VARVE_E_READ_ONLY,
                               "%s: this handle reads a snapshot, which does not grow", store->path)
                     : ve_fail(store, VARVE_E_BUSY, "%s: is being put in order", store->path);
    if (result < 0)
        return result;
    *ret_control = ve_control(store);
    *ret_bell = bell_of(store);
    return VARVE_OK;
}

void ve_bell_close(varve *store) {
    if (store->bell != NULL)
        ve_control_retire(store, store->bell);
    store->bell = NULL;
    store->no_bell = false;
}

int varve_wait(varve *store, uint64_t *tail_at, int timeout_ms) {
    const ve_os *os = store->os;
    int64_t begun = os->monotonic(), looked = begun;
    vf_control *control, *bell;
    int result = look(store, true, &control, &bell);
    while (result == VARVE_OK) {
        uint32_t seen = bell == NULL ? 0 : ve_futex(&bell->wake);
        if (bell != NULL)
            ve_swap_word32(&bell->waiters, 1);
        atomic_thread_fence(memory_order_seq_cst);
        uint64_t tail = ve_word(&control->tail);
        if (tail != *tail_at) {
            *tail_at = tail;
            return 1;
        }
        int64_t now = os->monotonic();
        int64_t left = timeout_ms < 0 ? INT64_MAX : (int64_t)timeout_ms * 1000000 - (now - begun);
        if (left <= 0)
            return 0;
        if (bell == NULL)
            os->sleep(left < LOOK_EVERY ? left : LOOK_EVERY);
        else
            os->wait(&bell->wake, seen, left < LOOK_ANEW ? left : LOOK_ANEW);
        now = os->monotonic();
        if (now - looked < LOOK_ANEW)
            continue;
        looked = now;
        result = look(store, true, &control, &bell);
    }
    return result;
}

/*
 * flock with a bounded wait. The kernel drops the lock when its holder dies: nobody steals it.
 */
#include "engine/store.h"

#include <errno.h>
#include <sys/file.h>

int ve_lock(varve *store, int fd, const char *name) {
    const ve_os *os = store->os;
    int64_t begun = 0, pause = 20000;
    if (store->given_up && (fd == store->lock_append || fd == store->lock_compact))
        return VARVE_OK; /* held already */
    for (;;) {
        bool wait_for_ever = store->lock_timeout_ms < 0;
        if (os->flock(fd, wait_for_ever ? LOCK_EX : LOCK_EX | LOCK_NB) == 0)
            break;
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return ve_fail_os(store,
                              "%s/%s: cannot be locked; this file system may not carry a store",
                              store->path, name);
        int64_t now = os->monotonic();
        if (begun == 0)
            begun = now;
        if (now - begun > (int64_t)store->lock_timeout_ms * 1000000)
            return ve_fail(store, VARVE_E_BUSY,
                           "%s/%s: another writer has held it for %d ms; try again", store->path,
                           name, store->lock_timeout_ms);
        os->sleep(pause);
        pause = pause < 500000 ? pause + pause / 4 : pause;
    }
    if (fd == store->lock_append)
        store->locked = true;
    return VARVE_OK;
}

void ve_unlock(varve *store, int fd) {
    if (store->given_up && (fd == store->lock_append || fd == store->lock_compact))
        return;
    if (fd == store->lock_append)
        store->locked = false;
    while (store->os->flock(fd, LOCK_UN) < 0 && errno == EINTR)
        continue;
}

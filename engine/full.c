/*
 * A full disk. What frees room must first write: tombstones, packed segments. The index is larger
 * than what that takes, and it follows from the log: so it is given up on disk, kept in memory
 * meanwhile, and made anew in the end. Both locks are held all the while: nobody else could append
 * anyway, or make the index anew where there is no room. A death leaves CONTROL without an index,
 * which the next writer makes. SPEC.md "Full disk".
 */
#include "engine/pack.h"
#include "engine/recover.h"

static int to_memory(varve *store, uint64_t tail) {
    ve_index memory = {.dir = -1};
    int result = ve_index_in_memory(store, &memory);
    if (result == VARVE_OK)
        result = ve_fold_all(store, &memory, tail);
    if (result < 0) {
        ve_index_close(&memory);
        return result;
    }
    memory.generation =
        ve_word(&store->control->index_generation); /* nobody need open another one */
    ve_set_word(&store->control->state, 0);
    ve_set_word(&store->control->applied, tail);
    ve_index_close(&store->index);
    store->index = memory;
    ve_remove_indexes(store, 0);
    return VARVE_OK;
}

int ve_give_up_index(varve *store) {
    if (store->given_up)
        return VARVE_OK;
    int result = ve_open_lock(store, "LOCK.compact", &store->lock_compact);
    if (result == VARVE_OK)
        result = ve_lock(store, store->lock_compact, "LOCK.compact");
    if (result < 0)
        return result;
    result = ve_lock(store, store->lock_append, "LOCK.append");
    if (result == VARVE_OK) {
        result = ve_catch_up(store);
        if (result == VARVE_OK || result == VARVE_E_NO_SPACE) /* the one in memory can follow */
            result = to_memory(store, ve_word(&store->control->tail));
        if (result < 0)
            ve_unlock(store, store->lock_append);
    }
    if (result < 0)
        ve_unlock(store, store->lock_compact);
    store->given_up = result == VARVE_OK;
    if (result == VARVE_OK)
        ve_say(store, "%s: the disk is full: the index is given up until there is room",
               store->path);
    return result;
}

int ve_take_index_back(varve *store) {
    if (!store->given_up)
        return VARVE_OK;
    int result = ve_rebuild(store, ve_word(&store->control->tail));
    store->given_up = false;
    ve_unlock(store, store->lock_append);
    ve_unlock(store, store->lock_compact);
    return result;
}

/*
 * Index rows of packed segments that cannot be read: made again from the events, or if some of
 * these are gone, from both as far as they go.
 */
#include "engine/fold.h"
#include "engine/repair.h"

static bool is_trimmed(const ve_packed *file) {
    for (uint32_t i = 0; i < vf_get32(file->footer.sessions.count); i++) {
        const vf_packed_session *run =
            vf_packed_item(file->map, &file->footer.sessions, i, VF_PACKED_SESSION);
        if ((vf_get32(run->flags) & VF_RUN_DROPPED) != 0)
            return true;
    }
    return vf_get32(file->footer.holes.count) > 0;
}

/* Whether the index has each session where the packed segments say. */
static bool fits(varve *store, const ve_layout *layout) {
    for (size_t f = 0; f < layout->files; f++) {
        const ve_packed *file = layout->file[f];
        for (uint32_t i = 0; i < vf_get32(file->footer.sessions.count); i++) {
            const vf_packed_session *run =
                vf_packed_item(file->map, &file->footer.sessions, i, VF_PACKED_SESSION);
            if (!vf_key_is_zero(run->key) &&
                ve_find(&store->index, VF_TABLE_SESSIONS, run->key) != vf_get32(run->row))
                return false;
        }
    }
    return true;
}

/* The index as of the end of what is packed: rows of the first files, then the events behind them.
 */
static int fold_behind(ve_repair *r, size_t files) {
    varve *store = r->store;
    uint64_t from, end = store->layout->packed_end;
    store->rows_files = files + 1;
    int result = ve_index_create(store, &store->index, 0, true);
    if (result == VARVE_OK)
        result = ve_changes_load(store, &store->index, &from);
    if (result == VARVE_OK && from < end)
        result = ve_fold_range(store, &store->index, from, end, NULL);
    store->rows_files = 0;
    return result;
}

/* Sessions of which no row is left get one, so that their events are folded into it. */
static int add_missing(ve_repair *r) {
    varve *store = r->store;
    const ve_layout *layout = store->layout;
    int result = VARVE_OK;
    for (size_t f = 0; f < layout->files; f++) {
        const ve_packed *file = layout->file[f];
        for (uint32_t i = 0; i < vf_get32(file->footer.sessions.count) && result == VARVE_OK; i++) {
            const vf_packed_session *run =
                vf_packed_item(file->map, &file->footer.sessions, i, VF_PACKED_SESSION);
            uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE] = {0};
            vf_hot *hot = (vf_hot *)(void *)image;
            if (vf_key_is_zero(run->key) ||
                ve_row_loaded(&store->index, VF_TABLE_SESSIONS, vf_get32(run->row)))
                continue;
            hot->key = run->key;
            vf_put64(&hot->last_seq, UINT64_MAX);
            result =
                ve_load_row(store, &store->index, VF_TABLE_SESSIONS, vf_get32(run->row), image, 1);
        }
    }
    return result;
}

/* Some events are gone, so that they cannot tell all: what rows there are, and the events where
 * there are none. */
static int fold_around(ve_repair *r) {
    varve *store = r->store;
    uint64_t from;
    ve_index_close(&store->index);
    int result = ve_index_create(store, &store->index, 0, true);
    if (result == VARVE_OK)
        result = ve_changes_load(store, &store->index, &from);
    if (result == VARVE_OK)
        result = add_missing(r);
    if (result == VARVE_OK)
        result = ve_fold_range(store, &store->index, ve_log_first(store), store->layout->packed_end,
                               NULL);
    return result;
}

int ve_repair_rows(ve_repair *r) {
    varve *store = r->store;
    size_t good = 0;
    bool lost = false, whole = true;
    for (size_t i = 0; i < r->parts; i++) {
        const ve_found *f = r->part[i].from;
        lost = lost || (f != NULL && !f->rows_hold);
        if (f != NULL && !f->rows_hold)
            r->part[i].no_rows = true;
        if (lost)
            whole = whole && f != NULL && f->blocks_hold && !is_trimmed(f->file);
        good += !lost;
    }
    if (!lost)
        return VARVE_OK;
    ve_part_of_log *last = &r->part[r->parts - 1];
    last->anew = last->all_rows = true; /* it carries all of them: older ones do not count then */
    ve_index_close(&store->index);
    int result = whole ? fold_behind(r, good) : VARVE_OK;
    if (result == VARVE_OK && whole)
        whole = fits(store, store->layout);
    if (result == VARVE_OK && !whole)
        result = fold_around(r);
    if (result < 0)
        return result;
    if (whole) {
        ve_repair_tell(r, VARVE_REPAIR_MENDED, "seg", 0,
                       "index rows are damaged: made again from the events");
    } else {
        ve_repair_tell(
            r, VARVE_REPAIR_LOST, "seg", 0,
            "index rows are damaged, and events that they counted are gone: what is left "
            "of both is counted");
        r->done.lost++;
    }
    return VARVE_OK;
}

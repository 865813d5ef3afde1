/*
 * What tombstones say: which records of a session compaction leaves out. A session that a fork goes
 * through keeps its records as long as the fork is there. SPEC.md "Deletion".
 */
#include "engine/fold.h"
#include "engine/pack.h"
#include "engine/read.h"

#include <stdlib.h>

static bool has_tombstone(const vf_hot *hot) {
    return (vf_get32(hot->flags) & (VF_SR_DELETED | VF_SR_TRIMMED)) != 0;
}

bool ve_tombstone(varve *store, const vf_hot *hot, const vf_cold *cold, vf_mark_fixed *ret_mark) {
    uint64_t lsn = vf_get64(cold->ref[VF_REF_TOMBSTONE]);
    ve_record record;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    bool found = lsn != 0 && ve_log_record(store, &hot->key, lsn, &record) == VARVE_OK &&
                 record.frame.kind == VF_KIND_TOMBSTONE && ve_record_mark(&record, ret_mark);
    ve_hold_end(store, &own, before);
    return found;
}

uint64_t ve_said_gone(varve *store, const vf_hot *hot, const vf_cold *cold) {
    vf_mark_fixed mark;
    if (!has_tombstone(hot) || ve_le_flag(hot->flags, VF_SR_DELETED))
        return has_tombstone(hot) ? UINT64_MAX : 0;
    return ve_tombstone(store, hot, cold, &mark) ? vf_get64(mark.seq) + 1 : 0;
}

int ve_fork_parent(varve *store, uint32_t row, uint32_t *ret_parent, bool *ret_left) {
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    const vf_hot *hot = (const vf_hot *)(const void *)image;
    const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
    vf_frame frame;
    vf_body body;
    *ret_parent = UINT32_MAX;
    *ret_left = false;
    int result = ve_need_row(store, VF_TABLE_SESSIONS, row, true, image);
    if (result < 0)
        return result;
    uint64_t lsn = vf_get64(cold->ref[VF_REF_IDENTITY]);
    if (lsn == 0)
        return VARVE_OK;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    result = ve_log_ref(store, &hot->key, lsn, &frame, &body);
    if (result == VARVE_OK && frame.kind == VF_KIND_FORK && vf_key_equal(frame.session, hot->key)) {
        vf_text id = body.str[VF_STR_PARENT_ID], machine = body.str[VF_STR_PARENT_MACHINE];
        if (machine.ptr == NULL)
            machine = body.str[VF_STR_MACHINE_ID];
        if (id.ptr != NULL && machine.ptr != NULL)
            *ret_parent = ve_find(&store->index, VF_TABLE_SESSIONS,
                                  vf_session_key(machine.ptr, machine.size, id.ptr, id.size));
        *ret_left = vf_get64(frame.seq) < ve_said_gone(store, hot, cold);
    }
    ve_hold_end(store, &own, before);
    return ve_is_damage(result) ? VARVE_OK : result;
}

/* Marks what a fork goes through: its parent, and if that is a fork too, the next. One that has
 * dropped where it began goes through nothing, but if a fork goes through itself: then that is
 * kept. */
static int mark_line(ve_gone *gone, uint32_t row) {
    for (int depth = 0; depth <= VF_DEPTH_MAX; depth++) {
        uint32_t parent;
        bool left;
        int result = ve_fork_parent(gone->store, row, &parent, &left);
        if (result < 0 || parent >= gone->rows || (depth == 0 && left))
            return result;
        if ((gone->shared[parent / 8] >> parent % 8 & 1) != 0)
            return VARVE_OK;
        gone->shared[parent / 8] |= (uint8_t)(1u << parent % 8);
        row = parent;
    }
    return VARVE_OK;
}

int ve_gone_open(ve_gone *gone, varve *store) {
    int result = ve_gone_open_as(gone, store, INT64_MIN);
    if (result == VARVE_OK &&
        gone->any) /* what says that records are gone must be on disk before they are */
        result = ve_sync_to(store, ve_tail(store));
    return result;
}

static bool is_living(const vf_hot *hot, int64_t before) {
    uint32_t flags = vf_get32(hot->flags);
    bool old = (flags & VF_SR_HAS_TIME) != 0 && vf_get_i64(hot->last_activity) < before;
    return (flags & VF_SR_DELETED) == 0 && !old;
}

int ve_gone_open_as(ve_gone *gone, varve *store, int64_t before) {
    *gone = (ve_gone){.store = store, .rows = ve_rows(&store->index, VF_TABLE_SESSIONS)};
    vf_hot hot;
    int result;
    for (uint64_t row = 0; row < gone->rows && !gone->any; row++) {
        if ((result = ve_need_row(store, VF_TABLE_SESSIONS, row, false, &hot)) < 0)
            return result;
        gone->any = has_tombstone(&hot) || !is_living(&hot, before);
    }
    if (!gone->any)
        return VARVE_OK;
    gone->shared = calloc((size_t)gone->rows / 8 + 1, 1);
    if (gone->shared == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    for (uint64_t row = 0; row < gone->rows; row++) {
        if ((result = ve_need_row(store, VF_TABLE_SESSIONS, row, false, &hot)) < 0)
            return result;
        bool child = vf_get32(hot.parent) != 0 || ve_le_flag(hot.flags, VF_SR_CYCLE);
        result = child && is_living(&hot, before) ? mark_line(gone, (uint32_t)row) : VARVE_OK;
        if (result < 0)
            return result;
    }
    return VARVE_OK;
}

void ve_gone_close(ve_gone *gone) {
    free(gone->shared);
    *gone = (ve_gone){0};
}

bool ve_gone_shared(const ve_gone *gone, uint32_t row) {
    return gone->shared != NULL && row < gone->rows && (gone->shared[row / 8] >> row % 8 & 1) != 0;
}

uint64_t ve_gone_below(const ve_gone *gone, uint32_t row, const vf_hot *hot, const vf_cold *cold) {
    varve *store = gone->store;
    if (!has_tombstone(hot) || ve_gone_shared(gone, row) ||
        vf_get64(cold->ref[VF_REF_TOMBSTONE]) >= ve_word(&store->control->synced))
        return 0;
    return ve_said_gone(store, hot, cold);
}

/* ---- What is left ---- */

int ve_gone_raw(const ve_gone *gone, bool *ret_any) {
    varve *store = gone->store;
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    const vf_hot *hot = (const vf_hot *)(const void *)image;
    const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
    *ret_any = false;
    for (uint64_t row = 0; gone->any && row < gone->rows && !*ret_any; row++) {
        int result = ve_need_row(store, VF_TABLE_SESSIONS, row, true, image);
        if (result < 0)
            return result;
        *ret_any = has_tombstone(hot) && !ve_gone_shared(gone, (uint32_t)row) &&
                   vf_get64(cold->ref[VF_REF_TOMBSTONE]) >= store->layout->packed_end;
    }
    return VARVE_OK;
}

/* Whether a pin is of a record that a forgotten session said. */
static bool is_forgotten_pin(const ve_gone *gone, const vf_packed_session *run,
                             const vf_frame *frame) {
    varve *store = gone->store;
    vf_hot hot;
    vf_key key = vf_key_is_zero(frame->session) ? run->key : frame->session;
    uint32_t row = ve_find(&store->index, VF_TABLE_SESSIONS, key);
    return row != UINT32_MAX &&
           ve_read_row(&store->index, VF_TABLE_SESSIONS, row, false, &hot) == VARVE_OK &&
           ve_le_flag(hot.flags, VF_SR_FORGOTTEN) && !ve_gone_shared(gone, row);
}

static uint64_t forgotten_pins(const ve_gone *gone, ve_packed *file, const vf_packed_session *run) {
    uint64_t bytes = 0;
    uint32_t first = vf_get32(run->pins_first), pins = vf_get32(run->pins);
    for (uint32_t id = first; id < first + pins; id++) {
        int error;
        ve_hold own = {0}, *before = ve_hold_use(gone->store, &own);
        const ve_unit *unit = ve_unit_get(gone->store, file, VE_AREA_PINS, id, false, &error);
        if (unit != NULL && is_forgotten_pin(gone, run, &unit->unit.record[id - unit->first].frame))
            bytes += VF_IMAGE_SIZE;
        ve_hold_end(gone->store, &own, before);
    }
    return bytes;
}

/* What inputs were called that are called nothing any more. */
static uint64_t blanked_inputs(const ve_gone *gone, ve_packed *file, const vf_packed_session *run) {
    uint64_t bytes = 0;
    uint32_t first = vf_get32(run->first), records = vf_get32(run->records);
    for (uint32_t id = first; id < first + records; id++) {
        ve_record record;
        ve_hold own = {0}, *before = ve_hold_use(gone->store, &own);
        if (ve_packed_id(gone->store, file, id, true, &record) == VARVE_OK &&
            record.frame.kind == VF_KIND_CURSOR && !ve_is_last_cursor(gone->store, &record))
            bytes += VF_IMAGE_SIZE;
        ve_hold_end(gone->store, &own, before);
    }
    return bytes;
}

/* Without records of the session there may still be words of it: in its pins, in those of others
 * that it named. */
static uint64_t words_left(const ve_gone *gone, ve_packed *file, const vf_packed_session *run) {
    return vf_get32(run->row) == UINT32_MAX ? blanked_inputs(gone, file, run)
                                            : forgotten_pins(gone, file, run);
}

uint64_t ve_rows_lsn(const ve_layout *layout) {
    uint64_t lsn = 0;
    for (size_t i = 0; i < layout->files; i++)
        if (vf_get64(layout->file[i]->footer.rows_lsn) > lsn)
            lsn = vf_get64(layout->file[i]->footer.rows_lsn);
    return lsn;
}

uint64_t ve_gone_bytes(const ve_gone *gone, ve_packed *file) {
    uint64_t bytes = 0;
    if (file->end > ve_rows_lsn(gone->store->layout))
        return 0; /* nothing is left out yet */
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    const vf_hot *hot = (const vf_hot *)(const void *)image;
    const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
    uint32_t sessions = vf_get32(file->footer.sessions.count);
    for (uint32_t i = 0; gone->any && i < sessions; i++) {
        const vf_packed_session *session =
            vf_packed_item(file->map, &file->footer.sessions, i, VF_PACKED_SESSION);
        uint32_t row = vf_get32(session->row), records = vf_get32(session->records);
        bool base_only = records == 1 && (vf_get32(session->flags) & VF_RUN_DROPPED) != 0;
        bytes += gone->erasing ? words_left(gone, file, session) : 0;
        if (row == UINT32_MAX || records == 0 || base_only ||
            ve_read_row(&gone->store->index, VF_TABLE_SESSIONS, row, true, image) < 0)
            continue;
        uint64_t below = ve_gone_below(gone, row, hot, cold);
        uint64_t base = (vf_get32(session->flags) & VF_RUN_DROPPED) != 0; /* that stays as it is */
        if (vf_get64(session->first_seq) + base < below)
            bytes += vf_get64(session->payload_bytes) + (uint64_t)records * VF_IMAGE_SIZE;
    }
    return bytes;
}

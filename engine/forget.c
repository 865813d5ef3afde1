/*
 * Forgetting a session: a TOMBSTONE hides it at once and takes the texts from its row; then, if
 * that is wanted now, every file that holds a record of it is packed again without it. erased.c
 * looks through what is left. SPEC.md "Forgetting".
 */
#include "engine/forget.h"
#include "engine/array.h"
#include "engine/batch.h"
#include "engine/fold.h"
#include "engine/read.h"

#include <stdlib.h>

static int no_memory(varve *store) {
    return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
}

bool ve_is_forgotten_row(const ve_forgetting *f, uint32_t row) {
    for (size_t i = 0; i < f->count; i++)
        if (f->row[i] == row)
            return true;
    return false;
}

/* ---- Whom it takes along ---- */

static int add_row(ve_forgetting *f, uint32_t row) {
    if (!ve_grow(&f->row, &f->room, f->count + 1, sizeof *f->row))
        return no_memory(f->store);
    f->row[f->count++] = row;
    return VARVE_OK;
}

/* Forks that go through the records of those that are to be forgotten: those that are there, and
 * those that were deleted if such a one goes through them. */
static int find_forks(ve_forgetting *f, const ve_gone *gone, uint32_t flags) {
    varve *store = f->store;
    uint64_t rows = ve_rows(&store->index, VF_TABLE_SESSIONS);
    for (bool more = true; more;) {
        more = false;
        for (uint64_t row = 0; row < rows; row++) {
            uint32_t parent;
            bool left;
            vf_hot hot;
            int read = ve_read_row(&store->index, VF_TABLE_SESSIONS, (uint32_t)row, false, &hot);
            if (read < 0 && read != VARVE_E_INDEX) /* it may be a fork */
                return ve_row_failed(store, VF_TABLE_SESSIONS, row, read);
            if (read < 0 || (vf_get32(hot.parent) == 0 && !ve_le_flag(hot.flags, VF_SR_CYCLE)) ||
                ve_is_forgotten_row(f, (uint32_t)row))
                continue;
            int result = ve_fork_parent(store, (uint32_t)row, &parent, &left);
            if (result < 0)
                return result;
            if (parent == UINT32_MAX || !ve_is_forgotten_row(f, parent) ||
                (left && !ve_gone_shared(gone, (uint32_t)row)))
                continue;
            if ((flags & VARVE_FORGET_FORKS) == 0)
                return ve_fail(store, VARVE_E_CONFLICT,
                               "a fork shares its events: forget the forks with it, or it stays");
            if ((result = add_row(f, (uint32_t)row)) < 0)
                return result;
            more = true;
        }
    }
    return VARVE_OK;
}

/* ---- What it said ---- */

/* Texts that are words of the trade, not of the session. */
static bool is_common(int str) {
    switch (str) {
    case VF_STR_TYPE:
    case VF_STR_FRAMEWORK:
    case VF_STR_TOOL_NAME:
    case VF_STR_SUBAGENT_TYPE:
    case VF_STR_PERMISSION_MODE:
    case VF_STR_MODEL:
    case VF_STR_FINISH_REASON:
    case VF_STR_VERSION:
    case VF_STR_MACHINE_ID:
    case VF_STR_PARENT_MACHINE:
    case VF_STR_STATUS:
    case VF_STR_SESSION_TYPE:
    case VF_STR_MODE:
    case VF_STR_CHANNEL:
    case VF_STR_BOOT_ID:
    case VF_STR_PID_NAMESPACE:
    case VF_STR_SUBTYPE:
        return true;
    default:
        return false;
    }
}

/* The same path stands in many records: the last one noted is most often the same. */
static bool note_path(ve_forgetting *f, vf_text path) {
    if (path.ptr == NULL || path.size < 8 ||
        (f->paths_size > path.size &&
         memcmp(f->paths + f->paths_size - path.size - 1, path.ptr, path.size) == 0))
        return true;
    if (!ve_grow(&f->paths, &f->paths_room, f->paths_size + path.size + 1, 1))
        return false;
    memcpy(f->paths + f->paths_size, path.ptr, path.size);
    f->paths_size += path.size;
    f->paths[f->paths_size++] = 0;
    return true;
}

static bool note_record(ve_forgetting *f, const vf_body *body) {
    bool good = body->payload == NULL ||
                ve_needles_add_within(&f->needles, body->payload, body->payload_size);
    for (int s = 0; s < VF_STRS && good; s++)
        if (body->str[s].ptr != NULL && !is_common(s))
            good = ve_needles_add(&f->needles, body->str[s].ptr, body->str[s].size);
    return good && note_path(f, body->str[VF_STR_TRANSCRIPT_PATH]);
}

/* Goes through a session's own records, and notes pieces of what they say. */
static int note_session(ve_forgetting *f, uint32_t row) {
    varve *store = f->store;
    vf_hot hot;
    int result = ve_need_row(store, VF_TABLE_SESSIONS, row, false, &hot);
    if (result < 0)
        return result;
    if (!ve_needles_add(&f->keys, &hot.key, sizeof hot.key))
        return no_memory(store);
    for (uint64_t lsn = vf_get64(hot.last_lsn); lsn != 0 && result == VARVE_OK;) {
        ve_record record;
        vf_body body;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        result = ve_log_record(store, &hot.key, lsn, &record);
        bool whole = result == VARVE_OK;
        bool says =
            whole && (record.frame.kind == VF_KIND_EVENT || record.frame.kind == VF_KIND_SESSION ||
                      record.frame.kind == VF_KIND_FORK);
        if (says && ve_record_body(store, &record, &body) == VARVE_OK && !note_record(f, &body))
            result = no_memory(store);
        vf_frame frame = record.frame;
        ve_hold_end(store, &own, before);
        if (ve_is_damage(result))
            return VARVE_OK; /* what lies before it cannot be reached */
        bool begins = whole && (frame.kind == VF_KIND_FORK || frame.kind == VF_KIND_BASE);
        lsn = begins ? 0 : vf_get64(frame.prev);
    }
    return result;
}

/* ---- Saying so ---- */

/* Whether an input is named after the session: after its transcript, or by its id. */
static bool is_named_after(const ve_forgetting *f, vf_text name, varve_str id) {
    bool hit = id.size >= 8 && memmem(name.ptr, name.size, id.ptr, id.size) != NULL;
    for (size_t at = 0; at < f->paths_size && !hit; at += strlen(f->paths + at) + 1)
        hit = memmem(name.ptr, name.size, f->paths + at, strlen(f->paths + at)) != NULL;
    return hit;
}

static int blank_inputs(ve_forgetting *f, varve_batch *batch, varve_str id) {
    static const vf_key nobody;
    varve *store = f->store;
    uint64_t rows = ve_rows(&store->index, VF_TABLE_CURSORS);
    int result = VARVE_OK;
    for (uint64_t row = 0; row < rows && result >= 0; row++) {
        vf_cursor_row image;
        ve_record record = {0};
        vf_key key;
        vf_text name, state;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        result = ve_read_row(&store->index, VF_TABLE_CURSORS, (uint32_t)row, true, &image);
        if (result == VARVE_OK)
            result = ve_log_record(store, &nobody, vf_get64(image.lsn), &record);
        bool whole = result == VARVE_OK;
        if (ve_is_damage(result) || result == VARVE_E_INDEX)
            result = VARVE_OK; /* what cannot be read names nobody */
        else if (result < 0)
            result = ve_fail(store, result, "%s: an input's record cannot be read", store->path);
        if (whole && record.frame.kind == VF_KIND_CURSOR &&
            vf_cursor_decode(record.body, record.body_size, &key, &name, &state) == VF_OK &&
            name.size > 0 && is_named_after(f, name, id)) {
            result = ve_batch_answer(store, ve_batch_blank_cursor(batch, key));
            f->done.inputs++;
        }
        ve_hold_end(store, &own, before);
    }
    return result < 0 ? result : VARVE_OK;
}

/* 'machine' and 'id' are those of the first: who is forgotten already is not known by name any
 * more. */
static int say_so(ve_forgetting *f, varve_str own_machine, varve_str own_id) {
    varve *store = f->store;
    varve_batch *batch = NULL;
    int result = ve_batch_answer(store, varve_batch_new(&batch));
    for (size_t i = 0; i < f->count && result >= 0; i++) {
        uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE] = {0};
        const vf_hot *hot = (const vf_hot *)(const void *)image;
        const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
        varve_str machine = own_machine, id = own_id;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        result = ve_read_row(&store->index, VF_TABLE_SESSIONS, f->row[i], true, image);
        if (result < 0)
            result = ve_fail(store, result, "%s/idx: row %u of table sessions cannot be read",
                             store->path, f->row[i]);
        bool said = result == VARVE_OK && ve_le_flag(hot->flags, VF_SR_FORGOTTEN) &&
                    vf_get64(cold->ref[VF_REF_TOMBSTONE]) == vf_get64(hot->last_lsn);
        if (result == VARVE_OK && i > 0 && !said)
            result = ve_identity(store, cold, &machine, &id);
        if (result == VARVE_OK && !said) {
            result = ve_batch_answer(
                store, ve_batch_tombstone(batch, machine, id, UINT64_MAX, VF_GONE_FORGOTTEN));
            if (result >= 0)
                result = blank_inputs(f, batch, id);
            f->done.sessions++;
        }
        ve_hold_end(store, &own, before);
    }
    if (result >= 0 && varve_batch_count(batch) > 0)
        result = varve_append(store, batch, VARVE_GROUP, NULL);
    varve_batch_free(&batch);
    return result < 0 ? result : VARVE_OK;
}

static int forget(ve_forgetting *f, uint32_t flags, varve_str machine, varve_str id) {
    varve *store = f->store;
    ve_gone gone = {0};
    int result = ve_gone_open_as(&gone, store, INT64_MIN);
    if (result == VARVE_OK)
        result = find_forks(f, &gone, flags);
    ve_gone_close(&gone);
    for (size_t i = 0; i < f->count && result == VARVE_OK; i++)
        result = note_session(f, f->row[i]);
    if (result == VARVE_OK)
        result = say_so(f, machine, id);
    if ((flags & VARVE_FORGET_NOW) == 0)
        return result;
    if (result == VARVE_E_NO_SPACE && (result = ve_give_up_index(store)) == VARVE_OK) {
        f->done.sessions = f->done.inputs = 0;
        result = say_so(f, machine, id);
    }
    varve_compacted packed = {.size = sizeof packed};
    if (result == VARVE_OK)
        result = ve_pack_gone(store, true, &packed);
    f->done.files = packed.packed_segments + packed.raw_segments;
    int back = ve_take_index_back(store);
    result = result == VARVE_OK ? back : result;
    return result == VARVE_OK ? ve_erased(f) : result;
}

int varve_forget(varve *store, varve_str machine_id, varve_str session_id, uint32_t flags,
                 varve_forgotten *ret_forgotten) {
    VE_TURN(store);
    vf_key key;
    uint32_t row;
    int result = ve_ask_for(store, machine_id, session_id, &key);
    if (result < 0)
        return result;
    if (store->read_only)
        return ve_fail(store, VARVE_E_READ_ONLY, "%s: opened for reading only", store->path);
    if ((result = ve_look_up(store, VF_TABLE_SESSIONS, key, &row)) < 0)
        return result;
    if (row == UINT32_MAX)
        return ve_fail(store, VARVE_E_NOT_FOUND, "no session '%.*s'", (int)session_id.size,
                       session_id.ptr);
    ve_forgetting *f = calloc(1, sizeof *f);
    if (f == NULL)
        return no_memory(store);
    *f = (ve_forgetting){.store = store, .done.size = sizeof f->done};
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    result = add_row(f, row);
    if (result == VARVE_OK)
        result = forget(f, flags, machine_id, session_id);
    ve_hold_end(store, &own, before);
    if (result == VARVE_OK && ret_forgotten != NULL)
        *ret_forgotten = f->done;
    ve_needles_free(&f->needles);
    ve_needles_free(&f->keys);
    free(f->paths);
    free(f->row);
    free(f);
    return result;
}

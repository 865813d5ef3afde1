/*
 * Parents and children: links, cycles, and the roll-up of costs, exact after every group.
 * SPEC.md "Children".
 */
#include "engine/fold.h"
#include "engine/store.h"

/* Adds to the cost of all descendants' in every ancestor of a session, itself not included. */
int ve_roll_up(varve *store, ve_index *index, ve_group *group, uint32_t child, int64_t delta) {
    (void)group;
    if (delta == 0)
        return VARVE_OK;
    ve_group_row *row = ve_group_get(store, index, VF_TABLE_SESSIONS, child);
    for (int depth = 0; row != NULL && depth <= VF_DEPTH_MAX; depth++) {
        uint32_t parent = vf_get32(ve_hot(row)->parent);
        if (parent == 0)
            return VARVE_OK;
        row = ve_group_get(store, index, VF_TABLE_SESSIONS, parent - 1);
        if (row != NULL)
            vf_put64(&ve_hot(row)->cost_children,
                     vf_get64(ve_hot(row)->cost_children) + (uint64_t)delta);
    }
    return row == NULL ? VARVE_E_INDEX : VARVE_OK;
}

static int unlink_parent(varve *store, ve_index *index, ve_group *group, ve_group_row *child) {
    vf_hot *hot = ve_hot(child);
    uint32_t parent = vf_get32(hot->parent);
    if (parent == 0)
        return VARVE_OK;
    int result = ve_roll_up(store, index, group, child->row,
                            (int64_t) - (vf_get64(hot->cost) + vf_get64(hot->cost_children)));
    ve_group_row *row = ve_group_get(store, index, VF_TABLE_SESSIONS, parent - 1);
    if (result < 0 || row == NULL)
        return VARVE_E_INDEX;
    vf_put32(&ve_hot(row)->children, vf_get32(ve_hot(row)->children) - 1);
    vf_put32(&hot->parent, 0);
    return VARVE_OK;
}

/* Walks up from 'from': does it meet 'child', and which member of that cycle has the smallest key?
 */
static int find_cycle(varve *store, ve_index *index, uint32_t child, uint32_t from, bool *ret_cycle,
                      uint32_t *ret_smallest, bool *ret_deep) {
    ve_group_row *row = ve_group_get(store, index, VF_TABLE_SESSIONS, child);
    if (row == NULL)
        return VARVE_E_INDEX;
    vf_key smallest = ve_hot(row)->key;
    *ret_smallest = child;
    *ret_cycle = *ret_deep = false;
    uint32_t at = from;
    uint32_t below = vf_get32(ve_hot(row)->height);
    for (uint32_t depth = 0; depth + below < VF_DEPTH_MAX; depth++) {
        if (at == child) {
            *ret_cycle = true;
            return VARVE_OK;
        }
        row = ve_group_get(store, index, VF_TABLE_SESSIONS, at);
        if (row == NULL)
            return VARVE_E_INDEX;
        if (vf_key_compare(ve_hot(row)->key, smallest) < 0) {
            smallest = ve_hot(row)->key;
            *ret_smallest = at;
        }
        uint32_t parent = vf_get32(ve_hot(row)->parent);
        if (parent == 0)
            return VARVE_OK;
        at = parent - 1;
    }
    *ret_deep = true;
    return VARVE_OK;
}

static void mark_cut(ve_group_row *row) {
    vf_put32(&ve_hot(row)->flags, vf_get32(ve_hot(row)->flags) | VF_SR_CYCLE);
}

/* Tells the ancestors how many generations are below them now. */
static void raise_heights(varve *store, ve_index *index, const ve_group_row *child) {
    uint32_t height = vf_get32(ve_hot(child)->height), parent = vf_get32(ve_hot(child)->parent);
    for (int depth = 0; parent != 0 && depth <= VF_DEPTH_MAX; depth++) {
        ve_group_row *row = ve_group_get(store, index, VF_TABLE_SESSIONS, parent - 1);
        if (row == NULL || vf_get32(ve_hot(row)->height) > height)
            return;
        vf_put32(&ve_hot(row)->height, ++height);
        parent = vf_get32(ve_hot(row)->parent);
    }
}

/* Links a session, or marks that it, or another one of the cycle that it would close, was cut. */
static int link_or_cut(varve *store, ve_index *index, ve_group *group, ve_group_row *row,
                       uint32_t parent) {
    uint32_t child = row->row;
    vf_put32(&ve_hot(row)->flags, vf_get32(ve_hot(row)->flags) & ~(uint32_t)VF_SR_CYCLE);
    int result = unlink_parent(store, index, group, row);
    bool cycle = false, deep = false;
    uint32_t smallest = child;
    if (result == VARVE_OK)
        result = find_cycle(store, index, child, parent, &cycle, &smallest, &deep);
    if (result < 0)
        return result;
    if (deep || (cycle && smallest == child)) {
        mark_cut(row);
        return VARVE_OK;
    }
    if (cycle) {
        ve_group_row *other = ve_group_get(store, index, VF_TABLE_SESSIONS, smallest);
        if (other == NULL)
            return VARVE_E_INDEX;
        if ((result = unlink_parent(store, index, group, other)) < 0)
            return result;
        mark_cut(other);
    }
    vf_put32(&ve_hot(row)->parent, parent + 1);
    raise_heights(store, index, row);
    ve_group_row *up = ve_group_get(store, index, VF_TABLE_SESSIONS, parent);
    if (up == NULL)
        return VARVE_E_INDEX;
    vf_put32(&ve_hot(up)->children, vf_get32(ve_hot(up)->children) + 1);
    return ve_roll_up(
        store, index, group, child,
        (int64_t)(vf_get64(ve_hot(row)->cost) + vf_get64(ve_hot(row)->cost_children)));
}

/* The last of a session's ancestors, itself if it has none. */
static ve_group_row *root_of(varve *store, ve_index *index, ve_group_row *row) {
    for (int depth = 0; row != NULL && depth <= VF_DEPTH_MAX; depth++) {
        uint32_t parent = vf_get32(ve_hot(row)->parent);
        if (parent == 0)
            return row;
        row = ve_group_get(store, index, VF_TABLE_SESSIONS, parent - 1);
    }
    return NULL;
}

/* A link that was cut is tried again: what closed the cycle may be gone. */
static int link_again(varve *store, ve_index *index, ve_group *group, ve_group_row *row) {
    vf_frame frame;
    vf_body body;
    uint64_t lsn = vf_get64(ve_cold(row)->ref[VF_REF_PARENT]);
    if (!ve_le_flag(ve_hot(row)->flags, VF_SR_CYCLE) || lsn == 0 ||
        ve_log_ref(store, &ve_hot(row)->key, lsn, &frame, &body) < 0)
        return VARVE_OK;
    vf_text id = body.str[VF_STR_PARENT_ID], machine = body.str[VF_STR_PARENT_MACHINE];
    if (machine.ptr == NULL)
        machine = body.str[VF_STR_MACHINE_ID];
    if (id.ptr == NULL || machine.ptr == NULL)
        return VARVE_OK;
    vf_key key = vf_session_key(machine.ptr, machine.size, id.ptr, id.size);
    uint32_t parent = ve_group_find(index, group, VF_TABLE_SESSIONS, key);
    return parent == UINT32_MAX ? VARVE_OK : link_or_cut(store, index, group, row, parent);
}

int ve_link_parent(varve *store, ve_index *index, ve_group *group, uint32_t child,
                   uint32_t parent) {
    ve_group_row *row = ve_group_get(store, index, VF_TABLE_SESSIONS, child);
    if (row == NULL)
        return VARVE_E_INDEX;
    if (vf_get32(ve_hot(row)->parent) == parent + 1)
        return VARVE_OK;
    ve_group_row *root = root_of(store, index, row);
    int result = link_or_cut(store, index, group, row, parent);
    return result < 0 || root == NULL || root == row ? result
                                                     : link_again(store, index, group, root);
}

/* ---- Identity ---- */

int ve_identity(varve *store, const vf_cold *cold, varve_str *ret_machine, varve_str *ret_id) {
    vf_frame frame;
    vf_body body;
    const vf_hot *hot = (const vf_hot *)(const void *)((const uint8_t *)cold - VF_HOT_SIZE);
    uint64_t lsn = vf_get64(cold->ref[VF_REF_IDENTITY]);
    int result = lsn == 0
                     ? ve_fail(store, VARVE_E_CORRUPT,
                               "%s/seg: the record with a session's identity was lost", store->path)
                     : ve_log_ref(store, &hot->key, lsn, &frame, &body);
    if (result < 0)
        return result;
    vf_text id = body.str[VF_STR_SESSION_ID], machine = body.str[VF_STR_MACHINE_ID];
    if (!vf_key_equal(frame.session, hot->key)) { /* a stub: a child names it */
        id = body.str[VF_STR_PARENT_ID];
        if (body.str[VF_STR_PARENT_MACHINE].ptr != NULL)
            machine = body.str[VF_STR_PARENT_MACHINE];
    }
    if (id.ptr == NULL || machine.ptr == NULL)
        return ve_fail(store, VARVE_E_CORRUPT,
                       "%s/seg/%08u.log offset %u: a session's identity record names nobody",
                       store->path, vf_lsn_segment(lsn), vf_lsn_offset(lsn));
    *ret_machine = (varve_str){machine.ptr, machine.size};
    *ret_id = (varve_str){id.ptr, id.size};
    return VARVE_OK;
}

static int compare_text(varve_str a, varve_str b) {
    int order = memcmp(a.ptr, b.ptr, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : a.size < b.size ? -1 : a.size > b.size;
}

int ve_compare_identity(varve_str a_machine, varve_str a_id, varve_str b_machine, varve_str b_id) {
    int order = compare_text(a_id, b_id);
    return order != 0 ? order : compare_text(a_machine, b_machine);
}

int ve_session_less(varve *store, ve_index *index, ve_group *group, uint32_t a, uint32_t b) {
    (void)group;
    varve_str machine[2], id[2];
    uint32_t row[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        ve_group_row *session = ve_group_get(store, index, VF_TABLE_SESSIONS, row[i]);
        if (session == NULL || ve_identity(store, ve_cold(session), &machine[i], &id[i]) < 0)
            return a < b;
    }
    return ve_compare_identity(machine[0], id[0], machine[1], id[1]) < 0;
}

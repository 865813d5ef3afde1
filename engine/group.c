/*
 * A group: row changes that belong together. Built in private memory in the shape of a redo area,
 * written to REDO, then put in place, so that a writer's death leaves all of it or none. SPEC.md
 * "Redo".
 */
#include "engine/store.h"

#include <assert.h>
#include <stdlib.h>

/* Stands in REDO's state while a group that was too large for it is put in place: a death then
 * costs a rebuild. */
#define NO_REDO UINT64_MAX
/* More than a full group can touch when each of its sessions has 64 ancestors of its own; reserved,
 * hardly ever touched. */
enum { GROUP_BYTES = 16 << 20, GROUP_ROWS = 64 << 10 };

void ve_group_begin(ve_group *group) {
    group->size = VF_REDO_HEADER;
    group->count = 0;
    memset(group->fresh, 0, sizeof group->fresh);
    if (group->slots != NULL)
        memset(group->slots, 0, group->slots_room * sizeof *group->slots);
    if (group->keys != NULL)
        memset(group->keys, 0, group->slots_room * sizeof *group->keys);
}

void ve_group_free(ve_group *group) {
    free(group->buffer);
    free(group->rows);
    free(group->slots);
    free(group->keys);
    *group = (ve_group){0};
}

static size_t slot_of(const ve_group *group, uint32_t table, uint32_t row) {
    uint64_t mixed = ((uint64_t)table << 32 | row) * 0x9E3779B97F4A7C15u;
    return (size_t)(mixed >> 20) & (group->slots_room - 1);
}

static size_t key_slot(const ve_group *group, uint32_t table, vf_key key) {
    uint64_t mixed;
    memcpy(&mixed, key.b, sizeof mixed);
    mixed = (mixed + table) * 0x9E3779B97F4A7C15u;
    return (size_t)(mixed >> 20) & (group->slots_room - 1);
}

static void put_slot(uint32_t *slots, size_t room, size_t at, uint32_t value) {
    while (slots[at] != 0)
        at = (at + 1) & (room - 1);
    slots[at] = value;
}

static ve_group_row *look_up(const ve_group *group, uint32_t table, uint32_t row) {
    if (group->slots_room == 0)
        return NULL;
    for (size_t s = slot_of(group, table, row); group->slots[s] != 0;
         s = (s + 1) & (group->slots_room - 1)) {
        ve_group_row *found = &group->rows[group->slots[s] - 1];
        if (found->table == table && found->row == row)
            return found;
    }
    return NULL;
}

static bool grow_slots(ve_group *group) {
    if (group->count * 2 < group->slots_room)
        return true;
    size_t room = group->slots_room == 0 ? 1024 : group->slots_room * 2;
    uint32_t *slots = calloc(room, sizeof *slots), *keys = calloc(room, sizeof *keys);
    if (slots == NULL || keys == NULL) { /* those that are there go on to serve */
        free(slots);
        free(keys);
        return false;
    }
    free(group->slots);
    free(group->keys);
    group->slots = slots;
    group->keys = keys;
    group->slots_room = room;
    for (size_t i = 0; i < group->count; i++) {
        const ve_group_row *row = &group->rows[i];
        put_slot(slots, room, slot_of(group, row->table, row->row), (uint32_t)i + 1);
        if (row->fresh)
            put_slot(group->keys, room,
                     key_slot(group, row->table, ve_row_key((vf_table)row->table, row->image)),
                     (uint32_t)i + 1);
    }
    return true;
}

/* Room for one more row in the group; its image is zero. Nothing that was given out moves. */
static ve_group_row *new_entry(ve_group *group, vf_table table, uint32_t row, bool fresh) {
    uint32_t size = vf_row_size(table);
    assert(group->count == 0 || group->rows != NULL);
    if (group->buffer == NULL) /* reserved, hardly ever touched beyond the first part */
        group->buffer = malloc(GROUP_BYTES);
    if (group->rows == NULL)
        group->rows = malloc(GROUP_ROWS * sizeof *group->rows);
    if (group->buffer == NULL || group->rows == NULL || group->count == GROUP_ROWS ||
        group->size + sizeof(vf_redo_entry) + size > GROUP_BYTES || !grow_slots(group))
        return NULL;
    vf_redo_entry entry = {0};
    vf_put32(&entry.table, (uint32_t)table);
    vf_put32(&entry.row, row);
    vf_put32(&entry.size, size);
    vf_put32(&entry.fresh, fresh);
    memcpy(group->buffer + group->size, &entry, sizeof entry);
    uint8_t *image = group->buffer + group->size + sizeof entry;
    memset(image, 0, size);
    group->size += sizeof entry + size;
    ve_group_row *added = &group->rows[group->count++];
    *added = (ve_group_row){.table = (uint32_t)table, .row = row, .image = image, .fresh = fresh};
    put_slot(group->slots, group->slots_room, slot_of(group, (uint32_t)table, row),
             (uint32_t)group->count);
    return added;
}

ve_group_row *ve_group_get(varve *store, ve_index *index, vf_table table, uint32_t row) {
    ve_group *group = &store->group;
    ve_group_row *found = look_up(group, (uint32_t)table, row);
    if (found != NULL)
        return found;
    found = new_entry(group, table, row, false);
    if (found == NULL) {
        store->trouble = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
        return NULL;
    }
    int result = ve_read_row(index, table, row, true, found->image);
    if (result < 0) {
        ve_row_failed(store, table, row, result);
        return NULL;
    }
    return found;
}

ve_group_row *ve_group_add(varve *store, ve_index *index, vf_table table, vf_key key) {
    ve_group *group = &store->group;
    uint64_t row = ve_rows(index, table) + group->fresh[table];
    ve_group_row *added = row >= UINT32_MAX ? NULL : new_entry(group, table, (uint32_t)row, true);
    if (added == NULL) {
        store->trouble = ve_fail(store, VARVE_E_NO_MEMORY, "no memory for a row of table %s",
                                 vf_table_name(table));
        return NULL;
    }
    memcpy(added->image + 8, &key, sizeof key);
    put_slot(group->keys, group->slots_room, key_slot(group, (uint32_t)table, key),
             (uint32_t)group->count);
    group->fresh[table]++;
    return added;
}

uint32_t ve_group_find(ve_index *index, ve_group *group, vf_table table, vf_key key) {
    uint32_t row = ve_find(index, table, key);
    if (row != UINT32_MAX || group->fresh[table] == 0)
        return row;
    for (size_t s = key_slot(group, (uint32_t)table, key); group->keys[s] != 0;
         s = (s + 1) & (group->slots_room - 1)) {
        const ve_group_row *found =
            &group->rows[group->keys[s] - 1]; /* the first with this key comes first */
        if (found->table == (uint32_t)table && memcmp(found->image + 8, &key, sizeof key) == 0)
            return found->row;
    }
    return UINT32_MAX;
}

int ve_group_place(varve *store, ve_index *index, ve_group *group, uint64_t applied) {
    if (group->count == 0)
        return VARVE_OK;
    for (size_t i = 0; i < group->count; i++) {
        ve_group_row *row = &group->rows[i];
        vf_put32(&((vf_row_head *)(void *)row->image)->sum,
                 ve_row_sum((vf_table)row->table, row->row, row->image));
    }
    vf_redo_header *redo = (vf_redo_header *)(void *)index->redo;
    if (redo != NULL && ve_redo_room(index, group->size)) {
        vf_redo_header *header = (vf_redo_header *)(void *)group->buffer;
        *header = (vf_redo_header){0};
        vf_put32(&header->size, (uint32_t)group->size);
        vf_put32(&header->entries, (uint32_t)group->count);
        vf_put64(&header->sum, vf_sum64(group->buffer + 16, group->size - 16, applied));
        memcpy(index->redo + 8, group->buffer + 8, group->size - 8);
        ve_set_word(&redo->state, applied);
    } else if (redo != NULL) {
        ve_set_word(&redo->state, NO_REDO);
    }
    int result = VARVE_OK;
    for (size_t i = 0; i < group->count && result == VARVE_OK; i++)
        result = ve_place_row(store, index, (vf_table)group->rows[i].table, group->rows[i].row,
                              group->rows[i].fresh, group->rows[i].image, applied);
    return result;
}

int ve_redo(varve *store, ve_index *index, uint64_t *ret_applied) {
    vf_redo_header *redo = (vf_redo_header *)(void *)index->redo;
    uint64_t state = redo == NULL ? 0 : ve_word(&redo->state);
    if (state == 0)
        return 0;
    size_t size;
    if (state == NO_REDO || ve_redo_check(index, &size) != VF_OK)
        return ve_fail(store, VARVE_E_INDEX, "%s/idx: a change of the index was cut off",
                       store->path);
    size_t at = 0;
    vf_redo_entry entry;
    const uint8_t *image;
    while (vf_redo_next(index->redo, size, &at, &entry, &image) == 1) {
        if (vf_get32(entry.table) >= VF_TABLES ||
            vf_get32(entry.size) != vf_row_size((vf_table)vf_get32(entry.table)))
            return ve_fail(store, VARVE_E_INDEX, "%s/idx: the redo area is damaged", store->path);
        int result = ve_place_row(store, index, (vf_table)vf_get32(entry.table),
                                  vf_get32(entry.row), vf_get32(entry.fresh) != 0, image, state);
        if (result < 0)
            return result;
    }
    *ret_applied = state;
    return 1;
}

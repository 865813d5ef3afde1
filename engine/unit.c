/*
 * Open blocks of packed segments: decompressed once, kept for the next who asks, let go when they
 * take too much memory and nobody points into them.
 */
#include "engine/array.h"
#include "engine/store.h"

#include <stdlib.h>
#include <zstd.h>

enum { UNIT_BYTES_MAX = 4 << 20 }; /* what fits a processor's cache is the quickest to fill again */

/* ---- Holds ---- */

ve_hold *ve_hold_use(varve *store, ve_hold *hold) {
    ve_hold *before = store->hold;
    store->hold = hold;
    return before;
}

void ve_hold_drop(varve *store, ve_hold *hold) {
    for (size_t i = 0; i < hold->count;
         i++) /* its file stays open as long as a block of it is in use */
        if (--hold->unit[i]->refs == 0)
            ve_packed_release(store, hold->unit[i]->file);
    hold->count = 0;
}

void ve_hold_free(varve *store, ve_hold *hold) {
    ve_hold_drop(store, hold);
    free(hold->unit);
    free(hold->identity);
    *hold = (ve_hold){0};
}

void ve_hold_end(varve *store, ve_hold *hold, ve_hold *before) {
    ve_hold_free(store, hold);
    store->hold = before;
}

static bool keep(ve_hold *hold, ve_unit *unit) {
    for (size_t i = hold->count; i > 0; i--)
        if (hold->unit[i - 1] == unit)
            return true;
    if (!ve_grow(&hold->unit, &hold->room, hold->count + 1, sizeof *hold->unit))
        return false;
    if (unit->refs++ == 0)
        unit->file->refs++;
    hold->unit[hold->count++] = unit;
    return true;
}

/* ---- The cache ---- */

static size_t slot_of(const ve_packed *file, ve_area area, uint32_t block) {
    uint64_t mixed = ((uint64_t)file->number << 33 | (uint64_t)block << 1 | (uint64_t)area) *
                     0x9E3779B97F4A7C15u;
    return (size_t)(mixed >> 40) % VE_UNIT_SLOTS;
}

static void free_unit(ve_units *units, ve_unit *unit) {
    units->bytes -= unit->bytes;
    free(unit->memory);
    if (unit->data_room > units->spare_room) { /* warm memory is worth keeping */
        free(units->spare);
        units->spare = unit->data;
        units->spare_room = unit->data_room;
    } else {
        free(unit->data);
    }
    free(unit);
}

void ve_units_forget(varve *store, const ve_packed *file) {
    for (size_t s = 0; store->units.slot != NULL && s < VE_UNIT_SLOTS; s++)
        for (ve_unit **at = &store->units.slot[s]; *at != NULL;) {
            ve_unit *unit = *at;
            if (unit->file != file) {
                at = &unit->next;
                continue;
            }
            *at = unit->next;
            free_unit(&store->units, unit);
        }
}

void ve_units_close(varve *store) {
    ve_hold_free(store, &store->own_hold);
    for (size_t s = 0; store->units.slot != NULL && s < VE_UNIT_SLOTS; s++)
        while (store->units.slot[s] != NULL) {
            ve_unit *unit = store->units.slot[s];
            store->units.slot[s] = unit->next;
            free_unit(&store->units, unit);
        }
    if (store->units.zstd != NULL) /* else its code need not be read in */
        ZSTD_freeDCtx(store->units.zstd);
    free(store->units.slot);
    free(store->units.scratch);
    free(store->units.spare);
    store->units = (ve_units){0};
}

/* Lets the units go that were not used for the longest time, until 'more' bytes fit. */
static void make_room(ve_units *units, size_t more) {
    size_t most = units->bytes_max > 0 ? units->bytes_max : (size_t)UNIT_BYTES_MAX;
    while (units->bytes > 0 && units->bytes + more > most) {
        ve_unit **oldest = NULL;
        for (size_t s = 0; s < VE_UNIT_SLOTS; s++)
            for (ve_unit **at = &units->slot[s]; *at != NULL; at = &(*at)->next)
                if ((*at)->refs == 0 && (oldest == NULL || (*at)->used < (*oldest)->used))
                    oldest = at;
        if (oldest == NULL)
            return; /* all are in use */
        ve_unit *unit = *oldest;
        *oldest = unit->next;
        free_unit(units, unit);
    }
}

static int bad_block(varve *store, const ve_packed *file, uint64_t offset, vf_result result) {
    return ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%08u.seg offset %llu: a block: %s", store->path,
                   file->number, (unsigned long long)offset, vf_result_text(result));
}

static int no_memory(varve *store) {
    return store->trouble = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
}

static int load_data(varve *store, ve_unit *unit, const vf_block_entry *entry) {
    uint32_t size = vf_get32(entry->data_plain);
    if (unit->unit.data != NULL)
        return VARVE_OK;
    ve_units *units = &store->units;
    if (units->spare_room > size && units->spare_room / 2 <= size) {
        unit->data = units->spare;
        unit->data_room = units->spare_room;
        units->spare = NULL;
        units->spare_room = 0;
    } else {
        unit->data_room = (size_t)size + size / 8 + 1;
        unit->data = malloc(unit->data_room);
    }
    if (unit->data == NULL)
        return no_memory(store);
    uint64_t offset = vf_get64(entry->offset) + vf_get32(entry->fixed_size);
    vf_result result = size == 0 ? VF_OK
                                 : vf_part_open(store->units.zstd, unit->file->map + offset,
                                                vf_get32(entry->data_size), offset,
                                                vf_get32(entry->data_sum), unit->data, size);
    if (result != VF_OK) {
        free(unit->data);
        unit->data = NULL;
        unit->data_room = 0;
        return bad_block(store, unit->file, offset, result);
    }
    unit->unit.data = unit->data;
    unit->bytes += size;
    store->units.bytes += size;
    return VARVE_OK;
}

static int load_fixed(varve *store, ve_unit *unit, const vf_block_entry *entry) {
    ve_units *units = &store->units;
    uint64_t offset = vf_get64(entry->offset);
    uint32_t size = vf_get32(entry->fixed_plain), records = 0, strs = 0;
    if (units->zstd == NULL && (units->zstd = ZSTD_createDCtx()) == NULL)
        return no_memory(store);
    if (!ve_grow(&units->scratch, &units->scratch_room, size, 1))
        return no_memory(store);
    vf_result result =
        vf_part_open(units->zstd, unit->file->map + offset, vf_get32(entry->fixed_size), offset,
                     vf_get32(entry->fixed_sum), units->scratch, size);
    if (result == VF_OK)
        result = vf_unit_measure(units->scratch, size, &records, &strs);
    if (result != VF_OK || records != vf_get32(entry->count))
        return bad_block(store, unit->file, offset, result != VF_OK ? result : VF_BAD_FIELD);
    size_t room = records * sizeof(vf_unit_record) + strs * sizeof(vf_unit_str);
    unit->memory = malloc(room + 1);
    if (unit->memory == NULL)
        return no_memory(store);
    unit->unit.record = (vf_unit_record *)(void *)unit->memory;
    unit->unit.str = (vf_unit_str *)(void *)(unit->memory + records * sizeof(vf_unit_record));
    result = vf_unit_open(units->scratch, size, vf_get32(entry->data_plain), &unit->unit);
    if (result != VF_OK)
        return bad_block(store, unit->file, offset, result);
    unit->bytes = sizeof *unit + room;
    units->bytes += unit->bytes;
    return VARVE_OK;
}

ve_unit *ve_unit_get(varve *store, ve_packed *file, ve_area area, uint32_t id, bool data,
                     int *ret_error) {
    ve_units *units = &store->units;
    const vf_array *blocks = area == VE_AREA_MAIN ? &file->footer.blocks : &file->footer.pins;
    uint32_t block = vf_packed_block_of(file->map, blocks, id);
    vf_block_entry entry;
    if (units->slot == NULL && (units->slot = calloc(VE_UNIT_SLOTS, sizeof(ve_unit *))) == NULL) {
        *ret_error = no_memory(store);
        return NULL;
    }
    ve_unit **slot = &units->slot[slot_of(file, area, block)], *unit = *slot;
    while (unit != NULL && (unit->file != file || unit->area != area || unit->block != block))
        unit = unit->next;
    int result = VARVE_OK;
    if (block == UINT32_MAX) {
        *ret_error = ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%08u.seg: has no record %u",
                             store->path, file->number, id);
        return NULL;
    }
    memcpy(&entry, vf_packed_item(file->map, blocks, block, VF_BLOCK_ENTRY), sizeof entry);
    if (unit == NULL) {
        make_room(units, vf_get32(entry.data_plain) + (size_t)vf_get32(entry.count) * 300);
        if ((unit = calloc(1, sizeof *unit)) == NULL) {
            *ret_error = no_memory(store);
            return NULL;
        }
        *unit =
            (ve_unit){.file = file, .area = area, .block = block, .first = vf_get32(entry.first)};
        if ((result = load_fixed(store, unit, &entry)) < 0) {
            free(unit->memory);
            free(unit);
            *ret_error = result;
            return NULL;
        }
        unit->next = *slot;
        *slot = unit;
    }
    unit->used = ++units->clock;
    if (data)
        result = load_data(store, unit, &entry);
    if (result == VARVE_OK && !keep(store->hold, unit))
        result = no_memory(store);
    *ret_error = result;
    return result < 0 ? NULL : unit;
}

/*
 * Packed segments written anew: the records of a damaged one that can be read, and in place of
 * others what the session's pins have of them; the index rows, or if some are lost the whole index.
 * What is lost of a session is told by the records around it.
 */
#include "engine/repair.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- A session's run, as far as it can be read ---- */

typedef struct {
    ve_repair *r;
    ve_part_of_log *part;
    ve_packed *file;
    const vf_packed_session *run;
    ve_pack *pack;  /* NULL: what is lost is told; else what is there is written */
    uint64_t *told; /* bytes of what was told */
} walk;

/* Whether a record can be read, with its body. */
static int read_one(walk *w, uint32_t id, ve_record *ret) {
    varve *store = w->r->store;
    int result = ve_packed_id(store, w->file, id, true, ret);
    vf_body body;
    bool has_body = result == VARVE_OK &&
                    (ret->frame.kind == VF_KIND_EVENT || ret->frame.kind == VF_KIND_SESSION ||
                     ret->frame.kind == VF_KIND_FORK);
    return has_body ? ve_record_body(store, ret, &body) : result;
}

static int put(walk *w, ve_area area, const ve_record *record) {
    return w->pack == NULL ? VARVE_OK : ve_pack_record(w->pack, area, record);
}

/* Pins of the run: each in turn, 1; or 0: it cannot be read, or is another session's. */
static int read_pin(walk *w, uint32_t id, ve_record *ret) {
    int error;
    const ve_unit *unit = ve_unit_get(w->r->store, w->file, VE_AREA_PINS, id, true, &error);
    if (unit == NULL)
        return ve_is_damage(error) ? 0 : error;
    const vf_unit_record *from = &unit->unit.record[id - unit->first];
    *ret = (ve_record){.lsn = from->lsn,
                       .frame = from->frame,
                       .unit = unit,
                       .place = id - unit->first,
                       .line_key = w->run->line_key};
    if (vf_key_is_zero(from->frame.session))
        ret->frame.session = w->run->key;
    if (from->whole) {
        ret->body = unit->unit.data + from->data_at;
        ret->body_size = from->data_size;
    }
    return 1;
}

static bool is_complete(const walk *w, const ve_record *pin) {
    const vf_unit_record *from = &pin->unit->unit.record[pin->place];
    return vf_key_equal(pin->frame.session, w->run->key) &&
           (from->whole || (vf_get16(from->fixed.reserved) & VF_LEFT_PAYLOAD) == 0);
}

static int lose(walk *w, uint64_t from, uint64_t to, uint64_t first_seq, uint64_t end_seq) {
    ve_repair *r = w->r;
    if (w->pack != NULL)
        return VARVE_OK;
    int result = ve_ranges_add(r->store, &w->part->lost, from, to);
    if (result == VARVE_OK)
        result = ve_ranges_add(r->store, &r->lost, from, to);
    if (result == VARVE_OK && first_seq < end_seq)
        ve_repair_lose_session(r, w->run->key, first_seq, end_seq - 1);
    return result;
}

/* What cannot be read between two records: complete pins stand in for some of it. */
static int bridge(walk *w, uint64_t lsn, uint64_t seq, uint64_t next_lsn, uint64_t next_seq) {
    uint32_t first = vf_get32(w->run->pins_first), end = first + vf_get32(w->run->pins);
    bool nobody = vf_key_is_zero(w->run->key) != 0;
    for (uint32_t id = first; id < end; id++) {
        ve_record pin;
        ve_hold own = {0}, *before = ve_hold_use(w->r->store, &own);
        int found = read_pin(w, id, &pin), result = found < 0 ? found : VARVE_OK;
        if (found == 1 && is_complete(w, &pin) && pin.lsn >= lsn && pin.lsn < next_lsn) {
            uint64_t own_seq = vf_get64(pin.frame.seq);
            if (own_seq > seq || pin.lsn > lsn)
                result = lose(w, lsn, pin.lsn, seq, own_seq);
            pin.frame.body_sum = (le32){0};
            if (result == VARVE_OK)
                result = put(w, VE_AREA_MAIN, &pin);
            lsn = pin.lsn + VF_RECORD_ALIGN;
            seq = own_seq + 1;
        }
        ve_hold_end(w->r->store, &own, before);
        if (result < 0)
            return result;
    }
    return lsn < next_lsn && (nobody || seq < next_seq)
               ? lose(w, lsn, next_lsn, nobody ? 0 : seq, nobody ? 1 : next_seq)
               : VARVE_OK;
}

static int walk_run(walk *w) {
    const vf_packed_session *run = w->run;
    varve *store = w->r->store;
    uint32_t first = vf_get32(run->first), end = first + vf_get32(run->records);
    uint64_t lsn = vf_get64(run->first_lsn), seq = vf_get64(run->first_seq);
    uint64_t seq_due = seq + vf_get32(run->records);
    bool broken = false;
    int result = VARVE_OK;
    for (uint32_t id = first; id < end && result == VARVE_OK; id++) {
        ve_record record;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        result = read_one(w, id, &record);
        if (ve_is_damage(result)) {
            broken = true;
            result = VARVE_OK;
        } else if (result == VARVE_OK) {
            if (broken)
                result = bridge(w, lsn, seq, record.lsn, vf_get64(record.frame.seq));
            broken = false;
            lsn = record.lsn + VF_RECORD_ALIGN;
            seq = vf_get64(record.frame.seq) + 1;
            if (result == VARVE_OK)
                result = put(w, VE_AREA_MAIN, &record);
        }
        ve_hold_end(store, &own, before);
    }
    if (broken && result == VARVE_OK)
        result = bridge(w, lsn, seq, vf_get64(run->last_lsn) + VF_RECORD_ALIGN,
                        seq_due > seq ? seq_due : seq + 1);
    first = vf_get32(run->pins_first);
    for (uint32_t id = first; id < first + vf_get32(run->pins) && result == VARVE_OK; id++) {
        ve_record pin;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        int found = read_pin(w, id, &pin);
        result = found == 1 ? put(w, VE_AREA_PINS, &pin) : found;
        ve_hold_end(store, &own, before);
    }
    return result;
}

static int walk_runs(walk *w) {
    int result = VARVE_OK;
    for (uint32_t i = 0; i < vf_get32(w->file->footer.sessions.count) && result == VARVE_OK; i++) {
        w->run = vf_packed_item(w->file->map, &w->file->footer.sessions, i, VF_PACKED_SESSION);
        if (w->pack != NULL)
            result = ve_pack_session(w->pack, w->run->key, w->run->line_key, vf_get32(w->run->row));
        if (result == VARVE_OK)
            result = walk_run(w);
    }
    return result;
}

/* ---- What is lost ---- */

/* Bytes of the blocks that cannot be read. */
static uint64_t lost_bytes(varve *store, ve_packed *file) {
    uint64_t bytes = 0;
    for (uint32_t b = 0; b < vf_get32(file->footer.blocks.count); b++) {
        const vf_block_entry *entry =
            vf_packed_item(file->map, &file->footer.blocks, b, VF_BLOCK_ENTRY);
        int error;
        ve_hold own = {0}, *before = ve_hold_use(store, &own);
        if (ve_unit_get(store, file, VE_AREA_MAIN, vf_get32(entry->first), true, &error) == NULL)
            bytes += vf_get32(entry->fixed_size) + vf_get32(entry->data_size);
        ve_hold_end(store, &own, before);
    }
    return bytes;
}

int ve_repair_lost_blocks(ve_repair *r) {
    for (size_t i = 0; i < r->parts; i++) {
        ve_part_of_log *part = &r->part[i];
        if (!part->anew || part->from == NULL)
            continue;
        uint64_t lost = r->done.lost_records;
        walk w = {.r = r, .part = part, .file = part->from->file};
        int result = walk_runs(&w);
        if (result < 0)
            return result;
        ve_ranges_order(&part->lost);
        bool any = part->lost.count > 0;
        ve_repair_tell(
            r, VARVE_REPAIR_MENDED, part->from->name, 0,
            "is damaged: what is whole goes into a new packed segment, the file to quarantine/");
        if (any)
            result = ve_repair_lose(r, part->from->name, 0, vf_get64(part->lost.at[0].from),
                                    vf_get64(part->lost.at[part->lost.count - 1].to),
                                    lost_bytes(r->store, part->from->file),
                                    r->done.lost_records > lost ? "some records" : "some of them");
        if (result < 0)
            return result;
    }
    return VARVE_OK;
}

/* ---- Writing ---- */

static int write_rows(ve_repair *r, ve_part_of_log *part, ve_pack *pack) {
    varve *store = r->store;
    if (part->all_rows) {
        for (int t = 0; t < VF_TABLES; t++)
            vf_put64(&pack->footer.table_rows[t], ve_rows(&store->index, (vf_table)t));
        vf_put64(&pack->footer.rows_lsn, part->end);
        return ve_changes_write(pack, 0);
    }
    if (part->from == NULL || part->no_rows)
        return VARVE_OK;
    const vf_packed_footer *footer = &part->from->file->footer;
    memcpy(pack->footer.table_rows, footer->table_rows, sizeof footer->table_rows);
    pack->footer.rows_lsn = footer->rows_lsn;
    return ve_changes_merge(pack, &part->from->file, 1);
}

static int write_holes(ve_repair *r, ve_part_of_log *part, ve_pack *pack) {
    varve *store = r->store;
    ve_ranges holes = {0};
    int result =
        part->from == NULL ? ve_ranges_add(store, &holes, part->first, part->end) : VARVE_OK;
    for (uint32_t i = 0; part->from != NULL && result == VARVE_OK &&
                         i < vf_get32(part->from->file->footer.holes.count);
         i++) {
        const vf_hole *hole =
            vf_packed_item(part->from->file->map, &part->from->file->footer.holes, i, sizeof *hole);
        result = ve_ranges_add(store, &holes, vf_get64(hole->from), vf_get64(hole->to));
    }
    for (size_t i = 0; i < part->lost.count && result == VARVE_OK; i++)
        result = ve_ranges_add(store, &holes, vf_get64(part->lost.at[i].from),
                               vf_get64(part->lost.at[i].to));
    ve_ranges_order(&holes);
    for (size_t i = 0; i < holes.count && result == VARVE_OK; i++)
        result = ve_pack_hole(pack, vf_get64(holes.at[i].from), vf_get64(holes.at[i].to));
    ve_ranges_free(&holes);
    return result;
}

static int write_part(ve_repair *r, ve_part_of_log *part, uint32_t number) {
    ve_pack pack;
    int result = ve_pack_begin(&pack, r->store, number,
                               part->from == NULL ? VF_TIER_HOT
                                                  : vf_get32(part->from->file->footer.tier) & 1);
    walk w = {.r = r, .part = part, .pack = &pack};
    if (result == VARVE_OK)
        result = write_rows(r, part, &pack);
    if (result == VARVE_OK)
        result = write_holes(r, part, &pack);
    if (result == VARVE_OK && part->from != NULL) {
        const vf_packed_footer *from = &part->from->file->footer;
        w.file = part->from->file;
        result = walk_runs(&w);
        pack.footer.raw_bytes = from->raw_bytes;
        pack.footer.written_total = from->written_total;
        pack.footer.packed_total = from->packed_total;
    }
    vf_put64(&pack.footer.first_lsn, part->first);
    vf_put64(&pack.footer.end_lsn, part->end);
    vf_put32(&pack.footer.end_chain, part->end_chain);
    if (result == VARVE_OK)
        result = ve_pack_finish(&pack, &part->entry);
    ve_pack_end(&pack, result == VARVE_OK);
    return result;
}

static vf_manifest_entry entry_of(const ve_found *f) {
    const vf_packed_footer *footer = &f->file->footer;
    vf_manifest_entry entry = {.first_lsn = footer->first_lsn,
                               .end_lsn = footer->end_lsn,
                               .time_min = footer->time_min,
                               .time_max = footer->time_max,
                               .number = footer->number,
                               .tier = footer->tier,
                               .events = footer->events};
    vf_put64(&entry.size, f->size);
    vf_put64(&entry.sum, f->sum);
    return entry;
}

int ve_repair_pack(ve_repair *r) {
    varve *store = r->store;
    uint64_t number = r->generation;
    int result = VARVE_OK;
    if (!r->manifest_due)
        return VARVE_OK;
    vf_manifest_entry *entries = calloc(r->parts + 1, sizeof *entries);
    if (entries == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    for (size_t i = 0; i < r->parts && result == VARVE_OK; i++) {
        ve_part_of_log *part = &r->part[i];
        if (part->anew)
            result = write_part(r, part, (uint32_t)number++);
        entries[i] = part->anew ? part->entry : entry_of(part->from);
    }
    uint64_t generation = number > r->generation ? number - 1 : number;
    if (result == VARVE_OK)
        result = ve_manifest_put(store, generation, entries, r->parts);
    free(entries);
    return result;
}

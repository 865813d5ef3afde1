/*
 * What a repair tells: each thing that is mended, each part of the log that is lost, and whose
 * records were in it.
 */
#include "engine/repair.h"

#include <stdarg.h>
#include <stdio.h>

static void pass_on(ve_repair *r, const varve_repair_step *step) {
    r->done.mended += step->kind == VARVE_REPAIR_MENDED;
    r->done.left += step->kind == VARVE_REPAIR_LEFT;
    if (r->tell != NULL)
        r->tell(r->context, step);
}

void ve_repair_tell(ve_repair *r, int kind, const char *file, uint64_t offset, const char *format,
                    ...) {
    char what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    varve_repair_step step = {
        .size = sizeof step, .kind = kind, .file = file, .offset = offset, .what = what};
    pass_on(r, &step);
}

int ve_repair_lose(ve_repair *r, const char *file, uint64_t offset, uint64_t from, uint64_t to,
                   uint64_t bytes, const char *what) {
    char line[400];
    snprintf(line, sizeof line, "%s: lost from segment %u offset %u to segment %u offset %u", what,
             vf_lsn_segment(from), vf_lsn_offset(from), vf_lsn_segment(to), vf_lsn_offset(to));
    varve_repair_step step = {.size = sizeof step,
                              .kind = VARVE_REPAIR_LOST,
                              .file = file,
                              .offset = offset,
                              .bytes = bytes,
                              .what = line};
    r->done.lost++;
    r->done.lost_bytes += bytes;
    pass_on(r, &step);
    return ve_ranges_add(r->store, &r->lost, from, to);
}

/* ---- Sessions ---- */

/* The name that a record of a session carries; texts that hold as long as what is held now. */
static bool name_in(varve *store, const ve_record *record, varve_str *ret_machine,
                    varve_str *ret_id) {
    vf_body body;
    bool setting = record->frame.kind == VF_KIND_SESSION || record->frame.kind == VF_KIND_FORK;
    if (!setting || ve_record_body(store, record, &body) < 0 ||
        body.str[VF_STR_SESSION_ID].ptr == NULL || body.str[VF_STR_MACHINE_ID].ptr == NULL)
        return false;
    *ret_id = (varve_str){body.str[VF_STR_SESSION_ID].ptr, body.str[VF_STR_SESSION_ID].size};
    *ret_machine = (varve_str){body.str[VF_STR_MACHINE_ID].ptr, body.str[VF_STR_MACHINE_ID].size};
    return true;
}

/* Looks among a session's pins in a packed segment: its identity is one of them, mostly. */
static bool name_in_pins(varve *store, ve_packed *file, const vf_packed_session *run,
                         varve_str *ret_machine, varve_str *ret_id) {
    uint32_t first = vf_get32(run->pins_first), end = first + vf_get32(run->pins);
    for (uint32_t id = first; id < end; id++) {
        int error;
        const ve_unit *unit = ve_unit_get(store, file, VE_AREA_PINS, id, true, &error);
        if (unit == NULL)
            continue;
        const vf_unit_record *from = &unit->unit.record[id - unit->first];
        ve_record record = {.lsn = from->lsn,
                            .frame = from->frame,
                            .unit = unit,
                            .place = id - unit->first,
                            .line_key = run->line_key};
        if (from->whole) {
            record.body = unit->unit.data + from->data_at;
            record.body_size = from->data_size;
        }
        if (vf_key_is_zero(from->frame.session) && name_in(store, &record, ret_machine, ret_id))
            return true;
    }
    return false;
}

static bool name_in_raw(ve_repair *r, vf_key key, varve_str *ret_machine, varve_str *ret_id) {
    varve *store = r->store;
    ve_record record;
    uint64_t lsn = vf_lsn(store->layout->first_raw, VF_SEGMENT_HEADER);
    while (lsn < r->tail && ve_log_next(store, lsn, r->tail, &record, NULL) == 1) {
        lsn = record.lsn + vf_get32(record.frame.length);
        if (vf_key_equal(record.frame.session, key) && name_in(store, &record, ret_machine, ret_id))
            return true;
    }
    return false;
}

static bool name_of(ve_repair *r, vf_key key, varve_str *ret_machine, varve_str *ret_id) {
    varve *store = r->store;
    const ve_layout *layout = store->layout;
    for (size_t f = 0; f < layout->files; f++) {
        ve_packed *file = layout->file[f];
        uint32_t place = vf_packed_find(file->map, &file->footer, key);
        const vf_packed_session *run =
            place == UINT32_MAX
                ? NULL
                : vf_packed_item(file->map, &file->footer.sessions, place, VF_PACKED_SESSION);
        if (run != NULL && name_in_pins(store, file, run, ret_machine, ret_id))
            return true;
        for (uint32_t i = 0; run != NULL && i < vf_get32(run->records); i++) {
            ve_record record;
            if (ve_packed_id(store, file, vf_get32(run->first) + i, true, &record) == VARVE_OK &&
                name_in(store, &record, ret_machine, ret_id))
                return true;
            ve_hold_drop(store, store->hold);
        }
    }
    return name_in_raw(r, key, ret_machine, ret_id);
}

void ve_repair_lose_session(ve_repair *r, vf_key key, uint64_t first_seq, uint64_t last_seq) {
    varve_repair_step step = {.size = sizeof step,
                              .kind = VARVE_REPAIR_LOST,
                              .file = "",
                              .has_session = !vf_key_is_zero(key),
                              .first_seq = first_seq,
                              .last_seq = last_seq};
    char what[200];
    ve_hold own = {0}, *before = ve_hold_use(r->store, &own);
    memcpy(step.session.b, key.b, sizeof key.b);
    if (step.has_session && !name_of(r, key, &step.machine_id, &step.session_id))
        step.session_id = step.machine_id = (varve_str){0};
    if (!step.has_session)
        snprintf(what, sizeof what, "records that belong to no session are lost");
    else if (first_seq == last_seq)
        snprintf(what, sizeof what, "seq %llu is lost", (unsigned long long)first_seq);
    else
        snprintf(what, sizeof what, "seq %llu to %llu are lost", (unsigned long long)first_seq,
                 (unsigned long long)last_seq);
    step.what = what;
    r->done.lost_records += last_seq - first_seq + 1;
    pass_on(r, &step);
    ve_hold_end(r->store, &own, before);
}

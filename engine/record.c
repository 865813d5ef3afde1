/*
 * Records of the log, wherever they stand: by lsn, with their bodies; back through a session.
 */
#include "engine/store.h"

#include <assert.h>
#include <stdlib.h>

static int bad_record(varve *store, uint64_t lsn, vf_result result) {
    return ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%08u.log offset %u: %s", store->path,
                   vf_lsn_segment(lsn), vf_lsn_offset(lsn), vf_result_text(result));
}

static int find_record(varve *store, const vf_key *session, uint64_t lsn, bool whole,
                       ve_record *ret_record) {
    ve_packed *file;
    int packed = ve_layout_file(store, lsn, &file);
    return packed > 0    ? ve_packed_record(store, file, session, lsn, whole, ret_record)
           : packed == 0 ? ve_log_raw(store, lsn, whole, ret_record)
                         : packed;
}

int ve_log_record(varve *store, const vf_key *session, uint64_t lsn, ve_record *ret_record) {
    int result = find_record(store, session, lsn, true, ret_record);
    return ve_is_damage(result) && ve_layout_moved(store)
               ? find_record(store, session, lsn, true, ret_record)
               : result;
}

int ve_log_frame(varve *store, const vf_key *session, uint64_t lsn, vf_frame *ret_frame) {
    ve_record record;
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    int result = find_record(store, session, lsn, false, &record);
    if (ve_is_damage(result) && ve_layout_moved(store))
        result = find_record(store, session, lsn, false, &record);
    ve_hold_end(store, &own, before);
    if (result >= 0)
        *ret_frame = record.frame;
    return result;
}

int ve_log_body(varve *store, const vf_key *session, uint64_t lsn, vf_frame *ret_frame,
                vf_body *ret_body) {
    ve_record record;
    int result = ve_log_record(store, session, lsn, &record);
    if (result < 0)
        return result;
    *ret_frame = record.frame;
    return ve_record_body(store, &record, ret_body);
}

static int find_ref(varve *store, const vf_key *session, uint64_t lsn, bool whole,
                    ve_record *ret_record) {
    ve_packed *file;
    int result = ve_layout_file(store, lsn, &file);
    if (result == 0)
        return ve_log_raw(store, lsn, whole, ret_record);
    if (result > 0 && /* a pin that is damaged is no loss while the record is whole */
        ve_is_damage(result = ve_packed_pin(store, file, session, lsn, ret_record)))
        result = ve_packed_record(store, file, session, lsn, whole, ret_record);
    if (result == VARVE_OK &&
        ret_record->frame.kind == VF_KIND_BASE) /* it stands for what is gone */
        result = ve_fail(store, VARVE_E_NOT_FOUND, "what a session's row names is gone");
    return result;
}

int ve_log_ref_sum(varve *store, const vf_key *session, uint64_t lsn, uint32_t *ret_sum) {
    ve_record record;
    int result = find_ref(store, session, lsn, true, &record);
    if (ve_is_damage(result) && ve_layout_moved(store))
        result = find_ref(store, session, lsn, true, &record);
    return result < 0 ? result : ve_record_sum(store, &record, ret_sum);
}

int ve_log_ref(varve *store, const vf_key *session, uint64_t lsn, vf_frame *ret_frame,
               vf_body *ret_body) {
    ve_record record;
    int result = find_ref(store, session, lsn, ret_body != NULL, &record);
    if (ve_is_damage(result) && ve_layout_moved(store))
        result = find_ref(store, session, lsn, ret_body != NULL, &record);
    if (result < 0)
        return result;
    *ret_frame = record.frame;
    return ret_body == NULL ? VARVE_OK : ve_record_body(store, &record, ret_body);
}

int ve_record_body(varve *store, const ve_record *record, vf_body *ret_body) {
    vf_result result =
        record->body != NULL
            ? vf_body_decode(record->body, record->body_size, ret_body)
            : vf_unit_body(&record->unit->unit, record->place, record->line_key, ret_body);
    return result == VF_OK ? VARVE_OK : bad_record(store, record->lsn, result);
}

bool ve_record_fixed(varve *store, const ve_record *record, vf_fixed *ret_fixed) {
    uint8_t kind = record->frame.kind;
    vf_body body;
    if (kind != VF_KIND_EVENT && kind != VF_KIND_SESSION && kind != VF_KIND_FORK)
        return false;
    if (record->body != NULL) {
        if (record->body_size >= sizeof *ret_fixed)
            memcpy(ret_fixed, record->body, sizeof *ret_fixed);
        return record->body_size >= sizeof *ret_fixed;
    }
    assert(record->unit != NULL);
    *ret_fixed = record->unit->unit.record[record->place].fixed;
    if ((vf_get16(ret_fixed->reserved) & ~VF_LEFT_PAYLOAD) == 0)
        return true;
    if (ve_record_body(store, record, &body) < 0) /* what was left out is made again */
        return false;
    *ret_fixed = body.fixed;
    return true;
}

/* Sum of the body as it stood in the log. */
static int raw_sum(varve *store, const ve_record *record, uint32_t *ret_sum) {
    size_t size = vf_get32(record->frame.length) - VF_FRAME_SIZE;
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    vf_result result =
        vf_unit_raw_body(&record->unit->unit, record->place, record->line_key, bytes);
    if (result == VF_OK)
        *ret_sum = vf_body_sum(bytes, size);
    free(bytes);
    return result == VF_OK ? VARVE_OK : bad_record(store, record->lsn, result);
}

int ve_record_sum(varve *store, const ve_record *record, uint32_t *ret_sum) {
    uint32_t copied = VF_EV_ORIGIN | VF_EV_REPEATED;
    vf_fixed fixed;
    vf_body body;
    *ret_sum = vf_get32(record->frame.body_sum);
    if (record->unit != NULL && *ret_sum != 0)
        return VARVE_OK; /* a pin has it */
    if (!ve_record_fixed(store, record, &fixed))
        return VARVE_OK;
    if (record->frame.kind == VF_KIND_EVENT && (vf_get32(fixed.flags) & copied) == 0)
        return record->unit == NULL ? VARVE_OK : raw_sum(store, record, ret_sum);
    int result = ve_record_body(store, record, &body);
    if (result == VARVE_OK)
        *ret_sum = vf_body_content_sum(&body);
    return result;
}

bool ve_record_mark(const ve_record *record, vf_mark_fixed *ret_mark) {
    if (record->body == NULL || record->body_size < sizeof *ret_mark)
        return false;
    memcpy(ret_mark, record->body, sizeof *ret_mark);
    return true;
}

int ve_log_older(varve *store, uint64_t lsn, const vf_frame *frame, uint64_t *ret_older) {
    if (frame->kind == VF_KIND_BASE) { /* what was before it is gone */
        *ret_older = 0;
        return VARVE_OK;
    }
    if (frame->kind != VF_KIND_REWIND) {
        *ret_older = vf_get64(frame->prev);
        return VARVE_OK;
    }
    ve_record whole;
    vf_mark_fixed mark = {0};
    ve_hold own = {0}, *before = ve_hold_use(store, &own);
    int result = ve_log_record(store, &frame->session, lsn, &whole);
    if (result == VARVE_OK && !ve_record_mark(&whole, &mark))
        result = bad_record(store, lsn, VF_BAD_FIELD);
    ve_hold_end(store, &own, before);
    if (result < 0)
        return result;
    *ret_older = vf_get64(mark.to);
    return *ret_older < lsn ? VARVE_OK : bad_record(store, lsn, VF_BAD_FIELD);
}

int ve_log_seek(varve *store, const vf_key *session, uint64_t lsn, uint64_t seq,
                uint64_t *ret_lsn) {
    vf_key last = session != NULL ? *session : (vf_key){{0}};
    const vf_key *whose = session == NULL ? NULL : &last;
    while (lsn != 0) {
        vf_frame frame;
        int result = ve_log_frame(store, whose, lsn, &frame);
        if (result < 0)
            return result;
        if (vf_get64(frame.seq) == seq && frame.kind != VF_KIND_REWIND &&
            frame.kind != VF_KIND_BASE) {
            *ret_lsn = lsn;
            return VARVE_OK;
        }
        if (vf_get64(frame.seq) < seq)
            break;
        last = frame.session;
        whose = frame.kind == VF_KIND_FORK || frame.kind == VF_KIND_REWIND ? NULL : &last;
        if ((result = ve_log_older(store, lsn, &frame, &lsn)) < 0)
            return result;
    }
    return ve_fail(store, VARVE_E_NOT_FOUND, "no event with seq %llu is to be seen there",
                   (unsigned long long)seq);
}

/*
 * The footer of a packed segment, made again from the tables that lie before it: they check each
 * other. What the footer alone knew (index rows up to where, the chain at the end) is lost with it.
 */
#include "engine/repair.h"

/* Where a table was found, and how far one got. */
typedef struct {
    const uint8_t *bytes;
    uint64_t tables_at, at, end; /* end: of the tables */
    uint64_t records, pins;
    uint64_t first_lsn, last_lsn;
    vf_packed_footer *footer;
} search;

static void found(search *s, vf_array *array, uint64_t count, uint64_t size) {
    vf_put64(&array->offset, s->at);
    vf_put32(&array->count, (uint32_t)count);
    s->at += (count * size + 7) & ~(uint64_t)7;
}

/* Runs lie one behind the other, by row. */
static uint64_t count_runs(search *s) {
    uint64_t count = 0, row = 0;
    s->records = s->pins = s->last_lsn = 0;
    s->first_lsn = UINT64_MAX;
    for (uint64_t at = s->at; at + VF_PACKED_SESSION <= s->end; at += VF_PACKED_SESSION, count++) {
        vf_packed_session run;
        memcpy(&run, s->bytes + at, sizeof run);
        uint64_t own = (uint64_t)vf_get32(run.row) + 1, records = vf_get32(run.records);
        uint64_t first = vf_get64(run.first_lsn), last = vf_get64(run.last_lsn);
        bool nobody = vf_key_is_zero(run.key) != 0;
        if (vf_get32(run.first) != s->records || vf_get32(run.pins_first) != s->pins ||
            own <= row || nobody != (own == (uint64_t)UINT32_MAX + 1) || first > last ||
            (records > 0) != (first > 0) || records + vf_get32(run.pins) == 0)
            break;
        row = own;
        s->records += records;
        s->pins += vf_get32(run.pins);
        s->last_lsn = last > s->last_lsn ? last : s->last_lsn;
        s->first_lsn = first > 0 && first < s->first_lsn ? first : s->first_lsn;
    }
    return count;
}

static bool keys_rise(search *s, uint64_t runs) {
    const uint8_t *sessions = s->bytes + s->tables_at;
    vf_key before = {{0}};
    if (s->at + runs * 4 > s->end)
        return false;
    for (uint64_t i = 0; i < runs; i++) {
        le32 place;
        vf_key key;
        memcpy(&place, s->bytes + s->at + i * 4, sizeof place);
        if (vf_get32(place) >= runs)
            return false;
        memcpy(&key, sessions + (uint64_t)vf_get32(place) * VF_PACKED_SESSION, sizeof key);
        if (i > 0 && vf_key_compare(before, key) >= 0)
            return false;
        before = key;
    }
    return true;
}

static bool lies_before(const search *s, const vf_block_entry *entry) {
    uint64_t offset = vf_get64(entry->offset);
    uint64_t size = (uint64_t)vf_get32(entry->fixed_size) + vf_get32(entry->data_size);
    return offset >= VF_PACKED_HEADER && offset <= s->tables_at && size <= s->tables_at - offset &&
           vf_get32(entry->count) > 0;
}

/* Entries of blocks whose ids go on without a gap, up to 'ids'. */
static bool find_blocks(search *s, uint64_t ids, vf_array *ret_array) {
    uint64_t next = 0, count = 0;
    while (next < ids) {
        vf_block_entry entry;
        uint64_t at = s->at + count * VF_BLOCK_ENTRY;
        if (at + sizeof entry > s->end)
            return false;
        memcpy(&entry, s->bytes + at, sizeof entry);
        if (vf_get32(entry.first) != next || !lies_before(s, &entry))
            return false;
        next += vf_get32(entry.count);
        count++;
    }
    found(s, ret_array, count, VF_BLOCK_ENTRY);
    return next == ids;
}

/* Entries of rows: told by the sums over what they name. What is left are holes. */
static bool find_rest(search *s) {
    uint64_t rows = 0;
    for (uint64_t at = s->at; at + VF_BLOCK_ENTRY <= s->end; at += VF_BLOCK_ENTRY, rows++) {
        vf_block_entry entry;
        memcpy(&entry, s->bytes + at, sizeof entry);
        uint64_t offset = vf_get64(entry.offset);
        if (!lies_before(s, &entry) || vf_get32(entry.first) >= VF_TABLES ||
            vf_get32(entry.data_size) != 0 || vf_get32(entry.fixed_size) == 0 ||
            vf_part_sum(s->bytes + offset, vf_get32(entry.fixed_size), offset) !=
                vf_get32(entry.fixed_sum))
            break;
    }
    s->at += rows * VF_BLOCK_ENTRY; /* as of when they are is not known: they are of no use */
    uint64_t left = s->end - s->at;
    if (left % sizeof(vf_hole) != 0)
        return false;
    found(s, &s->footer->holes, left / sizeof(vf_hole), sizeof(vf_hole));
    return true;
}

static bool tables_at(search *s, const vf_packed_header *header, uint64_t at) {
    vf_packed_footer *footer = s->footer;
    *footer = (vf_packed_footer){.number = header->number};
    s->tables_at = s->at = at;
    uint64_t runs = count_runs(s);
    if (runs == 0)
        return false;
    found(s, &footer->sessions, runs, VF_PACKED_SESSION);
    if (!keys_rise(s, runs))
        return false;
    found(s, &footer->by_key, runs, 4);
    if (!find_blocks(s, s->records, &footer->blocks) || !find_blocks(s, s->pins, &footer->pins) ||
        !find_rest(s))
        return false;
    memcpy(footer->store_uuid, header->store_uuid, 16);
    vf_put64(&footer->rows.offset, at);
    vf_put64(&footer->records, s->records);
    vf_put64(&footer->first_lsn, s->records == 0 ? 1 : s->first_lsn);
    vf_put64(&footer->end_lsn, s->records == 0 ? 2 : s->last_lsn + VF_RECORD_ALIGN);
    vf_put64(&footer->time_min, (uint64_t)INT64_MIN); /* (not known: nothing is left out) */
    vf_put64(&footer->time_max, (uint64_t)INT64_MAX);
    vf_put64(&footer->tables_at, at);
    vf_put64(&footer->tables_sum, vf_sum64(s->bytes + at, (size_t)(s->end - at), 0));
    vf_packed_footer_seal(footer);
    return true;
}

bool ve_find_footer(const uint8_t *bytes, size_t size, const vf_packed_header *header,
                    vf_packed_footer *ret_footer) {
    search s = {.bytes = bytes, .end = size - VF_PACKED_FOOTER, .footer = ret_footer};
    for (uint64_t at = VF_PACKED_HEADER; at + VF_PACKED_SESSION <= s.end; at += 8)
        if (tables_at(&s, header, at))
            return true;
    return false;
}

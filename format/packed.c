/*
 * Checks and seals packed segments: header, footer, tables. A file is checked once, when it is
 * opened; whoever asks for items and blocks afterwards relies on what was found here.
 */
#include "format/packed.h"
#include "format/index.h"

enum { SUMMED_FROM = 16 };

/* The tables of a file whose footer holds. */
typedef struct {
    const uint8_t *file;
    uint64_t footer_at;
    const vf_packed_footer *footer;
} tables;

static uint64_t sum_of(const void *bytes, size_t size) {
    return vf_sum64((const uint8_t *)bytes + SUMMED_FROM, size - SUMMED_FROM, 0);
}

void vf_packed_header_seal(vf_packed_header *header) {
    memcpy(header->magic, VF_PACKED_MAGIC, sizeof header->magic);
    vf_features_fill(&header->features);
    vf_put64(&header->sum, sum_of(header, sizeof *header));
}

vf_result vf_packed_header_check(const uint8_t *bytes, size_t size, vf_packed_header *ret_header,
                                 int *ret_read_only) {
    vf_packed_header header;
    if (size < sizeof header)
        return VF_SHORT;
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, VF_PACKED_MAGIC, sizeof header.magic) != 0)
        return VF_BAD_MAGIC;
    if (sum_of(&header, sizeof header) != vf_get64(header.sum))
        return VF_BAD_SUM;
    int read_only;
    vf_result result = vf_features_check(&header.features, &read_only);
    if (result != VF_OK)
        return result;
    uint32_t number = vf_get32(header.number);
    if (number == 0 || number > VF_SEGMENT_NUMBER_MAX)
        return VF_BAD_FIELD;
    *ret_header = header;
    if (ret_read_only != NULL)
        *ret_read_only = read_only;
    return VF_OK;
}

void vf_packed_footer_seal(vf_packed_footer *footer) {
    memcpy(footer->magic, VF_PACKED_END_MAGIC, sizeof footer->magic);
    vf_features_fill(&footer->features);
    vf_put64(&footer->sum, sum_of(footer, sizeof *footer));
}

static int array_holds(const tables *t, const vf_array *array, uint32_t item_size) {
    uint64_t offset = vf_get64(array->offset);
    return offset % 8 == 0 && offset >= vf_get64(t->footer->tables_at) && offset <= t->footer_at &&
           (uint64_t)vf_get32(array->count) * item_size <= t->footer_at - offset;
}

static int footer_holds(const tables *t, const vf_packed_header *header) {
    const vf_packed_footer *footer = t->footer;
    uint64_t tables_at = vf_get64(footer->tables_at);
    if (memcmp(footer->store_uuid, header->store_uuid, sizeof footer->store_uuid) != 0 ||
        vf_get32(footer->number) != vf_get32(header->number) ||
        vf_get32(footer->tier) > VF_TIER_COLD ||
        vf_get64(footer->first_lsn) >= vf_get64(footer->end_lsn) || tables_at < VF_PACKED_HEADER ||
        tables_at > t->footer_at || tables_at % 8 != 0)
        return 0;
    for (size_t table = 0; table < VF_TABLES; table++) {
        if (vf_get64(footer->table_rows[table]) > UINT32_MAX)
            return 0;
    }
    return array_holds(t, &footer->sessions, VF_PACKED_SESSION) &&
           array_holds(t, &footer->by_key, sizeof(le32)) &&
           array_holds(t, &footer->blocks, VF_BLOCK_ENTRY) &&
           array_holds(t, &footer->pins, VF_BLOCK_ENTRY) &&
           array_holds(t, &footer->rows, VF_BLOCK_ENTRY) &&
           array_holds(t, &footer->holes, sizeof(vf_hole));
}

static vf_block_entry block_at(const uint8_t *file, const vf_array *array, uint32_t i) {
    vf_block_entry entry;
    memcpy(&entry, vf_packed_item(file, array, i, VF_BLOCK_ENTRY), sizeof entry);
    return entry;
}

/* A block lies before the tables, and its parts have sizes that parts can have. */
static int block_holds(const tables *t, const vf_block_entry *entry) {
    uint64_t offset = vf_get64(entry->offset), tables_at = vf_get64(t->footer->tables_at);
    uint32_t fixed = vf_get32(entry->fixed_size), fixed_plain = vf_get32(entry->fixed_plain);
    uint32_t data = vf_get32(entry->data_size), data_plain = vf_get32(entry->data_plain);
    return offset >= VF_PACKED_HEADER && offset <= tables_at &&
           (uint64_t)fixed + data <= tables_at - offset && fixed > 0 && fixed <= fixed_plain &&
           fixed_plain <= VF_BLOCK_FIXED_MAX && data <= data_plain &&
           data_plain <= VF_BLOCK_DATA_MAX && (data > 0 || data_plain == 0) &&
           vf_get32(entry->count) > 0;
}

/* Blocks of records: ids go on from 0. Tells how many there are. */
static int blocks_hold(const tables *t, const vf_array *array, uint64_t *ret_records) {
    uint64_t next = 0;
    for (uint32_t i = 0; i < vf_get32(array->count); i++) {
        vf_block_entry entry = block_at(t->file, array, i);
        if (!block_holds(t, &entry) || vf_get32(entry.count) > VF_BLOCK_RECORDS_MAX ||
            vf_get32(entry.fixed_plain) < VF_BLOCK_HEAD || vf_get32(entry.first) != next)
            return 0;
        next += vf_get32(entry.count);
        if (next > UINT32_MAX)
            return 0;
    }
    *ret_records = next;
    return 1;
}

static int rows_hold(const tables *t, const vf_array *array) {
    for (uint32_t i = 0; i < vf_get32(array->count); i++) {
        vf_block_entry entry = block_at(t->file, array, i);
        uint32_t table = vf_get32(entry.first), count = vf_get32(entry.count);
        if (!block_holds(t, &entry) || table >= VF_TABLES || count > VF_ROWS_MAX ||
            vf_get32(entry.fixed_plain) > vf_rows_max(count, vf_row_size((vf_table)table)) ||
            vf_get32(entry.data_size) != 0)
            return 0;
    }
    return 1;
}

static vf_packed_session session_at(const uint8_t *file, const vf_array *array, uint32_t i) {
    vf_packed_session session;
    memcpy(&session, vf_packed_item(file, array, i, VF_PACKED_SESSION), sizeof session);
    return session;
}

static int within(uint64_t first, uint64_t count, uint64_t limit) {
    return first + count <= limit; /* all are below 2^33 */
}

static int session_holds(const tables *t, const vf_packed_session *session, uint64_t records,
                         uint64_t pins) {
    uint64_t first_lsn = vf_get64(session->first_lsn), last_lsn = vf_get64(session->last_lsn);
    int lsns_hold = vf_get32(session->records) == 0
                        ? first_lsn == 0 && last_lsn == 0
                        : first_lsn >= vf_get64(t->footer->first_lsn) && first_lsn <= last_lsn &&
                              last_lsn < vf_get64(t->footer->end_lsn);
    return lsns_hold && within(vf_get32(session->first), vf_get32(session->records), records) &&
           within(vf_get32(session->pins_first), vf_get32(session->pins), pins) &&
           vf_key_is_zero(session->key) == (vf_get32(session->row) == UINT32_MAX);
}

/* Rows rise, so that the run without session, which has the highest, is the last. */
static int sessions_hold(const tables *t, uint64_t records, uint64_t pins) {
    const vf_array *array = &t->footer->sessions;
    uint32_t row = 0;
    for (uint32_t i = 0; i < vf_get32(array->count); i++) {
        vf_packed_session session = session_at(t->file, array, i);
        if (!session_holds(t, &session, records, pins) || (i > 0 && vf_get32(session.row) <= row))
            return 0;
        row = vf_get32(session.row);
    }
    return 1;
}

static uint32_t place_at(const uint8_t *file, const vf_packed_footer *footer, uint32_t i) {
    le32 place;
    memcpy(&place, vf_packed_item(file, &footer->by_key, i, sizeof place), sizeof place);
    return vf_get32(place);
}

/* Keys rise, so no place stands twice: as many places as sessions are all of them. */
static int keys_hold(const tables *t) {
    uint32_t count = vf_get32(t->footer->sessions.count);
    vf_key before = {{0}};
    if (vf_get32(t->footer->by_key.count) != count)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = place_at(t->file, t->footer, i);
        if (place >= count)
            return 0;
        vf_key key = session_at(t->file, &t->footer->sessions, place).key;
        if (i > 0 && vf_key_compare(before, key) >= 0)
            return 0;
        before = key;
    }
    return 1;
}

static int holes_hold(const tables *t) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < vf_get32(t->footer->holes.count); i++) {
        vf_hole hole;
        memcpy(&hole, vf_packed_item(t->file, &t->footer->holes, i, sizeof hole), sizeof hole);
        if (vf_get64(hole.from) < end || vf_get64(hole.to) <= vf_get64(hole.from))
            return 0;
        end = vf_get64(hole.to);
    }
    return 1;
}

static vf_result tables_check(const tables *t) {
    uint64_t tables_at = vf_get64(t->footer->tables_at), records, pins;
    if (vf_sum64(t->file + tables_at, (size_t)(t->footer_at - tables_at), 0) !=
        vf_get64(t->footer->tables_sum))
        return VF_BAD_SUM;
    if (!blocks_hold(t, &t->footer->blocks, &records) || records != vf_get64(t->footer->records) ||
        !blocks_hold(t, &t->footer->pins, &pins) || !rows_hold(t, &t->footer->rows) ||
        !sessions_hold(t, records, pins) || !keys_hold(t) || !holes_hold(t))
        return VF_BAD_FIELD;
    return VF_OK;
}

vf_result vf_packed_check(const uint8_t *bytes, size_t size, vf_packed_footer *ret_footer,
                          int *ret_read_only) {
    vf_packed_header header;
    vf_packed_footer footer;
    int header_read_only, footer_read_only;
    vf_result result = vf_packed_header_check(bytes, size, &header, &header_read_only);
    if (result != VF_OK)
        return result;
    if (size < sizeof header + sizeof footer)
        return VF_SHORT;
    tables t = {bytes, size - sizeof footer, &footer};
    memcpy(&footer, bytes + t.footer_at, sizeof footer);
    if (memcmp(footer.magic, VF_PACKED_END_MAGIC, sizeof footer.magic) != 0)
        return VF_BAD_MAGIC;
    if (sum_of(&footer, sizeof footer) != vf_get64(footer.sum))
        return VF_BAD_SUM;
    result = vf_features_check(&footer.features, &footer_read_only);
    if (result != VF_OK)
        return result;
    if (!footer_holds(&t, &header))
        return VF_BAD_FIELD;
    result = tables_check(&t);
    if (result != VF_OK)
        return result;
    *ret_footer = footer;
    if (ret_read_only != NULL)
        *ret_read_only = header_read_only || footer_read_only;
    return VF_OK;
}

uint32_t vf_packed_find(const uint8_t *file, const vf_packed_footer *footer, vf_key key) {
    uint32_t low = 0, high = vf_get32(footer->by_key.count);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t place = place_at(file, footer, middle);
        int order = vf_key_compare(session_at(file, &footer->sessions, place).key, key);
        if (order == 0)
            return place;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return UINT32_MAX;
}

uint32_t vf_packed_block_of(const uint8_t *file, const vf_array *blocks, uint32_t id) {
    uint32_t low = 0, high = vf_get32(blocks->count);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        vf_block_entry entry = block_at(file, blocks, middle);
        uint32_t first = vf_get32(entry.first);
        if (id < first)
            high = middle;
        else if (id - first < vf_get32(entry.count))
            return middle;
        else
            low = middle + 1;
    }
    return UINT32_MAX;
}

/*
 * Packed segments as files: header, footer and tables are believed only if each value can be, and
 * keys and ids lead to their places.
 */
#include "format/index.h"
#include "format/packed.h"
#include "tests/test_format_help.h"

enum {
    BLOCKS_AT = VF_PACKED_HEADER,
    TABLES_AT = 4096,
    SESSIONS = 5,
    BLOCKS = 3,
    PINS = 2,
    ROWS = 2
};
enum { FILE_MAX = 8192 };

/* What a file is written from. */
typedef struct {
    vf_packed_header header;
    vf_packed_footer footer;
    vf_packed_session session[SESSIONS];
    le32 by_key[SESSIONS + 1]; /* and one to fill up to a multiple of 8 */
    vf_block_entry block[BLOCKS], pin[PINS], row[ROWS];
    vf_hole hole[2];
} parts;

typedef struct {
    uint8_t bytes[FILE_MAX];
    size_t size;
} file_bytes;

static vf_block_entry block_entry(uint64_t offset, uint32_t fixed, uint32_t data, uint32_t first,
                                  uint32_t count) {
    vf_block_entry entry = {0};
    vf_put64(&entry.offset, offset);
    vf_put32(&entry.fixed_size, fixed);
    vf_put32(&entry.data_size, data);
    vf_put32(&entry.fixed_plain, fixed + 50);
    vf_put32(&entry.data_plain, data * 2);
    vf_put32(&entry.first, first);
    vf_put32(&entry.count, count);
    return entry;
}

static vf_packed_session run(uint8_t key, uint32_t row, uint32_t first, uint32_t records) {
    vf_packed_session session = {0};
    memset(session.key.b, key, sizeof session.key.b);
    vf_put32(&session.row, row);
    vf_put32(&session.first, first);
    vf_put32(&session.records, records);
    vf_put64(&session.first_lsn, records > 0 ? vf_lsn(3, 4096) : 0);
    vf_put64(&session.last_lsn, records > 0 ? vf_lsn(4, 8192) : 0);
    vf_put32(&session.pins_first, 1);
    vf_put32(&session.pins, 2);
    return session;
}

static parts good_parts(void) {
    static const uint32_t by_key[SESSIONS] = {4, 1, 3, 0, 2};
    parts p;
    memset(&p, 0, sizeof p);
    vf_put32(&p.header.number, 7);
    vf_put32(&p.footer.number, 7);
    memset(p.header.store_uuid, 5, 16);
    memset(p.footer.store_uuid, 5, 16);
    vf_put32(&p.footer.tier, VF_TIER_COLD);
    vf_put64(&p.footer.first_lsn, vf_lsn(3, 0));
    vf_put64(&p.footer.end_lsn, vf_lsn(4, 9000 * 8));
    vf_put64(&p.footer.records, 30);
    p.session[0] = run(50, 2, 0, 12);
    p.session[1] = run(10, 4, 12, 6);
    p.session[2] = run(200, 5, 18, 0);
    p.session[3] = run(20, 90, 18, 11);
    p.session[4] = run(0, UINT32_MAX, 29, 1);
    for (uint32_t i = 0; i < SESSIONS; i++)
        vf_put32(&p.by_key[i], by_key[i]);
    p.block[0] = block_entry(BLOCKS_AT, 100, 200, 0, 10);
    p.block[1] = block_entry(BLOCKS_AT + 300, 100, 0, 10, 1);
    p.block[2] = block_entry(BLOCKS_AT + 400, 100, 100, 11, 19);
    p.pin[0] = block_entry(BLOCKS_AT + 600, 100, 100, 0, 2);
    p.pin[1] = block_entry(BLOCKS_AT + 800, 100, 100, 2, 1);
    p.row[0] = block_entry(BLOCKS_AT + 1000, 400, 0, VF_TABLE_SESSIONS, 2);
    p.row[1] = block_entry(BLOCKS_AT + 1400, TABLES_AT - BLOCKS_AT - 1400, 0, VF_TABLE_NAMES, 30);
    vf_put64(&p.hole[0].from, vf_lsn(3, 4096));
    vf_put64(&p.hole[0].to, vf_lsn(3, 5000));
    vf_put64(&p.hole[1].from, vf_lsn(3, 5000));
    vf_put64(&p.hole[1].to, vf_lsn(4, 4096));
    return p;
}

static void put_array(file_bytes *f, vf_array *array, const void *items, uint32_t count,
                      size_t item_size) {
    vf_put64(&array->offset, f->size);
    vf_put32(&array->count, count);
    memcpy(f->bytes + f->size, items, count * item_size);
    f->size += (count * item_size + 7) / 8 * 8;
}

static void seal_file(file_bytes *f, parts *p) {
    vf_put64(&p->footer.tables_sum, vf_sum64(f->bytes + TABLES_AT, f->size - TABLES_AT, 0));
    vf_packed_footer_seal(&p->footer);
    vf_packed_header_seal(&p->header);
    memcpy(f->bytes, &p->header, sizeof p->header);
    memcpy(f->bytes + f->size, &p->footer, sizeof p->footer);
    f->size += sizeof p->footer;
}

static void write_tables(file_bytes *f, parts *p) {
    memset(f, 0, sizeof *f);
    f->size = TABLES_AT;
    vf_put64(&p->footer.tables_at, TABLES_AT);
    put_array(f, &p->footer.sessions, p->session, SESSIONS, sizeof *p->session);
    put_array(f, &p->footer.by_key, p->by_key, SESSIONS, sizeof *p->by_key);
    put_array(f, &p->footer.blocks, p->block, BLOCKS, sizeof *p->block);
    put_array(f, &p->footer.pins, p->pin, PINS, sizeof *p->pin);
    put_array(f, &p->footer.rows, p->row, ROWS, sizeof *p->row);
    put_array(f, &p->footer.holes, p->hole, 2, sizeof *p->hole);
}

static vf_result check_bytes(const file_bytes *f) {
    vf_packed_footer footer;
    int read_only;
    uint8_t *exact = exact_copy(f->bytes, f->size);
    vf_result result = vf_packed_check(exact, f->size, &footer, &read_only);
    free(exact);
    return result;
}

static vf_result check_parts(parts *p) {
    static file_bytes f;
    write_tables(&f, p);
    seal_file(&f, p);
    return check_bytes(&f);
}

static file_bytes *good_file(void) {
    static file_bytes f;
    parts p = good_parts();
    write_tables(&f, &p);
    seal_file(&f, &p);
    return &f;
}

static void a_good_file_holds(void **state) {
    (void)state;
    file_bytes *f = good_file();
    vf_packed_footer footer;
    int read_only = 1;
    assert_int_equal(vf_packed_check(f->bytes, f->size, &footer, &read_only), VF_OK);
    assert_int_equal(read_only, 0);
    assert_int_equal(vf_packed_check(f->bytes, f->size, &footer, NULL), VF_OK);
    static const uint8_t keys[] = {50, 10, 200, 20, 0};
    for (uint32_t i = 0; i < SESSIONS; i++) {
        vf_key key;
        memset(key.b, keys[i], sizeof key.b);
        assert_int_equal(vf_packed_find(f->bytes, &footer, key), i);
        key.b[15]++;
        assert_int_equal(vf_packed_find(f->bytes, &footer, key), UINT32_MAX);
    }
    for (uint32_t id = 0; id < 40; id++)
        assert_int_equal(vf_packed_block_of(f->bytes, &footer.blocks, id), id < 10   ? 0
                                                                           : id < 11 ? 1
                                                                           : id < 30 ? 2
                                                                                     : UINT32_MAX);
    assert_int_equal(vf_packed_block_of(f->bytes, &footer.pins, 2), 1);
    assert_int_equal(vf_packed_block_of(f->bytes, &footer.pins, 3), UINT32_MAX);
}

static void an_empty_file_holds(void **state) {
    (void)state;
    static file_bytes f;
    parts p = good_parts();
    vf_array *arrays[] = {&p.footer.sessions, &p.footer.by_key, &p.footer.blocks,
                          &p.footer.pins,     &p.footer.rows,   &p.footer.holes};
    memset(&f, 0, sizeof f);
    f.size = TABLES_AT;
    vf_put64(&p.footer.tables_at, TABLES_AT);
    vf_put64(&p.footer.records, 0);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        vf_put64(&arrays[i]->offset, TABLES_AT);
    seal_file(&f, &p);
    assert_int_equal(check_bytes(&f), VF_OK);
    vf_key key = {{0}};
    assert_int_equal(vf_packed_find(f.bytes, &p.footer, key), UINT32_MAX);
    assert_int_equal(vf_packed_block_of(f.bytes, &p.footer.blocks, 0), UINT32_MAX);
}

/* Everything before the blocks and behind them is under a sum. */
static void flipped_bits_and_cuts_are_found(void **state) {
    (void)state;
    file_bytes f = *good_file();
    for (size_t at = 0; at < f.size; at = at + 1 == VF_PACKED_HEADER ? TABLES_AT : at + 1) {
        for (unsigned bit = 0; bit < 8; bit++) {
            f.bytes[at] ^= (uint8_t)(1u << bit);
            assert_int_not_equal(check_bytes(&f), VF_OK);
            f.bytes[at] ^= (uint8_t)(1u << bit);
        }
    }
    size_t size = f.size;
    for (f.size = 0; f.size < size; f.size++) {
        vf_result result = check_bytes(&f);
        assert_true(result == VF_SHORT ||
                    (f.size >= VF_PACKED_HEADER + VF_PACKED_FOOTER && result == VF_BAD_MAGIC));
    }
}

static void versions_and_magics_are_told_apart(void **state) {
    (void)state;
    file_bytes f = *good_file();
    uint8_t *footer = f.bytes + f.size - VF_PACKED_FOOTER;
    uint8_t *places[] = {f.bytes, footer};
    const size_t sizes[] = {VF_PACKED_HEADER, VF_PACKED_FOOTER};
    for (size_t i = 0; i < 2; i++) {
        le64 sum, good;
        memcpy(&good, places[i] + 8, sizeof good);
        places[i][0]++;
        assert_int_equal(check_bytes(&f), VF_BAD_MAGIC);
        places[i][0]--;
        for (uint32_t at = 16 + 4; at <= 16 + 12; at += 4) { /* read_compat, incompat, major */
            vf_packed_footer ret;
            int read_only = 0;
            places[i][at]++;
            assert_int_equal(check_bytes(&f), VF_BAD_SUM);
            vf_put64(&sum, vf_sum64(places[i] + 16, sizes[i] - 16, 0));
            memcpy(places[i] + 8, &sum, sizeof sum);
            assert_int_equal(vf_packed_check(f.bytes, f.size, &ret, &read_only),
                             at == 20 ? VF_OK : VF_BAD_VERSION);
            assert_int_equal(read_only, at == 20);
            places[i][at]--;
            memcpy(places[i] + 8, &good, sizeof good);
        }
    }
    assert_int_equal(check_bytes(&f), VF_OK);
}

#define REFUSED(change)                        \
    do {                                       \
        parts p = good_parts();                \
        change;                                \
        if (check_parts(&p) != VF_BAD_FIELD)   \
            fail_msg("let pass: %s", #change); \
    } while (0)

static void impossible_values_are_refused(void **state) {
    (void)state;
    parts good = good_parts();
    assert_int_equal(check_parts(&good), VF_OK);
    REFUSED(vf_put32(&p.header.number, 0));
    REFUSED(vf_put32(&p.header.number, VF_SEGMENT_NUMBER_MAX + 1));
    REFUSED(vf_put32(&p.footer.number, 8));
    REFUSED(p.footer.store_uuid[3]++);
    REFUSED(vf_put32(&p.footer.tier, 2));
    REFUSED(p.footer.end_lsn = p.footer.first_lsn);
    REFUSED(vf_put64(&p.footer.table_rows[VF_TABLE_NAMES], (uint64_t)1 << 32));
    REFUSED(vf_put64(&p.footer.records, 31));
    REFUSED(vf_put64(&p.block[0].offset, BLOCKS_AT - 1));
    REFUSED(vf_put64(&p.block[0].offset, TABLES_AT - 299));
    REFUSED(vf_put64(&p.block[0].offset, UINT64_MAX));
    REFUSED(vf_put32(&p.block[0].fixed_size, 0));
    REFUSED(vf_put32(&p.block[0].fixed_size, 151));
    REFUSED(vf_put32(&p.block[0].fixed_plain, VF_BLOCK_FIXED_MAX + 1));
    REFUSED(vf_put32(&p.block[0].data_size, 0));
    REFUSED(vf_put32(&p.block[0].data_size, 401));
    REFUSED(vf_put32(&p.block[0].data_plain, VF_BLOCK_DATA_MAX + 1));
    REFUSED(vf_put32(&p.block[0].count, 0));
    REFUSED(vf_put32(&p.block[2].count, VF_BLOCK_RECORDS_MAX + 1));
    REFUSED((vf_put32(&p.block[1].fixed_size, 39), vf_put32(&p.block[1].fixed_plain, 39)));
    REFUSED(vf_put32(&p.block[0].first, 1));
    REFUSED(vf_put32(&p.block[2].first, 12));
    REFUSED(vf_put32(&p.pin[1].first, 0));
    REFUSED(vf_put32(&p.pin[1].count, 0));
    REFUSED(vf_put32(&p.row[0].first, VF_TABLES));
    REFUSED(vf_put32(&p.row[0].count, VF_ROWS_MAX + 1));
    REFUSED(vf_put32(&p.row[1].count, 0));
    REFUSED(vf_put32(&p.row[1].count, 10)); /* as many bytes as ten rows do not have */
    REFUSED((vf_put32(&p.row[0].data_size, 1), vf_put32(&p.row[0].data_plain, 1)));
    REFUSED(vf_put32(&p.session[3].records, 13));
    REFUSED(vf_put32(&p.session[3].first, UINT32_MAX));
    REFUSED(vf_put32(&p.session[3].pins, 3));
    REFUSED(vf_put32(&p.session[3].pins_first, UINT32_MAX));
    REFUSED(vf_put32(&p.session[1].row, 2));
    REFUSED(vf_put32(&p.session[0].row, 5));
    REFUSED(vf_put32(&p.session[4].row, 91));
    REFUSED(p.session[4].key.b[0] = 1);
    REFUSED(vf_put64(&p.session[2].first_lsn, vf_lsn(3, 4096)));
    REFUSED(vf_put64(&p.session[0].first_lsn, vf_lsn(2, 4096)));
    REFUSED(vf_put64(&p.session[0].first_lsn, vf_lsn(4, 8200)));
    REFUSED(p.session[0].last_lsn = p.footer.end_lsn);
    REFUSED(vf_put32(&p.by_key[0], 1));
    REFUSED((vf_put32(&p.by_key[1], 3), vf_put32(&p.by_key[2], 1)));
    REFUSED(vf_put32(&p.by_key[4], SESSIONS));
    REFUSED(vf_put64(&p.hole[0].to, vf_lsn(3, 4096)));
    REFUSED(vf_put64(&p.hole[1].from, vf_lsn(3, 4999)));
}

static void each_session_is_listed_by_its_key(void **state) {
    (void)state;
    static file_bytes f;
    parts p = good_parts();
    write_tables(&f, &p);
    vf_put32(&p.footer.by_key.count, SESSIONS - 1);
    seal_file(&f, &p);
    assert_int_equal(check_bytes(&f), VF_BAD_FIELD);
}

/* An id has 32 bits: a table of more blocks than that numbers is refused, be each of them as it
 * should. */
static void ids_do_not_run_out(void **state) {
    (void)state;
    enum { ENOUGH = UINT32_MAX / VF_BLOCK_RECORDS_MAX + 1 };
    size_t size = TABLES_AT + ENOUGH * sizeof(vf_block_entry) + VF_PACKED_FOOTER;
    uint8_t *bytes = calloc(1, size);
    assert_non_null(bytes);
    for (uint32_t more = 0; more < 2; more++) {
        uint32_t blocks = ENOUGH - 1 + more;
        parts p = good_parts();
        vf_array *arrays[] = {&p.footer.sessions, &p.footer.by_key, &p.footer.blocks,
                              &p.footer.pins,     &p.footer.rows,   &p.footer.holes};
        vf_put64(&p.footer.tables_at, TABLES_AT);
        for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
            vf_put64(&arrays[i]->offset, TABLES_AT);
        vf_put32(&p.footer.blocks.count, blocks);
        vf_put64(&p.footer.records, (uint64_t)blocks * VF_BLOCK_RECORDS_MAX);
        for (uint32_t i = 0; i < blocks; i++) {
            vf_block_entry entry =
                block_entry(BLOCKS_AT, 100, 0, i * VF_BLOCK_RECORDS_MAX, VF_BLOCK_RECORDS_MAX);
            memcpy(bytes + TABLES_AT + i * sizeof entry, &entry, sizeof entry);
        }
        size_t footer_at = TABLES_AT + blocks * sizeof(vf_block_entry);
        vf_put64(&p.footer.tables_sum, vf_sum64(bytes + TABLES_AT, footer_at - TABLES_AT, 0));
        vf_packed_footer_seal(&p.footer);
        vf_packed_header_seal(&p.header);
        memcpy(bytes, &p.header, sizeof p.header);
        memcpy(bytes + footer_at, &p.footer, sizeof p.footer);
        vf_packed_footer footer;
        assert_int_equal(vf_packed_check(bytes, footer_at + VF_PACKED_FOOTER, &footer, NULL),
                         more ? VF_BAD_FIELD : VF_OK);
    }
    free(bytes);
}

static void arrays_lie_among_the_tables(void **state) {
    (void)state;
    static file_bytes f;
    enum { ARRAYS = 6 };
    for (size_t i = 0; i < ARRAYS; i++) {
        for (int change = 0; change < 6; change++) {
            parts p = good_parts();
            write_tables(&f, &p);
            vf_array *arrays[ARRAYS] = {&p.footer.sessions, &p.footer.by_key, &p.footer.blocks,
                                        &p.footer.pins,     &p.footer.rows,   &p.footer.holes};
            static const uint64_t offsets[] = {TABLES_AT - 8, TABLES_AT + 4, 0, UINT64_MAX - 7};
            if (change < 4)
                vf_put64(&arrays[i]->offset, offsets[change]);
            else if (change == 4)
                vf_put64(&arrays[i]->offset, f.size + 8);
            else
                vf_put32(&arrays[i]->count, UINT32_MAX);
            seal_file(&f, &p);
            assert_int_equal(check_bytes(&f), VF_BAD_FIELD);
        }
    }
    static const uint64_t places[] = {0, 56, TABLES_AT - 4, FILE_MAX * 2, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        parts p = good_parts();
        write_tables(&f, &p);
        vf_put64(&p.footer.tables_at, places[i]);
        seal_file(&f, &p);
        assert_int_equal(check_bytes(&f), VF_BAD_FIELD);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_holds),
        cmocka_unit_test(an_empty_file_holds),
        cmocka_unit_test(flipped_bits_and_cuts_are_found),
        cmocka_unit_test(versions_and_magics_are_told_apart),
        cmocka_unit_test(impossible_values_are_refused),
        cmocka_unit_test(each_session_is_listed_by_its_key),
        cmocka_unit_test(ids_do_not_run_out),
        cmocka_unit_test(arrays_lie_among_the_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

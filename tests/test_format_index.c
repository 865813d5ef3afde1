/*
 * Addressing in the index: chunks lie side by side without gap or overlap, linear hashing moves
 * only the words of the bucket that is split; and a redo area is believed whole or not at all.
 */
#include "format/index.h"
#include "tests/test_format_help.h"

/* ---- Chunks ---- */

static void check_chunks(uint64_t base, uint64_t cap, uint32_t chunks) {
    uint64_t next = 0;
    for (uint32_t want = 0; want < chunks; want++) {
        uint32_t chunk;
        uint64_t first, count, before = next;
        vf_chunk_of(next, base, cap, &chunk, &first, &count);
        assert_int_equal(chunk, want);
        assert_int_equal(first, next);
        assert_int_equal(count, want == 0 ? base : before < cap ? before : cap);
        next = first + count;
        const uint64_t inside[] = {next - 1, first + count / 2};
        for (size_t i = 0; i < 2; i++) {
            uint64_t same_first, same_count;
            vf_chunk_of(inside[i], base, cap, &chunk, &same_first, &same_count);
            assert_int_equal(chunk, want);
            assert_int_equal(same_first, first);
            assert_int_equal(same_count, count);
        }
    }
}

static void chunks_lie_side_by_side(void **state) {
    (void)state;
    for (int table = 0; table < VF_TABLES; table++) {
        for (int part = 0; part < VF_PARTS; part++) {
            uint64_t base, cap;
            if (vf_table_geometry((vf_table)table, (vf_part)part, &base, &cap) > 0)
                check_chunks(base, cap, 60);
        }
    }
    check_chunks(1, 1, 20);
    check_chunks(64, 64, 20);
    check_chunks(3, 20, 20); /* a cap that doubling does not meet */
    check_chunks(64, (uint64_t)1 << 62, 57);
}

static void the_last_items_there_can_be_have_a_chunk(void **state) {
    (void)state;
    uint32_t chunk;
    uint64_t first, count;
    vf_chunk_of(UINT32_MAX, 64, 65536, &chunk, &first, &count);
    assert_int_equal(first, (uint64_t)UINT32_MAX + 1 - 65536);
    assert_int_equal(chunk, 65535 + 10);
    vf_chunk_of(UINT64_MAX, 64, (uint64_t)1 << 40, &chunk, &first, &count);
    assert_int_equal(first, UINT64_MAX - ((uint64_t)1 << 40) + 1);
    vf_chunk_of(5, 0, 0, &chunk, &first, &count); /* no such part: an answer, not a fault */
    assert_int_equal(count, 1);
}

static void the_geometry_is_that_of_the_format(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t row, cold;
        uint64_t base, cap;
    } want[VF_TABLES] = {{"sessions", 256, 768, 64, 16384},
                         {"usage", 128, 0, 256, 32768},
                         {"cursors", 32, 0, 64, 65536},
                         {"names", 128, 0, 32, 32768}};
    for (int t = 0; t < VF_TABLES; t++) {
        uint64_t base = 1, cap = 1;
        assert_string_equal(vf_table_name((vf_table)t), want[t].name);
        assert_int_equal(vf_table_geometry((vf_table)t, VF_PART_ROWS, &base, &cap), want[t].row);
        assert_int_equal(base, want[t].base);
        assert_int_equal(cap, want[t].cap);
        assert_int_equal(vf_table_geometry((vf_table)t, VF_PART_COLD, &base, &cap), want[t].cold);
        assert_int_equal(vf_table_geometry((vf_table)t, VF_PART_WORDS, &base, &cap), 64);
        assert_int_equal(base, 64);
        assert_int_equal(cap, 65536);
        assert_int_equal(vf_table_geometry((vf_table)t, VF_PART_OVERFLOW, &base, &cap), 64);
        int says = t == VF_TABLE_SESSIONS || t == VF_TABLE_USAGE;
        base = 512, cap = 524288;
        assert_int_equal(vf_table_geometry((vf_table)t, VF_PART_CHANGED, &base, &cap), says ? 8 : 0);
        assert_int_equal(base, 512);
        assert_int_equal(cap, 524288);
        assert_int_equal(vf_row_size((vf_table)t), want[t].row + want[t].cold);
    }
    assert_null(vf_table_name(VF_TABLES));
    assert_int_equal(vf_row_size(VF_TABLES), 0);
    uint64_t base, cap;
    assert_int_equal(vf_table_geometry(VF_TABLES, VF_PART_ROWS, &base, &cap), 0);
    assert_int_equal(vf_table_geometry(VF_TABLE_NAMES, VF_PARTS, &base, &cap), 0);
    const char letters[] = {vf_part_letter(VF_PART_ROWS), vf_part_letter(VF_PART_COLD),
                            vf_part_letter(VF_PART_WORDS), vf_part_letter(VF_PART_OVERFLOW),
                            vf_part_letter(VF_PART_CHANGED), vf_part_letter(VF_PARTS)};
    assert_string_equal(letters, "rcwol");
}

/* The table of SPEC.md, figure by figure. */
static void the_layout_is_known_by_its_sum(void **state) {
    (void)state;
    static const uint32_t words[] = {64, 64, 65536}, none[3] = {0};
    const uint32_t rows[VF_TABLES][3] = {
        {256, 64, 16384}, {128, 256, 32768}, {32, 64, 65536}, {128, 32, 32768}};
    const uint32_t cold[] = {768, 64, 8192}, changed[] = {8, 512, 524288};
    uint8_t figures[VF_TABLES * 5 * 12], *at = figures;
    for (int t = 0; t < VF_TABLES; t++) {
        const uint32_t *parts[5] = {rows[t], t == VF_TABLE_SESSIONS ? cold : none, words, words,
                                    t == VF_TABLE_SESSIONS || t == VF_TABLE_USAGE ? changed : none};
        for (int p = 0; p < 5; p++)
            for (int i = 0; i < 3; i++, at += 4) {
                le32 figure;
                vf_put32(&figure, parts[p][i]);
                memcpy(at, &figure, 4);
            }
    }
    assert_int_equal(vf_layout_sum(), (uint32_t)vf_sum64(figures, sizeof figures, 0));
}

/* ---- Linear hashing ---- */

/* The rule as SPEC.md gives it, with 64 bits. */
static uint32_t bucket_by_the_book(uint32_t tag, uint32_t buckets) {
    uint64_t m = 1;
    while (m < buckets)
        m *= 2;
    uint64_t b = tag & (m - 1);
    return (uint32_t)(b < buckets ? b : tag & (m / 2 - 1));
}

static void the_bucket_is_the_one_that_the_rule_gives(void **state) {
    (void)state;
    randomness r = {21};
    const uint32_t edges[] = {1, 2, 3,          4,          5,          7,
                              8, 9, 0x7FFFFFFF, 0x80000000, 0x80000001, UINT32_MAX};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        for (int round = 0; round < 1000; round++) {
            uint32_t tag = (uint32_t)random_u64(&r);
            uint32_t bucket = vf_bucket_of(tag, edges[i]);
            assert_true(bucket < edges[i]);
            assert_int_equal(bucket, bucket_by_the_book(tag, edges[i]));
        }
    }
    assert_int_equal(vf_bucket_of(UINT32_MAX, 1), 0);
    assert_int_equal(vf_bucket_of(UINT32_MAX, 0), 0); /* no buckets: an answer still */
}

static void growing_by_one_bucket_moves_only_words_of_the_bucket_that_is_split(void **state) {
    (void)state;
    randomness r = {22};
    for (uint32_t buckets = 1; buckets < 600; buckets++) {
        uint32_t half = 1;
        while (half * 2 <= buckets)
            half *= 2;
        int moved = 0, stayed = 0;
        for (int i = 0; i < 2000; i++) {
            uint32_t tag = (uint32_t)random_u64(&r);
            uint32_t before = vf_bucket_of(tag, buckets), after = vf_bucket_of(tag, buckets + 1);
            if (before == after) {
                stayed += before == buckets - half;
                continue;
            }
            assert_int_equal(after, buckets);         /* to the new one */
            assert_int_equal(before, buckets - half); /* from the one that is split */
            moved++;
        }
        if (buckets < 16) {
            assert_true(moved > 0);
            assert_true(stayed > 0);
        }
    }
}

static void the_tag_is_the_high_half_of_the_keyed_sum(void **state) {
    (void)state;
    vf_key key = vf_string_key(VF_SPACE_NAME, "k", 1);
    assert_int_equal(vf_key_tag(key, 5), vf_sum64(key.b, 16, 5) >> 32);
    assert_int_not_equal(vf_key_tag(key, 5), vf_key_tag(key, 6));
}

/* ---- Redo ---- */

enum { REDO_ROOM = 4096 };
typedef struct {
    uint8_t bytes[REDO_ROOM];
    uint32_t size, entries;
} redo;

static void redo_add(redo *area, uint32_t table, uint32_t row, uint32_t size, uint32_t fresh) {
    vf_redo_entry entry;
    vf_put32(&entry.table, table);
    vf_put32(&entry.row, row);
    vf_put32(&entry.size, size);
    vf_put32(&entry.fresh, fresh);
    memcpy(area->bytes + area->size, &entry, sizeof entry);
    area->size += (uint32_t)sizeof entry;
    uint32_t image = vf_row_size((vf_table)table);
    memset(area->bytes + area->size, (int)(table + 1), image);
    area->size += image;
    area->entries++;
}

static void redo_seal(redo *area, uint64_t applied) {
    vf_redo_header header = {0};
    vf_put32(&header.size, area->size);
    vf_put32(&header.entries, area->entries);
    memcpy(area->bytes, &header, sizeof header);
    vf_put64(&header.sum, vf_sum64(area->bytes + 16, area->size - 16, applied));
    vf_put64(&header.state, applied);
    memcpy(area->bytes, &header, sizeof header);
}

static redo make_redo(void) {
    redo area = {.size = VF_REDO_HEADER};
    for (uint32_t table = 0; table < VF_TABLES; table++)
        redo_add(&area, table, 100 + table, vf_row_size((vf_table)table), table % 2);
    redo_seal(&area, vf_lsn(1, 5000));
    return area;
}

static void a_redo_area_gives_back_its_entries_in_order(void **state) {
    (void)state;
    redo area = make_redo();
    assert_int_equal(vf_redo_check(area.bytes, REDO_ROOM), VF_OK);
    assert_int_equal(vf_redo_check(area.bytes, area.size), VF_OK);
    size_t at = 0;
    vf_redo_entry entry;
    const uint8_t *image;
    for (uint32_t table = 0; table < VF_TABLES; table++) {
        assert_int_equal(vf_redo_next(area.bytes, REDO_ROOM, &at, &entry, &image), 1);
        assert_int_equal(vf_get32(entry.table), table);
        assert_int_equal(vf_get32(entry.row), 100 + table);
        assert_int_equal(vf_get32(entry.fresh), table % 2);
        assert_int_equal(image[0], table + 1);
        assert_int_equal(image[vf_get32(entry.size) - 1], table + 1);
    }
    assert_int_equal(vf_redo_next(area.bytes, REDO_ROOM, &at, &entry, &image), 0);
    assert_int_equal(at, area.size);
}

static void an_empty_redo_area_is_told_from_one_with_no_entries(void **state) {
    (void)state;
    redo area = make_redo();
    memset(area.bytes, 0, 8);
    assert_int_equal(vf_redo_check(area.bytes, REDO_ROOM), VF_END);
    redo none = {.size = VF_REDO_HEADER};
    redo_seal(&none, 1);
    assert_int_equal(vf_redo_check(none.bytes, REDO_ROOM), VF_OK);
}

static void a_redo_area_that_does_not_hold_is_refused(void **state) {
    (void)state;
    redo good = make_redo();
    for (size_t size = 0; size < good.size; size++) {
        uint8_t *cut = exact_copy(good.bytes, size);
        assert_int_equal(vf_redo_check(cut, size), VF_SHORT);
        size_t at = 0;
        vf_redo_entry entry;
        const uint8_t *image;
        while (vf_redo_next(cut, size, &at, &entry, &image))
            assert_true(image + vf_get32(entry.size) <= cut + size);
        free(cut);
    }
    for (size_t bit = 0; bit < (size_t)good.size * 8; bit++) {
        redo bad = good;
        bad.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(vf_redo_check(bad.bytes, REDO_ROOM), VF_OK);
    }
    uint64_t states[] = {1, UINT64_MAX}; /* the right bytes under another state */
    for (size_t i = 0; i < 2; i++) {
        redo bad = good;
        le64 word;
        vf_put64(&word, states[i]);
        memcpy(bad.bytes, &word, sizeof word);
        assert_int_equal(vf_redo_check(bad.bytes, REDO_ROOM), VF_BAD_SUM);
    }
}

static void redo_sizes_are_checked_before_they_are_used(void **state) {
    (void)state;
    const struct {
        uint32_t size;
        vf_result want;
    } cases[] = {{0, VF_BAD_FIELD},
                 {VF_REDO_HEADER - 8, VF_BAD_FIELD},
                 {70, VF_BAD_FIELD},
                 {VF_REDO_SIZE + 8, VF_BAD_FIELD},
                 {UINT32_MAX - 7, VF_BAD_FIELD},
                 {VF_REDO_SIZE, VF_SHORT},
                 {REDO_ROOM + 8, VF_SHORT},
                 {REDO_ROOM, VF_BAD_SUM}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        redo area = make_redo();
        le32 size;
        vf_put32(&size, cases[i].size);
        memcpy(area.bytes + 16, &size, sizeof size);
        assert_int_equal(vf_redo_check(area.bytes, REDO_ROOM), cases[i].want);
    }
}

static void impossible_redo_entries_are_refused_though_their_sum_holds(void **state) {
    (void)state;
    const struct {
        uint32_t table, size, fresh, entries;
        vf_result want;
    } cases[] = {{VF_TABLE_CURSORS, 32, 0, 1, VF_OK},
                 {VF_TABLE_CURSORS, 32, 1, 1, VF_OK},
                 {VF_TABLE_CURSORS, 32, 2, 1, VF_BAD_FIELD},
                 {VF_TABLE_CURSORS, 24, 0, 1, VF_BAD_FIELD},
                 {VF_TABLE_CURSORS, 40, 0, 1, VF_BAD_FIELD},
                 {VF_TABLES, 0, 0, 1, VF_BAD_FIELD},
                 {UINT32_MAX, 0, 0, 1, VF_BAD_FIELD},
                 {VF_TABLE_USAGE, 128, 0, 0, VF_BAD_FIELD},
                 {VF_TABLE_USAGE, 128, 0, 2, VF_BAD_FIELD},
                 {VF_TABLE_USAGE, UINT32_MAX, 0, 1, VF_BAD_FIELD}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        redo area = {.size = VF_REDO_HEADER};
        redo_add(&area, cases[i].table, 0, cases[i].size, cases[i].fresh);
        area.entries = cases[i].entries;
        redo_seal(&area, 8);
        assert_int_equal(vf_redo_check(area.bytes, REDO_ROOM), cases[i].want);
    }
}

static void a_redo_area_has_nothing_behind_its_last_entry(void **state) {
    (void)state;
    for (uint32_t extra = 0; extra <= 24; extra += 8) {
        redo area = {.size = VF_REDO_HEADER};
        redo_add(&area, VF_TABLE_CURSORS, 0, 32, 0);
        area.size += extra; /* zeros: less than an entry, or one of table 0 without an image */
        redo_seal(&area, 8);
        assert_int_equal(vf_redo_check(area.bytes, REDO_ROOM), extra == 0 ? VF_OK : VF_BAD_FIELD);
    }
}

static void any_bytes_are_walked_within_their_bounds(void **state) {
    (void)state;
    randomness r = {23};
    redo good = make_redo();
    for (int round = 0; round < 20000; round++) {
        redo area = good;
        for (uint32_t i = random_below(&r, 5); i > 0; i--)
            area.bytes[random_below(&r, area.size)] = (uint8_t)random_u64(&r);
        size_t size = random_below(&r, 2) ? area.size : random_below(&r, area.size);
        uint8_t *bytes = exact_copy(area.bytes, size);
        size_t at = random_below(&r, 4) ? 0 : (size_t)random_u64(&r);
        vf_redo_entry entry;
        const uint8_t *image;
        vf_redo_check(bytes, size);
        while (vf_redo_next(bytes, size, &at, &entry, &image)) {
            assert_true(image >= bytes && image + vf_get32(entry.size) <= bytes + size);
            assert_true(image[vf_get32(entry.size) - 1] <= UINT8_MAX);
        }
        free(bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_lie_side_by_side),
        cmocka_unit_test(the_last_items_there_can_be_have_a_chunk),
        cmocka_unit_test(the_geometry_is_that_of_the_format),
        cmocka_unit_test(the_layout_is_known_by_its_sum),
        cmocka_unit_test(the_bucket_is_the_one_that_the_rule_gives),
        cmocka_unit_test(growing_by_one_bucket_moves_only_words_of_the_bucket_that_is_split),
        cmocka_unit_test(the_tag_is_the_high_half_of_the_keyed_sum),
        cmocka_unit_test(a_redo_area_gives_back_its_entries_in_order),
        cmocka_unit_test(an_empty_redo_area_is_told_from_one_with_no_entries),
        cmocka_unit_test(a_redo_area_that_does_not_hold_is_refused),
        cmocka_unit_test(redo_sizes_are_checked_before_they_are_used),
        cmocka_unit_test(impossible_redo_entries_are_refused_though_their_sum_holds),
        cmocka_unit_test(a_redo_area_has_nothing_behind_its_last_entry),
        cmocka_unit_test(any_bytes_are_walked_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * STORE, segment headers and manifests: sealed ones are accepted; what is cut, damaged, foreign or
 * newer is refused, each for its own reason; what a newer minor version added does no harm.
 */
#include "format/files.h"
#include "tests/test_format_help.h"

static vf_store_file make_store(void) {
    vf_store_file file = {0};
    memset(file.uuid, 1, sizeof file.uuid);
    vf_put64(&file.hash_seed, 42);
    vf_put32(&file.segment_size, VF_SEGMENT_SIZE_DEFAULT);
    vf_put32(&file.machine_size, 4);
    memcpy(file.machine, "host", 4);
    vf_store_seal(&file);
    return file;
}

static vf_segment_header make_segment(uint32_t number) {
    vf_segment_header header = {0};
    memset(header.store_uuid, 1, sizeof header.store_uuid);
    vf_put32(&header.number, number);
    vf_put64(&header.salt, 99);
    if (number > 1) {
        vf_put64(&header.prev_end, vf_lsn(number - 1, VF_SEGMENT_HEADER + 80));
        vf_put32(&header.prev_chain, 5);
    }
    vf_segment_seal(&header);
    return header;
}

enum { ENTRIES = 3, MANIFEST_SIZE = VF_MANIFEST_HEADER + ENTRIES * VF_MANIFEST_ENTRY };
enum { LOST_SIZE = VF_LOST_HEADER + 2 * VF_LOST_ENTRY };

static void put_manifest_entry(uint8_t *bytes, uint32_t i, uint64_t first, uint64_t end) {
    vf_manifest_entry entry = {0};
    vf_put64(&entry.first_lsn, first);
    vf_put64(&entry.end_lsn, end);
    vf_put32(&entry.number, i + 1);
    memcpy(bytes + VF_MANIFEST_HEADER + i * VF_MANIFEST_ENTRY, &entry, sizeof entry);
}

static void make_manifest(uint8_t *bytes) {
    vf_manifest_header header = {0};
    memset(bytes, 0, MANIFEST_SIZE);
    vf_put64(&header.generation, 7);
    vf_put32(&header.entries, ENTRIES);
    memcpy(bytes, &header, sizeof header);
    for (uint32_t i = 0; i < ENTRIES; i++)
        put_manifest_entry(bytes, i, vf_lsn(i + 1, 4096), vf_lsn(i + 2, 4096));
    vf_manifest_seal(bytes, MANIFEST_SIZE);
}

static vf_result check_store(const vf_store_file *file) {
    vf_store_file out;
    return vf_store_check((const uint8_t *)file, sizeof *file, &out, NULL);
}

static vf_result check_segment(const vf_segment_header *header) {
    vf_segment_header out;
    return vf_segment_check((const uint8_t *)header, sizeof *header, &out, NULL);
}

/* Gives a changed structure a sum that holds. */
static void reseal(void *structure, size_t size) {
    uint8_t *bytes = structure;
    le64 sum;
    vf_put64(&sum, vf_sum64(bytes + 16, size - 16, 0));
    memcpy(bytes + 8, &sum, sizeof sum);
}

static void sealed_files_come_back_as_they_were(void **state) {
    (void)state;
    int read_only = 7;
    vf_store_file store = make_store(), store_out;
    assert_int_equal(vf_store_check((uint8_t *)&store, sizeof store, &store_out, &read_only),
                     VF_OK);
    assert_memory_equal(&store, &store_out, sizeof store);
    assert_int_equal(read_only, 0);

    vf_segment_header header = make_segment(9), header_out;
    read_only = 7;
    assert_int_equal(vf_segment_check((uint8_t *)&header, sizeof header, &header_out, &read_only),
                     VF_OK);
    assert_memory_equal(&header, &header_out, sizeof header);
    assert_int_equal(read_only, 0);
    assert_int_equal(vf_segment_chain(&header), (uint32_t)vf_get64(header.sum));

    uint8_t manifest[MANIFEST_SIZE];
    vf_manifest_header manifest_out;
    make_manifest(manifest);
    assert_int_equal(vf_manifest_check(manifest, sizeof manifest, &manifest_out), VF_OK);
    assert_int_equal(vf_get64(manifest_out.generation), 7);
}

static void files_that_are_cut_are_refused(void **state) {
    (void)state;
    vf_store_file store = make_store(), store_out;
    vf_segment_header header = make_segment(1), header_out;
    for (size_t size = 0; size < sizeof store; size++) {
        uint8_t *cut = exact_copy(&store, size);
        assert_int_equal(vf_store_check(cut, size, &store_out, NULL), VF_SHORT);
        free(cut);
        cut = exact_copy(&header, size);
        assert_int_equal(vf_segment_check(cut, size, &header_out, NULL), VF_SHORT);
        free(cut);
    }
    uint8_t manifest[MANIFEST_SIZE];
    vf_manifest_header manifest_out;
    make_manifest(manifest);
    for (size_t size = 0; size < MANIFEST_SIZE; size++) {
        uint8_t *cut = exact_copy(manifest, size);
        assert_int_equal(vf_manifest_check(cut, size, &manifest_out),
                         size < VF_MANIFEST_HEADER ? VF_SHORT : VF_BAD_SUM);
        free(cut);
    }
}

static void every_single_flipped_bit_is_refused(void **state) {
    (void)state;
    vf_store_file store = make_store();
    vf_segment_header header = make_segment(2);
    for (size_t bit = 0; bit < sizeof store * 8; bit++) {
        vf_store_file bad = store;
        ((uint8_t *)&bad)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(check_store(&bad), bit < 64 ? VF_BAD_MAGIC : VF_BAD_SUM);
        vf_segment_header worse = header;
        ((uint8_t *)&worse)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(check_segment(&worse), bit < 64 ? VF_BAD_MAGIC : VF_BAD_SUM);
    }
    uint8_t manifest[MANIFEST_SIZE];
    vf_manifest_header out;
    make_manifest(manifest);
    for (size_t bit = 0; bit < sizeof manifest * 8; bit++) {
        manifest[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(vf_manifest_check(manifest, sizeof manifest, &out),
                         bit < 64 ? VF_BAD_MAGIC : VF_BAD_SUM);
        manifest[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void make_lost(uint8_t *bytes, uint64_t from, uint64_t to) {
    vf_lost_header header = {0};
    le64 ranges[4];
    memset(header.store_uuid, 0xAB, sizeof header.store_uuid);
    vf_put32(&header.entries, 2);
    const uint64_t values[4] = {4096, 8192, from, to};
    for (int i = 0; i < 4; i++)
        vf_put64(&ranges[i], values[i]);
    memcpy(bytes, &header, sizeof header);
    memcpy(bytes + VF_LOST_HEADER, ranges, sizeof ranges);
    vf_lost_seal(bytes, LOST_SIZE);
}

static void a_list_of_what_is_lost_is_held_to_its_order(void **state) {
    (void)state;
    uint8_t bytes[LOST_SIZE];
    vf_lost_header header;
    const struct {
        uint64_t from, to;
        vf_result want;
    } cases[] = {
        {8200, 9000, VF_OK},        {8200, UINT64_MAX, VF_OK}, {8192, 9000, VF_BAD_FIELD},
        {5000, 6000, VF_BAD_FIELD}, {9000, 9000, VF_BAD_FIELD}, {9000, 8999, VF_BAD_FIELD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_lost(bytes, cases[i].from, cases[i].to);
        assert_int_equal(vf_lost_check(bytes, sizeof bytes, &header), cases[i].want);
    }
    make_lost(bytes, 9000, 9008);
    for (size_t size = 0; size < LOST_SIZE; size++) {
        uint8_t *cut = exact_copy(bytes, size);
        assert_int_equal(vf_lost_check(cut, size, &header), size < VF_LOST_HEADER ? VF_SHORT : VF_BAD_SUM);
        free(cut);
    }
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(vf_lost_check(bytes, sizeof bytes, &header), bit < 64 ? VF_BAD_MAGIC : VF_BAD_SUM);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memcpy(&header, bytes, sizeof header);
    vf_put32(&header.entries, 3);
    memcpy(bytes, &header, sizeof header);
    vf_lost_seal(bytes, sizeof bytes);
    assert_int_equal(vf_lost_check(bytes, sizeof bytes, &header), VF_BAD_FIELD);
    make_lost(bytes, 9000, 9008);
    memcpy(&header, bytes, sizeof header);
    vf_put16(&header.features.version_major, VF_VERSION_MAJOR + 1);
    memcpy(bytes, &header, sizeof header);
    vf_put64(&header.sum, vf_sum64(bytes + 16, sizeof bytes - 16, 0));
    memcpy(bytes, &header, sizeof header);
    assert_int_equal(vf_lost_check(bytes, sizeof bytes, &header), VF_BAD_VERSION);
}

static void one_file_never_passes_for_another(void **state) {
    (void)state;
    vf_store_file store = make_store(), store_out;
    vf_segment_header header = make_segment(1), header_out;
    vf_manifest_header manifest_out;
    const uint8_t *bytes = (const uint8_t *)&store;
    assert_int_equal(vf_segment_check(bytes, sizeof store, &header_out, NULL), VF_BAD_MAGIC);
    assert_int_equal(vf_manifest_check(bytes, sizeof store, &manifest_out), VF_BAD_MAGIC);
    bytes = (const uint8_t *)&header;
    assert_int_equal(vf_store_check(bytes, sizeof header, &store_out, NULL), VF_BAD_MAGIC);
}

static void a_segment_that_was_only_made_ready_is_told_from_damage(void **state) {
    (void)state;
    vf_segment_header header = {0};
    assert_int_equal(check_segment(&header), VF_END);
    header.reserved[sizeof header.reserved - 1] = 1;
    assert_int_equal(check_segment(&header), VF_BAD_MAGIC);
}

/* Result of each check for a STORE and a segment header with these feature words. */
static void expect_features(const vf_features *features, vf_result want, int want_read_only) {
    vf_store_file store = make_store(), store_out;
    vf_segment_header header = make_segment(1), header_out;
    int read_only = -1;
    store.features = header.features = *features;
    reseal(&store, sizeof store);
    reseal(&header, sizeof header);
    assert_int_equal(vf_features_check(features, &read_only), want);
    assert_int_equal(read_only, want == VF_OK ? want_read_only : -1);
    read_only = -1;
    assert_int_equal(vf_store_check((uint8_t *)&store, sizeof store, &store_out, &read_only), want);
    assert_int_equal(read_only, want == VF_OK ? want_read_only : -1);
    read_only = -1;
    assert_int_equal(vf_segment_check((uint8_t *)&header, sizeof header, &header_out, &read_only),
                     want);
    assert_int_equal(read_only, want == VF_OK ? want_read_only : -1);
}

static void feature_words_decide_what_may_be_done(void **state) {
    (void)state;
    vf_features features;
    vf_features_fill(&features);
    expect_features(&features, VF_OK, 0);
    for (int bit = 0; bit < 32; bit++) {
        vf_features_fill(&features);
        vf_put32(&features.compat, 1u << bit);
        expect_features(&features, VF_OK, 0);
        vf_features_fill(&features);
        vf_put32(&features.read_compat, 1u << bit);
        expect_features(&features, VF_OK, 1);
        vf_features_fill(&features);
        vf_put32(&features.incompat, 1u << bit);
        expect_features(&features, VF_BAD_VERSION, 0);
    }
    vf_features_fill(&features);
    vf_put16(&features.version_minor, VF_VERSION_MINOR + 1);
    expect_features(&features, VF_OK, 0);
    vf_put16(&features.version_major, VF_VERSION_MAJOR + 1);
    expect_features(&features, VF_BAD_VERSION, 0);
}

static void a_newer_version_is_told_apart_from_an_impossible_value(void **state) {
    (void)state;
    vf_store_file store = make_store();
    vf_put32(&store.segment_size, 0);
    reseal(&store, sizeof store);
    assert_int_equal(check_store(&store), VF_BAD_FIELD);
    vf_put16(&store.features.version_major, VF_VERSION_MAJOR + 1);
    reseal(&store, sizeof store);
    assert_int_equal(check_store(&store), VF_BAD_VERSION);
    vf_put64(&store.sum, 0);
    assert_int_equal(check_store(&store), VF_BAD_SUM);
    store.magic[0] = 0;
    assert_int_equal(check_store(&store), VF_BAD_MAGIC);
}

static void what_a_newer_minor_version_added_is_not_looked_at(void **state) {
    (void)state;
    vf_store_file store = make_store();
    memset(store.reserved, 0xEE, sizeof store.reserved);
    reseal(&store, sizeof store);
    assert_int_equal(check_store(&store), VF_OK);
    vf_segment_header header = make_segment(1);
    memset(header.reserved, 0xEE, sizeof header.reserved);
    reseal(&header, sizeof header);
    assert_int_equal(check_segment(&header), VF_OK);
}

static void store_values_are_held_to_their_limits(void **state) {
    (void)state;
    const struct {
        uint32_t segment_size, machine_size;
        vf_result want;
    } cases[] = {
        {VF_SEGMENT_SIZE_MIN, 0, VF_OK},
        {VF_SEGMENT_SIZE_MIN - 4096, 0, VF_BAD_FIELD},
        {VF_SEGMENT_SIZE_MAX, VF_MACHINE_MAX, VF_OK},
        {(uint32_t)VF_SEGMENT_SIZE_MAX + 4096, 0, VF_BAD_FIELD},
        {VF_SEGMENT_SIZE_MIN, VF_MACHINE_MAX + 1, VF_BAD_FIELD},
        {VF_SEGMENT_SIZE_MIN, UINT32_MAX, VF_BAD_FIELD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vf_store_file store = make_store();
        vf_put32(&store.segment_size, cases[i].segment_size);
        vf_put32(&store.machine_size, cases[i].machine_size);
        reseal(&store, sizeof store);
        assert_int_equal(check_store(&store), cases[i].want);
    }
}

static void segment_values_are_held_to_their_limits(void **state) {
    (void)state;
    const uint64_t own = vf_lsn(3, VF_SEGMENT_HEADER);
    const struct {
        uint32_t number, prev_chain;
        uint64_t salt, prev_end, hole_from, hole_to;
        vf_result want;
    } cases[] = {
        {1, 0, 1, 0, 0, 0, VF_OK},
        {1, 1, 1, 0, 0, 0, VF_BAD_FIELD}, /* the first has no predecessor */
        {1, 0, 1, vf_lsn(0, 4096), 0, 0, VF_BAD_FIELD},
        {0, 0, 1, 0, 0, 0, VF_BAD_FIELD},
        {1, 0, 0, 0, 0, 0, VF_BAD_FIELD}, /* no salt */
        {3, 1, 1, vf_lsn(2, 4096), 0, 0, VF_OK},
        {3, 1, 1, vf_lsn(2, 4088), 0, 0, VF_BAD_FIELD}, /* within the predecessor's header */
        {3, 1, 1, vf_lsn(2, 4100), 0, 0, VF_BAD_FIELD}, /* not aligned */
        {3, 1, 1, vf_lsn(1, 4096), 0, 0, VF_BAD_FIELD}, /* not the number before */
        {3, 1, 1, vf_lsn(3, 4096), 0, 0, VF_BAD_FIELD},
        {3, 1, 1, 0, 0, 0, VF_BAD_FIELD},
        {3, 1, 1, vf_lsn(2, 4096), vf_lsn(1, 4096), own, VF_OK},
        {3, 1, 1, vf_lsn(2, 4096), vf_lsn(1, 4096), own + 8, VF_BAD_FIELD},         /* in itself */
        {3, 1, 1, vf_lsn(2, 4096), vf_lsn(1, 4096), vf_lsn(1, 4096), VF_BAD_FIELD}, /* empty */
        {3, 1, 1, vf_lsn(2, 4096), 0, own, VF_BAD_FIELD},
        {3, 1, 1, vf_lsn(2, 4096), own, 0, VF_BAD_FIELD},
        {99999999, 1, 1, vf_lsn(99999998, 4096), 0, 0, VF_OK},
        {100000000, 1, 1, vf_lsn(99999999, 4096), 0, 0, VF_BAD_FIELD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vf_segment_header header = make_segment(1);
        vf_put32(&header.number, cases[i].number);
        vf_put32(&header.prev_chain, cases[i].prev_chain);
        vf_put64(&header.salt, cases[i].salt);
        vf_put64(&header.prev_end, cases[i].prev_end);
        vf_put64(&header.hole_from, cases[i].hole_from);
        vf_put64(&header.hole_to, cases[i].hole_to);
        reseal(&header, sizeof header);
        assert_int_equal(check_segment(&header), cases[i].want);
    }
}

static vf_result check_entries(uint64_t first, uint64_t end, uint32_t number, uint32_t tier) {
    uint8_t bytes[MANIFEST_SIZE];
    vf_manifest_header out;
    vf_manifest_entry entry;
    make_manifest(bytes);
    uint8_t *at = bytes + VF_MANIFEST_HEADER + VF_MANIFEST_ENTRY;
    memcpy(&entry, at, sizeof entry);
    vf_put64(&entry.first_lsn, first);
    vf_put64(&entry.end_lsn, end);
    vf_put32(&entry.number, number);
    vf_put32(&entry.tier, tier);
    memcpy(at, &entry, sizeof entry);
    vf_manifest_seal(bytes, sizeof bytes);
    return vf_manifest_check(bytes, sizeof bytes, &out);
}

static void manifest_entries_rise_and_do_not_overlap(void **state) {
    (void)state;
    const uint64_t first = vf_lsn(2, 4096), end = vf_lsn(3, 4096);
    assert_int_equal(check_entries(first, end, 2, 1), VF_OK);
    assert_int_equal(check_entries(first + 8, end - 8, 2, 0), VF_OK); /* a gap is no fault */
    assert_int_equal(check_entries(first - 8, end, 2, 0), VF_BAD_FIELD);
    assert_int_equal(check_entries(first, end + 8, 2, 0), VF_BAD_FIELD);
    assert_int_equal(check_entries(first, first, 2, 0), VF_BAD_FIELD);
    assert_int_equal(check_entries(end, first, 2, 0), VF_BAD_FIELD);
    assert_int_equal(check_entries(first, end, 0, 0), VF_BAD_FIELD);
    assert_int_equal(check_entries(first, end, 2, 2), VF_BAD_FIELD);
}

static void a_manifest_has_exactly_the_entries_that_it_names(void **state) {
    (void)state;
    const uint32_t counts[] = {0, ENTRIES - 1, ENTRIES + 1, UINT32_MAX, 1u << 26};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint8_t bytes[MANIFEST_SIZE];
        vf_manifest_header header, out;
        make_manifest(bytes);
        memcpy(&header, bytes, sizeof header);
        vf_put32(&header.entries, counts[i]);
        memcpy(bytes, &header, sizeof header);
        vf_manifest_seal(bytes, sizeof bytes);
        assert_int_equal(vf_manifest_check(bytes, sizeof bytes, &out), VF_BAD_FIELD);
    }
    uint8_t empty[VF_MANIFEST_HEADER] = {0};
    vf_manifest_header out;
    vf_manifest_seal(empty, sizeof empty);
    assert_int_equal(vf_manifest_check(empty, sizeof empty, &out), VF_OK);
}

static void any_bytes_are_answered(void **state) {
    (void)state;
    randomness r = {17};
    for (int round = 0; round < 3000; round++) {
        static uint8_t noise[5000];
        size_t size = random_below(&r, sizeof noise);
        random_bytes(&r, noise, size);
        memcpy(noise,
               round % 3 == 0   ? VF_STORE_MAGIC
               : round % 3 == 1 ? VF_SEGMENT_MAGIC
                                : VF_MANIFEST_MAGIC,
               8);
        if (size > 16)
            reseal(noise, round % 3 == 2 || size < 4096 ? size : 4096);
        uint8_t *bytes = exact_copy(noise, size);
        vf_store_file store;
        vf_segment_header header;
        vf_manifest_header manifest;
        assert_int_not_equal(vf_store_check(bytes, size, &store, NULL), VF_OK);
        assert_int_not_equal(vf_segment_check(bytes, size, &header, NULL), VF_OK);
        assert_int_not_equal(vf_manifest_check(bytes, size, &manifest), VF_OK);
        free(bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_files_come_back_as_they_were),
        cmocka_unit_test(files_that_are_cut_are_refused),
        cmocka_unit_test(every_single_flipped_bit_is_refused),
        cmocka_unit_test(a_list_of_what_is_lost_is_held_to_its_order),
        cmocka_unit_test(one_file_never_passes_for_another),
        cmocka_unit_test(a_segment_that_was_only_made_ready_is_told_from_damage),
        cmocka_unit_test(feature_words_decide_what_may_be_done),
        cmocka_unit_test(a_newer_version_is_told_apart_from_an_impossible_value),
        cmocka_unit_test(what_a_newer_minor_version_added_is_not_looked_at),
        cmocka_unit_test(store_values_are_held_to_their_limits),
        cmocka_unit_test(segment_values_are_held_to_their_limits),
        cmocka_unit_test(manifest_entries_rise_and_do_not_overlap),
        cmocka_unit_test(a_manifest_has_exactly_the_entries_that_it_names),
        cmocka_unit_test(any_bytes_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

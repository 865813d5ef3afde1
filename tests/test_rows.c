/*
 * Rows of the index on their way to another index: which of them changed since an lsn, and that an
 * index into which they are loaded is the same; what becomes of rows that are left out.
 */
#include "tests/support/scratch.h"
#include "tests/support/tree.h"

#include "engine/fold.h"
#include "engine/recover.h"
#include "engine/store.h"

enum { SESSIONS = 300, ROWS_MAX = 4000, STEPS = 60 };

typedef struct {
    uint64_t state;
} randomness;

static uint32_t below(randomness *r, uint32_t limit) {
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (uint32_t)((r->state >> 16) % limit);
}

/* ---- Random changes ---- */

static void add_event(varve_batch *batch, randomness *r) {
    char id[32], text[32];
    snprintf(id, sizeof id, "s%u", below(r, SESSIONS));
    varve_event event = scratch_event(id, below(r, 4) > 0 ? "ApiRequest" : "UserPromptSubmit");
    event.present = VARVE_HAS_TIME;
    event.time = 1000 + below(r, 1000);
    if (below(r, 3) > 0) {
        event.present |= VARVE_HAS_TOKENS * 15 | VARVE_HAS_COST;
        event.tokens[0] = below(r, 50);
        event.cost = below(r, 1000);
    }
    if (below(r, 4) > 0) {
        snprintf(text, sizeof text, "m%u", below(r, 500));
        event.present |= VARVE_HAS_CHARGE;
        event.charge = varve_charge_key(varve_cstr(text));
        event.charge_part = below(r, 3);
    }
    snprintf(text, sizeof text, "model %u", below(r, 90));
    event.str[VARVE_STR_MODEL] = varve_cstr(below(r, 3) == 0 ? text : NULL);
    assert_true(varve_batch_add(batch, &event) >= 0);
}

static void add_other(varve_batch *batch, randomness *r) {
    char id[32], parent[32];
    uint32_t child = 1 + below(r, SESSIONS - 1);
    snprintf(id, sizeof id, "s%u", child);
    snprintf(parent, sizeof parent, "s%u", below(r, child));
    if (below(r, 2) == 0) {
        assert_true(varve_batch_cursor(batch, varve_cstr(parent), "x", below(r, 2)) >= 0);
        return;
    }
    varve_event event = scratch_event(id, "x");
    event.str[VARVE_STR_PARENT_ID] = varve_cstr(parent);
    assert_true(varve_batch_set(batch, &event) >= 0);
}

static void append_some(varve *store, randomness *r, uint32_t count) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    for (uint32_t i = 0; i < count; i++)
        if (below(r, 5) == 0)
            add_other(batch, r);
        else
            add_event(batch, r);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

/* ---- Rows, to compare ---- */

typedef struct {
    uint64_t count, lsn;
    uint8_t *image;    /* of all rows, heads zero */
    uint64_t *changed; /* lsn of the step at which it last differed from before */
} rows;
typedef struct {
    rows table[VF_TABLES];
} picture;

static picture *picture_of(varve *store, const picture *before) {
    picture *p = calloc(1, sizeof *p);
    assert_non_null(p);
    for (int t = 0; t < VF_TABLES; t++) {
        rows *now = &p->table[t];
        const rows *old = before == NULL ? now : &before->table[t];
        size_t size = vf_row_size((vf_table)t);
        now->count = ve_rows(&store->index, (vf_table)t);
        now->lsn = ve_tail(store);
        now->image = calloc((size_t)now->count + 1, size);
        now->changed = calloc((size_t)now->count + 1, sizeof *now->changed);
        assert_true(now->image != NULL && now->changed != NULL && now->count < ROWS_MAX);
        for (uint64_t row = 0; row < now->count; row++) {
            uint8_t *image = now->image + row * size;
            assert_int_equal(ve_read_row(&store->index, (vf_table)t, (uint32_t)row, true, image),
                             VARVE_OK);
            memset(image, 0, 8);
            bool same =
                old != now && row < old->count && memcmp(image, old->image + row * size, size) == 0;
            now->changed[row] = same ? old->changed[row] : now->lsn;
        }
    }
    return p;
}

static void forget(picture *p) {
    for (int t = 0; t < VF_TABLES; t++) {
        free(p->table[t].image);
        free(p->table[t].changed);
    }
    free(p);
}

/* What ve_changed_rows gives for a table since an lsn (names: since a row), collected. */
typedef struct {
    uint32_t count;
    uint32_t number[ROWS_MAX];
    uint8_t *image;
} found;

static found *find_changed(varve *store, vf_table table, uint64_t since, uint32_t room) {
    found *f = calloc(1, sizeof *f);
    size_t size = vf_row_size(table);
    assert_true(f != NULL && (f->image = calloc(ROWS_MAX, size)) != NULL);
    uint64_t at = 0;
    for (uint32_t more = 1; more > 0; f->count += more) {
        assert_true(f->count + room < ROWS_MAX);
        assert_int_equal(ve_changed_rows(store, &store->index, table, since, &at, room,
                                         f->number + f->count, f->image + f->count * size, &more),
                         VARVE_OK);
        assert_true(more <= room);
    }
    return f;
}

static void forget_found(found *f) {
    free(f->image);
    free(f);
}

static void check_since(varve *store, const picture *then, const picture *now, uint32_t room) {
    for (int t = 0; t < VF_TABLES; t++) {
        const rows *old = &then->table[t], *new = &now->table[t];
        size_t size = vf_row_size((vf_table)t);
        found *f =
            find_changed(store, (vf_table)t, t == VF_TABLE_NAMES ? old->count : old->lsn, room);
        uint32_t at = 0;
        for (uint64_t row = 0; row < new->count; row++) {
            if (new->changed[row] <= old->lsn)
                continue;
            assert_true(at < f->count);
            assert_int_equal(f->number[at], row);
            assert_memory_equal(f->image + at * size, new->image + row *size, size);
            at++;
        }
        assert_int_equal(at, f->count);
        forget_found(f);
    }
}

static void rows_that_changed_since_an_lsn_are_those_that_differ(void **state) {
    (void)state;
    randomness r = {31};
    char *path = scratch_new();
    varve *store = scratch_open(path, 1 << 20);
    picture *seen[STEPS + 1];
    seen[0] = picture_of(store, NULL);
    for (uint32_t step = 1; step <= STEPS; step++) {
        append_some(store, &r, step % 7 == 0 ? 100 : 1 + below(&r, 12));
        seen[step] = picture_of(store, seen[step - 1]);
        for (int t = 0; t < VF_TABLES; t++)
            for (uint64_t row = 0; row < seen[step]->table[t].count; row++) {
                uint64_t said = ve_changed(&store->index, (vf_table)t, (uint32_t)row),
                         is = seen[step]->table[t].changed[row];
                if (t == VF_TABLE_NAMES)
                    assert_int_equal(said, row + 1);
                else if (t == VF_TABLE_CURSORS)
                    assert_true(said <= is && said > 0);
                else
                    assert_int_equal(said, is);
            }
        check_since(store, seen[below(&r, step + 1)], seen[step], 1 + below(&r, 40));
        check_since(store, seen[0], seen[step], 100);
    }
    assert_int_equal(ve_changed(&store->index, VF_TABLE_SESSIONS, SESSIONS + 1), 0);
    scratch_verify(store);
    for (int step = 0; step <= STEPS; step++)
        forget(seen[step]);
    varve_close(&store);
    scratch_free(path);
}

static void a_change_that_a_dead_writer_left_is_dated_when_it_is_finished(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    scratch_append(store, "a", "x", 1);
    uint64_t tail = ve_tail(store);
    assert_int_equal(ve_changed(&store->index, VF_TABLE_SESSIONS, 0), tail);
    uint8_t *said = ve_item(&store->index, VF_TABLE_SESSIONS, VF_PART_CHANGED, 0, false);
    uint8_t *row = ve_item(&store->index, VF_TABLE_SESSIONS, VF_PART_ROWS, 0, false);
    memset(said, 0,
           8); /* as if it had died before it set anything; the redo area still has the group */
    memset(row + 8, 0, 16);
    ve_set_word(&((vf_redo_header *)(void *)store->index.redo)->state, tail);
    scratch_append(store, "b", "x", 1);
    assert_int_equal(ve_changed(&store->index, VF_TABLE_SESSIONS, 0), tail);
    assert_true(ve_changed(&store->index, VF_TABLE_SESSIONS, 1) > tail);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* ---- Loading ---- */

static void load_found(varve *store, ve_index *index, vf_table table, const found *f,
                       uint64_t since, randomness *r) {
    uint32_t *order = calloc(f->count + 1, sizeof *order);
    assert_non_null(order);
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t other = below(r, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t row = f->number[order[i]];
        if (ve_row_loaded(index, table, row))
            continue;
        uint64_t changed = ve_changed(&store->index, table, row);
        assert_true(changed > since);
        assert_int_equal(ve_load_row(store, index, table, row,
                                     f->image + order[i] * vf_row_size(table), changed),
                         VARVE_OK);
        assert_true(ve_row_loaded(index, table, row));
    }
    free(order);
}

/* Rows of the picture, those that are loaded already left alone. */
static void load_picture(varve *store, ve_index *index, const picture *p) {
    for (int t = 0; t < VF_TABLES; t++)
        for (uint64_t row = p->table[t].count; row-- > 0;)
            if (!ve_row_loaded(index, (vf_table)t, (uint32_t)row))
                assert_int_equal(ve_load_row(store, index, (vf_table)t, (uint32_t)row,
                                             p->table[t].image + row * vf_row_size((vf_table)t),
                                             p->table[t].lsn),
                                 VARVE_OK);
}

static void check_same(varve *store, ve_index *index) {
    uint8_t a[VF_HOT_SIZE + VF_COLD_SIZE], b[VF_HOT_SIZE + VF_COLD_SIZE];
    assert_true(ve_heads_hold(index));
    for (int t = 0; t < VF_TABLES; t++) {
        vf_table table = (vf_table)t;
        assert_int_equal(ve_rows(index, table), ve_rows(&store->index, table));
        assert_int_equal(ve_word(&index->table[t].head->keyed),
                         ve_word(&store->index.table[t].head->keyed));
        for (uint32_t row = 0; row < ve_rows(index, table); row++) {
            assert_int_equal(ve_read_row(index, table, row, true, a), VARVE_OK);
            assert_int_equal(ve_read_row(&store->index, table, row, true, b), VARVE_OK);
            assert_memory_equal(a + 4, b + 4, vf_row_size(table) - 4);
            vf_key key = ve_row_key(table, a);
            assert_int_equal(ve_find(index, table, key), ve_find(&store->index, table, key));
        }
    }
}

static void an_index_is_the_same_when_its_rows_are_loaded_into_another(void **state) {
    (void)state;
    randomness r = {32};
    char *path = scratch_new();
    varve *store = scratch_open(path, 1 << 20);
    ve_index index;
    for (int i = 0; i < 30; i++)
        append_some(store, &r, 60);
    picture *then = picture_of(store, NULL);
    for (int i = 0; i < 10; i++)
        append_some(store, &r, 20);

    /* All rows, in any order. */
    assert_int_equal(ve_index_create(store, &index, 0, true), VARVE_OK);
    for (int t = 0; t < VF_TABLES; t++) {
        found *f = find_changed(store, (vf_table)t, 0, 64);
        assert_int_equal(f->count, ve_rows(&store->index, (vf_table)t));
        load_found(store, &index, (vf_table)t, f, 0, &r);
        forget_found(f);
        for (uint32_t row = 0; row < ve_rows(&index, (vf_table)t); row++)
            assert_int_equal(ve_changed(&index, (vf_table)t, row),
                             ve_changed(&store->index, (vf_table)t, row));
    }
    check_same(store, &index);
    ve_index_close(&index);

    /* The newer ones first, then what the older ones have besides. */
    assert_int_equal(ve_index_create(store, &index, 0, true), VARVE_OK);
    for (int t = 0; t < VF_TABLES; t++) {
        uint64_t since = t == VF_TABLE_NAMES ? then->table[t].count : then->table[t].lsn;
        found *f = find_changed(store, (vf_table)t, since, 5);
        assert_true(t == VF_TABLE_NAMES ||
                    (f->count > 0 && f->count < ve_rows(&store->index, (vf_table)t)));
        load_found(store, &index, (vf_table)t, f, since, &r);
        forget_found(f);
    }
    load_picture(store, &index, then);
    check_same(store, &index);
    ve_index_close(&index);

    /* The older ones, and the log folded from there on. */
    assert_int_equal(ve_index_create(store, &index, 0, true), VARVE_OK);
    load_picture(store, &index, then);
    assert_int_equal(ve_fold_range(store, &index, then->table[0].lsn, ve_tail(store), NULL),
                     VARVE_OK);
    check_same(store, &index);
    ve_index_close(&index);
    forget(then);
    varve_close(&store);
    scratch_free(path);
}

static void a_row_that_cannot_be_is_not_loaded(void **state) {
    (void)state;
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE] = {0};
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    ve_index index;
    assert_int_equal(ve_index_create(store, &index, 0, true), VARVE_OK);
    assert_int_equal(ve_load_row(store, &index, VF_TABLE_USAGE, UINT32_MAX, image, 1),
                     VARVE_E_CORRUPT);
    assert_int_equal(ve_load_row(store, &index, VF_TABLE_USAGE, 0, image, 0), VARVE_E_CORRUPT);
    assert_int_equal(ve_rows(&index, VF_TABLE_USAGE), 0);
    assert_false(ve_row_loaded(&index, VF_TABLE_USAGE, 0));
    ve_index_close(&index);
    varve_close(&store);
    scratch_free(path);
}

/* ---- Rows that are left out ---- */

/* Makes an index of the store's rows but those that 'leaves' says the one that is in force. */
static void leave_out(varve *store, bool (*leaves)(vf_table table, uint32_t row)) {
    ve_index index;
    uint64_t generation = store->index.generation + 1;
    assert_int_equal(ve_index_create(store, &index, generation, false), VARVE_OK);
    for (int t = 0; t < VF_TABLES; t++) {
        found *f = find_changed(store, (vf_table)t, 0, 64);
        for (uint32_t i = f->count; i-- > 0;) /* from the end: the gaps come last */
            if (!leaves((vf_table)t, f->number[i]))
                assert_int_equal(ve_load_row(store, &index, (vf_table)t, f->number[i],
                                             f->image + i * vf_row_size((vf_table)t),
                                             ve_tail(store)),
                                 VARVE_OK);
        forget_found(f);
    }
    ve_index_close(&index);
    ve_set_word(&store->control->index_generation, generation);
    assert_int_equal(ve_follow_index(store), VARVE_OK);
}

/* The first chunk of sessions as a whole, and others here and there. Names are kept. */
static bool leaves(vf_table table, uint32_t row) {
    return table != VF_TABLE_NAMES && (row < 70 || row % 5 == 2);
}

static bool leaves_none(vf_table table, uint32_t row) {
    (void)table, (void)row;
    return false;
}

static int count_usage(void *context, const varve_usage *usage) {
    assert_true(usage->session_row != UINT64_MAX &&
                !leaves(VF_TABLE_SESSIONS, (uint32_t)usage->session_row));
    ++*(uint32_t *)context;
    return 0;
}

static void print_fault(void *context, const varve_finding *finding) {
    (void)context;
    if (finding->error != 0)
        print_error("%s: %s\n", finding->file, finding->what);
}

static uint64_t count_sessions(varve *store, uint64_t parent_row) {
    varve_session_filter filter;
    uint64_t count = 0;
    varve_session_filter_init(&filter);
    filter.flags = VARVE_LIST_STUBS | VARVE_LIST_HIDDEN | VARVE_LIST_DELETED | VARVE_LIST_SUBAGENTS;
    filter.parent_row = parent_row;
    int result = varve_session_count(store, &filter, &count);
    return result == VARVE_OK ? count : UINT64_MAX;
}

static void check_gaps(varve *store, const picture *all) {
    const rows *sessions = &all->table[VF_TABLE_SESSIONS];
    varve_scan *scan;
    varve_session session;
    varve_stats stats = {.size = sizeof stats};
    uint64_t there = 0, listed = 0;
    uint32_t shares = 0;
    assert_int_equal(varve_scan_open(store, &scan), VARVE_OK);
    for (uint32_t row = 0; row < sessions->count; row++) {
        const vf_hot *hot = (const vf_hot *)(const void *)(sessions->image + row * 1024u);
        bool gone = leaves(VF_TABLE_SESSIONS, row);
        there += !gone;
        assert_int_equal(ve_find(&store->index, VF_TABLE_SESSIONS, hot->key),
                         gone ? UINT32_MAX : row);
        assert_int_equal(varve_scan_get_row(scan, row, &session),
                         gone ? VARVE_E_NOT_FOUND : VARVE_OK);
        if (gone)
            assert_int_equal(count_sessions(store, row), UINT64_MAX);
    }
    int more;
    while ((more = varve_scan_next(scan, &session)) == 1) {
        assert_false(leaves(VF_TABLE_SESSIONS, (uint32_t)session.row));
        assert_true(session.parent_row == UINT64_MAX ||
                    !leaves(VF_TABLE_SESSIONS, (uint32_t)session.parent_row));
        listed++;
    }
    assert_int_equal(more, 0);
    varve_scan_close(&scan);
    assert_int_equal(listed, there);
    assert_int_equal(count_sessions(store, UINT64_MAX), there);
    assert_int_equal(varve_stat(store, &stats), VARVE_OK);
    assert_int_equal(stats.sessions + stats.stubs, there);
    assert_int_equal(varve_usage_each(store, count_usage, &shares), 0);
    assert_true(shares > 0);
    assert_int_equal(varve_verify(store, 0, print_fault, NULL), 0);
}

static void a_row_that_was_left_out_is_no_session_and_no_charge(void **state) {
    (void)state;
    randomness r = {33};
    char *path = scratch_new();
    varve *store = scratch_open(path, 1 << 20);
    for (int i = 0; i < 40; i++)
        append_some(store, &r, 60);
    picture *all = picture_of(store, NULL);
    assert_true(all->table[VF_TABLE_SESSIONS].count > 250);
    leave_out(store, leaves_none);
    scratch_verify(store);
    leave_out(store, leaves);
    check_gaps(store, all);
    for (int t = 0; t < VF_TABLES; t++) { /* what is not there has not changed either */
        found *f = find_changed(store, (vf_table)t, 0, 64);
        for (uint32_t i = 0; i < f->count; i++)
            assert_false(leaves((vf_table)t, f->number[i]));
        forget_found(f);
    }
    /* Sessions that are there go on, also those whose parent is missing; messages go on behind rows
     * that are missing. */
    for (uint32_t row = 0; row < all->table[VF_TABLE_SESSIONS].count; row++)
        if (!leaves(VF_TABLE_SESSIONS, row)) {
            varve_scan *scan;
            varve_session session;
            char id[32], message[32];
            varve_batch *batch;
            assert_int_equal(varve_scan_open(store, &scan), VARVE_OK);
            assert_int_equal(varve_scan_get_row(scan, row, &session), VARVE_OK);
            snprintf(id, sizeof id, "%.*s", (int)session.session_id.size, session.session_id.ptr);
            varve_scan_close(&scan);
            varve_event event = scratch_event(id, "ApiRequest");
            event.present = VARVE_HAS_TOKENS | VARVE_HAS_COST | VARVE_HAS_CHARGE;
            event.tokens[0] = event.cost = 7;
            snprintf(message, sizeof message, "m%u", below(&r, 500));
            event.charge = varve_charge_key(varve_cstr(message));
            event.charge_part = 9;
            assert_int_equal(varve_batch_new(&batch), VARVE_OK);
            assert_true(varve_batch_add(batch, &event) >= 0);
            assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
            varve_batch_free(&batch);
        }
    check_gaps(store, all);
    forget(all);
    varve_close(&store);
    store = scratch_open(path, 0);
    assert_int_equal(varve_reindex(store), VARVE_OK);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

static void a_row_that_was_lost_is_told_from_one_that_was_left_out(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_session session = {.size = sizeof session};
    vf_hot hot;
    scratch_append(store, "a", "x", 1);
    scratch_append(store, "b", "x", 1);
    uint8_t *row = ve_item(&store->index, VF_TABLE_SESSIONS, VF_PART_ROWS, 1, false);
    memset(row, 0, VF_HOT_SIZE);
    assert_int_equal(ve_read_row(&store->index, VF_TABLE_SESSIONS, 1, false, &hot), VARVE_E_INDEX);
    assert_true(varve_verify(store, 0, NULL, NULL) > 0);
    assert_int_equal(count_sessions(store, UINT64_MAX), UINT64_MAX);
    memset(ve_item(&store->index, VF_TABLE_SESSIONS, VF_PART_CHANGED, 1, false), 0, 8);
    assert_true(varve_verify(store, 0, NULL, NULL) > 0); /* its word is still there */
    assert_int_equal(varve_reindex(store), VARVE_OK);
    const uint64_t wrong[] = {0, 1, UINT64_MAX, ve_tail(store) + 8};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        scratch_verify(store);
        ve_set_word(
            (le64 *)(void *)ve_item(&store->index, VF_TABLE_SESSIONS, VF_PART_CHANGED, 1, false),
            wrong[i]);
        assert_true(varve_verify(store, 0, NULL, NULL) > 0);
        scratch_append(store, "b", "x", 1);
    }
    assert_int_equal(varve_session_find(store, varve_cstr(NULL), varve_cstr("b"), &session),
                     VARVE_OK);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

/* ---- Another layout ---- */

static void an_index_of_an_older_layout_is_made_anew(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    scratch_append(store, "a", "x", 3);
    varve_close(&store);
    le32 sizes[VF_TABLES], older;
    for (int t = 0; t < VF_TABLES; t++)
        vf_put32(&sizes[t], vf_row_size((vf_table)t));
    vf_put32(&older, (uint32_t)vf_sum64(sizes, sizeof sizes, 0));
    tree_write(path, "idx/1/TABLES", &older, sizeof older, offsetof(vf_tables, layout_sum));
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    int result = varve_open(path, &options, &store);
    assert_int_equal(result, VARVE_OK); /* made for this reader alone */
    assert_int_equal(scratch_session(store, "a").events, 3);
    varve_close(&store);
    store = scratch_open(path, 0);
    assert_int_equal(store->index.generation, 2);
    assert_int_equal(scratch_session(store, "a").events, 3);
    scratch_verify(store);
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_changed_since_an_lsn_are_those_that_differ),
        cmocka_unit_test(a_change_that_a_dead_writer_left_is_dated_when_it_is_finished),
        cmocka_unit_test(an_index_is_the_same_when_its_rows_are_loaded_into_another),
        cmocka_unit_test(a_row_that_cannot_be_is_not_loaded),
        cmocka_unit_test(a_row_that_was_left_out_is_no_session_and_no_charge),
        cmocka_unit_test(a_row_that_was_lost_is_told_from_one_that_was_left_out),
        cmocka_unit_test(an_index_of_an_older_layout_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

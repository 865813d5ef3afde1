/*
 * The rows of the index in packed segments: those that changed since the last segment that carries
 * rows are written with each new one, so that the index of a store can be made anew without its
 * events. SPEC.md "Index rows".
 */
#include "engine/array.h"
#include "engine/pack.h"

#include <stdlib.h>
#include <zstd.h>

enum { ROWS_AT_A_TIME = 256 };

static int no_memory(varve *store) {
    return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
}

/* ---- What changed ---- */

typedef int take_rows(void *context, vf_table table, const uint32_t *numbers, const uint8_t *images,
                      uint32_t count);

static int each_change(varve *store, uint64_t since, take_rows *take, void *context) {
    uint32_t numbers[ROWS_AT_A_TIME], count = 0;
    uint8_t *images = malloc((size_t)ROWS_AT_A_TIME * (VF_HOT_SIZE + VF_COLD_SIZE));
    if (images == NULL)
        return no_memory(store);
    int result = VARVE_OK;
    for (uint32_t t = 0; t < VF_TABLES && result == VARVE_OK; t++) {
        uint64_t at = 0, known = t == VF_TABLE_NAMES ? 0 : since; /* names are few: all of them */
        do {
            result = ve_changed_rows(store, &store->index, (vf_table)t, known, &at, ROWS_AT_A_TIME,
                                     numbers, images, &count);
            if (result == VARVE_OK && count > 0)
                result = take(context, (vf_table)t, numbers, images, count);
        } while (result == VARVE_OK && count > 0);
    }
    free(images);
    return result;
}

/* ---- Rows that wait until a block of them is full ---- */

typedef struct {
    ve_pack *pack;
    ve_changes waiting; /* of one table at a time */
} writing;

static int keep(varve *store, ve_changes *changes, vf_table table, const uint32_t *numbers,
                const uint8_t *images, uint32_t count) {
    size_t size = vf_row_size(table), have = changes->count[table];
    if (!ve_grow(&changes->numbers[table], &changes->numbers_room[table], have + count,
                 sizeof **changes->numbers) ||
        !ve_grow(&changes->images[table], &changes->images_room[table], (have + count) * size, 1))
        return no_memory(store);
    memcpy(changes->numbers[table] + have, numbers, count * sizeof *numbers);
    memcpy(changes->images[table] + have * size, images, count * size);
    changes->count[table] += count;
    return VARVE_OK;
}

static int put(writing *w, vf_table table) {
    ve_changes *waiting = &w->waiting;
    int result = ve_pack_rows(w->pack, table, waiting->numbers[table], waiting->images[table],
                              (uint32_t)waiting->count[table]);
    waiting->count[table] = 0;
    return result;
}

static int take_for_file(void *context, vf_table table, const uint32_t *numbers,
                         const uint8_t *images, uint32_t count) {
    writing *w = context;
    int result = keep(w->pack->store, &w->waiting, table, numbers, images, count);
    if (result == VARVE_OK && w->waiting.count[table] * vf_row_size(table) >= (1u << 20))
        result = put(w, table);
    return result;
}

static int put_all(writing *w, int result) {
    for (uint32_t t = 0; t < VF_TABLES && result == VARVE_OK; t++)
        result = put(w, (vf_table)t);
    ve_changes_free(&w->waiting);
    return result;
}

int ve_changes_write(ve_pack *pack, uint64_t since) {
    writing w = {.pack = pack};
    return put_all(&w, each_change(pack->store, since, take_for_file, &w));
}

typedef struct {
    varve *store;
    ve_changes *changes;
} copying;

static int take_for_later(void *context, vf_table table, const uint32_t *numbers,
                          const uint8_t *images, uint32_t count) {
    copying *c = context;
    return keep(c->store, c->changes, table, numbers, images, count);
}

int ve_changes_copy(varve *store, uint64_t since, ve_changes *changes) {
    copying c = {store, changes};
    for (uint32_t t = 0; t < VF_TABLES; t++)
        changes->rows[t] = ve_rows(&store->index, (vf_table)t);
    return each_change(store, since, take_for_later, &c);
}

int ve_changes_put(ve_pack *pack, const ve_changes *changes) {
    int result = VARVE_OK;
    for (uint32_t t = 0; t < VF_TABLES && result == VARVE_OK; t++)
        result = ve_pack_rows(pack, (vf_table)t, changes->numbers[t], changes->images[t],
                              (uint32_t)changes->count[t]);
    return result;
}

void ve_changes_free(ve_changes *changes) {
    for (uint32_t t = 0; t < VF_TABLES; t++) {
        free(changes->numbers[t]);
        free(changes->images[t]);
    }
    *changes = (ve_changes){0};
}

/* ---- Rows of packed segments ---- */

/* One block of rows, open. */
typedef struct {
    uint8_t *plain, *images;
    uint32_t *numbers;
    uint32_t count;
    size_t plain_room, images_room, numbers_room;
} open_rows;

static void close_rows(open_rows *rows) {
    free(rows->plain);
    free(rows->images);
    free(rows->numbers);
}

static int load(varve *store, const ve_packed *file, uint32_t block, open_rows *rows) {
    const vf_block_entry *entry =
        vf_packed_item(file->map, &file->footer.rows, block, VF_BLOCK_ENTRY);
    uint32_t size = vf_row_size((vf_table)vf_get32(entry->first)), count = vf_get32(entry->count);
    uint64_t offset = vf_get64(entry->offset);
    if (store->units.zstd == NULL && (store->units.zstd = ZSTD_createDCtx()) == NULL)
        return no_memory(store);
    if (!ve_grow(&rows->plain, &rows->plain_room, vf_get32(entry->fixed_plain), 1) ||
        !ve_grow(&rows->images, &rows->images_room, (size_t)count * size, 1) ||
        !ve_grow(&rows->numbers, &rows->numbers_room, count, sizeof *rows->numbers))
        return no_memory(store);
    vf_result result =
        vf_part_open(store->units.zstd, file->map + offset, vf_get32(entry->fixed_size), offset,
                     vf_get32(entry->fixed_sum), rows->plain, vf_get32(entry->fixed_plain));
    if (result == VF_OK)
        result = vf_rows_decode(rows->plain, vf_get32(entry->fixed_plain), count, size,
                                rows->numbers, rows->images);
    if (result != VF_OK)
        return ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%08u.seg offset %llu: index rows: %s",
                       store->path, file->number, (unsigned long long)offset,
                       vf_result_text(result));
    rows->count = count;
    return VARVE_OK;
}

static vf_table table_of(const ve_packed *file, uint32_t block) {
    const vf_block_entry *entry =
        vf_packed_item(file->map, &file->footer.rows, block, VF_BLOCK_ENTRY);
    return (vf_table)vf_get32(entry->first);
}

/* A sequence of blocks of one table whose row numbers rise. Of several the later one counts. */
typedef struct {
    const ve_packed *file;
    uint32_t block, end; /* the next one to be opened; where the sequence ends */
    uint32_t at;         /* in the open one */
    open_rows rows;
} sequence;

typedef struct {
    varve *store;
    sequence *from; /* oldest first */
    size_t count, room;
} sequences;

static int next_of(varve *store, sequence *s, bool *ret_any) {
    int result = VARVE_OK;
    s->at++;
    while (s->at >= s->rows.count && s->block < s->end && result == VARVE_OK) {
        result = load(store, s->file, s->block++, &s->rows);
        s->at = 0;
    }
    *ret_any = s->at < s->rows.count;
    return result;
}

static int add_sequence(sequences *all, const ve_packed *file, uint32_t block, uint32_t end) {
    bool any;
    if (!ve_grow(&all->from, &all->room, all->count + 1, sizeof *all->from))
        return no_memory(all->store);
    sequence *s = &all->from[all->count++];
    *s = (sequence){.file = file, .block = block, .end = end, .at = UINT32_MAX};
    return next_of(all->store, s, &any);
}

/* The sequences of a table in a file. */
static int find_sequences(sequences *all, const ve_packed *file, vf_table table) {
    uint32_t blocks = vf_get32(file->footer.rows.count), begin = UINT32_MAX, last = 0;
    open_rows rows = {0};
    int result = VARVE_OK;
    for (uint32_t b = 0; b < blocks && result == VARVE_OK; b++) {
        if (table_of(file, b) != table) {
            if (begin != UINT32_MAX)
                result = add_sequence(all, file, begin, b);
            begin = UINT32_MAX;
            continue;
        }
        if ((result = load(all->store, file, b, &rows)) < 0)
            break;
        if (begin != UINT32_MAX && rows.numbers[0] <= last) {
            result = add_sequence(all, file, begin, b);
            begin = b;
        }
        begin = begin == UINT32_MAX ? b : begin;
        last = rows.numbers[rows.count - 1];
    }
    if (begin != UINT32_MAX && result == VARVE_OK)
        result = add_sequence(all, file, begin, blocks);
    close_rows(&rows);
    return result;
}

/* Takes the rows in the order of their numbers, each from the newest sequence that has it. */
static int merge_table(writing *w, sequences *all, vf_table table) {
    uint32_t size = vf_row_size(table);
    for (;;) {
        const sequence *newest = NULL;
        uint32_t row = UINT32_MAX;
        for (size_t i = 0; i < all->count; i++) {
            const sequence *s = &all->from[i];
            if (s->at < s->rows.count && s->rows.numbers[s->at] <= row) {
                row = s->rows.numbers[s->at];
                newest = s;
            }
        }
        if (newest == NULL)
            return put(w, table);
        int result =
            take_for_file(w, table, &row, newest->rows.images + (size_t)newest->at * size, 1);
        for (size_t i = 0; i < all->count && result == VARVE_OK; i++) {
            sequence *s = &all->from[i];
            bool any;
            if (s->at < s->rows.count && s->rows.numbers[s->at] == row)
                result = next_of(all->store, s, &any);
        }
        if (result < 0)
            return result;
    }
}

int ve_changes_merge(ve_pack *pack, ve_packed *const *file, size_t files) {
    writing w = {.pack = pack};
    int result = VARVE_OK;
    for (uint32_t t = 0; t < VF_TABLES && result == VARVE_OK; t++) {
        sequences all = {.store = pack->store};
        for (size_t i = 0; i < files && result == VARVE_OK; i++)
            result = find_sequences(&all, file[i], (vf_table)t);
        if (result == VARVE_OK)
            result = merge_table(&w, &all, (vf_table)t);
        for (size_t i = 0; i < all.count; i++)
            close_rows(&all.from[i].rows);
        free(all.from);
    }
    return put_all(&w, result);
}

/* ---- An index made of them ---- */

static int load_file(varve *store, ve_index *index, const ve_packed *file) {
    open_rows rows = {0};
    uint64_t rows_lsn = vf_get64(file->footer.rows_lsn);
    int result = VARVE_OK;
    for (uint32_t b = vf_get32(file->footer.rows.count); b > 0 && result == VARVE_OK; b--) {
        vf_table table = table_of(file, b - 1);
        uint32_t size = vf_row_size(table);
        rows.count = 0;
        result = load(store, file, b - 1, &rows);
        if (store->repairing && ve_is_damage(result))
            result = VARVE_OK; /* what is whole is taken */
        for (uint32_t i = 0; i < rows.count && result == VARVE_OK; i++)
            if (!ve_row_loaded(index, table, rows.numbers[i])) /* else a newer one is there */
                result = ve_load_row(store, index, table, rows.numbers[i],
                                     rows.images + (size_t)i * size, rows_lsn);
    }
    close_rows(&rows);
    return result;
}

int ve_changes_hold(varve *store, const ve_packed *file) {
    open_rows rows = {0};
    int result = VARVE_OK;
    for (uint32_t b = 0; b < vf_get32(file->footer.rows.count) && result == VARVE_OK; b++)
        result = load(store, file, b, &rows);
    close_rows(&rows);
    return result;
}

int ve_changes_load(varve *store, ve_index *index, uint64_t *ret_from) {
    const ve_layout *layout = ve_layout_now(store);
    uint64_t from = ve_log_first(store);
    int result = layout == NULL ? VARVE_E_CORRUPT : VARVE_OK;
    size_t files = layout == NULL ? 0 : layout->files;
    if (store->rows_files != 0 && store->rows_files - 1 < files)
        files = store->rows_files - 1;
    for (size_t i = files; i > 0 && result == VARVE_OK; i--) {
        ve_packed *file;
        int found = ve_layout_file(store, layout->file[i - 1]->first, &file);
        if (found < 0)
            return found;
        if (vf_get64(file->footer.rows_lsn) > from)
            from = vf_get64(file->footer.rows_lsn);
        result = load_file(store, index, file);
    }
    *ret_from = from;
    return result;
}

/*
 * A packed segment being written: blocks as they fill, then the tables, then the footer. What is
 * not finished is in nobody's way: no manifest names it. SPEC.md "Packed segments".
 */
#include "engine/pack.h"
#include "engine/array.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <zstd.h>

/* Bytes of data of a block, and zstd's level, by tier: measured, see the table in SPEC.md "Tiers".
 */
static const struct {
    size_t block;
    int level;
} tiers[] = {{256 << 10, 3}, {4 << 20, 9}};
enum { PIN_BLOCK = 64 << 10 };

static int no_memory(varve *store) {
    return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
}

static int write_bytes(ve_pack *pack, const void *bytes, size_t size) {
    if (size > 0 && ve_write_all(pack->store->os, pack->fd, bytes, size, pack->at) < 0)
        return ve_fail_os(pack->store, "%s/seg/%08u.seg: cannot be written", pack->store->path,
                          pack->number);
    pack->at += size;
    return VARVE_OK;
}

int ve_pack_begin(ve_pack *pack, varve *store, uint32_t number, uint32_t tier) {
    *pack = (ve_pack){.store = store, .fd = -1, .number = number, .tier = tier};
    char name[16];
    vf_packed_header header = {0};
    ve_packed_name(name, number);
    pack->level = store->pack_level != 0 ? store->pack_level : tiers[tier].level;
    pack->area[VE_AREA_MAIN].target =
        store->pack_block != 0 ? store->pack_block : tiers[tier].block;
    pack->area[VE_AREA_PINS].target = PIN_BLOCK;
    vf_put64(&pack->footer.time_min, (uint64_t)INT64_MAX);
    vf_put64(&pack->footer.time_max, (uint64_t)INT64_MIN);
    vf_block_begin(&pack->area[VE_AREA_MAIN].block);
    vf_block_begin(&pack->area[VE_AREA_PINS].block);
    if ((pack->zstd = ZSTD_createCCtx()) == NULL)
        return no_memory(store);
    /* What is left under this name may be another store's file as well (a hard link): never written
     * to. */
    store->os->unlinkat(store->log.dir, name, 0);
    pack->fd = ve_make_file(store->os, &store->share, store->log.dir, name, O_RDWR | O_EXCL);
    if (pack->fd < 0)
        return ve_fail_os(store, "%s/seg/%s: cannot be made", store->path, name);
    memcpy(header.store_uuid, store->ident.uuid, 16);
    vf_put32(&header.number, number);
    vf_put_i64(&header.created, store->os->now());
    vf_packed_header_seal(&header);
    return write_bytes(pack, &header, sizeof header);
}

/* ---- Blocks ---- */

/* Writes a part of a block; says how many bytes it takes in the file, and their sum. */
static int write_part(ve_pack *pack, const uint8_t *plain, size_t size, le32 *ret_size,
                      le32 *ret_sum) {
    size_t room = vf_part_bound(size);
    if (size == 0)
        return VARVE_OK; /* it has none */
    if (!ve_grow(&pack->stored, &pack->stored_room, room, 1))
        return no_memory(pack->store);
    size_t stored = vf_part_pack(pack->zstd, pack->level, plain, size, pack->stored, room);
    if (stored == 0)
        return no_memory(pack->store);
    vf_put32(ret_size, (uint32_t)stored);
    vf_put32(ret_sum, vf_part_sum(pack->stored, stored, pack->at));
    return write_bytes(pack, pack->stored, stored);
}

static int flush(ve_pack *pack, ve_pack_area *area) {
    vf_block *block = &area->block;
    vf_block_entry entry = {0};
    if (block->count == 0)
        return VARVE_OK;
    if (!ve_grow(&pack->plain, &pack->plain_room, vf_block_fixed_max(block), 1) ||
        !ve_grow(&area->entry, &area->room, area->entries + 1, sizeof *area->entry))
        return no_memory(pack->store);
    size_t size = vf_block_fixed(block, pack->plain);
    vf_put64(&entry.offset, pack->at);
    vf_put32(&entry.fixed_plain, (uint32_t)size);
    vf_put32(&entry.data_plain, (uint32_t)block->data_size);
    vf_put32(&entry.first, area->ids - block->count);
    vf_put32(&entry.count, block->count);
    int result = write_part(pack, pack->plain, size, &entry.fixed_size, &entry.fixed_sum);
    if (result == VARVE_OK)
        result = write_part(pack, block->data, block->data_size, &entry.data_size, &entry.data_sum);
    if (result == VARVE_OK)
        area->entry[area->entries++] = entry;
    vf_block_begin(block);
    return result;
}

/* ---- Sessions and their records ---- */

static vf_packed_session *current(ve_pack *pack) {
    return &pack->session[pack->sessions - 1];
}

/* A session that has neither records nor pins leaves no trace. */
static void leave_session(ve_pack *pack) {
    if (pack->in_session && vf_get32(current(pack)->records) == 0 &&
        vf_get32(current(pack)->pins) == 0)
        pack->sessions--;
    pack->in_session = false;
}

int ve_pack_session(ve_pack *pack, vf_key key, vf_key line_key, uint32_t row) {
    leave_session(pack);
    for (int a = 0; a < 2; a++) { /* a session in one block is read by opening one block */
        ve_pack_area *area = &pack->area[a];
        int result = area->block.data_size >= area->target / 2 ? flush(pack, area) : VARVE_OK;
        if (result < 0)
            return result;
    }
    if (!ve_grow(&pack->session, &pack->sessions_room, pack->sessions + 1, sizeof *pack->session))
        return no_memory(pack->store);
    vf_packed_session *session = &pack->session[pack->sessions++];
    *session = (vf_packed_session){.key = key, .line_key = line_key};
    vf_put32(&session->row, row);
    vf_put32(&session->first, pack->area[VE_AREA_MAIN].ids);
    vf_put32(&session->pins_first, pack->area[VE_AREA_PINS].ids);
    pack->in_session = true;
    return VARVE_OK;
}

static void count32(le32 *at) {
    vf_put32(at, vf_get32(*at) + 1);
}

static void add64(le64 *at, uint64_t n) {
    vf_put64(at, vf_get64(*at) + n);
}

static void count_record(ve_pack *pack, const vf_frame *frame, uint64_t lsn, uint64_t payload) {
    vf_packed_session *session = current(pack);
    vf_packed_footer *footer = &pack->footer;
    if (vf_get32(session->records) == 0) {
        session->first_seq = frame->seq;
        vf_put64(&session->first_lsn, lsn);
        if (frame->kind == VF_KIND_BASE)
            vf_put32(&session->flags, vf_get32(session->flags) | VF_RUN_DROPPED);
    }
    if (frame->kind == VF_KIND_REWIND)
        vf_put32(&session->flags, vf_get32(session->flags) | VF_RUN_MARKS);
    vf_put64(&session->last_lsn, lsn);
    count32(&session->records);
    add64(&footer->records, 1);
    if (frame->kind == VF_KIND_EVENT) {
        add64(&session->events, 1);
        add64(&session->payload_bytes, payload);
        add64(&footer->events, 1);
        add64(&footer->payload_bytes, payload);
    }
    if ((frame->flags & VF_FRAME_HAS_TIME) != 0 && frame->kind != VF_KIND_BASE) {
        int64_t time = vf_get_i64(frame->time);
        if (time < vf_get_i64(footer->time_min))
            vf_put_i64(&footer->time_min, time);
        if (time > vf_get_i64(footer->time_max))
            vf_put_i64(&footer->time_max, time);
    }
}

static int make_room(ve_pack *pack, ve_pack_area *area, size_t body_size) {
    size_t stream, data;
    vf_block *block = &area->block;
    vf_block_needs(body_size, &stream, &data);
    bool full = block->data_size >= area->target || block->count == VF_BLOCK_RECORDS_MAX ||
                (block->count > 0 && data > area->target);
    int result = full ? flush(pack, area) : VARVE_OK;
    if (result < 0)
        return result;
    if (!ve_grow(&block->images, &block->images_room, block->count + 1, VF_IMAGE_SIZE) ||
        !ve_grow(&block->stream, &block->stream_room, block->stream_size + stream, 1) ||
        !ve_grow(&block->data, &block->data_room, block->data_size + data, 1))
        return no_memory(pack->store);
    return VARVE_OK;
}

int ve_pack_record(ve_pack *pack, ve_area where, const ve_record *record) {
    ve_pack_area *area = &pack->area[where];
    varve *store = pack->store;
    vf_frame frame = record->frame;
    const uint8_t *body = record->body;
    size_t size = vf_get32(frame.length) - VF_FRAME_SIZE;
    uint8_t *own = NULL;
    bool pin = where == VE_AREA_PINS;
    int result = make_room(pack, area, size);
    if (result == VARVE_OK && body == NULL) { /* from a packed segment, taken apart */
        own = malloc(size + 1);
        if (own == NULL)
            return no_memory(store);
        vf_result restored =
            vf_unit_raw_body(&record->unit->unit, record->place, record->line_key, own);
        body = own;
        if (restored != VF_OK)
            result =
                ve_fail(store, VARVE_E_CORRUPT, "%s/seg: a packed record cannot be restored: %s",
                        store->path, vf_result_text(restored));
    }
    if (result == VARVE_OK && pin) { /* what decides between records that are alike in all else */
        uint32_t sum = 0;
        result = ve_record_sum(store, record, &sum);
        vf_put32(&frame.body_sum, sum);
    }
    /* The run says whose it is, but for a pin of a stub: that is another session's record. */
    if (!pin || vf_key_equal(frame.session, current(pack)->key))
        frame.session = (vf_key){{0}};
    if (result == VARVE_OK) {
        vf_result added = vf_block_add(&area->block, record->lsn, &frame, body, size,
                                       current(pack)->line_key, pin);
        if (added != VF_OK)
            result = ve_fail(store, VARVE_E_CORRUPT, "%s/seg: a record cannot be packed: %s",
                             store->path, vf_result_text(added));
    }
    if (result == VARVE_OK) {
        vf_fixed fixed = {0};
        area->ids++;
        if (frame.kind == VF_KIND_EVENT && size >= sizeof fixed)
            memcpy(&fixed, body, sizeof fixed);
        if (pin)
            count32(&current(pack)->pins);
        else
            count_record(pack, &frame, record->lsn, vf_get32(fixed.payload_size));
    }
    free(own);
    return result;
}

int ve_pack_rows(ve_pack *pack, vf_table table, const uint32_t *numbers, const uint8_t *images,
                 uint32_t count) {
    uint32_t size = vf_row_size(table);
    while (count > 0) {
        uint32_t some = count < VF_ROWS_MAX ? count : VF_ROWS_MAX;
        vf_block_entry entry = {0};
        if (!ve_grow(&pack->plain, &pack->plain_room, vf_rows_max(some, size), 1) ||
            !ve_grow(&pack->rows, &pack->rows_room, pack->row_blocks + 1, sizeof *pack->rows))
            return no_memory(pack->store);
        size_t plain = vf_rows_encode(numbers, images, some, size, pack->plain);
        vf_put64(&entry.offset, pack->at);
        vf_put32(&entry.fixed_plain, (uint32_t)plain);
        vf_put32(&entry.first, (uint32_t)table);
        vf_put32(&entry.count, some);
        int result = write_part(pack, pack->plain, plain, &entry.fixed_size, &entry.fixed_sum);
        if (result < 0)
            return result;
        pack->rows[pack->row_blocks++] = entry;
        numbers += some;
        images += (size_t)some * size;
        count -= some;
    }
    return VARVE_OK;
}

int ve_pack_hole(ve_pack *pack, uint64_t from, uint64_t to) {
    if (!ve_grow(&pack->hole, &pack->holes_room, pack->holes + 1, sizeof *pack->hole))
        return no_memory(pack->store);
    vf_put64(&pack->hole[pack->holes].from, from);
    vf_put64(&pack->hole[pack->holes++].to, to);
    return VARVE_OK;
}

/* ---- Tables and footer ---- */

static int by_key(const void *a, const void *b, void *context) {
    const vf_packed_session *sessions = context;
    return vf_key_compare(sessions[*(const uint32_t *)a].key, sessions[*(const uint32_t *)b].key);
}

static int order_by_key(const ve_pack *pack, le32 **ret_order) {
    uint32_t *order = malloc((pack->sessions + 1) * sizeof *order);
    le32 *out = malloc((pack->sessions + 1) * sizeof *out);
    if (order == NULL || out == NULL) {
        free(order);
        free(out);
        return no_memory(pack->store);
    }
    for (size_t i = 0; i < pack->sessions; i++)
        order[i] = (uint32_t)i;
    if (pack->sessions > 1)
        qsort_r(order, pack->sessions, sizeof *order, by_key, pack->session);
    for (size_t i = 0; i < pack->sessions; i++)
        vf_put32(&out[i], order[i]);
    free(order);
    *ret_order = out;
    return VARVE_OK;
}

/* Appends an array to the tables in memory, padded to a multiple of 8. */
static int add_table(ve_pack *pack, size_t *used, const void *items, size_t count, size_t size,
                     vf_array *ret_array) {
    size_t bytes = count * size, padded = (bytes + 7) & ~(size_t)7;
    if (!ve_grow(&pack->plain, &pack->plain_room, *used + padded + 8, 1))
        return no_memory(pack->store);
    if (bytes > 0)
        memcpy(pack->plain + *used, items, bytes);
    memset(pack->plain + *used + bytes, 0, padded - bytes);
    vf_put64(&ret_array->offset, pack->at + *used);
    vf_put32(&ret_array->count, (uint32_t)count);
    *used += padded;
    return VARVE_OK;
}

static int by_from(const void *a, const void *b) {
    uint64_t p = vf_get64(((const vf_hole *)a)->from), q = vf_get64(((const vf_hole *)b)->from);
    return p < q ? -1 : p > q;
}

/* One hole may have been noted twice: by recovery in a segment's header, and when its records were
 * read. They stand in order, apart from each other. */
static void order_holes(ve_pack *pack) {
    size_t kept = 0;
    if (pack->holes > 1)
        qsort(pack->hole, pack->holes, sizeof *pack->hole, by_from);
    for (size_t i = 0; i < pack->holes; i++) {
        vf_hole *last = kept > 0 ? &pack->hole[kept - 1] : NULL;
        if (last == NULL || vf_get64(pack->hole[i].from) > vf_get64(last->to))
            pack->hole[kept++] = pack->hole[i];
        else if (vf_get64(pack->hole[i].to) > vf_get64(last->to))
            last->to = pack->hole[i].to;
    }
    pack->holes = kept;
}

static int write_tables(ve_pack *pack) {
    static const uint8_t zeros[8];
    vf_packed_footer *footer = &pack->footer;
    const ve_pack_area *main_area = &pack->area[VE_AREA_MAIN], *pins = &pack->area[VE_AREA_PINS];
    le32 *order = NULL;
    size_t used = 0;
    order_holes(pack);
    int result = write_bytes(pack, zeros, (size_t)(-pack->at & 7));
    vf_put64(&footer->tables_at, pack->at);
    if (result == VARVE_OK)
        result = order_by_key(pack, &order);
    if (result == VARVE_OK)
        result = add_table(pack, &used, pack->session, pack->sessions, VF_PACKED_SESSION,
                           &footer->sessions);
    if (result == VARVE_OK)
        result = add_table(pack, &used, order, pack->sessions, sizeof *order, &footer->by_key);
    if (result == VARVE_OK)
        result = add_table(pack, &used, main_area->entry, main_area->entries, VF_BLOCK_ENTRY,
                           &footer->blocks);
    if (result == VARVE_OK)
        result = add_table(pack, &used, pins->entry, pins->entries, VF_BLOCK_ENTRY, &footer->pins);
    if (result == VARVE_OK)
        result =
            add_table(pack, &used, pack->rows, pack->row_blocks, VF_BLOCK_ENTRY, &footer->rows);
    if (result == VARVE_OK)
        result =
            add_table(pack, &used, pack->hole, pack->holes, sizeof *pack->hole, &footer->holes);
    free(order);
    if (result < 0)
        return result;
    vf_put64(&footer->tables_sum, vf_sum64(pack->plain, used, 0));
    return write_bytes(pack, pack->plain, used);
}

/* Sum over the first bytes of the file, as the system has them. 'whole': and what a reader would
 * check before it believes the file; one that was made of a damaged index must not take the place
 * of the log. */
static int sum_file(ve_pack *pack, uint64_t size, bool whole, le64 *ret_sum) {
    void *map = pack->store->os->mmap(size, PROT_READ, MAP_SHARED, pack->fd, 0);
    if (map == MAP_FAILED)
        return ve_fail_os(pack->store, "%s/seg/%08u.seg: cannot be mapped", pack->store->path,
                          pack->number);
    vf_packed_footer footer;
    int read_only;
    vf_put64(ret_sum, vf_sum64(map, (size_t)size, 0));
    vf_result checked = whole ? vf_packed_check(map, (size_t)size, &footer, &read_only) : VF_OK;
    pack->store->os->munmap(map, (size_t)size);
    return checked == VF_OK ? VARVE_OK
                            : ve_fail(pack->store, VARVE_E_INDEX,
                                      "%s/idx: the index does not fit the log, nothing was packed: "
                                      "run varve reindex",
                                      pack->store->path);
}

int ve_pack_finish(ve_pack *pack, vf_manifest_entry *ret_entry) {
    vf_packed_footer *footer = &pack->footer;
    leave_session(pack);
    int result = flush(pack, &pack->area[VE_AREA_MAIN]);
    if (result == VARVE_OK)
        result = flush(pack, &pack->area[VE_AREA_PINS]);
    if (result == VARVE_OK)
        result = write_tables(pack);
    if (result == VARVE_OK)
        result = sum_file(pack, pack->at, false, &footer->file_sum);
    if (result < 0)
        return result;
    memcpy(footer->store_uuid, pack->store->ident.uuid, 16);
    vf_put32(&footer->number, pack->number);
    vf_put32(&footer->tier, pack->tier);
    add64(&footer->written_total, pack->at + sizeof *footer);
    vf_packed_footer_seal(footer);
    vf_manifest_entry entry = {.first_lsn = footer->first_lsn,
                               .end_lsn = footer->end_lsn,
                               .time_min = footer->time_min,
                               .time_max = footer->time_max,
                               .number = footer->number,
                               .tier = footer->tier,
                               .events = footer->events};
    if ((result = write_bytes(pack, footer, sizeof *footer)) == VARVE_OK)
        result = sum_file(pack, pack->at, true, &entry.sum);
    if (result == VARVE_OK && pack->store->os->fsync(pack->fd) < 0)
        result = ve_fail_os(pack->store, "%s/seg/%08u.seg: cannot be synced", pack->store->path,
                            pack->number);
    if (result == VARVE_OK && pack->store->os->fsync(pack->store->log.dir) < 0)
        result = ve_fail_os(pack->store, "%s/seg: cannot be synced", pack->store->path);
    vf_put64(&entry.size, pack->at);
    if (result == VARVE_OK)
        *ret_entry = entry;
    return result;
}

void ve_pack_end(ve_pack *pack, bool keep) {
    char name[16];
    ve_packed_name(name, pack->number);
    if (pack->fd >= 0)
        pack->store->os->close(pack->fd);
    if (pack->fd >= 0 && !keep)
        pack->store->os->unlinkat(pack->store->log.dir, name, 0);
    for (int a = 0; a < 2; a++) {
        free(pack->area[a].block.images);
        free(pack->area[a].block.stream);
        free(pack->area[a].block.data);
        free(pack->area[a].entry);
    }
    ZSTD_freeCCtx(pack->zstd);
    free(pack->plain);
    free(pack->stored);
    free(pack->rows);
    free(pack->session);
    free(pack->hole);
}

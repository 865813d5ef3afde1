/*
 * Sums over all session records, straight from the mapped rows: no record is copied.
 */
#include "engine/recover.h"
#include "engine/store.h"

/* What a row adds. The compiler keeps it in registers: a row costs little more than its cache
 * lines. */
static void add(varve_totals *t, const vf_hot *hot) {
    for (int k = 0; k < VF_TOKENS; k++)
        t->tokens[k] = (int64_t)((uint64_t)t->tokens[k] + vf_get64(hot->tokens[k]));
    t->cost = (int64_t)((uint64_t)t->cost + vf_get64(hot->cost));
    t->user_messages += vf_get32(hot->user_messages);
    t->assistant_messages += vf_get32(hot->assistant_messages);
    t->tool_calls += vf_get32(hot->tool_calls);
    t->api_requests += vf_get32(hot->api_requests);
    t->api_errors += vf_get32(hot->api_errors);
    t->compactions += vf_get32(hot->compactions);
    t->turns += vf_get32(hot->turns);
    t->events += vf_get64(hot->events);
    t->payload_bytes += vf_get64(hot->payload_bytes);
}

enum { TOGETHER = 64 };

static uint32_t version_of(const uint8_t *row) {
    const _Atomic uint32_t *version = (const _Atomic uint32_t *)(const void *)row;
    return VF_SWAP32(atomic_load_explicit(version, memory_order_relaxed));
}

/* Rows that lie one behind the other; false: a writer was at one of them, and nothing was added. */
static bool add_rows(varve_totals *totals, const uint8_t *rows, uint32_t count) {
    uint32_t before[TOGETHER], odd = 0, changed = 0;
    varve_totals sum = *totals;
    for (uint32_t i = 0; i < count; i++) {
        before[i] = version_of(rows + (size_t)i * VF_HOT_SIZE);
        odd |= before[i] & 1;
    }
    atomic_thread_fence(memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        const vf_hot *hot = (const vf_hot *)(const void *)(rows + (size_t)i * VF_HOT_SIZE);
        if ((vf_get32(hot->flags) & (VF_SR_DEFINED | VF_SR_DELETED)) != VF_SR_DEFINED)
            continue;
        add(&sum, hot);
        sum.sessions++;
    }
    atomic_thread_fence(memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        changed |= before[i] ^ version_of(rows + (size_t)i * VF_HOT_SIZE);
    if (odd != 0 || changed != 0)
        return false;
    *totals = sum;
    return true;
}

/* The same, each row by itself. */
static int add_carefully(varve *store, varve_totals *totals, uint64_t row, uint32_t count) {
    for (uint64_t end = row + count; row < end; row++) {
        vf_hot hot;
        int result = ve_need_row(store, VF_TABLE_SESSIONS, row, false, &hot);
        if (result < 0)
            return result;
        if ((vf_get32(hot.flags) & (VF_SR_DEFINED | VF_SR_DELETED)) != VF_SR_DEFINED)
            continue;
        add(totals, &hot);
        totals->sessions++;
    }
    return VARVE_OK;
}

int varve_session_totals(varve *store, varve_totals *ret_totals) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result == VARVE_OK)
        result = ve_follow_index(store);
    if (result < 0)
        return result;
    varve_totals totals = {.size = sizeof totals};
    ve_index *index = &store->index;
    const ve_part *part = &index->table[VF_TABLE_SESSIONS].part[VF_PART_ROWS];
    uint64_t rows = ve_rows(index, VF_TABLE_SESSIONS);
    for (uint64_t row = 0; row < rows && result == VARVE_OK;) {
        uint32_t chunk;
        uint64_t first, count;
        vf_chunk_of(row, part->base, part->cap, &chunk, &first, &count);
        const uint8_t *at = ve_item(index, VF_TABLE_SESSIONS, VF_PART_ROWS, row, false);
        uint64_t end = first + count < rows ? first + count : rows;
        uint32_t some = end - row < TOGETHER ? (uint32_t)(end - row) : TOGETHER;
        if (at == NULL || !add_rows(&totals, at, some))
            result = add_carefully(store, &totals, row, some);
        row += some;
    }
    if (result < 0)
        return result;
    *ret_totals = totals;
    return VARVE_OK;
}

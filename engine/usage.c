/*
 * Usage: what every charge counts, straight from the usage rows.
 */
#include "engine/fold.h"
#include "engine/recover.h"
#include "engine/store.h"

typedef struct {
    varve *store;
    int (*each)(void *context, const varve_usage *usage);
    void *context;
    uint32_t model; /* whose name is in 'name' */
    vf_name_row name;
} reading;

static int less(void *context, uint32_t a, uint32_t b) {
    reading *r = context;
    uint8_t image[2][VF_HOT_SIZE + VF_COLD_SIZE];
    uint32_t row[2] = {a, b};
    varve_str machine[2], id[2];
    bool known = true;
    ve_hold own = {0}, *before = ve_hold_use(r->store, &own);
    for (int i = 0; i < 2 && known; i++)
        known =
            ve_read_row(&r->store->index, VF_TABLE_SESSIONS, row[i], true, image[i]) == VARVE_OK &&
            ve_identity(r->store, (const vf_cold *)(const void *)(image[i] + VF_HOT_SIZE),
                        &machine[i], &id[i]) == VARVE_OK;
    int result = known ? ve_compare_identity(machine[0], id[0], machine[1], id[1]) < 0 : a < b;
    ve_hold_end(r->store, &own, before);
    return result;
}

static int name_model(reading *r, uint32_t model, varve_str *ret_name) {
    *ret_name = (varve_str){NULL, 0};
    if (model == 0)
        return VARVE_OK;
    int result = model == r->model
                     ? VARVE_OK
                     : ve_need_row(r->store, VF_TABLE_NAMES, model - 1, true, &r->name);
    r->model = result < 0 ? 0 : model;
    if (result < 0)
        return result;
    uint32_t size = vf_get32(r->name.size);
    *ret_name = (varve_str){(const char *)r->name.text, size < VF_NAME_MAX ? size : VF_NAME_MAX};
    return VARVE_OK;
}

/* Only the best source of a session counts, and the API. */
static int counts(reading *r, const vf_share *share, bool *ret_counts) {
    r->store->trouble = VARVE_E_INDEX; /* if there is no such row */
    const uint8_t *row =               /* one byte of it, which is whole at any moment */
        share->owner < ve_rows(&r->store->index, VF_TABLE_SESSIONS)
            ? ve_item(&r->store->index, VF_TABLE_SESSIONS, VF_PART_ROWS, share->owner, false)
            : NULL;
    if (row == NULL)
        return ve_row_failed(r->store, VF_TABLE_SESSIONS, share->owner, r->store->trouble);
    *ret_counts = !ve_no_row(VF_TABLE_SESSIONS, row) &&
                  (share->source == VF_SOURCE_API ||
                   share->source == ((const vf_hot *)(const void *)row)->best_source);
    return VARVE_OK;
}

static int give(reading *r, const vf_share *share) {
    bool wanted = false;
    int result = counts(r, share, &wanted);
    if (result < 0 || !wanted)
        return result;
    varve_usage usage = {.size = sizeof usage,
                         .session_row = share->owner,
                         .kind = share->kind,
                         .source = share->source,
                         .has_time = (share->flags & VF_UR_TIME) != 0,
                         .has_cost = (share->flags & VF_UR_COST) != 0,
                         .lower_bound = (share->flags & VF_UR_LOWER_BOUND) != 0,
                         .time = share->time,
                         .price_table = share->price_table,
                         .cost = share->cost};
    memcpy(usage.tokens, share->tokens, sizeof usage.tokens);
    if ((result = name_model(r, share->model, &usage.model)) < 0)
        return result;
    return r->each(r->context, &usage);
}

static int read_row(reading *r, uint32_t row, vf_usage *ret_row) {
    return ve_need_row(r->store, VF_TABLE_USAGE, row, true, ret_row);
}

static bool is_none(const vf_usage *row) {
    return ve_no_row(VF_TABLE_USAGE, (const uint8_t *)row);
}

int varve_usage_each(varve *store, int (*each)(void *context, const varve_usage *usage),
                     void *context) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result == VARVE_OK)
        result = ve_follow_index(store);
    if (result < 0)
        return result;
    reading r = {.store = store, .each = each, .context = context};
    uint64_t rows = ve_rows(&store->index, VF_TABLE_USAGE);
    for (uint64_t i = 0; i < rows; i++) {
        vf_usage chain[VF_USAGE_CHAIN_MAX];
        size_t count = 1;
        if ((result = read_row(&r, (uint32_t)i, &chain[0])) < 0)
            return result;
        /* Rows of one message are read together, from the first of them. */
        if (is_none(&chain[0]) ||
            ((chain[0].flags & VF_UR_SINGLE) == 0 && (chain[0].flags & VF_UR_LINKED) != 0))
            continue;
        for (uint32_t next = vf_get32(chain[0].next); next != 0 && count < VF_USAGE_CHAIN_MAX;
             count++) {
            if ((result = read_row(&r, next - 1, &chain[count])) < 0)
                return result;
            if (is_none(&chain[count]))
                break;
            next = vf_get32(chain[count].next);
        }
        vf_share shares[VF_USAGE_CHAIN_MAX];
        size_t n = vf_settle(chain, count, less, &r, shares);
        for (size_t s = 0; s < n; s++)
            if ((result = give(&r, &shares[s])) != 0)
                return result;
    }
    return VARVE_OK;
}

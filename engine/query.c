/*
 * Sessions by filter, order and page: what fits waits in a heap for its turn, 16 bytes each.
 */
#include "engine/fold.h"
#include "engine/heap.h"
#include "engine/read.h"
#include "engine/store.h"

#include <stdlib.h>

/* 16 bytes a session that waits for its turn. */
typedef struct {
    int64_t value;
    uint32_t row;
    uint32_t
        prefix; /* first bytes of its session id, once two values were equal; 0 = not read yet */
} entry;

struct varve_list {
    varve *store;
    ve_fit fits;
    uint32_t rows, next; /* arrival: where the scan is and where it ends */
    uint64_t left;       /* still to be given */
    ve_heap heap;
    varve_place place;
    int error; /* of a comparison */
};

/* ---- Order ---- */

/* 1 and its place in the order, 0, or an error. */
static int fits(varve_list *list, uint32_t row, entry *ret) {
    vf_hot hot;
    int fit = ve_fit_row(&list->fits, row, &hot);
    if (fit <= 0)
        return fit;
    uint32_t flags = vf_get32(hot.flags);
    int64_t value = row, own = vf_get_i64(hot.cost), below = ve_sum(hot.cost_children);
    if (list->fits.filter.order == VARVE_ORDER_COST) {
        value = (flags & VF_SR_HAS_COST) == 0 && below == 0 ? INT64_MIN : 0;
        if (value == 0 && __builtin_add_overflow(own, below, &value))
            value = own > 0 ? INT64_MAX : INT64_MIN;
    } else if (list->fits.filter.order != VARVE_ORDER_ARRIVAL) {
        bool start = list->fits.filter.order == VARVE_ORDER_START;
        value = (flags & VF_SR_HAS_TIME) == 0
                    ? INT64_MIN
                    : vf_get_i64(start ? hot.first_started : hot.last_activity);
    }
    *ret = (entry){.value = value, .row = row};
    return 1;
}

static int identity_of(varve_list *list, uint32_t row, varve_str *ret_machine, varve_str *ret_id) {
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    int result = ve_need_row(list->store, VF_TABLE_SESSIONS, row, true, image);
    if (result < 0)
        return result;
    return ve_identity_known(list->store, (const vf_cold *)(const void *)(image + VF_HOT_SIZE),
                             ret_machine, ret_id);
}

static void note_prefix(varve_list *list, entry *one) {
    varve_str machine, id = {0};
    if (one->prefix != 0)
        return;
    ve_hold own = {0}, *outer = ve_hold_use(list->store, &own);
    bool known = identity_of(list, one->row, &machine, &id) == VARVE_OK;
    for (size_t i = 0; known && i < sizeof one->prefix; i++)
        one->prefix = one->prefix << 8 | (i < id.size ? (uint8_t)id.ptr[i] : 0);
    ve_hold_end(list->store, &own, outer);
}

static int before(void *context, void *a_item, void *b_item) {
    varve_list *list = context;
    entry *a = a_item, *b = b_item;
    if (a->value != b->value)
        return a->value > b->value;
    if (a->row == b->row)
        return 0;
    note_prefix(list, a);
    note_prefix(list, b);
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    varve_str machine[2] = {0}, id[2] = {0};
    ve_hold own = {0}, *outer = ve_hold_use(list->store, &own);
    int result = identity_of(list, a->row, &machine[0], &id[0]);
    if (result == VARVE_OK)
        result = identity_of(list, b->row, &machine[1], &id[1]);
    bool first = result == VARVE_OK ? ve_compare_identity(machine[0], id[0], machine[1], id[1]) < 0
                                    : a->row < b->row;
    ve_hold_end(list->store, &own, outer);
    if (result < 0)
        list->error = result;
    return first;
}

/* ---- Opening ---- */

static int open_list(varve *store, const varve_session_filter *filter, varve_list **ret_list) {
    varve_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    list->store = store;
    const varve_session_filter *f = &list->fits.filter;
    int result = ve_fit_open(&list->fits, store, filter);
    list->rows = result < 0 ? 0 : (uint32_t)ve_rows(&store->index, VF_TABLE_SESSIONS);
    list->place = f->after;
    if (result == VARVE_OK &&
        (f->order > VARVE_ORDER_COST || (f->after.row != UINT64_MAX && f->after.row >= list->rows)))
        result = ve_fail(store, VARVE_E_ARGUMENT, "no such order, or no such place in it");
    if (result < 0)
        varve_list_close(&list);
    else
        *ret_list = list;
    return result;
}

static int collect(varve_list *list) {
    const varve_session_filter *f = &list->fits.filter;
    entry from = {.value = f->after.value, .row = (uint32_t)f->after.row};
    list->heap = (ve_heap){.item_size = sizeof(entry), .before = before, .context = list};
    if (f->limit > 0 && f->limit < UINT32_MAX && f->offset < UINT32_MAX - f->limit)
        list->heap.limit = (size_t)(f->limit + f->offset);
    for (uint32_t row = 0; row < list->rows; row++) {
        entry one;
        int fit = fits(list, row, &one);
        if (fit < 0)
            return fit;
        if (fit == 0 || (f->after.row != UINT64_MAX && !before(list, &from, &one)))
            continue;
        if (!ve_heap_add(&list->heap, &one))
            return ve_fail(list->store, VARVE_E_NO_MEMORY, "no memory");
    }
    entry skipped;
    for (uint64_t i = 0; i < f->offset && ve_heap_take(&list->heap, &skipped); i++)
        continue;
    return list->error;
}

int varve_session_list(varve *store, const varve_session_filter *filter, varve_list **ret_list) {
    VE_TURN(store);
    varve_list *list;
    int result = open_list(store, filter, &list);
    if (result < 0)
        return result;
    list->left = list->fits.filter.limit > 0 ? list->fits.filter.limit : UINT64_MAX;
    if (list->fits.filter.order != VARVE_ORDER_ARRIVAL) {
        result = collect(list);
    } else {
        list->next = list->fits.filter.after.row == UINT64_MAX
                         ? 0
                         : (uint32_t)list->fits.filter.after.row + 1;
        entry one;
        for (uint64_t skip = list->fits.filter.offset;
             skip > 0 && list->next < list->rows && result >= 0; skip -= result == 1)
            result = fits(list, list->next++, &one);
    }
    if (result < 0)
        varve_list_close(&list);
    else
        *ret_list = list;
    return result < 0 ? result : VARVE_OK;
}

void varve_list_close(varve_list **list) {
    if (list == NULL || *list == NULL)
        return;
    VE_TURN((*list)->store);
    varve_scan_close(&(*list)->fits.scan);
    free((*list)->heap.items);
    free(*list);
    *list = NULL;
}

/* ---- Reading ---- */

void varve_list_strings(varve_list *list, int want) {
    varve_scan_strings(list->fits.scan, want);
}

varve_place varve_list_place(const varve_list *list) {
    return list->place;
}

int varve_list_next(varve_list *list, varve_session *ret_session) {
    VE_TURN(list->store);
    int result = ve_enter(list->store), found = 0;
    entry one;
    if (result < 0 || list->left == 0)
        return result;
    if (list->fits.filter.order == VARVE_ORDER_ARRIVAL)
        while (found == 0 && list->next < list->rows)
            found = fits(list, list->next++, &one);
    else
        found = ve_heap_take(&list->heap, &one);
    if (list->error < 0 || found <= 0)
        return list->error < 0 ? list->error : found;
    if ((result = varve_scan_get_row(list->fits.scan, one.row, ret_session)) < 0)
        return result;
    list->left--;
    list->place = (varve_place){one.value, one.row};
    return 1;
}

int varve_session_count(varve *store, const varve_session_filter *filter, uint64_t *ret_count) {
    VE_TURN(store);
    varve_session_filter all;
    varve_list *list;
    varve_session_filter_init(&all);
    if (filter != NULL)
        memcpy(&all, filter, filter->size < sizeof all ? filter->size : sizeof all);
    all.order = VARVE_ORDER_ARRIVAL;
    all.after.row = UINT64_MAX;
    int result = open_list(store, &all, &list);
    if (result < 0)
        return result;
    uint64_t count = 0;
    entry one;
    while (result >= 0 && list->next < list->rows)
        if ((result = fits(list, list->next++, &one)) == 1)
            count++;
    varve_list_close(&list);
    if (result < 0)
        return result;
    *ret_count = count;
    return VARVE_OK;
}

/*
 * Sessions by filter, order and page.
 *
 * Filters of numbers, framework and model read hot rows only. Other texts are read from the log for the rows
 * that are left, and only those that are asked for.
 */
#include "engine/store.h"

#include <stdlib.h>

/* 16 bytes a session that waits for its turn. */
typedef struct {
    int64_t value;
    uint32_t row;
    uint32_t prefix; /* first bytes of its session id, once two values were equal; 0 = not read yet */
} entry;

struct varve_list {
    varve *store;
    varve_scan *scan;
    varve_session_filter filter;
    uint32_t framework, model; /* names row + 1; 0 = any */
    bool nothing;              /* a name that nobody has */
    uint32_t rows, next;       /* arrival: where the scan is and where it ends */
    uint64_t left;             /* still to be given */
    ve_heap heap;
    varve_place place;
    int error;                 /* of a comparison */
};

void varve_session_filter_init(varve_session_filter *filter) {
    *filter = (varve_session_filter){.size = sizeof *filter, .parent_row = UINT64_MAX, .active_since = INT64_MIN,
                                     .started_after = INT64_MIN, .started_before = INT64_MAX, .after = {0, UINT64_MAX}};
}

static int bad_row(varve *store, uint32_t row) {
    return ve_fail(store, VARVE_E_INDEX, "%s/idx: row %u of table sessions is damaged: run varve reindex", store->path, row);
}

static bool equal(varve_str a, varve_str b) {
    return a.ptr != NULL && a.size == b.size && memcmp(a.ptr, b.ptr, a.size) == 0;
}

/* ---- What fits ---- */

/* Filters by text, and which record has the session's. */
static const struct {
    size_t filter;
    uint8_t ref, str;
} texts[] = {
    {offsetof(varve_session_filter, project), VF_REF_PROJECT, VF_STR_PROJECT},
    {offsetof(varve_session_filter, github_repo), VF_REF_GITHUB_REPO, VF_STR_GITHUB_REPO},
    {offsetof(varve_session_filter, cwd), VF_REF_CWD, VF_STR_CWD},
    {offsetof(varve_session_filter, framework), VF_REF_FRAMEWORK, VF_STR_FRAMEWORK},
    {offsetof(varve_session_filter, model), VF_REF_MODEL, VF_STR_MODEL},
};
enum { TEXTS = sizeof texts / sizeof *texts };

static varve_str wanted_text(const varve_session_filter *filter, size_t i) {
    return *(const varve_str *)(const void *)((const char *)filter + texts[i].filter);
}

/* Whether the session is a child that lists leave out: as fields of lists say it, a deleted parent is none. */
static int is_subagent(varve *store, const vf_hot *hot) {
    uint32_t parent = vf_get32(hot->parent);
    if (hot->session_type != VARVE_SESSION_UNSAID || parent == 0)
        return hot->session_type == VARVE_SESSION_SUBAGENT;
    vf_hot above;
    if (ve_read_row(&store->index, VF_TABLE_SESSIONS, parent - 1, false, &above) < 0)
        return bad_row(store, parent - 1);
    return !ve_le_flag(above.flags, VF_SR_DELETED);
}

static bool in_mask(uint32_t mask, uint8_t value) {
    return (mask & 1u << (value & 31)) != 0;
}

/* 1 or 0, or an error. What only its texts can tell is left open. */
static int numbers_fit(varve_list *list, const vf_hot *hot) {
    const varve_session_filter *f = &list->filter;
    uint32_t flags = vf_get32(hot->flags);
    bool by_type = f->session_types != 0, by_parent = f->parent_row != UINT64_MAX;
    if (((flags & VF_SR_DEFINED) == 0 && (f->flags & VARVE_LIST_STUBS) == 0) ||
        ((flags & VF_SR_HIDDEN) != 0 && (f->flags & VARVE_LIST_HIDDEN) == 0) ||
        ((flags & VF_SR_DELETED) != 0 && (f->flags & VARVE_LIST_DELETED) == 0) ||
        ((flags & VF_SR_ENDED) != 0 && (f->flags & VARVE_LIST_ACTIVE) != 0) ||
        (by_type && !in_mask(f->session_types, hot->session_type)) ||
        (by_parent && vf_get32(hot->parent) != f->parent_row + 1) ||
        (list->framework != 0 && vf_get32(hot->framework) != list->framework) ||
        (list->model != 0 && vf_get32(hot->model) != list->model))
        return 0;
    if (f->statuses != 0 || f->status_name.ptr != NULL)
        if (!in_mask(f->statuses, hot->status) && (f->status_name.ptr == NULL || hot->status != VARVE_ENUM_NAMED))
            return 0;
    bool by_time = f->active_since != INT64_MIN || f->started_after != INT64_MIN || f->started_before != INT64_MAX;
    if (by_time && ((flags & VF_SR_HAS_TIME) == 0 || vf_get_i64(hot->last_activity) < f->active_since ||
                    vf_get_i64(hot->first_started) < f->started_after ||
                    (f->started_before != INT64_MAX && vf_get_i64(hot->first_started) >= f->started_before)))
        return 0;
    if (f->labels.size > 0 && (flags & VF_SR_LABELS) == 0)
        return 0;
    if (by_type || by_parent || (f->flags & VARVE_LIST_SUBAGENTS) != 0)
        return 1;
    int subagent = is_subagent(list->store, hot);
    return subagent < 0 ? subagent : !subagent;
}

/* Whether the lines in 'labels' have one that 'wanted' asks for: all of it, or its key. */
static bool has_label(varve_str labels, const char *wanted, size_t size) {
    bool whole = memchr(wanted, '=', size) != NULL;
    for (size_t at = 0; at < labels.size;) {
        const char *line = labels.ptr + at, *end = memchr(line, '\n', labels.size - at);
        size_t length = end == NULL ? labels.size - at : (size_t)(end - line);
        if (length >= size && memcmp(line, wanted, size) == 0 && (whole ? length == size : line[size] == '='))
            return true;
        at += length + 1;
    }
    return false;
}

static bool labels_fit(varve_str labels, varve_str wanted) {
    for (size_t at = 0; at < wanted.size;) {
        const char *line = wanted.ptr + at, *end = memchr(line, '\n', wanted.size - at);
        size_t length = end == NULL ? wanted.size - at : (size_t)(end - line);
        if (length > 0 && !has_label(labels, line, length))
            return false;
        at += length + 1;
    }
    return true;
}

/* The string, or the number, that a record gave the session; lost to damage it is absent. */
static bool ref_fits(varve *store, const vf_cold *cold, int ref, int str, varve_str wanted) {
    uint64_t lsn = vf_get64(cold->ref[ref]);
    vf_frame frame;
    vf_body body;
    return lsn != 0 && ve_log_body(store, lsn, &frame, &body) == VARVE_OK &&
           equal((varve_str){body.str[str].ptr, body.str[str].size}, wanted);
}

static bool number_fits(varve *store, const vf_cold *cold, int ref, int32_t wanted) {
    uint64_t lsn = vf_get64(cold->ref[ref]);
    vf_frame frame;
    vf_body body;
    return lsn != 0 && ve_log_body(store, lsn, &frame, &body) == VARVE_OK &&
           vf_get_i32(ref == VF_REF_GITHUB_ISSUE ? body.fixed.github_issue : body.fixed.github_pr) == wanted;
}

static bool asks_texts(const varve_session_filter *f) {
    bool asks = f->machine_id.ptr != NULL || f->labels.size > 0 || f->github_issue != 0 || f->github_pr != 0 ||
                f->status_name.ptr != NULL;
    for (size_t i = 0; i < TEXTS; i++)
        asks = asks || wanted_text(f, i).ptr != NULL;
    return asks;
}

static int texts_fit(varve_list *list, uint32_t row) {
    varve *store = list->store;
    const varve_session_filter *f = &list->filter;
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    if (ve_read_row(&store->index, VF_TABLE_SESSIONS, row, true, image) < 0)
        return bad_row(store, row);
    const vf_hot *hot = (const vf_hot *)(const void *)image;
    const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
    varve_str machine, id, labels = {NULL, 0};
    if (f->machine_id.ptr != NULL && (ve_identity(store, cold, &machine, &id) < 0 || !equal(machine, f->machine_id)))
        return 0;
    for (size_t i = 0; i < TEXTS; i++)
        if (wanted_text(f, i).ptr != NULL && !ref_fits(store, cold, texts[i].ref, texts[i].str, wanted_text(f, i)))
            return 0;
    if ((f->github_issue != 0 && !number_fits(store, cold, VF_REF_GITHUB_ISSUE, f->github_issue)) ||
        (f->github_pr != 0 && !number_fits(store, cold, VF_REF_GITHUB_PR, f->github_pr)))
        return 0;
    if (f->status_name.ptr != NULL && !in_mask(f->statuses, hot->status) &&
        !ref_fits(store, cold, VF_REF_STATUS, VF_STR_STATUS, f->status_name))
        return 0;
    if (f->labels.size > 0) {
        int result = ve_scan_labels(list->scan, cold, &labels);
        return result < 0 ? result : labels_fit(labels, f->labels);
    }
    return 1;
}

/* 1 and its place in the order, 0, or an error. */
static int fits(varve_list *list, uint32_t row, entry *ret) {
    vf_hot hot;
    if (ve_read_row(&list->store->index, VF_TABLE_SESSIONS, row, false, &hot) < 0)
        return bad_row(list->store, row);
    int fit = list->nothing ? 0 : numbers_fit(list, &hot);
    if (fit == 1 && asks_texts(&list->filter))
        fit = texts_fit(list, row);
    uint32_t flags = vf_get32(hot.flags);
    int64_t value = row, own = vf_get_i64(hot.cost), below = vf_get_i64(hot.cost_children);
    if (list->filter.order == VARVE_ORDER_COST) {
        value = (flags & VF_SR_HAS_COST) == 0 && below == 0 ? INT64_MIN : 0;
        if (value == 0 && __builtin_add_overflow(own, below, &value))
            value = own > 0 ? INT64_MAX : INT64_MIN;
    } else if (list->filter.order != VARVE_ORDER_ARRIVAL) {
        bool start = list->filter.order == VARVE_ORDER_START;
        value = (flags & VF_SR_HAS_TIME) == 0 ? INT64_MIN : vf_get_i64(start ? hot.first_started : hot.last_activity);
    }
    *ret = (entry){.value = value, .row = row};
    return fit;
}

/* ---- Order ---- */

static int identity(varve_list *list, uint32_t row, varve_str *ret_machine, varve_str *ret_id) {
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    if (ve_read_row(&list->store->index, VF_TABLE_SESSIONS, row, true, image) < 0)
        return bad_row(list->store, row);
    return ve_identity(list->store, (const vf_cold *)(const void *)(image + VF_HOT_SIZE), ret_machine, ret_id);
}

static void note_prefix(varve_list *list, entry *one) {
    varve_str machine, id;
    if (one->prefix != 0 || identity(list, one->row, &machine, &id) < 0)
        return;
    for (size_t i = 0; i < sizeof one->prefix; i++)
        one->prefix = one->prefix << 8 | (i < id.size ? (uint8_t)id.ptr[i] : 0);
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
    varve_str machine[2], id[2];
    int result = identity(list, a->row, &machine[0], &id[0]);
    if (result == VARVE_OK)
        result = identity(list, b->row, &machine[1], &id[1]);
    if (result < 0) {
        list->error = result;
        return a->row < b->row;
    }
    return ve_compare_identity(machine[0], id[0], machine[1], id[1]) < 0;
}

/* ---- Opening ---- */

/* The names row of a text that hot rows refer to. Longer names are cut there: they are compared as texts. */
static uint32_t name_row(varve_list *list, varve_str *name) {
    if (name->ptr == NULL || name->size > VF_NAME_MAX)
        return 0;
    uint32_t row = ve_find(&list->store->index, VF_TABLE_NAMES, vf_string_key(VF_SPACE_NAME, name->ptr, name->size));
    list->nothing = list->nothing || row == UINT32_MAX;
    *name = (varve_str){NULL, 0};
    return row == UINT32_MAX ? 0 : row + 1;
}

static int resolve_parent(varve_list *list) {
    varve_session_filter *f = &list->filter;
    varve *store = list->store;
    vf_hot hot;
    if (f->parent_id.ptr != NULL) {
        varve_str machine = f->parent_machine.ptr != NULL ? f->parent_machine : store->machine;
        uint32_t row = ve_find(&store->index, VF_TABLE_SESSIONS,
                               vf_session_key(machine.ptr, machine.size, f->parent_id.ptr, f->parent_id.size));
        if (row == UINT32_MAX)
            return ve_fail(store, VARVE_E_NOT_FOUND, "no session '%.*s'", (int)f->parent_id.size, f->parent_id.ptr);
        f->parent_row = row;
    }
    if (f->parent_row == UINT64_MAX)
        return VARVE_OK;
    if (f->parent_row >= list->rows)
        return ve_fail(store, VARVE_E_NOT_FOUND, "no session in row %llu", (unsigned long long)f->parent_row);
    if (ve_read_row(&store->index, VF_TABLE_SESSIONS, (uint32_t)f->parent_row, false, &hot) < 0)
        return bad_row(store, (uint32_t)f->parent_row);
    list->nothing = list->nothing || ve_le_flag(hot.flags, VF_SR_DELETED); /* its children have no parent any more */
    return VARVE_OK;
}

static int open_list(varve *store, const varve_session_filter *filter, varve_list **ret_list) {
    varve_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    list->store = store;
    varve_session_filter *f = &list->filter;
    varve_session_filter_init(f);
    if (filter != NULL)
        memcpy(f, filter, filter->size < sizeof *f ? filter->size : sizeof *f);
    int result = varve_scan_open(store, &list->scan);
    if (result == VARVE_OK) {
        list->rows = (uint32_t)ve_rows(&store->index, VF_TABLE_SESSIONS);
        result = resolve_parent(list);
    }
    if (result == VARVE_OK && (f->order > VARVE_ORDER_COST || (f->after.row != UINT64_MAX && f->after.row >= list->rows)))
        result = ve_fail(store, VARVE_E_ARGUMENT, "no such order, or no such place in it");
    if (result < 0) {
        varve_list_close(&list);
        return result;
    }
    list->place = f->after;
    list->framework = name_row(list, &f->framework);
    list->model = name_row(list, &f->model);
    *ret_list = list;
    return VARVE_OK;
}

static int collect(varve_list *list) {
    const varve_session_filter *f = &list->filter;
    entry from = {.value = f->after.value, .row = (uint32_t)f->after.row};
    list->heap = (ve_heap){.item_size = sizeof(entry), .before = before, .context = list};
    if (f->limit > 0 && f->limit < UINT32_MAX && f->offset < UINT32_MAX)
        list->heap.limit = f->limit + f->offset;
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
    varve_list *list;
    int result = open_list(store, filter, &list);
    if (result < 0)
        return result;
    list->left = list->filter.limit > 0 ? list->filter.limit : UINT64_MAX;
    if (list->filter.order != VARVE_ORDER_ARRIVAL) {
        result = collect(list);
    } else {
        list->next = list->filter.after.row == UINT64_MAX ? 0 : (uint32_t)list->filter.after.row + 1;
        entry one;
        for (uint64_t skip = list->filter.offset; skip > 0 && list->next < list->rows && result >= 0; skip -= result == 1)
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
    varve_scan_close(&(*list)->scan);
    free((*list)->heap.items);
    free(*list);
    *list = NULL;
}

/* ---- Reading ---- */

void varve_list_strings(varve_list *list, int want) {
    varve_scan_strings(list->scan, want);
}

varve_place varve_list_place(const varve_list *list) {
    return list->place;
}

int varve_list_next(varve_list *list, varve_session *ret_session) {
    int result = ve_enter(list->store), found = 0;
    entry one;
    if (result < 0 || list->left == 0)
        return result;
    if (list->filter.order == VARVE_ORDER_ARRIVAL)
        while (found == 0 && list->next < list->rows)
            found = fits(list, list->next++, &one);
    else
        found = ve_heap_take(&list->heap, &one);
    if (list->error < 0 || found <= 0)
        return list->error < 0 ? list->error : found;
    if ((result = varve_scan_get_row(list->scan, one.row, ret_session)) < 0)
        return result;
    list->left--;
    list->place = (varve_place){one.value, one.row};
    return 1;
}

int varve_session_count(varve *store, const varve_session_filter *filter, uint64_t *ret_count) {
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

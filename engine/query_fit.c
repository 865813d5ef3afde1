/*
 * Which sessions fit a filter.
 *
 * Numbers, framework and model are looked at in hot rows only. Other texts are read from the log
 * for the rows that are left, and only those that are asked for.
 */
#include "engine/fold.h"
#include "engine/read.h"
#include "engine/store.h"

void varve_session_filter_init(varve_session_filter *filter) {
    *filter = (varve_session_filter){.size = sizeof *filter,
                                     .parent_row = UINT64_MAX,
                                     .active_since = INT64_MIN,
                                     .started_after = INT64_MIN,
                                     .started_before = INT64_MAX,
                                     .after = {0, UINT64_MAX}};
}

static bool equal(varve_str a, varve_str b) {
    return a.ptr != NULL && a.size == b.size && memcmp(a.ptr, b.ptr, a.size) == 0;
}

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

static bool is_none(const vf_hot *hot) {
    return ve_no_row(VF_TABLE_SESSIONS, (const uint8_t *)hot);
}

/* Whether the session is a child that lists leave out: as fields of lists say it, a deleted parent
 * is none. */
static int is_subagent(varve *store, const vf_hot *hot) {
    uint32_t parent = vf_get32(hot->parent);
    if (hot->session_type != VARVE_SESSION_UNSAID || parent == 0)
        return hot->session_type == VARVE_SESSION_SUBAGENT;
    vf_hot above;
    int result = ve_need_row(store, VF_TABLE_SESSIONS, parent - 1, false, &above);
    if (result < 0)
        return result;
    return !ve_le_flag(above.flags, VF_SR_DELETED) && !is_none(&above);
}

static bool in_mask(uint32_t mask, uint8_t value) {
    return (mask & 1u << (value & 31)) != 0;
}

/* 1 or 0, or an error. What only its texts can tell is left open. */
static int numbers_fit(ve_fit *fits, const vf_hot *hot) {
    const varve_session_filter *f = &fits->filter;
    uint32_t flags = vf_get32(hot->flags);
    bool by_type = f->session_types != 0, by_parent = f->parent_row != UINT64_MAX;
    if (((flags & VF_SR_DEFINED) == 0 && (f->flags & VARVE_LIST_STUBS) == 0) ||
        ((flags & VF_SR_HIDDEN) != 0 && (f->flags & VARVE_LIST_HIDDEN) == 0) ||
        ((flags & VF_SR_DELETED) != 0 && (f->flags & VARVE_LIST_DELETED) == 0) ||
        ((flags & VF_SR_ENDED) != 0 && (f->flags & VARVE_LIST_ACTIVE) != 0) ||
        (by_type && !in_mask(f->session_types, hot->session_type)) ||
        (by_parent && vf_get32(hot->parent) != f->parent_row + 1) ||
        (fits->framework != 0 && vf_get32(hot->framework) != fits->framework) ||
        (fits->model != 0 && vf_get32(hot->model) != fits->model))
        return 0;
    if (f->statuses != 0 || f->status_name.ptr != NULL)
        if (!in_mask(f->statuses, hot->status) &&
            (f->status_name.ptr == NULL || hot->status != VARVE_ENUM_NAMED))
            return 0;
    bool by_time = f->active_since != INT64_MIN || f->started_after != INT64_MIN ||
                   f->started_before != INT64_MAX;
    if (by_time &&
        ((flags & VF_SR_HAS_TIME) == 0 || vf_get_i64(hot->last_activity) < f->active_since ||
         vf_get_i64(hot->first_started) < f->started_after ||
         (f->started_before != INT64_MAX && vf_get_i64(hot->first_started) >= f->started_before)))
        return 0;
    if (f->labels.size > 0 && (flags & VF_SR_LABELS) == 0)
        return 0;
    if (by_type || by_parent || (f->flags & VARVE_LIST_SUBAGENTS) != 0)
        return 1;
    int subagent = is_subagent(fits->store, hot);
    return subagent < 0 ? subagent : !subagent;
}

/* Whether the lines in 'labels' have one that 'wanted' asks for: all of it, or its key. */
static bool has_label(varve_str labels, const char *wanted, size_t size) {
    bool whole = memchr(wanted, '=', size) != NULL;
    for (size_t at = 0; at < labels.size;) {
        const char *line = labels.ptr + at, *end = memchr(line, '\n', labels.size - at);
        size_t length = end == NULL ? labels.size - at : (size_t)(end - line);
        if (length >= size && memcmp(line, wanted, size) == 0 &&
            (whole ? length == size : line[size] == '='))
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
static int load(varve *store, const vf_cold *cold, int ref, vf_body *ret_body) {
    const vf_hot *hot = (const vf_hot *)(const void *)((const uint8_t *)cold - VF_HOT_SIZE);
    uint64_t lsn = vf_get64(cold->ref[ref]);
    vf_frame frame;
    int result = lsn == 0 ? VARVE_E_CORRUPT : ve_log_ref(store, &hot->key, lsn, &frame, ret_body);
    return ve_is_damage(result) ? 0 : result < 0 ? result : 1;
}

static int ref_fits(varve *store, const vf_cold *cold, int ref, int str, varve_str wanted) {
    vf_body body;
    int found = load(store, cold, ref, &body);
    return found <= 0 ? found : equal((varve_str){body.str[str].ptr, body.str[str].size}, wanted);
}

static int number_fits(varve *store, const vf_cold *cold, int ref, int32_t wanted) {
    vf_body body;
    int found = load(store, cold, ref, &body);
    return found <= 0 ? found
                      : vf_get_i32(ref == VF_REF_GITHUB_ISSUE ? body.fixed.github_issue
                                                              : body.fixed.github_pr) == wanted;
}

int ve_identity_known(varve *store, const vf_cold *cold, varve_str *ret_machine,
                      varve_str *ret_id) {
    *ret_machine = *ret_id = varve_cstr("");
    int result = ve_identity(store, cold, ret_machine, ret_id);
    return ve_is_damage(result) ? VARVE_OK : result;
}

static bool asks_texts(const varve_session_filter *f) {
    bool asks = f->machine_id.ptr != NULL || f->labels.size > 0 || f->github_issue != 0 ||
                f->github_pr != 0 || f->status_name.ptr != NULL;
    for (size_t i = 0; i < TEXTS; i++)
        asks = asks || wanted_text(f, i).ptr != NULL;
    return asks;
}

static int texts_fit(ve_fit *fits, uint32_t row) {
    varve *store = fits->store;
    const varve_session_filter *f = &fits->filter;
    uint8_t image[VF_HOT_SIZE + VF_COLD_SIZE];
    int fit = ve_need_row(store, VF_TABLE_SESSIONS, row, true, image);
    if (fit < 0)
        return fit;
    const vf_hot *hot = (const vf_hot *)(const void *)image;
    const vf_cold *cold = (const vf_cold *)(const void *)(image + VF_HOT_SIZE);
    varve_str machine, id, labels = {NULL, 0};
    fit = 1;
    if (f->machine_id.ptr != NULL) {
        fit = ve_identity_known(store, cold, &machine, &id);
        fit = fit < 0 ? fit : equal(machine, f->machine_id);
    }
    for (size_t i = 0; i < TEXTS && fit == 1; i++)
        if (wanted_text(f, i).ptr != NULL)
            fit = ref_fits(store, cold, texts[i].ref, texts[i].str, wanted_text(f, i));
    if (fit == 1 && f->github_issue != 0)
        fit = number_fits(store, cold, VF_REF_GITHUB_ISSUE, f->github_issue);
    if (fit == 1 && f->github_pr != 0)
        fit = number_fits(store, cold, VF_REF_GITHUB_PR, f->github_pr);
    if (fit == 1 && f->status_name.ptr != NULL && !in_mask(f->statuses, hot->status))
        fit = ref_fits(store, cold, VF_REF_STATUS, VF_STR_STATUS, f->status_name);
    if (fit == 1 && f->labels.size > 0) {
        fit = ve_scan_labels(fits->scan, cold, &labels);
        fit = fit < 0 ? fit : labels_fit(labels, f->labels);
    }
    return fit;
}

int ve_fit_row(ve_fit *fits, uint32_t row, vf_hot *ret_hot) {
    int fit = ve_need_row(fits->store, VF_TABLE_SESSIONS, row, false, ret_hot);
    if (fit < 0)
        return fit;
    fit = fits->nothing || is_none(ret_hot) ? 0 : numbers_fit(fits, ret_hot);
    if (fit != 1 || !asks_texts(&fits->filter))
        return fit;
    ve_hold own = {0}, *before = ve_hold_use(fits->store, &own);
    fit = texts_fit(fits, row);
    ve_hold_end(fits->store, &own, before);
    return fit;
}

/* ---- Opening ---- */

/* The names row of a text that hot rows refer to. Longer names are cut there: they are compared as
 * texts. */
static int name_row(ve_fit *fits, varve_str *name, uint32_t *ret_number) {
    if (name->ptr == NULL || name->size > VF_NAME_MAX)
        return VARVE_OK;
    uint32_t row;
    int result = ve_look_up(fits->store, VF_TABLE_NAMES,
                            vf_string_key(VF_SPACE_NAME, name->ptr, name->size), &row);
    fits->nothing = fits->nothing || row == UINT32_MAX;
    *name = (varve_str){NULL, 0};
    *ret_number = row + 1; /* of UINT32_MAX: none */
    return result;
}

static int resolve_parent(ve_fit *fits) {
    varve_session_filter *f = &fits->filter;
    varve *store = fits->store;
    vf_hot hot;
    if (f->parent_id.ptr != NULL) {
        varve_str machine = f->parent_machine.ptr != NULL ? f->parent_machine : store->machine;
        uint32_t row;
        int result = ve_look_up(
            store, VF_TABLE_SESSIONS,
            vf_session_key(machine.ptr, machine.size, f->parent_id.ptr, f->parent_id.size), &row);
        if (result < 0)
            return result;
        if (row == UINT32_MAX)
            return ve_fail(store, VARVE_E_NOT_FOUND, "no session '%.*s'", (int)f->parent_id.size,
                           f->parent_id.ptr);
        f->parent_row = row;
    }
    if (f->parent_row == UINT64_MAX)
        return VARVE_OK;
    bool within = f->parent_row < ve_rows(&store->index, VF_TABLE_SESSIONS);
    int result =
        within ? ve_need_row(store, VF_TABLE_SESSIONS, f->parent_row, false, &hot) : VARVE_OK;
    if (result < 0)
        return result;
    if (!within || is_none(&hot))
        return ve_fail(store, VARVE_E_NOT_FOUND, "no session in row %llu",
                       (unsigned long long)f->parent_row);
    fits->nothing = fits->nothing ||
                    ve_le_flag(hot.flags, VF_SR_DELETED); /* its children have no parent any more */
    return VARVE_OK;
}

int ve_fit_open(ve_fit *fits, varve *store, const varve_session_filter *filter) {
    varve_session_filter *f = &fits->filter;
    fits->store = store;
    varve_session_filter_init(f);
    if (filter != NULL)
        memcpy(f, filter, filter->size < sizeof *f ? filter->size : sizeof *f);
    int result = varve_scan_open(store, &fits->scan);
    if (result == VARVE_OK)
        result = resolve_parent(fits);
    if (result == VARVE_OK)
        result = name_row(fits, &f->framework, &fits->framework);
    return result < 0 ? result : name_row(fits, &f->model, &fits->model);
}

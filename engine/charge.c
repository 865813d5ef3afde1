/*
 * Usage rows: what each request cost, once. A record with tokens is merged into the row of its
 * message, request, kind and chain; what the rows of the message count, and for whom, follows from
 * them alone (vf_settle); the difference goes into the sessions' counters. SPEC.md "Charges".
 */
#include "engine/fold.h"
#include "engine/store.h"

typedef struct {
    varve *store;
    ve_index *index;
    ve_group *group;
} where;

static vf_usage *usage(const ve_group_row *row) {
    return (vf_usage *)(void *)row->image;
}

static int less(void *context, uint32_t a, uint32_t b) {
    where *w = context;
    return ve_session_less(w->store, w->index, w->group, a, b);
}

/* Adds (sign 1) or takes back (sign -1) what a charge counts. */
static int apply(where *w, const vf_share *share, int sign) {
    ve_group_row *owner = ve_group_get(w->store, w->index, VF_TABLE_SESSIONS, share->owner);
    if (owner == NULL)
        return VARVE_E_INDEX;
    vf_partial *partial = &ve_cold(owner)->by_source[share->source % VF_SOURCES];
    for (int t = 0; t < VF_TOKENS; t++)
        vf_put64(&partial->tokens[t],
                 vf_get64(partial->tokens[t]) + (uint64_t)sign * (uint64_t)share->tokens[t]);
    if ((share->flags & VF_UR_COST) != 0) {
        vf_put64(&partial->cost, vf_get64(partial->cost) + (uint64_t)sign * (uint64_t)share->cost);
        vf_put32(&partial->costed, vf_get32(partial->costed) + (uint32_t)sign);
    }
    if (share->first)
        vf_put32(&partial->api_requests, vf_get32(partial->api_requests) + (uint32_t)sign);
    owner->dirty = true;
    return VARVE_OK;
}

static int apply_rows(where *w, const vf_usage *rows, size_t count, int sign) {
    vf_share shares[VF_USAGE_CHAIN_MAX];
    size_t n = vf_settle(rows, count, less, w, shares);
    for (size_t i = 0; i < n; i++) {
        int result = apply(w, &shares[i], sign);
        if (result < 0)
            return result;
    }
    return VARVE_OK;
}

/* The record as a usage row of its own. */
static int row_of(where *w, const ve_group_row *session, const vf_frame *frame, const vf_body *body,
                  vf_usage *ret_row) {
    const vf_fixed *fixed = &body->fixed;
    uint64_t present = vf_get64(fixed->present);
    vf_usage row = {0};
    row.time = row.owner_time = frame->time;
    if ((frame->flags & VF_FRAME_HAS_TIME) != 0)
        row.flags |= VF_UR_TIME | VF_UR_OWNER_TIME;
    else
        memset(&row.time, 0, sizeof row.time), memset(&row.owner_time, 0, sizeof row.owner_time);
    for (int t = 0; t < VF_TOKENS; t++)
        if ((present & (uint64_t)VF_HAS_TOKENS << t) != 0 && vf_get_i64(fixed->tokens[t]) > 0)
            row.tokens[t] = fixed->tokens[t];
    if ((present & VF_HAS_COST) != 0) {
        row.cost = fixed->cost;
        row.price_table = fixed->price_table;
        row.flags |= VF_UR_COST;
    }
    if ((vf_get32(fixed->flags) & VF_EV_OUTPUT_LOWER_BOUND) != 0)
        row.flags |= VF_UR_LOWER_BOUND;
    vf_put32(&row.owner, session->row);
    row.kind = fixed->charge_kind;
    row.source = fixed->source;
    row.sidechain = (vf_get32(fixed->flags) & VF_EV_SIDECHAIN) != 0;
    if ((present & VF_HAS_CHARGE) != 0) {
        row.message = fixed->charge;
        row.request = fixed->charge_part;
    } else {
        row.flags |= VF_UR_SINGLE;
    }
    *ret_row = row;
    vf_text model = body->str[VF_STR_MODEL];
    uint32_t name = 0;
    int result = model.ptr == NULL ? VARVE_OK
                                   : ve_intern(w->store, w->index, w->group, model,
                                               vf_get32(ve_hot(session)->model), &name);
    vf_put32(&ret_row->model, name);
    return result;
}

static bool owns_before(where *w, const vf_usage *a, const vf_usage *b) {
    bool at = (a->flags & VF_UR_OWNER_TIME) != 0, bt = (b->flags & VF_UR_OWNER_TIME) != 0;
    if (at != bt)
        return at;
    if (at && vf_get_i64(a->owner_time) != vf_get_i64(b->owner_time))
        return vf_get_i64(a->owner_time) < vf_get_i64(b->owner_time);
    uint32_t p = vf_get32(a->owner), q = vf_get32(b->owner);
    return p != q && less(w, p, q);
}

/* Merges a record's row into the row that stands for the same; whether that changed it. */
static bool merge(where *w, vf_usage *row, const vf_usage *one) {
    vf_usage before = *row;
    if (vf_usage_before(one, row)) {
        uint8_t keep =
            row->flags & (VF_UR_OWNER_TIME | VF_UR_LOWER_BOUND | VF_UR_SINGLE | VF_UR_LINKED);
        row->flags = (uint8_t)((one->flags & (VF_UR_TIME | VF_UR_COST)) | keep);
        row->time = one->time;
        memcpy(row->tokens, one->tokens, sizeof row->tokens);
        row->cost = one->cost;
        row->model = one->model;
        row->price_table = one->price_table;
        row->source = one->source;
    }
    row->flags |= one->flags & VF_UR_LOWER_BOUND;
    if (owns_before(w, one, row)) {
        row->owner = one->owner;
        row->owner_time = one->owner_time;
        row->flags = (uint8_t)((row->flags & ~VF_UR_OWNER_TIME) | (one->flags & VF_UR_OWNER_TIME));
    }
    return memcmp(&before, row, sizeof before) != 0;
}

static int add_row(where *w, const vf_usage *one, ve_group_row **ret_row) {
    *ret_row = ve_group_add(w->store, w->index, VF_TABLE_USAGE, one->message);
    if (*ret_row == NULL)
        return VARVE_E_NO_MEMORY;
    memcpy((*ret_row)->image, one, sizeof *one);
    return VARVE_OK;
}

static int add_single(where *w, vf_usage *one) {
    one->flags |= VF_UR_SINGLE;
    memset(&one->message, 0, sizeof one->message);
    ve_group_row *row;
    int result = add_row(w, one, &row);
    return result < 0 ? result : apply_rows(w, one, 1, 1);
}

/* Merges 'one' into the rows of its message, which begin at 'head'. */
static int merge_message(where *w, uint32_t head, vf_usage *one) {
    vf_usage rows[VF_USAGE_CHAIN_MAX];
    ve_group_row *chain[VF_USAGE_CHAIN_MAX];
    size_t count = 0, same = SIZE_MAX;
    for (uint32_t next = head + 1; next != 0 && count < VF_USAGE_CHAIN_MAX; count++) {
        chain[count] = ve_group_get(w->store, w->index, VF_TABLE_USAGE, next - 1);
        if (chain[count] == NULL)
            return VARVE_E_INDEX;
        if (ve_no_row(VF_TABLE_USAGE, chain[count]->image))
            break;
        rows[count] = *usage(chain[count]);
        const vf_usage *row = &rows[count];
        if (vf_get64(row->request) == vf_get64(one->request) && row->kind == one->kind &&
            row->sidechain == one->sidechain)
            same = count;
        next = vf_get32(row->next);
    }
    if (count == 0)
        return VARVE_E_INDEX; /* it was found by the key of a row that is none */
    if (same == SIZE_MAX && count == VF_USAGE_CHAIN_MAX)
        return add_single(w, one); /* no agent does this: a crafted input may not cost us time */
    vf_usage merged = *one;
    if (same != SIZE_MAX) {
        merged = rows[same];
        if (!merge(w, &merged, one))
            return VARVE_OK;
    }
    int result = apply_rows(w, rows, count, -1);
    if (result < 0)
        return result;
    if (same == SIZE_MAX) {
        ve_group_row *added;
        merged.flags |= VF_UR_LINKED;
        if ((result = add_row(w, &merged, &added)) < 0)
            return result;
        vf_put32(&usage(chain[count - 1])->next, added->row + 1);
        rows[count++] = merged;
    } else {
        *usage(chain[same]) = rows[same] = merged;
    }
    return apply_rows(w, rows, count, 1);
}

int ve_charge(varve *store, ve_index *index, ve_group *group, ve_group_row *session,
              const vf_frame *frame, const vf_body *body) {
    uint64_t carries = VF_HAS_COST | (((uint64_t)1 << VF_TOKENS) - 1) * VF_HAS_TOKENS;
    where w = {store, index, group};
    if ((vf_get64(body->fixed.present) & carries) == 0) {
        if (vf_get16(frame->type) == VF_TYPE_API_REQUEST) {
            le32 *requests = &ve_cold(session)->by_source[body->fixed.source].api_requests;
            vf_put32(requests, vf_get32(*requests) + 1);
        }
        return VARVE_OK;
    }
    vf_usage one;
    int result = row_of(&w, session, frame, body, &one);
    if (result < 0)
        return result;
    if ((one.flags & VF_UR_SINGLE) != 0)
        return add_single(&w, &one);
    uint32_t head = ve_group_find(index, group, VF_TABLE_USAGE, one.message);
    if (head != UINT32_MAX)
        return merge_message(&w, head, &one);
    ve_group_row *row;
    result = add_row(&w, &one, &row);
    return result < 0 ? result : apply_rows(&w, &one, 1, 1);
}

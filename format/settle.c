/*
 * Settlement: what each usage row of a message counts, and who shows it. SPEC.md "Charges".
 *
 * One answer of a model stands on many lines, in many files, in several kinds of rows. The result
 * must not depend on which of them came first, so every choice below is the least under a total
 * order of what is shown, never the first that was met.
 */
#include "format/index.h"

#include <assert.h>

typedef int (*order_fn)(void *context, uint32_t a, uint32_t b);

typedef struct {
    const vf_usage *rows;
    size_t count;
    order_fn less;
    void *context;
    uint8_t charge[VF_USAGE_CHAIN_MAX]; /* by row: the row that stands for its charge */
} settlement;

/* What a row weighs when rows are compared: reasoning is left out, it is part of output. */
static int64_t total_of(const vf_usage *row) {
    int64_t total = 0;
    for (int c = VF_TOK_INPUT; c <= VF_TOK_CACHE_WRITE_1H; c++) {
        int64_t tokens = vf_get_i64(row->tokens[c]);
        if (tokens > 0)
            total = tokens > INT64_MAX - total ? INT64_MAX : total + tokens;
    }
    return total;
}

static int compare_i64(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

/* A number that may be absent: the absent ones come last. */
static int compare_optional(int has_a, int64_t a, int has_b, int64_t b) {
    if (has_a != has_b)
        return has_a ? -1 : 1;
    return has_a ? compare_i64(a, b) : 0;
}

/* Negative: a's figure is to be preferred to b's. Zero: they show the same. */
static int compare_figures(const vf_usage *a, const vf_usage *b) {
    int order = compare_i64(total_of(b), total_of(a));
    if (order == 0)
        order = compare_optional(a->flags & VF_UR_TIME, vf_get_i64(a->time), b->flags & VF_UR_TIME,
                                 vf_get_i64(b->time));
    for (int c = 0; order == 0 && c < VF_TOKENS; c++)
        order = compare_i64(vf_get_i64(b->tokens[c]), vf_get_i64(a->tokens[c]));
    if (order == 0 && (a->flags & VF_UR_COST) != (b->flags & VF_UR_COST))
        order = a->flags & VF_UR_COST ? -1 : 1;
    if (order == 0 && a->flags & VF_UR_COST)
        order = compare_i64(vf_get_i64(b->cost), vf_get_i64(a->cost));
    if (order == 0)
        order = compare_i64(vf_get32(a->model), vf_get32(b->model));
    if (order == 0)
        order = compare_i64(vf_get32(a->price_table), vf_get32(b->price_table));
    if (order == 0)
        order = compare_i64(a->source, b->source);
    if (order == 0)
        order = compare_i64(a->flags & VF_UR_LOWER_BOUND, b->flags & VF_UR_LOWER_BOUND);
    return order;
}

int vf_usage_before(const vf_usage *a, const vf_usage *b) {
    return compare_figures(a, b) < 0;
}

/* Negative: row a has the better claim to show the charge. */
static int compare_claims(const settlement *s, const vf_usage *a, const vf_usage *b) {
    int order = compare_i64(a->kind, b->kind);
    if (order == 0)
        order = compare_i64(a->sidechain != 0, b->sidechain != 0);
    if (order == 0)
        order = compare_optional(a->flags & VF_UR_OWNER_TIME, vf_get_i64(a->owner_time),
                                 b->flags & VF_UR_OWNER_TIME, vf_get_i64(b->owner_time));
    uint32_t owner_a = vf_get32(a->owner), owner_b = vf_get32(b->owner);
    if (order == 0 && owner_a != owner_b)
        order = s->less(s->context, owner_a, owner_b)   ? -1
                : s->less(s->context, owner_b, owner_a) ? 1
                                                        : compare_i64(owner_a, owner_b);
    return order;
}

static int is_single(const vf_usage *row) {
    return (row->flags & VF_UR_SINGLE) != 0;
}

/* The order of charges, by one row each: claim, then the request, which no two charges share (but
 * for rows that stand alone: they come last). */
static int compare_charges(const settlement *s, const vf_usage *a, const vf_usage *b) {
    int order = is_single(a) - is_single(b);
    if (order == 0)
        order = compare_claims(s, a, b);
    if (order == 0)
        order = vf_get64(a->request) < vf_get64(b->request)   ? -1
                : vf_get64(a->request) > vf_get64(b->request) ? 1
                                                              : compare_figures(a, b);
    return order;
}

static int is_main(const vf_usage *row) {
    return row->sidechain == 0 && !is_single(row);
}

/* The least main or sidechain row, with this request if one is given; 'count' if there is none. */
static size_t least_row(const settlement *s, int sidechain, const uint64_t *request) {
    size_t least = s->count;
    for (size_t i = 0; i < s->count; i++) {
        const vf_usage *row = &s->rows[i];
        if (is_single(row) || (row->sidechain != 0) != sidechain ||
            (request != NULL && vf_get64(row->request) != *request))
            continue;
        if (least == s->count || compare_charges(s, row, &s->rows[least]) < 0)
            least = i;
    }
    return least;
}

/* The row that stands for the charge to which row 'i' belongs. */
static size_t charge_of(const settlement *s, size_t i) {
    const vf_usage *row = &s->rows[i];
    if (is_single(row))
        return i;
    uint64_t request = vf_get64(row->request);
    size_t same = is_main(row) || request != 0 ? least_row(s, 0, &request) : s->count;
    if (same == s->count)
        same = least_row(s, 0, NULL); /* a copy in a sidechain under another request, or none */
    return same < s->count ? same : least_row(s, 1, NULL);
}

/* The least of the rows that stand for charges and are not done yet, or 'count'. */
static size_t next_charge(const settlement *s, const uint8_t *done) {
    size_t least = s->count;
    for (size_t i = 0; i < s->count; i++) {
        if (s->charge[i] == i && !done[i] &&
            (least == s->count || compare_charges(s, &s->rows[i], &s->rows[least]) < 0))
            least = i;
    }
    return least;
}

/* The row that gives the figure of a kind that the charge has. */
static const vf_usage *figure_of(const settlement *s, size_t charge, int kind) {
    const vf_usage *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const vf_usage *row = &s->rows[i];
        if (s->charge[i] == charge && row->kind == kind &&
            (best == NULL || compare_figures(row, best) < 0))
            best = row;
    }
    return best;
}

/* The least kind above 'last' that the charge has, or -1. */
static int next_kind(const settlement *s, size_t charge, int last) {
    int least = -1;
    for (size_t i = 0; i < s->count; i++) {
        int kind = s->rows[i].kind;
        if (s->charge[i] == charge && kind > last && (least < 0 || kind < least))
            least = kind;
    }
    return least;
}

static uint32_t owner_of(const settlement *s, size_t charge) {
    const vf_usage *best = &s->rows[charge];
    for (size_t i = 0; i < s->count; i++) {
        if (s->charge[i] == charge && compare_claims(s, &s->rows[i], best) < 0)
            best = &s->rows[i];
    }
    return vf_get32(best->owner);
}

/* What 'figure' has beyond 'counted', which rises to it. */
static int64_t excess(int64_t figure, int64_t *counted) {
    int64_t beyond = figure > *counted ? figure - *counted : 0; /* *counted >= 0: no overflow */
    *counted += beyond;
    return beyond;
}

/* The shares of one charge, kind by kind. Returns their number. */
static size_t settle_charge(const settlement *s, size_t charge, vf_share *ret_shares) {
    int64_t counted[VF_TOKENS] = {0}, counted_cost = 0;
    uint32_t owner = owner_of(s, charge);
    size_t shares = 0;
    for (int kind = next_kind(s, charge, -1); kind >= 0; kind = next_kind(s, charge, kind)) {
        const vf_usage *row = figure_of(s, charge, kind);
        vf_share share = {
            .owner = owner,
            .kind = row->kind,
            .first = shares == 0,
            .source = row->source,
            .flags = row->flags & (VF_UR_TIME | VF_UR_COST | VF_UR_LOWER_BOUND),
            .model = vf_get32(row->model),
            .price_table = vf_get32(row->price_table),
            .time = row->flags & VF_UR_TIME ? vf_get_i64(row->time) : 0,
        };
        int counts = share.first;
        for (int c = 0; c < VF_TOKENS; c++) {
            share.tokens[c] = excess(vf_get_i64(row->tokens[c]), &counted[c]);
            counts |= share.tokens[c] > 0;
        }
        if (row->flags & VF_UR_COST)
            share.cost = excess(vf_get_i64(row->cost), &counted_cost);
        if (counts)
            ret_shares[shares++] = share;
    }
    return shares;
}

/* The one row of its message: its figure counts, whatever it is. */
static size_t settle_alone(const vf_usage *row, vf_share *ret_share) {
    vf_share share = {
        .owner = vf_get32(row->owner),
        .kind = row->kind,
        .first = 1,
        .source = row->source,
        .flags = row->flags & (VF_UR_TIME | VF_UR_COST | VF_UR_LOWER_BOUND),
        .model = vf_get32(row->model),
        .price_table = vf_get32(row->price_table),
        .time = row->flags & VF_UR_TIME ? vf_get_i64(row->time) : 0,
    };
    for (int c = 0; c < VF_TOKENS; c++) {
        int64_t tokens = vf_get_i64(row->tokens[c]);
        share.tokens[c] = tokens > 0 ? tokens : 0;
    }
    int64_t cost = vf_get_i64(row->cost);
    share.cost = (row->flags & VF_UR_COST) != 0 && cost > 0 ? cost : 0;
    *ret_share = share;
    return 1;
}

size_t vf_settle(const vf_usage *rows, size_t count,
                 int (*less)(void *context, uint32_t a, uint32_t b), void *context,
                 vf_share *ret_shares) {
    assert(count <= VF_USAGE_CHAIN_MAX);
    if (count == 1)
        return settle_alone(rows, ret_shares);
    settlement s = {.rows = rows, .count = count, .less = less, .context = context};
    uint8_t done[VF_USAGE_CHAIN_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        s.charge[i] = (uint8_t)charge_of(&s, i);
    size_t shares = 0;
    for (size_t charge = next_charge(&s, done); charge < count; charge = next_charge(&s, done)) {
        done[charge] = 1;
        shares += settle_charge(&s, charge, ret_shares + shares);
    }
    return shares;
}

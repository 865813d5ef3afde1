/*
 * Tokens and cost added up, in all and by group (a day, a month, a session, a model).
 */
#ifndef TOOLS_SUMS_H
#define TOOLS_SUMS_H

#include "tools/out.h"

struct sums {
    int64_t tokens[VARVE_TOKENS];
    int64_t cost;      /* nano-dollars */
    int64_t unpriced;  /* tokens that 'cost' does not cover */
    uint32_t has_cost; /* something was priced */
    uint32_t lower_bound;
};

void sums_add(struct sums *sums, const varve_usage *usage);
void sums_merge(struct sums *sums, const struct sums *more);
/* input_tokens, ..., total_tokens, cost_usd, output_is_lower_bound, unpriced_tokens. The cost is
 * null if there are tokens and none of them has a price. */
void sums_fields(struct out *out, const struct sums *sums);

struct group {
    int64_t key;
    char *name; /* NULL = none */
    size_t name_size;
    struct sums sums;
};

/* Zero is an empty one. */
struct groups {
    struct group *all;
    size_t count, room;
    uint32_t *slots; /* open addressing: 1 + index into 'all', 0 = free */
    size_t slot_count;
};

struct group *groups_by_key(struct groups *groups, int64_t key);
struct group *groups_by_name(struct groups *groups, varve_str name);
void groups_sort_by_key(struct groups *groups);
void groups_sort_by_cost(struct groups *groups); /* dearest first */
void groups_free(struct groups *groups);

#endif

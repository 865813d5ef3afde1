/*
 * Sums that stop at the ends of 64 bits instead of wrapping, and a hash table of groups.
 */
#include "tools/sums.h"

#include "tools/session_fields.h"

#include <stdlib.h>
#include <string.h>

void sums_add(struct sums *sums, const varve_usage *usage) {
    struct sums one = {.lower_bound = usage->lower_bound != 0, .has_cost = usage->has_cost != 0};
    memcpy(one.tokens, usage->tokens, sizeof one.tokens);
    if (usage->has_cost) {
        one.cost = usage->cost;
    } else {
        one.unpriced = fields_total(usage->tokens);
    }
    sums_merge(sums, &one);
}

void sums_merge(struct sums *sums, const struct sums *more) {
    for (size_t i = 0; i < VARVE_TOKENS; i++) {
        sums->tokens[i] = fields_add(sums->tokens[i], more->tokens[i]);
    }
    sums->cost = fields_add(sums->cost, more->cost);
    sums->unpriced = fields_add(sums->unpriced, more->unpriced);
    sums->has_cost |= more->has_cost;
    sums->lower_bound |= more->lower_bound;
}

void sums_fields(struct out *out, const struct sums *sums) {
    fields_tokens(out, sums->tokens);
    if (!sums->has_cost && sums->unpriced != 0) {
        out_null(out, "cost_usd");
    } else {
        out_money(out, "cost_usd", sums->cost);
    }
    out_bool(out, "output_is_lower_bound", sums->lower_bound != 0);
    out_number(out, "unpriced_tokens", sums->unpriced);
}

/* ---- Groups ---- */

static uint64_t mix(uint64_t key) {
    key = (key ^ key >> 31) * UINT64_C(0x9E3779B97F4A7C15);
    return key ^ key >> 29;
}

static int is_group(const struct group *group, int64_t key, varve_str name) {
    if (group->key != key || !group->name != !name.ptr) {
        return 0;
    }
    return !group->name ||
           (group->name_size == name.size && memcmp(group->name, name.ptr, name.size) == 0);
}

/* The slot of the group, or the free one where it belongs. */
static uint32_t *slot_of(const struct groups *groups, int64_t key, varve_str name) {
    size_t at = (size_t)mix((uint64_t)key) & (groups->slot_count - 1);
    while (groups->slots[at] && !is_group(&groups->all[groups->slots[at] - 1], key, name)) {
        at = (at + 1) & (groups->slot_count - 1);
    }
    return &groups->slots[at];
}

static void make_room(struct groups *groups) {
    groups->room = groups->room ? groups->room * 2 : 64;
    groups->slot_count = groups->room * 2;
    groups->all = cli_grow(groups->all, groups->room, sizeof *groups->all);
    groups->slots = cli_grow(groups->slots, groups->slot_count, sizeof *groups->slots);
    memset(groups->slots, 0, groups->slot_count * sizeof *groups->slots);
    for (size_t i = 0; i < groups->count; i++) {
        const struct group *group = &groups->all[i];
        *slot_of(groups, group->key, (varve_str){group->name, group->name_size}) = (uint32_t)i + 1;
    }
}

static struct group *find(struct groups *groups, int64_t key, varve_str name) {
    if (groups->count == groups->room) {
        make_room(groups);
    }
    uint32_t *slot = slot_of(groups, key, name);
    if (*slot == 0) {
        struct group *group = &groups->all[groups->count++];
        *group = (struct group){.key = key, .name_size = name.size};
        if (name.ptr) {
            group->name = cli_alloc(name.size);
            memcpy(group->name, name.ptr, name.size);
        }
        *slot = (uint32_t)groups->count;
    }
    return &groups->all[*slot - 1];
}

struct group *groups_by_key(struct groups *groups, int64_t key) {
    return find(groups, key, (varve_str){NULL, 0});
}

struct group *groups_by_name(struct groups *groups, varve_str name) {
    uint64_t key = name.ptr ? 1 : 0;
    for (size_t i = 0; name.ptr && i < name.size; i++) {
        key = mix(key ^ (unsigned char)name.ptr[i]);
    }
    return find(groups, (int64_t)key, name);
}

static int compare_keys(const void *a, const void *b) {
    const struct group *left = a, *right = b;
    return left->key < right->key ? -1 : left->key > right->key;
}

static int compare_costs(const void *a, const void *b) {
    const struct group *left = a, *right = b;
    if (left->sums.cost != right->sums.cost) {
        return left->sums.cost < right->sums.cost ? 1 : -1;
    }
    int64_t of_left = fields_total(left->sums.tokens), of_right = fields_total(right->sums.tokens);
    if (of_left != of_right) {
        return of_left < of_right ? 1 : -1;
    }
    return compare_keys(a, b);
}

/* Sorted groups are only walked through: the slots no longer fit them. */
static void sort(struct groups *groups, int (*compare)(const void *, const void *)) {
    if (groups->count > 1) {
        qsort(groups->all, groups->count, sizeof *groups->all, compare);
    }
}

void groups_sort_by_key(struct groups *groups) {
    sort(groups, compare_keys);
}

void groups_sort_by_cost(struct groups *groups) {
    sort(groups, compare_costs);
}

void groups_free(struct groups *groups) {
    for (size_t i = 0; i < groups->count; i++) {
        free(groups->all[i].name);
    }
    free(groups->all);
    free(groups->slots);
    *groups = (struct groups){0};
}

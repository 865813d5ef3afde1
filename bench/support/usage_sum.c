/*
 * Usage by day and model. See usage_sum.h.
 */
#include "bench/support/usage_sum.h"

#include <string.h>

static uint32_t model_number(usage_sum *sum, varve_str model) {
    uint32_t i = 0;
    size_t size = model.size < USAGE_NAME - 1 ? model.size : USAGE_NAME - 1;
    while (i < sum->models &&
           (memcmp(sum->name[i], model.ptr, size) != 0 || sum->name[i][size] != 0))
        i++;
    if (i < sum->models || i == USAGE_MODELS)
        return i < USAGE_MODELS ? i : USAGE_MODELS - 1;
    if (size > 0)
        memcpy(sum->name[i], model.ptr, size);
    return sum->models++;
}

void usage_sum_add(usage_sum *sum, int64_t time, varve_str model, const int64_t *tokens,
                   int64_t cost) {
    uint64_t day = (uint64_t)time / UINT64_C(86400000000000) % USAGE_DAYS;
    uint32_t number = model_number(sum, model);
    for (int t = 0; t < VARVE_TOKENS; t++)
        sum->by[day][number].tokens[t] += tokens[t];
    sum->by[day][number].cost += cost;
    sum->tokens += tokens[VARVE_TOK_INPUT] + tokens[VARVE_TOK_OUTPUT];
    sum->cost += cost;
    sum->charges++;
}

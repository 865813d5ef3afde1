/*
 * What tokens cost: a table of prices per model, in pico-dollars a token, so that money comes out
 * of integer arithmetic. One table is built in; another can be read from a file.
 */
#ifndef TOOLS_PRICES_H
#define TOOLS_PRICES_H

#include "engine/varve.h"

enum { PRICE_INPUT, PRICE_OUTPUT, PRICE_CACHE_WRITE, PRICE_CACHE_READ, PRICES };
enum { PRICE_BAND = 200000 }; /* tokens of one class of one answer; 'above' holds for the rest */

struct price {
    const char *model;
    int64_t base[PRICES];  /* pico-dollars a token; a cache write for an hour costs 2 x input */
    int64_t above[PRICES]; /* for what lies above PRICE_BAND; 0 = the same */
    int32_t fast;          /* what a fast answer costs in thousandths of that; 0 = the same */
};

struct price_table {
    uint32_t number; /* never 0 */
    size_t count;
    const struct price *rows; /* sorted by model, as strcmp does */
    int was_read;             /* from a file: freed with its names */
};

const struct price_table *prices_builtin(void);
/* Reads a table: a JSON object with an object for each model, in which stand, in dollars a token,
 * input_cost_per_token and output_cost_per_token, and if known cache_creation_input_token_cost,
 * cache_read_input_token_cost, each of the four with _above_200k_tokens, and
 * provider_specific_entry.fast. A model without input or output price is left out. Its number is
 * a hash of the file. 0, or -1 with one line why not. Freed with prices_free. */
int prices_read(const char *path, struct price_table **ret_table, char *ret_error, size_t room);
void prices_free(struct price_table **table);

/* The price of a model: under its own name; else under a name that differs only in case and
 * punctuation; else under its own name with a date; else under the longest name that the model's
 * contains ("us.anthropic.claude-opus-4-5-v1:0"), unless one more number of a version follows.
 * NULL if there is none. */
const struct price *prices_find(const struct price_table *table, const char *model, size_t size);
/* Nano-dollars of so many tokens, rounded half up once. */
int64_t price_cost(const struct price *price, const int64_t tokens[VARVE_TOKENS], int fast);

extern const struct price prices_builtin_rows[];
extern const size_t prices_builtin_count;

#endif

/*
 * Finding the price of a model, and the sum. Names of models come with prefixes of providers, with
 * dates, and in several spellings; what is not found for sure is left without a price and named,
 * since a wrong price would pass unseen.
 */
#include "tools/prices.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_SIZE = 128 };

const struct price_table *prices_builtin(void) {
    static struct price_table table = {.number = 20260724, .rows = prices_builtin_rows};
    table.count = prices_builtin_count;
    return &table;
}

/* ---- Names ---- */

/* Lower case, every run of other characters one '-'. Returns its size, 0 if it does not fit. */
static size_t normalise(const char *name, size_t size, char ret[NAME_MAX_SIZE]) {
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        if (c >= 'A' && c <= 'Z') {
            c = (char)(c - 'A' + 'a');
        }
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
            c = '-';
        }
        if (c == '-' && (used == 0 || ret[used - 1] == '-')) {
            continue;
        }
        if (used == NAME_MAX_SIZE) {
            return 0;
        }
        ret[used++] = c;
    }
    return used > 0 && ret[used - 1] == '-' ? used - 1 : used;
}

/* Digits at the beginning of 'text'. */
static size_t digits(const char *text, size_t size) {
    size_t count = 0;
    while (count < size && text[count] >= '0' && text[count] <= '9') {
        count++;
    }
    return count;
}

/* Whether 'name' holds 'key' as whole words, and what follows is not one more number of a version.
 */
static int holds(const char *name, size_t name_size, const char *key, size_t key_size) {
    for (size_t at = 0; at + key_size <= name_size; at++) {
        if (memcmp(name + at, key, key_size) != 0 || (at > 0 && name[at - 1] != '-')) {
            continue;
        }
        const char *rest = name + at + key_size;
        size_t left = name_size - at - key_size;
        if (left == 0) {
            return 1;
        }
        if (rest[0] != '-') {
            continue;
        }
        size_t number = digits(rest + 1, left - 1);
        int further = number >= 1 && number <= 2 && (number + 1 == left || rest[number + 1] == '-');
        if (!further) {
            return 1;
        }
    }
    return 0;
}

/* Whether 'key' is 'name' and a date. */
static int dated(const char *key, size_t key_size, const char *name, size_t name_size) {
    return key_size == name_size + 9 && memcmp(key, name, name_size) == 0 &&
           key[name_size] == '-' && digits(key + name_size + 1, 8) == 8;
}

static const struct price *find_similar(const struct price_table *table, const char *model,
                                        size_t size) {
    char name[NAME_MAX_SIZE], key[NAME_MAX_SIZE];
    size_t name_size = normalise(model, size, name), longest = 0;
    const struct price *best = NULL, *with_date = NULL;
    if (name_size == 0) {
        return NULL;
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct price *row = &table->rows[i];
        size_t key_size = normalise(row->model, strlen(row->model), key);
        if (key_size > longest && holds(name, name_size, key, key_size)) {
            best = row;
            longest = key_size;
        }
        if (dated(key, key_size, name, name_size)) {
            with_date = row; /* the latest: they are sorted */
        }
    }
    return longest < name_size && with_date ? with_date : best;
}

const struct price *prices_find(const struct price_table *table, const char *model, size_t size) {
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *name = table->rows[middle].model;
        size_t name_size = strlen(name); /* the model's may hold a NUL */
        int order = memcmp(name, model, name_size < size ? name_size : size);
        if (order == 0) {
            order = name_size < size ? -1 : name_size > size;
        }
        if (order == 0) {
            return &table->rows[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return find_similar(table, model, size);
}

/* ---- Money ---- */

static int64_t add(int64_t a, int64_t b) {
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t times(int64_t a, int64_t b) {
    return b != 0 && a > INT64_MAX / b ? INT64_MAX : a * b;
}

static int64_t in_bands(int64_t count, int64_t price, int64_t above) {
    if (count <= 0) {
        return 0;
    }
    if (above == 0 || count <= PRICE_BAND) {
        return times(count, price);
    }
    return add(times(PRICE_BAND, price), times(count - PRICE_BAND, above));
}

int64_t price_cost(const struct price *price, const int64_t tokens[VARVE_TOKENS], int fast) {
    static const struct {
        int token, price, factor;
    } parts[] = {
        {VARVE_TOK_INPUT, PRICE_INPUT, 1},
        {VARVE_TOK_OUTPUT, PRICE_OUTPUT, 1},
        {VARVE_TOK_CACHE_READ, PRICE_CACHE_READ, 1},
        {VARVE_TOK_CACHE_WRITE_5M, PRICE_CACHE_WRITE, 1},
        {VARVE_TOK_CACHE_WRITE_1H, PRICE_INPUT, 2},
    };
    int64_t pico = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int64_t base = times(price->base[parts[i].price], parts[i].factor);
        int64_t above = times(price->above[parts[i].price], parts[i].factor);
        pico = add(pico, in_bands(tokens[parts[i].token], base, above));
    }
    int64_t thousandths = fast && price->fast ? price->fast : 1000;
    if (pico <= INT64_MAX / thousandths - 500000) { /* exact */
        return (pico * thousandths + 500000) / 1000000;
    }
    return times(pico / 1000000, thousandths); /* over 1,500 dollars for one answer */
}

/*
 * Reads a price table from a file in LiteLLM's shape; prices.h names the fields. Everything else in
 * the file is passed over.
 */
#include "tools/cli.h"
#include "tools/json_pick.h"
#include "tools/prices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { FILE_MAX = 64 << 20, PICO = 12, MILLI = 3 };
enum { FAST_MAX = 100 * 1000 }; /* thousandths */
enum { ID_MODEL = 1, ID_FAST = 2, ID_BASE = 10, ID_ABOVE = ID_BASE + PRICES };

static const struct pick_rule rules[] = {
    {"*", ID_MODEL},
    {"*.input_cost_per_token", ID_BASE + PRICE_INPUT},
    {"*.output_cost_per_token", ID_BASE + PRICE_OUTPUT},
    {"*.cache_creation_input_token_cost", ID_BASE + PRICE_CACHE_WRITE},
    {"*.cache_read_input_token_cost", ID_BASE + PRICE_CACHE_READ},
    {"*.input_cost_per_token_above_200k_tokens", ID_ABOVE + PRICE_INPUT},
    {"*.output_cost_per_token_above_200k_tokens", ID_ABOVE + PRICE_OUTPUT},
    {"*.cache_creation_input_token_cost_above_200k_tokens", ID_ABOVE + PRICE_CACHE_WRITE},
    {"*.cache_read_input_token_cost_above_200k_tokens", ID_ABOVE + PRICE_CACHE_READ},
    {"*.provider_specific_entry.fast", ID_FAST},
};

struct builder {
    struct price *rows;
    size_t count, room;
    struct price row; /* in the making: model NULL until a key came */
    unsigned said;    /* bit 1 << PRICE_*: which base prices the file names */
};

static void end_model(struct builder *made) {
    const unsigned needed = 1u << PRICE_INPUT | 1u << PRICE_OUTPUT;
    struct price *row = &made->row;
    if ((made->said & needed) != needed) {
        free((void *)row->model);
        row->model = NULL;
        return;
    }
    if (!(made->said & 1u << PRICE_CACHE_WRITE)) {
        row->base[PRICE_CACHE_WRITE] = row->base[PRICE_INPUT] + (row->base[PRICE_INPUT] + 2) / 4;
    }
    if (!(made->said & 1u << PRICE_CACHE_READ)) {
        row->base[PRICE_CACHE_READ] = (row->base[PRICE_INPUT] + 5) / 10;
    }
    if (made->count == made->room) {
        made->room = made->room ? made->room * 2 : 256;
        made->rows = cli_grow(made->rows, made->room, sizeof *made->rows);
    }
    made->rows[made->count++] = *row;
    row->model = NULL;
}

static void take(void *context, int id, enum pick_kind kind, const char *text, size_t size) {
    enum { PRICE_MAX = 1000000000 }; /* a thousand dollars for a million tokens */
    struct builder *made = context;
    int64_t number = 0;
    if (id == ID_MODEL && kind == PICK_KEY) {
        char *name = cli_alloc(size + 1);
        memcpy(name, text, size);
        name[size] = '\0';
        free((void *)made->row.model);
        made->row = (struct price){.model = name};
        made->said = 0;
    } else if (id == ID_MODEL && kind == PICK_END) {
        end_model(made);
    } else if (id == ID_MODEL || kind != PICK_NUMBER ||
               !json_scaled(text, size, id == ID_FAST ? MILLI : PICO, &number) || number < 0 ||
               number > PRICE_MAX) {
        return;
    } else if (id == ID_FAST) {
        made->row.fast = number <= FAST_MAX ? (int32_t)number : 0;
    } else if (id >= ID_ABOVE) {
        made->row.above[id - ID_ABOVE] = number;
    } else {
        made->row.base[id - ID_BASE] = number;
        made->said |= 1u << (id - ID_BASE);
    }
}

static int compare_rows(const void *a, const void *b) {
    return strcmp(((const struct price *)a)->model, ((const struct price *)b)->model);
}

/* The whole file in memory, or NULL with a line why not. */
static char *read_whole(const char *path, size_t *ret_size, char *ret_error, size_t room) {
    struct stat there;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &there) < 0) {
        snprintf(ret_error, room, "cannot read the prices in %s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    size_t size = 0,
           wanted = there.st_size > 0 && there.st_size < FILE_MAX ? (size_t)there.st_size : 0;
    char *text = cli_alloc(wanted + 1);
    for (;;) {
        if (size == wanted + 1) { /* it has grown, or is no plain file */
            wanted = wanted * 2 + 65536;
            text = cli_grow(text, wanted + 1, 1);
        }
        ssize_t got = read(fd, text + size, wanted + 1 - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 || size > FILE_MAX) {
            snprintf(ret_error, room, "cannot read the prices in %s: %s", path,
                     got < 0 ? strerror(errno) : "it is over 64 MiB");
            free(text);
            close(fd);
            return NULL;
        }
        if (got == 0) {
            break;
        }
        size += (size_t)got;
    }
    close(fd);
    *ret_size = size;
    return text;
}

static void free_rows(struct price *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free((void *)rows[i].model);
    }
    free(rows);
}

int prices_read(const char *path, struct price_table **ret_table, char *ret_error, size_t room) {
    size_t size = 0, used = 0;
    char *text = read_whole(path, &size, ret_error, room);
    if (!text) {
        return -1;
    }
    struct builder made = {0};
    struct json_pick *pick = json_pick_new(rules, sizeof rules / sizeof *rules, take, &made);
    int whole = json_pick_object(pick, text, size, &used);
    whole = whole && used + json_blank(text + used, size - used) == size;
    json_pick_free(&pick);
    uint32_t number = (uint32_t)XXH3_64bits(text, size);
    free(text);
    free((void *)made.row.model);
    if (!whole || made.count == 0) {
        snprintf(ret_error, room, "no prices in %s: %s", path,
                 whole ? "no model in it has input_cost_per_token and output_cost_per_token"
                       : "it is not one JSON object");
        free_rows(made.rows, made.count);
        return -1;
    }
    qsort(made.rows, made.count, sizeof *made.rows, compare_rows);
    struct price_table *table = cli_alloc(sizeof *table);
    *table = (struct price_table){number ? number : 1, made.count, made.rows, 1};
    *ret_table = table;
    return 0;
}

void prices_free(struct price_table **table) {
    if (*table && (*table)->was_read) {
        free_rows((struct price *)(*table)->rows, (*table)->count);
        free(*table);
    }
    *table = NULL;
}

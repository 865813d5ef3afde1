/*
 * Rows of named fields as JSON Lines (through yajl, with no copy of a row in memory), as lines of
 * "name value", or as cells of a table (table.c) or of CSV (csv.c). Text from the store may be any bytes: in JSON
 * what is not UTF-8 becomes U+FFFD; for people it is made harmless to a terminal as well.
 */
#include "tools/out.h"

#include "tools/csv.h"
#include "tools/json_out.h"
#include "tools/table.h"
#include "tools/text.h"
#include "tools/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct out {
    yajl_gen gen;        /* JSON Lines, else NULL */
    struct csv *csv;     /* CSV, else NULL */
    struct table *table; /* a table, else NULL; none of them: lines */
    size_t rows;
    int depth; /* parts that are open */
};

static struct out *out_new(const struct cli *cli) {
    struct out *out = cli_alloc(sizeof *out);
    *out = (struct out){0};
    if (cli->jsonl) {
        out->gen = json_out_new();
    }
    return out;
}

struct out *out_rows(const struct cli *cli, const struct out_column *columns, size_t count) {
    struct out *out = out_new(cli);
    if (cli->csv && !out->gen) {
        out->csv = csv_new(columns, count);
    } else if (!out->gen) {
        out->table = table_new(columns, count, cli->color);
    }
    return out;
}

struct out *out_record(const struct cli *cli) {
    struct out *out = out_new(cli);
    if (cli->csv && !out->gen) {
        out->csv = csv_new(NULL, 0);
    }
    return out;
}

void out_close(struct out **out) {
    if (*out) {
        if ((*out)->gen) {
            yajl_gen_free((*out)->gen);
        }
        csv_free(&(*out)->csv);
        table_free(&(*out)->table);
        free(*out);
        *out = NULL;
    }
}

void out_begin(struct out *out) {
    if (out->gen) {
        yajl_gen_map_open(out->gen);
    } else if (out->csv) {
        csv_begin(out->csv);
    } else if (out->table) {
        table_begin(out->table);
    } else if (out->rows > 0) {
        putchar('\n');
    }
    out->rows++;
}

int out_end(struct out *out) {
    if (out->gen) {
        yajl_gen_map_close(out->gen);
        yajl_gen_reset(out->gen, "\n");
    } else if (out->csv) {
        csv_end(out->csv);
    } else if (out->table) {
        table_end(out->table);
    }
    return cli_stdout_failed();
}

int out_flush(struct out *out) {
    if (out->table) {
        table_flush(out->table);
    }
    (void)fflush(stdout);
    return cli_stdout_failed();
}

void out_rule(struct out *out) {
    if (out->table) {
        table_rule(out->table);
    }
}

/* ---- Parts ---- */

static void json_name(struct out *out, const char *name) {
    if (name) {
        yajl_gen_string(out->gen, (const unsigned char *)name, strlen(name));
    }
}

/* Lines stand two columns further in for each part that is open. */
static void open_part(struct out *out, const char *name) {
    if (out->csv) {
        csv_part(out->csv, name);
        return;
    }
    if (!out->table) {
        printf("%*s%s\n", out->depth * 2, "", name);
    }
    out->depth++;
}

static void close_part(struct out *out) {
    if (out->csv) {
        csv_part_end(out->csv);
    } else {
        out->depth--;
    }
}

void out_object(struct out *out, const char *name) {
    if (out->gen) {
        json_name(out, name);
        yajl_gen_map_open(out->gen);
    } else {
        open_part(out, name);
    }
}

void out_object_end(struct out *out) {
    if (out->gen) {
        yajl_gen_map_close(out->gen);
    } else {
        close_part(out);
    }
}

void out_array(struct out *out, const char *name) {
    if (out->gen) {
        json_name(out, name);
        yajl_gen_array_open(out->gen);
    } else {
        open_part(out, name);
    }
}

void out_array_end(struct out *out) {
    if (out->gen) {
        yajl_gen_array_close(out->gen);
    } else {
        close_part(out);
    }
}

/* ---- Values as text ---- */

/* The text is harmless already. */
static void show(struct out *out, const char *name, const char *text, size_t size) {
    if (out->table) {
        if (out->depth == 0) {
            table_cell(out->table, name, text, size);
        }
        return;
    }
    printf("%*s%-*s ", out->depth * 2, "", 26 - out->depth * 2, name ? name : "-");
    (void)fwrite(text, 1, size, stdout);
    putchar('\n');
}

static void show_text(struct out *out, const char *name, const char *text, size_t size) {
    char few[1024], *line = few;
    size_t room = sizeof few;
    if (out->table) {
        size = size > 4 * sizeof few ? 4 * sizeof few : size; /* more never fits into a cell */
    } else if (size * 3 + 1 > sizeof few) {
        room = size * 3 + 1; /* each byte may become U+FFFD */
        line = cli_alloc(room);
    }
    size_t used = text_line(line, room, text, size);
    show(out, name, line, used);
    if (line != few) {
        free(line);
    }
}

/* ---- Values ---- */

void out_null(struct out *out, const char *name) {
    if (out->gen) {
        json_name(out, name);
        yajl_gen_null(out->gen);
    } else if (out->csv) {
        csv_cell(out->csv, name, NULL, 0);
    } else if (out->table) {
        show(out, name, "-", 1);
    }
}

void out_bool(struct out *out, const char *name, int value) {
    if (out->gen) {
        json_name(out, name);
        yajl_gen_bool(out->gen, value);
    } else if (out->csv) {
        csv_cell(out->csv, name, value ? "true" : "false", value ? 4 : 5);
    } else {
        show(out, name, value ? "yes" : "no", value ? 3 : 2);
    }
}

void out_number(struct out *out, const char *name, int64_t value) {
    char text[TEXT_GROUPED];
    if (out->gen) {
        json_name(out, name);
        yajl_gen_integer(out->gen, value);
    } else if (out->csv) {
        csv_cell(out->csv, name, text, (size_t)snprintf(text, sizeof text, "%" PRId64, value));
    } else {
        show(out, name, text, text_grouped(text, value));
    }
}

void out_numeral(struct out *out, const char *name, uint64_t value) {
    char text[24];
    size_t size = (size_t)snprintf(text, sizeof text, "%" PRIu64, value);
    if (out->gen) {
        json_name(out, name);
        yajl_gen_number(out->gen, text, size);
    } else if (out->csv) {
        csv_cell(out->csv, name, text, size);
    } else {
        show(out, name, text, size);
    }
}

void out_bytes(struct out *out, const char *name, uint64_t bytes) {
    if (out->gen || out->csv) {
        out_numeral(out, name, bytes);
    } else {
        char text[TEXT_BYTES];
        show(out, name, text, text_bytes(text, bytes));
    }
}

void out_money(struct out *out, const char *name, int64_t nanos) {
    char text[TEXT_MONEY];
    if (out->gen) {
        size_t size = text_money(text, nanos);
        json_name(out, name);
        yajl_gen_number(out->gen, text, size);
    } else if (out->csv) {
        csv_cell(out->csv, name, text, text_money(text, nanos));
    } else {
        show(out, name, text, text_money_short(text, nanos));
    }
}

void out_time(struct out *out, const char *name, int64_t ns) {
    char text[WHEN_ROOM];
    if (out->gen || out->csv) {
        out_text(out, name, (varve_str){text, when_print(text, ns)});
        return;
    }
    size_t size = when_print_local(text, ns);
    if (out->table && size > 19) { /* to the second; the column's title names the zone */
        size = 19;
        text[10] = ' ';
    }
    show(out, name, text, size);
}

void out_word(struct out *out, const char *name, const char *word) {
    out_text(out, name, varve_cstr(word));
}

void out_text(struct out *out, const char *name, varve_str text) {
    if (!text.ptr) {
        out_null(out, name);
    } else if (out->csv) {
        csv_cell(out->csv, name, text.ptr, text.size);
    } else if (!out->gen) {
        show_text(out, name, text.ptr, text.size);
    } else {
        json_name(out, name);
        json_out_string(out->gen, text.ptr, text.size);
    }
}

void out_hex(struct out *out, const char *name, const uint8_t *bytes, size_t size) {
    char text[65];
    size_t used = 0;
    for (size_t i = 0; i < size && used + 2 < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%02x", bytes[i]);
    }
    out_text(out, name, (varve_str){text, used});
}

void out_json(struct out *out, const char *name, varve_str bytes) {
    if (!out->gen || !bytes.ptr || !json_out_value(out->gen, name, bytes.ptr, bytes.size)) {
        out_text(out, name, bytes);
    }
}

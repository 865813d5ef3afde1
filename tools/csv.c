/*
 * A row is gathered, then printed. Quotes stand around whatever holds a comma, a quote, a line's end
 * or a space at its ends.
 */
#include "tools/csv.h"

#include "tools/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 4, PATH_ROOM = 256 };

struct cell {
    size_t name, at, size; /* places in csv.text; the name is terminated */
    int is_null;
};

struct csv {
    const struct out_column *columns; /* NULL: the cells' own names */
    size_t count;
    struct cell *cells;
    size_t used, room;
    char *text;
    size_t text_size, text_room;
    char *heads; /* the names of the line before, as they were printed */
    char path[PATH_ROOM];
    size_t part_at[PARTS_MAX]; /* where each open part's name begins in path */
    unsigned item[PARTS_MAX + 1];
    size_t parts;
    int headed;
};

struct csv *csv_new(const struct out_column *columns, size_t count) {
    struct csv *csv = cli_alloc(sizeof *csv);
    *csv = (struct csv){.columns = columns, .count = count};
    return csv;
}

static size_t keep(struct csv *csv, const char *text, size_t size) {
    if (csv->text_size + size + 1 > csv->text_room) {
        csv->text_room = (csv->text_size + size + 1) * 2;
        csv->text = cli_grow(csv->text, csv->text_room, 1);
    }
    size_t at = csv->text_size;
    if (size > 0) {
        memcpy(csv->text + at, text, size);
    }
    csv->text[at + size] = '\0';
    csv->text_size += size + 1;
    return at;
}

static struct cell *new_cell(struct csv *csv) {
    if (csv->used == csv->room) {
        csv->room = csv->room ? csv->room * 2 : 32;
        csv->cells = cli_grow(csv->cells, csv->room, sizeof *csv->cells);
    }
    struct cell *cell = &csv->cells[csv->used++];
    *cell = (struct cell){.is_null = 1};
    return cell;
}

void csv_begin(struct csv *csv) {
    csv->used = csv->text_size = csv->parts = 0;
    csv->item[0] = 0;
    csv->path[0] = '\0';
    for (size_t c = 0; c < csv->count; c++) {
        (void)new_cell(csv);
    }
}

/* The name within the open parts: "by_source.api.events". */
static void add_name(struct csv *csv, const char *name) {
    size_t used = strlen(csv->path);
    const char *dot = used > 0 ? "." : "";
    if (name) {
        (void)snprintf(csv->path + used, PATH_ROOM - used, "%s%s", dot, name);
    } else {
        (void)snprintf(csv->path + used, PATH_ROOM - used, "%s%u", dot, csv->item[csv->parts]++);
    }
}

void csv_part(struct csv *csv, const char *name) {
    assert(csv->parts < PARTS_MAX);
    size_t at = strlen(csv->path);
    add_name(csv, name);
    csv->part_at[csv->parts++] = at;
    csv->item[csv->parts] = 0;
}

void csv_part_end(struct csv *csv) {
    csv->path[csv->part_at[--csv->parts]] = '\0';
}

void csv_cell(struct csv *csv, const char *name, const char *text, size_t size) {
    struct cell *cell = NULL;
    if (csv->columns) {
        for (size_t c = 0; c < csv->count && csv->parts == 0; c++) {
            cell = strcmp(csv->columns[c].field, name) == 0 ? &csv->cells[c] : cell;
        }
        if (!cell) {
            return;
        }
    } else {
        size_t end = strlen(csv->path);
        cell = new_cell(csv);
        add_name(csv, name);
        cell->name = keep(csv, csv->path, strlen(csv->path));
        csv->path[end] = '\0';
    }
    cell->is_null = !text;
    cell->size = text ? size : 0;
    cell->at = keep(csv, text, cell->size);
}

/* ---- Printing ---- */

static int wants_quotes(const char *text, size_t size) {
    if (size == 0 || text[0] == ' ' || text[size - 1] == ' ') {
        return 1;
    }
    for (size_t i = 0; i < size; i++) {
        if (strchr(",\"\r\n\t", text[i])) {
            return 1;
        }
    }
    return 0;
}

static void print_text(const char *text, size_t size) {
    const char *end = text + size;
    int quotes = wants_quotes(text, size);
    if (quotes) {
        putchar('"');
    }
    for (size_t step; text < end; text += step) {
        uint32_t code;
        step = text_next(text, end, &code);
        int control = code < 0x20 ? code != '\n' && code != '\r' && code != '\t'
                                  : code >= 0x7F && code < 0xA0;
        if (code == UINT32_MAX || control) {
            fputs("\xEF\xBF\xBD", stdout);
        } else if (code == '"') {
            fputs("\"\"", stdout);
        } else {
            (void)fwrite(text, 1, step, stdout);
        }
    }
    if (quotes) {
        putchar('"');
    }
}

/* Names that differ from those of the row before make a new line of names. */
static void print_names(struct csv *csv) {
    size_t size = 1;
    for (size_t c = 0; c < csv->used && !csv->columns; c++) {
        size += strlen(csv->text + csv->cells[c].name) + 1;
    }
    char *heads = cli_alloc(size), *at = heads;
    for (size_t c = 0; c < csv->used && !csv->columns; c++) {
        const char *name = csv->text + csv->cells[c].name;
        at = stpcpy(stpcpy(at, name), "\n");
    }
    *at = '\0';
    if (csv->headed && strcmp(csv->heads, heads) == 0) {
        free(heads);
        return;
    }
    free(csv->heads);
    csv->heads = heads;
    csv->headed = 1;
    size_t count = csv->columns ? csv->count : csv->used;
    for (size_t c = 0; c < count; c++) {
        const char *name =
            csv->columns ? csv->columns[c].field : csv->text + csv->cells[c].name;
        fputs(c > 0 ? "," : "", stdout);
        print_text(name, strlen(name));
    }
    putchar('\n');
}

void csv_end(struct csv *csv) {
    if (!csv->headed || !csv->columns) {
        print_names(csv);
    }
    for (size_t c = 0; c < csv->used; c++) {
        const struct cell *cell = &csv->cells[c];
        fputs(c > 0 ? "," : "", stdout);
        if (!cell->is_null) {
            print_text(csv->text + cell->at, cell->size);
        }
    }
    putchar('\n');
}

void csv_free(struct csv **csv) {
    if (*csv) {
        if (!(*csv)->headed && (*csv)->columns) {
            (*csv)->used = 0;
            print_names(*csv);
        }
        free((*csv)->cells);
        free((*csv)->text);
        free((*csv)->heads);
        free(*csv);
        *csv = NULL;
    }
}

/*
 * The widths of a table: what the first thousand rows need, and no more than the terminal has. Wide
 * columns of text give way first, then those that are to be kept; then columns are left out, the
 * spare ones first.
 */
#include "tools/table.h"

#include "tools/text.h"
#include "tools/when.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    HELD_ROWS = 1000,
    CELL_BYTES = 600, /* a longer text is cut */
    TITLE_ROOM = 128,
    COLUMNS_MAX = 16,
    WIDEST_TEXT = 60, /* of a column that may be cut, when no terminal sets the limit */
    WHOLE_ID = 36,    /* a UUID */
};

struct cell {
    size_t at, size; /* in table.text */
};

struct table {
    const struct out_column *columns;
    size_t count;
    size_t width[COLUMNS_MAX];
    struct cell *cells;   /* of the rows held back, 'count' each */
    unsigned char *ruled; /* one a row held back: a line goes before it */
    size_t rows;
    char *text;
    size_t text_size, text_room;
    size_t terminal;                   /* its width, 0 = no terminal */
    unsigned char hidden[COLUMNS_MAX]; /* left out, as the terminal is too narrow */
    int rule_next, settled, color;
    int open; /* rows were printed before all of them were known */
};

static size_t terminal_width(void) {
    struct winsize window = {0};
    if (!isatty(STDOUT_FILENO)) {
        return 0;
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_col == 0) {
        return 80;
    }
    return window.ws_col;
}

struct table *table_new(const struct out_column *columns, size_t count, int color) {
    assert(count > 0 && count <= COLUMNS_MAX);
    struct table *table = cli_alloc(sizeof *table);
    *table = (struct table){.columns = columns, .count = count, .color = color};
    table->cells = cli_grow(NULL, HELD_ROWS * count, sizeof *table->cells);
    table->ruled = cli_alloc(HELD_ROWS);
    table->terminal = terminal_width();
    return table;
}

void table_begin(struct table *table) {
    struct cell *row = table->cells + table->rows * table->count;
    memset(row, 0, table->count * sizeof *row);
    table->ruled[table->rows] = (unsigned char)table->rule_next;
    table->rule_next = 0;
}

void table_cell(struct table *table, const char *field, const char *text, size_t size) {
    size_t column = 0;
    while (column < table->count && strcmp(table->columns[column].field, field) != 0) {
        column++;
    }
    if (column == table->count) {
        return;
    }
    if (size > CELL_BYTES) {
        size = CELL_BYTES;
        while (((unsigned char)text[size] & 0xC0) == 0x80) {
            size--; /* to a character's end */
        }
    }
    if (table->text_size + size > table->text_room) {
        table->text_room = (table->text_size + size) * 2;
        table->text = cli_grow(table->text, table->text_room, 1);
    }
    memcpy(table->text + table->text_size, text, size);
    table->cells[table->rows * table->count + column] = (struct cell){table->text_size, size};
    table->text_size += size;
}

void table_rule(struct table *table) {
    table->rule_next = 1;
}

/* ---- Widths ---- */

static size_t whole_width(const struct table *table) {
    size_t whole = 0;
    for (size_t c = 0; c < table->count; c++) {
        whole += table->hidden[c] ? 0 : table->width[c] + (whole > 0 ? 2 : 0);
    }
    return whole;
}

/* Takes from the widest columns of these, until the table fits or they are as narrow as may be. */
static void give_way(struct table *table, int keep, size_t narrowest) {
    size_t whole = whole_width(table);
    while (whole > table->terminal) {
        size_t widest = table->count;
        for (size_t c = 0; c < table->count; c++) {
            int flags = table->columns[c].flags;
            if ((flags & OUT_CUT) && !(flags & OUT_KEEP) == !keep && !table->hidden[c] &&
                table->width[c] > narrowest &&
                (widest == table->count || table->width[c] > table->width[widest])) {
                widest = c;
            }
        }
        if (widest == table->count) {
            return;
        }
        table->width[widest]--;
        whole--;
    }
}

/* Leaves out the last spare column; if there is none the last one of text; else the last. 0 if only
 * the first is left. */
static int leave_out(struct table *table) {
    static const int order[] = {OUT_SPARE, OUT_CUT, 0};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        for (size_t c = table->count; c > 1; c--) {
            int flags = table->columns[c - 1].flags;
            if ((flags & order[i]) == order[i] && !table->hidden[c - 1]) {
                table->hidden[c - 1] = 1;
                return 1;
            }
        }
    }
    return 0;
}

static void fit_terminal(struct table *table) {
    size_t wanted[COLUMNS_MAX];
    memcpy(wanted, table->width, sizeof wanted);
    for (;;) {
        give_way(table, 0, 24);
        give_way(table, 1, 13); /* enough of an id to name it */
        give_way(table, 0, 8);
        if (whole_width(table) <= table->terminal || !leave_out(table)) {
            return;
        }
        memcpy(table->width, wanted, sizeof wanted);
    }
}

/* A column of times says in which zone they are. */
static size_t title_of(const struct out_column *column, char ret_title[TITLE_ROOM]) {
    int zone = column->flags & OUT_TIME;
    int size = snprintf(ret_title, TITLE_ROOM, "%s%s%s%s", column->title, zone ? " (" : "",
                        zone ? when_zone_title() : "", zone ? ")" : "");
    return size < TITLE_ROOM ? (size_t)size : TITLE_ROOM - 1;
}

static void settle_widths(struct table *table) {
    for (size_t c = 0; c < table->count; c++) {
        const struct out_column *column = &table->columns[c];
        char title[TITLE_ROOM];
        size_t width = title_of(column, title);
        for (size_t r = 0; r < table->rows; r++) {
            const struct cell *cell = &table->cells[r * table->count + c];
            size_t wide = text_width(table->text + cell->at, cell->size);
            width = wide > width ? wide : width;
        }
        if (table->open && (column->flags & OUT_CUT)) { /* what comes may be longer */
            size_t likely = column->flags & OUT_KEEP ? WHOLE_ID : WIDEST_TEXT;
            width = width < likely ? likely : width;
        }
        int limited = (column->flags & OUT_CUT) && !(column->flags & OUT_KEEP);
        if (limited && !table->terminal && width > WIDEST_TEXT) {
            width = WIDEST_TEXT;
        }
        table->width[c] = width;
    }
    if (table->terminal) {
        fit_terminal(table);
    }
}

/* ---- Printing ---- */

static void pad(size_t columns) {
    while (columns-- > 0) {
        putchar(' ');
    }
}

/* A cell, and the space after it unless it is the last. */
static void print_cell(const struct table *table, size_t column, const char *text, size_t size) {
    int flags = table->columns[column].flags;
    size_t width = table->width[column], wide = text_width(text, size), last = table->count - 1;
    while (table->hidden[last]) {
        last--;
    }
    if (table->hidden[column]) {
        return;
    }
    int cut = (flags & OUT_CUT) && wide > width;
    if (cut) {
        size = text_fit(text, size, width - 1);
        wide = text_width(text, size) + 1;
    }
    size_t rest = wide < width ? width - wide : 0;
    if (flags & OUT_RIGHT) {
        pad(rest);
    }
    (void)fwrite(text, 1, size, stdout);
    if (cut) {
        fputs("\xE2\x80\xA6", stdout);
    }
    if (column != last) {
        pad(flags & OUT_RIGHT ? 2 : rest + 2);
    }
}

static void print_titles(const struct table *table) {
    if (table->color) {
        fputs("\x1B[1m", stdout);
    }
    for (size_t c = 0; c < table->count; c++) {
        char title[TITLE_ROOM];
        size_t size = title_of(&table->columns[c], title);
        print_cell(table, c, title, size);
    }
    fputs(table->color ? "\x1B[0m\n" : "\n", stdout);
}

static void print_rule(const struct table *table) {
    for (size_t i = whole_width(table); i > 0; i--) {
        putchar('-');
    }
    putchar('\n');
}

static void print_held(struct table *table) {
    for (size_t r = 0; r < table->rows; r++) {
        if (table->ruled[r]) {
            print_rule(table);
        }
        for (size_t c = 0; c < table->count; c++) {
            const struct cell *cell = &table->cells[r * table->count + c];
            print_cell(table, c, table->text + cell->at, cell->size);
        }
        putchar('\n');
    }
    table->rows = 0;
    table->text_size = 0;
}

static void settle(struct table *table) {
    if (!table->settled) {
        settle_widths(table);
        print_titles(table);
        table->settled = 1;
    }
    print_held(table);
}

void table_end(struct table *table) {
    table->rows++;
    if (table->settled || table->rows == HELD_ROWS) {
        settle(table);
    }
}

void table_flush(struct table *table) {
    if (table->rows > 0) {
        table->open = 1;
        settle(table);
    }
}

void table_free(struct table **table) {
    if (*table) {
        settle(*table);
        free((*table)->cells);
        free((*table)->ruled);
        free((*table)->text);
        free(*table);
        *table = NULL;
    }
}

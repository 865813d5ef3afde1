/*
 * Takes lines apart. A sound line is one object. Writers that died or raced leave lines of glued
 * objects, of a cut object with the next one behind it, of NULs: every entry in them that is whole
 * is won back, and all other bytes are kept as they are.
 */
#include "tools/claude_inner.h"

#include "tools/cli.h"

#include <stdlib.h>
#include <string.h>

struct claude_reader *claude_reader_new(const struct price_table *prices) {
    struct claude_reader *reader = cli_alloc(sizeof *reader);
    memset(reader, 0, sizeof *reader);
    reader->prices = prices;
    reader->arena = cli_alloc(ARENA_SIZE);
    reader->pick = json_pick_new(claude_rules, claude_rules_count, claude_take, reader);
    return reader;
}

void claude_reader_free(struct claude_reader **reader) {
    if (*reader) {
        json_pick_free(&(*reader)->pick);
        free((*reader)->arena);
        free(*reader);
        *reader = NULL;
    }
}

static int pick(struct claude_reader *reader, const char *text, size_t size, size_t *ret_used) {
    memset(&reader->raw, 0, sizeof reader->raw);
    reader->words.size = 0;
    reader->words.any = reader->words.noise = false;
    reader->arena_used = 0;
    reader->begin = text;
    reader->end = text + size;
    return json_pick_object(reader->pick, text, size, ret_used);
}

int claude_read(struct claude_reader *reader, const char *text, size_t size,
                struct claude_object *ret_object, size_t *ret_used) {
    size_t used = 0;
    if (!pick(reader, text, size, &used)) {
        return 0;
    }
    memset(ret_object, 0, sizeof *ret_object);
    varve_event_init(&ret_object->event);
    claude_event_put(reader, ret_object);
    *ret_used = used;
    return 1;
}

/* ---- Pieces ---- */

/* The search for entries may read a line so many times over, then it gives the rest up. */
enum { SEARCH_FACTOR = 32, SEARCH_MIN = 1 << 20 };

void claude_line(struct claude_reader *reader, const char *text, size_t size, bool glued) {
    reader->line = reader->at = text;
    reader->line_end = text + size;
    reader->fresh = true;
    reader->glued = glued;
    reader->pending = false;
    reader->budget = size > (SIZE_MAX - SEARCH_MIN) / SEARCH_FACTOR
                         ? SIZE_MAX
                         : SEARCH_MIN + size * SEARCH_FACTOR;
}

static void give(struct claude_reader *reader, struct claude_piece *ret_piece,
                 enum claude_piece_kind kind, size_t size) {
    bool object = kind == CLAUDE_WHOLE || kind == CLAUDE_RECOVERED;
    *ret_piece = (struct claude_piece){.kind = kind, .text = reader->at, .size = size};
    ret_piece->object = object ? &reader->object : NULL;
    reader->at += size;
    ret_piece->last = reader->at == reader->line_end;
    reader->fresh = false;
}

/* An entry that begins at 'at', with the white space behind it; 'object' takes it. */
static bool entry_at(struct claude_reader *reader, const char *at, size_t *ret_size) {
    size_t left = (size_t)(reader->line_end - at), used = 0;
    if (!claude_read(reader, at, left, &reader->object, &used) || !reader->object.record) {
        return false;
    }
    *ret_size = used + json_blank(at + used, left - used);
    return true;
}

/* The next place from which an entry can be read. An object that is no entry is passed over whole:
 * what stands in it belongs to it. */
static const char *next_entry(struct claude_reader *reader, const char *from, size_t *ret_size) {
    for (const char *at = from; at < reader->line_end;) {
        at = memchr(at, '{', (size_t)(reader->line_end - at));
        if (!at || reader->budget == 0) {
            return NULL;
        }
        size_t left = (size_t)(reader->line_end - at), used = 0;
        int whole = claude_read(reader, at, left, &reader->object, &used);
        if (whole && reader->object.record) {
            *ret_size = used + json_blank(at + used, left - used);
            return at;
        }
        size_t spent = whole ? used : json_pick_reached(reader->pick);
        reader->budget = reader->budget > spent ? reader->budget - spent : 0;
        at += whole ? used : 1;
    }
    return NULL;
}

int claude_next(struct claude_reader *reader, struct claude_piece *ret_piece) {
    size_t left = (size_t)(reader->line_end - reader->at), size = 0;
    if (reader->pending) {
        reader->pending = false;
        give(reader, ret_piece, CLAUDE_RECOVERED, reader->pending_size);
        return 1;
    }
    if (left == 0 && !reader->fresh) {
        return 0;
    }
    if (reader->fresh && json_blank(reader->at, left) == left) {
        give(reader, ret_piece, CLAUDE_BLANK, left);
        return 1;
    }
    if (reader->fresh && !reader->glued &&
        claude_read(reader, reader->at, left, &reader->object, &size) &&
        size + json_blank(reader->at + size, left - size) == left) {
        give(reader, ret_piece, CLAUDE_WHOLE, left);
        return 1;
    }
    if (entry_at(reader, reader->at, &size)) {
        give(reader, ret_piece, CLAUDE_RECOVERED, size);
        return 1;
    }
    if (reader->fresh && reader->at[json_blank(reader->at, left)] != '{' &&
        json_is_value(reader->at, left)) {
        give(reader, ret_piece, CLAUDE_UNPARSED, left);
        return 1;
    }
    const char *found = next_entry(reader, reader->at, &size);
    if (found) {
        reader->pending = true;
        reader->pending_size = size;
        left = (size_t)(found - reader->at);
    }
    give(reader, ret_piece, CLAUDE_UNPARSED, left);
    return 1;
}

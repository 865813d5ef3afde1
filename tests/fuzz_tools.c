/*
 * Fuzzes what the command makes of other programs' bytes: lines of transcripts, hooks, telemetry, event objects, JSON,
 * times. The first byte chooses. What comes out of the readers is put into a batch, which must take it or say why not.
 */
#include "engine/varve.h"

#include "tools/append_event.h"
#include "tools/claude.h"
#include "tools/hook_event.h"
#include "tools/json_pick.h"
#include "tools/otel_event.h"
#include "tools/query.h"
#include "tools/text.h"
#include "tools/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static varve_batch *batch;

static void require(int holds) {
    if (!holds)
        abort();
}

/* Reads every byte, so that a sanitizer sees a range that is not ours. */
static void touch(const void *ptr, size_t size) {
    volatile uint8_t sink = 0;
    const uint8_t *bytes = ptr;
    for (size_t i = 0; i < size; i++)
        sink = (uint8_t)(sink + bytes[i]);
}

static void take_event(const varve_event *event, int set) {
    varve_event copy = *event;
    touch(event->payload, event->payload_size);
    for (unsigned i = 0; i < VARVE_STRS; i++)
        touch(event->str[i].ptr, event->str[i].size);
    touch(event->session_id.ptr, event->session_id.size);
    touch(event->type.ptr, event->type.size);
    if (copy.session_id.ptr == NULL)
        copy.session_id = varve_cstr("of the file");
    int result = set ? varve_batch_set(batch, &copy) : varve_batch_add(batch, &copy);
    require(result >= 0 || result == VARVE_E_TOO_BIG || result == VARVE_E_ARGUMENT);
    if (varve_batch_bytes(batch) > 1 << 20)
        varve_batch_clear(batch);
}

static void fuzz_append(const char *text, size_t size) {
    static struct append_reader *reader;
    struct append_object object;
    reader = reader != NULL ? reader : append_reader_new();
    if (append_read(reader, text, size, &object) != NULL)
        return;
    require(object.has_event || object.has_set);
    if (object.has_event)
        take_event(&object.event, 0);
    if (object.has_set)
        take_event(&object.set, 1);
}

static void fuzz_hook(const char *text, size_t size) {
    static struct hook_reader *reader;
    struct hook_object object;
    size_t used = 0;
    reader = reader != NULL ? reader : hook_reader_new();
    if (hook_read(reader, text, size, &object, &used)) {
        require(used > 0 && used <= size);
        touch(object.uid_name.ptr, object.uid_name.size);
        if (object.why == NULL)
            take_event(&object.event, 0);
    }
    require(hook_reached(reader) <= size);
}

static void take_record(void *context, const struct otel_record *record) {
    (void)context;
    touch(record->text, record->size);
    touch(record->uid_name.ptr, record->uid_name.size);
    take_event(&record->event, 0);
}

static void fuzz_otel(const char *text, size_t size) {
    static struct otel_reader *reader;
    size_t used = 0;
    reader = reader != NULL ? reader : otel_reader_new(prices_builtin());
    if (otel_read(reader, text, size, take_record, NULL, &used))
        require(used > 0 && used <= size);
    require(otel_reached(reader) <= size);
}

/* The pieces of all lines, one after the other, are the text. */
static void fuzz_claude(const char *text, size_t size) {
    static struct claude_reader *reader;
    struct claude_state state = {0};
    struct claude_piece piece;
    reader = reader != NULL ? reader : claude_reader_new(prices_builtin());
    for (size_t at = 0; at < size; at++) { /* one more for each line's end */
        const char *end = memchr(text + at, '\n', size - at);
        size_t line = end == NULL ? size - at : (size_t)(end - text) - at;
        size_t before = at;
        claude_line(reader, text + at, line, false);
        while (claude_next(reader, &piece)) {
            require(piece.text == text + at && piece.size <= size - at);
            require((piece.object != NULL) == (piece.kind == CLAUDE_WHOLE || piece.kind == CLAUDE_RECOVERED));
            varve_event event;
            varve_event_init(&event);
            if (piece.object != NULL)
                event = piece.object->event;
            claude_place(&state, &piece, &event);
            if (piece.object != NULL)
                take_event(&event, 0);
            at += piece.size;
            require(piece.last == (at == before + line));
        }
        require(at == before + line);
    }
}

static void fuzz_json(const char *text, size_t size) {
    int64_t number;
    size_t span = size > 0 ? json_span(text, size) : 0;
    require(span <= size && json_blank(text, size) <= size);
    if (json_is_value(text, size))
        require(span + json_blank(text, size) > 0 || size == 0);
    json_scaled(text, size, (int)(size % 19) - 9, &number);
    json_whole(text, size, &number);
    char mended[256];
    require(claude_mend(mended, sizeof mended, text, size) <= sizeof mended);
    require(text_cut(text, size, size / 2) <= size / 2 || size < 2);
}

/* A time that parses prints as one that parses to the same. */
static void fuzz_time(const char *text, size_t size) {
    int64_t time, again;
    char printed[WHEN_ROOM], word[80];
    claude_time(text, size, &time);
    if (when_parse(text, size, &time) == 0) {
        size_t length = when_print(printed, time);
        require(when_parse(printed, length, &again) == 0 && again == time);
    }
    snprintf(word, sizeof word, "%.*s", (int)(size < sizeof word ? size : sizeof word - 1), text);
    int64_t bound;
    varve_place place;
    when_parse_bound(word, &bound);
    for (uint32_t order = VARVE_ORDER_ARRIVAL; order <= VARVE_ORDER_COST; order++)
        query_read_place(word, order, &place);
    require(prices_find(prices_builtin(), text, size) == NULL || size > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static void (*const fuzz[])(const char *, size_t) = {fuzz_append, fuzz_hook, fuzz_otel, fuzz_claude, fuzz_json, fuzz_time};
    if (batch == NULL)
        require(varve_batch_new(&batch) == VARVE_OK);
    if (size == 0)
        return 0;
    char *text = malloc(size); /* of exactly what is left, and one more so that it is never empty */
    require(text != NULL);
    memcpy(text, input, size);
    fuzz[input[0] % (sizeof fuzz / sizeof *fuzz)](text + 1, size - 1);
    free(text);
    return 0;
}

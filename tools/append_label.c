/*
 * Labels of an event object: its members become lines "key=value", or "key" to take it away.
 */
#include "tools/append_inner.h"

#include <string.h>

enum { LABELS_MAX = 1 << 20 };

void append_begin_labels(const struct append_value *v) {
    struct append_reader *reader = v->reader;
    if (v->kind != PICK_OBJECT) {
        append_value_fault(v, "wants an object of strings");
        return;
    }
    reader->labels_room = reader->size < LABELS_MAX ? reader->size : LABELS_MAX;
    reader->labels = keep_room(&reader->keep, reader->labels_room);
    v->into->str[VARVE_STR_LABELS] = (varve_str){reader->labels, 0};
}

static const char *label_fault(const struct append_reader *reader, enum pick_kind kind,
                               const char *text, size_t size) {
    const varve_str *labels = &reader->object.set.str[VARVE_STR_LABELS];
    if (kind != PICK_KEY && kind != PICK_STRING) {
        return "wants an object of strings";
    }
    if (kind == PICK_KEY && (size == 0 || memchr(text, '=', size) || memchr(text, '\n', size))) {
        return "a key is one line of text without '='";
    }
    if (size > 0 && memchr(text, '\n', size)) {
        return "a value is one line of text";
    }
    return labels->size + 1 + size > reader->labels_room ? "longer than 1 MiB" : NULL;
}

void append_take_label(struct append_reader *reader, int in_set, enum pick_kind kind,
                       const char *text, size_t size) {
    varve_str *labels = &reader->object.set.str[VARVE_STR_LABELS];
    if (kind == PICK_NULL) { /* the key alone */
        return;
    }
    const char *why = label_fault(reader, kind, text, size);
    if (why) {
        append_fault(reader, in_set, "labels", "%s", why);
        return;
    }
    if (labels->size > 0) {
        reader->labels[labels->size++] = kind == PICK_KEY ? '\n' : '=';
    }
    memcpy(reader->labels + labels->size, size ? text : "", size);
    labels->size += size;
}

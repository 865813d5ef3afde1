/*
 * The event object of docs/EVENTS.md: one JSON object as an event, or as attributes of a session.
 * Knows no store and no file.
 */
#ifndef TOOLS_APPEND_EVENT_H
#define TOOLS_APPEND_EVENT_H

#include "engine/varve.h"

#include <stdbool.h>

/* Texts lie in the object's bytes or the reader, and hold until the reader's next call. */
struct append_object {
    bool has_event, has_set;
    varve_event event; /* for varve_batch_add */
    varve_event set;   /* for varve_batch_set: what an event says and only a session can carry */
};

struct append_reader;
struct append_reader *append_reader_new(void);
void append_reader_free(struct append_reader **reader);
/* Reads the object that is all of 'text' but for white space around it. NULL, or why it is not
 * taken, in one line: "tokens_input: wants a whole number". The line holds until the next call. */
const char *append_read(struct append_reader *reader, const char *text, size_t size,
                        struct append_object *ret_object);

#endif

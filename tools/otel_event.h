/*
 * OTLP/JSON: exports of logs (Claude Code's events) and of spans (the GenAI conventions), each
 * record as one event. Knows no store and no file.
 */
#ifndef TOOLS_OTEL_EVENT_H
#define TOOLS_OTEL_EVENT_H

#include "engine/varve.h"
#include "tools/prices.h"

#include <stdbool.h>

/* A record of a log, or a span. 'event' has everything but uid and position; its session id is
 * absent if the record names none. What it says holds during the call. */
struct otel_record {
    varve_event event;
    const char *text; /* its own bytes, which are the event's payload */
    size_t size;
    varve_str uid_name; /* absent: it is known by its bytes alone */
    bool unpriced;      /* carries tokens, and neither a cost nor a model with a price */
};
typedef void (*otel_each)(void *context, const struct otel_record *record);

struct otel_reader;
struct otel_reader *otel_reader_new(const struct price_table *prices);
void otel_reader_free(struct otel_reader **reader);
/* Reads the object that begins 'text', and calls 'each' for its records (NULL: only looks). 1 and
 * the bytes that it takes, or 0 if no whole object is there: then some records were told. */
int otel_read(struct otel_reader *reader, const char *text, size_t size, otel_each each,
              void *context, size_t *ret_used);
/* How many bytes the last otel_read looked at; whether they hold logs or spans. */
size_t otel_reached(const struct otel_reader *reader);
bool otel_is_export(const struct otel_reader *reader);

#endif

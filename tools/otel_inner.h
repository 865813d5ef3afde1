/*
 * Between the parts of the OTLP reader: the attributes of a record, before it is judged.
 */
#ifndef TOOLS_OTEL_INNER_H
#define TOOLS_OTEL_INNER_H

#include "tools/json_pick.h"
#include "tools/keep.h"
#include "tools/otel_event.h"

/* What is kept of a record: attributes by their names, and fields of its own. All are texts, as
 * numbers come as either. */
enum otel_text {
    OT_SESSION,
    OT_CONVERSATION,
    OT_EVENT_NAME,
    OT_EVENT_TIME,
    OT_SEQUENCE,
    OT_MODEL,
    OT_REQUEST_MODEL,
    OT_COST,
    OT_COST_MICROS,
    OT_DURATION,
    OT_INPUT,
    OT_OUTPUT,
    OT_CACHE_READ,
    OT_CACHE_WRITE,
    OT_GEN_INPUT,
    OT_GEN_OUTPUT,
    OT_GEN_CACHE_READ,
    OT_GEN_CACHE_WRITE,
    OT_GEN_REASONING,
    OT_REQUEST_ID,
    OT_MESSAGE_UUID,
    OT_TOOL_NAME,
    OT_TOOL_USE_ID,
    OT_SUCCESS,
    OT_ERROR,
    OT_STATUS,
    OT_DECISION,
    OT_PROMPT,
    OT_QUERY_SOURCE,
    OT_OPERATION,
    OT_VERSION,
    OT_TEXTS_OF_ATTRIBUTES,
    OT_TIME = OT_TEXTS_OF_ATTRIBUTES, /* fields of the record */
    OT_OBSERVED,
    OT_BODY,
    OT_NAME,
    OT_START,
    OT_END,
    OT_TRACE,
    OT_SPAN,
    OT_SPAN_STATUS,
    OT_TEXTS,
};

struct otel_reader {
    struct json_pick *pick;
    const struct price_table *prices;
    struct keep keep;
    const char *begin; /* of the bytes that are being read */
    size_t size;
    otel_each each;
    void *context;
    bool is_export;
    size_t resource, resource_size, scope, scope_size; /* where they stand */
    varve_str service, service_version, service_session;
    varve_str key, value; /* of the attribute that is being read */
    bool span;
    size_t record; /* where it begins */
    varve_str text[OT_TEXTS];
};

/* The record that has just ended. */
void otel_put(struct otel_reader *reader, const char *text, size_t size,
              struct otel_record *ret_record);

#endif

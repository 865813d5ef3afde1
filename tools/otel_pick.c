/*
 * Which places of an export are looked at. Keys come in any order; an attribute is its key and one
 * of four kinds of value, and a number may be written as a string.
 */
#include "tools/otel_inner.h"

#include "tools/cli.h"

#include <stdlib.h>
#include <string.h>

enum { STRING_MAX = 16384 };

enum place {
    AT_TEXT = 1, /* + enum otel_text: a field of the record */
    AT_EXPORT = AT_TEXT + OT_TEXTS,
    AT_GROUP, /* resourceLogs[], resourceSpans[] */
    AT_SCOPES,
    AT_RESOURCE,
    AT_RESOURCE_ATTRIBUTE,
    AT_SCOPE,
    AT_LOG,
    AT_SPAN,
    AT_ATTRIBUTE,
    AT_KEY,
    AT_VALUE,
};

#define ATTRIBUTE_RULES(path, id)                                                        \
    {path "[]", id}, {path "[].key", AT_KEY}, {path "[].value.stringValue", AT_VALUE},   \
        {path "[].value.intValue", AT_VALUE}, {path "[].value.doubleValue", AT_VALUE}, { \
        path "[].value.boolValue", AT_VALUE                                              \
    }

static const struct pick_rule rules[] = {
    {"resourceLogs", AT_EXPORT},
    {"resourceSpans", AT_EXPORT},
    {"resourceMetrics", AT_EXPORT},
    {"resourceLogs[]", AT_GROUP},
    {"resourceSpans[]", AT_GROUP},
    {"resourceLogs[].resource", AT_RESOURCE},
    {"resourceSpans[].resource", AT_RESOURCE},
    ATTRIBUTE_RULES("resourceLogs[].resource.attributes", AT_RESOURCE_ATTRIBUTE),
    ATTRIBUTE_RULES("resourceSpans[].resource.attributes", AT_RESOURCE_ATTRIBUTE),
    {"resourceLogs[].scopeLogs[]", AT_SCOPES},
    {"resourceSpans[].scopeSpans[]", AT_SCOPES},
    {"resourceLogs[].scopeLogs[].scope", AT_SCOPE},
    {"resourceSpans[].scopeSpans[].scope", AT_SCOPE},
    {"resourceLogs[].scopeLogs[].scope.-", AT_SCOPE}, /* so that its end is told */
    {"resourceSpans[].scopeSpans[].scope.-", AT_SCOPE},
    {"resourceLogs[].scopeLogs[].logRecords[]", AT_LOG},
    {"resourceSpans[].scopeSpans[].spans[]", AT_SPAN},
    ATTRIBUTE_RULES("resourceLogs[].scopeLogs[].logRecords[].attributes", AT_ATTRIBUTE),
    ATTRIBUTE_RULES("resourceSpans[].scopeSpans[].spans[].attributes", AT_ATTRIBUTE),
    {"resourceLogs[].scopeLogs[].logRecords[].timeUnixNano", AT_TEXT + OT_TIME},
    {"resourceLogs[].scopeLogs[].logRecords[].observedTimeUnixNano", AT_TEXT + OT_OBSERVED},
    {"resourceLogs[].scopeLogs[].logRecords[].body.stringValue", AT_TEXT + OT_BODY},
    {"resourceLogs[].scopeLogs[].logRecords[].eventName", AT_TEXT + OT_NAME},
    {"resourceSpans[].scopeSpans[].spans[].name", AT_TEXT + OT_NAME},
    {"resourceSpans[].scopeSpans[].spans[].startTimeUnixNano", AT_TEXT + OT_START},
    {"resourceSpans[].scopeSpans[].spans[].endTimeUnixNano", AT_TEXT + OT_END},
    {"resourceSpans[].scopeSpans[].spans[].traceId", AT_TEXT + OT_TRACE},
    {"resourceSpans[].scopeSpans[].spans[].spanId", AT_TEXT + OT_SPAN},
    {"resourceSpans[].scopeSpans[].spans[].status.message", AT_TEXT + OT_SPAN_STATUS},
};

static const struct {
    const char *key;
    enum otel_text text;
} attributes[] = {
    {"session.id", OT_SESSION},
    {"gen_ai.conversation.id", OT_CONVERSATION},
    {"conversation.id", OT_CONVERSATION},
    {"event.name", OT_EVENT_NAME},
    {"event.timestamp", OT_EVENT_TIME},
    {"event.sequence", OT_SEQUENCE},
    {"model", OT_MODEL},
    {"gen_ai.response.model", OT_MODEL},
    {"gen_ai.request.model", OT_REQUEST_MODEL},
    {"cost_usd", OT_COST},
    {"cost_usd_micros", OT_COST_MICROS},
    {"duration_ms", OT_DURATION},
    {"input_tokens", OT_INPUT},
    {"output_tokens", OT_OUTPUT},
    {"cache_read_tokens", OT_CACHE_READ},
    {"cache_creation_tokens", OT_CACHE_WRITE},
    {"gen_ai.usage.input_tokens", OT_GEN_INPUT},
    {"gen_ai.usage.output_tokens", OT_GEN_OUTPUT},
    {"gen_ai.usage.cache_read.input_tokens", OT_GEN_CACHE_READ},
    {"gen_ai.usage.cache_creation.input_tokens", OT_GEN_CACHE_WRITE},
    {"gen_ai.usage.reasoning.output_tokens", OT_GEN_REASONING},
    {"gen_ai.usage.reasoning_tokens", OT_GEN_REASONING},
    {"request_id", OT_REQUEST_ID},
    {"gen_ai.response.id", OT_REQUEST_ID},
    {"message.uuid", OT_MESSAGE_UUID},
    {"tool_name", OT_TOOL_NAME},
    {"gen_ai.tool.name", OT_TOOL_NAME},
    {"tool_use_id", OT_TOOL_USE_ID},
    {"gen_ai.tool.call.id", OT_TOOL_USE_ID},
    {"success", OT_SUCCESS},
    {"error", OT_ERROR},
    {"error.type", OT_ERROR},
    {"status_code", OT_STATUS},
    {"decision", OT_DECISION},
    {"prompt", OT_PROMPT},
    {"query_source", OT_QUERY_SOURCE},
    {"gen_ai.operation.name", OT_OPERATION},
    {"app.version", OT_VERSION},
};

static bool is(varve_str text, const char *word) {
    size_t size = strlen(word);
    return text.size == size && memcmp(text.ptr, word, size) == 0;
}

/* ---- What ends ---- */

static void end_attribute(struct otel_reader *reader, bool of_resource) {
    varve_str key = reader->key, value = reader->value;
    if (!key.size || !value.size) {
        return;
    }
    if (of_resource) {
        if (is(key, "service.name")) {
            reader->service = value;
        } else if (is(key, "service.version")) {
            reader->service_version = value;
        } else if (is(key, "session.id")) {
            reader->service_session = value;
        }
        return;
    }
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (is(key, attributes[i].key)) {
            reader->text[attributes[i].text] = value;
            return;
        }
    }
}

static void end_record(struct otel_reader *reader) {
    struct otel_record record;
    size_t end = json_pick_at(reader->pick);
    if (reader->each) {
        otel_put(reader, reader->begin + reader->record, end - reader->record, &record);
        reader->each(reader->context, &record);
    }
}

/* ---- Places ---- */

static void take_container(struct otel_reader *reader, int id, bool ends) {
    size_t at = json_pick_at(reader->pick);
    if (id == AT_GROUP && !ends) {
        reader->resource_size = reader->scope_size = 0;
        reader->service = reader->service_version = reader->service_session = (varve_str){NULL, 0};
    } else if (id == AT_SCOPES && !ends) {
        reader->scope_size = 0;
    } else if (id == AT_RESOURCE) {
        reader->resource = ends ? reader->resource : at - 1;
        reader->resource_size = ends ? at - reader->resource : 0;
    } else if (id == AT_SCOPE) {
        reader->scope = ends ? reader->scope : at - 1;
        reader->scope_size = ends ? at - reader->scope : 0;
    } else if (id == AT_ATTRIBUTE || id == AT_RESOURCE_ATTRIBUTE) {
        if (ends) {
            end_attribute(reader, id == AT_RESOURCE_ATTRIBUTE);
        }
        reader->key = reader->value = (varve_str){NULL, 0};
    } else if (id == AT_LOG || id == AT_SPAN) {
        if (ends) {
            end_record(reader);
            return;
        }
        memset(reader->text, 0, sizeof reader->text);
        reader->record = at - 1;
        reader->span = id == AT_SPAN;
    }
}

static void take(void *context, int id, enum pick_kind kind, const char *text, size_t size) {
    struct otel_reader *reader = context;
    if (id == AT_EXPORT) {
        reader->is_export = reader->is_export || kind == PICK_ARRAY;
    } else if (kind == PICK_OBJECT || kind == PICK_END) {
        take_container(reader, id, kind == PICK_END);
    } else if (kind == PICK_STRING || kind == PICK_NUMBER) {
        if (!reader->each) {
            return;
        }
        varve_str kept = keep_text(&reader->keep, text, size, STRING_MAX);
        if (id == AT_KEY) {
            reader->key = kept;
        } else if (id == AT_VALUE) {
            reader->value = kept;
        } else if (id < AT_EXPORT) {
            reader->text[id - AT_TEXT] = kept;
        }
    } else if (id == AT_VALUE && (kind == PICK_TRUE || kind == PICK_FALSE)) {
        reader->value = varve_cstr(kind == PICK_TRUE ? "true" : "false");
    }
}

/* ---- Reading ---- */

struct otel_reader *otel_reader_new(const struct price_table *prices) {
    struct otel_reader *reader = cli_alloc(sizeof *reader);
    memset(reader, 0, sizeof *reader);
    reader->prices = prices;
    reader->pick = json_pick_new(rules, sizeof rules / sizeof *rules, take, reader);
    return reader;
}

void otel_reader_free(struct otel_reader **reader) {
    if (*reader) {
        json_pick_free(&(*reader)->pick);
        keep_free(&(*reader)->keep);
        free(*reader);
        *reader = NULL;
    }
}

int otel_read(struct otel_reader *reader, const char *text, size_t size, otel_each each,
              void *context, size_t *ret_used) {
    reader->begin = text;
    reader->size = size;
    reader->each = each;
    reader->context = context;
    reader->is_export = false;
    reader->resource_size = reader->scope_size = 0;
    reader->service = reader->service_version = reader->service_session = (varve_str){NULL, 0};
    keep_begin(&reader->keep, text, size);
    return json_pick_object(reader->pick, text, size, ret_used);
}

size_t otel_reached(const struct otel_reader *reader) {
    return json_pick_reached(reader->pick);
}

bool otel_is_export(const struct otel_reader *reader) {
    return reader->is_export;
}

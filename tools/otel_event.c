/*
 * A record's attributes as an event. Telemetry names no message, so it carries no charge: its
 * figures stand beside those of a transcript, and the better source of a session counts.
 */
#include "tools/otel_inner.h"

#include "tools/when.h"

#include <stdio.h>
#include <string.h>

enum { SESSION_MAX = 1024, TYPE_MAX = 256, STRING_MAX = 4096, METADATA_MAX = 64 << 10 };

static bool is(varve_str text, const char *word) {
    size_t size = strlen(word);
    return text.size == size && memcmp(text.ptr, word, size) == 0;
}

static bool begins(varve_str text, const char *with) {
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.ptr, with, size) == 0;
}

static varve_str either(varve_str a, varve_str b) {
    return a.size ? a : b.size ? b : (varve_str){NULL, 0};
}

static bool number(varve_str text, int64_t *ret) {
    return text.size > 0 && json_whole(text.ptr, text.size, ret) && *ret >= 0;
}

/* ---- What it is ---- */

static varve_str operation_type(varve_str operation, varve_str name) {
    if (is(operation, "chat") || is(operation, "text_completion") ||
        is(operation, "generate_content")) {
        return varve_cstr("ApiRequest");
    }
    return is(operation, "execute_tool") ? varve_cstr("PostToolUse") : either(operation, name);
}

static varve_str type_of(const struct otel_reader *reader) {
    static const struct {
        const char *name, *type;
    } known[] = {
        {"api_request", "ApiRequest"},
        {"api_error", "ApiError"},
        {"tool_result", "PostToolUse"},
        {"user_prompt", "UserPromptSubmit"},
    };
    static const char prefix[] = "claude_code.";
    const varve_str *text = reader->text;
    varve_str name = either(text[OT_EVENT_NAME], either(text[OT_NAME], text[OT_BODY]));
    if (reader->span || (!text[OT_EVENT_NAME].size && text[OT_OPERATION].size)) {
        name = operation_type(text[OT_OPERATION], text[OT_NAME]);
    }
    if (begins(name, prefix)) {
        name.ptr += sizeof prefix - 1;
        name.size -= sizeof prefix - 1;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (is(name, known[i].name)) {
            return varve_cstr(known[i].type);
        }
    }
    return name.size == 0 || name.size > TYPE_MAX ? varve_cstr("log") : name;
}

static varve_str framework_of(varve_str service) {
    if (is(service, "claude-code") || !service.size) {
        return varve_cstr("claude_code");
    }
    return begins(service, "codex") ? varve_cstr("codex") : service;
}

static void put_time(const struct otel_reader *reader, varve_event *event) {
    const varve_str *text = reader->text;
    int64_t start = 0, end = 0;
    bool timed = false;
    if (reader->span) {
        bool began = number(text[OT_START], &start), ended = number(text[OT_END], &end);
        timed = began || ended;
        event->time = ended ? end : start;
        if (began && ended && end >= start) {
            event->duration = (end - start) / 1000000;
            event->present |= VARVE_HAS_DURATION;
        }
    } else {
        varve_str said = text[OT_EVENT_TIME];
        timed = (said.size && when_parse(said.ptr, said.size, &event->time) == 0) ||
                (number(text[OT_TIME], &event->time) && event->time > 0) ||
                (number(text[OT_OBSERVED], &event->time) && event->time > 0);
    }
    event->present |= timed ? VARVE_HAS_TIME : 0;
    if (!timed) {
        event->time = 0;
    }
}

/* ---- What it cost ---- */

static void put_tokens(const struct otel_reader *reader, varve_event *event) {
    static const struct {
        uint8_t text, gen, token;
    } plain[] = {
        {OT_INPUT, OT_GEN_INPUT, VARVE_TOK_INPUT},
        {OT_OUTPUT, OT_GEN_OUTPUT, VARVE_TOK_OUTPUT},
        {OT_CACHE_READ, OT_GEN_CACHE_READ, VARVE_TOK_CACHE_READ},
        {OT_CACHE_WRITE, OT_GEN_CACHE_WRITE, VARVE_TOK_CACHE_WRITE_5M},
        {OT_GEN_REASONING, OT_GEN_REASONING, VARVE_TOK_REASONING},
    };
    const varve_str *text = reader->text;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        int64_t tokens = 0;
        if (number(either(text[plain[i].text], text[plain[i].gen]), &tokens)) {
            event->tokens[plain[i].token] = tokens;
            event->present |= (uint32_t)VARVE_HAS_TOKENS << plain[i].token;
        }
    }
    if (!text[OT_INPUT].size) { /* the conventions count cached input as input */
        for (int i = VARVE_TOK_CACHE_READ; i <= VARVE_TOK_CACHE_WRITE_5M; i++) {
            int64_t *input = &event->tokens[VARVE_TOK_INPUT];
            *input = *input > event->tokens[i] ? *input - event->tokens[i] : 0;
        }
    }
}

static void put_cost(struct otel_reader *reader, struct otel_record *record) {
    varve_event *event = &record->event;
    const varve_str *text = reader->text;
    varve_str cost = text[OT_COST], micros = text[OT_COST_MICROS];
    bool said = (cost.size && json_scaled(cost.ptr, cost.size, 9, &event->cost)) ||
                (micros.size && json_scaled(micros.ptr, micros.size, 3, &event->cost));
    if (said && event->cost >= 0) {
        event->present |= VARVE_HAS_COST;
        return;
    }
    event->cost = 0;
    varve_str model = event->str[VARVE_STR_MODEL];
    const struct price *price =
        model.size ? prices_find(reader->prices, model.ptr, model.size) : NULL;
    bool tokens = (event->present & VARVE_HAS_TOKENS * ((1u << VARVE_TOKENS) - 1)) != 0;
    if (price && tokens) {
        event->cost = price_cost(price, event->tokens, 0);
        event->price_table = reader->prices->number;
        event->present |= VARVE_HAS_COST;
    } else if (tokens) {
        event->flags |= VARVE_EV_UNPRICED;
        record->unpriced = true;
    }
}

/* ---- What it says ---- */

static void put_texts(const struct otel_reader *reader, varve_event *event) {
    static const struct {
        uint8_t text, str;
    } plain[] = {
        {OT_REQUEST_ID, VARVE_STR_REQUEST_ID}, {OT_MESSAGE_UUID, VARVE_STR_NATIVE_ID},
        {OT_TOOL_NAME, VARVE_STR_TOOL_NAME},   {OT_TOOL_USE_ID, VARVE_STR_TOOL_USE_ID},
        {OT_DECISION, VARVE_STR_SUBTYPE},      {OT_STATUS, VARVE_STR_SUBTYPE},
        {OT_SPAN_STATUS, VARVE_STR_ERROR},     {OT_ERROR, VARVE_STR_ERROR},
    };
    const varve_str *text = reader->text;
    event->str[VARVE_STR_FRAMEWORK] = framework_of(reader->service);
    event->str[VARVE_STR_MODEL] = either(text[OT_MODEL], text[OT_REQUEST_MODEL]);
    event->str[VARVE_STR_VERSION] = either(text[OT_VERSION], reader->service_version);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (text[plain[i].text].size) {
            event->str[plain[i].str] = text[plain[i].text];
        }
    }
    varve_str from = text[OT_QUERY_SOURCE];
    if (from.size) { /* a subagent's request, or one that the program makes for itself */
        event->present |= VARVE_HAS_SIDECHAIN;
        event->flags |= is(from, "main") || is(from, "sdk") || begins(from, "repl_main_thread")
                            ? 0
                            : VARVE_EV_SIDECHAIN;
    }
}

static void put_kind(const struct otel_reader *reader, varve_event *event) {
    const varve_str *text = reader->text;
    int64_t duration = 0;
    if (number(text[OT_DURATION], &duration)) {
        event->duration = duration;
        event->present |= VARVE_HAS_DURATION;
    }
    if (is(event->type, "PostToolUse")) {
        event->tool_calls = 1;
        event->present |= VARVE_HAS_TOOL_CALLS;
        if (text[OT_SUCCESS].size) {
            event->str[VARVE_STR_SUBTYPE] =
                varve_cstr(is(text[OT_SUCCESS], "false") ? "failure" : "success");
        }
    } else if (is(event->type, "UserPromptSubmit")) {
        event->role = VARVE_ROLE_USER;
        if (text[OT_PROMPT].size && !is(text[OT_PROMPT], "<REDACTED>")) {
            event->str[VARVE_STR_TEXT] = text[OT_PROMPT];
        }
    } else if (is(event->type, "assistant_response")) {
        event->role = VARVE_ROLE_ASSISTANT;
        event->flags |= VARVE_EV_ASSISTANT_MESSAGE;
    } else if (is(event->type, "compaction")) {
        event->flags |= VARVE_EV_COMPACTION;
    }
}

/* The resource and the scope stand outside the record: they are kept as its metadata. */
static void put_metadata(struct otel_reader *reader, varve_event *event) {
    enum { FRAME = 40 };
    size_t most = FRAME + reader->resource_size + reader->scope_size;
    if (most == FRAME || most > METADATA_MAX) {
        return;
    }
    const char *resource = reader->begin + reader->resource, *scope = reader->begin + reader->scope;
    char *text = keep_room(&reader->keep, most);
    int used = 0;
    if (reader->resource_size && reader->scope_size) {
        used = snprintf(text, most, "{\"resource\":%.*s,\"scope\":%.*s}",
                        (int)reader->resource_size, resource, (int)reader->scope_size, scope);
    } else {
        bool of_resource = reader->resource_size > 0;
        used = snprintf(text, most, "{\"%s\":%.*s}", of_resource ? "resource" : "scope",
                        (int)(of_resource ? reader->resource_size : reader->scope_size),
                        of_resource ? resource : scope);
    }
    event->str[VARVE_STR_METADATA] = (varve_str){text, (size_t)used};
}

/* A span has its ids. A record's sequence is counted by its process, and begins anew when the
 * session is resumed: it is told apart by its time. */
static varve_str uid_name(struct otel_reader *reader, const varve_event *event) {
    enum { ROOM = 512 };
    const varve_str *text = reader->text;
    varve_str a = text[reader->span ? OT_TRACE : OT_SEQUENCE], b = text[OT_SPAN];
    if (!a.size || (reader->span && !b.size) || a.size + b.size + event->type.size > ROOM - 64 ||
        (!reader->span && !(event->present & VARVE_HAS_TIME))) {
        return (varve_str){NULL, 0};
    }
    char *name = keep_room(&reader->keep, ROOM);
    int used = reader->span
                   ? snprintf(name, ROOM, "span:%.*s:%.*s", (int)a.size, a.ptr, (int)b.size, b.ptr)
                   : snprintf(name, ROOM, "otel:%.*s:%.*s:%lld", (int)event->type.size,
                              event->type.ptr, (int)a.size, a.ptr, (long long)event->time);
    return (varve_str){name, (size_t)used};
}

void otel_put(struct otel_reader *reader, const char *text, size_t size,
              struct otel_record *ret_record) {
    *ret_record = (struct otel_record){.text = text, .size = size};
    varve_event *event = &ret_record->event;
    varve_event_init(event);
    varve_str session = either(either(reader->text[OT_SESSION], reader->text[OT_CONVERSATION]),
                               reader->service_session);
    if (session.size && session.size <= SESSION_MAX && !memchr(session.ptr, 0, session.size)) {
        event->session_id = session;
    }
    event->source = VARVE_SOURCE_OTEL;
    event->type = type_of(reader);
    put_time(reader, event);
    put_texts(reader, event);
    put_kind(reader, event);
    if (is(event->type, "ApiRequest")) { /* agents' spans sum up what their requests say */
        put_tokens(reader, event);
        put_cost(reader, ret_record);
    }
    put_metadata(reader, event);
    ret_record->uid_name = uid_name(reader, event);
}

/*
 * One line of a transcript: the JSON around what is said, and the event that tells of it. See
 * workload.h.
 */
#include "bench/support/workload_state.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const projects[LINE_PROJECTS] = {
    "/home/user/src/webshop",     "/home/user/src/varve",     "/home/user/work/billing-service",
    "/home/user/work/mobile-app", "/home/user/src/compiler",  "/home/user/notes",
    "/srv/build/infrastructure",  "/home/user/src/dashboard", "/home/user/work/data-pipeline",
    "/home/user/src/game-engine", "/home/user/src/website",   "/home/user/work/search",
};
static const char *const branches[] = {"main", "feature/retries", "fix/flaky-tests", "develop"};
static const char *const versions[] = {"2.0.14", "2.0.37", "2.0.55", "2.0.61", "2.1.3"};
static const char *const tools[] = {"Read",  "Edit", "Bash",      "Grep",
                                    "Write", "Glob", "TodoWrite", "Task"};
static const struct {
    const char *name;
    int64_t input, output; /* nano-dollars a token; a cache read a tenth, a write five quarters */
} models[LINE_MODELS] = {{"claude-opus-4-5-20251101", 5000, 25000},
                         {"claude-sonnet-4-5-20250929", 3000, 15000},
                         {"claude-haiku-4-5-20251001", 1000, 5000},
                         {"claude-sonnet-4-20250514", 3000, 15000}};
enum { PROMPT, ASSISTANT, PROGRESS, RESULT, TOOL_USE, KINDS };

static char *put(char *at, const char *text) {
    size_t size = strlen(text);
    memcpy(at, text, size);
    return at + size;
}

static char *put_number(char *at, int64_t number) {
    char digits[24];
    size_t i = sizeof digits;
    do
        digits[--i] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    memcpy(at, digits + i, sizeof digits - i);
    return at + (sizeof digits - i);
}

static void make_id(uint64_t *random, const char *prefix, char room[32]) {
    static const char digits[] = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz-+_$#";
    uint64_t bits = text_random(random), more = text_random(random);
    char *at = put(room, prefix);
    at = put(at, "01");
    for (int i = 0; i < 20; i++, bits = bits >> 6 | more << 58, more >>= 6)
        *at++ = digits[bits % 60];
    *at = 0;
}

static char *put_time(workload *work, char *at) {
    int64_t day = work->time / 86400000, ms = work->time % 86400000;
    if (day != work->day) {
        time_t seconds = (time_t)(work->time / 1000);
        struct tm t;
        gmtime_r(&seconds, &t);
        strftime(work->date, sizeof work->date, "%Y-%m-%dT", &t);
        work->day = day;
    }
    at = put(at, work->date);
    const int64_t parts[] = {ms / 3600000, ms / 60000 % 60, ms / 1000 % 60};
    for (int i = 0; i < 3; i++) {
        *at++ = (char)('0' + parts[i] / 10);
        *at++ = (char)('0' + parts[i] % 10);
        *at++ = i < 2 ? ':' : '.';
    }
    *at++ = (char)('0' + ms / 100 % 10);
    *at++ = (char)('0' + ms / 10 % 10);
    *at++ = (char)('0' + ms % 10);
    return put(at, "Z");
}

static char *put_usage(const varve_event *event, char *at) {
    at = put(at, "\"usage\":{\"input_tokens\":");
    at = put_number(at, event->tokens[VARVE_TOK_INPUT]);
    at = put(at, ",\"cache_creation_input_tokens\":");
    at = put_number(at, event->tokens[VARVE_TOK_CACHE_WRITE_5M]);
    at = put(at, ",\"cache_read_input_tokens\":");
    at = put_number(at, event->tokens[VARVE_TOK_CACHE_READ]);
    at = put(at, ",\"output_tokens\":");
    at = put_number(at, event->tokens[VARVE_TOK_OUTPUT]);
    return put(at, ",\"service_tier\":\"standard\"}}");
}

static void charge(workload *work, line_session *session, varve_event *event) {
    uint64_t *random = &work->random;
    int64_t *tokens = event->tokens, in = models[session->model].input;
    tokens[VARVE_TOK_INPUT] = 3 + (int64_t)text_below(random, 8);
    tokens[VARVE_TOK_OUTPUT] = 20 + (int64_t)text_below(random, 1500);
    tokens[VARVE_TOK_CACHE_READ] = session->context;
    tokens[VARVE_TOK_CACHE_WRITE_5M] = 200 + (int64_t)text_below(random, 4000);
    session->context += tokens[VARVE_TOK_CACHE_WRITE_5M];
    event->cost =
        tokens[VARVE_TOK_INPUT] * in + tokens[VARVE_TOK_OUTPUT] * models[session->model].output +
        tokens[VARVE_TOK_CACHE_READ] * in / 10 + tokens[VARVE_TOK_CACHE_WRITE_5M] * in * 5 / 4;
    make_id(random, "msg_", session->message);
    make_id(random, "req_", session->request);
    event->str[VARVE_STR_MESSAGE_ID] = varve_cstr(session->message);
    event->str[VARVE_STR_REQUEST_ID] = varve_cstr(session->request);
    event->charge = varve_charge_key(event->str[VARVE_STR_MESSAGE_ID]);
    event->charge_part = varve_charge_part(event->str[VARVE_STR_REQUEST_ID]);
    event->present |= VARVE_HAS_CHARGE | VARVE_HAS_COST | 1u << VARVE_TOK_INPUT |
                      1u << VARVE_TOK_OUTPUT | 1u << VARVE_TOK_CACHE_READ |
                      1u << VARVE_TOK_CACHE_WRITE_5M;
}

/* What comes before what is said, by kind. */
static char *put_opening(workload *work, line_session *session, int kind, char *at) {
    switch (kind) {
    case PROMPT:
        return put(at, "\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"");
    case RESULT:
        at = put(at,
                 "\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{"
                 "\"tool_use_id\":\"");
        at = put(at, session->tool_use);
        return put(at, "\",\"type\":\"tool_result\",\"content\":\"");
    case PROGRESS:
        at = put(at, "\"type\":\"progress\",\"toolUseID\":\"");
        at = put(at, session->tool_use);
        return put(at,
                   "\",\"data\":{\"type\":\"hook_progress\",\"hookEvent\":\"PostToolUse\","
                   "\"output\":\"");
    case TOOL_USE:
        make_id(&work->random, "toolu_", session->tool_use);
        at = put(at,
                 "\"type\":\"assistant\",\"message\":{\"type\":\"message\",\"role\":\"assistant"
                 "\",\"content\":[{\"type\":\"tool_use\",\"id\":\"");
        at = put(at, session->tool_use);
        at = put(at, "\",\"name\":\"");
        at = put(at, session->tool);
        return put(at, "\",\"input\":{\"text\":\"");
    default:
        at = put(at, "\"type\":\"assistant\",\"requestId\":\"");
        at = put(at, session->request);
        at = put(at, "\",\"message\":{\"model\":\"");
        at = put(at, models[session->model].name);
        at = put(at, "\",\"id\":\"");
        at = put(at, session->message);
        return put(at,
                   "\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":"
                   "\"text\",\"text\":\"");
    }
}

static char *put_closing(const varve_event *event, int kind, char *at) {
    switch (kind) {
    case PROMPT:
        return put(at, "\"}}");
    case RESULT:
        return put(at, "\",\"is_error\":false}]}}");
    case PROGRESS:
        return put(at, "\"}}");
    case TOOL_USE:
        return put(at, "\"}}],\"stop_reason\":null,\"stop_sequence\":null}}");
    default:
        at = put(at, "\"}],\"stop_reason\":null,\"stop_sequence\":null,");
        return put(put_usage(event, at), "}");
    }
}

/* The user speaks once in 20 events; the agent in 4 of 20 with its bill. */
static int kind_of(uint32_t number) {
    static const int of_five[] = {RESULT, ASSISTANT, TOOL_USE, PROGRESS, RESULT};
    return number % 20 == 0 ? PROMPT : of_five[number % 5];
}

static void tell(workload *work, line_session *session, int kind, varve_event *event) {
    static const char *const types[] = {"user", "assistant", "progress", "user", "assistant"};
    static const uint8_t roles[] = {VARVE_ROLE_USER, VARVE_ROLE_ASSISTANT, VARVE_ROLE_SYSTEM,
                                    VARVE_ROLE_TOOL, VARVE_ROLE_ASSISTANT};
    varve_event_init(event);
    event->session_id = varve_cstr(session->id);
    event->type = varve_cstr(types[kind]);
    event->source = VARVE_SOURCE_TRANSCRIPT;
    event->role = roles[kind];
    event->time = work->time * 1000000;
    event->present = VARVE_HAS_TIME | VARVE_HAS_PAYLOAD;
    event->str[VARVE_STR_FRAMEWORK] = varve_cstr("claude");
    event->str[VARVE_STR_CWD] = varve_cstr(projects[session->project]);
    event->str[VARVE_STR_GIT_BRANCH] = varve_cstr(branches[session->branch]);
    event->str[VARVE_STR_VERSION] = varve_cstr(versions[session->version]);
    event->str[VARVE_STR_NATIVE_ID] = varve_cstr(session->uuid);
    event->str[VARVE_STR_NATIVE_PARENT] = varve_cstr(session->parent);
    if (kind == PROMPT)
        event->flags = VARVE_EV_USER_MESSAGE;
    if (kind == ASSISTANT) {
        event->flags = VARVE_EV_ASSISTANT_MESSAGE;
        event->str[VARVE_STR_MODEL] = varve_cstr(models[session->model].name);
        charge(work, session, event);
    }
    if (kind == TOOL_USE) {
        session->tool = tools[text_below(&work->random, sizeof tools / sizeof tools[0])];
        event->tool_calls = 1;
        event->present |= VARVE_HAS_TOOL_CALLS;
    }
    if (kind == TOOL_USE || (kind == RESULT && session->tool != NULL))
        event->str[VARVE_STR_TOOL_NAME] = varve_cstr(session->tool);
}

void line_make(workload *work, line_session *session, size_t size, varve_event *ret_event) {
    int kind = kind_of(session->done);
    if (session->done == 0) {
        session->tool = NULL;
        session->tool_use[0] = 0;
    }
    memcpy(session->parent, session->uuid, sizeof session->uuid);
    workload_uuid(session->uuid, text_random(&work->random), text_random(&work->random));
    tell(work, session, kind, ret_event);
    char *at = put(work->payload, "{\"parentUuid\":\"");
    at = put(at, session->parent);
    if (kind != PROGRESS) {
        at = put(at, "\",\"isSidechain\":false,\"userType\":\"external\",\"cwd\":\"");
        at = put(at, projects[session->project]);
        at = put(at, "\",\"version\":\"");
        at = put(at, versions[session->version]);
        at = put(at, "\",\"gitBranch\":\"");
        at = put(at, branches[session->branch]);
    }
    at = put(at, "\",\"sessionId\":\"");
    at = put(at, session->id);
    at = put(at, "\",\"uuid\":\"");
    at = put(at, session->uuid);
    at = put(at, "\",\"timestamp\":\"");
    at = put(put_time(work, at), "\",");
    at = put_opening(work, session, kind, at);
    const char *body = at;
    at = text_body(&work->pool, &work->random, &session->past, &work->project[session->project], at,
                   size);
    if (kind == PROMPT)
        ret_event->str[VARVE_STR_TEXT] = (varve_str){body, (size_t)(at - body)};
    at = put_closing(ret_event, kind, at);
    ret_event->payload = work->payload;
    ret_event->payload_size = (size_t)(at - work->payload);
}

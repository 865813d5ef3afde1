/*
 * Which places of a payload are looked at, and what they become. A payload carries neither a time
 * nor tokens; what it says is all in its bytes, which the event keeps.
 */
#include "tools/hook_event.h"

#include "tools/cli.h"
#include "tools/json_pick.h"
#include "tools/keep.h"
#include "tools/when.h"

#include <stdlib.h>
#include <string.h>

enum { STRING_MAX = 4096, TEXT_MAX = 16384, SESSION_MAX = 1024, TYPE_MAX = 256 };

enum raw {
    RAW_SESSION_ID = 1,
    RAW_TYPE,
    RAW_TRANSCRIPT_PATH,
    RAW_CWD,
    RAW_PERMISSION_MODE,
    RAW_AGENT_ID,
    RAW_AGENT_TYPE,
    RAW_TOOL_NAME,
    RAW_TOOL_USE_ID,
    RAW_PROMPT,
    RAW_MODEL,
    RAW_SOURCE,
    RAW_REASON,
    RAW_TRIGGER,
    RAW_NOTIFICATION_TYPE,
    RAW_ERROR,
    RAW_SUBAGENT_TYPE,
    RAW_LOGGED_AT,
    RAW_TIMESTAMP,
    RAW_DURATION_MS,
    RAWS,
};

static const struct pick_rule rules[] = {
    {"session_id", RAW_SESSION_ID},
    {"hook_event_name", RAW_TYPE},
    {"transcript_path", RAW_TRANSCRIPT_PATH},
    {"cwd", RAW_CWD},
    {"permission_mode", RAW_PERMISSION_MODE},
    {"agent_id", RAW_AGENT_ID},
    {"agent_type", RAW_AGENT_TYPE},
    {"tool_name", RAW_TOOL_NAME},
    {"tool_use_id", RAW_TOOL_USE_ID},
    {"prompt", RAW_PROMPT},
    {"model", RAW_MODEL},
    {"model.id", RAW_MODEL},
    {"source", RAW_SOURCE},
    {"reason", RAW_REASON},
    {"trigger", RAW_TRIGGER},
    {"notification_type", RAW_NOTIFICATION_TYPE},
    {"error", RAW_ERROR},
    {"error.message", RAW_ERROR},
    {"tool_input.subagent_type", RAW_SUBAGENT_TYPE},
    {"logged_at", RAW_LOGGED_AT},
    {"timestamp", RAW_TIMESTAMP},
    {"duration_ms", RAW_DURATION_MS},
};

struct hook_reader {
    struct json_pick *pick;
    struct keep keep;
    varve_str text[RAWS]; /* absent or not empty */
    int64_t duration;
    bool has_duration;
};

static void take(void *context, int id, enum pick_kind kind, const char *text, size_t size) {
    struct hook_reader *reader = context;
    if (id == RAW_DURATION_MS) {
        reader->has_duration = kind == PICK_NUMBER &&
                               json_scaled(text, size, 0, &reader->duration) &&
                               reader->duration >= 0;
    } else if (kind == PICK_STRING && size > 0) {
        size_t most = id == RAW_PROMPT ? TEXT_MAX : STRING_MAX;
        reader->text[id] = keep_text(&reader->keep, text, size, most);
    }
}

struct hook_reader *hook_reader_new(void) {
    struct hook_reader *reader = cli_alloc(sizeof *reader);
    memset(reader, 0, sizeof *reader);
    reader->pick = json_pick_new(rules, sizeof rules / sizeof *rules, take, reader);
    return reader;
}

void hook_reader_free(struct hook_reader **reader) {
    if (*reader) {
        json_pick_free(&(*reader)->pick);
        keep_free(&(*reader)->keep);
        free(*reader);
        *reader = NULL;
    }
}

size_t hook_reached(const struct hook_reader *reader) {
    return json_pick_reached(reader->pick);
}

/* ---- As an event ---- */

static bool is(varve_str text, const char *word) {
    size_t size = strlen(word);
    return text.size == size && memcmp(text.ptr, word, size) == 0;
}

static const char *fault(const varve_str *text) {
    varve_str session = text[RAW_SESSION_ID];
    if (!session.size) {
        return "session_id: missing";
    }
    if (session.size > SESSION_MAX) {
        return "session_id: longer than 1,024 bytes";
    }
    if (memchr(session.ptr, 0, session.size)) {
        return "session_id: holds a NUL";
    }
    if (!text[RAW_TYPE].size) {
        return "hook_event_name: missing";
    }
    return text[RAW_TYPE].size > TYPE_MAX ? "hook_event_name: longer than 256 bytes" : NULL;
}

/* A time without an offset is one of the machine that reads it. */
static bool put_time(varve_str said, varve_event *event) {
    char text[WHEN_ROOM];
    if (!said.size || when_parse(said.ptr, said.size, &event->time) == 0) {
        return said.size > 0;
    }
    if (said.size >= sizeof text) {
        return false;
    }
    memcpy(text, said.ptr, said.size);
    text[said.size] = '\0';
    return when_parse_bound(text, &event->time) == WHEN_TIME;
}

/* What happens in a subagent names the agent; its start and stop are its parent's doing. */
static void put_agent(const varve_str *text, varve_event *event) {
    varve_str agent = text[RAW_AGENT_ID];
    event->str[VARVE_STR_AGENT_ID] = agent;
    event->str[VARVE_STR_SUBAGENT_TYPE] =
        text[RAW_AGENT_TYPE].size ? text[RAW_AGENT_TYPE] : text[RAW_SUBAGENT_TYPE];
    if (is(event->type, "SubagentStart") || is(event->type, "SubagentStop")) {
        event->str[VARVE_STR_SPAWNED_AGENT] = agent;
    } else if (agent.size) {
        event->flags |= VARVE_EV_SIDECHAIN;
        event->present |= VARVE_HAS_SIDECHAIN;
    }
}

static void put(struct hook_reader *reader, struct hook_object *object) {
    static const struct {
        uint8_t raw, str;
    } plain[] = {
        {RAW_TRANSCRIPT_PATH, VARVE_STR_TRANSCRIPT_PATH},
        {RAW_CWD, VARVE_STR_CWD},
        {RAW_PERMISSION_MODE, VARVE_STR_PERMISSION_MODE},
        {RAW_TOOL_NAME, VARVE_STR_TOOL_NAME},
        {RAW_TOOL_USE_ID, VARVE_STR_TOOL_USE_ID},
        {RAW_MODEL, VARVE_STR_MODEL},
        {RAW_ERROR, VARVE_STR_ERROR},
    };
    static const uint8_t finer[] = {RAW_SOURCE, RAW_REASON, RAW_TRIGGER, RAW_NOTIFICATION_TYPE};
    const varve_str *text = reader->text;
    varve_event *event = &object->event;
    event->source = VARVE_SOURCE_HOOK;
    event->session_id = text[RAW_SESSION_ID];
    event->type = text[RAW_TYPE];
    event->str[VARVE_STR_FRAMEWORK] = varve_cstr("claude_code");
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        event->str[plain[i].str] = text[plain[i].raw];
    }
    for (size_t i = 0; i < sizeof finer && !event->str[VARVE_STR_SUBTYPE].size; i++) {
        event->str[VARVE_STR_SUBTYPE] = text[finer[i]];
    }
    if (is(event->type, "UserPromptSubmit")) {
        event->role = VARVE_ROLE_USER;
        event->str[VARVE_STR_TEXT] = text[RAW_PROMPT];
    }
    put_agent(text, event);
    if (reader->has_duration) {
        event->duration = reader->duration;
        event->present |= VARVE_HAS_DURATION;
    }
    object->timed = put_time(text[RAW_LOGGED_AT], event) || put_time(text[RAW_TIMESTAMP], event);
    event->present |= object->timed ? VARVE_HAS_TIME : 0;
}

static varve_str uid_name(struct hook_reader *reader) {
    varve_str type = reader->text[RAW_TYPE], use = reader->text[RAW_TOOL_USE_ID];
    if (!use.size) {
        return (varve_str){NULL, 0};
    }
    size_t size = type.size + 1 + use.size;
    char *name = keep_room(&reader->keep, size);
    memcpy(name, type.ptr, type.size);
    name[type.size] = ':';
    memcpy(name + type.size + 1, use.ptr, use.size);
    return (varve_str){name, size};
}

int hook_read(struct hook_reader *reader, const char *text, size_t size,
              struct hook_object *ret_object, size_t *ret_used) {
    memset(reader->text, 0, sizeof reader->text);
    reader->has_duration = false;
    keep_begin(&reader->keep, text, size);
    if (!json_pick_object(reader->pick, text, size, ret_used)) {
        return 0;
    }
    memset(ret_object, 0, sizeof *ret_object);
    varve_event_init(&ret_object->event);
    ret_object->why = fault(reader->text);
    if (!ret_object->why) {
        put(reader, ret_object);
        ret_object->uid_name = uid_name(reader);
    }
    return 1;
}

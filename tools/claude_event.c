/*
 * One object as an event: which type, who speaks, what it counts as, and whether it is an entry of
 * a Claude Code transcript at all.
 */
#include "tools/claude_inner.h"

#include <string.h>
#include <xxhash.h>

static bool is(varve_str text, const char *word) {
    size_t size = strlen(word);
    return text.size == size && memcmp(text.ptr, word, size) == 0;
}

static bool flag(const struct claude_raw *raw, int id) {
    return (raw->is & 1ull << id) != 0;
}

static bool there(const struct claude_raw *raw, int id) {
    return (raw->said & 1ull << id) != 0;
}

static varve_str either(varve_str a, varve_str b) {
    return a.size ? a : b.size ? b : (varve_str){NULL, 0};
}

static varve_str given(varve_str text) {
    return either(text, text);
}

/* ---- What it is ---- */

static bool known_type(varve_str type) {
    static const char *const names[] = {
        "user",        "assistant",    "progress",        "attachment", "file-history-snapshot",
        "system",      "summary",      "queue-operation", "mode",       "permission-mode",
        "last-prompt", "custom-title", "ai-title",        "pr-link",    "frame-link",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is(type, names[i])) {
            return true;
        }
    }
    return false;
}

/* An entry has a type and something that ties it to a session; a block of content has a type only.
 */
static void judge(const struct claude_raw *raw, struct claude_object *object) {
    static const int ties[] = {RAW_SESSION_ID, RAW_UUID, RAW_PARENT_UUID, RAW_LEAF_UUID};
    varve_str type = raw->text[RAW_TYPE];
    bool tied = (there(raw, RAW_SNAPSHOT) && is(type, "file-history-snapshot")) ||
                (there(raw, RAW_MESSAGE) && (is(type, "user") || is(type, "assistant"))) ||
                (is(type, "summary") && there(raw, RAW_LEAF_UUID));
    for (size_t i = 0; i < sizeof ties / sizeof *ties; i++) {
        tied = tied || there(raw, ties[i]);
    }
    object->record = type.size > 0 && tied;
    object->claude = object->record && !there(raw, RAW_PAYLOAD) && !there(raw, RAW_PARTS);
    object->known = known_type(type);
}

static bool from_user(const struct claude_reader *reader) {
    const struct claude_raw *raw = &reader->raw;
    varve_str role = raw->text[RAW_MESSAGE_ROLE], origin = raw->text[RAW_ORIGIN_KIND];
    if (!is(raw->text[RAW_TYPE], "user") || (role.size && !is(role, "user")) ||
        (origin.size && !is(origin, "human")) || (raw->blocks & BLOCK_TOOL_RESULT)) {
        return false;
    }
    if (flag(raw, RAW_IS_META) || flag(raw, RAW_IS_COMPACT_SUMMARY) ||
        flag(raw, RAW_IS_TRANSCRIPT_ONLY)) {
        return false;
    }
    return reader->words.any || ((raw->blocks & BLOCK_IMAGE) && !reader->words.noise);
}

/* ---- What it says ---- */

static void put_texts(const struct claude_raw *raw, varve_event *event) {
    static const struct {
        int raw, str;
    } plain[] = {
        {RAW_UUID, VARVE_STR_NATIVE_ID},
        {RAW_PARENT_UUID, VARVE_STR_NATIVE_PARENT},
        {RAW_CWD, VARVE_STR_CWD},
        {RAW_GIT_BRANCH, VARVE_STR_GIT_BRANCH},
        {RAW_VERSION, VARVE_STR_VERSION},
        {RAW_AGENT_ID, VARVE_STR_AGENT_ID},
        {RAW_PERMISSION_MODE, VARVE_STR_PERMISSION_MODE},
        {RAW_STOP_REASON, VARVE_STR_FINISH_REASON},
        {RAW_PR_REPOSITORY, VARVE_STR_GITHUB_REPO},
    };
    event->str[VARVE_STR_FRAMEWORK] = (varve_str){"claude_code", 11};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (raw->text[plain[i].raw].size) {
            event->str[plain[i].str] = raw->text[plain[i].raw];
        }
    }
    varve_str subtype = either(raw->text[RAW_SUBTYPE], raw->text[RAW_ATTACHMENT_TYPE]);
    subtype = either(subtype, either(raw->text[RAW_DATA_TYPE], raw->text[RAW_OPERATION]));
    event->str[VARVE_STR_SUBTYPE] = subtype;
    event->str[VARVE_STR_SPAWNED_AGENT] =
        either(raw->text[RAW_RESULT_AGENT_ID], raw->text[RAW_DATA_AGENT_ID]);
    event->str[VARVE_STR_TITLE] = either(raw->text[RAW_CUSTOM_TITLE], raw->text[RAW_AI_TITLE]);
}

static void put_tools(const struct claude_raw *raw, varve_event *event) {
    varve_str use = either(raw->tool_use_id, raw->result_of);
    if (!use.size) { /* progress: of the tool that makes it, else what it calls itself */
        use = either(raw->text[RAW_PARENT_TOOL_USE_ID], raw->text[RAW_TOOL_USE_ID]);
    }
    event->str[VARVE_STR_TOOL_USE_ID] = use;
    event->str[VARVE_STR_TOOL_NAME] = given(raw->tool_name);
    event->str[VARVE_STR_SUBAGENT_TYPE] = given(raw->subagent_type);
    if (raw->tool_calls) {
        event->tool_calls = raw->tool_calls;
        event->present |= VARVE_HAS_TOOL_CALLS;
    }
}

static void put_role(const struct claude_raw *raw, varve_event *event) {
    varve_str type = raw->text[RAW_TYPE];
    if (is(type, "user")) {
        event->role = raw->blocks & BLOCK_TOOL_RESULT ? VARVE_ROLE_TOOL : VARVE_ROLE_USER;
    } else if (is(type, "assistant")) {
        event->role = VARVE_ROLE_ASSISTANT;
    } else if (is(type, "system")) {
        event->role = VARVE_ROLE_SYSTEM;
    }
}

static void put_system(const struct claude_raw *raw, varve_event *event) {
    varve_str subtype = raw->text[RAW_SUBTYPE];
    if (is(subtype, "api_error")) {
        event->flags |= VARVE_EV_API_ERROR;
        event->str[VARVE_STR_ERROR] = either(raw->text[RAW_ERROR_MESSAGE], raw->text[RAW_ERROR]);
    } else if (is(subtype, "compact_boundary")) {
        event->flags |= VARVE_EV_COMPACTION;
    } else if (is(subtype, "turn_duration")) {
        event->flags |= VARVE_EV_TURN;
        if (there(raw, RAW_DURATION_MS)) {
            event->duration = raw->duration;
            event->present |= VARVE_HAS_DURATION;
        }
    }
}

/* Messages; the words of an API's error are no answer. */
static void put_message(struct claude_reader *reader, varve_event *event) {
    const struct claude_raw *raw = &reader->raw;
    varve_str words = {reader->words.text, reader->words.size};
    if (from_user(reader)) {
        event->flags |= VARVE_EV_USER_MESSAGE;
        if (words.size) {
            event->str[VARVE_STR_TEXT] = words;
        }
    } else if (flag(raw, RAW_IS_API_ERROR)) {
        event->flags |= VARVE_EV_API_ERROR;
        words = claude_keep(reader, words.ptr, words.size, CLAUDE_STRING_MAX);
        event->str[VARVE_STR_ERROR] = either(words, raw->text[RAW_ERROR]);
    } else if (is(raw->text[RAW_TYPE], "assistant")) {
        event->flags |= VARVE_EV_ASSISTANT_MESSAGE;
    }
}

void claude_event_put(struct claude_reader *reader, struct claude_object *object) {
    const struct claude_raw *raw = &reader->raw;
    varve_event *event = &object->event;
    judge(raw, object);
    event->source = VARVE_SOURCE_TRANSCRIPT;
    event->type = raw->text[RAW_TYPE];
    if (event->type.size == 0 || event->type.size > 64) {
        event->type = (varve_str){"untyped", 7};
    }
    varve_str session = raw->text[RAW_SESSION_ID];
    if (session.size && session.size <= CLAUDE_ID_MAX && !memchr(session.ptr, 0, session.size)) {
        object->session_id = session;
    }
    varve_str time = raw->text[RAW_TIMESTAMP];
    if (time.size && claude_time(time.ptr, time.size, &event->time)) {
        event->present |= VARVE_HAS_TIME;
    }
    if (there(raw, RAW_IS_SIDECHAIN)) {
        event->present |= VARVE_HAS_SIDECHAIN;
        event->flags |= flag(raw, RAW_IS_SIDECHAIN) ? VARVE_EV_SIDECHAIN : 0;
    }
    if (there(raw, RAW_PR_NUMBER) && raw->pr_number > 0 && raw->pr_number <= INT32_MAX) {
        event->github_pr = (int32_t)raw->pr_number;
        event->present |= VARVE_HAS_GITHUB_PR;
    }
    put_texts(raw, event);
    put_tools(raw, event);
    put_role(raw, event);
    put_message(reader, event);
    if (is(raw->text[RAW_TYPE], "system")) {
        put_system(raw, event);
    }
    claude_usage_put(reader, object);
}

/* ---- Its place in the file ---- */

static uint64_t hash_of(varve_str text) {
    return XXH3_64bits(text.ptr, text.size) | 1;
}

void claude_place(struct claude_state *state, const struct claude_piece *piece,
                  varve_event *event) {
    if (event->present & VARVE_HAS_TIME) {
        state->last_time = event->time;
    } else { /* before the first time: at the beginning, which is not the same as having none */
        event->time = state->last_time ? state->last_time : 1;
    }
    if (piece->kind == CLAUDE_RECOVERED) {
        event->flags |= VARVE_EV_RECOVERED;
        event->charge_kind = VARVE_CHARGE_RECOVERED;
    }
    if ((event->flags & VARVE_EV_SIDECHAIN) && !state->subagent) {
        event->flags &= ~(uint32_t)VARVE_EV_USER_MESSAGE;
        event->str[VARVE_STR_TEXT] = (varve_str){NULL, 0};
    }
    if (event->flags & VARVE_EV_ASSISTANT_MESSAGE) {
        varve_str message = event->str[VARVE_STR_MESSAGE_ID];
        uint64_t hash = message.size ? hash_of(message) : 0;
        if (hash && hash == state->last_message) {
            event->flags &= ~(uint32_t)VARVE_EV_ASSISTANT_MESSAGE;
        }
        state->last_message = hash;
    }
    if (event->str[VARVE_STR_TITLE].size) {
        bool custom = event->type.size == 12 && memcmp(event->type.ptr, "custom-title", 12) == 0;
        if (!custom && state->custom_title) {
            event->str[VARVE_STR_TITLE] = (varve_str){NULL, 0};
        }
        state->custom_title = state->custom_title || custom;
    }
}

/*
 * Which places of a transcript's object are looked at, and how they are noted down. Keys come in
 * any order (it differs between versions), so nothing is judged before the object has ended.
 */
#include "tools/claude_inner.h"

#include <string.h>

#define USAGE_RULES(path, base)                                                \
    {path, base + USAGE_OBJECT}, {path ".input_tokens", base + USAGE_INPUT},   \
        {path ".output_tokens", base + USAGE_OUTPUT},                          \
        {path ".cache_read_input_tokens", base + USAGE_CACHE_READ},            \
        {path ".cache_creation_input_tokens", base + USAGE_CACHE_WRITE},       \
        {path ".cache_creation", base + USAGE_BREAKDOWN},                      \
        {path ".cache_creation.ephemeral_5m_input_tokens", base + USAGE_5M},   \
        {path ".cache_creation.ephemeral_1h_input_tokens", base + USAGE_1H}, { \
        path ".speed", base + USAGE_SPEED                                      \
    }

const struct pick_rule claude_rules[] = {
    {"type", RAW_TYPE},
    {"uuid", RAW_UUID},
    {"parentUuid", RAW_PARENT_UUID},
    {"sessionId", RAW_SESSION_ID},
    {"timestamp", RAW_TIMESTAMP},
    {"cwd", RAW_CWD},
    {"gitBranch", RAW_GIT_BRANCH},
    {"version", RAW_VERSION},
    {"requestId", RAW_REQUEST_ID},
    {"agentId", RAW_AGENT_ID},
    {"permissionMode", RAW_PERMISSION_MODE},
    {"subtype", RAW_SUBTYPE},
    {"error", RAW_ERROR},
    {"error.message", RAW_ERROR_MESSAGE},
    {"customTitle", RAW_CUSTOM_TITLE},
    {"aiTitle", RAW_AI_TITLE},
    {"operation", RAW_OPERATION},
    {"toolUseID", RAW_TOOL_USE_ID},
    {"parentToolUseID", RAW_PARENT_TOOL_USE_ID},
    {"prRepository", RAW_PR_REPOSITORY},
    {"leafUuid", RAW_LEAF_UUID},
    {"origin.kind", RAW_ORIGIN_KIND},
    {"attachment.type", RAW_ATTACHMENT_TYPE},
    {"data.type", RAW_DATA_TYPE},
    {"data.agentId", RAW_DATA_AGENT_ID},
    {"toolUseResult.agentId", RAW_RESULT_AGENT_ID},
    {"message.id", RAW_MESSAGE_ID},
    {"message.model", RAW_MESSAGE_MODEL},
    {"message.role", RAW_MESSAGE_ROLE},
    {"message.stop_reason", RAW_STOP_REASON},
    {"data.message.requestId", RAW_INNER_REQUEST_ID},
    {"data.message.message.id", RAW_INNER_MESSAGE_ID},
    {"data.message.message.model", RAW_INNER_MODEL},
    {"isSidechain", RAW_IS_SIDECHAIN},
    {"isMeta", RAW_IS_META},
    {"isCompactSummary", RAW_IS_COMPACT_SUMMARY},
    {"isVisibleInTranscriptOnly", RAW_IS_TRANSCRIPT_ONLY},
    {"isApiErrorMessage", RAW_IS_API_ERROR},
    {"snapshot", RAW_SNAPSHOT},
    {"payload", RAW_PAYLOAD},
    {"message.parts", RAW_PARTS},
    {"message", RAW_MESSAGE},
    {"durationMs", RAW_DURATION_MS},
    {"prNumber", RAW_PR_NUMBER},
    {"message.content", RAW_CONTENT},
    {"message.content[]", RAW_BLOCK},
    {"message.content[].type", RAW_BLOCK_TYPE},
    {"message.content[].text", RAW_BLOCK_TEXT},
    {"message.content[].name", RAW_BLOCK_NAME},
    {"message.content[].id", RAW_BLOCK_ID},
    {"message.content[].tool_use_id", RAW_BLOCK_RESULT_OF},
    {"message.content[].input.subagent_type", RAW_BLOCK_SUBAGENT_TYPE},
    USAGE_RULES("message.usage", RAW_USAGE),
    USAGE_RULES("data.message.message.usage", RAW_INNER_USAGE),
};
const size_t claude_rules_count = sizeof claude_rules / sizeof *claude_rules;

static bool is(varve_str text, const char *word) {
    size_t size = strlen(word);
    return text.size == size && memcmp(text.ptr, word, size) == 0;
}

static void begin_block(struct claude_reader *reader) {
    struct claude_raw *raw = &reader->raw;
    memset(&raw->block, 0, sizeof raw->block);
    raw->block.words = reader->words.size;
    raw->block.any = reader->words.any;
    raw->block.noise = reader->words.noise;
}

static void first(varve_str *into, varve_str text) {
    if (!into->ptr) {
        *into = text;
    }
}

/* A block's type may come after all else: only here is known what it was. */
static void end_block(struct claude_reader *reader) {
    struct claude_raw *raw = &reader->raw;
    if (is(raw->block.type, "text")) {
        raw->blocks |= BLOCK_TEXT;
        return;
    }
    reader->words.size = raw->block.words;
    reader->words.any = raw->block.any;
    reader->words.noise = raw->block.noise;
    if (is(raw->block.type, "tool_use")) {
        raw->blocks |= BLOCK_TOOL_USE;
        raw->tool_calls += raw->tool_calls < INT32_MAX;
        if (raw->tool_calls == 1) {
            raw->tool_name = raw->block.name;
            raw->tool_use_id = raw->block.id;
        }
        first(&raw->subagent_type, raw->block.subagent_type);
    } else if (is(raw->block.type, "tool_result")) {
        raw->blocks |= BLOCK_TOOL_RESULT;
        first(&raw->result_of, raw->block.result_of);
    } else if (is(raw->block.type, "image")) {
        raw->blocks |= BLOCK_IMAGE;
    }
}

static void take_content(struct claude_reader *reader, int id, enum pick_kind kind,
                         const char *text, size_t size) {
    struct claude_raw *raw = &reader->raw;
    if (id == RAW_BLOCK && kind == PICK_OBJECT) {
        begin_block(reader);
    } else if (id == RAW_BLOCK && kind == PICK_END) {
        end_block(reader);
    } else if (kind != PICK_STRING) {
        return;
    } else if (id == RAW_CONTENT || id == RAW_BLOCK) { /* a text that is no block */
        claude_say(&reader->words, text, size);
        raw->blocks |= BLOCK_TEXT;
    } else if (id == RAW_BLOCK_TEXT) {
        claude_say(&reader->words, text, size);
    } else if (id == RAW_BLOCK_TYPE) {
        raw->block.type = claude_keep(reader, text, size, CLAUDE_ID_MAX);
    } else if (id == RAW_BLOCK_NAME) {
        raw->block.name = claude_keep(reader, text, size, CLAUDE_ID_MAX);
    } else if (id == RAW_BLOCK_ID) {
        raw->block.id = claude_keep(reader, text, size, CLAUDE_ID_MAX);
    } else if (id == RAW_BLOCK_RESULT_OF) {
        raw->block.result_of = claude_keep(reader, text, size, CLAUDE_ID_MAX);
    } else {
        raw->block.subagent_type = claude_keep(reader, text, size, CLAUDE_ID_MAX);
    }
}

void claude_take(void *context, int id, enum pick_kind kind, const char *text, size_t size) {
    struct claude_reader *reader = context;
    struct claude_raw *raw = &reader->raw;
    if (id >= RAW_INNER_USAGE) {
        claude_usage_take(&raw->inner_usage, id - RAW_INNER_USAGE, kind, text, size);
    } else if (id >= RAW_USAGE) {
        claude_usage_take(&raw->usage, id - RAW_USAGE, kind, text, size);
    } else if (id >= RAW_CONTENT) {
        take_content(reader, id, kind, text, size);
    } else if (id >= RAW_FLAGS) {
        int64_t *into = id == RAW_DURATION_MS ? &raw->duration : &raw->pr_number;
        if (kind == PICK_NUMBER && json_scaled(text, size, 0, into)) {
            raw->said |= 1ull << id;
        }
    } else if (id >= RAW_TEXTS) {
        if (kind != PICK_NULL && kind != PICK_END) {
            raw->said |= 1ull << id;
        }
        if (kind == PICK_TRUE) {
            raw->is |= 1ull << id;
        }
    } else {
        raw->said |= kind == PICK_END ? 0 : 1ull << id; /* null says something too */
        if (kind == PICK_STRING) {
            raw->text[id] = claude_keep(reader, text, size, CLAUDE_STRING_MAX);
        }
    }
}

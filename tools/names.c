/*
 * Tables of names, by the numbers of engine/varve.h.
 */
#include "tools/names.h"

#define PICK(names, number) \
    ((number) < sizeof(names) / sizeof *(names) ? (names)[number] : (const char *)0)

const char *name_source(unsigned source) {
    static const char *const names[] = {
        [VARVE_SOURCE_API] = "api",
        [VARVE_SOURCE_HOOK] = "hook",
        [VARVE_SOURCE_OTEL] = "otel",
        [VARVE_SOURCE_TRANSCRIPT] = "transcript",
    };
    return PICK(names, source);
}

const char *name_role(unsigned role) {
    static const char *const names[] = {
        [VARVE_ROLE_USER] = "user",
        [VARVE_ROLE_ASSISTANT] = "assistant",
        [VARVE_ROLE_SYSTEM] = "system",
        [VARVE_ROLE_TOOL] = "tool",
    };
    return PICK(names, role);
}

const char *name_charge_kind(unsigned kind) {
    static const char *const names[] = {
        [VARVE_CHARGE_MESSAGE] = "message",
        [VARVE_CHARGE_AGENT_PROGRESS] = "agent_progress",
        [VARVE_CHARGE_RECOVERED] = "recovered",
    };
    return PICK(names, kind);
}

const char *name_eol(unsigned eol) {
    static const char *const names[] = {
        [VARVE_EOL_LF] = "lf",
        [VARVE_EOL_CRLF] = "crlf",
        [VARVE_EOL_NONE] = "none",
        [VARVE_EOL_JOINED] = "joined",
    };
    return PICK(names, eol);
}

const char *name_token_class(unsigned token) {
    static const char *const names[] = {
        [VARVE_TOK_INPUT] = "input_tokens",
        [VARVE_TOK_OUTPUT] = "output_tokens",
        [VARVE_TOK_CACHE_READ] = "cache_read_tokens",
        [VARVE_TOK_CACHE_WRITE_5M] = "cache_write_5m_tokens",
        [VARVE_TOK_CACHE_WRITE_1H] = "cache_write_1h_tokens",
        [VARVE_TOK_REASONING] = "reasoning_tokens",
    };
    return PICK(names, token);
}

const char *name_string(unsigned string) {
    static const char *const names[VARVE_STRS] = {
        [VARVE_STR_FRAMEWORK] = "framework",
        [VARVE_STR_TOOL_USE_ID] = "tool_use_id",
        [VARVE_STR_SPAWNED_AGENT] = "spawned_agent_id",
        [VARVE_STR_TOOL_NAME] = "tool_name",
        [VARVE_STR_SUBAGENT_TYPE] = "subagent_type",
        [VARVE_STR_PERMISSION_MODE] = "permission_mode",
        [VARVE_STR_TRANSCRIPT_PATH] = "transcript_path",
        [VARVE_STR_CWD] = "cwd",
        [VARVE_STR_GIT_BRANCH] = "git_branch",
        [VARVE_STR_MODEL] = "model",
        [VARVE_STR_TEXT] = "text",
        [VARVE_STR_METADATA] = "metadata",
        [VARVE_STR_FINISH_REASON] = "finish_reason",
        [VARVE_STR_NATIVE_ID] = "native_id",
        [VARVE_STR_NATIVE_PARENT] = "native_parent",
        [VARVE_STR_REQUEST_ID] = "request_id",
        [VARVE_STR_MESSAGE_ID] = "message_id",
        [VARVE_STR_AGENT_ID] = "agent_id",
        [VARVE_STR_VERSION] = "version",
        [VARVE_STR_TITLE] = "title",
        [VARVE_STR_ERROR] = "error",
        [VARVE_STR_GIT_DIR] = "git_dir",
        [VARVE_STR_GIT_WORKTREE] = "git_worktree",
        [VARVE_STR_GITHUB_REPO] = "github_repo",
        [VARVE_STR_PARENT_ID] = "parent_session_id",
        [VARVE_STR_PARENT_MACHINE] = "parent_machine_id",
        [VARVE_STR_PARENT_TOOL_CALL] = "parent_tool_call_id",
        [VARVE_STR_GOAL] = "goal",
        [VARVE_STR_CALLBACKS] = "callbacks",
        [VARVE_STR_LABELS] = "labels",
        [VARVE_STR_STATUS] = "status",
        [VARVE_STR_SESSION_TYPE] = "session_type",
        [VARVE_STR_MODE] = "mode",
        [VARVE_STR_CHANNEL] = "channel",
        [VARVE_STR_BOOT_ID] = "boot_id",
        [VARVE_STR_PID_NAMESPACE] = "pid_namespace",
        [VARVE_STR_PROJECT] = "project",
        [VARVE_STR_SUBTYPE] = "subtype",
    };
    return PICK(names, string);
}

static varve_str known_or_named(const char *name, unsigned number, varve_str named) {
    return number == VARVE_ENUM_NAMED ? named : varve_cstr(name);
}

varve_str name_status(unsigned status, varve_str named) {
    static const char *const names[] = {
        [VARVE_STATUS_IDLE] = "idle",       [VARVE_STATUS_BUSY] = "busy",
        [VARVE_STATUS_WAIT] = "wait",       [VARVE_STATUS_DONE] = "done",
        [VARVE_STATUS_ACTIVE] = "active",   [VARVE_STATUS_COMPLETED] = "completed",
        [VARVE_STATUS_FAILED] = "failed",   [VARVE_STATUS_CANCELLED] = "cancelled",
        [VARVE_STATUS_UNKNOWN] = "unknown",
    };
    return known_or_named(PICK(names, status), status, named);
}

varve_str name_session_type(unsigned type, varve_str named) {
    static const char *const names[] = {
        [VARVE_SESSION_MAIN] = "main",
        [VARVE_SESSION_FORKED] = "forked",
        [VARVE_SESSION_SUBAGENT] = "subagent",
    };
    return known_or_named(PICK(names, type), type, named);
}

varve_str name_mode(unsigned mode, varve_str named) {
    static const char *const names[] = {
        [VARVE_MODE_INTERACTIVE] = "interactive",
        [VARVE_MODE_AUTONOMOUS] = "autonomous",
        [VARVE_MODE_ACP] = "acp",
    };
    return known_or_named(PICK(names, mode), mode, named);
}

varve_str name_channel(unsigned channel, varve_str named) {
    static const char *const names[] = {
        [VARVE_CHANNEL_CLI] = "cli",           [VARVE_CHANNEL_TUI] = "tui",
        [VARVE_CHANNEL_TELEGRAM] = "telegram", [VARVE_CHANNEL_DISCORD] = "discord",
        [VARVE_CHANNEL_SLACK] = "slack",       [VARVE_CHANNEL_ACP] = "acp",
    };
    return known_or_named(PICK(names, channel), channel, named);
}

/*
 * Names that have numbers. Numbers are for ever: a name may be added, none may change its number.
 * What has no number is stored as text: a name that is missing here costs bytes, nothing else.
 */
#include "format/kinds.h"

#include <string.h>

enum { TYPES = 64 };

static const char *const type_names[TYPES] = {
    [VF_TYPE_SESSION_START] = "SessionStart",
    [VF_TYPE_SESSION_END] = "SessionEnd",
    [VF_TYPE_USER_PROMPT] = "UserPromptSubmit",
    [VF_TYPE_PRE_TOOL] = "PreToolUse",
    [VF_TYPE_POST_TOOL] = "PostToolUse",
    [VF_TYPE_PERMISSION] = "PermissionRequest",
    [VF_TYPE_STOP] = "Stop",
    [VF_TYPE_SUBAGENT_START] = "SubagentStart",
    [VF_TYPE_SUBAGENT_STOP] = "SubagentStop",
    [VF_TYPE_PRE_COMPACT] = "PreCompact",
    [VF_TYPE_NOTIFICATION] = "Notification",
    [VF_TYPE_API_REQUEST] = "ApiRequest",
    [VF_TYPE_API_ERROR] = "ApiError",
    [VF_TYPE_TURN_END] = "TurnEnd",
    [15] = "PostToolUseFailure",
    [16] = "PostToolBatch",
    [17] = "PermissionDenied",
    [18] = "StopFailure",
    [19] = "TaskCreated",
    [20] = "TaskCompleted",
    [21] = "TeammateIdle",
    [22] = "PostCompact",
    [23] = "Setup",
    [24] = "InstructionsLoaded",
    [25] = "UserPromptExpansion",
    [26] = "MessageDisplay",
    [27] = "ConfigChange",
    [28] = "CwdChanged",
    [29] = "FileChanged",
    [30] = "WorktreeCreate",
    [31] = "WorktreeRemove",
    [VF_TYPE_USER] = "user",
    [VF_TYPE_ASSISTANT] = "assistant",
    [VF_TYPE_PROGRESS] = "progress",
    [VF_TYPE_SYSTEM] = "system",
    [VF_TYPE_ATTACHMENT] = "attachment",
    [VF_TYPE_SNAPSHOT] = "file-history-snapshot",
    [VF_TYPE_QUEUE] = "queue-operation",
    [VF_TYPE_SUMMARY] = "summary",
    [40] = "last-prompt",
    [41] = "mode",
    [42] = "permission-mode",
    [43] = "ai-title",
    [44] = "custom-title",
    [45] = "pr-link",
    [46] = "frame-link",
    [VF_TYPE_BLANK] = "blank",
    [VF_TYPE_UNPARSED] = "unparsed",
};

/* The same numbers by name: shorter names first, then as memcmp. */
typedef struct {
    uint8_t size;
    uint8_t type;
} sorted_type;
static const sorted_type sorted_types[] = {
    {4, 7},   {4, 41},  {4, 32},            /* Stop mode user */
    {5, 23},  {5, 60},                      /* Setup blank */
    {6, 35},                                /* system */
    {7, 14},  {7, 45},  {7, 39},            /* TurnEnd pr-link summary */
    {8, 13},  {8, 43},  {8, 34},  {8, 61},  /* ApiError ai-title progress unparsed */
    {9, 33},                                /* assistant */
    {10, 12}, {10, 28}, {10, 10}, {10, 4},  /* ApiRequest CwdChanged PreCompact PreToolUse */
    {10, 2},  {10, 36}, {10, 46},           /* SessionEnd attachment frame-link */
    {11, 29}, {11, 22}, {11, 5},  {11, 18}, /* FileChanged PostCompact PostToolUse StopFailure */
    {11, 19}, {11, 40},                     /* TaskCreated last-prompt */
    {12, 27}, {12, 11}, {12, 1},  {12, 9}, /* ConfigChange Notification SessionStart SubagentStop */
    {12, 21}, {12, 44},                    /* TeammateIdle custom-title */
    {13, 16}, {13, 8},  {13, 20},          /* PostToolBatch SubagentStart TaskCompleted */
    {14, 26}, {14, 30}, {14, 31},          /* MessageDisplay WorktreeCreate WorktreeRemove */
    {15, 42}, {15, 38},                    /* permission-mode queue-operation */
    {16, 17}, {16, 3},                     /* PermissionDenied UserPromptSubmit */
    {17, 6},                               /* PermissionRequest */
    {18, 24}, {18, 15},                    /* InstructionsLoaded PostToolUseFailure */
    {19, 25},                              /* UserPromptExpansion */
    {21, 37},                              /* file-history-snapshot */
};

/* Negative, zero, positive: the wanted name comes before, is, or comes after 'entry'. */
static int compare_name(const char *name, size_t size, sorted_type entry) {
    if (size != entry.size)
        return size < entry.size ? -1 : 1;
    return memcmp(name, type_names[entry.type], size);
}

uint16_t vf_type_number(const char *name, size_t size) {
    size_t from = 0, to = sizeof sorted_types / sizeof *sorted_types;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = compare_name(name, size, sorted_types[middle]);
        if (order == 0)
            return sorted_types[middle].type;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return 0;
}

const char *vf_type_name(uint16_t type) {
    return type < TYPES ? type_names[type] : NULL;
}

static const char *const str_names[VF_STRS] = {
    [VF_STR_TYPE] = "type",
    [VF_STR_FRAMEWORK] = "framework",
    [VF_STR_TOOL_USE_ID] = "tool_use_id",
    [VF_STR_SPAWNED_AGENT] = "spawned_agent_id",
    [VF_STR_TOOL_NAME] = "tool_name",
    [VF_STR_SUBAGENT_TYPE] = "subagent_type",
    [VF_STR_PERMISSION_MODE] = "permission_mode",
    [VF_STR_TRANSCRIPT_PATH] = "transcript_path",
    [VF_STR_CWD] = "cwd",
    [VF_STR_GIT_BRANCH] = "git_branch",
    [VF_STR_MODEL] = "model",
    [VF_STR_TEXT] = "text",
    [VF_STR_METADATA] = "metadata",
    [VF_STR_FINISH_REASON] = "finish_reason",
    [VF_STR_NATIVE_ID] = "native_id",
    [VF_STR_NATIVE_PARENT] = "native_parent_id",
    [VF_STR_REQUEST_ID] = "request_id",
    [VF_STR_MESSAGE_ID] = "message_id",
    [VF_STR_AGENT_ID] = "agent_id",
    [VF_STR_VERSION] = "version",
    [VF_STR_TITLE] = "title",
    [VF_STR_ERROR] = "error",
    [VF_STR_GIT_DIR] = "local_git_dir",
    [VF_STR_GIT_WORKTREE] = "git_worktree_path",
    [VF_STR_GITHUB_REPO] = "github_repo",
    [VF_STR_SESSION_ID] = "session_id",
    [VF_STR_MACHINE_ID] = "machine_id",
    [VF_STR_PARENT_ID] = "parent_session_id",
    [VF_STR_PARENT_MACHINE] = "parent_machine_id",
    [VF_STR_PARENT_TOOL_CALL] = "parent_tool_call_id",
    [VF_STR_GOAL] = "goal",
    [VF_STR_CALLBACKS] = "callbacks",
    [VF_STR_LABELS] = "labels",
    [VF_STR_STATUS] = "status",
    [VF_STR_SESSION_TYPE] = "session_type",
    [VF_STR_MODE] = "mode",
    [VF_STR_CHANNEL] = "channel",
    [VF_STR_BOOT_ID] = "boot_id",
    [VF_STR_PID_NAMESPACE] = "pid_namespace",
    [VF_STR_PROJECT] = "project",
    [VF_STR_CURSOR_NAME] = "cursor_name",
    [VF_STR_SUBTYPE] = "subtype",
};

const char *vf_str_name(unsigned id) {
    return id < VF_STRS ? str_names[id] : NULL;
}

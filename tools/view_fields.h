/*
 * The one table of what the session models call the things of a session. Each row is written as it
 * stands here, in this order; docs/MODELS.md says where each comes from. For view.c alone.
 */
#ifndef TOOLS_VIEW_FIELDS_H
#define TOOLS_VIEW_FIELDS_H

#include "tools/view.h"
#include "tools/view_value.h"

enum {
    IN_PYTHON_1 = 1 << VIEW_MIX_PYTHON_1,
    IN_PYTHON = 1 << VIEW_MIX_PYTHON,
    IN_TYPESCRIPT = 1 << VIEW_MIX_TYPESCRIPT,
    IN_LATER_MIX = IN_PYTHON | IN_TYPESCRIPT,
    IN_MIX = IN_PYTHON_1 | IN_LATER_MIX,
    IN_MI6 = 1 << VIEW_MI6,
    IN_ZEPH = 1 << VIEW_ZEPH
};

enum view_need {
    REQUIRED, /* absent: an empty text, 0, or 1970 */
    OPTIONAL  /* absent: left out (mix) or null */
};

static const struct view_field {
    unsigned models;
    const char *name; /* mix-typescript: the same in camelCase */
    enum view_need need;
    view_get get;
    unsigned which;
} view_fields[] = {
    {IN_MIX, "assistant_message_count", REQUIRED, view_count, VIEW_ASSISTANT_MESSAGES},
    {IN_PYTHON, "callbacks", OPTIONAL, mix_callbacks, VARVE_STR_CALLBACKS},
    {IN_MIX, "completion_tokens", REQUIRED, view_tokens, VIEW_TOK_OUTPUT | VIEW_TOK_READ},
    {IN_MIX, "cost", REQUIRED, view_cost_with_children, VIEW_DOLLARS},
    {IN_MIX, "created_at", REQUIRED, view_time, VIEW_FIRST_STARTED},
    {IN_MIX, "first_user_message", OPTIONAL, view_first_text, 0},
    {IN_MIX, "id", REQUIRED, view_session_id, 0},
    {IN_LATER_MIX, "parent_session_id", OPTIONAL, mix_parent, VARVE_STR_PARENT_ID},
    {IN_LATER_MIX, "parent_tool_call_id", OPTIONAL, mix_parent_tool_call,
     VARVE_STR_PARENT_TOOL_CALL},
    {IN_MIX, "prompt_tokens", REQUIRED, view_tokens, VIEW_TOK_INPUT | VIEW_TOK_WRITE},
    {IN_LATER_MIX, "session_type", REQUIRED, mix_session_type, 0},
    {IN_LATER_MIX, "subagent_type", OPTIONAL, mix_subagent_type, VARVE_STR_SUBAGENT_TYPE},
    {IN_MIX, "title", REQUIRED, view_str, VARVE_STR_TITLE},
    {IN_MIX, "tool_call_count", REQUIRED, view_count, VIEW_TOOL_CALLS},
    {IN_MIX, "user_message_count", REQUIRED, view_count, VIEW_USER_MESSAGES},
    {IN_PYTHON_1, "working_directory", OPTIONAL, view_str, VARVE_STR_CWD},

    {IN_MI6, "session_id", REQUIRED, view_session_id, 0},
    {IN_MI6, "machine_id", REQUIRED, view_machine_id, 0},
    {IN_MI6, "framework", OPTIONAL, view_str, VARVE_STR_FRAMEWORK},
    {IN_MI6, "first_started_at", REQUIRED, view_time, VIEW_FIRST_STARTED},
    {IN_MI6, "last_started_at", REQUIRED, view_time, VIEW_LAST_STARTED},
    {IN_MI6, "first_ended_at", OPTIONAL, view_time, VIEW_FIRST_ENDED},
    {IN_MI6, "last_ended_at", OPTIONAL, view_time, VIEW_LAST_ENDED},
    {IN_MI6, "last_activity", REQUIRED, view_time, VIEW_LAST_ACTIVITY},
    {IN_MI6, "revival_count", REQUIRED, view_count, VIEW_REVIVALS},
    {IN_MI6, "status", OPTIONAL, mi6_status, 0},
    {IN_MI6, "status_updated_at", OPTIONAL, view_time, VIEW_STATUS_TIME},
    {IN_MI6, "pid", OPTIONAL, mi6_pid, 0},
    {IN_MI6, "process_start_time", OPTIONAL, mi6_process_start, 0},
    {IN_MI6, "cwd", OPTIONAL, view_str, VARVE_STR_CWD},
    {IN_MI6, "local_git_dir", OPTIONAL, view_str, VARVE_STR_GIT_DIR},
    {IN_MI6, "git_branch", OPTIONAL, view_str, VARVE_STR_GIT_BRANCH},
    {IN_MI6, "git_worktree_path", OPTIONAL, view_str, VARVE_STR_GIT_WORKTREE},
    {IN_MI6, "github_repo", OPTIONAL, view_str, VARVE_STR_GITHUB_REPO},
    {IN_MI6, "github_issue", OPTIONAL, mi6_git_number, VARVE_HAS_GITHUB_ISSUE},
    {IN_MI6, "github_pr", OPTIONAL, mi6_git_number, VARVE_HAS_GITHUB_PR},
    {IN_MI6, "git_additions", OPTIONAL, mi6_git_number, VARVE_HAS_GIT_ADDITIONS},
    {IN_MI6, "git_deletions", OPTIONAL, mi6_git_number, VARVE_HAS_GIT_DELETIONS},
    {IN_MI6, "first_user_message", OPTIONAL, view_first_text, 0},
    {IN_MI6, "last_user_message", OPTIONAL, view_last_text, 0},
    {IN_MI6, "model", OPTIONAL, view_str, VARVE_STR_MODEL},
    {IN_MI6, "compaction_count", REQUIRED, view_count, VIEW_COMPACTIONS},
    {IN_MI6, "message_count", REQUIRED, view_count, VIEW_USER_MESSAGES},
    {IN_MI6, "tool_call_count", REQUIRED, view_count, VIEW_TOOL_CALLS},
    {IN_MI6, "api_request_count", REQUIRED, view_count, VIEW_API_REQUESTS},
    {IN_MI6, "api_error_count", REQUIRED, view_count, VIEW_API_ERRORS},
    {IN_MI6, "tokens_input", REQUIRED, view_tokens, VIEW_TOK_INPUT},
    {IN_MI6, "tokens_output", REQUIRED, view_tokens, VIEW_TOK_OUTPUT},
    {IN_MI6, "tokens_cache_read", REQUIRED, view_tokens, VIEW_TOK_READ},
    {IN_MI6, "tokens_cache_write", REQUIRED, view_tokens, VIEW_TOK_WRITE},
    {IN_MI6, "cost_usd", OPTIONAL, view_cost, VIEW_DOLLARS},
    {IN_MI6, "context", OPTIONAL, mi6_context, 0},
    {IN_MI6, "n_hook_events", REQUIRED, view_count, VIEW_HOOK_EVENTS},
    {IN_MI6, "n_otel_events", REQUIRED, view_count, VIEW_OTEL_EVENTS},
    {IN_MI6, "transcript_available", REQUIRED, mi6_transcript_available, 0},
    {IN_MI6, "transcript_path", OPTIONAL, view_str, VARVE_STR_TRANSCRIPT_PATH},

    {IN_ZEPH, "id", REQUIRED, view_session_id, 0},
    {IN_ZEPH, "kind", REQUIRED, zeph_kind, 0},
    {IN_ZEPH, "status", REQUIRED, zeph_status, 0},
    {IN_ZEPH, "channel", REQUIRED, zeph_channel, 0},
    {IN_ZEPH, "model", REQUIRED, view_str, VARVE_STR_MODEL},
    {IN_ZEPH, "created_at", REQUIRED, view_time, VIEW_FIRST_STARTED},
    {IN_ZEPH, "last_active_at", REQUIRED, view_time, VIEW_LAST_ACTIVITY},
    {IN_ZEPH, "turns", REQUIRED, view_count, VIEW_TURNS},
    {IN_ZEPH, "prompt_tokens", REQUIRED, view_tokens,
     VIEW_TOK_INPUT | VIEW_TOK_READ | VIEW_TOK_WRITE},
    {IN_ZEPH, "completion_tokens", REQUIRED, view_tokens, VIEW_TOK_OUTPUT},
    {IN_ZEPH, "reasoning_tokens", REQUIRED, view_tokens, VIEW_TOK_REASONING},
    {IN_ZEPH, "cost_cents", REQUIRED, view_cost, VIEW_CENTS},
    {IN_ZEPH, "goal_text", OPTIONAL, view_str, VARVE_STR_GOAL},
};

#endif

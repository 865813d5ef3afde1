/*
 * In the order of docs/EVENTS.md.
 */
#include "tools/append_fields.h"

#include <string.h>

const struct append_field append_fields[APPEND_FIELDS] = {
    /* identity */
    {"session_id", AS_SESSION_ID, IN_EVENT | BESIDE_SET, 0},
    {"machine_id", AS_MACHINE_ID, IN_EVENT | BESIDE_SET, 0},
    {"event_type", AS_TYPE, IN_EVENT, 0},
    {"timestamp", AS_TIME, IN_EVENT | BESIDE_SET, 0},
    {"source", AS_SOURCE, IN_EVENT, 0},
    {"uid", AS_UID, IN_EVENT, 0},
    {"set", AS_SET, BESIDE_SET, 0},
    /* what happened */
    {"role", AS_ROLE, IN_EVENT, 0},
    {"text", AS_WORDS, IN_EVENT, VARVE_STR_TEXT},
    {"content", AS_WORDS, IN_EVENT, VARVE_STR_TEXT},
    {"subtype", AS_STRING, IN_EVENT, VARVE_STR_SUBTYPE},
    {"tool_name", AS_STRING, IN_EVENT, VARVE_STR_TOOL_NAME},
    {"tool_use_id", AS_STRING, IN_EVENT, VARVE_STR_TOOL_USE_ID},
    {"tool_calls", AS_TOOL_CALLS, IN_EVENT, 0},
    {"spawned_agent_id", AS_STRING, IN_EVENT, VARVE_STR_SPAWNED_AGENT},
    {"agent_id", AS_STRING, IN_EVENT, VARVE_STR_AGENT_ID},
    {"subagent_type", AS_STRING, IN_BOTH, VARVE_STR_SUBAGENT_TYPE},
    {"is_sidechain", AS_FLAG, IN_EVENT, VARVE_EV_SIDECHAIN},
    {"turn", AS_COUNT, IN_EVENT, COUNT_TURN},
    {"duration_ms", AS_COUNT, IN_EVENT, COUNT_DURATION},
    {"finish_reason", AS_STRING, IN_EVENT, VARVE_STR_FINISH_REASON},
    {"error", AS_STRING, IN_EVENT, VARVE_STR_ERROR},
    {"native_id", AS_STRING, IN_EVENT, VARVE_STR_NATIVE_ID},
    {"native_parent_id", AS_STRING, IN_EVENT, VARVE_STR_NATIVE_PARENT},
    {"is_user_message", AS_FLAG, IN_EVENT, VARVE_EV_USER_MESSAGE},
    {"is_assistant_message", AS_FLAG, IN_EVENT, VARVE_EV_ASSISTANT_MESSAGE},
    {"is_api_error", AS_FLAG, IN_EVENT, VARVE_EV_API_ERROR},
    {"is_compaction", AS_FLAG, IN_EVENT, VARVE_EV_COMPACTION},
    {"is_turn", AS_FLAG, IN_EVENT, VARVE_EV_TURN},
    {"payload", AS_PAYLOAD, IN_EVENT, 0},
    {"metadata", AS_JSON, IN_EVENT, VARVE_STR_METADATA},
    /* what it cost */
    {"tokens_input", AS_TOKENS, IN_EVENT, VARVE_TOK_INPUT},
    {"tokens_output", AS_TOKENS, IN_EVENT, VARVE_TOK_OUTPUT},
    {"tokens_cache_read", AS_TOKENS, IN_EVENT, VARVE_TOK_CACHE_READ},
    {"tokens_cache_write", AS_TOKENS, IN_EVENT, VARVE_TOK_CACHE_WRITE_5M},
    {"tokens_cache_write_1h", AS_TOKENS, IN_EVENT, VARVE_TOK_CACHE_WRITE_1H},
    {"tokens_reasoning", AS_TOKENS, IN_EVENT, VARVE_TOK_REASONING},
    {"reasoning_tokens", AS_TOKENS, IN_EVENT, VARVE_TOK_REASONING},
    {"cost_usd", AS_MONEY, IN_EVENT, 0},
    {"message_id", AS_STRING, IN_EVENT, VARVE_STR_MESSAGE_ID},
    {"request_id", AS_STRING, IN_EVENT, VARVE_STR_REQUEST_ID},
    {"charge", AS_CHARGE, IN_EVENT, 0},
    /* its process */
    {"pid", AS_COUNT, IN_BOTH, COUNT_PID},
    {"process_start_time", AS_COUNT, IN_BOTH, COUNT_PROCESS_START},
    {"boot_id", AS_STRING, IN_BOTH, VARVE_STR_BOOT_ID},
    {"pid_namespace", AS_STRING, IN_BOTH, VARVE_STR_PID_NAMESPACE},
    /* what it says of its session */
    {"framework", AS_STRING, IN_BOTH, VARVE_STR_FRAMEWORK},
    {"version", AS_STRING, IN_BOTH, VARVE_STR_VERSION},
    {"model", AS_STRING, IN_BOTH, VARVE_STR_MODEL},
    {"permission_mode", AS_STRING, IN_BOTH, VARVE_STR_PERMISSION_MODE},
    {"transcript_path", AS_STRING, IN_BOTH, VARVE_STR_TRANSCRIPT_PATH},
    {"cwd", AS_STRING, IN_BOTH, VARVE_STR_CWD},
    {"project", AS_STRING, IN_BOTH, VARVE_STR_PROJECT},
    {"git_branch", AS_STRING, IN_BOTH, VARVE_STR_GIT_BRANCH},
    {"local_git_dir", AS_STRING, IN_BOTH, VARVE_STR_GIT_DIR},
    {"git_worktree_path", AS_STRING, IN_BOTH, VARVE_STR_GIT_WORKTREE},
    {"git_additions", AS_COUNT, IN_BOTH, COUNT_GIT_ADDITIONS},
    {"git_deletions", AS_COUNT, IN_BOTH, COUNT_GIT_DELETIONS},
    {"github_repo", AS_STRING, IN_BOTH, VARVE_STR_GITHUB_REPO},
    {"github_issue", AS_COUNT, IN_BOTH, COUNT_GITHUB_ISSUE},
    {"github_pr", AS_COUNT, IN_BOTH, COUNT_GITHUB_PR},
    {"title", AS_STRING, IN_BOTH, VARVE_STR_TITLE},
    {"status", AS_STATUS, IN_BOTH, VARVE_STR_STATUS},
    {"labels", AS_LABELS, IN_BOTH | OF_SESSION, VARVE_STR_LABELS},
    {"goal", AS_STRING, IN_BOTH | OF_SESSION, VARVE_STR_GOAL},
    {"kind", AS_MODE, IN_BOTH | OF_SESSION, VARVE_STR_MODE},
    {"mode", AS_MODE, IN_BOTH | OF_SESSION, VARVE_STR_MODE},
    {"channel", AS_CHANNEL, IN_BOTH | OF_SESSION, VARVE_STR_CHANNEL},
    {"session_type", AS_SESSION_TYPE, IN_BOTH | OF_SESSION, VARVE_STR_SESSION_TYPE},
    {"callbacks", AS_LIST, IN_BOTH | OF_SESSION, VARVE_STR_CALLBACKS},
    {"parent_session_id", AS_STRING, IN_BOTH | OF_SESSION, VARVE_STR_PARENT_ID},
    {"parent_machine_id", AS_STRING, IN_BOTH | OF_SESSION, VARVE_STR_PARENT_MACHINE},
    {"parent_tool_call_id", AS_STRING, IN_BOTH | OF_SESSION, VARVE_STR_PARENT_TOOL_CALL},
    {"hidden", AS_FLAG, IN_SET, VARVE_EV_HIDDEN},
};

int append_field(const char *name, size_t size) {
    for (int i = 0; i < APPEND_FIELDS; i++) {
        if (strlen(append_fields[i].name) == size &&
            memcmp(append_fields[i].name, name, size) == 0) {
            return i;
        }
    }
    return -1;
}

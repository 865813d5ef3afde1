/*
 * Makes a store for the tests of the views. See view_store.h.
 */
#include "tests/support/view_store.h"

#include "tests/support/scratch.h"

enum { THINGS = 30 };

/* Puts the nth optional thing into what is to be set and the event to be appended. */
static void give(int n, varve_event *set, varve_event *event) {
    static const struct {
        int str;
        const char *text;
    } texts[] = {
        {VARVE_STR_TITLE, "Title \xE2\x80\xA6 \"quoted\""},
        {VARVE_STR_CWD, "/home/\xFF\xFE"},
        {VARVE_STR_GIT_BRANCH, ""},
        {VARVE_STR_GIT_DIR, "/c/.git"},
        {VARVE_STR_GIT_WORKTREE, "/c"},
        {VARVE_STR_GITHUB_REPO, "owner/repo"},
        {VARVE_STR_MODEL, "model-1"},
        {VARVE_STR_FRAMEWORK, "gemini"},
        {VARVE_STR_TRANSCRIPT_PATH, "/t.jsonl"},
        {VARVE_STR_GOAL, "a goal"},
        {VARVE_STR_PARENT_TOOL_CALL, "toolu_1"},
        {VARVE_STR_SUBAGENT_TYPE, "Explore"},
        {VARVE_STR_CALLBACKS,
         "[{\"toolName\":\"*\",\"type\":\"bash_script\",\"bashCommand\":\"x\",\"name\":null,"
         "\"bashTimeout\":10,\"includeFullHistory\":true}]"},
    };
    enum { TEXTS = sizeof texts / sizeof *texts };
    if (n < TEXTS) {
        set->str[texts[n].str] = varve_cstr(texts[n].text);
        return;
    }
    switch (n - TEXTS) {
    case 0:
        set->present |= VARVE_HAS_GITHUB_ISSUE, set->github_issue = INT32_MAX;
        break;
    case 1:
        set->present |= VARVE_HAS_GITHUB_PR, set->github_pr = 1;
        break;
    case 2:
        set->present |= VARVE_HAS_GIT_ADDITIONS, set->git_additions = 0;
        break;
    case 3:
        set->present |= VARVE_HAS_GIT_DELETIONS, set->git_deletions = INT32_MIN;
        break;
    case 4:
        set->session_type = VARVE_SESSION_SUBAGENT,
        set->str[VARVE_STR_PARENT_ID] = varve_cstr("none");
        break;
    case 5:
        event->present |= VARVE_HAS_PID, event->pid = INT32_MAX;
        break;
    case 6:
        event->present |= VARVE_HAS_PID | VARVE_HAS_PROCESS_START,
            event->process_start = 1700000000;
        break;
    case 7:
        event->flags |= VARVE_EV_USER_MESSAGE,
            event->str[VARVE_STR_TEXT] = varve_cstr("\x1b[31m \xC3( \t");
        break;
    case 8:
        event->present |= VARVE_HAS_TOKENS * 63;
        for (int t = 0; t < VARVE_TOKENS; t++)
            event->tokens[t] = INT64_MAX / 4;
        break;
    case 9:
        event->present |= VARVE_HAS_COST, event->cost = 123456789012345679;
        break;
    case 10:
        event->type = varve_cstr("SessionEnd");
        break;
    case 11:
        event->present |= VARVE_HAS_TIME, event->time = 1700000000123456789;
        break;
    case 12:
        set->status = VARVE_STATUS_WAIT;
        break;
    case 13:
        set->mode = VARVE_MODE_ACP;
        break;
    case 14:
        set->channel = VARVE_CHANNEL_SLACK;
        break;
    case 15:
        event->source = VARVE_SOURCE_TRANSCRIPT;
        break;
    default:
        event->source = VARVE_SOURCE_OTEL;
        break;
    }
}

/* A session with the things whose bit is set. */
static void add_session(varve_batch *batch, const char *name, int number, uint64_t things) {
    char id[32];
    snprintf(id, sizeof id, "%s-%d", name, number);
    varve_event set = scratch_event(id, NULL), event = scratch_event(id, "Notification");
    event.source = VARVE_SOURCE_HOOK;
    event.time = 1; /* gives a place in order, no time */
    for (int n = 0; n < THINGS; n++)
        if ((things >> n & 1) != 0)
            give(n, &set, &event);
    assert_true(varve_batch_set(batch, &set) >= 0);
    assert_true(varve_batch_add(batch, &event) >= 0);
}

/* Sessions with each value of a set of values, and with one that is only named. */
static void add_values(varve_batch *batch, const char *name, int str, size_t field, int values) {
    for (int value = 0; value <= values; value++) {
        for (int child = 0; child < 2; child++) {
            char id[48];
            snprintf(id, sizeof id, "%s-%d-%s", name, value, child != 0 ? "child" : "alone");
            varve_event set = scratch_event(id, NULL);
            ((uint8_t *)&set)[field] = (uint8_t)(value == values ? VARVE_ENUM_NAMED : value);
            if (value == values)
                set.str[str] = varve_cstr("something else");
            if (child != 0)
                set.str[VARVE_STR_PARENT_ID] = varve_cstr("none-0");
            assert_true(varve_batch_set(batch, &set) >= 0);
        }
    }
}

static void add_callbacks(varve_batch *batch) {
    static const char with_null[] =
        "[{\"tool_name\":\"A\",\"type\":\"sub_agent\",\"name\":null,"
        "\"sub_agent_type\":\"\\u00e9\"}]";
    static const char *const callbacks[] = {
        "[]",
        "{}",
        "no JSON",
        "",
        "[1]",
        "[null]",
        "[{\"tool_name\":\"*\",\"type\":\"send_message\"}",
        "7",
        with_null,
    };
    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++) {
        char id[32];
        snprintf(id, sizeof id, "callbacks-%zu", i);
        varve_event set = scratch_event(id, NULL);
        set.str[VARVE_STR_CALLBACKS] = varve_cstr(callbacks[i]);
        assert_true(varve_batch_set(batch, &set) >= 0);
    }
}

/* Random numbers that are the same in every run. */
static uint32_t below(uint32_t limit) {
    static uint64_t number = 88172645463325252;
    number ^= number << 13;
    number ^= number >> 7;
    number ^= number << 17;
    return (uint32_t)((number >> 16) % limit);
}

/* What a request cost: often told again, by other lines, kinds, sources and sessions. */
static void add_usage(varve_event *event) {
    event->present |= VARVE_HAS_TOKENS * 63;
    for (int t = 0; t < VARVE_TOKENS; t++)
        event->tokens[t] = below(50);
    if (below(3) > 0) {
        event->present |= VARVE_HAS_COST;
        event->cost = below(1000000);
    }
    if (below(5) > 0) {
        char message[32];
        snprintf(message, sizeof message, "message-%u", below(60));
        event->present |= VARVE_HAS_CHARGE;
        event->charge = varve_charge_key(varve_cstr(message));
        event->charge_part = below(3);
        event->charge_kind = (uint8_t)below(VARVE_CHARGES);
    }
}

/* Histories with everything that the fold looks at: starts, ends, revivals, sources in any mixture.
 */
static void add_histories(varve_batch *batch) {
    enum { SESSIONS = 30, EVENTS = 3000 };
    static const char *const types[] = {"SessionStart", "SessionEnd",  "UserPromptSubmit",
                                        "PreToolUse",   "PostToolUse", "PermissionRequest",
                                        "Stop",         "ApiRequest",  "ApiError",
                                        "PreCompact",   "user",        "Notification"};
    static const char *const words[] = {"one", "two", "three", "four", "five", "six", "seven"};
    for (int n = 0; n < EVENTS; n++) {
        char id[32];
        uint32_t session = below(SESSIONS);
        snprintf(id, sizeof id, "history-%u", session);
        varve_event event = scratch_event(id, types[below(12)]);
        event.present = VARVE_HAS_TIME | VARVE_HAS_POSITION;
        /* every other one in order; equal times are common */
        int64_t second = session % 2 == 0 ? n / 16 : (int64_t)below(200);
        event.time = 1700000000000000000 + second * 1000000000;
        event.position = (uint64_t)n;
        event.source = (uint8_t)below(session % 3 == 0 ? VARVE_SOURCES : VARVE_SOURCES - 1);
        event.flags = (below(4) == 0 ? VARVE_EV_USER_MESSAGE : 0u) |
                      (below(4) == 0 ? VARVE_EV_SIDECHAIN : 0u);
        event.str[VARVE_STR_TEXT] = varve_cstr(words[below(7)]);
        event.str[VARVE_STR_MODEL] = varve_cstr(below(2) == 0 ? words[below(7)] : NULL);
        event.str[VARVE_STR_CWD] = varve_cstr(below(3) == 0 ? words[below(7)] : NULL);
        event.status = (uint8_t)(below(30) == 0 ? below(10) : 0);
        if (below(9) == 0) {
            event.present |= VARVE_HAS_PID | VARVE_HAS_GITHUB_PR |
                             (below(2) == 0 ? VARVE_HAS_PROCESS_START : 0u);
            event.pid = (int32_t)below(1000) - 1;
            event.process_start = 1700000000 + (int64_t)below(9);
            event.github_pr = (int32_t)below(1000);
        }
        if (below(8) == 0) {
            event.present |= VARVE_HAS_TOOL_CALLS;
            event.tool_calls = (int32_t)below(4);
        }
        if (below(2) == 0)
            add_usage(&event);
        assert_true(varve_batch_add(batch, &event) >= 0);
    }
}

void view_store_make(const char *path) {
    varve *store = scratch_open(path, 0);
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    const uint64_t all = (UINT64_C(1) << THINGS) - 1;
    add_session(batch, "none", 0, 0);
    add_session(batch, "all", 0, all);
    for (int n = 0; n < THINGS; n++) {
        add_session(batch, "only", n, UINT64_C(1) << n);
        add_session(batch, "without", n, all & ~(UINT64_C(1) << n));
    }
    add_values(batch, "status", VARVE_STR_STATUS, offsetof(varve_event, status),
               VARVE_STATUS_UNKNOWN + 1);
    add_values(batch, "type", VARVE_STR_SESSION_TYPE, offsetof(varve_event, session_type),
               VARVE_SESSION_SUBAGENT + 1);
    add_values(batch, "mode", VARVE_STR_MODE, offsetof(varve_event, mode), VARVE_MODE_ACP + 1);
    add_values(batch, "channel", VARVE_STR_CHANNEL, offsetof(varve_event, channel),
               VARVE_CHANNEL_ACP + 1);
    add_callbacks(batch);
    add_histories(batch);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
    varve_close(&store);
}

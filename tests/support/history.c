/*
 * Random histories. See history.h.
 */
#include "support/history.h"

#include "engine/store.h"
#include "support/work.h"

#include <stdio.h>
#include <stdlib.h>

enum { SESSIONS = 14 };
static const int64_t first_time = 1700000000000000000, second = 1000000000;
static int64_t time_of_day = 1700000000000000000;

static int64_t told_now(void) {
    return time_of_day;
}

static ve_os told;

bool history_open(const char *path, uint32_t flags, varve **ret_store) {
    char error[300] = "";
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    options.segment_size = 64 << 10;
    options.machine_id = varve_cstr("here");
    options.error = error;
    options.error_size = sizeof error;
    told = ve_os_system;
    told.now = told_now;
    int result = ve_open(&told, path, &options, ret_store);
    return result == VARVE_OK || work_wrong("open: %d %s", result, error);
}

/* ---- Numbers that follow from seed, batch and place ---- */

typedef struct {
    uint32_t seed, number, draws;
    char text[40][160]; /* what events point to until they are added */
    int texts;
    varve_batch *batch;
} maker;

static uint32_t draw(maker *m, uint32_t below) {
    return work_mix(m->seed, m->number, ++m->draws) % below;
}

static bool chance(maker *m, uint32_t percent) {
    return draw(m, 100) < percent;
}

static varve_str text_of(maker *m, const char *format, uint32_t value) {
    char *at = m->text[m->texts++ % 40];
    snprintf(at, sizeof *m->text, format, value);
    return varve_cstr(at);
}

/* Long texts are a part of this one; no two parts are alike. */
static const char *long_text(void) {
    enum { LONG = 3 << 20 };
    static char *text;
    if (text == NULL && (text = malloc(LONG)) != NULL)
        for (uint32_t i = 0; i < LONG; i++)
            text[i] = i % 3000 < 1500 ? "the quick brown fox "[i % 20] : (char)(' ' + work_mix(7, i, 0) % 90);
    return text;
}

static varve_str long_part(maker *m, uint32_t size) {
    return (varve_str){long_text() + draw(m, 100000), size};
}

static void name_session(maker *m, varve_event *event, uint32_t session) {
    event->session_id = text_of(m, session < 11 ? "s-%u" : "parent/agent-%u", session);
    if (session % 5 == 4)
        event->machine_id = varve_cstr("there");
}

/* ---- Events ---- */

static void add_payload(maker *m, varve_event *event) {
    uint32_t kind = draw(m, 1000);
    if (kind < 100)
        return;
    uint32_t size = kind < 140   ? 0
                    : kind < 800 ? draw(m, 400)
                    : kind < 985 ? draw(m, 6000)
                    : kind < 997 ? draw(m, 90000)
                                 : 1500000 + draw(m, 1000000);
    varve_str part = long_part(m, size);
    event->payload = part.ptr;
    event->payload_size = size;
    event->present |= VARVE_HAS_PAYLOAD;
}

static void add_uid(maker *m, varve_event *event, bool import) {
    uint32_t kind = draw(m, 10);
    if (!import && kind < 5)
        return;
    varve_str machine = event->machine_id.ptr == NULL ? varve_cstr("here") : event->machine_id;
    event->present |= VARVE_HAS_UID;
    if (event->payload != NULL && event->payload_size > 20)
        event->uid = varve_line_uid(machine, event->session_id, event->payload, event->payload_size, kind == 9);
    else
        event->uid = varve_name_uid(machine, event->session_id, text_of(m, "name-%u", m->number * 64 + m->draws));
}

static void add_usage(maker *m, varve_event *event) {
    if (!chance(m, 40))
        return;
    for (int t = 0; t < VARVE_TOKENS; t++)
        if (chance(m, 60)) {
            event->present |= (uint32_t)VARVE_HAS_TOKENS << t;
            event->tokens[t] = draw(m, 5000);
        }
    if (chance(m, 50)) {
        event->present |= VARVE_HAS_COST;
        event->cost = draw(m, 1000000);
        event->price_table = draw(m, 4);
    }
    if (!chance(m, 75))
        return;
    event->present |= VARVE_HAS_CHARGE;
    event->str[VARVE_STR_MESSAGE_ID] = text_of(m, "msg_%u", draw(m, 120));
    event->charge = varve_charge_key(event->str[VARVE_STR_MESSAGE_ID]);
    if (chance(m, 60)) {
        event->str[VARVE_STR_REQUEST_ID] = text_of(m, "req_%u", draw(m, 30));
        event->charge_part = varve_charge_part(event->str[VARVE_STR_REQUEST_ID]);
    }
    if (chance(m, 10)) /* one that does not follow from the texts */
        event->charge = varve_charge_key(text_of(m, "other_%u", draw(m, 9)));
    event->charge_kind = (uint8_t)(chance(m, 80) ? 0 : draw(m, VARVE_CHARGES));
}

static void add_strings(maker *m, varve_event *event) {
    static const int ids[] = {VARVE_STR_FRAMEWORK, VARVE_STR_TOOL_NAME, VARVE_STR_CWD, VARVE_STR_GIT_BRANCH, VARVE_STR_MODEL,
                              VARVE_STR_TITLE, VARVE_STR_NATIVE_ID, VARVE_STR_TRANSCRIPT_PATH, VARVE_STR_VERSION,
                              VARVE_STR_PROJECT, VARVE_STR_PERMISSION_MODE, VARVE_STR_ERROR, VARVE_STR_SUBTYPE};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (chance(m, 20))
            event->str[ids[i]] = i == 0 ? varve_cstr(chance(m, 80) ? "claude_code" : "codex") : text_of(m, "text-%u", draw(m, 12));
    if (chance(m, 25))
        event->str[VARVE_STR_TEXT] = chance(m, 15) ? long_part(m, draw(m, 20000)) : text_of(m, "said %u", draw(m, 1000));
    if (chance(m, 4))
        event->str[VARVE_STR_METADATA] = long_part(m, draw(m, 200000));
    if (chance(m, 5))
        event->str[VARVE_STR_GOAL] = varve_cstr("");
}

static void add_numbers(maker *m, varve_event *event) {
    if (chance(m, 15)) {
        event->present |= VARVE_HAS_PID | VARVE_HAS_PROCESS_START;
        event->pid = (int32_t)draw(m, 30000);
        event->process_start = draw(m, 100000);
        event->str[VARVE_STR_BOOT_ID] = varve_cstr("boot");
    }
    if (chance(m, 30)) {
        event->present |= VARVE_HAS_POSITION | VARVE_HAS_DURATION | VARVE_HAS_TURN;
        event->position = draw(m, 1000000);
        event->duration = draw(m, 10000);
        event->turn = (int32_t)draw(m, 50);
    }
    if (chance(m, 20)) {
        event->present |= VARVE_HAS_TOOL_CALLS;
        event->tool_calls = (int32_t)draw(m, 4);
    }
    if (chance(m, 10)) {
        event->present |= VARVE_HAS_SIDECHAIN;
        event->flags |= VARVE_EV_SIDECHAIN;
    }
    event->flags |= chance(m, 20) ? 1u << (3 + draw(m, 6)) : 0u;
}

static void set_time(maker *m, varve_event *event) {
    event->time = first_time + (int64_t)m->number * second + draw(m, 1000000);
    if (chance(m, 15)) /* far out of order */
        event->time = first_time + (int64_t)draw(m, 100000000);
    if (chance(m, 85))
        event->present |= VARVE_HAS_TIME;
}

static int add_event(maker *m, uint32_t session, uint8_t source, bool import) {
    static const char *const types[] = {"SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop",
                                        "PermissionRequest", "ApiRequest", "ApiError", "user", "assistant", "assistant",
                                        "system", "summary", "blank", "unparsed", "of-no-number", "Another.unknown:type"};
    varve_event event;
    varve_event_init(&event);
    name_session(m, &event, session);
    event.type = varve_cstr(types[draw(m, sizeof types / sizeof *types)]);
    event.source = source;
    event.role = (uint8_t)draw(m, 5);
    event.eol = (uint8_t)draw(m, 4);
    set_time(m, &event);
    add_payload(m, &event);
    add_uid(m, &event, import);
    add_usage(m, &event);
    add_strings(m, &event);
    add_numbers(m, &event);
    return varve_batch_add(m->batch, &event);
}

/* ---- Attributes, forks, marks ---- */

static void fill_setting(maker *m, varve_event *event) {
    if (chance(m, 40))
        event->str[VARVE_STR_LABELS] = text_of(m, chance(m, 70) ? "team=a\nround=%u" : "team=b\nonce%u", draw(m, 5));
    if (chance(m, 10))
        event->str[VARVE_STR_LABELS] = varve_cstr("team");
    if (chance(m, 30)) { /* some parents are only ever named */
        event->str[VARVE_STR_PARENT_ID] = text_of(m, chance(m, 70) ? "s-%u" : "named-%u", draw(m, 12));
        event->str[VARVE_STR_PARENT_TOOL_CALL] = varve_cstr("toolu_1");
    }
    event->status = (uint8_t)(chance(m, 30) ? draw(m, 10) : 0);
    event->mode = (uint8_t)(chance(m, 20) ? draw(m, 4) : 0);
    event->session_type = (uint8_t)(chance(m, 20) ? draw(m, 4) : 0);
    if (chance(m, 20)) {
        event->present |= VARVE_HAS_GITHUB_ISSUE | VARVE_HAS_GIT_ADDITIONS;
        event->github_issue = (int32_t)draw(m, 100);
        event->git_additions = (int32_t)draw(m, 100);
    }
    if (chance(m, 10)) {
        event->present |= VARVE_HAS_COST;
        event->cost = draw(m, 100000);
    }
    event->flags |= chance(m, 5) ? VARVE_EV_HIDDEN : 0u;
    add_strings(m, event);
    set_time(m, event);
}

static int add_setting(maker *m, uint32_t session) {
    varve_event event;
    varve_event_init(&event);
    name_session(m, &event, session);
    fill_setting(m, &event);
    return varve_batch_set(m->batch, &event);
}

static int add_fork(maker *m) {
    varve_event child;
    varve_event_init(&child);
    child.session_id = text_of(m, "fork-%u", draw(m, 40));
    fill_setting(m, &child);
    child.str[VARVE_STR_PARENT_ID] = child.str[VARVE_STR_PARENT_MACHINE] = varve_cstr(NULL);
    uint32_t parent = draw(m, 50);
    varve_str id = parent < 35 ? text_of(m, "s-%u", parent % 4) : text_of(m, "fork-%u", parent);
    return varve_batch_fork(m->batch, &child, varve_cstr(NULL), id, chance(m, 40) ? UINT64_MAX : 1 + draw(m, 40));
}

/* Goes on in a fork, if it is there. */
static int add_to_fork(maker *m) {
    varve_event event;
    varve_event_init(&event);
    event.session_id = text_of(m, "fork-%u", draw(m, 40));
    event.type = varve_cstr("assistant");
    event.source = VARVE_SOURCE_TRANSCRIPT;
    set_time(m, &event);
    add_payload(m, &event);
    add_usage(m, &event);
    return varve_batch_add(m->batch, &event);
}

static int add_input(maker *m) {
    varve_str name = text_of(m, "input-%u", draw(m, 5));
    varve_str state = chance(m, 10) ? long_part(m, draw(m, 4097)) : text_of(m, "at %u", m->number);
    return varve_batch_cursor(m->batch, name, state.ptr, state.size);
}

static int fill(maker *m) {
    uint32_t kind = draw(m, 100);
    if (kind < 5)
        return add_fork(m);
    if (kind < 8)
        return varve_batch_rewind(m->batch, varve_cstr(NULL), text_of(m, chance(m, 70) ? "s-%u" : "fork-%u", draw(m, 8)),
                                  1 + draw(m, 60));
    if (kind < 9)
        return varve_batch_delete(m->batch, varve_cstr(NULL), text_of(m, "s-%u", 5 + draw(m, 6)));
    bool import = history_is_import(m->seed, m->number);
    uint32_t count = 1 + draw(m, 9), session = draw(m, SESSIONS);
    int result = 0;
    for (uint32_t i = 0; i < count && result >= 0; i++) {
        if (!import && chance(m, 30))
            session = draw(m, SESSIONS);
        uint32_t what = import ? 99 : draw(m, 100);
        result = what < 8    ? add_setting(m, session)
                 : what < 14 ? add_to_fork(m)
                             : add_event(m, session, (uint8_t)(import ? VARVE_SOURCE_TRANSCRIPT : draw(m, 4)), import);
    }
    return result >= 0 && chance(m, 30) ? add_input(m) : result;
}

bool history_is_import(uint32_t seed, uint32_t number) {
    maker m = {.seed = seed, .number = number};
    return draw(&m, 100) >= 9 && work_mix(seed, number, 1000000) % 4 == 0;
}

int history_add(varve *store, uint32_t seed, uint32_t number, varve_appended *ret) {
    static maker m;
    m = (maker){.seed = seed, .number = number};
    if (varve_batch_new(&m.batch) < 0)
        return VARVE_E_NO_MEMORY;
    time_of_day = first_time + (int64_t)number * second;
    int result = fill(&m);
    if (result >= 0)
        result = varve_append(store, m.batch, VARVE_NONE, ret);
    varve_batch_free(&m.batch);
    return result;
}

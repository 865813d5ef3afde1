/*
 * The fields of an event. Absent and zero are different things: what an event does not carry has no
 * field, so that nobody takes it for zero.
 */
#include "tools/event_fields.h"

#include "tools/names.h"
#include "tools/session_fields.h"

static void head(struct out *out, const varve_event *event) {
    int is_event = event->record == VARVE_RECORD_EVENT;
    out_numeral(out, "lsn", event->lsn);
    out_numeral(out, "seq", event->seq);
    out_text(out, "session_id", event->session_id);
    out_text(out, "machine_id", event->machine_id);
    out_word(out, "record", is_event ? "event" : "session");
    if (event->type.ptr) {
        out_text(out, "type", event->type);
    }
    if (event->present & VARVE_HAS_TIME) {
        out_time(out, "time", event->time);
    }
    if (is_event) {
        out_word(out, "source", name_source(event->source));
    }
    if (event->role != VARVE_ROLE_NONE) {
        out_word(out, "role", name_role(event->role));
    }
}

static void flags(struct out *out, const varve_event *event) {
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {
        {VARVE_EV_RECOVERED, "is_recovered"},
        {VARVE_EV_OUTPUT_LOWER_BOUND, "output_is_lower_bound"},
        {VARVE_EV_USER_MESSAGE, "is_user_message"},
        {VARVE_EV_ASSISTANT_MESSAGE, "is_assistant_message"},
        {VARVE_EV_API_ERROR, "is_api_error"},
        {VARVE_EV_COMPACTION, "is_compaction"},
        {VARVE_EV_TURN, "is_turn"},
        {VARVE_EV_UNPRICED, "is_unpriced"},
        {VARVE_EV_HIDDEN, "is_hidden"},
    };
    int sidechain = (event->flags & VARVE_EV_SIDECHAIN) != 0;
    if (sidechain || (event->present & VARVE_HAS_SIDECHAIN)) {
        out_bool(out, "is_sidechain", sidechain);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (event->flags & names[i].flag) {
            out_bool(out, names[i].name, 1);
        }
    }
}

static void quantity(struct out *out, const varve_event *event, uint32_t has, const char *name,
                     int64_t value) {
    if (event->present & has) {
        out_number(out, name, value);
    }
}

static void numbers(struct out *out, const varve_event *event) {
    for (unsigned i = 0; i < VARVE_TOKENS; i++) {
        quantity(out, event, 1u << i, name_token_class(i), event->tokens[i]);
    }
    if (event->present & VARVE_HAS_COST) {
        out_money(out, "cost_usd", event->cost);
        out_numeral(out, "price_table", event->price_table);
    }
    quantity(out, event, VARVE_HAS_DURATION, "duration_ms", event->duration);
    quantity(out, event, VARVE_HAS_TURN, "turn", event->turn);
    quantity(out, event, VARVE_HAS_TOOL_CALLS, "tool_calls", event->tool_calls);
    quantity(out, event, VARVE_HAS_GITHUB_ISSUE, "github_issue", event->github_issue);
    quantity(out, event, VARVE_HAS_GITHUB_PR, "github_pr", event->github_pr);
    quantity(out, event, VARVE_HAS_GIT_ADDITIONS, "git_additions", event->git_additions);
    quantity(out, event, VARVE_HAS_GIT_DELETIONS, "git_deletions", event->git_deletions);
    if (event->present & VARVE_HAS_PID) {
        out_numeral(out, "pid", (uint64_t)(uint32_t)event->pid);
    }
    if (event->present & VARVE_HAS_PROCESS_START) {
        out_time(out, "process_started_at", fields_seconds(event->process_start));
    }
}

static void keys(struct out *out, const varve_event *event) {
    if (event->present & VARVE_HAS_UID) {
        out_hex(out, "uid", event->uid.b, sizeof event->uid.b);
    }
    if (event->present & VARVE_HAS_CHARGE) {
        out_hex(out, "charge", event->charge.b, sizeof event->charge.b);
        uint8_t part[8];
        for (unsigned i = 0; i < sizeof part; i++) {
            part[i] = (uint8_t)(event->charge_part >> (56 - 8 * i));
        }
        out_hex(out, "charge_part", part, sizeof part);
        out_word(out, "charge_kind", name_charge_kind(event->charge_kind));
    }
    if (event->present & VARVE_HAS_POSITION) {
        out_numeral(out, "position", event->position);
    }
    if (event->source == VARVE_SOURCE_TRANSCRIPT && event->record == VARVE_RECORD_EVENT) {
        out_word(out, "line_end", name_eol(event->eol));
    }
}

static int is_enum(unsigned string) {
    return string == VARVE_STR_STATUS || string == VARVE_STR_SESSION_TYPE ||
           string == VARVE_STR_MODE || string == VARVE_STR_CHANNEL;
}

static void strings(struct out *out, const varve_event *event) {
    const varve_str *str = event->str;
    for (unsigned i = 0; i < VARVE_STRS; i++) {
        const char *name = name_string(i);
        if (!str[i].ptr || !name || is_enum(i)) {
            continue;
        }
        if (i == VARVE_STR_METADATA || i == VARVE_STR_CALLBACKS || i == VARVE_STR_LABELS) {
            out_json(out, name, str[i]);
        } else {
            out_text(out, name, str[i]);
        }
    }
    const struct {
        const char *name;
        varve_str text;
    } enums[] = {
        {"status", name_status(event->status, str[VARVE_STR_STATUS])},
        {"session_type", name_session_type(event->session_type, str[VARVE_STR_SESSION_TYPE])},
        {"mode", name_mode(event->mode, str[VARVE_STR_MODE])},
        {"channel", name_channel(event->channel, str[VARVE_STR_CHANNEL])},
    };
    for (size_t i = 0; i < sizeof enums / sizeof *enums; i++) {
        if (enums[i].text.ptr) {
            out_text(out, enums[i].name, enums[i].text);
        }
    }
}

void event_fields(struct out *out, const varve_event *event, int payload) {
    head(out, event);
    flags(out, event);
    strings(out, event);
    numbers(out, event);
    keys(out, event);
    if (event->present & VARVE_HAS_PAYLOAD) {
        out_bytes(out, "payload_bytes", event->payload_size);
        if (payload) {
            const char *bytes = event->payload ? event->payload : "";
            out_json(out, "payload", (varve_str){bytes, event->payload_size});
        }
    }
}

void event_table_fields(struct out *out, const varve_event *event) {
    int64_t tokens = fields_total(event->tokens);
    if (tokens != 0) {
        out_number(out, "tokens", tokens);
    }
    static const unsigned by_worth[] = {VARVE_STR_TEXT,      VARVE_STR_ERROR,   VARVE_STR_TITLE,
                                        VARVE_STR_TOOL_NAME, VARVE_STR_SUBTYPE, VARVE_STR_GOAL};
    for (size_t i = 0; i < sizeof by_worth / sizeof *by_worth; i++) {
        varve_str text = event->str[by_worth[i]];
        if (text.size > 0) {
            out_text(out, "about", text);
            return;
        }
    }
}

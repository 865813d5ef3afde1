/*
 * Views: the rows of view_fields.h that belong to a model are fetched from the session's record and
 * written one by one. What several models show the same way is fetched here.
 */
#include "tools/view.h"

#include "tools/session_fields.h"
#include "tools/view_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Values ---- */

struct view_value view_text_value(varve_str text) {
    return (struct view_value){.type = VIEW_TEXT, .has = text.ptr != NULL, .text = text};
}

struct view_value view_word_value(const char *word) {
    return view_text_value(varve_cstr(word));
}

struct view_value view_number_value(int has, int64_t number) {
    return (struct view_value){.type = VIEW_WHOLE, .has = has, .number = number};
}

struct view_value view_session_id(const varve_session *session, unsigned which) {
    (void)which;
    return view_text_value(session->session_id);
}

struct view_value view_machine_id(const varve_session *session, unsigned which) {
    (void)which;
    return view_text_value(session->machine_id);
}

struct view_value view_str(const varve_session *session, unsigned str) {
    return view_text_value(session->str[str]);
}

struct view_value view_first_text(const varve_session *session, unsigned which) {
    (void)which;
    return view_text_value(session->first_text);
}

struct view_value view_last_text(const varve_session *session, unsigned which) {
    (void)which;
    return view_text_value(session->last_text);
}

struct view_value view_time(const varve_session *session, unsigned time_of) {
    const struct {
        uint32_t flag;
        int64_t time;
    } times[] = {
        [VIEW_FIRST_STARTED] = {VARVE_SS_HAS_TIME, session->first_started},
        [VIEW_LAST_STARTED] = {VARVE_SS_HAS_TIME, session->last_started},
        [VIEW_FIRST_ENDED] = {VARVE_SS_HAS_ENDED, session->first_ended},
        [VIEW_LAST_ENDED] = {VARVE_SS_ENDED, session->last_ended},
        [VIEW_LAST_ACTIVITY] = {VARVE_SS_HAS_TIME, session->last_activity},
        [VIEW_STATUS_TIME] = {VARVE_SS_HAS_STATUS_TIME, session->status_time},
    };
    return (struct view_value){.type = VIEW_TIME,
                               .has = (session->flags & times[time_of].flag) != 0,
                               .number = times[time_of].time};
}

struct view_value view_count(const varve_session *session, unsigned count_of) {
    const uint64_t counts[] = {
        [VIEW_USER_MESSAGES] = session->user_messages,
        [VIEW_ASSISTANT_MESSAGES] = session->assistant_messages,
        [VIEW_TOOL_CALLS] = session->tool_calls,
        [VIEW_API_REQUESTS] = session->api_requests,
        [VIEW_API_ERRORS] = session->api_errors,
        [VIEW_COMPACTIONS] = session->compactions,
        [VIEW_TURNS] = session->turns,
        [VIEW_REVIVALS] = session->revivals,
        [VIEW_HOOK_EVENTS] = session->by_source[VARVE_SOURCE_HOOK].events,
        [VIEW_OTEL_EVENTS] = session->by_source[VARVE_SOURCE_OTEL].events,
    };
    uint64_t count = counts[count_of]; /* the models count in 32 bits */
    return view_number_value(1, count > UINT32_MAX ? UINT32_MAX : (int64_t)count);
}

struct view_value view_tokens(const varve_session *session, unsigned classes) {
    int64_t sum = 0;
    for (unsigned i = 0; i < VARVE_TOKENS; i++) {
        if (classes >> i & 1 && session->tokens[i] > 0) {
            sum = fields_add(sum, session->tokens[i]);
        }
    }
    return view_number_value(1, sum);
}

struct view_value view_cost(const varve_session *session, unsigned type) {
    int has = (session->flags & VARVE_SS_HAS_COST) != 0;
    return (struct view_value){
        .type = (enum view_type)type, .has = has, .number = has ? session->cost : 0};
}

struct view_value view_cost_with_children(const varve_session *session, unsigned type) {
    struct view_value value = view_cost(session, type);
    value.has = value.has || session->cost_children != 0;
    value.number = fields_add(value.number, session->cost_children);
    return value;
}

/* ---- Writing ---- */

/* Hundredths of a dollar, exact, without zeros at its end. */
static void put_cents(struct out *out, const char *name, int64_t nanos) {
    const int64_t cent = 10000000;
    char text[32];
    uint64_t size = nanos < 0 ? 0 - (uint64_t)nanos : (uint64_t)nanos;
    int used = snprintf(text, sizeof text, "%s%llu.%07llu", nanos < 0 ? "-" : "",
                        (unsigned long long)(size / (uint64_t)cent),
                        (unsigned long long)(size % (uint64_t)cent));
    while (text[used - 1] == '0') {
        used--;
    }
    used -= text[used - 1] == '.';
    out_json(out, name, (varve_str){text, (size_t)used});
}

static void put_value(struct out *out, const char *name, const struct view_value *value) {
    switch (value->type) {
    case VIEW_TEXT:
        out_text(out, name, value->has ? value->text : varve_cstr(""));
        break;
    case VIEW_JSON:
        out_json(out, name, value->text);
        break;
    case VIEW_WHOLE:
        out_number(out, name, value->has ? value->number : 0);
        break;
    case VIEW_BOOL:
        out_bool(out, name, value->has && value->number != 0);
        break;
    case VIEW_TIME:
        if (value->has) {
            out_time(out, name, value->number);
        } else {
            out_word(out, name, "1970-01-01T00:00:00Z");
        }
        break;
    case VIEW_DOLLARS:
        out_money(out, name, value->has ? value->number : 0);
        break;
    case VIEW_CENTS:
        put_cents(out, name, value->has ? value->number : 0);
        break;
    }
}

/* first_user_message as firstUserMessage */
static const char *camel_case(const char *name, char *ret, size_t room) {
    size_t used = 0;
    for (int up = 0; *name && used + 1 < room; name++) {
        if (*name == '_') {
            up = 1;
        } else {
            ret[used++] = (char)(up ? *name - 'a' + 'A' : *name);
            up = 0;
        }
    }
    ret[used] = '\0';
    return ret;
}

void view_put(struct out *out, enum view_model model, const varve_session *session) {
    for (size_t i = 0; i < sizeof view_fields / sizeof *view_fields; i++) {
        const struct view_field *field = &view_fields[i];
        if (!(field->models >> model & 1)) {
            continue;
        }
        char camel[64];
        const char *name = model == VIEW_MIX_TYPESCRIPT
                               ? camel_case(field->name, camel, sizeof camel)
                               : field->name;
        struct view_value value = field->get(session, field->which);
        if (value.has || field->need == REQUIRED) {
            put_value(out, name, &value);
        } else if (!(field->models & IN_MIX)) {
            out_null(out, name);
        }
        free(value.owned);
    }
}

int view_print(struct out *out, enum view_model model, const varve_session *session) {
    out_begin(out);
    view_put(out, model, session);
    return out_end(out);
}

struct out *view_out(const struct cli *cli) {
    struct cli json = *cli;
    json.jsonl = 1;
    return out_record(&json);
}

/* ---- Lists ---- */

static const char *const view_names[VIEW_MODELS] = {
    [VIEW_MIX_PYTHON_1] = "mix-python-1",
    [VIEW_MIX_PYTHON] = "mix-python",
    [VIEW_MIX_TYPESCRIPT] = "mix-typescript",
    [VIEW_MI6] = "mi6",
    [VIEW_ZEPH] = "zeph",
};

int view_named(const char *name, enum view_model *ret_model) {
    *ret_model = VIEW_NONE;
    if (!name) {
        return CLI_GO_ON;
    }
    for (unsigned i = VIEW_NONE + 1; i < VIEW_MODELS; i++) {
        if (strcmp(view_names[i], name) == 0) {
            *ret_model = (enum view_model)i;
            return CLI_GO_ON;
        }
    }
    const char *nearest = cli_nearest(name, view_names + 1, VIEW_MODELS - 1);
    if (nearest) {
        return cli_usage("--as knows no '%s': did you mean %s?", name, nearest);
    }
    return cli_usage("--as knows mix-python-1, mix-python, mix-typescript, mi6 and zeph, not '%s'",
                     name);
}

uint32_t view_order(enum view_model model) {
    int mix =
        model == VIEW_MIX_PYTHON_1 || model == VIEW_MIX_PYTHON || model == VIEW_MIX_TYPESCRIPT;
    return mix ? VARVE_ORDER_START : VARVE_ORDER_ACTIVITY;
}

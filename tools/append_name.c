/*
 * Texts of an event object that name something: a source, a role, a status; and times.
 */
#include "tools/append_inner.h"
#include "tools/names.h"
#include "tools/when.h"

#include <string.h>
#include <strings.h>

static bool same(varve_str text, const char *name) {
    return strlen(name) == text.size && strncasecmp(text.ptr, name, text.size) == 0;
}

/* A name that is not known is kept as it is. */
static void take_enum(const struct append_value *v, varve_str (*name)(unsigned, varve_str),
                      uint8_t *ret_number) {
    varve_str said = append_value_string(v), none = {NULL, 0};
    for (unsigned i = 1; i < VARVE_ENUM_NAMED; i++) {
        varve_str known = name(i, none);
        if (!known.ptr) {
            break;
        }
        if (same(said, known.ptr)) {
            *ret_number = (uint8_t)i;
            v->into->str[v->field->at] = none;
            return;
        }
    }
    *ret_number = VARVE_ENUM_NAMED;
    v->into->str[v->field->at] = said;
}

static void take_role(const struct append_value *v) {
    static const struct {
        const char *name;
        uint8_t role;
    } names[] = {
        {"user", VARVE_ROLE_USER},     {"assistant", VARVE_ROLE_ASSISTANT},
        {"system", VARVE_ROLE_SYSTEM}, {"developer", VARVE_ROLE_SYSTEM},
        {"tool", VARVE_ROLE_TOOL},     {"function", VARVE_ROLE_TOOL},
    };
    varve_str said = append_value_string(v);
    v->into->role = VARVE_ROLE_NONE;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (same(said, names[i].name)) {
            v->into->role = names[i].role;
        }
    }
    if (v->into->role == VARVE_ROLE_NONE || !same(said, name_role(v->into->role))) {
        append_value_keep(v);
    }
}

static void take_source(const struct append_value *v) {
    varve_str said = append_value_string(v);
    for (unsigned i = 0; i < VARVE_SOURCES; i++) {
        if (same(said, name_source(i))) {
            v->into->source = (uint8_t)i;
            return;
        }
    }
    append_value_fault(v, "wants api, hook, otel or transcript");
}

static void take_time(const struct append_value *v) {
    if (when_parse(v->text, v->size, &v->into->time) < 0) {
        append_value_fault(v, "wants an ISO 8601 time with Z or an offset");
        return;
    }
    v->into->present |= VARVE_HAS_TIME;
}

void append_take_name(const struct append_value *v) {
    varve_event *into = v->into;
    switch (v->field->kind) {
    case AS_TIME:
        take_time(v);
        break;
    case AS_ROLE:
        take_role(v);
        break;
    case AS_SOURCE:
        take_source(v);
        break;
    case AS_STATUS:
        take_enum(v, name_status, &into->status);
        break;
    case AS_SESSION_TYPE:
        take_enum(v, name_session_type, &into->session_type);
        break;
    case AS_MODE:
        take_enum(v, name_mode, &into->mode);
        break;
    default:
        take_enum(v, name_channel, &into->channel);
    }
}

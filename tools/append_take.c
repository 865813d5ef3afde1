/*
 * One value of an event object into the event, or the fault in it.
 */
#include "tools/append_inner.h"
#include "tools/names.h"
#include "tools/when.h"

#include <string.h>
#include <strings.h>

enum { TEXT_MAX = 16384 };

/* A value of the field that is being taken. */
struct value {
    struct append_reader *reader;
    const struct append_field *field;
    int number; /* of the field */
    int in_set;
    varve_event *into;
    enum pick_kind kind;
    const char *text;
    size_t size;
};

static void fault(const struct value *v, const char *what) {
    append_fault(v->reader, v->in_set, v->field->name, "%s", what);
}

static void keep_field(const struct value *v) {
    v->reader->kept[v->number] = true;
    v->reader->any_kept = true;
}

static varve_str string_of(const struct value *v) {
    return keep_text(&v->reader->keep, v->text, v->size, SIZE_MAX);
}

/* ---- By kind ---- */

static int64_t *place_of(varve_event *event, uint32_t at, uint32_t *ret_has, int32_t **ret_small) {
    *ret_small = NULL;
    switch (at) {
    case COUNT_DURATION:
        *ret_has = VARVE_HAS_DURATION;
        return &event->duration;
    case COUNT_PROCESS_START:
        *ret_has = VARVE_HAS_PROCESS_START;
        return &event->process_start;
    case COUNT_PID:
        *ret_has = VARVE_HAS_PID;
        *ret_small = &event->pid;
        return NULL;
    case COUNT_TURN:
        *ret_has = VARVE_HAS_TURN;
        *ret_small = &event->turn;
        return NULL;
    case COUNT_GITHUB_ISSUE:
        *ret_has = VARVE_HAS_GITHUB_ISSUE;
        *ret_small = &event->github_issue;
        return NULL;
    case COUNT_GITHUB_PR:
        *ret_has = VARVE_HAS_GITHUB_PR;
        *ret_small = &event->github_pr;
        return NULL;
    case COUNT_GIT_ADDITIONS:
        *ret_has = VARVE_HAS_GIT_ADDITIONS;
        *ret_small = &event->git_additions;
        return NULL;
    default:
        *ret_has = VARVE_HAS_GIT_DELETIONS;
        *ret_small = &event->git_deletions;
        return NULL;
    }
}

static bool whole(const struct value *v, int64_t most, int64_t *ret_number) {
    int64_t number = 0;
    if (v->kind != PICK_NUMBER || !json_whole(v->text, v->size, &number)) {
        bool digits = v->kind == PICK_NUMBER && !memchr(v->text, '.', v->size) &&
                      !memchr(v->text, 'e', v->size) && !memchr(v->text, 'E', v->size);
        fault(v, digits ? "out of range" : "wants a whole number");
        return false;
    }
    if (number < 0 || number > most) {
        fault(v, number < 0 ? "below zero" : "out of range");
        return false;
    }
    *ret_number = number;
    return true;
}

static void take_count(const struct value *v) {
    uint32_t has = 0;
    int32_t *small = NULL;
    int64_t number = 0, *large = place_of(v->into, v->field->at, &has, &small);
    if (!whole(v, small ? INT32_MAX : INT64_MAX, &number)) {
        return;
    }
    if (small) {
        *small = (int32_t)number;
    } else {
        *large = number;
    }
    v->into->present |= has;
}

static void take_tokens(const struct value *v) {
    if (whole(v, INT64_MAX, &v->into->tokens[v->field->at])) {
        v->into->present |= (uint32_t)VARVE_HAS_TOKENS << v->field->at;
    }
}

static void take_money(const struct value *v) {
    int64_t nanos = 0;
    if (v->kind != PICK_NUMBER || !json_scaled(v->text, v->size, 9, &nanos)) {
        fault(v, "wants a number of dollars");
    } else if (nanos < 0 || nanos == INT64_MAX) {
        fault(v, nanos < 0 ? "below zero" : "out of range");
    } else {
        v->into->cost = nanos;
        v->into->present |= VARVE_HAS_COST;
    }
}

static void take_flag(const struct value *v) {
    if (v->kind != PICK_TRUE && v->kind != PICK_FALSE) {
        fault(v, "wants true or false");
        return;
    }
    v->reader->flags_said |= v->field->at;
    v->into->flags &= ~v->field->at;
    v->into->flags |= v->kind == PICK_TRUE ? v->field->at : 0;
    v->into->present |= v->field->at == VARVE_EV_SIDECHAIN ? VARVE_HAS_SIDECHAIN : 0;
}

static void take_words(const struct value *v) {
    if (v->kind == PICK_STRING) {
        v->into->str[VARVE_STR_TEXT] = string_of(v);
    }
    if (v->kind != PICK_STRING || v->size > TEXT_MAX) {
        keep_field(v);
    }
}

/* The bytes of a value that is not a string. */
static varve_str raw(const struct value *v) {
    if (v->kind == PICK_OBJECT || v->kind == PICK_ARRAY) {
        const struct append_reader *reader = v->reader;
        size_t at = json_pick_at(reader->pick) - 1;
        const char *text = reader->text + at;
        return (varve_str){text, json_span(text, reader->size - at)};
    }
    if (v->kind == PICK_NUMBER) {
        return string_of(v);
    }
    return varve_cstr(v->kind == PICK_TRUE ? "true" : "false");
}

static void take_json(const struct value *v) {
    varve_str text = v->kind == PICK_STRING ? string_of(v) : raw(v);
    if (v->field->kind == AS_PAYLOAD) {
        v->reader->payload = text;
    } else if (v->field->kind == AS_LIST && v->kind != PICK_ARRAY) {
        fault(v, "wants an array");
    } else if (v->field->kind == AS_LABELS && v->kind != PICK_OBJECT) {
        fault(v, "wants an object of strings");
    } else {
        v->into->str[v->field->at] = text;
    }
}

static void take_tool_calls(const struct value *v) {
    int64_t number = 0;
    if (v->kind == PICK_ARRAY) { /* its elements are counted as they come */
        v->reader->calls = 0;
        v->into->tool_calls = 0;
        keep_field(v);
    } else if (whole(v, INT32_MAX, &number)) {
        v->into->tool_calls = (int32_t)number;
    } else {
        return;
    }
    v->into->present |= VARVE_HAS_TOOL_CALLS;
}

static bool same(varve_str text, const char *name) {
    return strlen(name) == text.size && strncasecmp(text.ptr, name, text.size) == 0;
}

/* A name that is not known is kept as it is. */
static void take_enum(const struct value *v, varve_str (*name)(unsigned, varve_str),
                      uint8_t *ret_number) {
    varve_str said = string_of(v), none = {NULL, 0};
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

static void take_role(const struct value *v) {
    static const struct {
        const char *name;
        uint8_t role;
    } names[] = {
        {"user", VARVE_ROLE_USER},     {"assistant", VARVE_ROLE_ASSISTANT},
        {"system", VARVE_ROLE_SYSTEM}, {"developer", VARVE_ROLE_SYSTEM},
        {"tool", VARVE_ROLE_TOOL},     {"function", VARVE_ROLE_TOOL},
    };
    varve_str said = string_of(v);
    v->into->role = VARVE_ROLE_NONE;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (same(said, names[i].name)) {
            v->into->role = names[i].role;
        }
    }
    if (v->into->role == VARVE_ROLE_NONE || !same(said, name_role(v->into->role))) {
        keep_field(v);
    }
}

static void take_source(const struct value *v) {
    varve_str said = string_of(v);
    for (unsigned i = 0; i < VARVE_SOURCES; i++) {
        if (same(said, name_source(i))) {
            v->into->source = (uint8_t)i;
            return;
        }
    }
    fault(v, "wants api, hook, otel or transcript");
}

static void take_time(const struct value *v) {
    if (when_parse(v->text, v->size, &v->into->time) < 0) {
        fault(v, "wants an ISO 8601 time with Z or an offset");
        return;
    }
    v->into->present |= VARVE_HAS_TIME;
}

/* Kinds that want a string and nothing else. */
static void take_string(const struct value *v) {
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
    case AS_CHANNEL:
        take_enum(v, name_channel, &into->channel);
        break;
    case AS_SESSION_ID:
        into->session_id = string_of(v);
        break;
    case AS_MACHINE_ID:
        into->machine_id = string_of(v);
        break;
    case AS_TYPE:
        into->type = string_of(v);
        break;
    case AS_UID:
        v->reader->uid = string_of(v);
        break;
    case AS_CHARGE:
        v->reader->charge = string_of(v);
        break;
    default:
        into->str[v->field->at] = string_of(v);
    }
}

static void take_value(const struct value *v) {
    switch (v->field->kind) {
    case AS_COUNT:
        take_count(v);
        break;
    case AS_TOKENS:
        take_tokens(v);
        break;
    case AS_MONEY:
        take_money(v);
        break;
    case AS_FLAG:
        take_flag(v);
        break;
    case AS_WORDS:
        take_words(v);
        break;
    case AS_TOOL_CALLS:
        take_tool_calls(v);
        break;
    case AS_JSON:
    case AS_PAYLOAD:
    case AS_LABELS:
    case AS_LIST:
        take_json(v);
        break;
    case AS_SET:
        v->reader->set_said = true;
        if (v->kind != PICK_OBJECT) {
            fault(v, "wants an object");
        }
        break;
    default:
        if (v->field->kind == AS_CHARGE && v->kind == PICK_FALSE) {
            v->reader->no_charge = true;
        } else if (v->kind != PICK_STRING) {
            fault(v, v->field->kind == AS_TIME ? "wants an ISO 8601 time with Z or an offset"
                                               : "wants a string");
        } else {
            take_string(v);
        }
    }
}

/* ---- All places ---- */

static void take_other(struct append_reader *reader, int id, enum pick_kind kind, const char *text,
                       size_t size) {
    if (id == ID_TOOL_CALL) {
        reader->object.event.tool_calls += reader->object.event.tool_calls < INT32_MAX;
    } else if (id == ID_LABEL || id == ID_LABEL_IN_SET) {
        if (kind != PICK_KEY && kind != PICK_STRING && kind != PICK_NULL) {
            append_fault(reader, id == ID_LABEL_IN_SET, "labels", "wants an object of strings");
        }
    } else if (kind == PICK_KEY) {
        int field = append_field(text, size);
        char name[sizeof reader->unknown];
        size_t used = size < sizeof name - 1 ? size : sizeof name - 1;
        memcpy(name, text, used);
        name[used] = '\0';
        if (id == ID_ANY_IN_SET) {
            if (field < 0 || !(append_fields[field].in & IN_SET)) {
                append_fault(reader, 1, name, field < 0 ? "unknown" : "no attribute of a session");
            }
        } else if (field < 0 || !(append_fields[field].in & (IN_EVENT | BESIDE_SET))) {
            reader->any_kept = true;
            if (!reader->unknown[0]) {
                memcpy(reader->unknown, name, used + 1);
            }
        }
    }
}

void append_take(void *context, int id, enum pick_kind kind, const char *text, size_t size) {
    struct append_reader *reader = context;
    if (id >= ID_ANY) {
        take_other(reader, id, kind, text, size);
        return;
    }
    if (kind == PICK_NULL || kind == PICK_END || kind == PICK_KEY) { /* null: not said */
        return;
    }
    int in_set = id >= ID_FIELD_IN_SET;
    struct value v = {.reader = reader, .in_set = in_set, .kind = kind, .text = text, .size = size};
    v.number = id - (in_set ? ID_FIELD_IN_SET : ID_FIELD);
    v.field = &append_fields[v.number];
    bool of_session = !in_set && (v.field->in & OF_SESSION);
    v.into = in_set || of_session ? &reader->object.set : &reader->object.event;
    reader->of_session = reader->of_session || of_session;
    reader->given[v.number] = reader->given[v.number] || !in_set;
    take_value(&v);
}

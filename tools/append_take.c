/*
 * One value of an event object into the event, or the fault in it.
 */
#include "tools/append_inner.h"

#include <string.h>

enum { TEXT_MAX = 16384 };

void append_value_fault(const struct append_value *v, const char *what) {
    append_fault(v->reader, v->in_set, v->field->name, "%s", what);
}

void append_value_keep(const struct append_value *v) {
    v->reader->kept[v->number] = true;
    v->reader->any_kept = true;
}

varve_str append_value_string(const struct append_value *v) {
    return keep_text(&v->reader->keep, v->text, v->size, SIZE_MAX);
}

/* ---- By kind ---- */

static void take_flag(const struct append_value *v) {
    if (v->kind != PICK_TRUE && v->kind != PICK_FALSE) {
        append_value_fault(v, "wants true or false");
        return;
    }
    v->reader->flags_said |= v->field->at;
    v->into->flags &= ~v->field->at;
    v->into->flags |= v->kind == PICK_TRUE ? v->field->at : 0;
    v->into->present |= v->field->at == VARVE_EV_SIDECHAIN ? VARVE_HAS_SIDECHAIN : 0;
}

static void take_words(const struct append_value *v) {
    if (v->kind == PICK_STRING) {
        v->into->str[VARVE_STR_TEXT] = append_value_string(v);
    }
    if (v->kind != PICK_STRING || v->size > TEXT_MAX) {
        append_value_keep(v);
    }
}

/* The bytes of a value that is not a string. */
static varve_str raw(const struct append_value *v) {
    if (v->kind == PICK_OBJECT || v->kind == PICK_ARRAY) {
        const struct append_reader *reader = v->reader;
        size_t at = json_pick_at(reader->pick) - 1;
        const char *text = reader->text + at;
        return (varve_str){text, json_span(text, reader->size - at)};
    }
    if (v->kind == PICK_NUMBER) {
        return append_value_string(v);
    }
    return varve_cstr(v->kind == PICK_TRUE ? "true" : "false");
}

static void take_json(const struct append_value *v) {
    varve_str text = v->kind == PICK_STRING ? append_value_string(v) : raw(v);
    if (v->field->kind == AS_PAYLOAD) {
        v->reader->payload = text;
    } else if (v->field->kind == AS_LIST && v->kind != PICK_ARRAY) {
        append_value_fault(v, "wants an array");
    } else {
        v->into->str[v->field->at] = text;
    }
}

/* Kinds that want a string and nothing else. */
static void take_string(const struct append_value *v) {
    varve_event *into = v->into;
    switch (v->field->kind) {
    case AS_TIME:
    case AS_ROLE:
    case AS_SOURCE:
    case AS_STATUS:
    case AS_SESSION_TYPE:
    case AS_MODE:
    case AS_CHANNEL:
        append_take_name(v);
        break;
    case AS_SESSION_ID:
        into->session_id = append_value_string(v);
        break;
    case AS_MACHINE_ID:
        into->machine_id = append_value_string(v);
        break;
    case AS_TYPE:
        into->type = append_value_string(v);
        break;
    case AS_UID:
        v->reader->uid = append_value_string(v);
        break;
    case AS_CHARGE:
        v->reader->charge = append_value_string(v);
        break;
    default:
        into->str[v->field->at] = append_value_string(v);
    }
}

static void take_value(const struct append_value *v) {
    switch (v->field->kind) {
    case AS_COUNT:
        append_take_count(v);
        break;
    case AS_TOKENS:
        append_take_tokens(v);
        break;
    case AS_MONEY:
        append_take_money(v);
        break;
    case AS_FLAG:
        take_flag(v);
        break;
    case AS_WORDS:
        take_words(v);
        break;
    case AS_TOOL_CALLS:
        append_take_tool_calls(v);
        break;
    case AS_JSON:
    case AS_PAYLOAD:
    case AS_LIST:
        take_json(v);
        break;
    case AS_LABELS:
        append_begin_labels(v);
        break;
    case AS_SET:
        v->reader->set_said = true;
        if (v->kind != PICK_OBJECT) {
            append_value_fault(v, "wants an object");
        }
        break;
    default:
        if (v->field->kind == AS_CHARGE && v->kind == PICK_FALSE) {
            v->reader->no_charge = true;
        } else if (v->kind != PICK_STRING) {
            append_value_fault(v, v->field->kind == AS_TIME
                                      ? "wants an ISO 8601 time with Z or an offset"
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
        append_take_label(reader, id == ID_LABEL_IN_SET, kind, text, size);
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
    struct append_value v = {
        .reader = reader, .in_set = in_set, .kind = kind, .text = text, .size = size};
    v.number = id - (in_set ? ID_FIELD_IN_SET : ID_FIELD);
    v.field = &append_fields[v.number];
    bool of_session = !in_set && (v.field->in & OF_SESSION);
    v.into = in_set || of_session ? &reader->object.set : &reader->object.event;
    reader->of_session = reader->of_session || of_session;
    reader->given[v.number] = reader->given[v.number] || !in_set;
    take_value(&v);
}

/*
 * Values are noted as they come, in any order, and judged when the object has ended. The first
 * fault of an object is its only one that is told.
 */
#include "tools/append_event.h"

#include "tools/append_inner.h"
#include "tools/cli.h"
#include "tools/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SESSION_MAX = 1024, MACHINE_MAX = 128, TYPE_MAX = 256, STRING_MAX = 1 << 20 };

void append_fault(struct append_reader *reader, int in_set, const char *field, const char *fmt,
                  ...) {
    if (reader->why[0]) {
        return;
    }
    char what[160];
    va_list arguments;
    va_start(arguments, fmt);
    vsnprintf(what, sizeof what, fmt, arguments);
    va_end(arguments);
    snprintf(reader->why, sizeof reader->why, "%s%.64s: %s", in_set ? "set." : "", field, what);
}

/* ---- Rules ---- */

/* A rule for each field, and for each that may stand in "set" another. */
static size_t make_rules(struct append_reader *reader, struct pick_rule *rules) {
    static const struct pick_rule others[] = {
        {"*", ID_ANY},
        {"set.*", ID_ANY_IN_SET},
        {"labels.*", ID_LABEL},
        {"set.labels.*", ID_LABEL_IN_SET},
        {"tool_calls[]", ID_TOOL_CALL},
    };
    size_t used = 0;
    for (int i = 0; i < APPEND_FIELDS; i++) {
        const struct append_field *field = &append_fields[i];
        if (field->in & (IN_EVENT | BESIDE_SET)) {
            rules[used++] = (struct pick_rule){field->name, ID_FIELD + i};
        }
        if (field->in & IN_SET) {
            snprintf(reader->paths[i], sizeof reader->paths[i], "set.%s", field->name);
            rules[used++] = (struct pick_rule){reader->paths[i], ID_FIELD_IN_SET + i};
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        rules[used++] = others[i];
    }
    return used;
}

struct append_reader *append_reader_new(void) {
    struct pick_rule rules[2 * APPEND_FIELDS + 8];
    struct append_reader *reader = cli_alloc(sizeof *reader);
    memset(reader, 0, sizeof *reader);
    size_t count = make_rules(reader, rules);
    reader->pick = json_pick_new(rules, count, append_take, reader);
    return reader;
}

void append_reader_free(struct append_reader **reader) {
    if (*reader) {
        json_pick_free(&(*reader)->pick);
        keep_free(&(*reader)->keep);
        free(*reader);
        *reader = NULL;
    }
}

/* ---- Judging ---- */

static void check_id(struct append_reader *reader, const char *field, varve_str id, size_t most) {
    if (id.ptr && id.size == 0) {
        append_fault(reader, 0, field, "empty");
    } else if (id.size > most) {
        append_fault(reader, 0, field, "longer than %zu bytes", most);
    } else if (id.ptr && memchr(id.ptr, 0, id.size)) {
        append_fault(reader, 0, field, "holds a NUL");
    }
}

static void check_strings(struct append_reader *reader, const varve_event *event) {
    for (int i = 0; i < APPEND_FIELDS; i++) {
        uint8_t kind = append_fields[i].kind;
        bool string = kind == AS_STRING || kind == AS_JSON || kind == AS_LABELS || kind == AS_LIST;
        if (string && event->str[append_fields[i].at].size > STRING_MAX) {
            append_fault(reader, 0, append_fields[i].name, "longer than 1 MiB");
        }
    }
}

static void check(struct append_reader *reader, const varve_event *event) {
    if (!event->session_id.ptr) {
        append_fault(reader, 0, "session_id", "missing");
    }
    check_id(reader, "session_id", event->session_id, SESSION_MAX);
    check_id(reader, "machine_id", event->machine_id, MACHINE_MAX);
    check_id(reader, "event_type", event->type, TYPE_MAX);
    check_id(reader, "uid", reader->uid, STRING_MAX);
    for (int i = 0; i < APPEND_FIELDS && reader->set_said; i++) {
        if (reader->given[i] && !(append_fields[i].in & BESIDE_SET)) {
            append_fault(reader, 0, append_fields[i].name, "not together with \"set\"");
        }
    }
    if (reader->set_said && reader->unknown[0]) {
        append_fault(reader, 0, reader->unknown, "unknown beside \"set\"");
    }
    if (!reader->set_said && !event->type.ptr) {
        append_fault(reader, 0, "event_type", "missing (\"set\" sets what a session carries)");
    }
    check_strings(reader, event);
    check_strings(reader, &reader->object.set);
}

/* ---- What follows from what was said ---- */

static void put_flags(const struct append_reader *reader, varve_event *event) {
    uint32_t follows = event->role == VARVE_ROLE_USER        ? VARVE_EV_USER_MESSAGE
                       : event->role == VARVE_ROLE_ASSISTANT ? VARVE_EV_ASSISTANT_MESSAGE
                                                             : 0;
    event->flags |= follows & ~reader->flags_said;
}

static void put_uid(struct append_reader *reader, varve_event *event) {
    varve_str own = {NULL, 0}, name = reader->uid, use = event->str[VARVE_STR_TOOL_USE_ID];
    if (!name.ptr && event->source == VARVE_SOURCE_HOOK && use.size) {
        char *text = keep_room(&reader->keep, event->type.size + 1 + use.size);
        memcpy(text, event->type.ptr, event->type.size);
        text[event->type.size] = ':';
        memcpy(text + event->type.size + 1, use.ptr, use.size);
        name = (varve_str){text, event->type.size + 1 + use.size};
    }
    if (name.ptr) {
        event->uid = varve_name_uid(own, event->session_id, name);
        event->present |= VARVE_HAS_UID;
    }
}

/* A message is paid once, whoever tells of it; telemetry names none. */
static void put_charge(const struct append_reader *reader, varve_event *event) {
    const uint32_t usage = VARVE_HAS_TOKENS * ((1u << VARVE_TOKENS) - 1) | VARVE_HAS_COST;
    varve_str message = reader->charge.ptr ? reader->charge : event->str[VARVE_STR_MESSAGE_ID];
    if (!message.size || reader->no_charge || !(event->present & usage) ||
        (event->source == VARVE_SOURCE_OTEL && !reader->charge.ptr)) {
        return;
    }
    event->charge = varve_charge_key(message);
    event->charge_part = varve_charge_part(event->str[VARVE_STR_REQUEST_ID]);
    event->present |= VARVE_HAS_CHARGE;
}

static void put_set(struct append_reader *reader) {
    struct append_object *object = &reader->object;
    varve_event *set = &object->set;
    object->has_set = reader->set_said || reader->of_session;
    if (set->str[VARVE_STR_LABELS].size == 0) {
        set->str[VARVE_STR_LABELS] = (varve_str){NULL, 0};
    }
    set->session_id = object->event.session_id;
    set->machine_id = object->event.machine_id;
    if (object->event.present & VARVE_HAS_TIME) {
        set->time = object->event.time;
        set->present |= VARVE_HAS_TIME;
    }
}

static void begin(struct append_reader *reader, const char *text, size_t size) {
    reader->text = text;
    reader->size = size;
    reader->why[0] = reader->unknown[0] = '\0';
    reader->set_said = reader->of_session = reader->no_charge = reader->any_kept = false;
    reader->flags_said = 0;
    reader->labels = NULL;
    reader->labels_room = 0;
    reader->uid = reader->charge = reader->payload = (varve_str){NULL, 0};
    memset(reader->given, 0, sizeof reader->given);
    memset(reader->kept, 0, sizeof reader->kept);
    memset(&reader->object, 0, sizeof reader->object);
    varve_event_init(&reader->object.event);
    varve_event_init(&reader->object.set);
    keep_begin(&reader->keep, text, size);
}

const char *append_read(struct append_reader *reader, const char *text, size_t size,
                        struct append_object *ret_object) {
    size_t blank = json_blank(text, size), used = 0;
    text += blank;
    size -= blank;
    begin(reader, text, size);
    if (!text_valid(text, size)) {
        return "not UTF-8";
    }
    if (!json_pick_object(reader->pick, text, size, &used) ||
        used + json_blank(text + used, size - used) != size) {
        return "not one JSON object";
    }
    reader->size = used;
    varve_event *event = &reader->object.event;
    check(reader, event);
    if (!reader->why[0]) {
        reader->object.has_event = event->type.ptr != NULL;
        put_flags(reader, event);
        put_uid(reader, event);
        put_charge(reader, event);
        put_set(reader);
        append_put_payload(reader);
    }
    *ret_object = reader->object;
    return reader->why[0] ? reader->why : NULL;
}

/*
 * Between the parts of the reader of event objects.
 */
#ifndef TOOLS_APPEND_INNER_H
#define TOOLS_APPEND_INNER_H

#include "tools/append_event.h"
#include "tools/append_fields.h"
#include "tools/cli.h"
#include "tools/json_pick.h"
#include "tools/keep.h"

enum { /* numbers of picked places */
       ID_FIELD = 1,
       ID_FIELD_IN_SET = 201,
       ID_ANY = 401,
       ID_ANY_IN_SET,
       ID_LABEL,
       ID_LABEL_IN_SET,
       ID_TOOL_CALL,
};
_Static_assert(ID_FIELD + (int)APPEND_FIELDS <= (int)ID_FIELD_IN_SET, "numbers of fields");

struct append_reader {
    struct json_pick *pick;
    struct keep keep;
    char paths[APPEND_FIELDS][40];
    const char *text; /* the object's own bytes */
    size_t size;
    char why[256];    /* the first fault; "" = none */
    char unknown[64]; /* the first field that is not known */
    bool given[APPEND_FIELDS];
    bool kept[APPEND_FIELDS]; /* a known field, of which the event does not carry all */
    bool any_kept;            /* some field is unknown or kept */
    bool set_said;            /* there is a "set" */
    bool of_session;          /* the event says what only a session carries */
    bool no_charge;
    uint32_t flags_said;
    char *labels; /* lines; room for them */
    size_t labels_room;
    varve_str uid, charge, payload;
    struct append_object object;
};

void append_fault(struct append_reader *reader, int in_set, const char *field, const char *fmt, ...)
    CLI_FORMAT(4, 5);
/* A value of the field that is being taken. */
struct append_value {
    struct append_reader *reader;
    const struct append_field *field;
    int number; /* of the field */
    int in_set;
    varve_event *into;
    enum pick_kind kind;
    const char *text;
    size_t size;
};
void append_value_fault(const struct append_value *v, const char *what);
/* What the value says, kept until the next object. */
varve_str append_value_string(const struct append_value *v);
/* The event does not carry all of it: the object's bytes must. */
void append_value_keep(const struct append_value *v);

/* Values by the kind of their field. */
void append_take_count(const struct append_value *v);
void append_take_tokens(const struct append_value *v);
void append_take_money(const struct append_value *v);
void append_take_tool_calls(const struct append_value *v);
void append_take_name(const struct append_value *v); /* of role, source, status, ... */
void append_begin_labels(const struct append_value *v);
/* A key of the labels, or a value. */
void append_take_label(struct append_reader *reader, int in_set, enum pick_kind kind,
                       const char *text, size_t size);
/* The pick_each of the reader. */
void append_take(void *context, int id, enum pick_kind kind, const char *text, size_t size);
/* Payload and metadata, so that nothing of the object is lost. */
void append_put_payload(struct append_reader *reader);

#endif

/*
 * The fields of the event object, and what each becomes: the one table that the reader goes by.
 */
#ifndef TOOLS_APPEND_FIELDS_H
#define TOOLS_APPEND_FIELDS_H

#include "engine/varve.h"

/* Which value a field wants, and where it goes; 'at' says it more exactly. */
enum append_kind {
    AS_STRING, /* a string: at = VARVE_STR_* */
    AS_WORDS,  /* a string that is the event's text; any other value is only kept */
    AS_JSON,   /* any value: at = VARVE_STR_*; what a string says, or the value's own bytes */
    AS_LABELS, /* an object of strings: at = VARVE_STR_LABELS */
    AS_LIST,   /* an array: at = VARVE_STR_CALLBACKS */
    AS_COUNT,  /* a whole number from 0 on: at = number of the place, see append_event.c */
    AS_TOKENS, /* the same: at = VARVE_TOK_* */
    AS_MONEY,  /* dollars, a decimal number */
    AS_FLAG,   /* true or false: at = VARVE_EV_* */
    AS_TIME,   /* ISO 8601 with Z or an offset */
    AS_ROLE,   /* the rest are themselves */
    AS_SOURCE,
    AS_STATUS,
    AS_SESSION_TYPE,
    AS_MODE,
    AS_CHANNEL,
    AS_TOOL_CALLS,
    AS_SESSION_ID,
    AS_MACHINE_ID,
    AS_TYPE,
    AS_UID,
    AS_CHARGE,
    AS_PAYLOAD,
    AS_SET,
};

enum { /* numbers of AS_COUNT */
       COUNT_DURATION,
       COUNT_PID,
       COUNT_PROCESS_START,
       COUNT_TURN,
       COUNT_GITHUB_ISSUE,
       COUNT_GITHUB_PR,
       COUNT_GIT_ADDITIONS,
       COUNT_GIT_DELETIONS,
};

enum {
    IN_EVENT = 1, /* may stand in an event */
    IN_SET = 2,   /* may stand in "set" */
    IN_BOTH = 3,
    BESIDE_SET = 4, /* may stand beside "set" */
    OF_SESSION = 8, /* only a session carries it: an event that says it sets it */
};

struct append_field {
    const char *name;
    uint8_t kind; /* AS_* */
    uint8_t in;   /* IN_* ... */
    uint32_t at;
};
enum { APPEND_FIELDS = 74 };
extern const struct append_field append_fields[APPEND_FIELDS];

/* Number of the field with this name, or -1. */
int append_field(const char *name, size_t size);

#endif

/*
 * Payloads that Claude Code hands to its hooks: one object as one event. Knows no store and no
 * file; the live hook and the import of logged payloads share it.
 */
#ifndef TOOLS_HOOK_EVENT_H
#define TOOLS_HOOK_EVENT_H

#include "engine/varve.h"

#include <stdbool.h>

/* 'event' has everything but uid, position and a time of its own; its texts lie in the payload or
 * the reader, and hold until the reader's next call. */
struct hook_object {
    varve_event event;
    const char *why;    /* NULL, or why this is no payload of a hook: "session_id: missing" */
    varve_str uid_name; /* <event type>:<tool use id>; absent without a tool use id */
    bool timed;         /* who logged it said when: event.time, with VARVE_HAS_TIME */
};

struct hook_reader;
struct hook_reader *hook_reader_new(void);
void hook_reader_free(struct hook_reader **reader);
/* Reads the object that begins 'text'. 1 and the bytes that it takes, or 0 if none is there. */
int hook_read(struct hook_reader *reader, const char *text, size_t size,
              struct hook_object *ret_object, size_t *ret_used);
/* How many bytes the last hook_read looked at. */
size_t hook_reached(const struct hook_reader *reader);

#endif

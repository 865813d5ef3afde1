/*
 * An event as a row: a field for each thing that it carries, and none for what it does not.
 */
#ifndef TOOLS_EVENT_FIELDS_H
#define TOOLS_EVENT_FIELDS_H

#include "tools/out.h"

/* All but out_begin and out_end. The payload only if it is wanted. */
void event_fields(struct out *out, const varve_event *event, int payload);
/* "transcript", ... what a table says of an event in one line: not part of JSON. */
void event_table_fields(struct out *out, const varve_event *event);

#endif

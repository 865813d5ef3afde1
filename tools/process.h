/*
 * Which process, so that it is known again: its start, and the boot and the pid namespace in which
 * its number means something.
 */
#ifndef TOOLS_PROCESS_H
#define TOOLS_PROCESS_H

#include "engine/varve.h"

/* Seconds since 1970 at which it was started. 0, or -1 if there is no such process or the system
 * does not tell. */
int process_start(int32_t pid, int64_t *ret_seconds);
/* Says in 'event' that its pid is one of this boot and pid namespace. */
void process_here(varve_event *event);
/* If the event's pid names a living process of this machine, which was started when the event says
 * so, if it says so: adds its start, boot and pid namespace. */
void process_fill(varve_event *event);

#endif

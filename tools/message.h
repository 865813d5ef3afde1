/*
 * Which events of a session are messages, and of whom. A prompt that a hook told of stands in the
 * transcript too: messages are taken from the best source of the session, and from its API.
 */
#ifndef TOOLS_MESSAGE_H
#define TOOLS_MESSAGE_H

#include "tools/cli.h"

/* The sources whose messages count, a bit 1 << VARVE_SOURCE_* each. A fork shows events that its
 * own record does not tell of: then they are read once. 0, or VARVE_E_*. */
int message_sources(varve *store, const varve_session *session, uint32_t *ret_sources);

/* VARVE_ROLE_*; VARVE_ROLE_NONE: no message, or not of these sources. */
unsigned message_role(const varve_event *event, uint32_t sources);
/* Whether it is what a user said: as a session's record counts user messages. */
int message_of_user(const varve_event *event, uint32_t sources);
/* Whether it is counted by those who number messages: of role user or assistant. */
int message_counts(const varve_event *event, uint32_t sources);

/* The seq of the nth message (from 1) of role user or assistant; of the 0th, that of the session's
 * record before the first message. 0, or a line on stderr and EXIT_CANNOT. */
int message_seq(struct cli *cli, const varve_session *session, uint64_t nth, uint64_t *ret_seq);

#endif

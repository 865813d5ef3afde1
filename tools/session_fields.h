/*
 * Fields that several commands print of a session, always by the same names.
 */
#ifndef TOOLS_SESSION_FIELDS_H
#define TOOLS_SESSION_FIELDS_H

#include "tools/out.h"

/* input_tokens, ... , total_tokens */
void fields_tokens(struct out *out, const int64_t tokens[VARVE_TOKENS]);
/* The sum of what is paid: all classes but reasoning, which is part of output. Never overflows. */
int64_t fields_total(const int64_t tokens[VARVE_TOKENS]);
/* a + b, or the nearest that fits. */
int64_t fields_add(int64_t a, int64_t b);
/* cost_usd, children_cost_usd, total_cost_usd, context_tokens, output_is_lower_bound, has_unpriced
 */
void fields_cost(struct out *out, const varve_session *session);
/* user_messages ... events */
void fields_counts(struct out *out, const varve_session *session);
/* A time, or null. */
void fields_time(struct out *out, const char *name, int has, int64_t ns);
/* Seconds as nanoseconds, or the nearest that fits. */
int64_t fields_seconds(int64_t seconds);
/* Whether lists show the session without being asked: not a subagent, not known by name only... */
int fields_listed(const varve_session *session);

#endif

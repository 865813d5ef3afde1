/*
 * The names that numbers of the engine's interface go by in what the command prints. NULL for a
 * number without a name, and for "none".
 */
#ifndef TOOLS_NAMES_H
#define TOOLS_NAMES_H

#include "engine/varve.h"

const char *name_source(unsigned source);     /* "transcript" */
const char *name_role(unsigned role);         /* "assistant" */
const char *name_charge_kind(unsigned kind);  /* "message" */
const char *name_eol(unsigned eol);           /* "crlf" */
const char *name_token_class(unsigned token); /* "cache_write_5m_tokens" */
const char *name_string(unsigned string);     /* VARVE_STR_TOOL_NAME: "tool_name" */

/* Names of values that may also be named by a string of the record: absent if there is none. */
varve_str name_status(unsigned status, varve_str named);
varve_str name_session_type(unsigned type, varve_str named);
varve_str name_mode(unsigned mode, varve_str named);
varve_str name_channel(unsigned channel, varve_str named);

#endif

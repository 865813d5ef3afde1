/*
 * What must outlive the events of a store: numbers of session records, usage, and events one by one, as text.
 */
#ifndef VARVE_TESTS_FIGURES_H
#define VARVE_TESTS_FIGURES_H

#include "engine/varve.h"

#include <stdbool.h>
#include <stdint.h>

/* Numbers of all session records, also of deleted ones, and usage by day, session and model. To be freed. */
char *figures_of(varve *store);
/* Session records with their texts, but for flags and last_seq, which a retention changes; usage, counts. To be freed. */
char *figures_texts(varve *store);
/* Events that a session shows. 'own': those of others that it shares are left out. ret_bytes: of their payloads. */
uint64_t figures_events(varve *store, const varve_session *session, bool own, uint64_t *ret_bytes);
/* The same as text. To be freed. */
char *figures_shown(varve *store, varve_str machine, varve_str id);
/* A moment before which about so many percent of the sessions were active last. */
int64_t figures_moment(varve *store, uint32_t percent);

#endif

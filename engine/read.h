/*
 * SPEC.md "Reading": cursors over records, queries, scans of session rows, and what a row says of its session.
 */
#ifndef VARVE_ENGINE_READ_H
#define VARVE_ENGINE_READ_H

#include "engine/store.h"

/* ---- cursor.c, event.c ---- */

/* Records behind 'after' and before 'limit' (UINT64_MAX: the tail); of a session besides by
 * from_seq, as varve.h says. */
int ve_cursor_session(varve *store, vf_key key, uint64_t from_seq, uint64_t after, uint64_t limit,
                      uint32_t flags, varve_cursor **ret_cursor);
int ve_cursor_store(varve *store, uint64_t after, uint64_t limit, uint32_t flags,
                    varve_cursor **ret_cursor);
/* Only records with a time from 'after' on and before 'before' are wanted; others may be given. */
void ve_cursor_times(varve_cursor *cursor, int64_t after, int64_t before);
int ve_cursor_next(varve_cursor *cursor, ve_record *ret); /* 1 = one, 0 = no more */
int ve_event_fill(varve *store, vf_key shown_by, const ve_record *record, varve_event *ret);

/* ---- scan.c ---- */

/* Begins a call that names a session: its key; machine absent = the store's own. */
int ve_ask_for(varve *store, varve_str machine_id, varve_str session_id, vf_key *ret_key);
/* Row of a key: 0 and UINT32_MAX if there is none; an error if it could not be looked for. */
int ve_look_up(varve *store, vf_table table, vf_key key, uint32_t *ret_row);

/* Labels of a session, as varve_session has them; they hold until the scan's next call. */
int ve_scan_labels(varve_scan *scan, const vf_cold *cold, varve_str *ret_labels);

/* ---- query_fit.c ---- */

typedef struct ve_fit {
    varve *store;
    varve_scan *scan; /* to be closed in any case */
    varve_session_filter filter;
    uint32_t framework, model; /* names row + 1; 0 = any */
    bool nothing;              /* a name that nobody has */
} ve_fit;
int ve_fit_open(ve_fit *fits, varve *store, const varve_session_filter *filter);
/* Whether the session fits: 1 or 0, or an error. Its hot row in any case. */
int ve_fit_row(ve_fit *fits, uint32_t row, vf_hot *ret_hot);
/* Who it is; a name that was lost to damage is empty. */
int ve_identity_known(varve *store, const vf_cold *cold, varve_str *ret_machine, varve_str *ret_id);

/* A session's row as ve_read_row gives it whole. */
typedef struct ve_session_image {
    vf_hot hot;
    vf_cold cold;
} ve_session_image;

/* ---- query_events.c ---- */

typedef struct ve_query ve_query;
/* A cursor that gives what the query gives, and ends it. */
int ve_cursor_query(varve *store, ve_query *query, varve_cursor **ret_cursor);
int ve_query_next(ve_query *query, varve_event *ret_event);
void ve_query_close(ve_query *query);

/* ---- gone.c ---- */

/* Of a session's records those with a seq below this are said to be gone (all ones: it is deleted); 0 = none. */
uint64_t ve_said_gone(varve *store, const vf_hot *hot, const vf_cold *cold);

/* ---- view.c ---- */

typedef enum { VE_BOOT_UNSAID, VE_BOOT_OWN, VE_BOOT_OTHER } ve_boot;
/* Which boot a text names: the running one, or another. */
ve_boot ve_boot_of(const ve_os *os, varve_str text);

#endif

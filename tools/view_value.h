/*
 * What a view shows of a session, before it is written: a value with a type, there or absent.
 */
#ifndef TOOLS_VIEW_VALUE_H
#define TOOLS_VIEW_VALUE_H

#include "engine/varve.h"

enum view_type {
    VIEW_TEXT,
    VIEW_JSON,    /* text that is JSON */
    VIEW_WHOLE,   /* a whole number */
    VIEW_BOOL,    /* true or false */
    VIEW_TIME,    /* ns since 1970 */
    VIEW_DOLLARS, /* nano-dollars, shown in dollars */
    VIEW_CENTS    /* nano-dollars, shown in hundredths of a dollar */
};

struct view_value {
    enum view_type type; /* also of an absent one */
    int has;
    int64_t number;
    varve_str text;
    char *owned; /* memory behind 'text' to be freed, or NULL */
};

/* 'which' says what is meant, for functions that give more than one thing. */
typedef struct view_value (*view_get)(const varve_session *session, unsigned which);

/* ---- view.c: things that several models show ---- */

struct view_value view_session_id(const varve_session *session, unsigned which);
struct view_value view_machine_id(const varve_session *session, unsigned which);
struct view_value view_str(const varve_session *session, unsigned str); /* VARVE_STR_* */
struct view_value view_first_text(const varve_session *session, unsigned which);
struct view_value view_last_text(const varve_session *session, unsigned which);

enum view_time_of {
    VIEW_FIRST_STARTED,
    VIEW_LAST_STARTED,
    VIEW_FIRST_ENDED,
    VIEW_LAST_ENDED,
    VIEW_LAST_ACTIVITY,
    VIEW_STATUS_TIME
};
struct view_value view_time(const varve_session *session, unsigned time_of);

enum view_count_of {
    VIEW_USER_MESSAGES,
    VIEW_ASSISTANT_MESSAGES,
    VIEW_TOOL_CALLS,
    VIEW_API_REQUESTS,
    VIEW_API_ERRORS,
    VIEW_COMPACTIONS,
    VIEW_TURNS,
    VIEW_REVIVALS,
    VIEW_HOOK_EVENTS,
    VIEW_OTEL_EVENTS
};
struct view_value view_count(const varve_session *session, unsigned count_of);

/* Sets of token classes, a bit each: their sum is shown. */
enum {
    VIEW_TOK_INPUT = 1 << VARVE_TOK_INPUT,
    VIEW_TOK_OUTPUT = 1 << VARVE_TOK_OUTPUT,
    VIEW_TOK_READ = 1 << VARVE_TOK_CACHE_READ,
    VIEW_TOK_WRITE = 1 << VARVE_TOK_CACHE_WRITE_5M | 1 << VARVE_TOK_CACHE_WRITE_1H,
    VIEW_TOK_REASONING = 1 << VARVE_TOK_REASONING
};
struct view_value view_tokens(const varve_session *session, unsigned classes);

struct view_value view_cost(const varve_session *session, unsigned type); /* the session's own */
struct view_value view_cost_with_children(const varve_session *session, unsigned type);

struct view_value view_text_value(varve_str text);
struct view_value view_word_value(const char *word); /* NULL = absent */
struct view_value view_number_value(int has, int64_t number);

/* ---- Things that one model shows in a way of its own ---- */

struct view_value mix_session_type(const varve_session *session, unsigned which);
struct view_value mix_parent(const varve_session *session, unsigned str);
struct view_value mix_parent_tool_call(const varve_session *session, unsigned str);
struct view_value mix_subagent_type(const varve_session *session, unsigned str);
struct view_value mix_callbacks(const varve_session *session, unsigned str);

struct view_value mi6_status(const varve_session *session, unsigned which);
struct view_value mi6_pid(const varve_session *session, unsigned which);
struct view_value mi6_process_start(const varve_session *session, unsigned which);
struct view_value mi6_git_number(const varve_session *session, unsigned has); /* VARVE_HAS_* */
struct view_value mi6_context(const varve_session *session, unsigned which);
struct view_value mi6_transcript_available(const varve_session *session, unsigned which);

struct view_value zeph_kind(const varve_session *session, unsigned which);
struct view_value zeph_status(const varve_session *session, unsigned which);
struct view_value zeph_channel(const varve_session *session, unsigned which);

#endif

/*
 * Picks wanted places out of JSON objects without building them: a list of paths, and a call for
 * each place that is there. Made for lines of which a few short texts matter and a megabyte does
 * not: what nobody wants is checked, and neither copied nor decoded.
 *
 * Text may be any bytes: what is no UTF-8, and lone surrogates, are let through as they are.
 */
#ifndef TOOLS_JSON_PICK_H
#define TOOLS_JSON_PICK_H

#include <stddef.h>
#include <stdint.h>

/* PICK_KEY comes for the path "*" and what stands below it, before the value, with the key's text.
 * PICK_END closes an object or array that a rule names and that other rules go into. */
enum pick_kind {
    PICK_NULL,
    PICK_FALSE,
    PICK_TRUE,
    PICK_NUMBER,
    PICK_STRING,
    PICK_OBJECT,
    PICK_ARRAY,
    PICK_END,
    PICK_KEY,
};

/* A path is keys joined by '.'; "[]" after a key means each element of its array, "*" any key:
 * "message.content[].type". Numbers of rules are above 0; two rules may have the same. */
struct pick_rule {
    const char *path;
    int id;
};

/* 'text' holds during the call: of a string what it says, of a number its digits, else NULL. A text
 * that needed no decoding lies in the bytes that were given to json_pick_object. */
typedef void (*pick_each)(void *context, int id, enum pick_kind kind, const char *text,
                          size_t size);

enum { PICK_DEPTH_MAX = 4096 }; /* deeper nesting counts as malformed */

struct json_pick;
struct json_pick *json_pick_new(const struct pick_rule *rules, size_t count, pick_each each,
                                void *context);
void json_pick_free(struct json_pick **pick);

/* Reads the one object that begins 'text' (white space may stand before it). 1, and how many bytes
 * it takes to its closing brace; whatever follows is not judged. 0 if there is no whole object:
 * places that came before the fault were called for nevertheless. */
int json_pick_object(struct json_pick *pick, const char *text, size_t size, size_t *ret_used);
/* How many bytes the last json_pick_object looked at. */
size_t json_pick_reached(const struct json_pick *pick);
/* During a call of pick_each: how many bytes were read, to the end of the brace, bracket or value
 * that it is about. */
size_t json_pick_at(const struct json_pick *pick);
/* Bytes of the value that begins 'text'; only of what is JSON do they mean anything. */
size_t json_span(const char *text, size_t size);
/* 1 if all of 'text' is one JSON value of any kind. */
int json_is_value(const char *text, size_t size);
/* Bytes of JSON's white space at the beginning of 'text'. */
size_t json_blank(const char *text, size_t size);
/* The number in 'text' times 10^power, rounded half away from zero, held within int64. 1, or 0 if
 * it is no number. */
int json_scaled(const char *text, size_t size, int power, int64_t *ret_number);
/* The whole number that 'text' is, digits alone behind an optional sign. 1, or 0 if it is none or
 * does not fit. */
int json_whole(const char *text, size_t size, int64_t *ret_number);

#endif

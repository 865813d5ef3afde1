/*
 * JSON to standard output through yajl, with no copy of what is printed in memory. Any bytes give
 * valid JSON.
 */
#ifndef TOOLS_JSON_OUT_H
#define TOOLS_JSON_OUT_H

#include <stddef.h>
#include <yajl/yajl_gen.h>

/* A generator that prints, or the end of the process. Freed with yajl_gen_free. */
yajl_gen json_out_new(void);
/* A string; what is not UTF-8 becomes U+FFFD. */
void json_out_string(yajl_gen gen, const char *text, size_t size);
/* The bytes as the value that they are, on one line, halves of characters (lone surrogates)
 * replaced by U+FFFD. 0 if they are not one JSON value in UTF-8, or one that is nested deeper than
 * readers may take: then nothing is printed. */
enum { JSON_DEPTH_MAX = 200 };
int json_out_value(yajl_gen gen, const char *name, const char *text, size_t size);

#endif

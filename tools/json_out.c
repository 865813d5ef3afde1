/*
 * yajl sets the commas and escapes what is UTF-8. Bytes that are not are mended here, in pieces, as
 * a payload may be large; and a value that is JSON already is checked, then printed as it stands.
 */
#include "tools/json_out.h"

#include "tools/cli.h"
#include "tools/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

static void print(void *context, const char *bytes, size_t size) {
    (void)context;
    (void)fwrite(bytes, 1, size, stdout);
}

yajl_gen json_out_new(void) {
    yajl_gen gen = yajl_gen_alloc(NULL);
    if (!gen) {
        exit(cli_fail(NULL, "out of memory"));
    }
    yajl_gen_config(gen, yajl_gen_print_callback, print, NULL);
    return gen;
}

static void mend(yajl_gen gen, const char *text, size_t size) {
    static const char hex[] = "0123456789abcdef";
    char piece[4096];
    size_t used = 0;
    yajl_gen_number(gen, "\"", 1); /* yajl sets the comma; the rest goes past it */
    for (const char *at = text, *end = at + size; at < end;) {
        uint32_t code;
        at += text_next(at, end, &code);
        if (code < 0x20) {
            const char escape[] = {'\\', 'u', '0', '0', hex[code >> 4], hex[code & 15]};
            memcpy(piece + used, escape, sizeof escape);
            used += sizeof escape;
        } else {
            if (code == '"' || code == '\\') {
                piece[used++] = '\\';
            }
            used += text_put(piece + used, code == UINT32_MAX ? 0xFFFD : code);
        }
        if (used > sizeof piece - 8) {
            print(NULL, piece, used);
            used = 0;
        }
    }
    piece[used++] = '"';
    print(NULL, piece, used);
}

void json_out_string(yajl_gen gen, const char *text, size_t size) {
    if (text_valid(text, size)) {
        yajl_gen_string(gen, (const unsigned char *)text, size);
    } else {
        mend(gen, text, size);
    }
}

/* ---- Values that are JSON already ---- */

static int deeper(void *context) {
    int *depth = context;
    return ++*depth <= JSON_DEPTH_MAX;
}

static int shallower(void *context) {
    int *depth = context;
    --*depth;
    return 1;
}

static int is_json(const char *text, size_t size) {
    static const yajl_callbacks callbacks = {
        .yajl_start_map = deeper,
        .yajl_end_map = shallower,
        .yajl_start_array = deeper,
        .yajl_end_array = shallower,
    };
    if (!text_valid(text, size)) {
        return 0;
    }
    int depth = 0;
    yajl_handle parser = yajl_alloc(&callbacks, NULL, &depth);
    if (!parser) {
        return 0;
    }
    yajl_config(parser, yajl_dont_validate_strings, 1);
    int good = yajl_parse(parser, (const unsigned char *)text, size) == yajl_status_ok &&
               yajl_complete_parse(parser) == yajl_status_ok;
    yajl_free(parser);
    return good;
}

/* The four hexadecimal digits of an escape that is known to be one. */
static unsigned escaped(const char *digits) {
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char letter = (unsigned char)digits[i];
        code = code << 4 | ((letter & 15u) + (letter > '9' ? 9u : 0u));
    }
    return code;
}

/* Bytes of the escape at 'at' that can stay. *ret_lone: it is half a character, which JSON's
 * grammar lets pass and many readers do not. */
static size_t take_escape(const char *at, const char *end, int *ret_lone) {
    *ret_lone = 0;
    if (at[1] != 'u') {
        return 2;
    }
    unsigned code = escaped(at + 2);
    if (code < 0xD800 || code > 0xDFFF) {
        return 6;
    }
    if (code < 0xDC00 && end - at >= 12 && at[6] == '\\' && at[7] == 'u') {
        unsigned second = escaped(at + 8);
        if (second >= 0xDC00 && second <= 0xDFFF) {
            return 12;
        }
    }
    *ret_lone = 1;
    return 6;
}

int json_out_value(yajl_gen gen, const char *name, const char *text, size_t size) {
    if (!is_json(text, size)) {
        return 0;
    }
    if (name) {
        yajl_gen_string(gen, (const unsigned char *)name, strlen(name));
    }
    yajl_gen_number(gen, " ", 1); /* for its comma or colon; the value goes past it */
    const char *at = text, *end = at + size, *unprinted = at;
    while (at < end) {
        int replaced = *at == '\n' || *at == '\r'; /* between tokens: a row's one end is its last */
        size_t taken = 1;
        const char *instead = " ";
        if (*at == '\\') {
            taken = take_escape(at, end, &replaced);
            instead = "\\ufffd";
        }
        if (replaced) {
            print(NULL, unprinted, (size_t)(at - unprinted));
            print(NULL, instead, strlen(instead));
            unprinted = at + taken;
        }
        at += taken;
    }
    print(NULL, unprinted, (size_t)(end - unprinted));
    return 1;
}

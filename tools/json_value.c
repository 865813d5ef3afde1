/*
 * The small parts of JSON: white space, whether something is a value at all, and numbers as scaled
 * integers, so that prices such as 3e-06 come out exact.
 */
#include "tools/json_pick.h"

#include <yajl/yajl_parse.h>

size_t json_blank(const char *text, size_t size) {
    size_t at = 0;
    while (at < size &&
           (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n')) {
        at++;
    }
    return at;
}

static int count_start(void *context) {
    int *depth = context;
    return ++*depth <= PICK_DEPTH_MAX;
}

static int count_end(void *context) {
    --*(int *)context;
    return 1;
}

int json_is_value(const char *text, size_t size) {
    static const yajl_callbacks calls = {.yajl_start_map = count_start,
                                         .yajl_start_array = count_start,
                                         .yajl_end_map = count_end,
                                         .yajl_end_array = count_end};
    int depth = 0;
    yajl_handle handle = yajl_alloc(&calls, NULL, &depth);
    if (!handle) {
        return 0;
    }
    yajl_config(handle, yajl_dont_validate_strings, 1);
    yajl_status status = yajl_parse(handle, (const unsigned char *)text, size);
    if (status == yajl_status_ok) {
        status = yajl_complete_parse(handle);
    }
    yajl_free(handle);
    return status == yajl_status_ok;
}

static size_t string_span(const char *text, size_t size) {
    for (size_t at = 1; at < size; at++) {
        if (text[at] == '\\') {
            at++;
        } else if (text[at] == '"') {
            return at + 1;
        }
    }
    return size;
}

size_t json_span(const char *text, size_t size) {
    size_t depth = 0;
    for (size_t at = 0; at < size;) {
        char c = text[at];
        if (c == '"') {
            at += string_span(text + at, size - at);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) { /* the end of what holds a number or a word */
                return at;
            }
            depth--;
            at++;
        } else if (depth == 0 && (c == ',' || json_blank(text + at, 1) > 0)) {
            return at;
        } else {
            at++;
            continue;
        }
        if (depth == 0) {
            return at;
        }
    }
    return size;
}

/* ---- Numbers ---- */

/* A decimal number taken apart: digits * 10^exponent. */
struct decimal {
    int negative;
    int64_t digits; /* as many as fit: 18 or 19 */
    int full;       /* one did not fit, so that those after it are let go too */
    int64_t exponent;
};

static int is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t read_digits(const char *text, size_t size, size_t at, int fraction,
                          struct decimal *into) {
    for (; at < size && is_digit(text[at]); at++) {
        int digit = text[at] - '0';
        into->full = into->full || into->digits > (INT64_MAX - digit) / 10;
        if (!into->full) {
            into->digits = into->digits * 10 + digit;
            into->exponent -= fraction;
        } else {
            into->exponent += !fraction;
        }
    }
    return at;
}

static int read_exponent(const char *text, size_t size, size_t at, struct decimal *into) {
    int negative = at < size && text[at] == '-';
    at += at < size && (text[at] == '-' || text[at] == '+');
    int64_t exponent = 0;
    if (at == size) {
        return 0;
    }
    for (; at < size && is_digit(text[at]); at++) {
        exponent = exponent > 9999 ? exponent : exponent * 10 + (text[at] - '0');
    }
    into->exponent += negative ? -exponent : exponent;
    return at == size;
}

static int read_decimal(const char *text, size_t size, struct decimal *ret) {
    struct decimal read = {0};
    size_t at = 0;
    if (size > 0 && text[0] == '-') {
        read.negative = 1;
        at = 1;
    }
    if (at == size || !is_digit(text[at])) {
        return 0;
    }
    at = read_digits(text, size, at, 0, &read);
    if (at < size && text[at] == '.') {
        at = read_digits(text, size, at + 1, 1, &read);
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        if (!read_exponent(text, size, at + 1, &read)) {
            return 0;
        }
    } else if (at != size) {
        return 0;
    }
    *ret = read;
    return 1;
}

int json_scaled(const char *text, size_t size, int power, int64_t *ret_number) {
    struct decimal number;
    if (!read_decimal(text, size, &number)) {
        return 0;
    }
    int64_t value = number.digits, scale = number.exponent + power;
    int round = 0;
    for (; scale > 0 && value != 0; scale--) {
        if (value > INT64_MAX / 10 || number.full) {
            value = INT64_MAX;
            break;
        }
        value *= 10;
    }
    for (; scale < 0 && (value != 0 || round); scale++) {
        round = value % 10 >= 5;
        value /= 10;
    }
    if (value < INT64_MAX) {
        value += round;
    }
    *ret_number = number.negative ? -value : value;
    return 1;
}

int json_whole(const char *text, size_t size, int64_t *ret_number) {
    int negative = size > 0 && text[0] == '-';
    int64_t value = 0; /* below zero, where one more number fits */
    size_t at = (size_t)negative;
    if (at == size) {
        return 0;
    }
    for (; at < size; at++) {
        if (!is_digit(text[at]) || value < INT64_MIN / 10) {
            return 0;
        }
        int digit = text[at] - '0';
        if (value * 10 < INT64_MIN + digit) {
            return 0;
        }
        value = value * 10 - digit;
    }
    if (!negative && value == INT64_MIN) {
        return 0;
    }
    *ret_number = negative ? value : -value;
    return 1;
}

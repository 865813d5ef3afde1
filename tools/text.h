/*
 * Text as it is shown: UTF-8 read strictly, made harmless for a terminal, measured in columns.
 * Needs no locale. What is not UTF-8 becomes U+FFFD, so that any bytes can be shown.
 */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* The character at 'at' (at < end). Returns the bytes that it takes, at least 1; for what is no
 * character *ret_code is UINT32_MAX and the bytes are those to be replaced by one U+FFFD. */
size_t text_next(const char *at, const char *end, uint32_t *ret_code);
/* 1 if all of it is well-formed UTF-8: no overlong forms, no surrogates. */
int text_valid(const char *text, size_t size);
/* Columns of a character on a terminal: 0, 1 or 2. */
int text_columns(uint32_t code);
size_t text_width(const char *text, size_t size);
/* How many bytes of 'text' fit into so many columns. */
size_t text_fit(const char *text, size_t size, size_t columns);

/* Copies 'text' as one harmless line: white space collapsed to one space, trimmed; control
 * characters, direction marks and what is not UTF-8 replaced by U+FFFD. Writes at most room - 1
 * bytes, ends at a character's end, and terminates. Returns the bytes written. */
size_t text_line(char *ret_line, size_t room, const char *text, size_t size);

/* Writes one character as UTF-8 (at most 4 bytes), returns its bytes. */
size_t text_put(char *ret_bytes, uint32_t code);

/* 1234567 as "1,234,567". */
enum { TEXT_GROUPED = 28 };
size_t text_grouped(char ret_text[TEXT_GROUPED], int64_t number);
/* Nano-dollars as a decimal number, exact, without zeros at its end: "328.4327994". */
enum { TEXT_MONEY = 40 };
size_t text_money(char ret_text[TEXT_MONEY], int64_t nanos);
/* Nano-dollars rounded to four decimals, with separators: "1,328.4328". */
size_t text_money_short(char ret_text[TEXT_MONEY], int64_t nanos);

/* Bytes as a person says them, in units of 1024: "512 B", "1.5 MiB". */
enum { TEXT_BYTES = 16 };
size_t text_bytes(char ret_text[TEXT_BYTES], uint64_t bytes);

/* The size of at most 'most' bytes of 'text', which is UTF-8, that end where a character ends. */
size_t text_cut(const char *text, size_t size, size_t most);

#endif

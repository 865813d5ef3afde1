/*
 * UTF-8 in and out, widths on a terminal, and numbers as people read them. The tables of widths
 * name the ranges of Unicode's "East Asian Width" W and F and of combining marks that are met in
 * practice; a range that is missing costs an untidy column, nothing else.
 */
#include "tools/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct range {
    uint32_t first, last;
};

static const struct range no_columns[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},   {0x0610, 0x061A}, {0x064B, 0x065F},
    {0x0E31, 0x0E31}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E},   {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
    {0x200B, 0x200F}, {0x2060, 0x2064}, {0x20D0, 0x20FF},   {0x302A, 0x302D}, {0xFE00, 0xFE0F},
    {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF},
};

static const struct range two_columns[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},
    {0x23F0, 0x23F0},   {0x23F3, 0x23F3},   {0x25FD, 0x25FE},   {0x2614, 0x2615},
    {0x2648, 0x2653},   {0x267F, 0x267F},   {0x2693, 0x2693},   {0x26A1, 0x26A1},
    {0x26AA, 0x26AB},   {0x26BD, 0x26BE},   {0x26C4, 0x26C5},   {0x26CE, 0x26CE},
    {0x26D4, 0x26D4},   {0x26EA, 0x26EA},   {0x26F2, 0x26F3},   {0x26F5, 0x26F5},
    {0x26FA, 0x26FA},   {0x26FD, 0x26FD},   {0x2705, 0x2705},   {0x270A, 0x270B},
    {0x2728, 0x2728},   {0x274C, 0x274C},   {0x274E, 0x274E},   {0x2753, 0x2755},
    {0x2757, 0x2757},   {0x2795, 0x2797},   {0x27B0, 0x27B0},   {0x27BF, 0x27BF},
    {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2B55, 0x2B55},   {0x2E80, 0x3029},
    {0x302E, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0xA4CF},
    {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF},
    {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F200, 0x1F251}, {0x1F300, 0x1F64F},
    {0x1F680, 0x1F6FF}, {0x1F7E0, 0x1F7EB}, {0x1F900, 0x1F9FF}, {0x1FA70, 0x1FAFF},
    {0x20000, 0x3FFFD},
};

static int in_ranges(const struct range *ranges, size_t count, uint32_t code) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > ranges[middle].last) {
            low = middle + 1;
        } else if (code < ranges[middle].first) {
            high = middle;
        } else {
            return 1;
        }
    }
    return 0;
}

size_t text_next(const char *at, const char *end, uint32_t *ret_code) {
    unsigned char lead = (unsigned char)*at;
    if (lead < 0x80) {
        *ret_code = lead;
        return 1;
    }
    *ret_code = UINT32_MAX;
    if (lead < 0xC2 || lead > 0xF4) {
        return 1;
    }
    size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    /* The second byte's bounds keep out overlong forms, surrogates and what is beyond U+10FFFF. */
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    uint32_t code = lead & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (at + i >= end) {
            return i;
        }
        unsigned char byte = (unsigned char)at[i];
        if (byte < low || byte > high) {
            return i;
        }
        low = 0x80;
        high = 0xBF;
        code = code << 6 | (byte & 0x3Fu);
    }
    *ret_code = code;
    return size;
}

int text_valid(const char *text, size_t size) {
    const char *at = text, *end = text + size;
    while (at < end) {
        uint64_t word;
        if (end - at >= 8 && (memcpy(&word, at, 8), (word & 0x8080808080808080u) == 0)) {
            at += 8;
            continue;
        }
        uint32_t code;
        at += text_next(at, end, &code);
        if (code == UINT32_MAX) {
            return 0;
        }
    }
    return 1;
}

int text_columns(uint32_t code) {
    if (code < 0x300) {
        return 1;
    }
    if (in_ranges(no_columns, sizeof no_columns / sizeof *no_columns, code)) {
        return 0;
    }
    return in_ranges(two_columns, sizeof two_columns / sizeof *two_columns, code) ? 2 : 1;
}

size_t text_width(const char *text, size_t size) {
    size_t width = 0;
    uint32_t code;
    for (const char *at = text; at < text + size;) {
        at += text_next(at, text + size, &code);
        width += (size_t)text_columns(code);
    }
    return width;
}

size_t text_fit(const char *text, size_t size, size_t columns) {
    size_t width = 0;
    uint32_t code;
    const char *at = text;
    while (at < text + size) {
        size_t bytes = text_next(at, text + size, &code);
        width += (size_t)text_columns(code);
        if (width > columns) {
            break;
        }
        at += bytes;
    }
    return (size_t)(at - text);
}

size_t text_put(char *ret_bytes, uint32_t code) {
    if (code < 0x80) {
        ret_bytes[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        ret_bytes[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    ret_bytes[0] = (char)((0xF00u >> size & 0xFFu) | code);
    return size;
}

/* Whether a terminal might obey the character instead of showing it. */
static int is_command(uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x200E || code == 0x200F ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

size_t text_line(char *ret_line, size_t room, const char *text, size_t size) {
    const char *at = text, *end = text + size;
    size_t used = 0;
    int space = 0; /* white space was met since the last character */
    while (at < end) {
        uint32_t code;
        at += text_next(at, end, &code);
        if (code == ' ' || code == '\t' || code == '\n' || code == '\r') {
            space = used > 0;
            continue;
        }
        if (code == UINT32_MAX || is_command(code)) {
            code = 0xFFFD;
        }
        char bytes[5] = " ";
        size_t count = (size_t)space + text_put(bytes + space, code);
        if (used + count + 1 > room) {
            break;
        }
        memcpy(ret_line + used, bytes, count);
        used += count;
        space = 0;
    }
    ret_line[used] = '\0';
    return used;
}

size_t text_grouped(char ret_text[TEXT_GROUPED], int64_t number) {
    char digits[24];
    uint64_t size_of = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    size_t count = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, size_of);
    size_t used = 0;
    if (number < 0) {
        ret_text[used++] = '-';
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) {
            ret_text[used++] = ',';
        }
        ret_text[used++] = digits[i];
    }
    ret_text[used] = '\0';
    return used;
}

size_t text_money(char ret_text[TEXT_MONEY], int64_t nanos) {
    uint64_t size_of = nanos < 0 ? 0 - (uint64_t)nanos : (uint64_t)nanos;
    int used = snprintf(ret_text, TEXT_MONEY, "%s%" PRIu64 ".%09" PRIu64, nanos < 0 ? "-" : "",
                        size_of / 1000000000, size_of % 1000000000);
    while (ret_text[used - 1] == '0') {
        used--;
    }
    if (ret_text[used - 1] == '.') {
        used--;
    }
    ret_text[used] = '\0';
    return (size_t)used;
}

size_t text_money_short(char ret_text[TEXT_MONEY], int64_t nanos) {
    uint64_t size_of = nanos < 0 ? 0 - (uint64_t)nanos : (uint64_t)nanos;
    uint64_t rounded = (size_of + 50000) / 100000; /* ten-thousandths */
    char whole[TEXT_GROUPED];
    text_grouped(whole, (int64_t)(rounded / 10000));
    return (size_t)snprintf(ret_text, TEXT_MONEY, "%s%s.%04" PRIu64,
                            nanos < 0 && rounded > 0 ? "-" : "", whole, rounded % 10000);
}

size_t text_bytes(char ret_text[TEXT_BYTES], uint64_t bytes) {
    static const char units[] = "KMGTPE";
    if (bytes < 1024) {
        return (size_t)snprintf(ret_text, TEXT_BYTES, "%u B", (unsigned)bytes);
    }
    size_t unit = 0;
    double amount = (double)bytes / 1024;
    while (amount >= 1023.95) { /* else it would be printed as 1024.0 */
        amount /= 1024;
        unit++;
    }
    return (size_t)snprintf(ret_text, TEXT_BYTES, "%.1f %ciB", amount, units[unit]);
}

size_t text_cut(const char *text, size_t size, size_t most) {
    if (size <= most) {
        return size;
    }
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80) {
        most--;
    }
    return most;
}

/*
 * The state's bytes: little-endian numbers in the order below, then the two names with their sizes.
 * A state of another version is not read: the file is then taken from its beginning.
 */
#include "tools/import_mark.h"

#include <string.h>

enum { VERSION = 1, NUMBERS = 11 };

static void put64(uint8_t *at, uint64_t number) {
    for (unsigned i = 0; i < 8; i++) {
        at[i] = (uint8_t)(number >> 8 * i);
    }
}

static uint64_t get64(const uint8_t *at) {
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++) {
        number |= (uint64_t)at[i] << 8 * i;
    }
    return number;
}

static size_t put_name(uint8_t *at, const char *name) {
    size_t size = strlen(name);
    at[0] = (uint8_t)size;
    at[1] = (uint8_t)(size >> 8);
    memcpy(at + 2, name, size); /* NOLINT(bugprone-not-null-terminated-result): has its size */
    return 2 + size;
}

static int get_name(const uint8_t **at, const uint8_t *end, char ret_name[MARK_SESSION_MAX + 1]) {
    if (end - *at < 2) {
        return 0;
    }
    size_t size = (size_t)((*at)[0] | (*at)[1] << 8);
    if (size > MARK_SESSION_MAX || (size_t)(end - *at) < 2 + size) {
        return 0;
    }
    memcpy(ret_name, *at + 2, size);
    ret_name[size] = '\0';
    *at += 2 + size;
    return 1;
}

size_t mark_encode(const struct mark *mark, uint8_t ret_state[MARK_STATE_MAX]) {
    const uint64_t numbers[NUMBERS] = {
        VERSION,
        mark->position,
        mark->size,
        (uint64_t)mark->mtime,
        mark->inode,
        mark->device,
        mark->lines,
        mark->bad_lines,
        mark->flags,
        (uint64_t)mark->last_time,
        mark->last_message,
    };
    uint8_t *at = ret_state;
    for (size_t i = 0; i < NUMBERS; i++, at += 8) {
        put64(at, numbers[i]);
    }
    memcpy(at, mark->hash, 16);
    memcpy(at + 16, mark->last_uid.b, 16);
    at += 32;
    at += put_name(at, mark->session);
    at += put_name(at, mark->last_session);
    return (size_t)(at - ret_state);
}

int mark_decode(const uint8_t *state, size_t size, struct mark *ret_mark) {
    struct mark mark = {0};
    const uint8_t *at = state, *end = state + size;
    if (size < NUMBERS * 8 + 32 || get64(at) != VERSION) {
        return 0;
    }
    mark.position = get64(at + 8);
    mark.size = get64(at + 16);
    mark.mtime = (int64_t)get64(at + 24);
    mark.inode = get64(at + 32);
    mark.device = get64(at + 40);
    mark.lines = get64(at + 48);
    mark.bad_lines = get64(at + 56);
    mark.flags = (uint32_t)get64(at + 64);
    mark.last_time = (int64_t)get64(at + 72);
    mark.last_message = get64(at + 80);
    at += (size_t)NUMBERS * 8;
    memcpy(mark.hash, at, 16);
    memcpy(mark.last_uid.b, at + 16, 16);
    at += 32;
    if (!get_name(&at, end, mark.session) || !get_name(&at, end, mark.last_session) || at != end) {
        return 0;
    }
    *ret_mark = mark;
    return 1;
}

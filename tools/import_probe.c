/*
 * What a file is that is no transcript: told by its content, never by its name.
 */
#include "tools/import_log.h"

#include "tools/cli.h"
#include "tools/json_pick.h"
#include "tools/slurp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST = 64 << 10, OBJECTS = 16, SAYS_HOOK = 1, SAYS_SESSION = 2, SAYS_OTEL = 4 };

static const struct pick_rule rules[] = {
    {"hook_event_name", SAYS_HOOK},
    {"session_id", SAYS_SESSION},
    {"resourceLogs", SAYS_OTEL},
    {"resourceSpans", SAYS_OTEL},
};

static void take(void *context, int id, enum pick_kind kind, const char *text, size_t size) {
    (void)text, (void)size;
    if (kind == (id == SAYS_OTEL ? PICK_ARRAY : PICK_STRING)) {
        *(int *)context |= id;
    }
}

static int judge(int says) {
    return says & SAYS_OTEL                              ? SOURCE_OTEL
           : (says & SAYS_HOOK) && (says & SAYS_SESSION) ? SOURCE_HOOKS
                                                         : SOURCE_OTHER;
}

/* Whether an object that begins 'text' and takes 'used' bytes (0: it is not whole) is a line. */
static bool is_line(const char *text, size_t size, size_t used) {
    if (used > 0) {
        return memchr(text, '\n', used) == NULL;
    }
    const char *newline = memchr(text, '\n', size);
    size_t first = newline ? (size_t)(newline - text) : size;
    while (first > 0 && json_blank(text + first - 1, 1) > 0) {
        first--;
    }
    return first == 0 || !strchr("{[,", text[first - 1]); /* else an object is spread over lines */
}

/* SOURCE_*; *ret_more if more of the file might tell more. */
static int probe_text(const char *text, size_t size, bool *ret_lines, bool *ret_more) {
    int says = 0, kind = SOURCE_OTHER;
    struct json_pick *pick = json_pick_new(rules, sizeof rules / sizeof *rules, take, &says);
    size_t at = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    at += json_blank(text + at, size - at);
    bool array = at < size && text[at] == '[';
    at += array;
    *ret_more = false;
    for (int i = 0; i < OBJECTS && kind == SOURCE_OTHER; i++) {
        at += json_blank(text + at, size - at);
        at += i > 0 && at < size && text[at] == ',';
        at += json_blank(text + at, size - at);
        if (at == size || text[at] != '{') {
            break;
        }
        size_t used = 0;
        says = 0;
        int whole = json_pick_object(pick, text + at, size - at, &used);
        kind = judge(says);
        *ret_more = !whole && at + json_pick_reached(pick) >= size;
        *ret_lines = !array && is_line(text + at, size - at, whole ? used : 0);
        if (!whole && kind == SOURCE_OTHER) {
            const char *newline = memchr(text + at, '\n', size - at);
            used = newline ? (size_t)(newline - text) - at : size - at;
        }
        at += used;
    }
    json_pick_free(&pick);
    return kind;
}

int log_probe(const struct source *source, bool *ret_lines) {
    size_t room = FIRST;
    char *text = NULL;
    for (;;) {
        size_t size = 0;
        ssize_t got = 1;
        text = cli_grow(text, room, 1);
        while (size < room && got > 0) {
            got = pread(source->fd, text + size, room - size, (off_t)size);
            if (got < 0 && errno == EINTR) {
                got = 1;
                continue;
            }
            size += got > 0 ? (size_t)got : 0;
        }
        int error = got < 0 ? -errno : 0;
        bool more = false;
        int kind = error < 0 ? error : probe_text(text, size, ret_lines, &more);
        if (kind != SOURCE_OTHER || !more || size < room || room >= SLURP_MAX) {
            free(text);
            return kind;
        }
        room *= 8;
    }
}

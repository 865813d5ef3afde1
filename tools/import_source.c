/*
 * What can be known of a file before its lines are taken: from its path, and from a look ahead.
 */
#include "tools/import.h"
#include "tools/json_pick.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

/* ---- The path ---- */

static void keep_name(char *ret_name, size_t room, const char *name, size_t size) {
    ret_name[claude_mend(ret_name, room - 1, name, size)] = '\0';
}

static bool is_part(const char *part, size_t size, const char *name) {
    return strlen(name) == size && memcmp(part, name, size) == 0;
}

/* .../projects/<project>/.../<session>/subagents/.../<stem>.jsonl; of projects/ the last counts,
 * and subagents/ only below it. */
static void read_path(struct source *source, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *above = NULL, *want_project = NULL;
    size_t above_size = 0;
    for (const char *part = path; part < name;) {
        size_t size = strcspn(part, "/");
        const char *next = part + size + 1;
        if (is_part(part, size, "projects")) {
            want_project = next;
            source->project[0] = '\0';
            source->subagent = false;
            source->above[0] = '\0';
        } else if (part == want_project) {
            keep_name(source->project, sizeof source->project, part, size);
        } else if (is_part(part, size, "subagents")) {
            source->subagent = true;
            source->above[0] = '\0';
            if (above) {
                keep_name(source->above, sizeof source->above, above, above_size);
            }
        }
        above = size ? part : NULL;
        above_size = size;
        part = next;
    }
    size_t size = strlen(name);
    if (size > 6 && strcmp(name + size - 6, ".jsonl") == 0) {
        size -= 6;
    }
    keep_name(source->stem, sizeof source->stem, name, size);
    source->subagent = source->subagent || strncmp(source->stem, "agent-", 6) == 0;
}

/* ---- Opening ---- */

/* Copies what can be read only once into a file without a name. The new descriptor, or -errno. */
static int spool(int from) {
    char path[4096];
    const char *dir = getenv("TMPDIR");
    int size = snprintf(path, sizeof path, "%s/varve-XXXXXX", dir && *dir ? dir : "/tmp");
    if (size < 0 || (size_t)size >= sizeof path) {
        return -ENAMETOOLONG;
    }
    int to = mkostemp(path, O_CLOEXEC);
    if (to < 0) {
        return -errno;
    }
    unlink(path);
    static char block[1 << 16];
    for (;;) {
        ssize_t got = read(from, block, sizeof block);
        if (got == 0) {
            return to;
        }
        for (ssize_t put = 0; put < got;) {
            ssize_t wrote = write(to, block + put, (size_t)(got - put));
            if (wrote < 0 && errno != EINTR) {
                got = -1;
                break;
            }
            put += wrote < 0 ? 0 : wrote;
        }
        if (got < 0 && errno != EINTR) {
            int error = errno;
            close(to);
            return -error;
        }
    }
}

int source_open(struct source *source, const char *path) {
    bool standard = strcmp(path, "-") == 0;
    memset(source, 0, sizeof *source);
    source->path = standard ? "(standard input)" : path;
    source->fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (source->fd < 0 || fstat(source->fd, &source->there) < 0) {
        return -errno;
    }
    if (S_ISDIR(source->there.st_mode)) {
        return -EISDIR;
    }
    if (!S_ISREG(source->there.st_mode)) {
        int copy = spool(source->fd);
        if (copy < 0) {
            return copy;
        }
        close(source->fd);
        source->fd = copy;
    } else if (!standard && !(source->real = realpath(path, NULL))) {
        return -errno;
    }
    read_path(source, source->real ? source->real : standard ? "stdin" : path);
    return 0;
}

void source_close(struct source *source) {
    if (source->fd >= 0) {
        close(source->fd);
        source->fd = -1;
    }
    free(source->real);
    source->real = NULL;
}

size_t source_cursor(const struct source *source, char ret_name[CURSOR_NAME_MAX + 1]) {
    size_t size = strlen(source->real);
    if (size + 5 <= CURSOR_NAME_MAX) {
        return (size_t)snprintf(ret_name, CURSOR_NAME_MAX + 1, "file:%s", source->real);
    }
    XXH128_hash_t hash = XXH3_128bits(source->real, size);
    return (size_t)snprintf(ret_name, CURSOR_NAME_MAX + 1, "file:#%016llx%016llx",
                            (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

/* ---- Looking ahead ---- */

/* The line's first object. 0 if there is none, or the line may still be written. */
static bool first_object(struct import *in, const struct line *line, struct claude_piece *ret) {
    if (line->too_long) {
        return false;
    }
    claude_line(in->reader, line->text, line->size, false);
    while (claude_next(in->reader, ret)) {
        if (ret->object) {
            return line->eol != VARVE_EOL_NONE || ret->kind == CLAUDE_WHOLE;
        }
    }
    return false;
}

int source_probe(struct import *in, const struct source *source) {
    enum { LINES = 64 };
    struct line line;
    int got = 0, any = 0;
    line_start(in->ahead, source->fd, 0);
    for (int i = 0; i < LINES && (got = line_next(in->ahead, &line)) > 0; i++) {
        struct claude_piece piece;
        if (first_object(in, &line, &piece)) {
            return piece.object->claude ? SOURCE_CLAUDE : SOURCE_OTHER;
        }
        if (line.eol == VARVE_EOL_NONE) {
            break;
        }
        any = any || line.too_long || line.size > json_blank(line.text, line.size);
        line_take(in->ahead, &line);
    }
    return got < 0 ? got : any ? SOURCE_OTHER : SOURCE_EMPTY;
}

static bool names_session(struct import *in, const struct line *line, char *ret_session) {
    static const char key[] = "\"sessionId\"";
    struct claude_piece piece;
    if (line->too_long || !memmem(line->text, line->size, key, sizeof key - 1)) {
        return false;
    }
    claude_line(in->reader, line->text, line->size, false);
    while (claude_next(in->reader, &piece)) {
        if (line->eol == VARVE_EOL_NONE && piece.kind != CLAUDE_WHOLE) {
            return false;
        }
        if (piece.object && piece.object->session_id.size) {
            memcpy(ret_session, piece.object->session_id.ptr, piece.object->session_id.size);
            ret_session[piece.object->session_id.size] = '\0';
            return true;
        }
    }
    return false;
}

int source_session(struct import *in, const struct source *source, uint64_t position,
                   char ret_session[MARK_SESSION_MAX + 1]) {
    struct line line;
    int got = 0;
    ret_session[0] = '\0';
    line_start(in->ahead, source->fd, position);
    while ((got = line_next(in->ahead, &line)) > 0) {
        if (names_session(in, &line, ret_session) || line.eol == VARVE_EOL_NONE) {
            return 0;
        }
        line_take(in->ahead, &line);
    }
    return got < 0 ? got : 0;
}

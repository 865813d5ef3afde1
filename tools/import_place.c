/*
 * Where to begin in a file: behind what was taken before, if that is still the same, else at its
 * beginning; and whose lines these are.
 */
#include "tools/import_log.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* Reads again what was taken, counting its lines. 1 if it is the same, 0 if not, or -errno. */
static int verify_prefix(struct file *f) {
    struct import *in = f->in;
    struct line line;
    int got = 0;
    uint8_t hash[16];
    line_start(in->lines, f->source.fd, 0);
    line_limit(in->lines, f->mark.position);
    while ((got = line_next(in->lines, &line)) > 0) {
        struct claude_piece piece;
        if (line.too_long && line.eol == VARVE_EOL_NONE) {
            return 0;
        }
        if (!line.too_long && f->mark.bad_lines == 0) { /* each line was one piece */
            seen_again(&in->seen, XXH3_64bits(line.text, line.size));
        } else if (!line.too_long) {
            claude_line(in->reader, line.text, line.size, false);
            while (claude_next(in->reader, &piece)) {
                seen_again(&in->seen, XXH3_64bits(piece.text, piece.size));
            }
        }
        line_take(in->lines, &line);
    }
    if (got < 0) {
        return got;
    }
    line_hash(in->lines, hash);
    bool same = line_position(in->lines) == f->mark.position &&
                memcmp(hash, f->mark.hash, sizeof hash) == 0;
    line_limit(in->lines, UINT64_MAX);
    return same;
}

static void start_over(struct file *f) {
    f->mark = (struct mark){0};
    seen_clear(&f->in->seen);
    line_start(f->in->lines, f->source.fd, 0);
}

int file_name_session(struct file *f) {
    if (!(f->mark.flags & MARK_NAMED)) {
        int error = source_session(f->in, &f->source, f->mark.position, f->mark.session);
        if (error < 0) {
            return error;
        }
        f->mark.flags |= f->mark.session[0] ? MARK_NAMED : 0;
    }
    const char *own = f->mark.session[0] ? f->mark.session : f->source.stem;
    if (!f->source.subagent) {
        snprintf(f->session, sizeof f->session, "%s", own);
        return 0;
    }
    const char *parent = f->mark.session[0] ? f->mark.session : f->source.above;
    snprintf(f->parent, sizeof f->parent, "%s", parent);
    int size = snprintf(f->session, sizeof f->session, "%s%s%s", parent, *parent ? "/" : "",
                        f->source.stem);
    if (size < 0 || (size_t)size >= sizeof f->session) {
        snprintf(f->session, sizeof f->session, "%s", f->source.stem);
    }
    return 0;
}

/* Whether the file is ours, for one that was not taken before. 1, 0, FILE_LOG, or -errno. */
static int recognise(struct file *f) {
    int kind = source_probe(f->in, &f->source);
    if (kind == SOURCE_OTHER || kind == SOURCE_EMPTY) {
        bool lines = false;
        int log = log_probe(&f->source, &lines);
        kind = log == SOURCE_OTHER ? kind : log;
    }
    if (kind < 0) {
        return kind;
    }
    if (kind == SOURCE_OTHER) {
        const char *path = f->source.path;
        size_t size = strlen(path);
        if (f->found && size > 5 && strcmp(path + size - 5, ".json") == 0) {
            return 0; /* there are many that are nothing of this kind */
        }
        report_progress_end(f->in);
        cli_note(f->in->cli,
                 "%s: not a Claude Code transcript, nor hook payloads or OTLP: left out", path);
        f->in->report.skipped++;
        return 0;
    }
    f->in->report.files++;
    return kind == SOURCE_CLAUDE ? 1 : kind == SOURCE_EMPTY ? 0 : FILE_LOG;
}

static bool seems_unchanged(const struct mark *mark, const struct mark *now) {
    return mark->size == now->size && mark->mtime == now->mtime && mark->inode == now->inode &&
           mark->device == now->device;
}

int file_find_place(struct file *f) {
    struct import *in = f->in;
    bool before = mark_decode(f->kept, f->kept_size, &f->mark) && f->mark.position > 0;
    int go = 1;
    if (before) {
        in->report.files++;
        if (!in->check && seems_unchanged(&f->mark, &f->now)) {
            in->report.unchanged++;
            return 0;
        }
        if (f->mark.flags & MARK_LOG) {
            return FILE_LOG;
        }
        go = f->mark.position <= f->now.size ? verify_prefix(f) : 0;
        if (go == 0) {
            in->report.reread++;
        }
    } else {
        go = recognise(f);
        if (go <= 0 || go == FILE_LOG) {
            return go;
        }
        go = 0;
    }
    if (go < 0) {
        return go;
    }
    if (go == 0) {
        start_over(f);
    }
    return 1;
}

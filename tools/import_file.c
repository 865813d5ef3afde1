/*
 * One file into the store: found where it was left, then line after line.
 */
#include "tools/import_log.h"

#include <stdlib.h>
#include <string.h>

/* The input's fault: told and counted; the other files go on. */
static int cannot_read(struct file *f, int error) {
    report_progress_end(f->in);
    cli_fail(f->in->cli, "cannot read %s: %s", f->source.path, strerror(-error));
    f->in->report.failed++;
    return 0;
}

/* The store's: told, and the end of the import, unless it is about this file alone. */
static int cannot_store(struct file *f, int error) {
    const char *said = varve_last_error(f->in->cli->store);
    report_progress_end(f->in);
    cli_fail(f->in->cli, "cannot import %s: %s", f->source.path,
             said && *said ? said : varve_strerror(error));
    f->in->report.failed++;
    bool only_this =
        error == VARVE_E_ARGUMENT || error == VARVE_E_TOO_BIG || error == VARVE_E_CONFLICT;
    return only_this ? 0 : error;
}

/* ---- Lines ---- */

static void end_line(struct file *f, const struct line *line, bool bad) {
    f->mark.flags &= ~(uint32_t)MARK_NO_EOL;
    f->mark.flags |= line->eol == VARVE_EOL_NONE ? MARK_NO_EOL : 0;
    f->mark.bad_lines += bad;
    f->mark.position = line->end;
    f->ended = true;
    f->last_eol = line->eol;
    line_take(f->in->lines, line);
}

static int pass_line(struct file *f, const struct line *line) {
    if (line->eol == VARVE_EOL_NONE) {
        f->in->report.unfinished++;
        return 0;
    }
    f->mark.lines++;
    f->in->report.too_long++;
    report_bad_line(f->in, f->source.path, f->mark.lines, "longer than 256 MiB: left out");
    end_line(f, line, true);
    return 1;
}

/* 1 = taken, 0 = left for the next time, or VARVE_E_*. */
static int take_line(struct file *f, const struct line *line) {
    struct import *in = f->in;
    bool glued = (f->mark.flags & MARK_NO_EOL) != 0;
    struct claude_piece piece;
    if (line->too_long) {
        return pass_line(f, line);
    }
    if (glued && line->size == 0) { /* the end of the line that was taken without one */
        end_line(f, line, false);
        return 1;
    }
    claude_line(in->reader, line->text, line->size, glued);
    (void)claude_next(in->reader, &piece);
    if (line->eol == VARVE_EOL_NONE && piece.kind != CLAUDE_WHOLE) {
        in->report.unfinished++;
        return 0;
    }
    bool bad = false;
    do {
        bad = bad || piece.kind == CLAUDE_RECOVERED || piece.kind == CLAUDE_UNPARSED;
        int error = file_add(f, line, &piece);
        if (error < 0) {
            return error;
        }
    } while (claude_next(in->reader, &piece));
    f->mark.lines += !glued;
    if (bad) {
        in->report.bad_lines++;
        report_bad_line(in, f->source.path, f->mark.lines, "not one JSON object: kept, and split");
    }
    end_line(f, line, bad);
    return 1;
}

/* A batch is big enough. The further into a file, the bigger: in a session of millions of events
 * the store asks itself for each batch which of them it has. */
static bool is_full(const struct file *f) {
    uint64_t taken = f->mark.position + f->mark.lines * 256, more = taken / 64;
    more = more < IMPORT_BATCH_MORE ? more : IMPORT_BATCH_MORE;
    return varve_batch_bytes(f->in->batch) >= IMPORT_BATCH_BYTES + more ||
           varve_batch_count(f->in->batch) >= IMPORT_BATCH_EVENTS + more / 256;
}

static int take_lines(struct file *f) {
    struct import *in = f->in;
    struct line line;
    int got = 0, taken = 1;
    while (taken > 0 && (got = line_next(in->lines, &line)) > 0) {
        taken = take_line(f, &line);
        if (taken < 0) {
            return cannot_store(f, taken);
        }
        int error = is_full(f) ? file_flush(f, false) : 0;
        if (error < 0) {
            return cannot_store(f, error);
        }
        taken = taken && line.eol == VARVE_EOL_NONE ? 0 : taken; /* the file ends here for now */
    }
    int error = file_flush(f, got >= 0);
    if (error < 0) {
        return cannot_store(f, error);
    }
    return got < 0 ? cannot_read(f, got) : 0;
}

/* ---- The file ---- */

static int run(struct file *f) {
    struct import *in = f->in;
    const struct stat *there = &f->source.there;
    f->now.size = (uint64_t)there->st_size;
    f->now.mtime = (int64_t)there->st_mtim.tv_sec * 1000000000 + there->st_mtim.tv_nsec;
    f->now.inode = (uint64_t)there->st_ino;
    f->now.device = (uint64_t)there->st_dev;
    if (f->source.real) {
        f->cursor_size = source_cursor(&f->source, f->cursor);
        int size = varve_cursor_state(in->cli->store, (varve_str){f->cursor, f->cursor_size},
                                      f->kept, sizeof f->kept);
        if (size < 0 && size != VARVE_E_NOT_FOUND) {
            return cannot_store(f, size);
        }
        f->kept_size = size < 0 || (size_t)size > sizeof f->kept ? 0 : (size_t)size;
    }
    int go = file_find_place(f);
    if (go == FILE_LOG) {
        int unread = 0, error = log_import(f, &unread);
        if (error < 0) {
            return cannot_store(f, error);
        }
        return unread < 0 ? cannot_read(f, unread) : 0;
    }
    if (go > 0) {
        int error = file_name_session(f);
        go = error < 0 ? error : 1;
    }
    if (go <= 0) {
        return go < 0 ? cannot_read(f, go) : 0;
    }
    f->from = f->mark.position;
    f->met_old = f->from > 0;
    f->state = (struct claude_state){f->source.subagent, (f->mark.flags & MARK_CUSTOM_TITLE) != 0,
                                     f->mark.last_message, f->mark.last_time};
    int error = take_lines(f);
    in->report.bytes += line_position(in->lines) - f->from;
    return error;
}

int import_file(struct import *in, const struct path *path) {
    struct file *f = cli_alloc(sizeof *f);
    memset(f, 0, sizeof *f);
    f->in = in;
    f->found = path->found;
    seen_clear(&in->seen);
    seen_clear(&in->introduced);
    varve_batch_clear(in->batch);
    int error = source_open(&f->source, path->name);
    error = error < 0 ? cannot_read(f, error) : run(f);
    source_close(&f->source);
    free(f);
    return error;
}

/*
 * Files that are no transcripts: logged payloads of hooks, and telemetry as OTLP/JSON. Each is
 * lines, an array, one document, or documents one after the other. Lines are read on from where
 * they were left; of all else what is known already is found by its uid.
 */
#include "tools/import_log.h"

#include "tools/json_pick.h"
#include "tools/slurp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Lines ---- */

static void count_line(struct file *f, const struct line *line) {
    f->mark.lines++;
    f->mark.position = line->end;
    line_take(f->in->lines, line);
}

/* 1 = taken, 0 = left for the next time, or VARVE_E_*. */
static int take_line(struct file *f, const struct line *line) {
    struct log_text t = {f, line->text, line->size, line->position, f->mark.lines + 1, 0, false};
    size_t blank = line->too_long ? 0 : json_blank(line->text, line->size);
    if (line->eol == VARVE_EOL_NONE &&
        (line->too_long || !json_is_value(line->text + blank, line->size - blank))) {
        f->in->report.unfinished++;
        return 0;
    }
    if (line->too_long) {
        f->in->report.too_long++;
        report_bad_line(f->in, f->source.path, t.line, "longer than 256 MiB: left out");
    } else if (log_take_text(&t) < 0) {
        return t.error;
    }
    f->mark.bad_lines += t.bad;
    count_line(f, line);
    return 1;
}

/* Reads again what was taken. 1 if it is the same, 0 if not, or -errno. */
static int same_prefix(struct file *f) {
    struct import *in = f->in;
    struct mark before = f->mark;
    struct line line;
    int got = 0;
    uint8_t hash[16];
    line_start(in->lines, f->source.fd, 0);
    line_limit(in->lines, before.position);
    f->counting = true;
    while ((got = line_next(in->lines, &line)) > 0) {
        struct log_text t = {f, line.text, line.size, line.position, 0, 0, false};
        if (f->log == SOURCE_OTEL && !line.too_long) {
            (void)log_take_text(&t);
        }
        line_take(in->lines, &line);
    }
    f->counting = false;
    line_hash(in->lines, hash);
    if (got < 0) {
        return got;
    }
    bool same =
        line_position(in->lines) == before.position && memcmp(hash, before.hash, sizeof hash) == 0;
    line_limit(in->lines, UINT64_MAX);
    return same;
}

static bool is_full(const struct import *in) {
    return varve_batch_bytes(in->batch) >= IMPORT_BATCH_BYTES ||
           varve_batch_count(in->batch) >= IMPORT_BATCH_EVENTS;
}

static int take_lines(struct file *f, int *ret_unread) {
    struct line line;
    int got = 0, taken = 1;
    while (taken > 0 && (got = line_next(f->in->lines, &line)) > 0) {
        taken = take_line(f, &line);
        int error = taken < 0 ? taken : is_full(f->in) ? file_flush(f, false) : 0;
        if (error < 0) {
            return error;
        }
    }
    f->in->report.bytes += line_position(f->in->lines) - f->from;
    *ret_unread = got < 0 ? got : 0;
    return file_flush(f, got >= 0);
}

/* ---- Documents ---- */

static int take_document(struct file *f, int *ret_unread) {
    char *text = NULL;
    size_t size = 0;
    int own = 0;
    int error =
        lseek(f->source.fd, 0, SEEK_SET) < 0 ? -errno : slurp(f->source.fd, &text, &size, &own);
    if (error < 0) {
        *ret_unread = error;
        return 0;
    }
    struct log_text t = {f, text, size, 0, 1, 0, false};
    line_start(f->in->lines, f->source.fd, 0); /* whose hash the mark takes: of nothing */
    error = log_take_text(&t);
    f->in->report.bytes += size;
    f->mark.position = size;
    f->mark.bad_lines += t.bad;
    error = error < 0 ? error : file_flush(f, true);
    if (own) {
        free(text);
    }
    return error;
}

/* ---- The file ---- */

int log_import(struct file *f, int *ret_unread) {
    struct import *in = f->in;
    const uint32_t before = f->mark.flags;
    bool lines = false;
    *ret_unread = 0;
    f->log = log_probe(&f->source, &lines);
    if (f->log < 0 || f->log == SOURCE_OTHER) { /* it was one when it was looked at before */
        *ret_unread = f->log < 0 ? f->log : -EBADMSG;
        return 0;
    }
    if (!in->hooks) {
        in->hooks = hook_reader_new();
        in->otel = otel_reader_new(in->prices);
    }
    int same = 0;
    if (lines && (before & MARK_LOG) && !(before & MARK_WHOLE) && f->mark.position <= f->now.size) {
        same = same_prefix(f);
    }
    if (same < 0) {
        *ret_unread = same;
        return 0;
    }
    if (!same) {
        in->report.reread += (before & MARK_LOG) != 0;
        seen_clear(&in->seen);
        f->mark = (struct mark){0};
        line_start(in->lines, f->source.fd, 0);
    }
    f->mark.flags = MARK_LOG | (lines ? 0 : (uint32_t)MARK_WHOLE);
    f->from = f->mark.position;
    f->state =
        (struct claude_state){.last_time = f->mark.last_time, .last_message = f->mark.last_message};
    return lines ? take_lines(f, ret_unread) : take_document(f, ret_unread);
}

/*
 * Files that are no transcripts: logged payloads of hooks, and telemetry as OTLP/JSON. Each is
 * lines, an array, one document, or documents one after the other. Lines are read on from where
 * they were left; of all else what is known already is found by its uid.
 */
#include "tools/import_log.h"

#include "tools/json_pick.h"
#include "tools/slurp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { FLUSH_ANYHOW = 256 << 20 };

/* What take_text is at. */
struct taking {
    struct file *f;
    const char *text;
    size_t size;
    uint64_t position; /* of 'text' in the file */
    uint64_t line;     /* of its beginning */
    int error;         /* VARVE_E_* of the store */
    bool bad;
};

/* ---- Events ---- */

static void report_bad(struct taking *t, size_t at, const char *why) {
    uint64_t line = t->line;
    for (size_t i = 0; i < at; i++) {
        line += t->text[i] == '\n';
    }
    if (!t->f->counting) {
        t->f->in->report.bad_lines++;
        report_bad_line(t->f->in, t->f->source.path, line, why);
    }
    t->bad = true;
}

/* Its time, or its place behind the one before it. */
static void place(struct file *f, varve_event *event) {
    if (event->present & VARVE_HAS_TIME) {
        f->state.last_time = event->time;
    } else {
        event->time = f->state.last_time ? f->state.last_time : 1;
    }
}

static void add(struct taking *t, varve_event *event, const char *text, size_t size) {
    struct file *f = t->f;
    struct import *in = f->in;
    varve_str session = event->session_id;
    place(f, event);
    event->payload = text;
    event->payload_size = size;
    event->position = t->position + (uint64_t)(text - t->text);
    event->present |= VARVE_HAS_UID | VARVE_HAS_POSITION | VARVE_HAS_PAYLOAD;
    uint64_t name = XXH3_64bits(session.ptr, session.size);
    in->report.sessions += seen_again(&in->report.met, name) == 0;
    int error = varve_batch_add(in->batch, event);
    if (error >= 0 && varve_batch_bytes(in->batch) >= FLUSH_ANYHOW) {
        error = file_flush(f, false);
    }
    t->error = error < 0 ? error : 0;
}

/* By its tool use; without one by its place in the log. The bytes go in, as one session has
 * several logs. */
static void add_hook(struct taking *t, struct hook_object *object, const char *text, size_t size) {
    varve_event *event = &object->event;
    varve_str machine = {NULL, 0}, name = object->uid_name;
    char numbered[64];
    uint64_t number = t->f->state.last_message++;
    if (!name.ptr) {
        int used =
            snprintf(numbered, sizeof numbered, "log:%llu:%016llx", (unsigned long long)number,
                     (unsigned long long)XXH3_64bits(text, size));
        name = (varve_str){numbered, (size_t)used};
    }
    event->uid = varve_name_uid(machine, event->session_id, name);
    add(t, event, text, size);
}

static void add_record(void *context, const struct otel_record *record) {
    struct taking *t = context;
    struct import *in = t->f->in;
    varve_event event = record->event;
    varve_str machine = {NULL, 0};
    uint64_t nth = 0;
    if (!record->uid_name.ptr) {
        nth = seen_again(&in->seen, XXH3_64bits(record->text, record->size));
    }
    if (t->error < 0 || t->f->counting) {
        return;
    }
    if (!event.session_id.size) {
        in->report.without_session++;
        return;
    }
    event.uid = record->uid_name.ptr
                    ? varve_name_uid(machine, event.session_id, record->uid_name)
                    : varve_line_uid(machine, event.session_id, record->text, record->size, nth);
    if (record->unpriced) {
        varve_str model = event.str[VARVE_STR_MODEL];
        report_name(&in->report.unpriced, model.size ? model.ptr : "(no model)",
                    model.size ? model.size : 10);
    }
    add(t, &event, record->text, record->size);
}

/* ---- Objects ---- */

/* Whether an object begins at 'at' that is one of this log's. Its bytes, 0 if it is no whole
 * object. */
static size_t look(struct taking *t, size_t at, struct hook_object *object, const char **ret_why) {
    struct import *in = t->f->in;
    const char *text = t->text + at;
    size_t left = t->size - at, used = 0;
    *ret_why = NULL;
    if (t->f->log == SOURCE_HOOKS) {
        int whole = hook_read(in->hooks, text, left, object, &used);
        *ret_why = whole ? object->why : NULL;
        return whole ? used : 0;
    }
    int whole = otel_read(in->otel, text, left, NULL, NULL, &used);
    *ret_why = whole && !otel_is_export(in->otel) ? "neither logs nor spans of OTLP" : NULL;
    return whole ? used : 0;
}

static void take_object(struct taking *t, size_t at, size_t size, struct hook_object *object) {
    size_t used = 0;
    if (t->f->log == SOURCE_OTEL) {
        (void)otel_read(t->f->in->otel, t->text + at, size, add_record, t, &used);
    } else if (!t->f->counting) {
        add_hook(t, object, t->text + at, size);
    }
}

/* The next place behind a fault where one of this log's objects begins whole; the end if there is
 * none. An object of another kind is passed over whole. */
static size_t next_object(struct taking *t, size_t from) {
    enum { SEARCH_FACTOR = 32, SEARCH_MIN = 1 << 20 };
    struct hook_object object;
    uint64_t budget = SEARCH_MIN + (uint64_t)t->size * SEARCH_FACTOR;
    for (size_t at = from; at < t->size && budget > 0;) {
        const char *brace = memchr(t->text + at, '{', t->size - at);
        if (!brace) {
            break;
        }
        at = (size_t)(brace - t->text);
        const char *why = NULL;
        size_t used = look(t, at, &object, &why);
        if (used > 0 && !why) {
            return at;
        }
        size_t reached = t->f->log == SOURCE_HOOKS ? hook_reached(t->f->in->hooks)
                                                   : otel_reached(t->f->in->otel);
        budget -= budget < reached ? budget : reached;
        at += used > 0 ? used : 1;
    }
    return t->size;
}

/* Bytes between objects: white space, and what makes them an array. */
static size_t between(const char *text, size_t size) {
    size_t at = 0;
    for (size_t before = size + 1; at < size && at != before;) {
        before = at;
        at += json_blank(text + at, size - at);
        at += at < size && (text[at] == ',' || text[at] == '[' || text[at] == ']');
    }
    return at;
}

/* Takes all objects in the text. 0 or VARVE_E_*. */
static int take_text(struct taking *t) {
    static const char mark[] = "\xef\xbb\xbf";
    struct hook_object object;
    size_t at = t->size >= 3 && memcmp(t->text, mark, 3) == 0 && t->position == 0 ? 3 : 0;
    while (t->error == 0) {
        at += between(t->text + at, t->size - at);
        if (at >= t->size) {
            break;
        }
        const char *why = NULL;
        size_t used = look(t, at, &object, &why);
        if (used > 0 && !why) {
            take_object(t, at, used, &object);
            at += used;
        } else if (used > 0) {
            report_bad(t, at, why);
            at += used;
        } else {
            report_bad(t, at, "not one JSON object: left out");
            at = next_object(t, at + 1);
        }
    }
    return t->error;
}

/* ---- Lines ---- */

static void count_line(struct file *f, const struct line *line) {
    f->mark.lines++;
    f->mark.position = line->end;
    line_take(f->in->lines, line);
}

/* 1 = taken, 0 = left for the next time, or VARVE_E_*. */
static int take_line(struct file *f, const struct line *line) {
    struct taking t = {f, line->text, line->size, line->position, f->mark.lines + 1, 0, false};
    size_t blank = line->too_long ? 0 : json_blank(line->text, line->size);
    if (line->eol == VARVE_EOL_NONE &&
        (line->too_long || !json_is_value(line->text + blank, line->size - blank))) {
        f->in->report.unfinished++;
        return 0;
    }
    if (line->too_long) {
        f->in->report.too_long++;
        report_bad_line(f->in, f->source.path, t.line, "longer than 256 MiB: left out");
    } else if (take_text(&t) < 0) {
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
        struct taking t = {f, line.text, line.size, line.position, 0, 0, false};
        if (f->log == SOURCE_OTEL && !line.too_long) {
            (void)take_text(&t);
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
    struct taking t = {f, text, size, 0, 1, 0, false};
    line_start(f->in->lines, f->source.fd, 0); /* whose hash the mark takes: of nothing */
    error = take_text(&t);
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

/*
 * Objects of a file that is no transcript, one after the other, as events: with white space, commas
 * and brackets between them, so that lines, arrays and documents are all the same.
 */
#include "tools/import_log.h"

#include "tools/json_pick.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { FLUSH_ANYHOW = 256 << 20 };

/* ---- Events ---- */

static void report_bad(struct log_text *t, size_t at, const char *why) {
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

static void add(struct log_text *t, varve_event *event, const char *text, size_t size) {
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
static void add_hook(struct log_text *t, struct hook_object *object, const char *text,
                     size_t size) {
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
    struct log_text *t = context;
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
static size_t look(struct log_text *t, size_t at, struct hook_object *object,
                   const char **ret_why) {
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

static void take_object(struct log_text *t, size_t at, size_t size, struct hook_object *object) {
    size_t used = 0;
    if (t->f->log == SOURCE_OTEL) {
        (void)otel_read(t->f->in->otel, t->text + at, size, add_record, t, &used);
    } else if (!t->f->counting) {
        add_hook(t, object, t->text + at, size);
    }
}

/* The next place behind a fault where one of this log's objects begins whole; the end if there is
 * none. An object of another kind is passed over whole. */
static size_t next_object(struct log_text *t, size_t from) {
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

int log_take_text(struct log_text *t) {
    static const char mark[] = "\xef\xbb\xbf";
    struct hook_object object = {.why = NULL};
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

/*
 * Pieces of lines as events, and the batches that they are stored in: each ends at a line's end and
 * says how far it reaches.
 */
#include "tools/import.h"

#include <string.h>
#include <xxhash.h>

static varve_str text_of(const char *text) {
    return (varve_str){text, strlen(text)};
}

static uint64_t hash_of(varve_str text) {
    return XXH3_64bits(text.ptr, text.size);
}

/* ---- Events ---- */

/* Says what the path tells of a session that has no transcript yet. */
static int introduce(struct file *f, varve_str session) {
    struct import *in = f->in;
    uint64_t hash = hash_of(session);
    if (seen_again(&in->introduced, hash)) {
        return 0;
    }
    in->report.sessions += seen_again(&in->report.met, hash) == 0;
    varve_session have = {.size = sizeof have};
    int found = varve_session_find(in->cli->store, (varve_str){NULL, 0}, session, &have);
    if (found < 0 && found != VARVE_E_NOT_FOUND) {
        return found;
    }
    bool known = found >= 0 && (have.flags & VARVE_SS_TRANSCRIPT);
    f->met_old = f->met_old || known;
    varve_event set;
    varve_event_init(&set);
    set.session_id = session;
    bool any = false;
    if (!known && f->source.real) {
        set.str[VARVE_STR_TRANSCRIPT_PATH] = text_of(f->source.real);
        any = true;
    }
    if (!known && f->source.project[0]) {
        set.str[VARVE_STR_PROJECT] = text_of(f->source.project);
        any = true;
    }
    bool orphan = found < 0 || have.session_type != VARVE_SESSION_SUBAGENT ||
                  (f->parent[0] && have.parent_row == UINT64_MAX);
    if (f->source.subagent && orphan) {
        set.session_type = VARVE_SESSION_SUBAGENT;
        set.str[VARVE_STR_PARENT_ID] = f->parent[0] ? text_of(f->parent) : (varve_str){NULL, 0};
        any = true;
    }
    return any ? varve_batch_set(in->batch, &set) : 0;
}

static void count_piece(struct file *f, const struct claude_piece *piece,
                        const varve_event *event) {
    struct import_report *report = &f->in->report;
    report->recovered += piece->kind == CLAUDE_RECOVERED;
    if (!piece->object) {
        return;
    }
    if (!piece->object->known) {
        report_name(&report->unknown_types, event->type.ptr, event->type.size);
    }
    if (event->flags & VARVE_EV_UNPRICED) {
        varve_str model = piece->object->model;
        report_name(&report->unpriced, model.size ? model.ptr : "(no model)",
                    model.size ? model.size : 10);
    }
    if (event->flags & VARVE_EV_OUTPUT_LOWER_BOUND) {
        report->lower_bound_sessions +=
            seen_again(&report->met_low, hash_of(event->session_id)) == 0;
    }
}

int file_add(struct file *f, const struct line *line, const struct claude_piece *piece) {
    struct import *in = f->in;
    varve_event event;
    varve_str session = text_of(f->session);
    if (piece->object) {
        event = piece->object->event;
        if (piece->object->session_id.size && !f->source.subagent) {
            session = piece->object->session_id;
        }
    } else {
        varve_event_init(&event);
        event.type = text_of(piece->kind == CLAUDE_BLANK ? "blank" : "unparsed");
        event.source = VARVE_SOURCE_TRANSCRIPT;
        event.str[VARVE_STR_FRAMEWORK] = text_of("claude_code");
    }
    int error = introduce(f, session);
    if (error < 0) {
        return error;
    }
    claude_place(&f->state, piece, &event);
    event.session_id = session;
    event.uid = varve_line_uid(varve_machine_id(in->cli->store), session, piece->text, piece->size,
                               seen_again(&in->seen, XXH3_64bits(piece->text, piece->size)));
    event.position = line->position + (uint64_t)(piece->text - line->text);
    event.payload = piece->text;
    event.payload_size = piece->size;
    event.eol = piece->last ? line->eol : VARVE_EOL_JOINED;
    event.present |= VARVE_HAS_UID | VARVE_HAS_POSITION | VARVE_HAS_PAYLOAD;
    count_piece(f, piece, &event);
    f->mark.last_uid = event.uid;
    memcpy(f->mark.last_session, session.ptr, session.size);
    f->mark.last_session[session.size] = '\0';
    error = varve_batch_add(in->batch, &event);
    return error < 0 ? error : 0;
}

/* ---- Batches ---- */

/* The last line of the file has its end now. If it is the last event of its session too, and was
 * stored without one, the session learns of it. */
static int settle_end(struct file *f) {
    struct import *in = f->in;
    varve_str session = text_of(f->mark.last_session), own = {NULL, 0};
    varve_session have = {.size = sizeof have};
    varve_cursor *cursor = NULL;
    if (!f->ended || f->last_eol == VARVE_EOL_NONE || !f->met_old || session.size == 0 ||
        varve_session_find(in->cli->store, own, session, &have) < 0 ||
        varve_cursor_session(in->cli->store, own, session, UINT64_MAX, VARVE_CURSOR_BACKWARD,
                             &cursor) < 0) {
        return 0;
    }
    varve_event last, set;
    varve_event_init(&last);
    bool open_end = varve_cursor_next(cursor, &last) == 1 && last.eol == VARVE_EOL_NONE &&
                    (last.present & VARVE_HAS_UID) &&
                    memcmp(last.uid.b, f->mark.last_uid.b, sizeof last.uid.b) == 0 &&
                    !((have.flags & VARVE_SS_EOL_SET) && have.eol != VARVE_EOL_NONE);
    varve_cursor_close(&cursor);
    if (!open_end) {
        return 0;
    }
    varve_event_init(&set);
    set.session_id = session;
    set.flags = VARVE_EV_EOL_SET;
    set.eol = f->last_eol;
    return varve_batch_set(in->batch, &set);
}

/* How far the batch reaches. Only where the file ended does the mark say how big it was: an import
 * that was broken off is not taken for a whole one. */
static int put_cursor(struct file *f, bool final) {
    uint8_t state[MARK_STATE_MAX];
    f->mark.size = final ? f->now.size : 0;
    f->mark.mtime = final ? f->now.mtime : 0;
    f->mark.inode = f->now.inode;
    f->mark.device = f->now.device;
    f->mark.last_time = f->state.last_time;
    f->mark.last_message = f->state.last_message;
    f->mark.flags |= f->state.custom_title ? MARK_CUSTOM_TITLE : 0;
    line_hash(f->in->lines, f->mark.hash);
    size_t size = mark_encode(&f->mark, state);
    if (varve_batch_count(f->in->batch) == 0 && size == f->kept_size &&
        memcmp(state, f->kept, size) == 0) {
        return 0;
    }
    memcpy(f->kept, state, size);
    f->kept_size = size;
    return varve_batch_cursor(f->in->batch, (varve_str){f->cursor, f->cursor_size}, state, size);
}

int file_flush(struct file *f, bool final) {
    struct import *in = f->in;
    int error = final ? settle_end(f) : 0;
    if (error >= 0 && f->source.real) {
        error = put_cursor(f, final);
    }
    varve_appended done = {.size = sizeof done};
    if (error >= 0 && varve_batch_bytes(in->batch) > 0) {
        error = varve_append(in->cli->store, in->batch, VARVE_NONE, &done);
        in->unsynced += varve_batch_bytes(in->batch);
    }
    varve_batch_clear(in->batch);
    if (error < 0) {
        return error;
    }
    in->report.events_added += done.stored;
    in->report.duplicates += done.duplicates;
    report_progress(in, line_position(in->lines) - f->from, 0);
    if (in->durable && in->unsynced >= IMPORT_SYNC) {
        in->unsynced = 0;
        return varve_sync(in->cli->store);
    }
    return 0;
}

/*
 * What zeph shows in a way of its own: kind, status and channel are never absent, and each is one
 * of a closed set.
 */
#include "tools/names.h"
#include "tools/view_value.h"

struct view_value zeph_kind(const varve_session *session, unsigned which) {
    (void)which;
    if (session->mode != VARVE_MODE_NONE && session->mode != VARVE_ENUM_NAMED) {
        varve_str name = name_mode(session->mode, (varve_str){NULL, 0});
        if (name.ptr) {
            return view_text_value(name);
        }
    }
    return view_word_value(session->str[VARVE_STR_GOAL].ptr ? "autonomous" : "interactive");
}

struct view_value zeph_status(const varve_session *session, unsigned which) {
    (void)which;
    switch (session->status) {
    case VARVE_STATUS_IDLE:
    case VARVE_STATUS_BUSY:
    case VARVE_STATUS_WAIT:
    case VARVE_STATUS_ACTIVE:
        return view_word_value("active");
    case VARVE_STATUS_DONE:
    case VARVE_STATUS_COMPLETED:
        return view_word_value("completed");
    case VARVE_STATUS_FAILED:
        return view_word_value("failed");
    case VARVE_STATUS_CANCELLED:
        return view_word_value("cancelled");
    default: /* unknown, none, or one that only its name tells */
        return view_word_value("unknown");
    }
}

struct view_value zeph_channel(const varve_session *session, unsigned which) {
    (void)which;
    if (session->channel != VARVE_ENUM_NAMED) {
        varve_str name = name_channel(session->channel, (varve_str){NULL, 0});
        if (name.ptr) {
            return view_text_value(name);
        }
    }
    return view_word_value(session->mode == VARVE_MODE_ACP ? "acp" : "cli");
}

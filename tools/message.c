/*
 * Messages are told by their role; events that come without one (hooks, telemetry), by what they
 * are counted as. They are numbered as they are seen: by seq, without what a rewind hides.
 */
#include "tools/message.h"

#include <inttypes.h>
#include <string.h>

/* The best of these sources, and the API's. */
static uint32_t best_of(uint32_t seen) {
    uint32_t api = UINT32_C(1) << VARVE_SOURCE_API;
    /* As for the counts of messages: telemetry often keeps the words to itself. */
    static const uint8_t telling[] = {VARVE_SOURCE_TRANSCRIPT, VARVE_SOURCE_HOOK, VARVE_SOURCE_OTEL};
    for (size_t i = 0; i < sizeof telling; i++) {
        if (seen >> telling[i] & 1) {
            return api | UINT32_C(1) << telling[i];
        }
    }
    return api;
}

int message_sources(varve *store, const varve_session *session, uint32_t *ret_sources) {
    uint32_t seen = session->sources;
    varve_cursor *cursor = NULL;
    int more = 0;
    if (session->session_type == VARVE_SESSION_FORKED && !(seen >> VARVE_SOURCE_TRANSCRIPT & 1)) {
        more = varve_cursor_session(store, session->machine_id, session->session_id, UINT64_MAX,
                                    VARVE_CURSOR_BACKWARD, &cursor);
        varve_event event;
        varve_event_init(&event);
        while (more >= 0 && (more = varve_cursor_next(cursor, &event)) == 1) {
            seen |= UINT32_C(1) << event.source;
        }
        varve_cursor_close(&cursor);
    }
    if (more >= 0) {
        *ret_sources = best_of(seen);
    }
    return more < 0 ? more : VARVE_OK;
}

static int is_prompt(const varve_event *event) {
    static const char type[] = "UserPromptSubmit";
    return event->type.size == sizeof type - 1 &&
           memcmp(event->type.ptr, type, sizeof type - 1) == 0;
}

int message_of_user(const varve_event *event, uint32_t sources) {
    return event->record == VARVE_RECORD_EVENT && sources >> event->source & 1 &&
           (event->flags & VARVE_EV_USER_MESSAGE || is_prompt(event));
}

unsigned message_role(const varve_event *event, uint32_t sources) {
    if (event->record != VARVE_RECORD_EVENT || !(sources >> event->source & 1)) {
        return VARVE_ROLE_NONE;
    }
    if (event->role != VARVE_ROLE_NONE) {
        return event->role;
    }
    if (message_of_user(event, sources)) {
        return VARVE_ROLE_USER;
    }
    return event->flags & VARVE_EV_ASSISTANT_MESSAGE ? VARVE_ROLE_ASSISTANT : VARVE_ROLE_NONE;
}

int message_counts(const varve_event *event, uint32_t sources) {
    unsigned role = message_role(event, sources);
    return role == VARVE_ROLE_USER || role == VARVE_ROLE_ASSISTANT;
}

int message_seq(struct cli *cli, const varve_session *session, uint64_t nth, uint64_t *ret_seq) {
    uint64_t count = 0, seq = 0, before = 0;
    uint32_t sources = 0;
    varve_cursor *cursor = NULL;
    varve_event event;
    varve_event_init(&event);
    int more = message_sources(cli->store, session, &sources);
    if (more >= 0) {
        more = varve_cursor_session(cli->store, session->machine_id, session->session_id, 0,
                                    VARVE_CURSOR_SETTINGS, &cursor);
    }
    int found = 0;
    while (!found && more >= 0 && (more = varve_cursor_next(cursor, &event)) == 1) {
        if (event.record == VARVE_RECORD_REWIND) {
            continue; /* it is nobody's place */
        }
        before = seq;
        seq = event.seq;
        if (message_counts(&event, sources)) {
            found = nth == 0 || ++count == nth;
        }
    }
    varve_cursor_close(&cursor);
    if (more < 0) {
        return cli_fail_store(cli, more);
    }
    if (!found && nth > 0) {
        return cli_fail(cli,
                        "session '%.*s' has %" PRIu64 " messages: there is no message %" PRIu64,
                        (int)session->session_id.size, session->session_id.ptr, count, nth);
    }
    *ret_seq = nth == 0 && found ? before : seq;
    return EXIT_OKAY;
}

/*
 * What mi6 shows in a way of its own: a status out of its four, the process while it lives, and
 * what GitHub and git said, each of which may be absent.
 */
#include "tools/view_value.h"

struct view_value mi6_status(const varve_session *session, unsigned which) {
    (void)which;
    switch (session->status) {
    case VARVE_STATUS_IDLE:
        return view_word_value("idle");
    case VARVE_STATUS_BUSY:
    case VARVE_STATUS_ACTIVE:
        return view_word_value("busy");
    case VARVE_STATUS_WAIT:
        return view_word_value("wait");
    case VARVE_STATUS_DONE:
    case VARVE_STATUS_COMPLETED:
    case VARVE_STATUS_FAILED:
    case VARVE_STATUS_CANCELLED:
    case VARVE_STATUS_UNKNOWN: /* its process died */
        return view_word_value("done");
    default: /* none, or one that only its name tells */
        return view_word_value(NULL);
    }
}

struct view_value mi6_pid(const varve_session *session, unsigned which) {
    (void)which;
    int has = (session->flags & VARVE_SS_HAS_PID) != 0;
    return view_number_value(has && varve_session_is_active(session), session->pid);
}

struct view_value mi6_process_start(const varve_session *session, unsigned which) {
    (void)which;
    return view_number_value((session->flags & VARVE_SS_HAS_PROCESS_START) != 0,
                             session->process_start);
}

struct view_value mi6_git_number(const varve_session *session, unsigned has) {
    int32_t number = has == VARVE_HAS_GITHUB_ISSUE    ? session->github_issue
                     : has == VARVE_HAS_GITHUB_PR     ? session->github_pr
                     : has == VARVE_HAS_GIT_ADDITIONS ? session->git_additions
                                                      : session->git_deletions;
    return view_number_value((session->present & has) != 0, number);
}

struct view_value mi6_context(const varve_session *session, unsigned which) {
    (void)which;
    return view_number_value((session->flags & VARVE_SS_HAS_CONTEXT) != 0, session->context);
}

struct view_value mi6_transcript_available(const varve_session *session, unsigned which) {
    (void)which;
    return (struct view_value){
        .type = VIEW_BOOL, .has = 1, .number = (session->flags & VARVE_SS_TRANSCRIPT) != 0};
}

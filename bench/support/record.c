/*
 * The peers' session record. See record.h.
 */
#include "bench/support/record.h"

#include <string.h>

static void copy_text(char *to, size_t room, varve_str text) {
    size_t size = text.size < room - 1 ? text.size : room - 1;
    if (text.ptr == NULL)
        return;
    memcpy(to, text.ptr, size);
    memset(to + size, 0, room - size);
}

void record_begin(record *rec, varve_str session) {
    memset(rec, 0, sizeof *rec);
    copy_text(rec->session, sizeof rec->session, session);
}

void record_fold(record *rec, const varve_event *event) {
    if (rec->events == 0 || event->time < rec->first_time)
        rec->first_time = event->time;
    if (rec->events == 0 || event->time > rec->last_time)
        rec->last_time = event->time;
    rec->events++;
    rec->bytes += event->payload_size;
    if (event->present & VARVE_HAS_CHARGE) {
        for (int t = 0; t < VARVE_TOKENS; t++)
            rec->tokens[t] += event->tokens[t];
        rec->cost += event->cost;
        rec->requests++;
    }
    rec->user_messages += (event->flags & VARVE_EV_USER_MESSAGE) != 0;
    rec->assistant_messages += (event->flags & VARVE_EV_ASSISTANT_MESSAGE) != 0;
    rec->tool_calls += (uint32_t)event->tool_calls;
    copy_text(rec->model, sizeof rec->model, event->str[VARVE_STR_MODEL]);
    copy_text(rec->cwd, sizeof rec->cwd, event->str[VARVE_STR_CWD]);
    copy_text(rec->branch, sizeof rec->branch, event->str[VARVE_STR_GIT_BRANCH]);
    copy_text(rec->version, sizeof rec->version, event->str[VARVE_STR_VERSION]);
}

void record_look(const record *rec, record_view *ret_view) {
    ret_view->events = rec->events;
    ret_view->bytes = rec->bytes;
    ret_view->tokens = rec->tokens[VARVE_TOK_INPUT] + rec->tokens[VARVE_TOK_OUTPUT];
    ret_view->cost = rec->cost;
}

void event_head_make(event_head *head, const varve_event *event) {
    head->time = event->time;
    head->cost = event->cost;
    memcpy(head->tokens, event->tokens, sizeof head->tokens);
    head->present = event->present;
    head->flags = event->flags;
    memset(head->type, 0, sizeof head->type + sizeof head->model);
    copy_text(head->type, sizeof head->type, event->type);
    copy_text(head->model, sizeof head->model, event->str[VARVE_STR_MODEL]);
}

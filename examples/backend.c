/* Varve as the memory of an agent: append events, list sessions, replay one. */
#include <stdio.h>
#include <stdlib.h>
#include <varve.h>

static varve *store;

/* A call's result; if it failed, says why and leaves. */
static int must(int result) {
    if (result < 0) {
        fprintf(stderr, "%s\n", store ? varve_last_error(store) : varve_strerror(result));
        exit(1);
    }
    return result;
}

static void add(varve_batch *batch, const char *type, const char *text) {
    varve_event event;
    varve_event_init(&event);
    event.session_id = varve_cstr("session-1");
    event.type = varve_cstr(type);
    event.str[VARVE_STR_TEXT] = varve_cstr(text);
    must(varve_batch_add(batch, &event));
}

int main(void) {
    must(varve_open("example-store", NULL, &store)); /* makes it if need be */

    varve_batch *batch = NULL; /* all of it is stored or nothing, and is on disk when append returns */
    must(varve_batch_new(&batch));
    add(batch, "UserPromptSubmit", "sort these: 3 1 2");
    add(batch, "Answer", "1 2 3");
    must(varve_append(store, batch, VARVE_GROUP, NULL));
    varve_batch_free(&batch);

    varve_list *sessions = NULL;
    varve_session session;
    must(varve_session_list(store, NULL, &sessions));
    while (must(varve_list_next(sessions, &session)) == 1)
        printf("%.*s has %llu events\n", (int)session.session_id.size, session.session_id.ptr,
               (unsigned long long)session.events);
    varve_list_close(&sessions);

    varve_cursor *cursor = NULL;
    varve_event event;
    varve_event_init(&event);
    must(varve_cursor_session(store, varve_cstr(NULL), varve_cstr("session-1"), 0, 0, &cursor));
    while (must(varve_cursor_next(cursor, &event)) == 1) {
        varve_str text = event.str[VARVE_STR_TEXT];
        printf("%llu %.*s: %.*s\n", (unsigned long long)event.seq, (int)event.type.size, event.type.ptr,
               (int)text.size, text.ptr);
    }
    varve_cursor_close(&cursor);
    varve_close(&store);
    return 0;
}

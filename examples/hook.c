/*
 * What a hook does: a process of one event. Takes the payload from standard input and is gone.
 *
 *     hook SESSION TYPE [TOOL-USE-ID] <payload
 *
 * An event that is told twice under one tool use id is stored once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve.h>

static int fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    return 1;
}

int main(int argc, char **argv) {
    static char payload[1 << 20];
    if (argc < 3 || argc > 4)
        return fail("usage", "hook SESSION TYPE [TOOL-USE-ID] <payload");

    varve_event event;
    varve_event_init(&event);
    event.session_id = varve_cstr(argv[1]);
    event.type = varve_cstr(argv[2]);
    event.source = VARVE_SOURCE_HOOK;
    event.payload = payload;
    event.payload_size = fread(payload, 1, sizeof payload, stdin);
    event.present = VARVE_HAS_PAYLOAD;
    if (argc == 4) { /* one tool use has several events: its id and their type name this one */
        char name[512];
        (void)snprintf(name, sizeof name, "%s %s", argv[2], argv[3]);
        event.str[VARVE_STR_TOOL_USE_ID] = varve_cstr(argv[3]);
        event.uid = varve_name_uid(varve_cstr(NULL), event.session_id, varve_cstr(name));
        event.present |= VARVE_HAS_UID;
    }

    varve *store = NULL;
    varve_batch *batch = NULL;
    varve_options options;
    varve_options_init(&options);
    options.lock_timeout_ms = 2000; /* whoever called us is waiting */
    int result = varve_open("example-store", &options, &store);
    if (result < 0)
        return fail("open", varve_strerror(result));

    varve_appended done = {.size = sizeof done};
    result = varve_batch_new(&batch);
    if (result >= 0)
        result = varve_batch_add(batch, &event);
    if (result >= 0)
        result = varve_append(store, batch, VARVE_GROUP, &done);
    if (result < 0)
        fail("append", varve_strerror(result));
    else
        printf("%s: %s\n", argv[2], done.stored == 1 ? "stored" : "known already");
    varve_batch_free(&batch);
    varve_close(&store);
    return result < 0;
}

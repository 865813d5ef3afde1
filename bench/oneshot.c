/*
 * A process that does one thing with a store and ends, through the library: append one event of 4
 * KiB.
 *
 *   oneshot append STORE | oneshot append-none STORE
 */
#include "engine/varve.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    static char payload[4096];
    varve *store = NULL;
    varve_batch *batch = NULL;
    varve_event event;
    char error[300] = "";
    varve_options options;
    if (argc != 3)
        return 2;
    varve_options_init(&options);
    options.error = error;
    options.error_size = sizeof error;
    if (varve_open(argv[2], &options, &store) < 0 || varve_batch_new(&batch) < 0) {
        fprintf(stderr, "oneshot: %s\n", error);
        return 3;
    }
    memset(payload, 'x', sizeof payload);
    varve_event_init(&event);
    event.session_id = varve_cstr("0f8fad5b-d9cb-469f-a165-000000000001");
    event.type = varve_cstr("PreToolUse");
    event.payload = payload;
    event.payload_size = sizeof payload;
    varve_durability durability = strcmp(argv[1], "append") == 0 ? VARVE_GROUP : VARVE_NONE;
    int failed =
        varve_batch_add(batch, &event) < 0 || varve_append(store, batch, durability, NULL) < 0;
    varve_batch_free(&batch);
    varve_close(&store);
    return failed ? 3 : 0;
}

/*
 * A follower: prints every event of the store, whoever appends it, as soon as it is there. Ends with the
 * event "Stop".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve.h>

static varve *store;

static int must(int result) {
    if (result < 0) {
        fprintf(stderr, "%s\n", store ? varve_last_error(store) : varve_strerror(result));
        exit(1);
    }
    return result;
}

/* Prints what came behind *seen. Returns 1 when "Stop" came. */
static int print_new(uint64_t *seen) {
    varve_event_filter filter;
    varve_event_filter_init(&filter);
    filter.after_lsn = *seen;
    varve_cursor *cursor = NULL;
    must(varve_event_list(store, &filter, &cursor));
    varve_event event;
    varve_event_init(&event);
    int stop = 0;
    while (!stop && must(varve_cursor_next(cursor, &event)) == 1) {
        printf("%.*s %.*s\n", (int)event.session_id.size, event.session_id.ptr, (int)event.type.size, event.type.ptr);
        *seen = event.lsn;
        stop = event.type.size == 4 && memcmp(event.type.ptr, "Stop", 4) == 0;
    }
    varve_cursor_close(&cursor);
    (void)fflush(stdout);
    return stop;
}

int main(void) {
    uint64_t end = 0, seen = 0;
    must(varve_open("example-store", NULL, &store));
    do
        must(varve_wait(store, &end, -1)); /* no polling: whoever appends wakes it */
    while (!print_new(&seen));
    varve_close(&store);
    return 0;
}

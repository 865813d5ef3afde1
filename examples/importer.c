/*
 * An importer of one's own: lines "role: text" of a log that grows. How far it was read stands in the
 * same batch as the events, so that no line is lost or taken twice, whenever the process dies.
 *
 *     importer FILE SESSION
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

static void add_line(varve_batch *batch, varve_str session, const char *line, size_t size) {
    varve_event event;
    varve_event_init(&event);
    event.session_id = session;
    event.source = VARVE_SOURCE_TRANSCRIPT;
    int user = strncmp(line, "user:", 5) == 0;
    event.type = varve_cstr(user ? "user" : "assistant");
    event.role = user ? VARVE_ROLE_USER : VARVE_ROLE_ASSISTANT;
    event.flags = user ? VARVE_EV_USER_MESSAGE : VARVE_EV_ASSISTANT_MESSAGE;
    const char *colon = memchr(line, ':', size);
    size_t skip = colon ? (size_t)(colon - line) + 1 : 0;
    event.str[VARVE_STR_TEXT] = (varve_str){line + skip, size - skip};
    event.payload = line; /* the source's own bytes */
    event.payload_size = size;
    event.present = VARVE_HAS_PAYLOAD;
    must(varve_batch_add(batch, &event));
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: importer FILE SESSION\n");
        return 2;
    }
    must(varve_open("example-store", NULL, &store));
    varve_str name = varve_cstr(argv[1]), session = varve_cstr(argv[2]);

    char state[24] = "0"; /* the offset in digits; any bytes will do */
    int known = varve_cursor_state(store, name, state, sizeof state - 1);
    if (known != VARVE_E_NOT_FOUND)
        state[must(known)] = '\0';
    long at = strtol(state, NULL, 10), lines = 0;

    FILE *file = fopen(argv[1], "rb");
    if (!file || fseek(file, at, SEEK_SET) != 0) {
        perror(argv[1]);
        return 1;
    }
    varve_batch *batch = NULL;
    must(varve_batch_new(&batch));
    char line[4096];
    while (fgets(line, sizeof line, file) && strchr(line, '\n')) { /* one without an end is still being written */
        size_t size = strlen(line);
        add_line(batch, session, line, size - 1);
        at += (long)size;
        lines++;
    }
    (void)fclose(file);
    if (lines > 0) {
        int size = snprintf(state, sizeof state, "%ld", at);
        must(varve_batch_cursor(batch, name, state, (size_t)size));
        must(varve_append(store, batch, VARVE_GROUP, NULL));
    }
    varve_session found;
    uint64_t messages = 0;
    if (varve_session_find(store, varve_cstr(NULL), session, &found) >= 0)
        messages = found.user_messages;
    printf("%ld new lines; %llu messages of the user\n", lines, (unsigned long long)messages);
    varve_batch_free(&batch);
    varve_close(&store);
    return 0;
}

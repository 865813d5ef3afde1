/*
 * Scratch stores for tests. See scratch.h.
 */
#include "tests/support/scratch.h"

#include <sys/mman.h>

char *scratch_new(void) {
    const char *base = getenv("TMPDIR");
    char *path = malloc(256);
    snprintf(path, 200, "%s/varve-test-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    strcat(path, "/store");
    return path;
}

void scratch_run(const char *format, ...) {
    char command[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    assert_int_equal(system(command), 0);
}

void scratch_free(char *path) {
    path[strlen(path) - strlen("/store")] = 0;
    scratch_run("rm -rf '%s'", path);
    free(path);
}

varve *scratch_open(const char *path, uint32_t segment_size) {
    varve_options options;
    varve_options_init(&options);
    options.segment_size = segment_size;
    char error[300] = "";
    options.error = error;
    options.error_size = sizeof error;
    varve *store = NULL;
    int result = varve_open(path, &options, &store);
    if (result < 0)
        print_error("%s\n", error);
    assert_int_equal(result, VARVE_OK);
    return store;
}

varve_event scratch_event(const char *session, const char *type) {
    varve_event event;
    varve_event_init(&event);
    event.session_id = varve_cstr(session);
    event.type = varve_cstr(type);
    return event;
}

void scratch_append(varve *store, const char *session, const char *type, int count) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    for (int i = 0; i < count; i++) {
        varve_event event = scratch_event(session, type);
        char payload[64];
        event.payload_size = (size_t)snprintf(payload, sizeof payload, "{\"n\":%d}", i);
        event.payload = payload;
        assert_true(varve_batch_add(batch, &event) >= 0);
    }
    int result = varve_append(store, batch, VARVE_NONE, NULL);
    if (result < 0)
        print_error("%s\n", varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    varve_batch_free(&batch);
}

bool scratch_can_wipe(void) {
#ifdef MADV_WIPEONFORK
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    page[0] = 1;
    int status = 0;
    if (madvise(page, 4096, MADV_WIPEONFORK) == 0) {
        pid_t child = fork();
        if (child == 0)
            _exit(page[0]);
        waitpid(child, &status, 0);
    }
    munmap(page, 4096);
    return status == 0;
#else
    return true;
#endif
}

varve_session scratch_session(varve *store, const char *id) {
    varve_scan *scan;
    varve_session session;
    assert_int_equal(varve_scan_open(store, &scan), VARVE_OK);
    assert_int_equal(varve_scan_get(scan, varve_cstr(NULL), varve_cstr(id), &session), VARVE_OK);
    varve_scan_close(&scan);
    return session;
}

void scratch_check_seq(varve *store, const char *id, uint64_t events) {
    varve_cursor *cursor;
    varve_event event;
    assert_int_equal(varve_cursor_session(store, varve_cstr(NULL), varve_cstr(id), 0, 0, &cursor),
                     VARVE_OK);
    for (uint64_t seq = 1; seq <= events; seq++) {
        assert_int_equal(varve_cursor_next(cursor, &event), 1);
        assert_int_equal(event.seq, seq);
    }
    assert_int_equal(varve_cursor_next(cursor, &event), 0);
    varve_cursor_close(&cursor);
}

static void print_finding(void *context, const varve_finding *finding) {
    (void)context;
    print_error("%s:%llu: %s\n", finding->file, (unsigned long long)finding->offset, finding->what);
}

void scratch_verify(varve *store) {
    int faults = varve_verify(store, VARVE_VERIFY_DEEP, print_finding, NULL);
    if (faults < 0)
        print_error("%s\n", varve_last_error(store));
    assert_int_equal(faults, 0);
}

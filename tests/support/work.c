/*
 * Numbered work and its check. See work.h.
 */
#include "support/work.h"

#include "engine/store.h"
#include "support/deaths.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

work_book *work_book_new(void) {
    void *book = mmap(NULL, sizeof(work_book), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return book == MAP_FAILED ? NULL : book;
}

void work_book_free(work_book *book) {
    munmap(book, sizeof *book);
}

bool work_wrong(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

uint32_t work_mix(uint32_t a, uint32_t b, uint32_t c) {
    uint64_t mixed = ((uint64_t)a << 40 ^ (uint64_t)b << 12 ^ c) * 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9u;
    return (uint32_t)(mixed >> 32);
}

void work_in_memory(void) {
    if (access("/dev/shm", W_OK | X_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
}

bool work_long(void) {
    return getenv("VARVE_LONG") != NULL;
}

bool work_open(const ve_os *os, const char *path, uint32_t segment_size, varve **ret_store) {
    char error[300] = "";
    varve_options options;
    varve_options_init(&options);
    options.segment_size = segment_size != 0 ? segment_size : 64 << 10;
    options.machine_id = varve_cstr("here");
    options.lock_timeout_ms = -1;
    options.error = error;
    options.error_size = sizeof error;
    int result = ve_open(os != NULL ? os : &ve_os_system, path, &options, ret_store);
    return result == VARVE_OK || work_wrong("open: %d %s", result, error);
}

/* ---- Doing it ---- */

static uint32_t size_of(uint32_t writer, uint32_t number) {
    return 1 + work_mix(writer, number, 99) % WORK_BATCH_MAX;
}

static bool add_event(varve_batch *batch, uint32_t writer, uint32_t number, uint32_t i, uint32_t size) {
    uint32_t mixed = work_mix(writer, number, i);
    char session[32], payload[600], name[48];
    if (mixed % 3 == 0)
        snprintf(session, sizeof session, "shared-%u", mixed / 3 % 4);
    else
        snprintf(session, sizeof session, "own-%u-%u", writer, number / 40);
    varve_event event;
    varve_event_init(&event);
    event.session_id = varve_cstr(session);
    event.type = varve_cstr(mixed % 2 == 0 ? "assistant" : "PreToolUse");
    int used = snprintf(payload, sizeof payload, "%u %u %u %u ", writer, number, i, size);
    memset(payload + used, 'x', sizeof payload - (size_t)used);
    event.payload = payload;
    event.payload_size = (size_t)used + mixed % 400;
    snprintf(name, sizeof name, "%u/%u/%u", writer, number, i);
    if (mixed % 5 == 0) {
        event.uid = varve_name_uid(varve_cstr("here"), event.session_id, varve_cstr(name));
        event.present |= VARVE_HAS_UID;
    }
    if (mixed % 2 == 0) {
        event.str[VARVE_STR_MODEL] = varve_cstr(mixed % 4 == 0 ? "large" : "small");
        event.present |= VARVE_HAS_TOKENS << VARVE_TOK_OUTPUT | VARVE_HAS_CHARGE;
        event.tokens[VARVE_TOK_OUTPUT] = mixed % 1000;
        name[mixed % 7 == 0 ? 1 : strlen(name)] = 0; /* some messages are shared by many */
        event.charge = varve_charge_key(varve_cstr(name));
    }
    return varve_batch_add(batch, &event) >= 0;
}

static bool fill(varve_batch *batch, uint32_t writer, uint32_t number) {
    uint32_t size = size_of(writer, number);
    bool good = true;
    for (uint32_t i = 0; i < size && good; i++)
        good = add_event(batch, writer, number, i, size);
    char name[24], state[24];
    snprintf(name, sizeof name, "input-%u", writer);
    int used = snprintf(state, sizeof state, "%u", number);
    good = good && varve_batch_cursor(batch, varve_cstr(name), state, (size_t)used) >= 0;
    if (number % 7 == 3) {
        varve_event set;
        varve_event_init(&set);
        set.session_id = varve_cstr("shared-0");
        set.str[VARVE_STR_TITLE] = varve_cstr(name);
        good = good && varve_batch_set(batch, &set) >= 0;
    }
    return good;
}

int work_try(varve *store, work_book *book, uint32_t writer, uint32_t number, varve_durability durability) {
    varve_batch *batch;
    if (varve_batch_new(&batch) < 0)
        return VARVE_E_NO_MEMORY;
    bool good = fill(batch, writer, number);
    varve_appended done = {.size = sizeof done};
    int result = good ? varve_append(store, batch, durability, &done) : VARVE_E_ARGUMENT;
    if (result == VARVE_OK && done.stored == size_of(writer, number))
        atomic_store(&book->acked[writer], number + 1);
    else if (result == VARVE_OK)
        result = VARVE_E_EXISTS; /* some of it was there */
    varve_batch_free(&batch);
    return result;
}

bool work_append(varve *store, work_book *book, uint32_t writer, uint32_t number, varve_durability durability) {
    int result = work_try(store, book, writer, number, durability);
    return result == VARVE_OK || work_wrong("append %u/%u: %d %s", writer, number, result, varve_last_error(store));
}

bool work_resume(varve *store, uint32_t writer, uint32_t *ret_number) {
    char name[24], state[24] = "";
    snprintf(name, sizeof name, "input-%u", writer);
    int size = varve_cursor_state(store, varve_cstr(name), state, sizeof state - 1);
    *ret_number = size < 0 ? 0 : (uint32_t)strtoul(state, NULL, 10) + 1;
    return size >= 0 || size == VARVE_E_NOT_FOUND || work_wrong("cursor of %u: %d %s", writer, size, varve_last_error(store));
}

bool work_run(varve *store, work_book *book, uint32_t writer, uint32_t first, uint32_t count) {
    bool good = true;
    for (uint32_t number = first; number < first + count && good; number++)
        good = work_append(store, book, writer, number, work_mix(writer, number, 7) % 8 == 0 ? VARVE_GROUP : VARVE_NONE);
    return good;
}

/* ---- Checking it ---- */

typedef struct {
    uint32_t writer, number, i, size;
} place;

static bool place_of(const varve_event *event, place *ret) {
    char text[64];
    size_t size = event->payload_size < sizeof text - 1 ? event->payload_size : sizeof text - 1;
    if (event->payload == NULL)
        return false;
    memcpy(text, event->payload, size);
    text[size] = 0;
    return sscanf(text, "%u %u %u %u", &ret->writer, &ret->number, &ret->i, &ret->size) == 4 && ret->writer < WORK_WRITERS &&
           ret->size == size_of(ret->writer, ret->number);
}

bool work_next(work_line *line, const varve_event *event) {
    place next;
    if (!place_of(event, &next))
        return work_wrong("lsn %llx: not an event of ours", (unsigned long long)event->lsn);
    bool inside = line->i < line->size;
    if (event->lsn <= line->lsn || (inside ? next.writer != line->writer || next.number != line->number || next.i != line->i
                                           : next.i != 0 || next.number != line->batches[next.writer]))
        return work_wrong("lsn %llx: event %u/%u/%u of %u stands behind %u/%u/%u of %u at %llx; this writer had %u batches",
                          (unsigned long long)event->lsn, next.writer, next.number, next.i, next.size, line->writer, line->number,
                          line->i, line->size, (unsigned long long)line->lsn, line->batches[next.writer]);
    line->writer = next.writer;
    line->number = next.number;
    line->size = next.size;
    line->i = next.i + 1;
    line->lsn = event->lsn;
    line->events++;
    line->batches[next.writer] += line->i == line->size;
    return true;
}

static bool check_batches(varve *store, work_found *found) {
    varve_cursor *cursor;
    varve_event event;
    work_line line = {.lsn = 0};
    int result = varve_cursor_store(store, 0, 0, &cursor);
    if (result < 0)
        return work_wrong("store cursor: %s", varve_last_error(store));
    bool good = true;
    while (good && (result = varve_cursor_next(cursor, &event)) == 1)
        good = work_next(&line, &event);
    if (good && result < 0)
        good = work_wrong("store cursor: %d %s", result, varve_last_error(store));
    if (good && line.i < line.size)
        good = work_wrong("the last batch %u/%u has %u of %u events", line.writer, line.number, line.i, line.size);
    memcpy(found->batches, line.batches, sizeof found->batches);
    found->events = line.events;
    varve_cursor_close(&cursor);
    return good;
}

static bool check_session(varve *store, const varve_session *session, bool live) {
    varve_cursor *cursor;
    varve_event event;
    char id[64];
    snprintf(id, sizeof id, "%.*s", (int)session->session_id.size, session->session_id.ptr);
    int result = varve_cursor_session(store, varve_cstr(NULL), varve_cstr(id), 0, VARVE_CURSOR_SETTINGS, &cursor);
    if (result < 0)
        return work_wrong("session %s: %d %s", id, result, varve_last_error(store));
    uint64_t seq = 0, events = 0;
    bool good = true;
    while (good && (result = varve_cursor_next(cursor, &event)) == 1) {
        if (event.seq != seq)
            good = work_wrong("session %s: seq %llu where %llu is due", id, (unsigned long long)event.seq, (unsigned long long)seq);
        if (event.session_id.size != strlen(id) || memcmp(event.session_id.ptr, id, strlen(id)) != 0)
            good = work_wrong("session %s: an event of another one", id);
        seq++;
        events += event.record == VARVE_RECORD_EVENT;
    }
    if (good && result < 0)
        good = work_wrong("session %s: %d %s", id, result, varve_last_error(store));
    if (good && (live ? events < session->events : events != session->events || seq != session->last_seq + 1))
        good = work_wrong("session %s: %llu events up to seq %llu, its record says %llu and %llu", id, (unsigned long long)events,
                          (unsigned long long)seq, (unsigned long long)session->events, (unsigned long long)session->last_seq);
    varve_cursor_close(&cursor);
    return good;
}

static bool check_sessions(varve *store, bool live, work_found *found) {
    varve_scan *scan;
    varve_session session;
    uint64_t events = 0;
    int result = varve_scan_open(store, &scan);
    if (result < 0)
        return work_wrong("scan: %s", varve_last_error(store));
    bool good = true;
    while (good && (result = varve_scan_next(scan, &session)) == 1) {
        good = check_session(store, &session, live);
        events += session.events;
        found->sessions++;
    }
    if (good && result < 0)
        good = work_wrong("scan: %d %s", result, varve_last_error(store));
    if (good && !live && events != found->events)
        good = work_wrong("sessions count %llu events, the log has %llu", (unsigned long long)events, (unsigned long long)found->events);
    varve_scan_close(&scan);
    return good;
}

static bool check_writer(varve *store, uint32_t writer, uint32_t acked, uint32_t batches, bool live) {
    if (batches < acked)
        return work_wrong("writer %u: %u batches acknowledged, %u found", writer, acked, batches);
    if (live)
        return true;
    if (batches > acked + 1)
        return work_wrong("writer %u: %u batches acknowledged, but %u found", writer, acked, batches);
    char name[24], state[24] = "", expected[16] = "";
    snprintf(name, sizeof name, "input-%u", writer);
    int size = varve_cursor_state(store, varve_cstr(name), state, sizeof state - 1);
    if (batches > 0)
        snprintf(expected, sizeof expected, "%u", batches - 1);
    if (size != (batches > 0 ? (int)strlen(expected) : (int)VARVE_E_NOT_FOUND) || strcmp(state, expected) != 0)
        return work_wrong("writer %u: its cursor says '%s' (%d), '%s' is due", writer, state, size, expected);
    return true;
}

bool work_holds(varve *store, work_book *book, uint32_t writers, bool live, work_found *ret_found) {
    work_found found = {.events = 0};
    uint32_t acked[WORK_WRITERS];
    for (uint32_t w = 0; w < writers; w++)
        acked[w] = atomic_load(&book->acked[w]);
    bool good = check_batches(store, &found) && check_sessions(store, live, &found);
    for (uint32_t w = 0; w < writers && good; w++)
        good = check_writer(store, w, acked[w], found.batches[w], live);
    if (ret_found != NULL)
        *ret_found = found;
    return good;
}

static void print_finding(void *context, const varve_finding *finding) {
    (void)context;
    fprintf(stderr, "  %s:%llu: %d %s\n", finding->file, (unsigned long long)finding->offset, finding->error, finding->what);
}

bool work_verifies(varve *store, int faults) {
    int found = varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL);
    if (found == faults)
        return true;
    varve_verify(store, VARVE_VERIFY_DEEP, print_finding, NULL);
    return work_wrong("verify finds %d faults, not %d: %s", found, faults, found < 0 ? varve_last_error(store) : "");
}

static void count_other_finding(void *context, const varve_finding *finding) {
    if (finding->error == VARVE_E_SYNC_FAILED || finding->error == 0)
        return;
    ++*(int *)context;
    work_wrong("%s:%llu: %d %s", finding->file, (unsigned long long)finding->offset, finding->error, finding->what);
}

bool work_verifies_but_for_a_sync(varve *store) {
    int others = 0, faults = varve_verify(store, VARVE_VERIFY_DEEP, count_other_finding, &others);
    return faults >= 0 && faults <= 1 && others == 0;
}

bool work_goes_on(const char *path, work_book *book, uint32_t writers, uint32_t next) {
    varve *store = NULL;
    if (!work_open(&deaths_os, path, 0, &store))
        return false;
    work_found found;
    bool good = work_verifies(store, 0) && work_run(store, book, next, atomic_load(&book->acked[next]), 1) &&
                work_holds(store, book, writers > next ? writers : next + 1, false, &found) && work_verifies(store, 0);
    for (uint32_t w = 0; good && w < writers; w++)
        atomic_store(&book->acked[w], found.batches[w]); /* what was found once must be found again */
    varve_close(&store);
    return good;
}

static uint64_t killed;

uint64_t work_deaths(void) {
    return killed;
}

int work_in_child(bool (*body)(void *context), void *context) {
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(body(context) ? 0 : 1);
    }
    if (child > 0)
        while (waitpid(child, &status, 0) < 0)
            continue;
    killed += work_killed(status);
    return status;
}

bool work_killed(int status) {
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

bool work_succeeded(int status) {
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/*
 * What programs ask of a session's record: pure functions over it, and whether its process lives.
 * A pid means something only with its boot and its pid namespace (SPEC.md "Processes"), so those
 * are compared with this process's own before the pid is looked at.
 */
#include "engine/read.h"
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Pure ---- */

static bool str_is(varve_str text, const char *wanted) {
    size_t size = strlen(wanted);
    return text.ptr != NULL && text.size == size && memcmp(text.ptr, wanted, size) == 0;
}

int varve_session_is_active(const varve_session *session) {
    return (session->flags & VARVE_SS_ENDED) == 0;
}

int64_t varve_session_total_tokens(const varve_session *session) {
    int64_t total = 0;
    for (int t = VARVE_TOK_INPUT; t < VARVE_TOK_REASONING; t++) {
        int64_t more = session->tokens[t] > 0 ? session->tokens[t] : 0;
        total = more > INT64_MAX - total ? INT64_MAX : total + more;
    }
    return total;
}

int64_t varve_session_duration(const varve_session *session) {
    bool ended = (session->flags & VARVE_SS_ENDED) != 0;
    int64_t first = session->first_started;
    int64_t last = ended ? session->last_ended : session->last_activity;
    if ((session->flags & VARVE_SS_HAS_TIME) == 0 || last <= first)
        return 0;
    if (first < 0 && last > INT64_MAX + first)
        return INT64_MAX;
    return last - first;
}

const char *varve_session_metrics_source(const varve_session *session) {
    if ((session->flags & VARVE_SS_TRANSCRIPT) != 0)
        return "transcript";
    if ((session->sources & (1u << VARVE_SOURCE_OTEL)) != 0)
        return "otel";
    return (session->sources & (1u << VARVE_SOURCE_HOOK)) != 0 ? "hook" : "api";
}

int varve_session_should_otel_update_tokens(const varve_session *session) {
    return (session->flags & VARVE_SS_TRANSCRIPT) == 0;
}

int varve_session_should_hook_update_counts(const varve_session *session) {
    return (session->flags & VARVE_SS_TRANSCRIPT) == 0;
}

int varve_session_uses_shared_process(const varve_session *session) {
    return str_is(session->str[VARVE_STR_FRAMEWORK], "cursor");
}

int varve_session_is_amp(const varve_session *session) {
    return str_is(session->str[VARVE_STR_FRAMEWORK], "amp");
}

/* ---- Its process ---- */

enum { TOLERANCE_S = 2 };

/* The text is 32 hexadecimal digits, dashes between them. */
ve_boot ve_boot_of(const ve_os *os, varve_str text) {
    uint8_t own[16], said[16];
    int digits = 0;
    if (text.ptr == NULL || os->boot_id(own) < 0)
        return VE_BOOT_UNSAID;
    for (size_t i = 0; i < text.size; i++) {
        int c = (unsigned char)text.ptr[i];
        int value = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (value < 0 && c != '-' && c != '\n')
            return VE_BOOT_UNSAID;
        if (value < 0)
            continue;
        if (digits == 32)
            return VE_BOOT_UNSAID;
        said[digits / 2] = (uint8_t)(digits % 2 == 0 ? value << 4 : said[digits / 2] | value);
        digits++;
    }
    if (digits != 32)
        return VE_BOOT_UNSAID;
    return memcmp(own, said, sizeof own) == 0 ? VE_BOOT_OWN : VE_BOOT_OTHER;
}

/* Whether the text, "pid:[4026531836]" or the number alone, names the pid namespace of this
 * process. */
static bool own_pid_namespace(const ve_os *os, varve_str text) {
    struct stat there;
    char own[64];
    if (text.ptr == NULL || os->fstatat(AT_FDCWD, "/proc/self/ns/pid", &there, 0) < 0)
        return false;
    snprintf(own, sizeof own, "pid:[%llu]", (unsigned long long)there.st_ino);
    if (str_is(text, own))
        return true;
    own[strlen(own) - 1] = '\0';
    return str_is(text, own + sizeof "pid:[" - 1);
}

/* Reads the beginning of a file of /proc into 'to', terminated. Bytes, or -1 and errno. */
static ssize_t read_proc(const ve_os *os, const char *name, char *to, size_t room) {
    int fd = os->openat(AT_FDCWD, name, O_RDONLY, 0);
    if (fd < 0)
        return -1;
    size_t size = 0;
    ssize_t got = 0;
    while (size < room - 1) {
        got = os->pread(fd, to + size, room - 1 - size, (int64_t)size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    int saved = errno;
    os->close(fd);
    errno = saved;
    to[size] = '\0';
    return got < 0 ? -1 : (ssize_t)size;
}

/* Seconds since 1970 at which the machine was started; -1 if the kernel does not tell. */
static int64_t boot_time(const ve_os *os) {
    enum {
        ROOM = 1 << 20
    }; /* the line of interrupts, which comes before it, is long on large machines */
    char *text = malloc(ROOM);
    const char *line = NULL;
    if (text != NULL && read_proc(os, "/proc/stat", text, ROOM) > 0)
        line = strstr(text, "\nbtime ");
    int64_t time = line == NULL ? -1 : strtoll(line + sizeof "\nbtime " - 1, NULL, 10);
    free(text);
    return time;
}

/* The state letter and the start (in clock ticks since boot) that stand in /proc/PID/stat. The
 * program's name, in parentheses, may hold anything: fields are counted behind its end. */
static bool parse_stat(const char *text, char *ret_state, uint64_t *ret_ticks) {
    enum { FIELD_STATE = 3, FIELD_START = 22 };
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ' || at[2] == '\0')
        return false;
    *ret_state = at[2];
    at++;
    for (int field = FIELD_STATE; field < FIELD_START; field++) {
        at = strchr(at + 1, ' ');
        if (at == NULL)
            return false;
    }
    char *end;
    *ret_ticks = strtoull(at + 1, &end, 10);
    return end != at + 1;
}

/* Whether a process that started so many ticks after boot is the one that the session means. */
static bool started_then(const ve_os *os, const varve_session *session, uint64_t ticks) {
    if ((session->flags & VARVE_SS_HAS_PROCESS_START) == 0)
        return true;
    int64_t boot = boot_time(os);
    long per_second = sysconf(_SC_CLK_TCK);
    if (boot < 0 || per_second <= 0 || ticks > INT64_MAX / 2)
        return true; /* it cannot be told: the pid is alive, and that must do */
    int64_t started = boot + (int64_t)ticks / per_second;
    return session->process_start >= started - TOLERANCE_S &&
           session->process_start <= started + TOLERANCE_S;
}

int varve_session_process(varve *store, const varve_session *session) {
    VE_TURN(store);
    int result = ve_enter(store);
    if (result < 0)
        return result;
    if ((session->flags & VARVE_SS_HAS_PID) == 0 || session->pid <= 0)
        return VARVE_PROCESS_NONE;
    const ve_os *os = store->os;
    if (ve_boot_of(os, session->str[VARVE_STR_BOOT_ID]) != VE_BOOT_OWN ||
        !own_pid_namespace(os, session->str[VARVE_STR_PID_NAMESPACE]))
        return VARVE_PROCESS_FOREIGN;
    char name[64], text[1024], state;
    uint64_t ticks;
    snprintf(name, sizeof name, "/proc/%d/stat", (int)session->pid);
    if (read_proc(os, name, text, sizeof text) < 0) {
        if (errno == ENOENT || errno == ESRCH)
            return VARVE_PROCESS_GONE;
        return ve_fail_os(store, "%s: cannot be read", name);
    }
    if (!parse_stat(text, &state, &ticks) || state == 'Z' || state == 'X')
        return VARVE_PROCESS_GONE; /* an empty file: it ended meanwhile */
    return started_then(os, session, ticks) ? VARVE_PROCESS_RUNNING : VARVE_PROCESS_GONE;
}

int varve_session_is_process_running(varve *store, const varve_session *session) {
    VE_TURN(store);
    return varve_session_process(store, session) == VARVE_PROCESS_RUNNING;
}

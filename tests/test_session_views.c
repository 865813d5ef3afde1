/*
 * What the questions asked of a session record promise (varve.h "Views"). With a path as its only
 * argument the program makes the store that the tests of the views look at, and does nothing else.
 */
#include "engine/store.h"
#include "tests/support/scratch.h"
#include "tests/support/view_store.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

/* ---- Questions that only look at the record ---- */

static void an_ended_session_is_not_active(void **state) {
    (void)state;
    varve_session session = {.flags = VARVE_SS_HAS_ENDED | VARVE_SS_HAS_TIME};
    assert_true(varve_session_is_active(&session)); /* revived */
    session.flags |= VARVE_SS_ENDED;
    assert_false(varve_session_is_active(&session));
}

static void tokens_are_summed_without_reasoning_and_never_overflow(void **state) {
    (void)state;
    varve_session session = {.tokens = {1, 20, 300, 4000, 50000, 600000}};
    assert_int_equal(varve_session_total_tokens(&session), 54321);
    session.tokens[VARVE_TOK_OUTPUT] = -5; /* a crafted record */
    assert_int_equal(varve_session_total_tokens(&session), 54301);
    session.tokens[VARVE_TOK_OUTPUT] = INT64_MAX;
    assert_int_equal(varve_session_total_tokens(&session), INT64_MAX);
}

static void duration_ends_with_the_session_else_with_its_activity(void **state) {
    (void)state;
    varve_session session = {.first_started = 100, .last_ended = 150, .last_activity = 400};
    assert_int_equal(varve_session_duration(&session), 0);
    session.flags = VARVE_SS_HAS_TIME;
    assert_int_equal(varve_session_duration(&session), 300);
    session.flags |= VARVE_SS_ENDED;
    assert_int_equal(varve_session_duration(&session), 50);
    session.last_ended = 99;
    assert_int_equal(varve_session_duration(&session), 0);
    session.first_started = INT64_MIN;
    session.last_ended = INT64_MAX;
    assert_int_equal(varve_session_duration(&session), INT64_MAX);
}

static void the_best_source_owns_the_figures(void **state) {
    (void)state;
    varve_session session = {.sources = 0};
    assert_string_equal(varve_session_metrics_source(&session), "api");
    session.sources |= 1u << VARVE_SOURCE_HOOK;
    assert_string_equal(varve_session_metrics_source(&session), "hook");
    session.sources |= 1u << VARVE_SOURCE_OTEL;
    assert_string_equal(varve_session_metrics_source(&session), "otel");
    assert_true(varve_session_should_otel_update_tokens(&session));
    assert_true(varve_session_should_hook_update_counts(&session));
    session.flags |= VARVE_SS_TRANSCRIPT;
    assert_string_equal(varve_session_metrics_source(&session), "transcript");
    assert_false(varve_session_should_otel_update_tokens(&session));
    assert_false(varve_session_should_hook_update_counts(&session));
}

static void frameworks_are_known_by_their_whole_name(void **state) {
    (void)state;
    varve_session session = {0};
    assert_false(varve_session_is_amp(&session));
    session.str[VARVE_STR_FRAMEWORK] = varve_cstr("amp");
    assert_true(varve_session_is_amp(&session));
    assert_false(varve_session_uses_shared_process(&session));
    session.str[VARVE_STR_FRAMEWORK] = varve_cstr("cursor");
    assert_true(varve_session_uses_shared_process(&session));
    session.str[VARVE_STR_FRAMEWORK].size = 5;
    assert_false(varve_session_uses_shared_process(&session));
}

/* ---- The process ---- */

static char boot_text[64], namespace_text[64];

/* A record whose process is 'pid' of this boot and this namespace. */
static varve_session session_of(pid_t pid) {
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    struct stat own;
    assert_non_null(file);
    assert_non_null(fgets(boot_text, sizeof boot_text, file));
    fclose(file);
    boot_text[strcspn(boot_text, "\n")] = 0;
    assert_int_equal(stat("/proc/self/ns/pid", &own), 0);
    snprintf(namespace_text, sizeof namespace_text, "pid:[%llu]", (unsigned long long)own.st_ino);
    varve_session session = {.size = sizeof session, .flags = VARVE_SS_HAS_PID, .pid = pid};
    session.str[VARVE_STR_BOOT_ID] = varve_cstr(boot_text);
    session.str[VARVE_STR_PID_NAMESPACE] = varve_cstr(namespace_text);
    return session;
}

static void a_process_is_running_until_it_ends(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    int gate[2];
    assert_int_equal(pipe(gate), 0);
    int64_t now = (int64_t)time(NULL);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(gate[1]);
        _exit((int)read(gate[0], &byte, 1));
    }
    varve_session session = session_of(child);
    assert_int_equal(varve_session_process(store, &session), VARVE_PROCESS_RUNNING);
    session.flags |= VARVE_SS_HAS_PROCESS_START;
    session.process_start = now;
    assert_int_equal(varve_session_is_process_running(store, &session), 1);
    for (int away = -5; away <= 5; away += 10) { /* the pid came back as another process */
        session.process_start = now + away;
        assert_int_equal(varve_session_process(store, &session), VARVE_PROCESS_GONE);
        assert_int_equal(varve_session_is_process_running(store, &session), 0);
    }
    session.process_start = now;
    close(gate[1]);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0); /* a zombie */
    assert_int_equal(varve_session_process(store, &session), VARVE_PROCESS_GONE);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(varve_session_process(store, &session), VARVE_PROCESS_GONE);
    close(gate[0]);
    varve_close(&store);
    scratch_free(path);
}

static void only_a_process_of_ones_own_is_judged(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_session own = session_of(getpid()), other = own;
    assert_int_equal(varve_session_process(store, &own), VARVE_PROCESS_RUNNING);
    other.flags = 0;
    assert_int_equal(varve_session_process(store, &other), VARVE_PROCESS_NONE);
    other = own;
    other.pid = 0;
    assert_int_equal(varve_session_process(store, &other), VARVE_PROCESS_NONE);
    for (int which = 0; which < 4; which++) {
        other = own;
        int str = which < 2 ? VARVE_STR_BOOT_ID : VARVE_STR_PID_NAMESPACE;
        other.str[str] = varve_cstr(which % 2 == 0 ? NULL : "00000000-0000-0000-0000-000000000000");
        assert_int_equal(varve_session_process(store, &other), VARVE_PROCESS_FOREIGN);
        assert_int_equal(varve_session_is_process_running(store, &other), 0);
    }
    other = own; /* the number alone, as other programs write it */
    other.str[VARVE_STR_PID_NAMESPACE].ptr += strlen("pid:[");
    other.str[VARVE_STR_PID_NAMESPACE].size -= strlen("pid:[]");
    assert_int_equal(varve_session_process(store, &other), VARVE_PROCESS_RUNNING);
    varve_close(&store);
    scratch_free(path);
}

static const char *false_stat;
static ve_os false_os;

static int false_openat(int dir, const char *name, int flags, unsigned mode) {
    if (strncmp(name, "/proc/", 6) != 0 || strcmp(name, "/proc/stat") == 0)
        return ve_os_system.openat(dir, name, flags, mode);
    int fd = memfd_create("stat", 0);
    assert_int_equal(write(fd, false_stat, strlen(false_stat)), strlen(false_stat));
    return fd;
}

static void a_program_may_have_any_name(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = NULL;
    false_os = ve_os_system;
    false_os.openat = false_openat;
    assert_int_equal(ve_open(&false_os, path, NULL, &store), VARVE_OK);
    static const struct {
        const char *text;
        int answer;
    } stats[] = {
        {"7 (a) Z (b)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 100 20\n",
         VARVE_PROCESS_RUNNING},
        {"7 (a) S (b)) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 100 20\n",
         VARVE_PROCESS_GONE},
        {"7 (a) S 1 2 3", VARVE_PROCESS_GONE},
        {"", VARVE_PROCESS_GONE},
    };
    for (size_t i = 0; i < sizeof stats / sizeof *stats; i++) {
        false_stat = stats[i].text;
        varve_session session = session_of(7);
        assert_int_equal(varve_session_process(store, &session), stats[i].answer);
    }
    varve_close(&store);
    scratch_free(path);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ended_session_is_not_active),
        cmocka_unit_test(tokens_are_summed_without_reasoning_and_never_overflow),
        cmocka_unit_test(duration_ends_with_the_session_else_with_its_activity),
        cmocka_unit_test(the_best_source_owns_the_figures),
        cmocka_unit_test(frameworks_are_known_by_their_whole_name),
        cmocka_unit_test(a_process_is_running_until_it_ends),
        cmocka_unit_test(only_a_process_of_ones_own_is_judged),
        cmocka_unit_test(a_program_may_have_any_name),
    };
    if (argc > 1) {
        view_store_make(argv[1]);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

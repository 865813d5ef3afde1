/*
 * Memory that is not there while a store is read, checked, put in order or repaired, the n-th time that some is asked for, for
 * every n: the call does what it is for, or says that there is no memory, and nothing else; done again it succeeds. Lack of
 * memory is never told as damage. (Calls that append: test_fail_calls.)
 *
 * VARVE_LONG takes every n, else all of the first ones and a sample of the rest.
 */
#include "support/dump.h"
#include "support/failures.h"
#include "support/mending.h"
#include "support/power.h"
#include "support/scratch.h"
#include "support/tidy.h"
#include "support/tree.h"

#include "engine/repair.h"
#include "engine/store.h"

static const char steps[] = "aaaaaaaaaacaaabaawaaaaxaaaabaaaa";
static char *path; /* of the store that all of it is tried on */

static uint64_t next_call(uint64_t n) {
    return n + (work_long() ? 1 : 1 + n / 40);
}

static int open_at(const char *at, uint32_t flags, varve **ret_store) {
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    options.segment_size = 64 << 10;
    options.machine_id = varve_cstr("here");
    return ve_open(&failures_os, at, &options, ret_store);
}

static int make(void **state) {
    (void)state;
    varve *store = NULL;
    path = scratch_new();
    failures_at(0, 0, false);
    if (open_at(path, 0, &store) < 0)
        return -1;
    for (uint32_t i = 0; steps[i] != 0; i++) {
        failures_now(power_minute(i + 10));
        power_place place = {.steps = steps, .step = i};
        assert_int_equal(power_step(store, &place), VARVE_OK);
    }
    varve_close(&store);
    return 0;
}

static int unmake(void **state) {
    (void)state;
    scratch_free(path);
    return 0;
}

/* ---- Calls that read ---- */

typedef struct {
    const char *name;
    int (*read)(varve *store, uint64_t *sum);
} reading;

static int add_events(varve_cursor *cursor, uint64_t *sum) {
    varve_event event;
    char line[900];
    int more;
    while ((more = varve_cursor_next(cursor, &event)) == 1) {
        dump_event(line, sizeof line, &event);
        *sum = vf_sum64(line, strlen(line), *sum);
    }
    varve_cursor_close(&cursor);
    return more;
}

static int read_forward(varve *store, uint64_t *sum) {
    varve_cursor *cursor;
    int result = varve_cursor_store(store, 0, VARVE_CURSOR_SETTINGS, &cursor);
    return result < 0 ? result : add_events(cursor, sum);
}

static int read_backward(varve *store, uint64_t *sum) {
    varve_cursor *cursor;
    int result = varve_cursor_store(store, UINT64_MAX, VARVE_CURSOR_BACKWARD, &cursor);
    return result < 0 ? result : add_events(cursor, sum);
}

static int read_session(varve *store, uint64_t *sum) {
    varve_cursor *cursor;
    for (uint32_t flags = 0; flags < 2; flags++) {
        int result = varve_cursor_session(store, varve_cstr(NULL), varve_cstr("s-1"), flags ? UINT64_MAX : 0,
                                          flags ? VARVE_CURSOR_BACKWARD : VARVE_CURSOR_SETTINGS, &cursor);
        if (result < 0 || (result = add_events(cursor, sum)) < 0)
            return result;
    }
    return VARVE_OK;
}

static int query_by_time(varve *store, uint64_t *sum) {
    varve_event_filter filter;
    varve_cursor *cursor;
    varve_event_filter_init(&filter);
    filter.flags = VARVE_EVENTS_BY_TIME | VARVE_EVENTS_REVERSE | VARVE_EVENTS_SETTINGS;
    filter.limit = 40;
    int result = varve_event_list(store, &filter, &cursor);
    return result < 0 ? result : add_events(cursor, sum);
}

static int query_of_sessions(varve *store, uint64_t *sum) {
    varve_event_filter filter;
    varve_cursor *cursor;
    varve_str ids[] = {varve_cstr("s-1"), varve_cstr("s-2")};
    varve_event_filter_init(&filter);
    filter.session_ids = ids;
    filter.session_count = 2;
    filter.framework = varve_cstr("claude_code");
    uint64_t count = 0;
    int result = varve_event_count(store, &filter, &count);
    filter.framework = varve_cstr(NULL);
    if (result == VARVE_OK)
        result = varve_event_list(store, &filter, &cursor);
    *sum += count;
    return result < 0 ? result : add_events(cursor, sum);
}

static int add_sessions(varve_list *list, uint64_t *sum) {
    varve_session session = {.size = sizeof session};
    int more;
    while ((more = varve_list_next(list, &session)) == 1)
        *sum = *sum * 31 + session.row + session.events + (uint64_t)session.cost;
    varve_list_close(&list);
    return more;
}

static int list_sessions(varve *store, uint64_t *sum) {
    int result = VARVE_OK;
    for (uint32_t order = VARVE_ORDER_ARRIVAL; order <= VARVE_ORDER_COST && result == VARVE_OK; order++) {
        varve_session_filter filter;
        varve_list *list;
        uint64_t count = 0;
        varve_session_filter_init(&filter);
        filter.order = order;
        filter.limit = order % 2 * 5;
        if (order == VARVE_ORDER_ACTIVITY)
            filter.labels = varve_cstr("team=a");
        result = varve_session_count(store, &filter, &count);
        *sum += count;
        if (result == VARVE_OK && (result = varve_session_list(store, &filter, &list)) == VARVE_OK)
            result = add_sessions(list, sum);
    }
    return result;
}

static int scan_sessions(varve *store, uint64_t *sum) {
    varve_scan *scan;
    varve_session session = {.size = sizeof session};
    int more, result = varve_scan_open(store, &scan);
    if (result < 0)
        return result;
    while ((more = varve_scan_next(scan, &session)) == 1)
        *sum = *sum * 31 + session.row + session.events + session.str[VARVE_STR_LABELS].size;
    varve_scan_close(&scan);
    return more;
}

static int add_usage(void *context, const varve_usage *usage) {
    uint64_t *sum = context;
    *sum = *sum * 31 + (uint64_t)usage->cost + usage->session_row;
    return 0;
}

static int read_usage(varve *store, uint64_t *sum) {
    varve_stats stats = {.size = sizeof stats};
    varve_totals totals = {.size = sizeof totals};
    int result = varve_usage_each(store, add_usage, sum);
    if (result == VARVE_OK)
        result = varve_session_totals(store, &totals);
    if (result == VARVE_OK)
        result = varve_stat(store, &stats);
    *sum += totals.events + stats.events;
    return result;
}

static int read_state(varve *store, uint64_t *sum) {
    char state[100];
    int size = varve_cursor_state(store, varve_cstr("input-1"), state, sizeof state);
    if (size > 0)
        *sum = vf_sum64(state, (size_t)size, 0);
    return size < 0 ? size : VARVE_OK;
}

static void tell(void *context, const varve_finding *finding) {
    if (finding->error != 0)
        print_error("%s: %s\n", finding->file, finding->what);
    ++*(uint64_t *)context;
}

static int verify(varve *store, uint64_t *sum) {
    return varve_verify(store, VARVE_VERIFY_DEEP, tell, sum);
}

static int look_for_gone(varve *store, uint64_t *sum) {
    (void)sum;
    return varve_reconcile(store, VARVE_RECONCILE_DRY_RUN, NULL, NULL);
}

/* With the n-th piece of memory missing. False: there is no n-th. */
static bool reads_without(const reading *call, uint32_t flags, uint64_t n, uint64_t expected) {
    varve *store = NULL;
    uint64_t sum = 0, again = 0;
    int descriptors = tidy_descriptors(), blocks = failures_blocks();
    assert_int_equal(open_at(path, flags, &store), VARVE_OK);
    failures_at(n, FAILURES_MEMORY, false);
    int result = call->read(store, &sum);
    bool reached = failures_calls() >= n;
    failures_at(0, 0, false);
    if (result != VARVE_OK && (result != VARVE_E_NO_MEMORY || varve_last_error(store)[0] == 0))
        fail_msg("%s (%x) without its memory %llu: %d %s", call->name, flags, (unsigned long long)n, result, varve_last_error(store));
    if (result == VARVE_OK && sum != expected)
        fail_msg("%s (%x) without its memory %llu answers something else", call->name, flags, (unsigned long long)n);
    result = call->read(store, &again);
    if (result != VARVE_OK || again != expected)
        fail_msg("%s (%x) after memory %llu was missing: %d %s", call->name, flags, (unsigned long long)n, result, varve_last_error(store));
    varve_close(&store);
    assert_int_equal(failures_descriptors(), 0);
    assert_int_equal(failures_maps(), 0);
    assert_int_equal(failures_blocks(), blocks);
    assert_int_equal(tidy_descriptors(), descriptors);
    return reached;
}

static void whatever_reads_says_that_there_is_no_memory(void **state) {
    (void)state;
    static const reading calls[] = {{"read forward", read_forward},   {"read backward", read_backward},
                                    {"read a session", read_session}, {"query by time", query_by_time},
                                    {"query", query_of_sessions},     {"list", list_sessions},
                                    {"scan", scan_sessions},          {"usage", read_usage},
                                    {"state", read_state},            {"verify", verify},
                                    {"reconcile", look_for_gone}};
    static const uint32_t opened[] = {0, VARVE_OPEN_READ_ONLY, VARVE_OPEN_NO_INDEX};
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
        for (size_t o = 0; o < 3; o++) {
            varve *store = NULL;
            uint64_t expected = 0, n = 1;
            assert_int_equal(open_at(path, opened[o], &store), VARVE_OK);
            assert_int_equal(calls[c].read(store, &expected), VARVE_OK);
            varve_close(&store);
            while (reads_without(&calls[c], opened[o], n, expected))
                n = next_call(n);
        }
}

/* ---- Repair ---- */

static void lose_manifest(const char *at) {
    scratch_run("rm '%s'/manifest.*", at);
}

static void lose_raw_segment(const char *at) {
    scratch_run("rm \"$(ls '%s'/seg/*.log | sed -n 2p)\"", at);
}

static void lose_identity(const char *at) {
    scratch_run("rm '%s/STORE'", at);
}

static void break_packed_block(const char *at) {
    scratch_run("printf x | dd of=\"$(ls '%s'/seg/*.seg | head -n 1)\" bs=1 seek=5000 conv=notrunc 2>/dev/null", at);
}

static void break_raw_record(const char *at) {
    scratch_run("printf x | dd of=\"$(ls '%s'/seg/*.log | head -n 1)\" bs=1 seek=9000 conv=notrunc 2>/dev/null", at);
}

static char *told_of(const char *at) {
    varve *store = NULL;
    assert_int_equal(open_at(at, 0, &store), VARVE_OK);
    assert_true(work_verifies(store, 0));
    char *told = power_told(store);
    varve_close(&store);
    return told;
}

static char *damaged(void (*damage)(const char *at)) {
    char *copy = scratch_new();
    tree_copy(path, copy, true);
    damage(copy);
    return copy;
}

static bool repairs_without(void (*damage)(const char *at), uint64_t n, const char *expected) {
    static mending_report report;
    int descriptors = tidy_descriptors();
    char *copy = damaged(damage);
    int blocks = failures_blocks();
    failures_at(n, FAILURES_MEMORY, false);
    mending_repair(&failures_os, copy, 0, &report);
    bool reached = failures_calls() >= n;
    failures_at(0, 0, false);
    if (report.result != VARVE_OK && report.result != VARVE_E_NO_MEMORY)
        fail_msg("without its memory %llu: %s", (unsigned long long)n, report.text);
    if (report.result == VARVE_E_NO_MEMORY && strstr(report.text, "failed: -22 ") == NULL)
        fail_msg("without its memory %llu it does not say why", (unsigned long long)n);
    assert_int_equal(failures_descriptors(), 0);
    assert_int_equal(failures_maps(), 0);
    if (failures_blocks() != blocks)
        fail_msg("without its memory %llu it leaves %d blocks", (unsigned long long)n, failures_blocks() - blocks);
    assert_int_equal(tidy_descriptors(), descriptors);
    mending_repair(&failures_os, copy, 0, &report);
    if (report.result != VARVE_OK)
        fail_msg("after memory %llu was missing: %s", (unsigned long long)n, report.text);
    char *told = told_of(copy);
    if (!dump_equal("repaired", expected, told))
        fail_msg("after memory %llu was missing", (unsigned long long)n);
    free(told);
    scratch_free(copy);
    return reached;
}

static void a_repair_without_memory_is_finished_by_the_next(void **state) {
    (void)state;
    static void (*const damages[])(const char *at) = {lose_manifest, lose_raw_segment, lose_identity, break_packed_block,
                                                      break_raw_record};
    static mending_report report;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        char *copy = damaged(damages[i]);
        mending_repair(&failures_os, copy, 0, &report);
        assert_int_equal(report.result, VARVE_OK);
        if (report.text[0] == 0)
            fail_msg("damage %zu is not noticed", i);
        char *expected = told_of(copy);
        scratch_free(copy);
        for (uint64_t n = 1; repairs_without(damages[i], n, expected);)
            n += work_long() ? 1 : 1 + n / 8;
        free(expected);
    }
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_reads_says_that_there_is_no_memory),
        cmocka_unit_test(a_repair_without_memory_is_finished_by_the_next),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}

/*
 * Queries of sessions: each filter on both sides of its boundary, orders with their ties, pages that stay
 * whole while others append, and short lists that are the beginning of long ones.
 */
#include "tests/support/scratch.h"

enum { LONG = 1 << 14 };

static varve_session_filter everything(void) {
    varve_session_filter filter;
    varve_session_filter_init(&filter);
    return filter;
}

static varve_session_filter by_labels(const char *labels) {
    varve_session_filter filter = everything();
    filter.labels = varve_cstr(labels);
    return filter;
}

/* The ids that a list gives, each with a blank behind it; the place of the last. */
static char *list(varve *store, const varve_session_filter *filter, varve_place *ret_place) {
    static char got[LONG];
    varve_list *sessions;
    varve_session session;
    size_t size = 0;
    int more;
    int result = varve_session_list(store, filter, &sessions);
    if (result < 0)
        print_error("%s\n", varve_last_error(store));
    assert_int_equal(result, VARVE_OK);
    while ((more = varve_list_next(sessions, &session)) == 1)
        size += (size_t)snprintf(got + size, sizeof got - size, "%.*s ", (int)session.session_id.size, session.session_id.ptr);
    assert_int_equal(more, 0);
    assert_int_equal(varve_list_next(sessions, &session), 0);
    if (ret_place != NULL)
        *ret_place = varve_list_place(sessions);
    varve_list_close(&sessions);
    assert_null(sessions);
    got[size] = 0;
    return got;
}

/* The list is so, and the count with it. */
static void gives(varve *store, varve_session_filter filter, const char *expected) {
    assert_string_equal(list(store, &filter, NULL), expected);
    uint64_t count = 0, words = 0;
    for (const char *at = expected; *at != 0; at++)
        words += *at == ' ';
    assert_int_equal(varve_session_count(store, &filter, &count), VARVE_OK);
    assert_int_equal(count, words);
}

static varve_event named(const char *id) {
    return scratch_event(id, "");
}

static void set(varve *store, varve_event event) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_set(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void append(varve *store, varve_event event) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    assert_true(varve_batch_add(batch, &event) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void at_time(varve *store, const char *id, const char *type, int64_t time) {
    varve_event event = scratch_event(id, type);
    event.present = VARVE_HAS_TIME;
    event.time = time;
    append(store, event);
}

static void set_str(varve *store, const char *id, int str, const char *text) {
    varve_event event = named(id);
    event.str[str] = varve_cstr(text);
    set(store, event);
}

/* ---- Filters ---- */

static void a_text_must_be_equal(void **state) {
    (void)state;
    char *path = scratch_new(), name[200];
    varve *store = scratch_open(path, 0);
    static const struct {
        int str;
        size_t field;
    } texts[] = {
        {VARVE_STR_FRAMEWORK, offsetof(varve_session_filter, framework)},
        {VARVE_STR_PROJECT, offsetof(varve_session_filter, project)},
        {VARVE_STR_MODEL, offsetof(varve_session_filter, model)},
        {VARVE_STR_GITHUB_REPO, offsetof(varve_session_filter, github_repo)},
        {VARVE_STR_CWD, offsetof(varve_session_filter, cwd)},
    };
    memset(name, 'n', sizeof name);
    name[150] = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int str = texts[i].str;
        set_str(store, "yes", str, "value");
        set_str(store, "longer", str, "value2");
        set_str(store, "shorter", str, "valu");
        set_str(store, "empty", str, "");
        set_str(store, "long", str, name);
        name[149] = 'x'; /* differs behind what the index keeps of a name */
        set_str(store, "long2", str, name);
        name[149] = 'n';
        set_str(store, "was", str, "value");
        set_str(store, "was", str, "other");
        set(store, named("absent"));
        varve_session_filter filter = everything();
        varve_str *asked = (varve_str *)(void *)((char *)&filter + texts[i].field);
        *asked = varve_cstr("value");
        gives(store, filter, "yes ");
        *asked = varve_cstr("");
        gives(store, filter, "empty ");
        *asked = varve_cstr("nobody");
        gives(store, filter, "");
        *asked = varve_cstr(name);
        gives(store, filter, "long ");
    }
    gives(store, everything(), "yes longer shorter empty long long2 was absent ");
    varve_close(&store);
    scratch_free(path);
}

static void a_machine_is_part_of_whom_a_session_is(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_event event = named("s");
    set(store, event);
    event.machine_id = varve_cstr("box");
    set(store, event);
    event.machine_id = varve_cstr("box2");
    set(store, event);
    gives(store, everything(), "s s s ");
    varve_session_filter filter = everything();
    filter.machine_id = varve_cstr("box");
    gives(store, filter, "s ");
    filter.machine_id = varve_machine_id(store);
    gives(store, filter, "s ");
    filter.machine_id = varve_cstr("bo");
    gives(store, filter, "");
    varve_close(&store);
    scratch_free(path);
}

static void times_are_from_after_on_and_before_before(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    at_time(store, "a", "user", 100);
    at_time(store, "a", "user", 200);
    scratch_append(store, "stamped", "user", 1); /* has the present time */
    set(store, named("none"));
    varve_session_filter filter = everything();
    filter.active_since = 200;
    gives(store, filter, "a stamped ");
    filter.active_since = 201;
    gives(store, filter, "stamped ");
    filter = everything();
    filter.started_after = 100;
    gives(store, filter, "a stamped ");
    filter.started_after = 101;
    gives(store, filter, "stamped ");
    filter = everything();
    filter.started_before = 101;
    gives(store, filter, "a ");
    filter.started_before = 100;
    gives(store, filter, "");
    filter.started_after = 100;
    filter.started_before = 101;
    gives(store, filter, "a ");
    varve_close(&store);
    scratch_free(path);
}

static void what_lists_leave_out_comes_when_it_is_asked_for(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    varve_event event = named("sub");
    event.session_type = VARVE_SESSION_SUBAGENT;
    set(store, event);
    event = named("child");
    event.str[VARVE_STR_PARENT_ID] = varve_cstr("stub");
    set(store, event);
    event = named("orphan");
    event.str[VARVE_STR_PARENT_ID] = varve_cstr("gone");
    set(store, event);
    set(store, named("gone"));
    event = named("hidden");
    event.flags = VARVE_EV_HIDDEN;
    set(store, event);
    at_time(store, "ended", "SessionStart", 1);
    at_time(store, "ended", "SessionEnd", 2);
    at_time(store, "revived", "SessionEnd", 2);
    at_time(store, "revived", "SessionStart", 3);
    varve_batch *batch;
    varve_batch_new(&batch);
    assert_true(varve_batch_delete(batch, varve_cstr(NULL), varve_cstr("gone")) >= 0);
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
    varve_session_filter filter = everything();
    gives(store, filter, "orphan ended revived "); /* a deleted parent is none */
    filter.flags = VARVE_LIST_ACTIVE;
    gives(store, filter, "orphan revived ");
    filter.flags = VARVE_LIST_SUBAGENTS;
    gives(store, filter, "sub child orphan ended revived ");
    filter.flags = VARVE_LIST_STUBS;
    gives(store, filter, "stub orphan ended revived ");
    filter.flags = VARVE_LIST_HIDDEN;
    gives(store, filter, "orphan hidden ended revived ");
    filter.flags = VARVE_LIST_DELETED;
    gives(store, filter, "orphan gone ended revived ");
    filter = everything();
    filter.session_types = 1u << VARVE_SESSION_SUBAGENT;
    gives(store, filter, "sub ");
    filter = everything();
    filter.parent_id = varve_cstr("stub");
    gives(store, filter, "child ");
    filter.parent_id = varve_cstr("gone");
    gives(store, filter, "");
    filter = everything();
    filter.parent_row = scratch_session(store, "child").parent_row;
    gives(store, filter, "child ");
    varve_close(&store);
    scratch_free(path);
}

static void sets_of_values_and_numbers(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    const uint8_t statuses[] = {VARVE_STATUS_NONE, VARVE_STATUS_IDLE, VARVE_STATUS_WAIT, VARVE_STATUS_UNKNOWN};
    const char *ids[] = {"none", "idle", "wait", "unknown"};
    for (int i = 0; i < 4; i++) {
        varve_event event = named(ids[i]);
        event.status = statuses[i];
        event.present = VARVE_HAS_GITHUB_ISSUE | VARVE_HAS_GITHUB_PR;
        event.github_issue = i + 1;
        event.github_pr = 10 - i;
        set(store, event);
    }
    const char *own[] = {"paused", "frozen"};
    for (int i = 0; i < 2; i++) {
        varve_event event = named(own[i]);
        event.status = VARVE_ENUM_NAMED;
        event.str[VARVE_STR_STATUS] = varve_cstr(own[i]);
        event.session_type = i == 0 ? VARVE_SESSION_FORKED : VARVE_SESSION_MAIN;
        set(store, event);
    }
    varve_session_filter filter = everything();
    filter.statuses = 1u << VARVE_STATUS_WAIT;
    gives(store, filter, "wait ");
    filter.statuses = 1u << VARVE_STATUS_NONE | 1u << VARVE_STATUS_UNKNOWN;
    gives(store, filter, "none unknown ");
    filter.statuses = 1u << (VARVE_ENUM_NAMED & 31);
    gives(store, filter, "paused frozen ");
    filter.statuses = 0;
    filter.status_name = varve_cstr("paused");
    gives(store, filter, "paused ");
    filter.statuses = 1u << VARVE_STATUS_IDLE;
    gives(store, filter, "idle paused ");
    filter = everything();
    filter.session_types = 1u << VARVE_SESSION_MAIN;
    gives(store, filter, "frozen ");
    filter.session_types |= 1u << VARVE_SESSION_FORKED;
    gives(store, filter, "paused frozen ");
    filter = everything();
    filter.github_issue = 3;
    gives(store, filter, "wait ");
    filter.github_pr = 9;
    gives(store, filter, "");
    filter.github_issue = 2;
    gives(store, filter, "idle ");
    filter.github_issue = 0;
    gives(store, filter, "idle ");
    varve_close(&store);
    scratch_free(path);
}

static void all_labels_must_hold(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    set_str(store, "a", VARVE_STR_LABELS, "run=7\ntask=x=y");
    set_str(store, "b", VARVE_STR_LABELS, "run=7\ntask=z");
    set_str(store, "c", VARVE_STR_LABELS, "run=77\nrunning=7\nempty=");
    set_str(store, "d", VARVE_STR_LABELS, "run=7");
    set_str(store, "d", VARVE_STR_LABELS, "run");
    set(store, named("e"));
    static const char *const cases[][2] = {
        {"run=7", "a b "},       {"run=7\n", "a b "},   {"run=7\ntask=z", "b "}, {"task=x=y", "a "}, {"task=x", ""},
        {"run", "a b c "},       {"running", "c "},     {"ru", ""},              {"run=", ""},       {"empty=", "c "},
        {"empty", "c "},         {"run\ntask", "a b "}, {"", "a b c d e "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        gives(store, by_labels(cases[i][0]), cases[i][1]);
    varve_close(&store);
    scratch_free(path);
}

/* ---- Orders ---- */

static void orders_and_their_ties(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    set(store, named("zz-none"));
    set(store, named("none"));
    static const struct {
        const char *id, *parent;
        int64_t first, last, cost;
    } made[] = {{"c", NULL, 10, 50, 5},    {"a", NULL, 10, 40, 5},  {"session-b", NULL, 30, 40, 0}, {"session-a", NULL, 30, 40, 9},
                {"sub", "session-b", 1, 2, 7}, {"zz", NULL, 10, 60, -1}};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        varve_event event = named(made[i].id);
        if (made[i].parent != NULL)
            event.str[VARVE_STR_PARENT_ID] = varve_cstr(made[i].parent);
        set(store, event);
        at_time(store, made[i].id, "user", made[i].last);
        event = scratch_event(made[i].id, "user");
        event.present = VARVE_HAS_TIME | (made[i].cost != 0 ? (uint32_t)VARVE_HAS_COST : 0u);
        event.time = made[i].first;
        event.cost = made[i].cost;
        append(store, event);
    }
    varve_session_filter filter = everything();
    filter.order = VARVE_ORDER_ARRIVAL;
    gives(store, filter, "zz-none none c a session-b session-a zz ");
    filter.order = VARVE_ORDER_START;
    gives(store, filter, "session-a session-b a c zz none zz-none ");
    filter.order = VARVE_ORDER_ACTIVITY;
    gives(store, filter, "zz c a session-a session-b none zz-none ");
    filter.order = VARVE_ORDER_COST; /* a child's cost is part of it; without a cost is behind one of nothing */
    gives(store, filter, "session-a session-b a c zz none zz-none ");
    filter.offset = 4;
    filter.limit = 1;
    assert_string_equal(list(store, &filter, NULL), "zz ");
    varve_close(&store);
    scratch_free(path);
}

/* Sessions with few times and costs, so that most are ties. */
static void fill_ties(varve *store, int count) {
    varve_batch *batch;
    assert_int_equal(varve_batch_new(&batch), VARVE_OK);
    srand(7);
    for (int i = 0; i < count; i++) {
        char id[24];
        snprintf(id, sizeof id, "%s%03d", rand() % 2 ? "session-" : "", (i * 7919) % 1000);
        varve_event event = scratch_event(id, "user");
        event.str[VARVE_STR_PROJECT] = varve_cstr(i % 3 != 0 ? "p" : "q");
        event.present = VARVE_HAS_TIME | (i % 4 != 0 ? (uint32_t)VARVE_HAS_COST : 0u);
        event.time = rand() % 5;
        event.cost = rand() % 4;
        assert_true(varve_batch_add(batch, &event) >= 0);
    }
    assert_int_equal(varve_append(store, batch, VARVE_NONE, NULL), VARVE_OK);
    varve_batch_free(&batch);
}

static void a_short_list_is_the_beginning_of_the_long_one(void **state) {
    (void)state;
    char *path = scratch_new(), whole[LONG];
    varve *store = scratch_open(path, 0);
    fill_ties(store, 400);
    for (uint32_t order = VARVE_ORDER_ARRIVAL; order <= VARVE_ORDER_COST; order++) {
        varve_session_filter filter = everything();
        filter.order = order;
        filter.project = varve_cstr("p");
        strcpy(whole, list(store, &filter, NULL));
        assert_true(strlen(whole) > 1000);
        static const uint64_t limits[] = {1, 2, 3, 50, 265, 266, 267, 1000, UINT64_MAX}, offsets[] = {0, 1, 7, 265, 266, 300, UINT64_MAX};
        for (size_t l = 0; l < sizeof limits / sizeof *limits; l++)
            for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++) {
                filter.limit = limits[l];
                filter.offset = offsets[o];
                const char *got = list(store, &filter, NULL), *from = whole;
                for (uint64_t i = 0; i < offsets[o] && *from != 0; i++)
                    from = strchr(from, ' ') + 1;
                const char *to = from;
                for (uint64_t i = 0; i < limits[l] && *to != 0; i++)
                    to = strchr(to, ' ') + 1;
                assert_int_equal(strlen(got), to - from);
                assert_memory_equal(got, from, (size_t)(to - from));
            }
    }
    varve_close(&store);
    scratch_free(path);
}

static void pages_stay_whole_while_others_append(void **state) {
    (void)state;
    for (uint32_t order = VARVE_ORDER_ARRIVAL; order <= VARVE_ORDER_COST; order++) {
        char *path = scratch_new(), whole[LONG], pages[LONG] = "";
        varve *store = scratch_open(path, 0), *other = scratch_open(path, 0);
        fill_ties(store, 120);
        varve_session_filter filter = everything();
        filter.order = order;
        strcpy(whole, list(store, &filter, NULL));
        filter.limit = 7;
        for (int page = 0; page < 100; page++) {
            const char *got = list(store, &filter, &filter.after);
            if (*got == 0)
                break;
            for (const char *word = got; *word != 0; word = strchr(word, ' ') + 1)
                if (strncmp(word, "new-", 4) != 0) /* those that are new may come, each at its place */
                    strncat(pages, word, (size_t)(strchr(word, ' ') + 1 - word));
            char id[24];
            snprintf(id, sizeof id, "new-%d", page);
            varve_event event = scratch_event(id, "user");
            event.present = VARVE_HAS_TIME | VARVE_HAS_COST;
            event.time = event.cost = page % 6;
            append(other, event);
        }
        assert_string_equal(pages, whole);
        uint64_t count = 0;
        assert_int_equal(varve_session_count(store, &filter, &count), VARVE_OK); /* of all pages */
        assert_true(count > 130);
        filter.after.row = UINT64_MAX;
        filter.limit = 0;
        assert_true(strlen(list(store, &filter, NULL)) > strlen(whole));
        varve_close(&other);
        varve_close(&store);
        scratch_free(path);
    }
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = scratch_open(path, 0);
    set(store, named("s"));
    varve_list *none = NULL;
    uint64_t count = 99;
    varve_session_filter filter = everything();
    filter.order = 4;
    assert_int_equal(varve_session_list(store, &filter, &none), VARVE_E_ARGUMENT);
    filter = everything();
    filter.after.row = 1;
    assert_int_equal(varve_session_list(store, &filter, &none), VARVE_E_ARGUMENT);
    filter = everything();
    filter.parent_row = 1;
    assert_int_equal(varve_session_list(store, &filter, &none), VARVE_E_NOT_FOUND);
    filter = everything();
    filter.parent_id = varve_cstr("nobody");
    assert_int_equal(varve_session_list(store, &filter, &none), VARVE_E_NOT_FOUND);
    assert_int_equal(varve_session_count(store, &filter, &count), VARVE_E_NOT_FOUND);
    assert_null(none);
    assert_int_equal(count, 99);
    filter = everything();
    filter.after.row = 1;
    assert_int_equal(varve_session_count(store, &filter, &count), VARVE_OK); /* does not look at it */
    assert_int_equal(count, 1);
    assert_int_equal(varve_session_count(store, NULL, &count), VARVE_OK);
    assert_int_equal(count, 1);
    filter.size = offsetof(varve_session_filter, flags); /* of a program that knows no more */
    assert_string_equal(list(store, &filter, NULL), "s ");
    varve_close(&store);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_must_be_equal),
        cmocka_unit_test(a_machine_is_part_of_whom_a_session_is),
        cmocka_unit_test(times_are_from_after_on_and_before_before),
        cmocka_unit_test(what_lists_leave_out_comes_when_it_is_asked_for),
        cmocka_unit_test(sets_of_values_and_numbers),
        cmocka_unit_test(all_labels_must_hold),
        cmocka_unit_test(orders_and_their_ties),
        cmocka_unit_test(a_short_list_is_the_beginning_of_the_long_one),
        cmocka_unit_test(pages_stay_whole_while_others_append),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

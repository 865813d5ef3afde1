/*
 * Names and numbers: a number that was ever written must mean the same name for ever.
 */
#include "format/kinds.h"
#include "tests/test_format_help.h"

static void every_type_is_found_by_its_name(void **state) {
    (void)state;
    int named = 0;
    for (unsigned type = 0; type <= UINT16_MAX; type++) {
        const char *name = vf_type_name((uint16_t)type);
        if (name == NULL)
            continue;
        named++;
        assert_int_equal(vf_type_number(name, strlen(name)), type);
    }
    assert_int_equal(named, 48);
    assert_null(vf_type_name(0));
}

static void names_without_a_number_have_none(void **state) {
    (void)state;
    static const char *const others[] = {
        "",      "stop",      "Stopp",          "SessionStar", "Use",
        "userr", "elicitate", "DirectoryAdded", "zzzzz",       "file-history-snapshos"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(vf_type_number(others[i], strlen(others[i])), 0);
    assert_int_equal(vf_type_number("Stop\0", 5), 0);
    assert_int_equal(vf_type_number(NULL, 0), 0);
}

static void the_numbers_of_the_format_are_these(void **state) {
    (void)state;
    static const struct {
        uint16_t type;
        const char *name;
    } fixed[] = {{1, "SessionStart"},
                 {2, "SessionEnd"},
                 {3, "UserPromptSubmit"},
                 {4, "PreToolUse"},
                 {5, "PostToolUse"},
                 {6, "PermissionRequest"},
                 {7, "Stop"},
                 {8, "SubagentStart"},
                 {9, "SubagentStop"},
                 {10, "PreCompact"},
                 {11, "Notification"},
                 {12, "ApiRequest"},
                 {13, "ApiError"},
                 {14, "TurnEnd"},
                 {15, "PostToolUseFailure"},
                 {31, "WorktreeRemove"},
                 {32, "user"},
                 {33, "assistant"},
                 {34, "progress"},
                 {35, "system"},
                 {36, "attachment"},
                 {38, "queue-operation"},
                 {39, "summary"},
                 {40, "last-prompt"},
                 {46, "frame-link"},
                 {60, "blank"},
                 {61, "unparsed"},
                 {37, "file-history-snapshot"}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        assert_string_equal(vf_type_name(fixed[i].type), fixed[i].name);
}

static void every_string_field_has_a_name_of_its_own(void **state) {
    (void)state;
    assert_null(vf_str_name(0));
    assert_null(vf_str_name(VF_STRS));
    assert_null(vf_str_name(UINT32_MAX));
    for (unsigned a = 1; a < VF_STRS; a++) {
        assert_non_null(vf_str_name(a));
        for (unsigned b = 1; b < a; b++)
            assert_string_not_equal(vf_str_name(a), vf_str_name(b));
    }
    assert_string_equal(vf_str_name(VF_STR_SUBTYPE), "subtype");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_found_by_its_name),
        cmocka_unit_test(names_without_a_number_have_none),
        cmocka_unit_test(the_numbers_of_the_format_are_these),
        cmocka_unit_test(every_string_field_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

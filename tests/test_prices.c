/*
 * What tokens cost: finding a model's price, and the sum to the nano-dollar. Links the tools:
 * prices*, json_pick, json_value, text, cli.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/prices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct price *find(const char *model) {
    return prices_find(prices_builtin(), model, strlen(model));
}

static void expect(const char *model, const char *wanted) {
    const struct price *price = find(model);
    assert_non_null(price);
    assert_string_equal(price->model, wanted);
}

static void the_builtin_table_is_sorted_and_complete(void **state) {
    (void)state;
    const struct price_table *table = prices_builtin();
    assert_int_equal(table->number, 20260724);
    for (size_t i = 0; i < table->count; i++) {
        const struct price *row = &table->rows[i];
        assert_true(i == 0 || strcmp(table->rows[i - 1].model, row->model) < 0);
        assert_true(row->base[PRICE_INPUT] > 0 && row->base[PRICE_OUTPUT] > 0);
        assert_true(find(row->model) == row);
    }
}

static void a_model_is_found_in_every_spelling_of_its_name(void **state) {
    (void)state;
    expect("claude-opus-4-5-20251101", "claude-opus-4-5-20251101");
    expect("us.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-5-20251101");
    expect("Claude-Opus-4.6", "claude-opus-4-6");
    expect("claude-sonnet-4-5-20250929[1m]", "claude-sonnet-4-5-20250929");
    expect("claude-sonnet-4-20250514", "claude-sonnet-4-20250514");
    expect("claude-3-haiku", "claude-3-haiku-20240307"); /* by a date left out */
}

static void another_version_is_not_given_a_price_that_is_not_its_own(void **state) {
    (void)state;
    assert_null(find("claude-opus-4-99"));
    assert_null(find("claude-opus-77"));
    assert_null(find("my-gpt-50"));
    assert_null(find(""));
    assert_null(find("<synthetic>"));
    assert_null(prices_find(prices_builtin(), "a\0b", 3));
}

static int64_t cost(const char *model, int fast, int64_t input, int64_t output, int64_t read,
                    int64_t write_5m, int64_t write_1h) {
    const int64_t tokens[VARVE_TOKENS] = {input, output, read, write_5m, write_1h, 0};
    return price_cost(find(model), tokens, fast);
}

static void each_class_of_tokens_has_its_price(void **state) {
    (void)state;
    assert_int_equal(cost("claude-opus-4-6", 0, 1, 0, 0, 0, 0), 5000);
    assert_int_equal(cost("claude-opus-4-6", 0, 0, 1, 0, 0, 0), 25000);
    assert_int_equal(cost("claude-opus-4-6", 0, 0, 0, 1, 0, 0), 500);
    assert_int_equal(cost("claude-opus-4-6", 0, 0, 0, 0, 1, 0), 6250);
    assert_int_equal(cost("claude-opus-4-6", 0, 0, 0, 0, 0, 1), 10000);
    assert_int_equal(cost("claude-opus-4-6", 1, 1, 1, 1, 1, 1), 6 * 46750);
    assert_int_equal(cost("claude-haiku-4-5", 1, 1, 0, 0, 0, 0), 1000); /* has no fast price */
}

static void what_lies_above_the_band_is_priced_by_itself_in_each_class(void **state) {
    (void)state;
    assert_int_equal(cost("claude-sonnet-4-5", 0, 200000, 0, 0, 0, 0), INT64_C(200000) * 3000);
    assert_int_equal(cost("claude-sonnet-4-5", 0, 200001, 0, 0, 0, 0),
                     INT64_C(200000) * 3000 + 6000);
    assert_int_equal(cost("claude-sonnet-4-5", 0, 0, 0, 300000, 0, 0),
                     INT64_C(200000) * 300 + INT64_C(100000) * 600);
    assert_int_equal(cost("claude-opus-4-6", 0, 300000, 0, 0, 0, 0), INT64_C(300000) * 5000);
}

static void money_is_rounded_once_and_never_overflows(void **state) {
    (void)state;
    static const struct price odd = {"odd", {300, 200, 0, 0}, {0}, 0}; /* pico-dollars */
    const int64_t down[VARVE_TOKENS] = {1}, up[VARVE_TOKENS] = {1, 1};
    assert_int_equal(price_cost(&odd, down, 0), 0); /* 0.3 */
    assert_int_equal(price_cost(&odd, up, 0), 1);   /* 0.5: the sum is rounded, not each part */
    const int64_t absurd[VARVE_TOKENS] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    assert_true(price_cost(find("claude-opus-4-6"), absurd, 1) > 0);
}

/* ---- Tables from files ---- */

static int read_table(const char *text, struct price_table **ret_table, char *why, size_t room) {
    char path[] = "/tmp/varve-prices-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int answer = prices_read(path, ret_table, why, room);
    unlink(path);
    return answer;
}

static void a_file_replaces_the_table(void **state) {
    (void)state;
    struct price_table *table = NULL;
    char why[256];
    assert_int_equal(
        read_table("{\"b\":{\"mode\":\"chat\",\"input_cost_per_token\":3e-06,\"output_cost_per_"
                   "token\":0.000015,"
                   "\"input_cost_per_token_above_200k_tokens\":6e-6,\"provider_specific_entry\":{"
                   "\"fast\":2.5}},"
                   "\"x\":{\"input_cost_per_second\":1},\n"
                   "\"a\":{\"output_cost_per_token\":2e-6,\"input_cost_per_token\":1e-6,"
                   "\"cache_read_input_token_cost\":0,\"cache_creation_input_token_cost\":9e-6}}",
                   &table, why, sizeof why),
        0);
    assert_int_equal(table->count, 2);
    assert_true(table->number != 0 && table->number != 20260724);
    const struct price *a = prices_find(table, "a", 1), *b = prices_find(table, "b", 1);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(a->base[PRICE_CACHE_READ], 0);
    assert_int_equal(a->base[PRICE_CACHE_WRITE], 9000000);
    assert_int_equal(b->base[PRICE_INPUT], 3000000);
    assert_int_equal(b->base[PRICE_CACHE_WRITE], 3750000);
    assert_int_equal(b->base[PRICE_CACHE_READ], 300000);
    assert_int_equal(b->above[PRICE_INPUT], 6000000);
    assert_int_equal(b->fast, 2500);
    assert_null(prices_find(table, "x", 1));
    prices_free(&table);
    assert_null(table);
}

static void a_file_without_prices_is_refused_with_the_reason(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",          "[]",     "{}", "{\"a\":{\"input_cost_per_token\":1}}", "{\"a\":{}} x",
        "{\"a\":7}", "{\"a\":"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct price_table *table = NULL;
        char why[256] = "";
        assert_int_equal(read_table(bad[i], &table, why, sizeof why), -1);
        assert_null(table);
        assert_non_null(strstr(why, "no prices in"));
    }
    struct price_table *table = NULL;
    char why[256] = "";
    assert_int_equal(prices_read("/nowhere/prices.json", &table, why, sizeof why), -1);
    assert_non_null(strstr(why, "/nowhere/prices.json"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_builtin_table_is_sorted_and_complete),
        cmocka_unit_test(a_model_is_found_in_every_spelling_of_its_name),
        cmocka_unit_test(another_version_is_not_given_a_price_that_is_not_its_own),
        cmocka_unit_test(each_class_of_tokens_has_its_price),
        cmocka_unit_test(what_lies_above_the_band_is_priced_by_itself_in_each_class),
        cmocka_unit_test(money_is_rounded_once_and_never_overflows),
        cmocka_unit_test(a_file_replaces_the_table),
        cmocka_unit_test(a_file_without_prices_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Settlement of a message's charge: every token is paid once, by the session with the best claim,
 * and neither depends on which line was met first. The rules are those of SPEC.md "Charges".
 */
#include "format/index.h"
#include "tests/test_format_help.h"

enum {
    MESSAGE = VF_CHARGE_MESSAGE,
    PROGRESS = VF_CHARGE_AGENT_PROGRESS,
    RECOVERED = VF_CHARGE_RECOVERED
};

/* Session ids run against row numbers, so that an order by row would be noticed. */
static int less_by_id(void *context, uint32_t a, uint32_t b) {
    (void)context;
    return a > b;
}

/* A row of the main chain with a time, input and output tokens, and a cost. */
static vf_usage row_of(uint64_t request, int kind, uint32_t owner, int64_t time, int64_t input,
                       int64_t output, int64_t cost) {
    vf_usage row = {0};
    row.message.b[0] = 1;
    vf_put64(&row.request, request);
    row.kind = (uint8_t)kind;
    vf_put32(&row.owner, owner);
    vf_put_i64(&row.time, time);
    vf_put_i64(&row.owner_time, time);
    vf_put_i64(&row.tokens[VF_TOK_INPUT], input);
    vf_put_i64(&row.tokens[VF_TOK_OUTPUT], output);
    vf_put_i64(&row.cost, cost);
    row.flags = VF_UR_TIME | VF_UR_OWNER_TIME | VF_UR_COST;
    row.source = VF_SOURCE_TRANSCRIPT;
    vf_put32(&row.model, owner + 1);
    return row;
}

static vf_usage sidechain(vf_usage row) {
    row.sidechain = 1;
    return row;
}

static size_t settle(const vf_usage *rows, size_t count, vf_share *shares) {
    memset(shares, 0xEE, VF_USAGE_CHAIN_MAX * sizeof *shares);
    return vf_settle(rows, count, less_by_id, NULL, shares);
}

static int64_t input_of(const vf_share *share) {
    return share->tokens[VF_TOK_INPUT];
}

static int64_t output_of(const vf_share *share) {
    return share->tokens[VF_TOK_OUTPUT];
}

static void same_shares(const vf_share *a, const vf_share *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(a[i].owner, b[i].owner);
        assert_int_equal(a[i].kind, b[i].kind);
        assert_int_equal(a[i].source, b[i].source);
        assert_int_equal(a[i].flags, b[i].flags);
        assert_int_equal(a[i].first, b[i].first);
        assert_int_equal(a[i].model, b[i].model);
        assert_int_equal(a[i].price_table, b[i].price_table);
        assert_int_equal(a[i].time, b[i].time);
        assert_int_equal(a[i].cost, b[i].cost);
        assert_memory_equal(a[i].tokens, b[i].tokens, sizeof a[i].tokens);
    }
}

/* Settles every permutation of the rows (Heap's) and expects what the first one gave. */
static void same_in_every_order(const vf_usage *given, size_t count) {
    vf_usage rows[VF_USAGE_CHAIN_MAX];
    vf_share want[VF_USAGE_CHAIN_MAX], got[VF_USAGE_CHAIN_MAX];
    size_t counter[VF_USAGE_CHAIN_MAX] = {0};
    memcpy(rows, given, count * sizeof *rows);
    size_t shares = settle(rows, count, want);
    for (size_t i = 0; i < count;) {
        if (counter[i] == i) {
            counter[i++] = 0;
            continue;
        }
        size_t other = i % 2 == 0 ? 0 : counter[i];
        vf_usage kept = rows[other];
        rows[other] = rows[i];
        rows[i] = kept;
        assert_int_equal(settle(rows, count, got), shares);
        same_shares(want, got, shares);
        counter[i]++;
        i = 0;
    }
}

static void nothing_settles_to_nothing(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    assert_int_equal(settle(NULL, 0, shares), 0);
}

static void one_row_gives_one_share_of_all_it_has(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage row = row_of(5, PROGRESS, 3, 100, 10, 20, 30);
    for (int t = 0; t < VF_TOKENS; t++)
        vf_put_i64(&row.tokens[t], t + 1);
    vf_put32(&row.price_table, 8);
    row.flags |= VF_UR_LOWER_BOUND;
    assert_int_equal(settle(&row, 1, shares), 1);
    for (int t = 0; t < VF_TOKENS; t++)
        assert_int_equal(shares[0].tokens[t], t + 1);
    assert_int_equal(shares[0].owner, 3);
    assert_int_equal(shares[0].kind, PROGRESS);
    assert_int_equal(shares[0].first, 1);
    assert_int_equal(shares[0].source, VF_SOURCE_TRANSCRIPT);
    assert_int_equal(shares[0].flags, VF_UR_TIME | VF_UR_COST | VF_UR_LOWER_BOUND);
    assert_int_equal(shares[0].model, 4);
    assert_int_equal(shares[0].price_table, 8);
    assert_int_equal(shares[0].time, 100);
    assert_int_equal(shares[0].cost, 30);
}

static void a_row_that_names_no_message_stands_for_itself(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage row = row_of(0, MESSAGE, 3, 100, 0, 0, 0);
    row.flags = VF_UR_SINGLE;
    assert_int_equal(settle(&row, 1, shares), 1); /* though it counts nothing */
    assert_int_equal(shares[0].flags, 0);
    assert_int_equal(shares[0].time, 0); /* said not to hold: not shown */
    vf_usage two[] = {row, row};
    assert_int_equal(settle(two, 2, shares), 2);
}

static void a_later_kind_counts_only_what_it_has_more(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage rows[] = {row_of(1, MESSAGE, 1, 100, 10, 50, 500),
                       row_of(1, PROGRESS, 2, 90, 30, 40, 600),
                       row_of(1, RECOVERED, 3, 80, 31, 70, 400)};
    assert_int_equal(settle(rows, 3, shares), 3);
    assert_int_equal(input_of(&shares[0]), 10);
    assert_int_equal(output_of(&shares[0]), 50);
    assert_int_equal(shares[0].cost, 500);
    assert_int_equal(input_of(&shares[1]), 20);
    assert_int_equal(output_of(&shares[1]), 0);
    assert_int_equal(shares[1].cost, 100);
    assert_int_equal(input_of(&shares[2]), 1); /* beyond the largest of both earlier kinds */
    assert_int_equal(output_of(&shares[2]), 20);
    assert_int_equal(shares[2].cost, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(shares[i].owner, 1); /* the message's session, though its line is latest */
        assert_int_equal(shares[i].first, i == 0);
        assert_int_equal(shares[i].kind, i);
    }
    assert_int_equal(shares[1].time, 90); /* of the kind's own line */
    same_in_every_order(rows, 3);
}

static void a_later_kind_with_nothing_more_is_left_out(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage rows[] = {row_of(1, MESSAGE, 1, 100, 10, 50, 1),
                       row_of(1, PROGRESS, 2, 90, 10, 50, 9)};
    assert_int_equal(settle(rows, 2, shares), 1);
    vf_put_i64(&rows[1].tokens[VF_TOK_REASONING], 1);
    assert_int_equal(settle(rows, 2, shares), 2);
    vf_usage zero = row_of(1, MESSAGE, 1, 100, 0, 0, 0); /* the first kind stays, though empty */
    assert_int_equal(settle(&zero, 1, shares), 1);
    assert_int_equal(shares[0].first, 1);
}

static void the_figure_is_that_of_the_largest_line_then_the_earliest(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage rows[] = {row_of(1, MESSAGE, 1, 100, 10, 5, 7),
                       sidechain(row_of(1, MESSAGE, 2, 50, 10, 6, 8))};
    assert_int_equal(settle(rows, 2, shares), 1);
    assert_int_equal(output_of(&shares[0]), 6);
    assert_int_equal(shares[0].time, 50);
    assert_int_equal(shares[0].model, 3);
    assert_int_equal(shares[0].owner, 1); /* yet the main chain shows it */

    vf_put_i64(&rows[1].tokens[VF_TOK_OUTPUT], 5); /* equal totals: the earlier */
    assert_int_equal(settle(rows, 2, shares), 1);
    assert_int_equal(shares[0].time, 50);
    rows[1].flags &= (uint8_t)~VF_UR_TIME; /* without a time it comes last */
    assert_int_equal(settle(rows, 2, shares), 1);
    assert_int_equal(shares[0].time, 100);
    same_in_every_order(rows, 2);

    vf_put_i64(&rows[0].tokens[VF_TOK_REASONING], 1000); /* is part of output: adds nothing */
    vf_put_i64(&rows[1].tokens[VF_TOK_CACHE_READ], 1);
    assert_int_equal(settle(rows, 2, shares), 1);
    assert_int_equal(shares[0].model, 3);
}

static void main_rows_of_other_requests_are_other_charges(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage rows[] = {row_of(9, MESSAGE, 1, 100, 10, 0, 1), row_of(8, MESSAGE, 2, 100, 20, 0, 1),
                       row_of(0, MESSAGE, 3, 99, 40, 0, 1), row_of(8, PROGRESS, 4, 1, 21, 0, 1)};
    assert_int_equal(settle(rows, 4, shares), 4);
    assert_int_equal(input_of(&shares[0]), 40); /* the earliest */
    assert_int_equal(input_of(&shares[1]), 20); /* equal times: session 2's id is the smaller */
    assert_int_equal(input_of(&shares[2]), 1);  /* and its later kind */
    assert_int_equal(shares[2].owner, 2);
    assert_int_equal(shares[2].first, 0);
    assert_int_equal(input_of(&shares[3]), 10);
    same_in_every_order(rows, 4);
}

static void a_sidechain_copy_belongs_to_the_main_row_of_its_request(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage rows[] = {row_of(1, MESSAGE, 1, 100, 10, 0, 1), row_of(2, MESSAGE, 2, 200, 20, 0, 1),
                       sidechain(row_of(2, MESSAGE, 3, 1, 25, 0, 1))};
    assert_int_equal(settle(rows, 3, shares), 2);
    assert_int_equal(input_of(&shares[0]), 10);
    assert_int_equal(input_of(&shares[1]), 25);
    assert_int_equal(shares[1].owner, 2);
    same_in_every_order(rows, 3);
}

static void a_sidechain_copy_of_no_known_request_belongs_to_the_least_main_charge(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    const uint64_t requests[] = {0, 7};
    for (size_t i = 0; i < 2; i++) {
        vf_usage rows[] = {row_of(1, MESSAGE, 1, 100, 10, 0, 1),
                           row_of(2, MESSAGE, 2, 50, 20, 0, 1),
                           sidechain(row_of(requests[i], MESSAGE, 3, 1, 25, 0, 1))};
        assert_int_equal(settle(rows, 3, shares), 2);
        assert_int_equal(shares[0].owner, 2);
        assert_int_equal(input_of(&shares[0]), 25);
        assert_int_equal(input_of(&shares[1]), 10);
        same_in_every_order(rows, 3);
    }
}

static void a_sidechain_copy_without_a_request_is_not_matched_by_its_absence(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage rows[] = {row_of(1, MESSAGE, 1, 50, 10, 0, 1), row_of(0, MESSAGE, 2, 100, 20, 0, 1),
                       sidechain(row_of(0, MESSAGE, 3, 1, 25, 0, 1))};
    assert_int_equal(settle(rows, 3, shares), 2);
    assert_int_equal(input_of(&shares[0]), 25); /* of the least main charge, that of request 1 */
    assert_int_equal(shares[0].owner, 1);
    assert_int_equal(input_of(&shares[1]), 20);
    same_in_every_order(rows, 3);
}

static void sidechain_rows_without_a_main_row_are_one_charge(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage rows[] = {sidechain(row_of(1, MESSAGE, 1, 100, 10, 0, 1)),
                       sidechain(row_of(2, MESSAGE, 2, 50, 20, 0, 1)),
                       sidechain(row_of(0, PROGRESS, 3, 1, 25, 0, 1))};
    assert_int_equal(settle(rows, 3, shares), 2);
    assert_int_equal(input_of(&shares[0]), 20);
    assert_int_equal(input_of(&shares[1]), 5);
    assert_int_equal(shares[0].owner, 2);
    assert_int_equal(shares[1].owner, 2);
    same_in_every_order(rows, 3);
}

static void the_owner_is_the_least_of_kind_chain_time_and_session(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage base[] = {row_of(1, PROGRESS, 1, 10, 10, 0, 1), row_of(1, PROGRESS, 2, 10, 10, 0, 1)};
    assert_int_equal(settle(base, 2, shares), 1);
    assert_int_equal(shares[0].owner, 2); /* the smaller session id */
    same_in_every_order(base, 2);
    vf_put_i64(&base[0].owner_time, 9); /* the earlier, though its session comes later */
    settle(base, 2, shares);
    assert_int_equal(shares[0].owner, 1);
    base[0].flags &= (uint8_t)~VF_UR_OWNER_TIME; /* no time comes after any time */
    settle(base, 2, shares);
    assert_int_equal(shares[0].owner, 2);
    base[1].sidechain = 1;
    settle(base, 2, shares);
    assert_int_equal(shares[0].owner, 1);
    base[1].kind = MESSAGE;
    settle(base, 2, shares);
    assert_int_equal(shares[0].owner, 2);
    same_in_every_order(base, 2);
}

static int never_less(void *context, uint32_t a, uint32_t b) {
    (void)context, (void)a, (void)b;
    return 0;
}

static void sessions_that_cannot_be_told_apart_are_ordered_by_their_rows(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage rows[] = {row_of(1, MESSAGE, 5, 10, 10, 0, 1), row_of(1, PROGRESS, 4, 10, 10, 0, 1)};
    rows[1].kind = MESSAGE;
    vf_put32(&rows[1].model, 99); /* so that the figure is the other row's */
    assert_int_equal(vf_settle(rows, 2, never_less, NULL, shares), 1);
    assert_int_equal(shares[0].owner, 4);
    vf_usage swapped[] = {rows[1], rows[0]};
    assert_int_equal(vf_settle(swapped, 2, never_less, NULL, shares), 1);
    assert_int_equal(shares[0].owner, 4);
}

static void a_cost_counts_only_where_it_holds(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage rows[] = {row_of(1, MESSAGE, 1, 10, 10, 0, 777),
                       row_of(1, PROGRESS, 2, 10, 20, 0, 100)};
    rows[0].flags &= (uint8_t)~VF_UR_COST;
    assert_int_equal(settle(rows, 2, shares), 2);
    assert_int_equal(shares[0].flags & VF_UR_COST, 0);
    assert_int_equal(shares[0].cost, 0);
    assert_int_equal(shares[1].flags & VF_UR_COST, VF_UR_COST);
    assert_int_equal(shares[1].cost, 100);
}

static void hostile_numbers_neither_overflow_nor_count_below_zero(void **state) {
    (void)state;
    vf_share shares[VF_USAGE_CHAIN_MAX];
    vf_usage rows[] = {row_of(1, MESSAGE, 1, INT64_MIN, INT64_MAX, INT64_MAX, INT64_MIN),
                       row_of(1, PROGRESS, 2, INT64_MAX, INT64_MIN, INT64_MAX, INT64_MAX),
                       sidechain(row_of(1, RECOVERED, UINT32_MAX, 0, -1, -1, -1))};
    for (int t = 0; t < VF_TOKENS; t++) {
        vf_put_i64(&rows[0].tokens[t], INT64_MAX);
        vf_put_i64(&rows[1].tokens[t], t % 2 ? INT64_MIN : INT64_MAX);
    }
    size_t count = settle(rows, 3, shares);
    assert_int_equal(count, 1); /* nobody has more than the first */
    assert_int_equal(input_of(&shares[0]), INT64_MAX);
    assert_int_equal(shares[0].cost, 0);
    rows[0].kind = 200; /* a kind of a later version: after all that are known */
    assert_int_equal(settle(rows, 3, shares), 2);
    assert_int_equal(shares[0].kind, PROGRESS);
    assert_int_equal(output_of(&shares[0]), 0);
    assert_int_equal(shares[1].kind, 200);
    assert_int_equal(output_of(&shares[1]), INT64_MAX);
    same_in_every_order(rows, 3);
}

/* Rows as they may stand in a message's chain: no two of one (request, kind, chain). Few values, so
 * that ties are common. */
static size_t random_rows(randomness *r, vf_usage *rows, size_t most) {
    size_t count = 0;
    for (uint32_t code = 0; code < 24 && count < most; code++) {
        if (random_below(r, 24) >= most + 2)
            continue;
        vf_usage row = row_of(code / 6, (int)(code / 2 % 3), random_below(r, 4), random_below(r, 3),
                              random_below(r, 3), random_below(r, 3), random_below(r, 2));
        row.sidechain = code % 2;
        vf_put_i64(&row.owner_time, random_below(r, 2));
        row.flags = (uint8_t)random_below(r, VF_UR_SINGLE);
        vf_put32(&row.model, random_below(r, 2));
        vf_put32(&row.price_table, random_below(r, 2));
        row.source = (uint8_t)random_below(r, 2);
        rows[count++] = row;
    }
    return count;
}

static void the_order_of_rows_never_matters(void **state) {
    (void)state;
    randomness r = {31};
    vf_usage rows[VF_USAGE_CHAIN_MAX];
    for (int round = 0; round < 1500; round++)
        same_in_every_order(rows, random_rows(&r, rows, 5));
    for (int round = 0; round < 1500; round++) {
        vf_share want[VF_USAGE_CHAIN_MAX], got[VF_USAGE_CHAIN_MAX];
        size_t count = random_rows(&r, rows, 24);
        size_t shares = settle(rows, count, want);
        for (int shuffle = 0; shuffle < 5 && count > 1; shuffle++) {
            for (size_t i = count - 1; i > 0; i--) {
                size_t other = random_below(&r, (uint32_t)i + 1);
                vf_usage kept = rows[i];
                rows[i] = rows[other];
                rows[other] = kept;
            }
            assert_int_equal(settle(rows, count, got), shares);
            same_shares(want, got, shares);
        }
    }
}

/* What all shares count is, class by class, the largest figure of each charge: nothing is paid
 * twice. With one request and no sidechain there is one charge. */
static void a_charge_counts_no_more_than_its_largest_figures(void **state) {
    (void)state;
    randomness r = {32};
    for (int round = 0; round < 3000; round++) {
        vf_usage rows[3];
        vf_share shares[VF_USAGE_CHAIN_MAX];
        int64_t most[2] = {0, 0}, sum[2] = {0, 0};
        for (int kind = 0; kind < 3; kind++) {
            rows[kind] = row_of(1, kind, 1, 5, random_below(&r, 9), random_below(&r, 9), 0);
            for (int t = 0; t < 2; t++)
                if (vf_get_i64(rows[kind].tokens[t]) > most[t])
                    most[t] = vf_get_i64(rows[kind].tokens[t]);
        }
        size_t count = settle(rows, 3, shares);
        for (size_t i = 0; i < count; i++)
            for (int t = 0; t < 2; t++)
                sum[t] += shares[i].tokens[t];
        assert_memory_equal(sum, most, sizeof sum);
    }
}

static void a_full_chain_is_settled(void **state) {
    (void)state;
    vf_usage rows[VF_USAGE_CHAIN_MAX];
    vf_share shares[VF_USAGE_CHAIN_MAX];
    for (uint32_t i = 0; i < VF_USAGE_CHAIN_MAX; i++)
        rows[i] = row_of(i + 1, MESSAGE, i, 1, 1, 1, 1);
    assert_int_equal(settle(rows, VF_USAGE_CHAIN_MAX, shares), VF_USAGE_CHAIN_MAX);
    for (uint32_t i = 0; i < VF_USAGE_CHAIN_MAX; i++)
        assert_int_equal(shares[i].owner, VF_USAGE_CHAIN_MAX - 1 - i);
}

static void preference_among_lines_is_a_strict_order(void **state) {
    (void)state;
    randomness r = {33};
    vf_usage rows[VF_USAGE_CHAIN_MAX];
    for (int round = 0; round < 300; round++) {
        size_t count = random_rows(&r, rows, 24);
        for (size_t a = 0; a < count; a++) {
            assert_false(vf_usage_before(&rows[a], &rows[a]));
            for (size_t b = 0; b < count; b++) {
                assert_false(vf_usage_before(&rows[a], &rows[b]) &&
                             vf_usage_before(&rows[b], &rows[a]));
                for (size_t c = 0; c < count; c++)
                    if (vf_usage_before(&rows[a], &rows[b]) && vf_usage_before(&rows[b], &rows[c]))
                        assert_true(vf_usage_before(&rows[a], &rows[c]));
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_settles_to_nothing),
        cmocka_unit_test(one_row_gives_one_share_of_all_it_has),
        cmocka_unit_test(a_row_that_names_no_message_stands_for_itself),
        cmocka_unit_test(a_later_kind_counts_only_what_it_has_more),
        cmocka_unit_test(a_later_kind_with_nothing_more_is_left_out),
        cmocka_unit_test(the_figure_is_that_of_the_largest_line_then_the_earliest),
        cmocka_unit_test(main_rows_of_other_requests_are_other_charges),
        cmocka_unit_test(a_sidechain_copy_belongs_to_the_main_row_of_its_request),
        cmocka_unit_test(a_sidechain_copy_of_no_known_request_belongs_to_the_least_main_charge),
        cmocka_unit_test(a_sidechain_copy_without_a_request_is_not_matched_by_its_absence),
        cmocka_unit_test(sidechain_rows_without_a_main_row_are_one_charge),
        cmocka_unit_test(the_owner_is_the_least_of_kind_chain_time_and_session),
        cmocka_unit_test(sessions_that_cannot_be_told_apart_are_ordered_by_their_rows),
        cmocka_unit_test(a_cost_counts_only_where_it_holds),
        cmocka_unit_test(hostile_numbers_neither_overflow_nor_count_below_zero),
        cmocka_unit_test(the_order_of_rows_never_matters),
        cmocka_unit_test(a_charge_counts_no_more_than_its_largest_figures),
        cmocka_unit_test(a_full_chain_is_settled),
        cmocka_unit_test(preference_among_lines_is_a_strict_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

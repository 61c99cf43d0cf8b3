/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Who gets how many requests by which method. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <cmocka.h>

#include "state_util.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define PICKS 10000
#define MOST 16
#define END (-1)

static const int sets[][MOST + 1] = {
    { 1, END },
    { 1, 1, END },
    { 3, 1, END },
    { 5, 1, 1, END },
    { 3, 2, 1, 0, END },
    { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, END },
    { 100, 50, 25, 1, END },
    { 256, 1, 1, 1, 1, 1, 1, 1, END },
};

static unsigned members_of(const int *weights)
{
    unsigned n = 0;

    while (weights[n] != END) {
        n++;
    }
    return n;
}

/* PICKS picks one after the other, none of which overlaps another; counted by slot. */
static void count_picks(pool_t *pool, rp_method_fn method, unsigned *counts)
{
    int n;

    memset(counts, 0, (MOST + 1) * sizeof(*counts));
    for (n = 0; n < PICKS; n++) {
        int i = pool_pick(pool, method);

        assert_in_range(i, 0, MOST);
        counts[i]++;
    }
}

/* Each member's count is its share by weight, or, unless that is 0, is within so many deviations of a binomial one. */
static void shares_are_by_weight(rp_method_fn method, double deviations)
{
    size_t s;

    for (s = 0; s < COUNT(sets); s++) {
        unsigned n = members_of(sets[s]), counts[MOST + 1], i;
        int total = 0;
        pool_t pool;

        pool_begin(&pool, n, 1, sets[s]);
        for (i = 0; i < n; i++) {
            total += sets[s][i];
        }
        count_picks(&pool, method, counts);
        for (i = 0; i < n; i++) {
            double share = (double)sets[s][i] / total;
            double bound = deviations > 0 ? deviations * sqrt(PICKS * share * (1 - share)) : 1;

            if (fabs(counts[i] - PICKS * share) > bound) {
                fail_msg("set %zu: member %u of weight %d got %u", s, i, sets[s][i], counts[i]);
            }
        }
        pool_end(&pool);
    }
}

static void round_robin_is_exact(void **unused)
{
    (void)unused;
    shares_are_by_weight(rp_method_round_robin, 0);
}

static void random_shares_are_by_weight(void **unused)
{
    (void)unused;
    shares_are_by_weight(rp_method_random, 4.5);
}

static void idle_members_share_by_weight_under_least_connections(void **unused)
{
    (void)unused;
    shares_are_by_weight(rp_method_least, 4.5);
}

/* Of all the same is known. */
static void like_members_share_by_weight_under_p2c(void **unused)
{
    size_t s;

    (void)unused;
    for (s = 0; s < COUNT(sets); s++) {
        unsigned n = members_of(sets[s]), counts[MOST + 1], i;
        int total = 0;
        pool_t pool;

        pool_begin(&pool, n, 1, sets[s]);
        for (i = 0; i < n; i++) {
            total += sets[s][i];
            rp_latency_add(&pool.state.slots[i].latency, 10000 + 100 * i, pool.now);
        }
        count_picks(&pool, rp_method_p2c, counts);
        for (i = 0; i < n; i++) {
            double share = (double)sets[s][i] / total;

            assert_true(fabs(counts[i] - PICKS * share) <= 4.5 * sqrt(PICKS * share * (1 - share)));
        }
        pool_end(&pool);
    }
}

/* Exchanges that last until as many others have begun. */
static void weights_hold_under_load(rp_method_fn method)
{
    static const int weights[] = { 3, 2, 1, END };
    int under_way[60];
    unsigned counts[3] = { 0 }, i;
    pool_t pool;
    int n;

    pool_begin(&pool, 3, 1, weights);
    for (i = 0; i < 3; i++) {
        rp_latency_add(&pool.state.slots[i].latency, 10000, pool.now);
    }
    for (n = 0; n < PICKS; n++) {
        int chosen = pool_pick(&pool, method);
        int *place = &under_way[n % (int)COUNT(under_way)];

        assert_in_range(chosen, 0, 2);
        if (n >= (int)COUNT(under_way)) {
            rp_state_leave(&pool.state, (unsigned)*place);
        }
        assert_true(rp_state_enter(&pool.state, (unsigned)chosen));
        *place = chosen;
        counts[chosen]++;
    }
    assert_in_range(counts[0], PICKS * 46 / 100, PICKS * 54 / 100);
    assert_in_range(counts[1], PICKS * 30 / 100, PICKS * 37 / 100);
    assert_in_range(counts[2], PICKS * 13 / 100, PICKS * 20 / 100);
    pool_end(&pool);
}

static void weights_hold_under_load_with_least_connections(void **unused)
{
    (void)unused;
    weights_hold_under_load(rp_method_least);
}

static void weights_hold_under_load_with_p2c(void **unused)
{
    (void)unused;
    weights_hold_under_load(rp_method_p2c);
}

static void least_connections_takes_who_has_fewest(void **unused)
{
    static const int weights[] = { 2, 1, 1, END };
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 3, 1, weights);
    pool.state.slots[0].inflight = 3;
    pool.state.slots[1].inflight = 2;
    pool.state.slots[2].inflight = 3;
    assert_int_equal(pool_pick(&pool, rp_method_least), 0);
    pool.state.slots[0].inflight = 5;
    assert_int_equal(pool_pick(&pool, rp_method_least), 1);
    pool.state.slots[1].max = 2;
    assert_int_equal(pool_pick(&pool, rp_method_least), 0);
    pool_end(&pool);
}

static const int ten[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, END };

static void p2c_avoids_a_slow_member(void **unused)
{
    unsigned counts[MOST + 1], i;
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    for (i = 0; i < 10; i++) {
        rp_latency_add(&pool.state.slots[i].latency, i == 4 ? 50000 : 10000, pool.now);
    }
    count_picks(&pool, rp_method_p2c, counts);
    assert_int_equal(counts[4], 0);
    pool_end(&pool);
}

static void p2c_avoids_a_slow_one_of_two(void **unused)
{
    static const int two[] = { 1, 1, END };
    unsigned counts[MOST + 1];
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    rp_latency_add(&pool.state.slots[0].latency, 50000, pool.now);
    rp_latency_add(&pool.state.slots[1].latency, 10000, pool.now);
    count_picks(&pool, rp_method_p2c, counts);
    assert_int_equal(counts[0], 0);
    /* Until the other one has more to do than the difference. */
    pool.state.slots[1].inflight = 9;
    count_picks(&pool, rp_method_p2c, counts);
    assert_int_equal(counts[1], 0);
    pool_end(&pool);
}

static void p2c_finds_out_about_a_member_with_one_request(void **unused)
{
    unsigned counts[MOST + 1], i;
    int n, first = -1;
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    for (i = 0; i < 10; i++) {
        rp_latency_add(&pool.state.slots[i].latency, i == 4 ? 0 : 10000, pool.now);
    }
    pool.state.slots[4].latency = 0;
    for (n = 0; n < 100 && first < 0; n++) {
        first = pool_pick(&pool, rp_method_p2c) == 4 ? n : -1;
    }
    assert_in_range(first, 0, 99);
    pool.state.slots[4].inflight = 1;
    count_picks(&pool, rp_method_p2c, counts);
    assert_int_equal(counts[4], 0);
    pool_end(&pool);
    /* It is preferred to one that is known, whatever the lot says. */
    pool_begin(&pool, 2, 1, ten);
    rp_latency_add(&pool.state.slots[0].latency, 10000, pool.now);
    count_picks(&pool, rp_method_p2c, counts);
    assert_int_equal(counts[0], 0);
    pool_end(&pool);
}

static void p2c_asks_a_slow_member_again_after_a_while(void **unused)
{
    unsigned counts[MOST + 1], i;
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    rp_latency_add(&pool.state.slots[4].latency, 50000, pool.now);
    pool.now += 30 * SECOND;
    for (i = 0; i < 10; i++) {
        if (i != 4) {
            rp_latency_add(&pool.state.slots[i].latency, 10000, pool.now);
        }
    }
    count_picks(&pool, rp_method_p2c, counts);
    assert_true(counts[4] > 0);
    pool_end(&pool);
}

static void failing_fast_is_not_being_fast(void **unused)
{
    unsigned counts[MOST + 1], i;
    int n;
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    pool.eject.on = 0;
    for (n = 0; n < 20; n++) {
        pool.now += SECOND / 100;
        for (i = 0; i < 10; i++) {
            rp_state_report(&pool.state, i, i == 4 ? RP_OUTCOME_ERROR : RP_OUTCOME_OK, 0, i == 4 ? 100 : 10000,
                            pool.now);
        }
    }
    count_picks(&pool, rp_method_p2c, counts);
    assert_int_equal(counts[4], 0);
    pool_end(&pool);
}

/* A backup's, which was last used weeks ago. */
static void latency_of_long_ago_counts_for_nothing(void **unused)
{
    apr_time_t now = 1000 * SECOND, later = now + 30 * (apr_time_t)86400 * SECOND;
    apr_uint64_t latency = 0;

    (void)unused;
    rp_latency_add(&latency, 10 * SECOND, now);
    assert_true(rp_latency_get(latency, later) < 1000);
    rp_latency_add(&latency, 20000, later);
    assert_in_range((int)rp_latency_get(latency, later), 19000, 21000);
    /* Who looks with a clock reading of a moment ago takes it as it is. */
    assert_in_range((int)rp_latency_get(latency, later - 5000), 19000, 21000);
}

static void latency_rises_faster_than_it_falls(void **unused)
{
    apr_time_t now = 5000 * SECOND;
    apr_uint64_t up = 0, down = 0;

    (void)unused;
    rp_latency_add(&up, 10000, now);
    rp_latency_add(&down, 90000, now);
    rp_latency_add(&up, 90000, now + SECOND);
    rp_latency_add(&down, 10000, now + SECOND);
    assert_in_range((int)rp_latency_get(up, now + SECOND), 10000 + 80000 / 2, 10000 + 80000 * 3 / 4);
    assert_in_range((int)rp_latency_get(down, now + SECOND), 90000 - 80000 / 3, 90000 - 80000 / 4);
    /* What is old counts for less and less, and never for nothing. */
    assert_in_range((int)rp_latency_get(up, now + 4 * SECOND), 20000, 30000);
    assert_true(rp_latency_get(up, now + 60 * SECOND) > 0);
    assert_true(rp_latency_get(0, now) == 0);
}

static const rp_method_e all_methods[] = {
    RP_METHOD_P2C, RP_METHOD_ROUND_ROBIN, RP_METHOD_LEAST, RP_METHOD_RANDOM, RP_METHOD_HASH
};

/* Picks by each method, of which keys and luck differ, are all of slots in set, and each of these comes up. */
static void all_pick_of(pool_t *pool, unsigned set)
{
    size_t m;

    for (m = 0; m < COUNT(all_methods); m++) {
        unsigned seen = 0, n;

        for (n = 0; n < 1000; n++) {
            rp_pick_t pick = pool_pick_of(pool);
            int i;

            pick.hash = rp_mix(n + 1);
            i = rp_state_pick(&pool->state, rp_method_of(all_methods[m]), &pick);
            assert_true(set ? i >= 0 : i < 0);
            seen |= i >= 0 ? 1u << i : 0;
        }
        assert_int_equal(seen, set);
    }
}

static void backups_wait_until_all_others_are_gone(void **unused)
{
    static const int weights[] = { 1, 2, 1, 1, END };
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 4, 3, weights);
    pool_put(&pool, 2, 1, 1);
    pool_put(&pool, 3, 1, 2);
    rp_state_plan(&pool.state);
    all_pick_of(&pool, 3);
    pool.state.slots[0].check = RP_CHECK_DOWN;
    all_pick_of(&pool, 2);
    pool.state.slots[1].admin = RP_ADMIN_DISABLED;
    rp_state_plan(&pool.state);
    all_pick_of(&pool, 4);
    pool.state.slots[2].out_until = pool.now + SECOND;
    pool.state.slots[2].out = RP_OUT_CONNECT;
    all_pick_of(&pool, 8);
    pool.state.slots[0].check = RP_CHECK_UP;
    all_pick_of(&pool, 1);
    pool_end(&pool);
}

static void busy_members_are_no_reason_to_turn_to_backups(void **unused)
{
    static const int weights[] = { 1, 1, END };
    rp_pick_t pick;
    pool_t pool;
    size_t m;

    (void)unused;
    pool_begin(&pool, 2, 2, weights);
    pool_put(&pool, 1, 1, 1);
    pool.state.slots[0].max = 4;
    pool.state.slots[0].inflight = 4;
    rp_state_plan(&pool.state);
    for (m = 0; m < COUNT(all_methods); m++) {
        pick = pool_pick_of(&pool);
        assert_int_equal(rp_state_pick(&pool.state, rp_method_of(all_methods[m]), &pick), -1);
        assert_true(pick.full);
    }
    pool_end(&pool);
}

static void who_was_tried_or_has_no_weight_gets_nothing(void **unused)
{
    static const int weights[] = { 1, 1, 0, 1, END };
    static const unsigned char tried[] = { 1, 0, 0, 1 };
    pool_t pool;
    size_t m;
    int n;

    (void)unused;
    pool_begin(&pool, 4, 1, weights);
    for (m = 0; m < COUNT(all_methods); m++) {
        for (n = 0; n < 100; n++) {
            rp_pick_t pick = pool_pick_of(&pool);

            pick.tried = tried;
            pick.hash = pick.random;
            assert_int_equal(rp_state_pick(&pool.state, rp_method_of(all_methods[m]), &pick), 1);
        }
    }
    pool_end(&pool);
}

static void one_of_many_is_found(void **unused)
{
    unsigned i;
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    for (i = 0; i < 10; i++) {
        pool.state.slots[i].check = i == 7 ? RP_CHECK_UP : RP_CHECK_DOWN;
    }
    all_pick_of(&pool, 1 << 7);
    pool_end(&pool);
}

static void nobody_is_nobody(void **unused)
{
    static const int weights[] = { 1, 0, END };
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 2, weights);
    pool.state.slots[0].admin = RP_ADMIN_DRAINING;
    all_pick_of(&pool, 0);
    rp_state_plan(&pool.state);
    all_pick_of(&pool, 0);
    pool_end(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_is_exact),
        cmocka_unit_test(random_shares_are_by_weight),
        cmocka_unit_test(idle_members_share_by_weight_under_least_connections),
        cmocka_unit_test(like_members_share_by_weight_under_p2c),
        cmocka_unit_test(weights_hold_under_load_with_least_connections),
        cmocka_unit_test(weights_hold_under_load_with_p2c),
        cmocka_unit_test(least_connections_takes_who_has_fewest),
        cmocka_unit_test(p2c_avoids_a_slow_member),
        cmocka_unit_test(p2c_avoids_a_slow_one_of_two),
        cmocka_unit_test(p2c_finds_out_about_a_member_with_one_request),
        cmocka_unit_test(p2c_asks_a_slow_member_again_after_a_while),
        cmocka_unit_test(failing_fast_is_not_being_fast),
        cmocka_unit_test(latency_of_long_ago_counts_for_nothing),
        cmocka_unit_test(latency_rises_faster_than_it_falls),
        cmocka_unit_test(backups_wait_until_all_others_are_gone),
        cmocka_unit_test(busy_members_are_no_reason_to_turn_to_backups),
        cmocka_unit_test(who_was_tried_or_has_no_weight_gets_nothing),
        cmocka_unit_test(one_of_many_is_found),
        cmocka_unit_test(nobody_is_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

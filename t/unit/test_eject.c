/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** When members are taken out for what becomes of their requests, for how long, and how they come back. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "state_util.h"

#define END (-1)

static const int two[] = { 1, 1, END };
static const int ten[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, END };

static void all_answer(pool_t *pool, int n)
{
    unsigned i;
    int k;

    for (k = 0; k < n; k++) {
        for (i = 0; i < pool->state.nslots; i++) {
            assert_int_equal(pool_report(pool, i, RP_OUTCOME_OK, 0), RP_NEWS_NONE);
        }
    }
}

/* @return how many of n reports it took to take it out; 0: they did not */
static int reports_until_out(pool_t *pool, unsigned i, rp_outcome_e outcome, int n)
{
    int k;

    for (k = 1; k <= n; k++) {
        if (pool_report(pool, i, outcome, 0) == RP_NEWS_OUT) {
            return k;
        }
    }
    return 0;
}

static apr_interval_time_t out_for(const pool_t *pool, unsigned i)
{
    return pool->state.slots[i].out_until - pool->now;
}

static void one_refused_connection_is_enough(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    pool.eject.on = 0;
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_CONNECT, 1), 1);
    assert_int_equal(pool.state.slots[0].out, RP_OUT_CONNECT);
    assert_int_equal(out_for(&pool, 0), SECOND);
    /* Also the last one's: nobody can make it answer. */
    assert_int_equal(reports_until_out(&pool, 1, RP_OUTCOME_CONNECT, 1), 1);
    assert_int_equal(pool_pick(&pool, rp_method_round_robin), -1);
    pool_end(&pool);
}

static void failures_in_a_row_take_a_member_out(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 2), 0);
    pool_report(&pool, 0, RP_OUTCOME_OK, 0);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_TIMEOUT, 1), 0);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 2), 2);
    assert_int_equal(pool.state.slots[0].out, RP_OUT_FAILURES);
    assert_int_equal(out_for(&pool, 0), 10 * SECOND);
    /* What had begun before says nothing new. */
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 10), 0);
    assert_int_equal(out_for(&pool, 0), 10 * SECOND);
    pool_end(&pool);
}

static void an_error_is_a_response(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 2), 0);
    pool_report(&pool, 0, RP_OUTCOME_ERROR, 0);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 2), 0);
    pool_end(&pool);
}

static void errors_in_a_row_count_while_others_do_better(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_ERROR, 50), 0);
    all_answer(&pool, 10);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_ERROR, 5), 5);
    assert_int_equal(pool.state.slots[0].out, RP_OUT_ERRORS);
    pool_end(&pool);
}

static void errors_that_all_give_are_nobodys_fault(void **unused)
{
    pool_t pool;
    unsigned i;
    int k;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    all_answer(&pool, 3);
    for (k = 0; k < 4; k++) {
        for (i = 0; i < 10; i++) {
            assert_int_equal(pool_report(&pool, i, RP_OUTCOME_ERROR, 0), RP_NEWS_NONE);
        }
    }
    for (i = 0; i < 10; i++) {
        assert_int_equal(reports_until_out(&pool, i, RP_OUTCOME_ERROR, 5), 0);
    }
    pool_end(&pool);
}

static void the_last_member_stays(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    pool.eject.most = 100;
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 3), 3);
    assert_int_equal(reports_until_out(&pool, 1, RP_OUTCOME_RESET, 20), 0);
    assert_int_equal(pool_pick(&pool, rp_method_round_robin), 1);
    pool_end(&pool);
}

static void no_more_than_most_percent_are_out(void **unused)
{
    unsigned i, out = 0;
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    pool.eject.most = 30;
    for (i = 0; i < 10; i++) {
        out += reports_until_out(&pool, i, RP_OUTCOME_RESET, 5) > 0;
    }
    assert_int_equal(out, 3);
    pool_end(&pool);
}

static void off_is_off(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    pool.eject.on = 0;
    all_answer(&pool, 10);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 50), 0);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_ERROR, 50), 0);
    pool_end(&pool);
}

/* In an interval, of 100 requests each, those that fail by member; never in a row. */
static void one_interval(pool_t *pool, const int *bad)
{
    unsigned i;
    int k;

    for (i = 0; i < pool->state.nslots; i++) {
        for (k = 0; k < 100; k++) {
            pool_report(pool, i, RP_OUTCOME_OK, 0);
        }
        pool->state.slots[i].window_ok -= (unsigned)bad[i];
        pool->state.slots[i].window_bad += (unsigned)bad[i];
    }
    pool->now += pool->eject.interval;
    rp_state_review(&pool->state, pool->now, NULL, NULL);
}

static unsigned count_out(const pool_t *pool)
{
    unsigned i, out = 0;

    for (i = 0; i < pool->state.nslots; i++) {
        out += pool->state.slots[i].out_until != 0;
    }
    return out;
}

static void an_outlier_is_taken_out_by_its_share_of_failures(void **unused)
{
    static const int one_bad[] = { 1, 0, 2, 40, 1, 0, 3, 1, 0, 2 };
    static const int uneven[] = { 1, 0, 2, 9, 1, 0, 3, 1, 0, 2 };
    static const int all_bad[] = { 50, 40, 60, 40, 50, 60, 40, 50, 45, 55 };
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    one_interval(&pool, uneven);
    assert_int_equal(count_out(&pool), 0);
    one_interval(&pool, all_bad);
    assert_int_equal(count_out(&pool), 0);
    one_interval(&pool, one_bad);
    assert_int_equal(count_out(&pool), 1);
    assert_int_equal(pool.state.slots[3].out, RP_OUT_OUTLIER);
    assert_int_equal(pool.state.slots[3].last_bad, 40);
    pool_end(&pool);
}

static void of_three_one_can_be_an_outlier_and_of_two_none(void **unused)
{
    static const int three[] = { 1, 1, 1, END };
    static const int bad[] = { 0, 50, 1 };
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 3, 1, three);
    one_interval(&pool, bad);
    assert_int_equal(pool.state.slots[1].out, RP_OUT_OUTLIER);
    pool_end(&pool);
    pool_begin(&pool, 2, 1, two);
    one_interval(&pool, bad);
    assert_int_equal(count_out(&pool), 0);
    pool_end(&pool);
}

static void few_requests_say_nothing(void **unused)
{
    static const int one_bad[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 40 };
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    pool.eject.requests = 101;
    one_interval(&pool, one_bad);
    assert_int_equal(count_out(&pool), 0);
    pool_end(&pool);
}

/* One request may try it, others go elsewhere. @return the slot of the trial's */
static rp_pick_t trial_of(pool_t *pool, int who)
{
    rp_pick_t pick = pool_pick_of(pool);
    int n, i = -1;

    for (n = 0; n < 100 && i != who; n++) {
        pick = pool_pick_of(pool);
        i = rp_state_pick(&pool->state, rp_method_p2c, &pick);
    }
    assert_int_equal(i, who);
    return pick;
}

static void times_grow_with_each_failed_trial(void **unused)
{
    pool_t pool;
    int k;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 3), 3);
    for (k = 1; k <= 40; k++) {
        apr_interval_time_t expected = k * 10 > 300 ? 300 * SECOND : k * 10 * SECOND;

        assert_int_equal(out_for(&pool, 0), expected);
        pool.now += expected;
        assert_true(trial_of(&pool, 0).trial);
        assert_int_equal(pool_report(&pool, 0, RP_OUTCOME_RESET, 1), RP_NEWS_STILL);
    }
    pool_end(&pool);
}

static void a_refused_connection_is_tried_again_within_ten_times_retry(void **unused)
{
    pool_t pool;
    int k;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    pool_report(&pool, 0, RP_OUTCOME_CONNECT, 0);
    for (k = 1; k <= 20; k++) {
        assert_int_equal(out_for(&pool, 0), (k < 10 ? k : 10) * SECOND);
        pool.now += out_for(&pool, 0);
        assert_true(trial_of(&pool, 0).trial);
        assert_int_equal(pool_report(&pool, 0, RP_OUTCOME_CONNECT, 1), RP_NEWS_STILL);
    }
    pool_end(&pool);
}

static void exactly_one_request_has_the_trial(void **unused)
{
    unsigned seen = 0;
    pool_t pool;
    int n;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 3), 3);
    for (n = 0; n < 100; n++) {
        assert_int_equal(pool_pick(&pool, rp_method_random), 1);
    }
    pool.now += 10 * SECOND;
    assert_true(trial_of(&pool, 0).trial);
    for (n = 0; n < 100; n++) {
        assert_int_equal(pool_pick(&pool, rp_method_random), 1);
    }
    assert_int_equal(pool_report(&pool, 0, RP_OUTCOME_OK, 1), RP_NEWS_BACK);
    assert_int_equal(pool.state.slots[0].out_until, 0);
    for (n = 0; n < 100; n++) {
        rp_pick_t pick = pool_pick_of(&pool);

        seen |= 1u << rp_state_pick(&pool.state, rp_method_random, &pick);
        assert_false(pick.trial);
    }
    assert_int_equal(seen, 3);
    /* What made it fail is forgotten. */
    assert_in_range((int)rp_latency_get(pool.state.slots[0].latency, pool.now), 9000, 11000);
    pool_end(&pool);
}

/* Whoever had it may have died. */
static void a_trial_that_nobody_ends_is_given_again(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 3), 3);
    pool.now += 10 * SECOND;
    assert_true(trial_of(&pool, 0).trial);
    pool.now += 10 * SECOND;
    assert_true(trial_of(&pool, 0).trial);
    pool_end(&pool);
}

static int picks_of_unsafe(pool_t *pool, int who)
{
    int n, hits = 0;

    for (n = 0; n < 100; n++) {
        rp_pick_t pick = pool_pick_of(pool);

        pick.may_try = 0;
        hits += rp_state_pick(&pool->state, rp_method_p2c, &pick) == who;
    }
    return hits;
}

static void unsafe_requests_leave_trials_to_safe_ones(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 3), 3);
    pool.now += 19 * SECOND;
    assert_int_equal(picks_of_unsafe(&pool, 0), 0);
    pool_end(&pool);
}

static void without_safe_requests_unsafe_ones_try_at_last(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    pool_report(&pool, 0, RP_OUTCOME_CONNECT, 0);
    pool.now += 20 * SECOND;
    assert_int_equal(picks_of_unsafe(&pool, 0), 1);
    assert_int_equal(pool_report(&pool, 0, RP_OUTCOME_OK, 1), RP_NEWS_BACK);
    pool_end(&pool);
}

static void an_error_ends_the_trial_of_who_was_out_for_errors(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    all_answer(&pool, 20);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_ERROR, 5), 5);
    pool.now += 10 * SECOND;
    assert_int_equal(pool_report(&pool, 0, RP_OUTCOME_ERROR, 1), RP_NEWS_STILL);
    pool_end(&pool);
    /* Who took no connections does: that it answers was in question, not what. */
    pool_begin(&pool, 2, 1, two);
    pool_report(&pool, 0, RP_OUTCOME_CONNECT, 0);
    assert_int_equal(pool_report(&pool, 0, RP_OUTCOME_ERROR, 1), RP_NEWS_BACK);
    pool_end(&pool);
}

static void trust_grows_with_time(void **unused)
{
    static const int none[] = { 0, 0 };
    pool_t pool;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 3), 3);
    pool.now += 10 * SECOND;
    assert_int_equal(pool_report(&pool, 0, RP_OUTCOME_RESET, 1), RP_NEWS_STILL);
    pool.now += 20 * SECOND;
    assert_int_equal(pool_report(&pool, 0, RP_OUTCOME_OK, 1), RP_NEWS_BACK);
    assert_int_equal(pool.state.slots[0].ejections, 2);
    one_interval(&pool, none);
    one_interval(&pool, none);
    one_interval(&pool, none);
    assert_int_equal(pool.state.slots[0].ejections, 0);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 3), 3);
    assert_int_equal(out_for(&pool, 0), 10 * SECOND);
    pool_end(&pool);
}

static void a_member_that_is_back_gets_a_growing_share(void **unused)
{
    pool_t pool;
    int have = 0, step, n;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    pool.eject.slow_start = 100 * SECOND;
    pool_report(&pool, 4, RP_OUTCOME_CONNECT, 0);
    assert_int_equal(pool_report(&pool, 4, RP_OUTCOME_OK, 1), RP_NEWS_BACK);
    for (step = 0; step < 4; step++) {
        int now = 0;

        for (n = 0; n < 10000; n++) {
            now += pool_pick(&pool, rp_method_round_robin) == 4;
        }
        /* A tenth of its thousand first, then as much as time has passed. */
        assert_in_range(now, step ? step * 300 - 100 : 70, step ? step * 300 + 100 : 130);
        assert_true(now > have);
        have = now;
        pool.now += 30 * SECOND;
    }
    rp_state_review(&pool.state, pool.now, NULL, NULL);
    assert_int_equal(pool.state.slots[4].back_since, 0);
    pool_end(&pool);
}

static void panic_puts_all_to_use_that_take_connections(void **unused)
{
    unsigned i, seen = 0;
    pool_t pool;
    int n;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    pool.eject.most = 100;
    pool.eject.panic = 50;
    all_answer(&pool, 100);
    pool_report(&pool, 0, RP_OUTCOME_CONNECT, 0);
    for (i = 1; i < 5; i++) {
        assert_int_equal(reports_until_out(&pool, i, RP_OUTCOME_ERROR, 5), 5);
    }
    for (n = 0; n < 1000; n++) {
        assert_in_range(pool_pick(&pool, rp_method_random), 5, 9);
    }
    assert_int_equal(reports_until_out(&pool, 5, RP_OUTCOME_ERROR, 5), 5);
    assert_true(pool.state.shared->levels[0].panic);
    for (n = 0; n < 1000; n++) {
        seen |= 1u << pool_pick(&pool, rp_method_random);
    }
    assert_int_equal(seen, 0x3fe);
    pool_end(&pool);
}

/* Two that are gone for good must not keep the others from proving themselves. */
static void panic_ends_by_trials(void **unused)
{
    pool_t pool;
    unsigned i;
    int n;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    all_answer(&pool, 100);
    for (i = 2; i < 9; i++) {
        assert_int_equal(reports_until_out(&pool, i, RP_OUTCOME_ERROR, 5), 5);
    }
    pool_report(&pool, 0, RP_OUTCOME_CONNECT, 0);
    pool_report(&pool, 1, RP_OUTCOME_CONNECT, 0);
    assert_true(pool.state.shared->levels[0].panic);
    pool.now += 10 * SECOND;
    for (n = 0; n < 1000; n++) {
        rp_pick_t pick = pool_pick_of(&pool);
        int who = rp_state_pick(&pool.state, rp_method_p2c, &pick);

        assert_in_range(who, 0, 9);
        pool_report(&pool, (unsigned)who, who < 2 ? RP_OUTCOME_CONNECT : RP_OUTCOME_OK, pick.trial);
    }
    assert_false(pool.state.shared->levels[0].panic);
    assert_int_equal(pool.state.shared->levels[0].in, 8);
    pool_end(&pool);
}

/* With checks, too: else each request would try to connect to each of them. */
static void who_takes_no_connections_is_no_last_resort(void **unused)
{
    pool_t pool;
    unsigned i;
    int n;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    for (i = 0; i < 2; i++) {
        rp_state_check(&pool.state, i, RP_CHECK_DOWN, pool.now);
    }
    assert_in_range(pool_pick(&pool, rp_method_p2c), 0, 1);
    for (i = 0; i < 2; i++) {
        pool_report(&pool, i, RP_OUTCOME_CONNECT, 0);
    }
    for (n = 0; n < 10; n++) {
        assert_int_equal(pool_pick(&pool, rp_method_p2c), -1);
    }
    pool.now += SECOND;
    assert_in_range(pool_pick(&pool, rp_method_p2c), 0, 1);
    assert_in_range(pool_pick(&pool, rp_method_p2c), 0, 1);
    assert_int_equal(pool_pick(&pool, rp_method_p2c), -1);
    pool_end(&pool);
}

/* A member that was restarted is back before its time. */
static void when_nobody_is_left_one_request_at_a_time_looks_who_is_back(void **unused)
{
    pool_t pool;
    rp_pick_t pick;
    int n, who;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    pool_report(&pool, 0, RP_OUTCOME_CONNECT, 0);
    pool.now += 99 * SECOND / 1000;
    assert_int_equal(pool_pick(&pool, rp_method_p2c), 1);
    pool_report(&pool, 1, RP_OUTCOME_CONNECT, 0);
    assert_int_equal(pool_pick(&pool, rp_method_p2c), -1);
    for (n = 0; n < 5; n++) {
        /* Each of the two, and nobody else meanwhile; that they are away still makes their time no longer. */
        pool.now += SECOND / 10;
        pick = pool_pick_of(&pool);
        who = rp_state_pick(&pool.state, rp_method_p2c, &pick);
        assert_in_range(who, 0, 1);
        assert_true(pick.trial);
        assert_int_equal(pick.last_resort, 2);
        assert_int_equal(pool_pick(&pool, rp_method_p2c), !who);
        assert_int_equal(pool_pick(&pool, rp_method_p2c), -1);
        pool_report(&pool, 0, RP_OUTCOME_CONNECT, 1);
        pool_report(&pool, 1, RP_OUTCOME_CONNECT, 1);
        assert_int_equal(pool.state.slots[0].ejections, 1);
        assert_int_equal(pool.state.slots[0].out_until, pool.now + SECOND);
    }
    pool.now += SECOND / 10;
    pick = pool_pick_of(&pool);
    who = rp_state_pick(&pool.state, rp_method_p2c, &pick);
    assert_in_range(who, 0, 1);
    assert_int_equal(pool_report(&pool, (unsigned)who, RP_OUTCOME_OK, 1), RP_NEWS_BACK);
    for (n = 0; n < 10; n++) {
        assert_int_equal(pool_pick(&pool, rp_method_p2c), who);
    }
    pool_end(&pool);
}

static void when_all_are_out_those_are_asked_that_might_answer(void **unused)
{
    pool_t pool;
    int n;

    (void)unused;
    pool_begin(&pool, 2, 1, two);
    assert_int_equal(reports_until_out(&pool, 0, RP_OUTCOME_RESET, 3), 3);
    pool_report(&pool, 1, RP_OUTCOME_CONNECT, 0);
    for (n = 0; n < 100; n++) {
        assert_int_equal(pool_pick(&pool, rp_method_p2c), 0);
    }
    pool_end(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_refused_connection_is_enough),
        cmocka_unit_test(failures_in_a_row_take_a_member_out),
        cmocka_unit_test(an_error_is_a_response),
        cmocka_unit_test(errors_in_a_row_count_while_others_do_better),
        cmocka_unit_test(errors_that_all_give_are_nobodys_fault),
        cmocka_unit_test(the_last_member_stays),
        cmocka_unit_test(no_more_than_most_percent_are_out),
        cmocka_unit_test(off_is_off),
        cmocka_unit_test(an_outlier_is_taken_out_by_its_share_of_failures),
        cmocka_unit_test(of_three_one_can_be_an_outlier_and_of_two_none),
        cmocka_unit_test(few_requests_say_nothing),
        cmocka_unit_test(times_grow_with_each_failed_trial),
        cmocka_unit_test(a_refused_connection_is_tried_again_within_ten_times_retry),
        cmocka_unit_test(exactly_one_request_has_the_trial),
        cmocka_unit_test(a_trial_that_nobody_ends_is_given_again),
        cmocka_unit_test(unsafe_requests_leave_trials_to_safe_ones),
        cmocka_unit_test(without_safe_requests_unsafe_ones_try_at_last),
        cmocka_unit_test(an_error_ends_the_trial_of_who_was_out_for_errors),
        cmocka_unit_test(trust_grows_with_time),
        cmocka_unit_test(a_member_that_is_back_gets_a_growing_share),
        cmocka_unit_test(panic_puts_all_to_use_that_take_connections),
        cmocka_unit_test(panic_ends_by_trials),
        cmocka_unit_test(who_takes_no_connections_is_no_last_resort),
        cmocka_unit_test(when_nobody_is_left_one_request_at_a_time_looks_who_is_back),
        cmocka_unit_test(when_all_are_out_those_are_asked_that_might_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "balance/check_state.h"
#include "state_util.h"

/* A member's life: outcomes of checks ("+" good, "-" failed) and the state after each ("?" none yet, "U" up, "D" down),
 * in capitals where it has just changed for the log. */
static void a_state_changes_when_enough_checks_in_a_row_say_so(void **state)
{
    static const struct {
        unsigned rise, fall;
        const char *outcomes, *states;
    } lives[] = {
        { 2, 3, "+++", "uuu" },
        { 2, 3, "---", "??D" },
        { 2, 3, "------", "??Dddd" },
        { 2, 3, "---+", "??Dd" },
        { 2, 3, "---++", "??DdU" },
        { 2, 3, "---+-+-++", "??DdddddU" },
        { 2, 3, "+--+--+---", "uuuuuuuuuD" },
        { 2, 3, "--+---", "??uuuD" },
        { 2, 3, "---++---++", "??DdUuuDdU" },
        { 1, 1, "-+-+", "DUDU" },
        { 1, 2, "+--+--", "uuDUuD" },
        { 3, 1, "-+++-", "DddUD" },
    };
    static const char names[] = "?ud";
    size_t i, at;

    (void)state;
    for (i = 0; i < sizeof(lives) / sizeof(*lives); i++) {
        rp_check_state_t s = { RP_CHECK_NONE, 0 };
        char states[32] = "";

        for (at = 0; lives[i].outcomes[at]; at++) {
            int changed = rp_check_judge(&s, lives[i].outcomes[at] == '+', lives[i].rise, lives[i].fall);

            states[at] = names[s.state];
            states[at] = (char)(changed ? states[at] - 'a' + 'A' : states[at]);
        }
        assert_string_equal(states, lives[i].states);
    }
}

/* After a graceful restart rise and fall may be smaller than the streak that was kept. */
static void a_streak_beyond_what_is_wanted_changes_the_state_at_once(void **state)
{
    rp_check_state_t s = { RP_CHECK_UP, 7 };

    (void)state;
    assert_int_equal(rp_check_judge(&s, 0, 2, 3), 1);
    assert_int_equal(s.state, RP_CHECK_DOWN);
    assert_int_equal(s.streak, 0);
}

static void an_interval_varies_within_its_jitter(void **state)
{
    apr_uint64_t random;

    (void)state;
    assert_int_equal(rp_check_wait(2000000, 0, 12345), 2000000);
    assert_int_equal(rp_check_wait(2000000, 10, 0), 1800000);
    assert_int_equal(rp_check_wait(2000000, 10, 400000), 2200000);
    assert_int_equal(rp_check_wait(2000000, 10, 400001), 1800000);
    for (random = 1; random; random <<= 1) {
        apr_interval_time_t wait = rp_check_wait(3000000, 50, random * 3);

        assert_in_range(wait, 1500000, 4500000);
    }
    assert_in_range(rp_check_wait((apr_interval_time_t)86400 * APR_USEC_PER_SEC, 50, UINT64_MAX), 1,
                    (apr_interval_time_t)2 * 86400 * APR_USEC_PER_SEC);
}

static const int two[] = { 1, 1 };

static void who_is_down_by_its_checks_gets_nothing_while_others_can(void **state)
{
    pool_t pool;
    int n;

    (void)state;
    pool_begin(&pool, 2, 1, two);
    rp_state_check(&pool.state, 0, RP_CHECK_DOWN, pool.now);
    assert_int_equal(pool.state.shared->levels[0].in, 1);
    for (n = 0; n < 100; n++) {
        assert_int_equal(pool_pick(&pool, rp_method_p2c), 1);
    }
    rp_state_check(&pool.state, 1, RP_CHECK_DOWN, pool.now);
    assert_int_not_equal(pool_pick(&pool, rp_method_p2c), -1);
    pool.eject.panic = 0;
    assert_int_equal(pool_pick(&pool, rp_method_p2c), -1);
    pool_end(&pool);
}

static void who_comes_back_starts_slowly_and_can_be_connected_to(void **state)
{
    static const struct {
        rp_outcome_e outcome;
        rp_out_e out, then;
    } cases[] = {
        { RP_OUTCOME_OK, RP_OUT_NOT, RP_OUT_NOT },
        { RP_OUTCOME_CONNECT, RP_OUT_CONNECT, RP_OUT_NOT },
        { RP_OUTCOME_RESET, RP_OUT_FAILURES, RP_OUT_NOT },
        /* Errors to requests are not what a check asks after. */
        { RP_OUTCOME_ERROR, RP_OUT_ERRORS, RP_OUT_ERRORS },
    };
    size_t i;
    int n;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pool_t pool;

        pool_begin(&pool, 2, 1, two);
        pool.eject.slow_start = 10 * SECOND;
        pool_report(&pool, 1, RP_OUTCOME_OK, 0);
        for (n = 0; n < 5; n++) {
            pool_report(&pool, 0, cases[i].outcome, 0);
        }
        assert_int_equal(pool.state.slots[0].out, cases[i].out);
        rp_state_check(&pool.state, 0, RP_CHECK_DOWN, pool.now);
        pool.now += SECOND;
        rp_state_check(&pool.state, 0, RP_CHECK_UP, pool.now);
        assert_int_equal(pool.state.slots[0].out, cases[i].then);
        assert_int_equal(rp_slot_in(&pool.state.slots[0]), cases[i].then == RP_OUT_NOT);
        assert_int_equal(pool.state.slots[0].back_since, cases[i].then == RP_OUT_NOT ? pool.now : 0);
        pool_end(&pool);
    }
}

static void the_first_good_check_changes_nothing(void **state)
{
    pool_t pool;

    (void)state;
    pool_begin(&pool, 2, 1, two);
    pool.eject.slow_start = 10 * SECOND;
    pool_report(&pool, 0, RP_OUTCOME_CONNECT, 0);
    rp_state_check(&pool.state, 0, RP_CHECK_UP, pool.now);
    rp_state_check(&pool.state, 1, RP_CHECK_UP, pool.now);
    assert_int_equal(pool.state.slots[0].out, RP_OUT_CONNECT);
    assert_int_equal(pool.state.slots[1].back_since, 0);
    pool_end(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_changes_when_enough_checks_in_a_row_say_so),
        cmocka_unit_test(a_streak_beyond_what_is_wanted_changes_the_state_at_once),
        cmocka_unit_test(an_interval_varies_within_its_jitter),
        cmocka_unit_test(who_is_down_by_its_checks_gets_nothing_while_others_can),
        cmocka_unit_test(who_comes_back_starts_slowly_and_can_be_connected_to),
        cmocka_unit_test(the_first_good_check_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "farm/breaker.h"

#define NOW apr_time_from_sec(1000)
#define FIRST apr_time_from_sec(1)
#define PATIENCE apr_time_from_msec(150)
/* In the middle of what chance may make of it */
#define RANDOM 128

static int fail_at(rp_breaker_t *b, rp_breaker_way_e way, rp_breaker_evidence_e evidence, apr_time_t now)
{
    return rp_breaker_failed(b, way, evidence, now, FIRST, RANDOM);
}

static void what_is_down_is_left_alone_at_once(void **state)
{
    rp_breaker_t b = { .id = 1 };

    (void)state;
    assert_int_equal(rp_breaker_ask(&b, NOW, PATIENCE), RP_BREAKER_GO);
    assert_int_equal(fail_at(&b, RP_BREAKER_GO, RP_BREAKER_DOWN, NOW), 1);
    assert_int_equal(rp_breaker_ask(&b, NOW + 1, PATIENCE), RP_BREAKER_LEAVE);
    assert_int_equal(rp_breaker_ask(&b, NOW + FIRST / 2, PATIENCE), RP_BREAKER_LEAVE);
}

static void slow_answers_count_only_in_a_row(void **state)
{
    rp_breaker_t b = { .id = 1 };

    (void)state;
    assert_int_equal(fail_at(&b, RP_BREAKER_GO, RP_BREAKER_TIMEOUT, NOW), 0);
    assert_int_equal(fail_at(&b, RP_BREAKER_GO, RP_BREAKER_TIMEOUT, NOW), 0);
    assert_int_equal(rp_breaker_ok(&b, RP_BREAKER_GO, NOW), 0);
    assert_int_equal(fail_at(&b, RP_BREAKER_GO, RP_BREAKER_TIMEOUT, NOW), 0);
    assert_int_equal(fail_at(&b, RP_BREAKER_GO, RP_BREAKER_TIMEOUT, NOW), 0);
    assert_int_equal(rp_breaker_ask(&b, NOW, PATIENCE), RP_BREAKER_GO);
    assert_int_equal(fail_at(&b, RP_BREAKER_GO, RP_BREAKER_TIMEOUT, NOW), 1);
    assert_int_equal(rp_breaker_ask(&b, NOW, PATIENCE), RP_BREAKER_LEAVE);
}

static void one_request_tries_again(void **state)
{
    rp_breaker_t b = { .id = 1 };
    apr_time_t later = NOW + 2 * FIRST;

    (void)state;
    fail_at(&b, RP_BREAKER_GO, RP_BREAKER_DOWN, NOW);
    assert_int_equal(rp_breaker_ask(&b, later, PATIENCE), RP_BREAKER_TRIAL);
    assert_int_equal(rp_breaker_ask(&b, later, PATIENCE), RP_BREAKER_LEAVE);
    assert_int_equal(rp_breaker_ok(&b, RP_BREAKER_TRIAL, later + 1), 2 * FIRST + 1);
    assert_int_equal(rp_breaker_ask(&b, later + 2, PATIENCE), RP_BREAKER_GO);
    /* And begins with the shortest time again. */
    fail_at(&b, RP_BREAKER_GO, RP_BREAKER_DOWN, later);
    assert_true(b.until - later <= FIRST + FIRST / 8);
}

static void a_trial_that_nobody_hears_of_again_is_replaced(void **state)
{
    rp_breaker_t b = { .id = 1 };
    apr_time_t later = NOW + 2 * FIRST;

    (void)state;
    fail_at(&b, RP_BREAKER_GO, RP_BREAKER_DOWN, NOW);
    assert_int_equal(rp_breaker_ask(&b, later, PATIENCE), RP_BREAKER_TRIAL);
    assert_int_equal(rp_breaker_ask(&b, later + PATIENCE - 1, PATIENCE), RP_BREAKER_LEAVE);
    assert_int_equal(rp_breaker_ask(&b, later + PATIENCE, PATIENCE), RP_BREAKER_TRIAL);
}

static void times_grow_up_to_a_bound(void **state)
{
    static const int factors[] = { 1, 2, 4, 4, 4, 4 };
    rp_breaker_t b = { .id = 1 };
    apr_time_t now = NOW;
    int i;

    (void)state;
    fail_at(&b, RP_BREAKER_GO, RP_BREAKER_DOWN, now);
    for (i = 0; i < 6; i++) {
        apr_interval_time_t alone = b.until - now;

        assert_true(alone >= FIRST * factors[i] * 7 / 8 && alone <= FIRST * factors[i] * 9 / 8);
        now = b.until;
        assert_int_equal(rp_breaker_ask(&b, now, PATIENCE), RP_BREAKER_TRIAL);
        now += 1000;
        assert_int_equal(fail_at(&b, RP_BREAKER_TRIAL, RP_BREAKER_TIMEOUT, now), 0);
    }
}

static void many_who_fail_at_once_open_it_once(void **state)
{
    rp_breaker_t b = { .id = 1 };
    apr_time_t until;
    int i, opened = 0;

    (void)state;
    for (i = 0; i < 100; i++) {
        opened += fail_at(&b, RP_BREAKER_GO, RP_BREAKER_DOWN, NOW + i);
    }
    assert_int_equal(opened, 1);
    assert_int_equal(b.steps, 1);
    until = b.until;
    /* Nor does the late success of one that had gone before close it. */
    rp_breaker_ok(&b, RP_BREAKER_GO, NOW);
    assert_int_equal(b.until, until);
}

static void chance_spreads_those_who_come_back(void **state)
{
    rp_breaker_t b = { .id = 1 };
    apr_time_t least = 0, most = 0;
    uint32_t i;

    (void)state;
    for (i = 0; i < 256; i++) {
        memset(&b, 0, sizeof(b));
        rp_breaker_failed(&b, RP_BREAKER_GO, RP_BREAKER_DOWN, NOW, FIRST, i);
        least = i == 0 || b.until < least ? b.until : least;
        most = b.until > most ? b.until : most;
    }
    assert_true(least >= NOW + FIRST * 7 / 8 && most <= NOW + FIRST * 9 / 8 && most - least > FIRST / 5);
}

static void breakers_by_name(void **state)
{
    rp_breaker_t table[2];
    rp_breaker_t *a, *b;

    (void)state;
    memset(table, 0, sizeof(table));
    a = rp_breaker_find(table, 2, "10.0.0.1:6379");
    b = rp_breaker_find(table, 2, "10.0.0.2:6379");
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(rp_breaker_find(table, 2, "10.0.0.1:6379"), a);
    assert_ptr_equal(rp_breaker_find(table, 2, "10.0.0.2:6379"), b);
    assert_null(rp_breaker_find(table, 2, "10.0.0.3:6379"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_down_is_left_alone_at_once), cmocka_unit_test(slow_answers_count_only_in_a_row),
        cmocka_unit_test(one_request_tries_again), cmocka_unit_test(a_trial_that_nobody_hears_of_again_is_replaced),
        cmocka_unit_test(times_grow_up_to_a_bound), cmocka_unit_test(many_who_fail_at_once_open_it_once),
        cmocka_unit_test(chance_spreads_those_who_come_back), cmocka_unit_test(breakers_by_name)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cache/effort.h"

#define SEC APR_USEC_PER_SEC
#define LEASE (100 * SEC)

static void one_piece_of_work_is_done_at_a_time(void **state)
{
    rp_effort_t e = { 0 };
    apr_time_t first, second;

    (void)state;
    assert_true(rp_effort_begin(&e, 1000 * SEC, LEASE, &first));
    assert_false(rp_effort_begin(&e, 1000 * SEC, LEASE, &second));
    assert_false(rp_effort_begin(&e, 1099 * SEC, LEASE, &second));
    rp_effort_end(&e, first, 1099 * SEC, 0, 50);
    assert_true(rp_effort_begin(&e, 1099 * SEC, LEASE, &second));
}

static void a_pause_makes_the_share(void **state)
{
    static const struct {
        int percent;
        apr_interval_time_t spent, pause;
    } cases[] = {
        { 50, 2 * SEC, 2 * SEC }, { 100, 5 * SEC, 0 }, { 25, SEC, 3 * SEC }, { 1, SEC, 99 * SEC }, { 50, 0, 0 },
        { 90, 9 * SEC, SEC },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        rp_effort_t e = { 0 };
        apr_time_t turn, other, now = 1000 * SEC;

        assert_true(rp_effort_begin(&e, now, LEASE, &turn));
        rp_effort_end(&e, turn, now, cases[i].spent, cases[i].percent);
        if (cases[i].pause) {
            assert_false(rp_effort_begin(&e, now + cases[i].pause - 1, LEASE, &other));
        }
        assert_true(rp_effort_begin(&e, now + cases[i].pause, LEASE, &other));
    }
}

static void who_dies_holds_up_the_others_for_his_lease_and_no_longer(void **state)
{
    rp_effort_t e = { 0 };
    apr_time_t dead, turn, other;

    (void)state;
    assert_true(rp_effort_begin(&e, 1000 * SEC, LEASE, &dead));
    assert_true(rp_effort_begin(&e, 1000 * SEC + LEASE, LEASE, &turn));
    /* He was only slow: the turn is another one's by now. */
    rp_effort_end(&e, dead, 1000 * SEC + LEASE, SEC, 50);
    assert_false(rp_effort_begin(&e, 1000 * SEC + LEASE + 10 * SEC, LEASE, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_piece_of_work_is_done_at_a_time),
        cmocka_unit_test(a_pause_makes_the_share),
        cmocka_unit_test(who_dies_holds_up_the_others_for_his_lease_and_no_longer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What a host may use that has lost touch with its farm, or has just been started. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "cache/farm_doubt.h"

#define SEC(n) apr_time_from_sec(n)
/* The server began at this second of the wall's clock, which was this time of the other. */
#define BEGAN 1000000
#define AT SEC(500)
#define LOST SEC(60)

/* Is what was fetched at second BEGAN + fetched in doubt, so many seconds after the start? */
static int doubted(const rp_doubt_t *doubt, int fetched, int later)
{
    return rp_doubt_covers(doubt, BEGAN + fetched, AT + SEC(later), BEGAN + later, LOST);
}

static rp_doubt_t begun(void)
{
    rp_doubt_t doubt;

    memset(&doubt, 0, sizeof(doubt));
    rp_doubt_begin(&doubt, BEGAN);
    return doubt;
}

static void all_of_before_the_start_until_the_log_was_read(void **state)
{
    rp_doubt_t doubt = begun();

    (void)state;
    assert_true(doubted(&doubt, -1, 1));
    assert_true(doubted(&doubt, -5000, 1));
    assert_true(doubted(&doubt, 0, 1));
    assert_false(doubted(&doubt, 1, 1));
    rp_doubt_synced(&doubt, AT + SEC(1), AT + SEC(2));
    assert_false(doubted(&doubt, -5000, 2));
}

static void what_is_older_than_allowed_when_the_log_cannot_be_read(void **state)
{
    rp_doubt_t doubt = begun();

    (void)state;
    rp_doubt_failed(&doubt, AT + SEC(1));
    assert_false(doubted(&doubt, -50, 1));
    assert_true(doubted(&doubt, -59, 1));
    assert_true(doubted(&doubt, -50, 11));
}

static void nothing_while_the_host_is_in_touch(void **state)
{
    rp_doubt_t doubt = begun();

    (void)state;
    rp_doubt_synced(&doubt, AT + SEC(1), AT + SEC(1));
    rp_doubt_failed(&doubt, AT + SEC(30));
    assert_false(doubted(&doubt, -5000, 30));
    assert_false(doubted(&doubt, -5000, 61));
}

static void what_is_older_than_allowed_once_it_is_not(void **state)
{
    rp_doubt_t doubt = begun();

    (void)state;
    rp_doubt_synced(&doubt, AT + SEC(1), AT + SEC(1));
    rp_doubt_failed(&doubt, AT + SEC(62));
    /* A purge of second 1 or later is unknown: 60 seconds after it nothing of before is used. */
    assert_true(doubted(&doubt, 1, 62));
    assert_true(doubted(&doubt, 2, 62));
    assert_false(doubted(&doubt, 3, 62));
    assert_true(doubted(&doubt, 3, 63));
    rp_doubt_synced(&doubt, AT + SEC(63), AT + SEC(63));
    assert_false(doubted(&doubt, -5000, 64));
}

static void who_tends_to_it_is_known(void **state)
{
    rp_doubt_t doubt = begun();

    (void)state;
    assert_false(rp_doubt_is_tended(&doubt, AT, SEC(2)));
    rp_doubt_failed(&doubt, AT);
    assert_true(rp_doubt_is_tended(&doubt, AT + SEC(1), SEC(2)));
    assert_false(rp_doubt_is_tended(&doubt, AT + SEC(2), SEC(2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_before_the_start_until_the_log_was_read),
        cmocka_unit_test(what_is_older_than_allowed_when_the_log_cannot_be_read),
        cmocka_unit_test(nothing_while_the_host_is_in_touch),
        cmocka_unit_test(what_is_older_than_allowed_once_it_is_not),
        cmocka_unit_test(who_tends_to_it_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "limit/gcra.h"

#define SECOND INT64_C(1000000000)
/* Any time: what counts is what has gone by. */
#define BEGIN (INT64_C(86400) * 365 * SECOND)

/* The same numbers each time, so that a failure can be had again. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int takes(const rp_gcra_t *rate, apr_int64_t *used_until, apr_int64_t now)
{
    apr_int64_t wait;

    return rp_gcra_take(rate, used_until, now, &wait);
}

static void a_burst_comes_at_once_and_is_regained_one_by_one(void **state)
{
    rp_gcra_t rate = rp_gcra_make(10, apr_time_from_sec(1), 4);
    apr_int64_t used_until = 0, wait;
    int i;

    (void)state;
    for (i = 0; i < 4; i++) {
        assert_true(takes(&rate, &used_until, BEGIN));
    }
    assert_false(rp_gcra_take(&rate, &used_until, BEGIN, &wait));
    assert_int_equal(wait, SECOND / 10);
    assert_false(takes(&rate, &used_until, BEGIN + SECOND / 10 - 1));
    assert_true(takes(&rate, &used_until, BEGIN + SECOND / 10));
    assert_false(takes(&rate, &used_until, BEGIN + SECOND / 10));
    /* After a long time there is the burst again, and no more than that. */
    for (i = 0; i < 4; i++) {
        assert_true(takes(&rate, &used_until, BEGIN + 3600 * SECOND));
    }
    assert_false(takes(&rate, &used_until, BEGIN + 3600 * SECOND));
}

static void who_keeps_the_interval_is_never_refused(void **state)
{
    static const apr_int64_t counts[] = { 1, 3, 7, 60, 999, 1000000 };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        rp_gcra_t rate = rp_gcra_make(counts[i], apr_time_from_sec(60), 1);
        apr_int64_t used_until = 0;
        int n;

        for (n = 0; n < 10000; n++) {
            /* The exact time, which is no whole number of nanoseconds. */
            assert_true(takes(&rate, &used_until, BEGIN + (apr_int64_t)((__int128)n * 60 * SECOND / counts[i])));
        }
    }
}

#define EVENTS 3000

/* Of times in order, how many lie in any window of that length at most. */
static int most_in(const apr_int64_t *times, int n, apr_int64_t window)
{
    int first = 0, last, most = 0;

    for (last = 0; last < n; last++) {
        while (times[last] - times[first] >= window) {
            first++;
        }
        most = last - first + 1 > most ? last - first + 1 : most;
    }
    return most;
}

static void no_window_has_more_than_the_burst_and_the_rate(void **state)
{
    static apr_int64_t times[EVENTS];
    uint64_t random = 88172645463325252u;
    int round;

    (void)state;
    for (round = 0; round < 200; round++) {
        apr_int64_t count = 1 + (apr_int64_t)(next_random(&random) % 1000);
        apr_int64_t burst = 1 + (apr_int64_t)(next_random(&random) % 50);
        rp_gcra_t rate = rp_gcra_make(count, apr_time_from_sec(1), burst);
        apr_int64_t used_until = 0, now = BEGIN;
        int i, n = 0;

        for (i = 0; i < EVENTS; i++) {
            /* Crowds and pauses. */
            now += next_random(&random) % 4 ? (apr_int64_t)(next_random(&random) % (uint64_t)rate.interval)
                                            : (apr_int64_t)(next_random(&random) % (uint64_t)(3 * rate.interval));
            if (takes(&rate, &used_until, now)) {
                times[n++] = now;
            }
        }
        for (i = 1; i <= 64; i *= 2) {
            apr_int64_t window = (apr_int64_t)(next_random(&random) % (uint64_t)(i * rate.interval)) + 1;

            assert_true(most_in(times, n, window) <= burst + window / rate.interval);
        }
    }
}

static void the_wait_is_exact(void **state)
{
    uint64_t random = 2463534242u;
    rp_gcra_t rate = rp_gcra_make(30, apr_time_from_sec(60), 5);
    apr_int64_t used_until = 0, now = BEGIN;
    int i, refused = 0;

    (void)state;
    for (i = 0; i < 10000; i++) {
        apr_int64_t wait;

        now += (apr_int64_t)(next_random(&random) % (uint64_t)(2 * SECOND));
        wait = rp_gcra_wait(&rate, used_until, now);
        assert_int_equal(takes(&rate, &used_until, now), wait == 0);
        if (!wait) {
            continue;
        }
        refused++;
        assert_false(takes(&rate, &used_until, now + wait - 1));
        assert_true(takes(&rate, &used_until, now + wait));
        now += wait;
    }
    assert_true(refused > 100);
}

/* What n hosts let through that have a share each. */
static int through_shares(const rp_gcra_t *share, int hosts, apr_int64_t time)
{
    apr_int64_t used_until[64] = { 0 };
    apr_int64_t now;
    int through = 0, host;

    for (now = BEGIN; now < BEGIN + time; now += SECOND / 1000) {
        for (host = 0; host < hosts; host++) {
            through += takes(share, &used_until[host], now);
        }
    }
    return through;
}

static void shares_come_to_the_whole(void **state)
{
    rp_gcra_t rate = rp_gcra_make(100, apr_time_from_sec(1), 40);
    int hosts;

    (void)state;
    for (hosts = 1; hosts <= 64; hosts *= 2) {
        rp_gcra_t share = rp_gcra_share(&rate, hosts);
        int burst = hosts <= 40 ? (40 + hosts - 1) / hosts * hosts : hosts;
        int through = through_shares(&share, hosts, 10 * SECOND);

        assert_true(through >= 10 * 100 + burst - hosts);
        assert_true(through <= 10 * 100 + burst);
    }
}

static void nothing_overflows_at_the_bounds(void **state)
{
    rp_gcra_t slow = rp_gcra_make(1, RP_GCRA_PERIOD_MAX, RP_GCRA_BURST_MAX);
    rp_gcra_t fast = rp_gcra_make(RP_GCRA_COUNT_MAX, apr_time_from_sec(1), 1);
    rp_gcra_t share = rp_gcra_share(&slow, RP_GCRA_SHARES_MAX);
    apr_int64_t used_until = 0, now = 100 * BEGIN;
    int i;

    (void)state;
    for (i = 0; i < RP_GCRA_BURST_MAX; i++) {
        assert_true(takes(&slow, &used_until, now));
    }
    assert_false(takes(&slow, &used_until, now));
    used_until = 0;
    for (i = 0; i < RP_GCRA_BURST_MAX / RP_GCRA_SHARES_MAX; i++) {
        assert_true(takes(&share, &used_until, now));
    }
    assert_false(takes(&share, &used_until, now));
    used_until = 0;
    assert_true(takes(&fast, &used_until, now));
    assert_false(takes(&fast, &used_until, now + 999));
    assert_true(takes(&fast, &used_until, now + 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_comes_at_once_and_is_regained_one_by_one),
        cmocka_unit_test(who_keeps_the_interval_is_never_refused),
        cmocka_unit_test(no_window_has_more_than_the_burst_and_the_rate),
        cmocka_unit_test(the_wait_is_exact),
        cmocka_unit_test(shares_come_to_the_whole),
        cmocka_unit_test(nothing_overflows_at_the_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "balance/quantile.h"

#define NOW apr_time_from_sec(1000003)
/* Long enough for what was found to be found anew. */
#define LATER (APR_USEC_PER_SEC / 5)

static void add(rp_quantile_t *q, int n, apr_interval_time_t sample, apr_time_t now)
{
    while (n-- > 0) {
        rp_quantile_add(q, sample, now);
    }
}

/* Not less than it is, and at most an eighth more. */
static void assert_about(apr_interval_time_t found, apr_interval_time_t right)
{
    assert_true(found >= right);
    assert_true(found <= right + right / 8 + 1);
}

static void right_to_an_eighth(void **state)
{
    apr_interval_time_t size;

    (void)state;
    for (size = 70; size < apr_time_from_sec(120); size += size / 3) {
        rp_quantile_t q = { .known = 0 };
        int i;

        for (i = 0; i < 1000; i++) {
            rp_quantile_add(&q, size * (i + 1) / 1000, NOW);
        }
        assert_about(rp_quantile_get(&q, 999, NOW), size < 65 ? 65 : size * 999 / 1000);
        assert_about(rp_quantile_get(&q, 950, NOW + LATER), size * 95 / 100 < 65 ? 65 : size * 95 / 100);
        assert_about(rp_quantile_get(&q, 500, NOW + 2 * LATER), size / 2 < 65 ? 65 : size / 2);
    }
}

static void tail_of_two_kinds(void **state)
{
    rp_quantile_t q = { .known = 0 };

    (void)state;
    add(&q, 96, 1000, NOW);
    add(&q, 4, 500000, NOW);
    assert_about(rp_quantile_get(&q, 950, NOW), 1000);
    add(&q, 2, 500000, NOW);
    assert_about(rp_quantile_get(&q, 950, NOW + LATER), 500000);
}

static void extremes_have_a_place(void **state)
{
    rp_quantile_t q = { .known = 0 };

    (void)state;
    add(&q, 100, 0, NOW);
    add(&q, 100, -5, NOW);
    assert_true(rp_quantile_get(&q, 500, NOW) <= 72);
    add(&q, 1000, APR_INT64_MAX, NOW);
    assert_true(rp_quantile_get(&q, 900, NOW + LATER) >= apr_time_from_sec(120));
}

static void too_few_say_nothing(void **state)
{
    rp_quantile_t q = { .known = 0 };

    (void)state;
    assert_int_equal(rp_quantile_get(&q, 950, NOW), 0);
    add(&q, 19, 1000, NOW);
    assert_int_equal(rp_quantile_get(&q, 950, NOW + LATER), 0);
    add(&q, 1, 1000, NOW);
    assert_about(rp_quantile_get(&q, 950, NOW + 2 * LATER), 1000);
    assert_int_equal(rp_quantile_get(&q, 990, NOW + 3 * LATER), 0);
    add(&q, 80, 1000, NOW);
    assert_about(rp_quantile_get(&q, 990, NOW + 4 * LATER), 1000);
}

static void minute_slides(void **state)
{
    rp_quantile_t q = { .known = 0 };
    apr_time_t start = NOW / RP_QUANTILE_WINDOW * RP_QUANTILE_WINDOW;

    (void)state;
    add(&q, 100, 1000000, start);
    add(&q, 50, 1000, start + 3 * RP_QUANTILE_WINDOW);
    assert_about(rp_quantile_get(&q, 500, start + 3 * RP_QUANTILE_WINDOW), 1000000);
    assert_about(rp_quantile_get(&q, 500, start + 4 * RP_QUANTILE_WINDOW), 1000);
    /* What takes the place of the first quarter does not add to it. */
    add(&q, 10, 5000, start + 4 * RP_QUANTILE_WINDOW);
    assert_int_equal(rp_quantile_get(&q, 990, start + 4 * RP_QUANTILE_WINDOW + LATER), 0);
    assert_about(rp_quantile_get(&q, 900, start + 4 * RP_QUANTILE_WINDOW + 2 * LATER), 5000);
    assert_int_equal(rp_quantile_get(&q, 500, start + 60 * RP_QUANTILE_WINDOW), 0);
}

static void found_once_in_a_while(void **state)
{
    rp_quantile_t q = { .known = 0 };

    (void)state;
    add(&q, 20, 1000, NOW);
    assert_about(rp_quantile_get(&q, 500, NOW), 1000);
    add(&q, 1000, 50000, NOW);
    assert_about(rp_quantile_get(&q, 500, NOW + 50000), 1000);
    assert_about(rp_quantile_get(&q, 500, NOW + 100000), 50000);
}

/* ------------------------------------------------------------------ many at once */

#define THREADS 16
#define EACH 20000

static rp_quantile_t shared;

static void *work(void *data)
{
    int i;

    (void)data;
    for (i = 0; i < EACH; i++) {
        apr_time_t now = NOW + (apr_time_t)i * apr_time_from_sec(200) / EACH;
        apr_interval_time_t found = rp_quantile_get(&shared, 900, now);

        rp_quantile_add(&shared, 1000 + i % 10 * 1000, now);
        /* 900 of 1000 take 9 ms at most; a window that is just being cleared may lack some of either. */
        if (found && (found < 1000 || found > 11300)) {
            return &shared;
        }
    }
    return NULL;
}

static void many_at_once(void **state)
{
    pthread_t threads[THREADS];
    void *wrong;
    int i;

    (void)state;
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    /* Threads that lagged behind may have cleared what others had just counted: what is promised is that it goes on. */
    for (i = 0; i < EACH; i++) {
        rp_quantile_add(&shared, 1000 + i % 10 * 1000, NOW + apr_time_from_sec(400));
    }
    assert_about(rp_quantile_get(&shared, 900, NOW + apr_time_from_sec(400) + LATER), 9000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_to_an_eighth),
        cmocka_unit_test(tail_of_two_kinds),
        cmocka_unit_test(extremes_have_a_place),
        cmocka_unit_test(too_few_say_nothing),
        cmocka_unit_test(minute_slides),
        cmocka_unit_test(found_once_in_a_while),
        cmocka_unit_test(many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "balance/budget.h"

/* Some moment; the clock may stand anywhere. */
#define NOW apr_time_from_sec(1000003)

static void deposit(rp_budget_t *budget, int n, apr_time_t now)
{
    while (n-- > 0) {
        rp_budget_deposit(budget, now);
    }
}

/* How many of so many tries are granted. */
static int withdraw(rp_budget_t *budget, int n, int share, int floor, apr_time_t now)
{
    int granted = 0;

    while (n-- > 0) {
        granted += rp_budget_withdraw(budget, share, floor, now);
    }
    return granted;
}

static void share_of_requests(void **state)
{
    rp_budget_t budget = { .told = 0 };

    (void)state;
    assert_int_equal(withdraw(&budget, 5, 20, 0, NOW), 0);
    deposit(&budget, 100, NOW);
    assert_int_equal(withdraw(&budget, 50, 20, 0, NOW), 20);
    deposit(&budget, 4, NOW);
    assert_int_equal(withdraw(&budget, 50, 20, 0, NOW), 0);
    deposit(&budget, 1, NOW);
    assert_int_equal(withdraw(&budget, 50, 20, 0, NOW), 1);
    assert_int_equal(budget.granted, 21);
    assert_int_equal(budget.denied, 5 + 30 + 50 + 49);
}

static void floor_without_requests(void **state)
{
    rp_budget_t budget = { .told = 0 };

    (void)state;
    assert_int_equal(withdraw(&budget, 500, 20, 10, NOW), 10 * RP_BUDGET_SECONDS);
    /* Share and floor add up. */
    deposit(&budget, 1000, NOW);
    assert_int_equal(withdraw(&budget, 500, 20, 10, NOW), 200);
}

static void shares_at_the_bounds(void **state)
{
    rp_budget_t budget = { .told = 0 };

    (void)state;
    deposit(&budget, 100, NOW);
    assert_int_equal(withdraw(&budget, 10, 0, 0, NOW), 0);
    assert_int_equal(withdraw(&budget, 200, 100, 0, NOW), 100);
}

static void window_slides(void **state)
{
    rp_budget_t budget = { .told = 0 };
    int second;

    (void)state;
    deposit(&budget, 100, NOW);
    /* The requests count for ten seconds and not for longer. */
    assert_int_equal(withdraw(&budget, 1, 20, 0, NOW + apr_time_from_sec(9)), 1);
    assert_int_equal(withdraw(&budget, 1, 20, 0, NOW + apr_time_from_sec(10)), 0);
    /* Nor do tries: ten requests and two tries a second, for ever. */
    memset(&budget, 0, sizeof(budget));
    for (second = 0; second < 40; second++) {
        deposit(&budget, 10, NOW + apr_time_from_sec(second));
        assert_int_equal(withdraw(&budget, 5, 20, 0, NOW + apr_time_from_sec(second)), 2);
    }
}

static void old_numbers_do_not_count(void **state)
{
    rp_budget_t budget = { .told = 0 };

    (void)state;
    deposit(&budget, 1000, NOW);
    assert_int_equal(withdraw(&budget, 1, 20, 0, NOW + apr_time_from_sec(86400)), 0);
    /* A clock that begins at 0, where zeroed memory looks like seconds of now. */
    memset(&budget, 0, sizeof(budget));
    assert_int_equal(withdraw(&budget, 1, 20, 0, 0), 0);
    deposit(&budget, 5, 0);
    assert_int_equal(withdraw(&budget, 2, 20, 0, apr_time_from_sec(3)), 1);
}

static void refund(void **state)
{
    rp_budget_t budget = { .told = 0 };

    (void)state;
    deposit(&budget, 5, NOW);
    assert_int_equal(withdraw(&budget, 1, 20, 0, NOW), 1);
    rp_budget_refund(&budget, NOW);
    assert_int_equal(budget.granted, 0);
    assert_int_equal(withdraw(&budget, 2, 20, 0, NOW), 1);
    /* Of a second that is over: nothing to take back, and nothing breaks. */
    rp_budget_refund(&budget, NOW + apr_time_from_sec(10));
    assert_int_equal(withdraw(&budget, 1, 20, 0, NOW), 0);
}

static void told_once_in_a_while(void **state)
{
    rp_budget_t budget = { .told = 0 };

    (void)state;
    assert_true(rp_budget_tell(&budget, NOW));
    assert_false(rp_budget_tell(&budget, NOW));
    assert_false(rp_budget_tell(&budget, NOW + apr_time_from_sec(9)));
    assert_true(rp_budget_tell(&budget, NOW + apr_time_from_sec(10)));
    assert_false(rp_budget_tell(&budget, NOW + apr_time_from_sec(11)));
}

/* ------------------------------------------------------------------ many at once */

#define THREADS 16
#define EACH 20000

typedef struct worker_t {
    pthread_t thread;
    rp_budget_t *budget;
    int granted;
} worker_t;

static void *work(void *data)
{
    worker_t *worker = data;
    int i;

    for (i = 0; i < EACH; i++) {
        /* Within one window, in which all of them move on together. */
        apr_time_t now = NOW + apr_time_from_sec(i * 5 / EACH);

        rp_budget_deposit(worker->budget, now);
        worker->granted += rp_budget_withdraw(worker->budget, 20, 0, now);
    }
    return NULL;
}

static void never_more_than_there_are(void **state)
{
    rp_budget_t budget = { .told = 0 };
    worker_t workers[THREADS];
    int granted = 0, i;

    (void)state;
    for (i = 0; i < THREADS; i++) {
        workers[i] = (worker_t){ .budget = &budget };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        granted += workers[i].granted;
    }
    assert_int_equal(budget.granted, granted);
    assert_int_equal(budget.granted + budget.denied, THREADS * EACH);
    assert_true(granted <= THREADS * EACH / 5);
    /* And not much less: none was lost. What those who came too late took back is there for the next ones. */
    granted += withdraw(&budget, THREADS * EACH, 20, 0, NOW + apr_time_from_sec(4));
    assert_true(granted <= THREADS * EACH / 5);
    assert_true(granted >= THREADS * EACH / 5 - THREADS * EACH / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_of_requests),
        cmocka_unit_test(floor_without_requests),
        cmocka_unit_test(shares_at_the_bounds),
        cmocka_unit_test(window_slides),
        cmocka_unit_test(old_numbers_do_not_count),
        cmocka_unit_test(refund),
        cmocka_unit_test(told_once_in_a_while),
        cmocka_unit_test(never_more_than_there_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Many threads choose members, use them and report, while members and weights change; t/tsan.t looks for races. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <cmocka.h>

#include "state_util.h"

#define THREADS 8
#define ROUNDS 4000
#define SLOTS 6
#define MAX 3
#define END (-1)

static const int weights[] = { 3, 2, 1, 1, 1, END };
static const rp_method_e methods[] = {
    RP_METHOD_P2C, RP_METHOD_ROUND_ROBIN, RP_METHOD_LEAST, RP_METHOD_RANDOM, RP_METHOD_HASH
};

static pool_t pool;
static apr_int64_t clock_now;
static apr_uint32_t holders; /* of member 2 */
static apr_uint32_t too_many, picked, nobody, stop;
static apr_uint32_t reported[RP_OUTCOMES];

/* Member 0 fails now and then, member 1 for a while, the others never. */
static rp_outcome_e outcome_of(int i, apr_uint64_t random)
{
    if (i == 0) {
        return (rp_outcome_e)(random % 16 < RP_OUTCOMES ? random % 16 : RP_OUTCOME_OK);
    }
    return i == 1 && rp_get(clock_now) / SECOND % 2 ? RP_OUTCOME_RESET : RP_OUTCOME_OK;
}

static void use(int i, int trial, apr_uint64_t random)
{
    rp_outcome_e outcome = outcome_of(i, random);

    if (i == 2 && rp_add(holders, 1) > MAX) {
        rp_add(too_many, 1);
    }
    rp_state_report(&pool.state, (unsigned)i, outcome, trial, (apr_interval_time_t)(random >> 50), rp_get(clock_now));
    if (i == 2) {
        rp_add(holders, -1);
    }
    rp_state_leave(&pool.state, (unsigned)i);
    rp_add(reported[outcome], 1);
}

static void *work(void *number)
{
    apr_uint64_t random = (apr_uint64_t)(apr_uintptr_t)number * 0x123456789u + 1;
    int n;

    for (n = 0; n < ROUNDS; n++) {
        rp_pick_t pick = { .may_try = 1 };
        int i;

        random = rp_mix(random + 0x9e3779b97f4a7c15u);
        pick.now = rp_add(clock_now, 500);
        pick.random = random;
        pick.hash = random >> 7;
        i = rp_state_pick(&pool.state, rp_method_of(methods[random % 5]), &pick);
        if (i >= 0 && rp_state_enter(&pool.state, (unsigned)i)) {
            rp_add(picked, 1);
            use(i, pick.trial, random);
        }
        else {
            rp_add(nobody, 1);
        }
    }
    return NULL;
}

/* A member comes, goes, changes its weight and its mind. */
static void *change(void *unused)
{
    unsigned n;

    (void)unused;
    for (n = 1; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); n++) {
        rp_state_lock(&pool.state);
        rp_put(pool.state.slots[5].origin, n % 2 ? RP_SLOT_ADDED : RP_SLOT_REMOVED);
        rp_put(pool.state.slots[5].weight, n % 7);
        rp_put(pool.state.slots[4].admin, n % 3 ? RP_ADMIN_ENABLED : RP_ADMIN_DRAINING);
        rp_put(pool.state.slots[3].check, n % 5 ? RP_CHECK_UP : RP_CHECK_DOWN);
        rp_state_plan(&pool.state);
        rp_state_unlock(&pool.state);
        rp_state_review(&pool.state, rp_get(clock_now), NULL, NULL);
    }
    return NULL;
}

static void what_threads_do_at_once_adds_up(void **unused)
{
    pthread_t threads[THREADS], changer;
    apr_uint32_t outcomes = 0;
    apr_uint64_t counted = 0;
    unsigned i, o;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, weights);
    pool.state.bound = 200;
    pool.state.slots[2].max = MAX;
    pool.state.slots[5].id = 5;
    pool.eject.slow_start = SECOND;
    pool.eject.time = SECOND / 10;
    clock_now = pool.now;
    assert_int_equal(pthread_create(&changer, NULL, change, NULL), 0);
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(apr_uintptr_t)(i + 1)), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    pthread_join(changer, NULL);

    for (i = 0; i < SLOTS; i++) {
        assert_int_equal(pool.state.slots[i].inflight, 0);
        for (o = 0; o < RP_OUTCOMES; o++) {
            counted += pool.state.slots[i].outcomes[o];
        }
    }
    for (o = 0; o < RP_OUTCOMES; o++) {
        outcomes += reported[o];
    }
    assert_int_equal(pool.state.shared->inflight, 0);
    assert_int_equal(counted, picked);
    assert_int_equal(outcomes, picked);
    assert_int_equal(picked + nobody, THREADS * ROUNDS);
    assert_true(picked > THREADS * ROUNDS / 2);
    assert_int_equal(too_many, 0);
    assert_true(pool.state.slots[1].ejected > 0);
    pool_end(&pool);
}

/* All at once find that a member's time out is over. */
static pthread_barrier_t barrier;
static apr_uint32_t who_try;

static void *try_it(void *round)
{
    rp_pick_t pick = { .now = pool.now, .random = (apr_uint64_t)(apr_uintptr_t)round, .may_try = 1 };

    pthread_barrier_wait(&barrier);
    if (rp_slot_take(&pool.state, 0, &pick) && pick.trial) {
        rp_add(who_try, 1);
    }
    return NULL;
}

static void one_of_many_at_once_has_the_trial(void **unused)
{
    pthread_t threads[THREADS];
    unsigned i, round;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, weights);
    assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (round = 0; round < 50; round++) {
        who_try = 0;
        pool.state.slots[0].out = RP_OUT_CONNECT;
        pool.state.slots[0].out_until = pool.now;
        for (i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, try_it, (void *)(apr_uintptr_t)i), 0);
        }
        for (i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
        assert_int_equal(who_try, 1);
        pool.now += 60 * SECOND;
    }
    pthread_barrier_destroy(&barrier);
    pool_end(&pool);
}

/* Exact over all threads: no turn is taken twice and none is lost. */
static apr_uint32_t turns[SLOTS];

static void *take_turns(void *number)
{
    int n;

    for (n = 0; n < 1000; n++) {
        rp_pick_t pick = { .now = pool.now, .random = (apr_uint64_t)(apr_uintptr_t)number };

        rp_add(turns[rp_state_pick(&pool.state, rp_method_round_robin, &pick)], 1);
    }
    return NULL;
}

static void round_robin_is_exact_over_threads(void **unused)
{
    pthread_t threads[THREADS];
    unsigned i;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, weights);
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, (void *)(apr_uintptr_t)i), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (i = 0; i < 5; i++) {
        assert_int_equal(turns[i], THREADS * 1000 * weights[i] / 8);
    }
    pool_end(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_threads_do_at_once_adds_up),
        cmocka_unit_test(one_of_many_at_once_has_the_trial),
        cmocka_unit_test(round_robin_is_exact_over_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

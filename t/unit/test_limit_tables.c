/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* limit/rates.c and limit/places.c: full tables, many threads, processes that die. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "limit/places.h"
#include "limit/rates.h"

#define SECOND INT64_C(1000000000)
#define NOW (1000 * SECOND)
#define ROWS 8

static void *shared(apr_size_t size)
{
    void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(mem != MAP_FAILED);
    return mem;
}

/* As good as a hash. */
static void make_key(uint64_t n, unsigned char key[RP_LIMIT_KEY])
{
    int i;

    for (i = 0; i < RP_LIMIT_KEY; i += 8) {
        n = (n + 1) * UINT64_C(0x9E3779B97F4A7C15);
        n = (n ^ n >> 32) * UINT64_C(0xD6E8FEB86659FD93);
        memcpy(key + i, &n, 8);
    }
}

/* ------------------------------------------------------------------ rates */

static int rates_setup(void **state)
{
    rp_rates_t *rates = shared(rp_rates_size());

    *state = rates;
    return rp_rates_init(rates);
}

static int rates_teardown(void **state)
{
    return munmap(*state, rp_rates_size());
}

static int take(rp_rates_t *rates, uint64_t n, const rp_gcra_t *rate, apr_int64_t now)
{
    unsigned char key[RP_LIMIT_KEY];
    apr_int64_t wait;

    make_key(n, key);
    return rp_rates_take(rates, key, rate, now, &wait);
}

static void each_key_has_its_rate(void **state)
{
    rp_gcra_t rate = rp_gcra_make(1, apr_time_from_sec(1), 2);
    uint64_t n;

    for (n = 0; n < 1000; n++) {
        assert_true(take(*state, n, &rate, NOW));
        assert_true(take(*state, n, &rate, NOW));
    }
    for (n = 0; n < 1000; n++) {
        assert_false(take(*state, n, &rate, NOW));
        assert_true(take(*state, n, &rate, NOW + SECOND));
    }
}

static void a_full_table_refuses_nobody(void **state)
{
    rp_gcra_t rate = rp_gcra_make(1, apr_time_from_sec(60), 1);
    uint64_t n;
    int refused = 0;

    for (n = 0; n < 400000; n++) {
        assert_true(take(*state, n, &rate, NOW + (apr_int64_t)n));
    }
    /* Those that came last are known, and refused. */
    for (n = 399000; n < 400000; n++) {
        refused += !take(*state, n, &rate, NOW + 400000);
    }
    assert_true(refused > 990);
}

static void what_the_farm_said_is_remembered(void **state)
{
    rp_gcra_t rate = rp_gcra_make(1, apr_time_from_sec(1), 3);
    unsigned char key[RP_LIMIT_KEY];
    apr_int64_t wait;

    make_key(1, key);
    assert_int_equal(rp_rates_learned_wait(*state, key, &rate, NOW), 0);
    rp_rates_learn(*state, key, NOW + 3 * SECOND, NOW);
    assert_int_equal(rp_rates_learned_wait(*state, key, &rate, NOW), SECOND);
    rp_rates_learn(*state, key, NOW + 2 * SECOND, NOW); /* a reply that was overtaken */
    assert_int_equal(rp_rates_learned_wait(*state, key, &rate, NOW), SECOND);
    assert_int_equal(rp_rates_learned_wait(*state, key, &rate, NOW + SECOND), 0);
    /* Who counts alone goes on from there, */
    assert_false(rp_rates_take(*state, key, &rate, NOW, &wait));
    assert_int_equal(wait, SECOND);
    /* and what it counts is not the farm's word. */
    assert_int_equal(rp_rates_learned_wait(*state, key, &rate, NOW), 0);
    rp_rates_learn(*state, key, NOW + SECOND, NOW);
    assert_int_equal(rp_rates_learned_wait(*state, key, &rate, NOW), 0);
    assert_true(rp_rates_take(*state, key, &rate, NOW, &wait));
}

typedef struct crowd_t {
    void *table;
    int row;
    int through;
} crowd_t;

static void *take_many(void *data)
{
    crowd_t *crowd = data;
    rp_gcra_t rate = rp_gcra_make(1, apr_time_from_sec(3600), 1000);
    int i;

    for (i = 0; i < 5000; i++) {
        crowd->through += take(crowd->table, (uint64_t)(i % 4), &rate, NOW);
    }
    return NULL;
}

static int run_crowd(crowd_t *crowds, int n, void *(*run)(void *))
{
    pthread_t threads[ROWS];
    int i, through = 0;

    for (i = 0; i < n; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run, &crowds[i]), 0);
    }
    for (i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        through += crowds[i].through;
    }
    return through;
}

static void many_threads_together_get_what_there_is(void **state)
{
    crowd_t crowds[4] = { { *state, 0, 0 }, { *state, 0, 0 }, { *state, 0, 0 }, { *state, 0, 0 } };

    assert_int_equal(run_crowd(crowds, 4, take_many), 4 * 1000);
}

/* ------------------------------------------------------------------ places */

static int places_setup(void **state)
{
    rp_places_t *places = shared(rp_places_size(ROWS));

    *state = places;
    return rp_places_init(places, ROWS);
}

static int places_teardown(void **state)
{
    return munmap(*state, rp_places_size(ROWS));
}

static unsigned enter(rp_places_t *places, int row, uint64_t n, unsigned most, int *place)
{
    unsigned char key[RP_LIMIT_KEY];

    make_key(n, key);
    return rp_places_take(places, row, key, most, place);
}

static void places_are_taken_and_given_back(void **state)
{
    int row = rp_places_claim(*state, 100), one, two, three;

    assert_int_equal(enter(*state, row, 1, 2, &one), 1);
    assert_int_equal(enter(*state, row, 1, 2, &two), 2);
    assert_int_equal(enter(*state, row, 1, 2, &three), 0);
    assert_int_equal(three, RP_PLACE_NONE);
    assert_int_equal(enter(*state, row, 2, 2, &three), 1);
    rp_places_leave(*state, row, 100, one);
    assert_int_equal(enter(*state, row, 1, 2, &one), 2);
    assert_int_equal(enter(*state, row, 1, 3, &one), 3);
}

static void a_child_that_is_gone_has_no_places(void **state)
{
    int one = rp_places_claim(*state, 101), two = rp_places_claim(*state, 102), place, i;

    for (i = 0; i < 3; i++) {
        enter(*state, one, 1, 5, &place);
    }
    enter(*state, two, 1, 5, &place);
    assert_int_equal(enter(*state, two, 1, 5, &place), 5);
    assert_int_equal(enter(*state, two, 1, 5, &i), 0);
    rp_places_gone(*state, 101);
    assert_int_equal(enter(*state, two, 1, 5, &i), 3);
    /* One that was taken for gone gives back nothing that is not its own any more. */
    rp_places_gone(*state, 102);
    rp_places_leave(*state, two, 102, place);
    one = rp_places_claim(*state, 103);
    assert_int_equal(enter(*state, one, 1, 1, &place), 1);
    rp_places_leave(*state, one, 103, place);
    assert_int_equal(enter(*state, one, 1, 1, &place), 1);
}

static void more_children_than_rows_are_not_counted(void **state)
{
    int i, place;

    for (i = 0; i < ROWS; i++) {
        assert_int_equal(rp_places_claim(*state, 200 + i), i);
    }
    assert_int_equal(rp_places_claim(*state, 300), -1);
    for (i = 0; i < 10; i++) {
        assert_int_equal(enter(*state, -1, 1, 1, &place), 1);
        assert_int_equal(place, RP_PLACE_NONE);
    }
}

static void more_keys_than_room_are_not_counted(void **state)
{
    int row = rp_places_claim(*state, 104), place, uncounted = 0;
    uint64_t n;

    for (n = 0; n < 20000; n++) {
        assert_int_equal(enter(*state, row, n, 1, &place), 1);
        uncounted += place == RP_PLACE_NONE;
    }
    assert_true(uncounted > 0 && uncounted < 20000 - 4000);
}

static void *enter_and_leave(void *data)
{
    crowd_t *crowd = data;
    int i;

    for (i = 0; i < 3000; i++) {
        int place;
        unsigned n = enter(crowd->table, crowd->row, (uint64_t)(i % 3), 2, &place);

        if (n > 2) {
            crowd->through = -1000000;
        }
        crowd->through += n > 0;
        if (place != RP_PLACE_NONE) {
            rp_places_leave(crowd->table, crowd->row, 400 + crowd->row, place);
        }
    }
    return NULL;
}

static void never_more_than_there_may_be(void **state)
{
    crowd_t crowds[4];
    int i, place;

    for (i = 0; i < 4; i++) {
        crowds[i] = (crowd_t){ *state, rp_places_claim(*state, 400 + i), 0 };
    }
    assert_true(run_crowd(crowds, 4, enter_and_leave) > 0);
    for (i = 0; i < 3; i++) {
        assert_int_equal(enter(*state, 0, (uint64_t)i, 2, &place), 1);
    }
}

/* Processes that are killed at any moment, while they hold locks, too. */
static void killed_children_leave_nothing_behind(void **state)
{
    rp_places_t *places = *state;
    int round, place, row;

    for (round = 0; round < 30; round++) {
        pid_t pid = fork();

        if (!pid) {
            crowd_t crowd = { places, rp_places_claim(places, getpid()), 0 };
            uint64_t n;

            for (n = 0;; n++) {
                enter(places, crowd.row, n % 64, 1000, &place);
                if (n % 3 && place != RP_PLACE_NONE) {
                    rp_places_leave(places, crowd.row, getpid(), place);
                }
            }
        }
        usleep(2000 + 300 * (unsigned)round);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        rp_places_gone(places, pid);
    }
    row = rp_places_claim(places, 500);
    for (round = 0; round < 64; round++) {
        assert_int_equal(enter(places, row, (uint64_t)round, 1, &place), 1);
        assert_int_not_equal(place, RP_PLACE_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_key_has_its_rate, rates_setup, rates_teardown),
        cmocka_unit_test_setup_teardown(a_full_table_refuses_nobody, rates_setup, rates_teardown),
        cmocka_unit_test_setup_teardown(what_the_farm_said_is_remembered, rates_setup, rates_teardown),
        cmocka_unit_test_setup_teardown(many_threads_together_get_what_there_is, rates_setup, rates_teardown),
        cmocka_unit_test_setup_teardown(places_are_taken_and_given_back, places_setup, places_teardown),
        cmocka_unit_test_setup_teardown(a_child_that_is_gone_has_no_places, places_setup, places_teardown),
        cmocka_unit_test_setup_teardown(more_children_than_rows_are_not_counted, places_setup, places_teardown),
        cmocka_unit_test_setup_teardown(more_keys_than_room_are_not_counted, places_setup, places_teardown),
        cmocka_unit_test_setup_teardown(never_more_than_there_may_be, places_setup, places_teardown),
        cmocka_unit_test_setup_teardown(killed_children_leave_nothing_behind, places_setup, places_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

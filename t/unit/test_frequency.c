/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "cache/frequency.h"

static uint64_t hash_of(uint64_t n)
{
    n = (n + 1) * UINT64_C(0x9E3779B97F4A7C15);
    n = (n ^ n >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return n ^ n >> 29;
}

static int setup(void **state)
{
    rp_frequency_t *f = malloc(sizeof(*f));

    f->size = 64 * 1024;
    f->counters = aligned_alloc(64, f->size);
    memset(f->counters, 0, f->size);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    rp_frequency_t *f = *state;

    free(f->counters);
    free(f);
    return 0;
}

static void uses_are_counted_up_to_the_maximum(void **state)
{
    rp_frequency_t *f = *state;
    unsigned i;

    assert_int_equal(rp_frequency_of(f, hash_of(1)), 0);
    for (i = 1; i <= RP_FREQUENCY_MAX; i++) {
        assert_int_equal(rp_frequency_add(f, hash_of(1)), 1);
        assert_int_equal(rp_frequency_of(f, hash_of(1)), i);
    }
    assert_int_equal(rp_frequency_add(f, hash_of(1)), 0);
    assert_int_equal(rp_frequency_of(f, hash_of(1)), RP_FREQUENCY_MAX);
    assert_int_equal(rp_frequency_of(f, hash_of(2)), 0);
}

static void halving_halves_every_counter(void **state)
{
    rp_frequency_t *f = *state;
    unsigned i, k;

    for (i = 0; i < 16; i++) {
        for (k = 0; k < i; k++) {
            rp_frequency_add(f, hash_of(i));
        }
        assert_int_equal(rp_frequency_of(f, hash_of(i)), i);
    }
    rp_frequency_halve(f);
    for (i = 0; i < 16; i++) {
        assert_int_equal(rp_frequency_of(f, hash_of(i)), i / 2);
    }
}

static void it_never_says_less_than_the_truth_and_seldom_more(void **state)
{
    rp_frequency_t *f = *state;
    unsigned i, wrong = 0;

    for (i = 0; i < 8000; i++) {
        rp_frequency_add(f, hash_of(i));
        if (i % 4 == 0) {
            rp_frequency_add(f, hash_of(i));
        }
    }
    for (i = 0; i < 8000; i++) {
        unsigned is = i % 4 ? 1 : 2, says = rp_frequency_of(f, hash_of(i));
        assert_true(says >= is);
        wrong += says != is;
    }
    assert_true(wrong < 8000 / 20);
}

static void any_contents_are_valid(void **state)
{
    rp_frequency_t *f = *state;
    unsigned i;

    memset(f->counters, 0xff, f->size);
    for (i = 0; i < 1000; i++) {
        assert_int_equal(rp_frequency_of(f, hash_of(i)), RP_FREQUENCY_MAX);
        assert_int_equal(rp_frequency_add(f, hash_of(i)), 0);
    }
    for (i = 0; i < 8; i++) {
        rp_frequency_halve(f);
    }
    assert_int_equal(rp_frequency_of(f, hash_of(1)), 0);
}

static void a_size_is_a_power_of_two_within_its_bounds(void **state)
{
    (void)state;
    assert_int_equal(rp_frequency_size(0, 1 << 20), RP_FREQUENCY_MIN);
    assert_int_equal(rp_frequency_size(8192, 1 << 20), 65536);
    assert_int_equal(rp_frequency_size(8193, 1 << 20), 131072);
    assert_int_equal(rp_frequency_size(UINT64_MAX, 1 << 20), 1 << 20);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(uses_are_counted_up_to_the_maximum),
        T(halving_halves_every_counter),
        T(it_never_says_less_than_the_truth_and_seldom_more),
        T(any_contents_are_valid),
        T(a_size_is_a_power_of_two_within_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

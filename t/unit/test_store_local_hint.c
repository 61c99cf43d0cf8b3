/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Hints may be missing or wrong in any way, and nothing comes of it. */

#include "store_local_util.h"

#define ENTRIES 300

static int setup(void **state)
{
    box_t *b = box_make(16 * MIB);
    unsigned n;

    box_prepare(b);
    box_open(b);
    for (n = 0; n < ENTRIES; n++) {
        assert_int_equal(put1(b->s, n, n, n % 3 ? 1000 : 7000), APR_SUCCESS);
    }
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    box_remove(*state);
    return 0;
}

static void all_are_found(box_t *b, uint64_t seeds)
{
    unsigned n;

    for (n = 0; n < ENTRIES; n++) {
        assert_int_equal(look1(b->s, n), n + seeds);
    }
}

static unsigned hints_of(const rp_local_t *s)
{
    size_t i, slots = (size_t)1 << s->hint_bits;
    unsigned n = 0;

    for (i = 0; i < slots; i++) {
        n += s->hints[i] != 0;
    }
    return n;
}

static void what_was_found_is_hinted_at(void **state)
{
    box_t *b = *state;
    rp_local_t *s = (rp_local_t *)b->s;
    unsigned n;

    assert_non_null(s->hints);
    assert_int_equal(hints_of(s), 0);
    all_are_found(b, 0);
    n = hints_of(s);
    assert_in_range(n, ENTRIES / 2, ENTRIES); /* some share a slot */
    all_are_found(b, 0);
    assert_int_equal(hints_of(s), n);
}

static void a_hint_from_before_an_entry_was_replaced_does_not_bring_the_old_one(void **state)
{
    box_t *b = *state;
    unsigned n;

    all_are_found(b, 0);
    for (n = 0; n < ENTRIES; n++) {
        assert_int_equal(put1(b->s, n, n + 1000, 500), APR_SUCCESS);
    }
    all_are_found(b, 1000);
    all_are_found(b, 1000);
}

static void wrong_hints_do_no_harm(void **state)
{
    box_t *b = *state;
    rp_local_t *s = (rp_local_t *)b->s;
    size_t i, slots = (size_t)1 << s->hint_bits;
    unsigned round, bits;

    all_are_found(b, 0);
    for (round = 0; round < 47; round++) {
        for (i = 0; i < slots; i++) {
            s->hints[i] ^= (UINT64_C(1) << round) - 1; /* the address and the length; the tag still fits */
        }
        all_are_found(b, 0);
    }
    for (bits = 0; bits < 2; bits++) {
        memset(s->hints, bits ? 0xff : 0, slots * sizeof(s->hints[0]));
        all_are_found(b, 0);
    }
}

static void without_hints_all_is_found(void **state)
{
    box_t *b = *state;

    rp_local_hints_close((rp_local_t *)b->s);
    all_are_found(b, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_was_found_is_hinted_at),
        T(a_hint_from_before_an_entry_was_replaced_does_not_bring_the_old_one),
        T(wrong_hints_do_no_harm),
        T(without_hints_all_is_found),
    };
    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

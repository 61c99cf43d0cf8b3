/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <cmocka.h>

#include "balance/swrr.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define MAX_MEMBERS 16

/* Weights end at the first 0. */
static const int sets[][MAX_MEMBERS + 1] = {
    { 1 },
    { 256 },
    { 1, 1 },
    { 2, 1 },
    { 5, 1, 1 },
    { 256, 1 },
    { 1, 256 },
    { 256, 255 },
    { 3, 3, 2 },
    { 10, 20, 30 },
    { 1, 2, 3, 4, 5, 6, 7, 8 },
    { 256, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 },
    { 100, 50, 25, 1 },
    { 7, 7, 7, 7, 7 },
    { 2, 2, 2, 1 },
    { 255, 253, 251, 241, 239, 233, 229, 227, 223, 211, 199, 197, 193, 191, 181, 179 },
};

static int members_of(const int *weights)
{
    int n = 0;

    while (weights[n]) {
        n++;
    }
    return n;
}

/* The sequence, after a check that its length is told alike with and without room for it. */
static apr_uint16_t *sequence(const int *weights, int n, unsigned *length)
{
    apr_uint16_t *seq;

    *length = rp_swrr_sequence(weights, n, NULL);
    seq = malloc((*length + 1) * sizeof(*seq));
    assert_non_null(seq);
    seq[*length] = 0xbeef;
    assert_int_equal(rp_swrr_sequence(weights, n, seq), *length);
    assert_int_equal(seq[*length], 0xbeef);
    return seq;
}

static void one_member_gets_everything(void **state)
{
    static const int weights[] = { 1, 17, 256 };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(weights); i++) {
        unsigned length;
        apr_uint16_t *seq = sequence(&weights[i], 1, &length);

        assert_int_equal(length, 1);
        assert_int_equal(seq[0], 0);
        free(seq);
    }
}

static void the_sequence_is_as_short_as_the_weights_allow(void **state)
{
    static const struct {
        int weights[3], n;
        unsigned length;
    } cases[] = {
        { { 1, 1, 1 }, 3, 3 }, { { 64, 64, 64 }, 3, 3 }, { { 10, 20, 30 }, 3, 6 }, { { 256, 1, 0 }, 2, 257 },
        { { 256, 128, 0 }, 2, 3 }, { { 6, 9, 15 }, 3, 10 }, { { 6, 10, 15 }, 3, 31 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        assert_int_equal(rp_swrr_sequence(cases[i].weights, cases[i].n, NULL), cases[i].length);
    }
}

static void the_whole_sequence_is_in_exact_proportion(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(sets); i++) {
        int n = members_of(sets[i]);
        unsigned given[MAX_MEMBERS] = { 0 };
        unsigned length, place, total = 0;
        apr_uint16_t *seq = sequence(sets[i], n, &length);
        int m;

        for (place = 0; place < length; place++) {
            assert_in_range(seq[place], 0, n - 1);
            given[seq[place]]++;
        }
        for (m = 0; m < n; m++) {
            total += (unsigned)sets[i][m];
        }
        for (m = 0; m < n; m++) {
            assert_int_equal((apr_uint64_t)given[m] * total, (apr_uint64_t)sets[i][m] * length);
        }
        free(seq);
    }
}

/* |given - place * weight / total| < 1, without fractions. */
static int within_one(unsigned given, unsigned place, int weight, unsigned total)
{
    apr_int64_t off = (apr_int64_t)given * total - (apr_int64_t)place * weight;

    return off < (apr_int64_t)total && off > -(apr_int64_t)total;
}

static void check_prefixes(const int *weights, int n)
{
    unsigned given[MAX_MEMBERS] = { 0 };
    unsigned length, place, total = 0;
    apr_uint16_t *seq = sequence(weights, n, &length);
    int m;

    for (m = 0; m < n; m++) {
        total += (unsigned)weights[m];
    }
    for (place = 0; place < length; place++) {
        given[seq[place]]++;
        for (m = 0; m < n; m++) {
            if (!within_one(given[m], place + 1, weights[m], total)) {
                print_error("after %u places member %d with weight %d of %u has %u\n", place + 1, m,
                            weights[m], total, given[m]);
                fail();
            }
        }
    }
    free(seq);
}

static void after_any_number_of_requests_two_members_are_within_one_of_their_share(void **state)
{
    int a, b;

    (void)state;
    for (a = 1; a <= 256; a += a < 32 ? 1 : 7) {
        for (b = 1; b <= 256; b += b < 32 ? 1 : 5) {
            int weights[2] = { a, b };

            check_prefixes(weights, 2);
        }
    }
    check_prefixes((const int[]){ 256, 1 }, 2);
    check_prefixes((const int[]){ 1, 256 }, 2);
}

static void after_any_number_of_requests_each_member_is_within_one_of_its_share(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(sets); i++) {
        check_prefixes(sets[i], members_of(sets[i]));
    }
}

static void a_light_member_comes_in_the_middle_and_not_after_all_others(void **state)
{
    static const int weights[] = { 256, 1 };
    unsigned length;
    apr_uint16_t *seq = sequence(weights, 2, &length);

    (void)state;
    assert_int_equal(length, 257);
    assert_int_equal(seq[128], 1);
    free(seq);
}

static void light_members_are_spread_among_the_heavy_one_s_turns(void **state)
{
    static const int weights[] = { 5, 1, 1 };
    static const apr_uint16_t expected[] = { 0, 0, 1, 0, 0, 2, 0 };
    unsigned length;
    apr_uint16_t *seq = sequence(weights, 3, &length);

    (void)state;
    assert_int_equal(length, COUNT(expected));
    assert_memory_equal(seq, expected, sizeof(expected));
    free(seq);
}

static void equal_members_take_turns(void **state)
{
    static const int weights[] = { 9, 9, 9 };
    unsigned length;
    apr_uint16_t *seq = sequence(weights, 3, &length);

    (void)state;
    assert_int_equal(length, 3);
    assert_true(seq[0] == 0 && seq[1] == 1 && seq[2] == 2);
    free(seq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_member_gets_everything),
        cmocka_unit_test(the_sequence_is_as_short_as_the_weights_allow),
        cmocka_unit_test(the_whole_sequence_is_in_exact_proportion),
        cmocka_unit_test(after_any_number_of_requests_two_members_are_within_one_of_their_share),
        cmocka_unit_test(after_any_number_of_requests_each_member_is_within_one_of_its_share),
        cmocka_unit_test(a_light_member_comes_in_the_middle_and_not_after_all_others),
        cmocka_unit_test(light_members_are_spread_among_the_heavy_one_s_turns),
        cmocka_unit_test(equal_members_take_turns),
    };

    return cmocka_run_group_tests_name("swrr", tests, NULL, NULL);
}

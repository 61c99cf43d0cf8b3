/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <apr_general.h>
#include <cmocka.h>

#include "http/http.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define UNKNOWN RP_LENGTH_UNKNOWN

typedef struct case_t {
    const char *field;
    uint64_t complete;
    rp_range_e want;
    uint64_t first, last;
} case_t;

static void check(const case_t *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const case_t *c = &cases[i];
        rp_range_t range = {77, 77};
        rp_range_e got = rp_range_parse(c->field, c->complete, &range);
        if (got != c->want) {
            fail_msg("%s of %llu: %d, not %d", c->field ? c->field : "(none)", (unsigned long long)c->complete, (int)got,
                     (int)c->want);
        }
        if (got == RP_RANGE_ONE && (range.first != c->first || range.last != c->last)) {
            fail_msg("%s of %llu: %llu-%llu", c->field, (unsigned long long)c->complete, (unsigned long long)range.first,
                     (unsigned long long)range.last);
        }
    }
}

static void a_single_range_is_cut_at_the_end(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"bytes=0-0", 10, RP_RANGE_ONE, 0, 0},
        {"bytes=0-9", 10, RP_RANGE_ONE, 0, 9},
        {"bytes=2-5", 10, RP_RANGE_ONE, 2, 5},
        {"bytes=2-99", 10, RP_RANGE_ONE, 2, 9},
        {"bytes=9-", 10, RP_RANGE_ONE, 9, 9},
        {"bytes=0-", 10, RP_RANGE_ONE, 0, 9},
        {"bytes=-3", 10, RP_RANGE_ONE, 7, 9},
        {"bytes=-10", 10, RP_RANGE_ONE, 0, 9},
        {"bytes=-11", 10, RP_RANGE_ONE, 0, 9},
        {"BYTES=1-2", 10, RP_RANGE_ONE, 1, 2},
        {"bytes=1-99999999999999999999999999", 10, RP_RANGE_ONE, 1, 9},
        {"bytes=-99999999999999999999999999", 10, RP_RANGE_ONE, 0, 9},
        {"bytes=1-2,", 10, RP_RANGE_ONE, 1, 2},
        {"bytes=,1-2", 10, RP_RANGE_ONE, 1, 2},
        {"bytes=20-, 1-2", 10, RP_RANGE_ONE, 1, 2},
        {"bytes=1-2,10-", 10, RP_RANGE_ONE, 1, 2},
    };
    check(cases, COUNT(cases));
}

static void several_are_many(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"bytes=0-1,3-4", 10, RP_RANGE_MANY, 0, 0},
        {"bytes=0-1 ,\t-1", 10, RP_RANGE_MANY, 0, 0},
        {"bytes=0-,0-,0-", 10, RP_RANGE_MANY, 0, 0},
        {"bytes=0-1,3-4,20-", 10, RP_RANGE_MANY, 0, 0},
        {"bytes=0-1,3-", UNKNOWN, RP_RANGE_MANY, 0, 0},
        {"bytes=-1,3-4", UNKNOWN, RP_RANGE_MANY, 0, 0},
    };
    check(cases, COUNT(cases));
}

static void what_begins_behind_the_end_cannot_be_satisfied(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"bytes=10-", 10, RP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=10-12", 10, RP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 10, RP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", UNKNOWN, RP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=10-11,99-", 10, RP_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999999999-", 10, RP_RANGE_UNSATISFIABLE, 0, 0},
    };
    check(cases, COUNT(cases));
}

static void what_is_not_understood_is_ignored_altogether(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {NULL, 10, RP_RANGE_NONE, 0, 0},
        {"", 10, RP_RANGE_NONE, 0, 0},
        {"bytes", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=,", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=-", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=1", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=2-1", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=a-b", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=1-2-3", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=--1", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=+1-2", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=0x1-2", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=1 -2", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=0-1,x", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=0-1,3-2", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=99-,x", 10, RP_RANGE_NONE, 0, 0},
        {"bytes 0-1", 10, RP_RANGE_NONE, 0, 0},
        {"lines=0-1", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=0-1, bytes=2-3", 10, RP_RANGE_NONE, 0, 0},
        {"bytes=0-1", 0, RP_RANGE_NONE, 0, 0},
        {"bytes=-1", 0, RP_RANGE_NONE, 0, 0},
    };
    check(cases, COUNT(cases));
}

static void without_a_length_only_a_closed_range_can_be_told(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"bytes=3-4", UNKNOWN, RP_RANGE_ONE, 3, 4},
        {"bytes=3-", UNKNOWN, RP_RANGE_UNKNOWN, 0, 0},
        {"bytes=-4", UNKNOWN, RP_RANGE_UNKNOWN, 0, 0},
    };
    check(cases, COUNT(cases));
}

static void content_range_is_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        int ok;
        rp_part_t part;
    } cases[] = {
        {"bytes 0-4/10", 1, {0, 4, 10}},
        {"Bytes 9-9/10", 1, {9, 9, 10}},
        {" bytes 5-9/* ", 1, {5, 9, UNKNOWN}},
        {"bytes 0-9223372036854775805/9223372036854775806", 1,
         {0, 9223372036854775805u, 9223372036854775806u}},
        {NULL, 0, {0, 0, 0}},
        {"", 0, {0, 0, 0}},
        {"bytes", 0, {0, 0, 0}},
        {"bytes */10", 0, {0, 0, 0}},
        {"bytes 5-4/10", 0, {0, 0, 0}},
        {"bytes 0-10/10", 0, {0, 0, 0}},
        {"bytes 0-4/4", 0, {0, 0, 0}},
        {"bytes 0-4", 0, {0, 0, 0}},
        {"bytes 0-4/", 0, {0, 0, 0}},
        {"bytes 0-4/10x", 0, {0, 0, 0}},
        {"bytes 0-4/10, bytes 5-6/10", 0, {0, 0, 0}},
        {"bytes -4/10", 0, {0, 0, 0}},
        {"bytes 0-/10", 0, {0, 0, 0}},
        {"bytes=0-4/10", 0, {0, 0, 0}},
        {"items 0-4/10", 0, {0, 0, 0}},
        {"bytes 0-99999999999999999999/*", 0, {0, 0, 0}},
        {"bytes 0-4/99999999999999999999", 0, {0, 0, 0}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rp_part_t part;
        if (rp_content_range_parse(cases[i].field, &part) != cases[i].ok) {
            fail_msg("%s", cases[i].field ? cases[i].field : "(none)");
        }
        if (cases[i].ok) {
            assert_true(part.first == cases[i].part.first && part.last == cases[i].part.last
                        && part.complete == cases[i].part.complete);
        }
    }
}

static void a_part_answers_what_lies_within_it(void **state)
{
    (void)state;
    rp_part_t part = {4, 8, 20};
    assert_true(rp_part_covers(&part, &(rp_range_t){4, 8}));
    assert_true(rp_part_covers(&part, &(rp_range_t){6, 6}));
    assert_false(rp_part_covers(&part, &(rp_range_t){3, 8}));
    assert_false(rp_part_covers(&part, &(rp_range_t){4, 9}));
    assert_false(rp_part_covers(&part, &(rp_range_t){10, 12}));
}

static void one_range_makes_a_beginning_or_an_end_whole(void **state)
{
    (void)state;
    rp_range_t missing;
    assert_true(rp_part_missing(&(rp_part_t){0, 4, 10}, &missing));
    assert_true(missing.first == 5 && missing.last == UNKNOWN);
    assert_true(rp_part_missing(&(rp_part_t){0, 4, UNKNOWN}, &missing));
    assert_true(missing.first == 5 && missing.last == UNKNOWN);
    assert_true(rp_part_missing(&(rp_part_t){5, 9, 10}, &missing));
    assert_true(missing.first == 0 && missing.last == 4);
    assert_false(rp_part_missing(&(rp_part_t){5, 8, 10}, &missing));
    assert_false(rp_part_missing(&(rp_part_t){5, 9, UNKNOWN}, &missing));
    assert_false(rp_part_missing(&(rp_part_t){0, 9, 10}, &missing));
    assert_true(rp_part_is_whole(&(rp_part_t){0, 9, 10}));
    assert_false(rp_part_is_whole(&(rp_part_t){0, 9, UNKNOWN}));
}

static void parts_that_touch_make_one(void **state)
{
    (void)state;
    static const struct {
        rp_part_t old, fresh;
        int ok;
        rp_splice_t splice;
    } cases[] = {
        /* one behind the other */
        {{0, 4, 10}, {5, 9, 10}, 1, {{0, 9, 10}, 5, 0, 0}},
        {{5, 9, 10}, {0, 4, 10}, 1, {{0, 9, 10}, 0, 5, 0}},
        /* overlapping: the newer one's bytes count */
        {{0, 6, 10}, {5, 9, 10}, 1, {{0, 9, 10}, 5, 0, 0}},
        {{3, 9, 10}, {0, 4, 10}, 1, {{0, 9, 10}, 0, 5, 2}},
        /* one within the other */
        {{0, 9, 10}, {3, 4, 10}, 1, {{0, 9, 10}, 3, 5, 5}},
        {{3, 4, 10}, {1, 8, 10}, 1, {{1, 8, 10}, 0, 0, 0}},
        {{1, 8, 10}, {1, 8, 10}, 1, {{1, 8, 10}, 0, 0, 0}},
        /* a length that one of them does not know */
        {{0, 4, UNKNOWN}, {5, 7, 10}, 1, {{0, 7, 10}, 5, 0, 0}},
        {{0, 4, 10}, {5, 7, UNKNOWN}, 1, {{0, 7, 10}, 5, 0, 0}},
        {{0, 4, UNKNOWN}, {5, 7, UNKNOWN}, 1, {{0, 7, UNKNOWN}, 5, 0, 0}},
        /* gaps and contradictions */
        {{0, 4, 10}, {6, 9, 10}, 0, {{0, 0, 0}, 0, 0, 0}},
        {{6, 9, 10}, {0, 4, 10}, 0, {{0, 0, 0}, 0, 0, 0}},
        {{0, 4, 10}, {5, 9, 11}, 0, {{0, 0, 0}, 0, 0, 0}},
        {{0, 4, 5}, {5, 9, UNKNOWN}, 0, {{0, 0, 0}, 0, 0, 0}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rp_splice_t s;
        const rp_splice_t *want = &cases[i].splice;
        assert_int_equal(rp_part_combine(&cases[i].old, &cases[i].fresh, &s), cases[i].ok);
        if (cases[i].ok) {
            assert_true(s.part.first == want->part.first && s.part.last == want->part.last
                        && s.part.complete == want->part.complete);
            assert_true(s.before == want->before && s.after == want->after && s.after_from == want->after_from);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_range_is_cut_at_the_end),
        cmocka_unit_test(several_are_many),
        cmocka_unit_test(what_begins_behind_the_end_cannot_be_satisfied),
        cmocka_unit_test(what_is_not_understood_is_ignored_altogether),
        cmocka_unit_test(without_a_length_only_a_closed_range_can_be_told),
        cmocka_unit_test(content_range_is_read_strictly),
        cmocka_unit_test(a_part_answers_what_lies_within_it),
        cmocka_unit_test(one_range_makes_a_beginning_or_an_end_whole),
        cmocka_unit_test(parts_that_touch_make_one),
    };
    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}

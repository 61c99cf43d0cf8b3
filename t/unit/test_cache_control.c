/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "http/http.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static apr_pool_t *pool;

static rp_cc_t parse(const char *value)
{
    rp_cc_t cc;
    memset(&cc, 0xa5, sizeof(cc));
    rp_cc_parse(pool, &cc, value);
    return cc;
}

static void assert_fields(const char *fields, const char *expected)
{
    if (!expected) {
        assert_null(fields);
        return;
    }
    assert_non_null(fields);
    assert_string_equal(fields, expected);
}

static void an_absent_field_says_nothing(void **state)
{
    (void)state;
    rp_cc_t cc = parse(NULL);
    assert_false(cc.present);
    assert_false(cc.no_cache || cc.no_store || cc.no_transform || cc.only_if_cached || cc.must_revalidate);
    assert_false(cc.proxy_revalidate || cc.must_understand || cc.private_ || cc.public_ || cc.immutable);
    assert_false(cc.max_stale_any);
    assert_int_equal(cc.max_age, RP_NO_TIME);
    assert_int_equal(cc.s_maxage, RP_NO_TIME);
    assert_int_equal(cc.max_stale, RP_NO_TIME);
    assert_int_equal(cc.min_fresh, RP_NO_TIME);
    assert_int_equal(cc.stale_while_revalidate, RP_NO_TIME);
    assert_int_equal(cc.stale_if_error, RP_NO_TIME);
    assert_null(cc.no_cache_fields);
    assert_null(cc.private_fields);
}

static void an_empty_field_is_present_and_says_nothing(void **state)
{
    (void)state;
    static const char *const empty[] = {"", " ", ",", ", ,\t,"};
    for (size_t i = 0; i < COUNT(empty); i++) {
        rp_cc_t cc = parse(empty[i]);
        assert_true(cc.present);
        assert_false(cc.no_cache || cc.no_store || cc.private_);
        assert_int_equal(cc.max_age, RP_NO_TIME);
    }
}

static void each_directive_is_known_by_its_name_in_any_case(void **state)
{
    (void)state;
    rp_cc_t cc = parse("no-cache, no-store, no-transform, only-if-cached, must-revalidate, proxy-revalidate, "
                       "must-understand, private, public, immutable");
    assert_true(cc.no_cache && cc.no_store && cc.no_transform && cc.only_if_cached && cc.must_revalidate);
    assert_true(cc.proxy_revalidate && cc.must_understand && cc.private_ && cc.public_ && cc.immutable);

    cc = parse("No-CaChE,nO-StOrE,NO-TRANSFORM,Only-If-Cached,MUST-REVALIDATE,Proxy-Revalidate,"
               "Must-Understand,PRIVATE,Public,IMMUTABLE");
    assert_true(cc.no_cache && cc.no_store && cc.no_transform && cc.only_if_cached && cc.must_revalidate);
    assert_true(cc.proxy_revalidate && cc.must_understand && cc.private_ && cc.public_ && cc.immutable);

    cc = parse("MaX-aGe=1, S-MAXAGE=2, Max-Stale=3, MIN-FRESH=4, Stale-While-Revalidate=5, STALE-IF-ERROR=6");
    assert_int_equal(cc.max_age, 1);
    assert_int_equal(cc.s_maxage, 2);
    assert_int_equal(cc.max_stale, 3);
    assert_int_equal(cc.min_fresh, 4);
    assert_int_equal(cc.stale_while_revalidate, 5);
    assert_int_equal(cc.stale_if_error, 6);
}

static void max_age_is_digits_and_anything_else_is_stale(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        rp_secs_t max_age;
    } cases[] = {
        {"max-age=3600", 3600},
        {"max-age=0", 0},
        {"max-age=003600", 3600},
        {"max-age=\"3600\"", 3600},
        {"max-age=\"36\\00\"", 3600},
        {"max-age=2147483647", 2147483647},
        {"max-age=2147483648", 2147483648},
        {"max-age=2147483649", 2147483648},
        {"max-age=99999999999", 2147483648},
        {"max-age=99999999999999999999999999999999", 2147483648},
        {"max-age=18446744073709551617", 2147483648},
        {"max-age=-3600", 0},
        {"max-age=+3600", 0},
        {"max-age='3600'", 0},
        {"max-age=3600.0", 0},
        {"max-age=3600.5", 0},
        {"max-age=a3600", 0},
        {"max-age=3600a", 0},
        {"max-age=0x10", 0},
        {"max-age=1e3", 0},
        {"max-age=3600;x=1", 0},
        {"max-age=3600 7200", 0},
        {"max-age=\"3600\"x", 0},
        {"max-age=\" 3600\"", 0},
        {"max-age=\"\"", 0},
        {"max-age==3600", 0},
        {"max-age =3600", 0},
        {"max-age= 3600", 0},
        {"max-age = 3600", 0},
        {"max-age=", 0},
        {"max-age", 0},
        {"max-age: 3600", RP_NO_TIME},
        {"max-age:3600", RP_NO_TIME},
        {"max_age=3600", RP_NO_TIME},
        {"maxage=3600", RP_NO_TIME},
        {"x-max-age=3600", RP_NO_TIME},
        {"max-age-x=3600", RP_NO_TIME},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (parse(cases[i].value).max_age != cases[i].max_age) {
            fail_msg("%s gives %ld", cases[i].value, (long)parse(cases[i].value).max_age);
        }
    }
}

static void of_several_lifetimes_the_shortest_counts(void **state)
{
    (void)state;
    assert_int_equal(parse("max-age=1800, max-age=1").max_age, 1);
    assert_int_equal(parse("max-age=1, max-age=1800").max_age, 1);
    assert_int_equal(parse("max-age=5,max-age=5").max_age, 5);
    assert_int_equal(parse("max-age=5, max-age=x").max_age, 0);
    assert_int_equal(parse("max-age=x, max-age=5").max_age, 0);
    assert_int_equal(parse("s-maxage=9, s-maxage=3").s_maxage, 3);
    assert_int_equal(parse("stale-while-revalidate=9, stale-while-revalidate=3").stale_while_revalidate, 3);
    assert_int_equal(parse("stale-if-error=3, stale-if-error=9").stale_if_error, 3);
    assert_int_equal(parse("max-stale=3, max-stale=9").max_stale, 3);
    assert_int_equal(parse("min-fresh=3, min-fresh=9").min_fresh, 9);
}

static void s_maxage_and_max_age_are_kept_apart(void **state)
{
    (void)state;
    rp_cc_t cc = parse("max-age=1, s-maxage=3600");
    assert_int_equal(cc.max_age, 1);
    assert_int_equal(cc.s_maxage, 3600);
}

static void words_inside_other_directives_mean_nothing(void **state)
{
    (void)state;
    static const char *const values[] = {
        "extension=\"max-age=3600\"",
        "extension=\"no-store, private, no-cache\"",
        "extension=\"a, \\\"no-store, max-age=3600\"",
        "a=max-age=100",
        "a=\"x\\\\\", b=\"no-store\"",
        "no-store-ish, xno-cache, privately",
        "community=\"UCI\"",
        "foo bar no-store",
    };
    for (size_t i = 0; i < COUNT(values); i++) {
        rp_cc_t cc = parse(values[i]);
        if (cc.no_store || cc.no_cache || cc.private_ || cc.max_age != RP_NO_TIME) {
            fail_msg("%s says something", values[i]);
        }
    }
    assert_int_equal(parse("extension=\"max-age=3600\", max-age=1").max_age, 1);
    assert_int_equal(parse("max-age=1, extension=\"max-age=3600\"").max_age, 1);
    assert_int_equal(parse("extension=\"max-age=1\", max-age=3600").max_age, 3600);
    assert_int_equal(parse("foobar, max-age=3600").max_age, 3600);
    assert_int_equal(parse(",, ,max-age=3600,,").max_age, 3600);
    assert_int_equal(parse("a=max-age=100, max-age=7").max_age, 7);
}

static void a_quote_that_is_never_closed_is_no_store(void **state)
{
    (void)state;
    assert_true(parse("max-age=60, x=\"a, no-store").no_store);
    assert_true(parse("max-age=60, x=\"a, b\\\"").no_store);
    assert_true(parse("x=it\"s, max-age=60").no_store);
    assert_true(parse("private=\"a, max-age=60").no_store);
    assert_false(parse("x=\"a, b\", y=\"\\\"\"").no_store);
}

static void no_cache_and_private_may_name_fields(void **state)
{
    (void)state;
    static const struct {
        const char *argument;
        const char *fields;
        int whole; /* the directive means the whole response */
    } cases[] = {
        {"", NULL, 1},
        {"=\"a\"", "a", 0},
        {"=\"a, b\"", "a, b", 0},
        {"=\" Set-Cookie ,, X-Y ,\"", "Set-Cookie, X-Y", 0},
        {"=a", "a", 0},
        {"=", NULL, 1},
        {"=\"\"", NULL, 1},
        {"=\" , \"", NULL, 1},
        {"=\"a b\"", NULL, 1},
        {"=\"a, b c\"", NULL, 1},
        {"=\"a\"x", NULL, 1},
        {" =\"a\"", NULL, 1},
        {"= \"a\"", NULL, 1},
        {"=\"a", NULL, 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rp_cc_t cc = parse(apr_pstrcat(pool, "no-cache", cases[i].argument, NULL));
        assert_int_equal(cc.no_cache, cases[i].whole);
        assert_fields(cc.no_cache_fields, cases[i].fields);
        assert_false(cc.private_);

        cc = parse(apr_pstrcat(pool, "private", cases[i].argument, NULL));
        assert_int_equal(cc.private_, cases[i].whole);
        assert_fields(cc.private_fields, cases[i].fields);
        assert_false(cc.no_cache);
    }
}

static void field_names_add_up_and_the_unqualified_form_stands_beside_them(void **state)
{
    (void)state;
    rp_cc_t cc = parse("private=\"a\", no-cache=\"c\", private=\"b, d\"");
    assert_fields(cc.private_fields, "a, b, d");
    assert_fields(cc.no_cache_fields, "c");
    assert_false(cc.private_ || cc.no_cache);

    cc = parse("private=\"a\", private");
    assert_true(cc.private_);
    cc = parse("no-cache, no-cache=\"a\"");
    assert_true(cc.no_cache);
}

static void max_stale_without_a_value_accepts_any_age(void **state)
{
    (void)state;
    rp_cc_t cc = parse("max-stale");
    assert_true(cc.max_stale_any);
    assert_int_equal(cc.max_stale, RP_NO_TIME);
    cc = parse("max-stale=10, max-stale");
    assert_false(cc.max_stale_any);
    assert_int_equal(cc.max_stale, 10);
    cc = parse("max-stale=soon");
    assert_false(cc.max_stale_any);
    assert_int_equal(cc.max_stale, 0);
}

static void an_unreadable_min_fresh_is_ignored(void **state)
{
    (void)state;
    assert_int_equal(parse("min-fresh").min_fresh, RP_NO_TIME);
    assert_int_equal(parse("min-fresh=x").min_fresh, RP_NO_TIME);
    assert_int_equal(parse("min-fresh=5, min-fresh=x").min_fresh, 5);
}

static void unreadable_stale_allowances_allow_nothing(void **state)
{
    (void)state;
    assert_int_equal(parse("stale-while-revalidate").stale_while_revalidate, 0);
    assert_int_equal(parse("stale-while-revalidate=-1").stale_while_revalidate, 0);
    assert_int_equal(parse("stale-if-error=1.5").stale_if_error, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_absent_field_says_nothing),
        cmocka_unit_test(an_empty_field_is_present_and_says_nothing),
        cmocka_unit_test(each_directive_is_known_by_its_name_in_any_case),
        cmocka_unit_test(max_age_is_digits_and_anything_else_is_stale),
        cmocka_unit_test(of_several_lifetimes_the_shortest_counts),
        cmocka_unit_test(s_maxage_and_max_age_are_kept_apart),
        cmocka_unit_test(words_inside_other_directives_mean_nothing),
        cmocka_unit_test(a_quote_that_is_never_closed_is_no_store),
        cmocka_unit_test(no_cache_and_private_may_name_fields),
        cmocka_unit_test(field_names_add_up_and_the_unqualified_form_stands_beside_them),
        cmocka_unit_test(max_stale_without_a_value_accepts_any_age),
        cmocka_unit_test(an_unreadable_min_fresh_is_ignored),
        cmocka_unit_test(unreadable_stale_allowances_allow_nothing),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("cache_control", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

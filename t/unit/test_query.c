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

/** "a,b" as a list; NULL for NULL. */
static const apr_array_header_t *list(const char *names)
{
    apr_array_header_t *out = apr_array_make(pool, 2, sizeof(const char *));
    char *last, *name;
    if (!names) {
        return NULL;
    }
    for (name = apr_strtok(apr_pstrdup(pool, names), ",", &last); name; name = apr_strtok(NULL, ",", &last)) {
        APR_ARRAY_PUSH(out, const char *) = name;
    }
    return out;
}

typedef struct case_t {
    const char *only, *drop;
    int sort;
    const char *query, *chosen;
} case_t;

static void check(const case_t *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rp_query_rules_t rules = {0, list(cases[i].only), list(cases[i].drop), cases[i].sort};
        const char *chosen = rp_query_choose(pool, &rules, cases[i].query);
        assert_string_equal(chosen ? chosen : "(none)", cases[i].chosen);
    }
}

static void without_rules_everything_stays_as_it_is(void **state)
{
    (void)state;
    static const char *const queries[] = {"", "a", "a=1&b=2", "&&a==&", "%61=%zz;+", "a=1&a=1"};
    rp_query_rules_t rules = {0, NULL, NULL, 0};
    for (size_t i = 0; i < COUNT(queries); i++) {
        assert_ptr_equal(rp_query_choose(pool, &rules, queries[i]), queries[i]);
    }
    assert_null(rp_query_choose(pool, &rules, NULL));
}

static void none_leaves_no_query_at_all(void **state)
{
    (void)state;
    rp_query_rules_t rules = {1, NULL, NULL, 0};
    assert_null(rp_query_choose(pool, &rules, "a=1;b"));
    assert_null(rp_query_choose(pool, &rules, ""));
    assert_null(rp_query_choose(pool, &rules, NULL));
}

static void dropped_parameters_go_and_the_others_stay_as_they_came(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {NULL, "utm_*", 0, "utm_source=x&id=5", "id=5"},
        {NULL, "utm_*", 0, "id=5&utm_source=x&utm_medium&b=%41+&", "id=5&b=%41+&"},
        {NULL, "utm_*", 0, "utm_a=1&utm_b=2", "(none)"},
        {NULL, "utm_*", 0, "", ""},
        {NULL, "utm_*,gclid", 0, "gclid=1&gclid2=2&xgclid=3", "gclid2=2&xgclid=3"},
        {NULL, "a", 0, "a=1&b=2&a=3&a", "b=2"},
        {NULL, "a?", 0, "a=1&ab=2&abc=3", "a=1&abc=3"},
        {NULL, "*", 0, "a=1&&b", "(none)"},
    };
    check(cases, COUNT(cases));
}

static void what_may_not_be_the_dropped_parameter_stays(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {NULL, "a", 0, "A=1", "A=1"},
        {NULL, "a", 0, "%61=1", "%61=1"},
        {NULL, "a", 0, "a[]=1", "a[]=1"},
        {NULL, "a", 0, "a%00=1", "a%00=1"},
        {NULL, "utm_*", 0, "utm_x=1;id=5&utm_y=2", "utm_x=1;id=5"},
    };
    check(cases, COUNT(cases));
}

static void with_only_nothing_else_counts(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"id,page", NULL, 0, "x=1&page=2&y&id=5&&=7", "page=2&id=5"},
        {"id", NULL, 0, "x=1", "(none)"},
        {"filter_*", "filter_x", 0, "filter_a=1&filter_x=2&b=3", "filter_a=1"},
    };
    check(cases, COUNT(cases));
}

static void whatever_a_backend_may_read_as_the_parameter_counts(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"id", NULL, 0, "%69%64=5&x", "%69%64=5"},
        {"id", NULL, 0, "ID=5&x", "ID=5"},
        {"id", NULL, 0, "id[]=5&id%5B0%5d=6&x", "id[]=5&id%5B0%5d=6"},
        {"id", NULL, 0, "id%00x=5", "id%00x=5"},
        {"a b", NULL, 0, "a+b=5&a%20b=6&a%2Bb=7", "a+b=5&a%20b=6"},
        {"id", NULL, 0, "x=1;id=5&y=2", "x=1;id=5"},
        {"id", NULL, 0, "id", "id"},
    };
    check(cases, COUNT(cases));
}

static void sorting_is_by_name_and_keeps_the_order_of_namesakes(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {NULL, NULL, 1, "b=1&a=2&c=0", "a=2&b=1&c=0"},
        {NULL, NULL, 1, "a=2&b=1&a=1", "a=2&a=1&b=1"},
        {NULL, NULL, 1, "b=1&%61=2&a=1", "%61=2&a=1&b=1"},
        {NULL, NULL, 1, "b=1&a[]=2&a[x]=1&A=0", "a[]=2&a[x]=1&A=0&b=1"},
        {NULL, NULL, 1, "b&a;c&a", "b&a;c&a"},
        {NULL, "x", 1, "b&x;c&x&a", "b&x;c&a"},
        {"a,b", NULL, 1, "b=1&x=3&a=2", "a=2&b=1"},
    };
    check(cases, COUNT(cases));
}

static const char *cookies(const char *names, const char *one, const char *two)
{
    apr_table_t *t = apr_table_make(pool, 2);
    apr_table_addn(t, "Host", "a");
    if (one) {
        apr_table_addn(t, "cookie", one);
    }
    if (two) {
        apr_table_addn(t, "Cookie", two);
    }
    return rp_cookie_selection(pool, list(names), t);
}

static void the_chosen_cookies_are_selected(void **state)
{
    (void)state;
    assert_string_equal(cookies("lang", "a=1; lang=de; b=2", NULL), ";lang;de\n");
    assert_string_equal(cookies("lang", "a=1;lang = de ;b", NULL), ";lang;de\n");
    assert_string_equal(cookies("lang,cur", "cur=EUR", "x; lang=de"), ";lang;de\n;cur;EUR\n");
    assert_string_equal(cookies("lang", "xlang=1; Lang=2; lang2=3", NULL), ";lang\n");
}

static void different_cookies_are_never_alike(void **state)
{
    (void)state;
    static const char *const different[] = {
        NULL, "a=", "a=1", "a=1=", "a=2", "a=1; a=2", "a=2; a=1", "a=\"1\"", "a=; a=", "a=1\n;a",
    };
    for (size_t i = 0; i < COUNT(different); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(cookies("a,b", different[i], NULL), cookies("a,b", different[j], NULL));
        }
    }
    assert_string_not_equal(cookies("a,b", "a=1", NULL), cookies("a,b", "b=1", NULL));
    assert_string_equal(cookies("a", "a=1", "a=2"), cookies("a", "a=1; a=2", NULL));
}

static int setup(void **state)
{
    (void)state;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int teardown(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_everything_stays_as_it_is),
        cmocka_unit_test(none_leaves_no_query_at_all),
        cmocka_unit_test(dropped_parameters_go_and_the_others_stay_as_they_came),
        cmocka_unit_test(what_may_not_be_the_dropped_parameter_stays),
        cmocka_unit_test(with_only_nothing_else_counts),
        cmocka_unit_test(whatever_a_backend_may_read_as_the_parameter_counts),
        cmocka_unit_test(sorting_is_by_name_and_keeps_the_order_of_namesakes),
        cmocka_unit_test(the_chosen_cookies_are_selected),
        cmocka_unit_test(different_cookies_are_never_alike),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

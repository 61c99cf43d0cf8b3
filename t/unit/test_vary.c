/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <apr_general.h>
#include <cmocka.h>

#include "http/http.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static apr_pool_t *pool;

/** A request with the lines given as name, value, ..., NULL. */
static apr_table_t *request(const char *name, ...)
{
    apr_table_t *t = apr_table_make(pool, 4);
    va_list args;
    va_start(args, name);
    for (; name; name = va_arg(args, const char *)) {
        apr_table_addn(t, name, va_arg(args, const char *));
    }
    va_end(args);
    return t;
}

static int alike(const char *names, const apr_table_t *a, const apr_table_t *b)
{
    return strcmp(rp_vary_selection(pool, names, a), rp_vary_selection(pool, names, b)) == 0;
}

static void names_are_lower_case_sorted_and_unique(void **state)
{
    (void)state;
    static const struct {
        const char *vary;
        const char *names;
    } cases[] = {
        {"Foo", "foo"},
        {"Foo, Bar, Baz", "bar,baz,foo"},
        {"baz,FOO ,, bar, foo,Baz,", "bar,baz,foo"},
        {"Accept-Encoding, accept", "accept,accept-encoding"},
        {"*", "*"},
        {"*, *", "*"},
        {", *", "*"},
        {"*, Foo", "*"},
        {"Foo, *", "*"},
        {"Foo,\t*\t,", "*"},
        {"Foo *", "*"},
        {"Foo Bar", "*"},
        {"\"Foo, Bar\"", "*"},
        {"Foo: Bar", "*"},
        {"Foo=1", "*"},
        {"F\xc3\xb6o", "*"},
        {"**", "**"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_string_equal(rp_vary_names(pool, cases[i].vary), cases[i].names);
        assert_int_equal(!!rp_vary_is_star(cases[i].vary), strcmp(cases[i].names, "*") == 0);
    }
}

static void a_vary_without_names_has_none(void **state)
{
    (void)state;
    assert_null(rp_vary_names(pool, NULL));
    assert_null(rp_vary_names(pool, ""));
    assert_null(rp_vary_names(pool, " , ,"));
    assert_false(rp_vary_is_star(NULL));
    assert_false(rp_vary_is_star(","));
}

static void only_named_fields_select(void **state)
{
    (void)state;
    assert_true(alike("foo", request("Foo", "1", "Other", "2", NULL),
                      request("Other", "3", "fOO", "1", NULL)));
    assert_false(alike("foo", request("Foo", "1", NULL), request("Foo", "2", NULL)));
    assert_true(alike("bar,foo", request("Foo", "1", "Bar", "abc", NULL),
                      request("Bar", "abc", "Foo", "1", NULL)));
    assert_false(alike("bar,foo", request("Foo", "1", "Bar", "abc", NULL),
                       request("Foo", "1", "Bar", "abcde", NULL)));
    assert_false(alike("foo", request("Foo", "a", NULL), request("Foo", "A", NULL)));
    assert_false(alike("foo", request("Foo", "1", NULL), request("Foobar", "1", NULL)));
}

static void an_absent_field_is_not_an_empty_one(void **state)
{
    (void)state;
    assert_false(alike("foo", request(NULL, NULL), request("Foo", "", NULL)));
    assert_false(alike("foo", request(NULL, NULL), request("Foo", "1", NULL)));
    assert_false(alike("foo", request("Foo", "", NULL), request("Foo", ",", NULL)));
    assert_true(alike("bar,foo", request("Foo", "1", NULL), request("Foo", "1", "Baz", "2", NULL)));
    assert_true(alike("foo", request("Foo", "", NULL), request("Foo", " \t", NULL)));
}

static void white_space_around_commas_does_not_matter(void **state)
{
    (void)state;
    static const char *const same[] = {"1,2", "1, 2", " 1 ,2 ", "1\t ,\t 2", "1  ,  2\t"};
    for (size_t i = 1; i < COUNT(same); i++) {
        assert_true(alike("foo", request("Foo", same[0], NULL), request("Foo", same[i], NULL)));
    }
    assert_false(alike("foo", request("Foo", "1 2", NULL), request("Foo", "12", NULL)));
    assert_false(alike("foo", request("Foo", "1  2", NULL), request("Foo", "1 2", NULL)));
    assert_false(alike("foo", request("Foo", "1,2", NULL), request("Foo", "2,1", NULL)));
    assert_false(alike("foo", request("Foo", "1,,2", NULL), request("Foo", "1,2", NULL)));
    assert_false(alike("foo", request("Foo", ",1", NULL), request("Foo", "1", NULL)));
}

static void white_space_inside_quotes_matters(void **state)
{
    (void)state;
    assert_false(alike("foo", request("Foo", "\"1, 2\"", NULL), request("Foo", "\"1,2\"", NULL)));
    assert_false(alike("foo", request("Foo", "\"\\\", 2\"", NULL), request("Foo", "\"\\\",2\"", NULL)));
    assert_true(alike("foo", request("Foo", "\"\\\\\", 2", NULL), request("Foo", "\"\\\\\",2", NULL)));
    assert_true(alike("foo", request("Foo", "\"a\" , 2", NULL), request("Foo", "\"a\",2", NULL)));
    assert_true(alike("foo", request("Foo", "\\, 2", NULL), request("Foo", "\\,2", NULL)));
}

static void several_lines_are_one_list(void **state)
{
    (void)state;
    assert_true(alike("foo", request("Foo", "1, 2", NULL), request("Foo", "1", "foo", "2", NULL)));
    assert_false(alike("foo", request("Foo", "1, 2", NULL), request("Foo", "2", "Foo", "1", NULL)));
    assert_false(alike("foo", request("Foo", "\"a", "Foo", "b ,c\"", NULL),
                       request("Foo", "\"a,b,c\"", NULL)));
}

static void preferences_ignore_case_and_order_but_not_weights(void **state)
{
    (void)state;
    assert_true(alike("accept-language", request("Accept-Language", "en, de", NULL),
                      request("Accept-Language", " eN ,   De", NULL)));
    assert_true(alike("accept-encoding", request("Accept-Encoding", "GZIP;Q=0.5, br", NULL),
                      request("Accept-Encoding", "gzip;q=0.5,br", NULL)));
    assert_true(alike("accept-language", request("Accept-Language", "en, de", NULL),
                      request("Accept-Language", "de", "Accept-Language", "en", NULL)));
    assert_true(alike("accept-language", request("Accept-Language", "en; q=0.5 ,de;Q=1.0", NULL),
                      request("Accept-Language", "de,EN;q=0.5", NULL)));
    assert_false(alike("accept-language", request("Accept-Language", "en, de;q=0.9", NULL),
                       request("Accept-Language", "de, en;q=0.9", NULL)));
    assert_false(alike("accept-language", request("Accept-Language", "en, de;q=0.1", NULL),
                       request("Accept-Language", "en, de", NULL)));
    assert_false(alike("accept-language", request("Accept-Language", "", NULL), request(NULL, NULL)));
    assert_false(alike("accept", request("Accept", "text/a, text/b", NULL),
                       request("Accept", "text/b, text/a", NULL)));
}

static void no_two_selections_are_alike_whatever_bytes_they_have(void **state)
{
    (void)state;
    assert_false(alike("bar,foo", request("Bar", "1\nfoo: 2", NULL), request("Bar", "1", "Foo", "2", NULL)));
    assert_false(alike("bar,foo", request("Bar", "1\nfoo", NULL), request("Bar", "1", NULL)));
    assert_false(alike("foo", request("Foo", "\n", NULL), request("Foo", "\n ", "Foo", "", NULL)));
    assert_false(alike("foo", request("Foo", "1\n", NULL), request("Foo", "1", NULL)));
    assert_false(alike("foo", request("Foo", "1\n2", NULL), request("Foo", "1\n 2", NULL)));
    assert_string_not_equal(rp_vary_selection(pool, "a", request("a", "1", "b", "1", NULL)),
                            rp_vary_selection(pool, "b", request("a", "1", "b", "1", NULL)));
    assert_string_not_equal(rp_vary_selection(pool, "a", request(NULL, NULL)),
                            rp_vary_selection(pool, "a,b", request(NULL, NULL)));
}

static void the_form_of_a_selection_is_stable(void **state)
{
    (void)state;
    /* Stores outlive the process: another form makes them cold. */
    apr_table_t *r = request("Foo", "1", "Accept-Language", "De , en", "Foo", "2", NULL);
    assert_string_equal(rp_vary_selection(pool, "accept-language,foo,none", r),
                        "accept-language: de,en\nfoo: 1,2\nnone\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_lower_case_sorted_and_unique),
        cmocka_unit_test(a_vary_without_names_has_none),
        cmocka_unit_test(only_named_fields_select),
        cmocka_unit_test(an_absent_field_is_not_an_empty_one),
        cmocka_unit_test(white_space_around_commas_does_not_matter),
        cmocka_unit_test(white_space_inside_quotes_matters),
        cmocka_unit_test(several_lines_are_one_list),
        cmocka_unit_test(preferences_ignore_case_and_order_but_not_weights),
        cmocka_unit_test(no_two_selections_are_alike_whatever_bytes_they_have),
        cmocka_unit_test(the_form_of_a_selection_is_stable),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("vary", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

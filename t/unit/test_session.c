/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "http/http.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static apr_pool_t *pool;

static int setup(void **state)
{
    (void)state;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static void assert_str(rp_str_t found, const char *wanted)
{
    assert_int_equal(found.len, strlen(wanted));
    assert_memory_equal(found.ptr, wanted, found.len);
}

static void cookies_are_taken_apart(void **state)
{
    const char *field = " a=1;b ;c = 2 ; d=\"x;=y\"; e=; f=3=4";
    static const char *const wanted[][2] = {
        { "a", "1" }, { "c", "2" }, { "d", "\"x" }, { "", "y\"" }, { "e", "" }, { "f", "3=4" },
    };
    rp_str_t rest = { field, strlen(field) }, name, value;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(wanted); i++) {
        assert_true(rp_cookie_next(&rest, &name, &value));
        assert_str(name, wanted[i][0]);
        assert_str(value, wanted[i][1]);
    }
    assert_false(rp_cookie_next(&rest, &name, &value));
}

static void a_cookie_is_removed_and_others_stay_byte_by_byte(void **state)
{
    static const char *const cases[][2] = {
        { "R=1", NULL },
        { "R=1; ", NULL },
        { "R=1; A=2", "A=2" },
        { "A=2; R=1", "A=2" },
        { "A=1; R=2; B=3", "A=1; B=3" },
        { "A=1;R=2;B=3", "A=1;B=3" },
        { "A=1;  R=2;\tB=\"x y\" ;C", "A=1;\tB=\"x y\" ;C" },
        { "R=1; A=2; R=3; R=", "A=2" },
        { "A=1;;R=2;;", "A=1;;;" },
        { " R = 1 ; A=2", "A=2" },
        { "r=1; RR=2; R; A=R=1", "r=1; RR=2; R; A=R=1" },
        { "", "" },
        { "A=1; ", "A=1; " },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const char *left = rp_cookie_without(pool, cases[i][0], "R");

        if (!cases[i][1]) {
            assert_null(left);
            continue;
        }
        assert_non_null(left);
        assert_string_equal(left, cases[i][1]);
    }
}

static void what_has_nothing_to_be_removed_is_not_copied(void **state)
{
    const char *field = "A=1; B=2";

    (void)state;
    assert_ptr_equal(rp_cookie_without(pool, field, "R"), field);
}

static void a_set_cookie_field_has_one_name_and_value(void **state)
{
    rp_str_t value;

    (void)state;
    assert_true(rp_set_cookie_read("SID=abc; Path=/; HttpOnly", "SID", &value));
    assert_str(value, "abc");
    assert_true(rp_set_cookie_read(" SID = a=b ", "SID", &value));
    assert_str(value, "a=b");
    assert_true(rp_set_cookie_read("SID=", "SID", &value));
    assert_int_equal(value.len, 0);
    assert_false(rp_set_cookie_read("sid=abc", "SID", &value));
    assert_false(rp_set_cookie_read("X=1; SID=abc", "SID", &value));
    assert_false(rp_set_cookie_read("SID; SID=abc", "SID", &value));
    assert_false(rp_set_cookie_read("", "SID", &value));
}

static void a_route_stands_behind_the_last_dot(void **state)
{
    static const char *const cases[][2] = {
        { "0A1B.node1", "node1" }, { "a.b.node2", "node2" }, { "\"0A1B.node1\"", "node1" }, { "0A1B", "" },
        { "0A1B.", "" },
        { ".node1", "node1" }, { "", "" }, { "\"", "" }, { "\"\"", "" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        assert_str(rp_route_suffix((rp_str_t){ cases[i][0], strlen(cases[i][0]) }), cases[i][1]);
    }
}

static void a_parameter_is_found_in_path_or_query(void **state)
{
    static const char *const cases[][2] = {
        { "/cart;jsessionid=0A.n1", "0A.n1" },
        { "/cart;jsessionid=0A.n1?x=1", "0A.n1" },
        { "/a;v=1;jsessionid=0A.n1/b;w=2", "0A.n1" },
        { "/a;v=1/b;jsessionid=0A.n1", "0A.n1" },
        { "/a;jsessionid=0A.n1?jsessionid=0B.n2", "0A.n1" },
        { "/a?jsessionid=0B.n2", "0B.n2" },
        { "/a?x=1&jsessionid=0B.n2&y=2", "0B.n2" },
        { "/a?x=1&jsessionid=#f", "" },
        { "/a?x=;jsessionid=0B", NULL },
        { "/jsessionid=1", NULL },
        { "/a;xjsessionid=1", NULL },
        { "/a;jsessionid", NULL },
        { "/a?JSESSIONID=1", NULL },
        { "/a#;jsessionid=1?jsessionid=2", NULL },
        { "", NULL }, { ";", NULL }, { "?", NULL }, { "?&&", NULL }, { ";;?", NULL },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        rp_str_t value;

        if (!cases[i][1]) {
            assert_false(rp_url_param(cases[i][0], "jsessionid", &value));
            continue;
        }
        assert_true(rp_url_param(cases[i][0], "jsessionid", &value));
        assert_str(value, cases[i][1]);
    }
}

#define NOW 1700000000
#define LATER "Thu, 01 Jan 2026 00:00:00 GMT"

static void caches_are_invited_or_not(void **state)
{
    static const struct {
        const char *fields[5];
        rp_sharing_e wanted;
    } cases[] = {
        { { NULL }, RP_SHARING_UNSAID },
        { { "Cache-Control", "no-cache" }, RP_SHARING_UNSAID },
        { { "Cache-Control", "max-age=0, must-revalidate" }, RP_SHARING_UNSAID },
        { { "Cache-Control", "private" }, RP_SHARING_NOT },
        { { "Cache-Control", "private, max-age=60" }, RP_SHARING_NOT },
        { { "Cache-Control", "no-store" }, RP_SHARING_NOT },
        { { "Cache-Control", "private=\"Set-Cookie\", max-age=60" }, RP_SHARING_INVITED },
        { { "Cache-Control", "max-age=60" }, RP_SHARING_INVITED },
        { { "Cache-Control", "max-age=0", "Cache-Control", "s-maxage=60" }, RP_SHARING_INVITED },
        { { "Cache-Control", "public" }, RP_SHARING_INVITED },
        { { "Expires", LATER }, RP_SHARING_INVITED },
        { { "Expires", LATER, "Cache-Control", "max-age=0" }, RP_SHARING_UNSAID },
        { { "Expires", "Thu, 19 Nov 1981 08:52:00 GMT" }, RP_SHARING_UNSAID },
        { { "Expires", "0" }, RP_SHARING_UNSAID },
        { { "Cache-Control", "private", "CDN-Cache-Control", "max-age=60" }, RP_SHARING_INVITED },
        { { "Cache-Control", "private", "CDN-Cache-Control", "no-store" }, RP_SHARING_NOT },
        { { "Cache-Control", "private", "Surrogate-Control", "max-age=60" }, RP_SHARING_INVITED },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        apr_table_t *fields = apr_table_make(pool, 2);
        int f;

        for (f = 0; f < 4 && cases[i].fields[f]; f += 2) {
            apr_table_addn(fields, cases[i].fields[f], cases[i].fields[f + 1]);
        }
        assert_int_equal(rp_response_sharing(pool, fields, NOW), cases[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookies_are_taken_apart),
        cmocka_unit_test(a_cookie_is_removed_and_others_stay_byte_by_byte),
        cmocka_unit_test(what_has_nothing_to_be_removed_is_not_copied),
        cmocka_unit_test(a_set_cookie_field_has_one_name_and_value),
        cmocka_unit_test(a_route_stands_behind_the_last_dot),
        cmocka_unit_test(a_parameter_is_found_in_path_or_query),
        cmocka_unit_test(caches_are_invited_or_not),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}

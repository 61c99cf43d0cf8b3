/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <apr_general.h>
#include <cmocka.h>

#include "http/http.h"

static apr_pool_t *pool;

static void a_string_is_quoted_and_escaped(void **state)
{
    (void)state;
    assert_string_equal(rp_sf_string(pool, ""), "\"\"");
    assert_string_equal(rp_sf_string(pool, "connection refused"), "\"connection refused\"");
    assert_string_equal(rp_sf_string(pool, "a\"b\\c"), "\"a\\\"b\\\\c\"");
}

static void bytes_that_a_string_cannot_have_become_question_marks(void **state)
{
    (void)state;
    assert_string_equal(rp_sf_string(pool, "a\r\nSet-Cookie: x\t\x7f\xc3\xa4~ "),
                        "\"a??Set-Cookie: x????~ \"");
}

static void an_item_is_a_token_when_it_can_be_one(void **state)
{
    (void)state;
    static const char *const tokens[] = {"a", "*", "dns_timeout", "rproxy", "Shop.Example:80/x",
                                         "*!#$%&'*+-.^_`|~:/0"};
    static const char *const strings[][2] = {
        {"", "\"\""}, {"1a", "\"1a\""}, {"-a", "\"-a\""}, {"a b", "\"a b\""}, {":a", "\":a\""},
        {"a,b", "\"a,b\""}, {"a;b", "\"a;b\""}, {"a=b", "\"a=b\""}, {"a\n", "\"a?\""}, {"[::1]", "\"[::1]\""},
    };
    for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
        assert_string_equal(rp_sf_item(pool, tokens[i]), tokens[i]);
    }
    for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
        assert_string_equal(rp_sf_item(pool, strings[i][0]), strings[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_is_quoted_and_escaped),
        cmocka_unit_test(bytes_that_a_string_cannot_have_become_question_marks),
        cmocka_unit_test(an_item_is_a_token_when_it_can_be_one),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("structured", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

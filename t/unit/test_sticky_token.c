/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <cmocka.h>

#include "balance/sticky_token.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const rp_str_t secret = { "0123456789abcdef0123456789abcdef", 32 };

static void a_token_is_the_hmac_of_pool_and_url(void **state)
{
    char token[RP_TOKEN_LEN + 1];

    (void)state;
    rp_sticky_token(secret, "app", "http://10.0.0.11:8080", token);
    /* printf 'app http://10.0.0.11:8080' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef -binary |
     * head -c 16 | basenc --base64url */
    assert_string_equal(token, "W6SswVTHSBURAnOlrrTLqQ");
}

#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static void it_differs_by_secret_pool_and_url(void **state)
{
    static const rp_str_t other = { "0123456789abcdef0123456789abcdeF", 32 };
    char tokens[4][RP_TOKEN_LEN + 1];
    size_t i, j;

    (void)state;
    rp_sticky_token(secret, "app", "http://a", tokens[0]);
    rp_sticky_token(secret, "app", "http://b", tokens[1]);
    rp_sticky_token(secret, "apq", "http://a", tokens[2]);
    rp_sticky_token(other, "app", "http://a", tokens[3]);
    for (i = 0; i < 4; i++) {
        assert_int_equal(strlen(tokens[i]), RP_TOKEN_LEN);
        assert_int_equal(strspn(tokens[i], BASE64URL), RP_TOKEN_LEN);
        for (j = 0; j < i; j++) {
            assert_string_not_equal(tokens[i], tokens[j]);
        }
    }
}

static void a_value_is_a_token_and_maybe_a_time(void **state)
{
    static const struct {
        const char *value, *token;
        apr_int64_t since;
    } cases[] = {
        { "abc", "abc", 0 },
        { "abc.1700000000", "abc", 1700000000 },
        { "abc.", "abc", 0 },
        { "abc.x", "abc", 0 },
        { "abc.1.2", "abc", 0 },
        { "abc.-1", "abc", 0 },
        { "abc.99999999999999999999", "abc", INT64_MAX },
        { ".5", "", 5 },
        { "", "", 0 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        rp_str_t token;
        apr_int64_t since;

        rp_sticky_read((rp_str_t){ cases[i].value, strlen(cases[i].value) }, &token, &since);
        assert_int_equal(token.len, strlen(cases[i].token));
        assert_memory_equal(token.ptr, cases[i].token, token.len);
        assert_int_equal(since, cases[i].since);
    }
}

static void a_cookie_is_given_anew_when_half_of_its_lifetime_is_over(void **state)
{
    (void)state;
    assert_false(rp_sticky_is_due(1000, 100, 1000));
    assert_false(rp_sticky_is_due(1000, 100, 1050));
    assert_true(rp_sticky_is_due(1000, 100, 1051));
    assert_true(rp_sticky_is_due(0, 100, 1000));
    assert_true(rp_sticky_is_due(1001, 100, 1000));
    assert_true(rp_sticky_is_due(INT64_MAX, 100, 1000));
    assert_false(rp_sticky_is_due(0, 0, 1000));
    assert_false(rp_sticky_is_due(INT64_MAX, 0, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_the_hmac_of_pool_and_url),
        cmocka_unit_test(it_differs_by_secret_pool_and_url),
        cmocka_unit_test(a_value_is_a_token_and_maybe_a_time),
        cmocka_unit_test(a_cookie_is_given_anew_when_half_of_its_lifetime_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

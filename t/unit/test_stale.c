/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>

#include "http/http.h"

static apr_pool_t *pool;

static rp_cc_t cc(const char *value)
{
    rp_cc_t parsed;

    rp_cc_parse(pool, &parsed, value);
    return parsed;
}

static void the_origins_word_goes_before_what_is_configured(void **state)
{
    static const struct {
        const char *response;
        rp_secs_t configured, want;
    } cases[] = {
        { "max-age=1", RP_NO_TIME, 0 },
        { "max-age=1", 0, 0 },
        { "max-age=1", 30, 30 },
        { "max-age=1, stale-while-revalidate=5", 30, 5 },
        { "max-age=1, stale-while-revalidate=0", 30, 0 },
        { "max-age=1, stale-while-revalidate=5", RP_NO_TIME, 5 },
        { "max-age=1, stale-while-revalidate=5, must-revalidate", 30, 0 },
        { "max-age=1, stale-while-revalidate=5, proxy-revalidate", 30, 0 },
        { "no-cache, stale-while-revalidate=5", 30, 0 },
        { "s-maxage=1", 30, 0 },
        { "s-maxage=1, stale-while-revalidate=5", 30, 5 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rp_cc_t response = cc(cases[i].response);

        assert_int_equal(rp_stale_while_revalidate(&response, cases[i].configured), cases[i].want);
    }
}

static void a_response_is_revalidated_later_only_within_its_grace(void **state)
{
    rp_cc_t response = cc("max-age=10, stale-while-revalidate=5"), none = cc(NULL);
    rp_cc_t young = cc("max-age=11"), old = cc("max-age=20"), min = cc("min-fresh=1"), reload = cc("no-cache");

    (void)state;
    assert_true(rp_may_revalidate_later(&response, &none, RP_NO_TIME, 10, 10));
    assert_true(rp_may_revalidate_later(&response, &none, RP_NO_TIME, 10, 14));
    assert_false(rp_may_revalidate_later(&response, &none, RP_NO_TIME, 10, 15));
    assert_false(rp_may_revalidate_later(&response, &young, RP_NO_TIME, 10, 12));
    assert_true(rp_may_revalidate_later(&response, &old, RP_NO_TIME, 10, 12));
    assert_false(rp_may_revalidate_later(&response, &min, RP_NO_TIME, 10, 12));
    assert_false(rp_may_revalidate_later(&response, &reload, RP_NO_TIME, 10, 12));
}

static void an_error_is_covered_when_one_side_asks_for_it(void **state)
{
    rp_cc_t plain = cc("max-age=10"), said = cc("max-age=10, stale-if-error=5"), none = cc(NULL);
    rp_cc_t strict = cc("max-age=10, must-revalidate"), shared = cc("s-maxage=10"), asks = cc("stale-if-error=60");
    rp_cc_t doubtful = cc("max-age=10, no-cache");

    (void)state;
    assert_false(rp_may_cover_error(&plain, &none, RP_NO_TIME, 10, 12));
    assert_true(rp_may_cover_error(&plain, &none, 60, 10, 12));
    assert_true(rp_may_cover_error(&said, &none, RP_NO_TIME, 10, 14));
    assert_false(rp_may_cover_error(&said, &none, 60, 10, 15));
    assert_true(rp_may_cover_error(&plain, &asks, RP_NO_TIME, 10, 69));
    assert_false(rp_may_cover_error(&strict, &asks, 60, 10, 12));
    assert_false(rp_may_cover_error(&shared, &asks, 60, 10, 12));
    assert_false(rp_may_cover_error(&doubtful, &asks, 60, 10, 2));
    assert_false(rp_may_revalidate_later(&doubtful, &asks, 60, 10, 2));
}

static void without_a_backend_only_the_forbidden_is_not_used(void **state)
{
    rp_cc_t plain = cc("max-age=10"), strict = cc("max-age=10, must-revalidate"), shared = cc("max-age=10, s-maxage=2");
    rp_cc_t proxy = cc("max-age=10, proxy-revalidate"), doubtful = cc("max-age=10, no-cache"), none = cc(NULL);
    rp_cc_t reload = cc("no-cache");

    (void)state;
    assert_true(rp_may_use_disconnected(&plain, &none, 99));
    assert_false(rp_may_use_disconnected(&plain, &reload, 99));
    assert_false(rp_may_use_disconnected(&strict, &none, 99));
    assert_false(rp_may_use_disconnected(&shared, &none, 99));
    assert_false(rp_may_use_disconnected(&proxy, &none, 99));
    assert_false(rp_may_use_disconnected(&doubtful, &none, 99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_origins_word_goes_before_what_is_configured),
        cmocka_unit_test(a_response_is_revalidated_later_only_within_its_grace),
        cmocka_unit_test(an_error_is_covered_when_one_side_asks_for_it),
        cmocka_unit_test(without_a_backend_only_the_forbidden_is_not_used),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(pool);
    apr_terminate();
    return failed;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "freshness_util.h"

static const rp_store_rules_t strict = {0, 0};

/* ------------------------------------------------------------------ storing */

static void the_heuristic_statuses_are_those_of_rfc_9110(void **state)
{
    (void)state;
    static const int heuristic[] = {200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501};
    size_t next = 0;
    for (int status = -1; status < 1000; status++) {
        int expected = next < COUNT(heuristic) && heuristic[next] == status;
        next += (size_t)expected;
        assert_int_equal(!!rp_status_is_heuristic(status), expected);
    }
    assert_int_equal(next, COUNT(heuristic));
}

typedef struct storing_t {
    int status;
    const char *fields;
    const char *why_not;
} storing_t;

static void assert_storing(const storing_t *c, size_t n, const char *method, const char *request_cc,
                           int authorized)
{
    for (size_t i = 0; i < n; i++) {
        rp_response_facts_t facts = response(c[i].status, c[i].fields);
        rp_cc_t cc = directives(request_cc);
        const char *got = rp_not_storable(&facts, &strict, method, &cc, authorized);
        const char *want = c[i].why_not;
        if (got != want && (!got || !want || strcmp(got, want) != 0)) {
            fail_msg("%d %s: %s, not %s", c[i].status, c[i].fields, got ? got : "stored",
                     want ? want : "stored");
        }
    }
}

static void a_response_is_stored_when_rfc_9111_lets_a_shared_cache(void **state)
{
    (void)state;
    static const storing_t cases[] = {
        {200, "Cache-Control: max-age=60", NULL},
        {200, "Cache-Control: s-maxage=60", NULL},
        {200, "Expires: @60", NULL},
        {200, "Cache-Control: public, max-age=60", NULL},
        {200, "Last-Modified: @-100", NULL},
        {200, "ETag: \"a\"", NULL},
        {200, "Cache-Control: no-cache\nETag: \"a\"", NULL},
        {200, "Cache-Control: max-age=0\nETag: \"a\"", NULL},
        {200, "Cache-Control: max-age=0, stale-while-revalidate=60", NULL},
        {200, "Cache-Control: max-age=0, stale-if-error=60", NULL},
        {200, "Cache-Control: max-age=60\nVary: Accept", NULL},
        {200, "Cache-Control: private=\"Set-Cookie\", max-age=60", NULL},
        {200, "Cache-Control: no-cache=\"X\", max-age=60", NULL},
        {200, "Cache-Control: max-age=60\nPragma: no-cache", NULL},
        {200, "Cache-Control: max-age=60\nContent-Range: bytes 0-4/10", NULL},
        {200, "Cache-Control: no-store, must-understand, max-age=60", NULL},
        /* nothing says for how long, and there is nothing to ask with */
        {200, "", "no-freshness"},
        {200, "Date: @0", "no-freshness"},
        {200, "Cache-Control: public", "no-freshness"},
        {200, "Cache-Control: max-age=0", "no-freshness"},
        {200, "Cache-Control: max-age=abc", "no-freshness"},
        {200, "Cache-Control: no-cache", "no-freshness"},
        {200, "Cache-Control: no-cache, max-age=60", "no-freshness"},
        {200, "Expires: 0", "no-freshness"},
        {200, "Date: @400\nExpires: @300", "no-freshness"},
        {200, "ETag: abc", "no-freshness"},
        {200, "Last-Modified: yesterday", "no-freshness"},
        /* refusals */
        {200, "Cache-Control: no-store", "no-store"},
        {200, "Cache-Control: nO-StOrE, max-age=10000\nExpires: @10000", "no-store"},
        {200, "Cache-Control: max-age=60\nCache-Control: no-store", "no-store"},
        {200, "Cache-Control: private, max-age=60", "private"},
        {200, "Cache-Control: private=\"\", max-age=60", "private"},
        {200, "Cache-Control: private, public, s-maxage=60", "private"},
        {200, "Cache-Control: max-age=60\nVary: *", "vary-star"},
        {200, "Cache-Control: max-age=60\nVary: Foo, *", "vary-star"},
        {200, "Cache-Control: max-age=60\nVary: \nVary: *", "vary-star"},
        {206, "Cache-Control: max-age=60\nContent-Range: bytes 0-4/10", "partial"},
        {206, "Cache-Control: max-age=60", "partial"},
    };
    assert_storing(cases, COUNT(cases), "GET", NULL, 0);
    assert_storing(cases, COUNT(cases), "HEAD", "no-cache", 0);
}

static void explicit_freshness_lets_any_final_status_be_stored(void **state)
{
    (void)state;
    static const int statuses[] = {200, 201, 202, 203, 204, 299, 300, 301, 302, 303, 307, 308,
                                   400, 403, 404, 410, 451, 499, 500, 502, 503, 504, 599};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        storing_t c[] = {
            {statuses[i], "Cache-Control: max-age=60", NULL},
            {statuses[i], "Expires: @60", NULL},
        };
        assert_storing(c, COUNT(c), "GET", NULL, 0);
    }
}

static void without_explicit_freshness_the_status_or_public_must_allow_it(void **state)
{
    (void)state;
    for (int status = 200; status < 600; status++) {
        if (status == 206) {
            continue;
        }
        rp_response_facts_t facts = response(status, "Last-Modified: @-86400\nETag: \"a\"");
        rp_cc_t none = directives(NULL);
        int stored = rp_not_storable(&facts, &strict, "GET", &none, 0) == NULL;
        assert_int_equal(stored, !!rp_status_is_heuristic(status));
    }
    static const storing_t cases[] = {
        {599, "Last-Modified: @-86400", "no-freshness"},
        {599, "Last-Modified: @-86400\nCache-Control: public", NULL},
        {503, "ETag: \"a\"", "no-freshness"},
    };
    assert_storing(cases, COUNT(cases), "GET", NULL, 0);
}

static void what_is_about_one_exchange_only_is_never_stored(void **state)
{
    (void)state;
    static const int statuses[] = {100, 101, 103, 199, 304, 407, 412, 416, 428, 429, 431, 511, 600, 999};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        storing_t c = {statuses[i], "Cache-Control: public, max-age=60\nETag: \"a\"", "status"};
        assert_storing(&c, 1, "GET", NULL, 0);
    }
}

static void must_understand_lifts_no_store_for_known_statuses_only(void **state)
{
    (void)state;
    static const storing_t cases[] = {
        {200, "Cache-Control: max-age=3600, no-store, must-understand", NULL},
        {404, "Cache-Control: max-age=3600, no-store, must-understand", NULL},
        {599, "Cache-Control: max-age=3600, no-store, must-understand", "status"},
        {599, "Cache-Control: max-age=3600, must-understand", "status"},
        {299, "Cache-Control: max-age=3600, must-understand", "status"},
        {200, "Cache-Control: private, no-store, must-understand, max-age=1", "private"},
    };
    assert_storing(cases, COUNT(cases), "GET", NULL, 0);
}

static void the_request_decides_too(void **state)
{
    (void)state;
    static const storing_t method = {200, "Cache-Control: public, max-age=60", "method"};
    assert_storing(&method, 1, "POST", NULL, 0);
    assert_storing(&method, 1, "get", NULL, 0);
    assert_storing(&method, 1, "OPTIONS", NULL, 0);

    static const storing_t no_store[] = {
        {200, "Cache-Control: public, max-age=60", "no-store"},
        {200, "Cache-Control: max-age=60, must-understand", "no-store"},
    };
    assert_storing(no_store, COUNT(no_store), "GET", "no-store", 0);
    static const storing_t other = {200, "Cache-Control: public, max-age=60", NULL};
    assert_storing(&other, 1, "GET", "no-cache, max-age=0, min-fresh=5", 0);
}

static void authorized_requests_need_the_leave_of_the_response(void **state)
{
    (void)state;
    static const storing_t cases[] = {
        {200, "Cache-Control: max-age=3600", "authorization"},
        {200, "Expires: @3600", "authorization"},
        {200, "Last-Modified: @-3600", "authorization"},
        {200, "Cache-Control: max-age=3600, proxy-revalidate", "authorization"},
        {200, "Cache-Control: max-age=3600, immutable", "authorization"},
        {200, "Cache-Control: max-age=3600, public", NULL},
        {200, "Cache-Control: max-age=3600, must-revalidate", NULL},
        {200, "Cache-Control: s-maxage=3600", NULL},
        {200, "Cache-Control: s-maxage=3600, private", "private"},
    };
    assert_storing(cases, COUNT(cases), "GET", NULL, RP_HAD_AUTHORIZATION);
}

static int differ(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) != 0 : a != b;
}

/** What becomes of a response with Set-Cookie, by what is allowed and by whether the request had a Cookie. */
static void a_cookie_is_shared_when_the_backend_says_so(void **state)
{
    (void)state;
    static const char no[] = "set-cookie";
    static const struct {
        const char *fields;
        const char *never, *shared, *anonymous, *anonymous_had;
    } cases[] = {
        {"Cache-Control: max-age=60", no, no, NULL, no},
        {"Expires: @60", no, no, NULL, no},
        {"Cache-Control: public, max-age=60", no, NULL, NULL, NULL},
        {"Cache-Control: s-maxage=60", no, NULL, NULL, NULL},
        {"Cache-Control: max-age=60\nCDN-Cache-Control: max-age=60", no, NULL, NULL, NULL},
        {"Cache-Control: max-age=60\nCDN-Cache-Control: no-cache\nETag: \"a\"", no, no, no, no},
        {"Cache-Control: max-age=60, no-cache=\"X-Any, set-cookie\"", NULL, NULL, NULL, NULL},
        {"Cache-Control: max-age=60, private=Set-Cookie", NULL, NULL, NULL, NULL},
        {"Cache-Control: max-age=60, private=\"X-Any\"", no, no, NULL, no},
        {"Last-Modified: @-1000", no, no, no, no},
        {"ETag: \"a\"", no, no, no, no},
        {"Cache-Control: private, s-maxage=60", "private", "private", "private", "private"},
    };
    const rp_store_rules_t never = {.set_cookie = RP_COOKIES_NEVER}, shared = {.set_cookie = RP_COOKIES_SHARED},
                           anonymous = {.set_cookie = RP_COOKIES_ANONYMOUS};
    rp_cc_t none = directives(NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        rp_response_facts_t f = response(200, apr_pstrcat(pool, cases[i].fields, "\nSet-Cookie: a=b", NULL));
        if (differ(rp_not_storable(&f, &never, "GET", &none, 0), cases[i].never)
            || differ(rp_not_storable(&f, &shared, "GET", &none, 0), cases[i].shared)
            || differ(rp_not_storable(&f, &shared, "GET", &none, RP_HAD_COOKIE), cases[i].shared)
            || differ(rp_not_storable(&f, &anonymous, "GET", &none, 0), cases[i].anonymous)
            || differ(rp_not_storable(&f, &anonymous, "GET", &none, RP_HAD_COOKIE), cases[i].anonymous_had)) {
            fail_msg("%s", cases[i].fields);
        }
    }
}

static void an_operator_may_allow_authorization_and_cookies(void **state)
{
    (void)state;
    const rp_store_rules_t allow_authorization = {.allow_authorization = 1};
    const rp_store_rules_t allow_set_cookie = {.set_cookie = RP_COOKIES_ALWAYS};
    rp_cc_t none = directives(NULL);
    rp_response_facts_t f = response(200, "Cache-Control: max-age=60\nSet-Cookie: a=b");
    assert_null(rp_not_storable(&f, &allow_set_cookie, "GET", &none, 0));
    assert_string_equal(rp_not_storable(&f, &allow_authorization, "GET", &none, 0), "set-cookie");
    assert_string_equal(rp_not_storable(&f, &allow_set_cookie, "GET", &none, 1), "authorization");
    f = response(200, "Cache-Control: max-age=60");
    assert_null(rp_not_storable(&f, &allow_authorization, "GET", &none, 1));
    f = response(200, "Cache-Control: private, max-age=60");
    assert_string_equal(rp_not_storable(&f, &allow_authorization, "GET", &none, 1), "private");
}

static void an_operators_lifetime_is_leave_to_store_but_no_word_on_cookies(void **state)
{
    (void)state;
    const rp_store_rules_t rules = {.set_cookie = RP_COOKIES_ANONYMOUS};
    const rp_heuristic_t none_guessed = {0, 0};
    rp_cc_t none = directives(NULL);
    rp_response_facts_t f = response(503, "Cache-Control: max-age=0");
    f.ruled = 30;
    assert_int_equal(rp_freshness_lifetime(&f, none_guessed), 30);
    assert_null(rp_not_storable(&f, &rules, "GET", &none, 0));
    f = response(503, "X-Any: 1");
    assert_string_equal(rp_not_storable(&f, &rules, "GET", &none, 0), "no-freshness");
    f.ruled = 30;
    assert_null(rp_not_storable(&f, &rules, "GET", &none, 0));
    assert_string_equal(rp_not_storable(&f, &rules, "GET", &none, RP_HAD_AUTHORIZATION), "authorization");
    f = response(200, "Set-Cookie: session=1");
    f.ruled = 30;
    assert_string_equal(rp_not_storable(&f, &rules, "GET", &none, 0), "set-cookie");
    f = response(200, "Cache-Control: no-store");
    f.ruled = 30;
    assert_string_equal(rp_not_storable(&f, &rules, "GET", &none, 0), "no-store");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heuristic_statuses_are_those_of_rfc_9110),
        cmocka_unit_test(a_response_is_stored_when_rfc_9111_lets_a_shared_cache),
        cmocka_unit_test(explicit_freshness_lets_any_final_status_be_stored),
        cmocka_unit_test(without_explicit_freshness_the_status_or_public_must_allow_it),
        cmocka_unit_test(what_is_about_one_exchange_only_is_never_stored),
        cmocka_unit_test(must_understand_lifts_no_store_for_known_statuses_only),
        cmocka_unit_test(the_request_decides_too),
        cmocka_unit_test(authorized_requests_need_the_leave_of_the_response),
        cmocka_unit_test(a_cookie_is_shared_when_the_backend_says_so),
        cmocka_unit_test(an_operator_may_allow_authorization_and_cookies),
        cmocka_unit_test(an_operators_lifetime_is_leave_to_store_but_no_word_on_cookies),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("freshness", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "freshness_util.h"

/* ------------------------------------------------------------------ facts */

static void facts_are_taken_from_the_fields(void **state)
{
    (void)state;
    rp_response_facts_t f = response(200, "Date: @-10\nExpires: @50\nLast-Modified: @-1000\nAge: 7\n"
                                          "ETag: W/\"x\"\ncache-control: max-age=5\nVary: A\n"
                                          "CACHE-CONTROL: public\nvary: b\n");
    assert_int_equal(f.status, 200);
    assert_int_equal(f.date, NOW - 10);
    assert_int_equal(f.expires, NOW + 50);
    assert_int_equal(f.last_modified, NOW - 1000);
    assert_int_equal(f.age, 7);
    assert_string_equal(f.etag, "W/\"x\"");
    assert_int_equal(f.cc.max_age, 5);
    assert_true(f.cc.public_);
    assert_string_equal(rp_vary_names(pool, f.vary), "a,b");
    assert_false(f.has_set_cookie || f.has_content_range);
    assert_int_equal(f.request_time, NOW);
    assert_int_equal(f.response_time, NOW);

    f = response(404, "");
    assert_int_equal(f.date, RP_NO_TIME);
    assert_int_equal(f.expires, RP_NO_TIME);
    assert_int_equal(f.last_modified, RP_NO_TIME);
    assert_int_equal(f.age, 0);
    assert_null(f.etag);
    assert_null(f.vary);
    assert_false(f.cc.present);

    f = response(200, "set-cookie: a=b\nContent-range: bytes 0-1/2\nETag: abc\nDate: foo\n"
                      "Last-Modified: 0\n");
    assert_true(f.has_set_cookie && f.has_content_range);
    assert_null(f.etag);
    assert_int_equal(f.date, RP_NO_TIME);
    assert_int_equal(f.last_modified, RP_NO_TIME);
}

static void an_age_is_the_first_number_of_its_first_line(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        rp_secs_t age;
    } cases[] = {
        {"Age: 7200", 7200},
        {"Age: 0", 0},
        {"Age: 007", 7},
        {"Age: 2147483647", 2147483647},
        {"Age: 2147483648", 2147483648},
        {"Age: 2147483649", 2147483648},
        {"Age: 99999999999999999999999", 2147483648},
        {"Age: 7200, 0", 7200},
        {"Age: 0, 7200", 0},
        {"Age: 7200\nAge: 0", 7200},
        {"Age: 0\nAge: 7200", 0},
        {"Age: abc", 0},
        {"Age: -7200", 0},
        {"Age: 7200.0", 0},
        {"Age: 7200;foo=bar", 7200},
        {"Age: 7200;foo=111", 7200},
        {"Age: ;7200", 7200},
        {"Age: 72 00", 0},
        {"Age: abc, 7200", 0},
        {"Age: \"7200\"", 0},
        {"Age: ", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (response(200, cases[i].fields).age != cases[i].age) {
            fail_msg("%s", cases[i].fields);
        }
    }
}

static void an_age_that_is_not_one_number_is_unclear(void **state)
{
    (void)state;
    static const char *const clear[] = {"", "Age: 0", "Age: 007", "Age: 7200 ", "Age: 99999999999999999999999"};
    static const char *const unclear[] = {
        "Age: 0, 0", "Age: 0\nAge: 0", "Age: 0,7200", "Age: abc", "Age: -7200", "Age: 7200.0", "Age: 7200;foo=bar",
        "Age: ", "Age: 72 00",
    };
    for (size_t i = 0; i < COUNT(clear); i++) {
        assert_false(response(200, clear[i]).age_is_unclear);
    }
    for (size_t i = 0; i < COUNT(unclear); i++) {
        if (!response(200, unclear[i]).age_is_unclear) {
            fail_msg("%s", unclear[i]);
        }
    }
}

static void an_invalid_expires_is_past_and_of_several_the_earliest_counts(void **state)
{
    (void)state;
    assert_int_equal(response(200, "Expires: 0").expires, 0);
    assert_int_equal(response(200, "Expires: -1").expires, 0);
    assert_int_equal(response(200, "Expires: ").expires, 0);
    assert_int_equal(response(200, "Expires: Thu, 18 Aug 2050 02:01:18 AEST").expires, 0);
    assert_int_equal(response(200, "Expires: @10\nExpires: @5").expires, NOW + 5);
    assert_int_equal(response(200, "Expires: @5\nExpires: @10").expires, NOW + 5);
    assert_int_equal(response(200, "Expires: @5\nExpires: 0").expires, 0);
    assert_int_equal(response(200, "Expires: Thursday, 18-Aug-50 02:01:18 GMT").expires, 2544400878);
}

/* ------------------------------------------------------------------ lifetime and age */

static void the_lifetime_is_what_the_first_rule_that_applies_says(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *fields;
        rp_secs_t heuristic_max;
        rp_secs_t lifetime;
    } cases[] = {
        {200, "Cache-Control: max-age=3600", DAY, 3600},
        {200, "Cache-Control: max-age=99999999999", DAY, (rp_secs_t)1 << 31},
        {200, "Cache-Control: max-age=-1", DAY, 0},
        {200, "Cache-Control: max-age=1, s-maxage=3600", DAY, 3600},
        {200, "Cache-Control: max-age=3600, s-maxage=1", DAY, 1},
        {200, "Cache-Control: s-maxage=3600, max-age=0\nExpires: @-10", DAY, 3600},
        {200, "Cache-Control: s-maxage=x, max-age=3600", DAY, 0},
        {200, "Cache-Control: max-age=3600\nExpires: @-7200\nDate: @0", DAY, 3600},
        {200, "Cache-Control: max-age=3600\nExpires: 0\nDate: @0", DAY, 3600},
        {200, "Cache-Control: max-age=0\nExpires: @3600\nDate: @0", DAY, 0},
        {200, "Cache-Control: a=max-age=100\nExpires: @10\nDate: @0", DAY, 10},
        /* Expires */
        {200, "Expires: @3600\nDate: @0", DAY, 3600},
        {200, "Expires: @3600\nDate: @-100", DAY, 3700},
        {200, "Expires: @3600\nDate: @100", DAY, 3500},
        {200, "Expires: @3600", DAY, 3600},
        {200, "Expires: @10\nDate: foo", DAY, 10},
        {200, "Expires: @0\nDate: @0", DAY, 0},
        {200, "Expires: @300\nDate: @400", DAY, 0},
        {200, "Expires: @-300\nDate: @0", DAY, 0},
        {200, "Expires: 0\nDate: @0", DAY, 0},
        {200, "Expires: Fri, 31 Dec 9999 23:59:59 GMT\nDate: @0", DAY, (rp_secs_t)1 << 31},
        {599, "Expires: @3600\nDate: @0", 0, 3600},
        /* explicit freshness, be it invalid, rules heuristics out */
        {200, "Expires: 0\nDate: @0\nLast-Modified: @-86400", DAY, 0},
        {200, "Cache-Control: max-age=x\nDate: @0\nLast-Modified: @-86400", DAY, 0},
        /* heuristics */
        {200, "Date: @0\nLast-Modified: @-86400", DAY, 8640},
        {200, "Last-Modified: @-86400", DAY, 8640},
        {200, "Date: @-400\nLast-Modified: @-1400", DAY, 100},
        {200, "Date: @0\nLast-Modified: @-86400", HOUR, HOUR},
        {200, "Date: @0\nLast-Modified: @-86400", 0, 0},
        {200, "Date: @0\nLast-Modified: @-9", DAY, 0},
        {200, "Date: @0\nLast-Modified: @100", DAY, 0},
        {200, "Date: @0\nLast-Modified: junk", DAY, 0},
        {200, "Date: @0\nETag: \"a\"", DAY, 0},
        {200, "Date: @0\nCache-Control: public", DAY, 0},
        {404, "Date: @0\nLast-Modified: @-1000", DAY, 100},
        {403, "Date: @0\nLast-Modified: @-1000", DAY, 0},
        {599, "Date: @0\nLast-Modified: @-1000", DAY, 0},
        {599, "Date: @0\nLast-Modified: @-1000\nCache-Control: public", DAY, 100},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rp_response_facts_t f = response(cases[i].status, cases[i].fields);
        rp_secs_t got = rp_freshness_lifetime(&f, (rp_heuristic_t){10, cases[i].heuristic_max});
        if (got != cases[i].lifetime) {
            fail_msg("%d %s: %lld, not %lld", cases[i].status, cases[i].fields, (long long)got,
                     (long long)cases[i].lifetime);
        }
    }
}

static void the_initial_age_is_the_larger_of_apparent_and_corrected_age(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        rp_secs_t delay; /* between request and response */
        rp_secs_t age;
    } cases[] = {
        {"", 0, 0},
        {"Date: @0", 0, 0},
        {"Date: @0", 5, 5},
        {"Date: @0\nAge: 30", 0, 30},
        {"Date: @0\nAge: 30", 5, 35},
        {"Date: @-7200", 0, 7200},
        {"Date: @-7200", 5, 7200},
        {"Date: @-7200\nAge: 30", 5, 7200},
        {"Date: @-10\nAge: 25", 0, 25},
        {"Date: @10\nAge: 15", 0, 15},
        {"Date: @7200", 0, 0},
        {"Date: foo\nAge: 4", 0, 4},
        {"Date: @0", -5, 0},
        {"Age: 2147483648", 5, 2147483653},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rp_response_facts_t f;
        rp_response_facts(pool, &f, 200, fields_of(cases[i].fields), NULL, NOW - cases[i].delay, NOW);
        assert_int_equal(rp_initial_age(&f), cases[i].age);
    }
}

static void the_current_age_adds_the_time_in_the_store(void **state)
{
    (void)state;
    assert_int_equal(rp_current_age(0, NOW, NOW), 0);
    assert_int_equal(rp_current_age(30, NOW, NOW + 10), 40);
    assert_int_equal(rp_current_age(30, NOW, NOW - 10), 30);
    assert_int_equal(rp_current_age(-5, NOW, NOW), 0);
}

/* ------------------------------------------------------------------ using */

#define FRESH RP_USABLE_FRESH
#define STALE_OK RP_USABLE_STALE_OK
#define VALIDATE RP_USABLE_VALIDATE

static void a_stored_response_is_used_as_both_sides_allow(void **state)
{
    (void)state;
    static const struct {
        const char *response;
        const char *request;
        rp_secs_t lifetime;
        rp_secs_t age;
        rp_usable_e expected;
    } cases[] = {
        {NULL, NULL, 60, 0, FRESH},
        {NULL, NULL, 60, 59, FRESH},
        {NULL, NULL, 60, 60, VALIDATE},
        {NULL, NULL, 60, 61, VALIDATE},
        {NULL, NULL, 0, 0, VALIDATE},
        {"must-revalidate", NULL, 60, 59, FRESH},
        {"must-revalidate", NULL, 60, 60, VALIDATE},
        {"immutable", NULL, 60, 59, FRESH},
        {"immutable", NULL, 60, 60, VALIDATE},
        {"immutable", "no-cache", 60, 1, VALIDATE},
        {"immutable", "max-age=0", 60, 1, FRESH},
        {"immutable", "max-age=0", 60, 60, VALIDATE},
        /* the response's no-cache, but not for single fields */
        {"no-cache", NULL, 60, 0, VALIDATE},
        {"No-CaChE", "max-stale", 60, 0, VALIDATE},
        {"no-cache=\"a\"", NULL, 60, 0, FRESH},
        /* the request's wishes */
        {NULL, "", 60, 0, FRESH},
        {NULL, "foo", 60, 0, FRESH},
        {NULL, "", 60, 60, VALIDATE},
        {NULL, "no-cache", 60, 0, VALIDATE},
        {NULL, "no-cache, max-stale", 60, 100, VALIDATE},
        {NULL, "only-if-cached", 60, 0, FRESH},
        {NULL, "no-store", 60, 0, FRESH},
        {NULL, "max-age=0", 60, 0, VALIDATE},
        {NULL, "max-age=0", 60, 5, VALIDATE},
        {NULL, "max-age=x", 60, 5, VALIDATE},
        {NULL, "max-age=5", 60, 5, FRESH},
        {NULL, "max-age=5", 60, 6, VALIDATE},
        {NULL, "max-age=600", 3600, 1800, VALIDATE},
        {NULL, "max-age=100", 60, 61, VALIDATE},
        {NULL, "min-fresh=2000", 1500, 0, VALIDATE},
        {NULL, "min-fresh=1000", 1500, 1000, VALIDATE},
        {NULL, "min-fresh=10", 60, 50, FRESH},
        {NULL, "min-fresh=10", 60, 51, VALIDATE},
        {NULL, "min-fresh=0", 60, 59, FRESH},
        {NULL, "min-fresh=0", 60, 60, VALIDATE},
        /* stale, by leave of the request and unless the response forbids */
        {NULL, "max-stale", 60, 1000000, STALE_OK},
        {NULL, "max-stale", 60, 59, FRESH},
        {NULL, "max-stale=1000", 1500, 2000, STALE_OK},
        {NULL, "max-stale=10", 60, 60, STALE_OK},
        {NULL, "max-stale=10", 60, 70, STALE_OK},
        {NULL, "max-stale=10", 60, 71, VALIDATE},
        {NULL, "max-stale=0", 60, 60, STALE_OK},
        {NULL, "max-stale=x", 60, 61, VALIDATE},
        {NULL, "max-stale, max-stale=10", 60, 71, VALIDATE},
        {NULL, "max-stale, min-fresh=1", 60, 61, VALIDATE},
        {NULL, "max-stale, max-age=30", 60, 61, VALIDATE},
        {NULL, "max-stale, max-age=100", 60, 61, STALE_OK},
        {"max-age=60", "max-stale", 60, 61, STALE_OK},
        {"must-revalidate", "max-stale", 60, 61, VALIDATE},
        {"proxy-revalidate", "max-stale", 60, 61, VALIDATE},
        {"s-maxage=60", "max-stale", 60, 61, VALIDATE},
        {"stale-while-revalidate=100", NULL, 60, 61, VALIDATE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rp_cc_t ours = directives(cases[i].response), theirs = directives(cases[i].request);
        rp_usable_e got = rp_usable(&ours, &theirs, 0, cases[i].lifetime, cases[i].age);
        if (got != cases[i].expected) {
            fail_msg("case %zu, request %s: %d", i, cases[i].request ? cases[i].request : "none", (int)got);
        }
    }
}

static void pragma_no_cache_asks_for_validation(void **state)
{
    (void)state;
    rp_cc_t none = directives(NULL);
    assert_int_equal(rp_usable(&none, &none, 1, 60, 0), VALIDATE);
    assert_int_equal(rp_usable(&none, &none, 0, 60, 0), FRESH);
}

/* ------------------------------------------------------------------ properties */

#define ROUNDS 200000

/** Numbers that repeat from run to run (xorshift64). */
static uint64_t random_bits(void)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static rp_secs_t random_below(rp_secs_t n)
{
    return (rp_secs_t)(random_bits() % (uint64_t)n);
}

/** Mostly absent, small, or at the edge. */
static rp_secs_t random_delta(void)
{
    static const rp_secs_t edges[] = {RP_NO_TIME, RP_NO_TIME, RP_NO_TIME, 0, 1, 60, RP_MAX_DELTA};
    size_t i = (size_t)random_below(COUNT(edges) + 2);
    return i < COUNT(edges) ? edges[i] : random_below(1000);
}

static rp_secs_t random_time(void)
{
    static const rp_secs_t edges[] = {RP_NO_TIME, RP_NO_TIME, 0, 253402300799, NOW};
    size_t i = (size_t)random_below(COUNT(edges) + 4);
    return i < COUNT(edges) ? edges[i] : NOW + random_below(2000) - 1000;
}

static rp_cc_t random_cc(void)
{
    uint64_t bits = random_bits();
    rp_cc_t cc = {
        .present = 1,
        .no_cache = (bits & 7) == 0,
        .no_store = (bits >> 3 & 7) == 0,
        .must_revalidate = (bits >> 6 & 3) == 0,
        .proxy_revalidate = (bits >> 8 & 3) == 0,
        .public_ = bits >> 10 & 1,
        .max_stale_any = (bits >> 11 & 3) == 0,
        .immutable = bits >> 13 & 1,
        .max_age = random_delta(), .s_maxage = random_delta(),
        .max_stale = random_delta(), .min_fresh = random_delta(),
        .stale_while_revalidate = random_delta(), .stale_if_error = random_delta(),
    };
    return cc;
}

static rp_response_facts_t random_facts(void)
{
    rp_secs_t asked = NOW + random_below(100);
    rp_response_facts_t f = {
        .status = 200 + (int)random_below(400),
        .cc = random_cc(),
        .date = random_time(),
        .expires = random_time(),
        .last_modified = random_time(),
        .age = random_below(5) ? 0 : random_below(RP_MAX_DELTA + 1),
        .request_time = asked,
        .response_time = asked + random_below(100) - 10,
        .ruled = random_below(4) ? RP_NO_TIME : (rp_secs_t)random_below(1000),
    };
    return f;
}

static void a_lifetime_is_never_negative_nor_beyond_its_bound(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        rp_response_facts_t f = random_facts();
        rp_secs_t most = random_below(2) ? 0 : random_below(DAY);
        rp_secs_t lifetime = rp_freshness_lifetime(&f, (rp_heuristic_t){10, most});
        assert_true(lifetime >= 0 && lifetime <= RP_MAX_DELTA);
        if (f.ruled == RP_NO_TIME && f.cc.s_maxage == RP_NO_TIME && f.cc.max_age == RP_NO_TIME && f.expires == RP_NO_TIME) {
            assert_true(lifetime <= most);
        }
    }
}

static void an_age_is_never_negative_and_only_grows(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        rp_response_facts_t f = random_facts();
        rp_secs_t initial = rp_initial_age(&f);
        assert_true(initial >= 0 && initial >= f.age);
        rp_secs_t now = f.response_time + random_below(2000) - 1000;
        rp_secs_t age = rp_current_age(initial, f.response_time, now);
        assert_true(age >= initial);
        assert_true(rp_current_age(initial, f.response_time, now + random_below(1000)) >= age);
        assert_true(rp_current_age(initial + random_below(1000), f.response_time, now) >= age);
    }
}

/** Rank of how freely a response may be used. */
static int freedom(rp_usable_e usable)
{
    return usable == FRESH ? 2 : usable == STALE_OK;
}

static void growing_older_never_makes_a_response_more_usable(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        rp_cc_t ours = random_cc(), theirs = random_cc();
        theirs.present = random_below(2) != 0;
        rp_secs_t lifetime = random_below(200), age = random_below(400);
        rp_usable_e now = rp_usable(&ours, &theirs, 0, lifetime, age);
        rp_usable_e later = rp_usable(&ours, &theirs, 0, lifetime, age + random_below(200));
        rp_usable_e longer = rp_usable(&ours, &theirs, 0, lifetime + random_below(200), age);
        assert_true(freedom(later) <= freedom(now));
        assert_true(freedom(longer) >= freedom(now));
        assert_true(now != FRESH || lifetime > age);
        assert_true(now != STALE_OK || (lifetime <= age && theirs.present));
        assert_int_equal(rp_usable(&ours, &theirs, 1, lifetime, age), VALIDATE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_taken_from_the_fields),
        cmocka_unit_test(an_age_is_the_first_number_of_its_first_line),
        cmocka_unit_test(an_age_that_is_not_one_number_is_unclear),
        cmocka_unit_test(an_invalid_expires_is_past_and_of_several_the_earliest_counts),
        cmocka_unit_test(the_lifetime_is_what_the_first_rule_that_applies_says),
        cmocka_unit_test(the_initial_age_is_the_larger_of_apparent_and_corrected_age),
        cmocka_unit_test(the_current_age_adds_the_time_in_the_store),
        cmocka_unit_test(a_stored_response_is_used_as_both_sides_allow),
        cmocka_unit_test(pragma_no_cache_asks_for_validation),
        cmocka_unit_test(a_lifetime_is_never_negative_nor_beyond_its_bound),
        cmocka_unit_test(an_age_is_never_negative_and_only_grows),
        cmocka_unit_test(growing_older_never_makes_a_response_more_usable),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("freshness", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

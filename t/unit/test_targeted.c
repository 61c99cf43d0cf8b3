/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "freshness_util.h"

static const char *const targets[] = {"Shop-Cache-Control", "CDN-Cache-Control", NULL};

static int take(const char *text, rp_cc_t *cc)
{
    memset(cc, 0xa5, sizeof(*cc));
    return rp_response_cc(pool, fields_of(text), targets, cc);
}

static void the_first_target_that_can_be_read_counts(void **state)
{
    static const struct {
        const char *fields;
        int targeted;
        rp_secs_t max_age;
    } cases[] = {
        {"Cache-Control: max-age=1", 0, 1},
        {"CDN-Cache-Control: max-age=2\nCache-Control: max-age=1", 1, 2},
        {"CDN-Cache-Control: max-age=2\nShop-Cache-Control: max-age=3\nCache-Control: max-age=1", 1, 3},
        {"cdn-cache-control: max-age=2", 1, 2},
        {"CDN-Cache-Control:\nCache-Control: max-age=1", 0, 1},
        {"CDN-Cache-Control: max-age=2\nShop-Cache-Control:", 1, 2},
        {"CDN-Cache-Control: max-age=2\nShop-Cache-Control: max-age=3, &", 1, 2},
        {"CDN-Cache-Control: max-age=2,\nCache-Control: max-age=1", 0, 1},
        {"CDN-Cache-Control: max-age = 2\nCache-Control: max-age=1", 0, 1},
        {"CDN-Cache-Control: Max-Age=2\nCache-Control: max-age=1", 0, 1},
        {"CDN-Cache-Control: max-age=2\nCDN-Cache-Control: no-transform", 1, 2},
        {"CDN-Cache-Control: none\nCache-Control: max-age=1", 1, RP_NO_TIME},
        {"Other-Cache-Control: max-age=2\nCache-Control: max-age=1", 0, 1},
        {"Other-Cache-Control: max-age=2", 0, RP_NO_TIME},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        rp_cc_t cc;
        if (take(cases[i].fields, &cc) != cases[i].targeted || cc.max_age != cases[i].max_age) {
            fail_msg("%s: max-age is %d", cases[i].fields, (int)cc.max_age);
        }
    }
}

static void seconds_are_integers_only(void **state)
{
    static const struct {
        const char *value;
        rp_secs_t max_age;
    } cases[] = {
        {"0", 0}, {"60", 60}, {"060", 60}, {"60;x=y", 60}, {"999999999999999", RP_MAX_DELTA}, {"-1", 0},
        {"\"60\"", RP_NO_TIME}, {"60.0", RP_NO_TIME}, {"a60", RP_NO_TIME}, {"?1", RP_NO_TIME}, {"(60)", RP_NO_TIME},
        {"@60", RP_NO_TIME}, {":AAAA:", RP_NO_TIME}, {"60, max-age=30", 30}, {"60, max-age=\"30\"", RP_NO_TIME},
        {"60, max-age", RP_NO_TIME},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        rp_cc_t cc;
        assert_true(take(apr_pstrcat(pool, "CDN-Cache-Control: max-age=", cases[i].value, NULL), &cc));
        if (cc.max_age != cases[i].max_age) {
            fail_msg("%s: %d", cases[i].value, (int)cc.max_age);
        }
    }
}

static void flags_are_true_only(void **state)
{
    rp_cc_t cc;
    (void)state;
    assert_true(take("CDN-Cache-Control: no-store, must-revalidate=?1, public;x, immutable=?0", &cc));
    assert_true(cc.present && cc.no_store && cc.must_revalidate && cc.public_);
    assert_false(cc.immutable || cc.private_ || cc.no_cache);
    assert_true(take("CDN-Cache-Control: no-store=1, must-revalidate=yes, public=\"\", immutable=(1)", &cc));
    assert_false(cc.no_store || cc.must_revalidate || cc.public_ || cc.immutable);
    assert_true(take("CDN-Cache-Control: no-cache, private", &cc));
    assert_true(cc.no_cache && cc.private_);
    assert_true(take("CDN-Cache-Control: no-cache=?0, private=7", &cc));
    assert_false(cc.no_cache || cc.private_);
}

static void field_names_come_as_a_string_or_a_token(void **state)
{
    rp_cc_t cc;
    (void)state;
    assert_true(take("CDN-Cache-Control: private=\"Set-Cookie, X-User\", no-cache=Age", &cc));
    assert_string_equal(cc.private_fields, "Set-Cookie, X-User");
    assert_string_equal(cc.no_cache_fields, "Age");
    assert_false(cc.no_cache || cc.private_);
    assert_true(take("CDN-Cache-Control: private=\"a b\"", &cc));
    assert_true(cc.private_);
    assert_true(take("CDN-Cache-Control: private=\"\\\"a\\\"\"", &cc));
    assert_true(cc.private_);
}

static void other_directives_do_no_harm(void **state)
{
    rp_cc_t cc;
    (void)state;
    assert_true(take("CDN-Cache-Control: x=(1 2), max-age=5, stale-while-revalidate=6, stale-if-error=7, s-maxage=8",
                     &cc));
    assert_int_equal(cc.max_age, 5);
    assert_int_equal(cc.stale_while_revalidate, 6);
    assert_int_equal(cc.stale_if_error, 7);
    assert_int_equal(cc.s_maxage, 8);
}

static void where_a_target_counts_expires_does_not(void **state)
{
    rp_response_facts_t f;
    const apr_table_t *fields = fields_of("Date: @0\nExpires: @100\nCDN-Cache-Control: must-revalidate\n"
                                          "Cache-Control: max-age=50");
    (void)state;
    rp_response_facts(pool, &f, 200, fields, targets, NOW, NOW);
    assert_true(f.targeted && f.cc.must_revalidate);
    assert_true(f.expires == RP_NO_TIME);
    assert_int_equal(rp_freshness_lifetime(&f, (rp_heuristic_t){0, 0}), 0);
    rp_response_facts(pool, &f, 200, fields, NULL, NOW, NOW);
    assert_false(f.targeted || f.cc.must_revalidate);
    assert_int_equal(f.expires, NOW + 100);
    assert_int_equal(rp_freshness_lifetime(&f, (rp_heuristic_t){0, 0}), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_target_that_can_be_read_counts),
        cmocka_unit_test(seconds_are_integers_only),
        cmocka_unit_test(flags_are_true_only),
        cmocka_unit_test(field_names_come_as_a_string_or_a_token),
        cmocka_unit_test(other_directives_do_no_harm),
        cmocka_unit_test(where_a_target_counts_expires_does_not),
    };
    (void)response;
    (void)directives;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("targeted", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

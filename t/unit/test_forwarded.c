/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <apr_general.h>
#include <cmocka.h>

#include "http/http.h"

static apr_pool_t *pool;

static void assert_fields(const apr_table_t *t, const char *forwarded, const char *xff, const char *host,
                          const char *proto)
{
    assert_string_equal(apr_table_get(t, "Forwarded"), forwarded);
    assert_string_equal(apr_table_get(t, "X-Forwarded-For"), xff);
    if (host) {
        assert_string_equal(apr_table_get(t, "X-Forwarded-Host"), host);
    }
    else {
        assert_null(apr_table_get(t, "X-Forwarded-Host"));
    }
    assert_string_equal(apr_table_get(t, "X-Forwarded-Proto"), proto);
}

static apr_table_t *claims(void)
{
    apr_table_t *t = apr_table_make(pool, 8);
    apr_table_add(t, "Forwarded", "for=203.0.113.9;proto=https");
    apr_table_add(t, "X-Forwarded-For", "203.0.113.9");
    apr_table_add(t, "X-Forwarded-Host", "shop.example");
    apr_table_add(t, "X-Forwarded-Proto", "https");
    return t;
}

static void the_client_host_and_scheme_are_told(void **state)
{
    (void)state;
    apr_table_t *t = apr_table_make(pool, 8);
    rp_forwarded_set(pool, t, &(rp_forwarded_t){"192.0.2.1", "shop.example", "https", 0});
    assert_fields(t, "for=192.0.2.1;host=shop.example;proto=https", "192.0.2.1", "shop.example", "https");
}

static void what_is_no_token_is_quoted(void **state)
{
    (void)state;
    apr_table_t *t = apr_table_make(pool, 8);
    rp_forwarded_set(pool, t, &(rp_forwarded_t){"2001:db8::1", "shop.example:8443", "https", 0});
    assert_fields(t, "for=\"[2001:db8::1]\";host=\"shop.example:8443\";proto=https", "2001:db8::1",
                  "shop.example:8443", "https");
    t = apr_table_make(pool, 8);
    rp_forwarded_set(pool, t, &(rp_forwarded_t){"fe80::1%eth0", "[::1]:80", "http", 0});
    assert_fields(t, "for=\"[fe80::1]\";host=\"[::1]:80\";proto=http", "fe80::1%eth0", "[::1]:80", "http");
}

static void a_host_cannot_add_parameters_or_elements(void **state)
{
    (void)state;
    apr_table_t *t = apr_table_make(pool, 8);
    rp_forwarded_set(pool, t, &(rp_forwarded_t){"192.0.2.1", "x\";for=evil, for=\"y", "http", 0});
    assert_string_equal(apr_table_get(t, "Forwarded"),
                        "for=192.0.2.1;host=\"x\\\";for=evil, for=\\\"y\";proto=http");
}

static void claims_of_a_stranger_are_forgotten(void **state)
{
    (void)state;
    apr_table_t *t = claims();
    apr_table_add(t, "x-forwarded-for", "203.0.113.10");
    rp_forwarded_set(pool, t, &(rp_forwarded_t){"192.0.2.1", NULL, "http", 0});
    assert_fields(t, "for=192.0.2.1;proto=http", "192.0.2.1", NULL, "http");
    assert_int_equal(apr_table_elts(t)->nelts, 3);
}

static void claims_of_a_trusted_peer_are_added_to(void **state)
{
    (void)state;
    apr_table_t *t = claims();
    apr_table_add(t, "Forwarded", "for=198.51.100.1");
    rp_forwarded_set(pool, t, &(rp_forwarded_t){"192.0.2.1", "inner.example", "http", 1});
    assert_fields(t, "for=203.0.113.9;proto=https,for=198.51.100.1, "
                  "for=192.0.2.1;host=inner.example;proto=http",
                  "203.0.113.9, 192.0.2.1", "shop.example", "https");
    assert_int_equal(apr_table_elts(t)->nelts, 4);
}

static void a_trusted_peer_s_x_fields_begin_forwarded(void **state)
{
    (void)state;
    apr_table_t *t = claims();
    apr_table_unset(t, "Forwarded");
    apr_table_set(t, "X-Forwarded-For", "2001:db8::7, 198.51.100.1");
    rp_forwarded_set(pool, t, &(rp_forwarded_t){"192.0.2.1", "shop.example", "http", 1});
    assert_string_equal(apr_table_get(t, "Forwarded"),
                        "for=\"[2001:db8::7]\";host=shop.example;proto=https, for=198.51.100.1, "
                        "for=192.0.2.1;host=shop.example;proto=http");
}

static void a_missing_address_is_unknown(void **state)
{
    (void)state;
    apr_table_t *t = apr_table_make(pool, 8);
    rp_forwarded_set(pool, t, &(rp_forwarded_t){NULL, "", "http", 0});
    assert_fields(t, "for=unknown;proto=http", "unknown", NULL, "http");
}

static void via_grows_at_its_end(void **state)
{
    (void)state;
    apr_table_t *t = apr_table_make(pool, 8);
    rp_via_add(pool, t, 0, "rproxy");
    assert_string_equal(apr_table_get(t, "Via"), "1.0 rproxy");
    apr_table_add(t, "Via", "1.1 second");
    rp_via_add(pool, t, 1, "rproxy");
    assert_string_equal(apr_table_get(t, "Via"), "1.0 rproxy,1.1 second, 1.1 rproxy");
    assert_int_equal(apr_table_elts(t)->nelts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_host_and_scheme_are_told),
        cmocka_unit_test(what_is_no_token_is_quoted),
        cmocka_unit_test(a_host_cannot_add_parameters_or_elements),
        cmocka_unit_test(claims_of_a_stranger_are_forgotten),
        cmocka_unit_test(claims_of_a_trusted_peer_are_added_to),
        cmocka_unit_test(a_trusted_peer_s_x_fields_begin_forwarded),
        cmocka_unit_test(a_missing_address_is_unknown),
        cmocka_unit_test(via_grows_at_its_end),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("forwarded", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

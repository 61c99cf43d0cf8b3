/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <apr_general.h>
#include <cmocka.h>

#include "http/http.h"

static apr_pool_t *pool;

static apr_table_t *table(const char *const *fields)
{
    apr_table_t *t = apr_table_make(pool, 8);
    for (; *fields; fields += 2) {
        apr_table_add(t, fields[0], fields[1]);
    }
    return t;
}

static int count(const apr_table_t *t)
{
    return apr_table_elts(t)->nelts;
}

static void fields_of_one_connection_are_removed(void **state)
{
    (void)state;
    apr_table_t *t = table((const char *const[]){
        "connection", "keep-alive", "Keep-Alive", "timeout=5", "Proxy-Connection", "keep-alive", "TE",
        "trailers",
        "Proxy-Authorization", "Basic x", "Trailer", "X", "Transfer-Encoding", "chunked", "Upgrade", "h2c",
        "proxy",
        "http://evil", "HTTP2-Settings", "x", "Accept", "*/*", "X-Upgrade", "y", NULL});
    assert_int_equal(rp_hop_strip(t), 1);
    assert_int_equal(count(t), 2);
    assert_string_equal(apr_table_get(t, "Accept"), "*/*");
    assert_string_equal(apr_table_get(t, "X-Upgrade"), "y");
}

static void fields_named_in_any_connection_line_are_removed(void **state)
{
    (void)state;
    apr_table_t *t = table((const char *const[]){
        "Connection", "close, X-One ,, x-two", "Connection", "X-Three", "X-One", "1", "X-ONE", "1b",
        "X-Two", "2",
        "X-Three", "3", "X-Four", "4", NULL});
    assert_int_equal(rp_hop_strip(t), 1);
    assert_int_equal(count(t), 1);
    assert_string_equal(apr_table_get(t, "X-Four"), "4");
}

static void fields_for_all_recipients_stay_even_when_named(void **state)
{
    (void)state;
    static const char *const names[] = {
        "Content-Length", "Host", "Cache-Control", "Date", "Content-Type", "Authorization", "Cookie", "Via",
        "Forwarded", "X-Forwarded-For", "Client-Cert", "Set-Cookie", "ETag", "Age", "Vary",
        "Content-Encoding",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        apr_table_t *t = table((const char *const[]){"Connection", names[i], names[i], "value", NULL});
        assert_int_equal(rp_hop_strip(t), 1);
        assert_int_equal(count(t), 1);
        assert_string_equal(apr_table_get(t, names[i]), "value");
    }
}

static void a_407_keeps_its_challenge(void **state)
{
    (void)state;
    apr_table_t *t = table((const char *const[]){"Proxy-Authenticate", "Basic realm=x", NULL});
    assert_int_equal(rp_hop_strip(t), 1);
    assert_int_equal(count(t), 1);
}

static void a_malformed_connection_field_changes_nothing(void **state)
{
    (void)state;
    static const char *const values[] = {
        "a b", "\"close\"", "close, \"x", "x;y=z", "X:", "close\x80", "a=b", "(x)", "close, /",
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        apr_table_t *t = table((const char *const[]){
            "Connection", "X-One", "Connection", values[i], "X-One", "1", "Upgrade", "h2c", NULL});
        assert_int_equal(rp_hop_strip(t), 0);
        assert_int_equal(count(t), 4);
    }
}

static void an_empty_connection_field_is_no_error(void **state)
{
    (void)state;
    apr_table_t *t = table((const char *const[]){"Connection", "", "Connection", " ,", "A", "b", NULL});
    assert_int_equal(rp_hop_strip(t), 1);
    assert_int_equal(count(t), 1);
}

static void trailers_cannot_frame_route_or_authorise(void **state)
{
    (void)state;
    static const char *const no[] = {
        "", "a b", "Transfer-Encoding", "content-length", "Host", "Trailer", "TE", "Connection",
        "Cache-Control",
        "Authorization", "Set-Cookie", "Cookie", "Content-Encoding", "Content-Type", "Content-Range", "Range",
        "If-None-Match", "Expect", "Max-Forwards", "Age", "Date", "Expires", "Location", "Vary",
        "Retry-After",
        "WWW-Authenticate", "Proxy-Authenticate", "X-Forwarded-For", "Client-Cert",
    };
    static const char *const yes[] = {"Server-Timing", "Digest", "grpc-status", "X-Checksum", "ETags"};
    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
        assert_false(rp_trailer_is_allowed((rp_str_t){no[i], strlen(no[i])}));
    }
    for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
        assert_true(rp_trailer_is_allowed((rp_str_t){yes[i], strlen(yes[i])}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_one_connection_are_removed),
        cmocka_unit_test(fields_named_in_any_connection_line_are_removed),
        cmocka_unit_test(fields_for_all_recipients_stay_even_when_named),
        cmocka_unit_test(a_407_keeps_its_challenge),
        cmocka_unit_test(a_malformed_connection_field_changes_nothing),
        cmocka_unit_test(an_empty_connection_field_is_no_error),
        cmocka_unit_test(trailers_cannot_frame_route_or_authorise),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("hop", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

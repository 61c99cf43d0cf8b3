/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <apr_general.h>
#include <cmocka.h>

#include "http/http.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* 784111777, and a second before and after */
#define MODIFIED "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER "Sun, 06 Nov 1994 08:49:38 GMT"
#define MODIFIED_SECS ((rp_secs_t)784111777)

static apr_pool_t *pool;

static apr_table_t *table(const char *name, const char *value)
{
    apr_table_t *t = apr_table_make(pool, 4);
    apr_table_setn(t, name, value);
    return t;
}

static void entity_tags_compare_as_in_the_table_of_rfc_9110(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        int strong;
        int weak;
    } cases[] = {
        {"W/\"1\"", "W/\"1\"", 0, 1},
        {"W/\"1\"", "W/\"2\"", 0, 0},
        {"W/\"1\"", "\"1\"", 0, 1},
        {"\"1\"", "\"1\"", 1, 1},
        {"\"1\"", "\"2\"", 0, 0},
        {"\"a\"", "\"A\"", 0, 0},
        {"\"\"", "\"\"", 1, 1},
        {"\"a,b\"", "\"a,b\"", 1, 1},
        {"\"a\\\"", "\"a\\\"", 1, 1},
        {"\"abcdef\xc3\xbc\"", "\"abcdef\xc3\xbc\"", 1, 1},
        {"\"abc\"", "\"abcd\"", 0, 0},
        /* not entity-tags */
        {"abc", "abc", 0, 0},
        {"w/\"1\"", "w/\"1\"", 0, 0},
        {"W\\\"1\"", "W\\\"1\"", 0, 0},
        {"W\"1\"", "W\"1\"", 0, 0},
        {"W/", "W/", 0, 0},
        {"\"", "\"", 0, 0},
        {"\"a", "\"a", 0, 0},
        {"\"a\"b", "\"a\"b", 0, 0},
        {"\"a\" ", "\"a\" ", 0, 0},
        {"\"a b\"", "\"a b\"", 0, 0},
        {"\"a\x7f\"", "\"a\x7f\"", 0, 0},
        {"", "", 0, 0},
        {"*", "*", 0, 0},
        {NULL, NULL, 0, 0},
        {NULL, "\"a\"", 0, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(!!rp_etag_strong_eq(cases[i].a, cases[i].b), cases[i].strong);
        assert_int_equal(!!rp_etag_strong_eq(cases[i].b, cases[i].a), cases[i].strong);
        assert_int_equal(!!rp_etag_weak_eq(cases[i].a, cases[i].b), cases[i].weak);
        assert_int_equal(!!rp_etag_weak_eq(cases[i].b, cases[i].a), cases[i].weak);
    }
}

static void a_list_has_the_tags_before_its_first_malformed_member(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        const char *etag;
        int strong;
        int weak;
    } cases[] = {
        {"\"abcdef\"", "\"abcdef\"", 1, 1},
        {"\"abcdef\", \"1234\", \"5678\"", "\"abcdef\"", 1, 1},
        {"\"1234\", \"abcdef\", \"5678\"", "\"abcdef\"", 1, 1},
        {"\"1234\", \"5678\", \"abcdef\"", "\"abcdef\"", 1, 1},
        {"\"1234\",\"5678\",\"abcdef\"", "\"abcdef\"", 1, 1},
        {" , ,\t\"a\" , ,\"b\"\t,", "\"b\"", 1, 1},
        {"W/\"a\"", "\"a\"", 0, 1},
        {"\"a\"", "W/\"a\"", 0, 1},
        {"\"b\", W/\"a\"", "W/\"a\"", 0, 1},
        {"*", "\"a\"", 1, 1},
        {"*", NULL, 1, 1},
        {" * ", NULL, 1, 1},
        {"\"b\", *", "\"a\"", 1, 1},
        {"\"*\"", "\"a\"", 0, 0},
        {"**", "\"a\"", 0, 0},
        {"*\"a\"", "\"a\"", 0, 0},
        {"\"a,b\"", "\"a,b\"", 1, 1},
        {"\"a,b\"", "\"b\"", 0, 0},
        {"\"x, \", \"b\"", "\"b\"", 0, 0},
        /* a backslash escapes nothing */
        {"\"a\\\", \"b\"", "\"b\"", 1, 1},
        {"\"a\\\", \"b\"", "\"a\\\"", 1, 1},
        {"abcdef", "\"abcdef\"", 0, 0},
        {"abcdef, \"a\"", "\"a\"", 0, 0},
        {"\"a\", abcdef", "\"a\"", 1, 1},
        {"\"a\" \"b\"", "\"a\"", 0, 0},
        {"\"a\"\"b\"", "\"b\"", 0, 0},
        {"\"a", "\"a\"", 0, 0},
        {"w/\"a\"", "\"a\"", 0, 0},
        {"\"a\"", NULL, 0, 0},
        {"\"a\"", "a", 0, 0},
        {"", "\"a\"", 0, 0},
        {",", "\"a\"", 0, 0},
        {NULL, "\"a\"", 0, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (!!rp_etag_list_has(cases[i].list, cases[i].etag, 1) != cases[i].strong
            || !!rp_etag_list_has(cases[i].list, cases[i].etag, 0) != cases[i].weak) {
            fail_msg("%s in %s", cases[i].etag ? cases[i].etag : "NULL", cases[i].list);
        }
    }
}

typedef struct precondition_t {
    const char *if_match;
    const char *if_unmodified_since;
    const char *if_none_match;
    const char *if_modified_since;
    const char *etag;
    rp_secs_t last_modified;
    int expected;
} precondition_t;

static apr_table_t *request_of(const precondition_t *c)
{
    apr_table_t *t = apr_table_make(pool, 4);
    const struct {
        const char *name;
        const char *value;
    } fields[] = {
        {"if-match", c->if_match},
        {"If-Unmodified-Since", c->if_unmodified_since},
        {"IF-NONE-MATCH", c->if_none_match},
        {"If-modified-since", c->if_modified_since},
    };
    for (size_t i = 0; i < COUNT(fields); i++) {
        if (fields[i].value) {
            apr_table_addn(t, fields[i].name, fields[i].value);
        }
    }
    return t;
}

static void preconditions_are_evaluated_in_the_order_of_rfc_9110(void **state)
{
    (void)state;
    const rp_secs_t lm = MODIFIED_SECS;
    const precondition_t cases[] = {
        {NULL, NULL, NULL, NULL, "\"a\"", lm, 200},
        /* If-None-Match compares weakly */
        {NULL, NULL, "\"a\"", NULL, "\"a\"", lm, 304},
        {NULL, NULL, "W/\"a\"", NULL, "\"a\"", lm, 304},
        {NULL, NULL, "\"a\"", NULL, "W/\"a\"", lm, 304},
        {NULL, NULL, "\"b\"", NULL, "\"a\"", lm, 200},
        {NULL, NULL, "*", NULL, "\"a\"", lm, 304},
        {NULL, NULL, "*", NULL, NULL, RP_NO_TIME, 304},
        {NULL, NULL, "\"a\"", NULL, NULL, lm, 200},
        /* If-None-Match rules out If-Modified-Since, whichever way each goes */
        {NULL, NULL, "\"a\"", EARLIER, "\"a\"", lm, 304},
        {NULL, NULL, "\"b\"", LATER, "\"a\"", lm, 200},
        {NULL, NULL, "junk", LATER, "\"a\"", lm, 200},
        {NULL, NULL, "", LATER, "\"a\"", lm, 200},
        /* If-Modified-Since */
        {NULL, NULL, NULL, MODIFIED, NULL, lm, 304},
        {NULL, NULL, NULL, LATER, NULL, lm, 304},
        {NULL, NULL, NULL, EARLIER, NULL, lm, 200},
        {NULL, NULL, NULL, "Sunday, 06-Nov-94 08:49:37 GMT", NULL, lm, 304},
        {NULL, NULL, NULL, "Sun Nov  6 08:49:37 1994", NULL, lm, 304},
        {NULL, NULL, NULL, "Sun, 06 Nov 1994 08:49:37 UTC", NULL, lm, 200},
        {NULL, NULL, NULL, MODIFIED ", " MODIFIED, NULL, lm, 200},
        {NULL, NULL, NULL, "0", NULL, lm, 200},
        {NULL, NULL, NULL, LATER, NULL, RP_NO_TIME, 200},
        /* If-Match compares strongly */
        {"\"a\"", NULL, NULL, NULL, "\"a\"", lm, 200},
        {"\"b\", \"a\"", NULL, NULL, NULL, "\"a\"", lm, 200},
        {"\"b\"", NULL, NULL, NULL, "\"a\"", lm, 412},
        {"W/\"a\"", NULL, NULL, NULL, "\"a\"", lm, 412},
        {"\"a\"", NULL, NULL, NULL, "W/\"a\"", lm, 412},
        {"\"a\"", NULL, NULL, NULL, NULL, lm, 412},
        {"*", NULL, NULL, NULL, NULL, RP_NO_TIME, 200},
        {"", NULL, NULL, NULL, "\"a\"", lm, 412},
        /* If-Match rules out If-Unmodified-Since */
        {"\"a\"", EARLIER, NULL, NULL, "\"a\"", lm, 200},
        {"\"b\"", LATER, NULL, NULL, "\"a\"", lm, 412},
        /* If-Unmodified-Since */
        {NULL, MODIFIED, NULL, NULL, NULL, lm, 200},
        {NULL, LATER, NULL, NULL, NULL, lm, 200},
        {NULL, EARLIER, NULL, NULL, NULL, lm, 412},
        {NULL, "junk", NULL, NULL, NULL, lm, 200},
        {NULL, EARLIER, NULL, NULL, NULL, RP_NO_TIME, 200},
        /* what passes the first pair goes on to the second, what fails does not */
        {"\"a\"", NULL, "\"a\"", NULL, "\"a\"", lm, 304},
        {"\"b\"", NULL, "\"a\"", NULL, "\"a\"", lm, 412},
        {NULL, MODIFIED, NULL, MODIFIED, NULL, lm, 304},
        {NULL, EARLIER, NULL, MODIFIED, NULL, lm, 412},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int got = rp_preconditions(request_of(&cases[i]), cases[i].etag, cases[i].last_modified, RP_NO_TIME);
        if (got != cases[i].expected) {
            fail_msg("case %zu gives %d, not %d", i, got, cases[i].expected);
        }
    }
}

static void the_date_stands_in_for_a_missing_last_modified_in_if_modified_since_only(void **state)
{
    (void)state;
    const rp_secs_t date = MODIFIED_SECS;
    assert_int_equal(rp_preconditions(table("If-Modified-Since", MODIFIED), NULL, RP_NO_TIME, date), 304);
    assert_int_equal(rp_preconditions(table("If-Modified-Since", EARLIER), NULL, RP_NO_TIME, date), 200);
    assert_int_equal(rp_preconditions(table("If-Modified-Since", EARLIER), NULL, date - 5, date), 304);
    assert_int_equal(rp_preconditions(table("If-Unmodified-Since", EARLIER), NULL, RP_NO_TIME, date), 200);
}

static void conditions_may_be_spread_over_several_lines(void **state)
{
    (void)state;
    apr_table_t *t = table("If-None-Match", "\"x\"");
    apr_table_addn(t, "if-none-match", "\"a\"");
    assert_int_equal(rp_preconditions(t, "\"a\"", RP_NO_TIME, RP_NO_TIME), 304);
    assert_int_equal(rp_preconditions(t, "\"b\"", RP_NO_TIME, RP_NO_TIME), 200);

    t = table("If-Match", "\"x\"");
    apr_table_addn(t, "If-Match", "\"a\"");
    assert_int_equal(rp_preconditions(t, "\"a\"", RP_NO_TIME, RP_NO_TIME), 200);
    assert_int_equal(rp_preconditions(t, "\"b\"", RP_NO_TIME, RP_NO_TIME), 412);
}

static void a_range_is_honoured_when_if_range_names_this_very_representation(void **state)
{
    (void)state;
    const rp_secs_t lm = MODIFIED_SECS;
    const struct {
        const char *field;
        const char *etag;
        rp_secs_t last_modified;
        rp_secs_t date;
        int expected;
    } cases[] = {
        {"\"a\"", "\"a\"", lm, lm + 60, 1},
        {"\"a\"", "\"b\"", lm, lm + 60, 0},
        {"W/\"a\"", "\"a\"", lm, lm + 60, 0},
        {"\"a\"", "W/\"a\"", lm, lm + 60, 0},
        {"W/\"a\"", "W/\"a\"", lm, lm + 60, 0},
        {"\"a\"", NULL, lm, lm + 60, 0},
        {"\"a\", \"b\"", "\"a\"", lm, lm + 60, 0},
        {"*", "\"a\"", lm, lm + 60, 0},
        {"a", "\"a\"", lm, lm + 60, 0},
        {"", "\"a\"", lm, lm + 60, 0},
        {MODIFIED, "\"a\"", lm, lm + 60, 1},
        {MODIFIED, NULL, lm, lm + 1, 1},
        {"Sunday, 06-Nov-94 08:49:37 GMT", NULL, lm, lm + 1, 1},
        /* modified again in the same second, perhaps */
        {MODIFIED, NULL, lm, lm, 0},
        {MODIFIED, NULL, lm, lm - 1, 0},
        {MODIFIED, NULL, lm, RP_NO_TIME, 0},
        /* an exact match, not a comparison */
        {LATER, NULL, lm, lm + 60, 0},
        {EARLIER, NULL, lm, lm + 60, 0},
        {MODIFIED, NULL, RP_NO_TIME, lm + 60, 0},
        {"junk", NULL, RP_NO_TIME, lm + 60, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int got = rp_if_range_ok(table("If-Range", cases[i].field), cases[i].etag, cases[i].last_modified,
                                 cases[i].date);
        if (!!got != cases[i].expected) {
            fail_msg("If-Range: %s against %s", cases[i].field, cases[i].etag ? cases[i].etag : "none");
        }
    }
    assert_true(rp_if_range_ok(table("Range", "bytes=0-1"), NULL, RP_NO_TIME, RP_NO_TIME));
}

static void a_304_speaks_of_the_response_with_the_same_validators(void **state)
{
    (void)state;
    const rp_secs_t lm = MODIFIED_SECS;
    const struct {
        const char *stored_etag;
        rp_secs_t stored_lm;
        const char *etag;
        rp_secs_t lm;
        int expected;
    } cases[] = {
        {"\"a\"", lm, "\"a\"", lm, 1},
        {"\"a\"", lm, "\"a\"", RP_NO_TIME, 1},
        {"\"a\"", lm, "\"a\"", lm + 1, 1},
        {"\"a\"", lm, "\"b\"", lm, 0},
        {"\"a\"", lm, "W/\"a\"", lm, 1},
        {"W/\"a\"", lm, "W/\"a\"", lm, 1},
        {"W/\"a\"", lm, "\"a\"", lm, 0},
        {"\"a\"", lm, NULL, RP_NO_TIME, 1},
        {"\"a\"", lm, NULL, lm, 1},
        {"\"a\"", lm, NULL, lm + 1, 0},
        {NULL, lm, NULL, lm, 1},
        {NULL, lm, NULL, lm - 1, 0},
        {NULL, lm, NULL, RP_NO_TIME, 1},
        {NULL, lm, "\"a\"", lm, 1},
        {NULL, lm, "\"a\"", RP_NO_TIME, 0},
        {NULL, RP_NO_TIME, "\"a\"", RP_NO_TIME, 0},
        {"\"a\"", RP_NO_TIME, NULL, lm, 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rp_response_facts_t stored = {.etag = cases[i].stored_etag, .last_modified = cases[i].stored_lm};
        rp_response_facts_t fresh = {.etag = cases[i].etag, .last_modified = cases[i].lm};
        if (!!rp_304_is_of(&stored, &fresh) != cases[i].expected) {
            fail_msg("case %zu", i);
        }
    }
}

static apr_table_t *freshened(const char *name, const char *stored, const char *fresh)
{
    apr_table_t *t = table(name, stored);
    apr_table_setn(t, "Test-Header", "A");
    rp_freshen_fields(t, table(name, fresh));
    assert_string_equal(apr_table_get(t, "test-header"), "A");
    return t;
}

static void a_304_replaces_stored_fields_but_not_what_describes_the_body(void **state)
{
    (void)state;
    static const char *const replaced[] = {
        "X-Test-Header", "Content-Foo", "X-Content-Foo", "Cache-Control", "Content-Location",
        "Content-Security-Policy", "Clear-Site-Data", "Expires", "Date", "Last-Modified", "Vary",
        "X-Frame-Options", "Content-Language", "Content-Type", "Set-Cookie", "set-cookie2",
    };
    static const char *const kept[] = {
        "Content-Length", "content-encoding", "Content-MD5", "CONTENT-RANGE", "Transfer-Encoding",
        "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE",
        "Trailer", "Upgrade", "Repr-Digest",
    };
    for (size_t i = 0; i < COUNT(replaced); i++) {
        assert_string_equal(apr_table_get(freshened(replaced[i], "A", "B"), replaced[i]), "B");
    }
    for (size_t i = 0; i < COUNT(kept); i++) {
        assert_string_equal(apr_table_get(freshened(kept[i], "A", "B"), kept[i]), "A");
        apr_table_t *t = table("Date", "A");
        rp_freshen_fields(t, table(kept[i], "B"));
        assert_null(apr_table_get(t, kept[i]));
    }
}

static void a_strong_etag_is_not_given_up_for_a_weak_one(void **state)
{
    (void)state;
    assert_string_equal(apr_table_get(freshened("ETag", "\"a\"", "W/\"a\""), "ETag"), "\"a\"");
    assert_string_equal(apr_table_get(freshened("ETag", "\"a\"", "junk"), "ETag"), "\"a\"");
    assert_string_equal(apr_table_get(freshened("ETag", "W/\"a\"", "\"a\""), "ETag"), "\"a\"");
    assert_string_equal(apr_table_get(freshened("ETag", "W/\"a\"", "W/\"b\""), "ETag"), "W/\"b\"");
    assert_string_equal(apr_table_get(freshened("ETag", "junk", "W/\"b\""), "ETag"), "W/\"b\"");
}

static void all_lines_of_a_field_are_replaced_by_all_lines(void **state)
{
    (void)state;
    apr_table_t *stored = table("Link", "<a>");
    apr_table_addn(stored, "link", "<b>");
    apr_table_addn(stored, "X", "kept");
    apr_table_t *fresh = table("LINK", "<c>");
    apr_table_addn(fresh, "Link", "<d>");
    apr_table_addn(fresh, "Link", "<e>");
    rp_freshen_fields(stored, fresh);
    assert_string_equal(apr_table_getm(pool, stored, "Link"), "<c>,<d>,<e>");
    assert_string_equal(apr_table_get(stored, "X"), "kept");
}

static void fields_that_connection_names_are_not_taken(void **state)
{
    (void)state;
    apr_table_t *stored = table("X-Hop", "A");
    apr_table_t *fresh = table("Connection", "close, x-hop");
    apr_table_addn(fresh, "X-Hop", "B");
    rp_freshen_fields(stored, fresh);
    assert_string_equal(apr_table_get(stored, "X-Hop"), "A");
    assert_null(apr_table_get(stored, "Connection"));
}

static void a_stored_age_goes_and_a_new_one_comes(void **state)
{
    (void)state;
    apr_table_t *stored = table("Age", "3600");
    rp_freshen_fields(stored, table("Date", MODIFIED));
    assert_null(apr_table_get(stored, "Age"));
    rp_freshen_fields(stored, table("Age", "7"));
    assert_string_equal(apr_table_get(stored, "Age"), "7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entity_tags_compare_as_in_the_table_of_rfc_9110),
        cmocka_unit_test(a_list_has_the_tags_before_its_first_malformed_member),
        cmocka_unit_test(preconditions_are_evaluated_in_the_order_of_rfc_9110),
        cmocka_unit_test(the_date_stands_in_for_a_missing_last_modified_in_if_modified_since_only),
        cmocka_unit_test(conditions_may_be_spread_over_several_lines),
        cmocka_unit_test(a_range_is_honoured_when_if_range_names_this_very_representation),
        cmocka_unit_test(a_304_speaks_of_the_response_with_the_same_validators),
        cmocka_unit_test(a_304_replaces_stored_fields_but_not_what_describes_the_body),
        cmocka_unit_test(a_strong_etag_is_not_given_up_for_a_weak_one),
        cmocka_unit_test(all_lines_of_a_field_are_replaced_by_all_lines),
        cmocka_unit_test(fields_that_connection_names_are_not_taken),
        cmocka_unit_test(a_stored_age_goes_and_a_new_one_comes),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("conditional", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>

#include "http/http.h"

static apr_pool_t *pool;

typedef struct case_t {
    const char *field;
    const char *language;
} case_t;

static void check(const case_t *cases, size_t n, const char *(*read)(apr_pool_t *, const char *))
{
    for (size_t i = 0; i < n; i++) {
        const char *got = read(pool, cases[i].field);
        if (!got != !cases[i].language || (got && strcmp(got, cases[i].language) != 0)) {
            fail_msg("\"%s\": %s instead of %s", cases[i].field, got, cases[i].language);
        }
    }
}

#define CHECK(cases, read) check(cases, sizeof(cases) / sizeof(*(cases)), read)

static void what_has_the_highest_weight_alone_is_preferred(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"de", "de"}, {"de-DE", "de-de"}, {"DE;q=1.0", "de"}, {"de;Q=0.001", "de"}, {"zh-Hant-TW, zh;q=0.9", "zh-hant-tw"},
        {"fr;q=0.5, de;q=1.0", "de"}, {"fr;q=0.5, de", "de"}, {"de, fr;q=0.5", "de"}, {"de-DE,de;q=0.9,en;q=0.8", "de-de"},
        {"*;q=0.5, de", "de"}, {"en;q=0, de;q=0.1", "de"}, {",, de ;q=0.5 ,", "de"}, {"x-klingon", "x-klingon"},
    };
    CHECK(cases, rp_language_preferred);
}

static void equals_wildcards_and_refusals_are_no_preference(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {NULL, NULL}, {"", NULL}, {" , ,", NULL}, {"en, de", NULL}, {"en;q=0.5, de;q=0.5", NULL}, {"de;q=1, en", NULL},
        {"fr;q=0.1, en;q=0.5, de;q=0.5", NULL}, {"de, de", NULL}, {"*", NULL}, {"*, de;q=0.5", NULL}, {"*, de", NULL},
        {"de;q=0", NULL}, {"de;q=0.000", NULL},
    };
    CHECK(cases, rp_language_preferred);
}

static void what_cannot_be_read_leaves_no_preference(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"de, en;q=x", NULL}, {"de, en;q=1.001", NULL}, {"de, en;q=2", NULL}, {"de, en;q", NULL}, {"de, en;q=", NULL},
        {"de, en;q=0.5;q=0.1", NULL}, {"de, en;a=1", NULL}, {"de_DE", NULL}, {"de-", NULL}, {"-de", NULL}, {"de--at", NULL},
        {"4de", NULL}, {"abcdefghi", NULL}, {"de-abcdefghi", NULL}, {"\"de\"", NULL}, {"de=1", NULL}, {"de at", NULL},
        {"de;q=\"1\"", NULL}, {"de-*", NULL}, {"d\xc3\xa9", NULL},
    };
    CHECK(cases, rp_language_preferred);
}

static void only_a_single_tag_is_a_responses_language(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"de", "de"}, {"de-AT", "de-at"}, {" , De ,", "de"}, {NULL, NULL}, {"", NULL}, {"de, en", NULL}, {"de, de", NULL},
        {"*", NULL}, {"de;q=1", NULL}, {"de_AT", NULL},
    };
    CHECK(cases, rp_language_only);
}

static void a_range_and_a_tag_relate_when_one_begins_with_the_other(void **state)
{
    (void)state;
    assert_true(rp_language_relates("de", "de"));
    assert_true(rp_language_relates("de", "de-at"));
    assert_true(rp_language_relates("de-at", "de"));
    assert_true(rp_language_relates("zh-hant-tw", "zh-hant"));
    assert_false(rp_language_relates("de", "den"));
    assert_false(rp_language_relates("den", "de"));
    assert_false(rp_language_relates("de-at", "de-ch"));
    assert_false(rp_language_relates("de-at", "de-a"));
    assert_false(rp_language_relates("de", "en"));
}

static void a_selection_in_a_language_is_like_no_other(void **state)
{
    (void)state;
    apr_table_t *request = apr_table_make(pool, 2);
    apr_table_setn(request, "Foo", "1");
    apr_table_setn(request, "Accept-Language", "=de");
    assert_string_equal(rp_vary_selection_in(pool, "accept-language,foo", request, "de"), "accept-language=de\nfoo: 1\n");
    assert_string_equal(rp_vary_selection(pool, "accept-language,foo", request), "accept-language: =de\nfoo: 1\n");
    assert_null(rp_vary_selection_in(pool, "foo", request, "de"));
    assert_null(rp_vary_selection_in(pool, "x-accept-language", request, "de"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_the_highest_weight_alone_is_preferred),
        cmocka_unit_test(equals_wildcards_and_refusals_are_no_preference),
        cmocka_unit_test(what_cannot_be_read_leaves_no_preference),
        cmocka_unit_test(only_a_single_tag_is_a_responses_language),
        cmocka_unit_test(a_range_and_a_tag_relate_when_one_begins_with_the_other),
        cmocka_unit_test(a_selection_in_a_language_is_like_no_other),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("language", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

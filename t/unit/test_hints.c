/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "http/http.h"

static apr_pool_t *pool;

static apr_table_t *fields_of(const char *text)
{
    apr_table_t *fields = apr_table_make(pool, 4);
    char *line, *rest = apr_pstrdup(pool, text);
    while (*text && (line = strsep(&rest, "\n")) != NULL) {
        char *colon = strchr(line, ':');
        *colon = '\0';
        apr_table_addn(fields, line, colon + 1 + strspn(colon + 1, " "));
    }
    return fields;
}

static const char *told(const apr_table_t *hints)
{
    const apr_array_header_t *lines = apr_table_elts(hints);
    const char *text = "";
    for (int i = 0; i < lines->nelts; i++) {
        const apr_table_entry_t *line = &APR_ARRAY_IDX(lines, i, apr_table_entry_t);
        text = apr_pstrcat(pool, text, line->key, ": ", line->val, "\n", NULL);
    }
    return text;
}

static void hints_are_what_user_agents_act_on(void **state)
{
    apr_table_t *hints = NULL;

    (void)state;
    rp_hints_add(pool, &hints, fields_of("Server: x\nSet-Cookie: a=b\nX-Link: y"));
    assert_null(hints);
    rp_hints_add(pool, &hints, fields_of("Server: x\nlink: </a>\nSet-Cookie: a=b\nContent-Security-Policy: p\nLink: </b>"));
    assert_string_equal(told(hints), "link: </a>\nContent-Security-Policy: p\nLink: </b>\n");
}

static void those_of_several_responses_are_joined_and_stand_once(void **state)
{
    apr_table_t *hints = NULL;

    (void)state;
    rp_hints_add(pool, &hints, fields_of("Link: </a>\nLink: </a>"));
    rp_hints_add(pool, &hints, fields_of("LINK: </a>\nLink: </A>"));
    assert_string_equal(told(hints), "Link: </a>\nLink: </A>\n");
}

static void too_many_or_too_long_ones_do_not_fit(void **state)
{
    apr_table_t *hints = NULL;
    char *value = apr_palloc(pool, RP_MAX_HINTS_LEN + 1);
    int i;

    (void)state;
    for (i = 0; i < RP_MAX_HINTS; i++) {
        rp_hints_add(pool, &hints, fields_of(apr_psprintf(pool, "Link: </%d>", i)));
    }
    assert_true(rp_hints_fit(hints));
    for (i = 0; i < 1000; i++) {
        rp_hints_add(pool, &hints, fields_of(apr_psprintf(pool, "Link: </more/%d>", i)));
    }
    assert_false(rp_hints_fit(hints));
    assert_in_range(apr_table_elts(hints)->nelts, RP_MAX_HINTS + 1, RP_MAX_HINTS + 1);

    memset(value, 'a', RP_MAX_HINTS_LEN - strlen("Link"));
    value[RP_MAX_HINTS_LEN - strlen("Link")] = '\0';
    hints = apr_table_make(pool, 1);
    apr_table_addn(hints, "Link", value);
    assert_true(rp_hints_fit(hints));
    apr_table_addn(hints, "Link", "</b>");
    assert_false(rp_hints_fit(hints));
    assert_false(rp_hints_fit(fields_of("Content-Security-Policy: p")));
}

static void one_set_is_within_another_line_by_line(void **state)
{
    const apr_table_t *a = fields_of("Link: </a>"), *ab = fields_of("link: </b>\nlink: </a>"), *none = fields_of("");

    (void)state;
    assert_true(rp_hints_within(a, ab));
    assert_false(rp_hints_within(ab, a));
    assert_true(rp_hints_within(ab, ab));
    assert_true(rp_hints_within(none, a));
    assert_false(rp_hints_within(a, none));
    assert_false(rp_hints_within(fields_of("Link: </A>"), a));
    assert_false(rp_hints_within(fields_of("Content-Security-Policy: </a>"), a));
}

static void navigating_browsers_and_http_2_want_them(void **state)
{
    (void)state;
    assert_true(rp_hints_wanted("navigate", 1001));
    assert_true(rp_hints_wanted("navigate", 2000));
    assert_false(rp_hints_wanted("navigate", 1000));
    assert_false(rp_hints_wanted("no-cors", 1001));
    assert_false(rp_hints_wanted("cors", 2000));
    assert_false(rp_hints_wanted(NULL, 1001));
    assert_true(rp_hints_wanted(NULL, 2000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hints_are_what_user_agents_act_on),
        cmocka_unit_test(those_of_several_responses_are_joined_and_stand_once),
        cmocka_unit_test(too_many_or_too_long_ones_do_not_fit),
        cmocka_unit_test(one_set_is_within_another_line_by_line),
        cmocka_unit_test(navigating_browsers_and_http_2_want_them),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("hints", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

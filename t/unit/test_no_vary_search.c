/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "http/http.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static apr_pool_t *pool;

static void rules_have_one_text(void **state)
{
    static const struct {
        const char *value;
        const char *text;
    } cases[] = {
        {NULL, ""},
        {"", ""},
        {"key-order", "key-order"},
        {"key-order=?1", "key-order"},
        {"key-order=?0", ""},
        {"key-order;x=1", "key-order"},
        {"params=(\"b\" \"a\" \"b\")", "params=(\"a\" \"b\")"},
        {"params=(\"a\";x);y", "params=(\"a\")"},
        {"params=()", ""},
        {"params=(), key-order", "key-order"},
        {"except=()", "except=()"},
        {"except=(\"x\"), key-order", "key-order, except=(\"x\")"},
        {"except=(\"x\"), key-order=?0", "except=(\"x\")"},
        {"params=(\"%C3%A9+%E6%B0%97\")", "params=(\"%C3%A9%20%E6%B0%97\")"},
        {"params=(\"a%20b\" \"a+b\" \"%61 b\")", "params=(\"a%20b\")"},
        {"params=(\"%ff\" \"%C3\")", "params=(\"%EF%BF%BD\")"},
        {"params=(\"%\" \"%2\" \"\")", "params=(\"\" \"%25\" \"%252\")"},
        {"params=(\"\\\"\\\\&=%00\")", "params=(\"%22%5C%26%3D%00\")"},
        {"other=1, key-order", "key-order"},
        {"params=(\"a\"), params=(\"b\")", "params=(\"b\")"},
        /* the invalid ones */
        {"key-order=\"not a boolean\"", ""},
        {"key-order=1", ""},
        {"params=\"not an inner list\"", ""},
        {"params=(not-a-string)", ""},
        {"params=(\"a\" 1)", ""},
        {"params", ""},
        {"params=?0", ""},
        {"params=?1, except=(\"x\")", ""},
        {"params=(\"a\"), except=(\"x\")", ""},
        {"params=(), except=()", ""},
        {"except=\"x\"", ""},
        {"except=(x)", ""},
        {"except", ""},
        {"key-order, params=(a)", ""},
        {"key-order, &", ""},
        {"Key-Order", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const rp_nvs_t *rules = rp_nvs_parse(pool, cases[i].value);
        const char *text = rp_nvs_format(pool, rules);
        if (strcmp(text, cases[i].text) != 0 || !rules != !*text) {
            fail_msg("%s became %s, not %s", cases[i].value, text, cases[i].text);
        }
        assert_string_equal(rp_nvs_format(pool, rp_nvs_parse(pool, text)), text);
    }
}

static const char *query(const char *rules, const char *q)
{
    return rp_nvs_query(pool, rp_nvs_parse(pool, rules), q);
}

static void without_rules_a_query_is_what_it_is(void **state)
{
    static const char odd[] = "b=1&&a=%41+%zz&&";
    (void)state;
    assert_null(query(NULL, NULL));
    assert_ptr_equal(query(NULL, odd), odd);
    assert_ptr_equal(query("params=()", odd), odd);
    assert_ptr_equal(query("params=(x)", odd), odd);
    assert_null(query("key-order=?0", NULL));
}

static void queries_are_alike_as_the_rules_say(void **state)
{
    static const struct {
        const char *rules;
        const char *a;
        const char *b;
        int alike;
    } cases[] = {
        /* how queries are read, whatever the rules */
        {"key-order", NULL, "", 1},
        {"key-order", "a=x", "%61=%78", 1},
        {"key-order", "a=\xc3\xa9", "a=%C3%A9", 1},
        {"key-order", "a=%f6", "a=%ef%bf%bd", 1},
        {"key-order", "a=%f6%f6", "a=%f6", 0},
        {"key-order", "a=%e2%82", "a=%f6", 1},
        {"key-order", "a=%e2%82x", "a=%f6x", 1},
        {"key-order", "a=%ed%a0%80", "a=%ff%ff%ff", 1},
        {"key-order", "a=%EF%BB%BFb", "a=b", 0},
        {"key-order", "a=x&&&&", "a=x", 1},
        {"key-order", "&a=x", "a=x", 1},
        {"key-order", "a=", "a", 1},
        {"key-order", "a=%20", "a= &", 1},
        {"key-order", "a=+", "a=%20", 1},
        {"key-order", "a=%2B", "a=+", 0},
        {"key-order", "a=b=c", "a=b%3Dc", 1},
        {"key-order", "a=b%26c", "a=b&c", 0},
        {"key-order", "=", "", 0},
        {"key-order", "=a", "a", 0},
        {"key-order", "a=%zz", "a=%25zz", 1},
        {"key-order", "a=%2", "a=%252", 1},
        {"key-order", "a=%00", "a=", 0},
        {"key-order", "A=1", "a=1", 0},
        {"key-order", "a=1", "a=2", 0},
        {"key-order", "a=1", "a=1&a=1", 0},
        /* order */
        {"key-order", "a=1&b=2", "b=2&a=1", 1},
        {"key-order", "a=1&a=2&b=3", "a=1&b=3&a=2", 1},
        {"key-order", "a=1&a=2", "a=2&a=1", 0},
        {"key-order", "aa=1&a=2", "a=2&%61%61=1", 1},
        {"params=(\"x\")", "a=1&b=2", "b=2&a=1", 0},
        {"except=(\"a\" \"b\")", "a=1&b=2", "b=2&a=1", 0},
        {"key-order, except=(\"a\" \"b\")", "a=1&b=2&c", "c=7&b=2&a=1", 1},
        /* what does not count */
        {"params=(\"utm\")", "utm=1&a=1", "a=1&utm=2&utm=3", 1},
        {"params=(\"utm\")", "utm=1", NULL, 1},
        {"params=(\"utm\")", "a=1", "a=2", 0},
        {"params=(\"utm\")", "utmx=1", NULL, 0},
        {"params=(\"utm\")", "UTM=1", NULL, 0},
        {"params=(\"\")", "=1&a", "a=", 1},
        {"params=(\"%C3%A9+%E6%B0%97\")", "%C3%A9%20%E6%B0%97=1", "\xc3\xa9+\xe6\xb0\x97=2", 1},
        {"params=(\"a%00b\")", "a%00b=1", "", 1},
        {"params=(\"a\")", "a%00b=1", "", 0},
        /* what alone counts */
        {"except=(\"id\")", "id=1&a=1", "b=2&id=1", 1},
        {"except=(\"id\")", "id=1", "id=2", 0},
        {"except=(\"id\")", "id=1", "", 0},
        {"except=()", "a=1&b", NULL, 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *a = query(cases[i].rules, cases[i].a);
        const char *b = query(cases[i].rules, cases[i].b);
        if ((strcmp(a, b) == 0) != cases[i].alike) {
            fail_msg("%s: %s and %s became %s and %s", cases[i].rules, cases[i].a, cases[i].b, a, b);
        }
    }
}

static void a_canonical_query_reads_well(void **state)
{
    (void)state;
    assert_string_equal(query("key-order, params=(\"utm\")", "b=x+y&utm=1&a&&c=%7e%c3%a9"), "a=&b=x%20y&c=~%C3%A9");
    assert_string_equal(query("except=()", "a=1"), "");
    assert_string_equal(query("key-order", NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_have_one_text),
        cmocka_unit_test(without_rules_a_query_is_what_it_is),
        cmocka_unit_test(queries_are_alike_as_the_rules_say),
        cmocka_unit_test(a_canonical_query_reads_well),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("no_vary_search", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

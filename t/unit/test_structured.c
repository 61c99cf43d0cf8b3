/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <apr_general.h>
#include <cmocka.h>

#include "structured_util.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static apr_pool_t *pool;

/* ------------------------------------------------------------------ what we send */

static void a_string_is_quoted_and_escaped(void **state)
{
    (void)state;
    assert_string_equal(rp_sf_string(pool, ""), "\"\"");
    assert_string_equal(rp_sf_string(pool, "connection refused"), "\"connection refused\"");
    assert_string_equal(rp_sf_string(pool, "a\"b\\c"), "\"a\\\"b\\\\c\"");
}

static void bytes_that_a_string_cannot_have_become_question_marks(void **state)
{
    (void)state;
    assert_string_equal(rp_sf_string(pool, "a\r\nSet-Cookie: x\t\x7f\xc3\xa4~ "),
                        "\"a??Set-Cookie: x????~ \"");
}

static void an_item_is_a_token_when_it_can_be_one(void **state)
{
    (void)state;
    static const char *const tokens[] = {"a", "*", "dns_timeout", "rproxy", "Shop.Example:80/x",
                                         "*!#$%&'*+-.^_`|~:/0"};
    static const char *const strings[][2] = {
        {"", "\"\""}, {"1a", "\"1a\""}, {"-a", "\"-a\""}, {"a b", "\"a b\""}, {":a", "\":a\""},
        {"a,b", "\"a,b\""}, {"a;b", "\"a;b\""}, {"a=b", "\"a=b\""}, {"a\n", "\"a?\""}, {"[::1]", "\"[::1]\""},
    };
    for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
        assert_string_equal(rp_sf_item(pool, tokens[i]), tokens[i]);
    }
    for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
        assert_string_equal(rp_sf_item(pool, strings[i][0]), strings[i][1]);
    }
}

/* ------------------------------------------------------------------ what we receive */

typedef struct case_t {
    char what;         /* item, list, dictionary */
    const char *value;
    const char *text;  /* it in canonical form; NULL: invalid */
} case_t;

static const case_t cases[] = {
    /* Integer */
    {'i', "0", "0"},
    {'i', "-0", "0"},
    {'i', "  42  ", "42"},
    {'i', "-999999999999999", "-999999999999999"},
    {'i', "000000000000001", "1"},
    {'i', "1000000000000000", NULL},
    {'i', "0000000000000001", NULL},
    {'i', "", NULL},
    {'i', "   ", NULL},
    {'i', "-", NULL},
    {'i', "--1", NULL},
    {'i', "- 1", NULL},
    {'i', "+1", NULL},
    {'i', "1 2", NULL},
    {'i', "1,2", NULL},
    {'i', "\t1", NULL},
    {'i', "1\t", NULL},
    {'i', "0x10", NULL},
    {'i', "1a", NULL},
    /* Decimal */
    {'i', "1.5", "1.5"},
    {'i', "-0.250", "-0.25"},
    {'i', "1.000", "1.0"},
    {'i', "999999999999.999", "999999999999.999"},
    {'i', "1000000000000.0", NULL},
    {'i', "1.", NULL},
    {'i', ".5", NULL},
    {'i', "1.2345", NULL},
    {'i', "1.2.3", NULL},
    {'i', "1.-5", NULL},
    {'i', "1e3", NULL},
    /* String */
    {'i', "\"\"", "\"\""},
    {'i', "\"a b\"", "\"a b\""},
    {'i', "\"a\\\"b\\\\\"", "\"a\\\"b\\\\\""},
    {'i', "\"a\\n\"", NULL},
    {'i', "\"a", NULL},
    {'i', "\"a\\", NULL},
    {'i', "\"a\\\"", NULL},
    {'i', "\"", NULL},
    {'i', "\"a\tb\"", NULL},
    {'i', "\"a\x7f\"", NULL},
    {'i', "\"\xc3\xa9\"", NULL},
    {'i', "'a'", NULL},
    {'i', "\"a\" \"b\"", NULL},
    /* Token */
    {'i', "a", "a"},
    {'i', "*", "*"},
    {'i', "A:b/c!#$%&'*+-.^_`|~1", "A:b/c!#$%&'*+-.^_`|~1"},
    {'i', "a b", NULL},
    {'i', "/a", NULL},
    {'i', "_a", NULL},
    {'i', "a@b", NULL},
    {'i', "a\xc3\xa9", NULL},
    {'i', "a\"b\"", NULL},
    /* Byte Sequence */
    {'i', "::", "::"},
    {'i', ":aGVsbG8=:", ":aGVsbG8=:"},
    {'i', ":aGVsbG8:", ":aGVsbG8=:"},
    {'i', ":iZ==:", ":iQ==:"},
    {'i', ":/+Ah:", ":/+Ah:"},
    {'i', ":AAAA:", ":AAAA:"},
    {'i', ":a:", NULL},
    {'i', ":=:", NULL},
    {'i', ":aGVsbG8==:", NULL},
    {'i', ":aGVs====:", NULL},
    {'i', ":aG=Vs:", NULL},
    {'i', ":aG Vs:", NULL},
    {'i', ":_-Ah:", NULL},
    {'i', ":aGVs", NULL},
    {'i', ":", NULL},
    /* Boolean */
    {'i', "?1", "?1"},
    {'i', "?0", "?0"},
    {'i', "?", NULL},
    {'i', "?2", NULL},
    {'i', "?true", NULL},
    {'i', "?11", NULL},
    {'i', "? 1", NULL},
    /* Date */
    {'i', "@1659578233", "@1659578233"},
    {'i', "@-62135596800", "@-62135596800"},
    {'i', "@0", "@0"},
    {'i', "@", NULL},
    {'i', "@1.5", NULL},
    {'i', "@\"1\"", NULL},
    {'i', "@@1", NULL},
    /* Display String */
    {'i', "%\"\"", "%\"\""},
    {'i', "%\"a%c3%a9%22%25\"", "%\"a%c3%a9%22%25\""},
    {'i', "%\"%61\"", "%\"a\""},
    {'i', "%\"a\\\"", "%\"a\\\""},
    {'i', "%\"%f0%9f%98%80\"", "%\"%f0%9f%98%80\""},
    {'i', "%\"%C3%A9\"", NULL},
    {'i', "%\"%c3\"", NULL},
    {'i', "%\"%c3a\"", NULL},
    {'i', "%\"%a9\"", NULL},
    {'i', "%\"%c0%af\"", NULL},
    {'i', "%\"%e0%80%80\"", NULL},
    {'i', "%\"%ed%a0%80\"", NULL},
    {'i', "%\"%f4%90%80%80\"", NULL},
    {'i', "%\"%f5%80%80%80\"", NULL},
    {'i', "%\"%g0\"", NULL},
    {'i', "%\"%4\"", NULL},
    {'i', "%\"a", NULL},
    {'i', "% \"a\"", NULL},
    {'i', "%", NULL},
    {'i', "%\"\xc3\xa9\"", NULL},
    /* Parameters */
    {'i', "a;b", "a;b"},
    {'i', "a;b=?1", "a;b"},
    {'i', "a;b=?0;c=1;*d.-_9=\"x\"", "a;b=?0;c=1;*d.-_9=\"x\""},
    {'i', "a;  b;   c=1", "a;b;c=1"},
    {'i', "a;b=1;c=2;b=3", "a;b=3;c=2"},
    {'i', "a; b=1 ", "a;b=1"},
    {'i', "a ;b", NULL},
    {'i', "a;b =1", NULL},
    {'i', "a;b= 1", NULL},
    {'i', "a;", NULL},
    {'i', "a;;b", NULL},
    {'i', "a;B", NULL},
    {'i', "a;1", NULL},
    {'i', "a;b=", NULL},
    {'i', "a;b=(1)", NULL},
    {'i', "a;\tb", NULL},
    {'i', ";b", NULL},
    {'i', "(1)", NULL},
    /* List */
    {'l', "", ""},
    {'l', "   ", ""},
    {'l', "1", "1"},
    {'l', "1,a , \"b\"\t,\t?0", "1, a, \"b\", ?0"},
    {'l', "1, 1", "1, 1"},
    {'l', "a;q=0.5, b;q=1.0", "a;q=0.5, b;q=1.0"},
    {'l', "1,", NULL},
    {'l', "1, ", NULL},
    {'l', ",1", NULL},
    {'l', "1,,2", NULL},
    {'l', "1 2", NULL},
    {'l', "\t1", NULL},
    {'l', "1, &", NULL},
    {'l', "1;2", NULL},
    /* Inner List */
    {'l', "()", "()"},
    {'l', "(   )", "()"},
    {'l', "( 1  \"a\" b )", "(1 \"a\" b)"},
    {'l', "(1;a 2);b=c, 3", "(1;a 2);b=c, 3"},
    {'l', "((1))", NULL},
    {'l', "(1,2)", NULL},
    {'l', "(1\t2)", NULL},
    {'l', "(\"a\"\"b\")", NULL},
    {'l', "(1", NULL},
    {'l', "(1 ", NULL},
    {'l', "(", NULL},
    {'l', "1)", NULL},
    {'l', "(1)2", NULL},
    /* Dictionary */
    {'d', "", ""},
    {'d', "a", "a"},
    {'d', "a=?1", "a"},
    {'d', "a=?0", "a=?0"},
    {'d', "a;x=1", "a;x=1"},
    {'d', "a=1 ,\tb=(1 2);x,c", "a=1, b=(1 2);x, c"},
    {'d', "a=1, b=2, a=3;x", "a=3;x, b=2"},
    {'d', "a=1, a", "a"},
    {'d', "*=1, a_-.*0=2", "*=1, a_-.*0=2"},
    {'d', "A=1", NULL},
    {'d', "1=1", NULL},
    {'d', "-a=1", NULL},
    {'d', "\"a\"=1", NULL},
    {'d', "a =1", NULL},
    {'d', "a= 1", NULL},
    {'d', "a=", NULL},
    {'d', "a=,b", NULL},
    {'d', "a,", NULL},
    {'d', "a,,b", NULL},
    {'d', "a b", NULL},
    {'d', "a=1, b=&", NULL},
    {'d', "a=1;b=1;c", "a=1;b=1;c"},
    {'d', "max-age=60, no-store", "max-age=60, no-store"},
};

static void a_field_is_read_by_the_grammar_or_not_at_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const case_t *c = &cases[i];
        const char *text = text_again(pool, c->what, (rp_str_t){c->value, strlen(c->value)});
        if (!text != !c->text || (text && strcmp(text, c->text) != 0)) {
            fail_msg("%c: %s became %s, not %s", c->what, c->value, text ? text : "(invalid)",
                     c->text ? c->text : "(invalid)");
        }
    }
}

static void a_nul_ends_nothing(void **state)
{
    (void)state;
    assert_null(text_again(pool, 'i', (rp_str_t){"a\0", 2}));
    assert_null(text_again(pool, 'l', (rp_str_t){"a, \0b", 5}));
    assert_null(text_again(pool, 'd', (rp_str_t){"\0", 1}));
    assert_null(text_again(pool, 'i', (rp_str_t){"\"a\0b\"", 5}));
    assert_string_equal(text_again(pool, 'i', (rp_str_t){"%\"%00\"", 6}), "%\"%00\"");
}

static const char *repeated(const char *what, int n, const char *separator)
{
    apr_array_header_t *parts = apr_array_make(pool, n, sizeof(const char *));
    for (int i = 0; i < n; i++) {
        if (i) {
            APR_ARRAY_PUSH(parts, const char *) = separator;
        }
        APR_ARRAY_PUSH(parts, const char *) = strchr(what, '%') ? apr_psprintf(pool, "a%d", i) : what;
    }
    return apr_array_pstrcat(pool, parts, 0);
}

static int is_valid(char what, const char *value)
{
    return text_again(pool, what, (rp_str_t){value, strlen(value)}) != NULL;
}

static void as_many_are_read_as_must_be_and_not_more(void **state)
{
    (void)state;
    assert_true(is_valid('l', repeated("1", 1024, ",")));
    assert_false(is_valid('l', repeated("1", 1025, ",")));
    assert_true(is_valid('d', repeated("%", 1024, ",")));
    assert_false(is_valid('d', repeated("%", 1025, ",")));
    assert_true(is_valid('d', repeated("a", 3000, ",")));
    assert_true(is_valid('i', apr_pstrcat(pool, "x;", repeated("%", 256, ";"), NULL)));
    assert_false(is_valid('i', apr_pstrcat(pool, "x;", repeated("%", 257, ";"), NULL)));
    assert_true(is_valid('l', apr_pstrcat(pool, "(", repeated("1", 256, " "), ")", NULL)));
    assert_false(is_valid('l', apr_pstrcat(pool, "(", repeated("1", 257, " "), ")", NULL)));
    assert_true(is_valid('i', apr_pstrcat(pool, "\"", repeated("abcdefgh", 512, ""), "\"", NULL)));
}

static void the_lines_of_a_field_are_one_list(void **state)
{
    (void)state;
    apr_table_t *fields = apr_table_make(pool, 4);
    assert_null(rp_sf_list_field(pool, fields, "Cache-Groups"));
    apr_table_addn(fields, "Cache-Groups", "\"a\"");
    apr_table_addn(fields, "cache-groups", "b;x=1");
    assert_string_equal(text_of_members(pool, rp_sf_list_field(pool, fields, "Cache-Groups")), "\"a\", b;x=1");
    assert_null(rp_sf_dictionary_field(pool, fields, "Cache-Groups"));
    apr_table_addn(fields, "Cache-Groups", "&");
    assert_null(rp_sf_list_field(pool, fields, "Cache-Groups"));
}

static void members_and_parameters_are_found_by_their_keys(void **state)
{
    (void)state;
    const char *value = "a=1;x, ab=2, b=(1 2);y=3";
    const apr_array_header_t *members = rp_sf_parse_dictionary(pool, (rp_str_t){value, strlen(value)});
    assert_int_equal(rp_sf_get(members, "ab")->number, 2);
    assert_int_equal(rp_sf_get(members, "b")->items->nelts, 2);
    assert_int_equal(rp_sf_get(rp_sf_get(members, "b")->params, "y")->number, 3);
    assert_null(rp_sf_get(rp_sf_get(members, "ab")->params, "y"));
    assert_null(rp_sf_get(members, "c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_is_quoted_and_escaped),
        cmocka_unit_test(bytes_that_a_string_cannot_have_become_question_marks),
        cmocka_unit_test(an_item_is_a_token_when_it_can_be_one),
        cmocka_unit_test(a_field_is_read_by_the_grammar_or_not_at_all),
        cmocka_unit_test(a_nul_ends_nothing),
        cmocka_unit_test(as_many_are_read_as_must_be_and_not_more),
        cmocka_unit_test(the_lines_of_a_field_are_one_list),
        cmocka_unit_test(members_and_parameters_are_found_by_their_keys),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("structured", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

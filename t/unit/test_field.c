/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <apr_general.h>
#include <cmocka.h>

#include "http/http.h"

static apr_pool_t *pool;

static rp_str_t str(const char *s)
{
    return (rp_str_t){s, strlen(s)};
}

static void assert_str(rp_str_t s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.ptr ? s.ptr : "", expected, s.len);
}

static void a_token_has_tchars_only(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        int expected = c && c < 0x80
            && strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", c);
        assert_int_equal(rp_is_token((rp_str_t){&byte, 1}) != 0, expected != 0);
    }
    assert_false(rp_is_token(str("")));
    assert_false(rp_is_token((rp_str_t){NULL, 0}));
    assert_true(rp_is_token(str("X-Field")));
    assert_false(rp_is_token(str("X Field")));
}

static void a_field_value_has_no_controls(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        int expected = c == '\t' || (c >= 0x20 && c != 0x7f);
        assert_int_equal(rp_is_field_value((rp_str_t){&byte, 1}) != 0, expected);
    }
    assert_true(rp_is_field_value((rp_str_t){NULL, 0}));
    assert_false(rp_is_field_value(str("a\r\nb")));
    assert_false(rp_is_field_value((rp_str_t){"a\0b", 3}));
}

static void trimming_takes_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_str(rp_trim(str(" \t a b\t ")), "a b");
    assert_str(rp_trim(str(" \t ")), "");
    assert_str(rp_trim(str("")), "");
    assert_str(rp_trim(str("\na\r")), "\na\r");
    assert_int_equal(rp_trim((rp_str_t){NULL, 0}).len, 0);
}

static void comparison_folds_ascii_case_only(void **state)
{
    (void)state;
    assert_true(rp_str_is(str("Keep-ALIVE"), "keep-alive"));
    assert_false(rp_str_is(str("keep"), "keep-alive"));
    assert_false(rp_str_is(str("@"), "`"));
    assert_false(rp_str_is(str("["), "{"));
    assert_false(rp_str_is(str("\xc4"), "\xe4"));
    assert_true(rp_str_caseeq((rp_str_t){NULL, 0}, str("")));
}

static const struct {
    const char *list;
    const char *items[6];
} lists[] = {
    {"", {NULL}},
    {" , ,\t, ", {NULL}},
    {"a", {"a"}},
    {"a,b", {"a", "b"}},
    {" a , ,b\t,, c ", {"a", "b", "c"}},
    {"a=\"x,y\", b", {"a=\"x,y\"", "b"}},
    {"\"x\\\",y\", b", {"\"x\\\",y\"", "b"}},
    {"\"x\\\\\", b", {"\"x\\\\\"", "b"}},
    {"a, \"never, closed", {"a", "\"never, closed"}},
    {"a, \"b\\", {"a", "\"b\\"}},
    {"a b, c", {"a b", "c"}},
};

static void a_list_is_split_at_commas_outside_quotes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        rp_str_t list = str(lists[i].list);
        rp_str_t item;
        int n = 0;
        while (rp_list_next(&list, &item)) {
            assert_non_null(lists[i].items[n]);
            assert_str(item, lists[i].items[n++]);
        }
        assert_null(lists[i].items[n]);
        assert_int_equal(list.len, 0);
    }
}

static const struct {
    const char *element;
    const char *parts[4][2];
} elements[] = {
    {"", {{NULL}}},
    {"gzip", {{"gzip", NULL}}},
    {"gzip;q=0.5", {{"gzip", NULL}, {"q", "0.5"}}},
    {"gzip ; q = 0.5 ;; x", {{"gzip", NULL}, {"q", "0.5"}, {"x", NULL}}},
    {"max-age=\"1;2\";a=\"=\"", {{"max-age", "\"1;2\""}, {"a", "\"=\""}}},
    {"a=", {{"a", ""}}},
    {"=b", {{"", "b"}}},
    {"a=b=c", {{"a", "b=c"}}},
    {"for=\"[::1]:80\";by=\"\\\";\"", {{"for", "\"[::1]:80\""}, {"by", "\"\\\";\""}}},
};

static void an_element_is_split_into_its_parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(elements) / sizeof(*elements); i++) {
        rp_str_t rest = str(elements[i].element);
        rp_str_t name, value;
        int n = 0;
        while (rp_param_next(&rest, &name, &value)) {
            assert_non_null(elements[i].parts[n][0]);
            assert_str(name, elements[i].parts[n][0]);
            if (elements[i].parts[n][1]) {
                assert_non_null(value.ptr);
                assert_str(value, elements[i].parts[n][1]);
            }
            else {
                assert_null(value.ptr);
            }
            n++;
        }
        assert_null(elements[i].parts[n][0]);
    }
}

static void unquoting_resolves_quoted_pairs(void **state)
{
    (void)state;
    assert_str(rp_unquote(pool, str("token")), "token");
    assert_str(rp_unquote(pool, str("")), "");
    assert_str(rp_unquote(pool, str("\"\"")), "");
    assert_str(rp_unquote(pool, str("\"a b\"")), "a b");
    assert_str(rp_unquote(pool, str("\"a\\\"b\\\\\"")), "a\"b\\");
    assert_str(rp_unquote(pool, str("\"\\a\"")), "a");
    assert_str(rp_unquote(pool, str("\"open")), "open");
    assert_str(rp_unquote(pool, str("\"open\\")), "open");
    assert_str(rp_unquote(pool, str("\"")), "");
    rp_str_t plain = str("\"as it is\"");
    assert_ptr_equal(rp_unquote(pool, plain).ptr, plain.ptr + 1);
}

static void a_token_is_found_in_a_list(void **state)
{
    (void)state;
    assert_true(rp_list_has("keep-alive, Upgrade", "upgrade"));
    assert_true(rp_list_has("upgrade", "upgrade"));
    assert_false(rp_list_has("upgrades", "upgrade"));
    assert_false(rp_list_has("\"a, upgrade, b\"", "upgrade"));
    assert_false(rp_list_has("", "upgrade"));
    assert_false(rp_list_has(NULL, "upgrade"));
}

static void integers_are_digits_and_saturate(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
        int ok;
        uint64_t value;
    } cases[] = {
        {"0", 10, 1, 0},
        {"7", 10, 1, 7},
        {"10", 10, 1, 10},
        {"11", 10, 1, 10},
        {"000012", 100, 1, 12},
        {"60", 5, 1, 5},
        {"99999999999999999999999999999990", UINT64_MAX, 1, UINT64_MAX},
        {"18446744073709551615", UINT64_MAX, 1, UINT64_MAX},
        {"18446744073709551614", UINT64_MAX, 1, UINT64_MAX - 1},
        {"18446744073709551616", UINT64_MAX, 1, UINT64_MAX},
        {"5", 0, 1, 0},
        {"", 10, 0, 0},
        {"-1", 10, 0, 0},
        {"+1", 10, 0, 0},
        {"1 ", 10, 0, 0},
        {" 1", 10, 0, 0},
        {"0x1", 10, 0, 0},
        {"1.0", 10, 0, 0},
        {"999999999999999999999999x", 10, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint64_t value = 0;
        assert_int_equal(rp_parse_uint(str(cases[i].text), cases[i].max, &value), cases[i].ok);
        assert_true(value == cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_has_tchars_only),
        cmocka_unit_test(a_field_value_has_no_controls),
        cmocka_unit_test(trimming_takes_spaces_and_tabs_only),
        cmocka_unit_test(comparison_folds_ascii_case_only),
        cmocka_unit_test(a_list_is_split_at_commas_outside_quotes),
        cmocka_unit_test(an_element_is_split_into_its_parameters),
        cmocka_unit_test(unquoting_resolves_quoted_pairs),
        cmocka_unit_test(a_token_is_found_in_a_list),
        cmocka_unit_test(integers_are_digits_and_saturate),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("field", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

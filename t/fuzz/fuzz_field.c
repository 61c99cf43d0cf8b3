/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Lists, parameters, quoted-strings and integers: no iterator leaves its input, stands still or returns what
 * was not there, and what we write as a Structured Fields string is read back as the same text. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static apr_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int is_inside(rp_str_t s, rp_str_t of)
{
    return s.ptr >= of.ptr && s.ptr + s.len <= of.ptr + of.len;
}

static void check_element(rp_str_t element)
{
    rp_str_t rest = element;
    rp_str_t name, value;
    size_t before = rest.len + 1;
    while (rp_param_next(&rest, &name, &value)) {
        CHECK(rest.len < before);
        before = rest.len;
        CHECK(is_inside(name, element) && is_inside(rp_trim(name), name));
        CHECK(value.ptr ? is_inside(value, element) : value.len == 0);
        CHECK(name.len > 0 || value.ptr);
        rp_str_t text = rp_unquote(pool, value);
        CHECK(text.len <= value.len);
        uint64_t number = 0;
        if (rp_parse_uint(value, 1000, &number)) {
            CHECK(value.len > 0 && number <= 1000);
        }
    }
    CHECK(rest.len == 0);
}

static void check_list(rp_str_t whole)
{
    rp_str_t list = whole;
    rp_str_t item;
    size_t before = list.len + 1;
    while (rp_list_next(&list, &item)) {
        CHECK(list.len < before);
        before = list.len;
        CHECK(item.len > 0 && is_inside(item, whole) && rp_trim(item).len == item.len);
        CHECK(item.ptr[0] != ',');
        /* An element is a list of just itself. */
        rp_str_t again = item, inner;
        CHECK(rp_list_next(&again, &inner) && again.len == 0);
        CHECK(inner.ptr == item.ptr && inner.len == item.len);
        check_element(item);
        if (rp_is_token(item)) {
            CHECK(rp_is_field_value(item) && rp_str_caseeq(item, item));
            CHECK(!memchr(item.ptr, '"', item.len) && !memchr(item.ptr, ' ', item.len));
        }
    }
    CHECK(list.len == 0);
}

static void check_structured(const char *text)
{
    rp_str_t string = {rp_sf_string(pool, text), 0};
    string.len = strlen(string.ptr);
    rp_str_t again = rp_unquote(pool, string);
    CHECK(string.len >= 2 && string.ptr[0] == '"' && string.ptr[string.len - 1] == '"');
    CHECK(again.len == strlen(text));
    for (size_t i = 0; i < again.len; i++) {
        int printable = text[i] >= 0x20 && text[i] <= 0x7e;
        CHECK(again.ptr[i] == (printable ? text[i] : '?'));
    }
    const char *item = rp_sf_item(pool, text);
    CHECK(strcmp(item, text) == 0 || strcmp(item, string.ptr) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';

    check_list((rp_str_t){text, size});
    check_element((rp_str_t){text, size});
    check_structured(text);
    rp_list_has(text, "close");

    free(text);
    apr_pool_clear(pool);
    return 0;
}

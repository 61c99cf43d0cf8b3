/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Vary: the input is its value on the first line and a request's fields, "Name: value", on the others; a
 * byte 1 in them stands for a line feed.  A selection can be read back, and nothing but white space and case
 * is lost in it. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static apr_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    apr_initialize();
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static apr_table_t *request_of(char *text)
{
    apr_table_t *request = apr_table_make(pool, 4);
    char *line;
    while ((line = strsep(&text, "\n")) != NULL) {
        char *value = strchr(line, ':');
        if (!value) {
            continue;
        }
        *value++ = '\0';
        for (char *c = value; *c; c++) {
            *c = *c == 1 ? '\n' : *c;
        }
        apr_table_addn(request, line, value);
    }
    return request;
}

static void check_names(const char *names)
{
    rp_str_t list = {names, strlen(names)};
    rp_str_t name, before = {NULL, 0};
    while (rp_list_next(&list, &name)) {
        CHECK(rp_is_token(name));
        for (size_t i = 0; i < name.len; i++) {
            CHECK(name.ptr[i] < 'A' || name.ptr[i] > 'Z');
        }
        if (before.ptr) {
            CHECK(strcmp(apr_pstrmemdup(pool, before.ptr, before.len),
                         apr_pstrmemdup(pool, name.ptr, name.len)) < 0);
        }
        before = name;
    }
    CHECK(strcmp(rp_vary_names(pool, names), names) == 0);
    CHECK(!strstr(names, ",,") && !strpbrk(names, " \t\n"));
}

/** Take one record from a selection: its name, and its value or NULL. */
static char *next_record(char **rest, char **value)
{
    char *name = *rest;
    char *end = strchr(name, '\n');
    while (end && end[1] == ' ') {
        memmove(end + 1, end + 2, strlen(end + 2) + 1);
        end = strchr(end + 1, '\n');
    }
    CHECK(end);
    *end = '\0';
    *rest = end + 1;
    *value = strstr(name, ": ");
    if (*value) {
        **value = '\0';
        *value += 2;
    }
    return name;
}

static const char *without_blanks(const char *value)
{
    char *text = apr_palloc(pool, strlen(value) + 1), *out = text;
    for (; *value; value++) {
        if (*value != ' ' && *value != '\t') {
            *out++ = isascii(*value) ? (char)tolower(*value) : *value;
        }
    }
    *out = '\0';
    return text;
}

/* Nothing that was not in the field is in the selection. Members lose their order and what goes without saying. */
static int is_of(const char *value, const char *received)
{
    int count[256] = {0};
    for (const char *c = without_blanks(received); *c; c++) {
        count[(unsigned char)*c]++;
    }
    for (const char *c = without_blanks(value); *c; c++) {
        if (*c != ',' && *c != ';' && *c != '=' && --count[(unsigned char)*c] < 0) {
            return 0;
        }
    }
    return 1;
}

static int is_preference(const char *name)
{
    return !strcmp(name, "accept-language") || !strcmp(name, "accept-encoding") || !strcmp(name, "accept-charset");
}

static void check_selection(const char *names, const apr_table_t *request)
{
    const char *selection = rp_vary_selection(pool, names, request);
    char *rest = apr_pstrdup(pool, selection);
    char *value;
    apr_table_t *again = apr_table_make(pool, 4);
    const char *seen = NULL;

    while (*rest) {
        const char *name = next_record(&rest, &value);
        const char *received = apr_table_getm(pool, request, name);
        seen = seen ? apr_pstrcat(pool, seen, ",", name, NULL) : name;
        CHECK(!value == !received);
        if (value) {
            if (is_preference(name)) {
                CHECK(is_of(value, received));
            }
            else {
                CHECK(strcmp(without_blanks(value), without_blanks(received)) == 0);
            }
            apr_table_addn(again, name, value);
        }
    }
    CHECK(seen && strcmp(seen, names) == 0);
    /* Of preferences, what is malformed may be read in another way in another place of the list. */
    if (!strstr(names, "accept-")) {
        CHECK(strcmp(rp_vary_selection(pool, names, again), selection) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = apr_pstrmemdup(pool, (const char *)data, size);
    char *vary = strsep(&text, "\n");
    const char *names = rp_vary_names(pool, vary);
    CHECK(!!rp_vary_is_star(vary) == (names && strcmp(names, "*") == 0));
    if (names && strcmp(names, "*") != 0) {
        check_names(names);
        check_selection(names, request_of(text));
    }
    apr_pool_clear(pool);
    return 0;
}

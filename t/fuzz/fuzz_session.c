/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Where a session is read from: a cookie's name, a Cookie or Set-Cookie field and a URL, in lines.  What is found lies
 * in what was read; a cookie that was removed is not there any more, and the others are, in their order. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "balance/sticky_token.h"
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

static char *next_line(char **text)
{
    char *line = *text;
    char *end = line + strcspn(line, "\n");
    *text = *end ? end + 1 : end;
    *end = '\0';
    return line;
}

static void check_inside(rp_str_t s, const char *text)
{
    CHECK(s.ptr >= text && s.ptr + s.len <= text + strlen(text));
}

static int is_named(rp_str_t found, const char *name)
{
    return found.len == strlen(name) && !memcmp(found.ptr, name, found.len);
}

/* Both have the same cookies, but for those of the name, of which left has none. */
static void check_left(const char *cookies, const char *left, const char *name)
{
    rp_str_t all = {cookies, strlen(cookies)}, rest = {left, strlen(left)};
    rp_str_t n, v, m, w;

    while (rp_cookie_next(&all, &n, &v)) {
        if (is_named(n, name)) {
            continue;
        }
        CHECK(rp_cookie_next(&rest, &m, &w));
        CHECK(m.len == n.len && !memcmp(m.ptr, n.ptr, n.len));
        CHECK(w.len == v.len && !memcmp(w.ptr, v.ptr, v.len));
    }
    CHECK(!rp_cookie_next(&rest, &m, &w));
}

static void check_id(rp_str_t id, const char *text)
{
    rp_str_t route = rp_route_suffix(id), token;
    apr_int64_t since;

    check_inside(id, text);
    check_inside(route, text);
    CHECK(!memchr(route.ptr, '.', route.len));
    rp_sticky_read(id, &token, &since);
    check_inside(token, text);
    CHECK(since >= 0 && !memchr(token.ptr, '.', token.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = apr_pstrmemdup(pool, (const char *)data, size);
    const char *name = next_line(&text), *cookies = next_line(&text), *url = text;
    const char *left = rp_cookie_without(pool, cookies, name);
    rp_str_t rest = {cookies, strlen(cookies)}, found, value;

    check_left(cookies, left ? left : "", name);
    CHECK(!left || rp_cookie_without(pool, left, name) == left);
    while (rp_cookie_next(&rest, &found, &value)) {
        check_inside(found, cookies);
        check_id(value, cookies);
    }
    if (rp_set_cookie_read(cookies, name, &value)) {
        check_id(value, cookies);
        CHECK(!memchr(value.ptr, ';', value.len));
    }
    if (rp_url_param(url, name, &value)) {
        check_id(value, url);
        CHECK(value.ptr > url && value.ptr[-1] == '=');
    }
    apr_pool_clear(pool);
    return 0;
}

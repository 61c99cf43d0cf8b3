/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* No-Vary-Search: the input is its value on the first line and a query on the second.  Rules survive being written, a
 * canonical query is its own canonical form, and what is put in where it does not count changes nothing. */

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

static int is_same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void check_query(const rp_nvs_t *rules, const char *query)
{
    const char *text = rp_nvs_query(pool, rules, query);
    CHECK(is_same(rp_nvs_query(pool, rules, text), text));
    CHECK(is_same(rp_nvs_query(pool, rules, apr_pstrcat(pool, "&&", query, "&", NULL)), text));
    for (int i = 0; !rules->only && i < rules->names->nelts; i++) {
        rp_nvs_t all = {.any_order = 0, .only = 0, .names = apr_array_make(pool, 1, sizeof(rp_str_t))};
        rp_str_t name = APR_ARRAY_IDX(rules->names, i, rp_str_t);
        /* A name without rules about it is written as it must be read. */
        const char *raw = memchr(name.ptr, '\0', name.len) ? NULL : apr_pstrmemdup(pool, name.ptr, name.len);
        if (!raw || strpbrk(raw, "&=+%")) {
            continue;
        }
        CHECK(is_same(rp_nvs_query(pool, rules, apr_pstrcat(pool, raw, "=1&", query, NULL)), text));
        CHECK(!is_same(rp_nvs_query(pool, &all, apr_pstrcat(pool, raw, "=1&", query, NULL)),
                       rp_nvs_query(pool, &all, query)));
    }
    if (rules->any_order) {
        CHECK(is_same(rp_nvs_query(pool, rules, apr_pstrcat(pool, query, "&~~~~=1", NULL)),
                      rp_nvs_query(pool, rules, apr_pstrcat(pool, "%7E~~%7e=1&", query, NULL)))
              || strstr(query, "~") || strcasestr(query, "%7e"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = apr_pstrmemdup(pool, (const char *)data, size);
    const char *value = strsep(&text, "\n");
    const rp_nvs_t *rules = rp_nvs_parse(pool, value);
    const char *again = rp_nvs_format(pool, rules);
    CHECK(!rules == !*again);
    CHECK(is_same(rp_nvs_format(pool, rp_nvs_parse(pool, again)), again));
    CHECK(rules || rp_nvs_query(pool, rules, text) == text);
    if (rules) {
        check_query(rules, text ? text : "");
    }
    apr_pool_clear(pool);
    return 0;
}

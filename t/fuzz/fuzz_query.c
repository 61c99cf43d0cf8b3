/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* What a key has of a query and of cookies: flags, then only-patterns, drop-patterns, a query and a Cookie field, in
 * lines.  The chosen query is made of parameters of the query, once more chosen it is itself, and nothing in doubt is
 * left out. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

#define MAX_SIZE 600

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

static const apr_array_header_t *list(const char *text, const char *separator)
{
    apr_array_header_t *out = apr_array_make(pool, 4, sizeof(const char *));
    char *last, *word;
    for (word = apr_strtok(apr_pstrdup(pool, text), separator, &last); word; word = apr_strtok(NULL, separator, &last)) {
        APR_ARRAY_PUSH(out, const char *) = word;
    }
    return out;
}

static int occurrences(const apr_array_header_t *words, const char *word)
{
    int n = 0;
    for (int i = 0; i < words->nelts; i++) {
        n += strcmp(APR_ARRAY_IDX(words, i, const char *), word) == 0;
    }
    return n;
}

static void check_query(const rp_query_rules_t *rules, const char *query)
{
    const char *chosen = rp_query_choose(pool, rules, query);
    const apr_array_header_t *before = list(query, "&");
    const apr_array_header_t *after = list(chosen ? chosen : "", "&");
    const char *again = rp_query_choose(pool, rules, chosen);

    CHECK(chosen ? again && strcmp(again, chosen) == 0 : !again);
    CHECK(!chosen || strlen(chosen) <= strlen(query));
    CHECK(!chosen || !rules->none);
    for (int i = 0; i < after->nelts; i++) {
        const char *param = APR_ARRAY_IDX(after, i, const char *);
        CHECK(occurrences(after, param) == occurrences(before, param));
    }
    for (int i = 0; i < before->nelts && !rules->none; i++) {
        const char *param = APR_ARRAY_IDX(before, i, const char *);
        if (strchr(param, ';') || (!rules->only && !rules->drop)) {
            CHECK(occurrences(after, param) == occurrences(before, param));
        }
    }
}

static void check_cookies(const apr_array_header_t *names, const char *cookies)
{
    apr_table_t *request = apr_table_make(pool, 2);
    const char *none = rp_cookie_selection(pool, names, request);
    apr_table_addn(request, "Cookie", cookies);
    const char *some = rp_cookie_selection(pool, names, request);
    int lines = 0;

    for (const char *c = some; *c; c++) {
        lines += *c == '\n' && c[1] != ' ';
    }
    CHECK(lines == names->nelts);
    CHECK(strlen(none) <= strlen(some));
    CHECK(strlen(some) <= strlen(none) + (size_t)names->nelts * (2 * strlen(cookies) + 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > MAX_SIZE) {
        return 0;
    }
    char *text = apr_pstrmemdup(pool, (const char *)data + 1, size - 1);
    const char *only = next_line(&text), *drop = next_line(&text), *query = next_line(&text);
    rp_query_rules_t rules = {
        .none = (*data & 7) == 7, .only = *data & 1 ? list(only, ",") : NULL, .drop = *data & 2 ? list(drop, ",") : NULL,
        .sort = !!(*data & 8),
    };
    check_query(&rules, query);
    check_cookies(list(only, ","), text);
    apr_pool_clear(pool);
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Entity tags and their lists: the input is an entity tag, a line feed, and a list. */

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

static void check_pair(const char *a, const char *b)
{
    int strong = rp_etag_strong_eq(a, b), weak = rp_etag_weak_eq(a, b);
    CHECK(!strong || weak);
    CHECK(strong == rp_etag_strong_eq(b, a) && weak == rp_etag_weak_eq(b, a));
    CHECK(!strong || strcmp(a, b) == 0);
    CHECK(!weak || (rp_etag_weak_eq(a, a) && rp_etag_weak_eq(b, b)));
}

static void check_list(const char *list, const char *etag)
{
    int strong = rp_etag_list_has(list, etag, 1), weak = rp_etag_list_has(list, etag, 0);
    int star = rp_etag_list_has(list, NULL, 1);
    CHECK(!strong || weak);
    CHECK(!star || (strong && weak));
    CHECK(!star || strchr(list, '*'));

    int is_tag = rp_etag_weak_eq(etag, etag);
    CHECK(is_tag || weak == star);
    if (weak && !star) {
        CHECK(strstr(list, strncmp(etag, "W/", 2) == 0 ? etag + 2 : etag));
    }
    /* Nothing that follows undoes a match, and what stands before a list's junk is found. */
    if (weak) {
        CHECK(rp_etag_list_has(apr_pstrcat(pool, list, ",\"", NULL), etag, 0));
        CHECK(rp_etag_list_has(apr_pstrcat(pool, list, " , \"x\"", NULL), etag, 0));
    }
    if (is_tag) {
        CHECK(rp_etag_list_has(apr_pstrcat(pool, etag, ",", list, NULL), etag, 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = apr_pstrmemdup(pool, (const char *)data, size);
    char *list = strchr(text, '\n');
    if (list) {
        *list++ = '\0';
        check_pair(text, list);
        check_list(list, text);
    }
    apr_pool_clear(pool);
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Whatever Accept-Language says, what is preferred stands in it, a doubt added to it leaves no preference, and empty
 * members make no difference.  The same bytes as Content-Language. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_general.h>
#include <apr_strings.h>

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

static int is_preferred(const char *field, const char *language)
{
    const char *got = rp_language_preferred(pool, field);
    return got ? language && !strcmp(got, language) : !language;
}

static void check_preferred(const char *field)
{
    const char *language = rp_language_preferred(pool, field);
    CHECK(is_preferred(apr_pstrcat(pool, ", ,", field, NULL), language));
    if (!language) {
        return;
    }
    CHECK(strcasestr(field, language) && !strpbrk(language, "*,;\" \tABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    CHECK(is_preferred(apr_pstrcat(pool, field, " , ", NULL), language));
    CHECK(is_preferred(apr_pstrcat(pool, field, ", *;q=0", NULL), language));
    CHECK(is_preferred(apr_pstrcat(pool, field, ", ", language, ";q=1", NULL), NULL)
          || is_preferred(apr_pstrcat(pool, field, ", ", language, ";q=1", NULL), language));
    CHECK(is_preferred(apr_pstrcat(pool, field, ", a, b", NULL), NULL));
    CHECK(is_preferred(apr_pstrcat(pool, field, ", a;q=2", NULL), NULL));
    CHECK(is_preferred(language, language));
    CHECK(!strcmp(rp_language_only(pool, language), language));
    CHECK(rp_language_relates(language, language) && !rp_language_relates(language, ""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *field = apr_pstrmemdup(pool, (const char *)data, size);
    const char *only = rp_language_only(pool, field);
    check_preferred(field);
    if (only) {
        CHECK(is_preferred(only, only) && strcasestr(field, only));
    }
    apr_pool_clear(pool);
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* A targeted field: it counts exactly when it is a Dictionary with members, times stay in their bounds, and what
 * is added to it restricts. */

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

static int take(const char *value, rp_cc_t *cc)
{
    static const char *const targets[] = {"CDN-Cache-Control", NULL};
    apr_table_t *fields = apr_table_make(pool, 2);
    apr_table_setn(fields, "Cache-Control", "max-age=77");
    apr_table_setn(fields, "CDN-Cache-Control", value);
    return rp_response_cc(pool, fields, targets, cc);
}

static void check_delta(rp_secs_t t)
{
    CHECK(t == RP_NO_TIME || (t >= 0 && t <= RP_MAX_DELTA));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *value = apr_pstrmemdup(pool, (const char *)data, size);
    const apr_array_header_t *members = rp_sf_parse_dictionary(pool, (rp_str_t){value, strlen(value)});
    rp_cc_t cc;
    int taken = take(value, &cc);
    CHECK(taken == (members && members->nelts > 0));
    CHECK(taken || cc.max_age == 77);
    check_delta(cc.max_age);
    check_delta(cc.s_maxage);
    check_delta(cc.stale_while_revalidate);
    check_delta(cc.stale_if_error);
    if (taken && members->nelts < RP_SF_MAX_MEMBERS - 1) {
        CHECK(take(apr_pstrcat(pool, value, ", no-store, max-age=5", NULL), &cc));
        CHECK(cc.no_store && cc.max_age == 5);
    }
    apr_pool_clear(pool);
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Cache-Control: values stay in their bounds, case does not matter, and nothing that stands before a
 * restriction can hide it or soften one that came earlier. */

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

static rp_cc_t parse(const char *value)
{
    rp_cc_t cc;
    rp_cc_parse(pool, &cc, value);
    return cc;
}

static void check_delta(rp_secs_t t)
{
    CHECK(t == RP_NO_TIME || (t >= 0 && t <= RP_MAX_DELTA));
}

static void check_names(const char *names)
{
    rp_str_t list = {names, names ? strlen(names) : 0};
    rp_str_t name;
    int n = 0;
    while (rp_list_next(&list, &name)) {
        CHECK(rp_is_token(name));
        n++;
    }
    CHECK(!names || n > 0);
}

static void check_bounds(const rp_cc_t *cc)
{
    check_delta(cc->max_age);
    check_delta(cc->s_maxage);
    check_delta(cc->max_stale);
    check_delta(cc->min_fresh);
    check_delta(cc->stale_while_revalidate);
    check_delta(cc->stale_if_error);
    check_names(cc->no_cache_fields);
    check_names(cc->private_fields);
    CHECK(cc->present);
    CHECK(!cc->max_stale_any || cc->max_stale == RP_NO_TIME);
}

static void check_case(const char *text, const rp_cc_t *cc)
{
    char *upper = apr_pstrdup(pool, text);
    for (char *c = upper; *c; c++) {
        *c = isascii(*c) ? (char)toupper(*c) : *c;
    }
    rp_cc_t other = parse(upper);
    CHECK(other.no_cache == cc->no_cache && other.no_store == cc->no_store && other.private_ == cc->private_);
    CHECK(other.public_ == cc->public_ && other.must_revalidate == cc->must_revalidate);
    CHECK(other.max_age == cc->max_age && other.s_maxage == cc->s_maxage);
    CHECK(other.max_stale == cc->max_stale && other.min_fresh == cc->min_fresh);
}

/** A quote that text leaves open may swallow what follows, and is no-store for that. */
static void check_what_follows(const char *text)
{
    rp_cc_t cc = parse(apr_pstrcat(pool, text, ",no-store", NULL));
    CHECK(cc.no_store);
    cc = parse(apr_pstrcat(pool, text, ", private", NULL));
    CHECK(cc.private_ || cc.no_store);
    cc = parse(apr_pstrcat(pool, text, ",no-cache ", NULL));
    CHECK(cc.no_cache || cc.no_store);
    cc = parse(apr_pstrcat(pool, text, ",max-age=0", NULL));
    CHECK(cc.max_age == 0 || cc.no_store);
}

static void check_what_went_before(const char *text, const rp_cc_t *alone)
{
    rp_cc_t cc = parse(apr_pstrcat(pool, "no-store,private,no-cache,max-age=5,", text, NULL));
    CHECK(cc.no_store && cc.private_ && cc.no_cache);
    CHECK(cc.max_age >= 0 && cc.max_age <= 5);
    CHECK(cc.max_age == 5 || cc.max_age == alone->max_age);
    CHECK(cc.s_maxage == alone->s_maxage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = apr_pstrmemdup(pool, (const char *)data, size);
    rp_cc_t cc = parse(text);
    check_bounds(&cc);
    check_case(text, &cc);
    check_what_follows(text);
    check_what_went_before(text, &cc);
    apr_pool_clear(pool);
    return 0;
}

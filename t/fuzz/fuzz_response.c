/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Responses in the eyes of a cache: a status on the first line, the fields of a stored response, an empty line, those of
 * a 304 or HEAD, an empty line, those of a request.  Times stay within their bounds, what is said more strictly never
 * stores or reuses more, and what describes the stored body outlasts every 304. */

#include "fields_util.h"

#define NOW ((rp_secs_t)1718452800)

static const char *const targets[] = {"CDN-Cache-Control", NULL};
static const rp_heuristic_t tenth = {10, 86400};

static rp_response_facts_t facts_of(int status, const apr_table_t *fields)
{
    rp_response_facts_t facts;
    rp_response_facts(pool, &facts, status, fields, targets, NOW - 1, NOW);
    return facts;
}

static void check_times(const rp_response_facts_t *facts)
{
    rp_secs_t lifetime = rp_freshness_lifetime(facts, tenth), age = rp_initial_age(facts);
    CHECK(lifetime >= 0 && lifetime <= RP_MAX_DELTA && facts->age >= 0 && facts->age <= RP_MAX_DELTA);
    CHECK(age >= 1 && age >= facts->age && rp_current_age(age, NOW, NOW + 10) == age + 10);
    CHECK(!facts->age_is_unclear || facts->age <= RP_MAX_DELTA);
    CHECK(facts->date >= RP_NO_TIME && facts->expires >= RP_NO_TIME && facts->last_modified >= RP_NO_TIME);
    CHECK(!facts->etag || rp_etag_weak_eq(facts->etag, facts->etag));
}

static int is_stored(const rp_response_facts_t *facts, const rp_cc_t *request, int had)
{
    static const rp_store_rules_t most = {1, RP_COOKIES_ALWAYS};
    return !rp_not_storable(facts, &most, "GET", request, had);
}

/* One word more in Cache-Control, and in what takes its place. */
static apr_table_t *with(const apr_table_t *fields, const char *directive)
{
    apr_table_t *more = apr_table_copy(pool, fields);
    apr_table_addn(more, "Cache-Control", directive);
    apr_table_unset(more, "CDN-Cache-Control");
    return more;
}

static void check_storing(int status, const apr_table_t *fields, const rp_cc_t *request)
{
    static const char *const never[] = {"no-store", "private", NULL};
    static const rp_store_rules_t strict;
    rp_response_facts_t facts = facts_of(status, fields);
    apr_table_t *lasting = with(fields, "max-age=0");
    for (const char *const *directive = never; *directive; directive++) {
        rp_response_facts_t less = facts_of(status, with(fields, *directive));
        CHECK(less.cc.must_understand || !is_stored(&less, request, 0));
    }
    if (!rp_not_storable(&facts, &strict, "GET", request, RP_HAD_AUTHORIZATION)) {
        CHECK(is_stored(&facts, request, 0) && !facts.cc.private_ && !rp_vary_is_star(facts.vary));
    }
    CHECK(rp_not_storable(&facts, &strict, "PUT", request, 0));
    facts = facts_of(status, lasting);
    if (strchr(apr_table_getm(pool, lasting, "Cache-Control"), '"')) {
        return; /* what was added could be inside of a quoted-string */
    }
    CHECK(facts.cc.max_age == 0 && (facts.cc.s_maxage != RP_NO_TIME || rp_freshness_lifetime(&facts, tenth) == 0));
}

static void check_using(const rp_response_facts_t *facts, const rp_cc_t *request)
{
    rp_secs_t lifetime = rp_freshness_lifetime(facts, tenth);
    for (rp_secs_t age = 0; age < 100; age += 33) {
        rp_usable_e usable = rp_usable(&facts->cc, request, 0, lifetime, age);
        CHECK(usable != RP_USABLE_FRESH || (lifetime > age && !facts->cc.no_cache && !request->no_cache));
        CHECK(usable != RP_USABLE_STALE_OK || (lifetime <= age && !facts->cc.must_revalidate));
        CHECK(rp_usable(&facts->cc, request, 1, lifetime, age) == RP_USABLE_VALIDATE);
        /* Who is told that it may be late does not mind that it is. */
        CHECK(!rp_may_revalidate_later(&facts->cc, request, 50, lifetime, age) || !facts->cc.must_revalidate);
        CHECK(!rp_may_cover_error(&facts->cc, request, 50, lifetime, age) || !facts->cc.no_cache);
    }
}

static void check_freshening(const apr_table_t *stored, const apr_table_t *fresh)
{
    static const char *const kept[] = {"Content-Length", "Content-Encoding", "Content-Range", "Content-Digest", NULL};
    apr_table_t *both = apr_table_copy(pool, stored);
    rp_freshen_fields(both, fresh);
    for (const char *const *name = kept; *name; name++) {
        const char *before = apr_table_getm(pool, stored, *name), *after = apr_table_getm(pool, both, *name);
        CHECK(before ? after && !strcmp(before, after) : !after);
    }
    const char *connection = apr_table_get(fresh, "Connection");
    const char *expires = apr_table_getm(pool, fresh, "Expires");
    if (expires && !connection) {
        CHECK(!strcmp(apr_table_getm(pool, both, "Expires"), expires));
    }
    int lines = lines_of(both);
    rp_freshen_fields(both, fresh);
    CHECK(lines_of(both) == lines);
}

static void check_conditions(const apr_table_t *request, const rp_response_facts_t *facts)
{
    int status = rp_preconditions(request, facts->etag, facts->last_modified, facts->date);
    CHECK(status == 200 || status == 304 || status == 412);
    CHECK(status != 412 || apr_table_get(request, "If-Match") || apr_table_get(request, "If-Unmodified-Since"));
    CHECK(status != 304 || apr_table_get(request, "If-None-Match") || apr_table_get(request, "If-Modified-Since"));
    CHECK(rp_if_range_ok(request, facts->etag, facts->last_modified, facts->date) || apr_table_get(request, "If-Range"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = apr_pstrmemdup(pool, (const char *)data, size);
    int status = atoi(strsep(&text, "\n"));
    const apr_table_t *stored = fields_of(&text), *fresh = fields_of(&text), *request = fields_of(&text);
    rp_response_facts_t facts = facts_of(status, stored), others = facts_of(304, fresh);
    rp_cc_t request_cc;

    rp_cc_parse(pool, &request_cc, apr_table_getm(pool, request, "Cache-Control"));
    check_times(&facts);
    check_storing(status, stored, &request_cc);
    check_using(&facts, &request_cc);
    check_freshening(stored, fresh);
    check_conditions(request, &facts);
    CHECK(!facts.etag || rp_304_is_of(&facts, &facts) || facts.etag[0] == 'W');
    CHECK(!rp_head_is_of(&facts, &others) || !others.etag || facts.etag);
    apr_pool_clear(pool);
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "http/http.h"

static rp_secs_t at_least_0(rp_secs_t seconds)
{
    return seconds < 0 ? 0 : seconds;
}

static rp_secs_t as_delta(rp_secs_t seconds)
{
    return seconds > RP_MAX_DELTA ? RP_MAX_DELTA : at_least_0(seconds);
}

/* ------------------------------------------------------------------ facts */

/**
 * Age has one value; of several the first counts, and one that is no number counts as absent (RFC 9111 §5.1).  What has
 * become a parameter on the way is not part of the number: better too old than forgotten.
 */
static rp_secs_t age_of(const char *value)
{
    rp_str_t list = {value, value ? strlen(value) : 0};
    rp_str_t first, number, unused;
    uint64_t seconds;
    if (!rp_list_next(&list, &first) || !rp_param_next(&first, &number, &unused)
        || !rp_parse_uint(number, RP_MAX_DELTA, &seconds)) {
        return 0;
    }
    return (rp_secs_t)seconds;
}

static int age_is_unclear(const char *all)
{
    uint64_t seconds;
    return all && !rp_parse_uint(rp_trim((rp_str_t){all, strlen(all)}), RP_MAX_DELTA, &seconds);
}

typedef struct expires_t {
    rp_secs_t earliest;
    rp_secs_t now;
} expires_t;

static int note_expires(void *baton, const char *name, const char *value)
{
    expires_t *e = baton;
    (void)name;
    rp_secs_t t = at_least_0(rp_date_parse(value, e->now));
    if (e->earliest == RP_NO_TIME || t < e->earliest) {
        e->earliest = t;
    }
    return 1;
}

/** Of several Expires the earliest counts, and an invalid one is in the past (RFC 9111 §4.2.1, §5.3). */
static rp_secs_t expires_of(const apr_table_t *fields, rp_secs_t now)
{
    expires_t e = {RP_NO_TIME, now};
    apr_table_do(note_expires, &e, fields, "Expires", NULL);
    return e.earliest;
}

static const char *etag_of(const apr_table_t *fields)
{
    const char *etag = apr_table_get(fields, "ETag");
    return rp_etag_weak_eq(etag, etag) ? etag : NULL;
}

void rp_response_facts(apr_pool_t *p, rp_response_facts_t *facts, int status, const apr_table_t *fields,
                       const char *const *targets, rp_secs_t request_time, rp_secs_t response_time)
{
    facts->status = status;
    facts->targeted = rp_response_cc(p, fields, targets, &facts->cc);
    facts->date = rp_date_parse(apr_table_get(fields, "Date"), response_time);
    facts->expires = facts->targeted ? RP_NO_TIME : expires_of(fields, response_time);
    facts->last_modified = rp_date_parse(apr_table_get(fields, "Last-Modified"), response_time);
    facts->age = age_of(apr_table_get(fields, "Age"));
    facts->age_is_unclear = age_is_unclear(apr_table_getm(p, fields, "Age"));
    facts->etag = etag_of(fields);
    facts->vary = apr_table_getm(p, fields, "Vary");
    facts->has_set_cookie = apr_table_get(fields, "Set-Cookie") || apr_table_get(fields, "Set-Cookie2");
    facts->has_content_range = apr_table_get(fields, "Content-Range") != NULL;
    facts->request_time = request_time;
    facts->response_time = response_time;
    facts->ruled = RP_NO_TIME;
}

/* ------------------------------------------------------------------ storing */

int rp_status_is_heuristic(int status)
{
    switch (status) {
    case 200: case 203: case 204: case 206:
    case 300: case 301: case 308:
    case 404: case 405: case 410: case 414:
    case 501:
        return 1;
    default:
        return 0;
    }
}

/**
 * The final statuses whose rules for caches we know and keep: what must-understand asks for (RFC 9111
 * §5.2.2.3).
 */
static int is_understood(int status)
{
    switch (status) {
    case 302: case 303: case 307:
    case 400: case 403: case 451:
    case 500: case 502: case 503: case 504:
        return 1;
    default:
        return rp_status_is_heuristic(status);
    }
}

/**
 * Statuses that tell about one exchange and not about the resource, whatever the fields say: interim ones,
 * answers to the request's own conditions, range or credentials towards us, and those that RFC 6585 forbids
 * to store.
 */
static int is_about_exchange(int status)
{
    switch (status) {
    case 304: case 407: case 412: case 416:
    case 428: case 429: case 431: case 511:
        return 1;
    default:
        return status < 200 || status > 599;
    }
}

static int may_share_authorized(const rp_cc_t *cc)
{
    return cc->public_ || cc->must_revalidate || cc->s_maxage != RP_NO_TIME;
}

int rp_has_explicit_freshness(const rp_response_facts_t *facts)
{
    return facts->cc.s_maxage != RP_NO_TIME || facts->cc.max_age != RP_NO_TIME
           || facts->expires != RP_NO_TIME;
}

/** Does the response speak to shared caches?  A targeted field's lifetime is meant for nobody else (RFC 9213 §1). */
static int is_for_shared_caches(const rp_response_facts_t *facts)
{
    return facts->cc.public_ || facts->cc.s_maxage != RP_NO_TIME
           || (facts->targeted && facts->cc.max_age != RP_NO_TIME);
}

static int names_set_cookie(const char *fields)
{
    return rp_list_has(fields, "Set-Cookie");
}

int rp_may_store_cookie(const rp_response_facts_t *facts, rp_cookies_e allowed, int had)
{
    if (names_set_cookie(facts->cc.private_fields) || names_set_cookie(facts->cc.no_cache_fields)) {
        /* What is stored is without it. */
        return 1;
    }
    switch (allowed) {
    case RP_COOKIES_ALWAYS:
        return 1;
    case RP_COOKIES_ANONYMOUS:
        /* A cookie that answers a cookie is somebody's session. */
        return is_for_shared_caches(facts) || (!(had & RP_HAD_COOKIE) && rp_has_explicit_freshness(facts));
    case RP_COOKIES_SHARED:
        return is_for_shared_caches(facts);
    default:
        return 0;
    }
}

/** The last condition of RFC 9111 §3: something says that caches may keep it. */
static int has_leave(const rp_response_facts_t *facts)
{
    return facts->ruled != RP_NO_TIME || rp_has_explicit_freshness(facts) || facts->cc.public_
           || rp_status_is_heuristic(facts->status);
}

/** Could it ever be used, fresh, stale or validated?  If not, storing it is wasted work. */
static int is_of_use(const rp_response_facts_t *facts)
{
    if (facts->etag || facts->last_modified != RP_NO_TIME) {
        return 1;
    }
    if (facts->cc.no_cache) {
        return 0;
    }
    return rp_freshness_lifetime(facts, (rp_heuristic_t){0, 0}) > 0 || facts->cc.stale_while_revalidate > 0
           || facts->cc.stale_if_error > 0;
}

const char *rp_not_storable(const rp_response_facts_t *facts, const rp_store_rules_t *rules,
                            const char *method, const rp_cc_t *request_cc, int had)
{
    const rp_cc_t *cc = &facts->cc;

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return "method";
    }
    if (facts->status == 206) {
        return "partial";
    }
    if (is_about_exchange(facts->status) || (cc->must_understand && !is_understood(facts->status))) {
        return "status";
    }
    if (request_cc->no_store || (cc->no_store && !cc->must_understand)) {
        return "no-store";
    }
    if (cc->private_) {
        return "private";
    }
    if ((had & RP_HAD_AUTHORIZATION) && !rules->allow_authorization && !may_share_authorized(cc)) {
        return "authorization";
    }
    if (facts->has_set_cookie && !rp_may_store_cookie(facts, rules->set_cookie, had)) {
        return "set-cookie";
    }
    if (rp_vary_is_star(facts->vary)) {
        return "vary-star";
    }
    return has_leave(facts) && is_of_use(facts) ? NULL : "no-freshness";
}

/* ------------------------------------------------------------------ time */

/** A response without a valid Date is taken to be as old as its arrival (RFC 9110 §6.6.1). */
static rp_secs_t date_or_arrival(const rp_response_facts_t *facts)
{
    return facts->date != RP_NO_TIME ? facts->date : facts->response_time;
}

static rp_secs_t heuristic_lifetime(const rp_response_facts_t *facts, rp_heuristic_t heuristic)
{
    if (facts->last_modified == RP_NO_TIME || !(rp_status_is_heuristic(facts->status) || facts->cc.public_)) {
        return 0;
    }
    rp_secs_t unchanged = date_or_arrival(facts) - facts->last_modified;
    rp_secs_t part = unchanged / 100 * heuristic.percent + unchanged % 100 * heuristic.percent / 100;
    return as_delta(part < heuristic.most ? part : heuristic.most);
}

rp_secs_t rp_freshness_lifetime(const rp_response_facts_t *facts, rp_heuristic_t heuristic)
{
    if (facts->ruled != RP_NO_TIME) {
        return facts->ruled;
    }
    if (facts->cc.s_maxage != RP_NO_TIME) {
        return facts->cc.s_maxage;
    }
    if (facts->cc.max_age != RP_NO_TIME) {
        return facts->cc.max_age;
    }
    if (facts->expires != RP_NO_TIME) {
        return as_delta(facts->expires - date_or_arrival(facts));
    }
    return heuristic_lifetime(facts, heuristic);
}

rp_secs_t rp_initial_age(const rp_response_facts_t *facts)
{
    rp_secs_t apparent_age = at_least_0(facts->response_time - date_or_arrival(facts));
    rp_secs_t response_delay = at_least_0(facts->response_time - facts->request_time);
    rp_secs_t corrected_age = facts->age + response_delay;
    return apparent_age > corrected_age ? apparent_age : corrected_age;
}

rp_secs_t rp_current_age(rp_secs_t initial_age, rp_secs_t response_time, rp_secs_t now)
{
    /* A clock that was set back must not make a response younger than it was when it came. */
    return at_least_0(initial_age) + at_least_0(now - response_time);
}

/* ------------------------------------------------------------------ using */

/** Must a stale response never be used unasked?  s-maxage implies proxy-revalidate (RFC 9111 §5.2.2.10). */
static int forbids_stale(const rp_cc_t *cc)
{
    return cc->must_revalidate || cc->proxy_revalidate || cc->s_maxage != RP_NO_TIME;
}

static int is_too_old_for_client(const rp_cc_t *response_cc, const rp_cc_t *request_cc, rp_secs_t lifetime,
                                 rp_secs_t age)
{
    if (request_cc->max_age == RP_NO_TIME || (response_cc->immutable && lifetime > age)) {
        return 0;
    }
    /* max-age=0 is a client's "reload", also in the second in which the response came. */
    return request_cc->max_age == 0 || age > request_cc->max_age;
}

rp_usable_e rp_usable(const rp_cc_t *response_cc, const rp_cc_t *request_cc, int pragma_no_cache,
                      rp_secs_t lifetime, rp_secs_t age)
{
    if (response_cc->no_cache || pragma_no_cache) {
        return RP_USABLE_VALIDATE;
    }
    if (!request_cc->present) {
        return lifetime > age ? RP_USABLE_FRESH : RP_USABLE_VALIDATE;
    }
    if (request_cc->no_cache) {
        return RP_USABLE_VALIDATE;
    }
    if (is_too_old_for_client(response_cc, request_cc, lifetime, age)) {
        return RP_USABLE_VALIDATE;
    }
    if (request_cc->min_fresh != RP_NO_TIME && lifetime - age < request_cc->min_fresh) {
        return RP_USABLE_VALIDATE;
    }
    if (lifetime > age) {
        return RP_USABLE_FRESH;
    }
    if (forbids_stale(response_cc)) {
        return RP_USABLE_VALIDATE;
    }
    int tolerated = request_cc->max_stale_any
                    || (request_cc->max_stale != RP_NO_TIME && age - lifetime <= request_cc->max_stale);
    return tolerated ? RP_USABLE_STALE_OK : RP_USABLE_VALIDATE;
}

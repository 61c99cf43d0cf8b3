/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The way of a request from top to bottom: look up, decide, ask, store, send. */

#include <string.h>

#include <httpd.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <apr_strings.h>

#include "balance/balance.h"
#include "cache/answer.h"
#include "cache/cache.h"
#include "cache/fetch.h"
#include "cache/local.h"
#include "cache/partial.h"
#include "cache/save.h"
#include "route/route.h"
#include "upstream/upstream.h"

/* RFC 9110 §9.2.1 */
static int is_safe(const request_rec *r)
{
    return r->method_number == M_GET || r->method_number == M_OPTIONS || r->method_number == M_TRACE
           || !strcmp(r->method, "QUERY") || !strcmp(r->method, "PROPFIND") || !strcmp(r->method, "REPORT");
}

/* What the client asks of caches, unless that is ignored. @return nonzero for a Pragma that counts (RFC 9111 §5.4) */
static int read_client(const rp_request_t *rq, rp_cc_t *request_cc)
{
    const apr_table_t *in = rq->r->headers_in;
    const char *cache_control = apr_table_getm(rq->r->pool, in, "Cache-Control");
    int ignored = RP_OR_DEFAULT(rq->dconf->ignore_client, 0);

    rp_cc_parse(rq->r->pool, request_cc, ignored ? NULL : cache_control);
    return !ignored && !cache_control && rp_list_has(apr_table_get(in, "Pragma"), "no-cache");
}

/* The response to a POST may be what a GET would get (RFC 9110 §9.3.3): store it then. */
static const rp_tee_t *save_for_get(rp_request_t *rq, rp_store_t *store, rp_save_t *save)
{
    rp_lookup_t lookup = { .store = store };
    rp_cc_t request_cc;

    if (rq->r->method_number != M_POST || rq->is_part || !apr_table_get(rq->response.fields, "Content-Location")) {
        return NULL;
    }
    lookup.key_text = rp_cache_key(rq);
    lookup.since = store->ops->stamp(store); /* of now: this very request has just purged what was there */
    read_client(rq, &request_cc);
    rp_policy_request(rq);
    return rq->policy.bypass ? NULL : rp_save_begin(rq, &lookup, &request_cc, save);
}

/* The backend's answer as it is. With a cache on, fwd says why it had no part in it. */
static int pass_through(rp_request_t *rq, const char *fwd)
{
    rp_store_t *store = fwd ? rp_local_store() : NULL;
    int status = rp_fetch_fields(rq);
    const rp_tee_t *tee = NULL;
    rp_save_t save;

    if (status == OK) {
        status = rp_fetch(rq);
    }
    if (status == OK && store && !is_safe(rq->r)) {
        rp_save_invalidate(rq, store);
        tee = save_for_get(rq, store, &save);
    }
    if (fwd) {
        rp_cache_status(rq, status == OK ? rq->response.fields : NULL, "bypass",
                        tee ? apr_pstrcat(rq->r->pool, fwd, "; stored", NULL) : fwd);
    }
    return status == OK ? rp_answer_fetched(rq, tee, 0) : status;
}

/* Why a request is none of the cache's business, as Cache-Status says it; NULL when it is. */
static const char *bypasses(rp_request_t *rq)
{
    const request_rec *r = rq->r;

    if (r->method_number != M_GET) {
        return "fwd=method";
    }
    if (rq->is_part) {
        return "fwd=bypass";
    }
    /* Conditions for the origin to judge (RFC 9111 §4.3.2), and content that may mean something. */
    if (apr_table_get(r->headers_in, "If-Match") || apr_table_get(r->headers_in, "If-Unmodified-Since")
        || apr_table_get(r->headers_in, "Transfer-Encoding") || apr_table_get(r->headers_in, "Content-Length")
        || apr_table_get(r->headers_in, "Upgrade")) {
        return "fwd=request";
    }
    rp_policy_request(rq);
    return rq->policy.bypass ? "fwd=bypass" : NULL;
}

typedef struct decision_t {
    rp_cc_t request_cc;
    rp_usable_e usable;
    rp_secs_t age;
    rp_secs_t ttl;
} decision_t;

static void decide(rp_request_t *rq, const rp_lookup_t *lookup, decision_t *d)
{
    rp_cc_t response_cc;
    int pragma = read_client(rq, &d->request_cc);

    if (lookup->found != RP_FOUND && lookup->found != RP_FOUND_PART) {
        return;
    }
    rp_policy_response(rq, lookup->record.status, lookup->record.fields);
    rp_response_cc(rq->r->pool, rp_policy_heeded(rq, lookup->record.fields), rp_cache_targets(rq->dconf), &response_cc);
    d->age = rp_current_age(lookup->record.initial_age, lookup->record.response_time, apr_time_sec(apr_time_now()));
    d->ttl = lookup->record.lifetime - d->age;
    d->usable = rp_usable(&response_cc, &d->request_cc, pragma, lookup->record.lifetime, d->age);
}

static int answer_hit(rp_request_t *rq, rp_lookup_t *lookup, const decision_t *d)
{
    const char *ttl = apr_off_t_toa(rq->r->pool, (apr_off_t)d->ttl);

    rp_cache_status(rq, lookup->record.fields, d->usable == RP_USABLE_FRESH ? "hit" : "stale",
                    apr_pstrcat(rq->r->pool, "hit; ttl=", ttl, NULL));
    return rp_answer_stored(rq, lookup, d->age);
}

static void remove_conditions(apr_table_t *fields)
{
    apr_table_unset(fields, "If-None-Match");
    apr_table_unset(fields, "If-Modified-Since");
}

/* Ask whether what is stored still holds; the client's own conditions are evaluated against the outcome. */
static int add_validators(rp_request_t *rq, const rp_lookup_t *lookup)
{
    const char *etag = apr_table_get(lookup->record.fields, "ETag");
    const char *modified = apr_table_get(lookup->record.fields, "Last-Modified");

    remove_conditions(rq->fields);
    if (etag) {
        apr_table_setn(rq->fields, "If-None-Match", etag);
    }
    if (modified) {
        apr_table_setn(rq->fields, "If-Modified-Since", modified);
    }
    return etag || modified;
}

/* Has what was found all that is asked for, be it fresh or not? */
static int is_answer(const rp_request_t *rq, const rp_lookup_t *lookup)
{
    return lookup->found == RP_FOUND || rp_part_answers(rq, lookup);
}

static int has_conditions(const apr_table_t *fields)
{
    return apr_table_get(fields, "If-None-Match") || apr_table_get(fields, "If-Modified-Since");
}

static const char *forward_reason(const rp_request_t *rq, const rp_lookup_t *lookup, const decision_t *d)
{
    switch (lookup->found) {
    case RP_FOUND_PART:
        if (!rp_part_answers(rq, lookup)) {
            return "partial";
        }
        /* fall through */
    case RP_FOUND:
        return d->ttl > 0 ? "request" : "stale";
    case RP_FOUND_OTHERS:
        return "vary-miss";
    default:
        return "uri-miss";
    }
}

static int answer_revalidated(rp_request_t *rq, rp_lookup_t *lookup, const char *fwd)
{
    rp_secs_t age;

    rp_finish_exchange(rq);
    age = rp_current_age(lookup->record.initial_age, lookup->record.response_time, apr_time_sec(apr_time_now()));
    rp_cache_status(rq, lookup->record.fields, "revalidated",
                    apr_psprintf(rq->r->pool, "hit; fwd=%s; fwd-status=304; ttl=%" APR_INT64_T_FMT, fwd,
                                 (apr_int64_t)(lookup->record.lifetime - age)));
    return rp_answer_stored(rq, lookup, age);
}

/* Nothing that may be used is stored: ask a backend, store what may be stored. */
static int fetch_and_store(rp_request_t *rq, rp_lookup_t *lookup, const decision_t *d)
{
    const char *fwd = forward_reason(rq, lookup, d);
    int ranged = apr_table_get(rq->r->headers_in, "Range") != NULL;
    int asked = 0, completing = 0, status = rp_fetch_fields(rq), came;
    const rp_tee_t *tee;
    rp_save_t save;

    if (status != OK) {
        return status;
    }
    if (is_answer(rq, lookup) && !(ranged && has_conditions(rq->fields))) {
        asked = add_validators(rq, lookup);
    }
    else if (!ranged) {
        /* A whole response serves everybody who comes after; this client gets its 304 from it. */
        remove_conditions(rq->fields);
        completing = rp_part_ask(rq, lookup);
    }
    status = rp_fetch(rq);
    if (status == OK && asked && rq->response.status == HTTP_NOT_MODIFIED) {
        if (rp_save_freshened(rq, lookup, &d->request_cc)) {
            return answer_revalidated(rq, lookup, fwd);
        }
        rp_finish_exchange(rq);
        remove_conditions(rq->fields);
        status = rp_fetch(rq);
    }
    if (status != OK) {
        rp_cache_status(rq, NULL, "miss", apr_psprintf(rq->r->pool, "fwd=%s", fwd));
        return status;
    }
    if (rq->r->header_only && lookup->found == RP_FOUND && rq->response.status == HTTP_OK) {
        rp_save_head(rq, lookup, &d->request_cc);
    }
    came = rq->response.status;
    if (completing) {
        status = rp_part_join(rq, lookup);
        if (status != OK) {
            rp_cache_status(rq, NULL, "miss", "fwd=partial");
            return status;
        }
        came = lookup->joined ? came : rq->response.status;
    }
    tee = rp_save_begin(rq, lookup, &d->request_cc, &save);
    rp_cache_status(rq, rq->response.fields, "miss",
                    apr_psprintf(rq->r->pool, "fwd=%s; fwd-status=%d%s", fwd, came,
                                 tee ? "; stored" : ""));
    return rp_answer_fetched(rq, tee, !ranged);
}

static void prepare(rp_request_t *rq)
{
    const rp_encode_conf_t *compress = &rq->dconf->compress;

    rq->coding = compress->nprefer > 0 ? rp_encode_choose(compress, rq->r->headers_in) : RP_CODING_IDENTITY;
}

/* RFC 9110 §7.6.2 */
static int is_last_hop(const request_rec *r)
{
    const char *max = apr_table_get(r->headers_in, "Max-Forwards");

    return max && !strcmp(max, "0");
}

int rp_serve(rp_request_t *rq)
{
    rp_store_t *store = rp_local_store();
    int caching = store && RP_OR_DEFAULT(rq->dconf->cache, 0);
    int status = rp_route_target(rq);
    const char *bypass;
    rp_lookup_t lookup;
    decision_t d = { .usable = RP_USABLE_VALIDATE };

    if (status != OK) {
        return status;
    }
    if (rq->r->method_number == M_OPTIONS && is_last_hop(rq->r)) {
        /* httpd's own handler tells of itself. */
        return DECLINED;
    }
    prepare(rq);
    bypass = caching ? bypasses(rq) : NULL;
    if (!caching || bypass) {
        return pass_through(rq, bypass);
    }
    rp_lookup(rq, store, &lookup);
    decide(rq, &lookup, &d);
    if (d.usable != RP_USABLE_VALIDATE && is_answer(rq, &lookup)) {
        return answer_hit(rq, &lookup, &d);
    }
    if (d.request_cc.only_if_cached) {
        rp_cache_status(rq, NULL, "miss", "fwd=request");
        return HTTP_GATEWAY_TIME_OUT;
    }
    return fetch_and_store(rq, &lookup, &d);
}

int rp_serve_early(rp_request_t *rq)
{
    rp_store_t *store = rp_local_store();
    rp_lookup_t lookup;
    decision_t d = { .usable = RP_USABLE_VALIDATE };

    if (!store || rp_policy_is_late(rq) || rp_cache_key_is_late(rq) || bypasses(rq) || rp_route_target(rq) != OK) {
        return DECLINED;
    }
    prepare(rq);
    rp_lookup(rq, store, &lookup);
    decide(rq, &lookup, &d);
    if (d.usable != RP_USABLE_FRESH || !is_answer(rq, &lookup)) {
        return DECLINED;
    }
    ap_run_insert_filter(rq->r);
    return answer_hit(rq, &lookup, &d);
}

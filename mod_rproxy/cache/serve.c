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
#include "cache/ask.h"
#include "cache/background.h"
#include "cache/cache.h"
#include "cache/coding.h"
#include "cache/collapse.h"
#include "cache/dictionary.h"
#include "cache/fetch.h"
#include "cache/hints.h"
#include "cache/host_store.h"
#include "cache/partial.h"
#include "cache/purge_method.h"
#include "cache/query.h"
#include "cache/save.h"
#include "limit/limit.h"
#include "route/route.h"
#include "upstream/upstream.h"

/* RFC 9110 §9.2.1 */
static int is_safe(const request_rec *r)
{
    return r->method_number == M_GET || r->method_number == M_OPTIONS || r->method_number == M_TRACE
           || !strcmp(r->method, "QUERY") || !strcmp(r->method, "PROPFIND") || !strcmp(r->method, "REPORT");
}

/* The response to a POST may be what a GET would get (RFC 9110 §9.3.3): store it then. */
static const rp_tee_t *save_for_get(rp_request_t *rq, rp_store_t *store, rp_save_t *save)
{
    rp_lookup_t *lookup = apr_pcalloc(rq->r->pool, sizeof(*lookup));
    rp_cc_t request_cc;

    if (rq->r->method_number != M_POST || rq->is_part || !apr_table_get(rq->response.fields, "Content-Location")) {
        return NULL;
    }
    lookup->store = store;
    lookup->url_key = lookup->key_text = rp_cache_key(rq);
    lookup->since = store->ops->stamp(store); /* of now: this very request has just purged what was there */
    rp_read_client(rq, &request_cc);
    rp_policy_request(rq);
    return rq->policy.bypass ? NULL : rp_save_begin(rq, lookup, &request_cc, save);
}

/* The backend's answer as it is. With a cache on, fwd says why it had no part in it. */
static int pass_through(rp_request_t *rq, const char *fwd)
{
    rp_store_t *store = fwd ? rp_host_store() : NULL;
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

    if (r->method_number != M_GET && !(rp_is_query(rq) && rp_query_may_cache(rq))) {
        return "fwd=method";
    }
    if (rq->is_part) {
        return "fwd=bypass";
    }
    /* Conditions for the origin to judge (RFC 9111 §4.3.2), and content that may mean something. */
    if (apr_table_get(r->headers_in, "If-Match") || apr_table_get(r->headers_in, "If-Unmodified-Since")
        || apr_table_get(r->headers_in, "Upgrade")
        || (!rp_is_query(rq) && (apr_table_get(r->headers_in, "Transfer-Encoding")
                                 || apr_table_get(r->headers_in, "Content-Length")))) {
        return "fwd=request";
    }
    rp_policy_request(rq);
    return rq->policy.bypass ? "fwd=bypass" : NULL;
}

static int answer_hit(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d)
{
    return rp_answer_hit(rq, lookup, d, d->usable == RP_USABLE_FRESH ? "hit" : "stale", "hit");
}

/* RFC 5861 §3: the client does not wait for what it may do without. */
static int answer_and_refresh(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d)
{
    const rp_cc_t *cc = &d->request_cc;

    /* What comes of these may not be stored, or the backend is not to be asked for them. */
    if (!cc->no_store && !cc->only_if_cached) {
        rp_refresh_later(rq, lookup);
    }
    return rp_answer_hit(rq, lookup, d, "stale", "hit");
}

/* RFC 9110 §7.6.2 */
static int is_last_hop(const request_rec *r)
{
    const char *max = apr_table_get(r->headers_in, "Max-Forwards");

    return max && !strcmp(max, "0");
}

int rp_serve(rp_request_t *rq)
{
    rp_store_t *store = rp_host_store();
    int caching = store && RP_OR_DEFAULT(rq->dconf->cache, 0);
    int status = rp_route_target(rq);
    const char *bypass;
    rp_lookup_t lookup;
    rp_decision_t d;

    if (status != OK) {
        return status;
    }
    if (rq->r->method_number == M_OPTIONS && is_last_hop(rq->r)) {
        /* httpd's own handler tells of itself. */
        return DECLINED;
    }
    if (rp_purge_is_ours(rq)) {
        return rp_purge_serve(rq, store);
    }
    status = rp_dictionary_serve(rq);
    if (status != DECLINED) {
        return status;
    }
    rp_coding_choose(rq);
    bypass = caching ? bypasses(rq) : NULL;
    if (caching && !bypass && rp_is_query(rq)) {
        status = rp_query_read(rq);
        if (status != OK) {
            return status;
        }
        bypass = rq->content_key ? NULL : "fwd=request";
    }
    if (!caching || bypass) {
        return pass_through(rq, bypass);
    }
    rp_look(rq, store, &lookup, &d);
    if (rp_is_usable(rq, &lookup, &d)) {
        return answer_hit(rq, &lookup, &d);
    }
    if (d.later) {
        return answer_and_refresh(rq, &lookup, &d);
    }
    if (d.request_cc.only_if_cached) {
        rp_cache_status(rq, NULL, "miss", "fwd=request");
        return HTTP_GATEWAY_TIME_OUT;
    }
    rp_hints_send(rq, &lookup);
    return rp_answer_missing(rq, &lookup, &d);
}

int rp_serve_early(rp_request_t *rq)
{
    rp_store_t *store = rp_host_store();
    rp_lookup_t lookup;
    rp_decision_t d;
    int status;

    if (!store || rp_is_query(rq) || rp_policy_is_late(rq) || rp_cache_key_is_late(rq) || rp_limit_is_late(rq->r)
        || rp_coding_is_late(rq) || bypasses(rq) || rp_route_target(rq) != OK) {
        return DECLINED;
    }
    rp_coding_choose(rq);
    rp_lookup(rq, store, &lookup);
    rp_decide(rq, &lookup, &d);
    if (d.usable != RP_USABLE_FRESH || !rp_has_answer(rq, &lookup)) {
        return DECLINED;
    }
    status = rp_limit(rq->r);
    if (status != OK) {
        return status;
    }
    ap_run_insert_filter(rq->r);
    return answer_hit(rq, &lookup, &d);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>

#include "cache/decide.h"
#include "cache/partial.h"

int rp_read_client(const rp_request_t *rq, rp_cc_t *request_cc)
{
    const apr_table_t *in = rq->r->headers_in;
    const char *cache_control = apr_table_getm(rq->r->pool, in, "Cache-Control");
    int ignored = RP_OR_DEFAULT(rq->dconf->ignore_client, 0);

    rp_cc_parse(rq->r->pool, request_cc, ignored ? NULL : cache_control);
    return !ignored && !cache_control && rp_list_has(apr_table_get(in, "Pragma"), "no-cache");
}

int rp_has_answer(const rp_request_t *rq, const rp_lookup_t *lookup)
{
    return lookup->found == RP_FOUND || rp_part_answers(rq, lookup);
}

void rp_decide(rp_request_t *rq, const rp_lookup_t *lookup, rp_decision_t *d)
{
    const rp_record_t *record = &lookup->record;
    int pragma = rp_read_client(rq, &d->request_cc);
    rp_secs_t lifetime = record->lifetime;

    if (pragma) {
        /* RFC 9111 §5.4 */
        d->request_cc.no_cache = 1;
    }
    d->usable = RP_USABLE_VALIDATE;
    d->later = 0;
    d->age = d->ttl = 0;
    if (lookup->found != RP_FOUND && lookup->found != RP_FOUND_PART) {
        return;
    }
    rp_policy_response(rq, record->status, record->fields);
    rp_response_cc(rq->r->pool, rp_policy_heeded(rq, record->fields), rp_cache_targets(rq->dconf), &d->response_cc);
    d->age = rp_current_age(record->initial_age, record->response_time, apr_time_sec(apr_time_now()));
    if (lookup->entry.soft && lifetime > d->age) {
        /* A soft purge ends its freshness now. */
        lifetime = d->age;
    }
    d->ttl = lifetime - d->age;
    if (lookup->entry.soft == RP_DOUBT) {
        /* Perhaps somebody has purged it for a reason: no permission to use what is stale covers that. */
        return;
    }
    d->usable = rp_usable(&d->response_cc, &d->request_cc, pragma, lifetime, d->age);
    if (d->usable == RP_USABLE_VALIDATE && d->ttl <= 0 && !pragma && lookup->found == RP_FOUND) {
        d->later = rp_may_revalidate_later(&d->response_cc, &d->request_cc, rq->policy.stale_while_revalidate, lifetime,
                                           d->age);
    }
}

void rp_look(rp_request_t *rq, rp_store_t *store, rp_lookup_t *lookup, rp_decision_t *d)
{
    rp_lookup(rq, store, lookup);
    rp_decide(rq, lookup, d);
    if (d->usable != RP_USABLE_FRESH && rp_lookup_later(rq, lookup)) {
        rp_decide(rq, lookup, d);
    }
}

int rp_is_usable(const rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d)
{
    return d->usable != RP_USABLE_VALIDATE && rp_has_answer(rq, lookup);
}

int rp_covers_failure(const rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d)
{
    return rp_has_answer(rq, lookup) && lookup->entry.soft != RP_DOUBT
           && (rp_may_use_disconnected(&d->response_cc, &d->request_cc, d->age)
               || rp_may_cover_error(&d->response_cc, &d->request_cc, rq->policy.stale_if_error,
                                     d->age + d->ttl, d->age));
}

int rp_covers_status(const rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d, int status)
{
    /* RFC 5861 §4 */
    return rp_has_answer(rq, lookup) && lookup->entry.soft != RP_DOUBT
           && (status == 500 || status == 502 || status == 503 || status == 504)
           && rp_may_cover_error(&d->response_cc, &d->request_cc, rq->policy.stale_if_error, d->age + d->ttl, d->age);
}

const char *rp_forward_reason(const rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d)
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

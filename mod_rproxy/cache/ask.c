/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_protocol.h>
#include <apr_strings.h>

#include "cache/answer.h"
#include "cache/ask.h"
#include "cache/collapse.h"
#include "cache/farm_fetch.h"
#include "cache/fetch.h"
#include "cache/hints.h"
#include "cache/partial.h"
#include "cache/save.h"
#include "upstream/upstream.h"

int rp_answer_hit(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d, const char *note, const char *params)
{
    rp_cache_status(rq, lookup->record.fields, note,
                    apr_pstrcat(rq->r->pool, params, "; ttl=", apr_off_t_toa(rq->r->pool, (apr_off_t)d->ttl), NULL));
    return rp_answer_stored(rq, lookup, d->age);
}

void rp_remove_conditions(rp_request_t *rq)
{
    apr_table_unset(rq->fields, "If-None-Match");
    apr_table_unset(rq->fields, "If-Modified-Since");
}

int rp_add_validators(rp_request_t *rq, const rp_lookup_t *lookup)
{
    const char *etag = apr_table_get(lookup->record.fields, "ETag");
    const char *modified = apr_table_get(lookup->record.fields, "Last-Modified");

    rp_remove_conditions(rq);
    if (etag) {
        apr_table_setn(rq->fields, "If-None-Match", etag);
    }
    if (modified) {
        apr_table_setn(rq->fields, "If-Modified-Since", modified);
    }
    return etag || modified;
}

static int has_conditions(const apr_table_t *fields)
{
    return apr_table_get(fields, "If-None-Match") || apr_table_get(fields, "If-Modified-Since");
}

static int answer_revalidated(rp_request_t *rq, rp_lookup_t *lookup, const char *fwd)
{
    rp_secs_t age;

    rp_finish_exchange(rq);
    if (!lookup->record.lifetime) {
        rp_collapse_remember(lookup, 0);
    }
    rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_STORED, 0);
    age = rp_current_age(lookup->record.initial_age, lookup->record.response_time, apr_time_sec(apr_time_now()));
    rp_cache_status(rq, lookup->record.fields, "revalidated",
                    apr_psprintf(rq->r->pool, "fwd=%s; fwd-status=304; ttl=%" APR_INT64_T_FMT, fwd,
                                 (apr_int64_t)(lookup->record.lifetime - age)));
    return rp_answer_stored(rq, lookup, age);
}

static int answer_stale(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d, const char *fwd, int status)
{
    const char *params = apr_psprintf(rq->r->pool, status ? "fwd=%s; fwd-status=%d" : "fwd=%s", fwd, status);

    /* What the failure would have told the client. */
    apr_table_unset(rq->r->err_headers_out, "Retry-After");
    return rp_answer_hit(rq, lookup, d, "stale", params);
}

/* No backend gave an answer, or the client is gone. */
static int failed(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d, const char *fwd, int status)
{
    int backends_fault = status == HTTP_BAD_GATEWAY || status == HTTP_SERVICE_UNAVAILABLE
                         || status == HTTP_GATEWAY_TIME_OUT;

    rp_collapse_end(rq->r->pool, lookup, backends_fault ? RP_FLIGHT_FAILED : RP_FLIGHT_LEFT, status);
    if (backends_fault && rp_covers_failure(rq, lookup, d)) {
        return answer_stale(rq, lookup, d, fwd, 0);
    }
    rp_cache_status(rq, NULL, "miss", apr_psprintf(rq->r->pool, "fwd=%s", fwd));
    return status;
}

/* Is what came of it what others would get as well? */
static int speaks_for_others(const rp_request_t *rq)
{
    return rq->response.status < 500 && !apr_table_get(rq->r->headers_in, "Authorization");
}

static const rp_tee_t *begin_saving(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d, rp_save_t *save)
{
    const rp_tee_t *tee = rp_save_begin(rq, lookup, &d->request_cc, save);

    if (!tee) {
        /* A backend in trouble will give better answers again. */
        if (lookup->flight.token && speaks_for_others(rq)) {
            rp_collapse_remember(lookup, 0);
        }
        rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_PRIVATE, 0);
    }
    else {
        rp_farm_fetch_comes(lookup, rq->r->pool, save->incoming.len);
    }
    return tee;
}

static int fetch(rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d)
{
    int status = rp_fetch(rq);

    if (status == OK) {
        rp_hints_learn(rq, lookup, &d->request_cc);
    }
    return status;
}

int rp_ask(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d)
{
    const char *fwd = rp_forward_reason(rq, lookup, d);
    int ranged = apr_table_get(rq->r->headers_in, "Range") != NULL;
    int asked = 0, completing = 0, status = rp_fetch_fields(rq), came;
    const rp_tee_t *tee;
    rp_save_t save;

    if (status != OK) {
        rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_LEFT, 0);
        return status;
    }
    if (rp_has_answer(rq, lookup) && !(ranged && has_conditions(rq->fields))) {
        asked = rp_add_validators(rq, lookup);
    }
    else if (!ranged) {
        /* A whole response serves everybody who comes after; this client gets its 304 from it. */
        rp_remove_conditions(rq);
        completing = rp_part_ask(rq, lookup);
    }
    status = fetch(rq, lookup, d);
    if (status == OK && asked && rq->response.status == HTTP_NOT_MODIFIED) {
        if (rp_save_freshened(rq, lookup, &d->request_cc)) {
            return answer_revalidated(rq, lookup, fwd);
        }
        rp_finish_exchange(rq);
        rp_remove_conditions(rq);
        status = fetch(rq, lookup, d);
    }
    if (status != OK) {
        return failed(rq, lookup, d, fwd, status);
    }
    if (rp_covers_status(rq, lookup, d, rq->response.status)) {
        status = rq->response.status;
        rp_drop_conn(rq);
        rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_FAILED, status);
        return answer_stale(rq, lookup, d, fwd, status);
    }
    if (rq->r->header_only && lookup->found == RP_FOUND && rq->response.status == HTTP_OK) {
        rp_save_head(rq, lookup, &d->request_cc);
    }
    came = rq->response.status;
    if (completing) {
        status = rp_part_join(rq, lookup);
        if (status != OK) {
            return failed(rq, lookup, d, fwd, status);
        }
        came = lookup->joined ? came : rq->response.status;
    }
    tee = begin_saving(rq, lookup, d, &save);
    rp_cache_status(rq, rq->response.fields, "miss",
                    apr_psprintf(rq->r->pool, "fwd=%s; fwd-status=%d%s", fwd, came, tee ? "; stored" : ""));
    return rp_answer_fetched(rq, tee, !ranged);
}

void rp_refresh(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d)
{
    int asked = rp_add_validators(rq, lookup), status = fetch(rq, lookup, d);
    const rp_tee_t *tee;
    rp_save_t save;

    if (status == OK && asked && rq->response.status == HTTP_NOT_MODIFIED) {
        if (rp_save_freshened(rq, lookup, &d->request_cc)) {
            rp_finish_exchange(rq);
            rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_STORED, 0);
            return;
        }
        rp_finish_exchange(rq);
        rp_remove_conditions(rq);
        status = fetch(rq, lookup, d);
    }
    if (status != OK) {
        rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_FAILED, status);
        return;
    }
    if (rp_covers_status(rq, lookup, d, rq->response.status)) {
        rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_FAILED, rq->response.status);
        rp_drop_conn(rq);
        return;
    }
    tee = begin_saving(rq, lookup, d, &save);
    if (tee) {
        rp_relay(rq, tee);
        return;
    }
    rp_drop_conn(rq);
    if (speaks_for_others(rq)) {
        /* What there is now is not for the cache, so what there was is not the answer any more. */
        lookup->store->ops->remove(lookup->store, lookup->key);
    }
}

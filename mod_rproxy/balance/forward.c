/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** From member to member until one answers. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_strings.h>

#include "balance/balance.h"
#include "lane/lane.h"
#include "log.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

/* Methods that may be sent again when nobody knows whether the first time arrived (RFC 9110 §9.2.2). */
static int is_idempotent(const request_rec *r)
{
    switch (r->method_number) {
    case M_GET:
    case M_OPTIONS:
    case M_PUT:
    case M_DELETE:
        return 1;
    default:
        /* RFC 10008 §2 */
        return !strcmp(r->method, "QUERY");
    }
}

static void use_member(rp_request_t *rq, const rp_member_t *member)
{
    rq->member = member->peer.conf->url;
    rq->attempts++;
    apr_table_setn(rq->r->notes, "rproxy-member", rq->member);
    apr_table_setn(rq->r->notes, "rproxy-attempts", apr_itoa(rq->r->pool, rq->attempts));
}

/* A connection to a member: an idle one, or with fresh a new one. On failure the member is down and told so. */
static int connect_member(rp_request_t *rq, rp_choice_t *choice, int fresh)
{
    rp_member_t *member = choice->member;
    apr_interval_time_t patience = RP_OR_DEFAULT(rq->dconf->connect_timeout, RP_DEFAULT_CONNECT_TIMEOUT);

    rq->conn = fresh ? NULL : rp_conn_take(&member->peer);
    if (!rq->conn) {
        rq->conn = rp_conn_open(&member->peer, RP_DEADLINE(patience), rp_request_endpoints(rq, &member->peer), rq->r->pool,
                                &rq->failure);
    }
    if (rq->conn) {
        rp_choice_carry(choice, rq->conn);
        return 1;
    }
    rp_choice_report(rq, choice, RP_OUTCOME_CONNECT);
    rp_choice_leave(choice);
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, rq->r, RPLOGNO(0305) "pool %s, member %s, phase %s: %s (%s); it is skipped "
                  "for %" APR_TIME_T_FMT " ms", rq->route->pool_name, member->peer.conf->url, rq->failure.phase,
                  rq->failure.cause, rq->failure.type, apr_time_as_msec(rp_get(member->slot->out_until) - rp_now()));
    return 0;
}

static rp_exchange_e exchange_with(rp_request_t *rq, rp_choice_t *choice)
{
    rp_exchange_e e = rp_exchange(rq);

    /* Once only, and never where the backend might have begun to act on it. */
    if (e == RP_EXCHANGE_STALE && !rq->body_begun && is_idempotent(rq->r)) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, rq->r, RPLOGNO(0306) "a kept connection to %s was closed; trying a new "
                      "one", choice->member->peer.conf->url);
        use_member(rq, choice->member);
        e = rp_member_enter(choice->member) && connect_member(rq, choice, 1) ? rp_exchange(rq) : RP_EXCHANGE_FAILED;
    }
    return e;
}

/* For the member's record: what an exchange that is over up to the response's head came to. */
static rp_outcome_e outcome_of(const rp_request_t *rq, rp_exchange_e e)
{
    if (e == RP_EXCHANGE_DONE) {
        return rq->response.status >= 500 ? RP_OUTCOME_ERROR : RP_OUTCOME_OK;
    }
    return rq->failure.status == HTTP_GATEWAY_TIME_OUT ? RP_OUTCOME_TIMEOUT : RP_OUTCOME_RESET;
}

static int nobody_left(rp_request_t *rq, const rp_pool_t *pool)
{
    if (rq->attempts == 0) {
        apr_table_setn(rq->r->notes, "rproxy-attempts", "0");
        rp_failure_set(rq, HTTP_SERVICE_UNAVAILABLE, "destination_unavailable", "pick",
                       "all members have failed to connect just now");
        apr_table_setn(rq->r->err_headers_out, "Retry-After",
                       apr_itoa(rq->r->pool, rp_pool_retry_after(pool, rp_now())));
    }
    return rp_fail(rq);
}

int rp_client_failed(rp_request_t *rq)
{
    if (rq->failure.status) {
        return rq->failure.status;
    }
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, rq->r, RPLOGNO(0307) "the client went away before the response");
    apr_table_setn(rq->r->notes, "rproxy-error", "client-gone");
    rq->r->connection->aborted = 1;
    rq->r->connection->keepalive = AP_CONN_CLOSE;
    /* What access logs of other servers call such a request, too. */
    rq->r->status = 499;
    return DONE;
}

int rp_forward(rp_request_t *rq)
{
    rp_pool_t *pool = rq->route->pool->pool;
    unsigned char *tried = apr_pcalloc(rq->r->pool, pool->state.nslots);
    rp_choice_t choice;

    /* Bounded: every turn either ends or marks one more member as tried. */
    while (rp_pool_choose(rq, pool, tried, &choice)) {
        rp_exchange_e e;

        tried[choice.member->index] = 1;
        use_member(rq, choice.member);
        if (!connect_member(rq, &choice, 0)) {
            continue;
        }
        e = exchange_with(rq, &choice);
        if (e == RP_EXCHANGE_CLIENT) {
            return rp_client_failed(rq);
        }
        rp_choice_report(rq, &choice, outcome_of(rq, e));
        if (e != RP_EXCHANGE_DONE) {
            return rp_fail(rq);
        }
        return rq->response.status == HTTP_SWITCHING_PROTOCOLS ? rp_tunnel(rq) : OK;
    }
    return nobody_left(rq, pool);
}

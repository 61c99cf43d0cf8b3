/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** From member to member until one answers. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_strings.h>

#include "balance/forward.h"
#include "balance/sticky.h"
#include "lane/lane.h"
#include "log.h"
#include "status/counters.h"

APLOG_USE_MODULE(rproxy);

/* To connect to one member after another may take so many times as long as to connect to one, and no longer. */
#define CONNECTS 3
/* The shortest time that is worth beginning with, as a part of the longest. */
#define SHORTEST 32

/* So often it is logged that a pool has nobody: each of its requests would say the same. */
#define TELL_EVERY apr_time_from_sec(10)

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

void rp_forward_name(rp_forward_t *f)
{
    f->rq->member = f->choice.url;
    apr_table_setn(f->rq->r->notes, "rproxy-member", f->rq->member);
}

void rp_forward_use(rp_forward_t *f)
{
    /* Once its use is over the member may be removed, and forgotten. */
    f->choice.url = apr_pstrdup(f->rq->r->pool, f->choice.member->peer.conf->url);
    rp_forward_name(f);
    f->rq->attempts++;
    apr_table_setn(f->rq->r->notes, "rproxy-attempts", apr_itoa(f->rq->r->pool, f->rq->attempts));
}

static apr_interval_time_t connect_timeout(const rp_request_t *rq)
{
    return RP_OR_DEFAULT(rq->dconf->connect_timeout, RP_DEFAULT_CONNECT_TIMEOUT);
}

/* A connection to a member: an idle one, or with fresh a new one. On failure the member is down and told so. */
static int connect_member(rp_request_t *rq, rp_choice_t *choice, apr_interval_time_t patience, int fresh)
{
    rp_member_t *member = choice->member;

    rq->conn = fresh ? NULL : rp_conn_take(&member->peer);
    if (!rq->conn) {
        apr_time_t began = rp_now();

        rq->conn = rp_conn_open(&member->peer, rp_try_deadline(rq, patience), rp_request_endpoints(rq, &member->peer),
                                -1, rq->r->pool, &rq->failure);
        rq->account.connect += rp_now() - began;
    }
    if (rq->conn) {
        rp_choice_carry(choice, rq->conn);
        return 1;
    }
    /* The last byte is 0, and stays so, whoever else writes meanwhile. */
    strncpy(member->info->connect_cause, rq->failure.cause, sizeof(member->info->connect_cause) - 1);
    rp_choice_report(rq, choice, RP_OUTCOME_CONNECT);
    ap_log_rerror(APLOG_MARK, choice->early ? APLOG_INFO : APLOG_WARNING, 0, rq->r, RPLOGNO(0305) "pool %s, member %s, phase %s: %s (%s); it is skipped "
                  "for %" APR_TIME_T_FMT " ms", rq->route->pool_name, member->peer.conf->url, rq->failure.phase,
                  rq->failure.cause, rq->failure.type, apr_time_as_msec(rp_get(member->slot->out_until) - rp_now()));
    rp_choice_leave(choice);
    return 0;
}

/* Choose the next member that there is a connection to. @return 0 when there is none */
static int connect_next(rp_forward_t *f)
{
    rp_request_t *rq = f->rq;
    apr_interval_time_t most = connect_timeout(rq), left = CONNECTS * most;

    /* Bounded: every turn either ends or marks one more member as tried, and those that let us wait share the time. */
    while (left > most / SHORTEST && rp_pool_choose(rq, f->pool, f->tried, &f->choice)) {
        apr_time_t began = rp_now();

        f->tried[f->choice.member->index] = 1;
        f->early = f->choice.early;
        rp_forward_use(f);
        rq->try_until = f->patience ? f->choice.began + f->patience : 0;
        if (connect_member(rq, &f->choice, left / 2 < most ? left / 2 : most, 0)) {
            return 1;
        }
        if (!(f->on->causes & RP_RETRY_CONNECT)) {
            break;
        }
        left -= rp_now() - began;
    }
    return 0;
}

/* A kept connection was dead: once only, and never where the backend might have begun to act on the request. */
static int is_worth_reconnecting(const rp_forward_t *f)
{
    return !f->rq->body_begun && (f->may_repeat || is_idempotent(f->rq->r));
}

static rp_exchange_e exchange(rp_forward_t *f)
{
    rp_request_t *rq = f->rq;
    apr_interval_time_t delay = rp_hedge_delay(f);
    int is_kept = !delay && rq->conn->exchanges > 0;
    rp_exchange_e e;

    if (is_kept) {
        /* It may be dead, and the member's use is ours all the same, for another one. */
        rp_choice_keep(&f->choice, rq->conn);
    }
    e = delay ? rp_hedge_exchange(f, delay) : rp_exchange(rq);
    if (e == RP_EXCHANGE_STALE && is_worth_reconnecting(f) && (is_kept || rp_member_enter(f->choice.member))) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, rq->r, RPLOGNO(0306) "a kept connection to %s was closed; trying a new "
                      "one", rq->member);
        rp_forward_use(f);
        rp_exchange_again(rq);
        return connect_member(rq, &f->choice, connect_timeout(rq), 1) ? rp_exchange(rq) : e;
    }
    if (is_kept && rq->conn) {
        rp_choice_carry(&f->choice, rq->conn);
    }
    else if (is_kept) {
        rp_choice_leave(&f->choice);
    }
    return e;
}

void rp_forward_report(rp_forward_t *f, rp_exchange_e e)
{
    rp_outcome_e outcome = e == RP_EXCHANGE_TIMEOUT ? RP_OUTCOME_TIMEOUT : RP_OUTCOME_RESET;

    /* Closing connections that nobody uses is no fault. */
    if (e == RP_EXCHANGE_CLIENT || e == RP_EXCHANGE_STALE) {
        return;
    }
    if (e == RP_EXCHANGE_DONE) {
        outcome = f->rq->response.status >= 500 ? RP_OUTCOME_ERROR : RP_OUTCOME_OK;
    }
    if (f->rq->sent) {
        /* The time that a client takes to send its content says nothing of the member. */
        f->choice.began = f->rq->sent;
    }
    if (f->may_hedge && (e == RP_EXCHANGE_DONE || e == RP_EXCHANGE_TIMEOUT)) {
        apr_time_t now = rp_now();

        rp_quantile_add(&f->pool->state.shared->latencies, now - f->choice.began, now);
    }
    rp_choice_report(f->rq, &f->choice, outcome);
}

/* Why another member might do better: an RP_RETRY_ bit, or 0. */
static int cause_of(const rp_forward_t *f, rp_exchange_e e)
{
    switch (e) {
    case RP_EXCHANGE_DONE:
        return rp_retry_is_on(f->on, f->rq->response.status) ? RP_RETRY_STATUS : 0;
    case RP_EXCHANGE_STALE:
        /* Whoever closed that connection has not acted on the request, and takes no new one. */
        return is_worth_reconnecting(f) ? RP_RETRY_CONNECT : RP_RETRY_RESET;
    case RP_EXCHANGE_LOST:
        return RP_RETRY_RESET;
    case RP_EXCHANGE_TIMEOUT:
        return RP_RETRY_TIMEOUT;
    default:
        return 0;
    }
}

/* May it go on for that cause, as far as the configuration and the request say? */
static int may_go_on(const rp_forward_t *f, int cause)
{
    if (!(f->on->causes & cause)) {
        return 0;
    }
    return cause == RP_RETRY_CONNECT || (f->seen < f->attempts && f->may_repeat && !f->rq->body_begun);
}

int rp_forward_anybody_left(const rp_forward_t *f)
{
    unsigned i;

    for (i = 0; i < f->pool->state.nslots; i++) {
        if (!f->tried[i] && rp_slot_holds(&f->pool->state.slots[i])) {
            return 1;
        }
    }
    return 0;
}

/* Is there room for another try in the pool's budget? */
static int may_spend(const rp_forward_t *f)
{
    rp_budget_t *budget = &f->pool->state.shared->budget;
    const rp_budget_conf_t *conf = rp_retry_budget(f->pool->conf);
    apr_time_t now = rp_now();

    if (rp_budget_withdraw(budget, conf->share, conf->floor, now)) {
        return 1;
    }
    if (rp_budget_tell(budget, now)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, f->rq->r, RPLOGNO(0351) "pool %s: more requests fail than "
                      "RProxyRetryBudget %d%% floor=%d lets be sent again; failures go to the clients",
                      f->pool->conf->name, conf->share, conf->floor);
    }
    return 0;
}

static void log_retry(const rp_forward_t *f, const char *failed, int cause, const rp_failure_t *failure)
{
    const rp_request_t *rq = f->rq;

    if (cause == RP_RETRY_STATUS) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, rq->r, RPLOGNO(0352) "pool %s, member %s answered %d; trying %s",
                      f->pool->conf->name, failed, rq->response.status, rq->member);
    }
    else {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, rq->r, RPLOGNO(0353) "pool %s, member %s, phase %s: %s (%s); "
                      "trying %s", f->pool->conf->name, failed, failure->phase, failure->cause, failure->type, rq->member);
    }
}

/*
 * Go on to another member that there is a connection to, when what came of this one's exchange asks for it.  Only then
 * what this one said is given up: without another it is the answer. @return 0 then, *e being what to answer
 */
static int go_on(rp_forward_t *f, rp_exchange_e *e)
{
    rp_request_t *rq = f->rq;
    rp_conn_t *held = rq->conn;
    rp_failure_t failure = rq->failure;
    rp_choice_t failed = f->choice;
    int cause = cause_of(f, *e);

    if (!cause || !may_go_on(f, cause) || !rp_forward_anybody_left(f) || (cause != RP_RETRY_CONNECT && !may_spend(f))) {
        return 0;
    }
    if (!connect_next(f)) {
        if (cause != RP_RETRY_CONNECT) {
            rp_budget_refund(&f->pool->state.shared->budget, rp_now());
        }
        rq->conn = held;
        rq->failure = failure;
        if (f->choice.how == RP_CHOSEN_GONE) {
            rp_drop_conn(rq);
            rq->failure.status = 0;
            *e = RP_EXCHANGE_CLIENT;
        }
        f->choice = failed;
        rp_forward_name(f);
        return 0;
    }
    if (cause != RP_RETRY_CONNECT) {
        log_retry(f, failed.url, cause, &failure);
    }
    if (held) {
        rp_discard_response(held, &rq->response.framing);
    }
    rp_exchange_again(rq);
    return 1;
}

static int is_to_be_told(const rp_pool_t *pool)
{
    apr_int64_t told = rp_get(pool->state.shared->told), now = rp_now();

    return (!told || now - told >= TELL_EVERY)
           && __atomic_compare_exchange_n(&pool->state.shared->told, &told, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static int nobody_left(const rp_forward_t *f)
{
    rp_request_t *rq = f->rq;
    rp_pool_t *pool = f->pool;
    rp_chosen_e why = f->choice.how;
    /* To have tried who takes no connections is to have found nobody. */
    int nobody = rq->attempts == 0 || f->early;

    if (rq->attempts == 0) {
        apr_table_setn(rq->r->notes, "rproxy-attempts", "0");
    }
    if (why == RP_CHOSEN_GONE) {
        return rp_client_failed(rq);
    }
    if (why == RP_CHOSEN_REFUSED) {
        return rp_pool_refused(rq, pool);
    }
    if (!rp_sticky_refused(rq, pool) && nobody) {
        rp_failure_set(rq, HTTP_SERVICE_UNAVAILABLE, "destination_unavailable", "pick",
                       "all members have failed to connect just now");
        apr_table_setn(rq->r->err_headers_out, "Retry-After",
                       apr_itoa(rq->r->pool, rp_pool_retry_after(pool, rp_now())));
    }
    return !nobody || is_to_be_told(pool) ? rp_fail(rq) : rp_fail_quietly(rq);
}

int rp_client_failed(rp_request_t *rq)
{
    if (rq->failure.status) {
        return rq->failure.status;
    }
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, rq->r, RPLOGNO(0307) "the client went away before the response");
    apr_table_setn(rq->r->notes, "rproxy-error", "client-gone");
    rp_count(RP_COUNT_ERRORS_CLIENT, 1);
    rq->r->connection->aborted = 1;
    rq->r->connection->keepalive = AP_CONN_CLOSE;
    /* What access logs of other servers call such a request, too. */
    rq->r->status = 499;
    return DONE;
}

static int conclude(rp_request_t *rq, rp_exchange_e e)
{
    switch (e) {
    case RP_EXCHANGE_DONE:
        rp_sticky_answered(rq, (const rp_member_t *)rq->conn->peer);
        return rq->response.status == HTTP_SWITCHING_PROTOCOLS ? rp_tunnel(rq) : OK;
    case RP_EXCHANGE_CLIENT:
        return rp_client_failed(rq);
    default:
        return rp_fail(rq);
    }
}

static void begin(rp_forward_t *f, rp_request_t *rq)
{
    static const rp_retry_on_t never = { 0, 0, { { 0, 0 } } };
    const rp_dir_conf_t *conf = rq->dconf;
    int enabled = RP_OR_DEFAULT(conf->retry.enabled, 1);

    f->rq = rq;
    f->pool = rq->route->pool->pool;
    f->tried = apr_pcalloc(rq->r->pool, f->pool->state.nslots);
    f->on = enabled ? rp_retry_on(conf) : &never;
    f->attempts = RP_OR_DEFAULT(conf->retry.attempts, RP_DEFAULT_RETRY_ATTEMPTS);
    f->seen = 0;
    f->may_repeat = rp_is_safe_method(rq->r) || (enabled && RP_OR_DEFAULT(conf->retry.unsafe, 0));
    f->patience = f->may_repeat && enabled ? RP_OR_DEFAULT(conf->retry.patience, 0) : 0;
    rq->keep_most = (f->may_repeat || is_idempotent(rq->r)) && enabled && rq->body != RP_BODY_NONE
                  ? (apr_uint64_t)RP_OR_DEFAULT(conf->retry.body, RP_DEFAULT_RETRY_BODY) : 0;
    f->may_hedge = f->pool->conf->hedge && enabled && f->attempts > 1 && rp_is_safe_method(rq->r)
                 && rq->body == RP_BODY_NONE && !rq->upgrade;
    f->early = 0;
    rq->queue_ticket = 0;
}

int rp_forward(rp_request_t *rq)
{
    rp_forward_t f;

    begin(&f, rq);
    rq->account.asked = rq->account.asked ? rq->account.asked : rp_now();
    if (!connect_next(&f)) {
        return nobody_left(&f);
    }
    rp_budget_deposit(&f.pool->state.shared->budget, f.choice.began);
    /* Bounded: every turn either ends or has marked one more member as tried. */
    for (;;) {
        rp_exchange_e e = exchange(&f);

        f.seen++;
        rp_forward_report(&f, e);
        if (!go_on(&f, &e)) {
            return conclude(rq, e);
        }
    }
}

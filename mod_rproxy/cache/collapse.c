/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <http_protocol.h>
#include <apr_shm.h>
#include <apr_strings.h>

#include "cache/answer.h"
#include "cache/ask.h"
#include "cache/collapse.h"
#include "cache/farm_fetch.h"
#include "cache/fetch.h"
#include "cache/follow.h"
#include "lane/lane.h"
#include "log.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

/* Who waits looks this often whether the fetcher's process is still alive. */
#define LOOK_EVERY apr_time_from_msec(200)
/* How long a URL whose response was of no use to others is fetched by everybody for himself. */
#define REMEMBER apr_time_from_sec(120)
/* Fetches that one request waits for, one after the other. */
#define MAX_TURNS 16
/* Who waits for another host looks this often, should its word have got lost. */
#define LOOK_AT_FARM apr_time_from_sec(1)

static rp_flights_t *flights;
static rp_bell_t *bell;

void rp_collapse_prepare(apr_pool_t *pconf, server_rec *main_server)
{
    apr_shm_t *shm;
    apr_status_t rv = apr_shm_create(&shm, rp_flights_size(), NULL, pconf);

    flights = NULL;
    if (rv == APR_SUCCESS) {
        memset(apr_shm_baseaddr_get(shm), 0, rp_flights_size());
        rv = rp_flights_init(apr_shm_baseaddr_get(shm), &flights);
    }
    if (rv != APR_SUCCESS) {
        flights = NULL;
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, main_server, RPLOGNO(0207) "no shared memory for the fetches in progress: "
                     "requests for one missing response are not collapsed");
    }
}

void rp_collapse_child_init(apr_pool_t *p, server_rec *main_server)
{
    apr_status_t rv = flights ? rp_flights_bell(flights, p, &bell) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        flights = NULL;
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, main_server, RPLOGNO(0208) "this child process cannot wait for others' "
                     "fetches: its requests are not collapsed");
    }
}

/* ------------------------------------------------------------------ the fetcher's side */

static apr_interval_time_t stall_of(const rp_request_t *rq)
{
    return RP_OR_DEFAULT(rq->dconf->collapse.stall, RP_DEFAULT_COLLAPSE_STALL);
}

static rp_flight_role_e join(rp_request_t *rq, rp_lookup_t *lookup)
{
    return rp_flight_join(flights, lookup->key, rp_now(), stall_of(rq), &lookup->flight);
}

int rp_collapse_lead(rp_request_t *rq, rp_lookup_t *lookup)
{
    if (!flights) {
        return 1;
    }
    if (join(rq, lookup) == RP_FLIGHT_WAIT) {
        lookup->flight.token = 0;
        return 0;
    }
    return 1;
}

void rp_collapse_readable(rp_lookup_t *lookup, uint64_t object, uint64_t published)
{
    if (lookup->flight.token) {
        rp_flight_readable(flights, &lookup->flight, object, published, rp_now());
    }
}

void rp_collapse_end(apr_pool_t *p, rp_lookup_t *lookup, rp_flight_phase_e phase, int status)
{
    rp_farm_fetch_end(lookup, p, phase);
    if (lookup->flight.token) {
        rp_flight_end(flights, &lookup->flight, phase, status);
    }
}

int rp_collapse_is_followed(const rp_lookup_t *lookup)
{
    return lookup->flight.token && rp_flight_is_followed(flights, &lookup->flight);
}

void rp_collapse_remember(const rp_lookup_t *lookup, int shared)
{
    if (!flights) {
        return;
    }
    if (shared) {
        rp_flights_set_shared(flights, lookup->key);
    }
    else {
        rp_flights_set_private(flights, lookup->key, rp_now() + REMEMBER);
    }
}

/* ------------------------------------------------------------------ the others' side */

/* Requests whose answer others may not be able to use, or that want more than what others get, go for themselves. */
static int may_collapse(const rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d)
{
    const apr_table_t *in = rq->r->headers_in;
    const rp_cc_t *cc = &d->request_cc;

    return flights && !rq->r->header_only && RP_OR_DEFAULT(rq->dconf->collapse.on, 1) && !rq->policy.no_collapse && !cc->no_store && !cc->no_cache
           && cc->max_age == RP_NO_TIME && cc->min_fresh == RP_NO_TIME && !apr_table_get(in, "Range")
           && !apr_table_get(in, "Authorization") && !apr_table_get(in, "Pragma")
           && !rp_flights_is_private(flights, lookup->key, rp_now());
}

static int client_gone(rp_request_t *rq)
{
    rq->r->connection->aborted = 1;
    rq->r->connection->keepalive = AP_CONN_CLOSE;
    rq->r->status = 499;
    return DONE;
}

/* Wait until the flight has something to follow or is over. @return APR_SUCCESS, APR_TIMEUP, APR_ECONNABORTED */
static apr_status_t await(rp_request_t *rq, const rp_flight_t *flight, apr_time_t deadline, rp_flight_news_t *news)
{
    const conn_rec *c = rq->r->connection;

    for (;;) {
        apr_time_t now = rp_now();
        apr_status_t rv;

        rp_flight_news(flights, flight, news);
        if (news->phase != RP_FLIGHT_ASKED) {
            return APR_SUCCESS;
        }
        if (now >= deadline) {
            return APR_TIMEUP;
        }
        if (rp_flight_is_lost(flights, flight, now, stall_of(rq))) {
            news->phase = RP_FLIGHT_LEFT;
            return APR_SUCCESS;
        }
        rv = rp_flight_wait(flights, bell, flight, news, rp_client_fd(rq),
                            deadline < now + LOOK_EVERY ? deadline : now + LOOK_EVERY);
        if (c->aborted || (c->master && c->master->aborted)) {
            return APR_ECONNABORTED;
        }
        if (rv != APR_SUCCESS && !APR_STATUS_IS_TIMEUP(rv)) {
            return rv;
        }
    }
}

static int look_again(rp_request_t *rq, rp_lookup_t *lookup, rp_decision_t *d)
{
    rp_look(rq, lookup->store, lookup, d);
    return rp_is_usable(rq, lookup, d);
}

/* Somebody may have fetched it between our look into the store and our becoming the next one to.
 * @return nonzero when that serves; else the flight is ours still, or over when it is another variant that is wanted */
static int was_fetched(rp_request_t *rq, rp_lookup_t *lookup, rp_decision_t *d)
{
    rp_lookup_t before = *lookup;
    int usable = look_again(rq, lookup, d);

    lookup->flight = before.flight;
    lookup->lease = before.lease;
    if (usable || memcmp(before.key, lookup->key, RP_KEY_LEN)) {
        rp_collapse_end(rq->r->pool, lookup, usable ? RP_FLIGHT_STORED : RP_FLIGHT_LEFT, 0);
    }
    return usable;
}

static int answer_failure(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d, const char *fwd, int status)
{
    const char *params = apr_psprintf(rq->r->pool, "fwd=%s; collapsed", fwd);

    if (rp_covers_failure(rq, lookup, d)) {
        return rp_answer_hit(rq, lookup, d, "stale", apr_psprintf(rq->r->pool, "fwd=%s; collapsed", fwd));
    }
    rp_cache_status(rq, NULL, "miss", params);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, rq->r, RPLOGNO(0209) "answered %d, as the request that this one waited for",
                  status);
    return status;
}

/* What became of waiting. */
typedef enum outcome_e {
    OUTCOME_ANSWERED, /* with *result */
    OUTCOME_AGAIN,    /* nobody fetches any more: be the next */
    OUTCOME_ASK       /* waiting was of no use: ask without it */
} outcome_e;

static outcome_e wait_for_other(rp_request_t *rq, rp_lookup_t *lookup, rp_decision_t *d, apr_time_t deadline, int *result)
{
    rp_flight_t flight = lookup->flight;
    const char *fwd = rp_forward_reason(rq, lookup, d);
    const char *collapsed = apr_psprintf(rq->r->pool, "fwd=%s; collapsed", fwd);
    rp_flight_news_t news;
    apr_status_t rv = await(rq, &flight, deadline, &news);

    lookup->flight.token = 0;
    if (APR_STATUS_IS_ECONNABORTED(rv)) {
        *result = client_gone(rq);
        return OUTCOME_ANSWERED;
    }
    if (rv != APR_SUCCESS) {
        return OUTCOME_ASK;
    }
    switch (news.phase) {
    case RP_FLIGHT_READABLE:
        if (rp_follow(rq, lookup, d, flights, bell, &flight, &news, collapsed, result)) {
            return OUTCOME_ANSWERED;
        }
        break;
    case RP_FLIGHT_FAILED:
        *result = answer_failure(rq, lookup, d, fwd, news.status);
        return OUTCOME_ANSWERED;
    case RP_FLIGHT_PRIVATE:
        return OUTCOME_ASK;
    default:
        break;
    }
    if (look_again(rq, lookup, d)) {
        *result = rp_answer_hit(rq, lookup, d, "collapsed", collapsed);
        return OUTCOME_ANSWERED;
    }
    return news.phase == RP_FLIGHT_LEFT || lookup->found == RP_FOUND_OTHERS ? OUTCOME_AGAIN : OUTCOME_ASK;
}

/* ------------------------------------------------------------------ other hosts */

/* Another host's fetch may have ended. @return 1 when *outcome is what becomes of the request */
static int look_what_came(rp_request_t *rq, rp_lookup_t *lookup, rp_decision_t *d, rp_leased_e how, outcome_e *outcome,
                          int *result)
{
    rp_lookup_t before = *lookup;

    if (was_fetched(rq, lookup, d)) {
        const char *fwd = rp_forward_reason(rq, &before, d);

        *result = rp_answer_hit(rq, lookup, d, "collapsed", apr_psprintf(rq->r->pool, "fwd=%s; collapsed", fwd));
        *outcome = OUTCOME_ANSWERED;
        return 1;
    }
    if (memcmp(before.key, lookup->key, RP_KEY_LEN)) {
        *outcome = OUTCOME_AGAIN;
        return 1;
    }
    if (how == RP_LEASED_PRIVATE) {
        rp_collapse_remember(lookup, 0);
        rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_PRIVATE, 0);
    }
    *outcome = OUTCOME_ASK;
    return how == RP_LEASED_PRIVATE || how == RP_LEASED_FAILED;
}

/* This request fetches for the host: may it for the farm, or does another host? */
static outcome_e wait_for_farm(rp_request_t *rq, rp_lookup_t *lookup, rp_decision_t *d, apr_time_t deadline,
                               int *result)
{
    apr_time_t begin = rp_now();
    outcome_e outcome;

    while (rp_now() < deadline) {
        uint64_t seen = rp_farm_fetch_news(lookup->key);
        rp_leased_e how = RP_LEASED_DONE;
        rp_lease_other_t other;
        apr_time_t until;
        apr_status_t rv;

        switch (rp_farm_fetch_take(rq, lookup, &other)) {
        case RP_LEASE_AFTER:
            return look_what_came(rq, lookup, d, how, &outcome, result) ? outcome : OUTCOME_ASK;
        case RP_LEASE_OTHERS:
            break;
        default:
            return OUTCOME_ASK;
        }
        if (!other.answers && rp_now() - begin > stall_of(rq)) {
            return OUTCOME_ASK;
        }
        until = rp_now() + (other.left < LOOK_AT_FARM ? other.left : LOOK_AT_FARM);
        rv = rp_farm_fetch_wait(rq, lookup->key, seen, until < deadline ? until : deadline, &how);
        if (APR_STATUS_IS_ECONNABORTED(rv)) {
            rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_LEFT, 0);
            *result = client_gone(rq);
            return OUTCOME_ANSWERED;
        }
        if (look_what_came(rq, lookup, d, rv == APR_SUCCESS ? how : RP_LEASED_DONE, &outcome, result)) {
            return outcome;
        }
    }
    return OUTCOME_ASK;
}

int rp_answer_missing(rp_request_t *rq, rp_lookup_t *lookup, rp_decision_t *d)
{
    apr_time_t deadline = rp_now() + RP_OR_DEFAULT(rq->dconf->collapse.wait, RP_DEFAULT_COLLAPSE_WAIT);
    int turn, result;

    for (turn = 0; turn < MAX_TURNS && may_collapse(rq, lookup, d); turn++) {
        outcome_e outcome;

        if (join(rq, lookup) != RP_FLIGHT_WAIT) {
            if (lookup->flight.follows && was_fetched(rq, lookup, d)) {
                return rp_answer_hit(rq, lookup, d, d->usable == RP_USABLE_FRESH ? "hit" : "stale", "hit");
            }
            if (lookup->flight.follows && !lookup->flight.token) {
                continue;
            }
            outcome = wait_for_farm(rq, lookup, d, deadline, &result);
        }
        else {
            outcome = wait_for_other(rq, lookup, d, deadline, &result);
        }
        if (outcome == OUTCOME_ANSWERED) {
            return result;
        }
        if (outcome == OUTCOME_ASK) {
            break;
        }
    }
    result = rp_ask(rq, lookup, d);
    /* However it went, nobody is to wait any longer. */
    rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_LEFT, 0);
    return result;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <http_protocol.h>
#include <util_filter.h>
#include <apr_strings.h>

#include "cache/answer.h"
#include "cache/ask.h"
#include "cache/fetch.h"
#include "cache/follow.h"
#include "cache/search.h"
#include "lane/lane.h"
#include "log.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

/* Who waits looks this often whether the fetcher's process is still alive. */
#define LOOK_EVERY apr_time_from_msec(200)

typedef struct follower_t {
    rp_request_t *rq;
    rp_entry_t *entry;
    rp_flights_t *flights;
    rp_bell_t *bell;
    const rp_flight_t *flight;
    rp_flight_news_t *news;
    apr_bucket_brigade *bb;
    char *buf;
    uint64_t at;       /* bytes passed on */
    apr_time_t heard;  /* the last news, rp_now() */
    int unflushed;
} follower_t;

/* The object's record, when it is an answer to this request. */
static int is_answer(rp_request_t *rq, rp_lookup_t *lookup, uint64_t object, rp_entry_t *entry, rp_record_t *record)
{
    rp_store_t *store = lookup->store;
    const apr_table_t *selecting;

    /* Purged, softly too, since its fetch began: who comes later is to get a newer one. */
    if (store->ops->follow(store, object, rq->r->pool, entry) != APR_SUCCESS || entry->soft
        || !rp_record_decode(rq->r->pool, entry->record, record)
        || !rp_search_leads_to(rq, lookup, record->key)) {
        return 0;
    }
    if (!*record->vary) {
        return 1;
    }
    selecting = rp_cache_selecting_fields(rq);
    return selecting && !strcmp(rp_vary_selection(rq->r->pool, record->vary, selecting), record->selection);
}

static apr_status_t pass(follower_t *f)
{
    apr_status_t rv = ap_pass_brigade(f->rq->r->output_filters, f->bb);

    apr_brigade_cleanup(f->bb);
    return f->rq->r->connection->aborted ? APR_ECONNABORTED : rv;
}

/* Pass on what lies before end. @return APR_NOTFOUND when the store does not have it */
static apr_status_t send_until(follower_t *f, uint64_t end)
{
    while (f->at < end) {
        apr_size_t len = end - f->at < RP_STORE_CHUNK ? (apr_size_t)(end - f->at) : RP_STORE_CHUNK;
        apr_status_t rv = f->entry->store->ops->read(f->entry, f->at, f->buf, &len);

        if (rv != APR_SUCCESS || len == 0) {
            return APR_NOTFOUND;
        }
        f->at += len;
        f->unflushed = 1;
        APR_BRIGADE_INSERT_TAIL(f->bb, apr_bucket_transient_create(f->buf, len, f->rq->r->connection->bucket_alloc));
        rv = pass(f);
        if (rv != APR_SUCCESS) {
            return APR_ECONNABORTED;
        }
    }
    return APR_SUCCESS;
}

/* The flight is over: if this very object has become an entry, it has the rest. */
static int take_committed(follower_t *f)
{
    rp_store_t *store = f->entry->store;
    rp_entry_t committed;

    if (store->ops->get(store, f->entry->key, f->rq->r->pool, &committed) != APR_SUCCESS
        || committed.object != f->entry->object) {
        return 0;
    }
    *f->entry = committed;
    return 1;
}

static int client_gone(follower_t *f)
{
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, f->rq->r, RPLOGNO(0210) "the client went away in the middle of a body that "
                  "another request fetches");
    f->rq->r->connection->keepalive = AP_CONN_CLOSE;
    return OK;
}

static int broken(follower_t *f)
{
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, f->rq->r, RPLOGNO(0211) "a body that another request fetches breaks off; "
                  "this client's ends there as well");
    rp_break_off(f->rq, f->bb);
    return OK;
}

/* Wait for other news than are known. @return APR_SUCCESS, APR_ECONNABORTED, APR_TIMEUP */
static apr_status_t await_more(follower_t *f)
{
    rp_request_t *rq = f->rq;
    apr_interval_time_t idle = RP_OR_DEFAULT(rq->dconf->idle_timeout, RP_DEFAULT_IDLE_TIMEOUT);

    for (;;) {
        unsigned version = f->news->version;
        apr_time_t now = rp_now();
        apr_status_t rv;

        if (now - f->heard > idle || rp_flight_is_lost(f->flights, f->flight, now, idle)) {
            return APR_TIMEUP;
        }
        rv = rp_flight_wait(f->flights, f->bell, f->flight, f->news, rp_client_fd(rq), now + LOOK_EVERY);
        if (APR_STATUS_IS_ECONNABORTED(rv) || rq->r->connection->aborted
            || (rq->r->connection->master && rq->r->connection->master->aborted)) {
            rq->r->connection->aborted = 1;
            return APR_ECONNABORTED;
        }
        rp_flight_news(f->flights, f->flight, f->news);
        if (f->news->version != version || f->news->phase != RP_FLIGHT_READABLE) {
            f->heard = rp_now();
            return APR_SUCCESS;
        }
        if (rv != APR_SUCCESS && !APR_STATUS_IS_TIMEUP(rv)) {
            return APR_TIMEUP;
        }
    }
}

static apr_status_t flush(follower_t *f)
{
    if (!f->unflushed) {
        return APR_SUCCESS;
    }
    f->unflushed = 0;
    APR_BRIGADE_INSERT_TAIL(f->bb, apr_bucket_flush_create(f->rq->r->connection->bucket_alloc));
    return pass(f);
}

static int finish(follower_t *f)
{
    apr_status_t rv = send_until(f, f->entry->body_len);

    if (rv == APR_ECONNABORTED) {
        return client_gone(f);
    }
    if (rv != APR_SUCCESS) {
        return broken(f);
    }
    APR_BRIGADE_INSERT_TAIL(f->bb, apr_bucket_eos_create(f->rq->r->connection->bucket_alloc));
    pass(f);
    return OK;
}

/* Ends with the flight, with either side's going away, or when nothing comes for RProxyTimeout idle=. */
static int send_body(follower_t *f)
{
    for (;;) {
        apr_status_t rv = send_until(f, f->news->published);

        if (rv == APR_ECONNABORTED) {
            return client_gone(f);
        }
        if (f->news->phase != RP_FLIGHT_READABLE || rv != APR_SUCCESS) {
            return take_committed(f) ? finish(f) : broken(f);
        }
        rv = flush(f);
        if (rv == APR_SUCCESS) {
            rv = await_more(f);
        }
        else {
            rv = APR_ECONNABORTED;
        }
        if (rv == APR_ECONNABORTED) {
            return client_gone(f);
        }
        if (rv != APR_SUCCESS) {
            return take_committed(f) ? finish(f) : broken(f);
        }
    }
}

static int follow(rp_request_t *rq, rp_lookup_t *lookup, rp_decision_t *d, rp_flights_t *flights, rp_bell_t *bell,
                  const rp_flight_t *flight, rp_flight_news_t *news, const char *params, int *result)
{
    rp_lookup_t found = *lookup;
    rp_decision_t decision;
    follower_t f = { .rq = rq, .entry = &lookup->entry, .flights = flights, .bell = bell, .flight = flight, .news = news,
                     .unflushed = 1, .heard = rp_now() };

    if (!is_answer(rq, lookup, news->object, &found.entry, &found.record)) {
        return 0;
    }
    found.found = RP_FOUND;
    rp_decide(rq, &found, &decision);
    if (!rp_is_usable(rq, &found, &decision)) {
        return 0;
    }
    *lookup = found;
    *d = decision;
    rp_cache_status(rq, lookup->record.fields, "collapsed",
                    apr_pstrcat(rq->r->pool, params, "; ttl=", apr_off_t_toa(rq->r->pool, (apr_off_t)d->ttl), NULL));
    if (!rp_answer_followed_head(rq, lookup, d->age)) {
        *result = rp_answer_empty(rq);
        return 1;
    }
    f.bb = apr_brigade_create(rq->r->pool, rq->r->connection->bucket_alloc);
    f.buf = apr_palloc(rq->r->pool, RP_STORE_CHUNK);
    *result = send_body(&f);
    return 1;
}

int rp_follow(rp_request_t *rq, rp_lookup_t *lookup, rp_decision_t *d, rp_flights_t *flights, rp_bell_t *bell,
              const rp_flight_t *flight, rp_flight_news_t *news, const char *params, int *result)
{
    int is_followed;

    /* Before the head is sent: a fetcher whose client goes away meanwhile is to go on. */
    rp_flight_follow(flights, flight, 1);
    is_followed = follow(rq, lookup, d, flights, bell, flight, news, params, result);
    rp_flight_follow(flights, flight, -1);
    return is_followed;
}

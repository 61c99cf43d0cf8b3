/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A request's way through its pool's queue. */

#include <httpd.h>
#include <http_log.h>
#include <apr_strings.h>

#include "balance/balance.h"
#include "balance/member.h"
#include "balance/queue_wait.h"
#include "lane/bell.h"
#include "lane/lane.h"
#include "log.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

/*
 * So often those who wait look after themselves: for the end of HTTP/2 streams, which cannot be polled for, and for
 * places that nobody gave them, since time alone made them (a member may be tried again).
 */
#define LOOK_EVERY apr_time_from_sec(1)
/* So often it is logged that requests are refused. */
#define TELL_EVERY apr_time_from_sec(10)

static rp_bell_t *bell;

void rp_queue_child_init(unsigned *word, apr_pool_t *p, server_rec *main_server)
{
    apr_status_t rv = rp_bell_create(word, p, &bell);

    if (rv != APR_SUCCESS) {
        bell = NULL;
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, main_server, RPLOGNO(0340) "requests of this child process cannot "
                     "wait for members that are busy");
    }
}

/* ------------------------------------------------------------------ giving */

static void count(void *data, unsigned row, unsigned slot)
{
    const rp_pool_t *pool = data;

    rp_add(rp_balance_row(row)->inflight[pool->first_slot + slot], 1);
}

static void wake(void *data, unsigned row)
{
    (void)data;
    rp_bell_ring(&rp_balance_row(row)->bell);
}

static void init_giver(rp_giver_t *giver, rp_pool_t *pool)
{
    giver->queue = pool->queue;
    giver->state = &pool->state;
    giver->method = pool->method;
    giver->now = rp_now();
    giver->random = rp_random();
    giver->count = count;
    giver->wake = wake;
    giver->data = pool;
}

void rp_pool_wake(rp_pool_t *pool)
{
    rp_giver_t giver;

    if (rp_queue_is_waited(pool->queue)) {
        init_giver(&giver, pool);
        rp_queue_give(&giver);
    }
}

void rp_pool_forget_row(rp_pool_t *pool, unsigned row)
{
    rp_giver_t giver;

    init_giver(&giver, pool);
    rp_queue_forget(&giver, row);
}

/* ------------------------------------------------------------------ refusing */

static void tell_log(const rp_pool_t *pool, const request_rec *r)
{
    rp_queue_t *queue = pool->queue;
    apr_int64_t told = rp_get(queue->told), now = rp_now();
    rp_queue_counts_t counts;
    unsigned waiting;

    if ((told && now - told < TELL_EVERY)
        || !__atomic_compare_exchange_n(&queue->told, &told, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        return;
    }
    counts = rp_queue_count(queue, &waiting);
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, RPLOGNO(0341) "pool %s: its members have as many requests as they "
                  "may (max=), and %u wait; since the start %" APR_UINT64_T_FMT " waited longer than RProxyQueue wait=%"
                  APR_TIME_T_FMT "ms, %" APR_UINT64_T_FMT " were refused since length=%d of them waited",
                  pool->conf->name, waiting, counts.timed_out, apr_time_as_msec(pool->conf->queue.wait), counts.refused,
                  pool->conf->queue.length);
}

/* Who comes later will wait about as long as the first one has by now. */
static int retry_after(const rp_pool_t *pool)
{
    return (int)apr_time_sec(rp_queue_age(pool->queue, rp_now()) + APR_USEC_PER_SEC - 1);
}

int rp_pool_refused(rp_request_t *rq, const rp_pool_t *pool)
{
    int seconds = retry_after(pool);

    apr_table_setn(rq->r->err_headers_out, "Retry-After", apr_itoa(rq->r->pool, seconds > 1 ? seconds : 1));
    rp_failure_tell(rq);
    if (!rq->detached) {
        tell_log(pool, rq->r);
    }
    return rq->failure.status;
}

static rp_chosen_e refuse(rp_request_t *rq, const char *cause)
{
    rp_failure_set(rq, HTTP_SERVICE_UNAVAILABLE, "connection_limit_reached", "queue", cause);
    return RP_CHOSEN_REFUSED;
}

/* ------------------------------------------------------------------ waiting */

typedef struct turn_t {
    const rp_queue_t *queue;
    unsigned entry;
} turn_t;

static int is_due(const void *data)
{
    const turn_t *turn = data;

    return rp_queue_is_due(turn->queue, turn->entry);
}

static int is_client_gone(const rp_request_t *rq)
{
    const conn_rec *c = rq->r->connection;

    return c->aborted || (c->master && c->master->aborted);
}

/* Until its turn has come, or the deadline. @return nonzero when the client is gone */
static int wait_turn(const rp_request_t *rq, rp_pool_t *pool, unsigned entry, apr_time_t deadline)
{
    turn_t turn = { pool->queue, entry };
    apr_time_t now;

    while (!is_due(&turn) && (now = rp_now()) < deadline) {
        apr_time_t until = deadline < now + LOOK_EVERY ? deadline : now + LOOK_EVERY;
        apr_status_t rv = rp_bell_wait(bell, is_due, &turn, rp_client_fd(rq), until);

        if (APR_STATUS_IS_ECONNABORTED(rv) || is_client_gone(rq)) {
            return 1;
        }
        if (rv != APR_SUCCESS && !APR_STATUS_IS_TIMEUP(rv)) {
            return 0;
        }
        if (rp_now() - rp_get(pool->queue->walked) >= LOOK_EVERY) {
            rp_pool_wake(pool);
        }
    }
    return 0;
}

/* @return 0 when it has been to too many members to tell */
static int make_wish(rp_wish_t *wish, const rp_request_t *rq, const rp_pick_t *pick, int wanted, const rp_pool_t *pool)
{
    unsigned i;

    wish->ticket = rq->queue_ticket;
    wish->hash = pick->hash;
    wish->wanted = (apr_uint16_t)(wanted < 0 ? RP_ANYBODY : wanted);
    wish->may_try = pick->may_try != 0;
    wish->ntried = 0;
    for (i = 0; pick->tried && i < pool->state.nslots; i++) {
        if (pick->tried[i]) {
            if (wish->ntried == RP_WISH_TRIED) {
                return 0;
            }
            wish->tried[wish->ntried++] = (apr_uint16_t)i;
        }
    }
    return 1;
}

/*
 * Who has a place or an answer already does not wait for another: that is how all could wait for each other. And what
 * the cache refreshes for itself can be refreshed when there is less to do.
 */
static int may_wait(const rp_request_t *rq, const rp_pool_t *pool)
{
    return bell && rp_balance_own_row() >= 0 && pool->conf->queue.length > 0 && !rq->conn && !rq->detached;
}

static rp_chosen_e chosen(rp_pool_t *pool, unsigned slot, int trial, rp_choice_t *choice)
{
    /* It may have been removed while the request waited. */
    if (!rp_member_ready(&pool->members[slot])) {
        rp_member_leave(&pool->members[slot]);
        return RP_CHOSEN_NOBODY;
    }
    choice->member = &pool->members[slot];
    choice->trial = trial;
    choice->early = 0;
    choice->reported = 0;
    choice->generation = rp_get(choice->member->slot->generation);
    choice->began = rp_now();
    return RP_CHOSEN;
}

static rp_chosen_e wait_in_queue(rp_request_t *rq, rp_pool_t *pool, unsigned entry, rp_choice_t *choice)
{
    apr_time_t began = rp_now();
    unsigned slot;
    int trial, gone;
    rp_giver_t giver;
    rp_turn_e turn;

    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, rq->r, RPLOGNO(0342) "pool %s: the members that could take the request "
                  "are busy; it waits as one of %u", pool->conf->name, rp_get(pool->queue->waiting));
    gone = wait_turn(rq, pool, entry, rq->queue_until);
    init_giver(&giver, pool);
    turn = rp_queue_leave(&giver, entry, gone, &slot, &trial);
    apr_table_setn(rq->r->notes, "rproxy-queued",
                   apr_psprintf(rq->r->pool, "%" APR_TIME_T_FMT, apr_time_as_msec(giver.now - began)));
    if (turn == RP_TURN_GIVEN && gone) {
        rp_member_leave(&pool->members[slot]);
    }
    if (gone) {
        rq->failure.status = 0;
        return RP_CHOSEN_GONE;
    }
    switch (turn) {
    case RP_TURN_GIVEN:
        return chosen(pool, slot, trial, choice);
    case RP_TURN_NOBODY:
        return RP_CHOSEN_NOBODY;
    default:
        return refuse(rq, "its turn did not come within RProxyQueue wait=");
    }
}

rp_chosen_e rp_pool_queue(rp_request_t *rq, rp_pool_t *pool, const rp_pick_t *pick, int wanted, rp_choice_t *choice)
{
    unsigned slot, entry;
    int trial, wait = may_wait(rq, pool);
    rp_giver_t giver;
    rp_wish_t wish;

    if (!make_wish(&wish, rq, pick, wanted, pool)) {
        return refuse(rq, "the members that it has not been to are busy");
    }
    init_giver(&giver, pool);
    switch (rp_queue_join(&giver, &wish, wait, (unsigned)rp_balance_own_row(), &slot, &trial, &entry)) {
    case RP_TURN_GIVEN:
        rp_member_count(&pool->members[slot]);
        return chosen(pool, slot, trial, choice);
    case RP_TURN_WAITS:
        if (!rq->queue_ticket) {
            rq->queue_ticket = wish.ticket;
            rq->queue_until = giver.now + pool->conf->queue.wait;
        }
        return wait_in_queue(rq, pool, entry, choice);
    case RP_TURN_NOBODY:
        return RP_CHOSEN_NOBODY;
    default:
        return refuse(rq, wait ? "as many requests wait as RProxyQueue length= allows" : "all members are busy");
    }
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Two members for one request: when the first is slower than most, a second one is asked, and the race is on. */

#include <httpd.h>
#include <http_log.h>
#include <apr_strings.h>

#include "balance/forward.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* What of the request's state belongs to one of the two exchanges. */
typedef struct runner_t {
    rp_choice_t choice;
    rp_conn_t *conn;
    apr_time_t sent;
    apr_time_t try_until;
    apr_time_t until;        /* when it must have brought a head */
    apr_time_t request_time;
    int sent_whole;
    apr_table_t *hints;
    rp_failure_t failure;
} runner_t;

apr_interval_time_t rp_hedge_delay(const rp_forward_t *f)
{
    const rp_hedge_conf_t *conf = f->pool->conf->hedge;
    apr_interval_time_t delay;

    if (!f->may_hedge || f->seen > 0) {
        return 0;
    }
    delay = rp_quantile_get(&f->pool->state.shared->latencies, conf->permille, f->choice.began);
    return delay && delay < conf->soonest ? conf->soonest : delay;
}

static void take_down(const rp_forward_t *f, runner_t *runner)
{
    const rp_request_t *rq = f->rq;
    apr_interval_time_t patience = RP_OR_DEFAULT(rq->dconf->first_byte_timeout, RP_DEFAULT_FIRST_BYTE_TIMEOUT);

    *runner = (runner_t){
        .choice = f->choice, .conn = rq->conn, .sent = rq->sent, .try_until = rq->try_until,
        .until = rq->sent + patience, .request_time = rq->response.request_time, .sent_whole = rq->sent_whole,
        .hints = rq->hints, .failure = rq->failure
    };
    if (rq->try_until && rq->try_until < runner->until) {
        runner->until = rq->try_until;
    }
}

static void turn_to(rp_forward_t *f, const runner_t *runner)
{
    rp_request_t *rq = f->rq;

    f->choice = runner->choice;
    rq->conn = runner->conn;
    rq->sent = runner->sent;
    rq->try_until = runner->try_until;
    rq->response.request_time = runner->request_time;
    rq->sent_whole = runner->sent_whole;
    rq->hints = runner->hints;
    rq->failure = runner->failure;
    rq->answered = 0;
    rp_forward_name(f);
}

/* Wait for a final response until then. @return 1 when there is nothing of it; else rp_receive_head() finds out */
static int is_overdue(rp_request_t *rq, apr_time_t until)
{
    do {
        rp_waitee_t waitees[2] = { { rq->conn->t.fd, RP_WANT_READ, 0 } };
        apr_status_t rv = rp_transport_pending(&rq->conn->t) ? APR_SUCCESS : rp_wait_backends(rq, waitees, 1, until);

        if (rv != APR_SUCCESS) {
            return APR_STATUS_IS_TIMEUP(rv);
        }
        if (rp_receive_early(rq) != RP_EARLY_NOTHING) {
            return 0;
        }
    } while (rp_now() < until);
    return 1;
}

static int has_come(const runner_t *runner)
{
    return rp_wait(runner->conn->t.fd, RP_WANT_READ, rp_now()) == APR_SUCCESS;
}

/* A connection to f->choice, unless the first one answers before it is there. */
static int connect_unless(rp_forward_t *f, const runner_t *first)
{
    rp_request_t *rq = f->rq;
    rp_peer_t *peer = &f->choice.member->peer;
    apr_time_t until = rp_try_deadline(rq, RP_OR_DEFAULT(rq->dconf->connect_timeout, RP_DEFAULT_CONNECT_TIMEOUT));

    rq->conn = rp_conn_take(peer);
    if (!rq->conn) {
        rq->conn = rp_conn_open(peer, until < first->until ? until : first->until, rp_request_endpoints(rq, peer),
                                first->conn->t.fd, rq->r->pool, &rq->failure);
    }
    if (rq->conn) {
        rp_choice_carry(&f->choice, rq->conn);
        return 1;
    }
    if (has_come(first)) {
        /* Should the first one fail, this one is as good as any. */
        f->tried[f->choice.member->index] = 0;
    }
    else if (rq->failure.status != HTTP_GATEWAY_TIME_OUT) {
        /* To be in no hurry is no fault. */
        rp_choice_report(rq, &f->choice, RP_OUTCOME_CONNECT);
    }
    rp_choice_leave(&f->choice);
    return 0;
}

static int begin_with_another(rp_forward_t *f, const runner_t *first)
{
    rp_request_t *rq = f->rq;
    rp_exchange_e e;

    rq->conn = NULL;
    if (!rp_pool_choose_free(rq, f->pool, f->tried, &f->choice)) {
        return 0;
    }
    f->tried[f->choice.member->index] = 1;
    rq->try_until = f->patience ? f->choice.began + f->patience : 0;
    if (!connect_unless(f, first)) {
        return 0;
    }
    rp_forward_use(f);
    e = rp_exchange_begin(rq);
    if (e != RP_EXCHANGE_DONE) {
        rp_forward_report(f, e);
        return 0;
    }
    f->seen++;
    rq->sent = rp_now();
    return 1;
}

/* @return 0 when the first one stays alone */
static int start_second(rp_forward_t *f, const runner_t *first, runner_t *second, apr_interval_time_t delay)
{
    const rp_budget_conf_t *conf = rp_retry_budget(f->pool->conf);
    rp_budget_t *budget = &f->pool->state.shared->budget;

    if (!rp_forward_anybody_left(f) || !rp_budget_withdraw(budget, conf->share, conf->floor, rp_now())) {
        return 0;
    }
    if (!begin_with_another(f, first)) {
        rp_budget_refund(budget, rp_now());
        return 0;
    }
    take_down(f, second);
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, f->rq->r, RPLOGNO(0354) "pool %s, member %s has no answer after %"
                  APR_TIME_T_FMT " us; %s is asked, too", f->pool->conf->name, first->choice.url, delay,
                  second->choice.url);
    return 1;
}

typedef enum standing_e {
    STANDING_RUNS,
    STANDING_WINS,
    STANDING_OUT
} standing_e;

/* Something has come from the runner's member. */
static standing_e look_at(rp_forward_t *f, runner_t *runner, rp_exchange_e *e)
{
    rp_request_t *rq = f->rq;
    rp_early_e early;

    turn_to(f, runner);
    early = rp_receive_early(rq);
    runner->hints = rq->hints;
    /* What the client was told by one it is not told again by the other. */
    rp_exchange_again(rq);
    if (rq->answered) {
        rq->response.status = rq->answered;
        *e = RP_EXCHANGE_DONE;
        return rp_retry_is_on(f->on, rq->answered) ? STANDING_OUT : STANDING_WINS;
    }
    *e = runner->conn->exchanges > 0 && runner->conn->start == runner->conn->end ? RP_EXCHANGE_STALE : RP_EXCHANGE_LOST;
    return early == RP_EARLY_NOTHING ? STANDING_RUNS : STANDING_OUT;
}

/* The one that has not won: it took at least this long. */
static void call_off(rp_forward_t *f, const runner_t *runner, int was_first)
{
    apr_time_t now = rp_now();
    apr_interval_time_t took = now - runner->sent;
    rp_slot_t *slot = runner->choice.member->slot;

    if (was_first) {
        rp_quantile_add(&f->pool->state.shared->latencies, took, now);
    }
    if ((float)took > rp_latency_get(rp_get(slot->latency), now)) {
        rp_latency_add(&slot->latency, took, now);
    }
    rp_conn_close(runner->conn);
}

/* It failed, and the other one is still running. */
static void leave_race(rp_forward_t *f, const runner_t *runner, rp_exchange_e e)
{
    static const char *const how[] = {
        [RP_EXCHANGE_DONE] = "answered with an error", [RP_EXCHANGE_STALE] = "closed a kept connection",
        [RP_EXCHANGE_LOST] = "ended without a response", [RP_EXCHANGE_TIMEOUT] = "took too long"
    };

    turn_to(f, runner);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, f->rq->r, RPLOGNO(0355) "pool %s, member %s %s; the other one that was "
                  "asked has time", f->pool->conf->name, f->rq->member, how[e]);
    rp_forward_report(f, e);
    rp_conn_close(runner->conn);
}

static apr_status_t wait_for_both(rp_request_t *rq, const runner_t *runners, rp_waitee_t *waitees)
{
    int pending = 0, i;

    for (i = 0; i < 2; i++) {
        int has = rp_transport_pending(&runners[i].conn->t);

        waitees[i] = (rp_waitee_t){ runners[i].conn->t.fd, RP_WANT_READ, has ? RP_WANT_READ : 0 };
        pending |= has;
    }
    return pending ? APR_SUCCESS
         : rp_wait_backends(rq, waitees, 2, runners[0].until < runners[1].until ? runners[0].until : runners[1].until);
}

static rp_exchange_e race(rp_forward_t *f, runner_t *runners)
{
    rp_waitee_t waitees[3];
    int i;

    /* Ends when one has won, one is out, or a deadline; what each may send before a whole head is bounded. */
    for (;;) {
        apr_status_t rv = wait_for_both(f->rq, runners, waitees);

        if (rv != APR_SUCCESS && !APR_STATUS_IS_TIMEUP(rv)) {
            /* The client, most likely: then the other one learns of it, too. */
            rp_conn_close(runners[1].conn);
            turn_to(f, &runners[0]);
            return rp_receive_head(f->rq);
        }
        for (i = 0; i < 2; i++) {
            rp_exchange_e e = RP_EXCHANGE_TIMEOUT;
            standing_e standing = waitees[i].got ? look_at(f, &runners[i], &e)
                                : rp_now() >= runners[i].until ? STANDING_OUT : STANDING_RUNS;

            if (standing == STANDING_WINS) {
                call_off(f, &runners[!i], i == 1);
                turn_to(f, &runners[i]);
                return rp_receive_head(f->rq);
            }
            if (standing == STANDING_OUT) {
                leave_race(f, &runners[i], e);
                turn_to(f, &runners[!i]);
                return rp_receive_head(f->rq);
            }
        }
    }
}

rp_exchange_e rp_hedge_exchange(rp_forward_t *f, apr_interval_time_t delay)
{
    rp_request_t *rq = f->rq;
    rp_exchange_e e = rp_exchange_begin(rq);
    runner_t runners[2];

    if (e != RP_EXCHANGE_DONE) {
        return e;
    }
    rq->sent = rp_now();
    if (!is_overdue(rq, rq->sent + delay)) {
        return rp_receive_head(rq);
    }
    take_down(f, &runners[0]);
    rp_exchange_again(rq);
    if (!start_second(f, &runners[0], &runners[1], delay)) {
        turn_to(f, &runners[0]);
        return rp_receive_head(rq);
    }
    return race(f, runners);
}

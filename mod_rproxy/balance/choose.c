/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A request's choice of a member, and what comes of it. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_time.h>

#include "balance/balance.h"
#include "balance/queue_wait.h"
#include "balance/sticky.h"
#include "balance/table.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* Of members with a bound, others may take the last place first; so often is another one looked for. */
#define MAX_RACES 64

apr_uint64_t rp_random(void)
{
    static __thread apr_uint64_t state;

    if (!state) {
        state = rp_mix((apr_uint64_t)rp_now() ^ (apr_uint64_t)(apr_uintptr_t)&state ^ (apr_uint64_t)getpid() << 40) | 1;
    }
    state += 0x9e3779b97f4a7c15u;
    return rp_mix(state);
}

int rp_is_safe_method(const request_rec *r)
{
    /* RFC 9110 §9.2.1; RFC 10008 §2 */
    return r->method_number == M_GET || r->method_number == M_OPTIONS || r->method_number == M_TRACE
           || !strcmp(r->method, "QUERY");
}

static void set_out(const rp_request_t *rq, const unsigned char *tried, rp_pick_t *pick)
{
    pick->now = rp_now();
    pick->random = rp_random();
    pick->tried = tried;
    /* A request that could go to nobody else must not be the one to find out. */
    pick->may_try = rp_is_safe_method(rq->r);
}

static rp_chosen_e take(rp_pool_t *pool, int i, const rp_pick_t *pick, rp_choice_t *choice)
{
    choice->member = &pool->members[i];
    choice->trial = pick->trial;
    choice->early = pick->trial && pick->last_resort > 1;
    choice->reported = 0;
    choice->generation = rp_get(pool->state.slots[i].generation);
    choice->began = pick->now;
    return RP_CHOSEN;
}

/* The member of the request's session, whom it waits for. @return RP_CHOSEN_NOBODY when there is none, or it is gone */
static rp_chosen_e choose_session(rp_request_t *rq, rp_pool_t *pool, rp_pick_t pick, rp_choice_t *choice)
{
    int wanted = rp_sticky_wanted(rq, pool, &pick);

    if (wanted < 0) {
        return RP_CHOSEN_NOBODY;
    }
    if (!rp_get(pool->queue->waiting) && rp_slot_take(&pool->state, (unsigned)wanted, &pick)
        && rp_member_enter(&pool->members[wanted])) {
        return take(pool, wanted, &pick, choice);
    }
    return rp_pool_queue(rq, pool, &pick, wanted, choice);
}

/* One that is free now. @return RP_CHOSEN_REFUSED when all are busy, or others wait */
static rp_chosen_e choose_free(rp_request_t *rq, rp_pool_t *pool, rp_pick_t *pick, rp_choice_t *choice)
{
    rp_method_fn method = rp_method_for(rq, pool, pick);
    int races;

    /* Nobody overtakes those who wait. */
    for (races = 0; races < MAX_RACES && !rp_get(pool->queue->waiting); races++) {
        int i = rp_state_pick(&pool->state, method, pick);

        if (i < 0 && !pick->full) {
            return RP_CHOSEN_NOBODY;
        }
        if (i < 0) {
            break;
        }
        if (rp_member_enter(&pool->members[i])) {
            return take(pool, i, pick, choice);
        }
        pick->random = rp_random();
    }
    return RP_CHOSEN_REFUSED;
}

int rp_pool_choose_free(rp_request_t *rq, rp_pool_t *pool, const unsigned char *tried, rp_choice_t *choice)
{
    rp_pick_t pick = { 0 };

    choice->how = RP_CHOSEN_NOBODY;
    /* Another member knows nothing of the session, and would say so sooner. */
    if (rp_sticky_is_known(rq)) {
        return 0;
    }
    set_out(rq, tried, &pick);
    choice->how = choose_free(rq, pool, &pick, choice);
    return choice->how == RP_CHOSEN;
}

int rp_pool_choose(rp_request_t *rq, rp_pool_t *pool, const unsigned char *tried, rp_choice_t *choice)
{
    rp_pick_t pick = { 0 };

    set_out(rq, tried, &pick);
    choice->how = choose_session(rq, pool, pick, choice);
    if (choice->how != RP_CHOSEN_NOBODY || rp_sticky_insists(rq)) {
        return choice->how == RP_CHOSEN;
    }
    choice->how = choose_free(rq, pool, &pick, choice);
    if (choice->how == RP_CHOSEN_REFUSED) {
        choice->how = rp_pool_queue(rq, pool, &pick, -1, choice);
    }
    return choice->how == RP_CHOSEN;
}

void rp_choice_carry(const rp_choice_t *choice, rp_conn_t *conn)
{
    (void)choice;
    conn->in_use = 1;
}

void rp_choice_keep(const rp_choice_t *choice, rp_conn_t *conn)
{
    (void)choice;
    conn->in_use = 0;
}

void rp_choice_leave(const rp_choice_t *choice)
{
    rp_member_leave(choice->member);
}

const char *rp_out_name(rp_out_e why)
{
    static const char *const names[] = { "in", "connect", "failures", "errors", "outlier" };

    return names[why];
}

/* In words, for the log. */
static const char *describe(rp_out_e why)
{
    switch (why) {
    case RP_OUT_CONNECT:
        return "it takes no connections";
    case RP_OUT_FAILURES:
        return "request after request failed without a response";
    case RP_OUT_ERRORS:
        return "it answers one request after another with an error of its own, and others do not";
    default:
        return "more of its requests fail than of the others'";
    }
}

void rp_choice_report(const rp_request_t *rq, rp_choice_t *choice, rp_outcome_e outcome)
{
    rp_member_t *member = choice->member;
    apr_time_t now = rp_now();
    apr_interval_time_t out;
    rp_news_e news;

    if (choice->reported || choice->generation != rp_get(member->slot->generation)) {
        return;
    }
    choice->reported = 1;
    if (outcome == RP_OUTCOME_OK || outcome == RP_OUTCOME_ERROR) {
        rp_histogram_add(&member->info->latencies, now - choice->began);
        rp_quantile_add(&member->info->recent, now - choice->began, now);
    }
    news = rp_state_report(&member->pool->state, member->index, outcome, choice->trial, now - choice->began, now);
    out = rp_get(member->slot->out_until) - now;
    if (news == RP_NEWS_OUT && outcome != RP_OUTCOME_CONNECT) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, rq->r, RPLOGNO(0308) "pool %s, member %s: %s; it is left out for %"
                      APR_TIME_T_FMT " ms", rq->route->pool_name, member->info->url,
                      describe((rp_out_e)rp_get(member->slot->out)), apr_time_as_msec(out > 0 ? out : 0));
    }
    else if (news == RP_NEWS_BACK) {
        rp_pool_wake(member->pool);
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, rq->r, RPLOGNO(0309) "pool %s, member %s is back", rq->route->pool_name,
                      member->info->url);
    }
}

int rp_pool_retry_after(const rp_pool_t *pool, apr_time_t now)
{
    apr_int64_t first = APR_INT64_MAX;
    unsigned i;

    for (i = 0; i < pool->state.nslots; i++) {
        const rp_slot_t *slot = &pool->state.slots[i];
        apr_int64_t until = rp_slot_holds(slot) ? rp_get(slot->out_until) : 0;

        first = until && until < first ? until : first;
    }
    return first <= now || first == APR_INT64_MAX ? 1 : (int)((first - now + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Members that fail are taken out for a while, and come back through a trial. */

#include <math.h>

#include "balance/state.h"

/* A member that takes no connections is tried again at the latest after so many times its retry time. */
#define LONGEST_RETRIES 10
/* Others do better when at most one in so many of their responses is a 5xx. */
#define ERRORS_ELSEWHERE 5
/* An outlier is compared with no fewer others, and is worse than they are by at least this share of its requests. */
#define FEWEST_OTHERS 2
#define LEAST_GAP 0.1

static apr_interval_time_t time_out(const rp_state_t *state, const rp_slot_t *slot, rp_out_e why, apr_uint32_t times)
{
    apr_interval_time_t first = why == RP_OUT_CONNECT ? slot->retry : state->eject->time;
    apr_interval_time_t longest = why == RP_OUT_CONNECT ? LONGEST_RETRIES * slot->retry : state->eject->longest;

    return first * times < longest || first == 0 ? first * times : longest > first ? longest : first;
}

/* One that is tried before its time does not get longer ones for that. */
static int is_early(const rp_slot_t *slot, rp_out_e why, apr_int64_t was, apr_time_t now)
{
    return was && why == RP_OUT_CONNECT && rp_get(slot->ejections) && now - rp_get(slot->changed) < slot->retry;
}

/* Taken out, or, when the trial failed, for longer. @return 0 when another was faster */
static int take_out(rp_state_t *state, rp_slot_t *slot, rp_out_e why, apr_int64_t was, apr_time_t now)
{
    apr_uint32_t more = !is_early(slot, why, was, now), times = rp_get(slot->ejections) + more;

    if (!__atomic_compare_exchange_n(&slot->out_until, &was, now + time_out(state, slot, why, times), 0, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)) {
        return 0;
    }
    rp_put(slot->out, why);
    rp_put(slot->ejections, times);
    rp_put(slot->back_since, 0);
    rp_put(slot->changed, now);
    rp_add(slot->ejected, more);
    rp_put(slot->streak, 0);
    rp_put(slot->errors, 0);
    rp_state_count(state);
    return 1;
}

static void take_back(rp_state_t *state, rp_slot_t *slot, apr_time_t now)
{
    rp_put(slot->out_until, 0);
    rp_put(slot->out, RP_OUT_NOT);
    rp_put(slot->back_since, state->eject->slow_start ? now : 0);
    rp_put(slot->changed, now);
    rp_state_count(state);
}

static int is_known(const rp_slot_t *slot)
{
    return rp_slot_holds(slot) && rp_get(slot->admin) != RP_ADMIN_DISABLED;
}

/* May one more be taken out for what becomes of its requests? Never the last. */
static int is_room(const rp_state_t *state)
{
    unsigned known = 0, out = 0, i;

    for (i = 0; i < state->nslots; i++) {
        if (is_known(&state->slots[i])) {
            known++;
            out += (unsigned)!rp_slot_in(&state->slots[i]);
        }
    }
    return out + 1 < known && out * 100 < known * (unsigned)state->eject->most;
}

/* Do the others answer better than with errors, so that the fault is this member's and not the requests'? */
static int others_do_better(const rp_state_t *state, unsigned me)
{
    apr_uint64_t ok = 0, bad = 0;
    unsigned i;

    for (i = 0; i < state->nslots; i++) {
        const rp_slot_t *slot = &state->slots[i];

        if (i != me && is_known(slot) && rp_slot_in(slot)) {
            ok += rp_get(slot->window_ok) + rp_get(slot->last_ok);
            bad += rp_get(slot->window_bad) + rp_get(slot->last_bad);
        }
    }
    return ok > 0 && bad * ERRORS_ELSEWHERE <= ok + bad;
}

static rp_out_e judge_failure(const rp_state_t *state, const rp_slot_t *slot, rp_outcome_e outcome)
{
    const rp_eject_conf_t *conf = state->eject;

    if (outcome == RP_OUTCOME_CONNECT) {
        return RP_OUT_CONNECT;
    }
    return conf->on && conf->failures && rp_get(slot->streak) >= (apr_uint32_t)conf->failures && is_room(state)
         ? RP_OUT_FAILURES : RP_OUT_NOT;
}

static rp_out_e judge_error(const rp_state_t *state, unsigned i)
{
    const rp_eject_conf_t *conf = state->eject;

    return conf->on && conf->errors && rp_get(state->slots[i].errors) >= (apr_uint32_t)conf->errors && is_room(state)
           && others_do_better(state, i) ? RP_OUT_ERRORS : RP_OUT_NOT;
}

/* A member on trial: one failure is enough, and errors are when it was errors that took it out. */
static int failed_trial(const rp_slot_t *slot, rp_outcome_e outcome)
{
    apr_uint32_t out = rp_get(slot->out);

    return outcome >= RP_OUTCOME_CONNECT || (outcome == RP_OUTCOME_ERROR && (out == RP_OUT_ERRORS || out == RP_OUT_OUTLIER));
}

static rp_news_e end_trial(rp_state_t *state, rp_slot_t *slot, rp_outcome_e outcome, apr_interval_time_t latency,
                           apr_time_t now)
{
    rp_out_e why = outcome == RP_OUTCOME_CONNECT ? RP_OUT_CONNECT
                 : outcome == RP_OUTCOME_ERROR ? (rp_out_e)rp_get(slot->out) : RP_OUT_FAILURES;

    if (!failed_trial(slot, outcome)) {
        /* How it was before it was out says nothing of how it is. */
        rp_put(slot->latency, 0);
        rp_latency_add(&slot->latency, latency, now);
        take_back(state, slot, now);
        return RP_NEWS_BACK;
    }
    take_out(state, slot, why, rp_get(slot->out_until), now);
    return RP_NEWS_STILL;
}

/* A line that everybody writes is one that everybody waits for: it is read first. */
static void clear(apr_uint32_t *counter)
{
    if (rp_get(*counter)) {
        rp_put(*counter, 0);
    }
}

static void count_outcome(rp_slot_t *slot, rp_outcome_e outcome, apr_interval_time_t latency, apr_time_t now)
{
    rp_add(slot->outcomes[outcome], 1);
    if (outcome == RP_OUTCOME_OK) {
        rp_latency_add(&slot->latency, latency, now);
        rp_add(slot->window_ok, 1);
        clear(&slot->streak);
        clear(&slot->errors);
        return;
    }
    rp_latency_add_failure(&slot->latency, latency, now);
    rp_add(slot->window_bad, 1);
    if (outcome == RP_OUTCOME_ERROR) {
        clear(&slot->streak);
        rp_add(slot->errors, 1);
    }
    else {
        rp_add(slot->streak, 1);
    }
}

rp_news_e rp_state_report(rp_state_t *state, unsigned i, rp_outcome_e outcome, int trial, apr_interval_time_t latency,
                         apr_time_t now)
{
    rp_slot_t *slot = &state->slots[i];
    rp_out_e why;

    count_outcome(slot, outcome, latency, now);
    if (trial) {
        return end_trial(state, slot, outcome, latency, now);
    }
    /* What began before it was taken out says nothing new. */
    if (outcome == RP_OUTCOME_OK || rp_get(slot->out_until)) {
        return RP_NEWS_NONE;
    }
    why = outcome == RP_OUTCOME_ERROR ? judge_error(state, i) : judge_failure(state, slot, outcome);
    return why != RP_OUT_NOT && take_out(state, slot, why, 0, now) ? RP_NEWS_OUT : RP_NEWS_NONE;
}

void rp_state_check(rp_state_t *state, unsigned i, rp_check_e found, apr_time_t now)
{
    rp_slot_t *slot = &state->slots[i];
    apr_uint32_t before = rp_get(slot->check), out = rp_get(slot->out);

    rp_put(slot->check, found);
    if (found == RP_CHECK_DOWN) {
        rp_put(slot->back_since, 0);
        rp_put(slot->changed, now);
    }
    else if (before == RP_CHECK_DOWN && (!rp_get(slot->out_until) || out == RP_OUT_CONNECT || out == RP_OUT_FAILURES)) {
        take_back(state, slot, now);
        return;
    }
    rp_state_count(state);
}

/* Of the members that had enough requests. */
typedef struct rates_t {
    unsigned members;
    double sum;
    double squares;
} rates_t;

static double rate_of(const rp_slot_t *slot)
{
    return (double)slot->last_ok / (double)(slot->last_ok + slot->last_bad);
}

static int has_rate(const rp_state_t *state, const rp_slot_t *slot)
{
    return rp_slot_holds(slot) && rp_slot_in(slot) && slot->last_ok + slot->last_bad >= (apr_uint32_t)state->eject->requests
           && slot->last_ok + slot->last_bad > 0;
}

static rates_t rates_of(const rp_state_t *state)
{
    rates_t r = { 0, 0, 0 };
    unsigned i;

    for (i = 0; i < state->nslots; i++) {
        if (has_rate(state, &state->slots[i])) {
            double rate = rate_of(&state->slots[i]);

            r.members++;
            r.sum += rate;
            r.squares += rate * rate;
        }
    }
    return r;
}

/* Compared with the others: in a small pool, a bad member's own rate would widen the deviation that is to show it up. */
static int is_outlier(const rates_t *all, double rate, int deviations)
{
    unsigned n = all->members - 1;
    double mean, variance;

    if (n < FEWEST_OTHERS) {
        return 0;
    }
    mean = (all->sum - rate) / n;
    variance = (all->squares - rate * rate) / n - mean * mean;
    return rate < mean - LEAST_GAP && rate < mean - sqrt(variance > 0 ? variance : 0) * deviations / 100;
}

static void end_interval(const rp_state_t *state, apr_time_t now)
{
    unsigned i;

    for (i = 0; i < state->nslots; i++) {
        rp_slot_t *slot = &state->slots[i];

        rp_put(slot->last_ok, __atomic_exchange_n(&slot->window_ok, 0, __ATOMIC_RELAXED));
        rp_put(slot->last_bad, __atomic_exchange_n(&slot->window_bad, 0, __ATOMIC_RELAXED));
        /* One that has kept in for a while is trusted a little more each time. */
        if (rp_get(slot->ejections) && rp_slot_in(slot) && now - rp_get(slot->changed) >= state->eject->interval) {
            rp_add(slot->ejections, -1);
        }
    }
}

static void end_slow_starts(const rp_state_t *state, apr_time_t now)
{
    unsigned i;

    for (i = 0; i < state->nslots; i++) {
        apr_int64_t since = rp_get(state->slots[i].back_since);

        if (since && now - since >= state->eject->slow_start) {
            rp_put(state->slots[i].back_since, 0);
        }
    }
}

void rp_state_review(rp_state_t *state, apr_time_t now, void (*ejected)(void *data, unsigned i, rp_out_e why), void *data)
{
    rates_t rates;
    unsigned i;

    end_slow_starts(state, now);
    rp_state_count(state);
    if (now - state->shared->reviewed < state->eject->interval) {
        return;
    }
    state->shared->reviewed = now;
    end_interval(state, now);
    rates = rates_of(state);
    for (i = 0; i < state->nslots && state->eject->on && state->eject->deviations; i++) {
        rp_slot_t *slot = &state->slots[i];

        if (has_rate(state, slot) && is_outlier(&rates, rate_of(slot), state->eject->deviations) && is_room(state)
            && take_out(state, slot, RP_OUT_OUTLIER, 0, now) && ejected) {
            ejected(data, i, RP_OUT_OUTLIER);
        }
    }
}

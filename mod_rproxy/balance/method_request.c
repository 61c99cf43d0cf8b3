/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What a pool's method needs of a request: what it is hashed by, and what another module is shown. */

#include <string.h>

#include <httpd.h>
#include <apr_strings.h>

#include "balance/balance.h"
#include "balance/table.h"
#include "http/query.h"
#include "mod_rproxy.h"

static apr_uint64_t hash_of(const char *text)
{
    /* FNV-1a, with its bits spread */
    return rp_slot_id(text);
}

/* ";name;value..." */
static const char *cookie_of(const request_rec *r, const char *name)
{
    apr_array_header_t *names = apr_array_make(r->pool, 1, sizeof(const char *));
    const char *values;

    APR_ARRAY_PUSH(names, const char *) = name;
    values = apr_table_get(r->headers_in, "Cookie") ? rp_cookie_selection(r->pool, names, r->headers_in) : NULL;
    return values && strchr(values + 1, ';') ? values : NULL;
}

/* @return NULL when the request does not have it */
static const char *key_of(const rp_request_t *rq, const rp_method_conf_t *conf)
{
    switch (conf->by) {
    case RP_HASH_HEADER:
        return apr_table_get(rq->r->headers_in, conf->field);
    case RP_HASH_COOKIE:
        return cookie_of(rq->r, conf->field);
    case RP_HASH_CLIENT:
        return rq->r->useragent_ip;
    default:
        return rq->url;
    }
}

/* What a provider's method is asked about. */
typedef struct question_t {
    rp_request_t *rq;
    rp_pool_t *pool;
} question_t;

static void show(rproxy_candidate_t *candidate, const rp_pool_t *pool, unsigned i, const rp_pick_t *pick)
{
    const rp_slot_t *slot = &pool->state.slots[i];

    candidate->size = sizeof(*candidate);
    candidate->url = pool->members[i].info->url;
    candidate->slot = i;
    candidate->weight = rp_get(slot->weight);
    candidate->inflight = rp_get(slot->inflight);
    candidate->latency = (apr_interval_time_t)rp_latency_get(rp_get(slot->latency), pick->now);
}

static int ask(const question_t *question, const rproxy_candidate_t *const *candidates, unsigned n,
               const rp_pick_t *pick)
{
    const rproxy_method_t *method = question->pool->conf->method.provider;
    rproxy_choice_t choice = {
        sizeof(choice), question->rq->r, question->pool->conf->name, pick->random, (unsigned)question->rq->attempts, n,
        candidates
    };
    int which = method->pick(&choice);

    return which >= 0 && (unsigned)which < n ? (int)candidates[which]->slot : -1;
}

static int pick_by_provider(rp_state_t *state, unsigned level, rp_pick_t *pick)
{
    const question_t *question = pick->context;
    apr_pool_t *p = question->rq->r->pool;
    rproxy_candidate_t *all = apr_palloc(p, state->nslots * sizeof(*all));
    const rproxy_candidate_t **candidates = apr_palloc(p, state->nslots * sizeof(*candidates));
    unsigned i, n = 0;
    int chosen;

    for (i = 0; i < state->nslots; i++) {
        rp_fitness_e fitness = RP_UNFIT;

        if (rp_get(state->slots[i].level) == level && rp_get(state->slots[i].weight) > 0) {
            fitness = rp_slot_fitness(state, i, pick);
        }
        if (fitness == RP_ON_TRIAL && rp_slot_take(state, i, pick)) {
            return (int)i;
        }
        if (fitness == RP_FIT) {
            show(&all[n], question->pool, i, pick);
            candidates[n] = &all[n];
            n++;
        }
    }
    chosen = n ? ask(question, candidates, n, pick) : -1;
    return chosen >= 0 && rp_slot_take(state, (unsigned)chosen, pick) ? chosen : rp_method_random(state, level, pick);
}

rp_method_fn rp_method_for(rp_request_t *rq, rp_pool_t *pool, rp_pick_t *pick)
{
    const rp_method_conf_t *conf = &pool->conf->method;

    if (conf->kind == RP_METHOD_HASH) {
        const char *key = key_of(rq, conf);

        if (!key) {
            pick->hash = pick->random; /* should it have to queue: there nothing but the hash is known of it */
            return rp_method_p2c;
        }
        pick->hash = hash_of(key);
    }
    else if (conf->kind == RP_METHOD_OTHER) {
        question_t *question = apr_palloc(rq->r->pool, sizeof(*question));

        question->rq = rq;
        question->pool = pool;
        pick->context = question;
        return pick_by_provider;
    }
    return pool->method;
}

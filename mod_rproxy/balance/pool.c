/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Pools and members: made at start, picked from by every request. */

#include <httpd.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <http_log.h>

#include "balance/balance.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

typedef void (*pool_fn)(rp_pool_conf_t *conf, server_rec *s, void *data);

/* Each pool once, in whichever servers it is seen: a virtual host has the main server's too. */
static void each_pool(apr_pool_t *p, server_rec *main_server, pool_fn fn, void *data)
{
    apr_hash_t *seen = apr_hash_make(p);
    server_rec *s;
    apr_hash_index_t *hi;

    for (s = main_server; s; s = s->next) {
        for (hi = apr_hash_first(p, rp_server_conf(s)->pools); hi; hi = apr_hash_next(hi)) {
            rp_pool_conf_t *conf = apr_hash_this_val(hi);
            rp_pool_conf_t **key = apr_pmemdup(p, &conf, sizeof(conf));

            if (!apr_hash_get(seen, key, sizeof(*key))) {
                apr_hash_set(seen, key, sizeof(*key), conf);
                fn(conf, s, data);
            }
        }
    }
}

typedef struct init_t {
    apr_pool_t *p;
    apr_size_t shared_size;
    char *shared;
    int errors;
} init_t;

static void count_shared(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    init_t *init = data;

    (void)s;
    init->shared_size += APR_ALIGN(sizeof(apr_uint32_t), 64)
                       + (apr_size_t)conf->members->nelts * APR_ALIGN(sizeof(rp_member_shared_t), 64);
}

/* A cache line each, so that members do not disturb one another. */
static void *take_shared(init_t *init, apr_size_t size)
{
    void *mem = init->shared;

    init->shared += APR_ALIGN(size, 64);
    return mem;
}

static void init_member(rp_member_t *member, const rp_member_conf_t *conf, server_rec *s, init_t *init)
{
    const char *error = NULL, *warning = NULL;

    member->shared = take_shared(init, sizeof(*member->shared));
    if (!rp_peer_init(&member->peer, conf, init->p, &error, &warning)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, RPLOGNO(0301) "RProxyMember %s on line %d of %s: %s", conf->url,
                     conf->where.line, conf->where.file, error);
        init->errors++;
    }
    else if (warning) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, RPLOGNO(0302) "RProxyMember %s on line %d of %s: %s; it will be looked "
                     "up again for each request that wants this member", conf->url, conf->where.line, conf->where.file,
                     warning);
    }
}

static void init_pool(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    init_t *init = data;
    rp_pool_t *pool = apr_pcalloc(init->p, sizeof(*pool));
    int *weights = apr_palloc(init->p, (apr_size_t)conf->members->nelts * sizeof(int));
    int i;

    conf->pool = pool;
    pool->conf = conf;
    pool->nmembers = conf->members->nelts;
    pool->members = apr_pcalloc(init->p, (apr_size_t)pool->nmembers * sizeof(rp_member_t));
    pool->ticket = take_shared(init, sizeof(*pool->ticket));
    for (i = 0; i < pool->nmembers; i++) {
        rp_member_conf_t *member = APR_ARRAY_IDX(conf->members, i, rp_member_conf_t *);

        weights[i] = member->weight;
        init_member(&pool->members[i], member, s, init);
    }
    pool->nsequence = rp_swrr_sequence(weights, pool->nmembers, NULL);
    pool->sequence = apr_palloc(init->p, pool->nsequence * sizeof(*pool->sequence));
    rp_swrr_sequence(weights, pool->nmembers, pool->sequence);
}

int rp_balance_init(apr_pool_t *pconf, server_rec *main_server)
{
    init_t init = { pconf, 64, NULL, 0 };
    apr_shm_t *shm;
    apr_status_t rv;

    each_pool(pconf, main_server, count_shared, &init);
    rv = apr_shm_create(&shm, init.shared_size, NULL, pconf);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0303) "cannot get %" APR_SIZE_T_FMT
                     " bytes of shared memory for the members' state", init.shared_size);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    init.shared = apr_shm_baseaddr_get(shm);
    memset(init.shared, 0, init.shared_size);
    init.shared = (char *)APR_ALIGN((apr_uintptr_t)init.shared, 64);
    each_pool(pconf, main_server, init_pool, &init);
    return init.errors ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

static void child_init_pool(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    int i;

    for (i = 0; i < conf->pool->nmembers; i++) {
        apr_status_t rv = rp_peer_child_init(&conf->pool->members[i].peer, data);

        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, RPLOGNO(0304) "cannot make a lock for %s",
                         conf->pool->members[i].peer.conf->url);
        }
    }
}

void rp_balance_child_init(apr_pool_t *p, server_rec *main_server)
{
    each_pool(p, main_server, child_init_pool, p);
}

/* How long others keep off a member while one request tries it; longer than most connects take. */
#define TRIAL apr_time_from_sec(5)

static int is_up(rp_member_t *member, apr_time_t now)
{
    apr_int64_t until = __atomic_load_n(&member->shared->down_until, __ATOMIC_RELAXED);

    if (until == 0) {
        return 1;
    }
    return until <= now
           && __atomic_compare_exchange_n(&member->shared->down_until, &until, now + TRIAL, 0, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED);
}

rp_member_t *rp_pool_pick(rp_pool_t *pool, apr_time_t now, const unsigned char *tried)
{
    unsigned step;
    int i;

    /* A member that is passed over leaves its turn to whoever is next in the sequence: the others' proportions hold. */
    for (step = 0; step < pool->nsequence; step++) {
        unsigned place = __atomic_fetch_add(pool->ticket, 1, __ATOMIC_RELAXED) % pool->nsequence;

        i = pool->sequence[place];
        if (!(tried && tried[i]) && is_up(&pool->members[i], now)) {
            return &pool->members[i];
        }
    }
    /* Others walk the sequence at the same time, so that a member may have been missed. */
    for (i = 0; i < pool->nmembers; i++) {
        if (!(tried && tried[i]) && is_up(&pool->members[i], now)) {
            return &pool->members[i];
        }
    }
    return NULL;
}

void rp_member_down(rp_member_t *member, apr_time_t now)
{
    __atomic_store_n(&member->shared->down_until, now + member->peer.conf->retry, __ATOMIC_RELAXED);
}

void rp_member_up(rp_member_t *member)
{
    if (__atomic_load_n(&member->shared->down_until, __ATOMIC_RELAXED)) {
        __atomic_store_n(&member->shared->down_until, 0, __ATOMIC_RELAXED);
    }
}

int rp_pool_retry_after(const rp_pool_t *pool, apr_time_t now)
{
    apr_int64_t first = APR_INT64_MAX;
    int i;

    for (i = 0; i < pool->nmembers; i++) {
        apr_int64_t until = __atomic_load_n(&pool->members[i].shared->down_until, __ATOMIC_RELAXED);

        first = until < first ? until : first;
    }
    return first <= now ? 1 : (int)((first - now + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A pool's state for a test: members by weight, and picks with random numbers that are the same each time. */
#ifndef RP_STATE_UTIL_H
#define RP_STATE_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balance/method.h"
#include "balance/table.h"

#define SECOND APR_USEC_PER_SEC

typedef struct pool_t {
    rp_state_t state;
    rp_eject_conf_t eject;
    void *mem;
    apr_uint64_t random;
    apr_time_t now;
} pool_t;

static inline void pool_put(pool_t *pool, unsigned i, unsigned weight, unsigned level)
{
    rp_slot_t *slot = &pool->state.slots[i];
    char url[40];

    snprintf(url, sizeof(url), "http://10.0.0.%u:8080", i + 1);
    slot->origin = RP_SLOT_CONFIGURED;
    slot->weight = weight;
    slot->level = level;
    slot->retry = SECOND;
    slot->id = rp_slot_id(url);
}

/** With n slots, as many levels, and weights in the first of them up to a negative one; free it by pool_end(). */
static inline void pool_begin(pool_t *pool, unsigned n, unsigned levels, const int *weights)
{
    size_t size = rp_state_size(n, levels, 1);
    unsigned i;

    memset(pool, 0, sizeof(*pool));
    pool->mem = aligned_alloc(64, (size + 63) & ~(size_t)63);
    if (!pool->mem) {
        abort();
    }
    memset(pool->mem, 0, size);
    pool->eject = (rp_eject_conf_t){
        .on = 1, .failures = 3, .errors = 5, .deviations = 190, .requests = 20, .interval = 10 * SECOND,
        .time = 10 * SECOND, .longest = 300 * SECOND, .most = 75, .panic = 20
    };
    pool->now = 1000 * SECOND;
    pool->random = 1;
    rp_state_map(&pool->state, pool->mem, n, levels, 1, &pool->eject);
    for (i = 0; i < n && weights[i] >= 0; i++) {
        pool_put(pool, i, (unsigned)weights[i], 0);
    }
    if (rp_state_lock_init(&pool->state) != 0) {
        abort();
    }
    rp_state_plan(&pool->state);
}

static inline void pool_end(pool_t *pool)
{
    free(pool->mem);
}

static inline rp_pick_t pool_pick_of(pool_t *pool)
{
    pool->random += 0x9e3779b97f4a7c15u;
    return (rp_pick_t){ .now = pool->now, .random = rp_mix(pool->random), .may_try = 1 };
}

static inline int pool_pick(pool_t *pool, rp_method_fn method)
{
    rp_pick_t pick = pool_pick_of(pool);

    return rp_state_pick(&pool->state, method, &pick);
}

static inline int pool_pick_key(pool_t *pool, apr_uint64_t key)
{
    rp_pick_t pick = pool_pick_of(pool);

    pick.hash = rp_mix(key + 1);
    return rp_state_pick(&pool->state, rp_method_hash, &pick);
}

/** An exchange that took so many microseconds, from beginning to end. */
static inline rp_news_e pool_report(pool_t *pool, unsigned i, rp_outcome_e outcome, int trial)
{
    return rp_state_report(&pool->state, i, outcome, trial, 10000, pool->now);
}

#endif

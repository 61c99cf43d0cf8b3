/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "farm/breaker.h"

#define get(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define set(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

rp_breaker_way_e rp_breaker_ask(rp_breaker_t *b, apr_time_t now, apr_interval_time_t patience)
{
    apr_int64_t until = get(b->until);

    if (until == 0) {
        return RP_BREAKER_GO;
    }
    if (now < until || !__atomic_compare_exchange_n(&b->until, &until, now + patience, 0, __ATOMIC_RELAXED,
                                                    __ATOMIC_RELAXED)) {
        return RP_BREAKER_LEAVE;
    }
    return RP_BREAKER_TRIAL;
}

apr_interval_time_t rp_breaker_ok(rp_breaker_t *b, rp_breaker_way_e way, apr_time_t now)
{
    /* Not written to without need: the line is shared by all processes. */
    if (get(b->timeouts)) {
        set(b->timeouts, 0);
    }
    if (way != RP_BREAKER_TRIAL || get(b->until) == 0) {
        return 0;
    }
    set(b->steps, 0);
    set(b->until, 0);
    return now > get(b->since) ? now - get(b->since) : 1;
}

static apr_interval_time_t time_alone(apr_uint32_t steps, apr_interval_time_t first, uint32_t random)
{
    apr_interval_time_t factor = steps < 2 ? 1 : steps == 2 ? 2 : RP_BREAKER_GROWTH;
    apr_interval_time_t whole = first * factor;

    return whole - whole / 8 + whole / 4 * (random & 0xff) / 256;
}

int rp_breaker_failed(rp_breaker_t *b, rp_breaker_way_e way, rp_breaker_evidence_e evidence, apr_time_t now,
                      apr_interval_time_t first, uint32_t random)
{
    apr_int64_t closed = 0;
    apr_uint32_t steps;

    if (way == RP_BREAKER_TRIAL) {
        steps = __atomic_add_fetch(&b->steps, 1, __ATOMIC_RELAXED);
        set(b->until, now + time_alone(steps, first, random));
        return 0;
    }
    if (way == RP_BREAKER_LEAVE || (evidence == RP_BREAKER_TIMEOUT
        && __atomic_add_fetch(&b->timeouts, 1, __ATOMIC_RELAXED) < RP_BREAKER_TIMEOUTS)) {
        return 0;
    }
    if (!__atomic_compare_exchange_n(&b->until, &closed, now + time_alone(1, first, random), 0, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)) {
        return 0;
    }
    set(b->steps, 1);
    set(b->since, now);
    return 1;
}

/* FNV-1a */
static apr_uint64_t hash(const char *name)
{
    apr_uint64_t h = 0xcbf29ce484222325u;

    for (; *name; name++) {
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    }
    return h ? h : 1;
}

rp_breaker_t *rp_breaker_find(rp_breaker_t *table, unsigned n, const char *name)
{
    apr_uint64_t id = hash(name);
    unsigned i;

    for (i = 0; i < n; i++) {
        apr_uint64_t none = 0;

        if (__atomic_compare_exchange_n(&table[i].id, &none, id, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
            || none == id) {
            return &table[i];
        }
    }
    return NULL;
}

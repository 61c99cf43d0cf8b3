/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** When to find out where things are: in doubt, one call at a time, not often, and seldom while it leads nowhere. */

#include <apr_strings.h>

#include "farm/link.h"
#include "lane/lane.h"

/* A child's searches are at least so far from one another. */
#define PAUSE apr_time_from_msec(500)
/* An old master that has not heard of a fail-over takes writes for seconds, and then forgets them: so Sentinels are
 * asked now and then without need, too. */
#define RECHECK apr_time_from_sec(2)

static int find_out(rp_farm_t *farm, rp_limit_t *limit, apr_pool_t *p, char *why, size_t size)
{
    apr_cpystrn(why, "nobody was asked", size);
    rp_farm_count(farm, searches);
    return farm->conf->url.kind == RP_REDIS_SENTINEL ? rp_sentinel_search(farm, limit, p, why, size)
                                                     : rp_cluster_search(farm, limit, p, why, size);
}

static void search(rp_farm_t *farm, rp_breaker_way_e way, rp_limit_t *limit, apr_pool_t *p)
{
    rp_tell_e kind = farm->conf->url.kind == RP_REDIS_SENTINEL ? RP_TELL_NO_MASTER : RP_TELL_NO_MAP;
    char why[RP_REDIS_WHY];
    apr_pool_t *scratch;

    apr_pool_create(&scratch, p);
    __atomic_store_n(&farm->doubt, 0, __ATOMIC_RELAXED);
    if (find_out(farm, limit, scratch, why, sizeof(why))) {
        rp_breaker_ok(&farm->shared->search, way, rp_now());
    }
    else {
        __atomic_store_n(&farm->doubt, 1, __ATOMIC_RELAXED);
        rp_breaker_failed(&farm->shared->search, way, RP_BREAKER_DOWN, rp_now(), farm->conf->trial, 0);
        rp_farm_tell(farm, kind, farm->conf->shown, why);
    }
    __atomic_store_n(&farm->searched, rp_now(), __ATOMIC_RELAXED);
    apr_pool_destroy(scratch);
}

int rp_farm_is_in_doubt(const rp_farm_t *farm)
{
    return __atomic_load_n(&farm->doubt, __ATOMIC_RELAXED)
           || (farm->conf->url.kind == RP_REDIS_SENTINEL
               && rp_now() - __atomic_load_n(&farm->searched, __ATOMIC_RELAXED) >= RECHECK);
}

void rp_farm_search(rp_farm_t *farm, rp_limit_t *limit, apr_pool_t *p)
{
    apr_time_t searched = __atomic_load_n(&farm->searched, __ATOMIC_RELAXED);
    rp_breaker_way_e way;

    if ((searched && rp_now() - searched < PAUSE) || __atomic_exchange_n(&farm->searching, 1, __ATOMIC_ACQUIRE)) {
        return;
    }
    way = rp_breaker_ask(&farm->shared->search, rp_now(), farm->conf->connect + farm->conf->timeout);
    if (way != RP_BREAKER_LEAVE) {
        search(farm, way, limit, p);
    }
    __atomic_store_n(&farm->searching, 0, __ATOMIC_RELEASE);
}

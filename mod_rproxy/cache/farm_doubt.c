/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "cache/farm_doubt.h"

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define STORE(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELEASE)

void rp_doubt_begin(rp_doubt_t *doubt, rp_secs_t second)
{
    STORE(doubt->synced, 0);
    STORE(doubt->failed, 0);
    STORE(doubt->began, second);
}

void rp_doubt_synced(rp_doubt_t *doubt, apr_time_t asked, apr_time_t now)
{
    STORE(doubt->synced, asked);
    STORE(doubt->tried, now);
}

void rp_doubt_failed(rp_doubt_t *doubt, apr_time_t now)
{
    STORE(doubt->failed, 1);
    STORE(doubt->tried, now);
}

int rp_doubt_is_tended(const rp_doubt_t *doubt, apr_time_t now, apr_interval_time_t within)
{
    return LOAD(doubt->tried) > now - within;
}

int rp_doubt_covers(const rp_doubt_t *doubt, rp_secs_t fetched, apr_time_t now, rp_secs_t second,
                    apr_interval_time_t lost)
{
    apr_time_t synced = LOAD(doubt->synced);

    if (synced && now - synced <= lost) {
        return 0;
    }
    if (!synced && !LOAD(doubt->failed)) {
        return fetched <= LOAD(doubt->began);
    }
    return fetched <= second - apr_time_sec(lost);
}

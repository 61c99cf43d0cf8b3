/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "limit/gcra.h"

rp_gcra_t rp_gcra_make(apr_int64_t count, apr_interval_time_t period, apr_int64_t burst)
{
    rp_gcra_t rate;

    /* Rounded down, or requests that keep the interval exactly would be refused now and then. */
    rate.interval = period * 1000 / count;
    rate.room = rate.interval * burst;
    return rate;
}

rp_gcra_t rp_gcra_share(const rp_gcra_t *rate, apr_int64_t n)
{
    apr_int64_t burst = rate->interval ? rate->room / rate->interval : 0;
    rp_gcra_t share = { rate->interval * n, rate->interval * n * ((burst + n - 1) / n) };

    return share;
}

apr_int64_t rp_gcra_wait(const rp_gcra_t *rate, apr_int64_t used_until, apr_int64_t now)
{
    apr_int64_t next = (used_until > now ? used_until : now) + rate->interval;

    return next - now > rate->room ? next - now - rate->room : 0;
}

int rp_gcra_take(const rp_gcra_t *rate, apr_int64_t *used_until, apr_int64_t now, apr_int64_t *wait)
{
    *wait = rp_gcra_wait(rate, *used_until, now);
    if (*wait) {
        return 0;
    }
    *used_until = (*used_until > now ? *used_until : now) + rate->interval;
    return 1;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The arithmetic of a rate: GCRA (ITU-T I.371), which needs one number for each key.
 *
 * That number is the time at which a key will have used up nothing of its rate any more.  It lies at most the rate's
 * room ahead of now, and each request moves it on by one interval.  So at most burst + T / interval requests pass in
 * any time T, and those that keep the interval always do.  Pure; all times are nanoseconds of any clock that does not
 * go back.
 */
#ifndef RP_GCRA_H
#define RP_GCRA_H

#include <apr.h>
#include <apr_time.h>

/** Bounds within which nothing overflows. */
#define RP_GCRA_COUNT_MAX 1000000
#define RP_GCRA_BURST_MAX 1000000
#define RP_GCRA_PERIOD_MAX apr_time_from_sec(3600)
#define RP_GCRA_SHARES_MAX 10000

typedef struct rp_gcra_t {
    apr_int64_t interval; /* from one request to the next; 0: there is no rate */
    apr_int64_t room;     /* burst times as long */
} rp_gcra_t;

/**
 * @param count   requests in each period: 1 to RP_GCRA_COUNT_MAX
 * @param period  microseconds: 1s to RP_GCRA_PERIOD_MAX
 * @param burst   requests that may come at once: 1 to RP_GCRA_BURST_MAX
 */
rp_gcra_t rp_gcra_make(apr_int64_t count, apr_interval_time_t period, apr_int64_t burst);

/** The rate of one of n, who together have the whole: a burst is cut in parts, too, none smaller than one request. */
rp_gcra_t rp_gcra_share(const rp_gcra_t *rate, apr_int64_t n);

/**
 * Count a request, if the rate has room for it.
 * @param used_until  the key's number; 0 for a new one
 * @param wait        out: how long until there is room, when there is none; else 0
 * @return 1; 0 when there is none, and used_until stays as it is
 */
int rp_gcra_take(const rp_gcra_t *rate, apr_int64_t *used_until, apr_int64_t now, apr_int64_t *wait);

/** How long until there is room for one request: 0 when there is. */
apr_int64_t rp_gcra_wait(const rp_gcra_t *rate, apr_int64_t used_until, apr_int64_t now);

#endif

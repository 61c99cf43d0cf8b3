/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** How long things took, counted for ever: the buckets of OpenMetrics. Plain memory, zeros being a new one. */
#ifndef RP_HISTOGRAM_H
#define RP_HISTOGRAM_H

#include <apr.h>
#include <apr_time.h>

/** The last one is of all that took longer than the last bound. */
#define RP_HISTOGRAM_BUCKETS 16

typedef struct rp_histogram_t {
    apr_uint64_t counts[RP_HISTOGRAM_BUCKETS]; /* each of what is in it alone */
    apr_uint64_t sum;                          /* microseconds */
} rp_histogram_t;

/** The longest time of a bucket, in microseconds; bucket is below RP_HISTOGRAM_BUCKETS - 1. */
apr_interval_time_t rp_histogram_bound(unsigned bucket);

/** Count one that took so many microseconds; by atomics alone. */
void rp_histogram_add(rp_histogram_t *histogram, apr_interval_time_t time);

/** Add what is in from to sum, which is the caller's own. */
void rp_histogram_sum(rp_histogram_t *sum, const rp_histogram_t *from);

#endif

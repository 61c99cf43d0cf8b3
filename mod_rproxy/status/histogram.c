/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "status/histogram.h"

/* From what a cache takes to what nobody waits for. */
static const apr_uint32_t bounds[RP_HISTOGRAM_BUCKETS - 1] = {
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000
};

apr_interval_time_t rp_histogram_bound(unsigned bucket)
{
    return bounds[bucket];
}

void rp_histogram_add(rp_histogram_t *histogram, apr_interval_time_t time)
{
    unsigned i = 0;

    time = time < 0 ? 0 : time;
    while (i < RP_HISTOGRAM_BUCKETS - 1 && time > bounds[i]) {
        i++;
    }
    __atomic_fetch_add(&histogram->counts[i], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&histogram->sum, (apr_uint64_t)time, __ATOMIC_RELAXED);
}

void rp_histogram_sum(rp_histogram_t *sum, const rp_histogram_t *from)
{
    unsigned i;

    for (i = 0; i < RP_HISTOGRAM_BUCKETS; i++) {
        sum->counts[i] += __atomic_load_n(&from->counts[i], __ATOMIC_RELAXED);
    }
    sum->sum += __atomic_load_n(&from->sum, __ATOMIC_RELAXED);
}

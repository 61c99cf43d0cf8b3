/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <unistd.h>

#include "status/counters.h"

/* More than there are cores to meet on. */
#define STRIPES 32
/* The one being written may not be among those that are read. */
#define RING (RP_SAMPLES + 7)

const rp_metric_t rp_metrics[RP_METRICS] = {
#define RP_METRIC(id, name, type, unit, labels, sentence) { name, RP_METRIC_##type, unit, labels, sentence },
#include "status/metrics.def"
#undef RP_METRIC
};

const rp_counter_t rp_counters[RP_COUNTERS] = {
#define RP_COUNTER(id, metric, value) { RP_METRIC_OF_##metric, value },
#include "status/counters.def"
#undef RP_COUNTER
};

typedef struct stripe_t {
    rp_counts_t counts;
} __attribute__((aligned(64))) stripe_t;

typedef struct memory_t {
    apr_int64_t since;
    apr_uint64_t written; /* samples, in all */
    stripe_t stripes[STRIPES];
    rp_sample_t ring[RING];
} memory_t;

static memory_t *memory;
static unsigned threads; /* of this process that have counted */

apr_size_t rp_counters_size(void)
{
    return sizeof(memory_t);
}

void rp_counters_use(void *mem, apr_time_t now)
{
    memory = mem;
    if (memory && !memory->since) {
        memory->since = now;
    }
}

static rp_counts_t *own_counts(void)
{
    static __thread unsigned own; /* its number, from 1 */

    if (!own) {
        /* Processes begin at different stripes. */
        own = 1 + ((unsigned)getpid() * 7 + __atomic_fetch_add(&threads, 1, __ATOMIC_RELAXED)) % STRIPES;
    }
    return &memory->stripes[own - 1].counts;
}

void rp_count(rp_counter_e counter, apr_uint64_t n)
{
    if (memory) {
        __atomic_fetch_add(&own_counts()->n[counter], n, __ATOMIC_RELAXED);
    }
}

rp_counter_e rp_counter_of(rp_counter_e first, const char *value, apr_size_t len)
{
    rp_metric_e metric = rp_counters[first].metric;
    unsigned i = first;

    for (; i < RP_COUNTERS && rp_counters[i].metric == metric; i++) {
        if (!strncmp(rp_counters[i].value, value, len) && !rp_counters[i].value[len]) {
            return (rp_counter_e)i;
        }
    }
    return (rp_counter_e)(i - 1);
}

void rp_count_duration(rp_counter_e result, apr_interval_time_t time)
{
    if (memory) {
        rp_histogram_add(&own_counts()->durations[result], time);
    }
}

void rp_counters_sum(rp_counts_t *counts)
{
    unsigned i, j;

    memset(counts, 0, sizeof(*counts));
    for (i = 0; memory && i < STRIPES; i++) {
        const rp_counts_t *from = &memory->stripes[i].counts;

        for (j = 0; j < RP_COUNTERS; j++) {
            counts->n[j] += __atomic_load_n(&from->n[j], __ATOMIC_RELAXED);
        }
        for (j = 0; j < RP_RESULTS; j++) {
            rp_histogram_sum(&counts->durations[j], &from->durations[j]);
        }
    }
}

apr_time_t rp_counters_since(void)
{
    return memory ? memory->since : 0;
}

int rp_sample_is_due(apr_time_t now)
{
    apr_uint64_t written = memory ? __atomic_load_n(&memory->written, __ATOMIC_ACQUIRE) : 0;
    apr_time_t last = written ? memory->ring[(written - 1) % RING].time : 0;

    /* By the clock's tens of seconds. When it was put back, what it says now is what counts. */
    return memory && now / RP_SAMPLE_EVERY != last / RP_SAMPLE_EVERY;
}

void rp_sample_add(const rp_sample_t *sample)
{
    if (memory) {
        apr_uint64_t written = __atomic_load_n(&memory->written, __ATOMIC_RELAXED);

        memory->ring[written % RING] = *sample;
        __atomic_store_n(&memory->written, written + 1, __ATOMIC_RELEASE);
    }
}

int rp_samples(rp_sample_t *samples)
{
    apr_uint64_t written = memory ? __atomic_load_n(&memory->written, __ATOMIC_ACQUIRE) : 0;
    int n = written < RP_SAMPLES ? (int)written : RP_SAMPLES, i, from;

    for (i = 0; i < n; i++) {
        samples[i] = memory->ring[(written - (apr_uint64_t)n + (apr_uint64_t)i) % RING];
    }
    /* An hour, and what came before a gap or a change of the clock is not of it. */
    for (from = n; from > 0 && samples[from - 1].time >= samples[n - 1].time - RP_SAMPLES * RP_SAMPLE_EVERY
         && (from == n || samples[from - 1].time < samples[from].time); from--) {
    }
    memmove(samples, samples + from, (apr_size_t)(n - from) * sizeof(*samples));
    return n - from;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What all processes of a host count together, and what it was over the last hour.
 *
 * The memory is a few stripes of all counters, so that threads seldom meet; a figure is the sum over them.  Nothing in it
 * is ever locked, reset or lost: it is older than the children that add to it, and outlasts graceful restarts.  This is
 * ground that every room may stand on: it includes nothing of them.
 */
#ifndef RP_COUNTERS_H
#define RP_COUNTERS_H

#include <apr.h>
#include <apr_time.h>

#include "status/histogram.h"

typedef enum rp_metric_type_e {
    RP_METRIC_COUNTER,
    RP_METRIC_GAUGE,
    RP_METRIC_HISTOGRAM,
    RP_METRIC_INFO,
    RP_METRIC_STATESET
} rp_metric_type_e;

typedef enum rp_metric_e {
#define RP_METRIC(id, name, type, unit, labels, sentence) RP_METRIC_OF_##id,
#include "status/metrics.def"
#undef RP_METRIC
    RP_METRICS
} rp_metric_e;

typedef struct rp_metric_t {
    const char *name;     /* without "rproxy_" */
    rp_metric_type_e type;
    const char *unit;     /* "" for none */
    const char *labels;   /* with commas between them */
    const char *sentence; /* for operators */
} rp_metric_t;

typedef enum rp_counter_e {
#define RP_COUNTER(id, metric, value) RP_COUNT_##id,
#include "status/counters.def"
#undef RP_COUNTER
    RP_COUNTERS
} rp_counter_e;

typedef struct rp_counter_t {
    rp_metric_e metric;
    const char *value; /* of the metric's one label; "" when it has none */
} rp_counter_t;

/** By their numbers. */
extern const rp_metric_t rp_metrics[RP_METRICS];
extern const rp_counter_t rp_counters[RP_COUNTERS];

/** Those of REQUESTS: durations are told by them. */
#define RP_RESULTS (RP_COUNT_REQUESTS_NONE + 1)

/** All at one moment. */
typedef struct rp_counts_t {
    apr_uint64_t n[RP_COUNTERS];
    rp_histogram_t durations[RP_RESULTS];
} rp_counts_t;

#define RP_SAMPLE_EVERY apr_time_from_sec(10)
/** So many are an hour: that many intervals have one end more. */
#define RP_SAMPLES 361

/** What was at the end of an interval. */
typedef struct rp_sample_t {
    apr_int64_t time;      /* Unix microseconds */
    apr_uint64_t n[RP_COUNTERS];
    apr_uint64_t objects;  /* in the local store, */
    apr_uint64_t bytes;    /* what they take, */
    apr_uint64_t evictions; /* and how many have left it */
} rp_sample_t;

/** Bytes of memory; 64 of them are its alignment. */
apr_size_t rp_counters_size(void);

/**
 * Use this memory from now on, which all processes share: zeros when it is new.
 * @param memory  NULL: count nothing
 * @param now     Unix microseconds: when they began, if it is new
 */
void rp_counters_use(void *memory, apr_time_t now);

/** Add to a counter. A few nanoseconds. */
void rp_count(rp_counter_e counter, apr_uint64_t n);

/**
 * The counter of a metric with this value of its label, which is one of the table's, or else its "other" one.
 * @param first  the metric's first counter
 */
rp_counter_e rp_counter_of(rp_counter_e first, const char *value, apr_size_t len);

/** Count a request's duration. @param result  below RP_RESULTS */
void rp_count_duration(rp_counter_e result, apr_interval_time_t time);

/** The sums over all processes. */
void rp_counters_sum(rp_counts_t *counts);

/** When counting began; Unix microseconds, 0: nothing is counted. */
apr_time_t rp_counters_since(void);

/**
 * Keep a sample, in one process of the host at a time.
 * @param now  Unix microseconds. @return 0 when the last one is younger than an interval, as far as clocks tell
 */
int rp_sample_is_due(apr_time_t now);
void rp_sample_add(const rp_sample_t *sample);

/**
 * The samples of the last hour, oldest first.
 * @return how many; samples has room for RP_SAMPLES
 */
int rp_samples(rp_sample_t *samples);

#endif

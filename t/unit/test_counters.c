/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <apr_general.h>
#include <cmocka.h>

#include "status/counters.h"

#define THREADS 8
#define EACH 10000
#define NOON apr_time_from_sec(1800000000)

static int begin(void **state)
{
    *state = aligned_alloc(64, (rp_counters_size() + 63) / 64 * 64);
    memset(*state, 0, rp_counters_size());
    rp_counters_use(*state, NOON);
    return 0;
}

static int end(void **state)
{
    rp_counters_use(NULL, 0);
    free(*state);
    return 0;
}

static void *add(void *unused)
{
    int i;

    (void)unused;
    for (i = 0; i < EACH; i++) {
        rp_count(RP_COUNT_REQUESTS_HIT, 1);
        rp_count_duration(RP_COUNT_REQUESTS_HIT, 700);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];
    rp_counts_t counts;
    int i;

    (void)state;
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add, NULL), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    rp_counters_sum(&counts);
    assert_int_equal(counts.n[RP_COUNT_REQUESTS_HIT], THREADS * EACH);
    assert_int_equal(counts.n[RP_COUNT_REQUESTS_STALE], 0);
    assert_int_equal(counts.durations[RP_COUNT_REQUESTS_HIT].counts[1], THREADS * EACH);
    assert_int_equal(counts.durations[RP_COUNT_REQUESTS_HIT].sum, (apr_uint64_t)THREADS * EACH * 700);
}

static void test_kept(void **state)
{
    rp_counts_t counts;

    rp_count(RP_COUNT_PURGES, 3);
    rp_counters_use(NULL, 0);
    rp_count(RP_COUNT_PURGES, 5);
    rp_counters_sum(&counts);
    assert_int_equal(counts.n[RP_COUNT_PURGES], 0);
    assert_int_equal(rp_counters_since(), 0);
    rp_counters_use(*state, NOON + 1);
    rp_counters_sum(&counts);
    assert_int_equal(counts.n[RP_COUNT_PURGES], 3);
    assert_int_equal(rp_counters_since(), NOON);
}

static void test_of(void **state)
{
    (void)state;
    assert_int_equal(rp_counter_of(RP_COUNT_REQUESTS_HIT, "collapsed", 9), RP_COUNT_REQUESTS_COLLAPSED);
    assert_int_equal(rp_counter_of(RP_COUNT_FORWARDS_URI, "vary-miss; x", 9), RP_COUNT_FORWARDS_VARY);
    assert_int_equal(rp_counter_of(RP_COUNT_FORWARDS_URI, "vary", 4), RP_COUNT_FORWARDS_OTHER);
    assert_int_equal(rp_counter_of(RP_COUNT_ERRORS_DNS, "unheard_of", 10), RP_COUNT_ERRORS_OTHER);
}

/* What the tables promise to each other. */
static void test_tables(void **state)
{
    int seen[RP_METRICS] = { 0 };
    unsigned i;

    (void)state;
    for (i = 0; i < RP_COUNTERS; i++) {
        const rp_metric_t *metric = &rp_metrics[rp_counters[i].metric];

        assert_int_equal(metric->type, RP_METRIC_COUNTER);
        assert_int_equal(!*metric->labels, !*rp_counters[i].value);
        assert_null(strchr(metric->labels, ','));
        if (i == 0 || rp_counters[i - 1].metric != rp_counters[i].metric) {
            assert_int_equal(seen[rp_counters[i].metric]++, 0);
        }
    }
    for (i = 0; i < RP_METRICS; i++) {
        const rp_metric_t *metric = &rp_metrics[i];
        size_t name = strlen(metric->name), unit = strlen(metric->unit);

        assert_true(!unit || (name > unit && !strcmp(metric->name + name - unit, metric->unit)));
        assert_true(strlen(metric->sentence) > 10 && metric->sentence[strlen(metric->sentence) - 1] == '.');
        assert_null(strpbrk(metric->sentence, "\"\\\n"));
    }
}

static void test_histogram(void **state)
{
    rp_histogram_t histogram, sum;

    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    rp_histogram_add(&histogram, -5);
    rp_histogram_add(&histogram, rp_histogram_bound(0));
    rp_histogram_add(&histogram, rp_histogram_bound(0) + 1);
    rp_histogram_add(&histogram, apr_time_from_sec(3600));
    assert_int_equal(histogram.counts[0], 2);
    assert_int_equal(histogram.counts[1], 1);
    assert_int_equal(histogram.counts[RP_HISTOGRAM_BUCKETS - 1], 1);
    sum = histogram;
    rp_histogram_sum(&sum, &histogram);
    assert_int_equal(sum.counts[0], 4);
    assert_int_equal(sum.sum, 2 * histogram.sum);
}

static void put_sample(apr_time_t time)
{
    rp_sample_t sample;

    memset(&sample, 0, sizeof(sample));
    sample.time = time;
    sample.objects = (apr_uint64_t)apr_time_sec(time);
    rp_sample_add(&sample);
}

static void test_samples(void **state)
{
    static rp_sample_t samples[RP_SAMPLES];
    apr_time_t now = NOON;
    int i, n;

    (void)state;
    assert_int_equal(rp_samples(samples), 0);
    assert_true(rp_sample_is_due(now));
    put_sample(now);
    assert_false(rp_sample_is_due(now + RP_SAMPLE_EVERY - 1));
    assert_true(rp_sample_is_due(now + RP_SAMPLE_EVERY));
    /* The clock may be put back. */
    assert_true(rp_sample_is_due(now - 1));
    for (i = 1; i < 3 * RP_SAMPLES; i++) {
        now += RP_SAMPLE_EVERY;
        put_sample(now);
    }
    n = rp_samples(samples);
    assert_int_equal(n, RP_SAMPLES);
    for (i = 0; i < n; i++) {
        assert_int_equal(samples[i].time, now - (n - 1 - i) * RP_SAMPLE_EVERY);
        assert_int_equal(samples[i].objects, apr_time_sec(samples[i].time));
    }
    put_sample(now - apr_time_from_sec(7200));
    assert_int_equal(rp_samples(samples), 1);
    put_sample(now + apr_time_from_sec(7200));
    assert_int_equal(rp_samples(samples), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_threads, begin, end),
        cmocka_unit_test_setup_teardown(test_kept, begin, end),
        cmocka_unit_test(test_of),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test_setup_teardown(test_samples, begin, end),
    };
    return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}

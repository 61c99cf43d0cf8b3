/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The figures as JSON. */

#include <math.h>
#include <string.h>

#include <httpd.h>
#include <apr_strings.h>

#include "status/manage.h"
#include "status/problems.h"
#include "status/status.h"

static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

/* What is a share of nothing is unknown. */
static json_t *share(apr_uint64_t part, apr_uint64_t all)
{
    return all ? json_real(round((double)part / (double)all * 10000) / 10000) : json_null();
}

/* Without labels a number, else an object by the label's values. */
static json_t *counters_of(const rp_counts_t *counts)
{
    json_t *json = json_object();
    unsigned i;

    for (i = 0; i < RP_COUNTERS; i++) {
        const rp_metric_t *metric = &rp_metrics[rp_counters[i].metric];
        json_t *n = rp_json_number(counts->n[i]), *values;

        if (!*metric->labels) {
            set(json, metric->name, n);
            continue;
        }
        values = json_object_get(json, metric->name);
        if (!values) {
            values = json_object();
            set(json, metric->name, values);
        }
        set(values, rp_counters[i].value, n);
    }
    return json;
}

static json_t *traffic_of(const rp_traffic_t *traffic)
{
    json_t *json = json_object();

    set(json, "requests", rp_json_number(traffic->requests));
    set(json, "cached", rp_json_number(traffic->cached));
    set(json, "hit_ratio", share(traffic->cached, traffic->asked));
    set(json, "failed", rp_json_number(traffic->failed));
    set(json, "sent_bytes", rp_json_number(traffic->sent));
    set(json, "sent_from_cache_bytes", rp_json_number(traffic->sent_cached));
    set(json, "received_bytes", rp_json_number(traffic->received));
    set(json, "saved_by_compression_bytes", rp_json_number(rp_traffic_squeezed(traffic)));
    return json;
}

static json_t *problems_of(apr_pool_t *p, const rp_figures_t *figures, const rp_traffic_t *minute)
{
    const apr_array_header_t *problems = rp_problems(p, figures, minute);
    json_t *list = json_array();
    int i;

    for (i = 0; i < problems->nelts; i++) {
        const rp_problem_t *problem = &APR_ARRAY_IDX(problems, i, const rp_problem_t);
        json_t *json = json_object();

        set(json, "severity", json_string(problem->is_error ? "error" : "warning"));
        set(json, "kind", json_string(problem->kind));
        set(json, "text", rp_json_text(problem->text));
        json_array_append_new(list, json);
    }
    return list;
}

static json_t *cache_of(const rp_cache_figures_t *cache)
{
    json_t *json = json_object();

    set(json, "up", json_boolean(cache->up));
    set(json, "objects", rp_json_number(cache->objects));
    set(json, "used_bytes", rp_json_number(cache->bytes));
    set(json, "size_bytes", rp_json_number(cache->size));
    set(json, "evictions", rp_json_number(cache->evictions));
    return json;
}

static json_t *farm_of(const rp_figures_t *figures)
{
    const rp_farm_figures_t *link = &figures->farm;
    const rp_store_farm_figures_t *far = &figures->far;
    json_t *json = json_object();

    set(json, "up", json_boolean(figures->farm_up));
    set(json, "calls", rp_json_number(link->calls));
    set(json, "calls_failed", rp_json_number(link->away + link->unreached + link->lost));
    set(json, "hits", rp_json_number(far->hits));
    set(json, "misses", rp_json_number(far->misses));
    set(json, "rejected", rp_json_number(far->unsealed + far->unsound + far->broken));
    set(json, "stored", rp_json_number(far->stored));
    set(json, "not_stored", rp_json_number(far->too_large + far->refused + far->failed + far->dropped));
    set(json, "received_bytes", rp_json_number(far->bytes_in));
    set(json, "sent_bytes", rp_json_number(far->bytes_out));
    return json;
}

static json_t *pools_of(const rp_figures_t *figures)
{
    json_t *list = json_array();
    int i, j;

    for (i = 0; i < figures->pools->nelts; i++) {
        const rp_pool_view_t *pool = APR_ARRAY_IDX(figures->pools, i, const rp_pool_view_t *);
        json_t *json = rp_json_pool(pool);

        set(json, "usable", json_integer(rp_view_count(pool, 1)));
        for (j = 0; j < pool->members->nelts; j++) {
            double errors = rp_member_error_share(&APR_ARRAY_IDX(pool->members, j, const rp_member_view_t));

            set(json_array_get(json_object_get(json, "members"), (size_t)j), "error_share",
                errors < 0 ? json_null() : json_real(round(errors * 10000) / 10000));
        }
        json_array_append_new(list, json);
    }
    return list;
}

/* ------------------------------------------------------------------ the last hour */

typedef json_t *(*value_fn)(const rp_traffic_t *traffic, const rp_sample_t *at);

static json_t *requests(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)at;
    return rp_json_number(traffic->requests);
}

static json_t *cached(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)at;
    return rp_json_number(traffic->cached);
}

static json_t *hit_ratio(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)at;
    return share(traffic->cached, traffic->asked);
}

static json_t *failed(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)at;
    return rp_json_number(traffic->failed);
}

static json_t *sent(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)at;
    return rp_json_number(traffic->sent);
}

static json_t *sent_cached(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)at;
    return rp_json_number(traffic->sent_cached);
}

static json_t *received(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)at;
    return rp_json_number(traffic->received);
}

static json_t *squeezed(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)at;
    return rp_json_number(rp_traffic_squeezed(traffic));
}

static json_t *objects(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)traffic;
    return rp_json_number(at->objects);
}

static json_t *used(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)traffic;
    return rp_json_number(at->bytes);
}

static json_t *times(const rp_traffic_t *traffic, const rp_sample_t *at)
{
    (void)traffic;
    return json_integer((json_int_t)apr_time_sec(at->time));
}

static const struct {
    const char *name;
    value_fn value;
} series[] = {
    { "time", times }, { "requests", requests }, { "cached", cached }, { "hit_ratio", hit_ratio }, { "failed", failed },
    { "sent_bytes", sent }, { "sent_from_cache_bytes", sent_cached }, { "received_bytes", received },
    { "saved_by_compression_bytes", squeezed }, { "objects", objects }, { "used_bytes", used },
};

/* A value for each interval, which ends at the time that stands in the same place of "time". */
static json_t *history_of(const rp_sample_t *samples, int n)
{
    json_t *json = json_object();
    size_t i;
    int j;

    set(json, "interval_seconds", json_integer((json_int_t)apr_time_sec(RP_SAMPLE_EVERY)));
    for (i = 0; i < sizeof(series) / sizeof(*series); i++) {
        json_t *list = json_array();

        for (j = 1; j < n; j++) {
            rp_traffic_t traffic;

            rp_traffic(samples[j - 1].n, samples[j].n, &traffic);
            json_array_append_new(list, series[i].value(&traffic, &samples[j]));
        }
        set(json, series[i].name, list);
    }
    return json;
}

json_t *rp_json_status(apr_pool_t *p, const rp_figures_t *figures, const char *manage)
{
    rp_sample_t *samples = apr_palloc(p, RP_SAMPLES * sizeof(*samples));
    int n = rp_samples(samples);
    json_t *json = json_object(), *recent = json_object();
    rp_traffic_t traffic;

    rp_traffic_of_last(figures, samples, n, 60, &traffic);
    set(json, "problems", problems_of(p, figures, &traffic));
    set(recent, "minute", traffic_of(&traffic));
    rp_traffic_of_last(figures, samples, n, 3600, &traffic);
    set(recent, "hour", traffic_of(&traffic));
    rp_traffic(NULL, figures->counts.n, &traffic);
    set(recent, "ever", traffic_of(&traffic));

    set(json, "version", json_integer(RP_STATUS_VERSION));
    set(json, "software", json_string("mod_rproxy " RP_VERSION));
    set(json, "time", json_real(floor((double)figures->now / 1000) / 1000));
    set(json, "since", json_integer((json_int_t)apr_time_sec(figures->since)));
    set(json, "manage", manage ? rp_json_text(manage) : json_null());
    set(json, "traffic", recent);
    set(json, "counters", counters_of(&figures->counts));
    set(json, "cache", cache_of(&figures->cache));
    set(json, "farm", figures->in_farm ? farm_of(figures) : json_null());
    set(json, "pools", pools_of(figures));
    set(json, "history", history_of(samples, n));
    return json;
}

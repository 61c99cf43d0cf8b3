/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The figures as Prometheus reads them. */

#include <string.h>

#include <httpd.h>
#include <http_protocol.h>
#include <apr_strings.h>

#include "status/status.h"

#define PREFIX "rproxy_"

typedef struct writer_t {
    request_rec *r;
    const rp_figures_t *figures;
    int open; /* OpenMetrics; else the older format, which knows fewer types and names counters as their samples */
} writer_t;

/* ------------------------------------------------------------------ lines */

static const char *type_name(rp_metric_type_e type, int open)
{
    static const char *const names[] = { "counter", "gauge", "histogram", "info", "stateset" };

    return !open && type > RP_METRIC_HISTOGRAM ? "gauge" : names[type];
}

static const char *suffix_of(rp_metric_type_e type)
{
    return type == RP_METRIC_COUNTER ? "_total" : type == RP_METRIC_INFO ? "_info" : "";
}

static void begin(const writer_t *w, rp_metric_e metric)
{
    const rp_metric_t *m = &rp_metrics[metric];
    const char *suffix = w->open ? "" : suffix_of(m->type);

    ap_rprintf(w->r, "# TYPE " PREFIX "%s%s %s\n", m->name, suffix, type_name(m->type, w->open));
    if (w->open && *m->unit) {
        ap_rprintf(w->r, "# UNIT " PREFIX "%s %s\n", m->name, m->unit);
    }
    ap_rprintf(w->r, "# HELP " PREFIX "%s%s %s\n", m->name, suffix, m->sentence);
}

static const char *escaped(apr_pool_t *p, const char *value)
{
    char *copy, *to;

    if (!value[strcspn(value, "\\\"\n")]) {
        return value;
    }
    copy = to = apr_palloc(p, 2 * strlen(value) + 1);
    for (; *value; value++) {
        if (strchr("\\\"\n", *value)) {
            *to++ = '\\';
        }
        *to++ = *value == '\n' ? 'n' : *value;
    }
    *to = '\0';
    return copy;
}

/* 'name="value"', to go before or behind others. */
static const char *label(const writer_t *w, const char *before, const char *name, const char *value)
{
    return apr_pstrcat(w->r->pool, before, *before ? "," : "", name, "=\"", escaped(w->r->pool, value), "\"", NULL);
}

static void sample(const writer_t *w, rp_metric_e metric, const char *labels, const char *value)
{
    const rp_metric_t *m = &rp_metrics[metric];

    ap_rprintf(w->r, PREFIX "%s%s%s%s%s %s\n", m->name, suffix_of(m->type), *labels ? "{" : "", labels,
               *labels ? "}" : "", value);
}

static void number(const writer_t *w, rp_metric_e metric, const char *labels, apr_uint64_t value)
{
    sample(w, metric, labels, apr_psprintf(w->r->pool, "%" APR_UINT64_T_FMT, value));
}

static void single(const writer_t *w, rp_metric_e metric, apr_uint64_t value)
{
    begin(w, metric);
    number(w, metric, "", value);
}

/* As few decimals as there are, but one at least. */
static const char *bound(const writer_t *w, unsigned bucket)
{
    char *text;
    size_t len;

    if (bucket == RP_HISTOGRAM_BUCKETS - 1) {
        return "+Inf";
    }
    text = apr_psprintf(w->r->pool, "%.4f", (double)rp_histogram_bound(bucket) / APR_USEC_PER_SEC);
    for (len = strlen(text); text[len - 1] == '0' && text[len - 2] != '.'; len--) {
        text[len - 1] = '\0';
    }
    return text;
}

static void histogram(const writer_t *w, rp_metric_e metric, const char *labels, const rp_histogram_t *h)
{
    const char *name = rp_metrics[metric].name, *comma = *labels ? "," : "";
    apr_uint64_t below = 0;
    unsigned i;

    for (i = 0; i < RP_HISTOGRAM_BUCKETS; i++) {
        below += h->counts[i];
        ap_rprintf(w->r, PREFIX "%s_bucket{%s%sle=\"%s\"} %" APR_UINT64_T_FMT "\n", name, labels, comma, bound(w, i), below);
    }
    ap_rprintf(w->r, PREFIX "%s_count%s%s%s %" APR_UINT64_T_FMT "\n", name, *labels ? "{" : "", labels, *labels ? "}" : "",
               below);
    ap_rprintf(w->r, PREFIX "%s_sum%s%s%s %.6f\n", name, *labels ? "{" : "", labels, *labels ? "}" : "",
               (double)h->sum / APR_USEC_PER_SEC);
}

/* ------------------------------------------------------------------ what is counted */

static void durations(const writer_t *w)
{
    unsigned i;

    begin(w, RP_METRIC_OF_DURATION);
    for (i = 0; i < RP_RESULTS; i++) {
        histogram(w, RP_METRIC_OF_DURATION, label(w, "", rp_metrics[RP_METRIC_OF_DURATION].labels, rp_counters[i].value),
                  &w->figures->counts.durations[i]);
    }
}

static void counters(const writer_t *w)
{
    unsigned i;

    for (i = 0; i < RP_COUNTERS; i++) {
        rp_metric_e metric = rp_counters[i].metric;
        const char *name = rp_metrics[metric].labels;

        if (i == 0 || rp_counters[i - 1].metric != metric) {
            begin(w, metric);
        }
        number(w, metric, *name ? label(w, "", name, rp_counters[i].value) : "", w->figures->counts.n[i]);
    }
}

static void cache(const writer_t *w)
{
    const rp_cache_figures_t *cache = &w->figures->cache;

    single(w, RP_METRIC_OF_CACHE_UP, (apr_uint64_t)cache->up);
    if (cache->up) {
        single(w, RP_METRIC_OF_CACHE_OBJECTS, cache->objects);
        single(w, RP_METRIC_OF_CACHE_USED, cache->bytes);
        single(w, RP_METRIC_OF_CACHE_SIZE, cache->size);
        single(w, RP_METRIC_OF_CACHE_EVICTIONS, cache->evictions);
    }
}

/* ------------------------------------------------------------------ the farm */

typedef struct part_t {
    const char *value; /* of the label */
    apr_uint64_t n;
} part_t;

static void parts(const writer_t *w, rp_metric_e metric, const part_t *of, unsigned n)
{
    unsigned i;

    begin(w, metric);
    for (i = 0; i < n; i++) {
        number(w, metric, label(w, "", rp_metrics[metric].labels, of[i].value), of[i].n);
    }
}

static void farm(const writer_t *w)
{
    const rp_farm_figures_t *link = &w->figures->farm;
    const rp_store_farm_figures_t *far = &w->figures->far;
    const part_t calls[] = {
        { "answered", link->calls - link->away - link->unreached - link->lost }, { "away", link->away },
        { "unreached", link->unreached }, { "lost", link->lost }
    };
    const part_t lookups[] = { { "hit", far->hits }, { "miss", far->misses }, { "away", far->away } };
    const part_t rejected[] = {
        { "purged", far->purged }, { "unsealed", far->unsealed }, { "unsound", far->unsound }, { "broken", far->broken }
    };
    const part_t stores[] = {
        { "stored", far->stored }, { "too_large", far->too_large }, { "refused", far->refused }, { "failed", far->failed },
        { "dropped", far->dropped }
    };

    single(w, RP_METRIC_OF_FARM_UP, (apr_uint64_t)w->figures->farm_up);
    parts(w, RP_METRIC_OF_FARM_CALLS, calls, sizeof(calls) / sizeof(*calls));
    single(w, RP_METRIC_OF_FARM_CONNECTS, link->connects);
    single(w, RP_METRIC_OF_FARM_OPENED, link->opened);
    parts(w, RP_METRIC_OF_FARM_LOOKUPS, lookups, sizeof(lookups) / sizeof(*lookups));
    parts(w, RP_METRIC_OF_FARM_REJECTED, rejected, sizeof(rejected) / sizeof(*rejected));
    parts(w, RP_METRIC_OF_FARM_STORES, stores, sizeof(stores) / sizeof(*stores));
    single(w, RP_METRIC_OF_FARM_RECEIVED, far->bytes_in);
    single(w, RP_METRIC_OF_FARM_SENT, far->bytes_out);
}

/* ------------------------------------------------------------------ pools and members */

typedef void (*pool_fn)(const writer_t *w, const rp_pool_view_t *pool, const char *labels);
typedef void (*member_fn)(const writer_t *w, const rp_member_view_t *member, const char *labels);

static void each_pool(const writer_t *w, rp_metric_e metric, pool_fn fn)
{
    const apr_array_header_t *pools = w->figures->pools;
    int i;

    begin(w, metric);
    for (i = 0; i < pools->nelts; i++) {
        const rp_pool_view_t *pool = APR_ARRAY_IDX(pools, i, const rp_pool_view_t *);

        fn(w, pool, label(w, "", "pool", pool->name));
    }
}

static void each_member(const writer_t *w, rp_metric_e metric, member_fn fn)
{
    const apr_array_header_t *pools = w->figures->pools;
    int i, j;

    begin(w, metric);
    for (i = 0; i < pools->nelts; i++) {
        const rp_pool_view_t *pool = APR_ARRAY_IDX(pools, i, const rp_pool_view_t *);

        for (j = 0; j < pool->members->nelts; j++) {
            const rp_member_view_t *member = &APR_ARRAY_IDX(pool->members, j, const rp_member_view_t);

            if (member->origin != RP_SLOT_REMOVED) {
                fn(w, member, label(w, label(w, "", "pool", pool->name), "member", member->url));
            }
        }
    }
}

static void pool_members(const writer_t *w, const rp_pool_view_t *pool, const char *labels)
{
    number(w, RP_METRIC_OF_POOL_MEMBERS, labels, (apr_uint64_t)rp_view_count(pool, 0));
}

static void pool_usable(const writer_t *w, const rp_pool_view_t *pool, const char *labels)
{
    number(w, RP_METRIC_OF_POOL_USABLE, labels, (apr_uint64_t)rp_view_count(pool, 1));
}

static void pool_waiting(const writer_t *w, const rp_pool_view_t *pool, const char *labels)
{
    number(w, RP_METRIC_OF_POOL_WAITING, labels, pool->waiting);
}

static void pool_queued(const writer_t *w, const rp_pool_view_t *pool, const char *labels)
{
    const rp_queue_counts_t *counts = &pool->queue;

    number(w, RP_METRIC_OF_POOL_QUEUED, label(w, labels, "outcome", "waited"), counts->waited);
    number(w, RP_METRIC_OF_POOL_QUEUED, label(w, labels, "outcome", "timed_out"), counts->timed_out);
    number(w, RP_METRIC_OF_POOL_QUEUED, label(w, labels, "outcome", "refused"), counts->refused);
    number(w, RP_METRIC_OF_POOL_QUEUED, label(w, labels, "outcome", "clients_gone"), counts->gone);
}

static void pool_retries(const writer_t *w, const rp_pool_view_t *pool, const char *labels)
{
    number(w, RP_METRIC_OF_POOL_RETRIES, label(w, labels, "budget", "granted"), pool->retries);
    number(w, RP_METRIC_OF_POOL_RETRIES, label(w, labels, "budget", "denied"), pool->refused);
}

static void member_usable(const writer_t *w, const rp_member_view_t *member, const char *labels)
{
    number(w, RP_METRIC_OF_MEMBER_USABLE, labels, (apr_uint64_t)rp_view_usable(member));
}

static void member_state(const writer_t *w, const rp_member_view_t *member, const char *labels)
{
    int i;

    for (i = RP_ADMIN_ENABLED; i <= RP_ADMIN_DISABLED; i++) {
        number(w, RP_METRIC_OF_MEMBER_STATE,
               label(w, labels, PREFIX "member_state", rp_admin_name((rp_admin_e)i)), member->admin == (rp_admin_e)i);
    }
}

static void member_check(const writer_t *w, const rp_member_view_t *member, const char *labels)
{
    if (member->check != RP_CHECK_NONE) {
        number(w, RP_METRIC_OF_MEMBER_CHECK, labels, member->check == RP_CHECK_UP);
    }
}

static void member_weight(const writer_t *w, const rp_member_view_t *member, const char *labels)
{
    number(w, RP_METRIC_OF_MEMBER_WEIGHT, labels, member->weight);
}

static void member_inflight(const writer_t *w, const rp_member_view_t *member, const char *labels)
{
    number(w, RP_METRIC_OF_MEMBER_INFLIGHT, labels, member->inflight);
}

static void member_requests(const writer_t *w, const rp_member_view_t *member, const char *labels)
{
    int i;

    for (i = 0; i < RP_OUTCOMES; i++) {
        number(w, RP_METRIC_OF_MEMBER_REQUESTS, label(w, labels, "outcome", rp_outcome_name((rp_outcome_e)i)),
               member->outcomes[i]);
    }
}

static void member_ejections(const writer_t *w, const rp_member_view_t *member, const char *labels)
{
    number(w, RP_METRIC_OF_MEMBER_EJECTIONS, labels, member->ejected);
}

static void member_latency(const writer_t *w, const rp_member_view_t *member, const char *labels)
{
    histogram(w, RP_METRIC_OF_MEMBER_LATENCY, labels, &member->latencies);
}

static void member_certificate(const writer_t *w, const rp_member_view_t *member, const char *labels)
{
    if (member->tls.not_after > 0) {
        number(w, RP_METRIC_OF_MEMBER_CERTIFICATE, labels, (apr_uint64_t)member->tls.not_after);
    }
}

static void pools(const writer_t *w)
{
    each_pool(w, RP_METRIC_OF_POOL_MEMBERS, pool_members);
    each_pool(w, RP_METRIC_OF_POOL_USABLE, pool_usable);
    each_pool(w, RP_METRIC_OF_POOL_WAITING, pool_waiting);
    each_pool(w, RP_METRIC_OF_POOL_QUEUED, pool_queued);
    each_pool(w, RP_METRIC_OF_POOL_RETRIES, pool_retries);
    each_member(w, RP_METRIC_OF_MEMBER_USABLE, member_usable);
    each_member(w, RP_METRIC_OF_MEMBER_STATE, member_state);
    each_member(w, RP_METRIC_OF_MEMBER_CHECK, member_check);
    each_member(w, RP_METRIC_OF_MEMBER_WEIGHT, member_weight);
    each_member(w, RP_METRIC_OF_MEMBER_INFLIGHT, member_inflight);
    each_member(w, RP_METRIC_OF_MEMBER_REQUESTS, member_requests);
    each_member(w, RP_METRIC_OF_MEMBER_EJECTIONS, member_ejections);
    each_member(w, RP_METRIC_OF_MEMBER_LATENCY, member_latency);
    each_member(w, RP_METRIC_OF_MEMBER_CERTIFICATE, member_certificate);
}

void rp_openmetrics(request_rec *r, const rp_figures_t *figures, int open)
{
    writer_t w = { r, figures, open };

    ap_set_content_type(r, open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                : "text/plain; version=0.0.4; charset=utf-8");
    begin(&w, RP_METRIC_OF_BUILD);
    number(&w, RP_METRIC_OF_BUILD, label(&w, "", "version", RP_VERSION), 1);
    single(&w, RP_METRIC_OF_START, (apr_uint64_t)apr_time_sec(figures->since));
    counters(&w);
    durations(&w);
    cache(&w);
    if (figures->in_farm) {
        farm(&w);
    }
    pools(&w);
    if (open) {
        ap_rputs("# EOF\n", r);
    }
}

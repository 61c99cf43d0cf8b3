/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "farm/host.h"
#include "status/figures.h"

static void farm(rp_figures_t *figures)
{
    rp_farm_t *link = rp_farm_of_host();

    if (link) {
        figures->in_farm = 1;
        figures->farm_up = rp_farm_is_there(link, (rp_str_t){ "", 0 });
        rp_farm_figures(link, &figures->farm);
        rp_cache_farm_figures(&figures->far);
    }
}

rp_figures_t *rp_figures(apr_pool_t *p, server_rec *main_server)
{
    rp_figures_t *figures = apr_pcalloc(p, sizeof(*figures));
    apr_array_header_t *pools = rp_control_pools(p, main_server);
    int i;

    figures->now = apr_time_now();
    figures->since = rp_counters_since();
    rp_counters_sum(&figures->counts);
    rp_cache_figures(&figures->cache);
    farm(figures);
    figures->pools = apr_array_make(p, pools->nelts + 1, sizeof(rp_pool_view_t *));
    for (i = 0; i < pools->nelts; i++) {
        APR_ARRAY_PUSH(figures->pools, rp_pool_view_t *) = rp_control_view(p, APR_ARRAY_IDX(pools, i, rp_pool_t *));
    }
    return figures;
}

/* The counters from first to last. Stripes are read one after the other, so that a later sum may seem to be smaller. */
static apr_uint64_t between(const apr_uint64_t *from, const apr_uint64_t *to, rp_counter_e first, rp_counter_e last)
{
    apr_uint64_t sum = 0, before = 0;
    unsigned i;

    for (i = first; i <= last; i++) {
        sum += to[i];
        before += from ? from[i] : 0;
    }
    return sum > before ? sum - before : 0;
}

void rp_traffic(const apr_uint64_t *from, const apr_uint64_t *to, rp_traffic_t *traffic)
{
    traffic->requests = between(from, to, RP_COUNT_REQUESTS_HIT, RP_COUNT_REQUESTS_NONE);
    traffic->cached = between(from, to, RP_COUNT_REQUESTS_HIT, RP_COUNT_REQUESTS_COLLAPSED);
    traffic->asked = between(from, to, RP_COUNT_REQUESTS_HIT, RP_COUNT_REQUESTS_MISS);
    traffic->failed = between(from, to, RP_COUNT_RESPONSES_5XX, RP_COUNT_RESPONSES_5XX);
    traffic->sent = between(from, to, RP_COUNT_SENT_CACHE, RP_COUNT_SENT_BACKEND);
    traffic->sent_cached = between(from, to, RP_COUNT_SENT_CACHE, RP_COUNT_SENT_CACHE);
    traffic->received = between(from, to, RP_COUNT_BACKEND_RECEIVED, RP_COUNT_BACKEND_RECEIVED);
    traffic->disk_full = between(from, to, RP_COUNT_STORE_DISK_FULL, RP_COUNT_STORE_DISK_FULL);
    traffic->encoded_in = between(from, to, RP_COUNT_ENCODED_IN_GZIP, RP_COUNT_ENCODED_IN_OTHER);
    traffic->encoded_out = between(from, to, RP_COUNT_ENCODED_OUT_GZIP, RP_COUNT_ENCODED_OUT_OTHER);
}

void rp_traffic_of_last(const rp_figures_t *figures, const rp_sample_t *samples, int n, int seconds, rp_traffic_t *traffic)
{
    const apr_uint64_t *from = NULL;
    int i;

    /* What was before counting began is nothing. */
    for (i = n - 1; i >= 0 && samples[i].time > figures->now - apr_time_from_sec(seconds); i--) {
    }
    if (i >= 0) {
        from = samples[i].n;
    }
    else if (n > 0 && figures->since <= figures->now - apr_time_from_sec(seconds)) {
        from = samples[0].n;
    }
    rp_traffic(from, figures->counts.n, traffic);
}

apr_uint64_t rp_traffic_squeezed(const rp_traffic_t *traffic)
{
    return traffic->encoded_in > traffic->encoded_out ? traffic->encoded_in - traffic->encoded_out : 0;
}

double rp_member_error_share(const rp_member_view_t *member)
{
    apr_uint64_t all = 0;
    int i;

    for (i = 0; i < RP_OUTCOMES; i++) {
        all += member->outcomes[i];
    }
    return all ? (double)(all - member->outcomes[RP_OUTCOME_OK]) / (double)all : -1;
}

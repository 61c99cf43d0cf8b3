/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A block in the page of httpd's mod_status, and lines in its ?auto form. */

#include <string.h>

#include <httpd.h>
#include <http_main.h>
#include <http_protocol.h>
#include <apr_optional_hooks.h>
#include <apr_strings.h>
#include <mod_status.h>

#include "status/problems.h"
#include "status/status.h"

typedef struct summary_t {
    rp_traffic_t minute, ever;
    int members, usable, errors, warnings;
} summary_t;

static void sum_up(apr_pool_t *p, const rp_figures_t *figures, summary_t *sum)
{
    rp_sample_t *samples = apr_palloc(p, RP_SAMPLES * sizeof(*samples));
    const apr_array_header_t *problems;
    int i;

    memset(sum, 0, sizeof(*sum));
    rp_traffic_of_last(figures, samples, rp_samples(samples), 60, &sum->minute);
    rp_traffic(NULL, figures->counts.n, &sum->ever);
    problems = rp_problems(p, figures, &sum->minute);
    for (i = 0; i < problems->nelts; i++) {
        *(APR_ARRAY_IDX(problems, i, const rp_problem_t).is_error ? &sum->errors : &sum->warnings) += 1;
    }
    for (i = 0; i < figures->pools->nelts; i++) {
        const rp_pool_view_t *pool = APR_ARRAY_IDX(figures->pools, i, const rp_pool_view_t *);

        sum->members += rp_view_count(pool, 0);
        sum->usable += rp_view_count(pool, 1);
    }
}

static void put_lines(request_rec *r, const rp_figures_t *figures, const summary_t *sum)
{
    ap_rprintf(r, "RProxyRequests: %" APR_UINT64_T_FMT "\nRProxyCached: %" APR_UINT64_T_FMT "\nRProxyCacheAsked: %"
               APR_UINT64_T_FMT "\nRProxyFailed: %" APR_UINT64_T_FMT "\nRProxySentBytes: %" APR_UINT64_T_FMT
               "\nRProxyBackendBytes: %" APR_UINT64_T_FMT "\nRProxyMembers: %d\nRProxyMembersUsable: %d\n"
               "RProxyCacheObjects: %" APR_UINT64_T_FMT "\nRProxyErrors: %d\nRProxyWarnings: %d\n", sum->ever.requests,
               sum->ever.cached, sum->ever.asked, sum->ever.failed, sum->ever.sent, sum->ever.received, sum->members,
               sum->usable, figures->cache.objects, sum->errors, sum->warnings);
}

static void put_block(request_rec *r, const rp_figures_t *figures, const summary_t *sum)
{
    const rp_traffic_t *minute = &sum->minute;

    ap_rprintf(r, "<hr>\n<h2>mod_rproxy</h2>\n<dl>\n<dt>%d errors, %d warnings</dt>\n"
               "<dt>%d of %d members get requests</dt>\n<dt>Last minute: %" APR_UINT64_T_FMT " requests, %" APR_UINT64_T_FMT
               " from the cache, %" APR_UINT64_T_FMT " failed</dt>\n<dt>Since %s: %" APR_UINT64_T_FMT " requests, %"
               APR_UINT64_T_FMT " from the cache</dt>\n<dt>%" APR_UINT64_T_FMT " objects in the local store</dt>\n</dl>\n",
               sum->errors, sum->warnings, sum->usable, sum->members, minute->requests, minute->cached, minute->failed,
               ap_ht_time(r->pool, figures->since, "%Y-%m-%d %H:%M", 0), sum->ever.requests, sum->ever.cached,
               figures->cache.objects);
}

static int status_hook(request_rec *r, int flags)
{
    const rp_figures_t *figures = rp_figures(r->pool, ap_server_conf);
    summary_t sum;

    sum_up(r->pool, figures, &sum);
    if (flags & AP_STATUS_SHORT) {
        put_lines(r, figures, &sum);
    }
    else {
        put_block(r, figures, &sum);
    }
    return OK;
}

void rp_mod_status_register(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, status_hook, NULL, NULL, APR_HOOK_MIDDLE);
}

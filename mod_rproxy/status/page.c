/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The page: page/status.html, with what is between its at-signs put in, among it style and script, so that it needs
 * nothing else.  Its tables are for browsers without scripts; with them, it draws what the JSON says.
 */

#include <string.h>

#include <httpd.h>
#include <http_protocol.h>
#include <util_time.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "status/problems.h"
#include "status/status.h"

extern const char rp_page_html[], rp_page_css[], rp_page_js[];

#define NONCE_BYTES 16

typedef struct page_t {
    request_rec *r;
    const rp_figures_t *figures;
    const char *nonce;
} page_t;

/* ------------------------------------------------------------------ tables for those without scripts */

static const char *html(const page_t *page, const char *text)
{
    return ap_escape_html(page->r->pool, text);
}

static const char *size(const page_t *page, apr_uint64_t bytes)
{
    char text[5];

    return apr_pstrdup(page->r->pool, apr_strfsize((apr_off_t)bytes, text));
}

static const char *percent(const page_t *page, apr_uint64_t part, apr_uint64_t all)
{
    return all ? apr_psprintf(page->r->pool, "%d %%", (int)((double)part * 100 / (double)all + 0.5)) : "&ndash;";
}

static const char *msec(const page_t *page, apr_interval_time_t time)
{
    return time ? apr_psprintf(page->r->pool, "%.1f ms", (double)time / 1000) : "&ndash;";
}

static void put_problems(const page_t *page, const rp_traffic_t *minute)
{
    const apr_array_header_t *problems = rp_problems(page->r->pool, page->figures, minute);
    int i;

    ap_rputs("<ul class=\"problems\">\n", page->r);
    for (i = 0; i < problems->nelts; i++) {
        const rp_problem_t *problem = &APR_ARRAY_IDX(problems, i, const rp_problem_t);

        ap_rprintf(page->r, "<li class=\"%s\">%s</li>\n", problem->is_error ? "error" : "warning", html(page, problem->text));
    }
    ap_rputs(problems->nelts ? "</ul>\n" : "<li class=\"well\">All is well.</li>\n</ul>\n", page->r);
}

static void put_traffic_row(const page_t *page, const char *name, const rp_traffic_t *traffic)
{
    ap_rprintf(page->r, "<tr><td>%s</td><td class=\"num\">%" APR_UINT64_T_FMT "</td><td class=\"num\">%s</td>"
               "<td class=\"num\">%s</td><td class=\"num\">%s</td><td class=\"num\">%s</td><td class=\"num\">%s</td>"
               "<td class=\"num\">%s</td></tr>\n", name, traffic->requests, percent(page, traffic->cached, traffic->asked),
               percent(page, traffic->failed, traffic->requests), size(page, traffic->sent), size(page, traffic->sent_cached),
               size(page, traffic->received), size(page, rp_traffic_squeezed(traffic)));
}

static void put_traffic(const page_t *page, const rp_sample_t *samples, int n, const rp_traffic_t *minute)
{
    rp_traffic_t traffic;

    ap_rputs("<section class=\"card\"><h2>Traffic</h2>\n<table><thead><tr><th></th><th class=\"num\">Requests</th>"
             "<th class=\"num\">Hit ratio</th><th class=\"num\">5xx</th><th class=\"num\">To clients</th>"
             "<th class=\"num\">From the cache</th><th class=\"num\">From backends</th>"
             "<th class=\"num\">Saved by compression</th></tr></thead><tbody>\n", page->r);
    put_traffic_row(page, "Last minute", minute);
    rp_traffic_of_last(page->figures, samples, n, 3600, &traffic);
    put_traffic_row(page, "Last hour", &traffic);
    rp_traffic(NULL, page->figures->counts.n, &traffic);
    put_traffic_row(page, "Since the start", &traffic);
    ap_rputs("</tbody></table></section>\n", page->r);
}

static void put_cache(const page_t *page)
{
    const rp_cache_figures_t *cache = &page->figures->cache;

    ap_rprintf(page->r, "<section class=\"card\"><h2>Cache</h2>\n<table><tbody>\n"
               "<tr><td>Store</td><td class=\"num\">%s</td></tr>\n<tr><td>Objects</td><td class=\"num\">%" APR_UINT64_T_FMT
               "</td></tr>\n<tr><td>Room</td><td class=\"num\">%s of %s</td></tr>\n"
               "<tr><td>Evicted</td><td class=\"num\">%" APR_UINT64_T_FMT "</td></tr>\n</tbody></table></section>\n",
               cache->up ? "in use" : "not in use", cache->objects, size(page, cache->bytes), size(page, cache->size),
               cache->evictions);
}

static const char *state_of(const rp_member_view_t *member)
{
    return member->origin == RP_SLOT_REMOVED ? rp_origin_name(member->origin)
         : member->admin != RP_ADMIN_ENABLED ? rp_admin_name(member->admin)
         : member->check == RP_CHECK_DOWN ? "down" : member->out != RP_OUT_NOT ? "left out"
         : member->weight == 0 ? "no weight" : "serving";
}

static const char *certificate(const page_t *page, const rp_member_view_t *member)
{
    return member->tls.not_after ? ap_ht_time(page->r->pool, apr_time_from_sec(member->tls.not_after), "%Y-%m-%d", 1)
                                 : "";
}

static void put_member(const page_t *page, const rp_member_view_t *member)
{
    double errors = rp_member_error_share(member);

    ap_rprintf(page->r, "<tr><td class=\"url\">%s</td><td>%s</td><td class=\"num\">%u</td><td class=\"num\">%u</td>"
               "<td class=\"num\">%" APR_UINT64_T_FMT "</td><td class=\"num\">%s</td><td class=\"num\">%s</td>"
               "<td class=\"num\">%s</td><td class=\"num\">%s</td><td class=\"num\">%s</td></tr>\n",
               html(page, member->url), state_of(member), member->weight, member->inflight, member->picked,
               msec(page, member->recent.p50), msec(page, member->recent.p95), msec(page, member->recent.p99),
               errors < 0 ? "&ndash;" : apr_psprintf(page->r->pool, "%.1f %%", errors * 100), certificate(page, member));
}

static void put_pool(const page_t *page, const rp_pool_view_t *pool)
{
    int i;

    ap_rprintf(page->r, "<section class=\"card\"><h2>Pool %s</h2>\n<table><thead><tr><th>Member</th><th>State</th>"
               "<th class=\"num\">Weight</th><th class=\"num\">Now</th><th class=\"num\">Requests</th><th class=\"num\">p50</th>"
               "<th class=\"num\">p95</th><th class=\"num\">p99</th><th class=\"num\">Errors</th>"
               "<th class=\"num\">Certificate until</th></tr></thead><tbody>\n", html(page, pool->name));
    for (i = 0; i < pool->members->nelts; i++) {
        put_member(page, &APR_ARRAY_IDX(pool->members, i, const rp_member_view_t));
    }
    ap_rputs("</tbody></table></section>\n", page->r);
}

static void put_plain(const page_t *page)
{
    rp_sample_t *samples = apr_palloc(page->r->pool, RP_SAMPLES * sizeof(*samples));
    int n = rp_samples(samples), i;
    rp_traffic_t minute;

    rp_traffic_of_last(page->figures, samples, n, 60, &minute);
    put_problems(page, &minute);
    put_traffic(page, samples, n, &minute);
    for (i = 0; i < page->figures->pools->nelts; i++) {
        put_pool(page, APR_ARRAY_IDX(page->figures->pools, i, const rp_pool_view_t *));
    }
    put_cache(page);
}

/* ------------------------------------------------------------------ the page */

static void put_named(const page_t *page, const char *name, size_t len)
{
    request_rec *r = page->r;

    if (!strncmp(name, "NONCE", len)) {
        ap_rputs(page->nonce, r);
    }
    else if (!strncmp(name, "STYLE", len)) {
        ap_rputs(rp_page_css, r);
    }
    else if (!strncmp(name, "SCRIPT", len)) {
        ap_rputs(rp_page_js, r);
    }
    else if (!strncmp(name, "PLAIN", len)) {
        put_plain(page);
    }
    else if (!strncmp(name, "VERSION", len)) {
        ap_rputs(RP_VERSION, r);
    }
    else if (!strncmp(name, "SERVER", len)) {
        ap_rputs(html(page, r->server->server_hostname), r);
    }
    else if (!strncmp(name, "TIME", len)) {
        ap_rputs(ap_ht_time(r->pool, page->figures->now, "%Y-%m-%d %H:%M:%S UTC", 1), r);
    }
}

static const char *make_nonce(apr_pool_t *p)
{
    unsigned char random[NONCE_BYTES];
    char *nonce = apr_palloc(p, 2 * NONCE_BYTES + 1);

    if (apr_generate_random_bytes(random, sizeof(random)) != APR_SUCCESS) {
        return NULL;
    }
    ap_bin2hex(random, sizeof(random), nonce);
    return nonce;
}

void rp_page(request_rec *r, const rp_figures_t *figures)
{
    page_t page = { r, figures, make_nonce(r->pool) };
    const char *at = rp_page_html, *mark;

    ap_set_content_type(r, "text/html; charset=utf-8");
    /* Without random bytes no script runs: the tables are there all the same. */
    apr_table_setn(r->headers_out, "Content-Security-Policy", page.nonce
                   ? apr_psprintf(r->pool, "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; "
                                  "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", page.nonce,
                                  page.nonce)
                   : "default-src 'none'; frame-ancestors 'none'");
    apr_table_setn(r->headers_out, "Referrer-Policy", "no-referrer");
    /* Marks are in pairs. */
    while ((mark = strchr(at, '@')) != NULL) {
        size_t len = strcspn(mark + 1, "@");

        ap_rwrite(at, (int)(mark - at), r);
        put_named(&page, mark + 1, len);
        at = mark + len + 2;
    }
    ap_rputs(at, r);
}

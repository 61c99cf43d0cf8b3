/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <apr_strings.h>

#include "status/problems.h"

/* A certificate is told of so many seconds before its end. */
#define CERTIFICATE_DAYS 14
#define DAY 86400
/* A share of failures worth telling of, and the fewest requests that make one. */
#define FAILED_PERCENT 5
#define FAILED_LEAST 20
/* A member is slow when its p95 is so many times the median of the others', and so long. */
#define SLOW_TIMES 4
#define SLOW_LEAST apr_time_from_msec(200)
/* More are not looked at for that. */
#define MAX_MEMBERS 64

typedef struct teller_t {
    apr_pool_t *p;
    apr_array_header_t *problems;
} teller_t;

static void tell(const teller_t *t, int is_error, const char *kind, const char *text)
{
    rp_problem_t *problem = apr_array_push(t->problems);

    problem->is_error = is_error;
    problem->kind = kind;
    problem->text = text;
}

/* ------------------------------------------------------------------ members */

static const char *why_out(rp_out_e out)
{
    static const char *const words[] = {
        "", "it takes no connections", "request after request failed without a response",
        "it answers one request after another with an error", "more of its requests fail than of the others'"
    };

    return words[out];
}

static void tell_health(const teller_t *t, const char *pool, const rp_member_view_t *member)
{
    if (member->check == RP_CHECK_DOWN) {
        tell(t, 0, "member-down", apr_psprintf(t->p, "pool %s, member %s is down, say its checks: %s", pool, member->url,
                                               *member->check_cause ? member->check_cause : "no reason is known"));
    }
    else if (member->out == RP_OUT_CONNECT && *member->connect_cause) {
        tell(t, 0, "member-out", apr_psprintf(t->p, "pool %s, member %s is left out: %s, the last time because of: %s", pool,
                                              member->url, why_out(member->out), member->connect_cause));
    }
    else if (member->out != RP_OUT_NOT) {
        tell(t, 0, "member-out", apr_psprintf(t->p, "pool %s, member %s is left out: %s", pool, member->url,
                                              why_out(member->out)));
    }
}

static void tell_certificate(const teller_t *t, const char *pool, const rp_member_view_t *member, apr_time_t now)
{
    apr_int64_t left = member->tls.not_after - apr_time_sec(now);

    if (member->tls.not_after && left < 0) {
        tell(t, 1, "certificate-expired", apr_psprintf(t->p, "pool %s, member %s: its certificate has expired", pool,
                                                       member->url));
    }
    else if (member->tls.not_after && left < CERTIFICATE_DAYS * DAY) {
        tell(t, 0, "certificate-ends", apr_psprintf(t->p, "pool %s, member %s: its certificate ends on %s", pool,
             member->url, ap_ht_time(t->p, apr_time_from_sec(member->tls.not_after), "%Y-%m-%d", 1)));
    }
}

/* The median of p95 of a pool's other members; 0 when nothing is known of any. */
static apr_interval_time_t others_p95(const rp_pool_view_t *pool, const rp_member_view_t *member)
{
    apr_interval_time_t sorted[MAX_MEMBERS];
    int i, j, n = 0;

    for (i = 0; i < pool->members->nelts && n < MAX_MEMBERS; i++) {
        const rp_member_view_t *other = &APR_ARRAY_IDX(pool->members, i, const rp_member_view_t);

        if (other == member || !other->recent.p95) {
            continue;
        }
        for (j = n++; j > 0 && sorted[j - 1] > other->recent.p95; j--) {
            sorted[j] = sorted[j - 1];
        }
        sorted[j] = other->recent.p95;
    }
    return n ? sorted[(n - 1) / 2] : 0;
}

static void tell_slow(const teller_t *t, const rp_pool_view_t *pool, const rp_member_view_t *member)
{
    apr_interval_time_t others = others_p95(pool, member);

    if (others && member->recent.p95 >= SLOW_LEAST && member->recent.p95 > SLOW_TIMES * others) {
        tell(t, 0, "member-slow", apr_psprintf(t->p, "pool %s, member %s is slow: one in twenty of its responses takes more "
             "than %" APR_TIME_T_FMT " ms; the others' take %" APR_TIME_T_FMT " ms", pool->name, member->url,
             apr_time_as_msec(member->recent.p95), apr_time_as_msec(others)));
    }
}

static void tell_pool(const teller_t *t, const rp_pool_view_t *pool, apr_time_t now)
{
    int i;

    if (!rp_view_count(pool, 1)) {
        tell(t, 1, "pool-down", apr_psprintf(t->p, "pool %s: none of its members gets requests", pool->name));
    }
    if (pool->waiting) {
        tell(t, 0, "queue", apr_psprintf(t->p, "pool %s: %u requests wait for a member that is not busy", pool->name,
                                         pool->waiting));
    }
    for (i = 0; i < pool->members->nelts; i++) {
        const rp_member_view_t *member = &APR_ARRAY_IDX(pool->members, i, const rp_member_view_t);

        if (member->origin != RP_SLOT_REMOVED) {
            tell_health(t, pool->name, member);
            tell_certificate(t, pool->name, member, now);
            tell_slow(t, pool, member);
        }
    }
}

/* ------------------------------------------------------------------ the rest */

static void tell_traffic(const teller_t *t, const rp_traffic_t *minute)
{
    if (minute->failed >= FAILED_LEAST && minute->failed * 100 >= minute->requests * FAILED_PERCENT) {
        tell(t, 1, "failures", apr_psprintf(t->p, "%" APR_UINT64_T_FMT " of the last minute's %" APR_UINT64_T_FMT " requests "
                                            "were answered with an error (5xx)", minute->failed, minute->requests));
    }
}

static void tell_cache(const teller_t *t, const rp_cache_figures_t *cache, const rp_traffic_t *minute)
{
    if (cache->wanted && !cache->up) {
        tell(t, 1, "cache-down", "the local store cannot be used, so nothing is cached: the error log says why (RP0204, "
             "RP0205)");
    }
    if (minute->disk_full) {
        tell(t, 1, "disk-full", "the disk that the local store lies on is full: nothing can be stored");
    }
}

static void tell_farm(const teller_t *t, const rp_figures_t *figures)
{
    if (figures->in_farm && !figures->farm_up) {
        tell(t, 1, "redis-away", "the farm's Redis does not answer: this host goes on with its own cache, and the error log says "
             "more (RP07)");
    }
}

static apr_array_header_t *worst_first(apr_pool_t *p, const apr_array_header_t *problems)
{
    apr_array_header_t *sorted = apr_array_make(p, problems->nelts + 1, sizeof(rp_problem_t));
    int error, i;

    for (error = 1; error >= 0; error--) {
        for (i = 0; i < problems->nelts; i++) {
            const rp_problem_t *problem = &APR_ARRAY_IDX(problems, i, const rp_problem_t);

            if (problem->is_error == error) {
                APR_ARRAY_PUSH(sorted, rp_problem_t) = *problem;
            }
        }
    }
    return sorted;
}

apr_array_header_t *rp_problems(apr_pool_t *p, const rp_figures_t *figures, const rp_traffic_t *minute)
{
    teller_t t = { p, apr_array_make(p, 8, sizeof(rp_problem_t)) };
    int i;

    tell_traffic(&t, minute);
    tell_cache(&t, &figures->cache, minute);
    tell_farm(&t, figures);
    for (i = 0; i < figures->pools->nelts; i++) {
        tell_pool(&t, APR_ARRAY_IDX(figures->pools, i, const rp_pool_view_t *), figures->now);
    }
    return worst_first(p, t.problems);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <httpd.h>
#include <http_log.h>

#include "cache/policy.h"
#include "request.h"

APLOG_USE_MODULE(rproxy);

/* Does the rule apply? httpd logs what fails. @return 1, 0, or -1 when its condition could not be evaluated */
static int applies(rp_request_t *rq, const rp_rule_t *rule)
{
    const char *error = NULL;
    int rc = rule->expr ? ap_expr_exec(rq->r, rule->expr, &error) : 1;

    return error ? -1 : rc;
}

/* ------------------------------------------------------------------ before the look-up */

static void start_policy(rp_policy_t *policy)
{
    *policy = (rp_policy_t){
        .fresh = RP_NO_TIME, .default_fresh = RP_NO_TIME, .stale_while_revalidate = RP_NO_TIME,
        .stale_if_error = RP_NO_TIME, .keep = RP_NO_TIME, .largest = UINT64_MAX,
    };
}

void rp_policy_request(rp_request_t *rq)
{
    const rp_rules_t *rules = rq->dconf->cache_rules;
    rp_policy_t *policy = &rq->policy;
    int i;

    start_policy(policy);
    if (!rules || !rules->for_request) {
        return;
    }
    for (i = 0; i < rules->rules->nelts; i++) {
        const rp_rule_t *rule = &APR_ARRAY_IDX(rules->rules, i, rp_rule_t);
        int rc = rule->for_request ? applies(rq, rule) : 0;

        if (rc < 0) {
            policy->bypass = 1;
            return;
        }
        if (rc) {
            policy->bypass = RP_OR_DEFAULT(rule->bypass, policy->bypass);
            policy->no_collapse = RP_OR_DEFAULT(rule->no_collapse, policy->no_collapse);
        }
    }
}

int rp_policy_is_late(const rp_request_t *rq)
{
    const rp_rules_t *rules = rq->dconf->cache_rules;
    int i;

    for (i = 0; rules && i < rules->rules->nelts; i++) {
        const rp_rule_t *rule = &APR_ARRAY_IDX(rules->rules, i, rp_rule_t);

        if ((rule->for_request || rule->ignore) && rule->is_late) {
            return 1;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ with the response's head */

static int fits(const rp_fresh_t *fresh, int status)
{
    if (!fresh->first) {
        /* Errors have a lifetime of the operator's only when he names them. */
        return status < 400 && rp_status_is_heuristic(status);
    }
    return fresh->first <= status && status <= fresh->last;
}

static void choose_fresh(const apr_array_header_t *entries, int status, rp_secs_t *lifetime)
{
    int i;

    for (i = 0; entries && i < entries->nelts; i++) {
        const rp_fresh_t *fresh = &APR_ARRAY_IDX(entries, i, const rp_fresh_t);

        if (fits(fresh, status)) {
            *lifetime = fresh->lifetime;
        }
    }
}

static void set_seconds(rp_secs_t *seconds, apr_interval_time_t time)
{
    if (time != RP_UNSET) {
        *seconds = apr_time_sec(time);
    }
}

static void apply(rp_policy_t *policy, const rp_rule_t *rule, int status)
{
    policy->no_store = RP_OR_DEFAULT(rule->no_store, policy->no_store);
    policy->strict_age = RP_OR_DEFAULT(rule->strict_age, policy->strict_age);
    choose_fresh(rule->fresh, status, &policy->fresh);
    choose_fresh(rule->default_fresh, status, &policy->default_fresh);
    set_seconds(&policy->stale_while_revalidate, rule->stale_while_revalidate);
    set_seconds(&policy->stale_if_error, rule->stale_if_error);
    set_seconds(&policy->keep, rule->keep);
    policy->largest = rule->largest == RP_UNSET ? policy->largest : (uint64_t)rule->largest;
    if (rule->ignore) {
        policy->ignore = rule->ignore->nelts ? rule->ignore : NULL;
    }
    if (rule->strip) {
        policy->strip = rule->strip->nelts ? rule->strip : NULL;
    }
}

static void apply_rules(rp_request_t *rq, const rp_rules_t *rules, int status)
{
    int i;

    for (i = 0; i < rules->rules->nelts; i++) {
        const rp_rule_t *rule = &APR_ARRAY_IDX(rules->rules, i, rp_rule_t);
        int rc = rule->for_response ? applies(rq, rule) : 0;

        if (rc < 0) {
            rq->policy.no_store = 1;
            return;
        }
        if (rc) {
            apply(&rq->policy, rule, status);
        }
    }
}

void rp_policy_response(rp_request_t *rq, int status, apr_table_t *fields)
{
    const rp_rules_t *rules = rq->dconf->cache_rules;
    const rp_policy_t of_request = rq->policy;
    request_rec *r = rq->r;
    apr_table_t *headers_out = r->headers_out, *err_headers_out = r->err_headers_out;
    const char *content_type = r->content_type;
    int request_status = r->status;

    if (!rules || !rules->for_response) {
        return;
    }
    start_policy(&rq->policy);
    rq->policy.bypass = of_request.bypass;
    rq->policy.no_collapse = of_request.no_collapse;
    /* %{resp:...}, %{REQUEST_STATUS} and %{CONTENT_TYPE} read the request_rec: for the while it is the response's. */
    r->headers_out = fields;
    r->err_headers_out = fields;
    r->content_type = apr_table_get(fields, "Content-Type");
    r->status = status;
    apply_rules(rq, rules, status);
    r->headers_out = headers_out;
    r->err_headers_out = err_headers_out;
    r->content_type = content_type;
    r->status = request_status;
}

/* ------------------------------------------------------------------ what becomes of it */

static void remove_names(apr_table_t *fields, const apr_array_header_t *names)
{
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        apr_table_unset(fields, APR_ARRAY_IDX(names, i, const char *));
    }
}

const apr_table_t *rp_policy_heeded(const rp_request_t *rq, const apr_table_t *fields)
{
    apr_table_t *copy;

    if (!rq->policy.ignore && !rq->policy.strip) {
        return fields;
    }
    copy = apr_table_copy(rq->r->pool, fields);
    remove_names(copy, rq->policy.ignore);
    remove_names(copy, rq->policy.strip);
    return copy;
}

void rp_policy_strip(const rp_request_t *rq, apr_table_t *fields)
{
    remove_names(fields, rq->policy.strip);
}

void rp_policy_facts(const rp_request_t *rq, rp_response_facts_t *facts)
{
    const rp_policy_t *policy = &rq->policy;
    rp_secs_t fresh = policy->fresh;

    if (fresh == RP_NO_TIME && !rp_has_explicit_freshness(facts)) {
        fresh = policy->default_fresh;
    }
    if (fresh > 0) {
        /* It counts from now, however old the response was when it came. */
        fresh += rp_initial_age(facts);
        fresh = fresh > RP_MAX_DELTA ? RP_MAX_DELTA : fresh;
    }
    facts->ruled = fresh;
    if (facts->cc.stale_while_revalidate == RP_NO_TIME) {
        facts->cc.stale_while_revalidate = policy->stale_while_revalidate;
    }
    if (facts->cc.stale_if_error == RP_NO_TIME) {
        facts->cc.stale_if_error = policy->stale_if_error;
    }
}

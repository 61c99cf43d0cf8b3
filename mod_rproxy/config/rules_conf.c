/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyCacheRule: what the cache does otherwise than backends say. */

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "config/directives.h"

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_rule_t, field), dflt, sentence },

const rp_option_t rp_rule_options[] = {
#include "config/rule_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

static void start_rule(rp_rule_t *rule)
{
    memset(rule, 0, sizeof(*rule));
    rule->bypass = rule->no_store = rule->no_collapse = rule->strict_age = RP_UNSET;
    rule->stale_while_revalidate = rule->stale_if_error = rule->keep = RP_UNSET;
    rule->largest = RP_UNSET;
}

/* ------------------------------------------------------------------ lists of fields */

/* What the cache reads of a response to decide on storing and using it. */
static const char *const heeded[] = {
    "age", "cache-control", "cdn-cache-control", "expires", "last-modified", "no-vary-search", "pragma", "vary",
    NULL
};

static const char *list_of(apr_pool_t *p, const char *const *words)
{
    const char *list = *words;

    while (*++words) {
        list = apr_pstrcat(p, list, ", ", *words, NULL);
    }
    return list;
}

/* Any field that ends in -control may be one of RProxyCacheTargets. */
static int is_heeded(const char *name)
{
    apr_size_t len = strlen(name);
    int i;

    for (i = 0; heeded[i] && strcmp(heeded[i], name); i++) {
    }
    return heeded[i] || (len > 8 && !strcmp(name + len - 8, "-control"));
}

static const char *ignorable(apr_pool_t *p, const char *name)
{
    if (is_heeded(name)) {
        return NULL;
    }
    if (!strcmp(name, "set-cookie")) {
        return "ignore=set-cookie would give one client's cookies to all: write strip=set-cookie to store responses "
               "without them, or RProxyCacheAllow set-cookie when that is what you want";
    }
    return apr_psprintf(p, "ignore=%s: the cache does not heed such a field; write none, or some of %s", name,
                        list_of(p, heeded));
}

static const char *strippable(apr_pool_t *p, const char *name)
{
    static const char *const needed[] = {
        "connection", "date", "etag", "trailer", "transfer-encoding", "via", "location", NULL
    };
    int i;

    if (is_heeded(name)) {
        return apr_psprintf(p, "strip=%s: what the cache heeds stays in the response; write ignore=%s so that it is "
                            "not heeded", name, name);
    }
    for (i = 0; needed[i] && strcmp(needed[i], name); i++) {
    }
    if (needed[i] || !strncmp(name, "content-", 8)) {
        return apr_psprintf(p, "strip=%s: the response would be another without it; write fields that are meant for "
                            "one client, such as strip=set-cookie", name);
    }
    return NULL;
}

static const char *read_names(apr_pool_t *p, const char *key, const char *text,
                              const char *(*refuse)(apr_pool_t *, const char *), apr_array_header_t **names)
{
    rp_str_t list = { text, strlen(text) };
    rp_str_t name;

    *names = apr_array_make(p, 2, sizeof(const char *));
    if (!strcasecmp(text, "none")) {
        return NULL;
    }
    while (rp_list_next(&list, &name)) {
        char *word = apr_pstrmemdup(p, name.ptr, name.len);
        const char *error;

        if (!rp_is_token(name)) {
            return apr_psprintf(p, "%s=%s: '%s' is no field name; write names with commas between them", key, text,
                                word);
        }
        ap_str_tolower(word);
        error = refuse(p, word);
        if (error) {
            return error;
        }
        APR_ARRAY_PUSH(*names, const char *) = word;
    }
    return (*names)->nelts ? NULL : apr_psprintf(p, "%s= needs field names, or none", key);
}

/* ------------------------------------------------------------------ lifetimes by status */

/* Nonzero when responses of that status may be stored once they have a lifetime. */
static int may_be_stored(int status)
{
    static const rp_store_rules_t rules;
    static const rp_cc_t nothing_asked = {
        .max_age = RP_NO_TIME, .s_maxage = RP_NO_TIME, .max_stale = RP_NO_TIME, .min_fresh = RP_NO_TIME,
        .stale_while_revalidate = RP_NO_TIME, .stale_if_error = RP_NO_TIME,
    };
    rp_response_facts_t facts = { .status = status, .cc = nothing_asked, .date = RP_NO_TIME, .expires = RP_NO_TIME,
                                  .last_modified = RP_NO_TIME, .ruled = 60 };

    return !rp_not_storable(&facts, &rules, "GET", &nothing_asked, 0);
}

/* "404" or "500-599" */
static const char *read_statuses(apr_pool_t *p, rp_str_t item, rp_fresh_t *fresh)
{
    const char *dash = memchr(item.ptr, '-', item.len);
    rp_str_t first = { item.ptr, dash ? (size_t)(dash - item.ptr) : item.len };
    rp_str_t last = dash ? (rp_str_t){ dash + 1, item.len - first.len - 1 } : first;
    const char *text = apr_pstrmemdup(p, item.ptr, item.len);
    uint64_t from, to;

    if (!rp_parse_uint(first, 1000, &from) || !rp_parse_uint(last, 1000, &to) || from < 200 || to > 599 || from > to) {
        return apr_psprintf(p, "'%s' is no status; write one from 200 to 599, or a span such as 500-599", text);
    }
    if (from == to && !may_be_stored((int)from)) {
        return apr_psprintf(p, "responses of status %s are about one request alone and never stored; leave it out",
                            text);
    }
    fresh->first = (int)from;
    fresh->last = (int)to;
    return NULL;
}

static const char *read_lifetime(apr_pool_t *p, const char *text, rp_secs_t *lifetime)
{
    apr_interval_time_t time;

    if (!strcasecmp(text, "off")) {
        *lifetime = RP_NO_TIME;
        return NULL;
    }
    if (!rp_parse_duration(text, &time) || time % APR_USEC_PER_SEC || apr_time_sec(time) > RP_MAX_DELTA) {
        return apr_psprintf(p, "'%s' is no lifetime; write off, 0, or whole seconds with their unit (s, m, h, d) such "
                            "as 10m",
                            text);
    }
    *lifetime = apr_time_sec(time);
    return NULL;
}

/* TIME, or STATUS,...:TIME; added to *entries, which is made. */
static const char *read_fresh(apr_pool_t *p, const char *text, apr_array_header_t **entries)
{
    const char *colon = strchr(text, ':');
    rp_str_t list = { text, colon ? (size_t)(colon - text) : 0 };
    rp_str_t item;
    rp_fresh_t fresh = { 0, 0, 0 };
    const char *error = read_lifetime(p, colon ? colon + 1 : text, &fresh.lifetime);
    int n = 0;

    if (!*entries) {
        *entries = apr_array_make(p, 2, sizeof(rp_fresh_t));
    }
    while (!error && rp_list_next(&list, &item)) {
        error = read_statuses(p, item, &fresh);
        APR_ARRAY_PUSH(*entries, rp_fresh_t) = fresh;
        n++;
    }
    if (error) {
        return error;
    }
    if (colon && !n) {
        return "there is no status before the colon; write STATUS,...:TIME such as 404,410:1m";
    }
    if (!colon) {
        if (fresh.lifetime == RP_NO_TIME) {
            fresh.first = 200;
            fresh.last = 599;
        }
        APR_ARRAY_PUSH(*entries, rp_fresh_t) = fresh;
    }
    return NULL;
}

/* ------------------------------------------------------------------ the directive */

/* What the options' table has left as text. */
static const char *read_texts(apr_pool_t *p, rp_rule_t *rule)
{
    const char *error = NULL;

    if (rule->fresh_text) {
        error = read_fresh(p, rule->fresh_text, &rule->fresh);
        error = error ? apr_psprintf(p, "fresh=%s: %s", rule->fresh_text, error) : NULL;
    }
    else if (rule->default_fresh_text) {
        error = read_fresh(p, rule->default_fresh_text, &rule->default_fresh);
        error = error ? apr_psprintf(p, "default-fresh=%s: %s", rule->default_fresh_text, error) : NULL;
    }
    else if (rule->ignore_text) {
        error = read_names(p, "ignore", rule->ignore_text, ignorable, &rule->ignore);
    }
    else if (rule->strip_text) {
        error = read_names(p, "strip", rule->strip_text, strippable, &rule->strip);
    }
    rule->fresh_text = rule->default_fresh_text = rule->ignore_text = rule->strip_text = NULL;
    return error;
}

static int is_of_request(const rp_rule_t *rule)
{
    return rule->bypass != RP_UNSET || rule->no_collapse != RP_UNSET;
}

static int is_of_response(const rp_rule_t *rule)
{
    return rule->no_store != RP_UNSET || rule->stale_while_revalidate != RP_UNSET || rule->stale_if_error != RP_UNSET
           || rule->keep != RP_UNSET || rule->largest != RP_UNSET || rule->fresh || rule->default_fresh || rule->ignore
           || rule->strip || rule->strict_age != RP_UNSET;
}

static const char *read_actions(cmd_parms *cmd, int argc, char *const argv[], rp_rule_t *rule, rp_expr_t *expr)
{
    const char *error = NULL;
    int i;

    for (i = 0; i < argc && !error; i++) {
        if (strncasecmp(argv[i], "expr=", 5)) {
            error = rp_option_set(cmd->pool, rp_rule_options, rule, argv[i]);
            error = error ? error : read_texts(cmd->pool, rule);
        }
        else if (i < argc - 1) {
            error = "expr=... stands last, in quotes as a whole: write RProxyCacheRule ACTION ... \"expr=EXPRESSION\"";
        }
        else {
            error = rp_expr_parse(cmd, argv[i] + 5, expr);
        }
    }
    return error;
}

static int is_whole_seconds(apr_interval_time_t time)
{
    return time == RP_UNSET || time % APR_USEC_PER_SEC == 0;
}

static const char *check_rule(const rp_rule_t *rule, const rp_expr_t *expr)
{
    if (!rule->for_request && !rule->for_response) {
        return "write at least one action, such as bypass, no-store or fresh=10m";
    }
    if (!is_whole_seconds(rule->stale_while_revalidate) || !is_whole_seconds(rule->stale_if_error)
        || !is_whole_seconds(rule->keep)) {
        return "the times of stale-while-revalidate, stale-if-error and keep are whole seconds: write 1s instead of a "
               "part";
    }
    if (rule->for_request && expr->of_response) {
        return "bypass and no-collapse are decided before there is a response: write no-store where the expression "
               "asks for %{resp:...} or %{REQUEST_STATUS}";
    }
    return NULL;
}

static void add_rule(rp_rules_t *rules, const rp_rule_t *rule)
{
    APR_ARRAY_PUSH(rules->rules, rp_rule_t) = *rule;
    rules->for_request |= rule->for_request;
    rules->for_response |= rule->for_response;
}

const char *rp_cmd_cache_rule(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_dir_conf_t *conf = dir;
    rp_expr_t expr = { NULL, 0, 0 };
    rp_rule_t rule;
    const char *error;

    if (rp_is_in_if(cmd)) {
        return "RProxyCacheRule does not stand inside of <If>, which RProxyCacheEarly passes over: write its "
               "condition as \"expr=...\" behind the actions";
    }
    start_rule(&rule);
    error = read_actions(cmd, argc, argv, &rule, &expr);
    rule.for_request = is_of_request(&rule);
    rule.for_response = is_of_response(&rule);
    error = error ? error : check_rule(&rule, &expr);
    if (error) {
        return apr_psprintf(cmd->pool, "RProxyCacheRule: %s", error);
    }
    rule.expr = expr.info;
    rule.is_late = expr.is_late;
    if (!conf->cache_rules) {
        conf->cache_rules = apr_pcalloc(cmd->pool, sizeof(*conf->cache_rules));
        conf->cache_rules->rules = apr_array_make(cmd->pool, 4, sizeof(rp_rule_t));
    }
    add_rule(conf->cache_rules, &rule);
    return NULL;
}

rp_rules_t *rp_rules_copy(apr_pool_t *p, const rp_rules_t *rules)
{
    rp_rules_t *copy = rules ? apr_pmemdup(p, rules, sizeof(*rules)) : NULL;

    if (copy) {
        copy->rules = apr_array_copy(p, rules->rules);
    }
    return copy;
}

void rp_rules_merge(apr_pool_t *p, rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add)
{
    rp_rules_t *both;

    if (!base->cache_rules || !add->cache_rules) {
        merged->cache_rules = add->cache_rules ? add->cache_rules : base->cache_rules;
        return;
    }
    both = apr_palloc(p, sizeof(*both));
    both->rules = apr_array_append(p, base->cache_rules->rules, add->cache_rules->rules);
    both->for_request = base->cache_rules->for_request | add->cache_rules->for_request;
    both->for_response = base->cache_rules->for_response | add->cache_rules->for_response;
    merged->cache_rules = both;
}

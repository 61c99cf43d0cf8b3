/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** When a request is sent to another member, how often, and within which bounds. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "config/directives.h"

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_dir_conf_t, field), dflt, sentence },

const rp_option_t rp_retry_options[] = {
#include "config/retry_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

#undef RP_OPTION
#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_budget_conf_t, field), dflt, sentence },

const rp_option_t rp_budget_options[] = {
#include "config/budget_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

#undef RP_OPTION
#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_hedge_conf_t, field), dflt, sentence },

const rp_option_t rp_hedge_options[] = {
#include "config/hedge_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

/* on=connect,reset,timeout,502-504 */
static const rp_retry_on_t default_on = {
    RP_RETRY_CONNECT | RP_RETRY_RESET | RP_RETRY_TIMEOUT | RP_RETRY_STATUS, 1, { { 502, 504 } }
};

static const rp_budget_conf_t default_budget = { 20, 10 };

void rp_retry_conf_init(rp_dir_conf_t *conf)
{
    conf->retry.enabled = RP_UNSET;
    conf->retry.attempts = RP_UNSET;
    conf->retry.patience = RP_UNSET;
    conf->retry.body = RP_UNSET;
    conf->retry.unsafe = RP_UNSET;
}

#define MERGE(field) merged->field = add->field != RP_UNSET ? add->field : base->field

void rp_retry_conf_merge(rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add)
{
    MERGE(retry.enabled);
    MERGE(retry.attempts);
    MERGE(retry.patience);
    MERGE(retry.body);
    MERGE(retry.unsafe);
    merged->retry.on = add->retry.on ? add->retry.on : base->retry.on;
}

static int read_status(const char **text, int *status)
{
    const char *digits = *text;

    if (strspn(digits, "0123456789") != 3) {
        return 0;
    }
    *status = atoi(digits);
    *text += 3;
    return *status >= 400 && *status <= 599;
}

static int add_statuses(rp_retry_on_t *on, const char *word)
{
    rp_statuses_t *range = &on->ranges[on->nranges];

    if (on->nranges == RP_RETRY_RANGES || !read_status(&word, &range->first)) {
        return 0;
    }
    range->last = range->first;
    if (*word == '-') {
        word++;
        if (!read_status(&word, &range->last) || range->last < range->first) {
            return 0;
        }
    }
    on->causes |= RP_RETRY_STATUS;
    on->nranges++;
    return *word == '\0';
}

static int add_cause(rp_retry_on_t *on, const char *word)
{
    if (!strcasecmp(word, "connect")) {
        on->causes |= RP_RETRY_CONNECT;
    }
    else if (!strcasecmp(word, "reset")) {
        on->causes |= RP_RETRY_RESET;
    }
    else if (!strcasecmp(word, "timeout")) {
        on->causes |= RP_RETRY_TIMEOUT;
    }
    else {
        return add_statuses(on, word);
    }
    return 1;
}

static const char *read_on(cmd_parms *cmd, rp_dir_conf_t *conf)
{
    rp_retry_on_t *on = apr_pcalloc(cmd->pool, sizeof(*on));
    const char *text = conf->retry.on_text;

    /* Each turn takes a word off. */
    do {
        const char *word = ap_getword(cmd->pool, &text, ',');

        if (!add_cause(on, word)) {
            return apr_psprintf(cmd->pool, "RProxyRetry: on=%s is not accepted for '%s'; write, separated by commas, "
                                "some of connect, reset, timeout, and at most %d statuses or ranges of them from 400 "
                                "to 599, such as 502 or 500-599", conf->retry.on_text, word, RP_RETRY_RANGES);
        }
    } while (*text);
    conf->retry.on = on;
    return NULL;
}

const char *rp_cmd_retry(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_dir_conf_t *conf = dir;
    int i;

    if (argc == 1 && (!strcasecmp(argv[0], "off") || !strcasecmp(argv[0], "on"))) {
        conf->retry.enabled = !strcasecmp(argv[0], "on");
        return NULL;
    }
    if (argc < 1) {
        return "RProxyRetry: write off, on, or some of attempts=N, on=CONDITION,..., try=TIME, body=SIZE, unsafe";
    }
    for (i = 0; i < argc; i++) {
        const char *error = rp_option_set(cmd->pool, rp_retry_options, dir, argv[i]);

        if (error) {
            return apr_psprintf(cmd->pool, "RProxyRetry: %s", error);
        }
        if (!strncasecmp(argv[i], "on=", 3) && (error = read_on(cmd, conf)) != NULL) {
            return error;
        }
    }
    conf->retry.enabled = 1;
    return NULL;
}

const rp_retry_on_t *rp_retry_on(const rp_dir_conf_t *conf)
{
    return conf->retry.on ? conf->retry.on : &default_on;
}

int rp_retry_is_on(const rp_retry_on_t *on, int status)
{
    int i;

    for (i = 0; i < on->nranges; i++) {
        if (status >= on->ranges[i].first && status <= on->ranges[i].last) {
            return 1;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ in <RProxyPool> */

const char *rp_cmd_retry_budget(cmd_parms *cmd, void *dir, const char *share, const char *option)
{
    const char *error = NULL;
    rp_pool_conf_t *pool = rp_open_pool(cmd, &error);
    apr_size_t digits = strspn(share, "0123456789");
    rp_budget_conf_t *budget;

    (void)dir;
    if (!pool) {
        return error;
    }
    if (digits == 0 || digits > 3 || atoi(share) > 100 || strcmp(share + digits, "%")) {
        return apr_psprintf(cmd->pool, "RProxyRetryBudget %s: write a share of the requests from 0%% to 100%%, and "
                            "floor=N", share);
    }
    budget = apr_pmemdup(cmd->pool, &default_budget, sizeof(default_budget));
    budget->share = atoi(share);
    error = option ? rp_option_set(cmd->pool, rp_budget_options, budget, option) : NULL;
    if (error) {
        return apr_psprintf(cmd->pool, "RProxyRetryBudget: %s", error);
    }
    pool->budget = budget;
    return NULL;
}

const rp_budget_conf_t *rp_retry_budget(const rp_pool_conf_t *pool)
{
    return pool->budget ? pool->budget : &default_budget;
}

/* "95%", "99.5%": from 50 to 99.9. @return 0 when it is none */
static int read_quantile(const char *text, int *permille)
{
    apr_size_t whole = strspn(text, "0123456789");
    const char *rest = text + whole;

    *permille = atoi(text) * 10;
    if (*rest == '.' && apr_isdigit(rest[1])) {
        *permille += rest[1] - '0';
        rest += 2;
    }
    return whole == 2 && !strcmp(rest, "%") && *permille >= 500;
}

const char *rp_cmd_hedge(cmd_parms *cmd, void *dir, const char *quantile, const char *option)
{
    const char *error = NULL;
    rp_pool_conf_t *pool = rp_open_pool(cmd, &error);
    rp_hedge_conf_t *hedge;

    (void)dir;
    if (!pool) {
        return error;
    }
    if (!strcasecmp(quantile, "off") && !option) {
        pool->hedge = NULL;
        return NULL;
    }
    hedge = apr_pcalloc(cmd->pool, sizeof(*hedge));
    if (!read_quantile(quantile, &hedge->permille)) {
        return apr_psprintf(cmd->pool, "RProxyHedge %s: write off, or the share of responses that are waited for, from "
                            "50%% to 99.9%%, and min=TIME", quantile);
    }
    error = option ? rp_option_set(cmd->pool, rp_hedge_options, hedge, option) : NULL;
    if (error) {
        return apr_psprintf(cmd->pool, "RProxyHedge: %s", error);
    }
    pool->hedge = hedge;
    return NULL;
}

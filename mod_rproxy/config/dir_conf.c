/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What may differ per Location: httpd merges it, the innermost word wins. */

#include <stddef.h>
#include <string.h>

#include <apr_strings.h>

#include "config/directives.h"

void *rp_create_dir_conf(apr_pool_t *p, char *dir)
{
    rp_dir_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)dir;
    conf->preserve_host = RP_UNSET;
    conf->connect_timeout = RP_UNSET;
    conf->first_byte_timeout = RP_UNSET;
    conf->idle_timeout = RP_UNSET;
    conf->client_cert = RP_UNSET;
    conf->cache = RP_UNSET;
    conf->cache_early = RP_UNSET;
    conf->cache_allow = RP_UNSET;
    conf->cache_status = RP_UNSET;
    conf->ignore_client = RP_UNSET;
    conf->cache_hints = RP_UNSET;
    conf->purge = RP_UNSET;
    conf->cache_query = RP_UNSET;
    conf->heuristic_percent = RP_UNSET;
    conf->heuristic_max = RP_UNSET;
    rp_retry_conf_init(conf);
    rp_key_conf_init(conf);
    rp_collapse_conf_init(conf);
    rp_compress_init(conf);
    return conf;
}

#define MERGE(field) merged->field = add->field != RP_UNSET ? add->field : base->field

void *rp_merge_dir_conf(apr_pool_t *p, void *basev, void *addv)
{
    const rp_dir_conf_t *base = basev;
    const rp_dir_conf_t *add = addv;
    rp_dir_conf_t *merged = apr_pcalloc(p, sizeof(*merged));

    merged->route = add->route ? add->route : base->route;
    MERGE(preserve_host);
    MERGE(connect_timeout);
    MERGE(first_byte_timeout);
    MERGE(idle_timeout);
    MERGE(client_cert);
    MERGE(cache);
    MERGE(cache_early);
    MERGE(cache_allow);
    MERGE(cache_status);
    MERGE(ignore_client);
    MERGE(cache_hints);
    MERGE(purge);
    MERGE(cache_query);
    MERGE(heuristic_percent);
    MERGE(heuristic_max);
    merged->cache_targets = add->cache_targets ? add->cache_targets : base->cache_targets;
    rp_rules_merge(p, merged, base, add);
    rp_limits_merge(p, merged, base, add);
    rp_retry_conf_merge(merged, base, add);
    rp_key_conf_merge(merged, base, add);
    rp_collapse_conf_merge(merged, base, add);
    rp_compress_merge(merged, base, add);
    return merged;
}

rp_dir_conf_t *rp_dir_conf_copy(apr_pool_t *p, const rp_dir_conf_t *conf)
{
    rp_dir_conf_t *copy = apr_pmemdup(p, conf, sizeof(*conf));

    /* All else that it points to was there before the request. */
    copy->cache_rules = rp_rules_copy(p, conf->cache_rules);
    copy->limits = NULL; /* counted by the request that it was made for */
    return copy;
}

const char *rp_cmd_preserve_host(cmd_parms *cmd, void *dir, int on)
{
    (void)cmd;
    ((rp_dir_conf_t *)dir)->preserve_host = on;
    return NULL;
}

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_dir_conf_t, field), dflt, sentence },

const rp_option_t rp_timeout_options[] = {
#include "config/timeout_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

const char *rp_cmd_timeout(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    int i;

    if (argc < 1) {
        return "RProxyTimeout needs at least one of connect=, first-byte=, idle=";
    }
    for (i = 0; i < argc; i++) {
        const char *error = rp_option_set(cmd->pool, rp_timeout_options, dir, argv[i]);

        if (error) {
            return apr_psprintf(cmd->pool, "RProxyTimeout: %s", error);
        }
    }
    return NULL;
}

const char *rp_cmd_client_cert(cmd_parms *cmd, void *dir, const char *which)
{
    rp_dir_conf_t *conf = dir;

    if (!strcasecmp(which, "off")) {
        conf->client_cert = RP_CLIENT_CERT_OFF;
    }
    else if (!strcasecmp(which, "on")) {
        conf->client_cert = RP_CLIENT_CERT_LEAF;
    }
    else if (!strcasecmp(which, "chain")) {
        conf->client_cert = RP_CLIENT_CERT_CHAIN;
    }
    else {
        return apr_psprintf(cmd->pool, "RProxyClientCert %s: write off, on, or chain", which);
    }
    return NULL;
}

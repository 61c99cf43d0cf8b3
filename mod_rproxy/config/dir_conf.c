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
    rp_rules_merge(p, merged, base, add);
    rp_compress_merge(merged, base, add);
    return merged;
}

const char *rp_cmd_preserve_host(cmd_parms *cmd, void *dir, int on)
{
    (void)cmd;
    ((rp_dir_conf_t *)dir)->preserve_host = on;
    return NULL;
}

const char *rp_cmd_cache(cmd_parms *cmd, void *dir, int on)
{
    rp_server_conf(cmd->server)->caches |= on;
    ((rp_dir_conf_t *)dir)->cache = on;
    return NULL;
}

const char *rp_cmd_cache_early(cmd_parms *cmd, void *dir, int on)
{
    (void)cmd;
    ((rp_dir_conf_t *)dir)->cache_early = on;
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

const char *rp_cmd_cache_allow(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_dir_conf_t *conf = dir;
    int i;

    conf->cache_allow = 0;
    for (i = 0; i < argc; i++) {
        if (!strcasecmp(argv[i], "authorization")) {
            conf->cache_allow |= RP_ALLOW_AUTHORIZATION;
        }
        else if (!strcasecmp(argv[i], "set-cookie")) {
            conf->cache_allow |= RP_ALLOW_SET_COOKIE;
        }
        else if (!strcasecmp(argv[i], "shared-cookie")) {
            conf->cache_allow |= RP_ALLOW_SHARED_COOKIE;
        }
        else if (strcasecmp(argv[i], "none") || argc > 1) {
            return apr_psprintf(cmd->pool, "RProxyCacheAllow %s: write none, or some of authorization, "
                                "shared-cookie and set-cookie", argv[i]);
        }
    }
    return argc ? NULL : "RProxyCacheAllow: write none, or some of authorization, shared-cookie and set-cookie";
}

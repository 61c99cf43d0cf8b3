/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What belongs to a server or virtual host as a whole. */

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include <apr_network_io.h>
#include <apr_strings.h>

#include "config/directives.h"

void *rp_create_server_conf(apr_pool_t *p, server_rec *s)
{
    rp_server_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)s;
    conf->routes = apr_array_make(p, 4, sizeof(rp_route_t *));
    conf->pools = apr_hash_make(p);
    conf->limits = apr_array_make(p, 4, sizeof(rp_limit_conf_t *));
    rp_option_defaults(rp_local_options, &conf->local);
    conf->keep_alive_wait = RP_UNSET;
    conf->lanes = RP_UNSET;
    conf->lane_stack = RP_UNSET;
    return conf;
}

static int has_route(const apr_array_header_t *routes, const char *path)
{
    int i;

    for (i = 0; i < routes->nelts; i++) {
        const rp_route_t *route = APR_ARRAY_IDX(routes, i, const rp_route_t *);

        if (path && route->path && !strcmp(route->path, path)) {
            return 1;
        }
    }
    return 0;
}

/* A virtual host has the main server's routes and pools too, but for paths and names that it says itself. */
void *rp_merge_server_conf(apr_pool_t *p, void *basev, void *addv)
{
    const rp_server_conf_t *base = basev;
    const rp_server_conf_t *add = addv;
    rp_server_conf_t *merged = apr_pcalloc(p, sizeof(*merged));
    int i;

    merged->name = add->name ? add->name : base->name;
    merged->trust = add->trust ? add->trust : base->trust;
    merged->keep_alive_wait = RP_OR_DEFAULT(add->keep_alive_wait, base->keep_alive_wait);
    merged->lanes = RP_OR_DEFAULT(add->lanes, base->lanes);
    merged->lane_stack = RP_OR_DEFAULT(add->lane_stack, base->lane_stack);
    merged->caches = base->caches || add->caches;
    merged->local = add->local.dir ? add->local : base->local;
    merged->limits = add->limits;
    merged->tickets = base->tickets;
    merged->pools = apr_hash_overlay(p, add->pools, base->pools);
    merged->routes = apr_array_copy(p, add->routes);
    for (i = 0; i < base->routes->nelts; i++) {
        rp_route_t *route = APR_ARRAY_IDX(base->routes, i, rp_route_t *);

        if (!has_route(add->routes, route->path)) {
            rp_route_t *own = apr_pmemdup(p, route, sizeof(*route));

            /* A section's route is found through the section; here it is only listed to be checked. */
            APR_ARRAY_PUSH(merged->routes, rp_route_t *) = route->path ? own : route;
        }
    }
    return merged;
}

const char *rp_cmd_resolver(cmd_parms *cmd, void *dir, const char *address)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    struct sockaddr_in *sa = apr_pcalloc(cmd->pool, sizeof(struct sockaddr_storage));
    char *host = NULL, *scope = NULL;
    apr_port_t port = 0;

    (void)dir;
    if (error) {
        return error;
    }
    if (apr_parse_addr_port(&host, &scope, &port, address, cmd->pool) != APR_SUCCESS || !host || scope
        || inet_pton(AF_INET, host, &sa->sin_addr) != 1) {
        return apr_psprintf(cmd->pool, "RProxyResolver %s: write an IPv4 address and, when it is not 53, a port, as in "
                            "10.0.0.2:5353", address);
    }
    sa->sin_family = AF_INET;
    sa->sin_port = htons(port ? port : 53);
    rp_server_conf(cmd->server)->resolver = (struct sockaddr_storage *)sa;
    return NULL;
}

const char *rp_cmd_name(cmd_parms *cmd, void *dir, const char *name)
{
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
    rp_str_t s = { name, strlen(name) };

    (void)dir;
    if (error) {
        return error;
    }
    if (!rp_is_token(s)) {
        return apr_psprintf(cmd->pool, "RProxyName %s: write one word of letters, digits and !#$%%&'*+-.^_`|~", name);
    }
    rp_server_conf(cmd->server)->name = name;
    return NULL;
}

const char *rp_cmd_trust(cmd_parms *cmd, void *dir, const char *address)
{
    rp_server_conf_t *conf = rp_server_conf(cmd->server);
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
    char *ip = apr_pstrdup(cmd->temp_pool, address);
    char *bits = strchr(ip, '/');
    apr_ipsubnet_t *net;

    (void)dir;
    if (error) {
        return error;
    }
    if (bits) {
        *bits++ = '\0';
    }
    if (apr_ipsubnet_create(&net, ip, bits, cmd->pool) != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "RProxyTrust %s: write addresses or networks such as 10.0.0.5, 10.0.0.0/8 or "
                            "2001:db8::/32", address);
    }
    if (!conf->trust) {
        conf->trust = apr_array_make(cmd->pool, 2, sizeof(apr_ipsubnet_t *));
    }
    APR_ARRAY_PUSH(conf->trust, apr_ipsubnet_t *) = net;
    return NULL;
}

int rp_is_trusted(const rp_server_conf_t *conf, apr_sockaddr_t *peer)
{
    int i;

    for (i = 0; conf->trust && i < conf->trust->nelts; i++) {
        if (apr_ipsubnet_test(APR_ARRAY_IDX(conf->trust, i, apr_ipsubnet_t *), peer)) {
            return 1;
        }
    }
    return 0;
}

const char *rp_cmd_keep_alive_wait(cmd_parms *cmd, void *dir, const char *time)
{
    apr_interval_time_t wait = 0;
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);

    (void)dir;
    if (error) {
        return error;
    }
    if (strcasecmp(time, "off") && (!rp_parse_duration(time, &wait) || wait > apr_time_from_sec(1))) {
        return apr_psprintf(cmd->pool, "RProxyKeepAliveWait %s: write off, or a time from 1ms to 1s such as "
                            "100ms", time);
    }
    rp_server_conf(cmd->server)->keep_alive_wait = wait;
    return NULL;
}

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_store_local_conf_t, field), dflt, sentence },

const rp_option_t rp_local_options[] = {
#include "config/local_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

const char *rp_cmd_cache_local(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_store_local_conf_t *local = &rp_server_conf(cmd->server)->local;
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    int i;

    (void)dir;
    if (error) {
        return error;
    }
    if (argc == 1 && !strcasecmp(argv[0], "off")) {
        rp_server_conf(cmd->server)->local_off = 1;
        rp_server_conf(cmd->server)->local_where = rp_where(cmd);
        return NULL;
    }
    if (argc < 1 || ap_strchr_c(argv[0], '=')) {
        return "RProxyCacheLocal needs a folder first: write RProxyCacheLocal DIR [size=256M] [largest=64M], or off";
    }
    local->dir = ap_server_root_relative(cmd->pool, argv[0]);
    if (!local->dir) {
        return apr_psprintf(cmd->pool, "RProxyCacheLocal %s is not a path", argv[0]);
    }
    for (i = 1; i < argc; i++) {
        error = rp_option_set(cmd->pool, rp_local_options, local, argv[i]);
        if (error) {
            return apr_psprintf(cmd->pool, "RProxyCacheLocal: %s", error);
        }
    }
    if (local->largest > local->size / 2) {
        return "RProxyCacheLocal: largest= is at most half of size=, so that an object can be replaced while others stay";
    }
    return NULL;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What can only be judged after all directives have been read. */

#include <http_core.h>
#include <http_log.h>
#include <apr_strings.h>
#include <mod_watchdog.h>

#include "config/directives.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

static void complain(const server_rec *s, const rp_where_t *where, const char *text)
{
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, s, RPLOGNO(0001) "Syntax error on line %d of %s: %s", where->line,
                 where->file, text);
}

static int check_pools(apr_pool_t *p, server_rec *s, rp_server_conf_t *conf)
{
    apr_hash_index_t *hi;
    int errors = 0;

    for (hi = apr_hash_first(p, conf->pools); hi; hi = apr_hash_next(hi)) {
        rp_pool_conf_t *pool = apr_hash_this_val(hi);
        const rp_where_t *where;
        const char *error;

        if (pool->members->nelts == 0) {
            complain(s, &pool->where, apr_psprintf(p, "<RProxyPool %s> has no members: write at least one RProxyMember "
                                                   "http://HOST[:PORT] in it", pool->name));
            errors++;
        }
        if (pool->check && !APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance)) {
            complain(s, &pool->where, apr_psprintf(p, "RProxyCheck in <RProxyPool %s> needs mod_watchdog: write LoadModule "
                                                   "watchdog_module modules/mod_watchdog.so", pool->name));
            errors++;
        }
        error = rp_method_check(p, &pool->method);
        if (error) {
            complain(s, &pool->method.where, error);
            errors++;
        }
        error = rp_sticky_conf_check(p, pool, &where);
        if (error) {
            complain(s, where, error);
            errors++;
        }
    }
    return errors;
}

/* One name is one pool: routes, keys of the cache and log lines rest on it. */
static int check_names(apr_pool_t *p, server_rec *s, rp_server_conf_t *conf, apr_hash_t *seen)
{
    apr_hash_index_t *hi;
    int errors = 0;

    for (hi = apr_hash_first(p, conf->pools); hi; hi = apr_hash_next(hi)) {
        rp_pool_conf_t *pool = apr_hash_this_val(hi);
        const rp_pool_conf_t *other = apr_hash_get(seen, pool->name, APR_HASH_KEY_STRING);

        if (other && other != pool) {
            complain(s, &pool->where, apr_psprintf(p, "<RProxyPool %s> stands already at %s line %d: give this one another "
                                                   "name, also in another virtual host", pool->name, other->where.file,
                                                   other->where.line));
            errors++;
        }
        apr_hash_set(seen, pool->name, APR_HASH_KEY_STRING, pool);
    }
    return errors;
}

static const char *known_pools(apr_pool_t *p, const rp_server_conf_t *conf)
{
    const char *names = NULL;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(p, conf->pools); hi; hi = apr_hash_next(hi)) {
        const rp_pool_conf_t *pool = apr_hash_this_val(hi);

        names = names ? apr_pstrcat(p, names, ", ", pool->name, NULL) : pool->name;
    }
    return names ? apr_pstrcat(p, "known pools are: ", names, NULL)
                 : "there is no <RProxyPool> at all: write one with at least one RProxyMember";
}

static int check_routes(apr_pool_t *p, server_rec *s, rp_server_conf_t *conf)
{
    const rp_route_t *first, *second;
    int i, errors = 0;

    for (i = 0; i < conf->routes->nelts; i++) {
        rp_route_t *route = APR_ARRAY_IDX(conf->routes, i, rp_route_t *);

        if (!route->pool_name) {
            continue;
        }
        route->pool = apr_hash_get(conf->pools, route->pool_name, APR_HASH_KEY_STRING);
        if (!route->pool) {
            complain(s, &route->where, apr_psprintf(p, "RProxyPass names the pool '%s', which is not known here; %s",
                                                    route->pool_name, known_pools(p, conf)));
            errors++;
        }
    }
    if (!rp_routes_sort(conf->routes, &first, &second)) {
        complain(s, &second->where, apr_psprintf(p, "RProxyPass for %s/ stands already at %s line %d: remove one of "
                                                 "them", second->path, first->where.file, first->where.line));
        errors++;
    }
    return errors;
}

static int check_local(const server_rec *s, const rp_server_conf_t *conf)
{
    if (!conf->local_off || conf->farm) {
        return 0;
    }
    complain(s, &conf->local_where, "RProxyCacheLocal off leaves nothing to cache in: write RProxyFarm, or the folder of a "
             "local store");
    return 1;
}

static int check_tickets(server_rec *s, const rp_server_conf_t *conf)
{
    const char *error = rp_tickets_check(conf);

    if (error) {
        complain(s, &conf->tickets.where, error);
    }
    return error != NULL;
}

static int check_limits(apr_pool_t *p, server_rec *s, const rp_server_conf_t *conf, apr_hash_t *seen)
{
    const rp_where_t *where;
    const char *error = rp_limits_check(p, s, conf, seen, &where);

    if (error) {
        complain(s, where, error);
    }
    return error != NULL;
}

int rp_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main_server)
{
    apr_hash_t *seen = apr_hash_make(ptemp);
    apr_hash_t *limits = apr_hash_make(ptemp);
    server_rec *s;
    int errors = 0;

    (void)plog;
    for (s = main_server; s; s = s->next) {
        rp_server_conf_t *conf = rp_server_conf(s);

        /* A virtual host without a word of ours shares the main server's struct. */
        if (s != main_server && conf == rp_server_conf(main_server)) {
            continue;
        }
        const char *name = conf->name ? conf->name : RP_DEFAULT_NAME;

        conf->via = apr_pstrcat(pconf, "1.1 ", name, NULL);
        conf->item = rp_sf_item(pconf, name);
        errors += check_names(ptemp, s, conf, seen) + check_pools(ptemp, s, conf) + check_routes(ptemp, s, conf)
                  + check_limits(ptemp, s, conf, limits) + (s == main_server ? check_local(s, conf) + check_tickets(s, conf) : 0);
        if (errors) {
            break;
        }
    }
    return errors ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_core.h>
#include <http_log.h>
#include <http_request.h>
#include <apr_strings.h>

#include "log.h"
#include "route/route.h"

APLOG_USE_MODULE(rproxy);

static rp_request_t *make_request(request_rec *r, const rp_route_t *route)
{
    rp_request_t *rq = apr_pcalloc(r->pool, sizeof(*rq));

    rq->r = r;
    rq->sconf = rp_server_conf(r->server);
    rq->route = route;
    rq->name = rq->sconf->name ? rq->sconf->name : RP_DEFAULT_NAME;
    rq->method = r->method;
    rq->is_part = r->main || (r->prev && ap_is_HTTP_ERROR(r->prev->status));
    return rq;
}

rp_request_t *rp_request_get(request_rec *r)
{
    return ap_get_module_config(r->request_config, &rproxy_module);
}

/* The configuration and the public view, once httpd has settled which sections apply. */
static void settle(rp_request_t *rq)
{
    rq->dconf = rp_dir_conf(rq->r);
    rp_route_public(rq);
}

static const rp_route_t *find_route(request_rec *r)
{
    const rp_route_t *route = rp_dir_conf(r)->route;
    const char *path = strcmp(r->uri, "*") ? r->uri : "/";

    if (!route && *path == '/') {
        route = rp_route_find(rp_server_conf(r->server), path);
    }
    return route && route->pool ? route : NULL;
}

int rp_route_serves(request_rec *r)
{
    ap_conf_vector_t *before = r->per_dir_config;
    int serves;

    if (r->proxyreq || !r->uri) {
        return 0;
    }
    serves = ap_location_walk(r) == OK && find_route(r) != NULL;
    r->per_dir_config = before;
    return serves;
}

int rp_route_translate(request_rec *r)
{
    const rp_route_t *route;

    if (r->proxyreq || !r->uri) {
        return DECLINED;
    }
    route = find_route(r);
    if (!route) {
        return DECLINED;
    }
    /* Now, before others add fields of their own: what a client names in Connection must not take those away. */
    if (!rp_hop_strip_named(r->headers_in)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, RPLOGNO(0102) "request with a malformed Connection field refused");
        return HTTP_BAD_REQUEST;
    }
    ap_set_module_config(r->request_config, &rproxy_module, make_request(r, route));
    /* Some modules take it for granted that there is one. */
    r->filename = apr_pstrcat(r->pool, "rproxy:", route->pool_name, r->uri, NULL);
    return OK;
}

int rp_route_map_to_storage(request_rec *r)
{
    /* TRACE is the core's to answer, or to refuse as TraceEnable says. */
    return rp_request_get(r) && r->method_number != M_TRACE ? OK : DECLINED;
}

int rp_route_type(request_rec *r)
{
    rp_request_t *rq = rp_request_get(r);

    if (!rq) {
        return DECLINED;
    }
    settle(rq);
    r->handler = RP_HANDLER;
    return OK;
}

rp_request_t *rp_request_for(request_rec *r, server_rec *server, const char *scheme, const char *host, const char *url)
{
    request_rec *other = apr_pmemdup(r->pool, r, sizeof(*r));
    const char *query = strchr(url, '?');
    core_request_config *core; /* where httpd keeps what it found on a walk */
    const rp_route_t *route;
    rp_request_t *rq;

    other->server = server;
    other->per_dir_config = server->lookup_defaults;
    other->request_config = ap_create_request_config(r->pool);
    core = apr_pcalloc(r->pool, sizeof(*core) + AP_NUM_STD_NOTES * sizeof(void *));
    core->notes = (void **)(core + 1);
    ap_set_core_module_config(other->request_config, core);
    other->method = "GET";
    other->method_number = M_GET;
    other->main = other->prev = NULL;
    other->headers_in = apr_table_make(r->pool, 2);
    other->unparsed_uri = apr_pstrdup(r->pool, url);
    other->uri = apr_pstrmemdup(r->pool, url, query ? (apr_size_t)(query - url) : strlen(url));
    other->args = query ? apr_pstrdup(r->pool, query + 1) : NULL;
    if (ap_unescape_url(other->uri) != OK || ap_location_walk(other) != OK) {
        return NULL;
    }
    route = find_route(other);
    rq = route ? make_request(other, route) : NULL;
    if (rq) {
        settle(rq);
        rq->public_scheme = scheme;
        rq->public_host = host;
    }
    return rq && rp_route_target(rq) == OK ? rq : NULL;
}

static int is_among(const apr_array_header_t *names, const char *host)
{
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        if (name && !ap_strcasecmp_match(host, name)) {
            return 1;
        }
    }
    return 0;
}

int rp_server_has_name(const server_rec *server, const char *host)
{
    return !strcasecmp(host, server->server_hostname) || is_among(server->names, host)
           || is_among(server->wild_names, host);
}

/* A path that httpd's normalisation and decoding would leave alone. */
static int is_plain_path(const char *path)
{
    return path && *path == '/' && !strchr(path, '%') && !strstr(path, "//") && !strstr(path, "/.");
}

rp_request_t *rp_request_early(request_rec *r)
{
    ap_conf_vector_t *before = r->per_dir_config;
    const rp_route_t *route;
    rp_request_t *rq;

    if (r->method_number != M_GET || r->main || r->prev || r->proxyreq || !is_plain_path(r->uri)
        || ap_location_walk(r) != OK) {
        return NULL;
    }
    route = rp_dir_conf(r)->cache_early == 1 && rp_dir_conf(r)->cache == 1 ? find_route(r) : NULL;
    if (!route) {
        r->per_dir_config = before;
        return NULL;
    }
    rq = make_request(r, route);
    settle(rq);
    return rq;
}

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

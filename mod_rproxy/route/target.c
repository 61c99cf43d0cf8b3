/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The request-target for the backend. */

#include <string.h>

#include <httpd.h>
#include <http_core.h>
#include <http_config.h>
#include <http_log.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include "log.h"
#include "route/route.h"

APLOG_USE_MODULE(rproxy);

/* r->uri and r->args encoded again. */
static const char *encode_uri(const request_rec *r)
{
    const char *path = ap_os_escape_path(r->pool, r->uri, 1);

    return r->args ? apr_pstrcat(r->pool, path, "?", r->args, NULL) : path;
}

static int merges_slashes(const request_rec *r)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);

    return core->merge_slashes != AP_CORE_CONFIG_OFF;
}

/* Whether raw is still what httpd made r->uri and r->args of: nobody (mod_rewrite with [PT], an internal redirect) has
 * changed them since. */
static int is_as_received(const request_rec *r, const char *raw)
{
    const char *query = ap_strchr_c(raw, '?');

    if (strcmp(query ? query + 1 : "", r->args ? r->args : "")) {
        return 0;
    }
    return rp_target_is_uri(r->pool, raw, r->uri, merges_slashes(r));
}

static int refuse(const request_rec *r, const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, RPLOGNO(0101) "request refused: %s: %s", why, r->unparsed_uri);
    return HTTP_BAD_REQUEST;
}

/* Nothing in it is encoded, to be merged or a dot segment: most URLs are like that, and need no second look. */
static int is_plain(const char *target)
{
    const char *c;

    for (c = target; *c && *c != '?'; c++) {
        if (!(apr_isalnum(*c) || *c == '-' || *c == '_' || *c == '=' || *c == '~'
              || ((*c == '/' || *c == '.') && c[1] != '/' && c[1] != '.'))) {
            return 0;
        }
    }
    for (; *c; c++) {
        if (*c <= ' ' || *c > '~' || *c == '#') {
            return 0;
        }
    }
    return *target == '/';
}

static int is_untouched(const request_rec *r)
{
    apr_size_t len = strlen(r->uri);
    const char *raw = r->unparsed_uri;

    return !strncmp(raw, r->uri, len) && (raw[len] == '?' ? r->args && !strcmp(raw + len + 1, r->args) : !raw[len] && !r->args);
}

int rp_route_target(rp_request_t *rq)
{
    request_rec *r = rq->r;
    const rp_route_t *route = rq->route;
    const char *whole, *rest;

    if (!route->base && is_untouched(r) && is_plain(r->unparsed_uri)) {
        rq->url = rq->target = r->unparsed_uri;
        return OK;
    }
    whole = rp_target_rest(r->pool, r->unparsed_uri, "", merges_slashes(r));
    if (!strcmp(r->unparsed_uri, "*")) {
        rq->url = rq->target = r->unparsed_uri;
        return OK;
    }
    if (!whole) {
        return refuse(r, "a backend could read the URL's path otherwise than it was checked here");
    }
    rq->url = is_as_received(r, r->unparsed_uri) ? whole : encode_uri(r);
    if (*rq->url != '/') {
        rq->url = apr_pstrcat(r->pool, "/", rq->url, NULL);
    }
    if (!rp_target_is_safe(rq->url)) {
        return refuse(r, "the URL has bytes that may not stand there unencoded");
    }
    if (!route->base) {
        rq->target = rq->url;
        return OK;
    }
    rest = rp_target_rest(r->pool, rq->url, route->path, merges_slashes(r));
    if (!rest) {
        return refuse(r, "its path was changed to one outside of its RProxyPass");
    }
    rq->target = apr_pstrcat(r->pool, route->base, *route->base || *rest == '/' ? "" : "/", rest, NULL);
    return OK;
}

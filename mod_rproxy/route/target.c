/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The request-target for the backend. */

#include <string.h>

#include <httpd.h>
#include <http_core.h>
#include <http_log.h>
#include <apr_strings.h>

#include "log.h"
#include "route/route.h"

APLOG_USE_MODULE(rproxy);

/* The path and query as the client sent them; of an absolute-form target (RFC 9112 §3.2.2) what follows the authority. */
static const char *raw_path(const request_rec *r)
{
    const char *raw = r->unparsed_uri;
    const char *authority;

    if (*raw == '/' || !strcmp(raw, "*")) {
        return raw;
    }
    authority = strstr(raw, "://");
    if (!authority) {
        return "/";
    }
    raw = authority + 3 + strcspn(authority + 3, "/?");
    return *raw == '/' ? raw : apr_pstrcat(r->pool, "/", raw, NULL);
}

/* Whether somebody (mod_rewrite with [PT], an internal redirect) has changed r->uri since it was read. */
static int was_rewritten(const request_rec *r, const char *raw)
{
    apr_size_t len = strcspn(raw, "?");
    char *path;

    /* Nearly always there is nothing to decode or to normalise. */
    if (!strncmp(raw, r->uri, len) && r->uri[len] == '\0') {
        return 0;
    }
    path = apr_pstrmemdup(r->pool, raw, len);
    if (!ap_normalize_path(path, AP_NORMALIZE_NOT_ABOVE_ROOT | AP_NORMALIZE_DECODE_UNRESERVED | AP_NORMALIZE_MERGE_SLASHES)) {
        return 0;
    }
    ap_unescape_url_keep2f(path, 1);
    ap_normalize_path(path, AP_NORMALIZE_NOT_ABOVE_ROOT | AP_NORMALIZE_MERGE_SLASHES);
    /* MergeSlashes off keeps in r->uri what was merged here: compare without them. */
    if (strcmp(path, r->uri)) {
        char *uri = apr_pstrdup(r->pool, r->uri);

        ap_unescape_url_keep2f(uri, 1);
        ap_normalize_path(uri, AP_NORMALIZE_NOT_ABOVE_ROOT | AP_NORMALIZE_MERGE_SLASHES);
        return strcmp(path, uri) != 0;
    }
    return 0;
}

/* r->uri encoded again, with the query. */
static const char *encode_uri(const request_rec *r)
{
    const char *path = ap_os_escape_path(r->pool, r->uri, 1);

    return r->args ? apr_pstrcat(r->pool, path, "?", r->args, NULL) : path;
}

static int refuse(const request_rec *r, const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, RPLOGNO(0101) "request refused: %s: %s", why, r->unparsed_uri);
    return HTTP_BAD_REQUEST;
}

int rp_route_target(rp_request_t *rq)
{
    request_rec *r = rq->r;
    const rp_route_t *route = rq->route;
    const char *raw = raw_path(r);
    const char *rest;

    if (!strcmp(raw, "*")) {
        rq->url = rq->target = raw;
        return OK;
    }
    if (was_rewritten(r, raw)) {
        raw = encode_uri(r);
    }
    rq->url = raw;
    if (!rp_target_is_safe(raw)) {
        return refuse(r, "the URL has bytes that may not stand there unencoded");
    }
    rest = rp_target_rest(r->pool, raw, route->base ? route->path : "", 1);
    if (!rest) {
        return refuse(r, "a backend could read the URL's path otherwise than it was checked here");
    }
    if (route->base && *route->base) {
        rq->target = apr_pstrcat(r->pool, route->base, rest, NULL);
    }
    else {
        rq->target = *rest == '/' ? rest : apr_pstrcat(r->pool, "/", rest, NULL);
    }
    return OK;
}

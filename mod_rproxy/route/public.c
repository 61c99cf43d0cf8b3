/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the client calls this site, seen through proxies in front that are trusted. */

#include <string.h>

#include <httpd.h>
#include <http_core.h>
#include <http_protocol.h>
#include <apr_strings.h>

#include "route/route.h"

/* The last peer that spoke to the client said it first: of a list the first element counts. */
static const char *first_element(apr_pool_t *p, const char *value)
{
    rp_str_t list = { value, value ? strlen(value) : 0 };
    rp_str_t item;

    return value && rp_list_next(&list, &item) ? apr_pstrmemdup(p, item.ptr, item.len) : NULL;
}

/* A parameter of Forwarded's first element (RFC 7239 §4). */
static const char *forwarded_parameter(apr_pool_t *p, const char *value, const char *wanted)
{
    rp_str_t list = { value, value ? strlen(value) : 0 };
    rp_str_t element, name, arg;

    if (!value || !rp_list_next(&list, &element)) {
        return NULL;
    }
    while (rp_param_next(&element, &name, &arg)) {
        if (rp_str_is(name, wanted) && arg.ptr) {
            arg = rp_unquote(p, arg);
            return apr_pstrmemdup(p, arg.ptr, arg.len);
        }
    }
    return NULL;
}

static const char *claim(rp_request_t *rq, const char *field, const char *parameter)
{
    const apr_table_t *in = rq->r->headers_in;
    const char *said = first_element(rq->r->pool, apr_table_get(in, field));

    return said ? said : forwarded_parameter(rq->r->pool, apr_table_get(in, "Forwarded"), parameter);
}

/* Nothing but what may stand in an authority, as the value becomes part of URLs and of the cache's keys. */
static int is_host(const char *s)
{
    return *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:[]") == strlen(s);
}

void rp_route_public(rp_request_t *rq)
{
    request_rec *r = rq->r;
    const char *host = apr_table_get(r->headers_in, "Host");
    const char *said;
    char *lower;

    rq->host = host ? host : "";
    rq->public_scheme = ap_http_scheme(r);
    if (!host) {
        host = ap_construct_server(r->pool, ap_get_server_name(r), ap_get_server_port(r), r);
    }
    rq->trusted = rp_is_trusted(rq->sconf, r->connection->client_addr);
    if (rq->trusted) {
        said = claim(rq, "X-Forwarded-Proto", "proto");
        if (said && !strcasecmp(said, "https")) {
            rq->public_scheme = "https";
        }
        else if (said && !strcasecmp(said, "http")) {
            rq->public_scheme = "http";
        }
        said = claim(rq, "X-Forwarded-Host", "host");
        host = said && is_host(said) ? said : host;
    }
    lower = apr_pstrdup(r->pool, host);
    ap_str_tolower(lower);
    rq->public_host = lower;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A client's request fields to those that a backend gets. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <http_protocol.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include "log.h"
#include "upstream/client_cert.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

/* They state what only this proxy can know: never from a client. */
static const char *const never_from_clients[] = {
    "Client-Cert", "Client-Cert-Chain", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", NULL
};

/* Whether name is one of these but for an underscore: to a backend that makes variables of names (CGI, WSGI, PHP) both are
 * the same, and it could take the client's. */
static int is_alias(const char *name)
{
    const char *const *reserved;

    if (!strchr(name, '_')) {
        return 0;
    }
    for (reserved = never_from_clients; *reserved; reserved++) {
        const char *a = name, *b = *reserved;

        while (*a && (apr_tolower(*a) == apr_tolower(*b) || (*a == '_' && *b == '-'))) {
            a++;
            b++;
        }
        if (*a == *b) {
            return 1;
        }
    }
    return 0;
}

static int add_unless_alias(void *fields, const char *name, const char *value)
{
    if (!is_alias(name)) {
        apr_table_addn(fields, name, value);
    }
    return 1;
}

/* httpd's core has refused or repaired conflicts of Content-Length and Transfer-Encoding; what still looks odd is
 * refused here, because a backend may read it otherwise than httpd's input filter does. */
static int read_framing(rp_request_t *rq)
{
    const char *te = apr_table_get(rq->r->headers_in, "Transfer-Encoding");
    const char *cl = apr_table_get(rq->r->headers_in, "Content-Length");
    uint64_t len;

    rq->body = RP_BODY_NONE;
    if (rq->is_part) {
        return 1;
    }
    if (te) {
        if (strcasecmp(te, "chunked") || cl) {
            return 0;
        }
        rq->body = RP_BODY_CHUNKED;
    }
    else if (cl) {
        if (!rp_parse_uint((rp_str_t){ cl, strlen(cl) }, INT64_MAX, &len)) {
            return 0;
        }
        /* A filter on the content (SetInputFilter) may change its length. */
        rq->body = rq->r->input_filters == rq->r->proto_input_filters ? RP_BODY_LENGTH : RP_BODY_CHUNKED;
        rq->body_len = len;
    }
    return 1;
}

/* Switching to another version of HTTP, or to TLS, behind httpd's back would carry requests past every check. */
static int is_other_http(rp_str_t protocol)
{
    return rp_str_is(protocol, "h2c") || rp_str_is(protocol, "h2") || rp_str_is(protocol, "h3")
           || (protocol.len >= 4 && !strncasecmp(protocol.ptr, "TLS/", 4))
           || (protocol.len >= 5 && !strncasecmp(protocol.ptr, "HTTP/", 5));
}

/* The protocols of Upgrade that may be switched to, or NULL. */
static const char *allowed_upgrade(apr_pool_t *p, const char *upgrade)
{
    rp_str_t list = { upgrade, upgrade ? strlen(upgrade) : 0 };
    const char *allowed = NULL;
    rp_str_t protocol;

    while (rp_list_next(&list, &protocol)) {
        if (!is_other_http(protocol)) {
            const char *word = apr_pstrmemdup(p, protocol.ptr, protocol.len);

            allowed = allowed ? apr_pstrcat(p, allowed, ", ", word, NULL) : word;
        }
    }
    return allowed;
}

static void keep_upgrade(rp_request_t *rq)
{
    const char *upgrade = apr_table_get(rq->r->headers_in, "Upgrade");

    if (upgrade && rq->body == RP_BODY_NONE && !rq->is_part && rq->r->proto_num >= HTTP_VERSION(1, 1) && !rq->r->connection->master
        && rp_list_has(apr_table_get(rq->r->headers_in, "Connection"), "upgrade")) {
        rq->upgrade = allowed_upgrade(rq->r->pool, upgrade);
    }
}

/* They were the client's about the whole that this is a part of. */
static void drop_conditions(apr_table_t *fields)
{
    static const char *const names[] = {
        "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range", "Expect", NULL
    };
    const char *const *name;

    for (name = names; *name; name++) {
        apr_table_unset(fields, *name);
    }
}

/* RFC 9110 §7.6.2; the last hop is looked after by rp_serve(). */
static void count_forwards(rp_request_t *rq)
{
    const char *max = apr_table_get(rq->fields, "Max-Forwards");
    uint64_t n;

    if (max && rq->r->method_number == M_OPTIONS && rp_parse_uint((rp_str_t){ max, strlen(max) }, INT32_MAX, &n) && n > 0) {
        apr_table_setn(rq->fields, "Max-Forwards", apr_itoa(rq->r->pool, (int)n - 1));
    }
}

typedef struct without_t {
    apr_table_t *fields;
    const char *name;
} without_t;

static int add_without(void *data, const char *key, const char *cookies)
{
    without_t *w = data;
    const char *left = rp_cookie_without(apr_table_elts(w->fields)->pool, cookies, w->name);

    if (left) {
        apr_table_addn(w->fields, key, left);
    }
    return 1;
}

/* Our own cookie (RProxySticky) is none of the backends' business, and must not make requests different for the cache. */
static void keep_sticky_cookie(rp_request_t *rq)
{
    const rp_sticky_conf_t *sticky = rq->route->pool ? rq->route->pool->sticky : NULL;

    if (sticky && sticky->mode == RP_STICKY_COOKIE && apr_table_get(rq->fields, "Cookie")) {
        without_t w = { rq->fields, sticky->name };

        apr_table_unset(rq->fields, "Cookie");
        apr_table_do(add_without, &w, rq->r->headers_in, "Cookie", NULL);
    }
}

int rp_request_fields(rp_request_t *rq)
{
    request_rec *r = rq->r;
    rp_forwarded_t forwarded = { r->useragent_ip, rq->host, ap_http_scheme(r), rq->trusted };

    if (!read_framing(rq)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, RPLOGNO(0402) "request with an unclear body length refused");
        return HTTP_BAD_REQUEST;
    }
    keep_upgrade(rq);
    rq->wants_trailers = rp_list_has(apr_table_get(r->headers_in, "TE"), "trailers") || r->connection->master;
    rq->fields = apr_table_make(r->pool, apr_table_elts(r->headers_in)->nelts + 8);
    apr_table_do(add_unless_alias, rq->fields, r->headers_in, NULL);
    rp_hop_strip_known(rq->fields);
    apr_table_unset(rq->fields, "Client-Cert");
    apr_table_unset(rq->fields, "Client-Cert-Chain");
    apr_table_unset(rq->fields, "Host");
    keep_sticky_cookie(rq);
    if (rq->is_part) {
        drop_conditions(rq->fields);
    }
    apr_table_unset(rq->fields, "Content-Length");
    if (!r->expecting_100 || rq->body == RP_BODY_NONE) {
        apr_table_unset(rq->fields, "Expect");
    }
    count_forwards(rq);
    rp_forwarded_set(r->pool, rq->fields, &forwarded);
    rp_via_add(r->pool, rq->fields, r->proto_num >= HTTP_VERSION(1, 1) ? 1 : 0, rq->name);
    rp_client_cert_add(rq);
    return OK;
}

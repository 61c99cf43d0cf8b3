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
        rq->body = RP_BODY_LENGTH;
        rq->body_len = len;
    }
    return 1;
}

static void keep_upgrade(rp_request_t *rq)
{
    const char *upgrade = apr_table_get(rq->r->headers_in, "Upgrade");

    if (upgrade && rq->body == RP_BODY_NONE && !rq->r->main && rq->r->proto_num >= HTTP_VERSION(1, 1) && !rq->r->connection->master
        && rp_list_has(apr_table_get(rq->r->headers_in, "Connection"), "upgrade")) {
        rq->upgrade = upgrade;
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
    apr_table_unset(rq->fields, "Content-Length");
    if (!r->expecting_100 || rq->body == RP_BODY_NONE) {
        apr_table_unset(rq->fields, "Expect");
    }
    rp_forwarded_set(r->pool, rq->fields, &forwarded);
    rp_via_add(r->pool, rq->fields, r->proto_num >= HTTP_VERSION(1, 1) ? 1 : 0, rq->name);
    rp_client_cert_add(rq);
    return OK;
}

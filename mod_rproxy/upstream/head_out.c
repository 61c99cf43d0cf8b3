/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The bytes of a request's head. */

#include <string.h>

#include <apr_strings.h>

#include "upstream/upstream.h"

static void append(char **to, const char *s, apr_size_t len)
{
    memcpy(*to, s, len);
    *to += len;
}

static void append_field(char **to, const char *name, const char *value)
{
    append(to, name, strlen(name));
    append(to, ": ", 2);
    append(to, value, strlen(value));
    append(to, "\r\n", 2);
}

/* Fields of this hop alone, made here and never copied. */
static const char *hop_fields(const rp_request_t *rq)
{
    apr_pool_t *p = rq->r->pool;

    if (rq->upgrade) {
        return apr_pstrcat(p, "Connection: Upgrade\r\nUpgrade: ", rq->upgrade, "\r\n", NULL);
    }
    if (rq->body == RP_BODY_CHUNKED) {
        return rq->wants_trailers ? "Transfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n"
                                  : "Transfer-Encoding: chunked\r\n";
    }
    if (rq->body == RP_BODY_LENGTH) {
        return apr_psprintf(p, "Content-Length: %" APR_UINT64_T_FMT "\r\n%s", rq->body_len,
                            rq->wants_trailers ? "TE: trailers\r\nConnection: TE\r\n" : "");
    }
    return rq->wants_trailers ? "TE: trailers\r\nConnection: TE\r\n" : "";
}

/* mod_remoteip, which does not know the client's port, says so in the port alone. */
static const struct sockaddr *client_address(const request_rec *r)
{
    apr_sockaddr_t *copy = apr_pmemdup(r->pool, r->useragent_addr, sizeof(*copy));

    /* In both families the port is at the same place. */
    copy->sa.sin.sin_port = htons(copy->port);
    return (const struct sockaddr *)&copy->sa;
}

const rp_endpoints_t *rp_request_endpoints(const rp_request_t *rq, const rp_peer_t *peer)
{
    const request_rec *r = rq->r;
    rp_endpoints_t *ends;

    if (!peer->conf->proxy_protocol || rq->detached != RP_ATTACHED || !r->useragent_addr
        || !r->connection->local_addr) {
        return NULL;
    }
    ends = apr_palloc(r->pool, sizeof(*ends));
    ends->client = client_address(r);
    ends->server = (const struct sockaddr *)&r->connection->local_addr->sa;
    return ends;
}

const char *rp_request_head(const rp_request_t *rq, apr_size_t *len)
{
    const apr_array_header_t *fields = apr_table_elts(rq->fields);
    const apr_table_entry_t *e = (const apr_table_entry_t *)fields->elts;
    int preserve = RP_OR_DEFAULT(rq->dconf->preserve_host, 1);
    const char *host = preserve && *rq->host ? rq->host : rq->conn->peer->conf->authority;
    const char *hop = hop_fields(rq);
    const char *method = rq->method;
    apr_size_t size = strlen(method) + strlen(rq->target) + strlen(host) + strlen(hop) + 32;
    char *head, *to;
    int i;

    for (i = 0; i < fields->nelts; i++) {
        size += strlen(e[i].key) + strlen(e[i].val) + 4;
    }
    head = to = apr_palloc(rq->r->pool, size);
    append(&to, method, strlen(method));
    append(&to, " ", 1);
    append(&to, rq->target, strlen(rq->target));
    append(&to, " HTTP/1.1\r\n", 11);
    append_field(&to, "Host", host);
    append(&to, hop, strlen(hop));
    for (i = 0; i < fields->nelts; i++) {
        append_field(&to, e[i].key, e[i].val);
    }
    append(&to, "\r\n", 2);
    *len = (apr_size_t)(to - head);
    return head;
}

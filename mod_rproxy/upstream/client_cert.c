/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_ssl.h>
#include <apr_strings.h>

#include "upstream/client_cert.h"

/* Longer chains than this are cut: nobody has them, and a field must fit into the backend's limits. */
#define MAX_CHAIN 8

/* A PEM certificate's base64 is the DER's: as a Byte Sequence (RFC 9651 §3.3.5) it only changes its wrapping. */
static const char *pem_to_byte_sequence(apr_pool_t *p, const char *pem)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    const char *from = pem ? strstr(pem, begin) : NULL;
    const char *to = from ? strstr(from, "-----END CERTIFICATE-----") : NULL;
    char *out, *o;

    if (!to) {
        return NULL;
    }
    from += sizeof(begin) - 1;
    out = o = apr_palloc(p, (apr_size_t)(to - from) + 3);
    *o++ = ':';
    for (; from < to; from++) {
        if (*from != '\n' && *from != '\r' && *from != ' ') {
            *o++ = *from;
        }
    }
    *o++ = ':';
    *o = '\0';
    return out;
}

static const char *lookup_cert(rp_request_t *rq, const char *variable)
{
    request_rec *r = rq->r;
    const char *pem = ap_ssl_var_lookup(r->pool, r->server, r->connection, r, variable);

    return pem_to_byte_sequence(r->pool, pem);
}

static void add_chain(rp_request_t *rq)
{
    const char *chain = NULL;
    int i;

    for (i = 0; i < MAX_CHAIN; i++) {
        const char *cert = lookup_cert(rq, apr_psprintf(rq->r->pool, "SSL_CLIENT_CERT_CHAIN_%d", i));

        if (!cert) {
            break;
        }
        chain = chain ? apr_pstrcat(rq->r->pool, chain, ", ", cert, NULL) : cert;
    }
    if (chain) {
        apr_table_setn(rq->fields, "Client-Cert-Chain", chain);
    }
}

void rp_client_cert_add(rp_request_t *rq)
{
    int which = RP_OR_DEFAULT(rq->dconf->client_cert, RP_CLIENT_CERT_OFF);
    const char *verified, *cert;

    if (which == RP_CLIENT_CERT_OFF) {
        return;
    }
    /* With SSLVerifyClient optional_no_ca a certificate may be there that nobody vouches for. */
    verified = ap_ssl_var_lookup(rq->r->pool, rq->r->server, rq->r->connection, rq->r, "SSL_CLIENT_VERIFY");
    if (!verified || strcmp(verified, "SUCCESS")) {
        return;
    }
    cert = lookup_cert(rq, "SSL_CLIENT_CERT");
    if (!cert) {
        return;
    }
    apr_table_setn(rq->fields, "Client-Cert", cert);
    if (which == RP_CLIENT_CERT_CHAIN) {
        add_chain(rq);
    }
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_protocol.h>
#include <apr_strings.h>

#include "balance/balance.h"
#include "cache/fetch.h"
#include "cache/lookup.h"
#include "upstream/upstream.h"

int rp_fetch_fields(rp_request_t *rq)
{
    int status;

    if (rq->fields) {
        return OK;
    }
    status = rp_request_fields(rq);
    if (status != OK) {
        rq->fields = NULL;
        return status;
    }
    if (rq->dconf->compress.nprefer > 0) {
        /* Coding is done here, from identity: one variant for the backend instead of one per browser. */
        if (rq->dconf->compress.ask_gzip == 1) {
            apr_table_setn(rq->fields, "Accept-Encoding", "gzip");
        }
        else {
            apr_table_unset(rq->fields, "Accept-Encoding");
        }
        apr_table_unset(rq->fields, "Available-Dictionary");
        apr_table_unset(rq->fields, "Dictionary-ID");
        rp_encode_strip_validators(rq->r->pool, rq->fields, rq->coding);
    }
    return OK;
}

int rp_fetch(rp_request_t *rq)
{
    int status = rp_forward(rq);

    if (status == OK) {
        rp_map_response(rq);
    }
    return status;
}

/* The key as far as it is the client's own: what follows the URL in it names pools. */
static const char *key_param(rp_request_t *rq)
{
    const char *key = rp_cache_key(rq);

    return apr_pstrcat(rq->r->pool, "; key=", rp_sf_string(rq->r->pool,
                       apr_pstrmemdup(rq->r->pool, key, strcspn(key, " "))), NULL);
}

void rp_cache_status(rp_request_t *rq, apr_table_t *fields, const char *note, const char *params)
{
    request_rec *r = rq->r;
    int how = RP_OR_DEFAULT(rq->dconf->cache_status, RP_CACHE_STATUS_ON);
    const char *value, *before;

    apr_table_setn(r->notes, "rproxy-cache", note);
    rq->account.cache = note;
    rq->account.said = params;
    if (how == RP_CACHE_STATUS_OFF) {
        return;
    }
    value = apr_pstrcat(r->pool, rq->sconf->item, "; ", params, how == RP_CACHE_STATUS_FULL ? key_param(rq) : NULL, NULL);
    before = fields ? apr_table_getm(r->pool, fields, "Cache-Status") : NULL;
    /* Caches are listed in the order in which the response passed them (RFC 9211 §2). */
    if (before) {
        apr_table_unset(fields, "Cache-Status");
    }
    apr_table_setn(r->err_headers_out, "Cache-Status", before ? apr_pstrcat(r->pool, before, ", ", value, NULL) : value);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <apr_escape.h>
#include <openssl/evp.h>

#include "balance/balance.h"
#include "cache/fetch.h"
#include "cache/query.h"
#include "http/digest.h"
#include "upstream/upstream.h"

int rp_is_query(const rp_request_t *rq)
{
    return !strcmp(rq->r->method, "QUERY");
}

static apr_off_t largest(const rp_request_t *rq)
{
    return RP_OR_DEFAULT(rq->dconf->cache_query, RP_DEFAULT_CACHE_QUERY);
}

int rp_query_may_cache(const rp_request_t *rq)
{
    const char *length = apr_table_get(rq->r->headers_in, "Content-Length");
    uint64_t len;

    /* What a range of the result is, the origin knows: it is asked. */
    return largest(rq) != RP_CACHE_QUERY_OFF && !apr_table_get(rq->r->headers_in, "Range")
           && (!length || (rp_parse_uint((rp_str_t){ length, strlen(length) }, INT64_MAX, &len)
                           && len <= (uint64_t)largest(rq)));
}

/* The metadata goes in with its terminators, so that nothing can move from one into the next. */
static const char *digest(const rp_request_t *rq)
{
    static const char *const names[] = { "Content-Type", "Content-Encoding", "Content-Language" };
    unsigned char md[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned len = 0;
    size_t i;
    int ok = ctx && EVP_DigestInit_ex(ctx, rp_sha256(), NULL);

    for (i = 0; ok && i < sizeof(names) / sizeof(*names); i++) {
        const char *value = apr_table_getm(rq->r->pool, rq->r->headers_in, names[i]);

        ok = EVP_DigestUpdate(ctx, value ? value : "", value ? strlen(value) + 1 : 1);
    }
    ok = ok && (!rq->content.len || EVP_DigestUpdate(ctx, rq->content.ptr, rq->content.len))
         && EVP_DigestFinal_ex(ctx, md, &len);
    EVP_MD_CTX_free(ctx);
    return ok ? apr_pescape_hex(rq->r->pool, md, len, 0) : NULL;
}

int rp_query_read(rp_request_t *rq)
{
    apr_off_t most = largest(rq);
    int status = rp_fetch_fields(rq);

    if (status != OK) {
        return status;
    }
    if (rq->body != RP_BODY_NONE) {
        if (rp_take_content(rq, (apr_uint64_t)most) != RP_EXCHANGE_DONE) {
            return rp_client_failed(rq);
        }
        if (!rq->content_whole || rq->content.len > (apr_size_t)most
            || (rq->r->trailers_in && !apr_is_empty_table(rq->r->trailers_in))) {
            return OK;
        }
    }
    rq->content_key = digest(rq);
    return OK;
}

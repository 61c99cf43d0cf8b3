/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_strings.h>

#include "cache/coding.h"
#include "cache/dictionary.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

static int has_cookie(const request_rec *r, const char *wanted)
{
    const char *field = apr_table_getm(r->pool, r->headers_in, "Cookie");
    char *cookies = apr_pstrdup(r->pool, field ? field : ""), *c;
    rp_str_t rest = { cookies, strlen(cookies) }, name, value;

    /* httpd joins several lines by commas; one in a value finds a cookie too many at worst. */
    for (c = cookies; (c = strchr(c, ',')) != NULL; c++) {
        *c = ';';
    }

    while (rp_cookie_next(&rest, &name, &value)) {
        if (name.len == strlen(wanted) && !memcmp(name.ptr, wanted, name.len)) {
            return 1;
        }
    }
    return 0;
}

static int holds(request_rec *r, const ap_expr_info_t *expr)
{
    const char *error = NULL;
    int rc = ap_expr_exec(r, expr, &error);

    if (error) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, RPLOGNO(0508) "RProxyCompressExcept: %s: not compressed", error);
    }
    /* What may have a secret in it is taken to have one. */
    return error || rc != 0;
}

static int is_excepted(const rp_request_t *rq)
{
    const apr_array_header_t *exceptions = rq->dconf->compress.exceptions;
    int i;

    for (i = 0; exceptions && i < exceptions->nelts; i++) {
        const rp_encode_exception_t *e = &APR_ARRAY_IDX(exceptions, i, const rp_encode_exception_t);

        if (e->cookie ? has_cookie(rq->r, e->cookie) : holds(rq->r, e->expr)) {
            return 1;
        }
    }
    return 0;
}

void rp_coding_choose(rp_request_t *rq)
{
    const rp_encode_conf_t *conf = &rq->dconf->compress;

    rq->coding = rq->plain_coding = RP_CODING_IDENTITY;
    if (conf->nprefer > 0 && !is_excepted(rq)) {
        rq->coding = rq->plain_coding = rp_encode_choose(conf, rq->r->headers_in, 0);
        rp_dictionary_choose(rq);
    }
}

int rp_coding_is_late(const rp_request_t *rq)
{
    const apr_array_header_t *exceptions = rq->dconf->compress.exceptions;
    int i;

    for (i = 0; exceptions && i < exceptions->nelts; i++) {
        if (APR_ARRAY_IDX(exceptions, i, const rp_encode_exception_t).is_late) {
            return 1;
        }
    }
    return 0;
}

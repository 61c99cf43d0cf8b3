/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What a request is counted by. */

#include <string.h>
#include <strings.h>

#include <httpd.h>
#include <apr_network_io.h>
#include <apr_strings.h>

#include "http/digest.h"
#include "limit/turn.h"

/* Who has an IPv6 address mostly has all of its network's 2^64. */
static rp_str_t address_of(const request_rec *r)
{
    static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    const apr_sockaddr_t *sa = r->useragent_addr;
    const char *bytes = sa ? sa->ipaddr_ptr : NULL;

    if (sa && sa->family == APR_INET) {
        return (rp_str_t){ bytes, 4 };
    }
#if APR_HAVE_IPV6
    if (sa && sa->family == APR_INET6) {
        return memcmp(bytes, mapped, sizeof(mapped)) ? (rp_str_t){ bytes, 8 } : (rp_str_t){ bytes + sizeof(mapped), 4 };
    }
#endif
    return (rp_str_t){ r->useragent_ip, strlen(r->useragent_ip) };
}

/* The first cookie of that name, as servers read it. */
static rp_str_t cookie_of(const request_rec *r, const char *wanted)
{
    const char *field = apr_table_get(r->headers_in, "Cookie");
    rp_str_t rest = { field, field ? strlen(field) : 0 };
    rp_str_t name, value;

    while (rp_cookie_next(&rest, &name, &value)) {
        if (name.len == strlen(wanted) && !memcmp(name.ptr, wanted, name.len)) {
            return value;
        }
    }
    return (rp_str_t){ NULL, 0 };
}

/* @return .len is 0 when there is nothing of the kind */
static rp_str_t text_of(request_rec *r, const rp_limit_conf_t *conf)
{
    const char *text = "all", *error = NULL;

    if (conf->by == RP_LIMIT_BY_COOKIE) {
        return cookie_of(r, conf->field);
    }
    if (conf->by == RP_LIMIT_BY_HEADER) {
        text = apr_table_get(r->headers_in, conf->field);
    }
    else if (conf->by == RP_LIMIT_BY_EXPR) {
        text = ap_expr_str_exec(r, conf->value, &error);
    }
    return (rp_str_t){ text, text && !error ? strlen(text) : 0 };
}

/* 128 bits of a SHA-256 that begins with a secret. */
static int hash(rp_str_t secret, const char *kind, rp_str_t text, unsigned char client[RP_LIMIT_CLIENT])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestInit_ex(ctx, rp_sha256(), NULL) && EVP_DigestUpdate(ctx, secret.ptr, secret.len)
             && EVP_DigestUpdate(ctx, kind, strlen(kind) + 1) && EVP_DigestUpdate(ctx, text.ptr, text.len)
             && EVP_DigestFinal_ex(ctx, digest, NULL);

    EVP_MD_CTX_free(ctx);
    if (ok) {
        memcpy(client, digest, RP_LIMIT_CLIENT);
    }
    return ok;
}

int rp_limit_key(request_rec *r, const rp_limit_conf_t *conf, rp_str_t secret, unsigned char key[RP_LIMIT_KEY])
{
    static const char *const kinds[] = {
        [RP_LIMIT_BY_ADDRESS] = "address", [RP_LIMIT_BY_HEADER] = "header", [RP_LIMIT_BY_COOKIE] = "cookie",
        [RP_LIMIT_BY_EXPR] = "expr", [RP_LIMIT_BY_NOTHING] = "all"
    };
    const char *kind = kinds[conf->by];
    rp_str_t text = conf->by == RP_LIMIT_BY_ADDRESS ? address_of(r) : text_of(r, conf);

    if (!text.len && conf->by == RP_LIMIT_BY_EXPR) {
        return 0;
    }
    if (!text.len) {
        kind = kinds[RP_LIMIT_BY_ADDRESS];
        text = address_of(r);
    }
    memcpy(key + RP_LIMIT_CLIENT, conf->id, RP_LIMIT_ID);
    return hash(secret, kind, text, key);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What a response is known by.
 *
 * A key's text has two parts.  The first is a line of what all clients of a URL have in common: scheme, host, URL and
 * where it comes from.  Behind a line feed may follow what some have of their own, by RProxyCacheKey: cookies, fields,
 * outcomes of expressions.  The first makes the primary half of the hash alone, so that an unsafe request, or a purge,
 * of whomever reaches the responses of all.  The rest goes into the other half, where the selection by Vary is.
 */

#include <string.h>

#include <httpd.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "cache/lookup.h"
#include "http/digest.h"

/* The URL with the operator's choice of its query, and his case. */
static const char *key_url(apr_pool_t *p, const rp_key_conf_t *key, const char *url)
{
    const rp_query_rules_t rules = {
        .none = RP_OR_DEFAULT(key->no_query, 0), .only = key->only,
        .drop = key->drop && key->drop->nelts ? key->drop : NULL, .sort = RP_OR_DEFAULT(key->sort, 0),
    };
    const char *mark, *query;
    char *path;

    if (!rules.none && !rules.only && !rules.drop && !rules.sort && key->lower <= 0) {
        return url;
    }
    mark = strchr(url, '?');
    path = apr_pstrmemdup(p, url, mark ? (apr_size_t)(mark - url) : strlen(url));
    query = rp_query_choose(p, &rules, mark ? mark + 1 : NULL);

    if (key->lower > 0) {
        ap_str_tolower(path);
    }
    return query ? apr_pstrcat(p, path, "?", query, NULL) : path;
}

static const char *outcome(const rp_request_t *rq, const rp_key_expr_t *expr)
{
    const char *error = NULL;
    int rc = ap_expr_exec(rq->r, expr->info, &error);

    return error ? "e\n" : rc ? "1\n" : "0\n";
}

const char *rp_cache_key_own(const rp_request_t *rq)
{
    apr_pool_t *p = rq->r->pool;
    const rp_key_conf_t *key = &rq->dconf->cache_key;
    const char *text;
    int i;

    if (rq->key_own) {
        return rq->key_own;
    }
    text = key->fields && *key->fields ? rp_vary_selection(p, key->fields, rq->r->headers_in) : "";
    if (rq->content_key) {
        /* No name of a field or cookie begins so: a QUERY never answers a GET. */
        text = apr_pstrcat(p, "?", rq->content_key, "\n", text, NULL);
    }
    if (key->cookies && key->cookies->nelts) {
        text = apr_pstrcat(p, text, rp_cookie_selection(p, key->cookies, rq->r->headers_in), NULL);
    }
    for (i = 0; key->exprs && i < key->exprs->nelts; i++) {
        text = apr_pstrcat(p, text, ";;", outcome(rq, &APR_ARRAY_IDX(key->exprs, i, const rp_key_expr_t)), NULL);
    }
    return text;
}

/* @param tag  what tells a key for url from others for the same; "" for none */
static const char *key_for(const rp_request_t *rq, const char *url, const char *tag, const char *own)
{
    const rp_key_conf_t *key = &rq->dconf->cache_key;

    /* Virtual hosts on other addresses or ports may answer to the same Host from other backends: the pool is part of it. */
    return apr_pstrcat(rq->r->pool, rq->public_scheme, "://", key->host && *key->host ? key->host : rq->public_host, url,
                       tag, " ", rq->route->pool_name, rq->route->base ? "/" : "",
                       rq->route->base ? rq->route->base : "", *own ? "\n" : "", own, NULL);
}

const char *rp_cache_key(const rp_request_t *rq)
{
    const rp_key_conf_t *key = &rq->dconf->cache_key;

    return key_for(rq, key_url(rq->r->pool, key, rq->url), "", rp_cache_key_own(rq));
}

const char *rp_cache_key_path(const rp_request_t *rq)
{
    const char *url = key_url(rq->r->pool, &rq->dconf->cache_key, rq->url);

    /* No URL has a tab. */
    return key_for(rq, apr_pstrmemdup(rq->r->pool, url, strcspn(url, "?")), "\t", "");
}

const char *rp_cache_key_search(const rp_request_t *rq, const char *known)
{
    apr_pool_t *p = rq->r->pool;
    const rp_key_conf_t *key = &rq->dconf->cache_key;
    const char *url = key_url(p, key, rq->url), *mark = strchr(url, '?'), *rules = strchr(known, ' ');
    const char *query = rp_nvs_query(p, rp_nvs_parse(p, rules ? rules + 1 : NULL), mark ? mark + 1 : NULL);
    const char *path = apr_pstrmemdup(p, url, strcspn(url, "?"));

    return key_for(rq, query && *query ? apr_pstrcat(p, path, "?", query, NULL) : path, apr_pstrcat(p, "\t", known, NULL),
                   rp_cache_key_own(rq));
}

const char *rp_cache_key_prefix(const rp_request_t *rq, const char *url)
{
    const rp_key_conf_t *key = &rq->dconf->cache_key;
    char *path = apr_pstrmemdup(rq->r->pool, url, strcspn(url, "?"));

    if (key->lower > 0) {
        ap_str_tolower(path);
    }
    return apr_pstrcat(rq->r->pool, rq->public_scheme, "://", key->host && *key->host ? key->host : rq->public_host, path,
                       url + strcspn(url, "?"), NULL);
}

rp_request_t rp_cache_request_of(const rp_request_t *rq, const char *url)
{
    rp_request_t other = *rq;
    const char *path = apr_pstrmemdup(rq->r->pool, url, strcspn(url, "?"));
    const rp_route_t *route = rp_route_find(rq->sconf, path);

    other.url = url;
    if (route && route->pool) {
        other.route = route;
    }
    return other;
}

int rp_cache_key_is_late(const rp_request_t *rq)
{
    const apr_array_header_t *exprs = rq->dconf->cache_key.exprs;
    int i;

    for (i = 0; exprs && i < exprs->nelts; i++) {
        if (APR_ARRAY_IDX(exprs, i, const rp_key_expr_t).is_late) {
            return 1;
        }
    }
    return 0;
}

/* Half of a SHA-256: whoever could find two texts with the same half has the texts compared against him. */
static void hash_half(const void *text, apr_size_t len, unsigned char half[RP_KEY_HALF])
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    EVP_Digest(text, len, digest, NULL, rp_sha256(), NULL);
    memcpy(half, digest, RP_KEY_HALF);
}

void rp_cache_hash(const char *key_text, const char *selection, unsigned char key[RP_KEY_LEN])
{
    const char *own = strchr(key_text, '\n');
    unsigned char *variant = key + RP_KEY_HALF;

    hash_half(key_text, own ? (apr_size_t)(own - key_text) : strlen(key_text), key);
    if (own && selection) {
        unsigned char both[2 * RP_KEY_HALF];

        hash_half(own, strlen(own), both);
        hash_half(selection, strlen(selection), both + RP_KEY_HALF);
        hash_half(both, sizeof(both), variant);
    }
    else if (own || selection) {
        hash_half(own ? own : selection, strlen(own ? own : selection), variant);
    }
    else {
        memset(variant, 0, RP_KEY_HALF);
    }
}

void rp_cache_hash_beside(const unsigned char key[RP_KEY_LEN], const char *name, unsigned char beside[RP_KEY_LEN])
{
    unsigned char text[2 * RP_KEY_HALF];

    memcpy(beside, key, RP_KEY_HALF);
    memcpy(text, key + RP_KEY_HALF, RP_KEY_HALF);
    hash_half(name, strlen(name), text + RP_KEY_HALF);
    hash_half(text, sizeof(text), beside + RP_KEY_HALF);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <http_main.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_uri.h>

#include "cache/host_store.h"
#include "cache/lookup.h"
#include "cache/purge.h"
#include "cache/purge_command.h"
#include "cache/search.h"
#include "log.h"
#include "route/route.h"

APLOG_USE_MODULE(rproxy);

/* A URL as clients ask for it. */
typedef struct place_t {
    const char *name;      /* the host alone, */
    const char *authority; /* with its port, if that is written */
    const char *url;       /* path and query */
} place_t;

typedef struct making_t {
    request_rec *r;
    rp_store_t *store;
    const rp_purge_wish_t *wish;
    rp_purge_order_t *order;
    apr_hash_t *seen; /* keys and prefixes that are in it: two servers may have the same */
    int too_long;
} making_t;

static char *lower(apr_pool_t *p, const char *text)
{
    char *copy = apr_pstrdup(p, text);

    ap_str_tolower(copy);
    return copy;
}

static int read_url(apr_pool_t *p, const char *text, place_t *place)
{
    apr_uri_t uri;
    int is_https;

    if (!text || apr_uri_parse(p, text, &uri) != APR_SUCCESS || !uri.scheme || !uri.hostname || !*uri.hostname
        || uri.user || uri.fragment) {
        return 0;
    }
    is_https = !strcasecmp(uri.scheme, "https");
    if (!is_https && strcasecmp(uri.scheme, "http")) {
        return 0;
    }
    place->name = lower(p, uri.hostname);
    /* Browsers leave the scheme's own port away. */
    place->authority = !uri.port_str || !*uri.port_str || uri.port == (is_https ? 443 : 80)
                     ? lower(p, strchr(uri.hostname, ':') ? apr_pstrcat(p, "[", uri.hostname, "]", NULL) : uri.hostname)
                     : lower(p, uri.hostinfo);
    place->url = apr_pstrcat(p, uri.path && *uri.path ? uri.path : "/", uri.query ? "?" : "", uri.query ? uri.query : "",
                             NULL);
    return 1;
}

static int is_new(making_t *m, const char *key)
{
    if (apr_hash_get(m->seen, key, APR_HASH_KEY_STRING)) {
        return 0;
    }
    apr_hash_set(m->seen, key, APR_HASH_KEY_STRING, key);
    return 1;
}

static void add_request(making_t *m, const rp_request_t *rq)
{
    if (m->wish->what == RP_PURGE_THE_URL) {
        if (is_new(m, rp_cache_key(rq))) {
            rp_search_add(m->order, rq, m->store);
        }
    }
    else {
        const char *prefix = rp_cache_key_prefix(rq, rq->url);

        if (is_new(m, prefix) && !rp_purge_add_prefix(m->order, prefix)) {
            m->too_long = 1;
        }
    }
}

/* @param named  only servers that have the name. @return how many have a route for it */
static int add_servers(making_t *m, const place_t *place, int named)
{
    static const char *const schemes[] = { "http", "https" };
    server_rec *s;
    int found = 0, i;

    for (s = ap_server_conf; s; s = s->next) {
        for (i = 0; i < 2 && (!named || rp_server_has_name(s, place->name)); i++) {
            const rp_request_t *rq = rp_request_for(m->r, s, schemes[i], place->authority, place->url);

            if (rq) {
                add_request(m, rq);
                found++;
            }
        }
    }
    return found;
}

static int make_of_url(making_t *m, const char **why)
{
    place_t place;

    if (!read_url(m->r->pool, m->wish->url, &place)) {
        *why = "url: write all of it, such as \"https://www.example.org/page\"";
        return HTTP_BAD_REQUEST;
    }
    /* A name that no server has is served by whichever listens there. */
    if (!add_servers(m, &place, 1) && !add_servers(m, &place, 0)) {
        *why = "url: no RProxyPass serves it, or it may not be sent to a backend as it is written";
        return HTTP_BAD_REQUEST;
    }
    if (m->too_long) {
        *why = apr_psprintf(m->r->pool, "url: write at most %d bytes", RP_STORE_PREFIX_MAX);
        return HTTP_BAD_REQUEST;
    }
    return OK;
}

static int make_of_tags(making_t *m, const char **why)
{
    apr_array_header_t *tags = apr_array_make(m->r->pool, 4, sizeof(rp_tag_t));
    int i;

    if (!m->wish->host || !*m->wish->host || !m->wish->tags || !m->wish->tags->nelts) {
        *why = "host and tags: write both, such as \"www.example.org\" and [\"article-7\"]: names are a host's own";
        return HTTP_BAD_REQUEST;
    }
    for (i = 0; i < m->wish->tags->nelts; i++) {
        const char *text = APR_ARRAY_IDX(m->wish->tags, i, const char *);

        if (!*text || strlen(text) > RP_MAX_TAG_LEN) {
            *why = apr_psprintf(m->r->pool, "tags: each has at most %d characters", RP_MAX_TAG_LEN);
            return HTTP_BAD_REQUEST;
        }
        APR_ARRAY_PUSH(tags, rp_tag_t) = (rp_tag_t){ RP_TAG_KEY, { text, strlen(text) } };
    }
    rp_purge_add_tags(m->order, tags, lower(m->r->pool, m->wish->host), NULL);
    return OK;
}

static int make(making_t *m, const char **why)
{
    switch (m->wish->what) {
    case RP_PURGE_THE_TAGS:
        return make_of_tags(m, why);
    case RP_PURGE_EVERYTHING:
        rp_purge_add_all(m->order);
        return OK;
    default:
        return make_of_url(m, why);
    }
}

static const char *describe(apr_pool_t *p, const rp_purge_wish_t *wish)
{
    switch (wish->what) {
    case RP_PURGE_THE_TAGS:
        return apr_pstrcat(p, "tags of ", wish->host, ": ", apr_array_pstrcat(p, wish->tags, ' '), NULL);
    case RP_PURGE_EVERYTHING:
        return "everything";
    default:
        return apr_pstrcat(p, wish->what == RP_PURGE_THE_PREFIX ? "prefix " : "", wish->url, NULL);
    }
}

int rp_purge_command(request_rec *r, const rp_purge_wish_t *wish, apr_uint64_t *count, const char **why)
{
    making_t m = { r, rp_host_store(), wish, rp_purge_order(r->pool, wish->soft), apr_hash_make(r->pool), 0 };
    int status;

    if (!m.store) {
        *why = "there is no store: it could not be opened, or nothing is cached";
        return HTTP_SERVICE_UNAVAILABLE;
    }
    status = make(&m, why);
    if (status != OK) {
        return status;
    }
    if (rp_purge_run(m.store, m.order, count) != APR_SUCCESS) {
        *why = "the store has failed: what was to be purged may be there still";
        return HTTP_SERVICE_UNAVAILABLE;
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, RPLOGNO(0222) "purged (%s) %s: %" APR_UINT64_T_FMT " responses, for %s",
                  wish->soft ? "soft" : "hard", describe(r->pool, wish), *count, r->user ? r->user : r->useragent_ip);
    return OK;
}

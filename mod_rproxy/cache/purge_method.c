/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A PURGE request to an order and its answer.
 *
 * Who may purge is httpd's business, which has settled it before the handler runs.  Who writes no Require, however,
 * lets everybody in: that much is asked here.
 */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <apr_strings.h>

#include "cache/farm_log.h"
#include "cache/lookup.h"
#include "cache/purge.h"
#include "cache/purge_method.h"
#include "cache/search.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

#define FIELD "RProxy-Purge"

typedef enum what_e {
    WHAT_URL,
    WHAT_PREFIX,
    WHAT_TAG,
    WHAT_GROUP,
    WHAT_ALL
} what_e;

static const char *const what_names[] = { "url", "prefix", "tag", "group", "all" };
/* What the answer tells of the farm, by rp_purged_e. */
static const char *const farm_says[] = { "", ", \"farm\": \"logged\"", ", \"farm\": \"pending\"" };
#define WHATS (int)(sizeof(what_names) / sizeof(*what_names))

/* What a request wants. */
typedef struct wish_t {
    what_e what;
    int soft;
    apr_array_header_t *tags;   /* of rp_tag_t: those of WHAT_TAG and of WHAT_GROUP */
    apr_array_header_t *groups;
} wish_t;

int rp_purge_is_ours(const rp_request_t *rq)
{
    return rq->dconf->purge == 1 && !strcmp(rq->r->method, "PURGE") && !rq->is_part;
}

/* ------------------------------------------------------------------ reading */

static const char *read_params(const rp_sf_t *item, wish_t *wish)
{
    int i;

    for (i = 0; item->params && i < item->params->nelts; i++) {
        const rp_sf_t *param = &APR_ARRAY_IDX(item->params, i, const rp_sf_t);

        if (!rp_str_is(param->key, "soft") || param->type != RP_SF_BOOLEAN) {
            return FIELD ": the only parameter is soft, as in \"prefix; soft\"";
        }
        wish->soft = param->number != 0;
    }
    return NULL;
}

static const char *read_field(apr_pool_t *p, const char *value, wish_t *wish)
{
    rp_sf_t item;
    int i;

    if (rp_sf_parse_item(p, (rp_str_t){ value, strlen(value) }, &item) && item.type == RP_SF_TOKEN) {
        for (i = 0; i < WHATS; i++) {
            if (rp_str_is(item.text, what_names[i])) {
                wish->what = (what_e)i;
                return read_params(&item, wish);
            }
        }
    }
    return FIELD ": write url, prefix, tag, group or all, and behind it \"; soft\" for what is to stay as stale";
}

/* Tags and groups apart. @return 0 when there are more, or longer ones, than are ever stored */
static int read_tags(apr_pool_t *p, const apr_table_t *fields, wish_t *wish)
{
    apr_array_header_t *both;
    int complete = rp_tags(p, fields, &both), i;

    wish->tags = apr_array_make(p, 4, sizeof(rp_tag_t));
    wish->groups = apr_array_make(p, 4, sizeof(rp_tag_t));
    for (i = 0; i < both->nelts; i++) {
        const rp_tag_t *tag = &APR_ARRAY_IDX(both, i, const rp_tag_t);

        APR_ARRAY_PUSH(tag->kind == RP_TAG_GROUP ? wish->groups : wish->tags, rp_tag_t) = *tag;
    }
    return complete;
}

/* @return what is wrong with the request, as a sentence for the client; NULL for nothing */
static const char *read_wish(const request_rec *r, wish_t *wish)
{
    const char *value = apr_table_getm(r->pool, r->headers_in, FIELD);
    const char *error = NULL;

    memset(wish, 0, sizeof(*wish));
    if (!read_tags(r->pool, r->headers_in, wish)) {
        return apr_psprintf(r->pool, "write at most %d tags of at most %d characters", RP_MAX_TAGS, RP_MAX_TAG_LEN);
    }
    if (value) {
        error = read_field(r->pool, value, wish);
    }
    else if (wish->tags->nelts && wish->groups->nelts) {
        error = "there are tags and groups: say with " FIELD ": tag, or group, which of them are meant";
    }
    else {
        wish->what = wish->tags->nelts ? WHAT_TAG
                   : apr_table_get(r->headers_in, "Cache-Groups") ? WHAT_GROUP : WHAT_URL;
    }
    if (!error && wish->what == WHAT_TAG && !wish->tags->nelts) {
        error = "name the tags in Surrogate-Key, with blanks between them, or in Cache-Tag, with commas";
    }
    if (!error && wish->what == WHAT_GROUP && !wish->groups->nelts) {
        error = "name the groups in Cache-Groups, as a list of strings in double quotes";
    }
    return error;
}

/* ------------------------------------------------------------------ the order */

/* Add what is meant under one of the schemes: an operator's own listener need not be the public one. */
static int add(rp_purge_order_t *order, const rp_request_t *rq, rp_store_t *store, const wish_t *wish,
               const char *scheme)
{
    rp_request_t as = *rq;

    as.public_scheme = scheme;
    switch (wish->what) {
    case WHAT_URL:
        rp_search_add(order, &as, store);
        return 1;
    case WHAT_GROUP:
        rp_purge_add_tags(order, wish->groups, NULL, rp_cache_key_prefix(&as, ""));
        return 1;
    case WHAT_PREFIX:
        return rp_purge_add_prefix(order, rp_cache_key_prefix(&as, rq->url));
    default:
        return rp_purge_add_prefix(order, rp_cache_key_prefix(&as, "/"));
    }
}

static rp_purge_order_t *make_order(const rp_request_t *rq, rp_store_t *store, const wish_t *wish)
{
    rp_purge_order_t *order = rp_purge_order(rq->r->pool, wish->soft);

    if (wish->what == WHAT_TAG) {
        const char *origin = rp_cache_key_prefix(rq, "");

        rp_purge_add_tags(order, wish->tags, strstr(origin, "://") + 3, origin);
        return order;
    }
    return add(order, rq, store, wish, "http") && add(order, rq, store, wish, "https") ? order : NULL;
}

/* ------------------------------------------------------------------ answers */

static int answer(request_rec *r, int status, const char *type, const char *text)
{
    r->status = status;
    ap_set_content_type(r, type);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_set_content_length(r, (apr_off_t)strlen(text));
    ap_rputs(text, r);
    return OK;
}

static int explain(request_rec *r, int status, const char *text)
{
    return answer(r, status, "text/plain", apr_pstrcat(r->pool, "PURGE: ", text, ".\n", NULL));
}

static int refuse(request_rec *r)
{
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, RPLOGNO(0220) "PURGE refused: no Require says who may, and it would be "
                  "everybody; write, for example, <If \"%%{REQUEST_METHOD} == 'PURGE'\"> with RProxyPurge on and "
                  "Require ip ADDRESS inside");
    return HTTP_FORBIDDEN;
}

static const char *names_of(apr_pool_t *p, const apr_array_header_t *tags)
{
    const char *names = "";
    int i;

    for (i = 0; i < tags->nelts; i++) {
        names = apr_pstrcat(p, names, " ", APR_ARRAY_IDX(tags, i, const rp_tag_t).text.ptr, NULL);
    }
    return names;
}

static void log_purge(const rp_request_t *rq, const wish_t *wish, apr_uint64_t count)
{
    request_rec *r = rq->r;
    const char *what = wish->what == WHAT_TAG ? names_of(r->pool, wish->tags)
                     : wish->what == WHAT_GROUP ? names_of(r->pool, wish->groups)
                     : wish->what == WHAT_ALL ? "/" : rq->url;

    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, RPLOGNO(0221) "purged %s (%s) of %s: %s: %" APR_UINT64_T_FMT
                  " responses, for %s", what_names[wish->what], wish->soft ? "soft" : "hard", rq->public_host, what, count,
                  r->user ? r->user : r->useragent_ip);
}

int rp_purge_serve(rp_request_t *rq, rp_store_t *store)
{
    request_rec *r = rq->r;
    rp_purge_order_t *order;
    apr_uint64_t count;
    rp_purged_e how;
    const char *error;
    wish_t wish;
    int status;

    /* Deprecated for telling nothing of authentication; whether a Require applies to the method is what it tells. */
    if (!ap_some_auth_required(r)) {
        return refuse(r);
    }
    status = ap_discard_request_body(r);
    if (status != OK) {
        return status;
    }
    error = read_wish(r, &wish);
    if (error) {
        return explain(r, HTTP_BAD_REQUEST, error);
    }
    if (!store) {
        return explain(r, HTTP_SERVICE_UNAVAILABLE, "there is no store: it could not be opened, or nothing is cached");
    }
    order = make_order(rq, store, &wish);
    if (!order) {
        return explain(r, HTTP_REQUEST_URI_TOO_LARGE, "the prefix is too long");
    }
    if (rp_purge_everywhere(store, order, &count, &how) != APR_SUCCESS) {
        return explain(r, HTTP_SERVICE_UNAVAILABLE, "the store has failed: what was to be purged may be there still");
    }
    log_purge(rq, &wish, count);
    return answer(r, how == RP_PURGED_PENDING ? HTTP_ACCEPTED : HTTP_OK, "application/json",
                  apr_psprintf(r->pool, "{\"purged\": %" APR_UINT64_T_FMT ", \"kind\": \"%s\", \"mode\": \"%s\"%s}\n",
                               count, what_names[wish.what], wish.soft ? "soft" : "hard", farm_says[how]));
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_date.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "cache/body_bucket.h"
#include "cache/collapse.h"
#include "cache/dictionary.h"
#include "cache/farm_log.h"
#include "cache/languages.h"
#include "cache/marker.h"
#include "cache/purge.h"
#include "cache/save.h"
#include "cache/search.h"
#include "log.h"
#include "status/counters.h"

APLOG_USE_MODULE(rproxy);

/* What has a validator is kept this long beyond its freshness, as asking is cheaper than fetching. */
#define KEEP_WITH_VALIDATOR (7 * 86400)
/* Without one, a stale response is of use only to clients that accept it. */
#define KEEP_WITHOUT 60
/* How long a client's socket may be full before the response goes on into the store without it. */
#define PATIENCE apr_time_from_sec(1)
#define PATIENCE_FOLLOWED apr_time_from_msec(100)
/* Age begins anew, and what a proxy on the way says of itself is not for who comes later (RFC 9111 §3.1). */
#define NOT_STORED "Age, Proxy-Authenticate, Proxy-Authentication-Info"
/* No sum of times is to overflow, whatever a backend claims. */
#define FOREVER ((rp_secs_t)INT32_MAX)

static rp_secs_t longer(rp_secs_t a, rp_secs_t b)
{
    return a > b ? a : b;
}

static apr_time_t expiry(const rp_request_t *rq, const rp_response_facts_t *facts, const rp_record_t *record)
{
    int validator = facts->etag || facts->last_modified != RP_NO_TIME;
    rp_secs_t fresh = record->lifetime - record->initial_age;
    rp_secs_t keep = rq->policy.keep != RP_NO_TIME ? rq->policy.keep : KEEP_WITH_VALIDATOR;
    rp_secs_t beyond = validator ? keep : KEEP_WITHOUT;

    fresh = fresh < 0 ? 0 : fresh > FOREVER ? FOREVER : fresh;
    beyond = longer(beyond, rp_stale_while_revalidate(&facts->cc, rq->policy.stale_while_revalidate));
    beyond = longer(beyond, rp_stale_if_error(&facts->cc, rq->policy.stale_if_error));
    return apr_time_from_sec(record->response_time + fresh + beyond);
}

/* Times and freshness of a response that has just come in. */
static void date_record(const rp_request_t *rq, rp_record_t *record, const rp_response_facts_t *facts)
{
    const rp_dir_conf_t *conf = rq->dconf;
    rp_heuristic_t heuristic = {
        .percent = (unsigned)RP_OR_DEFAULT(conf->heuristic_percent, RP_DEFAULT_HEURISTIC_PERCENT),
        .most = apr_time_sec(RP_OR_DEFAULT(conf->heuristic_max, RP_DEFAULT_HEURISTIC_MAX)),
    };

    record->request_time = facts->request_time;
    record->response_time = facts->response_time;
    record->initial_age = rp_initial_age(facts);
    record->lifetime = rp_freshness_lifetime(facts, heuristic);
    if (rq->policy.strict_age && facts->age_is_unclear && facts->ruled == RP_NO_TIME) {
        record->initial_age = longer(record->initial_age, record->lifetime);
    }
}

static void add_date(rp_request_t *rq)
{
    const rp_response_t *response = &rq->response;

    if (!apr_table_get(response->fields, "Date")) {
        char *date = apr_palloc(rq->r->pool, APR_RFC822_DATE_LEN);

        /* RFC 9110 §6.6.1: a recipient with a clock adds the time of arrival. */
        apr_rfc822_date(date, response->time);
        apr_table_setn(response->fields, "Date", date);
    }
}

/* Of rq->response, by the status and those of its fields that are given. */
static void read_facts(rp_request_t *rq, int status, const apr_table_t *fields, rp_response_facts_t *facts)
{
    const rp_response_t *response = &rq->response;

    rp_response_facts(rq->r->pool, facts, status, fields, rp_cache_targets(rq->dconf),
                      apr_time_sec(response->request_time), apr_time_sec(response->time));
}

/* The record that leads from the URL to its variants. */
static void store_vary(apr_pool_t *p, rp_store_t *store, const rp_record_t *record, apr_time_t expires, uint64_t since)
{
    rp_record_t marker = {
        .kind = RP_RECORD_VARY, .key = record->key, .vary = record->vary, .request_time = record->request_time,
        .response_time = record->response_time,
    };

    rp_marker_store(p, store, &marker, expires, since);
}

/* What leads to the response, before it is there. @return 0 when it is not to be stored: it was purged meanwhile */
static int store_markers(rp_request_t *rq, const rp_lookup_t *lookup, const char *search, const rp_record_t *record,
                         apr_time_t expires)
{
    if (search && !rp_search_store(rq, lookup, search, record, expires)) {
        return 0;
    }
    if (*record->vary) {
        store_vary(rq->r->pool, lookup->store, record, expires, lookup->since);
        rp_languages_store(rq, lookup, record, expires);
    }
    return 1;
}

/* Let those who wait read what there is: what the store has written anyway, or all of it. */
static void publish(rp_save_t *save, int all)
{
    const rp_store_ops_t *ops = save->store->ops;
    uint64_t published;

    if (!save->lookup->flight.token || save->dropped) {
        return;
    }
    if (all || !ops->object(save->writer)) {
        if (!save->put.record.ptr) {
            save->put = rp_marker_put(save->rq->r->pool, &save->record, save->expires, save->since);
        }
        ops->publish(save->writer, &save->put);
    }
    published = ops->published(save->writer);
    if (ops->object(save->writer) && (published != save->told || !save->is_told)) {
        save->told = published;
        save->is_told = 1;
        rp_collapse_readable(save->lookup, ops->object(save->writer), published);
    }
}

/* It cannot be stored after all, and those who follow it need not wait to hear of that. */
static void drop(rp_save_t *save)
{
    save->dropped = 1;
    save->store->ops->abort(save->writer);
    rp_collapse_remember(save->lookup, 0);
    rp_collapse_end(save->rq->r->pool, save->lookup, RP_FLIGHT_PRIVATE, 0);
}

static void tee_data(void *ctx, const char *buf, apr_size_t len)
{
    rp_save_t *save = ctx;

    if (save->dropped) {
        return;
    }
    if (len > save->left) {
        drop(save);
        return;
    }
    save->left -= len;
    if (save->store->ops->write(save->writer, buf, len) != APR_SUCCESS) {
        drop(save);
        return;
    }
    save->written += len;
    if (save->written - save->told >= RP_STORE_CHUNK) {
        publish(save, 0);
    }
}

static void tee_pause(void *ctx)
{
    publish(ctx, 1);
}

/* The client gave up: others may want it, or most of the work is done. */
static int tee_wants_rest(void *ctx)
{
    const rp_save_t *save = ctx;
    uint64_t share = (uint64_t)RP_OR_DEFAULT(save->rq->dconf->aborted_share, RP_DEFAULT_ABORTED_SHARE);

    if (save->dropped) {
        return 0;
    }
    return rp_collapse_is_followed(save->lookup)
           || (share <= 100 && save->incoming.len != UINT64_MAX && save->written >= save->incoming.len / 100 * share);
}

static apr_interval_time_t tee_patience(void *ctx)
{
    const rp_save_t *save = ctx;

    /* A body of unknown length may yet turn out to be too long for the store. */
    if (save->dropped || save->incoming.len == UINT64_MAX || !save->lookup->flight.token) {
        return 0;
    }
    return rp_collapse_is_followed(save->lookup) ? PATIENCE_FOLLOWED : PATIENCE;
}

static int tee_hold(void *ctx)
{
    rp_save_t *save = ctx;

    publish(save, 1);
    save->held = save->dropped ? 0 : save->store->ops->object(save->writer);
    return save->held != 0;
}

static apr_status_t tee_rest(void *ctx, apr_uint64_t from, apr_bucket_brigade *bb)
{
    const rp_save_t *save = ctx;
    apr_pool_t *p = save->rq->r->pool;
    rp_entry_t entry;

    if (save->store->ops->get(save->store, save->key, p, &entry) != APR_SUCCESS || entry.object != save->held
        || from > entry.body_len) {
        return APR_NOTFOUND;
    }
    if (from < entry.body_len) {
        APR_BRIGADE_INSERT_TAIL(bb, rp_body_bucket_create(&entry, from, entry.body_len - from, p, bb->bucket_alloc));
    }
    return APR_SUCCESS;
}

static int store_whole(rp_save_t *save)
{
    rp_put_t put;

    if (!rp_part_copy(save->found, save->incoming.after_from, save->incoming.after, save->writer, save->rq->r->pool)) {
        save->store->ops->abort(save->writer);
        return 0;
    }
    if (!store_markers(save->rq, save->lookup, save->search, &save->record, save->expires)) {
        save->store->ops->abort(save->writer);
        return 0;
    }
    put = rp_marker_put(save->rq->r->pool, &save->record, save->expires, save->since);
    return save->store->ops->commit(save->writer, &put) == APR_SUCCESS;
}

static void tee_end(void *ctx, int complete)
{
    rp_save_t *save = ctx;

    if (save->dropped) {
        return;
    }
    if (!complete) {
        save->store->ops->abort(save->writer);
        rp_collapse_end(save->rq->r->pool, save->lookup, RP_FLIGHT_LEFT, 0);
        return;
    }
    if (!store_whole(save)) {
        rp_collapse_end(save->rq->r->pool, save->lookup, RP_FLIGHT_PRIVATE, 0);
        return;
    }
    rp_dictionary_keep(save->rq, save->lookup, save->key, &save->record,
                       save->incoming.before + save->written + save->incoming.after, 1);
    /* What must be asked about each time anyway is not worth waiting for. */
    rp_collapse_remember(save->lookup, save->usable && save->record.lifetime > save->record.initial_age);
    rp_collapse_end(save->rq->r->pool, save->lookup, RP_FLIGHT_STORED, 0);
}

/* Fields that Cache-Control keeps from other clients (private="…") or from reuse without asking (no-cache="…") are left
 * out, which is one of the ways that RFC 9111 §5.2.2.4 and §5.2.2.7 allow. */
static void drop_fields(apr_table_t *fields, const char *names)
{
    rp_str_t list = { names, names ? strlen(names) : 0 };
    rp_str_t name;

    while (rp_list_next(&list, &name)) {
        apr_table_unset(fields, apr_pstrmemdup(apr_table_elts(fields)->pool, name.ptr, name.len));
    }
}

/* The key of a response: with Vary, its variant's. @return 0 when its selecting fields cannot be told */
static int choose_key(rp_save_t *save, const rp_response_facts_t *facts, const apr_table_t *fields)
{
    apr_pool_t *p = save->rq->r->pool;
    const char *names = rp_vary_names(p, facts->vary), *rules = rp_search_rules(save->rq, fields);

    save->search = rules ? rp_search_choose(save->rq, save->lookup, rules) : NULL;
    save->record.key = rules ? rp_cache_key_search(save->rq, save->search) : save->lookup->url_key;
    save->record.vary = names ? names : "";
    save->record.selection = "";
    if (names) {
        const apr_table_t *selecting = rp_cache_selecting_fields(save->rq);

        if (!selecting) {
            return 0;
        }
        save->record.selection = rp_vary_selection(p, names, selecting);
    }
    rp_cache_hash(save->record.key, names ? save->record.selection : NULL, save->key);
    return 1;
}

rp_store_rules_t rp_store_rules(const rp_request_t *rq)
{
    int allow = RP_OR_DEFAULT(rq->dconf->cache_allow, RP_DEFAULT_ALLOW);

    return (rp_store_rules_t){
        .allow_authorization = !!(allow & RP_ALLOW_AUTHORIZATION),
        .set_cookie = allow & RP_ALLOW_SET_COOKIE ? RP_COOKIES_ALWAYS
                    : allow & RP_ALLOW_ANONYMOUS_COOKIE ? RP_COOKIES_ANONYMOUS
                    : allow & RP_ALLOW_SHARED_COOKIE ? RP_COOKIES_SHARED : RP_COOKIES_NEVER,
    };
}

/* The backends' view: a cookie of ours for sticky sessions is nobody's. */
static int request_had(const rp_request_t *rq)
{
    return (apr_table_get(rq->r->headers_in, "Authorization") ? RP_HAD_AUTHORIZATION : 0)
           | (apr_table_get(rq->fields, "Cookie") ? RP_HAD_COOKIE : 0);
}

/* The URL of the resource that a field of the response refers to, when that is one of this host; else NULL. */
static const char *referred_url(rp_request_t *rq, const char *name)
{
    const char *reference = apr_table_get(rq->response.fields, name);

    return reference ? rp_reference_target(rq->r->pool, rq->public_scheme, rq->public_host, rq->url, reference) : NULL;
}

/* A POST's response that says of itself that it is what a GET of the same URL would get, and for how long (RFC 9110
 * §9.3.3). */
static int answers_get(rp_request_t *rq, const rp_response_facts_t *facts)
{
    const char *url;
    rp_request_t other;

    if (strcmp(rq->method, "POST") || facts->status != HTTP_OK || !rp_has_explicit_freshness(facts)) {
        return 0;
    }
    url = referred_url(rq, "Content-Location");
    if (!url) {
        return 0;
    }
    other = rp_cache_request_of(rq, url);
    return !strcmp(rp_cache_key(&other), rp_cache_key(rq));
}

/* Does what holds for a response to GET hold for this one?  For a QUERY's, once its content is part of the key; but no
 * part of one is stored, which would be completed with ranges. */
static int is_like_get(rp_request_t *rq, const rp_response_facts_t *facts)
{
    return rq->content_key ? rq->response.status != HTTP_PARTIAL_CONTENT : answers_get(rq, facts);
}

const rp_tee_t *rp_save_begin(rp_request_t *rq, rp_lookup_t *lookup, const rp_cc_t *request_cc, rp_save_t *save)
{
    const rp_response_t *response = &rq->response;
    rp_store_rules_t rules = rp_store_rules(rq);
    rp_incoming_t *in = &save->incoming;
    rp_response_facts_t facts;
    const char *why;

    memset(save, 0, sizeof(*save));
    add_date(rq);
    rp_part_incoming(rq, lookup, in);
    rp_policy_response(rq, in->status, in->fields);
    read_facts(rq, in->status, rp_policy_heeded(rq, in->fields), &facts);
    rp_policy_facts(rq, &facts);
    why = rq->r->header_only ? "method" : rq->policy.no_store ? "rule"
        : in->len != UINT64_MAX && in->len > rq->policy.largest ? "largest"
        : rp_not_storable(&facts, &rules, is_like_get(rq, &facts) ? "GET" : rq->method, request_cc, request_had(rq));
    if (why) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, rq->r, RPLOGNO(0201) "not stored: %s", why);
        apr_table_setn(rq->r->notes, "rproxy-not-stored", why);
        rp_count(rp_counter_of(RP_COUNT_NOT_STORED_METHOD, why, strlen(why)), 1);
        return NULL;
    }
    save->rq = rq;
    save->store = lookup->store;
    save->lookup = lookup;
    save->found = &lookup->entry;
    save->record.kind = in->kind;
    apr_generate_random_bytes((unsigned char *)&save->record.body, sizeof(save->record.body));
    save->record.status = in->status;
    save->record.reason = in->reason;
    save->record.part_first = in->part_first;
    save->record.part_complete = in->part_complete;
    save->since = lookup->since;
    date_record(rq, &save->record, &facts);
    if (in->kind == RP_RECORD_RESPONSE) {
        rp_dictionary_offer(rq, in->status, in->fields);
    }
    /* A copy: what is done to the fields on the way to this client is this client's. */
    save->record.fields = apr_table_copy(rq->r->pool, in->fields);
    drop_fields(save->record.fields, NOT_STORED);
    rp_policy_strip(rq, save->record.fields);
    drop_fields(save->record.fields, facts.cc.private_fields);
    drop_fields(save->record.fields, facts.cc.no_cache_fields);
    save->expires = expiry(rq, &facts, &save->record);
    save->left = rq->policy.largest;
    save->usable = !facts.cc.no_cache;
    if (!choose_key(save, &facts, in->fields)
        || ((in->before > 0 || in->after > 0) && memcmp(save->key, lookup->key, RP_KEY_LEN))
        || save->store->ops->begin(save->store, save->key, in->len, rq->r->pool, &save->writer) != APR_SUCCESS) {
        return NULL;
    }
    if (!rp_part_copy(save->found, 0, in->before, save->writer, rq->r->pool)) {
        save->store->ops->abort(save->writer);
        return NULL;
    }
    rp_policy_strip(rq, response->fields);
    save->tee.data = tee_data;
    save->tee.pause = tee_pause;
    save->tee.end = tee_end;
    save->tee.wants_rest = tee_wants_rest;
    save->tee.patience = tee_patience;
    save->tee.hold = tee_hold;
    save->tee.rest = tee_rest;
    save->tee.ctx = save;
    return &save->tee;
}

static void freshen_stored(rp_request_t *rq, rp_lookup_t *lookup, rp_response_facts_t *facts, const rp_cc_t *request_cc)
{
    rp_record_t *record = &lookup->record;
    apr_table_t *fields = record->fields;
    const char *vary = rp_vary_names(rq->r->pool, facts->vary);
    rp_store_rules_t rules = rp_store_rules(rq);
    int had = request_had(rq);
    rp_put_t put;

    if (request_cc->no_store) {
        /* It forbids to store what came, not to keep what was there (RFC 9111 §5.2.1.5). */
        return;
    }
    record->fields = apr_table_copy(rq->r->pool, fields);
    if (facts->has_set_cookie && !rp_may_store_cookie(facts, rules.set_cookie, had)) {
        /* This client gets the cookie that came with the 304; the others get the response without it. */
        apr_table_unset(record->fields, "Set-Cookie");
        apr_table_unset(record->fields, "Set-Cookie2");
        facts->has_set_cookie = 0;
    }
    if (rq->policy.no_store || rp_not_storable(facts, &rules, "GET", request_cc, had)
        || strcmp(vary ? vary : "", record->vary) || !rp_search_is(lookup->search, rp_search_rules(rq, fields))) {
        lookup->store->ops->remove(lookup->store, lookup->key);
        record->fields = fields;
        return;
    }
    drop_fields(record->fields, facts->cc.private_fields);
    drop_fields(record->fields, facts->cc.no_cache_fields);
    /* They must not go before what they lead to. */
    if (store_markers(rq, lookup, lookup->search, record, expiry(rq, facts, record))) {
        put = rp_marker_put(rq->r->pool, record, expiry(rq, facts, record), lookup->since);
        lookup->store->ops->update(&lookup->entry, &put);
    }
    record->fields = fields;
}

/* What has been confirmed by rq->response, of which fresh are the facts: its fields and times. */
static void freshen(rp_request_t *rq, rp_lookup_t *lookup, const rp_cc_t *request_cc, const rp_response_facts_t *fresh)
{
    rp_record_t *record = &lookup->record;
    rp_response_facts_t stored;

    rp_freshen_fields(record->fields, rq->response.fields);
    rp_policy_response(rq, record->status, record->fields);
    rp_response_facts(rq->r->pool, &stored, record->status, rp_policy_heeded(rq, record->fields),
                      rp_cache_targets(rq->dconf), fresh->request_time, fresh->response_time);
    stored.age = fresh->age;
    stored.age_is_unclear = fresh->age_is_unclear;
    rp_policy_facts(rq, &stored);
    date_record(rq, record, &stored);
    freshen_stored(rq, lookup, &stored, request_cc);
}

static void read_both(rp_request_t *rq, const rp_record_t *record, rp_response_facts_t *stored,
                      rp_response_facts_t *fresh)
{
    add_date(rq);
    read_facts(rq, rq->response.status, rq->response.fields, fresh);
    rp_response_facts(rq->r->pool, stored, record->status, record->fields, NULL, record->request_time,
                      record->response_time);
}

int rp_save_freshened(rp_request_t *rq, rp_lookup_t *lookup, const rp_cc_t *request_cc)
{
    rp_response_facts_t fresh, stored;

    read_both(rq, &lookup->record, &stored, &fresh);
    if (!rp_304_is_of(&stored, &fresh)) {
        return 0;
    }
    freshen(rq, lookup, request_cc, &fresh);
    return 1;
}

void rp_save_head(rp_request_t *rq, rp_lookup_t *lookup, const rp_cc_t *request_cc)
{
    rp_record_t *record = &lookup->record;
    const char *length = apr_table_get(rq->response.fields, "Content-Length");
    rp_response_facts_t fresh, stored;
    rp_put_t put;

    read_both(rq, record, &stored, &fresh);
    if (rp_head_is_of(&stored, &fresh)
        && (!length || !strcmp(length, apr_off_t_toa(rq->r->pool, (apr_off_t)lookup->entry.body_len)))) {
        freshen(rq, lookup, request_cc, &fresh);
        return;
    }
    record->lifetime = 0;
    put = rp_marker_put(rq->r->pool, record, expiry(rq, &stored, record), lookup->since);
    lookup->store->ops->update(&lookup->entry, &put);
}

static void add_referred(rp_purge_order_t *order, rp_request_t *rq, rp_store_t *store, const char *name)
{
    const char *url = referred_url(rq, name);

    if (url) {
        rp_request_t other = rp_cache_request_of(rq, url);

        rp_search_add(order, &other, store);
    }
}

void rp_save_invalidate(rp_request_t *rq, rp_store_t *store)
{
    rp_purge_order_t *order = rp_purge_order(rq->r->pool, 0);
    apr_array_header_t *groups;
    apr_uint64_t count;
    rp_purged_e how;

    if (rq->response.status < 200 || rq->response.status >= 400) {
        return;
    }
    rp_search_add(order, rq, store);
    add_referred(order, rq, store, "Location");
    add_referred(order, rq, store, "Content-Location");
    rp_tags_invalidated(rq->r->pool, rq->response.fields, &groups);
    rp_purge_add_tags(order, groups, NULL, rp_cache_key_prefix(rq, ""));
    rp_purge_everywhere(store, order, &count, &how);
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, rq->r, RPLOGNO(0202) "%s made %" APR_UINT64_T_FMT " stored responses invalid",
                  rq->method, count);
}

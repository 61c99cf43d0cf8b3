/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>

#include "cache/hints.h"
#include "cache/purge.h"
#include "cache/save.h"
#include "upstream/upstream.h"

#define EARLY_HINTS 103
/* Hints that are a day old may name what the site has no more. */
#define KEEP 86400
/* Told apart from a selection by Vary, which has the names of fields. */
#define OWN_HALF "\n103"

static int is_on(const rp_request_t *rq)
{
    return RP_OR_DEFAULT(rq->dconf->cache_hints, 1);
}

/* @return 1 with *record, whose strings live in the request's pool, and in any case the key */
static int find(const rp_request_t *rq, const rp_lookup_t *lookup, unsigned char key[RP_KEY_LEN], rp_record_t *record)
{
    apr_pool_t *p = rq->r->pool;
    rp_entry_t entry;

    rp_cache_hash(lookup->key_text, OWN_HALF, key);
    return lookup->store->ops->get(lookup->store, key, p, &entry) == APR_SUCCESS && !entry.soft
           && rp_record_decode(p, entry.record, record) && record->kind == RP_RECORD_HINTS
           && !strcmp(record->key, lookup->key_text);
}

static rp_secs_t now(void)
{
    return apr_time_sec(apr_time_now());
}

static rp_secs_t age_of(const rp_record_t *record)
{
    return rp_current_age(0, record->response_time, now());
}

/* ------------------------------------------------------------------ sending */

/* For this very request, by the names that the response's Vary had? */
static int is_selected(rp_request_t *rq, const rp_record_t *record)
{
    const apr_table_t *selecting = *record->vary ? rp_cache_selecting_fields(rq) : NULL;

    return !*record->vary
           || (selecting && !strcmp(record->selection, rp_vary_selection(rq->r->pool, record->vary, selecting)));
}

void rp_hints_send(rp_request_t *rq, const rp_lookup_t *lookup)
{
    const request_rec *r = rq->r;
    unsigned char key[RP_KEY_LEN];
    rp_record_t record;

    if (!is_on(rq) || r->header_only || apr_table_get(r->headers_in, "Range")
        || !rp_hints_wanted(apr_table_get(r->headers_in, "Sec-Fetch-Mode"), r->proto_num)
        || !find(rq, lookup, key, &record) || age_of(&record) > KEEP || !is_selected(rq, &record)) {
        return;
    }
    rq->hinted = record.fields;
    rp_send_interim(rq, EARLY_HINTS, "Early Hints", apr_table_copy(r->pool, record.fields));
    apr_table_setn(r->notes, "rproxy-hints", "stored");
}

/* ------------------------------------------------------------------ learning */

static int is_personal(const rp_request_t *rq)
{
    return rq->r->user || apr_table_get(rq->r->headers_in, "Authorization") || apr_table_get(rq->fields, "Cookie");
}

/* May others be told what came with rq->response? */
static int may_share(rp_request_t *rq, const rp_cc_t *request_cc, rp_response_facts_t *facts)
{
    const rp_policy_t policy = rq->policy;
    const rp_response_t *response = &rq->response;
    const rp_store_rules_t rules = rp_store_rules(rq);
    int no_store;
    const char *why;

    rp_policy_response(rq, response->status, response->fields);
    /* A 304 speaks of what is stored. */
    rp_response_facts(rq->r->pool, facts, response->status == HTTP_NOT_MODIFIED ? HTTP_OK : response->status,
                      rp_policy_heeded(rq, response->fields), rp_cache_targets(rq->dconf),
                      apr_time_sec(response->request_time), apr_time_sec(response->time));
    no_store = rq->policy.no_store;
    rq->policy = policy;
    why = rp_not_storable(facts, &rules, "GET", request_cc, 0);
    return !no_store && (!why || !strcmp(why, "no-freshness"));
}

static void remember(rp_request_t *rq, const rp_lookup_t *lookup, const unsigned char key[RP_KEY_LEN],
                     const rp_response_facts_t *facts)
{
    apr_pool_t *p = rq->r->pool;
    rp_store_t *store = lookup->store;
    rp_record_t record = {
        .kind = RP_RECORD_HINTS, .key = lookup->key_text, .vary = "", .selection = "", .reason = "",
        .status = EARLY_HINTS, .request_time = facts->request_time, .response_time = facts->response_time,
        .fields = rq->hints,
    };
    rp_put_t put = { .since = lookup->since, .expires = apr_time_from_sec(facts->response_time + KEEP) };
    const char *names = rp_vary_names(p, facts->vary);
    /* They go with the response's tags, which a 304 need not repeat. */
    rp_record_t tagged = { .key = lookup->key_text, .fields = rq->response.status == HTTP_NOT_MODIFIED
                                                              ? lookup->record.fields : rq->response.fields };
    rp_store_writer_t *writer;

    if (names) {
        record.vary = names;
        record.selection = rp_vary_selection(p, names, rq->fields);
    }
    put.record = rp_record_encode(p, &record);
    put.name.len = strlen(record.key);
    put.name.ptr = memmem(put.record.ptr, put.record.len, record.key, put.name.len);
    put.ntags = rp_record_tags(p, &tagged, &put.tags);
    if (store->ops->begin(store, key, 0, p, &writer) == APR_SUCCESS) {
        store->ops->commit(writer, &put);
    }
}

/* Is it not worth writing again?  At most once a second, also when each response has hints of its own. */
static int is_known(rp_request_t *rq, const rp_record_t *record)
{
    rp_secs_t age = age_of(record);

    return age < 1 || (age < KEEP / 2 && rp_hints_within(rq->hints, record->fields)
                       && rp_hints_within(record->fields, rq->hints) && is_selected(rq, record));
}

void rp_hints_learn(rp_request_t *rq, const rp_lookup_t *lookup, const rp_cc_t *request_cc)
{
    unsigned char key[RP_KEY_LEN];
    rp_response_facts_t facts;
    rp_record_t record;

    if (!is_on(rq) || (!rq->hints && !rq->hinted) || rq->r->header_only || is_personal(rq)) {
        return;
    }
    if (rq->hints && rp_hints_fit(rq->hints) && may_share(rq, request_cc, &facts)) {
        if (!find(rq, lookup, key, &record) || !is_known(rq, &record)) {
            remember(rq, lookup, key, &facts);
        }
    }
    else if (rq->hinted && rq->response.status == HTTP_OK) {
        rp_cache_hash(lookup->key_text, OWN_HALF, key);
        lookup->store->ops->remove(lookup->store, key);
    }
}

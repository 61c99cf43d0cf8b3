/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>

#include "cache/farm_log.h"
#include "cache/fetch.h"
#include "cache/languages.h"
#include "cache/lookup.h"
#include "cache/ranges.h"
#include "cache/search.h"

const apr_table_t *rp_cache_selecting_fields(rp_request_t *rq)
{
    return rp_fetch_fields(rq) == OK ? rq->fields : NULL;
}

static int get_record(rp_request_t *rq, rp_lookup_t *lookup)
{
    if (lookup->store->ops->get(lookup->store, lookup->key, rq->r->pool, &lookup->entry) != APR_SUCCESS
        || !rp_record_decode(rq->r->pool, lookup->entry.record, &lookup->record)
        || strcmp(lookup->record.key, lookup->key_text)) {
        return 0;
    }
    if (rp_farm_doubts(lookup->record.response_time)) {
        lookup->entry.soft = RP_DOUBT;
    }
    return 1;
}

/* What a record that is no marker is. */
static rp_found_e found_as(const rp_lookup_t *lookup)
{
    rp_part_t part;

    if (lookup->record.kind == RP_RECORD_RESPONSE) {
        return RP_FOUND;
    }
    return rp_stored_part(&lookup->record, lookup->entry.body_len, &part) ? RP_FOUND_PART : RP_FOUND_NOTHING;
}

static int find_variant(rp_request_t *rq, rp_lookup_t *lookup, const char *selection)
{
    rp_cache_hash(lookup->key_text, selection, lookup->key);
    return get_record(rq, lookup) && !rp_record_is_marker(lookup->record.kind)
           && !strcmp(lookup->record.selection, selection);
}

static void find(rp_request_t *rq, rp_lookup_t *lookup, const char *key_text)
{
    const apr_table_t *selecting;
    const char *selection;
    rp_record_t marker;

    lookup->key_text = key_text;
    lookup->found = RP_FOUND_NOTHING;
    lookup->vary = NULL;
    rp_cache_hash(lookup->key_text, NULL, lookup->key);
    if (!get_record(rq, lookup)) {
        return;
    }
    if (lookup->record.kind == RP_RECORD_SEARCH) {
        lookup->search = lookup->record.vary;
        return;
    }
    if (lookup->record.kind != RP_RECORD_VARY) {
        lookup->found = found_as(lookup);
        return;
    }
    lookup->found = RP_FOUND_OTHERS;
    lookup->vary = lookup->record.vary;
    selecting = rp_cache_selecting_fields(rq);
    if (!selecting) {
        return;
    }
    selection = rp_vary_selection(rq->r->pool, lookup->vary, selecting);
    if (find_variant(rq, lookup, selection)) {
        lookup->found = found_as(lookup);
    }
    else if (rp_languages_known(rq, lookup, selecting, &marker)
             && find_variant(rq, lookup, marker.selection) && rp_languages_is(rq, &lookup->record, &marker)) {
        lookup->found = RP_FOUND;
    }
    else {
        rp_cache_hash(lookup->key_text, selection, lookup->key);
    }
}

/* What a rule keeps from being heeded does not lead to a response any more. */
static int is_heeded(rp_request_t *rq, const rp_lookup_t *lookup)
{
    rp_policy_response(rq, lookup->record.status, lookup->record.fields);
    return apr_table_get(rp_policy_heeded(rq, lookup->record.fields), "No-Vary-Search") != NULL;
}

/* Nothing lies under the URL's own key but perhaps a marker: see what may answer it besides. */
static void find_equivalent(rp_request_t *rq, rp_lookup_t *lookup)
{
    if (!lookup->search && !(lookup->search = rp_search_known(rq, lookup->store))) {
        return;
    }
    find(rq, lookup, rp_cache_key_search(rq, lookup->search));
    if ((lookup->found == RP_FOUND || lookup->found == RP_FOUND_PART) && !is_heeded(rq, lookup)) {
        lookup->search = NULL;
        lookup->found = RP_FOUND_NOTHING;
        lookup->key_text = lookup->url_key;
        rp_cache_hash(lookup->key_text, NULL, lookup->key);
    }
}

void rp_lookup(rp_request_t *rq, rp_store_t *store, rp_lookup_t *lookup)
{
    memset(lookup, 0, sizeof(*lookup));
    lookup->store = store;
    lookup->since = store->ops->stamp(store);
    lookup->url_key = rp_cache_key(rq);
    find(rq, lookup, lookup->url_key);
    if (lookup->found == RP_FOUND_NOTHING) {
        find_equivalent(rq, lookup);
    }
}

int rp_lookup_later(rp_request_t *rq, rp_lookup_t *lookup)
{
    const rp_store_ops_t *ops = lookup->store->ops;
    rp_lookup_t later = *lookup;

    if ((lookup->found != RP_FOUND && lookup->found != RP_FOUND_PART)
        || ops->other(lookup->store, &lookup->entry, rq->r->pool, &later.entry) != APR_SUCCESS
        || !rp_record_decode(rq->r->pool, later.entry.record, &later.record)
        || strcmp(later.record.key, lookup->record.key) || strcmp(later.record.selection, lookup->record.selection)
        || (later.record.kind != RP_RECORD_RESPONSE && later.record.kind != RP_RECORD_PART)
        || later.record.response_time < lookup->record.response_time) {
        return 0;
    }
    if (rp_farm_doubts(later.record.response_time)) {
        later.entry.soft = RP_DOUBT;
    }
    later.found = found_as(&later);
    if (later.found == RP_FOUND_NOTHING || (later.found == RP_FOUND_PART && lookup->found == RP_FOUND)
        || ops->adopt(&later.entry, rq->r->pool) != APR_SUCCESS) {
        return 0;
    }
    *lookup = later;
    return 1;
}

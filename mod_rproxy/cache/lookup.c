/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>

#include "cache/fetch.h"
#include "cache/lookup.h"
#include "cache/ranges.h"

const apr_table_t *rp_cache_selecting_fields(rp_request_t *rq)
{
    return rp_fetch_fields(rq) == OK ? rq->fields : NULL;
}

static int get_record(rp_request_t *rq, rp_lookup_t *lookup)
{
    return lookup->store->ops->get(lookup->store, lookup->key, rq->r->pool, &lookup->entry) == APR_SUCCESS
           && rp_record_decode(rq->r->pool, lookup->entry.record, &lookup->record)
           && !strcmp(lookup->record.key, lookup->key_text);
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

void rp_lookup(rp_request_t *rq, rp_store_t *store, rp_lookup_t *lookup)
{
    const apr_table_t *selecting;
    const char *selection;

    memset(lookup, 0, sizeof(*lookup));
    lookup->store = store;
    lookup->since = store->ops->stamp(store);
    lookup->key_text = rp_cache_key(rq);
    rp_cache_hash(lookup->key_text, NULL, lookup->key);
    if (!get_record(rq, lookup)) {
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
    rp_cache_hash(lookup->key_text, selection, lookup->key);
    if (get_record(rq, lookup) && lookup->record.kind != RP_RECORD_VARY
        && !strcmp(lookup->record.selection, selection)) {
        lookup->found = found_as(lookup);
    }
}

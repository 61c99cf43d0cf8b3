/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <apr_strings.h>

#include "cache/marker.h"
#include "cache/search.h"

/* Longer rules are not heeded: they are part of keys, and read with every look-up that finds nothing else. */
#define MAX_RULES 1024
/* A path's marker outlives short-lived responses, since it leads to others as well. */
#define KEEP_MARKER apr_time_from_sec(24 * 60 * 60)

/* Read the marker under a key. */
static const char *read_marker(const rp_request_t *rq, rp_store_t *store, const char *key_text)
{
    unsigned char key[RP_KEY_LEN];
    rp_record_t record;
    rp_entry_t entry;

    rp_cache_hash(key_text, NULL, key);
    return store->ops->get(store, key, rq->r->pool, &entry) == APR_SUCCESS
           && rp_record_decode(rq->r->pool, entry.record, &record) && record.kind == RP_RECORD_SEARCH
           && !strcmp(record.key, key_text) ? record.vary : NULL;
}

const char *rp_search_known(const rp_request_t *rq, rp_store_t *store)
{
    return read_marker(rq, store, rp_cache_key_path(rq));
}

const char *rp_search_rules(const rp_request_t *rq, const apr_table_t *fields)
{
    const apr_table_t *heeded = rp_policy_heeded(rq, fields);
    const char *value = apr_table_get(heeded, "No-Vary-Search") ? apr_table_getm(rq->r->pool, heeded, "No-Vary-Search")
                                                                : NULL;
    const rp_nvs_t *rules = value ? rp_nvs_parse(rq->r->pool, value) : NULL;
    const char *text = rules ? rp_nvs_format(rq->r->pool, rules) : NULL;

    return text && strlen(text) <= MAX_RULES ? text : NULL;
}

int rp_search_is(const char *known, const char *rules)
{
    const char *blank = known ? strchr(known, ' ') : NULL;

    return blank && rules ? !strcmp(blank + 1, rules) : !known && !rules;
}

const char *rp_search_choose(const rp_request_t *rq, const rp_lookup_t *lookup, const char *rules)
{
    const char *known = lookup->search;

    if (!rp_search_is(known, rules)) {
        known = rp_search_known(rq, lookup->store);
    }
    return rp_search_is(known, rules) ? known
                                      : apr_psprintf(rq->r->pool, "%" APR_UINT64_T_HEX_FMT " %s",
                                                     (apr_uint64_t)apr_time_now(), rules);
}

int rp_search_store(const rp_request_t *rq, const rp_lookup_t *lookup, const char *known, const rp_record_t *record,
                    apr_time_t expires)
{
    apr_time_t least = apr_time_from_sec(record->response_time) + KEEP_MARKER;
    rp_record_t marker = {
        .kind = RP_RECORD_SEARCH, .key = lookup->url_key, .vary = known, .request_time = record->request_time,
        .response_time = record->response_time,
    };

    if (rp_marker_store(rq->r->pool, lookup->store, &marker, expires, lookup->since) == APR_NOTFOUND) {
        return 0;
    }
    marker.key = rp_cache_key_path(rq);
    rp_marker_store(rq->r->pool, lookup->store, &marker, expires > least ? expires : least, lookup->since);
    return 1;
}

int rp_search_leads_to(const rp_request_t *rq, const rp_lookup_t *lookup, const char *key_text)
{
    const char *from, *known, *rest = strchr(lookup->url_key, ' '); /* pool and what is the request's own */
    apr_size_t len = strlen(key_text), rest_len = rest ? strlen(rest) : 0;

    if (!strcmp(key_text, lookup->key_text)) {
        return 1;
    }
    from = strchr(key_text, '\t');
    if (!from || !rest || len - (apr_size_t)(from - key_text) < rest_len || strcmp(key_text + len - rest_len, rest)) {
        return 0;
    }
    from++;
    known = apr_pstrmemdup(rq->r->pool, from, (apr_size_t)(key_text + len - rest_len - from));
    return !strcmp(key_text, rp_cache_key_search(rq, known));
}

void rp_search_add(rp_purge_order_t *order, const rp_request_t *rq, rp_store_t *store)
{
    const char *url_key = rp_cache_key(rq);
    const char *own = read_marker(rq, store, url_key), *path = rp_search_known(rq, store);

    rp_purge_add_key(order, url_key);
    if (own) {
        rp_purge_add_key(order, rp_cache_key_search(rq, own));
    }
    if (path && !(own && !strcmp(own, path))) {
        rp_purge_add_key(order, rp_cache_key_search(rq, path));
    }
}

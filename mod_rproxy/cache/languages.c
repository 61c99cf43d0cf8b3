/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>

#include "cache/languages.h"
#include "cache/marker.h"

static int is_on(const rp_request_t *rq)
{
    return RP_OR_DEFAULT(rq->dconf->cache_allow, RP_DEFAULT_ALLOW) & RP_ALLOW_LANGUAGE;
}

static const char *preferred(const rp_request_t *rq, const apr_table_t *selecting)
{
    return rp_language_preferred(rq->r->pool, apr_table_getm(rq->r->pool, selecting, "Accept-Language"));
}

static const char *language_of(const rp_request_t *rq, const rp_record_t *record)
{
    return rp_language_only(rq->r->pool, apr_table_getm(rq->r->pool, record->fields, "Content-Language"));
}

int rp_languages_known(rp_request_t *rq, const rp_lookup_t *lookup, const apr_table_t *selecting, rp_record_t *marker)
{
    apr_pool_t *p = rq->r->pool;
    const char *language = is_on(rq) ? preferred(rq, selecting) : NULL;
    const char *place = language ? rp_vary_selection_in(p, lookup->vary, selecting, language) : NULL;
    unsigned char key[RP_KEY_LEN];
    rp_entry_t entry;

    if (!place) {
        return 0;
    }
    rp_cache_hash(lookup->key_text, place, key);
    return lookup->store->ops->get(lookup->store, key, p, &entry) == APR_SUCCESS
           && rp_record_decode(p, entry.record, marker) && marker->kind == RP_RECORD_LANGUAGE
           && !strcmp(marker->key, lookup->key_text) && !strcmp(marker->vary, place);
}

int rp_languages_is(const rp_request_t *rq, const rp_record_t *record, const rp_record_t *marker)
{
    const char *language = record->kind == RP_RECORD_RESPONSE ? language_of(rq, record) : NULL;

    return language && !strcmp(language, marker->reason);
}

static void store_marker(rp_request_t *rq, const rp_lookup_t *lookup, const rp_record_t *record, const char *place,
                         const char *language, apr_time_t expires)
{
    rp_record_t marker = {
        .kind = RP_RECORD_LANGUAGE, .key = record->key, .vary = place, .selection = record->selection,
        .reason = language, .request_time = record->request_time, .response_time = record->response_time,
    };

    rp_marker_store_at(rq->r->pool, lookup->store, &marker, place, expires, lookup->since);
}

void rp_languages_store(rp_request_t *rq, const rp_lookup_t *lookup, const rp_record_t *record, apr_time_t expires)
{
    apr_pool_t *p = rq->r->pool;
    const char *language = is_on(rq) && record->kind == RP_RECORD_RESPONSE ? language_of(rq, record) : NULL;
    const apr_table_t *selecting = language ? rp_cache_selecting_fields(rq) : NULL;
    const char *place = selecting ? rp_vary_selection_in(p, record->vary, selecting, language) : NULL;
    const char *wanted;

    if (!place) {
        return;
    }
    store_marker(rq, lookup, record, place, language, expires);
    wanted = preferred(rq, selecting);
    if (wanted && strcmp(wanted, language) && rp_language_relates(wanted, language)) {
        place = rp_vary_selection_in(p, record->vary, selecting, wanted);
        store_marker(rq, lookup, record, place, language, expires);
    }
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "cache/lookup.h"
#include "cache/marker.h"
#include "cache/purge.h"

rp_put_t rp_marker_put(apr_pool_t *p, const rp_record_t *record, apr_time_t expires, uint64_t since)
{
    rp_put_t put = { .record = rp_record_encode(p, record), .expires = expires, .since = since };

    if (rp_record_is_marker(record->kind)) {
        /* It is no response: it is not counted, and may stay when what it leads to, or is made of, goes. */
        return put;
    }
    put.name.len = strlen(record->key);
    put.name.ptr = memmem(put.record.ptr, put.record.len, record->key, put.name.len);
    put.ntags = rp_record_tags(p, record, &put.tags);
    return put;
}

apr_status_t rp_marker_store(apr_pool_t *p, rp_store_t *store, rp_record_t *marker, apr_time_t expires, uint64_t since)
{
    marker->selection = "";
    marker->reason = "";
    return rp_marker_store_at(p, store, marker, NULL, expires, since);
}

apr_status_t rp_marker_store_at(apr_pool_t *p, rp_store_t *store, const rp_record_t *marker, const char *place,
                                apr_time_t expires, uint64_t since)
{
    unsigned char key[RP_KEY_LEN];
    rp_store_writer_t *writer;
    apr_status_t rv;
    rp_put_t put;

    rp_cache_hash(marker->key, place, key);
    rv = store->ops->begin(store, key, 0, p, &writer);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    put = rp_marker_put(p, marker, expires, since);
    return store->ops->commit(writer, &put);
}

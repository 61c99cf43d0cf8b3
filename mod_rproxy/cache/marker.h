/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What goes into a store in front of a body, and records without one, which lead to others; private to cache/. */
#ifndef RP_MARKER_H
#define RP_MARKER_H

#include "cache/record.h"
#include "cache/store.h"

/** What the store gets: the encoded record; of a response the text of its key as the name, and its tags. */
rp_put_t rp_marker_put(apr_pool_t *p, const rp_record_t *record, apr_time_t expires, uint64_t since);

/**
 * Store a marker under its key. Only what a marker has need be filled in.
 * @return APR_NOTFOUND when that key was purged after since; other errors
 */
apr_status_t rp_marker_store(apr_pool_t *p, rp_store_t *store, rp_record_t *marker, apr_time_t expires, uint64_t since);

/** The same for a marker among the variants of its key: place is what rp_cache_hash() takes for a selection. */
apr_status_t rp_marker_store_at(apr_pool_t *p, rp_store_t *store, const rp_record_t *marker, const char *place,
                                apr_time_t expires, uint64_t since);

#endif

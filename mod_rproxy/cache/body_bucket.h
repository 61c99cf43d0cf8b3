/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A bucket for a stored body: of known length, read from the store piece by piece when somebody wants the bytes, so that a
 * body of any size costs a piece's memory, and ranges read only what they need.  When the body vanishes (evicted while
 * it is sent) reading fails, and the response breaks off.
 */
#ifndef RP_BODY_BUCKET_H
#define RP_BODY_BUCKET_H

#include <apr_buckets.h>

#include "cache/store.h"

/**
 * A bucket with len bytes of the entry's body, which has so many from there on; a small body's bytes are there already.
 * @param entry  is copied: the bucket outlives the handler when the client is slower than the store
 * @param p      where the bytes of a small body lie
 */
apr_bucket *rp_body_bucket_create(const rp_entry_t *entry, uint64_t from, uint64_t len, apr_pool_t *p,
                                  apr_bucket_alloc_t *list);

#endif

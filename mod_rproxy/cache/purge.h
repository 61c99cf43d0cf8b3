/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Purging: an order says by itself what is to go, and is carried out on a store.  No request and no configuration is
 * needed for that, so that an order may come from anywhere: a PURGE request (purge_method.c), a response to an unsafe
 * request (save.c).
 *
 * Tags are names within a scope.  Those of Surrogate-Key and Cache-Tag are a site's, which is a host whatever the
 * scheme; groups are an origin's, a scheme and a host (RFC 9875 §2.1).  So nobody's names reach what is another's.
 */
#ifndef RP_PURGE_H
#define RP_PURGE_H

#include "cache/record.h"
#include "cache/store.h"

typedef struct rp_purge_order_t {
    int soft;                  /* what is covered stays, stale from now on; else it is gone */
    apr_array_header_t *steps; /* of rp_purge_t */
} rp_purge_order_t;

/** An empty order in p. */
rp_purge_order_t *rp_purge_order(apr_pool_t *p, int soft);

/** All variants of the URL whose key's text this is (rp_cache_key()). */
void rp_purge_add_key(rp_purge_order_t *order, const char *key_text);

/**
 * All whose key's text begins so (rp_cache_key_prefix()); prefix is not copied.
 * @return 0 when it is longer than RP_STORE_PREFIX_MAX: not added
 */
int rp_purge_add_prefix(rp_purge_order_t *order, const char *prefix);

/** All that carry one of tags (of rp_tag_t), each in its kind's scope of those given: a host, scheme://host. */
void rp_purge_add_tags(rp_purge_order_t *order, const apr_array_header_t *tags, const char *site, const char *origin);

/** All that is stored, of whatever host. */
void rp_purge_add_all(rp_purge_order_t *order);

/**
 * Carry it out.  In effect when this returns; it takes milliseconds, but a prefix is counted and removed by a walk
 * along all entries.
 * @param count  NULL when nobody wants to know, and there is no walk; how many responses it covered; one that carries several of the tags counts for each of them
 * @return the first step's error (the store has logged it): the order may not be in effect, as a whole or in part
 */
apr_status_t rp_purge_run(rp_store_t *store, const rp_purge_order_t *order, apr_uint64_t *count);

/**
 * The tags that a response is to be stored with: what its fields say, in the scopes that its key says.
 * @param tags  set to them, in p
 * @return how many, at most RP_STORE_TAGS
 */
int rp_record_tags(apr_pool_t *p, const rp_record_t *record, const rp_store_tag_t **tags);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A walk over all that a local store has, for tools. */
#ifndef RP_STORE_EACH_H
#define RP_STORE_EACH_H

#include "cache/store.h"

/** Gets an entry, in a pool that is cleared behind it. @return 0 to end the walk */
typedef int (*rp_store_each_fn)(void *ctx, const rp_entry_t *entry, apr_pool_t *p);

/**
 * Show each entry that is in the store, and not purged, to a function; those that come or go meanwhile perhaps.  Nothing
 * is pinned while the function runs.
 * @return an error when the store cannot be read
 */
apr_status_t rp_store_local_each(rp_store_t *store, apr_pool_t *p, rp_store_each_fn each, void *ctx);

#endif

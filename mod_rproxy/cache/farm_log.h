/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * One purge for the farm: what a host purges is carried out there, and written to a log in Redis that all hosts follow.
 * See docs/ARCHITECTURE.md, "The log of purges".
 */
#ifndef RP_FARM_LOG_H
#define RP_FARM_LOG_H

#include <httpd.h>

#include "cache/purge.h"

/** In the parent, after the link was made: what the children share, and who follows the log. */
void rp_farm_log_prepare(apr_pool_t *pconf, server_rec *main_server);

/** In each child: this is its local store. */
void rp_farm_log_child_init(apr_pool_t *p, server_rec *main_server, rp_store_t *local);

/** How far a purge has come when it is acknowledged. */
typedef enum rp_purged_e {
    RP_PURGED_HERE,   /* there is no farm */
    RP_PURGED_LOGGED, /* it stands in the log */
    RP_PURGED_PENDING /* it will, as soon as Redis can be written to */
} rp_purged_e;

/**
 * Carry an order out here, and have all hosts of the farm do so.
 * @param count  as rp_purge_run()
 * @param how    out
 * @return as rp_purge_run(); or that it could not even be noted for the farm
 */
apr_status_t rp_purge_everywhere(rp_store_t *store, const rp_purge_order_t *order, apr_uint64_t *count,
                                 rp_purged_e *how);

/** May what was fetched or confirmed at that second have been purged without this host's knowing of it? */
int rp_farm_doubts(rp_secs_t fetched);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Names that move.
 *
 * A name is looked up again and again by the one process that runs the keeper, in threads that wait for the resolver
 * (resolving.h), and what it leads to lies in shared memory.  A member's own name has addresses (rp_slot_info_t); one that
 * becomes several members (expand, srv+) has a slot of RP_SLOT_NAME, and they are RP_SLOT_DISCOVERED.  Nothing is
 * forgotten because a lookup failed.
 */
#ifndef RP_DISCOVER_H
#define RP_DISCOVER_H

#include "balance/balance.h"
#include "upstream/find.h"

/** What the process that looks names up has for each slot. */
struct rp_source_t *rp_sources_make(apr_pool_t *p, unsigned nslots);

/** Once a second, in one process: begin lookups, take what they found, free the slots of those that are gone. */
void rp_discover(rp_pool_t *pool, server_rec *s, apr_time_t now);

/** Make the members of a name those that were found; wants rp_state_plan() if nonzero is returned. */
int rp_discovered(rp_pool_t *pool, unsigned parent, const rp_member_conf_t *conf, const rp_found_t *found, server_rec *s);

/** How many members a name has. */
unsigned rp_discovered_of(const rp_pool_t *pool, unsigned parent);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * One fetch for the farm: the one who fetches for a host (collapse.h) takes the farm's lease for the object, or waits
 * for the host that has it.  Private to cache/.
 */
#ifndef RP_FARM_FETCH_H
#define RP_FARM_FETCH_H

#include <httpd.h>

#include "cache/lookup.h"
#include "farm/lease.h"

/** Buckets of keys whose fetches elsewhere have ended, and a bell (lane/bell.h). In memory that all children share. */
#define RP_FETCHED_WORDS 4096
typedef struct rp_fetched_t {
    uint64_t words[RP_FETCHED_WORDS]; /* upper half: of the key's hash; then a byte of how it ended, and a count */
    unsigned bell;
} rp_fetched_t;

/** In the parent. */
void rp_farm_fetch_prepare(apr_pool_t *pconf, server_rec *main_server);

/** In each child, with what is shared; NULL: there is no farm. */
void rp_farm_fetch_child_init(apr_pool_t *p, server_rec *main_server, rp_fetched_t *fetched);

/** The key of the stream that ends of fetches are told in. */
rp_str_t rp_farm_fetch_stream(apr_pool_t *p, const char *farm);

/** What a lease's end has told of a key (rp_lease_told()). */
void rp_fetched_note(rp_fetched_t *fetched, uint64_t what, rp_leased_e how);

/**
 * Take the farm's lease for lookup->key, which is to be fetched.
 * @param other  out, of RP_LEASE_OTHERS
 * @return RP_LEASE_WITHOUT also when there is no farm
 */
rp_lease_e rp_farm_fetch_take(rp_request_t *rq, rp_lookup_t *lookup, rp_lease_other_t *other);

/** What is known of fetches of a key; to be asked for before the lease. */
uint64_t rp_farm_fetch_news(const unsigned char key[RP_KEY_LEN]);

/**
 * Wait until there is other news than was seen, or may be.
 * @param how  out, with APR_SUCCESS: how it ended, RP_LEASED_DONE when that is not known
 * @return APR_SUCCESS, APR_TIMEUP, APR_ECONNABORTED for the client
 */
apr_status_t rp_farm_fetch_wait(rp_request_t *rq, const unsigned char key[RP_KEY_LEN], uint64_t seen,
                                apr_time_t deadline, rp_leased_e *how);

/**
 * The fetch is over, and others are told: when it was stored, once that has got to Redis.  Nothing without a lease.
 */
void rp_farm_fetch_end(rp_lookup_t *lookup, apr_pool_t *p, rp_flight_phase_e phase);

/** A body of that length is on its way (UINT64_MAX: nobody knows): others get one that is too long for Redis themselves. */
void rp_farm_fetch_comes(rp_lookup_t *lookup, apr_pool_t *p, uint64_t len);

#endif

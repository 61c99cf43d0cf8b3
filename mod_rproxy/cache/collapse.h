/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Of many requests for one response one asks a backend (flight.h), the others get what it gets: while it comes in, once
 * it is stored, or its failure.  Private to cache/.
 */
#ifndef RP_COLLAPSE_H
#define RP_COLLAPSE_H

#include "cache/decide.h"

/** In the parent: the table that the children share. Without it everybody fetches for himself. */
void rp_collapse_prepare(apr_pool_t *pconf, server_rec *main_server);

/** In each child. */
void rp_collapse_child_init(apr_pool_t *p, server_rec *main_server);

/**
 * Answer what is not in the cache, or not fresh: by waiting for another request that asks for the same already, or by
 * asking (rp_ask).
 * @return as an httpd handler
 */
int rp_answer_missing(rp_request_t *rq, rp_lookup_t *lookup, rp_decision_t *d);

/** Become the one who fetches for lookup->key. @return nonzero when nobody else does; lookup->flight may then be none */
int rp_collapse_lead(rp_request_t *rq, rp_lookup_t *lookup);

/** So many bytes of this object of the store can be read by those who wait. */
void rp_collapse_readable(rp_lookup_t *lookup, uint64_t object, uint64_t published);

/** The fetch is over; nothing when there is no flight. @param p  for what telling the farm takes */
void rp_collapse_end(apr_pool_t *p, rp_lookup_t *lookup, rp_flight_phase_e phase, int status);

/** Is somebody waiting for it or reading what it gets? */
int rp_collapse_is_followed(const rp_lookup_t *lookup);

/**
 * A response came that is of no use to others: for a while nobody waits for his like.
 * @param shared  the opposite: others can use it
 */
void rp_collapse_remember(const rp_lookup_t *lookup, int shared);

#endif

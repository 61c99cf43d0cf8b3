/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Early hints (RFC 8297) that are remembered; private to cache/.
 *
 * What a backend says in a 103 about a URL is kept for the next client that has to wait for it, be the response itself
 * storable or not.  It lies beside the URL's responses, under the same first half of the key, so that what makes those
 * invalid takes it along.
 */
#ifndef RP_HINTS_H
#define RP_HINTS_H

#include "cache/lookup.h"

/** The client is about to wait: send it what is remembered for this URL, and note that in rq->hinted. */
void rp_hints_send(rp_request_t *rq, const rp_lookup_t *lookup);

/**
 * rq->response, which answers a GET, has come: remember the hints that came before it, or forget those that did not come
 * this time.  Nothing is learned from what may be somebody's own: a request with credentials or cookies, or a response
 * that the store may not have for another reason than that it says nothing of freshness.
 * @param request_cc  the client's directives
 */
void rp_hints_learn(rp_request_t *rq, const rp_lookup_t *lookup, const rp_cc_t *request_cc);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Asking a backend for what the cache cannot answer by itself; private to cache/. */
#ifndef RP_ASK_H
#define RP_ASK_H

#include "cache/decide.h"

/**
 * Ask a backend, store what may be stored, answer.  What is stale is revalidated, and stands in for a backend that gives
 * no answer where it may.  A flight in lookup is told how it went.
 * @return as an httpd handler
 */
int rp_ask(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d);

/** Renew what was found, without a client: rq->detached. A flight in lookup is told how it went. */
void rp_refresh(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d);

/** Answer with what is stored, saying so. */
int rp_answer_hit(rp_request_t *rq, rp_lookup_t *lookup, const rp_decision_t *d, const char *note, const char *params);

/** Put the validators of what is stored into the request for the backend. @return nonzero when there are any */
int rp_add_validators(rp_request_t *rq, const rp_lookup_t *lookup);

/** Take the client's conditions out of it. */
void rp_remove_conditions(rp_request_t *rq);

#endif

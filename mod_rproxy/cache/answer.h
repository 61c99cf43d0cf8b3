/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Answers: from what is stored, and from what a backend sends; private to cache/. */
#ifndef RP_ANSWER_H
#define RP_ANSWER_H

#include "cache/lookup.h"

/**
 * Send the entry: 200 (or what status it has), 304 or 206 as the request's conditions and ranges want.
 * @param age  its current age in seconds
 */
int rp_answer_stored(rp_request_t *rq, rp_lookup_t *lookup, rp_secs_t age);

/**
 * Put the head of an entry whose body is still being written into r->headers_out.
 * @return nonzero when the body is to be sent, with its end; 0 when nothing is: rp_answer_empty()
 */
int rp_answer_followed_head(rp_request_t *rq, rp_lookup_t *lookup, rp_secs_t age);
int rp_answer_empty(rp_request_t *rq);

/**
 * Send rq->response while it comes in from the backend.
 * @param evaluate  the client's conditions were kept from the backend: evaluate them here
 */
int rp_answer_fetched(rp_request_t *rq, const rp_tee_t *tee, int evaluate);

#endif
